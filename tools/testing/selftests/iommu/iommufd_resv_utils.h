/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls that have to do with reserved regions: test_cmd_x must succeed,
 * test_err_x must fail with the given errno.
 */
#ifndef __SELFTEST_IOMMUFD_RESV_UTILS
#define __SELFTEST_IOMMUFD_RESV_UTILS

#include "iommufd_msi_utils.h"

/* @cmd comes with the arguments, and goes with the results also on EMSGSIZE */
static int _test_cmd_device_resv_regions(int fd,
					 struct iommu_device_resv_regions *cmd)
{
	cmd->size = sizeof(*cmd);
	return ioctl(fd, IOMMU_DEVICE_RESV_REGIONS, cmd);
}

#define test_cmd_device_resv_regions(cmd) \
	ASSERT_EQ(0, _test_cmd_device_resv_regions(self->fd, cmd))
#define test_err_device_resv_regions(_errno, cmd) \
	EXPECT_ERRNO(_errno, _test_cmd_device_resv_regions(self->fd, cmd))

/* *num is the room at ranges, and the number of ranges there are afterwards */
static int _test_cmd_device_iova_ranges(int fd, __u32 dev_id,
					struct iommu_iova_range *ranges,
					__u32 *num)
{
	struct iommu_device_iova_ranges cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.num_iovas = *num,
		.allowed_iovas = (uintptr_t)ranges,
	};
	int ret;

	ret = ioctl(fd, IOMMU_DEVICE_IOVA_RANGES, &cmd);
	if (ret && errno != EMSGSIZE)
		return ret;
	*num = cmd.num_iovas;
	if (cmd.out_iova_alignment != PAGE_SIZE) {
		errno = EPROTO;
		return -1;
	}
	return ret;
}

#define test_cmd_device_iova_ranges(dev_id, ranges, num)                \
	ASSERT_EQ(0, _test_cmd_device_iova_ranges(self->fd, dev_id, ranges, \
						  num))
#define test_err_device_iova_ranges(_errno, dev_id, ranges, num)         \
	EXPECT_ERRNO(_errno, _test_cmd_device_iova_ranges(self->fd, dev_id, \
							  ranges, num))

static int _test_cmd_ioas_iova_ranges(int fd, __u32 ioas_id,
				      struct iommu_iova_range *ranges,
				      __u32 *num)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_id,
		.num_iovas = *num,
		.allowed_iovas = (uintptr_t)ranges,
	};
	int ret;

	ret = ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &cmd);
	*num = cmd.num_iovas;
	return ret;
}

#define test_cmd_ioas_iova_ranges(ioas_id, ranges, num)               \
	ASSERT_EQ(0, _test_cmd_ioas_iova_ranges(self->fd, ioas_id, ranges, \
						num))

static int _test_cmd_ioas_allow_iovas(int fd, __u32 ioas_id,
				      const struct iommu_iova_range *ranges,
				      __u32 num)
{
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_id,
		.num_iovas = num,
		.allowed_iovas = (uintptr_t)ranges,
	};

	return ioctl(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

#define test_cmd_ioas_allow_iovas(ioas_id, ranges, num)               \
	ASSERT_EQ(0, _test_cmd_ioas_allow_iovas(self->fd, ioas_id, ranges, \
						num))
#define test_err_ioas_allow_iovas(_errno, ioas_id, ranges, num)        \
	EXPECT_ERRNO(_errno, _test_cmd_ioas_allow_iovas(self->fd, ioas_id, \
							ranges, num))

static int _test_cmd_ioas_set_holes(int fd, __u32 ioas_id,
				    const struct iommu_iova_range *ranges,
				    __u32 num)
{
	struct iommu_ioas_set_holes cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_id,
		.num_iovas = num,
		.holes = (uintptr_t)ranges,
	};

	return ioctl(fd, IOMMU_IOAS_SET_HOLES, &cmd);
}

#define test_cmd_ioas_set_holes(ioas_id, ranges, num) \
	ASSERT_EQ(0, _test_cmd_ioas_set_holes(self->fd, ioas_id, ranges, num))
#define test_err_ioas_set_holes(_errno, ioas_id, ranges, num)        \
	EXPECT_ERRNO(_errno, _test_cmd_ioas_set_holes(self->fd, ioas_id, \
						      ranges, num))

static int _test_cmd_ioas_get_holes(int fd, __u32 ioas_id,
				    struct iommu_iova_range *ranges, __u32 *num)
{
	struct iommu_ioas_get_holes cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_id,
		.num_iovas = *num,
		.holes = (uintptr_t)ranges,
	};
	int ret;

	ret = ioctl(fd, IOMMU_IOAS_GET_HOLES, &cmd);
	*num = cmd.num_iovas;
	return ret;
}

#define test_cmd_ioas_get_holes(ioas_id, ranges, num) \
	ASSERT_EQ(0, _test_cmd_ioas_get_holes(self->fd, ioas_id, ranges, num))
#define test_err_ioas_get_holes(_errno, ioas_id, ranges, num)        \
	EXPECT_ERRNO(_errno, _test_cmd_ioas_get_holes(self->fd, ioas_id, \
						      ranges, num))

#define MAX_CONFLICTS 128

/* The arguments of a dry run, and what it answers */
struct resv_check {
	struct iommu_ioas_check cmd;
	__u32 num;
	struct iommu_iova_conflict conflicts[MAX_CONFLICTS];
};

/* Both calls of the protocol must agree */
static int _test_cmd_ioas_check(int fd, __u32 pt_id, __u32 dev_id,
				const struct iommu_iova_range *ranges,
				__u32 num_ranges, struct resv_check *check)
{
	__u32 num;
	int ret;

	memset(check, 0xee, sizeof(*check));
	check->cmd = (struct iommu_ioas_check){
		.size = sizeof(check->cmd),
		.pt_id = pt_id,
		.dev_id = dev_id,
		.num_ranges = num_ranges,
		.ranges = (uintptr_t)ranges,
	};
	ret = ioctl(fd, IOMMU_IOAS_CHECK, &check->cmd);
	if (ret && errno != EMSGSIZE)
		return ret;
	num = check->cmd.num_conflicts;
	if (!ret != !num || num > MAX_CONFLICTS) {
		errno = EPROTO;
		return -1;
	}
	check->cmd.num_conflicts = MAX_CONFLICTS;
	check->cmd.entry_size = sizeof(check->conflicts[0]);
	check->cmd.conflicts = (uintptr_t)check->conflicts;
	ret = ioctl(fd, IOMMU_IOAS_CHECK, &check->cmd);
	check->num = check->cmd.num_conflicts;
	if (!ret && check->num != num) {
		errno = EPROTO;
		return -1;
	}
	return ret;
}

#define test_cmd_ioas_check(pt_id, dev_id, ranges, num, check)              \
	ASSERT_EQ(0, _test_cmd_ioas_check(self->fd, pt_id, dev_id, ranges, num, \
					  check))
#define test_err_ioas_check(_errno, pt_id, dev_id, ranges, num, check)   \
	EXPECT_ERRNO(_errno, _test_cmd_ioas_check(self->fd, pt_id, dev_id, \
						  ranges, num, check))

static int _test_cmd_ioas_check_device(int fd, __u32 pt_id, __u32 dev_id,
				       struct resv_check *check)
{
	return _test_cmd_ioas_check(fd, pt_id, dev_id, NULL, 0, check);
}

#define test_cmd_ioas_check_device(pt_id, dev_id, check)               \
	ASSERT_EQ(0, _test_cmd_ioas_check_device(self->fd, pt_id, dev_id, \
						 check))
#define test_err_ioas_check_device(_errno, pt_id, dev_id, check)        \
	EXPECT_ERRNO(_errno, _test_cmd_ioas_check_device(self->fd, pt_id, \
							 dev_id, check))

static int _test_cmd_ioas_check_map(int fd, __u32 pt_id, __u64 iova,
				    __u64 length, struct resv_check *check)
{
	struct iommu_iova_range range = { iova, iova + (length - 1) };

	return _test_cmd_ioas_check(fd, pt_id, 0, &range, 1, check);
}

#define test_cmd_ioas_check_map(pt_id, iova, length, check)               \
	ASSERT_EQ(0, _test_cmd_ioas_check_map(self->fd, pt_id, iova, length, \
					      check))
#define test_err_ioas_check_map(_errno, pt_id, iova, length, check)      \
	EXPECT_ERRNO(_errno, _test_cmd_ioas_check_map(self->fd, pt_id, iova, \
						      length, check))

#define NUM_WINDOW_CONFLICTS 8

/* The arguments of IOMMU_MSI_WINDOW and its answer */
struct resv_window {
	struct iommu_msi_window cmd;
	struct iommu_iova_conflict conflicts[NUM_WINDOW_CONFLICTS];
};

static int _test_cmd_msi_window(int fd, __u32 op, __u32 dev_id, __u64 start,
				__u64 length, struct resv_window *window)
{
	memset(window, 0xee, sizeof(*window));
	window->cmd = (struct iommu_msi_window){
		.size = sizeof(window->cmd),
		.op = op,
		.dev_id = dev_id,
		.start = start,
		.length = length,
		.num_conflicts = NUM_WINDOW_CONFLICTS,
		.entry_size = sizeof(window->conflicts[0]),
		.conflicts = (uintptr_t)window->conflicts,
	};
	return ioctl(fd, IOMMU_MSI_WINDOW, &window->cmd);
}

static int _test_cmd_set_window(int fd, __u32 dev_id, __u64 start, __u64 length)
{
	struct resv_window window;
	int ret;

	ret = _test_cmd_msi_window(fd, IOMMU_MSI_WINDOW_OP_SET, dev_id, start,
				   length, &window);
	if (ret)
		return ret;
	if (window.cmd.start != start || window.cmd.length != length ||
	    window.cmd.out_state != IOMMU_MSI_WINDOW_CHOSEN ||
	    window.cmd.num_conflicts) {
		errno = EPROTO;
		return -1;
	}
	return 0;
}

static int _test_cmd_reset_window(int fd, __u32 dev_id)
{
	struct resv_window window;

	return _test_cmd_msi_window(fd, IOMMU_MSI_WINDOW_OP_RESET, dev_id, 0, 0,
				    &window);
}

#define test_cmd_set_window(dev_id, start, length) \
	ASSERT_EQ(0, _test_cmd_set_window(self->fd, dev_id, start, length))
#define test_err_set_window(_errno, dev_id, start, length)              \
	EXPECT_ERRNO(_errno, _test_cmd_set_window(self->fd, dev_id, start, \
						  length))
#define test_cmd_reset_window(dev_id) \
	ASSERT_EQ(0, _test_cmd_reset_window(self->fd, dev_id))
#define test_err_reset_window(_errno, dev_id) \
	EXPECT_ERRNO(_errno, _test_cmd_reset_window(self->fd, dev_id))

/* @state is the end of an IOMMU_MSI_WINDOW_* name */
#define test_cmd_window(state, dev_id, _start, _length)                     \
	({                                                                  \
		struct resv_window __window;                                \
		ASSERT_EQ(0, _test_cmd_msi_window(self->fd,                 \
						  IOMMU_MSI_WINDOW_OP_GET,  \
						  dev_id, 0, 0, &__window)); \
		EXPECT_EQ(IOMMU_MSI_WINDOW_##state, __window.cmd.out_state); \
		EXPECT_EQ(_start, __window.cmd.start);                      \
		EXPECT_EQ(_length, __window.cmd.length);                    \
		EXPECT_EQ(0, __window.cmd.num_conflicts);                   \
	})

/* What a mock device reports from now on, and the errno after that */
static int _test_cmd_mock_device_resv(int fd, __u32 stdev_id,
				      const struct iommu_test_resv *resv,
				      __u32 num, __u32 error)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MOCK_DEVICE_RESV,
		.id = stdev_id,
		.mock_device_resv = {
			.resv_uptr = (uintptr_t)resv,
			.resv_num = num,
			.error = error,
		},
	};

	return ioctl(fd, IOMMU_TEST_CMD, &cmd);
}

#define test_cmd_mock_device_resv(stdev_id, resv, num, error)               \
	ASSERT_EQ(0, _test_cmd_mock_device_resv(self->fd, stdev_id, resv, num, \
						error))
#define test_err_mock_device_resv(_errno, stdev_id, resv, num, error)    \
	EXPECT_ERRNO(_errno, _test_cmd_mock_device_resv(self->fd, stdev_id, \
							resv, num, error))

#endif
