// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the MSI window of a group is
 *
 * The IOMMU driver says where it is, unless user space has chosen another window:
 * for the group, or as the default of the iommufd context, which a group copies
 * when it comes into being. Either way it is found anew at each bind, as a device
 * may have joined the group, and from then on msi.c has it.
 *
 * A chosen window has to fit all devices of the group, bound or not: it is in the
 * aperture of each and over an enforced region of none. What is mapped is
 * another matter, an attach finds out.
 *
 * Locks: iommufd_group::lock protects iommufd_group::choice, and
 * iommufd_msi_table::lock the default. Both nest as in resv.c.
 *
 * Failure: a choice takes effect as a whole after everything has been checked, or
 * not at all.
 */
#include <linux/align.h>
#include <linux/iommu.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "iommufd_private.h"
#include "resv.h"

static const struct iopt_range no_window = { .start = 1, .last = 0 };

static bool window_exists(const struct iopt_range *window)
{
	return window->start <= window->last;
}

/*
 * If the IOMMU driver gives an IOMMU_RESV_SW_MSI then it is asking us to map the
 * doorbells of the group's interrupts there, see msi.c. Not so if it gives an
 * IOMMU_RESV_MSI too: what the hardware does by itself goes first.
 */
static int resv_find_window(const struct list_head *resv,
			    struct iopt_range *window)
{
	const struct iommu_resv_region *cur;
	unsigned int num = 0;

	*window = no_window;
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

/* What the drivers of the devices say */
static int group_driver_window(struct iommufd_group *igroup,
			       struct iopt_range *window)
{
	struct iommu_resv_region *cur, *next;
	LIST_HEAD(resv);
	int rc;

	lockdep_assert_held(&igroup->lock);

	rc = iommu_get_group_resv_regions(igroup->group, &resv);
	if (!rc)
		rc = resv_find_window(&resv, window);
	list_for_each_entry_safe(cur, next, &resv, list)
		kfree(cur);
	return rc;
}

/* A chosen window is held against each device of the group */
struct window_check {
	struct iommufd_group *igroup;
	struct iopt_range window;
	/* Everything that is in the way, or NULL */
	struct resv_conflicts *conflicts;
	/* 0, or the reason to refuse the window */
	int refused;
};

/* 0 if the device is not bound to this context */
static u32 group_dev_id(struct iommufd_group *igroup, struct device *dev)
{
	struct xarray *objects = &igroup->ictx->objects;
	struct iommufd_object *obj;
	unsigned long index;
	u32 id = 0;

	xa_lock(objects);
	xa_for_each(objects, index, obj) {
		if (obj->type == IOMMUFD_OBJ_DEVICE &&
		    container_of(obj, struct iommufd_device, obj)->dev == dev) {
			id = obj->id;
			break;
		}
	}
	xa_unlock(objects);
	return id;
}

static int window_refuse(struct window_check *check, int reason,
			 enum iommu_iova_conflict_kind kind, u32 region_type,
			 u32 dev_id, const struct iopt_range *range)
{
	struct iommu_iova_conflict info = {
		.start = max(range->start, check->window.start),
		.last = min(range->last, check->window.last),
		.kind = kind,
		.region_type = region_type,
		.dev_id = dev_id,
		.group_id = iommu_group_id(check->igroup->group),
		.range_index = IOMMU_IOVA_CONFLICT_NO_RANGE,
	};

	if (info.start > info.last)
		return 0;
	/* The aperture goes first, it is the same before any choice */
	if (check->refused != -EADDRNOTAVAIL)
		check->refused = reason;
	if (!check->conflicts)
		return 0;
	return resv_conflicts_add(check->conflicts, &info);
}

static int window_check_aperture(struct window_check *check,
				 struct device *dev, u32 dev_id)
{
	struct iopt_range outside[2];
	unsigned int num, i;
	u64 start, last;
	int rc;

	rc = iommu_get_aperture(dev, &start, &last);
	if (rc)
		return rc == -EOPNOTSUPP ? 0 : rc;
	num = iopt_outside(start, last, outside);
	for (i = 0; i != num; i++) {
		rc = window_refuse(check, -EADDRNOTAVAIL,
				   IOMMU_IOVA_CONFLICT_APERTURE,
				   IOMMU_RESV_REGION_NONE, dev_id, &outside[i]);
		if (rc)
			return rc;
	}
	return 0;
}

static int window_check_regions(struct window_check *check,
				const struct list_head *resv, u32 dev_id)
{
	const struct iommu_resv_region *cur;
	struct iopt_range range;
	int rc;

	list_for_each_entry(cur, resv, list) {
		if (!cur->length || cur->type == IOMMU_RESV_SW_MSI ||
		    !iopt_region_range(cur, &range))
			continue;
		rc = window_refuse(check, -EADDRINUSE,
				   IOMMU_IOVA_CONFLICT_RESERVED, cur->type,
				   dev_id, &range);
		if (rc)
			return rc;
	}
	return 0;
}

/* The IOMMU core holds iommu_group::mutex */
static int window_check_dev(struct device *dev, void *data)
{
	struct window_check *check = data;
	LIST_HEAD(resv);
	u32 dev_id = 0;
	int rc;

	if (check->conflicts)
		dev_id = group_dev_id(check->igroup, dev);
	rc = window_check_aperture(check, dev, dev_id);
	if (rc)
		return rc;
	rc = iommu_get_resv_regions(dev, &resv);
	if (rc)
		return rc;
	rc = window_check_regions(check, &resv, dev_id);
	iommu_put_resv_regions(dev, &resv);
	return rc;
}

/* @window is no_window if the group has none, whatever is chosen */
static int group_find_window(struct iommufd_group *igroup,
			     const struct iommufd_msi_choice *choice,
			     struct iopt_range *window,
			     struct resv_conflicts *conflicts)
{
	struct window_check check = {
		.igroup = igroup,
		.window = { .start = choice->start, .last = choice->last },
		.conflicts = conflicts,
	};
	int rc;

	lockdep_assert_held(&igroup->lock);

	rc = group_driver_window(igroup, window);
	if (rc || !choice->chosen || !window_exists(window))
		return rc;
	rc = iommu_group_for_each_dev(igroup->group, &check, window_check_dev);
	if (rc)
		return rc;
	*window = check.window;
	return check.refused;
}

static struct iopt_range group_get_window(struct iommufd_group *igroup)
{
	struct iopt_range window = no_window;

	lockdep_assert_held(&igroup->lock);

	iommufd_msi_group_window(&igroup->msi, &window.start, &window.last);
	return window;
}

static int group_set_window(struct iommufd_group *igroup,
			    const struct iopt_range *window)
{
	lockdep_assert_held(&igroup->lock);

	if (!window_exists(window))
		return iommufd_msi_group_clear_window(&igroup->msi);
	return iommufd_msi_group_set_window(&igroup->msi, window->start,
					    window->last);
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
 *	the driver. If the window is a chosen one, -EADDRNOTAVAIL if it is not in
 *	the aperture, -EADDRINUSE if it overlaps another region.
 */
int iommufd_group_bind_window(struct iommufd_group *igroup)
{
	struct iopt_range window, old;
	int rc;

	mutex_lock(&igroup->lock);
	rc = group_find_window(igroup, &igroup->choice, &window, NULL);
	if (rc)
		goto out_unlock;
	old = group_get_window(igroup);
	if (window.start != old.start || window.last != old.last)
		rc = group_set_window(igroup, &window);
out_unlock:
	mutex_unlock(&igroup->lock);
	return rc;
}

/* IOMMU_MSI_WINDOW */

static int window_load_choice(const struct iommu_msi_window *cmd,
			      struct iommufd_msi_choice *choice)
{
	unsigned long last;

	*choice = (struct iommufd_msi_choice){};
	if (cmd->op == IOMMU_MSI_WINDOW_OP_RESET)
		return cmd->start || cmd->length ? -EOPNOTSUPP : 0;

	if (!cmd->length || !IS_ALIGNED(cmd->start | cmd->length, PAGE_SIZE))
		return -EINVAL;
	if (cmd->start > ULONG_MAX || cmd->length > ULONG_MAX ||
	    check_add_overflow((unsigned long)cmd->start,
			       (unsigned long)cmd->length - 1, &last))
		return -EOVERFLOW;
	choice->chosen = true;
	choice->start = cmd->start;
	choice->last = last;
	return 0;
}

static void window_answer(struct iommu_msi_window *cmd,
			  const struct iopt_range *window,
			  enum iommu_msi_window_state state)
{
	cmd->out_state = state;
	cmd->start = 0;
	cmd->length = 0;
	if (window_exists(window)) {
		cmd->start = window->start;
		cmd->length = window->last - window->start + 1;
	}
}

static int default_window(struct iommufd_ctx *ictx,
			  struct iommu_msi_window *cmd)
{
	struct iommufd_msi_table *table = &ictx->msi;
	struct iopt_range window = no_window;
	struct iommufd_msi_choice choice;
	int rc;

	cmd->out_group_id = IOMMU_IOVA_CONFLICT_NO_GROUP;
	if (cmd->op != IOMMU_MSI_WINDOW_OP_GET) {
		rc = window_load_choice(cmd, &choice);
		if (rc)
			return rc;
	}
	if (!IS_ENABLED(CONFIG_IRQ_MSI_IOMMU)) {
		if (cmd->op != IOMMU_MSI_WINDOW_OP_GET)
			return -ENODEV;
		window_answer(cmd, &window, IOMMU_MSI_WINDOW_NONE);
		return 0;
	}

	mutex_lock(&table->lock);
	if (cmd->op == IOMMU_MSI_WINDOW_OP_GET)
		choice = table->choice;
	else
		table->choice = choice;
	mutex_unlock(&table->lock);

	if (choice.chosen) {
		window.start = choice.start;
		window.last = choice.last;
	}
	window_answer(cmd, &window, choice.chosen ? IOMMU_MSI_WINDOW_CHOSEN :
						    IOMMU_MSI_WINDOW_DRIVER);
	return 0;
}

/* Who keeps the window where it is. An interrupt is not known by its device. */
static int group_window_busy(struct iommufd_group *igroup,
			     struct resv_conflicts *conflicts)
{
	struct window_check check = {
		.igroup = igroup,
		.window = group_get_window(igroup),
		.conflicts = conflicts,
	};
	struct iommufd_device *cur;
	int rc;

	lockdep_assert_held(&igroup->lock);

	list_for_each_entry(cur, &igroup->device_list, group_item) {
		rc = window_refuse(&check, -EBUSY, IOMMU_IOVA_CONFLICT_BUSY,
				   IOMMU_RESV_REGION_SW_MSI, cur->obj.id,
				   &check.window);
		if (rc)
			return rc;
	}
	if (!check.refused) {
		rc = window_refuse(&check, -EBUSY, IOMMU_IOVA_CONFLICT_BUSY,
				   IOMMU_RESV_REGION_SW_MSI, 0, &check.window);
		if (rc)
			return rc;
	}
	return -EBUSY;
}

static int group_choose_window(struct iommufd_group *igroup,
			       const struct iommufd_msi_choice *choice,
			       struct resv_conflicts *conflicts)
{
	struct iopt_range window;
	int rc;

	lockdep_assert_held(&igroup->lock);

	window = group_get_window(igroup);
	if (!window_exists(&window))
		return -ENODEV;
	rc = group_find_window(igroup, choice, &window, conflicts);
	if (rc)
		return rc;
	/* A device with a hardware window has joined, and is not bound yet */
	if (!window_exists(&window))
		return -ENODEV;
	rc = group_set_window(igroup, &window);
	if (rc == -EBUSY)
		return group_window_busy(igroup, conflicts);
	if (rc)
		return rc;
	igroup->choice = *choice;
	return 0;
}

static int device_window(struct iommufd_device *idev,
			 struct iommu_msi_window *cmd,
			 struct resv_conflicts *conflicts)
{
	struct iommufd_group *igroup = idev->igroup;
	enum iommu_msi_window_state state = IOMMU_MSI_WINDOW_NONE;
	struct iommufd_msi_choice choice;
	struct iopt_range window;
	int rc = 0;

	cmd->out_group_id = iommu_group_id(igroup->group);
	if (cmd->op != IOMMU_MSI_WINDOW_OP_GET) {
		rc = window_load_choice(cmd, &choice);
		if (rc)
			return rc;
	}

	mutex_lock(&igroup->lock);
	if (cmd->op != IOMMU_MSI_WINDOW_OP_GET)
		rc = group_choose_window(igroup, &choice, conflicts);
	if (!rc) {
		window = group_get_window(igroup);
		if (window_exists(&window))
			state = igroup->choice.chosen ?
					IOMMU_MSI_WINDOW_CHOSEN :
					IOMMU_MSI_WINDOW_DRIVER;
		window_answer(cmd, &window, state);
	}
	mutex_unlock(&igroup->lock);
	return rc;
}

/* The errors that come with an answer */
static bool window_is_refused(int rc)
{
	return rc == -EADDRNOTAVAIL || rc == -EADDRINUSE || rc == -EBUSY;
}

static int window_respond(struct iommufd_ucmd *ucmd,
			  const struct resv_conflicts *conflicts, int window_rc)
{
	struct iommu_msi_window *cmd = ucmd->cmd;
	int rc;

	if (window_rc && !window_is_refused(window_rc))
		return window_rc;
	rc = resv_conflicts_copy(conflicts, cmd->conflicts, cmd->entry_size);
	if (rc)
		return rc;
	cmd->num_conflicts = conflicts->num;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd)) ?: window_rc;
}

int iommufd_msi_window_ioctl(struct iommufd_ucmd *ucmd)
{
	struct iommu_msi_window *cmd = ucmd->cmd;
	struct resv_conflicts conflicts;
	struct iommufd_device *idev;
	int rc;

	if (cmd->flags || cmd->op > IOMMU_MSI_WINDOW_OP_RESET)
		return -EOPNOTSUPP;
	if (!resv_conflicts_args_valid(cmd->num_conflicts, cmd->entry_size))
		return -EINVAL;

	resv_conflicts_init(&conflicts, cmd->num_conflicts);
	if (cmd->dev_id) {
		idev = iommufd_get_device(ucmd, cmd->dev_id);
		if (IS_ERR(idev))
			return PTR_ERR(idev);
		rc = device_window(idev, cmd, &conflicts);
		iommufd_put_object(ucmd->ictx, &idev->obj);
	} else {
		rc = default_window(ucmd->ictx, cmd);
	}
	rc = window_respond(ucmd, &conflicts, rc);
	resv_conflicts_free(&conflicts);
	return rc;
}
