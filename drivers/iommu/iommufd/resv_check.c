// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dry run: what would be in the way
 *
 * IOMMU_IOAS_CHECK answers before anything is attached or mapped. It decides
 * nothing by itself. What a device claims comes from where an attach takes it
 * from (the regions of resv.c, the window of msi.c, the aperture, the page size),
 * and io_pagetable.c says what is in the way of a claim, by the function that
 * refuses the real one. The difference is that the real one stops at the first
 * conflict.
 *
 * plan: The ranges that user space wants to map. They are in nobody's table, so
 *   what a device claims is held against them here.
 *
 * Locks: as in resv.c. The plan and the list of conflicts belong to the ioctl.
 * Conflicts are collected while iova_rwsem is held for reading. How long the whole
 * takes is up to user space, so the lock is dropped between the ranges of the plan,
 * and a fatal signal ends it.
 */
#include <linux/interval_tree.h>
#include <linux/iommu.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "iommufd_private.h"
#include "resv.h"

/* The size of struct iommu_iova_conflict in the first kernel that had it */
#define CONFLICT_ENTRY_SIZE_MIN \
	offsetofend(struct iommu_iova_conflict, __reserved)

struct resv_conflict {
	struct rb_node node;
	struct iommu_iova_conflict info;
};

/**
 * resv_conflicts_args_valid() - Can an array of conflicts be like this?
 * @num: Number of entries that there is room for
 * @entry_size: Size in bytes of each
 *
 * Return: True if so
 */
bool resv_conflicts_args_valid(u32 num, u32 entry_size)
{
	if (!num && !entry_size)
		return true;
	return resv_entry_size_valid(entry_size, CONFLICT_ENTRY_SIZE_MIN);
}

/**
 * resv_conflicts_init() - Start a list of conflicts
 * @conflicts: List to start
 * @room: How many entries user space has room for. At most IOMMU_MAX_CONFLICTS are
 *	kept, the others are counted.
 */
void resv_conflicts_init(struct resv_conflicts *conflicts, u32 room)
{
	*conflicts = (struct resv_conflicts){
		.root = RB_ROOT,
		.room = min_t(u32, room, IOMMU_MAX_CONFLICTS),
	};
}

static bool conflict_less(struct rb_node *a, const struct rb_node *b)
{
	const struct iommu_iova_conflict *ia, *ib;

	ia = &rb_entry(a, struct resv_conflict, node)->info;
	ib = &rb_entry(b, struct resv_conflict, node)->info;

	if (ia->start != ib->start)
		return ia->start < ib->start;
	if (ia->kind != ib->kind)
		return ia->kind < ib->kind;
	return ia->last < ib->last;
}

/**
 * resv_conflicts_add() - Add a conflict to a list
 * @conflicts: List to add to
 * @info: Conflict, is copied
 *
 * Context: Sleeps. May be called as often as user space can make it.
 * Return: 0, -ENOMEM, or -EINTR if the process is being killed
 */
int resv_conflicts_add(struct resv_conflicts *conflicts,
		       const struct iommu_iova_conflict *info)
{
	struct resv_conflict *conflict;
	int rc;

	rc = iopt_loop_break();
	if (rc)
		return rc;
	if (conflicts->num != U32_MAX)
		conflicts->num++;
	if (!conflicts->room)
		return 0;

	conflict = kzalloc(sizeof(*conflict), GFP_KERNEL_ACCOUNT);
	if (!conflict)
		return -ENOMEM;
	conflict->info = *info;
	rb_add(&conflict->node, &conflicts->root, conflict_less);
	if (conflicts->kept < conflicts->room) {
		conflicts->kept++;
		return 0;
	}
	conflict = rb_entry(rb_last(&conflicts->root), struct resv_conflict,
			    node);
	rb_erase(&conflict->node, &conflicts->root);
	kfree(conflict);
	return 0;
}

/**
 * resv_conflicts_copy() - Give user space what is in a list
 * @conflicts: List to copy
 * @uptr: Pointer of user space to an array with the room of the list
 * @entry_size: Size in bytes of its entries
 *
 * Return: 0, -EFAULT, or -EINTR if the process is being killed
 */
int resv_conflicts_copy(const struct resv_conflicts *conflicts, u64 uptr,
			u32 entry_size)
{
	void __user *entry = u64_to_user_ptr(uptr);
	struct rb_node *node;
	int rc;

	for (node = rb_first(&conflicts->root); node; node = rb_next(node)) {
		const struct iommu_iova_conflict *info =
			&rb_entry(node, struct resv_conflict, node)->info;

		rc = iopt_loop_break();
		if (!rc)
			rc = resv_copy_entry(entry, entry_size, info,
					     sizeof(*info));
		if (rc)
			return rc;
		entry += entry_size;
	}
	return 0;
}

/**
 * resv_conflicts_free() - End a list of conflicts
 * @conflicts: List, empty afterwards
 */
void resv_conflicts_free(struct resv_conflicts *conflicts)
{
	struct resv_conflict *conflict, *next;

	rbtree_postorder_for_each_entry_safe(conflict, next, &conflicts->root,
					     node) {
		cond_resched();
		kfree(conflict);
	}
	resv_conflicts_init(conflicts, 0);
}

/* One range of the plan */
struct check_range {
	struct interval_tree_node node;
	u32 index;
};

/* What there is to know while an IOMMU_IOAS_CHECK is under way */
struct check {
	struct io_pagetable *iopt;
	/* The device is to be attached at a PASID */
	bool pasid;
	struct rb_root_cached plan;
	struct resv_conflicts conflicts;
	/* Combination of enum iommu_device_out_flags */
	u32 out_flags;
};

/* Who claims something, and what a mapping in the IOAS counts as */
struct check_claim {
	struct check *check;
	struct iommu_iova_conflict info;
	enum iommu_iova_conflict_kind mapped_kind;
	enum iommu_iova_conflict_kind planned_kind;
};

static int check_add(struct check *check, struct iommu_iova_conflict info,
		     enum iommu_iova_conflict_kind kind, unsigned long start,
		     unsigned long last)
{
	info.kind = kind;
	info.start = start;
	info.last = last;
	return resv_conflicts_add(&check->conflicts, &info);
}

/* What is in the IOAS against what a device claims */
static int check_claimed(const struct iopt_conflict *conflict, void *data)
{
	const struct check_claim *claim = data;
	enum iommu_iova_conflict_kind kind = claim->mapped_kind;

	if (conflict->kind == IOPT_CONFLICT_ALLOWED)
		kind = IOMMU_IOVA_CONFLICT_ALLOWED;
	return check_add(claim->check, claim->info, kind, conflict->start,
			 conflict->last);
}

/* The same for the plan */
static int check_claim_plan(const struct check_claim *claim,
			    const struct iopt_range *range)
{
	struct check *check = claim->check;
	struct iommu_iova_conflict info = claim->info;
	struct interval_tree_node *node;
	int rc;

	for (node = interval_tree_iter_first(&check->plan, range->start,
					     range->last);
	     node; node = interval_tree_iter_next(node, range->start,
						  range->last)) {
		info.range_index =
			container_of(node, struct check_range, node)->index;
		rc = check_add(check, info, claim->planned_kind,
			       max(node->start, range->start),
			       min(node->last, range->last));
		if (rc)
			return rc;
	}
	return 0;
}

static int check_claim_range(struct check_claim *claim,
			     const struct iopt_range *range)
{
	struct iopt_claim iopt_claim = {
		.kind = IOPT_CLAIM_RESERVE,
		.start = range->start,
		.last = range->last,
	};
	int rc;

	lockdep_assert_held(&claim->check->iopt->iova_rwsem);

	rc = iopt_walk_conflicts(claim->check->iopt, &iopt_claim, check_claimed,
				 claim);
	if (rc)
		return rc;
	return check_claim_plan(claim, range);
}

static struct iommu_iova_conflict check_blame(const struct iommufd_device *idev)
{
	return (struct iommu_iova_conflict){
		.region_type = IOMMU_RESV_REGION_NONE,
		.dev_id = idev->obj.id,
		.group_id = iommu_group_id(idev->igroup->group),
		.range_index = IOMMU_IOVA_CONFLICT_NO_RANGE,
	};
}

static int check_regions(struct check *check, struct iommufd_device *idev,
			 const struct list_head *resv)
{
	struct check_claim claim = {
		.check = check,
		.info = check_blame(idev),
		.mapped_kind = IOMMU_IOVA_CONFLICT_MAPPED,
		.planned_kind = IOMMU_IOVA_CONFLICT_RESERVED,
	};
	const struct iommu_resv_region *region;
	struct iopt_range range;
	int rc;

	lockdep_assert_held(&check->iopt->iova_rwsem);

	list_for_each_entry(region, resv, list) {
		if (!iopt_region_range(region, &range))
			continue;
		claim.info.region_type = region->type;
		rc = check_claim_range(&claim, &range);
		if (rc)
			return rc;
	}
	return 0;
}

static int check_outside(struct check *check, struct iommufd_device *idev,
			 u64 start, u64 last)
{
	struct check_claim claim = {
		.check = check,
		.info = check_blame(idev),
		.mapped_kind = IOMMU_IOVA_CONFLICT_APERTURE,
		.planned_kind = IOMMU_IOVA_CONFLICT_APERTURE,
	};
	struct iopt_range outside[2];
	unsigned int num, i;
	int rc;

	lockdep_assert_held(&check->iopt->iova_rwsem);

	num = iopt_outside(start, last, outside);
	for (i = 0; i != num; i++) {
		rc = check_claim_range(&claim, &outside[i]);
		if (rc)
			return rc;
	}
	return 0;
}

static int check_window_aperture(struct check *check,
				 struct iommufd_device *idev,
				 u64 aperture_start, u64 aperture_last)
{
	struct iommu_iova_conflict info = check_blame(idev);
	struct iopt_range window, outside[2];
	unsigned int num, i;
	int rc;

	lockdep_assert_held(&idev->igroup->lock);

	if (!iommufd_msi_group_window(&idev->igroup->msi, &window.start,
				      &window.last))
		return 0;
	info.region_type = IOMMU_RESV_REGION_SW_MSI;
	num = iopt_outside(aperture_start, aperture_last, outside);
	for (i = 0; i != num; i++) {
		unsigned long start = max(window.start, outside[i].start);
		unsigned long last = min(window.last, outside[i].last);

		if (start > last)
			continue;
		rc = check_add(check, info, IOMMU_IOVA_CONFLICT_APERTURE, start,
			       last);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * Are the regions of the device reserved in the IOAS already, because it is
 * attached there, without a PASID or at one?
 */
static bool check_has_regions(const struct check *check,
			      struct iommufd_device *idev)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_hwpt_paging *hwpt_paging;
	struct iommufd_pasid_member *member;
	struct iommufd_device *cur;

	lockdep_assert_held(&igroup->lock);

	list_for_each_entry(member, &idev->pasid_members, device_item)
		if (&member->attach->hwpt->ioas->iopt == check->iopt)
			return true;

	hwpt_paging = igroup->hwpt ? find_hwpt_paging(igroup->hwpt) : NULL;
	if (!hwpt_paging || &hwpt_paging->ioas->iopt != check->iopt)
		return false;
	list_for_each_entry(cur, &igroup->device_list, group_item)
		if (cur == idev)
			return true;
	return false;
}

/*
 * A HWPT has narrowed the IOAS to what it can translate already, so that only the
 * window is held against it. An IOAS will get a HWPT with the aperture of the
 * device.
 */
static int check_one_device(struct check *check, struct iommufd_device *idev,
			    struct iommu_domain *domain)
{
	u64 start = 0, last = U64_MAX;
	LIST_HEAD(resv);
	int rc = 0;

	lockdep_assert_held(&idev->igroup->lock);

	if (!domain) {
		rc = iommufd_device_get_aperture(idev, &start, &last,
						 &check->out_flags);
		if (rc)
			return rc;
	}
	rc = iommufd_device_get_resv_regions(idev, &resv);
	if (rc)
		return rc;

	down_read(&check->iopt->iova_rwsem);
	if (!check_has_regions(check, idev))
		rc = check_regions(check, idev, &resv);
	if (!rc)
		rc = check_outside(check, idev, start, last);
	up_read(&check->iopt->iova_rwsem);
	iommu_put_resv_regions(idev->dev, &resv);
	/* No interrupt comes with a PASID */
	if (rc || check->pasid)
		return rc;
	return check_window_aperture(check, idev, start, last);
}

static int check_window(struct check *check, struct iommufd_device *idev,
			struct iommufd_ioas *ioas)
{
	struct check_claim claim = {
		.check = check,
		.info = check_blame(idev),
		.mapped_kind = IOMMU_IOVA_CONFLICT_MAPPED,
		.planned_kind = IOMMU_IOVA_CONFLICT_RESERVED,
	};
	struct iommufd_msi_group *mg = &idev->igroup->msi;
	unsigned long start = 0, last;
	struct iopt_range window;
	int rc;

	lockdep_assert_held(&idev->igroup->lock);

	claim.info.region_type = IOMMU_RESV_REGION_SW_MSI;
	if (!iommufd_msi_group_window(mg, &window.start, &window.last))
		return 0;
	down_read(&check->iopt->iova_rwsem);
	rc = check_claim_range(&claim, &window);
	up_read(&check->iopt->iova_rwsem);

	while (!rc && iommufd_msi_group_conflict(mg, ioas, &start, &last)) {
		rc = check_add(check, claim.info, IOMMU_IOVA_CONFLICT_WINDOW,
			       start, last);
		if (last == ULONG_MAX)
			break;
		start = last + 1;
	}
	return rc;
}

/* Is the group in the IOAS already? Then what it has there is reserved. */
static bool check_group_is_in(struct iommufd_group *igroup,
			      struct iommufd_ioas *ioas)
{
	struct iommufd_hwpt_paging *hwpt_paging;

	lockdep_assert_held(&igroup->lock);

	hwpt_paging = igroup->hwpt ? find_hwpt_paging(igroup->hwpt) : NULL;
	return hwpt_paging && hwpt_paging->ioas == ioas;
}

/*
 * An attached device changes over together with all attached devices of its
 * group, also if another one of them is asked for.
 */
static int check_group(struct check *check, struct iommufd_device *idev,
		       struct iommufd_ioas *ioas, struct iommu_domain *domain)
{
	struct iommufd_group *igroup = idev->igroup;
	bool is_in = check_group_is_in(igroup, ioas);
	bool idev_is_in = false;
	struct iommufd_device *cur;
	int rc;

	lockdep_assert_held(&igroup->lock);

	list_for_each_entry(cur, &igroup->device_list, group_item) {
		if (cur == idev)
			idev_is_in = is_in;
		if (cur == idev || is_in)
			continue;
		rc = check_one_device(check, cur, domain);
		if (rc)
			return rc;
	}
	if (!idev_is_in) {
		rc = check_one_device(check, idev, domain);
		if (rc)
			return rc;
	}
	if (!is_in) {
		rc = check_window(check, idev, ioas);
		if (rc)
			return rc;
	}
	/* Drivers that finish a domain at attach have no geometry before */
	if (domain && domain->geometry.aperture_end)
		return check_window_aperture(check, idev,
					     domain->geometry.aperture_start,
					     domain->geometry.aperture_end);
	return 0;
}

/* Is there an automatic HWPT that an attach of the device would share? */
static bool check_can_share(struct iommufd_device *idev,
			    struct iommufd_ioas *ioas)
{
	const struct iommu_ops *ops = dev_iommu_ops(idev->dev);
	struct iommufd_hwpt_paging *cur;
	bool found = false;

	mutex_lock(&ioas->mutex);
	list_for_each_entry(cur, &ioas->hwpt_list, hwpt_item)
		if (cur->auto_domain && cur->common.domain->owner == ops)
			found = true;
	mutex_unlock(&ioas->mutex);
	return found;
}

/*
 * The page size of the HWPT that the device would get in an IOAS. An IOMMU that has
 * no room for one more domain is no obstacle if the device can share one: that is
 * in the IOAS already, its page size too.
 */
static int check_get_alignment(struct iommufd_device *idev,
			       struct iommufd_ioas *ioas,
			       unsigned long *alignment)
{
	struct iommu_domain *domain;
	int rc;

	*alignment = 1;
	domain = iommufd_device_alloc_domain(idev, 0, NULL);
	if (IS_ERR(domain)) {
		rc = PTR_ERR(domain);
		return rc != -ENOMEM && check_can_share(idev, ioas) ? 0 : rc;
	}
	if (domain->pgsize_bitmap)
		*alignment = iopt_domain_alignment(domain);
	iommu_domain_free(domain);
	return 0;
}

static int check_unaligned(const struct iopt_conflict *conflict, void *data)
{
	const struct check_claim *claim = data;

	return check_add(claim->check, claim->info,
			 IOMMU_IOVA_CONFLICT_ALIGNMENT, conflict->start,
			 conflict->last);
}

/* As iopt_table_add_domain() */
static int check_alignment(struct check *check, struct iommufd_device *idev,
			   unsigned long alignment)
{
	struct check_claim claim = {
		.check = check,
		.info = check_blame(idev),
	};
	int rc = 0;

	if (alignment > PAGE_SIZE)
		return check_add(check, claim.info,
				 IOMMU_IOVA_CONFLICT_ALIGNMENT, 0, ULONG_MAX);
	down_read(&check->iopt->iova_rwsem);
	if (alignment > check->iopt->iova_alignment)
		rc = iopt_walk_unaligned(check->iopt, alignment,
					 check_unaligned, &claim);
	up_read(&check->iopt->iova_rwsem);
	return rc;
}

static int check_device(struct check *check, struct iommufd_device *idev,
			struct iommufd_ioas *ioas, struct iommu_domain *domain,
			unsigned long *alignment)
{
	int rc;

	if (!domain) {
		rc = check_get_alignment(idev, ioas, alignment);
		if (rc)
			return rc;
		rc = check_alignment(check, idev, *alignment);
		if (rc)
			return rc;
	}
	mutex_lock(&idev->igroup->lock);
	if (check->pasid)
		rc = check_one_device(check, idev, domain);
	else
		rc = check_group(check, idev, ioas, domain);
	mutex_unlock(&idev->igroup->lock);
	return rc;
}

/* What is in the IOAS against a range of the plan */
static int check_planned(const struct iopt_conflict *conflict, void *data)
{
	const struct check_claim *claim = data;
	struct iommu_iova_conflict info = claim->info;
	const struct iopt_reserved_cause *cause = conflict->cause;
	enum iommu_iova_conflict_kind kind = claim->mapped_kind;

	lockdep_assert_held(&claim->check->iopt->iova_rwsem);

	if (conflict->kind == IOPT_CONFLICT_ALIGNMENT) {
		kind = IOMMU_IOVA_CONFLICT_ALIGNMENT;
	} else if (cause && cause->kind == IOPT_RESERVED_APERTURE) {
		kind = IOMMU_IOVA_CONFLICT_APERTURE;
	} else if (cause && cause->kind == IOPT_RESERVED_HOLE) {
		kind = IOMMU_IOVA_CONFLICT_HOLE;
	} else if (cause) {
		kind = IOMMU_IOVA_CONFLICT_RESERVED;
		info.region_type = cause->type;
		info.dev_id = cause->dev_id;
		info.group_id = cause->group_id;
	}
	return check_add(claim->check, info, kind, conflict->start,
			 conflict->last);
}

static int check_plan(struct check *check, unsigned long alignment)
{
	struct check_claim claim = {
		.check = check,
		.info = {
			.region_type = IOMMU_RESV_REGION_NONE,
			.group_id = IOMMU_IOVA_CONFLICT_NO_GROUP,
		},
		.mapped_kind = IOMMU_IOVA_CONFLICT_MAPPED,
	};
	struct interval_tree_node *node;
	int rc = 0;

	for (node = interval_tree_iter_first(&check->plan, 0, ULONG_MAX);
	     node && !rc; node = interval_tree_iter_next(node, 0, ULONG_MAX)) {
		struct iopt_claim iopt_claim = {
			.kind = IOPT_CLAIM_MAP,
			.start = node->start,
			.last = node->last,
		};

		claim.info.range_index =
			container_of(node, struct check_range, node)->index;
		rc = iopt_loop_break();
		if (rc)
			break;
		/* Who wants to map waits for one range, not for the plan */
		down_read(&check->iopt->iova_rwsem);
		iopt_claim.alignment = max(alignment,
					   check->iopt->iova_alignment);
		rc = iopt_walk_conflicts(check->iopt, &iopt_claim,
					 check_planned, &claim);
		up_read(&check->iopt->iova_rwsem);
	}
	return rc;
}

static int check_load_range(struct check *check,
			    const struct iommu_iova_range *range, u32 index)
{
	struct iommu_iova_conflict info = {
		.region_type = IOMMU_RESV_REGION_NONE,
		.group_id = IOMMU_IOVA_CONFLICT_NO_GROUP,
		.range_index = index,
	};
	struct interval_tree_node *other;
	struct check_range *planned;
	int rc;

	if (range->start > range->last)
		return -EINVAL;
	/* As iommufd_ioas_map() and iopt_check_iova() */
	if (range->start >= ULONG_MAX || range->last > ULONG_MAX ||
	    range->last - range->start >= ULONG_MAX - 1)
		return -EOVERFLOW;

	other = interval_tree_iter_first(&check->plan, range->start,
					 range->last);
	if (other) {
		rc = check_add(check, info, IOMMU_IOVA_CONFLICT_PLANNED,
			       max_t(u64, range->start, other->start),
			       min_t(u64, range->last, other->last));
		if (rc)
			return rc;
	}
	planned = kzalloc(sizeof(*planned), GFP_KERNEL_ACCOUNT);
	if (!planned)
		return -ENOMEM;
	planned->node.start = range->start;
	planned->node.last = range->last;
	planned->index = index;
	interval_tree_insert(&planned->node, &check->plan);
	return 0;
}

static int check_load_plan(struct check *check,
			   const struct iommu_iova_range __user *uptr, u32 num)
{
	struct iommu_iova_range range;
	int rc = 0;
	u32 i;

	if (num > IOMMU_IOAS_MAX_RANGES)
		return -ENOSPC;
	for (i = 0; i != num && !rc; i++) {
		rc = iopt_loop_break();
		if (rc)
			break;
		if (copy_from_user(&range, &uptr[i], sizeof(range)))
			return -EFAULT;
		rc = check_load_range(check, &range, i);
	}
	return rc;
}

static void check_free_plan(struct check *check)
{
	struct check_range *planned, *next;

	rbtree_postorder_for_each_entry_safe(planned, next,
					     &check->plan.rb_root, node.rb) {
		cond_resched();
		kfree(planned);
	}
}

/* @domain is NULL if it is about an IOAS */
static int check_ioas(struct iommufd_ucmd *ucmd, struct check *check,
		      struct iommufd_ioas *ioas, struct iommu_domain *domain)
{
	struct iommu_ioas_check *cmd = ucmd->cmd;
	unsigned long alignment = 1;
	struct iommufd_device *idev;
	int rc;

	check->iopt = &ioas->iopt;
	if (cmd->dev_id) {
		idev = iommufd_get_device(ucmd, cmd->dev_id);
		if (IS_ERR(idev))
			return PTR_ERR(idev);
		rc = -ENODEV;
		if (!check->pasid || iommufd_device_max_pasids(idev->dev))
			rc = check_device(check, idev, ioas, domain,
					  &alignment);
		iommufd_put_object(ucmd->ictx, &idev->obj);
		if (rc)
			return rc;
	}
	return check_plan(check, alignment);
}

static int check_pt(struct iommufd_ucmd *ucmd, struct check *check)
{
	struct iommu_ioas_check *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging *hwpt_paging;
	struct iommufd_object *pt_obj;
	int rc;

	pt_obj = iommufd_get_object(ucmd->ictx, cmd->pt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(pt_obj))
		return PTR_ERR(pt_obj);

	switch (pt_obj->type) {
	case IOMMUFD_OBJ_IOAS:
		rc = check_ioas(ucmd, check,
				container_of(pt_obj, struct iommufd_ioas, obj),
				NULL);
		break;
	case IOMMUFD_OBJ_HWPT_NESTED:
	case IOMMUFD_OBJ_HWPT_PAGING:
		hwpt_paging = find_hwpt_paging(container_of(
			pt_obj, struct iommufd_hw_pagetable, obj));
		rc = -EINVAL;
		if (check->pasid && (pt_obj->type == IOMMUFD_OBJ_HWPT_NESTED ||
				     !hwpt_paging->pasid))
			break;
		rc = check_ioas(ucmd, check, hwpt_paging->ioas,
				hwpt_paging->common.domain);
		break;
	default:
		rc = -ENOENT;
		break;
	}
	iommufd_put_pt_object(ucmd->ictx, pt_obj);
	return rc;
}

int iommufd_ioas_check(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_check *cmd = ucmd->cmd;
	struct check check = {
		.plan = RB_ROOT_CACHED,
		.out_flags = IOMMU_DEVICE_APERTURE_KNOWN,
	};
	u32 room = cmd->num_conflicts;
	int rc;

	if (cmd->flags & ~IOMMU_IOAS_CHECK_PASID)
		return -EOPNOTSUPP;
	check.pasid = cmd->flags & IOMMU_IOAS_CHECK_PASID;
	if (!resv_conflicts_args_valid(room, cmd->entry_size) ||
	    (!cmd->dev_id && (!cmd->num_ranges || check.pasid)))
		return -EINVAL;

	resv_conflicts_init(&check.conflicts, room);
	rc = check_load_plan(&check, u64_to_user_ptr(cmd->ranges),
			     cmd->num_ranges);
	if (!rc)
		rc = check_pt(ucmd, &check);
	if (!rc)
		rc = resv_conflicts_copy(&check.conflicts, cmd->conflicts,
					 cmd->entry_size);
	if (rc)
		goto out_free;

	cmd->num_conflicts = check.conflicts.num;
	cmd->out_flags = check.out_flags;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (!rc && cmd->num_conflicts > check.conflicts.room)
		rc = -EMSGSIZE;
out_free:
	check_free_plan(&check);
	resv_conflicts_free(&check.conflicts);
	return rc;
}
