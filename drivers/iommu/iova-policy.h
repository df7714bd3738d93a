/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How IOVAs are chosen: spaces and policies
 *
 * An IOVA space is a range of pages of which some are given out. A policy says
 * which one is next. There are three:
 *
 * default     The allocator of iova.c: the highest free address, and a cache of
 *             freed ones for each CPU. What was freed last is given out first.
 * wraparound  Upward from a cursor. What is freed is not given out before the
 *             cursor has gone round. See iova-wrap.c.
 * linear      One page behind the other, and none comes back. For the window of
 *             an MSI cookie.
 *
 * Who uses a space calls iova_space_*(). Locking is the business of the policy:
 * alloc, free, free_lazy and flush may be called in any context, from several
 * CPUs at once, but for linear, whose callers take turns. The others may sleep, and
 * their callers take turns.
 *
 * A page frame number (pfn) counts granules of the space. Ranges are given by
 * the first and the last page, both inclusive. No space has a page 0, which is
 * what says that there is none.
 */
#ifndef __IOVA_POLICY_H
#define __IOVA_POLICY_H

#include <linux/iommu.h>
#include <linux/iova.h>

struct iova_space;
struct iova_wrap;

/**
 * struct iova_policy_ops - What a policy does
 * @name: What user space calls it
 * @init: Optional. @space->iovad is initialised, and nothing given out. Return
 *        0 or a negative errno.
 * @alloc: Give out @pages pages, aligned to the next power of two, none of them
 *         above @limit_pfn. @last_resort is not set if the caller would rather
 *         try a higher limit than wait. Return the first page or 0.
 * @free: Take pages back that were given out by one call of @alloc. No device
 *        reaches them any more. Cannot fail.
 * @free_lazy: Optional, with @flush. As @free, but a device may reach the pages
 *             until the IOTLB is flushed. Takes over @freelist, pages of the page
 *             table to be freed after that. Without these two the caller has to
 *             keep what it frees until it has flushed the IOTLB.
 * @flush: Optional. Flush the IOTLB if anything has been freed by @free_lazy and
 *         not been flushed yet.
 * @reserve: Take a range out for good. Return 0, -EBUSY if any of it is given
 *           out or reserved, -EINVAL if it is beyond the last page that can be
 *           addressed, -ENOMEM.
 * @drain: Optional. Take back what is cached, for @reserve.
 * @destroy: Optional. Forget what was given out and what is reserved.
 */
struct iova_policy_ops {
	const char *name;
	int (*init)(struct iova_space *space);
	unsigned long (*alloc)(struct iova_space *space, unsigned long pages,
			       unsigned long limit_pfn, bool last_resort);
	void (*free)(struct iova_space *space, unsigned long pfn,
		     unsigned long pages);
	void (*free_lazy)(struct iova_space *space, unsigned long pfn,
			  unsigned long pages, struct list_head *freelist);
	void (*flush)(struct iova_space *space);
	int (*reserve)(struct iova_space *space, unsigned long pfn_lo,
		       unsigned long pfn_hi);
	void (*drain)(struct iova_space *space);
	void (*destroy)(struct iova_space *space);
};

extern const struct iova_policy_ops iova_policy_default;
extern const struct iova_policy_ops iova_policy_linear;

/**
 * struct iova_space - IOVAs, and the policy by which they are given out
 * @iovad: Size of a page and the first one, for every policy. The rest of it is
 *         the default policy's.
 * @ops: The policy
 * @next: Of the linear policy, the page to give out next
 * @wrap: State of the wraparound policy
 */
struct iova_space {
	struct iova_domain iovad;
	const struct iova_policy_ops *ops;
	union {
		unsigned long next;
		struct iova_wrap *wrap;
	};
};

int iova_space_init(struct iova_space *space, const struct iova_policy_ops *ops,
		    unsigned long granule, unsigned long start_pfn);
void iova_space_destroy(struct iova_space *space);
int iova_space_reserve(struct iova_space *space, unsigned long pfn_lo,
		       unsigned long pfn_hi);

/*
 * Nearly every space has the default policy: it costs a comparison, and no
 * indirect call.
 */
static inline unsigned long iova_space_alloc(struct iova_space *space,
					     unsigned long pages,
					     unsigned long limit_pfn,
					     bool last_resort)
{
	if (likely(space->ops == &iova_policy_default))
		return alloc_iova_fast(&space->iovad, pages, limit_pfn,
				       last_resort);
	return space->ops->alloc(space, pages, limit_pfn, last_resort);
}

static inline void iova_space_free(struct iova_space *space, unsigned long pfn,
				   unsigned long pages)
{
	if (likely(space->ops == &iova_policy_default))
		free_iova_fast(&space->iovad, pfn, pages);
	else
		space->ops->free(space, pfn, pages);
}

static inline bool iova_space_frees_lazily(struct iova_space *space)
{
	return unlikely(space->ops != &iova_policy_default) &&
	       space->ops->free_lazy;
}

#endif /* __IOVA_POLICY_H */
