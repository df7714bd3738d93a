# SPDX-License-Identifier: GPL-2.0-only
"""Reads KTAP as it arrives: results nested by indentation, plans checked."""

import re

RESULT = re.compile(r"^( *)(not ok|ok)(?: +(\d+))?(?: *-)?(?: +(.*?))?\s*$")
PLAN = re.compile(r"^( *)1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?\s*$", re.I)
TOTAL = re.compile(r"^( *)# .*: pass:\d+ fail:\d+ skip:\d+ total:(\d+)$")
SKIP = re.compile(r"(?:^|\s)#\s*SKIP\b:?\s*(.*)$", re.I)


class Result:
    """One leaf: status is passed, failed or skipped; text says why."""

    def __init__(self, name, status, text=""):
        self.name, self.status, self.text = name, status, text
        self.seconds = 0.0


class Level:
    def __init__(self, indent):
        self.indent, self.plan, self.seen, self.bad = indent, None, 0, 0
        self.skip = None


class Parser:
    """feed() takes a line and returns the leaf results that it completes.

    A result above a deeper level is the summary of that level and not counted,
    unless it failed though nothing below it did: a crash, an exit code, a timeout.
    A level whose plan is missing or does not fit what was seen is a failure.
    """

    def __init__(self, need_plan=()):
        self.need_plan = need_plan
        self.levels = [Level(0)]
        self.comments = []

    def feed(self, line):
        line = line.rstrip("\r\n")
        m = PLAN.match(line)
        if m:
            level = self._at(len(m[1]))
            if level.plan is None:
                level.plan = int(m[2])
            if m[3] is not None or (m[2] == "0" and "SKIP" in line.upper()):
                level.skip = m[3] or "no reason given"
            return []
        m = TOTAL.match(line)
        if m and self.levels[-1].indent > len(m[1]) and self.levels[-1].plan is None:
            # KUnit of 6.12 gives no plan for the parameters of a test, but their number
            self.levels[-1].plan = int(m[2])
        m = RESULT.match(line)
        if not m:
            text = line.strip().lstrip("#").strip()
            if text and not text.startswith(("KTAP version", "TAP version", "harness:")):
                self.comments = self.comments[-19:] + [text]
            return []
        return self._result(len(m[1]), m[2] == "ok", m[4] or "")

    def finish(self):
        """After the last line: what the open levels still lack."""
        out = []
        for level in self.levels[1:]:
            out += self._close(level, "cut short")
        top = self.levels[0]
        if top.plan is None or top.plan != top.seen:
            out.append(Result("KTAP plan of the whole run", "failed",
                              f"{top.seen} of {'?' if top.plan is None else top.plan} tests reported"))
        return out

    def _at(self, indent):
        while self.levels[-1].indent > indent and len(self.levels) > 1:
            self.levels.pop()
        if self.levels[-1].indent < indent:
            self.levels.append(Level(indent))
        return self.levels[-1]

    @staticmethod
    def _close(level, name):
        if level.skip is not None and not level.seen:
            return [Result(name, "skipped", level.skip)]
        if level.seen and level.plan is None:
            return [Result(name + ": plan", "failed", "KTAP plan line (1..N) is missing")]
        if level.plan is not None and level.plan != level.seen:
            return [Result(name + ": plan", "failed",
                           f"KTAP plan says {level.plan} tests, {level.seen} were reported")]
        return []

    def _result(self, indent, ok, rest):
        skip = SKIP.search(rest)
        name = rest[:skip.start()].strip() if skip else rest
        name, _, why = name.partition(" # ")
        name = name.strip() or (skip[1].strip() if skip else "") or "test"
        below = [lv for lv in self.levels if lv.indent > indent]
        out = []
        for lv in reversed(below):
            out += self._close(lv, name)
        had = any(lv.seen or lv.plan is not None for lv in below)
        bad = any(lv.bad for lv in below) or bool(out and any(r.status == "failed" for r in out))
        self.levels = [lv for lv in self.levels if lv.indent <= indent]
        level = self._at(indent)
        level.seen += 1
        if not ok and skip is None:
            if why and out and out[-1].status == "failed":
                # cut short: say first what did it
                out[-1].name, out[-1].text = name, why.strip() + "; " + out[-1].text
            elif not (had and bad) or why.strip().startswith(("timeout", "killed")):
                out.append(Result(name, "failed", why.strip() or "; ".join(self.comments[-4:])))
            level.bad += 1
        elif skip is not None and not had:
            out.append(Result(name, "skipped", skip[1].strip() or
                              (self.comments[-1] if self.comments else "no reason given")))
        elif not had and indent == 0 and name in self.need_plan:
            out.append(Result(name, "failed", "ended well, but reported no KTAP"))
        elif not had:
            out.append(Result(name, "passed"))
        if any(r.status == "failed" for r in out):
            level.bad += 1
        self.comments = []
        return out
