// SPDX-License-Identifier: GPL-2.0-only
/*
 * What sysfs and VFIO type1 tell about reserved regions
 *
 * A group has two files in /sys/kernel/iommu_groups: reserved_regions, which is
 * the same as ever, and iova_regions, which has everything. This compares the one
 * with the other, the usable ranges of the second with its regions, and the
 * capability of a type1 container with the files of its group.
 *
 * The test reserved_regions works on kernels without iova_regions too, and prints
 * the old file: whoever runs it on two kernels can compare them byte by byte.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "iommufd_resv_utils.h"
#include "vfio_edu.h"

#define GROUPS "/sys/kernel/iommu_groups"
#define MAX_GROUPS 64
#define MAX_LINES 4096
#define MAX_TEXT (1024 * 1024)

/* Order of types that sorting falls back to, and the words of the files */
static const char *const words[] = {
	[VFIO_IOMMU_RESV_DIRECT] = "direct",
	[VFIO_IOMMU_RESV_DIRECT_RELAXABLE] = "direct-relaxable",
	[VFIO_IOMMU_RESV_RESERVED] = "reserved",
	[VFIO_IOMMU_RESV_HW_MSI] = "msi",
	[VFIO_IOMMU_RESV_SW_MSI] = "sw-msi",
	[VFIO_IOMMU_RESV_BRIDGE_WINDOW] = "bridge-window",
	[VFIO_IOMMU_RESV_NO_DMA] = "no-dma",
#define WORD_APERTURE 7
	[WORD_APERTURE] = "aperture",
#define WORD_USABLE 8
	[WORD_USABLE] = "usable",
};

struct line {
	uint64_t start;
	uint64_t last;
	int word;
};

struct text {
	int num;
	struct line line[MAX_LINES];
};

static bool is_enforced(int word)
{
	return word == VFIO_IOMMU_RESV_DIRECT ||
	       word == VFIO_IOMMU_RESV_RESERVED ||
	       word == VFIO_IOMMU_RESV_HW_MSI ||
	       word == VFIO_IOMMU_RESV_SW_MSI;
}

static bool is_advisory(int word)
{
	return word == VFIO_IOMMU_RESV_BRIDGE_WINDOW ||
	       word == VFIO_IOMMU_RESV_NO_DMA;
}

static int list_groups(int *groups)
{
	struct dirent *entry;
	int num = 0;
	DIR *dir;

	dir = opendir(GROUPS);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)) && num != MAX_GROUPS)
		if (entry->d_name[0] != '.')
			groups[num++] = atoi(entry->d_name);
	closedir(dir);
	return num;
}

static int open_file(int group, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), GROUPS "/%d/%s", group, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Read up to the end, at most @chunk bytes at a time. Returns bytes or -errno. */
static ssize_t read_chunks(int group, const char *name, char *buf,
			   size_t chunk)
{
	size_t len = 0;
	ssize_t rc;
	int fd;

	fd = open_file(group, name);
	if (fd < 0)
		return -errno;
	do {
		rc = read(fd, buf + len, chunk);
		if (rc < 0) {
			rc = -errno;
			close(fd);
			return rc;
		}
		len += rc;
	} while (rc && len + chunk < MAX_TEXT);
	close(fd);
	buf[len] = 0;
	return len;
}

static int find_word(const char *word)
{
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(words); i++)
		if (!strcmp(word, words[i]))
			return i;
	return -1;
}

/* The exact form of each line counts, scanf() is too forgiving */
static bool parse(const char *buf, struct text *text)
{
	char word[32], again[128];
	unsigned long long start, last;
	const char *end;

	text->num = 0;
	for (; *buf; buf = end + 1) {
		struct line *line = &text->line[text->num];

		end = strchr(buf, '\n');
		if (!end || text->num == MAX_LINES)
			return false;
		if (sscanf(buf, "%llx %llx %31s", &start, &last, word) != 3)
			return false;
		snprintf(again, sizeof(again), "0x%016llx 0x%016llx %s\n",
			 start, last, word);
		if (strncmp(buf, again, end + 1 - buf) || start > last)
			return false;
		line->start = start;
		line->last = last;
		line->word = find_word(word);
		if (line->word < 0)
			return false;
		text->num++;
	}
	return true;
}

/* The whole file of a group, shown if it is not as it should be */
static bool read_text(int group, const char *name, struct text *text)
{
	static char buf[MAX_TEXT];
	ssize_t rc;

	rc = read_chunks(group, name, buf, 4096);
	if (rc < 0) {
		ksft_print_msg("group %d, %s: error %zd\n", group, name, -rc);
		return false;
	}
	if (parse(buf, text))
		return true;
	ksft_print_msg("group %d, %s:\n%s\n", group, name, buf);
	return false;
}

/* A kernel that should have it all must not get away with SKIP */
static bool is_required(void)
{
	return edu_env("RESV_REQUIRED", 0);
}

/* For a comparison with another kernel, one without iova_regions too */
TEST(reserved_regions)
{
	struct text *text = malloc(sizeof(*text));
	struct edu_func funcs[EDU_MAX_FUNCS];
	int group[MAX_GROUPS];
	int num, i, j;

	ASSERT_NE(NULL, text);
	/* With a devicetree a device has a group from when a driver has it */
	edu_claim(funcs, EDU_MAX_FUNCS);
	num = list_groups(group);
	if (!num)
		SKIP(return, "no IOMMU group");
	for (i = 0; i != num; i++) {
		ASSERT_TRUE(read_text(group[i], "reserved_regions", text));
		for (j = 0; j != text->num; j++)
			ksft_print_msg("resv: %d 0x%016llx 0x%016llx %s\n",
				       group[i],
				       (long long)text->line[j].start,
				       (long long)text->line[j].last,
				       words[text->line[j].word]);
	}
	free(text);
}

FIXTURE(groups)
{
	int num;
	int group[MAX_GROUPS];
	char *buf;
	char *buf2;
	struct text *text;
	struct text *old;
};

FIXTURE_SETUP(groups)
{
	int fd;

	self->buf = malloc(MAX_TEXT);
	self->buf2 = malloc(MAX_TEXT);
	self->text = malloc(sizeof(*self->text));
	self->old = malloc(sizeof(*self->old));
	ASSERT_TRUE(self->buf && self->buf2 && self->text && self->old);
	self->num = list_groups(self->group);
	if (!self->num)
		SKIP(return, "no IOMMU group");
	fd = open_file(self->group[0], "iova_regions");
	if (fd < 0 && !is_required())
		SKIP(return, "no iova_regions in sysfs");
	ASSERT_LE(0, fd);
	close(fd);
}

FIXTURE_TEARDOWN(groups)
{
	free(self->buf);
	free(self->buf2);
	free(self->text);
	free(self->old);
}

static int section(int word)
{
	return word == WORD_APERTURE ? 0 : word == WORD_USABLE ? 2 : 1;
}

/* Aperture, regions by start and type, usable ranges by start */
TEST_F(groups, order)
{
	const struct line *a, *b;
	int i;
	int j;

	for (i = 0; i != self->num; i++) {
		ASSERT_TRUE(read_text(self->group[i], "iova_regions", self->text));
		ASSERT_LT(0, self->text->num);
		for (j = 1; j < self->text->num; j++) {
			a = &self->text->line[j - 1];
			b = &self->text->line[j];
			ASSERT_LE(section(a->word), section(b->word));
			if (section(a->word) != section(b->word))
				continue;
			ASSERT_NE(WORD_APERTURE, b->word);
			ASSERT_LE(a->start, b->start);
			ASSERT_TRUE(a->start < b->start || a->word < b->word);
		}
	}
}

static bool has_line(const struct text *text, const struct line *line, int word)
{
	int i;

	for (i = 0; i != text->num; i++)
		if (text->line[i].start == line->start &&
		    text->line[i].last == line->last &&
		    text->line[i].word == word)
			return true;
	return false;
}

/* The new file has what the old one has, and tells the MSI regions apart */
TEST_F(groups, old_and_new)
{
	const struct line *line;
	int i;
	int j;

	for (i = 0; i != self->num; i++) {
		ASSERT_TRUE(read_text(self->group[i], "reserved_regions", self->old));
		ASSERT_TRUE(read_text(self->group[i], "iova_regions", self->text));
		for (j = 0; j != self->old->num; j++) {
			line = &self->old->line[j];
			ASSERT_TRUE(has_line(self->text, line, line->word) ||
				    (line->word == VFIO_IOMMU_RESV_HW_MSI &&
				     has_line(self->text, line,
					      VFIO_IOMMU_RESV_SW_MSI)));
		}
		for (j = 0; j != self->text->num; j++) {
			line = &self->text->line[j];
			if (section(line->word) != 1 || is_advisory(line->word))
				continue;
			ASSERT_TRUE(has_line(
				self->old, line,
				line->word == VFIO_IOMMU_RESV_SW_MSI ?
					VFIO_IOMMU_RESV_HW_MSI :
					line->word));
		}
	}
}

/* Is the address in the aperture and in no enforced region? */
static bool can_use(const struct text *text, uint64_t iova)
{
	int i;

	for (i = 0; i != text->num; i++) {
		const struct line *line = &text->line[i];
		bool in = iova >= line->start && iova <= line->last;

		if (line->word == WORD_APERTURE ? !in :
						  in && is_enforced(line->word))
			return false;
	}
	return true;
}

static bool is_listed_usable(const struct text *text, uint64_t iova)
{
	int i;

	for (i = 0; i != text->num; i++)
		if (text->line[i].word == WORD_USABLE &&
		    iova >= text->line[i].start && iova <= text->line[i].last)
			return true;
	return false;
}

/* It is enough to look at both sides of each bound of anything */
TEST_F(groups, usable)
{
	int i;
	int j;
	int k;

	for (i = 0; i != self->num; i++) {
		ASSERT_TRUE(read_text(self->group[i], "iova_regions", self->text));
		for (j = 0; j != self->text->num; j++) {
			const struct line *line = &self->text->line[j];
			const uint64_t iovas[] = { line->start - 1, line->start,
						   line->last, line->last + 1 };

			for (k = 0; k != 4; k++) {
				uint64_t iova = iovas[k];

				ASSERT_EQ(can_use(self->text, iova),
					  is_listed_usable(self->text, iova))
				{
					TH_LOG("group %d, 0x%llx",
					       self->group[i], (long long)iova);
				}
			}
		}
	}
}

/* Whatever the size of a read, and wherever it starts */
TEST_F(groups, partial_reads)
{
	static const size_t chunks[] = { 1, 7, 47, 4095, 65536 };
	ssize_t len;
	size_t i;
	int fd;
	int g;

	for (g = 0; g != self->num; g++) {
		len = read_chunks(self->group[g], "iova_regions", self->buf,
				  4096);
		ASSERT_LT(0, len);
		for (i = 0; i != ARRAY_SIZE(chunks); i++) {
			ASSERT_EQ(len, read_chunks(self->group[g],
						   "iova_regions", self->buf2,
						   chunks[i]));
			ASSERT_EQ(0, memcmp(self->buf, self->buf2, len));
		}

		fd = open_file(self->group[g], "iova_regions");
		ASSERT_LE(0, fd);
		ASSERT_EQ(len - 13, pread(fd, self->buf2, 4096, 13));
		ASSERT_EQ(0, memcmp(self->buf + 13, self->buf2, len - 13));
		ASSERT_EQ(1, pread(fd, self->buf2, 4096, len - 1));
		ASSERT_EQ('\n', self->buf2[0]);
		ASSERT_EQ(0, pread(fd, self->buf2, 4096, len));
		ASSERT_EQ(0, pread(fd, self->buf2, 4096, len + 100000));
		close(fd);
	}
}

static int new_group(const int *before, int num_before)
{
	int groups[MAX_GROUPS];
	int num = list_groups(groups);
	int i;
	int j;

	for (i = 0; i != num; i++) {
		for (j = 0; j != num_before; j++)
			if (groups[i] == before[j])
				break;
		if (j == num_before)
			return groups[i];
	}
	return -1;
}

/* Hundreds of regions, the old file ends at a page and the new one does not */
TEST_F(groups, many)
{
	const unsigned int num = 1000;
	struct iommu_test_resv *resv;
	struct mock_device_args args = { .resv_num = num };
	unsigned int i, regions = 0, usable = 0;
	__u32 ioas_id, stdev_id;
	ssize_t len;
	int group;
	int fd;

	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "no /dev/iommu");
	resv = calloc(num, sizeof(*resv));
	ASSERT_NE(NULL, resv);
	for (i = 0; i != num; i++) {
		/* Not sorted: 7 and 1000 have no divisor in common */
		resv[i].start = 0x10000000ULL + (i * 7 % num) * 0x2000;
		resv[i].length = 0x1000;
		resv[i].type = MOCK_RESV_RESERVED;
	}
	args.resv = resv;
	ASSERT_EQ(0, _test_ioctl_ioas_alloc(fd, &ioas_id));
	if (_test_cmd_mock_device(fd, ioas_id, &args, &stdev_id, NULL, NULL))
		SKIP(return, "no mock device (CONFIG_IOMMUFD_TEST)");
	group = new_group(self->group, self->num);
	ASSERT_LE(0, group);

	/* What fits into a page with a NUL at the end; a line has 47 characters */
	len = sysconf(_SC_PAGESIZE) - 1;
	if (len > num * 47)
		len = num * 47;
	ASSERT_EQ(len,
		  read_chunks(group, "reserved_regions", self->buf, 4096));
	ASSERT_TRUE(read_text(group, "iova_regions", self->text));
	for (i = 0; (int)i != self->text->num; i++) {
		const struct line *line = &self->text->line[i];

		if (line->word == WORD_USABLE)
			usable++;
		if (line->word != VFIO_IOMMU_RESV_RESERVED)
			continue;
		ASSERT_EQ(0x10000000ULL + regions * 0x2000, line->start);
		regions++;
	}
	ASSERT_EQ(num, regions);
	ASSERT_EQ(num + 1, usable);
	close(fd);
	free(resv);
}

static int read_rest(int fd, char *buf, size_t len)
{
	ssize_t rc;

	do {
		rc = read(fd, buf + len, 100);
		if (rc < 0)
			return -errno;
		len += rc;
	} while (rc && len + 100 < MAX_TEXT);
	buf[len] = 0;
	return len;
}

/* A list that changes between two read() calls is the old one to its end */
TEST_F(groups, changes)
{
	const unsigned int num = 300;
	struct mock_device_args args = { .resv_num = num };
	struct iommu_test_resv resv[300];
	__u32 ioas_id, stdev_id;
	unsigned int i;
	ssize_t old;
	int group;
	int file;
	int fd;

	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "no /dev/iommu");
	for (i = 0; i != num; i++)
		resv[i] = (struct iommu_test_resv){
			.start = 0x10000000ULL + i * 0x2000,
			.length = 0x1000,
			.type = MOCK_RESV_RESERVED,
		};
	args.resv = resv;
	ASSERT_EQ(0, _test_ioctl_ioas_alloc(fd, &ioas_id));
	if (_test_cmd_mock_device(fd, ioas_id, &args, &stdev_id, NULL, NULL))
		SKIP(return, "no mock device (CONFIG_IOMMUFD_TEST)");
	group = new_group(self->group, self->num);
	ASSERT_LE(0, group);
	old = read_chunks(group, "iova_regions", self->buf, 4096);
	ASSERT_LT(4 * 4096, old);

	file = open_file(group, "iova_regions");
	ASSERT_LE(0, file);
	ASSERT_EQ(100, read(file, self->buf2, 100));
	ASSERT_EQ(0, _test_cmd_mock_device_resv(fd, stdev_id, resv, 1, 0));
	ASSERT_EQ(old, read_rest(file, self->buf2, 100));
	ASSERT_EQ(0, memcmp(self->buf, self->buf2, old));
	ASSERT_EQ(0, read(file, self->buf2, 100));

	/* From the start it is the new one, with one region and two ranges */
	ASSERT_EQ(0, lseek(file, 0, SEEK_SET));
	ASSERT_LT(0, read_rest(file, self->buf2, 0));
	ASSERT_TRUE(parse(self->buf2, self->text));
	ASSERT_EQ(4, self->text->num);

	/* An error in the middle of the list is not its end */
	ASSERT_EQ(0, _test_cmd_mock_device_resv(fd, stdev_id, resv, num, EIO));
	ASSERT_EQ(0, lseek(file, 0, SEEK_SET));
	ASSERT_EQ(-1, read(file, self->buf2, 100));
	ASSERT_EQ(EIO, errno);
	ASSERT_EQ(0, _test_cmd_mock_device_resv(fd, stdev_id, resv, num, 0));
	ASSERT_EQ(old, read_rest(file, self->buf2, 0));
	close(file);
	close(fd);
}

/* A container with one group, and what it and sysfs tell */
static const struct vfio_info_cap_header *
find_cap(const struct vfio_iommu_type1_info *info, __u16 id)
{
	const struct vfio_info_cap_header *cap;
	__u32 offset;

	if (!(info->flags & VFIO_IOMMU_INFO_CAPS))
		return NULL;
	for (offset = info->cap_offset; offset; offset = cap->next) {
		cap = (const void *)((const char *)info + offset);
		if (cap->id == id)
			return cap;
	}
	return NULL;
}

FIXTURE(type1)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	struct edu_dev dev;
	int container;
	char *buf;
	struct text *text;
	struct vfio_iommu_type1_info *info;
};

FIXTURE_SETUP(type1)
{
	int rc;

	edu_init(&self->dev);
	self->container = -1;
	self->buf = malloc(MAX_TEXT);
	self->text = malloc(sizeof(*self->text));
	self->info = calloc(1, 65536);
	ASSERT_TRUE(self->buf && self->text && self->info);
	if (edu_claim(self->funcs, EDU_MAX_FUNCS) < 1)
		SKIP(return, "no edu device");
	self->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (self->container < 0)
		SKIP(return, "no /dev/vfio/vfio (CONFIG_VFIO_CONTAINER?)");
	rc = edu_group_open(&self->dev, &self->funcs[0], self->container);
	if (rc)
		SKIP(return, "the VFIO group cannot be used: %d", rc);
	rc = ioctl(self->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
	if (rc && errno == EPERM)
		SKIP(return, "not isolated here, needs allow_unsafe_interrupts");
	ASSERT_EQ(0, rc);
	self->info->argsz = 65536;
	ASSERT_EQ(0, ioctl(self->container, VFIO_IOMMU_GET_INFO, self->info));
}

FIXTURE_TEARDOWN(type1)
{
	edu_close(&self->dev);
	if (self->container >= 0)
		close(self->container);
	free(self->buf);
	free(self->text);
	free(self->info);
}

/* The capability is what sysfs has of the group */
TEST_F(type1, capability)
{
	const struct vfio_iommu_type1_info_cap_resv_regions *cap;
	const struct line *line;
	unsigned int num = 0;
	int advisory = 0;
	int i;

	cap = (const void *)find_cap(self->info,
				     VFIO_IOMMU_TYPE1_INFO_CAP_RESV_REGIONS);
	if (!cap && !is_required())
		SKIP(return, "no capability with the regions");
	ASSERT_NE(NULL, cap);
	ASSERT_EQ(1, cap->header.version);
	ASSERT_EQ(0, cap->reserved);
	ASSERT_TRUE(read_text(self->funcs[0].group, "iova_regions", self->text));
	for (i = 0; i != self->text->num; i++) {
		line = &self->text->line[i];
		if (section(line->word) != 1)
			continue;
		ASSERT_LT(num, cap->nr_regions);
		EXPECT_EQ(line->start, cap->regions[num].start);
		EXPECT_EQ(line->last, cap->regions[num].last);
		EXPECT_EQ(line->word, cap->regions[num].type);
		EXPECT_EQ(is_enforced(line->word) ?
				  VFIO_IOMMU_RESV_FLAG_ENFORCED : 0,
			  cap->regions[num].flags);
		num++;
	}
	EXPECT_EQ(num, cap->nr_regions);
	/* edu is a PCI device, its host bridge has windows */
	for (i = 0; i != (int)num; i++)
		advisory += is_advisory(cap->regions[i].type);
	EXPECT_LT(0, advisory);
}

/* The ranges that a container leaves are those of its group, aperture and all */
TEST_F(type1, iova_ranges)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap;
	const struct line *line;
	unsigned int num = 0;
	int i;

	cap = (const void *)find_cap(self->info,
				     VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	ASSERT_NE(NULL, cap);
	if (read_chunks(self->funcs[0].group, "iova_regions", self->buf, 4096) ==
	    -ENOENT && !is_required())
		SKIP(return, "no iova_regions in sysfs");
	ASSERT_TRUE(read_text(self->funcs[0].group, "iova_regions", self->text));
	for (i = 0; i != self->text->num; i++) {
		line = &self->text->line[i];
		if (line->word != WORD_USABLE)
			continue;
		ASSERT_LT(num, cap->nr_iovas);
		EXPECT_EQ(line->start, cap->iova_ranges[num].start);
		EXPECT_EQ(line->last, cap->iova_ranges[num].end);
		num++;
	}
	EXPECT_EQ(num, cap->nr_iovas);
}

static int map_page(int container, void *va, __u64 iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = sysconf(_SC_PAGESIZE),
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

/* What is enforced is refused, the rest can be mapped */
TEST_F(type1, enforced)
{
	const struct vfio_iommu_type1_info_cap_resv_regions *cap;
	size_t page = sysconf(_SC_PAGESIZE);
	unsigned int i;
	void *va;

	cap = (const void *)find_cap(self->info,
				     VFIO_IOMMU_TYPE1_INFO_CAP_RESV_REGIONS);
	if (!cap && !is_required())
		SKIP(return, "no capability with the regions");
	ASSERT_NE(NULL, cap);
	va = mmap(NULL, page, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);
	ASSERT_TRUE(read_text(self->funcs[0].group, "iova_regions", self->text));
	for (i = 0; i != cap->nr_regions; i++) {
		struct vfio_iommu_type1_dma_unmap unmap = {
			.argsz = sizeof(unmap),
			.iova = cap->regions[i].start,
			.size = page,
		};
		bool usable = is_listed_usable(self->text, unmap.iova) &&
			      is_listed_usable(self->text,
					       unmap.iova + page - 1);

		if (unmap.iova % page)
			continue;
		ASSERT_EQ(usable ? 0 : -EINVAL,
			  map_page(self->container, va, unmap.iova))
		{
			TH_LOG("0x%llx", (long long)unmap.iova);
		}
		if (!usable)
			continue;
		ASSERT_EQ(0, ioctl(self->container, VFIO_IOMMU_UNMAP_DMA,
				   &unmap));
	}
	munmap(va, page);
}

TEST_HARNESS_MAIN
