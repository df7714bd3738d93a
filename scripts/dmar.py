# SPDX-License-Identifier: GPL-2.0-only
"""A DMAR table that takes the place of QEMU's, with RMRRs in it.

QEMU's VT-d names no reserved memory. Linux (CONFIG_ACPI_TABLE_UPGRADE) replaces a table
by kernel/firmware/acpi/*.aml of the initramfs that has the same signature, OEM ID and OEM
table ID and a greater revision. The unit and its IOAPIC are those that QEMU 7.2 describes
for q35; all PCI devices are behind it.
"""

import struct

HOST_ADDRESS_BITS = 39
INTR_REMAP = 1
INCLUDE_PCI_ALL = 1
DRHD, RMRR = 0, 1
ENDPOINT, IOAPIC = 1, 3


def scope(kind, bus, dev, fn, ident=0):
    return struct.pack("<BBHBBBB", kind, 8, 0, ident, bus, dev, fn)


def unit(kind, body):
    return struct.pack("<HH", kind, 4 + len(body)) + body


def table(rmrrs):
    """rmrrs: words <device>.<function>=<start>-<last> on bus 0, bounds in hexadecimal.
    The memory must be of type reserved in the e820 map, or the kernel complains."""
    units = unit(DRHD, struct.pack("<BBHQ", INCLUDE_PCI_ALL, 0, 0, 0xfed90000) +
                 scope(IOAPIC, 0xff, 0, 0))
    for word in rmrrs.split():
        where, _, bounds = word.partition("=")
        dev, fn = (int(n, 16) for n in where.split("."))
        start, last = (int(n, 16) for n in bounds.split("-"))
        units += unit(RMRR, struct.pack("<HHQQ", 0, 0, start, last) + scope(ENDPOINT, 0, dev, fn))

    def header(checksum):
        return struct.pack("<4sIBB6s8sI4sI", b"DMAR", 48 + len(units), 1, checksum, b"BOCHS ",
                           b"BXPC    ", 2, b"BXPC", 1)

    body = struct.pack("<BB10x", HOST_ADDRESS_BITS - 1, INTR_REMAP) + units
    return header(-sum(header(0) + body) & 0xff) + body
