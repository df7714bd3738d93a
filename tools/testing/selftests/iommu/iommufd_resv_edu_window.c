// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSI window is moved.
 * See iommufd_resv_edu.c for the words.
 */
#include "iommufd_resv_edu_fixture.h"

/* Devices without a window have none to move */
TEST_F(resv, no_window)
{
	const struct edu_func *func = self->dev.func;
	int rc;

	if (self->window)
		SKIP(return, "this IOMMU has a software MSI window");
	ASSERT_EQ(-ENODEV, set_window(self->iommufd, self->dev.dev_id,
				      MOVED_START, MiB));
	ASSERT_EQ(-ENODEV, reset_window(self->iommufd, self->dev.dev_id));
	ASSERT_TRUE(window_is(self->iommufd, self->dev.dev_id,
			      IOMMU_MSI_WINDOW_NONE, 0, 0));

	/* The default of the fd is not for them */
	edu_close(&self->dev);
	/* A kernel whose irqchips need no window has no default */
	rc = set_window(self->iommufd, 0, MOVED_START, MiB);
	ASSERT_TRUE(!rc || rc == -ENODEV);
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	ASSERT_TRUE(window_is(self->iommufd, self->dev.dev_id,
			      IOMMU_MSI_WINDOW_NONE, 0, 0));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_map(self->iommufd, self->ioas[0], self->buf, MiB,
			     MOVED_START));
	if (has_irq(&self->dev))
		ASSERT_IRQ(&self->dev);
}

/* Everything tells that the window is there, and that there is no other one */
static void window_is_told(struct __test_metadata *_metadata,
			   FIXTURE_DATA(resv) * self, __u64 start, __u64 mib)
{
	const struct iommu_resv_region_info *window;
	struct regions regions;
	int fd = self->iommufd;

	ASSERT_TRUE(window_is(fd, self->dev.dev_id, IOMMU_MSI_WINDOW_CHOSEN,
			      start, mib));
	ASSERT_EQ(0, get_regions(fd, self->dev.dev_id, &regions));
	window = find_type(&regions, IOMMU_RESV_REGION_SW_MSI);
	ASSERT_NE(NULL, window);
	ASSERT_EQ(start, window->start);
	ASSERT_EQ(start + mib * MiB - 1, window->last);
	ASSERT_EQ(IOMMU_RESV_REGION_ENFORCED | IOMMU_RESV_REGION_CHOSEN,
		  window->flags);
	ASSERT_EQ(self->window->prot, window->prot);
	/* No other window is in the list */
	ASSERT_EQ(self->regions.num, regions.num);
}

/* The device is attached, and the old window is like any other IOVA */
static void old_window_is_free(struct __test_metadata *_metadata,
			       FIXTURE_DATA(resv) * self)
{
	int fd = self->iommufd;
	int i;

	/* Before attach... */
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_map(fd, self->ioas[i], self->buf,
				     SW_MSI_LAST + 1 - SW_MSI_START,
				     SW_MSI_START));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ(&self->dev);

	/* ...and after it */
	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], SW_MSI_START,
			       SW_MSI_LAST + 1 - SW_MSI_START));
	ASSERT_IRQ(&self->dev);
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf,
			     SW_MSI_LAST + 1 - SW_MSI_START, SW_MSI_START));
	ASSERT_IRQ(&self->dev);
}

static void new_window_is_taken(struct __test_metadata *_metadata,
				FIXTURE_DATA(resv) * self, __u64 start,
				__u64 last)
{
	struct check check;
	int fd = self->iommufd;

	ASSERT_EQ(0, check_map(fd, self->ioas[0], last + 1 - self->page,
			       2 * self->page, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_RESERVED,
				last + 1 - self->page, last,
				IOMMU_RESV_REGION_SW_MSI, self->dev.dev_id));
	ASSERT_EQ(-EINVAL,
		  edu_map(fd, self->ioas[0], self->buf, self->page, start));
	ASSERT_EQ(-EINVAL, edu_map(fd, self->ioas[0], self->buf, self->page,
				   last + 1 - self->page));
	ASSERT_EQ(0,
		  edu_map(fd, self->ioas[0], self->buf, self->page, last + 1));
}

static void attaches_keep_interrupts(struct __test_metadata *_metadata,
				     FIXTURE_DATA(resv) * self)
{
	__u32 hwpt[2];
	int i;

	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_hwpt_alloc(self->iommufd, self->dev.dev_id,
					    self->ioas[i], &hwpt[i]));
	for (i = 0; i != 6; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, i & 2 ? hwpt[i & 1] :
							    self->ioas[i & 1]));
		ASSERT_IRQ(&self->dev);
		if (i < 4)
			continue;
		ASSERT_EQ(0, edu_detach(&self->dev));
		ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[i & 1]));
		ASSERT_IRQ(&self->dev);
	}
}

/* The window is moved, and MSIs go through the new one */
static void moved_window(struct __test_metadata *_metadata,
			 FIXTURE_DATA(resv) * self, __u64 start, __u64 mib)
{
	__u64 last = start + mib * MiB - 1;

	window_is_told(_metadata, self, start, mib);
	old_window_is_free(_metadata, self);
	ASSERT_TRUE(msi_is_in(&self->dev, start, last));
	new_window_is_taken(_metadata, self, start, last);
	attaches_keep_interrupts(_metadata, self);
	ASSERT_TRUE(msi_is_in(&self->dev, start, last));
}

TEST_F(resv, window_moved)
{
	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_TRUE(window_is(self->iommufd, self->dev.dev_id,
			      IOMMU_MSI_WINDOW_DRIVER, SW_MSI_START, 1));
	ASSERT_EQ(0, set_window(self->iommufd, self->dev.dev_id, MOVED_START,
				MiB));
	moved_window(_metadata, self, MOVED_START, 1);
}

TEST_F(resv, window_moved_high)
{
	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_EQ(0, set_window(self->iommufd, self->dev.dev_id, MOVED_HIGH,
				4 * MiB));
	moved_window(_metadata, self, MOVED_HIGH, 4);
}

/* The default of the fd is for those who are bound later */
TEST_F(resv, window_default)
{
	const struct edu_func *func = self->dev.func;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_TRUE(window_is(self->iommufd, 0, IOMMU_MSI_WINDOW_DRIVER, 0, 0));
	ASSERT_EQ(0, set_window(self->iommufd, 0, MOVED_START, 2 * MiB));
	ASSERT_TRUE(window_is(self->iommufd, 0, IOMMU_MSI_WINDOW_CHOSEN,
			      MOVED_START, 2));
	ASSERT_TRUE(window_is(self->iommufd, self->dev.dev_id,
			      IOMMU_MSI_WINDOW_DRIVER, SW_MSI_START, 1));
	edu_close(&self->dev);
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	moved_window(_metadata, self, MOVED_START, 2);
}

/* A default that does not fit shows at bind */
TEST_F(resv, window_default_bad)
{
	const struct edu_func *func = self->dev.func;
	__u64 beyond = self->regions.last + 1;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	if (!beyond)
		SKIP(return, "the aperture is everything there is");
	edu_close(&self->dev);
	ASSERT_EQ(0, set_window(self->iommufd, 0, beyond, MiB));
	ASSERT_EQ(-EADDRNOTAVAIL,
		  edu_open_bind(&self->dev, func, self->iommufd));
	/* Nothing is left behind: the next try with a better one works */
	ASSERT_EQ(0, set_window(self->iommufd, 0, MOVED_START, MiB));
	ASSERT_EQ(0, edu_open_bind(&self->dev, func, self->iommufd));
	moved_window(_metadata, self, MOVED_START, 1);
}

/* There is a way back, and a window can be moved again once it is at rest */
TEST_F(resv, window_moved_again)
{
	struct edu_dev *dev = &self->dev;
	int fd = self->iommufd;
	int rc;
	int i;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	for (i = 0; i != 6; i++) {
		__u64 start = i & 1 ? SW_MSI_START : MOVED_START + i * MiB;

		rc = i & 1 ? reset_window(fd, dev->dev_id) :
			     set_window(fd, dev->dev_id, start, MiB);
		ASSERT_EQ(0, rc);
		ASSERT_TRUE(window_is(fd, dev->dev_id,
				      i & 1 ? IOMMU_MSI_WINDOW_DRIVER :
					      IOMMU_MSI_WINDOW_CHOSEN,
				      start, 1));
		ASSERT_EQ(0, edu_attach(dev, self->ioas[i / 2 & 1]));
		ASSERT_EQ(0, edu_irq_on(dev));
		ASSERT_IRQ(dev);
		ASSERT_TRUE(msi_is_in(dev, start, start + MiB - 1));
		ASSERT_EQ(0, edu_irq_off(dev));
		ASSERT_EQ(0, edu_detach(dev));
	}
}

/* An interrupt may be set up before attach: then it goes there at once */
TEST_F(resv, window_irq_first)
{
	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_EQ(0, set_window(self->iommufd, self->dev.dev_id, MOVED_START,
				MiB));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_IRQ(&self->dev);
	ASSERT_TRUE(msi_is_in(&self->dev, MOVED_START, MOVED_START + MiB - 1));
}

/* The file of the group is for others: it has what the driver says */
TEST_F(resv, window_sysfs)
{
	int group = self->dev.func->group;
	int rc;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	rc = sysfs_has(group, SW_MSI_START, SW_MSI_LAST, "sw-msi");
	if (rc == -ENOENT && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "no iova_regions in sysfs");
	ASSERT_EQ(1, rc);
	ASSERT_EQ(0, set_window(self->iommufd, self->dev.dev_id, MOVED_START,
				MiB));
	ASSERT_EQ(1, sysfs_has(group, SW_MSI_START, SW_MSI_LAST, "sw-msi"));
	ASSERT_EQ(0, sysfs_has(group, MOVED_START, MOVED_START + MiB - 1,
			       "sw-msi"));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_EQ(1, sysfs_has(group, SW_MSI_START, SW_MSI_LAST, "sw-msi"));
	ASSERT_EQ(0, sysfs_has(group, MOVED_START, MOVED_START + MiB - 1,
			       "sw-msi"));
}

TEST_F(resv, window_errors)
{
	__u64 beyond = self->regions.last + 1;
	__u32 dev_id = self->dev.dev_id;
	int fd = self->iommufd;
	__u32 i;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_EQ(-ENOENT, set_window(fd, NO_ID, MOVED_START, MiB));
	ASSERT_EQ(-ENOENT, reset_window(fd, self->ioas[0]));
	ASSERT_EQ(-EINVAL,
		  set_window(fd, dev_id, MOVED_START + self->page / 2, MiB));
	ASSERT_EQ(-EINVAL, set_window(fd, dev_id, MOVED_START, self->page / 2));
	ASSERT_EQ(-EINVAL, set_window(fd, dev_id, MOVED_START, 0));
	ASSERT_EQ(-EOVERFLOW,
		  set_window(fd, dev_id, -(__u64)self->page, 2 * self->page));
	if (beyond) {
		ASSERT_EQ(-EADDRNOTAVAIL, set_window(fd, dev_id, beyond, MiB));
		ASSERT_EQ(-EADDRNOTAVAIL,
			  set_window(fd, dev_id, beyond - self->page, MiB));
	}
	for (i = 0; i != self->regions.num; i++) {
		const struct iommu_resv_region_info *info =
			&self->regions.info[i];

		if (!is_enforced(info) || info == self->window)
			continue;
		ASSERT_EQ(-EADDRINUSE,
			  set_window(fd, dev_id,
				     info->start & -(__u64)self->page, MiB));
	}
	/* Nothing of it had an effect */
	ASSERT_TRUE(window_is(fd, dev_id, IOMMU_MSI_WINDOW_DRIVER, SW_MSI_START,
			      1));

	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(-EBUSY, set_window(fd, dev_id, MOVED_START, MiB));
	ASSERT_EQ(-EBUSY, reset_window(fd, dev_id));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_EQ(0, edu_detach(&self->dev));
	/* The device has the address: it would write to the old window */
	ASSERT_EQ(-EBUSY, set_window(fd, dev_id, MOVED_START, MiB));
	ASSERT_TRUE(window_is(fd, dev_id, IOMMU_MSI_WINDOW_DRIVER, SW_MSI_START,
			      1));
	ASSERT_EQ(0, edu_irq_off(&self->dev));
	ASSERT_EQ(0, set_window(fd, dev_id, MOVED_START, MiB));
}

/* A window that lies over a mapping: refused at attach, and told before */
TEST_F(resv, window_over_mapping)
{
	struct check check;
	int fd = self->iommufd;

	if (!self->window)
		SKIP(return, "this IOMMU has no software MSI window");
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, BUF_SIZE,
			     MOVED_START - MiB));
	ASSERT_EQ(0, set_window(fd, self->dev.dev_id, MOVED_START, MiB));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_MAPPED, MOVED_START,
				MOVED_START + MiB - 1, IOMMU_RESV_REGION_SW_MSI,
				self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, set_window(fd, self->dev.dev_id, MOVED_START + MiB, MiB));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ(&self->dev);
}
