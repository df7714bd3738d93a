// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read the devices of a host from sysfs, or from a captured tree of it.
 *
 * Regions belong to a group there, so every device of a group has them. The
 * first file that there is counts: iova_regions, then reserved_regions.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

/* No file of sysfs that is read here is longer by far */
#define MAX_SYSFS (64U << 20)

/* How often to read a list that changes before giving up */
#define MAX_TRIES 5

int read_file(const char *path, char **text, size_t *len)
{
	size_t max = 8192, num = 0;
	char *buf, *p;
	ssize_t n;
	int fd, rc = -ENOMEM;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	buf = malloc(max);
	if (!buf)
		goto out;
	while ((n = read(fd, buf + num, max - num - 1)) > 0) {
		num += n;
		if (num > MAX_SYSFS) {
			rc = -EFBIG;
			goto out;
		}
		if (num + 1 == max) {
			p = realloc(buf, max * 2);
			if (!p)
				goto out;
			buf = p;
			max *= 2;
		}
	}
	if (n < 0) {
		rc = -errno;
		goto out;
	}
	buf[num] = 0;
	*text = buf;
	*len = num;
	buf = NULL;
	rc = 0;
out:
	free(buf);
	close(fd);
	return rc;
}

/*
 * Each read() of iova_regions gives a page at most and may be of another moment.
 * A list of more than that is right if it comes twice.
 */
static int read_list(const char *path, char **text, size_t *len)
{
	size_t again_len;
	char *again;
	int i, rc;

	rc = read_file(path, text, len);
	for (i = 0; !rc && *len >= 4095; i++) {
		if (i == MAX_TRIES)
			rc = -EAGAIN;
		else
			rc = read_file(path, &again, &again_len);
		if (rc) {
			free(*text);
			break;
		}
		if (*len == again_len && !memcmp(*text, again, again_len)) {
			free(again);
			break;
		}
		free(*text);
		*text = again;
		*len = again_len;
	}
	return rc;
}

/* Names come from files that anyone may have written: no control characters */
static char *clean(char *s)
{
	char *p;

	if (!s)
		return NULL;
	for (p = s; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	if (strlen(s) >= JSON_MAX_STR)
		s[JSON_MAX_STR - 1] = 0;
	return s;
}

/* The last part of where a link points to; NULL if it is none */
static char *link_name(const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	target[n] = 0;
	slash = strrchr(target, '/');
	return clean(strdup(slash ? slash + 1 : target));
}

static char *vfio_name(const char *dir)
{
	struct dirent *entry;
	char *name = NULL;
	char *path;
	DIR *d;

	if (asprintf(&path, "%s/vfio-dev", dir) < 0)
		return NULL;
	d = opendir(path);
	free(path);
	if (!d)
		return NULL;
	while (!name && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			name = clean(strdup(entry->d_name));
	closedir(d);
	return name;
}

static bool is_bridge(const char *dir)
{
	bool bridge = false;
	size_t len;
	char *path;
	char *text;

	if (asprintf(&path, "%s/class", dir) < 0)
		return false;
	if (!read_file(path, &text, &len)) {
		/* 0x0604xx: a bridge between PCI buses, 0x0600xx: to the host */
		bridge = !strncmp(text, "0x0604", 6) ||
			 !strncmp(text, "0x0600", 6);
		free(text);
	}
	free(path);
	return bridge;
}

struct group {
	const struct options *opts;
	char *dir;
	long number;
	/* The list of regions, read when the first device wants it */
	bool read;
	enum resv_source source;
	char *text;
	size_t len;
	bool no_iommu;
};

static void group_free(struct group *group)
{
	free(group->dir);
	free(group->text);
}

static int group_file(struct group *group, const char *name, char **text,
		      size_t *len, struct resv_err *err)
{
	char *path;
	int rc;

	if (asprintf(&path, "%s/%s", group->dir, name) < 0)
		return resv_fail(err, -ENOMEM, "out of memory");
	rc = read_list(path, text, len);
	if (rc == -EAGAIN)
		resv_fail(err, rc, "%.300s: changes while it is read", path);
	else if (rc)
		resv_fail(err, rc, "%.300s: %s", path, strerror(-rc));
	free(path);
	return rc;
}

/* A group that cannot be read any more, or never could */
static int group_failed(struct group *group, int rc, struct resv_err *err)
{
	struct stat st;

	if ((rc == -ENOENT || rc == -ENODEV) && stat(group->dir, &st))
		return resv_fail(
			err, rc,
			"%.300s: vanished while it was read, try again",
			group->dir);
	return rc;
}

static int read_group(struct group *group, struct resv_err *err)
{
	enum source_choice choice = group->opts->source;
	char *name;
	size_t len;
	int rc = -ENOENT;

	if (group->read)
		return 0;
	if (choice != SOURCE_RESERVED_REGIONS) {
		group->source = RESV_FROM_IOVA_REGIONS;
		rc = group_file(group, "iova_regions", &group->text,
				&group->len, err);
	}
	if (rc == -ENOENT && choice != SOURCE_IOVA_REGIONS) {
		group->source = RESV_FROM_RESERVED_REGIONS;
		rc = group_file(group, "reserved_regions", &group->text,
				&group->len, err);
	}
	if (rc)
		return group_failed(group, rc, err);
	group->read = true;
	if (!group_file(group, "name", &name, &len, NULL)) {
		group->no_iommu = !strncmp(name, "vfio-noiommu", 12);
		free(name);
	}
	return 0;
}

static int read_regions(struct group *group, struct resv_device *dev,
			struct resv_err *err)
{
	char *path;
	int rc;

	rc = read_group(group, err);
	if (rc)
		return rc;
	dev->source = group->source;
	dev->no_iommu = group->no_iommu;
	if (asprintf(&path, "%s/%s", group->dir,
		     resv_source_name(dev->source)) < 0)
		return resv_fail(err, -ENOMEM, "out of memory");
	resv_fail(err, 0, "out of memory");
	rc = resv_parse_sysfs(group->text, group->len, path, dev, err);
	free(path);
	/* A group without an IOMMU has advisory lines only */
	if (!rc && dev->source == RESV_FROM_IOVA_REGIONS &&
	    !dev->aperture_known && !dev->ranges.num) {
		size_t i;

		for (i = 0; i != dev->num_regions; i++)
			if (!resv_type_advisory(dev->regions[i].type))
				break;
		dev->no_iommu |= i == dev->num_regions;
	}
	return rc;
}

/* In use, or not possible here: there is still sysfs to read. */
static int read_by_ioctl(struct resv_device *dev, bool *told,
			 struct resv_err *err)
{
	int rc = iommufd_probe_device(dev, err);

	*told = !rc;
	if (rc != -ENOTTY && rc != -EBUSY && rc != -EINVAL && rc != -EPERM)
		return rc;
	warn("%s, so from sysfs", err->text);
	dev->num_regions = 0;
	dev->ranges.num = 0;
	dev->aperture_known = false;
	return 0;
}

static int read_device(struct group *group, const char *name,
		       struct resv_device *dev, struct resv_err *err)
{
	char *dir, *path;
	struct stat st;
	bool told = false;
	int rc = 0;

	dev->group = group->number;
	dev->name = clean(strdup(name));
	if (!dev->name || asprintf(&dir, "%s/devices/%s", group->dir, name) < 0)
		return resv_fail(err, -ENOMEM, "out of memory");
	if (asprintf(&path, "%s/driver", dir) >= 0) {
		dev->driver = link_name(path);
		free(path);
	}
	dev->vfio = vfio_name(dir);
	dev->bridge = is_bridge(dir);

	if (group->opts->source == SOURCE_IOCTL && dev->vfio)
		rc = read_by_ioctl(dev, &told, err);
	if (!rc && !told)
		rc = read_regions(group, dev, err);
	/* Unplugged since its name was read: what was read is of no use */
	if (!rc && lstat(dir, &st)) {
		resv_fail(err, 0,
			  "%.300s: vanished while it was read, try again", dir);
		rc = -ENODEV;
	}
	free(dir);
	return rc;
}

static bool wanted(const struct options *opts, const char *name)
{
	size_t i;

	for (i = 0; i != opts->devices.num; i++)
		if (!strcmp(opts->devices.names[i], name))
			return true;
	return !opts->devices.num;
}

static int scan_group(struct group *group, struct resv_host *host,
		      struct resv_err *err)
{
	struct dirent *entry;
	char *path;
	DIR *dir;
	int rc = 0;

	if (asprintf(&path, "%s/devices", group->dir) < 0)
		return resv_fail(err, -ENOMEM, "out of memory");
	dir = opendir(path);
	if (!dir) {
		rc = -errno;
		resv_fail(err, rc, "%.300s: %s", path, strerror(-rc));
		free(path);
		return group_failed(group, rc, err);
	}
	free(path);
	while (!rc && (errno = 0, entry = readdir(dir))) {
		struct resv_device dev = {};

		if (entry->d_name[0] == '.' ||
		    !wanted(group->opts, entry->d_name))
			continue;
		rc = read_device(group, entry->d_name, &dev, err);
		if (rc)
			resv_device_free(&dev);
		else
			rc = resv_host_add(host, &dev);
	}
	if (!rc && errno)
		rc = resv_fail(err, -errno, "%.300s/devices: %s", group->dir,
			       strerror(errno));
	closedir(dir);
	return rc;
}

static int scan_groups(const struct options *opts, const char *path,
		       struct resv_host *host, struct resv_err *err)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	int rc = 0;

	if (!dir)
		return resv_fail(err, -errno, "%.300s: %s", path,
				 strerror(errno));
	while (!rc && (errno = 0, entry = readdir(dir))) {
		struct group group = { .opts = opts };
		char *end;

		group.number = strtol(entry->d_name, &end, 10);
		if (entry->d_name[0] == '.' || *end)
			continue;
		if (asprintf(&group.dir, "%s/%s", path, entry->d_name) < 0) {
			rc = resv_fail(err, -ENOMEM, "out of memory");
			break;
		}
		rc = scan_group(&group, host, err);
		group_free(&group);
	}
	if (!rc && errno)
		rc = resv_fail(err, -errno, "%.300s: %s", path,
			       strerror(errno));
	closedir(dir);
	return rc;
}

static char *host_name(const struct options *opts)
{
	char name[HOST_NAME_MAX + 1] = "";
	size_t len;
	char *path;
	char *text;
	char *p;

	if (!opts->root)
		return gethostname(name, sizeof(name) - 1) ?
			       NULL :
			       clean(strdup(name));
	if (asprintf(&path, "%s/etc/hostname", opts->root) < 0)
		return NULL;
	if (!read_file(path, &text, &len)) {
		free(path);
		text[strcspn(text, "\n")] = 0;
		return clean(text);
	}
	free(path);
	/* The folder it was captured to */
	path = realpath(opts->root, NULL);
	p = path ? strrchr(path, '/') : NULL;
	p = p && p[1] ? clean(strdup(p + 1)) : NULL;
	free(path);
	return p;
}

int sysfs_read_host(const struct options *opts, struct resv_host *host,
		    struct resv_err *err)
{
	const char *root = opts->root ? opts->root : "";
	const char *sys = "/sys";
	struct stat st;
	char *path;
	int rc;

	resv_fail(err, 0, "out of memory");
	host->name = host_name(opts);
	/* The folder may be that of sysfs itself */
	if (opts->root) {
		if (asprintf(&path, "%s/sys", root) < 0)
			return -ENOMEM;
		if (stat(path, &st))
			sys = "";
		free(path);
	}
	if (asprintf(&path, "%s%s/kernel/iommu_groups", root, sys) < 0)
		return -ENOMEM;
	rc = scan_groups(opts, path, host, err);
	free(path);
	return rc ? rc : resv_host_sort(host, err);
}
