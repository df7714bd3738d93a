#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Two ids for each step of the series: of all that a kernel is built from, and of all that
the selftests are. The same id, the same files.

stepids.py VERSION, in a git folder whose HEAD is the series on one commit without parent that
holds the files it touches."""

import hashlib
import re
import subprocess
import sys

NOT_KERNEL = re.compile(r'\t(tools|Documentation)/')
TESTS = re.compile(r'\t(tools|include/uapi)/|/iommufd_test\.h$')


def trees():
    """The files of each commit, the base first: path -> line of git ls-files -s."""
    log = subprocess.run(['git', 'log', '--reverse', '--root', '--raw', '--no-renames', '--no-abbrev',
                          '--format=tformat:commit'], check=True, stdout=subprocess.PIPE, text=True).stdout
    files = {}
    for line in log.splitlines()[1:]:
        if line == 'commit':
            yield files
        elif line:
            what, path = line.split('\t', 1)
            _, mode, _, blob, kind = what.split()
            if kind == 'D':
                del files[path]
            else:
                files[path] = f'{mode} {blob} 0\t{path}'
    yield files


def id_of(version, lines):
    return hashlib.sha1('\n'.join([version, *lines, '']).encode()).hexdigest()[:16]


def main(version):
    base = None
    for files in trees():
        if base is None:
            base = set(files.values())
            continue
        lines = sorted(base.symmetric_difference(files.values()))
        print(id_of(version, [l for l in lines if not NOT_KERNEL.search(l)]),
              id_of(version, [l for l in lines if TESTS.search(l)]))


if __name__ == '__main__':
    main(*sys.argv[1:])
