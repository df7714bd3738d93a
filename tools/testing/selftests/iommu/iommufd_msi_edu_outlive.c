// SPDX-License-Identifier: GPL-2.0-only
/*
 * An interrupt of another driver in the group, which does no DMA, as that of a
 * PCIe port. It is set up while the group is bound to iommufd, and stays when
 * that has gone. CONFIG_IOMMUFD_TEST has such a driver.
 *
 * See iommufd_msi_edu.c for the words, and for what stands in brackets.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "iommufd_msi_edu.h"

#define TEST_DRIVER "iommufd_test_irq"

static int test_driver_raise(const struct edu_func *func)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/raise",
		 func->bdf);
	return edu_write_file(path, "1");
}

FIXTURE(outlive)
{
	int iommufd;
	__u32 ioas_id;
	const struct edu_func *func[2];
	struct edu_dev dev;
};

FIXTURE_SETUP(outlive)
{
	self->iommufd = -1;
	edu_init(&self->dev);
	if (!edu_find_pair(true, self->func)) {
		self->func[1] = NULL;
		SKIP(return, "no two edu functions in one group");
	}
	if (access("/sys/bus/pci/drivers/" TEST_DRIVER, F_OK)) {
		self->func[1] = NULL;
		SKIP(return, "no " TEST_DRIVER " (CONFIG_IOMMUFD_TEST?)");
	}
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->ioas_id));
}

FIXTURE_TEARDOWN(outlive)
{
	edu_close(&self->dev);
	if (self->iommufd >= 0)
		close(self->iommufd);
	if (self->func[1])
		EXPECT_EQ(0, edu_set_driver(self->func[1], "vfio-pci"));
}

/* [keep] */
TEST_F(outlive, close)
{
	int log_fd;
	int i;

	for (i = 0; i != 4; i++) {
		/* Attached or not when the other driver sets up its interrupt */
		bool attach_first = i & 1;

		ASSERT_EQ(0, edu_open_bind(&self->dev, self->func[0],
					   self->iommufd));
		if (attach_first)
			ASSERT_EQ(0, edu_attach(&self->dev, self->ioas_id));
		ASSERT_EQ(0, edu_set_driver(self->func[1], TEST_DRIVER));
		if (!attach_first)
			ASSERT_EQ(0, edu_attach(&self->dev, self->ioas_id));
		EXPECT_EQ(0, test_driver_raise(self->func[1]));
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ(&self->dev);

		log_fd = edu_log_open();
		edu_close(&self->dev);
		EXPECT_EQ(0, test_driver_raise(self->func[1]))
		{
			TH_LOG("lost after the owner has gone, round %d", i);
		}
		EXPECT_GE(0, edu_smmu_log_count(log_fd));
		ASSERT_EQ(0, edu_set_driver(self->func[1], "vfio-pci"));
	}
}

/* Nothing of it gets in the way of those who come later. [keep] */
TEST_F(outlive, next_owner)
{
	ASSERT_EQ(0,
		  edu_open_bind(&self->dev, self->func[0], self->iommufd));
	ASSERT_EQ(0, edu_set_driver(self->func[1], TEST_DRIVER));
	edu_close(&self->dev);
	EXPECT_EQ(0, test_driver_raise(self->func[1]));
	ASSERT_EQ(0, edu_set_driver(self->func[1], "vfio-pci"));

	/* The other way round: set up under nobody, used under nobody */
	ASSERT_EQ(0, edu_set_driver(self->func[1], TEST_DRIVER));
	EXPECT_EQ(0, test_driver_raise(self->func[1]));
	ASSERT_EQ(0, edu_set_driver(self->func[1], "vfio-pci"));

	ASSERT_EQ(0,
		  edu_open_bind(&self->dev, self->func[0], self->iommufd));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas_id));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ(&self->dev);
}
