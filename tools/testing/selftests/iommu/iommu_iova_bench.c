// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a map and an unmap cost with each IOVA policy
 *
 * Prints a line "bench: <name> <number>" for each policy, type of domain, size and
 * number of other mappings, and the flushes of the IOTLB for a million unmaps.
 * With QEMU's -icount shift=0 a nanosecond is an instruction. With -c, instead,
 * what it costs while other CPUs do the same: the shortest of some rounds, as the
 * clock on the wall has it. Needs the edu device and the driver iova_edu. A
 * kernel without policies has the default one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfio_edu.h"

#define EDU_DIR "/sys/kernel/debug/iova_edu"
#define KSFT_SKIP 4
/* For the count of flushes */
#define UNMAPS 200000
#define MILLION 1000000
/* Of each measure on several CPUs */
#define ROUNDS 15

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

/* Has the driver do something, and reads up to two numbers of what came out */
static int ask_edu(const struct edu_func *func, const char *file,
		   const char *what, unsigned long *first, unsigned long *second)
{
	char path[96], text[64] = "", *end;
	int rc, fd;

	snprintf(path, sizeof(path), EDU_DIR "/%s/%s", func->bdf, file);
	rc = edu_write_file(path, what);
	if (rc)
		return rc;
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	rc = read(fd, text, sizeof(text) - 1) < 0 ? -errno : 0;
	close(fd);
	*first = strtoul(text, &end, 10);
	*second = strtoul(end, NULL, 10);
	return rc;
}

static int measure(const struct edu_func *func, unsigned int size,
		   unsigned int num, unsigned int times, unsigned int cpus,
		   unsigned long *ns)
{
	unsigned long unused;
	char text[64];

	snprintf(text, sizeof(text), "%u %u %u %u", sizes[size].bytes, num,
		 times, cpus);
	return ask_edu(func, "bench", text, ns, &unused);
}

static int measure_flushes(const struct edu_func *func, const char *name)
{
	unsigned long flushes, syncs;
	char text[64];
	int rc;

	snprintf(text, sizeof(text), "%u 0 %u 1", sizes[0].bytes, UNMAPS);
	rc = ask_edu(func, "flushes", text, &flushes, &syncs);
	if (rc)
		return rc;
	printf("bench: iova-%s-flushes-per-million %lu\n", name,
	       flushes * (MILLION / UNMAPS));
	printf("bench: iova-%s-syncs-per-million %lu\n", name,
	       syncs * (MILLION / UNMAPS));
	return 0;
}

static int measure_all(const struct edu_func *func, const char *name)
{
	unsigned int size, i;
	unsigned long ns;
	int rc;

	for (size = 0; size != sizeof(sizes) / sizeof(*sizes); size++) {
		for (i = 0; i != sizeof(mappings) / sizeof(*mappings); i++) {
			rc = measure(func, size, mappings[i], sizes[size].times,
				     1, &ns);
			if (rc)
				return rc;
			printf("bench: iova-%s-%s-%u %lu\n", name,
			       sizes[size].name, mappings[i], ns);
		}
	}
	return measure_flushes(func, name);
}

static int measure_cpus(const struct edu_func *func, const char *name)
{
	long max = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int size, round;
	unsigned long ns, best;
	long cpus;
	int rc;

	for (size = 0; size != sizeof(sizes) / sizeof(*sizes); size++) {
		for (cpus = 1; cpus <= max; cpus++) {
			best = -1UL;
			for (round = 0; round != ROUNDS; round++) {
				rc = measure(func, size, 0, sizes[size].times,
					     cpus, &ns);
				if (rc)
					return rc;
				if (ns < best)
					best = ns;
			}
			printf("bench: iova-%s-%s-cpus-%ld %lu\n", name,
			       sizes[size].name, cpus, best);
		}
	}
	return 0;
}

/* A kernel without policies has the first one */
static int set_up(const struct edu_func *func, unsigned int policy,
		  unsigned int type)
{
	int rc;

	release_edu(func);
	rc = write_group(func, "iova_alloc", policies[policy]);
	if (rc && policy)
		return rc;
	rc = write_group(func, "type", types[type].type);
	return rc ?: edu_set_driver(func, "iova_edu");
}

int main(int argc, char **argv)
{
	bool with_cpus = argc == 2 && !strcmp(argv[1], "-c");
	struct edu_func funcs[EDU_MAX_FUNCS];
	unsigned int policy, type;
	char name[64];
	int rc = 0;

	if (argc > 1 && !with_cpus) {
		fprintf(stderr, "usage: %s [-c]\n", argv[0]);
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (edu_scan(funcs, EDU_MAX_FUNCS) < 1 ||
	    edu_set_driver(&funcs[0], "iova_edu")) {
		printf("# no edu device, or no driver iova_edu\n");
		return KSFT_SKIP;
	}
	printf("TAP version 13\n1..1\n");
	for (policy = 0; policy != 2 && !rc; policy++) {
		for (type = 0; type != 2 && !rc; type++) {
			snprintf(name, sizeof(name), "%s-%s", policies[policy],
				 types[type].name);
			rc = set_up(&funcs[0], policy, type);
			if (rc == -ENOENT && policy) {
				printf("# no policy %s\n", policies[policy]);
				rc = 0;
				break;
			}
			if (!rc)
				rc = with_cpus ? measure_cpus(&funcs[0], name) :
						 measure_all(&funcs[0], name);
			if (rc)
				printf("# %s: %s\n", name, strerror(-rc));
		}
	}
	release_edu(&funcs[0]);
	printf("%s 1 bench\n", rc ? "not ok" : "ok");
	return !!rc;
}
