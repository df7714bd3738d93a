// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the table that gives the MSI doorbells of an iommufd their IOVAs.
 *
 * They need no hardware: mock devices have MSI windows of any place and size,
 * and interrupts at any doorbell. What is expected is not written down here but
 * in iommufd_msi_model.h, which compares all there is to see after each step.
 *
 * After every step of every test it has to be true that
 *
 * - a doorbell has one IOVA in all HWPTs of an iommufd
 * - a HWPT holds what its groups need and nothing else
 * - the window is reserved while a page of it is mapped
 * - doorbells are mapped write-only, not executable, as device memory
 * - the table can be seen in fdinfo
 * - what has failed has left everything as it was
 *
 * IOMMUFD_MSI_TRACE=1 prints each step, IOMMUFD_MSI_STEPS= and IOMMUFD_MSI_SEED=
 * change the length and the seed of the random test.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/capability.h>

#include "iommufd_msi_model.h"

static __attribute__((constructor)) void setup_sizes(void)
{
	PAGE_SIZE = sysconf(_SC_PAGE_SIZE);
	BUFFER_SIZE = PAGE_SIZE * 16;
	buffer = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(buffer != MAP_FAILED);
}

/* @pages is the length of the window, @sibling -1 or a device of the group */
#define m_bind_window(sibling, start, pages, dev)                          \
	bind_region(_metadata, MODEL_HERE(self->md), sibling, 0,           \
		    region(MOCK_RESV_SW_MSI, start, (pages) * PAGE_SIZE), dev)
#define m_bind_default(sibling, dev)                              \
	m_bind_window(sibling, WINDOW_START, WINDOW_LENGTH / PAGE_SIZE, dev)

/* A device without any region, to allocate HWPTs for */
static int bind_plain(struct __test_metadata *_metadata, struct msi_model *md,
		      __u32 flags, int *dev)
{
	struct mock_device_args args = { .flags = flags };

	return model_bind(_metadata, md, -1, &args, dev);
}

/*
 * Each test of this fixture runs with every kind of thing a device can be
 * attached to, in all places where the domain is replaced.
 */
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

static int make_nested(struct __test_metadata *_metadata, struct msi_model *md,
		       int maker, int ioas)
{
	int parent, nested;

	ASSERT_EQ(0, model_hwpt_alloc(_metadata, md, maker, ioas,
				      IOMMU_HWPT_ALLOC_NEST_PARENT, &parent));
	ASSERT_EQ(0, model_nested_alloc(_metadata, md, maker, parent,
					&nested));
	return nested;
}

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

FIXTURE(iommufd_msi)
{
	int fd;
	struct msi_model *md;
	int maker;
	int ioas[2];
};

FIXTURE_SETUP(iommufd_msi)
{
	const char *reason;

	self->md = NULL;
	reason = model_open(&self->fd);
	if (reason)
		SKIP(return, "%s", reason);
	self->md = model_new(self->fd);
	ASSERT_EQ(0, bind_plain(_metadata, self->md, 0, &self->maker));
	self->ioas[0] = m_ioas();
	self->ioas[1] = m_ioas();
}

FIXTURE_TEARDOWN(iommufd_msi)
{
	free(self->md);
	teardown_iommufd(self->fd, _metadata);
}

/* The window of a group that is attached is nobody else's */
TEST_F(iommufd_msi, reserved)
{
	__u64 window_end = WINDOW_START + WINDOW_LENGTH;
	int ioas = self->ioas[0], dev;

	ASSERT_EQ(0, m_bind_default(-1, &dev));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), NULL));

	/* What is mapped already keeps the group out */
	ASSERT_EQ(0, m_map(ioas, window_end - PAGE_SIZE, PAGE_SIZE));
	ASSERT_EQ(-EADDRINUSE, m_attach(dev, PT_IOAS(ioas)));
	ASSERT_EQ(0, m_attach(dev, PT_IOAS(self->ioas[1])));
	ASSERT_EQ(-EADDRINUSE, m_swap(dev, PT_IOAS(ioas)));
	ASSERT_EQ(0, m_unmap(ioas, 0));
	ASSERT_EQ(0, m_swap(dev, PT_IOAS(ioas)));

	/* And the group keeps out what comes later */
	ASSERT_EQ(-EINVAL, m_map(ioas, WINDOW_START, PAGE_SIZE));
	ASSERT_EQ(-EINVAL, m_map(ioas, window_end - PAGE_SIZE, 2 * PAGE_SIZE));
	ASSERT_EQ(-EINVAL,
		  m_map(ioas, WINDOW_START - PAGE_SIZE, 2 * PAGE_SIZE));
	ASSERT_EQ(0, m_map(ioas, WINDOW_START - PAGE_SIZE, PAGE_SIZE));
	ASSERT_EQ(0, m_map(ioas, window_end, PAGE_SIZE));
	ASSERT_EQ(0, m_map(self->ioas[1], WINDOW_START, PAGE_SIZE));

	/* Until it leaves */
	ASSERT_EQ(0, m_detach(dev));
	ASSERT_EQ(0, m_map(ioas, WINDOW_START, PAGE_SIZE));
	ASSERT_EQ(-EADDRINUSE, m_attach(dev, PT_IOAS(ioas)));
}

/* A manual HWPT stays when the group leaves it, its pages do not */
TEST_F(iommufd_msi, reserved_hwpt)
{
	int dev, hwpt[2];

	ASSERT_EQ(0, m_bind_default(-1, &dev));
	ASSERT_EQ(0, m_hwpt(dev, self->ioas[0], 0, &hwpt[0]));
	ASSERT_EQ(0, m_hwpt(dev, self->ioas[0], 0, &hwpt[1]));
	ASSERT_EQ(0, m_attach(dev, hwpt[0]));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), NULL));
	ASSERT_EQ(0, m_swap(dev, hwpt[1]));
	ASSERT_EQ(-EINVAL, m_map(self->ioas[0], WINDOW_START, PAGE_SIZE));
	ASSERT_EQ(0, m_detach(dev));
	/* Would meet a page that has been left behind */
	ASSERT_EQ(0, m_map(self->ioas[0], WINDOW_START, PAGE_SIZE));
	ASSERT_EQ(0, m_unmap(self->ioas[0], 0));
	ASSERT_EQ(0, m_attach(dev, hwpt[0]));
	ASSERT_EQ(0, m_hwpt_destroy(hwpt[1]));
}

/* The window is reserved as long as one device of the group is there */
TEST_F(iommufd_msi, reserved_siblings)
{
	int a, b;

	ASSERT_EQ(0, m_bind_default(-1, &a));
	ASSERT_EQ(0, m_bind_default(a, &b));
	ASSERT_EQ(0, m_prepare(a, doorbell(0), NULL));
	ASSERT_EQ(0, m_attach(a, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(0, m_attach(b, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(0, m_detach(a));
	ASSERT_EQ(-EINVAL, m_map(self->ioas[0], WINDOW_START, PAGE_SIZE));
	ASSERT_EQ(0, m_attach(a, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(0, m_destroy(b));
	ASSERT_EQ(-EINVAL, m_map(self->ioas[0], WINDOW_START, PAGE_SIZE));
	ASSERT_EQ(0, m_destroy(a));
	ASSERT_EQ(0, m_map(self->ioas[0], WINDOW_START, PAGE_SIZE));
}

static void swap_refused(struct __test_metadata *_metadata,
			 struct msi_model *md, int dev, const int *pt, int ioas)
{
	int i;

	for (i = 0; i != 2; i++) {
		ASSERT_EQ(-EINVAL, model_swap(_metadata, md, dev, pt[i]));
		ASSERT_EQ(-EINVAL, model_map(_metadata, md, ioas, WINDOW_START,
					     PAGE_SIZE));
	}
}

/* A HWPT that the device cannot be attached to */
TEST_F(iommufd_msi, incompatible)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	int dev, sibling, other, good, bad[2], i;

	ASSERT_EQ(0, bind_region(_metadata, self->md, -1,
				 MOCK_FLAGS_DEVICE_NO_DIRTY, resv, &dev));
	ASSERT_EQ(0, bind_region(_metadata, self->md, dev,
				 MOCK_FLAGS_DEVICE_NO_DIRTY, resv, &sibling));
	ASSERT_EQ(0, m_bind_default(-1, &other));
	ASSERT_EQ(0, m_hwpt(dev, self->ioas[0], 0, &good));
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, m_hwpt(self->maker, self->ioas[i],
				    IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &bad[i]));

	/* Attach */
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), NULL));
	ASSERT_EQ(-EINVAL, m_attach(dev, bad[0]));
	ASSERT_EQ(0, m_prepare(other, doorbell(0), NULL));
	ASSERT_EQ(0, m_attach(other, bad[0]));
	ASSERT_EQ(-EINVAL, m_attach(dev, bad[0]));
	/* It would keep the window reserved */
	ASSERT_EQ(0, m_detach(other));

	/* Replace inside the IOAS and by another one, alone and with a sibling */
	ASSERT_EQ(0, m_attach(dev, good));
	swap_refused(_metadata, self->md, dev, bad, self->ioas[0]);
	ASSERT_EQ(-EINVAL, m_attach(sibling, bad[0]));
	ASSERT_EQ(0, m_attach(sibling, good));
	swap_refused(_metadata, self->md, dev, bad, self->ioas[0]);
	ASSERT_EQ(0, m_map(self->ioas[1], WINDOW_START, PAGE_SIZE));

	/* And it still works */
	ASSERT_EQ(0, m_prepare(sibling, doorbell(1), NULL));
	ASSERT_EQ(0, m_unmap(self->ioas[1], 0));
	ASSERT_EQ(0, m_swap(dev, PT_IOAS(self->ioas[1])));
}

/* Two windows that overlap and are not the same exclude each other in an IOAS */
TEST_F(iommufd_msi, overlapping_windows)
{
	static const struct {
		__u64 offset;
		unsigned int pages;
	} others[] = {
		{ 0, 16 },	/* contains */
		{ 1, 2 },	/* is contained */
		{ 7, 8 },	/* overlaps at the end */
	};
	unsigned int i;
	int a, b;

	for (i = 0; i != ARRAY_SIZE(others); i++) {
		__u64 start = WINDOW_START + others[i].offset * PAGE_SIZE;

		ASSERT_EQ(0, m_bind_window(-1, WINDOW_START, 8, &a));
		ASSERT_EQ(0, m_bind_window(-1, start, others[i].pages, &b));
		ASSERT_EQ(0, m_prepare(a, doorbell(0), NULL));
		ASSERT_EQ(0, m_prepare(b, doorbell(0), NULL));
		ASSERT_EQ(0, m_prepare(b, doorbell(1), NULL));

		ASSERT_EQ(0, m_attach(a, PT_IOAS(self->ioas[0])));
		ASSERT_EQ(-EADDRINUSE, m_attach(b, PT_IOAS(self->ioas[0])));
		ASSERT_EQ(0, m_attach(b, PT_IOAS(self->ioas[1])));
		ASSERT_EQ(-EADDRINUSE, m_swap(b, PT_IOAS(self->ioas[0])));
		ASSERT_EQ(-EADDRINUSE, m_swap(a, PT_IOAS(self->ioas[1])));
		ASSERT_EQ(0, m_detach(b));
		ASSERT_EQ(0, m_swap(a, PT_IOAS(self->ioas[1])));
		ASSERT_EQ(-EADDRINUSE, m_attach(b, PT_IOAS(self->ioas[1])));
		ASSERT_EQ(0, m_attach(b, PT_IOAS(self->ioas[0])));
		ASSERT_EQ(0, m_destroy(b));
		ASSERT_EQ(0, m_destroy(a));
	}
}

/* Only pages that are in the window as a whole are slots */
TEST_F(iommufd_msi, odd_windows)
{
	const struct {
		__u64 start;
		__u64 length;
		unsigned int slots;
		int attach;
	} windows[] = {
		{ WINDOW_START + PAGE_SIZE / 2, 3 * PAGE_SIZE, 2, 0 },
		{ WINDOW_START, 2 * PAGE_SIZE + PAGE_SIZE / 2, 2, 0 },
		{ WINDOW_START, PAGE_SIZE / 2, 0, 0 },
		{ WINDOW_START + 1, 1, 0, 0 },
		/* Up to the last address there is */
		{ -2 * PAGE_SIZE, 2 * PAGE_SIZE, 2, -EADDRNOTAVAIL },
		{ -1ULL, 1, 0, -EADDRNOTAVAIL },
	};
	unsigned int i, j;
	int dev, irq;

	for (i = 0; i != ARRAY_SIZE(windows); i++) {
		struct iommu_test_resv resv = region(MOCK_RESV_SW_MSI,
						     windows[i].start,
						     windows[i].length);

		ASSERT_EQ(0, bind_region(_metadata, self->md, -1, 0, resv,
					 &dev));
		for (j = 0; j != windows[i].slots; j++)
			ASSERT_EQ(0, m_prepare(dev, doorbell(j), &irq));
		ASSERT_EQ(-ENOSPC, m_prepare(dev, doorbell(j), &irq));
		ASSERT_EQ(windows[i].attach,
			  m_attach(dev, PT_IOAS(self->ioas[0])));
		ASSERT_EQ(-ENOSPC, m_prepare(dev, doorbell(j), &irq));
		ASSERT_EQ(0, m_destroy(dev));
	}
}

/* The first and the last page of memory as doorbells */
TEST_F(iommufd_msi, odd_doorbells)
{
	int dev;

	ASSERT_EQ(0, m_bind_default(-1, &dev));
	ASSERT_EQ(0, m_prepare(dev, -4ULL, NULL));
	ASSERT_EQ(0, m_attach(dev, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(0, m_prepare(dev, 0, NULL));
	ASSERT_EQ(0, m_swap(dev, PT_IOAS(self->ioas[1])));
}

/* With a hardware region the doorbells are not translated */
TEST_F(iommufd_msi, hardware_msi)
{
	struct iommu_test_resv both[] = {
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH),
		region(MOCK_RESV_MSI, 0x1f000000, 0x10000),
	};
	struct mock_device_args args = { .resv = both, .resv_num = 2 };
	int dev, sibling, irq;

	ASSERT_EQ(0, m_bind(-1, &args, &dev));
	/* A device with a window in a group that has none */
	ASSERT_EQ(0, m_bind_default(dev, &sibling));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), &irq));
	ASSERT_EQ(doorbell(0), self->md->irqs[irq].addr);
	ASSERT_EQ(0, m_attach(dev, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(0, m_attach(sibling, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(0, m_prepare(dev, doorbell(1), NULL));
	ASSERT_EQ(0, m_prepare(sibling, doorbell(0), NULL));
	ASSERT_EQ(-EINVAL, m_map(self->ioas[0], 0x1f000000, PAGE_SIZE));
	ASSERT_EQ(0, m_swap(dev, PT_IOAS(self->ioas[1])));
	ASSERT_EQ(0, m_unprepare(irq));
	ASSERT_EQ(0, m_detach(dev));
	ASSERT_EQ(0, m_detach(sibling));
}

/* A device with no MSI region at all */
TEST_F(iommufd_msi, no_window)
{
	int dev, irq;

	ASSERT_EQ(0, bind_plain(_metadata, self->md, 0, &dev));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), &irq));
	ASSERT_EQ(doorbell(0), self->md->irqs[irq].addr);
	ASSERT_EQ(0, m_attach(dev, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), NULL));
	ASSERT_EQ(0, m_swap(dev, PT_IOAS(self->ioas[1])));
	ASSERT_EQ(0, m_unprepare(irq));
}

/* The aperture does not hold the window, or a page is too large for it */
TEST_F(iommufd_msi, low_aperture)
{
	int dev, maker, hwpt;

	ASSERT_EQ(0, bind_plain(_metadata, self->md,
				MOCK_FLAGS_DEVICE_LOW_APERTURE, &maker));
	self->md->ioases[self->ioas[1]].narrow = true;
	ASSERT_EQ(0, m_hwpt(maker, self->ioas[1], 0, &hwpt));

	ASSERT_EQ(0, m_bind_default(-1, &dev));
	ASSERT_EQ(-EADDRNOTAVAIL, m_attach(dev, hwpt));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), NULL));
	ASSERT_EQ(-EADDRNOTAVAIL, m_attach(dev, hwpt));
	ASSERT_EQ(0, m_attach(dev, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(-EADDRNOTAVAIL, m_swap(dev, hwpt));
	ASSERT_EQ(-EINVAL, m_map(self->ioas[0], WINDOW_START, PAGE_SIZE));
	ASSERT_EQ(0, m_prepare(dev, doorbell(1), NULL));
}

TEST_F(iommufd_msi, own_low_aperture)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	int dev;

	self->md->ioases[self->ioas[0]].narrow = true;
	ASSERT_EQ(0, bind_region(_metadata, self->md, -1,
				 MOCK_FLAGS_DEVICE_LOW_APERTURE, resv, &dev));
	ASSERT_EQ(-EADDRNOTAVAIL, m_attach(dev, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), NULL));
	ASSERT_EQ(-EADDRNOTAVAIL, m_attach(dev, PT_IOAS(self->ioas[0])));
}

/* The window ends one page behind the aperture */
TEST_F(iommufd_msi, aperture_end)
{
	__u64 end = (__u64)MOCK_APERTURE_LAST + 1;
	int dev;

	ASSERT_EQ(0, m_bind_window(-1, end - 3 * PAGE_SIZE, 3, &dev));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), NULL));
	ASSERT_EQ(0, m_attach(dev, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(0, m_destroy(dev));

	self->md->ioases[self->ioas[0]].narrow = true;
	ASSERT_EQ(0, m_bind_window(-1, end - 3 * PAGE_SIZE, 4, &dev));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), NULL));
	ASSERT_EQ(-EADDRNOTAVAIL, m_attach(dev, PT_IOAS(self->ioas[0])));
}

TEST_F(iommufd_msi, large_page)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	int dev;

	ASSERT_EQ(0, bind_region(_metadata, self->md, -1,
				 MOCK_FLAGS_DEVICE_LARGE_PAGE, resv, &dev));
	ASSERT_EQ(-EADDRNOTAVAIL, m_attach(dev, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), NULL));
	ASSERT_EQ(-EADDRNOTAVAIL, m_attach(dev, PT_IOAS(self->ioas[0])));
}

/* One doorbell in as many HWPTs as there are groups */
/*
 * The first attach of a domain sets its aperture. As long as nobody knows it
 * the window does not fit, so it can be the first domain but not replace one.
 */
TEST_F(iommufd_msi, late_domain)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	int dev, irq;

	ASSERT_EQ(0, bind_region(_metadata, self->md, -1,
				 MOCK_FLAGS_DEVICE_LATE_DOMAIN, resv, &dev));
	ASSERT_EQ(0, m_attach(dev, PT_IOAS(self->ioas[0])));
	ASSERT_EQ(-EADDRNOTAVAIL, m_swap(dev, PT_IOAS(self->ioas[1])));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), &irq));
	ASSERT_EQ(-EADDRNOTAVAIL, m_swap(dev, PT_IOAS(self->ioas[1])));
	ASSERT_EQ(-EINVAL, m_map(self->ioas[0], WINDOW_START, PAGE_SIZE));

	/* It cannot even be put in an IOAS that has mappings */
	ASSERT_EQ(0, m_map(self->ioas[1], 0x20000000, PAGE_SIZE));
	ASSERT_EQ(-EADDRINUSE, m_swap(dev, PT_IOAS(self->ioas[1])));
	ASSERT_EQ(0, m_prepare(dev, doorbell(1), NULL));

	ASSERT_EQ(0, m_detach(dev));
	ASSERT_EQ(0, m_attach(dev, PT_IOAS(self->ioas[1])));
	ASSERT_EQ(0, m_unprepare(irq));
}

/* The capability is per device */
TEST_F(iommufd_msi, hitless_replace)
{
	uint32_t caps;
	int dev, lossy;

	ASSERT_EQ(0, bind_plain(_metadata, self->md, 0, &dev));
	ASSERT_EQ(0, bind_plain(_metadata, self->md,
				MOCK_FLAGS_DEVICE_LOSSY_REPLACE, &lossy));
	test_cmd_get_hw_capabilities(self->md->devs[dev].idev_id, caps);
	ASSERT_EQ(IOMMU_HW_CAP_HITLESS_REPLACE,
		  caps & IOMMU_HW_CAP_HITLESS_REPLACE);
	test_cmd_get_hw_capabilities(self->md->devs[lossy].idev_id, caps);
	ASSERT_EQ(0, caps & IOMMU_HW_CAP_HITLESS_REPLACE);
}

TEST_F(iommufd_msi, many_hwpts)
{
	enum { NUM = 128 };
	int devs[NUM], hwpts[NUM];
	unsigned int i;

	self->md->quiet = true;
	for (i = 0; i != NUM; i++) {
		ASSERT_EQ(0, m_bind_default(-1, &devs[i]));
		ASSERT_EQ(0, m_hwpt(devs[i], self->ioas[i % 2], 0, &hwpts[i]));
		ASSERT_EQ(0, m_prepare(devs[i], doorbell(i % 8), NULL));
		ASSERT_EQ(0, m_attach(devs[i], hwpts[i]));
		ASSERT_EQ(0, m_prepare(devs[i], doorbell(100), NULL));
	}
	self->md->quiet = false;
	m_check();

	self->md->quiet = true;
	for (i = 0; i != NUM; i++)
		ASSERT_EQ(0, m_swap(devs[i], hwpts[i / 2]));
	for (i = NUM / 2; i != NUM; i++)
		ASSERT_EQ(0, m_hwpt_destroy(hwpts[i]));
	self->md->quiet = false;
	m_check();

	self->md->quiet = true;
	for (i = 0; i != NUM; i++)
		ASSERT_EQ(0, m_destroy(devs[i]));
	self->md->quiet = false;
	m_check();
}

/* Two files know nothing of each other, whichever is closed first */
static void run_two_files(struct __test_metadata *_metadata,
			  struct msi_model *md[2], int first)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	int i, dev[2];

	for (i = 0; i != 2; i++) {
		model_ioas_alloc(_metadata, md[i]);
		ASSERT_EQ(0, bind_region(_metadata, md[i], -1, 0, resv,
					 &dev[i]));
		/* Different slots for the same doorbell */
		if (i) {
			ASSERT_EQ(0, model_prepare(_metadata, md[i], dev[i],
						   doorbell(1), NULL));
		}
		ASSERT_EQ(0, model_prepare(_metadata, md[i], dev[i],
					   doorbell(0), NULL));
		ASSERT_EQ(0, model_attach(_metadata, md[i], dev[i],
					  PT_IOAS(0)));
	}
	ASSERT_NE(md[0]->irqs[0].addr, md[1]->irqs[1].addr);
	model_check(_metadata, md[0]);
	ASSERT_EQ(0, close(md[first]->fd));
	model_check(_metadata, md[!first]);
	ASSERT_EQ(0, model_prepare(_metadata, md[!first], dev[!first],
				   doorbell(2), NULL));
	ASSERT_EQ(0, close(md[!first]->fd));
}

TEST_F(iommufd_msi, two_files)
{
	struct msi_model *md[2];
	int first, i;

	for (first = 0; first != 2; first++) {
		for (i = 0; i != 2; i++) {
			md[i] = model_new(open("/dev/iommu", O_RDWR));
			ASSERT_NE(-1, md[i]->fd);
		}
		run_two_files(_metadata, md, first);
		for (i = 0; i != 2; i++)
			free(md[i]);
	}
}

static int drop_sys_admin(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -1;
	data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &=
		~CAP_TO_MASK(CAP_SYS_ADMIN);
	return syscall(SYS_capset, &header, data);
}

/* Physical addresses are not for everybody */
TEST_F(iommufd_msi, fdinfo_unprivileged)
{
	struct msi_table *table = &self->md->table;
	int dev, status;
	pid_t pid;

	ASSERT_EQ(0, m_bind_default(-1, &dev));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), NULL));
	ASSERT_EQ(0, m_prepare(dev, doorbell(1), NULL));

	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		if (drop_sys_admin() || msi_table_read(self->fd, table))
			_exit(1);
		if (table->nwindows != 1 || table->npages != 2)
			_exit(2);
		if (table->pages[0].doorbell || table->pages[1].doorbell)
			_exit(3);
		_exit(table->pages[0].iova == WINDOW_START ? 0 : 4);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(0, WEXITSTATUS(status));
}

/* Every type of region but the relaxable one is enforced at attach */
TEST_F(iommufd_msi, region_types)
{
	static const struct {
		__u32 type;
		bool enforced;
	} types[] = {
		{ MOCK_RESV_DIRECT, true },
		{ MOCK_RESV_DIRECT_RELAXABLE, false },
		{ MOCK_RESV_RESERVED, true },
		{ MOCK_RESV_MSI, true },
		{ MOCK_RESV_SW_MSI, true },
	};
	unsigned int i;
	int dev;

	for (i = 0; i != ARRAY_SIZE(types); i++) {
		struct iommu_test_resv resv =
			region(types[i].type, 0x20000000, 0x10000);

		ASSERT_EQ(0, bind_region(_metadata, self->md, -1, 0, resv,
					 &dev));
		ASSERT_EQ(0, m_attach(dev, PT_IOAS(self->ioas[0])));
		ASSERT_EQ(types[i].enforced ? -EINVAL : 0,
			  m_map(self->ioas[0], 0x20000000, PAGE_SIZE));
		ASSERT_EQ(0, m_destroy(dev));
		if (types[i].enforced)
			continue;
		ASSERT_EQ(0, m_unmap(self->ioas[0], 0));
	}
}

/* The mock driver itself: what it does not take */
TEST_F(iommufd_msi, mock_device_errors)
{
	struct iommu_test_resv resv[MOCK_RESV_NUM_MAX + 1] = {};
	struct mock_device_args args = { .resv = resv, .resv_num = 1 };

	resv[0] = region(MOCK_RESV_SW_MSI + 1, WINDOW_START, PAGE_SIZE);
	test_err_mock_device(EOPNOTSUPP, 0, &args);
	resv[0] = region(MOCK_RESV_SW_MSI, WINDOW_START, PAGE_SIZE);
	resv[0].prot = ~0U;
	test_err_mock_device(EOPNOTSUPP, 0, &args);
	resv[0] = region(MOCK_RESV_SW_MSI, ~0ULL, 2);
	test_err_mock_device(EOVERFLOW, 0, &args);
	args.resv_num = MOCK_RESV_NUM_MAX + 1;
	test_err_mock_device(E2BIG, 0, &args);
	args.resv_num = 1;
	args.resv = NULL;
	test_err_mock_device(EFAULT, 0, &args);
	args.resv_num = 0;
	args.flags = 1U << 31;
	test_err_mock_device(EINVAL, 0, &args);
	args.flags = 0;
	args.group_stdev_id = ~0U;
	test_err_mock_device(ENOENT, 0, &args);
	args.group_stdev_id = 0;
	test_err_mock_device(ENOENT, ~0U, &args);
	m_check();
}

TEST_F(iommufd_msi, mock_msi_errors)
{
	struct iommu_test_pte pte;
	__u32 stdev_id, num = 1;
	int dev, hwpt, irq;

	ASSERT_EQ(0, m_bind_default(-1, &dev));
	ASSERT_EQ(0, m_hwpt(dev, self->ioas[0], 0, &hwpt));
	stdev_id = self->md->devs[dev].stdev_id;

	test_err_mock_device_detach(EINVAL, stdev_id);
	test_err_mock_device_attach(ENOENT, stdev_id, ~0U);
	test_err_mock_device_attach(ENOENT, ~0U,
				    self->md->hwpts[hwpt].id);
	ASSERT_EQ(0, m_attach(dev, hwpt));
	ASSERT_EQ(-EBUSY, m_attach(dev, hwpt));

	test_err_msi_prepare(ENOENT, ~0U, doorbell(0));
	test_err_msi_unprepare(ENOENT, stdev_id, 1);
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), &irq));
	test_err_msi_unprepare(ENOENT, stdev_id, ~0U);
	test_err_msi_unprepare(ENOENT, ~0U, self->md->irqs[irq].id);
	ASSERT_EQ(0, m_unprepare(irq));
	ASSERT_EQ(-ENOENT, m_unprepare(irq));

	test_err_md_ptes(ENOENT, ~0U, 0, PAGE_SIZE, &pte, &num);
	test_err_md_ptes(EINVAL, self->md->hwpts[hwpt].id, 0, 0, &pte, &num);
	test_err_md_ptes(EINVAL, self->md->hwpts[hwpt].id, 1, PAGE_SIZE, &pte,
			 &num);
	test_err_md_ptes(EOVERFLOW, self->md->hwpts[hwpt].id,
			 ~(__u64)(PAGE_SIZE - 1), 2 * PAGE_SIZE, &pte, &num);
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), &irq));
	test_err_md_ptes(EFAULT, self->md->hwpts[hwpt].id, WINDOW_START,
			 PAGE_SIZE, NULL, &num);
	/* It tells how much room it takes */
	test_cmd_md_ptes(self->md->hwpts[hwpt].id, WINDOW_START, PAGE_SIZE,
			 &pte, &num);
	ASSERT_EQ(2, num);
}

/*
 * One thread sets interrupts up and frees them, another one replaces, attaches
 * and detaches. In the end everything is as if it had happened in order.
 */
#define RACE_IRQS 8

struct race {
	int fd;
	__u32 stdev_id;
	__u32 pt_id[2];
	bool stop;
	__u64 addr[RACE_IRQS];
	__u32 msi_id[RACE_IRQS];
	unsigned long ndone;
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
		race->ndone++;
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

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED))
		race_swap(race);
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
		ASSERT_EQ(0, races[i].error);
		ASSERT_NE(0, races[i].ndone);
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
 * Two groups with windows that overlap, both moved into one IOAS at a time:
 * one of them gets there, never both, and never none.
 */
#define WINDOW_ROUNDS 2000

struct window_race {
	int fd;
	__u32 stdev_id;
	__u32 home;
	__u32 shared;
	/* Once at the start and once at the end of a round */
	pthread_barrier_t *barrier;
	int error;
};

static void *window_race_thread(void *arg)
{
	struct window_race *race = arg;
	unsigned int i;

	for (i = 0; i != WINDOW_ROUNDS; i++) {
		pthread_barrier_wait(race->barrier);
		race->error = 0;
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
	m_check();
}

/*
 * Page faults come from a device, not from the one of its group that was
 * attached first, which may be gone.
 */
FIXTURE(iommufd_iopf_siblings)
{
	int fd;
	struct msi_model *md;
	__u32 fault_id;
	__u32 fault_fd;
	int dev[2];
	int parent;
	int hwpt;
};

static int make_iopf_hwpt(struct __test_metadata *_metadata,
			  struct msi_model *md, int dev, int parent,
			  __u32 fault_id)
{
	struct iommu_hwpt_selftest data = {
		.iotlb = IOMMU_TEST_IOTLB_DEFAULT,
	};
	__u32 id;

	ASSERT_EQ(0, _test_cmd_hwpt_alloc(md->fd, md->devs[dev].idev_id,
					  md->hwpts[parent].id, fault_id,
					  IOMMU_HWPT_FAULT_ID_VALID, &id,
					  IOMMU_HWPT_DATA_SELFTEST, &data,
					  sizeof(data)));
	return model_hwpt_add(_metadata, md, id, md->hwpts[parent].ioas,
			      parent);
}

FIXTURE_SETUP(iommufd_iopf_siblings)
{
	const char *reason;
	int ioas;

	self->md = NULL;
	reason = model_open(&self->fd);
	if (reason)
		SKIP(return, "%s", reason);
	self->md = model_new(self->fd);

	ioas = m_ioas();
	ASSERT_EQ(0, m_bind_default(-1, &self->dev[0]));
	ASSERT_EQ(0, m_bind_default(self->dev[0], &self->dev[1]));
	ASSERT_EQ(0, m_hwpt(self->dev[0], ioas, IOMMU_HWPT_ALLOC_NEST_PARENT,
			    &self->parent));
	test_ioctl_fault_alloc(&self->fault_id, &self->fault_fd);
	self->hwpt = make_iopf_hwpt(_metadata, self->md, self->dev[0],
				    self->parent, self->fault_id);
}

FIXTURE_TEARDOWN(iommufd_iopf_siblings)
{
	if (self->md)
		close(self->fault_fd);
	free(self->md);
	teardown_iommufd(self->fd, _metadata);
}

static int raise_fault(struct msi_model *md, int dev)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = {
			.dev_id = md->devs[dev].idev_id,
			.pasid = 0x1,
			.grpid = 0x2,
			.perm = IOMMU_PGFAULT_PERM_READ,
			.addr = 0xdeadb000,
		},
	};

	return ioctl(md->fd, IOMMU_TEST_CMD, &cmd);
}

/* Read a fault and answer it. Returns whose it is, 0 if there is none. */
static __u32 answer_fault(__u32 fault_fd)
{
	struct iommu_hwpt_page_response response = {
		.code = IOMMUFD_PAGE_RESP_SUCCESS,
	};
	struct iommu_hwpt_pgfault fault = {};

	if (read(fault_fd, &fault, sizeof(fault)) <= 0)
		return 0;
	response.cookie = fault.cookie;
	if (write(fault_fd, &response, sizeof(response)) <= 0)
		return 0;
	return fault.dev_id;
}

static void check_fault(struct __test_metadata *_metadata, struct msi_model *md,
			__u32 fault_fd, int dev)
{
	ASSERT_EQ(0, raise_fault(md, dev));
	ASSERT_EQ(md->devs[dev].idev_id, answer_fault(fault_fd));
}

#define test_fault_of(dev) check_fault(_metadata, self->md, self->fault_fd, dev)

TEST_F(iommufd_iopf_siblings, both)
{
	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	test_fault_of(self->dev[0]);
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	test_fault_of(self->dev[0]);
	test_fault_of(self->dev[1]);
	ASSERT_EQ(0, answer_fault(self->fault_fd));
}

TEST_F(iommufd_iopf_siblings, first_detached)
{
	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	ASSERT_EQ(0, m_detach(self->dev[0]));
	test_fault_of(self->dev[1]);
	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	test_fault_of(self->dev[0]);
	test_fault_of(self->dev[1]);
}

/* Without the fix the read uses the memory of the device that has gone */
TEST_F(iommufd_iopf_siblings, first_destroyed)
{
	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_EQ(0, m_destroy(self->dev[0]));
	ASSERT_EQ(self->md->devs[self->dev[1]].idev_id,
		  answer_fault(self->fault_fd));
	test_fault_of(self->dev[1]);
}

/* The faults of a device that leaves are answered for it, no others are */
TEST_F(iommufd_iopf_siblings, pending)
{
	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[0]));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_EQ(0, m_detach(self->dev[0]));
	ASSERT_EQ(self->md->devs[self->dev[1]].idev_id,
		  answer_fault(self->fault_fd));
	ASSERT_EQ(0, answer_fault(self->fault_fd));

	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_EQ(0, m_swap(self->dev[1], self->parent));
	ASSERT_EQ(0, answer_fault(self->fault_fd));
	ASSERT_EQ(0, m_swap(self->dev[1], self->hwpt));
	test_fault_of(self->dev[1]);
}

/* Whether there is a fault to read */
static bool fault_pending(__u32 fault_fd)
{
	struct pollfd pfd = { .fd = fault_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static void check_answered(struct __test_metadata *_metadata,
			   struct msi_model *md, int dev, __u64 num)
{
	__u64 raised, answered;

	ASSERT_EQ(0, _test_cmd_mock_device_faults(md->fd,
						  md->devs[dev].stdev_id, false,
						  &raised, &answered));
	ASSERT_EQ(num, raised);
	ASSERT_EQ(num, answered);
}

/* The device got an answer to each of the @num faults that it has raised */
#define test_answered(dev, num) check_answered(_metadata, self->md, dev, num)

/*
 * The domain is that of the group: a sibling that is bound and not attached can
 * fault in it as well, before it is attached, afterwards, and if it was bound
 * only when the group was attached. Its faults are refused. Without the fix the
 * kernel warns in iommu_report_device_fault().
 */
TEST_F(iommufd_iopf_siblings, not_attached)
{
	int late;

	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_answered(self->dev[1], 1);

	ASSERT_EQ(0, m_bind_default(self->dev[0], &late));
	ASSERT_EQ(0, raise_fault(self->md, late));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_answered(late, 1);

	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	test_fault_of(self->dev[1]);
	ASSERT_EQ(0, m_detach(self->dev[1]));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_answered(self->dev[1], 3);
	test_fault_of(self->dev[0]);

	/* Nobody can fault in a HWPT that has no fault object */
	ASSERT_EQ(0, m_swap(self->dev[0], self->parent));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_EQ(0, m_swap(self->dev[0], self->hwpt));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_answered(self->dev[1], 5);
	ASSERT_EQ(0, m_destroy(late));
	test_fault_of(self->dev[0]);
}

/*
 * A device that raises one more fault when IOPF is about to be switched off, and
 * then goes. Without the fix it stays in the queue, and the answer to it uses
 * the memory of the device.
 */
TEST_F(iommufd_iopf_siblings, at_disable)
{
	__u64 raised, answered;

	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	test_cmd_mock_device_faults(self->md->devs[self->dev[1]].stdev_id, true,
				    &raised, &answered);
	ASSERT_EQ(0, m_detach(self->dev[1]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_cmd_mock_device_faults(self->md->devs[self->dev[1]].stdev_id, true,
				    &raised, &answered);
	ASSERT_EQ(raised, answered);
	ASSERT_EQ(0, m_destroy(self->dev[1]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_fault_of(self->dev[0]);

	/* The last device, and a replace to a HWPT without a fault object */
	test_cmd_mock_device_faults(self->md->devs[self->dev[0]].stdev_id, true,
				    &raised, &answered);
	ASSERT_EQ(0, m_swap(self->dev[0], self->parent));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_cmd_mock_device_faults(self->md->devs[self->dev[0]].stdev_id, true,
				    &raised, &answered);
	ASSERT_EQ(2, raised);
	ASSERT_EQ(2, answered);
	ASSERT_EQ(0, m_swap(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_detach(self->dev[0]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_answered(self->dev[0], 3);
}

/*
 * One thread raises faults of one device, one replaces the HWPT of the group by
 * way of the other device, and this one reads and answers. Each fault is answered,
 * by whomever.
 */
struct fault_race {
	struct msi_model *md;
	int dev;
	__u32 pt_id[2];
	bool stop;
	unsigned long ndone;
	int error;
};

static void *race_faults(void *arg)
{
	struct fault_race *race = arg;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		if (raise_fault(race->md, race->dev))
			race->error = errno;
		race->ndone++;
	}
	return NULL;
}

static void *race_fault_swaps(void *arg)
{
	struct fault_race *race = arg;
	__u32 stdev_id = race->md->devs[race->dev].stdev_id;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		if (_test_cmd_mock_domain_replace(race->md->fd, stdev_id,
						  race->pt_id[race->ndone & 1],
						  NULL))
			race->error = errno;
		race->ndone++;
	}
	return NULL;
}

static void run_fault_race(struct __test_metadata *_metadata,
			   struct msi_model *md, __u32 fault_fd, const int *dev,
			   const __u32 *pt_id)
{
	struct fault_race races[2] = {};
	unsigned long read = 0;
	pthread_t threads[2];
	__u64 end;
	int i;

	for (i = 0; i != 2; i++) {
		races[i].md = md;
		races[i].dev = dev[i];
		memcpy(races[i].pt_id, pt_id, sizeof(races[i].pt_id));
	}
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, race_faults, &races[0]));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, race_fault_swaps,
				    &races[1]));
	for (end = time(NULL) + 3; time(NULL) < end;)
		read += !!answer_fault(fault_fd);
	for (i = 0; i != 2; i++)
		__atomic_store_n(&races[i].stop, true, __ATOMIC_RELAXED);
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	while (answer_fault(fault_fd))
		read++;
	ksft_print_msg("%lu faults, %lu read, %lu replaces\n", races[0].ndone,
		       read, races[1].ndone);
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, races[i].error);
		ASSERT_LE(100, races[i].ndone);
	}
	ASSERT_LE(10, read);
	check_answered(_metadata, md, dev[0], races[0].ndone);
}

/* Between a HWPT with a fault object and one without */
TEST_F(iommufd_iopf_siblings, race)
{
	const __u32 pt_id[2] = { self->md->hwpts[self->parent].id,
				 self->md->hwpts[self->hwpt].id };

	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	run_fault_race(_metadata, self->md, self->fault_fd, self->dev, pt_id);
}

/* Between two HWPTs with the same fault object, IOPF stays on */
TEST_F(iommufd_iopf_siblings, race_same_fault)
{
	int other = make_iopf_hwpt(_metadata, self->md, self->dev[0],
				   self->parent, self->fault_id);
	const __u32 pt_id[2] = { self->md->hwpts[other].id,
				 self->md->hwpts[self->hwpt].id };

	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	run_fault_race(_metadata, self->md, self->fault_fd, self->dev, pt_id);
}

/*
 * A random sequence of everything. Each variant has a fixed seed, so that a run
 * can be repeated.
 */
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
}

TEST_HARNESS_MAIN
