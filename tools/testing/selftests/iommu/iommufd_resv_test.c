// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the files of iommufd_resv.c share.
 */
#include "iommufd_resv_test.h"

struct dev make_dev(struct __test_metadata *_metadata, int fd,
		    const struct iommu_test_resv *resv, __u32 num, __u32 flags,
		    const struct dev *sibling)
{
	struct mock_device_args args = {
		.flags = flags,
		.group_stdev_id = sibling ? sibling->stdev_id : 0,
		.resv = resv,
		.resv_num = num,
	};
	struct dev dev;

	ASSERT_EQ(0, _test_cmd_mock_device(fd, 0, &args, &dev.stdev_id, NULL,
					   &dev.id));
	return dev;
}

__u32 group_id(struct __test_metadata *_metadata, int fd, __u32 dev_id)
{
	struct iommu_device_resv_regions cmd = {
		.dev_id = dev_id,
		.entry_size = sizeof(struct iommu_resv_region_info),
	};

	if (_test_cmd_device_resv_regions(fd, &cmd))
		ASSERT_EQ(EMSGSIZE, errno);
	return cmd.out_group_id;
}

void expect_region(struct __test_metadata *_metadata,
		   const struct iommu_resv_region_info *info,
		   const struct iommu_test_resv *resv, __u32 flags)
{
	EXPECT_EQ(resv->start, info->start);
	EXPECT_EQ(resv->start + (resv->length - 1), info->last);
	EXPECT_EQ(resv->type, info->type);
	EXPECT_EQ(resv->prot, info->prot);
	EXPECT_EQ(flags, info->flags);
	EXPECT_EQ(0, info->__reserved);
}

void expect_conflict(struct __test_metadata *_metadata,
		     const struct iommu_iova_conflict *conflict, __u32 kind,
		     __u64 start, __u64 last, __u32 type, __u32 dev_id)
{
	EXPECT_EQ(kind, conflict->kind);
	EXPECT_EQ(start, conflict->start);
	EXPECT_EQ(last, conflict->last);
	EXPECT_EQ(type, conflict->region_type);
	EXPECT_EQ(dev_id, conflict->dev_id);
	EXPECT_EQ(0, conflict->__reserved);
}
