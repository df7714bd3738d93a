// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arithmetic with inclusive ranges. A last of UINT64_MAX is good everywhere, so
 * no function may compute last + 1 without having looked.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "resv.h"

int resv_fail(struct resv_err *err, int rc, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return rc;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	return rc;
}

void resv_set_free(struct resv_set *set)
{
	free(set->ranges);
	*set = (struct resv_set){};
}

int resv_set_add(struct resv_set *set, uint64_t start, uint64_t last)
{
	if (start > last)
		return -EINVAL;
	if (set->num == set->max) {
		size_t max = set->max ? set->max * 2 : 4;
		void *p = realloc(set->ranges, max * sizeof(*set->ranges));

		if (!p)
			return -ENOMEM;
		set->ranges = p;
		set->max = max;
	}
	set->ranges[set->num++] = (struct resv_range){ start, last };
	return 0;
}

static int cmp_ranges(const void *a, const void *b)
{
	const struct resv_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

void resv_set_normalize(struct resv_set *set)
{
	size_t i, out = 0;

	if (set->num < 2)
		return;
	qsort(set->ranges, set->num, sizeof(*set->ranges), cmp_ranges);
	for (i = 1; i != set->num; i++) {
		struct resv_range *prev = &set->ranges[out];
		struct resv_range *next = &set->ranges[i];

		/* The first test keeps the + 1 of the second from a wrap */
		if (next->start <= prev->last ||
		    next->start == prev->last + 1) {
			if (next->last > prev->last)
				prev->last = next->last;
		} else {
			set->ranges[++out] = *next;
		}
	}
	set->num = out + 1;
}

int resv_set_invert(const struct resv_set *set, struct resv_range within,
		    struct resv_set *out)
{
	uint64_t next = within.start;
	size_t i;
	int rc;

	for (i = 0; i != set->num; i++) {
		const struct resv_range *r = &set->ranges[i];

		if (r->last < next)
			continue;
		if (r->start > within.last)
			break;
		if (r->start > next) {
			rc = resv_set_add(out, next, r->start - 1);
			if (rc)
				return rc;
		}
		if (r->last >= within.last)
			return 0;
		next = r->last + 1;
	}
	return resv_set_add(out, next, within.last);
}

int resv_set_intersect(const struct resv_set *a, const struct resv_set *b,
		       struct resv_set *out)
{
	size_t i = 0, j = 0;
	int rc;

	while (i != a->num && j != b->num) {
		const struct resv_range *x = &a->ranges[i];
		const struct resv_range *y = &b->ranges[j];
		uint64_t start = x->start > y->start ? x->start : y->start;
		uint64_t last = x->last < y->last ? x->last : y->last;

		if (start <= last) {
			rc = resv_set_add(out, start, last);
			if (rc)
				return rc;
		}
		if (x->last < y->last)
			i++;
		else
			j++;
	}
	return 0;
}

int resv_set_subtract(const struct resv_set *a, const struct resv_set *b,
		      struct resv_set *out)
{
	struct resv_set rest = {};
	int rc;

	rc = resv_set_invert(b, RESV_EVERYTHING, &rest);
	if (!rc)
		rc = resv_set_intersect(a, &rest, out);
	resv_set_free(&rest);
	return rc;
}

bool resv_set_equal(const struct resv_set *a, const struct resv_set *b)
{
	size_t i;

	if (a->num != b->num)
		return false;
	for (i = 0; i != a->num; i++)
		if (a->ranges[i].start != b->ranges[i].start ||
		    a->ranges[i].last != b->ranges[i].last)
			return false;
	return true;
}

const struct resv_range *resv_set_find(const struct resv_set *set,
				       struct resv_range range)
{
	size_t low = 0, high = set->num;

	/* The first one that does not end before the range starts */
	while (low != high) {
		size_t mid = low + (high - low) / 2;

		if (set->ranges[mid].last < range.start)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == set->num || set->ranges[low].start > range.last)
		return NULL;
	return &set->ranges[low];
}

bool resv_range_align(struct resv_range *range, uint64_t align)
{
	uint64_t mask = align - 1;
	uint64_t start = range->start;
	uint64_t last = range->last;

	if (start & mask) {
		if (start > UINT64_MAX - mask)
			return false;
		start = (start + mask) & ~mask;
	}
	/* last + 1 is to be a multiple; at the very top it is one */
	if ((last & mask) != mask) {
		if (last < mask)
			return false;
		last = (last & ~mask) - 1;
	}
	if (start > last)
		return false;
	*range = (struct resv_range){ start, last };
	return true;
}

int resv_parse_size(const char *text, uint64_t *val)
{
	static const char units[] = "KMGTPE";
	unsigned int base = 10;
	uint64_t n = 0;
	const char *digits;
	const char *unit;
	int shift;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	for (digits = text; isxdigit((unsigned char)*text); text++) {
		unsigned int digit;

		if (isdigit((unsigned char)*text))
			digit = *text - '0';
		else
			digit = tolower((unsigned char)*text) - 'a' + 10;
		/* A unit (E) of a decimal number, or a hexadecimal digit */
		if (digit >= base)
			break;
		if (n > (UINT64_MAX - digit) / base)
			return -ERANGE;
		n = n * base + digit;
	}
	if (text == digits)
		return -EINVAL;
	if (*text) {
		unit = strchr(units, toupper((unsigned char)*text));
		if (!unit || text[1])
			return -EINVAL;
		shift = 10 * (unit - units + 1);
		if (n > UINT64_MAX >> shift)
			return -ERANGE;
		n <<= shift;
	}
	*val = n;
	return 0;
}

static const char unit_names[] = { 0, 'K', 'M', 'G', 'T', 'P', 'E' };

const char *resv_exact_size(char buf[RESV_SIZE_LEN], struct resv_range range)
{
	uint64_t size = range.last - range.start + 1;
	unsigned int unit = 0;

	if (!size) /* 2^64 */
		return "16E";
	while (unit != 6 && !(size & 1023)) {
		size >>= 10;
		unit++;
	}
	snprintf(buf, RESV_SIZE_LEN, "%" PRIu64 "%.1s", size,
		 &unit_names[unit]);
	return buf;
}

const char *resv_short_size(char buf[RESV_SIZE_LEN], struct resv_range range)
{
	uint64_t size = range.last - range.start + 1;
	unsigned int unit = 0, tenths;

	if (!size)
		return "16E";
	resv_exact_size(buf, range);
	if (strlen(buf) <= 5)
		return buf;
	while (unit != 6 && size >> (10 * unit) >= 1024)
		unit++;
	tenths = (size >> (10 * (unit - 1)) & 1023) * 10 / 1024;
	size >>= 10 * unit;
	snprintf(buf, RESV_SIZE_LEN, "%" PRIu64 ".%u%c", size, tenths,
		 unit_names[unit]);
	return buf;
}
