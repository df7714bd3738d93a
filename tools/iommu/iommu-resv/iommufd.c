// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ask iommufd itself. All that depends on its ioctls is in this file. Built with
 * headers of a kernel without them it says what such a kernel would: ENOTTY.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "tool.h"

#ifdef IOMMU_DEVICE_RESV_REGIONS

static int to_type(const struct iommu_resv_region_info *info)
{
	switch (info->type) {
	case IOMMU_RESV_REGION_DIRECT:
		return RESV_DIRECT;
	case IOMMU_RESV_REGION_DIRECT_RELAXABLE:
		return RESV_DIRECT_RELAXABLE;
	case IOMMU_RESV_REGION_RESERVED:
		return RESV_RESERVED;
	case IOMMU_RESV_REGION_HW_MSI:
		return RESV_MSI_HW;
	case IOMMU_RESV_REGION_SW_MSI:
		return RESV_MSI_SW;
	case IOMMU_RESV_REGION_BRIDGE_WINDOW:
		return RESV_BRIDGE_WINDOW;
	case IOMMU_RESV_REGION_NO_DMA:
		return RESV_NO_DMA;
	default:
		/* A kernel to come */
		return info->flags & IOMMU_RESV_REGION_ENFORCED ?
			       RESV_RESERVED :
			       RESV_ADVISORY;
	}
}

/* @call with more and more room at @array until all of it fits */
static int ioctl_array(int fd, unsigned long call, void *cmd, __u32 *num,
		       __u64 *array, size_t size)
{
	void *p;

	while (ioctl(fd, call, cmd)) {
		if (errno != EMSGSIZE)
			return -errno;
		p = realloc((void *)(uintptr_t)*array, *num * size);
		if (!p)
			return -ENOMEM;
		*array = (uintptr_t)p;
	}
	return 0;
}

static int read_regions(int iommufd, uint32_t dev_id, struct resv_device *dev)
{
	struct iommu_device_resv_regions cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.entry_size = sizeof(struct iommu_resv_region_info),
	};
	struct iommu_resv_region_info *info;
	__u32 i;
	int rc;

	rc = ioctl_array(iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd,
			 &cmd.num_regions, &cmd.regions, sizeof(*info));
	info = (void *)(uintptr_t)cmd.regions;
	for (i = 0; !rc && i != cmd.num_regions; i++)
		rc = resv_device_add_region(dev, info[i].start, info[i].last,
					    to_type(&info[i]));
	free(info);
	if (cmd.out_flags & IOMMU_DEVICE_APERTURE_KNOWN) {
		dev->aperture_known = true;
		dev->aperture = (struct resv_range){ cmd.out_aperture_start,
						     cmd.out_aperture_last };
	}
	return rc;
}

static int read_ranges(int iommufd, uint32_t dev_id, struct resv_device *dev)
{
	struct iommu_device_iova_ranges cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
	};
	struct iommu_iova_range *ranges;
	__u32 i;
	int rc;

	rc = ioctl_array(iommufd, IOMMU_DEVICE_IOVA_RANGES, &cmd,
			 &cmd.num_iovas, &cmd.allowed_iovas, sizeof(*ranges));
	ranges = (void *)(uintptr_t)cmd.allowed_iovas;
	for (i = 0; !rc && i != cmd.num_iovas; i++)
		rc = resv_set_add(&dev->ranges, ranges[i].start,
				  ranges[i].last);
	free(ranges);
	resv_set_normalize(&dev->ranges);
	dev->alignment = cmd.out_iova_alignment;
	return rc;
}

int iommufd_read_device(int iommufd, uint32_t dev_id, struct resv_device *dev,
			struct resv_err *err)
{
	int rc;

	rc = read_regions(iommufd, dev_id, dev);
	if (!rc)
		rc = read_ranges(iommufd, dev_id, dev);
	if (rc)
		return resv_fail(err, rc, "%.80s: the ioctl says: %s",
				 dev->name, strerror(-rc));
	dev->source = RESV_FROM_IOCTL;
	return 0;
}

#else

int iommufd_read_device(int iommufd, uint32_t dev_id, struct resv_device *dev,
			struct resv_err *err)
{
	(void)iommufd;
	(void)dev_id;
	return resv_fail(err, -ENOTTY, "%.80s: built without the ioctls",
			 dev->name);
}

#endif

#ifdef VFIO_DEVICE_BIND_IOMMUFD

int iommufd_probe_device(struct resv_device *dev, struct resv_err *err)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	int iommufd, fd;
	char path[300];
	int rc = 0;

	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (iommufd < 0)
		return resv_fail(err, -errno, "/dev/iommu: %s",
				 strerror(errno));
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", dev->vfio);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		rc = resv_fail(err, -errno, "%s: %s", path, strerror(errno));
		close(iommufd);
		return rc;
	}
	bind.iommufd = iommufd;
	if (ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		rc = resv_fail(err, -errno, "%s: cannot be bound: %s", path,
			       strerror(errno));
	else
		rc = iommufd_read_device(iommufd, bind.out_devid, dev, err);
	/* The order matters: the device is unbound when it is closed */
	close(fd);
	close(iommufd);
	return rc;
}

#else

int iommufd_probe_device(struct resv_device *dev, struct resv_err *err)
{
	return resv_fail(err, -ENOTTY, "%.80s: built without VFIO's ioctl",
			 dev->name);
}

#endif
