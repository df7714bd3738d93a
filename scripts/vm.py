#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boot one kernel on one machine of machines.ini and run tests of tests.list in it.

How a run is judged is in results.py.
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

import dmar
import results
import ssdt

HERE = os.path.dirname(os.path.abspath(__file__))
SELFTESTS = os.path.join(HERE, "../tools/testing/selftests/iommu")

QEMU = {"arm64": "qemu-system-aarch64", "x86_64": "qemu-system-x86_64"}
HOST = {"arm64": "aarch64", "x86_64": "x86_64"}
# A busy host misses ticks of an emulated timer, and then x86 panics at boot.
CONSOLE = {"arm64": "console=ttyAMA0", "x86_64": "console=ttyS0 no_timer_check"}


def die(msg):
    print(f"error: {msg}", file=sys.stderr)
    sys.exit(2)


def program(cmd):
    """The first word of a command that sets no variable"""
    return next(w for w in cmd.split() if "=" not in w)


# Groups whose tests the series does not bring
NO_PROGRAM = {"stock", "self", "dist", "capture", "peers", "vmm"}
# What a test program runs in turn
COMPANIONS = {"iommu_resv_tool": ["iommu-resv"], "capture": ["capture-host.sh"]}


def read_table(groups, machine, glob, tests_dir):
    """Rows of tests.list: (name, seconds, command) for these groups on this machine."""
    rows = []
    with open(os.path.join(HERE, "tests.list"), encoding="utf-8") as f:
        lines = [line.split("#")[0].split(None, 4) for line in f]
    for name, group, seconds, machines, cmd in (f for f in lines if len(f) == 5):
        if not set(group.split(",")) & set(groups) or glob and not fnmatch.fnmatch(name, glob) or \
                not any(fnmatch.fnmatch(machine, m) for m in machines.split(",")):
            continue
        prog = program(cmd)
        if not set(group.split(",")) & NO_PROGRAM and not prog.startswith("@") and \
                not any(map(os.path.exists, (f"{tests_dir}/{prog}", f"{SELFTESTS}/{prog}.c"))):
            print(f"note: {prog} is not in this series")
            continue
        rows.append((name, float(seconds), cmd.strip()))
    return rows


def read_allow():
    rules = []
    with open(os.path.join(HERE, "splat.allow"), encoding="utf-8") as f:
        for nr, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            rule, _, reason = line.partition(" # ")
            if not reason.strip():
                die(f"scripts/splat.allow:{nr} gives no reason")
            rules.append(re.compile(rule.strip()))
    return rules


def arguments():
    ap = argparse.ArgumentParser(description=__doc__)
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
    ap.add_argument("--skip-idle", action="store_true", help="no time passes while the guest waits")
    ap.add_argument("--kmemleak", action="store_true")
    ap.add_argument("--gcov", action="store_true", help="the kernel has counters: keep them in gcov")
    ap.add_argument("--shell", metavar="ROOT", help="an interactive shell; a folder with bin/sh")
    ap.add_argument("--root", help="a folder whose files go into the guest too")
    ap.add_argument("--lava", metavar="FOLDER", help="with --shell: do not boot, leave here what "
                    "a LAVA job needs: initramfs.cpio, run.list, disks, qemu.json")
    ap.add_argument("--qemu", help="another QEMU than the one in PATH")
    ap.add_argument("--pack", help="the kselftest pack for make dist-tests, /pack.tar.gz in the guest")
    ap.add_argument("--gdb", metavar="PORT", help="start stopped with a gdb server")
    ap.add_argument("--quiet", action="store_true", help="no word on what fails: it should")
    ap.add_argument("--verbose", action="store_true")
    return ap.parse_args()


def machine_of(args):
    machines = configparser.ConfigParser(interpolation=None)
    machines.read(os.path.join(HERE, "machines.ini"), encoding="utf-8")
    if args.machine not in machines:
        die(f"unknown machine {args.machine}; there is {', '.join(machines.sections())}")
    cfg = machines[args.machine]
    if args.memory:
        cfg["memory"] = args.memory
    if "command" in cfg and not args.root:
        die(f"the machine {args.machine} is for {cfg['command']} only")
    if not args.qemu and not shutil.which(QEMU[cfg["arch"]]):
        die(f"{QEMU[cfg['arch']]} is missing; scripts/deps installs it")
    return cfg


def guest_files(args, cfg, tests):
    """Lists the files of the initramfs, (name in the guest, mode, source), and writes run.list"""
    out = args.results
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
                files += [(f"/tests/{p}", "755", f"{args.tests_dir}/{p}")
                          for p in COMPANIONS.get(prog, ())
                          if os.path.exists(f"{args.tests_dir}/{p}")]
                cmd += " " + args.args if args.args else ""
                if cmd == "faults leak":
                    files.append(("/tests/leak.ko", "644", f"{os.path.dirname(args.kernel)}/leak.ko"))
            f.write(f"{name} {seconds:.0f} {cmd}\n")
    for key, maker in (("rmrr", dmar), ("dma", ssdt)):
        if cfg.get(key):
            with open(f"{out}/{key}.aml", "wb") as f:
                f.write(maker.table(cfg[key]))
            files.insert(0, (f"/kernel/firmware/acpi/{key}.aml", "644", f"{out}/{key}.aml"))
    if args.pack:
        files.append(("/pack.tar.gz", "644", args.pack))
    root = args.shell or args.root
    if root:
        known = {name for name, _, _ in files}
        for folder, dirs, names in os.walk(root):
            rel = folder[len(root):]
            files += [(f"{rel}/{d}", "755", None) for d in sorted(dirs) if f"{rel}/{d}" not in known]
            files += [(f"{rel}/{n}", "755" if os.access(f"{folder}/{n}", os.X_OK) else "644",
                       f"{folder}/{n}") for n in sorted(names)]
    return list(dict.fromkeys(files))


def write_initrd(files, path, gen):
    """An uncompressed cpio by the kernel's own tool"""
    spec = path + ".spec"
    with open(spec, "w", encoding="utf-8") as f:
        for name, mode, source in files:
            f.write(f"dir {name} {mode} 0 0\n" if source is None else
                    f"nod {name} 600 0 0 c 5 1\n" if source == "console" else
                    f"file {name} {source} {mode} 0 0\n")
    with open(path, "wb") as f:
        subprocess.run([gen, spec], stdout=f, check=True)


def disks(cfg, out):
    """An NVMe controller for each PCI address of the machine, with a sparse file behind it"""
    cmd = []
    for nr, addr in enumerate(cfg["disks"].split()):
        path = f"{out}/disk{nr}.img"
        with open(path, "wb") as f:
            f.truncate(int(cfg.get("disk_mib", "16")) << 20)
        cmd += ["-drive", f"if=none,id=disk{nr},format=raw,cache=unsafe,file={path}",
                "-device", f"nvme,drive=disk{nr},serial=disk{nr},addr={addr}"]
    return cmd


def with_overlay(cmd, source, args):
    """The command with a devicetree of its own: what QEMU makes for it, and an overlay."""
    out = args.results
    # The kernel builds these, as it does gen_init_cpio
    tools = os.path.join(os.path.dirname(args.gen_init_cpio), "../scripts/dtc")
    # -qq: an overlay cannot tell the cell counts of the bus that it goes to
    for step in ([*cmd, "-machine", f"dumpdtb={out}/qemu.dtb"],
                 [f"{tools}/dtc", "-qq", "-I", "dts", "-O", "dtb", "-o", f"{out}/overlay.dtbo",
                  os.path.join(HERE, source)],
                 [f"{tools}/fdtoverlay", "-i", f"{out}/qemu.dtb", "-o", f"{out}/machine.dtb",
                  f"{out}/overlay.dtbo"]):
        done = subprocess.run(step, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
        if done.returncode:
            die(f"{shlex.join(step)} failed:\n{done.stderr}")
    return cmd + ["-dtb", f"{out}/machine.dtb"]


def kernel_arguments(cfg, args):
    return " ".join(filter(None, [CONSOLE[cfg["arch"]], f"panic=-1 oops=panic hugepages={args.hugepages} log_buf_len=1M",
                                  cfg["append"], *args.append, "quiet" if args.shell and not args.lava else ""]))


def write_lava(cfg, args, tests):
    """What a LAVA job of this machine needs beside kernel and tests, see lava.py"""
    if cfg.get("overlay"):
        die(f"{args.machine} needs a devicetree made by QEMU for its own command line; LAVA has another")
    out = args.lava
    with open(f"{out}/run.list", "w", encoding="utf-8") as f:
        for name, seconds, cmd in tests:
            f.write(f"{name} {seconds:.0f} {cmd}\n")
    images = disks(cfg, out)
    with open(f"{out}/qemu.json", "w", encoding="utf-8") as f:
        json.dump({"name": args.machine, "arch": cfg["arch"], "memory": cfg["memory"],
                   "qemu": shlex.split(cfg["qemu"]), "devices": shlex.split(cfg["devices"]),
                   "disks": [f"{images[i]} {images[i + 1]} {images[i + 2]} {images[i + 3]}"
                             for i in range(0, len(images), 4)],
                   "append": kernel_arguments(cfg, args),
                   "seconds": sum(s for _, s, _ in tests)}, f, indent=1)


def qemu_command(cfg, args, initrd):
    arch, out, accel = cfg["arch"], args.results, args.accel or "tcg"
    if accel == "tcg":
        cpu = ["-cpu", cfg.get("cpu", "cortex-a57")] if arch == "arm64" else []
    else:
        if platform.machine() != HOST[arch]:
            die(f"ACCEL={accel} needs a {HOST[arch]} host")
        cpu = ["-cpu", "host"]
    # icount makes guest time count instructions, which is what make bench measures
    smp = ["-smp", "1", "-icount", "shift=0"] if args.icount else ["-smp", "2"]
    if args.skip_idle:
        smp = ["-smp", "1", "-icount", "shift=0,sleep=off"]
    devices = cfg["devices"].replace("{root}", args.root or "")
    cmd = [args.qemu or QEMU[arch], "-accel", accel, *shlex.split(cfg["qemu"]), *cpu, *smp,
           "-m", cfg["memory"], *shlex.split(devices), *disks(cfg, out),
           "-nodefaults", "-display", "none", "-no-reboot",
           "-kernel", args.kernel, "-initrd", initrd, "-append", kernel_arguments(cfg, args)]
    if args.shell:
        cmd += ["-serial", "mon:stdio"]
    else:
        cmd += ["-serial", f"file:{out}/console.log", "-device", cfg["ports"]]
        ports = [("ktap", "results.ktap"), ("status", "status")] + [("gcov", "gcov")] * args.gcov
        for port, name in ports:
            cmd += ["-chardev", f"file,id={port},path={out}/{name}",
                    "-device", f"virtserialport,chardev={port},name={port}"]
    if cfg.get("overlay"):
        cmd = with_overlay(cmd, cfg["overlay"], args)
    if args.gdb:
        cmd += ["-S", "-gdb", f"tcp:127.0.0.1:{args.gdb}"]
    with open(f"{out}/qemu.sh", "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nexec " + shlex.join(cmd) + "\n")
    os.chmod(f"{out}/qemu.sh", 0o755)
    return cmd


def follow(cmd, out, run):
    """Run QEMU to its end or until something takes too long. Returns the lines of status."""
    report, status = results.Tail(f"{out}/results.ktap"), results.Tail(f"{out}/status")
    with open(f"{out}/qemu.log", "wb") as log, \
            subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as qemu:
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
    if run.booted is None and not run.timeout and qemu.returncode:
        with open(f"{out}/qemu.log", errors="replace", encoding="utf-8") as f:
            print(f.read(), file=sys.stderr)
        die(f"QEMU ended with {qemu.returncode}; its command is {out}/qemu.sh")
    return [s for s in status.lines(last=True) if s.startswith("status ")]


def main():
    args = arguments()
    cfg, allow, out = machine_of(args), read_allow(), args.results
    tests = [("shell", 0, "@shell")] if args.shell and not args.lava else \
        read_table(args.group.split(","), args.machine, args.test, args.tests_dir)
    if args.kmemleak and tests and not args.shell:
        tests.append(("kmemleak", 60, "@kmemleak"))
    if not tests:
        print(f"{args.machine:<19} no test of {args.group} matches {args.test or '*'} on this machine")
        sys.exit(4)
    # The suites run at boot, which takes a while: only where somebody reads what came out
    if not args.shell and not any(program(c) == "@kunit" for _, _, c in tests):
        args.append.append("kunit.enable=0")
    slow = args.slow * (1 if args.accel in ("", "tcg") else 0.5)
    tests = [(n, (args.seconds or s) * slow, c) for n, s, c in tests]

    os.makedirs(out)
    if args.lava:
        write_lava(cfg, args, tests)
        write_initrd(guest_files(args, cfg, [("shell", 0, "@shell")]), f"{args.lava}/initramfs.cpio",
                     args.gen_init_cpio)
        return
    write_initrd(guest_files(args, cfg, tests), f"{out}/initramfs.cpio", args.gen_init_cpio)
    cmd = qemu_command(cfg, args, f"{out}/initramfs.cpio")
    if args.shell or args.gdb:
        os.execvp(cmd[0], cmd)

    run = results.Run(args.machine, tests, args.group == "bench", slow, args.verbose, args.quiet)
    status = follow(cmd, out, run)
    run.finish(f"{out}/console.log", allow, status)
    n, timed_out = results.write(out, run)
    if n["failed"]:
        if not args.quiet:
            print(f"{args.machine}: results in {os.path.relpath(out)}/ (results.ktap, junit.xml, "
                  f"console.log); again: {os.path.relpath(out)}/qemu.sh")
        sys.exit(124 if timed_out else 1)
    sys.exit(0 if n["passed"] else 4)


if __name__ == "__main__":
    main()
