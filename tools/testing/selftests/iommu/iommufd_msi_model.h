/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of what an iommufd does with MSI.
 *
 * The model holds what user space has done: which mock devices there are, in
 * which groups, attached to what, with which interrupts. Everything else follows
 * from that: which doorbell has which IOVA, which HWPT maps it, what is reserved
 * in which IOAS. Each model_*() call does one thing to the kernel, does the same
 * to the model if the kernel says that it has succeeded, and nothing if it has
 * failed, and then compares all that the kernel shows (fdinfo, page tables, IOVA
 * ranges, message addresses) with what follows from the model. They return 0 or
 * a negative errno.
 *
 * So a test only needs to say what it does and which calls shall fail. That a
 * failed call changes nothing is checked on the way.
 */
#ifndef __SELFTEST_IOMMUFD_MSI_MODEL
#define __SELFTEST_IOMMUFD_MSI_MODEL

#include <stdbool.h>
#include <stdarg.h>
#include <fcntl.h>

#include "iommufd_msi_utils.h"

#define MODEL_WINDOWS 8
#define MODEL_SLOTS 512
#define MODEL_GROUPS 300
#define MODEL_DEVS 300
#define MODEL_HWPTS 600
#define MODEL_IOASES 4
#define MODEL_IRQS 1024
#define MODEL_MAPS 16
#define MODEL_RESVS 4
#define MODEL_PTES (4 * MODEL_SLOTS)

/* A slot without a doorbell */
#define MODEL_FREE (~0ULL)
/* What to attach to if it is an IOAS and not a HWPT */
#define PT_IOAS(ioas) (~(ioas))

#define MSI_PROT (MOCK_PTE_WRITE | MOCK_PTE_NOEXEC | MOCK_PTE_MMIO)

struct model_window {
	__u64 start;
	__u64 length;
	/* IOVA of slot 0: only whole pages are slots */
	__u64 base;
	unsigned int nslots;
	/* Doorbell page or MODEL_FREE */
	__u64 slots[MODEL_SLOTS];
};

struct model_group {
	unsigned int ndevs;
	/* Index into windows, -1 if doorbells are not translated */
	int window;
	/* Index into hwpts, -1 if not attached */
	int hwpt;
	/* Whether a domain with dirty tracking cannot be attached */
	bool no_dirty;
};

struct model_dev {
	bool present;
	bool attached;
	__u32 stdev_id;
	__u32 idev_id;
	int group;
	struct iommu_test_resv resv[MODEL_RESVS];
	unsigned int nresv;
};

struct model_hwpt {
	bool present;
	bool automatic;
	bool dirty;
	__u32 id;
	int ioas;
	/* Index of the parent of a nested HWPT, -1 for a paging one */
	int parent;
	/* Attached devices */
	unsigned int users;
};

struct model_map {
	__u64 iova;
	__u64 length;
};

struct model_ioas {
	__u32 id;
	/* A domain in it has a smaller aperture than usual */
	bool narrow;
	unsigned int nmaps;
	struct model_map maps[MODEL_MAPS];
};

struct model_irq {
	bool present;
	int dev;
	__u32 id;
	__u64 doorbell;
	__u64 addr;
};

struct msi_model {
	int fd;
	/* Do not compare for a while */
	bool quiet;
	/* Where in the test, for messages */
	unsigned int line;
	unsigned int nops;
	char op[128];

	unsigned int nwindows;
	struct model_window windows[MODEL_WINDOWS];
	struct model_group groups[MODEL_GROUPS];
	struct model_dev devs[MODEL_DEVS];
	struct model_hwpt hwpts[MODEL_HWPTS];
	unsigned int nioases;
	struct model_ioas ioases[MODEL_IOASES];
	struct model_irq irqs[MODEL_IRQS];

	/* For comparing */
	struct msi_table table;
	struct iommu_test_pte ptes[MODEL_PTES];
};

#define MODEL_EQ(_expected, _seen)                                        \
	do {                                                              \
		__auto_type __want = (_expected);                         \
		__auto_type __got = (_seen);                              \
									  \
		if (__want != __got)                                      \
			TH_LOG("line %u, operation %u: %s", md->line,     \
			       md->nops, md->op);                         \
		ASSERT_EQ(__want, __got);                                 \
	} while (0)
#define MODEL_TRUE(_seen) MODEL_EQ(true, !!(_seen))

static void model_op(struct msi_model *md, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(md->op, sizeof(md->op), fmt, args);
	va_end(args);
	md->nops++;
	if (getenv("IOMMUFD_MSI_TRACE"))
		printf("# line %u, operation %u: %s\n", md->line, md->nops,
		       md->op);
}

static struct msi_model *model_new(int fd)
{
	struct msi_model *md = calloc(1, sizeof(*md));

	assert(md);
	md->fd = fd;
	return md;
}

/* Open an iommufd, return NULL or what is missing to run the tests */
static const char *model_open(int *fd)
{
	*fd = open("/dev/iommu", O_RDWR);
	if (*fd == -1)
		return "/dev/iommu cannot be opened";
	return msi_missing(*fd);
}

/* What follows from the state */

static __u64 model_page_of(__u64 doorbell)
{
	return doorbell & ~(__u64)(PAGE_SIZE - 1);
}

static bool model_overlap(__u64 start_a, __u64 length_a, __u64 start_b,
			  __u64 length_b)
{
	return start_a <= start_b + (length_b - 1) &&
	       start_b <= start_a + (length_a - 1);
}

/* The paging HWPT of a group, -1 if it is not attached */
static int model_paging(struct msi_model *md, int group)
{
	int hwpt = md->groups[group].hwpt;

	if (hwpt >= 0 && md->hwpts[hwpt].parent >= 0)
		return md->hwpts[hwpt].parent;
	return hwpt;
}

static int model_ioas_of(struct msi_model *md, int group)
{
	int hwpt = model_paging(md, group);

	return hwpt < 0 ? -1 : md->hwpts[hwpt].ioas;
}

static int model_slot(struct msi_model *md, int window, __u64 doorbell)
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
static unsigned int model_needers(struct msi_model *md, int window, __u64 page,
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
static bool model_holds(struct msi_model *md, int hwpt, int window, __u64 page)
{
	unsigned int i;

	for (i = 0; i != MODEL_GROUPS; i++)
		if (md->groups[i].ndevs && md->groups[i].window == window &&
		    model_paging(md, i) == hwpt && model_needs(md, i, page))
			return true;
	return false;
}

/* Is part of a range reserved in an IOAS by a device that is attached? */
static bool model_reserved(struct msi_model *md, int ioas, __u64 start,
			   __u64 length)
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

/* Comparing */

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

static void model_check(struct __test_metadata *_metadata,
			struct msi_model *md)
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

/* Doing */

static int model_window_get(struct __test_metadata *_metadata,
			    struct msi_model *md, __u64 start, __u64 length)
{
	struct model_window *w;
	unsigned int i;

	for (i = 0; i != md->nwindows; i++)
		if (md->windows[i].start == start &&
		    md->windows[i].length == length)
			return i;
	MODEL_TRUE(md->nwindows != MODEL_WINDOWS);
	w = &md->windows[md->nwindows];
	w->start = start;
	w->length = length;
	w->base = model_page_of(start + PAGE_SIZE - 1);
	if (w->base - start < length)
		w->nslots = (length - (w->base - start)) / PAGE_SIZE;
	MODEL_TRUE(w->nslots <= MODEL_SLOTS);
	for (i = 0; i != w->nslots; i++)
		w->slots[i] = MODEL_FREE;
	return md->nwindows++;
}

/* The window of a group is that of its first device */
static int model_choose_window(struct __test_metadata *_metadata,
			       struct msi_model *md,
			       const struct mock_device_args *args)
{
	int window = -1;
	__u32 i;

	for (i = 0; i != args->resv_num; i++)
		if (args->resv[i].type == MOCK_RESV_MSI)
			return -1;
	for (i = 0; i != args->resv_num; i++)
		if (args->resv[i].type == MOCK_RESV_SW_MSI)
			window = model_window_get(_metadata, md,
						  args->resv[i].start,
						  args->resv[i].length);
	return window;
}

static int model_new_group(struct __test_metadata *_metadata,
			   struct msi_model *md,
			   const struct mock_device_args *args)
{
	int i;

	for (i = 0; i != MODEL_GROUPS; i++)
		if (!md->groups[i].ndevs)
			break;
	MODEL_TRUE(i != MODEL_GROUPS);
	md->groups[i].window = model_choose_window(_metadata, md, args);
	md->groups[i].hwpt = -1;
	md->groups[i].no_dirty = args->flags & MOCK_FLAGS_DEVICE_NO_DIRTY;
	return i;
}

static __u32 model_pt_id(struct msi_model *md, int pt)
{
	return pt < 0 ? md->ioases[~pt].id : md->hwpts[pt].id;
}

static int model_errno(int ret)
{
	return ret ? -errno : 0;
}

static int model_ioas_alloc(struct __test_metadata *_metadata,
			    struct msi_model *md)
{
	MODEL_TRUE(md->nioases != MODEL_IOASES);
	MODEL_EQ(0, _test_ioctl_ioas_alloc(md->fd,
					   &md->ioases[md->nioases].id));
	return md->nioases++;
}

/* @sibling is a device to share the group with, or -1 */
static int model_bind(struct __test_metadata *_metadata, struct msi_model *md,
		      int sibling, const struct mock_device_args *_args,
		      int *out_dev)
{
	struct mock_device_args args = *_args;
	struct model_dev *dev;
	int i, rc;

	for (i = 0; i != MODEL_DEVS; i++)
		if (!md->devs[i].present)
			break;
	MODEL_TRUE(i != MODEL_DEVS);
	MODEL_TRUE(args.resv_num <= MODEL_RESVS);
	dev = &md->devs[i];
	model_op(md, "bind dev %d sibling %d", i, sibling);

	if (sibling >= 0)
		args.group_stdev_id = md->devs[sibling].stdev_id;
	rc = model_errno(_test_cmd_mock_device(md->fd, 0, &args, &dev->stdev_id,
					       NULL, &dev->idev_id));
	if (!rc) {
		dev->group = sibling >= 0 ?
				     md->devs[sibling].group :
				     model_new_group(_metadata, md, &args);
		md->groups[dev->group].ndevs++;
		dev->present = true;
		dev->attached = false;
		dev->nresv = args.resv_num;
		memcpy(dev->resv, args.resv,
		       args.resv_num * sizeof(args.resv[0]));
		*out_dev = i;
	}
	model_check(_metadata, md);
	return rc;
}

/* Bind a device that has one region */
static int bind_region(struct __test_metadata *_metadata, struct msi_model *md,
		       int sibling, __u32 flags, struct iommu_test_resv resv,
		       int *dev)
{
	struct mock_device_args args = {
		.flags = flags,
		.resv = &resv,
		.resv_num = 1,
	};

	return model_bind(_metadata, md, sibling, &args, dev);
}

static int model_hwpt_add(struct __test_metadata *_metadata,
			  struct msi_model *md, __u32 id, int ioas, int parent)
{
	int i;

	for (i = 0; i != MODEL_HWPTS; i++)
		if (!md->hwpts[i].present)
			break;
	MODEL_TRUE(i != MODEL_HWPTS);
	md->hwpts[i] = (struct model_hwpt){
		.present = true,
		.id = id,
		.ioas = ioas,
		.parent = parent,
	};
	return i;
}

static int model_hwpt_alloc(struct __test_metadata *_metadata,
			    struct msi_model *md, int dev, int ioas,
			    __u32 flags, int *out_hwpt)
{
	__u32 id = 0;
	int rc;

	model_op(md, "alloc hwpt for dev %d ioas %d flags %x", dev, ioas,
		 flags);
	rc = model_errno(_test_cmd_hwpt_alloc(md->fd, md->devs[dev].idev_id,
					      md->ioases[ioas].id, 0, flags,
					      &id, IOMMU_HWPT_DATA_NONE, NULL,
					      0));
	if (!rc) {
		*out_hwpt = model_hwpt_add(_metadata, md, id, ioas, -1);
		md->hwpts[*out_hwpt].dirty =
			flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	}
	model_check(_metadata, md);
	return rc;
}

static int model_nested_alloc(struct __test_metadata *_metadata,
			      struct msi_model *md, int dev, int parent,
			      int *out_hwpt)
{
	struct iommu_hwpt_selftest data = {
		.iotlb = IOMMU_TEST_IOTLB_DEFAULT,
	};
	__u32 id = 0;
	int rc;

	model_op(md, "alloc nested hwpt for dev %d parent %d", dev, parent);
	rc = _test_cmd_hwpt_alloc(md->fd, md->devs[dev].idev_id,
				  md->hwpts[parent].id, 0, 0, &id,
				  IOMMU_HWPT_DATA_SELFTEST, &data,
				  sizeof(data));
	rc = model_errno(rc);
	if (!rc)
		*out_hwpt = model_hwpt_add(_metadata, md, id,
					   md->hwpts[parent].ioas, parent);
	model_check(_metadata, md);
	return rc;
}

static int model_hwpt_destroy(struct __test_metadata *_metadata,
			      struct msi_model *md, int hwpt)
{
	int rc;

	model_op(md, "destroy hwpt %d", hwpt);
	rc = model_errno(_test_ioctl_destroy(md->fd, md->hwpts[hwpt].id));
	if (!rc)
		md->hwpts[hwpt].present = false;
	model_check(_metadata, md);
	return rc;
}

/* What an attach or replace to @pt led to */
static int model_hwpt_of_id(struct __test_metadata *_metadata,
			    struct msi_model *md, int pt, __u32 id)
{
	int i;

	if (pt >= 0) {
		MODEL_EQ(md->hwpts[pt].id, id);
		return pt;
	}
	for (i = 0; i != MODEL_HWPTS; i++)
		if (md->hwpts[i].present && md->hwpts[i].id == id)
			break;
	if (i == MODEL_HWPTS) {
		i = model_hwpt_add(_metadata, md, id, ~pt, -1);
		md->hwpts[i].automatic = true;
	}
	MODEL_TRUE(md->hwpts[i].automatic);
	MODEL_EQ(~pt, md->hwpts[i].ioas);
	return i;
}

static unsigned int model_attached(struct msi_model *md, int group)
{
	unsigned int i, n = 0;

	for (i = 0; i != MODEL_DEVS; i++)
		n += md->devs[i].present && md->devs[i].attached &&
		     md->devs[i].group == group;
	return n;
}

/* An automatic HWPT goes with its last device */
static void model_hwpt_put(struct msi_model *md, int hwpt, unsigned int users)
{
	md->hwpts[hwpt].users -= users;
	if (!md->hwpts[hwpt].users && md->hwpts[hwpt].automatic)
		md->hwpts[hwpt].present = false;
}

static int model_attach(struct __test_metadata *_metadata,
			struct msi_model *md, int dev, int pt)
{
	struct model_group *group = &md->groups[md->devs[dev].group];
	__u32 id = 0;
	int rc;

	model_op(md, "attach dev %d pt %d", dev, pt);
	rc = _test_cmd_mock_device_attach(md->fd, md->devs[dev].stdev_id,
					  model_pt_id(md, pt), &id);
	rc = model_errno(rc);
	if (!rc) {
		int hwpt = model_hwpt_of_id(_metadata, md, pt, id);

		MODEL_TRUE(group->hwpt == -1 || group->hwpt == hwpt);
		group->hwpt = hwpt;
		md->hwpts[hwpt].users++;
		md->devs[dev].attached = true;
	}
	model_check(_metadata, md);
	return rc;
}

static int model_swap(struct __test_metadata *_metadata, struct msi_model *md,
		      int dev, int pt)
{
	struct model_group *group = &md->groups[md->devs[dev].group];
	__u32 id = 0;
	int rc;

	model_op(md, "swap dev %d pt %d", dev, pt);
	rc = _test_cmd_mock_domain_replace(md->fd, md->devs[dev].stdev_id,
					   model_pt_id(md, pt), &id);
	rc = model_errno(rc);
	if (!rc) {
		unsigned int users = model_attached(md, md->devs[dev].group);
		int hwpt = model_hwpt_of_id(_metadata, md, pt, id);
		int old = group->hwpt;

		group->hwpt = hwpt;
		md->hwpts[hwpt].users += users;
		model_hwpt_put(md, old, users);
	}
	model_check(_metadata, md);
	return rc;
}

static void model_dev_detached(struct msi_model *md, int dev)
{
	struct model_group *group = &md->groups[md->devs[dev].group];
	int hwpt = group->hwpt;

	if (!md->devs[dev].attached)
		return;
	md->devs[dev].attached = false;
	if (!model_attached(md, md->devs[dev].group))
		group->hwpt = -1;
	model_hwpt_put(md, hwpt, 1);
}

static int model_detach(struct __test_metadata *_metadata,
			struct msi_model *md, int dev)
{
	int rc;

	model_op(md, "detach dev %d", dev);
	rc = model_errno(_test_cmd_mock_device_detach(md->fd,
						      md->devs[dev].stdev_id));
	if (!rc)
		model_dev_detached(md, dev);
	model_check(_metadata, md);
	return rc;
}

static int model_free_slot(struct msi_model *md, int window)
{
	return model_slot(md, window, MODEL_FREE);
}

/* What the device has to be told, and a slot if the page has none yet */
static __u64 model_place(struct __test_metadata *_metadata,
			 struct msi_model *md, int window, __u64 doorbell)
{
	__u64 page = model_page_of(doorbell);
	int slot;

	if (window < 0)
		return doorbell;
	slot = model_slot(md, window, page);
	if (slot < 0) {
		slot = model_free_slot(md, window);
		MODEL_TRUE(slot >= 0);
		md->windows[window].slots[slot] = page;
	}
	return md->windows[window].base + (__u64)slot * PAGE_SIZE +
	       (doorbell - page);
}

static int model_prepare(struct __test_metadata *_metadata,
			 struct msi_model *md, int dev, __u64 doorbell,
			 int *out_irq)
{
	struct model_irq *irq;
	int i, rc;

	for (i = 0; i != MODEL_IRQS; i++)
		if (!md->irqs[i].present)
			break;
	MODEL_TRUE(i != MODEL_IRQS);
	irq = &md->irqs[i];

	model_op(md, "prepare irq %d of dev %d doorbell %llx", i, dev,
		 (unsigned long long)doorbell);
	rc = model_errno(_test_cmd_msi_prepare(md->fd, md->devs[dev].stdev_id,
					       doorbell, &irq->addr, &irq->id));
	if (!rc) {
		int window = md->groups[md->devs[dev].group].window;

		MODEL_EQ(model_place(_metadata, md, window, doorbell),
			 irq->addr);
		irq->present = true;
		irq->dev = dev;
		irq->doorbell = doorbell;
		if (out_irq)
			*out_irq = i;
	}
	model_check(_metadata, md);
	return rc;
}

/* A page that nobody needs has no slot */
static void model_irq_gone(struct msi_model *md, int irq)
{
	int window = md->groups[md->devs[md->irqs[irq].dev].group].window;
	__u64 page = model_page_of(md->irqs[irq].doorbell);
	unsigned int users;

	md->irqs[irq].present = false;
	if (window >= 0 && !model_needers(md, window, page, &users))
		md->windows[window].slots[model_slot(md, window, page)] =
			MODEL_FREE;
}

static int model_unprepare(struct __test_metadata *_metadata,
			   struct msi_model *md, int irq)
{
	__u32 stdev_id = md->devs[md->irqs[irq].dev].stdev_id;
	int rc;

	model_op(md, "unprepare irq %d", irq);
	rc = model_errno(_test_cmd_msi_unprepare(md->fd, stdev_id,
						 md->irqs[irq].id));
	if (!rc)
		model_irq_gone(md, irq);
	model_check(_metadata, md);
	return rc;
}

/* Ends everything of the device */
static int model_destroy(struct __test_metadata *_metadata,
			 struct msi_model *md, int dev)
{
	int i, rc;

	model_op(md, "destroy dev %d", dev);
	rc = model_errno(_test_ioctl_destroy(md->fd, md->devs[dev].stdev_id));
	if (!rc) {
		for (i = 0; i != MODEL_IRQS; i++)
			if (md->irqs[i].present && md->irqs[i].dev == dev)
				model_irq_gone(md, i);
		model_dev_detached(md, dev);
		md->groups[md->devs[dev].group].ndevs--;
		md->devs[dev].present = false;
	}
	model_check(_metadata, md);
	return rc;
}

static int model_map(struct __test_metadata *_metadata, struct msi_model *md,
		     int _ioas, __u64 iova, __u64 length)
{
	struct model_ioas *ioas = &md->ioases[_ioas];
	__u64 out_iova = iova;
	int rc;

	MODEL_TRUE(ioas->nmaps != MODEL_MAPS);
	model_op(md, "map ioas %d iova %llx length %llx", _ioas,
		 (unsigned long long)iova, (unsigned long long)length);
	rc = _test_ioctl_ioas_map(md->fd, ioas->id, buffer, length, &out_iova,
				  IOMMU_IOAS_MAP_FIXED_IOVA |
					  IOMMU_IOAS_MAP_WRITEABLE |
					  IOMMU_IOAS_MAP_READABLE);
	rc = model_errno(rc);
	if (!rc)
		ioas->maps[ioas->nmaps++] = (struct model_map){
			.iova = iova,
			.length = length,
		};
	model_check(_metadata, md);
	return rc;
}

static int model_unmap(struct __test_metadata *_metadata, struct msi_model *md,
		       int _ioas, unsigned int map)
{
	struct model_ioas *ioas = &md->ioases[_ioas];
	int rc;

	model_op(md, "unmap ioas %d iova %llx", _ioas,
		 (unsigned long long)ioas->maps[map].iova);
	rc = model_errno(_test_ioctl_ioas_unmap(md->fd, ioas->id,
						ioas->maps[map].iova,
						ioas->maps[map].length, NULL));
	if (!rc)
		ioas->maps[map] = ioas->maps[--ioas->nmaps];
	model_check(_metadata, md);
	return rc;
}

/* For use in tests, where self->md is the model */
static struct msi_model *model_here(struct msi_model *md, unsigned int line)
{
	md->line = line;
	return md;
}

#define MODEL_HERE(md) model_here(md, __LINE__)
#define m_ioas() model_ioas_alloc(_metadata, MODEL_HERE(self->md))
#define m_bind(...) model_bind(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_hwpt(...) \
	model_hwpt_alloc(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_nested(...) \
	model_nested_alloc(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_hwpt_destroy(hwpt) \
	model_hwpt_destroy(_metadata, MODEL_HERE(self->md), hwpt)
#define m_attach(...) model_attach(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_swap(...) model_swap(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_detach(dev) model_detach(_metadata, MODEL_HERE(self->md), dev)
#define m_prepare(...) \
	model_prepare(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_unprepare(irq) model_unprepare(_metadata, MODEL_HERE(self->md), irq)
#define m_destroy(dev) model_destroy(_metadata, MODEL_HERE(self->md), dev)
#define m_map(...) model_map(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_unmap(...) model_unmap(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_check() model_check(_metadata, MODEL_HERE(self->md))

#endif
