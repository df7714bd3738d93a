/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI driver for tests, see selftest_irq.c
 */
#ifndef __IOMMUFD_SELFTEST_IRQ_H
#define __IOMMUFD_SELFTEST_IRQ_H

#ifdef CONFIG_PCI
int iommufd_test_irq_init(void);
void iommufd_test_irq_exit(void);
#else
static inline int iommufd_test_irq_init(void)
{
	return 0;
}

static inline void iommufd_test_irq_exit(void)
{
}
#endif
#endif
