// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the MSI cookie, and of what the DMA API reserves, in dma-iommu.c
 *
 * The owner of an unmanaged domain, VFIO type1 for example, keeps a window of
 * the IOVA space free for MSI pages. Here the domain is a fake one: an xarray
 * remembers what is mapped, so that a test sees each page, and one outside of
 * the window too. A slot is PAGE_SIZE, a window of 1 MiB has 256 of them with
 * pages of 4K and 16 with pages of 64K.
 */
#include <kunit/device.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/align.h>
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/iova.h>
#include <linux/msi.h>
#include <linux/sizes.h>
#include <linux/xarray.h>

#include "dma-iommu.h"

#define TEST_WINDOW	0x8000000UL
#define TEST_LENGTH	SZ_1M
#define TEST_SLOTS	(TEST_LENGTH / PAGE_SIZE)
#define TEST_DOORBELL	0x4000000000ULL
/* A doorbell is a register somewhere in its page */
#define TEST_OFFSET	0x44
#define TEST_PROT	(IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO)

struct cookie_test {
	struct iommu_domain domain;
	/* IOVA in pages -> doorbell in pages, as a value entry */
	struct xarray ptes;
	unsigned long num_ptes;
	/* What the next mapping fails with, if not 0 */
	int map_error;
};

static int test_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct cookie_test *priv =
		container_of(domain, struct cookie_test, domain);
	struct kunit *test = kunit_get_current_test();

	if (priv->map_error)
		return priv->map_error;

	KUNIT_EXPECT_EQ(test, prot, TEST_PROT);
	KUNIT_EXPECT_EQ(test, pgsize, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pgcount, 1);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(paddr, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0,
			xa_insert(&priv->ptes, iova / PAGE_SIZE,
				  xa_mk_value(paddr / PAGE_SIZE), GFP_KERNEL));
	priv->num_ptes++;
	*mapped = pgsize;
	return 0;
}

static size_t test_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	/* MSI pages of a cookie stay until the domain is freed */
	KUNIT_FAIL(kunit_get_current_test(), "%#lx is unmapped", iova);
	return 0;
}

static const struct iommu_domain_ops test_domain_ops = {
	.map_pages = test_map_pages,
	.unmap_pages = test_unmap_pages,
};

static phys_addr_t doorbell(unsigned long n)
{
	/* Every other page, so that no two doorbells could share a block */
	return TEST_DOORBELL + 2 * n * PAGE_SIZE + TEST_OFFSET;
}

/* What an interrupt controller does: prepare the address, compose the message */
static int prepare(struct kunit *test, phys_addr_t addr, u64 *msi_addr)
{
	struct cookie_test *priv = test->priv;
	struct msi_desc desc = {};
	struct msi_msg msg = {
		.address_hi = upper_32_bits(addr),
		.address_lo = lower_32_bits(addr),
	};
	int rc;

	rc = iommu_dma_map_msi(&priv->domain, NULL, &desc, addr);
	if (rc)
		return rc;
	iommu_dma_compose_msi_msg(&desc, &msg);
	*msi_addr = (u64)msg.address_hi << 32 | msg.address_lo;
	return 0;
}

static void expect_slot(struct kunit *test, phys_addr_t addr, u64 iova)
{
	struct cookie_test *priv = test->priv;
	u64 msi_addr = 0;

	KUNIT_EXPECT_EQ(test, 0, prepare(test, addr, &msi_addr));
	KUNIT_EXPECT_EQ(test, msi_addr, iova + offset_in_page(addr));
	KUNIT_EXPECT_PTR_EQ(test, xa_load(&priv->ptes, iova / PAGE_SIZE),
			    xa_mk_value(addr / PAGE_SIZE));
}

/* From an empty window to one that has no room, and nothing mapped beside it */
static void expect_num_slots(struct kunit *test, u64 base, unsigned long slots)
{
	struct cookie_test *priv = test->priv;
	unsigned long i;
	u64 msi_addr;

	for (i = 0; i < slots; i++)
		expect_slot(test, doorbell(i), base + i * PAGE_SIZE);
	for (i = slots; i < slots + 3; i++)
		KUNIT_EXPECT_EQ(test, -ENOSPC,
				prepare(test, doorbell(i), &msi_addr));
	KUNIT_EXPECT_EQ(test, priv->num_ptes, slots);

	/* A doorbell that has a slot needs no other */
	for (i = 0; i < slots; i++)
		expect_slot(test, doorbell(i), base + i * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, priv->num_ptes, slots);
}

static void domain_init(struct cookie_test *priv)
{
	memset(&priv->domain, 0, sizeof(priv->domain));
	priv->domain.type = IOMMU_DOMAIN_UNMANAGED;
	priv->domain.ops = &test_domain_ops;
	priv->domain.pgsize_bitmap = PAGE_SIZE;
	priv->domain.geometry.aperture_end = ULONG_MAX;
	xa_init(&priv->ptes);
	priv->num_ptes = 0;
	priv->map_error = 0;
}

static void domain_destroy(struct cookie_test *priv)
{
	iommu_domain_free(&priv->domain);
	xa_destroy(&priv->ptes);
}

static int cookie_test_init(struct kunit *test)
{
	struct cookie_test *priv;

	priv = kunit_kzalloc(test, sizeof(*priv), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, priv);
	domain_init(priv);
	test->priv = priv;
	return 0;
}

static void cookie_test_exit(struct kunit *test)
{
	if (test->priv)
		domain_destroy(test->priv);
}

/* As many doorbells as the window has pages, the next one is refused */
static void cookie_test_full_window(struct kunit *test)
{
	struct cookie_test *priv = test->priv;

	KUNIT_ASSERT_EQ(test, 0, iommu_get_msi_cookie(&priv->domain, TEST_WINDOW,
						      TEST_LENGTH));
	KUNIT_EXPECT_EQ(test, priv->num_ptes, 0);
	expect_num_slots(test, TEST_WINDOW, TEST_SLOTS);
}

/* Registers in one page share a slot, each keeps its offset */
static void cookie_test_same_page(struct kunit *test)
{
	struct cookie_test *priv = test->priv;
	phys_addr_t page = doorbell(0) - TEST_OFFSET;

	KUNIT_ASSERT_EQ(test, 0, iommu_get_msi_cookie(&priv->domain, TEST_WINDOW,
						      TEST_LENGTH));
	expect_slot(test, page, TEST_WINDOW);
	expect_slot(test, page + PAGE_SIZE - 4, TEST_WINDOW);
	KUNIT_EXPECT_EQ(test, priv->num_ptes, 1);
	expect_slot(test, page + PAGE_SIZE, TEST_WINDOW + PAGE_SIZE);
	expect_slot(test, page - 4, TEST_WINDOW + 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, priv->num_ptes, 3);
}

/* Slots are whole pages; a window that cannot begin with one is refused */
static void cookie_test_odd_windows(struct kunit *test)
{
	static const struct {
		dma_addr_t base;
		size_t length;
		unsigned long slots;
		int rc;
	} cases[] = {
		{ TEST_WINDOW, PAGE_SIZE, 1 },
		{ TEST_WINDOW, 2 * PAGE_SIZE - 1, 1 },
		{ TEST_WINDOW, 3 * PAGE_SIZE + 1, 3 },
		{ 0, 2 * PAGE_SIZE, 2 },
		{ 0x500000000ULL, 2 * PAGE_SIZE, 2 },
		/* The end of the address space is not passed either */
		{ -2 * PAGE_SIZE, 2 * PAGE_SIZE, 2 },
		{ -PAGE_SIZE, PAGE_SIZE, 1 },
		{ -PAGE_SIZE, 2 * PAGE_SIZE, 0, -EINVAL },
		{ TEST_WINDOW, SIZE_MAX, 0, -EINVAL },
		{ TEST_WINDOW, 0, 0, -EINVAL },
		{ TEST_WINDOW, PAGE_SIZE - 1, 0, -EINVAL },
		{ TEST_WINDOW + 1, TEST_LENGTH, 0, -EINVAL },
		{ TEST_WINDOW + PAGE_SIZE / 2, TEST_LENGTH, 0, -EINVAL },
	};
	struct cookie_test *priv = test->priv;
	unsigned int i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		rc = iommu_get_msi_cookie(&priv->domain, cases[i].base,
					  cases[i].length);
		KUNIT_EXPECT_EQ_MSG(test, rc, cases[i].rc, "case %u", i);
		if (!rc)
			expect_num_slots(test, cases[i].base, cases[i].slots);
		KUNIT_EXPECT_EQ_MSG(test, priv->num_ptes, cases[i].slots,
				    "case %u", i);
		domain_destroy(priv);
		domain_init(priv);
	}
}

/* A mapping that fails takes no slot, and its error is the one returned */
static void cookie_test_map_failure(struct kunit *test)
{
	struct cookie_test *priv = test->priv;
	unsigned int i;
	u64 msi_addr;

	KUNIT_ASSERT_EQ(test, 0, iommu_get_msi_cookie(&priv->domain, TEST_WINDOW,
						      2 * PAGE_SIZE));
	expect_slot(test, doorbell(0), TEST_WINDOW);
	priv->map_error = -EADDRINUSE;
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, -EADDRINUSE,
				prepare(test, doorbell(1), &msi_addr));
	KUNIT_EXPECT_EQ(test, priv->num_ptes, 1);
	/* The page that is there needs no mapping */
	expect_slot(test, doorbell(0), TEST_WINDOW);

	priv->map_error = 0;
	expect_num_slots(test, TEST_WINDOW, 2);
}

/* A cookie is for one unmanaged domain, once */
static void cookie_test_get(struct kunit *test)
{
	struct cookie_test *priv = test->priv;
	u64 msi_addr = 0;

	priv->domain.type = IOMMU_DOMAIN_DMA;
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommu_get_msi_cookie(&priv->domain, TEST_WINDOW,
					     TEST_LENGTH));
	priv->domain.type = IOMMU_DOMAIN_UNMANAGED;

	/* Without one an MSI is not translated */
	KUNIT_EXPECT_EQ(test, 0, prepare(test, doorbell(0), &msi_addr));
	KUNIT_EXPECT_EQ(test, msi_addr, doorbell(0));
	KUNIT_EXPECT_EQ(test, priv->num_ptes, 0);

	KUNIT_ASSERT_EQ(test, 0, iommu_get_msi_cookie(&priv->domain, TEST_WINDOW,
						      TEST_LENGTH));
	KUNIT_EXPECT_EQ(test, -EEXIST,
			iommu_get_msi_cookie(&priv->domain, TEST_WINDOW,
					     TEST_LENGTH));
	KUNIT_EXPECT_EQ(test, -EEXIST, iommu_get_dma_cookie(&priv->domain));
	expect_slot(test, doorbell(0), TEST_WINDOW);
}

static struct kunit_case cookie_test_cases[] = {
	KUNIT_CASE(cookie_test_full_window),
	KUNIT_CASE(cookie_test_same_page),
	KUNIT_CASE(cookie_test_odd_windows),
	KUNIT_CASE(cookie_test_map_failure),
	KUNIT_CASE(cookie_test_get),
	{}
};

static struct kunit_suite cookie_test_suite = {
	.name = "iommu-dma-msi-cookie",
	.init = cookie_test_init,
	.exit = cookie_test_exit,
	.test_cases = cookie_test_cases,
};

/*
 * What the DMA API reserves. Devices of one group share a domain for the DMA
 * API, each with regions of its own. The highest page that a device reaches is
 * given out first, so a doorbell that is mapped tells what is free: the page
 * just below what is reserved. The doorbell of another interrupt controller
 * stands for any buffer.
 */
#define TOP		SZ_4G
#define MAX_RESV	3
#define PAGES(_n)	((u64)(_n) * PAGE_SIZE)

struct resv_dev {
	struct device *dev;
	struct dev_iommu param;
	struct iommu_device iommu;
	u64 dma_mask;
	unsigned int num_regions;
	struct {
		u64 start;
		size_t length;
		enum iommu_resv_type type;
	} regions[MAX_RESV];
};

struct resv_test {
	/* First, test_map_pages() wants it */
	struct cookie_test cookie;
	struct resv_dev devs[3];
};

static int resv_test_get_regions(struct device *dev, struct list_head *head)
{
	struct resv_dev *rdev =
		container_of(dev->iommu, struct resv_dev, param);
	struct iommu_resv_region *region;
	unsigned int i;

	for (i = 0; i < rdev->num_regions; i++) {
		region = iommu_alloc_resv_region(rdev->regions[i].start,
						 rdev->regions[i].length, 0,
						 rdev->regions[i].type,
						 GFP_KERNEL);
		if (!region)
			return -ENOMEM;
		list_add_tail(&region->list, head);
	}
	return 0;
}

static const struct iommu_ops resv_test_ops = {
	.get_resv_regions = resv_test_get_regions,
};

static void resv_test_region(struct resv_dev *rdev, u64 start, size_t length,
			     enum iommu_resv_type type)
{
	rdev->regions[rdev->num_regions].start = start;
	rdev->regions[rdev->num_regions].length = length;
	rdev->regions[rdev->num_regions].type = type;
	rdev->num_regions++;
}

static phys_addr_t resv_test_iova_to_phys(struct iommu_domain *domain,
					  dma_addr_t iova)
{
	struct cookie_test *priv =
		container_of(domain, struct cookie_test, domain);
	void *entry = xa_load(&priv->ptes, iova / PAGE_SIZE);

	return entry ? PAGES(xa_to_value(entry)) : 0;
}

static const struct iommu_domain_ops resv_test_domain_ops = {
	.map_pages = test_map_pages,
	.unmap_pages = test_unmap_pages,
	.iova_to_phys = resv_test_iova_to_phys,
};

static int resv_test_init(struct kunit *test)
{
	struct resv_test *priv;
	unsigned int i;

	priv = kunit_kzalloc(test, sizeof(*priv), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, priv);
	domain_init(&priv->cookie);
	priv->cookie.domain.type = IOMMU_DOMAIN_DMA;
	priv->cookie.domain.ops = &resv_test_domain_ops;
	test->priv = priv;
	KUNIT_ASSERT_EQ(test, 0, iommu_get_dma_cookie(&priv->cookie.domain));

	for (i = 0; i < ARRAY_SIZE(priv->devs); i++) {
		struct resv_dev *rdev = &priv->devs[i];
		char name[16];

		snprintf(name, sizeof(name), "dma-resv-%u", i);
		rdev->dev = kunit_device_register(test, name);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, rdev->dev);
		rdev->iommu.ops = &resv_test_ops;
		rdev->param.iommu_dev = &rdev->iommu;
		rdev->dma_mask = DMA_BIT_MASK(32);
		rdev->dev->dma_mask = &rdev->dma_mask;
		rdev->dev->iommu = &rdev->param;
	}
	return 0;
}

static void resv_test_exit(struct kunit *test)
{
	struct resv_test *priv = test->priv;
	unsigned int i;

	if (!priv)
		return;
	for (i = 0; i < ARRAY_SIZE(priv->devs); i++) {
		if (IS_ERR_OR_NULL(priv->devs[i].dev))
			continue;
		priv->devs[i].dev->iommu = NULL;
		priv->devs[i].dev->dma_iommu = false;
		priv->devs[i].dev->dma_mask = NULL;
	}
	domain_destroy(&priv->cookie);
}

static int resv_test_join(struct resv_test *priv, unsigned int i)
{
	int rc;

	/* As the probe of a device does, for the first of a group it does nothing */
	rc = iommu_dma_reserve_regions(&priv->cookie.domain, priv->devs[i].dev);
	if (rc)
		return rc;
	return iommu_setup_dma_ops(priv->devs[i].dev, &priv->cookie.domain);
}

/* The next IOVA that the DMA API gives out, never the same doorbell twice */
static int resv_test_alloc(struct resv_test *priv, unsigned long n, u64 *iova)
{
	struct msi_desc desc = {};
	struct msi_msg msg = {};
	int rc;

	rc = iommu_dma_map_msi(&priv->cookie.domain, priv->devs[0].dev, &desc,
			       doorbell(n) - TEST_OFFSET);
	if (rc)
		return rc;
	iommu_dma_compose_msi_msg(&desc, &msg);
	*iova = (u64)msg.address_hi << 32 | msg.address_lo;
	return 0;
}

static void expect_alloc(struct kunit *test, unsigned long n, u64 expected)
{
	u64 iova = 0;

	KUNIT_EXPECT_EQ(test, 0, resv_test_alloc(test->priv, n, &iova));
	KUNIT_EXPECT_EQ(test, iova, expected);
}

/* Regions of each device are reserved, and those that overlap */
static void resv_test_every_device(struct kunit *test)
{
	struct resv_test *priv = test->priv;

	resv_test_region(&priv->devs[0], TOP - PAGES(1), PAGE_SIZE,
			 IOMMU_RESV_RESERVED);
	/* Above, in the middle of, and below what the first reserves */
	resv_test_region(&priv->devs[1], TOP - PAGES(3), PAGES(4),
			 IOMMU_RESV_DIRECT);
	resv_test_region(&priv->devs[2], TOP - PAGES(5), PAGES(5),
			 IOMMU_RESV_RESERVED);
	resv_test_region(&priv->devs[2], TOP - PAGES(8), PAGES(1),
			 IOMMU_RESV_RESERVED);

	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 0));
	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 1));
	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 2));
	expect_alloc(test, 0, TOP - PAGES(6));
	expect_alloc(test, 1, TOP - PAGES(7));
	expect_alloc(test, 2, TOP - PAGES(9));
}

/* One that joins when the IOVA space is in use already, more than once */
static void resv_test_late(struct kunit *test)
{
	struct resv_test *priv = test->priv;
	int i;

	resv_test_region(&priv->devs[1], TOP - PAGES(4), PAGES(2),
			 IOMMU_RESV_DIRECT);
	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 0));
	expect_alloc(test, 0, TOP - PAGES(1));
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 1));
	expect_alloc(test, 1, TOP - PAGES(2));
	expect_alloc(test, 2, TOP - PAGES(5));
}

/*
 * Firmware can list regions of no bytes, and ones that end before they start. The
 * device works without them, also one that joins.
 */
static void resv_test_no_bytes(struct kunit *test)
{
	struct resv_test *priv = test->priv;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		resv_test_region(&priv->devs[i], TOP - PAGES(8), 0,
				 IOMMU_RESV_DIRECT);
		resv_test_region(&priv->devs[i], TOP - PAGES(2),
				 -(size_t)PAGES(2), IOMMU_RESV_DIRECT);
		resv_test_region(&priv->devs[i], TOP - PAGES(1 + i), PAGE_SIZE,
				 IOMMU_RESV_RESERVED);
		KUNIT_EXPECT_EQ(test, 0, resv_test_join(priv, i));
		KUNIT_EXPECT_TRUE(test, priv->devs[i].dev->dma_iommu);
	}
	expect_alloc(test, 0, TOP - PAGES(3));
}

/* Too late: what it reserves is in use. Nobody loses anything by that. */
static void resv_test_too_late(struct kunit *test)
{
	struct resv_test *priv = test->priv;

	resv_test_region(&priv->devs[1], TOP - PAGES(2), PAGES(2),
			 IOMMU_RESV_DIRECT);
	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 0));
	expect_alloc(test, 0, TOP - PAGES(1));
	KUNIT_EXPECT_EQ(test, -EBUSY, resv_test_join(priv, 1));
	expect_alloc(test, 1, TOP - PAGES(2));
}

/* What was freed is not in use, even if the allocator has it in a cache */
static void resv_test_cached(struct kunit *test)
{
	struct resv_test *priv = test->priv;
	u64 iova;

	resv_test_region(&priv->devs[1], TOP - PAGES(2), PAGES(2),
			 IOMMU_RESV_DIRECT);
	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 0));
	priv->cookie.map_error = -EADDRINUSE;
	KUNIT_EXPECT_EQ(test, -EADDRINUSE, resv_test_alloc(priv, 0, &iova));
	priv->cookie.map_error = 0;
	KUNIT_EXPECT_EQ(test, 0, resv_test_join(priv, 1));
	expect_alloc(test, 0, TOP - PAGES(3));
}

#ifdef CONFIG_FAILSLAB
/* Start with a domain that no device has joined */
static int resv_test_again(struct resv_test *priv)
{
	priv->devs[0].dev->dma_iommu = false;
	iommu_put_dma_cookie(&priv->cookie.domain);
	return iommu_get_dma_cookie(&priv->cookie.domain);
}

/*
 * A range that finds no memory is not left out: the DMA API does not use the
 * domain then, and the next try starts from nothing
 */
static void resv_test_no_memory(struct kunit *test)
{
	struct resv_test *priv = test->priv;
	unsigned int nth, tries = 0;
	bool failed;
	u64 iova;
	int rc;

	if (IS_ENABLED(CONFIG_DEBUG_KMEMLEAK))
		kunit_skip(test, "kmemleak allocates with what is tested");

	resv_test_region(&priv->devs[0], TOP - PAGES(1), PAGE_SIZE,
			 IOMMU_RESV_RESERVED);
	resv_test_region(&priv->devs[0], TOP - PAGES(3), PAGE_SIZE,
			 IOMMU_RESV_DIRECT);

	for (nth = 1;; nth++) {
		/* By default this spares all allocations that may wait */
		current->fail_nth = nth;
		rc = resv_test_join(priv, 0);
		failed = !current->fail_nth;
		current->fail_nth = 0;
		if (!failed)
			break;
		if (!rc) {
			/* A new slab, for which fewer pages did as well */
			KUNIT_ASSERT_LT(test, ++tries, 100);
			KUNIT_ASSERT_EQ(test, 0, resv_test_again(priv));
			nth--;
			continue;
		}
		KUNIT_ASSERT_EQ(test, -ENOMEM, rc);
		KUNIT_EXPECT_FALSE(test, priv->devs[0].dev->dma_iommu);
		KUNIT_EXPECT_EQ(test, -ENODEV, resv_test_alloc(priv, 0, &iova));
	}
	KUNIT_ASSERT_EQ(test, 0, rc);
	KUNIT_EXPECT_EQ(test, 3, nth);
	expect_alloc(test, 0, TOP - PAGES(2));
	expect_alloc(test, 1, TOP - PAGES(4));
}
#endif /* CONFIG_FAILSLAB */

/* Hardware MSI regions of two devices, the same one: its doorbell is its IOVA */
static void resv_test_hw_msi(struct kunit *test)
{
	struct resv_test *priv = test->priv;
	u64 page = doorbell(0) - TEST_OFFSET;

	resv_test_region(&priv->devs[1], page, PAGE_SIZE, IOMMU_RESV_MSI);
	resv_test_region(&priv->devs[2], page, PAGE_SIZE, IOMMU_RESV_MSI);
	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 0));
	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 1));
	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 2));
	expect_alloc(test, 0, page);
	KUNIT_EXPECT_EQ(test, priv->cookie.num_ptes, 0);
	expect_alloc(test, 1, TOP - PAGES(1));
}

/* The window for MSIs of another owner is not for buffers */
static void resv_test_window(struct kunit *test)
{
	struct resv_test *priv = test->priv;
	u64 window = TOP - PAGES(4);

	resv_test_region(&priv->devs[0], window, PAGES(4), IOMMU_RESV_SW_MSI);
	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 0));
	expect_alloc(test, 0, window - PAGES(1));
}

/* An interrupt that outlives its owner keeps its page, in the window or not */
static void resv_test_keep(struct kunit *test)
{
	struct resv_test *priv = test->priv;
	struct iommu_domain *domain = &priv->cookie.domain;
	u64 page = doorbell(0) - TEST_OFFSET;
	u64 other = doorbell(1) - TEST_OFFSET;
	u64 window = TOP - PAGES(4);
	int i;

	KUNIT_EXPECT_EQ(test, -ENODEV, iommu_dma_keep_msi(domain, window, page));
	resv_test_region(&priv->devs[0], window, PAGES(2), IOMMU_RESV_SW_MSI);
	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 0));
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, 0,
				iommu_dma_keep_msi(domain, window, page));
		KUNIT_EXPECT_EQ(test, 0,
				iommu_dma_keep_msi(domain, window + PAGES(2),
						   other));
		KUNIT_EXPECT_EQ(test, priv->cookie.num_ptes, 2);
	}
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, window), page);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, window + PAGES(2)),
			other);
	/* One page for two doorbells cannot be */
	KUNIT_EXPECT_EQ(test, -EEXIST, iommu_dma_keep_msi(domain, window, other));
	/* Nor one that the DMA API has given to another by now */
	expect_alloc(test, 2, TOP - PAGES(1));
	KUNIT_EXPECT_EQ(test, -EEXIST,
			iommu_dma_keep_msi(domain, TOP - PAGES(1), page));
	/* And no buffer gets there */
	expect_alloc(test, 3, window - PAGES(1));
	KUNIT_EXPECT_EQ(test, priv->cookie.num_ptes, 4);
	/* The DMA API chooses for itself where its interrupts write to */
	expect_alloc(test, 0, window - PAGES(2));
	KUNIT_EXPECT_EQ(test, priv->cookie.num_ptes, 5);
}

/* The same with IOVAs from below, and what is kept there is no buffer either */
static void resv_test_wraparound(struct kunit *test)
{
	struct resv_test *priv = test->priv;
	struct iommu_domain *domain = &priv->cookie.domain;
	u64 page = doorbell(9) - TEST_OFFSET;

	iommu_dma_set_iova_policy(domain, IOMMU_IOVA_POLICY_WRAPAROUND);
	resv_test_region(&priv->devs[0], PAGES(2), PAGES(2),
			 IOMMU_RESV_RESERVED);
	/* Overlaps that, and is not in use yet */
	resv_test_region(&priv->devs[1], PAGES(3), PAGES(3), IOMMU_RESV_DIRECT);
	resv_test_region(&priv->devs[2], PAGES(6), PAGES(2), IOMMU_RESV_DIRECT);

	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 0));
	KUNIT_EXPECT_EQ(test, IOMMU_IOVA_POLICY_WRAPAROUND,
			iommu_dma_iova_policy(domain));
	expect_alloc(test, 0, PAGES(1));
	KUNIT_ASSERT_EQ(test, 0, resv_test_join(priv, 1));
	expect_alloc(test, 1, PAGES(6));
	/* Too late for this one */
	KUNIT_EXPECT_EQ(test, -EBUSY, resv_test_join(priv, 2));
	expect_alloc(test, 2, PAGES(7));

	/* An MSI that outlives its owner, just ahead of the cursor */
	KUNIT_EXPECT_EQ(test, 0, iommu_dma_keep_msi(domain, PAGES(8), page));
	KUNIT_EXPECT_EQ(test, 0, iommu_dma_keep_msi(domain, PAGES(8), page));
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, PAGES(8)), page);
	KUNIT_EXPECT_EQ(test, -EEXIST,
			iommu_dma_keep_msi(domain, PAGES(7), page));
	expect_alloc(test, 3, PAGES(9));

	/* A mapping that fails gives its IOVA back, for the next round */
	priv->cookie.map_error = -EADDRINUSE;
	KUNIT_EXPECT_EQ(test, -EADDRINUSE,
			resv_test_alloc(priv, 4, &(u64){ 0 }));
	priv->cookie.map_error = 0;
	expect_alloc(test, 4, PAGES(11));
}

/* Nothing to do for a domain that the DMA API does not use */
static void resv_test_no_dma_domain(struct kunit *test)
{
	struct resv_test *priv = test->priv;
	struct iommu_domain identity = { .type = IOMMU_DOMAIN_IDENTITY };

	resv_test_region(&priv->devs[0], TEST_WINDOW, PAGES(2),
			 IOMMU_RESV_SW_MSI);
	KUNIT_EXPECT_EQ(test, 0, iommu_dma_reserve_regions(&identity,
							   priv->devs[0].dev));
	KUNIT_EXPECT_EQ(test, 0,
			iommu_setup_dma_ops(priv->devs[0].dev, &identity));
	KUNIT_EXPECT_FALSE(test, priv->devs[0].dev->dma_iommu);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			iommu_dma_keep_msi(&identity, TEST_WINDOW,
					   doorbell(0) - TEST_OFFSET));
}

/* What is full below a low limit, for a device with few address bits, is not below 4 GiB */
static void resv_test_low_limit(struct kunit *test)
{
	struct iova_domain iovad = {};

	KUNIT_ASSERT_EQ(test, 0, iova_cache_get());
	init_iova_domain(&iovad, SZ_4K, 1);
	KUNIT_EXPECT_NOT_NULL(test, reserve_iova(&iovad, 0, SZ_16M / SZ_4K - 1));
	KUNIT_EXPECT_NULL(test, alloc_iova(&iovad, 1, SZ_16M / SZ_4K - 1, true));

	KUNIT_EXPECT_NOT_NULL(test, alloc_iova(&iovad, 1, SZ_32M / SZ_4K - 1, true));
	KUNIT_EXPECT_NOT_NULL(test, alloc_iova(&iovad, 1, DMA_BIT_MASK(32) / SZ_4K,
					       true));

	KUNIT_EXPECT_NULL(test, alloc_iova(&iovad, 1, SZ_16M / SZ_4K - 1, true));
	put_iova_domain(&iovad);
	iova_cache_put();
}

static struct kunit_case resv_test_cases[] = {
	KUNIT_CASE(resv_test_every_device),
	KUNIT_CASE(resv_test_late),
	KUNIT_CASE(resv_test_no_bytes),
	KUNIT_CASE(resv_test_too_late),
	KUNIT_CASE(resv_test_cached),
#ifdef CONFIG_FAILSLAB
	KUNIT_CASE(resv_test_no_memory),
#endif
	KUNIT_CASE(resv_test_hw_msi),
	KUNIT_CASE(resv_test_window),
	KUNIT_CASE(resv_test_keep),
	KUNIT_CASE(resv_test_wraparound),
	KUNIT_CASE(resv_test_no_dma_domain),
	KUNIT_CASE(resv_test_low_limit),
	{}
};

static struct kunit_suite resv_test_suite = {
	.name = "iommu-dma-resv",
	.init = resv_test_init,
	.exit = resv_test_exit,
	.test_cases = resv_test_cases,
};

kunit_test_suites(&cookie_test_suite, &resv_test_suite);
