#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Write the figures of the documents: make report.

  report.py <build/report> <document>...

A document holds blocks between "<!-- report: NAME [ARG] -->" and "<!-- end -->". Each is
replaced by what the last run of a command left in build/report/:
  output CMD         the last output of make CMD, as it was printed
  output CMD REGEX   of that only the lines that match; of make run and make check also the first and
                     the last one
  machines           what make check booted: machine, kernel, programs, counts, seconds
  peers              what make peers ran: device, kernel, back end, counts, seconds
  vmm                what make vmm ran, of each scenario and kernel the last time: scenario, kernel, back
                     end, counts, what the scenario counted, seconds
  skips              the reasons for skipped tests, by machine
A block whose command has not been run, or not to its end, stays as it is and is named.
"""

import json
import os
import re
import sys

# The last line of these; a run that was stopped has another
COUNTED = ("run", "check")
COUNTS = re.compile(r"\d+ passed, \d+ failed, \d+ skipped")
BLOCK = re.compile(r"(<!-- report: ([^>]*?) -->\n)(.*?)(<!-- end -->)", re.S)


class Missing(Exception):
    pass


def lines_of(folder, cmd):
    try:
        with open(os.path.join(folder, cmd + ".txt"), encoding="utf-8") as f:
            lines = [line.rstrip() for line in f]
    except FileNotFoundError:
        raise Missing(f"make {cmd}") from None
    if not lines or cmd in COUNTED and not COUNTS.fullmatch(lines[-1]):
        raise Missing(f"make {cmd} to its end")
    return lines


def boots(folder, cmd="check"):
    if cmd in COUNTED:
        lines_of(folder, cmd)
    try:
        with open(os.path.join(folder, cmd + ".boots"), encoding="utf-8") as f:
            rows = [line.rstrip("\n").split("\t") for line in f]
        out = []
        for machine, kernel, path, *source in rows:
            with open(os.path.join(path, "result.json"), encoding="utf-8") as f:
                out.append((machine, kernel, {**json.load(f), "source": " ".join(source)}))
    except FileNotFoundError:
        raise Missing(f"make {cmd}") from None
    if not out:
        raise Missing(f"make {cmd}")
    return out


def squeeze(lines):
    """Narrows columns of blanks that all lines share to three; what was aligned stays so"""
    width = max(map(len, lines), default=0)
    blank = [all(len(s) <= c or s[c] == " " for s in lines) for c in range(width)]
    keep = [c for c in range(width) if not all(blank[max(0, c - 3):c + 1]) or c < 3]
    return ["".join(s[c] for c in keep if c < len(s)) for s in lines]


def output(folder, cmd, regex=None):
    lines = lines_of(folder, cmd)
    if regex:
        keep = [n for n, line in enumerate(lines)
                if re.search(regex, line) or cmd in COUNTED and n in (0, len(lines) - 1)]
        lines = [lines[n] for n in keep]
    return "```\n" + f"$ make {cmd}\n" + "\n".join(squeeze(lines)).strip("\n") + "\n```\n"


def kernel_name(kernel, machine):
    words = {"kasan": "KASAN, kmemleak, lockdep", "64k": "64K pages", "plain": "plain 6.12"}
    rest = kernel[len(machine.split("-")[0]):].strip("-").split("-")
    return ", ".join(words.get(w, w) for w in rest if w) or "-"


def machines(folder):
    out = ["| Machine | Kernel | Tests (passed) | Passed | Skipped | Seconds |",
           "| --- | --- | --- | --: | --: | --: |"]
    total = [0, 0, 0]
    for machine, kernel, r in boots(folder):
        if "plain" in kernel:
            continue
        tests = ", ".join(f"{s['name']} {s['passed']}" for s in r["suites"] if s["name"] != "harness")
        seconds = round(sum(s["seconds"] for s in r["suites"]))
        out.append(f"| {machine} | {kernel_name(kernel, machine)} | {tests} | "
                   f"{r['passed']} | {r['skipped']} | {seconds} |")
        total = [a + b for a, b in zip(total, (r["passed"], r["skipped"], seconds))]
    out.append(f"| all | | | {total[0]} | {total[1]} | {total[2]} |")
    return "\n".join(out) + "\n"


def back_end(name):
    """VFIO's own tests have it in the name of each variant; the others use iommufd"""
    m = re.search(r"\.(iommufd_compat_type1|vfio_type1|iommufd)", name)
    return m[1].replace("vfio_", "").replace("_", " ") if m else "iommufd"


def peers(folder):
    rows = {}
    for _, kernel, r in boots(folder, "peers"):
        name = "plain 6.12" if "plain" in kernel else "series"
        for t in r["tests"]:
            row = rows.setdefault((t["suite"], name, back_end(t["name"])),
                                  {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0})
            row[t["status"]] += 1
            row["seconds"] += t["seconds"]
    out = ["| Device | Kernel | Back end | Passed | Failed | Skipped | Seconds |",
           "| --- | --- | --- | --: | --: | --: | --: |"]
    for (suite, kernel, back), r in rows.items():
        out.append(f"| {suite} | {kernel} | {back} | {r['passed']} | {r['failed']} | "
                   f"{r['skipped']} | {round(r['seconds'])} |")
    return "\n".join(out) + "\n"


BACK_ENDS = {"type1": "type1", "compat": "iommufd as /dev/vfio/vfio", "viommu-type1": "type1"}
COUNTED_THERE = ("interrupts", "lost", "bytes", "swaps")


def last_rows(folder):
    """{(scenario, plain or series): suite} of the boots in the list of make vmm, to which each run
    adds. What the harness itself found wrong with a boot stays as long as a result of it does."""
    last, harness = {}, {}
    for nr, (_, kernel, r) in enumerate(boots(folder, "vmm"), 1):
        kind = "plain" if "plain" in kernel else "series"
        for s in r["suites"]:
            s["kernel"] = f"{kind} {r['source']}".strip()
            if s["name"] == "harness":
                harness.setdefault((nr, kind), []).append(s)
            else:
                last[s["name"].removeprefix("vmm-"), kind] = (nr, s)
    rows = {key: s for key, (_, s) in last.items()}
    for (nr, kind), found in harness.items():
        if nr in (n for n, _ in last.values()):
            rows[f"the harness, boot {nr}", kind] = {**found[0], "failed": sum(s["failed"] for s in found)}
    return rows


def vmm(folder):
    rows = last_rows(folder)
    out = ["| Scenario | Kernel | Back end | Passed | Failed | Skipped | Interrupts | Lost | Bytes | Swaps | Seconds |",
           "| --- | --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |"]
    for scenario in dict.fromkeys(s for s, _ in rows):
        for kind in ("plain", "series"):
            s = rows.get((scenario, kind))
            if s:
                counts = [f"{s['amounts'][w]:,}" if w in s.get("amounts", {}) else "" for w in COUNTED_THERE]
                cells = [scenario, s["kernel"], BACK_ENDS.get(scenario, "iommufd"), s["passed"], s["failed"],
                         s["skipped"], *counts, round(s["seconds"])]
                out.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(out) + "\n"


def skips(folder):
    why = {}
    for machine, kernel, r in boots(folder):
        for t in r["tests"]:
            if t["status"] == "skipped":
                why.setdefault(t["text"], {}).setdefault(machine, set()).add(t["name"])
    out = ["| Reason | Machines | Tests |", "| --- | --- | --- |"]
    for text, where in sorted(why.items()):
        names = sorted(set().union(*where.values()))
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        out.append(f"| {text} | {', '.join(sorted(where))} | {shown} |")
    return "\n".join(out) + "\n"


def fill(folder, text, stale):
    """The text of a document with its blocks as the last runs left them"""
    blocks = {"output": output, "machines": machines, "peers": peers, "vmm": vmm, "skips": skips}

    def one(m):
        name, *args = m[2].split(None, 2)
        try:
            return m[1] + blocks[name](folder, *args) + m[4]
        except Missing as e:
            stale.append(f"{m[2]}: run {e} first")
            return m[0]

    return BLOCK.sub(one, text)


def main():
    folder, stale = sys.argv[1], []

    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as f:
            old = f.read()
        new = fill(folder, old, stale)
        if new != old:
            with open(path, "w", encoding="utf-8") as f:
                f.write(new)
        print(f"{path}: {'written' if new != old else 'unchanged'}")
    for s in stale:
        print("not refreshed:", s)


if __name__ == "__main__":
    main()
