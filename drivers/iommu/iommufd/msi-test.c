// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the MSI table alone, included by msi.c
 *
 * A HWPT is a fake paging domain that stores what is mapped in an xarray. A
 * group is a bare struct iommufd_msi_group. The tests do what the IOMMU core
 * does (prepare, unprepare) and what iommufd does (attach, replace, detach) and
 * look at what the domains hold.
 */
#include <kunit/test.h>
#include <linux/sizes.h>

#define TEST_WINDOW	0x8000000UL
#define TEST_SLOTS	4UL
#define TEST_DOORBELL	0x40000000ULL
#define TEST_PROT	(IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO)
#define TEST_NUM_HWPTS	3
#define TEST_NUM_GROUPS	3

struct test_hwpt {
	struct iommufd_hwpt_paging hwpt;
	struct iommu_domain domain;
	/* IOVA in pages -> doorbell in pages, as a value entry */
	struct xarray ptes;
	unsigned int num_ptes;
	/* Calls of unmap_pages and of iotlb_sync */
	unsigned int num_unmaps;
	unsigned int num_flushes;
};

struct msi_test {
	struct iommufd_msi_table table;
	struct iommufd_ioas ioas[2];
	struct test_hwpt hwpts[TEST_NUM_HWPTS];
	struct iommufd_msi_group groups[TEST_NUM_GROUPS];
	/* The allocation to fail, counted from 1, 0 is none */
	unsigned int fail_at;
	/* The mapping to fail, counted from 1, 0 is none */
	unsigned int fail_map_at;
};

static int test_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct test_hwpt *h = container_of(domain, struct test_hwpt, domain);
	struct kunit *test = kunit_get_current_test();
	struct msi_test *priv = test->priv;

	if (priv->fail_map_at && !--priv->fail_map_at)
		return -ENOMEM;

	KUNIT_EXPECT_EQ(test, prot, TEST_PROT);
	KUNIT_EXPECT_EQ(test, pgsize, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pgcount, 1);
	KUNIT_EXPECT_EQ(test, paddr & ~PAGE_MASK, 0);
	KUNIT_EXPECT_EQ(test, 0,
			xa_insert(&h->ptes, iova / PAGE_SIZE,
				  xa_mk_value(paddr / PAGE_SIZE), GFP_KERNEL));
	h->num_ptes++;
	*mapped = pgsize;
	return 0;
}

static size_t test_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	struct test_hwpt *h = container_of(domain, struct test_hwpt, domain);
	struct kunit *test = kunit_get_current_test();
	size_t i;

	KUNIT_EXPECT_EQ(test, pgsize, PAGE_SIZE);
	for (i = 0; i < pgcount; i++)
		KUNIT_EXPECT_NOT_NULL(test, xa_erase(&h->ptes,
						     iova / PAGE_SIZE + i));
	h->num_ptes -= pgcount;
	h->num_unmaps++;
	iommu_iotlb_gather_add_page(domain, gather, iova, pgcount * pgsize);
	return pgcount * pgsize;
}

static void test_iotlb_sync(struct iommu_domain *domain,
			    struct iommu_iotlb_gather *gather)
{
	struct test_hwpt *h = container_of(domain, struct test_hwpt, domain);

	h->num_flushes++;
}

static const struct iommu_domain_ops test_domain_ops = {
	.map_pages = test_map_pages,
	.unmap_pages = test_unmap_pages,
	.iotlb_sync = test_iotlb_sync,
};

static bool test_should_fail(void)
{
	struct msi_test *priv = kunit_get_current_test()->priv;

	return priv->fail_at && !--priv->fail_at;
}

static unsigned long window_last(unsigned long start)
{
	return start + TEST_SLOTS * PAGE_SIZE - 1;
}

static void set_window(struct kunit *test, struct iommufd_msi_group *mg,
		       unsigned long start)
{
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_group_set_window(mg, start,
							      window_last(start)));
}

static phys_addr_t doorbell(unsigned int n)
{
	/* Not page aligned: a doorbell is a register inside of a page */
	return TEST_DOORBELL + n * PAGE_SIZE + 0x40;
}

static int prepare(struct iommufd_msi_group *mg, unsigned int n,
		   dma_addr_t *iova)
{
	return mg->owner.ops->prepare(&mg->owner, doorbell(n), iova);
}

static void unprepare(struct iommufd_msi_group *mg, dma_addr_t iova)
{
	mg->owner.ops->unprepare(&mg->owner, iova);
}

static dma_addr_t must_prepare(struct kunit *test,
			       struct iommufd_msi_group *mg, unsigned int n)
{
	dma_addr_t iova = IOMMU_MSI_UNTRANSLATED;

	KUNIT_ASSERT_EQ(test, prepare(mg, n, &iova), 0);
	return iova;
}

static void expect_pte(struct kunit *test, struct test_hwpt *h,
		       dma_addr_t iova, unsigned int n)
{
	KUNIT_EXPECT_PTR_EQ(test, xa_load(&h->ptes, iova / PAGE_SIZE),
			    xa_mk_value(doorbell(n) / PAGE_SIZE));
}

/* Doorbells first to first + count - 1, in order, from slot 0 */
static void prepare_range(struct kunit *test, struct iommufd_msi_group *mg,
			  unsigned int first, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		KUNIT_EXPECT_EQ(test, must_prepare(test, mg, first + i),
				TEST_WINDOW + i * PAGE_SIZE);
}

static int msi_test_init(struct kunit *test)
{
	struct msi_test *priv;
	unsigned int i;

	priv = kunit_kzalloc(test, sizeof(*priv), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, priv);
	test->priv = priv;
	iommufd_msi_table_init(&priv->table);
	for (i = 0; i < TEST_NUM_HWPTS; i++) {
		struct test_hwpt *h = &priv->hwpts[i];

		xa_init(&h->ptes);
		h->domain.type = IOMMU_DOMAIN_UNMANAGED;
		h->domain.ops = &test_domain_ops;
		h->domain.pgsize_bitmap = PAGE_SIZE;
		h->domain.geometry.aperture_end = ULONG_MAX;
		h->hwpt.common.obj.id = i + 1;
		h->hwpt.common.domain = &h->domain;
		h->hwpt.ioas = &priv->ioas[0];
		iommufd_msi_hwpt_init(&h->hwpt.msi, &priv->table);
	}
	for (i = 0; i < TEST_NUM_GROUPS; i++)
		iommufd_msi_group_init(&priv->groups[i], &priv->table, i);
	for (i = 0; i < TEST_NUM_GROUPS; i++)
		set_window(test, &priv->groups[i], TEST_WINDOW);
	kunit_activate_static_stub(test, msi_should_fail, test_should_fail);
	return 0;
}

static void msi_test_exit(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	unsigned int i;

	for (i = 0; i < TEST_NUM_GROUPS; i++) {
		if (priv->groups[i].next)
			iommufd_msi_swap_abort(&priv->groups[i]);
		if (priv->groups[i].hwpt)
			iommufd_msi_detach(&priv->groups[i]);
		iommufd_msi_group_destroy(&priv->groups[i]);
	}
	KUNIT_EXPECT_TRUE(test, list_empty(&priv->table.windows));
	for (i = 0; i < TEST_NUM_HWPTS; i++) {
		iommufd_msi_hwpt_destroy(&priv->hwpts[i].hwpt.msi);
		KUNIT_EXPECT_EQ(test, priv->hwpts[i].num_ptes, 0);
		xa_destroy(&priv->hwpts[i].ptes);
	}
	iommufd_msi_table_destroy(&priv->table);
}

/* One IOVA in every domain, from the first set-up on, attached or not */
static void msi_test_stable_iova(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = &priv->groups[0];
	struct test_hwpt *a = &priv->hwpts[0];
	struct test_hwpt *b = &priv->hwpts[1];
	dma_addr_t iova;

	iova = must_prepare(test, mg, 0);
	KUNIT_EXPECT_EQ(test, iova, TEST_WINDOW);
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(mg, &a->hwpt));
	expect_pte(test, a, iova, 0);

	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_swap_begin(mg, &b->hwpt));
	expect_pte(test, a, iova, 0);
	expect_pte(test, b, iova, 0);
	iommufd_msi_swap_commit(mg);
	KUNIT_EXPECT_EQ(test, a->num_ptes, 0);
	expect_pte(test, b, iova, 0);

	KUNIT_EXPECT_EQ(test, must_prepare(test, mg, 0), iova);
	iommufd_msi_detach(mg);
	KUNIT_EXPECT_EQ(test, b->num_ptes, 0);
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(mg, &a->hwpt));
	expect_pte(test, a, iova, 0);
}

/* What is set up in the middle of a replace is on both sides of it */
static void msi_test_prepare_in_swap(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = &priv->groups[0];
	struct test_hwpt *a = &priv->hwpts[0];
	struct test_hwpt *b = &priv->hwpts[1];
	dma_addr_t iova[2];

	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(mg, &a->hwpt));
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_swap_begin(mg, &b->hwpt));
	iova[0] = must_prepare(test, mg, 0);
	iova[1] = must_prepare(test, mg, 1);
	expect_pte(test, a, iova[0], 0);
	expect_pte(test, b, iova[0], 0);

	/* And what ends there is on neither side */
	unprepare(mg, iova[0]);
	KUNIT_EXPECT_EQ(test, a->num_ptes, 1);
	KUNIT_EXPECT_EQ(test, b->num_ptes, 1);

	/* As if it had not been tried */
	iommufd_msi_swap_abort(mg);
	expect_pte(test, a, iova[1], 1);
	KUNIT_EXPECT_EQ(test, b->num_ptes, 0);
}

/* A replace between two nested HWPTs of one parent leaves the parent alone */
static void msi_test_swap_same_parent(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = &priv->groups[0];
	struct test_hwpt *a = &priv->hwpts[0];
	dma_addr_t iova;

	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(mg, &a->hwpt));
	iova = must_prepare(test, mg, 0);
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_swap_begin(mg, &a->hwpt));
	must_prepare(test, mg, 1);
	iommufd_msi_swap_commit(mg);
	expect_pte(test, a, iova, 0);
	expect_pte(test, a, iova + PAGE_SIZE, 1);
	unprepare(mg, iova);
	unprepare(mg, iova + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, a->num_ptes, 0);
}

/* A page lives as long as a group needs it, then its slot is free */
static void msi_test_slot_reuse(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = priv->groups;
	struct test_hwpt *a = &priv->hwpts[0];
	dma_addr_t iova;

	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&mg[0], &a->hwpt));
	iova = must_prepare(test, &mg[0], 0);
	KUNIT_EXPECT_EQ(test, must_prepare(test, &mg[0], 0), iova);
	KUNIT_EXPECT_EQ(test, must_prepare(test, &mg[1], 0), iova);
	KUNIT_EXPECT_EQ(test, must_prepare(test, &mg[1], 1), iova + PAGE_SIZE);

	/* Two interrupts of one group count twice */
	unprepare(&mg[0], iova);
	expect_pte(test, a, iova, 0);
	unprepare(&mg[0], iova);
	KUNIT_EXPECT_EQ(test, a->num_ptes, 0);

	/* The other group keeps the slot, though it is attached nowhere */
	KUNIT_EXPECT_EQ(test, must_prepare(test, &mg[0], 2),
			iova + 2 * PAGE_SIZE);
	unprepare(&mg[1], iova);
	KUNIT_EXPECT_EQ(test, must_prepare(test, &mg[0], 3), iova);
	expect_pte(test, a, iova, 3);
}

/* A HWPT holds the union of what its groups need, nothing else */
static void msi_test_union(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = priv->groups;
	struct test_hwpt *a = &priv->hwpts[0];
	struct test_hwpt *b = &priv->hwpts[1];
	dma_addr_t iova[3];

	iova[0] = must_prepare(test, &mg[0], 0);
	iova[1] = must_prepare(test, &mg[0], 1);
	must_prepare(test, &mg[1], 1);
	iova[2] = must_prepare(test, &mg[1], 2);
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&mg[0], &a->hwpt));
	KUNIT_EXPECT_EQ(test, a->num_ptes, 2);
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&mg[1], &a->hwpt));
	KUNIT_EXPECT_EQ(test, a->num_ptes, 3);

	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_swap_begin(&mg[0], &b->hwpt));
	iommufd_msi_swap_commit(&mg[0]);
	KUNIT_EXPECT_EQ(test, a->num_ptes, 2);
	KUNIT_EXPECT_EQ(test, b->num_ptes, 2);
	expect_pte(test, a, iova[1], 1);
	expect_pte(test, a, iova[2], 2);
	expect_pte(test, b, iova[0], 0);
	expect_pte(test, b, iova[1], 1);
}

/* The window is a bound */
static void msi_test_full_window(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = &priv->groups[0];
	struct test_hwpt *a = &priv->hwpts[0];
	dma_addr_t iova;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(mg, &a->hwpt));
	prepare_range(test, mg, 0, TEST_SLOTS);
	KUNIT_EXPECT_EQ(test, prepare(mg, TEST_SLOTS, &iova), -ENOSPC);
	KUNIT_EXPECT_EQ(test, prepare(&priv->groups[1], TEST_SLOTS, &iova),
			-ENOSPC);

	/* The others are not harmed, and a known doorbell needs no slot */
	KUNIT_EXPECT_EQ(test, a->num_ptes, TEST_SLOTS);
	for (i = 0; i < TEST_SLOTS; i++)
		expect_pte(test, a, TEST_WINDOW + i * PAGE_SIZE, i);
	KUNIT_EXPECT_EQ(test, prepare(&priv->groups[1], 0, &iova), 0);

	unprepare(mg, TEST_WINDOW + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, must_prepare(test, mg, TEST_SLOTS),
			TEST_WINDOW + PAGE_SIZE);
}

/* Slots are whole pages inside of the window, whatever its ends are */
static void msi_test_odd_windows(struct kunit *test)
{
	static const struct {
		unsigned long start;
		unsigned long last;
		unsigned long slots;
	} cases[] = {
		{ TEST_WINDOW, TEST_WINDOW + PAGE_SIZE - 1, 1 },
		{ TEST_WINDOW, TEST_WINDOW + PAGE_SIZE - 2, 0 },
		{ TEST_WINDOW + 1, TEST_WINDOW + PAGE_SIZE, 0 },
		{ TEST_WINDOW + 1, TEST_WINDOW + 2 * PAGE_SIZE - 1, 1 },
		{ TEST_WINDOW - 1, TEST_WINDOW + PAGE_SIZE, 1 },
		{ ULONG_MAX - PAGE_SIZE + 1, ULONG_MAX, 1 },
		{ ULONG_MAX - 1, ULONG_MAX, 0 },
		{ 0, 3 * PAGE_SIZE - 1, 3 },
	};
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = &priv->groups[0];
	dma_addr_t iova, last;
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		KUNIT_ASSERT_EQ(test, 0,
				iommufd_msi_group_set_window(mg, cases[i].start,
							     cases[i].last));
		for (n = 0; n < cases[i].slots; n++) {
			iova = must_prepare(test, mg, n);
			last = iova + PAGE_SIZE - 1;
			KUNIT_EXPECT_GE(test, iova, cases[i].start);
			KUNIT_EXPECT_LE(test, last, cases[i].last);
		}
		KUNIT_EXPECT_EQ_MSG(test, prepare(mg, n, &iova), -ENOSPC,
				    "case %u", i);
		while (n--)
			unprepare(mg, ALIGN(cases[i].start, PAGE_SIZE) +
					      n * PAGE_SIZE);
	}
}

/* Windows are independent, unless they overlap and are in one IOAS */
static void msi_test_two_windows(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = priv->groups;
	struct test_hwpt *h = priv->hwpts;
	unsigned long far = 2 * TEST_WINDOW;
	unsigned long near = TEST_WINDOW + PAGE_SIZE;

	set_window(test, &mg[1], far);
	set_window(test, &mg[2], near);
	KUNIT_EXPECT_EQ(test, must_prepare(test, &mg[0], 0), TEST_WINDOW);
	KUNIT_EXPECT_EQ(test, must_prepare(test, &mg[1], 0), far);
	KUNIT_EXPECT_EQ(test, must_prepare(test, &mg[2], 1), near);

	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&mg[0], &h[0].hwpt));
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&mg[1], &h[0].hwpt));
	expect_pte(test, &h[0], TEST_WINDOW, 0);
	expect_pte(test, &h[0], far, 0);

	KUNIT_EXPECT_EQ(test, -EADDRINUSE,
			iommufd_msi_attach(&mg[2], &h[1].hwpt));
	KUNIT_EXPECT_EQ(test, h[1].num_ptes, 0);
	h[1].hwpt.ioas = &priv->ioas[1];
	KUNIT_EXPECT_EQ(test, 0, iommufd_msi_attach(&mg[2], &h[1].hwpt));
	KUNIT_EXPECT_EQ(test, -EADDRINUSE,
			iommufd_msi_swap_begin(&mg[2], &h[0].hwpt));
	expect_pte(test, &h[1], near, 1);
}

/* A replace that has begun counts: two windows that overlap meet in no IOAS */
static void msi_test_two_swaps(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = priv->groups;
	struct test_hwpt *h = priv->hwpts;
	unsigned long start = 0, last;

	set_window(test, &mg[1], TEST_WINDOW + PAGE_SIZE);
	h[1].hwpt.ioas = &priv->ioas[1];
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&mg[1], &h[1].hwpt));
	KUNIT_EXPECT_TRUE(test, iommufd_msi_group_conflict(&mg[0],
							   &priv->ioas[1],
							   &start, &last));
	KUNIT_EXPECT_EQ(test, start, TEST_WINDOW + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, last, window_last(TEST_WINDOW));
	start = last + 1;
	KUNIT_EXPECT_FALSE(test, iommufd_msi_group_conflict(&mg[0],
							    &priv->ioas[1],
							    &start, &last));

	/* Neither group needs a page so far, one could at any time */
	start = 0;
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_swap_begin(&mg[0], &h[0].hwpt));
	KUNIT_EXPECT_TRUE(test, iommufd_msi_group_conflict(&mg[1],
							   &priv->ioas[0],
							   &start, &last));
	KUNIT_EXPECT_EQ(test, start, TEST_WINDOW + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, last, window_last(TEST_WINDOW));
	KUNIT_EXPECT_EQ(test, -EADDRINUSE,
			iommufd_msi_swap_begin(&mg[1], &h[2].hwpt));
	iommufd_msi_swap_abort(&mg[0]);
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_swap_begin(&mg[1], &h[2].hwpt));
	KUNIT_EXPECT_EQ(test, -EADDRINUSE,
			iommufd_msi_swap_begin(&mg[0], &h[0].hwpt));
	iommufd_msi_swap_commit(&mg[1]);
	KUNIT_EXPECT_EQ(test, -EADDRINUSE,
			iommufd_msi_swap_begin(&mg[0], &h[0].hwpt));
	h[0].hwpt.ioas = &priv->ioas[1];
	KUNIT_EXPECT_EQ(test, 0, iommufd_msi_swap_begin(&mg[0], &h[0].hwpt));
}

/* Pages that go at once go under one flush, and neighbours in one unmap */
static void msi_test_one_flush(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = priv->groups;
	struct test_hwpt *a = &priv->hwpts[0];
	struct test_hwpt *b = &priv->hwpts[1];

	prepare_range(test, &mg[0], 0, TEST_SLOTS);
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&mg[0], &a->hwpt));
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_swap_begin(&mg[0], &b->hwpt));
	iommufd_msi_swap_commit(&mg[0]);
	KUNIT_EXPECT_EQ(test, a->num_ptes, 0);
	KUNIT_EXPECT_EQ(test, a->num_unmaps, 1);
	KUNIT_EXPECT_EQ(test, a->num_flushes, 1);

	/* What another group holds in the middle stays, around it is a hole */
	must_prepare(test, &mg[1], 1);
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&mg[1], &b->hwpt));
	iommufd_msi_detach(&mg[0]);
	KUNIT_EXPECT_EQ(test, b->num_ptes, 1);
	expect_pte(test, b, TEST_WINDOW + PAGE_SIZE, 1);
	KUNIT_EXPECT_EQ(test, b->num_unmaps, 2);

	/* Nothing to unmap, nothing to flush */
	iommufd_msi_detach(&mg[1]);
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&mg[2], &a->hwpt));
	iommufd_msi_detach(&mg[2]);
	KUNIT_EXPECT_EQ(test, a->num_flushes, 1);
}

/* A replace between two HWPTs that have been used before allocates nothing */
static void msi_test_no_allocation(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = priv->groups;
	struct test_hwpt *h = priv->hwpts;
	unsigned int i;
	int rc;

	prepare_range(test, &mg[0], 0, TEST_SLOTS);
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&mg[0], &h[0].hwpt));
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_swap_begin(&mg[0], &h[1].hwpt));
	iommufd_msi_swap_commit(&mg[0]);

	priv->fail_at = 1;
	for (i = 0; i < 4; i++) {
		rc = iommufd_msi_swap_begin(&mg[0], &h[i % 2].hwpt);
		KUNIT_EXPECT_EQ(test, rc, 0);
		iommufd_msi_swap_commit(&mg[0]);
	}
	iommufd_msi_detach(&mg[0]);
	KUNIT_EXPECT_EQ(test, 0, iommufd_msi_attach(&mg[1], &h[0].hwpt));
	KUNIT_EXPECT_EQ(test, priv->fail_at, 1);
	priv->fail_at = 0;

	/* What is kept for an empty HWPT claims no IOAS and goes with the HWPT */
	iommufd_msi_detach(&mg[1]);
	set_window(test, &mg[2], TEST_WINDOW + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0, iommufd_msi_attach(&mg[2], &h[2].hwpt));
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_FALSE(test, list_empty(&h[i].hwpt.msi.holds));
		iommufd_msi_hwpt_destroy(&h[i].hwpt.msi);
		KUNIT_EXPECT_TRUE(test, list_empty(&h[i].hwpt.msi.holds));
	}
	KUNIT_EXPECT_TRUE(test, list_empty(&mg[0].window->holds));
}

/* The window stays where it is while it is in use */
static void msi_test_window_busy(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = &priv->groups[0];
	unsigned long start, last;
	dma_addr_t iova;

	iova = must_prepare(test, mg, 0);
	KUNIT_EXPECT_EQ(test, -EBUSY,
			iommufd_msi_group_set_window(mg, 0, SZ_1M - 1));
	unprepare(mg, iova);
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(mg, &priv->hwpts[0].hwpt));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			iommufd_msi_group_set_window(mg, 0, SZ_1M - 1));
	iommufd_msi_detach(mg);
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_msi_group_set_window(mg, SZ_2M, SZ_4M - 1));
	KUNIT_EXPECT_TRUE(test, iommufd_msi_group_window(mg, &start, &last));
	KUNIT_EXPECT_EQ(test, start, SZ_2M);
	KUNIT_EXPECT_EQ(test, last, SZ_4M - 1);
}

/* A window can go away altogether, and doorbells are not translated then */
static void msi_test_window_gone(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = &priv->groups[0];
	unsigned long start, last;
	dma_addr_t iova;

	iova = must_prepare(test, mg, 0);
	KUNIT_EXPECT_EQ(test, -EBUSY, iommufd_msi_group_clear_window(mg));
	unprepare(mg, iova);
	KUNIT_EXPECT_EQ(test, 0, iommufd_msi_group_clear_window(mg));
	KUNIT_EXPECT_FALSE(test, iommufd_msi_group_window(mg, &start, &last));
	KUNIT_EXPECT_EQ(test, must_prepare(test, mg, 0),
			IOMMU_MSI_UNTRANSLATED);
	KUNIT_EXPECT_EQ(test, 0,
			iommufd_msi_group_set_window(mg, SZ_2M, SZ_4M - 1));
	KUNIT_EXPECT_TRUE(test, iommufd_msi_group_window(mg, &start, &last));
}

/* A domain that cannot hold the window is refused at attach */
static void msi_test_does_not_fit(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = &priv->groups[0];
	struct test_hwpt *a = &priv->hwpts[0];

	a->domain.geometry.aperture_end = window_last(TEST_WINDOW) - 1;
	KUNIT_EXPECT_EQ(test, -EADDRNOTAVAIL, iommufd_msi_attach(mg, &a->hwpt));
	a->domain.geometry.aperture_end = window_last(TEST_WINDOW);
	a->domain.geometry.aperture_start = TEST_WINDOW + 1;
	KUNIT_EXPECT_EQ(test, -EADDRNOTAVAIL, iommufd_msi_attach(mg, &a->hwpt));
	a->domain.geometry.aperture_start = TEST_WINDOW;
	a->domain.pgsize_bitmap = 2 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, -EADDRNOTAVAIL, iommufd_msi_attach(mg, &a->hwpt));
	KUNIT_EXPECT_NULL(test, mg->hwpt);
	a->domain.pgsize_bitmap = PAGE_SIZE | 512 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, 0, iommufd_msi_attach(mg, &a->hwpt));
}

/* A group without a window is left alone */
static void msi_test_no_window(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group mg = {};
	unsigned long start, last;

	iommufd_msi_group_init(&mg, &priv->table, 0);
	KUNIT_EXPECT_FALSE(test, iommufd_msi_group_window(&mg, &start, &last));
	KUNIT_EXPECT_EQ(test, must_prepare(test, &mg, 0),
			IOMMU_MSI_UNTRANSLATED);
	KUNIT_EXPECT_EQ(test, 0, iommufd_msi_attach(&mg, &priv->hwpts[0].hwpt));
	KUNIT_EXPECT_EQ(test, priv->hwpts[0].num_ptes, 0);
	iommufd_msi_detach(&mg);
	iommufd_msi_group_destroy(&mg);
}

/* What is still set up when the group ends does not outlive it */
static void msi_test_group_ends_first(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = priv->groups;

	KUNIT_ASSERT_EQ(test, 0,
			iommufd_msi_attach(&mg[0], &priv->hwpts[0].hwpt));
	must_prepare(test, &mg[0], 0);
	must_prepare(test, &mg[0], 1);
	must_prepare(test, &mg[1], 1);
	iommufd_msi_detach(&mg[0]);
	iommufd_msi_group_destroy(&mg[0]);

	/* Slot 0 is free again, slot 1 is still in use */
	KUNIT_EXPECT_EQ(test, must_prepare(test, &mg[1], 2), TEST_WINDOW);
	KUNIT_EXPECT_EQ(test, must_prepare(test, &mg[1], 1),
			TEST_WINDOW + PAGE_SIZE);

	iommufd_msi_group_init(&mg[0], &priv->table, 0);
}

/*
 * Fail each allocation and each mapping of @op in turn. Each time @op must fail
 * and leave the table as it was, which @check tells, up to when it succeeds.
 */
static void fail_each(struct kunit *test, unsigned int *fail_at,
		      int (*op)(struct msi_test *priv),
		      void (*check)(struct kunit *test))
{
	struct msi_test *priv = test->priv;
	unsigned int n;
	int rc;

	for (n = 1; n < 100; n++) {
		*fail_at = n;
		rc = op(priv);
		if (*fail_at) {
			*fail_at = 0;
			KUNIT_EXPECT_EQ(test, rc, 0);
			KUNIT_EXPECT_GT_MSG(test, n, 1, "nothing to fail");
			return;
		}
		KUNIT_EXPECT_EQ_MSG(test, rc, -ENOMEM, "step %u", n);
		check(test);
	}
	KUNIT_FAIL(test, "does not end");
}

static int fail_op_prepare(struct msi_test *priv)
{
	dma_addr_t iova;

	return prepare(&priv->groups[0], 1, &iova);
}

static int fail_op_swap(struct msi_test *priv)
{
	return iommufd_msi_swap_begin(&priv->groups[0], &priv->hwpts[1].hwpt);
}

static int fail_op_window(struct msi_test *priv)
{
	return iommufd_msi_group_set_window(&priv->groups[2], SZ_4M,
					    SZ_8M - 1);
}

/* One page, doorbell 0, in the first HWPT and nothing anywhere else */
static void fail_check(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_window *window = priv->groups[0].window;

	KUNIT_EXPECT_EQ(test, priv->hwpts[0].num_ptes, 1);
	KUNIT_EXPECT_EQ(test, priv->hwpts[1].num_ptes, 0);
	expect_pte(test, &priv->hwpts[0], TEST_WINDOW, 0);
	KUNIT_EXPECT_NOT_NULL(test, window->slots[0]);
	KUNIT_EXPECT_NULL(test, window->slots[1]);
	KUNIT_EXPECT_EQ(test, count_read(&priv->groups[0].needs, 0), 1);
	KUNIT_EXPECT_EQ(test, count_read(&priv->groups[0].needs, 1), 0);
	KUNIT_EXPECT_TRUE(test, list_is_singular(&priv->table.windows));
}

/* Allocation failure at each step */
static void msi_test_alloc_failure(struct kunit *test)
{
	struct msi_test *priv = test->priv;

	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&priv->groups[0],
						    &priv->hwpts[0].hwpt));
	must_prepare(test, &priv->groups[0], 0);
	fail_each(test, &priv->fail_at, fail_op_window, fail_check);
	set_window(test, &priv->groups[2], TEST_WINDOW);
	fail_each(test, &priv->fail_at, fail_op_swap, fail_check);
	iommufd_msi_swap_abort(&priv->groups[0]);
	fail_each(test, &priv->fail_at, fail_op_prepare, fail_check);
	KUNIT_EXPECT_EQ(test, priv->hwpts[0].num_ptes, 2);
}

#define TEST_MANY 70

static int fail_op_prepare_many(struct msi_test *priv)
{
	struct iommufd_msi_group *mg = &priv->groups[0];
	dma_addr_t iova[TEST_MANY];
	unsigned int n;
	int rc = 0;

	for (n = 0; n < TEST_MANY && !rc; n++)
		rc = prepare(mg, n, &iova[n]);
	if (rc)
		for (n--; n--;)
			unprepare(mg, iova[n]);
	return rc;
}

static void fail_check_none(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_window *window = priv->groups[0].window;
	unsigned int i;

	for (i = 0; i < TEST_NUM_HWPTS; i++)
		KUNIT_EXPECT_EQ(test, priv->hwpts[i].num_ptes, 0);
	KUNIT_EXPECT_EQ(test, priv->groups[0].needs.used, 0);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&window->doorbells));
}

static void fail_check_many(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	unsigned int n;

	KUNIT_EXPECT_EQ(test, priv->hwpts[0].num_ptes, TEST_MANY);
	KUNIT_EXPECT_EQ(test, priv->hwpts[1].num_ptes, 0);
	for (n = 0; n < TEST_MANY; n++)
		expect_pte(test, &priv->hwpts[0], TEST_WINDOW + n * PAGE_SIZE,
			   n);
}

/* Counts grow with the slots, and allocations fail in all of it */
static void msi_test_many_doorbells(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = &priv->groups[0];
	unsigned int n;

	KUNIT_ASSERT_EQ(test, 0,
			iommufd_msi_group_set_window(mg, TEST_WINDOW,
						     TEST_WINDOW + SZ_32M - 1));
	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(mg, &priv->hwpts[0].hwpt));
	fail_each(test, &priv->fail_at, fail_op_prepare_many, fail_check_none);
	fail_check_many(test);
	fail_each(test, &priv->fail_at, fail_op_swap, fail_check_many);
	iommufd_msi_swap_commit(mg);
	KUNIT_EXPECT_EQ(test, priv->hwpts[0].num_ptes, 0);
	KUNIT_EXPECT_EQ(test, priv->hwpts[1].num_ptes, TEST_MANY);
	for (n = 0; n < TEST_MANY; n++)
		unprepare(mg, TEST_WINDOW + n * PAGE_SIZE);
	fail_check_none(test);
}

/* The page table refuses, in the middle of a replace too */
static void msi_test_map_failure(struct kunit *test)
{
	struct msi_test *priv = test->priv;

	KUNIT_ASSERT_EQ(test, 0, iommufd_msi_attach(&priv->groups[0],
						    &priv->hwpts[0].hwpt));
	must_prepare(test, &priv->groups[0], 0);
	fail_each(test, &priv->fail_map_at, fail_op_swap, fail_check);
	unprepare(&priv->groups[0], TEST_WINDOW);
	must_prepare(test, &priv->groups[0], 2);
	must_prepare(test, &priv->groups[0], 0);
	unprepare(&priv->groups[0], TEST_WINDOW);
	iommufd_msi_swap_abort(&priv->groups[0]);
	must_prepare(test, &priv->groups[0], 3);

	/* The second page of two fails: the first must go again */
	priv->fail_map_at = 2;
	KUNIT_EXPECT_EQ(test, fail_op_swap(priv), -ENOMEM);
	KUNIT_EXPECT_EQ(test, priv->hwpts[1].num_ptes, 0);
	KUNIT_EXPECT_EQ(test, priv->hwpts[0].num_ptes, 2);

	/* In a replace: the first HWPT maps, the second refuses */
	KUNIT_ASSERT_EQ(test, fail_op_swap(priv), 0);
	priv->fail_map_at = 2;
	KUNIT_EXPECT_EQ(test, fail_op_prepare(priv), -ENOMEM);
	KUNIT_EXPECT_EQ(test, priv->hwpts[0].num_ptes, 2);
	KUNIT_EXPECT_EQ(test, priv->hwpts[1].num_ptes, 2);
	iommufd_msi_swap_commit(&priv->groups[0]);
}

static void count_page(void *data, dma_addr_t iova, phys_addr_t doorbell)
{
	(*(unsigned int *)data)++;
}

/* Interrupts outlive the ownership: they are told once, and need nothing here */
static void msi_test_ownership_ends(struct kunit *test)
{
	struct msi_test *priv = test->priv;
	struct iommufd_msi_group *mg = &priv->groups[0];
	struct iommu_msi_owner *owner = &mg->owner;
	unsigned int pages = 0;

	must_prepare(test, mg, 0);
	must_prepare(test, mg, 0);
	must_prepare(test, mg, 1);
	must_prepare(test, &priv->groups[1], 1);
	owner->ops->tell_pages(owner, count_page, &pages);
	KUNIT_EXPECT_EQ(test, pages, 2);
	KUNIT_EXPECT_EQ(test, count_read(&mg->needs, 0), 0);
	KUNIT_EXPECT_EQ(test, count_read(&mg->needs, 1), 0);
	KUNIT_EXPECT_NULL(test, mg->window->slots[0]);
	/* Of the other group */
	KUNIT_EXPECT_NOT_NULL(test, mg->window->slots[1]);
	owner->ops->tell_pages(owner, count_page, &pages);
	KUNIT_EXPECT_EQ(test, pages, 2);
	KUNIT_EXPECT_EQ(test, must_prepare(test, mg, 2), TEST_WINDOW);
}

static struct kunit_case msi_test_cases[] = {
	KUNIT_CASE(msi_test_stable_iova),
	KUNIT_CASE(msi_test_prepare_in_swap),
	KUNIT_CASE(msi_test_swap_same_parent),
	KUNIT_CASE(msi_test_slot_reuse),
	KUNIT_CASE(msi_test_union),
	KUNIT_CASE(msi_test_full_window),
	KUNIT_CASE(msi_test_odd_windows),
	KUNIT_CASE(msi_test_two_windows),
	KUNIT_CASE(msi_test_two_swaps),
	KUNIT_CASE(msi_test_one_flush),
	KUNIT_CASE(msi_test_no_allocation),
	KUNIT_CASE(msi_test_window_busy),
	KUNIT_CASE(msi_test_window_gone),
	KUNIT_CASE(msi_test_does_not_fit),
	KUNIT_CASE(msi_test_no_window),
	KUNIT_CASE(msi_test_group_ends_first),
	KUNIT_CASE(msi_test_alloc_failure),
	KUNIT_CASE(msi_test_many_doorbells),
	KUNIT_CASE(msi_test_map_failure),
	KUNIT_CASE(msi_test_ownership_ends),
	{}
};

static struct kunit_suite msi_test_suite = {
	.name = "iommufd-msi",
	.init = msi_test_init,
	.exit = msi_test_exit,
	.test_cases = msi_test_cases,
};

kunit_test_suite(msi_test_suite);
