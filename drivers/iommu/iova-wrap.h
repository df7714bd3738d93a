/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wraparound IOVA allocation, see iova-wrap.c. Here for its KUnit tests and for
 * what shows its state.
 */
#ifndef __IOVA_WRAP_H
#define __IOVA_WRAP_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "iova-policy.h"

#define WRAP_LEAF_SHIFT		12
#define WRAP_LEAF_PAGES		BIT(WRAP_LEAF_SHIFT)

struct wrap_leaf;

/**
 * struct wrap_zone - A part of an IOVA space with a cursor of its own
 * @first: First page
 * @last: Last page, inclusive
 * @span_last: Last page that is used until the zone has to grow, inclusive
 * @cursor: Where the next search begins. @span_last + 1 or more: at the end.
 * @cur: Leaf that the last allocation was in, or NULL
 * @freed: Leaves with pages that are kept until the cursor has gone round
 * @wraps: How many times it has
 */
struct wrap_zone {
	unsigned long first;
	unsigned long last;
	unsigned long span_last;
	unsigned long cursor;
	struct wrap_leaf *cur;
	struct list_head freed;
	u64 wraps;
};

enum wrap_zone_id {
	WRAP_LOW,
	WRAP_HIGH,
	WRAP_NUM_ZONES,
};

/**
 * struct iova_wrap_stats - What a space has seen since it exists
 * @allocs: Allocations that found room
 * @failures: Allocations that did not, but for those whose caller tries a higher
 *            limit next
 * @wraps: Times that a cursor went back to the start of its zone
 * @lazy_frees: Ranges that were freed with no flush of their own
 * @flushes: Flushes of everything in place of those
 * @live_pages: Pages given out now
 * @max_pages: The most that was given out at any time
 */
struct iova_wrap_stats {
	u64 allocs;
	u64 failures;
	u64 wraps;
	u64 lazy_frees;
	u64 flushes;
	u64 live_pages;
	u64 max_pages;
};

#define IOVA_WRAP_NAME	24

/**
 * struct iova_wrap - State of the wraparound policy
 * @list: In the list of all, for debugfs
 * @space: The space that this is the state of
 * @name: Name of the device that the space was initialised for
 * @lock: Protects all below. Taken in any context.
 * @leaves: Leaves by their number, for pages that are not all free
 * @last_freed: Leaf that a page was freed in last, or NULL
 * @spare: An empty leaf, to be used before one is allocated, or NULL
 * @resv: Reserved ranges, sorted
 * @zones: Below and above 4 GiB
 * @flush_iotlb: Flushes the IOTLB of the domain, called with @lock held or not
 * @flush_arg: Argument of it
 * @free_seq: Number of lazy frees so far
 * @flush_seq: How many of them a flush that has ended covers
 * @traced_seq: How many of them a trace event was for
 * @freelist: Pages of the page table, to be freed at the next flush
 * @stats: For user space, what of it is not counted elsewhere
 */
struct iova_wrap {
	struct list_head list;
	struct iova_space *space;
	char name[IOVA_WRAP_NAME];
	/* Protects all below */
	spinlock_t lock;
	struct xarray leaves;
	struct wrap_leaf *last_freed;
	struct wrap_leaf *spare;
	struct list_head resv;
	struct wrap_zone zones[WRAP_NUM_ZONES];
	void (*flush_iotlb)(void *arg);
	void *flush_arg;
	u64 free_seq;
	u64 flush_seq;
	u64 traced_seq;
	struct list_head freelist;
	struct iova_wrap_stats stats;
};

extern const struct iova_policy_ops iova_policy_wraparound;

void iova_wrap_set_flush(struct iova_space *space,
			 void (*flush_iotlb)(void *arg), void *arg);
void iova_wrap_set_name(struct iova_space *space, const char *name);
void iova_wrap_for_each(void (*fn)(struct iova_space *space, void *arg),
			void *arg);
void iova_wrap_get_stats(struct iova_space *space,
			 struct iova_wrap_stats *stats);
int iova_wrap_cache_init(void);
struct wrap_leaf *iova_wrap_alloc_leaf(void);
int iova_wrap_store_leaf(struct iova_wrap *wrap, struct wrap_leaf *leaf,
			 unsigned long index);
void iova_wrap_report(unsigned long first, unsigned long last);

#endif /* __IOVA_WRAP_H */
