#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What coverage.py makes of counters and reasons, by example: python3 scripts/test_coverage.py"""

import contextlib
import io
import json
import os
import subprocess
import tempfile
import unittest

import coverage

NEW = """int f(int x)
{
	if (x)
		return 1;
	return 0;
}

int g(int x)
{
	x++;
	return x | 1;
}
"""
OLD = "int h(void)\n{\n\treturn 0;\n}\n"
OLD_CHANGED = "int h(void)\n{\n\tif (0)\n\t\treturn 1;\n\treturn 0;\n}\n"


def answer(cwd, name, lines, functions=()):
    """What gcov says of one object"""
    return {"current_working_directory": cwd, "files": [{
        "file": name,
        "lines": [{"line_number": n, "count": c} for n, c in lines],
        "functions": [{"demangled_name": f, "start_line": a, "end_line": b} for f, a, b in functions],
    }]}


class UnpackTest(unittest.TestCase):
    def test_files(self):
        self.assertEqual(coverage.unpack(b"3 /a.gcda\n\0\n\0" + b"0 /b.gcda\n" + b"1 /c d.gcda\nx"),
                         [("/a.gcda", b"\0\n\0"), ("/b.gcda", b""), ("/c d.gcda", b"x")])

    def test_cut_short(self):
        for stream in (b"3 /a.gcda\nab", b"3 /a.gc"):
            with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
                coverage.unpack(stream)
            self.assertIn("the counters end in the middle", said.getvalue())


class MergeTest(unittest.TestCase):
    def test_one_line_of_two_functions(self):
        data = {}
        coverage.merge(data, answer("/t/obj", "../linux/a.c", [(1, 0), (1, 2), (3, 0)]), "/t/linux")
        self.assertEqual(data["a.c"]["lines"], {"1": 2, "3": 0})

    def test_header_of_two_objects(self):
        data = {}
        for count in (0, 5):
            coverage.merge(data, answer("/t/obj", "../linux/a.h", [(7, count)], [("f", 7, 8)]), "/t/linux")
        self.assertEqual(data, {"a.h": {"lines": {"7": 5}, "functions": {"f": [7, 8]}}})

    def test_generated_file(self):
        data = {}
        coverage.merge(data, answer("/t/obj", "include/generated/a.h", [(1, 1)]), "/t/linux")
        self.assertEqual(data, {})


class SourceTest(unittest.TestCase):
    def source(self, reached, added=None):
        lines = [1, 3, 4, 5, 8, 10, 11]
        s = coverage.Source("new.c", NEW.splitlines(), added or set(range(1, 13)), added is None)
        s.add("m", {"lines": {str(n): int(n in reached) for n in lines},
                    "functions": {"f": [1, 6], "g": [8, 12]}})
        return s

    def test_runs(self):
        self.assertEqual(self.source({1, 3, 5}).runs(),
                         [("f", "return 1;", [4]), ("g", "int g(int x)", [8, 10, 11])])

    def test_run_ends_with_the_function(self):
        self.assertEqual(self.source({1, 3, 4}).runs(),
                         [("f", "return 0;", [5]), ("g", "int g(int x)", [8, 10, 11])])

    def test_two_machines(self):
        s = self.source({1, 3, 5})
        s.add("n", {"lines": {"4": 1, "5": 0, "8": 1, "10": 1}, "functions": {}})
        self.assertEqual(s.runs(), [("g", "return x | 1;", [11])])

    def test_only_added_lines(self):
        s = self.source({1, 3, 5}, {4, 10})
        self.assertEqual(s.runs(), [("f", "return 1;", [4]), ("g", "x++;", [10])])
        self.assertEqual([f[2] for f in s.touched()], ["f", "g"])
        self.assertEqual(s.wanted(), [4, 10])

    def test_hunks(self):
        self.assertEqual(coverage.hunks("@@ -1 +1,2 @@ x\n@@ -5,2 +6,0 @@\n@@ -9,0 +10 @@\n"), {1, 2, 10})

    def test_percent_is_not_rounded_up(self):
        self.assertEqual(coverage.percent(1999, 2000), "99.9")
        self.assertEqual(coverage.percent(2, 2), "100.0")
        self.assertEqual(coverage.percent(0, 0), "-")


class ReasonsTest(unittest.TestCase):
    def test_keys(self):
        r = coverage.Reasons(["# comment", "", "a.c | f | return x | 1; | never", "a.c | g | * | no device"], "list")
        self.assertEqual(r.of("a.c", "f", "return x | 1;"), "never")
        self.assertEqual(r.of("a.c", "g", "anything"), "no device")
        self.assertIsNone(r.of("a.c", "f", "return 2;"))
        self.assertIsNone(r.of("b.c", "g", "anything"))
        self.assertEqual(r.stale(), [])

    def test_stale(self):
        r = coverage.Reasons(["a.c | f | return 1; | never"], "list")
        self.assertEqual(r.stale(), [("a.c", "f", "return 1;")])

    def test_wrong(self):
        for lines in (["a.c | f | no reason"], ["a.c | f | x | "], ["a.c | f | x | y"] * 2):
            with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
                coverage.Reasons(lines, "list")


class ReportTest(unittest.TestCase):
    """A plain tree, a patched one, and the data of two boots"""

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.write("plain/old.c", OLD)
        self.write("tree/old.c", OLD_CHANGED)
        self.write("tree/new.c", NEW)
        self.write("tree/absent.c", NEW)
        self.write("tree/new-test.c", NEW)
        self.write("files", "old.c\nnew.c\nabsent.c\nnew-test.c\ntools/x.c\n")
        self.boot("one", {"old.c": {1: 1, 3: 1, 4: 0, 5: 1}, "new.c": {1: 1, 3: 1, 4: 0, 5: 1, 8: 0, 10: 0, 11: 0},
                          "new-test.c": {1: 1, 3: 0}})
        self.boot("two", {"new.c": {8: 1, 10: 1, 11: 1}})

    def path(self, name):
        return os.path.join(self.tmp.name, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def boot(self, machine, files):
        functions = {"old.c": {"h": [1, 6]}}
        self.write(f"{machine}.json", json.dumps({
            "tests": {"passed": 3, "failed": 0, "skipped": 1},
            "files": {n: {"lines": lines, "functions": functions.get(n, {"f": [1, 6], "g": [8, 12]}),
                          "sha1": coverage.digest(self.path(f"tree/{n}"))} for n, lines in files.items()}}))

    def report(self, reasons):
        self.write("list", reasons)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            text = coverage.report(self.path("list"), self.path("plain"), self.path("tree"), self.path("files"),
                                   [(m, self.path(f"{m}.json")) for m in ("one", "two")] + [("three", "")])
        return text, said.getvalue()

    def test_tables(self):
        text, _ = self.report("")
        self.assertIn("| one | 3 | 0 | 1 |", text)
        self.assertIn("| three | not booted |", text)
        self.assertIn("| new.c | 7 | 6 | 85.7 |", text)
        self.assertIn("| old.c | 1 | 4 | 3 | 75.0 | 2 | 1 | 50.0 |", text)
        self.assertIn("| new-test.c | 2 | 1 | 50.0 |", text)
        self.assertIn("0 lines have a reason in [coverage.list](../scripts/coverage.list), 2 have none", text)
        self.assertIn("| absent.c | no reason given |", text)

    def test_reasons(self):
        text, said = self.report("new.c | f | return 1; | not on this bus\nold.c | h | * | dead\n"
                                 "absent.c | * | * | not built\nnew.c | g | x++; | gone\n")
        self.assertIn("| new.c | f() | `return 1;` | 1 | not on this bus |", text)
        self.assertIn("2 lines have a reason in [coverage.list](../scripts/coverage.list), 0 have none", text)
        self.assertIn("| absent.c | not built |", text)
        self.assertIn("coverage.list: new.c | g | x++;", said)

    def test_changed_since(self):
        self.write("tree/new.c", NEW + "\n")
        text, said = self.report("")
        self.assertNotIn("| new.c | 7", text)
        self.assertIn("new.c on one has changed since that boot", said)


class GcovTest(unittest.TestCase):
    """What gcc and gcov of this machine say, through the form in which a guest sends it"""

    def test_take(self):
        with tempfile.TemporaryDirectory() as tmp:
            def path(name):
                return os.path.join(tmp, name)

            os.makedirs(path("linux/dir"))
            os.makedirs(path("obj/dir"))
            with open(path("linux/dir/new.c"), "w", encoding="utf-8") as f:
                f.write(NEW + "int main(void)\n{\n\treturn f(0);\n}\n")
            run = {"cwd": path("obj"), "check": True, "capture_output": True}
            subprocess.run(["gcc", "-fprofile-arcs", "-ftest-coverage", "-c", "-o", "dir/new.o",
                            "../linux/dir/new.c"], **run)
            subprocess.run(["gcc", "--coverage", "-o", "new", "dir/new.o"], **run)
            subprocess.run(["./new"], **run)
            counters = path("obj/dir/new.gcda")
            with open(counters, "rb") as f:
                data = f.read()
            os.unlink(counters)
            with open(path("stream"), "wb") as f:
                f.write(f"{len(data)} {counters}\n".encode() + data)
            with open(path("result.json"), "w", encoding="utf-8") as f:
                json.dump({"machine": "m", "passed": 1, "failed": 0, "skipped": 0}, f)
            coverage.take(path("stream"), "gcov", path("linux"), path("result.json"), path("data"))
            with open(path("data"), encoding="utf-8") as f:
                data = json.load(f)
            self.assertEqual(data["tests"], {"passed": 1, "failed": 0, "skipped": 0})
            one = data["files"]["dir/new.c"]
            self.assertEqual({n: c > 0 for n, c in one["lines"].items()},
                             {"1": True, "3": True, "4": False, "5": True, "8": False, "10": False,
                              "11": False, "13": True, "15": True})
            self.assertEqual(one["functions"]["g"], [8, 12])


if __name__ == "__main__":
    unittest.main()
