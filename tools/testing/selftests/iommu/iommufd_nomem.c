// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices under iommufd when memory runs out and stays out.
 *
 * iommufd_fail_nth lets one allocation fail, and the way back from there finds
 * memory again. Here the n-th allocation of a call fails and so does each one
 * after it, of slab and of pages, whatever its flags. So a way back that
 * allocates fails too. Each test sweeps n from 1 until the call meets no failure
 * any more. For each n
 *
 *  - the call works or fails with ENOMEM; detach and close always work;
 *  - afterwards the device reaches memory, and its interrupts arrive, through
 *    what it is attached to: the old page table if the call failed;
 *  - the same call, if it failed, works once there is memory.
 *
 * The device is QEMU's edu, see vfio_edu.h. It is taken off the PCI bus and found
 * again each time, as some drivers allocate only what a device has not got yet.
 *
 * Needs root, CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and
 * CONFIG_FAULT_INJECTION_DEBUG_FS.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/iommufd.h>

#include "../kselftest_harness.h"
#include "vfio_edu.h"

/* IOVA of the test buffer; edu has 28 address bits */
#define DMA_IOVA 0x1000000
#define DMA_LEN 256

/* More allocations than any of the calls makes */
#define MAX_NTH 1000

static size_t page_size;

/* Else make-it-fail, which other tests use too, would make memory fail there */
static __attribute__((destructor)) void nomem_stop(void)
{
	edu_nomem_close();
}

/*
 * All but ENOMEM come from the fault points that CONFIG_IOMMUFD_TEST puts in
 * iommufd, which fail-nth counts too
 */
static bool refusal(int rc)
{
	return rc == -ENOMEM || rc == -ENOENT || rc == -EINVAL ||
	       rc == -EFAULT;
}

/* A function that is alone in its group, or two that share one; how many */
static int find_funcs(bool shared, const struct edu_func *found[2])
{
	if (shared)
		return edu_find_pair(true, found) ? 2 : 0;
	found[0] = edu_find_single();
	return found[0] ? 1 : 0;
}

enum {
	PT_HWPT0_0,
	PT_HWPT0_1,
	PT_HWPT1,
	PT_IOAS0,
	PT_IOAS1,
	NUM_PT,
};

struct nomem {
	int iommufd;
	struct edu_dev dev[2];
	int num_devs;
	__u32 pt[NUM_PT];
	__u8 *mem;
};

FIXTURE(nomem)
{
	struct nomem nomem;
};

FIXTURE_VARIANT(nomem)
{
	bool shared;
};

FIXTURE_VARIANT_ADD(nomem, one)
{
	.shared = false,
};

/* Two functions that share a group: they move together */
FIXTURE_VARIANT_ADD(nomem, two)
{
	.shared = true,
};

/* Whatever the kernel keeps for the functions, it starts anew */
static void renew_funcs(struct __test_metadata *_metadata,
			const struct edu_func *func[2], int num)
{
	char path[128];
	int i;

	for (i = 0; i != num; i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove",
			 func[i]->bdf);
		ASSERT_EQ(0, edu_write_file(path, "1"));
	}
	ASSERT_EQ(0, edu_write_file("/sys/bus/pci/rescan", "1"));
}

static void nomem_open(struct __test_metadata *_metadata, struct nomem *nm,
		       bool shared)
{
	const struct edu_func *func[2];
	int i;

	ASSERT_EQ(nm->num_devs, find_funcs(shared, func));
	renew_funcs(_metadata, func, nm->num_devs);
	ASSERT_EQ(nm->num_devs, find_funcs(shared, func));
	nm->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, nm->iommufd);
	for (i = 0; i != nm->num_devs; i++)
		ASSERT_EQ(0, edu_open_bind(&nm->dev[i], func[i],
					   nm->iommufd));
	for (i = PT_IOAS0; i <= PT_IOAS1; i++) {
		ASSERT_EQ(0, edu_ioas_alloc(nm->iommufd, &nm->pt[i]));
		ASSERT_EQ(0, edu_map(nm->iommufd, nm->pt[i], nm->mem,
				     2 * page_size, DMA_IOVA));
	}
	for (i = PT_HWPT0_0; i <= PT_HWPT1; i++)
		ASSERT_EQ(0, edu_hwpt_alloc(nm->iommufd, nm->dev[0].dev_id,
					    nm->pt[i == PT_HWPT1 ? PT_IOAS1 :
								     PT_IOAS0],
					    &nm->pt[i]));
}

static void nomem_close(struct nomem *nm)
{
	int i;

	for (i = 0; i != nm->num_devs; i++)
		edu_close(&nm->dev[i]);
	if (nm->iommufd >= 0)
		close(nm->iommufd);
	nm->iommufd = -1;
}

FIXTURE_SETUP(nomem)
{
	struct nomem *nm = &self->nomem;
	const struct edu_func *func[2];
	const char *missing;
	int i;

	nm->iommufd = -1;
	for (i = 0; i != 2; i++)
		edu_init(&nm->dev[i]);
	page_size = sysconf(_SC_PAGESIZE);
	missing = edu_nomem_open();
	if (missing)
		SKIP(return, "no %s in this kernel", missing);
	nm->num_devs = find_funcs(variant->shared, func);
	if (!nm->num_devs)
		SKIP(return, "no edu devices (1234:11e8) with such a group");
	nm->mem = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, nm->mem);
}

FIXTURE_TEARDOWN(nomem)
{
	struct nomem *nm = &self->nomem;

	nomem_close(nm);
	if (nm->mem)
		munmap(nm->mem, 2 * page_size);
}

static int attach(struct nomem *nm, __u32 pt_id)
{
	return edu_attach(&nm->dev[0], pt_id);
}

/* Each device reads memory, writes memory and raises an interrupt */
static void works(struct __test_metadata *_metadata, struct nomem *nm,
		  unsigned int nth)
{
	__u8 *dst = nm->mem + page_size;
	static __u8 pattern;
	int i;

	for (i = 0; i != nm->num_devs; i++)
		memset(nm->mem + i * DMA_LEN, ++pattern, DMA_LEN);
	memset(dst, 0, nm->num_devs * DMA_LEN);
	ASSERT_EQ(0, edu_dma_copy_all(nm->dev, nm->num_devs,
				      DMA_IOVA + page_size, DMA_IOVA,
				      DMA_LEN));
	for (i = 0; i != nm->num_devs; i++) {
		ASSERT_EQ(0, memcmp(nm->mem + i * DMA_LEN, dst + i * DMA_LEN,
				    DMA_LEN))
		{
			TH_LOG("function %d reaches no memory, allocation %u failed",
			       i, nth);
		}
		ASSERT_EQ(1, edu_raise(&nm->dev[i], EDU_TIMEOUT_MS))
		{
			TH_LOG("the interrupt of function %d is lost, allocation %u failed",
			       i, nth);
		}
	}
}

static void irqs_on(struct __test_metadata *_metadata, struct nomem *nm)
{
	int i;

	for (i = 0; i != nm->num_devs; i++)
		ASSERT_EQ(0, edu_irq_on(&nm->dev[i]));
}

static void all_attach(struct __test_metadata *_metadata, struct nomem *nm,
		       __u32 pt_id)
{
	int i;

	for (i = 0; i != nm->num_devs; i++)
		ASSERT_EQ(0, edu_attach(&nm->dev[i], pt_id));
}

/* Only for want of memory, and only if an allocation did fail */
static void check_refusal(struct __test_metadata *_metadata, int rc,
			  bool failed, unsigned int nth)
{
	ASSERT_TRUE(refusal(rc)) {
		TH_LOG("%s, allocation %u failed", strerror(-rc), nth);
	}
	ASSERT_TRUE(failed);
}

/* Replace @from by @to, without or with interrupts set up before */
static void sweep_replace(struct __test_metadata *_metadata, struct nomem *nm,
			  bool shared, int from, int to, bool irq)
{
	unsigned int nth;
	int refused = 0;
	bool failed = true;
	int rc;

	for (nth = 1; failed; nth++) {
		ASSERT_GT(MAX_NTH, nth);
		nomem_open(_metadata, nm, shared);
		all_attach(_metadata, nm, nm->pt[from]);
		if (irq)
			irqs_on(_metadata, nm);

		edu_nomem_begin(nth);
		rc = attach(nm, nm->pt[to]);
		failed = edu_nomem_end();
		if (rc) {
			check_refusal(_metadata, rc, failed, nth);
			refused++;
		}
		if (!irq)
			irqs_on(_metadata, nm);
		works(_metadata, nm, nth);
		if (rc) {
			ASSERT_EQ(0, attach(nm, nm->pt[to]));
			works(_metadata, nm, nth);
		}
		nomem_close(nm);
	}
	ksft_print_msg("%u allocations, %d refused\n", nth - 2, refused);
	/* A new domain is allocated: who refuses nothing has met no failure */
	if (to == PT_IOAS1)
		ASSERT_LT(0, refused);
}

TEST_F_TIMEOUT(nomem, replace_hwpt, 600)
{
	struct nomem *nm = &self->nomem;

	sweep_replace(_metadata, nm, variant->shared, PT_HWPT0_0, PT_HWPT0_1,
		      false);
}

TEST_F_TIMEOUT(nomem, replace_hwpt_irq, 600)
{
	struct nomem *nm = &self->nomem;

	sweep_replace(_metadata, nm, variant->shared, PT_HWPT0_0, PT_HWPT1,
		      true);
}

TEST_F_TIMEOUT(nomem, replace_ioas, 1200)
{
	struct nomem *nm = &self->nomem;

	sweep_replace(_metadata, nm, variant->shared, PT_IOAS0, PT_IOAS1,
		      true);
}

/*
 * The first attach of a device, whose interrupts are set up before, and a
 * replace
 */
TEST_F_TIMEOUT(nomem, attach, 1200)
{
	struct nomem *nm = &self->nomem;
	unsigned int nth;
	int refused = 0;
	bool failed = true;
	int rc;

	for (nth = 1; failed; nth++) {
		ASSERT_GT(MAX_NTH, nth);
		nomem_open(_metadata, nm, variant->shared);
		irqs_on(_metadata, nm);

		edu_nomem_begin(nth);
		rc = attach(nm, nm->pt[PT_IOAS0]);
		failed = edu_nomem_end();
		if (rc) {
			check_refusal(_metadata, rc, failed, nth);
			refused++;
			ASSERT_EQ(0, attach(nm, nm->pt[PT_IOAS0]));
		}
		if (nm->num_devs == 2)
			ASSERT_EQ(0, edu_attach(&nm->dev[1],
						nm->pt[PT_IOAS0]));
		works(_metadata, nm, nth);
		/* The driver does not believe to be elsewhere */
		ASSERT_EQ(0, attach(nm, nm->pt[PT_HWPT1]));
		works(_metadata, nm, nth);
		nomem_close(nm);
	}
	ksft_print_msg("%u allocations, %d refused\n", nth - 2, refused);
	ASSERT_LT(0, refused);
}

/* Detach and close cannot fail, and what follows them works */
TEST_F_TIMEOUT(nomem, detach, 600)
{
	struct nomem *nm = &self->nomem;
	int i;

	nomem_open(_metadata, nm, variant->shared);
	all_attach(_metadata, nm, nm->pt[PT_HWPT0_0]);
	irqs_on(_metadata, nm);
	works(_metadata, nm, 0);

	edu_nomem_begin(1);
	for (i = 0; i != nm->num_devs; i++)
		if (edu_detach(&nm->dev[i]))
			break;
	edu_nomem_end();
	ASSERT_EQ(nm->num_devs, i);

	all_attach(_metadata, nm, nm->pt[PT_HWPT1]);
	works(_metadata, nm, 0);

	/*
	 * munmap() may fail for lack of memory, and holds the device if so. The
	 * ITS needs memory to give LPIs back.
	 */
	for (i = 0; i != nm->num_devs; i++) {
		ASSERT_EQ(0, edu_irq_off(&nm->dev[i]));
		ASSERT_EQ(0, munmap(nm->dev[i].bar, nm->dev[i].bar_size));
		nm->dev[i].bar = NULL;
	}
	edu_nomem_begin(1);
	nomem_close(nm);
	edu_nomem_end();

	nomem_open(_metadata, nm, variant->shared);
	all_attach(_metadata, nm, nm->pt[PT_IOAS0]);
	irqs_on(_metadata, nm);
	works(_metadata, nm, 0);
}

TEST_HARNESS_MAIN
