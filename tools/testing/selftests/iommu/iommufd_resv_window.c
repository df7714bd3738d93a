// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSI window of a device is read, and moved.
 */
#include "iommufd_resv_fixture.h"

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
	struct dev dev;

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

	/* Back to what the driver says */
	test_cmd_reset_window(dev.id);
	test_cmd_window(DRIVER, dev.id, WINDOW_START, WINDOW_LENGTH);
	resv = region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	test_cmd_device_resv_regions(&cmd);
	expect_region(_metadata, &info, &resv, IOMMU_RESV_REGION_ENFORCED);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas2_id, NULL);
}

/* Doorbells are mapped in the window that was chosen, and then it stays */
TEST_F(iommufd_resv, window_in_use)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	struct iommu_iova_range ranges[3], ioas_ranges[3];
	struct iommu_test_pte pte;
	__u32 msi_id, hwpt_id, num = 3;
	struct dev dev;
	__u64 addr;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(&resv, 1);
	test_cmd_set_window(dev.id, 0x20000000, 4 * MIB);
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
	test_cmd_reset_window(dev.id);
	test_cmd_window(DRIVER, dev.id, WINDOW_START, WINDOW_LENGTH);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas2_id, NULL);
}

/* What is wrong with the command itself, whatever the device */
static void window_bad_commands(struct __test_metadata *_metadata,
				FIXTURE_DATA(iommufd_resv) * self, __u32 dev_id)
{
	static const __u32 bad_sizes[] = { 8, 39, 44, 4104 };
	struct iommu_msi_window cmd = { .size = sizeof(cmd) };
	struct resv_window window;
	unsigned int i;

	cmd.op = IOMMU_MSI_WINDOW_OP_RESET + 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_MSI_WINDOW, &cmd));
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
					  dev_id, 0, 1, &window));
	EXPECT_ERRNO(EOPNOTSUPP,
		     _test_cmd_msi_window(self->fd, IOMMU_MSI_WINDOW_OP_RESET,
					  dev_id, PAGE_SIZE, 0, &window));
}

/* Another proposal has these numbers for the same, and they stay free */
static void window_options(struct __test_metadata *_metadata,
			   FIXTURE_DATA(iommufd_resv) * self)
{
	struct iommu_option option = { .size = sizeof(option) };

	for (option.option_id = 2; option.option_id != 4; option.option_id++) {
		option.op = IOMMU_OPTION_OP_GET;
		EXPECT_ERRNO(EOPNOTSUPP,
			     ioctl(self->fd, IOMMU_OPTION, &option));
		option.op = IOMMU_OPTION_OP_SET;
		EXPECT_ERRNO(EOPNOTSUPP,
			     ioctl(self->fd, IOMMU_OPTION, &option));
	}
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
	struct resv_window window;
	struct dev dev, none, hw;

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

	window_bad_commands(_metadata, self, dev.id);
	window_options(_metadata, self);

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
	struct dev dev, low;
	__u32 group;

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
}

/* In use by an interrupt, and by a sibling */
TEST_F(iommufd_resv, window_busy)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_DIRECT, 0x30000000, 0x4000),
	};
	struct resv_window window;
	struct dev dev, sibling;
	__u32 group, msi_id;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(resv, 1);
	sibling = make_dev(_metadata, self->fd, resv, 2, 0, &dev);
	group = group_id(_metadata, self->fd, dev.id);

	test_cmd_msi_prepare(sibling.stdev_id, doorbell(0), NULL, &msi_id);
	EXPECT_ERRNO(EBUSY,
		     _test_cmd_msi_window(self->fd, IOMMU_MSI_WINDOW_OP_SET,
					  dev.id, 0x2000000, MIB, &window));
	EXPECT_EQ(1, window.cmd.num_conflicts);
	m_window_conflict(0, BUSY, WINDOW_START,
			  WINDOW_START + WINDOW_LENGTH - 1,
			  IOMMU_RESV_REGION_SW_MSI, 0);
	test_cmd_msi_unprepare(sibling.stdev_id, msi_id);
	test_cmd_mock_device_attach(sibling.stdev_id, self->ioas_id, NULL);
	EXPECT_ERRNO(EBUSY,
		     _test_cmd_msi_window(self->fd, IOMMU_MSI_WINDOW_OP_RESET,
					  dev.id, 0, 0, &window));
	EXPECT_EQ(1, window.cmd.num_conflicts);
	m_window_conflict(0, BUSY, WINDOW_START,
			  WINDOW_START + WINDOW_LENGTH - 1,
			  IOMMU_RESV_REGION_SW_MSI, sibling.id);
	test_cmd_window(DRIVER, dev.id, WINDOW_START, WINDOW_LENGTH);
}

/* A driver that cannot tell the aperture of a device refuses no window for it */
TEST_F(iommufd_resv, window_no_aperture)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	struct dev dev;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(&resv, 1);
	test_err_set_window(EADDRNOTAVAIL, dev.id, APERTURE_LAST + 1, MIB);
	test_cmd_window(DRIVER, dev.id, WINDOW_START, WINDOW_LENGTH);
	dev = make_dev(_metadata, self->fd, &resv, 1,
		       MOCK_FLAGS_DEVICE_NO_APERTURE, NULL);
	test_cmd_set_window(dev.id, APERTURE_LAST + 1, MIB);
	test_cmd_window(CHOSEN, dev.id, APERTURE_LAST + 1, MIB);
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
