/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events, in an instance of tracefs that a test has for itself
 *
 * All functions return 0 or a negative errno unless they say otherwise.
 */
#ifndef __SELFTEST_IOMMU_TRACE_H
#define __SELFTEST_IOMMU_TRACE_H

#include <stdbool.h>
#include <stddef.h>

/* There is a tracefs where it is looked for, at TRACEFS */
#define TRACEFS "/sys/kernel/tracing"
bool trace_available(void);

/* Make the instance, after one that is left of a run that was killed */
int trace_begin(const char *instance);
void trace_end(const char *instance);
/* Write to a file of the instance */
int trace_write(const char *instance, const char *file, const char *text);
/* Have events of a system traced; a NULL ends them */
int trace_enable(const char *instance, const char *system,
		 const char *const *events);
/*
 * "event: field=value ..." of each line that was traced since the last time, one
 * after the other with a newline each.
 */
int trace_take(const char *instance, char *text, size_t size);

#endif
