#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of report.py: what it writes, and that it leaves alone what it has no results of."""

import json
import os
import tempfile
import unittest

import report

RUN = """build kernel arm64                                      40 s
arm64-smmuv3        boot                                   3.0 s
arm64-smmuv3        iommufd_msi_edu                       20.0 s  31 passed

31 passed, 0 failed, 1 skipped
"""
BOOT = {"machine": "arm64-smmuv3", "passed": 31, "failed": 0, "skipped": 1,
        "suites": [{"name": "iommufd_msi_edu", "seconds": 20.0, "passed": 31, "failed": 0, "skipped": 1}],
        "tests": [{"suite": "iommufd_msi_edu", "name": "msi.race", "status": "passed", "text": "", "seconds": 2.0},
                  {"suite": "iommufd_msi_edu", "name": "legacy.no", "status": "skipped", "text": "no VFIO here",
                   "seconds": 0.0}]}


class Report(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.folder = self.tmp.name

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def boot(self, cmd, nr, machine, kernel, data):
        path = self.put(f"{cmd}.results/{nr}/result.json", json.dumps(data))
        return f"{machine}\t{kernel}\t{os.path.dirname(path)}\n"

    def fill(self, block, inside="as it was\n"):
        stale = []
        text = f"before\n<!-- report: {block} -->\n{inside}<!-- end -->\nbehind\n"
        return report.fill(self.folder, text, stale), text, stale

    def test_not_run(self):
        for block in ("output run", "output check ^same", "machines", "skips", "peers", "output bench"):
            new, old, stale = self.fill(block)
            self.assertEqual(new, old)
            self.assertEqual(len(stale), 1, block)
            self.assertIn(f"{block}: run make ", stale[0])

    def test_stopped(self):
        """Killed after the boot, so without the line of counts"""
        self.put("run.txt", RUN.rsplit("\n", 2)[0])
        new, old, stale = self.fill("output run")
        self.assertEqual(new, old)
        self.assertEqual(stale, ["output run: run make run to its end first"])

    def test_results_gone(self):
        self.put("check.txt", RUN)
        self.put("check.boots", f"arm64-smmuv3\tarm64\t{self.folder}/nowhere\n")
        new, old, stale = self.fill("machines")
        self.assertEqual((new, len(stale)), (old, 1))

    def test_output(self):
        self.put("run.txt", RUN)
        new, _, stale = self.fill("output run msi_edu")
        self.assertEqual(stale, [])
        self.assertIn("$ make run\nbuild kernel arm64", new)
        self.assertIn("iommufd_msi_edu", new)
        self.assertNotIn("boot", new)
        self.assertIn("\n31 passed, 0 failed, 1 skipped\n```\n<!-- end -->\nbehind", new)

    def test_tables(self):
        self.put("check.txt", RUN)
        self.put("check.boots", self.boot("check", 1, "arm64-smmuv3", "arm64", BOOT) +
                 self.boot("check", 2, "arm64-smmuv3", "arm64-kasan", BOOT) +
                 self.boot("check", 3, "arm64-smmuv3", "arm64-plain", BOOT))
        new, _, stale = self.fill("machines")
        self.assertEqual(stale, [])
        self.assertIn("| arm64-smmuv3 | - | iommufd_msi_edu 31 | 31 | 1 | 20 |", new)
        self.assertIn("| arm64-smmuv3 | KASAN, kmemleak, lockdep |", new)
        self.assertIn("| all | | | 62 | 2 | 40 |", new)
        new, _, _ = self.fill("skips")
        self.assertIn("| no VFIO here | arm64-smmuv3 | legacy.no |", new)


if __name__ == "__main__":
    unittest.main()
