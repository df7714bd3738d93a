// SPDX-License-Identifier: GPL-2.0-only
/*
 * Large inputs, and the cost of what reads them.
 *
 *	gen tree DIR DEVICES REGIONS	a sysfs tree, a group for each device
 *	gen hosts DIR HOSTS REGIONS	JSON files of hosts with one device each
 *	gen host DEVICES REGIONS	JSON of one host, to stdout
 *	gen layout PIECES START		a layout, to stdout
 *	gen limit SECONDS MIB COMMAND...	run it, fail if it takes more CPU time
 *					or more memory; where a yardstick,
 *					measured before and if need be after,
 *					says that the machine is slow or busy,
 *					SECONDS are more by the same factor
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every device has its own regions, so that nothing merges: the worst case */
static unsigned long long region_start(int dev, int region)
{
	return ((unsigned long long)region * 100003 + dev + 1) << 20;
}

#define REGION_SIZE 0x10000ULL

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void make_dir(const char *path)
{
	if (mkdir(path, 0777))
		die(path);
}

static void print_sysfs(FILE *f, int dev, int regions)
{
	unsigned long long next = 0;
	int i;

	fprintf(f, "0x%016llx 0x%016llx aperture\n", 0ULL, (1ULL << 48) - 1);
	for (i = 0; i != regions; i++)
		fprintf(f, "0x%016llx 0x%016llx reserved\n",
			region_start(dev, i),
			region_start(dev, i) + REGION_SIZE - 1);
	for (i = 0; i != regions; i++) {
		fprintf(f, "0x%016llx 0x%016llx usable\n", next,
			region_start(dev, i) - 1);
		next = region_start(dev, i) + REGION_SIZE;
	}
	fprintf(f, "0x%016llx 0x%016llx usable\n", next, (1ULL << 48) - 1);
}

static void gen_tree(const char *dir, int devices, int regions)
{
	char path[500];
	int i;
	FILE *f;

	make_dir(dir);
	snprintf(path, sizeof(path), "%s/kernel", dir);
	make_dir(path);
	snprintf(path, sizeof(path), "%s/kernel/iommu_groups", dir);
	make_dir(path);
	for (i = 0; i != devices; i++) {
		snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%d", dir,
			 i);
		make_dir(path);
		snprintf(path, sizeof(path),
			 "%s/kernel/iommu_groups/%d/iova_regions", dir, i);
		f = fopen(path, "w");
		if (!f)
			die(path);
		print_sysfs(f, i, regions);
		if (fclose(f))
			die(path);
		snprintf(path, sizeof(path),
			 "%s/kernel/iommu_groups/%d/devices", dir, i);
		make_dir(path);
		snprintf(path, sizeof(path),
			 "%s/kernel/iommu_groups/%d/devices/%04x:%02x:%02x.%x",
			 dir, i, i >> 16, i >> 8 & 255, i >> 3 & 31, i & 7);
		make_dir(path);
	}
}

static void print_device(FILE *f, int dev, int regions)
{
	unsigned long long next = 0;
	int i;

	fprintf(f, "{\"bdf\":\"%04x:%02x:%02x.%x\",\"group\":%d,", dev >> 16,
		dev >> 8 & 255, dev >> 3 & 31, dev & 7, dev);
	fprintf(f,
		"\"driver\":\"vfio-pci\",\"source\":\"iova_regions\",\n"
		"\"aperture\":{\"start\":\"0x0\",\"last\":\"0x%llx\"},\n"
		"\"regions\":[",
		(1ULL << 48) - 1);
	for (i = 0; i != regions; i++)
		fprintf(f,
			"%s\n{\"start\":\"0x%llx\",\"last\":\"0x%llx\",\"type\":\"reserved\"}",
			i ? "," : "", region_start(dev, i),
			region_start(dev, i) + REGION_SIZE - 1);
	fprintf(f, "],\n\"ranges\":[");
	for (i = 0; i != regions; i++) {
		fprintf(f, "\n{\"start\":\"0x%llx\",\"last\":\"0x%llx\"},",
			next, region_start(dev, i) - 1);
		next = region_start(dev, i) + REGION_SIZE;
	}
	fprintf(f, "\n{\"start\":\"0x%llx\",\"last\":\"0x%llx\"}]}", next,
		(1ULL << 48) - 1);
}

static void print_host(FILE *f, int first, int devices, int regions)
{
	int i;

	fprintf(f, "{\"schema\":1,\"host\":\"host%d\",\"devices\":[\n", first);
	for (i = 0; i != devices; i++) {
		print_device(f, first + i, regions);
		fputs(i + 1 == devices ? "\n" : ",\n", f);
	}
	fputs("]}\n", f);
}

static void gen_hosts(const char *dir, int hosts, int regions)
{
	char path[500];
	FILE *f;
	int i;

	make_dir(dir);
	for (i = 0; i != hosts; i++) {
		snprintf(path, sizeof(path), "%s/%04d.json", dir, i);
		f = fopen(path, "w");
		if (!f)
			die(path);
		print_host(f, i, 1, regions);
		if (fclose(f))
			die(path);
	}
}

static void gen_layout(int pieces, unsigned long long start)
{
	int i;

	printf("{\"schema\":1,\"ram\":[\n");
	for (i = 0; i != pieces; i++)
		printf("%s{\"start\":\"0x%llx\",\"size\":\"0x1000\"}\n",
		       i ? "," : "", start + ((unsigned long long)i << 13));
	printf("]}\n");
}

static double cpu_seconds(const struct rusage *usage)
{
	return usage->ru_utime.tv_sec + usage->ru_stime.tv_sec +
	       (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The CPU time that YARDSTICK is of a machine that SECONDS are meant for */
#define YARDSTICK_SECONDS 0.1

/* What the program does, too: read small files, sort. The same work each time */
static double yardstick(void)
{
	enum { FILES = 10000, WORDS = 300000 };
	struct rusage before, after;
	uint64_t *words, x = 1;
	char text[256];
	int i;

	words = malloc(WORDS * sizeof(*words));
	if (!words)
		die("malloc");
	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i != FILES; i++) {
		FILE *f = fopen("/proc/self/stat", "r");

		if (!f || !fgets(text, sizeof(text), f))
			die("/proc/self/stat");
		fclose(f);
	}
	for (i = 0; i != WORDS; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		words[i] = x;
	}
	qsort(words, WORDS, sizeof(*words), compare);
	getrusage(RUSAGE_SELF, &after);
	free(words);
	return cpu_seconds(&after) - cpu_seconds(&before);
}

static double slower(double pace)
{
	double now = yardstick() / YARDSTICK_SECONDS;

	return now > pace ? now : pace;
}

static int limit(double seconds, long mib, char **argv)
{
	struct timeval before, after;
	struct rusage usage;
	double cpu, wall, pace = slower(1);
	int status;
	pid_t pid;

	gettimeofday(&before, NULL);
	pid = fork();
	if (!pid) {
		execvp(argv[0], argv);
		die(argv[0]);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		die("wait4");
	gettimeofday(&after, NULL);
	cpu = cpu_seconds(&usage);
	wall = after.tv_sec - before.tv_sec +
	       (after.tv_usec - before.tv_usec) / 1e6;
	if (cpu > seconds)
		pace = slower(pace);
	fprintf(stderr, "# %.2f s CPU, %.2f s, %ld MiB; machine slower by %.2f\n",
		cpu, wall, usage.ru_maxrss >> 10, pace);
	if (cpu > seconds * pace || usage.ru_maxrss >> 10 > mib)
		return 3;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "tree"))
		gen_tree(argv[2], atoi(argv[3]), atoi(argv[4]));
	else if (argc == 5 && !strcmp(argv[1], "hosts"))
		gen_hosts(argv[2], atoi(argv[3]), atoi(argv[4]));
	else if (argc == 4 && !strcmp(argv[1], "host"))
		print_host(stdout, 0, atoi(argv[2]), atoi(argv[3]));
	else if (argc == 4 && !strcmp(argv[1], "layout"))
		gen_layout(atoi(argv[2]), strtoull(argv[3], NULL, 0));
	else if (argc > 4 && !strcmp(argv[1], "limit"))
		return limit(atof(argv[2]), atol(argv[3]), argv + 4);
	else
		return 2;
	return 0;
}
