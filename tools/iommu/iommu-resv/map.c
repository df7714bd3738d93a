// SPDX-License-Identifier: GPL-2.0-only
/*
 * map: a picture of the address space. It is cut wherever something starts or
 * ends, so each segment is of one kind. Heights grow with the number of digits of
 * the size: a window of 1 MiB in 256 TiB is to be seen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct segment {
	uint64_t start;
	uint64_t last;
	unsigned int mask; /* bits: enum resv_type and the other reasons */
};

struct segments {
	struct segment *segments;
	size_t num;
};

/* Something starts or ends: counts[why] changes by delta at addr */
struct event {
	uint64_t addr;
	uint32_t why;
	int delta;
};

static int cmp_events(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static void add_segment(struct segments *s, size_t *max, uint64_t start,
			uint64_t last, unsigned int mask)
{
	struct segment *prev = s->num ? &s->segments[s->num - 1] : NULL;

	if (prev && prev->mask == mask) {
		prev->last = last;
		return;
	}
	if (s->num == *max) {
		*max = *max * 2 + 16;
		s->segments =
			must(realloc(s->segments, *max * sizeof(*s->segments)));
	}
	s->segments[s->num++] = (struct segment){ start, last, mask };
}

static void make_segments(struct segments *s, const struct resv_holes *holes)
{
	struct event *events =
		must(malloc((2 * holes->num_blocks + 1) * sizeof(*events)));
	uint32_t counts[RESV_NUM_REASONS] = {};
	unsigned int mask = 0;
	uint64_t at = 0;
	size_t num = 0, max = 0, i;

	for (i = 0; i != holes->num_blocks; i++) {
		const struct resv_block *block = &holes->blocks[i];

		events[num++] = (struct event){ block->start, block->why, 1 };
		if (block->last != UINT64_MAX)
			events[num++] = (struct event){ block->last + 1,
							block->why, -1 };
	}
	qsort(events, num, sizeof(*events), cmp_events);
	for (i = 0; i != num; i++) {
		const struct event *e = &events[i];

		if (e->addr != at) {
			add_segment(s, &max, at, e->addr - 1, mask);
			at = e->addr;
		}
		counts[e->why] += e->delta;
		if (counts[e->why])
			mask |= 1U << e->why;
		else
			mask &= ~(1U << e->why);
	}
	add_segment(s, &max, at, UINT64_MAX, mask);
	free(events);
}

/* More than this in one hole is not looked through for each segment of it */
#define MAX_CAUSES 65536

static void print_segment_causes(FILE *out, const struct resv_holes *holes,
				 const struct segment *segment)
{
	struct resv_holes few = { .pool = holes->pool };
	struct resv_hole all = {};
	size_t low = 0, high = holes->num, i;
	const struct resv_hole *hole;

	while (low != high) {
		size_t mid = low + (high - low) / 2;

		if (holes->holes[mid].last < segment->start)
			low = mid + 1;
		else
			high = mid;
	}
	hole = &holes->holes[low];
	if (hole->num > MAX_CAUSES) {
		fputs("many devices", out);
		return;
	}
	few.blocks = must(malloc(hole->num * sizeof(*few.blocks)));
	for (i = hole->first; i != hole->first + hole->num; i++) {
		const struct resv_block *block = &holes->blocks[i];

		if (block->start <= segment->last &&
		    block->last >= segment->start)
			few.blocks[all.num++] = *block;
	}
	print_causes(out, &few, &all);
	free(few.blocks);
}

#define BIT(why) (1U << (why))
#define MSI_MASK (BIT(RESV_MSI) | BIT(RESV_MSI_HW) | BIT(RESV_MSI_SW))
#define FIXED_MASK \
	(BIT(RESV_DIRECT) | BIT(RESV_RESERVED) | BIT(RESV_UNEXPLAINED))
#define HINT_MASK \
	(BIT(RESV_BRIDGE_WINDOW) | BIT(RESV_NO_DMA) | BIT(RESV_ADVISORY))

static const struct kind {
	unsigned int mask;
	char fill;
	const char *colour;
	const char *name;
} kinds[] = {
	{ BIT(RESV_APERTURE), ' ', "#d8d8d8", "outside of the aperture" },
	{ MSI_MASK, 'M', "#e8a33d", "msi" },
	{ FIXED_MASK, '#', "#c8503c", "direct or reserved" },
	{ HINT_MASK, ':', "#9db8d9", "advisory" },
	{ 0, '.', "#8fc58f", "usable" },
};

#define NUM_KINDS ARRAY_SIZE(kinds)

static const struct kind *kind_of(unsigned int mask)
{
	size_t i;

	for (i = 0; i != NUM_KINDS - 1; i++)
		if (kinds[i].mask & mask)
			break;
	return &kinds[i];
}

static unsigned int height_of(const struct segment *segment)
{
	uint64_t size = segment->last - segment->start;

	return size >> 40 ? 3 : size >> 30 ? 2 : 1;
}

static void describe(FILE *out, const struct segment *segment,
		     const struct resv_holes *holes)
{
	if (!segment->mask)
		fputs("usable", out);
	else
		print_segment_causes(out, holes, segment);
}

#define EDGE "+----------+"

static void print_picture(FILE *out, const struct segments *s,
			  const struct resv_holes *holes)
{
	char addr[20], size[RESV_SIZE_LEN], fill[11];
	unsigned int line;
	size_t i;

	for (i = 0; i != s->num; i++) {
		const struct segment *segment = &s->segments[i];

		snprintf(addr, sizeof(addr), "0x%" PRIx64, segment->start);
		fprintf(out, "%18s %s\n", addr, EDGE);
		memset(fill, kind_of(segment->mask)->fill, 10);
		fill[10] = 0;
		for (line = 0; line != height_of(segment); line++) {
			fprintf(out, "%18s |%s|", "", fill);
			if (!line) {
				fprintf(out, " %7s  ",
					resv_short_size(
						size, (struct resv_range){
							      segment->start,
							      segment->last }));
				describe(out, segment, holes);
			}
			fputc('\n', out);
		}
	}
	fprintf(out, "0xffffffffffffffff %s\n\n", EDGE);
	for (i = 0; i != NUM_KINDS; i++)
		fprintf(out, "%s'%c' %s", i ? ", " : "", kinds[i].fill,
			kinds[i].name);
	fputc('\n', out);
}

static void svg_text(FILE *svg, unsigned int x, unsigned int y,
		     const char *anchor, const char *text)
{
	fprintf(svg, "<text x=\"%u\" y=\"%u\" text-anchor=\"%s\">", x, y,
		anchor);
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", svg);
			break;
		case '>':
			fputs("&gt;", svg);
			break;
		case '&':
			fputs("&amp;", svg);
			break;
		default:
			fputc(*text, svg);
		}
	}
	fputs("</text>\n", svg);
}

static void print_svg(FILE *svg, const struct segments *s,
		      const struct resv_holes *holes)
{
	unsigned int y = 20;
	size_t height = 60, i;

	for (i = 0; i != s->num; i++)
		height += 14 + 14 * height_of(&s->segments[i]);
	fprintf(svg,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"%zu\" font-family=\"monospace\" font-size=\"12\">\n",
		height);
	for (i = 0; i != s->num; i++) {
		const struct segment *segment = &s->segments[i];
		unsigned int h = 14 + 14 * height_of(segment);
		char addr[20], size[RESV_SIZE_LEN];
		char *text = NULL;
		size_t len;
		FILE *mem;

		fprintf(svg,
			"<rect x=\"170\" y=\"%u\" width=\"120\" height=\"%u\" fill=\"%s\" stroke=\"#444\"/>\n",
			y, h, kind_of(segment->mask)->colour);
		snprintf(addr, sizeof(addr), "0x%" PRIx64, segment->start);
		svg_text(svg, 165, y + 10, "end", addr);
		mem = must(open_memstream(&text, &len));
		fprintf(mem, "%s  ",
			resv_short_size(size,
					(struct resv_range){ segment->start,
							     segment->last }));
		describe(mem, segment, holes);
		if (fclose(mem))
			must(NULL);
		svg_text(svg, 300, y + 14, "start", text);
		free(text);
		y += h;
	}
	svg_text(svg, 165, y + 10, "end", "0xffffffffffffffff");
	y += 20;
	for (i = 0; i != NUM_KINDS; i++) {
		fprintf(svg,
			"<rect x=\"%zu\" y=\"%u\" width=\"12\" height=\"12\" fill=\"%s\" stroke=\"#444\"/>\n",
			20 + 175 * i, y, kinds[i].colour);
		svg_text(svg, 37 + 175 * i, y + 10, "start", kinds[i].name);
	}
	fputs("</svg>\n", svg);
}

/* The text is complete: what can go wrong now is what goes wrong with files */
static int write_file(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "we");
	bool ok;

	if (!f)
		return complain("%s: %s", path, strerror(errno));
	ok = fwrite(text, 1, len, f) == len;
	if (fclose(f) || !ok)
		return complain("%s: %s", path, strerror(errno));
	return 0;
}

static int svg_file(const char *path, const struct segments *s,
		    const struct resv_holes *holes)
{
	char *text = NULL;
	size_t len;
	FILE *mem = must(open_memstream(&text, &len));
	int rc;

	print_svg(mem, s, holes);
	if (fclose(mem))
		must(NULL);
	rc = write_file(path, text, len);
	free(text);
	return rc;
}

static void json_map(struct rjson_out *o, const struct segments *s,
		     const struct resv_holes *holes)
{
	unsigned int why;
	size_t i;

	rjson_open(o, NULL, '{', false);
	rjson_put_int(o, "schema", RESV_SCHEMA);
	rjson_open(o, "segments", '[', false);
	for (i = 0; i != s->num; i++) {
		const struct segment *segment = &s->segments[i];

		rjson_open(o, NULL, '{', true);
		rjson_put_ends(o, segment->start, segment->last);
		rjson_put_bool(o, "usable", !segment->mask);
		rjson_open(o, "types", '[', true);
		for (why = 0; why != RESV_NUM_REASONS; why++)
			if (segment->mask & BIT(why))
				rjson_put_string(
					o, NULL,
					why < RESV_NUM_TYPES &&
							resv_type_detail(why) ?
						resv_type_detail(why) :
						resv_type_name(why));
		rjson_close(o, ']');
		rjson_close(o, '}');
	}
	rjson_close(o, ']');
	json_unknown(o, holes->pool);
	rjson_close(o, '}');
}

int cmd_map(const struct options *opts, FILE *out)
{
	struct rjson_out o = { .file = out };
	struct resv_holes holes = {};
	struct loaded loaded = {};
	struct segments s = {};
	int rc;

	rc = load_hosts(opts, &opts->hosts, &loaded);
	if (!rc)
		rc = load_pool(opts, &loaded);
	if (!rc &&
	    resv_find_holes(&loaded.pool,
			    opts->ignore_advisory ? RESV_IGNORE_ADVISORY : 0,
			    &holes))
		rc = complain("out of memory");
	if (!rc) {
		make_segments(&s, &holes);
		if (opts->svg) {
			rc = svg_file(opts->svg, &s, &holes);
		} else if (opts->json) {
			json_map(&o, &s, &holes);
		} else {
			print_picture(out, &s, &holes);
			print_unknown(out, &loaded.pool);
		}
	}
	free(s.segments);
	resv_holes_free(&holes);
	loaded_free(&loaded);
	return rc;
}
