// SPDX-License-Identifier: GPL-2.0-only
/* list, ranges: what there is. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static void print_line(FILE *out, struct resv_range range, const char *what,
		       const char *detail)
{
	char size[RESV_SIZE_LEN];
	char start[20], last[20];

	snprintf(start, sizeof(start), "0x%" PRIx64, range.start);
	snprintf(last, sizeof(last), "0x%" PRIx64, range.last);
	fprintf(out, "  %18s %18s %7s  %s%s%s%s\n", start, last,
		resv_short_size(size, range), what, detail ? " (" : "",
		detail ?: "", detail ? ")" : "");
}

static void print_device(FILE *out, const struct resv_device *dev)
{
	const char *why = resv_device_unassignable(dev);
	size_t i;

	fprintf(out, "\n%s", dev->name);
	if (dev->group >= 0)
		fprintf(out, "  group %ld", dev->group);
	fprintf(out, "  %s", dev->driver ?: "no driver");
	if (dev->vfio)
		fprintf(out, "  %s", dev->vfio);
	fprintf(out, "  read from %s\n", resv_source_name(dev->source));
	if (dev->label)
		fprintf(out, "  %s\n", dev->label);
	if (why)
		fprintf(out, "  Cannot be assigned: %s.\n", why);
	if (dev->aperture_known)
		print_line(out, dev->aperture, "aperture", NULL);
	for (i = 0; i != dev->num_regions; i++) {
		const struct resv_region *region = &dev->regions[i];

		print_line(out,
			   (struct resv_range){ region->start, region->last },
			   resv_type_name(region->type),
			   resv_type_detail(region->type));
	}
}

static bool named(const struct options *opts, const struct resv_device *dev)
{
	size_t i;

	for (i = 0; i != opts->devices.num; i++)
		if (!strcmp(opts->devices.names[i], dev->name))
			return true;
	return !opts->devices.num;
}

static int find_named(const struct options *opts, const struct loaded *loaded)
{
	size_t d, h;

	for (d = 0; d != opts->devices.num; d++) {
		for (h = 0; h != loaded->num; h++)
			if (resv_host_find(&loaded->hosts[h],
					   opts->devices.names[d]))
				break;
		if (h == loaded->num)
			return complain(
				"%s: no such device, or it is in no IOMMU group",
				opts->devices.names[d]);
	}
	return 0;
}

/* All that list shows, whether it can be assigned or not */
static int pool_shown(const struct options *opts, struct loaded *loaded)
{
	size_t d;

	for (d = 0; d != loaded->hosts[0].num_devices; d++)
		if (named(opts, &loaded->hosts[0].devices[d]) &&
		    resv_pool_add(&loaded->pool, &loaded->hosts[0],
				  &loaded->hosts[0].devices[d]))
			return complain("out of memory");
	return 0;
}

/* The others go */
static void keep_named(const struct options *opts, struct resv_host *host)
{
	size_t i, num = 0;

	for (i = 0; i != host->num_devices; i++) {
		if (named(opts, &host->devices[i]))
			host->devices[num++] = host->devices[i];
		else
			resv_device_free(&host->devices[i]);
	}
	host->num_devices = num;
}

static int cmp_longs(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static size_t count_groups(const struct resv_pool *pool)
{
	long *groups = must(calloc(pool->num + 1, sizeof(*groups)));
	size_t num = 0, i;

	for (i = 0; i != pool->num; i++)
		groups[i] = pool->picks[i].dev->group;
	qsort(groups, pool->num, sizeof(*groups), cmp_longs);
	for (i = 0; i != pool->num; i++)
		if (groups[i] >= 0 && (!i || groups[i] != groups[i - 1]))
			num++;
	free(groups);
	return num;
}

int cmd_list(const struct options *opts, FILE *out)
{
	char devices[COUNT_LEN], groups[COUNT_LEN];
	struct loaded loaded = {};
	size_t i;
	int rc;

	rc = load_hosts(opts, &opts->hosts, &loaded);
	if (!rc && loaded.num != 1)
		rc = complain("list takes one --host");
	if (!rc)
		rc = find_named(opts, &loaded);
	if (!rc)
		rc = pool_shown(opts, &loaded);
	if (rc)
		goto out;
	if (opts->json) {
		keep_named(opts, &loaded.hosts[0]);
		resv_write_host(out, &loaded.hosts[0]);
		goto out;
	}
	fprintf(out, "%s: %s in %s\n", loaded.hosts[0].name ?: "this host",
		count(devices, loaded.pool.num, "device"),
		count(groups, count_groups(&loaded.pool), "group"));
	for (i = 0; i != loaded.pool.num; i++)
		print_device(out, loaded.pool.picks[i].dev);
	fputc('\n', out);
	print_unknown(out, &loaded.pool);
out:
	loaded_free(&loaded);
	return rc;
}

static uint64_t common_alignment(const struct resv_pool *pool)
{
	uint64_t align = 0;
	size_t i;

	/* Powers of two: the largest one is a multiple of all */
	for (i = 0; i != pool->num; i++) {
		if (!pool->picks[i].dev->alignment)
			return 0;
		if (pool->picks[i].dev->alignment > align)
			align = pool->picks[i].dev->alignment;
	}
	return align;
}

/* The aperture of a set is what all of them can translate. */
static bool common_aperture(const struct resv_pool *pool,
			    struct resv_range *range)
{
	size_t i;

	*range = RESV_EVERYTHING;
	for (i = 0; i != pool->num; i++) {
		const struct resv_device *dev = pool->picks[i].dev;

		if (!dev->aperture_known)
			return false;
		if (dev->aperture.start > range->start)
			range->start = dev->aperture.start;
		if (dev->aperture.last < range->last)
			range->last = dev->aperture.last;
	}
	return range->start <= range->last;
}

static void print_ranges(FILE *out, const char *what, bool known,
			 struct resv_range aperture, uint64_t alignment,
			 const struct resv_set *set)
{
	char size[RESV_SIZE_LEN];
	size_t i;

	fprintf(out, "%s: ", what);
	if (known)
		fprintf(out, "aperture 0x%" PRIx64 "-0x%" PRIx64,
			aperture.start, aperture.last);
	else
		fputs("aperture not known", out);
	if (alignment)
		fprintf(out, ", alignment %s\n",
			resv_exact_size(
				size, (struct resv_range){ 0, alignment - 1 }));
	else
		fputs(", alignment not known\n", out);
	for (i = 0; i != set->num; i++)
		print_line(out, set->ranges[i], "usable", NULL);
	if (!set->num)
		fputs("  Nothing is usable.\n", out);
}

static void json_ranges(struct rjson_out *o, const struct resv_pick *pick,
			bool known, struct resv_range aperture,
			uint64_t alignment, const struct resv_set *set)
{
	rjson_open(o, pick ? NULL : "common", '{', false);
	if (pick) {
		rjson_put_string(o, "host", pick->host->name);
		rjson_put_string(o, "bdf", pick->dev->name);
	}
	if (known)
		rjson_range(o, "aperture", aperture);
	else
		rjson_put_string(o, "aperture", NULL);
	if (alignment)
		rjson_put_hex(o, "alignment", alignment);
	else
		rjson_put_string(o, "alignment", NULL);
	rjson_set(o, "ranges", set);
	rjson_close(o, '}');
}

/* Ranges are what the kernel enforces; what is advisory is for plans. */
int cmd_ranges(const struct options *opts, FILE *out)
{
	struct rjson_out o = { .file = out };
	struct resv_holes holes = {};
	struct loaded loaded = {};
	struct resv_set set = {};
	struct resv_range common;
	char name[600];
	bool known;
	size_t i;
	int rc;

	rc = load_hosts(opts, &opts->hosts, &loaded);
	if (!rc)
		rc = load_pool(opts, &loaded);
	if (rc)
		goto out;
	if (resv_find_holes(&loaded.pool, RESV_IGNORE_ADVISORY, &holes) ||
	    resv_common_ranges(&holes, &set)) {
		rc = complain("out of memory");
		goto out;
	}
	known = common_aperture(&loaded.pool, &common);
	if (opts->json) {
		rjson_open(&o, NULL, '{', false);
		rjson_put_int(&o, "schema", RESV_SCHEMA);
		rjson_open(&o, "devices", '[', false);
	}
	for (i = 0; i != loaded.pool.num; i++) {
		const struct resv_pick *pick = &loaded.pool.picks[i];

		if (opts->json) {
			json_ranges(&o, pick, pick->dev->aperture_known,
				    pick->dev->aperture, pick->dev->alignment,
				    &pick->dev->ranges);
			continue;
		}
		print_ranges(out,
			     pick_name(name, sizeof(name), &loaded.pool, i),
			     pick->dev->aperture_known, pick->dev->aperture,
			     pick->dev->alignment, &pick->dev->ranges);
		fputc('\n', out);
	}
	if (opts->json) {
		rjson_close(&o, ']');
		json_ranges(&o, NULL, known, common,
			    common_alignment(&loaded.pool), &set);
		json_unknown(&o, &loaded.pool);
		rjson_close(&o, '}');
		goto out;
	}
	print_ranges(out, "All together", known, common,
		     common_alignment(&loaded.pool), &set);
	print_unknown(out, &loaded.pool);
out:
	resv_set_free(&set);
	resv_holes_free(&holes);
	loaded_free(&loaded);
	return rc;
}
