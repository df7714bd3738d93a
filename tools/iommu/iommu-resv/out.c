// SPDX-License-Identifier: GPL-2.0-only
/* What several commands print. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

/* How many devices are named in a text before "and 7 more" */
#define MAX_NAMED 3

/* With several hosts a name is that of the host and the device */
const char *pick_name(char *buf, size_t len, const struct resv_pool *pool,
		      uint32_t pick)
{
	const struct resv_pick *p = &pool->picks[pick];

	if (!pool->several_hosts)
		return p->dev->name;
	snprintf(buf, len, "%s/%s", p->host->name, p->dev->name);
	return buf;
}

/* Nothing is on stdout yet, so this is a clean end. */
void *must(void *p)
{
	if (!p) {
		complain("out of memory");
		exit(EXIT_BAD);
	}
	return p;
}

static void type_text(char *buf, size_t len, uint32_t why)
{
	if (why < RESV_NUM_TYPES && resv_type_detail(why))
		snprintf(buf, len, "%s (%s)", resv_type_name(why),
			 resv_type_detail(why));
	else
		snprintf(buf, len, "%s", resv_type_name(why));
}

static int cmp_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void print_causes(FILE *out, const struct resv_holes *holes,
		  const struct resv_hole *hole)
{
	uint64_t *causes = must(malloc(hole->num * sizeof(*causes)));
	size_t num = 0, i, k, next;
	char type[64];
	char name[600];

	/* A device may have several blocks in a hole: reason and device, once */
	for (i = 0; i != hole->num; i++) {
		const struct resv_block *block =
			&holes->blocks[hole->first + i];

		causes[i] = (uint64_t)block->why << 32 | block->pick;
	}
	qsort(causes, hole->num, sizeof(*causes), cmp_u64);
	for (i = 0; i != hole->num; i++)
		if (!i || causes[i] != causes[num - 1])
			causes[num++] = causes[i];

	for (i = 0; i != num; i = next) {
		uint32_t why = causes[i] >> 32;

		for (next = i; next != num && causes[next] >> 32 == why; next++)
			;
		type_text(type, sizeof(type), why);
		fprintf(out, "%s%s of ", i ? "; " : "", type);
		for (k = i; k != next && k != i + MAX_NAMED; k++)
			fprintf(out, "%s%s", k == i ? "" : ", ",
				pick_name(name, sizeof(name), holes->pool,
					  (uint32_t)causes[k]));
		if (k != next)
			fprintf(out, " and %zu more", next - k);
	}
	free(causes);
}

void json_causes(struct rjson_out *o, const struct resv_holes *holes,
		 const struct resv_hole *hole)
{
	size_t i;

	rjson_open(o, "causes", '[', false);
	for (i = hole->first; i != hole->first + hole->num; i++) {
		const struct resv_block *block = &holes->blocks[i];
		const struct resv_pick *pick = &holes->pool->picks[block->pick];

		rjson_open(o, NULL, '{', true);
		rjson_put_string(o, "host", pick->host->name);
		rjson_put_string(o, "bdf", pick->dev->name);
		rjson_put_string(o, "type", resv_type_name(block->why));
		if (block->why < RESV_NUM_TYPES && resv_type_detail(block->why))
			rjson_put_string(o, "detail",
					 resv_type_detail(block->why));
		rjson_put_ends(o, block->start, block->last);
		rjson_close(o, '}');
	}
	rjson_close(o, ']');
}

/* The number of devices whose source lacks something */
static size_t unknown(const struct resv_pool *pool, enum resv_source source,
		      bool aperture)
{
	size_t num = 0, i;

	for (i = 0; i != pool->num; i++) {
		const struct resv_device *dev = pool->picks[i].dev;

		if (dev->source == source &&
		    (!aperture || !dev->aperture_known))
			num++;
	}
	return num;
}

/* "1 device", "2 devices" */
const char *count(char buf[COUNT_LEN], size_t num, const char *what)
{
	snprintf(buf, COUNT_LEN, "%zu %s%s", num, what, num == 1 ? "" : "s");
	return buf;
}

void print_unknown(FILE *out, const struct resv_pool *pool)
{
	char text[COUNT_LEN];
	unsigned int source;

	for (source = 0; source != RESV_NUM_SOURCES; source++) {
		const char *lacks = resv_source_lacks(source);
		size_t num = unknown(pool, source, !lacks);

		if (num)
			fprintf(out,
				"Not known, as read from %s: %s (%zu of %s)\n",
				resv_source_name(source),
				lacks ? lacks : "the aperture", num,
				count(text, pool->num, "device"));
	}
}

void json_unknown(struct rjson_out *o, const struct resv_pool *pool)
{
	unsigned int source;

	rjson_open(o, "unknown", '[', false);
	for (source = 0; source != RESV_NUM_SOURCES; source++) {
		const char *lacks = resv_source_lacks(source);
		size_t num = unknown(pool, source, !lacks);

		if (!num)
			continue;
		rjson_open(o, NULL, '{', true);
		rjson_put_string(o, "source", resv_source_name(source));
		rjson_put_int(o, "devices", num);
		rjson_put_string(o, "what", lacks ? lacks : "the aperture");
		rjson_close(o, '}');
	}
	rjson_close(o, ']');
}
