#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What goes to LAVA and KCIDB, by example: /usr/bin/python3 scripts/test_lava.py"""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

import kcidb
import ktap
import lava

HERE = os.path.dirname(os.path.abspath(__file__))
# That of the machine, and busybox's, which a guest has; only those that are here
AWKS = [a for a in (["mawk"], ["gawk"], ["busybox", "awk"], ["original-awk"]) if shutil.which(a[0])] or [["awk"]]

# KTAP as programs of the series, KUnit and the runner print it, and as it goes wrong
DOCUMENTS = {
    "flat": "KTAP version 1\n1..2\nok 1 a\nnot ok 2 b",
    "nested": "1..1\n  # harness: start prog\n  1..2\n  ok 1 x.y\n  not ok 2 y z\nnot ok 1 prog # exit code 1",
    "dies after passing": "1..1\n  1..1\n  ok 1 x\nnot ok 1 prog # killed by signal 11",
    "skips": "1..3\nok 1 a # SKIP no device\nok 2 # SKIP\nok 3 b # skip: not here",
    "skips all": "1..1\n  1..0 # SKIP not this machine\nok 1 prog",
    "skip after results": "1..1\n  # harness: start p\n  1..1\n  ok 1 x\nok 1 p # SKIP",
    "short plan": "1..1\n  # harness: start p\n  1..3\n  ok 1 x\n  ok 2 y\nok 1 p",
    "no plan": "1..1\n  ok 1 x\nok 1 prog",
    "silent": "1..1\n  # harness: start prog\nok 1 prog",
    "cut short": "1..2\n  # harness: start p\n  1..2\n  ok 1 x",
    "nothing": "",
    "no plan above": "  # harness: start p\n  1..1\n  ok 1 x\nok 1 p",
    "kunit": "1..1\n  # harness: start kunit-msi\n  1..1\n    KTAP version 1\n    # Subtest: pages\n"
             "    1..2\n      KTAP version 1\n      # Subtest: size\n      ok 1 4k\n      ok 2 64k\n"
             "    # size: pass:2 fail:0 skip:0 total:2\n    ok 1 size\n    ok 2 other\n"
             "  # pages: pass:2 fail:0 skip:0 total:2\n  ok 1 pages\nok 1 kunit-msi",
    "timeout": "1..1\n  # harness: start p\n  1..2\n  ok 1 x\n  not ok 2 y\nnot ok 1 p # killed, by itself",
    "a failure that its level shows": "1..2\n  # harness: start a\n  1..1\n  not ok 1 x # why\nnot ok 1 a\n"
                                      "  # harness: start b\n  1..1\n  ok 1 - dashed\nok 2 b",
    "odd names": "1..2\nok 1 a <b> (c)\nok 2 d\tx # 3 of 4",
}


def by_parser(text):
    """What ktap.py and results.Run make of it: (suite, test, result) as LAVA has them"""
    suites = [line.split("start ", 1)[1] for line in text.splitlines() if "# harness: start" in line]
    parser = ktap.Parser([s for s in suites if not s.startswith("kunit-")])
    out, suite = [], "harness"
    for line in text.splitlines():
        if "# harness: start " in line:
            suite = line.split("start ", 1)[1]
        out += [(suite, r) for r in parser.feed(line)]
    for r in parser.finish():
        out.append(("harness" if r.name.startswith("KTAP plan") else suite, r))
    return [(s, lava.mangle(r.name), lava.WORD[r.status]) for s, r in out]


class AwkTest(unittest.TestCase):
    """lab/ktap.awk on the device says what ktap.py says"""

    def test_same_as_the_parser(self):
        for awk in AWKS:
            for name, text in DOCUMENTS.items():
                with self.subTest(awk=awk, document=name):
                    done = subprocess.run([*awk, "-f", f"{HERE}/lab/ktap.awk"], input=text + "\n" if text else "",
                                          capture_output=True, text=True, check=True)
                    got = [tuple(line.split("\t")) for line in done.stdout.splitlines()]
                    self.assertEqual(got, by_parser(text), done.stderr)

    def test_runner(self):
        """run-list and lava-iommu with programs that pass, fail, skip, crash and hang"""
        programs = {"good": "echo 1..1; echo ok 1 x", "bad": "echo 1..1; echo not ok 1 x; exit 1",
                    "skip": "exit 4", "crash": "kill -9 $$", "hang": "sleep 60",
                    "var": "echo 1..1; echo \"ok 1 $WORD\"", "mute": "exit 0"}
        want = [("good", "x", "pass"), ("bad", "x", "fail"), ("skip", "skip", "skip"),
                ("crash", "crash", "fail"), ("hang", "hang", "fail"), ("var", "said", "pass"),
                ("mute", "mute", "fail")]
        with tempfile.TemporaryDirectory() as tmp:
            os.makedirs(f"{tmp}/iommu")
            os.makedirs(f"{tmp}/bin")
            for f in ("run-list", "lava-iommu", "ktap.awk"):
                shutil.copy(f"{HERE}/lab/{f}", tmp)
            lava.write_pack(tmp)
            for name, body in programs.items():
                script(f"{tmp}/iommu/{name}", body)
            # LAVA's own commands print signals on the console
            script(f"{tmp}/bin/lava-test-set", 'echo "SET $1 $2"')
            script(f"{tmp}/bin/lava-test-case", 'echo "CASE $1 $3"')
            script(f"{tmp}/bin/dmesg", 'echo "[ 1.0] WARNING: CPU: 0 PID: 1 at here"')
            with open(f"{tmp}/run.list", "w", encoding="utf-8") as f:
                f.writelines(f"{n} {2 if n == 'hang' else 60} {'WORD=said ' if n == 'var' else ''}{n}\n" for n in programs)
            done = subprocess.run(["sh", f"{tmp}/lava-iommu"], capture_output=True, text=True, check=True,
                                  env={**os.environ, "PATH": f"{tmp}/bin:{os.environ['PATH']}"})
        got, suite = [], None
        for line in done.stdout.splitlines():
            word = line.split(" ")
            if word[0] == "SET":
                self.assertEqual(suite is None, word[1] == "start", done.stdout)
                suite = word[2] if word[1] == "start" else None
            elif word[0] == "CASE":
                got.append((suite, word[1], word[2]))
        self.assertEqual(got, [*want, ("harness", "no_kernel_splat", "fail")])
        self.assertIsNone(suite)


def script(path, body):
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"#!/bin/sh\n{body}\n")
    os.chmod(path, 0o755)


class JobTest(unittest.TestCase):
    machine = {"name": "arm64-smmuv3", "arch": "arm64", "memory": "2G", "append": "console=ttyAMA0",
               "qemu": ["-M", "virt,iommu=smmuv3", "-device", "virtio-iommu-pci,x[0]=1"],
               "devices": ["-device", "edu,addr=5.0"], "seconds": 100,
               "disks": ["-drive if=none,id=disk0,format=raw,file=/a/b/disk0.img -device nvme,drive=disk0"]}

    def test_qemu(self):
        job = lava.yaml.safe_load(lava.dump(lava.qemu_job(self.machine, "file:///srv/m")))
        self.assertEqual(job["context"]["machine"], "virt,iommu=smmuv3")
        options = job["context"]["extra_options"]
        self.assertIn("-device edu,addr=5.0", options)
        self.assertIn("-device 'virtio-iommu-pci,x[0]=1'", options)
        images = job["actions"][0]["deploy"]["images"]
        self.assertIn("file={disk0} ", images["disk0"]["image_arg"])
        self.assertIn('-append "console=ttyAMA0 ', images["kernel"]["image_arg"])
        self.assertTrue(images["initrd"]["overlays"]["lava"])
        self.assertGreater(job["timeouts"]["job"]["seconds"], job["actions"][2]["test"]["timeout"]["seconds"])

    def test_x86_has_no_machine_variable(self):
        job = lava.qemu_job({**self.machine, "arch": "x86_64", "qemu": ["-M", "q35"]}, "u")
        self.assertNotIn("machine", job["context"])
        self.assertEqual(job["context"]["extra_options"][0], "-M q35")

    def test_board(self):
        job = lava.board_job("http://files.example", 100)
        self.assertEqual([next(iter(a)) for a in job["actions"]], ["deploy", "boot", "test"])
        self.assertEqual(job["actions"][2], lava.test_action("http://files.example", 100))


class SaidTest(unittest.TestCase):
    log = ('- {"dt": "2026-01-01T00:00:00", "lvl": "info", "msg": "lvl: results in words"}\n'
           '- {"dt": "x", "lvl": "results", "msg": {"definition": "lava", "case": "validate", "result": "pass"}}\n'
           '- {"dt": "x", "lvl": "results", "msg": {"definition": "0_iommu", "case": "a", "result": "pass", "set": "s"}}\n'
           '- {"dt": "x", "lvl": "results", "msg": {"case": "b", "definition": "0_iommu", "result": "fail", "set": "s"}}\n')

    def compare(self, tests):
        with tempfile.TemporaryDirectory() as tmp:
            with open(f"{tmp}/result.json", "w", encoding="utf-8") as f:
                json.dump({"tests": [{"suite": s, "name": n, "status": w} for s, n, w in tests]}, f)
            with open(f"{tmp}/log", "w", encoding="utf-8") as f:
                f.write(self.log)
            with open(os.devnull, "w", encoding="utf-8") as null:
                return subprocess.run(["/usr/bin/python3", f"{HERE}/lava.py", "compare", f"{tmp}/result.json",
                                       f"{tmp}/log"], stdout=null, check=False).returncode

    def test_log(self):
        self.assertEqual(lava.said(self.log), [("s", "a", "pass"), ("s", "b", "fail")])
        # Whatever is beside it that is no YAML
        self.assertEqual(lava.said(self.log + "Traceback: [\n"), [("s", "a", "pass"), ("s", "b", "fail")])

    def test_server(self):
        listed = """
- id: '10'
  metadata: {case: b, definition: 0_iommu, result: fail, set: s}
  name: b
  result: fail
  suite: 0_iommu
- id: '9'
  metadata: {case: a, definition: 0_iommu, result: pass, set: s}
- id: '1'
  metadata: {case: validate, definition: lava, result: pass}
"""
        self.assertEqual(lava.said(listed), [("s", "a", "pass"), ("s", "b", "fail")])

    def test_compare(self):
        self.assertEqual(self.compare([("s", "a", "passed"), ("s", "b", "failed")]), 0)
        self.assertEqual(self.compare([("s", "a", "passed"), ("s", "b", "passed")]), 1)
        self.assertEqual(self.compare([("s", "a", "passed")]), 1)
        self.assertEqual(self.compare([]), 1)

    def test_table(self):
        rows = lava.table({"m": [("s", "a", "pass"), ("s", "b", "fail")], "n": [("t", "a", "skip")]})
        self.assertEqual([r.split() for r in rows], [["pass/fail/skip", "m", "n"], ["s", "1/1/0", "-"],
                                                     ["t", "-", "0/0/1"]])


class KcidbTest(unittest.TestCase):
    boot = {"machine": "arm64-smmuv3", "passed": 1, "failed": 3, "skipped": 1, "tests": [
        {"suite": "p", "name": "ioas.map <4k>", "status": "passed", "text": "", "seconds": 1.5},
        {"suite": "p", "name": "b..c", "status": "failed", "text": "x" * 20000, "seconds": 0},
        {"suite": "p", "name": "c", "status": "skipped", "text": "no device", "seconds": 0},
        {"suite": "harness", "name": "no kernel splat", "status": "failed", "text": "BUG: x", "seconds": 0},
        {"suite": "harness", "name": "no timeout", "status": "failed", "text": "nothing new", "seconds": 0}]}

    def report(self):
        return kcidb.report([("arm64-smmuv3", "arm64", 1700000000, self.boot),
                             ("arm64-smmuv3", "arm64-kasan", 1700000100, self.boot)],
                            "6.12.117", [b"one", b"two"], "local")

    def test_valid(self):
        data = self.report()
        self.assertEqual(kcidb.faults(data), [])
        self.assertEqual(len(data["builds"]), 2)
        self.assertEqual([t["status"] for t in data["tests"][:5]], ["PASS", "FAIL", "SKIP", "FAIL", "ERROR"])
        self.assertEqual(data["tests"][0]["path"], "p.ioas.map_4k_")
        self.assertEqual(data["tests"][1]["path"], "p.b.c")
        # sha256sum *.patch | cut -c-64 | sha256sum
        self.assertEqual(data["checkouts"][0]["patchset_hash"],
                         "55630d5d5f11663af2f7090957091cd48279571549cc6fc72fe533cf20c1814b")

    def test_each_source_is_a_checkout(self):
        data = kcidb.report([("m", k, 1, self.boot) for k in ("arm64", "arm64-plain", "arm64-worktree", "arm64-ksrc")],
                            "6.12.117", [b"one"], "local")
        self.assertEqual(kcidb.faults(data), [])
        self.assertEqual([len(c.get("patchset_hash", "none")) for c in data["checkouts"]], [64, 0, 4, 4])

    def test_faults_are_found(self):
        for change in (lambda d: d["tests"][0].pop("build_id"),
                       lambda d: d["tests"][0].update(status="passed"),
                       lambda d: d["tests"][0].update(path="a b"),
                       lambda d: d["tests"][0].update(mood="good"),
                       lambda d: d["tests"][0].update(id=d["tests"][1]["id"]),
                       lambda d: d["builds"][0].update(checkout_id="local:other"),
                       lambda d: d["builds"][0].update(architecture="ARM"),
                       lambda d: d["checkouts"][0].update(patchset_hash="1"),
                       lambda d: d.pop("version")):
            data = self.report()
            change(data)
            self.assertNotEqual(kcidb.faults(data), [])


if __name__ == "__main__":
    unittest.main()
