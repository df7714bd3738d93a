#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compare other people's tests on two kernels, line by line: make peers.

  peers.py <known> <plain/result.json> <series/result.json>

A line that passes on both passes. One that is skipped on both is skipped. Any other line,
whether it differs or fails on both, fails; unless a row of <known> explains it, then it counts
as skipped. A row is "<plain> <series> <glob of device: test> # <why>".
Exit code: 0, 1 when a line fails, 4 when there is none.
"""

import fnmatch
import json
import sys


def results(path):
    with open(path, encoding="utf-8") as f:
        r = json.load(f)
    out = {}
    for t in r["tests"]:
        key = f"{t['suite']}: {t['name']}"
        nr = 2
        while key in out:
            key, nr = f"{t['suite']}: {t['name']} ({nr})", nr + 1
        out[key] = t
    return out


def read_known(path):
    rows = []
    with open(path, encoding="utf-8") as f:
        for nr, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            rule, _, why = line.partition(" # ")
            words = rule.split(None, 2)
            if len(words) != 3 or not why.strip():
                sys.exit(f"{path}:{nr}: a row is: plain series glob # why")
            rows.append((words[0], words[1], words[2].strip(), why.strip()))
    return rows


def explain(known, a, b, key):
    return next((why for x, y, glob, why in known if (x, y) == (a, b) and fnmatch.fnmatch(key, glob)), None)


def main():
    known = read_known(sys.argv[1])
    plain, series = results(sys.argv[2]), results(sys.argv[3])
    count = {"passed": 0, "failed": 0, "skipped": 0}
    table, notes = {}, {}
    for key in [*series, *(k for k in plain if k not in series)]:
        a, b = (r[key]["status"] if key in r else "missing" for r in (plain, series))
        suite = key.partition(":")[0]
        row = table.setdefault(suite, {"lines": 0, "passed": 0, "failed": 0, "skipped": 0, "other": 0})
        row["lines"] += 1
        row["other"] += a != b
        row[b] = row.get(b, 0) + 1
        if a == b and a in ("passed", "skipped"):
            count[a] += 1
            continue
        why = explain(known, a, b, key)
        count["failed" if why is None else "skipped"] += 1
        if why is None:
            text = (series.get(key) or plain[key])["text"]
            print(f"FAIL  {key}: plain 6.12 {a}, the series {b}; {text}")
        else:
            notes.setdefault((why, a, b), []).append(key)
    print(f"{'device':<20} {'lines':>6} {'pass':>6} {'fail':>6} {'skip':>6}  not as on plain 6.12")
    for suite, r in table.items():
        print(f"{suite:<20} {r['lines']:6} {r['passed']:6} {r['failed']:6} {r['skipped']:6}  {r['other'] or 'none'}")
    for (why, a, b), keys in notes.items():
        print(f"plain 6.12 {a}, the series {b}, {len(keys)} lines: {why}")
    print(f"\n{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    sys.exit(1 if count["failed"] else 0 if count["passed"] else 4)


if __name__ == "__main__":
    main()
