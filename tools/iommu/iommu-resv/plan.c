// SPDX-License-Identifier: GPL-2.0-only
/* plan, check, intersect, diff: what fits where. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static unsigned int hole_flags(const struct options *opts)
{
	return opts->ignore_advisory ? RESV_IGNORE_ADVISORY : 0;
}

/* Hosts of --host or sysfs, or of @files, their pool and its holes */
static int load_holes(const struct options *opts, const struct names *files,
		      struct loaded *loaded, struct resv_holes *holes)
{
	int rc = load_hosts(opts, files, loaded);

	if (!rc)
		rc = load_pool(opts, loaded);
	if (!rc && resv_find_holes(&loaded->pool, hole_flags(opts), holes))
		rc = complain("out of memory");
	return rc;
}

static size_t left_out(const struct options *opts, const struct loaded *loaded)
{
	size_t num = 0, h, d;

	if (opts->devices.num)
		return 0;
	for (h = 0; h != loaded->num; h++)
		for (d = 0; d != loaded->hosts[h].num_devices; d++) {
			struct resv_device *dev = &loaded->hosts[h].devices[d];

			if (!dev->bridge && resv_device_unassignable(dev))
				num++;
		}
	return num;
}

/* The holes that RAM had to go around: those behind its start, before its end */
static bool in_plan(const struct resv_plan *plan, const struct resv_hole *hole)
{
	const struct resv_set *ram = &plan->pieces;

	return hole->last >= plan->base && ram->num &&
	       hole->start < ram->ranges[ram->num - 1].last;
}

static void print_hole(FILE *out, const struct resv_holes *holes,
		       const struct resv_hole *hole)
{
	struct resv_range range = { hole->start, hole->last };
	char size[RESV_SIZE_LEN];

	fprintf(out, "  hole 0x%" PRIx64 "-0x%" PRIx64 " (%s): ", hole->start,
		hole->last, resv_short_size(size, range));
	print_causes(out, holes, hole);
	fputc('\n', out);
}

static void print_plan(FILE *out, const struct resv_plan *plan,
		       const struct resv_holes *holes)
{
	char size[RESV_SIZE_LEN];
	size_t h = 0, i;

	for (i = 0; i != plan->pieces.num; i++) {
		struct resv_range piece = plan->pieces.ranges[i];

		for (; h != holes->num && holes->holes[h].start < piece.start;
		     h++)
			if (in_plan(plan, &holes->holes[h]))
				print_hole(out, holes, &holes->holes[h]);
		fprintf(out, "%s@0x%" PRIx64 "\n", resv_exact_size(size, piece),
			piece.start);
	}
}

static void json_plan(struct rjson_out *o, const struct resv_plan *plan,
		      const struct resv_holes *holes)
{
	size_t i;

	rjson_open(o, NULL, '{', false);
	rjson_put_int(o, "schema", RESV_SCHEMA);
	rjson_put_hex(o, "size", plan->ram);
	rjson_put_hex(o, "alignment", plan->align);
	rjson_set(o, "ram", &plan->pieces);
	rjson_open(o, "holes", '[', false);
	for (i = 0; i != holes->num; i++) {
		const struct resv_hole *hole = &holes->holes[i];

		if (!in_plan(plan, hole))
			continue;
		rjson_open(o, NULL, '{', false);
		rjson_put_ends(o, hole->start, hole->last);
		json_causes(o, holes, hole);
		rjson_close(o, '}');
	}
	rjson_close(o, ']');
	json_unknown(o, holes->pool);
	rjson_close(o, '}');
}

/* RAM that the IOMMU cannot map is no plan */
static int check_align(const struct options *opts, const struct loaded *loaded)
{
	char name[600], size[RESV_SIZE_LEN];
	size_t i;

	for (i = 0; i != loaded->pool.num; i++) {
		uint64_t need = loaded->pool.picks[i].dev->alignment;

		if (need > opts->align)
			return complain(
				"%s needs --align %s or more",
				pick_name(name, sizeof(name), &loaded->pool, i),
				resv_exact_size(size, (struct resv_range){
							      0, need - 1 }));
	}
	return 0;
}

int cmd_plan(const struct options *opts, FILE *out)
{
	struct resv_plan plan = { .ram = opts->ram,
				  .base = opts->base,
				  .align = opts->align };
	struct rjson_out o = { .file = out };
	struct resv_holes holes = {};
	struct loaded loaded = {};
	char text[COUNT_LEN];
	struct resv_err err;
	size_t num;
	int rc;

	if (!opts->ram_given)
		return complain("plan needs --ram");
	if (opts->qemu && opts->json)
		return complain("--qemu and --json do not go together");
	rc = load_holes(opts, &opts->hosts, &loaded, &holes);
	if (!rc)
		rc = check_align(opts, &loaded);
	if (rc)
		goto out;
	if (opts->qemu) {
		rc = print_qemu(out, opts, &holes);
		goto out;
	}
	rc = resv_make_plan(&plan, &holes, &err);
	if (rc) {
		complain("%s", err.text);
		rc = rc == -ENOSPC ? EXIT_NO : EXIT_BAD;
		goto out;
	}
	if (opts->json) {
		json_plan(&o, &plan, &holes);
		goto out;
	}
	print_plan(out, &plan, &holes);
	num = left_out(opts, &loaded);
	if (num)
		fprintf(out,
			"Left out, as it cannot be assigned: %s, see list\n",
			count(text, num, "device"));
	print_unknown(out, &loaded.pool);
out:
	resv_plan_free(&plan);
	resv_holes_free(&holes);
	loaded_free(&loaded);
	return rc;
}

/* ---- check, intersect --layout ---- */

/* Every piece may be in the way of every device: no more than these are shown */
#define MAX_CONFLICTS 1000

struct conflicts {
	FILE *out;
	struct rjson_out *o;
	const struct resv_pool *pool;
	size_t shown;
};

static int report_conflict(void *ctx, const struct resv_piece *piece,
			   const struct resv_block *block)
{
	struct conflicts *c = ctx;
	const struct resv_pick *pick = &c->pool->picks[block->pick];
	uint64_t start = block->start > piece->start ? block->start :
						       piece->start;
	uint64_t last = block->last < piece->last ? block->last : piece->last;
	char name[600];

	if (c->shown == MAX_CONFLICTS)
		return 1;
	c->shown++;
	if (!c->o) {
		fprintf(c->out, "RAM 0x%" PRIx64 "-0x%" PRIx64 ": ",
			piece->start, piece->last);
		fprintf(c->out, "0x%" PRIx64 "-0x%" PRIx64 " is %s of %s\n",
			start, last,
			block->why == RESV_APERTURE ?
				"outside of the aperture" :
				resv_type_name(block->why),
			pick_name(name, sizeof(name), c->pool, block->pick));
		return 0;
	}
	rjson_open(c->o, NULL, '{', true);
	rjson_put_string(c->o, "host", pick->host->name);
	rjson_put_string(c->o, "bdf", pick->dev->name);
	rjson_put_string(c->o, "type", resv_type_name(block->why));
	rjson_put_ends(c->o, start, last);
	rjson_range(c->o, "region",
		    (struct resv_range){ block->start, block->last });
	rjson_range(c->o, "ram",
		    (struct resv_range){ piece->start, piece->last });
	rjson_put_int(c->o, "line", piece->line);
	rjson_close(c->o, '}');
	return 0;
}

/* Sets @bad for each host; returns the number of conflicts */
static size_t count_conflicts(const struct resv_layout *layout,
			      const struct loaded *loaded,
			      const struct resv_holes *holes, bool *bad)
{
	size_t num = 0, i;

	for (i = 0; i != holes->num_blocks; i++) {
		const struct resv_block *block = &holes->blocks[i];
		struct resv_range range = { block->start, block->last };
		size_t here = resv_layout_overlaps(layout, range);

		num += here;
		if (here)
			bad[loaded->pool.picks[block->pick].host -
			    loaded->hosts] = true;
	}
	return num;
}

/* As above, and shows them */
static size_t check_layout(FILE *out, struct rjson_out *o,
			   const struct resv_layout *layout,
			   const struct loaded *loaded,
			   const struct resv_holes *holes, bool *bad)
{
	struct conflicts c = {
		.out = out,
		.o = o,
		.pool = &loaded->pool,
	};
	size_t num = count_conflicts(layout, loaded, holes, bad);

	if (o)
		rjson_open(o, "conflicts", '[', false);
	resv_check_layout(layout, holes, report_conflict, &c);
	if (o) {
		rjson_close(o, ']');
		rjson_put_int(o, "conflicts_in_all", num);
	} else if (c.shown != num) {
		fprintf(out, "And %zu conflicts more\n", num - c.shown);
	}
	return num;
}

static size_t count_bad(const bool *bad, size_t num)
{
	size_t count = 0, i;

	for (i = 0; i != num; i++)
		count += bad[i];
	return count;
}

/* The answer of check and of intersect --layout */
static int answer_layout(const struct options *opts, FILE *out,
			 const char *path, const struct loaded *loaded,
			 const struct resv_holes *holes)
{
	bool *bad = must(calloc(loaded->num, sizeof(*bad)));
	struct rjson_out o = { .file = out };
	struct resv_layout layout = {};
	size_t num, num_bad, i;
	int rc;

	rc = load_layout(path, &layout);
	if (rc)
		goto out;
	if (opts->json) {
		rjson_open(&o, NULL, '{', false);
		rjson_put_int(&o, "schema", RESV_SCHEMA);
	}
	num = check_layout(out, opts->json ? &o : NULL, &layout, loaded, holes,
			   bad);
	num_bad = count_bad(bad, loaded->num);
	rc = num ? EXIT_NO : EXIT_YES;
	if (opts->json) {
		rjson_put_bool(&o, "fits", !num);
		rjson_put_int(&o, "hosts", loaded->num);
		rjson_open(&o, "broken_by", '[', false);
		for (i = 0; i != loaded->num; i++)
			if (bad[i])
				rjson_put_string(&o, NULL,
						 loaded->hosts[i].name);
		rjson_close(&o, ']');
		json_unknown(&o, &loaded->pool);
		rjson_close(&o, '}');
		goto out;
	}
	if (loaded->num > 1) {
		for (i = 0; i != loaded->num; i++)
			if (bad[i])
				fprintf(out, "Broken by %s\n",
					loaded->hosts[i].name);
		if (num)
			fprintf(out, "Does not fit on %zu of %zu hosts\n",
				num_bad, loaded->num);
		else
			fprintf(out, "Fits on all %zu hosts\n", loaded->num);
	} else {
		fputs(num ? "Does not fit\n" : "Fits\n", out);
	}
	print_unknown(out, &loaded->pool);
out:
	resv_layout_free(&layout);
	free(bad);
	return rc;
}

int cmd_check(const struct options *opts, FILE *out)
{
	struct resv_holes holes = {};
	struct loaded loaded = {};
	int rc;

	if (opts->args.num != 1)
		return complain("check needs one file with a layout");
	rc = load_holes(opts, &opts->hosts, &loaded, &holes);
	if (!rc)
		rc = answer_layout(opts, out, opts->args.names[0], &loaded,
				   &holes);
	resv_holes_free(&holes);
	loaded_free(&loaded);
	return rc;
}

static void print_common(FILE *out, const struct loaded *loaded,
			 const struct resv_holes *holes,
			 const struct resv_set *set)
{
	char hosts[COUNT_LEN], devices[COUNT_LEN];
	char size[RESV_SIZE_LEN];
	size_t h = 0, i;

	fprintf(out, "Common to %s, %s:\n", count(hosts, loaded->num, "host"),
		count(devices, loaded->pool.num, "device"));
	/* Holes and ranges take turns, but for the first one */
	for (i = 0; i != set->num || h != holes->num;) {
		if (h != holes->num &&
		    (i == set->num ||
		     holes->holes[h].start < set->ranges[i].start)) {
			print_hole(out, holes, &holes->holes[h++]);
			continue;
		}
		fprintf(out, "0x%" PRIx64 "-0x%" PRIx64 " (%s)\n",
			set->ranges[i].start, set->ranges[i].last,
			resv_short_size(size, set->ranges[i]));
		i++;
	}
	print_unknown(out, &loaded->pool);
}

static void json_common(struct rjson_out *o, const struct loaded *loaded,
			const struct resv_holes *holes,
			const struct resv_set *set)
{
	size_t i;

	rjson_open(o, NULL, '{', false);
	rjson_put_int(o, "schema", RESV_SCHEMA);
	rjson_put_int(o, "hosts", loaded->num);
	rjson_put_int(o, "devices_considered", loaded->pool.num);
	rjson_set(o, "ranges", set);
	rjson_open(o, "holes", '[', false);
	for (i = 0; i != holes->num; i++) {
		rjson_open(o, NULL, '{', false);
		rjson_put_ends(o, holes->holes[i].start, holes->holes[i].last);
		json_causes(o, holes, &holes->holes[i]);
		rjson_close(o, '}');
	}
	rjson_close(o, ']');
	json_unknown(o, &loaded->pool);
	rjson_close(o, '}');
}

int cmd_intersect(const struct options *opts, FILE *out)
{
	struct rjson_out o = { .file = out };
	struct resv_holes holes = {};
	struct loaded loaded = {};
	struct resv_set set = {};
	int rc;

	if (!opts->args.num)
		return complain("intersect needs files written by list --json");
	rc = load_holes(opts, &opts->args, &loaded, &holes);
	if (!rc && opts->layout) {
		rc = answer_layout(opts, out, opts->layout, &loaded, &holes);
	} else if (!rc && resv_common_ranges(&holes, &set)) {
		rc = complain("out of memory");
	} else if (!rc) {
		if (opts->json)
			json_common(&o, &loaded, &holes, &set);
		else
			print_common(out, &loaded, &holes, &set);
		/* A pool that has nothing in common is no pool */
		rc = set.num ? EXIT_YES : EXIT_NO;
	}
	resv_set_free(&set);
	resv_holes_free(&holes);
	loaded_free(&loaded);
	return rc;
}

/* ---- diff ---- */

struct diff {
	FILE *out;
	struct rjson_out *o;
	const char *bdf;
	size_t num;
};

/* One difference: what only one side has ('-' the first one, '+' the second) */
static void differ(struct diff *d, char side, const char *what,
		   const struct resv_range *range)
{
	d->num++;
	if (d->o) {
		rjson_open(d->o, NULL, '{', true);
		rjson_put_string(d->o, "bdf", d->bdf);
		rjson_put_string(d->o, "only_in", side == '-' ? "a" : "b");
		rjson_put_string(d->o, "what", what);
		if (range)
			rjson_put_ends(d->o, range->start, range->last);
		rjson_close(d->o, '}');
		return;
	}
	fprintf(d->out, "%c %s", side, what);
	if (d->bdf)
		fprintf(d->out, " of %s", d->bdf);
	if (range)
		fprintf(d->out, ": 0x%" PRIx64 "-0x%" PRIx64, range->start,
			range->last);
	fputc('\n', d->out);
}

static int cmp_region(const struct resv_region *x, const struct resv_region *y)
{
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->last != y->last)
		return x->last < y->last ? -1 : 1;
	return (x->type > y->type) - (x->type < y->type);
}

static void diff_regions(struct diff *d, const struct resv_device *a,
			 const struct resv_device *b)
{
	size_t i = 0, j = 0;

	while (i != a->num_regions || j != b->num_regions) {
		const struct resv_region *region;
		int cmp;

		if (i == a->num_regions)
			cmp = 1;
		else if (j == b->num_regions)
			cmp = -1;
		else
			cmp = cmp_region(&a->regions[i], &b->regions[j]);
		region = cmp > 0 ? &b->regions[j] : &a->regions[i];
		if (cmp)
			differ(d, cmp < 0 ? '-' : '+',
			       resv_type_detail(region->type) ?:
				       resv_type_name(region->type),
			       &(struct resv_range){ region->start,
						     region->last });
		i += cmp <= 0;
		j += cmp >= 0;
	}
}

static int diff_sets(struct diff *d, const char *what, const struct resv_set *a,
		     const struct resv_set *b)
{
	struct resv_set only_a = {}, only_b = {};
	size_t i;
	int rc;

	rc = resv_set_subtract(a, b, &only_a);
	if (!rc)
		rc = resv_set_subtract(b, a, &only_b);
	for (i = 0; !rc && i != only_a.num; i++)
		differ(d, '-', what, &only_a.ranges[i]);
	for (i = 0; !rc && i != only_b.num; i++)
		differ(d, '+', what, &only_b.ranges[i]);
	resv_set_free(&only_a);
	resv_set_free(&only_b);
	return rc;
}

static int diff_devices(struct diff *d, const struct resv_device *a,
			const struct resv_device *b)
{
	const char *why_a = resv_device_unassignable(a);
	const char *why_b = resv_device_unassignable(b);

	if (a->aperture_known != b->aperture_known ||
	    (a->aperture_known && (a->aperture.start != b->aperture.start ||
				   a->aperture.last != b->aperture.last))) {
		if (a->aperture_known)
			differ(d, '-', "aperture", &a->aperture);
		if (b->aperture_known)
			differ(d, '+', "aperture", &b->aperture);
	}
	if (!why_a != !why_b)
		differ(d, why_a ? '+' : '-', "can be assigned", NULL);
	diff_regions(d, a, b);
	return diff_sets(d, "usable", &a->ranges, &b->ranges);
}

static int diff_hosts(struct diff *d, const struct resv_host *a,
		      const struct resv_host *b)
{
	size_t i = 0, j = 0;
	int rc = 0;

	while (!rc && (i != a->num_devices || j != b->num_devices)) {
		int cmp;

		if (i == a->num_devices)
			cmp = 1;
		else if (j == b->num_devices)
			cmp = -1;
		else
			cmp = strcmp(a->devices[i].name, b->devices[j].name);
		d->bdf = cmp > 0 ? b->devices[j].name : a->devices[i].name;
		if (cmp)
			differ(d, cmp < 0 ? '-' : '+', "device", NULL);
		else
			rc = diff_devices(d, &a->devices[i], &b->devices[j]);
		i += cmp <= 0;
		j += cmp >= 0;
	}
	d->bdf = NULL;
	return rc;
}

/* What all devices of a host can use, or nothing if there is none */
static int host_ranges(const struct options *opts, const struct resv_host *host,
		       struct resv_set *set)
{
	struct resv_holes holes = {};
	struct resv_pool pool = {};
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i != host->num_devices; i++)
		if (!resv_device_unassignable(&host->devices[i]))
			rc = resv_pool_add(&pool, host, &host->devices[i]);
	if (!rc && pool.num)
		rc = resv_find_holes(&pool, hole_flags(opts), &holes);
	if (!rc && pool.num)
		rc = resv_common_ranges(&holes, set);
	resv_holes_free(&holes);
	resv_pool_free(&pool);
	return rc;
}

int cmd_diff(const struct options *opts, FILE *out)
{
	struct rjson_out o = { .file = out };
	struct diff d = { .out = out, .o = opts->json ? &o : NULL };
	struct resv_set a = {}, b = {};
	struct loaded loaded = {};
	const char *names[2];
	size_t i;
	int rc;

	if (opts->args.num != 2)
		return complain("diff needs two files written by list --json");
	rc = load_hosts(opts, &opts->args, &loaded);
	if (rc)
		goto out;
	for (i = 0; i != 2; i++)
		names[i] = loaded.hosts[i].name;
	if (opts->json) {
		rjson_open(&o, NULL, '{', false);
		rjson_put_int(&o, "schema", RESV_SCHEMA);
		rjson_put_string(&o, "a", names[0]);
		rjson_put_string(&o, "b", names[1]);
		rjson_open(&o, "differences", '[', false);
	} else {
		fprintf(out, "--- %s\n+++ %s\n", names[0], names[1]);
	}
	if (diff_hosts(&d, &loaded.hosts[0], &loaded.hosts[1]) ||
	    host_ranges(opts, &loaded.hosts[0], &a) ||
	    host_ranges(opts, &loaded.hosts[1], &b) ||
	    diff_sets(&d, "usable by all devices", &a, &b)) {
		rc = complain("out of memory");
		goto out;
	}
	rc = d.num ? EXIT_NO : EXIT_YES;
	if (opts->json) {
		rjson_close(&o, ']');
		rjson_put_bool(&o, "same", !d.num);
		rjson_close(&o, '}');
	} else if (!d.num) {
		fputs("No difference\n", out);
	}
out:
	resv_set_free(&a);
	resv_set_free(&b);
	loaded_free(&loaded);
	return rc;
}
