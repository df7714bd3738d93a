// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iommu_trace.h"

static void trace_path(char *path, size_t size, const char *instance,
		       const char *file)
{
	snprintf(path, size, TRACEFS "/instances/%s/%s", instance, file);
}

bool trace_available(void)
{
	return !access(TRACEFS "/instances", F_OK);
}

int trace_begin(const char *instance)
{
	char path[128];

	trace_path(path, sizeof(path), instance, "");
	rmdir(path);
	return mkdir(path, 0700) ? -errno : 0;
}

void trace_end(const char *instance)
{
	char path[128];

	trace_path(path, sizeof(path), instance, "");
	rmdir(path);
}

int trace_write(const char *instance, const char *file, const char *text)
{
	char path[128];
	ssize_t len;
	int fd;

	trace_path(path, sizeof(path), instance, file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* To open the file "trace" like this empties it */
	len = strlen(text) ? write(fd, text, strlen(text)) : 0;
	if (len < 0)
		len = -errno;
	close(fd);
	return len < 0 ? len : 0;
}

int trace_enable(const char *instance, const char *system,
		 const char *const *events)
{
	char file[96];
	int rc;

	for (; *events; events++) {
		snprintf(file, sizeof(file), "events/%s/%s/enable", system,
			 *events);
		rc = trace_write(instance, file, "1");
		if (rc) {
			printf("# no trace event %s\n", *events);
			return rc;
		}
	}
	return 0;
}

/*
 * What is before the event is about the task:
 *
 *	 iommufd_msi_tra-57      [001] .....     3.140000: iommufd_msi_map: hwpt=...
 */
int trace_take(const char *instance, char *text, size_t size)
{
	char path[128], line[512];
	size_t len = 0;
	char *event;
	FILE *f;

	text[0] = 0;
	trace_path(path, sizeof(path), instance, "trace");
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		event = strstr(line, ": ");
		len += snprintf(text + len, size - len, "%s",
				event ? event + 2 : line);
		if (len >= size) {
			fclose(f);
			return -E2BIG;
		}
	}
	fclose(f);
	return trace_write(instance, "trace", "");
}
