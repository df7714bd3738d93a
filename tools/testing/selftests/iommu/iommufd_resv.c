// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what iommufd tells about reserved regions, and lets one do about
 * them. They need no hardware: mock devices have regions of every type, anywhere
 * and as many as wanted.
 *
 * IOMMUFD_RESV_SEED= and IOMMUFD_RESV_STEPS= change the random test.
 */
#include "iommufd_resv_fixture.h"

#define MAX_REGIONS 600
#define MAX_RANGES (MAX_REGIONS + 2)

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

TEST_HARNESS_MAIN
