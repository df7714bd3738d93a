// SPDX-License-Identifier: GPL-2.0-only
/*
 * A random sequence of everything. Each variant has a fixed seed, so that a run
 * can be repeated.
 */
#include "iommufd_msi_test.h"

FIXTURE(iommufd_msi_random)
{
	int fd;
	struct msi_model *md;
	__u32 seed;
	int devs[7];
	int irqs[24];
	int pts[9];
};

FIXTURE_VARIANT(iommufd_msi_random)
{
	__u32 seed;
};

FIXTURE_VARIANT_ADD(iommufd_msi_random, seed_1)
{
	.seed = 1,
};

FIXTURE_VARIANT_ADD(iommufd_msi_random, seed_2)
{
	.seed = 2,
};

FIXTURE_VARIANT_ADD(iommufd_msi_random, seed_3)
{
	.seed = 3,
};

FIXTURE_VARIANT_ADD(iommufd_msi_random, seed_4)
{
	.seed = 4,
};

FIXTURE_VARIANT_ADD(iommufd_msi_random, seed_5)
{
	.seed = 5,
};

FIXTURE_VARIANT_ADD(iommufd_msi_random, seed_6)
{
	.seed = 6,
};

FIXTURE_VARIANT_ADD(iommufd_msi_random, seed_7)
{
	.seed = 7,
};

FIXTURE_VARIANT_ADD(iommufd_msi_random, seed_8)
{
	.seed = 8,
};

/* What each of the devices is bound with, again and again */
static const struct {
	/* Index of a device of the same group, or -1 */
	int sibling;
	__u32 flags;
	__u32 type;
	unsigned int start;
	unsigned int pages;
} random_devs[] = {
	{ -1, 0, MOCK_RESV_SW_MSI, 0, 6 },
	{ 0, 0, MOCK_RESV_SW_MSI, 0, 6 },
	{ -1, 0, MOCK_RESV_SW_MSI, 0, 6 },
	{ -1, MOCK_FLAGS_DEVICE_NO_DIRTY, MOCK_RESV_SW_MSI, 0, 6 },
	{ -1, 0, MOCK_RESV_SW_MSI, 6, 3 },
	/* Overlaps with the first window */
	{ -1, 0, MOCK_RESV_SW_MSI, 4, 2 },
	{ -1, 0, MOCK_RESV_MSI, 12, 1 },
};

static unsigned int random_below(__u32 *seed, unsigned int n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % n;
}

static int random_bind(struct __test_metadata *_metadata, struct msi_model *md,
		       int *devs, unsigned int n)
{
	int sibling = random_devs[n].sibling;
	unsigned int i;

	/* Whoever of the group is there */
	if (sibling < 0)
		for (i = 0; i != ARRAY_SIZE(random_devs); i++)
			if (random_devs[i].sibling == (int)n)
				sibling = i;
	sibling = sibling < 0 ? -1 : devs[sibling];

	return bind_region(_metadata, md, sibling, random_devs[n].flags,
			   region(random_devs[n].type,
				  WINDOW_START +
					  random_devs[n].start * PAGE_SIZE,
				  random_devs[n].pages * PAGE_SIZE),
			   &devs[n]);
}

FIXTURE_SETUP(iommufd_msi_random)
{
	const char *reason;
	unsigned int i, n = 0;
	int ioas, maker;

	self->md = NULL;
	reason = model_open(&self->fd);
	if (reason)
		SKIP(return, "%s", reason);
	self->md = model_new(self->fd);
	ASSERT_EQ(0, bind_plain(_metadata, self->md, 0, &maker));
	for (i = 0; i != 2; i++) {
		ioas = m_ioas();
		self->pts[n++] = PT_IOAS(ioas);
		ASSERT_EQ(0, m_hwpt(maker, ioas, 0, &self->pts[n++]));
		self->pts[n++] = make_nested(_metadata, self->md, maker, ioas);
		self->pts[n] = self->md->hwpts[self->pts[n - 1]].parent;
		n++;
	}
	ASSERT_EQ(0, m_hwpt(maker, 0, IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
			    &self->pts[n++]));
	ASSERT_EQ(ARRAY_SIZE(self->pts), n);

	for (i = 0; i != ARRAY_SIZE(self->devs); i++)
		self->devs[i] = -1;
	for (i = 0; i != ARRAY_SIZE(self->irqs); i++)
		self->irqs[i] = -1;
}

FIXTURE_TEARDOWN(iommufd_msi_random)
{
	free(self->md);
	teardown_iommufd(self->fd, _metadata);
}

static int random_ioas_of_pt(struct msi_model *md, int pt)
{
	return pt < 0 ? ~pt : md->hwpts[pt].ioas;
}

/* Would this region be in the way of something in the IOAS? */
static bool random_in_use(struct msi_model *md, int ioas, int group,
			  const struct iommu_test_resv *resv)
{
	struct model_window *own, *other;
	unsigned int i;

	for (i = 0; i != md->ioases[ioas].nmaps; i++)
		if (model_overlap(resv->start, resv->length,
				  md->ioases[ioas].maps[i].iova,
				  md->ioases[ioas].maps[i].length))
			return true;

	if (md->groups[group].window < 0)
		return false;
	own = &md->windows[md->groups[group].window];
	for (i = 0; i != MODEL_GROUPS; i++) {
		if (!md->groups[i].ndevs || md->groups[i].window < 0 ||
		    md->groups[i].window == md->groups[group].window ||
		    model_ioas_of(md, i) != ioas)
			continue;
		other = &md->windows[md->groups[i].window];
		if (model_overlap(own->start, own->length, other->start,
				  other->length))
			return true;
	}
	return false;
}

/* Any error will do, as there is more than one reason for it */
#define RANDOM_ANY_ERROR 1

static void random_check(struct __test_metadata *_metadata, int expected,
			 int seen)
{
	if (expected == RANDOM_ANY_ERROR) {
		ASSERT_NE(0, seen);
		return;
	}
	ASSERT_EQ(expected, seen);
}

/* Which error an attach or replace to @pt ends with */
static int random_expect_pt(struct msi_model *md, int dev, int pt)
{
	struct model_dev *d = &md->devs[dev];
	int ioas = random_ioas_of_pt(md, pt);
	bool in_use = false, incompatible;
	unsigned int i;

	/* The devices of a group are the same */
	for (i = 0; i != d->nresv; i++)
		in_use |= random_in_use(md, ioas, d->group, &d->resv[i]);
	incompatible = pt >= 0 && md->hwpts[pt].dirty &&
		       md->groups[d->group].no_dirty;
	if (in_use && incompatible)
		return RANDOM_ANY_ERROR;
	if (in_use)
		return -EADDRINUSE;
	return incompatible ? -EINVAL : 0;
}

static int random_expect_attach(struct msi_model *md, int dev, int pt)
{
	struct model_group *group = &md->groups[md->devs[dev].group];

	if (md->devs[dev].attached)
		return -EBUSY;
	if (group->hwpt >= 0) {
		/* Only where the group is */
		if (pt >= 0)
			return pt == group->hwpt ? 0 : -EINVAL;
		return md->hwpts[group->hwpt].automatic &&
				       md->hwpts[group->hwpt].ioas == ~pt ?
			       0 :
			       -EINVAL;
	}
	return random_expect_pt(md, dev, pt);
}

static int random_expect_swap(struct msi_model *md, int dev, int pt)
{
	int group = md->devs[dev].group;

	if (!md->devs[dev].attached)
		return -EINVAL;
	if (pt == md->groups[group].hwpt ||
	    random_ioas_of_pt(md, pt) == model_ioas_of(md, group)) {
		/* Nothing new is reserved */
		if (pt >= 0 && md->hwpts[pt].dirty &&
		    md->groups[group].no_dirty)
			return -EINVAL;
		return 0;
	}
	return random_expect_pt(md, dev, pt);
}

static int random_expect_prepare(struct msi_model *md, int dev, __u64 doorbell)
{
	int window = md->groups[md->devs[dev].group].window;

	if (window < 0 || model_slot(md, window, model_page_of(doorbell)) >= 0)
		return 0;
	return model_free_slot(md, window) < 0 ? -ENOSPC : 0;
}

static int random_expect_map(struct msi_model *md, int ioas, __u64 iova,
			     __u64 length)
{
	unsigned int i;

	if (model_reserved(md, ioas, iova, length))
		return -EINVAL;
	for (i = 0; i != md->ioases[ioas].nmaps; i++)
		if (model_overlap(iova, length, md->ioases[ioas].maps[i].iova,
				  md->ioases[ioas].maps[i].length))
			return -EEXIST;
	return 0;
}

static void random_irq(struct __test_metadata *_metadata, struct msi_model *md,
		       __u32 *seed, int dev, int *irq)
{
	__u64 db = doorbell(random_below(seed, 8)) + 4 * random_below(seed, 3);

	if (*irq >= 0) {
		ASSERT_EQ(0, model_unprepare(_metadata, md, *irq));
		*irq = -1;
		return;
	}
	ASSERT_EQ(random_expect_prepare(md, dev, db),
		  model_prepare(_metadata, md, dev, db, irq));
}

static void random_maps(struct __test_metadata *_metadata,
			struct msi_model *md, __u32 *seed)
{
	int ioas = random_below(seed, 2);
	unsigned int nmaps = md->ioases[ioas].nmaps;
	__u64 iova, length;

	if (nmaps > 1 || (nmaps && random_below(seed, 2))) {
		ASSERT_EQ(0, model_unmap(_metadata, md, ioas,
					 random_below(seed, nmaps)));
		return;
	}
	iova = WINDOW_START + (random_below(seed, 20) - 4ULL) * PAGE_SIZE;
	length = (1 + random_below(seed, 3)) * PAGE_SIZE;
	ASSERT_EQ(random_expect_map(md, ioas, iova, length),
		  model_map(_metadata, md, ioas, iova, length));
}

static void random_dev(struct __test_metadata *_metadata, struct msi_model *md,
		       __u32 *seed, int dev, int pt)
{
	int expected;

	switch (random_below(seed, 4)) {
	case 0:
		expected = random_expect_attach(md, dev, pt);
		random_check(_metadata, expected,
			     model_attach(_metadata, md, dev, pt));
		break;
	case 1:
		expected = md->devs[dev].attached ? 0 : -EINVAL;
		ASSERT_EQ(expected, model_detach(_metadata, md, dev));
		break;
	default:
		expected = random_expect_swap(md, dev, pt);
		random_check(_metadata, expected,
			     model_swap(_metadata, md, dev, pt));
	}
}

static void random_forget_irqs(struct msi_model *md, int *irqs,
			       unsigned int num, int dev)
{
	unsigned int i;

	for (i = 0; i != num; i++)
		if (irqs[i] >= 0 && md->irqs[irqs[i]].dev == dev)
			irqs[i] = -1;
}

static unsigned int random_env(const char *name, unsigned int def)
{
	const char *val = getenv(name);

	return val ? strtoul(val, NULL, 0) : def;
}

TEST_F_TIMEOUT(iommufd_msi_random, sequence, 600)
{
	unsigned int i, n, steps = random_env("IOMMUFD_MSI_STEPS", 1500);

	self->seed = random_env("IOMMUFD_MSI_SEED", variant->seed);
	TH_LOG("seed %u, %u steps", self->seed, steps);

	for (i = 0; i != steps; i++) {
		__u32 *seed = &self->seed;
		unsigned int what = random_below(seed, 100);
		int *dev = &self->devs[random_below(seed,
						    ARRAY_SIZE(self->devs))];

		self->md->line = i;
		if (*dev < 0) {
			ASSERT_EQ(0, random_bind(_metadata, self->md,
						 self->devs, dev - self->devs));
		} else if (what < 3) {
			random_forget_irqs(self->md, self->irqs,
					   ARRAY_SIZE(self->irqs), *dev);
			ASSERT_EQ(0, model_destroy(_metadata, self->md, *dev));
			*dev = -1;
		} else if (what < 45) {
			n = random_below(seed, ARRAY_SIZE(self->irqs));
			random_irq(_metadata, self->md, seed, *dev,
				   &self->irqs[n]);
		} else if (what < 60) {
			random_maps(_metadata, self->md, seed);
		} else {
			n = random_below(seed, ARRAY_SIZE(self->pts));
			random_dev(_metadata, self->md, seed, *dev,
				   self->pts[n]);
		}
	}
	/* What fails is right, too, but not if it is everything */
	TH_LOG("%u attaches, %u replaces, %u set-ups, %u maps",
	       self->md->nattached, self->md->nswapped, self->md->nprepared,
	       self->md->nmapped);
	ASSERT_LT(steps / 100, self->md->nattached);
	ASSERT_LT(steps / 100, self->md->nswapped);
	ASSERT_LT(steps / 100, self->md->nprepared);
	ASSERT_LT(steps / 100, self->md->nmapped);
}
