#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Two runs side by side.

  table.py compare <plain result.json>... -- <patched result.json>...
  table.py bench <plain results.ktap> <patched results.ktap>
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


def bench(argv):
    plain, patched = bench_lines(argv[0]), bench_lines(argv[1])
    if not patched:
        print("error: no bench lines in " + argv[1], file=sys.stderr)
        return 2
    width = max(len(n) for n in patched | plain)
    print("instructions for each operation (arm64, -icount shift=0, one CPU, no debug options)")
    print(f"{'operation':<{width}} {'plain':>12} {'patched':>12} {'ratio':>7}")
    for op in patched | plain:
        a, b = plain.get(op), patched.get(op)
        ratio = f"{b / a:7.3f}" if a and b else "      -"
        print(f"{op:<{width}} {a if a is None else format(a, ',.0f')!s:>12} "
              f"{b if b is None else format(b, ',.0f')!s:>12} {ratio}".replace("None", "   -"))
    return 0


sys.exit({"compare": compare, "bench": bench}[sys.argv[1]](sys.argv[2:]))
