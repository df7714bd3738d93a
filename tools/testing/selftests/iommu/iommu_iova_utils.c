// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests of IOVA policies share, see iommu_iova_utils.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iommu_iova_utils.h"

#define EDU_DIR		"/sys/kernel/debug/iova_edu"
#define IOVA_SPACES	"/sys/kernel/debug/iommu/iova_spaces"
#define IOVA_HEADER	"device allocs failures wraps lazy_unmaps flushes " \
			"flushes_saved live_pages max_pages cursor_low "    \
			"cursor_high\n"

int iova_read_file(const char *path, char *buf, size_t size)
{
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return strlen(buf);
}

void iova_release(const struct edu_func *func)
{
	char path[IOVA_PATH];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind",
		 func->bdf);
	edu_write_file(path, func->bdf);
}

int iova_group_path(const struct edu_func *func, char *group, size_t size)
{
	int nr = edu_read_group(func->bdf);

	if (nr < 0)
		return -ENODEV;
	snprintf(group, size, "/sys/kernel/iommu_groups/%d", nr);
	return 0;
}

int iova_find_edu(struct edu_func *func, char *group, size_t size)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	char buf[64];
	int rc;

	if (edu_scan(funcs, EDU_MAX_FUNCS) < 1)
		return -ENODEV;
	*func = funcs[0];
	/* With a devicetree the first probe gives it a group */
	if (edu_set_driver(func, "iova_edu"))
		return -ENOENT;
	rc = iova_group_path(func, group, size);
	iova_release(func);
	if (rc)
		return rc;
	rc = iova_read_group(group, "iova_alloc", buf, sizeof(buf));
	return rc < 0 ? rc : 0;
}

int iova_test_edu(struct edu_func *func, char *group, const char **missing)
{
	int rc = iova_find_edu(func, group, IOVA_PATH);

	*missing = NULL;
	if (rc == -ENODEV)
		*missing = "no edu device behind an IOMMU";
	if (rc == -ENOENT && !edu_env("RESV_REQUIRED", 0))
		*missing = "no iova_edu, or no iova_alloc in sysfs";
	return *missing ? 0 : rc;
}

int iova_write_group(const char *group, const char *name, const char *value)
{
	char path[IOVA_PATH];

	snprintf(path, sizeof(path), "%s/%s", group, name);
	return edu_write_file(path, value);
}

int iova_read_group(const char *group, const char *name, char *buf, size_t size)
{
	char path[IOVA_PATH];

	snprintf(path, sizeof(path), "%s/%s", group, name);
	return iova_read_file(path, buf, size);
}

int iova_set_policy(const char *group, const char *policy, const char *type)
{
	char buf[64];
	int rc;

	rc = iova_write_group(group, "iova_alloc", policy);
	if (!rc)
		rc = iova_write_group(group, "type", type);
	if (rc)
		return rc;
	rc = iova_read_group(group, "type", buf, sizeof(buf));
	if (rc < 0)
		return rc;
	if (strcmp(buf, type))
		return -ENOTSUP;
	rc = iova_read_group(group, "iova_alloc", buf, sizeof(buf));
	if (rc < 0)
		return rc;
	return strcmp(buf, policy) ? -EINVAL : 0;
}

int iova_edu_write(const struct edu_func *func, const char *name,
		   const char *text)
{
	char path[IOVA_PATH];

	snprintf(path, sizeof(path), EDU_DIR "/%s/%s", func->bdf, name);
	return edu_write_file(path, text);
}

int iova_edu_read(const struct edu_func *func, const char *name, char *buf,
		  size_t size)
{
	char path[IOVA_PATH];
	int rc;

	snprintf(path, sizeof(path), EDU_DIR "/%s/%s", func->bdf, name);
	rc = iova_read_file(path, buf, size);
	return rc < 0 ? rc : 0;
}

long iova_edu_hold(const struct edu_func *func, unsigned int bytes,
		   unsigned int mappings, unsigned int bits)
{
	char text[64];
	int rc;

	snprintf(text, sizeof(text), "%u %u %u", bytes, mappings, bits);
	rc = iova_edu_write(func, "hold", text);
	if (!rc)
		rc = iova_edu_read(func, "hold", text, sizeof(text));
	return rc ? rc : atol(text);
}

int iova_edu_let_go(const struct edu_func *func)
{
	return iova_edu_write(func, "hold", "0");
}

int iova_read_counters(const char *device, struct iova_counters *counters)
{
	struct iova_counters c;
	char line[512], name[64];
	int found = 0, len, n;
	FILE *f;

	f = fopen(IOVA_SPACES, "re");
	if (!f)
		return -errno;
	if (!fgets(line, sizeof(line), f) || strcmp(line, IOVA_HEADER))
		found = -EPROTO;
	while (found >= 0 && fgets(line, sizeof(line), f)) {
		len = 0;
		n = sscanf(line,
			   "%63s %llu %llu %llu %llu %llu %llu %llu %llu %llx %llx\n%n",
			   name, &c.allocs, &c.failures, &c.wraps,
			   &c.lazy_unmaps, &c.flushes, &c.flushes_saved,
			   &c.live_pages, &c.max_pages, &c.cursor_low,
			   &c.cursor_high, &len);
		if (n != 11 || !len || line[len]) {
			found = -EPROTO;
		} else if (!device || !strcmp(name, device)) {
			found++;
			if (counters)
				*counters = c;
		}
	}
	fclose(f);
	return found;
}
