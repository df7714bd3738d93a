/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of iommufd_msi.c share.
 */
#ifndef __SELFTEST_IOMMUFD_MSI_TEST
#define __SELFTEST_IOMMUFD_MSI_TEST

#include "iommufd_msi_model.h"
#include "iommufd_sizes.h"

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

/* A nested HWPT with a parent of its own */
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

#endif
