/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The allocator of PASIDs: what iommu.c, iommu-sva.c and the KUnit tests see of
 * it. What drivers see of it is in linux/iommu.h.
 */
#ifndef __IOMMU_PASID_H
#define __IOMMU_PASID_H

#include <linux/hashtable.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

struct seq_file;

/**
 * enum iommu_pasid_owner - Whose PASID it is
 * @IOMMU_PASID_MM: an address space, by iommu_sva_bind_device()
 * @IOMMU_PASID_DRIVER: a driver, by iommu_alloc_global_pasid()
 * @IOMMU_PASID_FILE: an open /dev/iommu, by IOMMU_PASID_ALLOC
 * @IOMMU_PASID_NUM_OWNERS: how many there are
 */
enum iommu_pasid_owner {
	IOMMU_PASID_MM,
	IOMMU_PASID_DRIVER,
	IOMMU_PASID_FILE,
	IOMMU_PASID_NUM_OWNERS,
};

/**
 * enum iommu_pasid_end - Why a PASID is free again
 * @IOMMU_PASID_UNUSED: no device had it, or the last one drained it earlier
 * @IOMMU_PASID_DRAINED: the last device drained it while it rested
 * @IOMMU_PASID_EXPIRED: the grace period has passed
 * @IOMMU_PASID_RECLAIMED: another one was wanted, and drivers drained this one
 * @IOMMU_PASID_NUM_ENDS: how many there are
 */
enum iommu_pasid_end {
	IOMMU_PASID_UNUSED,
	IOMMU_PASID_DRAINED,
	IOMMU_PASID_EXPIRED,
	IOMMU_PASID_RECLAIMED,
	IOMMU_PASID_NUM_ENDS,
};

/**
 * struct iommu_pasid_space - Numbers, and what became of them
 * @pasids: struct iommu_pasid of all that are not free. Its lock, which is
 *          taken with interrupts off, protects all that follows, and the users
 *          of each device.
 * @resting: those that wait for their grace period to end, oldest first
 * @num_resting: how many rest, in the list above or still attached
 * @live: how many are live, for each owner
 * @allocs: how many were ever allocated
 * @ends: how many became free again, for each reason
 * @exhausted: how often none was left
 * @narrow: the smallest limit of a device that was ever seen, 0 if there was none.
 *          Numbers below are small ones.
 * @file_share: how many percent of the small numbers fds may have together
 * @num_shared: how many of them they have, live or resting
 * @grace: nanoseconds that a PASID rests at most
 * @now: the clock, in nanoseconds, monotonic
 * @work: frees those whose time is over
 * @drains: the drains that are running, each of them called for by an allocation
 * @accounts: struct iommu_pasid_account of the users who have numbers, by UID
 */
struct iommu_pasid_space {
	struct xarray pasids;
	struct list_head resting;
	unsigned long num_resting;
	unsigned long live[IOMMU_PASID_NUM_OWNERS];
	u64 allocs;
	u64 ends[IOMMU_PASID_NUM_ENDS];
	u64 exhausted;
	u32 narrow;
	unsigned int file_share;
	u32 num_shared;
	u64 grace;
	u64 (*now)(void);
	struct delayed_work work;
	struct list_head drains;
	DECLARE_HASHTABLE(accounts, 6);
};

/**
 * struct iommu_pasid_quota - Who is charged for a PASID
 * @uid: the user
 * @max: how many numbers he can have that are live or rest
 */
struct iommu_pasid_quota {
	kuid_t uid;
	unsigned int max;
};

/*
 * Milliseconds that a PASID rests, if nothing else is said. Twenty times the
 * default completion timeout of PCI Express, which is 50 ms at most (PCIe Base
 * Specification 6.0, 7.5.3.16 Device Control 2 Register): a request that the
 * device had sent is answered or given up by then. What waits in a queue of the
 * device without having been sent is for its driver to tell.
 */
#define IOMMU_PASID_GRACE_MS		1000U
/* The longest one */
#define IOMMU_PASID_MAX_GRACE_MS	60000U

/* Percent: as much for address spaces and drivers as for fds */
#define IOMMU_PASID_FILE_SHARE		50U

/* The one of the system, in iommu-pasid-sys.c */
extern struct iommu_pasid_space iommu_pasid_space;
void iommu_pasid_sys_init(void);

void iommu_pasid_space_init(struct iommu_pasid_space *space, u64 (*now)(void));
void iommu_pasid_space_destroy(struct iommu_pasid_space *space);
void iommu_pasid_space_set_grace(struct iommu_pasid_space *space, u64 grace);
void iommu_pasid_space_expire(struct iommu_pasid_space *space);
void iommu_pasid_show_counts(struct iommu_pasid_space *space,
			     struct seq_file *s);
bool iommu_pasid_show(struct iommu_pasid_space *space, struct seq_file *s,
		      unsigned long pasid);

void iommu_pasid_device_init(struct iommu_pasid_device *pdev,
			     struct device *dev);
void iommu_pasid_device_limit(struct iommu_pasid_space *space,
			      struct iommu_pasid_device *pdev, u32 limit);
void iommu_pasid_device_destroy(struct iommu_pasid_space *space,
				struct iommu_pasid_device *pdev);
void iommu_pasid_device_set_drain(struct iommu_pasid_space *space,
				  struct iommu_pasid_device *pdev,
				  iommu_pasid_drain_t drain);

int iommu_pasid_alloc(struct iommu_pasid_space *space,
		      struct iommu_pasid_device *pdev,
		      enum iommu_pasid_owner owner, u32 min, u32 max,
		      ioasid_t *pasid);
int iommu_pasid_alloc_below(struct iommu_pasid_space *space, u32 limit,
			    enum iommu_pasid_owner owner, u32 min, u32 max,
			    const struct iommu_pasid_quota *quota,
			    ioasid_t *pasid);
bool iommu_pasid_release(struct iommu_pasid_space *space, ioasid_t pasid);
int iommu_pasid_in_use(struct iommu_pasid_space *space, ioasid_t pasid);

int iommu_pasid_attach(struct iommu_pasid_space *space,
		       struct iommu_pasid_device *pdev, ioasid_t pasid);
void iommu_pasid_attach_failed(struct iommu_pasid_space *space,
			       struct iommu_pasid_device *pdev, ioasid_t pasid);
void iommu_pasid_detach(struct iommu_pasid_space *space,
			struct iommu_pasid_device *pdev, ioasid_t pasid);
bool iommu_pasid_device_drained(struct iommu_pasid_space *space,
				struct iommu_pasid_device *pdev,
				ioasid_t pasid);

#endif
