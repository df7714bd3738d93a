/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of IOVA policies share: the group of a device in sysfs, the files of
 * the driver iova_edu, and a line of what debugfs says of IOVA spaces.
 *
 * All functions return 0 or a negative errno unless they say otherwise.
 */
#ifndef __SELFTEST_IOMMU_IOVA_UTILS_H
#define __SELFTEST_IOMMU_IOVA_UTILS_H

#include <stddef.h>
#include <sys/ioctl.h>

#include <linux/types.h>

#include "vfio_edu.h"

#define IOVA_PATH	128
#define MAP_BENCHMARK	"/sys/kernel/debug/dma_map_benchmark"

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

/* The first line of a file; returns its length */
int iova_read_file(const char *path, char *buf, size_t size);

/* Take the function away from its driver, if it has one */
void iova_release(const struct edu_func *func);

/* /sys/kernel/iommu_groups/<group> of a function, -ENODEV if it has none */
int iova_group_path(const struct edu_func *func, char *group, size_t size);
/*
 * An edu device with no driver, by itself in its group, and that. -ENODEV if there is
 * none behind an IOMMU, -ENOENT if there is no driver iova_edu, or no iova_alloc.
 */
int iova_find_edu(struct edu_func *func, char *group, size_t size);
/*
 * The same for the set-up of a test, @group has IOVA_PATH bytes. Where there is none to
 * test with it returns 0, and @missing says why the test is skipped; else that is NULL.
 */
int iova_test_edu(struct edu_func *func, char *group, const char **missing);
int iova_write_group(const char *group, const char *name, const char *value);
/* Returns the length */
int iova_read_group(const char *group, const char *name, char *buf,
		    size_t size);
/*
 * Give the group, none of whose devices has a driver, a policy and a type. -ENOTSUP
 * if the IOMMU has no domain of this type.
 */
int iova_set_policy(const char *group, const char *policy, const char *type);

/* A file of the driver iova_edu, see drivers/iommu/iova-edu-test.c */
int iova_edu_write(const struct edu_func *func, const char *name,
		   const char *text);
int iova_edu_read(const struct edu_func *func, const char *name, char *buf,
		  size_t size);
/*
 * Map @mappings times @bytes below 1 << @bits, beside what is held already. Returns
 * how many of them there was room for. They stay until iova_edu_let_go().
 */
long iova_edu_hold(const struct edu_func *func, unsigned int bytes,
		   unsigned int mappings, unsigned int bits);
int iova_edu_let_go(const struct edu_func *func);

/* A line of /sys/kernel/debug/iommu/iova_spaces */
struct iova_counters {
	unsigned long long allocs;
	unsigned long long failures;
	unsigned long long wraps;
	unsigned long long lazy_unmaps;
	unsigned long long flushes;
	unsigned long long flushes_saved;
	unsigned long long live_pages;
	unsigned long long max_pages;
	unsigned long long cursor_low;
	unsigned long long cursor_high;
};

/*
 * Read the line of a device, or, if @device is NULL, the last of all; @counters can be
 * NULL. Returns how many such lines there are, or -EPROTO if the file is not what it
 * should be.
 */
int iova_read_counters(const char *device, struct iova_counters *counters);

#endif
