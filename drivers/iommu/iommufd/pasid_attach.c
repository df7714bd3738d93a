// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is attached at a PASID
 *
 *	fd ---- PASID 5 <---- attachment ----> HWPT (paging) ---> IOAS
 *	 |                     |      |                            ^
 *	 +---- device ---- member ----+                            |
 *	         |            +------ regions reserved ------------+
 *	       group
 *
 * attachment: A group has one domain at a PASID, like it has one domain without.
 *   The first device that is attached there brings it, the last one takes it
 *   away. It has nothing to do with where the group is attached without a PASID,
 *   or at others.
 * member: A device that takes part in an attachment. Its regions are reserved in
 *   the IOAS for the member, not for the device, so that one which is attached to
 *   an IOAS twice does not lose them when it leaves once.
 *
 * An interrupt is a write without a PASID. So the MSI table, the window of the
 * group and its reservation are of no concern here, see msi.c.
 *
 * Only HWPTs that user space has allocated for it can be attached, there are no
 * auto domains.
 *
 * Locks. iommufd_group::lock for all attachments of a group and the members of
 * its devices; device_list_lock inside of it for what a page fault looks at.
 *
 * Failure. Attach and replace change nothing if they fail: everything else that
 * is needed is there before the domain is switched. Detach cannot fail. (On VT-d a
 * replace that fails in its last step has had no entry for a moment.)
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/slab.h>

#include "../iommu-priv.h"
#include "iommufd_private.h"

static struct iommufd_hwpt_paging *pasid_get_hwpt(struct iommufd_ctx *ictx,
						  u32 pt_id)
{
	struct iommufd_hwpt_paging *hwpt_paging;
	struct iommufd_object *obj;

	obj = iommufd_get_object(ictx, pt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	if (obj->type == IOMMUFD_OBJ_HWPT_PAGING) {
		hwpt_paging = container_of(obj, struct iommufd_hwpt_paging,
					   common.obj);
		if (hwpt_paging->pasid)
			return hwpt_paging;
	}
	iommufd_put_pt_object(ictx, obj);
	return ERR_PTR(-EINVAL);
}

static struct iommufd_pasid_member *
pasid_member_of(struct iommufd_pasid_attach *attach,
		const struct iommufd_device *idev)
{
	struct iommufd_pasid_member *member;

	lockdep_assert_held(&idev->igroup->lock);

	list_for_each_entry(member, &attach->members, attach_item)
		if (member->idev == idev)
			return member;
	return NULL;
}

/* A device without page faults has PASIDs, and the domain is a good one */
static int pasid_iopf_enable(struct iommufd_device *idev)
{
	int rc = iommufd_fault_iopf_enable(idev);

	return rc == -ENODEV || rc == -EINVAL ? -EOPNOTSUPP : rc;
}

/* A device comes into @attach, with its regions and its page faults */
static int pasid_add_member(struct iommufd_pasid_attach *attach,
			    struct iommufd_device *idev)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_pasid_member *member;
	int rc;

	lockdep_assert_held(&igroup->lock);

	member = kzalloc(sizeof(*member), GFP_KERNEL_ACCOUNT);
	if (!member)
		return -ENOMEM;
	member->attach = attach;
	member->idev = idev;

	rc = iommufd_device_reserve_iova(idev, attach->hwpt, member);
	if (rc)
		goto err_free;
	/* What is on for its siblings need not be on for it, see device.c */
	if (attach->hwpt->common.fault) {
		rc = pasid_iopf_enable(idev);
		if (rc)
			goto err_unreserve;
	}

	spin_lock(&igroup->device_list_lock);
	list_add_tail(&member->attach_item, &attach->members);
	spin_unlock(&igroup->device_list_lock);
	list_add_tail(&member->device_item, &idev->pasid_members);
	/* Pairs with pasid_del_member(), keeps the device from being unbound */
	refcount_inc(&idev->obj.users);
	return 0;

err_unreserve:
	iopt_remove_reserved_iova(&attach->hwpt->ioas->iopt, member);
err_free:
	kfree(member);
	return rc;
}

/* Faults of the device are refused from now on */
static void pasid_unlist_member(struct iommufd_pasid_member *member)
{
	struct iommufd_group *igroup = member->idev->igroup;

	lockdep_assert_held(&igroup->lock);

	spin_lock(&igroup->device_list_lock);
	list_del(&member->attach_item);
	spin_unlock(&igroup->device_list_lock);
	list_del(&member->device_item);
}

/* The domain is not that of the device any more, so its regions may be mapped */
static void pasid_del_member(struct iommufd_pasid_member *member)
{
	iopt_remove_reserved_iova(&member->attach->hwpt->ioas->iopt, member);
	refcount_dec(&member->idev->obj.users);
	kfree(member);
}

/* Nothing is attached to the PASID, @idev is the first one */
static int pasid_attach_first(struct iommufd_device *idev,
			      struct iommufd_pasid *pasid,
			      struct iommufd_hwpt_paging *hwpt_paging)
{
	struct iommufd_hw_pagetable *hwpt = &hwpt_paging->common;
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_attach_handle *handle;
	struct iommufd_pasid_attach *attach;
	struct iommufd_pasid_member *member;
	int rc;

	lockdep_assert_held(&igroup->lock);

	attach = kzalloc(sizeof(*attach), GFP_KERNEL_ACCOUNT);
	if (!attach)
		return -ENOMEM;
	handle = kzalloc(sizeof(*handle), GFP_KERNEL_ACCOUNT);
	if (!handle) {
		rc = -ENOMEM;
		goto err_free;
	}
	handle->igroup = igroup;
	handle->pasid_attach = attach;
	attach->pasid = pasid;
	attach->hwpt = hwpt_paging;
	attach->handle = handle;
	INIT_LIST_HEAD(&attach->members);

	rc = xa_insert(&igroup->pasids, pasid->pasid, attach,
		       GFP_KERNEL_ACCOUNT);
	if (rc)
		goto err_free_handle;
	if (hwpt->fault) {
		rc = iommufd_group_iopf_get(igroup, false);
		if (rc)
			goto err_erase;
	}
	/* Add it before it can fault, a fault is looked up among the members */
	rc = pasid_add_member(attach, idev);
	if (rc)
		goto err_iopf_put;
	rc = iommu_attach_device_pasid(hwpt->domain, idev->dev, pasid->pasid,
				       &handle->handle);
	if (rc)
		goto err_del_member;

	refcount_inc(&pasid->obj.users);
	refcount_inc(&hwpt->obj.users);
	return 0;

err_del_member:
	member = pasid_member_of(attach, idev);
	pasid_unlist_member(member);
	/* Another device of the group may have been attached for a moment */
	iommufd_group_free_handle(igroup, hwpt, handle);
	handle = NULL;
	pasid_del_member(member);
err_iopf_put:
	if (hwpt->fault)
		iommufd_group_iopf_put(igroup);
err_erase:
	xa_erase(&igroup->pasids, pasid->pasid);
err_free_handle:
	kfree(handle);
err_free:
	kfree(attach);
	return rc;
}

/* For @member, which is the only one, or the IOMMU core refuses it */
static int pasid_replace(struct iommufd_pasid_member *member,
			 struct iommufd_hwpt_paging *hwpt_paging)
{
	struct iommufd_pasid_attach *attach = member->attach;
	struct iommufd_hwpt_paging *old = attach->hwpt;
	struct iommufd_hw_pagetable *hwpt = &hwpt_paging->common;
	struct iommufd_attach_handle *old_handle = attach->handle;
	bool new_ioas = hwpt_paging->ioas != old->ioas;
	bool more_iopf = hwpt->fault && !old->common.fault;
	struct iommufd_device *idev = member->idev;
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_attach_handle *handle;
	int rc;

	lockdep_assert_held(&igroup->lock);

	handle = kzalloc(sizeof(*handle), GFP_KERNEL_ACCOUNT);
	if (!handle)
		return -ENOMEM;
	handle->igroup = igroup;
	handle->pasid_attach = attach;

	/* What is reserved in the old IOAS stays until the domain is switched */
	if (new_ioas) {
		rc = iommufd_device_reserve_iova(idev, hwpt_paging, member);
		if (rc)
			goto err_free;
	}
	if (more_iopf) {
		rc = iommufd_group_iopf_get(igroup, false);
		if (rc)
			goto err_unreserve;
		rc = pasid_iopf_enable(idev);
		if (rc)
			goto err_iopf_put;
	}
	rc = iommu_replace_device_pasid(hwpt->domain, idev->dev,
					attach->pasid->pasid, &handle->handle);
	if (rc) {
		/* The device may have faulted in the meantime */
		iommufd_group_free_handle(igroup, hwpt, handle);
		handle = NULL;
		goto err_iopf_put;
	}

	attach->hwpt = hwpt_paging;
	attach->handle = handle;
	iommufd_group_free_handle(igroup, &old->common, old_handle);
	if (old->common.fault && !hwpt->fault)
		iommufd_group_iopf_put(igroup);
	if (new_ioas)
		iopt_remove_reserved_iova(&old->ioas->iopt, member);
	refcount_inc(&hwpt->obj.users);
	refcount_dec(&old->common.obj.users);
	return 0;

err_iopf_put:
	if (more_iopf)
		iommufd_group_iopf_put(igroup);
err_unreserve:
	if (new_ioas)
		iopt_remove_reserved_iova(&hwpt_paging->ioas->iopt, member);
err_free:
	kfree(handle);
	return rc;
}

static int pasid_attach(struct iommufd_device *idev,
			struct iommufd_pasid *pasid,
			struct iommufd_hwpt_paging *hwpt_paging)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_pasid_attach *attach;
	struct iommufd_pasid_member *member;
	int rc = 0;

	mutex_lock(&igroup->lock);
	attach = xa_load(&igroup->pasids, pasid->pasid);
	member = attach ? pasid_member_of(attach, idev) : NULL;
	if (!attach)
		rc = pasid_attach_first(idev, pasid, hwpt_paging);
	else if (!member && attach->hwpt == hwpt_paging)
		rc = pasid_add_member(attach, idev);
	else if (!member)
		rc = -EBUSY;
	else if (attach->hwpt != hwpt_paging)
		rc = pasid_replace(member, hwpt_paging);
	mutex_unlock(&igroup->lock);
	return rc;
}

/**
 * iommufd_device_attach_pasid() - Attach a device to a HWPT at a PASID
 * @idev: the device, which need not be attached without a PASID
 * @pasid: a PASID of the fd that the device is bound to
 * @pt_id: in: object ID of a HWPT of IOMMU_HWPT_ALLOC_PASID. Out: the same.
 *
 * A HWPT that is attached there already is replaced. Undone by
 * iommufd_device_detach_pasid() or iommufd_device_detach_pasids().
 *
 * Context: may sleep. The caller keeps the device bound.
 * Return: 0, or an error of VFIO_DEVICE_ATTACH_IOMMUFD_PT with
 * VFIO_DEVICE_ATTACH_PASID. Nothing has changed then.
 */
int iommufd_device_attach_pasid(struct iommufd_device *idev, u32 pasid,
				u32 *pt_id)
{
	struct iommufd_hwpt_paging *hwpt_paging;
	struct iommufd_pasid *obj;
	int rc;

	obj = iommufd_pasid_get(idev, pasid);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	hwpt_paging = pasid_get_hwpt(idev->ictx, *pt_id);
	if (IS_ERR(hwpt_paging)) {
		rc = PTR_ERR(hwpt_paging);
		goto out_put_pasid;
	}
	rc = pasid_attach(idev, obj, hwpt_paging);
	iommufd_put_object(idev->ictx, &hwpt_paging->common.obj);
out_put_pasid:
	iommufd_put_object(idev->ictx, &obj->obj);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_attach_pasid, IOMMUFD);

static void pasid_detach(struct iommufd_pasid_member *member)
{
	struct iommufd_pasid_attach *attach = member->attach;
	struct iommufd_hw_pagetable *hwpt = &attach->hwpt->common;
	struct iommufd_device *idev = member->idev;
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_pasid *pasid = attach->pasid;

	lockdep_assert_held(&igroup->lock);

	pasid_unlist_member(member);
	if (!list_empty(&attach->members)) {
		/* Nobody is left to answer for this device, its siblings stay */
		iommufd_auto_response_faults(hwpt, attach->handle, idev->dev);
		pasid_del_member(member);
		return;
	}

	iommu_detach_device_pasid(hwpt->domain, idev->dev, pasid->pasid);
	iommufd_group_free_handle(igroup, hwpt, attach->handle);
	/* Answers reach a device only while IOPF is on */
	if (hwpt->fault)
		iommufd_group_iopf_put(igroup);
	pasid_del_member(member);
	xa_erase(&igroup->pasids, pasid->pasid);
	refcount_dec(&hwpt->obj.users);
	refcount_dec(&pasid->obj.users);
	kfree(attach);
}

/**
 * iommufd_device_detach_pasid() - Undo iommufd_device_attach_pasid()
 * @idev: the device
 * @pasid: the PASID. If the device is not attached there then nothing happens.
 *
 * If the device was the last one of its group there, then DMA with the PASID is
 * blocked afterwards.
 */
void iommufd_device_detach_pasid(struct iommufd_device *idev, u32 pasid)
{
	struct iommufd_pasid_member *member = NULL;
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_pasid_attach *attach;

	mutex_lock(&igroup->lock);
	attach = xa_load(&igroup->pasids, pasid);
	if (attach)
		member = pasid_member_of(attach, idev);
	if (member)
		pasid_detach(member);
	mutex_unlock(&igroup->lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_detach_pasid, IOMMUFD);

/**
 * iommufd_device_detach_pasids() - Detach a device from all PASIDs
 * @idev: the device, for example before iommufd_device_unbind()
 */
void iommufd_device_detach_pasids(struct iommufd_device *idev)
{
	struct iommufd_pasid_member *member, *next;

	mutex_lock(&idev->igroup->lock);
	list_for_each_entry_safe(member, next, &idev->pasid_members,
				 device_item)
		pasid_detach(member);
	mutex_unlock(&idev->igroup->lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_detach_pasids, IOMMUFD);
