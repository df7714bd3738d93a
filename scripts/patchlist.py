#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Print patches/README.md: the series as a table, a section for each topic.

  patchlist.py <folder of the patches>

The last column is from the file shown-by: subject, tab, what shows that the patch works. It is
an error if that names a patch that is not there.
"""

import email
import email.policy
import os
import re
import sys


def read(path):
    with open(path, "rb") as f:
        mail = email.message_from_binary_file(f, policy=email.policy.default)
    body = mail.get_payload(decode=True).decode("utf-8", "replace")
    subject = re.sub(r"^\[PATCH\] ", "", re.sub(r"\s+", " ", mail["Subject"]))
    message, _, diff = body.partition("\n---\n")
    fixes = [m[1] for m in re.finditer(r"^Fixes: ([0-9a-f]{8,}) ", message, re.M)]
    added = removed = 0
    for line in diff.splitlines():
        added += line.startswith("+") and not line.startswith("+++ ")
        removed += line.startswith("-") and not line.startswith("--- ")
    return subject, fixes, added, removed


def read_shown(folder):
    try:
        with open(os.path.join(folder, "shown-by"), encoding="utf-8") as f:
            return dict(line.rstrip("\n").split("\t", 1) for line in f if "\t" in line)
    except FileNotFoundError:
        return {}


def main():
    folder = sys.argv[1]
    with open(os.path.join(folder, "series"), encoding="utf-8") as f:
        names = [n.split("#")[0].strip() for n in f]
    shown, topic = read_shown(folder), None
    print("<!-- Written by make list. -->\n# The patches\n")
    print("In the order of [series](series); the topics build on each other, 0-fixes stands alone.")
    for nr, name in enumerate(filter(None, names), 1):
        if os.path.dirname(name) != topic:
            topic = os.path.dirname(name)
            cover = os.path.join(topic, "0000-cover-letter.md")
            print(f"\n## {topic}\n")
            if os.path.exists(os.path.join(folder, cover)):
                print(f"What it is about: [{cover}]({cover})\n")
            print("| # | Patch | Lines | Fixes | Shown by |\n| --: | --- | --: | --- | --- |")
        subject, fixes, added, removed = read(os.path.join(folder, name))
        how = shown.pop(subject, "")
        subject = subject.replace("|", "\\|")
        print(f"| {nr} | [{subject}]({name}) | +{added} -{removed} | {' '.join(fixes)} | {how} |")
    if shown:
        print("error: patches/shown-by names what is not in the series: " + "; ".join(shown), file=sys.stderr)
        sys.exit(2)


main()
