// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the wraparound policy for IOVAs
 *
 * The spaces of the tests are small: zones of some leaves instead of 4 GiB and
 * more. A model knows the state of each page, and says by looking at one page
 * after the other what an allocation must return. The IOTLB is a model as well:
 * a page that was given out is in it until it is flushed, and must not be when it
 * is given out again.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "iommu-pages.h"
#include "iova-wrap.h"

#define START		5UL
#define SPLIT		(2 * WRAP_LEAF_PAGES)
#define SPAN		(1 * WRAP_LEAF_PAGES)
#define END		(6 * WRAP_LEAF_PAGES)
#define LOW_PAGES	(SPLIT - START)
#define NO_LIMIT	(END - 1)
/* As the flush queue, in ticks of the test's own clock */
#define PERIOD		10

static unsigned int steps = 50000;
module_param(steps, uint, 0444);
MODULE_PARM_DESC(steps, "random operations of each test that does some");

static unsigned int seed = 1;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "of the first of these tests, the second takes the next");

enum page_state {
	PAGE_IS_FREE,
	PAGE_IS_BUSY,
	PAGE_IS_FREED,
	PAGE_IS_RESV,
};

struct wrap_test {
	struct iova_space space;
	/* The model: what each page is, and where the searches begin */
	u8 state[END];
	unsigned long cursor[WRAP_NUM_ZONES];
	unsigned long span_last;
	/* Pages that the IOTLB holds, and when they were unmapped, 0 if they are not */
	bool tlb[END];
	u64 unmapped_at[END];
	u64 now;
	u64 deadline;
	unsigned int num_flushes;
	/* Page of a page table to be freed after a flush, and its count in that */
	struct page *table;
	int table_count;
	/* Called in a flush that does not hold the lock, before it is over and after */
	void (*before_flush)(struct kunit *test);
	void (*in_flush)(struct kunit *test);
	struct kunit *test;
};

static void test_flush_iotlb(void *arg)
{
	struct wrap_test *priv = arg;
	void (*before_flush)(struct kunit *test) = priv->before_flush;
	void (*in_flush)(struct kunit *test) = priv->in_flush;

	priv->num_flushes++;
	if (before_flush) {
		priv->before_flush = NULL;
		before_flush(priv->test);
	}
	/* An IOMMU that walks the page table may still get there */
	if (priv->table)
		priv->table_count = page_count(priv->table);
	memset(priv->tlb, 0, sizeof(priv->tlb));
	if (in_flush) {
		priv->in_flush = NULL;
		in_flush(priv->test);
	}
}

/* Zones of a size that a test can go through */
static void test_init_space(struct kunit *test, struct iova_space *space)
{
	struct wrap_zone *low, *high;

	KUNIT_ASSERT_EQ(test, 0, iova_space_init(space, &iova_policy_wraparound,
						 PAGE_SIZE, START));
	low = &space->wrap->zones[WRAP_LOW];
	high = &space->wrap->zones[WRAP_HIGH];
	low->last = SPLIT - 1;
	low->span_last = SPLIT - 1;
	high->first = SPLIT;
	high->cursor = SPLIT;
	high->last = END - 1;
	high->span_last = SPLIT + SPAN - 1;
}

static int wrap_test_init(struct kunit *test)
{
	struct wrap_test *priv;

	priv = vzalloc(sizeof(*priv));
	KUNIT_ASSERT_NOT_NULL(test, priv);
	test->priv = priv;
	priv->test = test;
	priv->now = 1;
	test_init_space(test, &priv->space);
	iova_wrap_set_flush(&priv->space, test_flush_iotlb, priv);
	priv->cursor[WRAP_LOW] = START;
	priv->cursor[WRAP_HIGH] = SPLIT;
	priv->span_last = SPLIT + SPAN - 1;
	return 0;
}

static void wrap_test_exit(struct kunit *test)
{
	struct wrap_test *priv = test->priv;

	if (!priv)
		return;
	if (priv->space.iovad.granule)
		iova_space_destroy(&priv->space);
	vfree(priv);
}

static unsigned long model_search(struct wrap_test *priv, unsigned long lo,
				  unsigned long hi, unsigned long pages)
{
	unsigned long align = roundup_pow_of_two(pages);
	unsigned long pfn = ALIGN(lo, align);
	u8 *busy, *free;

	while (pfn + pages - 1 <= hi) {
		busy = memchr_inv(priv->state + pfn, PAGE_IS_FREE, pages);
		if (!busy)
			return pfn;
		free = memchr(busy, PAGE_IS_FREE, priv->state + hi + 1 - busy);
		if (!free)
			return 0;
		pfn = ALIGN(free - priv->state, align);
	}
	return 0;
}

/* Where there would be room after a wrap; it happens only if there is any */
static unsigned long model_wrap(struct wrap_test *priv, unsigned int zone,
				unsigned long pages, unsigned long hi)
{
	unsigned long first = zone == WRAP_LOW ? START : SPLIT;
	unsigned long last = zone == WRAP_LOW ? SPLIT - 1 : END - 1;
	u8 *before = vmalloc(END);
	unsigned long i, pfn;

	if (!before) {
		KUNIT_FAIL(priv->test, "no memory for the model");
		return 0;
	}
	memcpy(before, priv->state, END);
	for (i = first; i <= last; i++)
		if (priv->state[i] == PAGE_IS_FREED)
			priv->state[i] = PAGE_IS_FREE;
	pfn = model_search(priv, first, hi, pages);
	if (pfn)
		priv->cursor[zone] = first;
	else
		memcpy(priv->state, before, END);
	vfree(before);
	return pfn;
}

static unsigned long model_zone_alloc(struct wrap_test *priv, unsigned int zone,
				      unsigned long pages, unsigned long limit)
{
	unsigned long first = zone == WRAP_LOW ? START : SPLIT;
	unsigned long span = zone == WRAP_LOW ? SPLIT - 1 : priv->span_last;
	unsigned long hi = min(span, limit);
	unsigned long pfn;

	if (hi < first)
		return 0;
	pfn = model_search(priv, priv->cursor[zone], hi, pages);
	if (!pfn)
		pfn = model_wrap(priv, zone, pages, hi);
	while (!pfn && zone == WRAP_HIGH && span < min(limit, END - 1)) {
		unsigned long old = span;

		span = min(END - 1, old + (old - SPLIT + 1));
		pfn = model_search(priv, priv->cursor[zone], min(limit, span),
				   pages);
		if (!pfn)
			pfn = model_wrap(priv, zone, pages, min(limit, span));
		if (pfn)
			priv->span_last = span;
	}
	if (pfn) {
		memset(priv->state + pfn, PAGE_IS_BUSY, pages);
		priv->cursor[zone] = pfn + pages;
	}
	return pfn;
}

static unsigned long model_alloc(struct wrap_test *priv, unsigned long pages,
				 unsigned long limit)
{
	unsigned long pfn = 0;

	if (limit >= SPLIT)
		pfn = model_zone_alloc(priv, WRAP_HIGH, pages, limit);
	return pfn ?: model_zone_alloc(priv, WRAP_LOW, pages, limit);
}

/* Allocates, compares with the model, and lets the device use the pages */
static unsigned long test_alloc(struct kunit *test, unsigned long pages,
				unsigned long limit)
{
	struct wrap_test *priv = test->priv;
	unsigned long expected = model_alloc(priv, pages, limit);
	unsigned long pfn, i;

	pfn = iova_space_alloc(&priv->space, pages, limit, true);
	KUNIT_ASSERT_EQ_MSG(test, pfn, expected, "%lu pages up to %#lx", pages,
			    limit);
	if (!pfn)
		return 0;
	for (i = pfn; i < pfn + pages; i++) {
		if (priv->tlb[i])
			KUNIT_FAIL(test, "a stale translation of %#lx", i);
		priv->tlb[i] = true;
		priv->unmapped_at[i] = 0;
	}
	return pfn;
}

static void model_free(struct wrap_test *priv, unsigned long pfn,
		       unsigned long pages)
{
	bool ahead = pfn >= priv->cursor[pfn >= SPLIT];

	memset(priv->state + pfn, ahead ? PAGE_IS_FREED : PAGE_IS_FREE, pages);
}

/* As an unmap in a strict domain: the IOTLB is flushed before */
static void test_free(struct kunit *test, unsigned long pfn,
		      unsigned long pages)
{
	struct wrap_test *priv = test->priv;

	memset(priv->tlb + pfn, 0, pages);
	iova_space_free(&priv->space, pfn, pages);
	model_free(priv, pfn, pages);
}

/* As one in a lazy domain */
static void test_free_lazy(struct kunit *test, unsigned long pfn,
			   unsigned long pages)
{
	struct wrap_test *priv = test->priv;
	LIST_HEAD(freelist);
	unsigned long i;

	/* The device has used it to the last */
	for (i = pfn; i < pfn + pages; i++) {
		priv->tlb[i] = true;
		priv->unmapped_at[i] = priv->now;
	}
	if (priv->table)
		list_add(&priv->table->lru, &freelist);
	priv->space.ops->free_lazy(&priv->space, pfn, pages, &freelist);
	model_free(priv, pfn, pages);
	if (!priv->deadline)
		priv->deadline = priv->now + PERIOD;
}

static u64 test_wraps(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	struct iova_wrap_stats stats;

	iova_wrap_get_stats(&priv->space, &stats);
	return stats.wraps;
}

/* One behind the other, and never what was just freed */
static void wrap_test_order(struct kunit *test)
{
	unsigned long i;

	for (i = 0; i < LOW_PAGES; i++) {
		KUNIT_ASSERT_EQ(test, START + i, test_alloc(test, 1, SPLIT - 1));
		test_free(test, START + i, 1);
	}
	KUNIT_EXPECT_EQ(test, 0, test_wraps(test));
	/* The whole round was free, but had to be gone through */
	KUNIT_EXPECT_EQ(test, START, test_alloc(test, 1, SPLIT - 1));
	KUNIT_EXPECT_EQ(test, 1, test_wraps(test));
}

/* Aligned to the size, or the next power of two; nothing above the limit */
static void wrap_test_alignment(struct kunit *test)
{
	static const unsigned long sizes[] = { 1, 2, 3, 5, 8, 31, 32, 33, 63, 64,
		65, 100, 128, 129, 512, 1000, 2048, 4095, 4096, 4097, 6000, 8192 };
	unsigned long pfn, other;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		/* Something small before it makes the cursor odd */
		other = test_alloc(test, 1, NO_LIMIT);
		pfn = test_alloc(test, sizes[i], NO_LIMIT);
		KUNIT_ASSERT_NE_MSG(test, pfn, 0, "%lu pages", sizes[i]);
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED(pfn,
						   roundup_pow_of_two(sizes[i])));
		test_free(test, pfn, sizes[i]);
		test_free(test, other, 1);
	}
}

/* A device gets nothing that it does not reach, and does not disturb the others */
static void wrap_test_limits(struct kunit *test)
{
	unsigned long pfn, i;

	for (i = 0; i < 3 * LOW_PAGES; i++) {
		pfn = test_alloc(test, 1, SPLIT - 1);
		KUNIT_ASSERT_TRUE(test, pfn >= START && pfn < SPLIT);
		test_free(test, pfn, 1);

		/* Has the upper zone for itself, and all pages in turn */
		pfn = test_alloc(test, 1, NO_LIMIT);
		KUNIT_ASSERT_EQ(test, pfn, SPLIT + i % SPAN);
		test_free(test, pfn, 1);
	}

	/* A limit in the zone */
	for (i = 0; i < 100; i++) {
		pfn = test_alloc(test, 3, 99);
		KUNIT_ASSERT_TRUE(test, pfn >= START && pfn + 2 <= 99);
		test_free(test, pfn, 3);
		pfn = test_alloc(test, 3, SPLIT + 99);
		KUNIT_ASSERT_TRUE(test, pfn >= SPLIT && pfn + 2 <= SPLIT + 99);
		test_free(test, pfn, 3);
	}
	KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 1, START - 1));
	KUNIT_EXPECT_EQ(test, START, test_alloc(test, 1, START));
	KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 1, START));
}

/* What was allocated in an earlier round is not given out in this one */
static void wrap_test_ahead(struct kunit *test)
{
	unsigned long i;

	for (i = 0; i < LOW_PAGES; i++)
		KUNIT_ASSERT_EQ(test, START + i, test_alloc(test, 1, SPLIT - 1));
	test_free(test, START + 100, 1);
	KUNIT_ASSERT_EQ(test, START + 100, test_alloc(test, 1, SPLIT - 1));
	KUNIT_EXPECT_EQ(test, 1, test_wraps(test));

	/* The cursor is at 101. What is ahead of it has to wait as well. */
	test_free(test, START + 200, 1);
	test_free(test, START + 50, 1);
	KUNIT_ASSERT_EQ(test, START + 50, test_alloc(test, 1, SPLIT - 1));
	KUNIT_EXPECT_EQ(test, 2, test_wraps(test));
	KUNIT_ASSERT_EQ(test, START + 200, test_alloc(test, 1, SPLIT - 1));
	KUNIT_EXPECT_EQ(test, 2, test_wraps(test));
	KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 1, SPLIT - 1));
}

/* Blocks that stay, as coherent buffers do: 1, 1000, every other page */
static void wrap_test_long_lived(struct kunit *test)
{
	static const unsigned long every[] = { LOW_PAGES, LOW_PAGES / 1000, 2 };
	struct wrap_test *priv = test->priv;
	unsigned long i, pfn, round, kept;
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(every); n++) {
		kept = 0;
		for (i = 0; i < LOW_PAGES; i++) {
			pfn = test_alloc(test, 1, SPLIT - 1);
			if (i % every[n])
				test_free(test, pfn, 1);
			else
				kept++;
		}
		/* The space is never empty, and goes round nevertheless */
		for (round = 0; round < 3; round++) {
			u64 wraps = test_wraps(test);

			for (i = 0; i < LOW_PAGES - kept; i++)
				test_free(test,
					  test_alloc(test, 1, SPLIT - 1), 1);
			KUNIT_EXPECT_EQ(test, 1, test_wraps(test) - wraps);
		}
		/* Two pages side by side are in every gap but those of one page */
		if (every[n] > 2) {
			pfn = test_alloc(test, 2, SPLIT - 1);
			KUNIT_ASSERT_NE(test, pfn, 0);
			test_free(test, pfn, 2);
		} else {
			KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 2, SPLIT - 1));
		}
		iova_space_destroy(&priv->space);
		test_init_space(test, &priv->space);
		memset(priv->state, 0, sizeof(priv->state));
		memset(priv->tlb, 0, sizeof(priv->tlb));
		priv->cursor[WRAP_LOW] = START;
	}
}

/* Full is an error, and what is freed helps */
static void wrap_test_exhaustion(struct kunit *test)
{
	unsigned long i;

	for (i = 0; i < LOW_PAGES; i++)
		KUNIT_ASSERT_NE(test, 0, test_alloc(test, 1, SPLIT - 1));
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 1, SPLIT - 1));
	test_free(test, START + 7, 1);
	KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 2, SPLIT - 1));
	KUNIT_EXPECT_EQ(test, START + 7, test_alloc(test, 1, SPLIT - 1));
	KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 1, SPLIT - 1));

	/* A device that reaches more takes the lower zone when the upper is full */
	for (i = SPLIT; i < END; i++)
		KUNIT_ASSERT_EQ(test, i, test_alloc(test, 1, NO_LIMIT));
	KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 1, NO_LIMIT));
	test_free(test, START + 9, 1);
	KUNIT_EXPECT_EQ(test, START + 9, test_alloc(test, 1, NO_LIMIT));

	for (i = START; i < END; i++)
		test_free(test, i, 1);
	KUNIT_EXPECT_EQ(test, WRAP_LEAF_PAGES,
			test_alloc(test, WRAP_LEAF_PAGES, SPLIT - 1));
}

/* A leaf that had no room for a request has some when more of it was freed */
static void wrap_test_full_leaf(struct kunit *test)
{
	unsigned long i;

	for (i = 0; i < LOW_PAGES; i++)
		test_alloc(test, 1, SPLIT - 1);
	test_free(test, WRAP_LEAF_PAGES + 10, 1);
	test_free(test, WRAP_LEAF_PAGES + 20, 1);
	KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 2, SPLIT - 1));
	test_free(test, WRAP_LEAF_PAGES + 11, 1);
	KUNIT_EXPECT_EQ(test, WRAP_LEAF_PAGES + 10,
			test_alloc(test, 2, SPLIT - 1));
}

/* As they are outside of this test */
static void wrap_test_zones(struct kunit *test)
{
	struct wrap_zone *low, *high;
	struct iova_space space;

	KUNIT_ASSERT_EQ(test, 0, iova_space_init(&space, &iova_policy_wraparound,
						 PAGE_SIZE, START));
	low = &space.wrap->zones[WRAP_LOW];
	high = &space.wrap->zones[WRAP_HIGH];
	KUNIT_EXPECT_EQ(test, low->first, START);
	KUNIT_EXPECT_EQ(test, low->last, SZ_4G / PAGE_SIZE - 1);
	KUNIT_EXPECT_EQ(test, low->span_last, low->last);
	KUNIT_EXPECT_EQ(test, high->first, SZ_4G / PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, high->last, ULONG_MAX >> PAGE_SHIFT);
	/* 16 GiB if a page is 4 KiB */
	KUNIT_EXPECT_EQ(test, high->span_last, high->first + BIT(22) - 1);

	/* All that is below 4 GiB is used, and then what is above */
	KUNIT_EXPECT_EQ(test, SZ_2G / PAGE_SIZE,
			iova_space_alloc(&space, SZ_2G / PAGE_SIZE, low->last,
					 true));
	KUNIT_EXPECT_EQ(test, 0, iova_space_alloc(&space, SZ_2G / PAGE_SIZE,
						  low->last, true));
	KUNIT_EXPECT_EQ(test, high->first,
			iova_space_alloc(&space, SZ_2G / PAGE_SIZE, high->last,
					 true));
	iova_space_destroy(&space);
}

/* A place that begins behind the cursor and ends where the zone has grown to */
static void wrap_test_grow_behind(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	struct wrap_zone *high = &priv->space.wrap->zones[WRAP_HIGH];

	/* The next aligned place would be above the limit */
	test_free(test, test_alloc(test, 1, NO_LIMIT), 1);
	KUNIT_EXPECT_EQ(test, SPLIT, test_alloc(test, SPLIT, 2 * SPLIT - 1));
	KUNIT_EXPECT_EQ(test, 1, test_wraps(test));
	KUNIT_EXPECT_EQ(test, high->span_last, SPLIT + 2 * SPAN - 1);
}

/* The upper zone goes round in a part of it as long as that suffices */
static void wrap_test_grow(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	struct wrap_zone *high = &priv->space.wrap->zones[WRAP_HIGH];
	unsigned long i;

	for (i = 0; i < 3 * SPAN; i++)
		test_free(test, test_alloc(test, 1, NO_LIMIT), 1);
	KUNIT_EXPECT_EQ(test, high->span_last, SPLIT + SPAN - 1);
	for (i = 0; i < SPAN; i++)
		test_alloc(test, 1, NO_LIMIT);
	KUNIT_EXPECT_EQ(test, high->span_last, SPLIT + SPAN - 1);
	KUNIT_EXPECT_EQ(test, SPLIT + SPAN, test_alloc(test, 1, NO_LIMIT));
	KUNIT_EXPECT_EQ(test, high->span_last, SPLIT + 2 * SPAN - 1);
	/* As far as it takes, at once */
	KUNIT_EXPECT_EQ(test, SPLIT + 2 * SPAN,
			test_alloc(test, 2 * SPAN, NO_LIMIT));
	KUNIT_EXPECT_EQ(test, high->span_last, SPLIT + 4 * SPAN - 1);
}

static int test_reserve(struct kunit *test, unsigned long first,
			unsigned long last)
{
	struct wrap_test *priv = test->priv;
	int ret;

	ret = iova_space_reserve(&priv->space, first, last);
	if (!ret)
		memset(priv->state + first, PAGE_IS_RESV,
		       min(last, END - 1) - first + 1);
	return ret;
}

/* Reserved pages are not given out, whatever lies around them */
static void wrap_test_reserved(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	unsigned long i, pfn;

	/* A page, all but the ends of two leaves, a leaf and a bit */
	KUNIT_ASSERT_EQ(test, 0, test_reserve(test, START + 3, START + 3));
	KUNIT_ASSERT_EQ(test, 0, test_reserve(test, 100,
					      2 * WRAP_LEAF_PAGES - 100));
	KUNIT_ASSERT_EQ(test, 0, test_reserve(test, SPLIT, SPLIT +
					      WRAP_LEAF_PAGES + 1));
	/* From here to the end of everything, as a host bridge may say */
	KUNIT_ASSERT_EQ(test, 0, test_reserve(test, END - 2 * WRAP_LEAF_PAGES,
					      ULONG_MAX >> PAGE_SHIFT));
	KUNIT_EXPECT_EQ(test, -EBUSY, test_reserve(test, 50, 100));
	KUNIT_EXPECT_EQ(test, -EBUSY, test_reserve(test, 200, 200));
	KUNIT_EXPECT_EQ(test, -EBUSY, test_reserve(test, START, END));

	/* No leaf is there yet that would know of them */
	KUNIT_EXPECT_EQ(test, 0, test_alloc(test, WRAP_LEAF_PAGES + 1, NO_LIMIT));
	for (i = 0; i < 2 * END; i++) {
		pfn = test_alloc(test, 1 + i % 7, i % 2 ? SPLIT - 1 : NO_LIMIT);
		if (pfn)
			test_free(test, pfn, 1 + i % 7);
	}
	KUNIT_EXPECT_EQ(test, 0, test_alloc(test, WRAP_LEAF_PAGES, SPLIT - 1));
	/* Leaves that hold nothing but what is reserved come and go */
	for (i = 0; i < 3; i++) {
		pfn = test_alloc(test, 64, SPLIT - 1);
		KUNIT_ASSERT_NE(test, pfn, 0);
		test_free(test, pfn, 64);
	}
	KUNIT_EXPECT_EQ(test, 0, priv->space.wrap->stats.live_pages);
}

/* In a space that is in use: not what somebody has, but what was freed */
static void wrap_test_reserve_late(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	unsigned long pfn = test_alloc(test, 4, SPLIT - 1);
	unsigned long i;

	KUNIT_EXPECT_EQ(test, -EBUSY, test_reserve(test, pfn + 3, pfn + 3));
	KUNIT_EXPECT_EQ(test, -EBUSY, test_reserve(test, START, pfn));
	KUNIT_EXPECT_EQ(test, 0, test_reserve(test, pfn + 4, pfn + 4));
	KUNIT_EXPECT_EQ(test, -EBUSY, test_reserve(test, pfn + 4, pfn + 4));

	/* Behind the cursor, and unmapped lazily: flushed first */
	test_free_lazy(test, pfn, 4);
	KUNIT_EXPECT_EQ(test, 0, priv->num_flushes);
	KUNIT_EXPECT_EQ(test, 0, test_reserve(test, pfn, pfn));
	KUNIT_EXPECT_EQ(test, 1, priv->num_flushes);
	KUNIT_EXPECT_FALSE(test, priv->tlb[pfn]);

	/* Ahead of it */
	for (i = 0; i < LOW_PAGES - 2; i++)
		test_alloc(test, 1, SPLIT - 1);
	test_free(test, pfn + 1, 1);
	KUNIT_EXPECT_EQ(test, pfn + 1, test_alloc(test, 1, SPLIT - 1));
	test_free(test, pfn + 100, 1);
	test_free(test, pfn + 101, 1);
	KUNIT_EXPECT_EQ(test, 0, test_reserve(test, pfn + 100, pfn + 100));
	KUNIT_EXPECT_EQ(test, pfn + 101, test_alloc(test, 1, SPLIT - 1));
	KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 1, SPLIT - 1));
}

static struct wrap_leaf *no_leaf(void)
{
	return NULL;
}

/* All four leaves of it can be had, so nothing has stayed busy */
static void expect_upper_zone_free(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	unsigned long pfn;

	for (pfn = SPLIT; pfn < END; pfn += 2 * WRAP_LEAF_PAGES)
		KUNIT_EXPECT_EQ(test, pfn,
				iova_space_alloc(&priv->space,
						 2 * WRAP_LEAF_PAGES, NO_LIMIT,
						 true));
}

/* Without memory for a leaf an allocation fails and changes nothing */
static void wrap_test_nomem(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	unsigned long first, pfn, i;

	first = test_alloc(test, 1, SPLIT - 1);
	KUNIT_ASSERT_EQ(test, first, START);

	kunit_activate_static_stub(test, iova_wrap_alloc_leaf, no_leaf);
	KUNIT_EXPECT_EQ(test, 0, iova_space_alloc(&priv->space, WRAP_LEAF_PAGES,
						  SPLIT - 1, true));
	/* A free of any kind needs none, nor does a page in a leaf that is there */
	pfn = test_alloc(test, 1, SPLIT - 1);
	KUNIT_EXPECT_EQ(test, pfn, START + 1);
	test_free(test, pfn, 1);
	test_free_lazy(test, first, 1);
	kunit_deactivate_static_stub(test, iova_wrap_alloc_leaf);

	/* The second of two leaves fails: the first is given back */
	pfn = test_alloc(test, WRAP_LEAF_PAGES, SPLIT - 1);
	KUNIT_ASSERT_EQ(test, pfn, WRAP_LEAF_PAGES);
	test_free(test, pfn, WRAP_LEAF_PAGES);
	kunit_activate_static_stub(test, iova_wrap_alloc_leaf, no_leaf);
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, 0,
				iova_space_alloc(&priv->space,
						 2 * WRAP_LEAF_PAGES, NO_LIMIT,
						 true));
	KUNIT_EXPECT_EQ(test, 0, priv->space.wrap->stats.live_pages);
	kunit_deactivate_static_stub(test, iova_wrap_alloc_leaf);
	expect_upper_zone_free(test);
}

/* Without memory for a leaf, what is free in those that exist is given out */
static void wrap_test_nomem_leaves(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	struct wrap_zone *low = &priv->space.wrap->zones[WRAP_LOW];
	unsigned long pfn, i;

	/* One page of the first leaf stays in use, the cursor is at its end */
	for (i = 0; i < WRAP_LEAF_PAGES - START; i++)
		test_alloc(test, 1, SPLIT - 1);
	for (i = 1; i < WRAP_LEAF_PAGES - START; i++)
		test_free(test, START + i, 1);
	kunit_activate_static_stub(test, iova_wrap_alloc_leaf, no_leaf);
	/* Nothing of that size is in any leaf, with a wrap or without */
	KUNIT_EXPECT_EQ(test, 0, iova_space_alloc(&priv->space, WRAP_LEAF_PAGES,
						  SPLIT - 1, true));
	KUNIT_EXPECT_EQ(test, 0, iova_space_alloc(&priv->space,
						  WRAP_LEAF_PAGES + 1,
						  NO_LIMIT, true));
	KUNIT_EXPECT_EQ(test, 0, test_wraps(test));
	for (i = 0; i < 3 * WRAP_LEAF_PAGES; i++) {
		pfn = iova_space_alloc(&priv->space, 1, SPLIT - 1, true);
		KUNIT_ASSERT_EQ(test, pfn, START + 1 +
				i % (WRAP_LEAF_PAGES - START - 1));
		iova_space_free(&priv->space, pfn, 1);
	}
	KUNIT_EXPECT_EQ(test, 4, test_wraps(test));
	kunit_deactivate_static_stub(test, iova_wrap_alloc_leaf);

	/* With memory again the search goes on where it could not */
	while (low->cursor != WRAP_LEAF_PAGES)
		KUNIT_ASSERT_NE(test, 0, iova_space_alloc(&priv->space, 1,
							  SPLIT - 1, true));
	KUNIT_EXPECT_EQ(test, WRAP_LEAF_PAGES,
			iova_space_alloc(&priv->space, 1, SPLIT - 1, true));
}

/* A leaf that is reserved in part cannot be had: nothing wraps, nothing grows */
static void wrap_test_nomem_reserved(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	struct wrap_zone *high = &priv->space.wrap->zones[WRAP_HIGH];
	unsigned int i;

	KUNIT_ASSERT_EQ(test, START, test_alloc(test, 1, SPLIT - 1));
	KUNIT_ASSERT_EQ(test, 0, test_reserve(test, SPLIT + 7, SPLIT + 9));
	KUNIT_ASSERT_EQ(test, 0, test_reserve(test, WRAP_LEAF_PAGES + 7,
					      WRAP_LEAF_PAGES + 9));
	kunit_activate_static_stub(test, iova_wrap_alloc_leaf, no_leaf);
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, START + 1 + i,
				iova_space_alloc(&priv->space, 1, NO_LIMIT, true));
	KUNIT_EXPECT_EQ(test, 0, test_wraps(test));
	KUNIT_EXPECT_EQ(test, high->span_last, SPLIT + SPAN - 1);
	kunit_deactivate_static_stub(test, iova_wrap_alloc_leaf);
	KUNIT_EXPECT_EQ(test, SPLIT,
			iova_space_alloc(&priv->space, 1, NO_LIMIT, true));
}

/* What fits nowhere changes nothing, however often it is asked for */
static void wrap_test_nothing_fits(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	struct wrap_zone *high = &priv->space.wrap->zones[WRAP_HIGH];
	unsigned long pfn, i;

	/* In a leaf, in a word, in a page */
	for (i = 0; i < LOW_PAGES; i++)
		test_alloc(test, 1, SPLIT - 1);
	for (i = START; i < SPLIT; i += 100)
		test_free_lazy(test, i, 1);
	for (i = 0; i < 10; i++) {
		KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 2, SPLIT - 1));
		KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 65, SPLIT - 1));
		KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 4097, SPLIT - 1));
		KUNIT_EXPECT_EQ(test, 0, test_alloc(test, 1, START - 1));
	}
	KUNIT_EXPECT_EQ(test, 0, test_wraps(test));
	KUNIT_EXPECT_EQ(test, 0, priv->num_flushes);
	for (i = START; i < SPLIT; i += 100)
		KUNIT_ASSERT_EQ(test, i, test_alloc(test, 1, SPLIT - 1));
	KUNIT_EXPECT_EQ(test, 1, priv->num_flushes);

	/* Nor does the upper zone grow for it */
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, 0, test_alloc(test, END, NO_LIMIT));
	KUNIT_EXPECT_EQ(test, high->span_last, SPLIT + SPAN - 1);

	/* A mapping of no bytes has a page, as with the default policy */
	for (i = 0; i < 3 * SPAN; i++) {
		pfn = iova_space_alloc(&priv->space, 0, NO_LIMIT, true);
		KUNIT_ASSERT_EQ(test, pfn, SPLIT + i % SPAN);
		iova_space_free(&priv->space, pfn, 0);
	}
	KUNIT_EXPECT_EQ(test, high->span_last, SPLIT + SPAN - 1);
	KUNIT_EXPECT_EQ(test, LOW_PAGES, priv->space.wrap->stats.live_pages);
}

static bool store_failed;

static int store_all_but_one(struct iova_wrap *wrap, struct wrap_leaf *leaf,
			     unsigned long index)
{
	if (!store_failed) {
		store_failed = true;
		return -ENOMEM;
	}
	return xa_err(xa_store(&wrap->leaves, index, leaf, GFP_ATOMIC));
}

/* The same, but there is memory for what lies behind it: still nothing grows */
static void wrap_test_nomem_once(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	struct wrap_zone *high = &priv->space.wrap->zones[WRAP_HIGH];

	KUNIT_ASSERT_EQ(test, START, test_alloc(test, 1, SPLIT - 1));
	KUNIT_ASSERT_EQ(test, 0, test_reserve(test, SPLIT + 7, SPLIT + 9));
	store_failed = false;
	kunit_activate_static_stub(test, iova_wrap_store_leaf,
				   store_all_but_one);
	KUNIT_EXPECT_EQ(test, START + 1,
			iova_space_alloc(&priv->space, 1, NO_LIMIT, true));
	KUNIT_EXPECT_EQ(test, high->span_last, SPLIT + SPAN - 1);
	KUNIT_EXPECT_EQ(test, SPLIT,
			iova_space_alloc(&priv->space, 1, NO_LIMIT, true));
	kunit_deactivate_static_stub(test, iova_wrap_store_leaf);
}

static unsigned int stores_left;

static int store_some(struct iova_wrap *wrap, struct wrap_leaf *leaf,
		      unsigned long index)
{
	if (!stores_left)
		return -ENOMEM;
	stores_left--;
	return xa_err(xa_store(&wrap->leaves, index, leaf, GFP_ATOMIC));
}

/* The same if there is a leaf, but no memory for the tree that it belongs in */
static void wrap_test_nomem_tree(struct kunit *test)
{
	struct wrap_test *priv = test->priv;

	kunit_activate_static_stub(test, iova_wrap_store_leaf, store_some);
	stores_left = 0;
	KUNIT_EXPECT_EQ(test, 0, iova_space_alloc(&priv->space,
						  2 * WRAP_LEAF_PAGES,
						  NO_LIMIT, true));
	KUNIT_EXPECT_TRUE(test, xa_empty(&priv->space.wrap->leaves));
	/* It is the second of two */
	stores_left = 1;
	KUNIT_EXPECT_EQ(test, 0, iova_space_alloc(&priv->space,
						  2 * WRAP_LEAF_PAGES,
						  NO_LIMIT, true));
	KUNIT_EXPECT_EQ(test, 0, stores_left);
	KUNIT_EXPECT_EQ(test, 0, priv->space.wrap->stats.live_pages);
	kunit_deactivate_static_stub(test, iova_wrap_store_leaf);
	expect_upper_zone_free(test);
}

static unsigned int num_reports;

static void count_report(unsigned long first, unsigned long last)
{
	num_reports++;
}

/* What is not in use, in part or as a whole, is reported and changes nothing */
static void wrap_test_bad_free(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	struct iova_space *space = &priv->space;
	unsigned long pfn, i;

	pfn = test_alloc(test, 4, SPLIT - 1);
	num_reports = 0;
	kunit_activate_static_stub(test, iova_wrap_report, count_report);
	test_free(test, pfn, 4);
	KUNIT_EXPECT_EQ(test, 0, num_reports);
	/* Again; beside what was in use; more than what is; nothing was ever there */
	iova_space_free(space, pfn, 4);
	KUNIT_EXPECT_EQ(test, 1, num_reports);
	pfn = test_alloc(test, 4, SPLIT - 1);
	iova_space_free(space, pfn - 1, 1);
	iova_space_free(space, pfn, 5);
	iova_space_free(space, END - 1, 1);
	KUNIT_EXPECT_EQ(test, 4, num_reports);
	KUNIT_EXPECT_EQ(test, 4, space->wrap->stats.live_pages);

	/* Ahead of the cursor, where it waits for the next round */
	for (i = 0; !test_wraps(test); i++)
		KUNIT_ASSERT_NE(test, 0, test_alloc(test, 1, SPLIT - 1));
	test_free(test, pfn, 4);
	KUNIT_EXPECT_EQ(test, 4, num_reports);
	iova_space_free(space, pfn + 3, 1);
	KUNIT_EXPECT_EQ(test, 5, num_reports);

	/* Reserved pages are nobody's, and stay reserved */
	KUNIT_ASSERT_EQ(test, 0, test_reserve(test, SPLIT + 8, SPLIT + 15));
	KUNIT_ASSERT_EQ(test, SPLIT, test_alloc(test, 8, NO_LIMIT));
	iova_space_free(space, SPLIT + 8, 8);
	iova_space_free(space, SPLIT + 4, 8);
	KUNIT_EXPECT_EQ(test, 7, num_reports);
	test_free(test, SPLIT, 8);
	KUNIT_EXPECT_EQ(test, 7, num_reports);
	for (i = SPLIT + 8; i < SPLIT + SPAN - 8; i += 8)
		KUNIT_ASSERT_EQ(test, i + 8, test_alloc(test, 8, NO_LIMIT));
	kunit_deactivate_static_stub(test, iova_wrap_report);
}

static void expect_stats(struct kunit *test, u64 allocs, u64 failures,
			 u64 lazy_frees, u64 flushes, u64 live_pages,
			 u64 max_pages)
{
	struct wrap_test *priv = test->priv;
	struct iova_wrap_stats stats;

	iova_wrap_get_stats(&priv->space, &stats);
	KUNIT_EXPECT_EQ(test, stats.allocs, allocs);
	KUNIT_EXPECT_EQ(test, stats.failures, failures);
	KUNIT_EXPECT_EQ(test, stats.lazy_frees, lazy_frees);
	KUNIT_EXPECT_EQ(test, stats.flushes, flushes);
	KUNIT_EXPECT_EQ(test, stats.live_pages, live_pages);
	KUNIT_EXPECT_EQ(test, stats.max_pages, max_pages);
}

/* What user space is told: everything once */
static void wrap_test_stats(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	struct iova_space *space = &priv->space;
	unsigned long a, b;

	expect_stats(test, 0, 0, 0, 0, 0, 0);
	a = test_alloc(test, 3, SPLIT - 1);
	b = test_alloc(test, 5000, NO_LIMIT);
	expect_stats(test, 2, 0, 0, 0, 5003, 5003);
	test_free(test, a, 3);
	expect_stats(test, 2, 0, 0, 0, 5000, 5003);
	test_free_lazy(test, b, 5000);
	expect_stats(test, 2, 0, 1, 0, 0, 5003);
	space->ops->flush(space);
	space->ops->flush(space);
	expect_stats(test, 2, 0, 1, 1, 0, 5003);

	/* A flush because of a wrap counts as well. What fits nowhere takes none. */
	test_free_lazy(test, test_alloc(test, 1, SPLIT - 1), 1);
	KUNIT_EXPECT_EQ(test, 0, test_alloc(test, END, NO_LIMIT));
	KUNIT_EXPECT_EQ(test, 0, test_wraps(test));
	expect_stats(test, 3, 1, 2, 1, 0, 5003);
	test_free(test, test_alloc(test, 1, START), 1);
	KUNIT_EXPECT_EQ(test, 1, test_wraps(test));
	expect_stats(test, 4, 1, 2, 2, 0, 5003);

	/* Not a failure yet: the caller goes on with a higher limit */
	KUNIT_EXPECT_EQ(test, 0, iova_space_alloc(space, END, SPLIT - 1, false));
	expect_stats(test, 4, 1, 2, 2, 0, 5003);
	kunit_activate_static_stub(test, iova_wrap_alloc_leaf, no_leaf);
	KUNIT_EXPECT_EQ(test, 0, iova_space_alloc(space, 3 * WRAP_LEAF_PAGES,
						  NO_LIMIT, true));
	kunit_deactivate_static_stub(test, iova_wrap_alloc_leaf);
	expect_stats(test, 4, 2, 2, 2, 0, 5003);
}

/* The clock of the test goes on, and the timer with it */
static void test_tick(struct kunit *test, unsigned int ticks)
{
	struct wrap_test *priv = test->priv;

	while (ticks--) {
		priv->now++;
		if (priv->deadline != priv->now)
			continue;
		priv->deadline = 0;
		priv->space.ops->flush(&priv->space);
	}
}

/* No page stays in the IOTLB longer than a period after it was unmapped */
static void expect_bound(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	unsigned long i;

	for (i = START; i < END; i++)
		if (priv->tlb[i] && priv->unmapped_at[i] &&
		    priv->now - priv->unmapped_at[i] > PERIOD)
			KUNIT_FAIL(test, "%#lx was unmapped %llu ticks ago", i,
				   priv->now - priv->unmapped_at[i]);
}

/* One flush for a round, and one at the end of a period */
static void wrap_test_lazy(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	unsigned long i, round;

	for (round = 1; round <= 5; round++) {
		for (i = 0; i < LOW_PAGES; i++)
			test_free_lazy(test, test_alloc(test, 1, SPLIT - 1), 1);
		KUNIT_EXPECT_EQ(test, priv->num_flushes, round - 1);
	}
	/* Nothing happens any more, and what is left is flushed */
	test_tick(test, PERIOD - 1);
	KUNIT_EXPECT_EQ(test, priv->num_flushes, 4);
	test_tick(test, 1);
	KUNIT_EXPECT_EQ(test, priv->num_flushes, 5);
	expect_bound(test);
	/* And then there is nothing to flush */
	test_tick(test, 10 * PERIOD);
	priv->space.ops->flush(&priv->space);
	KUNIT_EXPECT_EQ(test, priv->num_flushes, 5);
	test_alloc(test, 1, SPLIT - 1);
	KUNIT_EXPECT_EQ(test, priv->num_flushes, 5);
}

/* While the timer flushes, another CPU frees a page and wraps */
static void free_and_wrap(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	unsigned int before = priv->num_flushes;
	unsigned long i;

	test_free_lazy(test, START, 1);
	for (i = 0; i < LOW_PAGES; i++)
		test_free_lazy(test, test_alloc(test, 1, SPLIT - 1), 1);
	KUNIT_EXPECT_EQ(test, priv->num_flushes, before + 1);
}

static void wrap_test_wrap_in_flush(struct kunit *test)
{
	struct wrap_test *priv = test->priv;

	KUNIT_ASSERT_EQ(test, START, test_alloc(test, 1, SPLIT - 1));
	test_free_lazy(test, test_alloc(test, 1, SPLIT - 1), 1);
	priv->in_flush = free_and_wrap;
	test_tick(test, PERIOD);
	/* What was freed in the middle of the flush is not covered by it */
	KUNIT_EXPECT_LT(test, priv->space.wrap->flush_seq,
			priv->space.wrap->free_seq);
	test_tick(test, PERIOD);
	KUNIT_EXPECT_EQ(test, priv->space.wrap->flush_seq,
			priv->space.wrap->free_seq);
}

/* While the timer has just begun to flush, another CPU wraps: it has to flush, too */
static void alloc_and_wrap(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	unsigned int before = priv->num_flushes;
	unsigned long i;

	/* The last one is that which was unmapped */
	for (i = 0; i < LOW_PAGES; i++)
		test_alloc(test, 1, SPLIT - 1);
	KUNIT_EXPECT_EQ(test, priv->num_flushes, before + 1);
}

static void wrap_test_wrap_before_flush(struct kunit *test)
{
	struct wrap_test *priv = test->priv;

	test_free_lazy(test, test_alloc(test, 1, SPLIT - 1), 1);
	priv->before_flush = alloc_and_wrap;
	test_tick(test, PERIOD);
	KUNIT_EXPECT_NULL(test, priv->before_flush);
	KUNIT_EXPECT_EQ(test, 1, test_wraps(test));
}

/* As the unmap of all that a page of the page table was for */
static void free_with_table(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	unsigned long pfn = test_alloc(test, 1, SPLIT - 1);

	priv->table = __iommu_alloc_pages(GFP_KERNEL, 0);
	KUNIT_ASSERT_NOT_NULL(test, priv->table);
	/* To look at it afterwards */
	get_page(priv->table);
	test_free_lazy(test, pfn, 1);
	KUNIT_EXPECT_EQ(test, 2, page_count(priv->table));
}

static void expect_table_freed(struct kunit *test)
{
	struct wrap_test *priv = test->priv;

	KUNIT_EXPECT_EQ(test, 2, priv->table_count);
	KUNIT_EXPECT_EQ(test, 1, page_count(priv->table));
	put_page(priv->table);
	priv->table = NULL;
}

/* A page of the page table is freed after the flush, and not before */
static void wrap_test_freelist(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	unsigned long i;

	/* When the period ends */
	free_with_table(test);
	test_tick(test, PERIOD - 1);
	KUNIT_EXPECT_EQ(test, 2, page_count(priv->table));
	test_tick(test, 1);
	KUNIT_EXPECT_EQ(test, 1, priv->num_flushes);
	expect_table_freed(test);

	/* When the cursor wraps */
	free_with_table(test);
	for (i = 2; i < LOW_PAGES; i++)
		test_free(test, test_alloc(test, 1, SPLIT - 1), 1);
	KUNIT_EXPECT_EQ(test, 2, page_count(priv->table));
	test_alloc(test, 1, SPLIT - 1);
	KUNIT_EXPECT_EQ(test, 2, priv->num_flushes);
	expect_table_freed(test);

	/* When the domain goes */
	free_with_table(test);
	iova_space_destroy(&priv->space);
	expect_table_freed(test);
}

struct test_block {
	unsigned long pfn;
	unsigned long pages;
};

#define NUM_BLOCKS	600

static unsigned long random_pages(struct rnd_state *rnd)
{
	u32 r = prandom_u32_state(rnd);

	switch (r % 16) {
	case 0:
		return 1 + (r >> 8) % 5000;
	case 1 ... 3:
		return 1 + (r >> 8) % 200;
	case 4 ... 7:
		return 1 + (r >> 8) % 16;
	default:
		return 1;
	}
}

static void test_random(struct kunit *test, u64 with_seed, bool lazy)
{
	static const unsigned long limits[] = { SPLIT - 1, NO_LIMIT, NO_LIMIT,
		SPLIT + 300, 500, START + 1 };
	struct wrap_test *priv = test->priv;
	struct test_block *blocks, *b;
	struct rnd_state rnd;
	unsigned int i;

	blocks = kunit_kcalloc(test, NUM_BLOCKS, sizeof(*blocks), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, blocks);
	prandom_seed_state(&rnd, with_seed);
	KUNIT_ASSERT_EQ(test, 0, test_reserve(test, 1000, 1100));
	KUNIT_ASSERT_EQ(test, 0, test_reserve(test, SPLIT + 64, SPLIT + 127));

	for (i = 0; i < steps; i++) {
		b = &blocks[prandom_u32_state(&rnd) % NUM_BLOCKS];
		if (!b->pfn) {
			b->pages = random_pages(&rnd);
			b->pfn = test_alloc(test, b->pages,
					    limits[prandom_u32_state(&rnd) %
						   ARRAY_SIZE(limits)]);
		} else if (lazy && prandom_u32_state(&rnd) % 4) {
			test_free_lazy(test, b->pfn, b->pages);
			b->pfn = 0;
		} else {
			test_free(test, b->pfn, b->pages);
			b->pfn = 0;
		}
		if (lazy && !(prandom_u32_state(&rnd) % 16)) {
			test_tick(test, prandom_u32_state(&rnd) % 4);
			if (!(i % 32))
				expect_bound(test);
		}
		if (!(i % 1024))
			cond_resched();
	}
	for (i = 0; i < NUM_BLOCKS; i++)
		if (blocks[i].pfn)
			test_free(test, blocks[i].pfn, blocks[i].pages);
	KUNIT_EXPECT_EQ(test, 0, priv->space.wrap->stats.live_pages);
	KUNIT_EXPECT_GT(test, test_wraps(test), steps / 5000);
	kunit_info(test, "%u operations with seed %llu, %llu rounds\n", steps,
		   with_seed, test_wraps(test));
}

static void wrap_test_random(struct kunit *test)
{
	test_random(test, seed, false);
}

static void wrap_test_random_lazy(struct kunit *test)
{
	test_random(test, seed + 1, true);
}

#define MAX_THREADS	8U
#define HELD		40

/*
 * What the threads share. Time is a count that goes on at each unmap and flush: a
 * translation of a page may be in the IOTLB until a flush has ended that began after
 * the page was unmapped.
 */
struct wrap_shared {
	struct iova_space *space;
	/* Twice as much as they hold of it, so that the cursor wraps often */
	unsigned long limit;
	unsigned long *owned;
	atomic64_t time;
	atomic64_t flushed_at;
	/* When each page was unmapped lazily. Its owner's, for as long as it has one. */
	u64 unmapped_at[END];
};

struct wrap_thread {
	struct wrap_shared *shared;
	struct task_struct *task;
	struct completion done;
	unsigned int nr;
	unsigned int num_allocs;
	unsigned int bad;
	unsigned int stale;
};

static void wrap_thread_own(struct wrap_thread *thread, struct test_block *b)
{
	struct wrap_shared *shared = thread->shared;
	unsigned long i;

	for (i = b->pfn; i < b->pfn + b->pages; i++) {
		if (test_and_set_bit(i, shared->owned))
			thread->bad++;
		if (shared->unmapped_at[i] > atomic64_read(&shared->flushed_at))
			thread->stale++;
	}
	thread->num_allocs++;
}

static void wrap_thread_disown(struct wrap_thread *thread, struct test_block *b,
			       bool lazy)
{
	struct wrap_shared *shared = thread->shared;
	u64 now = lazy ? atomic64_inc_return(&shared->time) : 0;
	unsigned long i;
	LIST_HEAD(none);

	for (i = b->pfn; i < b->pfn + b->pages; i++) {
		shared->unmapped_at[i] = now;
		if (!test_and_clear_bit(i, shared->owned))
			thread->bad++;
	}
	if (lazy)
		shared->space->ops->free_lazy(shared->space, b->pfn, b->pages,
					      &none);
	else
		iova_space_free(shared->space, b->pfn, b->pages);
	b->pfn = 0;
}

static void shared_flush_iotlb(void *arg)
{
	struct wrap_shared *shared = arg;
	s64 begin = atomic64_inc_return(&shared->time);
	s64 old = atomic64_read(&shared->flushed_at);
	unsigned int i;

	/* Long enough for the other CPUs to unmap something and to wrap */
	for (i = 0; i != 20; i++)
		cpu_relax();
	while (old < begin && !atomic64_try_cmpxchg(&shared->flushed_at, &old, begin))
		;
}

static int wrap_thread_fn(void *arg)
{
	struct wrap_thread *thread = arg;
	struct iova_space *space = thread->shared->space;
	struct test_block held[HELD] = {}, *b;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, thread->nr);
	for (i = 0; i < steps; i++) {
		if (!(i % 256))
			cond_resched();
		if (!(prandom_u32_state(&rnd) % 64))
			space->ops->flush(space);
		b = &held[prandom_u32_state(&rnd) % HELD];
		if (b->pfn) {
			wrap_thread_disown(thread, b,
					   prandom_u32_state(&rnd) % 2);
			continue;
		}
		b->pages = 1 + prandom_u32_state(&rnd) % 20;
		b->pfn = iova_space_alloc(space, b->pages,
					  prandom_u32_state(&rnd) % 2 ?
					  thread->shared->limit : NO_LIMIT,
					  true);
		if (b->pfn)
			wrap_thread_own(thread, b);
	}
	for (b = held; b < held + HELD; b++)
		if (b->pfn)
			wrap_thread_disown(thread, b, false);
	complete(&thread->done);
	return 0;
}

/* On all CPUs at once no page has two owners, and none a stale translation */
static void wrap_test_concurrent(struct kunit *test)
{
	struct wrap_test *priv = test->priv;
	struct wrap_shared *shared;
	struct wrap_thread *threads;
	unsigned int cpu, n = 0, i;

	threads = kunit_kcalloc(test, MAX_THREADS, sizeof(*threads), GFP_KERNEL);
	shared = kunit_kzalloc(test, sizeof(*shared), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, threads);
	KUNIT_ASSERT_NOT_NULL(test, shared);
	shared->space = &priv->space;
	shared->limit = START + 500 * min(num_online_cpus(), MAX_THREADS);
	shared->owned = kunit_kcalloc(test, BITS_TO_LONGS(END),
				      sizeof(*shared->owned), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, shared->owned);
	iova_wrap_set_flush(&priv->space, shared_flush_iotlb, shared);

	for_each_online_cpu(cpu) {
		struct wrap_thread *thread = &threads[n];

		if (n == MAX_THREADS)
			break;
		thread->shared = shared;
		thread->nr = n;
		init_completion(&thread->done);
		thread->task = kthread_create_on_cpu(wrap_thread_fn, thread, cpu,
						     "iova-wrap/%u");
		if (IS_ERR(thread->task)) {
			KUNIT_FAIL(test, "no thread for CPU %u", cpu);
			break;
		}
		n++;
	}
	for (i = 0; i < n; i++)
		wake_up_process(threads[i].task);
	for (i = 0; i < n; i++) {
		wait_for_completion(&threads[i].done);
		KUNIT_EXPECT_EQ(test, 0, threads[i].bad);
		KUNIT_EXPECT_EQ(test, 0, threads[i].stale);
		KUNIT_EXPECT_GT(test, threads[i].num_allocs, steps / 4);
	}
	KUNIT_EXPECT_EQ(test, 0, priv->space.wrap->stats.live_pages);
	KUNIT_EXPECT_GT(test, test_wraps(test), 0);
	KUNIT_EXPECT_GT(test, priv->space.wrap->stats.flushes, 0);
}

/* The window of an MSI cookie: in order, and none comes back but the last */
static void linear_test(struct kunit *test)
{
	struct iova_space space;

	KUNIT_ASSERT_EQ(test, 0, iova_space_init(&space, &iova_policy_linear,
						 PAGE_SIZE, 1));
	KUNIT_EXPECT_EQ(test, 1, iova_space_alloc(&space, 1, 3, true));
	KUNIT_EXPECT_EQ(test, 2, iova_space_alloc(&space, 1, 3, true));
	iova_space_free(&space, 2, 1);
	KUNIT_EXPECT_EQ(test, 2, iova_space_alloc(&space, 1, 3, true));
	KUNIT_EXPECT_EQ(test, 3, iova_space_alloc(&space, 1, 3, true));
	KUNIT_EXPECT_EQ(test, 0, iova_space_alloc(&space, 1, 3, true));
	KUNIT_EXPECT_EQ(test, -EINVAL, iova_space_reserve(&space, 2, 2));
	iova_space_destroy(&space);
}

static struct kunit_case wrap_test_cases[] = {
	KUNIT_CASE(wrap_test_order),
	KUNIT_CASE(wrap_test_alignment),
	KUNIT_CASE(wrap_test_limits),
	KUNIT_CASE(wrap_test_ahead),
	KUNIT_CASE(wrap_test_long_lived),
	KUNIT_CASE(wrap_test_exhaustion),
	KUNIT_CASE(wrap_test_full_leaf),
	KUNIT_CASE(wrap_test_zones),
	KUNIT_CASE(wrap_test_grow),
	KUNIT_CASE(wrap_test_grow_behind),
	KUNIT_CASE(wrap_test_reserved),
	KUNIT_CASE(wrap_test_reserve_late),
	KUNIT_CASE(wrap_test_nomem),
	KUNIT_CASE(wrap_test_nomem_leaves),
	KUNIT_CASE(wrap_test_nomem_reserved),
	KUNIT_CASE(wrap_test_nomem_once),
	KUNIT_CASE(wrap_test_nomem_tree),
	KUNIT_CASE(wrap_test_nothing_fits),
	KUNIT_CASE(wrap_test_bad_free),
	KUNIT_CASE(wrap_test_stats),
	KUNIT_CASE(wrap_test_lazy),
	KUNIT_CASE(wrap_test_wrap_before_flush),
	KUNIT_CASE(wrap_test_wrap_in_flush),
	KUNIT_CASE(wrap_test_freelist),
	KUNIT_CASE_SLOW(wrap_test_random),
	KUNIT_CASE_SLOW(wrap_test_random_lazy),
	KUNIT_CASE_SLOW(wrap_test_concurrent),
	KUNIT_CASE(linear_test),
	{}
};

static struct kunit_suite wrap_test_suite = {
	.name = "iommu-dma-iova-wrap",
	.init = wrap_test_init,
	.exit = wrap_test_exit,
	.test_cases = wrap_test_cases,
};

kunit_test_suites(&wrap_test_suite);
