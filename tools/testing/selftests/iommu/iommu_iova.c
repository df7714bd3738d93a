// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOVA policies with a real (if virtual) device behind a real IOMMU
 *
 * The driver iova_edu copies data through the edu device of QEMU, and can make the
 * device write to a page that has been unmapped. Here that is done with each
 * policy, in a strict and in a lazy domain, and the sysfs attribute iova_alloc of
 * the group is tried. dma_map_benchmark maps and unmaps on all CPUs at once.
 *
 * A DMA of the device takes 100 ms, so there are few of them unless IOVA_COPIES or
 * IOVA_LATE say otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/types.h>

#include "../kselftest_harness.h"
#include "vfio_edu.h"

#define EDU_DIR "/sys/kernel/debug/iova_edu"
#define BENCHMARK "/sys/kernel/debug/dma_map_benchmark"

/* As in include/linux/map_benchmark.h, which is not exported */
struct map_benchmark {
	__u64 avg_map_100ns;
	__u64 map_stddev;
	__u64 avg_unmap_100ns;
	__u64 unmap_stddev;
	__u32 threads;
	__u32 seconds;
	__s32 node;
	__u32 dma_bits;
	__u32 dma_dir;
	__u32 dma_trans_ns;
	__u32 granule;
	__u8 expansion[76];
};

#define DMA_MAP_BENCHMARK _IOWR('d', 1, struct map_benchmark)

/* Returns the length, or -errno */
static int read_file(const char *path, char *buf, size_t size)
{
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	close(fd);
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return n;
}

FIXTURE(iova)
{
	struct edu_func func;
	char group[96];
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

static void release_edu(const struct edu_func *func)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind",
		 func->bdf);
	edu_write_file(path, func->bdf);
}

static int write_group(const char *group, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", group, name);
	return edu_write_file(path, value);
}

static int read_group(const char *group, const char *name, char *buf,
		      size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", group, name);
	return read_file(path, buf, size);
}

/* A device by itself in its group, with no driver */
static int find_edu(struct edu_func *func, char *group, size_t size)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	char path[96], link[96];
	ssize_t n;

	if (edu_scan(funcs, EDU_MAX_FUNCS) < 1)
		return -ENODEV;
	*func = funcs[0];
	/* With a devicetree the first probe gives it a group */
	if (edu_set_driver(func, "iova_edu"))
		return -ENOENT;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group",
		 func->bdf);
	n = readlink(path, link, sizeof(link) - 1);
	release_edu(func);
	if (n < 0)
		return -ENODEV;
	link[n] = 0;
	snprintf(group, size, "/sys/kernel/iommu_groups/%s",
		 strrchr(link, '/') + 1);
	return 0;
}

FIXTURE_SETUP(iova)
{
	char buf[64];
	int rc;

	rc = find_edu(&self->func, self->group, sizeof(self->group));
	if (rc == -ENODEV)
		SKIP(return, "no edu device behind an IOMMU");
	if (!rc)
		rc = read_group(self->group, "iova_alloc", buf, sizeof(buf));
	if (rc == -ENOENT && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "no iova_edu, or no iova_alloc in sysfs");
	ASSERT_GE(rc, 0);

	ASSERT_EQ(0, write_group(self->group, "iova_alloc", variant->policy));
	ASSERT_EQ(0, write_group(self->group, "type", variant->type));
	ASSERT_LT(0, read_group(self->group, "type", buf, sizeof(buf)));
	if (strcmp(buf, variant->type))
		SKIP(return, "the IOMMU has no domain of type %s", variant->type);
	ASSERT_LT(0, read_group(self->group, "iova_alloc", buf, sizeof(buf)));
	ASSERT_STREQ(variant->policy, buf);
	ASSERT_EQ(0, edu_set_driver(&self->func, "iova_edu"));
	self->ready = true;
}

FIXTURE_TEARDOWN(iova)
{
	release_edu(&self->func);
	if (!self->ready)
		return;
	EXPECT_EQ(0, write_group(self->group, "iova_alloc", "auto"));
	EXPECT_EQ(0, write_group(self->group, "type", "auto"));
}

static int write_edu(const struct edu_func *func, const char *name,
		     unsigned long value)
{
	char path[96], text[32];

	snprintf(path, sizeof(path), EDU_DIR "/%s/%s", func->bdf, name);
	snprintf(text, sizeof(text), "%lu", value);
	return edu_write_file(path, text);
}

/* What the device gets, and what comes back from it, is what was sent */
TEST_F_TIMEOUT(iova, copy, 600)
{
	ASSERT_EQ(0, write_edu(&self->func, "copy", edu_env("IOVA_COPIES", 3)));
}

/* A device that writes to a page after the unmap */
TEST_F_TIMEOUT(iova, late_dma, 3600)
{
	unsigned long want = edu_env("IOVA_LATE", 4);
	unsigned long tried, caught;
	char path[96], buf[64], *end;

	ASSERT_EQ(0, write_edu(&self->func, "late", want));
	snprintf(path, sizeof(path), EDU_DIR "/%s/late", self->func.bdf);
	ASSERT_LT(0, read_file(path, buf, sizeof(buf)));
	tried = strtoul(buf, &end, 10);
	caught = strtoul(end, NULL, 10);
	printf("# late DMA: %lu of %lu caught\n", caught, tried);
	ASSERT_EQ(want, tried);
	if (variant->detects)
		ASSERT_EQ(tried, caught);
}

/* The policy of a device that is in use stays, and so does its data */
TEST_F_TIMEOUT(iova, change_in_use, 600)
{
	const char *other = strcmp(variant->policy, "default") ? "default" :
								 "wraparound";
	char buf[64];

	EXPECT_EQ(-EPERM, write_group(self->group, "iova_alloc", other));
	EXPECT_EQ(-EPERM, write_group(self->group, "iova_alloc", "auto"));
	EXPECT_EQ(-EINVAL, write_group(self->group, "iova_alloc", "fastest"));
	EXPECT_EQ(-EINVAL, write_group(self->group, "iova_alloc", "none"));
	EXPECT_LT(0, read_group(self->group, "iova_alloc", buf, sizeof(buf)));
	EXPECT_STREQ(variant->policy, buf);
	EXPECT_EQ(0, write_edu(&self->func, "copy", 1));

	/* Once it is not, it can be changed, and back */
	release_edu(&self->func);
	EXPECT_EQ(0, write_group(self->group, "iova_alloc", other));
	EXPECT_LT(0, read_group(self->group, "iova_alloc", buf, sizeof(buf)));
	EXPECT_STREQ(other, buf);
	EXPECT_EQ(0, edu_set_driver(&self->func, "iova_edu"));
	EXPECT_EQ(0, write_edu(&self->func, "copy", 1));
}

/* A group that the DMA API does not use keeps what was asked for until it does */
TEST_F(iova, identity)
{
	char buf[64];

	release_edu(&self->func);
	if (write_group(self->group, "type", "identity"))
		SKIP(return, "the IOMMU has no identity domain");
	EXPECT_LT(0, read_group(self->group, "iova_alloc", buf, sizeof(buf)));
	EXPECT_STREQ("none", buf);
	EXPECT_EQ(0, write_group(self->group, "iova_alloc", "default"));
	EXPECT_EQ(0, write_group(self->group, "iova_alloc", variant->policy));
	EXPECT_EQ(0, write_group(self->group, "type", variant->type));
	EXPECT_LT(0, read_group(self->group, "iova_alloc", buf, sizeof(buf)));
	EXPECT_STREQ(variant->policy, buf);
}

/* Nothing fails on all CPUs at once, with a small space that has to go round */
TEST_F_TIMEOUT(iova, map_benchmark, 600)
{
	struct map_benchmark bench = {
		.threads = 4,
		.seconds = 1,
		.node = -1,
		/* 4096 pages: flush queues and caches of IOVAs may hold many */
		.dma_bits = __builtin_ctzl(getpagesize()) + 12,
		.granule = 1,
	};
	int fd;

	if (edu_set_driver(&self->func, "dma_map_benchmark"))
		SKIP(return, "no CONFIG_DMA_MAP_BENCHMARK");
	fd = open(BENCHMARK, O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, ioctl(fd, DMA_MAP_BENCHMARK, &bench));
	printf("# map %.1f us, unmap %.1f us\n", bench.avg_map_100ns / 10.0,
	       bench.avg_unmap_100ns / 10.0);
	close(fd);
}

TEST_HARNESS_MAIN
