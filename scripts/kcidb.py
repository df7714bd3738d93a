#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The results of a command as a KCIDB report, https://docs.kernelci.org/kcidb.

  kcidb.py <build/report/CMD.boots> > report.json

One checkout (the series on the kernel of patches/BASE), a build for each kernel that was
booted, a test for each result. KCIDB_ORIGIN= is the name of the lab, "local" if not given.
The report is checked against lab/kcidb-v5.json before it is written.
"""

import hashlib
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STATUS = {"passed": "PASS", "failed": "FAIL", "skipped": "SKIP"}
# Failures of the harness that say nothing of the kernel
NO_VERDICT = ("no timeout", "guest status", "KTAP plan of the whole run")


def path_of(suite, name):
    parts = [re.sub(r"[^a-zA-Z0-9_-]+", "_", p) for p in f"{suite}.{name}".split(".")]
    return ".".join(p for p in parts if p)


def one_test(origin, build, stamp, machine, nr, t):
    out = {"build_id": build, "id": f"{build}-{machine}-{stamp}-{nr}", "origin": origin,
           "path": path_of(t["suite"], t["name"]), "status": STATUS[t["status"]],
           "duration": t["seconds"], "environment": {"comment": f"QEMU, machine {machine}"}}
    if t["suite"] == "harness" and t["name"] in NO_VERDICT:
        out["status"] = "ERROR"
    if t["text"]:
        out["log_excerpt"] = t["text"][:16384]
    return out


def patchset_hash(patches):
    each = "".join(hashlib.sha256(p).hexdigest() + "\n" for p in patches)
    return hashlib.sha256(each.encode()).hexdigest()


def checkout_of(kernel, version, patches, origin):
    """A tree of the user (WORKTREE=, KSRC=) is not what patches/ says, whatever is in it"""
    out = {"origin": origin, "valid": True}
    own = next((w for w in ("worktree", "ksrc") if f"-{w}" in kernel), None)
    if own:
        return {**out, "id": f"{origin}:linux-6.12-{own}", "comment": f"Linux 6.12.y, a tree given as {own.upper()}="}
    digest = "" if "-plain" in kernel else patchset_hash(patches)
    return {**out, "id": f"{origin}:linux-{version}-{digest[:12] or 'plain'}", "tree_name": "stable",
            "git_commit_name": f"v{version}", "patchset_hash": digest,
            "comment": f"Debian's linux-source, {version}" + (f", and {len(patches)} patches" if digest else "")}


def report(boots, version, patches, origin):
    """boots: (machine, kernel, time, result.json). The plain kernel is another checkout."""
    out = {"version": {"major": 5, "minor": 0}, "checkouts": [], "builds": [], "tests": []}
    known = set()
    for machine, kernel, stamp, run in boots:
        source = checkout_of(kernel, version, patches, origin)
        checkout = source["id"]
        build = f"{checkout}-{kernel}"
        if checkout not in known:
            out["checkouts"].append(source)
        if build not in known:
            out["builds"].append({
                "checkout_id": checkout, "id": build, "origin": origin, "status": "PASS",
                "architecture": kernel.split("-")[0], "config_name": kernel})
        known |= {checkout, build}
        out["tests"] += [one_test(origin, build, stamp, machine, nr, t)
                         for nr, t in enumerate(run["tests"], 1)]
    return out


def faults(data):
    """What is wrong with a report: by the schema, and as references"""
    import jsonschema
    with open(f"{HERE}/lab/kcidb-v5.json", encoding="utf-8") as f:
        out = [f"{'/'.join(map(str, e.path))}: {e.message[:200]}"
               for e in jsonschema.Draft7Validator(json.load(f)).iter_errors(data)]
    for kind, above, key in (("checkouts", None, None), ("builds", "checkouts", "checkout_id"),
                             ("tests", "builds", "build_id")):
        ids = [x["id"] for x in data.get(kind, [])]
        out += [f"{kind}: {i} is there twice" for i in {i for i in ids if ids.count(i) > 1}] \
            if len(set(ids)) != len(ids) else []
        if above:
            there = {x["id"] for x in data.get(above, [])}
            out += [f"{kind}: {x['id']} refers to nothing" for x in data.get(kind, [])
                    if x.get(key) not in there]
    return out


def main(path):
    boots = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            machine, kernel, folder = line.rstrip("\n").split("\t")
            name = os.path.join(folder, "result.json")
            with open(name, encoding="utf-8") as r:
                boots.append((machine, kernel, int(os.stat(name).st_mtime), json.load(r)))
    patches, version = os.path.join(HERE, "../patches"), "6.12"
    with open(f"{patches}/BASE", encoding="utf-8") as f:
        version = next((line.split()[1] for line in f if line.startswith("version ")), version)
    with open(f"{patches}/series", encoding="utf-8") as f:
        names = [line.split("#")[0].strip() for line in f]
    series = []
    for name in filter(None, names):
        with open(f"{patches}/{name}", "rb") as f:
            series.append(f.read())
    data = report(boots, version, series, os.environ.get("KCIDB_ORIGIN") or "local")
    wrong = faults(data)
    if wrong:
        print("error: not a KCIDB report:", *wrong[:10], sep="\n  ", file=sys.stderr)
        return 2
    json.dump(data, sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
