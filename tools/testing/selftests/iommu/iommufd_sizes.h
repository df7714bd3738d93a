/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets the page size and the buffer of iommufd_utils.h, which are there once for
 * each file that includes it. Comes after it, in each file of a program.
 */
#ifndef __SELFTEST_IOMMUFD_SIZES
#define __SELFTEST_IOMMUFD_SIZES

#include <sys/mman.h>

static __attribute__((constructor)) void setup_sizes(void)
{
	PAGE_SIZE = sysconf(_SC_PAGE_SIZE);
	BUFFER_SIZE = PAGE_SIZE * 16;
	buffer = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(buffer != MAP_FAILED);
}

#endif
