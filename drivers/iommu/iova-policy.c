// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOVA spaces, and the policies that need no file of their own. What a policy is,
 * and which there are, is in iova-policy.h.
 */
#include <linux/bug.h>
#include <linux/string.h>

#include "iova-policy.h"

static int default_init(struct iova_space *space)
{
	int ret;

	ret = iova_domain_init_rcaches(&space->iovad);
	if (ret)
		put_iova_domain(&space->iovad);
	return ret;
}

static unsigned long default_alloc(struct iova_space *space,
				   unsigned long pages, unsigned long limit_pfn,
				   bool last_resort)
{
	return alloc_iova_fast(&space->iovad, pages, limit_pfn, last_resort);
}

static void default_free(struct iova_space *space, unsigned long pfn,
			 unsigned long pages)
{
	free_iova_fast(&space->iovad, pfn, pages);
}

static int default_reserve(struct iova_space *space, unsigned long pfn_lo,
			   unsigned long pfn_hi)
{
	return reserve_free_iova(&space->iovad, pfn_lo, pfn_hi);
}

static void default_drain(struct iova_space *space)
{
	iova_domain_drain(&space->iovad);
}

static void default_destroy(struct iova_space *space)
{
	put_iova_domain(&space->iovad);
}

const struct iova_policy_ops iova_policy_default = {
	.name = "default",
	.init = default_init,
	.alloc = default_alloc,
	.free = default_free,
	.reserve = default_reserve,
	.drain = default_drain,
	.destroy = default_destroy,
};

static int linear_init(struct iova_space *space)
{
	space->next = space->iovad.start_pfn;
	return 0;
}

static unsigned long linear_alloc(struct iova_space *space, unsigned long pages,
				  unsigned long limit_pfn, bool last_resort)
{
	unsigned long pfn = space->next;

	if (WARN_ON(pages != 1) || pfn > limit_pfn)
		return 0;
	space->next++;
	return pfn;
}

/* Only the page that was given out last comes back: it was not used after all */
static void linear_free(struct iova_space *space, unsigned long pfn,
			unsigned long pages)
{
	if (!WARN_ON(pages != 1 || pfn + 1 != space->next))
		space->next = pfn;
}

static int linear_reserve(struct iova_space *space, unsigned long pfn_lo,
			  unsigned long pfn_hi)
{
	return -EINVAL;
}

/* The caller has a lock for this one */
const struct iova_policy_ops iova_policy_linear = {
	.name = "linear",
	.init = linear_init,
	.alloc = linear_alloc,
	.free = linear_free,
	.reserve = linear_reserve,
};

/**
 * iova_space_init() - Set up an IOVA space
 * @space: The space
 * @ops: The policy, to stay as long as the space
 * @granule: Size of a page in bytes, a power of two not above PAGE_SIZE
 * @start_pfn: First page, not 0
 *
 * Context: May sleep. Nobody else knows @space yet.
 * Return: 0, -ENOMEM, or another error of the policy. After a failure there is
 * nothing to destroy.
 */
int iova_space_init(struct iova_space *space, const struct iova_policy_ops *ops,
		    unsigned long granule, unsigned long start_pfn)
{
	int ret = 0;

	space->ops = ops;
	init_iova_domain(&space->iovad, granule, start_pfn);
	if (ops->init)
		ret = ops->init(space);
	/* Who looks at start_pfn finds a space that was never initialised */
	if (ret)
		memset(&space->iovad, 0, sizeof(space->iovad));
	return ret;
}

/**
 * iova_space_destroy() - Forget what is in an IOVA space
 * @space: The space
 *
 * Context: May sleep. Nobody uses @space any more.
 */
void iova_space_destroy(struct iova_space *space)
{
	if (space->ops->destroy)
		space->ops->destroy(space);
	memset(&space->iovad, 0, sizeof(space->iovad));
}

/**
 * iova_space_reserve() - Take a range out of a space for good
 * @space: The space, which may be in use
 * @pfn_lo: First page
 * @pfn_hi: Last page, inclusive
 *
 * Context: May sleep. The callers take turns, but others may allocate and free.
 * Return: 0, -EBUSY if any of it is given out or reserved, -EINVAL if it is beyond
 * the last page that can be addressed, -ENOMEM
 */
int iova_space_reserve(struct iova_space *space, unsigned long pfn_lo,
		       unsigned long pfn_hi)
{
	return space->ops->reserve(space, pfn_lo, pfn_hi);
}
