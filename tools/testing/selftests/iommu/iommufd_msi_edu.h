/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of iommufd_msi_edu.c share.
 */
#ifndef __SELFTEST_IOMMUFD_MSI_EDU_H
#define __SELFTEST_IOMMUFD_MSI_EDU_H

#include "../kselftest_harness.h"
#include "vfio_edu.h"

/* ASSERT/EXPECT that one interrupt arrives */
#define ASSERT_IRQ(_dev) ASSERT_EQ(1, edu_raise(_dev, EDU_TIMEOUT_MS))

/* Like ASSERT_IRQ() but say in words what happened, for a human reader */
#define ASSERT_IRQ_MSG(_what, _dev)                                     \
	({                                                              \
		int _rc = edu_raise(_dev, EDU_TIMEOUT_MS);              \
		ksft_print_msg("%s: %s\n", _what, edu_irq_result(_rc)); \
		ASSERT_EQ(1, _rc);                                      \
	})

/*
 * A race proves nothing if one of its sides stands still. This much happens in
 * each second even with KASAN on a busy host.
 */
#define RACE_MIN_PER_SEC 2

#endif
