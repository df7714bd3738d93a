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
 * The driver says where the window is, unless user space has chosen another start
 * or size for the group. The default of the iommufd context is copied when the
 * group comes into being.
 *
 * An IOAS can also have holes, for devices that are not there yet. User space
 * declares them. They reserve IOVAs as regions do, on top of which other regions
 * can come.
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
#include <linux/overflow.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "io_pagetable.h"
#include "iommufd_private.h"

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
#define RESV_ENTRY_SIZE_MAX 4096

static bool choice_is_set(const struct iommufd_msi_choice *choice)
{
	return choice->has_start || choice->length;
}

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
	bool chosen = choice_is_set(&idev->igroup->choice);
	struct iommu_resv_region *cur, *next;
	LIST_HEAD(taken_out);

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

/* A window of IOVAs, both ends inclusive. Not there if last is below start. */
struct resv_window {
	unsigned long start;
	unsigned long last;
};

/*
 * If the IOMMU driver gives an IOMMU_RESV_SW_MSI then it is asking us to map the
 * doorbells of the group's interrupts there, see msi.c. Not so if it gives an
 * IOMMU_RESV_MSI too: what the hardware does by itself goes first.
 */
static int resv_find_window(const struct list_head *resv,
			    struct resv_window *window)
{
	const struct iommu_resv_region *cur;
	unsigned int num = 0;

	window->start = 1;
	window->last = 0;
	list_for_each_entry(cur, resv, list)
		if (cur->type == IOMMU_RESV_MSI)
			return 0;

	list_for_each_entry(cur, resv, list) {
		if (cur->type != IOMMU_RESV_SW_MSI || !cur->length)
			continue;
		window->start = cur->start;
		window->last = iommu_resv_region_last(cur);
		num++;
	}
	/* All devices of a group must agree */
	return num > 1 ? -EINVAL : 0;
}

/* Put what is chosen in the place of what the driver says */
static int window_choose(struct resv_window *window,
			 const struct iommufd_msi_choice *choice)
{
	unsigned long length_1 = window->last - window->start;

	if (choice->has_start)
		window->start = choice->start;
	if (choice->length)
		length_1 = choice->length - 1;
	if (check_add_overflow(window->start, length_1, &window->last))
		return -EOVERFLOW;
	return 0;
}

static int window_check_aperture(struct device *dev, void *data)
{
	struct resv_window *window = data;
	u64 start, last;
	int rc;

	rc = iommu_get_aperture(dev, &start, &last);
	if (rc)
		return rc == -EOPNOTSUPP ? 0 : rc;
	return window->start < start || window->last > last ? -EADDRNOTAVAIL :
							      0;
}

static int window_check_regions(const struct resv_window *window,
				const struct list_head *resv)
{
	const struct iommu_resv_region *cur;

	list_for_each_entry(cur, resv, list)
		if (cur->length && cur->type != IOMMU_RESV_SW_MSI &&
		    iommu_resv_region_enforced(cur) &&
		    cur->start <= window->last &&
		    iommu_resv_region_last(cur) >= window->start)
			return -EADDRINUSE;
	return 0;
}

static void group_get_window(struct iommufd_group *igroup,
			     struct resv_window *window)
{
	window->start = 1;
	window->last = 0;
	iommufd_msi_group_window(&igroup->msi, &window->start, &window->last);
}

static int group_find_window(struct iommufd_group *igroup,
			     const struct iommufd_msi_choice *choice,
			     struct resv_window *window)
{
	struct iommu_resv_region *cur, *next;
	LIST_HEAD(resv);
	int rc;

	rc = iommu_get_group_resv_regions(igroup->group, &resv);
	if (rc)
		goto out_free;
	rc = resv_find_window(&resv, window);
	if (rc || window->start > window->last || !choice_is_set(choice))
		goto out_free;

	rc = window_choose(window, choice);
	if (rc)
		goto out_free;
	rc = iommu_group_for_each_dev(igroup->group, window,
				      window_check_aperture);
	if (rc)
		goto out_free;
	rc = window_check_regions(window, &resv);
out_free:
	list_for_each_entry_safe(cur, next, &resv, list)
		kfree(cur);
	return rc;
}

/**
 * iommufd_group_init_choice() - Give a group the choice of its context
 * @igroup: Group that nobody else knows yet
 */
void iommufd_group_init_choice(struct iommufd_group *igroup)
{
	struct iommufd_msi_table *table = &igroup->ictx->msi;

	if (!IS_ENABLED(CONFIG_IRQ_MSI_IOMMU))
		return;
	mutex_lock(&table->lock);
	igroup->choice = table->choice;
	mutex_unlock(&table->lock);
}

/**
 * iommufd_group_bind_window() - Find the window of a group anew
 * @igroup: Group that a device of is being bound
 *
 * The device can have joined the group after the first one was bound.
 *
 * Return: 0, -EINVAL if the devices of the group do not agree on a window, -EBUSY
 *	if it is another one and the old one is in use, -ENOMEM, or an error of
 *	the driver. If the window is a chosen one, -EOVERFLOW, -EADDRNOTAVAIL if
 *	it is not in the aperture, -EADDRINUSE if it overlaps another region.
 */
int iommufd_group_bind_window(struct iommufd_group *igroup)
{
	struct resv_window window, old;
	int rc;

	mutex_lock(&igroup->lock);
	rc = group_find_window(igroup, &igroup->choice, &window);
	if (rc)
		goto out_unlock;
	group_get_window(igroup, &old);
	if (window.start != old.start || window.last != old.last)
		rc = iommufd_msi_group_set_window(&igroup->msi, window.start,
						  window.last);
out_unlock:
	mutex_unlock(&igroup->lock);
	return rc;
}

/* IOMMU_DEVICE_RESV_REGIONS and IOMMU_DEVICE_IOVA_RANGES */

static bool group_window_chosen(struct iommufd_group *igroup)
{
	unsigned long start, last;

	return choice_is_set(&igroup->choice) &&
	       iommufd_msi_group_window(&igroup->msi, &start, &last);
}

/* Add the window of the group as a region, with the protection of msi.c */
static int resv_add_window(struct iommufd_group *igroup, struct list_head *resv)
{
	struct iommu_resv_region *region;
	unsigned long start, last;

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

/* Everything, if the driver cannot tell: that does not refuse a thing */
static int device_get_aperture(struct iommufd_device *idev, u64 *start,
			       u64 *last, bool *known)
{
	int rc;

	rc = iommu_get_aperture(idev->dev, start, last);
	*known = !rc;
	if (rc == -EOPNOTSUPP) {
		*start = 0;
		*last = U64_MAX;
		return 0;
	}
	return rc;
}

static int resv_copy_entry(const struct iommu_resv_region *region, bool chosen,
			   void __user *uptr, u32 entry_size)
{
	struct iommu_resv_region_info info = {
		.start = region->start,
		.last = iommu_resv_region_last(region),
		.type = region->type,
		.prot = region->prot & RESV_PROT_MASK,
	};
	u32 copy_len = min_t(u32, entry_size, sizeof(info));

	if (iommu_resv_region_enforced(region))
		info.flags |= IOMMU_RESV_REGION_ENFORCED;
	if (region->type == IOMMU_RESV_SW_MSI && chosen)
		info.flags |= IOMMU_RESV_REGION_CHOSEN;
	if (copy_to_user(uptr, &info, copy_len) ||
	    clear_user(uptr + copy_len, entry_size - copy_len))
		return -EFAULT;
	return 0;
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
			rc = resv_copy_entry(region, chosen, uptr,
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
	bool aperture_known, chosen;
	LIST_HEAD(resv);
	int list_rc;
	int rc;

	rc = device_get_aperture(idev, &cmd->out_aperture_start,
				 &cmd->out_aperture_last, &aperture_known);
	if (rc)
		return rc;
	cmd->out_flags = aperture_known ? IOMMU_DEVICE_APERTURE_KNOWN : 0;

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

	if (cmd->flags)
		return -EOPNOTSUPP;
	if (cmd->entry_size < RESV_ENTRY_SIZE_MIN ||
	    !IS_ALIGNED(cmd->entry_size, sizeof(u64)))
		return -EINVAL;
	if (cmd->entry_size > RESV_ENTRY_SIZE_MAX)
		return -E2BIG;

	idev = iommufd_get_device(ucmd, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = device_resv_regions(ucmd, idev);
	iommufd_put_object(ucmd->ictx, &idev->obj);
	return rc;
}

/* Where to put the ranges that iommu_resv_walk_usable() finds */
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
	bool known, chosen;
	LIST_HEAD(resv);
	u64 start, last;
	int rc;

	rc = device_get_aperture(idev, &start, &last, &known);
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

	if (cmd->__reserved)
		return -EOPNOTSUPP;

	idev = iommufd_get_device(ucmd, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = device_iova_ranges(ucmd, idev);
	iommufd_put_object(ucmd->ictx, &idev->obj);
	return rc;
}

/* IOMMU_IOAS_CHECK */

/* The lowest conflict so far. Starts with IOMMU_IOAS_CONFLICT_NONE. */
struct resv_conflict {
	enum iommu_ioas_conflict kind;
	unsigned long start;
	unsigned long last;
	u32 region_type;
	u32 dev_id;
};

/* What a device wants to have for itself, and to be blamed for */
struct resv_claim {
	unsigned long start;
	unsigned long last;
	u32 region_type;
	u32 dev_id;
};

/* @claim and start to last exclude each other, where they overlap */
static void conflict_add(struct resv_conflict *conflict,
			 enum iommu_ioas_conflict kind,
			 const struct resv_claim *claim, unsigned long start,
			 unsigned long last)
{
	start = max(start, claim->start);
	last = min(last, claim->last);
	if (start > last)
		return;
	if (conflict->kind != IOMMU_IOAS_CONFLICT_NONE &&
	    (conflict->start < start ||
	     (conflict->start == start && conflict->kind <= kind)))
		return;
	*conflict = (struct resv_conflict){
		.kind = kind,
		.start = start,
		.last = last,
		.region_type = claim->region_type,
		.dev_id = claim->dev_id,
	};
}

/* As iopt_reserve_iova(). @mapped_kind is what a mapping counts as. */
static void check_reserve(struct io_pagetable *iopt,
			  const struct resv_claim *claim,
			  enum iommu_ioas_conflict mapped_kind,
			  struct resv_conflict *conflict)
{
	struct iopt_allowed *allowed;
	struct iopt_area *area;

	lockdep_assert_held(&iopt->iova_rwsem);

	/* The trees are sorted, each gives its lowest first */
	area = iopt_area_iter_first(iopt, claim->start, claim->last);
	if (area)
		conflict_add(conflict, mapped_kind, claim, iopt_area_iova(area),
			     iopt_area_last_iova(area));
	allowed = iopt_allowed_iter_first(iopt, claim->start, claim->last);
	if (allowed)
		conflict_add(conflict, IOMMU_IOAS_CONFLICT_ALLOWED, claim,
			     allowed->node.start, allowed->node.last);
}

/* As iopt_table_enforce_dev_resv_regions() */
static void check_regions(struct iommufd_device *idev,
			  const struct list_head *resv,
			  struct io_pagetable *iopt,
			  struct resv_conflict *conflict)
{
	const struct iommu_resv_region *region;

	list_for_each_entry(region, resv, list) {
		struct resv_claim claim = {
			.start = region->start,
			.last = min_t(u64, iommu_resv_region_last(region),
				      ULONG_MAX),
			.region_type = region->type,
			.dev_id = idev->obj.id,
		};

		if (iommu_resv_region_enforced(region) &&
		    region->start <= ULONG_MAX)
			check_reserve(iopt, &claim, IOMMU_IOAS_CONFLICT_MAPPED,
				      conflict);
	}
}

/*
 * As iopt_table_add_domain() and iommufd_msi_swap_begin(): neither a mapping nor
 * a promise nor the window can be below or above the aperture.
 */
static void check_aperture(struct iommufd_device *idev, u64 start, u64 last,
			   struct io_pagetable *iopt,
			   struct resv_conflict *conflict)
{
	struct resv_claim outside = {
		.region_type = IOMMU_RESV_REGION_NONE,
		.dev_id = idev->obj.id,
	};
	struct resv_claim window = {
		.region_type = IOMMU_RESV_REGION_SW_MSI,
		.dev_id = idev->obj.id,
	};
	bool has_window;
	int above;

	has_window = iommufd_msi_group_window(&idev->igroup->msi, &window.start,
					      &window.last);
	for (above = 0; above <= 1; above++) {
		if (above ? last >= ULONG_MAX : !start)
			continue;
		outside.start = above ? last + 1 : 0;
		outside.last = above ? ULONG_MAX : start - 1;
		check_reserve(iopt, &outside, IOMMU_IOAS_CONFLICT_APERTURE,
			      conflict);
		if (has_window)
			conflict_add(conflict, IOMMU_IOAS_CONFLICT_APERTURE,
				     &window, outside.start, outside.last);
	}
}

static int check_one_device(struct iommufd_device *idev,
			    struct iommufd_ioas *ioas,
			    struct resv_conflict *conflict)
{
	LIST_HEAD(resv);
	u64 start, last;
	bool known;
	int rc;

	rc = device_get_aperture(idev, &start, &last, &known);
	if (rc)
		return rc;
	rc = iommufd_device_get_resv_regions(idev, &resv);
	if (rc)
		return rc;

	down_read(&ioas->iopt.iova_rwsem);
	check_regions(idev, &resv, &ioas->iopt, conflict);
	check_aperture(idev, start, last, &ioas->iopt, conflict);
	up_read(&ioas->iopt.iova_rwsem);

	iommu_put_resv_regions(idev->dev, &resv);
	return 0;
}

static void check_window(struct iommufd_device *idev, struct iommufd_ioas *ioas,
			 struct resv_conflict *conflict)
{
	struct resv_claim window = {
		.region_type = IOMMU_RESV_REGION_SW_MSI,
		.dev_id = idev->obj.id,
	};
	struct iommufd_msi_group *mg = &idev->igroup->msi;
	unsigned long start, last;

	if (!iommufd_msi_group_window(mg, &window.start, &window.last))
		return;
	down_read(&ioas->iopt.iova_rwsem);
	check_reserve(&ioas->iopt, &window, IOMMU_IOAS_CONFLICT_MAPPED,
		      conflict);
	up_read(&ioas->iopt.iova_rwsem);
	if (iommufd_msi_group_conflict(mg, ioas, &start, &last))
		conflict_add(conflict, IOMMU_IOAS_CONFLICT_WINDOW, &window,
			     start, last);
}

/*
 * An attached device changes over together with all attached devices of its
 * group. What the group has in the IOAS already is in nobody's way: there is
 * neither a mapping nor a promise under it.
 */
static int check_device(struct iommufd_device *idev, struct iommufd_ioas *ioas,
			struct resv_conflict *conflict)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_device *cur;
	int rc;

	mutex_lock(&igroup->lock);
	rc = check_one_device(idev, ioas, conflict);
	if (rc)
		goto out_unlock;
	list_for_each_entry(cur, &igroup->device_list, group_item) {
		if (cur == idev)
			continue;
		rc = check_one_device(cur, ioas, conflict);
		if (rc)
			goto out_unlock;
	}
	check_window(idev, ioas, conflict);
out_unlock:
	mutex_unlock(&igroup->lock);
	return rc;
}

static void check_map_reserved(const struct iopt_reserved *reserved,
			       unsigned long iova, unsigned long last,
			       struct resv_conflict *conflict)
{
	struct resv_claim claim = {
		.start = reserved->node.start,
		.last = reserved->node.last,
		.region_type = IOMMU_RESV_REGION_NONE,
	};
	enum iommu_ioas_conflict kind;

	switch (reserved->cause.kind) {
	case IOPT_RESERVED_APERTURE:
		kind = IOMMU_IOAS_CONFLICT_APERTURE;
		break;
	case IOPT_RESERVED_HOLE:
		kind = IOMMU_IOAS_CONFLICT_HOLE;
		break;
	default:
		kind = IOMMU_IOAS_CONFLICT_RESERVED;
		claim.region_type = reserved->cause.type;
		claim.dev_id = reserved->cause.dev_id;
		break;
	}
	conflict_add(conflict, kind, &claim, iova, last);
}

/* As iopt_alloc_area_pages() and iopt_check_iova() */
static void check_map(struct io_pagetable *iopt, unsigned long iova,
		      unsigned long last, struct resv_conflict *conflict)
{
	struct resv_claim map = {
		.start = iova,
		.last = last,
		.region_type = IOMMU_RESV_REGION_NONE,
	};
	struct iopt_reserved *reserved;
	struct iopt_area *area;

	down_read(&iopt->iova_rwsem);
	if ((iova | (last + 1)) & (iopt->iova_alignment - 1)) {
		conflict_add(conflict, IOMMU_IOAS_CONFLICT_ALIGNMENT, &map, iova,
			     last);
		goto out_unlock;
	}
	area = iopt_area_iter_first(iopt, iova, last);
	if (area)
		conflict_add(conflict, IOMMU_IOAS_CONFLICT_MAPPED, &map,
			     iopt_area_iova(area), iopt_area_last_iova(area));
	/* Several can start below iova, then the lowest kind counts */
	for (reserved = iopt_reserved_iter_first(iopt, iova, last); reserved;
	     reserved = iopt_reserved_iter_next(reserved, iova, last))
		check_map_reserved(reserved, iova, last, conflict);
out_unlock:
	up_read(&iopt->iova_rwsem);
}

static int ioas_check_device(struct iommufd_ucmd *ucmd,
			     struct iommufd_ioas *ioas,
			     struct resv_conflict *conflict)
{
	struct iommu_ioas_check *cmd = ucmd->cmd;
	struct iommufd_device *idev;
	int rc;

	if (cmd->iova || cmd->length)
		return -EOPNOTSUPP;
	idev = iommufd_get_device(ucmd, cmd->dev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	rc = check_device(idev, ioas, conflict);
	iommufd_put_object(ucmd->ictx, &idev->obj);
	return rc;
}

static int ioas_check_map(struct iommufd_ucmd *ucmd, struct iommufd_ioas *ioas,
			  struct resv_conflict *conflict)
{
	struct iommu_ioas_check *cmd = ucmd->cmd;
	unsigned long last;

	if (cmd->dev_id)
		return -EOPNOTSUPP;
	if (cmd->iova >= ULONG_MAX || cmd->length >= ULONG_MAX)
		return -EOVERFLOW;
	if (!cmd->length)
		return -EINVAL;
	if (check_add_overflow((unsigned long)cmd->iova,
			       (unsigned long)cmd->length - 1, &last))
		return -EOVERFLOW;
	check_map(&ioas->iopt, cmd->iova, last, conflict);
	return 0;
}

int iommufd_ioas_check(struct iommufd_ucmd *ucmd)
{
	struct resv_conflict conflict = {
		.kind = IOMMU_IOAS_CONFLICT_NONE,
		.region_type = IOMMU_RESV_REGION_NONE,
	};
	struct iommu_ioas_check *cmd = ucmd->cmd;
	struct iommufd_ioas *ioas;
	int rc;

	if (cmd->flags)
		return -EOPNOTSUPP;

	ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	switch (cmd->op) {
	case IOMMU_IOAS_CHECK_DEVICE:
		rc = ioas_check_device(ucmd, ioas, &conflict);
		break;
	case IOMMU_IOAS_CHECK_MAP:
		rc = ioas_check_map(ucmd, ioas, &conflict);
		break;
	default:
		rc = -EOPNOTSUPP;
	}
	if (rc)
		goto out_put;

	cmd->out_kind = conflict.kind;
	cmd->out_start = conflict.start;
	cmd->out_last = conflict.last;
	cmd->out_region_type = conflict.region_type;
	cmd->out_dev_id = conflict.dev_id;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
out_put:
	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}

/* IOMMU_IOAS_SET_HOLES */

static int holes_load(struct rb_root_cached *holes,
		      const struct iommu_iova_range __user *uptr, u32 num)
{
	struct iommu_iova_range range;
	struct iopt_reserved *hole;
	u32 i;

	for (i = 0; i != num; i++) {
		if (copy_from_user(&range, &uptr[i], sizeof(range)))
			return -EFAULT;
		if (range.start > range.last)
			return -EINVAL;
		if (range.last > ULONG_MAX)
			return -EOVERFLOW;
		if (interval_tree_iter_first(holes, range.start, range.last))
			return -EINVAL;

		hole = kzalloc(sizeof(*hole), GFP_KERNEL_ACCOUNT);
		if (!hole)
			return -ENOMEM;
		hole->node.start = range.start;
		hole->node.last = range.last;
		interval_tree_insert(&hole->node, holes);
	}
	return 0;
}

static void holes_free(struct rb_root_cached *holes)
{
	struct interval_tree_node *node;

	while ((node = interval_tree_iter_first(holes, 0, ULONG_MAX))) {
		interval_tree_remove(node, holes);
		kfree(container_of(node, struct iopt_reserved, node));
	}
}

int iommufd_ioas_set_holes(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_set_holes *cmd = ucmd->cmd;
	struct rb_root_cached holes = RB_ROOT_CACHED;
	struct iommufd_ioas *ioas;
	int rc;

	if (cmd->__reserved)
		return -EOPNOTSUPP;

	ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	rc = holes_load(&holes, u64_to_user_ptr(cmd->holes), cmd->num_iovas);
	if (!rc)
		rc = iopt_set_holes(&ioas->iopt, &holes);
	holes_free(&holes);
	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}

/* IOMMU_OPTION_SW_MSI_START and IOMMU_OPTION_SW_MSI_SIZE */

static int choice_set(struct iommufd_msi_choice *choice,
		      const struct iommu_option *cmd)
{
	unsigned long last;

	if (cmd->option_id == IOMMU_OPTION_SW_MSI_START) {
		if (!IS_ALIGNED(cmd->val64, PAGE_SIZE))
			return -EINVAL;
		if (cmd->val64 > ULONG_MAX)
			return -EOVERFLOW;
		choice->start = cmd->val64;
		choice->has_start = true;
	} else {
		if (cmd->val64 > ULONG_MAX / SZ_1M)
			return -EOVERFLOW;
		choice->length = cmd->val64 * SZ_1M;
		if (!choice->length)
			choice->has_start = false;
	}
	if (choice->has_start && choice->length &&
	    check_add_overflow(choice->start, choice->length - 1, &last))
		return -EOVERFLOW;
	return 0;
}

static int default_window_option(struct iommufd_msi_table *table,
				 struct iommu_option *cmd)
{
	struct iommufd_msi_choice choice;
	int rc = 0;

	mutex_lock(&table->lock);
	choice = table->choice;
	if (cmd->op == IOMMU_OPTION_OP_SET) {
		rc = choice_set(&choice, cmd);
		if (!rc)
			table->choice = choice;
	} else if (cmd->option_id == IOMMU_OPTION_SW_MSI_START) {
		cmd->val64 = choice.has_start ? choice.start : 0;
	} else {
		cmd->val64 = choice.length / SZ_1M;
	}
	mutex_unlock(&table->lock);
	return rc;
}

static int group_set_window_option(struct iommufd_group *igroup,
				   const struct iommu_option *cmd)
{
	struct iommufd_msi_choice choice;
	struct resv_window window;
	int rc;

	lockdep_assert_held(&igroup->lock);

	group_get_window(igroup, &window);
	if (window.start > window.last)
		return -EOPNOTSUPP;

	choice = igroup->choice;
	rc = choice_set(&choice, cmd);
	if (rc)
		return rc;
	rc = group_find_window(igroup, &choice, &window);
	if (rc)
		return rc;
	/* A device with a hardware window has joined, and is not bound yet */
	if (window.start > window.last)
		return -EOPNOTSUPP;
	rc = iommufd_msi_group_set_window(&igroup->msi, window.start,
					  window.last);
	if (rc)
		return rc;
	igroup->choice = choice;
	return 0;
}

static void group_get_window_option(struct iommufd_group *igroup,
				    struct iommu_option *cmd)
{
	struct resv_window window;

	cmd->val64 = 0;
	group_get_window(igroup, &window);
	if (window.start > window.last)
		return;
	if (cmd->option_id == IOMMU_OPTION_SW_MSI_START)
		cmd->val64 = window.start;
	else
		cmd->val64 = (window.last - window.start) / SZ_1M + 1;
}

int iommufd_option_sw_msi(struct iommufd_ucmd *ucmd)
{
	struct iommu_option *cmd = ucmd->cmd;
	struct iommufd_device *idev;
	int rc = 0;

	if (cmd->op != IOMMU_OPTION_OP_SET && cmd->op != IOMMU_OPTION_OP_GET)
		return -EOPNOTSUPP;

	if (!cmd->object_id) {
		if (IS_ENABLED(CONFIG_IRQ_MSI_IOMMU))
			return default_window_option(&ucmd->ictx->msi, cmd);
		if (cmd->op == IOMMU_OPTION_OP_SET)
			return -EOPNOTSUPP;
		cmd->val64 = 0;
		return 0;
	}

	idev = iommufd_get_device(ucmd, cmd->object_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	mutex_lock(&idev->igroup->lock);
	if (cmd->op == IOMMU_OPTION_OP_SET)
		rc = group_set_window_option(idev->igroup, cmd);
	else
		group_get_window_option(idev->igroup, cmd);
	mutex_unlock(&idev->igroup->lock);
	iommufd_put_object(ucmd->ictx, &idev->obj);
	return rc;
}
