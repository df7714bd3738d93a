/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls that have to do with PASIDs: test_cmd_x must succeed, test_err_x must
 * fail with the given errno.
 */
#ifndef __SELFTEST_IOMMUFD_PASID_UTILS
#define __SELFTEST_IOMMUFD_PASID_UTILS

#include "iommufd_resv_utils.h"

/* The first PASID that is too large for a narrow mock device, and for others */
#define NARROW_LIMIT (1U << MOCK_NARROW_PASID_WIDTH)
#define WIDE_LIMIT (1U << MOCK_PASID_WIDTH)

static int _test_cmd_pasid_alloc(int fd, __u32 flags, __u32 dev_id, __u32 min,
				 __u32 max, __u32 *pasid, __u32 *pasid_id)
{
	struct iommu_pasid_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = dev_id,
		.min_pasid = min,
		.max_pasid = max,
	};
	int ret;

	ret = ioctl(fd, IOMMU_PASID_ALLOC, &cmd);
	if (ret)
		return ret;
	if (cmd.out_pasid < min || cmd.out_pasid > max || !cmd.out_pasid ||
	    !cmd.out_pasid_id) {
		errno = EPROTO;
		return -1;
	}
	if (pasid)
		*pasid = cmd.out_pasid;
	if (pasid_id)
		*pasid_id = cmd.out_pasid_id;
	return 0;
}

#define test_cmd_pasid_alloc(dev_id, min, max, pasid, pasid_id)             \
	ASSERT_EQ(0, _test_cmd_pasid_alloc(self->fd, 0, dev_id, min, max,   \
					   pasid, pasid_id))
#define test_err_pasid_alloc(_errno, flags, dev_id, min, max)               \
	EXPECT_ERRNO(_errno, _test_cmd_pasid_alloc(self->fd, flags, dev_id, \
						   min, max, NULL, NULL))

/* One number and no other */
static int _test_cmd_pasid_alloc_one(int fd, __u32 dev_id, __u32 pasid,
				     __u32 *pasid_id)
{
	return _test_cmd_pasid_alloc(fd, 0, dev_id, pasid, pasid, NULL,
				     pasid_id);
}

#define test_cmd_pasid_alloc_one(dev_id, pasid, pasid_id)                   \
	ASSERT_EQ(0, _test_cmd_pasid_alloc_one(self->fd, dev_id, pasid,     \
					       pasid_id))
#define test_err_pasid_alloc_one(_errno, dev_id, pasid)                     \
	EXPECT_ERRNO(_errno, _test_cmd_pasid_alloc_one(self->fd, dev_id,    \
						       pasid, NULL))

static int _test_cmd_pasid_op(int fd, __u32 op, __u32 stdev_id, __u32 pasid,
			      __u32 *pt_id)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = op,
		.id = stdev_id,
		.pasid = {
			.pasid = pasid,
			.pt_id = *pt_id,
		},
	};
	int ret;

	ret = ioctl(fd, IOMMU_TEST_CMD, &cmd);
	*pt_id = cmd.pasid.pt_id;
	return ret;
}

static int _test_cmd_pasid_attach(int fd, __u32 stdev_id, __u32 pasid,
				  __u32 pt_id)
{
	return _test_cmd_pasid_op(fd, IOMMU_TEST_OP_PASID_ATTACH, stdev_id,
				  pasid, &pt_id);
}

static int _test_cmd_pasid_detach(int fd, __u32 stdev_id, __u32 pasid)
{
	__u32 pt_id = 0;

	return _test_cmd_pasid_op(fd, IOMMU_TEST_OP_PASID_DETACH, stdev_id,
				  pasid, &pt_id);
}

/* What is in the PASID table of the device, ~0 if that cannot be told */
static __u32 pasid_entry(int fd, __u32 stdev_id, __u32 pasid)
{
	__u32 pt_id = 0;

	if (_test_cmd_pasid_op(fd, IOMMU_TEST_OP_PASID_ENTRY, stdev_id, pasid,
			       &pt_id))
		return ~0U;
	return pt_id;
}

#define test_cmd_pasid_attach(stdev_id, pasid, pt_id)                      \
	ASSERT_EQ(0, _test_cmd_pasid_attach(self->fd, stdev_id, pasid,     \
					    pt_id))
#define test_err_pasid_attach(_errno, stdev_id, pasid, pt_id)              \
	EXPECT_ERRNO(_errno, _test_cmd_pasid_attach(self->fd, stdev_id,    \
						    pasid, pt_id))
#define test_cmd_pasid_detach(stdev_id, pasid) \
	ASSERT_EQ(0, _test_cmd_pasid_detach(self->fd, stdev_id, pasid))
#define test_pasid_entry(pt_id, stdev_id, pasid) \
	ASSERT_EQ(pt_id, pasid_entry(self->fd, stdev_id, pasid))

/* Percent of the numbers that all devices can take that fds may have */
#define PASID_SHARE "iommu/parameters/pasid_file_share"

/* A parameter of a module that is set for a while */
struct pasid_param {
	char path[128];
	unsigned int old;
};

static int pasid_param_write(const char *path, unsigned int value)
{
	FILE *f = fopen(path, "w");
	int rc;

	if (!f)
		return -1;
	rc = fprintf(f, "%u\n", value) > 0 ? 0 : -1;
	return fclose(f) ? -1 : rc;
}

static int pasid_param_set(struct pasid_param *param, const char *name,
			   unsigned int value)
{
	FILE *f;
	int rc;

	snprintf(param->path, sizeof(param->path), "/sys/module/%s", name);
	f = fopen(param->path, "r");
	if (!f)
		return -1;
	rc = fscanf(f, "%u", &param->old);
	fclose(f);
	return rc == 1 ? pasid_param_write(param->path, value) : -1;
}

static int pasid_param_restore(struct pasid_param *param)
{
	return pasid_param_write(param->path, param->old);
}

#endif
