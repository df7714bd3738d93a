// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is attached at a PASID: attach, replace and detach, and what goes with it,
 * regions, interrupts and page faults.
 */
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "iommufd_msi_put_race.h"
#include "iommufd_pasid_fixture.h"

#define RESERVED_START 0x5000000ULL
#define RESERVED_LENGTH 0x10000ULL

#define m_hwpt_flags(ioas_id, flags)                                         \
	({                                                                   \
		__u32 __hwpt_id;                                             \
		test_cmd_hwpt_alloc(self->dev.id, ioas_id,                   \
				    IOMMU_HWPT_ALLOC_PASID | (flags),        \
				    &__hwpt_id);                             \
		__hwpt_id;                                                   \
	})
#define m_hwpt(ioas_id) m_hwpt_flags(ioas_id, 0)

/* A PASID of @dev, any */
#define m_pasid(dev_id)                                                      \
	({                                                                   \
		__u32 __pasid;                                               \
		test_cmd_pasid_alloc(dev_id, 0, ~0U, &__pasid, NULL);        \
		__pasid;                                                     \
	})

/* Whether something could be mapped at @iova, or what is reserved for whom */
#define test_mappable(ioas_id, iova)                                         \
	({                                                                   \
		struct resv_check check;                                     \
		test_cmd_ioas_check_map(ioas_id, iova, PAGE_SIZE, &check);   \
		ASSERT_EQ(0, check.num);                                     \
	})
#define test_reserved(ioas_id, iova, _dev_id)                                \
	({                                                                   \
		struct resv_check check;                                     \
		test_cmd_ioas_check_map(ioas_id, iova, PAGE_SIZE, &check);   \
		ASSERT_LE(1, check.num);                                     \
		ASSERT_EQ(IOMMU_IOVA_CONFLICT_RESERVED,                      \
			  check.conflicts[0].kind);                          \
		ASSERT_EQ(_dev_id, check.conflicts[0].dev_id);               \
	})

static struct dev make_resv_dev(struct __test_metadata *_metadata, int fd)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, RESERVED_START, RESERVED_LENGTH),
	};

	return make_dev(_metadata, fd, resv, ARRAY_SIZE(resv),
			MOCK_FLAGS_DEVICE_PASID, NULL);
}

/* Each PASID leads to what was attached there, and nothing else does */
TEST_F(iommufd_pasid, attach)
{
	__u32 hwpts[2] = { m_hwpt(self->ioas_id), m_hwpt(self->ioas2_id) };
	__u32 pasids[3];
	unsigned int i;

	for (i = 0; i != 3; i++) {
		pasids[i] = m_pasid(self->dev.id);
		test_pasid_entry(0, self->dev.stdev_id, pasids[i]);
	}
	test_cmd_pasid_attach(self->dev.stdev_id, pasids[0], hwpts[0]);
	test_cmd_pasid_attach(self->dev.stdev_id, pasids[1], hwpts[1]);
	test_cmd_pasid_attach(self->dev.stdev_id, pasids[2], hwpts[0]);
	/* The same again is none of anybody's business */
	test_cmd_pasid_attach(self->dev.stdev_id, pasids[2], hwpts[0]);
	test_cmd_mock_device_attach(self->dev.stdev_id, hwpts[1], NULL);
	test_pasid_entry(hwpts[0], self->dev.stdev_id, pasids[0]);
	test_pasid_entry(hwpts[1], self->dev.stdev_id, pasids[1]);
	test_pasid_entry(hwpts[0], self->dev.stdev_id, pasids[2]);
	test_pasid_entry(0, self->dev.stdev_id, 0);

	test_cmd_mock_device_detach(self->dev.stdev_id);
	test_cmd_pasid_detach(self->dev.stdev_id, pasids[0]);
	test_cmd_pasid_detach(self->dev.stdev_id, pasids[0]);
	test_pasid_entry(0, self->dev.stdev_id, pasids[0]);
	test_pasid_entry(hwpts[1], self->dev.stdev_id, pasids[1]);
	test_pasid_entry(hwpts[0], self->dev.stdev_id, pasids[2]);
}

TEST_F(iommufd_pasid, hwpt_alloc)
{
	struct iommu_hwpt_selftest data = {
		.iotlb = IOMMU_TEST_IOTLB_DEFAULT,
	};
	__u32 fault_id, fault_fd, parent;
	struct dev dev;

	test_ioctl_fault_alloc(&fault_id, &fault_fd);
	/* A paging HWPT has page faults together with a PASID, as it had none */
	test_err_hwpt_alloc_iopf(EOPNOTSUPP, self->dev.id, self->ioas_id,
				 fault_id, IOMMU_HWPT_FAULT_ID_VALID, NULL,
				 IOMMU_HWPT_DATA_NONE, NULL, 0);
	test_err_hwpt_alloc_iopf(EOPNOTSUPP, self->dev.id, self->ioas_id,
				 fault_id,
				 IOMMU_HWPT_FAULT_ID_VALID |
					 IOMMU_HWPT_ALLOC_PASID |
					 IOMMU_HWPT_ALLOC_NEST_PARENT,
				 NULL, IOMMU_HWPT_DATA_NONE, NULL, 0);
	test_err_hwpt_alloc(EOPNOTSUPP, self->dev.id, self->ioas_id,
			    IOMMU_HWPT_ALLOC_PASID |
				    IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
			    NULL);
	test_err_hwpt_alloc(EOPNOTSUPP, self->dev.id, self->ioas_id, 1 << 4,
			    NULL);
	parent = m_hwpt_flags(self->ioas_id, IOMMU_HWPT_ALLOC_NEST_PARENT);
	test_err_hwpt_alloc_nested(EOPNOTSUPP, self->dev.id, parent,
				   IOMMU_HWPT_ALLOC_PASID, NULL,
				   IOMMU_HWPT_DATA_SELFTEST, &data,
				   sizeof(data));
	close(fault_fd);

	/* The device can take none; the driver cannot attach one */
	dev = m_dev(NULL, 0);
	test_err_hwpt_alloc(EOPNOTSUPP, dev.id, self->ioas_id,
			    IOMMU_HWPT_ALLOC_PASID, NULL);
	dev = make_dev(_metadata, self->fd, NULL, 0,
		       MOCK_FLAGS_DEVICE_PASID |
			       MOCK_FLAGS_DEVICE_NO_PASID_ATTACH,
		       NULL);
	test_err_hwpt_alloc(EOPNOTSUPP, dev.id, self->ioas_id,
			    IOMMU_HWPT_ALLOC_PASID, NULL);
	test_cmd_hwpt_alloc(dev.id, self->ioas_id, 0, NULL);
}

/* Each has its errno, and leaves what is there */
TEST_F(iommufd_pasid, attach_errors)
{
	struct iommu_hwpt_selftest data = {
		.iotlb = IOMMU_TEST_IOTLB_DEFAULT,
	};
	__u32 hwpt = m_hwpt(self->ioas_id);
	__u32 pasid = m_pasid(self->dev.id);
	__u32 stdev = self->dev.stdev_id;
	__u32 plain_hwpt, parent, nested, pasid2, own;
	struct dev dev, dev2;
	int fd2;

	test_cmd_pasid_attach(stdev, pasid, hwpt);

	/* The HWPT */
	test_cmd_hwpt_alloc(self->dev.id, self->ioas_id, 0, &plain_hwpt);
	parent = m_hwpt_flags(self->ioas_id, IOMMU_HWPT_ALLOC_NEST_PARENT);
	test_cmd_hwpt_alloc_nested(self->dev.id, parent, 0, &nested,
				   IOMMU_HWPT_DATA_SELFTEST, &data,
				   sizeof(data));
	test_err_pasid_attach(EINVAL, stdev, pasid, plain_hwpt);
	test_err_pasid_attach(EINVAL, stdev, pasid, nested);
	test_err_pasid_attach(EINVAL, stdev, pasid, self->ioas2_id);
	test_err_pasid_attach(EINVAL, stdev, pasid, self->dev.id);
	test_err_pasid_attach(ENOENT, stdev, pasid, 0x7fffffff);
	test_pasid_entry(hwpt, stdev, pasid);

	/* The number */
	test_err_pasid_attach(ERANGE, stdev, 0, hwpt);
	test_err_pasid_attach(ERANGE, stdev, WIDE_LIMIT, hwpt);
	test_err_pasid_attach(ERANGE, stdev, ~0U, hwpt);
	test_cmd_pasid_alloc(self->dev.id, 1000, ~0U, &pasid2, &own);
	test_ioctl_destroy(own);
	test_err_pasid_attach(ENOENT, stdev, pasid2, hwpt);
	test_pasid_entry(0, stdev, pasid2);

	/* The device */
	dev = m_dev(NULL, 0);
	test_err_pasid_attach(ENODEV, dev.stdev_id, pasid, hwpt);
	dev = make_dev(_metadata, self->fd, NULL, 0,
		       MOCK_FLAGS_DEVICE_PASID | MOCK_FLAGS_DEVICE_LOW_APERTURE,
		       NULL);
	test_err_pasid_attach(EINVAL, dev.stdev_id, pasid, hwpt);
	test_pasid_entry(0, dev.stdev_id, pasid);
	ASSERT_EQ(0, _test_cmd_pasid_alloc(self->fd, IOMMU_PASID_ALLOC_DEVICE,
					   dev.id, 0, ~0U, &pasid2, NULL));
	test_err_pasid_attach(EXDEV, stdev, pasid2, hwpt);
	test_ioctl_destroy(dev.stdev_id);
	/* Also when the one that it was for has gone, whatever comes then */
	dev = make_dev(_metadata, self->fd, NULL, 0, MOCK_FLAGS_DEVICE_PASID,
		       NULL);
	test_err_pasid_attach(EXDEV, dev.stdev_id, pasid2, hwpt);

	/* The owner */
	fd2 = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd2);
	dev2 = make_dev(_metadata, fd2, NULL, 0, MOCK_FLAGS_DEVICE_PASID, NULL);
	ASSERT_EQ(0, _test_cmd_pasid_alloc(fd2, 0, dev2.id, 0, ~0U, &pasid2,
					   NULL));
	test_err_pasid_attach(EACCES, stdev, pasid2, hwpt);
	ASSERT_EQ(0, close(fd2));
	test_err_pasid_attach(ENOENT, stdev, pasid2, hwpt);
	test_pasid_entry(0, stdev, pasid2);
	test_pasid_entry(hwpt, stdev, pasid);
}

struct refused {
	int fd;
	__u32 stdev_id;
	__u32 pasid;
};

static int use_pasid_attach(void *arg, __u32 ioas_id, __u32 hwpt_id)
{
	struct refused *refused = arg;

	return _test_cmd_pasid_attach(refused->fd, refused->stdev_id,
				      refused->pasid, hwpt_id) ? errno : 0;
}

/* An automatic HWPT is none for PASIDs, and goes with its last device all the same */
TEST_F_TIMEOUT(iommufd_pasid, refused_put_hwpt, 300)
{
	struct refused refused = {
		.fd = self->fd,
		.stdev_id = self->dev.stdev_id,
		.pasid = m_pasid(self->dev.id),
	};

	run_put_race(_metadata, self->fd, use_pasid_attach, &refused, EINVAL);
}

/* A PASID that was attached rests, for everybody */
TEST_F(iommufd_pasid, rest)
{
	__u32 hwpt = m_hwpt(self->ioas_id);
	struct pasid_param param;
	__u32 pasid, pasid_id;
	struct timespec start, now;
	int rc;

	if (pasid_param_set(&param, "iommu/parameters/pasid_grace_ms", 500))
		SKIP(return, "the grace period cannot be set");
	test_cmd_pasid_alloc(self->dev.id, 0, ~0U, &pasid, &pasid_id);
	test_cmd_pasid_attach(self->dev.stdev_id, pasid, hwpt);
	EXPECT_ERRNO(EBUSY, _test_ioctl_destroy(self->fd, pasid_id));
	test_cmd_pasid_detach(self->dev.stdev_id, pasid);
	/* It is still the fd's */
	test_cmd_pasid_attach(self->dev.stdev_id, pasid, hwpt);
	test_cmd_pasid_detach(self->dev.stdev_id, pasid);
	clock_gettime(CLOCK_MONOTONIC, &start);
	test_ioctl_destroy(pasid_id);
	test_err_pasid_alloc_one(EAGAIN, self->dev.id, pasid);
	test_err_pasid_attach(EAGAIN, self->dev.stdev_id, pasid, hwpt);
	do {
		rc = _test_cmd_pasid_alloc(self->fd, 0, self->dev.id, pasid,
					   pasid, NULL, &pasid_id);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (rc && errno == EAGAIN && now.tv_sec - start.tv_sec < 20);
	EXPECT_EQ(0, rc);
	EXPECT_LE(500, (now.tv_sec - start.tv_sec) * 1000 +
			       (now.tv_nsec - start.tv_nsec) / 1000000);
	EXPECT_EQ(0, pasid_param_restore(&param));
}

/* The user has a number until it has rested, so a loop does not get him more */
TEST_F(iommufd_pasid, quota_rests)
{
	struct pasid_param quota, grace;
	__u32 ioas, hwpt, pasid, pasid_id;
	unsigned int tries = 0;
	struct dev dev;
	int fd, rc;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, setresuid(54323, 0, 0));
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, setresuid(0, 0, 0));
	ASSERT_LE(0, fd);
	dev = make_dev(_metadata, fd, NULL, 0, MOCK_FLAGS_DEVICE_PASID, NULL);
	ASSERT_EQ(0, _test_ioctl_ioas_alloc(fd, &ioas));
	ASSERT_EQ(0, _test_cmd_hwpt_alloc(fd, dev.id, ioas, 0,
					  IOMMU_HWPT_ALLOC_PASID, &hwpt,
					  IOMMU_HWPT_DATA_NONE, NULL, 0));
	if (pasid_param_set(&quota, "iommufd/parameters/pasids_per_user", 1))
		SKIP(return, "the quota cannot be set");
	if (pasid_param_set(&grace, "iommu/parameters/pasid_grace_ms", 60000)) {
		EXPECT_EQ(0, pasid_param_restore(&quota));
		SKIP(return, "the grace period cannot be set");
	}

	EXPECT_EQ(0, _test_cmd_pasid_alloc(fd, 0, dev.id, 0, ~0U, &pasid,
					   &pasid_id));
	EXPECT_EQ(0, _test_cmd_pasid_attach(fd, dev.stdev_id, pasid, hwpt));
	EXPECT_EQ(0, _test_cmd_pasid_detach(fd, dev.stdev_id, pasid));
	EXPECT_EQ(0, _test_ioctl_destroy(fd, pasid_id));
	EXPECT_ERRNO(EDQUOT, _test_cmd_pasid_alloc(fd, 0, dev.id, 0, ~0U, NULL,
						   NULL));
	/* The grace period that is restored is over soon */
	EXPECT_EQ(0, pasid_param_restore(&grace));
	do {
		usleep(20000);
		rc = _test_cmd_pasid_alloc(fd, 0, dev.id, 0, ~0U, NULL, NULL);
	} while (rc && errno == EDQUOT && ++tries != 1000);
	EXPECT_EQ(0, rc);
	EXPECT_EQ(0, pasid_param_restore(&quota));
	ASSERT_EQ(0, close(fd));
}

TEST_F(iommufd_pasid, replace)
{
	__u32 hwpts[3] = { m_hwpt(self->ioas_id), m_hwpt(self->ioas_id),
			   m_hwpt(self->ioas2_id) };
	__u32 pasid = m_pasid(self->dev.id);
	__u32 other = m_pasid(self->dev.id);
	unsigned int i;

	test_cmd_pasid_attach(self->dev.stdev_id, other, hwpts[1]);
	for (i = 0; i != 10; i++) {
		test_cmd_pasid_attach(self->dev.stdev_id, pasid, hwpts[i % 3]);
		test_pasid_entry(hwpts[i % 3], self->dev.stdev_id, pasid);
		test_pasid_entry(hwpts[1], self->dev.stdev_id, other);
		/* It is in use, the one before is not any more */
		EXPECT_ERRNO(EBUSY,
			     _test_ioctl_destroy(self->fd, hwpts[i % 3]));
	}
	test_ioctl_destroy(hwpts[2]);
	test_cmd_pasid_detach(self->dev.stdev_id, pasid);
	test_ioctl_destroy(hwpts[0]);
	EXPECT_ERRNO(EBUSY, _test_ioctl_destroy(self->fd, hwpts[1]));
}

/* A driver that cannot replace; detach and attach do it then */
TEST_F(iommufd_pasid, no_replace)
{
	__u32 hwpts[2] = { m_hwpt(self->ioas_id), m_hwpt(self->ioas2_id) };
	struct dev dev = make_dev(_metadata, self->fd, NULL, 0,
				  MOCK_FLAGS_DEVICE_PASID |
					  MOCK_FLAGS_DEVICE_NO_PASID_REPLACE,
				  NULL);
	__u32 pasid = m_pasid(dev.id);

	test_cmd_pasid_attach(dev.stdev_id, pasid, hwpts[0]);
	test_err_pasid_attach(EOPNOTSUPP, dev.stdev_id, pasid, hwpts[1]);
	test_pasid_entry(hwpts[0], dev.stdev_id, pasid);
	test_ioctl_destroy(hwpts[1]);
	hwpts[1] = m_hwpt(self->ioas2_id);
	test_cmd_pasid_detach(dev.stdev_id, pasid);
	test_cmd_pasid_attach(dev.stdev_id, pasid, hwpts[1]);
	test_pasid_entry(hwpts[1], dev.stdev_id, pasid);
}

/* Regions are reserved where a PASID is attached, as often as it is attached */
TEST_F(iommufd_pasid, regions)
{
	struct dev dev = make_resv_dev(_metadata, self->fd);
	__u32 hwpt = m_hwpt(self->ioas_id), hwpt2 = m_hwpt(self->ioas2_id);
	__u32 pasid = m_pasid(dev.id), other = m_pasid(dev.id);

	test_mappable(self->ioas_id, RESERVED_START);
	test_cmd_pasid_attach(dev.stdev_id, pasid, hwpt);
	test_reserved(self->ioas_id, RESERVED_START, dev.id);
	test_err_ioctl_ioas_map_fixed(EINVAL, buffer, PAGE_SIZE,
				      RESERVED_START);
	/* The same device in the same IOAS, three times */
	test_cmd_pasid_attach(dev.stdev_id, other, hwpt);
	test_cmd_mock_device_attach(dev.stdev_id, hwpt, NULL);
	test_cmd_pasid_detach(dev.stdev_id, pasid);
	test_reserved(self->ioas_id, RESERVED_START, dev.id);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_reserved(self->ioas_id, RESERVED_START, dev.id);

	/* A replace takes the reservation along */
	test_mappable(self->ioas2_id, RESERVED_START);
	test_cmd_pasid_attach(dev.stdev_id, other, hwpt2);
	test_mappable(self->ioas_id, RESERVED_START);
	test_reserved(self->ioas2_id, RESERVED_START, dev.id);

	/* Something is mapped there: refused, and nothing changes */
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, RESERVED_START);
	test_err_pasid_attach(EADDRINUSE, dev.stdev_id, pasid, hwpt);
	test_pasid_entry(0, dev.stdev_id, pasid);
	test_err_pasid_attach(EADDRINUSE, dev.stdev_id, other, hwpt);
	test_pasid_entry(hwpt2, dev.stdev_id, other);
	test_reserved(self->ioas2_id, RESERVED_START, dev.id);
	/* It was not left half done */
	test_ioctl_ioas_unmap(RESERVED_START, PAGE_SIZE);
	test_mappable(self->ioas_id, RESERVED_START);

	test_ioctl_destroy(dev.stdev_id);
	test_mappable(self->ioas2_id, RESERVED_START);
}

/*
 * Interrupts go with the domain that the device has without a PASID. The window
 * is of no concern to a PASID: it is not reserved, it can be mapped over.
 */
TEST_F(iommufd_pasid, msi)
{
	struct dev dev = make_resv_dev(_metadata, self->fd);
	__u32 hwpt = m_hwpt(self->ioas_id), hwpt2 = m_hwpt(self->ioas2_id);
	__u32 hwpt1b = m_hwpt(self->ioas_id);
	__u32 pasid = m_pasid(dev.id);
	struct iommu_test_pte ptes[4];
	__u64 addr, addr2;
	__u32 num;

	if (_test_cmd_msi_prepare(self->fd, dev.stdev_id, doorbell(0), &addr,
				  NULL))
		SKIP(return, NO_SW_MSI);

	/* Only a PASID is attached: no page, no window */
	test_cmd_pasid_attach(dev.stdev_id, pasid, hwpt2);
	num = ARRAY_SIZE(ptes);
	test_cmd_md_ptes(hwpt2, WINDOW_START, WINDOW_LENGTH, ptes, &num);
	EXPECT_EQ(0, num);
	test_mappable(self->ioas2_id, WINDOW_START);
	test_ioctl_ioas_map_fixed_id(self->ioas2_id, buffer, PAGE_SIZE,
				     WINDOW_START);

	/* The device without a PASID elsewhere: the page is there */
	test_cmd_mock_device_attach(dev.stdev_id, hwpt, NULL);
	num = ARRAY_SIZE(ptes);
	test_cmd_md_ptes(hwpt, WINDOW_START, WINDOW_LENGTH, ptes, &num);
	EXPECT_EQ(2, num);
	test_reserved(self->ioas_id, WINDOW_START, dev.id);

	/* A replace of each does not touch the other */
	test_cmd_mock_domain_replace(dev.stdev_id, hwpt1b);
	test_pasid_entry(hwpt2, dev.stdev_id, pasid);
	num = ARRAY_SIZE(ptes);
	test_cmd_md_ptes(hwpt1b, WINDOW_START, WINDOW_LENGTH, ptes, &num);
	EXPECT_EQ(2, num);
	test_cmd_pasid_attach(dev.stdev_id, pasid, hwpt);
	num = ARRAY_SIZE(ptes);
	test_cmd_md_ptes(hwpt1b, WINDOW_START, WINDOW_LENGTH, ptes, &num);
	EXPECT_EQ(2, num);
	num = ARRAY_SIZE(ptes);
	test_cmd_md_ptes(hwpt, WINDOW_START, WINDOW_LENGTH, ptes, &num);
	EXPECT_EQ(0, num);
	test_cmd_msi_prepare(dev.stdev_id, doorbell(0), &addr2, NULL);
	EXPECT_EQ(addr, addr2);

	/* The other way round there is no room for the window */
	test_err_mock_device_attach(EBUSY, dev.stdev_id, hwpt2);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_err_mock_device_attach(EADDRINUSE, dev.stdev_id, hwpt2);
	test_pasid_entry(hwpt, dev.stdev_id, pasid);
}

static void check_pasid(struct __test_metadata *_metadata, int fd, __u32 pt_id,
			__u32 dev_id,
			const struct iommu_iova_range *plan,
			struct iommu_iova_conflict *conflict, __u32 *num)
{
	struct iommu_ioas_check cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_CHECK_PASID,
		.pt_id = pt_id,
		.dev_id = dev_id,
		.num_ranges = plan ? 1 : 0,
		.ranges = (uintptr_t)plan,
		.num_conflicts = 1,
		.conflicts = (uintptr_t)conflict,
		.entry_size = sizeof(*conflict),
	};

	if (ioctl(fd, IOMMU_IOAS_CHECK, &cmd))
		ASSERT_EQ(EMSGSIZE, errno);
	*num = cmd.num_conflicts;
}

/* The dry run says what the attach does */
TEST_F(iommufd_pasid, check)
{
	struct iommu_iova_range plan = { RESERVED_START,
					 RESERVED_START + PAGE_SIZE - 1 };
	struct dev dev = make_resv_dev(_metadata, self->fd);
	__u32 hwpt = m_hwpt(self->ioas_id);
	__u32 pasid = m_pasid(dev.id);
	struct iommu_ioas_check cmd = { .size = sizeof(cmd) };
	struct iommu_iova_conflict conflict;
	struct resv_check check;
	__u32 num;

	/* Over the window: in the way of the device, not of its PASIDs */
	if (_test_cmd_msi_prepare(self->fd, dev.stdev_id, doorbell(0), NULL,
				  NULL)) {
		ASSERT_EQ(EOPNOTSUPP, errno);
	} else {
		test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, WINDOW_START);
		check_pasid(_metadata, self->fd, hwpt, dev.id, NULL, &conflict,
			    &num);
		EXPECT_EQ(0, num);
		test_cmd_ioas_check_device(hwpt, dev.id, &check);
		m_conflict(MAPPED, WINDOW_START, WINDOW_START + PAGE_SIZE - 1,
			   IOMMU_RESV_REGION_SW_MSI, dev.id);
	}

	/* Over a region */
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, RESERVED_START);
	check_pasid(_metadata, self->fd, hwpt, dev.id, NULL, &conflict,
		    &num);
	ASSERT_EQ(1, num);
	expect_conflict(_metadata, &conflict, IOMMU_IOVA_CONFLICT_MAPPED,
			RESERVED_START, RESERVED_START + PAGE_SIZE - 1,
			IOMMU_RESV_REGION_RESERVED, dev.id);
	check_pasid(_metadata, self->fd, self->ioas_id, dev.id, NULL, &conflict,
		    &num);
	EXPECT_EQ(1, num);
	test_err_pasid_attach(EADDRINUSE, dev.stdev_id, pasid, hwpt);
	test_ioctl_ioas_unmap(RESERVED_START, PAGE_SIZE);

	/* A plan, before and after the attach: one conflict, not two */
	check_pasid(_metadata, self->fd, hwpt, dev.id, &plan, &conflict,
		    &num);
	EXPECT_EQ(1, num);
	test_cmd_pasid_attach(dev.stdev_id, pasid, hwpt);
	check_pasid(_metadata, self->fd, hwpt, dev.id, &plan, &conflict,
		    &num);
	EXPECT_EQ(1, num);
	expect_conflict(_metadata, &conflict, IOMMU_IOVA_CONFLICT_RESERVED,
			plan.start, plan.last, IOMMU_RESV_REGION_RESERVED,
			dev.id);

	cmd.pt_id = hwpt;
	cmd.dev_id = dev.id;
	cmd.flags = IOMMU_IOAS_CHECK_PASID << 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_IOAS_CHECK, &cmd));
	cmd.flags = IOMMU_IOAS_CHECK_PASID;
	cmd.dev_id = 0;
	cmd.num_ranges = 1;
	cmd.ranges = (uintptr_t)&plan;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, IOMMU_IOAS_CHECK, &cmd));

	/* What the attach would refuse whatever is mapped: a HWPT, a device */
	cmd.num_ranges = 0;
	cmd.dev_id = dev.id;
	test_cmd_hwpt_alloc(self->dev.id, self->ioas_id, 0, &cmd.pt_id);
	test_err_pasid_attach(EINVAL, dev.stdev_id, pasid, cmd.pt_id);
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, IOMMU_IOAS_CHECK, &cmd));
	cmd.pt_id = hwpt;
	dev = make_dev(_metadata, self->fd, NULL, 0,
		       MOCK_FLAGS_DEVICE_PASID | MOCK_FLAGS_DEVICE_PASID_OFF,
		       NULL);
	cmd.dev_id = dev.id;
	EXPECT_ERRNO(ENODEV, ioctl(self->fd, IOMMU_IOAS_CHECK, &cmd));
}

/* Devices of one group have one domain at a PASID */
TEST_F(iommufd_pasid, siblings)
{
	struct dev dev = make_dev(_metadata, self->fd, NULL, 0,
				  MOCK_FLAGS_DEVICE_PASID, &self->dev);
	__u32 hwpts[2] = { m_hwpt(self->ioas_id), m_hwpt(self->ioas2_id) };
	__u32 pasid = m_pasid(0);
	__u32 stdev = self->dev.stdev_id;

	test_cmd_pasid_attach(stdev, pasid, hwpts[0]);
	test_err_pasid_attach(EBUSY, dev.stdev_id, pasid, hwpts[1]);
	test_cmd_pasid_attach(dev.stdev_id, pasid, hwpts[0]);
	test_pasid_entry(hwpts[0], dev.stdev_id, pasid);

	/* There is no replace where two would have to change over */
	test_err_pasid_attach(EOPNOTSUPP, dev.stdev_id, pasid, hwpts[1]);
	test_pasid_entry(hwpts[0], stdev, pasid);
	test_pasid_entry(hwpts[0], dev.stdev_id, pasid);
	test_ioctl_destroy(hwpts[1]);

	/* The first one goes, the last one takes the domain along */
	test_cmd_pasid_detach(stdev, pasid);
	test_pasid_entry(hwpts[0], dev.stdev_id, pasid);
	test_cmd_pasid_attach(stdev, pasid, hwpts[0]);
	test_ioctl_destroy(dev.stdev_id);
	test_pasid_entry(hwpts[0], stdev, pasid);
	test_cmd_pasid_detach(stdev, pasid);
	test_pasid_entry(0, stdev, pasid);
	test_ioctl_destroy(hwpts[0]);
}

static int raise_fault(int fd, __u32 dev_id, __u32 pasid)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = {
			.dev_id = dev_id,
			.pasid = pasid,
			.grpid = 0x2,
			.perm = IOMMU_PGFAULT_PERM_READ,
			.addr = 0xdeadb000,
		},
	};

	return ioctl(fd, IOMMU_TEST_CMD, &cmd);
}

static bool fault_pending(int fault_fd)
{
	struct pollfd pfd = { .fd = fault_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* Raise a fault, read it, answer it: it is that of the device, with its PASID */
static void check_fault(struct __test_metadata *_metadata, int fd, int fault_fd,
			__u32 dev_id, __u32 pasid)
{
	struct iommu_hwpt_page_response response = {
		.code = IOMMUFD_PAGE_RESP_SUCCESS,
	};
	struct iommu_hwpt_pgfault fault = {};

	ASSERT_EQ(0, raise_fault(fd, dev_id, pasid));
	ASSERT_TRUE(fault_pending(fault_fd));
	ASSERT_EQ(sizeof(fault), read(fault_fd, &fault, sizeof(fault)));
	EXPECT_EQ(dev_id, fault.dev_id);
	EXPECT_EQ(pasid, fault.pasid);
	EXPECT_EQ(!!pasid, !!(fault.flags & IOMMU_PGFAULT_FLAGS_PASID_VALID));
	response.cookie = fault.cookie;
	ASSERT_EQ(sizeof(response),
		  write(fault_fd, &response, sizeof(response)));
}

#define test_fault(dev_id, pasid) \
	check_fault(_metadata, self->fd, fault_fd, dev_id, pasid)
/* The device got an answer to all its faults, and there is none to read */
#define test_all_answered(stdev_id)                                          \
	({                                                                   \
		__u64 __raised, __answered;                                  \
		test_cmd_mock_device_faults(stdev_id, false, &__raised,      \
					    &__answered);                    \
		ASSERT_EQ(__raised, __answered);                             \
		ASSERT_FALSE(fault_pending(fault_fd));                       \
	})

TEST_F(iommufd_pasid, faults)
{
	__u32 flags = IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_FAULT_ID_VALID;
	__u32 pasid = m_pasid(self->dev.id), other = m_pasid(self->dev.id);
	__u32 stdev = self->dev.stdev_id;
	__u32 fault_id, fault_fd, hwpt, hwpt2;
	__u32 plain = m_hwpt(self->ioas_id);

	test_ioctl_fault_alloc(&fault_id, &fault_fd);
	test_cmd_hwpt_alloc_iopf(self->dev.id, self->ioas_id, fault_id, flags,
				 &hwpt, IOMMU_HWPT_DATA_NONE, NULL, 0);
	test_cmd_hwpt_alloc_iopf(self->dev.id, self->ioas2_id, fault_id, flags,
				 &hwpt2, IOMMU_HWPT_DATA_NONE, NULL, 0);

	/* With a PASID alone, and nothing where nothing is attached */
	test_cmd_pasid_attach(stdev, pasid, hwpt);
	test_fault(self->dev.id, pasid);
	ASSERT_EQ(0, raise_fault(self->fd, self->dev.id, other));
	ASSERT_EQ(0, raise_fault(self->fd, self->dev.id, 0));
	test_all_answered(stdev);

	/* Both, and one of them leaves */
	test_cmd_mock_device_attach(stdev, hwpt2, NULL);
	test_fault(self->dev.id, pasid);
	test_fault(self->dev.id, 0);
	test_cmd_mock_device_detach(stdev);
	test_fault(self->dev.id, pasid);
	test_cmd_mock_device_attach(stdev, hwpt2, NULL);
	test_cmd_pasid_attach(stdev, other, hwpt);
	test_cmd_pasid_detach(stdev, pasid);
	test_fault(self->dev.id, 0);
	test_fault(self->dev.id, other);

	/* A replace answers what is pending; also by one without page faults */
	ASSERT_EQ(0, raise_fault(self->fd, self->dev.id, other));
	test_cmd_pasid_attach(stdev, other, hwpt2);
	test_all_answered(stdev);
	test_fault(self->dev.id, other);
	ASSERT_EQ(0, raise_fault(self->fd, self->dev.id, other));
	test_cmd_pasid_attach(stdev, other, plain);
	test_all_answered(stdev);
	ASSERT_EQ(0, raise_fault(self->fd, self->dev.id, other));
	test_all_answered(stdev);
	test_fault(self->dev.id, 0);
	test_cmd_mock_device_detach(stdev);
	test_cmd_pasid_attach(stdev, other, hwpt);
	test_fault(self->dev.id, other);

	/* A detach does so too, and the PASID is not there any more */
	ASSERT_EQ(0, raise_fault(self->fd, self->dev.id, other));
	test_cmd_pasid_detach(stdev, other);
	test_all_answered(stdev);
	ASSERT_EQ(0, raise_fault(self->fd, self->dev.id, other));
	test_all_answered(stdev);
	close(fault_fd);
}

/* Rounds of a race, or more until so many faults were raised and answered */
#define RACE_ROUNDS 200
#define RACE_FAULTS 200
#define RACE_ANSWERS 10
#define RACE_SECONDS 120

struct fault_race {
	int fd;
	int fault_fd;
	__u32 dev_id;
	__u32 pasid;
	unsigned int raised;
	unsigned int answered;
	int failed_errno;
	bool stop;
};

static bool race_stops(struct fault_race *race)
{
	return __atomic_load_n(&race->stop, __ATOMIC_ACQUIRE);
}

static void *race_raise(void *arg)
{
	struct fault_race *race = arg;

	while (!race_stops(race)) {
		if (raise_fault(race->fd, race->dev_id, race->pasid))
			race->failed_errno = errno;
		else
			__atomic_fetch_add(&race->raised, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *race_answer(void *arg)
{
	struct fault_race *race = arg;
	struct pollfd pfd = { .fd = race->fault_fd, .events = POLLIN };
	struct iommu_hwpt_page_response response = {
		.code = IOMMUFD_PAGE_RESP_SUCCESS,
	};
	struct iommu_hwpt_pgfault fault;

	while (!race_stops(race)) {
		if (poll(&pfd, 1, 10) != 1 ||
		    read(race->fault_fd, &fault, sizeof(fault)) != sizeof(fault))
			continue;
		response.cookie = fault.cookie;
		if (write(race->fault_fd, &response, sizeof(response)) ==
		    sizeof(response))
			__atomic_fetch_add(&race->answered, 1, __ATOMIC_RELAXED);
		/* A detach or a replace was faster */
		else if (errno != EINVAL)
			race->failed_errno = errno;
	}
	return NULL;
}

static bool race_done(struct fault_race *race, unsigned int rounds)
{
	return rounds >= RACE_ROUNDS &&
	       __atomic_load_n(&race->raised, __ATOMIC_RELAXED) >= RACE_FAULTS &&
	       __atomic_load_n(&race->answered, __ATOMIC_RELAXED) >=
		       RACE_ANSWERS;
}

/* Faults come while the domain they are for comes, is replaced, and goes */
TEST_F_TIMEOUT(iommufd_pasid, faults_race, 300)
{
	__u32 flags = IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_FAULT_ID_VALID;
	__u32 stdev = self->dev.stdev_id, plain = m_hwpt(self->ioas_id);
	__u32 fault_id, fault_fd, hwpt, hwpt2;
	struct fault_race race = {
		.fd = self->fd,
		.dev_id = self->dev.id,
		.pasid = m_pasid(self->dev.id),
	};
	time_t end = time(NULL) + RACE_SECONDS;
	pthread_t threads[2];
	unsigned int rounds;

	test_ioctl_fault_alloc(&fault_id, &fault_fd);
	race.fault_fd = fault_fd;
	test_cmd_hwpt_alloc_iopf(self->dev.id, self->ioas_id, fault_id, flags,
				 &hwpt, IOMMU_HWPT_DATA_NONE, NULL, 0);
	test_cmd_hwpt_alloc_iopf(self->dev.id, self->ioas2_id, fault_id, flags,
				 &hwpt2, IOMMU_HWPT_DATA_NONE, NULL, 0);
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, race_raise, &race));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, race_answer, &race));
	for (rounds = 0; !race_done(&race, rounds) && time(NULL) < end;
	     rounds++) {
		test_cmd_pasid_attach(stdev, race.pasid, hwpt);
		test_cmd_pasid_attach(stdev, race.pasid, hwpt2);
		if (rounds % 2)
			test_cmd_pasid_attach(stdev, race.pasid, plain);
		/* Let some be answered by user space, too */
		usleep(rounds % 4 * 1000);
		test_cmd_pasid_detach(stdev, race.pasid);
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(threads[0], NULL));
	ASSERT_EQ(0, pthread_join(threads[1], NULL));
	printf("# %u rounds, %u faults, %u answered by user space\n", rounds,
	       race.raised, race.answered);
	EXPECT_EQ(0, race.failed_errno);
	EXPECT_TRUE(race_done(&race, rounds));
	test_all_answered(stdev);
	close(fault_fd);
}

/* A sibling faults for itself, and only while it is attached there */
TEST_F(iommufd_pasid, faults_siblings)
{
	__u32 flags = IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_FAULT_ID_VALID;
	struct dev dev = make_dev(_metadata, self->fd, NULL, 0,
				  MOCK_FLAGS_DEVICE_PASID, &self->dev);
	__u32 fault_id, fault_fd, hwpt;
	__u32 pasid = m_pasid(0);

	test_ioctl_fault_alloc(&fault_id, &fault_fd);
	test_cmd_hwpt_alloc_iopf(self->dev.id, self->ioas_id, fault_id, flags,
				 &hwpt, IOMMU_HWPT_DATA_NONE, NULL, 0);
	test_cmd_pasid_attach(self->dev.stdev_id, pasid, hwpt);
	ASSERT_EQ(0, raise_fault(self->fd, dev.id, pasid));
	test_all_answered(dev.stdev_id);
	test_cmd_pasid_attach(dev.stdev_id, pasid, hwpt);
	test_fault(dev.id, pasid);
	test_fault(self->dev.id, pasid);
	ASSERT_EQ(0, raise_fault(self->fd, self->dev.id, pasid));
	test_cmd_pasid_detach(self->dev.stdev_id, pasid);
	test_all_answered(self->dev.stdev_id);
	test_fault(dev.id, pasid);
	test_ioctl_destroy(self->dev.stdev_id);
	test_fault(dev.id, pasid);
	test_ioctl_destroy(dev.stdev_id);
	ASSERT_FALSE(fault_pending(fault_fd));
	close(fault_fd);
}

/* The HWPT that comes gets what the device faults as soon as it is there */
TEST_F(iommufd_pasid, faults_at_replace)
{
	__u32 flags = IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_FAULT_ID_VALID;
	__u32 pasid = m_pasid(self->dev.id);
	__u32 stdev = self->dev.stdev_id;
	__u32 plain = m_hwpt(self->ioas_id);
	__u32 fault_id, fault_fd, hwpt;
	struct iommu_hwpt_pgfault fault = {};

	test_ioctl_fault_alloc(&fault_id, &fault_fd);
	test_cmd_hwpt_alloc_iopf(self->dev.id, self->ioas_id, fault_id, flags,
				 &hwpt, IOMMU_HWPT_DATA_NONE, NULL, 0);
	test_cmd_pasid_attach(stdev, pasid, plain);
	test_cmd_mock_device_raise_at_attach(stdev, true);
	test_cmd_pasid_attach(stdev, pasid, hwpt);
	test_cmd_mock_device_raise_at_attach(stdev, false);
	ASSERT_TRUE(fault_pending(fault_fd));
	ASSERT_EQ(sizeof(fault), read(fault_fd, &fault, sizeof(fault)));
	EXPECT_EQ(self->dev.id, fault.dev_id);
	EXPECT_EQ(pasid, fault.pasid);
	test_cmd_pasid_detach(stdev, pasid);
	close(fault_fd);
}

/*
 * A device without page faults cannot be where they are wanted, and that has the
 * same error with a domain for the rest of it and without. Its sibling can be there.
 */
TEST_F(iommufd_pasid, faults_missing)
{
	__u32 flags = IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_FAULT_ID_VALID;
	struct dev dev = make_dev(_metadata, self->fd, NULL, 0,
				  MOCK_FLAGS_DEVICE_PASID |
					  MOCK_FLAGS_DEVICE_NO_IOPF,
				  &self->dev);
	__u32 plain = m_hwpt(self->ioas_id);
	__u32 pasid = m_pasid(0), other = m_pasid(0);
	__u32 fault_id, fault_fd, hwpt;
	int attached;

	test_ioctl_fault_alloc(&fault_id, &fault_fd);
	test_cmd_hwpt_alloc_iopf(self->dev.id, self->ioas_id, fault_id, flags,
				 &hwpt, IOMMU_HWPT_DATA_NONE, NULL, 0);
	for (attached = 0; attached != 2; attached++) {
		if (attached)
			test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id,
						    NULL);
		test_err_pasid_attach(EOPNOTSUPP, dev.stdev_id, pasid, hwpt);
		test_pasid_entry(0, dev.stdev_id, pasid);
		test_cmd_pasid_attach(dev.stdev_id, other, plain);
		test_err_pasid_attach(EOPNOTSUPP, dev.stdev_id, other, hwpt);
		test_pasid_entry(plain, dev.stdev_id, other);
		test_cmd_pasid_detach(dev.stdev_id, other);

		test_cmd_pasid_attach(self->dev.stdev_id, pasid, hwpt);
		test_fault(self->dev.id, pasid);
		test_err_pasid_attach(EOPNOTSUPP, dev.stdev_id, pasid, hwpt);
		test_fault(self->dev.id, pasid);
		test_cmd_pasid_detach(self->dev.stdev_id, pasid);
	}
	test_ioctl_destroy(hwpt);
	close(fault_fd);
}

#define NUM_OBJS 5

/*
 * Objects are destroyed in each order; what is still in use is refused, and goes
 * at the close.
 */
TEST_F(iommufd_pasid, any_order)
{
	unsigned int order, i;

	for (order = 0; order != 120; order++) {
		bool attached = true, hwpt_gone = false;
		__u32 ids[NUM_OBJS], pasid;
		unsigned int rest = order;
		unsigned int left = NUM_OBJS;
		struct dev dev;
		int fd;

		fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		dev = make_dev(_metadata, fd, NULL, 0, MOCK_FLAGS_DEVICE_PASID,
			       NULL);
		ids[0] = dev.stdev_id;
		ASSERT_EQ(0, _test_ioctl_ioas_alloc(fd, &ids[1]));
		ASSERT_EQ(0, _test_cmd_hwpt_alloc(fd, dev.id, ids[1], 0,
						  IOMMU_HWPT_ALLOC_PASID,
						  &ids[2], IOMMU_HWPT_DATA_NONE,
						  NULL, 0));
		ASSERT_EQ(0, _test_cmd_pasid_alloc(fd, order % 2, dev.id, 0,
						   ~0U, &pasid, &ids[3]));
		/* One that nothing is attached to */
		ASSERT_EQ(0, _test_cmd_pasid_alloc(fd, 0, dev.id, 0, ~0U, NULL,
						   &ids[4]));
		ASSERT_EQ(0, _test_cmd_pasid_attach(fd, ids[0], pasid, ids[2]));

		for (; left; left--) {
			unsigned int n = rest % left;
			__u32 id = 0;
			int rc;

			rest /= left;
			for (i = 0; i != NUM_OBJS; i++)
				if (ids[i] && !n--)
					break;
			id = ids[i];
			rc = _test_ioctl_destroy(fd, id);
			if (i == 0 || i == 4 || (i == 1 && hwpt_gone) ||
			    (i != 1 && !attached)) {
				ASSERT_EQ(0, rc);
			} else {
				ASSERT_EQ(-1, rc);
				ASSERT_EQ(EBUSY, errno);
			}
			if (i == 0)
				attached = false;
			if (i == 2 && !rc)
				hwpt_gone = true;
			ids[i] = 0;
		}
		ASSERT_EQ(0, close(fd));
	}
}

/* The close of the fd ends everything, whatever is attached */
TEST_F(iommufd_pasid, close)
{
	__u32 hwpt = m_hwpt(self->ioas_id);
	unsigned int i;

	test_cmd_mock_device_attach(self->dev.stdev_id, hwpt, NULL);
	for (i = 0; i != 100; i++) {
		__u32 pasid = m_pasid(self->dev.id);

		test_cmd_pasid_attach(self->dev.stdev_id, pasid, hwpt);
	}
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
}
