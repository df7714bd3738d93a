#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""LAVA jobs for the tests, and what LAVA says of them.

  lava.py pack <folder>                       splat and splat.allow for lab/lava-iommu
  lava.py job <qemu.json> <url>               a job for LAVA's qemu device type
  lava.py board <url> <seconds>               a job for a board, see lab/board.jinja2
  lava.py device <dictionary> <job>           the device as the server gives it to a worker;
                                              only where LAVA's device types are installed
  lava.py results <log or results>            lines "suite test result" of lava-run's output or
                                              of lavacli results
  lava.py expect <result.json>                the same lines of make run
  lava.py compare <result.json> <log>         the two compared, exit code 1 if they differ
  lava.py table <name=results>...             one table of many jobs

<url> is the folder with kernel, initramfs.cpio, disks and pack.tar.gz.
"""

import difflib
import json
import os
import re
import sys

import yaml

WORD = {"passed": "pass", "failed": "fail", "skipped": "skip"}
DEFINITION = re.compile(r"\d+_iommu")
DEVICE_TYPES = "/usr/share/lava-server/device-types"
# Found by LAVA's prompts: busybox sh of the initramfs, in the folder that init.c goes to
PROMPT = "/tests # "


def mangle(name):
    """LAVA takes no other characters in the name of a test case"""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def expected(path):
    with open(path, encoding="utf-8") as f:
        return [(t["suite"], mangle(t["name"]), WORD[t["status"]]) for t in json.load(f)["tests"]]


def said(text):
    """Results of our definition, from lines of lava-run or the list that lavacli prints"""
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError:
        entries = None
    if not isinstance(entries, list):
        entries = []
        for line in text.splitlines():
            if "lvl: results" in line or '"lvl": "results"' in line:
                one = yaml.safe_load(line)
                entries += one if isinstance(one, list) else [one]
    out = []
    # The server has its results in an order of its own, but with numbers
    for e in sorted((e for e in entries if isinstance(e, dict)), key=lambda e: int(e.get("id", 0))):
        e = e.get("msg", e.get("metadata", e))
        # No set: a summary of LAVA's own
        if isinstance(e, dict) and DEFINITION.fullmatch(str(e.get("definition"))) and e.get("set"):
            out.append((str(e["set"]), str(e["case"]), str(e["result"])))
    return out


def write_pack(folder):
    """What kernel messages fail a run, as grep -E has it"""
    import results
    with open(f"{folder}/splat", "w", encoding="utf-8") as f:
        f.write(results.SPLAT.pattern.replace(r"\d", "[0-9]") + "\n")
    here = os.path.dirname(os.path.abspath(__file__))
    with open(f"{here}/splat.allow", encoding="utf-8") as f, \
            open(f"{folder}/splat.allow", "w", encoding="utf-8") as out:
        out.writelines(line.partition(" # ")[0] + "\n" for line in f
                       if line.strip() and not line.startswith("#"))


def test_action(url, seconds):
    return {"test": {
        "timeout": {"seconds": int(seconds) + 120},
        "definitions": [{"from": "url", "repository": f"{url}/pack.tar.gz", "compression": "gz",
                         "path": "iommu-tests/iommu.yaml", "name": "iommu",
                         # By way of the kernel's log: what the kernel says does not cut a signal
                         "lava-signal": "kmsg"}]}}


def frame(name, device_type, seconds, actions, **more):
    return {"job_name": name, "device_type": device_type, "visibility": "public", "priority": "medium",
            "timeouts": {"job": {"seconds": int(seconds) + 1200}, "action": {"minutes": 15},
                         "connection": {"minutes": 5}}, **more, "actions": actions}


def split_machine(words):
    """-M of the machine, for LAVA has a variable of its own for that, and the rest"""
    at = words.index("-M")
    return words[at + 1], words[:at] + words[at + 2:]


def pairs(words):
    """LAVA's options are strings such as '-device edu'"""
    out = []
    for w in words:
        if w.startswith("-") or not out:
            out.append(w)
        else:
            out[-1] += " " + w
    return out


def qemu_job(q, url):
    machine, rest = split_machine(q["qemu"])
    context = {"arch": q["arch"], "memory": q["memory"], "netdevice": "user",
               # A slot that no machine of machines.ini uses
               "model": "model=virtio,addr=1e"}
    # Quoted: the device runs it by way of a shell
    extra = pairs(["-accel", "tcg", "-smp", "2", "-vga", "none", "-no-reboot",
                   *(f"'{w}'" if re.search(r"[][;&|<>()$*?]", w) else w for w in rest + q["devices"])])
    if q["arch"] == "arm64":
        context.update(machine=machine, cpu="cortex-a57")
    else:
        context["no_kvm"] = True
        extra.insert(0, f"-M {machine}")
    context["extra_options"] = extra
    append = f"{q['append']} printk.devkmsg=on log_buf_len=4M"
    images = {
        "kernel": {"url": f"{url}/kernel", "image_arg": f'-kernel {{kernel}} -append "{append}"'},
        "initrd": {"url": f"{url}/initramfs.cpio", "image_arg": "-initrd {initrd}",
                   "format": "cpio.newc", "overlays": {"lava": True}}}
    for nr, disk in enumerate(q["disks"]):
        images[f"disk{nr}"] = {"url": f"{url}/disk{nr}.img",
                               "image_arg": re.sub(r"file=\S+", f"file={{disk{nr}}}", disk)}
    return frame(f"iommu on {q['name']}", "qemu", q["seconds"], [
        {"deploy": {"to": "tmpfs", "os": "oe", "timeout": {"minutes": 10}, "images": images}},
        {"boot": {"method": "qemu", "media": "tmpfs", "prompts": [PROMPT], "timeout": {"minutes": 10}}},
        test_action(url, q["seconds"])], context=context)


def board_job(url, seconds):
    """Kernel and modules of make deb, a Debian root file system of the lab, the pack"""
    return frame("iommu on a board", "hip07-d05", seconds, [
        {"deploy": {"to": "tftp", "os": "debian", "timeout": {"minutes": 15},
                    "kernel": {"url": f"{url}/kernel", "type": "image"},
                    "modules": {"url": f"{url}/modules.tar.gz", "compression": "gz"},
                    "dtb": {"url": f"{url}/board.dtb"},
                    "nfsrootfs": {"url": f"{url}/debian-arm64.tar.gz", "compression": "gz"}}},
        {"boot": {"method": "grub", "commands": "nfs", "timeout": {"minutes": 20},
                  "auto_login": {"login_prompt": "login:", "username": "root"},
                  "prompts": ["root@"]}},
        test_action(url, seconds)])


def device(dictionary, job):
    """The YAML that lava-run takes: LAVA's template, the dictionary, the context of the job"""
    import jinja2.sandbox
    env = jinja2.sandbox.SandboxedEnvironment(
        loader=jinja2.FileSystemLoader([DEVICE_TYPES]), trim_blocks=True, autoescape=False)
    with open(job, encoding="utf-8") as f:
        context = yaml.safe_load(f).get("context", {})
    with open(dictionary, encoding="utf-8") as f:
        return env.from_string(f.read()).render(**context)


def dump(what):
    return yaml.safe_dump(what, sort_keys=False, default_flow_style=False, width=100)


def lines(rows):
    return [" ".join(r) for r in rows]


def compare(path, log):
    want = lines(expected(path))
    with open(log, encoding="utf-8", errors="replace") as f:
        got = lines(said(f.read()))
    if want == got and got:
        print(f"LAVA reports what make run reports: {len(got)} results, line by line")
        return 0
    print("\n".join(difflib.unified_diff(want, got, "make run", "LAVA", lineterm="", n=1)))
    print(f"LAVA reports {len(got)} results, make run {len(want)}")
    return 1


def table(columns):
    """columns: name -> results. A row for each program, pass/fail/skip for each job."""
    suites = list(dict.fromkeys(s for rows in columns.values() for s, _, _ in rows))
    width = max(map(len, [*suites, "pass/fail/skip"]))
    out = [f"{'pass/fail/skip':<{width}}" + "".join(f"  {n:>20}" for n in columns)]
    for s in suites:
        cells = []
        for rows in columns.values():
            mine = [r for suite, _, r in rows if suite == s]
            cells.append("/".join(str(mine.count(w)) for w in ("pass", "fail", "skip")) if mine else "-")
        out.append(f"{s:<{width}}" + "".join(f"  {c:>20}" for c in cells))
    return out


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def main(argv):
    what, args = argv[0], argv[1:]
    if what == "pack":
        write_pack(args[0])
    elif what == "job":
        print(dump(qemu_job(json.loads(read(args[0])), args[1])), end="")
    elif what == "board":
        print(dump(board_job(args[0], args[1])), end="")
    elif what == "device":
        print(device(*args))
    elif what == "results":
        print("\n".join(lines(said(read(args[0])))))
    elif what == "expect":
        print("\n".join(lines(expected(args[0]))))
    elif what == "compare":
        return compare(*args)
    elif what == "table":
        columns = {n: said(read(p)) for n, p in (a.split("=", 1) for a in args)}
        print("\n".join(table(columns)))
        return 0 if all(columns.values()) else 1
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [""]))
