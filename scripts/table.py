#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Two runs side by side.

  table.py compare <plain result.json>... -- <patched result.json>...
  table.py bench <plain results.ktap> <patched results.ktap> [the same two without -icount]
"""

import json
import re
import sys


def results(paths):
    """test -> (word, why); the first run that knows a test wins"""
    out = {}
    for path in paths:
        for t in json.load(open(path, encoding="utf-8"))["tests"]:
            lost = re.search(r"LOST|[1-9]\d* lost", t["text"])
            word = {"passed": "delivered", "skipped": "skipped",
                    "failed": "LOST" if lost else "failed"}[t["status"]]
            name = t["name"] if t["suite"] != "harness" else "harness: " + t["name"]
            out.setdefault(name, (word, t["text"]))
    return out


def compare(argv):
    cut = argv.index("--")
    plain, patched = results(argv[:cut]), results(argv[cut + 1:])
    tests = [n for n in list(patched) + [n for n in plain if n not in patched]
             if not n.startswith("harness: ")]
    splats = [t["text"] for path in argv[:cut]
              for t in json.load(open(path, encoding="utf-8"))["tests"]
              if t["name"] == "no kernel splat"]
    gone = "kernel crash" if splats else "not run"
    width = max([len(n) for n in tests] + [20])
    print(f"{'test':<{width}}  {'plain 6.12':<14} with the series")
    for n in tests:
        a, b = plain.get(n, (gone, ""))[0], patched.get(n, ("not run", ""))[0]
        print(f"{n:<{width}}  {a:<14} {b}")
    print()
    for text in splats:
        print(f"plain 6.12 says: {text}")
    lost = sum(w == "LOST" for w, _ in plain.values())
    other = sum(w == "failed" for n, (w, _) in plain.items() if not n.startswith("harness: "))
    bad = sum(w in ("LOST", "failed") for w, _ in patched.values())
    print(f"plain 6.12: an interrupt LOST in {lost} tests, {other} failed in other ways"
          f"{', and the kernel crashed' if splats else ''}. With the series: {bad} failed.")
    return 1 if bad else 0


def bench_lines(path):
    out = {}
    for line in open(path, encoding="utf-8", errors="replace"):
        m = re.match(r"[ #]*bench: (.+?) +([\d.]+)\s*$", line)
        if m:
            out[m[1]] = float(m[2])
    return out


def side_by_side(title, first, second, rows):
    """rows of (operation, number or None, number or None)"""
    def number(n):
        return "-" if n is None else format(n, ",.0f")

    width = max(len(op) for op, _, _ in rows)
    print(title)
    print(f"{'operation':<{width}} {first:>12} {second:>12} {'ratio':>7}")
    for op, a, b in rows:
        ratio = f"{b / a:7.3f}" if a and b else f"{'-':>7}"
        print(f"{op:<{width}} {number(a):>12} {number(b):>12} {ratio}")


def policies(title, patched):
    """What wraparound costs beside the default policy of the same kernel"""
    rows = [(op.replace("iova-default-", "iova-"), n, patched[other]) for op, n in patched.items()
            if (other := op.replace("iova-default-", "iova-wraparound-")) != op and other in patched]
    if rows:
        print()
        side_by_side(title, "default", "wraparound", rows)


def bench(argv):
    for n, unit in enumerate(["instructions for each operation (arm64, -icount shift=0, one CPU, no "
                              "debug options)", "nanoseconds for each operation, by the clock on the "
                              "wall: the shortest of 15 rounds on 1 and on 2 CPUs"]):
        if len(argv) < 2 * n + 2:
            break
        plain, patched = bench_lines(argv[2 * n]), bench_lines(argv[2 * n + 1])
        if not patched:
            print("error: no bench lines in " + argv[2 * n + 1], file=sys.stderr)
            return 2
        if n:
            print()
        side_by_side(unit, "plain", "patched",
                     [(op, plain.get(op), patched.get(op)) for op in patched | plain])
        policies("the same of the IOVA policies, with the series", patched)
    return 0


sys.exit({"compare": compare, "bench": bench}[sys.argv[1]](sys.argv[2:]))
