// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what iommufd tells about reserved regions, and lets one do about
 * them. They need no hardware: mock devices have regions of every type, anywhere
 * and as many as wanted.
 *
 * The names R1 to R7 are the requirements that a test shows:
 *
 * R1 A region that cannot be read is an error, wherever regions are read
 * R3 The regions of a device can be read before it is attached
 * R4 So can the IOVAs that are left
 * R5 A dry run names what is in the way, and agrees with the real run
 * R6 Holes are kept free for devices to come
 * R7 The MSI window can be chosen
 *
 * IOMMUFD_RESV_SEED= and IOMMUFD_RESV_STEPS= change the random test.
 */
#include <sys/mman.h>

#include "iommufd_resv_utils.h"

#define MAX_REGIONS 600
#define MAX_RANGES (MAX_REGIONS + 2)
#define MIB 0x100000ULL
#define APERTURE_START ((__u64)MOCK_APERTURE_START)
#define APERTURE_LAST ((__u64)MOCK_APERTURE_LAST)

static __attribute__((constructor)) void setup_sizes(void)
{
	PAGE_SIZE = sysconf(_SC_PAGE_SIZE);
	BUFFER_SIZE = PAGE_SIZE * 16;
	buffer = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(buffer != MAP_FAILED);
}

FIXTURE(iommufd_resv)
{
	int fd;
	__u32 ioas_id;
	__u32 ioas2_id;
};

FIXTURE_SETUP(iommufd_resv)
{
	struct mock_device_args args = {};
	__u32 stdev_id;

	self->fd = open("/dev/iommu", O_RDWR);
	if (self->fd < 0)
		SKIP(return, "no /dev/iommu");
	if (_test_cmd_mock_device(self->fd, 0, &args, &stdev_id, NULL, NULL))
		SKIP(return, "CONFIG_IOMMUFD_TEST is not set");
	test_ioctl_destroy(stdev_id);
	test_ioctl_ioas_alloc(&self->ioas_id);
	test_ioctl_ioas_alloc(&self->ioas2_id);
}

FIXTURE_TEARDOWN(iommufd_resv)
{
	if (self->fd >= 0)
		ASSERT_EQ(0, close(self->fd));
}

/* A bound device, not attached */
struct dev {
	__u32 stdev_id;
	__u32 id;
};

static struct dev make_dev(struct __test_metadata *_metadata, int fd,
			   const struct iommu_test_resv *resv, __u32 num,
			   __u32 flags, const struct dev *sibling)
{
	struct mock_device_args args = {
		.flags = flags,
		.group_stdev_id = sibling ? sibling->stdev_id : 0,
		.resv = resv,
		.resv_num = num,
	};
	struct dev dev;

	ASSERT_EQ(0, _test_cmd_mock_device(fd, 0, &args, &dev.stdev_id, NULL,
					   &dev.id));
	return dev;
}

#define m_dev(resv, num) make_dev(_metadata, self->fd, resv, num, 0, NULL)

/* The mock cannot take interrupts, and a group has no window, without */
#define NO_SW_MSI "CONFIG_IRQ_MSI_IOMMU is not set"

static void expect_region(struct __test_metadata *_metadata,
			  const struct iommu_resv_region_info *info,
			  const struct iommu_test_resv *resv, __u32 flags)
{
	EXPECT_EQ(resv->start, info->start);
	EXPECT_EQ(resv->start + (resv->length - 1), info->last);
	EXPECT_EQ(resv->type, info->type);
	EXPECT_EQ(resv->prot, info->prot);
	EXPECT_EQ(flags, info->flags);
	EXPECT_EQ(0, info->__reserved);
}

static void expect_conflict(struct __test_metadata *_metadata,
			    const struct iommu_ioas_check *cmd, __u32 kind,
			    __u64 start, __u64 last, __u32 type, __u32 dev_id)
{
	EXPECT_EQ(kind, cmd->out_kind);
	EXPECT_EQ(start, cmd->out_start);
	EXPECT_EQ(last, cmd->out_last);
	EXPECT_EQ(type, cmd->out_region_type);
	EXPECT_EQ(dev_id, cmd->out_dev_id);
}

#define m_conflict(kind, start, last, type, dev_id)                      \
	expect_conflict(_metadata, &check, IOMMU_IOAS_CONFLICT_##kind, start, \
			last, type, dev_id)
#define m_no_conflict() \
	m_conflict(NONE, 0, 0, IOMMU_RESV_REGION_NONE, 0)
#define m_check_device(dev_id) \
	test_cmd_ioas_check_device(self->ioas_id, dev_id, &check)
#define m_check_map(iova, length) \
	test_cmd_ioas_check_map(self->ioas_id, iova, length, &check)

/* R3: every type, sorted, with its protection and whether it is enforced */
TEST_F(iommufd_resv, types)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, 0x8000000, MIB),
		region(MOCK_RESV_MSI, 0x9000000, 0x10000),
		region(MOCK_RESV_RESERVED, 0x7000000, 0x10000),
		region(MOCK_RESV_DIRECT_RELAXABLE, 0x6000000, 0x10000),
		region(MOCK_RESV_DIRECT, 0x5000000, 0x10000),
	};
	struct iommu_resv_region_info infos[5];
	struct iommu_device_resv_regions cmd = {
		.num_regions = 5,
		.entry_size = sizeof(infos[0]),
		.regions = (uintptr_t)infos,
	};
	__u32 enforced = IOMMU_RESV_REGION_ENFORCED;

	resv[4].prot = MOCK_PTE_READ | MOCK_PTE_WRITE | MOCK_PTE_CACHE;
	resv[3].prot = MOCK_PTE_PROT;
	resv[2].prot = 0;
	cmd.dev_id = m_dev(resv, 5).id;
	test_cmd_device_resv_regions(&cmd);
	ASSERT_EQ(5, cmd.num_regions);
	EXPECT_EQ(IOMMU_DEVICE_APERTURE_KNOWN, cmd.out_flags);
	EXPECT_EQ(APERTURE_START, cmd.out_aperture_start);
	EXPECT_EQ(APERTURE_LAST, cmd.out_aperture_last);
	expect_region(_metadata, &infos[0], &resv[4], enforced);
	expect_region(_metadata, &infos[1], &resv[3], 0);
	expect_region(_metadata, &infos[2], &resv[2], enforced);
	expect_region(_metadata, &infos[3], &resv[0], enforced);
	expect_region(_metadata, &infos[4], &resv[1], enforced);
}

/* R3: regions that overlap, touch, or are nothing, up to the very last IOVA */
TEST_F(iommufd_resv, edges)
{
	static const struct iommu_test_resv resv[] = {
		{ ~0ULL, 1, MOCK_RESV_RESERVED },
		{ 0x10000, 0, MOCK_RESV_RESERVED },
		{ 0x20000, 0x20000, MOCK_RESV_MSI },
		{ 0x20000, 0x10000, MOCK_RESV_DIRECT },
		{ 0x40000, 0x10000, MOCK_RESV_RESERVED },
		{ 0, 1, MOCK_RESV_RESERVED },
		{ 1, ~0ULL, MOCK_RESV_DIRECT_RELAXABLE },
	};
	static const int order[] = { 5, 6, 3, 2, 4, 0 };
	struct iommu_resv_region_info infos[7];
	struct iommu_device_resv_regions cmd = {
		.num_regions = 7,
		.entry_size = sizeof(infos[0]),
		.regions = (uintptr_t)infos,
	};
	unsigned int i;

	cmd.dev_id = m_dev(resv, 7).id;
	test_cmd_device_resv_regions(&cmd);
	ASSERT_EQ(6, cmd.num_regions);
	for (i = 0; i != 6; i++)
		expect_region(_metadata, &infos[i], &resv[order[i]],
			      order[i] == 6 ? 0 : IOMMU_RESV_REGION_ENFORCED);
}

TEST_F(iommufd_resv, no_regions)
{
	struct iommu_device_resv_regions cmd = {
		.entry_size = sizeof(struct iommu_resv_region_info),
	};
	struct iommu_iova_range range;
	__u32 num = 1;

	cmd.dev_id = m_dev(NULL, 0).id;
	test_cmd_device_resv_regions(&cmd);
	EXPECT_EQ(0, cmd.num_regions);
	test_cmd_device_iova_ranges(cmd.dev_id, &range, &num);
	EXPECT_EQ(1, num);
	EXPECT_EQ(APERTURE_START, range.start);
	EXPECT_EQ(APERTURE_LAST, range.last);
}

/* R3: the aperture is not known, then it is everything and refuses nothing */
TEST_F(iommufd_resv, no_aperture)
{
	struct iommu_device_resv_regions cmd = {
		.entry_size = sizeof(struct iommu_resv_region_info),
	};
	struct iommu_ioas_check check;
	struct iommu_iova_range range;
	__u32 num = 1;

	cmd.dev_id = make_dev(_metadata, self->fd, NULL, 0,
			      MOCK_FLAGS_DEVICE_NO_APERTURE, NULL).id;
	test_cmd_device_resv_regions(&cmd);
	EXPECT_EQ(0, cmd.out_flags);
	EXPECT_EQ(0, cmd.out_aperture_start);
	EXPECT_EQ(~0ULL, cmd.out_aperture_last);
	test_cmd_device_iova_ranges(cmd.dev_id, &range, &num);
	EXPECT_EQ(0, range.start);
	EXPECT_EQ(~0UL, range.last);

	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0);
	m_check_device(cmd.dev_id);
	m_no_conflict();
}

static void many_regions(struct iommu_test_resv *resv, unsigned int num)
{
	unsigned int i;

	for (i = 0; i != num; i++)
		resv[i] = region(i % 3, APERTURE_START + i * 0x10000, 0x1000);
}

/* R3: hundreds of regions, and any room for them */
TEST_F(iommufd_resv, many)
{
	static const __u32 rooms[] = { 0, 1, 2, MAX_REGIONS - 1, MAX_REGIONS,
				       MAX_REGIONS + 1 };
	struct iommu_resv_region_info infos[MAX_REGIONS + 1], blank;
	struct iommu_test_resv resv[MAX_REGIONS];
	struct iommu_device_resv_regions cmd;
	struct dev dev;
	unsigned int i, j;

	many_regions(resv, MAX_REGIONS);
	dev = m_dev(resv, MAX_REGIONS);
	memset(&blank, 0xee, sizeof(blank));
	for (i = 0; i != ARRAY_SIZE(rooms); i++) {
		memset(infos, 0xee, sizeof(infos));
		cmd = (struct iommu_device_resv_regions){
			.dev_id = dev.id,
			.num_regions = rooms[i],
			.entry_size = sizeof(infos[0]),
			.regions = (uintptr_t)infos,
		};
		if (rooms[i] < MAX_REGIONS)
			test_err_device_resv_regions(EMSGSIZE, &cmd);
		else
			test_cmd_device_resv_regions(&cmd);
		ASSERT_EQ(MAX_REGIONS, cmd.num_regions);
		ASSERT_EQ(APERTURE_LAST, cmd.out_aperture_last);
		for (j = 0; j != MAX_REGIONS && j != rooms[i]; j++)
			expect_region(_metadata, &infos[j], &resv[j],
				      resv[j].type == MOCK_RESV_DIRECT_RELAXABLE ?
					      0 :
					      IOMMU_RESV_REGION_ENFORCED);
		for (; j != MAX_REGIONS + 1; j++)
			ASSERT_EQ(0, memcmp(&infos[j], &blank, sizeof(blank)));
	}
}

/* R4: the same for ranges, and they are those of an IOAS after the attach */
TEST_F(iommufd_resv, many_ranges)
{
	struct iommu_iova_range ranges[MAX_RANGES], ioas_ranges[MAX_RANGES];
	struct iommu_test_resv resv[MAX_REGIONS];
	unsigned int wanted = MAX_REGIONS / 3 * 2;
	struct dev dev;
	__u32 num;

	many_regions(resv, MAX_REGIONS);
	dev = m_dev(resv, MAX_REGIONS);

	for (num = 0; num < wanted; num += 97) {
		__u32 room = num;

		memset(ranges, 0xee, sizeof(ranges));
		test_err_device_iova_ranges(EMSGSIZE, dev.id, ranges, &num);
		EXPECT_EQ(wanted, num);
		EXPECT_EQ(0xeeeeeeeeeeeeeeeeULL, ranges[room].start);
		num = room;
	}
	num = MAX_RANGES;
	test_cmd_device_iova_ranges(dev.id, ranges, &num);
	EXPECT_EQ(wanted, num);

	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	num = MAX_RANGES;
	test_cmd_ioas_iova_ranges(self->ioas_id, ioas_ranges, &num);
	ASSERT_EQ(wanted, num);
	EXPECT_EQ(0, memcmp(ranges, ioas_ranges, num * sizeof(ranges[0])));
}

/* R3: entries shorter and longer than those of the kernel */
TEST_F(iommufd_resv, entry_size)
{
	static const __u32 bad[] = { 0, 8, 24, 31, 33, 36 };
	struct iommu_test_resv resv[2] = {
		region(MOCK_RESV_DIRECT, 0x5000000, 0x10000),
		region(MOCK_RESV_RESERVED, 0x6000000, 0x10000),
	};
	struct iommu_device_resv_regions cmd = {};
	__u8 room[2 * 4096 + 8];
	unsigned int i;
	__u32 size;

	cmd.dev_id = m_dev(resv, 2).id;
	cmd.num_regions = 2;
	cmd.regions = (uintptr_t)room;
	for (i = 0; i != ARRAY_SIZE(bad); i++) {
		cmd.entry_size = bad[i];
		test_err_device_resv_regions(EINVAL, &cmd);
	}
	cmd.entry_size = 4104;
	test_err_device_resv_regions(E2BIG, &cmd);
	cmd.entry_size = ~7U;
	test_err_device_resv_regions(E2BIG, &cmd);

	for (size = 32; size <= 4096; size = size < 64 ? size + 8 : size * 2) {
		memset(room, 0xee, sizeof(room));
		cmd.entry_size = size;
		test_cmd_device_resv_regions(&cmd);
		ASSERT_EQ(2, cmd.num_regions);
		for (i = 0; i != 2; i++) {
			__u8 *entry = room + i * size;
			struct iommu_resv_region_info info;
			__u32 j;

			memcpy(&info, entry, sizeof(info));
			expect_region(_metadata, &info, &resv[i],
				      IOMMU_RESV_REGION_ENFORCED);
			for (j = sizeof(info); j < size; j++)
				ASSERT_EQ(0, entry[j]);
		}
		ASSERT_EQ(0xee, room[2 * size]);
	}
}

TEST_F(iommufd_resv, device_errors)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_DIRECT, 0x5000000, 0x10000);
	struct iommu_device_resv_regions cmd = {
		.num_regions = 1,
		.entry_size = sizeof(struct iommu_resv_region_info),
	};
	struct iommu_device_iova_ranges ranges = {
		.size = sizeof(ranges),
		.num_iovas = 1,
	};

	cmd.dev_id = m_dev(&resv, 1).id;
	/* A NULL pointer with room */
	test_err_device_resv_regions(EFAULT, &cmd);
	cmd.num_regions = 1;
	cmd.regions = (uintptr_t)&resv;
	cmd.flags = 1;
	test_err_device_resv_regions(EOPNOTSUPP, &cmd);
	cmd.flags = 0;
	cmd.dev_id = 0;
	test_err_device_resv_regions(ENOENT, &cmd);
	/* Of another type */
	cmd.dev_id = self->ioas_id;
	test_err_device_resv_regions(ENOENT, &cmd);

	ranges.dev_id = self->ioas_id;
	EXPECT_ERRNO(ENOENT, ioctl(self->fd, IOMMU_DEVICE_IOVA_RANGES, &ranges));
	ranges.dev_id = m_dev(&resv, 1).id;
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, IOMMU_DEVICE_IOVA_RANGES, &ranges));
	ranges.num_iovas = 1;
	ranges.__reserved = 1;
	EXPECT_ERRNO(EOPNOTSUPP,
		     ioctl(self->fd, IOMMU_DEVICE_IOVA_RANGES, &ranges));
}

/* R4: nothing is left, or one byte of each end */
TEST_F(iommufd_resv, range_edges)
{
	struct iommu_test_resv resv = {
		.start = APERTURE_START + 1,
		.length = APERTURE_LAST - APERTURE_START - 1,
		.type = MOCK_RESV_RESERVED,
	};
	struct iommu_iova_range ranges[3];
	struct dev dev = m_dev(&resv, 1);
	__u32 num = 3;

	test_cmd_device_iova_ranges(dev.id, ranges, &num);
	ASSERT_EQ(2, num);
	EXPECT_EQ(APERTURE_START, ranges[0].start);
	EXPECT_EQ(APERTURE_START, ranges[0].last);
	EXPECT_EQ(APERTURE_LAST, ranges[1].start);
	EXPECT_EQ(APERTURE_LAST, ranges[1].last);

	resv.start = 0;
	resv.length = ~0ULL;
	test_cmd_mock_device_resv(dev.stdev_id, &resv, 1, 0);
	num = 0;
	test_cmd_device_iova_ranges(dev.id, NULL, &num);
	EXPECT_EQ(0, num);
}

/* R1: the driver fails, after it has reported a part */
TEST_F(iommufd_resv, driver_error)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_RESERVED, 0x5000000, 0x10000),
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
	};
	struct iommu_resv_region_info infos[2];
	struct iommu_device_resv_regions cmd = {
		.num_regions = 2,
		.entry_size = sizeof(infos[0]),
		.regions = (uintptr_t)infos,
	};
	struct iommu_ioas_check check;
	struct mock_device_args args = {};
	struct iommu_iova_range range;
	__u32 num = 1;
	struct dev dev;

	dev = m_dev(resv, 2);
	cmd.dev_id = dev.id;
	test_cmd_mock_device_resv(dev.stdev_id, resv, 2, ENOMEM);
	test_err_device_resv_regions(ENOMEM, &cmd);
	test_err_device_iova_ranges(ENOMEM, dev.id, &range, &num);
	test_err_ioas_check_device(ENOMEM, self->ioas_id, dev.id, &check);
	test_err_mock_device_attach(ENOMEM, dev.stdev_id, self->ioas_id);
	/* A bind looks for the window of all devices of the group */
	args.group_stdev_id = dev.stdev_id;
	test_err_mock_device(ENOMEM, 0, &args);
	if (!msi_missing(self->fd))
		test_err_set_window_start(ENOMEM, dev.id, 0x9000000);
	test_cmd_mock_device_resv(dev.stdev_id, resv, 1, EIO);
	test_err_device_resv_regions(EIO, &cmd);

	/* Nothing is left of it */
	test_cmd_ioas_iova_ranges(self->ioas_id, &range, &num);
	EXPECT_EQ(1, num);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x5000000);
	test_ioctl_ioas_unmap(0x5000000, PAGE_SIZE);
	test_cmd_mock_device_resv(dev.stdev_id, resv, 2, 0);
	test_cmd_device_resv_regions(&cmd);
	EXPECT_EQ(2, cmd.num_regions);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);

	/* A swap that fails leaves the device where it is */
	test_cmd_mock_device_resv(dev.stdev_id, resv, 2, ENOMEM);
	test_err_mock_domain_replace(ENOMEM, dev.stdev_id, self->ioas2_id);
	test_err_ioctl_ioas_map_fixed(EINVAL, buffer, PAGE_SIZE, 0x5000000);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x5000000);
}

/* R5: what is in the way of a device, lowest first */
TEST_F(iommufd_resv, check_device)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_RESERVED, 0x6000000, 0x100000),
		region(MOCK_RESV_DIRECT, 0x5000000, 0x100000),
		region(MOCK_RESV_DIRECT_RELAXABLE, 0x4000000, 0x100000),
	};
	struct iommu_iova_range allowed = { 0x5080000, 0x5ffffff };
	struct iommu_ioas_check check;
	struct dev dev = m_dev(resv, 3);

	m_check_device(dev.id);
	m_no_conflict();

	/* Not enforced */
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x4000000);
	m_check_device(dev.id);
	m_no_conflict();

	test_ioctl_ioas_map_fixed(buffer, 2 * PAGE_SIZE,
				  0x6100000 - PAGE_SIZE);
	m_check_device(dev.id);
	m_conflict(MAPPED, 0x6100000 - PAGE_SIZE, 0x60fffff,
		   IOMMU_RESV_REGION_RESERVED, dev.id);
	test_err_mock_device_attach(EADDRINUSE, dev.stdev_id, self->ioas_id);
	m_check_device(dev.id);
	m_conflict(MAPPED, 0x6100000 - PAGE_SIZE, 0x60fffff,
		   IOMMU_RESV_REGION_RESERVED, dev.id);

	test_cmd_ioas_allow_iovas(self->ioas_id, &allowed, 1);
	m_check_device(dev.id);
	m_conflict(ALLOWED, 0x5080000, 0x50fffff, IOMMU_RESV_REGION_DIRECT,
		   dev.id);

	/* At the same IOVA the mapping counts */
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x5080000);
	m_check_device(dev.id);
	m_conflict(MAPPED, 0x5080000, 0x5080000 + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_DIRECT, dev.id);

	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0);
	m_check_device(dev.id);
	m_conflict(APERTURE, 0, PAGE_SIZE - 1, IOMMU_RESV_REGION_NONE, dev.id);

	test_ioctl_ioas_unmap(0, -1);
	test_cmd_ioas_allow_iovas(self->ioas_id, NULL, 0);
	m_check_device(dev.id);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);

	/* Its own regions are not in the way */
	m_check_device(dev.id);
	m_no_conflict();
}

/* R5: what is promised can be outside of the aperture, too */
TEST_F(iommufd_resv, check_aperture)
{
	struct iommu_iova_range allowed = { APERTURE_LAST - 0xfff, ~0ULL - 1 };
	struct iommu_ioas_check check;
	struct dev dev = m_dev(NULL, 0);
	struct dev low = make_dev(_metadata, self->fd, NULL, 0,
				  MOCK_FLAGS_DEVICE_LOW_APERTURE, NULL);
	__u64 low_end = (__u64)MOCK_APERTURE_LOW_LAST + 1;

	test_cmd_ioas_allow_iovas(self->ioas_id, &allowed, 1);
	m_check_device(dev.id);
	m_conflict(ALLOWED, APERTURE_LAST + 1, ~0ULL - 1,
		   IOMMU_RESV_REGION_NONE, dev.id);
	test_err_mock_device_attach(EADDRINUSE, dev.stdev_id, self->ioas_id);
	test_cmd_ioas_allow_iovas(self->ioas_id, NULL, 0);

	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	test_ioctl_ioas_map_fixed(buffer, 2 * PAGE_SIZE, low_end - PAGE_SIZE);
	m_check_device(low.id);
	m_conflict(APERTURE, low_end, low_end + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_NONE, low.id);
	test_err_mock_device_attach(EADDRINUSE, low.stdev_id, self->ioas_id);
	test_ioctl_ioas_unmap(low_end - PAGE_SIZE, 2 * PAGE_SIZE);
	test_cmd_mock_device_attach(low.stdev_id, self->ioas_id, NULL);
	m_check_map(low_end - PAGE_SIZE, 2 * PAGE_SIZE);
	m_conflict(APERTURE, low_end, low_end + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_NONE, 0);
}

/* R5: windows that overlap and are not the same, or leave the aperture */
TEST_F(iommufd_resv, check_window)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	struct iommu_ioas_check check;
	struct dev dev, same, other, low;
	__u64 low_end = (__u64)MOCK_APERTURE_LOW_LAST + 1;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(&resv, 1);
	same = m_dev(&resv, 1);
	resv.start += WINDOW_LENGTH / 2;
	other = m_dev(&resv, 1);
	resv.start = low_end - WINDOW_LENGTH / 2;
	low = make_dev(_metadata, self->fd, &resv, 1,
		       MOCK_FLAGS_DEVICE_LOW_APERTURE, NULL);

	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	m_check_device(same.id);
	m_no_conflict();
	test_cmd_mock_device_attach(same.stdev_id, self->ioas_id, NULL);
	m_check_device(other.id);
	m_conflict(WINDOW, WINDOW_START + WINDOW_LENGTH / 2,
		   WINDOW_START + WINDOW_LENGTH - 1, IOMMU_RESV_REGION_SW_MSI,
		   other.id);
	test_err_mock_device_attach(EADDRINUSE, other.stdev_id, self->ioas_id);
	m_check_device(low.id);
	m_conflict(APERTURE, low_end, low_end + WINDOW_LENGTH / 2 - 1,
		   IOMMU_RESV_REGION_SW_MSI, low.id);
	test_err_mock_device_attach(EADDRNOTAVAIL, low.stdev_id,
				    self->ioas_id);
	test_cmd_mock_device_attach(other.stdev_id, self->ioas2_id, NULL);
	/* Would be a swap */
	m_check_device(other.id);
	m_conflict(WINDOW, WINDOW_START + WINDOW_LENGTH / 2,
		   WINDOW_START + WINDOW_LENGTH - 1, IOMMU_RESV_REGION_SW_MSI,
		   other.id);
	test_err_mock_domain_replace(EADDRINUSE, other.stdev_id, self->ioas_id);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_cmd_mock_device_detach(same.stdev_id);
	m_check_device(other.id);
	m_no_conflict();
	test_cmd_mock_domain_replace(other.stdev_id, self->ioas_id);
}

/* R5: what is in the way of a mapping */
TEST_F(iommufd_resv, check_map)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_MSI, 0x5000000, 0x100000),
		region(MOCK_RESV_DIRECT, 0x5000000, 0x200000),
	};
	struct iommu_iova_range hole = { 0x5100000, 0x6ffffff };
	struct iommu_ioas_check check;
	struct dev dev = m_dev(resv, 2);

	m_check_map(1, 1);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	m_check_map(0x4000000, PAGE_SIZE);
	m_no_conflict();

	m_check_map(0x5000001, PAGE_SIZE);
	m_conflict(ALIGNMENT, 0x5000001, 0x5000000 + PAGE_SIZE,
		   IOMMU_RESV_REGION_NONE, 0);
	m_check_map(0x4000000, 1);
	m_conflict(ALIGNMENT, 0x4000000, 0x4000000, IOMMU_RESV_REGION_NONE, 0);

	m_check_map(0x4000000, 0x1100000);
	EXPECT_TRUE(check.out_region_type == IOMMU_RESV_REGION_HW_MSI ||
		    check.out_region_type == IOMMU_RESV_REGION_DIRECT);
	EXPECT_EQ(IOMMU_IOAS_CONFLICT_RESERVED, check.out_kind);
	EXPECT_EQ(0x5000000, check.out_start);
	EXPECT_EQ(dev.id, check.out_dev_id);
	m_check_map(0x5100000, 0x1000000);
	m_conflict(RESERVED, 0x5100000, 0x51fffff, IOMMU_RESV_REGION_DIRECT,
		   dev.id);
	test_cmd_ioas_set_holes(self->ioas_id, &hole, 1);
	m_check_map(0x5100000, 0x1000000);
	m_conflict(RESERVED, 0x5100000, 0x51fffff, IOMMU_RESV_REGION_DIRECT,
		   dev.id);
	m_check_map(0x5200000, 0x100000);
	m_conflict(HOLE, 0x5200000, 0x52fffff, IOMMU_RESV_REGION_NONE, 0);
	test_err_ioctl_ioas_map_fixed(EINVAL, buffer, PAGE_SIZE, 0x5200000);

	m_check_map(0, 0x10000);
	m_conflict(APERTURE, 0, 0xffff, IOMMU_RESV_REGION_NONE, 0);
	m_check_map(APERTURE_LAST + 1 - PAGE_SIZE, 2 * PAGE_SIZE);
	m_conflict(APERTURE, APERTURE_LAST + 1, APERTURE_LAST + PAGE_SIZE,
		   IOMMU_RESV_REGION_NONE, 0);

	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x4ff0000);
	m_check_map(0x4f00000, 0x200000);
	m_conflict(MAPPED, 0x4ff0000, 0x4ff0000 + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_NONE, 0);

	test_ioctl_destroy(dev.stdev_id);
	m_check_map(0x5000000, 0x100000);
	m_no_conflict();
}

TEST_F(iommufd_resv, check_errors)
{
	struct iommu_ioas_check check, bad = {
		.size = sizeof(bad),
		.ioas_id = self->ioas_id,
	};
	__u32 dev_id = m_dev(NULL, 0).id;

	test_err_ioas_check_device(ENOENT, 0, dev_id, &check);
	test_err_ioas_check_device(ENOENT, dev_id, dev_id, &check);
	test_err_ioas_check_device(ENOENT, self->ioas_id, 0, &check);
	test_err_ioas_check_device(ENOENT, self->ioas_id, self->ioas_id,
				   &check);
	test_err_ioas_check_map(ENOENT, 0, 0, 1, &check);
	test_err_ioas_check_map(EINVAL, self->ioas_id, 0, 0, &check);
	test_err_ioas_check_map(EOVERFLOW, self->ioas_id, ~0UL, 1, &check);
	test_err_ioas_check_map(EOVERFLOW, self->ioas_id, 0, ~0UL, &check);
	test_err_ioas_check_map(EOVERFLOW, self->ioas_id, ~0UL - 1, 3, &check);
	m_check_map(~0UL - 1, 2);
	m_no_conflict();

	bad.dev_id = dev_id;
	bad.iova = 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	bad.iova = 0;
	bad.length = 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	bad.length = 0;
	bad.flags = 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	bad.flags = 0;
	bad.op = 2;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	bad.op = IOMMU_IOAS_CHECK_MAP;
	bad.length = 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	bad.dev_id = 0;
	EXPECT_EQ(0, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
}

/* R5: all devices of a group count, and one that is there answers for them */
TEST_F(iommufd_resv, siblings)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, 0x5000000, 0x10000),
	};
	struct iommu_ioas_check check;
	struct iommu_iova_range range;
	struct dev a, b;
	__u32 num = 0;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	a = m_dev(resv, 1);
	b = make_dev(_metadata, self->fd, resv, 2, 0, &a);
	test_cmd_mock_device_attach(a.stdev_id, self->ioas_id, NULL);
	test_cmd_mock_device_attach(b.stdev_id, self->ioas_id, NULL);

	m_check_map(WINDOW_START, PAGE_SIZE);
	m_conflict(RESERVED, WINDOW_START, WINDOW_START + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_SW_MSI, a.id);
	test_cmd_mock_device_detach(a.stdev_id);
	m_check_map(WINDOW_START, PAGE_SIZE);
	m_conflict(RESERVED, WINDOW_START, WINDOW_START + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_SW_MSI, b.id);
	m_check_map(0x5000000, PAGE_SIZE);
	m_conflict(RESERVED, 0x5000000, 0x5000000 + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_RESERVED, b.id);

	/* a has no region there, but b goes with it */
	test_cmd_mock_device_attach(a.stdev_id, self->ioas_id, NULL);
	test_ioctl_ioas_map_fixed_id(self->ioas2_id, buffer, PAGE_SIZE,
				     0x5000000);
	test_cmd_ioas_check_device(self->ioas2_id, a.id, &check);
	m_conflict(MAPPED, 0x5000000, 0x5000000 + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_RESERVED, b.id);
	test_err_mock_domain_replace(EADDRINUSE, a.stdev_id, self->ioas2_id);
	test_ioctl_ioas_unmap_id(self->ioas2_id, 0x5000000, PAGE_SIZE);
	test_cmd_ioas_check_device(self->ioas2_id, a.id, &check);
	m_no_conflict();
	test_cmd_mock_domain_replace(a.stdev_id, self->ioas2_id);
	test_cmd_ioas_check_map(self->ioas2_id, WINDOW_START, PAGE_SIZE,
				&check);
	EXPECT_EQ(IOMMU_IOAS_CONFLICT_RESERVED, check.out_kind);
	EXPECT_NE(0, check.out_dev_id);

	/* The first IOAS is as it was in the beginning */
	EXPECT_ERRNO(EMSGSIZE, _test_cmd_ioas_iova_ranges(self->fd,
							  self->ioas_id,
							  &range, &num));
	EXPECT_EQ(1, num);
}

/* R6 */
TEST_F(iommufd_resv, holes)
{
	struct iommu_iova_range holes[] = {
		{ 0x6000000, 0x60fffff },
		{ 0x5000000, 0x50fffff },
	};
	struct iommu_test_resv resv =
		region(MOCK_RESV_DIRECT, 0x5000000, 0x100000);
	struct iommu_iova_range ranges[4], allowed = { 0x5000000, 0x5000001 };
	struct iommu_ioas_check check;
	struct dev dev;
	__u32 num = 4;

	test_cmd_ioas_set_holes(self->ioas_id, holes, 2);
	test_cmd_ioas_iova_ranges(self->ioas_id, ranges, &num);
	ASSERT_EQ(3, num);
	EXPECT_EQ(0, ranges[0].start);
	EXPECT_EQ(0x4ffffff, ranges[0].last);
	EXPECT_EQ(0x5100000, ranges[1].start);
	EXPECT_EQ(0x5ffffff, ranges[1].last);
	EXPECT_EQ(0x6100000, ranges[2].start);
	EXPECT_EQ(~0UL, ranges[2].last);

	test_err_ioctl_ioas_map_fixed(EINVAL, buffer, PAGE_SIZE, 0x5000000);
	m_check_map(0x4000000, 0x2000000);
	m_conflict(HOLE, 0x5000000, 0x50fffff, IOMMU_RESV_REGION_NONE, 0);
	test_err_ioas_allow_iovas(EADDRINUSE, self->ioas_id, &allowed, 1);

	/* A device that needs one, plugged later */
	dev = m_dev(&resv, 1);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x4000000);
	m_check_device(dev.id);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);

	/* A new set replaces the old one, holes of the device or not */
	holes[0].start = 0x5080000;
	holes[0].last = 0x5080000;
	test_cmd_ioas_set_holes(self->ioas_id, holes, 1);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x6000000);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x5000000);
	test_err_ioctl_ioas_map_fixed(EINVAL, buffer, PAGE_SIZE, 0x5080000);
	test_cmd_ioas_set_holes(self->ioas_id, NULL, 0);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x5080000);
}

/* R6: what is refused leaves the old set */
TEST_F(iommufd_resv, holes_errors)
{
	struct iommu_iova_range old = { 0x5000000, 0x50fffff };
	struct iommu_iova_range holes[3] = {
		{ 0x7000000, 0x7000000 },
		{ 0x6000000, 0x60fffff },
	};
	struct iommu_iova_range allowed = { 0x4000000, 0x40fffff };
	struct iommu_ioas_set_holes cmd = {
		.size = sizeof(cmd),
		.ioas_id = self->ioas_id,
		.__reserved = 1,
	};
	struct iommu_ioas_check check;

	test_cmd_ioas_set_holes(self->ioas_id, &old, 1);
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_IOAS_SET_HOLES, &cmd));
	test_err_ioas_set_holes(ENOENT, 0, holes, 2);
	test_err_ioas_set_holes(EFAULT, self->ioas_id, NULL, 1);
	holes[2].start = 0x60fffff;
	holes[2].last = 0x60fffff;
	test_err_ioas_set_holes(EINVAL, self->ioas_id, holes, 3);
	holes[2].start = 0x6100001;
	holes[2].last = 0x6100000;
	test_err_ioas_set_holes(EINVAL, self->ioas_id, holes, 3);

	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x8000000);
	holes[2].start = 0x8000000 + PAGE_SIZE - 1;
	holes[2].last = ~0ULL;
	test_err_ioas_set_holes(EADDRINUSE, self->ioas_id, holes, 3);
	test_cmd_ioas_allow_iovas(self->ioas_id, &allowed, 1);
	holes[2].start = 0;
	holes[2].last = 0x4000000;
	test_err_ioas_set_holes(EADDRINUSE, self->ioas_id, holes, 3);

	m_check_map(0x5000000, 0x100000);
	m_conflict(HOLE, 0x5000000, 0x50fffff, IOMMU_RESV_REGION_NONE, 0);
	m_check_map(0x6000000, 0x1100000);
	m_no_conflict();

	/* All of what is left, up to the last IOVA */
	holes[2].start = 0x8000000 + PAGE_SIZE;
	holes[2].last = ~0ULL;
	test_cmd_ioas_set_holes(self->ioas_id, holes, 3);
	m_check_map(0x5000000, 0x100000);
	m_no_conflict();
}

/* R6: automatic IOVAs keep out of them */
TEST_F(iommufd_resv, holes_auto)
{
	struct iommu_iova_range holes[2] = {
		{ 0, 0xfffffff },
		{ 0x10000000 + 4 * PAGE_SIZE, ~0ULL },
	};
	__u64 iova;
	int i;

	test_cmd_ioas_set_holes(self->ioas_id, holes, 2);
	for (i = 0; i != 3; i++) {
		test_ioctl_ioas_map(buffer, PAGE_SIZE, &iova);
		EXPECT_LE(0x10000000, iova);
		EXPECT_GE(0x10000000 + 3 * PAGE_SIZE, iova);
	}
	test_err_ioctl_ioas_map(ENOSPC, buffer, 4 * PAGE_SIZE, &iova);
}

/* R7: the window of a device is read, and moved before it is attached */
TEST_F(iommufd_resv, window)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	struct iommu_resv_region_info info;
	struct iommu_device_resv_regions cmd = {
		.num_regions = 1,
		.entry_size = sizeof(info),
		.regions = (uintptr_t)&info,
	};
	__u32 flags = IOMMU_RESV_REGION_ENFORCED | IOMMU_RESV_REGION_CHOSEN;
	struct iommu_iova_range ranges[3], ioas_ranges[3];
	struct iommu_test_pte pte;
	__u32 msi_id, hwpt_id, num = 3;
	struct dev dev;
	__u64 addr;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(&resv, 1);
	cmd.dev_id = dev.id;
	test_cmd_window(dev.id, WINDOW_START, 1);
	test_cmd_device_resv_regions(&cmd);
	expect_region(_metadata, &info, &resv, IOMMU_RESV_REGION_ENFORCED);

	test_cmd_set_window_start(dev.id, 0x20000000);
	test_cmd_window(dev.id, 0x20000000, 1);
	test_cmd_set_window_size(dev.id, 4);
	test_cmd_window(dev.id, 0x20000000, 4);
	resv.start = 0x20000000;
	resv.length = 4 * MIB;
	test_cmd_device_resv_regions(&cmd);
	ASSERT_EQ(1, cmd.num_regions);
	expect_region(_metadata, &info, &resv, flags);
	test_cmd_device_iova_ranges(dev.id, ranges, &num);
	ASSERT_EQ(2, num);

	/* The doorbell is at the new place, and the old one is free */
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, WINDOW_START);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, &hwpt_id);
	test_cmd_ioas_iova_ranges(self->ioas_id, ioas_ranges, &num);
	ASSERT_EQ(2, num);
	EXPECT_EQ(0, memcmp(ranges, ioas_ranges, 2 * sizeof(ranges[0])));
	test_cmd_msi_prepare(dev.stdev_id, doorbell(0), &addr, &msi_id);
	EXPECT_EQ(0x20000000 + doorbell(0) % PAGE_SIZE, addr);
	num = 0;
	test_cmd_md_ptes(hwpt_id, 0x20000000, 4 * MIB, NULL, &num);
	EXPECT_EQ(2, num);
	num = 1;
	test_cmd_md_ptes(hwpt_id, 0x20000000, PAGE_SIZE, &pte, &num);
	EXPECT_EQ(doorbell(0) & ~(PAGE_SIZE - 1), pte.phys);
	test_err_ioctl_ioas_map_fixed(EINVAL, buffer, PAGE_SIZE, 0x20000000);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, WINDOW_START + PAGE_SIZE);

	/* In use: attached, and with an interrupt */
	test_err_set_window_start(EBUSY, dev.id, 0x30000000);
	test_err_set_window_start(EBUSY, dev.id, 0x20000000);
	test_err_set_window_size(EBUSY, dev.id, 0);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_err_set_window_start(EBUSY, dev.id, 0x30000000);
	test_err_set_window_size(EBUSY, dev.id, 0);
	test_cmd_window(dev.id, 0x20000000, 4);
	test_cmd_msi_unprepare(dev.stdev_id, msi_id);

	/* Back to what the driver says */
	test_cmd_set_window_size(dev.id, 0);
	test_cmd_window(dev.id, WINDOW_START, 1);
	resv = region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	test_cmd_device_resv_regions(&cmd);
	expect_region(_metadata, &info, &resv, IOMMU_RESV_REGION_ENFORCED);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas2_id, NULL);
}

TEST_F(iommufd_resv, window_errors)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, 0x20000000, PAGE_SIZE),
		region(MOCK_RESV_DIRECT_RELAXABLE, 0x30000000, PAGE_SIZE),
	};
	struct iommu_test_resv sibling_resv[] = {
		resv[0],
		region(MOCK_RESV_DIRECT, 0x40000000, PAGE_SIZE),
	};
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_SW_MSI_START,
		.op = 2,
	};
	struct dev dev, none, hw;
	__u64 val = 0;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(resv, 3);
	make_dev(_metadata, self->fd, sibling_resv, 2, 0, &dev);
	none = m_dev(&resv[1], 1);
	resv[1].type = MOCK_RESV_MSI;
	hw = m_dev(resv, 2);

	test_err_set_window_start(ENOENT, ~0U, 0x10000000);
	test_err_set_window_size(ENOENT, self->ioas_id, 1);
	EXPECT_ERRNO(ENOENT, _test_cmd_option(self->fd,
					      IOMMU_OPTION_SW_MSI_START,
					      IOMMU_OPTION_OP_GET, ~0U, &val));
	test_err_set_window_start(EOPNOTSUPP, none.id, 0x10000000);
	test_err_set_window_size(EOPNOTSUPP, none.id, 0);
	test_err_set_window_start(EOPNOTSUPP, hw.id, 0x10000000);
	test_cmd_window(none.id, 0, 0);
	test_cmd_window(hw.id, 0, 0);
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_OPTION, &cmd));
	cmd.op = IOMMU_OPTION_OP_SET;
	cmd.__reserved = 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_OPTION, &cmd));

	test_err_set_window_start(EINVAL, dev.id, 0x10000000 + PAGE_SIZE / 2);
	test_err_set_window_start(EOVERFLOW, dev.id, -PAGE_SIZE);
	test_err_set_window_size(EOVERFLOW, dev.id, ~0ULL);
	test_err_set_window_size(EOVERFLOW, dev.id, 1ULL << 44);
	test_err_set_window_size(EOVERFLOW, dev.id, (1ULL << 44) - 1);
	test_err_set_window_start(EADDRNOTAVAIL, dev.id,
				  APERTURE_START - PAGE_SIZE);
	test_err_set_window_start(EADDRNOTAVAIL, dev.id,
				  APERTURE_LAST + 1 - MIB + PAGE_SIZE);
	test_err_set_window_start(EADDRINUSE, dev.id, 0x20000000);
	test_err_set_window_start(EADDRINUSE, dev.id,
				  0x20000000 - MIB + PAGE_SIZE);
	/* Of the sibling */
	test_err_set_window_start(EADDRINUSE, dev.id, 0x40000000);
	test_cmd_window(dev.id, WINDOW_START, 1);

	test_cmd_set_window_start(dev.id, APERTURE_LAST + 1 - MIB);
	test_cmd_set_window_start(dev.id, APERTURE_START);
	test_cmd_set_window_start(dev.id, 0x30000000);
	test_cmd_set_window_start(dev.id, 0x20000000 - MIB);
	test_err_set_window_size(EADDRINUSE, dev.id, 2);
	test_cmd_set_window_start(dev.id, 0x20000000 + PAGE_SIZE);
	test_cmd_window(dev.id, 0x20000000 + PAGE_SIZE, 1);
}

/* R7: the default of the fd, for groups that come later */
TEST_F(iommufd_resv, window_default)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, 0x20000000, PAGE_SIZE),
	};
	struct mock_device_args args = { .resv = resv, .resv_num = 2 };
	struct dev before, after;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	before = m_dev(resv, 2);
	test_cmd_window(0, 0, 0);
	test_err_set_window_start(EINVAL, 0, 1);
	test_err_set_window_size(EOVERFLOW, 0, ~0ULL);

	test_cmd_set_window_start(0, 0x30000000);
	test_cmd_window(0, 0x30000000, 0);
	after = m_dev(resv, 2);
	test_cmd_window(after.id, 0x30000000, 1);
	test_cmd_window(before.id, WINDOW_START, 1);
	test_cmd_set_window_size(0, 8);
	test_cmd_window(0, 0x30000000, 8);
	after = m_dev(resv, 2);
	test_cmd_window(after.id, 0x30000000, 8);
	/* A sibling belongs to the group that is there */
	make_dev(_metadata, self->fd, resv, 1, 0, &before);
	test_cmd_window(before.id, WINDOW_START, 1);
	/* One device can differ */
	test_cmd_set_window_size(after.id, 0);
	test_cmd_window(after.id, WINDOW_START, 1);
	/* No window, no error */
	test_cmd_window(m_dev(&resv[1], 1).id, 0, 0);

	/* What does not fit */
	test_err_set_window_start(EOVERFLOW, 0, -PAGE_SIZE);
	test_cmd_set_window_start(0, 0x20000000);
	test_err_mock_device(EADDRINUSE, 0, &args);
	test_cmd_set_window_start(0, 0);
	test_err_mock_device(EADDRNOTAVAIL, 0, &args);
	test_cmd_set_window_size(0, 0);
	test_cmd_window(0, 0, 0);
	test_cmd_set_window_start(0, -PAGE_SIZE);
	test_err_mock_device(EOVERFLOW, 0, &args);
	test_cmd_set_window_size(0, 0);
	/* Only the size */
	test_cmd_set_window_size(0, 2);
	test_cmd_window(m_dev(resv, 2).id, WINDOW_START, 2);
}

/* M10: a device joins the group after the first one was bound */
TEST_F(iommufd_resv, window_late)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_MSI, 0x20000000, 0x10000),
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, 0x30000000, PAGE_SIZE),
	};
	struct mock_device_args args = { .resv = resv, .resv_num = 1 };
	struct dev dev, sibling;
	__u32 msi_id;
	__u64 addr;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(&resv[1], 1);
	test_cmd_window(dev.id, WINDOW_START, 1);

	/* The window is in use, and then it is not */
	args.group_stdev_id = dev.stdev_id;
	test_cmd_msi_prepare(dev.stdev_id, doorbell(0), &addr, &msi_id);
	test_err_mock_device(EBUSY, 0, &args);
	test_cmd_msi_unprepare(dev.stdev_id, msi_id);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	test_err_mock_device(EBUSY, 0, &args);
	test_cmd_window(dev.id, WINDOW_START, 1);
	/* One that changes nothing can come at any time */
	sibling = make_dev(_metadata, self->fd, &resv[1], 2, 0, &dev);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_ioctl_destroy(sibling.stdev_id);
	sibling = make_dev(_metadata, self->fd, resv, 1, 0, &dev);
	test_cmd_window(dev.id, 0, 0);
	test_cmd_msi_prepare(dev.stdev_id, doorbell(0), &addr, &msi_id);
	EXPECT_EQ(doorbell(0), addr);
	test_cmd_msi_unprepare(dev.stdev_id, msi_id);
	test_ioctl_destroy(sibling.stdev_id);
	test_ioctl_destroy(dev.stdev_id);

	/* A window that was chosen, and the region of a newcomer */
	dev = m_dev(&resv[1], 1);
	test_cmd_set_window_start(dev.id, 0x30000000);
	args.group_stdev_id = dev.stdev_id;
	args.resv = &resv[1];
	args.resv_num = 2;
	test_err_mock_device(EADDRINUSE, 0, &args);
	test_cmd_window(dev.id, 0x30000000, 1);
}

/*
 * R5: random steps. A dry run before each must say what a model of the IOAS
 * says, and what the real run then does.
 */
#define NUM_DEVS 6
#define NUM_DEV_REGIONS 3
#define NUM_SETS 4
#define NUM_MAPS 16
/* All happens around the end of the low aperture, in units of a page */
#define PLAY_PAGES 64
#define PLAY_START \
	((__u64)MOCK_APERTURE_LOW_LAST + 1 - PLAY_PAGES / 2 * PAGE_SIZE)

struct model_dev {
	struct dev dev;
	bool low;
	bool attached;
	__u32 hwpt_id;
	/* The aperture of the HWPT is that of the device it was made for */
	bool hwpt_low;
	unsigned int num_regions;
	struct iommu_test_resv regions[NUM_DEV_REGIONS];
	bool has_window;
	struct iommu_iova_range window;
};

struct model_set {
	unsigned int num;
	struct iommu_iova_range ranges[NUM_MAPS];
};

struct model {
	unsigned int seed;
	int fd;
	__u32 ioas_id;
	struct model_dev devs[NUM_DEVS];
	struct model_set maps;
	struct model_set allowed;
	struct model_set holes;
	unsigned int step;
	unsigned int num_refused;
};

/* The conflict that is to be expected. More than one region can be to blame. */
struct model_conflict {
	__u32 kind;
	__u64 start;
	__u64 last;
	unsigned int num;
	struct {
		__u64 last;
		__u32 type;
		__u32 dev_id;
	} blame[NUM_DEVS * NUM_DEV_REGIONS + NUM_SETS];
};

static unsigned int rnd(struct model *m, unsigned int below)
{
	return (rand_r(&m->seed) >> 4) % below;
}

static struct iommu_iova_range rnd_range(struct model *m, unsigned int max)
{
	unsigned int start = rnd(m, PLAY_PAGES - max);
	unsigned int pages = 1 + rnd(m, max);

	return (struct iommu_iova_range){
		.start = PLAY_START + start * PAGE_SIZE,
		.last = PLAY_START + (start + pages) * PAGE_SIZE - 1,
	};
}

static bool overlaps(const struct iommu_iova_range *a,
		     const struct iommu_iova_range *b)
{
	return a->start <= b->last && a->last >= b->start;
}

static bool set_overlaps(const struct model_set *set,
			 const struct iommu_iova_range *range)
{
	unsigned int i;

	for (i = 0; i != set->num; i++)
		if (overlaps(&set->ranges[i], range))
			return true;
	return false;
}

static void model_conflict_add(struct model_conflict *c, __u32 kind,
			       const struct iommu_iova_range *a,
			       const struct iommu_iova_range *b, __u32 type,
			       __u32 dev_id)
{
	__u64 start = a->start > b->start ? a->start : b->start;
	__u64 last = a->last < b->last ? a->last : b->last;

	if (start > last)
		return;
	if (c->num && (start > c->start ||
		       (start == c->start && kind > c->kind)))
		return;
	if (start != c->start || kind != c->kind)
		c->num = 0;
	c->kind = kind;
	c->start = start;
	c->blame[c->num].last = last;
	c->blame[c->num].type = type;
	c->blame[c->num++].dev_id = dev_id;
}

static void model_conflict_set(struct model_conflict *c, __u32 kind,
			       const struct iommu_iova_range *range,
			       const struct model_set *set, __u32 type,
			       __u32 dev_id)
{
	unsigned int i;

	for (i = 0; i != set->num; i++)
		model_conflict_add(c, kind, range, &set->ranges[i], type,
				   dev_id);
}

static struct iommu_iova_range region_range(const struct iommu_test_resv *resv)
{
	return (struct iommu_iova_range){
		.start = resv->start,
		.last = resv->start + resv->length - 1,
	};
}

static bool region_counts(const struct model_dev *dev,
			  const struct iommu_test_resv *resv)
{
	if (resv->type == MOCK_RESV_SW_MSI)
		return !dev->has_window;
	return resv->type != MOCK_RESV_DIRECT_RELAXABLE;
}

static struct iommu_iova_range above(bool low)
{
	return (struct iommu_iova_range){
		.start = (low ? (__u64)MOCK_APERTURE_LOW_LAST : APERTURE_LAST) +
			 1,
		.last = ~0UL,
	};
}

static void model_device(struct model *m, struct model_dev *dev,
			 struct model_conflict *c)
{
	struct iommu_iova_range outside = above(dev->low);
	__u32 id = dev->dev.id;
	unsigned int i;

	for (i = 0; i != dev->num_regions; i++) {
		struct iommu_iova_range range = region_range(&dev->regions[i]);
		__u32 type = dev->regions[i].type;

		if (!region_counts(dev, &dev->regions[i]))
			continue;
		model_conflict_set(c, IOMMU_IOAS_CONFLICT_MAPPED, &range,
				   &m->maps, type, id);
		model_conflict_set(c, IOMMU_IOAS_CONFLICT_ALLOWED, &range,
				   &m->allowed, type, id);
	}
	model_conflict_set(c, IOMMU_IOAS_CONFLICT_APERTURE, &outside, &m->maps,
			   IOMMU_RESV_REGION_NONE, id);
	model_conflict_set(c, IOMMU_IOAS_CONFLICT_ALLOWED, &outside,
			   &m->allowed, IOMMU_RESV_REGION_NONE, id);
	if (!dev->has_window)
		return;
	model_conflict_set(c, IOMMU_IOAS_CONFLICT_MAPPED, &dev->window,
			   &m->maps, IOMMU_RESV_REGION_SW_MSI, id);
	model_conflict_set(c, IOMMU_IOAS_CONFLICT_ALLOWED, &dev->window,
			   &m->allowed, IOMMU_RESV_REGION_SW_MSI, id);
	model_conflict_add(c, IOMMU_IOAS_CONFLICT_APERTURE, &dev->window,
			   &outside, IOMMU_RESV_REGION_SW_MSI, id);
	for (i = 0; i != NUM_DEVS; i++) {
		struct model_dev *other = &m->devs[i];

		if (other->attached && other->has_window &&
		    (other->window.start != dev->window.start ||
		     other->window.last != dev->window.last))
			model_conflict_add(c, IOMMU_IOAS_CONFLICT_WINDOW,
					   &dev->window, &other->window,
					   IOMMU_RESV_REGION_SW_MSI, id);
	}
}

/* Is there a HWPT with a low aperture */
static bool model_low(struct model *m)
{
	unsigned int i;

	for (i = 0; i != NUM_DEVS; i++)
		if (m->devs[i].attached && m->devs[i].hwpt_low)
			return true;
	return false;
}

static void model_map(struct model *m, const struct iommu_iova_range *map,
		      struct model_conflict *c)
{
	struct iommu_iova_range outside = above(true);
	unsigned int i, j;

	model_conflict_set(c, IOMMU_IOAS_CONFLICT_MAPPED, map, &m->maps,
			   IOMMU_RESV_REGION_NONE, 0);
	model_conflict_set(c, IOMMU_IOAS_CONFLICT_HOLE, map, &m->holes,
			   IOMMU_RESV_REGION_NONE, 0);
	if (model_low(m))
		model_conflict_add(c, IOMMU_IOAS_CONFLICT_APERTURE, map,
				   &outside, IOMMU_RESV_REGION_NONE, 0);
	for (i = 0; i != NUM_DEVS; i++) {
		struct model_dev *dev = &m->devs[i];

		if (!dev->attached)
			continue;
		for (j = 0; j != dev->num_regions; j++) {
			struct iommu_iova_range range =
				region_range(&dev->regions[j]);

			if (region_counts(dev, &dev->regions[j]))
				model_conflict_add(c,
						   IOMMU_IOAS_CONFLICT_RESERVED,
						   map, &range,
						   dev->regions[j].type,
						   dev->dev.id);
		}
		if (dev->has_window)
			model_conflict_add(c, IOMMU_IOAS_CONFLICT_RESERVED, map,
					   &dev->window,
					   IOMMU_RESV_REGION_SW_MSI,
					   dev->dev.id);
	}
}

static void model_compare(struct __test_metadata *_metadata, struct model *m,
			  const struct model_conflict *c,
			  const struct iommu_ioas_check *check, int rc)
{
	unsigned int i;

	ASSERT_EQ(c->num ? c->kind : IOMMU_IOAS_CONFLICT_NONE,
		  check->out_kind)
		TH_LOG("step %u", m->step);
	ASSERT_EQ(!c->num, !rc)
		TH_LOG("step %u", m->step);
	if (!c->num) {
		ASSERT_EQ(IOMMU_RESV_REGION_NONE, check->out_region_type);
		return;
	}
	m->num_refused++;
	ASSERT_EQ(c->start, check->out_start)
		TH_LOG("step %u", m->step);
	for (i = 0; i != c->num; i++)
		if (c->blame[i].last == check->out_last &&
		    c->blame[i].type == check->out_region_type &&
		    c->blame[i].dev_id == check->out_dev_id)
			return;
	ASSERT_TRUE(false)
		TH_LOG("step %u: wrong region %u of device %u", m->step,
		       check->out_region_type, check->out_dev_id);
}

static void step_map(struct __test_metadata *_metadata, struct model *m)
{
	struct iommu_iova_range map = rnd_range(m, 4);
	__u64 length = map.last - map.start + 1;
	struct model_conflict c = {};
	struct iommu_ioas_check check;
	__u64 iova = map.start;
	int rc;

	if (m->maps.num == NUM_MAPS)
		return;
	model_map(m, &map, &c);
	ASSERT_EQ(0, _test_cmd_ioas_check_map(m->fd, m->ioas_id, map.start,
					      length, &check));
	rc = _test_ioctl_ioas_map(m->fd, m->ioas_id, buffer, length, &iova,
				  IOMMU_IOAS_MAP_FIXED_IOVA |
					  IOMMU_IOAS_MAP_WRITEABLE |
					  IOMMU_IOAS_MAP_READABLE);
	model_compare(_metadata, m, &c, &check, rc);
	if (!rc)
		m->maps.ranges[m->maps.num++] = map;
}

static void step_unmap(struct __test_metadata *_metadata, struct model *m)
{
	struct iommu_iova_range *map;

	if (!m->maps.num)
		return;
	map = &m->maps.ranges[rnd(m, m->maps.num)];
	ASSERT_EQ(0, _test_ioctl_ioas_unmap(m->fd, m->ioas_id, map->start,
					    map->last - map->start + 1, NULL));
	*map = m->maps.ranges[--m->maps.num];
}

/* Ranges that do not overlap */
static void rnd_set(struct model *m, struct model_set *set)
{
	unsigned int num = rnd(m, NUM_SETS), tries = 8;
	struct iommu_iova_range range;

	set->num = 0;
	while (set->num < num && tries--) {
		range = rnd_range(m, 6);
		if (!set_overlaps(set, &range))
			set->ranges[set->num++] = range;
	}
}

static void step_holes(struct __test_metadata *_metadata, struct model *m)
{
	bool refused = false;
	struct model_set set;
	unsigned int i;
	int rc;

	rnd_set(m, &set);
	for (i = 0; i != set.num; i++)
		if (set_overlaps(&m->maps, &set.ranges[i]) ||
		    set_overlaps(&m->allowed, &set.ranges[i]))
			refused = true;
	rc = _test_cmd_ioas_set_holes(m->fd, m->ioas_id, set.ranges, set.num);
	ASSERT_EQ(refused ? -1 : 0, rc)
		TH_LOG("step %u", m->step);
	if (!rc)
		m->holes = set;
	else
		ASSERT_EQ(EADDRINUSE, errno);
}

static void step_allow(struct __test_metadata *_metadata, struct model *m)
{
	struct iommu_iova_range outside = above(true);
	bool refused = false;
	struct model_set set;
	unsigned int i, j, k;
	int rc;

	rnd_set(m, &set);
	for (i = 0; i != set.num; i++) {
		struct iommu_iova_range *range = &set.ranges[i];

		refused |= set_overlaps(&m->holes, range);
		refused |= model_low(m) && overlaps(range, &outside);
		for (j = 0; j != NUM_DEVS; j++) {
			struct model_dev *dev = &m->devs[j];

			for (k = 0; dev->attached && k != dev->num_regions;
			     k++) {
				struct iommu_iova_range r =
					region_range(&dev->regions[k]);

				if (region_counts(dev, &dev->regions[k]))
					refused |= overlaps(range, &r);
			}
			if (dev->attached && dev->has_window)
				refused |= overlaps(range, &dev->window);
		}
	}
	rc = _test_cmd_ioas_allow_iovas(m->fd, m->ioas_id, set.ranges,
					set.num);
	ASSERT_EQ(refused ? -1 : 0, rc)
		TH_LOG("step %u", m->step);
	if (!rc)
		m->allowed = set;
}

static void step_attach(struct __test_metadata *_metadata, struct model *m)
{
	struct model_dev *dev = &m->devs[rnd(m, NUM_DEVS)];
	struct model_conflict c = {};
	struct iommu_ioas_check check;
	unsigned int i;
	int rc;

	if (dev->attached) {
		ASSERT_EQ(0, _test_cmd_mock_device_detach(m->fd,
							  dev->dev.stdev_id));
		dev->attached = false;
		return;
	}
	model_device(m, dev, &c);
	ASSERT_EQ(0, _test_cmd_ioas_check_device(m->fd, m->ioas_id, dev->dev.id,
						 &check));
	rc = _test_cmd_mock_device_attach(m->fd, dev->dev.stdev_id, m->ioas_id,
					  &dev->hwpt_id);
	model_compare(_metadata, m, &c, &check, rc);
	if (rc)
		return;

	dev->hwpt_low = dev->low;
	for (i = 0; i != NUM_DEVS; i++)
		if (m->devs[i].attached && m->devs[i].hwpt_id == dev->hwpt_id)
			dev->hwpt_low = m->devs[i].hwpt_low;
	dev->attached = true;
}

/* A device goes, and one with other regions comes */
static void step_replug(struct __test_metadata *_metadata, struct model *m,
			struct model_dev *dev)
{
	unsigned int num_sw = 0, num_hw = 0, i;

	if (dev->dev.stdev_id)
		ASSERT_EQ(0, _test_ioctl_destroy(m->fd, dev->dev.stdev_id));
	memset(dev, 0, sizeof(*dev));
	dev->low = !rnd(m, 4);
	dev->num_regions = rnd(m, NUM_DEV_REGIONS + 1);
	for (i = 0; i != dev->num_regions; i++) {
		struct iommu_iova_range range = rnd_range(m, 4);
		__u32 type = rnd(m, 5);

		/* The same window now and then, and only one a device */
		if (type == MOCK_RESV_SW_MSI && num_sw++)
			type = MOCK_RESV_DIRECT;
		if (type == MOCK_RESV_SW_MSI && rnd(m, 2))
			range = (struct iommu_iova_range){
				PLAY_START, PLAY_START + PAGE_SIZE - 1
			};
		num_hw += type == MOCK_RESV_MSI;
		dev->regions[i] = region(type, range.start,
					 range.last - range.start + 1);
		if (type == MOCK_RESV_SW_MSI)
			dev->window = range;
	}
	dev->has_window = num_sw && !num_hw;
	dev->dev = make_dev(_metadata, m->fd, dev->regions, dev->num_regions,
			    dev->low ? MOCK_FLAGS_DEVICE_LOW_APERTURE : 0,
			    NULL);
}

static unsigned int env_num(const char *name, unsigned int value)
{
	const char *env = getenv(name);

	return env ? strtoul(env, NULL, 0) : value;
}

FIXTURE(iommufd_resv_random)
{
	struct model m;
};

FIXTURE_VARIANT(iommufd_resv_random)
{
	unsigned int seed;
};

FIXTURE_VARIANT_ADD(iommufd_resv_random, seed1)
{
	.seed = 1,
};

FIXTURE_VARIANT_ADD(iommufd_resv_random, seed2)
{
	.seed = 2,
};

FIXTURE_VARIANT_ADD(iommufd_resv_random, seed3)
{
	.seed = 3,
};

FIXTURE_SETUP(iommufd_resv_random)
{
	const char *missing;
	unsigned int i;

	memset(&self->m, 0, sizeof(self->m));
	self->m.fd = open("/dev/iommu", O_RDWR);
	if (self->m.fd < 0)
		SKIP(return, "no /dev/iommu");
	missing = msi_missing(self->m.fd);
	if (missing)
		SKIP(return, "%s", missing);
	self->m.seed = env_num("IOMMUFD_RESV_SEED", variant->seed);
	ASSERT_EQ(0, _test_ioctl_ioas_alloc(self->m.fd, &self->m.ioas_id));
	for (i = 0; i != NUM_DEVS; i++)
		step_replug(_metadata, &self->m, &self->m.devs[i]);
}

FIXTURE_TEARDOWN(iommufd_resv_random)
{
	if (self->m.fd >= 0)
		ASSERT_EQ(0, close(self->m.fd));
}

TEST_F(iommufd_resv_random, steps)
{
	unsigned int num = env_num("IOMMUFD_RESV_STEPS", 3000);
	struct model *m = &self->m;
	struct model_dev *dev;

	TH_LOG("seed %u, %u steps",
	       env_num("IOMMUFD_RESV_SEED", variant->seed), num);
	for (m->step = 0; m->step != num; m->step++) {
		switch (rnd(m, 16)) {
		case 0:
			step_holes(_metadata, m);
			break;
		case 1:
			step_allow(_metadata, m);
			break;
		case 2:
			dev = &m->devs[rnd(m, NUM_DEVS)];
			step_replug(_metadata, m, dev);
			break;
		case 3 ... 8:
			step_attach(_metadata, m);
			break;
		case 9 ... 12:
			step_map(_metadata, m);
			break;
		default:
			step_unmap(_metadata, m);
			break;
		}
	}
	TH_LOG("%u were refused", m->num_refused);
	EXPECT_LT(num / 16, m->num_refused);
}

TEST_HARNESS_MAIN
