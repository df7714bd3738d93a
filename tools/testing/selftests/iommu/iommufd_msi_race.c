// SPDX-License-Identifier: GPL-2.0-only
/*
 * Set-up of interrupts, attach and replace, each by a thread of its own.
 */
#include <pthread.h>

#include "iommufd_msi_fixture.h"
#include "iommufd_msi_put_race.h"

/*
 * One thread sets interrupts up and frees them, another one replaces, attaches
 * and detaches. In the end everything is as if it had happened in order.
 */
#define RACE_IRQS 8

/* A race proves nothing if one of its sides stands still */
#define RACE_MIN 10

struct race {
	int fd;
	__u32 stdev_id;
	__u32 pt_id[2];
	bool stop;
	__u64 addr[RACE_IRQS];
	__u32 msi_id[RACE_IRQS];
	/* Rounds of interrupts, and of replaces with a detach and an attach */
	unsigned long nirqs;
	unsigned long nswaps;
	int error;
};

static void *race_irqs(void *arg)
{
	struct race *race = arg;
	unsigned int i;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		for (i = 0; i != RACE_IRQS; i++)
			if (_test_cmd_msi_prepare(race->fd, race->stdev_id,
						  doorbell(i), &race->addr[i],
						  &race->msi_id[i]))
				race->error = errno;
		for (i = 0; i != RACE_IRQS; i++)
			if (_test_cmd_msi_unprepare(race->fd, race->stdev_id,
						    race->msi_id[i]))
				race->error = errno;
		race->nirqs++;
	}
	return NULL;
}

static void race_swap(struct race *race)
{
	unsigned int i;

	for (i = 0; i != 2; i++)
		if (_test_cmd_mock_domain_replace(race->fd, race->stdev_id,
						  race->pt_id[i], NULL))
			race->error = errno;
	if (_test_cmd_mock_device_detach(race->fd, race->stdev_id))
		race->error = errno;
	if (_test_cmd_mock_device_attach(race->fd, race->stdev_id,
					 race->pt_id[0], NULL))
		race->error = errno;
}

static void *race_swaps(void *arg)
{
	struct race *race = arg;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		race_swap(race);
		race->nswaps++;
	}
	return NULL;
}

/* Two threads for each device */
static void run_race(struct __test_metadata *_metadata, struct race *races)
{
	pthread_t threads[4];
	int i;

	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, pthread_create(&threads[2 * i], NULL, race_irqs,
					    &races[i]));
		ASSERT_EQ(0, pthread_create(&threads[2 * i + 1], NULL,
					    race_swaps, &races[i]));
	}
	sleep(3);
	for (i = 0; i != 2; i++)
		__atomic_store_n(&races[i].stop, true, __ATOMIC_RELAXED);
	for (i = 0; i != 4; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	for (i = 0; i != 2; i++) {
		ksft_print_msg("%lu rounds of interrupts, %lu of replaces\n",
			       races[i].nirqs, races[i].nswaps);
		ASSERT_EQ(0, races[i].error);
		ASSERT_LE(RACE_MIN, races[i].nirqs);
		ASSERT_LE(RACE_MIN, races[i].nswaps);
	}
}

/* Two groups that share doorbells and HWPTs, in opposite directions */
TEST_F(iommufd_msi, race)
{
	struct race races[2] = {};
	int dev[2], hwpt[2], i;

	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, m_bind_default(-1, &dev[i]));
		ASSERT_EQ(0, m_hwpt(dev[i], self->ioas[i], 0, &hwpt[i]));
		ASSERT_EQ(0, m_prepare(dev[i], doorbell(2 + i), NULL));
		ASSERT_EQ(0, m_attach(dev[i], hwpt[i]));
	}
	for (i = 0; i != 2; i++) {
		races[i].fd = self->fd;
		races[i].stdev_id = self->md->devs[dev[i]].stdev_id;
		races[i].pt_id[0] = self->md->hwpts[hwpt[i]].id;
		races[i].pt_id[1] = self->md->hwpts[hwpt[!i]].id;
	}
	run_race(_metadata, races);
	m_check();
	ASSERT_EQ(0, m_swap(dev[0], PT_IOAS(self->ioas[1])));
	ASSERT_EQ(0, m_prepare(dev[0], doorbell(4), NULL));
}

/*
 * Two devices of a group, a thread each. A thread replaces its device from IOAS
 * to IOAS, the other device goes along, and now and then takes it out and back
 * in. Each change makes and destroys automatic HWPTs.
 */
struct sibling_race {
	int fd;
	__u32 stdev_id;
	const __u32 *ioas;
	bool detaches;
	bool stop;
	unsigned long swaps;
	unsigned long attaches;
	/* Attaches to an IOAS that the group was not in */
	unsigned long refused;
	int error;
};

/* How often an attach may miss the IOAS that the group is in, in a row */
#define SIBLING_TRIES 1000

static int sibling_reattach(struct sibling_race *race)
{
	unsigned int i;

	if (_test_cmd_mock_device_detach(race->fd, race->stdev_id))
		return -errno;
	for (i = 0; i != SIBLING_TRIES; i++) {
		if (!_test_cmd_mock_device_attach(race->fd, race->stdev_id,
						  race->ioas[i & 1], NULL)) {
			race->attaches++;
			return 0;
		}
		if (errno != EINVAL)
			return -errno;
		race->refused++;
	}
	return -ETIMEDOUT;
}

static void *sibling_race_thread(void *arg)
{
	struct sibling_race *race = arg;

	while (!race->error &&
	       !__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		if (_test_cmd_mock_domain_replace(race->fd, race->stdev_id,
						  race->ioas[race->swaps & 1],
						  NULL))
			race->error = -errno;
		race->swaps++;
		if (race->detaches && race->swaps % 4 == 0 && !race->error)
			race->error = sibling_reattach(race);
	}
	return NULL;
}

static void run_sibling_race(struct __test_metadata *_metadata, int fd,
			     bool detaches)
{
	struct sibling_race races[2] = {};
	struct mock_device_args args = {};
	pthread_t threads[2];
	__u32 ioas[2];
	int i;

	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, _test_ioctl_ioas_alloc(fd, &ioas[i]));
	for (i = 0; i != 2; i++) {
		races[i].fd = fd;
		races[i].ioas = ioas;
		races[i].detaches = detaches;
		ASSERT_EQ(0, _test_cmd_mock_device(fd, ioas[0], &args,
						   &races[i].stdev_id, NULL,
						   NULL));
		args.group_stdev_id = races[i].stdev_id;
	}
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL,
					    sibling_race_thread, &races[i]));
	sleep(3);
	for (i = 0; i != 2; i++)
		__atomic_store_n(&races[i].stop, true, __ATOMIC_RELAXED);
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	for (i = 0; i != 2; i++) {
		ksft_print_msg("%lu replaces, %lu attaches, %lu refused\n",
			       races[i].swaps, races[i].attaches,
			       races[i].refused);
		ASSERT_EQ(0, races[i].error);
		ASSERT_LE(100, races[i].swaps);
		if (detaches)
			ASSERT_LE(20, races[i].attaches);
		ASSERT_GE(50 * races[i].attaches, races[i].refused);
	}

	/* No automatic HWPT has been left behind in an IOAS */
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, _test_ioctl_destroy(fd, races[i].stdev_id));
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, _test_ioctl_destroy(fd, ioas[i]));
}

TEST_F(iommufd_msi, race_siblings)
{
	run_sibling_race(_metadata, self->fd, false);
}

TEST_F(iommufd_msi, race_siblings_detach)
{
	run_sibling_race(_metadata, self->fd, true);
}

/*
 * What another device, which does not fit into the automatic HWPT of the one that
 * leaves, can do with the IDs of it and of its IOAS.
 */
struct other {
	int fd;
	__u32 stdev_id;
	__u32 id;
};

static int use_ioas(void *arg, __u32 ioas_id, __u32 hwpt_id)
{
	struct other *other = arg;

	if (_test_cmd_mock_device_attach(other->fd, other->stdev_id, ioas_id,
					 NULL) ||
	    _test_cmd_mock_device_detach(other->fd, other->stdev_id))
		return errno;
	return 0;
}

static int use_attach(void *arg, __u32 ioas_id, __u32 hwpt_id)
{
	struct other *other = arg;

	return _test_cmd_mock_device_attach(other->fd, other->stdev_id, hwpt_id,
					    NULL) ? errno : 0;
}

static int use_replace(void *arg, __u32 ioas_id, __u32 hwpt_id)
{
	struct other *other = arg;

	return _test_cmd_mock_domain_replace(other->fd, other->stdev_id,
					     hwpt_id, NULL) ? errno : 0;
}

static int use_parent(void *arg, __u32 ioas_id, __u32 hwpt_id)
{
	struct iommu_hwpt_selftest data = {};
	struct other *other = arg;

	/* EINVAL, also if the ID is gone */
	return _test_cmd_hwpt_alloc(other->fd, other->id, hwpt_id, 0, 0, NULL,
				    IOMMU_HWPT_DATA_SELFTEST, &data,
				    sizeof(data)) ? errno : 0;
}

static int use_dirty(void *arg, __u32 ioas_id, __u32 hwpt_id)
{
	struct other *other = arg;
	__u64 bitmap = 0;
	int rc;

	rc = _test_cmd_get_dirty_bitmap(other->fd, hwpt_id, PAGE_SIZE, 0,
					PAGE_SIZE, &bitmap, 0) ? errno : 0;
	_test_cmd_set_dirty_tracking(other->fd, hwpt_id, true);
	return rc;
}

#define test_put_race(use, home, want)                                       \
	({                                                                   \
		struct mock_device_args args = {                             \
			.flags = MOCK_FLAGS_DEVICE_LOW_APERTURE,             \
		};                                                           \
		struct other other = { .fd = self->fd };                     \
		test_cmd_mock_device(home, &args, &other.stdev_id, NULL,     \
				     &other.id);                             \
		run_put_race(_metadata, self->fd, use, &other, want);        \
	})

TEST_F_TIMEOUT(iommufd_msi, refused_put, 300)
{
	test_put_race(use_ioas, 0, 0);
}

TEST_F_TIMEOUT(iommufd_msi, refused_put_hwpt, 300)
{
	test_put_race(use_attach, 0, EINVAL);
}

TEST_F_TIMEOUT(iommufd_msi, refused_put_replace, 300)
{
	__u32 ioas_id;

	test_ioctl_ioas_alloc(&ioas_id);
	test_put_race(use_replace, ioas_id, EINVAL);
}

TEST_F_TIMEOUT(iommufd_msi, used_put_parent, 300)
{
	test_put_race(use_parent, 0, EINVAL);
}

TEST_F_TIMEOUT(iommufd_msi, used_put_dirty, 300)
{
	test_put_race(use_dirty, 0, EOPNOTSUPP);
}

/*
 * Two groups with windows that overlap, both moved into one IOAS at a time:
 * one of them gets there, never both, and never none. In every fourth round each
 * of them has a head start, so that neither wins by its place in the queue only.
 */
#define WINDOW_ROUNDS 2000
#define WINDOW_HEAD_START_US 500

/* Rounds that a group has to win */
#define WINDOW_MIN_WON (WINDOW_ROUNDS / 20)

struct window_race {
	int fd;
	__u32 stdev_id;
	__u32 home;
	__u32 shared;
	/* Once at the start and once at the end of a round */
	pthread_barrier_t *barrier;
	/* Which of the two it is: 0 or 1 */
	unsigned int side;
	int error;
};

static void *window_race_thread(void *arg)
{
	struct window_race *race = arg;
	unsigned int i;

	for (i = 0; i != WINDOW_ROUNDS; i++) {
		pthread_barrier_wait(race->barrier);
		race->error = 0;
		if (i % 4 == 1 + race->side)
			usleep(WINDOW_HEAD_START_US);
		if (_test_cmd_mock_domain_replace(race->fd, race->stdev_id,
						  race->shared, NULL))
			race->error = errno;
		pthread_barrier_wait(race->barrier);
		/* Here the test looks at error */
		pthread_barrier_wait(race->barrier);
	}
	return NULL;
}

static void setup_window_race(struct __test_metadata *_metadata,
			      struct msi_model *md, int dev, int home,
			      int shared, pthread_barrier_t *barrier,
			      struct window_race *race)
{
	race->fd = md->fd;
	race->stdev_id = md->devs[dev].stdev_id;
	race->home = md->hwpts[home].id;
	race->shared = md->hwpts[shared].id;
	race->barrier = barrier;
}

TEST_F(iommufd_msi, race_windows)
{
	unsigned int won[2] = {}, both = 0, none = 0, i;
	int shared_ioas = m_ioas(), dev[2], home, shared, rc, j;
	struct window_race races[2] = {};
	pthread_barrier_t barrier;
	pthread_t threads[2];

	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, 3));
	ASSERT_EQ(0, m_bind_window(-1, WINDOW_START, 8, &dev[0]));
	ASSERT_EQ(0, m_bind_window(-1, WINDOW_START + 4 * PAGE_SIZE, 8,
				   &dev[1]));
	for (j = 0; j != 2; j++) {
		ASSERT_EQ(0, m_prepare(dev[j], doorbell(j), NULL));
		ASSERT_EQ(0, m_hwpt(dev[j], self->ioas[j], 0, &home));
		ASSERT_EQ(0, m_hwpt(dev[j], shared_ioas, 0, &shared));
		ASSERT_EQ(0, m_attach(dev[j], home));
		setup_window_race(_metadata, self->md, dev[j], home, shared,
				  &barrier, &races[j]);
		races[j].side = j;
	}
	for (j = 0; j != 2; j++)
		ASSERT_EQ(0, pthread_create(&threads[j], NULL,
					    window_race_thread, &races[j]));
	for (i = 0; i != WINDOW_ROUNDS; i++) {
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		both += !races[0].error && !races[1].error;
		none += races[0].error && races[1].error;
		for (j = 0; j != 2; j++) {
			if (races[j].error) {
				EXPECT_EQ(EADDRINUSE, races[j].error);
				continue;
			}
			won[j]++;
			rc = _test_cmd_mock_domain_replace(self->fd,
							   races[j].stdev_id,
							   races[j].home, NULL);
			EXPECT_EQ(0, rc);
		}
		pthread_barrier_wait(&barrier);
	}
	for (j = 0; j != 2; j++)
		ASSERT_EQ(0, pthread_join(threads[j], NULL));
	ksft_print_msg("%u and %u got there, %u times both, %u times none\n",
		       won[0], won[1], both, none);
	ASSERT_EQ(0, both);
	ASSERT_EQ(0, none);
	ASSERT_EQ(WINDOW_ROUNDS, won[0] + won[1]);
	for (j = 0; j != 2; j++)
		ASSERT_LE(WINDOW_MIN_WON, won[j]);
	m_check();
}
