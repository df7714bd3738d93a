// SPDX-License-Identifier: GPL-2.0-only
/*
 * No reserved region is lost when memory runs out.
 *
 * Each test sweeps one system call: it runs with its first allocation made to
 * fail, then with its second and so on, until it gets by without meeting the
 * one that was to fail. Whichever it was,
 *
 *  - the call fails with ENOMEM, or does all that it does without a failure;
 *  - if it failed, the same call works at the next try;
 *  - once it worked, nothing can be mapped over a region of the device;
 *  - what reserved_regions in sysfs says never changes.
 *
 * The device is QEMU's edu, see vfio_edu.h, with the regions that its IOMMU
 * gives it: a software MSI window, a hardware one, or what was asked for on the
 * command line of QEMU.
 *
 * Needs root, and CONFIG_FAILSLAB and CONFIG_FAULT_INJECTION_DEBUG_FS.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "vfio_edu.h"

/* No region of any IOMMU here; for a map that has to work */
#define FREE_IOVA 0x1000000

/* More allocations than any of the calls makes */
#define MAX_NTH 3000

#define MAX_REGIONS 16

struct region {
	__u64 start;
	__u64 last;
	char type[32];
};

static size_t page_size;

/* The raw text of an attribute of a group, its length, or -errno */
static ssize_t read_attr(int group, const char *name, char *buf, size_t size,
			 unsigned int nth)
{
	char path[80];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/%s", group,
		 name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* No page of the buffer may be missing: the fault on it would fail too */
	memset(buf, 0, size);
	if (nth)
		edu_fault_begin(nth);
	len = read(fd, buf, size - 1);
	if (len < 0)
		len = -errno;
	else
		buf[len] = 0;
	close(fd);
	return len;
}

static ssize_t read_resv(int group, char *buf, size_t size, unsigned int nth)
{
	return read_attr(group, "reserved_regions", buf, size, nth);
}

static int parse_resv(const char *text, struct region *regions)
{
	int num = 0;
	int used;

	while (num != MAX_REGIONS &&
	       sscanf(text, "%llx %llx %31s%n", &regions[num].start,
		      &regions[num].last, regions[num].type, &used) == 3) {
		text += used;
		/* Those are for the kernel's own use, not enforced */
		if (strcmp(regions[num].type, "direct-relaxable"))
			num++;
	}
	return num;
}

static int read_type(int group, char *buf, size_t size)
{
	char path[80];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/type", group);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len <= 0)
		return -EIO;
	buf[len] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return 0;
}

/* What the tests and their helpers share */
struct resv_test {
	const struct edu_func *func;
	struct edu_dev dev;
	int iommufd;
	int container;
	void *mem;
	/* What sysfs says before anything failed */
	char text[4096];
	struct region regions[MAX_REGIONS];
	int num_regions;
};

FIXTURE(resv_fault)
{
	struct resv_test t;
};

FIXTURE_SETUP(resv_fault)
{
	edu_init(&self->t.dev);
	self->t.iommufd = -1;
	self->t.container = -1;

	self->t.func = edu_find_single();
	if (!self->t.func)
		SKIP(return, "no edu device (1234:11e8) with its own group");
	if (!edu_fault_open())
		SKIP(return, "fault injection is not enabled in the kernel");

	page_size = sysconf(_SC_PAGESIZE);
	self->t.mem = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, self->t.mem);
	ASSERT_LT(0, read_resv(self->t.func->group, self->t.text,
			       sizeof(self->t.text), 0));
	self->t.num_regions = parse_resv(self->t.text, self->t.regions);
	ASSERT_LT(0, self->t.num_regions);

	self->t.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->t.iommufd);
}

FIXTURE_TEARDOWN(resv_fault)
{
	edu_close(&self->t.dev);
	if (self->t.container >= 0)
		close(self->t.container);
	if (self->t.iommufd >= 0)
		close(self->t.iommufd);
	edu_fault_close();
}

/*
 * Did the call, which returned @rc, get by without the failure? With
 * CONFIG_IOMMUFD_TEST the places where iommufd itself can be made to fail count
 * as allocations too, and have an errno of their own.
 */
static bool swept(struct __test_metadata *_metadata, unsigned int nth, int rc,
		  bool iommufd)
{
	ASSERT_GT(MAX_NTH, nth);
	if (edu_fault_end()) {
		if (rc && !(iommufd && (rc == -ENOENT || rc == -EINVAL))) {
			ASSERT_EQ(-ENOMEM, rc)
				TH_LOG("allocation %u failed", nth);
		}
		return false;
	}
	ASSERT_EQ(0, rc);
	ksft_print_msg("%u allocations\n", nth - 1);
	return true;
}

static void check_resv(struct __test_metadata *_metadata, struct resv_test *t)
{
	char text[4096];

	ASSERT_LT(0, read_resv(t->func->group, text, sizeof(text), 0));
	ASSERT_STREQ(t->text, text);
}

/* Reading reserved_regions gives all of them or an error */
TEST_F_TIMEOUT(resv_fault, sysfs_read, 120)
{
	unsigned int nth;
	char text[4096];
	ssize_t len;

	for (nth = 1;; nth++) {
		len = read_resv(self->t.func->group, text, sizeof(text), nth);
		if (swept(_metadata, nth, len < 0 ? len : 0, false))
			break;
		if (len >= 0) {
			ASSERT_STREQ(self->t.text, text)
				TH_LOG("allocation %u failed", nth);
		}
		check_resv(_metadata, &self->t);
	}
	ASSERT_STREQ(self->t.text, text);
}

static int type1_map(int container, void *va, __u64 iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = page_size,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static void type1_check(struct __test_metadata *_metadata, struct resv_test *t,
			unsigned int nth)
{
	int i;

	ASSERT_EQ(0, type1_map(t->container, t->mem, FREE_IOVA));
	for (i = 0; i != t->num_regions; i++) {
		struct region *cur = &t->regions[i];

		EXPECT_NE(0, type1_map(t->container, t->mem, cur->start))
			TH_LOG("mapped over %s 0x%llx, allocation %u failed", cur->type,
			       cur->start, nth);
		EXPECT_NE(0, type1_map(t->container, t->mem,
				       cur->last - page_size + 1))
			TH_LOG("mapped over %s ..0x%llx, allocation %u failed",
			       cur->type, cur->last, nth);
	}
}

/* VFIO type1 attaches the group when the container is told its IOMMU type */
TEST_F_TIMEOUT(resv_fault, type1_attach, 600)
{
	unsigned int nth;
	bool done;
	int rc;

	for (nth = 1;; nth++) {
		self->t.container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, self->t.container);
		ASSERT_EQ(0, edu_group_open(&self->t.dev, self->t.func,
					    self->t.container));

		edu_fault_begin(nth);
		rc = ioctl(self->t.container, VFIO_SET_IOMMU,
			   VFIO_TYPE1v2_IOMMU);
		if (rc)
			rc = -errno;
		done = swept(_metadata, nth, rc, false);

		if (rc)
			ASSERT_EQ(0, ioctl(self->t.container, VFIO_SET_IOMMU,
					   VFIO_TYPE1v2_IOMMU));
		type1_check(_metadata, &self->t, nth);

		edu_close(&self->t.dev);
		close(self->t.container);
		check_resv(_metadata, &self->t);
		if (done)
			break;
	}
	self->t.container = -1;
}

static int raw_bind(struct edu_dev *dev, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommufd,
	};

	if (ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return -errno;
	dev->dev_id = bind.out_devid;
	return 0;
}

/* No region can be mapped over, or all can if the device is not attached */
static void iommufd_check(struct __test_metadata *_metadata,
			  struct resv_test *t, __u32 ioas_id, bool attached,
			  unsigned int nth)
{
	int rc;
	int i;

	ASSERT_EQ(0,
		  edu_map(t->iommufd, ioas_id, t->mem, page_size, FREE_IOVA));
	ASSERT_EQ(0, edu_unmap(t->iommufd, ioas_id, FREE_IOVA, page_size));
	for (i = 0; i != t->num_regions; i++) {
		struct region *cur = &t->regions[i];

		rc = edu_map(t->iommufd, ioas_id, t->mem, page_size,
			     cur->start);
		EXPECT_EQ(attached ? -EINVAL : 0, rc)
			TH_LOG("%s 0x%llx %s, allocation %u failed", cur->type,
			       cur->start,
			       attached ? "is mapped over" : "stays reserved", nth);
		if (!rc)
			ASSERT_EQ(0, edu_unmap(t->iommufd, ioas_id, cur->start,
					       page_size));
	}
}

/* Binding reads the MSI window of the group */
TEST_F_TIMEOUT(resv_fault, iommufd_bind, 600)
{
	unsigned int nth;
	__u32 ioas_id;
	bool done;
	int rc;

	/* Binding also enables the PCI device */
	if (!access("/sys/firmware/acpi", F_OK))
		SKIP(return, "ACPI's interpreter breaks on failed allocations");

	ASSERT_EQ(0, edu_ioas_alloc(self->t.iommufd, &ioas_id));
	for (nth = 1;; nth++) {
		ASSERT_EQ(0, edu_open(&self->t.dev, self->t.func));

		edu_fault_begin(nth);
		rc = raw_bind(&self->t.dev, self->t.iommufd);
		done = swept(_metadata, nth, rc, true);

		if (rc)
			ASSERT_EQ(0, raw_bind(&self->t.dev, self->t.iommufd));
		ASSERT_EQ(0, edu_attach(&self->t.dev, ioas_id));
		iommufd_check(_metadata, &self->t, ioas_id, true, nth);

		edu_close(&self->t.dev);
		check_resv(_metadata, &self->t);
		if (done)
			break;
	}
}

TEST_F_TIMEOUT(resv_fault, iommufd_attach, 600)
{
	unsigned int nth;
	__u32 ioas_id;
	bool done;
	int rc;

	ASSERT_EQ(0,
		  edu_open_bind(&self->t.dev, self->t.func, self->t.iommufd));
	for (nth = 1;; nth++) {
		ASSERT_EQ(0, edu_ioas_alloc(self->t.iommufd, &ioas_id));

		edu_fault_begin(nth);
		rc = edu_attach(&self->t.dev, ioas_id);
		done = swept(_metadata, nth, rc, true);

		if (rc) {
			/* Nothing is half done */
			iommufd_check(_metadata, &self->t, ioas_id, false, nth);
			ASSERT_EQ(0, edu_attach(&self->t.dev, ioas_id));
		}
		iommufd_check(_metadata, &self->t, ioas_id, true, nth);

		ASSERT_EQ(0, edu_detach(&self->t.dev));
		ASSERT_EQ(0, edu_destroy(self->t.iommufd, ioas_id));
		check_resv(_metadata, &self->t);
		if (done)
			break;
	}
}

/* From this end of the kernel log on: did the DMA API refuse a domain? */
static bool dma_setup_failed(int log_fd)
{
	char line[2048];
	bool failed = false;
	ssize_t len;

	for (;;) {
		len = read(log_fd, line, sizeof(line) - 1);
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			return failed;
		line[len] = 0;
		if (strstr(line, "Failed to set up IOMMU for device"))
			failed = true;
	}
}

/*
 * Change the default domain of the group from one type to another: the new one
 * gets the direct mappings, and the DMA API its list of IOVAs not to use.
 */
static void sweep_type(struct __test_metadata *_metadata, struct resv_test *t,
		       const char *from, const char *to)
{
	unsigned int nth;
	char path[80];
	char type[32];
	int log_fd;
	bool done;
	int rc;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/type",
		 t->func->group);
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, log_fd);

	ASSERT_EQ(0, edu_write_file(path, from));
	for (nth = 1;; nth++) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		ASSERT_LE(0, fd);
		lseek(log_fd, 0, SEEK_END);

		edu_fault_begin(nth);
		rc = write(fd, to, strlen(to)) < 0 ? -errno : 0;
		done = swept(_metadata, nth, rc, false);
		close(fd);

		ASSERT_EQ(0, read_type(t->func->group, type, sizeof(type)));
		if (rc) {
			ASSERT_STREQ(from, type)
				TH_LOG("allocation %u failed", nth);
			ASSERT_EQ(0, edu_write_file(path, to));
		} else {
			EXPECT_FALSE(dma_setup_failed(log_fd))
				TH_LOG("DMA API left without a domain, allocation %u failed",
				       nth);
		}
		ASSERT_EQ(0, read_type(t->func->group, type, sizeof(type)));
		ASSERT_STREQ(to, type);
		check_resv(_metadata, t);
		if (done)
			break;
		ASSERT_EQ(0, edu_write_file(path, from));
	}
	close(log_fd);
}

TEST_F_TIMEOUT(resv_fault, default_domain, 1200)
{
	char path[80];
	__u32 ioas_id;

	/* The type can be changed while no driver is bound */
	ASSERT_EQ(0, edu_unbind_driver(self->t.func));
	sweep_type(_metadata, &self->t, "identity", "DMA");
	sweep_type(_metadata, &self->t, "DMA", "identity");

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/type",
		 self->t.func->group);
	ASSERT_EQ(0, edu_write_file(path, "auto"));
	ASSERT_EQ(0, edu_bind_driver(self->t.func));

	/* The device is as good as before */
	ASSERT_EQ(0,
		  edu_open_bind(&self->t.dev, self->t.func, self->t.iommufd));
	ASSERT_EQ(0, edu_ioas_alloc(self->t.iommufd, &ioas_id));
	ASSERT_EQ(0, edu_attach(&self->t.dev, ioas_id));
	iommufd_check(_metadata, &self->t, ioas_id, true, 0);
	ASSERT_EQ(0, edu_irq_on(&self->t.dev));
	ASSERT_EQ(1, edu_raise(&self->t.dev, EDU_TIMEOUT_MS));
}

/*
 * What is only advice, the windows of the host bridge for example, is not left
 * out either, though nothing enforces it.
 */
#define MAX_INFOS 64

/* All regions of the device, with *num the room and then how many there are */
static int read_infos(struct resv_test *t, struct iommu_resv_region_info *infos,
		      __u32 *num)
{
	struct iommu_device_resv_regions cmd = {
		.size = sizeof(cmd),
		.dev_id = t->dev.dev_id,
		.num_regions = *num,
		.entry_size = sizeof(*infos),
		.regions = (uintptr_t)infos,
	};

	memset(infos, 0, *num * sizeof(*infos));
	if (ioctl(t->iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd))
		return -errno;
	*num = cmd.num_regions;
	return 0;
}

static unsigned int count_windows(const struct iommu_resv_region_info *infos,
				  __u32 num)
{
	unsigned int windows = 0;
	__u32 i;

	for (i = 0; i != num; i++)
		windows += infos[i].type == IOMMU_RESV_REGION_BRIDGE_WINDOW;
	return windows;
}

TEST_F_TIMEOUT(resv_fault, advisory_ioctl, 120)
{
	struct iommu_resv_region_info known[MAX_INFOS], infos[MAX_INFOS];
	__u32 num_known = MAX_INFOS;
	unsigned int nth;
	__u32 num;
	int rc;

	if (!access("/sys/firmware/acpi", F_OK))
		SKIP(return, "ACPI's interpreter breaks on failed allocations");

	ASSERT_EQ(0,
		  edu_open_bind(&self->t.dev, self->t.func, self->t.iommufd));
	ASSERT_EQ(0, read_infos(&self->t, known, &num_known));
	ASSERT_LT(0, count_windows(known, num_known));

	for (nth = 1;; nth++) {
		num = MAX_INFOS;
		edu_fault_begin(nth);
		rc = read_infos(&self->t, infos, &num);
		if (swept(_metadata, nth, rc, true))
			break;
		if (rc)
			continue;
		ASSERT_EQ(num_known, num)
			TH_LOG("allocation %u failed", nth);
		ASSERT_EQ(0, memcmp(known, infos, num * sizeof(infos[0])))
			TH_LOG("allocation %u failed", nth);
	}
	ASSERT_EQ(num_known, num);
	ASSERT_EQ(0, memcmp(known, infos, num * sizeof(infos[0])));
	/* One for each region at least */
	ASSERT_LT(num_known, nth);
}

TEST_F_TIMEOUT(resv_fault, advisory_sysfs, 120)
{
	char known[4096], text[4096];
	unsigned int nth;
	ssize_t len;

	if (!access("/sys/firmware/acpi", F_OK))
		SKIP(return, "ACPI's interpreter breaks on failed allocations");

	ASSERT_LT(0, read_attr(self->t.func->group, "iova_regions", known,
			       sizeof(known), 0));
	ASSERT_NE(NULL, strstr(known, "bridge-window"));

	for (nth = 1;; nth++) {
		len = read_attr(self->t.func->group, "iova_regions", text,
				sizeof(text), nth);
		if (swept(_metadata, nth, len < 0 ? len : 0, false))
			break;
		if (len >= 0)
			ASSERT_STREQ(known, text)
				TH_LOG("allocation %u failed", nth);
	}
	ASSERT_STREQ(known, text);
}

TEST_HARNESS_MAIN
