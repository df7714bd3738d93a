// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ranges that are kept free in an IOAS, and calls that take long over many.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "iommufd_resv_fixture.h"

/* Holes are kept free, for devices to come */
TEST_F(iommufd_resv, holes)
{
	struct iommu_iova_range holes[] = {
		{ 0x6000000, 0x60fffff },
		{ 0x5000000, 0x50fffff },
	};
	struct iommu_iova_range ranges[4], allowed = { 0x5000000, 0x5000001 };
	struct iommu_ioas_get_holes bad = {
		.size = sizeof(bad),
		.ioas_id = self->ioas_id,
		.__reserved = 1,
	};
	struct resv_check check;
	__u32 num = 0;

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
}

/* A device that needs one comes, and the hole goes before the device does */
TEST_F(iommufd_resv, holes_plugged)
{
	struct iommu_iova_range holes[] = {
		{ 0x6000000, 0x60fffff },
		{ 0x5000000, 0x50fffff },
	};
	struct iommu_test_resv resv =
		region(MOCK_RESV_DIRECT, 0x5000000, 0x100000);
	struct iommu_iova_range ranges[4];
	struct resv_check check;
	__u32 num = 4;
	struct dev dev;

	test_cmd_ioas_set_holes(self->ioas_id, holes, 2);
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
