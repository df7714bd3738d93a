// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOVA policies under a disk
 *
 * The kernel's nvme driver has QEMU's NVMe disk. Two threads write to it past the
 * page cache, read back and compare, with each policy, in a strict and in a lazy
 * domain:
 *
 *   alone      with all IOVAs for itself
 *   shared     while dma_map_benchmark maps and unmaps low pages in the same domain,
 *              whose cursor that makes go round all the time
 *   pressure   with little room left below 4 GiB, then none, then all of it again
 *
 * What is on the disks is lost. A disk that has a driver is left alone.
 */
#include <dirent.h>
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
#include "vfio_nvme.h"

#define NUM_THREADS	2
/* Each has a part of the disk for itself, and buffers of this size */
#define PART		(4 << 20)
#define BUF_SIZE	(128 << 10)

struct worker {
	const char *node;
	unsigned int nr;
	/* Either of them ends it */
	unsigned int times;
	bool *stop;
	unsigned int done;
	const char *what;
};

/* Nothing that was there before, and nothing that belongs to another place */
static void fill(uint64_t *buf, size_t len, uint64_t salt)
{
	size_t i;

	for (i = 0; i != len / sizeof(*buf); i++)
		buf[i] = (salt << 32 | i) * 0x9e3779b97f4a7c15ULL;
}

static const char *write_and_compare(struct worker *worker, int fd, void *out,
				     void *in, unsigned int *seed)
{
	size_t len = (1 + rand_r(seed) % (BUF_SIZE / 4096)) * 4096UL;
	off_t at = worker->nr * PART + rand_r(seed) % (PART / 4096) * 4096UL;

	if (at + len > (worker->nr + 1UL) * PART)
		at = (worker->nr + 1UL) * PART - len;
	fill(out, len, (uint64_t)worker->nr << 24 | worker->done);
	memset(in, 0, len);
	if (pwrite(fd, out, len, at) != (ssize_t)len)
		return "write";
	if (pread(fd, in, len, at) != (ssize_t)len)
		return "read";
	return memcmp(out, in, len) ? "the data is not what was written" : NULL;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	unsigned int seed = worker->nr;
	void *out = NULL, *in = NULL;
	int fd;

	fd = open(worker->node, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		worker->what = "open";
	else if (posix_memalign(&out, 4096, BUF_SIZE) ||
		 posix_memalign(&in, 4096, BUF_SIZE))
		worker->what = "memory";
	while (!worker->what && worker->done != worker->times &&
	       !__atomic_load_n(worker->stop, __ATOMIC_RELAXED)) {
		worker->what = write_and_compare(worker, fd, out, in, &seed);
		worker->done++;
	}
	free(out);
	free(in);
	if (fd >= 0)
		close(fd);
	return NULL;
}

struct load {
	pthread_t threads[NUM_THREADS];
	struct worker workers[NUM_THREADS];
	bool stop;
};

static void load_start(struct __test_metadata *_metadata, struct load *load,
		       const char *node, unsigned int times)
{
	unsigned int i;

	memset(load, 0, sizeof(*load));
	for (i = 0; i != NUM_THREADS; i++) {
		load->workers[i] = (struct worker){
			.node = node,
			.nr = i,
			.times = times,
			.stop = &load->stop,
		};
		ASSERT_EQ(0, pthread_create(&load->threads[i], NULL, work,
					    &load->workers[i]));
	}
}

static unsigned int load_end(struct __test_metadata *_metadata,
			     struct load *load)
{
	unsigned int done = 0, i;

	for (i = 0; i != NUM_THREADS; i++) {
		ASSERT_EQ(0, pthread_join(load->threads[i], NULL));
		EXPECT_EQ(NULL, load->workers[i].what)
			TH_LOG("thread %u, transfer %u: %s", i,
			       load->workers[i].done, load->workers[i].what);
		done += load->workers[i].done;
	}
	return done;
}

/* Writes, reads and compares so often */
static void load_run(struct __test_metadata *_metadata, const char *node,
		     unsigned int times)
{
	struct load load;

	load_start(_metadata, &load, node, times);
	EXPECT_EQ(NUM_THREADS * times, load_end(_metadata, &load));
}

/* The entry of a folder that begins like this, or "" */
static void find_entry(const char *path, const char *begin, char *name,
		       size_t size)
{
	struct dirent *de;
	DIR *dir;

	name[0] = 0;
	dir = opendir(path);
	if (!dir)
		return;
	while ((de = readdir(dir)))
		if (!strncmp(de->d_name, begin, strlen(begin)))
			snprintf(name, size, "%.31s", de->d_name);
	closedir(dir);
}

/* Give the disk to the nvme driver and wait for its device file */
static int disk_open(const struct edu_func *func, char *node, size_t size)
{
	__u64 end = edu_now_ms() + 10000;
	char path[IOVA_PATH], ctrl[32], name[32];
	int rc;

	rc = edu_set_driver(func, "nvme");
	if (rc)
		return rc;
	do {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/nvme",
			 func->bdf);
		find_entry(path, "nvme", ctrl, sizeof(ctrl));
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/nvme/%s",
			 func->bdf, ctrl);
		find_entry(path, ctrl[0] ? ctrl : "-", name, sizeof(name));
		snprintf(node, size, "/dev/%s", name);
		if (name[0] && !access(node, R_OK | W_OK))
			return 0;
		usleep(10000);
	} while (edu_now_ms() < end);
	return -ETIMEDOUT;
}

FIXTURE(disk)
{
	/* The one with a group of its own, and two that share one */
	struct edu_func alone;
	struct edu_func pair[2];
	bool has_alone;
	bool has_pair;
	char group[IOVA_PATH];
};

FIXTURE_VARIANT(disk)
{
	const char *policy;
	const char *type;
	bool wraps;
};

FIXTURE_VARIANT_ADD(disk, default_strict)
{
	.policy = "default",
	.type = "DMA",
};

FIXTURE_VARIANT_ADD(disk, default_lazy)
{
	.policy = "default",
	.type = "DMA-FQ",
};

FIXTURE_VARIANT_ADD(disk, wraparound_strict)
{
	.policy = "wraparound",
	.type = "DMA",
	.wraps = true,
};

FIXTURE_VARIANT_ADD(disk, wraparound_lazy)
{
	.policy = "wraparound",
	.type = "DMA-FQ",
	.wraps = true,
};

/* What no driver had before has vfio-pci then */
static void find_disks(FIXTURE_DATA(disk) * self)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	const struct edu_func *alone, *pair[2];
	int num;

	num = edu_claim_id(funcs, EDU_MAX_FUNCS, NVME_VENDOR, NVME_DEVICE);
	alone = edu_pick_single(funcs, num);
	if (alone) {
		self->alone = *alone;
		self->has_alone = true;
	}
	if (edu_pick_pair(funcs, num, true, pair)) {
		self->pair[0] = *pair[0];
		self->pair[1] = *pair[1];
		self->has_pair = true;
	}
}

FIXTURE_SETUP(disk)
{
	find_disks(self);
	if (!self->has_alone && !self->has_pair)
		SKIP(return, "no nvme (%x:%04x) without a driver", NVME_VENDOR,
		     NVME_DEVICE);
	if (access("/sys/bus/pci/drivers/nvme", F_OK))
		SKIP(return, "no CONFIG_BLK_DEV_NVME");
}

/* As it was: without a driver */
FIXTURE_TEARDOWN(disk)
{
	if (self->has_alone)
		iova_release(&self->alone);
	if (self->has_pair) {
		iova_release(&self->pair[0]);
		iova_release(&self->pair[1]);
	}
	if (self->group[0]) {
		EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", "auto"));
		EXPECT_EQ(0, iova_write_group(self->group, "type", "auto"));
	}
}

/* Give the group of @func the policy of the variant; false if it cannot be had */
static bool set_policy(struct __test_metadata *_metadata,
		       FIXTURE_DATA(disk) * self,
		       const FIXTURE_VARIANT(disk) * variant,
		       const struct edu_func *func)
{
	int rc;

	EXPECT_EQ(0, iova_group_path(func, self->group, sizeof(self->group)));
	/* A new domain: a disk that has been short of IOVAs below 4 GiB stays above */
	iova_write_group(self->group, "iova_alloc",
			 variant->wraps ? "default" : "wraparound");
	rc = iova_set_policy(self->group, variant->policy, variant->type);
	if (rc == -ENOTSUP || (rc == -ENOENT && !edu_env("RESV_REQUIRED", 0)))
		return false;
	EXPECT_EQ(0, rc);
	return true;
}

TEST_F_TIMEOUT(disk, alone, 600)
{
	struct iova_counters counters;
	char node[64];

	if (!self->has_alone)
		SKIP(return, "no disk with a group of its own");
	if (!set_policy(_metadata, self, variant, &self->alone))
		SKIP(return, "no iova_alloc, or no type %s", variant->type);
	ASSERT_EQ(0, disk_open(&self->alone, node, sizeof(node)));
	load_run(_metadata, node, edu_env("IOVA_TRANSFERS", 100));
	if (!variant->wraps)
		return;
	ASSERT_EQ(1, iova_read_counters(self->alone.bdf, &counters));
	EXPECT_EQ(0, counters.failures);
	EXPECT_LT(2 * NUM_THREADS * edu_env("IOVA_TRANSFERS", 100),
		  counters.allocs);
}

/* The first of the two has the disk; the space bears the name of either */
static int read_pair(FIXTURE_DATA(disk) * self, struct iova_counters *counters)
{
	int rc = iova_read_counters(self->pair[0].bdf, counters);

	return rc ? rc : iova_read_counters(self->pair[1].bdf, counters);
}

/* Another device of the domain, with another limit, never disturbs the data */
TEST_F_TIMEOUT(disk, shared, 600)
{
	struct map_benchmark bench = {
		.threads = 2,
		.seconds = 1,
		.node = -1,
		/* 512 pages go round soon; flush queues may hold as many */
		.dma_bits = __builtin_ctzl(getpagesize()) +
			    (variant->wraps ? 9 : 12),
		.granule = 1,
	};
	struct iova_counters before, after;
	struct load load;
	char node[64];
	int fd;

	if (!self->has_pair)
		SKIP(return, "no two disks in one group");
	if (!set_policy(_metadata, self, variant, &self->pair[0]))
		SKIP(return, "no iova_alloc, or no type %s", variant->type);
	if (edu_set_driver(&self->pair[1], "dma_map_benchmark"))
		SKIP(return, "no CONFIG_DMA_MAP_BENCHMARK");
	ASSERT_EQ(0, disk_open(&self->pair[0], node, sizeof(node)));
	if (variant->wraps)
		ASSERT_EQ(1, read_pair(self, &before));

	fd = open(MAP_BENCHMARK, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	load_start(_metadata, &load, node, UINT32_MAX);
	EXPECT_EQ(0, ioctl(fd, DMA_MAP_BENCHMARK, &bench));
	__atomic_store_n(&load.stop, true, __ATOMIC_RELAXED);
	EXPECT_LT(NUM_THREADS, load_end(_metadata, &load));
	close(fd);
	if (!variant->wraps)
		return;
	ASSERT_EQ(1, read_pair(self, &after));
	EXPECT_LT(before.wraps, after.wraps);
	EXPECT_EQ(0, after.failures);
	printf("# %llu rounds, %u transfers\n", after.wraps - before.wraps,
	       load.workers[0].done + load.workers[1].done);
}

/* The disk reaches all IOVAs, and has those below 4 GiB as long as there are any */
TEST_F_TIMEOUT(disk, pressure, 600)
{
	unsigned int times = edu_env("IOVA_TRANSFERS", 100);
	struct iova_counters before, after;
	char node[64];
	long held;

	if (!self->has_pair)
		SKIP(return, "no two disks in one group");
	if (!set_policy(_metadata, self, variant, &self->pair[0]))
		SKIP(return, "no iova_alloc, or no type %s", variant->type);
	ASSERT_EQ(0, disk_open(&self->pair[0], node, sizeof(node)));
	if (edu_set_driver(&self->pair[1], "iova_edu"))
		SKIP(return, "no CONFIG_IOVA_EDU_TEST");

	/* 4 MiB less a page are left before the first of these, at least */
	held = iova_edu_hold(&self->pair[1], 4 << 20, 2000, 32);
	EXPECT_LT(256, held);
	EXPECT_GT(1024, held);
	if (variant->wraps)
		ASSERT_EQ(1, read_pair(self, &before));
	load_run(_metadata, node, times);
	if (variant->wraps) {
		ASSERT_EQ(1, read_pair(self, &after));
		EXPECT_LT(before.wraps, after.wraps);
		/* It was enough */
		EXPECT_EQ(before.failures, after.failures);
		EXPECT_EQ(before.cursor_high, after.cursor_high);
	}

	/*
	 * Nothing is left there: the disk goes on above. QEMU's NVMe refuses an SGL
	 * that ends at the last address of 64 bits, where today's policy begins.
	 */
	held = iova_edu_hold(&self->pair[1], getpagesize(), 100000, 32);
	EXPECT_LT(0, held);
	if (!variant->wraps)
		ASSERT_EQ(1, iova_edu_hold(&self->pair[1], 4 << 20, 1, 64));
	load_run(_metadata, node, times);
	if (variant->wraps) {
		ASSERT_EQ(1, read_pair(self, &after));
		EXPECT_LT(before.cursor_high, after.cursor_high);
	}

	EXPECT_EQ(0, iova_edu_write(&self->pair[1], "hold", "0 2"));
	load_run(_metadata, node, times);
	if (variant->wraps) {
		ASSERT_EQ(1, read_pair(self, &after));
		EXPECT_GT(held, after.live_pages);
	}
}

TEST_HARNESS_MAIN
