// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that firmware keeps for a device (RMRR). The old attribute of sysfs
 * tells which group has some.
 *
 * See iommufd_resv_edu.c for the words.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "iommufd_resv_edu.h"

struct rmrr {
	struct edu_func func;
	__u64 start;
	__u64 last;
};

static bool group_has(int group, const char *type, struct rmrr *rmrr)
{
	unsigned long long start, last;
	char word[32];
	char path[64];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path),
		 "/sys/kernel/iommu_groups/%d/reserved_regions", group);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (!found && fscanf(f, "%llx %llx %31s", &start, &last, word) == 3)
		found = !strcmp(word, type);
	fclose(f);
	rmrr->start = start;
	rmrr->last = last;
	return found;
}

/* A group is only usable as a whole, so look for one with a single device */
static int group_size(int group)
{
	char path[64];
	struct dirent *de;
	int num = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices",
		 group);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((de = readdir(dir)))
		num += de->d_name[0] != '.';
	closedir(dir);
	return num;
}

/* The first PCI function with such a region */
static bool find_rmrr(const char *type, struct rmrr *rmrr)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	struct dirent *de;
	bool found = false;
	DIR *dir;

	/* With a devicetree a device has a group from when a driver has it */
	edu_claim(funcs, EDU_MAX_FUNCS);
	dir = opendir("/sys/bus/pci/devices");
	if (!dir)
		return false;
	while (!found && (de = readdir(dir))) {
		memset(rmrr, 0, sizeof(*rmrr));
		rmrr->func.group = edu_read_group(de->d_name);
		if (rmrr->func.group < 0)
			continue;
		snprintf(rmrr->func.bdf, sizeof(rmrr->func.bdf), "%.15s",
			 de->d_name);
		found = group_size(rmrr->func.group) == 1 &&
			group_has(rmrr->func.group, type, rmrr);
	}
	closedir(dir);
	if (found)
		ksft_print_msg("%s: %#llx-%#llx %s\n", rmrr->func.bdf,
			       (unsigned long long)rmrr->start,
			       (unsigned long long)rmrr->last, type);
	return found;
}

FIXTURE(rmrr)
{
	int iommufd;
	struct edu_dev dev;
	struct rmrr rmrr;
};

FIXTURE_SETUP(rmrr)
{
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	edu_init(&self->dev);
}

FIXTURE_TEARDOWN(rmrr)
{
	edu_close(&self->dev);
	close(self->iommufd);
}

/* A device that needs its RMRR at all times is not for user space */
TEST_F(rmrr, direct)
{
	int rc;

	if (!find_rmrr("direct", &self->rmrr))
		SKIP(return, "no device with a direct region");
	ASSERT_EQ(0, edu_bind_driver(&self->rmrr.func));
	ASSERT_EQ(-EINVAL,
		  edu_open_bind(&self->dev, &self->rmrr.func, self->iommufd));
	rc = sysfs_has(self->rmrr.func.group, self->rmrr.start, self->rmrr.last,
		       "direct");
	if (rc != -ENOENT)
		ASSERT_EQ(1, rc);
}

/* For USB and graphics firmware needs it only until a driver takes over */
TEST_F(rmrr, relaxable)
{
	const struct iommu_resv_region_info *info;
	size_t page = sysconf(_SC_PAGESIZE);
	struct check check;
	struct regions regions;
	__u32 ioas;
	void *buf;
	int rc;

	if (!find_rmrr("direct-relaxable", &self->rmrr))
		SKIP(return, "no device with a direct-relaxable region");
	ASSERT_EQ(0, edu_bind_driver(&self->rmrr.func));
	ASSERT_EQ(0,
		  edu_open_bind(&self->dev, &self->rmrr.func, self->iommufd));
	rc = get_regions(self->iommufd, self->dev.dev_id, &regions);
	if (rc == -ENOTTY && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "this kernel does not tell reserved regions");
	ASSERT_EQ(0, rc);
	print_regions(&regions);
	info = find_region(&regions, self->rmrr.start, self->rmrr.last,
			   IOMMU_RESV_REGION_DIRECT_RELAXABLE);
	ASSERT_NE(NULL, info);
	ASSERT_FALSE(is_enforced(info));
	ASSERT_EQ(IOMMU_RESV_REGION_READ | IOMMU_RESV_REGION_WRITE, info->prot);

	/* Not enforced: it is mapped before and after attach */
	ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &ioas));
	buf = mmap(NULL, page, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, buf);
	ASSERT_EQ(0, edu_map(self->iommufd, ioas, buf, page, info->start));
	ASSERT_TRUE(device_fits(self->iommufd, ioas, self->dev.dev_id));
	ASSERT_EQ(0, edu_attach(&self->dev, ioas));
	ASSERT_EQ(0, edu_unmap(self->iommufd, ioas, info->start, page));
	ASSERT_EQ(0, check_map(self->iommufd, ioas, info->start, page, &check));
	ASSERT_EQ(NO_CONFLICT, check_kind(&check));
	ASSERT_EQ(0, edu_map(self->iommufd, ioas, buf, page, info->start));
	munmap(buf, page);
}
