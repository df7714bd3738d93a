// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the dry run names, and that attach and map refuse just that.
 * See iommufd_resv_edu.c for the words.
 */
#include "iommufd_resv_edu_fixture.h"

/* A mapping is where the device has a region */
TEST_F(resv, check_device_mapped)
{
	const struct iommu_resv_region_info *resv =
		find_enforced(&self->regions);
	struct check check;
	int fd = self->iommufd;

	if (!resv)
		SKIP(return, "no enforced region in the aperture");
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));

	/* The second page of the region, and beyond it a page that is fine */
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, self->page,
			     resv->start + self->page));
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, self->page,
			     resv->last + 1));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_MAPPED,
				resv->start + self->page,
				resv->start + 2 * self->page - 1, resv->type,
				self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));

	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], resv->start + self->page,
			       self->page));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
}

/* A region would narrow what IOMMU_IOAS_ALLOW_IOVAS has promised */
TEST_F(resv, check_device_allowed)
{
	const struct iommu_resv_region_info *resv =
		find_enforced(&self->regions);
	struct check check;
	int fd = self->iommufd;

	if (!resv)
		SKIP(return, "no enforced region in the aperture");
	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], resv->start,
				 resv->start + 2 * self->page - 1));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_ALLOWED,
				resv->start, resv->start + 2 * self->page - 1,
				resv->type, self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));

	/* The promise was about something else: attach leaves it alone */
	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], resv->last + 1,
				 resv->last + self->page));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
}

/* The IOMMU cannot translate what is mapped, or promised */
TEST_F(resv, check_device_aperture)
{
	__u64 beyond = self->regions.last + 1;
	struct check check;
	int fd = self->iommufd;

	if (!beyond || beyond + self->page > ~0UL - self->page)
		SKIP(return, "the aperture is everything there is");
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, self->page, beyond));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_APERTURE, beyond,
				beyond + self->page - 1, IOMMU_RESV_REGION_NONE,
				self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], beyond, self->page));

	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], beyond - self->page,
				 beyond + self->page - 1));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_ALLOWED, beyond,
				beyond + self->page - 1, IOMMU_RESV_REGION_NONE,
				self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));

	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], beyond - self->page,
				 beyond - 1));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, check_map(fd, self->ioas[0], beyond, self->page, &check));
	ASSERT_EQ(IOMMU_IOVA_CONFLICT_APERTURE, check_kind(&check));
	ASSERT_EQ(beyond, check.list[0].start);
	ASSERT_GT(0, edu_map(fd, self->ioas[0], self->buf, self->page, beyond));
}

/* A memory map is held against a device before any of it is mapped */
TEST_F(resv, check_plan)
{
	const struct iommu_resv_region_info *resv = NULL;
	__u64 beyond = self->regions.last + 1;
	struct iommu_iova_range plan[3] = {};
	int fd = self->iommufd;
	struct check check;
	__u32 num = 0, hwpt;
	__u32 i;

	ASSERT_EQ((__u32)self->dev.func->group, self->regions.group_id);
	for (i = 0; i != self->regions.num && !resv; i++)
		if (is_enforced(&self->regions.info[i]))
			resv = &self->regions.info[i];
	if (!resv)
		SKIP(return, "no enforced region");

	plan[num++] = (struct iommu_iova_range){ 64 * MiB, 65 * MiB - 1 };
	ASSERT_EQ(0, check_plan(fd, self->ioas[0], self->dev.dev_id, plan, num,
				&check));
	ASSERT_EQ(0, check.num);
	plan[num++] = (struct iommu_iova_range){
		resv->start & -(__u64)self->page,
		(resv->start & -(__u64)self->page) + self->page - 1,
	};
	if (beyond)
		plan[num++] = (struct iommu_iova_range){
			beyond - self->page,
			beyond + self->page - 1,
		};
	ASSERT_EQ(0, check_plan(fd, self->ioas[0], self->dev.dev_id, plan, num,
				&check));
	ASSERT_LE(num - 1, check.num);
	for (i = 0; i != check.num; i++) {
		const struct iommu_iova_conflict *c = &check.list[i];

		ASSERT_EQ(self->dev.dev_id, c->dev_id);
		ASSERT_EQ((__u32)self->dev.func->group, c->group_id);
		ASSERT_NE(0, c->range_index);
		ASSERT_EQ(c->range_index == 1 ? IOMMU_IOVA_CONFLICT_RESERVED :
						IOMMU_IOVA_CONFLICT_APERTURE,
			  c->kind);
	}

	/* Against a HWPT the same map runs into the end of the HWPT */
	ASSERT_EQ(0, edu_hwpt_alloc(fd, self->dev.dev_id, self->ioas[0],
				    &hwpt));
	ASSERT_EQ(0, check_plan(fd, hwpt, self->dev.dev_id, plan, num, &check));
	ASSERT_LE(num - 1, check.num);
	ASSERT_EQ(0, check_plan(fd, hwpt, self->dev.dev_id, plan, 1, &check));
	ASSERT_EQ(0, check.num);

	/* It is as it was told */
	ASSERT_EQ(0, edu_attach(&self->dev, hwpt));
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, MiB, 64 * MiB));
	for (i = 1; i != num; i++)
		ASSERT_GT(0, edu_map(fd, self->ioas[0], self->buf,
				     plan[i].last - plan[i].start + 1,
				     plan[i].start));
}

/* What is mapped already has to be a multiple of the page of the IOMMU */
TEST_F(resv, check_page_size)
{
	int fd = self->iommufd;
	struct check check;

	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, self->page - 1,
			     64 * MiB));
	ASSERT_EQ(0, check_device(fd, self->ioas[0], self->dev.dev_id, &check));
	ASSERT_EQ(1, check.num);
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_ALIGNMENT, 64 * MiB,
				64 * MiB + self->page - 2,
				IOMMU_RESV_REGION_NONE, self->dev.dev_id));
	ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], 64 * MiB, self->page - 1));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
}

/* Which region of which device refuses a map */
TEST_F(resv, check_map)
{
	const struct iommu_resv_region_info *resv =
		find_enforced(&self->regions);
	struct check check;
	int fd = self->iommufd;
	__u64 iova;

	if (!resv)
		SKIP(return, "no enforced region in the aperture");
	/* The last page of the region and one more */
	iova = resv->last + 1 - self->page;
	ASSERT_EQ(0,
		  check_map(fd, self->ioas[0], iova, 2 * self->page, &check));
	ASSERT_EQ(NO_CONFLICT, check_kind(&check));

	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0,
		  check_map(fd, self->ioas[0], iova, 2 * self->page, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_RESERVED, iova,
				resv->last, resv->type, self->dev.dev_id));
	ASSERT_EQ(-EINVAL,
		  edu_map(fd, self->ioas[0], self->buf, 2 * self->page, iova));

	iova = resv->last + 1;
	ASSERT_EQ(0, check_map(fd, self->ioas[0], iova, self->page, &check));
	ASSERT_TRUE(conflict_is(&check, NO_CONFLICT, 0, 0,
				IOMMU_RESV_REGION_NONE, 0));
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, self->page, iova));
	ASSERT_EQ(0,
		  check_map(fd, self->ioas[0], iova, 2 * self->page, &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_MAPPED, iova,
				iova + self->page - 1, IOMMU_RESV_REGION_NONE,
				0));
	ASSERT_EQ(-EEXIST,
		  edu_map(fd, self->ioas[0], self->buf, 2 * self->page, iova));

	ASSERT_EQ(0, check_map(fd, self->ioas[0], iova + 2 * self->page + 1,
			       self->page, &check));
	ASSERT_EQ(IOMMU_IOVA_CONFLICT_ALIGNMENT, check_kind(&check));
	ASSERT_EQ(-EINVAL, edu_map(fd, self->ioas[0], self->buf, self->page,
				   iova + 2 * self->page + 1));

	/* Not attached to the other IOAS: nothing is known of the device */
	ASSERT_EQ(0, check_map(fd, self->ioas[1], resv->start, self->page,
			       &check));
	ASSERT_EQ(NO_CONFLICT, check_kind(&check));
}
