// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ranges that are kept free for a device that is plugged later.
 * See iommufd_resv_edu.c for the words.
 */
#include "iommufd_resv_edu_fixture.h"

/* What a VMM does: it keeps free all that the device may not use */
static __u32 holes_of(const struct regions *regions,
		      struct iommu_iova_range *holes)
{
	__u32 num = 0;
	__u32 i;

	for (i = 0; i != regions->num; i++) {
		const struct iommu_resv_region_info *info = &regions->info[i];

		if (!is_enforced(info) || info->last == ~0ULL)
			continue;
		/* They may overlap, holes may not */
		if (num && holes[num - 1].last >= info->start) {
			if (info->last > holes[num - 1].last)
				holes[num - 1].last = info->last;
			continue;
		}
		holes[num].start = info->start;
		holes[num++].last = info->last;
	}
	return num;
}

/* Room for a device that comes later */
TEST_F(resv, holes)
{
	struct iommu_iova_range holes[MAX_REGIONS];
	struct check check;
	struct ranges before = {};
	struct ranges after = {};
	int fd = self->iommufd;
	__u32 i, num;

	num = holes_of(&self->regions, holes);
	if (!num)
		SKIP(return, "the device has no enforced region");
	ASSERT_EQ(0, set_holes(fd, self->ioas[0], holes, num));

	ASSERT_EQ(0, get_ioas_ranges(fd, self->ioas[0], &before));
	for (i = 0; i != num; i++) {
		__u32 j;

		for (j = 0; j != before.num; j++)
			ASSERT_TRUE(before.iova[j].last < holes[i].start ||
				    before.iova[j].start > holes[i].last);
	}
	ASSERT_EQ(0, check_map(fd, self->ioas[0], holes[0].start, self->page,
			       &check));
	ASSERT_TRUE(conflict_is(&check, IOMMU_IOVA_CONFLICT_HOLE,
				holes[0].start, holes[0].start + self->page - 1,
				IOMMU_RESV_REGION_NONE, 0));
	ASSERT_GT(0, edu_map(fd, self->ioas[0], self->buf, self->page,
			     holes[0].start));

	/* The promise stands beside the holes: the device takes nothing */
	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], holes[0].last + 1,
				 holes[0].last + BUF_SIZE));
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, BUF_SIZE,
			     holes[0].last + 1));
	ASSERT_TRUE(device_fits(fd, self->ioas[0], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	if (has_irq(&self->dev))
		ASSERT_IRQ(&self->dev);
	ASSERT_EQ(0, get_ioas_ranges(fd, self->ioas[0], &after));
	for (i = 0; i != after.num; i++)
		ASSERT_TRUE(is_usable(&self->regions, after.iova[i].start,
				      after.iova[i].last));

	/* Without the holes the region of the device still stands */
	ASSERT_EQ(0, set_holes(fd, self->ioas[0], NULL, 0));
	ASSERT_GT(0, edu_map(fd, self->ioas[0], self->buf, self->page,
			     holes[0].start));
	ASSERT_EQ(0, check_map(fd, self->ioas[0], holes[0].start, self->page,
			       &check));
	if (holes[0].start >= self->regions.start &&
	    holes[0].start <= self->regions.last)
		ASSERT_EQ(IOMMU_IOVA_CONFLICT_RESERVED, check_kind(&check));
	if (has_irq(&self->dev))
		ASSERT_IRQ(&self->dev);
}

TEST_F(resv, holes_errors)
{
	struct iommu_iova_range holes[2] = {
		{ .start = 64 * MiB, .last = 65 * MiB - 1 },
		{ .start = 66 * MiB, .last = 67 * MiB - 1 },
	};
	struct iommu_iova_range other = { .start = 32 * MiB,
					  .last = 33 * MiB - 1 };
	int fd = self->iommufd;

	ASSERT_EQ(0, set_holes(fd, self->ioas[0], &other, 1));
	/* Each failure leaves the set as it was */
	holes[1].last = holes[1].start - 1;
	ASSERT_EQ(-EINVAL, set_holes(fd, self->ioas[0], holes, 2));
	holes[1].start = 66 * MiB;
	holes[1].last = 67 * MiB - 1;
	ASSERT_EQ(0,
		  edu_map(fd, self->ioas[0], self->buf, self->page, 66 * MiB));
	ASSERT_EQ(-EADDRINUSE, set_holes(fd, self->ioas[0], holes, 2));
	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], 66 * MiB, self->page));
	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], 66 * MiB,
				 66 * MiB + self->page - 1));
	ASSERT_EQ(-EADDRINUSE, set_holes(fd, self->ioas[0], holes, 2));

	ASSERT_EQ(0,
		  edu_map(fd, self->ioas[0], self->buf, self->page, 66 * MiB));
	ASSERT_GT(0,
		  edu_map(fd, self->ioas[0], self->buf, self->page, 32 * MiB));
	ASSERT_EQ(0, edu_unmap(fd, self->ioas[0], 66 * MiB, self->page));

	/* A new set replaces the old one */
	ASSERT_EQ(0, set_holes(fd, self->ioas[0], holes, 1));
	ASSERT_GT(0,
		  edu_map(fd, self->ioas[0], self->buf, self->page, 64 * MiB));
	ASSERT_GT(0, allow_iovas(fd, self->ioas[0], 64 * MiB, 65 * MiB - 1));
	ASSERT_EQ(0, allow_iovas(fd, self->ioas[0], 32 * MiB, 33 * MiB - 1));
}
