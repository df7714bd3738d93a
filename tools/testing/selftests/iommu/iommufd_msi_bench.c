// SPDX-License-Identifier: GPL-2.0-only
/*
 * What MSIs under iommufd cost.
 *
 * Made to run in QEMU with "-icount shift=0 -smp 1": there CLOCK_MONOTONIC is
 * a count of the instructions of the guest, the same in each run. Elsewhere the
 * numbers are nanoseconds and noisy.
 *
 * Each line "bench: <what> <value>" is the median of ROUNDS runs of one
 * operation, the cost of reading the clock taken off:
 *
 *   edu-*   with a real device, see vfio_edu.h. Works on every kernel.
 *   mock-*  with the mock devices of CONFIG_IOMMUFD_TEST, how the cost grows
 *           with 1, 16, 256 ...
 *             doorbells  that the device under test uses
 *             others     doorbells that some other group of the fd uses
 *             hwpts      in the IOAS
 *             groups     in the same HWPT, using the same doorbell
 *           Skipped if the kernel's mock has no interrupts.
 *   mock-resv-regions, mock-iova-ranges
 *           how the cost of asking for the regions of a device grows with 1, 16,
 *           256 of them. Skipped on kernels without these calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "../kselftest.h"
#include "../../../../drivers/iommu/iommufd/iommufd_test.h"
#include "vfio_edu.h"

#define WARM_UP 20
#define ROUNDS 101

static __u64 clock_cost;

static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int cmp_u64(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a;
	__u64 y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

/* An operation that can be repeated, round counts up from 0 */
typedef int (*bench_fn)(void *priv, int round);

static int bench_run(bench_fn fn, void *priv, __u64 *median)
{
	__u64 val[ROUNDS];
	int i;

	for (i = 0; i != WARM_UP + ROUNDS; i++) {
		__u64 start = now();
		int rc = fn(priv, i);
		__u64 end = now();

		if (rc)
			return rc;
		if (i >= WARM_UP)
			val[i - WARM_UP] = end - start;
	}
	qsort(val, ROUNDS, sizeof(val[0]), cmp_u64);
	*median = val[ROUNDS / 2];
	return 0;
}

static int bench_nothing(void *priv, int round)
{
	return 0;
}

/* Returns true if it could be measured */
static bool measure(const char *name, bench_fn fn, void *priv)
{
	__u64 median;
	int rc;

	rc = bench_run(fn, priv, &median);
	if (rc) {
		ksft_print_msg("%s: %s\n", name, strerror(-rc));
		return false;
	}
	printf("bench: %s %llu\n", name,
	       median > clock_cost ? median - clock_cost : 0);
	return true;
}

struct edu_bench {
	struct edu_dev dev;
	int iommufd;
	__u32 ioas[2];
	__u32 hwpt[2];
};

static int edu_bench_hwpt(void *priv, int round)
{
	struct edu_bench *b = priv;

	return edu_attach(&b->dev, b->hwpt[(round + 1) & 1]);
}

static int edu_bench_ioas(void *priv, int round)
{
	struct edu_bench *b = priv;

	return edu_attach(&b->dev, b->ioas[(round + 1) & 1]);
}

static int edu_bench_irq(void *priv, int round)
{
	struct edu_bench *b = priv;

	return edu_irq_on(&b->dev) ?: edu_irq_off(&b->dev);
}

static int edu_bench_detach(void *priv, int round)
{
	struct edu_bench *b = priv;

	return edu_detach(&b->dev) ?: edu_attach(&b->dev, b->hwpt[0]);
}

static int edu_bench_setup(struct edu_bench *b, const struct edu_func *func)
{
	int rc;
	int i;

	edu_init(&b->dev);
	b->iommufd = open("/dev/iommu", O_RDWR);
	if (b->iommufd < 0)
		return -errno;
	rc = edu_open_bind(&b->dev, func, b->iommufd);
	for (i = 0; i != 2 && !rc; i++)
		rc = edu_ioas_alloc(b->iommufd, &b->ioas[i]);
	for (i = 0; i != 2 && !rc; i++)
		rc = edu_hwpt_alloc(b->iommufd, b->dev.dev_id, b->ioas[0],
				    &b->hwpt[i]);
	return rc;
}

static void edu_bench_teardown(struct edu_bench *b)
{
	edu_close(&b->dev);
	if (b->iommufd >= 0)
		close(b->iommufd);
}

/* Replaces with and without an interrupt that is set up */
static bool edu_bench_swaps(struct edu_bench *b, bool msi)
{
	bool ok = true;

	ok &= !edu_attach(&b->dev, b->hwpt[0]);
	if (msi)
		ok &= !edu_irq_on(&b->dev);
	ok &= measure(msi ? "edu-swap-hwpt-msi" : "edu-swap-hwpt",
		      edu_bench_hwpt, b);
	ok &= measure(msi ? "edu-swap-ioas-msi" : "edu-swap-ioas",
		      edu_bench_ioas, b);
	ok &= !edu_attach(&b->dev, b->hwpt[0]);
	ok &= measure(msi ? "edu-detach-attach-msi" : "edu-detach-attach",
		      edu_bench_detach, b);
	if (msi)
		ok &= !edu_irq_off(&b->dev);
	return ok;
}

static void bench_edu(void)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	struct edu_bench b;
	bool ok = true;
	int rc;

	if (edu_claim(funcs, EDU_MAX_FUNCS) < 1) {
		ksft_test_result_skip("edu: no edu device (1234:11e8)\n");
		return;
	}
	rc = edu_bench_setup(&b, &funcs[0]);
	if (rc) {
		ksft_print_msg("set-up: %s\n", strerror(-rc));
		ok = false;
	} else {
		ok &= edu_bench_swaps(&b, false);
		ok &= edu_bench_swaps(&b, true);
		ok &= measure("edu-irq-on-off", edu_bench_irq, &b);
	}
	edu_bench_teardown(&b);
	ksft_test_result(ok, "edu\n");
}

/* The largest window needed, 256 doorbells and one more with 64K pages */
#define MOCK_WINDOW 0x8000000
#define MOCK_WINDOW_SIZE (512ULL << 16)
#define MOCK_DOORBELL 0x100000000ULL

static int mock_cmd(int iommufd, struct iommu_test_cmd *cmd, __u32 op)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	return ioctl(iommufd, IOMMU_TEST_CMD, cmd) ? -errno : 0;
}

struct mock_bench {
	int iommufd;
	__u32 ioas;
	__u32 hwpt[2];
	__u32 stdev_id;
	__u32 idev_id;
};

/* A device in a group of its own, with a software window */
static int mock_device(struct mock_bench *b, __u32 pt_id, __u32 *stdev_id,
		       __u32 *idev_id)
{
	struct iommu_test_resv resv = {
		.start = MOCK_WINDOW,
		.length = MOCK_WINDOW_SIZE,
		.type = MOCK_RESV_SW_MSI,
		.prot = MOCK_PTE_WRITE | MOCK_PTE_NOEXEC | MOCK_PTE_MMIO,
	};
	struct iommu_test_cmd cmd = {
		.id = pt_id,
		.mock_device = {
			.resv_uptr = (uintptr_t)&resv,
			.resv_num = 1,
		},
	};
	int rc;

	rc = mock_cmd(b->iommufd, &cmd, IOMMU_TEST_OP_MOCK_DEVICE);
	if (rc)
		return rc;
	*stdev_id = cmd.mock_device.out_stdev_id;
	*idev_id = cmd.mock_device.out_idev_id;
	return 0;
}

static int mock_prepare(struct mock_bench *b, __u32 stdev_id,
			unsigned int doorbell, __u32 *msi_id)
{
	struct iommu_test_cmd cmd = {
		.id = stdev_id,
		.msi_prepare.doorbell =
			MOCK_DOORBELL + doorbell * sysconf(_SC_PAGESIZE),
	};
	int rc;

	rc = mock_cmd(b->iommufd, &cmd, IOMMU_TEST_OP_MSI_PREPARE);
	*msi_id = cmd.msi_prepare.out_msi_id;
	return rc;
}

static int mock_unprepare(struct mock_bench *b, __u32 stdev_id, __u32 msi_id)
{
	struct iommu_test_cmd cmd = {
		.id = stdev_id,
		.msi_unprepare.msi_id = msi_id,
	};

	return mock_cmd(b->iommufd, &cmd, IOMMU_TEST_OP_MSI_UNPREPARE);
}

/* A doorbell that nobody uses so far: takes a slot and gives it back */
static int mock_bench_new(void *priv, int round)
{
	struct mock_bench *b = priv;
	__u32 msi_id;

	return mock_prepare(b, b->stdev_id, 1000, &msi_id) ?:
	       mock_unprepare(b, b->stdev_id, msi_id);
}

/* A doorbell that the device uses already */
static int mock_bench_again(void *priv, int round)
{
	struct mock_bench *b = priv;
	__u32 msi_id;

	return mock_prepare(b, b->stdev_id, 0, &msi_id) ?:
	       mock_unprepare(b, b->stdev_id, msi_id);
}

static int mock_bench_swap(void *priv, int round)
{
	struct mock_bench *b = priv;
	struct iommu_test_cmd cmd = {
		.id = b->stdev_id,
		.mock_domain_replace.pt_id = b->hwpt[(round + 1) & 1],
	};

	return mock_cmd(b->iommufd, &cmd, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);
}

static int mock_bench_detach(void *priv, int round)
{
	struct mock_bench *b = priv;
	struct iommu_test_cmd detach = { .id = b->stdev_id };
	struct iommu_test_cmd attach = {
		.id = b->stdev_id,
		.mock_device_attach.pt_id = b->hwpt[0],
	};

	return mock_cmd(b->iommufd, &detach,
			IOMMU_TEST_OP_MOCK_DEVICE_DETACH) ?:
	       mock_cmd(b->iommufd, &attach, IOMMU_TEST_OP_MOCK_DEVICE_ATTACH);
}

enum mock_kind { MOCK_DOORBELLS, MOCK_OTHERS, MOCK_HWPTS, MOCK_GROUPS };

static const char *const mock_kind_name[] = { "doorbells", "others", "hwpts",
					      "groups" };

/* One device with two HWPTs and one doorbell, plus @num of @kind */
/* The device under test: attached, with a second HWPT and one page */
static int mock_bench_device(struct mock_bench *b)
{
	__u32 id;
	int rc;
	int i;

	b->iommufd = open("/dev/iommu", O_RDWR);
	if (b->iommufd < 0)
		return -errno;
	rc = edu_ioas_alloc(b->iommufd, &b->ioas);
	if (rc)
		return rc;
	rc = mock_device(b, 0, &b->stdev_id, &b->idev_id);
	for (i = 0; i != 2 && !rc; i++)
		rc = edu_hwpt_alloc(b->iommufd, b->idev_id, b->ioas,
				    &b->hwpt[i]);
	if (!rc) {
		struct iommu_test_cmd cmd = {
			.id = b->stdev_id,
			.mock_device_attach.pt_id = b->hwpt[0],
		};

		rc = mock_cmd(b->iommufd, &cmd,
			      IOMMU_TEST_OP_MOCK_DEVICE_ATTACH);
	}
	if (rc)
		return rc;
	return mock_prepare(b, b->stdev_id, 0, &id);
}

/* Another device with @num pages, in a page table that the first one never sees */
static int mock_bench_others(struct mock_bench *b, int num)
{
	__u32 stdev_id;
	__u32 idev_id;
	__u32 id;
	int rc;
	int i;

	rc = mock_device(b, b->hwpt[0], &stdev_id, &idev_id);
	for (i = 0; i < num && !rc; i++)
		rc = mock_prepare(b, stdev_id, i + 1, &id);
	if (!rc)
		rc = edu_hwpt_alloc(b->iommufd, idev_id, b->ioas, &id);
	if (!rc) {
		struct iommu_test_cmd cmd = {
			.id = stdev_id,
			.mock_domain_replace.pt_id = id,
		};

		rc = mock_cmd(b->iommufd, &cmd,
			      IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);
	}
	return rc;
}

static int mock_bench_setup(struct mock_bench *b, enum mock_kind kind, int num)
{
	__u32 stdev_id;
	__u32 idev_id;
	__u32 id;
	int rc;
	int i;

	rc = mock_bench_device(b);
	if (rc)
		return rc;

	switch (kind) {
	case MOCK_DOORBELLS:
		for (i = 1; i < num && !rc; i++)
			rc = mock_prepare(b, b->stdev_id, i, &id);
		break;
	case MOCK_OTHERS:
		rc = mock_bench_others(b, num);
		break;
	case MOCK_HWPTS:
		for (i = 2; i < num && !rc; i++)
			rc = edu_hwpt_alloc(b->iommufd, b->idev_id, b->ioas,
					    &id);
		break;
	case MOCK_GROUPS:
		for (i = 1; i < num && !rc; i++) {
			rc = mock_device(b, b->hwpt[0], &stdev_id, &idev_id);
			if (!rc)
				rc = mock_prepare(b, stdev_id, 0, &id);
		}
		break;
	}
	return rc;
}

static bool mock_bench_one(enum mock_kind kind, int num)
{
	static const struct {
		const char *name;
		bench_fn fn;
	} ops[] = {
		{ "prepare-new", mock_bench_new },
		{ "prepare-again", mock_bench_again },
		{ "swap", mock_bench_swap },
		{ "detach-attach", mock_bench_detach },
	};
	struct mock_bench b;
	unsigned int i;
	char name[64];
	bool ok = true;
	int rc;

	rc = mock_bench_setup(&b, kind, num);
	if (rc) {
		ksft_print_msg("set-up with %d %s: %s\n", num,
			       mock_kind_name[kind], strerror(-rc));
		ok = false;
	}
	for (i = 0; i != ARRAY_SIZE(ops) && ok; i++) {
		snprintf(name, sizeof(name), "mock-%s-%s-%d", ops[i].name,
			 mock_kind_name[kind], num);
		ok = measure(name, ops[i].fn, &b);
	}
	if (b.iommufd >= 0)
		close(b.iommufd);
	return ok;
}

static void bench_mock(void)
{
	static const int nums[] = { 1, 16, 256 };
	struct iommu_test_cmd cmd = { .mock_device.dev_flags = ~0U };
	bool ok = true;
	unsigned int i;
	int iommufd;
	int kind;
	int rc;

	iommufd = open("/dev/iommu", O_RDWR);
	if (iommufd < 0) {
		ksft_test_result_skip("mock: no /dev/iommu\n");
		return;
	}
	/* -EINVAL for the flags says that the operation is known */
	rc = mock_cmd(iommufd, &cmd, IOMMU_TEST_OP_MOCK_DEVICE);
	close(iommufd);
	if (rc != -EINVAL) {
		ksft_test_result_skip("mock: this kernel's has no interrupts\n");
		return;
	}
	for (kind = MOCK_DOORBELLS; kind <= MOCK_GROUPS; kind++)
		for (i = 0; i != ARRAY_SIZE(nums); i++)
			ok &= mock_bench_one(kind, nums[i]);
	ksft_test_result(ok, "mock\n");
}

#define RESV_MAX 256

struct resv_bench {
	int iommufd;
	__u32 dev_id;
	struct iommu_resv_region_info infos[RESV_MAX];
	struct iommu_iova_range ranges[RESV_MAX + 1];
};

static int resv_bench_regions(void *priv, int round)
{
	struct resv_bench *b = priv;
	struct iommu_device_resv_regions cmd = {
		.size = sizeof(cmd),
		.dev_id = b->dev_id,
		.num_regions = RESV_MAX,
		.entry_size = sizeof(b->infos[0]),
		.regions = (uintptr_t)b->infos,
	};

	return ioctl(b->iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd) ? -errno : 0;
}

static int resv_bench_ranges(void *priv, int round)
{
	struct resv_bench *b = priv;
	struct iommu_device_iova_ranges cmd = {
		.size = sizeof(cmd),
		.dev_id = b->dev_id,
		.num_iovas = RESV_MAX + 1,
		.allowed_iovas = (uintptr_t)b->ranges,
	};

	return ioctl(b->iommufd, IOMMU_DEVICE_IOVA_RANGES, &cmd) ? -errno : 0;
}

/* A device with @num regions, and as many holes in its IOVAs */
static int resv_bench_setup(struct resv_bench *b, int num)
{
	static struct iommu_test_resv resv[RESV_MAX];
	struct iommu_test_cmd cmd = {
		.mock_device = {
			.resv_uptr = (uintptr_t)resv,
			.resv_num = num,
		},
	};
	int rc;
	int i;

	for (i = 0; i != num; i++)
		resv[i] = (struct iommu_test_resv){
			.start = MOCK_APERTURE_START + 0x10000 + i * 0x20000,
			.length = 0x10000,
			.type = MOCK_RESV_RESERVED,
		};
	b->iommufd = open("/dev/iommu", O_RDWR);
	if (b->iommufd < 0)
		return -errno;
	rc = mock_cmd(b->iommufd, &cmd, IOMMU_TEST_OP_MOCK_DEVICE);
	b->dev_id = cmd.mock_device.out_idev_id;
	return rc;
}

static bool resv_bench_one(int num)
{
	static struct resv_bench b;
	char name[64];
	bool ok;

	ok = !resv_bench_setup(&b, num);
	if (ok) {
		snprintf(name, sizeof(name), "mock-resv-regions-%d", num);
		ok = measure(name, resv_bench_regions, &b);
	}
	if (ok) {
		snprintf(name, sizeof(name), "mock-iova-ranges-%d", num);
		ok = measure(name, resv_bench_ranges, &b);
	}
	if (b.iommufd >= 0)
		close(b.iommufd);
	return ok;
}

static void bench_resv(void)
{
	static const int nums[] = { 1, 16, RESV_MAX };
	static struct resv_bench b;
	bool ok = true;
	unsigned int i;
	int rc;

	/* -ENOENT, for device 0, says that the call is known */
	b.iommufd = open("/dev/iommu", O_RDWR);
	rc = resv_bench_regions(&b, 0);
	if (b.iommufd >= 0)
		close(b.iommufd);
	if (rc != -ENOENT) {
		ksft_test_result_skip("resv: this kernel has no such calls\n");
		return;
	}
	rc = resv_bench_setup(&b, 1);
	if (b.iommufd >= 0)
		close(b.iommufd);
	if (rc) {
		ksft_test_result_skip("resv: CONFIG_IOMMUFD_TEST is not set\n");
		return;
	}
	for (i = 0; i != ARRAY_SIZE(nums); i++)
		ok &= resv_bench_one(nums[i]);
	ksft_test_result(ok, "resv\n");
}

int main(int argc, char **argv)
{
	ksft_print_header();
	ksft_set_plan(3);

	bench_run(bench_nothing, NULL, &clock_cost);
	ksft_print_msg("reading the clock: %llu\n", clock_cost);
	bench_edu();
	bench_mock();
	bench_resv();
	ksft_finished();
}
