// SPDX-License-Identifier: GPL-2.0-only
/*
 * PASIDs that belong to an fd
 *
 * number: What a device sends, what the IOMMU looks up, and what no two owners in
 *   the system may have at once. Numbers come from drivers/iommu/iommu-pasid.c.
 * PASID: An object of the fd that has one number. It is there as long as the fd
 *   wants it, and at least as long as something is attached at it.
 *
 * Who may use a number. Only devices of the fd that owns it, and only one of them
 * if the PASID was allocated for it. When that device goes, nobody can attach
 * anything there any more; the PASID stays until it is destroyed, for the number
 * is of the fd.
 *
 * What a destroy waits for. Nothing. It takes no memory and calls no driver, and
 * the number rests for as long as a device may have it in a queue. The same goes
 * for each PASID when the fd is closed, for whatever reason; by then all devices
 * are unbound, and so nothing is attached any more.
 *
 * Quota. Numbers are few, at most 2^20 in the whole system and as few as its
 * devices can take, so an fd and a user can have so many and no more, and all
 * fds together have no more than a share, see iommu-pasid.c. They are charged
 * to the user who opened the fd, whoever calls. The user has a number until it
 * is free for others, that is the allocator's to tell; the fd until it is
 * destroyed. There is no resource limit and no ucount of this kind.
 *
 * Locks. That of the xarray of numbers protects the PASIDs of the fd, how many
 * there are, and the lists of the devices.
 *
 * Failure. An allocation that fails changes nothing. A destroy cannot fail.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "iommufd_private.h"

/* A guest can have some thousand processes with an address space on a device */
static unsigned int pasids_per_fd = 4096;
module_param(pasids_per_fd, uint, 0644);
MODULE_PARM_DESC(pasids_per_fd, "Most PASIDs that an open /dev/iommu can have");

/* A sixteenth of 2^20 */
static unsigned int pasids_per_user = 65536;
module_param(pasids_per_user, uint, 0644);
MODULE_PARM_DESC(pasids_per_user,
		 "Most PASIDs that all /dev/iommu opened by a user can have together");

static int pasid_charge(struct iommufd_pasids *pasids)
{
	int rc = 0;

	xa_lock(&pasids->numbers);
	if (pasids->num >= READ_ONCE(pasids_per_fd))
		rc = -EDQUOT;
	else
		pasids->num++;
	xa_unlock(&pasids->numbers);
	return rc;
}

static void pasid_uncharge(struct iommufd_pasids *pasids)
{
	xa_lock(&pasids->numbers);
	pasids->num--;
	xa_unlock(&pasids->numbers);
}

/**
 * iommufd_pasids_init() - Set up the PASIDs of a new context
 * @pasids: the PASIDs
 */
void iommufd_pasids_init(struct iommufd_pasids *pasids)
{
	xa_init_flags(&pasids->numbers, XA_FLAGS_ACCOUNT);
}

/**
 * iommufd_pasids_destroy() - Free what a context has for its PASIDs
 * @pasids: the PASIDs, none is left
 */
void iommufd_pasids_destroy(struct iommufd_pasids *pasids)
{
	WARN_ON(!xa_empty(&pasids->numbers) || pasids->num);
	xa_destroy(&pasids->numbers);
}

/* Objects that are looked at before the lock is given up for a moment */
#define PASID_OBJECTS_BATCH	1024

/* The first number that is too large for a device that can take any, or 0 */
static u32 pasid_common_limit(struct iommufd_ctx *ictx)
{
	struct iommufd_object *obj;
	unsigned long index;
	u32 limit = 0, i = 0;

	xa_lock(&ictx->objects);
	xa_for_each(&ictx->objects, index, obj) {
		u32 max = 0;

		/* An object that is found is not freed before the lock is dropped */
		if (obj->type == IOMMUFD_OBJ_DEVICE)
			max = iommufd_device_max_pasids(container_of(
				obj, struct iommufd_device, obj)->dev);
		if (max && (!limit || max < limit))
			limit = max;
		if (++i % PASID_OBJECTS_BATCH)
			continue;
		xa_unlock(&ictx->objects);
		cond_resched();
		xa_lock(&ictx->objects);
	}
	xa_unlock(&ictx->objects);
	return limit;
}

static bool pasid_is_own(struct iommufd_ctx *ictx, ioasid_t number)
{
	return xa_load(&ictx->pasids.numbers, number);
}

static int pasid_alloc_number(struct iommufd_pasid *pasid,
			      struct iommufd_ctx *ictx, u32 limit, u32 min,
			      u32 max)
{
	int rc;

	rc = iommu_alloc_file_pasid(limit, min, max, ictx->file->f_cred->uid,
				    READ_ONCE(pasids_per_user), &pasid->pasid);
	if (rc == -EEXIST && !pasid_is_own(ictx, min))
		return -EACCES;
	if (rc)
		return rc;
	rc = xa_reserve(&ictx->pasids.numbers, pasid->pasid,
			GFP_KERNEL_ACCOUNT);
	if (rc)
		iommu_free_file_pasid(pasid->pasid);
	return rc;
}

static void pasid_free_number(struct iommufd_pasid *pasid,
			      struct iommufd_ctx *ictx)
{
	/* Before anybody can get the number again, this fd too */
	xa_erase(&ictx->pasids.numbers, pasid->pasid);
	iommu_free_file_pasid(pasid->pasid);
}

/* From now on it can be found by its number. Cannot fail. */
static void pasid_publish(struct iommufd_pasid *pasid,
			  struct iommufd_device *idev)
{
	struct xarray *numbers = &pasid->ictx->pasids.numbers;

	xa_lock(numbers);
	if (pasid->one_device) {
		pasid->idev = idev;
		list_add_tail(&pasid->own_item, &idev->own_pasids);
	}
	/* Was reserved, hence takes no memory */
	WARN_ON(__xa_store(numbers, pasid->pasid, pasid, 0));
	xa_unlock(numbers);
}

/* @idev is NULL if it is for all devices that can take a PASID */
static int pasid_alloc(struct iommufd_ucmd *ucmd, struct iommufd_device *idev)
{
	struct iommu_pasid_alloc *cmd = ucmd->cmd;
	struct iommufd_ctx *ictx = ucmd->ictx;
	struct iommufd_pasid *pasid;
	u32 limit;
	int rc;

	limit = idev ? iommufd_device_max_pasids(idev->dev) :
		       pasid_common_limit(ictx);
	/* PASID 0 alone is none */
	if (limit <= IOMMU_FIRST_GLOBAL_PASID)
		return -ENODEV;

	rc = pasid_charge(&ictx->pasids);
	if (rc)
		return rc;
	pasid = iommufd_object_alloc(ictx, pasid, IOMMUFD_OBJ_PASID);
	if (IS_ERR(pasid)) {
		rc = PTR_ERR(pasid);
		goto err_uncharge;
	}
	pasid->ictx = ictx;
	pasid->one_device = cmd->flags & IOMMU_PASID_ALLOC_DEVICE;

	rc = pasid_alloc_number(pasid, ictx, limit, cmd->min_pasid,
				cmd->max_pasid);
	if (rc)
		goto err_abort;

	cmd->out_pasid = pasid->pasid;
	cmd->out_pasid_id = pasid->obj.id;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		goto err_free_number;
	pasid_publish(pasid, idev);
	iommufd_object_finalize(ictx, &pasid->obj);
	return 0;

err_free_number:
	pasid_free_number(pasid, ictx);
err_abort:
	iommufd_object_abort(ictx, &pasid->obj);
err_uncharge:
	pasid_uncharge(&ictx->pasids);
	return rc;
}

int iommufd_pasid_alloc(struct iommufd_ucmd *ucmd)
{
	struct iommu_pasid_alloc *cmd = ucmd->cmd;
	struct iommufd_device *idev;
	int rc;

	if (cmd->__reserved || (cmd->flags & ~IOMMU_PASID_ALLOC_DEVICE))
		return -EOPNOTSUPP;
	if (cmd->min_pasid > cmd->max_pasid ||
	    (!cmd->dev_id && (cmd->flags & IOMMU_PASID_ALLOC_DEVICE)))
		return -EINVAL;
	if (!cmd->dev_id)
		return pasid_alloc(ucmd, NULL);

	idev = iommufd_get_device(ucmd, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	/* Its reference keeps the device until the PASID is on its list */
	rc = pasid_alloc(ucmd, idev);
	iommufd_put_object(ucmd->ictx, &idev->obj);
	return rc;
}

void iommufd_pasid_destroy(struct iommufd_object *obj)
{
	struct iommufd_pasid *pasid =
		container_of(obj, struct iommufd_pasid, obj);
	struct xarray *numbers = &pasid->ictx->pasids.numbers;

	xa_lock(numbers);
	if (pasid->idev)
		list_del(&pasid->own_item);
	xa_unlock(numbers);
	pasid_free_number(pasid, pasid->ictx);
	pasid_uncharge(&pasid->ictx->pasids);
}

/**
 * iommufd_pasid_device_gone() - Nobody can use the PASIDs of a device any more
 * @idev: the device, not attached, about to be freed
 */
void iommufd_pasid_device_gone(struct iommufd_device *idev)
{
	struct xarray *numbers = &idev->ictx->pasids.numbers;
	struct iommufd_pasid *pasid, *next;

	xa_lock(numbers);
	list_for_each_entry_safe(pasid, next, &idev->own_pasids, own_item) {
		list_del(&pasid->own_item);
		pasid->idev = NULL;
	}
	xa_unlock(numbers);
}

/**
 * iommufd_pasid_get() - Look up a PASID that a device may be attached at
 * @idev: the device
 * @number: the PASID
 *
 * Return: The PASID, with a reference; or an ERR_PTR: -ENODEV if the device can
 * take none, -ERANGE if not this one, -EXDEV if it is for another device, -EACCES
 * if it belongs to somebody else, -EAGAIN if it rests, -ENOENT if it is free.
 */
struct iommufd_pasid *iommufd_pasid_get(struct iommufd_device *idev, u32 number)
{
	struct xarray *numbers = &idev->ictx->pasids.numbers;
	u32 limit = iommufd_device_max_pasids(idev->dev);
	struct iommufd_pasid *pasid;
	int rc = 0;

	if (!limit)
		return ERR_PTR(-ENODEV);
	if (number < IOMMU_FIRST_GLOBAL_PASID || number >= limit)
		return ERR_PTR(-ERANGE);

	xa_lock(numbers);
	pasid = xa_load(numbers, number);
	if (pasid && pasid->one_device && pasid->idev != idev)
		rc = -EXDEV;
	else if (pasid && !iommufd_lock_obj(&pasid->obj))
		pasid = NULL;
	xa_unlock(numbers);
	if (rc)
		return ERR_PTR(rc);
	if (pasid)
		return pasid;

	rc = iommu_file_pasid_in_use(number);
	if (rc == -EEXIST)
		rc = -EACCES;
	return ERR_PTR(rc ?: -ENOENT);
}
