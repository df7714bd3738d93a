/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls about reserved regions and what they tell, for the files of
 * iommufd_resv_edu.c.
 */
#ifndef __SELFTEST_IOMMUFD_RESV_EDU_H
#define __SELFTEST_IOMMUFD_RESV_EDU_H

#include <stdbool.h>

#include <linux/iommufd.h>

#include "../kselftest_harness.h"
#include "vfio_edu.h"

#define MiB 0x100000ULL
#define MAX_REGIONS 64

/* Where Arm SMMUs have the window if nobody moves it */
#define SW_MSI_START 0x8000000ULL

#define SW_MSI_LAST 0x80fffffULL

/* Where these tests move it: no machine here has a region there */
#define MOVED_START 0x6000000ULL

#define MOVED_HIGH 0x140000000ULL

/* An ID that no object has */
#define NO_ID 0xfffffff0

#define ASSERT_IRQ(_dev) ASSERT_EQ(1, edu_raise(_dev, EDU_TIMEOUT_MS))

struct regions {
	struct iommu_resv_region_info info[MAX_REGIONS];
	__u32 num;
	__u32 group_id;
	bool aperture_known;
	__u64 start;
	__u64 last;
};

struct ranges {
	struct iommu_iova_range iova[MAX_REGIONS];
	__u32 num;
	__u64 alignment;
};

/* A dry run and its answer, room for more than there can be here */
struct check {
	struct iommu_ioas_check cmd;
	struct iommu_iova_conflict list[64];
	__u32 num;
};

/* The ioctls. All return 0 or a negative errno. */
int get_regions(int iommufd, __u32 dev_id, struct regions *regions);
int get_device_ranges(int iommufd, __u32 dev_id, struct ranges *ranges);
int get_ioas_ranges(int iommufd, __u32 ioas_id, struct ranges *ranges);
int allow_iovas(int iommufd, __u32 ioas_id, __u64 start, __u64 last);
int set_holes(int iommufd, __u32 ioas_id, const struct iommu_iova_range *holes,
	      __u32 num);
int check_plan(int iommufd, __u32 pt_id, __u32 dev_id,
	       const struct iommu_iova_range *ranges, __u32 num,
	       struct check *check);
int check_device(int iommufd, __u32 pt_id, __u32 dev_id, struct check *check);
int check_map(int iommufd, __u32 pt_id, __u64 iova, __u64 length,
	      struct check *check);
int msi_window(int iommufd, struct iommu_msi_window *cmd);
int set_window(int iommufd, __u32 dev_id, __u64 start, __u64 length);
int reset_window(int iommufd, __u32 dev_id);

static const char *const type_names[] = {
	[IOMMU_RESV_REGION_DIRECT] = "direct",
	[IOMMU_RESV_REGION_DIRECT_RELAXABLE] = "direct-relaxable",
	[IOMMU_RESV_REGION_RESERVED] = "reserved",
	[IOMMU_RESV_REGION_HW_MSI] = "msi",
	[IOMMU_RESV_REGION_SW_MSI] = "sw-msi",
	[IOMMU_RESV_REGION_BRIDGE_WINDOW] = "bridge-window",
	[IOMMU_RESV_REGION_NO_DMA] = "no-dma",
};

/* What is in the lists */
bool type_is_enforced(__u32 type);
bool is_enforced(const struct iommu_resv_region_info *info);
const struct iommu_resv_region_info *find_type(const struct regions *r,
					       __u32 type);
const struct iommu_resv_region_info *
find_region(const struct regions *r, __u64 start, __u64 last, __u32 type);
unsigned int count_type(const struct regions *r, __u32 type);
/* Can it be mapped, as far as the device is concerned? */
bool is_usable(const struct regions *r, __u64 start, __u64 last);
/*
 * The enforced region that tests try to map over: within the aperture, so that
 * nothing but the region is in the way.
 */
const struct iommu_resv_region_info *find_enforced(const struct regions *r);
void print_regions(const struct regions *r);

#define NO_CONFLICT 0

/* The kind of the first conflict */
__u32 check_kind(const struct check *check);
/* The first conflict is this one */
bool conflict_is(const struct check *check, __u32 kind, __u64 start, __u64 last,
		 __u32 type, __u32 dev_id);
bool device_fits(int iommufd, __u32 ioas_id, __u32 dev_id);
/* Is this the window of a device, or the default of the fd? */
bool window_is(int iommufd, __u32 dev_id, __u32 state, __u64 start, __u64 mib);
bool msi_is_in(const struct edu_dev *dev, __u64 start, __u64 last);
/* Does the attribute of the group have this line? Or -errno */
int sysfs_has(int group, __u64 start, __u64 last, const char *word);

/* The device for most tests, alone in its group */
const struct edu_func *find_device(void);
/* Machines without an MSI controller have no interrupt to test */
bool has_irq(struct edu_dev *dev);

#endif
