// SPDX-License-Identifier: GPL-2.0-only
/*
 * msi: which doorbells are mapped where. iommufd shows its table in the fdinfo
 * of each open /dev/iommu, lines of a tag, a range or address, then names and
 * numbers. Names that are not known are skipped.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

struct scan {
	const struct options *opts;
	FILE *out;
	struct rjson_out *o;
	size_t fds;
	size_t windows;
	size_t refused; /* processes that may not be looked into */
};

static bool take_hex(char **p, uint64_t *val)
{
	char *end;

	errno = 0;
	/* The kernel prints 0 without 0x */
	if (!isdigit((unsigned char)**p))
		return false;
	*val = strtoull(*p, &end, 16);
	if (errno)
		return false;
	*p = end;
	return true;
}

/* The number behind a name: " users 3" */
static uint64_t field(const char *line, const char *name)
{
	size_t len = strlen(name);
	const char *p;

	for (p = line; (p = strstr(p, name)); p++)
		if (p != line && isspace((unsigned char)p[-1]) && p[len] == ' ')
			return strtoull(p + len, NULL, 0);
	return 0;
}

/* Only what belongs there is printed: the file may be of somebody else's tree */
static const char *hwpts_of(char *line)
{
	char *p = strstr(line, " hwpts ");

	if (!p)
		return "-";
	p += 7;
	p[strspn(p, "0123456789,-")] = 0;
	return p;
}

static void json_hwpts(struct rjson_out *o, const char *p)
{
	rjson_open(o, "hwpts", '[', true);
	while (*p) {
		char *end;
		unsigned long id = strtoul(p, &end, 10);

		if (end == p) {
			p++;
			continue;
		}
		rjson_put_int(o, NULL, id);
		p = end;
	}
	rjson_close(o, ']');
}

static bool show_window(struct scan *scan, char *p, bool open)
{
	uint64_t start, last;

	if (!take_hex(&p, &start) || *p++ != '-' || !take_hex(&p, &last))
		return false;
	scan->windows++;
	if (!scan->o) {
		fprintf(scan->out, "  window 0x%" PRIx64 "-0x%" PRIx64 ": ",
			start, last);
		fprintf(scan->out, "%" PRIu64 " of %" PRIu64 " slots used, ",
			field(p, "used"), field(p, "slots"));
		fprintf(scan->out, "%" PRIu64 " groups\n", field(p, "groups"));
		return true;
	}
	if (open) {
		rjson_close(scan->o, ']');
		rjson_close(scan->o, '}');
	}
	rjson_open(scan->o, NULL, '{', false);
	rjson_put_ends(scan->o, start, last);
	rjson_put_int(scan->o, "slots", field(p, "slots"));
	rjson_put_int(scan->o, "used", field(p, "used"));
	rjson_put_int(scan->o, "groups", field(p, "groups"));
	rjson_open(scan->o, "pages", '[', false);
	return true;
}

static bool show_page(struct scan *scan, char *p)
{
	uint64_t iova, doorbell;

	if (!take_hex(&p, &iova))
		return false;
	doorbell = field(p, "doorbell");
	if (!scan->o) {
		fprintf(scan->out, "    iova 0x%" PRIx64 "  doorbell ", iova);
		if (doorbell)
			fprintf(scan->out, "0x%" PRIx64, doorbell);
		else
			fputs("hidden", scan->out);
		fprintf(scan->out,
			"  users %" PRIu64 "  groups %" PRIu64 "  hwpts %s\n",
			field(p, "users"), field(p, "groups"), hwpts_of(p));
		return true;
	}
	rjson_open(scan->o, NULL, '{', true);
	rjson_put_hex(scan->o, "iova", iova);
	if (doorbell)
		rjson_put_hex(scan->o, "doorbell", doorbell);
	else
		rjson_put_string(scan->o, "doorbell", NULL);
	rjson_put_int(scan->o, "users", field(p, "users"));
	rjson_put_int(scan->o, "groups", field(p, "groups"));
	json_hwpts(scan->o, hwpts_of(p));
	rjson_close(scan->o, '}');
	return true;
}

static char *value_of(char *line, const char *tag)
{
	size_t len = strlen(tag);

	if (strncmp(line, tag, len) || line[len] != ':')
		return NULL;
	line += len + 1;
	while (isspace((unsigned char)*line))
		line++;
	return line;
}

static int show_table(struct scan *scan, char *text, const char *path)
{
	bool open = false;
	unsigned int num = 0;
	char *line, *next, *p;

	for (line = text; line && *line; line = next) {
		bool good = true;

		num++;
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		p = value_of(line, "msi-window");
		if (p) {
			good = show_window(scan, p, open);
			open = true;
		}
		p = value_of(line, "msi-page");
		if (p)
			good = open && show_page(scan, p);
		if (!good)
			return complain("%s:%u: not what is known of this file",
					path, num);
	}
	if (scan->o && open) {
		rjson_close(scan->o, ']');
		rjson_close(scan->o, '}');
	}
	return 0;
}

static char *comm_of(const char *root, long pid)
{
	char *path, *text, *p;
	size_t len;

	if (asprintf(&path, "%s/proc/%ld/comm", root, pid) < 0)
		return NULL;
	if (read_file(path, &text, &len))
		text = NULL;
	free(path);
	for (p = text; p && *p; p++) {
		if (*p == '\n')
			*p = 0;
		else if (*p < ' ' || *p > '~')
			*p = '?';
	}
	return text;
}

static int show_fd(struct scan *scan, const char *root, long pid, long fd)
{
	char *path, *text, *comm;
	size_t len;
	int rc;

	path = NULL;
	if (asprintf(&path, "%s/proc/%ld/fdinfo/%ld", root, pid, fd) < 0)
		must(NULL);
	rc = read_file(path, &text, &len);
	if (rc == -ENOENT || rc == -ESRCH) {
		/* It was closed meanwhile */
		free(path);
		return 0;
	}
	if (rc) {
		complain("%s: %s", path, strerror(-rc));
		free(path);
		return EXIT_BAD;
	}
	comm = comm_of(root, pid);
	scan->fds++;
	if (scan->o) {
		rjson_open(scan->o, NULL, '{', false);
		rjson_put_int(scan->o, "pid", pid);
		rjson_put_string(scan->o, "comm", comm);
		rjson_put_int(scan->o, "fd", fd);
		rjson_open(scan->o, "windows", '[', false);
	} else {
		fprintf(scan->out, "%s (%ld), fd %ld\n", comm ?: "?", pid, fd);
	}
	rc = show_table(scan, text, path);
	if (scan->o) {
		rjson_close(scan->o, ']');
		rjson_close(scan->o, '}');
	}
	free(comm);
	free(text);
	free(path);
	return rc;
}

static int cmp_longs(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

/* The names in a folder that are numbers, sorted; -errno */
static ssize_t numbers_in(const char *path, long **numbers)
{
	size_t num = 0, max = 0;
	struct dirent *entry;
	DIR *dir;

	*numbers = NULL;
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		char *end;
		long n = strtol(entry->d_name, &end, 10);

		if (*end || end == entry->d_name)
			continue;
		if (num == max) {
			max = max * 2 + 64;
			*numbers = must(realloc(*numbers, max * sizeof(long)));
		}
		(*numbers)[num++] = n;
	}
	closedir(dir);
	if (num)
		qsort(*numbers, num, sizeof(long), cmp_longs);
	return num;
}

static int show_process(struct scan *scan, const char *root, long pid)
{
	char path[4200], target[64];
	ssize_t num, n;
	long *fds;
	ssize_t i;
	int rc = 0;

	snprintf(path, sizeof(path), "%.4000s/proc/%ld/fd", root, pid);
	num = numbers_in(path, &fds);
	if (num == -EACCES)
		scan->refused++;
	for (i = 0; !rc && i < num; i++) {
		snprintf(path, sizeof(path), "%.4000s/proc/%ld/fd/%ld", root,
			 pid, fds[i]);
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = 0;
		if (!strcmp(target, "/dev/iommu"))
			rc = show_fd(scan, root, pid, fds[i]);
	}
	free(fds);
	return rc;
}

int cmd_msi(const struct options *opts, FILE *out)
{
	struct rjson_out o = { .file = out };
	struct scan scan = { .opts = opts,
			     .out = out,
			     .o = opts->json ? &o : NULL };
	const char *root = opts->root ?: "";
	char path[4200];
	long *pids;
	bool found = false;
	ssize_t num, i;
	int rc = 0;

	snprintf(path, sizeof(path), "%.4000s/proc", root);
	num = numbers_in(path, &pids);
	if (num < 0)
		return complain("%s: %s", path, strerror(-num));
	if (opts->json) {
		rjson_open(&o, NULL, '{', false);
		rjson_put_int(&o, "schema", RESV_SCHEMA);
		rjson_open(&o, "fds", '[', false);
	}
	for (i = 0; !rc && i != num; i++)
		if (opts->pid < 0 || opts->pid == pids[i]) {
			found = true;
			rc = show_process(&scan, root, pids[i]);
		}
	free(pids);
	if (!rc && opts->pid >= 0 && !found)
		rc = complain("there is no process %ld", opts->pid);
	if (rc)
		return rc;
	if (opts->json) {
		rjson_close(&o, ']');
		rjson_put_int(&o, "processes_refused", scan.refused);
		rjson_close(&o, '}');
		return 0;
	}
	if (!scan.fds)
		fputs("No process that can be looked into has /dev/iommu open\n",
		      out);
	else if (!scan.windows)
		fputs("No window is in use, or this kernel does not show it\n",
		      out);
	if (scan.refused)
		fprintf(out, "%zu process%s can be looked into by root only\n",
			scan.refused, scan.refused == 1 ? "" : "es");
	return 0;
}
