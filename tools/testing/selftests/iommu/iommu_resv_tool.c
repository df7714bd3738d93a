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
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "../kselftest_harness.h"
#include "iommu_resv_tool.h"
#include "vfio_edu.h"

#define MiB 0x100000ULL

static struct edu_func funcs[EDU_MAX_FUNCS];
static int num_funcs;
static struct host expected;
static struct host got;

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

	/*
	 * All in one go, among them those that share a group, and devices of
	 * other tests that are still with vfio-pci
	 */
	ASSERT_TRUE(RUN(0, "list", "--json", "--source", "ioctl"));
	ASSERT_TRUE(parse_list(output.out, &got));
	ASSERT_EQ(expected.num, got.num);
	for (i = 0; i != num_funcs; i++) {
		dev = find_device(&expected, funcs[i].bdf);
		ASSERT_TRUE(same_device(dev, find_device(&got, dev->name)));
	}
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
