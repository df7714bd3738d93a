// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trace events of PASIDs: alloc, release, drained and free
 *
 * What mock devices and processes do is traced in an instance of tracefs that
 * this program has for itself. After each step the trace holds the events that
 * belong to it, in order and field by field, and no other one.
 *
 * Needs root, CONFIG_IOMMU_PASID_MOCK, CONFIG_IOMMU_DEBUGFS and a tracer,
 * CONFIG_ENABLE_DEFAULT_TRACERS for example.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "iommu_pasid.h"
#include "iommu_trace.h"

#define INSTANCE "iommu_pasid_trace"
#define LONG_GRACE_MS 60000

static const char *const events[] = {
	"iommu_pasid_alloc",
	"iommu_pasid_release",
	"iommu_pasid_drained",
	"iommu_pasid_free",
	NULL
};

FIXTURE(iommu_pasid_trace)
{
	struct pasid_counts counts;
	int queue;
};

FIXTURE_SETUP(iommu_pasid_trace)
{
	if (access(PASID_MOCK, F_OK))
		SKIP(return, "no CONFIG_IOMMU_PASID_MOCK");
	if (read_counts(&self->counts))
		SKIP(return, "no " PASID_LIST);
	if (!trace_available())
		SKIP(return, "no tracefs at " TRACEFS);
	ASSERT_EQ(0, mocks_create());
	ASSERT_EQ(0, set_grace_ms(0));
	ASSERT_TRUE(wait_counts(&self->counts, 0, 0, 0));
	ASSERT_EQ(0, set_grace_ms(LONG_GRACE_MS));
	ASSERT_EQ(0, trace_begin(INSTANCE));
	/* Of all processes: the last reference to an mm may go anywhere */
	ASSERT_EQ(0, trace_enable(INSTANCE, "iommu_pasid", events));
	self->queue = queue_open(mock_names[WIDE0]);
	ASSERT_LE(0, self->queue);
}

FIXTURE_TEARDOWN(iommu_pasid_trace)
{
	close(self->queue);
	mocks_remove();
	set_grace_ms(1000);
	trace_end(INSTANCE);
}

/* What was traced since the last time; "@" is for the PASID */
static void check_trace(struct __test_metadata *_metadata,
			const char *expected, int pasid)
{
	char text[4096], with_pasid[4096] = "";
	size_t len = 0;

	for (; *expected; expected++) {
		if (*expected == '@')
			len += snprintf(with_pasid + len,
					sizeof(with_pasid) - len, "%d", pasid);
		else
			with_pasid[len++] = *expected;
		ASSERT_GT(sizeof(with_pasid), len);
	}
	with_pasid[len] = 0;
	ASSERT_EQ(0, trace_take(INSTANCE, text, sizeof(text)));
	ASSERT_STREQ(with_pasid, text);
}

#define expect_trace(expected, pasid) check_trace(_metadata, expected, pasid)
#define expect_nothing() check_trace(_metadata, "", 0)

/* A driver's, and each way to its end */
TEST_F_TIMEOUT(iommu_pasid_trace, driver, 120)
{
	int pasid;

	/* Drained before it is released: there is nothing to wait for */
	ASSERT_EQ(0, queue_do(self->queue, "alloc"));
	pasid = queue_pasid(self->queue);
	ASSERT_LT(0, pasid);
	expect_trace("iommu_pasid_alloc: pasid=@ owner=driver\n", pasid);
	ASSERT_EQ(0, queue_do(self->queue, "drain"));
	expect_trace("iommu_pasid_drained: pasid=@ device=wide0\n"
		     "iommu_pasid_release: pasid=@ owner=driver\n"
		     "iommu_pasid_free: pasid=@ reason=unused\n", pasid);

	/* While it rests */
	ASSERT_EQ(0, queue_do(self->queue, "alloc"));
	ASSERT_EQ(pasid, queue_pasid(self->queue));
	ASSERT_EQ(0, queue_do(self->queue, "unbind"));
	expect_trace("iommu_pasid_alloc: pasid=@ owner=driver\n"
		     "iommu_pasid_release: pasid=@ owner=driver\n", pasid);
	ASSERT_EQ(0, mock_drained(mock_names[WIDE0], pasid));
	expect_trace("iommu_pasid_drained: pasid=@ device=wide0\n"
		     "iommu_pasid_free: pasid=@ reason=drained\n", pasid);
	/* It has it no more, so there is nothing to tell */
	ASSERT_EQ(0, mock_drained(mock_names[WIDE0], pasid));
	expect_nothing();

	/* Its time is over */
	ASSERT_EQ(0, queue_do(self->queue, "alloc"));
	ASSERT_EQ(pasid, queue_pasid(self->queue));
	ASSERT_EQ(0, queue_do(self->queue, "unbind"));
	expect_trace("iommu_pasid_alloc: pasid=@ owner=driver\n"
		     "iommu_pasid_release: pasid=@ owner=driver\n", pasid);
	ASSERT_EQ(0, set_grace_ms(10));
	ASSERT_TRUE(wait_counts(&self->counts, 0, 0, 0));
	expect_trace("iommu_pasid_free: pasid=@ reason=expired\n", pasid);
}

/* None is left, so that a driver is asked */
TEST_F_TIMEOUT(iommu_pasid_trace, reclaimed, 120)
{
	int queues[NARROW_LIMIT - 1];
	char text[4096];
	int pasid, i;

	for (i = 0; i != NARROW_LIMIT - 1; i++) {
		queues[i] = queue_open(mock_names[NARROW]);
		ASSERT_LE(0, queues[i]);
		ASSERT_EQ(0, queue_do(queues[i], "alloc"));
	}
	pasid = queue_pasid(queues[0]);
	for (i = 0; i != NARROW_LIMIT - 1; i++)
		close(queues[i]);
	ASSERT_EQ(0, trace_take(INSTANCE, text, sizeof(text)));

	ASSERT_EQ(0, mock_set_drain(mock_names[NARROW], "ok"));
	queues[0] = queue_open(mock_names[NARROW]);
	ASSERT_LE(0, queues[0]);
	ASSERT_EQ(0, queue_do(queues[0], "alloc"));
	ASSERT_EQ(pasid, queue_pasid(queues[0]));
	expect_trace("iommu_pasid_drained: pasid=@ device=narrow\n"
		     "iommu_pasid_free: pasid=@ reason=reclaimed\n"
		     "iommu_pasid_alloc: pasid=@ owner=driver\n", pasid);
	close(queues[0]);
}

/* That of a process is released with its address space, not with its queue */
TEST_F_TIMEOUT(iommu_pasid_trace, process, 120)
{
	struct child child;
	int pasid;

	ASSERT_EQ(0, child_start(&child));
	pasid = child_bind(&child, WIDE0);
	if (pasid == -EOPNOTSUPP) {
		child_end(&child, 0);
		SKIP(return, "no shared address spaces on x86");
	}
	ASSERT_LT(0, pasid);
	ASSERT_EQ(pasid, child_bind(&child, WIDE1));
	expect_trace("iommu_pasid_alloc: pasid=@ owner=mm\n", pasid);
	ASSERT_EQ(0, child_do(&child, WIDE0, "unbind"));
	expect_nothing();
	ASSERT_EQ(0, child_end(&child, SIGKILL));
	ASSERT_TRUE(wait_counts(&self->counts, 0, 0, 1));
	expect_trace("iommu_pasid_release: pasid=@ owner=mm\n", pasid);
	ASSERT_EQ(0, mock_drained(mock_names[WIDE1], pasid));
	expect_trace("iommu_pasid_drained: pasid=@ device=wide1\n", pasid);
	ASSERT_EQ(0, mock_drained(mock_names[WIDE0], pasid));
	expect_trace("iommu_pasid_drained: pasid=@ device=wide0\n"
		     "iommu_pasid_free: pasid=@ reason=drained\n", pasid);
}

/* A device that goes */
TEST_F_TIMEOUT(iommu_pasid_trace, unplugged, 120)
{
	int pasid;

	ASSERT_EQ(0, queue_do(self->queue, "alloc"));
	pasid = queue_pasid(self->queue);
	ASSERT_EQ(0, queue_do(self->queue, "unbind"));
	ASSERT_EQ(0, mock_remove(mock_names[WIDE0]));
	expect_trace("iommu_pasid_alloc: pasid=@ owner=driver\n"
		     "iommu_pasid_release: pasid=@ owner=driver\n"
		     "iommu_pasid_free: pasid=@ reason=drained\n", pasid);
}

TEST_HARNESS_MAIN
