// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSIs of real devices under iommufd (and under the older VFIO containers).
 *
 * The device is QEMU's edu, see vfio_edu.h. Behind an Arm SMMU its interrupts
 * are memory writes that the SMMU translates, so "the interrupt arrived" means
 * "the doorbell is mapped, at the address that was programmed into the device,
 * in the page table the device uses now".
 *
 * The same tests run behind IOMMUs that do not translate MSIs, where they must
 * pass too. Tests of the window itself are skipped there.
 *
 * Words used below: a "replace" is VFIO_DEVICE_ATTACH_IOMMUFD_PT on an attached
 * device ("swap" in the names of tests), the "window" is the IOVA range that is
 * reserved for doorbells.
 *
 * A test names the patch it fails without, if there is one:
 *   [table]   iommufd: Keep MSIs over every change of domain
 *   [lock]    iommu: Hold the group's mutex while an MSI is prepared
 *   [unwind]  irqchip/gic-v3-its, gic-v2m: Unwind when the allocation of an
 *             interrupt fails
 *   [group]   iommufd: Make a change of a group's attachment one step
 *   [keep]    iommu: Keep MSIs that outlive the owner of a group
 *   [hitless] iommu/arm-smmu-v3: Lose no DMA when one stage 1 domain replaces
 *             another
 * All others pass on plain 6.12 and have to stay that way.
 *
 * Environment:
 *   EDU_RACE_SECS      length of each race test, by default 30 for one device
 *                      and 15 for two of a group
 *   EDU_INFLIGHT_IRQS  interrupts in the in-flight test, 5000 by default
 *   EDU_SWAPS          replaces in the swap_often test, 1000 by default
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "vfio_edu.h"

/* IOVA for ordinary DMA; edu has 28 address bits */
#define DMA_IOVA 0x1000000

/* ASSERT/EXPECT that one interrupt arrives */
#define ASSERT_IRQ(_dev) ASSERT_EQ(1, edu_raise(_dev, EDU_TIMEOUT_MS))

/* Like ASSERT_IRQ() but say in words what happened, for a human reader */
#define ASSERT_IRQ_MSG(_what, _dev)                                 \
	({                                                          \
		int _rc = edu_raise(_dev, EDU_TIMEOUT_MS);          \
		ksft_print_msg("%s: %s\n", _what, irq_result(_rc)); \
		ASSERT_EQ(1, _rc);                                  \
	})

static const char *irq_result(int rc)
{
	if (rc == 1)
		return "delivered";
	if (rc == 0)
		return "LOST";
	return strerror(-rc);
}

static struct edu_func funcs[EDU_MAX_FUNCS];
static int num_funcs;

/* The first two functions in different groups, or in one group */
static bool find_pair(bool same_group, const struct edu_func **a,
		      const struct edu_func **b)
{
	int i;
	int j;

	for (i = 0; i != num_funcs; i++) {
		for (j = i + 1; j < num_funcs; j++) {
			bool same = funcs[i].group == funcs[j].group;

			if (same != same_group)
				continue;
			*a = &funcs[i];
			*b = &funcs[j];
			return true;
		}
	}
	return false;
}

/* A function that is alone in its group, so it can be detached for real */
static const struct edu_func *find_single(void)
{
	int i;
	int j;

	for (i = 0; i != num_funcs; i++) {
		for (j = 0; j != num_funcs; j++)
			if (i != j && funcs[i].group == funcs[j].group)
				break;
		if (j == num_funcs)
			return &funcs[i];
	}
	return NULL;
}

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/*
 * One device, one fd, two address spaces. pt[] holds all that the device can
 * be attached to: the IOAS themselves (the kernel then picks the domain) and
 * manual HWPTs, two in each IOAS.
 */
enum {
	PT_IOAS0,
	PT_IOAS1,
	PT_HWPT0_0,
	PT_HWPT0_1,
	PT_HWPT1_0,
	PT_HWPT1_1,
	NUM_PT,
};

/* The pt[] of the IOAS that a pt[] is in */
static int pt_to_ioas(int pt)
{
	return pt < PT_HWPT0_0 ? pt : (pt - PT_HWPT0_0) / 2;
}

FIXTURE(msi)
{
	int iommufd;
	struct edu_dev dev;
	__u32 pt[NUM_PT];
};

FIXTURE_SETUP(msi)
{
	const struct edu_func *func;
	int i;

	self->iommufd = -1;
	edu_init(&self->dev);

	num_funcs = edu_claim(funcs, EDU_MAX_FUNCS);
	func = find_single();
	if (!func)
		SKIP(return, "no edu device (1234:11e8) with its own group");

	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->pt[i]));
		ASSERT_EQ(0, edu_hwpt_alloc(self->iommufd, self->dev.dev_id,
					    self->pt[i],
					    &self->pt[PT_HWPT0_0 + 2 * i]));
		ASSERT_EQ(0, edu_hwpt_alloc(self->iommufd, self->dev.dev_id,
					    self->pt[i],
					    &self->pt[PT_HWPT0_1 + 2 * i]));
	}
}

FIXTURE_TEARDOWN(msi)
{
	edu_close(&self->dev);
	if (self->iommufd >= 0)
		close(self->iommufd);
}

static void msi_start(struct __test_metadata *_metadata, struct edu_dev *dev,
		      __u32 pt_id)
{
	ASSERT_EQ(0, edu_attach(dev, pt_id));
	ASSERT_EQ(0, edu_irq_on(dev));
	ASSERT_IRQ_MSG("first attach", dev);
}

static void msi_swap(struct __test_metadata *_metadata, struct edu_dev *dev,
		     __u32 pt_id, const char *what)
{
	ASSERT_EQ(0, edu_attach(dev, pt_id));
	ASSERT_IRQ_MSG(what, dev);
}

/* Works on plain 6.12: the test set-up itself is sound */
TEST_F(msi, raise)
{
	int i;

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	for (i = 0; i != 100; i++)
		ASSERT_IRQ(&self->dev);
}

/* Between automatic domains of two IOAS. [table] */
TEST_F(msi, swap_ioas)
{
	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	msi_swap(_metadata, &self->dev, self->pt[PT_IOAS1], "after replace");
	msi_swap(_metadata, &self->dev, self->pt[PT_IOAS0],
		 "after the way back");
}

/* Between manual HWPTs of one IOAS. [table] */
TEST_F(msi, swap_hwpt_same_ioas)
{
	msi_start(_metadata, &self->dev, self->pt[PT_HWPT0_0]);
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT0_1], "after replace");
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT0_0],
		 "after the way back");
}

/* Between manual HWPTs of two IOAS. [table] */
TEST_F(msi, swap_hwpt_two_ioas)
{
	msi_start(_metadata, &self->dev, self->pt[PT_HWPT0_0]);
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT1_0], "after replace");
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT0_0],
		 "after the way back");
}

/* Automatic to manual and the reverse, in one IOAS and in two. [table] */
TEST_F(msi, swap_auto_manual)
{
	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT0_0],
		 "after the change to manual");
	msi_swap(_metadata, &self->dev, self->pt[PT_IOAS0],
		 "after the change to automatic");
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT1_0],
		 "after the change to manual");
	msi_swap(_metadata, &self->dev, self->pt[PT_IOAS0],
		 "after the change to automatic");
}

/* From each of the page tables to each other one. [table] */
TEST_F(msi, swap_all_pairs)
{
	int i;
	int j;

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	for (i = 0; i != NUM_PT; i++) {
		for (j = 0; j != NUM_PT; j++) {
			ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
			ASSERT_IRQ(&self->dev);
			ASSERT_EQ(0, edu_attach(&self->dev, self->pt[j]));
			ASSERT_IRQ(&self->dev);
		}
	}
}

/* An HWPT that is made after the interrupt was set up. [table] */
TEST_F(msi, swap_new_hwpt)
{
	__u32 old = 0;
	__u32 hwpt;
	int i;

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	for (i = 0; i != 20; i++) {
		ASSERT_EQ(0, edu_hwpt_alloc(self->iommufd, self->dev.dev_id,
					    self->pt[i % 2], &hwpt));
		ASSERT_EQ(0, edu_attach(&self->dev, hwpt));
		ASSERT_IRQ(&self->dev);
		if (i)
			ASSERT_EQ(0, edu_destroy(self->iommufd, old));
		old = hwpt;
	}
}

/* The doorbell follows the device across detach and attach. [table] */
TEST_F(msi, detach_attach)
{
	int i;

	for (i = 0; i != NUM_PT; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
		if (!i)
			ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ_MSG("after attach", &self->dev);
		ASSERT_EQ(0, edu_detach(&self->dev));
	}
	/* And when the page table is one that was used before */
	for (i = 0; i != NUM_PT; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
		ASSERT_IRQ(&self->dev);
		ASSERT_EQ(0, edu_detach(&self->dev));
	}
}

/* Interrupts off, replace, on again */
TEST_F(msi, swap_while_off)
{
	int i;

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	for (i = 0; i != 4 * NUM_PT; i++) {
		ASSERT_EQ(0, edu_irq_off(&self->dev));
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i % NUM_PT]));
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ(&self->dev);
	}
}

/* Set-up between bind and attach works as soon as attached. [table] */
TEST_F(msi, irq_before_attach)
{
	int i;

	ASSERT_EQ(0, edu_irq_on(&self->dev));
	for (i = 0; i != NUM_PT; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
		ASSERT_IRQ_MSG("set-up before attach", &self->dev);
		ASSERT_EQ(0, edu_detach(&self->dev));
	}
}

/* The same, but the device was attached before. [table] */
TEST_F(msi, irq_while_detached)
{
	int i;

	for (i = 0; i != NUM_PT; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
		ASSERT_EQ(0, edu_detach(&self->dev));
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[i]));
		ASSERT_IRQ_MSG("set-up while detached", &self->dev);
		ASSERT_EQ(0, edu_irq_off(&self->dev));
		ASSERT_EQ(0, edu_detach(&self->dev));
	}
}

/* Nothing is used up by set-up and release */
TEST_F_TIMEOUT(msi, irq_on_off, 120)
{
	int i;

	ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
	for (i = 0; i != 1000; i++) {
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		if (i % 10 == 0)
			ASSERT_IRQ(&self->dev);
		ASSERT_EQ(0, edu_irq_off(&self->dev));
	}
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ(&self->dev);
}

/* Let iommufd refuse what this process asks for; needs CONFIG_IOMMUFD_TEST */
static int iommufd_fails(bool on)
{
	static const struct {
		const char *name;
		const char *on;
		const char *off;
	} knobs[] = {
		{ "verbose", "0", "0" },
		{ "interval", "1", "1" },
		{ "times", "-1", "-1" },
		{ "task-filter", "Y", "N" },
		{ "probability", "100", "0" },
	};
	char path[128];
	unsigned int i;
	int rc;

	for (i = 0; i != ARRAY_SIZE(knobs); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/fail_iommufd/%s",
			 knobs[i].name);
		rc = edu_write_file(path, on ? knobs[i].on : knobs[i].off);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * The step that maps the doorbell fails 1000 times. What was taken before
 * it (descriptors, LPIs or SPIs) must be given back each time: v2m has only 64
 * interrupts. [unwind]
 */
TEST_F_TIMEOUT(msi, irq_refused, 300)
{
	int refused = 0;
	int rc;
	int i;

	if (iommufd_fails(true))
		SKIP(return, "no fault injection for iommufd in this kernel");
	ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
	for (i = 0; i != 1000; i++) {
		if (edu_write_file("/proc/thread-self/make-it-fail", "1"))
			break;
		rc = edu_irq_on(&self->dev);
		edu_write_file("/proc/thread-self/make-it-fail", "0");
		if (!rc) {
			edu_irq_off(&self->dev);
			break;
		}
		refused++;
	}
	iommufd_fails(false);
	ksft_print_msg("%d set-ups refused\n", refused);
	if (!refused)
		SKIP(return, "iommufd has no part in the set-up here");
	ASSERT_EQ(1000, refused);

	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ_MSG("after the refused set-ups", &self->dev);
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT1_0], "after replace");
}

/* Many replaces, one interrupt after each. [table] */
TEST_F_TIMEOUT(msi, swap_often, 600)
{
	unsigned long n = edu_env("EDU_SWAPS", 1000);
	unsigned long lost = 0;
	unsigned long i;
	int rc;

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	/* A few losses are enough, each one costs a timeout */
	for (i = 0; i != n && lost < 5; i++) {
		ASSERT_EQ(0,
			  edu_attach(&self->dev, self->pt[(i + 1) % NUM_PT]));
		rc = edu_raise(&self->dev, EDU_TIMEOUT_MS);
		ASSERT_LE(0, rc);
		lost += !rc;
	}
	ksft_print_msg("%lu replaces: %lu lost\n", i, lost);
	ASSERT_EQ(0, lost);
}

/*
 * The two fds can be closed in either order, interrupts on or off.
 * [table]
 */
TEST_F(msi, close_order)
{
	int i;

	for (i = 0; i != 8; i++) {
		const struct edu_func *func = self->dev.func;
		bool iommufd_first = i & 1;
		bool irq_on = i & 2;
		bool swap = i & 4;

		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ(&self->dev);
		if (swap) {
			ASSERT_EQ(0,
				  edu_attach(&self->dev, self->pt[PT_HWPT1_0]));
			ASSERT_IRQ(&self->dev);
		}
		if (!irq_on)
			ASSERT_EQ(0, edu_irq_off(&self->dev));
		if (iommufd_first) {
			close(self->iommufd);
			if (irq_on)
				ASSERT_IRQ(&self->dev);
			edu_close(&self->dev);
		} else {
			edu_close(&self->dev);
			close(self->iommufd);
		}

		self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, self->iommufd);
		ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
		ASSERT_EQ(0,
			  edu_ioas_alloc(self->iommufd, &self->pt[PT_IOAS0]));
		ASSERT_EQ(0,
			  edu_ioas_alloc(self->iommufd, &self->pt[PT_IOAS1]));
		ASSERT_EQ(0, edu_hwpt_alloc(self->iommufd, self->dev.dev_id,
					    self->pt[PT_IOAS1],
					    &self->pt[PT_HWPT1_0]));
	}
}

/*
 * user space cannot map over a window in use, whatever replaces
 * its domain.
 * [table]
 */
TEST_F(msi, map_over_window)
{
	size_t page = sysconf(_SC_PAGESIZE);
	__u64 start;
	void *va;
	int i;
	int j;

	if (!self->dev.func->has_window)
		SKIP(return, "this IOMMU has no software MSI window");
	start = self->dev.func->window_start;
	va = mmap(NULL, page, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	for (i = 0; i != 2 * NUM_PT; i++) {
		int pt = (i + 1) % NUM_PT;
		__u32 ioas = self->pt[pt_to_ioas(pt)];

		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[pt]));
		/* The first, one in the middle, the last page */
		for (j = 0; j != 3; j++) {
			__u64 iova = start;

			if (j == 1)
				iova += 16 * page;
			else if (j == 2)
				iova = self->dev.func->window_last + 1 - page;
			if (iova > self->dev.func->window_last)
				continue;
			ASSERT_EQ(-EINVAL,
				  edu_map(self->iommufd, ioas, va, page, iova));
		}
	}
	ASSERT_IRQ_MSG("after the refused maps", &self->dev);
	munmap(va, page);
}

/*
 * After detach the pages are out of the HWPT and the window is free. Plain
 * 6.12 leaves the page in the manual HWPT: the map then fails with -EEXIST and
 * a WARN. With user memory there attach is refused, and works again without.
 * [table]
 */
TEST_F(msi, map_window_detached)
{
	size_t page = sysconf(_SC_PAGESIZE);
	__u64 iova;
	void *va;
	int i;

	if (!self->dev.func->has_window)
		SKIP(return, "this IOMMU has no software MSI window");
	iova = self->dev.func->window_start;
	va = mmap(NULL, page, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);

	/* Twice over: interrupts stay on while detached, or go off */
	for (i = 0; i != 2 * NUM_PT; i++) {
		int pt = (i + PT_HWPT0_0) % NUM_PT;
		__u32 ioas = self->pt[pt_to_ioas(pt)];

		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[pt]));
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ(&self->dev);
		if (i >= NUM_PT)
			ASSERT_EQ(0, edu_irq_off(&self->dev));
		ASSERT_EQ(0, edu_detach(&self->dev));

		ASSERT_EQ(0, edu_map(self->iommufd, ioas, va, page, iova));
		ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->pt[pt]));
		ASSERT_EQ(0, edu_unmap(self->iommufd, ioas, iova, page));

		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[pt]));
		if (i >= NUM_PT)
			ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ(&self->dev);
		ASSERT_EQ(0, edu_irq_off(&self->dev));
		ASSERT_EQ(0, edu_detach(&self->dev));
	}
	munmap(va, page);
}

/*
 * A refused replace leaves interrupt, page table and window as they were.
 * [table]
 */
TEST_F(msi, swap_refused)
{
	size_t page = sysconf(_SC_PAGESIZE);
	__u64 iova;
	void *va;
	int i;

	if (!self->dev.func->has_window)
		SKIP(return, "this IOMMU has no software MSI window");
	iova = self->dev.func->window_start;
	va = mmap(NULL, page, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);

	msi_start(_metadata, &self->dev, self->pt[PT_HWPT0_0]);
	/* User memory in the window of the other IOAS: cannot go there */
	ASSERT_EQ(0,
		  edu_map(self->iommufd, self->pt[PT_IOAS1], va, page, iova));
	for (i = 0; i != 100; i++) {
		ASSERT_EQ(-EADDRINUSE,
			  edu_attach(&self->dev, self->pt[PT_IOAS1]));
		ASSERT_EQ(-EADDRINUSE,
			  edu_attach(&self->dev, self->pt[PT_HWPT1_0]));
		ASSERT_EQ(-ENOENT, edu_attach(&self->dev, 0x7fffffff));
		ASSERT_IRQ(&self->dev);
		ASSERT_EQ(-EINVAL, edu_map(self->iommufd, self->pt[PT_IOAS0],
					   va, page, iova));
	}
	ASSERT_EQ(0, edu_unmap(self->iommufd, self->pt[PT_IOAS1], iova, page));
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT1_0],
		 "after the replace that works");
	munmap(va, page);
}

/* DMA comes first: memory that is mapped in both stays reachable */
TEST_F(msi, dma_after_swap)
{
	size_t page = sysconf(_SC_PAGESIZE);
	__u32 pt[4];
	__u8 *va;
	int rc;
	int i;

	va = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &pt[i]));
		ASSERT_EQ(0, edu_map(self->iommufd, pt[i], va, 2 * page,
				     DMA_IOVA));
	}
	/*
	 * virtio-iommu knows the aperture of a domain only once it is attached.
	 * On 6.12 such a domain cannot join an IOAS that has mappings, other
	 * than by a first attach.
	 */
	for (i = 0; i != 2; i++) {
		rc = edu_hwpt_alloc(self->iommufd, self->dev.dev_id, pt[i],
				    &pt[2 + i]);
		if (rc == -EADDRINUSE)
			SKIP(return, "no move to an IOAS with mappings here");
		ASSERT_EQ(0, rc);
	}

	for (i = 0; i != 8; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, pt[i % 4]));
		if (!i)
			ASSERT_EQ(0, edu_irq_on(&self->dev));
		memset(va, 0x40 + i, 256);
		memset(va + page, 0, 256);
		ASSERT_EQ(0, edu_dma_copy(&self->dev, DMA_IOVA + page, DMA_IOVA,
					  256));
		ASSERT_EQ(0, memcmp(va, va + page, 256));
	}
	munmap(va, 2 * page);
}

/*
 * A race proves nothing if one of its sides stands still. This much happens in
 * each second even with KASAN on a busy host.
 */
#define RACE_MIN_PER_SEC 2

struct race {
	struct edu_dev *dev;
	const __u32 *pt;
	bool stop;
	pthread_barrier_t barrier;
	unsigned long loops;
	unsigned long failed;
	int rc;
	int round;
};

static bool race_stopped(struct race *race)
{
	return __atomic_load_n(&race->stop, __ATOMIC_ACQUIRE);
}

static void race_stop(struct race *race)
{
	__atomic_store_n(&race->stop, true, __ATOMIC_RELEASE);
}

static void *race_irq(void *arg)
{
	struct race *race = arg;

	while (!race_stopped(race)) {
		int rc = edu_irq_on(race->dev);

		race->loops++;
		if (rc) {
			race->failed++;
			race->rc = rc;
		} else {
			edu_irq_off(race->dev);
		}
	}
	return NULL;
}

/*
 * Interrupt set-up against replace, detach and attach. Plain 6.12 uses a
 * domain that is being freed: NULL dereference in iommu_dma_prepare_msi().
 * [lock]
 */
TEST_F_TIMEOUT(msi, race, 3600)
{
	unsigned long secs = edu_env("EDU_RACE_SECS", 30);
	struct race race = { .dev = &self->dev, .pt = self->pt };
	__u64 end = now_ms() + 1000 * secs;
	unsigned int seed = 1;
	unsigned long swaps = 0;
	bool attached = true;
	pthread_t thread;

	ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
	ASSERT_EQ(0, pthread_create(&thread, NULL, race_irq, &race));
	while (now_ms() < end) {
		int op = rand_r(&seed) % 8;
		int rc;

		if (op || !attached) {
			rc = edu_attach(&self->dev,
					self->pt[rand_r(&seed) % NUM_PT]);
			attached = true;
		} else {
			rc = edu_detach(&self->dev);
			attached = false;
		}
		if (rc) {
			race_stop(&race);
			pthread_join(thread, NULL);
		}
		ASSERT_EQ(0, rc);
		swaps++;
	}
	race_stop(&race);
	pthread_join(thread, NULL);

	ksft_print_msg("%lu replaces, %lu set-ups, %lu refused (last errno %d)\n",
		       swaps, race.loops, race.failed, -race.rc);
	ASSERT_LE(RACE_MIN_PER_SEC * secs, swaps);
	ASSERT_LE(RACE_MIN_PER_SEC * secs, race.loops);
	/* The table takes the set-up at any time, so it refuses none */
	ASSERT_EQ(0, race.failed);
	if (!attached)
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
	edu_irq_off(&self->dev);
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ_MSG("after the race", &self->dev);
}

#define RACE_ROUNDS 1000

static void *race_round(void *arg)
{
	struct race *race = arg;

	for (;;) {
		pthread_barrier_wait(&race->barrier);
		if (race_stopped(race))
			return NULL;
		/* Let the set-up start at different points of the replace */
		if (race->round % 3)
			usleep(race->round % 3 * (race->round % 50));
		race->rc = edu_irq_on(race->dev);
		pthread_barrier_wait(&race->barrier);
	}
}

/*
 * One set-up against one replace. A page that is set up between "prepare the
 * new domain" and "switch to it" must be in both: if set-up says it worked then
 * the interrupt does. [table]
 */
TEST_F_TIMEOUT(msi, race_once, 600)
{
	struct race race = { .dev = &self->dev, .pt = self->pt };
	unsigned long lost = 0;
	int swap_rc = 0;
	pthread_t thread;
	int rc = 1;

	ASSERT_EQ(0, pthread_barrier_init(&race.barrier, NULL, 2));
	ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
	ASSERT_EQ(0, pthread_create(&thread, NULL, race_round, &race));
	for (race.round = 0; race.round != RACE_ROUNDS && lost < 5; race.round++) {
		pthread_barrier_wait(&race.barrier);
		swap_rc = edu_attach(&self->dev,
				     self->pt[(race.round + 1) % NUM_PT]);
		pthread_barrier_wait(&race.barrier);
		if (swap_rc)
			break;
		if (race.rc) {
			race.failed++;
			continue;
		}
		rc = edu_raise(&self->dev, EDU_TIMEOUT_MS);
		if (rc < 0)
			break;
		lost += !rc;
		edu_irq_off(&self->dev);
	}
	race_stop(&race);
	pthread_barrier_wait(&race.barrier);
	pthread_join(thread, NULL);

	ksft_print_msg("%d rounds: %lu lost, %lu refused\n", race.round, lost,
		       race.failed);
	ASSERT_EQ(0, swap_rc);
	ASSERT_LE(0, rc);
	ASSERT_EQ(0, lost);
	ASSERT_EQ(0, race.failed);
	ASSERT_EQ(RACE_ROUNDS, race.round);
}

static void *swap_forever(void *arg)
{
	struct race *race = arg;
	int pt = 0;

	/* loops counts what has been done: a replace that is refused is none */
	while (!race_stopped(race)) {
		int rc = edu_attach(race->dev, race->pt[pt++ % NUM_PT]);

		if (rc)
			race->rc = rc;
		else
			race->loops++;
	}
	return NULL;
}

/*
 * Interrupts raised while replaces are under way, as fast as both go. The next
 * one is raised when the last one arrived, or counts as lost. The SMMU must not
 * have seen a bad write either. [hitless]
 */
TEST_F_TIMEOUT(msi, inflight, 7200)
{
	unsigned long total = edu_env("EDU_INFLIGHT_IRQS", 5000);
	struct race race = { .dev = &self->dev, .pt = self->pt };
	unsigned long raised = 0;
	unsigned long lost = 0;
	unsigned long late = 0;
	pthread_t thread;
	__u64 start;
	__u64 secs;
	int events;
	int log_fd;
	int rc = 0;

	log_fd = edu_smmu_log_open();
	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	start = now_ms();
	ASSERT_EQ(0, pthread_create(&thread, NULL, swap_forever, &race));
	/* Where most get lost there is nothing more to learn */
	while (raised < total && lost < 20) {
		rc = edu_raise(&self->dev, EDU_TIMEOUT_MS);
		if (rc < 0)
			break;
		raised++;
		if (rc)
			continue;
		/* A busy host may only have been slow */
		rc = edu_wait(&self->dev, 5 * EDU_TIMEOUT_MS);
		if (rc < 0)
			break;
		late += rc;
		lost += !rc;
	}
	race_stop(&race);
	pthread_join(thread, NULL);
	secs = (now_ms() - start) / 1000;

	events = edu_smmu_log_count(log_fd);
	ksft_print_msg("in flight: lost %lu of %lu, %lu late, %lu replaces, %d SMMU events\n",
		       lost, raised, late, race.loops, events);
	ASSERT_LE(0, rc);
	ASSERT_EQ(0, race.rc);
	ASSERT_EQ(0, lost);
	ASSERT_EQ(total, raised);
	ASSERT_LE(RACE_MIN_PER_SEC * (secs + 1), race.loops);
	if (events >= 0)
		ASSERT_EQ(0, events);
	ASSERT_IRQ(&self->dev);
}

/* Two devices in different groups */
FIXTURE(msi_two)
{
	int iommufd[2];
	struct edu_dev dev[2];
	const struct edu_func *func[2];
	__u32 ioas[2];
};

FIXTURE_SETUP(msi_two)
{
	int i;

	for (i = 0; i != 2; i++) {
		self->iommufd[i] = -1;
		edu_init(&self->dev[i]);
	}
	num_funcs = edu_claim(funcs, EDU_MAX_FUNCS);
	if (!find_pair(false, &self->func[0], &self->func[1]))
		SKIP(return, "no two edu devices in different groups");
	for (i = 0; i != 2; i++) {
		self->iommufd[i] = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, self->iommufd[i]);
	}
}

FIXTURE_TEARDOWN(msi_two)
{
	int i;

	for (i = 0; i != 2; i++) {
		edu_close(&self->dev[i]);
		if (self->iommufd[i] >= 0)
			close(self->iommufd[i]);
	}
}

/*
 * The second device finds the doorbell of the first, and keeps it.
 * [table]
 */
TEST_F(msi_two, one_ioas)
{
	int fd = self->iommufd[0];
	int i;
	int j;

	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_ioas_alloc(fd, &self->ioas[i]));
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, edu_open_bind(&self->dev[i], self->func[i], fd));
		ASSERT_EQ(0, edu_attach(&self->dev[i], self->ioas[0]));
		ASSERT_EQ(0, edu_irq_on(&self->dev[i]));
		for (j = 0; j <= i; j++)
			ASSERT_IRQ(&self->dev[j]);
	}
	/* One moves away and comes back, at its own time */
	for (i = 0; i != 20; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev[i & 1],
					self->ioas[(i / 2 + 1) & 1]));
		for (j = 0; j != 2; j++)
			ASSERT_IRQ(&self->dev[j]);
	}
	/* Interrupts of one go off: the other one's stay */
	for (i = 0; i != 20; i++) {
		ASSERT_EQ(0, edu_irq_off(&self->dev[i & 1]));
		ASSERT_IRQ(&self->dev[!(i & 1)]);
		ASSERT_EQ(0, edu_attach(&self->dev[!(i & 1)],
					self->ioas[i % 3 == 0]));
		ASSERT_IRQ(&self->dev[!(i & 1)]);
		ASSERT_EQ(0, edu_irq_on(&self->dev[i & 1]));
		for (j = 0; j != 2; j++)
			ASSERT_IRQ(&self->dev[j]);
	}
	/* One detaches, then leaves */
	ASSERT_EQ(0, edu_detach(&self->dev[0]));
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_EQ(0, edu_attach(&self->dev[0], self->ioas[0]));
	for (j = 0; j != 2; j++)
		ASSERT_IRQ(&self->dev[j]);
	edu_close(&self->dev[0]);
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_EQ(0, edu_attach(&self->dev[1], self->ioas[0]));
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_EQ(0, edu_attach(&self->dev[1], self->ioas[1]));
	ASSERT_IRQ(&self->dev[1]);
}

/* Two fds know nothing of each other. [table] */
TEST_F(msi_two, two_fds)
{
	__u32 ioas[2][2];
	int i;
	int j;

	for (i = 0; i != 2; i++) {
		for (j = 0; j != 2; j++)
			ASSERT_EQ(0, edu_ioas_alloc(self->iommufd[i],
						    &ioas[i][j]));
		ASSERT_EQ(0, edu_open_bind(&self->dev[i], self->func[i],
					   self->iommufd[i]));
		ASSERT_EQ(0, edu_attach(&self->dev[i], ioas[i][0]));
		ASSERT_EQ(0, edu_irq_on(&self->dev[i]));
		ASSERT_IRQ(&self->dev[i]);
	}
	for (i = 0; i != 20; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev[i & 1],
					ioas[i & 1][(i / 2 + 1) & 1]));
		for (j = 0; j != 2; j++)
			ASSERT_IRQ(&self->dev[j]);
	}
	edu_close(&self->dev[0]);
	close(self->iommufd[0]);
	self->iommufd[0] = -1;
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_EQ(0, edu_attach(&self->dev[1], ioas[1][1]));
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_EQ(0, edu_attach(&self->dev[1], ioas[1][0]));
	ASSERT_IRQ(&self->dev[1]);
}

/* A device moves from one fd to another, its doorbells do not follow */
TEST_F(msi_two, move_between_fds)
{
	__u32 ioas[2];
	int i;

	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_ioas_alloc(self->iommufd[i], &ioas[i]));
	for (i = 0; i != 10; i++) {
		ASSERT_EQ(0, edu_open_bind(&self->dev[0], self->func[0],
					   self->iommufd[i & 1]));
		ASSERT_EQ(0, edu_attach(&self->dev[0], ioas[i & 1]));
		ASSERT_EQ(0, edu_irq_on(&self->dev[0]));
		ASSERT_IRQ(&self->dev[0]);
		edu_close(&self->dev[0]);
	}
}

/*
 * Two functions that share a group. They share the page table too: who
 * attaches first brings the group there, who detaches last takes it out.
 *
 * Each function runs the program below on its own; the test runs every way to
 * interleave the two programs. After each step, every function that has
 * interrupts and is attached must be able to raise one.
 */
enum group_op { OP_ATTACH, OP_IRQ, OP_DETACH, OP_CLOSE };
#define NUM_OPS 4

static const enum group_op attach_first[NUM_OPS] = { OP_ATTACH, OP_IRQ,
						     OP_DETACH, OP_CLOSE };
static const enum group_op irq_first[NUM_OPS] = { OP_IRQ, OP_ATTACH, OP_DETACH,
						  OP_CLOSE };
/* No detach: the second close finds it closed and does nothing */
static const enum group_op no_detach[NUM_OPS] = { OP_ATTACH, OP_IRQ, OP_CLOSE,
						  OP_CLOSE };

struct group {
	const struct edu_func *func[2];
	struct edu_dev dev[2];
	int iommufd;
	bool attached[2];
	bool irq[2];
	__u32 ioas[2];
	/* Whose turn each step is, for messages */
	char order[2 * NUM_OPS + 1];
};

FIXTURE(msi_group)
{
	struct group group;
};

FIXTURE_SETUP(msi_group)
{
	struct group *group = &self->group;
	int i;

	group->iommufd = -1;
	for (i = 0; i != 2; i++)
		edu_init(&group->dev[i]);
	num_funcs = edu_claim(funcs, EDU_MAX_FUNCS);
	if (!find_pair(true, &group->func[0], &group->func[1]))
		SKIP(return, "no two edu devices in one group");
	group->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, group->iommufd);
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_ioas_alloc(group->iommufd, &group->ioas[i]));
}

FIXTURE_TEARDOWN(msi_group)
{
	struct group *group = &self->group;
	int i;

	for (i = 0; i != 2; i++)
		edu_close(&group->dev[i]);
	if (group->iommufd >= 0)
		close(group->iommufd);
}

static void group_check(struct __test_metadata *_metadata, struct group *group)
{
	int i;

	for (i = 0; i != 2; i++)
		if (group->attached[i] && group->irq[i])
			ASSERT_EQ(1, edu_raise(&group->dev[i], EDU_TIMEOUT_MS)) {
				TH_LOG("function %d, order %s", i,
				       group->order);
			}
}

static void group_step(struct __test_metadata *_metadata, struct group *group,
		       int i, enum group_op op, __u32 ioas)
{
	switch (op) {
	case OP_ATTACH:
		ASSERT_EQ(0, edu_attach(&group->dev[i], ioas)) {
			TH_LOG("function %d, order %s", i, group->order);
		}
		group->attached[i] = true;
		break;
	case OP_IRQ:
		ASSERT_EQ(0, edu_irq_on(&group->dev[i])) {
			TH_LOG("function %d, order %s", i, group->order);
		}
		group->irq[i] = true;
		break;
	case OP_DETACH:
		ASSERT_EQ(0, edu_detach(&group->dev[i]));
		group->attached[i] = false;
		break;
	case OP_CLOSE:
		edu_close(&group->dev[i]);
		group->attached[i] = false;
		group->irq[i] = false;
		break;
	}
}

static void every_order(struct __test_metadata *_metadata, struct group *group,
			const enum group_op *program0,
			const enum group_op *program1, bool swap)
{
	const enum group_op *program[2] = { program0, program1 };
	int num_orders = 0;
	unsigned int mask;
	int i;

	/* Bit n says whose turn step n is */
	for (mask = 0; mask != 1 << (2 * NUM_OPS); mask++) {
		__u32 ioas = group->ioas[0];
		int pc[2] = {};

		if (__builtin_popcount(mask) != NUM_OPS)
			continue;
		for (i = 0; i != 2 * NUM_OPS; i++)
			group->order[i] = '0' + ((mask >> i) & 1);
		for (i = 0; i != 2; i++) {
			ASSERT_EQ(0,
				  edu_open_bind(&group->dev[i], group->func[i],
						group->iommufd));
			group->attached[i] = false;
			group->irq[i] = false;
		}
		for (i = 0; i != 2 * NUM_OPS; i++) {
			int who = (mask >> i) & 1;

			group_step(_metadata, group, who,
				   program[who][pc[who]++], ioas);
			group_check(_metadata, group);
			if (!swap)
				continue;
			/* The group moves as one, either function may ask */
			if (!group->attached[who])
				who = !who;
			if (!group->attached[who])
				continue;
			ioas = group->ioas[ioas == group->ioas[0]];
			ASSERT_EQ(0, edu_attach(&group->dev[who], ioas)) {
				TH_LOG("order %s", group->order);
			}
			group_check(_metadata, group);
		}
		num_orders++;
	}
	/* 8 choose 4 */
	ASSERT_EQ(70, num_orders);
}

TEST_F_TIMEOUT(msi_group, attach_first, 300)
{
	every_order(_metadata, &self->group, attach_first, attach_first, false);
}

/* [table] */
TEST_F_TIMEOUT(msi_group, irq_first, 300)
{
	every_order(_metadata, &self->group, irq_first, irq_first, false);
}

/* [table] */
TEST_F_TIMEOUT(msi_group, one_irq_first, 300)
{
	every_order(_metadata, &self->group, attach_first, irq_first, false);
}

TEST_F_TIMEOUT(msi_group, close_attached, 300)
{
	every_order(_metadata, &self->group, no_detach, no_detach, false);
}

/* [table] */
TEST_F_TIMEOUT(msi_group, close_or_detach, 300)
{
	every_order(_metadata, &self->group, no_detach, irq_first, false);
}

/* With a replace after each step. [table] */
TEST_F_TIMEOUT(msi_group, swap, 300)
{
	every_order(_metadata, &self->group, attach_first, irq_first, true);
}

/* [table] */
TEST_F_TIMEOUT(msi_group, swap_close_attached, 300)
{
	every_order(_metadata, &self->group, no_detach, attach_first, true);
}

/*
 * The function that attached first leaves, the other sets up interrupts.
 * The attach handle must not point to the first one any more. [table]
 */
TEST_F(msi_group, first_leaves)
{
	struct group *group = &self->group;
	int i;

	for (i = 0; i != 20; i++) {
		int first = i & 1;
		int second = !first;

		ASSERT_EQ(0, edu_open_bind(&group->dev[first],
					   group->func[first], group->iommufd));
		ASSERT_EQ(0, edu_attach(&group->dev[first], group->ioas[0]));
		ASSERT_EQ(0,
			  edu_open_bind(&group->dev[second],
					group->func[second], group->iommufd));
		ASSERT_EQ(0, edu_attach(&group->dev[second], group->ioas[0]));
		edu_close(&group->dev[first]);

		ASSERT_EQ(0, edu_irq_on(&group->dev[second]));
		ASSERT_IRQ(&group->dev[second]);
		ASSERT_EQ(0, edu_attach(&group->dev[second], group->ioas[1]));
		ASSERT_IRQ(&group->dev[second]);
		edu_close(&group->dev[second]);
	}
}

/*
 * The two functions are driven by a thread each, at the same time. A replace of
 * one takes the other one along. With automatic domains each replace makes a domain
 * and destroys the one that the group leaves. Plain 6.12 lets a thread put the
 * domain that the other thread is still making: NULL dereference in
 * iommufd_object_remove(). [group]
 */
FIXTURE(msi_group_race)
{
	struct group group;
	/* HWPTs of both IOASes */
	__u32 hwpt[2];
};

FIXTURE_VARIANT(msi_group_race)
{
	/* Replace between HWPTs rather than IOASes */
	bool manual;
	/* Take the own function out of the group's HWPT and back now and then */
	bool detach;
	/* Switch the own interrupts off and on after each replace */
	bool irq;
	/* Visit an IOAS that is made for one visit and destroyed after it */
	bool alloc;
};

FIXTURE_VARIANT_ADD(msi_group_race, swap)
{
};

FIXTURE_VARIANT_ADD(msi_group_race, swap_hwpt)
{
	.manual = true,
};

FIXTURE_VARIANT_ADD(msi_group_race, swap_detach)
{
	.detach = true,
};

FIXTURE_VARIANT_ADD(msi_group_race, swap_irq)
{
	.irq = true,
};

FIXTURE_VARIANT_ADD(msi_group_race, swap_alloc)
{
	.alloc = true,
};

FIXTURE_SETUP(msi_group_race)
{
	struct group *group = &self->group;
	int i;

	group->iommufd = -1;
	for (i = 0; i != 2; i++)
		edu_init(&group->dev[i]);
	num_funcs = edu_claim(funcs, EDU_MAX_FUNCS);
	if (!find_pair(true, &group->func[0], &group->func[1]))
		SKIP(return, "no two edu devices in one group");
	group->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, group->iommufd);
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_open_bind(&group->dev[i], group->func[i],
					   group->iommufd));
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, edu_ioas_alloc(group->iommufd, &group->ioas[i]));
		ASSERT_EQ(0, edu_hwpt_alloc(group->iommufd,
					    group->dev[0].dev_id,
					    group->ioas[i], &self->hwpt[i]));
	}
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_attach(&group->dev[i], variant->manual ?
						self->hwpt[0] :
						group->ioas[0]));
}

FIXTURE_TEARDOWN(msi_group_race)
{
	struct group *group = &self->group;
	int i;

	for (i = 0; i != 2; i++)
		edu_close(&group->dev[i]);
	if (group->iommufd >= 0)
		close(group->iommufd);
}

/* How often in a row an attach may miss the IOAS that the group is in */
#define GROUP_TRIES 1000

struct group_racer {
	struct edu_dev *dev;
	int iommufd;
	const __u32 *pt;
	const struct _fixture_variant_msi_group_race *variant;
	bool stop;
	unsigned long swaps;
	unsigned long attaches;
	unsigned long setups;
	unsigned long visits;
	/* Attaches to what the group was not attached to */
	unsigned long missed;
	/* The first call that failed and must not, and its errno */
	const char *what;
	int rc;
};

static bool racer_do(struct group_racer *racer, const char *what, int rc,
		     unsigned long *count)
{
	if (rc) {
		racer->what = what;
		racer->rc = rc;
		return false;
	}
	if (count)
		++*count;
	return true;
}

static bool racer_reattach(struct group_racer *racer)
{
	int rc = -EINVAL;
	int i;

	if (!racer_do(racer, "detach", edu_detach(racer->dev), NULL))
		return false;
	for (i = 0; i != GROUP_TRIES && rc == -EINVAL; i++) {
		rc = edu_attach(racer->dev, racer->pt[i & 1]);
		racer->missed += rc == -EINVAL;
	}
	return racer_do(racer, "attach", rc, &racer->attaches);
}

/* The other thread may have taken the group elsewhere, but not back there */
static bool racer_visit(struct group_racer *racer)
{
	__u32 ioas;

	return racer_do(racer, "allocate",
			edu_ioas_alloc(racer->iommufd, &ioas), NULL) &&
	       racer_do(racer, "visit", edu_attach(racer->dev, ioas), NULL) &&
	       racer_do(racer, "return", edu_attach(racer->dev, racer->pt[0]),
			NULL) &&
	       racer_do(racer, "destroy", edu_destroy(racer->iommufd, ioas),
			&racer->visits);
}

static bool racer_irq(struct group_racer *racer)
{
	return racer_do(racer, "irq off", edu_irq_off(racer->dev), NULL) &&
	       racer_do(racer, "irq on", edu_irq_on(racer->dev),
			&racer->setups);
}

static void *group_racer(void *arg)
{
	struct group_racer *racer = arg;
	bool ok = true;

	while (ok && !__atomic_load_n(&racer->stop, __ATOMIC_ACQUIRE)) {
		ok = racer_do(racer, "swap",
			      edu_attach(racer->dev,
					 racer->pt[racer->swaps & 1]),
			      &racer->swaps);
		if (ok && racer->variant->irq)
			ok = racer_irq(racer);
		if (ok && racer->variant->alloc)
			ok = racer_visit(racer);
		if (ok && racer->variant->detach && racer->swaps % 4 == 0)
			ok = racer_reattach(racer);
	}
	return NULL;
}

static void
check_racer(struct __test_metadata *_metadata, unsigned long secs,
	    const struct _fixture_variant_msi_group_race *variant,
	    const struct group_racer *racer)
{
	unsigned long min = RACE_MIN_PER_SEC * secs;

	ksft_print_msg("%lu replaces, %lu attaches (%lu missed), %lu set-ups, %lu visits\n",
		       racer->swaps, racer->attaches, racer->missed,
		       racer->setups, racer->visits);
	ASSERT_EQ(0, racer->rc) {
		TH_LOG("%s: %s", racer->what, strerror(-racer->rc));
	}
	ASSERT_LE(min, racer->swaps);
	if (variant->irq)
		ASSERT_LE(min, racer->setups);
	if (variant->alloc)
		ASSERT_LE(min, racer->visits);
	if (variant->detach)
		ASSERT_LE(min / 4, racer->attaches);
	ASSERT_GE(50 * racer->attaches, racer->missed);
}

TEST_F_TIMEOUT(msi_group_race, race, 3600)
{
	unsigned long secs = edu_env("EDU_RACE_SECS", 15);
	struct group *group = &self->group;
	struct group_racer racers[2];
	pthread_t threads[2];
	int i;

	memset(racers, 0, sizeof(racers));
	for (i = 0; i != 2; i++) {
		racers[i].dev = &group->dev[i];
		racers[i].iommufd = group->iommufd;
		racers[i].pt = variant->manual ? self->hwpt : group->ioas;
		racers[i].variant = variant;
		ASSERT_EQ(0, edu_irq_on(&group->dev[i]));
	}
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, group_racer,
					    &racers[i]));
	sleep(secs);
	for (i = 0; i != 2; i++)
		__atomic_store_n(&racers[i].stop, true, __ATOMIC_RELEASE);
	for (i = 0; i != 2; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i != 2; i++)
		check_racer(_metadata, secs, variant, &racers[i]);

	for (i = 0; i != 2; i++)
		ASSERT_IRQ(&group->dev[i]);
	/* No automatic domain has been left behind in an IOAS */
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_detach(&group->dev[i]));
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, edu_destroy(group->iommufd, self->hwpt[i]));
		ASSERT_EQ(0, edu_destroy(group->iommufd, group->ioas[i]));
	}
}

/*
 * An interrupt of another driver in the group, which does no DMA, as that of a
 * PCIe port. It is set up while the group is bound to iommufd, and stays when
 * that has gone. CONFIG_IOMMUFD_TEST has such a driver.
 */
#define TEST_DRIVER "iommufd_test_irq"

static int test_driver_raise(const struct edu_func *func)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/raise",
		 func->bdf);
	return edu_write_file(path, "1");
}

FIXTURE(outlive)
{
	int iommufd;
	__u32 ioas_id;
	const struct edu_func *func[2];
	struct edu_dev dev;
};

FIXTURE_SETUP(outlive)
{
	self->iommufd = -1;
	edu_init(&self->dev);
	num_funcs = edu_claim(funcs, EDU_MAX_FUNCS);
	if (!find_pair(true, &self->func[0], &self->func[1])) {
		self->func[1] = NULL;
		SKIP(return, "no two edu functions in one group");
	}
	if (access("/sys/bus/pci/drivers/" TEST_DRIVER, F_OK)) {
		self->func[1] = NULL;
		SKIP(return, "no " TEST_DRIVER " (CONFIG_IOMMUFD_TEST?)");
	}
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->ioas_id));
}

FIXTURE_TEARDOWN(outlive)
{
	edu_close(&self->dev);
	if (self->iommufd >= 0)
		close(self->iommufd);
	if (self->func[1])
		EXPECT_EQ(0, edu_set_driver(self->func[1], "vfio-pci"));
}

/* [keep] */
TEST_F(outlive, close)
{
	int log_fd;
	int i;

	for (i = 0; i != 4; i++) {
		/* Attached or not when the other driver sets up its interrupt */
		bool attach_first = i & 1;

		ASSERT_EQ(0, edu_open_bind(&self->dev, self->func[0],
					   self->iommufd));
		if (attach_first)
			ASSERT_EQ(0, edu_attach(&self->dev, self->ioas_id));
		ASSERT_EQ(0, edu_set_driver(self->func[1], TEST_DRIVER));
		if (!attach_first)
			ASSERT_EQ(0, edu_attach(&self->dev, self->ioas_id));
		EXPECT_EQ(0, test_driver_raise(self->func[1]));
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ(&self->dev);

		log_fd = edu_smmu_log_open();
		edu_close(&self->dev);
		EXPECT_EQ(0, test_driver_raise(self->func[1]))
		{
			TH_LOG("lost after the owner has gone, round %d", i);
		}
		EXPECT_GE(0, edu_smmu_log_count(log_fd));
		ASSERT_EQ(0, edu_set_driver(self->func[1], "vfio-pci"));
	}
}

/* Nothing of it gets in the way of those who come later. [keep] */
TEST_F(outlive, next_owner)
{
	ASSERT_EQ(0,
		  edu_open_bind(&self->dev, self->func[0], self->iommufd));
	ASSERT_EQ(0, edu_set_driver(self->func[1], TEST_DRIVER));
	edu_close(&self->dev);
	EXPECT_EQ(0, test_driver_raise(self->func[1]));
	ASSERT_EQ(0, edu_set_driver(self->func[1], "vfio-pci"));

	/* The other way round: set up under nobody, used under nobody */
	ASSERT_EQ(0, edu_set_driver(self->func[1], TEST_DRIVER));
	EXPECT_EQ(0, test_driver_raise(self->func[1]));
	ASSERT_EQ(0, edu_set_driver(self->func[1], "vfio-pci"));

	ASSERT_EQ(0,
		  edu_open_bind(&self->dev, self->func[0], self->iommufd));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas_id));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ(&self->dev);
}

/*
 * VFIO type1 containers, and the container that iommufd imitates, behave
 * as they did. These pass on plain 6.12.
 */
FIXTURE(legacy)
{
	int container;
	const struct edu_func *func[2];
	struct edu_dev dev[2];
};

FIXTURE_VARIANT(legacy)
{
	const char *path;
};

FIXTURE_VARIANT_ADD(legacy, type1)
{
	.path = "/dev/vfio/vfio",
};

FIXTURE_VARIANT_ADD(legacy, iommufd_compat)
{
	.path = "/dev/iommu",
};

FIXTURE_SETUP(legacy)
{
	int rc;
	int i;

	self->container = -1;
	for (i = 0; i != 2; i++)
		edu_init(&self->dev[i]);
	num_funcs = edu_claim(funcs, EDU_MAX_FUNCS);
	if (!find_pair(false, &self->func[0], &self->func[1]))
		SKIP(return, "no two edu devices in different groups");
	self->container = open(variant->path, O_RDWR | O_CLOEXEC);
	if (self->container < 0)
		SKIP(return, "no %s (CONFIG_VFIO_CONTAINER?)", variant->path);
	rc = edu_group_open(&self->dev[0], self->func[0], self->container);
	if (rc == -ENOENT)
		SKIP(return, "no VFIO group (CONFIG_VFIO_GROUP?)");
	ASSERT_EQ(0, rc);
	rc = ioctl(self->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
	if (rc && errno == EPERM)
		SKIP(return, "not isolated here, needs allow_unsafe_interrupts");
	ASSERT_EQ(0, rc);
}

FIXTURE_TEARDOWN(legacy)
{
	int i;

	for (i = 0; i != 2; i++)
		edu_close(&self->dev[i]);
	if (self->container >= 0)
		close(self->container);
}

TEST_F(legacy, raise)
{
	int i;

	ASSERT_EQ(0, edu_group_get_device(&self->dev[0]));
	for (i = 0; i != 100; i++) {
		ASSERT_EQ(0, edu_irq_on(&self->dev[0]));
		ASSERT_IRQ(&self->dev[0]);
		ASSERT_EQ(0, edu_irq_off(&self->dev[0]));
	}
	ASSERT_EQ(0, edu_irq_on(&self->dev[0]));
	for (i = 0; i != 100; i++)
		ASSERT_IRQ(&self->dev[0]);
}

TEST_F(legacy, two_groups)
{
	int i;
	int j;

	ASSERT_EQ(0, edu_group_open(&self->dev[1], self->func[1],
				    self->container));
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, edu_group_get_device(&self->dev[i]));
		ASSERT_EQ(0, edu_irq_on(&self->dev[i]));
		for (j = 0; j <= i; j++)
			ASSERT_IRQ(&self->dev[j]);
	}
	for (i = 0; i != 20; i++) {
		ASSERT_EQ(0, edu_irq_off(&self->dev[i & 1]));
		ASSERT_IRQ(&self->dev[!(i & 1)]);
		ASSERT_EQ(0, edu_irq_on(&self->dev[i & 1]));
		ASSERT_IRQ(&self->dev[i & 1]);
	}
	edu_close(&self->dev[0]);
	ASSERT_IRQ(&self->dev[1]);
}

/* Nothing may be mapped over the window by these either */
TEST_F(legacy, map_over_window)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.size = page,
	};
	void *va;

	if (!self->func[0]->has_window)
		SKIP(return, "this IOMMU has no software MSI window");
	va = mmap(NULL, page, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, edu_group_get_device(&self->dev[0]));
	ASSERT_EQ(0, edu_irq_on(&self->dev[0]));

	map.vaddr = (uintptr_t)va;
	map.iova = self->func[0]->window_start;
	ASSERT_EQ(-1, ioctl(self->container, VFIO_IOMMU_MAP_DMA, &map));
	ASSERT_EQ(EINVAL, errno);
	map.iova = self->func[0]->window_last + 1;
	ASSERT_EQ(0, ioctl(self->container, VFIO_IOMMU_MAP_DMA, &map));
	ASSERT_IRQ(&self->dev[0]);
	munmap(va, page);
}

TEST_HARNESS_MAIN
