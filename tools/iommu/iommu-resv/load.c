// SPDX-License-Identifier: GPL-2.0-only
/* Hosts from sysfs or files, and which of their devices a command is about. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

int names_add(struct names *names, const char *name)
{
	void *p = realloc(names->names, (names->num + 1) * sizeof(char *));

	if (!p)
		return -ENOMEM;
	names->names = p;
	names->names[names->num] = strdup(name);
	if (!names->names[names->num])
		return -ENOMEM;
	names->num++;
	return 0;
}

static ssize_t read_fd(void *ctx, void *buf, size_t len)
{
	ssize_t n;

	do
		n = read(*(int *)ctx, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* "-" is stdin */
static int open_json(const char *path, struct resv_input *in, int *fd)
{
	*fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : 0;
	if (*fd < 0)
		return complain("%s: %s", path, strerror(errno));
	*in = (struct resv_input){
		.name = *fd ? path : "stdin",
		.read = read_fd,
		.ctx = fd,
		.limit = MAX_JSON,
	};
	return 0;
}

static int load_host_file(const char *path, struct resv_host *host)
{
	struct resv_input in;
	struct resv_err err;
	const char *name;
	int fd, rc;

	rc = open_json(path, &in, &fd);
	if (rc)
		return rc;
	rc = resv_parse_host(&in, host, &err);
	if (fd)
		close(fd);
	if (rc)
		return complain("%s", err.text);
	if (!host->name) {
		name = strrchr(path, '/');
		host->name = strdup(name ? name + 1 : path);
		if (!host->name)
			return complain("out of memory");
	}
	return 0;
}

int load_layout(const char *path, struct resv_layout *layout)
{
	struct resv_input in;
	struct resv_err err;
	int fd, rc;

	rc = open_json(path, &in, &fd);
	if (rc)
		return rc;
	rc = resv_parse_layout(&in, layout, &err);
	if (fd)
		close(fd);
	return rc ? complain("%s", err.text) : 0;
}

static int cmp_host_names(const void *a, const void *b)
{
	const struct resv_host *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Nobody could tell hosts of one name apart: they get the names of their files. */
static int rename_twins(const struct names *files, struct loaded *loaded)
{
	const struct resv_host **hosts = calloc(loaded->num, sizeof(*hosts));
	bool *twin = calloc(loaded->num, sizeof(*twin));
	size_t i;
	int rc = 0;

	if (!hosts || !twin)
		rc = -ENOMEM;
	for (i = 0; !rc && i != loaded->num; i++)
		hosts[i] = &loaded->hosts[i];
	if (!rc)
		qsort(hosts, loaded->num, sizeof(*hosts), cmp_host_names);
	for (i = 1; !rc && i < loaded->num; i++)
		if (!cmp_host_names(&hosts[i - 1], &hosts[i]))
			twin[hosts[i - 1] - loaded->hosts] =
				twin[hosts[i] - loaded->hosts] = true;
	for (i = 0; !rc && i != loaded->num; i++) {
		if (!twin[i])
			continue;
		free(loaded->hosts[i].name);
		loaded->hosts[i].name = strdup(files->names[i]);
		if (!loaded->hosts[i].name)
			rc = -ENOMEM;
	}
	free(hosts);
	free(twin);
	return rc ? complain("out of memory") : 0;
}

int load_hosts(const struct options *opts, const struct names *files,
	       struct loaded *loaded)
{
	size_t num = files && files->num ? files->num : 1;
	struct resv_err err;
	size_t i;
	int rc;

	loaded->hosts = calloc(num, sizeof(*loaded->hosts));
	if (!loaded->hosts)
		return complain("out of memory");
	loaded->num = num;
	if (!files || !files->num) {
		rc = sysfs_read_host(opts, &loaded->hosts[0], &err);
		if (rc)
			return complain("%s", err.text);
		if (!opts->root && !opts->no_names)
			pci_label_host(&loaded->hosts[0]);
		return 0;
	}
	for (i = 0; i != num; i++) {
		rc = load_host_file(files->names[i], &loaded->hosts[i]);
		if (rc)
			return rc;
	}
	return rename_twins(files, loaded);
}

/* The devices of the command line, on each host that has one of that name */
static int load_named(const struct options *opts, struct loaded *loaded)
{
	size_t d, h;

	for (d = 0; d != opts->devices.num; d++) {
		const char *name = opts->devices.names[d];
		bool found = false;

		for (h = 0; h != loaded->num; h++) {
			const struct resv_host *host = &loaded->hosts[h];
			struct resv_device *dev = resv_host_find(host, name);
			const char *why;

			if (!dev)
				continue;
			found = true;
			why = resv_device_unassignable(dev);
			if (why) {
				complain("%s of %s cannot be assigned: %s",
					 name, host->name ?: "this host", why);
				return EXIT_NO;
			}
			if (resv_pool_add(&loaded->pool, host, dev))
				return complain("out of memory");
		}
		if (!found)
			return complain(
				"%s: no such device, or it is in no IOMMU group",
				name);
	}
	return 0;
}

/* That a layout fits on such a host means nothing */
static void warn_of_idle(const struct options *opts, const struct loaded *loaded)
{
	bool *used = must(calloc(loaded->num, sizeof(*used)));
	size_t i;

	for (i = 0; i != loaded->pool.num; i++)
		used[loaded->pool.picks[i].host - loaded->hosts] = true;
	for (i = 0; i != loaded->num; i++)
		if (!used[i] && loaded->num > 1)
			warn("%s has no say: it has %s", loaded->hosts[i].name,
			     opts->devices.num ?
				     "none of these devices" :
				     "no device that can be assigned");
	free(used);
}

static int load_all(struct loaded *loaded)
{
	size_t h, d;

	for (h = 0; h != loaded->num; h++) {
		const struct resv_host *host = &loaded->hosts[h];

		for (d = 0; d != host->num_devices; d++) {
			const struct resv_device *dev = &host->devices[d];

			if (resv_device_unassignable(dev))
				continue;
			if (resv_pool_add(&loaded->pool, host, dev))
				return complain("out of memory");
		}
	}
	if (!loaded->pool.num)
		return complain("there is no device that can be assigned");
	return 0;
}

int load_pool(const struct options *opts, struct loaded *loaded)
{
	int rc = opts->devices.num ? load_named(opts, loaded) :
				     load_all(loaded);

	if (!rc)
		warn_of_idle(opts, loaded);
	return rc;
}

void loaded_free(struct loaded *loaded)
{
	size_t i;

	for (i = 0; i != loaded->num; i++)
		resv_host_free(&loaded->hosts[i]);
	free(loaded->hosts);
	resv_pool_free(&loaded->pool);
	*loaded = (struct loaded){};
}
