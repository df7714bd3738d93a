// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window of a group: who may be there, which page tables can hold it, and
 * which devices have none.
 */
#include "iommufd_msi_fixture.h"

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
