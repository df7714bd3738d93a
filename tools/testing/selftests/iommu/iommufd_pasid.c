// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of PASIDs that belong to an fd. The devices are those of the mock, which
 * has a PASID table of its own: no device that can be had in QEMU sends PASIDs.
 */
#include <signal.h>
#include <sys/wait.h>

#include "iommufd_pasid_fixture.h"

#define PASIDS_PER_FD "iommufd/parameters/pasids_per_fd"
#define PASIDS_PER_USER "iommufd/parameters/pasids_per_user"

#define m_pasid_dev(flags)                                                \
	make_dev(_metadata, self->fd, NULL, 0,                            \
		 MOCK_FLAGS_DEVICE_PASID | (flags), NULL)

TEST_F(iommufd_pasid, alloc)
{
	__u32 pasids[3], ids[3];
	unsigned int i;

	/* For all devices, for this one, for this one only */
	test_cmd_pasid_alloc(0, 0, ~0U, &pasids[0], &ids[0]);
	test_cmd_pasid_alloc(self->dev.id, 0, ~0U, &pasids[1], &ids[1]);
	ASSERT_EQ(0, _test_cmd_pasid_alloc(self->fd, IOMMU_PASID_ALLOC_DEVICE,
					   self->dev.id, 1, WIDE_LIMIT - 1,
					   &pasids[2], &ids[2]));
	for (i = 0; i != 3; i++)
		EXPECT_GT(WIDE_LIMIT, pasids[i]);
	EXPECT_NE(pasids[0], pasids[1]);
	EXPECT_NE(pasids[0], pasids[2]);
	EXPECT_NE(pasids[1], pasids[2]);
	test_ioctl_destroy(ids[1]);
	test_ioctl_destroy(ids[0]);
	test_ioctl_destroy(ids[2]);
	EXPECT_ERRNO(ENOENT, _test_ioctl_destroy(self->fd, ids[1]));
}

TEST_F(iommufd_pasid, alloc_errors)
{
	struct iommu_pasid_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = self->dev.id,
		.max_pasid = ~0U,
	};
	struct dev plain;

	cmd.__reserved = 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_PASID_ALLOC, &cmd));
	test_err_pasid_alloc(EOPNOTSUPP, 2, self->dev.id, 0, ~0U);
	test_err_pasid_alloc(EINVAL, 0, self->dev.id, 2, 1);
	test_err_pasid_alloc(EINVAL, IOMMU_PASID_ALLOC_DEVICE, 0, 0, ~0U);
	test_err_pasid_alloc(ENOENT, 0, self->ioas_id, 0, ~0U);
	test_err_pasid_alloc(ERANGE, 0, self->dev.id, 0, 0);
	test_err_pasid_alloc(ERANGE, 0, self->dev.id, WIDE_LIMIT, ~0U);
	test_err_pasid_alloc(ERANGE, 0, 0, WIDE_LIMIT, WIDE_LIMIT);

	plain = m_dev(NULL, 0);
	test_err_pasid_alloc(ENODEV, 0, plain.id, 0, ~0U);
	/* One that can take none does not matter to the others */
	test_cmd_pasid_alloc(0, 0, ~0U, NULL, NULL);
	test_ioctl_destroy(self->dev.stdev_id);
	test_err_pasid_alloc(ENODEV, 0, 0, 0, ~0U);
}

/* A PASID that user space does not learn of is not allocated */
TEST_F(iommufd_pasid, fault)
{
	struct iommu_pasid_alloc *cmd;
	__u32 pasid, pasid_id;

	test_cmd_pasid_alloc(self->dev.id, 0, ~0U, &pasid, &pasid_id);
	test_ioctl_destroy(pasid_id);

	cmd = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, cmd);
	cmd->size = sizeof(*cmd);
	cmd->dev_id = self->dev.id;
	cmd->min_pasid = pasid;
	cmd->max_pasid = pasid;
	ASSERT_EQ(0, mprotect(cmd, PAGE_SIZE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, IOMMU_PASID_ALLOC, cmd));
	test_cmd_pasid_alloc_one(self->dev.id, pasid, NULL);
	munmap(cmd, PAGE_SIZE);
}

/* An fd that wants one number learns why it cannot have it */
TEST_F(iommufd_pasid, one_number)
{
	__u32 pasid, pasid_id;
	struct dev dev;
	int fd2;

	test_cmd_pasid_alloc(self->dev.id, 100, ~0U, &pasid, &pasid_id);
	test_err_pasid_alloc_one(EEXIST, self->dev.id, pasid);
	test_err_pasid_alloc_one(EEXIST, 0, pasid);

	fd2 = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd2);
	dev = make_dev(_metadata, fd2, NULL, 0, MOCK_FLAGS_DEVICE_PASID, NULL);
	EXPECT_ERRNO(EACCES, _test_cmd_pasid_alloc(fd2, 0, dev.id, pasid, pasid,
						   NULL, NULL));
	/* It was never attached, so it does not rest */
	test_ioctl_destroy(pasid_id);
	ASSERT_EQ(0, _test_cmd_pasid_alloc(fd2, 0, dev.id, pasid, pasid, NULL,
					   NULL));
	test_err_pasid_alloc_one(EACCES, self->dev.id, pasid);
	/* The close gives it back */
	ASSERT_EQ(0, close(fd2));
	test_cmd_pasid_alloc_one(self->dev.id, pasid, NULL);
}

/* Two fds never have the same number */
TEST_F(iommufd_pasid, two_fds)
{
	static bool seen[WIDE_LIMIT];
	struct dev dev;
	unsigned int i;
	int fd2;

	fd2 = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd2);
	dev = make_dev(_metadata, fd2, NULL, 0, MOCK_FLAGS_DEVICE_PASID, NULL);
	for (i = 0; i != 1000; i++) {
		__u32 pasid, pasid_id;
		int fd = i % 2 ? self->fd : fd2;

		ASSERT_EQ(0, _test_cmd_pasid_alloc(fd, 0,
						   i % 2 ? self->dev.id : dev.id,
						   0, ~0U, &pasid, &pasid_id));
		ASSERT_FALSE(seen[pasid]);
		seen[pasid] = true;
		if (i % 5 == 0) {
			ASSERT_EQ(0, _test_ioctl_destroy(fd, pasid_id));
			seen[pasid] = false;
		}
	}
	ASSERT_EQ(0, close(fd2));
}

/* A number for all devices is one that the narrowest of them can take */
TEST_F(iommufd_pasid, narrow_device)
{
	struct dev narrow;
	__u32 pasid;

	test_cmd_pasid_alloc(0, NARROW_LIMIT, ~0U, NULL, NULL);
	narrow = m_pasid_dev(MOCK_FLAGS_DEVICE_NARROW_PASID);
	test_err_pasid_alloc(ERANGE, 0, 0, NARROW_LIMIT, ~0U);
	test_err_pasid_alloc(ERANGE, 0, narrow.id, NARROW_LIMIT, ~0U);
	test_cmd_pasid_alloc(0, 0, ~0U, &pasid, NULL);
	EXPECT_GT(NARROW_LIMIT, pasid);
	test_cmd_pasid_alloc(self->dev.id, NARROW_LIMIT, ~0U, NULL, NULL);
	/* Small numbers are not wasted on a device that can take large ones */
	test_cmd_pasid_alloc(self->dev.id, 0, ~0U, &pasid, NULL);
	EXPECT_LE(NARROW_LIMIT, pasid);
}

/* The device has the capability, but its driver could not enable it */
TEST_F(iommufd_pasid, driver_off)
{
	struct dev off = m_pasid_dev(MOCK_FLAGS_DEVICE_PASID_OFF);
	uint8_t bits;

	test_cmd_get_hw_info_pasid(off.id, &bits);
	EXPECT_EQ(0, bits);
	test_cmd_get_hw_info_pasid(self->dev.id, &bits);
	EXPECT_EQ(MOCK_PASID_WIDTH, bits);
	test_err_pasid_alloc(ENODEV, 0, off.id, 0, ~0U);
	test_err_hwpt_alloc(EOPNOTSUPP, off.id, self->ioas_id,
			    IOMMU_HWPT_ALLOC_PASID, NULL);
	/* It limits nobody else */
	test_cmd_pasid_alloc(0, NARROW_LIMIT, ~0U, NULL, NULL);
}

/* Of all devices of this boot the narrow ones of these tests are the narrowest */
static bool narrow_is_narrowest(int fd, __u32 wide_id)
{
	__u32 pasid, id;

	/* It gets the first number that the narrowest one cannot take */
	if (_test_cmd_pasid_alloc(fd, 0, wide_id, 0, ~0U, &pasid, &id))
		return false;
	return !_test_ioctl_destroy(fd, id) && pasid >= NARROW_LIMIT;
}

/* All numbers of a device, and then one of them again */
TEST_F(iommufd_pasid, exhaustion)
{
	struct dev narrow = m_pasid_dev(MOCK_FLAGS_DEVICE_NARROW_PASID);
	struct pasid_param share;
	__u32 ids[NARROW_LIMIT];
	__u32 pasid, num = 0;

	if (!narrow_is_narrowest(self->fd, self->dev.id))
		SKIP(return, "there was a device with fewer PASIDs");
	if (pasid_param_set(&share, PASID_SHARE, 100))
		SKIP(return, "the share cannot be set");
	/* What other tests had attached has rested then */
	sleep(2);
	while (num != NARROW_LIMIT &&
	       !_test_cmd_pasid_alloc(self->fd, 0, narrow.id, 0, ~0U, NULL,
				      &ids[num]))
		num++;
	EXPECT_EQ(ENOSPC, errno);
	ASSERT_EQ(NARROW_LIMIT - 1, num);
	test_err_pasid_alloc(ENOSPC, 0, 0, 0, ~0U);
	/* Others are not concerned */
	test_cmd_pasid_alloc(self->dev.id, 0, ~0U, NULL, NULL);

	test_ioctl_destroy(ids[17]);
	test_cmd_pasid_alloc(narrow.id, 0, ~0U, &pasid, NULL);
	test_err_pasid_alloc(ENOSPC, 0, narrow.id, 0, ~0U);
	EXPECT_EQ(0, pasid_param_restore(&share));
}

/* Half of the numbers that all devices can take are not for fds */
TEST_F(iommufd_pasid, share)
{
	struct dev narrow = m_pasid_dev(MOCK_FLAGS_DEVICE_NARROW_PASID);
	struct pasid_param share;
	unsigned int num = 0;
	__u32 id;

	if (!narrow_is_narrowest(self->fd, self->dev.id))
		SKIP(return, "there was a device with fewer PASIDs");
	if (pasid_param_set(&share, PASID_SHARE, 50))
		SKIP(return, "the share cannot be set");
	/* What other tests had attached has rested then */
	sleep(2);
	while (num != NARROW_LIMIT &&
	       !_test_cmd_pasid_alloc(self->fd, 0, narrow.id, 0, ~0U, NULL, &id))
		num++;
	EXPECT_EQ(EDQUOT, errno);
	EXPECT_EQ(NARROW_LIMIT / 2, num);
	/* By its name neither, for another device neither */
	test_err_pasid_alloc_one(EDQUOT, self->dev.id, NARROW_LIMIT - 1);
	test_err_pasid_alloc(EDQUOT, 0, self->dev.id, 1, NARROW_LIMIT - 1);
	test_err_pasid_alloc(EDQUOT, 0, 0, 0, ~0U);
	/* There are others for those who can take them */
	test_cmd_pasid_alloc(self->dev.id, 0, ~0U, NULL, NULL);

	test_ioctl_destroy(id);
	test_cmd_pasid_alloc_one(self->dev.id, NARROW_LIMIT - 1, &id);
	EXPECT_ERRNO(EINVAL, pasid_param_write(share.path, 101));
	ASSERT_EQ(0, pasid_param_write(share.path, 100));
	test_cmd_pasid_alloc(narrow.id, 0, ~0U, NULL, NULL);
	EXPECT_EQ(0, pasid_param_restore(&share));
}

TEST_F(iommufd_pasid, quota_fd)
{
	struct pasid_param param;
	__u32 ids[4];
	unsigned int i;

	if (pasid_param_set(&param, PASIDS_PER_FD, 3))
		SKIP(return, "the quota cannot be set");
	for (i = 0; i != 3; i++)
		EXPECT_EQ(0, _test_cmd_pasid_alloc(self->fd, 0, self->dev.id, 0,
						   ~0U, NULL, &ids[i]));
	EXPECT_EQ(-1, _test_cmd_pasid_alloc(self->fd, 0, self->dev.id, 0, ~0U,
					    NULL, &ids[3]));
	EXPECT_EQ(EDQUOT, errno);
	/* What fails for another reason is not charged */
	EXPECT_EQ(0, _test_ioctl_destroy(self->fd, ids[1]));
	for (i = 0; i != 5; i++)
		test_err_pasid_alloc(ERANGE, 0, self->dev.id, 0, 0);
	EXPECT_EQ(0, _test_cmd_pasid_alloc(self->fd, 0, self->dev.id, 0, ~0U,
					   NULL, &ids[1]));
	EXPECT_EQ(0, pasid_param_restore(&param));
	test_cmd_pasid_alloc(self->dev.id, 0, ~0U, NULL, NULL);
}

/* An fd that is opened by user @uid, which must not have others */
static int open_as(struct __test_metadata *_metadata, uid_t uid,
		   struct dev *dev)
{
	int fd;

	ASSERT_EQ(0, setresuid(uid, 0, 0));
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, setresuid(0, 0, 0));
	ASSERT_LE(0, fd);
	*dev = make_dev(_metadata, fd, NULL, 0, MOCK_FLAGS_DEVICE_PASID, NULL);
	return fd;
}

/* It is the one who opened that counts, with all fds together */
TEST_F(iommufd_pasid, quota_user)
{
	struct pasid_param param;
	struct dev devs[3];
	unsigned int i;
	int fds[3];

	if (geteuid())
		SKIP(return, "needs root");
	for (i = 0; i != 3; i++)
		fds[i] = open_as(_metadata, i == 2 ? 54322 : 54321, &devs[i]);
	if (pasid_param_set(&param, PASIDS_PER_USER, 4))
		SKIP(return, "the quota cannot be set");

	for (i = 0; i != 4; i++)
		EXPECT_EQ(0, _test_cmd_pasid_alloc(fds[i % 2], 0,
						   devs[i % 2].id, 0, ~0U, NULL,
						   NULL));
	for (i = 0; i != 2; i++) {
		EXPECT_EQ(-1, _test_cmd_pasid_alloc(fds[i], 0, devs[i].id, 0,
						    ~0U, NULL, NULL));
		EXPECT_EQ(EDQUOT, errno);
	}
	/* Another user */
	EXPECT_EQ(0, _test_cmd_pasid_alloc(fds[2], 0, devs[2].id, 0, ~0U, NULL,
					   NULL));
	/* The fd takes along what it had */
	EXPECT_EQ(0, close(fds[0]));
	for (i = 0; i != 2; i++)
		EXPECT_EQ(0, _test_cmd_pasid_alloc(fds[1], 0, devs[1].id, 0,
						   ~0U, NULL, NULL));
	EXPECT_EQ(-1, _test_cmd_pasid_alloc(fds[1], 0, devs[1].id, 0, ~0U, NULL,
					    NULL));
	EXPECT_EQ(EDQUOT, errno);
	EXPECT_EQ(0, pasid_param_restore(&param));
	close(fds[1]);
	close(fds[2]);
}

#define KILLED_PASIDS 50

/* In a child: PASIDs of a new fd, their numbers go to @pipe_fd; never returns */
static void hold_pasids(int pipe_fd)
{
	struct mock_device_args args = { .flags = MOCK_FLAGS_DEVICE_PASID };
	__u32 pasid, dev_id;
	unsigned int i;
	int fd;

	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (fd < 0 ||
	    _test_cmd_mock_device(fd, 0, &args, NULL, NULL, &dev_id))
		_exit(1);
	for (i = 0; i != KILLED_PASIDS; i++)
		if (_test_cmd_pasid_alloc(fd, 0, dev_id, 0, ~0U, &pasid,
					  NULL) ||
		    write(pipe_fd, &pasid, sizeof(pasid)) != sizeof(pasid))
			_exit(1);
	for (;;)
		pause();
}

/* Who is killed gives back what it had */
TEST_F(iommufd_pasid, killed)
{
	__u32 pasids[KILLED_PASIDS];
	unsigned int i;
	int pipe_fds[2];
	pid_t child;
	int status;

	ASSERT_EQ(0, pipe(pipe_fds));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		hold_pasids(pipe_fds[1]);
	close(pipe_fds[1]);
	for (i = 0; i != KILLED_PASIDS; i++)
		ASSERT_EQ(sizeof(pasids[i]),
			  read(pipe_fds[0], &pasids[i], sizeof(pasids[i])));
	test_err_pasid_alloc_one(EACCES, self->dev.id, pasids[0]);
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	for (i = 0; i != KILLED_PASIDS; i++)
		test_cmd_pasid_alloc_one(self->dev.id, pasids[i], NULL);
	close(pipe_fds[0]);
}

/* The PASIDs of a device that has gone stay with the fd */
TEST_F(iommufd_pasid, device_gone)
{
	struct dev dev = m_pasid_dev(0);
	__u32 pasid, pasid_id, other_id;

	ASSERT_EQ(0, _test_cmd_pasid_alloc(self->fd, IOMMU_PASID_ALLOC_DEVICE,
					   dev.id, 0, ~0U, &pasid, &pasid_id));
	ASSERT_EQ(0, _test_cmd_pasid_alloc(self->fd, IOMMU_PASID_ALLOC_DEVICE,
					   dev.id, 0, ~0U, NULL, &other_id));
	/* Before and after its device */
	test_ioctl_destroy(other_id);
	test_ioctl_destroy(dev.stdev_id);
	test_err_pasid_alloc_one(EEXIST, self->dev.id, pasid);
	test_ioctl_destroy(pasid_id);
	test_cmd_pasid_alloc_one(self->dev.id, pasid, NULL);
}

TEST_HARNESS_MAIN
