/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One device, bound and not attached, two address spaces, and memory to map:
 * 2 MiB, one page of it or more.
 */
#ifndef __SELFTEST_IOMMUFD_RESV_EDU_FIXTURE_H
#define __SELFTEST_IOMMUFD_RESV_EDU_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/mman.h>

#include "iommufd_resv_edu.h"

#define BUF_SIZE (2 * MiB)

FIXTURE(resv)
{
	int iommufd;
	struct edu_dev dev;
	__u32 ioas[2];
	struct regions regions;
	/* The software window; NULL: there is none */
	const struct iommu_resv_region_info *window;
	void *buf;
	size_t page;
};

FIXTURE_SETUP(resv)
{
	const struct edu_func *func;
	int rc;
	int i;

	self->iommufd = -1;
	edu_init(&self->dev);
	self->buf = MAP_FAILED;
	self->page = sysconf(_SC_PAGESIZE);

	func = find_device();
	if (!func)
		SKIP(return, "no edu device (1234:11e8) with its own group");

	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	rc = get_regions(self->iommufd, self->dev.dev_id, &self->regions);
	if (rc == -ENOTTY && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "this kernel does not tell reserved regions");
	ASSERT_EQ(0, rc);
	self->window = find_type(&self->regions, IOMMU_RESV_REGION_SW_MSI);
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->ioas[i]));
	self->buf = mmap(NULL, BUF_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->buf);
}

FIXTURE_TEARDOWN(resv)
{
	edu_close(&self->dev);
	if (self->iommufd >= 0)
		close(self->iommufd);
	if (self->buf != MAP_FAILED)
		munmap(self->buf, BUF_SIZE);
}

#endif
