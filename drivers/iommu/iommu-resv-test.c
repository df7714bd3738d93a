// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the lists of reserved regions
 *
 * A case is a table of ranges, both ends inclusive, and what has to come of
 * them. The random cases compare with a model: the bitmap of a small piece of
 * the address space, one bit a byte, at its bottom, its top and in between.
 */
#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/dma-direct.h>
#include <linux/find.h>
#include <linux/iommu.h>
#include <linux/prandom.h>
#include <linux/resource_ext.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "iommu-priv.h"

#define RESERVED	IOMMU_RESV_RESERVED
#define DIRECT		IOMMU_RESV_DIRECT
#define RELAXABLE	IOMMU_RESV_DIRECT_RELAXABLE
#define HW_MSI		IOMMU_RESV_MSI
#define SW_MSI		IOMMU_RESV_SW_MSI

#define MAX_RANGES	8
#define HALF		BIT_ULL(63)

/* What a line of a table is, a table ends where there is no more */
enum test_kind {
	NO_MORE,
	SOME,
	/* A region of length 0, @last counts for nothing */
	EMPTY,
};

struct test_range {
	enum test_kind kind;
	u64 start;
	u64 last;
	enum iommu_resv_type type;
};

#define RANGE(_start, _last, _type) \
	{ .kind = SOME, .start = (_start), .last = (_last), .type = (_type) }
#define NOTHING(_start, _type) \
	{ .kind = EMPTY, .start = (_start), .type = (_type) }

static u64 range_length(const struct test_range *range)
{
	return range->kind == SOME ? range->last - range->start + 1 : 0;
}

static void list_add_region(struct kunit *test, struct list_head *list,
			    u64 start, u64 length, enum iommu_resv_type type)
{
	struct iommu_resv_region *region;

	region = iommu_alloc_resv_region(start, length, IOMMU_READ, type,
					 GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, region);
	list_add_tail(&region->list, list);
}

static void list_add_ranges(struct kunit *test, struct list_head *list,
			    const struct test_range *ranges)
{
	unsigned int i;

	for (i = 0; i != MAX_RANGES && ranges[i].kind != NO_MORE; i++)
		list_add_region(test, list, ranges[i].start,
				range_length(&ranges[i]), ranges[i].type);
}

static void list_free(struct list_head *list)
{
	struct iommu_resv_region *region, *next;

	list_for_each_entry_safe(region, next, list, list)
		kfree(region);
	INIT_LIST_HEAD(list);
}

static void insert(struct kunit *test, struct list_head *list, u64 start,
		   u64 length, enum iommu_resv_type type)
{
	struct iommu_resv_region region = {
		.start = start,
		.length = length,
		.type = type,
	};

	KUNIT_ASSERT_EQ(test, 0, iommu_insert_resv_region(&region, list));
}

static void insert_range(struct kunit *test, struct list_head *list,
			 const struct test_range *range)
{
	insert(test, list, range->start, range_length(range), range->type);
}

static void expect_region(struct kunit *test,
			  const struct iommu_resv_region *region,
			  const struct test_range *want)
{
	KUNIT_EXPECT_EQ(test, region->start, want->start);
	KUNIT_EXPECT_EQ(test, region->length, range_length(want));
	KUNIT_EXPECT_EQ(test, region->type, want->type);
}

static void expect_list(struct kunit *test, struct list_head *list,
			const struct test_range *want)
{
	struct iommu_resv_region *region;
	unsigned int i = 0;

	list_for_each_entry(region, list, list) {
		KUNIT_ASSERT_LT(test, i, MAX_RANGES);
		KUNIT_ASSERT_NE_MSG(test, want[i].kind, NO_MORE,
				    "unexpected 0x%llx + 0x%zx type %d",
				    (u64)region->start, region->length,
				    region->type);
		expect_region(test, region, &want[i++]);
	}
	KUNIT_EXPECT_TRUE_MSG(test, i == MAX_RANGES || want[i].kind == NO_MORE,
			      "only %u regions", i);
}

/* Merging */

struct merge_case {
	const char *name;
	struct test_range in[MAX_RANGES];
	struct test_range want[MAX_RANGES];
};

static const struct merge_case merge_cases[] = {
	{ "one", { RANGE(0x1000, 0x1fff, RESERVED) },
	  { RANGE(0x1000, 0x1fff, RESERVED) } },
	{ "one byte at 0", { RANGE(0, 0, RESERVED) },
	  { RANGE(0, 0, RESERVED) } },
	{ "one byte at the last address",
	  { RANGE(U64_MAX, U64_MAX, RESERVED) },
	  { RANGE(U64_MAX, U64_MAX, RESERVED) } },
	{ "sorted by start",
	  { RANGE(0x5000, 0x5fff, RESERVED), RANGE(0x1000, 0x1fff, RESERVED),
	    RANGE(0x3000, 0x3fff, RESERVED) },
	  { RANGE(0x1000, 0x1fff, RESERVED), RANGE(0x3000, 0x3fff, RESERVED),
	    RANGE(0x5000, 0x5fff, RESERVED) } },
	{ "sorted by type when the start is the same",
	  { RANGE(0x1000, 0x1fff, SW_MSI), RANGE(0x1000, 0x2fff, DIRECT),
	    RANGE(0x1000, 0x1fff, RESERVED) },
	  { RANGE(0x1000, 0x2fff, DIRECT), RANGE(0x1000, 0x1fff, RESERVED),
	    RANGE(0x1000, 0x1fff, SW_MSI) } },
	{ "duplicates",
	  { RANGE(0x1000, 0x1fff, RESERVED), RANGE(0x1000, 0x1fff, RESERVED),
	    RANGE(0x1000, 0x1fff, RESERVED) },
	  { RANGE(0x1000, 0x1fff, RESERVED) } },
	{ "touching",
	  { RANGE(0x1000, 0x1fff, RESERVED), RANGE(0x2000, 0x2fff, RESERVED) },
	  { RANGE(0x1000, 0x2fff, RESERVED) } },
	{ "one byte apart",
	  { RANGE(0x1000, 0x1ffe, RESERVED), RANGE(0x2000, 0x2fff, RESERVED) },
	  { RANGE(0x1000, 0x1ffe, RESERVED), RANGE(0x2000, 0x2fff, RESERVED) } },
	{ "overlapping",
	  { RANGE(0x2000, 0x3fff, RESERVED), RANGE(0x1000, 0x2fff, RESERVED) },
	  { RANGE(0x1000, 0x3fff, RESERVED) } },
	{ "nested, the inner one last",
	  { RANGE(0x1000, 0x8fff, RESERVED), RANGE(0x3000, 0x3fff, RESERVED) },
	  { RANGE(0x1000, 0x8fff, RESERVED) } },
	{ "nested, the outer one last",
	  { RANGE(0x3000, 0x3fff, RESERVED), RANGE(0x1000, 0x8fff, RESERVED) },
	  { RANGE(0x1000, 0x8fff, RESERVED) } },
	{ "one fills the gap of two",
	  { RANGE(0x1000, 0x1fff, RESERVED), RANGE(0x3000, 0x3fff, RESERVED),
	    RANGE(0x2000, 0x2fff, RESERVED) },
	  { RANGE(0x1000, 0x3fff, RESERVED) } },
	{ "other types stay apart",
	  { RANGE(0x1000, 0x3fff, RESERVED), RANGE(0x2000, 0x2fff, DIRECT),
	    RANGE(0x1000, 0x3fff, HW_MSI) },
	  { RANGE(0x1000, 0x3fff, RESERVED), RANGE(0x1000, 0x3fff, HW_MSI),
	    RANGE(0x2000, 0x2fff, DIRECT) } },
	{ "merged over another type",
	  { RANGE(0x1000, 0x1fff, RESERVED), RANGE(0x1800, 0x18ff, DIRECT),
	    RANGE(0x2000, 0x2fff, RESERVED) },
	  { RANGE(0x1000, 0x2fff, RESERVED), RANGE(0x1800, 0x18ff, DIRECT) } },
	{ "duplicates up to the last address",
	  { RANGE(HALF, U64_MAX, RESERVED), RANGE(HALF, U64_MAX, RESERVED) },
	  { RANGE(HALF, U64_MAX, RESERVED) } },
	{ "nested, both up to the last address",
	  { RANGE(HALF, U64_MAX, RESERVED),
	    RANGE(U64_MAX - 0xfff, U64_MAX, RESERVED) },
	  { RANGE(HALF, U64_MAX, RESERVED) } },
	{ "inside of one up to the last address",
	  { RANGE(HALF, U64_MAX, RESERVED),
	    RANGE(HALF + 0x1000, HALF + 0x1fff, RESERVED) },
	  { RANGE(HALF, U64_MAX, RESERVED) } },
	{ "touching one up to the last address",
	  { RANGE(HALF, U64_MAX, RESERVED), RANGE(0x1000, HALF - 1, RESERVED) },
	  { RANGE(0x1000, U64_MAX, RESERVED) } },
	/* 2^64 bytes have no length */
	{ "all addresses",
	  { RANGE(0, HALF - 1, RESERVED), RANGE(HALF, U64_MAX, RESERVED) },
	  { RANGE(0, HALF - 1, RESERVED), RANGE(HALF, U64_MAX, RESERVED) } },
	{ "nothing at 0", { NOTHING(0, RESERVED) }, {} },
	{ "nothing", { NOTHING(0x1000, RESERVED) }, {} },
	{ "nothing before a region at 0",
	  { NOTHING(0, RESERVED), RANGE(0, 0xfff, RESERVED) },
	  { RANGE(0, 0xfff, RESERVED) } },
	{ "nothing after a region at 0",
	  { RANGE(0, 0xfff, RESERVED), NOTHING(0, RESERVED) },
	  { RANGE(0, 0xfff, RESERVED) } },
	{ "nothing in a region",
	  { RANGE(0x1000, 0x1fff, RESERVED), NOTHING(0x1800, RESERVED) },
	  { RANGE(0x1000, 0x1fff, RESERVED) } },
	{ "nothing of another type",
	  { RANGE(0x1000, 0x1fff, RESERVED), NOTHING(0x1000, DIRECT) },
	  { RANGE(0x1000, 0x1fff, RESERVED) } },
};

KUNIT_ARRAY_PARAM_DESC(merge, merge_cases, name);

static void test_merge(struct kunit *test)
{
	const struct merge_case *c = test->param_value;
	unsigned int i;
	LIST_HEAD(list);

	for (i = 0; i != MAX_RANGES && c->in[i].kind != NO_MORE; i++)
		insert_range(test, &list, &c->in[i]);
	expect_list(test, &list, c->want);
	list_free(&list);
}

/* Hundreds of regions, first with gaps, then the gaps are filled */
static void test_merge_many(struct kunit *test)
{
	const unsigned int num = 600;
	struct iommu_resv_region *region;
	LIST_HEAD(list);
	unsigned int i;

	/* 7 and 600 have no divisor in common: all of them, in a wild order */
	for (i = 0; i != num; i++)
		insert(test, &list, (i * 7 % num) * 0x2000, 0x1000, RESERVED);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&list), num);
	i = 0;
	list_for_each_entry(region, &list, list) {
		KUNIT_EXPECT_EQ(test, region->start, i * 0x2000);
		KUNIT_EXPECT_EQ(test, region->length, 0x1000);
		i++;
	}

	for (i = 0; i != num; i++)
		insert(test, &list, (i * 11 % num) * 0x2000 + 0x1000, 0x1000,
		       RESERVED);
	KUNIT_ASSERT_TRUE(test, list_is_singular(&list));
	region = list_first_entry(&list, struct iommu_resv_region, list);
	KUNIT_EXPECT_EQ(test, region->start, 0);
	KUNIT_EXPECT_EQ(test, region->length, num * 0x2000);
	list_free(&list);
}

/* Single regions */

static void test_last(struct kunit *test)
{
	static const struct {
		u64 start, length, last;
	} cases[] = {
		{ 0, 1, 0 },
		{ 0x1000, 0x1000, 0x1fff },
		{ 0, U64_MAX, U64_MAX - 1 },
		{ 1, U64_MAX, U64_MAX },
		{ U64_MAX, 1, U64_MAX },
		/* These claim more than there is */
		{ U64_MAX, 2, U64_MAX },
		{ HALF, U64_MAX, U64_MAX },
	};
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(cases); i++) {
		struct iommu_resv_region region = {
			.start = cases[i].start,
			.length = cases[i].length,
		};

		KUNIT_EXPECT_EQ(test, iommu_resv_region_last(&region),
				cases[i].last);
	}
}

static void expect_enforced(struct kunit *test, enum iommu_resv_type type,
			    bool enforced)
{
	struct iommu_resv_region region = { .length = 1, .type = type };

	KUNIT_EXPECT_EQ_MSG(test, iommu_resv_region_enforced(&region), enforced,
			    "type %d", type);
}

static void test_enforced(struct kunit *test)
{
	expect_enforced(test, IOMMU_RESV_DIRECT, true);
	expect_enforced(test, IOMMU_RESV_DIRECT_RELAXABLE, false);
	expect_enforced(test, IOMMU_RESV_RESERVED, true);
	expect_enforced(test, IOMMU_RESV_MSI, true);
	expect_enforced(test, IOMMU_RESV_SW_MSI, true);
	expect_enforced(test, IOMMU_RESV_BRIDGE_WINDOW, false);
	expect_enforced(test, IOMMU_RESV_NO_DMA, false);
}

static void test_sort(struct kunit *test)
{
	static const struct test_range in[MAX_RANGES] = {
		RANGE(HALF, U64_MAX, RESERVED),	 RANGE(0x1000, 0x1fff, SW_MSI),
		RANGE(0, 0, RESERVED),		 RANGE(0x1000, 0x2fff, DIRECT),
		RANGE(U64_MAX, U64_MAX, HW_MSI), RANGE(0x1000, 0x8fff, DIRECT),
	};
	/* Those with the same start and type keep their order */
	static const struct test_range want[MAX_RANGES] = {
		RANGE(0, 0, RESERVED),		RANGE(0x1000, 0x2fff, DIRECT),
		RANGE(0x1000, 0x8fff, DIRECT),	RANGE(0x1000, 0x1fff, SW_MSI),
		RANGE(HALF, U64_MAX, RESERVED), RANGE(U64_MAX, U64_MAX, HW_MSI),
	};
	LIST_HEAD(list);

	iommu_resv_sort(&list);
	KUNIT_EXPECT_TRUE(test, list_empty(&list));

	list_add_ranges(test, &list, in);
	iommu_resv_sort(&list);
	expect_list(test, &list, want);
	list_free(&list);
}

/* What is left */

struct usable_case {
	const char *name;
	u64 start;
	u64 last;
	struct test_range in[MAX_RANGES];
	/* Their type does not matter */
	struct test_range want[MAX_RANGES];
};

#define LEFT(_start, _last) RANGE(_start, _last, 0)

static const struct usable_case usable_cases[] = {
	{ "no region", 0x1000, 0x1fff, {}, { LEFT(0x1000, 0x1fff) } },
	{ "no region, one byte at 0", 0, 0, {}, { LEFT(0, 0) } },
	{ "no region, one byte at the top", U64_MAX, U64_MAX, {},
	  { LEFT(U64_MAX, U64_MAX) } },
	{ "no range", 0x2000, 0x1fff, {}, {} },
	{ "no range at 0", 1, 0, { RANGE(0, 0xfff, RESERVED) }, {} },
	{ "in the middle", 0, U64_MAX, { RANGE(0x1000, 0x1fff, RESERVED) },
	  { LEFT(0, 0xfff), LEFT(0x2000, U64_MAX) } },
	{ "at 0", 0, U64_MAX, { RANGE(0, 0xfff, RESERVED) },
	  { LEFT(0x1000, U64_MAX) } },
	{ "at the top", 0, U64_MAX, { RANGE(HALF, U64_MAX, RESERVED) },
	  { LEFT(0, HALF - 1) } },
	{ "at both ends", 0, U64_MAX,
	  { RANGE(HALF, U64_MAX, RESERVED), RANGE(0, 0, RESERVED) },
	  { LEFT(1, HALF - 1) } },
	{ "all of it", 0x1000, 0x1fff, { RANGE(0x1000, 0x1fff, RESERVED) }, {} },
	{ "more than all", 0x1000, 0x1fff, { RANGE(0, U64_MAX - 1, RESERVED) },
	  {} },
	{ "all addresses", 0, U64_MAX,
	  { RANGE(0, HALF - 1, RESERVED), RANGE(HALF, U64_MAX, HW_MSI) }, {} },
	{ "all but the last byte", 0x1000, 0x1fff,
	  { RANGE(0x1000, 0x1ffe, RESERVED) }, { LEFT(0x1fff, 0x1fff) } },
	{ "all but the first byte", 0x1000, 0x1fff,
	  { RANGE(0x1001, 0x1fff, RESERVED) }, { LEFT(0x1000, 0x1000) } },
	{ "sticks out below and above", 0x2000, 0x8fff,
	  { RANGE(0x8000, 0x9fff, RESERVED), RANGE(0x1000, 0x2fff, RESERVED) },
	  { LEFT(0x3000, 0x7fff) } },
	{ "beside the range", 0x2000, 0x2fff,
	  { RANGE(0x1000, 0x1fff, RESERVED), RANGE(0x3000, 0x3fff, RESERVED) },
	  { LEFT(0x2000, 0x2fff) } },
	{ "touching", 0, 0xffff,
	  { RANGE(0x2000, 0x2fff, RESERVED), RANGE(0x1000, 0x1fff, HW_MSI) },
	  { LEFT(0, 0xfff), LEFT(0x3000, 0xffff) } },
	{ "one byte between", 0, 0xffff,
	  { RANGE(0x2001, 0x2fff, RESERVED), RANGE(0x1000, 0x1fff, HW_MSI) },
	  { LEFT(0, 0xfff), LEFT(0x2000, 0x2000), LEFT(0x3000, 0xffff) } },
	{ "nested", 0, 0xffff,
	  { RANGE(0x1000, 0x8fff, RESERVED), RANGE(0x2000, 0x2fff, HW_MSI),
	    RANGE(0x4000, 0x4fff, DIRECT) },
	  { LEFT(0, 0xfff), LEFT(0x9000, 0xffff) } },
	{ "duplicates", 0, 0xffff,
	  { RANGE(0x1000, 0x1fff, RESERVED), RANGE(0x1000, 0x1fff, RESERVED) },
	  { LEFT(0, 0xfff), LEFT(0x2000, 0xffff) } },
	{ "nothing", 0, 0xffff,
	  { NOTHING(0, RESERVED), NOTHING(0x1000, RESERVED) },
	  { LEFT(0, 0xffff) } },
	{ "relaxable", 0, 0xffff,
	  { RANGE(0x1000, 0x1fff, RELAXABLE), RANGE(0x1800, 0x2fff, DIRECT) },
	  { LEFT(0, 0x17ff), LEFT(0x3000, 0xffff) } },
};

KUNIT_ARRAY_PARAM_DESC(usable, usable_cases, name);

static int usable_collect(u64 start, u64 last, void *data)
{
	struct list_head *list = data;

	list_add_region(kunit_get_current_test(), list, start, last - start + 1,
			0);
	return 0;
}

static void test_usable(struct kunit *test)
{
	const struct usable_case *c = test->param_value;
	LIST_HEAD(list);
	LIST_HEAD(left);

	list_add_ranges(test, &list, c->in);
	KUNIT_EXPECT_EQ(test, 0,
			iommu_resv_walk_usable(&list, c->start, c->last,
					       usable_collect, &left));
	expect_list(test, &left, c->want);
	list_free(&list);
	list_free(&left);
}

static int usable_stop(u64 start, u64 last, void *data)
{
	unsigned int *calls_left = data;

	return --*calls_left ? 0 : -ENOSPC;
}

/* The last range is found on another way than those before */
static void test_usable_stops(struct kunit *test)
{
	unsigned int calls_left;
	unsigned int i;
	LIST_HEAD(list);

	list_add_region(test, &list, 0x1000, 0x1000, RESERVED);
	list_add_region(test, &list, 0x3000, 0x1000, RESERVED);
	for (i = 1; i <= 3; i++) {
		calls_left = i;
		KUNIT_EXPECT_EQ(test, -ENOSPC,
				iommu_resv_walk_usable(&list, 0, U64_MAX,
						       usable_stop,
						       &calls_left));
		KUNIT_EXPECT_EQ(test, calls_left, 0);
	}
	list_free(&list);
}

static int usable_count(u64 start, u64 last, void *data)
{
	unsigned int *num = data;

	KUNIT_EXPECT_EQ(kunit_get_current_test(), start, *num * 0x2000 + 0x1000);
	++*num;
	return 0;
}

static void test_usable_many(struct kunit *test)
{
	const unsigned int num = 600;
	unsigned int seen = 0;
	LIST_HEAD(list);
	unsigned int i;

	for (i = 0; i != num; i++)
		list_add_region(test, &list, (i * 7 % num) * 0x2000, 0x1000,
				RESERVED);
	KUNIT_EXPECT_EQ(test, 0,
			iommu_resv_walk_usable(&list, 0, U64_MAX,
					       usable_count, &seen));
	KUNIT_EXPECT_EQ(test, seen, num);
	list_free(&list);
}

/* Host bridges */

#define WINDOW(_start, _last) RANGE(_start, _last, IOMMU_RESV_BRIDGE_WINDOW)
#define NO_DMA(_start, _last) RANGE(_start, _last, IOMMU_RESV_NO_DMA)

static const struct bridge_case {
	const char *name;
	/* CPU address - bus address */
	u64 offset;
	/* Bus addresses */
	struct test_range windows[MAX_RANGES];
	struct test_range dma_ranges[MAX_RANGES];
	struct test_range want[MAX_RANGES];
	/* Last bus address, 0 if there is no limit */
	u64 limit;
} bridge_cases[] = {
	{ "nothing known", 0, {}, {}, {} },
	{ "windows only", 0,
	  { LEFT(0x1000, 0x1fff), LEFT(HALF, U64_MAX) }, {},
	  { WINDOW(0x1000, 0x1fff), WINDOW(HALF, U64_MAX) } },
	{ "windows at another bus address", 0x10000,
	  { LEFT(0x1000, 0x1fff) }, {}, { WINDOW(0x1000, 0x1fff) } },
	{ "DMA from all but the top", 0, {}, { LEFT(0, HALF - 1) },
	  { NO_DMA(HALF, U64_MAX) } },
	{ "DMA from the top only", 0, {}, { LEFT(HALF, U64_MAX) },
	  { NO_DMA(0, HALF - 1) } },
	{ "DMA from two ranges, not sorted", 0x10000, {},
	  { LEFT(0x5000, 0x5fff), LEFT(0x1000, 0x1fff) },
	  { NO_DMA(0, 0xfff), NO_DMA(0x2000, 0x4fff),
	    NO_DMA(0x6000, U64_MAX) } },
	{ "DMA from two ranges that overlap", 0, {},
	  { LEFT(0, 0x5fff), LEFT(0x1000, HALF) },
	  { NO_DMA(HALF + 1, U64_MAX) } },
	{ "DMA from two ranges that are all addresses", 0, {},
	  { LEFT(HALF, U64_MAX), LEFT(0, HALF - 1) }, {} },
	{ "both", 0, { LEFT(0x1000, 0x1fff) }, { LEFT(0, HALF - 1) },
	  { WINDOW(0x1000, 0x1fff), NO_DMA(HALF, U64_MAX) } },
	{ "limit only", 0, {}, {}, { NO_DMA(HALF, U64_MAX) }, HALF - 1 },
	{ "limit in a range", 0, {},
	  { LEFT(0x1000, 0x1fff), LEFT(0x3000, U64_MAX) },
	  { NO_DMA(0, 0xfff), NO_DMA(0x2000, 0x2fff),
	    NO_DMA(HALF, U64_MAX) }, HALF - 1 },
	{ "limit between ranges", 0, {},
	  { LEFT(0, 0x1fff), LEFT(HALF, U64_MAX) },
	  { NO_DMA(0x2000, U64_MAX) }, 0x2fff },
	{ "limit at the end of a range", 0, {}, { LEFT(0, HALF - 1) },
	  { NO_DMA(HALF, U64_MAX) }, HALF - 1 },
	{ "limit below all ranges", 0, {}, { LEFT(HALF, U64_MAX) },
	  { NO_DMA(0, HALF - 1), NO_DMA(HALF, U64_MAX) }, 0xfff },
};

KUNIT_ARRAY_PARAM_DESC(bridge, bridge_cases, name);

static void bridge_add(struct kunit *test, struct list_head *list, u64 offset,
		       u64 start, u64 last, unsigned long type)
{
	struct resource_entry *entry;

	entry = resource_list_create_entry(NULL, 0);
	KUNIT_ASSERT_NOT_NULL(test, entry);
	entry->res->start = start + offset;
	entry->res->end = last + offset;
	entry->res->flags = type;
	entry->offset = offset;
	resource_list_add_tail(entry, list);
}

static void bridge_add_ranges(struct kunit *test, struct list_head *list,
			      u64 offset, const struct test_range *ranges)
{
	unsigned int i;

	for (i = 0; i != MAX_RANGES && ranges[i].kind != NO_MORE; i++)
		bridge_add(test, list, offset, ranges[i].start, ranges[i].last,
			   IORESOURCE_MEM);
}

static void expect_order(struct kunit *test, struct list_head *entries,
			 u64 offset, const struct test_range *ranges)
{
	struct resource_entry *entry;
	unsigned int i = 0;

	resource_list_for_each_entry(entry, entries)
		if (resource_type(entry->res) == IORESOURCE_MEM)
			KUNIT_EXPECT_EQ(test, entry->res->start - offset,
					ranges[i++].start);
}

static void test_bridge(struct kunit *test)
{
	const struct bridge_case *c = test->param_value;
	u64 limit = c->limit ?: U64_MAX;
	LIST_HEAD(dma_ranges);
	LIST_HEAD(windows);
	LIST_HEAD(list);

	bridge_add(test, &windows, 0, 0, 0xffff, IORESOURCE_IO);
	bridge_add(test, &windows, 0, 0, 0xff, IORESOURCE_BUS);
	bridge_add_ranges(test, &windows, c->offset, c->windows);
	bridge_add_ranges(test, &dma_ranges, c->offset, c->dma_ranges);
	KUNIT_EXPECT_EQ(test, 0,
			iommu_resv_add_bridge(&windows, &dma_ranges, NULL,
					      limit, &list));
	expect_list(test, &list, c->want);
	expect_order(test, &windows, c->offset, c->windows);
	expect_order(test, &dma_ranges, c->offset, c->dma_ranges);
	list_free(&list);
	resource_list_free(&windows);
	resource_list_free(&dma_ranges);
}

/* The same, but for the list of DMA ranges it is a map */
static void test_bridge_map(struct kunit *test)
{
	const struct bridge_case *c = test->param_value;
	struct bus_dma_region map[MAX_RANGES + 1] = {};
	u64 limit = c->limit ?: U64_MAX;
	LIST_HEAD(windows);
	LIST_HEAD(list);
	LIST_HEAD(none);
	unsigned int i;

	bridge_add_ranges(test, &windows, c->offset, c->windows);
	for (i = 0; i != MAX_RANGES && c->dma_ranges[i].kind != NO_MORE; i++) {
		map[i].cpu_start = c->dma_ranges[i].start + c->offset;
		map[i].dma_start = c->dma_ranges[i].start;
		map[i].size = c->dma_ranges[i].last - map[i].dma_start + 1;
	}
	KUNIT_EXPECT_EQ(test, 0,
			iommu_resv_add_bridge(&windows, &none, i ? map : NULL,
					      limit, &list));
	expect_list(test, &list, c->want);
	list_free(&list);
	resource_list_free(&windows);
}

/* One range with all addresses, whose length is no number */
static void test_bridge_all(struct kunit *test)
{
	LIST_HEAD(dma_ranges);
	LIST_HEAD(windows);
	LIST_HEAD(list);

	bridge_add(test, &dma_ranges, 0, 0, U64_MAX, IORESOURCE_MEM);
	KUNIT_EXPECT_EQ(test, 0,
			iommu_resv_add_bridge(&windows, &dma_ranges, NULL,
					      U64_MAX, &list));
	KUNIT_EXPECT_TRUE(test, list_empty(&list));
	list_free(&list);
	resource_list_free(&dma_ranges);
}

/* Text */

static void expect_text(struct kunit *test, struct list_head *list, u64 start,
			u64 last, bool aperture, const char *want)
{
	struct seq_file m = { .size = PAGE_SIZE };

	m.buf = kunit_kzalloc(test, m.size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	iommu_resv_print(&m, list, start, last, aperture);
	KUNIT_ASSERT_LT(test, m.count, m.size);
	KUNIT_EXPECT_STREQ(test, m.buf, want);
	KUNIT_EXPECT_EQ(test, m.count, strlen(want));
}

static void test_print(struct kunit *test)
{
	static const struct test_range in[MAX_RANGES] = {
		RANGE(0x8000000, 0x80fffff, SW_MSI),
		RANGE(0x1000, 0x1fff, RELAXABLE),
		NOTHING(0x3000, RESERVED),
		RANGE(HALF, U64_MAX, RESERVED),
	};
	LIST_HEAD(list);

	expect_text(test, &list, 0, U64_MAX, false,
		    "0x0000000000000000 0xffffffffffffffff usable\n");
	/* Two devices with nothing in common */
	expect_text(test, &list, 0x1000, 0xfff, true, "");

	list_add_ranges(test, &list, in);
	expect_text(test, &list, 0, U64_MAX, true,
		    "0x0000000000000000 0xffffffffffffffff aperture\n"
		    "0x0000000000001000 0x0000000000001fff direct-relaxable\n"
		    "0x0000000008000000 0x00000000080fffff sw-msi\n"
		    "0x8000000000000000 0xffffffffffffffff reserved\n"
		    "0x0000000000000000 0x0000000007ffffff usable\n"
		    "0x0000000008100000 0x7fffffffffffffff usable\n");
	list_free(&list);
}

/* More than a buffer holds: seq_file sees that, and comes again with a larger one */
static void test_print_many(struct kunit *test)
{
	const unsigned int num = 600;
	struct seq_file m = { .size = SZ_4K };
	LIST_HEAD(list);
	unsigned int i;

	for (i = 0; i != num; i++)
		list_add_region(test, &list, U64_MAX / 2 + i * 0x2000, 0x1000,
				RESERVED);
	m.buf = kunit_kzalloc(test, SZ_64K, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	iommu_resv_print(&m, &list, 0, U64_MAX, true);
	KUNIT_EXPECT_TRUE(test, seq_has_overflowed(&m));

	m.size = SZ_64K;
	m.count = 0;
	iommu_resv_print(&m, &list, 0, U64_MAX, true);
	KUNIT_EXPECT_FALSE(test, seq_has_overflowed(&m));
	KUNIT_EXPECT_EQ(test, m.count, 47 + num * 47 + (num + 1) * 45);
	list_free(&list);
}

/* Random lists against a bitmap */

#define MODEL_BITS	256
#define MODEL_REGIONS	24
#define MODEL_ROUNDS	300
#define MODEL_SEED	0x20160207

static const enum iommu_resv_type model_types[] = {
	IOMMU_RESV_DIRECT, IOMMU_RESV_DIRECT_RELAXABLE, IOMMU_RESV_RESERVED,
	IOMMU_RESV_MSI, IOMMU_RESV_SW_MSI,
};

struct model {
	/* Address of bit 0 */
	u64 base;
	struct rnd_state rnd;
	/* Bytes that a region of the type has */
	unsigned long type[ARRAY_SIZE(model_types)][BITS_TO_LONGS(MODEL_BITS)];
	/* Bytes that any enforced region has */
	unsigned long enforced[BITS_TO_LONGS(MODEL_BITS)];
};

static const struct model_place {
	const char *name;
	u64 base;
} model_places[] = {
	{ "bottom", 0 },
	{ "middle", HALF - 13 },
	{ "top", U64_MAX - MODEL_BITS + 1 },
};

KUNIT_ARRAY_PARAM_DESC(model_place, model_places, name);

/* Add a random region, one of 16 of them has no byte */
static void model_add(struct kunit *test, struct model *m,
		      struct list_head *list, struct list_head *merged)
{
	u32 start = prandom_u32_state(&m->rnd) % MODEL_BITS;
	u32 length = prandom_u32_state(&m->rnd) % 16;
	u32 t = prandom_u32_state(&m->rnd) % ARRAY_SIZE(model_types);
	enum iommu_resv_type type = model_types[t];

	length = min(length, MODEL_BITS - start);
	list_add_region(test, list, m->base + start, length, type);
	insert(test, merged, m->base + start, length, type);

	bitmap_set(m->type[t], start, length);
	if (type != IOMMU_RESV_DIRECT_RELAXABLE)
		bitmap_set(m->enforced, start, length);
}

/* Take the run of bits that is next in the order of a merged list out of m */
static bool model_pop(struct model *m, struct test_range *range)
{
	unsigned int best = MODEL_BITS;
	unsigned int best_t = 0;
	unsigned int len;
	unsigned int t;

	/* Of those with the lowest start the one with the lowest type */
	for (t = 0; t != ARRAY_SIZE(model_types); t++) {
		unsigned int bit = find_first_bit(m->type[t], MODEL_BITS);

		if (bit < best) {
			best = bit;
			best_t = t;
		}
	}
	if (best == MODEL_BITS)
		return false;

	len = find_next_zero_bit(m->type[best_t], MODEL_BITS, best) - best;
	bitmap_clear(m->type[best_t], best, len);
	range->kind = SOME;
	range->start = m->base + best;
	range->last = range->start + len - 1;
	range->type = model_types[best_t];
	return true;
}

static void model_expect_merged(struct kunit *test, struct model *m,
				struct list_head *merged)
{
	struct iommu_resv_region *region;
	struct test_range want;

	list_for_each_entry(region, merged, list) {
		KUNIT_ASSERT_TRUE(test, model_pop(m, &want));
		expect_region(test, region, &want);
	}
	KUNIT_EXPECT_FALSE(test, model_pop(m, &want));
}

static void model_expect_usable(struct kunit *test, struct model *m,
				struct list_head *list)
{
	u32 a = prandom_u32_state(&m->rnd) % MODEL_BITS;
	u32 b = prandom_u32_state(&m->rnd) % MODEL_BITS;
	u32 first = min(a, b);
	u32 last = max(a, b);
	struct iommu_resv_region *left;
	unsigned long start, end;
	LIST_HEAD(usable);

	KUNIT_EXPECT_EQ(test, 0,
			iommu_resv_walk_usable(list, m->base + first,
					       m->base + last,
					       usable_collect, &usable));

	start = first;
	list_for_each_entry(left, &usable, list) {
		start = find_next_zero_bit(m->enforced, last + 1, start);
		KUNIT_ASSERT_LE(test, start, last);
		end = find_next_bit(m->enforced, last + 1, start);
		KUNIT_EXPECT_EQ(test, left->start, m->base + start);
		KUNIT_EXPECT_EQ(test, left->length, end - start);
		start = end;
	}
	KUNIT_EXPECT_EQ(test, find_next_zero_bit(m->enforced, last + 1, start),
			last + 1);
	list_free(&usable);
}

static void test_random(struct kunit *test)
{
	const struct model_place *place = test->param_value;
	struct model *m;
	unsigned int round;
	unsigned int i;

	m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m);
	prandom_seed_state(&m->rnd, MODEL_SEED);
	m->base = place->base;
	kunit_info(test, "seed 0x%x, %u rounds\n", MODEL_SEED, MODEL_ROUNDS);

	for (round = 0; round != MODEL_ROUNDS; round++) {
		LIST_HEAD(merged);
		LIST_HEAD(list);

		memset(m->type, 0, sizeof(m->type));
		bitmap_zero(m->enforced, MODEL_BITS);
		for (i = 0; i != MODEL_REGIONS; i++)
			model_add(test, m, &list, &merged);

		/* Merging leaves as much as before, sorting too */
		model_expect_usable(test, m, &list);
		model_expect_usable(test, m, &merged);
		model_expect_merged(test, m, &merged);
		list_free(&list);
		list_free(&merged);
	}
}

static struct kunit_case iommu_resv_test_cases[] = {
	KUNIT_CASE_PARAM(test_merge, merge_gen_params),
	KUNIT_CASE(test_merge_many),
	KUNIT_CASE(test_last),
	KUNIT_CASE(test_enforced),
	KUNIT_CASE(test_sort),
	KUNIT_CASE_PARAM(test_usable, usable_gen_params),
	KUNIT_CASE(test_usable_stops),
	KUNIT_CASE(test_usable_many),
	KUNIT_CASE_PARAM(test_bridge, bridge_gen_params),
	KUNIT_CASE_PARAM(test_bridge_map, bridge_gen_params),
	KUNIT_CASE(test_bridge_all),
	KUNIT_CASE(test_print),
	KUNIT_CASE(test_print_many),
	KUNIT_CASE_PARAM(test_random, model_place_gen_params),
	{}
};

static struct kunit_suite iommu_resv_test_suite = {
	.name = "iommu-resv",
	.test_cases = iommu_resv_test_cases,
};

kunit_test_suites(&iommu_resv_test_suite);

MODULE_DESCRIPTION("KUnit tests of reserved IOVA regions");
MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_LICENSE("GPL");
