// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trace events of the MSI table of iommufd: map, unmap, fail and refuse
 *
 * What mock devices do is traced in an instance of tracefs that this program
 * has for itself. After each step the trace holds the events that belong to it,
 * in order and field by field, and no other one.
 *
 * Needs root, CONFIG_IOMMUFD_TEST and a tracer, CONFIG_ENABLE_DEFAULT_TRACERS for
 * example.
 */
#include <fcntl.h>

#include "iommu_trace.h"
#include "iommufd_msi_utils.h"
#include "iommufd_sizes.h"

#define INSTANCE "iommufd_msi_trace"

static const char *const events[] = {
	"iommufd_msi_map",
	"iommufd_msi_unmap",
	"iommufd_msi_fail",
	"iommufd_msi_refuse",
	NULL
};

FIXTURE(iommufd_msi_trace)
{
	int fd;
	__u32 ioas_id;
	/* A device with a window of two slots, and its group */
	__u32 stdev_id;
	__u32 idev_id;
	__u32 group;
	__u32 hwpt_id;
};

static int get_group(int fd, __u32 idev_id, __u32 *group)
{
	struct iommu_msi_window cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_MSI_WINDOW_OP_GET,
		.dev_id = idev_id,
		.entry_size = sizeof(struct iommu_iova_conflict),
	};

	if (ioctl(fd, IOMMU_MSI_WINDOW, &cmd))
		return -errno;
	*group = cmd.out_group_id;
	return 0;
}

#define bind_window(start, pages, stdev_id, idev_id)                           \
	({                                                                     \
		struct iommu_test_resv __resv = region(MOCK_RESV_SW_MSI,       \
						       start,                  \
						       (pages) * PAGE_SIZE);   \
		struct mock_device_args __args = { .resv = &__resv,            \
						   .resv_num = 1 };            \
									       \
		test_cmd_mock_device(0, &__args, stdev_id, NULL, idev_id);     \
	})

FIXTURE_SETUP(iommufd_msi_trace)
{
	const char *reason;
	char text[16];

	self->fd = open("/dev/iommu", O_RDWR);
	if (self->fd < 0)
		SKIP(return, "/dev/iommu cannot be opened");
	reason = msi_missing(self->fd);
	if (reason)
		SKIP(return, "%s", reason);
	if (!trace_available())
		SKIP(return, "no tracefs at " TRACEFS);

	ASSERT_EQ(0, trace_begin(INSTANCE));
	snprintf(text, sizeof(text), "%d", getpid());
	ASSERT_EQ(0, trace_write(INSTANCE, "set_event_pid", text));
	ASSERT_EQ(0, trace_enable(INSTANCE, "iommufd", events));

	test_ioctl_ioas_alloc(&self->ioas_id);
	bind_window(WINDOW_START, 2, &self->stdev_id, &self->idev_id);
	ASSERT_EQ(0, get_group(self->fd, self->idev_id, &self->group));
	test_cmd_hwpt_alloc(self->idev_id, self->ioas_id, 0, &self->hwpt_id);
}

FIXTURE_TEARDOWN(iommufd_msi_trace)
{
	teardown_iommufd(self->fd, _metadata);
	trace_end(INSTANCE);
}

/* What was traced since the last time, as trace_take() has it */
static void check_trace(struct __test_metadata *_metadata,
			const char *expected)
{
	char text[2048];

	ASSERT_EQ(0, trace_take(INSTANCE, text, sizeof(text)));
	ASSERT_STREQ(expected, text);
}

/* Doorbell @slot comes into a HWPT or leaves it */
struct page_event {
	const char *name;
	__u32 hwpt_id;
	unsigned int slot;
};

static void check_pages(struct __test_metadata *_metadata,
			const struct page_event *event)
{
	char expected[2048];
	size_t len = 0;

	for (; event->name; event++) {
		__u64 page = doorbell(event->slot) & ~(__u64)(PAGE_SIZE - 1);
		__u64 iova = WINDOW_START + event->slot * PAGE_SIZE;

		len += snprintf(expected + len, sizeof(expected) - len,
				"iommufd_msi_%s: hwpt=%u iova=%#llx doorbell=%#llx\n",
				event->name, event->hwpt_id, iova, page);
		ASSERT_GT(sizeof(expected), len);
	}
	check_trace(_metadata, expected);
}

#define expect_pages(...)                                           \
	check_pages(_metadata, (const struct page_event[]){         \
				       __VA_ARGS__, {} })
#define expect_nothing() check_trace(_metadata, "")

static void check_fail(struct __test_metadata *_metadata, __u32 group,
		       __u64 doorbell, int error)
{
	char expected[128];

	snprintf(expected, sizeof(expected),
		 "iommufd_msi_fail: group=%u doorbell=%#llx error=%d\n", group,
		 doorbell, error);
	check_trace(_metadata, expected);
}

static void check_refuse(struct __test_metadata *_metadata, __u32 group,
			 __u32 hwpt_id, __u64 start, __u64 last, int error)
{
	char expected[128];

	snprintf(expected, sizeof(expected),
		 "iommufd_msi_refuse: group=%u hwpt=%u window=%#llx-%#llx error=%d\n",
		 group, hwpt_id, start, last, error);
	check_trace(_metadata, expected);
}

/* A HWPT comes to hold a page, and lets go of it */
TEST_F(iommufd_msi_trace, map_unmap)
{
	__u32 a = self->hwpt_id;
	__u32 msi_id[3];
	__u32 b;

	test_cmd_hwpt_alloc(self->idev_id, self->ioas_id, 0, &b);

	/* Not attached: nothing to map in */
	test_cmd_msi_prepare(self->stdev_id, doorbell(0), NULL, &msi_id[0]);
	expect_nothing();
	test_cmd_mock_device_attach(self->stdev_id, a, NULL);
	expect_pages({ "map", a, 0 });

	/* A second interrupt of a page changes no page table */
	test_cmd_msi_prepare(self->stdev_id, doorbell(0), NULL, &msi_id[1]);
	expect_nothing();
	test_cmd_msi_prepare(self->stdev_id, doorbell(1), NULL, &msi_id[2]);
	expect_pages({ "map", a, 1 });

	/* The new HWPT has the pages before the old one lets go of them */
	test_cmd_mock_domain_replace(self->stdev_id, b);
	expect_pages({ "map", b, 0 }, { "map", b, 1 }, { "unmap", a, 0 },
		     { "unmap", a, 1 });

	test_cmd_msi_unprepare(self->stdev_id, msi_id[0]);
	expect_nothing();
	test_cmd_msi_unprepare(self->stdev_id, msi_id[1]);
	expect_pages({ "unmap", b, 0 });
	test_cmd_mock_device_detach(self->stdev_id);
	expect_pages({ "unmap", b, 1 });
	test_cmd_msi_unprepare(self->stdev_id, msi_id[2]);
	expect_nothing();
}

/* An interrupt set-up that is refused, attached or not */
TEST_F(iommufd_msi_trace, fail)
{
	test_cmd_msi_prepare(self->stdev_id, doorbell(0), NULL, NULL);
	test_cmd_msi_prepare(self->stdev_id, doorbell(1), NULL, NULL);
	test_err_msi_prepare(ENOSPC, self->stdev_id, doorbell(2));
	check_fail(_metadata, self->group, doorbell(2), -ENOSPC);

	test_cmd_mock_device_attach(self->stdev_id, self->hwpt_id, NULL);
	expect_pages({ "map", self->hwpt_id, 0 }, { "map", self->hwpt_id, 1 });
	test_err_msi_prepare(ENOSPC, self->stdev_id, doorbell(3));
	check_fail(_metadata, self->group, doorbell(3), -ENOSPC);
}

/* An attach and a replace that the window does not fit */
TEST_F(iommufd_msi_trace, refuse_aperture)
{
	struct mock_device_args args = {
		.flags = MOCK_FLAGS_DEVICE_LOW_APERTURE,
	};
	__u64 last = WINDOW_START + 2 * PAGE_SIZE - 1;
	__u32 idev_id, low;

	test_cmd_mock_device(0, &args, NULL, NULL, &idev_id);
	test_cmd_hwpt_alloc(idev_id, self->ioas_id, 0, &low);

	test_err_mock_device_attach(EADDRNOTAVAIL, self->stdev_id, low);
	check_refuse(_metadata, self->group, low, WINDOW_START, last,
		     -EADDRNOTAVAIL);
	test_cmd_mock_device_attach(self->stdev_id, self->hwpt_id, NULL);
	expect_nothing();
	test_err_mock_domain_replace(EADDRNOTAVAIL, self->stdev_id, low);
	check_refuse(_metadata, self->group, low, WINDOW_START, last,
		     -EADDRNOTAVAIL);
}

/* The window of another group is in the way */
TEST_F(iommufd_msi_trace, refuse_overlap)
{
	__u64 start = WINDOW_START + PAGE_SIZE;
	__u64 last = start + 3 * PAGE_SIZE - 1;
	__u32 stdev_id, idev_id, group;
	__u32 ioas_id, hwpt_id;

	test_cmd_mock_device_attach(self->stdev_id, self->hwpt_id, NULL);
	bind_window(start, 3, &stdev_id, &idev_id);
	ASSERT_EQ(0, get_group(self->fd, idev_id, &group));
	ASSERT_NE(self->group, group);

	test_err_mock_device_attach(EADDRINUSE, stdev_id, self->hwpt_id);
	check_refuse(_metadata, group, self->hwpt_id, start, last, -EADDRINUSE);

	test_ioctl_ioas_alloc(&ioas_id);
	test_cmd_hwpt_alloc(idev_id, ioas_id, 0, &hwpt_id);
	test_cmd_mock_device_attach(stdev_id, hwpt_id, NULL);
	expect_nothing();
	test_err_mock_domain_replace(EADDRINUSE, stdev_id, self->hwpt_id);
	check_refuse(_metadata, group, self->hwpt_id, start, last, -EADDRINUSE);
}

TEST_HARNESS_MAIN
