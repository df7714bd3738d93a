/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixture of most tests: two IOASes.
 */
#ifndef __SELFTEST_IOMMUFD_RESV_FIXTURE
#define __SELFTEST_IOMMUFD_RESV_FIXTURE

#include <fcntl.h>

#include "iommufd_resv_test.h"

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

#endif
