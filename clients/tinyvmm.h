/* SPDX-License-Identifier: GPL-2.0-only */
/* What the monitor and the program in its VM agree on. */
#ifndef __TINYVMM_H
#define __TINYVMM_H

/*
 * Guest physical memory: RAM is below 1 GiB, as the monitor has planned it. The rest is at fixed
 * addresses of the fourth GiB, which the guest maps as device memory.
 */
#define GUEST_DIST 0xc0000000UL
#define GUEST_REDIST 0xc0100000UL
#define GUEST_CALLS 0xc1000000UL /* nothing is there: each access goes to the monitor */
#define GUEST_BAR 0xc2000000UL /* BAR 0 of device n is at n MiB from here */
#define GUEST_BAR_SIZE 0x100000UL

/* The registers at GUEST_CALLS, 64 bits each. To read the first one waits for something to do. */
enum {
	CALL_OP = 0,
	CALL_ARG = 8, /* four of them */
	CALL_RESULT = 40,
};

enum {
	/* raise arg[1] interrupts with device arg[0], one after the other; result: how many arrive */
	OP_IRQS = 1,
	/* fill the page at arg[1], have device arg[0] copy it to arg[2]; result: bytes that differ */
	OP_DMA = 2,
};

#endif
