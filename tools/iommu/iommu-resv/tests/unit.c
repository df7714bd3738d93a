// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the library. Sets and plans are compared with a model that has one
 * bit for each address of a universe of 64, at both ends of the 64 bits.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/rjson.h"
#ifdef HAVE_JSONC
#include <json-c/json.h>
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *test_name;
static unsigned int num_tests, num_failed, test_failed;

#define expect(x)                                                            \
	do {                                                                 \
		if (!(x)) {                                                  \
			printf("# %s:%d: not so: %s\n", test_name, __LINE__, \
			       #x);                                          \
			test_failed = 1;                                     \
		}                                                            \
	} while (0)

static void run(const char *name, void (*fn)(void))
{
	test_name = name;
	test_failed = 0;
	fn();
	num_failed += test_failed;
	printf("%sok %u %s\n", test_failed ? "not " : "", ++num_tests, name);
}

/* ---- The model ---- */

#define TOP (UINT64_MAX - 63)

static uint64_t model_of(const struct resv_set *set, uint64_t base)
{
	uint64_t model = 0;
	size_t i;
	int bit;

	for (bit = 0; bit != 64; bit++)
		for (i = 0; i != set->num; i++)
			if (set->ranges[i].start <= base + bit &&
			    set->ranges[i].last >= base + bit)
				model |= 1ULL << bit;
	return model;
}

static uint64_t random_set(struct resv_set *set, uint64_t base)
{
	int num = rand() % 6;

	while (num--) {
		uint64_t start = rand() % 64;
		uint64_t last = start + rand() % (64 - start);

		expect(!resv_set_add(set, base + start, base + last));
	}
	return model_of(set, base);
}

static bool is_normal(const struct resv_set *set)
{
	size_t i;

	for (i = 0; i != set->num; i++) {
		if (set->ranges[i].start > set->ranges[i].last)
			return false;
		/* Not + 1 on the left, which could wrap */
		if (i && set->ranges[i].start - 1 <= set->ranges[i - 1].last)
			return false;
	}
	return true;
}

static void test_sets(void)
{
	int i;

	for (i = 0; i != 20000; i++) {
		uint64_t base = i & 1 ? TOP : 0;
		struct resv_range all = { base, base + 63 };
		struct resv_set a = {}, b = {}, out = {};
		struct resv_range probe;
		uint64_t x, y, bits;
		const struct resv_range *found;

		x = random_set(&a, base);
		y = random_set(&b, base);
		resv_set_normalize(&a);
		resv_set_normalize(&b);
		expect(is_normal(&a) && is_normal(&b));
		expect(model_of(&a, base) == x && model_of(&b, base) == y);
		expect(resv_set_equal(&a, &b) == (x == y));

		expect(!resv_set_invert(&a, all, &out));
		expect(is_normal(&out) && model_of(&out, base) == ~x);
		resv_set_free(&out);
		expect(!resv_set_intersect(&a, &b, &out));
		expect(is_normal(&out) && model_of(&out, base) == (x & y));
		resv_set_free(&out);
		expect(!resv_set_subtract(&a, &b, &out));
		expect(is_normal(&out) && model_of(&out, base) == (x & ~y));
		resv_set_free(&out);

		probe.start = base + rand() % 64;
		probe.last =
			probe.start + rand() % (all.last - probe.start + 1);
		bits = (UINT64_MAX >> (63 - (probe.last - probe.start)))
		       << (probe.start - base);
		found = resv_set_find(&a, probe);
		expect(!!(x & bits) == !!found);
		if (found)
			expect(found->start <= probe.last &&
			       found->last >= probe.start);
		resv_set_free(&a);
		resv_set_free(&b);
	}
}

static void test_invert_edges(void)
{
	struct resv_set all = {}, none = {}, out = {};

	expect(!resv_set_add(&all, 0, UINT64_MAX));
	expect(!resv_set_invert(&all, RESV_EVERYTHING, &out));
	expect(!out.num);
	expect(!resv_set_invert(&none, RESV_EVERYTHING, &out));
	expect(resv_set_equal(&out, &all));
	expect(resv_set_add(&none, 1, 0) == -EINVAL);
	resv_set_free(&all);
	resv_set_free(&none);
	resv_set_free(&out);
}

static void test_align(void)
{
	static const struct {
		uint64_t start, last, align;
		bool good;
		uint64_t new_start, new_last;
	} t[] = {
		{ 0, 4095, 4096, true, 0, 4095 },
		{ 0, 4094, 4096, false, 0, 0 },
		{ 1, 8191, 4096, true, 4096, 8191 },
		{ 1, 8190, 4096, false, 0, 0 },
		{ 5, 5, 1, true, 5, 5 },
		{ 0, UINT64_MAX, 1ULL << 63, true, 0, UINT64_MAX },
		{ 1, UINT64_MAX, 1ULL << 63, true, 1ULL << 63, UINT64_MAX },
		{ UINT64_MAX - 4094, UINT64_MAX, 4096, false, 0, 0 },
		{ UINT64_MAX - 4095, UINT64_MAX, 4096, true, UINT64_MAX - 4095,
		  UINT64_MAX },
		{ UINT64_MAX - 4095, UINT64_MAX - 1, 4096, false, 0, 0 },
	};
	size_t i;

	for (i = 0; i != ARRAY_SIZE(t); i++) {
		struct resv_range r = { t[i].start, t[i].last };

		expect(resv_range_align(&r, t[i].align) == t[i].good);
		if (t[i].good)
			expect(r.start == t[i].new_start &&
			       r.last == t[i].new_last);
	}
}

static void test_parse_size(void)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t val;
	} t[] = {
		{ "0", 0, 0 },
		{ "4096", 0, 4096 },
		{ "0x1000", 0, 4096 },
		{ "0XfF", 0, 255 },
		{ "512G", 0, 512ULL << 30 },
		{ "512g", 0, 512ULL << 30 },
		{ "15E", 0, 15ULL << 60 },
		{ "16E", -ERANGE, 0 },
		{ "0x10K", 0, 16384 },
		{ "0x1E", 0, 30 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "0xffffffffffffffff", 0, UINT64_MAX },
		{ "0x10000000000000000", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
		{ "1KB", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "12a", -EINVAL, 0 },
	};
	size_t i;

	for (i = 0; i != ARRAY_SIZE(t); i++) {
		uint64_t val = 0;
		int rc = resv_parse_size(t[i].text, &val);

		if (rc != t[i].rc || (!rc && val != t[i].val)) {
			printf("# \"%s\" gives %d, 0x%" PRIx64 "\n", t[i].text,
			       rc, val);
			expect(false);
		}
	}
}

static void test_format_size(void)
{
	static const struct {
		uint64_t size; /* 0: 2^64 */
		const char *exact, *small;
	} t[] = {
		{ 1, "1", "1" },
		{ 4096, "4K", "4K" },
		{ 1ULL << 48, "256T", "256T" },
		{ 0, "16E", "16E" },
		{ (1ULL << 48) - (129 << 20), "268435327M", "255.9T" },
		{ 1023, "1023", "1023" },
		{ 102399, "102399", "99.9K" },
	};
	char buf[RESV_SIZE_LEN];
	size_t i;

	for (i = 0; i != ARRAY_SIZE(t); i++) {
		struct resv_range r = { 0, t[i].size - 1 };

		expect(!strcmp(resv_exact_size(buf, r), t[i].exact));
		expect(!strcmp(resv_short_size(buf, r), t[i].small));
	}
}

/* ---- Pools and plans ---- */

/* Devices of random regions; what each cannot use as bits */
static uint64_t random_device(struct resv_device *dev, uint64_t base, int id,
			      bool ignore)
{
	static const enum resv_type some[] = {
		RESV_RESERVED,	       RESV_MSI_SW,	   RESV_MSI_HW,
		RESV_DIRECT_RELAXABLE, RESV_BRIDGE_WINDOW,
	};
	uint64_t bits = 0;
	int num = rand() % 4;
	char name[16];

	snprintf(name, sizeof(name), "dev%d", id);
	*dev = (struct resv_device){ .name = strdup(name) };
	dev->aperture_known = rand() % 4;
	dev->aperture = RESV_EVERYTHING;
	if (dev->aperture_known && rand() % 2) {
		int cut = rand() % 16;

		if (base) {
			dev->aperture.last -= cut;
			bits |= ~(UINT64_MAX >> cut);
		} else {
			dev->aperture.start += cut;
			bits |= ~(UINT64_MAX << cut);
		}
	}
	while (num--) {
		enum resv_type type = some[rand() % 5];
		uint64_t start = rand() % 64;
		uint64_t last = start + rand() % (64 - start) / 4;

		expect(!resv_device_add_region(dev, base + start, base + last,
					       type));
		if (resv_type_enforced(type) ||
		    (resv_type_advisory(type) && !ignore))
			bits |= (UINT64_MAX >> (63 - (last - start))) << start;
	}
	expect(!resv_device_set_ranges(dev));
	return bits;
}

static int count_conflict(void *ctx, const struct resv_piece *piece,
			  const struct resv_block *block)
{
	expect(block->start <= piece->last && block->last >= piece->start);
	++*(size_t *)ctx;
	return 0;
}

/* The same number, by block rather than by piece */
static size_t count_overlaps(const struct resv_layout *layout,
			     const struct resv_holes *holes)
{
	size_t num = 0, i;

	for (i = 0; i != holes->num_blocks; i++)
		num += resv_layout_overlaps(
			layout, (struct resv_range){ holes->blocks[i].start,
						     holes->blocks[i].last });
	return num;
}

/* Layouts of many pieces: every run of bits is one */
static void check_pieces(const struct resv_holes *holes, uint64_t base)
{
	struct resv_piece pieces[64];
	struct resv_layout layout = { pieces, 0, 64 };
	size_t num = 0;
	int bit = 0, len;

	while (bit < 64) {
		len = rand() % 4 + 1;
		if (bit + len <= 64)
			pieces[layout.num++] = (struct resv_piece){
				base + bit, base + bit + len - 1, 1
			};
		bit += len + rand() % 3;
	}
	expect(!resv_check_layout(&layout, holes, count_conflict, &num));
	expect(num == count_overlaps(&layout, holes));
}

static void check_against(const struct resv_holes *holes, uint64_t blocked,
			  uint64_t base)
{
	int start, last;

	/* Every layout of one piece */
	for (start = 0; start < 64; start += 3)
		for (last = start; last < 64; last += 5) {
			uint64_t bits = (UINT64_MAX >> (63 - (last - start)))
					<< start;
			struct resv_piece piece = { base + start, base + last,
						    1 };
			struct resv_layout layout = { &piece, 1, 1 };
			size_t num = 0;

			expect(!resv_check_layout(&layout, holes,
						  count_conflict, &num));
			expect(!num == !(blocked & bits));
			expect(num == count_overlaps(&layout, holes));
		}
}

/* A bit for each block that names the device with it */
static void expect_causes(const struct resv_holes *holes, uint64_t base,
			  const uint64_t *dev_bits)
{
	size_t h, b;
	uint64_t seen[8] = {};
	int bit;

	for (h = 0; h != holes->num; h++) {
		const struct resv_hole *hole = &holes->holes[h];

		for (b = hole->first; b != hole->first + hole->num; b++) {
			const struct resv_block *block = &holes->blocks[b];

			expect(block->start >= hole->start &&
			       block->last <= hole->last);
			expect(block->why != RESV_UNEXPLAINED);
			for (bit = 0; bit != 64; bit++)
				if (block->start <= base + bit &&
				    block->last >= base + bit)
					seen[block->pick] |= 1ULL << bit;
		}
	}
	for (b = 0; b != holes->pool->num; b++)
		expect(seen[b] == dev_bits[b]);
}

static void test_holes(void)
{
	int i, d;

	for (i = 0; i != 3000; i++) {
		uint64_t base = i & 1 ? TOP : 0;
		unsigned int flags = i & 2 ? RESV_IGNORE_ADVISORY : 0;
		struct resv_host host = {};
		struct resv_pool pool = {};
		struct resv_holes holes = {};
		struct resv_set common = {};
		uint64_t bits[8], blocked = 0;
		int num = 1 + rand() % 4;

		for (d = 0; d != num; d++) {
			struct resv_device dev;

			bits[d] = random_device(&dev, base, d, flags);
			blocked |= bits[d];
			expect(!resv_host_add(&host, &dev));
		}
		for (d = 0; d != num; d++)
			expect(!resv_pool_add(&pool, &host, &host.devices[d]));
		expect(!resv_find_holes(&pool, flags, &holes));
		expect(!resv_common_ranges(&holes, &common));
		expect(is_normal(&common));
		expect(model_of(&common, base) == ~blocked);
		check_against(&holes, blocked, base);
		check_pieces(&holes, base);
		expect_causes(&holes, base, bits);
		resv_set_free(&common);
		resv_holes_free(&holes);
		resv_pool_free(&pool);
		resv_host_free(&host);
	}
}

/* What the kernel does not call usable and no region explains */
static void test_unexplained(void)
{
	struct resv_device dev = { .name = strdup("dev"),
				   .aperture_known = true,
				   .aperture = { 0, 0xffff } };
	struct resv_holes holes = {};
	struct resv_pool pool = {};

	expect(!resv_device_add_region(&dev, 0x1000, 0x1fff, RESV_MSI_HW));
	expect(!resv_set_add(&dev.ranges, 0, 0xfff));
	expect(!resv_set_add(&dev.ranges, 0x3000, 0xffff));
	expect(!resv_pool_add(&pool, NULL, &dev));
	expect(!resv_find_holes(&pool, 0, &holes));
	expect(holes.num == 2 && holes.num_blocks == 3);
	expect(holes.blocks[1].why == RESV_UNEXPLAINED);
	expect(holes.blocks[1].start == 0x2000);
	expect(holes.blocks[1].last == 0x2fff);
	resv_holes_free(&holes);
	resv_pool_free(&pool);
	resv_device_free(&dev);
}

/* The lowest addresses that are free, in whole units, from base on */
static uint64_t model_plan(uint64_t blocked, int base, int align, int want)
{
	uint64_t got = 0;
	int unit, bit;

	for (unit = 0; unit != 64 && want; unit += align) {
		uint64_t bits = (UINT64_MAX >> (64 - align)) << unit;

		if (unit < base || blocked & bits)
			continue;
		for (bit = unit; bit != unit + align; bit++)
			got |= 1ULL << bit;
		want -= align;
	}
	return want ? 0 : got;
}

static void test_plan(void)
{
	int i;

	for (i = 0; i != 20000; i++) {
		uint64_t top = i & 1 ? TOP : 0;
		struct resv_plan plan = {};
		struct resv_host host = {};
		struct resv_pool pool = {};
		struct resv_holes holes = {};
		struct resv_device dev;
		struct resv_err err;
		uint64_t blocked, model;
		int base = rand() % 20;
		int rc;

		blocked = random_device(&dev, top, 0, false);
		expect(!resv_host_add(&host, &dev));
		expect(!resv_pool_add(&pool, &host, &host.devices[0]));
		expect(!resv_find_holes(&pool, 0, &holes));
		plan.align = 1 << rand() % 4;
		plan.ram = plan.align * (1 + rand() % (40 / plan.align));
		plan.base = top + base;
		model = model_plan(blocked, base, plan.align, plan.ram);
		rc = resv_make_plan(&plan, &holes, &err);
		/* Below the universe there is room for all; above nothing */
		if (!top && !model) {
			expect(!rc); /* it goes on behind bit 63 */
		} else {
			expect(rc == (model ? 0 : -ENOSPC));
			if (!rc)
				expect(model_of(&plan.pieces, top) == model);
		}
		expect(rc || plan.placed == plan.ram);
		resv_plan_free(&plan);
		resv_holes_free(&holes);
		resv_pool_free(&pool);
		resv_host_free(&host);
	}
}

static void test_plan_bad(void)
{
	static const struct {
		uint64_t ram, align;
	} t[] = { { 0, 4096 }, { 4096, 0 }, { 4096, 3 }, { 4097, 4096 } };
	struct resv_holes none = {};
	struct resv_err err;
	size_t i;

	for (i = 0; i != ARRAY_SIZE(t); i++) {
		struct resv_plan plan = { .ram = t[i].ram,
					  .align = t[i].align };

		expect(resv_make_plan(&plan, &none, &err) == -EINVAL);
	}
}

/* ---- Text ---- */

struct text {
	const char *p;
	size_t left;
};

static ssize_t read_text(void *ctx, void *buf, size_t len)
{
	struct text *text = ctx;

	if (len > text->left)
		len = text->left;
	/* One byte at a time: every token is split somewhere */
	if (len > 1)
		len = 1;
	memcpy(buf, text->p, len);
	text->p += len;
	text->left -= len;
	return len;
}

#define HOST(devices) "{\"schema\":1,\"devices\":[" devices "]}"
#define DEV(more)                                                               \
	"{\"bdf\":\"a\",\"source\":\"ioctl\",\"regions\":[],\"ranges\":[]" more \
	"}"
#define REGIONS(r)                                                 \
	HOST("{\"bdf\":\"a\",\"source\":\"ioctl\",\"regions\":[" r \
	     "],\"ranges\":[]}")
#define RANGES(r)                                                  \
	HOST("{\"bdf\":\"a\",\"source\":\"ioctl\",\"regions\":[]," \
	     "\"ranges\":[" r "]}")

static void test_host_json(void)
{
	static const struct {
		const char *text;
		const char *error; /* NULL: good */
	} t[] = {
		{ HOST(""), NULL },
		{ HOST(DEV("")), NULL },
		{ HOST(DEV(",\"aperture\":null,\"group\":null")), NULL },
		{ HOST(DEV(",\"future\":{\"a\":[1,2,{}]}")), NULL },
		{ "{\"schema\":1,\"host\":\"\\u00e9\",\"devices\":[]}\n",
		  NULL },
		{ "", "t:1: the text ends where '{' is expected" },
		{ "\n\n[", "t:3: '[' where '{' is expected" },
		{ "{\"schema\":1,\n\"devices\":[",
		  "t:2: the text ends where '{' is expected" },
		{ "{\"schema\":1}",
		  "t:1: no \"devices\" in it: not the output of list --json" },
		{ "{\"devices\":[]}", "t:1: no \"schema\" in it" },
		{ "{\"schema\":2,\"devices\":[]}",
		  "t:1: schema 2, this program knows 1" },
		{ "{\"schema\":1,\"schema\":1,\"devices\":[]}",
		  "t:1: \"schema\" is there twice" },
		{ HOST("") "x",
		  "t:1: 'x' where the end of the text is expected" },
		{ HOST("{}"), "t:1: a device without \"bdf\"" },
		{ HOST("{\"bdf\":\"a\"}"), "t:1: a device without \"source\"" },
		{ HOST(DEV("") "," DEV("")), "t: device a is there twice" },
		{ HOST(DEV(",\"group\":-1")),
		  "t:1: '-' where a whole number, not negative, is expected" },
		{ HOST(DEV(",\"group\":1.5")),
		  "t:1: a number that is not whole" },
		{ HOST(DEV(",\"group\":01")),
		  "t:1: a number that starts with 0" },
		{ HOST(DEV(",\"group\":9223372036854775808")),
		  "t:1: group 9223372036854775808 is too large" },
		{ HOST(DEV(",\"alignment\":3")),
		  "t:1: the alignment is no power of two" },
		{ HOST(DEV(",\"bridge\":1")),
		  "t:1: '1' where false is expected" },
		{ HOST(DEV(",\"driver\":\"\\u0000\"")),
		  "t:1: a control character, U+0000, in a string" },
		/* Names go to a terminal and into SVG */
		{ HOST(DEV(",\"driver\":\"\\u001b[2J\"")),
		  "t:1: a control character, U+001B, in a string" },
		{ HOST(DEV(",\"vfio\":\"\xc2\x9b\"")),
		  "t:1: a control character, U+009B, in a string" },
		{ HOST(DEV(",\"label\":\"\\uffff\"")),
		  "t:1: a control character, U+FFFF, in a string" },
		{ HOST(DEV(",\"driver\":\"\x80\"")),
		  "t:1: byte 0x80 is not UTF-8" },
		{ HOST(DEV(",\"driver\":\"\xe0\x80\x80\"")),
		  "t:1: the string is not UTF-8" },
		{ HOST(DEV(",\"driver\":\"\n\"")),
		  "t:2: byte 0x0a where the rest of a string is expected" },
		{ HOST(DEV(",\"driver\":\"\\ud800\"")),
		  "t:1: half of a surrogate pair" },
		{ REGIONS("{\"start\":\"0\",\"last\":\"1\",\"type\":\"msi\"}"),
		  NULL },
		{ REGIONS("\n{\"start\":\"2\",\n\"last\":\"1\",\"type\":\"msi\"}"),
		  "t:3: the range ends before it starts" },
		{ REGIONS("{\"start\":\"0\",\"last\":\"1\"}"),
		  "t:1: a region without \"type\"" },
		{ REGIONS("{\"start\":\"0\",\"type\":\"msi\"}"),
		  "t:1: a range without \"start\" or \"last\"" },
		{ REGIONS("{\"start\":\"0\",\"last\":\"1\",\"type\":\"mis\"}"),
		  "t:1: \"mis\" is no type of a region" },
		{ REGIONS("{\"start\":\"0\",\"last\":\"0x10000000000000000\"}"),
		  "t:1: a number of more than 64 bits: \"0x10000000000000000\"" },
		{ REGIONS("{\"start\":\"0\",\"last\":18446744073709551616}"),
		  "t:1: a number of more than 64 bits" },
		{ REGIONS("{\"start\":\"zero\"}"),
		  "t:1: not an address or a size: \"zero\"" },
		{ REGIONS("{\"start\":\"0\","),
		  "t:1: ']' where '\"' is expected" },
		{ RANGES("{\"start\":\"0\",\"last\":\"9\"}"), NULL },
		{ RANGES("{\"start\":\"0\",\"last\":\"9\"},\n"
			 "{\"start\":\"9\",\"last\":\"11\"}"),
		  "t:2: the range is not behind the one before it" },
	};
	size_t i;

	for (i = 0; i != ARRAY_SIZE(t); i++) {
		struct text text = { t[i].text, strlen(t[i].text) };
		struct resv_input in = { "t", read_text, &text, 1 << 20 };
		struct resv_host host = {};
		struct resv_err err = {};
		int rc = resv_parse_host(&in, &host, &err);

		if (!rc != !t[i].error ||
		    (rc && strcmp(err.text, t[i].error))) {
			printf("# %s\n# gives: %s\n# not:   %s\n", t[i].text,
			       rc ? err.text : "no error",
			       t[i].error ? t[i].error : "no error");
			expect(false);
		}
		resv_host_free(&host);
	}
}

static void test_json_deep(void)
{
	static char deep[300000];
	struct text text = { deep, sizeof(deep) };
	struct resv_input in = { "t", read_text, &text, 1 << 20 };
	struct resv_host host = {};
	struct resv_err err = {};

	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"x\":", 5);
	expect(resv_parse_host(&in, &host, &err) == -EINVAL);
	expect(!strcmp(err.text, "t:1: more than 64 levels"));
	resv_host_free(&host);
}

static ssize_t read_spaces(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	memset(buf, ' ', len);
	return len;
}

static ssize_t read_error(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	(void)buf;
	(void)len;
	return -EIO;
}

static void test_json_input(void)
{
	struct resv_input endless = { "t", read_spaces, NULL, 1 << 20 };
	struct resv_input broken = { "t", read_error, NULL, 1 << 20 };
	struct resv_host host = {};
	struct resv_err err = {};

	expect(resv_parse_host(&endless, &host, &err) == -EFBIG);
	expect(!strcmp(err.text, "t: longer than 1 MiB"));
	expect(resv_parse_host(&broken, &host, &err) == -EIO);
	expect(!strcmp(err.text, "t: Input/output error"));
	resv_host_free(&host);
}

#define LAYOUT(pieces) "{\"schema\":1,\"ram\":[" pieces "]}"

static void test_layout_json(void)
{
	static const struct {
		const char *text;
		const char *error;
	} t[] = {
		{ LAYOUT("{\"start\":\"0\",\"size\":\"2G\"}"), NULL },
		{ LAYOUT("{\"start\":\"0\",\"last\":\"0xffffffffffffffff\"}"),
		  NULL },
		{ LAYOUT("{\"start\":\"4G\",\"size\":4},{\"start\":0,\"size\":4}"),
		  NULL },
		{ LAYOUT("{\"start\":\"0\",\"size\":2,\"last\":1}"), NULL },
		{ LAYOUT(""), "t:1: no piece of RAM in it" },
		{ LAYOUT("{\"start\":\"0\"}"),
		  "t:1: a piece needs \"start\", and \"last\" or \"size\"" },
		{ LAYOUT("{\"start\":\"0\",\"size\":0}"),
		  "t:1: the piece is empty" },
		{ LAYOUT("{\"start\":\"1\",\"last\":\"0\"}"),
		  "t:1: the piece ends before it starts" },
		{ LAYOUT("{\"start\":\"0\",\"size\":2,\"last\":2}"),
		  "t:1: \"last\" and \"size\" do not agree" },
		{ LAYOUT("{\"start\":\"0xffffffffffffffff\",\"size\":2}"),
		  "t:1: the piece goes past 64 bits" },
		{ LAYOUT("{\"start\":\"0xffffffffffffffff\",\"size\":1}"),
		  NULL },
		{ LAYOUT("\n{\"start\":0,\"size\":\"2G\"},\n"
			 "{\"start\":\"1G\",\"size\":\"2G\"}"),
		  "t:3: the piece overlaps that of line 2" },
		{ LAYOUT("\n{\"start\":\"1G\",\"size\":\"2G\"},\n"
			 "{\"start\":0,\"size\":\"2G\"}"),
		  "t:3: the piece overlaps that of line 2" },
		{ "{\"schema\":1}", "t:1: no \"ram\" in it" },
		{ "{\"ram\":[{\"start\":0,\"size\":1}]}",
		  "t:1: no \"schema\" in it" },
		{ "{\"schema\":1,\"ram\":{}}",
		  "t:1: '{' where '[' is expected" },
	};
	size_t i;

	for (i = 0; i != ARRAY_SIZE(t); i++) {
		struct text text = { t[i].text, strlen(t[i].text) };
		struct resv_input in = { "t", read_text, &text, 1 << 20 };
		struct resv_layout layout = {};
		struct resv_err err = {};
		int rc = resv_parse_layout(&in, &layout, &err);

		if (!rc != !t[i].error ||
		    (rc && strcmp(err.text, t[i].error))) {
			printf("# %s\n# gives: %s\n# not:   %s\n", t[i].text,
			       rc ? err.text : "no error",
			       t[i].error ? t[i].error : "no error");
			expect(false);
		}
		resv_layout_free(&layout);
	}
}

#define A "0x0000000000000000 0x0000ffffffffffff aperture\n"
#define M "0x0000000008000000 0x00000000080fffff "

static void test_sysfs(void)
{
	static const struct {
		enum resv_source source;
		const char *text;
		const char *error;
		size_t regions, ranges;
	} t[] = {
		{ RESV_FROM_IOVA_REGIONS, "", NULL, 0, 0 },
		{ RESV_FROM_IOVA_REGIONS, A M "sw-msi\n", NULL, 1, 0 },
		{ RESV_FROM_IOVA_REGIONS, A M "usable\n", NULL, 0, 1 },
		{ RESV_FROM_IOVA_REGIONS, A M "of-a-kernel-to-come\n", NULL, 0,
		  0 },
		{ RESV_FROM_IOVA_REGIONS, A A, "t:2: a second aperture", 0, 0 },
		{ RESV_FROM_IOVA_REGIONS, A M "msi", "t:2: the line has no end",
		  0, 0 },
		{ RESV_FROM_IOVA_REGIONS, "\n",
		  "t:1: not \"0x<start> 0x<last> <type>\"", 0, 0 },
		{ RESV_FROM_IOVA_REGIONS, M "\n",
		  "t:1: not \"0x<start> 0x<last> <type>\"", 0, 0 },
		{ RESV_FROM_IOVA_REGIONS, "0x1 0x0 msi\n",
		  "t:1: the range ends before it starts", 0, 0 },
		{ RESV_FROM_IOVA_REGIONS, "0x 0x1 msi\n",
		  "t:1: not \"0x<start> 0x<last> <type>\"", 0, 0 },
		{ RESV_FROM_IOVA_REGIONS, "0x0 0x10000000000000000 msi\n",
		  "t:1: not \"0x<start> 0x<last> <type>\"", 0, 0 },
		{ RESV_FROM_RESERVED_REGIONS, "", NULL, 0, 1 },
		{ RESV_FROM_RESERVED_REGIONS, M "msi\n", NULL, 1, 2 },
		{ RESV_FROM_RESERVED_REGIONS, M "direct-relaxable\n", NULL, 1,
		  1 },
		/* Not known, so the worst */
		{ RESV_FROM_RESERVED_REGIONS, M "of-a-kernel-to-come\n", NULL,
		  1, 2 },
	};
	size_t i;

	for (i = 0; i != ARRAY_SIZE(t); i++) {
		struct resv_device dev = { .source = t[i].source };
		struct resv_err err = {};
		int rc = resv_parse_sysfs(t[i].text, strlen(t[i].text), "t",
					  &dev, &err);

		if (!rc != !t[i].error ||
		    (rc && strcmp(err.text, t[i].error))) {
			printf("# %s# gives: %s\n", t[i].text,
			       rc ? err.text : "no error");
			expect(false);
		}
		if (!rc) {
			expect(dev.num_regions == t[i].regions);
			expect(dev.ranges.num == t[i].ranges);
		}
		resv_device_free(&dev);
	}
}

/* The kernel cuts the old file at a page, the new one it does not */
static void test_sysfs_cut(void)
{
	struct resv_device dev = { .source = RESV_FROM_RESERVED_REGIONS };
	struct resv_err err = {};
	char text[8192] = "";

	while (strlen(text) < 4095)
		strcat(text, M "reserved\n");
	expect(resv_parse_sysfs(text, 4095, "t", &dev, &err) == -EMSGSIZE);
	expect(strstr(err.text, "cut by the kernel"));
	dev.source = RESV_FROM_IOVA_REGIONS;
	expect(!resv_parse_sysfs(text, strlen(text), "t", &dev, &err));
	resv_device_free(&dev);
}

static void test_assignable(void)
{
	struct resv_device dev = {};

	expect(!resv_device_unassignable(&dev));
	expect(!resv_device_add_region(&dev, 0, 1, RESV_DIRECT_RELAXABLE));
	expect(!resv_device_unassignable(&dev));
	expect(!resv_device_add_region(&dev, 0, 1, RESV_DIRECT));
	expect(resv_device_unassignable(&dev));
	resv_device_free(&dev);
	dev.bridge = true;
	expect(resv_device_unassignable(&dev));
	dev.bridge = false;
	dev.no_iommu = true;
	expect(resv_device_unassignable(&dev));
}

#ifdef HAVE_JSONC
/* What is written is JSON in the eyes of another, with the numbers as text */
static void test_json_c(void)
{
	struct resv_host host = { .name = strdup("\"\\\t\x7f\xc3\xa9") };
	struct resv_device dev = { .name = strdup("a"), .group = 3 };
	struct json_object *o, *devices, *d, *v;
	char *text = NULL;
	size_t len;
	FILE *f;

	expect(!resv_device_add_region(&dev, 0, UINT64_MAX, RESV_NO_DMA));
	expect(!resv_host_add(&host, &dev));
	f = open_memstream(&text, &len);
	resv_write_host(f, &host);
	expect(!fclose(f));
	o = json_tokener_parse(text);
	expect(o);
	expect(json_object_object_get_ex(o, "host", &v));
	expect(!strcmp(json_object_get_string(v), host.name));
	expect(json_object_object_get_ex(o, "devices", &devices));
	expect(json_object_array_length(devices) == 1);
	d = json_object_array_get_idx(devices, 0);
	expect(json_object_object_get_ex(d, "group", &v));
	expect(json_object_get_int(v) == 3);
	expect(json_object_object_get_ex(d, "regions", &v));
	v = json_object_array_get_idx(v, 0);
	expect(json_object_object_get_ex(v, "last", &v));
	expect(!strcmp(json_object_get_string(v), "0xffffffffffffffff"));
	json_object_put(o);
	free(text);
	resv_host_free(&host);
}
#endif

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	srand(1); /* the same every time */
	run("sets", test_sets);
	run("invert_edges", test_invert_edges);
	run("align", test_align);
	run("parse_size", test_parse_size);
	run("format_size", test_format_size);
	run("holes", test_holes);
	run("unexplained", test_unexplained);
	run("plan", test_plan);
	run("plan_bad", test_plan_bad);
	run("host_json", test_host_json);
	run("json_deep", test_json_deep);
	run("json_input", test_json_input);
	run("layout_json", test_layout_json);
	run("sysfs", test_sysfs);
	run("sysfs_cut", test_sysfs_cut);
	run("assignable", test_assignable);
#ifdef HAVE_JSONC
	run("json_c", test_json_c);
#endif
	printf("1..%u\n", num_tests);
	return num_failed ? 1 : 0;
}
