// SPDX-License-Identifier: GPL-2.0
/*
 * What a mock device needs to take part in tests of MSI: regions that it
 * reports as reserved, and interrupts.
 *
 * A mock device has no irqchip. For each interrupt there is a struct msi_desc
 * that is taken through the calls an irqchip makes: iommu_dma_prepare_msi()
 * when the interrupt is allocated, iommu_dma_compose_msi_msg() when it is
 * activated, iommu_dma_unprepare_msi() when it is freed. User space chooses the
 * doorbell and learns the address that the device would be told to write to.
 */
#include <linux/iommu.h>
#include <linux/msi.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "iommufd_private.h"
#include "iommufd_test.h"
#include "selftest_msi.h"

static_assert((unsigned int)MOCK_RESV_DIRECT == IOMMU_RESV_DIRECT);
static_assert((unsigned int)MOCK_RESV_DIRECT_RELAXABLE ==
	      IOMMU_RESV_DIRECT_RELAXABLE);
static_assert((unsigned int)MOCK_RESV_RESERVED == IOMMU_RESV_RESERVED);
static_assert((unsigned int)MOCK_RESV_MSI == IOMMU_RESV_MSI);
static_assert((unsigned int)MOCK_RESV_SW_MSI == IOMMU_RESV_SW_MSI);

struct mock_resv {
	/* Negative, or 0 */
	int error;
	u32 num;
	struct iommu_test_resv regions[] __counted_by(num);
};

static int mock_resv_check(const struct iommu_test_resv *region)
{
	u64 last;

	if (region->type > MOCK_RESV_SW_MSI || (region->prot & ~MOCK_PTE_PROT))
		return -EOPNOTSUPP;
	if (!region->length)
		return 0;
	if (check_add_overflow(region->start, region->length - 1, &last) ||
	    last > PHYS_ADDR_MAX || region->length > SIZE_MAX)
		return -EOVERFLOW;
	return 0;
}

/*
 * Copy the regions that a mock device shall report, and the error after them.
 * NULL if there is nothing to report.
 */
struct mock_resv *mock_resv_alloc(u64 uptr, u32 num, u32 error)
{
	struct mock_resv *resv;
	u32 i;
	int rc;

	if (!num && !error)
		return NULL;
	if (error > MAX_ERRNO)
		return ERR_PTR(-EINVAL);
	if (num > MOCK_RESV_NUM_MAX)
		return ERR_PTR(-E2BIG);

	resv = kzalloc(struct_size(resv, regions, num), GFP_KERNEL_ACCOUNT);
	if (!resv)
		return ERR_PTR(-ENOMEM);
	resv->num = num;
	resv->error = -(int)error;

	rc = -EFAULT;
	if (copy_from_user(resv->regions, u64_to_user_ptr(uptr),
			   array_size(num, sizeof(resv->regions[0]))))
		goto err_free;

	for (i = 0; i != num; i++) {
		rc = mock_resv_check(&resv->regions[i]);
		if (rc)
			goto err_free;
	}
	return resv;

err_free:
	kfree(resv);
	return ERR_PTR(rc);
}

int mock_resv_report(const struct mock_resv *resv, struct list_head *head)
{
	u32 i;

	for (i = 0; i != resv->num; i++) {
		const struct iommu_test_resv *cur = &resv->regions[i];
		struct iommu_resv_region *region;

		region = iommu_alloc_resv_region(cur->start, cur->length,
						 cur->prot, cur->type,
						 GFP_KERNEL);
		if (!region)
			return -ENOMEM;
		list_add_tail(&region->list, head);
	}
	return resv->error;
}

static void mock_msi_free(struct msi_desc *desc)
{
	iommu_dma_unprepare_msi(desc);
	kfree(desc);
}

static u64 mock_msi_addr(struct msi_desc *desc, u64 doorbell)
{
	struct msi_msg msg = {
		.address_lo = lower_32_bits(doorbell),
		.address_hi = upper_32_bits(doorbell),
	};

	iommu_dma_compose_msi_msg(desc, &msg);
	return (u64)msg.address_hi << 32 | msg.address_lo;
}

/*
 * As in an irqchip, nothing is locked here against attach, replace and detach of
 * @dev.
 */
int iommufd_test_msi_prepare(struct iommufd_ucmd *ucmd, struct device *dev,
			     struct xarray *descs)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct msi_desc *desc;
	u32 id;
	int rc;

	if (!IS_ENABLED(CONFIG_IRQ_MSI_IOMMU) || cmd->msi_prepare.__reserved)
		return -EOPNOTSUPP;
	if (cmd->msi_prepare.doorbell > PHYS_ADDR_MAX)
		return -EOVERFLOW;

	desc = kzalloc(sizeof(*desc), GFP_KERNEL_ACCOUNT);
	if (!desc)
		return -ENOMEM;
	desc->dev = dev;
	desc->nvec_used = 1;

	rc = iommu_dma_prepare_msi(desc, cmd->msi_prepare.doorbell);
	if (rc) {
		kfree(desc);
		return rc;
	}

	/* A reserved entry until user space knows the id */
	rc = xa_alloc(descs, &id, NULL, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (rc)
		goto err_free;

	cmd->msi_prepare.out_addr =
		mock_msi_addr(desc, cmd->msi_prepare.doorbell);
	cmd->msi_prepare.out_msi_id = id;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		goto err_release;
	xa_store(descs, id, desc, GFP_KERNEL_ACCOUNT);
	return 0;

err_release:
	xa_release(descs, id);
err_free:
	mock_msi_free(desc);
	return rc;
}

int iommufd_test_msi_unprepare(struct iommufd_ucmd *ucmd, struct xarray *descs)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct msi_desc *desc;

	if (cmd->msi_unprepare.__reserved)
		return -EOPNOTSUPP;

	/* A reserved entry, one that is being prepared, stays */
	xa_lock(descs);
	desc = xa_load(descs, cmd->msi_unprepare.msi_id);
	if (desc)
		__xa_erase(descs, cmd->msi_unprepare.msi_id);
	xa_unlock(descs);
	if (!desc)
		return -ENOENT;
	mock_msi_free(desc);
	return 0;
}

/* The device goes away, with it its interrupts */
void iommufd_test_msi_unprepare_all(struct xarray *descs)
{
	struct msi_desc *desc;
	unsigned long index;

	xa_for_each(descs, index, desc)
		mock_msi_free(desc);
	xa_destroy(descs);
}
