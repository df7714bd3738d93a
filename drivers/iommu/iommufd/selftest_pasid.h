/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __IOMMUFD_SELFTEST_PASID_H
#define __IOMMUFD_SELFTEST_PASID_H

#include <linux/iommu.h>
#include <linux/xarray.h>

struct iommufd_device;
struct iommufd_ucmd;

int mock_pasid_set(struct xarray *entries, ioasid_t pasid,
		   struct iommu_domain *domain, struct iommu_domain *old);
void mock_pasid_remove(struct xarray *entries, ioasid_t pasid,
		       struct iommu_domain *domain);
int iommufd_test_pasid_attach(struct iommufd_ucmd *ucmd,
			      struct iommufd_device *idev);
int iommufd_test_pasid_entry(struct iommufd_ucmd *ucmd,
			     struct xarray *entries);

#endif
