// SPDX-License-Identifier: GPL-2.0-only
/*
 * What follows from the state of the model, and whether the kernel shows it. See
 * iommufd_msi_model.h.
 */
#include <stdint.h>

#include "iommufd_msi_model.h"
#include "iommufd_sizes.h"

__u64 model_page_of(__u64 doorbell)
{
	return doorbell & ~(__u64)(PAGE_SIZE - 1);
}

bool model_overlap(__u64 start_a, __u64 length_a, __u64 start_b, __u64 length_b)
{
	return start_a <= start_b + (length_b - 1) &&
	       start_b <= start_a + (length_a - 1);
}

/* The paging HWPT of a group, -1 if it is not attached */
int model_paging(struct msi_model *md, int group)
{
	int hwpt = md->groups[group].hwpt;

	if (hwpt >= 0 && md->hwpts[hwpt].parent >= 0)
		return md->hwpts[hwpt].parent;
	return hwpt;
}

int model_ioas_of(struct msi_model *md, int group)
{
	int hwpt = model_paging(md, group);

	return hwpt < 0 ? -1 : md->hwpts[hwpt].ioas;
}

int model_slot(struct msi_model *md, int window, __u64 doorbell)
{
	struct model_window *w = &md->windows[window];
	unsigned int i;

	for (i = 0; i != w->nslots; i++)
		if (w->slots[i] == doorbell)
			return i;
	return -1;
}

/* Does an interrupt of this group use this doorbell page? How many do? */
static unsigned int model_needs(struct msi_model *md, int group, __u64 page)
{
	unsigned int i, n = 0;

	for (i = 0; i != MODEL_IRQS; i++)
		if (md->irqs[i].present &&
		    md->devs[md->irqs[i].dev].group == group &&
		    model_page_of(md->irqs[i].doorbell) == page)
			n++;
	return n;
}

/* The groups that need a page */
unsigned int model_needers(struct msi_model *md, int window, __u64 page,
			   unsigned int *users)
{
	unsigned int i, n = 0;

	*users = 0;
	for (i = 0; i != MODEL_GROUPS; i++) {
		unsigned int count;

		if (!md->groups[i].ndevs || md->groups[i].window != window)
			continue;
		count = model_needs(md, i, page);
		*users += count;
		n += !!count;
	}
	return n;
}

/* Does this paging HWPT hold this page? */
bool model_holds(struct msi_model *md, int hwpt, int window, __u64 page)
{
	unsigned int i;

	for (i = 0; i != MODEL_GROUPS; i++)
		if (md->groups[i].ndevs && md->groups[i].window == window &&
		    model_paging(md, i) == hwpt && model_needs(md, i, page))
			return true;
	return false;
}

/* Is part of a range reserved in an IOAS by a device that is attached? */
bool model_reserved(struct msi_model *md, int ioas, __u64 start, __u64 length)
{
	unsigned int i, j;

	for (i = 0; i != MODEL_DEVS; i++) {
		struct model_dev *dev = &md->devs[i];

		if (!dev->present || !dev->attached ||
		    model_ioas_of(md, dev->group) != ioas)
			continue;
		for (j = 0; j != dev->nresv; j++)
			if (dev->resv[j].type != MOCK_RESV_DIRECT_RELAXABLE &&
			    model_overlap(start, length, dev->resv[j].start,
					  dev->resv[j].length))
				return true;
	}
	return false;
}

static void model_check_page(struct __test_metadata *_metadata,
			     struct msi_model *md, int window, int slot)
{
	struct model_window *w = &md->windows[window];
	__u64 iova = w->base + (__u64)slot * PAGE_SIZE;
	struct msi_table_page *page = NULL;
	unsigned int i, j, users, nhwpts = 0;

	for (i = 0; i != md->table.npages; i++) {
		struct msi_table_page *cur = &md->table.pages[i];

		if (cur->window->start == w->start &&
		    cur->window->last == w->start + w->length - 1 &&
		    cur->iova == iova && cur->doorbell == w->slots[slot])
			page = cur;
	}
	MODEL_TRUE(page);

	MODEL_EQ(model_needers(md, window, w->slots[slot], &users),
		 page->groups);
	MODEL_EQ(users, page->users);

	for (i = 0; i != MODEL_HWPTS; i++) {
		if (!md->hwpts[i].present || md->hwpts[i].parent >= 0 ||
		    !model_holds(md, i, window, w->slots[slot]))
			continue;
		nhwpts++;
		for (j = 0; j != page->nhwpts; j++)
			if (page->hwpts[j] == md->hwpts[i].id)
				break;
		MODEL_TRUE(j != page->nhwpts);
	}
	MODEL_EQ(nhwpts, page->nhwpts);
}

static void model_check_window(struct __test_metadata *_metadata,
			       struct msi_model *md, int window,
			       unsigned int groups, unsigned int used)
{
	struct model_window *w = &md->windows[window];
	struct msi_table_window *seen = NULL;
	unsigned int i;

	for (i = 0; i != md->table.nwindows; i++)
		if (md->table.windows[i].start == w->start &&
		    md->table.windows[i].last == w->start + w->length - 1)
			seen = &md->table.windows[i];
	MODEL_EQ(!!groups, !!seen);
	if (!seen)
		return;
	MODEL_EQ(w->nslots, seen->slots);
	MODEL_EQ(used, seen->used);
	MODEL_EQ(groups, seen->groups);
}

static void model_check_table(struct __test_metadata *_metadata,
			      struct msi_model *md)
{
	unsigned int nwindows = 0, npages = 0;
	unsigned int i, j;

	MODEL_EQ(0, msi_table_read(md->fd, &md->table));

	for (i = 0; i != md->nwindows; i++) {
		unsigned int groups = 0, used = 0;

		for (j = 0; j != MODEL_GROUPS; j++)
			groups += md->groups[j].ndevs &&
				  md->groups[j].window == (int)i;
		for (j = 0; j != md->windows[i].nslots; j++) {
			if (md->windows[i].slots[j] == MODEL_FREE)
				continue;
			model_check_page(_metadata, md, i, j);
			used++;
		}
		model_check_window(_metadata, md, i, groups, used);
		nwindows += !!groups;
		npages += used;
	}
	MODEL_EQ(nwindows, md->table.nwindows);
	MODEL_EQ(npages, md->table.npages);
}

static int model_pte_cmp(const void *key, const void *elm)
{
	const struct iommu_test_pte *pte = elm;
	const __u64 *iova = key;

	if (*iova < pte->iova)
		return -1;
	return *iova > pte->iova;
}

static struct iommu_test_pte *model_pte(struct msi_model *md, unsigned int num,
					__u64 iova)
{
	return bsearch(&iova, md->ptes, num, sizeof(md->ptes[0]),
		       model_pte_cmp);
}

/* Both halves of a page, see struct iommu_test_pte */
static void model_check_msi_ptes(struct __test_metadata *_metadata,
				 struct msi_model *md, unsigned int num,
				 __u64 iova, __u64 phys)
{
	__u64 off;

	for (off = 0; off != PAGE_SIZE; off += PAGE_SIZE / 2) {
		struct iommu_test_pte *pte = model_pte(md, num, iova + off);

		MODEL_TRUE(pte);
		MODEL_EQ(phys + off, pte->phys);
		MODEL_EQ(MSI_PROT, pte->prot);
	}
}

/* A paging HWPT maps what is expected and nothing else */
static void model_check_hwpt(struct __test_metadata *_metadata,
			     struct msi_model *md, int hwpt)
{
	struct model_ioas *ioas = &md->ioases[md->hwpts[hwpt].ioas];
	__u32 num = MODEL_PTES, expected = 0;
	unsigned int i, j;
	__u64 off;

	MODEL_EQ(0, _test_cmd_md_ptes(md->fd, md->hwpts[hwpt].id, 0, 1ULL << 48,
				      md->ptes, &num));

	for (i = 0; i != md->nwindows; i++) {
		struct model_window *w = &md->windows[i];

		for (j = 0; j != w->nslots; j++) {
			if (w->slots[j] == MODEL_FREE ||
			    !model_holds(md, hwpt, i, w->slots[j]))
				continue;
			model_check_msi_ptes(_metadata, md, num,
					     w->base + j * PAGE_SIZE,
					     w->slots[j]);
			expected += 2;
		}
	}
	for (i = 0; i != ioas->nmaps; i++) {
		struct model_map *map = &ioas->maps[i];

		for (off = 0; off != map->length; off += PAGE_SIZE / 2) {
			MODEL_TRUE(model_pte(md, num, map->iova + off));
			expected++;
		}
	}
	MODEL_EQ(expected, num);
}

/* Windows are left out of the IOVA ranges while they are used, only then */
static void model_check_ranges(struct __test_metadata *_metadata,
			       struct msi_model *md, int ioas)
{
	struct iommu_iova_range ranges[64];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = md->ioases[ioas].id,
		.num_iovas = 64,
		.allowed_iovas = (uintptr_t)ranges,
	};
	unsigned int i, j;

	MODEL_EQ(0, ioctl(md->fd, IOMMU_IOAS_IOVA_RANGES, &cmd));
	for (i = 0; i != md->nwindows; i++) {
		struct model_window *w = &md->windows[i];
		bool touched = false, inside = false;

		for (j = 0; j != cmd.num_iovas; j++) {
			__u64 last = w->start + w->length - 1;

			if (ranges[j].start <= last &&
			    ranges[j].last >= w->start)
				touched = true;
			if (ranges[j].start <= w->start &&
			    ranges[j].last >= last)
				inside = true;
		}
		if (!model_reserved(md, ioas, w->start, w->length)) {
			if (!md->ioases[ioas].narrow)
				MODEL_TRUE(inside);
			continue;
		}
		MODEL_EQ(false, inside);
		/* Another window may only overlap with this one */
		for (j = 0; j != MODEL_GROUPS; j++)
			if (md->groups[j].ndevs &&
			    md->groups[j].window == (int)i &&
			    model_ioas_of(md, j) == ioas)
				MODEL_EQ(false, touched);
	}
}

void model_check(struct __test_metadata *_metadata, struct msi_model *md)
{
	unsigned int i;

	if (md->quiet)
		return;
	model_check_table(_metadata, md);
	for (i = 0; i != MODEL_HWPTS; i++)
		if (md->hwpts[i].present && md->hwpts[i].parent < 0)
			model_check_hwpt(_metadata, md, i);
	for (i = 0; i != md->nioases; i++)
		model_check_ranges(_metadata, md, i);
}
