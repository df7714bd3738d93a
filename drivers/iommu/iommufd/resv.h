/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by resv.c (regions of a device), resv_check.c (conflicts) and
 * resv_window.c (the MSI window of a group)
 */
#ifndef __IOMMUFD_RESV_H
#define __IOMMUFD_RESV_H

#include <linux/align.h>
#include <linux/rbtree.h>

#include "io_pagetable.h"

/* Arrays whose entries can grow in later kernels */
#define RESV_ENTRY_SIZE_MAX 4096

static inline bool resv_entry_size_valid(u32 entry_size, u32 min)
{
	return entry_size >= min && entry_size <= RESV_ENTRY_SIZE_MAX &&
	       IS_ALIGNED(entry_size, sizeof(u64));
}

int resv_copy_entry(void __user *uptr, u32 entry_size, const void *entry,
		    size_t size);
int iommufd_device_get_aperture(struct iommufd_device *idev, u64 *start,
				u64 *last, u32 *out_flags);

/*
 * Conflicts on their way to user space: the lowest ones, as many as it has room
 * for, and how many there are. Owned by the ioctl that collects them, no lock.
 */
struct resv_conflicts {
	struct rb_root root;
	u32 room;
	u32 kept;
	/* All that were found */
	u32 num;
};

bool resv_conflicts_args_valid(u32 num, u32 entry_size);
void resv_conflicts_init(struct resv_conflicts *conflicts, u32 room);
int resv_conflicts_add(struct resv_conflicts *conflicts,
		       const struct iommu_iova_conflict *info);
int resv_conflicts_copy(const struct resv_conflicts *conflicts, u64 uptr,
			u32 entry_size);
void resv_conflicts_free(struct resv_conflicts *conflicts);

#endif
