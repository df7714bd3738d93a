// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSI table of an iommufd context
 *
 * Behind an IOMMU that translates MSIs, a device raises an interrupt by a DMA
 * write to an IOVA that must lead to the doorbell, the physical page of the
 * interrupt controller. The address is programmed into the device once, when
 * the interrupt is set up. User space changes the domain of a device at any
 * time after that, so the same IOVA has to lead to the same doorbell in every
 * domain that the device is ever attached to. The table remembers, for each
 * open /dev/iommu, which doorbell has which IOVA and who needs it:
 *
 *	table -> window -> page (slot, IOVA, doorbell)
 *	          ^  |
 *	          |  +--> holds, one for each HWPT: slot -> count
 *	          |
 *	        group --> needs: slot -> count
 *
 * window: The IOVA range that an IOMMU driver sets aside (IOMMU_RESV_SW_MSI), or
 *   that user space has chosen in its place, see resv_window.c, cut into slots
 *   of PAGE_SIZE. Groups with the same range share the window.
 *   It lives as long as a group does that uses it. Both ends are inclusive,
 *   start is the first byte and last the last one.
 * page: A doorbell that has a slot. It lives as long as a group needs it, then
 *   the slot is free for the next doorbell.
 * need: A group needs a page while it has an interrupt set up through it, and
 *   counts these interrupts. Needs do not depend on being attached: they are
 *   there before the first attach, and stay over a detach and over any replace.
 * hold: A paging HWPT holds a page, that is, maps it, while a group is attached
 *   to it (or to a nested HWPT of it) that needs the page, and counts these
 *   groups. So a HWPT has exactly the union of what its groups need. The counts
 *   are there from the first attach of a group of the window up to when either
 *   the HWPT or the window goes, so that a replace between two HWPTs that have
 *   been used before allocates nothing here. Pages that a group lets go of at
 *   once go out in one call, under one TLB flush, if their slots are neighbours.
 *
 * The lowest free slot is always taken. So slots are mostly neighbours, and what
 * there is for each slot, its page and the counts, are arrays, as long as the
 * highest slot that was ever in use there asks for.
 *
 * A replace goes in two steps, for an interrupt can arrive at any time in it.
 * iommufd_msi_swap_begin() makes the new HWPT hold what the group needs before
 * the hardware changes over, and everything that can fail happens there.
 * iommufd_msi_swap_commit() makes the old HWPT let go of it afterwards. A page
 * that comes to be needed between the two is put in both.
 *
 * Locks: table->lock protects all of it. It is a mutex, so that page tables can
 * be allocated under it. It nests inside iommu_group::mutex, which the IOMMU
 * core holds when it calls prepare and unprepare and which keeps the DMA owner
 * where it is, and inside iommufd_group::lock, which the callers of attach,
 * detach and replace hold. Locked under it is what iommu_map() and iommu_unmap()
 * lock, and at the end of an ownership the cookie of the DMA API, which is told
 * the pages that stay.
 *
 * Failure: what can fail undoes itself and leaves the table as it was. Detach,
 * commit, abort and unprepare cannot fail, they do not allocate.
 */
#include <kunit/static_stub.h>
#include <linux/align.h>
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/rbtree.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "iommufd_private.h"
#include "msi.h"

#define CREATE_TRACE_POINTS
#include "msi_trace.h"

struct iommufd_msi_window {
	struct iommufd_msi_table *table;
	/* Head at iommufd_msi_table::windows */
	struct list_head item;
	/* Of iommufd_msi_group::window_item */
	struct list_head groups;
	unsigned long start;
	unsigned long last;
	/* IOVA of slot 0 */
	unsigned long base;
	unsigned long num_slots;
	/* Page of each slot, NULL if the slot is free */
	struct iommufd_msi_page **slots;
	/* Slots that there is room for, all others are free */
	unsigned long size;
	/* No slot below is free */
	unsigned long first_free;
	/* Where slots points to at first, as iommufd_msi_counts::few */
	struct iommufd_msi_page *few[4];
	/* Of iommufd_msi_holds::window_item, by the object ID of the HWPT */
	struct list_head holds;
	/* Pages by doorbell */
	struct rb_root doorbells;
};

struct iommufd_msi_page {
	struct rb_node node;
	phys_addr_t doorbell;
	unsigned long iova;
	unsigned long slot;
	/* Number of groups that need the page */
	unsigned int groups;
};

/* The pages of a window that a HWPT holds */
struct iommufd_msi_holds {
	struct iommufd_msi_window *window;
	struct list_head window_item;
	struct iommufd_hwpt_paging *hwpt;
	/* Head at iommufd_msi_hwpt::holds */
	struct list_head hwpt_item;
	/* Groups of the window that are attached to the HWPT, or about to be */
	unsigned int groups;
	/* Number of groups that need the page of the slot */
	struct iommufd_msi_counts counts;
};

/* For the tests. What allocates asks here and nowhere else. */
static bool msi_should_fail(void)
{
	KUNIT_STATIC_STUB_REDIRECT(msi_should_fail);
	return iommufd_should_fail();
}

static void *msi_zalloc(size_t size)
{
	if (msi_should_fail())
		return NULL;
	return kzalloc(size, GFP_KERNEL_ACCOUNT);
}

static void counts_init(struct iommufd_msi_counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	counts->count = counts->few;
	counts->size = ARRAY_SIZE(counts->few);
}

static void counts_destroy(struct iommufd_msi_counts *counts)
{
	if (counts->count != counts->few)
		kvfree(counts->count);
}

/* Make room for @slot. Only this allocates, so that the way back cannot fail. */
static int counts_grow(struct iommufd_msi_counts *counts, unsigned long slot)
{
	unsigned long size = roundup_pow_of_two(slot + 1);
	unsigned int *count;

	if (msi_should_fail())
		return -ENOMEM;
	count = kvcalloc(size, sizeof(*count), GFP_KERNEL_ACCOUNT);
	if (!count)
		return -ENOMEM;
	memcpy(count, counts->count, counts->size * sizeof(*count));
	counts_destroy(counts);
	counts->count = count;
	counts->size = size;
	return 0;
}

static unsigned int count_read(const struct iommufd_msi_counts *counts,
			       unsigned long slot)
{
	return slot < counts->size ? counts->count[slot] : 0;
}

/* Returns the new count, or -ENOMEM */
static int count_inc(struct iommufd_msi_counts *counts, unsigned long slot)
{
	if (slot >= counts->size) {
		int rc = counts_grow(counts, slot);

		if (rc)
			return rc;
	}
	if (!counts->count[slot])
		counts->used++;
	return ++counts->count[slot];
}

/* Returns the new count */
static int count_dec(struct iommufd_msi_counts *counts, unsigned long slot)
{
	if (WARN_ON(!count_read(counts, slot)))
		return -EINVAL;
	if (!--counts->count[slot])
		counts->used--;
	return counts->count[slot];
}

/* Move @slot to the first one from there on that has a count, as xa_find() */
static bool count_find(const struct iommufd_msi_counts *counts,
		       unsigned long *slot)
{
	while (*slot < counts->size && !counts->count[*slot])
		++*slot;
	return *slot < counts->size;
}

/* Windows */

static struct iommufd_msi_window *
msi_window_get(struct iommufd_msi_table *table, unsigned long start,
	       unsigned long last)
{
	struct iommufd_msi_window *window;

	lockdep_assert_held(&table->lock);

	list_for_each_entry(window, &table->windows, item)
		if (window->start == start && window->last == last)
			return window;

	window = msi_zalloc(sizeof(*window));
	if (!window)
		return NULL;
	window->table = table;
	window->start = start;
	window->last = last;
	/* Only whole pages inside of the range are slots */
	window->base = ALIGN(start, PAGE_SIZE);
	if (window->base >= start && window->base <= last)
		window->num_slots = (last - window->base) / PAGE_SIZE +
				    (PAGE_ALIGNED(last + 1) ? 1 : 0);
	INIT_LIST_HEAD(&window->groups);
	window->slots = window->few;
	window->size = ARRAY_SIZE(window->few);
	INIT_LIST_HEAD(&window->holds);
	window->doorbells = RB_ROOT;
	list_add_tail(&window->item, &table->windows);
	return window;
}

static void msi_holds_free(struct iommufd_msi_holds *holds)
{
	lockdep_assert_held(&holds->window->table->lock);

	WARN_ON(holds->groups || holds->counts.used);
	counts_destroy(&holds->counts);
	list_del(&holds->window_item);
	list_del(&holds->hwpt_item);
	kfree(holds);
}

static void msi_slots_destroy(struct iommufd_msi_window *window)
{
	lockdep_assert_held(&window->table->lock);

	if (window->slots != window->few)
		kvfree(window->slots);
}

static void msi_window_put(struct iommufd_msi_window *window)
{
	struct iommufd_msi_holds *holds, *next;

	lockdep_assert_held(&window->table->lock);

	if (!list_empty(&window->groups))
		return;
	WARN_ON(!RB_EMPTY_ROOT(&window->doorbells));
	list_for_each_entry_safe(holds, next, &window->holds, window_item)
		msi_holds_free(holds);
	msi_slots_destroy(window);
	list_del(&window->item);
	kfree(window);
}

static struct iommufd_msi_page *
msi_slot_page(struct iommufd_msi_window *window, unsigned long slot)
{
	lockdep_assert_held(&window->table->lock);

	return slot < window->size ? window->slots[slot] : NULL;
}

static int msi_slots_grow(struct iommufd_msi_window *window)
{
	unsigned long size = window->size * 2;
	struct iommufd_msi_page **slots;

	lockdep_assert_held(&window->table->lock);

	if (msi_should_fail())
		return -ENOMEM;
	slots = kvcalloc(size, sizeof(*slots), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return -ENOMEM;
	memcpy(slots, window->slots, window->size * sizeof(*slots));
	msi_slots_destroy(window);
	window->slots = slots;
	window->size = size;
	return 0;
}

/* Give the lowest free slot to @page */
static int msi_slot_take(struct iommufd_msi_window *window,
			 struct iommufd_msi_page *page)
{
	unsigned long slot = window->first_free;
	int rc;

	lockdep_assert_held(&window->table->lock);

	while (msi_slot_page(window, slot))
		slot++;
	if (slot >= window->num_slots)
		return -ENOSPC;
	if (slot >= window->size) {
		rc = msi_slots_grow(window);
		if (rc)
			return rc;
	}
	window->slots[slot] = page;
	window->first_free = slot + 1;
	page->slot = slot;
	return 0;
}

static void msi_slot_give_back(struct iommufd_msi_window *window,
			       unsigned long slot)
{
	lockdep_assert_held(&window->table->lock);

	window->slots[slot] = NULL;
	window->first_free = min(window->first_free, slot);
}

static bool msi_window_in_ioas(struct iommufd_msi_window *window,
			       struct iommufd_ioas *ioas)
{
	struct iommufd_msi_holds *holds;

	lockdep_assert_held(&window->table->lock);

	/* A replace under way counts as well */
	list_for_each_entry(holds, &window->holds, window_item)
		if (holds->groups && holds->hwpt->ioas == ioas)
			return true;
	return false;
}

/*
 * Two windows that overlap and are not the same could give one IOVA to two
 * doorbells, so only one of them can be in an IOAS at a time. Find the one with
 * the lowest overlap at or above @from.
 */
static struct iommufd_msi_window *
msi_window_conflict(struct iommufd_msi_table *table,
		    struct iommufd_msi_window *window, unsigned long from,
		    struct iommufd_ioas *ioas)
{
	struct iommufd_msi_window *lowest = NULL;
	struct iommufd_msi_window *other;

	lockdep_assert_held(&table->lock);

	list_for_each_entry(other, &table->windows, item) {
		if (other == window || other->last < max(window->start, from) ||
		    other->start > window->last)
			continue;
		if (msi_window_in_ioas(other, ioas) &&
		    (!lowest || other->start < lowest->start))
			lowest = other;
	}
	return lowest;
}

/*
 * Refuse a domain at attach rather than an interrupt later on. A driver that
 * sets the geometry of a domain at its first attach leaves zero until then.
 * Nothing can be mapped there either, and nobody knows if the window will fit.
 * So it cannot replace another domain, but may be the first one: then the attach
 * comes before this.
 */
static bool msi_window_fits(struct iommufd_msi_window *window,
			    struct iommu_domain *domain)
{
	struct iommu_domain_geometry *geometry = &domain->geometry;

	if (domain->pgsize_bitmap &&
	    BIT(__ffs(domain->pgsize_bitmap)) > PAGE_SIZE)
		return false;
	return window->start >= geometry->aperture_start &&
	       window->last <= geometry->aperture_end;
}

/* Pages */

static int msi_doorbell_cmp(const void *key, const struct rb_node *node)
{
	const struct iommufd_msi_page *page =
		rb_entry(node, struct iommufd_msi_page, node);
	phys_addr_t doorbell = *(const phys_addr_t *)key;

	if (doorbell < page->doorbell)
		return -1;
	return doorbell > page->doorbell;
}

static bool msi_doorbell_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct iommufd_msi_page, node)->doorbell <
	       rb_entry(b, struct iommufd_msi_page, node)->doorbell;
}

static struct iommufd_msi_page *
msi_page_alloc(struct iommufd_msi_window *window, phys_addr_t doorbell)
{
	struct iommufd_msi_page *page;
	int rc;

	lockdep_assert_held(&window->table->lock);

	page = msi_zalloc(sizeof(*page));
	if (!page)
		return ERR_PTR(-ENOMEM);
	rc = msi_slot_take(window, page);
	if (rc) {
		kfree(page);
		return ERR_PTR(rc);
	}
	page->doorbell = doorbell;
	page->iova = window->base + page->slot * PAGE_SIZE;
	rb_add(&page->node, &window->doorbells, msi_doorbell_less);
	return page;
}

static struct iommufd_msi_page *msi_page_get(struct iommufd_msi_window *window,
					     phys_addr_t doorbell)
{
	struct rb_node *node;

	lockdep_assert_held(&window->table->lock);

	node = rb_find(&doorbell, &window->doorbells, msi_doorbell_cmp);
	if (node)
		return rb_entry(node, struct iommufd_msi_page, node);
	return msi_page_alloc(window, doorbell);
}

static void msi_page_put(struct iommufd_msi_window *window,
			 struct iommufd_msi_page *page)
{
	lockdep_assert_held(&window->table->lock);

	if (page->groups)
		return;
	rb_erase(&page->node, &window->doorbells);
	msi_slot_give_back(window, page->slot);
	kfree(page);
}

/* Holds */

static struct iommufd_msi_holds *
msi_holds_alloc(struct iommufd_msi_window *window,
		struct iommufd_hwpt_paging *hwpt)
{
	struct iommufd_msi_holds *holds;
	struct iommufd_msi_holds *prev;

	lockdep_assert_held(&window->table->lock);

	holds = msi_zalloc(sizeof(*holds));
	if (!holds)
		return NULL;
	holds->window = window;
	holds->hwpt = hwpt;
	counts_init(&holds->counts);
	list_for_each_entry_reverse(prev, &window->holds, window_item)
		if (prev->hwpt->common.obj.id < hwpt->common.obj.id)
			break;
	list_add(&holds->window_item, &prev->window_item);
	list_add(&holds->hwpt_item, &hwpt->msi.holds);
	return holds;
}

static struct iommufd_msi_holds *
msi_holds_get(struct iommufd_msi_window *window,
	      struct iommufd_hwpt_paging *hwpt)
{
	struct iommufd_msi_holds *holds;

	lockdep_assert_held(&window->table->lock);

	list_for_each_entry(holds, &hwpt->msi.holds, hwpt_item)
		if (holds->window == window)
			goto out_get;
	holds = msi_holds_alloc(window, hwpt);
	if (!holds)
		return NULL;
out_get:
	holds->groups++;
	return holds;
}

static void msi_holds_put(struct iommufd_msi_holds *holds)
{
	lockdep_assert_held(&holds->window->table->lock);

	holds->groups--;
}

static int msi_hold(struct iommufd_msi_holds *holds, unsigned long slot)
{
	struct iommufd_hw_pagetable *hwpt = &holds->hwpt->common;
	struct iommufd_msi_page *page;
	int count;
	int rc;

	lockdep_assert_held(&holds->window->table->lock);

	count = count_inc(&holds->counts, slot);
	if (count != 1)
		return min(count, 0);

	page = msi_slot_page(holds->window, slot);
	rc = iommu_map(hwpt->domain, page->iova, page->doorbell, PAGE_SIZE,
		       IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO,
		       GFP_KERNEL_ACCOUNT);
	if (rc) {
		count_dec(&holds->counts, slot);
		return rc;
	}
	trace_iommufd_msi_map(hwpt->obj.id, page->iova, page->doorbell);
	return 0;
}

/* Pages that a HWPT lets go of. Neighbours are collected and unmapped at once. */
struct msi_unmap {
	struct iommufd_msi_holds *holds;
	struct iommu_iotlb_gather gather;
	unsigned long slot;
	unsigned long num;
};

static void msi_unmap_start(struct msi_unmap *unmap,
			    struct iommufd_msi_holds *holds)
{
	unmap->holds = holds;
	unmap->num = 0;
	iommu_iotlb_gather_init(&unmap->gather);
}

static void msi_unmap_collected(struct msi_unmap *unmap)
{
	struct iommufd_msi_holds *holds = unmap->holds;
	size_t length = unmap->num * PAGE_SIZE;

	lockdep_assert_held(&holds->window->table->lock);

	WARN_ON(iommu_unmap_fast(holds->hwpt->common.domain,
				 holds->window->base + unmap->slot * PAGE_SIZE,
				 length, &unmap->gather) != length);
}

/* In ascending order */
static void msi_unmap_add(struct msi_unmap *unmap, unsigned long slot)
{
	if (unmap->num && slot == unmap->slot + unmap->num) {
		unmap->num++;
		return;
	}
	if (unmap->num)
		msi_unmap_collected(unmap);
	unmap->slot = slot;
	unmap->num = 1;
}

static void msi_unmap_end(struct msi_unmap *unmap)
{
	if (!unmap->num)
		return;
	msi_unmap_collected(unmap);
	iommu_iotlb_sync(unmap->holds->hwpt->common.domain, &unmap->gather);
}

static void msi_trace_release(struct iommufd_msi_holds *holds,
			      unsigned long slot)
{
	struct iommufd_msi_page *page;

	lockdep_assert_held(&holds->window->table->lock);

	if (!trace_iommufd_msi_unmap_enabled())
		return;
	page = msi_slot_page(holds->window, slot);
	trace_iommufd_msi_unmap(holds->hwpt->common.obj.id, page->iova,
				page->doorbell);
}

static void msi_release_slot(struct msi_unmap *unmap, unsigned long slot)
{
	lockdep_assert_held(&unmap->holds->window->table->lock);

	if (count_dec(&unmap->holds->counts, slot))
		return;
	msi_trace_release(unmap->holds, slot);
	msi_unmap_add(unmap, slot);
}

static void msi_release(struct iommufd_msi_holds *holds, unsigned long slot)
{
	struct msi_unmap unmap;

	lockdep_assert_held(&holds->window->table->lock);

	msi_unmap_start(&unmap, holds);
	msi_release_slot(&unmap, slot);
	msi_unmap_end(&unmap);
}

/* Let go of the pages that @mg needs, in the slots below @end */
static void msi_release_below(struct iommufd_msi_group *mg,
			      struct iommufd_msi_holds *holds,
			      unsigned long end)
{
	struct msi_unmap unmap;
	unsigned long slot;

	lockdep_assert_held(&mg->table->lock);

	msi_unmap_start(&unmap, holds);
	for (slot = 0; count_find(&mg->needs, &slot) && slot < end; slot++)
		msi_release_slot(&unmap, slot);
	msi_unmap_end(&unmap);
}

static void msi_release_all(struct iommufd_msi_group *mg,
			    struct iommufd_msi_holds *holds)
{
	lockdep_assert_held(&mg->table->lock);

	msi_release_below(mg, holds, ULONG_MAX);
}

static int msi_hold_all(struct iommufd_msi_group *mg,
			struct iommufd_msi_holds *holds)
{
	unsigned long slot;
	int rc;

	lockdep_assert_held(&mg->table->lock);

	for (slot = 0; count_find(&mg->needs, &slot); slot++) {
		rc = msi_hold(holds, slot);
		if (rc) {
			msi_release_below(mg, holds, slot);
			return rc;
		}
	}
	return 0;
}

/* Needs */

static int msi_need(struct iommufd_msi_group *mg,
		    struct iommufd_msi_page *page)
{
	int count;
	int rc;

	lockdep_assert_held(&mg->table->lock);

	count = count_inc(&mg->needs, page->slot);
	if (count != 1)
		return min(count, 0);

	if (mg->holds) {
		rc = msi_hold(mg->holds, page->slot);
		if (rc)
			goto err_need;
	}
	if (mg->next_holds) {
		rc = msi_hold(mg->next_holds, page->slot);
		if (rc)
			goto err_hold;
	}
	page->groups++;
	return 0;

err_hold:
	if (mg->holds)
		msi_release(mg->holds, page->slot);
err_need:
	count_dec(&mg->needs, page->slot);
	return rc;
}

static void msi_unneed(struct iommufd_msi_group *mg,
		       struct iommufd_msi_page *page)
{
	lockdep_assert_held(&mg->table->lock);

	if (count_dec(&mg->needs, page->slot))
		return;
	if (mg->holds)
		msi_release(mg->holds, page->slot);
	if (mg->next_holds)
		msi_release(mg->next_holds, page->slot);
	page->groups--;
}

static int msi_prepare_locked(struct iommufd_msi_group *mg,
			      phys_addr_t doorbell, dma_addr_t *iova)
{
	struct iommufd_msi_page *page;
	int rc;

	lockdep_assert_held(&mg->table->lock);

	page = msi_page_get(mg->window, ALIGN_DOWN(doorbell, PAGE_SIZE));
	if (IS_ERR(page))
		return PTR_ERR(page);

	rc = msi_need(mg, page);
	if (rc) {
		msi_page_put(mg->window, page);
		return rc;
	}
	*iova = page->iova;
	return 0;
}

static int iommufd_msi_prepare(struct iommu_msi_owner *owner,
			       phys_addr_t doorbell, dma_addr_t *iova)
{
	struct iommufd_msi_group *mg =
		container_of(owner, struct iommufd_msi_group, owner);
	int rc = 0;

	mutex_lock(&mg->table->lock);
	if (mg->window) {
		rc = msi_prepare_locked(mg, doorbell, iova);
		if (rc)
			trace_iommufd_msi_fail(mg->id, doorbell, rc);
	} else {
		*iova = IOMMU_MSI_UNTRANSLATED;
	}
	mutex_unlock(&mg->table->lock);
	return rc;
}

static void iommufd_msi_unprepare(struct iommu_msi_owner *owner,
				  dma_addr_t iova)
{
	struct iommufd_msi_group *mg =
		container_of(owner, struct iommufd_msi_group, owner);
	struct iommufd_msi_page *page;

	mutex_lock(&mg->table->lock);
	page = msi_slot_page(mg->window, (iova - mg->window->base) / PAGE_SIZE);
	if (!WARN_ON(!page)) {
		msi_unneed(mg, page);
		msi_page_put(mg->window, page);
	}
	mutex_unlock(&mg->table->lock);
}

static void iommufd_msi_tell_pages(struct iommu_msi_owner *owner,
				   iommu_msi_page_fn fn, void *data)
{
	struct iommufd_msi_group *mg =
		container_of(owner, struct iommufd_msi_group, owner);
	struct iommufd_msi_page *page;
	unsigned long slot;

	mutex_lock(&mg->table->lock);
	for (slot = 0; count_find(&mg->needs, &slot); slot++) {
		page = msi_slot_page(mg->window, slot);
		fn(data, page->iova, page->doorbell);
		/* A bind that comes now finds a group without needs */
		while (count_read(&mg->needs, slot))
			msi_unneed(mg, page);
		msi_page_put(mg->window, page);
	}
	mutex_unlock(&mg->table->lock);
}

static const struct iommu_msi_owner_ops iommufd_msi_owner_ops = {
	.prepare = iommufd_msi_prepare,
	.unprepare = iommufd_msi_unprepare,
	.tell_pages = iommufd_msi_tell_pages,
};

/* What the rest of iommufd calls */

/**
 * iommufd_msi_table_init() - Set up an empty table
 * @table: Table to set up
 */
void iommufd_msi_table_init(struct iommufd_msi_table *table)
{
	mutex_init(&table->lock);
	INIT_LIST_HEAD(&table->windows);
}

/**
 * iommufd_msi_table_destroy() - End a table
 * @table: Table without any group
 */
void iommufd_msi_table_destroy(struct iommufd_msi_table *table)
{
	WARN_ON(!list_empty(&table->windows));
	mutex_destroy(&table->lock);
}

/**
 * iommufd_msi_group_init() - Set up a group without a window
 * @mg: Group to set up
 * @table: Table of the iommufd context that the group belongs to
 * @id: iommu_group_id() of the group
 *
 * The doorbells of a group without a window are not translated.
 */
void iommufd_msi_group_init(struct iommufd_msi_group *mg,
			    struct iommufd_msi_table *table, int id)
{
	iommu_msi_owner_init(&mg->owner, &iommufd_msi_owner_ops);
	mg->table = table;
	mg->id = id;
	INIT_LIST_HEAD(&mg->window_item);
	counts_init(&mg->needs);
}

static void msi_group_leave_window(struct iommufd_msi_group *mg)
{
	lockdep_assert_held(&mg->table->lock);

	if (!mg->window)
		return;
	list_del(&mg->window_item);
	msi_window_put(mg->window);
	mg->window = NULL;
}

/**
 * iommufd_msi_group_destroy() - End a group
 * @mg: Group that is not attached and no longer the MSI owner of its iommu_group
 *
 * Interrupts of the group that are still set up, for example those of a driver
 * that does no DMA and shares the group, lose their pages here. The core has
 * mapped these in the default domain of the group when the ownership ended.
 */
void iommufd_msi_group_destroy(struct iommufd_msi_group *mg)
{
	struct iommufd_msi_page *page;
	unsigned long slot;

	mutex_lock(&mg->table->lock);
	WARN_ON(mg->hwpt || mg->next);
	for (slot = 0; count_find(&mg->needs, &slot); slot++) {
		page = msi_slot_page(mg->window, slot);
		page->groups--;
		msi_page_put(mg->window, page);
	}
	counts_destroy(&mg->needs);
	msi_group_leave_window(mg);
	mutex_unlock(&mg->table->lock);
}

static bool msi_group_is_busy(struct iommufd_msi_group *mg)
{
	lockdep_assert_held(&mg->table->lock);

	return mg->hwpt || mg->next || mg->needs.used;
}

/**
 * iommufd_msi_group_set_window() - Choose the window of a group
 * @mg: Group to choose for
 * @start: First IOVA of the window in bytes, inclusive
 * @last: Last IOVA of the window in bytes, inclusive, not less than @start
 *
 * The window has as many slots as there are whole pages of PAGE_SIZE in it.
 *
 * Return: 0, -EBUSY if the group is attached or has interrupts set up, -ENOMEM
 */
int iommufd_msi_group_set_window(struct iommufd_msi_group *mg,
				 unsigned long start, unsigned long last)
{
	struct iommufd_msi_window *window;
	int rc = 0;

	if (WARN_ON(start > last))
		return -EINVAL;

	mutex_lock(&mg->table->lock);
	if (msi_group_is_busy(mg)) {
		rc = -EBUSY;
		goto out_unlock;
	}
	window = msi_window_get(mg->table, start, last);
	if (!window) {
		rc = -ENOMEM;
		goto out_unlock;
	}
	if (window != mg->window) {
		msi_group_leave_window(mg);
		mg->window = window;
		list_add_tail(&mg->window_item, &window->groups);
	}
out_unlock:
	mutex_unlock(&mg->table->lock);
	return rc;
}

/**
 * iommufd_msi_group_clear_window() - Let a group have no window
 * @mg: Group whose doorbells are not translated from now on
 *
 * Return: 0, -EBUSY if the group is attached or has interrupts set up
 */
int iommufd_msi_group_clear_window(struct iommufd_msi_group *mg)
{
	int rc = -EBUSY;

	mutex_lock(&mg->table->lock);
	if (!msi_group_is_busy(mg)) {
		msi_group_leave_window(mg);
		rc = 0;
	}
	mutex_unlock(&mg->table->lock);
	return rc;
}

/**
 * iommufd_msi_group_window() - Read the window of a group
 * @mg: Group to read from
 * @start: Out: first IOVA of the window in bytes, inclusive
 * @last: Out: last IOVA of the window in bytes, inclusive
 *
 * Return: True if the group has a window
 */
bool iommufd_msi_group_window(struct iommufd_msi_group *mg,
			      unsigned long *start, unsigned long *last)
{
	bool has_window = false;

	mutex_lock(&mg->table->lock);
	if (mg->window) {
		*start = mg->window->start;
		*last = mg->window->last;
		has_window = true;
	}
	mutex_unlock(&mg->table->lock);
	return has_window;
}

/**
 * iommufd_msi_group_conflict() - Is another window in the way of a group
 * @mg: Group that would be attached to @ioas
 * @ioas: IOAS
 * @start: In: IOVA to look from. Out: first IOVA of the overlap, inclusive
 * @last: Out: last IOVA of the overlap, inclusive
 *
 * To find all, start with 0 and go on behind @last. Windows that are in use in
 * one IOAS do not overlap each other.
 *
 * Return: True if another window that is in use in the IOAS overlaps that of the
 *	group. iommufd_msi_swap_begin() would fail then.
 */
bool iommufd_msi_group_conflict(struct iommufd_msi_group *mg,
				struct iommufd_ioas *ioas, unsigned long *start,
				unsigned long *last)
{
	struct iommufd_msi_window *other = NULL;

	mutex_lock(&mg->table->lock);
	if (mg->window && *start <= mg->window->last)
		other = msi_window_conflict(mg->table, mg->window, *start,
					    ioas);
	if (other) {
		*start = max3(other->start, mg->window->start, *start);
		*last = min(other->last, mg->window->last);
	}
	mutex_unlock(&mg->table->lock);
	return other;
}

/**
 * iommufd_msi_bind() - A device of a group has been bound
 * @mg: Group of the device
 * @dev: Device that the iommufd context has claimed the DMA ownership of
 *
 * From now on the table is asked when an interrupt of the group is set up, up
 * to when the last claim on the group is released.
 */
void iommufd_msi_bind(struct iommufd_msi_group *mg, struct device *dev)
{
	iommu_device_set_msi_owner(dev, &mg->owner);
}

static int msi_swap_prepare(struct iommufd_msi_group *mg,
			    struct iommufd_hwpt_paging *hwpt)
{
	struct iommufd_msi_window *window = mg->window;
	struct iommufd_msi_holds *holds;
	int rc;

	lockdep_assert_held(&mg->table->lock);

	if (!msi_window_fits(window, hwpt->common.domain)) {
		rc = -EADDRNOTAVAIL;
		goto err_trace;
	}
	if (msi_window_conflict(mg->table, window, 0, hwpt->ioas)) {
		rc = -EADDRINUSE;
		goto err_trace;
	}
	holds = msi_holds_get(window, hwpt);
	if (!holds) {
		rc = -ENOMEM;
		goto err_trace;
	}
	rc = msi_hold_all(mg, holds);
	if (rc)
		goto err_put;
	mg->next_holds = holds;
	return 0;

err_put:
	msi_holds_put(holds);
err_trace:
	trace_iommufd_msi_refuse(mg->id, hwpt->common.obj.id, window->start,
				 window->last, rc);
	return rc;
}

/**
 * iommufd_msi_swap_begin() - Prepare a HWPT for a group to change over to it
 * @mg: Group that changes its domain
 * @hwpt: Paging HWPT to change over to, or the parent of a nested one
 *
 * Context: Caller holds iommufd_group::lock up to and including
 *	iommufd_msi_swap_commit() or iommufd_msi_swap_abort().
 * Return: 0, -EADDRNOTAVAIL if the page size or the aperture of the domain
 *	cannot hold the window, -EADDRINUSE if another window that overlaps is in
 *	use in the IOAS, -ENOMEM, or an error of iommu_map()
 */
int iommufd_msi_swap_begin(struct iommufd_msi_group *mg,
			   struct iommufd_hwpt_paging *hwpt)
{
	int rc = 0;

	mutex_lock(&mg->table->lock);
	WARN_ON(mg->next);
	if (mg->window)
		rc = msi_swap_prepare(mg, hwpt);
	if (!rc)
		mg->next = hwpt;
	mutex_unlock(&mg->table->lock);
	return rc;
}

/**
 * iommufd_msi_swap_commit() - The group has changed over
 * @mg: Group of iommufd_msi_swap_begin()
 *
 * The domain that the group has left does not translate for it any more.
 */
void iommufd_msi_swap_commit(struct iommufd_msi_group *mg)
{
	mutex_lock(&mg->table->lock);
	if (mg->holds) {
		msi_release_all(mg, mg->holds);
		msi_holds_put(mg->holds);
	}
	mg->hwpt = mg->next;
	mg->holds = mg->next_holds;
	mg->next = NULL;
	mg->next_holds = NULL;
	mutex_unlock(&mg->table->lock);
}

/**
 * iommufd_msi_swap_abort() - The group could not change over
 * @mg: Group of iommufd_msi_swap_begin()
 */
void iommufd_msi_swap_abort(struct iommufd_msi_group *mg)
{
	mutex_lock(&mg->table->lock);
	if (mg->next_holds) {
		msi_release_all(mg, mg->next_holds);
		msi_holds_put(mg->next_holds);
	}
	mg->next = NULL;
	mg->next_holds = NULL;
	mutex_unlock(&mg->table->lock);
}

/**
 * iommufd_msi_attach() - A group has been attached
 * @mg: Group that was not attached before
 * @hwpt: Paging HWPT that it is attached to now, or the parent of a nested one
 *
 * To be called after the attach: there is no interrupt to keep alive, and some
 * drivers cannot map before the first device is attached to the domain.
 *
 * Context: Caller holds iommufd_group::lock.
 * Return: As iommufd_msi_swap_begin()
 */
int iommufd_msi_attach(struct iommufd_msi_group *mg,
		       struct iommufd_hwpt_paging *hwpt)
{
	int rc;

	rc = iommufd_msi_swap_begin(mg, hwpt);
	if (rc)
		return rc;
	iommufd_msi_swap_commit(mg);
	return 0;
}

/**
 * iommufd_msi_detach() - A group has been detached
 * @mg: Group that was attached
 *
 * Context: Caller holds iommufd_group::lock.
 */
void iommufd_msi_detach(struct iommufd_msi_group *mg)
{
	/* A replace to nowhere */
	iommufd_msi_swap_commit(mg);
}

/**
 * iommufd_msi_hwpt_init() - Set up a HWPT that holds nothing
 * @mh: To be set up
 * @table: Table of the iommufd context that the HWPT belongs to
 */
void iommufd_msi_hwpt_init(struct iommufd_msi_hwpt *mh,
			   struct iommufd_msi_table *table)
{
	mh->table = table;
	INIT_LIST_HEAD(&mh->holds);
}

/**
 * iommufd_msi_hwpt_destroy() - End a HWPT
 * @mh: That of a HWPT which no group is attached to
 */
void iommufd_msi_hwpt_destroy(struct iommufd_msi_hwpt *mh)
{
	struct iommufd_msi_holds *holds, *next;

	mutex_lock(&mh->table->lock);
	list_for_each_entry_safe(holds, next, &mh->holds, hwpt_item)
		msi_holds_free(holds);
	mutex_unlock(&mh->table->lock);
}

/* The read-only view, /proc/PID/fdinfo/FD */

static void msi_page_show(struct iommufd_msi_window *window,
			  struct iommufd_msi_page *page, struct seq_file *m,
			  bool show_doorbells)
{
	struct iommufd_msi_holds *holds;
	struct iommufd_msi_group *mg;
	unsigned long users = 0;
	char sep = ' ';

	lockdep_assert_held(&window->table->lock);

	list_for_each_entry(mg, &window->groups, window_item)
		users += count_read(&mg->needs, page->slot);

	seq_printf(m, "msi-page:\t%#lx doorbell %#llx users %lu groups %u hwpts",
		   page->iova, show_doorbells ? (u64)page->doorbell : 0, users,
		   page->groups);
	list_for_each_entry(holds, &window->holds, window_item) {
		if (!count_read(&holds->counts, page->slot))
			continue;
		seq_printf(m, "%c%u", sep, holds->hwpt->common.obj.id);
		sep = ',';
	}
	seq_puts(m, sep == ' ' ? " -\n" : "\n");
}

static void msi_window_show(struct iommufd_msi_window *window,
			    struct seq_file *m, bool show_doorbells)
{
	unsigned long used = 0;
	unsigned long slot;

	lockdep_assert_held(&window->table->lock);

	for (slot = 0; slot != window->size; slot++)
		used += !!window->slots[slot];
	seq_printf(m, "msi-window:\t%#lx-%#lx slots %lu used %lu groups %zu\n",
		   window->start, window->last, window->num_slots, used,
		   list_count_nodes(&window->groups));
	for (slot = 0; slot != window->size; slot++)
		if (window->slots[slot])
			msi_page_show(window, window->slots[slot], m,
				      show_doorbells);
}

/**
 * iommufd_msi_table_show() - Print a table, a line a window and a line a page
 * @table: Table to print
 * @m: File to print into
 * @show_doorbells: Print physical addresses, otherwise 0 in their place
 */
void iommufd_msi_table_show(struct iommufd_msi_table *table,
			    struct seq_file *m, bool show_doorbells)
{
	struct iommufd_msi_window *window;

	mutex_lock(&table->lock);
	list_for_each_entry(window, &table->windows, item)
		msi_window_show(window, m, show_doorbells);
	mutex_unlock(&table->lock);
}

#if IS_ENABLED(CONFIG_IOMMUFD_MSI_KUNIT_TEST)
#include "msi-test.c"
#endif
