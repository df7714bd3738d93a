/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixture of the tests: two IOASes, and a device that can take PASIDs, bound
 * and not attached.
 */
#ifndef __SELFTEST_IOMMUFD_PASID_FIXTURE
#define __SELFTEST_IOMMUFD_PASID_FIXTURE

#include <fcntl.h>

#include "iommufd_pasid_utils.h"
#include "iommufd_resv_test.h"

FIXTURE(iommufd_pasid)
{
	int fd;
	__u32 ioas_id;
	__u32 ioas2_id;
	struct dev dev;
};

FIXTURE_SETUP(iommufd_pasid)
{
	struct mock_device_args args = { .flags = MOCK_FLAGS_DEVICE_PASID };

	self->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (self->fd < 0)
		SKIP(return, "no /dev/iommu");
	if (_test_cmd_mock_device(self->fd, 0, &args, &self->dev.stdev_id, NULL,
				  &self->dev.id))
		SKIP(return, "CONFIG_IOMMUFD_TEST is not set");
	test_ioctl_ioas_alloc(&self->ioas_id);
	test_ioctl_ioas_alloc(&self->ioas2_id);
}

FIXTURE_TEARDOWN(iommufd_pasid)
{
	if (self->fd >= 0)
		ASSERT_EQ(0, close(self->fd));
}

#endif
