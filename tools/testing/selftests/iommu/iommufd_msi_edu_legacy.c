// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO type1 containers, and the container that iommufd imitates, behave as they
 * did. These pass on plain 6.12.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/vfio.h>

#include "iommufd_msi_edu.h"

FIXTURE(legacy)
{
	int container;
	const struct edu_func *func[2];
	struct edu_dev dev[2];
};

FIXTURE_VARIANT(legacy)
{
	const char *path;
};

FIXTURE_VARIANT_ADD(legacy, type1)
{
	.path = "/dev/vfio/vfio",
};

FIXTURE_VARIANT_ADD(legacy, iommufd_compat)
{
	.path = "/dev/iommu",
};

FIXTURE_SETUP(legacy)
{
	int rc;
	int i;

	self->container = -1;
	for (i = 0; i != 2; i++)
		edu_init(&self->dev[i]);
	if (!edu_find_pair(false, self->func))
		SKIP(return, "no two edu devices in different groups");
	self->container = open(variant->path, O_RDWR | O_CLOEXEC);
	if (self->container < 0)
		SKIP(return, "no %s (CONFIG_VFIO_CONTAINER?)", variant->path);
	rc = edu_group_open(&self->dev[0], self->func[0], self->container);
	if (rc == -ENOENT)
		SKIP(return, "no VFIO group (CONFIG_VFIO_GROUP?)");
	ASSERT_EQ(0, rc);
	rc = ioctl(self->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
	if (rc && errno == EPERM)
		SKIP(return, "not isolated here, needs allow_unsafe_interrupts");
	ASSERT_EQ(0, rc);
}

FIXTURE_TEARDOWN(legacy)
{
	int i;

	for (i = 0; i != 2; i++)
		edu_close(&self->dev[i]);
	if (self->container >= 0)
		close(self->container);
}

TEST_F(legacy, raise)
{
	int i;

	ASSERT_EQ(0, edu_group_get_device(&self->dev[0]));
	for (i = 0; i != 100; i++) {
		ASSERT_EQ(0, edu_irq_on(&self->dev[0]));
		ASSERT_IRQ(&self->dev[0]);
		ASSERT_EQ(0, edu_irq_off(&self->dev[0]));
	}
	ASSERT_EQ(0, edu_irq_on(&self->dev[0]));
	for (i = 0; i != 100; i++)
		ASSERT_IRQ(&self->dev[0]);
}

TEST_F(legacy, two_groups)
{
	int i;
	int j;

	ASSERT_EQ(0, edu_group_open(&self->dev[1], self->func[1],
				    self->container));
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, edu_group_get_device(&self->dev[i]));
		ASSERT_EQ(0, edu_irq_on(&self->dev[i]));
		for (j = 0; j <= i; j++)
			ASSERT_IRQ(&self->dev[j]);
	}
	for (i = 0; i != 20; i++) {
		ASSERT_EQ(0, edu_irq_off(&self->dev[i & 1]));
		ASSERT_IRQ(&self->dev[!(i & 1)]);
		ASSERT_EQ(0, edu_irq_on(&self->dev[i & 1]));
		ASSERT_IRQ(&self->dev[i & 1]);
	}
	edu_close(&self->dev[0]);
	ASSERT_IRQ(&self->dev[1]);
}

/* Nothing may be mapped over the window by these either */
TEST_F(legacy, map_over_window)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.size = page,
	};
	void *va;

	if (!self->func[0]->has_window)
		SKIP(return, "this IOMMU has no software MSI window");
	va = mmap(NULL, page, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);
	ASSERT_EQ(0, edu_group_get_device(&self->dev[0]));
	ASSERT_EQ(0, edu_irq_on(&self->dev[0]));

	map.vaddr = (uintptr_t)va;
	map.iova = self->func[0]->window_start;
	ASSERT_EQ(-1, ioctl(self->container, VFIO_IOMMU_MAP_DMA, &map));
	ASSERT_EQ(EINVAL, errno);
	map.iova = self->func[0]->window_last + 1;
	ASSERT_EQ(0, ioctl(self->container, VFIO_IOMMU_MAP_DMA, &map));
	ASSERT_IRQ(&self->dev[0]);
	munmap(va, page);
}
