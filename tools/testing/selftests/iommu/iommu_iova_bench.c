// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a map and an unmap cost with each IOVA policy
 *
 * Prints a line "bench: <name> <nanoseconds>" for each policy, type of domain, size
 * and number of other mappings. With QEMU's -icount shift=0 a nanosecond is an
 * instruction. Needs the edu device and the driver iova_edu.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfio_edu.h"

#define EDU_DIR "/sys/kernel/debug/iova_edu"
#define KSFT_SKIP 4

static const char *const policies[] = { "default", "wraparound" };
static const struct {
	const char *type;
	const char *name;
} types[] = { { "DMA", "strict" }, { "DMA-FQ", "lazy" } };
static const struct {
	unsigned int bytes;
	unsigned int times;
	const char *name;
} sizes[] = { { 4096, 4000, "4K" }, { 65536, 2000, "64K" },
	      { 2 << 20, 500, "2M" } };
static const unsigned int mappings[] = { 0, 100000 };

static void release_edu(const struct edu_func *func)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind",
		 func->bdf);
	edu_write_file(path, func->bdf);
}

static int write_group(const struct edu_func *func, const char *name,
		       const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/%s",
		 func->bdf, name);
	return edu_write_file(path, value);
}

static int measure(const struct edu_func *func, unsigned int size,
		   unsigned int num, long *ns)
{
	char path[96], text[64] = "";
	int rc, fd;

	snprintf(path, sizeof(path), EDU_DIR "/%s/bench", func->bdf);
	snprintf(text, sizeof(text), "%u %u %u", sizes[size].bytes, num,
		 sizes[size].times);
	rc = edu_write_file(path, text);
	if (rc)
		return rc;
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	memset(text, 0, sizeof(text));
	rc = read(fd, text, sizeof(text) - 1) < 0 ? -errno : 0;
	close(fd);
	*ns = atol(text);
	return rc;
}

static int measure_all(const struct edu_func *func, const char *policy,
		       const char *type)
{
	unsigned int size, i;
	long ns = 0;
	int rc;

	for (size = 0; size != sizeof(sizes) / sizeof(*sizes); size++) {
		for (i = 0; i != sizeof(mappings) / sizeof(*mappings); i++) {
			rc = measure(func, size, mappings[i], &ns);
			if (rc) {
				printf("# %s %s %s with %u: %s\n", policy, type,
				       sizes[size].name, mappings[i],
				       strerror(-rc));
				return rc;
			}
			printf("bench: iova-%s-%s-%s-%u %ld\n", policy, type,
			       sizes[size].name, mappings[i], ns);
		}
	}
	return 0;
}

int main(void)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	unsigned int policy, type;
	int rc;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (edu_scan(funcs, EDU_MAX_FUNCS) < 1 ||
	    edu_set_driver(&funcs[0], "iova_edu")) {
		printf("# no edu device, or no driver iova_edu\n");
		return KSFT_SKIP;
	}
	printf("TAP version 13\n1..1\n");
	for (policy = 0; policy != 2; policy++) {
		for (type = 0; type != 2; type++) {
			release_edu(&funcs[0]);
			/* A kernel without policies has the first one */
			rc = write_group(&funcs[0], "iova_alloc",
					 policies[policy]);
			if (rc && policy)
				continue;
			rc = write_group(&funcs[0], "type", types[type].type);
			if (!rc)
				rc = edu_set_driver(&funcs[0], "iova_edu");
			if (!rc)
				rc = measure_all(&funcs[0], policies[policy],
						 types[type].name);
			if (rc)
				goto out;
		}
	}
out:
	release_edu(&funcs[0]);
	printf("%s 1 bench\n", rc ? "not ok" : "ok");
	return !!rc;
}
