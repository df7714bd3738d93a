// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be seen of an IOVA space with the wraparound policy: its line in debugfs,
 * and the trace events iova_wrap, iova_flush and iova_fail
 *
 * The driver iova_edu maps and unmaps a known number of pages. What the counters say
 * then is compared with that, and what was traced with the counters. The events are
 * traced in an instance of tracefs that this program has for itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "iommu_iova_utils.h"

#define TRACEFS "/sys/kernel/tracing"
#define INSTANCE TRACEFS "/instances/iommu_iova_trace"
/* Longer than the period of the flush queue */
#define FLUSH_US 100000
#define PAGES 100

FIXTURE(iova_trace)
{
	struct edu_func func;
	char group[IOVA_PATH];
	bool ready;
	unsigned int page;
	/* Address bits of a space of 128 pages, without page 0 */
	unsigned int bits;
	struct iova_counters before;
};

FIXTURE_VARIANT(iova_trace)
{
	const char *type;
	bool lazy;
};

FIXTURE_VARIANT_ADD(iova_trace, strict)
{
	.type = "DMA",
};

FIXTURE_VARIANT_ADD(iova_trace, lazy)
{
	.type = "DMA-FQ",
	.lazy = true,
};

/* Trace these events, of all devices, from now on */
static int trace_start(const char *events)
{
	char path[IOVA_PATH];

	/* One may be left of a run that was killed */
	rmdir(INSTANCE);
	if (mkdir(INSTANCE, 0700))
		return -errno;
	snprintf(path, sizeof(path), INSTANCE "/events/%s/enable", events);
	return edu_write_file(path, "1");
}

struct traced {
	unsigned int wraps;
	unsigned int wrap_flushes;
	unsigned int period_flushes;
	unsigned int fails;
	unsigned long long unmaps;
};

/*
 * One event, "iova_wrap: 0000:00:05.0: first=..."; false if it is not as documented, or
 * not what a space of 128 pages has
 */
static bool trace_parse(const char *event, const char *device,
			struct traced *traced)
{
	unsigned long long unmaps, first, live, pages, limit;
	char name[32], because[16];
	int n = 0;

	if (sscanf(event, "iova_%*[a-z]: %31s", name) != 1)
		return false;
	/* Another device */
	if (strncmp(name, device, strlen(device)) || strcmp(name + strlen(device), ":"))
		return true;
	if (sscanf(event, "iova_wrap: %*s first=%llx live_pages=%llu\n%n", &first,
		   &live, &n) == 2 && n && !event[n]) {
		traced->wraps++;
		return first == 1 && live < 128 + PAGES;
	}
	if (sscanf(event, "iova_flush: %*s unmaps=%llu because=%15s\n%n", &unmaps,
		   because, &n) == 2 && n && !event[n]) {
		traced->unmaps += unmaps;
		if (!strcmp(because, "wrap"))
			traced->wrap_flushes++;
		else if (!strcmp(because, "period"))
			traced->period_flushes++;
		else
			return false;
		/* None if another flush that had them goes on */
		return true;
	}
	if (sscanf(event, "iova_fail: %*s pages=%llu limit_pfn=%llx\n%n", &pages,
		   &limit, &n) == 2 && n && !event[n]) {
		traced->fails++;
		return pages == 1 && limit == 127;
	}
	return false;
}

/* All events of the device so far; -EPROTO if there is a wrong one */
static int trace_read(const char *device, struct traced *traced)
{
	char line[512], *event;
	int rc = 0;
	FILE *f;

	memset(traced, 0, sizeof(*traced));
	f = fopen(INSTANCE "/trace", "re");
	if (!f)
		return -errno;
	while (!rc && fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		/* After the task, the CPU and the time */
		event = strstr(line, ": ");
		if (!event || !trace_parse(event + 2, device, traced)) {
			printf("# wrong: %s", line);
			rc = -EPROTO;
		}
	}
	fclose(f);
	return rc;
}

FIXTURE_SETUP(iova_trace)
{
	int rc;

	rc = iova_find_edu(&self->func, self->group, sizeof(self->group));
	if (rc == -ENODEV)
		SKIP(return, "no edu device behind an IOMMU");
	if (!rc)
		rc = iova_read_counters(self->func.bdf, NULL);
	if (rc == -ENOENT && !edu_env("RESV_REQUIRED", 0))
		SKIP(return, "no iova_edu, or no iova_spaces in debugfs");
	ASSERT_LE(0, rc);
	if (access(TRACEFS "/instances", F_OK))
		SKIP(return, "no tracefs at " TRACEFS);

	rc = iova_set_policy(self->group, "wraparound", variant->type);
	if (rc == -ENOTSUP)
		SKIP(return, "the IOMMU has no domain of type %s", variant->type);
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, edu_set_driver(&self->func, "iova_edu"));
	self->ready = true;
	self->page = getpagesize();
	self->bits = __builtin_ctz(self->page) + 7;
	ASSERT_EQ(1, iova_read_counters(self->func.bdf, &self->before));
}

FIXTURE_TEARDOWN(iova_trace)
{
	rmdir(INSTANCE);
	iova_release(&self->func);
	if (!self->ready)
		return;
	EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", "auto"));
	EXPECT_EQ(0, iova_write_group(self->group, "type", "auto"));
}

/* There is a line for a space with the policy, as long as there is the space */
TEST_F(iova_trace, lines)
{
	int all = iova_read_counters(NULL, NULL);

	iova_release(&self->func);
	/* The space does not go with the driver */
	EXPECT_EQ(1, iova_read_counters(self->func.bdf, NULL));
	EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", "default"));
	EXPECT_EQ(0, iova_read_counters(self->func.bdf, NULL));
	EXPECT_EQ(all - 1, iova_read_counters(NULL, NULL));
	EXPECT_EQ(0, iova_write_group(self->group, "iova_alloc", "wraparound"));
	EXPECT_EQ(1, iova_read_counters(self->func.bdf, NULL));
	EXPECT_EQ(all, iova_read_counters(NULL, NULL));
	EXPECT_EQ(0, access("/sys/kernel/debug/iommu/iova_spaces", R_OK));
}

/* Each counter after so many pages have been mapped, and unmapped again */
TEST_F(iova_trace, counters)
{
	struct iova_counters now, *before = &self->before;

	ASSERT_EQ(PAGES, iova_edu_hold(&self->func, self->page, PAGES, 32));
	ASSERT_EQ(1, iova_read_counters(self->func.bdf, &now));
	EXPECT_EQ(before->allocs + PAGES, now.allocs);
	EXPECT_EQ(before->failures, now.failures);
	EXPECT_EQ(before->wraps, now.wraps);
	EXPECT_EQ(before->lazy_unmaps, now.lazy_unmaps);
	EXPECT_EQ(before->flushes, now.flushes);
	EXPECT_EQ(before->flushes_saved, now.flushes_saved);
	EXPECT_EQ(before->live_pages + PAGES, now.live_pages);
	EXPECT_LE(before->live_pages + PAGES, now.max_pages);
	EXPECT_EQ(before->cursor_low + PAGES, now.cursor_low);
	EXPECT_EQ(before->cursor_high, now.cursor_high);

	/* Larger ones count as one allocation each */
	ASSERT_EQ(10, iova_edu_hold(&self->func, 8 * self->page, 10, 32));
	ASSERT_EQ(1, iova_read_counters(self->func.bdf, &now));
	EXPECT_EQ(before->allocs + PAGES + 10, now.allocs);
	EXPECT_EQ(before->live_pages + PAGES + 80, now.live_pages);

	ASSERT_EQ(0, iova_edu_let_go(&self->func));
	usleep(FLUSH_US);
	ASSERT_EQ(1, iova_read_counters(self->func.bdf, &now));
	EXPECT_EQ(before->allocs + PAGES + 10, now.allocs);
	EXPECT_EQ(before->live_pages, now.live_pages);
	EXPECT_LE(before->live_pages + PAGES + 80, now.max_pages);
	EXPECT_EQ(before->failures, now.failures);
	if (variant->lazy) {
		EXPECT_EQ(before->lazy_unmaps + PAGES + 10, now.lazy_unmaps);
		EXPECT_LT(before->flushes, now.flushes);
		EXPECT_EQ(now.lazy_unmaps - now.flushes, now.flushes_saved);
	} else {
		EXPECT_EQ(before->lazy_unmaps, now.lazy_unmaps);
		EXPECT_EQ(before->flushes, now.flushes);
		EXPECT_EQ(before->flushes_saved, now.flushes_saved);
	}
}

/* What was traced is what was counted, and each event is traced */
TEST_F(iova_trace, events)
{
	struct iova_counters now, *before = &self->before;
	struct traced traced;
	unsigned int i;

	ASSERT_EQ(0, trace_start("iova"));
	for (i = 0; i != 20; i++) {
		/* The space is full, then what was unmapped is wanted at once */
		ASSERT_EQ(127, iova_edu_hold(&self->func, self->page, 300,
					     self->bits));
		ASSERT_EQ(0, iova_edu_let_go(&self->func));
		ASSERT_EQ(PAGES, iova_edu_hold(&self->func, self->page, PAGES,
					       self->bits));
		ASSERT_EQ(0, iova_edu_let_go(&self->func));
		ASSERT_EQ(0, trace_read(self->func.bdf, &traced));
		/* The timer may be faster */
		if (!variant->lazy || traced.wrap_flushes)
			break;
	}
	usleep(FLUSH_US);
	ASSERT_EQ(0, trace_read(self->func.bdf, &traced));
	ASSERT_EQ(1, iova_read_counters(self->func.bdf, &now));
	EXPECT_NE(0, traced.wraps);
	EXPECT_NE(0, traced.fails);
	EXPECT_EQ(variant->lazy, traced.wrap_flushes != 0);
	EXPECT_EQ(variant->lazy, traced.period_flushes != 0);

	EXPECT_EQ(now.wraps - before->wraps, traced.wraps);
	EXPECT_EQ(now.failures - before->failures, traced.fails);
	EXPECT_EQ(now.flushes - before->flushes,
		  traced.wrap_flushes + traced.period_flushes);
	EXPECT_EQ(now.lazy_unmaps - before->lazy_unmaps, traced.unmaps);
}

/* How many lines of the trace have this, or both of these */
static int trace_count(const char *word, const char *other)
{
	char line[512];
	int count = 0;
	FILE *f;

	f = fopen(INSTANCE "/trace", "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		count += strstr(line, word) && (!other || strstr(line, other));
	fclose(f);
	return count;
}

/* Of DMA after the unmap: the address leads to the unmap, and that to the driver */
TEST_F(iova_trace, late_dma)
{
	unsigned long long iova;
	char buf[64];
	int n;

	ASSERT_EQ(0, trace_start("iommu/unmap"));
	ASSERT_EQ(0, edu_write_file(INSTANCE "/trace_options", "stacktrace"));
	ASSERT_EQ(0, iova_edu_write(&self->func, "late", "1"));
	ASSERT_EQ(0, iova_edu_read(&self->func, "late", buf, sizeof(buf)));
	n = sscanf(buf, "%*u %*u %llx", &iova);
	ASSERT_EQ(1, n);
	snprintf(buf, sizeof(buf), "iova=0x%016llx ", iova);
	EXPECT_EQ(1, trace_count("unmap: ", buf));
	EXPECT_LT(0, trace_count(" => late_write", NULL));
}

TEST_HARNESS_MAIN
