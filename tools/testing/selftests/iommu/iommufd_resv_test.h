/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of iommufd_resv.c share.
 */
#ifndef __SELFTEST_IOMMUFD_RESV_TEST
#define __SELFTEST_IOMMUFD_RESV_TEST

#include "iommufd_resv_utils.h"
#include "iommufd_sizes.h"

#define MIB 0x100000ULL
#define APERTURE_START ((__u64)MOCK_APERTURE_START)
#define APERTURE_LAST ((__u64)MOCK_APERTURE_LAST)

/* A bound device, not attached */
struct dev {
	__u32 stdev_id;
	__u32 id;
};

struct dev make_dev(struct __test_metadata *_metadata, int fd,
		    const struct iommu_test_resv *resv, __u32 num, __u32 flags,
		    const struct dev *sibling);

#define m_dev(resv, num) make_dev(_metadata, self->fd, resv, num, 0, NULL)

/* The mock cannot take interrupts, and a group has no window, without */
#define NO_SW_MSI "CONFIG_IRQ_MSI_IOMMU is not set"

/* The number of the IOMMU group of a device */
__u32 group_id(struct __test_metadata *_metadata, int fd, __u32 dev_id);
void expect_region(struct __test_metadata *_metadata,
		   const struct iommu_resv_region_info *info,
		   const struct iommu_test_resv *resv, __u32 flags);
void expect_conflict(struct __test_metadata *_metadata,
		     const struct iommu_iova_conflict *conflict, __u32 kind,
		     __u64 start, __u64 last, __u32 type, __u32 dev_id);

/* The n-th conflict of @check */
#define m_conflict_n(n, _kind, start, last, type, dev_id)                    \
	({                                                                   \
		unsigned int nth = n;                                        \
									     \
		ASSERT_LT(nth, check.num);                                   \
		expect_conflict(_metadata, &check.conflicts[nth],            \
				IOMMU_IOVA_CONFLICT_##_kind, start, last, type, \
				dev_id);                                     \
	})
/* There is just this one */
#define m_conflict(_kind, start, last, type, dev_id)                \
	({                                                          \
		EXPECT_EQ(1, check.num);                            \
		m_conflict_n(0, _kind, start, last, type, dev_id);  \
	})
#define m_no_conflict() EXPECT_EQ(0, check.num)
#define m_check_device(dev_id) \
	test_cmd_ioas_check_device(self->ioas_id, dev_id, &check)
#define m_check_map(iova, length) \
	test_cmd_ioas_check_map(self->ioas_id, iova, length, &check)

#endif
