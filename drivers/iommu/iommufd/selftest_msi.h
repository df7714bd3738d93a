/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __IOMMUFD_SELFTEST_MSI_H
#define __IOMMUFD_SELFTEST_MSI_H

#include <linux/types.h>

struct device;
struct iommufd_ucmd;
struct list_head;
struct mock_resv;
struct xarray;

struct mock_resv *mock_resv_alloc(u64 uptr, u32 num, u32 error);
int mock_resv_report(const struct mock_resv *resv, struct list_head *head);

int iommufd_test_msi_prepare(struct iommufd_ucmd *ucmd, struct device *dev,
			     struct xarray *descs);
int iommufd_test_msi_unprepare(struct iommufd_ucmd *ucmd,
			       struct xarray *descs);
void iommufd_test_msi_unprepare_all(struct xarray *descs);

#endif
