// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PASIDs of a VFIO device: what the ioctls say of one that can take none.
 *
 * QEMU has no device that sends PASIDs, so what is attached to one is tested with
 * the mock, see iommufd_pasid.c. Here it is about what VFIO itself decides: the
 * sizes of the structures, flags, and that the attachment without a PASID is left
 * alone. The device is QEMU's edu, see vfio_edu.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "vfio_edu.h"

/* As programs have them that know nothing of PASIDs */
#define OLD_ATTACH_SIZE \
	(offsetof(struct vfio_device_attach_iommufd_pt, pt_id) + sizeof(__u32))
#define OLD_DETACH_SIZE \
	(offsetof(struct vfio_device_detach_iommufd_pt, flags) + sizeof(__u32))

FIXTURE(pasid_edu)
{
	int iommufd;
	struct edu_dev dev;
	__u32 ioas_id;
	__u32 hwpt_id;
};

FIXTURE_SETUP(pasid_edu)
{
	const struct edu_func *func;

	self->iommufd = -1;
	edu_init(&self->dev);
	func = edu_find_single();
	if (!func)
		SKIP(return, "no edu device (1234:11e8) with its own group");
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->ioas_id));
	ASSERT_EQ(0, edu_hwpt_alloc(self->iommufd, self->dev.dev_id,
				    self->ioas_id, &self->hwpt_id));
}

FIXTURE_TEARDOWN(pasid_edu)
{
	edu_close(&self->dev);
	if (self->iommufd >= 0)
		close(self->iommufd);
}

/* 0 or -errno */
static int attach(struct edu_dev *dev, size_t argsz, __u32 flags, __u32 pt_id,
		  __u32 pasid)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = argsz,
		.flags = flags,
		.pt_id = pt_id,
		.pasid = pasid,
	};

	return ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg) ? -errno : 0;
}

static int detach(struct edu_dev *dev, size_t argsz, __u32 flags, __u32 pasid)
{
	struct vfio_device_detach_iommufd_pt arg = {
		.argsz = argsz,
		.flags = flags,
		.pasid = pasid,
	};

	return ioctl(dev->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg) ? -errno : 0;
}

/* The old size without the flag, the new one with and without */
TEST_F(pasid_edu, sizes)
{
	size_t attach_size = sizeof(struct vfio_device_attach_iommufd_pt);
	size_t detach_size = sizeof(struct vfio_device_detach_iommufd_pt);
	struct edu_dev *dev = &self->dev;
	__u32 hwpt = self->hwpt_id;

	EXPECT_EQ(12, OLD_ATTACH_SIZE);
	EXPECT_EQ(8, OLD_DETACH_SIZE);
	EXPECT_EQ(-EINVAL, attach(dev, OLD_ATTACH_SIZE - 1, 0, hwpt, 0));
	EXPECT_EQ(0, attach(dev, OLD_ATTACH_SIZE, 0, hwpt, 0));
	/* Without the flag the PASID may be anything */
	EXPECT_EQ(0, attach(dev, attach_size, 0, self->ioas_id, ~0U));
	EXPECT_EQ(-EINVAL, attach(dev, OLD_ATTACH_SIZE,
				  VFIO_DEVICE_ATTACH_PASID, hwpt, 5));
	EXPECT_EQ(-EINVAL, attach(dev, attach_size - 1,
				  VFIO_DEVICE_ATTACH_PASID, hwpt, 5));
	EXPECT_EQ(-EINVAL, attach(dev, attach_size,
				  VFIO_DEVICE_ATTACH_PASID << 1, hwpt, 5));

	EXPECT_EQ(-EINVAL, detach(dev, OLD_DETACH_SIZE - 1, 0, 0));
	EXPECT_EQ(-EINVAL, detach(dev, OLD_DETACH_SIZE,
				  VFIO_DEVICE_DETACH_PASID, 5));
	EXPECT_EQ(-EINVAL, detach(dev, detach_size - 1,
				  VFIO_DEVICE_DETACH_PASID, 5));
	EXPECT_EQ(-EINVAL, detach(dev, detach_size,
				  VFIO_DEVICE_DETACH_PASID << 1, 5));
	EXPECT_EQ(0, detach(dev, OLD_DETACH_SIZE, 0, 0));
	EXPECT_EQ(0, attach(dev, attach_size + 100, 0, hwpt, 0));
	EXPECT_EQ(0, detach(dev, detach_size, 0, ~0U));
}

/* The structure ends where memory ends; with the flag it is read to the end */
TEST_F(pasid_edu, end_of_memory)
{
	size_t page_size = sysconf(_SC_PAGE_SIZE);
	struct vfio_device_attach_iommufd_pt *arg;
	__u8 *page;

	page = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, munmap(page + page_size, page_size));
	arg = (void *)(page + page_size - OLD_ATTACH_SIZE);
	arg->argsz = OLD_ATTACH_SIZE;
	arg->pt_id = self->hwpt_id;
	EXPECT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, arg));
	arg->argsz = sizeof(*arg);
	arg->flags = VFIO_DEVICE_ATTACH_PASID;
	EXPECT_EQ(-1, ioctl(self->dev.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, arg));
	EXPECT_EQ(EFAULT, errno);
	munmap(page, page_size);
}

/* The device can take none, and stays attached as it is */
TEST_F(pasid_edu, no_pasids)
{
	struct iommu_pasid_alloc alloc = {
		.size = sizeof(alloc),
		.dev_id = self->dev.dev_id,
		.max_pasid = ~0U,
	};
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt),
		.flags = IOMMU_HWPT_ALLOC_PASID,
		.dev_id = self->dev.dev_id,
		.pt_id = self->ioas_id,
	};
	struct iommu_hw_info info = {
		.size = sizeof(info),
		.dev_id = self->dev.dev_id,
	};
	size_t attach_size = sizeof(struct vfio_device_attach_iommufd_pt);
	size_t detach_size = sizeof(struct vfio_device_detach_iommufd_pt);

	ASSERT_EQ(0, ioctl(self->iommufd, IOMMU_GET_HW_INFO, &info));
	if (info.out_max_pasid_log2)
		SKIP(return, "the device can take PASIDs");
	EXPECT_EQ(-1, ioctl(self->iommufd, IOMMU_PASID_ALLOC, &alloc));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, ioctl(self->iommufd, IOMMU_HWPT_ALLOC, &hwpt));
	EXPECT_EQ(EOPNOTSUPP, errno);

	ASSERT_EQ(0, edu_attach(&self->dev, self->hwpt_id));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	EXPECT_EQ(-ENODEV, attach(&self->dev, attach_size,
				  VFIO_DEVICE_ATTACH_PASID, self->hwpt_id, 5));
	EXPECT_EQ(0, detach(&self->dev, detach_size, VFIO_DEVICE_DETACH_PASID,
			    5));
	EXPECT_EQ(1, edu_raise(&self->dev, EDU_TIMEOUT_MS));
}

TEST_HARNESS_MAIN
