// SPDX-License-Identifier: GPL-2.0
/*
 * The PASID table of a mock device: an xarray with the domain of each PASID. What
 * the IOMMU core says to be there must be there, and user space can ask what a
 * PASID leads to.
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/xarray.h>

#include "iommufd_private.h"
#include "iommufd_test.h"
#include "selftest_pasid.h"

int mock_pasid_set(struct xarray *entries, ioasid_t pasid,
		   struct iommu_domain *domain, struct iommu_domain *old)
{
	if (WARN_ON(xa_load(entries, pasid) != old))
		return -EINVAL;
	if (iommufd_should_fail())
		return -ENOMEM;
	return xa_err(xa_store(entries, pasid, domain, GFP_KERNEL));
}

void mock_pasid_remove(struct xarray *entries, ioasid_t pasid,
		       struct iommu_domain *domain)
{
	WARN_ON(xa_erase(entries, pasid) != domain);
}

int iommufd_test_pasid_attach(struct iommufd_ucmd *ucmd,
			      struct iommufd_device *idev)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;

	return iommufd_device_attach_pasid(idev, cmd->pasid.pasid,
					   &cmd->pasid.pt_id);
}

/* The caller keeps the attachments as they are */
int iommufd_test_pasid_entry(struct iommufd_ucmd *ucmd, struct xarray *entries)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct iommu_domain *domain;

	domain = xa_load(entries, cmd->pasid.pasid);
	cmd->pasid.pt_id = domain ? domain->iommufd_hwpt->obj.id : 0;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
}
