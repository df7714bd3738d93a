# SPDX-License-Identifier: GPL-2.0-only
"""What a guest reports, followed line by line, judged and filed.

A run passes when the guest said status 0, every KTAP plan is complete, nothing is
"not ok", the console shows no kernel splat and nothing took too long.

A test can tell how much it did, "# count: 100 interrupts, 2048 bytes": for each test of tests.list
the sums are in result.json and in its line on the terminal. They judge nothing.
"""

import json
import re
import time

import junit_xml

import ktap

BOOT_SECONDS = 90

SPLAT = re.compile(
    r"WARNING:|BUG:|kernel BUG at|\bKASAN\b|\bUBSAN\b|Oops|Internal error|Kernel panic|"
    r"Unable to handle kernel|general protection fault|possible (circular|recursive|irq)|"
    r"inconsistent lock state|suspicious RCU|refcount_t:|kmemleak: \d+ new|unreferenced object|"
    r"INFO: task .* blocked|rcu: INFO: .*stall|soft lockup|hard LOCKUP|"
    r"(list_add|list_del) corruption|bad page state|Bad page map|held lock freed|"
    r"sleeping function called|scheduling while atomic|Trying to vfree|stack-protector")

WORD = {"passed": "ok", "failed": "FAIL", "skipped": "skip"}


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


def count(leaves):
    return {s: sum(r.status == s for r in leaves) for s in ("passed", "failed", "skipped")}


COUNT = re.compile(r" *# count: (\d+ [a-z]+(?:, \d+ [a-z]+)*)$")


def words(n):
    return ", ".join(f"{n[s]} {s}" for s in ("passed", "failed", "skipped") if n[s] or s == "passed")


class Run:
    """One boot. tests are (name, seconds, command); limits are times slow."""

    def __init__(self, machine, tests, bench, slow, verbose, quiet):
        self.machine, self.limits = machine, {name: seconds for name, seconds, _ in tests}
        self.slow, self.verbose, self.quiet = slow, verbose, quiet
        # kselftests owe a plan; a benchmark and what init.c does itself do not
        self.parser = ktap.Parser([n for n, _, c in tests if not bench and c[0] != "@"])
        self.suites = []          # (name, seconds, [Result])
        self.amounts = {}         # of each suite: what it counted, and how many
        self.current, self.leaves = None, []
        self.started = self.mark = self.begun = time.monotonic()
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
        if line.startswith(("  # bench:", "  bench:")):
            print("    " + line.strip().lstrip("# "), flush=True)
        m = COUNT.match(line)
        if m and self.current:
            of = self.amounts.setdefault(self.current, {})
            for number, what in (c.split() for c in m[1].split(", ")):
                of[what] = of.get(what, 0) + int(number)
            return
        for r in self.parser.feed(line):
            r.seconds, self.mark = now - self.mark, now
            self.leaves.append(r)
            if self.verbose:
                self.show(r)
        if re.match(r"(not )?ok ", line) and self.current:
            self.close(now - self.begun)

    def show(self, r):
        name = r.name if r.name == self.current else f"{self.current}: {r.name}"
        self.label(name, r.seconds, WORD[r.status] + (f": {r.text}" if r.text else ""))

    def show_skipped(self):
        """One line for each reason"""
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

    def close(self, seconds):
        if not self.verbose:
            for r in self.leaves:
                if r.status == "failed":
                    self.show(r)
            self.show_skipped()
            amounts = ", ".join(f"{n:,} {what}" for what, n in self.amounts.get(self.current, {}).items())
            self.label(self.current, seconds, words(count(self.leaves)) + (amounts and "; " + amounts))
        self.suites.append((self.current, seconds, self.leaves))
        self.current, self.leaves = None, []

    def extra(self, name, text):
        """A failure that no test reported"""
        self.suites.append(("harness", 0.0, [ktap.Result(name, "failed", text)]))
        self.label(name, 0.0, "FAIL: " + text)

    def overdue(self):
        now = time.monotonic()
        if self.booted is None:
            return "boot" if now - self.started > BOOT_SECONDS * self.slow else None
        if self.current:
            return self.current if now - self.begun > self.limits[self.current] + 20 else None
        return "between tests" if now - self.mark > 60 * self.slow else None

    def all(self):
        return [r for _, _, leaves in self.suites for r in leaves]

    def finish(self, console, allow, status):
        """After the end of the guest: what is missing, what the kernel said, its status"""
        if self.current:
            self.close(time.monotonic() - self.begun)
        if self.timeout:
            self.extra("no timeout", f"nothing new for too long: {self.timeout}")
        for r in self.parser.finish():
            self.extra(r.name, r.text)
        for splat in find_splats(console, allow):
            first = next((s for s in splat.splitlines() if SPLAT.search(s)), splat)
            self.extra("no kernel splat", first.strip())
            if not self.quiet:
                print("\n".join("    | " + s for s in splat.splitlines()[:25]))
        if not status:
            self.extra("guest status", "the guest ended without a status")
        elif status[-1].strip() != "status 0" and not count(self.all())["failed"]:
            self.extra("guest status", status[-1].strip())


def find_splats(path, allow):
    """Each splat with the lines after it; what the allowlist names does not count."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            lines = f.read().splitlines()
    except FileNotFoundError:
        return ["no console log"]
    out, skip_to = [], -1
    for i, line in enumerate(lines):
        if i > skip_to and SPLAT.search(line) and not any(a.search(line) for a in allow):
            out.append("\n".join(lines[max(0, i - 1):i + 25]))
            skip_to = i + 40
    return out


def write_junit(path, machine, suites):
    out = []
    for name, _, leaves in suites:
        cases = []
        for r in leaves:
            case = junit_xml.TestCase(r.name, f"{machine}.{name}", r.seconds)
            if r.status == "failed":
                case.add_failure_info(r.text)
            elif r.status == "skipped":
                case.add_skipped_info(r.text)
            cases.append(case)
        out.append(junit_xml.TestSuite(f"{machine}.{name}", cases))
    with open(path, "w", encoding="utf-8") as f:
        junit_xml.to_xml_report_file(f, out)


def write(out, run):
    """junit.xml and result.json into a folder. Returns the counts and whether a test timed out."""
    n = count(run.all())
    timed_out = bool(run.timeout) or any(r.text.startswith("timeout after") for r in run.all())
    write_junit(f"{out}/junit.xml", run.machine, run.suites)
    with open(f"{out}/result.json", "w", encoding="utf-8") as f:
        json.dump({"machine": run.machine, **n, "timeout": timed_out,
                   "suites": [{"name": s, "seconds": round(sec, 2), **count(lv), "amounts": run.amounts.get(s, {})}
                              for s, sec, lv in run.suites],
                   "tests": [{"suite": s, "name": r.name, "status": r.status, "text": r.text,
                              "seconds": round(r.seconds, 2)}
                             for s, _, lv in run.suites for r in lv]}, f, indent=1)
    return n, timed_out
