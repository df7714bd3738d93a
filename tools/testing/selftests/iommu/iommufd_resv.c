// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what iommufd tells about reserved regions, and lets one do about
 * them. They need no hardware: mock devices have regions of every type, anywhere
 * and as many as wanted.
 *
 * IOMMUFD_RESV_SEED= and IOMMUFD_RESV_STEPS= change the random test.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

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
			    const struct iommu_iova_conflict *conflict,
			    __u32 kind, __u64 start, __u64 last, __u32 type,
			    __u32 dev_id)
{
	EXPECT_EQ(kind, conflict->kind);
	EXPECT_EQ(start, conflict->start);
	EXPECT_EQ(last, conflict->last);
	EXPECT_EQ(type, conflict->region_type);
	EXPECT_EQ(dev_id, conflict->dev_id);
	EXPECT_EQ(0, conflict->__reserved);
}

/* The n-th conflict of @check */
#define m_conflict_n(n, _kind, start, last, type, dev_id)                    \
	({                                                                   \
		unsigned int nth = n;                                        \
									     \
		ASSERT_LT(nth, check.num);                                   \
		expect_conflict(_metadata, &check.conflicts[nth],            \
				IOMMU_IOVA_CONFLICT_##_kind, start, last, type, \
				dev_id);                                     \
	})
/* There is just this one */
#define m_conflict(_kind, start, last, type, dev_id)                \
	({                                                          \
		EXPECT_EQ(1, check.num);                            \
		m_conflict_n(0, _kind, start, last, type, dev_id);  \
	})
#define m_no_conflict() EXPECT_EQ(0, check.num)
#define m_check_device(dev_id) \
	test_cmd_ioas_check_device(self->ioas_id, dev_id, &check)
#define m_check_map(iova, length) \
	test_cmd_ioas_check_map(self->ioas_id, iova, length, &check)

/* Every type, sorted, with its protection and whether it is enforced */
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

/* Regions that overlap, touch, or are nothing, up to the very last IOVA */
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

/* The aperture is not known, then it is everything and refuses nothing */
TEST_F(iommufd_resv, no_aperture)
{
	struct iommu_device_resv_regions cmd = {
		.entry_size = sizeof(struct iommu_resv_region_info),
	};
	struct iommu_device_iova_ranges ranges = { .size = sizeof(ranges) };
	struct resv_check check;
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
	ranges.dev_id = cmd.dev_id;
	EXPECT_ERRNO(EMSGSIZE,
		     ioctl(self->fd, IOMMU_DEVICE_IOVA_RANGES, &ranges));
	EXPECT_EQ(0, ranges.out_flags);

	/* The dry run cannot promise anything then, and says so */
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0);
	m_check_device(cmd.dev_id);
	m_no_conflict();
	EXPECT_EQ(0, check.cmd.out_flags);
	m_check_device(m_dev(NULL, 0).id);
	EXPECT_EQ(1, check.num);
	EXPECT_EQ(IOMMU_DEVICE_APERTURE_KNOWN, check.cmd.out_flags);
}

/* The number of the IOMMU group of a device */
static __u32 group_id(struct __test_metadata *_metadata, int fd, __u32 dev_id)
{
	struct iommu_device_resv_regions cmd = {
		.dev_id = dev_id,
		.entry_size = sizeof(struct iommu_resv_region_info),
	};

	if (_test_cmd_device_resv_regions(fd, &cmd))
		ASSERT_EQ(EMSGSIZE, errno);
	return cmd.out_group_id;
}

static void many_regions(struct iommu_test_resv *resv, unsigned int num)
{
	unsigned int i;

	for (i = 0; i != num; i++)
		resv[i] = region(i % 3, APERTURE_START + i * 0x10000, 0x1000);
}

/* Hundreds of regions, and any room for them */
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

/* The same for ranges, and they are those of an IOAS after the attach */
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

/* Entries shorter and longer than those of the kernel */
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
	test_err_device_resv_regions(EINVAL, &cmd);
	cmd.entry_size = ~7U;
	test_err_device_resv_regions(EINVAL, &cmd);

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
	cmd.__reserved = 1;
	test_err_device_resv_regions(EOPNOTSUPP, &cmd);
	cmd.__reserved = 0;
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
	ranges.flags = 1;
	EXPECT_ERRNO(EOPNOTSUPP,
		     ioctl(self->fd, IOMMU_DEVICE_IOVA_RANGES, &ranges));
}

/* Nothing is left, or one byte of each end */
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

/* The driver fails, after it has reported a part */
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
	struct resv_check check;
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
		test_err_set_window(ENOMEM, dev.id, 0x9000000, MIB);
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

	/* A replace that fails leaves the device where it is */
	test_cmd_mock_device_resv(dev.stdev_id, resv, 2, ENOMEM);
	test_err_mock_domain_replace(ENOMEM, dev.stdev_id, self->ioas2_id);
	test_err_ioctl_ioas_map_fixed(EINVAL, buffer, PAGE_SIZE, 0x5000000);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x5000000);
}

/* What is in the way of a device, all of it, lowest first */
TEST_F(iommufd_resv, check_device)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_RESERVED, 0x6000000, 0x100000),
		region(MOCK_RESV_DIRECT, 0x5000000, 0x100000),
		region(MOCK_RESV_DIRECT_RELAXABLE, 0x4000000, 0x100000),
	};
	struct iommu_iova_range allowed = { 0x5080000, 0x5ffffff };
	struct resv_check check;
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
	ASSERT_EQ(2, check.num);
	m_conflict_n(0, ALLOWED, 0x5080000, 0x50fffff,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	m_conflict_n(1, MAPPED, 0x6100000 - PAGE_SIZE, 0x60fffff,
		     IOMMU_RESV_REGION_RESERVED, dev.id);

	/* At the same IOVA the mapping goes first */
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x5080000);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0);
	m_check_device(dev.id);
	ASSERT_EQ(4, check.num);
	m_conflict_n(0, APERTURE, 0, PAGE_SIZE - 1, IOMMU_RESV_REGION_NONE,
		     dev.id);
	m_conflict_n(1, MAPPED, 0x5080000, 0x5080000 + PAGE_SIZE - 1,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	m_conflict_n(2, ALLOWED, 0x5080000, 0x50fffff,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	m_conflict_n(3, MAPPED, 0x6100000 - PAGE_SIZE, 0x60fffff,
		     IOMMU_RESV_REGION_RESERVED, dev.id);

	test_ioctl_ioas_unmap(0, -1);
	test_cmd_ioas_allow_iovas(self->ioas_id, NULL, 0);
	m_check_device(dev.id);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);

	/* Its own regions are not in the way */
	m_check_device(dev.id);
	m_no_conflict();
}

/* What is promised can be outside of the aperture, too */
TEST_F(iommufd_resv, check_aperture)
{
	struct iommu_iova_range allowed = { APERTURE_LAST - 0xfff, ~0ULL - 1 };
	struct resv_check check;
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

/* Windows that overlap and are not the same, or leave the aperture */
TEST_F(iommufd_resv, check_window)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	struct resv_check check;
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
	/* Would be a replace */
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

/* One window over two that are in the IOAS */
TEST_F(iommufd_resv, check_windows)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	struct resv_check check;
	struct dev dev, big;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(&resv, 1);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	resv.start += 2 * WINDOW_LENGTH;
	dev = m_dev(&resv, 1);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	resv.start = WINDOW_START + WINDOW_LENGTH / 2;
	resv.length = 4 * WINDOW_LENGTH;
	big = m_dev(&resv, 1);
	m_check_device(big.id);
	ASSERT_EQ(2, check.num);
	m_conflict_n(0, WINDOW, resv.start, WINDOW_START + WINDOW_LENGTH - 1,
		     IOMMU_RESV_REGION_SW_MSI, big.id);
	m_conflict_n(1, WINDOW, WINDOW_START + 2 * WINDOW_LENGTH,
		     WINDOW_START + 3 * WINDOW_LENGTH - 1,
		     IOMMU_RESV_REGION_SW_MSI, big.id);
	test_err_mock_device_attach(EADDRINUSE, big.stdev_id, self->ioas_id);
}

/* What is in the way of a mapping */
TEST_F(iommufd_resv, check_map)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_MSI, 0x5000000, 0x100000),
		region(MOCK_RESV_DIRECT, 0x5000000, 0x200000),
	};
	struct iommu_iova_range hole = { 0x5100000, 0x6ffffff };
	struct resv_check check;
	struct dev dev = m_dev(resv, 2);

	m_check_map(1, 1);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	m_check_map(0x4000000, PAGE_SIZE);
	m_no_conflict();

	m_check_map(0x5000001, PAGE_SIZE);
	ASSERT_EQ(3, check.num);
	m_conflict_n(0, RESERVED, 0x5000001, 0x5000000 + PAGE_SIZE,
		     check.conflicts[0].region_type, dev.id);
	m_conflict_n(1, RESERVED, 0x5000001, 0x5000000 + PAGE_SIZE,
		     check.conflicts[1].region_type, dev.id);
	m_conflict_n(2, ALIGNMENT, 0x5000001, 0x5000000 + PAGE_SIZE,
		     IOMMU_RESV_REGION_NONE, 0);
	m_check_map(0x4000000, 1);
	m_conflict(ALIGNMENT, 0x4000000, 0x4000000, IOMMU_RESV_REGION_NONE, 0);

	m_check_map(0x4000000, 0x1100000);
	ASSERT_EQ(2, check.num);
	m_conflict_n(0, RESERVED, 0x5000000, 0x50fffff,
		     IOMMU_RESV_REGION_HW_MSI, dev.id);
	m_conflict_n(1, RESERVED, 0x5000000, 0x50fffff,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	m_check_map(0x5100000, 0x1000000);
	m_conflict(RESERVED, 0x5100000, 0x51fffff, IOMMU_RESV_REGION_DIRECT,
		   dev.id);
	test_cmd_ioas_set_holes(self->ioas_id, &hole, 1);
	m_check_map(0x5100000, 0x1000000);
	ASSERT_EQ(2, check.num);
	m_conflict_n(0, RESERVED, 0x5100000, 0x51fffff,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	m_conflict_n(1, HOLE, 0x5100000, 0x60fffff, IOMMU_RESV_REGION_NONE, 0);
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
	ASSERT_EQ(3, check.num);
	m_conflict_n(0, MAPPED, 0x4ff0000, 0x4ff0000 + PAGE_SIZE - 1,
		     IOMMU_RESV_REGION_NONE, 0);
	m_conflict_n(1, RESERVED, 0x5000000, 0x50fffff,
		     IOMMU_RESV_REGION_HW_MSI, dev.id);
	m_conflict_n(2, RESERVED, 0x5000000, 0x50fffff,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	EXPECT_EQ(group_id(_metadata, self->fd, dev.id),
		  check.conflicts[2].group_id);
	EXPECT_EQ(0, check.conflicts[2].range_index);
	EXPECT_EQ(IOMMU_IOVA_CONFLICT_NO_GROUP, check.conflicts[0].group_id);

	test_ioctl_destroy(dev.stdev_id);
	m_check_map(0x5000000, 0x100000);
	m_no_conflict();
}

TEST_F(iommufd_resv, check_errors)
{
	static const __u32 bad_sizes[] = { 8, 32, 39, 41, 44, 4104, ~7U };
	struct iommu_iova_range range = { 2, 1 };
	struct iommu_ioas_check bad = {
		.size = sizeof(bad),
		.pt_id = self->ioas_id,
	};
	__u32 dev_id = m_dev(NULL, 0).id;
	struct iommu_iova_range *many;
	struct resv_check check;
	unsigned int i;

	test_err_ioas_check_device(ENOENT, 0, dev_id, &check);
	test_err_ioas_check_device(ENOENT, dev_id, dev_id, &check);
	test_err_ioas_check_device(ENOENT, ~0U, dev_id, &check);
	test_err_ioas_check_device(ENOENT, self->ioas_id, self->ioas_id,
				   &check);
	test_err_ioas_check_map(ENOENT, 0, 0, 1, &check);
	/* Neither a device nor a range */
	test_err_ioas_check(EINVAL, self->ioas_id, 0, NULL, 0, &check);
	test_err_ioas_check(EINVAL, self->ioas_id, 0, &range, 1, &check);
	test_err_ioas_check(EFAULT, self->ioas_id, 0, NULL, 1, &check);
	test_err_ioas_check_map(EOVERFLOW, self->ioas_id, ~0UL, 1, &check);
	test_err_ioas_check_map(EOVERFLOW, self->ioas_id, 0, ~0UL, &check);
	test_err_ioas_check_map(EOVERFLOW, self->ioas_id, 0, 0, &check);
	m_check_map(~0UL - 1, 2);
	m_no_conflict();
	m_check_map(0, ~0UL - 1);
	m_no_conflict();

	bad.dev_id = dev_id;
	bad.flags = 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	bad.flags = 0;
	for (i = 0; i != ARRAY_SIZE(bad_sizes); i++) {
		bad.entry_size = bad_sizes[i];
		EXPECT_ERRNO(EINVAL, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	}
	bad.entry_size = 0;
	bad.num_conflicts = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	bad.num_conflicts = 0;
	EXPECT_EQ(0, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	/* Room at NULL, and something to put there */
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0);
	bad.entry_size = sizeof(check.conflicts[0]);
	bad.num_conflicts = 1;
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));

	many = calloc(IOMMU_IOAS_MAX_RANGES + 1, sizeof(*many));
	ASSERT_NE(NULL, many);
	for (i = 0; i != IOMMU_IOAS_MAX_RANGES + 1; i++)
		many[i] = (struct iommu_iova_range){ (i + 1ULL) << 20,
						     (i + 1ULL) << 20 };
	test_err_ioas_check(ENOSPC, self->ioas_id, 0, many,
			    IOMMU_IOAS_MAX_RANGES + 1, &check);
	test_cmd_ioas_check(self->ioas_id, 0, many, IOMMU_IOAS_MAX_RANGES,
			    &check);
	m_no_conflict();
	free(many);
}

/* Entries shorter and longer than those of the kernel, any room for them */
TEST_F(iommufd_resv, check_array)
{
	struct iommu_iova_range ranges[100];
	struct iommu_ioas_check cmd = {
		.size = sizeof(cmd),
		.pt_id = self->ioas_id,
		.num_ranges = ARRAY_SIZE(ranges),
		.ranges = (uintptr_t)ranges,
	};
	static __u8 room[100 * 128 + 1];
	__u32 rooms[] = { 0, 1, 2, 99, 100, 101 };
	unsigned int i, j, k;

	/* The last range has the lowest conflict */
	for (i = 0; i != 100; i++) {
		ranges[i].start = 0x10000000 - i * 0x100000;
		ranges[i].last = ranges[i].start + PAGE_SIZE - 1;
		test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, ranges[i].start);
	}
	for (cmd.entry_size = 40; cmd.entry_size <= 128; cmd.entry_size += 8) {
		for (i = 0; i != ARRAY_SIZE(rooms); i++) {
			memset(room, 0xee, sizeof(room));
			cmd.num_conflicts = rooms[i];
			cmd.conflicts = (uintptr_t)room;
			if (rooms[i] < 100)
				EXPECT_ERRNO(EMSGSIZE,
					     ioctl(self->fd, IOMMU_IOAS_CHECK,
						   &cmd));
			else
				ASSERT_EQ(0, ioctl(self->fd, IOMMU_IOAS_CHECK,
						   &cmd));
			ASSERT_EQ(100, cmd.num_conflicts);
			for (j = 0; j != 100 && j != rooms[i]; j++) {
				__u8 *entry = room + j * cmd.entry_size;
				struct iommu_iova_conflict info;

				memcpy(&info, entry, sizeof(info));
				ASSERT_EQ(ranges[99 - j].start, info.start);
				ASSERT_EQ(ranges[99 - j].last, info.last);
				ASSERT_EQ(99 - j, info.range_index);
				ASSERT_EQ(IOMMU_IOVA_CONFLICT_MAPPED, info.kind);
				for (k = sizeof(info); k < cmd.entry_size; k++)
					ASSERT_EQ(0, entry[k]);
			}
			ASSERT_EQ(0xee, room[j * cmd.entry_size]);
		}
	}
}

/* A memory map, before any of it is mapped */
TEST_F(iommufd_resv, check_plan)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, 0x5000000, 0x10000),
		region(MOCK_RESV_DIRECT_RELAXABLE, 0x6000000, 0x10000),
	};
	struct iommu_iova_range plan[] = {
		{ 0x4000000, 0x4ffffff },
		{ 0x5000000, 0x6ffffff },
		{ WINDOW_START - 0x10000, WINDOW_START + 0xffff },
		{ APERTURE_LAST - 0xffff, APERTURE_LAST + 0x10000 },
		{ 0x6000000, 0x7ffffff },
		{ 0x20000001, 0x20000000 + PAGE_SIZE },
	};
	struct resv_check check;
	struct dev dev;
	__u32 group;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(resv, 3);
	group = group_id(_metadata, self->fd, dev.id);

	/* Without the device only the plan is in its own way */
	test_cmd_ioas_check(self->ioas_id, 0, plan, 6, &check);
	m_conflict(PLANNED, 0x6000000, 0x6ffffff, IOMMU_RESV_REGION_NONE, 0);
	EXPECT_EQ(4, check.conflicts[0].range_index);

	test_cmd_ioas_check(self->ioas_id, dev.id, plan, 6, &check);
	ASSERT_EQ(5, check.num);
	m_conflict_n(0, RESERVED, 0x5000000, 0x500ffff,
		     IOMMU_RESV_REGION_RESERVED, dev.id);
	EXPECT_EQ(1, check.conflicts[0].range_index);
	EXPECT_EQ(group, check.conflicts[0].group_id);
	m_conflict_n(1, PLANNED, 0x6000000, 0x6ffffff, IOMMU_RESV_REGION_NONE,
		     0);
	m_conflict_n(2, RESERVED, WINDOW_START, WINDOW_START + 0xffff,
		     IOMMU_RESV_REGION_SW_MSI, dev.id);
	EXPECT_EQ(2, check.conflicts[2].range_index);
	m_conflict_n(3, ALIGNMENT, 0x20000001, 0x20000000 + PAGE_SIZE,
		     IOMMU_RESV_REGION_NONE, 0);
	EXPECT_EQ(5, check.conflicts[3].range_index);
	m_conflict_n(4, APERTURE, APERTURE_LAST + 1, APERTURE_LAST + 0x10000,
		     IOMMU_RESV_REGION_NONE, dev.id);
	EXPECT_EQ(3, check.conflicts[4].range_index);
	EXPECT_EQ(group, check.conflicts[4].group_id);

	/* Attached, it is the same, each named once */
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	test_cmd_ioas_check(self->ioas_id, dev.id, plan, 6, &check);
	EXPECT_EQ(5, check.num);
	test_cmd_ioas_check(self->ioas_id, 0, plan, 6, &check);
	EXPECT_EQ(5, check.num);
	m_conflict_n(0, RESERVED, 0x5000000, 0x500ffff,
		     IOMMU_RESV_REGION_RESERVED, dev.id);
	EXPECT_EQ(group, check.conflicts[0].group_id);

	/* What fits does */
	test_cmd_ioas_check(self->ioas_id, dev.id, plan, 1, &check);
	m_no_conflict();
}

/* A page size excludes what is mapped already, or everything */
TEST_F(iommufd_resv, check_page_size)
{
	struct dev dev = m_dev(NULL, 0);
	struct dev large = make_dev(_metadata, self->fd, NULL, 0,
				    MOCK_FLAGS_DEVICE_LARGE_PAGE, NULL);
	struct resv_check check;

	m_check_device(large.id);
	m_conflict(ALIGNMENT, 0, ~0UL, IOMMU_RESV_REGION_NONE, large.id);
	EXPECT_EQ(group_id(_metadata, self->fd, large.id),
		  check.conflicts[0].group_id);
	test_err_mock_device_attach(EINVAL, large.stdev_id, self->ioas_id);

	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x4000000);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE - 1, 0x5000000);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x6000010);
	m_check_device(dev.id);
	ASSERT_EQ(2, check.num);
	m_conflict_n(0, ALIGNMENT, 0x5000000, 0x5000000 + PAGE_SIZE - 2,
		     IOMMU_RESV_REGION_NONE, dev.id);
	m_conflict_n(1, ALIGNMENT, 0x6000010, 0x600000f + PAGE_SIZE,
		     IOMMU_RESV_REGION_NONE, dev.id);
	test_err_mock_device_attach(EADDRINUSE, dev.stdev_id, self->ioas_id);
	test_ioctl_ioas_unmap(0x5000000, PAGE_SIZE - 1);
	test_err_mock_device_attach(EADDRINUSE, dev.stdev_id, self->ioas_id);
	test_ioctl_ioas_unmap(0x6000010, PAGE_SIZE);
	m_check_device(dev.id);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
}

/* A HWPT, whose aperture and page size are its own */
TEST_F(iommufd_resv, check_hwpt)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, 0x2000000, 0x10000),
	};
	__u64 low_end = (__u64)MOCK_APERTURE_LOW_LAST + 1;
	struct iommu_hwpt_selftest data = {};
	__u32 low_hwpt, parent, nested;
	struct resv_check check;
	struct dev dev, low;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(resv, 2);
	low = make_dev(_metadata, self->fd, NULL, 0,
		       MOCK_FLAGS_DEVICE_LOW_APERTURE, NULL);
	test_cmd_hwpt_alloc(low.id, self->ioas_id, 0, &low_hwpt);
	test_cmd_hwpt_alloc(dev.id, self->ioas2_id,
			    IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	test_cmd_hwpt_alloc_nested(dev.id, parent, 0, &nested,
				   IOMMU_HWPT_DATA_SELFTEST, &data,
				   sizeof(data));

	/* The device could translate its window, the HWPT cannot */
	test_cmd_ioas_check_device(self->ioas_id, dev.id, &check);
	m_no_conflict();
	test_cmd_ioas_check_device(low_hwpt, dev.id, &check);
	m_conflict(APERTURE, WINDOW_START, WINDOW_START + WINDOW_LENGTH - 1,
		   IOMMU_RESV_REGION_SW_MSI, dev.id);
	test_err_mock_device_attach(EADDRNOTAVAIL, dev.stdev_id, low_hwpt);
	test_cmd_ioas_check_map(low_hwpt, low_end - PAGE_SIZE, 2 * PAGE_SIZE,
				&check);
	m_conflict(APERTURE, low_end, low_end + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_NONE, 0);

	test_ioctl_ioas_map_fixed_id(self->ioas2_id, buffer, PAGE_SIZE,
				     0x2000000);
	test_cmd_ioas_check_device(parent, dev.id, &check);
	m_conflict(MAPPED, 0x2000000, 0x2000000 + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_RESERVED, dev.id);
	test_cmd_ioas_check_device(nested, dev.id, &check);
	m_conflict(MAPPED, 0x2000000, 0x2000000 + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_RESERVED, dev.id);
	test_err_mock_device_attach(EADDRINUSE, dev.stdev_id, nested);
	test_ioctl_ioas_unmap_id(self->ioas2_id, 0x2000000, PAGE_SIZE);
	test_cmd_ioas_check_device(nested, dev.id, &check);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, nested, NULL);
	test_cmd_ioas_check_device(nested, dev.id, &check);
	m_no_conflict();
}

/* All devices of a group count, and one that is there answers for them */
TEST_F(iommufd_resv, siblings)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, 0x5000000, 0x10000),
	};
	struct resv_check check;
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
	EXPECT_EQ(group_id(_metadata, self->fd, a.id),
		  check.conflicts[0].group_id);
	EXPECT_EQ(group_id(_metadata, self->fd, b.id),
		  check.conflicts[0].group_id);
	test_err_mock_domain_replace(EADDRINUSE, a.stdev_id, self->ioas2_id);
	test_ioctl_ioas_unmap_id(self->ioas2_id, 0x5000000, PAGE_SIZE);
	test_cmd_ioas_check_device(self->ioas2_id, a.id, &check);
	m_no_conflict();
	test_cmd_mock_domain_replace(a.stdev_id, self->ioas2_id);
	test_cmd_ioas_check_map(self->ioas2_id, WINDOW_START, PAGE_SIZE,
				&check);
	ASSERT_EQ(1, check.num);
	EXPECT_EQ(IOMMU_IOVA_CONFLICT_RESERVED, check.conflicts[0].kind);
	EXPECT_NE(0, check.conflicts[0].dev_id);

	/* The first IOAS is as it was in the beginning */
	EXPECT_ERRNO(EMSGSIZE, _test_cmd_ioas_iova_ranges(self->fd,
							  self->ioas_id,
							  &range, &num));
	EXPECT_EQ(1, num);
}

/* Holes are kept free, for devices to come */
TEST_F(iommufd_resv, holes)
{
	struct iommu_iova_range holes[] = {
		{ 0x6000000, 0x60fffff },
		{ 0x5000000, 0x50fffff },
	};
	struct iommu_test_resv resv =
		region(MOCK_RESV_DIRECT, 0x5000000, 0x100000);
	struct iommu_iova_range ranges[4], allowed = { 0x5000000, 0x5000001 };
	struct iommu_ioas_get_holes bad = {
		.size = sizeof(bad),
		.ioas_id = self->ioas_id,
		.__reserved = 1,
	};
	struct resv_check check;
	struct dev dev;
	__u32 num = 4;

	num = 0;
	test_cmd_ioas_get_holes(self->ioas_id, NULL, &num);
	EXPECT_EQ(0, num);
	test_cmd_ioas_set_holes(self->ioas_id, holes, 2);
	test_err_ioas_get_holes(ENOENT, 0, ranges, &num);
	test_err_ioas_get_holes(EMSGSIZE, self->ioas_id, NULL, &num);
	EXPECT_EQ(2, num);
	test_err_ioas_get_holes(EFAULT, self->ioas_id, NULL, &num);
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_IOAS_GET_HOLES, &bad));
	memset(ranges, 0xee, sizeof(ranges));
	num = 1;
	test_err_ioas_get_holes(EMSGSIZE, self->ioas_id, ranges, &num);
	EXPECT_EQ(2, num);
	EXPECT_EQ(0x5000000, ranges[0].start);
	EXPECT_EQ(0x50fffff, ranges[0].last);
	EXPECT_EQ(0xeeeeeeeeeeeeeeeeULL, ranges[1].start);
	num = 4;
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
	/* Regions of the device are no holes */
	num = 4;
	test_cmd_ioas_get_holes(self->ioas_id, ranges, &num);
	ASSERT_EQ(1, num);
	EXPECT_EQ(0x5080000, ranges[0].start);
	EXPECT_EQ(0x5080000, ranges[0].last);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x6000000);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x5000000);
	test_err_ioctl_ioas_map_fixed(EINVAL, buffer, PAGE_SIZE, 0x5080000);
	test_cmd_ioas_set_holes(self->ioas_id, NULL, 0);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x5080000);
}

/* What is refused leaves the old set */
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
	struct resv_check check;

	test_cmd_ioas_set_holes(self->ioas_id, &old, 1);
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_IOAS_SET_HOLES, &cmd));
	test_err_ioas_set_holes(ENOENT, 0, holes, 2);
	test_err_ioas_set_holes(EFAULT, self->ioas_id, NULL, 1);
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

/* The lists of several hosts, as they are */
TEST_F(iommufd_resv, holes_merged)
{
	static const struct iommu_iova_range holes[] = {
		{ 0x5000000, 0x50fffff },
		{ 0x7000000, 0x7000000 },
		/* The same, inside, around, overlapping, touching */
		{ 0x5000000, 0x50fffff },
		{ 0x5010000, 0x5010000 },
		{ 0x6fff000, 0x7000fff },
		{ 0x50fffff, 0x51fffff },
		{ 0x5200000, 0x52fffff },
		{ 0x4f00000, 0x4ffffff },
		/* Apart by a byte */
		{ 0x5300001, 0x5300001 },
		{ ~0ULL, ~0ULL },
		{ ~0ULL - 1, ~0ULL - 1 },
		{ 0, 0 },
		{ 1, 1 },
	};
	static const struct iommu_iova_range expected[] = {
		{ 0, 1 },
		{ 0x4f00000, 0x52fffff },
		{ 0x5300001, 0x5300001 },
		{ 0x6fff000, 0x7000fff },
		{ ~0ULL - 1, ~0ULL },
	};
	struct iommu_iova_range ranges[8], reversed[ARRAY_SIZE(holes)];
	unsigned int i;
	__u32 num = 8;

	test_cmd_ioas_set_holes(self->ioas_id, holes, ARRAY_SIZE(holes));
	test_cmd_ioas_get_holes(self->ioas_id, ranges, &num);
	ASSERT_EQ(ARRAY_SIZE(expected), num);
	EXPECT_EQ(0, memcmp(expected, ranges, sizeof(expected)));

	/* In another order, and what was read can be set */
	for (i = 0; i != ARRAY_SIZE(holes); i++)
		reversed[i] = holes[ARRAY_SIZE(holes) - 1 - i];
	test_cmd_ioas_set_holes(self->ioas2_id, reversed, ARRAY_SIZE(holes));
	num = 8;
	test_cmd_ioas_get_holes(self->ioas2_id, ranges, &num);
	ASSERT_EQ(ARRAY_SIZE(expected), num);
	EXPECT_EQ(0, memcmp(expected, ranges, sizeof(expected)));
	test_cmd_ioas_set_holes(self->ioas2_id, ranges, num);
	test_cmd_ioas_get_holes(self->ioas2_id, ranges, &num);
	ASSERT_EQ(ARRAY_SIZE(expected), num);
	EXPECT_EQ(0, memcmp(expected, ranges, sizeof(expected)));
}

/* As many as there can be, and one more */
TEST_F(iommufd_resv, holes_many)
{
	__u32 max = IOMMU_IOAS_MAX_RANGES, num;
	struct iommu_iova_range *holes;
	unsigned int i;

	holes = calloc(max + 1, sizeof(*holes));
	ASSERT_NE(NULL, holes);
	for (i = 0; i != max + 1; i++)
		holes[i] = (struct iommu_iova_range){ 4 * i, 4 * i + 1 };
	test_err_ioas_set_holes(ENOSPC, self->ioas_id, holes, max + 1);
	test_err_ioas_set_holes(ENOSPC, self->ioas_id, NULL, ~0U);
	num = 0;
	test_cmd_ioas_get_holes(self->ioas_id, NULL, &num);
	EXPECT_EQ(0, num);
	test_cmd_ioas_set_holes(self->ioas_id, holes, max);
	num = max;
	test_cmd_ioas_get_holes(self->ioas_id, holes, &num);
	ASSERT_EQ(max, num);
	for (i = 0; i != max; i++)
		ASSERT_EQ(4 * i, holes[i].start);
	free(holes);
}

/*
 * What takes long ends when the process is killed. The child needs many
 * seconds for what it does, and is gone soon after the signal.
 */
TEST_F(iommufd_resv, killed)
{
	__u32 max = IOMMU_IOAS_MAX_RANGES;
	struct timespec start, end;
	struct iommu_iova_range *plan;
	struct resv_check check;
	int status, i;
	pid_t pid;

	plan = calloc(max, sizeof(*plan));
	ASSERT_NE(NULL, plan);
	/* Each of them is in conflict with everything that is mapped */
	for (i = 0; i != (int)max; i++)
		plan[i] = (struct iommu_iova_range){ 0, 1ULL << 40 };
	for (i = 0; i != 2048; i++)
		test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE,
					  (i + 1) * 2 * PAGE_SIZE);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		_test_cmd_ioas_check(self->fd, self->ioas_id, 0, plan, max,
				     &check);
		_exit(0);
	}
	usleep(500000);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	clock_gettime(CLOCK_MONOTONIC, &start);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	clock_gettime(CLOCK_MONOTONIC, &end);
	/* It was under way */
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_GT(3, end.tv_sec - start.tv_sec);
	free(plan);
}

/* Automatic IOVAs keep out of them */
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

/* The window of a device is read, and moved before it is attached */
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
	test_cmd_window(DRIVER, dev.id, WINDOW_START, WINDOW_LENGTH);
	test_cmd_device_resv_regions(&cmd);
	expect_region(_metadata, &info, &resv, IOMMU_RESV_REGION_ENFORCED);

	/* What the driver says can be chosen too, that is another state */
	test_cmd_set_window(dev.id, WINDOW_START, WINDOW_LENGTH);
	test_cmd_window(CHOSEN, dev.id, WINDOW_START, WINDOW_LENGTH);
	test_cmd_set_window(dev.id, 0x20000000, 4 * MIB);
	test_cmd_window(CHOSEN, dev.id, 0x20000000, 4 * MIB);
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
	test_err_set_window(EBUSY, dev.id, 0x30000000, MIB);
	test_err_set_window(EBUSY, dev.id, 0x20000000, 4 * MIB);
	test_err_reset_window(EBUSY, dev.id);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_err_set_window(EBUSY, dev.id, 0x30000000, MIB);
	test_err_reset_window(EBUSY, dev.id);
	test_cmd_window(CHOSEN, dev.id, 0x20000000, 4 * MIB);
	test_cmd_msi_unprepare(dev.stdev_id, msi_id);

	/* Back to what the driver says */
	test_cmd_reset_window(dev.id);
	test_cmd_window(DRIVER, dev.id, WINDOW_START, WINDOW_LENGTH);
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
	static const __u32 bad_sizes[] = { 8, 39, 44, 4104 };
	struct iommu_msi_window cmd = { .size = sizeof(cmd) };
	struct iommu_option option = { .size = sizeof(option) };
	struct resv_window window;
	struct dev dev, none, hw;
	unsigned int i;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(resv, 3);
	make_dev(_metadata, self->fd, sibling_resv, 2, 0, &dev);
	none = m_dev(&resv[1], 1);
	resv[1].type = MOCK_RESV_MSI;
	hw = m_dev(resv, 2);

	test_err_set_window(ENOENT, ~0U, 0x10000000, MIB);
	test_err_reset_window(ENOENT, self->ioas_id);
	EXPECT_ERRNO(ENOENT, _test_cmd_msi_window(self->fd,
						  IOMMU_MSI_WINDOW_OP_GET, ~0U,
						  0, 0, &window));
	test_err_set_window(ENODEV, none.id, 0x10000000, MIB);
	test_err_reset_window(ENODEV, none.id);
	test_err_set_window(ENODEV, hw.id, 0x10000000, MIB);
	test_err_reset_window(ENODEV, hw.id);
	test_cmd_window(NONE, none.id, 0, 0);
	test_cmd_window(NONE, hw.id, 0, 0);

	cmd.op = IOMMU_MSI_WINDOW_OP_RESET + 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_MSI_WINDOW, &cmd));
	/* Another proposal has these numbers for the same, and they stay free */
	for (option.option_id = 2; option.option_id != 4; option.option_id++) {
		option.op = IOMMU_OPTION_OP_GET;
		EXPECT_ERRNO(EOPNOTSUPP,
			     ioctl(self->fd, IOMMU_OPTION, &option));
		option.op = IOMMU_OPTION_OP_SET;
		EXPECT_ERRNO(EOPNOTSUPP,
			     ioctl(self->fd, IOMMU_OPTION, &option));
	}
	cmd.op = IOMMU_MSI_WINDOW_OP_GET;
	cmd.flags = 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_MSI_WINDOW, &cmd));
	cmd.flags = 0;
	for (i = 0; i != ARRAY_SIZE(bad_sizes); i++) {
		cmd.entry_size = bad_sizes[i];
		EXPECT_ERRNO(EINVAL, ioctl(self->fd, IOMMU_MSI_WINDOW, &cmd));
	}
	cmd.entry_size = 0;
	cmd.num_conflicts = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, IOMMU_MSI_WINDOW, &cmd));
	cmd.num_conflicts = 0;
	EXPECT_EQ(0, ioctl(self->fd, IOMMU_MSI_WINDOW, &cmd));
	EXPECT_ERRNO(EOPNOTSUPP,
		     _test_cmd_msi_window(self->fd, IOMMU_MSI_WINDOW_OP_RESET,
					  dev.id, 0, 1, &window));
	EXPECT_ERRNO(EOPNOTSUPP,
		     _test_cmd_msi_window(self->fd, IOMMU_MSI_WINDOW_OP_RESET,
					  dev.id, PAGE_SIZE, 0, &window));

	test_err_set_window(EINVAL, dev.id, 0x10000000 + PAGE_SIZE / 2, MIB);
	test_err_set_window(EINVAL, dev.id, 0x10000000, PAGE_SIZE / 2);
	test_err_set_window(EINVAL, dev.id, 0x10000000, 0);
	test_err_set_window(EOVERFLOW, dev.id, -PAGE_SIZE, 2 * PAGE_SIZE);
	test_err_set_window(EOVERFLOW, dev.id, 2 * PAGE_SIZE, -PAGE_SIZE);
	test_err_set_window(EADDRNOTAVAIL, dev.id, APERTURE_START - PAGE_SIZE,
			    MIB);
	test_err_set_window(EADDRNOTAVAIL, dev.id,
			    APERTURE_LAST + 1 - MIB + PAGE_SIZE, MIB);
	test_err_set_window(EADDRNOTAVAIL, dev.id, -PAGE_SIZE, PAGE_SIZE);
	test_err_set_window(EADDRINUSE, dev.id, 0x20000000, MIB);
	test_err_set_window(EADDRINUSE, dev.id, 0x20000000 - MIB + PAGE_SIZE,
			    MIB);
	/* Of the sibling */
	test_err_set_window(EADDRINUSE, dev.id, 0x40000000, MIB);
	test_cmd_window(DRIVER, dev.id, WINDOW_START, WINDOW_LENGTH);

	test_cmd_set_window(dev.id, APERTURE_LAST + 1 - MIB, MIB);
	test_cmd_set_window(dev.id, APERTURE_START, MIB);
	test_cmd_set_window(dev.id, APERTURE_START, PAGE_SIZE);
	test_cmd_set_window(dev.id, 0x30000000, MIB);
	test_cmd_set_window(dev.id, 0x20000000 - MIB, MIB);
	test_err_set_window(EADDRINUSE, dev.id, 0x20000000 - MIB, 2 * MIB);
	test_cmd_set_window(dev.id, 0x20000000 + PAGE_SIZE, MIB);
	test_cmd_window(CHOSEN, dev.id, 0x20000000 + PAGE_SIZE, MIB);
}

#define m_window_conflict(n, _kind, start, last, type, dev_id)              \
	({                                                                  \
		unsigned int nth = n;                                       \
									    \
		ASSERT_LT(nth, window.cmd.num_conflicts);                   \
		expect_conflict(_metadata, &window.conflicts[nth],          \
				IOMMU_IOVA_CONFLICT_##_kind, start, last,   \
				type, dev_id);                              \
		EXPECT_EQ(group, window.conflicts[nth].group_id);           \
	})

/* A refused window comes with who is to blame, siblings by name */
TEST_F(iommufd_resv, window_blame)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, 0x3000000, 0x10000),
	};
	struct iommu_test_resv sibling_resv[] = {
		resv[0],
		region(MOCK_RESV_DIRECT, 0x3ffe000, 0x4000),
	};
	__u64 low_end = (__u64)MOCK_APERTURE_LOW_LAST + 1;
	struct iommu_msi_window short_cmd;
	struct resv_window window;
	__u32 group, msi_id;
	struct dev dev, low;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(resv, 2);
	low = make_dev(_metadata, self->fd, sibling_resv, 2,
		       MOCK_FLAGS_DEVICE_LOW_APERTURE, &dev);
	group = group_id(_metadata, self->fd, dev.id);
	EXPECT_EQ(group, group_id(_metadata, self->fd, low.id));

	EXPECT_ERRNO(EADDRINUSE,
		     _test_cmd_msi_window(self->fd, IOMMU_MSI_WINDOW_OP_SET,
					  dev.id, 0x3000000, MIB, &window));
	EXPECT_EQ(group, window.cmd.out_group_id);
	EXPECT_EQ(1, window.cmd.num_conflicts);
	m_window_conflict(0, RESERVED, 0x3000000, 0x300ffff,
			  IOMMU_RESV_REGION_RESERVED, dev.id);

	/* All there is, of both, and the aperture of one */
	EXPECT_ERRNO(EADDRNOTAVAIL,
		     _test_cmd_msi_window(self->fd, IOMMU_MSI_WINDOW_OP_SET,
					  dev.id, 0x3000000, 32 * MIB,
					  &window));
	EXPECT_EQ(3, window.cmd.num_conflicts);
	m_window_conflict(0, RESERVED, 0x3000000, 0x300ffff,
			  IOMMU_RESV_REGION_RESERVED, dev.id);
	m_window_conflict(1, RESERVED, 0x3ffe000, 0x4001fff,
			  IOMMU_RESV_REGION_DIRECT, low.id);
	m_window_conflict(2, APERTURE, low_end, 0x3000000 + 32 * MIB - 1,
			  IOMMU_RESV_REGION_NONE, low.id);

	/* Too little room is no error of its own */
	short_cmd = window.cmd;
	short_cmd.num_conflicts = 0;
	short_cmd.entry_size = 0;
	EXPECT_ERRNO(EADDRNOTAVAIL,
		     ioctl(self->fd, IOMMU_MSI_WINDOW, &short_cmd));
	EXPECT_EQ(3, short_cmd.num_conflicts);
	short_cmd.num_conflicts = 1;
	short_cmd.entry_size = sizeof(window.conflicts[0]);
	short_cmd.conflicts = 0;
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, IOMMU_MSI_WINDOW, &short_cmd));

	/* In use by a sibling, and by an interrupt */
	test_cmd_msi_prepare(low.stdev_id, doorbell(0), NULL, &msi_id);
	EXPECT_ERRNO(EBUSY,
		     _test_cmd_msi_window(self->fd, IOMMU_MSI_WINDOW_OP_SET,
					  dev.id, 0x2000000, MIB, &window));
	EXPECT_EQ(1, window.cmd.num_conflicts);
	m_window_conflict(0, BUSY, WINDOW_START,
			  WINDOW_START + WINDOW_LENGTH - 1,
			  IOMMU_RESV_REGION_SW_MSI, 0);
	test_cmd_msi_unprepare(low.stdev_id, msi_id);
	test_ioctl_destroy(low.stdev_id);
	sibling_resv[1].start = 0x30000000;
	low = make_dev(_metadata, self->fd, sibling_resv, 2, 0, &dev);
	test_cmd_mock_device_attach(low.stdev_id, self->ioas_id, NULL);
	EXPECT_ERRNO(EBUSY,
		     _test_cmd_msi_window(self->fd, IOMMU_MSI_WINDOW_OP_RESET,
					  dev.id, 0, 0, &window));
	EXPECT_EQ(1, window.cmd.num_conflicts);
	m_window_conflict(0, BUSY, WINDOW_START,
			  WINDOW_START + WINDOW_LENGTH - 1,
			  IOMMU_RESV_REGION_SW_MSI, low.id);
	test_cmd_window(DRIVER, dev.id, WINDOW_START, WINDOW_LENGTH);
}

/* The default of the fd, for groups that come later */
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
	test_cmd_window(DRIVER, 0, 0, 0);
	test_err_set_window(EINVAL, 0, 1, MIB);
	test_err_set_window(EINVAL, 0, 0, 0);
	test_err_set_window(EOVERFLOW, 0, -PAGE_SIZE, MIB);

	test_cmd_set_window(0, 0x30000000, 8 * MIB);
	test_cmd_window(CHOSEN, 0, 0x30000000, 8 * MIB);
	after = m_dev(resv, 2);
	test_cmd_window(CHOSEN, after.id, 0x30000000, 8 * MIB);
	test_cmd_window(DRIVER, before.id, WINDOW_START, WINDOW_LENGTH);
	/* A sibling belongs to the group that is there */
	make_dev(_metadata, self->fd, resv, 1, 0, &before);
	test_cmd_window(DRIVER, before.id, WINDOW_START, WINDOW_LENGTH);
	/* One device can differ */
	test_cmd_reset_window(after.id);
	test_cmd_window(DRIVER, after.id, WINDOW_START, WINDOW_LENGTH);
	/* No window, no error */
	test_cmd_window(NONE, m_dev(&resv[1], 1).id, 0, 0);

	/* What does not fit, IOVA 0 is a choice as well */
	test_cmd_set_window(0, 0x20000000, MIB);
	test_err_mock_device(EADDRINUSE, 0, &args);
	test_cmd_set_window(0, 0, MIB);
	test_cmd_window(CHOSEN, 0, 0, MIB);
	test_err_mock_device(EADDRNOTAVAIL, 0, &args);
	test_cmd_reset_window(0);
	test_cmd_window(DRIVER, 0, 0, 0);
	test_cmd_window(DRIVER, m_dev(resv, 2).id, WINDOW_START, WINDOW_LENGTH);
}

/* A device joins the group after the first one was bound */
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
	test_cmd_window(DRIVER, dev.id, WINDOW_START, WINDOW_LENGTH);

	/* The window is in use, and then it is not */
	args.group_stdev_id = dev.stdev_id;
	test_cmd_msi_prepare(dev.stdev_id, doorbell(0), &addr, &msi_id);
	test_err_mock_device(EBUSY, 0, &args);
	test_cmd_msi_unprepare(dev.stdev_id, msi_id);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	test_err_mock_device(EBUSY, 0, &args);
	test_cmd_window(DRIVER, dev.id, WINDOW_START, WINDOW_LENGTH);
	/* One that changes nothing can come at any time */
	sibling = make_dev(_metadata, self->fd, &resv[1], 2, 0, &dev);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_ioctl_destroy(sibling.stdev_id);
	sibling = make_dev(_metadata, self->fd, resv, 1, 0, &dev);
	test_cmd_window(NONE, dev.id, 0, 0);
	test_cmd_msi_prepare(dev.stdev_id, doorbell(0), &addr, &msi_id);
	EXPECT_EQ(doorbell(0), addr);
	test_cmd_msi_unprepare(dev.stdev_id, msi_id);
	test_ioctl_destroy(sibling.stdev_id);
	test_ioctl_destroy(dev.stdev_id);

	/* A window that was chosen, and the region of a newcomer */
	dev = m_dev(&resv[1], 1);
	test_cmd_set_window(dev.id, 0x30000000, MIB);
	args.group_stdev_id = dev.stdev_id;
	args.resv = &resv[1];
	args.resv_num = 2;
	test_err_mock_device(EADDRINUSE, 0, &args);
	test_cmd_window(CHOSEN, dev.id, 0x30000000, MIB);
}

/*
 * Random steps. A dry run before each must say what a model of the IOAS
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
	__u32 group_id;
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
	unsigned int num_conflicts;
};

/* The conflicts that are to be expected */
struct model_conflicts {
	unsigned int num;
	struct iommu_iova_conflict list[MAX_CONFLICTS];
};

/* Who is in the way of whom */
struct model_blame {
	__u32 kind;
	__u32 type;
	const struct model_dev *dev;
	__u32 range_index;
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

static bool same_range(const struct iommu_iova_range *a,
		       const struct iommu_iova_range *b)
{
	return a->start == b->start && a->last == b->last;
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

static void model_conflict_add(struct model_conflicts *c,
			       struct model_blame blame,
			       const struct iommu_iova_range *a,
			       const struct iommu_iova_range *b)
{
	if (!overlaps(a, b))
		return;
	assert(c->num < MAX_CONFLICTS);
	c->list[c->num++] = (struct iommu_iova_conflict){
		.start = a->start > b->start ? a->start : b->start,
		.last = a->last < b->last ? a->last : b->last,
		.kind = blame.kind,
		.region_type = blame.type,
		.dev_id = blame.dev ? blame.dev->dev.id : 0,
		.group_id = blame.dev ? blame.dev->group_id :
					IOMMU_IOVA_CONFLICT_NO_GROUP,
		.range_index = blame.range_index,
	};
}

/* @range against each of @set, which is the plan or not */
static void model_conflict_set(struct model_conflicts *c,
			       struct model_blame blame,
			       const struct iommu_iova_range *range,
			       const struct model_set *set, bool plan)
{
	unsigned int i;

	for (i = 0; i != set->num; i++) {
		if (plan)
			blame.range_index = i;
		model_conflict_add(c, blame, range, &set->ranges[i]);
	}
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

static const struct model_set no_plan;

/* A range that a device would take away, against all that can be there */
static void model_claim(struct model *m, const struct model_dev *dev,
			const struct iommu_iova_range *range, __u32 type,
			const struct model_set *plan, struct model_conflicts *c)
{
	bool outside = type == IOMMU_RESV_REGION_NONE;
	struct model_blame blame = {
		.kind = outside ? IOMMU_IOVA_CONFLICT_APERTURE :
				  IOMMU_IOVA_CONFLICT_MAPPED,
		.type = type,
		.dev = dev,
		.range_index = IOMMU_IOVA_CONFLICT_NO_RANGE,
	};

	model_conflict_set(c, blame, range, &m->maps, false);
	if (!outside)
		blame.kind = IOMMU_IOVA_CONFLICT_RESERVED;
	model_conflict_set(c, blame, range, plan, true);
	blame.kind = IOMMU_IOVA_CONFLICT_ALLOWED;
	model_conflict_set(c, blame, range, &m->allowed, false);
}

static void model_device(struct model *m, struct model_dev *dev,
			 const struct model_set *plan,
			 struct model_conflicts *c)
{
	struct iommu_iova_range outside = above(dev->low);
	struct model_blame blame = {
		.kind = IOMMU_IOVA_CONFLICT_ALIGNMENT,
		.type = IOMMU_RESV_REGION_NONE,
		.dev = dev,
		.range_index = IOMMU_IOVA_CONFLICT_NO_RANGE,
	};
	unsigned int i;

	for (i = 0; i != m->maps.num; i++) {
		struct iommu_iova_range *map = &m->maps.ranges[i];

		if ((map->start | (map->last + 1)) % (PAGE_SIZE / 2))
			model_conflict_add(c, blame, map, map);
	}
	for (i = 0; i != dev->num_regions; i++) {
		struct iommu_iova_range range = region_range(&dev->regions[i]);

		if (region_counts(dev, &dev->regions[i]))
			model_claim(m, dev, &range, dev->regions[i].type, plan,
				    c);
	}
	model_claim(m, dev, &outside, IOMMU_RESV_REGION_NONE, plan, c);
	if (!dev->has_window)
		return;
	blame.type = IOMMU_RESV_REGION_SW_MSI;
	model_claim(m, dev, &dev->window, blame.type, plan, c);
	blame.kind = IOMMU_IOVA_CONFLICT_APERTURE;
	model_conflict_add(c, blame, &dev->window, &outside);
	blame.kind = IOMMU_IOVA_CONFLICT_WINDOW;
	for (i = 0; i != NUM_DEVS; i++) {
		struct model_dev *other = &m->devs[i];
		unsigned int j;

		if (!other->attached || !other->has_window ||
		    same_range(&other->window, &dev->window))
			continue;
		/* Once for each window */
		for (j = 0; j != i; j++)
			if (m->devs[j].attached && m->devs[j].has_window &&
			    same_range(&m->devs[j].window, &other->window))
				break;
		if (j == i)
			model_conflict_add(c, blame, &dev->window,
					   &other->window);
	}
}

/* Some device is attached: then the IOAS has a page size */
static bool model_aligns(struct model *m)
{
	unsigned int i;

	for (i = 0; i != NUM_DEVS; i++)
		if (m->devs[i].attached)
			return true;
	return false;
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

/* @aligned: there is or would be a page size */
static void model_map(struct model *m, const struct iommu_iova_range *map,
		      __u32 index, bool aligned, struct model_conflicts *c)
{
	struct iommu_iova_range outside = above(true);
	struct model_blame blame = {
		.type = IOMMU_RESV_REGION_NONE,
		.range_index = index,
	};
	unsigned int i, j;

	blame.kind = IOMMU_IOVA_CONFLICT_ALIGNMENT;
	if (aligned && (map->start | (map->last + 1)) % (PAGE_SIZE / 2))
		model_conflict_add(c, blame, map, map);
	blame.kind = IOMMU_IOVA_CONFLICT_MAPPED;
	model_conflict_set(c, blame, map, &m->maps, false);
	blame.kind = IOMMU_IOVA_CONFLICT_HOLE;
	model_conflict_set(c, blame, map, &m->holes, false);
	blame.kind = IOMMU_IOVA_CONFLICT_APERTURE;
	for (i = 0; i != NUM_DEVS; i++) {
		struct model_dev *dev = &m->devs[i];

		/* Once for each HWPT */
		if (!dev->attached || !dev->hwpt_low)
			continue;
		for (j = 0; j != i; j++)
			if (m->devs[j].attached &&
			    m->devs[j].hwpt_id == dev->hwpt_id)
				break;
		if (j == i)
			model_conflict_add(c, blame, map, &outside);
	}
	blame.kind = IOMMU_IOVA_CONFLICT_RESERVED;
	for (i = 0; i != NUM_DEVS; i++) {
		struct model_dev *dev = &m->devs[i];

		if (!dev->attached)
			continue;
		blame.dev = dev;
		for (j = 0; j != dev->num_regions; j++) {
			struct iommu_iova_range range =
				region_range(&dev->regions[j]);

			blame.type = dev->regions[j].type;
			if (region_counts(dev, &dev->regions[j]))
				model_conflict_add(c, blame, map, &range);
		}
		blame.type = IOMMU_RESV_REGION_SW_MSI;
		if (dev->has_window)
			model_conflict_add(c, blame, map, &dev->window);
	}
}

static int conflict_cmp(const void *a, const void *b)
{
	const struct iommu_iova_conflict *ca = a, *cb = b;

	if (ca->start != cb->start)
		return ca->start < cb->start ? -1 : 1;
	if (ca->kind != cb->kind)
		return ca->kind < cb->kind ? -1 : 1;
	if (ca->last != cb->last)
		return ca->last < cb->last ? -1 : 1;
	/* The kernel leaves the order of these open */
	if (ca->range_index != cb->range_index)
		return ca->range_index < cb->range_index ? -1 : 1;
	if (ca->dev_id != cb->dev_id)
		return ca->dev_id < cb->dev_id ? -1 : 1;
	return (int)ca->region_type - (int)cb->region_type;
}

static void conflict_print(const char *who,
			   const struct iommu_iova_conflict *c)
{
	ksft_print_msg("%s: %u %#llx-%#llx type %d dev %u group %d range %d\n",
		       who, c->kind, (unsigned long long)c->start,
		       (unsigned long long)c->last, (int)c->region_type,
		       c->dev_id, (int)c->group_id, (int)c->range_index);
}

/* The dry run says what the model says, in the promised order */
static void model_compare(struct __test_metadata *_metadata, struct model *m,
			  struct model_conflicts *c, struct resv_check *check)
{
	unsigned int i;

	for (i = 1; i < check->num; i++) {
		struct iommu_iova_conflict *prev = &check->conflicts[i - 1];
		struct iommu_iova_conflict *next = &check->conflicts[i];

		ASSERT_TRUE(prev->start < next->start ||
			    (prev->start == next->start &&
			     (prev->kind < next->kind ||
			      (prev->kind == next->kind &&
			       prev->last <= next->last))))
			TH_LOG("step %u", m->step);
	}
	qsort(c->list, c->num, sizeof(c->list[0]), conflict_cmp);
	qsort(check->conflicts, check->num, sizeof(c->list[0]), conflict_cmp);
	if (c->num != check->num ||
	    memcmp(c->list, check->conflicts, c->num * sizeof(c->list[0]))) {
		for (i = 0; i != c->num; i++)
			conflict_print("model", &c->list[i]);
		for (i = 0; i != check->num; i++)
			conflict_print("kernel", &check->conflicts[i]);
		ASSERT_TRUE(false)
			TH_LOG("step %u", m->step);
	}
	m->num_conflicts += c->num;
	m->num_refused += !!c->num;
}

/* Now and then less than a page of the IOMMU */
static struct iommu_iova_range rnd_map(struct model *m)
{
	struct iommu_iova_range map = rnd_range(m, 4);

	if (!rnd(m, 8))
		map.last -= 100;
	return map;
}

static int real_map(struct model *m, const struct iommu_iova_range *map)
{
	__u64 iova = map->start;

	return _test_ioctl_ioas_map(m->fd, m->ioas_id, buffer,
				    map->last - map->start + 1, &iova,
				    IOMMU_IOAS_MAP_FIXED_IOVA |
					    IOMMU_IOAS_MAP_WRITEABLE |
					    IOMMU_IOAS_MAP_READABLE);
}

static int real_unmap(struct model *m, const struct iommu_iova_range *map)
{
	return _test_ioctl_ioas_unmap(m->fd, m->ioas_id, map->start,
				      map->last - map->start + 1, NULL);
}

static void step_map(struct __test_metadata *_metadata, struct model *m)
{
	struct iommu_iova_range map = rnd_map(m);
	struct model_conflicts c = {};
	struct resv_check check;
	int rc;

	if (m->maps.num == NUM_MAPS)
		return;
	model_map(m, &map, 0, model_aligns(m), &c);
	ASSERT_EQ(0, _test_cmd_ioas_check(m->fd, m->ioas_id, 0, &map, 1,
					  &check));
	model_compare(_metadata, m, &c, &check);
	rc = real_map(m, &map);
	ASSERT_EQ(!c.num, !rc)
		TH_LOG("step %u", m->step);
	if (!rc)
		m->maps.ranges[m->maps.num++] = map;
}

static void step_unmap(struct __test_metadata *_metadata, struct model *m)
{
	struct iommu_iova_range *map;

	if (!m->maps.num)
		return;
	map = &m->maps.ranges[rnd(m, m->maps.num)];
	ASSERT_EQ(0, real_unmap(m, map));
	*map = m->maps.ranges[--m->maps.num];
}

/* Ranges that neither overlap nor touch, so that the kernel keeps them apart */
static void rnd_set(struct model *m, struct model_set *set)
{
	unsigned int num = rnd(m, NUM_SETS), tries = 8;
	struct iommu_iova_range range, around;

	set->num = 0;
	while (set->num < num && tries--) {
		range = rnd_range(m, 6);
		around = (struct iommu_iova_range){ range.start - 1,
						    range.last + 1 };
		if (!set_overlaps(set, &around))
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

static void model_attached(struct model *m, struct model_dev *dev)
{
	unsigned int i;

	dev->hwpt_low = dev->low;
	for (i = 0; i != NUM_DEVS; i++)
		if (m->devs[i].attached && m->devs[i].hwpt_id == dev->hwpt_id)
			dev->hwpt_low = m->devs[i].hwpt_low;
	dev->attached = true;
}

static void step_attach(struct __test_metadata *_metadata, struct model *m)
{
	struct model_dev *dev = &m->devs[rnd(m, NUM_DEVS)];
	struct model_conflicts c = {};
	struct resv_check check;
	int rc;

	if (dev->attached) {
		ASSERT_EQ(0, _test_cmd_mock_device_detach(m->fd,
							  dev->dev.stdev_id));
		dev->attached = false;
		return;
	}
	model_device(m, dev, &no_plan, &c);
	ASSERT_EQ(0, _test_cmd_ioas_check_device(m->fd, m->ioas_id, dev->dev.id,
						 &check));
	model_compare(_metadata, m, &c, &check);
	rc = _test_cmd_mock_device_attach(m->fd, dev->dev.stdev_id, m->ioas_id,
					  &dev->hwpt_id);
	ASSERT_EQ(!c.num, !rc)
		TH_LOG("step %u", m->step);
	if (!rc)
		model_attached(m, dev);
}

/*
 * A device and a plan in one dry run. If it says that there is nothing in the way
 * then all of it can be done, and if something is then not all. Undone again.
 */
static void step_plan(struct __test_metadata *_metadata, struct model *m)
{
	struct model_dev *dev = &m->devs[rnd(m, NUM_DEVS)];
	bool attach = !dev->attached && rnd(m, 4);
	bool aligned = attach || model_aligns(m);
	unsigned int i, j, num_refused = 0;
	struct model_conflicts c = {};
	bool mapped[NUM_SETS] = {};
	struct model_set plan = {};
	struct resv_check check;
	int rc;

	for (i = 0; i != NUM_SETS; i++) {
		struct iommu_iova_range range = rnd_map(m);
		struct model_blame blame = {
			.kind = IOMMU_IOVA_CONFLICT_PLANNED,
			.type = IOMMU_RESV_REGION_NONE,
			.range_index = i,
		};

		/* The kernel names one of several, so there is one */
		for (j = 0, rc = 0; j != i; j++)
			rc += overlaps(&plan.ranges[j], &range);
		if (rc > 1)
			break;
		model_conflict_set(&c, blame, &range, &plan, false);
		model_map(m, &range, i, aligned, &c);
		plan.ranges[plan.num++] = range;
	}
	if (attach)
		model_device(m, dev, &plan, &c);
	ASSERT_EQ(0, _test_cmd_ioas_check(m->fd, m->ioas_id,
					  attach ? dev->dev.id : 0, plan.ranges,
					  plan.num, &check));
	model_compare(_metadata, m, &c, &check);

	if (attach) {
		rc = _test_cmd_mock_device_attach(m->fd, dev->dev.stdev_id,
						  m->ioas_id, NULL);
		num_refused += !!rc;
		attach = !rc;
	}
	for (i = 0; i != plan.num; i++) {
		rc = real_map(m, &plan.ranges[i]);
		num_refused += !!rc;
		mapped[i] = !rc;
	}
	ASSERT_EQ(!c.num, !num_refused)
		TH_LOG("step %u", m->step);
	for (i = 0; i != plan.num; i++)
		if (mapped[i])
			ASSERT_EQ(0, real_unmap(m, &plan.ranges[i]));
	if (attach)
		ASSERT_EQ(0, _test_cmd_mock_device_detach(m->fd,
							  dev->dev.stdev_id));
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
	dev->group_id = group_id(_metadata, m->fd, dev->dev.id);
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
		switch (rnd(m, 18)) {
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
		case 13 ... 14:
			step_plan(_metadata, m);
			break;
		default:
			step_unmap(_metadata, m);
			break;
		}
	}
	TH_LOG("%u were refused, by %u conflicts", m->num_refused,
	       m->num_conflicts);
	EXPECT_LT(num / 16, m->num_refused);
	EXPECT_LT(m->num_refused, m->num_conflicts);
}

TEST_HARNESS_MAIN
