#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""All mutants of one file of the kernel in one source: make mutants builds them together.

mutants.py <file> <source >source. A row of mutants.list that edits the file gets a copy of
each function that its edits change. Which copy runs is up to iommu_mutant= of the kernel
command line, the number of the row; without it the function is as it was.
"""

import os
import re
import subprocess
import sys

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mutants.list")
# The file that has the parameter
HOME = "drivers/iommu/iommu.c"
PARAMETER = """
unsigned int iommu_mutant;
EXPORT_SYMBOL_GPL(iommu_mutant);

static int __init iommu_mutant_setup(char *str)
{
	return kstrtouint(str, 0, &iommu_mutant);
}
early_param("iommu_mutant", iommu_mutant_setup);
"""


def die(msg):
    print(f"error: {msg}", file=sys.stderr)
    sys.exit(2)


def read_rows():
    """(number, [(file, sed expression)])"""
    with open(LIST, encoding="utf-8") as f:
        lines = [line.rstrip("\n") for line in f if line.strip() and not line.startswith("#")]
    return [(n, [tuple(e.split(":", 1)) for e in line.split(" | ")[5:]])
            for n, line in enumerate(lines, 1)]


def functions(text):
    """What is in a file, in order: (name of the function or None, text)"""
    lines, parts, rest = text.splitlines(True), [], 0
    for nr, line in enumerate(lines):
        if line != "{\n":
            continue
        begin = nr
        while begin and not re.search(r"(^|[;}]|\*/|^#.*)\s*$", lines[begin - 1]):
            begin -= 1
        end = lines.index("}\n", nr) + 1
        name = re.search(r"(\w+)\(", "".join(lines[begin:nr]))
        if name:
            parts += [(None, "".join(lines[rest:begin])), (name[1], "".join(lines[begin:end]))]
            rest = end
    return parts + [(None, "".join(lines[rest:]))]


def renamed(name, text, suffix):
    text = re.sub(rf"\b{name}\(", f"{name}__{suffix}(", text, count=1)
    return text if text.startswith("static ") else "static " + text


def dispatcher(name, text, numbers):
    """The function under its old name, which calls one of those there are now"""
    head = text[:text.index("\n{\n")]
    before, args = re.match(rf"(.*?)\b{name}\((.*)\)", head, re.S).groups()
    names = "" if args == "void" else ", ".join(re.findall(r"(\w+)\s*(?:,|$)", args))
    void = re.sub(r"\b(static|__init|inline)\b", "", before).strip() == "void"
    out = head + "\n{\n"
    for n in numbers:
        call = f"{name}__{n}({names})"
        out += f"\tif (iommu_mutant == {n})" + \
            (f" {{\n\t\t{call};\n\t\treturn;\n\t}}\n" if void else f"\n\t\treturn {call};\n")
    return out + ("\t" if void else "\treturn ") + f"{name}__0({names});\n}}\n"


def main():
    path, text = sys.argv[1], sys.stdin.read()
    parts = functions(text)
    copies = {}
    for n, edits in read_rows():
        new = text
        for file, expr in edits:
            if file != path:
                continue
            old, new = new, subprocess.run(["sed", "-E", "-e", expr], input=new, text=True,
                                           stdout=subprocess.PIPE, check=True).stdout
            if old == new:
                die(f"nothing in {path} matches {expr}")
        changed = functions(new)
        if [name for name, _ in changed] != [name for name, _ in parts]:
            die(f"row {n} of mutants.list changes more than what is in functions")
        for index, ((name, was), (_, now)) in enumerate(zip(parts, changed)):
            if was != now:
                if not name:
                    die(f"row {n} of mutants.list changes what is outside of functions")
                copies.setdefault(index, []).append((n, now))
    declared = False
    for index, (name, part) in enumerate(parts):
        if index not in copies:
            sys.stdout.write(part)
            continue
        if not declared:
            sys.stdout.write("extern unsigned int iommu_mutant;\n\n")
            declared = True
        sys.stdout.write(renamed(name, part, 0) + "\n")
        for n, now in copies[index]:
            sys.stdout.write(renamed(name, now, n) + "\n")
        sys.stdout.write(dispatcher(name, part, [n for n, _ in copies[index]]))
    if path == HOME:
        sys.stdout.write(PARAMETER)


main()
