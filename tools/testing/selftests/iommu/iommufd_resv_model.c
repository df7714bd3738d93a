// SPDX-License-Identifier: GPL-2.0-only
/*
 * See iommufd_resv_model.h.
 */
#include "iommufd_resv_model.h"

bool overlaps(const struct iommu_iova_range *a,
	      const struct iommu_iova_range *b)
{
	return a->start <= b->last && a->last >= b->start;
}

static bool same_range(const struct iommu_iova_range *a,
		       const struct iommu_iova_range *b)
{
	return a->start == b->start && a->last == b->last;
}

bool set_overlaps(const struct model_set *set,
		  const struct iommu_iova_range *range)
{
	unsigned int i;

	for (i = 0; i != set->num; i++)
		if (overlaps(&set->ranges[i], range))
			return true;
	return false;
}

static void model_conflict_add(struct model_conflicts *c,
			       struct model_blame blame,
			       const struct iommu_iova_range *a,
			       const struct iommu_iova_range *b)
{
	if (!overlaps(a, b))
		return;
	assert(c->num < MAX_CONFLICTS);
	c->list[c->num++] = (struct iommu_iova_conflict){
		.start = a->start > b->start ? a->start : b->start,
		.last = a->last < b->last ? a->last : b->last,
		.kind = blame.kind,
		.region_type = blame.type,
		.dev_id = blame.dev ? blame.dev->dev.id : 0,
		.group_id = blame.dev ? blame.dev->group_id :
					IOMMU_IOVA_CONFLICT_NO_GROUP,
		.range_index = blame.range_index,
	};
}

/* @range against each of @set, which is the plan or not */
void model_conflict_set(struct model_conflicts *c, struct model_blame blame,
			const struct iommu_iova_range *range,
			const struct model_set *set, bool plan)
{
	unsigned int i;

	for (i = 0; i != set->num; i++) {
		if (plan)
			blame.range_index = i;
		model_conflict_add(c, blame, range, &set->ranges[i]);
	}
}

struct iommu_iova_range region_range(const struct iommu_test_resv *resv)
{
	return (struct iommu_iova_range){
		.start = resv->start,
		.last = resv->start + resv->length - 1,
	};
}

bool region_counts(const struct model_dev *dev,
		   const struct iommu_test_resv *resv)
{
	if (resv->type == MOCK_RESV_SW_MSI)
		return !dev->has_window;
	return resv->type != MOCK_RESV_DIRECT_RELAXABLE;
}

struct iommu_iova_range above(bool low)
{
	return (struct iommu_iova_range){
		.start = (low ? (__u64)MOCK_APERTURE_LOW_LAST : APERTURE_LAST) +
			 1,
		.last = ~0UL,
	};
}

/* A range that a device would take away, against all that can be there */
static void model_claim(struct model *m, const struct model_dev *dev,
			const struct iommu_iova_range *range, __u32 type,
			const struct model_set *plan, struct model_conflicts *c)
{
	bool outside = type == IOMMU_RESV_REGION_NONE;
	struct model_blame blame = {
		.kind = outside ? IOMMU_IOVA_CONFLICT_APERTURE :
				  IOMMU_IOVA_CONFLICT_MAPPED,
		.type = type,
		.dev = dev,
		.range_index = IOMMU_IOVA_CONFLICT_NO_RANGE,
	};

	model_conflict_set(c, blame, range, &m->maps, false);
	if (!outside)
		blame.kind = IOMMU_IOVA_CONFLICT_RESERVED;
	model_conflict_set(c, blame, range, plan, true);
	blame.kind = IOMMU_IOVA_CONFLICT_ALLOWED;
	model_conflict_set(c, blame, range, &m->allowed, false);
}

void model_device(struct model *m, struct model_dev *dev,
		  const struct model_set *plan, struct model_conflicts *c)
{
	struct iommu_iova_range outside = above(dev->low);
	struct model_blame blame = {
		.kind = IOMMU_IOVA_CONFLICT_ALIGNMENT,
		.type = IOMMU_RESV_REGION_NONE,
		.dev = dev,
		.range_index = IOMMU_IOVA_CONFLICT_NO_RANGE,
	};
	unsigned int i;

	for (i = 0; i != m->maps.num; i++) {
		struct iommu_iova_range *map = &m->maps.ranges[i];

		if ((map->start | (map->last + 1)) % (PAGE_SIZE / 2))
			model_conflict_add(c, blame, map, map);
	}
	for (i = 0; i != dev->num_regions; i++) {
		struct iommu_iova_range range = region_range(&dev->regions[i]);

		if (region_counts(dev, &dev->regions[i]))
			model_claim(m, dev, &range, dev->regions[i].type, plan,
				    c);
	}
	model_claim(m, dev, &outside, IOMMU_RESV_REGION_NONE, plan, c);
	if (!dev->has_window)
		return;
	blame.type = IOMMU_RESV_REGION_SW_MSI;
	model_claim(m, dev, &dev->window, blame.type, plan, c);
	blame.kind = IOMMU_IOVA_CONFLICT_APERTURE;
	model_conflict_add(c, blame, &dev->window, &outside);
	blame.kind = IOMMU_IOVA_CONFLICT_WINDOW;
	for (i = 0; i != NUM_DEVS; i++) {
		struct model_dev *other = &m->devs[i];
		unsigned int j;

		if (!other->attached || !other->has_window ||
		    same_range(&other->window, &dev->window))
			continue;
		/* Once for each window */
		for (j = 0; j != i; j++)
			if (m->devs[j].attached && m->devs[j].has_window &&
			    same_range(&m->devs[j].window, &other->window))
				break;
		if (j == i)
			model_conflict_add(c, blame, &dev->window,
					   &other->window);
	}
}

/* Some device is attached: then the IOAS has a page size */
bool model_aligns(struct model *m)
{
	unsigned int i;

	for (i = 0; i != NUM_DEVS; i++)
		if (m->devs[i].attached)
			return true;
	return false;
}

/* Is there a HWPT with a low aperture */
bool model_low(struct model *m)
{
	unsigned int i;

	for (i = 0; i != NUM_DEVS; i++)
		if (m->devs[i].attached && m->devs[i].hwpt_low)
			return true;
	return false;
}

/* @aligned: there is or would be a page size */
void model_map(struct model *m, const struct iommu_iova_range *map, __u32 index,
	       bool aligned, struct model_conflicts *c)
{
	struct iommu_iova_range outside = above(true);
	struct model_blame blame = {
		.type = IOMMU_RESV_REGION_NONE,
		.range_index = index,
	};
	unsigned int i, j;

	blame.kind = IOMMU_IOVA_CONFLICT_ALIGNMENT;
	if (aligned && (map->start | (map->last + 1)) % (PAGE_SIZE / 2))
		model_conflict_add(c, blame, map, map);
	blame.kind = IOMMU_IOVA_CONFLICT_MAPPED;
	model_conflict_set(c, blame, map, &m->maps, false);
	blame.kind = IOMMU_IOVA_CONFLICT_HOLE;
	model_conflict_set(c, blame, map, &m->holes, false);
	blame.kind = IOMMU_IOVA_CONFLICT_APERTURE;
	for (i = 0; i != NUM_DEVS; i++) {
		struct model_dev *dev = &m->devs[i];

		/* Once for each HWPT */
		if (!dev->attached || !dev->hwpt_low)
			continue;
		for (j = 0; j != i; j++)
			if (m->devs[j].attached &&
			    m->devs[j].hwpt_id == dev->hwpt_id)
				break;
		if (j == i)
			model_conflict_add(c, blame, map, &outside);
	}
	blame.kind = IOMMU_IOVA_CONFLICT_RESERVED;
	for (i = 0; i != NUM_DEVS; i++) {
		struct model_dev *dev = &m->devs[i];

		if (!dev->attached)
			continue;
		blame.dev = dev;
		for (j = 0; j != dev->num_regions; j++) {
			struct iommu_iova_range range =
				region_range(&dev->regions[j]);

			blame.type = dev->regions[j].type;
			if (region_counts(dev, &dev->regions[j]))
				model_conflict_add(c, blame, map, &range);
		}
		blame.type = IOMMU_RESV_REGION_SW_MSI;
		if (dev->has_window)
			model_conflict_add(c, blame, map, &dev->window);
	}
}

static int conflict_cmp(const void *a, const void *b)
{
	const struct iommu_iova_conflict *ca = a, *cb = b;

	if (ca->start != cb->start)
		return ca->start < cb->start ? -1 : 1;
	if (ca->kind != cb->kind)
		return ca->kind < cb->kind ? -1 : 1;
	if (ca->last != cb->last)
		return ca->last < cb->last ? -1 : 1;
	/* The kernel leaves the order of these open */
	if (ca->range_index != cb->range_index)
		return ca->range_index < cb->range_index ? -1 : 1;
	if (ca->dev_id != cb->dev_id)
		return ca->dev_id < cb->dev_id ? -1 : 1;
	return (int)ca->region_type - (int)cb->region_type;
}

static void conflict_print(const char *who,
			   const struct iommu_iova_conflict *c)
{
	ksft_print_msg("%s: %u %#llx-%#llx type %d dev %u group %d range %d\n",
		       who, c->kind, (unsigned long long)c->start,
		       (unsigned long long)c->last, (int)c->region_type,
		       c->dev_id, (int)c->group_id, (int)c->range_index);
}

/* The dry run says what the model says, in the promised order */
void model_compare(struct __test_metadata *_metadata, struct model *m,
		   struct model_conflicts *c, struct resv_check *check)
{
	unsigned int i;

	for (i = 1; i < check->num; i++) {
		struct iommu_iova_conflict *prev = &check->conflicts[i - 1];
		struct iommu_iova_conflict *next = &check->conflicts[i];

		ASSERT_TRUE(prev->start < next->start ||
			    (prev->start == next->start &&
			     (prev->kind < next->kind ||
			      (prev->kind == next->kind &&
			       prev->last <= next->last))))
			TH_LOG("step %u", m->step);
	}
	qsort(c->list, c->num, sizeof(c->list[0]), conflict_cmp);
	qsort(check->conflicts, check->num, sizeof(c->list[0]), conflict_cmp);
	if (c->num != check->num ||
	    memcmp(c->list, check->conflicts, c->num * sizeof(c->list[0]))) {
		for (i = 0; i != c->num; i++)
			conflict_print("model", &c->list[i]);
		for (i = 0; i != check->num; i++)
			conflict_print("kernel", &check->conflicts[i]);
		ASSERT_TRUE(false)
			TH_LOG("step %u", m->step);
	}
	m->num_conflicts += c->num;
	m->num_refused += !!c->num;
}

void model_attached(struct model *m, struct model_dev *dev)
{
	unsigned int i;

	dev->hwpt_low = dev->low;
	for (i = 0; i != NUM_DEVS; i++)
		if (m->devs[i].attached && m->devs[i].hwpt_id == dev->hwpt_id)
			dev->hwpt_low = m->devs[i].hwpt_low;
	dev->attached = true;
}
