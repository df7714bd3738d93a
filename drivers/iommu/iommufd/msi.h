/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The MSI table of an iommufd context, see msi.c for the model and the locks.
 */
#ifndef __IOMMUFD_MSI_H
#define __IOMMUFD_MSI_H

#include <linux/list.h>
#include <linux/mutex.h>

#include "../iommu-priv.h"

struct device;
struct iommufd_hwpt_paging;
struct iommufd_ioas;
struct iommufd_msi_holds;
struct iommufd_msi_window;
struct seq_file;

/* The window that user space has chosen, if it has */
struct iommufd_msi_choice {
	bool chosen;
	unsigned long start;
	/* Inclusive */
	unsigned long last;
};

/* One per open /dev/iommu */
struct iommufd_msi_table {
	/* Protects everything that is reachable from here, and all groups */
	struct mutex lock;
	struct list_head windows;
	/* For groups to come */
	struct iommufd_msi_choice choice;
};

/* A count for each slot, see counts_grow() */
struct iommufd_msi_counts {
	unsigned int *count;
	/* Slots that there is room for, all others have none */
	unsigned long size;
	/* Slots whose count is not 0 */
	unsigned long used;
	/* Where count points to at first: few machines have more doorbells */
	unsigned int few[4];
};

/* What one iommu_group has in the table, part of struct iommufd_group */
struct iommufd_msi_group {
	struct iommu_msi_owner owner;
	struct iommufd_msi_table *table;
	/* iommu_group_id(), for tracing only */
	int id;
	/* NULL if doorbells need no translation */
	struct iommufd_msi_window *window;
	struct list_head window_item;
	/* Number of interrupts that use the slot */
	struct iommufd_msi_counts needs;
	/* Where the group is attached, NULL if nowhere */
	struct iommufd_hwpt_paging *hwpt;
	/* Where a replace under way is going to, NULL if there is none */
	struct iommufd_hwpt_paging *next;
	/* What hwpt and next hold of the window, NULL without a window */
	struct iommufd_msi_holds *holds;
	struct iommufd_msi_holds *next_holds;
};

/* What a paging HWPT has in the table, part of struct iommufd_hwpt_paging */
struct iommufd_msi_hwpt {
	struct iommufd_msi_table *table;
	/* Of iommufd_msi_holds::hwpt_item, one for each window at most */
	struct list_head holds;
};

#ifdef CONFIG_IRQ_MSI_IOMMU
void iommufd_msi_table_init(struct iommufd_msi_table *table);
void iommufd_msi_table_destroy(struct iommufd_msi_table *table);
void iommufd_msi_table_show(struct iommufd_msi_table *table,
			    struct seq_file *m, bool show_doorbells);

void iommufd_msi_group_init(struct iommufd_msi_group *mg,
			    struct iommufd_msi_table *table, int id);
void iommufd_msi_group_destroy(struct iommufd_msi_group *mg);
int iommufd_msi_group_set_window(struct iommufd_msi_group *mg,
				 unsigned long start, unsigned long last);
int iommufd_msi_group_clear_window(struct iommufd_msi_group *mg);
bool iommufd_msi_group_window(struct iommufd_msi_group *mg,
			      unsigned long *start, unsigned long *last);
bool iommufd_msi_group_conflict(struct iommufd_msi_group *mg,
				struct iommufd_ioas *ioas, unsigned long *start,
				unsigned long *last);

void iommufd_msi_bind(struct iommufd_msi_group *mg, struct device *dev);
int iommufd_msi_attach(struct iommufd_msi_group *mg,
		       struct iommufd_hwpt_paging *hwpt);
void iommufd_msi_detach(struct iommufd_msi_group *mg);
int iommufd_msi_swap_begin(struct iommufd_msi_group *mg,
			   struct iommufd_hwpt_paging *hwpt);
void iommufd_msi_swap_commit(struct iommufd_msi_group *mg);
void iommufd_msi_swap_abort(struct iommufd_msi_group *mg);

void iommufd_msi_hwpt_init(struct iommufd_msi_hwpt *mh,
			   struct iommufd_msi_table *table);
void iommufd_msi_hwpt_destroy(struct iommufd_msi_hwpt *mh);
#else
static inline void iommufd_msi_table_init(struct iommufd_msi_table *table)
{
}

static inline void iommufd_msi_table_destroy(struct iommufd_msi_table *table)
{
}

static inline void iommufd_msi_table_show(struct iommufd_msi_table *table,
					  struct seq_file *m,
					  bool show_doorbells)
{
}

static inline void iommufd_msi_group_init(struct iommufd_msi_group *mg,
					  struct iommufd_msi_table *table,
					  int id)
{
}

static inline void iommufd_msi_group_destroy(struct iommufd_msi_group *mg)
{
}

static inline int iommufd_msi_group_set_window(struct iommufd_msi_group *mg,
					       unsigned long start,
					       unsigned long last)
{
	return 0;
}

static inline int iommufd_msi_group_clear_window(struct iommufd_msi_group *mg)
{
	return 0;
}

static inline bool iommufd_msi_group_window(struct iommufd_msi_group *mg,
					    unsigned long *start,
					    unsigned long *last)
{
	return false;
}

static inline bool iommufd_msi_group_conflict(struct iommufd_msi_group *mg,
					      struct iommufd_ioas *ioas,
					      unsigned long *start,
					      unsigned long *last)
{
	return false;
}

static inline void iommufd_msi_bind(struct iommufd_msi_group *mg,
				    struct device *dev)
{
}

static inline int iommufd_msi_attach(struct iommufd_msi_group *mg,
				     struct iommufd_hwpt_paging *hwpt)
{
	return 0;
}

static inline void iommufd_msi_detach(struct iommufd_msi_group *mg)
{
}

static inline int iommufd_msi_swap_begin(struct iommufd_msi_group *mg,
					 struct iommufd_hwpt_paging *hwpt)
{
	return 0;
}

static inline void iommufd_msi_swap_commit(struct iommufd_msi_group *mg)
{
}

static inline void iommufd_msi_swap_abort(struct iommufd_msi_group *mg)
{
}

static inline void iommufd_msi_hwpt_init(struct iommufd_msi_hwpt *mh,
					 struct iommufd_msi_table *table)
{
}

static inline void iommufd_msi_hwpt_destroy(struct iommufd_msi_hwpt *mh)
{
}
#endif
#endif
