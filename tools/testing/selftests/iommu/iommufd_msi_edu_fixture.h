/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixture of most tests: one device, one fd, two address spaces.
 */
#ifndef __SELFTEST_IOMMUFD_MSI_EDU_FIXTURE_H
#define __SELFTEST_IOMMUFD_MSI_EDU_FIXTURE_H

#include <fcntl.h>
#include <unistd.h>

#include "iommufd_msi_edu.h"

/*
 * pt[] holds all that the device can be attached to: the IOAS themselves (the
 * kernel then picks the domain) and manual HWPTs, two in each IOAS.
 */
enum {
	PT_IOAS0,
	PT_IOAS1,
	PT_HWPT0_0,
	PT_HWPT0_1,
	PT_HWPT1_0,
	PT_HWPT1_1,
	NUM_PT,
};

/* The pt[] of the IOAS that a pt[] is in */
static int pt_to_ioas(int pt)
{
	return pt < PT_HWPT0_0 ? pt : (pt - PT_HWPT0_0) / 2;
}

FIXTURE(msi)
{
	int iommufd;
	struct edu_dev dev;
	__u32 pt[NUM_PT];
};

FIXTURE_SETUP(msi)
{
	const struct edu_func *func;
	int i;

	self->iommufd = -1;
	edu_init(&self->dev);

	func = edu_find_single();
	if (!func)
		SKIP(return, "no edu device (1234:11e8) with its own group");

	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->pt[i]));
		ASSERT_EQ(0, edu_hwpt_alloc(self->iommufd, self->dev.dev_id,
					    self->pt[i],
					    &self->pt[PT_HWPT0_0 + 2 * i]));
		ASSERT_EQ(0, edu_hwpt_alloc(self->iommufd, self->dev.dev_id,
					    self->pt[i],
					    &self->pt[PT_HWPT0_1 + 2 * i]));
	}
}

FIXTURE_TEARDOWN(msi)
{
	edu_close(&self->dev);
	if (self->iommufd >= 0)
		close(self->iommufd);
}

static void msi_start(struct __test_metadata *_metadata, struct edu_dev *dev,
		      __u32 pt_id)
{
	ASSERT_EQ(0, edu_attach(dev, pt_id));
	ASSERT_EQ(0, edu_irq_on(dev));
	ASSERT_IRQ_MSG("first attach", dev);
}

static void msi_swap(struct __test_metadata *_metadata, struct edu_dev *dev,
		     __u32 pt_id, const char *what)
{
	ASSERT_EQ(0, edu_attach(dev, pt_id));
	ASSERT_IRQ_MSG(what, dev);
}

#endif
