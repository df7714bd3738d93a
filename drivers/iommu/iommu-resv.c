// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reserved IOVA regions
 *
 * A region is a range of IOVAs that is not like the others for some device. It
 * is a struct iommu_resv_region in a list, and comes from the IOMMU driver
 * through iommu_get_resv_regions(). It is enforced, that is, those who let user
 * space map (iommufd, VFIO) refuse to map there. Only
 * IOMMU_RESV_DIRECT_RELAXABLE is not: who takes the device from the driver that
 * needed it may map something else there.
 *
 * What a PCI host bridge does not pass on to the IOMMU is no matter of the IOMMU
 * driver. iommu_get_advisory_regions() finds it. It is shown and never enforced:
 * firmware is wrong about it too often.
 *
 * A list about one device is what the driver said: in any order, regions may
 * overlap, and there may be some of length 0, which stand for nothing. A list
 * about a group is merged by iommu_insert_resv_region(): it is sorted by start,
 * then type, and two regions of one type neither overlap nor touch. Regions of
 * different types may overlap in both.
 *
 * What is left of the aperture of the IOMMU without the enforced regions is
 * usable.
 *
 * "start" is the first byte and "last" the last one of a range, so that a range
 * may go up to the last address. "end", which would be last + 1, is not used.
 *
 * The functions here work on lists of the caller, who also does the locking.
 */
#include <kunit/visibility.h>
#include <linux/iommu.h>
#include <linux/limits.h>
#include <linux/list_sort.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>

#include "iommu-priv.h"

/**
 * iommu_insert_resv_region - Insert a new region in the
 * list of reserved regions.
 * @new: new region to insert
 * @regions: list of regions
 *
 * Elements are sorted by start address and overlapping segments
 * of the same type are merged. A region of no bytes is left out.
 *
 * Return: 0, or -ENOMEM with @regions as it was.
 */
int iommu_insert_resv_region(struct iommu_resv_region *new,
			     struct list_head *regions)
{
	struct iommu_resv_region *iter, *tmp, *nr, *top;
	LIST_HEAD(stack);

	/* It has no last byte: start + length - 1 is before its start */
	if (!new->length)
		return 0;

	nr = iommu_alloc_resv_region(new->start, new->length,
				     new->prot, new->type, GFP_KERNEL);
	if (!nr)
		return -ENOMEM;

	/* First add the new element based on start address sorting */
	list_for_each_entry(iter, regions, list) {
		if (nr->start < iter->start ||
		    (nr->start == iter->start && nr->type <= iter->type))
			break;
	}
	list_add_tail(&nr->list, &iter->list);

	/* Merge overlapping segments of type nr->type in @regions, if any */
	list_for_each_entry_safe(iter, tmp, regions, list) {
		phys_addr_t top_end, iter_end = iter->start + iter->length - 1;
		phys_addr_t span;

		/* no merge needed on elements of different types than @new */
		if (iter->type != new->type) {
			list_move_tail(&iter->list, &stack);
			continue;
		}

		/* look for the last stack element of same type as @iter */
		list_for_each_entry_reverse(top, &stack, list)
			if (top->type == iter->type)
				goto check_overlap;

		list_move_tail(&iter->list, &stack);
		continue;

check_overlap:
		top_end = top->start + top->length - 1;
		span = max(top_end, iter_end) - top->start;

		/*
		 * top_end + 1 is 0 for a region that ends with the last
		 * address, and so is the length of a region that has all
		 * addresses: that one stays in pieces.
		 */
		if ((iter->start > top_end && iter->start - top_end > 1) ||
		    span >= SIZE_MAX) {
			list_move_tail(&iter->list, &stack);
		} else {
			top->length = span + 1;
			list_del(&iter->list);
			kfree(iter);
		}
	}
	list_splice(&stack, regions);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(iommu_insert_resv_region);

/**
 * iommu_resv_region_last - Last byte of a region
 * @region: Region of a length other than 0
 *
 * Return: the last address that is in the region. A region cannot go beyond the
 * end of the address space, one that claims to is cut there.
 */
u64 iommu_resv_region_last(const struct iommu_resv_region *region)
{
	u64 last;

	if (check_add_overflow((u64)region->start, (u64)region->length - 1,
			       &last))
		return U64_MAX;
	return last;
}
EXPORT_SYMBOL_GPL(iommu_resv_region_last);

/**
 * iommu_resv_region_enforced - Is it forbidden to map over the region?
 * @region: Region to look at
 *
 * Return: true if iommufd and VFIO do not let user space map there.
 */
bool iommu_resv_region_enforced(const struct iommu_resv_region *region)
{
	switch (region->type) {
	case IOMMU_RESV_DIRECT_RELAXABLE:
	case IOMMU_RESV_BRIDGE_WINDOW:
	case IOMMU_RESV_NO_DMA:
		return false;
	default:
		return true;
	}
}
EXPORT_SYMBOL_GPL(iommu_resv_region_enforced);

static int resv_cmp(void *priv, const struct list_head *a,
		    const struct list_head *b)
{
	const struct iommu_resv_region *ra, *rb;

	ra = list_entry(a, struct iommu_resv_region, list);
	rb = list_entry(b, struct iommu_resv_region, list);

	if (ra->start != rb->start)
		return ra->start < rb->start ? -1 : 1;
	return (int)ra->type - (int)rb->type;
}

/**
 * iommu_resv_sort - Sort regions by start, then type
 * @list: Regions, of a device or of a group
 *
 * Regions that have both in common keep their order. Nothing is merged.
 */
void iommu_resv_sort(struct list_head *list)
{
	list_sort(NULL, list, resv_cmp);
}
EXPORT_SYMBOL_GPL(iommu_resv_sort);

/**
 * iommu_resv_walk_usable - Call a function for each range left for DMA
 * @list: Regions, of a device or of a group, is sorted by this function
 * @start: First IOVA of interest, usually of the aperture
 * @last: Last IOVA of interest, inclusive; nothing is left if it is below @start
 * @fn: Called for each range, with its first and its last byte and with @data.
 *      Must not change @list.
 * @data: For @fn
 *
 * The ranges are as large as can be, and come in rising order. All of @start to
 * @last that no enforced region has is in one of them. Nothing is allocated.
 *
 * Return: 0, or the first value other than 0 that @fn returns, which ends it.
 */
int iommu_resv_walk_usable(struct list_head *list, u64 start, u64 last,
			   iommu_usable_fn_t fn, void *data)
{
	struct iommu_resv_region *region;
	int ret;

	if (start > last)
		return 0;

	iommu_resv_sort(list);
	list_for_each_entry(region, list, list) {
		u64 region_last;

		if (!region->length || !iommu_resv_region_enforced(region))
			continue;
		if (region->start > last)
			break;
		region_last = iommu_resv_region_last(region);
		if (region_last < start)
			continue;

		if (region->start > start) {
			ret = fn(start, region->start - 1, data);
			if (ret)
				return ret;
		}
		/* Also, there may be no address after it */
		if (region_last >= last)
			return 0;
		start = region_last + 1;
	}
	return fn(start, last, data);
}
EXPORT_SYMBOL_GPL(iommu_resv_walk_usable);

static int resv_add(u64 start, u64 last, enum iommu_resv_type type,
		    struct list_head *list)
{
	struct iommu_resv_region *region;

	/* Nobody on a 32-bit kernel can map there */
	if (start > SIZE_MAX)
		return 0;
	last = min_t(u64, last, SIZE_MAX);
	/* Nor is there a length for all of it */
	if (!start && last == SIZE_MAX)
		last--;

	region = iommu_alloc_resv_region(start, last - start + 1, 0, type,
					 GFP_KERNEL);
	if (!region)
		return -ENOMEM;
	list_add_tail(&region->list, list);
	return 0;
}

static void resv_free(struct list_head *list)
{
	struct iommu_resv_region *region, *next;

	list_for_each_entry_safe(region, next, list, list)
		kfree(region);
}

/*
 * Protects the order of pci_host_bridge::dma_ranges, which the DMA API sorts. All
 * groups behind a bridge share the list, so their mutexes do not do.
 */
DEFINE_MUTEX(iommu_bridge_lock);

/* Bus addresses of a window, false if it has none */
static bool window_range(const struct resource_entry *window, u64 *start,
			 u64 *last)
{
	if (resource_type(window->res) != IORESOURCE_MEM ||
	    window->res->start > window->res->end)
		return false;
	*start = window->res->start - window->offset;
	*last = window->res->end - window->offset;
	return true;
}

static int resv_add_no_dma(u64 start, u64 last, void *data)
{
	return resv_add(start, last, IOMMU_RESV_NO_DMA, data);
}

/* What is in none of @dma_ranges. If there are none firmware has not said. */
static int resv_add_outside(struct list_head *dma_ranges,
			    struct list_head *list)
{
	struct resource_entry *window;
	LIST_HEAD(inside);
	u64 start, last;
	int ret = 0;

	resource_list_for_each_entry(window, dma_ranges) {
		if (!window_range(window, &start, &last))
			continue;
		/* All bytes that there are have no length, and leave nothing */
		if (!start && last >= SIZE_MAX)
			goto out_free;
		ret = resv_add(start, last, IOMMU_RESV_RESERVED, &inside);
		if (ret)
			goto out_free;
	}
	if (!list_empty(&inside))
		ret = iommu_resv_walk_usable(&inside, 0, U64_MAX,
					     resv_add_no_dma, list);
out_free:
	resv_free(&inside);
	return ret;
}

/**
 * iommu_resv_add_bridge - List what a host bridge does not pass on
 * @windows: struct resource_entry of the windows to the devices, memory or not
 * @dma_ranges: struct resource_entry of the bus addresses that DMA is passed on
 *              from, in any order; empty if that is not known
 * @list: Regions to add IOMMU_RESV_BRIDGE_WINDOW and IOMMU_RESV_NO_DMA to
 *
 * Neither of the first two lists is changed.
 *
 * Return: 0, or -ENOMEM with @list as it was.
 */
int iommu_resv_add_bridge(struct list_head *windows,
			  struct list_head *dma_ranges, struct list_head *list)
{
	struct resource_entry *window;
	LIST_HEAD(regions);
	u64 start, last;
	int ret;

	resource_list_for_each_entry(window, windows) {
		if (!window_range(window, &start, &last))
			continue;
		ret = resv_add(start, last, IOMMU_RESV_BRIDGE_WINDOW, &regions);
		if (ret)
			goto err_free;
	}
	ret = resv_add_outside(dma_ranges, &regions);
	if (ret)
		goto err_free;
	list_splice_tail(&regions, list);
	return 0;

err_free:
	resv_free(&regions);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(iommu_resv_add_bridge);

/**
 * iommu_get_advisory_regions - Get the IOVAs that had better not be used
 * @dev: Device to ask for
 * @list: Regions to add to
 *
 * For a PCI device these are the memory windows of its host bridge, as
 * IOMMU_RESV_BRIDGE_WINDOW: DMA to them may go to another device and never reach
 * the IOMMU. And as IOMMU_RESV_NO_DMA those bus addresses that firmware does not
 * list among the ones the bridge passes DMA on from (the property dma-ranges of
 * the devicetree, _DMA objects in ACPI). Nothing for other devices.
 *
 * They are for showing, and must not be enforced.
 *
 * Context: May sleep. The device keeps its host bridge in place.
 *
 * Return: 0, or -ENOMEM with @list as it was. On success release the regions
 * with iommu_put_resv_regions() or kfree().
 */
int iommu_get_advisory_regions(struct device *dev, struct list_head *list)
{
	struct pci_host_bridge *bridge;
	int ret;

	if (!dev_is_pci(dev))
		return 0;
	bridge = pci_find_host_bridge(to_pci_dev(dev)->bus);
	mutex_lock(&iommu_bridge_lock);
	ret = iommu_resv_add_bridge(&bridge->windows, &bridge->dma_ranges,
				    list);
	mutex_unlock(&iommu_bridge_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(iommu_get_advisory_regions);

static const char *const resv_type_string[] = {
	[IOMMU_RESV_DIRECT]		= "direct",
	[IOMMU_RESV_DIRECT_RELAXABLE]	= "direct-relaxable",
	[IOMMU_RESV_RESERVED]		= "reserved",
	[IOMMU_RESV_MSI]		= "msi",
	[IOMMU_RESV_SW_MSI]		= "sw-msi",
	[IOMMU_RESV_BRIDGE_WINDOW]	= "bridge-window",
	[IOMMU_RESV_NO_DMA]		= "no-dma",
};

/* Two numbers of 18 characters, the longest word of 16, and what is between */
#define RESV_LINE_MAX	56

static void resv_print(struct seq_buf *s, u64 start, u64 last, const char *word)
{
	seq_buf_printf(s, "0x%016llx 0x%016llx %s\n", start, last, word);
}

static int resv_print_usable(u64 start, u64 last, void *data)
{
	resv_print(data, start, last, "usable");
	return 0;
}

/**
 * iommu_resv_print - Write regions and what they leave for DMA as text
 * @regions: Regions of a group, is sorted
 * @start: First IOVA of the aperture
 * @last: Last IOVA of the aperture, inclusive; below @start if the devices have
 *        none in common
 * @aperture: Is the aperture known? Otherwise @start and @last are all there is.
 * @len: Out: length of the text, without the NUL at its end
 *
 * The format is that of Documentation/ABI/testing/sysfs-kernel-iommu_groups.
 *
 * Return: the text, to be freed with kvfree(), or ERR_PTR(-ENOMEM).
 */
char *iommu_resv_print(struct list_head *regions, u64 start, u64 last,
		       bool aperture, size_t *len)
{
	struct iommu_resv_region *region;
	struct seq_buf s;
	size_t lines;
	char *buf;

	/* Each region, at most one range before each and one at the end, aperture */
	lines = 2 * list_count_nodes(regions) + 2;
	buf = kvcalloc(lines, RESV_LINE_MAX, GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	seq_buf_init(&s, buf, lines * RESV_LINE_MAX);

	iommu_resv_sort(regions);
	if (aperture && start <= last)
		resv_print(&s, start, last, "aperture");
	list_for_each_entry(region, regions, list)
		if (region->length)
			resv_print(&s, region->start,
				   iommu_resv_region_last(region),
				   resv_type_string[region->type]);
	iommu_resv_walk_usable(regions, start, last, resv_print_usable, &s);

	WARN_ON(seq_buf_has_overflowed(&s));
	*len = seq_buf_used(&s);
	return buf;
}
EXPORT_SYMBOL_IF_KUNIT(iommu_resv_print);
