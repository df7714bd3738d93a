// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program iommu-resv of tools/iommu against the kernel that it runs on.
 *
 * Its own tests (make -C tools/iommu/iommu-resv check) read captured trees. Here
 * what it says is compared with what the kernel says and does:
 *
 *   list    with the files of sysfs and with the ioctls
 *   plan    its pieces can be mapped on an attached device, what is in its
 *           holes cannot
 *   check   refuses what IOMMU_IOAS_CHECK refuses, and nothing else
 *   msi     with the fdinfo of an open /dev/iommu
 *
 * It is looked for in the current folder, then in PATH. The device is QEMU's edu,
 * see vfio_edu.h, or that of RESV_BDF. A kernel without the ioctls and iova_regions
 * does as well, as long as RESV_REQUIRED does not say that they must be there.
 *
 * All bounds are inclusive.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "../kselftest_harness.h"
#include "vfio_edu.h"

#define GROUPS "/sys/kernel/iommu_groups"
#define MiB 0x100000ULL
#define MAX_LINES 128
#define MAX_DEVICES 64
#define MAX_TEXT (1 << 20)

/* What a run of the program printed */
struct output {
	char out[MAX_TEXT];
	char err[4096];
};

struct line {
	uint64_t start;
	uint64_t last;
	char type[24];
};

struct lines {
	struct line line[MAX_LINES];
	unsigned int num;
};

/* A device, as the program calls things */
struct device {
	char name[64];
	int group;
	char driver[32];
	char vfio[16];
	char source[24];
	bool assignable;
	bool aperture_known;
	uint64_t start;
	uint64_t last;
	uint64_t alignment;
	struct lines regions;
	struct lines ranges;
};

struct host {
	struct device dev[MAX_DEVICES];
	unsigned int num;
};

static struct edu_func funcs[EDU_MAX_FUNCS];
static int num_funcs;
static struct output output;
static struct host expected;
static struct host got;

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

static void print_output(void)
{
	print_text("stdout", output.out);
	print_text("stderr", output.err);
}

/* Run it, arguments up to NULL. Does it exit like this? Its text is in output. */
static bool run(int want, const char *arg, ...)
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

#define RUN(_code, ...) run(_code, __VA_ARGS__, NULL)

static bool printed(const char *text)
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
static bool add_line(struct lines *lines, uint64_t start, uint64_t last,
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

static bool parse_list(const char *text, struct host *host)
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

static struct device *find_device(struct host *host, const char *name)
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

static bool same_device(struct device *want, struct device *have)
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
static bool is_enforced(const struct line *line)
{
	return !strncmp(line->type, "msi", 3) ||
	       !strcmp(line->type, "direct") || !strcmp(line->type, "reserved");
}

static bool has_iova_regions(void)
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

static void link_name(const char *path, char *name, size_t size)
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

/* All groups, from iova_regions (@new) or from reserved_regions */
static bool read_sysfs(struct host *host, bool new)
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

/* By the ioctls, for a device that is bound; 0 or -errno */
static int ask_iommufd(int iommufd, __u32 dev_id, struct device *dev)
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

/* Bind, ask, close again. 0, or -errno if it cannot be bound or asked */
static int ask_device(const struct edu_func *func, struct device *dev)
{
	struct edu_dev edu;
	int iommufd, rc;

	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (iommufd < 0)
		return -errno;
	rc = edu_open_bind(&edu, func, iommufd);
	if (!rc) {
		rc = ask_iommufd(iommufd, edu.dev_id, dev);
		edu_close(&edu);
	}
	close(iommufd);
	return rc;
}

static void claim_devices(void)
{
	const char *bdf = getenv("RESV_BDF");
	char path[128], group[32] = "";

	if (!bdf) {
		num_funcs = edu_claim(funcs, EDU_MAX_FUNCS);
		return;
	}
	snprintf(funcs[0].bdf, sizeof(funcs[0].bdf), "%s", bdf);
	if (edu_bind_driver(&funcs[0]))
		return;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group",
		 bdf);
	link_name(path, group, sizeof(group));
	funcs[0].group = atoi(group);
	num_funcs = group[0] != 0;
}

static const struct edu_func *find_single(void)
{
	int i, j;

	for (i = 0; i != num_funcs; i++) {
		for (j = 0; j != num_funcs; j++)
			if (i != j && funcs[i].group == funcs[j].group)
				break;
		if (j == num_funcs)
			return &funcs[i];
	}
	return NULL;
}

/* Claims the devices; false: there is no program or no device to test with */
static bool prepare(void)
{
	if (!RUN(0, "--help"))
		return false;
	claim_devices();
	if (!num_funcs)
		ksft_print_msg("no edu device (1234:11e8) in an IOMMU group\n");
	return num_funcs;
}

FIXTURE(list)
{
	/* Does the kernel have iova_regions? */
	bool new;
};

FIXTURE_VARIANT(list)
{
	const char *source;
	bool new;
};

FIXTURE_VARIANT_ADD(list, auto)
{
	.source = "auto",
	.new = true,
};

FIXTURE_VARIANT_ADD(list, iova_regions)
{
	.source = "iova_regions",
	.new = true,
};

FIXTURE_VARIANT_ADD(list, reserved_regions)
{
	.source = "reserved_regions",
	.new = false,
};

FIXTURE_SETUP(list)
{
	if (!prepare() && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "no iommu-resv, or no device");
	ASSERT_LT(0, num_funcs);
	self->new = has_iova_regions();
	if (edu_env("RESV_REQUIRED", 0))
		ASSERT_TRUE(self->new);
}

FIXTURE_TEARDOWN(list)
{
}

/* Every device of sysfs, and no other */
TEST_F(list, sysfs)
{
	unsigned int i;

	if (!self->new && !strcmp(variant->source, "iova_regions")) {
		ASSERT_TRUE(RUN(2, "list", "--source", "iova_regions"));
		ASSERT_STREQ("", output.out);
		return;
	}
	ASSERT_TRUE(read_sysfs(&expected, self->new && variant->new));
	ASSERT_TRUE(RUN(0, "list", "--json", "--source", variant->source));
	ASSERT_TRUE(parse_list(output.out, &got));
	ASSERT_EQ(expected.num, got.num);
	for (i = 0; i != expected.num; i++)
		ASSERT_TRUE(
			same_device(&expected.dev[i],
				    find_device(&got, expected.dev[i].name)));
}

/* What list writes can stand for the host, and so can the tree that it reads */
TEST(stand_in)
{
	char path[] = "/tmp/host.XXXXXX";
	char *ranges;
	size_t len;
	int fd;

	if (!prepare() && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "no iommu-resv, or no device");
	ASSERT_LT(0, num_funcs);
	ASSERT_TRUE(RUN(0, "ranges", "--json"));
	ranges = strdup(output.out);
	ASSERT_TRUE(RUN(0, "list", "--json"));
	fd = mkstemp(path);
	ASSERT_LE(0, fd);
	len = strlen(output.out);
	ASSERT_EQ(len, write(fd, output.out, len));
	close(fd);
	ASSERT_TRUE(RUN(0, "ranges", "--json", "--host", path));
	unlink(path);
	ASSERT_STREQ(ranges, output.out);
	free(ranges);

	ASSERT_TRUE(read_sysfs(&expected, has_iova_regions()));
	ASSERT_TRUE(RUN(0, "list", "--json", "--root", "/"));
	ASSERT_TRUE(parse_list(output.out, &got));
	ASSERT_EQ(expected.num, got.num);
}

/* A device that it may not or cannot open is read from sysfs, with a warning */
TEST(list_ioctl)
{
	struct device *dev;
	int i, rc, num = 0;

	if (!prepare() && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "no iommu-resv, or no device");
	ASSERT_LT(0, num_funcs);
	ASSERT_TRUE(read_sysfs(&expected, has_iova_regions()));
	for (i = 0; i != num_funcs; i++) {
		dev = find_device(&expected, funcs[i].bdf);
		ASSERT_NE(NULL, dev);
		rc = ask_device(&funcs[i], dev);
		num += !rc;
		if (rc)
			ksft_print_msg("%s: %s\n", dev->name, strerror(-rc));
		ASSERT_TRUE(RUN(0, "list", "--json", "--source", "ioctl",
				"--device", dev->name));
		ASSERT_TRUE(parse_list(output.out, &got));
		ASSERT_EQ(1, got.num);
		ASSERT_TRUE(same_device(dev, &got.dev[0]));
		ASSERT_EQ(!rc, !strstr(output.err, "so from sysfs"));
	}
	if (edu_env("RESV_REQUIRED", 0))
		ASSERT_NE(0, num);

	/* All in one go, among them those that share a group */
	ASSERT_TRUE(RUN(0, "list", "--json", "--source", "ioctl"));
	ASSERT_TRUE(parse_list(output.out, &got));
	ASSERT_EQ(expected.num, got.num);
	for (i = 0; i != (int)expected.num; i++)
		ASSERT_TRUE(
			same_device(&expected.dev[i],
				    find_device(&got, expected.dev[i].name)));
}

/*
 * A device that is attached to an address space where nothing is mapped
 */
#define BUF_SIZE (4 * MiB)

FIXTURE(plan)
{
	const struct edu_func *func;
	struct device *dev;
	struct edu_dev edu;
	int iommufd;
	__u32 ioas;
	size_t page;
	char align[24];
	void *buf;
	struct lines pieces;
	/* The layout for check */
	char path[32];
};

FIXTURE_SETUP(plan)
{
	int fd;

	edu_init(&self->edu);
	self->iommufd = -1;
	self->buf = MAP_FAILED;
	snprintf(self->path, sizeof(self->path), "/tmp/layout.XXXXXX");
	if (!prepare() && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "no iommu-resv, or no device");
	ASSERT_LT(0, num_funcs);
	self->func = find_single();
	ASSERT_NE(NULL, self->func);
	ASSERT_TRUE(read_sysfs(&expected, has_iova_regions()));
	self->dev = find_device(&expected, self->func->bdf);
	ASSERT_NE(NULL, self->dev);

	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_open_bind(&self->edu, self->func, self->iommufd));
	ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->ioas));
	ASSERT_EQ(0, edu_attach(&self->edu, self->ioas));

	self->page = sysconf(_SC_PAGESIZE);
	snprintf(self->align, sizeof(self->align), "%zu", self->page);
	self->buf = mmap(NULL, BUF_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->buf);
	fd = mkstemp(self->path);
	ASSERT_LE(0, fd);
	close(fd);
}

FIXTURE_TEARDOWN(plan)
{
	edu_close(&self->edu);
	if (self->iommufd >= 0)
		close(self->iommufd);
	if (self->buf != MAP_FAILED)
		munmap(self->buf, BUF_SIZE);
	unlink(self->path);
}

/* The pieces in the output of plan --json */
static bool parse_plan(struct lines *pieces)
{
	const char *p = strstr(output.out, "\"ram\": [");
	const char *end = p ? strchr(p, ']') : NULL;
	unsigned long long start, last;

	pieces->num = 0;
	if (!end)
		return false;
	while ((p = strchr(p, '{')) && p < end) {
		if (sscanf(p, "{\"start\": \"%llx\", \"last\": \"%llx\"}",
			   &start, &last) != 2 ||
		    !add_line(pieces, start, last, ""))
			return false;
		p++;
	}
	return pieces->num;
}

static uint64_t total(const struct lines *pieces)
{
	uint64_t size = 0;
	unsigned int i;

	for (i = 0; i != pieces->num; i++)
		size += pieces->line[i].last - pieces->line[i].start + 1;
	return size;
}

static bool write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	return f && fputs(text, f) >= 0 && !fclose(f);
}

/* The part of a region that pages have */
static struct line whole_pages(const struct line *line, size_t page)
{
	struct line whole = *line;

	whole.start &= ~(page - 1ULL);
	whole.last |= page - 1ULL;
	return whole;
}

/* One with 8 MiB on both sides where nothing else is in the way */
static bool is_apart(const struct device *dev, const struct line *region)
{
	uint64_t low, high;
	unsigned int i;

	if (!is_enforced(region) || region->start < 8 * MiB ||
	    region->last > UINT64_MAX - 8 * MiB)
		return false;
	low = region->start - 8 * MiB;
	high = region->last + 8 * MiB;
	if (dev->aperture_known && (low < dev->start || high > dev->last))
		return false;
	/* That of reserved_regions is not known: the least there is */
	if (!dev->aperture_known && high > UINT32_MAX)
		return false;
	for (i = 0; i != dev->regions.num; i++) {
		const struct line *other = &dev->regions.line[i];

		if (other != region && is_enforced(other) &&
		    other->start <= high && other->last >= low)
			return false;
	}
	return true;
}

/* Refused for what is there, and not for its form */
static bool is_taken(int iommufd, __u32 ioas, void *buf, size_t len,
		     uint64_t iova)
{
	int rc = edu_map(iommufd, ioas, buf, len, iova);

	if (rc == -EINVAL)
		return true;
	ksft_print_msg("%zu bytes at 0x%llx: %s\n", len, (long long)iova,
		       strerror(-rc));
	return false;
}

/*
 * A plan around each region: its pieces can be mapped, no page of the hole, and
 * no piece that is one page longer.
 */
TEST_F(plan, around_each_region)
{
	char base[24];
	unsigned int num = 0, r, i;

	for (r = 0; r != self->dev->regions.num; r++) {
		const struct line *region = &self->dev->regions.line[r];
		struct line hole = whole_pages(region, self->page);
		struct line *piece = self->pieces.line;

		if (!is_apart(self->dev, region))
			continue;
		num++;
		snprintf(base, sizeof(base), "0x%llx",
			 (long long)(hole.start - 2 * self->page));
		ASSERT_TRUE(RUN(0, "plan", "--json", "--ram", "4M", "--base",
				base, "--align", self->align,
				"--ignore-advisory", "--device",
				self->func->bdf));
		ASSERT_TRUE(parse_plan(&self->pieces));
		ASSERT_EQ(4 * MiB, total(&self->pieces));
		ASSERT_EQ(2, self->pieces.num);
		ASSERT_EQ(hole.start - 2 * self->page, piece[0].start);
		ASSERT_EQ(hole.start - 1, piece[0].last);
		ASSERT_EQ(hole.last + 1, piece[1].start);
		ASSERT_TRUE(printed(region->type));

		for (i = 0; i != 2; i++)
			ASSERT_EQ(0,
				  edu_map(self->iommufd, self->ioas, self->buf,
					  piece[i].last - piece[i].start + 1,
					  piece[i].start));
		ASSERT_TRUE(is_taken(self->iommufd, self->ioas, self->buf,
				     self->page, hole.start));
		ASSERT_TRUE(is_taken(self->iommufd, self->ioas, self->buf,
				     self->page, hole.last + 1 - self->page));
		for (i = 0; i != 2; i++)
			ASSERT_EQ(0, edu_unmap(self->iommufd, self->ioas,
					       piece[i].start,
					       piece[i].last - piece[i].start +
						       1));
		ASSERT_TRUE(is_taken(self->iommufd, self->ioas, self->buf,
				     3 * self->page, piece[0].start));
		ASSERT_TRUE(is_taken(self->iommufd, self->ioas, self->buf,
				     2 * self->page,
				     piece[1].start - self->page));
	}
	ksft_print_msg("%u regions\n", num);
	ASSERT_NE(0, num);
}

/* Address space of one 2 MiB after the other, all of them the same memory */
static void *repeat_memory(size_t size)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);
	char *p;
	size_t at;

	p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || p == MAP_FAILED || ftruncate(fd, 2 * MiB))
		return NULL;
	for (at = 0; at < size; at += 2 * MiB)
		if (mmap(p + at, 2 * MiB, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			return NULL;
	close(fd);
	return p;
}

/* The memory of a VM as plan has it by default, piece by piece */
TEST_F(plan, vm)
{
	unsigned int i;
	size_t size;
	void *ram;

	ASSERT_TRUE(RUN(0, "plan", "--json", "--ram", "512M", "--device",
			self->func->bdf));
	ASSERT_TRUE(parse_plan(&self->pieces));
	ASSERT_EQ(512 * MiB, total(&self->pieces));
	for (i = 0; i != self->pieces.num; i++) {
		struct line *piece = &self->pieces.line[i];

		ksft_print_msg("0x%llx-0x%llx\n", (long long)piece->start,
			       (long long)piece->last);
		ASSERT_EQ(0, piece->start % (2 * MiB));
		size = piece->last - piece->start + 1;
		ram = repeat_memory(size);
		ASSERT_NE(NULL, ram);
		ASSERT_EQ(0, edu_map(self->iommufd, self->ioas, ram, size,
				     piece->start));
		munmap(ram, size);
	}
}

/* A plan passes; not so one byte in a region, which is named with its device */
TEST_F(plan, check)
{
	char layout[200], text[200];
	unsigned int num = 0, r;

	ASSERT_TRUE(RUN(0, "plan", "--json", "--ram", "512M", "--device",
			self->func->bdf));
	ASSERT_TRUE(write_text(self->path, output.out));
	ASSERT_TRUE(RUN(0, "check", self->path, "--device", self->func->bdf));
	ASSERT_TRUE(printed("Fits\n"));

	for (r = 0; r != self->dev->regions.num; r++) {
		const struct line *region = &self->dev->regions.line[r];
		long long start = region->start;

		if (!is_apart(self->dev, region))
			continue;
		num++;
		snprintf(
			layout, sizeof(layout),
			"{\"schema\":1,\"ram\":[\n{\"start\":\"0x%llx\",\"size\":4096}]}",
			start - 4096);
		ASSERT_TRUE(write_text(self->path, layout));
		ASSERT_TRUE(RUN(0, "check", self->path, "--ignore-advisory",
				"--device", self->func->bdf));

		snprintf(
			layout, sizeof(layout),
			"{\"schema\":1,\"ram\":[\n{\"start\":\"0x%llx\",\"size\":4097}]}",
			start - 4096);
		ASSERT_TRUE(write_text(self->path, layout));
		ASSERT_TRUE(RUN(1, "check", self->path, "--ignore-advisory",
				"--device", self->func->bdf));
		snprintf(text, sizeof(text), "0x%llx-0x%llx is %s of %s\n",
			 start, start, region->type, self->func->bdf);
		ASSERT_TRUE(printed(text));

		ASSERT_TRUE(RUN(1, "check", self->path, "--json", "--device",
				self->func->bdf));
		ASSERT_TRUE(printed("\"fits\": false"));
		ASSERT_TRUE(printed("\"line\": 2}"));
	}
	ASSERT_NE(0, num);
}

/* Does the kernel's dry run have something against it? Or -errno */
static int dry_run(int iommufd, __u32 ioas, const struct line *piece)
{
	struct iommu_iova_range range = { piece->start, piece->last };
	struct iommu_ioas_check cmd = {
		.size = sizeof(cmd),
		.pt_id = ioas,
		.num_ranges = 1,
		.ranges = (uintptr_t)&range,
	};

	if (!ioctl(iommufd, IOMMU_IOAS_CHECK, &cmd))
		return 0;
	return errno == EMSGSIZE ? 1 : -errno;
}

/* Is the piece part of a conflict in the output of check --json? */
static bool is_refused(const struct line *piece)
{
	char text[80];

	snprintf(text, sizeof(text),
		 "\"ram\": {\"start\": \"0x%llx\", \"last\": \"0x%llx\"}",
		 (long long)piece->start, (long long)piece->last);
	return strstr(output.out, text);
}

/* Ranges of pages at and around the ends of all regions, and of the aperture */
static void add_pieces(struct lines *pieces, const struct device *dev,
		       uint64_t page)
{
	uint64_t ends[2 * MAX_LINES + 2];
	unsigned int num = 0, i, k;

	for (i = 0; i != dev->regions.num; i++) {
		ends[num++] = dev->regions.line[i].start & ~(page - 1);
		ends[num++] = dev->regions.line[i].last & ~(page - 1);
	}
	ends[num++] = dev->start;
	ends[num++] = dev->last & ~(page - 1);
	for (i = 0; i != num; i++)
		for (k = 0; k != 5; k++) {
			uint64_t start = ends[i] + (k - 2) * page;
			uint64_t last = start + page - 1;
			unsigned int p;

			for (p = 0; p != pieces->num; p++)
				if (pieces->line[p].start == start)
					break;
			/* The ends of what an unsigned long counts are special */
			if (p == pieces->num && start <= last && start &&
			    last != UINT64_MAX)
				add_line(pieces, start, last, "");
		}
}

/* What check says of a page is what IOMMU_IOAS_CHECK says */
TEST_F(plan, check_and_dry_run)
{
	unsigned int i, num = 0;
	FILE *f;
	int rc;

	/* It has the aperture; without it there is less to compare */
	rc = ask_iommufd(self->iommufd, self->edu.dev_id, self->dev);
	if (rc == -ENOTTY && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "this kernel has no dry run");
	ASSERT_EQ(0, rc);
	add_pieces(&self->pieces, self->dev, self->page);
	f = fopen(self->path, "w");
	ASSERT_NE(NULL, f);
	for (i = 0; i != self->pieces.num; i++)
		fprintf(f, "%s\n{\"start\":\"0x%llx\",\"last\":\"0x%llx\"}",
			i ? "," : "{\"schema\":1,\"ram\":[",
			(long long)self->pieces.line[i].start,
			(long long)self->pieces.line[i].last);
	fputs("]}\n", f);
	ASSERT_EQ(0, fclose(f));

	ASSERT_TRUE(RUN(1, "check", self->path, "--json", "--ignore-advisory",
			"--device", self->func->bdf));
	for (i = 0; i != self->pieces.num; i++) {
		const struct line *piece = &self->pieces.line[i];

		rc = dry_run(self->iommufd, self->ioas, piece);
		num += rc;
		ASSERT_EQ(rc, is_refused(piece))
		{
			TH_LOG("0x%llx-0x%llx", (long long)piece->start,
			       (long long)piece->last);
			print_output();
		}
	}
	ksft_print_msg("%u of %u pages are refused\n", num, self->pieces.num);
	ASSERT_NE(0, num);
	ASSERT_NE(self->pieces.num, num);
}

/* A device in use cannot be bound a second time: sysfs has to do */
TEST_F(plan, list_in_use)
{
	ASSERT_TRUE(RUN(0, "list", "--json", "--source", "ioctl", "--device",
			self->func->bdf));
	ASSERT_NE(NULL, strstr(output.err, "so from sysfs"));
	ASSERT_TRUE(parse_list(output.out, &got));
	ASSERT_TRUE(same_device(self->dev, &got.dev[0]));
}

/* Each line of fdinfo in the words of the program; the number of pages or -1 */
static int compare_msi(int iommufd)
{
	unsigned long long start, last, doorbell;
	unsigned int slots, used, users, groups;
	char path[64], line[400], hwpts[200];
	unsigned int pages = 0, printed = 0;
	const char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", iommufd);
	f = fopen(path, "r");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		char text[400] = "";

		if (sscanf(line,
			   "msi-window: %llx-%llx slots %u used %u groups %u",
			   &start, &last, &slots, &used, &groups) == 5) {
			snprintf(
				text, sizeof(text),
				"  window 0x%llx-0x%llx: %u of %u slots used, %u groups\n",
				start, last, used, slots, groups);
		} else if (sscanf(line,
				  "msi-page: %llx doorbell %llx users %u groups %u hwpts %199s",
				  &start, &doorbell, &users, &groups,
				  hwpts) == 5) {
			snprintf(
				text, sizeof(text),
				"    iova 0x%llx  doorbell 0x%llx  users %u  groups %u  hwpts %s\n",
				start, doorbell, users, groups, hwpts);
			pages++;
		} else if (!strncmp(line, "msi-", 4)) {
			snprintf(text, sizeof(text), "is this known?");
		}
		if (!strstr(output.out, text)) {
			ksft_print_msg("fdinfo: %s", line);
			print_output();
			fclose(f);
			return -1;
		}
	}
	fclose(f);
	for (p = output.out; (p = strstr(p, "    iova ")); p++)
		printed++;
	return printed == pages ? (int)pages : -1;
}

TEST_F(plan, msi)
{
	bool table = self->func->has_window && edu_env("RESV_REQUIRED", 0);
	char pid[16], head[64];

	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(head, sizeof(head), " (%s), fd %d\n", pid, self->iommufd);
	ASSERT_TRUE(RUN(0, "msi", "--pid", pid));
	ASSERT_TRUE(printed(head));
	ASSERT_EQ(0, compare_msi(self->iommufd));

	if (edu_irq_on(&self->edu))
		SKIP(return, "no interrupt on this machine");
	ASSERT_EQ(1, edu_raise(&self->edu, EDU_TIMEOUT_MS));
	ASSERT_TRUE(RUN(0, "msi", "--pid", pid));
	ASSERT_EQ(table ? 1 : 0, compare_msi(self->iommufd));
	ASSERT_TRUE(RUN(0, "msi"));
	ASSERT_TRUE(printed(head));
	ASSERT_EQ(table ? 1 : 0, compare_msi(self->iommufd));

	ASSERT_EQ(0, edu_irq_off(&self->edu));
	ASSERT_TRUE(RUN(0, "msi", "--pid", pid));
	ASSERT_EQ(0, compare_msi(self->iommufd));
}

TEST_HARNESS_MAIN
