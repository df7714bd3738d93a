/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Somebody has the ID of an automatic HWPT, or of its IOAS, and uses it while the only
 * device that is attached to it leaves. The HWPT must go then, or the IOAS stays in use.
 */
#ifndef __SELFTEST_IOMMUFD_MSI_PUT_RACE
#define __SELFTEST_IOMMUFD_MSI_PUT_RACE

#include <pthread.h>

#include "iommufd_msi_utils.h"

#define PUT_RACE_ROUNDS 3000

/* Rounds in which it is there when it is used: a race proves nothing without */
#define PUT_RACE_MIN_MET (PUT_RACE_ROUNDS / 100)

/* Uses the IDs, and returns 0 or the errno. What it attaches it detaches again. */
typedef int (*put_race_use_fn)(void *arg, __u32 ioas_id, __u32 hwpt_id);

struct put_race_leaver {
	int fd;
	__u32 stdev_id;
	pthread_barrier_t barrier;
	bool left;
	int error;
};

static void *put_race_thread(void *arg)
{
	struct put_race_leaver *leaver = arg;
	unsigned int i, spin;

	for (i = 0; i != PUT_RACE_ROUNDS; i++) {
		pthread_barrier_wait(&leaver->barrier);
		for (spin = 0; spin < i % 64 * 64; spin++)
			__asm__ volatile("" ::: "memory");
		if (_test_cmd_mock_device_detach(leaver->fd, leaver->stdev_id))
			leaver->error = errno;
		__atomic_store_n(&leaver->left, true, __ATOMIC_RELAXED);
		pthread_barrier_wait(&leaver->barrier);
	}
	return NULL;
}

/* @want is what @use returns as long as the HWPT is there, then it is that or ENOENT */
static void run_put_race(struct __test_metadata *_metadata, int fd,
			 put_race_use_fn use, void *arg, int want)
{
	struct put_race_leaver leaver = { .fd = fd };
	struct mock_device_args args = {};
	unsigned int i, stays = 0, met = 0;
	__u32 ioas_id, hwpt_id;
	pthread_t thread;
	bool left, found;
	int rc;

	ASSERT_EQ(0, _test_cmd_mock_device(fd, 0, &args, &leaver.stdev_id, NULL,
					   NULL));
	ASSERT_EQ(0, pthread_barrier_init(&leaver.barrier, NULL, 2));
	ASSERT_EQ(0, pthread_create(&thread, NULL, put_race_thread, &leaver));
	for (i = 0; i != PUT_RACE_ROUNDS; i++) {
		ASSERT_EQ(0, _test_ioctl_ioas_alloc(fd, &ioas_id));
		ASSERT_EQ(0, _test_cmd_mock_device_attach(fd, leaver.stdev_id,
							  ioas_id, &hwpt_id));
		leaver.left = false;
		pthread_barrier_wait(&leaver.barrier);
		found = false;
		do {
			left = __atomic_load_n(&leaver.left, __ATOMIC_RELAXED);
			rc = use(arg, ioas_id, hwpt_id);
			if (rc != ENOENT)
				ASSERT_EQ(want, rc);
			found |= !left && rc == want;
		} while (!left);
		met += found;
		pthread_barrier_wait(&leaver.barrier);
		stays += !!_test_ioctl_destroy(fd, ioas_id);
	}
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, leaver.error);
	EXPECT_EQ(0, stays);
	EXPECT_LE(PUT_RACE_MIN_MET, met);
}

#endif
