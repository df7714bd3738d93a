// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program in the VM of tinyvmm: no operating system, a driver of QEMU's edu device that does
 * what the monitor asks for. It is loaded to the start of guest RAM and can run anywhere.
 */
#include <stdint.h>

#include "edu.h"
#include "tinyvmm.h"

/* GICv3: interrupt 32 + n is the MSI of device n */
#define GICD_CTLR 0x0
#define GICD_IGROUPR 0x80
#define GICD_ISENABLER 0x100
#define GICD_IPRIORITYR 0x400
#define GICD_ICFGR 0xc00
#define GICD_IROUTER 0x6000
#define GICR_WAKER 0x14
#define SPI 32

/* A GiB each: RAM, nothing, nothing, device memory */
static uint64_t table[512] __attribute__((aligned(4096)));

/* A call is one plain load or store: KVM cannot tell the monitor about any other instruction. */
static uint64_t call_read(uintptr_t addr)
{
	uint64_t value;

	asm volatile("ldr %0, [%1]" : "=r"(value) : "r"(addr) : "memory");
	return value;
}

static void call_write(uintptr_t addr, uint64_t value)
{
	asm volatile("str %0, [%1]" : : "r"(value), "r"(addr) : "memory");
}

#define reg32(addr) (*(volatile uint32_t *)(addr))
#define reg64(addr) (*(volatile uint64_t *)(addr))
#define read_sysreg(name) ({ uint64_t v; asm volatile("mrs %0, " name : "=r"(v) : : "memory"); v; })
#define write_sysreg(name, v) asm volatile("msr " name ", %0\n\tisb" : : "r"((uint64_t)(v)) : "memory")

asm(".section .start, \"ax\"\n"
    ".globl start\n"
    "start: adr x1, stack_top\n"
    "mov sp, x1\n"
    "bl run\n"
    ".section .bss\n"
    ".balign 16\n"
    ".skip 16384\n"
    "stack_top:\n"
    ".text\n");

/* Cached memory, as a device that snoops expects it */
static void mmu_on(void)
{
	table[0] = 0 | 1 << 10 | 3 << 8 | 0 << 2 | 1; /* accessed, inner shareable, attribute 0 */
	table[3] = 0xc0000000UL | 1 << 10 | 1 << 2 | 1;
	write_sysreg("mair_el1", 0x00ffUL);
	write_sysreg("tcr_el1", 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1UL << 23 | 2UL << 32);
	write_sysreg("ttbr0_el1", table);
	asm volatile("dsb sy\n\ttlbi vmalle1\n\tdsb sy\n\tisb" : : : "memory");
	write_sysreg("sctlr_el1", read_sysreg("sctlr_el1") | 1 << 12 | 1 << 2 | 1);
}

static void gic_on(void)
{
	int i;

	write_sysreg("S3_0_C12_C12_5", 7); /* ICC_SRE_EL1 */
	reg32(GUEST_DIST + GICD_CTLR) = 1 << 4 | 1 << 1; /* ARE, group 1 */
	reg32(GUEST_REDIST + GICR_WAKER) = 0;
	reg32(GUEST_DIST + GICD_IGROUPR + SPI / 8) = ~0U;
	for (i = 0; i < 4; i++) {
		reg64(GUEST_DIST + GICD_IROUTER + 8 * (SPI + i)) = 0;
		*(volatile uint8_t *)(GUEST_DIST + GICD_IPRIORITYR + SPI + i) = 0x80;
	}
	reg32(GUEST_DIST + GICD_ICFGR + SPI / 4) = 0xaa; /* edge */
	reg32(GUEST_DIST + GICD_ISENABLER + SPI / 8) = 0xf;
	write_sysreg("S3_0_C4_C6_0", 0xf0); /* ICC_PMR_EL1 */
	write_sysreg("S3_0_C12_C12_7", 1); /* ICC_IGRPEN1_EL1 */
}

/* Interrupts stay masked, the acknowledge register is polled. 5 s. */
static int wait_irq(unsigned int dev)
{
	uint64_t until = read_sysreg("cntvct_el0") + 5 * read_sysreg("cntfrq_el0");

	while (read_sysreg("cntvct_el0") < until) {
		uint64_t irq = read_sysreg("S3_0_C12_C12_0"); /* ICC_IAR1_EL1 */

		if (irq >= 1020)
			continue;
		write_sysreg("S3_0_C12_C12_1", irq); /* ICC_EOIR1_EL1 */
		if (irq == SPI + dev)
			return 1;
	}
	return 0;
}

static uint64_t irqs(unsigned int dev, uint64_t count)
{
	uintptr_t bar = GUEST_BAR + dev * GUEST_BAR_SIZE;
	uint64_t i;

	for (i = 0; i < count; i++) {
		reg32(bar + EDU_RAISE) = 1;
		if (!wait_irq(dev))
			break;
		reg32(bar + EDU_ACK) = 1;
	}
	return i;
}

static void copy(uintptr_t bar, uint64_t from, uint64_t to, uint64_t cmd)
{
	asm volatile("dsb sy" : : : "memory");
	reg64(bar + EDU_SRC) = from;
	reg64(bar + EDU_DST) = to;
	reg64(bar + EDU_COUNT) = LENGTH;
	reg64(bar + EDU_CMD) = cmd;
	while (reg64(bar + EDU_CMD) & EDU_RUN)
		;
	asm volatile("dsb sy" : : : "memory");
}

static uint64_t dma(unsigned int dev, uint64_t from, uint64_t to)
{
	static uint8_t round;
	volatile uint8_t *src = (void *)from, *dst = (void *)to;
	uintptr_t bar = GUEST_BAR + dev * GUEST_BAR_SIZE;
	uint64_t bad = 0;
	int i;

	round++;
	for (i = 0; i < LENGTH; i++) {
		src[i] = i * 7 + i / 256 + round;
		dst[i] = 0;
	}
	copy(bar, from, EDU_BUFFER, EDU_RUN);
	copy(bar, EDU_BUFFER, to, EDU_RUN | EDU_TO_RAM);
	for (i = 0; i < LENGTH; i++)
		bad += dst[i] != (uint8_t)(i * 7 + i / 256 + round);
	return bad;
}

void run(void)
{
	uint64_t op, arg[4], result;
	int i;

	mmu_on();
	gic_on();
	for (;;) {
		op = call_read(GUEST_CALLS + CALL_OP);
		for (i = 0; i < 4; i++)
			arg[i] = call_read(GUEST_CALLS + CALL_ARG + 8 * i);
		switch (op) {
		case OP_IRQS:
			result = irqs(arg[0], arg[1]);
			break;
		case OP_DMA:
			result = dma(arg[0], arg[1], arg[2]);
			break;
		default:
			result = ~0UL;
		}
		call_write(GUEST_CALLS + CALL_RESULT, result);
	}
}
