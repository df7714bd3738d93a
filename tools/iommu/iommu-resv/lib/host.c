// SPDX-License-Identifier: GPL-2.0-only
/* Hosts, devices and regions, and how to read them from text. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "resv.h"

/* The words of sysfs and of JSON need not be the same. */
static const struct {
	const char *json;
	const char *detail;
	const char *iova_regions;
	const char *reserved_regions;
	bool enforced;
	bool advisory;
} types[] = {
	[RESV_DIRECT] = { "direct", NULL, "direct", "direct", true },
	[RESV_DIRECT_RELAXABLE] = { "direct-relaxable", NULL,
				    "direct-relaxable", "direct-relaxable" },
	[RESV_RESERVED] = { "reserved", NULL, "reserved", "reserved", true },
	[RESV_MSI] = { "msi", NULL, NULL, "msi", true },
	[RESV_MSI_HW] = { "msi-hw", NULL, "msi", NULL, true },
	[RESV_MSI_SW] = { "msi-sw", NULL, "sw-msi", NULL, true },
	[RESV_BRIDGE_WINDOW] = { "advisory", "bridge-window", "bridge-window",
				 NULL, false, true },
	[RESV_NO_DMA] = { "advisory", "no-dma", "no-dma", NULL, false, true },
	[RESV_ADVISORY] = { "advisory", NULL, NULL, NULL, false, true },
	[RESV_APERTURE] = { "aperture" },
	[RESV_UNEXPLAINED] = { "unexplained" },
};

static const struct {
	const char *name;
	const char *lacks;
} sources[] = {
	[RESV_FROM_IOCTL] = { "ioctl", NULL },
	[RESV_FROM_IOVA_REGIONS] = { "iova_regions", NULL },
	[RESV_FROM_RESERVED_REGIONS] = {
		"reserved_regions",
		"the aperture, whether msi is hardware or software, advisory regions",
	},
};

const char *resv_type_name(enum resv_type type)
{
	return types[type].json;
}

const char *resv_type_detail(enum resv_type type)
{
	return types[type].detail;
}

bool resv_type_enforced(enum resv_type type)
{
	return types[type].enforced;
}

bool resv_type_advisory(enum resv_type type)
{
	return types[type].advisory;
}

const char *resv_source_name(enum resv_source source)
{
	return sources[source].name;
}

const char *resv_source_lacks(enum resv_source source)
{
	return sources[source].lacks;
}

void resv_device_free(struct resv_device *dev)
{
	free(dev->name);
	free(dev->driver);
	free(dev->vfio);
	free(dev->label);
	free(dev->regions);
	resv_set_free(&dev->ranges);
	*dev = (struct resv_device){};
}

/* Make room for one more; returns false if there is no memory */
static bool grow(void **array, size_t num, size_t *max, size_t size)
{
	size_t new_max = *max ? *max + *max / 2 + 1 : 4;
	void *p;

	if (num < *max)
		return true;
	p = realloc(*array, new_max * size);
	if (!p)
		return false;
	*array = p;
	*max = new_max;
	return true;
}

int resv_device_add_region(struct resv_device *dev, uint64_t start,
			   uint64_t last, enum resv_type type)
{
	if (start > last)
		return -EINVAL;
	if (!grow((void **)&dev->regions, dev->num_regions, &dev->max_regions,
		  sizeof(*dev->regions)))
		return -ENOMEM;
	dev->regions[dev->num_regions++] =
		(struct resv_region){ start, last, type };
	return 0;
}

int resv_device_set_ranges(struct resv_device *dev)
{
	struct resv_set enforced = {};
	size_t i;
	int rc = 0;

	dev->ranges.num = 0;
	for (i = 0; !rc && i != dev->num_regions; i++)
		if (resv_type_enforced(dev->regions[i].type))
			rc = resv_set_add(&enforced, dev->regions[i].start,
					  dev->regions[i].last);
	if (!rc) {
		resv_set_normalize(&enforced);
		rc = resv_set_invert(&enforced,
				     dev->aperture_known ? dev->aperture :
							   RESV_EVERYTHING,
				     &dev->ranges);
	}
	resv_set_free(&enforced);
	return rc;
}

static int cmp_regions(const void *a, const void *b)
{
	const struct resv_region *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->last != y->last)
		return x->last < y->last ? -1 : 1;
	return (x->type > y->type) - (x->type < y->type);
}

void resv_device_sort(struct resv_device *dev)
{
	size_t i;

	/* Mostly they are sorted already */
	for (i = 1; i < dev->num_regions; i++)
		if (cmp_regions(&dev->regions[i - 1], &dev->regions[i]) > 0)
			break;
	if (i < dev->num_regions)
		qsort(dev->regions, dev->num_regions, sizeof(*dev->regions),
		      cmp_regions);
}

const char *resv_device_unassignable(const struct resv_device *dev)
{
	size_t i;

	if (dev->bridge)
		return "it is a PCI bridge";
	if (dev->no_iommu)
		return "no IOMMU translates its DMA";
	for (i = 0; i != dev->num_regions; i++)
		if (dev->regions[i].type == RESV_DIRECT)
			return "its group has a direct region";
	return NULL;
}

void resv_host_free(struct resv_host *host)
{
	size_t i;

	for (i = 0; i != host->num_devices; i++)
		resv_device_free(&host->devices[i]);
	free(host->devices);
	free(host->name);
	*host = (struct resv_host){};
}

int resv_host_add(struct resv_host *host, struct resv_device *dev)
{
	if (!grow((void **)&host->devices, host->num_devices,
		  &host->max_devices, sizeof(*dev))) {
		resv_device_free(dev);
		return -ENOMEM;
	}
	resv_device_sort(dev);
	host->devices[host->num_devices++] = *dev;
	*dev = (struct resv_device){};
	return 0;
}

static int cmp_devices(const void *a, const void *b)
{
	const struct resv_device *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int resv_host_sort(struct resv_host *host, struct resv_err *err)
{
	size_t i;

	if (host->num_devices)
		qsort(host->devices, host->num_devices, sizeof(*host->devices),
		      cmp_devices);
	for (i = 1; i < host->num_devices; i++)
		if (!cmp_devices(&host->devices[i - 1], &host->devices[i]))
			return resv_fail(err, -EEXIST,
					 "device %.80s is there twice",
					 host->devices[i].name);
	return 0;
}

struct resv_device *resv_host_find(const struct resv_host *host,
				   const char *name)
{
	struct resv_device key = { .name = (char *)name };

	if (!host->num_devices)
		return NULL;
	return bsearch(&key, host->devices, host->num_devices, sizeof(key),
		       cmp_devices);
}

/* ---- sysfs ---- */

/* "0x0123456789abcdef" and a space: returns what follows, or NULL */
static const char *hex(const char *p, const char *end, uint64_t *val)
{
	const char *digits = p + 2;

	if (end - p < 3 || p[0] != '0' || p[1] != 'x')
		return NULL;
	*val = 0;
	for (p = digits; p != end && *p != ' '; p++) {
		unsigned int digit;

		if (*p >= '0' && *p <= '9')
			digit = *p - '0';
		else if (*p >= 'a' && *p <= 'f')
			digit = *p - 'a' + 10;
		else
			return NULL;
		if (*val >> 60)
			return NULL;
		*val = *val << 4 | digit;
	}
	return p == digits || p == end ? NULL : p + 1;
}

/* A line with a known word is added to the device. */
static int add_line(struct resv_device *dev, uint64_t start, uint64_t last,
		    const char *word, size_t len)
{
	unsigned int type;

	if (dev->source == RESV_FROM_IOVA_REGIONS) {
		if (len == 8 && !memcmp(word, "aperture", 8)) {
			if (dev->aperture_known)
				return -EINVAL;
			dev->aperture_known = true;
			dev->aperture = (struct resv_range){ start, last };
			return 0;
		}
		if (len == 6 && !memcmp(word, "usable", 6))
			return resv_set_add(&dev->ranges, start, last);
	}
	for (type = 0; type != RESV_NUM_TYPES; type++) {
		const char *name = dev->source == RESV_FROM_IOVA_REGIONS ?
					   types[type].iova_regions :
					   types[type].reserved_regions;

		if (name && strlen(name) == len && !memcmp(name, word, len))
			return resv_device_add_region(dev, start, last, type);
	}
	/*
	 * A kernel to come. iova_regions has it in its usable ranges already if
	 * it is enforced. With reserved_regions one has to think the worst.
	 */
	if (dev->source == RESV_FROM_IOVA_REGIONS)
		return 0;
	return resv_device_add_region(dev, start, last, RESV_RESERVED);
}

/*
 * reserved_regions ends with its page, in the middle of a line. Whatever the
 * size of a page there, such a file has one byte less.
 */
static bool was_cut(size_t len)
{
	return len == 4095 || len == 16383 || len == 65535;
}

int resv_parse_sysfs(const char *text, size_t len, const char *name,
		     struct resv_device *dev, struct resv_err *err)
{
	const char *end = text + len;
	unsigned int line = 0;
	const char *p, *nl;
	int rc;

	if (dev->source == RESV_FROM_RESERVED_REGIONS && was_cut(len))
		return resv_fail(
			err, -EMSGSIZE,
			"%.200s: cut by the kernel at the size of a page, there are more regions",
			name);
	for (; text != end; text = nl + 1) {
		uint64_t start, last;

		line++;
		nl = memchr(text, '\n', end - text);
		if (!nl)
			return resv_fail(err, -EINVAL,
					 "%.200s:%u: the line has no end", name,
					 line);
		p = hex(text, nl, &start);
		if (p)
			p = hex(p, nl, &last);
		if (!p || p == nl || memchr(p, ' ', nl - p))
			return resv_fail(
				err, -EINVAL,
				"%.200s:%u: not \"0x<start> 0x<last> <type>\"",
				name, line);
		if (start > last)
			return resv_fail(
				err, -EINVAL,
				"%.200s:%u: the range ends before it starts",
				name, line);
		rc = add_line(dev, start, last, p, nl - p);
		if (rc == -EINVAL)
			return resv_fail(err, rc,
					 "%.200s:%u: a second aperture", name,
					 line);
		if (rc)
			return rc;
	}
	if (dev->source == RESV_FROM_RESERVED_REGIONS)
		return resv_device_set_ranges(dev);
	resv_set_normalize(&dev->ranges);
	return 0;
}
