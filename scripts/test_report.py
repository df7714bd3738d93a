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


def vmm_boot(seconds, *suites):
    """(scenario, passed, failed, amounts) each"""
    return {"machine": "arm64-vmm", "tests": [],
            "suites": [{"name": name, "seconds": seconds, "passed": p, "failed": f, "skipped": 0, "amounts": a}
                       for name, p, f, a in suites]}


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

    def boot(self, cmd, nr, machine, kernel, data, source=""):
        path = self.put(f"{cmd}.results/{nr}/result.json", json.dumps(data))
        return f"{machine}\t{kernel}\t{os.path.dirname(path)}\t{source}\n"

    def fill(self, block, inside="as it was\n"):
        stale = []
        text = f"before\n<!-- report: {block} -->\n{inside}<!-- end -->\nbehind\n"
        return report.fill(self.folder, text, stale), text, stale

    def test_not_run(self):
        for block in ("output run", "output check ^same", "machines", "skips", "peers", "vmm", "output bench"):
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

    def vmm_rows(self, *list_of_boots):
        self.put("vmm.boots", "".join(self.boot("vmm", nr, "arm64-vmm", *b) for nr, b in enumerate(list_of_boots)))
        new, _, stale = self.fill("vmm")
        self.assertEqual(stale, [])
        return [line for line in new.splitlines() if line.startswith("| ")][2:]

    def test_vmm(self):
        """Both kernels side by side, with what was counted and nothing where nobody counts"""
        rows = self.vmm_rows(
            ("arm64-plain-vmm", vmm_boot(100.4, ("vmm-type1", 12, 0, {}),
                                         ("vmm-client", 12, 0, {"interrupts": 3, "lost": 597})), "6.12.117"),
            ("arm64-vmm", vmm_boot(90, ("vmm-client", 30, 0, {"interrupts": 1200, "lost": 0, "bytes": 86016,
                                                              "swaps": 400}),
                                   ("vmm-type1", 11, 1, {"bytes": 67108864})), "64f516ba46af"))
        self.assertEqual(rows, [
            "| type1 | plain 6.12.117 | type1 | 12 | 0 | 0 |  |  |  |  | 100 |",
            "| type1 | series 64f516ba46af | type1 | 11 | 1 | 0 |  |  | 67,108,864 |  | 90 |",
            "| client | plain 6.12.117 | iommufd | 12 | 0 | 0 | 3 | 597 |  |  | 100 |",
            "| client | series 64f516ba46af | iommufd | 30 | 0 | 0 | 1,200 | 0 | 86,016 | 400 | 90 |"])

    def test_vmm_again(self):
        """The last run of a scenario counts, and what the harness said of a boot that is still in there"""
        first = vmm_boot(10, ("vmm-net", 9, 1, {}), ("vmm-reset", 3, 0, {}),
                         *[("harness", 0, 1, {})] * 2)
        net, reset = vmm_boot(20, ("vmm-net", 10, 0, {})), vmm_boot(30, ("vmm-reset", 4, 0, {}))
        self.assertEqual(self.vmm_rows(("arm64-vmm", first), ("arm64-vmm", net)), [
            "| net | series | iommufd | 10 | 0 | 0 |  |  |  |  | 20 |",
            "| reset | series | iommufd | 3 | 0 | 0 |  |  |  |  | 10 |",
            "| the harness, boot 1 | series | iommufd | 0 | 2 | 0 |  |  |  |  | 10 |"])
        self.assertEqual(self.vmm_rows(("arm64-vmm", first), ("arm64-vmm", net), ("arm64-vmm", reset)), [
            "| net | series | iommufd | 10 | 0 | 0 |  |  |  |  | 20 |",
            "| reset | series | iommufd | 4 | 0 | 0 |  |  |  |  | 30 |"])


if __name__ == "__main__":
    unittest.main()
