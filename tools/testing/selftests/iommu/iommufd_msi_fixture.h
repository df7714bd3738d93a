/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixture of most tests: a model, two IOASes, and a device that is never
 * attached, to allocate HWPTs for.
 */
#ifndef __SELFTEST_IOMMUFD_MSI_FIXTURE
#define __SELFTEST_IOMMUFD_MSI_FIXTURE

#include "iommufd_msi_test.h"

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

#endif
