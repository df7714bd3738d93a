#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Which lines of the series the tests reach, united over machines and architectures.

  coverage.py take <stream> <gcov> <tree> <result.json> <data>
      The counters that init.c sent at the end of a boot, made lines by gcov. <data> is a file
      for each boot: how many tests passed, and for each source file the lines with their counts,
      the functions, and what the file was, so that it counts only as long as it is the same.
  coverage.py report <list> <plain> <tree> <files> <machine=data>...
      Prints patches/COVERAGE.md. <files> names the files of the series, <list> is
      scripts/coverage.list. A machine without data is named as such.
"""

import bisect
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# Tests and mocks that are built into the kernel: what they do not reach says nothing
TEST_CODE = re.compile(r"(-test|-mock|/selftest(_\w+)?)\.[ch]$")
# Their lines are functions that macros make, for perf and BPF too
TRACE_EVENTS = re.compile(r"_trace\.h$")


def die(msg):
    print(f"error: {msg}", file=sys.stderr)
    sys.exit(2)


# From a boot to lines

def unpack(stream):
    """(path, bytes) of each file that init.c sent: "<size> <path>", then the bytes"""
    pos, out = 0, []
    while pos < len(stream):
        end = stream.find(b"\n", pos)
        if end < 0:
            die("the counters end in the middle of a name")
        size, _, path = stream[pos:end].decode().partition(" ")
        data = stream[end + 1:end + 1 + int(size)]
        if len(data) != int(size):
            die(f"the counters end in the middle of {path}")
        out.append((path, data))
        pos = end + 1 + int(size)
    return out


def merge(into, answer, tree):
    """Adds what gcov says of one object to {file: {"lines": {line: count}, "functions": ...}}"""
    cwd = answer["current_working_directory"]
    for file in answer["files"]:
        name = os.path.relpath(os.path.normpath(os.path.join(cwd, file["file"])), tree)
        if name.startswith(".."):
            continue
        one = into.setdefault(name, {"lines": {}, "functions": {}})
        for line in file["lines"]:
            nr = str(line["line_number"])
            one["lines"][nr] = one["lines"].get(nr, 0) + line["count"]
        for f in file["functions"]:
            one["functions"][f["demangled_name"]] = [f["start_line"], f["end_line"]]


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha1(f.read()).hexdigest()


def take(stream, gcov, tree, result, out):
    with open(stream, "rb") as f:
        files = unpack(f.read())
    if not files:
        die(f"{stream}: the boot sent no counters")
    data = {}
    with tempfile.TemporaryDirectory() as tmp:
        for path, counters in files:
            # gcov wants the notes of the compiler beside the counters
            name = os.path.join(tmp, os.path.basename(path))
            notes = re.sub(r"\.gcda$", ".gcno", path)
            if not os.path.exists(notes):
                die(f"{notes} is missing, which the compiler left beside the object")
            with open(name, "wb") as f:
                f.write(counters)
            link = re.sub(r"\.gcda$", ".gcno", name)
            os.symlink(notes, link)
            done = subprocess.run([gcov, "--json-format", "--stdout", name], capture_output=True,
                                  text=True, check=False, cwd=tmp)
            if done.returncode or not done.stdout.strip():
                die(f"{gcov} {path}: {done.stderr}")
            for answer in done.stdout.splitlines():
                merge(data, json.loads(answer), tree)
            os.unlink(link)
            os.unlink(name)
    data = {name: one for name, one in data.items() if os.path.isfile(os.path.join(tree, name))}
    for name, one in data.items():
        one["sha1"] = digest(os.path.join(tree, name))
    with open(result, encoding="utf-8") as f:
        tests = {k: v for k, v in json.load(f).items() if k in ("passed", "failed", "skipped")}
    with open(out + ".new", "w", encoding="utf-8") as f:
        json.dump({"tests": tests, "files": data}, f, sort_keys=True)
    os.rename(out + ".new", out)


# From lines to a table

class Source:
    """One file: its text, the lines that the series adds, and what the boots reached of it"""

    def __init__(self, name, text, added, created):
        self.name, self.text, self.added, self.created = name, text, added, created
        self.lines, self.functions, self.machines = {}, [], []

    def add(self, machine, one):
        self.machines.append(machine)
        for nr, count in one["lines"].items():
            self.lines[int(nr)] = self.lines.get(int(nr), 0) + count
        self.functions = sorted({(start, last, name) for name, (start, last) in
                                 one["functions"].items()} | set(self.functions))

    def function(self, line):
        """The name of the function that a line is in, or - if it is inlined everywhere"""
        i = bisect.bisect_right(self.functions, (line, float("inf"), "")) - 1
        if i >= 0 and line <= self.functions[i][1]:
            return self.functions[i][2]
        return "-"

    def touched(self):
        """The functions that the series adds a line to"""
        return [f for f in self.functions if any(f[0] <= n <= f[1] for n in self.added)]

    def wanted(self):
        """The lines that should be reached: all of a file that the series creates, or added ones"""
        return [n for n in sorted(self.lines) if self.created or n in self.added]

    def runs(self):
        """(function, text of the first line, lines) of wanted lines that nothing reached in a row"""
        out, open_run = [], None
        for n in sorted(self.lines):
            if self.lines[n] or not self.created and n not in self.added:
                open_run = None
                continue
            name = self.function(n)
            if open_run is None or open_run[0] != name:
                open_run = (name, self.text[n - 1].strip(), [])
                out.append(open_run)
            open_run[2].append(n)
        return out


def added_lines(plain, tree, name):
    """Numbers of the lines that the plain tree has not"""
    old = os.path.join(plain, name)
    new = os.path.join(tree, name)
    done = subprocess.run(["diff", "-U0", old if os.path.exists(old) else "/dev/null", new],
                          capture_output=True, text=True, check=False)
    if done.returncode > 1:
        die(done.stderr)
    return hunks(done.stdout)


def hunks(diff):
    out = set()
    for m in re.finditer(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", diff, re.M):
        out.update(range(int(m[1]), int(m[1]) + int(m[2] or 1)))
    return out


class Reasons:
    """coverage.list: "file | function | first line | why"; "*" is each run of the function"""

    def __init__(self, lines, where):
        self.rows, self.used = {}, set()
        for nr, line in enumerate(lines, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            part = line.split(" | ")
            if len(part) < 4 or not part[-1].strip():
                die(f"{where}:{nr}: not 'file | function | first line | why'")
            key = (part[0].strip(), part[1].strip(), " | ".join(part[2:-1]).strip())
            if key in self.rows:
                die(f"{where}:{nr}: is there twice")
            self.rows[key] = part[-1].strip()

    def of(self, name, function, text):
        for key in ((name, function, text), (name, function, "*"), (name, "*", "*")):
            if key in self.rows:
                self.used.add(key)
                return self.rows[key]
        return None

    def stale(self):
        return [k for k in self.rows if k not in self.used]


def percent(reached, lines):
    # Not rounded up: 100 means all of them
    return f"{int(1000 * reached / lines) / 10:.1f}" if lines else "-"


def counts(source, lines):
    return len(lines), sum(source.lines[n] > 0 for n in lines)


def code(text):
    return "`` " + text + " ``" if "`" in text else "`" + text + "`"


def row(*columns):
    return "| " + " | ".join(str(c).replace("|", "\\|") for c in columns) + " |"


def table_created(sources, title):
    out = [f"| {title} | Lines | Reached | % |", "| --- | --: | --: | --: |"]
    total = [0, 0]
    for s in sources:
        lines, reached = counts(s, s.wanted())
        total[0] += lines
        total[1] += reached
        out.append(row(s.name, lines, reached, percent(reached, lines)))
    out.append(row("together", *total, percent(total[1], total[0])))
    return out


def table_changed(sources):
    out = ["| File | Functions changed | Lines in them | Reached | % | Lines added | Reached | % |",
           "| --- | --: | --: | --: | --: | --: | --: | --: |"]
    total = [0] * 5
    for s in sources:
        touched = s.touched()
        inside = [n for n in s.lines if any(f[0] <= n <= f[1] for f in touched)]
        one = [len(touched), *counts(s, inside), *counts(s, s.wanted())]
        total = [a + b for a, b in zip(total, one)]
        out.append(row(s.name, one[0], one[1], one[2], percent(one[2], one[1]), one[3], one[4],
                       percent(one[4], one[3])))
    out.append(row("together", total[0], total[1], total[2], percent(total[2], total[1]), total[3],
                   total[4], percent(total[4], total[3])))
    return out


def list_runs(sources, reasons):
    """The runs with a reason, those without, and how many lines each are"""
    known, unknown, n = [], [], [0, 0]
    for s in sources:
        for function, text, lines in s.runs():
            why = reasons.of(s.name, function, text)
            n[why is None] += len(lines)
            where = f"{function}()" if function != "-" else "-"
            if why:
                known.append(row(s.name, where, code(text), len(lines), why))
            else:
                unknown.append(row(s.name, where, code(text), len(lines)))
    return known, unknown, n


def load(machines, wanted, tree):
    """Sources by name; what a boot says of a file that has changed since does not count"""
    sources, old, boots = {}, [], []
    for machine, path in machines:
        if not path:
            boots.append(row(machine, "not booted", "", ""))
            continue
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
        n = data["tests"]
        boots.append(row(machine, n["passed"], n["failed"], n["skipped"]))
        for name, one in data["files"].items():
            if name not in wanted:
                continue
            if one["sha1"] != digest(os.path.join(tree, name)):
                old.append(f"{name} on {machine}")
                continue
            if name not in sources:
                with open(os.path.join(tree, name), encoding="utf-8") as f:
                    text = f.read().splitlines()
                sources[name] = Source(name, text, *wanted[name])
            sources[name].add(machine, one)
    return sources, old, boots


def version():
    """Which series this is about"""
    if os.environ.get("WORKTREE"):
        return "a work tree"
    done = subprocess.run(["git", "-C", HERE, "log", "-1", "--format=%h", "--", "../patches/*.patch"],
                          capture_output=True, text=True, check=False)
    return "the series as of commit " + (done.stdout.strip() or "unknown")


def report(listed, plain, tree, files, machines):
    with open(files, encoding="utf-8") as f:
        names = [n for n in f.read().split("\n") if re.match(r"(?!tools/).*\.[ch]$", n) and
                 not TRACE_EVENTS.search(n)]
    wanted = {n: (added_lines(plain, tree, n), not os.path.exists(os.path.join(plain, n)))
              for n in names if os.path.exists(os.path.join(tree, n))}
    sources, old, boots = load(machines, wanted, tree)
    with open(listed, encoding="utf-8") as f:
        reasons = Reasons(f, "scripts/coverage.list")

    ordered = [sources[n] for n in sorted(sources) if sources[n].wanted()]
    tests = [s for s in ordered if s.created and TEST_CODE.search(s.name)]
    created = [s for s in ordered if s.created and s not in tests]
    # The mock of iommufd was there before, and is no less a test for that
    changed = [s for s in ordered if not s.created and not TEST_CODE.search(s.name)]
    known, unknown, n = list_runs(created + changed, reasons)
    absent = []
    for name in sorted(wanted):
        if name.endswith(".c") and name not in sources:
            absent.append(row(name, reasons.of(name, "*", "*") or "no reason given"))

    out = ["<!-- Written by make coverage. -->", "# What the tests reach", "",
           f"Of {version()} of this repository. "
           "The lines of kernel code that the tests of `make check` reach, by gcov: of the files that "
           "the series creates, and of the functions that it changes in others. What counts is what "
           "any of these boots reached:", "",
           "| Machine | Tests passed | Failed | Skipped |", "| --- | --: | --: | --: |", *boots, ""]
    out += table_created(created, "Files that the series creates") + [""]
    out += table_changed(changed) + [""]
    out += table_created(tests, "Tests and mocks of the series in the kernel") + [""]
    out += ["## Not reached", "",
            f"{n[0]} lines have a reason in [coverage.list](../scripts/coverage.list), {n[1]} have "
            "none. A row is a run of lines, named by its first one. Of files that were there before "
            "only the lines that the series adds are listed.", ""]
    if unknown:
        out += ["| File | Function | From | Lines |", "| --- | --- | --- | --: |", *unknown, ""]
    if known:
        out += ["| File | Function | From | Lines | Why |", "| --- | --- | --- | --: | --- |", *known, ""]
    if absent:
        out += ["Changed or created, and in no kernel that was booted:", "",
                "| File | Why |", "| --- | --- |", *absent, ""]
    for what in old:
        print(f"note: {what} has changed since that boot and does not count", file=sys.stderr)
    for key in reasons.stale():
        print(f"note: coverage.list: {' | '.join(key)}: all of that is reached, or there is no such line",
              file=sys.stderr)
    return "\n".join(out).rstrip() + "\n"


def main():
    if sys.argv[1:2] == ["take"] and len(sys.argv) == 7:
        take(*sys.argv[2:])
    elif sys.argv[1:2] == ["report"] and len(sys.argv) > 6:
        machines = [m.split("=", 1) for m in sys.argv[6:]]
        sys.stdout.write(report(*sys.argv[2:6], machines))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
