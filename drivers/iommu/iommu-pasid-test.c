// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the allocator of PASIDs
 *
 * Each test has a space of numbers of its own, a clock that moves when the test
 * says so, and devices that are only known to the space. The work that frees
 * what has rested runs in another time: it is off, unless a test is about it.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "iommu-pasid.h"

#define NUM_DEVICES	3
#define GRACE		1000ULL
/* Limit of the devices: PASIDs 1 to 7 */
#define LIMIT		8U

static u64 clock;

static u64 clock_now(void)
{
	return clock;
}

struct pasid_test {
	struct iommu_pasid_space space;
	struct iommu_pasid_device devices[NUM_DEVICES];
};

/* What drain_ok() and its like were called for */
static ioasid_t drained[16];
static unsigned int num_drained;

static int drain_ok(struct device *dev, ioasid_t pasid, unsigned long deadline)
{
	if (num_drained < ARRAY_SIZE(drained))
		drained[num_drained++] = pasid;
	return 0;
}

static int drain_odd(struct device *dev, ioasid_t pasid, unsigned long deadline)
{
	drain_ok(dev, pasid, deadline);
	return pasid % 2 ? 0 : -ETIMEDOUT;
}

static int drain_late(struct device *dev, ioasid_t pasid,
		      unsigned long deadline)
{
	drain_ok(dev, pasid, deadline);
	while (time_before_eq(jiffies, deadline))
		msleep(20);
	return -ETIMEDOUT;
}

static int drain_slowly(struct device *dev, ioasid_t pasid,
			unsigned long deadline)
{
	drain_ok(dev, pasid, deadline);
	msleep(40);
	return -ETIMEDOUT;
}

static int pasid_init(struct kunit *test)
{
	static const char *const names[NUM_DEVICES] = { "pasid0", "pasid1",
							"pasid2" };
	struct pasid_test *t;
	struct device *dev;
	unsigned int i;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	clock = 12345;
	num_drained = 0;
	iommu_pasid_space_init(&t->space, clock_now);
	disable_delayed_work_sync(&t->space.work);
	t->space.grace = GRACE;
	for (i = 0; i != NUM_DEVICES; i++) {
		dev = kunit_device_register(test, names[i]);
		KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
		iommu_pasid_device_init(&t->devices[i], dev);
		iommu_pasid_device_limit(&t->space, &t->devices[i], LIMIT);
	}
	test->priv = t;
	return 0;
}

static void pasid_exit(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	if (!t)
		return;
	for (i = 0; i != NUM_DEVICES; i++)
		iommu_pasid_device_destroy(&t->space, &t->devices[i]);
	iommu_pasid_space_destroy(&t->space);
}

/* PASID or error of an allocation for a driver */
static int get(struct pasid_test *t, unsigned int device)
{
	ioasid_t pasid;
	int ret;

	ret = iommu_pasid_alloc(&t->space, &t->devices[device],
				IOMMU_PASID_DRIVER, 0, U32_MAX, &pasid);
	return ret ?: pasid;
}

static int get_range(struct pasid_test *t, unsigned int device,
		     enum iommu_pasid_owner owner, u32 min, u32 max)
{
	ioasid_t pasid;
	int ret;

	ret = iommu_pasid_alloc(&t->space, &t->devices[device], owner, min, max,
				&pasid);
	return ret ?: pasid;
}

static bool put(struct pasid_test *t, ioasid_t pasid)
{
	return iommu_pasid_release(&t->space, pasid);
}

static int attach(struct pasid_test *t, unsigned int device, ioasid_t pasid)
{
	return iommu_pasid_attach(&t->space, &t->devices[device], pasid);
}

static void detach(struct pasid_test *t, unsigned int device, ioasid_t pasid)
{
	iommu_pasid_detach(&t->space, &t->devices[device], pasid);
}

static void attach_failed(struct pasid_test *t, unsigned int device,
			  ioasid_t pasid)
{
	iommu_pasid_attach_failed(&t->space, &t->devices[device], pasid);
}

static bool drained_by(struct pasid_test *t, unsigned int device,
		       ioasid_t pasid)
{
	return iommu_pasid_device_drained(&t->space, &t->devices[device],
					  pasid);
}

/* A PASID that device @device has had attached, and that rests now */
static ioasid_t get_resting(struct kunit *test, unsigned int device)
{
	struct pasid_test *t = test->priv;
	int pasid = get(t, device);

	KUNIT_ASSERT_GT(test, pasid, 0);
	KUNIT_ASSERT_EQ(test, attach(t, device, pasid), 0);
	detach(t, device, pasid);
	KUNIT_ASSERT_TRUE(test, put(t, pasid));
	return pasid;
}

static bool is_free(struct pasid_test *t, ioasid_t pasid)
{
	return !xa_load(&t->space.pasids, pasid);
}

static void pasid_smallest_first(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, get(t, 0), 1);
	KUNIT_EXPECT_EQ(test, get(t, 1), 2);
	KUNIT_EXPECT_EQ(test, get(t, 2), 3);
	KUNIT_EXPECT_TRUE(test, put(t, 2));
	KUNIT_EXPECT_EQ(test, get(t, 0), 2);
	KUNIT_EXPECT_EQ(test, t->space.live[IOMMU_PASID_DRIVER], 3);
	KUNIT_EXPECT_EQ(test, t->space.ends[IOMMU_PASID_UNUSED], 1);
}

static void pasid_release_twice(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	ioasid_t pasid = get_resting(test, 0);

	KUNIT_EXPECT_FALSE(test, put(t, pasid));
	KUNIT_EXPECT_FALSE(test, put(t, 5));
	KUNIT_EXPECT_EQ(test, t->space.num_resting, 1);
}

/* To the tick */
static void pasid_grace(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	ioasid_t pasid = get_resting(test, 0);

	KUNIT_EXPECT_EQ(test, attach(t, 0, pasid), -EBUSY);
	KUNIT_EXPECT_EQ(test, attach(t, 1, pasid), -EBUSY);
	KUNIT_EXPECT_EQ(test, get(t, 0), 2);

	clock += GRACE - 1;
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_FALSE(test, is_free(t, pasid));
	KUNIT_EXPECT_EQ(test, get(t, 0), 3);

	clock++;
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_TRUE(test, is_free(t, pasid));
	KUNIT_EXPECT_EQ(test, t->space.ends[IOMMU_PASID_EXPIRED], 1);
	KUNIT_EXPECT_EQ(test, get(t, 0), pasid);
	KUNIT_EXPECT_EQ(test, attach(t, 0, pasid), 0);
	detach(t, 0, pasid);
}

/* Those who allocate do not depend on the work */
static void pasid_grace_on_demand(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	for (i = 1; i != LIMIT; i++) {
		get_resting(test, 0);
		clock += 10;
	}
	KUNIT_EXPECT_EQ(test, get(t, 0), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t->space.exhausted, 1);
	clock += GRACE - 10 * (LIMIT - 1);
	KUNIT_EXPECT_EQ(test, get(t, 0), 1);
	KUNIT_EXPECT_EQ(test, get(t, 0), -ENOSPC);
	clock += 20;
	KUNIT_EXPECT_EQ(test, get(t, 0), 2);
	KUNIT_EXPECT_EQ(test, get(t, 0), 3);
	KUNIT_EXPECT_EQ(test, get(t, 0), -ENOSPC);
}

/* With time as it is: nobody asks, and the number comes back */
static void pasid_work(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned long end = jiffies + 30 * HZ;
	u64 released;

	enable_delayed_work(&t->space.work);
	t->space.now = ktime_get_ns;
	t->space.grace = 50 * NSEC_PER_MSEC;
	released = ktime_get_ns();
	get_resting(test, 0);
	while (!is_free(t, 1) && time_before(jiffies, end))
		msleep(20);
	KUNIT_EXPECT_TRUE(test, is_free(t, 1));
	KUNIT_EXPECT_GE(test, ktime_get_ns() - released, t->space.grace);
	KUNIT_EXPECT_EQ(test, t->space.ends[IOMMU_PASID_EXPIRED], 1);
}

static void pasid_no_grace(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	t->space.grace = 0;
	KUNIT_EXPECT_TRUE(test, is_free(t, get_resting(test, 0)));
}

static void pasid_drained(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	ioasid_t pasid = get_resting(test, 0);

	/* Of no interest: a device that never had it */
	KUNIT_EXPECT_TRUE(test, drained_by(t, 1, pasid));
	KUNIT_EXPECT_FALSE(test, is_free(t, pasid));
	KUNIT_EXPECT_TRUE(test, drained_by(t, 0, pasid));
	KUNIT_EXPECT_TRUE(test, is_free(t, pasid));
	KUNIT_EXPECT_EQ(test, t->space.ends[IOMMU_PASID_DRAINED], 1);
	KUNIT_EXPECT_TRUE(test, drained_by(t, 0, pasid));
}

static void pasid_drained_before_release(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	int pasid = get(t, 0);

	KUNIT_ASSERT_EQ(test, attach(t, 0, pasid), 0);
	KUNIT_EXPECT_FALSE(test, drained_by(t, 0, pasid));
	detach(t, 0, pasid);
	KUNIT_EXPECT_TRUE(test, drained_by(t, 0, pasid));

	/* Attached once more, so what was said before counts for nothing */
	KUNIT_ASSERT_EQ(test, attach(t, 0, pasid), 0);
	detach(t, 0, pasid);
	put(t, pasid);
	KUNIT_EXPECT_FALSE(test, is_free(t, pasid));

	pasid = get(t, 0);
	KUNIT_ASSERT_EQ(test, attach(t, 0, pasid), 0);
	detach(t, 0, pasid);
	KUNIT_EXPECT_TRUE(test, drained_by(t, 0, pasid));
	put(t, pasid);
	KUNIT_EXPECT_TRUE(test, is_free(t, pasid));
}

static void pasid_drained_by_each(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	int pasid = get(t, 0);

	KUNIT_ASSERT_EQ(test, attach(t, 0, pasid), 0);
	KUNIT_ASSERT_EQ(test, attach(t, 1, pasid), 0);
	detach(t, 0, pasid);
	detach(t, 1, pasid);
	put(t, pasid);
	KUNIT_EXPECT_TRUE(test, drained_by(t, 1, pasid));
	KUNIT_EXPECT_FALSE(test, is_free(t, pasid));
	KUNIT_EXPECT_TRUE(test, drained_by(t, 0, pasid));
	KUNIT_EXPECT_TRUE(test, is_free(t, pasid));
}

/* A device that is no more has nothing in its queues */
static void pasid_device_goes(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	ioasid_t pasid = get_resting(test, 0);
	ioasid_t other = get_resting(test, 1);

	iommu_pasid_device_destroy(&t->space, &t->devices[0]);
	KUNIT_EXPECT_TRUE(test, is_free(t, pasid));
	KUNIT_EXPECT_FALSE(test, is_free(t, other));
}

/* A mistake of the owner; the promise holds all the same */
static void pasid_released_attached(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	int pasid = get(t, 0);

	KUNIT_ASSERT_EQ(test, attach(t, 0, pasid), 0);
	KUNIT_ASSERT_EQ(test, attach(t, 1, pasid), 0);
	KUNIT_EXPECT_FALSE(test, put(t, pasid));
	clock += 10 * GRACE;
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_FALSE(test, is_free(t, pasid));

	detach(t, 0, pasid);
	clock += 10 * GRACE;
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_FALSE(test, is_free(t, pasid));

	/* Counted from here */
	detach(t, 1, pasid);
	clock += GRACE - 1;
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_FALSE(test, is_free(t, pasid));
	clock++;
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_TRUE(test, is_free(t, pasid));
}

/* A domain can be replaced by attaching the next one before the last is gone */
/* A device that refused a domain has nothing that would be waited for */
static void pasid_attach_fails(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	int pasid = get(t, 0);

	KUNIT_ASSERT_EQ(test, attach(t, 0, pasid), 0);
	attach_failed(t, 0, pasid);
	KUNIT_EXPECT_TRUE(test, put(t, pasid));
	KUNIT_EXPECT_TRUE(test, is_free(t, pasid));
	KUNIT_EXPECT_EQ(test, t->space.ends[IOMMU_PASID_UNUSED], 1);

	/* What it had before counts */
	pasid = get(t, 0);
	KUNIT_ASSERT_EQ(test, attach(t, 0, pasid), 0);
	detach(t, 0, pasid);
	KUNIT_ASSERT_EQ(test, attach(t, 0, pasid), 0);
	attach_failed(t, 0, pasid);
	KUNIT_EXPECT_TRUE(test, put(t, pasid));
	KUNIT_EXPECT_FALSE(test, is_free(t, pasid));
	clock += GRACE;
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_TRUE(test, is_free(t, pasid));
}

/* The release of a PASID that an attach is under way to waits for its end */
static void pasid_attach_fails_late(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	int pasid = get(t, 0);

	KUNIT_ASSERT_EQ(test, attach(t, 0, pasid), 0);
	KUNIT_ASSERT_EQ(test, attach(t, 1, pasid), 0);
	KUNIT_EXPECT_FALSE(test, put(t, pasid));
	attach_failed(t, 0, pasid);
	KUNIT_EXPECT_FALSE(test, is_free(t, pasid));
	attach_failed(t, 1, pasid);
	KUNIT_EXPECT_TRUE(test, is_free(t, pasid));
	KUNIT_EXPECT_EQ(test, t->space.num_resting, 0);
}

static void pasid_attached_twice(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	int pasid = get(t, 0);

	KUNIT_ASSERT_EQ(test, attach(t, 0, pasid), 0);
	KUNIT_ASSERT_EQ(test, attach(t, 0, pasid), 0);
	detach(t, 0, pasid);
	KUNIT_EXPECT_FALSE(test, drained_by(t, 0, pasid));
	detach(t, 0, pasid);
	KUNIT_EXPECT_TRUE(test, drained_by(t, 0, pasid));
}

/* Numbers that are not of the allocator are nobody's business */
static void pasid_foreign(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, attach(t, 0, 5), 0);
	KUNIT_EXPECT_TRUE(test, is_free(t, 5));
	detach(t, 0, 5);
	KUNIT_EXPECT_TRUE(test, drained_by(t, 0, 5));
}

static void fill_with_resting(struct kunit *test, unsigned int device)
{
	unsigned int i;

	for (i = 1; i != LIMIT; i++) {
		get_resting(test, device);
		clock++;
	}
}

static void pasid_reclaim_oldest(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	fill_with_resting(test, 0);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_ok);
	for (i = 1; i != LIMIT; i++) {
		KUNIT_EXPECT_EQ(test, get(t, 0), i);
		KUNIT_EXPECT_EQ(test, num_drained, i);
		KUNIT_EXPECT_EQ(test, drained[i - 1], i);
	}
	KUNIT_EXPECT_EQ(test, get(t, 0), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t->space.ends[IOMMU_PASID_RECLAIMED], LIMIT - 1);
}

/* Not in the order of the numbers */
static void pasid_reclaim_order(struct kunit *test)
{
	static const ioasid_t order[] = { 3, 7, 1, 2, 6, 4, 5 };
	struct pasid_test *t = test->priv;
	unsigned int i;

	for (i = 1; i != LIMIT; i++) {
		KUNIT_ASSERT_EQ(test, get(t, 0), i);
		KUNIT_ASSERT_EQ(test, attach(t, 0, i), 0);
		detach(t, 0, i);
	}
	for (i = 0; i != ARRAY_SIZE(order); i++)
		put(t, order[i]);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_ok);
	for (i = 0; i != ARRAY_SIZE(order); i++)
		KUNIT_EXPECT_EQ(test, get(t, 0), order[i]);
}

/* One device that cannot be asked is enough to let a PASID rest */
static void pasid_reclaim_all_users(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	for (i = 1; i != LIMIT; i++) {
		KUNIT_ASSERT_EQ(test, get(t, 0), i);
		KUNIT_ASSERT_EQ(test, attach(t, 0, i), 0);
		detach(t, 0, i);
		if (i == 4)
			continue;
		KUNIT_ASSERT_EQ(test, attach(t, 1, i), 0);
		detach(t, 1, i);
	}
	for (i = 1; i != LIMIT; i++)
		put(t, i);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_ok);
	KUNIT_EXPECT_EQ(test, get(t, 0), 4);
	KUNIT_EXPECT_EQ(test, num_drained, 1);
	KUNIT_EXPECT_EQ(test, get(t, 0), -ENOSPC);
	KUNIT_EXPECT_EQ(test, num_drained, 1);
}

static void pasid_reclaim_fails(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	fill_with_resting(test, 0);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_odd);
	KUNIT_EXPECT_EQ(test, get(t, 0), 1);
	KUNIT_EXPECT_EQ(test, get(t, 0), 3);
	KUNIT_EXPECT_EQ(test, get_range(t, 0, IOMMU_PASID_DRIVER, 4, 4),
			-EAGAIN);
	KUNIT_EXPECT_EQ(test, num_drained, 4);
	/* They rest as long as they had to */
	clock += GRACE;
	KUNIT_EXPECT_EQ(test, get(t, 0), 2);
}

/* The deadline is for all victims together */
static void pasid_reclaim_late(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	fill_with_resting(test, 0);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_late);
	KUNIT_EXPECT_EQ(test, get(t, 0), -ENOSPC);
	KUNIT_EXPECT_EQ(test, num_drained, 1);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_slowly);
	KUNIT_EXPECT_EQ(test, get(t, 0), -ENOSPC);
	KUNIT_EXPECT_LE(test, num_drained, 4);
}

/* More than are looked at, or freed, in one go */
#define MANY	1500U

/* Behind many that cannot be drained there is one that can be */
static void pasid_reclaim_many(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;
	ioasid_t last;

	iommu_pasid_device_limit(&t->space, &t->devices[1], MANY + 1);
	iommu_pasid_device_limit(&t->space, &t->devices[2], MANY + 1);
	for (i = 1; i != MANY; i++)
		get_resting(test, 1);
	last = get_resting(test, 2);
	KUNIT_EXPECT_EQ(test, get(t, 1), -ENOSPC);
	iommu_pasid_device_set_drain(&t->space, &t->devices[2], drain_ok);
	KUNIT_EXPECT_EQ(test, get(t, 1), last);
	KUNIT_EXPECT_EQ(test, num_drained, 1);
	KUNIT_EXPECT_EQ(test, t->space.num_resting, MANY - 1);

	/* All that are over, though one would do */
	clock += GRACE;
	KUNIT_EXPECT_GT(test, get(t, 1), 0);
	KUNIT_EXPECT_EQ(test, t->space.num_resting, 0);
	KUNIT_EXPECT_EQ(test, t->space.ends[IOMMU_PASID_EXPIRED], MANY - 1);
}

static void pasid_limits(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	iommu_pasid_device_limit(&t->space, &t->devices[1], 0);
	KUNIT_EXPECT_EQ(test, get(t, 1), -EOPNOTSUPP);
	iommu_pasid_device_limit(&t->space, &t->devices[1], 1);
	KUNIT_EXPECT_EQ(test, get(t, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, t->space.narrow, LIMIT);

	KUNIT_EXPECT_EQ(test, get_range(t, 0, IOMMU_PASID_DRIVER, 5, 5), 5);
	KUNIT_EXPECT_EQ(test, get_range(t, 0, IOMMU_PASID_DRIVER, 5, 5), -EEXIST);
	KUNIT_EXPECT_EQ(test, get_range(t, 0, IOMMU_PASID_DRIVER, 0, 0), -ERANGE);
	KUNIT_EXPECT_EQ(test, get_range(t, 0, IOMMU_PASID_DRIVER, 4, 3), -ERANGE);
	KUNIT_EXPECT_EQ(test, get_range(t, 0, IOMMU_PASID_DRIVER, LIMIT, 100),
			-ERANGE);
	KUNIT_EXPECT_EQ(test, get_range(t, 0, IOMMU_PASID_DRIVER, LIMIT - 1, 100),
			LIMIT - 1);
}

/* Small numbers are there for those who can take no others */
static void pasid_narrow_device(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	iommu_pasid_device_limit(&t->space, &t->devices[1], 16);

	/* A driver takes what the narrow device cannot take */
	for (i = LIMIT; i != 16; i++)
		KUNIT_EXPECT_EQ(test, get(t, 1), i);
	/* Address spaces take the lower half, for they may meet both devices */
	for (i = 1; i != LIMIT / 2; i++)
		KUNIT_EXPECT_EQ(test, get_range(t, 1, IOMMU_PASID_MM, 0,
						U32_MAX), i);
	/* The upper half is left to the narrow one */
	KUNIT_EXPECT_EQ(test, get(t, 0), LIMIT / 2);
	/* Rather than none */
	KUNIT_EXPECT_EQ(test, get_range(t, 1, IOMMU_PASID_MM, 0, U32_MAX),
			LIMIT / 2 + 1);
	KUNIT_EXPECT_EQ(test, get(t, 1), LIMIT / 2 + 2);
}

/* An fd leaves the upper half of the small ones, unless it names the number */
static void pasid_file_leaves_kept(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	t->space.file_share = 100;
	iommu_pasid_device_limit(&t->space, &t->devices[1], 16);

	for (i = 1; i != LIMIT / 2; i++)
		KUNIT_EXPECT_EQ(test, get_range(t, 1, IOMMU_PASID_FILE, 1,
						LIMIT - 1), i);
	KUNIT_EXPECT_EQ(test, get_range(t, 1, IOMMU_PASID_FILE, 1, LIMIT - 1),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, get_range(t, 1, IOMMU_PASID_FILE, LIMIT - 1,
					LIMIT - 1), LIMIT - 1);
	/* It has no other */
	KUNIT_EXPECT_EQ(test, get_range(t, 0, IOMMU_PASID_FILE, 1, LIMIT - 1),
			LIMIT / 2);
}

static int get_for_file(struct pasid_test *t, unsigned int device, u32 min, u32 max)
{
	return get_range(t, device, IOMMU_PASID_FILE, min, max);
}

/* Half of the small numbers is for address spaces and drivers, whoever asks */
static void pasid_file_share(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	for (i = 1; i <= LIMIT / 2; i++)
		KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 1, U32_MAX), i);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 1, U32_MAX), -EDQUOT);
	/* By its name neither, but there is a better reason if it is in use */
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, LIMIT - 1, LIMIT - 1), -EDQUOT);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 1, 1), -EEXIST);
	KUNIT_EXPECT_EQ(test, get(t, 0), LIMIT / 2 + 1);
	KUNIT_EXPECT_EQ(test, get_range(t, 0, IOMMU_PASID_MM, 0, U32_MAX),
			LIMIT / 2 + 2);

	/* Large numbers are none of that, and are not given for a small one */
	iommu_pasid_device_limit(&t->space, &t->devices[1], 2 * LIMIT);
	for (i = LIMIT; i != 2 * LIMIT; i++)
		KUNIT_EXPECT_EQ(test, get_for_file(t, 1, 1, U32_MAX), i);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 1, 1, U32_MAX), -EDQUOT);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 1, LIMIT, U32_MAX), -ENOSPC);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 1, LIMIT - 1, LIMIT - 1), -EDQUOT);

	/* What they give back they may have again */
	KUNIT_ASSERT_TRUE(test, put(t, 2));
	KUNIT_EXPECT_EQ(test, get_for_file(t, 1, LIMIT - 1, LIMIT - 1), LIMIT - 1);
	KUNIT_ASSERT_TRUE(test, put(t, LIMIT));
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 1, U32_MAX), -EDQUOT);
	t->space.file_share = 100;
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 1, U32_MAX), 2);
}

/* What is small changes with the first narrow device */
static void pasid_file_share_narrow(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	t->space.narrow = 0;
	iommu_pasid_device_limit(&t->space, &t->devices[1], 4 * LIMIT);
	for (i = 1; i <= 2 * LIMIT; i++)
		KUNIT_EXPECT_EQ(test, get_for_file(t, 1, 1, U32_MAX), i);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 1, 1, U32_MAX), -EDQUOT);
	for (i = 2; i <= 2 * LIMIT; i++)
		KUNIT_ASSERT_TRUE(test, put(t, i));

	/* They have one that it can take */
	iommu_pasid_device_limit(&t->space, &t->devices[0], LIMIT);
	for (i = 2; i <= LIMIT / 2; i++)
		KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 1, U32_MAX), i);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 1, U32_MAX), -EDQUOT);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 1, 1, U32_MAX), LIMIT);
}

static void rest(struct kunit *test, unsigned int device, ioasid_t pasid)
{
	struct pasid_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, attach(t, device, pasid), 0);
	detach(t, device, pasid);
	KUNIT_ASSERT_TRUE(test, put(t, pasid));
}

/* For want of the share, only what is of the share is freed */
static void pasid_file_share_reclaims(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, get(t, 0), 1);
	for (i = 2; i <= LIMIT / 2 + 1; i++)
		KUNIT_ASSERT_EQ(test, get_for_file(t, 0, 1, U32_MAX), i);
	rest(test, 0, 1);
	rest(test, 0, 4);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 1, U32_MAX), -EDQUOT);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_ok);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 1, U32_MAX), 4);
	KUNIT_EXPECT_EQ(test, num_drained, 1);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 1, U32_MAX), -EDQUOT);
	KUNIT_EXPECT_EQ(test, num_drained, 1);
	/* Also for a number that is not the one that rests, but not for one in use */
	rest(test, 0, 3);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 2, 2), -EEXIST);
	KUNIT_EXPECT_EQ(test, num_drained, 1);
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, LIMIT - 1, LIMIT - 1), LIMIT - 1);
	KUNIT_EXPECT_EQ(test, num_drained, 2);
	rest(test, 0, LIMIT - 1);
	clock += GRACE;
	KUNIT_EXPECT_EQ(test, get_for_file(t, 0, 1, U32_MAX), 1);
	KUNIT_EXPECT_EQ(test, num_drained, 2);
}

static int get_charged(struct pasid_test *t, uid_t uid, unsigned int max,
		       u32 min)
{
	struct iommu_pasid_quota quota = { .uid = KUIDT_INIT(uid), .max = max };
	ioasid_t pasid;
	int ret;

	ret = iommu_pasid_alloc_below(&t->space, LIMIT, IOMMU_PASID_FILE, min,
				      LIMIT - 1, &quota, &pasid);
	return ret ?: pasid;
}

/* A user has his numbers until they are free for others */
static void pasid_quota_rests(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 0, 1), -EDQUOT);
	KUNIT_ASSERT_EQ(test, get_charged(t, 7, 2, 1), 1);
	KUNIT_ASSERT_EQ(test, get_charged(t, 7, 2, 1), 2);
	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 2, 1), -EDQUOT);
	/* Not the neighbour */
	KUNIT_EXPECT_EQ(test, get_charged(t, 8, 2, 1), 3);

	/* One that nobody had is back at once */
	KUNIT_ASSERT_TRUE(test, put(t, 2));
	KUNIT_ASSERT_EQ(test, get_charged(t, 7, 2, 1), 2);

	KUNIT_ASSERT_EQ(test, attach(t, 0, 1), 0);
	detach(t, 0, 1);
	KUNIT_ASSERT_TRUE(test, put(t, 1));
	clock += GRACE - 1;
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 2, 1), -EDQUOT);
	clock++;
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 2, 1), 1);
}

/* What rests of a user's is freed rather than refusing him, nobody else's is */
static void pasid_quota_reclaims(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, get_charged(t, 8, 2, 1), 1);
	KUNIT_ASSERT_EQ(test, get_charged(t, 7, 2, 1), 2);
	KUNIT_ASSERT_EQ(test, get_charged(t, 7, 2, 1), 3);
	rest(test, 0, 1);
	rest(test, 1, 2);
	rest(test, 0, 3);
	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 2, 1), -EDQUOT);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_ok);
	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 2, 1), 3);
	KUNIT_EXPECT_EQ(test, num_drained, 1);
	KUNIT_EXPECT_EQ(test, drained[0], 3);
	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 2, 1), -EDQUOT);
	KUNIT_EXPECT_EQ(test, num_drained, 1);
	/* The time of the other one is over, if the work is late */
	clock += GRACE;
	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 2, 1), 1);
	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 2, 1), -EDQUOT);
	KUNIT_EXPECT_EQ(test, num_drained, 1);
}

/* What is not allocated is not charged */
static void pasid_quota_fails(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, get(t, 0), 1);
	KUNIT_ASSERT_EQ(test, get_charged(t, 7, 2, LIMIT - 1), LIMIT - 1);
	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 2, LIMIT - 1), -EEXIST);
	KUNIT_EXPECT_EQ(test, get_charged(t, 8, 1, LIMIT - 1), -EEXIST);
	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 2, 1), 2);
	KUNIT_EXPECT_EQ(test, get_charged(t, 8, 1, 1), 3);
	KUNIT_EXPECT_EQ(test, get_charged(t, 7, 2, 1), -EDQUOT);
	KUNIT_ASSERT_TRUE(test, put(t, 2));
	KUNIT_ASSERT_TRUE(test, put(t, LIMIT - 1));
	KUNIT_ASSERT_TRUE(test, put(t, 3));
	KUNIT_EXPECT_TRUE(test, hash_empty(t->space.accounts));
}

static void pasid_mm_prefers_small(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	iommu_pasid_device_limit(&t->space, &t->devices[1], 1U << 20);
	KUNIT_EXPECT_EQ(test, get_range(t, 1, IOMMU_PASID_MM, 0, U32_MAX), 1);
	KUNIT_EXPECT_EQ(test, get(t, 1), LIMIT);
	KUNIT_EXPECT_EQ(test, get_range(t, 1, IOMMU_PASID_DRIVER, 0, U32_MAX),
			LIMIT + 1);
	for (i = 2; i != LIMIT / 2; i++)
		KUNIT_EXPECT_EQ(test, get_range(t, 1, IOMMU_PASID_MM, 0,
						U32_MAX), i);
	/* The upper half of the small ones is not for address spaces */
	KUNIT_EXPECT_EQ(test, get_range(t, 1, IOMMU_PASID_MM, 0, U32_MAX),
			LIMIT + 2);
}

/* A drain callback that does not return, and a thread that waits for it */
struct hang {
	struct pasid_test *t;
	struct completion called;
	struct completion go_on;
	struct completion done;
	/* What the callback returns in the end */
	int ret;
	int pasid;
};

static struct hang hang;

static int drain_hangs(struct device *dev, ioasid_t pasid,
		       unsigned long deadline)
{
	complete(&hang.called);
	wait_for_completion(&hang.go_on);
	return hang.ret;
}

static int hang_alloc(void *arg)
{
	hang.pasid = get(hang.t, 0);
	complete(&hang.done);
	return 0;
}

/* Waits until the number is free, as it will be soon if the work has to do it */
static bool becomes_free(struct pasid_test *t, ioasid_t pasid)
{
	unsigned long end = jiffies + 10 * HZ;

	while (!is_free(t, pasid) && time_before(jiffies, end))
		msleep(20);
	return is_free(t, pasid);
}

static void hang_begin(struct kunit *test, int ret)
{
	struct pasid_test *t = test->priv;

	hang.t = t;
	hang.ret = ret;
	init_completion(&hang.called);
	init_completion(&hang.go_on);
	init_completion(&hang.done);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_hangs);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(hang_alloc, NULL, "hang")));
	wait_for_completion(&hang.called);
}

/* The exit of a process is not made to wait by a device that does not answer */
static void pasid_drain_hangs(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	fill_with_resting(test, 0);
	KUNIT_ASSERT_TRUE(test, drained_by(t, 0, 7));
	KUNIT_ASSERT_EQ(test, get(t, 1), 7);
	KUNIT_ASSERT_EQ(test, attach(t, 1, 7), 0);
	hang_begin(test, 0);

	/* None of these waits */
	detach(t, 1, 7);
	KUNIT_EXPECT_TRUE(test, put(t, 7));
	for (i = 1; i != 4; i++)
		KUNIT_EXPECT_TRUE(test, drained_by(t, 0, i));
	/* Only who drains it may free it */
	KUNIT_EXPECT_FALSE(test, is_free(t, 1));
	clock += 2 * GRACE;
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_FALSE(test, is_free(t, 1));
	KUNIT_EXPECT_TRUE(test, is_free(t, 4));

	/* Nor does who has called for it, for longer than the deadline */
	KUNIT_EXPECT_NE(test, 0,
			wait_for_completion_timeout(&hang.done, 10 * HZ));
	/* The second if it was there in time */
	if (hang.pasid != 2)
		KUNIT_EXPECT_EQ(test, hang.pasid, -ENOSPC);
	KUNIT_EXPECT_FALSE(test, is_free(t, 1));
	complete(&hang.go_on);
	KUNIT_EXPECT_TRUE(test, becomes_free(t, 1));
}

/* A driver that is late is not asked again until it has returned */
static void pasid_drain_late_once(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	fill_with_resting(test, 0);
	hang_begin(test, 0);
	KUNIT_EXPECT_NE(test, 0,
			wait_for_completion_timeout(&hang.done, 10 * HZ));
	KUNIT_EXPECT_EQ(test, hang.pasid, -ENOSPC);
	KUNIT_EXPECT_EQ(test, get(t, 0), -ENOSPC);
	KUNIT_EXPECT_EQ(test, get(t, 1), -ENOSPC);
	KUNIT_EXPECT_FALSE(test, completion_done(&hang.called));

	/* What it has drained counts, though nobody waits for it any more */
	complete_all(&hang.go_on);
	KUNIT_EXPECT_TRUE(test, becomes_free(t, 1));
	KUNIT_EXPECT_EQ(test, t->space.ends[IOMMU_PASID_RECLAIMED], 1);
	KUNIT_EXPECT_EQ(test, get(t, 0), 1);
	KUNIT_EXPECT_EQ(test, get(t, 0), 2);
	KUNIT_EXPECT_TRUE(test, completion_done(&hang.called));
}

/* One that cannot be drained in time rests for as long as it had to */
static void pasid_drain_late_rests(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	unsigned int i;

	get_resting(test, 0);
	for (i = 2; i != LIMIT; i++)
		get_resting(test, 1);
	iommu_pasid_device_limit(&t->space, &t->devices[0], 2);
	hang_begin(test, -ETIMEDOUT);
	wait_for_completion(&hang.done);
	KUNIT_EXPECT_EQ(test, hang.pasid, -ENOSPC);
	clock += GRACE;
	enable_delayed_work(&t->space.work);
	t->space.now = ktime_get_ns;
	t->space.grace = 1;
	iommu_pasid_space_expire(&t->space);
	/* All but the one that is being drained; nothing looks for it all the time */
	KUNIT_EXPECT_FALSE(test, is_free(t, 1));
	KUNIT_EXPECT_TRUE(test, is_free(t, 2));
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&t->space.work));
	/* The next one is not forgotten because of it */
	get_resting(test, 1);
	KUNIT_EXPECT_TRUE(test, becomes_free(t, 2));
	complete(&hang.go_on);
	KUNIT_EXPECT_TRUE(test, becomes_free(t, 1));
}

/* A change of the grace period is for those that rest, too */
static void pasid_grace_changes(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	ioasid_t first = get_resting(test, 0);
	ioasid_t second;

	clock += 10;
	second = get_resting(test, 0);
	clock += 90;
	iommu_pasid_space_set_grace(&t->space, 95);
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_TRUE(test, is_free(t, first));
	KUNIT_EXPECT_FALSE(test, is_free(t, second));
	iommu_pasid_space_set_grace(&t->space, 3 * GRACE);
	clock += 2 * GRACE;
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_FALSE(test, is_free(t, second));
	iommu_pasid_space_set_grace(&t->space, 0);
	iommu_pasid_space_expire(&t->space);
	KUNIT_EXPECT_TRUE(test, is_free(t, second));
}

/* The work comes earlier if it has to */
static void pasid_grace_shorter(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	enable_delayed_work(&t->space.work);
	t->space.now = ktime_get_ns;
	t->space.grace = 3600ULL * NSEC_PER_SEC;
	get_resting(test, 0);
	iommu_pasid_space_set_grace(&t->space, NSEC_PER_MSEC);
	KUNIT_EXPECT_TRUE(test, becomes_free(t, 1));
}

static int get_one(struct pasid_test *t, unsigned int device, ioasid_t pasid)
{
	return get_range(t, device, IOMMU_PASID_DRIVER, pasid, pasid);
}

/* Who wants one number learns why it cannot be had, and changes nothing */
static void pasid_one_number(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, get_one(t, 0, 0), -ERANGE);
	KUNIT_EXPECT_EQ(test, get_one(t, 0, LIMIT), -ERANGE);
	KUNIT_EXPECT_EQ(test, get_one(t, 0, U32_MAX), -ERANGE);
	KUNIT_EXPECT_EQ(test, iommu_pasid_in_use(&t->space, 5), 0);

	KUNIT_EXPECT_EQ(test, get_one(t, 0, 5), 5);
	KUNIT_EXPECT_EQ(test, get_one(t, 0, 5), -EEXIST);
	KUNIT_EXPECT_EQ(test, get_one(t, 1, 5), -EEXIST);
	KUNIT_EXPECT_EQ(test, iommu_pasid_in_use(&t->space, 5), -EEXIST);
	KUNIT_EXPECT_EQ(test, t->space.live[IOMMU_PASID_DRIVER], 1);

	KUNIT_ASSERT_EQ(test, attach(t, 0, 5), 0);
	detach(t, 0, 5);
	KUNIT_ASSERT_TRUE(test, put(t, 5));
	KUNIT_EXPECT_EQ(test, get_one(t, 0, 5), -EAGAIN);
	KUNIT_EXPECT_EQ(test, iommu_pasid_in_use(&t->space, 5), -EAGAIN);
	clock += GRACE - 1;
	KUNIT_EXPECT_EQ(test, get_one(t, 0, 5), -EAGAIN);
	KUNIT_EXPECT_EQ(test, t->space.live[IOMMU_PASID_DRIVER], 0);
	clock++;
	KUNIT_EXPECT_EQ(test, get_one(t, 0, 5), 5);
	/* There was always room elsewhere */
	KUNIT_EXPECT_EQ(test, t->space.exhausted, 0);
}

/* It is drained if it can be, and no older one in its place */
static void pasid_one_number_drained(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, get_resting(test, 0), 1);
	KUNIT_ASSERT_EQ(test, get_resting(test, 0), 2);
	KUNIT_ASSERT_EQ(test, get_resting(test, 1), 3);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_ok);
	KUNIT_EXPECT_EQ(test, get_one(t, 0, 3), -EAGAIN);
	KUNIT_EXPECT_EQ(test, num_drained, 0);
	KUNIT_EXPECT_EQ(test, get_one(t, 1, 2), 2);
	KUNIT_EXPECT_EQ(test, num_drained, 1);
	KUNIT_EXPECT_EQ(test, drained[0], 2);
	KUNIT_EXPECT_FALSE(test, is_free(t, 1));
}

/* A range that ends up as one number because of the limit is still a range */
static void pasid_last_number(struct kunit *test)
{
	struct pasid_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, get_range(t, 0, IOMMU_PASID_DRIVER, LIMIT - 1,
					U32_MAX), LIMIT - 1);
	KUNIT_EXPECT_EQ(test, get_range(t, 0, IOMMU_PASID_DRIVER, LIMIT - 1,
					U32_MAX), -ENOSPC);
	KUNIT_EXPECT_EQ(test, t->space.exhausted, 1);
}

#define NUM_THREADS	4
#define THREAD_ROUNDS	2000

struct pasid_thread {
	struct pasid_test *t;
	struct completion done;
	unsigned int index;
	unsigned int allocs;
	unsigned int bad;
};

/* Who has a number; nobody else may get it before it is given back */
static atomic_t holders[LIMIT];

static int thread_fn(void *arg)
{
	struct pasid_thread *thread = arg;
	unsigned int device = thread->index % NUM_DEVICES;
	struct pasid_test *t = thread->t;
	unsigned int i;
	int pasid;

	for (i = 0; i != THREAD_ROUNDS; i++) {
		pasid = get(t, device);
		if (pasid < 0) {
			thread->bad += pasid != -ENOSPC;
			cond_resched();
			continue;
		}
		thread->allocs++;
		thread->bad += atomic_inc_return(&holders[pasid]) != 1;
		thread->bad += !!attach(t, device, pasid);
		detach(t, device, pasid);
		if (i % 3 == 0)
			thread->bad += !drained_by(t, device, pasid);
		atomic_dec(&holders[pasid]);
		thread->bad += !put(t, pasid);
		if (i % 3 == 1)
			drained_by(t, device, pasid);
		if (i % 64 == 0)
			iommu_pasid_space_expire(&t->space);
	}
	complete(&thread->done);
	return 0;
}

static void pasid_threads(struct kunit *test)
{
	struct pasid_thread *threads;
	struct pasid_test *t = test->priv;
	unsigned int i;

	threads = kunit_kcalloc(test, NUM_THREADS, sizeof(*threads),
				GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, threads);
	t->space.grace = 1;
	t->space.now = ktime_get_ns;
	enable_delayed_work(&t->space.work);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_ok);
	iommu_pasid_device_set_drain(&t->space, &t->devices[1], drain_odd);
	memset(holders, 0, sizeof(holders));
	for (i = 0; i != NUM_THREADS; i++) {
		threads[i].t = t;
		threads[i].index = i;
		init_completion(&threads[i].done);
		if (IS_ERR(kthread_run(thread_fn, &threads[i], "pasid%u", i))) {
			KUNIT_FAIL(test, "no thread");
			complete(&threads[i].done);
		}
	}
	for (i = 0; i != NUM_THREADS; i++) {
		wait_for_completion(&threads[i].done);
		KUNIT_EXPECT_EQ(test, threads[i].bad, 0);
		KUNIT_EXPECT_GT(test, threads[i].allocs, THREAD_ROUNDS / 20);
	}
	KUNIT_EXPECT_EQ(test, t->space.live[IOMMU_PASID_DRIVER], 0);
}

/*
 * The model: what has to become of each number
 *
 * Devices 0 and 1 drain when they are asked, device 2 cannot be asked.
 */
struct model_pasid {
	bool used;
	bool resting;
	unsigned int attached[NUM_DEVICES];
	bool had[NUM_DEVICES];
	u64 deadline;
	/* Counts up, so that the smallest is the oldest */
	u64 since;
};

struct model {
	struct model_pasid pasids[LIMIT];
	u64 released;
};

static bool model_attached(const struct model_pasid *p)
{
	return p->attached[0] || p->attached[1] || p->attached[2];
}

static bool model_had(const struct model_pasid *p)
{
	return p->had[0] || p->had[1] || p->had[2];
}

static void model_end(struct model_pasid *p)
{
	memset(p, 0, sizeof(*p));
}

static void model_start_rest(struct model *m, struct model_pasid *p)
{
	if (!model_had(p)) {
		model_end(p);
		return;
	}
	p->deadline = clock + GRACE;
	p->since = ++m->released;
}

static void model_expire(struct model *m)
{
	unsigned int i;

	for (i = 1; i != LIMIT; i++)
		if (m->pasids[i].since && m->pasids[i].deadline <= clock)
			model_end(&m->pasids[i]);
}

static int model_free(const struct model *m)
{
	unsigned int i;

	for (i = 1; i != LIMIT; i++)
		if (!m->pasids[i].used)
			return i;
	return 0;
}

static int model_alloc(struct model *m)
{
	struct model_pasid *oldest = NULL;
	unsigned int i;

	if (!model_free(m))
		model_expire(m);
	for (i = 1; i != LIMIT && !model_free(m); i++) {
		struct model_pasid *p = &m->pasids[i];

		if (p->since && !p->had[2] &&
		    (!oldest || p->since < oldest->since))
			oldest = p;
	}
	if (oldest)
		model_end(oldest);
	i = model_free(m);
	if (!i)
		return -ENOSPC;
	m->pasids[i].used = true;
	return i;
}

static void model_detach(struct model *m, struct model_pasid *p,
			 unsigned int device)
{
	if (!p->attached[device])
		return;
	p->attached[device]--;
	if (p->resting && !model_attached(p))
		model_start_rest(m, p);
}

static bool model_drained(struct model_pasid *p, unsigned int device)
{
	if (p->attached[device])
		return false;
	if (!p->had[device])
		return true;
	p->had[device] = false;
	if (p->resting && !model_had(p))
		model_end(p);
	return true;
}

static int model_attach(struct model_pasid *p, unsigned int device)
{
	if (p->resting)
		return -EBUSY;
	if (p->used) {
		p->attached[device]++;
		p->had[device] = true;
	}
	return 0;
}

static bool model_release(struct model *m, struct model_pasid *p)
{
	if (!p->used || p->resting)
		return false;
	p->resting = true;
	if (model_attached(p))
		return false;
	model_start_rest(m, p);
	return true;
}

static void model_step(struct kunit *test, struct model *m,
		       struct rnd_state *rnd)
{
	struct pasid_test *t = test->priv;
	unsigned int device = prandom_u32_state(rnd) % NUM_DEVICES;
	unsigned int pasid = prandom_u32_state(rnd) % (LIMIT - 1) + 1;
	struct model_pasid *p = &m->pasids[pasid];

	switch (prandom_u32_state(rnd) % 16) {
	case 0 ... 4:
		KUNIT_EXPECT_EQ(test, model_alloc(m), get(t, device));
		break;
	case 5 ... 6:
		KUNIT_EXPECT_EQ(test, model_release(m, p), put(t, pasid));
		break;
	case 7 ... 9:
		KUNIT_EXPECT_EQ(test, model_attach(p, device),
				attach(t, device, pasid));
		break;
	case 10 ... 12:
		model_detach(m, p, device);
		detach(t, device, pasid);
		break;
	case 13:
		KUNIT_EXPECT_EQ(test, model_drained(p, device),
				drained_by(t, device, pasid));
		break;
	case 14:
		clock += prandom_u32_state(rnd) % GRACE;
		break;
	case 15:
		model_expire(m);
		iommu_pasid_space_expire(&t->space);
		break;
	}
}

static void pasid_random(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	struct rnd_state rnd;
	unsigned int i, step;
	struct model *m;

	m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m);
	prandom_seed_state(&rnd, 1);
	iommu_pasid_device_set_drain(&t->space, &t->devices[0], drain_ok);
	iommu_pasid_device_set_drain(&t->space, &t->devices[1], drain_ok);
	for (step = 0; step != 20000; step++) {
		model_step(test, m, &rnd);
		for (i = 1; i != LIMIT; i++)
			KUNIT_ASSERT_EQ_MSG(test, m->pasids[i].used,
					    !is_free(t, i), "step %u PASID %u",
					    step, i);
	}
	/* All of it was tried */
	for (i = 0; i != IOMMU_PASID_NUM_ENDS; i++)
		KUNIT_EXPECT_GT(test, t->space.ends[i], 10);
	KUNIT_EXPECT_GT(test, t->space.exhausted, 100);
}

/* The counts and the lines of debugfs */
static void pasid_show(struct kunit *test)
{
	struct pasid_test *t = test->priv;
	struct seq_file m = { .size = PAGE_SIZE };
	char line[64];

	m.buf = kunit_kzalloc(test, m.size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	t->space.grace = 2000 * NSEC_PER_MSEC;
	KUNIT_ASSERT_EQ(test, get_resting(test, 0), 1);
	KUNIT_ASSERT_EQ(test, get(t, 0), 2);
	KUNIT_ASSERT_EQ(test, attach(t, 1, 2), 0);
	clock += 1500 * NSEC_PER_MSEC;

	iommu_pasid_show_counts(&t->space, &m);
	KUNIT_EXPECT_STREQ(test, m.buf,
			   "grace_ms 2000\nallocated 2\nexhausted 0\n"
			   "unused 0\ndrained 0\nexpired 0\nreclaimed 0\n"
			   "live_mm 0\nlive_driver 1\nlive_file 0\nresting 1\n");

	memset(m.buf, 0, m.count);
	m.count = 0;
	KUNIT_EXPECT_TRUE(test, iommu_pasid_show(&t->space, &m, 1));
	snprintf(line, sizeof(line), "[%d] resting 1500 ms %s(detached)\n",
		 task_tgid_nr(current), dev_name(t->devices[0].dev));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m.buf, "1 driver "));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m.buf, line));

	memset(m.buf, 0, m.count);
	m.count = 0;
	KUNIT_EXPECT_TRUE(test, iommu_pasid_show(&t->space, &m, 2));
	snprintf(line, sizeof(line), "[%d] live %s\n",
		 task_tgid_nr(current), dev_name(t->devices[1].dev));
	KUNIT_EXPECT_NOT_NULL(test, strstr(m.buf, line));

	KUNIT_EXPECT_FALSE(test, iommu_pasid_show(&t->space, &m, 3));
	detach(t, 1, 2);
}

static struct kunit_case pasid_cases[] = {
	KUNIT_CASE(pasid_smallest_first),
	KUNIT_CASE(pasid_release_twice),
	KUNIT_CASE(pasid_grace),
	KUNIT_CASE(pasid_grace_on_demand),
	KUNIT_CASE(pasid_work),
	KUNIT_CASE(pasid_no_grace),
	KUNIT_CASE(pasid_drained),
	KUNIT_CASE(pasid_drained_before_release),
	KUNIT_CASE(pasid_drained_by_each),
	KUNIT_CASE(pasid_device_goes),
	KUNIT_CASE(pasid_released_attached),
	KUNIT_CASE(pasid_attached_twice),
	KUNIT_CASE(pasid_attach_fails),
	KUNIT_CASE(pasid_attach_fails_late),
	KUNIT_CASE(pasid_foreign),
	KUNIT_CASE(pasid_reclaim_oldest),
	KUNIT_CASE(pasid_reclaim_order),
	KUNIT_CASE(pasid_reclaim_all_users),
	KUNIT_CASE(pasid_reclaim_fails),
	KUNIT_CASE(pasid_reclaim_late),
	KUNIT_CASE(pasid_reclaim_many),
	KUNIT_CASE(pasid_limits),
	KUNIT_CASE(pasid_narrow_device),
	KUNIT_CASE(pasid_file_leaves_kept),
	KUNIT_CASE(pasid_quota_rests),
	KUNIT_CASE(pasid_quota_reclaims),
	KUNIT_CASE(pasid_quota_fails),
	KUNIT_CASE(pasid_file_share),
	KUNIT_CASE(pasid_file_share_narrow),
	KUNIT_CASE(pasid_file_share_reclaims),
	KUNIT_CASE(pasid_mm_prefers_small),
	KUNIT_CASE(pasid_drain_hangs),
	KUNIT_CASE(pasid_one_number),
	KUNIT_CASE(pasid_one_number_drained),
	KUNIT_CASE(pasid_last_number),
	KUNIT_CASE(pasid_drain_late_once),
	KUNIT_CASE(pasid_drain_late_rests),
	KUNIT_CASE(pasid_grace_changes),
	KUNIT_CASE(pasid_grace_shorter),
	KUNIT_CASE(pasid_show),
	KUNIT_CASE_SLOW(pasid_threads),
	KUNIT_CASE_SLOW(pasid_random),
	{}
};

static struct kunit_suite pasid_suite = {
	.name = "iommu-pasid",
	.init = pasid_init,
	.exit = pasid_exit,
	.test_cases = pasid_cases,
};

kunit_test_suite(pasid_suite);
