// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the dry run names, and that attach and map refuse just that.
 */
#include <pthread.h>
#include <time.h>

#include "iommufd_msi_put_race.h"
#include "iommufd_resv_fixture.h"

/* What is in the way of a device, all of it, lowest first */
TEST_F(iommufd_resv, check_device)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_RESERVED, 0x6000000, 0x100000),
		region(MOCK_RESV_DIRECT, 0x5000000, 0x100000),
		region(MOCK_RESV_DIRECT_RELAXABLE, 0x4000000, 0x100000),
	};
	struct iommu_iova_range allowed = { 0x5080000, 0x5ffffff };
	struct resv_check check;
	struct dev dev = m_dev(resv, 3);

	m_check_device(dev.id);
	m_no_conflict();

	/* Not enforced */
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x4000000);
	m_check_device(dev.id);
	m_no_conflict();

	test_ioctl_ioas_map_fixed(buffer, 2 * PAGE_SIZE,
				  0x6100000 - PAGE_SIZE);
	m_check_device(dev.id);
	m_conflict(MAPPED, 0x6100000 - PAGE_SIZE, 0x60fffff,
		   IOMMU_RESV_REGION_RESERVED, dev.id);
	test_err_mock_device_attach(EADDRINUSE, dev.stdev_id, self->ioas_id);
	m_check_device(dev.id);
	m_conflict(MAPPED, 0x6100000 - PAGE_SIZE, 0x60fffff,
		   IOMMU_RESV_REGION_RESERVED, dev.id);

	test_cmd_ioas_allow_iovas(self->ioas_id, &allowed, 1);
	m_check_device(dev.id);
	ASSERT_EQ(2, check.num);
	m_conflict_n(0, ALLOWED, 0x5080000, 0x50fffff,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	m_conflict_n(1, MAPPED, 0x6100000 - PAGE_SIZE, 0x60fffff,
		     IOMMU_RESV_REGION_RESERVED, dev.id);

	/* At the same IOVA the mapping goes first */
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x5080000);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0);
	m_check_device(dev.id);
	ASSERT_EQ(4, check.num);
	m_conflict_n(0, APERTURE, 0, PAGE_SIZE - 1, IOMMU_RESV_REGION_NONE,
		     dev.id);
	m_conflict_n(1, MAPPED, 0x5080000, 0x5080000 + PAGE_SIZE - 1,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	m_conflict_n(2, ALLOWED, 0x5080000, 0x50fffff,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	m_conflict_n(3, MAPPED, 0x6100000 - PAGE_SIZE, 0x60fffff,
		     IOMMU_RESV_REGION_RESERVED, dev.id);

	test_ioctl_ioas_unmap(0, -1);
	test_cmd_ioas_allow_iovas(self->ioas_id, NULL, 0);
	m_check_device(dev.id);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);

	/* Its own regions are not in the way */
	m_check_device(dev.id);
	m_no_conflict();
}

/* What is promised can be outside of the aperture, too */
TEST_F(iommufd_resv, check_aperture)
{
	struct iommu_iova_range allowed = { APERTURE_LAST - 0xfff, ~0ULL - 1 };
	struct resv_check check;
	struct dev dev = m_dev(NULL, 0);
	struct dev low = make_dev(_metadata, self->fd, NULL, 0,
				  MOCK_FLAGS_DEVICE_LOW_APERTURE, NULL);
	__u64 low_end = (__u64)MOCK_APERTURE_LOW_LAST + 1;

	test_cmd_ioas_allow_iovas(self->ioas_id, &allowed, 1);
	m_check_device(dev.id);
	m_conflict(ALLOWED, APERTURE_LAST + 1, ~0ULL - 1,
		   IOMMU_RESV_REGION_NONE, dev.id);
	test_err_mock_device_attach(EADDRINUSE, dev.stdev_id, self->ioas_id);
	test_cmd_ioas_allow_iovas(self->ioas_id, NULL, 0);

	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	test_ioctl_ioas_map_fixed(buffer, 2 * PAGE_SIZE, low_end - PAGE_SIZE);
	m_check_device(low.id);
	m_conflict(APERTURE, low_end, low_end + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_NONE, low.id);
	test_err_mock_device_attach(EADDRINUSE, low.stdev_id, self->ioas_id);
	test_ioctl_ioas_unmap(low_end - PAGE_SIZE, 2 * PAGE_SIZE);
	test_cmd_mock_device_attach(low.stdev_id, self->ioas_id, NULL);
	m_check_map(low_end - PAGE_SIZE, 2 * PAGE_SIZE);
	m_conflict(APERTURE, low_end, low_end + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_NONE, 0);
}

/* Windows that overlap and are not the same, or leave the aperture */
TEST_F(iommufd_resv, check_window)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	struct resv_check check;
	struct dev dev, same, other, low;
	__u64 low_end = (__u64)MOCK_APERTURE_LOW_LAST + 1;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(&resv, 1);
	same = m_dev(&resv, 1);
	resv.start += WINDOW_LENGTH / 2;
	other = m_dev(&resv, 1);
	resv.start = low_end - WINDOW_LENGTH / 2;
	low = make_dev(_metadata, self->fd, &resv, 1,
		       MOCK_FLAGS_DEVICE_LOW_APERTURE, NULL);

	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	m_check_device(same.id);
	m_no_conflict();
	test_cmd_mock_device_attach(same.stdev_id, self->ioas_id, NULL);
	m_check_device(other.id);
	m_conflict(WINDOW, WINDOW_START + WINDOW_LENGTH / 2,
		   WINDOW_START + WINDOW_LENGTH - 1, IOMMU_RESV_REGION_SW_MSI,
		   other.id);
	test_err_mock_device_attach(EADDRINUSE, other.stdev_id, self->ioas_id);
	m_check_device(low.id);
	m_conflict(APERTURE, low_end, low_end + WINDOW_LENGTH / 2 - 1,
		   IOMMU_RESV_REGION_SW_MSI, low.id);
	test_err_mock_device_attach(EADDRNOTAVAIL, low.stdev_id,
				    self->ioas_id);
	test_cmd_mock_device_attach(other.stdev_id, self->ioas2_id, NULL);
	/* Would be a replace */
	m_check_device(other.id);
	m_conflict(WINDOW, WINDOW_START + WINDOW_LENGTH / 2,
		   WINDOW_START + WINDOW_LENGTH - 1, IOMMU_RESV_REGION_SW_MSI,
		   other.id);
	test_err_mock_domain_replace(EADDRINUSE, other.stdev_id, self->ioas_id);
	test_cmd_mock_device_detach(dev.stdev_id);
	test_cmd_mock_device_detach(same.stdev_id);
	m_check_device(other.id);
	m_no_conflict();
	test_cmd_mock_domain_replace(other.stdev_id, self->ioas_id);
}

/* One window over two that are in the IOAS */
TEST_F(iommufd_resv, check_windows)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	struct resv_check check;
	struct dev dev, big;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(&resv, 1);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	resv.start += 2 * WINDOW_LENGTH;
	dev = m_dev(&resv, 1);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	resv.start = WINDOW_START + WINDOW_LENGTH / 2;
	resv.length = 4 * WINDOW_LENGTH;
	big = m_dev(&resv, 1);
	m_check_device(big.id);
	ASSERT_EQ(2, check.num);
	m_conflict_n(0, WINDOW, resv.start, WINDOW_START + WINDOW_LENGTH - 1,
		     IOMMU_RESV_REGION_SW_MSI, big.id);
	m_conflict_n(1, WINDOW, WINDOW_START + 2 * WINDOW_LENGTH,
		     WINDOW_START + 3 * WINDOW_LENGTH - 1,
		     IOMMU_RESV_REGION_SW_MSI, big.id);
	test_err_mock_device_attach(EADDRINUSE, big.stdev_id, self->ioas_id);
}

/* The window in the IOAS ends behind that of the device */
TEST_F(iommufd_resv, check_window_inside)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	struct resv_check check;
	struct dev dev, lower, inner;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(&resv, 1);
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	resv.length = 4 * PAGE_SIZE;
	resv.start = WINDOW_START + PAGE_SIZE;
	inner = m_dev(&resv, 1);
	resv.start = WINDOW_START - 2 * PAGE_SIZE;
	lower = m_dev(&resv, 1);

	m_check_device(inner.id);
	m_conflict(WINDOW, WINDOW_START + PAGE_SIZE,
		   WINDOW_START + 5 * PAGE_SIZE - 1, IOMMU_RESV_REGION_SW_MSI,
		   inner.id);
	test_err_mock_device_attach(EADDRINUSE, inner.stdev_id, self->ioas_id);
	m_check_device(lower.id);
	m_conflict(WINDOW, WINDOW_START, WINDOW_START + 2 * PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_SW_MSI, lower.id);
	test_err_mock_device_attach(EADDRINUSE, lower.stdev_id, self->ioas_id);
}

/* What is in the way of a mapping */
TEST_F(iommufd_resv, check_map)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_MSI, 0x5000000, 0x100000),
		region(MOCK_RESV_DIRECT, 0x5000000, 0x200000),
	};
	struct resv_check check;
	struct dev dev = m_dev(resv, 2);

	m_check_map(1, 1);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	m_check_map(0x4000000, PAGE_SIZE);
	m_no_conflict();

	m_check_map(0x5000001, PAGE_SIZE);
	ASSERT_EQ(3, check.num);
	m_conflict_n(0, RESERVED, 0x5000001, 0x5000000 + PAGE_SIZE,
		     check.conflicts[0].region_type, dev.id);
	m_conflict_n(1, RESERVED, 0x5000001, 0x5000000 + PAGE_SIZE,
		     check.conflicts[1].region_type, dev.id);
	m_conflict_n(2, ALIGNMENT, 0x5000001, 0x5000000 + PAGE_SIZE,
		     IOMMU_RESV_REGION_NONE, 0);
	m_check_map(0x4000000, 1);
	m_conflict(ALIGNMENT, 0x4000000, 0x4000000, IOMMU_RESV_REGION_NONE, 0);

	m_check_map(0x4000000, 0x1100000);
	ASSERT_EQ(2, check.num);
	m_conflict_n(0, RESERVED, 0x5000000, 0x50fffff,
		     IOMMU_RESV_REGION_HW_MSI, dev.id);
	m_conflict_n(1, RESERVED, 0x5000000, 0x50fffff,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	m_check_map(0x5100000, 0x1000000);
	m_conflict(RESERVED, 0x5100000, 0x51fffff, IOMMU_RESV_REGION_DIRECT,
		   dev.id);

	m_check_map(0, 0x10000);
	m_conflict(APERTURE, 0, 0xffff, IOMMU_RESV_REGION_NONE, 0);
	m_check_map(APERTURE_LAST + 1 - PAGE_SIZE, 2 * PAGE_SIZE);
	m_conflict(APERTURE, APERTURE_LAST + 1, APERTURE_LAST + PAGE_SIZE,
		   IOMMU_RESV_REGION_NONE, 0);

	test_ioctl_destroy(dev.stdev_id);
	m_check_map(0x5000000, 0x100000);
	m_no_conflict();
}

/* A hole, a mapping and a region, lowest first */
TEST_F(iommufd_resv, check_map_mixed)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_MSI, 0x5000000, 0x100000),
		region(MOCK_RESV_DIRECT, 0x5000000, 0x200000),
	};
	struct iommu_iova_range hole = { 0x5100000, 0x6ffffff };
	struct resv_check check;
	struct dev dev = m_dev(resv, 2);

	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	test_cmd_ioas_set_holes(self->ioas_id, &hole, 1);
	m_check_map(0x5100000, 0x1000000);
	ASSERT_EQ(2, check.num);
	m_conflict_n(0, RESERVED, 0x5100000, 0x51fffff,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	m_conflict_n(1, HOLE, 0x5100000, 0x60fffff, IOMMU_RESV_REGION_NONE, 0);
	m_check_map(0x5200000, 0x100000);
	m_conflict(HOLE, 0x5200000, 0x52fffff, IOMMU_RESV_REGION_NONE, 0);
	test_err_ioctl_ioas_map_fixed(EINVAL, buffer, PAGE_SIZE, 0x5200000);

	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x4ff0000);
	m_check_map(0x4f00000, 0x200000);
	ASSERT_EQ(3, check.num);
	m_conflict_n(0, MAPPED, 0x4ff0000, 0x4ff0000 + PAGE_SIZE - 1,
		     IOMMU_RESV_REGION_NONE, 0);
	m_conflict_n(1, RESERVED, 0x5000000, 0x50fffff,
		     IOMMU_RESV_REGION_HW_MSI, dev.id);
	m_conflict_n(2, RESERVED, 0x5000000, 0x50fffff,
		     IOMMU_RESV_REGION_DIRECT, dev.id);
	EXPECT_EQ(group_id(_metadata, self->fd, dev.id),
		  check.conflicts[2].group_id);
	EXPECT_EQ(0, check.conflicts[2].range_index);
	EXPECT_EQ(IOMMU_IOVA_CONFLICT_NO_GROUP, check.conflicts[0].group_id);
}

TEST_F(iommufd_resv, check_errors)
{
	static const __u32 bad_sizes[] = { 8, 32, 39, 41, 44, 4104, ~7U };
	struct iommu_iova_range range = { 2, 1 };
	struct iommu_ioas_check bad = {
		.size = sizeof(bad),
		.pt_id = self->ioas_id,
	};
	__u32 dev_id = m_dev(NULL, 0).id;
	struct iommu_iova_range *many;
	struct resv_check check;
	unsigned int i;

	test_err_ioas_check_device(ENOENT, 0, dev_id, &check);
	test_err_ioas_check_device(ENOENT, dev_id, dev_id, &check);
	test_err_ioas_check_device(ENOENT, ~0U, dev_id, &check);
	test_err_ioas_check_device(ENOENT, self->ioas_id, self->ioas_id,
				   &check);
	test_err_ioas_check_map(ENOENT, 0, 0, 1, &check);
	/* Neither a device nor a range */
	test_err_ioas_check(EINVAL, self->ioas_id, 0, NULL, 0, &check);
	test_err_ioas_check(EINVAL, self->ioas_id, 0, &range, 1, &check);
	test_err_ioas_check(EFAULT, self->ioas_id, 0, NULL, 1, &check);
	test_err_ioas_check_map(EOVERFLOW, self->ioas_id, ~0UL, 1, &check);
	test_err_ioas_check_map(EOVERFLOW, self->ioas_id, 0, ~0UL, &check);
	test_err_ioas_check_map(EOVERFLOW, self->ioas_id, 0, 0, &check);
	m_check_map(~0UL - 1, 2);
	m_no_conflict();
	m_check_map(0, ~0UL - 1);
	m_no_conflict();

	bad.dev_id = dev_id;
	bad.flags = IOMMU_IOAS_CHECK_PASID << 1;
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	bad.flags = 0;
	for (i = 0; i != ARRAY_SIZE(bad_sizes); i++) {
		bad.entry_size = bad_sizes[i];
		EXPECT_ERRNO(EINVAL, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	}
	bad.entry_size = 0;
	bad.num_conflicts = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	bad.num_conflicts = 0;
	EXPECT_EQ(0, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));
	/* Room at NULL, and something to put there */
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0);
	bad.entry_size = sizeof(check.conflicts[0]);
	bad.num_conflicts = 1;
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, IOMMU_IOAS_CHECK, &bad));

	many = calloc(IOMMU_IOAS_MAX_RANGES + 1, sizeof(*many));
	ASSERT_NE(NULL, many);
	for (i = 0; i != IOMMU_IOAS_MAX_RANGES + 1; i++)
		many[i] = (struct iommu_iova_range){ (i + 1ULL) << 20,
						     (i + 1ULL) << 20 };
	test_err_ioas_check(ENOSPC, self->ioas_id, 0, many,
			    IOMMU_IOAS_MAX_RANGES + 1, &check);
	test_cmd_ioas_check(self->ioas_id, 0, many, IOMMU_IOAS_MAX_RANGES,
			    &check);
	m_no_conflict();
	free(many);
}

#define MANY_AREAS 256
#define MANY_RANGES 300

static struct iommu_iova_range *many_ranges(unsigned int num, __u64 start,
					    __u64 last)
{
	struct iommu_iova_range *ranges = calloc(num, sizeof(*ranges));

	for (unsigned int i = 0; ranges && i != num; i++)
		ranges[i] = (struct iommu_iova_range){ start, last };
	return ranges;
}

/* The kernel keeps a limited number, whatever room there is said to be */
TEST_F_TIMEOUT(iommufd_resv, check_many, 120)
{
	const __u64 base = 0x10000000;
	const unsigned int all = MANY_AREAS * MANY_RANGES + MANY_RANGES - 1;
	struct iommu_iova_conflict *room;
	struct iommu_ioas_check cmd = {
		.size = sizeof(cmd),
		.pt_id = self->ioas_id,
		.num_ranges = MANY_RANGES,
		.num_conflicts = all,
		.entry_size = sizeof(*room),
	};
	struct iommu_iova_range *ranges;
	unsigned int i;

	ranges = many_ranges(MANY_RANGES, base,
			     base + 2 * MANY_AREAS * PAGE_SIZE - 1);
	room = calloc(all, sizeof(*room));
	ASSERT_NE(NULL, ranges);
	ASSERT_NE(NULL, room);
	for (i = 0; i != MANY_AREAS; i++)
		test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE,
					  base + (2 * i + 1) * PAGE_SIZE);
	cmd.ranges = (uintptr_t)ranges;
	cmd.conflicts = (uintptr_t)room;
	EXPECT_ERRNO(EMSGSIZE, ioctl(self->fd, IOMMU_IOAS_CHECK, &cmd));
	EXPECT_EQ(all, cmd.num_conflicts);
	EXPECT_NE(0, room[IOMMU_MAX_CONFLICTS - 1].kind);
	EXPECT_EQ(0, room[IOMMU_MAX_CONFLICTS].kind);
	for (i = 1; i != IOMMU_MAX_CONFLICTS; i++)
		ASSERT_LE(room[i - 1].start, room[i].start);
	/* What it does not keep it does not write */
	cmd.num_conflicts = UINT32_MAX;
	EXPECT_ERRNO(EMSGSIZE, ioctl(self->fd, IOMMU_IOAS_CHECK, &cmd));
	EXPECT_EQ(all, cmd.num_conflicts);
	free(ranges);
	free(room);
}

static __u64 check_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

struct long_check {
	int fd;
	struct iommu_ioas_check cmd;
	__u64 begin;
	__u64 end;
	int rc;
};

static void *run_long_check(void *arg)
{
	struct long_check *check = arg;

	check->begin = check_now_us();
	check->rc = ioctl(check->fd, IOMMU_IOAS_CHECK, &check->cmd);
	__atomic_store_n(&check->end, check_now_us(), __ATOMIC_RELEASE);
	return NULL;
}

/* Maps and unmaps until a dry run has ended. Returns how long the longest took. */
static __u64 map_meanwhile(struct long_check *check, unsigned int *maps)
{
	__u64 iova = 0x1000000, begin, longest = 0;
	pthread_t thread;

	check->end = 0;
	if (pthread_create(&thread, NULL, run_long_check, check))
		abort();
	while (!__atomic_load_n(&check->end, __ATOMIC_ACQUIRE)) {
		begin = check_now_us();
		if (_test_ioctl_ioas_map(check->fd, check->cmd.pt_id, buffer,
					 PAGE_SIZE, &iova,
					 IOMMU_IOAS_MAP_FIXED_IOVA |
						 IOMMU_IOAS_MAP_READABLE) ||
		    _test_ioctl_ioas_unmap(check->fd, check->cmd.pt_id, iova,
					   PAGE_SIZE, NULL))
			abort();
		if (check_now_us() - begin > longest)
			longest = check_now_us() - begin;
		(*maps)++;
	}
	pthread_join(thread, NULL);
	return longest;
}

#define LONG_AREAS 1024
#define LONG_RANGES 1024

/*
 * Nobody waits for the whole of a long dry run to map something. A machine that is
 * busy with something else may stop anybody for long, but not each time.
 */
TEST_F_TIMEOUT(iommufd_resv, check_long, 240)
{
	const __u64 base = 0x10000000;
	struct long_check check = {
		.fd = self->fd,
		.cmd = {
			.size = sizeof(check.cmd),
			.pt_id = self->ioas_id,
			.num_ranges = LONG_RANGES,
		},
	};
	struct iommu_iova_range *ranges;
	unsigned int i, maps, tries = 0;
	__u64 longest;

	ranges = many_ranges(LONG_RANGES, base,
			     base + 2 * LONG_AREAS * PAGE_SIZE - 1);
	ASSERT_NE(NULL, ranges);
	check.cmd.ranges = (uintptr_t)ranges;
	for (i = 0; i != LONG_AREAS; i++)
		test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE,
					  base + (2 * i + 1) * PAGE_SIZE);
	do {
		maps = 0;
		check.cmd.num_conflicts = 0;
		longest = map_meanwhile(&check, &maps);
		ASSERT_EQ(-1, check.rc);
		ASSERT_EQ(LONG_AREAS * LONG_RANGES + LONG_RANGES - 1,
			  check.cmd.num_conflicts);
		printf("# %u maps in %llu us, the longest took %llu us\n", maps,
		       (unsigned long long)(check.end - check.begin),
		       (unsigned long long)longest);
	} while (longest * 4 > check.end - check.begin && ++tries < 5);
	EXPECT_LT(10, maps);
	EXPECT_GT(5, tries);
	free(ranges);
}

/* Entries shorter and longer than those of the kernel, any room for them */
TEST_F(iommufd_resv, check_array)
{
	struct iommu_iova_range ranges[100];
	struct iommu_ioas_check cmd = {
		.size = sizeof(cmd),
		.pt_id = self->ioas_id,
		.num_ranges = ARRAY_SIZE(ranges),
		.ranges = (uintptr_t)ranges,
	};
	static __u8 room[100 * 128 + 1];
	__u32 rooms[] = { 0, 1, 2, 99, 100, 101 };
	unsigned int i, j, k;

	/* The last range has the lowest conflict */
	for (i = 0; i != 100; i++) {
		ranges[i].start = 0x10000000 - i * 0x100000;
		ranges[i].last = ranges[i].start + PAGE_SIZE - 1;
		test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, ranges[i].start);
	}
	for (cmd.entry_size = 40; cmd.entry_size <= 128; cmd.entry_size += 8) {
		for (i = 0; i != ARRAY_SIZE(rooms); i++) {
			memset(room, 0xee, sizeof(room));
			cmd.num_conflicts = rooms[i];
			cmd.conflicts = (uintptr_t)room;
			if (rooms[i] < 100)
				EXPECT_ERRNO(EMSGSIZE,
					     ioctl(self->fd, IOMMU_IOAS_CHECK,
						   &cmd));
			else
				ASSERT_EQ(0, ioctl(self->fd, IOMMU_IOAS_CHECK,
						   &cmd));
			ASSERT_EQ(100, cmd.num_conflicts);
			for (j = 0; j != 100 && j != rooms[i]; j++) {
				__u8 *entry = room + j * cmd.entry_size;
				struct iommu_iova_conflict info;

				memcpy(&info, entry, sizeof(info));
				ASSERT_EQ(ranges[99 - j].start, info.start);
				ASSERT_EQ(ranges[99 - j].last, info.last);
				ASSERT_EQ(99 - j, info.range_index);
				ASSERT_EQ(IOMMU_IOVA_CONFLICT_MAPPED, info.kind);
				for (k = sizeof(info); k < cmd.entry_size; k++)
					ASSERT_EQ(0, entry[k]);
			}
			ASSERT_EQ(0xee, room[j * cmd.entry_size]);
		}
	}
}

/* A memory map, before any of it is mapped */
TEST_F(iommufd_resv, check_plan)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, 0x5000000, 0x10000),
		region(MOCK_RESV_DIRECT_RELAXABLE, 0x6000000, 0x10000),
	};
	struct iommu_iova_range plan[] = {
		{ 0x4000000, 0x4ffffff },
		{ 0x5000000, 0x6ffffff },
		{ WINDOW_START - 0x10000, WINDOW_START + 0xffff },
		{ APERTURE_LAST - 0xffff, APERTURE_LAST + 0x10000 },
		{ 0x6000000, 0x7ffffff },
		{ 0x20000001, 0x20000000 + PAGE_SIZE },
	};
	struct resv_check check;
	struct dev dev;
	__u32 group;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(resv, 3);
	group = group_id(_metadata, self->fd, dev.id);

	/* Without the device only the plan is in its own way */
	test_cmd_ioas_check(self->ioas_id, 0, plan, 6, &check);
	m_conflict(PLANNED, 0x6000000, 0x6ffffff, IOMMU_RESV_REGION_NONE, 0);
	EXPECT_EQ(4, check.conflicts[0].range_index);

	test_cmd_ioas_check(self->ioas_id, dev.id, plan, 6, &check);
	ASSERT_EQ(5, check.num);
	m_conflict_n(0, RESERVED, 0x5000000, 0x500ffff,
		     IOMMU_RESV_REGION_RESERVED, dev.id);
	EXPECT_EQ(1, check.conflicts[0].range_index);
	EXPECT_EQ(group, check.conflicts[0].group_id);
	m_conflict_n(1, PLANNED, 0x6000000, 0x6ffffff, IOMMU_RESV_REGION_NONE,
		     0);
	m_conflict_n(2, RESERVED, WINDOW_START, WINDOW_START + 0xffff,
		     IOMMU_RESV_REGION_SW_MSI, dev.id);
	EXPECT_EQ(2, check.conflicts[2].range_index);
	m_conflict_n(3, ALIGNMENT, 0x20000001, 0x20000000 + PAGE_SIZE,
		     IOMMU_RESV_REGION_NONE, 0);
	EXPECT_EQ(5, check.conflicts[3].range_index);
	m_conflict_n(4, APERTURE, APERTURE_LAST + 1, APERTURE_LAST + 0x10000,
		     IOMMU_RESV_REGION_NONE, dev.id);
	EXPECT_EQ(3, check.conflicts[4].range_index);
	EXPECT_EQ(group, check.conflicts[4].group_id);

	/* Attached, it is the same, each named once */
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	test_cmd_ioas_check(self->ioas_id, dev.id, plan, 6, &check);
	EXPECT_EQ(5, check.num);
	test_cmd_ioas_check(self->ioas_id, 0, plan, 6, &check);
	EXPECT_EQ(5, check.num);
	m_conflict_n(0, RESERVED, 0x5000000, 0x500ffff,
		     IOMMU_RESV_REGION_RESERVED, dev.id);
	EXPECT_EQ(group, check.conflicts[0].group_id);

	/* What fits does */
	test_cmd_ioas_check(self->ioas_id, dev.id, plan, 1, &check);
	m_no_conflict();
}

/* A page size excludes what is mapped already, or everything */
TEST_F(iommufd_resv, check_page_size)
{
	struct dev dev = m_dev(NULL, 0);
	struct dev large = make_dev(_metadata, self->fd, NULL, 0,
				    MOCK_FLAGS_DEVICE_LARGE_PAGE, NULL);
	struct resv_check check;

	m_check_device(large.id);
	m_conflict(ALIGNMENT, 0, ~0UL, IOMMU_RESV_REGION_NONE, large.id);
	EXPECT_EQ(group_id(_metadata, self->fd, large.id),
		  check.conflicts[0].group_id);
	test_err_mock_device_attach(EINVAL, large.stdev_id, self->ioas_id);

	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x4000000);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE - 1, 0x5000000);
	test_ioctl_ioas_map_fixed(buffer, PAGE_SIZE, 0x6000010);
	m_check_device(dev.id);
	ASSERT_EQ(2, check.num);
	m_conflict_n(0, ALIGNMENT, 0x5000000, 0x5000000 + PAGE_SIZE - 2,
		     IOMMU_RESV_REGION_NONE, dev.id);
	m_conflict_n(1, ALIGNMENT, 0x6000010, 0x600000f + PAGE_SIZE,
		     IOMMU_RESV_REGION_NONE, dev.id);
	test_err_mock_device_attach(EADDRINUSE, dev.stdev_id, self->ioas_id);
	test_ioctl_ioas_unmap(0x5000000, PAGE_SIZE - 1);
	test_err_mock_device_attach(EADDRINUSE, dev.stdev_id, self->ioas_id);
	test_ioctl_ioas_unmap(0x6000010, PAGE_SIZE);
	m_check_device(dev.id);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
}

/* An IOMMU with room for one domain, which the devices in an IOAS share */
TEST_F(iommufd_resv, check_shared_domain)
{
	struct dev dev = make_dev(_metadata, self->fd, NULL, 0,
				  MOCK_FLAGS_DEVICE_ONE_DOMAIN, NULL);
	struct dev other = make_dev(_metadata, self->fd, NULL, 0,
				    MOCK_FLAGS_DEVICE_ONE_DOMAIN, NULL);
	struct resv_check check;
	__u32 ioas_id;

	m_check_device(other.id);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, self->ioas_id, NULL);
	m_check_device(other.id);
	m_no_conflict();
	test_ioctl_ioas_alloc(&ioas_id);
	test_err_ioas_check(ENOSPC, ioas_id, other.id, NULL, 0, &check);
	test_err_mock_device_attach(ENOSPC, other.stdev_id, ioas_id);
	test_cmd_mock_device_attach(other.stdev_id, self->ioas_id, NULL);
}

/* A HWPT, whose aperture and page size are its own */
TEST_F(iommufd_resv, check_hwpt)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, 0x2000000, 0x10000),
	};
	__u64 low_end = (__u64)MOCK_APERTURE_LOW_LAST + 1;
	struct iommu_hwpt_selftest data = {};
	__u32 low_hwpt, parent, nested;
	struct resv_check check;
	struct dev dev, low;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	dev = m_dev(resv, 2);
	low = make_dev(_metadata, self->fd, NULL, 0,
		       MOCK_FLAGS_DEVICE_LOW_APERTURE, NULL);
	test_cmd_hwpt_alloc(low.id, self->ioas_id, 0, &low_hwpt);
	test_cmd_hwpt_alloc(dev.id, self->ioas2_id,
			    IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	test_cmd_hwpt_alloc_nested(dev.id, parent, 0, &nested,
				   IOMMU_HWPT_DATA_SELFTEST, &data,
				   sizeof(data));

	/* The device could translate its window, the HWPT cannot */
	test_cmd_ioas_check_device(self->ioas_id, dev.id, &check);
	m_no_conflict();
	test_cmd_ioas_check_device(low_hwpt, dev.id, &check);
	m_conflict(APERTURE, WINDOW_START, WINDOW_START + WINDOW_LENGTH - 1,
		   IOMMU_RESV_REGION_SW_MSI, dev.id);
	test_err_mock_device_attach(EADDRNOTAVAIL, dev.stdev_id, low_hwpt);
	test_cmd_ioas_check_map(low_hwpt, low_end - PAGE_SIZE, 2 * PAGE_SIZE,
				&check);
	m_conflict(APERTURE, low_end, low_end + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_NONE, 0);

	test_ioctl_ioas_map_fixed_id(self->ioas2_id, buffer, PAGE_SIZE,
				     0x2000000);
	test_cmd_ioas_check_device(parent, dev.id, &check);
	m_conflict(MAPPED, 0x2000000, 0x2000000 + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_RESERVED, dev.id);
	test_cmd_ioas_check_device(nested, dev.id, &check);
	m_conflict(MAPPED, 0x2000000, 0x2000000 + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_RESERVED, dev.id);
	test_err_mock_device_attach(EADDRINUSE, dev.stdev_id, nested);
	test_ioctl_ioas_unmap_id(self->ioas2_id, 0x2000000, PAGE_SIZE);
	test_cmd_ioas_check_device(nested, dev.id, &check);
	m_no_conflict();
	test_cmd_mock_device_attach(dev.stdev_id, nested, NULL);
	test_cmd_ioas_check_device(nested, dev.id, &check);
	m_no_conflict();
}

struct checker {
	int fd;
	__u32 dev_id;
};

static int use_check(void *arg, __u32 ioas_id, __u32 hwpt_id)
{
	struct checker *checker = arg;
	struct resv_check check;

	return _test_cmd_ioas_check_device(checker->fd, hwpt_id,
					   checker->dev_id, &check) ? errno : 0;
}

TEST_F_TIMEOUT(iommufd_resv, check_put_hwpt, 300)
{
	struct dev dev = m_dev(NULL, 0);
	struct checker checker = { .fd = self->fd, .dev_id = dev.id };

	run_put_race(_metadata, self->fd, use_check, &checker, 0);
}

/* All devices of a group count, and one that is there answers for them */
TEST_F(iommufd_resv, siblings)
{
	struct iommu_test_resv resv[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_RESERVED, 0x5000000, 0x10000),
	};
	struct resv_check check;
	struct iommu_iova_range range;
	struct dev a, b;
	__u32 num = 0;

	if (msi_missing(self->fd))
		SKIP(return, NO_SW_MSI);
	a = m_dev(resv, 1);
	b = make_dev(_metadata, self->fd, resv, 2, 0, &a);
	test_cmd_mock_device_attach(a.stdev_id, self->ioas_id, NULL);
	test_cmd_mock_device_attach(b.stdev_id, self->ioas_id, NULL);

	m_check_map(WINDOW_START, PAGE_SIZE);
	m_conflict(RESERVED, WINDOW_START, WINDOW_START + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_SW_MSI, a.id);
	test_cmd_mock_device_detach(a.stdev_id);
	m_check_map(WINDOW_START, PAGE_SIZE);
	m_conflict(RESERVED, WINDOW_START, WINDOW_START + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_SW_MSI, b.id);
	m_check_map(0x5000000, PAGE_SIZE);
	m_conflict(RESERVED, 0x5000000, 0x5000000 + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_RESERVED, b.id);

	/* a has no region there, but b goes with it */
	test_cmd_mock_device_attach(a.stdev_id, self->ioas_id, NULL);
	test_ioctl_ioas_map_fixed_id(self->ioas2_id, buffer, PAGE_SIZE,
				     0x5000000);
	test_cmd_ioas_check_device(self->ioas2_id, a.id, &check);
	m_conflict(MAPPED, 0x5000000, 0x5000000 + PAGE_SIZE - 1,
		   IOMMU_RESV_REGION_RESERVED, b.id);
	EXPECT_EQ(group_id(_metadata, self->fd, a.id),
		  check.conflicts[0].group_id);
	EXPECT_EQ(group_id(_metadata, self->fd, b.id),
		  check.conflicts[0].group_id);
	test_err_mock_domain_replace(EADDRINUSE, a.stdev_id, self->ioas2_id);
	test_ioctl_ioas_unmap_id(self->ioas2_id, 0x5000000, PAGE_SIZE);
	test_cmd_ioas_check_device(self->ioas2_id, a.id, &check);
	m_no_conflict();
	test_cmd_mock_domain_replace(a.stdev_id, self->ioas2_id);
	test_cmd_ioas_check_map(self->ioas2_id, WINDOW_START, PAGE_SIZE,
				&check);
	ASSERT_EQ(1, check.num);
	EXPECT_EQ(IOMMU_IOVA_CONFLICT_RESERVED, check.conflicts[0].kind);
	EXPECT_NE(0, check.conflicts[0].dev_id);

	/* The first IOAS is as it was in the beginning */
	EXPECT_ERRNO(EMSGSIZE, _test_cmd_ioas_iova_ranges(self->fd,
							  self->ioas_id,
							  &range, &num));
	EXPECT_EQ(1, num);
}
