#!/usr/bin/env python3
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
            lost = "LOST" in t["text"]
            word = {"passed": "delivered", "skipped": "skipped",
                    "failed": "LOST" if lost else "failed"}[t["status"]]
            name = t["name"] if t["suite"] != "harness" else "harness: " + t["name"]
            out.setdefault(name, (word, t["text"]))
    return out


def compare(argv):
    cut = argv.index("--")
    plain, patched = results(argv[:cut]), results(argv[cut + 1:])
    names = list(patched) + [n for n in plain if n not in patched]
    width = max([len(n) for n in names] + [20])
    print(f"{'test':<{width}}  {'plain 6.12':<14} with the series")
    for n in names:
        a, b = plain.get(n, ("not reached", ""))[0], patched.get(n, ("-", ""))[0]
        if n.startswith("harness: "):
            a, b = (plain.get(n, ("-", ""))[0], patched.get(n, ("-", ""))[0])
        print(f"{n:<{width}}  {a:<14} {b}")
    why = {text for word, text in plain.values() if word == "failed" and "kernel" in text.lower()}
    for text in sorted(why):
        print(f"plain 6.12 also said: {text}")
    print()
    lost = sum(w == "LOST" for w, _ in plain.values())
    bad = sum(w in ("LOST", "failed") for w, _ in patched.values())
    print(f"plain 6.12: {lost} tests LOST an interrupt, "
          f"{sum(w == 'failed' for w, _ in plain.values())} failed otherwise; "
          f"with the series: {bad} failed")
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
