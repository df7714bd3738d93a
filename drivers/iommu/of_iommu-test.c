// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the reserved regions that a devicetree describes
 *
 * of_iommu_test.dtso has the devices and the regions. A devicetree that is wrong
 * must neither cost a device its IOMMU nor reserve what it does not say.
 */
#include <kunit/device.h>
#include <kunit/of.h>
#include <kunit/test.h>
#include <linux/iommu.h>
#include <linux/of.h>
#include <linux/of_iommu.h>

#define TEST_BUS "/kunit-of-iommu"

struct test_region {
	u64 start;
	u64 length;
	enum iommu_resv_type type;
};

static int of_iommu_test_init(struct kunit *test)
{
	return of_overlay_apply_kunit(test, of_iommu_test);
}

static struct device_node *test_node(struct kunit *test, const char *path)
{
	struct device_node *np = of_find_node_by_path(path);

	KUNIT_ASSERT_NOT_NULL(test, np);
	of_node_put_kunit(test, np);
	return np;
}

static void expect_regions(struct kunit *test, const char *path,
			   const struct test_region *want, unsigned int num)
{
	struct device *dev = kunit_device_register(test, "of-iommu");
	struct iommu_resv_region *region, *next;
	unsigned int refs, i = 0;
	LIST_HEAD(list);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	dev->of_node = test_node(test, path);
	refs = kref_read(&dev->of_node->kobj.kref);
	KUNIT_EXPECT_EQ(test, 0, of_iommu_get_resv_regions(dev, &list));
	KUNIT_EXPECT_EQ(test, refs, kref_read(&dev->of_node->kobj.kref));
	list_for_each_entry_safe(region, next, &list, list) {
		if (i < num) {
			KUNIT_EXPECT_EQ(test, region->start, want[i].start);
			KUNIT_EXPECT_EQ(test, region->length, want[i].length);
			KUNIT_EXPECT_EQ(test, region->type, want[i].type);
			KUNIT_EXPECT_EQ(test, region->prot & ~IOMMU_CACHE,
					IOMMU_READ | IOMMU_WRITE);
		}
		i++;
		kfree(region);
	}
	KUNIT_EXPECT_EQ(test, i, num);
	dev->of_node = NULL;
}

/* Every kind of entry, in the order of memory-region */
static void test_device_regions(struct kunit *test)
{
	static const struct test_region want[] = {
		{ 0x20000000, 0x2000, IOMMU_RESV_DIRECT },
		{ 0x22000000, 0x1000, IOMMU_RESV_RESERVED },
		{ 0x100000000, 0x100000000, IOMMU_RESV_RESERVED },
		{ 0x30000000, 0x1000, IOMMU_RESV_RESERVED },
		{ 0x40000000, 0x1000, IOMMU_RESV_RESERVED },
		{ 0x41000000, 0x1000, IOMMU_RESV_RESERVED },
		{ 0x50000000, 0x1000, IOMMU_RESV_RESERVED },
		{ 0x60000000, 0x1000, IOMMU_RESV_RESERVED },
		{ 0x71000000, 0x1000, IOMMU_RESV_RESERVED },
		{ 0x72000000, 0x1000, IOMMU_RESV_RESERVED },
	};

	if (!IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "a region is 4 GiB large");
	expect_regions(test, TEST_BUS "/device", want, ARRAY_SIZE(want));
}

/* Where it is reserved looks like the phandle of another device */
static void test_other_device(struct kunit *test)
{
	struct test_region want[] = {
		{ 0, 0x2000, IOMMU_RESV_RESERVED },
	};

	want[0].start = test_node(test, TEST_BUS "/device")->phandle;
	expect_regions(test, TEST_BUS "/device-none", want, ARRAY_SIZE(want));
}

/* One cell of address and one of length, between entries of two each */
static void test_narrow_bus(struct kunit *test)
{
	struct test_region want[] = {
		{ 0, 0x3000, IOMMU_RESV_RESERVED },
	};

	want[0].start = test_node(test, TEST_BUS "/device")->phandle;
	expect_regions(test, TEST_BUS "/narrow-bus/device", want,
		       ARRAY_SIZE(want));
}

/* dma-ranges of the bus leave the first entry out */
static void test_untranslated(struct kunit *test)
{
	static const struct test_region want[] = {
		{ 0x40001000, 0x1000, IOMMU_RESV_RESERVED },
	};

	expect_regions(test, TEST_BUS "/low-bus/device", want,
		       ARRAY_SIZE(want));
}

static void test_no_node(struct kunit *test)
{
	struct device *dev = kunit_device_register(test, "of-iommu");
	LIST_HEAD(list);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_EXPECT_EQ(test, 0, of_iommu_get_resv_regions(dev, &list));
	KUNIT_EXPECT_TRUE(test, list_empty(&list));
}

static struct kunit_case of_iommu_test_cases[] = {
	KUNIT_CASE(test_device_regions),
	KUNIT_CASE(test_other_device),
	KUNIT_CASE(test_narrow_bus),
	KUNIT_CASE(test_untranslated),
	KUNIT_CASE(test_no_node),
	{}
};

static struct kunit_suite of_iommu_test_suite = {
	.name = "iommu-resv-of",
	.init = of_iommu_test_init,
	.test_cases = of_iommu_test_cases,
};

kunit_test_suite(of_iommu_test_suite);

MODULE_DESCRIPTION("KUnit tests of reserved regions in the devicetree");
MODULE_LICENSE("GPL");
