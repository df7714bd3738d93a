// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hosts and layouts out of JSON. Members that are not known are skipped, so that
 * a schema can grow. What is there must make sense, and there once.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "rjson.h"

#define HAVE(n) (1U << (n))

/* {"start":..., "last":...} with @extra called for other members */
static int parse_ends(struct rjson *j, struct resv_range *range,
		      int (*extra)(struct rjson *j, void *ctx), void *ctx)
{
	unsigned int seen = 0;
	bool first = true;
	int rc;

	rc = rjson_enter(j, '{');
	while (!rc && (rc = rjson_member(j, &first)) > 0) {
		if (!strcmp(j->str, "start")) {
			rc = rjson_once(j, &seen, HAVE(0));
			if (!rc)
				rc = rjson_size(j, &range->start);
		} else if (!strcmp(j->str, "last")) {
			rc = rjson_once(j, &seen, HAVE(1));
			if (!rc)
				rc = rjson_size(j, &range->last);
		} else {
			rc = extra ? extra(j, ctx) : rjson_skip(j);
		}
	}
	if (rc)
		return rc;
	if (seen != (HAVE(0) | HAVE(1)))
		return rjson_bad(j, "a range without \"start\" or \"last\"");
	if (range->start > range->last)
		return rjson_bad(j, "the range ends before it starts");
	return 0;
}

struct region_words {
	unsigned int seen;
	bool typed;
	enum resv_type type;
	bool detailed;
	char detail[32];
};

static int region_member(struct rjson *j, void *ctx)
{
	struct region_words *words = ctx;
	unsigned int type;
	int rc;

	if (!strcmp(j->str, "type")) {
		rc = rjson_once(j, &words->seen, HAVE(0));
		if (!rc)
			rc = rjson_string(j);
		if (rc)
			return rc;
		for (type = 0; type != RESV_NUM_TYPES; type++)
			if (!resv_type_detail(type) &&
			    !strcmp(j->str, resv_type_name(type)))
				break;
		if (type == RESV_NUM_TYPES)
			return rjson_bad(j, "\"%.80s\" is no type of a region",
					 j->str);
		words->typed = true;
		words->type = type;
		return 0;
	}
	if (!strcmp(j->str, "detail")) {
		rc = rjson_once(j, &words->seen, HAVE(1));
		if (!rc)
			rc = rjson_string(j);
		if (rc)
			return rc;
		snprintf(words->detail, sizeof(words->detail), "%.31s", j->str);
		return 0;
	}
	return rjson_skip(j);
}

static int parse_regions(struct rjson *j, struct resv_device *dev)
{
	bool first = true;
	int rc;

	rc = rjson_enter(j, '[');
	while (!rc && (rc = rjson_element(j, &first)) > 0) {
		struct region_words words = {};
		struct resv_range range;
		unsigned int type;

		rc = parse_ends(j, &range, region_member, &words);
		if (rc)
			return rc;
		if (!words.typed)
			return rjson_bad(j, "a region without \"type\"");
		for (type = 0; type != RESV_NUM_TYPES; type++)
			if (resv_type_detail(type) &&
			    !strcmp(resv_type_detail(type), words.detail) &&
			    !strcmp(resv_type_name(type),
				    resv_type_name(words.type)))
				words.type = type;
		rc = resv_device_add_region(dev, range.start, range.last,
					    words.type);
	}
	return rc;
}

static int parse_ranges(struct rjson *j, struct resv_set *set)
{
	bool first = true;
	int rc;

	rc = rjson_enter(j, '[');
	while (!rc && (rc = rjson_element(j, &first)) > 0) {
		struct resv_range range;

		rc = parse_ends(j, &range, NULL, NULL);
		if (rc)
			return rc;
		if (set->num && range.start <= set->ranges[set->num - 1].last)
			return rjson_bad(
				j, "the range is not behind the one before it");
		rc = resv_set_add(set, range.start, range.last);
	}
	if (!rc)
		resv_set_normalize(set);
	return rc;
}

static int parse_source(struct rjson *j, struct resv_device *dev)
{
	unsigned int i;
	int rc;

	rc = rjson_string(j);
	if (rc)
		return rc;
	for (i = 0; i != RESV_NUM_SOURCES; i++)
		if (!strcmp(j->str, resv_source_name(i)))
			break;
	if (i == RESV_NUM_SOURCES)
		return rjson_bad(j, "\"%.80s\" is no source", j->str);
	dev->source = i;
	return 0;
}

static int parse_aperture(struct rjson *j, struct resv_device *dev)
{
	if (rjson_peek(j) == 'n')
		return rjson_null(j);
	dev->aperture_known = true;
	return parse_ends(j, &dev->aperture, NULL, NULL);
}

static int parse_group(struct rjson *j, struct resv_device *dev)
{
	uint64_t group;
	int rc;

	if (rjson_peek(j) == 'n')
		return rjson_null(j);
	rc = rjson_number(j, &group);
	if (rc)
		return rc;
	if (group > LONG_MAX)
		return rjson_bad(j, "group %" PRIu64 " is too large", group);
	dev->group = group;
	return 0;
}

static int parse_alignment(struct rjson *j, struct resv_device *dev)
{
	int rc;

	if (rjson_peek(j) == 'n')
		return rjson_null(j);
	rc = rjson_size(j, &dev->alignment);
	if (!rc && (!dev->alignment || (dev->alignment & (dev->alignment - 1))))
		rc = rjson_bad(j, "the alignment is no power of two");
	return rc;
}

enum device_key {
	KEY_BDF,
	KEY_SOURCE,
	KEY_REGIONS,
	KEY_RANGES,
	NUM_NEEDED_KEYS,
	KEY_GROUP = NUM_NEEDED_KEYS,
	KEY_DRIVER,
	KEY_VFIO,
	KEY_LABEL,
	KEY_APERTURE,
	KEY_ALIGNMENT,
	KEY_BRIDGE,
	KEY_NO_IOMMU,
	NUM_KEYS,
};

static const char *const device_keys[] = {
	[KEY_BDF] = "bdf",	     [KEY_SOURCE] = "source",
	[KEY_REGIONS] = "regions",   [KEY_RANGES] = "ranges",
	[KEY_GROUP] = "group",	     [KEY_DRIVER] = "driver",
	[KEY_VFIO] = "vfio",	     [KEY_LABEL] = "label",
	[KEY_APERTURE] = "aperture", [KEY_ALIGNMENT] = "alignment",
	[KEY_BRIDGE] = "bridge",     [KEY_NO_IOMMU] = "no_iommu",
};

static int parse_member(struct rjson *j, struct resv_device *dev,
			unsigned int key)
{
	int rc;

	switch (key) {
	case KEY_BDF:
		rc = rjson_string(j);
		if (rc)
			return rc;
		if (!j->str[0])
			return rjson_bad(j, "the name of the device is empty");
		dev->name = strdup(j->str);
		return dev->name ? 0 : -ENOMEM;
	case KEY_SOURCE:
		return parse_source(j, dev);
	case KEY_REGIONS:
		return parse_regions(j, dev);
	case KEY_RANGES:
		return parse_ranges(j, &dev->ranges);
	case KEY_GROUP:
		return parse_group(j, dev);
	case KEY_DRIVER:
		return rjson_string_or_null(j, &dev->driver);
	case KEY_VFIO:
		return rjson_string_or_null(j, &dev->vfio);
	case KEY_LABEL:
		return rjson_string_or_null(j, &dev->label);
	case KEY_APERTURE:
		return parse_aperture(j, dev);
	case KEY_ALIGNMENT:
		return parse_alignment(j, dev);
	case KEY_BRIDGE:
		return rjson_bool(j, &dev->bridge);
	case KEY_NO_IOMMU:
		return rjson_bool(j, &dev->no_iommu);
	default:
		return rjson_skip(j);
	}
}

static int parse_device(struct rjson *j, struct resv_device *dev)
{
	unsigned int seen = 0, key;
	bool first = true;
	int rc;

	dev->group = -1;
	rc = rjson_enter(j, '{');
	while (!rc && (rc = rjson_member(j, &first)) > 0) {
		for (key = 0; key != NUM_KEYS; key++)
			if (!strcmp(j->str, device_keys[key]))
				break;
		rc = key == NUM_KEYS ? 0 : rjson_once(j, &seen, HAVE(key));
		if (!rc)
			rc = parse_member(j, dev, key);
	}
	if (rc)
		return rc;
	for (key = 0; key != NUM_NEEDED_KEYS; key++)
		if (!(seen & HAVE(key)))
			return rjson_bad(j, "a device without \"%s\"",
					 device_keys[key]);
	return 0;
}

static int parse_devices(struct rjson *j, struct resv_host *host)
{
	bool first = true;
	int rc;

	rc = rjson_enter(j, '[');
	while (!rc && (rc = rjson_element(j, &first)) > 0) {
		struct resv_device dev = {};

		rc = parse_device(j, &dev);
		if (rc)
			resv_device_free(&dev);
		else
			rc = resv_host_add(host, &dev);
	}
	return rc;
}

static int parse_schema(struct rjson *j)
{
	uint64_t schema;
	int rc;

	rc = rjson_number(j, &schema);
	if (!rc && schema != RESV_SCHEMA)
		rc = rjson_bad(j, "schema %" PRIu64 ", this program knows %u",
			       schema, RESV_SCHEMA);
	return rc;
}

static int parse_host(struct rjson *j, struct resv_host *host)
{
	unsigned int seen = 0;
	bool first = true;
	int rc;

	rc = rjson_enter(j, '{');
	while (!rc && (rc = rjson_member(j, &first)) > 0) {
		if (!strcmp(j->str, "schema")) {
			rc = rjson_once(j, &seen, HAVE(0));
			if (!rc)
				rc = parse_schema(j);
		} else if (!strcmp(j->str, "devices")) {
			rc = rjson_once(j, &seen, HAVE(1));
			if (!rc)
				rc = parse_devices(j, host);
		} else if (!strcmp(j->str, "host")) {
			rc = rjson_once(j, &seen, HAVE(2));
			if (!rc)
				rc = rjson_string_or_null(j, &host->name);
		} else {
			rc = rjson_skip(j);
		}
	}
	if (!rc && !(seen & HAVE(0)))
		rc = rjson_bad(j, "no \"schema\" in it");
	if (!rc && !(seen & HAVE(1)))
		rc = rjson_bad(
			j,
			"no \"devices\" in it: not the output of list --json");
	return rc ? rc : rjson_end(j);
}

int resv_parse_host(const struct resv_input *in, struct resv_host *host,
		    struct resv_err *err)
{
	struct resv_err why = {};
	struct rjson *j = malloc(sizeof(*j));
	int rc;

	if (!j)
		return resv_fail(err, -ENOMEM, "out of memory");
	resv_fail(err, 0, "%.150s: out of memory", in->name);
	rjson_init(j, in, err);
	rc = parse_host(j, host);
	free(j);
	if (rc)
		return rc;
	rc = resv_host_sort(host, &why);
	if (rc)
		return resv_fail(err, -EINVAL, "%.150s: %.300s", in->name,
				 why.text);
	return 0;
}

void resv_layout_free(struct resv_layout *layout)
{
	free(layout->pieces);
	*layout = (struct resv_layout){};
}

static int parse_piece(struct rjson *j, struct resv_layout *layout)
{
	uint64_t start = 0, last = 0, size = 0;
	unsigned int seen = 0, line = j->line;
	bool first = true;
	int rc;

	rjson_peek(j);
	line = j->line;
	rc = rjson_enter(j, '{');
	while (!rc && (rc = rjson_member(j, &first)) > 0) {
		if (!strcmp(j->str, "start")) {
			rc = rjson_once(j, &seen, HAVE(0));
			if (!rc)
				rc = rjson_size(j, &start);
		} else if (!strcmp(j->str, "last")) {
			rc = rjson_once(j, &seen, HAVE(1));
			if (!rc)
				rc = rjson_size(j, &last);
		} else if (!strcmp(j->str, "size")) {
			rc = rjson_once(j, &seen, HAVE(2));
			if (!rc)
				rc = rjson_size(j, &size);
		} else {
			rc = rjson_skip(j);
		}
	}
	if (rc)
		return rc;
	if (!(seen & HAVE(0)) || !(seen & (HAVE(1) | HAVE(2))))
		return rjson_bad(
			j, "a piece needs \"start\", and \"last\" or \"size\"");
	if (seen & HAVE(2)) {
		if (!size)
			return rjson_bad(j, "the piece is empty");
		if (size - 1 > UINT64_MAX - start)
			return rjson_bad(j, "the piece goes past 64 bits");
		if (seen & HAVE(1) && last != start + size - 1)
			return rjson_bad(j,
					 "\"last\" and \"size\" do not agree");
		last = start + size - 1;
	}
	if (start > last)
		return rjson_bad(j, "the piece ends before it starts");
	if (layout->num == layout->max) {
		size_t max = layout->max ? layout->max * 2 : 4;
		void *p =
			realloc(layout->pieces, max * sizeof(*layout->pieces));

		if (!p)
			return -ENOMEM;
		layout->pieces = p;
		layout->max = max;
	}
	layout->pieces[layout->num++] =
		(struct resv_piece){ start, last, line };
	return 0;
}

static int cmp_pieces(const void *a, const void *b)
{
	const struct resv_piece *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

static int parse_layout(struct rjson *j, struct resv_layout *layout)
{
	unsigned int seen = 0;
	bool first = true, first_piece = true;
	size_t i;
	int rc;

	rc = rjson_enter(j, '{');
	while (!rc && (rc = rjson_member(j, &first)) > 0) {
		if (!strcmp(j->str, "schema")) {
			rc = rjson_once(j, &seen, HAVE(0));
			if (!rc)
				rc = parse_schema(j);
		} else if (!strcmp(j->str, "ram")) {
			rc = rjson_once(j, &seen, HAVE(1));
			if (!rc)
				rc = rjson_enter(j, '[');
			while (!rc && (rc = rjson_element(j, &first_piece)) > 0)
				rc = parse_piece(j, layout);
		} else {
			rc = rjson_skip(j);
		}
	}
	if (!rc && !(seen & HAVE(0)))
		rc = rjson_bad(j, "no \"schema\" in it");
	if (!rc && !(seen & HAVE(1)))
		rc = rjson_bad(j, "no \"ram\" in it");
	if (!rc)
		rc = rjson_end(j);
	if (rc)
		return rc;
	if (!layout->num)
		return rjson_bad(j, "no piece of RAM in it");
	qsort(layout->pieces, layout->num, sizeof(*layout->pieces), cmp_pieces);
	for (i = 1; i < layout->num; i++) {
		const struct resv_piece *prev = &layout->pieces[i - 1];
		const struct resv_piece *next = &layout->pieces[i];

		if (next->start <= prev->last) {
			j->line = prev->line > next->line ? prev->line :
							    next->line;
			return rjson_bad(j,
					 "the piece overlaps that of line %u",
					 prev->line > next->line ? next->line :
								   prev->line);
		}
	}
	return 0;
}

int resv_parse_layout(const struct resv_input *in, struct resv_layout *layout,
		      struct resv_err *err)
{
	struct rjson *j = malloc(sizeof(*j));
	int rc;

	if (!j)
		return resv_fail(err, -ENOMEM, "out of memory");
	resv_fail(err, 0, "%.150s: out of memory", in->name);
	rjson_init(j, in, err);
	rc = parse_layout(j, layout);
	free(j);
	return rc;
}
