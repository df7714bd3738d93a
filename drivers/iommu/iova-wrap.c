// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wraparound: IOVAs upward from a cursor, none again before it has gone round
 *
 * A space has two zones, below and above 4 GiB, each with a cursor. An allocation
 * gets the first gap at or past the cursor that holds it, and moves the cursor
 * behind itself. What is in use is skipped, for ever if need be. When nothing up
 * to the limit of the device fits, the cursor *wraps*: it goes back to the start
 * of the zone. It does so only if the zone has room for the request after that:
 * one that fits nowhere fails, and neither ends the round nor flushes anything.
 * So an allocation searches a zone twice, or more often if that lets the zone grow,
 * and never waits.
 *
 * When an IOVA may be given out again
 * -----------------------------------
 * A page that is freed is not given out before the cursor of its zone has wrapped
 * after that. If the page is behind the cursor this needs no care: the cursor does
 * not get there without a wrap. If it is ahead, having been allocated in an earlier
 * round, the page is marked as *freed* but stays busy, and the next wrap gives it
 * back.
 *
 * In a strict domain the IOTLB holds nothing of a page when the page is freed. In a
 * lazy domain it may. Each lazy free has a number (@free_seq), taken under the lock
 * after the page table was changed; @flush_seq is the highest number that a
 * finished flush covers, which is one that began after the number was taken. A wrap
 * with @flush_seq < @free_seq flushes everything first, with the lock held: nothing
 * is freed meanwhile. So for each page that is given out again:
 *
 *	unmap < free_seq taken < flush begins < flush ends < wrap < alloc
 *
 * and with that no stale translation of it exists. This needs no list of what is
 * stale, however much that is. The same flush comes when the period of the flush
 * queue ends, whose timer the caller of iova_policy_ops.free_lazy starts: that
 * bounds the time during which a device may reach what was unmapped, to the time
 * that it is with a flush queue. Such a flush does not need the lock: if a wrap
 * does not find it finished, it flushes again.
 *
 * Two zones
 * ---------
 * Devices of a domain may have different DMA masks. One cursor would have to wrap
 * for each allocation of a 32-bit device if another device had moved it above 4
 * GiB. With two zones no device moves the cursor of the other kind. A device that
 * reaches both zones is served from the upper one, and from the lower one when
 * that is full. (dma-iommu.c asks for the lower one first for PCI devices, for
 * the sake of hardware with broken 64-bit DMA, with every policy.) A limit inside
 * of a zone makes the cursor wrap early, for all devices of the zone: not more than
 * once for each time that the space below the limit was gone through, unless that
 * is full.
 *
 * The page tables of most IOMMU drivers stay when what they map is gone: going
 * through 4 GiB leaves 8 MiB of them, with 4K pages. The upper zone is too large for
 * that. It begins with WRAP_SPAN pages, and doubles when what is asked for fits
 * into the larger zone and not into the smaller one.
 *
 * Where it is written down
 * ------------------------
 * A bit for each page, set if it is busy, and one more if it is freed, in leaves of
 * 4096 pages that exist as long as any of these is busy. An allocation is a search
 * in the leaf of the cursor, nearly always; a free clears bits and needs no memory.
 * A tree of ranges would need a node for each, and a tree whose nodes are shared
 * like the maple tree can need one to remove a range. An allocation can need a new
 * leaf. If there is no memory for one, it takes what is free in the leaves that
 * exist, after a wrap if need be, before it fails.
 * The search passes each leaf once in a round, a full one at its count and another
 * one word by word. As the cursor does not go back, all allocations of a round
 * together do that once; a single one, in the worst case, does it for a whole zone:
 * 256 leaves below 4 GiB with 4K pages.
 */
#include <kunit/static_stub.h>
#include <linux/bitmap.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "iommu-pages.h"
#include "iova-wrap.h"

#define CREATE_TRACE_POINTS
#include "iova_trace.h"

#define WRAP_SPAN	(SZ_16G >> 12)
#define LEAF_WORDS	BITS_TO_LONGS(WRAP_LEAF_PAGES)

/* Where a search looks */
enum {
	/* At the zone as it will be once its cursor has wrapped */
	SEARCH_WRAPPED	= BIT(0),
	/* Only into leaves that exist, for want of memory */
	SEARCH_LEAVES	= BIT(1),
};

struct wrap_leaf {
	/* In the zone's list while any page is freed */
	struct list_head freed_entry;
	unsigned long index;
	unsigned int num_busy;
	unsigned int num_freed;
	/* Of the busy ones, those that never come back */
	unsigned int num_resv;
	/* So many pages, or more, were looked for in the whole leaf in vain */
	unsigned int full_for;
	unsigned long busy[LEAF_WORDS];
	unsigned long freed[LEAF_WORDS];
};

struct wrap_resv {
	struct list_head list;
	unsigned long first;
	unsigned long last;
};

static struct kmem_cache *wrap_leaf_cache;

/* All of them, for debugfs */
static DEFINE_MUTEX(wrap_list_mutex);
static LIST_HEAD(wrap_list);

static unsigned long leaf_index(unsigned long pfn)
{
	return pfn >> WRAP_LEAF_SHIFT;
}

static unsigned long leaf_first(unsigned long index)
{
	return index << WRAP_LEAF_SHIFT;
}

static unsigned int leaf_offset(unsigned long pfn)
{
	return pfn & (WRAP_LEAF_PAGES - 1);
}

static struct wrap_zone *wrap_zone_of(struct iova_wrap *wrap, unsigned long pfn)
{
	return &wrap->zones[pfn > wrap->zones[WRAP_LOW].last];
}

/* The lowest reserved range that does not end before @pfn */
static struct wrap_resv *wrap_find_resv(struct iova_wrap *wrap,
					unsigned long pfn)
{
	struct wrap_resv *resv;

	list_for_each_entry(resv, &wrap->resv, list)
		if (resv->last >= pfn)
			return resv;
	return NULL;
}

static void leaf_set_resv(struct wrap_leaf *leaf, unsigned long first,
			  unsigned long last)
{
	unsigned long leaf_start = leaf_first(leaf->index);
	unsigned int lo = leaf_offset(max(first, leaf_start));
	unsigned int hi = leaf_offset(min(last, leaf_start + WRAP_LEAF_PAGES - 1));

	bitmap_set(leaf->busy, lo, hi - lo + 1);
	leaf->num_busy += hi - lo + 1;
	leaf->num_resv += hi - lo + 1;
}

/* Not static for the KUnit tests, which let it fail */
struct wrap_leaf *iova_wrap_alloc_leaf(void)
{
	KUNIT_STATIC_STUB_REDIRECT(iova_wrap_alloc_leaf);
	return kmem_cache_zalloc(wrap_leaf_cache, GFP_ATOMIC | __GFP_NOWARN);
}

/* Not static for the same reason */
int iova_wrap_store_leaf(struct iova_wrap *wrap, struct wrap_leaf *leaf,
			 unsigned long index)
{
	KUNIT_STATIC_STUB_REDIRECT(iova_wrap_store_leaf, wrap, leaf, index);
	return xa_err(xa_store(&wrap->leaves, index, leaf,
			       GFP_ATOMIC | __GFP_NOWARN));
}

static struct wrap_leaf *wrap_new_leaf(struct iova_wrap *wrap,
				       unsigned long index)
{
	unsigned long last = leaf_first(index) + WRAP_LEAF_PAGES - 1;
	struct wrap_leaf *leaf = wrap->spare;
	struct wrap_resv *resv;

	if (leaf)
		wrap->spare = NULL;
	else
		leaf = iova_wrap_alloc_leaf();
	if (!leaf)
		return NULL;

	INIT_LIST_HEAD(&leaf->freed_entry);
	leaf->index = index;
	leaf->full_for = UINT_MAX;
	if (iova_wrap_store_leaf(wrap, leaf, index)) {
		wrap->spare = leaf;
		return NULL;
	}

	list_for_each_entry(resv, &wrap->resv, list)
		if (resv->first <= last && resv->last >= leaf_first(index))
			leaf_set_resv(leaf, resv->first, resv->last);
	return leaf;
}

/* Of a leaf with nothing busy but what is reserved, which is known without it */
static void wrap_drop_leaf(struct iova_wrap *wrap, struct wrap_leaf *leaf)
{
	struct wrap_zone *zone = wrap_zone_of(wrap, leaf_first(leaf->index));

	if (zone->cur == leaf)
		zone->cur = NULL;
	if (wrap->last_freed == leaf)
		wrap->last_freed = NULL;
	xa_erase(&wrap->leaves, leaf->index);
	if (wrap->spare) {
		kmem_cache_free(wrap_leaf_cache, leaf);
		return;
	}
	if (leaf->num_resv)
		bitmap_zero(leaf->busy, WRAP_LEAF_PAGES);
	leaf->num_busy = 0;
	leaf->num_resv = 0;
	wrap->spare = leaf;
}

static bool leaf_is_unused(struct wrap_leaf *leaf)
{
	return leaf->num_busy == leaf->num_resv;
}

/* An unused leaf that the cursor leaves goes, but for @keep, to be used at once */
static void wrap_move_cursor(struct iova_wrap *wrap, struct wrap_zone *zone,
			     unsigned long cursor, unsigned long keep)
{
	unsigned long index = leaf_index(zone->cursor);
	struct wrap_leaf *leaf;

	zone->cursor = cursor;
	if (index == keep)
		return;
	leaf = xa_load(&wrap->leaves, index);
	if (leaf && leaf_is_unused(leaf))
		wrap_drop_leaf(wrap, leaf);
}

/* A bit for each place in a word where @pages pages may begin */
static unsigned long word_places(unsigned int pages)
{
	unsigned int align = roundup_pow_of_two(pages);

	if (align == BITS_PER_LONG)
		return 1;
	return ~0UL / ((1UL << align) - 1);
}

static unsigned int leaf_find_in_words(struct wrap_leaf *leaf, unsigned int from,
				       unsigned int pages, bool wrapped)
{
	unsigned long places = word_places(pages);
	unsigned int i, run, step;

	for (i = from / BITS_PER_LONG; i < LEAF_WORDS; i++) {
		unsigned long free = ~leaf->busy[i];

		if (wrapped)
			free |= leaf->freed[i];
		if (i == from / BITS_PER_LONG)
			free &= ~0UL << (from % BITS_PER_LONG);
		/* Leave the bits that begin a run of @run free pages */
		for (run = 1; run < pages && free; run += step) {
			step = min(run, pages - run);
			free &= free >> step;
		}
		free &= places;
		if (free)
			return i * BITS_PER_LONG + __ffs(free);
	}
	return WRAP_LEAF_PAGES;
}

/* For what is larger than a word */
static unsigned int leaf_find_words(struct wrap_leaf *leaf, unsigned int from,
				    unsigned int pages, bool wrapped)
{
	unsigned int align = roundup_pow_of_two(pages);
	unsigned int place, busy;

	for (place = ALIGN(from, align); place < WRAP_LEAF_PAGES;
	     place += align) {
		if (wrapped)
			busy = find_next_andnot_bit(leaf->busy, leaf->freed,
						    place + pages, place);
		else
			busy = find_next_bit(leaf->busy, place + pages, place);
		if (busy >= place + pages)
			break;
	}
	return place;
}

/* The first place at or after @from, aligned, or WRAP_LEAF_PAGES */
static unsigned int leaf_find(struct wrap_leaf *leaf, unsigned int from,
			      unsigned int pages, bool wrapped)
{
	unsigned int busy = leaf->num_busy;
	unsigned int place;

	/* If nothing is freed, a wrap changes nothing */
	if (!leaf->num_freed)
		wrapped = false;
	if (wrapped)
		busy -= leaf->num_freed;
	else if (pages >= leaf->full_for)
		return WRAP_LEAF_PAGES;
	if (pages > WRAP_LEAF_PAGES - busy)
		return WRAP_LEAF_PAGES;

	if (pages == 1 && !wrapped)
		place = find_next_zero_bit(leaf->busy, WRAP_LEAF_PAGES, from);
	else if (pages <= BITS_PER_LONG)
		place = leaf_find_in_words(leaf, from, pages, wrapped);
	else
		place = leaf_find_words(leaf, from, pages, wrapped);

	/* What begins below @from was not looked at; the next search may be */
	if (place >= WRAP_LEAF_PAGES && !from && !wrapped)
		leaf->full_for = pages;
	return min_t(unsigned int, place, WRAP_LEAF_PAGES);
}

/*
 * The leaf of @pfn, or NULL if nothing of it is busy. A missing one that is
 * reserved in part is made, and one that is reserved as a whole is skipped:
 * *@skip_to is the last page that need not be looked at, or 0.
 */
static struct wrap_leaf *wrap_leaf_to_search(struct iova_wrap *wrap,
					     unsigned long pfn, unsigned int how,
					     unsigned long *skip_to)
{
	unsigned long first = leaf_first(leaf_index(pfn));
	unsigned long last = first + WRAP_LEAF_PAGES - 1;
	struct wrap_leaf *leaf = xa_load(&wrap->leaves, leaf_index(pfn));
	unsigned long next = leaf_index(pfn);
	struct wrap_resv *resv;

	*skip_to = 0;
	if (leaf)
		return leaf;
	if (how & SEARCH_LEAVES) {
		/* To the end of all if there is none */
		*skip_to = xa_find(&wrap->leaves, &next, ULONG_MAX, XA_PRESENT) ?
			   leaf_first(next) - 1 : ULONG_MAX;
		return NULL;
	}
	if (list_empty(&wrap->resv))
		return NULL;
	resv = wrap_find_resv(wrap, first);
	if (!resv || resv->first > last)
		return NULL;
	if (resv->first <= first && resv->last >= last) {
		*skip_to = resv->last;
		return NULL;
	}
	return wrap_new_leaf(wrap, leaf_index(pfn)) ?: ERR_PTR(-ENOMEM);
}

/* For what fits into a leaf: alignment keeps it inside of one */
static unsigned long wrap_search_small(struct iova_wrap *wrap,
				       struct wrap_zone *zone, unsigned long lo,
				       unsigned long hi, unsigned long pages,
				       unsigned int how)
{
	unsigned long align = roundup_pow_of_two(pages);
	unsigned long skip_to = 0, pfn = lo;
	struct wrap_leaf *leaf = zone->cur;

	for (; pfn <= hi && pfn >= lo; pfn = leaf_first(leaf_index(pfn) + 1)) {
		unsigned int place;

		if (!leaf || leaf->index != leaf_index(pfn))
			leaf = wrap_leaf_to_search(wrap, pfn, how, &skip_to);
		if (IS_ERR(leaf))
			return PTR_ERR(leaf);
		if (!leaf && skip_to) {
			/* The loop goes on behind it */
			pfn = skip_to;
			if (leaf_offset(skip_to) != WRAP_LEAF_PAGES - 1)
				pfn -= WRAP_LEAF_PAGES;
			continue;
		}
		place = leaf ? leaf_find(leaf, leaf_offset(pfn), pages,
					 how & SEARCH_WRAPPED) :
			       ALIGN(leaf_offset(pfn), align);
		if (place < WRAP_LEAF_PAGES) {
			pfn = leaf_first(leaf_index(pfn)) + place;
			if (pfn > hi || hi - pfn < pages - 1)
				break;
			zone->cur = leaf;
			return pfn;
		}
	}
	return -ENOSPC;
}

/* The last one of the first @size pages of a leaf that is not free, or @size */
static unsigned long leaf_last_busy(struct wrap_leaf *leaf, unsigned long size,
				    bool wrapped)
{
	unsigned long word;
	unsigned int i;

	if (!wrapped)
		return find_last_bit(leaf->busy, size);
	for (i = BITS_TO_LONGS(size); i--; ) {
		word = leaf->busy[i] & ~leaf->freed[i];
		if (i == size / BITS_PER_LONG)
			word &= BITMAP_LAST_WORD_MASK(size);
		if (word)
			return i * BITS_PER_LONG + __fls(word);
	}
	return size;
}

/* The last page of @first to @last that is not free, or 0 */
static unsigned long wrap_last_busy(struct iova_wrap *wrap, unsigned long first,
				    unsigned long last, bool wrapped)
{
	unsigned long index, busy = 0, bit, end;
	struct wrap_leaf *leaf;
	struct wrap_resv *resv;

	list_for_each_entry(resv, &wrap->resv, list)
		if (resv->first <= last && resv->last >= first)
			busy = resv->last;

	xa_for_each_range(&wrap->leaves, index, leaf, leaf_index(first),
			  leaf_index(last)) {
		end = min(last - leaf_first(index), WRAP_LEAF_PAGES - 1);
		bit = leaf_last_busy(leaf, end + 1, wrapped);
		if (bit <= end)
			busy = max(busy, leaf_first(index) + bit);
	}
	return busy;
}

/* For what does not: it begins with a leaf */
static unsigned long wrap_search_large(struct iova_wrap *wrap, unsigned long lo,
				       unsigned long hi, unsigned long pages,
				       unsigned int how)
{
	unsigned long align = roundup_pow_of_two(pages);
	unsigned long pfn, busy;

	if (how & SEARCH_LEAVES)
		return -ENOSPC;
	for (pfn = ALIGN(lo, align); pfn >= lo && pfn <= hi; ) {
		if (hi - pfn < pages - 1)
			break;
		busy = wrap_last_busy(wrap, pfn, pfn + pages - 1,
				      how & SEARCH_WRAPPED);
		if (!busy)
			return pfn;
		lo = busy + 1;
		if (!lo)
			break;
		pfn = ALIGN(lo, align);
	}
	return -ENOSPC;
}

/* The first place from @lo on, -ENOSPC, or -ENOMEM: then it is not known */
static unsigned long wrap_search(struct iova_wrap *wrap, struct wrap_zone *zone,
				 unsigned long lo, unsigned long hi,
				 unsigned long pages, unsigned int how)
{
	if (lo > hi)
		return -ENOSPC;
	if (pages <= WRAP_LEAF_PAGES)
		return wrap_search_small(wrap, zone, lo, hi, pages, how);
	return wrap_search_large(wrap, lo, hi, pages, how);
}

/* How many of the pages from @pfn up to @end, exclusive, are in the first leaf */
static unsigned long leaf_part(unsigned long pfn, unsigned long end)
{
	return min(end - pfn, WRAP_LEAF_PAGES - leaf_offset(pfn));
}

static void leaf_clear(struct iova_wrap *wrap, struct wrap_leaf *leaf,
		       unsigned int off, unsigned int n)
{
	if (n == 1)
		__clear_bit(off, leaf->busy);
	else
		bitmap_clear(leaf->busy, off, n);
	leaf->num_busy -= n;
	leaf->full_for = UINT_MAX;
	if (leaf_is_unused(leaf) && leaf->index !=
	    leaf_index(wrap_zone_of(wrap, leaf_first(leaf->index))->cursor))
		wrap_drop_leaf(wrap, leaf);
}

/* Make the pages busy, which are free. False if there is no memory for a leaf. */
static bool wrap_take(struct iova_wrap *wrap, struct wrap_zone *zone,
		      unsigned long pfn, unsigned long pages)
{
	unsigned long pos, off, n, end = pfn + pages;
	struct wrap_leaf *leaf;

	for (pos = pfn; pos < end; pos += n) {
		off = leaf_offset(pos);
		n = leaf_part(pos, end);
		leaf = zone->cur;
		if (!leaf || leaf->index != leaf_index(pos))
			leaf = xa_load(&wrap->leaves, leaf_index(pos));
		if (!leaf)
			leaf = wrap_new_leaf(wrap, leaf_index(pos));
		if (!leaf)
			goto undo;
		if (n == 1)
			__set_bit(off, leaf->busy);
		else
			bitmap_set(leaf->busy, off, n);
		leaf->num_busy += n;
		zone->cur = leaf;
	}
	return true;

undo:
	for (end = pos, pos = pfn; pos < end; pos += n) {
		n = leaf_part(pos, end);
		leaf_clear(wrap, xa_load(&wrap->leaves, leaf_index(pos)),
			   leaf_offset(pos), n);
	}
	return false;
}

/* Each unmap is in one event, also if a flush begins while another one goes on */
static void wrap_trace_flush(struct iova_wrap *wrap, const char *because)
{
	trace_iova_flush(wrap->name, wrap->free_seq - wrap->traced_seq, because);
	wrap->traced_seq = wrap->free_seq;
}

/* The caller frees the pages of @freelist when it has dropped the lock */
static void wrap_flush_locked(struct iova_wrap *wrap, const char *because,
			      struct list_head *freelist)
{
	lockdep_assert_held(&wrap->lock);

	if (wrap->flush_seq == wrap->free_seq)
		return;
	wrap_trace_flush(wrap, because);
	wrap->flush_iotlb(wrap->flush_arg);
	wrap->flush_seq = wrap->free_seq;
	wrap->stats.flushes++;
	list_splice_init(&wrap->freelist, freelist);
}

/* The leaf of @pfn stays: it is about to be used, and that shall need no memory */
static void wrap_zone_wrap(struct iova_wrap *wrap, struct wrap_zone *zone,
			   unsigned long pfn, struct list_head *freelist)
{
	struct wrap_leaf *leaf, *next;

	wrap_flush_locked(wrap, "wrap", freelist);
	wrap_move_cursor(wrap, zone, zone->first, leaf_index(pfn));
	zone->wraps++;
	trace_iova_wrap(wrap->name, zone->first, wrap->stats.live_pages);
	list_for_each_entry_safe(leaf, next, &zone->freed, freed_entry) {
		list_del_init(&leaf->freed_entry);
		bitmap_andnot(leaf->busy, leaf->busy, leaf->freed,
			      WRAP_LEAF_PAGES);
		bitmap_zero(leaf->freed, WRAP_LEAF_PAGES);
		leaf->num_busy -= leaf->num_freed;
		leaf->num_freed = 0;
		leaf->full_for = UINT_MAX;
		if (leaf_is_unused(leaf) && leaf->index != leaf_index(pfn))
			wrap_drop_leaf(wrap, leaf);
	}
}

/*
 * Nearly always there is room in the leaf of the cursor. Takes it there, or returns
 * 0 and has done nothing.
 */
static unsigned long wrap_zone_alloc_here(struct iova_wrap *wrap,
					  struct wrap_zone *zone,
					  unsigned long pages, unsigned long hi)
{
	struct wrap_leaf *leaf = zone->cur;
	unsigned long cursor = zone->cursor;
	unsigned long pfn;
	unsigned int off;

	if (!leaf || leaf->index != leaf_index(cursor) ||
	    pages > WRAP_LEAF_PAGES)
		return 0;
	off = leaf_find(leaf, leaf_offset(cursor), pages, false);
	pfn = leaf_first(leaf->index) + off;
	if (off >= WRAP_LEAF_PAGES || pfn > hi || hi - pfn < pages - 1)
		return 0;

	if (pages == 1)
		__set_bit(off, leaf->busy);
	else
		bitmap_set(leaf->busy, off, pages);
	leaf->num_busy += pages;
	/* It is in use now, and so stays if the cursor leaves it */
	zone->cursor = pfn + pages;
	return pfn;
}

/* Take the first place that a search finds, after a wrap if that is how it looks */
static unsigned long wrap_zone_try(struct iova_wrap *wrap, struct wrap_zone *zone,
				   unsigned long pages, unsigned long hi,
				   unsigned int how, struct list_head *freelist)
{
	unsigned long lo = zone->cursor;
	unsigned long pfn;

	if (how & SEARCH_WRAPPED) {
		/* It would change nothing */
		if (lo == zone->first && list_empty(&zone->freed))
			return -ENOSPC;
		lo = zone->first;
	}
	pfn = wrap_search(wrap, zone, lo, hi, pages, how);
	if (IS_ERR_VALUE(pfn))
		return pfn;
	if (how & SEARCH_WRAPPED)
		wrap_zone_wrap(wrap, zone, pfn, freelist);
	if (unlikely(!wrap_take(wrap, zone, pfn, pages)))
		return -ENOMEM;
	wrap_move_cursor(wrap, zone, pfn + pages, leaf_index(pfn + pages));
	return pfn;
}

/* Let the zone grow, if that makes room. Each step doubles it. */
static unsigned long wrap_grow(struct iova_wrap *wrap, struct wrap_zone *zone,
			       unsigned long pages, unsigned long limit_pfn,
			       struct list_head *freelist)
{
	unsigned long span_last = zone->span_last, pfn = -ENOSPC, old, size, hi;
	unsigned int how = 0;

	while (pfn == -ENOSPC && span_last < min(zone->last, limit_pfn)) {
		old = span_last;
		size = old - zone->first + 1;
		span_last = zone->last - old > size ? old + size : zone->last;
		hi = min(span_last, limit_pfn);
		/* What is free at the old end may be the beginning of it */
		how = 0;
		pfn = wrap_search(wrap, zone, zone->cursor, hi, pages, how);
		if (pfn != -ENOSPC)
			break;
		how = SEARCH_WRAPPED;
		pfn = wrap_search(wrap, zone, zone->first, hi, pages, how);
	}
	if (IS_ERR_VALUE(pfn))
		return pfn;
	if (how & SEARCH_WRAPPED)
		wrap_zone_wrap(wrap, zone, pfn, freelist);
	if (!wrap_take(wrap, zone, pfn, pages))
		return -ENOMEM;
	zone->span_last = span_last;
	wrap_move_cursor(wrap, zone, pfn + pages, leaf_index(pfn + pages));
	return pfn;
}

/*
 * The first page; or -ENOSPC, and nothing has changed; or -ENOMEM, and then a round
 * may have ended.
 */
static unsigned long wrap_zone_alloc(struct iova_wrap *wrap,
				     struct wrap_zone *zone, unsigned long pages,
				     unsigned long limit_pfn,
				     struct list_head *freelist)
{
	unsigned long hi = min(zone->span_last, limit_pfn);
	unsigned long pfn;

	if (unlikely(hi < zone->first))
		return -ENOSPC;

	pfn = wrap_zone_alloc_here(wrap, zone, pages, hi);
	if (likely(pfn))
		return pfn;
	pfn = wrap_zone_try(wrap, zone, pages, hi, 0, freelist);
	if (pfn == -ENOSPC)
		pfn = wrap_zone_try(wrap, zone, pages, hi, SEARCH_WRAPPED,
				    freelist);
	if (pfn == -ENOSPC)
		pfn = wrap_grow(wrap, zone, pages, limit_pfn, freelist);
	if (pfn == -ENOMEM) {
		pfn = wrap_zone_try(wrap, zone, pages, hi, SEARCH_LEAVES,
				    freelist);
		if (pfn == -ENOSPC)
			pfn = wrap_zone_try(wrap, zone, pages, hi,
					    SEARCH_LEAVES | SEARCH_WRAPPED,
					    freelist);
	}
	return pfn;
}

static unsigned long wrap_alloc(struct iova_space *space, unsigned long pages,
				unsigned long limit_pfn, bool last_resort)
{
	struct iova_wrap *wrap = space->wrap;
	unsigned long flags, pfn = -ENOSPC;
	LIST_HEAD(freelist);

	/* A mapping of no bytes has an address, too */
	pages = max(pages, 1UL);
	spin_lock_irqsave(&wrap->lock, flags);
	if (limit_pfn > wrap->zones[WRAP_LOW].last)
		pfn = wrap_zone_alloc(wrap, &wrap->zones[WRAP_HIGH], pages,
				      limit_pfn, &freelist);
	if (IS_ERR_VALUE(pfn))
		pfn = wrap_zone_alloc(wrap, &wrap->zones[WRAP_LOW], pages,
				      limit_pfn, &freelist);
	if (!IS_ERR_VALUE(pfn)) {
		wrap->stats.allocs++;
		wrap->stats.live_pages += pages;
		if (wrap->stats.live_pages > wrap->stats.max_pages)
			wrap->stats.max_pages = wrap->stats.live_pages;
	} else if (last_resort) {
		wrap->stats.failures++;
		trace_iova_fail(wrap->name, pages, limit_pfn);
	}
	spin_unlock_irqrestore(&wrap->lock, flags);
	if (unlikely(!list_empty(&freelist)))
		iommu_put_pages_list(&freelist);
	return IS_ERR_VALUE(pfn) ? 0 : pfn;
}

/* Were they given out, and have not been freed yet? All of them are in @leaf. */
static bool leaf_is_live(struct iova_wrap *wrap, struct wrap_leaf *leaf,
			 unsigned long pfn, unsigned long n)
{
	unsigned long off = leaf_offset(pfn);
	struct wrap_resv *resv;

	if (!leaf)
		return false;
	/* Busy, but nobody's */
	if (leaf->num_resv) {
		resv = wrap_find_resv(wrap, pfn);
		if (resv && resv->first <= pfn + n - 1)
			return false;
	}
	if (n == 1)
		return test_bit(off, leaf->busy) && !test_bit(off, leaf->freed);
	return find_next_zero_bit(leaf->busy, off + n, off) >= off + n &&
	       find_next_bit(leaf->freed, off + n, off) >= off + n;
}

/* Not static for the KUnit tests, which provoke it */
void iova_wrap_report(unsigned long first, unsigned long last)
{
	KUNIT_STATIC_STUB_REDIRECT(iova_wrap_report, first, last);
	WARN_ONCE(true, "IOVA pages %#lx to %#lx are freed, but not in use\n",
		  first, last);
}

/*
 * False if any of the pages is not in use. The caller reports it when it has dropped
 * the lock: a console may map a buffer with the device.
 */
static bool wrap_free_locked(struct iova_wrap *wrap, unsigned long pfn,
			     unsigned long pages)
{
	struct wrap_zone *zone = wrap_zone_of(wrap, pfn);
	bool ahead = pfn >= zone->cursor;
	unsigned long pos, off, n, end = pfn + pages;
	struct wrap_leaf *leaf;
	bool good = true;

	lockdep_assert_held(&wrap->lock);

	for (pos = pfn; pos < end; pos += n) {
		off = leaf_offset(pos);
		n = leaf_part(pos, end);
		leaf = wrap->last_freed;
		if (!leaf || leaf->index != leaf_index(pos))
			leaf = xa_load(&wrap->leaves, leaf_index(pos));
		if (unlikely(!leaf_is_live(wrap, leaf, pos, n))) {
			good = false;
			continue;
		}
		wrap->last_freed = leaf;
		wrap->stats.live_pages -= n;
		if (!ahead) {
			leaf_clear(wrap, leaf, off, n);
			continue;
		}
		bitmap_set(leaf->freed, off, n);
		leaf->num_freed += n;
		if (list_empty(&leaf->freed_entry))
			list_add(&leaf->freed_entry, &zone->freed);
	}
	return good;
}

static void wrap_free(struct iova_space *space, unsigned long pfn,
		      unsigned long pages)
{
	struct iova_wrap *wrap = space->wrap;
	unsigned long flags;
	bool good;

	pages = max(pages, 1UL);
	spin_lock_irqsave(&wrap->lock, flags);
	good = wrap_free_locked(wrap, pfn, pages);
	spin_unlock_irqrestore(&wrap->lock, flags);
	if (unlikely(!good))
		iova_wrap_report(pfn, pfn + pages - 1);
}

static void wrap_free_lazy(struct iova_space *space, unsigned long pfn,
			   unsigned long pages, struct list_head *freelist)
{
	struct iova_wrap *wrap = space->wrap;
	unsigned long flags;
	bool good;

	pages = max(pages, 1UL);
	spin_lock_irqsave(&wrap->lock, flags);
	good = wrap_free_locked(wrap, pfn, pages);
	wrap->free_seq++;
	list_splice(freelist, &wrap->freelist);
	spin_unlock_irqrestore(&wrap->lock, flags);
	if (unlikely(!good))
		iova_wrap_report(pfn, pfn + pages - 1);
}

/* What is freed while this flushes waits for the next one */
static void wrap_flush(struct iova_space *space)
{
	struct iova_wrap *wrap = space->wrap;
	LIST_HEAD(freelist);
	unsigned long flags;
	u64 seq;

	spin_lock_irqsave(&wrap->lock, flags);
	seq = wrap->free_seq;
	if (seq == wrap->flush_seq) {
		spin_unlock_irqrestore(&wrap->lock, flags);
		return;
	}
	list_splice_init(&wrap->freelist, &freelist);
	wrap_trace_flush(wrap, "period");
	spin_unlock_irqrestore(&wrap->lock, flags);

	wrap->flush_iotlb(wrap->flush_arg);

	spin_lock_irqsave(&wrap->lock, flags);
	wrap->flush_seq = max(wrap->flush_seq, seq);
	wrap->stats.flushes++;
	spin_unlock_irqrestore(&wrap->lock, flags);
	iommu_put_pages_list(&freelist);
}

/* A freed page is nobody's, so it can be reserved: a reserved one is not mapped */
static bool wrap_is_live(struct iova_wrap *wrap, unsigned long first,
			 unsigned long last)
{
	unsigned long index, bit, end;
	struct wrap_leaf *leaf;

	xa_for_each_range(&wrap->leaves, index, leaf, leaf_index(first),
			  leaf_index(last)) {
		bit = first > leaf_first(index) ? first - leaf_first(index) : 0;
		end = min(last - leaf_first(index), WRAP_LEAF_PAGES - 1);
		for_each_set_bit_from(bit, leaf->busy, end + 1)
			if (!test_bit(bit, leaf->freed))
				return true;
	}
	return false;
}

static void wrap_insert_resv(struct iova_wrap *wrap, struct wrap_resv *new)
{
	unsigned long index, bit, end;
	struct wrap_resv *resv;
	struct wrap_leaf *leaf;

	xa_for_each_range(&wrap->leaves, index, leaf, leaf_index(new->first),
			  leaf_index(new->last)) {
		bit = max(new->first, leaf_first(index)) - leaf_first(index);
		end = min(new->last - leaf_first(index), WRAP_LEAF_PAGES - 1);
		for (; bit <= end; bit++) {
			if (__test_and_clear_bit(bit, leaf->freed)) {
				leaf->num_freed--;
				leaf->num_busy--;
			}
		}
		leaf_set_resv(leaf, new->first, new->last);
		if (!leaf->num_freed)
			list_del_init(&leaf->freed_entry);
	}

	list_for_each_entry(resv, &wrap->resv, list)
		if (resv->first > new->first)
			break;
	list_add_tail(&new->list, &resv->list);
}

static int wrap_reserve(struct iova_space *space, unsigned long pfn_lo,
			unsigned long pfn_hi)
{
	struct iova_wrap *wrap = space->wrap;
	struct wrap_resv *new, *resv;
	LIST_HEAD(freelist);
	unsigned long flags;
	int ret = 0;

	if (WARN_ON(pfn_lo > pfn_hi ||
		    pfn_hi > (ULLONG_MAX >> iova_shift(&space->iovad))))
		return -EINVAL;

	new = kmalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	new->first = pfn_lo;
	new->last = pfn_hi;

	spin_lock_irqsave(&wrap->lock, flags);
	/* What is mapped there next must not meet a stale translation */
	wrap_flush_locked(wrap, "reserve", &freelist);
	resv = wrap_find_resv(wrap, pfn_lo);
	if ((resv && resv->first <= pfn_hi) ||
	    wrap_is_live(wrap, pfn_lo, pfn_hi))
		ret = -EBUSY;
	else
		wrap_insert_resv(wrap, new);
	spin_unlock_irqrestore(&wrap->lock, flags);
	iommu_put_pages_list(&freelist);
	if (ret)
		kfree(new);
	return ret;
}

static void wrap_init_zone(struct wrap_zone *zone, unsigned long first,
			   unsigned long last, unsigned long span)
{
	zone->first = first;
	zone->last = last;
	zone->span_last = last;
	if (first <= last && last - first >= span)
		zone->span_last = first + span - 1;
	zone->cursor = first;
	INIT_LIST_HEAD(&zone->freed);
}

static int wrap_init(struct iova_space *space)
{
	struct iova_domain *iovad = &space->iovad;
	unsigned long end = ULLONG_MAX >> iova_shift(iovad);
	unsigned long first = iovad->start_pfn;
	unsigned long split = iovad->dma_32bit_pfn;
	struct iova_wrap *wrap;

	/* No leaf is in both zones */
	if (WARN_ON(leaf_offset(split)))
		return -EINVAL;

	wrap = kzalloc(sizeof(*wrap), GFP_KERNEL);
	if (!wrap)
		return -ENOMEM;
	spin_lock_init(&wrap->lock);
	xa_init(&wrap->leaves);
	INIT_LIST_HEAD(&wrap->resv);
	INIT_LIST_HEAD(&wrap->freelist);
	wrap_init_zone(&wrap->zones[WRAP_LOW], first, split - 1, split);
	wrap_init_zone(&wrap->zones[WRAP_HIGH], max(first, split), end,
		       WRAP_SPAN);
	wrap->space = space;
	strscpy(wrap->name, "-");
	space->wrap = wrap;
	mutex_lock(&wrap_list_mutex);
	list_add_tail(&wrap->list, &wrap_list);
	mutex_unlock(&wrap_list_mutex);
	return 0;
}

static void wrap_destroy(struct iova_space *space)
{
	struct iova_wrap *wrap = space->wrap;
	struct wrap_resv *resv, *next;
	struct wrap_leaf *leaf;
	unsigned long index;

	mutex_lock(&wrap_list_mutex);
	list_del(&wrap->list);
	mutex_unlock(&wrap_list_mutex);

	xa_for_each(&wrap->leaves, index, leaf)
		kmem_cache_free(wrap_leaf_cache, leaf);
	xa_destroy(&wrap->leaves);
	if (wrap->spare)
		kmem_cache_free(wrap_leaf_cache, wrap->spare);
	list_for_each_entry_safe(resv, next, &wrap->resv, list)
		kfree(resv);
	iommu_put_pages_list(&wrap->freelist);
	kfree(wrap);
	space->wrap = NULL;
}

const struct iova_policy_ops iova_policy_wraparound = {
	.name = "wraparound",
	.init = wrap_init,
	.alloc = wrap_alloc,
	.free = wrap_free,
	.free_lazy = wrap_free_lazy,
	.flush = wrap_flush,
	.reserve = wrap_reserve,
	.destroy = wrap_destroy,
};

/**
 * iova_wrap_set_flush() - Say how the IOTLB is flushed
 * @space: A space with the wraparound policy, before the first lazy free
 * @flush_iotlb: Flushes all of it, in any context. May be called with
 *               &iova_wrap.lock held, and calls nothing of @space.
 * @arg: Argument for @flush_iotlb
 *
 * Context: Any, takes no lock. Nobody else uses @space yet.
 */
void iova_wrap_set_flush(struct iova_space *space,
			 void (*flush_iotlb)(void *arg), void *arg)
{
	space->wrap->flush_iotlb = flush_iotlb;
	space->wrap->flush_arg = arg;
}

/**
 * iova_wrap_set_name() - Say what a space is for
 * @space: A space with the wraparound policy
 * @name: What traces and debugfs call it, is copied
 *
 * Context: Any, takes no lock. Nobody allocates in @space yet.
 */
void iova_wrap_set_name(struct iova_space *space, const char *name)
{
	strscpy(space->wrap->name, name);
}

/**
 * iova_wrap_for_each() - Call a function for each space with the policy
 * @fn: The function, which may sleep
 * @arg: Second argument for it
 *
 * Context: May sleep. Holds the mutex of the list, which a space takes when it
 * comes and goes: @fn finds what iova_space_init() has set up. The name and the
 * flush may follow, see iova_wrap_set_name(). @fn must not destroy a space.
 */
void iova_wrap_for_each(void (*fn)(struct iova_space *space, void *arg),
			void *arg)
{
	struct iova_wrap *wrap;

	mutex_lock(&wrap_list_mutex);
	list_for_each_entry(wrap, &wrap_list, list)
		fn(wrap->space, arg);
	mutex_unlock(&wrap_list_mutex);
}

/**
 * iova_wrap_get_stats() - Read what a space has seen
 * @space: A space with the wraparound policy
 * @stats: Filled in
 *
 * Context: Any, takes &iova_wrap.lock.
 */
void iova_wrap_get_stats(struct iova_space *space,
			 struct iova_wrap_stats *stats)
{
	struct iova_wrap *wrap = space->wrap;
	unsigned long flags;

	spin_lock_irqsave(&wrap->lock, flags);
	*stats = wrap->stats;
	stats->lazy_frees = wrap->free_seq;
	stats->wraps = wrap->zones[WRAP_LOW].wraps +
		       wrap->zones[WRAP_HIGH].wraps;
	spin_unlock_irqrestore(&wrap->lock, flags);
}

int __init iova_wrap_cache_init(void)
{
	wrap_leaf_cache = kmem_cache_create("iommu_iova_leaf",
					    sizeof(struct wrap_leaf), 0, 0,
					    NULL);
	return wrap_leaf_cache ? 0 : -ENOMEM;
}
