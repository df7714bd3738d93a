/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JSON as RFC 8259 has it. The reader is a pull parser: the caller asks for what
 * it expects next. It needs the same memory however long the text is, and knows
 * the line of everything, so that an error about the meaning of a value can name
 * it as well. Both are why this is not built upon a library that makes a tree.
 *
 *	rc = rjson_enter(j, '{');
 *	while (!rc && (rc = rjson_member(j, &first)) > 0) {
 *		if (!strcmp(j->str, "size"))
 *			rc = rjson_size(j, &size);
 *		else
 *			rc = rjson_skip(j);
 *	}
 *
 * Functions return 0 or a negative errno, and then j->err has the message.
 */
#ifndef __IOMMU_RESV_RJSON_H
#define __IOMMU_RESV_RJSON_H

#include "resv.h"

#define JSON_MAX_STR 256
#define JSON_MAX_DEPTH 64

struct rjson {
	const struct resv_input *in;
	struct resv_err *err;
	unsigned int line;
	unsigned int depth;
	uint64_t total;
	bool eof;
	unsigned char *p;
	unsigned char *end;
	/* The last string or key, zero terminated; has no control characters */
	char str[JSON_MAX_STR];
	unsigned char buf[16384];
};

void rjson_init(struct rjson *j, const struct resv_input *in,
		struct resv_err *err);
/* An error about what was read last; returns -EINVAL */
int rjson_bad(struct rjson *j, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The next value begins with this: '{', '[', '"', 't', 'f', 'n' or '0' */
int rjson_peek(struct rjson *j);
int rjson_enter(struct rjson *j, char bracket);
/* 1: there is a member, its key is in j->str; 0: the object has ended */
int rjson_member(struct rjson *j, bool *first);
/* 1: there is an element; 0: the array has ended */
int rjson_element(struct rjson *j, bool *first);
int rjson_string(struct rjson *j);
/* "null" gives NULL, a string a copy of it */
int rjson_string_or_null(struct rjson *j, char **copy);
int rjson_bool(struct rjson *j, bool *val);
int rjson_null(struct rjson *j);
/* A whole number that is not negative */
int rjson_number(struct rjson *j, uint64_t *val);
/* A whole number, or a string like "0x100000" or "512G" */
int rjson_size(struct rjson *j, uint64_t *val);
int rjson_skip(struct rjson *j);
/* A key may be there once: @bit is set in @seen */
int rjson_once(struct rjson *j, unsigned int *seen, unsigned int bit);
/* Nothing but white space may follow */
int rjson_end(struct rjson *j);

/*
 * The writer. Objects and arrays that are opened with @line stand on one line.
 * NULL as @key in arrays and at the top.
 */
struct rjson_out {
	FILE *file;
	unsigned int depth;
	unsigned int line_depth; /* 0: not on one line */
	bool empty;
};

void rjson_open(struct rjson_out *o, const char *key, char bracket, bool line);
void rjson_close(struct rjson_out *o, char bracket);
void rjson_put_string(struct rjson_out *o, const char *key, const char *val);
void rjson_put_hex(struct rjson_out *o, const char *key, uint64_t val);
void rjson_put_int(struct rjson_out *o, const char *key, long long val);
void rjson_put_bool(struct rjson_out *o, const char *key, bool val);
/* Members "start" and "last", an object of them, an array of such (write.c) */
void rjson_put_ends(struct rjson_out *o, uint64_t start, uint64_t last);
void rjson_range(struct rjson_out *o, const char *key, struct resv_range range);
void rjson_set(struct rjson_out *o, const char *key,
	       const struct resv_set *set);

#endif
