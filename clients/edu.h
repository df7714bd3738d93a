/* SPDX-License-Identifier: GPL-2.0-only */
/* QEMU's edu device: registers of BAR 0, and its DMA engine */
#ifndef EDU_H
#define EDU_H

enum {
	EDU_RAISE = 0x60,
	EDU_ACK = 0x64,
	EDU_SRC = 0x80,
	EDU_DST = 0x88,
	EDU_COUNT = 0x90,
	EDU_CMD = 0x98,
	EDU_BUFFER = 0x40000,
	EDU_RUN = 1,
	EDU_TO_RAM = 2,
	LENGTH = 2048, /* QEMU 7.2 refuses the whole buffer of 4096 */
};

#endif
