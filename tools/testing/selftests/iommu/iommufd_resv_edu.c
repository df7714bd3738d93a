// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reserved IOVA regions of real devices under iommufd.
 *
 * The device is QEMU's edu, see vfio_edu.h. The same tests run behind every
 * IOMMU. What a region is decides what a test does with it, so most need to
 * know nothing of the machine:
 *
 *   window     the software MSI window, where the IOMMU translates MSIs (Arm
 *              SMMUs). User space can move it.
 *   enforced   a region that nothing can be mapped over while the device is
 *              attached
 *   advisory   a region that is only told: PCI bridge windows, for example
 *   aperture   IOVAs that the IOMMU can translate for the device
 *   usable     the aperture without the enforced regions
 *
 * All bounds are inclusive. A test that finds no region of the kind it is about
 * is skipped. A test that fails without a certain patch names it:
 *   [finalise]   iommu/virtio: Set up a domain when it is allocated
 *
 * Environment:
 *   RESV_GIVEN   regions that the machine was given and the device must report,
 *                start-last=type,... with the type as a number of
 *                enum iommu_resv_region_type
 *   RESV_BDF     the PCI function to use instead of an edu. It need not have an
 *                interrupt.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "iommufd_resv_edu_fixture.h"

/* The list itself, before attach, and the same after it */
TEST_F(resv, regions)
{
	struct regions *r = &self->regions;
	struct regions again = {};
	__u32 i;

	print_regions(r);
	ASSERT_TRUE(r->aperture_known);
	ASSERT_LT(r->start, r->last);
	for (i = 0; i != r->num; i++) {
		const struct iommu_resv_region_info *info = &r->info[i];

		ASSERT_LE(info->start, info->last);
		ASSERT_EQ(type_is_enforced(info->type), is_enforced(info));
		ASSERT_EQ(0, info->flags & IOMMU_RESV_REGION_CHOSEN);
		ASSERT_EQ(0, info->__reserved);
		if (!i)
			continue;
		ASSERT_LE(info[-1].start, info->start);
		if (info[-1].start == info->start)
			ASSERT_LE(info[-1].type, info->type);
	}

	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, get_regions(self->iommufd, self->dev.dev_id, &again));
	ASSERT_EQ(0, memcmp(r, &again, sizeof(again)));
	ASSERT_EQ(0, edu_detach(&self->dev));
	ASSERT_EQ(0, get_regions(self->iommufd, self->dev.dev_id, &again));
	ASSERT_EQ(0, memcmp(r, &again, sizeof(again)));
}

/* What each IOMMU is known to have */
TEST_F(resv, known_regions)
{
	const struct regions *r = &self->regions;

	if (self->dev.func->has_window) {
		ASSERT_NE(NULL, self->window);
		ASSERT_EQ(SW_MSI_START, self->window->start);
		ASSERT_EQ(SW_MSI_LAST, self->window->last);
		ASSERT_EQ(IOMMU_RESV_REGION_WRITE,
			  self->window->prot & (IOMMU_RESV_REGION_READ |
						IOMMU_RESV_REGION_WRITE));
		ASSERT_NE(0, self->window->prot & IOMMU_RESV_REGION_NOEXEC);
		ASSERT_NE(0, self->window->prot & IOMMU_RESV_REGION_MMIO);
	} else {
		ASSERT_EQ(NULL, self->window);
	}
#if defined(__x86_64__)
	ASSERT_NE(NULL, find_region(r, 0xfee00000, 0xfeefffff,
				    IOMMU_RESV_REGION_HW_MSI));
	if (!access("/sys/class/iommu/dmar0", F_OK)) {
		/* QEMU's VT-d has 39 or 48 bits */
		ASSERT_EQ(0, r->start);
		ASSERT_TRUE(r->last == (1ULL << 39) - 1 ||
			    r->last == (1ULL << 48) - 1);
	} else {
		/* AMD: what HyperTransport has for itself */
		ASSERT_NE(NULL, find_region(r, 0xfd00000000, 0xffffffffff,
					    IOMMU_RESV_REGION_RESERVED));
	}
#else
	ASSERT_LE(0xffffffff, r->last);
#endif
}

/* What the machine was given, and nothing else of the same types */
TEST_F(resv, given_regions)
{
	const char *given = getenv("RESV_GIVEN");
	unsigned int num[ARRAY_SIZE(type_names)] = {};
	unsigned long long start, last;
	unsigned int type;
	int len;

	if (!given)
		SKIP(return, "RESV_GIVEN names no regions");
	while (sscanf(given, "%llx-%llx=%u%n", &start, &last, &type, &len) ==
	       3) {
		const struct iommu_resv_region_info *info;

		info = find_region(&self->regions, start, last, type);
		ASSERT_NE(NULL, info)
		{
			print_regions(&self->regions);
			TH_LOG("no region %llx-%llx of type %u", start, last,
			       type);
		}
		ASSERT_EQ(type_is_enforced(type), is_enforced(info));
		num[type]++;
		given += len;
		if (*given != ',')
			break;
		given++;
	}
	ASSERT_EQ(0, *given);
	for (type = 0; type != ARRAY_SIZE(num); type++)
		if (num[type])
			ASSERT_EQ(num[type],
				  count_type(&self->regions, type))
			{
				print_regions(&self->regions);
			}
}

/* Room for some, for none, entries of another size */
TEST_F(resv, regions_room)
{
	struct {
		struct iommu_resv_region_info info;
		__u64 more;
	} big[MAX_REGIONS];
	struct iommu_resv_region_info one[2];
	struct iommu_device_resv_regions cmd = {
		.size = sizeof(cmd),
		.dev_id = self->dev.dev_id,
		.entry_size = sizeof(one[0]),
	};
	__u32 num = self->regions.num;
	__u32 i;

	if (num < 2)
		SKIP(return, "less than two regions");
	ASSERT_EQ(-1, ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd));
	ASSERT_EQ(EMSGSIZE, errno);
	ASSERT_EQ(num, cmd.num_regions);
	ASSERT_EQ(self->regions.last, cmd.out_aperture_last);

	memset(one, 0xa5, sizeof(one));
	cmd.num_regions = 1;
	cmd.regions = (uintptr_t)one;
	ASSERT_EQ(-1, ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd));
	ASSERT_EQ(EMSGSIZE, errno);
	ASSERT_EQ(num, cmd.num_regions);
	ASSERT_EQ(0, memcmp(one, self->regions.info, sizeof(one[0])));
	ASSERT_EQ(0xa5, *(__u8 *)&one[1]);

	/* As a program made for a later kernel would ask */
	memset(big, 0xa5, sizeof(big));
	cmd.num_regions = MAX_REGIONS;
	cmd.entry_size = sizeof(big[0]);
	cmd.regions = (uintptr_t)big;
	ASSERT_EQ(0, ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd));
	ASSERT_EQ(num, cmd.num_regions);
	for (i = 0; i != num; i++) {
		ASSERT_EQ(0, memcmp(&big[i].info, &self->regions.info[i],
				    sizeof(big[i].info)));
		ASSERT_EQ(0, big[i].more);
	}
}

/* The aperture without the enforced regions, and what attach leaves */
TEST_F(resv, usable_ranges)
{
	struct regions *r = &self->regions;
	struct ranges device = {};
	struct ranges ioas = {};
	__u64 next = r->start;
	__u32 i;

	ASSERT_EQ(0,
		  get_device_ranges(self->iommufd, self->dev.dev_id, &device));
	ASSERT_NE(0, device.num);
	ASSERT_NE(0, device.alignment);
	for (i = 0; i != device.num; i++) {
		__u64 start = device.iova[i].start;
		__u64 last = device.iova[i].last;

		ksft_print_msg("0x%016llx-0x%016llx usable\n",
			       (unsigned long long)start,
			       (unsigned long long)last);
		ASSERT_TRUE(is_usable(r, start, last));
		/* What lies between two ranges is not */
		if (start != next) {
			ASSERT_LT(next, start);
			ASSERT_FALSE(is_usable(r, next, next));
			ASSERT_FALSE(is_usable(r, start - 1, start - 1));
		}
		next = last + 1;
	}
	if (next && next - 1 != r->last) {
		ASSERT_FALSE(is_usable(r, next, next));
		ASSERT_FALSE(is_usable(r, r->last, r->last));
	}

	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	ASSERT_EQ(0, get_ioas_ranges(self->iommufd, self->ioas[0], &ioas));
	ASSERT_GE(device.alignment, ioas.alignment);
	ASSERT_EQ(ioas.num, device.num);
	for (i = 0; i != device.num; i++) {
		ASSERT_EQ(ioas.iova[i].start, device.iova[i].start);
		ASSERT_EQ(ioas.iova[i].last, device.iova[i].last);
	}
}

/*
 * The same holds for a replace, and for an HWPT that nobody is attached to
 * yet: its page table takes what fits the device. [finalise]
 */
TEST_F(resv, swap_mapped)
{
	struct ranges device = {};
	struct ranges ioas = {};
	int fd = self->iommufd;
	__u64 iova = MOVED_START;
	__u32 hwpt;
	bool irq;
	__u32 i;

	ASSERT_EQ(0, get_device_ranges(fd, self->dev.dev_id, &device));
	ASSERT_TRUE(is_usable(&self->regions, iova, iova + MiB - 1));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	irq = has_irq(&self->dev);
	ASSERT_EQ(0, edu_map(fd, self->ioas[1], self->buf, MiB, iova));
	ASSERT_TRUE(device_fits(fd, self->ioas[1], self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[1]));
	if (irq)
		ASSERT_IRQ(&self->dev);

	ASSERT_EQ(0, edu_hwpt_alloc(fd, self->dev.dev_id, self->ioas[0],
				    &hwpt));
	ASSERT_EQ(0, edu_map(fd, self->ioas[0], self->buf, MiB, iova));
	ASSERT_EQ(0, edu_attach(&self->dev, hwpt));
	if (irq)
		ASSERT_IRQ(&self->dev);
	ASSERT_EQ(0, get_ioas_ranges(fd, self->ioas[0], &ioas));
	ASSERT_EQ(device.num, ioas.num);
	for (i = 0; i != device.num; i++) {
		ASSERT_EQ(device.iova[i].start, ioas.iova[i].start);
		ASSERT_EQ(device.iova[i].last, ioas.iova[i].last);
	}
}

TEST_F(resv, errors)
{
	struct iommu_device_resv_regions regions = {
		.size = sizeof(regions),
		.entry_size = sizeof(struct iommu_resv_region_info),
	};
	struct iommu_device_iova_ranges ranges = { .size = sizeof(ranges) };
	struct check check;

	regions.dev_id = NO_ID;
	ASSERT_EQ(-1,
		  ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &regions));
	ASSERT_EQ(ENOENT, errno);
	/* An object, but not a device */
	regions.dev_id = self->ioas[0];
	ASSERT_EQ(-1,
		  ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &regions));
	ASSERT_EQ(ENOENT, errno);
	regions.dev_id = self->dev.dev_id;
	regions.flags = 1;
	ASSERT_EQ(-1,
		  ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &regions));
	ASSERT_EQ(EOPNOTSUPP, errno);
	regions.flags = 0;
	regions.entry_size = 24;
	ASSERT_EQ(-1,
		  ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &regions));
	ASSERT_EQ(EINVAL, errno);
	regions.entry_size = 8192;
	ASSERT_EQ(-1,
		  ioctl(self->iommufd, IOMMU_DEVICE_RESV_REGIONS, &regions));
	ASSERT_EQ(EINVAL, errno);

	ranges.dev_id = NO_ID;
	ASSERT_EQ(-1, ioctl(self->iommufd, IOMMU_DEVICE_IOVA_RANGES, &ranges));
	ASSERT_EQ(ENOENT, errno);
	ranges.dev_id = self->dev.dev_id;
	ASSERT_EQ(-1, ioctl(self->iommufd, IOMMU_DEVICE_IOVA_RANGES, &ranges));
	ASSERT_EQ(EMSGSIZE, errno);
	ASSERT_NE(0, ranges.num_iovas);

	ASSERT_EQ(-ENOENT,
		  check_device(self->iommufd, NO_ID, self->dev.dev_id, &check));
	ASSERT_EQ(-ENOENT,
		  check_device(self->iommufd, self->ioas[0], NO_ID, &check));
	ASSERT_EQ(-EINVAL,
		  check_map(self->iommufd, self->ioas[0], -4096ULL, 8192,
			    &check));
	ASSERT_EQ(-EOVERFLOW,
		  check_map(self->iommufd, self->ioas[0], 0, 0, &check));
	ASSERT_EQ(-ENOENT, set_holes(self->iommufd, NO_ID, NULL, 0));
}

/* Bridge windows and what dma-ranges leaves out are told, no more */
TEST_F(resv, advisory)
{
	struct regions *r = &self->regions;
	struct check check;
	int windows = 0;
	int mapped = 0;
	__u32 i;

	ASSERT_EQ(0, edu_attach(&self->dev, self->ioas[0]));
	for (i = 0; i != r->num; i++) {
		const struct iommu_resv_region_info *info = &r->info[i];
		__u64 start = (info->start + self->page - 1) &
			      -(__u64)self->page;

		if (info->type != IOMMU_RESV_REGION_BRIDGE_WINDOW &&
		    info->type != IOMMU_RESV_REGION_NO_DMA)
			continue;
		windows++;
		ASSERT_FALSE(is_enforced(info));
		if (!is_usable(r, start, start + self->page - 1) ||
		    start + self->page - 1 > info->last)
			continue;
		ASSERT_EQ(0, check_map(self->iommufd, self->ioas[0], start,
				       self->page, &check));
		ASSERT_EQ(NO_CONFLICT, check_kind(&check));
		ASSERT_EQ(0, edu_map(self->iommufd, self->ioas[0], self->buf,
				     self->page, start));
		ASSERT_EQ(0, edu_unmap(self->iommufd, self->ioas[0], start,
				       self->page));
		mapped++;
	}
	ksft_print_msg("%d advisory regions, mapped over %d\n", windows,
		       mapped);
	ASSERT_NE(0, windows);
	ASSERT_NE(0, mapped);
}

/* The attribute of the group says the same */
TEST_F(resv, sysfs)
{
	int group = self->dev.func->group;
	struct ranges ranges;
	__u32 i;
	int rc;

	rc = sysfs_has(group, 0, 0, "");
	if (rc == -ENOENT && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "no iova_regions in sysfs");
	ASSERT_EQ(0, rc);
	for (i = 0; i != self->regions.num; i++) {
		struct iommu_resv_region_info *info = &self->regions.info[i];

		ASSERT_GT(ARRAY_SIZE(type_names), info->type);
		EXPECT_EQ(1, sysfs_has(group, info->start, info->last,
				       type_names[info->type]));
	}
	EXPECT_EQ(1, sysfs_has(group, self->regions.start, self->regions.last,
			       "aperture"));
	ASSERT_EQ(0,
		  get_device_ranges(self->iommufd, self->dev.dev_id, &ranges));
	for (i = 0; i != ranges.num; i++)
		EXPECT_EQ(1, sysfs_has(group, ranges.iova[i].start,
				       ranges.iova[i].last, "usable"));
}

TEST_HARNESS_MAIN
