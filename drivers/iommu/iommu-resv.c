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
 * IOMMU drivers do not know what a PCI host bridge keeps away from the IOMMU.
 * iommu_get_advisory_regions() finds it. It is shown and never enforced: firmware
 * is wrong about it too often.
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
#include <linux/acpi.h>
#include <linux/acpi_iort.h>
#include <linux/dma-direct.h>
#include <linux/iommu.h>
#include <linux/limits.h>
#include <linux/list_sort.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
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
	int ret;

	/* Nobody on a 32-bit kernel can map there */
	if (start > SIZE_MAX)
		return 0;
	last = min_t(u64, last, SIZE_MAX);
	/* All addresses together have no length either */
	if (!start && last == SIZE_MAX) {
		ret = resv_add(start, last / 2, type, list);
		if (ret)
			return ret;
		start = last / 2 + 1;
	}

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

static int resv_add_inside(u64 start, u64 last, u64 limit,
			   struct list_head *inside)
{
	if (start > limit)
		return 0;
	return resv_add(start, min(last, limit), IOMMU_RESV_RESERVED, inside);
}

/*
 * List in @inside what @dma_ranges and @map allow, up to @limit. What says nothing
 * allows everything; if both say something then they say the same, the first in
 * the words of the devicetree, and the second in those of ACPI.
 */
static int resv_add_allowed(struct list_head *dma_ranges,
			    const struct bus_dma_region *map, u64 limit,
			    struct list_head *inside)
{
	struct resource_entry *window;
	bool said = false;
	u64 start, last;
	int ret;

	resource_list_for_each_entry(window, dma_ranges) {
		if (!window_range(window, &start, &last))
			continue;
		said = true;
		ret = resv_add_inside(start, last, limit, inside);
		if (ret)
			return ret;
	}
	if (said)
		return 0;

	if (!map)
		return resv_add_inside(0, U64_MAX, limit, inside);
	for (; map->size; map++) {
		ret = resv_add_inside(map->dma_start,
				      map->dma_start + (map->size - 1), limit,
				      inside);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * iommu_resv_add_bridge - List what a host bridge does not pass on
 * @windows: struct resource_entry of the windows to the devices, memory or not
 * @dma_ranges: struct resource_entry of the bus addresses that DMA is passed on
 *              from, in any order; empty if that is not known
 * @map: the same in another form, like &device.dma_range_map; NULL if it is not
 *       known
 * @limit: last bus address that DMA is passed on from; U64_MAX if there is none
 * @list: Regions to add IOMMU_RESV_BRIDGE_WINDOW and IOMMU_RESV_NO_DMA to
 *
 * Neither @windows nor @dma_ranges is changed.
 *
 * Return: 0, or -ENOMEM with @list as it was.
 */
int iommu_resv_add_bridge(struct list_head *windows,
			  struct list_head *dma_ranges,
			  const struct bus_dma_region *map, u64 limit,
			  struct list_head *list)
{
	struct resource_entry *window;
	LIST_HEAD(regions);
	LIST_HEAD(inside);
	u64 start, last;
	int ret;

	resource_list_for_each_entry(window, windows) {
		if (!window_range(window, &start, &last))
			continue;
		ret = resv_add(start, last, IOMMU_RESV_BRIDGE_WINDOW, &regions);
		if (ret)
			goto out_free;
	}
	ret = resv_add_allowed(dma_ranges, map, limit, &inside);
	if (ret)
		goto out_free;
	ret = iommu_resv_walk_usable(&inside, 0, U64_MAX, resv_add_no_dma,
				     &regions);
	if (ret)
		goto out_free;
	list_splice_tail_init(&regions, list);

out_free:
	resv_free(&inside);
	resv_free(&regions);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(iommu_resv_add_bridge);

/*
 * What ACPI says: where DMA is passed on from in @map, which the caller has to
 * free, or else only up to where in @limit. As acpi_arch_dma_setup() does, whose
 * result, the dma_range_map of the device, comes and goes with its driver.
 */
static int resv_get_acpi(struct device *dev, const struct bus_dma_region **map,
			 u64 *limit)
{
	u64 iort_limit;
	int ret;

	*map = NULL;
	ret = acpi_dma_get_range(dev, map);
	if (ret == -ENOMEM)
		return ret;
	if (ret == -ENODEV && !iort_dma_get_ranges(dev, &iort_limit))
		*limit = min(*limit, iort_limit);
	/* Other errors are those of firmware, and then nothing is known */
	return 0;
}

/**
 * iommu_get_advisory_regions - Get the IOVAs that had better not be used
 * @dev: Device to ask for
 * @list: Regions to add to
 *
 * For a PCI device these are the memory windows of its host bridge, as
 * IOMMU_RESV_BRIDGE_WINDOW: DMA to them may go to another device and never reach
 * the IOMMU. And as IOMMU_RESV_NO_DMA those bus addresses that the bridge is not
 * said to pass DMA on from: by the property dma-ranges of the devicetree, by
 * _DMA objects of ACPI or, without these, by the memory address limit of the root
 * complex in the IORT. Of every device IOMMU_RESV_NO_DMA has also what is above
 * its bus_dma_limit, where firmware or a quirk of the platform has set one.
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
	u64 limit = READ_ONCE(dev->bus_dma_limit) ?: U64_MAX;
	const struct bus_dma_region *map;
	struct pci_host_bridge *bridge;
	LIST_HEAD(none);
	int ret;

	if (!dev_is_pci(dev))
		return iommu_resv_add_bridge(&none, &none, NULL, limit, list);

	ret = resv_get_acpi(dev, &map, &limit);
	if (ret)
		return ret;
	bridge = pci_find_host_bridge(to_pci_dev(dev)->bus);
	mutex_lock(&iommu_bridge_lock);
	ret = iommu_resv_add_bridge(&bridge->windows, &bridge->dma_ranges, map,
				    limit, list);
	mutex_unlock(&iommu_bridge_lock);
	kfree(map);
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

static void resv_print(struct seq_file *m, u64 start, u64 last,
		       const char *word)
{
	seq_printf(m, "0x%016llx 0x%016llx %s\n", start, last, word);
}

static int resv_print_usable(u64 start, u64 last, void *data)
{
	resv_print(data, start, last, "usable");
	return 0;
}

/**
 * iommu_resv_print - Write regions and what they leave for DMA as text
 * @m: File to print to
 * @regions: Regions of a group, is sorted
 * @start: First IOVA of the aperture
 * @last: Last IOVA of the aperture, inclusive; below @start if the devices have
 *        none in common
 * @aperture: Is the aperture known? Otherwise @start and @last are all there is.
 *
 * The format is that of Documentation/ABI/testing/sysfs-kernel-iommu_groups.
 */
void iommu_resv_print(struct seq_file *m, struct list_head *regions, u64 start,
		      u64 last, bool aperture)
{
	struct iommu_resv_region *region;

	iommu_resv_sort(regions);
	if (aperture && start <= last)
		resv_print(m, start, last, "aperture");
	list_for_each_entry(region, regions, list)
		if (region->length)
			resv_print(m, region->start,
				   iommu_resv_region_last(region),
				   resv_type_string[region->type]);
	iommu_resv_walk_usable(regions, start, last, resv_print_usable, m);
}
EXPORT_SYMBOL_IF_KUNIT(iommu_resv_print);
