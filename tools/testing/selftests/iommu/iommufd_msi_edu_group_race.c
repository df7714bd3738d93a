// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two functions of a group are driven by a thread each, at the same time. A
 * replace of one takes the other one along. With automatic domains each replace
 * makes a domain and destroys the one that the group leaves. Plain 6.12 lets a
 * thread put the domain that the other thread is still making: NULL dereference
 * in iommufd_object_remove(). [group]
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "iommufd_msi_edu_group.h"

FIXTURE(msi_group_race)
{
	struct group group;
	/* HWPTs of both IOASes */
	__u32 hwpt[2];
};

FIXTURE_VARIANT(msi_group_race)
{
	/* Replace between HWPTs rather than IOASes */
	bool manual;
	/* Take the own function out of the group's HWPT and back now and then */
	bool detach;
	/* Switch the own interrupts off and on after each replace */
	bool irq;
	/* Visit an IOAS that is made for one visit and destroyed after it */
	bool alloc;
};

FIXTURE_VARIANT_ADD(msi_group_race, swap)
{
};

FIXTURE_VARIANT_ADD(msi_group_race, swap_hwpt)
{
	.manual = true,
};

FIXTURE_VARIANT_ADD(msi_group_race, swap_detach)
{
	.detach = true,
};

FIXTURE_VARIANT_ADD(msi_group_race, swap_irq)
{
	.irq = true,
};

FIXTURE_VARIANT_ADD(msi_group_race, swap_alloc)
{
	.alloc = true,
};

FIXTURE_SETUP(msi_group_race)
{
	struct group *group = &self->group;
	int i;

	if (!group_open(_metadata, group))
		SKIP(return, "no two edu devices in one group");
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_open_bind(&group->dev[i], group->func[i],
					   group->iommufd));
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_hwpt_alloc(group->iommufd,
					    group->dev[0].dev_id,
					    group->ioas[i], &self->hwpt[i]));
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_attach(&group->dev[i], variant->manual ?
						self->hwpt[0] :
						group->ioas[0]));
}

FIXTURE_TEARDOWN(msi_group_race)
{
	group_close(&self->group);
}

/* How often in a row an attach may miss the IOAS that the group is in */
#define GROUP_TRIES 1000

struct group_racer {
	struct edu_dev *dev;
	int iommufd;
	const __u32 *pt;
	const struct _fixture_variant_msi_group_race *variant;
	bool stop;
	unsigned long swaps;
	unsigned long attaches;
	unsigned long setups;
	unsigned long visits;
	/* Attaches to what the group was not attached to */
	unsigned long missed;
	/* The first call that failed and must not, and its errno */
	const char *what;
	int rc;
};

static bool racer_do(struct group_racer *racer, const char *what, int rc,
		     unsigned long *count)
{
	if (rc) {
		racer->what = what;
		racer->rc = rc;
		return false;
	}
	if (count)
		++*count;
	return true;
}

static bool racer_reattach(struct group_racer *racer)
{
	int rc = -EINVAL;
	int i;

	if (!racer_do(racer, "detach", edu_detach(racer->dev), NULL))
		return false;
	for (i = 0; i != GROUP_TRIES && rc == -EINVAL; i++) {
		rc = edu_attach(racer->dev, racer->pt[i & 1]);
		racer->missed += rc == -EINVAL;
	}
	return racer_do(racer, "attach", rc, &racer->attaches);
}

/* The other thread may have taken the group elsewhere, but not back there */
static bool racer_visit(struct group_racer *racer)
{
	__u32 ioas;

	return racer_do(racer, "allocate",
			edu_ioas_alloc(racer->iommufd, &ioas), NULL) &&
	       racer_do(racer, "visit", edu_attach(racer->dev, ioas), NULL) &&
	       racer_do(racer, "return", edu_attach(racer->dev, racer->pt[0]),
			NULL) &&
	       racer_do(racer, "destroy", edu_destroy(racer->iommufd, ioas),
			&racer->visits);
}

static bool racer_irq(struct group_racer *racer)
{
	return racer_do(racer, "irq off", edu_irq_off(racer->dev), NULL) &&
	       racer_do(racer, "irq on", edu_irq_on(racer->dev),
			&racer->setups);
}

static void *group_racer(void *arg)
{
	struct group_racer *racer = arg;
	bool ok = true;

	while (ok && !__atomic_load_n(&racer->stop, __ATOMIC_ACQUIRE)) {
		ok = racer_do(racer, "swap",
			      edu_attach(racer->dev,
					 racer->pt[racer->swaps & 1]),
			      &racer->swaps);
		if (ok && racer->variant->irq)
			ok = racer_irq(racer);
		if (ok && racer->variant->alloc)
			ok = racer_visit(racer);
		if (ok && racer->variant->detach && racer->swaps % 4 == 0)
			ok = racer_reattach(racer);
	}
	return NULL;
}

static void
check_racer(struct __test_metadata *_metadata, unsigned long secs,
	    const struct _fixture_variant_msi_group_race *variant,
	    const struct group_racer *racer)
{
	unsigned long min = RACE_MIN_PER_SEC * secs;

	ksft_print_msg("%lu replaces, %lu attaches (%lu missed), %lu set-ups, %lu visits\n",
		       racer->swaps, racer->attaches, racer->missed,
		       racer->setups, racer->visits);
	ASSERT_EQ(0, racer->rc) {
		TH_LOG("%s: %s", racer->what, strerror(-racer->rc));
	}
	ASSERT_LE(min, racer->swaps);
	if (variant->irq)
		ASSERT_LE(min, racer->setups);
	if (variant->alloc)
		ASSERT_LE(min, racer->visits);
	if (variant->detach)
		ASSERT_LE(min / 4, racer->attaches);
	ASSERT_GE(50 * racer->attaches, racer->missed);
}

TEST_F_TIMEOUT(msi_group_race, race, 3600)
{
	unsigned long secs = edu_env("EDU_RACE_SECS", 15);
	struct group *group = &self->group;
	struct group_racer racers[2];
	pthread_t threads[2];
	int i;

	memset(racers, 0, sizeof(racers));
	for (i = 0; i != 2; i++) {
		racers[i].dev = &group->dev[i];
		racers[i].iommufd = group->iommufd;
		racers[i].pt = variant->manual ? self->hwpt : group->ioas;
		racers[i].variant = variant;
		ASSERT_EQ(0, edu_irq_on(&group->dev[i]));
	}
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, group_racer,
					    &racers[i]));
	sleep(secs);
	for (i = 0; i != 2; i++)
		__atomic_store_n(&racers[i].stop, true, __ATOMIC_RELEASE);
	for (i = 0; i != 2; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i != 2; i++)
		check_racer(_metadata, secs, variant, &racers[i]);

	for (i = 0; i != 2; i++)
		ASSERT_IRQ(&group->dev[i]);
	/* No automatic domain has been left behind in an IOAS */
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, edu_detach(&group->dev[i]));
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, edu_destroy(group->iommufd, self->hwpt[i]));
		ASSERT_EQ(0, edu_destroy(group->iommufd, group->ioas[i]));
	}
}
