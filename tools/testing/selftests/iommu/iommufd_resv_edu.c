// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reserved IOVA regions of real devices under iommufd.
 *
 * The device is QEMU's edu, see vfio_edu.h. The same tests run behind every
 * IOMMU. What a region is decides what a test does with it, so most need to
 * know nothing of the machine:
 *
 *   window     the software MSI window, where the IOMMU translates MSIs (Arm
 *              SMMUs). User space can move it.
 *   enforced   a region that nothing can be mapped over while the device is
 *              attached
 *   advisory   a region that is only told: PCI bridge windows, for example
 *   aperture   IOVAs that the IOMMU can translate for the device
 *   usable     the aperture without the enforced regions
 *
 * All bounds are inclusive. A test that finds no region of the kind it is about
 * is skipped. A test that fails without a certain patch names it:
 *   [finalise]   iommu/virtio: Set up a domain when it is allocated
 *
 * Environment:
 *   RESV_GIVEN   regions that the machine was given and the device must report,
 *                start-last=type,... with the type as a number of
 *                enum iommu_resv_region_type
 *   RESV_BDF     the PCI function to use instead of an edu. It need not have an
 *                interrupt.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "vfio_edu.h"

#define MiB 0x100000ULL
#define MAX_REGIONS 64

/* Where Arm SMMUs have the window if nobody moves it */
#define SW_MSI_START 0x8000000ULL
#define SW_MSI_LAST 0x80fffffULL
/* Where these tests move it: no machine here has a region there */
#define MOVED_START 0x6000000ULL
#define MOVED_HIGH 0x140000000ULL

/* An ID that no object has */
#define NO_ID 0xfffffff0

#define ASSERT_IRQ(_dev) ASSERT_EQ(1, edu_raise(_dev, EDU_TIMEOUT_MS))

static struct edu_func funcs[EDU_MAX_FUNCS];
static int num_funcs;

/*
 * The ioctls. All return 0 or a negative errno.
 */
struct regions {
	struct iommu_resv_region_info info[MAX_REGIONS];
	__u32 num;
	__u32 group_id;
	bool aperture_known;
	__u64 start;
	__u64 last;
};

static int get_regions(int iommufd, __u32 dev_id, struct regions *regions)
{
	struct iommu_device_resv_regions cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.num_regions = MAX_REGIONS,
		.entry_size = sizeof(regions->info[0]),
		.regions = (uintptr_t)regions->info,
	};

	if (ioctl(iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd))
		return -errno;
	regions->num = cmd.num_regions;
	regions->group_id = cmd.out_group_id;
	regions->aperture_known = cmd.out_flags & IOMMU_DEVICE_APERTURE_KNOWN;
	regions->start = cmd.out_aperture_start;
	regions->last = cmd.out_aperture_last;
	return 0;
}

struct ranges {
	struct iommu_iova_range iova[MAX_REGIONS];
	__u32 num;
	__u64 alignment;
};

static int get_device_ranges(int iommufd, __u32 dev_id, struct ranges *ranges)
{
	struct iommu_device_iova_ranges cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.num_iovas = MAX_REGIONS,
		.allowed_iovas = (uintptr_t)ranges->iova,
	};

	if (ioctl(iommufd, IOMMU_DEVICE_IOVA_RANGES, &cmd))
		return -errno;
	ranges->num = cmd.num_iovas;
	ranges->alignment = cmd.out_iova_alignment;
	return 0;
}

static int get_ioas_ranges(int iommufd, __u32 ioas_id, struct ranges *ranges)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_id,
		.num_iovas = MAX_REGIONS,
		.allowed_iovas = (uintptr_t)ranges->iova,
	};

	if (ioctl(iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd))
		return -errno;
	ranges->num = cmd.num_iovas;
	ranges->alignment = cmd.out_iova_alignment;
	return 0;
}

static int allow_iovas(int iommufd, __u32 ioas_id, __u64 start, __u64 last)
{
	struct iommu_iova_range range = { .start = start, .last = last };
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_id,
		.num_iovas = 1,
		.allowed_iovas = (uintptr_t)&range,
	};

	return ioctl(iommufd, IOMMU_IOAS_ALLOW_IOVAS, &cmd) ? -errno : 0;
}

static int set_holes(int iommufd, __u32 ioas_id,
		     const struct iommu_iova_range *holes, __u32 num)
{
	struct iommu_ioas_set_holes cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_id,
		.num_iovas = num,
		.holes = (uintptr_t)holes,
	};

	return ioctl(iommufd, IOMMU_IOAS_SET_HOLES, &cmd) ? -errno : 0;
}

/* A dry run and its answer, room for more than there can be here */
struct check {
	struct iommu_ioas_check cmd;
	struct iommu_iova_conflict list[64];
	__u32 num;
};

static int check_plan(int iommufd, __u32 pt_id, __u32 dev_id,
		      const struct iommu_iova_range *ranges, __u32 num,
		      struct check *check)
{
	memset(check, 0, sizeof(*check));
	check->cmd = (struct iommu_ioas_check){
		.size = sizeof(check->cmd),
		.pt_id = pt_id,
		.dev_id = dev_id,
		.num_ranges = num,
		.ranges = (uintptr_t)ranges,
		.num_conflicts = ARRAY_SIZE(check->list),
		.conflicts = (uintptr_t)check->list,
		.entry_size = sizeof(check->list[0]),
	};
	if (ioctl(iommufd, IOMMU_IOAS_CHECK, &check->cmd))
		return -errno;
	check->num = check->cmd.num_conflicts;
	return 0;
}

static int check_device(int iommufd, __u32 pt_id, __u32 dev_id,
			struct check *check)
{
	return check_plan(iommufd, pt_id, dev_id, NULL, 0, check);
}

static int check_map(int iommufd, __u32 pt_id, __u64 iova, __u64 length,
		     struct check *check)
{
	struct iommu_iova_range range = { iova, iova + (length - 1) };

	return check_plan(iommufd, pt_id, 0, &range, 1, check);
}

#define NO_CONFLICT 0

/* The kind of the first conflict */
static __u32 check_kind(const struct check *check)
{
	return check->num ? check->list[0].kind : NO_CONFLICT;
}

static int msi_window(int iommufd, struct iommu_msi_window *cmd)
{
	cmd->size = sizeof(*cmd);
	return ioctl(iommufd, IOMMU_MSI_WINDOW, cmd) ? -errno : 0;
}

static int set_window(int iommufd, __u32 dev_id, __u64 start, __u64 length)
{
	struct iommu_msi_window cmd = {
		.op = IOMMU_MSI_WINDOW_OP_SET,
		.dev_id = dev_id,
		.start = start,
		.length = length,
	};

	return msi_window(iommufd, &cmd);
}

static int reset_window(int iommufd, __u32 dev_id)
{
	struct iommu_msi_window cmd = {
		.op = IOMMU_MSI_WINDOW_OP_RESET,
		.dev_id = dev_id,
	};

	return msi_window(iommufd, &cmd);
}

/* Is this the window of a device, or the default of the fd? */
static bool window_is(int iommufd, __u32 dev_id, __u32 state, __u64 start,
		      __u64 mib)
{
	struct iommu_msi_window cmd = { .dev_id = dev_id };

	if (msi_window(iommufd, &cmd))
		return false;
	if (cmd.start == start && cmd.length == mib * MiB &&
	    cmd.out_state == state)
		return true;
	ksft_print_msg("the window is at %#llx, %llu bytes, state %u\n",
		       (unsigned long long)cmd.start,
		       (unsigned long long)cmd.length, cmd.out_state);
	return false;
}

/*
 * What is in the lists
 */
static bool type_is_enforced(__u32 type)
{
	return type == IOMMU_RESV_REGION_DIRECT ||
	       type == IOMMU_RESV_REGION_RESERVED ||
	       type == IOMMU_RESV_REGION_HW_MSI ||
	       type == IOMMU_RESV_REGION_SW_MSI;
}

static bool is_enforced(const struct iommu_resv_region_info *info)
{
	return info->flags & IOMMU_RESV_REGION_ENFORCED;
}

static const struct iommu_resv_region_info *find_type(const struct regions *r,
						      __u32 type)
{
	__u32 i;

	for (i = 0; i != r->num; i++)
		if (r->info[i].type == type)
			return &r->info[i];
	return NULL;
}

static const struct iommu_resv_region_info *
find_region(const struct regions *r, __u64 start, __u64 last, __u32 type)
{
	__u32 i;

	for (i = 0; i != r->num; i++)
		if (r->info[i].start == start && r->info[i].last == last &&
		    r->info[i].type == type)
			return &r->info[i];
	return NULL;
}

static unsigned int count_type(const struct regions *r, __u32 type)
{
	unsigned int num = 0;
	__u32 i;

	for (i = 0; i != r->num; i++)
		num += r->info[i].type == type;
	return num;
}

/* Can it be mapped, as far as the device is concerned? */
static bool is_usable(const struct regions *r, __u64 start, __u64 last)
{
	__u32 i;

	if (start < r->start || last > r->last)
		return false;
	for (i = 0; i != r->num; i++)
		if (is_enforced(&r->info[i]) && start <= r->info[i].last &&
		    last >= r->info[i].start)
			return false;
	return true;
}

/*
 * The enforced region that tests try to map over: within the aperture, so that
 * nothing but the region is in the way.
 */
static const struct iommu_resv_region_info *
find_enforced(const struct regions *r)
{
	__u32 i;

	for (i = 0; i != r->num; i++)
		if (is_enforced(&r->info[i]) && r->info[i].start >= r->start &&
		    r->info[i].last <= r->last)
			return &r->info[i];
	return NULL;
}

/* The dry run names this conflict and no other */
/* The first conflict is this one */
static bool conflict_is(const struct check *check, __u32 kind, __u64 start,
			__u64 last, __u32 type, __u32 dev_id)
{
	const struct iommu_iova_conflict *first = &check->list[0];

	if (!check->num)
		return kind == NO_CONFLICT;
	if (first->kind == kind && first->start == start &&
	    first->last == last && first->region_type == type &&
	    first->dev_id == dev_id)
		return true;
	ksft_print_msg("conflict %u, %#llx-%#llx, type %u, device %u of %u\n",
		       first->kind, (unsigned long long)first->start,
		       (unsigned long long)first->last, first->region_type,
		       first->dev_id, first->group_id);
	return false;
}

static bool device_fits(int iommufd, __u32 ioas_id, __u32 dev_id)
{
	struct check check;

	return !check_device(iommufd, ioas_id, dev_id, &check) &&
	       conflict_is(&check, NO_CONFLICT, 0, 0,
			   IOMMU_RESV_REGION_NONE, 0);
}

static const char *const type_names[] = {
	[IOMMU_RESV_REGION_DIRECT] = "direct",
	[IOMMU_RESV_REGION_DIRECT_RELAXABLE] = "direct-relaxable",
	[IOMMU_RESV_REGION_RESERVED] = "reserved",
	[IOMMU_RESV_REGION_HW_MSI] = "msi",
	[IOMMU_RESV_REGION_SW_MSI] = "sw-msi",
	[IOMMU_RESV_REGION_BRIDGE_WINDOW] = "bridge-window",
	[IOMMU_RESV_REGION_NO_DMA] = "no-dma",
};

static void print_regions(const struct regions *r)
{
	__u32 i;

	for (i = 0; i != r->num; i++) {
		const struct iommu_resv_region_info *info = &r->info[i];

		ksft_print_msg("0x%016llx-0x%016llx %s%s%s\n",
			       (unsigned long long)info->start,
			       (unsigned long long)info->last,
			       info->type < ARRAY_SIZE(type_names) ?
				       type_names[info->type] :
				       "(unknown)",
			       is_enforced(info) ? ", enforced" : "",
			       info->flags & IOMMU_RESV_REGION_CHOSEN ?
				       ", chosen" :
				       "");
	}
	ksft_print_msg("0x%016llx-0x%016llx aperture%s\n",
		       (unsigned long long)r->start,
		       (unsigned long long)r->last,
		       r->aperture_known ? "" : ", not known");
}

/*
 * The address that the device writes its MSI to. From sysfs: what VFIO shows of
 * this register is what user space has written there.
 */
static int read_msi_address(const struct edu_func *func, __u64 *addr)
{
	__u8 cfg[256];
	char path[128];
	__u32 lo, hi = 0;
	int pos, n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config",
		 func->bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, cfg, sizeof(cfg));
	close(fd);
	if (n != sizeof(cfg))
		return -EIO;
	pos = cfg[PCI_CAPABILITY_LIST] & ~3;
	for (n = 0; pos && n != 48; n++) {
		if (cfg[pos] == PCI_CAP_ID_MSI)
			break;
		pos = cfg[pos + 1] & ~3;
	}
	if (!pos || cfg[pos] != PCI_CAP_ID_MSI ||
	    pos + PCI_MSI_ADDRESS_HI + 4 > sizeof(cfg))
		return -ENOENT;
	memcpy(&lo, cfg + pos + PCI_MSI_ADDRESS_LO, sizeof(lo));
	if (cfg[pos + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_64BIT)
		memcpy(&hi, cfg + pos + PCI_MSI_ADDRESS_HI, sizeof(hi));
	*addr = (__u64)hi << 32 | lo;
	return 0;
}

static bool msi_is_in(const struct edu_dev *dev, __u64 start, __u64 last)
{
	__u64 addr = 0;
	int rc = read_msi_address(dev->func, &addr);

	if (!rc && addr >= start && addr <= last)
		return true;
	ksft_print_msg("the MSI address is %#llx, %s\n",
		       (unsigned long long)addr, strerror(-rc));
	return false;
}

/* Does the attribute of the group have this line? Or -errno */
static int sysfs_has(int group, __u64 start, __u64 last, const char *word)
{
	unsigned long long s, l;
	char type[32];
	char path[64];
	int rc = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/iova_regions",
		 group);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	while (fscanf(f, "%llx %llx %31s%*[^\n]", &s, &l, type) == 3)
		if (s == start && l == last && !strcmp(type, word))
			rc = 1;
	fclose(f);
	return rc;
}

static int read_group(const char *bdf)
{
	char path[128], link[256];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.16s/iommu_group",
		 bdf);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return -errno;
	link[len] = 0;
	return atoi(strrchr(link, '/') + 1);
}

static const struct edu_func *find_single(void)
{
	int i;
	int j;

	for (i = 0; i != num_funcs; i++) {
		for (j = 0; j != num_funcs; j++)
			if (i != j && funcs[i].group == funcs[j].group)
				break;
		if (j == num_funcs)
			return &funcs[i];
	}
	return NULL;
}

/* The device for most tests, alone in its group */
static const struct edu_func *find_device(void)
{
	static struct edu_func other;
	const char *bdf = getenv("RESV_BDF");

	if (!bdf) {
		num_funcs = edu_claim(funcs, EDU_MAX_FUNCS);
		return find_single();
	}
	snprintf(other.bdf, sizeof(other.bdf), "%s", bdf);
	if (edu_bind_driver(&other))
		return NULL;
	other.group = read_group(bdf);
	return other.group < 0 ? NULL : &other;
}

/*
 * One device, bound and not attached, two address spaces, and memory to map:
 * 2 MiB, one page of it or more.
 */
#define BUF_SIZE (2 * MiB)

FIXTURE(resv)
{
	int iommufd;
	struct edu_dev dev;
	__u32 ioas[2];
	struct regions regions;
	/* The software window; NULL: there is none */
	const struct iommu_resv_region_info *window;
	void *buf;
	size_t page;
};

FIXTURE_SETUP(resv)
{
	const struct edu_func *func;
	int rc;
	int i;

	self->iommufd = -1;
	edu_init(&self->dev);
	self->buf = MAP_FAILED;
	self->page = sysconf(_SC_PAGESIZE);

	func = find_device();
	if (!func)
		SKIP(return, "no edu device (1234:11e8) with its own group");

	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	rc = get_regions(self->iommufd, self->dev.dev_id, &self->regions);
	if (rc == -ENOTTY && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "this kernel does not tell reserved regions");
	ASSERT_EQ(0, rc);
	self->window = find_type(&self->regions, IOMMU_RESV_REGION_SW_MSI);
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->ioas[i]));
	self->buf = mmap(NULL, BUF_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->buf);
}

FIXTURE_TEARDOWN(resv)
{
	edu_close(&self->dev);
	if (self->iommufd >= 0)
		close(self->iommufd);
	if (self->buf != MAP_FAILED)
		munmap(self->buf, BUF_SIZE);
}

/* Machines without an MSI controller have no interrupt to test */
static bool has_irq(struct edu_dev *dev)
{
	return !edu_irq_on(dev);
}

/* The list itself, before attach, and the same after it */
TEST_F(resv, regions)
{
	struct regions *r = &self->regions;
	struct regions again = {};
	__u32 i;

	print_regions(r);
	ASSERT_TRUE(r->aperture_known);
	ASSERT_LT(r->start, r->last);
	for (i = 0; i != r->num; i++) {
		const struct iommu_resv_region_info *info = &r->info[i];

		ASSERT_LE(info->start, info->last);
		ASSERT_EQ(type_is_enforced(info->type), is_enforced(info));
		ASSERT_EQ(0, info->flags & IOMMU_RESV_REGION_CHOSEN);
		ASSERT_EQ(0, info->__reserved);
		if (!i)
			continue;
		ASSERT_LE(info[-1].start, info->start);
		if (info[-1].start == info->start)
			ASSERT_LE(info[-1].type, info->type);
	}

	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, get_regions(self->iommufd, self->dev.dev_id, &again));
	ASSERT_EQ(0, memcmp(r, &again, sizeof(again)));
	ASSERT_EQ(0, edu_detach(&self->dev));
	ASSERT_EQ(0, get_regions(self->iommufd, self->dev.dev_id, &again));
	ASSERT_EQ(0, memcmp(r, &again, sizeof(again)));
}

/* What each IOMMU is known to have */
TEST_F(resv, known_regions)
{
	const struct regions *r = &self->regions;

	if (self->dev.func->has_window) {
		ASSERT_NE(NULL, self->window);
		ASSERT_EQ(SW_MSI_START, self->window->start);
		ASSERT_EQ(SW_MSI_LAST, self->window->last);
		ASSERT_EQ(IOMMU_RESV_REGION_WRITE,
			  self->window->prot & (IOMMU_RESV_REGION_READ |
						IOMMU_RESV_REGION_WRITE));
		ASSERT_NE(0, self->window->prot & IOMMU_RESV_REGION_NOEXEC);
		ASSERT_NE(0, self->window->prot & IOMMU_RESV_REGION_MMIO);
	} else {
		ASSERT_EQ(NULL, self->window);
	}
#if defined(__x86_64__)
	ASSERT_NE(NULL, find_region(r, 0xfee00000, 0xfeefffff,
				    IOMMU_RESV_REGION_HW_MSI));
	if (!access("/sys/class/iommu/dmar0", F_OK)) {
		/* QEMU's VT-d has 39 or 48 bits */
		ASSERT_EQ(0, r->start);
		ASSERT_TRUE(r->last == (1ULL << 39) - 1 ||
			    r->last == (1ULL << 48) - 1);
	} else {
		/* AMD: what HyperTransport has for itself */
		ASSERT_NE(NULL, find_region(r, 0xfd00000000, 0xffffffffff,
					    IOMMU_RESV_REGION_RESERVED));
	}
#else
	ASSERT_LE(0xffffffff, r->last);
#endif
}

/* What the machine was given, and nothing else of the same types */
TEST_F(resv, given_regions)
{
	const char *given = getenv("RESV_GIVEN");
	unsigned int num[ARRAY_SIZE(type_names)] = {};
	unsigned long long start, last;
	unsigned int type;
	int len;

	if (!given)
		SKIP(return, "RESV_GIVEN names no regions");
	while (sscanf(given, "%llx-%llx=%u%n", &start, &last, &type, &len) ==
	       3) {
		const struct iommu_resv_region_info *info;

		info = find_region(&self->regions, start, last, type);
		ASSERT_NE(NULL, info)
		{
			print_regions(&self->regions);
			TH_LOG("no region %llx-%llx of type %u", start, last,
			       type);
		}
		ASSERT_EQ(type_is_enforced(type), is_enforced(info));
		num[type]++;
		given += len;
		if (*given != ',')
			break;
		given++;
	}
	ASSERT_EQ(0, *given);
	for (type = 0; type != ARRAY_SIZE(num); type++)
		if (num[type])
			ASSERT_EQ(num[type],
				  count_type(&self->regions, type))
			{
				print_regions(&self->regions);
			}
}

/* Room for some, for none, entries of another size */
TEST_F(resv, regions_room)
{
	struct {
		struct iommu_resv_region_info info;
		__u64 more;
	} big[MAX_REGIONS];
	struct iommu_resv_region_info one[2];
	struct iommu_device_resv_regions cmd = {
		.size = sizeof(cmd),
		.dev_id = self->dev.dev_id,
		.entry_size = sizeof(one[0]),
	};
	__u32 num = self->regions.num;
	__u32 i;

	if (num < 2)
		SKIP(return, "less than two regions");
	ASSERT_EQ(-1, ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd));
	ASSERT_EQ(EMSGSIZE, errno);
	ASSERT_EQ(num, cmd.num_regions);
	ASSERT_EQ(self->regions.last, cmd.out_aperture_last);

	memset(one, 0xa5, sizeof(one));
	cmd.num_regions = 1;
	cmd.regions = (uintptr_t)one;
	ASSERT_EQ(-1, ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd));
	ASSERT_EQ(EMSGSIZE, errno);
	ASSERT_EQ(num, cmd.num_regions);
	ASSERT_EQ(0, memcmp(one, self->regions.info, sizeof(one[0])));
	ASSERT_EQ(0xa5, *(__u8 *)&one[1]);

	/* As a program made for a later kernel would ask */
	memset(big, 0xa5, sizeof(big));
	cmd.num_regions = MAX_REGIONS;
	cmd.entry_size = sizeof(big[0]);
	cmd.regions = (uintptr_t)big;
	ASSERT_EQ(0, ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd));
	ASSERT_EQ(num, cmd.num_regions);
	for (i = 0; i != num; i++) {
		ASSERT_EQ(0, memcmp(&big[i].info, &self->regions.info[i],
				    sizeof(big[i].info)));
		ASSERT_EQ(0, big[i].more);
	}
}

/* The aperture without the enforced regions, and what attach leaves */
TEST_F(resv, usable_ranges)
{
	struct regions *r = &self->regions;
	struct ranges device = {};
	struct ranges ioas = {};
	__u64 next = r->start;
	__u32 i;

	ASSERT_EQ(0,
		  get_device_ranges(self->iommufd, self->dev.dev_id, &device));
	ASSERT_NE(0, device.num);
	ASSERT_NE(0, device.alignment);
	for (i = 0; i != device.num; i++) {
		__u64 start = device.iova[i].start;
		__u64 last = device.iova[i].last;

		ksft_print_msg("0x%016llx-0x%016llx usable\n",
			       (unsigned long long)start,
			       (unsigned long long)last);
		ASSERT_TRUE(is_usable(r, start, last));
		/* What lies between two ranges is not */
		if (start != next) {
			ASSERT_LT(next, start);
			ASSERT_FALSE(is_usable(r, next, next));
			ASSERT_FALSE(is_usable(r, start - 1, start - 1));
		}
		next = last + 1;
	}
	if (next && next - 1 != r->last) {
		ASSERT_FALSE(is_usable(r, next, next));
		ASSERT_FALSE(is_usable(r, r->last, r->last));
	}

	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, get_ioas_ranges(self->iommufd, self->ioas[0], &ioas));
	ASSERT_GE(device.alignment, ioas.alignment);
	ASSERT_EQ(ioas.num, device.num);
	for (i = 0; i != device.num; i++) {
		ASSERT_EQ(ioas.iova[i].start, device.iova[i].start);
		ASSERT_EQ(ioas.iova[i].last, device.iova[i].last);
	}
}

/*
 * The same holds for a replace, and for an HWPT that nobody is attached to
 * yet: its page table takes what fits the device. [finalise]
 */
TEST_F(resv, swap_mapped)
{
	struct ranges device = {};
	struct ranges ioas = {};
	int fd = self->iommufd;
	__u64 iova = MOVED_START;
	__u32 hwpt;
	bool irq;
	__u32 i;

	ASSERT_EQ(0, get_device_ranges(fd, self->dev.dev_id, &device));
	ASSERT_TRUE(is_usable(&self->regions, iova, iova + MiB - 1));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	irq = has_irq(&self->dev);
	ASSERT_EQ(0, edu_map(fd, self->ioas[1], self->buf, MiB, iova));
	ASSERT_TRUE(device_fits(fd, self->ioas[1], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[1]));
	if (irq)
		ASSERT_IRQ(&self->dev);

	ASSERT_EQ(0, edu_hwpt_alloc(fd, self->dev.dev_id, self->ioas[0],
				    &hwpt));
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, MiB, iova));
	ASSERT_EQ(0, edu_attach(&self->dev, hwpt));
	if (irq)
		ASSERT_IRQ(&self->dev);
	ASSERT_EQ(0, get_ioas_ranges(fd, self->ioas[0], &ioas));
	ASSERT_EQ(device.num, ioas.num);
	for (i = 0; i != device.num; i++) {
		ASSERT_EQ(device.iova[i].start, ioas.iova[i].start);
		ASSERT_EQ(device.iova[i].last, ioas.iova[i].last);
	}
}

TEST_F(resv, errors)
{
	struct iommu_device_resv_regions regions = {
		.size = sizeof(regions),
		.entry_size = sizeof(struct iommu_resv_region_info),
	};
	struct iommu_device_iova_ranges ranges = { .size = sizeof(ranges) };
	struct check check;

	regions.dev_id = NO_ID;
	ASSERT_EQ(-1,
		  ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &regions));
	ASSERT_EQ(ENOENT, errno);
	/* An object, but not a device */
	regions.dev_id = self->ioas[0];
	ASSERT_EQ(-1,
		  ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &regions));
	ASSERT_EQ(ENOENT, errno);
	regions.dev_id = self->dev.dev_id;
	regions.flags = 1;
	ASSERT_EQ(-1,
		  ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &regions));
	ASSERT_EQ(EOPNOTSUPP, errno);
	regions.flags = 0;
	regions.entry_size = 24;
	ASSERT_EQ(-1,
		  ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &regions));
	ASSERT_EQ(EINVAL, errno);
	regions.entry_size = 8192;
	ASSERT_EQ(-1,
		  ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &regions));
	ASSERT_EQ(EINVAL, errno);

	ranges.dev_id = NO_ID;
	ASSERT_EQ(-1, ioctl(self->iommufd, IOMMU_DEVICE_IOVA_RANGES, &ranges));
	ASSERT_EQ(ENOENT, errno);
	ranges.dev_id = self->dev.dev_id;
	ASSERT_EQ(-1, ioctl(self->iommufd, IOMMU_DEVICE_IOVA_RANGES, &ranges));
	ASSERT_EQ(EMSGSIZE, errno);
	ASSERT_NE(0, ranges.num_iovas);

	ASSERT_EQ(-ENOENT,
		  check_device(self->iommufd, NO_ID, self->dev.dev_id, &check));
	ASSERT_EQ(-ENOENT,
		  check_device(self->iommufd, self->ioas[0], NO_ID, &check));
	ASSERT_EQ(-EINVAL,
		  check_map(self->iommufd, self->ioas[0], -4096ULL, 8192,
			    &check));
	ASSERT_EQ(-EOVERFLOW,
		  check_map(self->iommufd, self->ioas[0], 0, 0, &check));
	ASSERT_EQ(-ENOENT, set_holes(self->iommufd, NO_ID, NULL, 0));
}

/* Bridge windows and what dma-ranges leaves out are told, no more */
TEST_F(resv, advisory)
{
	struct regions *r = &self->regions;
	struct check check;
	int windows = 0;
	int mapped = 0;
	__u32 i;

	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	for (i = 0; i != r->num; i++) {
		const struct iommu_resv_region_info *info = &r->info[i];
		__u64 start = (info->start + self->page - 1) &
			      -(__u64)self->page;

		if (info->type != IOMMU_RESV_REGION_BRIDGE_WINDOW &&
		    info->type != IOMMU_RESV_REGION_NO_DMA)
			continue;
		windows++;
		ASSERT_FALSE(is_enforced(info));
		if (!is_usable(r, start, start + self->page - 1) ||
		    start + self->page - 1 > info->last)
			continue;
		ASSERT_EQ(0, check_map(self->iommufd, self->ioas[0], start,
				       self->page, &check));
		ASSERT_EQ(NO_CONFLICT, check_kind(&check));
		ASSERT_EQ(0, edu_map(self->iommufd, self->ioas[0], self->buf,
				     self->page, start));
		ASSERT_EQ(0, edu_unmap(self->iommufd, self->ioas[0], start,
				       self->page));
		mapped++;
	}
	ksft_print_msg("%d advisory regions, mapped over %d\n", windows,
		       mapped);
	ASSERT_NE(0, windows);
	ASSERT_NE(0, mapped);
}

/* The attribute of the group says the same */
TEST_F(resv, sysfs)
{
	int group = self->dev.func->group;
	struct ranges ranges;
	__u32 i;
	int rc;

	rc = sysfs_has(group, 0, 0, "");
	if (rc == -ENOENT && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "no iova_regions in sysfs");
	ASSERT_EQ(0, rc);
	for (i = 0; i != self->regions.num; i++) {
		struct iommu_resv_region_info *info = &self->regions.info[i];

		ASSERT_GT(ARRAY_SIZE(type_names), info->type);
		EXPECT_EQ(1, sysfs_has(group, info->start, info->last,
				       type_names[info->type]));
	}
	EXPECT_EQ(1, sysfs_has(group, self->regions.start, self->regions.last,
			       "aperture"));
	ASSERT_EQ(0,
		  get_device_ranges(self->iommufd, self->dev.dev_id, &ranges));
	for (i = 0; i != ranges.num; i++)
		EXPECT_EQ(1, sysfs_has(group, ranges.iova[i].start,
				       ranges.iova[i].last, "usable"));
}

/* A mapping is where the device has a region */
TEST_F(resv, check_device_mapped)
{
	const struct iommu_resv_region_info *resv =
		find_enforced(&self->regions);
	struct check check;
	int fd = self->iommufd;

	if (!resv)
		SKIP(return, "no enforced region in the aperture");
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));

	/* The second page of the region, and beyond it a page that is fine */
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, self->page,
			     resv->start + self->page));
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, self->page,
			     resv->last + 1));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_MAPPED,
				resv->start + self->page,
				resv->start + 2 * self->page - 1, resv->type,
				self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));

	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], resv->start + self->page,
			       self->page));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
}

/* A region would narrow what IOMMU_IOAS_ALLOW_IOVAS has promised */
TEST_F(resv, check_device_allowed)
{
	const struct iommu_resv_region_info *resv =
		find_enforced(&self->regions);
	struct check check;
	int fd = self->iommufd;

	if (!resv)
		SKIP(return, "no enforced region in the aperture");
	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], resv->start,
				 resv->start + 2 * self->page - 1));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_ALLOWED,
				resv->start, resv->start + 2 * self->page - 1,
				resv->type, self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));

	/* The promise was about something else: attach leaves it alone */
	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], resv->last + 1,
				 resv->last + self->page));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
}

/* The IOMMU cannot translate what is mapped, or promised */
TEST_F(resv, check_device_aperture)
{
	__u64 beyond = self->regions.last + 1;
	struct check check;
	int fd = self->iommufd;

	if (!beyond || beyond + self->page > ~0UL - self->page)
		SKIP(return, "the aperture is everything there is");
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, self->page, beyond));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_APERTURE, beyond,
				beyond + self->page - 1, IOMMU_RESV_REGION_NONE,
				self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], beyond, self->page));

	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], beyond - self->page,
				 beyond + self->page - 1));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_ALLOWED, beyond,
				beyond + self->page - 1, IOMMU_RESV_REGION_NONE,
				self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));

	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], beyond - self->page,
				 beyond - 1));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, check_map(fd, self->ioas[0], beyond, self->page, &check));
	ASSERT_EQ(IOMMU_IOVA_CONFLICT_APERTURE, check_kind(&check));
	ASSERT_EQ(beyond, check.list[0].start);
	ASSERT_GT(0, edu_map(fd, self->ioas[0], self->buf, self->page, beyond));
}

/* A memory map is held against a device before any of it is mapped */
TEST_F(resv, check_plan)
{
	const struct iommu_resv_region_info *resv = NULL;
	__u64 beyond = self->regions.last + 1;
	struct iommu_iova_range plan[3] = {};
	int fd = self->iommufd;
	struct check check;
	__u32 num = 0, hwpt;
	__u32 i;

	ASSERT_EQ((__u32)self->dev.func->group, self->regions.group_id);
	for (i = 0; i != self->regions.num && !resv; i++)
		if (is_enforced(&self->regions.info[i]))
			resv = &self->regions.info[i];
	if (!resv)
		SKIP(return, "no enforced region");

	plan[num++] = (struct iommu_iova_range){ 64 * MiB, 65 * MiB - 1 };
	ASSERT_EQ(0, check_plan(fd, self->ioas[0], self->dev.dev_id, plan, num,
				&check));
	ASSERT_EQ(0, check.num);
	plan[num++] = (struct iommu_iova_range){
		resv->start & -(__u64)self->page,
		(resv->start & -(__u64)self->page) + self->page - 1,
	};
	if (beyond)
		plan[num++] = (struct iommu_iova_range){
			beyond - self->page,
			beyond + self->page - 1,
		};
	ASSERT_EQ(0, check_plan(fd, self->ioas[0], self->dev.dev_id, plan, num,
				&check));
	ASSERT_LE(num - 1, check.num);
	for (i = 0; i != check.num; i++) {
		const struct iommu_iova_conflict *c = &check.list[i];

		ASSERT_EQ(self->dev.dev_id, c->dev_id);
		ASSERT_EQ((__u32)self->dev.func->group, c->group_id);
		ASSERT_NE(0, c->range_index);
		ASSERT_EQ(c->range_index == 1 ? IOMMU_IOVA_CONFLICT_RESERVED :
						IOMMU_IOVA_CONFLICT_APERTURE,
			  c->kind);
	}

	/* Against a HWPT the same map runs into the end of the HWPT */
	ASSERT_EQ(0, edu_hwpt_alloc(fd, self->dev.dev_id, self->ioas[0],
				    &hwpt));
	ASSERT_EQ(0, check_plan(fd, hwpt, self->dev.dev_id, plan, num, &check));
	ASSERT_LE(num - 1, check.num);
	ASSERT_EQ(0, check_plan(fd, hwpt, self->dev.dev_id, plan, 1, &check));
	ASSERT_EQ(0, check.num);

	/* It is as it was told */
	ASSERT_EQ(0, edu_attach(&self->dev, hwpt));
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, MiB, 64 * MiB));
	for (i = 1; i != num; i++)
		ASSERT_GT(0, edu_map(fd, self->ioas[0], self->buf,
				     plan[i].last - plan[i].start + 1,
				     plan[i].start));
}

/* What is mapped already has to be a multiple of the page of the IOMMU */
TEST_F(resv, check_page_size)
{
	int fd = self->iommufd;
	struct check check;

	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, self->page - 1,
			     64 * MiB));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_EQ(1, check.num);
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_ALIGNMENT, 64 * MiB,
				64 * MiB + self->page - 2,
				IOMMU_RESV_REGION_NONE, self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], 64 * MiB, self->page - 1));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
}

/* Which region of which device refuses a map */
TEST_F(resv, check_map)
{
	const struct iommu_resv_region_info *resv =
		find_enforced(&self->regions);
	struct check check;
	int fd = self->iommufd;
	__u64 iova;

	if (!resv)
		SKIP(return, "no enforced region in the aperture");
	/* The last page of the region and one more */
	iova = resv->last + 1 - self->page;
	ASSERT_EQ(0,
		  check_map(fd, self->ioas[0], iova, 2 * self->page, &check));
	ASSERT_EQ(NO_CONFLICT, check_kind(&check));

	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0,
		  check_map(fd, self->ioas[0], iova, 2 * self->page, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_RESERVED, iova,
				resv->last, resv->type, self->dev.dev_id));
	ASSERT_EQ(-EINVAL,
		  edu_map(fd, self->ioas[0], self->buf, 2 * self->page, iova));

	iova = resv->last + 1;
	ASSERT_EQ(0, check_map(fd, self->ioas[0], iova, self->page, &check));
	ASSERT_TRUE(conflict_is(&check, NO_CONFLICT, 0, 0,
				IOMMU_RESV_REGION_NONE, 0));
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, self->page, iova));
	ASSERT_EQ(0,
		  check_map(fd, self->ioas[0], iova, 2 * self->page, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_MAPPED, iova,
				iova + self->page - 1, IOMMU_RESV_REGION_NONE,
				0));
	ASSERT_EQ(-EEXIST,
		  edu_map(fd, self->ioas[0], self->buf, 2 * self->page, iova));

	ASSERT_EQ(0, check_map(fd, self->ioas[0], iova + 2 * self->page + 1,
			       self->page, &check));
	ASSERT_EQ(IOMMU_IOVA_CONFLICT_ALIGNMENT, check_kind(&check));
	ASSERT_EQ(-EINVAL, edu_map(fd, self->ioas[0], self->buf, self->page,
				   iova + 2 * self->page + 1));

	/* Not attached to the other IOAS: nothing is known of the device */
	ASSERT_EQ(0, check_map(fd, self->ioas[1], resv->start, self->page,
			       &check));
	ASSERT_EQ(NO_CONFLICT, check_kind(&check));
}

/* Room for a device that comes later */
TEST_F(resv, holes)
{
	struct iommu_iova_range holes[MAX_REGIONS];
	struct check check;
	struct ranges before = {};
	struct ranges after = {};
	int fd = self->iommufd;
	__u32 num = 0;
	__u32 i;

	/* What a VMM does: it keeps free all that the device may not use */
	for (i = 0; i != self->regions.num; i++) {
		const struct iommu_resv_region_info *info =
			&self->regions.info[i];

		if (!is_enforced(info) || info->last == ~0ULL)
			continue;
		/* They may overlap, holes may not */
		if (num && holes[num - 1].last >= info->start) {
			if (info->last > holes[num - 1].last)
				holes[num - 1].last = info->last;
			continue;
		}
		holes[num].start = info->start;
		holes[num++].last = info->last;
	}
	if (!num)
		SKIP(return, "the device has no enforced region");
	ASSERT_EQ(0, set_holes(fd, self->ioas[0], holes, num));

	ASSERT_EQ(0, get_ioas_ranges(fd, self->ioas[0], &before));
	for (i = 0; i != num; i++) {
		__u32 j;

		for (j = 0; j != before.num; j++)
			ASSERT_TRUE(before.iova[j].last < holes[i].start ||
				    before.iova[j].start > holes[i].last);
	}
	ASSERT_EQ(0, check_map(fd, self->ioas[0], holes[0].start, self->page,
			       &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_HOLE,
				holes[0].start, holes[0].start + self->page - 1,
				IOMMU_RESV_REGION_NONE, 0));
	ASSERT_GT(0, edu_map(fd, self->ioas[0], self->buf, self->page,
			     holes[0].start));

	/* The promise stands beside the holes: the device takes nothing */
	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], holes[0].last + 1,
				 holes[0].last + BUF_SIZE));
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, BUF_SIZE,
			     holes[0].last + 1));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	if (has_irq(&self->dev))
		ASSERT_IRQ(&self->dev);
	ASSERT_EQ(0, get_ioas_ranges(fd, self->ioas[0], &after));
	for (i = 0; i != after.num; i++)
		ASSERT_TRUE(is_usable(&self->regions, after.iova[i].start,
				      after.iova[i].last));

	/* Without the holes the region of the device still stands */
	ASSERT_EQ(0, set_holes(fd, self->ioas[0], NULL, 0));
	ASSERT_GT(0, edu_map(fd, self->ioas[0], self->buf, self->page,
			     holes[0].start));
	ASSERT_EQ(0, check_map(fd, self->ioas[0], holes[0].start, self->page,
			       &check));
	if (holes[0].start >= self->regions.start &&
	    holes[0].start <= self->regions.last)
		ASSERT_EQ(IOMMU_IOVA_CONFLICT_RESERVED, check_kind(&check));
	if (has_irq(&self->dev))
		ASSERT_IRQ(&self->dev);
}

TEST_F(resv, holes_errors)
{
	struct iommu_iova_range holes[2] = {
		{ .start = 64 * MiB, .last = 65 * MiB - 1 },
		{ .start = 66 * MiB, .last = 67 * MiB - 1 },
	};
	struct iommu_iova_range other = { .start = 32 * MiB,
					  .last = 33 * MiB - 1 };
	int fd = self->iommufd;

	ASSERT_EQ(0, set_holes(fd, self->ioas[0], &other, 1));
	/* Each failure leaves the set as it was */
	holes[1].last = holes[1].start - 1;
	ASSERT_EQ(-EINVAL, set_holes(fd, self->ioas[0], holes, 2));
	holes[1].start = 66 * MiB;
	holes[1].last = 67 * MiB - 1;
	ASSERT_EQ(0,
		  edu_map(fd, self->ioas[0], self->buf, self->page, 66 * MiB));
	ASSERT_EQ(-EADDRINUSE, set_holes(fd, self->ioas[0], holes, 2));
	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], 66 * MiB, self->page));
	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], 66 * MiB,
				 66 * MiB + self->page - 1));
	ASSERT_EQ(-EADDRINUSE, set_holes(fd, self->ioas[0], holes, 2));

	ASSERT_EQ(0,
		  edu_map(fd, self->ioas[0], self->buf, self->page, 66 * MiB));
	ASSERT_GT(0,
		  edu_map(fd, self->ioas[0], self->buf, self->page, 32 * MiB));
	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], 66 * MiB, self->page));

	/* A new set replaces the old one */
	ASSERT_EQ(0, set_holes(fd, self->ioas[0], holes, 1));
	ASSERT_GT(0,
		  edu_map(fd, self->ioas[0], self->buf, self->page, 64 * MiB));
	ASSERT_GT(0, allow_iovas(fd, self->ioas[0], 64 * MiB, 65 * MiB - 1));
	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], 32 * MiB, 33 * MiB - 1));
}

/* Devices without a window have none to move */
TEST_F(resv, no_window)
{
	const struct edu_func *func = self->dev.func;
	int rc;

	if (self->window)
		SKIP(return, "this IOMMU has a software MSI window");
	ASSERT_EQ(-ENODEV, set_window(self->iommufd, self->dev.dev_id,
				      MOVED_START, MiB));
	ASSERT_EQ(-ENODEV, reset_window(self->iommufd, self->dev.dev_id));
	ASSERT_TRUE(window_is(self->iommufd, self->dev.dev_id,
			      IOMMU_MSI_WINDOW_NONE, 0, 0));

	/* The default of the fd is not for them */
	edu_close(&self->dev);
	/* A kernel whose irqchips need no window has no default */
	rc = set_window(self->iommufd, 0, MOVED_START, MiB);
	ASSERT_TRUE(!rc || rc == -ENODEV);
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	ASSERT_TRUE(window_is(self->iommufd, self->dev.dev_id,
			      IOMMU_MSI_WINDOW_NONE, 0, 0));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_map(self->iommufd, self->ioas[0], self->buf, MiB,
			     MOVED_START));
	if (has_irq(&self->dev))
		ASSERT_IRQ(&self->dev);
}

/*
 * The window is moved. Everything tells the new one, MSIs go through it,
 * and the old one is like any other IOVA.
 */
static void moved_window(struct __test_metadata *_metadata,
			 FIXTURE_DATA(resv) * self, __u64 start, __u64 mib)
{
	const struct iommu_resv_region_info *window;
	__u64 last = start + mib * MiB - 1;
	struct check check;
	struct regions regions;
	int fd = self->iommufd;
	__u32 hwpt[2];
	int i;

	ASSERT_TRUE(window_is(fd, self->dev.dev_id, IOMMU_MSI_WINDOW_CHOSEN,
			      start, mib));
	ASSERT_EQ(0, get_regions(fd, self->dev.dev_id, &regions));
	window = find_type(&regions, IOMMU_RESV_REGION_SW_MSI);
	ASSERT_NE(NULL, window);
	ASSERT_EQ(start, window->start);
	ASSERT_EQ(last, window->last);
	ASSERT_EQ(IOMMU_RESV_REGION_ENFORCED | IOMMU_RESV_REGION_CHOSEN,
		  window->flags);
	ASSERT_EQ(self->window->prot, window->prot);
	/* No other window is in the list */
	ASSERT_EQ(self->regions.num, regions.num);

	/* The old one is free before attach... */
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_map(fd, self->ioas[i], self->buf,
				     SW_MSI_LAST + 1 - SW_MSI_START,
				     SW_MSI_START));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ(&self->dev);
	ASSERT_TRUE(msi_is_in(&self->dev, start, last));

	/* ...and after it */
	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], SW_MSI_START,
			       SW_MSI_LAST + 1 - SW_MSI_START));
	ASSERT_IRQ(&self->dev);
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf,
			     SW_MSI_LAST + 1 - SW_MSI_START, SW_MSI_START));
	ASSERT_IRQ(&self->dev);

	/* The new one is not */
	ASSERT_EQ(0, check_map(fd, self->ioas[0], last + 1 - self->page,
			       2 * self->page, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_RESERVED,
				last + 1 - self->page, last,
				IOMMU_RESV_REGION_SW_MSI, self->dev.dev_id));
	ASSERT_EQ(-EINVAL,
		  edu_map(fd, self->ioas[0], self->buf, self->page, start));
	ASSERT_EQ(-EINVAL, edu_map(fd, self->ioas[0], self->buf, self->page,
				   last + 1 - self->page));
	ASSERT_EQ(0,
		  edu_map(fd, self->ioas[0], self->buf, self->page, last + 1));

	/* Replace, detach and attach keep it */
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_hwpt_alloc(fd, self->dev.dev_id, self->ioas[i],
					    &hwpt[i]));
	for (i = 0; i != 6; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, i & 2 ? hwpt[i & 1] :
							    self->ioas[i & 1]));
		ASSERT_IRQ(&self->dev);
		if (i < 4)
			continue;
		ASSERT_EQ(0, edu_detach(&self->dev));
		ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[i & 1]));
		ASSERT_IRQ(&self->dev);
	}
	ASSERT_TRUE(msi_is_in(&self->dev, start, last));
}

TEST_F(resv, window_moved)
{
	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_TRUE(window_is(self->iommufd, self->dev.dev_id,
			      IOMMU_MSI_WINDOW_DRIVER, SW_MSI_START, 1));
	ASSERT_EQ(0, set_window(self->iommufd, self->dev.dev_id, MOVED_START,
				MiB));
	moved_window(_metadata, self, MOVED_START, 1);
}

TEST_F(resv, window_moved_high)
{
	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_EQ(0, set_window(self->iommufd, self->dev.dev_id, MOVED_HIGH,
				4 * MiB));
	moved_window(_metadata, self, MOVED_HIGH, 4);
}

/* The default of the fd is for those who are bound later */
TEST_F(resv, window_default)
{
	const struct edu_func *func = self->dev.func;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_TRUE(window_is(self->iommufd, 0, IOMMU_MSI_WINDOW_DRIVER, 0, 0));
	ASSERT_EQ(0, set_window(self->iommufd, 0, MOVED_START, 2 * MiB));
	ASSERT_TRUE(window_is(self->iommufd, 0, IOMMU_MSI_WINDOW_CHOSEN,
			      MOVED_START, 2));
	ASSERT_TRUE(window_is(self->iommufd, self->dev.dev_id,
			      IOMMU_MSI_WINDOW_DRIVER, SW_MSI_START, 1));
	edu_close(&self->dev);
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	moved_window(_metadata, self, MOVED_START, 2);
}

/* A default that does not fit shows at bind */
TEST_F(resv, window_default_bad)
{
	const struct edu_func *func = self->dev.func;
	__u64 beyond = self->regions.last + 1;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	if (!beyond)
		SKIP(return, "the aperture is everything there is");
	edu_close(&self->dev);
	ASSERT_EQ(0, set_window(self->iommufd, 0, beyond, MiB));
	ASSERT_EQ(-EADDRNOTAVAIL,
		  edu_open_bind(&self->dev, func, self->iommufd));
	/* Nothing is left behind: the next try with a better one works */
	ASSERT_EQ(0, set_window(self->iommufd, 0, MOVED_START, MiB));
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	moved_window(_metadata, self, MOVED_START, 1);
}

/* There is a way back, and a window can be moved again once it is at rest */
TEST_F(resv, window_moved_again)
{
	struct edu_dev *dev = &self->dev;
	int fd = self->iommufd;
	int rc;
	int i;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	for (i = 0; i != 6; i++) {
		__u64 start = i & 1 ? SW_MSI_START : MOVED_START + i * MiB;

		rc = i & 1 ? reset_window(fd, dev->dev_id) :
			     set_window(fd, dev->dev_id, start, MiB);
		ASSERT_EQ(0, rc);
		ASSERT_TRUE(window_is(fd, dev->dev_id,
				      i & 1 ? IOMMU_MSI_WINDOW_DRIVER :
					      IOMMU_MSI_WINDOW_CHOSEN,
				      start, 1));
		ASSERT_EQ(0, edu_attach(dev, self->ioas[i / 2 & 1]));
		ASSERT_EQ(0, edu_irq_on(dev));
		ASSERT_IRQ(dev);
		ASSERT_TRUE(msi_is_in(dev, start, start + MiB - 1));
		ASSERT_EQ(0, edu_irq_off(dev));
		ASSERT_EQ(0, edu_detach(dev));
	}
}

/* An interrupt may be set up before attach: then it goes there at once */
TEST_F(resv, window_irq_first)
{
	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_EQ(0, set_window(self->iommufd, self->dev.dev_id, MOVED_START,
				MiB));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_IRQ(&self->dev);
	ASSERT_TRUE(msi_is_in(&self->dev, MOVED_START, MOVED_START + MiB - 1));
}

/* The file of the group is for others: it has what the driver says */
TEST_F(resv, window_sysfs)
{
	int group = self->dev.func->group;
	int rc;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	rc = sysfs_has(group, SW_MSI_START, SW_MSI_LAST, "sw-msi");
	if (rc == -ENOENT && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "no iova_regions in sysfs");
	ASSERT_EQ(1, rc);
	ASSERT_EQ(0, set_window(self->iommufd, self->dev.dev_id, MOVED_START,
				MiB));
	ASSERT_EQ(1, sysfs_has(group, SW_MSI_START, SW_MSI_LAST, "sw-msi"));
	ASSERT_EQ(0, sysfs_has(group, MOVED_START, MOVED_START + MiB - 1,
			       "sw-msi"));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_EQ(1, sysfs_has(group, SW_MSI_START, SW_MSI_LAST, "sw-msi"));
	ASSERT_EQ(0, sysfs_has(group, MOVED_START, MOVED_START + MiB - 1,
			       "sw-msi"));
}

TEST_F(resv, window_errors)
{
	__u64 beyond = self->regions.last + 1;
	__u32 dev_id = self->dev.dev_id;
	int fd = self->iommufd;
	__u32 i;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_EQ(-ENOENT, set_window(fd, NO_ID, MOVED_START, MiB));
	ASSERT_EQ(-ENOENT, reset_window(fd, self->ioas[0]));
	ASSERT_EQ(-EINVAL,
		  set_window(fd, dev_id, MOVED_START + self->page / 2, MiB));
	ASSERT_EQ(-EINVAL, set_window(fd, dev_id, MOVED_START, self->page / 2));
	ASSERT_EQ(-EINVAL, set_window(fd, dev_id, MOVED_START, 0));
	ASSERT_EQ(-EOVERFLOW,
		  set_window(fd, dev_id, -(__u64)self->page, 2 * self->page));
	if (beyond) {
		ASSERT_EQ(-EADDRNOTAVAIL, set_window(fd, dev_id, beyond, MiB));
		ASSERT_EQ(-EADDRNOTAVAIL,
			  set_window(fd, dev_id, beyond - self->page, MiB));
	}
	for (i = 0; i != self->regions.num; i++) {
		const struct iommu_resv_region_info *info =
			&self->regions.info[i];

		if (!is_enforced(info) || info == self->window)
			continue;
		ASSERT_EQ(-EADDRINUSE,
			  set_window(fd, dev_id,
				     info->start & -(__u64)self->page, MiB));
	}
	/* Nothing of it had an effect */
	ASSERT_TRUE(window_is(fd, dev_id, IOMMU_MSI_WINDOW_DRIVER, SW_MSI_START,
			      1));

	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(-EBUSY, set_window(fd, dev_id, MOVED_START, MiB));
	ASSERT_EQ(-EBUSY, reset_window(fd, dev_id));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_EQ(0, edu_detach(&self->dev));
	/* The device has the address: it would write to the old window */
	ASSERT_EQ(-EBUSY, set_window(fd, dev_id, MOVED_START, MiB));
	ASSERT_TRUE(window_is(fd, dev_id, IOMMU_MSI_WINDOW_DRIVER, SW_MSI_START,
			      1));
	ASSERT_EQ(0, edu_irq_off(&self->dev));
	ASSERT_EQ(0, set_window(fd, dev_id, MOVED_START, MiB));
}

/* A window that lies over a mapping: refused at attach, and told before */
TEST_F(resv, window_over_mapping)
{
	struct check check;
	int fd = self->iommufd;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, BUF_SIZE,
			     MOVED_START - MiB));
	ASSERT_EQ(0, set_window(fd, self->dev.dev_id, MOVED_START, MiB));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_MAPPED, MOVED_START,
				MOVED_START + MiB - 1, IOMMU_RESV_REGION_SW_MSI,
				self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, set_window(fd, self->dev.dev_id, MOVED_START + MiB, MiB));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ(&self->dev);
}

/* Two devices, in one group or in two */
FIXTURE(resv_two)
{
	int iommufd;
	struct edu_dev dev[2];
	__u32 ioas;
};

FIXTURE_VARIANT(resv_two)
{
	bool same_group;
};

FIXTURE_VARIANT_ADD(resv_two, one_group)
{
	.same_group = true,
};

FIXTURE_VARIANT_ADD(resv_two, two_groups)
{
	.same_group = false,
};

static bool find_pair(bool same_group, const struct edu_func *pair[2])
{
	int i;
	int j;

	for (i = 0; i != num_funcs; i++) {
		for (j = i + 1; j < num_funcs; j++) {
			bool same = funcs[i].group == funcs[j].group;

			if (same != same_group)
				continue;
			pair[0] = &funcs[i];
			pair[1] = &funcs[j];
			return true;
		}
	}
	return false;
}

FIXTURE_SETUP(resv_two)
{
	const struct edu_func *pair[2];
	struct regions regions;
	int rc;
	int i;

	self->iommufd = -1;
	for (i = 0; i != 2; i++)
		edu_init(&self->dev[i]);
	num_funcs = edu_claim(funcs, EDU_MAX_FUNCS);
	if (!find_pair(variant->same_group, pair))
		SKIP(return, "no two such edu devices");
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->ioas));
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0,
			  edu_open_bind(&self->dev[i], pair[i], self->iommufd));
	rc = get_regions(self->iommufd, self->dev[0].dev_id, &regions);
	if (rc == -ENOTTY && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "this kernel does not tell reserved regions");
	ASSERT_EQ(0, rc);
	if (!find_type(&regions, IOMMU_RESV_REGION_SW_MSI))
		SKIP(return, "this IOMMU has no software MSI window");
}

FIXTURE_TEARDOWN(resv_two)
{
	int i;

	for (i = 0; i != 2; i++)
		edu_close(&self->dev[i]);
	if (self->iommufd >= 0)
		close(self->iommufd);
}

/* The window is that of the group, and of no other */
TEST_F(resv_two, window)
{
	struct iommu_iova_conflict blame = {};
	struct iommu_msi_window busy = {
		.op = IOMMU_MSI_WINDOW_OP_SET,
		.start = MOVED_START + 4 * MiB,
		.length = MiB,
		.num_conflicts = 1,
		.entry_size = sizeof(blame),
		.conflicts = (uintptr_t)&blame,
	};
	__u64 start[2];
	int fd = self->iommufd;
	int i;

	ASSERT_EQ(0, set_window(fd, self->dev[0].dev_id, MOVED_START, MiB));
	start[0] = MOVED_START;
	start[1] = variant->same_group ? MOVED_START : SW_MSI_START;
	for (i = 0; i != 2; i++)
		ASSERT_TRUE(window_is(fd, self->dev[i].dev_id,
				      start[i] == MOVED_START ?
					      IOMMU_MSI_WINDOW_CHOSEN :
					      IOMMU_MSI_WINDOW_DRIVER,
				      start[i], 1));

	/* Windows that are apart can be in one IOAS */
	for (i = 0; i != 2; i++) {
		ASSERT_TRUE(device_fits(fd, self->ioas, self->dev[i].dev_id));
		ASSERT_EQ(0, edu_attach(&self->dev[i], self->ioas));
		ASSERT_EQ(0, edu_irq_on(&self->dev[i]));
	}
	for (i = 0; i != 2; i++) {
		ASSERT_IRQ(&self->dev[i]);
		ASSERT_TRUE(msi_is_in(&self->dev[i], start[i], start[i] + MiB - 1));
	}
	ASSERT_EQ(0, edu_irq_off(&self->dev[1]));
	ASSERT_EQ(0, edu_detach(&self->dev[1]));
	/* The sibling is in the way, and named; the other group is not */
	busy.dev_id = self->dev[1].dev_id;
	ASSERT_EQ(variant->same_group ? -EBUSY : 0, msi_window(fd, &busy));
	ASSERT_EQ((__u32)self->dev[1].func->group, busy.out_group_id);
	ASSERT_EQ(variant->same_group ? 1 : 0, busy.num_conflicts);
	if (variant->same_group) {
		ASSERT_EQ(IOMMU_IOVA_CONFLICT_BUSY, blame.kind);
		ASSERT_EQ(self->dev[0].dev_id, blame.dev_id);
		ASSERT_EQ((__u32)self->dev[0].func->group, blame.group_id);
	}
	ASSERT_IRQ(&self->dev[0]);
}

/* Windows that overlap cannot be in one IOAS, and the dry run says so */
TEST_F(resv_two, window_conflict)
{
	struct check check;
	int fd = self->iommufd;

	if (variant->same_group)
		SKIP(return, "one group has one window");
	ASSERT_EQ(0, set_window(fd, self->dev[0].dev_id, MOVED_START, MiB));
	ASSERT_EQ(0, set_window(fd, self->dev[1].dev_id, MOVED_START + MiB / 2,
				MiB));
	ASSERT_EQ(0, edu_attach(&self->dev[0], self->ioas));
	ASSERT_EQ(0, edu_irq_on(&self->dev[0]));
	ASSERT_EQ(0, check_device(fd, self->ioas, self->dev[1].dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_WINDOW,
				MOVED_START + MiB / 2, MOVED_START + MiB - 1,
				IOMMU_RESV_REGION_SW_MSI, self->dev[1].dev_id));
	ASSERT_GT(0, edu_attach(&self->dev[1], self->ioas));
	ASSERT_IRQ(&self->dev[0]);

	ASSERT_EQ(0, set_window(fd, self->dev[1].dev_id, MOVED_START, MiB));
	ASSERT_TRUE(device_fits(fd, self->ioas, self->dev[1].dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev[1], self->ioas));
	ASSERT_EQ(0, edu_irq_on(&self->dev[1]));
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_IRQ(&self->dev[0]);
}

/*
 * Memory that firmware keeps for a device (RMRR). The old attribute of sysfs
 * tells which group has some.
 */
struct rmrr {
	struct edu_func func;
	__u64 start;
	__u64 last;
};

static bool group_has(int group, const char *type, struct rmrr *rmrr)
{
	unsigned long long start, last;
	char word[32];
	char path[64];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path),
		 "/sys/kernel/iommu_groups/%d/reserved_regions", group);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (!found && fscanf(f, "%llx %llx %31s", &start, &last, word) == 3)
		found = !strcmp(word, type);
	fclose(f);
	rmrr->start = start;
	rmrr->last = last;
	return found;
}

/* A group is only usable as a whole, so look for one with a single device */
static int group_size(int group)
{
	char path[64];
	struct dirent *de;
	int num = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices",
		 group);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((de = readdir(dir)))
		num += de->d_name[0] != '.';
	closedir(dir);
	return num;
}

/* The first PCI function with such a region */
static bool find_rmrr(const char *type, struct rmrr *rmrr)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	struct dirent *de;
	bool found = false;
	DIR *dir;

	/* With a devicetree a device has a group from when a driver has it */
	edu_claim(funcs, EDU_MAX_FUNCS);
	dir = opendir("/sys/bus/pci/devices");
	if (!dir)
		return false;
	while (!found && (de = readdir(dir))) {
		memset(rmrr, 0, sizeof(*rmrr));
		rmrr->func.group = read_group(de->d_name);
		if (rmrr->func.group < 0)
			continue;
		snprintf(rmrr->func.bdf, sizeof(rmrr->func.bdf), "%.15s",
			 de->d_name);
		found = group_size(rmrr->func.group) == 1 &&
			group_has(rmrr->func.group, type, rmrr);
	}
	closedir(dir);
	if (found)
		ksft_print_msg("%s: %#llx-%#llx %s\n", rmrr->func.bdf,
			       (unsigned long long)rmrr->start,
			       (unsigned long long)rmrr->last, type);
	return found;
}

FIXTURE(rmrr)
{
	int iommufd;
	struct edu_dev dev;
	struct rmrr rmrr;
};

FIXTURE_SETUP(rmrr)
{
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	edu_init(&self->dev);
}

FIXTURE_TEARDOWN(rmrr)
{
	edu_close(&self->dev);
	close(self->iommufd);
}

/* A device that needs its RMRR at all times is not for user space */
TEST_F(rmrr, direct)
{
	int rc;

	if (!find_rmrr("direct", &self->rmrr))
		SKIP(return, "no device with a direct region");
	ASSERT_EQ(0, edu_bind_driver(&self->rmrr.func));
	ASSERT_EQ(-EINVAL,
		  edu_open_bind(&self->dev, &self->rmrr.func, self->iommufd));
	rc = sysfs_has(self->rmrr.func.group, self->rmrr.start, self->rmrr.last,
		       "direct");
	if (rc != -ENOENT)
		ASSERT_EQ(1, rc);
}

/* For USB and graphics firmware needs it only until a driver takes over */
TEST_F(rmrr, relaxable)
{
	const struct iommu_resv_region_info *info;
	size_t page = sysconf(_SC_PAGESIZE);
	struct check check;
	struct regions regions;
	__u32 ioas;
	void *buf;
	int rc;

	if (!find_rmrr("direct-relaxable", &self->rmrr))
		SKIP(return, "no device with a direct-relaxable region");
	ASSERT_EQ(0, edu_bind_driver(&self->rmrr.func));
	ASSERT_EQ(0,
		  edu_open_bind(&self->dev, &self->rmrr.func, self->iommufd));
	rc = get_regions(self->iommufd, self->dev.dev_id, &regions);
	if (rc == -ENOTTY && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "this kernel does not tell reserved regions");
	ASSERT_EQ(0, rc);
	print_regions(&regions);
	info = find_region(&regions, self->rmrr.start, self->rmrr.last,
			   IOMMU_RESV_REGION_DIRECT_RELAXABLE);
	ASSERT_NE(NULL, info);
	ASSERT_FALSE(is_enforced(info));
	ASSERT_EQ(IOMMU_RESV_REGION_READ | IOMMU_RESV_REGION_WRITE, info->prot);

	/* Not enforced: it is mapped before and after attach */
	ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &ioas));
	buf = mmap(NULL, page, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, buf);
	ASSERT_EQ(0, edu_map(self->iommufd, ioas, buf, page, info->start));
	ASSERT_TRUE(device_fits(self->iommufd, ioas, self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, ioas));
	ASSERT_EQ(0, edu_unmap(self->iommufd, ioas, info->start, page));
	ASSERT_EQ(0, check_map(self->iommufd, ioas, info->start, page, &check));
	ASSERT_EQ(NO_CONFLICT, check_kind(&check));
	ASSERT_EQ(0, edu_map(self->iommufd, ioas, buf, page, info->start));
	munmap(buf, page);
}

TEST_HARNESS_MAIN
