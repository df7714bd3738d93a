/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two functions that share a group.
 */
#ifndef __SELFTEST_IOMMUFD_MSI_EDU_GROUP_H
#define __SELFTEST_IOMMUFD_MSI_EDU_GROUP_H

#include <fcntl.h>
#include <unistd.h>

#include "iommufd_msi_edu.h"

/* Steps of the program that each function runs */
#define NUM_OPS 4

struct group {
	const struct edu_func *func[2];
	struct edu_dev dev[2];
	int iommufd;
	bool attached[2];
	bool irq[2];
	__u32 ioas[2];
	/* Whose turn each step is, for messages */
	char order[2 * NUM_OPS + 1];
};

/* Find the functions, open an iommufd with two IOASes; false: no two share one */
static bool group_open(struct __test_metadata *_metadata, struct group *group)
{
	int i;

	group->iommufd = -1;
	for (i = 0; i != 2; i++)
		edu_init(&group->dev[i]);
	if (!edu_find_pair(true, group->func))
		return false;
	group->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, group->iommufd);
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_ioas_alloc(group->iommufd, &group->ioas[i]));
	return true;
}

static void group_close(struct group *group)
{
	int i;

	for (i = 0; i != 2; i++)
		edu_close(&group->dev[i]);
	if (group->iommufd >= 0)
		close(group->iommufd);
}

#endif
