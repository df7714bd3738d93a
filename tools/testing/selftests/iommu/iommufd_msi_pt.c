// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each test runs with every kind of thing a device can be attached to, in all
 * places where the domain is replaced.
 */
#include "iommufd_msi_test.h"

#define NUM_PTS 3

enum pt_kind {
	/* Automatic HWPTs, each in an IOAS of its own */
	PT_KIND_IOAS,
	/* HWPTs in one IOAS */
	PT_KIND_HWPT,
	/* HWPTs, each in an IOAS of its own */
	PT_KIND_HWPT_IOAS,
	/* Nested HWPTs with one parent */
	PT_KIND_NESTED,
	/* Nested HWPTs with different parents in one IOAS */
	PT_KIND_NESTED_PARENT,
	/* Nested HWPTs with different parents in different IOASes */
	PT_KIND_NESTED_IOAS,
	/* An IOAS, a nested HWPT in it, and its parent */
	PT_KIND_MIXED,
};

FIXTURE(iommufd_msi_pt)
{
	int fd;
	struct msi_model *md;
	/* To attach to */
	int pt[NUM_PTS];
	/* A device that is never attached */
	int maker;
};

FIXTURE_VARIANT(iommufd_msi_pt)
{
	enum pt_kind kind;
};

FIXTURE_VARIANT_ADD(iommufd_msi_pt, ioas)
{
	.kind = PT_KIND_IOAS,
};

FIXTURE_VARIANT_ADD(iommufd_msi_pt, hwpt)
{
	.kind = PT_KIND_HWPT,
};

FIXTURE_VARIANT_ADD(iommufd_msi_pt, hwpt_ioas)
{
	.kind = PT_KIND_HWPT_IOAS,
};

FIXTURE_VARIANT_ADD(iommufd_msi_pt, nested)
{
	.kind = PT_KIND_NESTED,
};

FIXTURE_VARIANT_ADD(iommufd_msi_pt, nested_parent)
{
	.kind = PT_KIND_NESTED_PARENT,
};

FIXTURE_VARIANT_ADD(iommufd_msi_pt, nested_ioas)
{
	.kind = PT_KIND_NESTED_IOAS,
};

FIXTURE_VARIANT_ADD(iommufd_msi_pt, mixed)
{
	.kind = PT_KIND_MIXED,
};

static void make_mixed(struct __test_metadata *_metadata, struct msi_model *md,
		       int maker, int *pt)
{
	int ioas = model_ioas_alloc(_metadata, md);

	pt[0] = PT_IOAS(ioas);
	pt[1] = make_nested(_metadata, md, maker, ioas);
	pt[2] = md->hwpts[pt[1]].parent;
}

static void make_pts(struct __test_metadata *_metadata, struct msi_model *md,
		     enum pt_kind kind, int maker, int *pt)
{
	int i, ioas = -1, parent = -1;

	if (kind == PT_KIND_MIXED) {
		make_mixed(_metadata, md, maker, pt);
		return;
	}

	for (i = 0; i != NUM_PTS; i++) {
		if (i == 0 || kind == PT_KIND_IOAS ||
		    kind == PT_KIND_HWPT_IOAS || kind == PT_KIND_NESTED_IOAS)
			ioas = model_ioas_alloc(_metadata, md);
		if (kind == PT_KIND_IOAS) {
			pt[i] = PT_IOAS(ioas);
		} else if (kind == PT_KIND_HWPT || kind == PT_KIND_HWPT_IOAS) {
			ASSERT_EQ(0, model_hwpt_alloc(_metadata, md, maker,
						      ioas, 0, &pt[i]));
		} else if (kind == PT_KIND_NESTED && i) {
			ASSERT_EQ(0, model_nested_alloc(_metadata, md, maker,
							parent, &pt[i]));
		} else {
			pt[i] = make_nested(_metadata, md, maker, ioas);
			parent = md->hwpts[pt[i]].parent;
		}
	}
}

FIXTURE_SETUP(iommufd_msi_pt)
{
	const char *reason;

	self->md = NULL;
	reason = model_open(&self->fd);
	if (reason)
		SKIP(return, "%s", reason);
	self->md = model_new(self->fd);
	ASSERT_EQ(0, bind_plain(_metadata, self->md, 0, &self->maker));
	make_pts(_metadata, self->md, variant->kind, self->maker, self->pt);
}

FIXTURE_TEARDOWN(iommufd_msi_pt)
{
	free(self->md);
	teardown_iommufd(self->fd, _metadata);
}

/* One device, through its whole life */
TEST_F(iommufd_msi_pt, lifecycle)
{
	int dev, before, attached, detached;

	ASSERT_EQ(0, m_bind_default(-1, &dev));

	ASSERT_EQ(0, m_prepare(dev, doorbell(0), &before));
	ASSERT_EQ(0, m_attach(dev, self->pt[0]));
	ASSERT_EQ(0, m_prepare(dev, doorbell(1), &attached));
	ASSERT_EQ(0, m_swap(dev, self->pt[1]));
	ASSERT_EQ(0, m_swap(dev, self->pt[2]));
	ASSERT_EQ(0, m_swap(dev, self->pt[0]));
	/* To where it is already */
	ASSERT_EQ(0, m_swap(dev, self->pt[0]));

	ASSERT_EQ(0, m_detach(dev));
	ASSERT_EQ(0, m_prepare(dev, doorbell(2), &detached));
	ASSERT_EQ(0, m_attach(dev, self->pt[1]));
	ASSERT_EQ(0, m_unprepare(before));
	ASSERT_EQ(0, m_swap(dev, self->pt[2]));
	ASSERT_EQ(0, m_unprepare(detached));
	ASSERT_EQ(0, m_detach(dev));
	ASSERT_EQ(0, m_unprepare(attached));
	ASSERT_EQ(0, m_attach(dev, self->pt[0]));
	ASSERT_EQ(0, m_destroy(dev));
}

/* A page stays as long as one of two groups needs it there */
TEST_F(iommufd_msi_pt, two_groups)
{
	int a, b, irq_a[2], irq_b[2];

	ASSERT_EQ(0, m_bind_default(-1, &a));
	ASSERT_EQ(0, m_bind_default(-1, &b));
	ASSERT_EQ(0, m_attach(a, self->pt[0]));
	ASSERT_EQ(0, m_prepare(a, doorbell(0), &irq_a[0]));
	ASSERT_EQ(0, m_prepare(b, doorbell(0), &irq_b[0]));
	ASSERT_EQ(0, m_prepare(b, doorbell(1), &irq_b[1]));
	ASSERT_EQ(0, m_attach(b, self->pt[0]));
	ASSERT_EQ(0, m_prepare(a, doorbell(2), &irq_a[1]));

	ASSERT_EQ(0, m_swap(a, self->pt[1]));
	ASSERT_EQ(0, m_swap(b, self->pt[1]));
	ASSERT_EQ(0, m_unprepare(irq_a[0]));
	ASSERT_EQ(0, m_swap(b, self->pt[2]));
	ASSERT_EQ(0, m_detach(a));
	ASSERT_EQ(0, m_prepare(a, doorbell(0), &irq_a[0]));
	ASSERT_EQ(0, m_unprepare(irq_b[0]));
	ASSERT_EQ(0, m_attach(a, self->pt[2]));
	ASSERT_EQ(0, m_destroy(b));
	ASSERT_EQ(0, m_swap(a, self->pt[0]));
	ASSERT_EQ(0, m_destroy(a));
}

/* Every slot of the window, and one more doorbell */
TEST_F(iommufd_msi_pt, full_window)
{
	unsigned int slots = WINDOW_LENGTH / PAGE_SIZE;
	int irqs[WINDOW_LENGTH / 4096], irq, dev;
	unsigned int i;

	ASSERT_EQ(0, m_bind_default(-1, &dev));
	self->md->quiet = true;
	for (i = 0; i != slots / 2; i++)
		ASSERT_EQ(0, m_prepare(dev, doorbell(i), &irqs[i]));
	ASSERT_EQ(0, m_attach(dev, self->pt[0]));
	for (; i != slots; i++)
		ASSERT_EQ(0, m_prepare(dev, doorbell(i), &irqs[i]));
	self->md->quiet = false;

	ASSERT_EQ(-ENOSPC, m_prepare(dev, doorbell(slots), &irq));
	/* A page that is there needs no slot */
	ASSERT_EQ(0, m_prepare(dev, doorbell(3) + 4, &irq));
	ASSERT_EQ(0, m_swap(dev, self->pt[1]));
	ASSERT_EQ(-ENOSPC, m_prepare(dev, doorbell(slots), &irq));
	ASSERT_EQ(0, m_unprepare(irqs[slots - 1]));
	ASSERT_EQ(0, m_unprepare(irqs[1]));
	ASSERT_EQ(0, m_prepare(dev, doorbell(slots), &irqs[1]));
	ASSERT_EQ(0, m_swap(dev, self->pt[2]));
	ASSERT_EQ(0, m_prepare(dev, doorbell(slots + 1), &irq));
	ASSERT_EQ(-ENOSPC, m_prepare(dev, doorbell(slots + 2), &irq));
	ASSERT_EQ(0, m_detach(dev));
	ASSERT_EQ(-ENOSPC, m_prepare(dev, doorbell(slots + 2), &irq));
	ASSERT_EQ(0, m_attach(dev, self->pt[1]));
	ASSERT_EQ(0, m_destroy(dev));
}

/* Slots are reused, the lowest first */
TEST_F(iommufd_msi_pt, slot_reuse)
{
	int dev, irqs[4], i;

	ASSERT_EQ(0, m_bind_window(-1, WINDOW_START, 4, &dev));
	ASSERT_EQ(0, m_attach(dev, self->pt[0]));
	for (i = 0; i != 4; i++)
		ASSERT_EQ(0, m_prepare(dev, doorbell(i), &irqs[i]));
	ASSERT_EQ(0, m_unprepare(irqs[2]));
	ASSERT_EQ(0, m_unprepare(irqs[0]));
	ASSERT_EQ(0, m_prepare(dev, doorbell(4), &irqs[0]));
	ASSERT_EQ(WINDOW_START + 0x40, self->md->irqs[irqs[0]].addr);
	ASSERT_EQ(0, m_swap(dev, self->pt[1]));
	ASSERT_EQ(0, m_prepare(dev, doorbell(5), &irqs[2]));
	ASSERT_EQ(WINDOW_START + 2 * PAGE_SIZE + 0x40,
		  self->md->irqs[irqs[2]].addr);
	for (i = 0; i != 4; i++)
		ASSERT_EQ(0, m_unprepare(irqs[i]));
}

/* Doorbells in one page share it, the low bits are kept */
TEST_F(iommufd_msi_pt, same_page)
{
	int dev, irqs[3];

	ASSERT_EQ(0, m_bind_default(-1, &dev));
	ASSERT_EQ(0, m_attach(dev, self->pt[0]));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), &irqs[0]));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0) - 0x40, &irqs[1]));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0) - 0x44 + PAGE_SIZE, &irqs[2]));
	ASSERT_EQ(WINDOW_START + PAGE_SIZE - 4, self->md->irqs[irqs[2]].addr);
	ASSERT_EQ(0, m_unprepare(irqs[0]));
	ASSERT_EQ(0, m_swap(dev, self->pt[1]));
	ASSERT_EQ(0, m_unprepare(irqs[2]));
	ASSERT_EQ(0, m_unprepare(irqs[1]));
}

/*
 * Two devices of one group, each taking these steps, in every order of the
 * steps of both. After each step the domain of the group is replaced.
 */
enum sibling_step {
	STEP_ATTACH,
	STEP_PREPARE,
	STEP_UNPREPARE,
	STEP_DETACH,
	STEP_DESTROY,
};

struct sibling {
	int dev;
	int irq;
	const enum sibling_step *next;
};

struct siblings {
	struct sibling sib[2];
	/* What the group is attached to, index into pt */
	int cur;
};

static void sibling_step(struct __test_metadata *_metadata,
			 struct msi_model *md, const int *pt,
			 struct siblings *pair, struct sibling *sib)
{
	switch (*sib->next++) {
	case STEP_ATTACH:
		ASSERT_EQ(0, model_attach(_metadata, md, sib->dev,
					  pt[pair->cur]));
		break;
	case STEP_PREPARE:
		ASSERT_EQ(0, model_prepare(_metadata, md, sib->dev,
					   doorbell(0), &sib->irq));
		break;
	case STEP_UNPREPARE:
		ASSERT_EQ(0, model_unprepare(_metadata, md, sib->irq));
		break;
	case STEP_DETACH:
		ASSERT_EQ(0, model_detach(_metadata, md, sib->dev));
		break;
	case STEP_DESTROY:
		ASSERT_EQ(0, model_destroy(_metadata, md, sib->dev));
		break;
	}
}

static void siblings_swap(struct __test_metadata *_metadata,
			  struct msi_model *md, const int *pt,
			  struct siblings *pair)
{
	int i;

	for (i = 0; i != 2; i++) {
		int dev = pair->sib[i].dev;

		if (!md->devs[dev].present || !md->devs[dev].attached)
			continue;
		pair->cur = (pair->cur + 1) % NUM_PTS;
		ASSERT_EQ(0, model_swap(_metadata, md, dev, pt[pair->cur]));
		return;
	}
}

/* A bit of @order that is set is a step of the second device */
static void siblings_run(struct __test_metadata *_metadata,
			 struct msi_model *md, const int *pt,
			 unsigned int order, unsigned int nsteps,
			 const enum sibling_step *steps_a,
			 const enum sibling_step *steps_b)
{
	struct siblings pair = {
		.sib = { { .next = steps_a }, { .next = steps_b } },
	};
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	unsigned int i;

	ASSERT_EQ(0, bind_region(_metadata, md, -1, 0, resv, &pair.sib[0].dev));
	ASSERT_EQ(0, bind_region(_metadata, md, pair.sib[0].dev, 0, resv,
				 &pair.sib[1].dev));
	for (i = 0; i != nsteps; i++) {
		sibling_step(_metadata, md, pt, &pair,
			     &pair.sib[(order >> i) & 1]);
		siblings_swap(_metadata, md, pt, &pair);
	}
	for (i = 0; i != 2; i++) {
		if (!md->devs[pair.sib[i].dev].present)
			continue;
		ASSERT_EQ(0, model_destroy(_metadata, md, pair.sib[i].dev));
	}
}

static void siblings_run_all(struct __test_metadata *_metadata,
			     struct msi_model *md, const int *pt,
			     const enum sibling_step *steps_a,
			     const enum sibling_step *steps_b)
{
	unsigned int order;

	for (order = 0; order != 1 << 8; order++)
		if (__builtin_popcount(order) == 4)
			siblings_run(_metadata, md, pt, order, 8, steps_a,
				     steps_b);
}

static const enum sibling_step sibling_whole[] = {
	STEP_ATTACH, STEP_PREPARE, STEP_UNPREPARE, STEP_DETACH
};

static const enum sibling_step sibling_early[] = {
	STEP_PREPARE, STEP_ATTACH, STEP_DETACH, STEP_UNPREPARE
};

static const enum sibling_step sibling_abrupt[] = {
	STEP_PREPARE, STEP_ATTACH, STEP_PREPARE, STEP_DESTROY
};

TEST_F(iommufd_msi_pt, siblings)
{
	siblings_run_all(_metadata, self->md, self->pt, sibling_whole,
			 sibling_whole);
}

TEST_F(iommufd_msi_pt, siblings_early)
{
	siblings_run_all(_metadata, self->md, self->pt, sibling_early,
			 sibling_whole);
}

TEST_F(iommufd_msi_pt, siblings_abrupt)
{
	siblings_run_all(_metadata, self->md, self->pt, sibling_abrupt,
			 sibling_early);
}

/* Two windows in one iommufd, the same doorbells in both */
TEST_F(iommufd_msi_pt, two_windows)
{
	int a, b, irqs_a[4], irqs_b[4], irq, i;

	ASSERT_EQ(0, m_bind_window(-1, WINDOW_START, 4, &a));
	ASSERT_EQ(0, m_bind_window(-1, WINDOW_START + 4 * PAGE_SIZE, 3, &b));
	ASSERT_EQ(0, m_attach(a, self->pt[0]));
	for (i = 0; i != 4; i++)
		ASSERT_EQ(0, m_prepare(a, doorbell(i), &irqs_a[i]));
	for (i = 3; i != 0; i--)
		ASSERT_EQ(0, m_prepare(b, doorbell(i), &irqs_b[i]));
	ASSERT_EQ(-ENOSPC, m_prepare(a, doorbell(5), &irq));
	ASSERT_EQ(-ENOSPC, m_prepare(b, doorbell(5), &irq));
	ASSERT_EQ(0, m_attach(b, self->pt[0]));
	ASSERT_EQ(-ENOSPC, m_prepare(b, doorbell(5), &irq));
	ASSERT_EQ(0, m_swap(a, self->pt[1]));
	ASSERT_EQ(0, m_unprepare(irqs_a[2]));
	ASSERT_EQ(-ENOSPC, m_prepare(b, doorbell(5), &irq));
	ASSERT_EQ(0, m_swap(b, self->pt[1]));
	ASSERT_EQ(0, m_prepare(a, doorbell(5), &irq));
	ASSERT_EQ(0, m_destroy(a));
	ASSERT_EQ(0, m_swap(b, self->pt[2]));
}

/* The file is closed with everything in use */
TEST_F(iommufd_msi_pt, close)
{
	int a, b, c, i;

	ASSERT_EQ(0, m_bind_default(-1, &a));
	ASSERT_EQ(0, m_bind_default(a, &b));
	ASSERT_EQ(0, m_bind_default(-1, &c));
	for (i = 0; i != 8; i++) {
		ASSERT_EQ(0, m_prepare(a, doorbell(i), NULL));
		ASSERT_EQ(0, m_prepare(b, doorbell(i + 4), NULL));
		ASSERT_EQ(0, m_prepare(c, doorbell(i + 1), NULL));
	}
	ASSERT_EQ(0, m_attach(a, self->pt[0]));
	ASSERT_EQ(0, m_attach(b, self->pt[0]));
	ASSERT_EQ(0, m_attach(c, self->pt[1]));
}
