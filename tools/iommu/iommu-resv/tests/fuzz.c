// SPDX-License-Identifier: GPL-2.0-only
/*
 * Feed anything to the parsers. The first byte says to which. What a parser takes
 * goes through all that is done with it, and these must hold:
 *
 *  - A host that is written and parsed again is the same host.
 *  - A plan keeps out of the holes, and check says so too.
 *  - What this JSON reader takes, json-c takes, if it was built with it.
 *
 * With FUZZ_MAIN it is a program that does this for the files it is given.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/rjson.h"
#ifdef HAVE_JSONC
#include <json-c/json.h>
#endif

#define require(x)                               \
	do {                                     \
		if (!(x))                        \
			fuzz_fail(__LINE__, #x); \
	} while (0)

static void fuzz_fail(int line, const char *what)
{
	fprintf(stderr, "fuzz.c:%d: not so: %s\n", line, what);
	abort();
}

struct text {
	const char *p;
	size_t left;
	size_t step;
};

/* In small steps, so that tokens lie across the ends of the buffer */
static ssize_t read_text(void *ctx, void *buf, size_t len)
{
	struct text *text = ctx;

	if (len > text->left)
		len = text->left;
	if (text->step && len > text->step)
		len = text->step;
	memcpy(buf, text->p, len);
	text->p += len;
	text->left -= len;
	return len;
}

static int parse_host(const char *p, size_t len, size_t step,
		      struct resv_host *host, struct resv_err *err)
{
	struct text text = { p, len, step };
	struct resv_input in = { "fuzz", read_text, &text, 1 << 20 };

	return resv_parse_host(&in, host, err);
}

static int conflict(void *ctx, const struct resv_piece *piece,
		    const struct resv_block *block)
{
	(void)ctx;
	(void)piece;
	(void)block;
	return 1;
}

static void use_host(const struct resv_host *host)
{
	struct resv_plan plan = { .ram = 1 << 20, .align = 4096 };
	struct resv_holes holes = {};
	struct resv_layout layout = {};
	struct resv_pool pool = {};
	struct resv_set common = {};
	struct resv_err err;
	size_t i;
	int rc;

	for (i = 0; i != host->num_devices; i++)
		require(!resv_pool_add(&pool, host, &host->devices[i]));
	require(!resv_find_holes(&pool, 0, &holes));
	require(!resv_common_ranges(&holes, &common));
	rc = resv_make_plan(&plan, &holes, &err);
	require(!rc || rc == -ENOSPC);
	layout.pieces = calloc(plan.pieces.num + 1, sizeof(*layout.pieces));
	for (i = 0; i != plan.pieces.num; i++) {
		struct resv_range r = plan.pieces.ranges[i];

		require(r.start % 4096 == 0 && r.last % 4096 == 4095);
		require(!i || plan.pieces.ranges[i - 1].last < r.start);
		layout.pieces[layout.num++] =
			(struct resv_piece){ r.start, r.last, 1 };
	}
	require(!resv_check_layout(&layout, &holes, conflict, NULL));
	/* And that the check sees a conflict */
	if (holes.num) {
		layout.num = 1;
		layout.pieces[0] = (struct resv_piece){ holes.holes[0].last,
							holes.holes[0].last,
							1 };
		require(resv_check_layout(&layout, &holes, conflict, NULL));
	}
	resv_layout_free(&layout);
	resv_plan_free(&plan);
	resv_set_free(&common);
	resv_holes_free(&holes);
	resv_pool_free(&pool);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static void require_same(const struct resv_host *a, const struct resv_host *b)
{
	size_t i, k;

	require(same_text(a->name, b->name));
	require(a->num_devices == b->num_devices);
	for (i = 0; i != a->num_devices; i++) {
		const struct resv_device *x = &a->devices[i];
		const struct resv_device *y = &b->devices[i];

		require(same_text(x->name, y->name));
		require(same_text(x->driver, y->driver));
		require(same_text(x->vfio, y->vfio));
		require(same_text(x->label, y->label));
		require(x->group == y->group && x->source == y->source);
		require(x->bridge == y->bridge && x->no_iommu == y->no_iommu);
		require(x->aperture_known == y->aperture_known);
		require(x->aperture.start == y->aperture.start);
		require(x->aperture.last == y->aperture.last);
		require(x->alignment == y->alignment);
		require(x->num_regions == y->num_regions);
		for (k = 0; k != x->num_regions; k++) {
			require(x->regions[k].start == y->regions[k].start);
			require(x->regions[k].last == y->regions[k].last);
			require(x->regions[k].type == y->regions[k].type);
		}
		require(resv_set_equal(&x->ranges, &y->ranges));
	}
}

static void round_trip(const struct resv_host *host)
{
	struct resv_host again = {};
	struct resv_err err;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	resv_write_host(f, host);
	require(!fclose(f));
	require(!parse_host(text, len, 0, &again, &err));
	require_same(host, &again);
	resv_host_free(&again);
	free(text);
}

static void fuzz_host(const char *p, size_t len)
{
	struct resv_host host = {}, slow = {};
	struct resv_err err, slow_err;
	int rc, slow_rc;

	rc = parse_host(p, len, 0, &host, &err);
	slow_rc = parse_host(p, len, 1, &slow, &slow_err);
	require(rc == slow_rc);
	if (rc) {
		require(!strcmp(err.text, slow_err.text));
	} else {
		require_same(&host, &slow);
		round_trip(&host);
		use_host(&host);
	}
	resv_host_free(&host);
	resv_host_free(&slow);
}

static void fuzz_layout(const char *p, size_t len)
{
	struct text text = { p, len, 3 };
	struct resv_input in = { "fuzz", read_text, &text, 1 << 20 };
	struct resv_layout layout = {};
	struct resv_err err = {};
	size_t i;

	if (resv_parse_layout(&in, &layout, &err)) {
		require(err.text[0]);
	} else {
		require(layout.num);
		for (i = 0; i != layout.num; i++) {
			require(layout.pieces[i].start <=
				layout.pieces[i].last);
			require(!i || layout.pieces[i - 1].last <
					      layout.pieces[i].start);
		}
	}
	resv_layout_free(&layout);
}

static void fuzz_sysfs(const char *p, size_t len, enum resv_source source)
{
	struct resv_host host = {};
	struct resv_device dev = { .source = source };
	struct resv_err err = {};

	if (resv_parse_sysfs(p, len, "fuzz", &dev, &err)) {
		resv_device_free(&dev);
		return;
	}
	dev.name = strdup("fuzz");
	require(!resv_host_add(&host, &dev));
	round_trip(&host);
	use_host(&host);
	resv_host_free(&host);
}

/* The reader alone, whatever the JSON is about */
static void fuzz_json(const char *p, size_t len)
{
	struct text text = { p, len, 2 };
	struct resv_input in = { "fuzz", read_text, &text, 1 << 20 };
	struct resv_err err = {};
	struct rjson *j = malloc(sizeof(*j));
	int rc;

	rjson_init(j, &in, &err);
	rc = rjson_skip(j);
	if (!rc)
		rc = rjson_end(j);
	require(!rc || err.text[0]);
	free(j);
#ifdef HAVE_JSONC
	if (!rc) {
		/* It counts values as levels, too */
		struct json_tokener *t =
			json_tokener_new_ex(JSON_MAX_DEPTH + 2);
		struct json_object *o;

		json_tokener_set_flags(t, JSON_TOKENER_STRICT |
						  JSON_TOKENER_VALIDATE_UTF8);
		o = json_tokener_parse_ex(t, p, len);
		if (json_tokener_get_error(t) == json_tokener_continue)
			o = json_tokener_parse_ex(t, "", -1);
		require(json_tokener_get_error(t) == json_tokener_success);
		json_object_put(o);
		json_tokener_free(t);
	}
#endif
}

static void fuzz_size(const char *p, size_t len)
{
	char *text = malloc(len + 1);
	char buf[RESV_SIZE_LEN];
	uint64_t val, again;

	memcpy(text, p, len);
	text[len] = 0;
	if (!resv_parse_size(text, &val) && val) {
		struct resv_range r = { 0, val - 1 };

		require(!resv_parse_size(resv_exact_size(buf, r), &again));
		require(again == val);
		resv_short_size(buf, r);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 1;

	if (!size)
		return 0;
	switch (data[0]) {
	case 'h':
		fuzz_host(p, size - 1);
		break;
	case 'l':
		fuzz_layout(p, size - 1);
		break;
	case 'i':
		fuzz_sysfs(p, size - 1, RESV_FROM_IOVA_REGIONS);
		break;
	case 'r':
		fuzz_sysfs(p, size - 1, RESV_FROM_RESERVED_REGIONS);
		break;
	case 's':
		fuzz_size(p, size - 1);
		break;
	default:
		fuzz_json(p, size - 1);
	}
	return 0;
}

#ifdef FUZZ_MAIN
int main(int argc, char **argv)
{
	static uint8_t buf[1 << 20];
	int i;

	for (i = 1; i < argc || (argc == 1 && i == 1); i++) {
		FILE *f = argc == 1 ? stdin : fopen(argv[i], "rb");
		uint8_t *exact;
		size_t len;

		if (!f) {
			perror(argv[i]);
			return 2;
		}
		len = fread(buf, 1, sizeof(buf), f);
		if (f != stdin)
			fclose(f);
		/* With its own size, so that a read behind it is seen */
		exact = malloc(len + 1);
		memcpy(exact, buf, len);
		exact = realloc(exact, len ? len : 1);
		LLVMFuzzerTestOneInput(exact, len);
		free(exact);
	}
	return 0;
}
#endif
