// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run iommu-resv and read what it prints; read the same from the kernel.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "../kselftest.h"
#include "iommu_resv_tool.h"

#define GROUPS "/sys/kernel/iommu_groups"

struct output output;

static void read_back(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = 0;
	close(fd);
}

static int run_args(char **argv)
{
	int out = memfd_create("out", MFD_CLOEXEC);
	int err = memfd_create("err", MFD_CLOEXEC);
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(out, 1);
		dup2(err, 2);
		execv("./iommu-resv", argv);
		execvp("iommu-resv", argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	read_back(out, output.out, sizeof(output.out));
	read_back(err, output.err, sizeof(output.err));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void print_text(const char *title, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		ksft_print_msg("%s: %.*s\n", title, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

void print_output(void)
{
	print_text("stdout", output.out);
	print_text("stderr", output.err);
}

bool run(int want, const char *arg, ...)
{
	char *argv[24] = { (char *)"iommu-resv" };
	unsigned int num = 1;
	va_list args;
	int code;

	va_start(args, arg);
	for (; arg && num != ARRAY_SIZE(argv) - 1; arg = va_arg(args, char *))
		argv[num++] = (char *)arg;
	va_end(args);
	code = run_args(argv);
	if (code == want)
		return true;
	ksft_print_msg("exit code %d of", code);
	for (num = 0; argv[num]; num++)
		printf(" %s", argv[num]);
	printf("\n");
	print_output();
	return false;
}

bool printed(const char *text)
{
	if (strstr(output.out, text))
		return true;
	ksft_print_msg("not in its output: %s\n", text);
	print_output();
	return false;
}

/*
 * Lines of JSON: the program puts each member on a line of its own, and each
 * region as well.
 */
bool add_line(struct lines *lines, uint64_t start, uint64_t last,
	      const char *type)
{
	struct line *line = &lines->line[lines->num];

	if (lines->num == MAX_LINES)
		return false;
	/* All of it, for memcmp() */
	memset(line, 0, sizeof(*line));
	line->start = start;
	line->last = last;
	snprintf(line->type, sizeof(line->type), "%s", type);
	lines->num++;
	return true;
}

static bool parse_range(struct lines *lines, const char *p)
{
	unsigned long long start, last;
	char type[24] = "", detail[24] = "";
	int num;

	num = sscanf(
		p,
		" {\"start\": \"%llx\", \"last\": \"%llx\", \"type\": \"%23[^\"]\", \"detail\": \"%23[^\"]",
		&start, &last, type, detail);
	if (num < 2)
		return true;
	return add_line(lines, start, last, num == 4 ? detail : type);
}

/* Nothing is taken of null, or of another member */
static void take_string(const char *p, const char *key, char *val, size_t size)
{
	char start[32];

	snprintf(start, sizeof(start), "\"%s\": \"", key);
	p = strstr(p, start);
	if (!p)
		return;
	p += strlen(start);
	snprintf(val, size, "%.*s", (int)strcspn(p, "\""), p);
}

static bool parse_line(struct device *dev, struct lines **list, const char *p)
{
	unsigned long long start, last;

	if (strstr(p, "\"assignable\": true")) {
		dev->assignable = true;
	} else if (strstr(p, "\"regions\": [")) {
		*list = &dev->regions;
	} else if (strstr(p, "\"ranges\": [")) {
		*list = &dev->ranges;
	} else if (sscanf(p, " \"alignment\": \"%llx\"", &start) == 1) {
		dev->alignment = start;
	} else if (sscanf(p,
			  " \"aperture\": {\"start\": \"%llx\", \"last\": \"%llx\"",
			  &start, &last) == 2) {
		dev->aperture_known = true;
		dev->start = start;
		dev->last = last;
	} else if (sscanf(p, " \"group\": %d", &dev->group) != 1) {
		take_string(p, "driver", dev->driver, sizeof(dev->driver));
		take_string(p, "vfio", dev->vfio, sizeof(dev->vfio));
		take_string(p, "source", dev->source, sizeof(dev->source));
	}
	return !*list || parse_range(*list, p);
}

bool parse_list(const char *text, struct host *host)
{
	struct lines *list = NULL;
	struct device *dev = NULL;
	char line[400], name[64];
	size_t len;

	memset(host, 0, sizeof(*host));
	for (; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		if (sscanf(line, " \"bdf\": \"%63[^\"]", name) == 1) {
			if (host->num == MAX_DEVICES)
				return false;
			dev = &host->dev[host->num++];
			memcpy(dev->name, name, sizeof(name));
			list = NULL;
		} else if (dev && !parse_line(dev, &list, line)) {
			return false;
		}
	}
	return host->num;
}

struct device *find_device(struct host *host, const char *name)
{
	unsigned int i;

	for (i = 0; i != host->num; i++)
		if (!strcmp(host->dev[i].name, name))
			return &host->dev[i];
	return NULL;
}

static int cmp_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->last != y->last)
		return x->last < y->last ? -1 : 1;
	return strcmp(x->type, y->type);
}

static void sort_lines(struct lines *lines)
{
	qsort(lines->line, lines->num, sizeof(lines->line[0]), cmp_lines);
}

static bool same_lines(struct lines *a, struct lines *b)
{
	sort_lines(a);
	sort_lines(b);
	return a->num == b->num &&
	       !memcmp(a->line, b->line, a->num * sizeof(a->line[0]));
}

static void print_device(const char *title, const struct device *dev)
{
	unsigned int i;

	ksft_print_msg("%s: %s group %d driver %s vfio %s %s%s\n", title,
		       dev->name, dev->group, dev->driver, dev->vfio,
		       dev->source, dev->assignable ? " assignable" : "");
	ksft_print_msg("%s: aperture %d 0x%llx-0x%llx alignment 0x%llx\n",
		       title, dev->aperture_known, (long long)dev->start,
		       (long long)dev->last, (long long)dev->alignment);
	for (i = 0; i != dev->regions.num; i++)
		ksft_print_msg("%s: 0x%llx-0x%llx %s\n", title,
			       (long long)dev->regions.line[i].start,
			       (long long)dev->regions.line[i].last,
			       dev->regions.line[i].type);
	for (i = 0; i != dev->ranges.num; i++)
		ksft_print_msg("%s: 0x%llx-0x%llx usable\n", title,
			       (long long)dev->ranges.line[i].start,
			       (long long)dev->ranges.line[i].last);
}

bool same_device(struct device *want, struct device *have)
{
	if (have && want->group == have->group &&
	    !strcmp(want->driver, have->driver) &&
	    !strcmp(want->vfio, have->vfio) &&
	    !strcmp(want->source, have->source) &&
	    want->assignable == have->assignable &&
	    want->aperture_known == have->aperture_known &&
	    want->start == have->start && want->last == have->last &&
	    want->alignment == have->alignment &&
	    same_lines(&want->regions, &have->regions) &&
	    same_lines(&want->ranges, &have->ranges))
		return true;
	print_device("kernel", want);
	if (have)
		print_device("program", have);
	return false;
}

/*
 * What the kernel says
 */
bool is_enforced(const struct line *line)
{
	return !strncmp(line->type, "msi", 3) ||
	       !strcmp(line->type, "direct") || !strcmp(line->type, "reserved");
}

bool has_iova_regions(void)
{
	char path[300];
	struct dirent *entry;
	bool there = false;
	DIR *dir;

	dir = opendir(GROUPS);
	while (dir && !there && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), GROUPS "/%s/iova_regions",
			 entry->d_name);
		there = !access(path, R_OK);
	}
	if (dir)
		closedir(dir);
	return there;
}

/* What is left of everything, as reserved_regions does not tell */
static void find_ranges(struct device *dev)
{
	uint64_t next = 0;
	unsigned int i;

	sort_lines(&dev->regions);
	for (i = 0; i != dev->regions.num; i++) {
		struct line *line = &dev->regions.line[i];

		if (!is_enforced(line) || line->last < next)
			continue;
		if (line->start > next)
			add_line(&dev->ranges, next, line->start - 1, "");
		next = line->last + 1;
		if (!next)
			return;
	}
	add_line(&dev->ranges, next, UINT64_MAX, "");
}

static bool read_lines(struct device *dev, bool new)
{
	unsigned long long start, last;
	char path[128], word[24];
	FILE *f;

	snprintf(dev->source, sizeof(dev->source), "%s",
		 new ? "iova_regions" : "reserved_regions");
	snprintf(path, sizeof(path), GROUPS "/%d/%s", dev->group, dev->source);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (fscanf(f, "%llx %llx %23s", &start, &last, word) == 3) {
		if (!strcmp(word, "aperture")) {
			dev->aperture_known = true;
			dev->start = start;
			dev->last = last;
		} else if (!strcmp(word, "usable")) {
			add_line(&dev->ranges, start, last, "");
		} else if (new && !strcmp(word, "msi")) {
			add_line(&dev->regions, start, last, "msi-hw");
		} else if (!strcmp(word, "sw-msi")) {
			add_line(&dev->regions, start, last, "msi-sw");
		} else {
			add_line(&dev->regions, start, last, word);
		}
	}
	fclose(f);
	if (!new)
		find_ranges(dev);
	return true;
}

void link_name(const char *path, char *name, size_t size)
{
	char target[256];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len < 0)
		return;
	target[len] = 0;
	snprintf(name, size, "%s", strrchr(target, '/') + 1);
}

static bool is_bridge(const char *path)
{
	unsigned int class = 0;
	FILE *f = fopen(path, "r");

	if (f && fscanf(f, "%x", &class) != 1)
		class = 0;
	if (f)
		fclose(f);
	return class >> 8 == 0x0604 || class >> 8 == 0x0600;
}

static bool read_device(struct device *dev, bool new)
{
	char path[300];
	struct dirent *entry;
	unsigned int i;
	DIR *dir;

	if (!read_lines(dev, new))
		return false;
	snprintf(path, sizeof(path), GROUPS "/%d/devices/%s/driver", dev->group,
		 dev->name);
	link_name(path, dev->driver, sizeof(dev->driver));
	snprintf(path, sizeof(path), GROUPS "/%d/devices/%s/vfio-dev",
		 dev->group, dev->name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			snprintf(dev->vfio, sizeof(dev->vfio), "%.15s",
				 entry->d_name);
	if (dir)
		closedir(dir);
	snprintf(path, sizeof(path), GROUPS "/%d/devices/%s/class", dev->group,
		 dev->name);
	dev->assignable = !is_bridge(path);
	for (i = 0; i != dev->regions.num; i++)
		if (!strcmp(dev->regions.line[i].type, "direct"))
			dev->assignable = false;
	return true;
}

bool read_sysfs(struct host *host, bool new)
{
	struct dirent *group, *entry;
	DIR *groups, *devices;
	char path[300];
	bool good = true;

	memset(host, 0, sizeof(*host));
	groups = opendir(GROUPS);
	while (groups && (group = readdir(groups))) {
		snprintf(path, sizeof(path), GROUPS "/%s/devices",
			 group->d_name);
		devices = group->d_name[0] == '.' ? NULL : opendir(path);
		while (devices && (entry = readdir(devices))) {
			struct device *dev = &host->dev[host->num];

			if (entry->d_name[0] == '.')
				continue;
			if (++host->num == MAX_DEVICES)
				break;
			snprintf(dev->name, sizeof(dev->name), "%.63s",
				 entry->d_name);
			dev->group = atoi(group->d_name);
			good &= read_device(dev, new);
		}
		if (devices)
			closedir(devices);
	}
	if (groups)
		closedir(groups);
	return good && host->num;
}

static const char *const type_names[] = {
	[IOMMU_RESV_REGION_DIRECT] = "direct",
	[IOMMU_RESV_REGION_DIRECT_RELAXABLE] = "direct-relaxable",
	[IOMMU_RESV_REGION_RESERVED] = "reserved",
	[IOMMU_RESV_REGION_HW_MSI] = "msi-hw",
	[IOMMU_RESV_REGION_SW_MSI] = "msi-sw",
	[IOMMU_RESV_REGION_BRIDGE_WINDOW] = "bridge-window",
	[IOMMU_RESV_REGION_NO_DMA] = "no-dma",
};

int ask_iommufd(int iommufd, __u32 dev_id, struct device *dev)
{
	static struct iommu_resv_region_info info[MAX_LINES];
	static struct iommu_iova_range ranges[MAX_LINES];
	struct iommu_device_resv_regions regions = {
		.size = sizeof(regions),
		.dev_id = dev_id,
		.num_regions = MAX_LINES,
		.entry_size = sizeof(info[0]),
		.regions = (uintptr_t)info,
	};
	struct iommu_device_iova_ranges iovas = {
		.size = sizeof(iovas),
		.dev_id = dev_id,
		.num_iovas = MAX_LINES,
		.allowed_iovas = (uintptr_t)ranges,
	};
	__u32 i;

	if (ioctl(iommufd, IOMMU_DEVICE_RESV_REGIONS, &regions) ||
	    ioctl(iommufd, IOMMU_DEVICE_IOVA_RANGES, &iovas))
		return -errno;
	snprintf(dev->source, sizeof(dev->source), "ioctl");
	dev->regions.num = 0;
	dev->ranges.num = 0;
	dev->aperture_known = regions.out_flags & IOMMU_DEVICE_APERTURE_KNOWN;
	dev->start = regions.out_aperture_start;
	dev->last = regions.out_aperture_last;
	dev->alignment = iovas.out_iova_alignment;
	for (i = 0; i != regions.num_regions; i++)
		add_line(&dev->regions, info[i].start, info[i].last,
			 type_names[info[i].type]);
	for (i = 0; i != iovas.num_iovas; i++)
		add_line(&dev->ranges, ranges[i].start, ranges[i].last, "");
	return 0;
}
