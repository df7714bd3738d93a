// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOVA policies with a real (if virtual) device behind a real IOMMU
 *
 * The driver iova_edu copies data through the edu device of QEMU, and can make the
 * device write to a page that has been unmapped. Here that is done with each
 * policy, in a strict and in a lazy domain, and the sysfs attribute iova_alloc of
 * the group is tried: while a driver binds at that very moment, while user space has
 * the device, and without memory. dma_map_benchmark maps and unmaps on one CPU and
 * on two at once.
 *
 * A DMA of the device takes 100 ms, so there are few of them unless IOVA_COPIES or
 * IOVA_LATE say otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "iommu_iova_utils.h"

/* More allocations than a change of the policy takes */
#define MAX_NTH 1000

static int write_edu(const struct edu_func *func, const char *name,
		     unsigned long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", value);
	return iova_edu_write(func, name, text);
}

/* Some pages are mapped and unmapped */
static int try_mapping(const struct edu_func *func)
{
	long held = iova_edu_hold(func, getpagesize(), 20, 32);

	if (held != 20)
		return held < 0 ? held : -ENOSPC;
	return iova_edu_let_go(func);
}

static const char *other_policy(const char *policy)
{
	return strcmp(policy, "default") ? "default" : "wraparound";
}

FIXTURE(iova)
{
	struct edu_func func;
	char group[IOVA_PATH];
	bool ready;
};

FIXTURE_VARIANT(iova)
{
	const char *policy;
	const char *type;
	/* DMA to an unmapped page is sure to fault */
	bool detects;
};

FIXTURE_VARIANT_ADD(iova, default_strict)
{
	.policy = "default",
	.type = "DMA",
};

FIXTURE_VARIANT_ADD(iova, default_lazy)
{
	.policy = "default",
	.type = "DMA-FQ",
};

FIXTURE_VARIANT_ADD(iova, wraparound_strict)
{
	.policy = "wraparound",
	.type = "DMA",
	.detects = true,
};

FIXTURE_VARIANT_ADD(iova, wraparound_lazy)
{
	.policy = "wraparound",
	.type = "DMA-FQ",
};

FIXTURE_SETUP(iova)
{
	const char *missing;
	int rc;

	ASSERT_EQ(0, iova_test_edu(&self->func, self->group, &missing));
	if (missing)
		SKIP(return, "%s", missing);

	rc = iova_set_policy(self->group, variant->policy, variant->type);
	if (rc == -ENOTSUP)
		SKIP(return, "the IOMMU has no domain of type %s", variant->type);
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, edu_set_driver(&self->func, "iova_edu"));
	self->ready = true;
}

FIXTURE_TEARDOWN(iova)
{
	iova_release(&self->func);
	if (!self->ready)
		return;
	EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", "auto"));
	EXPECT_EQ(0, iova_write_group(self->group, "type", "auto"));
}

/* What the device gets, and what comes back from it, is what was sent */
TEST_F_TIMEOUT(iova, copy, 600)
{
	ASSERT_EQ(0, write_edu(&self->func, "copy", edu_env("IOVA_COPIES", 3)));
}

struct late {
	unsigned long tried;
	unsigned long caught;
	/* Messages of the IOMMU about the address of the first time */
	int reports;
};

static void late_dma(struct __test_metadata *_metadata,
		     FIXTURE_DATA(iova) * self, unsigned long times,
		     struct late *late)
{
	/* SMMUv3 prints the address in one way, VT-d and virtio-iommu in another */
	int logs[] = { edu_log_open(), edu_log_open() };
	char buf[64], wide[32], narrow[32];
	unsigned long long iova;
	int n;

	ASSERT_EQ(0, write_edu(&self->func, "late", times));
	ASSERT_EQ(0, iova_edu_read(&self->func, "late", buf, sizeof(buf)));
	n = sscanf(buf, "%lu %lu %llx", &late->tried, &late->caught, &iova);
	ASSERT_EQ(3, n);
	snprintf(wide, sizeof(wide), "0x%016llx", iova);
	snprintf(narrow, sizeof(narrow), " 0x%llx ", iova);
	late->reports = edu_log_count(logs[0], "0x", wide) +
			edu_log_count(logs[1], "ault", narrow);
}

/* A device that writes to a page after the unmap */
TEST_F_TIMEOUT(iova, late_dma, 3600)
{
	unsigned long want = edu_env("IOVA_LATE", 4);
	struct late late;

	late_dma(_metadata, self, want, &late);
	printf("# late DMA: %lu of %lu caught with %s %s\n", late.caught, late.tried,
	       variant->policy, variant->type);
	ASSERT_EQ(want, late.tried);
	if (!variant->detects)
		return;
	ASSERT_EQ(late.tried, late.caught);
	/* And the IOMMU has told the address, unless it has told too much lately */
	if (!late.reports) {
		sleep(6);
		late_dma(_metadata, self, 1, &late);
	}
	EXPECT_LT(0, late.reports);
}

/* The policy of a device that is in use stays, and so does its data */
TEST_F_TIMEOUT(iova, change_in_use, 600)
{
	const char *other = other_policy(variant->policy);
	char buf[64];

	EXPECT_EQ(-EPERM, iova_write_group(self->group, "iova_alloc", other));
	EXPECT_EQ(-EPERM, iova_write_group(self->group, "iova_alloc", "auto"));
	EXPECT_EQ(-EINVAL,
		  iova_write_group(self->group, "iova_alloc", "fastest"));
	EXPECT_EQ(-EINVAL, iova_write_group(self->group, "iova_alloc", "none"));
	EXPECT_LT(0, iova_read_group(self->group, "iova_alloc", buf,
				     sizeof(buf)));
	EXPECT_STREQ(variant->policy, buf);
	/* A strict domain can become lazy, whatever its policy */
	EXPECT_EQ(strcmp(variant->type, "DMA") ? -EPERM : 0,
		  iova_write_group(self->group, "type", "DMA-FQ"));
	EXPECT_EQ(0, try_mapping(&self->func));
	EXPECT_EQ(0, write_edu(&self->func, "copy", 1));

	/* Once it is not in use, the policy can be changed, and back */
	iova_release(&self->func);
	EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", other));
	EXPECT_LT(0, iova_read_group(self->group, "iova_alloc", buf,
				     sizeof(buf)));
	EXPECT_STREQ(other, buf);
	EXPECT_EQ(0, edu_set_driver(&self->func, "iova_edu"));
	EXPECT_EQ(0, write_edu(&self->func, "copy", 1));
}

/* A group that the DMA API does not use keeps what was asked for until it does */
TEST_F(iova, identity)
{
	const char *other = other_policy(variant->policy);
	char buf[64];

	iova_release(&self->func);
	if (iova_write_group(self->group, "type", "identity"))
		SKIP(return, "the IOMMU has no identity domain");
	EXPECT_LT(0, iova_read_group(self->group, "iova_alloc", buf,
				     sizeof(buf)));
	EXPECT_STREQ("none", buf);
	EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc",
				      variant->policy));
	EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", other));
	EXPECT_EQ(0, iova_write_group(self->group, "type", variant->type));
	EXPECT_LT(0, iova_read_group(self->group, "iova_alloc", buf,
				     sizeof(buf)));
	EXPECT_STREQ(other, buf);
}

/* All that the device reaches is in use: an error at once, and room comes back */
TEST_F_TIMEOUT(iova, exhaustion, 600)
{
	unsigned int page = getpagesize();
	unsigned int bits = __builtin_ctz(page) + 7;
	__u64 begin;
	long held;

	/*
	 * 128 pages without page 0, one mapping each, or larger ones. A PC has a
	 * window of the host bridge at 640K, which is reserved.
	 */
	EXPECT_EQ(127, iova_edu_hold(&self->func, page, 1000, bits));
	EXPECT_EQ(0, iova_edu_let_go(&self->func));
	/* A flush queue has some of them until its period ends */
	usleep(100000);
	EXPECT_EQ(1, iova_edu_hold(&self->func, 64 * page, 1000, bits));
	EXPECT_EQ(63, iova_edu_hold(&self->func, page, 1000, bits));

	EXPECT_EQ(0, iova_edu_let_go(&self->func));
	usleep(100000);

	/* The same with all that the device has address lines for, down to a page */
	held = 16 * iova_edu_hold(&self->func, 16 * page, 100000, 28);
	EXPECT_LT((1 << 28) / page / 2, held);
	held += iova_edu_hold(&self->func, page, 100000, 28);
	EXPECT_GT((1 << 28) / page, held);
	begin = edu_now_ms();
	EXPECT_EQ(-ENOMEM, write_edu(&self->func, "copy", 1));
	EXPECT_GT(5000, edu_now_ms() - begin);
	EXPECT_EQ(0, iova_edu_let_go(&self->func));
	usleep(100000);
	EXPECT_EQ(0, write_edu(&self->func, "copy", 1));
}

/* Nothing fails on several CPUs at once, with a small space that has to go round */
TEST_F_TIMEOUT(iova, map_benchmark, 600)
{
	struct map_benchmark bench = {
		.seconds = 1,
		.node = -1,
		/* 4096 pages: flush queues and caches of IOVAs may hold many */
		.dma_bits = __builtin_ctzl(getpagesize()) + 12,
		.granule = 1,
	};
	int fd;

	if (edu_set_driver(&self->func, "dma_map_benchmark"))
		SKIP(return, "no CONFIG_DMA_MAP_BENCHMARK");
	fd = open(MAP_BENCHMARK, O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	for (bench.threads = 1; bench.threads <= 2; bench.threads++) {
		EXPECT_EQ(0, ioctl(fd, DMA_MAP_BENCHMARK, &bench));
		printf("# %u threads: map %.1f us, unmap %.1f us\n",
		       bench.threads, bench.avg_map_100ns / 10.0,
		       bench.avg_unmap_100ns / 10.0);
	}
	close(fd);
}

FIXTURE(iova_change)
{
	struct edu_func func;
	char group[IOVA_PATH];
	bool ready;
};

FIXTURE_SETUP(iova_change)
{
	const char *missing;

	ASSERT_EQ(0, iova_test_edu(&self->func, self->group, &missing));
	if (missing)
		SKIP(return, "%s", missing);
	self->ready = true;
}

FIXTURE_TEARDOWN(iova_change)
{
	/* However the test has ended: others make allocations fail, too */
	edu_nomem_close();
	iova_release(&self->func);
	if (!self->ready)
		return;
	EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", "auto"));
	EXPECT_EQ(0, iova_write_group(self->group, "type", "auto"));
}

/* Who is not privileged reads it, and no more */
TEST_F(iova_change, privileges)
{
	char path[IOVA_PATH + 16], buf[64];
	int fd;

	snprintf(path, sizeof(path), "%s/iova_alloc", self->group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_LT(0, iova_read_file(path, buf, sizeof(buf)));
	EXPECT_EQ(-EACCES, edu_write_file(path, "wraparound"));
	/* Nor does it help that somebody else has opened it */
	EXPECT_EQ(-1, write(fd, "wraparound", 10));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, seteuid(0));
	close(fd);
}

/* While user space has the group the DMA API does not, and is not changed */
TEST_F(iova_change, user_space)
{
	struct edu_dev dev;
	int iommufd;

	ASSERT_EQ(0, edu_set_driver(&self->func, "vfio-pci"));
	/* The driver alone does no DMA */
	EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", "wraparound"));
	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, iommufd);
	ASSERT_EQ(0, edu_open_bind(&dev, &self->func, iommufd));
	EXPECT_EQ(-EPERM, iova_write_group(self->group, "iova_alloc", "default"));
	edu_close(&dev);
	close(iommufd);
	EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", "default"));
}

/* A driver comes and goes, with one policy after the other */
TEST_F_TIMEOUT(iova_change, rebind, 600)
{
	static const char *const policies[] = { "wraparound", "default" };
	static const char *const types[] = { "DMA", "DMA-FQ" };
	unsigned int i;

	for (i = 0; i != edu_env("IOVA_REBINDS", 40); i++) {
		ASSERT_EQ(0, iova_set_policy(self->group, policies[i % 2],
					     types[i / 2 % 2]));
		ASSERT_EQ(0, edu_set_driver(&self->func, "iova_edu"));
		ASSERT_EQ(0, try_mapping(&self->func));
		/* Some go with mappings that the driver still has to undo */
		if (i % 3 == 0)
			ASSERT_EQ(100, iova_edu_hold(&self->func, getpagesize(),
						     100, 32));
		iova_release(&self->func);
	}
}

struct race {
	const struct edu_func *func;
	bool stop;
	unsigned int binds;
	unsigned int failures;
};

static void *race_bind(void *arg)
{
	struct race *race = arg;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		if (edu_set_driver(race->func, "iova_edu") ||
		    try_mapping(race->func))
			race->failures++;
		race->binds++;
		iova_release(race->func);
	}
	return NULL;
}

/* A driver binds at that moment: it is before or after the change, never between */
TEST_F_TIMEOUT(iova_change, race, 600)
{
	static const char *const policies[] = { "wraparound", "default" };
	__u64 end = edu_now_ms() + 1000 * edu_env("IOVA_RACE_SECS", 2);
	unsigned int changes = 0, refusals = 0, others = 0, i;
	struct race race = { .func = &self->func };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, race_bind, &race));
	for (i = 0; edu_now_ms() < end; i++) {
		int rc = iova_write_group(self->group, "iova_alloc",
					  policies[i % 2]);

		if (!rc)
			changes++;
		else if (rc == -EPERM)
			refusals++;
		else
			others++;
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	printf("# %u binds, %u changes, %u refusals\n", race.binds, changes,
	       refusals);
	EXPECT_EQ(0, race.failures);
	EXPECT_EQ(0, others);
	EXPECT_NE(0, changes);
	EXPECT_NE(0, refusals);
}

/*
 * Allocation number @nth of a change fails, with @stays each one after it as well.
 * Returns 0 if there were fewer, 1 if the change was made nevertheless, or what it
 * returned.
 */
static int change_without_memory(const char *group, const char *policy,
				 unsigned int nth, bool stays)
{
	char path[IOVA_PATH + 16];
	bool failed;
	int rc, fd;

	snprintf(path, sizeof(path), "%s/iova_alloc", group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (stays)
		edu_nomem_begin(nth);
	else
		edu_fault_begin(nth);
	rc = write(fd, policy, strlen(policy)) < 0 ? -errno : 1;
	failed = stays ? edu_nomem_end() : edu_fault_end();
	close(fd);
	return failed || rc < 0 ? rc : 0;
}

/*
 * A change that fails leaves the group, and the device, as they were. Memory that
 * stays out is not tried with VT-d: it allocates to attach what was attached before,
 * so the way back fails with a WARN of the core.
 */
TEST_F_TIMEOUT(iova_change, nomem, 600)
{
	static const char *const policies[] = { "wraparound", "default" };
	bool vtd = !access("/sys/class/iommu/dmar0", F_OK);
	unsigned int i, nth, failures;
	const char *missing;
	char buf[64];
	int rc;

	if (!edu_fault_open())
		SKIP(return, "no CONFIG_FAILSLAB");
	missing = vtd ? NULL : edu_nomem_open();
	if (missing)
		SKIP(return, "no %s", missing);
	for (i = 0; i != (vtd ? 2 : 4); i++) {
		const char *old = policies[!(i % 2)], *new = policies[i % 2];
		bool stays = i / 2;

		failures = 0;
		for (nth = 1; nth != MAX_NTH; nth++) {
			ASSERT_EQ(0, iova_set_policy(self->group, old, "DMA"));
			rc = change_without_memory(self->group, new, nth,
						   stays);
			if (!rc)
				break;
			ASSERT_LT(0, iova_read_group(self->group, "iova_alloc",
						     buf, sizeof(buf)));
			if (rc < 0) {
				failures++;
				ASSERT_EQ(-ENOMEM, rc)
				{
					TH_LOG("%s, allocation %u failed",
					       strerror(-rc), nth);
				}
				ASSERT_STREQ(old, buf);
			} else {
				ASSERT_STREQ(new, buf);
			}
			ASSERT_LT(0, iova_read_group(self->group, "type", buf,
						     sizeof(buf)));
			ASSERT_STREQ("DMA", buf);
			ASSERT_EQ(0, edu_set_driver(&self->func, "iova_edu"));
			ASSERT_EQ(0, try_mapping(&self->func));
			iova_release(&self->func);

			/* What failed is not remembered either */
			if (iova_write_group(self->group, "type", "identity"))
				continue;
			ASSERT_EQ(0, iova_write_group(self->group, "type",
						      "DMA"));
			ASSERT_LT(0, iova_read_group(self->group, "iova_alloc",
						     buf, sizeof(buf)));
			ASSERT_STREQ(rc < 0 ? old : new, buf);
		}
		printf("# %s: %u of %u allocations made it fail%s\n", new,
		       failures, nth - 1, stays ? ", and all after them" : "");
		ASSERT_NE(MAX_NTH, nth);
		ASSERT_NE(0, failures);
	}
	edu_fault_close();
}

TEST_HARNESS_MAIN
