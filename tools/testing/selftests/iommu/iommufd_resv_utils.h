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

/* The results are in @cmd */
static int _test_cmd_ioas_check_device(int fd, __u32 ioas_id, __u32 dev_id,
				       struct iommu_ioas_check *cmd)
{
	*cmd = (struct iommu_ioas_check){
		.size = sizeof(*cmd),
		.ioas_id = ioas_id,
		.op = IOMMU_IOAS_CHECK_DEVICE,
		.dev_id = dev_id,
	};
	return ioctl(fd, IOMMU_IOAS_CHECK, cmd);
}

#define test_cmd_ioas_check_device(ioas_id, dev_id, cmd)               \
	ASSERT_EQ(0, _test_cmd_ioas_check_device(self->fd, ioas_id, dev_id, \
						 cmd))
#define test_err_ioas_check_device(_errno, ioas_id, dev_id, cmd)        \
	EXPECT_ERRNO(_errno, _test_cmd_ioas_check_device(self->fd, ioas_id, \
							 dev_id, cmd))

static int _test_cmd_ioas_check_map(int fd, __u32 ioas_id, __u64 iova,
				    __u64 length, struct iommu_ioas_check *cmd)
{
	*cmd = (struct iommu_ioas_check){
		.size = sizeof(*cmd),
		.ioas_id = ioas_id,
		.op = IOMMU_IOAS_CHECK_MAP,
		.iova = iova,
		.length = length,
	};
	return ioctl(fd, IOMMU_IOAS_CHECK, cmd);
}

#define test_cmd_ioas_check_map(ioas_id, iova, length, cmd)                 \
	ASSERT_EQ(0, _test_cmd_ioas_check_map(self->fd, ioas_id, iova, length, \
					      cmd))
#define test_err_ioas_check_map(_errno, ioas_id, iova, length, cmd)      \
	EXPECT_ERRNO(_errno, _test_cmd_ioas_check_map(self->fd, ioas_id, \
						      iova, length, cmd))

static int _test_cmd_option(int fd, __u32 option, __u16 op, __u32 object_id,
			    __u64 *val)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = option,
		.op = op,
		.object_id = object_id,
		.val64 = *val,
	};
	int ret;

	ret = ioctl(fd, IOMMU_OPTION, &cmd);
	*val = cmd.val64;
	return ret;
}

static int _test_cmd_option_set(int fd, __u32 option, __u32 object_id,
				__u64 val)
{
	return _test_cmd_option(fd, option, IOMMU_OPTION_OP_SET, object_id,
				&val);
}

/* @size is in MiB */
static int _test_cmd_get_window(int fd, __u32 object_id, __u64 *start,
				__u64 *size)
{
	return _test_cmd_option(fd, IOMMU_OPTION_SW_MSI_START,
				IOMMU_OPTION_OP_GET, object_id, start) ?:
	       _test_cmd_option(fd, IOMMU_OPTION_SW_MSI_SIZE,
				IOMMU_OPTION_OP_GET, object_id, size);
}

#define test_cmd_set_window_start(object_id, val)                          \
	ASSERT_EQ(0, _test_cmd_option_set(self->fd,                        \
					  IOMMU_OPTION_SW_MSI_START,       \
					  object_id, val))
#define test_err_set_window_start(_errno, object_id, val)                  \
	EXPECT_ERRNO(_errno, _test_cmd_option_set(self->fd,                \
						  IOMMU_OPTION_SW_MSI_START, \
						  object_id, val))
#define test_cmd_set_window_size(object_id, val)                          \
	ASSERT_EQ(0, _test_cmd_option_set(self->fd,                       \
					  IOMMU_OPTION_SW_MSI_SIZE,       \
					  object_id, val))
#define test_err_set_window_size(_errno, object_id, val)                  \
	EXPECT_ERRNO(_errno, _test_cmd_option_set(self->fd,               \
						  IOMMU_OPTION_SW_MSI_SIZE, \
						  object_id, val))
#define test_cmd_window(object_id, start, size)                             \
	({                                                                  \
		__u64 __start = ~0ULL, __size = ~0ULL;                      \
		ASSERT_EQ(0, _test_cmd_get_window(self->fd, object_id,      \
						  &__start, &__size));      \
		EXPECT_EQ(start, __start);                                  \
		EXPECT_EQ(size, __size);                                    \
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
