// SPDX-License-Identifier: GPL-2.0-only
/* Hosts as JSON. */
#include "rjson.h"

void rjson_range(struct rjson_out *o, const char *key, struct resv_range range)
{
	rjson_open(o, key, '{', true);
	rjson_put_ends(o, range.start, range.last);
	rjson_close(o, '}');
}

void rjson_set(struct rjson_out *o, const char *key, const struct resv_set *set)
{
	size_t i;

	rjson_open(o, key, '[', false);
	for (i = 0; i != set->num; i++)
		rjson_range(o, NULL, set->ranges[i]);
	rjson_close(o, ']');
}

static void json_regions(struct rjson_out *o, const struct resv_device *dev)
{
	size_t i;

	rjson_open(o, "regions", '[', false);
	for (i = 0; i != dev->num_regions; i++) {
		const struct resv_region *region = &dev->regions[i];

		rjson_open(o, NULL, '{', true);
		rjson_put_ends(o, region->start, region->last);
		rjson_put_string(o, "type", resv_type_name(region->type));
		if (resv_type_detail(region->type))
			rjson_put_string(o, "detail",
					 resv_type_detail(region->type));
		rjson_close(o, '}');
	}
	rjson_close(o, ']');
}

static void json_device(struct rjson_out *o, const struct resv_device *dev)
{
	const char *why = resv_device_unassignable(dev);

	rjson_open(o, NULL, '{', false);
	rjson_put_string(o, "bdf", dev->name);
	if (dev->group >= 0)
		rjson_put_int(o, "group", dev->group);
	else
		rjson_put_string(o, "group", NULL);
	rjson_put_string(o, "driver", dev->driver);
	rjson_put_string(o, "vfio", dev->vfio);
	if (dev->label)
		rjson_put_string(o, "label", dev->label);
	rjson_put_bool(o, "bridge", dev->bridge);
	rjson_put_bool(o, "no_iommu", dev->no_iommu);
	rjson_put_bool(o, "assignable", !why);
	if (why)
		rjson_put_string(o, "why_not", why);
	rjson_put_string(o, "source", resv_source_name(dev->source));
	if (dev->aperture_known)
		rjson_range(o, "aperture", dev->aperture);
	else
		rjson_put_string(o, "aperture", NULL);
	if (dev->alignment)
		rjson_put_hex(o, "alignment", dev->alignment);
	else
		rjson_put_string(o, "alignment", NULL);
	json_regions(o, dev);
	rjson_set(o, "ranges", &dev->ranges);
	rjson_close(o, '}');
}

void resv_write_host(FILE *out, const struct resv_host *host)
{
	struct rjson_out o = { .file = out };
	size_t i;

	rjson_open(&o, NULL, '{', false);
	rjson_put_int(&o, "schema", RESV_SCHEMA);
	rjson_put_string(&o, "host", host->name);
	rjson_open(&o, "devices", '[', false);
	for (i = 0; i != host->num_devices; i++)
		json_device(&o, &host->devices[i]);
	rjson_close(&o, ']');
	rjson_close(&o, '}');
}
