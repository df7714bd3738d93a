#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The KTAP parser and how a run is judged, by example: python3 scripts/test_ktap.py"""

import contextlib
import io
import json
import os
import tempfile
import unittest

import ktap
import results


def parse(text, need_plan=()):
    """(name, status) of what the lines report, and of what is missing at the end"""
    parser = ktap.Parser(need_plan)
    out = []
    for line in text.splitlines():
        out += parser.feed(line)
    return [(r.name, r.status) for r in out], [r.text for r in parser.finish()]


class KtapTest(unittest.TestCase):
    def test_flat(self):
        got, missing = parse("KTAP version 1\n1..2\nok 1 a\nnot ok 2 b")
        self.assertEqual(got, [("a", "passed"), ("b", "failed")])
        self.assertEqual(missing, [])

    def test_summary_is_no_test(self):
        got, missing = parse("1..1\n  1..2\n  ok 1 x\n  not ok 2 y\nnot ok 1 prog # exit code 1")
        self.assertEqual(got, [("x", "passed"), ("y", "failed")])
        self.assertEqual(missing, [])

    def test_program_that_fails_after_its_tests_passed(self):
        got, _ = parse("1..1\n  1..1\n  ok 1 x\nnot ok 1 prog # killed by signal 11")
        self.assertEqual(got, [("x", "passed"), ("prog", "failed")])

    def test_skip(self):
        got, _ = parse("1..2\nok 1 a # SKIP no device\nok 2 # SKIP")
        self.assertEqual([s for _, s in got], ["skipped", "skipped"])

    def test_skip_all(self):
        got, _ = parse("1..1\n  1..0 # SKIP not this machine\nok 1 prog")
        self.assertEqual(got, [("prog", "skipped")])

    def test_short_plan(self):
        got, _ = parse("1..1\n  1..3\n  ok 1 x\n  ok 2 y\nok 1 prog")
        self.assertIn(("prog: plan", "failed"), got)

    def test_no_plan(self):
        got, _ = parse("1..1\n  ok 1 x\nok 1 prog")
        self.assertIn(("prog: plan", "failed"), got)

    def test_silent_program(self):
        got, _ = parse("1..1\nok 1 prog", ["prog"])
        self.assertEqual(got, [("prog", "failed")])

    def test_cut_short(self):
        _, missing = parse("1..2\n  1..2\n  ok 1 x")
        self.assertTrue(any("2 tests, 1 were reported" in m for m in missing), missing)
        self.assertTrue(any("0 of 2 tests reported" in m for m in missing), missing)

    def test_nothing(self):
        _, missing = parse("")
        self.assertEqual(missing, ["0 of ? tests reported"])

    def test_kunit_parameters(self):
        got, _ = parse("1..1\n  1..1\n    ok 1 4k\n    ok 2 64k\n"
                       "  # pages: pass:2 fail:0 skip:0 total:2\n  ok 1 pages\nok 1 kunit")
        self.assertEqual(got, [("4k", "passed"), ("64k", "passed")])

    def test_reason_from_comments(self):
        parser = ktap.Parser()
        for line in ("1..1", "# expected 3, got 4"):
            parser.feed(line)
        self.assertEqual(parser.feed("not ok 1 sum")[0].text, "expected 3, got 4")


class RunTest(unittest.TestCase):
    def judge(self, ktap_lines, console, status):
        with contextlib.redirect_stdout(io.StringIO()):
            return self.judge_loud(ktap_lines, console, status)

    def judge_loud(self, ktap_lines, console, status):
        run = results.Run("m", [("prog", 10, "prog")], False, 1, False, True)
        for line in ktap_lines:
            run.feed(line)
        with tempfile.TemporaryDirectory() as tmp:
            path = os.path.join(tmp, "console.log")
            with open(path, "w", encoding="utf-8") as f:
                f.write(console)
            run.finish(path, [], status)
            n, _ = results.write(tmp, run)
        return n["failed"]

    good = ["1..1", "  # harness: start prog", "  1..1", "  ok 1 x", "ok 1 prog"]

    def test_good(self):
        self.assertEqual(self.judge(self.good, "Linux version\n", ["status 0"]), 0)

    def test_splat(self):
        self.assertEqual(self.judge(self.good, "WARNING: CPU: 0 PID: 1\n", ["status 0"]), 1)

    def test_no_status(self):
        self.assertEqual(self.judge(self.good, "", []), 1)

    def test_bad_status(self):
        self.assertEqual(self.judge(self.good, "", ["status 1"]), 1)

    def test_killed_in_a_test(self):
        self.assertGreaterEqual(self.judge(self.good[:3], "", []), 2)

    def test_amounts(self):
        """Summed up, and no part of what a failure is explained with"""
        run = results.Run("m", [("prog", 10, "prog")], False, 1, False, True)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            for line in ("1..1", "  # harness: start prog", "  1..2", "  # count: 100 interrupts, 2048 bytes",
                         "  # alas", "  # count: 20 interrupts", "  # count: many swaps", "  not ok 1 x",
                         "  ok 2 y", "not ok 1 prog"):
                run.feed(line)
        self.assertEqual(run.amounts, {"prog": {"interrupts": 120, "bytes": 2048}})
        self.assertEqual(run.all()[0].text, "alas; count: many swaps")
        self.assertIn("1 passed, 1 failed; 120 interrupts, 2,048 bytes", out.getvalue())
        with tempfile.TemporaryDirectory() as tmp:
            results.write(tmp, run)
            with open(os.path.join(tmp, "result.json"), encoding="utf-8") as f:
                self.assertEqual(json.load(f)["suites"][0]["amounts"], {"interrupts": 120, "bytes": 2048})


if __name__ == "__main__":
    unittest.main()
