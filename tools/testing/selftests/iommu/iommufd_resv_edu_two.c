// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two devices, in one group or in two.
 * See iommufd_resv_edu.c for the words.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "iommufd_resv_edu.h"

FIXTURE(resv_two)
{
	int iommufd;
	struct edu_dev dev[2];
	__u32 ioas;
};

FIXTURE_VARIANT(resv_two)
{
	bool same_group;
};

FIXTURE_VARIANT_ADD(resv_two, one_group)
{
	.same_group = true,
};

FIXTURE_VARIANT_ADD(resv_two, two_groups)
{
	.same_group = false,
};

FIXTURE_SETUP(resv_two)
{
	const struct edu_func *pair[2];
	struct regions regions;
	int rc;
	int i;

	self->iommufd = -1;
	for (i = 0; i != 2; i++)
		edu_init(&self->dev[i]);
	if (!edu_find_pair(variant->same_group, pair))
		SKIP(return, "no two such edu devices");
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->ioas));
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0,
			  edu_open_bind(&self->dev[i], pair[i], self->iommufd));
	rc = get_regions(self->iommufd, self->dev[0].dev_id, &regions);
	if (rc == -ENOTTY && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "this kernel does not tell reserved regions");
	ASSERT_EQ(0, rc);
	if (!find_type(&regions, IOMMU_RESV_REGION_SW_MSI))
		SKIP(return, "this IOMMU has no software MSI window");
}

FIXTURE_TEARDOWN(resv_two)
{
	int i;

	for (i = 0; i != 2; i++)
		edu_close(&self->dev[i]);
	if (self->iommufd >= 0)
		close(self->iommufd);
}

/* The window is that of the group, and of no other */
TEST_F(resv_two, window)
{
	struct iommu_iova_conflict blame = {};
	struct iommu_msi_window busy = {
		.op = IOMMU_MSI_WINDOW_OP_SET,
		.start = MOVED_START + 4 * MiB,
		.length = MiB,
		.num_conflicts = 1,
		.entry_size = sizeof(blame),
		.conflicts = (uintptr_t)&blame,
	};
	__u64 start[2];
	int fd = self->iommufd;
	int i;

	ASSERT_EQ(0, set_window(fd, self->dev[0].dev_id, MOVED_START, MiB));
	start[0] = MOVED_START;
	start[1] = variant->same_group ? MOVED_START : SW_MSI_START;
	for (i = 0; i != 2; i++)
		ASSERT_TRUE(window_is(fd, self->dev[i].dev_id,
				      start[i] == MOVED_START ?
					      IOMMU_MSI_WINDOW_CHOSEN :
					      IOMMU_MSI_WINDOW_DRIVER,
				      start[i], 1));

	/* Windows that are apart can be in one IOAS */
	for (i = 0; i != 2; i++) {
		ASSERT_TRUE(device_fits(fd, self->ioas, self->dev[i].dev_id));
		ASSERT_EQ(0, edu_attach(&self->dev[i], self->ioas));
		ASSERT_EQ(0, edu_irq_on(&self->dev[i]));
	}
	for (i = 0; i != 2; i++) {
		ASSERT_IRQ(&self->dev[i]);
		ASSERT_TRUE(msi_is_in(&self->dev[i], start[i], start[i] + MiB - 1));
	}
	ASSERT_EQ(0, edu_irq_off(&self->dev[1]));
	ASSERT_EQ(0, edu_detach(&self->dev[1]));
	/* The sibling is in the way, and named; the other group is not */
	busy.dev_id = self->dev[1].dev_id;
	ASSERT_EQ(variant->same_group ? -EBUSY : 0, msi_window(fd, &busy));
	ASSERT_EQ((__u32)self->dev[1].func->group, busy.out_group_id);
	ASSERT_EQ(variant->same_group ? 1 : 0, busy.num_conflicts);
	if (variant->same_group) {
		ASSERT_EQ(IOMMU_IOVA_CONFLICT_BUSY, blame.kind);
		ASSERT_EQ(self->dev[0].dev_id, blame.dev_id);
		ASSERT_EQ((__u32)self->dev[0].func->group, blame.group_id);
	}
	ASSERT_IRQ(&self->dev[0]);
}

/* Windows that overlap cannot be in one IOAS, and the dry run says so */
TEST_F(resv_two, window_conflict)
{
	struct check check;
	int fd = self->iommufd;

	if (variant->same_group)
		SKIP(return, "one group has one window");
	ASSERT_EQ(0, set_window(fd, self->dev[0].dev_id, MOVED_START, MiB));
	ASSERT_EQ(0, set_window(fd, self->dev[1].dev_id, MOVED_START + MiB / 2,
				MiB));
	ASSERT_EQ(0, edu_attach(&self->dev[0], self->ioas));
	ASSERT_EQ(0, edu_irq_on(&self->dev[0]));
	ASSERT_EQ(0, check_device(fd, self->ioas, self->dev[1].dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_WINDOW,
				MOVED_START + MiB / 2, MOVED_START + MiB - 1,
				IOMMU_RESV_REGION_SW_MSI, self->dev[1].dev_id));
	ASSERT_GT(0, edu_attach(&self->dev[1], self->ioas));
	ASSERT_IRQ(&self->dev[0]);

	ASSERT_EQ(0, set_window(fd, self->dev[1].dev_id, MOVED_START, MiB));
	ASSERT_TRUE(device_fits(fd, self->ioas, self->dev[1].dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev[1], self->ioas));
	ASSERT_EQ(0, edu_irq_on(&self->dev[1]));
	ASSERT_IRQ(&self->dev[1]);
	ASSERT_IRQ(&self->dev[0]);
}
