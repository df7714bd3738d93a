// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replaces while interrupts are set up, and while they are raised.
 * See iommufd_msi_edu.c for the words, and for what stands in brackets.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "iommufd_msi_edu_fixture.h"

struct race {
	struct edu_dev *dev;
	const __u32 *pt;
	bool stop;
	pthread_barrier_t barrier;
	unsigned long loops;
	unsigned long failed;
	int rc;
	int round;
};

static bool race_stopped(struct race *race)
{
	return __atomic_load_n(&race->stop, __ATOMIC_ACQUIRE);
}

static void race_stop(struct race *race)
{
	__atomic_store_n(&race->stop, true, __ATOMIC_RELEASE);
}

static void *race_irq(void *arg)
{
	struct race *race = arg;

	while (!race_stopped(race)) {
		int rc = edu_irq_on(race->dev);

		race->loops++;
		if (rc) {
			race->failed++;
			race->rc = rc;
		} else {
			edu_irq_off(race->dev);
		}
	}
	return NULL;
}

/*
 * Interrupt set-up against replace, detach and attach. Plain 6.12 uses a
 * domain that is being freed: NULL dereference in iommu_dma_prepare_msi().
 * [lock]
 */
TEST_F_TIMEOUT(msi, race, 3600)
{
	unsigned long secs = edu_env("EDU_RACE_SECS", 30);
	struct race race = { .dev = &self->dev, .pt = self->pt };
	__u64 end = edu_now_ms() + 1000 * secs;
	unsigned int seed = 1;
	unsigned long swaps = 0;
	bool attached = true;
	pthread_t thread;

	ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
	ASSERT_EQ(0, pthread_create(&thread, NULL, race_irq, &race));
	while (edu_now_ms() < end) {
		int op = rand_r(&seed) % 8;
		int rc;

		if (op || !attached) {
			rc = edu_attach(&self->dev,
					self->pt[rand_r(&seed) % NUM_PT]);
			attached = true;
		} else {
			rc = edu_detach(&self->dev);
			attached = false;
		}
		if (rc) {
			race_stop(&race);
			pthread_join(thread, NULL);
		}
		ASSERT_EQ(0, rc);
		swaps++;
	}
	race_stop(&race);
	pthread_join(thread, NULL);

	ksft_print_msg("%lu replaces, %lu set-ups, %lu refused (last errno %d)\n",
		       swaps, race.loops, race.failed, -race.rc);
	ASSERT_LE(RACE_MIN_PER_SEC * secs, swaps);
	ASSERT_LE(RACE_MIN_PER_SEC * secs, race.loops);
	/* The table takes the set-up at any time, so it refuses none */
	ASSERT_EQ(0, race.failed);
	if (!attached)
		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
	edu_irq_off(&self->dev);
	ASSERT_EQ(0, edu_irq_on(&self->dev));
	ASSERT_IRQ_MSG("after the race", &self->dev);
}

#define RACE_ROUNDS 1000

static void *race_round(void *arg)
{
	struct race *race = arg;

	for (;;) {
		pthread_barrier_wait(&race->barrier);
		if (race_stopped(race))
			return NULL;
		/* Let the set-up start at different points of the replace */
		if (race->round % 3)
			usleep(race->round % 3 * (race->round % 50));
		race->rc = edu_irq_on(race->dev);
		pthread_barrier_wait(&race->barrier);
	}
}

/*
 * One set-up against one replace. A page that is set up between "prepare the
 * new domain" and "switch to it" must be in both: if set-up says it worked then
 * the interrupt does. [table]
 */
TEST_F_TIMEOUT(msi, race_once, 600)
{
	struct race race = { .dev = &self->dev, .pt = self->pt };
	unsigned long lost = 0;
	int swap_rc = 0;
	pthread_t thread;
	int rc = 1;

	ASSERT_EQ(0, pthread_barrier_init(&race.barrier, NULL, 2));
	ASSERT_EQ(0, edu_attach(&self->dev, self->pt[PT_IOAS0]));
	ASSERT_EQ(0, pthread_create(&thread, NULL, race_round, &race));
	for (race.round = 0; race.round != RACE_ROUNDS && lost < 5; race.round++) {
		pthread_barrier_wait(&race.barrier);
		swap_rc = edu_attach(&self->dev,
				     self->pt[(race.round + 1) % NUM_PT]);
		pthread_barrier_wait(&race.barrier);
		if (swap_rc)
			break;
		if (race.rc) {
			race.failed++;
			continue;
		}
		rc = edu_raise(&self->dev, EDU_TIMEOUT_MS);
		if (rc < 0)
			break;
		lost += !rc;
		edu_irq_off(&self->dev);
	}
	race_stop(&race);
	pthread_barrier_wait(&race.barrier);
	pthread_join(thread, NULL);

	ksft_print_msg("%d rounds: %lu lost, %lu refused\n", race.round, lost,
		       race.failed);
	ASSERT_EQ(0, swap_rc);
	ASSERT_LE(0, rc);
	ASSERT_EQ(0, lost);
	ASSERT_EQ(0, race.failed);
	ASSERT_EQ(RACE_ROUNDS, race.round);
}

static void *swap_forever(void *arg)
{
	struct race *race = arg;
	int pt = 0;

	/* loops counts what has been done: a replace that is refused is none */
	while (!race_stopped(race)) {
		int rc = edu_attach(race->dev, race->pt[pt++ % NUM_PT]);

		if (rc)
			race->rc = rc;
		else
			race->loops++;
	}
	return NULL;
}

/*
 * Interrupts raised while replaces are under way, as fast as both go. The next
 * one is raised when the last one arrived, or counts as lost. The SMMU must not
 * have seen a bad write either. [hitless]
 */
TEST_F_TIMEOUT(msi, inflight, 7200)
{
	unsigned long total = edu_env("EDU_INFLIGHT_IRQS", 5000);
	struct race race = { .dev = &self->dev, .pt = self->pt };
	unsigned long raised = 0;
	unsigned long lost = 0;
	unsigned long late = 0;
	pthread_t thread;
	__u64 start;
	__u64 secs;
	int events;
	int log_fd;
	int rc = 0;

	log_fd = edu_log_open();
	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	start = edu_now_ms();
	ASSERT_EQ(0, pthread_create(&thread, NULL, swap_forever, &race));
	/* Where most get lost there is nothing more to learn */
	while (raised < total && lost < 20) {
		rc = edu_raise(&self->dev, EDU_TIMEOUT_MS);
		if (rc < 0)
			break;
		raised++;
		if (rc)
			continue;
		/* A busy host may only have been slow */
		rc = edu_wait(&self->dev, 5 * EDU_TIMEOUT_MS);
		if (rc < 0)
			break;
		late += rc;
		lost += !rc;
	}
	race_stop(&race);
	pthread_join(thread, NULL);
	secs = (edu_now_ms() - start) / 1000;

	events = edu_smmu_log_count(log_fd);
	ksft_print_msg("in flight: lost %lu of %lu, %lu late, %lu replaces, %d SMMU events\n",
		       lost, raised, late, race.loops, events);
	ASSERT_LE(0, rc);
	ASSERT_EQ(0, race.rc);
	ASSERT_EQ(0, lost);
	ASSERT_EQ(total, raised);
	ASSERT_LE(RACE_MIN_PER_SEC * (secs + 1), race.loops);
	if (events >= 0)
		ASSERT_EQ(0, events);
	ASSERT_IRQ(&self->dev);
}
