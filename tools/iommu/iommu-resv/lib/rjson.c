// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rjson.h"

#define NO_MORE (-1) /* of the text, where a character is expected */

void rjson_init(struct rjson *j, const struct resv_input *in,
		struct resv_err *err)
{
	*j = (struct rjson){ .in = in, .err = err, .line = 1 };
	j->p = j->buf;
	j->end = j->buf;
}

int rjson_bad(struct rjson *j, const char *fmt, ...)
{
	char text[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return resv_fail(j->err, -EINVAL, "%.150s:%u: %s", j->in->name, j->line,
			 text);
}

static int fill(struct rjson *j)
{
	ssize_t n;

	if (j->eof)
		return NO_MORE;
	n = j->in->read(j->in->ctx, j->buf, sizeof(j->buf));
	if (n < 0)
		return resv_fail(j->err, (int)n, "%.150s: %s", j->in->name,
				 strerror(-(int)n)) -
		       1;
	if (!n) {
		j->eof = true;
		return NO_MORE;
	}
	j->total += n;
	if (j->total > j->in->limit)
		return resv_fail(j->err, -EFBIG,
				 "%.150s: longer than %" PRIu64 " MiB",
				 j->in->name, j->in->limit >> 20) -
		       1;
	j->p = j->buf;
	j->end = j->buf + n;
	return 0;
}

/*
 * The next character, which is not consumed; NO_MORE; or below that an errno less 1,
 * so that no errno looks like NO_MORE.
 */
static int look(struct rjson *j)
{
	int rc;

	if (j->p == j->end) {
		rc = fill(j);
		if (rc)
			return rc;
	}
	return *j->p;
}

static int get(struct rjson *j)
{
	int c = look(j);

	if (c >= 0) {
		j->p++;
		if (c == '\n')
			j->line++;
	}
	return c;
}

/* What to return for a character that was not expected */
static int unexpected(struct rjson *j, int c, const char *want)
{
	if (c < NO_MORE)
		return c + 1;
	if (c == NO_MORE)
		return rjson_bad(j, "the text ends where %s is expected", want);
	if (c < 0x20 || c > 0x7e)
		return rjson_bad(j, "byte 0x%02x where %s is expected", c,
				 want);
	return rjson_bad(j, "'%c' where %s is expected", c, want);
}

static int look_past_space(struct rjson *j)
{
	int c;

	while ((c = look(j)) == ' ' || c == '\t' || c == '\n' || c == '\r')
		get(j);
	return c;
}

static int expect(struct rjson *j, char want)
{
	char name[] = { '\'', want, '\'', 0 };
	int c = look_past_space(j);

	if (c != want)
		return unexpected(j, c, name);
	get(j);
	return 0;
}

int rjson_peek(struct rjson *j)
{
	int c = look_past_space(j);

	if (c == '-' || (c >= '0' && c <= '9'))
		return '0';
	if (c > 0 && strchr("{[\"tfn", c))
		return c;
	return unexpected(j, c, "a value");
}

int rjson_enter(struct rjson *j, char bracket)
{
	int rc = expect(j, bracket);

	if (rc)
		return rc;
	if (++j->depth > JSON_MAX_DEPTH)
		return rjson_bad(j, "more than %u levels", JSON_MAX_DEPTH);
	return 0;
}

/* After an opening bracket, or an entry: 1 another one comes, 0 the end */
static int next_entry(struct rjson *j, bool *first, char bracket)
{
	const char *want = bracket == ']' ? "',' or ']'" : "',' or '}'";
	int c = look_past_space(j);

	if (c == bracket) {
		get(j);
		j->depth--;
		return 0;
	}
	if (*first) {
		*first = false;
		return 1;
	}
	if (c != ',')
		return unexpected(j, c, want);
	get(j);
	return 1;
}

int rjson_member(struct rjson *j, bool *first)
{
	int rc = next_entry(j, first, '}');

	if (rc <= 0)
		return rc;
	rc = rjson_string(j);
	if (!rc)
		rc = expect(j, ':');
	return rc ? rc : 1;
}

int rjson_element(struct rjson *j, bool *first)
{
	return next_entry(j, first, ']');
}

static int hex4(struct rjson *j, unsigned int *val)
{
	int i, c;

	*val = 0;
	for (i = 0; i != 4; i++) {
		c = get(j);
		if (c >= '0' && c <= '9')
			c -= '0';
		else if (c >= 'a' && c <= 'f')
			c -= 'a' - 10;
		else if (c >= 'A' && c <= 'F')
			c -= 'A' - 10;
		else
			return unexpected(j, c, "a hexadecimal digit");
		*val = *val << 4 | c;
	}
	return 0;
}

/* The part of an escape sequence behind the backslash, as a code point */
static int take_escape(struct rjson *j, unsigned int *code)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	unsigned int low;
	const char *pos;
	int c = get(j);
	int rc;

	if (c != 'u') {
		pos = c > 0 ? strchr(from, c) : NULL;
		if (!pos)
			return unexpected(j, c, "an escape sequence");
		*code = to[pos - from];
		return 0;
	}
	rc = hex4(j, code);
	if (rc)
		return rc;
	if (*code < 0xd800 || *code > 0xdfff)
		return 0;
	if (*code > 0xdbff || get(j) != '\\' || get(j) != 'u')
		return rjson_bad(j, "half of a surrogate pair");
	rc = hex4(j, &low);
	if (rc)
		return rc;
	if (low < 0xdc00 || low > 0xdfff)
		return rjson_bad(j, "half of a surrogate pair");
	*code = 0x10000 + ((*code & 0x3ff) << 10 | (low & 0x3ff));
	return 0;
}

/* The rest of a UTF-8 sequence that begins with @c, as a code point */
static int utf8_tail(struct rjson *j, int c, unsigned int *code)
{
	static const unsigned int min[] = { 0, 0x80, 0x800, 0x10000 };
	int num = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	int i;

	if (c < 0xc2 || c > 0xf4)
		return rjson_bad(j, "byte 0x%02x is not UTF-8", c);
	*code = c & (0x3f >> num);
	for (i = 0; i != num; i++) {
		c = get(j);
		if (c < NO_MORE)
			return c + 1;
		if (c < 0x80 || c > 0xbf)
			return rjson_bad(j, "the string is not UTF-8");
		*code = *code << 6 | (c & 0x3f);
	}
	if (*code < min[num] || *code > 0x10ffff ||
	    (*code >= 0xd800 && *code <= 0xdfff))
		return rjson_bad(j, "the string is not UTF-8");
	return 0;
}

static int utf8_put(unsigned int code, char *out)
{
	if (code < 0x80) {
		out[0] = code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = 0xc0 | code >> 6;
		out[1] = 0x80 | (code & 0x3f);
		return 2;
	}
	if (code < 0x10000) {
		out[0] = 0xe0 | code >> 12;
		out[1] = 0x80 | (code >> 6 & 0x3f);
		out[2] = 0x80 | (code & 0x3f);
		return 3;
	}
	out[0] = 0xf0 | code >> 18;
	out[1] = 0x80 | (code >> 12 & 0x3f);
	out[2] = 0x80 | (code >> 6 & 0x3f);
	out[3] = 0x80 | (code & 0x3f);
	return 4;
}

/* A terminal may act upon it, and XML cannot have it */
static bool is_control(unsigned int code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
	       code == 0xfffe || code == 0xffff;
}

/* @keep: into j->str, where it must fit. Else it may have any length. */
static int take_string(struct rjson *j, bool keep)
{
	size_t len = 0;
	int c, rc;

	rc = expect(j, '"');
	if (rc)
		return rc;
	for (;;) {
		unsigned int code;
		char utf8[4];
		int n;

		c = get(j);
		if (c == '"')
			break;
		if (c < 0x20)
			return unexpected(j, c, "the rest of a string");
		code = c;
		rc = 0;
		if (c == '\\')
			rc = take_escape(j, &code);
		else if (c >= 0x80)
			rc = utf8_tail(j, c, &code);
		if (rc)
			return rc;
		if (!keep)
			continue;
		if (is_control(code))
			return rjson_bad(
				j, "a control character, U+%04X, in a string",
				code);
		n = utf8_put(code, utf8);
		if (len + n >= sizeof(j->str))
			return rjson_bad(j, "a string of more than %u bytes",
					 JSON_MAX_STR - 1);
		memcpy(&j->str[len], utf8, n);
		len += n;
	}
	if (keep)
		j->str[len] = 0;
	return 0;
}

int rjson_string(struct rjson *j)
{
	return take_string(j, true);
}

static int word(struct rjson *j, const char *want)
{
	const char *p;
	int c;

	look_past_space(j);
	for (p = want; *p; p++) {
		c = get(j);
		if (c != *p)
			return unexpected(j, c, want);
	}
	return 0;
}

int rjson_null(struct rjson *j)
{
	return word(j, "null");
}

int rjson_string_or_null(struct rjson *j, char **copy)
{
	int c = look_past_space(j);
	int rc;

	free(*copy);
	*copy = NULL;
	if (c == 'n')
		return rjson_null(j);
	rc = rjson_string(j);
	if (rc)
		return rc;
	*copy = strdup(j->str);
	return *copy ? 0 : resv_fail(j->err, -ENOMEM, "out of memory");
}

int rjson_bool(struct rjson *j, bool *val)
{
	*val = look_past_space(j) == 't';
	return word(j, *val ? "true" : "false");
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

/* One or more digits that count for nothing */
static int skip_digits(struct rjson *j)
{
	if (!is_digit(look(j)))
		return unexpected(j, look(j), "a digit");
	while (is_digit(look(j)))
		get(j);
	return 0;
}

int rjson_number(struct rjson *j, uint64_t *val)
{
	uint64_t n = 0;
	int c = look_past_space(j);

	if (!is_digit(c))
		return unexpected(j, c, "a whole number, not negative,");
	get(j);
	n = c - '0';
	if (!n && is_digit(look(j)))
		return rjson_bad(j, "a number that starts with 0");
	while (is_digit(c = look(j))) {
		get(j);
		if (n > (UINT64_MAX - (c - '0')) / 10)
			return rjson_bad(j, "a number of more than 64 bits");
		n = n * 10 + (c - '0');
	}
	if (c == '.' || c == 'e' || c == 'E')
		return rjson_bad(j, "a number that is not whole");
	*val = n;
	return 0;
}

int rjson_size(struct rjson *j, uint64_t *val)
{
	int rc;

	if (look_past_space(j) != '"')
		return rjson_number(j, val);
	rc = rjson_string(j);
	if (rc)
		return rc;
	rc = resv_parse_size(j->str, val);
	if (rc == -ERANGE)
		return rjson_bad(j, "a number of more than 64 bits: \"%.80s\"",
				 j->str);
	if (rc)
		return rjson_bad(j, "not an address or a size: \"%.80s\"",
				 j->str);
	return 0;
}

static int skip_number(struct rjson *j)
{
	int rc;

	if (look(j) == '-')
		get(j);
	if (look(j) == '0') {
		get(j);
		if (is_digit(look(j)))
			return rjson_bad(j, "a number that starts with 0");
	} else {
		rc = skip_digits(j);
		if (rc)
			return rc;
	}
	if (look(j) == '.') {
		get(j);
		rc = skip_digits(j);
		if (rc)
			return rc;
	}
	if (look(j) == 'e' || look(j) == 'E') {
		get(j);
		if (look(j) == '+' || look(j) == '-')
			get(j);
		return skip_digits(j);
	}
	return 0;
}

int rjson_skip(struct rjson *j)
{
	bool first = true;
	bool val;
	int c = rjson_peek(j);
	int rc;

	switch (c) {
	case '"':
		return take_string(j, false);
	case 't':
	case 'f':
		return rjson_bool(j, &val);
	case 'n':
		return rjson_null(j);
	case '0':
		return skip_number(j);
	case '[':
		rc = rjson_enter(j, '[');
		while (!rc && (rc = rjson_element(j, &first)) > 0)
			rc = rjson_skip(j);
		return rc;
	case '{':
		rc = rjson_enter(j, '{');
		while (!rc && (rc = next_entry(j, &first, '}')) > 0) {
			/* A key that may be long */
			rc = take_string(j, false);
			if (!rc)
				rc = expect(j, ':');
			if (!rc)
				rc = rjson_skip(j);
		}
		return rc;
	default:
		return c;
	}
}

int rjson_once(struct rjson *j, unsigned int *seen, unsigned int bit)
{
	if (*seen & bit)
		return rjson_bad(j, "\"%.80s\" is there twice", j->str);
	*seen |= bit;
	return 0;
}

int rjson_end(struct rjson *j)
{
	int c = look_past_space(j);

	return c == NO_MORE ? 0 : unexpected(j, c, "the end of the text");
}

static void newline(struct rjson_out *o)
{
	if (o->line_depth) {
		if (!o->empty)
			fputc(' ', o->file);
		return;
	}
	fprintf(o->file, "\n%*s", 2 * o->depth, "");
}

static void put_text(struct rjson_out *o, const char *s)
{
	fputc('"', o->file);
	for (; *s; s++) {
		unsigned char c = *s;

		if (c == '"' || c == '\\')
			fprintf(o->file, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(o->file, "\\u%04x", c);
		else
			fputc(c, o->file);
	}
	fputc('"', o->file);
}

static void put_key(struct rjson_out *o, const char *key)
{
	if (!o->empty)
		fputc(',', o->file);
	if (o->depth)
		newline(o);
	o->empty = false;
	if (key) {
		put_text(o, key);
		fputs(": ", o->file);
	}
}

void rjson_open(struct rjson_out *o, const char *key, char bracket, bool line)
{
	if (!o->depth)
		o->empty = true;
	put_key(o, key);
	fputc(bracket, o->file);
	o->depth++;
	if (line && !o->line_depth)
		o->line_depth = o->depth;
	o->empty = true;
}

void rjson_close(struct rjson_out *o, char bracket)
{
	bool line = o->line_depth;

	if (o->line_depth == o->depth)
		o->line_depth = 0;
	o->depth--;
	if (!o->empty && !line)
		newline(o);
	fputc(bracket, o->file);
	if (!o->depth)
		fputc('\n', o->file);
	o->empty = false;
}

void rjson_put_string(struct rjson_out *o, const char *key, const char *val)
{
	put_key(o, key);
	if (val)
		put_text(o, val);
	else
		fputs("null", o->file);
}

void rjson_put_hex(struct rjson_out *o, const char *key, uint64_t val)
{
	put_key(o, key);
	fprintf(o->file, "\"0x%" PRIx64 "\"", val);
}

void rjson_put_int(struct rjson_out *o, const char *key, long long val)
{
	put_key(o, key);
	fprintf(o->file, "%lld", val);
}

void rjson_put_bool(struct rjson_out *o, const char *key, bool val)
{
	put_key(o, key);
	fputs(val ? "true" : "false", o->file);
}

void rjson_put_ends(struct rjson_out *o, uint64_t start, uint64_t last)
{
	rjson_put_hex(o, "start", start);
	rjson_put_hex(o, "last", last);
}
