// SPDX-License-Identifier: GPL-2.0-only
/*
 * One allocator of PASIDs, for address spaces (SVA), drivers and fds
 *
 * A PASID is free, live or resting. It is live from iommu_pasid_alloc() to
 * iommu_pasid_release(), which its owner calls once, whether or not a device can
 * still have it in a queue. After that it rests until no device can.
 *
 * Who can have it. A device becomes a user of the PASID when a domain is
 * attached to it there (iommu_pasid_attach()), and stays one when the domain is
 * detached, for the work that its queues may still hold; an attach of which it
 * had nothing makes it none. It ends being a user when its driver says that it
 * has drained the PASID, or when it goes away. A PASID that nobody uses is free as
 * soon as it is released; that is all that happens to one that was never attached.
 * Otherwise it rests until the last user has drained it, or until the grace
 * period is over, counted from the release or from the last detach, whichever
 * comes later.
 *
 * What a resting PASID leads to. Nothing: it cannot be attached (-EBUSY), and
 * what was attached has been detached by the owner, which made the driver of the
 * IOMMU remove the entry, flush what was cached of it, and answer its page
 * requests. DMA that comes with it faults. Should an owner release a PASID that
 * is still attached, the number does not come back before it is detached.
 *
 * Pressure. If all numbers that a caller can take are in use, those whose time
 * is over are freed, without waiting for the work. Then the oldest resting one
 * that can be drained is: the drivers of its users are called, and have
 * %DRAIN_TIMEOUT for all of it. A PASID with a user whose driver has no such
 * callback is left to rest, and if there is no other the allocation fails with
 * -ENOSPC. The promise is kept rather than the allocation.
 *
 * A driver that does not return in time is left alone: the callbacks run in a
 * work, so the allocation fails at the deadline, and the driver is not asked
 * again before it has returned.
 *
 * Which number. A device with few PASID bits can take small numbers only. The
 * smallest limit of all devices that were seen divides the numbers: small ones,
 * which all devices can take, and large ones. Where devices differ,
 *  - a driver or an fd that comes with a wide device gets a large one;
 *  - an address space gets a small one, for it wants the same number on all
 *    devices, but not from the upper half of the small ones,
 *  - which is kept for those that come with a narrow device;
 * and who finds nothing left there takes what there is, but for an fd with a
 * wide device, which does not get what is kept. Where all devices have the same
 * limit, it is the smallest free number, as it always was. Who wants one number
 * and no other gets it, or learns why not.
 *
 * Share. All of that is of no help against somebody who wants each number by its
 * name, or has a narrow device. So all fds together have no more than @file_share
 * percent of the small numbers, and the rest is for address spaces and drivers.
 *
 * Quota. An fd is charged to a user, who has all numbers that are not free again,
 * the resting ones too: else a loop of allocations and releases would have all of
 * them, whatever the quota. Before it is refused for want of quota or share, what
 * rests of it is freed if its time is over or if drivers can drain it.
 *
 * Locks. The lock of the xarray protects everything, and is taken with
 * interrupts off: release is called when the last reference to an mm is dropped,
 * which may be anywhere. It neither sleeps nor allocates, nor does it call a
 * driver; hence no exit of a process ever waits for a device. Attach allocates,
 * and may sleep; so may an allocation, which waits for the drain callbacks without
 * the lock. A PASID that is being drained is marked @busy, and only the drainer
 * may free it then. A driver that takes its callback away, or a device that goes
 * away, waits for a callback that is running.
 *
 * Failure. An allocation or an attach without memory changes nothing. Release,
 * detach and drained cannot fail.
 */
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/hashtable.h>
#include <linux/iommu.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "iommu-pasid.h"

#define CREATE_TRACE_POINTS
#include "iommu_pasid_trace.h"

/* For the drivers together, when an allocation finds no free number */
#define DRAIN_TIMEOUT		msecs_to_jiffies(100)
/* PASIDs that are freed, or looked at, before the lock is given up for a moment */
#define EXPIRE_BATCH		64
#define RECLAIM_BATCH		1024

struct iommu_pasid {
	struct list_head rest;
	struct list_head users;
	u64 released;
	/* The rest is counted from here: @released, or the last detach */
	u64 since;
	struct iommu_pasid_account *account;
	pid_t tgid;
	char comm[TASK_COMM_LEN];
	ioasid_t pasid;
	u8 owner;
	bool resting;
	bool busy;
};

/* A user with PASIDs that are live or rest, and how many */
struct iommu_pasid_account {
	struct hlist_node node;
	kuid_t uid;
	unsigned int num;
};

/* A device that may have work with a PASID in its queues */
struct pasid_user {
	struct list_head pasid_node;
	struct list_head device_node;
	struct iommu_pasid_device *pdev;
	ioasid_t pasid;
	unsigned int attached;
	/* Something was attached, and has been detached */
	bool had;
};

static void free_user(struct pasid_user *user)
{
	list_del(&user->pasid_node);
	list_del(&user->device_node);
	kfree(user);
}

static struct pasid_user *user_of(struct iommu_pasid *entry,
				  const struct iommu_pasid_device *pdev)
{
	struct pasid_user *user;

	list_for_each_entry(user, &entry->users, pasid_node)
		if (user->pdev == pdev)
			return user;
	return NULL;
}

static bool is_attached(const struct iommu_pasid *entry)
{
	const struct pasid_user *user;

	list_for_each_entry(user, &entry->users, pasid_node)
		if (user->attached)
			return true;
	return false;
}

static struct iommu_pasid_account *
account_of(struct iommu_pasid_space *space, kuid_t uid)
{
	struct iommu_pasid_account *account;

	lockdep_assert_held(&space->pasids.xa_lock);

	hash_for_each_possible(space->accounts, account, node, __kuid_val(uid))
		if (uid_eq(account->uid, uid))
			return account;
	return NULL;
}

/* Takes over @new if there is none of this user */
static struct iommu_pasid_account *
charge_user(struct iommu_pasid_space *space,
	    const struct iommu_pasid_quota *quota,
	    struct iommu_pasid_account **new)
{
	struct iommu_pasid_account *account = account_of(space, quota->uid);

	if (account ? account->num >= quota->max : !quota->max)
		return ERR_PTR(-EDQUOT);
	if (!account) {
		account = *new;
		*new = NULL;
		account->uid = quota->uid;
		hash_add(space->accounts, &account->node,
			 __kuid_val(quota->uid));
	}
	account->num++;
	return account;
}

static void uncharge_user(struct iommu_pasid_space *space,
			  struct iommu_pasid_account *account)
{
	lockdep_assert_held(&space->pasids.xa_lock);

	if (!account || --account->num)
		return;
	hash_del(&account->node);
	kfree(account);
}

/* Does it count for the share of the fds? */
static bool is_shared(const struct iommu_pasid_space *space,
		      const struct iommu_pasid *entry)
{
	return entry->owner == IOMMU_PASID_FILE && entry->pasid < space->narrow;
}

static bool share_left(const struct iommu_pasid_space *space)
{
	return space->num_shared <
	       mult_frac(space->narrow, READ_ONCE(space->file_share), 100U);
}

/* The number may be allocated again */
static void end_rest(struct iommu_pasid_space *space, struct iommu_pasid *entry,
		     enum iommu_pasid_end end)
{
	struct pasid_user *user, *next;

	lockdep_assert_held(&space->pasids.xa_lock);

	list_for_each_entry_safe(user, next, &entry->users, pasid_node)
		free_user(user);
	list_del(&entry->rest);
	space->num_resting--;
	space->ends[end]++;
	trace_iommu_pasid_free(entry->pasid, end);
	space->num_shared -= is_shared(space, entry);
	uncharge_user(space, entry->account);
	__xa_erase(&space->pasids, entry->pasid);
	kfree(entry);
}

static void schedule_expire(struct iommu_pasid_space *space, u64 now)
{
	struct iommu_pasid *oldest;
	u64 delay = 0;

	lockdep_assert_held(&space->pasids.xa_lock);

	/* Who drains one that is busy also frees it, or comes here again */
	list_for_each_entry(oldest, &space->resting, rest)
		if (!oldest->busy)
			break;
	if (list_entry_is_head(oldest, &space->resting, rest))
		return;
	if (now - oldest->since < space->grace)
		delay = space->grace - (now - oldest->since);
	mod_delayed_work(system_unbound_wq, &space->work,
			 nsecs_to_jiffies64(delay) + 1);
}

/* @entry is released and not attached; it rests if somebody can still have it */
static void start_rest(struct iommu_pasid_space *space,
		       struct iommu_pasid *entry)
{
	lockdep_assert_held(&space->pasids.xa_lock);

	if (list_empty(&entry->users)) {
		end_rest(space, entry, IOMMU_PASID_UNUSED);
		return;
	}
	if (!space->grace) {
		end_rest(space, entry, IOMMU_PASID_EXPIRED);
		return;
	}

	entry->since = space->now();
	list_add_tail(&entry->rest, &space->resting);
	/* Else the work is on its way to the one before */
	if (list_is_first(&entry->rest, &space->resting) ||
	    list_prev_entry(entry, rest)->busy)
		schedule_expire(space, entry->since);
}

/* Ends what was done with @entry while it was busy; true if it is free now */
static bool end_busy(struct iommu_pasid_space *space, struct iommu_pasid *entry,
		     enum iommu_pasid_end end)
{
	lockdep_assert_held(&space->pasids.xa_lock);

	entry->busy = false;
	if (list_empty(&entry->users)) {
		end_rest(space, entry, end);
		return true;
	}
	/* It was passed over meanwhile */
	schedule_expire(space, space->now());
	return false;
}

/* Frees up to @batch of those whose time is over; true if there may be more */
static bool expire_some(struct iommu_pasid_space *space, unsigned int batch)
{
	struct iommu_pasid *entry, *next;
	u64 now = space->now();

	lockdep_assert_held(&space->pasids.xa_lock);

	list_for_each_entry_safe(entry, next, &space->resting, rest) {
		if (now - entry->since < space->grace)
			return false;
		/* Who drains it also frees it */
		if (entry->busy)
			continue;
		if (!batch--)
			return true;
		end_rest(space, entry, IOMMU_PASID_EXPIRED);
	}
	return false;
}

/**
 * iommu_pasid_space_expire() - Free the PASIDs whose grace period is over
 * @space: the numbers
 *
 * Context: may sleep.
 */
void iommu_pasid_space_expire(struct iommu_pasid_space *space)
{
	bool more;

	do {
		xa_lock_irq(&space->pasids);
		more = expire_some(space, EXPIRE_BATCH);
		if (!more)
			schedule_expire(space, space->now());
		xa_unlock_irq(&space->pasids);
		cond_resched();
	} while (more);
}

static void expire_work(struct work_struct *work)
{
	iommu_pasid_space_expire(container_of(to_delayed_work(work),
					      struct iommu_pasid_space, work));
}

/**
 * iommu_pasid_space_set_grace() - Set the grace period
 * @space: the numbers
 * @grace: nanoseconds; it also holds for those that rest already
 *
 * Context: any.
 */
void iommu_pasid_space_set_grace(struct iommu_pasid_space *space, u64 grace)
{
	unsigned long flags;

	xa_lock_irqsave(&space->pasids, flags);
	space->grace = grace;
	schedule_expire(space, space->now());
	xa_unlock_irqrestore(&space->pasids, flags);
}

/**
 * iommu_pasid_space_init() - Set up an allocator
 * @space: the numbers
 * @now: its clock
 */
void iommu_pasid_space_init(struct iommu_pasid_space *space, u64 (*now)(void))
{
	memset(space, 0, sizeof(*space));
	xa_init_flags(&space->pasids, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ);
	INIT_LIST_HEAD(&space->resting);
	INIT_LIST_HEAD(&space->drains);
	hash_init(space->accounts);
	space->now = now;
	space->grace = (u64)IOMMU_PASID_GRACE_MS * NSEC_PER_MSEC;
	space->file_share = IOMMU_PASID_FILE_SHARE;
	INIT_DELAYED_WORK(&space->work, expire_work);
}

static bool drains_running(struct iommu_pasid_space *space)
{
	bool running;

	xa_lock_irq(&space->pasids);
	running = !list_empty(&space->drains);
	xa_unlock_irq(&space->pasids);
	return running;
}

/**
 * iommu_pasid_space_destroy() - Free all that is left in an allocator
 * @space: the numbers. No owner and no device is left that would use them.
 *
 * Context: may sleep.
 */
void iommu_pasid_space_destroy(struct iommu_pasid_space *space)
{
	struct pasid_user *user, *next;
	struct iommu_pasid *entry;
	unsigned long index;

	wait_var_event(&space->drains, !drains_running(space));
	cancel_delayed_work_sync(&space->work);
	xa_for_each(&space->pasids, index, entry) {
		list_for_each_entry_safe(user, next, &entry->users, pasid_node)
			free_user(user);
		xa_lock_irq(&space->pasids);
		uncharge_user(space, entry->account);
		xa_unlock_irq(&space->pasids);
		kfree(entry);
	}
	xa_destroy(&space->pasids);
}

/**
 * iommu_pasid_device_init() - Set up what the allocator knows of a device
 * @pdev: the part of the device
 * @dev: what the drain callback is called with
 */
void iommu_pasid_device_init(struct iommu_pasid_device *pdev,
			     struct device *dev)
{
	INIT_LIST_HEAD(&pdev->users);
	pdev->dev = dev;
	pdev->drain = NULL;
	pdev->draining = 0;
	pdev->limit = 0;
}

/* Fewer numbers are small now, and what the fds have of those is counted anew */
static void set_narrow(struct iommu_pasid_space *space, u32 narrow)
{
	struct iommu_pasid *entry;
	unsigned long index;

	lockdep_assert_held(&space->pasids.xa_lock);

	space->narrow = narrow;
	space->num_shared = 0;
	xa_for_each_range(&space->pasids, index, entry, 0, narrow - 1)
		space->num_shared += is_shared(space, entry);
}

/**
 * iommu_pasid_device_limit() - Tell how many PASIDs a device can take
 * @space: the numbers
 * @pdev: the device
 * @limit: the first PASID that is too large for it, 0 if it can take none
 *
 * The smallest limit is remembered when the device goes: it may come back.
 */
void iommu_pasid_device_limit(struct iommu_pasid_space *space,
			      struct iommu_pasid_device *pdev, u32 limit)
{
	unsigned long flags;

	xa_lock_irqsave(&space->pasids, flags);
	pdev->limit = limit;
	if (limit > IOMMU_FIRST_GLOBAL_PASID &&
	    (!space->narrow || limit < space->narrow))
		set_narrow(space, limit);
	xa_unlock_irqrestore(&space->pasids, flags);
}

/* With the lock, and so either sees that it is over or is woken up */
static bool is_draining(struct iommu_pasid_space *space,
			struct iommu_pasid_device *pdev)
{
	bool draining;

	xa_lock_irq(&space->pasids);
	draining = pdev->draining;
	xa_unlock_irq(&space->pasids);
	return draining;
}

/**
 * iommu_pasid_device_set_drain() - Set or take away the callback of a driver
 * @space: the numbers
 * @pdev: the device
 * @drain: the callback, or NULL
 *
 * When it returns, the previous callback neither runs nor is called again.
 *
 * Context: may sleep.
 */
void iommu_pasid_device_set_drain(struct iommu_pasid_space *space,
				  struct iommu_pasid_device *pdev,
				  iommu_pasid_drain_t drain)
{
	xa_lock_irq(&space->pasids);
	pdev->drain = NULL;
	xa_unlock_irq(&space->pasids);

	wait_var_event(&pdev->draining, !is_draining(space, pdev));

	xa_lock_irq(&space->pasids);
	pdev->drain = drain;
	xa_unlock_irq(&space->pasids);
}

/* A user is no more; @entry is free if it was the last, and was being waited for */
static void drop_user(struct iommu_pasid_space *space,
		      struct iommu_pasid *entry, struct pasid_user *user)
{
	free_user(user);
	if (!entry->resting || entry->busy)
		return;
	if (list_empty(&entry->users))
		end_rest(space, entry, IOMMU_PASID_DRAINED);
	else if (list_empty(&entry->rest) && !is_attached(entry))
		start_rest(space, entry);
}

/**
 * iommu_pasid_device_destroy() - Forget a device
 * @space: the numbers
 * @pdev: the device. It does no DMA any more, so it has no PASID in its queues.
 *
 * Context: may sleep.
 */
void iommu_pasid_device_destroy(struct iommu_pasid_space *space,
				struct iommu_pasid_device *pdev)
{
	struct iommu_pasid *entry;
	struct pasid_user *user;

	iommu_pasid_device_set_drain(space, pdev, NULL);
	for (;;) {
		xa_lock_irq(&space->pasids);
		user = list_first_entry_or_null(&pdev->users, struct pasid_user,
						device_node);
		if (user) {
			entry = xa_load(&space->pasids, user->pasid);
			drop_user(space, entry, user);
		}
		xa_unlock_irq(&space->pasids);
		if (!user)
			return;
		cond_resched();
	}
}

/* Numbers to look for, both ends inclusive; none if @first is above @last */
struct pasid_range {
	u32 first;
	u32 last;
};

#define NUM_RANGES	3

/* What is asked for: numbers below @limit and from @min to @max, inclusive */
struct pasid_request {
	enum iommu_pasid_owner owner;
	u32 limit;
	u32 min;
	u32 max;
	/* This number and no other */
	bool one;
	/* Or NULL */
	const struct iommu_pasid_quota *quota;
	unsigned long deadline;
};

/* In the order of preference; see the opening comment */
static void preferred_ranges(const struct iommu_pasid_space *space,
			     const struct pasid_request *req,
			     struct pasid_range *ranges)
{
	u32 narrow = space->narrow;
	struct pasid_range shared = { IOMMU_FIRST_GLOBAL_PASID, narrow / 2 - 1 };
	struct pasid_range kept = { max(narrow / 2, IOMMU_FIRST_GLOBAL_PASID),
				    narrow - 1 };
	struct pasid_range large = { narrow, req->limit - 1 };

	if (req->limit <= narrow) {
		ranges[0].first = IOMMU_FIRST_GLOBAL_PASID;
		ranges[0].last = req->limit - 1;
		ranges[1] = (struct pasid_range){ 1, 0 };
		ranges[2] = ranges[1];
		return;
	}
	ranges[0] = req->owner == IOMMU_PASID_MM ? shared : large;
	ranges[1] = req->owner == IOMMU_PASID_MM ? large : shared;
	ranges[2] = kept;
	/* A process cannot take all of them by mistake */
	if (req->owner == IOMMU_PASID_FILE && !req->one)
		ranges[2] = (struct pasid_range){ 1, 0 };
}

/* Would it be one of the small numbers, of which the fds have their share? */
static bool wants_share(const struct iommu_pasid_space *space,
			const struct pasid_request *req)
{
	return req->owner == IOMMU_PASID_FILE && req->min < space->narrow &&
	       !share_left(space);
}

/* The lock may have been dropped since there was some of the share left */
static int count_shared(struct iommu_pasid_space *space,
			struct iommu_pasid *entry)
{
	if (!is_shared(space, entry))
		return 0;
	if (!share_left(space)) {
		__xa_erase(&space->pasids, entry->pasid);
		return -EBUSY;
	}
	space->num_shared++;
	return 0;
}

/* -EBUSY if there is no free number, or none that it may have */
static int insert(struct iommu_pasid_space *space, struct iommu_pasid *entry,
		  const struct pasid_request *req)
{
	struct pasid_range ranges[NUM_RANGES];
	u32 min = req->min;
	unsigned int i;
	int ret;

	lockdep_assert_held(&space->pasids.xa_lock);

	preferred_ranges(space, req, ranges);
	if (wants_share(space, req))
		min = space->narrow;
	for (i = 0; i != NUM_RANGES; i++) {
		u32 first = max(ranges[i].first, min);
		u32 last = min(ranges[i].last, req->max);

		if (first > last)
			continue;
		ret = __xa_alloc(&space->pasids, &entry->pasid, entry,
				 XA_LIMIT(first, last), GFP_KERNEL_ACCOUNT);
		if (!ret)
			return count_shared(space, entry);
		if (ret != -EBUSY)
			return ret;
	}
	return -EBUSY;
}

/* The drain of a PASID, by a work; whoever asked for it may have given up */
struct pasid_drain {
	struct work_struct work;
	struct list_head node;
	struct iommu_pasid_space *space;
	struct iommu_pasid *victim;
	/* Whose driver is being called */
	struct iommu_pasid_device *pdev;
	unsigned long deadline;
	struct completion done;
	bool finished;
	bool abandoned;
};

/* A driver that is late is not asked for more until it has returned */
static bool is_late(const struct iommu_pasid_space *space,
		    const struct iommu_pasid_device *pdev)
{
	const struct pasid_drain *drain;

	list_for_each_entry(drain, &space->drains, node)
		if (drain->pdev == pdev &&
		    time_after_eq(jiffies, drain->deadline))
			return true;
	return false;
}

static bool can_be_drained(const struct iommu_pasid_space *space,
			   const struct iommu_pasid *entry)
{
	const struct pasid_user *user;

	list_for_each_entry(user, &entry->users, pasid_node)
		if (!user->pdev->drain || is_late(space, user->pdev))
			return false;
	return true;
}

/* Calls the driver of one user without the lock; false if it did not drain */
static bool drain_user(struct iommu_pasid_space *space,
		       struct pasid_drain *drain, struct pasid_user *user)
{
	struct iommu_pasid_device *pdev = user->pdev;
	struct iommu_pasid *victim = drain->victim;
	iommu_pasid_drain_t fn = pdev->drain;
	ioasid_t pasid = victim->pasid;
	int ret;

	/* Taken away since the victim was chosen */
	if (!fn)
		return false;

	/* Keeps @pdev, which may go as soon as this is 0 again */
	pdev->draining++;
	drain->pdev = pdev;
	xa_unlock_irq(&space->pasids);
	ret = fn(pdev->dev, pasid, drain->deadline);
	xa_lock_irq(&space->pasids);
	drain->pdev = NULL;

	if (!ret) {
		user = user_of(victim, pdev);
		if (user) {
			trace_iommu_pasid_drained(pasid, pdev->dev);
			free_user(user);
		}
	}
	pdev->draining--;
	/* @pdev may be gone when the lock is dropped */
	wake_up_var(&pdev->draining);
	return !ret;
}

static void drain_work(struct work_struct *work)
{
	struct pasid_drain *drain = container_of(work, struct pasid_drain, work);
	struct iommu_pasid_space *space = drain->space;
	struct list_head *users = &drain->victim->users;

	xa_lock_irq(&space->pasids);
	while (!list_empty(users) && time_before(jiffies, drain->deadline))
		if (!drain_user(space, drain,
				list_first_entry(users, struct pasid_user,
						 pasid_node)))
			break;
	list_del(&drain->node);
	if (drain->abandoned) {
		end_busy(space, drain->victim, IOMMU_PASID_RECLAIMED);
		kfree(drain);
	} else {
		drain->finished = true;
		complete(&drain->done);
	}
	wake_up_var(&space->drains);
	xa_unlock_irq(&space->pasids);
}

/*
 * Frees @victim if all its users drain it in time. Drops the lock.
 *
 * A driver may not return by the deadline, or never. So the callbacks run in a
 * work, and this waits for it until the deadline. After that @victim stays busy
 * until the work is done, and then is freed by it, or goes on to rest.
 */
static bool drain(struct iommu_pasid_space *space, struct iommu_pasid *victim,
		  unsigned long deadline)
{
	struct pasid_drain *drain;
	long left;

	victim->busy = true;
	xa_unlock_irq(&space->pasids);
	drain = kzalloc(sizeof(*drain), GFP_KERNEL);
	xa_lock_irq(&space->pasids);
	if (!drain)
		return end_busy(space, victim, IOMMU_PASID_DRAINED);

	INIT_WORK(&drain->work, drain_work);
	init_completion(&drain->done);
	drain->space = space;
	drain->victim = victim;
	drain->deadline = deadline;
	list_add(&drain->node, &space->drains);
	queue_work(system_unbound_wq, &drain->work);
	xa_unlock_irq(&space->pasids);

	left = deadline - jiffies;
	wait_for_completion_timeout(&drain->done, max(left, 1L));

	xa_lock_irq(&space->pasids);
	if (!drain->finished) {
		drain->abandoned = true;
		return false;
	}
	kfree(drain);
	return end_busy(space, victim, IOMMU_PASID_RECLAIMED);
}

/* Lets others have the lock; true if @entry has no user any more, and is free */
static bool breathe(struct iommu_pasid_space *space, struct iommu_pasid *entry)
{
	entry->busy = true;
	xa_unlock_irq(&space->pasids);
	cond_resched();
	xa_lock_irq(&space->pasids);
	return end_busy(space, entry, IOMMU_PASID_DRAINED);
}

static bool may_have(const struct iommu_pasid_space *space,
		     const struct pasid_request *req, ioasid_t pasid)
{
	struct pasid_range ranges[NUM_RANGES];
	unsigned int i;

	if (pasid < req->min || pasid > req->max)
		return false;
	preferred_ranges(space, req, ranges);
	for (i = 0; i != NUM_RANGES; i++)
		if (pasid >= ranges[i].first && pasid <= ranges[i].last)
			return true;
	return false;
}

/* Would @req get on if @entry, which rests, were free? */
static bool would_help(struct iommu_pasid_space *space,
		       const struct pasid_request *req, bool charged,
		       const struct iommu_pasid *entry)
{
	if (!charged)
		return entry->account &&
		       uid_eq(entry->account->uid, req->quota->uid);
	if (!wants_share(space, req))
		return may_have(space, req, entry->pasid);
	/* Any that gives some of the share back, but not for one that is in use */
	if (is_shared(space, entry))
		return !req->one || entry->pasid == req->min ||
		       !xa_load(&space->pasids, req->min);
	return entry->pasid >= space->narrow &&
	       may_have(space, req, entry->pasid);
}

/* Makes the oldest number free that helps, and that drivers can drain */
static bool reclaim(struct iommu_pasid_space *space,
		    const struct pasid_request *req, bool charged)
{
	struct iommu_pasid *entry;
	unsigned int steps = 0;

	lockdep_assert_held(&space->pasids.xa_lock);

	/* @entry stays in the list while the lock is given up, for it is busy */
	list_for_each_entry(entry, &space->resting, rest) {
		if (entry->busy)
			continue;
		if (++steps % RECLAIM_BATCH == 0 && breathe(space, entry))
			return true;
		if (!would_help(space, req, charged, entry) ||
		    !can_be_drained(space, entry))
			continue;
		if (drain(space, entry, req->deadline))
			return true;
		if (time_after_eq(jiffies, req->deadline))
			return false;
	}
	return false;
}

/* Frees what has rested long enough, without waiting for the work */
static void expire_all(struct iommu_pasid_space *space)
{
	lockdep_assert_held(&space->pasids.xa_lock);

	while (expire_some(space, EXPIRE_BATCH)) {
		xa_unlock_irq(&space->pasids);
		cond_resched();
		xa_lock_irq(&space->pasids);
	}
}

/* -EEXIST if @pasid is live, -EAGAIN if it rests or has just become free */
static int why_not_free(struct iommu_pasid_space *space, ioasid_t pasid)
{
	struct iommu_pasid *entry;

	lockdep_assert_held(&space->pasids.xa_lock);

	entry = xa_load(&space->pasids, pasid);
	return entry && !entry->resting ? -EEXIST : -EAGAIN;
}

static int alloc_locked(struct iommu_pasid_space *space,
			struct iommu_pasid *entry,
			const struct pasid_request *req)
{
	bool more = true;
	int ret;

	ret = insert(space, entry, req);
	if (ret != -EBUSY)
		return ret;

	expire_all(space);
	/* What is reclaimed may be taken by others, but only until the deadline */
	for (;;) {
		ret = insert(space, entry, req);
		if (ret != -EBUSY)
			return ret;
		/* Others may have given one back while drivers were asked */
		if (!more)
			return -ENOSPC;
		more = reclaim(space, req, true);
	}
}

/* As above, but who wants one number learns why he does not get it */
static int alloc_or_why(struct iommu_pasid_space *space,
			struct iommu_pasid *entry,
			const struct pasid_request *req)
{
	int ret = alloc_locked(space, entry, req);

	if (ret != -ENOSPC)
		return ret;
	if (req->one && xa_load(&space->pasids, req->min))
		return why_not_free(space, req->min);
	if (wants_share(space, req))
		return -EDQUOT;
	if (req->one)
		return -EAGAIN;
	space->exhausted++;
	return ret;
}

/* As charge_user(); what rests of the user's is freed first, if that can be */
static struct iommu_pasid_account *
charge_or_reclaim(struct iommu_pasid_space *space,
		  const struct pasid_request *req,
		  struct iommu_pasid_account **new)
{
	struct iommu_pasid_account *account;
	bool more = true;

	account = charge_user(space, req->quota, new);
	/* Nothing of his can rest */
	if (!IS_ERR(account) || !account_of(space, req->quota->uid))
		return account;
	expire_all(space);
	for (;;) {
		account = charge_user(space, req->quota, new);
		if (!IS_ERR(account) || !more)
			return account;
		more = reclaim(space, req, false);
	}
}

static struct iommu_pasid *new_entry(enum iommu_pasid_owner owner)
{
	struct iommu_pasid *entry = kzalloc(sizeof(*entry), GFP_KERNEL_ACCOUNT);

	if (!entry)
		return NULL;
	INIT_LIST_HEAD(&entry->rest);
	INIT_LIST_HEAD(&entry->users);
	entry->owner = owner;
	entry->tgid = task_tgid_nr(current);
	get_task_comm(entry->comm, current);
	return entry;
}

/**
 * iommu_pasid_alloc_below() - Allocate a PASID, with a limit that is known
 * @space: the numbers
 * @limit: the first PASID that is too large
 * @owner: what kind of owner it gets
 * @min: the smallest number that will do
 * @max: the largest one, inclusive; @limit may be below
 * @quota: who is charged, and how many numbers he can have; NULL for nobody
 * @pasid: set to the PASID
 *
 * May wait for the drain callbacks of drivers, see iommu_pasid_set_drain(), if all
 * numbers are in use, but not for longer than %DRAIN_TIMEOUT. If @min and @max are
 * the same then it is for this number only.
 *
 * Context: may sleep. With a lock that a drain callback takes, that one is late.
 * Return: 0, or -EOPNOTSUPP if @limit leaves no PASID, -ERANGE if it leaves none
 * between @min and @max, -ENOSPC if there is no free one, -ENOMEM, -EDQUOT if
 * @quota is used up by numbers that are live or rest, or if there is nothing but
 * small numbers and fds have their share of these. If @min and @max are the same,
 * then instead of -ENOSPC -EEXIST if this number is live, -EAGAIN if it rests.
 */
int iommu_pasid_alloc_below(struct iommu_pasid_space *space, u32 limit,
			    enum iommu_pasid_owner owner, u32 min, u32 max,
			    const struct iommu_pasid_quota *quota,
			    ioasid_t *pasid)
{
	struct pasid_request req = {
		.owner = owner,
		.limit = limit,
		.min = max(min, IOMMU_FIRST_GLOBAL_PASID),
		.max = min(max, limit - 1),
		.one = min == max,
		.quota = quota,
		.deadline = jiffies + DRAIN_TIMEOUT,
	};
	struct iommu_pasid_account *account = NULL;
	struct iommu_pasid *entry;
	int ret;

	if (limit <= IOMMU_FIRST_GLOBAL_PASID)
		return -EOPNOTSUPP;
	if (req.min > req.max)
		return -ERANGE;

	entry = new_entry(owner);
	if (!entry)
		return -ENOMEM;
	if (quota) {
		account = kzalloc(sizeof(*account), GFP_KERNEL_ACCOUNT);
		if (!account) {
			kfree(entry);
			return -ENOMEM;
		}
	}

	xa_lock_irq(&space->pasids);
	if (quota)
		entry->account = charge_or_reclaim(space, &req, &account);
	ret = PTR_ERR_OR_ZERO(entry->account);
	if (!ret)
		ret = alloc_or_why(space, entry, &req);
	if (!ret) {
		space->live[owner]++;
		space->allocs++;
		*pasid = entry->pasid;
		trace_iommu_pasid_alloc(entry->pasid, owner);
	} else if (!IS_ERR(entry->account)) {
		uncharge_user(space, entry->account);
	}
	xa_unlock_irq(&space->pasids);
	kfree(account);
	if (ret)
		kfree(entry);
	return ret;
}

/**
 * iommu_pasid_alloc() - Allocate a PASID for a device
 * @space: the numbers
 * @pdev: a device that has to be able to take it
 * @owner: what kind of owner it gets
 * @min: the smallest number that will do
 * @max: the largest one, inclusive; the limit of the device may be below
 * @pasid: set to the PASID
 *
 * Context: as iommu_pasid_alloc_below().
 * Return: as iommu_pasid_alloc_below(), with the limit of the device.
 */
int iommu_pasid_alloc(struct iommu_pasid_space *space,
		      struct iommu_pasid_device *pdev,
		      enum iommu_pasid_owner owner, u32 min, u32 max,
		      ioasid_t *pasid)
{
	return iommu_pasid_alloc_below(space, pdev->limit, owner, min, max,
				       NULL, pasid);
}

/**
 * iommu_pasid_in_use() - Tell whether a PASID is free
 * @space: the numbers
 * @pasid: the PASID
 *
 * The answer can be out of date when it is there. It is for an error code.
 *
 * Context: any.
 * Return: 0 if it is free, -EEXIST if it is live, -EAGAIN if it rests.
 */
int iommu_pasid_in_use(struct iommu_pasid_space *space, ioasid_t pasid)
{
	unsigned long flags;
	int ret = 0;

	xa_lock_irqsave(&space->pasids, flags);
	if (xa_load(&space->pasids, pasid))
		ret = why_not_free(space, pasid);
	xa_unlock_irqrestore(&space->pasids, flags);
	return ret;
}

/**
 * iommu_pasid_release() - Give a PASID back
 * @space: the numbers
 * @pasid: of iommu_pasid_alloc(), not attached any more
 *
 * Never waits for a driver, a device or memory.
 *
 * Context: any.
 * Return: false if it is a mistake of the caller: @pasid was not live, so that
 * nothing is done, or it is still attached, so that it is not used again before
 * it is detached.
 */
bool iommu_pasid_release(struct iommu_pasid_space *space, ioasid_t pasid)
{
	struct iommu_pasid *entry;
	unsigned long flags;
	bool ok = false;

	xa_lock_irqsave(&space->pasids, flags);
	entry = xa_load(&space->pasids, pasid);
	if (entry && !entry->resting) {
		space->live[entry->owner]--;
		space->num_resting++;
		entry->resting = true;
		entry->released = space->now();
		trace_iommu_pasid_release(pasid, entry->owner);
		/* If it is attached, the last detach goes on from here */
		ok = !is_attached(entry);
		if (ok)
			start_rest(space, entry);
	}
	xa_unlock_irqrestore(&space->pasids, flags);
	return ok;
}

/**
 * iommu_pasid_attach() - A domain is about to be attached
 * @space: the numbers
 * @pdev: the device
 * @pasid: where the domain will be attached
 *
 * If the attach fails, iommu_pasid_attach_failed() undoes it.
 *
 * Context: may sleep.
 * Return: 0, also if the PASID is not of the allocator; -EBUSY if it rests;
 * -ENOMEM.
 */
int iommu_pasid_attach(struct iommu_pasid_space *space,
		       struct iommu_pasid_device *pdev, ioasid_t pasid)
{
	struct pasid_user *new, *user;
	struct iommu_pasid *entry;
	int ret = 0;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	new->pdev = pdev;
	new->pasid = pasid;

	xa_lock_irq(&space->pasids);
	entry = xa_load(&space->pasids, pasid);
	if (!entry)
		goto out_unlock;
	if (entry->resting) {
		ret = -EBUSY;
		goto out_unlock;
	}
	user = user_of(entry, pdev);
	if (!user) {
		user = new;
		new = NULL;
		list_add_tail(&user->pasid_node, &entry->users);
		list_add_tail(&user->device_node, &pdev->users);
	}
	user->attached++;
out_unlock:
	xa_unlock_irq(&space->pasids);
	kfree(new);
	return ret;
}

/* @had: the domain was there, so that the device may have work with it left */
static void end_attach(struct iommu_pasid_space *space,
		       struct iommu_pasid_device *pdev, ioasid_t pasid, bool had)
{
	struct iommu_pasid *entry;
	struct pasid_user *user;
	unsigned long flags;

	xa_lock_irqsave(&space->pasids, flags);
	entry = xa_load(&space->pasids, pasid);
	user = entry ? user_of(entry, pdev) : NULL;
	/* Not one of the allocator, or it was not when it was attached */
	if (!user || !user->attached)
		goto out_unlock;
	user->attached--;
	user->had |= had;
	if (!user->attached && !user->had)
		drop_user(space, entry, user);
	else if (entry->resting && !is_attached(entry))
		start_rest(space, entry);
out_unlock:
	xa_unlock_irqrestore(&space->pasids, flags);
}

/**
 * iommu_pasid_attach_failed() - The domain was not attached after all
 * @space: the numbers
 * @pdev: the device, as it was given to iommu_pasid_attach()
 * @pasid: where the domain would have been attached
 *
 * The device has nothing of @pasid that it did not have before.
 *
 * Context: any.
 */
void iommu_pasid_attach_failed(struct iommu_pasid_space *space,
			       struct iommu_pasid_device *pdev, ioasid_t pasid)
{
	end_attach(space, pdev, pasid, false);
}

/**
 * iommu_pasid_detach() - A domain has been detached
 * @space: the numbers
 * @pdev: the device
 * @pasid: where the domain was attached; its entry is gone, and flushed
 *
 * Context: any.
 */
void iommu_pasid_detach(struct iommu_pasid_space *space,
			struct iommu_pasid_device *pdev, ioasid_t pasid)
{
	end_attach(space, pdev, pasid, true);
}

/**
 * iommu_pasid_device_drained() - A device has nothing more of a PASID
 * @space: the numbers
 * @pdev: the device
 * @pasid: the PASID, before its release or while it rests
 *
 * Context: any.
 * Return: false if a domain is still attached there, so that it counts for
 * nothing.
 */
bool iommu_pasid_device_drained(struct iommu_pasid_space *space,
				struct iommu_pasid_device *pdev, ioasid_t pasid)
{
	struct iommu_pasid *entry;
	struct pasid_user *user;
	unsigned long flags;
	bool ret = true;

	xa_lock_irqsave(&space->pasids, flags);
	entry = xa_load(&space->pasids, pasid);
	user = entry ? user_of(entry, pdev) : NULL;
	if (user && user->attached) {
		ret = false;
	} else if (user) {
		trace_iommu_pasid_drained(pasid, pdev->dev);
		drop_user(space, entry, user);
	}
	xa_unlock_irqrestore(&space->pasids, flags);
	return ret;
}

static const char *const owner_names[] = {
	[IOMMU_PASID_MM] = "mm",
	[IOMMU_PASID_DRIVER] = "driver",
	[IOMMU_PASID_FILE] = "file",
};

static const char *const end_names[] = {
	[IOMMU_PASID_UNUSED] = "unused",
	[IOMMU_PASID_DRAINED] = "drained",
	[IOMMU_PASID_EXPIRED] = "expired",
	[IOMMU_PASID_RECLAIMED] = "reclaimed",
};

/**
 * iommu_pasid_show_counts() - Print how many PASIDs there are of each kind
 * @space: the numbers
 * @s: where to print
 */
void iommu_pasid_show_counts(struct iommu_pasid_space *space,
			     struct seq_file *s)
{
	unsigned long live[IOMMU_PASID_NUM_OWNERS];
	u64 ends[IOMMU_PASID_NUM_ENDS];
	u64 allocs, exhausted, grace;
	unsigned long resting;
	unsigned int i;

	xa_lock_irq(&space->pasids);
	memcpy(live, space->live, sizeof(live));
	memcpy(ends, space->ends, sizeof(ends));
	resting = space->num_resting;
	allocs = space->allocs;
	exhausted = space->exhausted;
	grace = space->grace;
	xa_unlock_irq(&space->pasids);

	seq_printf(s, "grace_ms %llu\nallocated %llu\nexhausted %llu\n",
		   div_u64(grace, NSEC_PER_MSEC), allocs, exhausted);
	for (i = 0; i != IOMMU_PASID_NUM_ENDS; i++)
		seq_printf(s, "%s %llu\n", end_names[i], ends[i]);
	for (i = 0; i != IOMMU_PASID_NUM_OWNERS; i++)
		seq_printf(s, "live_%s %lu\n", owner_names[i], live[i]);
	seq_printf(s, "resting %lu\n", resting);
}

/**
 * iommu_pasid_show() - Print what a PASID does
 * @space: the numbers
 * @s: where to print a line
 * @pasid: the PASID
 *
 * Return: false if it is free, and nothing was printed.
 */
bool iommu_pasid_show(struct iommu_pasid_space *space, struct seq_file *s,
		      unsigned long pasid)
{
	const struct pasid_user *user;
	struct iommu_pasid *entry;

	xa_lock_irq(&space->pasids);
	entry = xa_load(&space->pasids, pasid);
	if (entry) {
		seq_printf(s, "%u %s %s[%d]", entry->pasid,
			   owner_names[entry->owner], entry->comm, entry->tgid);
		if (entry->resting)
			seq_printf(s, " resting %llu ms",
				   div_u64(space->now() - entry->released,
					   NSEC_PER_MSEC));
		else
			seq_puts(s, " live");
		list_for_each_entry(user, &entry->users, pasid_node)
			seq_printf(s, " %s%s", dev_name(user->pdev->dev),
				   user->attached ? "" : "(detached)");
		seq_putc(s, '\n');
	}
	xa_unlock_irq(&space->pasids);
	return entry;
}
