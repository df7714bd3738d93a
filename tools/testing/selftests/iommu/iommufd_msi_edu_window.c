// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window and the memory around it belong to their owners.
 * See iommufd_msi_edu.c for the words, and for what stands in brackets.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "iommufd_msi_edu_fixture.h"

/* IOVA for ordinary DMA; edu has 28 address bits */
#define DMA_IOVA 0x1000000

/*
 * User space cannot map over a window in use, whatever replaces its domain.
 * [table]
 */
TEST_F(msi, map_over_window)
{
	size_t page = sysconf(_SC_PAGESIZE);
	__u64 start;
	void *va;
	int i;
	int j;

	if (!self->dev.func->has_window)
		SKIP(return, "this IOMMU has no software MSI window");
	start = self->dev.func->window_start;
	va = mmap(NULL, page, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);

	msi_start(_metadata, &self->dev, self->pt[PT_IOAS0]);
	for (i = 0; i != 2 * NUM_PT; i++) {
		int pt = (i + 1) % NUM_PT;
		__u32 ioas = self->pt[pt_to_ioas(pt)];

		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[pt]));
		/* The first, one in the middle, the last page */
		for (j = 0; j != 3; j++) {
			__u64 iova = start;

			if (j == 1)
				iova += 16 * page;
			else if (j == 2)
				iova = self->dev.func->window_last + 1 - page;
			if (iova > self->dev.func->window_last)
				continue;
			ASSERT_EQ(-EINVAL,
				  edu_map(self->iommufd, ioas, va, page, iova));
		}
	}
	ASSERT_IRQ_MSG("after the refused maps", &self->dev);
	munmap(va, page);
}

/*
 * After detach the pages are out of the HWPT and the window is free. Plain
 * 6.12 leaves the page in the manual HWPT: the map then fails with -EEXIST and
 * a WARN. With user memory there attach is refused, and works again without.
 * [table]
 */
TEST_F(msi, map_window_detached)
{
	size_t page = sysconf(_SC_PAGESIZE);
	__u64 iova;
	void *va;
	int i;

	if (!self->dev.func->has_window)
		SKIP(return, "this IOMMU has no software MSI window");
	iova = self->dev.func->window_start;
	va = mmap(NULL, page, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);

	/* Twice over: interrupts stay on while detached, or go off */
	for (i = 0; i != 2 * NUM_PT; i++) {
		int pt = (i + PT_HWPT0_0) % NUM_PT;
		__u32 ioas = self->pt[pt_to_ioas(pt)];

		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[pt]));
		ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ(&self->dev);
		if (i >= NUM_PT)
			ASSERT_EQ(0, edu_irq_off(&self->dev));
		ASSERT_EQ(0, edu_detach(&self->dev));

		ASSERT_EQ(0, edu_map(self->iommufd, ioas, va, page, iova));
		ASSERT_EQ(-EADDRINUSE, edu_attach(&self->dev, self->pt[pt]));
		ASSERT_EQ(0, edu_unmap(self->iommufd, ioas, iova, page));

		ASSERT_EQ(0, edu_attach(&self->dev, self->pt[pt]));
		if (i >= NUM_PT)
			ASSERT_EQ(0, edu_irq_on(&self->dev));
		ASSERT_IRQ(&self->dev);
		ASSERT_EQ(0, edu_irq_off(&self->dev));
		ASSERT_EQ(0, edu_detach(&self->dev));
	}
	munmap(va, page);
}

/*
 * A refused replace leaves interrupt, page table and window as they were.
 * [table]
 */
TEST_F(msi, swap_refused)
{
	size_t page = sysconf(_SC_PAGESIZE);
	__u64 iova;
	void *va;
	int i;

	if (!self->dev.func->has_window)
		SKIP(return, "this IOMMU has no software MSI window");
	iova = self->dev.func->window_start;
	va = mmap(NULL, page, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);

	msi_start(_metadata, &self->dev, self->pt[PT_HWPT0_0]);
	/* User memory in the window of the other IOAS: cannot go there */
	ASSERT_EQ(0,
		  edu_map(self->iommufd, self->pt[PT_IOAS1], va, page, iova));
	for (i = 0; i != 100; i++) {
		ASSERT_EQ(-EADDRINUSE,
			  edu_attach(&self->dev, self->pt[PT_IOAS1]));
		ASSERT_EQ(-EADDRINUSE,
			  edu_attach(&self->dev, self->pt[PT_HWPT1_0]));
		ASSERT_EQ(-ENOENT, edu_attach(&self->dev, 0x7fffffff));
		ASSERT_IRQ(&self->dev);
		ASSERT_EQ(-EINVAL, edu_map(self->iommufd, self->pt[PT_IOAS0],
					   va, page, iova));
	}
	ASSERT_EQ(0, edu_unmap(self->iommufd, self->pt[PT_IOAS1], iova, page));
	msi_swap(_metadata, &self->dev, self->pt[PT_HWPT1_0],
		 "after the replace that works");
	munmap(va, page);
}

/* DMA comes first: memory that is mapped in both stays reachable */
TEST_F(msi, dma_after_swap)
{
	size_t page = sysconf(_SC_PAGESIZE);
	__u32 pt[4];
	__u8 *va;
	int rc;
	int i;

	va = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, va);
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &pt[i]));
		ASSERT_EQ(0, edu_map(self->iommufd, pt[i], va, 2 * page,
				     DMA_IOVA));
	}
	/*
	 * virtio-iommu knows the aperture of a domain only once it is attached.
	 * On 6.12 such a domain cannot join an IOAS that has mappings, other
	 * than by a first attach.
	 */
	for (i = 0; i != 2; i++) {
		rc = edu_hwpt_alloc(self->iommufd, self->dev.dev_id, pt[i],
				    &pt[2 + i]);
		if (rc == -EADDRINUSE)
			SKIP(return, "no move to an IOAS with mappings here");
		ASSERT_EQ(0, rc);
	}

	for (i = 0; i != 8; i++) {
		ASSERT_EQ(0, edu_attach(&self->dev, pt[i % 4]));
		if (!i)
			ASSERT_EQ(0, edu_irq_on(&self->dev));
		memset(va, 0x40 + i, 256);
		memset(va + page, 0, 256);
		ASSERT_EQ(0, edu_dma_copy(&self->dev, DMA_IOVA + page, DMA_IOVA,
					  256));
		ASSERT_EQ(0, memcmp(va, va + page, 256));
	}
	munmap(va, 2 * page);
}
