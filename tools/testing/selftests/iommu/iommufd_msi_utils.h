/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls of the mock driver that have to do with MSI, and what user space can
 * see of the MSI table of an iommufd.
 */
#ifndef __SELFTEST_IOMMUFD_MSI_UTILS
#define __SELFTEST_IOMMUFD_MSI_UTILS

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "iommufd_utils.h"

/* Room for what the tests make the table hold */
#define MSI_TABLE_WINDOWS 16
#define MSI_TABLE_PAGES 1024
#define MSI_TABLE_HWPTS 512

/* What to make a mock device of, all 0 is an attachable device with no region */
struct mock_device_args {
	__u32 flags;
	__u32 group_stdev_id;
	const struct iommu_test_resv *resv;
	__u32 resv_num;
};

static int _test_cmd_mock_device(int fd, __u32 pt_id,
				 const struct mock_device_args *args,
				 __u32 *stdev_id, __u32 *hwpt_id,
				 __u32 *idev_id)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MOCK_DEVICE,
		.id = pt_id,
		.mock_device = {
			.dev_flags = args->flags,
			.group_stdev_id = args->group_stdev_id,
			.resv_uptr = (uintptr_t)args->resv,
			.resv_num = args->resv_num,
		},
	};
	int ret;

	ret = ioctl(fd, IOMMU_TEST_CMD, &cmd);
	if (ret)
		return ret;
	if (stdev_id)
		*stdev_id = cmd.mock_device.out_stdev_id;
	if (hwpt_id)
		*hwpt_id = cmd.mock_device.out_hwpt_id;
	if (idev_id)
		*idev_id = cmd.mock_device.out_idev_id;
	return 0;
}

#define test_cmd_mock_device(pt_id, args, stdev_id, hwpt_id, idev_id)      \
	ASSERT_EQ(0, _test_cmd_mock_device(self->fd, pt_id, args, stdev_id, \
					   hwpt_id, idev_id))
#define test_err_mock_device(_errno, pt_id, args)                            \
	EXPECT_ERRNO(_errno, _test_cmd_mock_device(self->fd, pt_id, args, NULL, \
						   NULL, NULL))

static int _test_cmd_mock_device_attach(int fd, __u32 stdev_id, __u32 pt_id,
					__u32 *hwpt_id)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MOCK_DEVICE_ATTACH,
		.id = stdev_id,
		.mock_device_attach = { .pt_id = pt_id },
	};
	int ret;

	ret = ioctl(fd, IOMMU_TEST_CMD, &cmd);
	if (ret)
		return ret;
	if (hwpt_id)
		*hwpt_id = cmd.mock_device_attach.pt_id;
	return 0;
}

#define test_cmd_mock_device_attach(stdev_id, pt_id, hwpt_id)               \
	ASSERT_EQ(0, _test_cmd_mock_device_attach(self->fd, stdev_id, pt_id, \
						  hwpt_id))
#define test_err_mock_device_attach(_errno, stdev_id, pt_id)             \
	EXPECT_ERRNO(_errno, _test_cmd_mock_device_attach(self->fd, stdev_id, \
							  pt_id, NULL))

static int _test_cmd_mock_device_detach(int fd, __u32 stdev_id)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MOCK_DEVICE_DETACH,
		.id = stdev_id,
	};

	return ioctl(fd, IOMMU_TEST_CMD, &cmd);
}

#define test_cmd_mock_device_detach(stdev_id) \
	ASSERT_EQ(0, _test_cmd_mock_device_detach(self->fd, stdev_id))
#define test_err_mock_device_detach(_errno, stdev_id) \
	EXPECT_ERRNO(_errno, _test_cmd_mock_device_detach(self->fd, stdev_id))

static int _test_cmd_mock_device_faults(int fd, __u32 stdev_id,
					bool raise_at_disable, __u64 *raised,
					__u64 *answered)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MOCK_DEVICE_FAULTS,
		.id = stdev_id,
		.mock_device_faults = {
			.raise_at_disable = raise_at_disable,
		},
	};
	int ret;

	ret = ioctl(fd, IOMMU_TEST_CMD, &cmd);
	if (ret)
		return ret;
	*raised = cmd.mock_device_faults.out_raised;
	*answered = cmd.mock_device_faults.out_answered;
	return 0;
}

#define test_cmd_mock_device_faults(stdev_id, raise_at_disable, raised,      \
				    answered)                                \
	ASSERT_EQ(0, _test_cmd_mock_device_faults(self->fd, stdev_id,        \
						  raise_at_disable, raised,  \
						  answered))

/* Raise a fault each time when a domain has been attached, or no longer */
static int _test_cmd_mock_device_raise_at_attach(int fd, __u32 stdev_id, bool on)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MOCK_DEVICE_FAULTS,
		.id = stdev_id,
		.mock_device_faults = { .raise_at_attach = on },
	};

	return ioctl(fd, IOMMU_TEST_CMD, &cmd);
}

#define test_cmd_mock_device_raise_at_attach(stdev_id, on)                   \
	ASSERT_EQ(0, _test_cmd_mock_device_raise_at_attach(self->fd,         \
							   stdev_id, on))

static int _test_cmd_msi_prepare(int fd, __u32 stdev_id, __u64 doorbell,
				 __u64 *addr, __u32 *msi_id)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MSI_PREPARE,
		.id = stdev_id,
		.msi_prepare = { .doorbell = doorbell },
	};
	int ret;

	ret = ioctl(fd, IOMMU_TEST_CMD, &cmd);
	if (ret)
		return ret;
	if (addr)
		*addr = cmd.msi_prepare.out_addr;
	if (msi_id)
		*msi_id = cmd.msi_prepare.out_msi_id;
	return 0;
}

#define test_cmd_msi_prepare(stdev_id, doorbell, addr, msi_id)             \
	ASSERT_EQ(0, _test_cmd_msi_prepare(self->fd, stdev_id, doorbell, addr, \
					   msi_id))
#define test_err_msi_prepare(_errno, stdev_id, doorbell)                     \
	EXPECT_ERRNO(_errno, _test_cmd_msi_prepare(self->fd, stdev_id, doorbell, \
						   NULL, NULL))

static int _test_cmd_msi_unprepare(int fd, __u32 stdev_id, __u32 msi_id)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MSI_UNPREPARE,
		.id = stdev_id,
		.msi_unprepare = { .msi_id = msi_id },
	};

	return ioctl(fd, IOMMU_TEST_CMD, &cmd);
}

#define test_cmd_msi_unprepare(stdev_id, msi_id) \
	ASSERT_EQ(0, _test_cmd_msi_unprepare(self->fd, stdev_id, msi_id))
#define test_err_msi_unprepare(_errno, stdev_id, msi_id) \
	EXPECT_ERRNO(_errno, _test_cmd_msi_unprepare(self->fd, stdev_id, msi_id))

/* *num is the room at ptes, and the number of entries there are afterwards */
static int _test_cmd_md_ptes(int fd, __u32 hwpt_id, __u64 start, __u64 length,
			     struct iommu_test_pte *ptes, __u32 *num)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MD_PTES,
		.id = hwpt_id,
		.md_ptes = {
			.start = start,
			.length = length,
			.uptr = (uintptr_t)ptes,
			.num = *num,
		},
	};
	int ret;

	ret = ioctl(fd, IOMMU_TEST_CMD, &cmd);
	if (ret)
		return ret;
	*num = cmd.md_ptes.num;
	return 0;
}

#define test_cmd_md_ptes(hwpt_id, start, length, ptes, num)               \
	ASSERT_EQ(0, _test_cmd_md_ptes(self->fd, hwpt_id, start, length, ptes, \
				       num))
#define test_err_md_ptes(_errno, hwpt_id, start, length, ptes, num)    \
	EXPECT_ERRNO(_errno, _test_cmd_md_ptes(self->fd, hwpt_id, start, \
					       length, ptes, num))

/* The MSI table as /proc/self/fdinfo shows it */
struct msi_table_window {
	unsigned long long start;
	unsigned long long last;
	unsigned int slots;
	unsigned int used;
	unsigned int groups;
};

struct msi_table_page {
	const struct msi_table_window *window;
	unsigned long long iova;
	unsigned long long doorbell;
	unsigned int users;
	unsigned int groups;
	unsigned int nhwpts;
	__u32 hwpts[MSI_TABLE_HWPTS];
};

struct msi_table {
	unsigned int nwindows;
	unsigned int npages;
	struct msi_table_window windows[MSI_TABLE_WINDOWS];
	struct msi_table_page pages[MSI_TABLE_PAGES];
};

static int msi_table_parse_hwpts(struct msi_table_page *page, char *list)
{
	char *id;

	if (!strcmp(list, "-"))
		return 0;
	for (id = strtok(list, ","); id; id = strtok(NULL, ",")) {
		if (page->nhwpts == MSI_TABLE_HWPTS)
			return -1;
		page->hwpts[page->nhwpts++] = strtoul(id, NULL, 10);
	}
	return page->nhwpts ? 0 : -1;
}

static int msi_table_parse_page(struct msi_table *table, const char *line)
{
	struct msi_table_page *page = &table->pages[table->npages];
	static char list[12 * MSI_TABLE_HWPTS];

	if (table->npages++ == MSI_TABLE_PAGES)
		return -1;
	memset(page, 0, sizeof(*page));
	/* The pages of a window come after it */
	if (!table->nwindows)
		return -1;
	page->window = &table->windows[table->nwindows - 1];
	list[0] = 0;
	if (sscanf(line,
		   "msi-page:\t0x%llx doorbell 0x%llx users %u groups %u hwpts %s",
		   &page->iova, &page->doorbell, &page->users, &page->groups,
		   list) != 5)
		return -1;
	return msi_table_parse_hwpts(page, list);
}

static int msi_table_parse_window(struct msi_table *table, const char *line)
{
	struct msi_table_window *window = &table->windows[table->nwindows];

	if (table->nwindows++ == MSI_TABLE_WINDOWS)
		return -1;
	if (sscanf(line,
		   "msi-window:\t0x%llx-0x%llx slots %u used %u groups %u",
		   &window->start, &window->last, &window->slots,
		   &window->used, &window->groups) != 5)
		return -1;
	return 0;
}

static int msi_table_read(int fd, struct msi_table *table)
{
	static char line[12 * MSI_TABLE_HWPTS];
	char path[64];
	int rc = 0;
	FILE *f;

	table->nwindows = 0;
	table->npages = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	if (!f)
		return -1;
	while (!rc && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "msi-window:", 11))
			rc = msi_table_parse_window(table, line);
		else if (!strncmp(line, "msi-page:", 9))
			rc = msi_table_parse_page(table, line);
	}
	fclose(f);
	return rc;
}

/* As on Arm SMMUs */
#define WINDOW_START 0x8000000ULL
#define WINDOW_LENGTH 0x100000ULL

/* Doorbells in different pages, not at their start */
static __u64 doorbell(unsigned int n)
{
	return 0x1f00000000ULL + (__u64)n * 3 * PAGE_SIZE + 0x40;
}

static struct iommu_test_resv region(__u32 type, __u64 start, __u64 length)
{
	return (struct iommu_test_resv){
		.start = start,
		.length = length,
		.type = type,
		.prot = MOCK_PTE_WRITE | MOCK_PTE_NOEXEC | MOCK_PTE_MMIO,
	};
}

/* NULL if there is all that the tests need, or what is missing */
static const char *msi_missing(int fd)
{
	struct mock_device_args args = {};
	const char *reason = NULL;
	__u32 stdev_id, msi_id;

	if (_test_cmd_mock_device(fd, 0, &args, &stdev_id, NULL, NULL))
		return "CONFIG_IOMMUFD_TEST is not set";
	if (!_test_cmd_msi_prepare(fd, stdev_id, doorbell(0), NULL, &msi_id))
		_test_cmd_msi_unprepare(fd, stdev_id, msi_id);
	else if (errno == EOPNOTSUPP)
		reason = "CONFIG_IRQ_MSI_IOMMU is not set";
	_test_ioctl_destroy(fd, stdev_id);
	return reason;
}

#endif
