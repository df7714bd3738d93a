# SPDX-License-Identifier: GPL-2.0-only
"""An SSDT that adds a _DMA object to the host bridge that QEMU describes for q35.

_DMA (ACPI, "Device Configuration") lists the bus addresses that a bridge passes DMA on
from, QEMU has none. Linux (CONFIG_ACPI_TABLE_UPGRADE) adds a table of the initramfs that
takes the place of no other.
"""

import struct

QWORD_SPACE, MEMORY = 0x8a, 0
MIN_FIXED, MAX_FIXED = 0x04, 0x08
READ_WRITE = 1
END_TAG = b"\x79\x00"
SCOPE_OP, NAME_OP, BUFFER_OP, BYTE_PREFIX = b"\x10", b"\x08", b"\x11", b"\x0a"
HOST_BRIDGE = b"\\\x2e_SB_PCI0"  # the root, then two names


def package(body):
    """With the length before it, in two bytes, which count as well"""
    size = len(body) + 2
    return struct.pack("<BB", 0x40 | size & 0xf, size >> 4) + body


def memory(start, last):
    return struct.pack("<BHBBBQQQQQ", QWORD_SPACE, 43, MEMORY, MIN_FIXED | MAX_FIXED, READ_WRITE,
                       0, start, last, 0, last - start + 1)


def table(ranges):
    """ranges: words <start>-<last>, bounds in hexadecimal"""
    bounds = [[int(n, 16) for n in word.split("-")] for word in ranges.split()]
    template = b"".join(memory(*b) for b in bounds) + END_TAG
    buffer = BUFFER_OP + package(BYTE_PREFIX + struct.pack("B", len(template)) + template)
    code = SCOPE_OP + package(HOST_BRIDGE + NAME_OP + b"_DMA" + buffer)

    def header(checksum):
        return struct.pack("<4sIBB6s8sI4sI", b"SSDT", 36 + len(code), 2, checksum, b"TESTS ",
                           b"DMA     ", 1, b"TEST", 1)

    return header(-sum(header(0) + code) & 0xff) + code
