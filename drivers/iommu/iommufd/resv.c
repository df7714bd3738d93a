// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reserved regions: what cannot be mapped, and why
 *
 * A device comes with regions that its IOMMU driver reports. Most of them are
 * enforced, no mapping can lie over them while the device is attached. The
 * doorbells of MSIs are mapped in one of them, the window. It belongs to the
 * group of the device and not to the device itself, see msi.c. So the regions of
 * a device are, here and for user space:
 *
 *	what the driver reports, without a window of its own
 *	+ the window of the group
 *
 * A group without a window (the hardware does not translate its MSIs, or maps
 * their doorbells by itself) takes what the driver reports as it is.
 *
 * The driver says where the window is, unless user space has chosen another one
 * for the group, see resv_window.c. What an IOAS makes of the regions is in
 * io_pagetable.c, and resv_check.c asks it before anything is attached.
 *
 * Nothing is cached. The driver is asked each time, as it can give a different
 * answer when a device has joined the group.
 *
 * last: Last byte, inclusive. A region can end at the very last IOVA, ends that
 *   are exclusive are never computed. Regions of length 0 are left out.
 *
 * Locks: iommufd_group::lock keeps the window of the group where it is, from when
 * it is read up to when it is reserved. Inside of it nest iommu_group::mutex,
 * which the IOMMU core takes to go over the devices of a group,
 * io_pagetable::iova_rwsem and iommufd_msi_table::lock. Drivers are asked before
 * iova_rwsem is taken.
 *
 * Failure: a list of regions is complete or there is an error. Nothing is set
 * before everything has been read and checked.
 */
#include <linux/align.h>
#include <linux/iommu.h>
#include <linux/slab.h>

#include "iommufd_private.h"
#include "resv.h"

static_assert(IOMMU_RESV_REGION_DIRECT == (int)IOMMU_RESV_DIRECT);
static_assert(IOMMU_RESV_REGION_DIRECT_RELAXABLE ==
	      (int)IOMMU_RESV_DIRECT_RELAXABLE);
static_assert(IOMMU_RESV_REGION_RESERVED == (int)IOMMU_RESV_RESERVED);
static_assert(IOMMU_RESV_REGION_HW_MSI == (int)IOMMU_RESV_MSI);
static_assert(IOMMU_RESV_REGION_SW_MSI == (int)IOMMU_RESV_SW_MSI);
static_assert(IOMMU_RESV_REGION_BRIDGE_WINDOW ==
	      (int)IOMMU_RESV_BRIDGE_WINDOW);
static_assert(IOMMU_RESV_REGION_NO_DMA == (int)IOMMU_RESV_NO_DMA);

static_assert(IOMMU_RESV_REGION_READ == IOMMU_READ);
static_assert(IOMMU_RESV_REGION_WRITE == IOMMU_WRITE);
static_assert(IOMMU_RESV_REGION_CACHE == IOMMU_CACHE);
static_assert(IOMMU_RESV_REGION_NOEXEC == IOMMU_NOEXEC);
static_assert(IOMMU_RESV_REGION_MMIO == IOMMU_MMIO);
static_assert(IOMMU_RESV_REGION_PRIV == IOMMU_PRIV);

#define RESV_PROT_MASK                                          \
	(IOMMU_RESV_REGION_READ | IOMMU_RESV_REGION_WRITE |     \
	 IOMMU_RESV_REGION_CACHE | IOMMU_RESV_REGION_NOEXEC |   \
	 IOMMU_RESV_REGION_MMIO | IOMMU_RESV_REGION_PRIV)

/* The size of struct iommu_resv_region_info in the first kernel that had it */
#define RESV_ENTRY_SIZE_MIN \
	offsetofend(struct iommu_resv_region_info, __reserved)

/*
 * The window of the group is reserved once for all of its devices, and one that
 * was chosen takes the place of any other. Otherwise a region that is somewhere
 * else, because the driver has changed its mind since the bind, stays in the list
 * and is reserved like any other.
 */
static void resv_take_out_window(struct iommufd_device *idev,
				 struct list_head *resv, unsigned long start,
				 unsigned long last)
{
	bool chosen = idev->igroup->choice.chosen;
	struct iommu_resv_region *cur, *next;
	LIST_HEAD(taken_out);

	lockdep_assert_held(&idev->igroup->lock);

	list_for_each_entry_safe(cur, next, resv, list)
		if (cur->type == IOMMU_RESV_SW_MSI &&
		    (chosen || (cur->start >= start &&
				iommu_resv_region_last(cur) <= last)))
			list_move(&cur->list, &taken_out);
	iommu_put_resv_regions(idev->dev, &taken_out);
}

static void resv_drop_empty(struct iommufd_device *idev, struct list_head *resv)
{
	struct iommu_resv_region *cur, *next;
	LIST_HEAD(empty);

	list_for_each_entry_safe(cur, next, resv, list)
		if (!cur->length)
			list_move(&cur->list, &empty);
	iommu_put_resv_regions(idev->dev, &empty);
}

/**
 * iommufd_device_get_resv_regions() - Read the regions of a device
 * @idev: Device to read from
 * @resv: Empty list to put struct iommu_resv_region in
 *
 * The window of the group is not in the list.
 *
 * Context: Caller holds iommufd_group::lock.
 * Return: 0, then the caller has to call iommu_put_resv_regions(). Or an error of
 *	the driver, then @resv is empty.
 */
int iommufd_device_get_resv_regions(struct iommufd_device *idev,
				    struct list_head *resv)
{
	struct iommufd_group *igroup = idev->igroup;
	unsigned long start, last;
	int rc;

	lockdep_assert_held(&igroup->lock);

	rc = iommu_get_resv_regions(idev->dev, resv);
	if (rc)
		return rc;
	resv_drop_empty(idev, resv);

	if (iommufd_msi_group_window(&igroup->msi, &start, &last))
		resv_take_out_window(idev, resv, start, last);
	return 0;
}

/* IOMMU_DEVICE_RESV_REGIONS and IOMMU_DEVICE_IOVA_RANGES */

static bool group_window_chosen(struct iommufd_group *igroup)
{
	unsigned long start, last;

	lockdep_assert_held(&igroup->lock);

	return igroup->choice.chosen &&
	       iommufd_msi_group_window(&igroup->msi, &start, &last);
}

/* Add the window of the group as a region, with the protection of msi.c */
static int resv_add_window(struct iommufd_group *igroup, struct list_head *resv)
{
	struct iommu_resv_region *region;
	unsigned long start, last;

	lockdep_assert_held(&igroup->lock);

	if (!iommufd_msi_group_window(&igroup->msi, &start, &last))
		return 0;
	region = iommu_alloc_resv_region(start, last - start + 1,
					 IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO,
					 IOMMU_RESV_SW_MSI, GFP_KERNEL);
	if (!region)
		return -ENOMEM;
	list_add_tail(&region->list, resv);
	return 0;
}

/*
 * What user space is told, the window included. @chosen says whether that is a
 * chosen one. On success the caller has to call iommu_put_resv_regions(), on
 * failure @resv must not be used.
 */
static int device_read_resv(struct iommufd_device *idev, struct list_head *resv,
			    bool *chosen)
{
	struct iommufd_group *igroup = idev->igroup;
	int rc;

	mutex_lock(&igroup->lock);
	rc = iommufd_device_get_resv_regions(idev, resv);
	if (rc)
		goto out_unlock;
	*chosen = group_window_chosen(igroup);
	rc = resv_add_window(igroup, resv);
	if (rc)
		iommu_put_resv_regions(idev->dev, resv);
out_unlock:
	mutex_unlock(&igroup->lock);
	return rc;
}

/**
 * iommufd_device_get_aperture() - Read what the IOMMU translates for a device
 * @idev: Device to read from
 * @start: Out: first IOVA
 * @last: Out: last IOVA, inclusive
 * @out_flags: IOMMU_DEVICE_APERTURE_KNOWN is taken out if the driver cannot tell.
 *             Then the aperture is everything, which refuses nothing.
 *
 * Return: 0, or an error of the driver
 */
int iommufd_device_get_aperture(struct iommufd_device *idev, u64 *start,
				u64 *last, u32 *out_flags)
{
	int rc;

	rc = iommu_get_aperture(idev->dev, start, last);
	if (rc == -EOPNOTSUPP) {
		*out_flags &= ~IOMMU_DEVICE_APERTURE_KNOWN;
		*start = 0;
		*last = U64_MAX;
		return 0;
	}
	return rc;
}

/**
 * resv_copy_entry() - Give user space one entry of an array
 * @uptr: Where it goes
 * @entry_size: Size in bytes of an entry as user space knows it
 * @entry: The entry
 * @size: Size in bytes of @entry
 *
 * Return: 0 or -EFAULT
 */
int resv_copy_entry(void __user *uptr, u32 entry_size, const void *entry,
		    size_t size)
{
	size_t len = min_t(size_t, entry_size, size);

	if (copy_to_user(uptr, entry, len) ||
	    clear_user(uptr + len, entry_size - len))
		return -EFAULT;
	return 0;
}

static int resv_copy_region(const struct iommu_resv_region *region, bool chosen,
			    void __user *uptr, u32 entry_size)
{
	struct iommu_resv_region_info info = {
		.start = region->start,
		.last = iommu_resv_region_last(region),
		.type = region->type,
		.prot = region->prot & RESV_PROT_MASK,
	};

	if (iommu_resv_region_enforced(region))
		info.flags |= IOMMU_RESV_REGION_ENFORCED;
	if (region->type == IOMMU_RESV_SW_MSI && chosen)
		info.flags |= IOMMU_RESV_REGION_CHOSEN;
	return resv_copy_entry(uptr, entry_size, &info, sizeof(info));
}

/* As many as there is room for. @cmd gets to know how many there are. */
static int resv_copy_list(struct iommu_device_resv_regions *cmd,
			  const struct list_head *resv, bool chosen)
{
	void __user *uptr = u64_to_user_ptr(cmd->regions);
	const struct iommu_resv_region *region;
	u32 room = cmd->num_regions;
	int rc;

	cmd->num_regions = 0;
	list_for_each_entry(region, resv, list) {
		if (cmd->num_regions < room) {
			rc = resv_copy_region(region, chosen, uptr,
					      cmd->entry_size);
			if (rc)
				return rc;
			uptr += cmd->entry_size;
		}
		cmd->num_regions++;
	}
	return cmd->num_regions > room ? -EMSGSIZE : 0;
}

static int device_resv_regions(struct iommufd_ucmd *ucmd,
			       struct iommufd_device *idev)
{
	struct iommu_device_resv_regions *cmd = ucmd->cmd;
	LIST_HEAD(resv);
	bool chosen;
	int list_rc;
	int rc;

	cmd->out_group_id = iommu_group_id(idev->igroup->group);
	cmd->out_flags = IOMMU_DEVICE_APERTURE_KNOWN;
	rc = iommufd_device_get_aperture(idev, &cmd->out_aperture_start,
					 &cmd->out_aperture_last,
					 &cmd->out_flags);
	if (rc)
		return rc;

	rc = device_read_resv(idev, &resv, &chosen);
	if (rc)
		return rc;
	rc = iommu_get_advisory_regions(idev->dev, &resv);
	if (rc)
		goto out_put;
	iommu_resv_sort(&resv);

	list_rc = resv_copy_list(cmd, &resv, chosen);
	rc = list_rc;
	if (!rc || rc == -EMSGSIZE)
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd)) ?: list_rc;
out_put:
	iommu_put_resv_regions(idev->dev, &resv);
	return rc;
}

int iommufd_device_resv_regions(struct iommufd_ucmd *ucmd)
{
	struct iommu_device_resv_regions *cmd = ucmd->cmd;
	struct iommufd_device *idev;
	int rc;

	if (cmd->flags || cmd->__reserved)
		return -EOPNOTSUPP;
	if (!resv_entry_size_valid(cmd->entry_size, RESV_ENTRY_SIZE_MIN))
		return -EINVAL;

	idev = iommufd_get_device(ucmd, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = device_resv_regions(ucmd, idev);
	iommufd_put_object(ucmd->ictx, &idev->obj);
	return rc;
}

/* Where to put the ranges that a walk finds */
struct resv_ranges {
	struct iommu_iova_range __user *uptr;
	u32 room;
	u32 num;
};

static int resv_copy_range(u64 start, u64 last, void *data)
{
	struct iommu_iova_range range = { .start = start, .last = last };
	struct resv_ranges *ranges = data;

	if (ranges->num < ranges->room &&
	    copy_to_user(&ranges->uptr[ranges->num], &range, sizeof(range)))
		return -EFAULT;
	ranges->num++;
	return 0;
}

static int device_iova_ranges(struct iommufd_ucmd *ucmd,
			      struct iommufd_device *idev)
{
	struct iommu_device_iova_ranges *cmd = ucmd->cmd;
	struct resv_ranges ranges = {
		.uptr = u64_to_user_ptr(cmd->allowed_iovas),
		.room = cmd->num_iovas,
	};
	LIST_HEAD(resv);
	u64 start, last;
	bool chosen;
	int rc;

	cmd->out_group_id = iommu_group_id(idev->igroup->group);
	cmd->out_flags = IOMMU_DEVICE_APERTURE_KNOWN;
	rc = iommufd_device_get_aperture(idev, &start, &last, &cmd->out_flags);
	if (rc)
		return rc;
	/* What iommufd can map at all */
	last = min_t(u64, last, ULONG_MAX);

	rc = device_read_resv(idev, &resv, &chosen);
	if (rc)
		return rc;
	rc = iommu_resv_walk_usable(&resv, start, last, resv_copy_range,
				    &ranges);
	iommu_put_resv_regions(idev->dev, &resv);
	if (rc)
		return rc;

	cmd->num_iovas = ranges.num;
	/* No domain that iommufd attaches needs more, see iopt_table_add_domain() */
	cmd->out_iova_alignment = PAGE_SIZE;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		return rc;
	return ranges.num > ranges.room ? -EMSGSIZE : 0;
}

int iommufd_device_iova_ranges(struct iommufd_ucmd *ucmd)
{
	struct iommu_device_iova_ranges *cmd = ucmd->cmd;
	struct iommufd_device *idev;
	int rc;

	if (cmd->flags)
		return -EOPNOTSUPP;

	idev = iommufd_get_device(ucmd, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = device_iova_ranges(ucmd, idev);
	iommufd_put_object(ucmd->ictx, &idev->obj);
	return rc;
}
