/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of an IOAS: what is mapped, promised and declared, and which devices
 * are attached. What would be in the way of a device or of a mapping follows from
 * it, and is compared with what the dry run names.
 */
#ifndef __SELFTEST_IOMMUFD_RESV_MODEL
#define __SELFTEST_IOMMUFD_RESV_MODEL

#include <stdbool.h>

#include "iommufd_resv_test.h"

#define NUM_DEVS 6
#define NUM_DEV_REGIONS 3
#define NUM_SETS 4
#define NUM_MAPS 16

struct model_dev {
	struct dev dev;
	__u32 group_id;
	bool low;
	bool attached;
	__u32 hwpt_id;
	/* The aperture of the HWPT is that of the device it was made for */
	bool hwpt_low;
	unsigned int num_regions;
	struct iommu_test_resv regions[NUM_DEV_REGIONS];
	bool has_window;
	struct iommu_iova_range window;
};

struct model_set {
	unsigned int num;
	struct iommu_iova_range ranges[NUM_MAPS];
};

struct model {
	unsigned int seed;
	int fd;
	__u32 ioas_id;
	struct model_dev devs[NUM_DEVS];
	struct model_set maps;
	struct model_set allowed;
	struct model_set holes;
	unsigned int step;
	unsigned int num_refused;
	unsigned int num_conflicts;
};

/* The conflicts that are to be expected */
struct model_conflicts {
	unsigned int num;
	struct iommu_iova_conflict list[MAX_CONFLICTS];
};

/* Who is in the way of whom */
struct model_blame {
	__u32 kind;
	__u32 type;
	const struct model_dev *dev;
	__u32 range_index;
};

bool overlaps(const struct iommu_iova_range *a,
	      const struct iommu_iova_range *b);
bool set_overlaps(const struct model_set *set,
		  const struct iommu_iova_range *range);

/* Add the conflicts of one range, device or mapping to @c */
void model_conflict_set(struct model_conflicts *c, struct model_blame blame,
			const struct iommu_iova_range *range,
			const struct model_set *set, bool plan);
struct iommu_iova_range region_range(const struct iommu_test_resv *resv);
bool region_counts(const struct model_dev *dev,
		   const struct iommu_test_resv *resv);
struct iommu_iova_range above(bool low);
void model_device(struct model *m, struct model_dev *dev,
		  const struct model_set *plan, struct model_conflicts *c);

bool model_aligns(struct model *m);
bool model_low(struct model *m);
void model_map(struct model *m, const struct iommu_iova_range *map, __u32 index,
	       bool aligned, struct model_conflicts *c);
void model_compare(struct __test_metadata *_metadata, struct model *m,
		   struct model_conflicts *c, struct resv_check *check);
void model_attached(struct model *m, struct model_dev *dev);

#endif
