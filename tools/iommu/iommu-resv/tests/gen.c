// SPDX-License-Identifier: GPL-2.0-only
/*
 * Large inputs, and the cost of what reads them.
 *
 *	gen tree DIR DEVICES REGIONS	a sysfs tree, a group for each device
 *	gen hosts DIR HOSTS REGIONS	JSON files of hosts with one device each
 *	gen host DEVICES REGIONS	JSON of one host, to stdout
 *	gen layout PIECES START		a layout, to stdout
 *	gen limit SECONDS MIB COMMAND...	run it, fail if it takes more CPU time
 *					or more memory
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

static int limit(double seconds, long mib, char **argv)
{
	struct timeval before, after;
	struct rusage usage;
	double cpu, wall;
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
	cpu = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
	      (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	wall = after.tv_sec - before.tv_sec +
	       (after.tv_usec - before.tv_usec) / 1e6;
	fprintf(stderr, "# %.2f s CPU, %.2f s, %ld MiB\n", cpu, wall,
		usage.ru_maxrss >> 10);
	if (cpu > seconds || usage.ru_maxrss >> 10 > mib)
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
