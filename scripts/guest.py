#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boot one kernel on one machine, run tests in it, judge and file the results.

A run passes when the guest said status 0, every KTAP plan is complete, nothing is
"not ok", the console shows no kernel splat and nothing took too long.
Exit code: 0 pass, 1 test failure, 2 harness error, 4 all skipped, 124 timeout.
"""

import argparse
import configparser
import fnmatch
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from xml.sax.saxutils import quoteattr

import dmar
import ktap

HERE = os.path.dirname(os.path.abspath(__file__))
SELFTESTS = os.path.join(HERE, "../tools/testing/selftests/iommu")
BOOT_SECONDS = 90

SPLAT = re.compile(
    r"WARNING:|BUG:|kernel BUG at|\bKASAN\b|\bUBSAN\b|Oops|Internal error|Kernel panic|"
    r"Unable to handle kernel|general protection fault|possible (circular|recursive|irq)|"
    r"inconsistent lock state|suspicious RCU|refcount_t:|kmemleak: \d+ new|unreferenced object|"
    r"INFO: task .* blocked|rcu: INFO: .*stall|soft lockup|hard LOCKUP|"
    r"(list_add|list_del) corruption|bad page state|Bad page map|held lock freed|"
    r"sleeping function called|scheduling while atomic|Trying to vfree|stack-protector")

QEMU = {"arm64": "qemu-system-aarch64", "x86_64": "qemu-system-x86_64"}
HOST = {"arm64": "aarch64", "x86_64": "x86_64"}
# A busy host misses ticks of an emulated timer, and then x86 panics at boot.
CONSOLE = {"arm64": "console=ttyAMA0", "x86_64": "console=ttyS0 no_timer_check"}


def die(msg):
    print(f"error: {msg}", file=sys.stderr)
    sys.exit(2)


def read_table(group, machine, glob, tests_dir):
    """Rows of tests.list: (name, seconds, command) for these groups on this machine."""
    rows = []
    for line in open(os.path.join(HERE, "tests.list"), encoding="utf-8"):
        f = line.split("#")[0].split(None, 4)
        if len(f) != 5:
            continue
        name, grp, seconds, machines, cmd = f
        if grp not in group or not any(fnmatch.fnmatch(machine, m) for m in machines.split(",")):
            continue
        if glob and not fnmatch.fnmatch(name, glob):
            continue
        prog = program(cmd)
        if grp in ("series", "long", "bench") and not prog.startswith("@") and \
                not any(map(os.path.exists, (f"{tests_dir}/{prog}", f"{SELFTESTS}/{prog}.c"))):
            print(f"note: {prog} is not in this series")
            continue
        rows.append((name, float(seconds), cmd.strip()))
    return rows


def program(cmd):
    """The first word of a command that sets no variable"""
    return next(w for w in cmd.split() if "=" not in w)


def read_allow():
    rules = []
    for nr, line in enumerate(open(os.path.join(HERE, "splat.allow"), encoding="utf-8"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        rule, _, reason = line.partition(" # ")
        if not reason.strip():
            die(f"scripts/splat.allow:{nr} gives no reason")
        rules.append(re.compile(rule.strip()))
    return rules


def cpio_of(files, path, gen):
    """files: (name in the guest, mode, source file) into a cpio by the kernel's own tool"""
    spec = path + ".spec"
    with open(spec, "w", encoding="utf-8") as f:
        for name, mode, source in files:
            f.write(f"dir {name} {mode} 0 0\n" if source is None else
                    f"nod {name} 600 0 0 c 5 1\n" if source == "console" else
                    f"file {name} {source} {mode} 0 0\n")
    with open(path, "wb") as f:
        subprocess.run([gen, spec], stdout=f, check=True)


def qemu_command(cfg, arch, args, out, initrd, append):
    accel = args.accel or "tcg"
    if accel == "tcg":
        cpu = ["-cpu", "cortex-a57"] if arch == "arm64" else []
    else:
        if platform.machine() != HOST[arch]:
            die(f"ACCEL={accel} needs a {HOST[arch]} host")
        cpu = ["-cpu", "host"]
    # icount makes guest time count instructions, which is what make bench measures
    smp = ["-smp", "1", "-icount", "shift=0"] if args.icount else ["-smp", "2"]
    cmd = [QEMU[arch], "-accel", accel, *shlex.split(cfg["qemu"]), *cpu, *smp,
           "-m", cfg["memory"], *shlex.split(cfg["devices"]),
           "-nodefaults", "-display", "none", "-no-reboot",
           "-kernel", args.kernel, "-initrd", initrd, "-append", append]
    if args.shell:
        cmd += ["-serial", "mon:stdio"]
    else:
        cmd += ["-serial", f"file:{out}/console.log", "-device", cfg["ports"],
                "-chardev", f"file,id=ktap,path={out}/results.ktap",
                "-device", "virtserialport,chardev=ktap,name=ktap",
                "-chardev", f"file,id=status,path={out}/status",
                "-device", "virtserialport,chardev=status,name=status"]
    if args.gdb:
        cmd += ["-S", "-gdb", f"tcp:127.0.0.1:{args.gdb}"]
    return cmd


class Tail:
    """Whole lines that were added to a file since the last look"""

    def __init__(self, path):
        self.path, self.pos, self.rest = path, 0, ""

    def lines(self, last=False):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.pos)
                data = f.read()
        except FileNotFoundError:
            return []
        self.pos += len(data)
        self.rest += data.decode("utf-8", "replace")
        out = self.rest.split("\n")
        self.rest = out.pop()
        if last and self.rest:
            out.append(self.rest)
            self.rest = ""
        return out


class Run:
    """One boot: follows the report while it is written."""

    def __init__(self, machine, tests, bench, verbose):
        self.machine, self.tests, self.verbose = machine, tests, verbose
        # kselftests owe a plan; a benchmark and what init.c does itself do not
        self.parser = ktap.Parser([n for n, _, c in tests if not bench and c[0] != "@"])
        self.suites = []          # (name, seconds, [Result])
        self.current, self.leaves = None, []
        self.started = self.mark = time.monotonic()
        self.booted = None
        self.timeout = None

    def label(self, text, seconds, word):
        if self.quiet and word[:4] in ("FAIL", "skip"):
            return
        print(f"{self.machine:<19} {text:<62} {seconds:6.1f} s  {word}", flush=True)

    def feed(self, line):
        now = time.monotonic()
        m = re.match(r" +# harness: start (.*)", line)
        if m:
            if self.booted is None:
                self.booted = now - self.started
                self.label("boot", self.booted, "")
            self.current, self.leaves, self.mark = m[1], [], now
            self.begun = now
            return
        if line.startswith("  # bench:") or line.startswith("  bench:"):
            print("    " + line.strip().lstrip("# "), flush=True)
        for r in self.parser.feed(line):
            r.seconds, self.mark = now - self.mark, now
            self.leaves.append(r)
            if self.verbose:
                self.show(r)
        if re.match(r"(not )?ok ", line) and self.current:
            self.close(now - self.begun)

    def show(self, r):
        word = {"passed": "ok", "failed": "FAIL", "skipped": "skip"}[r.status]
        name = r.name if r.name == self.current else f"{self.current}: {r.name}"
        self.label(name, r.seconds, word + (f": {r.text}" if r.text else ""))

    def close(self, seconds):
        if not self.verbose:
            for r in self.leaves:
                if r.status == "failed":
                    self.show(r)
            # One line for each reason to skip
            reasons = {}
            for r in self.leaves:
                if r.status == "skipped":
                    reasons.setdefault(r.text, []).append(r)
            for text, same in reasons.items():
                if len(same) == 1:
                    self.show(same[0])
                else:
                    self.label(f"{self.current}: {len(same)} tests", sum(r.seconds for r in same),
                               f"skip: {text}")
            n = count(self.leaves)
            self.label(self.current, seconds, words(n))
        self.suites.append((self.current, seconds, self.leaves))
        self.current, self.leaves = None, []

    def extra(self, name, text, suite="harness"):
        """A failure that no test reported"""
        r = ktap.Result(name, "failed", text)
        self.suites.append((suite, 0.0, [r]))
        self.label(name, 0.0, "FAIL: " + text)

    def overdue(self):
        now = time.monotonic()
        if self.booted is None:
            return "boot" if now - self.started > BOOT_SECONDS * self.slow else None
        if self.current:
            limit = dict((t[0], t[1]) for t in self.tests)[self.current]
            return self.current if now - self.begun > limit + 20 else None
        return "between tests" if now - self.mark > 60 * self.slow else None


def count(leaves):
    return {s: sum(r.status == s for r in leaves) for s in ("passed", "failed", "skipped")}


def words(n):
    return ", ".join(f"{n[s]} {s}" for s in ("passed", "failed", "skipped") if n[s] or s == "passed")


def find_splats(path, allow):
    """Each splat with the lines after it; what the allowlist names does not count."""
    try:
        lines = open(path, encoding="utf-8", errors="replace").read().splitlines()
    except FileNotFoundError:
        return ["no console log"]
    out, skip_to = [], -1
    for i, line in enumerate(lines):
        if i > skip_to and SPLAT.search(line) and not any(a.search(line) for a in allow):
            out.append("\n".join(lines[max(0, i - 1):i + 25]))
            skip_to = i + 40
    return out


def write_junit(path, machine, suites):
    with open(path, "w", encoding="utf-8") as f:
        f.write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n')
        for name, seconds, leaves in suites:
            n = count(leaves)
            f.write(f'  <testsuite name={quoteattr(machine + "." + name)} tests="{len(leaves)}" '
                    f'failures="{n["failed"]}" skipped="{n["skipped"]}" time="{seconds:.2f}">\n')
            for r in leaves:
                f.write(f'    <testcase classname={quoteattr(machine + "." + name)} '
                        f'name={quoteattr(clean(r.name))} time="{r.seconds:.2f}"')
                tag = {"failed": "failure", "skipped": "skipped"}.get(r.status)
                f.write(f'><{tag} message={quoteattr(clean(r.text))}/></testcase>\n' if tag else "/>\n")
            f.write("  </testsuite>\n")
        f.write("</testsuites>\n")


def clean(text):
    """What XML 1.0 cannot hold"""
    return re.sub(r"[^\t\n\x20-\ud7ff\ue000-\ufffd]", "?", text)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--machine", required=True)
    ap.add_argument("--kernel", required=True)
    ap.add_argument("--gen-init-cpio", required=True)
    ap.add_argument("--tests-dir", required=True, help="init and the test programs")
    ap.add_argument("--results", required=True)
    ap.add_argument("--group", default="series", help="comma list, see tests.list")
    ap.add_argument("--test", default="", help="glob of test names")
    ap.add_argument("--accel", default="")
    ap.add_argument("--slow", type=float, default=1, help="all limits times this")
    ap.add_argument("--seconds", type=float, help="one limit for all tests, before --slow")
    ap.add_argument("--append", action="append", default=[], help="to the kernel command line")
    ap.add_argument("--args", default="", help="more arguments for each test program")
    ap.add_argument("--memory")
    ap.add_argument("--hugepages", type=int, default=64, help="of the default size")
    ap.add_argument("--icount", action="store_true")
    ap.add_argument("--kmemleak", action="store_true")
    ap.add_argument("--shell", metavar="ROOT", help="an interactive shell; a folder with bin/sh")
    ap.add_argument("--gdb", metavar="PORT", help="start stopped with a gdb server")
    ap.add_argument("--quiet", action="store_true", help="no word on what fails: it should")
    ap.add_argument("--verbose", action="store_true")
    args = ap.parse_args()

    machines = configparser.ConfigParser(interpolation=None)
    machines.read(os.path.join(HERE, "machines.ini"), encoding="utf-8")
    if args.machine not in machines:
        die(f"unknown machine {args.machine}; there is {', '.join(machines.sections())}")
    cfg = machines[args.machine]
    if args.memory:
        cfg["memory"] = args.memory
    arch = cfg["arch"]
    if not shutil.which(QEMU[arch]):
        die(f"{QEMU[arch]} is missing; scripts/deps installs it")
    allow = read_allow()

    tests = [("shell", 0, "@shell")] if args.shell else \
        read_table(args.group.split(","), args.machine, args.test, args.tests_dir)
    if args.kmemleak and tests and not args.shell:
        tests.append(("kmemleak", 60, "@kmemleak"))
    if not tests:
        print(f"{args.machine:<19} no test matches here")
        sys.exit(4)

    out = args.results
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    slow = args.slow * (1 if args.accel in ("", "tcg") else 0.5)
    tests = [(n, (args.seconds or s) * slow, c) for n, s, c in tests]
    files = [("/dev", "755", None), ("/dev/console", "600", "console"), ("/proc", "755", None),
             ("/sys", "755", None), ("/tmp", "1777", None), ("/tests", "755", None),
             ("/init", "755", f"{args.tests_dir}/init"), ("/run.list", "644", f"{out}/run.list")]
    with open(f"{out}/run.list", "w", encoding="utf-8") as f:
        for name, seconds, cmd in tests:
            prog = program(cmd)
            if not prog.startswith("@"):
                if not os.path.exists(f"{args.tests_dir}/{prog}"):
                    die(f"tests.list names {prog}, but the selftests Makefile builds no such program")
                files.append((f"/tests/{prog}", "755", f"{args.tests_dir}/{prog}"))
                cmd += " " + args.args if args.args else ""
                if cmd == "faults leak":
                    files.append(("/tests/leak.ko", "644", f"{os.path.dirname(args.kernel)}/leak.ko"))
            f.write(f"{name} {seconds:.0f} {cmd}\n")
    if cfg.get("rmrr"):
        with open(f"{out}/dmar.aml", "wb") as f:
            f.write(dmar.table(cfg["rmrr"]))
        files[:0] = [("/kernel/firmware/acpi/dmar.aml", "644", f"{out}/dmar.aml")]
    initrd = f"{out}/initramfs.cpio"
    if args.shell:
        known = {name for name, _, _ in files}
        for folder, dirs, names in os.walk(args.shell):
            rel = folder[len(args.shell):]
            files += [(f"{rel}/{d}", "755", None) for d in sorted(dirs) if f"{rel}/{d}" not in known]
            files += [(f"{rel}/{n}", "755" if os.access(f"{folder}/{n}", os.X_OK) else "644",
                       f"{folder}/{n}") for n in sorted(names)]
    cpio_of(files, initrd, args.gen_init_cpio)

    append = " ".join(filter(None, [CONSOLE[arch], f"panic=-1 oops=panic hugepages={args.hugepages}",
                                    cfg["append"], *args.append,
                                    "quiet" if args.shell else ""]))
    cmd = qemu_command(cfg, arch, args, out, initrd, append)
    with open(f"{out}/qemu.sh", "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nexec " + shlex.join(cmd) + "\n")
    os.chmod(f"{out}/qemu.sh", 0o755)
    if args.shell or args.gdb:
        os.execvp(cmd[0], cmd)

    run = Run(args.machine, tests, args.group == "bench", args.verbose)
    run.slow, run.quiet = slow, args.quiet
    report, status = Tail(f"{out}/results.ktap"), Tail(f"{out}/status")
    with open(f"{out}/qemu.log", "wb") as log:
        qemu = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    said = []
    try:
        while qemu.poll() is None:
            for line in report.lines():
                run.feed(line)
            run.timeout = run.overdue()
            if run.timeout:
                break
            time.sleep(0.05)
    finally:
        if qemu.poll() is None:
            qemu.kill()
        qemu.wait()
    for line in report.lines(last=True):
        run.feed(line)
    said = [s for s in status.lines(last=True) if s.startswith("status ")]

    if run.booted is None and not run.timeout and qemu.returncode:
        print(open(f"{out}/qemu.log", errors="replace").read(), file=sys.stderr)
        die(f"QEMU ended with {qemu.returncode}; its command is {out}/qemu.sh")
    if run.current:
        run.close(time.monotonic() - run.begun)
    if run.timeout:
        run.extra("no timeout", f"nothing new for too long: {run.timeout}")
    for r in run.parser.finish():
        run.extra(r.name, r.text)
    for splat in find_splats(f"{out}/console.log", allow):
        first = next((s for s in splat.splitlines() if SPLAT.search(s)), splat)
        run.extra("no kernel splat", first.strip())
        if not args.quiet:
            print("\n".join("    | " + s for s in splat.splitlines()[:25]))
    if not said:
        run.extra("guest status", "the guest ended without a status")
    leaves = [r for _, _, lv in run.suites for r in lv]
    n = count(leaves)
    if said and said[-1].strip() != "status 0" and not n["failed"]:
        run.extra("guest status", said[-1].strip())
        n["failed"] += 1

    write_junit(f"{out}/junit.xml", args.machine, run.suites)
    timed_out = bool(run.timeout) or any(r.text.startswith("timeout after") for r in leaves)
    with open(f"{out}/result.json", "w", encoding="utf-8") as f:
        json.dump({"machine": args.machine, **n, "timeout": timed_out,
                   "tests": [{"suite": s, "name": r.name, "status": r.status, "text": r.text,
                              "seconds": round(r.seconds, 2)}
                             for s, _, lv in run.suites for r in lv]}, f, indent=1)
    if n["failed"]:
        if not args.quiet:
            print(f"{args.machine}: results in {os.path.relpath(out)}/ (results.ktap, junit.xml, "
                  f"console.log); again: {os.path.relpath(out)}/qemu.sh")
        sys.exit(124 if timed_out else 1)
    sys.exit(0 if n["passed"] else 4)


main()
