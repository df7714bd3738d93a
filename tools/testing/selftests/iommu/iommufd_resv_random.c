// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random steps. A dry run before each must say what a model of the IOAS
 * says, and what the real run then does.
 */
#include <fcntl.h>

#include "iommufd_resv_model.h"

/* All happens around the end of the low aperture, in units of a page */
#define PLAY_PAGES 64

#define PLAY_START \
	((__u64)MOCK_APERTURE_LOW_LAST + 1 - PLAY_PAGES / 2 * PAGE_SIZE)

static const struct model_set no_plan;

static unsigned int rnd(struct model *m, unsigned int below)
{
	return (rand_r(&m->seed) >> 4) % below;
}

static struct iommu_iova_range rnd_range(struct model *m, unsigned int max)
{
	unsigned int start = rnd(m, PLAY_PAGES - max);
	unsigned int pages = 1 + rnd(m, max);

	return (struct iommu_iova_range){
		.start = PLAY_START + start * PAGE_SIZE,
		.last = PLAY_START + (start + pages) * PAGE_SIZE - 1,
	};
}

/* Now and then less than a page of the IOMMU */
static struct iommu_iova_range rnd_map(struct model *m)
{
	struct iommu_iova_range map = rnd_range(m, 4);

	if (!rnd(m, 8))
		map.last -= 100;
	return map;
}

static int real_map(struct model *m, const struct iommu_iova_range *map)
{
	__u64 iova = map->start;

	return _test_ioctl_ioas_map(m->fd, m->ioas_id, buffer,
				    map->last - map->start + 1, &iova,
				    IOMMU_IOAS_MAP_FIXED_IOVA |
					    IOMMU_IOAS_MAP_WRITEABLE |
					    IOMMU_IOAS_MAP_READABLE);
}

static int real_unmap(struct model *m, const struct iommu_iova_range *map)
{
	return _test_ioctl_ioas_unmap(m->fd, m->ioas_id, map->start,
				      map->last - map->start + 1, NULL);
}

static void step_map(struct __test_metadata *_metadata, struct model *m)
{
	struct iommu_iova_range map = rnd_map(m);
	struct model_conflicts c = {};
	struct resv_check check;
	int rc;

	if (m->maps.num == NUM_MAPS)
		return;
	model_map(m, &map, 0, model_aligns(m), &c);
	ASSERT_EQ(0, _test_cmd_ioas_check(m->fd, m->ioas_id, 0, &map, 1,
					  &check));
	model_compare(_metadata, m, &c, &check);
	rc = real_map(m, &map);
	ASSERT_EQ(!c.num, !rc)
		TH_LOG("step %u", m->step);
	if (!rc)
		m->maps.ranges[m->maps.num++] = map;
}

static void step_unmap(struct __test_metadata *_metadata, struct model *m)
{
	struct iommu_iova_range *map;

	if (!m->maps.num)
		return;
	map = &m->maps.ranges[rnd(m, m->maps.num)];
	ASSERT_EQ(0, real_unmap(m, map));
	*map = m->maps.ranges[--m->maps.num];
}

/* Ranges that neither overlap nor touch, so that the kernel keeps them apart */
static void rnd_set(struct model *m, struct model_set *set)
{
	unsigned int num = rnd(m, NUM_SETS), tries = 8;
	struct iommu_iova_range range, around;

	set->num = 0;
	while (set->num < num && tries--) {
		range = rnd_range(m, 6);
		around = (struct iommu_iova_range){ range.start - 1,
						    range.last + 1 };
		if (!set_overlaps(set, &around))
			set->ranges[set->num++] = range;
	}
}

static void step_holes(struct __test_metadata *_metadata, struct model *m)
{
	bool refused = false;
	struct model_set set;
	unsigned int i;
	int rc;

	rnd_set(m, &set);
	for (i = 0; i != set.num; i++)
		if (set_overlaps(&m->maps, &set.ranges[i]) ||
		    set_overlaps(&m->allowed, &set.ranges[i]))
			refused = true;
	rc = _test_cmd_ioas_set_holes(m->fd, m->ioas_id, set.ranges, set.num);
	ASSERT_EQ(refused ? -1 : 0, rc)
		TH_LOG("step %u", m->step);
	if (!rc)
		m->holes = set;
	else
		ASSERT_EQ(EADDRINUSE, errno);
}

static void step_allow(struct __test_metadata *_metadata, struct model *m)
{
	struct iommu_iova_range outside = above(true);
	bool refused = false;
	struct model_set set;
	unsigned int i, j, k;
	int rc;

	rnd_set(m, &set);
	for (i = 0; i != set.num; i++) {
		struct iommu_iova_range *range = &set.ranges[i];

		refused |= set_overlaps(&m->holes, range);
		refused |= model_low(m) && overlaps(range, &outside);
		for (j = 0; j != NUM_DEVS; j++) {
			struct model_dev *dev = &m->devs[j];

			for (k = 0; dev->attached && k != dev->num_regions;
			     k++) {
				struct iommu_iova_range r =
					region_range(&dev->regions[k]);

				if (region_counts(dev, &dev->regions[k]))
					refused |= overlaps(range, &r);
			}
			if (dev->attached && dev->has_window)
				refused |= overlaps(range, &dev->window);
		}
	}
	rc = _test_cmd_ioas_allow_iovas(m->fd, m->ioas_id, set.ranges,
					set.num);
	ASSERT_EQ(refused ? -1 : 0, rc)
		TH_LOG("step %u", m->step);
	if (!rc)
		m->allowed = set;
}

static void step_attach(struct __test_metadata *_metadata, struct model *m)
{
	struct model_dev *dev = &m->devs[rnd(m, NUM_DEVS)];
	struct model_conflicts c = {};
	struct resv_check check;
	int rc;

	if (dev->attached) {
		ASSERT_EQ(0, _test_cmd_mock_device_detach(m->fd,
							  dev->dev.stdev_id));
		dev->attached = false;
		return;
	}
	model_device(m, dev, &no_plan, &c);
	ASSERT_EQ(0, _test_cmd_ioas_check_device(m->fd, m->ioas_id, dev->dev.id,
						 &check));
	model_compare(_metadata, m, &c, &check);
	rc = _test_cmd_mock_device_attach(m->fd, dev->dev.stdev_id, m->ioas_id,
					  &dev->hwpt_id);
	ASSERT_EQ(!c.num, !rc)
		TH_LOG("step %u", m->step);
	if (!rc)
		model_attached(m, dev);
}

/*
 * A device and a plan in one dry run. If it says that there is nothing in the way
 * then all of it can be done, and if something is then not all. Undone again.
 */
static void step_plan(struct __test_metadata *_metadata, struct model *m)
{
	struct model_dev *dev = &m->devs[rnd(m, NUM_DEVS)];
	bool attach = !dev->attached && rnd(m, 4);
	bool aligned = attach || model_aligns(m);
	unsigned int i, j, num_refused = 0;
	struct model_conflicts c = {};
	bool mapped[NUM_SETS] = {};
	struct model_set plan = {};
	struct resv_check check;
	int rc;

	for (i = 0; i != NUM_SETS; i++) {
		struct iommu_iova_range range = rnd_map(m);
		struct model_blame blame = {
			.kind = IOMMU_IOVA_CONFLICT_PLANNED,
			.type = IOMMU_RESV_REGION_NONE,
			.range_index = i,
		};

		/* The kernel names one of several, so there is one */
		for (j = 0, rc = 0; j != i; j++)
			rc += overlaps(&plan.ranges[j], &range);
		if (rc > 1)
			break;
		model_conflict_set(&c, blame, &range, &plan, false);
		model_map(m, &range, i, aligned, &c);
		plan.ranges[plan.num++] = range;
	}
	if (attach)
		model_device(m, dev, &plan, &c);
	ASSERT_EQ(0, _test_cmd_ioas_check(m->fd, m->ioas_id,
					  attach ? dev->dev.id : 0, plan.ranges,
					  plan.num, &check));
	model_compare(_metadata, m, &c, &check);

	if (attach) {
		rc = _test_cmd_mock_device_attach(m->fd, dev->dev.stdev_id,
						  m->ioas_id, NULL);
		num_refused += !!rc;
		attach = !rc;
	}
	for (i = 0; i != plan.num; i++) {
		rc = real_map(m, &plan.ranges[i]);
		num_refused += !!rc;
		mapped[i] = !rc;
	}
	ASSERT_EQ(!c.num, !num_refused)
		TH_LOG("step %u", m->step);
	for (i = 0; i != plan.num; i++)
		if (mapped[i])
			ASSERT_EQ(0, real_unmap(m, &plan.ranges[i]));
	if (attach)
		ASSERT_EQ(0, _test_cmd_mock_device_detach(m->fd,
							  dev->dev.stdev_id));
}

/* A device goes, and one with other regions comes */
static void step_replug(struct __test_metadata *_metadata, struct model *m,
			struct model_dev *dev)
{
	unsigned int num_sw = 0, num_hw = 0, i;

	if (dev->dev.stdev_id)
		ASSERT_EQ(0, _test_ioctl_destroy(m->fd, dev->dev.stdev_id));
	memset(dev, 0, sizeof(*dev));
	dev->low = !rnd(m, 4);
	dev->num_regions = rnd(m, NUM_DEV_REGIONS + 1);
	for (i = 0; i != dev->num_regions; i++) {
		struct iommu_iova_range range = rnd_range(m, 4);
		__u32 type = rnd(m, 5);

		/* Many windows, the same one now and then, and one a device */
		if (!i && rnd(m, 2))
			type = MOCK_RESV_SW_MSI;
		if (type == MOCK_RESV_SW_MSI && num_sw++)
			type = MOCK_RESV_DIRECT;
		if (type == MOCK_RESV_SW_MSI && rnd(m, 2))
			range = (struct iommu_iova_range){
				PLAY_START, PLAY_START + PAGE_SIZE - 1
			};
		num_hw += type == MOCK_RESV_MSI;
		dev->regions[i] = region(type, range.start,
					 range.last - range.start + 1);
		if (type == MOCK_RESV_SW_MSI)
			dev->window = range;
	}
	dev->has_window = num_sw && !num_hw;
	dev->dev = make_dev(_metadata, m->fd, dev->regions, dev->num_regions,
			    dev->low ? MOCK_FLAGS_DEVICE_LOW_APERTURE : 0,
			    NULL);
	dev->group_id = group_id(_metadata, m->fd, dev->dev.id);
}

static unsigned int env_num(const char *name, unsigned int value)
{
	const char *env = getenv(name);

	return env ? strtoul(env, NULL, 0) : value;
}

FIXTURE(iommufd_resv_random)
{
	struct model m;
};

FIXTURE_VARIANT(iommufd_resv_random)
{
	unsigned int seed;
};

FIXTURE_VARIANT_ADD(iommufd_resv_random, seed1)
{
	.seed = 1,
};

FIXTURE_VARIANT_ADD(iommufd_resv_random, seed2)
{
	.seed = 2,
};

FIXTURE_VARIANT_ADD(iommufd_resv_random, seed3)
{
	.seed = 3,
};

FIXTURE_SETUP(iommufd_resv_random)
{
	const char *missing;
	unsigned int i;

	memset(&self->m, 0, sizeof(self->m));
	self->m.fd = open("/dev/iommu", O_RDWR);
	if (self->m.fd < 0)
		SKIP(return, "no /dev/iommu");
	missing = msi_missing(self->m.fd);
	if (missing)
		SKIP(return, "%s", missing);
	self->m.seed = env_num("IOMMUFD_RESV_SEED", variant->seed);
	ASSERT_EQ(0, _test_ioctl_ioas_alloc(self->m.fd, &self->m.ioas_id));
	for (i = 0; i != NUM_DEVS; i++)
		step_replug(_metadata, &self->m, &self->m.devs[i]);
}

FIXTURE_TEARDOWN(iommufd_resv_random)
{
	if (self->m.fd >= 0)
		ASSERT_EQ(0, close(self->m.fd));
}

TEST_F(iommufd_resv_random, steps)
{
	unsigned int num = env_num("IOMMUFD_RESV_STEPS", 3000);
	struct model *m = &self->m;
	struct model_dev *dev;

	TH_LOG("seed %u, %u steps",
	       env_num("IOMMUFD_RESV_SEED", variant->seed), num);
	for (m->step = 0; m->step != num; m->step++) {
		switch (rnd(m, 18)) {
		case 0:
			step_holes(_metadata, m);
			break;
		case 1:
			step_allow(_metadata, m);
			break;
		case 2:
			dev = &m->devs[rnd(m, NUM_DEVS)];
			step_replug(_metadata, m, dev);
			break;
		case 3 ... 8:
			step_attach(_metadata, m);
			break;
		case 9 ... 12:
			step_map(_metadata, m);
			break;
		case 13 ... 14:
			step_plan(_metadata, m);
			break;
		default:
			step_unmap(_metadata, m);
			break;
		}
	}
	TH_LOG("%u were refused, by %u conflicts", m->num_refused,
	       m->num_conflicts);
	EXPECT_LT(num / 16, m->num_refused);
	EXPECT_LT(m->num_refused, m->num_conflicts);
}
