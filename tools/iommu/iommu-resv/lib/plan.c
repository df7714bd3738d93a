// SPDX-License-Identifier: GPL-2.0-only
/* Where guest RAM can be, and whether a given layout of it fits. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "resv.h"

void resv_plan_free(struct resv_plan *plan)
{
	resv_set_free(&plan->pieces);
}

int resv_make_plan(struct resv_plan *plan, const struct resv_holes *holes,
		   struct resv_err *err)
{
	struct resv_set common = {};
	uint64_t want = plan->ram;
	size_t i;
	int rc;

	plan->placed = 0;
	if (!plan->align || (plan->align & (plan->align - 1)))
		return resv_fail(err, -EINVAL,
				 "the alignment is no power of two");
	if (!want || (want & (plan->align - 1)))
		return resv_fail(
			err, -EINVAL,
			"the size of RAM is 0 or no multiple of the alignment");
	rc = resv_common_ranges(holes, &common);
	for (i = 0; !rc && want && i != common.num; i++) {
		struct resv_range range = common.ranges[i];

		if (range.last < plan->base)
			continue;
		if (range.start < plan->base)
			range.start = plan->base;
		if (!resv_range_align(&range, plan->align))
			continue;
		/* Not in terms of sizes, as that of everything is 2^64 */
		if (range.last - range.start > want - 1)
			range.last = range.start + want - 1;
		rc = resv_set_add(&plan->pieces, range.start, range.last);
		want -= range.last - range.start + 1;
	}
	resv_set_free(&common);
	if (rc)
		return resv_fail(err, rc, "out of memory");
	plan->placed = plan->ram - want;
	if (want)
		return resv_fail(err, -ENOSPC,
				 "does not fit: room for 0x%" PRIx64
				 " of 0x%" PRIx64,
				 plan->placed, plan->ram);
	return 0;
}

size_t resv_layout_overlaps(const struct resv_layout *layout,
			    struct resv_range range)
{
	size_t low = 0, high = layout->num, first;

	/* The first one that does not end before the range starts */
	while (low != high) {
		size_t mid = low + (high - low) / 2;

		if (layout->pieces[mid].last < range.start)
			low = mid + 1;
		else
			high = mid;
	}
	first = low;
	/* And the first one that starts behind its end */
	high = layout->num;
	while (low != high) {
		size_t mid = low + (high - low) / 2;

		if (layout->pieces[mid].start <= range.last)
			low = mid + 1;
		else
			high = mid;
	}
	return low - first;
}

/* The first hole that does not end before @start */
static size_t find_hole(const struct resv_holes *holes, uint64_t start)
{
	size_t low = 0, high = holes->num;

	while (low != high) {
		size_t mid = low + (high - low) / 2;

		if (holes->holes[mid].last < start)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int resv_check_layout(const struct resv_layout *layout,
		      const struct resv_holes *holes, resv_conflict_fn fn,
		      void *ctx)
{
	size_t i, h, b;
	int rc;

	for (i = 0; i != layout->num; i++) {
		const struct resv_piece *piece = &layout->pieces[i];

		for (h = find_hole(holes, piece->start);
		     h != holes->num && holes->holes[h].start <= piece->last;
		     h++) {
			const struct resv_hole *hole = &holes->holes[h];

			for (b = hole->first; b != hole->first + hole->num;
			     b++) {
				const struct resv_block *block =
					&holes->blocks[b];

				if (block->start > piece->last)
					break;
				if (block->last < piece->start)
					continue;
				rc = fn(ctx, piece, block);
				if (rc)
					return rc;
			}
		}
	}
	return 0;
}
