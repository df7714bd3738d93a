// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the devices of a pool cannot use, and why.
 *
 * Everything is collected into one array of blocks and sorted once, rather than
 * that the ranges of one device after the other are intersected: ten thousand
 * devices have a million regions. Holes are runs of that array, so who causes a
 * hole is found without a search.
 */
#include <errno.h>
#include <stdlib.h>

#include "resv.h"

void resv_pool_free(struct resv_pool *pool)
{
	free(pool->picks);
	*pool = (struct resv_pool){};
}

int resv_pool_add(struct resv_pool *pool, const struct resv_host *host,
		  const struct resv_device *dev)
{
	if (pool->num == pool->max) {
		size_t max = pool->max ? pool->max * 2 : 16;
		void *p;

		if (max > UINT32_MAX)
			return -EOVERFLOW;
		p = realloc(pool->picks, max * sizeof(*pool->picks));
		if (!p)
			return -ENOMEM;
		pool->picks = p;
		pool->max = max;
	}
	if (pool->num && pool->picks[0].host != host)
		pool->several_hosts = true;
	pool->picks[pool->num++] = (struct resv_pick){ host, dev };
	return 0;
}

void resv_holes_free(struct resv_holes *holes)
{
	free(holes->blocks);
	free(holes->holes);
	*holes = (struct resv_holes){};
}

static int add_block(struct resv_holes *holes, uint64_t start, uint64_t last,
		     uint32_t pick, uint32_t why)
{
	if (holes->num_blocks == holes->max_blocks) {
		size_t max = holes->max_blocks + holes->max_blocks / 2 + 64;
		void *p = realloc(holes->blocks, max * sizeof(*holes->blocks));

		if (!p)
			return -ENOMEM;
		holes->blocks = p;
		holes->max_blocks = max;
	}
	holes->blocks[holes->num_blocks++] =
		(struct resv_block){ start, last, pick, why };
	return 0;
}

/*
 * The kernel may keep away from more than the regions explain, for a type that
 * this program does not know for example.
 */
static int add_unexplained(struct resv_holes *holes, size_t first,
			   const struct resv_device *dev, uint32_t pick)
{
	struct resv_set known = {}, unusable = {}, rest = {};
	size_t i;
	int rc;

	rc = resv_set_invert(&dev->ranges, RESV_EVERYTHING, &unusable);
	for (i = first; !rc && i != holes->num_blocks; i++)
		rc = resv_set_add(&known, holes->blocks[i].start,
				  holes->blocks[i].last);
	resv_set_normalize(&known);
	if (!rc)
		rc = resv_set_subtract(&unusable, &known, &rest);
	for (i = 0; !rc && i != rest.num; i++)
		rc = add_block(holes, rest.ranges[i].start, rest.ranges[i].last,
			       pick, RESV_UNEXPLAINED);
	resv_set_free(&known);
	resv_set_free(&unusable);
	resv_set_free(&rest);
	return rc;
}

static int add_device(struct resv_holes *holes, const struct resv_device *dev,
		      uint32_t pick, unsigned int flags)
{
	size_t first = holes->num_blocks;
	size_t i;
	int rc = 0;

	if (dev->aperture_known && dev->aperture.start)
		rc = add_block(holes, 0, dev->aperture.start - 1, pick,
			       RESV_APERTURE);
	if (!rc && dev->aperture_known && dev->aperture.last != UINT64_MAX)
		rc = add_block(holes, dev->aperture.last + 1, UINT64_MAX, pick,
			       RESV_APERTURE);
	for (i = 0; !rc && i != dev->num_regions; i++) {
		const struct resv_region *region = &dev->regions[i];

		if (!resv_type_enforced(region->type) &&
		    (!resv_type_advisory(region->type) ||
		     flags & RESV_IGNORE_ADVISORY))
			continue;
		rc = add_block(holes, region->start, region->last, pick,
			       region->type);
	}
	return rc ? rc : add_unexplained(holes, first, dev, pick);
}

static int cmp_blocks(const void *a, const void *b)
{
	const struct resv_block *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->pick != y->pick)
		return x->pick < y->pick ? -1 : 1;
	if (x->why != y->why)
		return x->why < y->why ? -1 : 1;
	return (x->last > y->last) - (x->last < y->last);
}

static int add_holes(struct resv_holes *holes)
{
	struct resv_hole *hole = NULL;
	size_t max = 0, i;
	void *p;

	for (i = 0; i != holes->num_blocks; i++) {
		const struct resv_block *block = &holes->blocks[i];

		if (hole && (block->start <= hole->last ||
			     block->start == hole->last + 1)) {
			if (block->last > hole->last)
				hole->last = block->last;
			hole->num++;
			continue;
		}
		if (holes->num == max) {
			max = max * 2 + 16;
			p = realloc(holes->holes, max * sizeof(*hole));
			if (!p)
				return -ENOMEM;
			holes->holes = p;
		}
		hole = &holes->holes[holes->num++];
		*hole = (struct resv_hole){ block->start, block->last, i, 1 };
	}
	return 0;
}

int resv_find_holes(const struct resv_pool *pool, unsigned int flags,
		    struct resv_holes *holes)
{
	size_t i;
	int rc;

	*holes = (struct resv_holes){ .pool = pool };
	for (i = 0; i != pool->num; i++) {
		rc = add_device(holes, pool->picks[i].dev, i, flags);
		if (rc)
			return rc;
	}
	if (holes->num_blocks)
		qsort(holes->blocks, holes->num_blocks, sizeof(*holes->blocks),
		      cmp_blocks);
	return add_holes(holes);
}

int resv_common_ranges(const struct resv_holes *holes, struct resv_set *out)
{
	uint64_t next = 0;
	size_t i;
	int rc;

	for (i = 0; i != holes->num; i++) {
		const struct resv_hole *hole = &holes->holes[i];

		if (hole->start > next) {
			rc = resv_set_add(out, next, hole->start - 1);
			if (rc)
				return rc;
		}
		if (hole->last == UINT64_MAX)
			return 0;
		next = hole->last + 1;
	}
	return resv_set_add(out, next, UINT64_MAX);
}
