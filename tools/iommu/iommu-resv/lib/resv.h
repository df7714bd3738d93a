/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reserved IOVA regions: a library for those who lay out the memory of a VM.
 *
 * A host has devices. A device has regions, where it cannot do DMA or should
 * not, and ranges, which are what is left for DMA. Several devices, of one host
 * or of many, make a pool. What any device of a pool cannot use is a block, and
 * blocks that overlap or touch make a hole. Guest RAM goes between the holes.
 *
 * The library does no I/O. Callers hand in text (of sysfs, of JSON) and get text
 * out through a FILE, which may be one of open_memstream(). It keeps no state
 * and never exits; functions return 0 or a negative errno unless they say
 * otherwise. Where a struct resv_err is passed it tells what was wrong. Objects
 * belong to the caller, who frees them with the function next to them, after a
 * failure too. A zeroed object is an empty one.
 *
 * Every range has two inclusive ends, start and last, so that one can end at the
 * top of the address space. "size" and "length" are bytes.
 */
#ifndef __IOMMU_RESV_H
#define __IOMMU_RESV_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define RESV_SCHEMA 1

struct resv_err {
	char text[512];
};

/* Fill in @err, which may be NULL; returns @rc so that one can return it */
int resv_fail(struct resv_err *err, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- Ranges (range.c) ---- */

struct resv_range {
	uint64_t start;
	uint64_t last;
};

#define RESV_EVERYTHING ((struct resv_range){ 0, UINT64_MAX })

/* Ranges of IOVA. Normal: sorted, and no two of them overlap or touch. */
struct resv_set {
	struct resv_range *ranges;
	size_t num;
	size_t max;
};

void resv_set_free(struct resv_set *set);
/* Append; the set may not be normal afterwards. */
int resv_set_add(struct resv_set *set, uint64_t start, uint64_t last);
void resv_set_normalize(struct resv_set *set);
/* All of these take normal sets and give a new normal one. */
int resv_set_invert(const struct resv_set *set, struct resv_range within,
		    struct resv_set *out);
int resv_set_intersect(const struct resv_set *a, const struct resv_set *b,
		       struct resv_set *out);
int resv_set_subtract(const struct resv_set *a, const struct resv_set *b,
		      struct resv_set *out);
bool resv_set_equal(const struct resv_set *a, const struct resv_set *b);
/* The first range that overlaps, or NULL */
const struct resv_range *resv_set_find(const struct resv_set *set,
				       struct resv_range range);
/*
 * Shrink to multiples of @align, a power of two. False: nothing is left.
 */
bool resv_range_align(struct resv_range *range, uint64_t align);

/*
 * A number of bytes or an address: decimal or 0x hexadecimal, then optionally K,
 * M, G, T, P or E for powers of 1024. -EINVAL: no number, -ERANGE: not less than
 * 2^64.
 */
int resv_parse_size(const char *text, uint64_t *val);

#define RESV_SIZE_LEN 32
/* "2M": exact, in the largest unit that divides it */
const char *resv_exact_size(char buf[RESV_SIZE_LEN], struct resv_range range);
/* "255.9T": for people, rounded down where it is long */
const char *resv_short_size(char buf[RESV_SIZE_LEN], struct resv_range range);

/* ---- Hosts (host.c) ---- */

enum resv_type {
	RESV_DIRECT,
	RESV_DIRECT_RELAXABLE,
	RESV_RESERVED,
	RESV_MSI, /* hardware or software, it is not known which */
	RESV_MSI_HW,
	RESV_MSI_SW,
	/* Advisory: nothing enforces these */
	RESV_BRIDGE_WINDOW,
	RESV_NO_DMA,
	RESV_ADVISORY, /* of a kind that is not known */
	RESV_NUM_TYPES,
	/* No regions, but reasons why an IOVA cannot be used */
	RESV_APERTURE = RESV_NUM_TYPES,
	RESV_UNEXPLAINED,
	RESV_NUM_REASONS,
};

/* "msi-hw"; all advisory types are "advisory" */
const char *resv_type_name(enum resv_type type);
/* "bridge-window", "no-dma", or NULL where the name says it all */
const char *resv_type_detail(enum resv_type type);
/* Nothing can be mapped there while the device is attached */
bool resv_type_enforced(enum resv_type type);
bool resv_type_advisory(enum resv_type type);

enum resv_source {
	RESV_FROM_IOCTL, /* iommufd: all is known */
	RESV_FROM_IOVA_REGIONS, /* sysfs: all but the alignment */
	RESV_FROM_RESERVED_REGIONS, /* sysfs of old: see resv_source_lacks() */
	RESV_NUM_SOURCES,
};

const char *resv_source_name(enum resv_source source);
/* What cannot be known from this source, as part of a sentence, or NULL */
const char *resv_source_lacks(enum resv_source source);

struct resv_region {
	uint64_t start;
	uint64_t last;
	enum resv_type type;
};

struct resv_device {
	char *name; /* "0000:00:05.0", or that of a platform device */
	char *driver; /* NULL: none */
	char *vfio; /* "vfio0", NULL: none */
	char *label; /* of the PCI ID database, NULL: not known */
	long group; /* -1: not known */
	enum resv_source source;
	bool bridge; /* a PCI bridge, which is never assigned */
	bool no_iommu; /* nothing translates its DMA */
	bool aperture_known;
	struct resv_range aperture;
	uint64_t alignment; /* of IOVA and length; 0: not known */
	struct resv_region *regions; /* by start, last and type; may overlap */
	size_t num_regions;
	size_t max_regions;
	struct resv_set ranges; /* normal */
};

struct resv_host {
	char *name;
	struct resv_device *devices; /* by name */
	size_t num_devices;
	size_t max_devices;
};

void resv_device_free(struct resv_device *dev);
int resv_device_add_region(struct resv_device *dev, uint64_t start,
			   uint64_t last, enum resv_type type);
/* The aperture without the regions that are enforced become the ranges. */
int resv_device_set_ranges(struct resv_device *dev);
void resv_device_sort(struct resv_device *dev);

/*
 * Can it be given to a VM or to a user space driver? NULL: yes. Else the reason
 * as part of a sentence.
 */
const char *resv_device_unassignable(const struct resv_device *dev);

void resv_host_free(struct resv_host *host);
/* The device is moved into the host, whatever is returned. */
int resv_host_add(struct resv_host *host, struct resv_device *dev);
/* Sort. -EEXIST: two devices have the same name */
int resv_host_sort(struct resv_host *host, struct resv_err *err);
/* Of a sorted host */
struct resv_device *resv_host_find(const struct resv_host *host,
				   const char *name);

/*
 * Parse the text of sysfs iova_regions or reserved_regions, by dev->source.
 * @name is for messages. -EMSGSIZE: the kernel has cut the list.
 */
int resv_parse_sysfs(const char *text, size_t len, const char *name,
		     struct resv_device *dev, struct resv_err *err);

/* ---- JSON (parse.c, write.c) ---- */

/*
 * Where JSON comes from. @read gives at most @len bytes, 0 at the end, or a
 * negative errno. @limit is how many bytes are read before it is an error.
 */
struct resv_input {
	const char *name;
	ssize_t (*read)(void *ctx, void *buf, size_t len);
	void *ctx;
	uint64_t limit;
};

/* Errors name the line. -EINVAL: bad JSON, -EFBIG: more than the limit */
int resv_parse_host(const struct resv_input *in, struct resv_host *host,
		    struct resv_err *err);

/* Errors are those of @out. Parsing what it writes gives the same host. */
void resv_write_host(FILE *out, const struct resv_host *host);

/* ---- Pools, blocks and holes (pool.c) ---- */

/* A device of a host. Neither is owned. */
struct resv_pick {
	const struct resv_host *host;
	const struct resv_device *dev;
};

struct resv_pool {
	struct resv_pick *picks;
	size_t num;
	size_t max;
	bool several_hosts;
};

void resv_pool_free(struct resv_pool *pool);
int resv_pool_add(struct resv_pool *pool, const struct resv_host *host,
		  const struct resv_device *dev);

struct resv_block {
	uint64_t start;
	uint64_t last;
	uint32_t pick; /* index in the pool */
	uint32_t why; /* enum resv_type, RESV_APERTURE or RESV_UNEXPLAINED */
};

/* A run of blocks that overlap or touch */
struct resv_hole {
	uint64_t start;
	uint64_t last;
	size_t first;
	size_t num;
};

struct resv_holes {
	const struct resv_pool *pool;
	struct resv_block *blocks; /* by start, pick, reason and last */
	size_t num_blocks;
	size_t max_blocks;
	struct resv_hole *holes; /* sorted */
	size_t num;
};

#define RESV_IGNORE_ADVISORY (1U << 0)

void resv_holes_free(struct resv_holes *holes);
/*
 * All that some device of the pool cannot use. The pool must stay. The time is
 * that of sorting all regions of all devices once.
 */
int resv_find_holes(const struct resv_pool *pool, unsigned int flags,
		    struct resv_holes *holes);
/* What is between the holes is good for every device. */
int resv_common_ranges(const struct resv_holes *holes, struct resv_set *out);

/* ---- Plans and layouts (plan.c) ---- */

struct resv_plan {
	uint64_t ram;
	uint64_t base; /* no RAM below */
	uint64_t align; /* of start and size of each piece, a power of two */
	struct resv_set pieces; /* the result; may touch if an end is given */
	uint64_t placed; /* bytes of RAM there was room for */
};

void resv_plan_free(struct resv_plan *plan);
/*
 * Lay out @ram bytes from @base upwards. -EINVAL: a number is 0, no power of two
 * or no multiple of @align. -ENOSPC: there is room for @placed bytes only.
 */
int resv_make_plan(struct resv_plan *plan, const struct resv_holes *holes,
		   struct resv_err *err);

struct resv_piece {
	uint64_t start;
	uint64_t last;
	unsigned int line;
};

struct resv_layout {
	struct resv_piece *pieces; /* sorted, do not overlap */
	size_t num;
	size_t max;
};

void resv_layout_free(struct resv_layout *layout);
int resv_parse_layout(const struct resv_input *in, struct resv_layout *layout,
		      struct resv_err *err);

/* How many pieces have something of the range in them */
size_t resv_layout_overlaps(const struct resv_layout *layout,
			    struct resv_range range);

/* Called for each block in the way of a piece. Not 0: stop and return it. */
typedef int (*resv_conflict_fn)(void *ctx, const struct resv_piece *piece,
				const struct resv_block *block);

int resv_check_layout(const struct resv_layout *layout,
		      const struct resv_holes *holes, resv_conflict_fn fn,
		      void *ctx);

#endif
