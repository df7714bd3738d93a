// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a replace keep DMA in flight? What the kernel says about it.
 *
 * IOMMU_GET_HW_INFO has a capability for it, and where a replace loses DMA the
 * kernel says so in its log at the first replace, once for a device.
 *
 * The device is QEMU's edu, see vfio_edu.h. It is taken off the PCI bus and found
 * again for each test, so that nothing has been said about it yet.
 *
 * Environment:
 *   EDU_HITLESS  what the capability must be here, 0 or 1
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "../kselftest_harness.h"
#include "vfio_edu.h"

/* Returns the number of messages about @func, closes @log_fd */
static int count_messages(int log_fd, const struct edu_func *func)
{
	return edu_log_count(log_fd, func->bdf, "DMA in flight is lost");
}

FIXTURE(replace)
{
	int iommufd;
	struct edu_dev dev;
	__u32 ioas_id;
	__u32 hwpt_id[2];
};

FIXTURE_SETUP(replace)
{
	const struct edu_func *func;
	char path[128];
	int i;

	self->iommufd = -1;
	edu_init(&self->dev);
	func = edu_find_single();
	if (!func)
		SKIP(return, "no edu device (1234:11e8) with its own group");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove",
		 func->bdf);
	ASSERT_EQ(0, edu_write_file(path, "1"));
	ASSERT_EQ(0, edu_write_file("/sys/bus/pci/rescan", "1"));
	func = edu_find_single();
	ASSERT_NE(NULL, func);

	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->ioas_id));
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_hwpt_alloc(self->iommufd, self->dev.dev_id,
					    self->ioas_id, &self->hwpt_id[i]));
}

FIXTURE_TEARDOWN(replace)
{
	edu_close(&self->dev);
	if (self->iommufd >= 0)
		close(self->iommufd);
}

static bool is_hitless(struct __test_metadata *_metadata, int iommufd,
		       __u32 dev_id)
{
	__u64 caps;

	ASSERT_EQ(0, edu_hw_capabilities(iommufd, dev_id, &caps));
	return caps & IOMMU_HW_CAP_HITLESS_REPLACE;
}

#define IS_HITLESS() \
	is_hitless(_metadata, self->iommufd, self->dev.dev_id)

/* Known from bind on, and the same whatever the device is attached to */
TEST_F(replace, capability)
{
	bool hitless = IS_HITLESS();

	ksft_print_msg("a replace %s DMA in flight\n",
		       hitless ? "keeps" : "loses");
	ASSERT_EQ(0, edu_attach(&self->dev, self->hwpt_id[0]));
	ASSERT_EQ(hitless, IS_HITLESS());
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas_id));
	ASSERT_EQ(hitless, IS_HITLESS());
	if (!getenv("EDU_HITLESS"))
		SKIP(return, "EDU_HITLESS does not tell what is right here");
	ASSERT_EQ(hitless, edu_env("EDU_HITLESS", 0));
}

/* One message for a device, at the first replace, if DMA is lost */
TEST_F(replace, message)
{
	bool hitless = IS_HITLESS();
	int log_fd;
	int i;

	log_fd = edu_log_open();
	ASSERT_LE(0, log_fd);
	ASSERT_EQ(0, edu_attach(&self->dev, self->hwpt_id[0]));
	ASSERT_EQ(0, edu_detach(&self->dev));
	ASSERT_EQ(0, edu_attach(&self->dev, self->hwpt_id[0]));
	ASSERT_EQ(0, count_messages(log_fd, self->dev.func));

	log_fd = edu_log_open();
	ASSERT_LE(0, log_fd);
	for (i = 1; i != 10; i++)
		ASSERT_EQ(0, edu_attach(&self->dev, self->hwpt_id[i % 2]));
	ASSERT_EQ(hitless ? 0 : 1, count_messages(log_fd, self->dev.func));
}

TEST_HARNESS_MAIN
