// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nothing of an interrupt set-up that runs out of memory stays behind.
 *
 * The test sweeps VFIO_DEVICE_SET_IRQS: it runs with its first allocation made
 * to fail, then with its second and so on, until it gets by without meeting the
 * one that was to fail. After each, the device must be able to get as many
 * interrupts as it has, whatever was asked for before.
 *
 * The device is a PCI function that can do several MSIs, QEMU's nec-usb-xhci.
 * It raises none, the other tests do that.
 *
 * Needs root, and CONFIG_FAILSLAB and CONFIG_FAULT_INJECTION_DEBUG_FS.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "vfio_edu.h"

#define MANY_IRQS 8

/* Of the PCI configuration space, see PCI Local Bus 3.0, 6.7 and 6.8.1 */
#define CFG_CAPABILITIES 0x34
#define CFG_CAP_ID_MSI 0x05
#define CFG_MSI_FLAGS 2
#define CFG_MSI_FLAGS_64BIT 0x80
#define CFG_MSI_DATA_32 8
#define CFG_MSI_DATA_64 12

/* More allocations than a set-up makes */
#define MAX_NTH 3000

/* One for each, as KVM wants it */
static int event_fds[MANY_IRQS];

/* Set up @num MSIs, none at all for 0 */
static int set_irqs(struct edu_dev *dev, unsigned int num)
{
	struct {
		struct vfio_irq_set hdr;
		__s32 fd[MANY_IRQS];
	} set = {
		.hdr = {
			.argsz = sizeof(set.hdr) + num * sizeof(set.fd[0]),
			.flags = VFIO_IRQ_SET_ACTION_TRIGGER |
				 (num ? VFIO_IRQ_SET_DATA_EVENTFD :
					VFIO_IRQ_SET_DATA_NONE),
			.index = VFIO_PCI_MSI_IRQ_INDEX,
			.count = num,
		},
	};
	unsigned int i;
	int rc;

	for (i = 0; i != num; i++)
		set.fd[i] = event_fds[i];
	rc = ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &set);
	/* A positive result is the number of interrupts there would be */
	return rc < 0 ? -errno : rc ? -ENOSPC : 0;
}

static unsigned int num_irqs(struct edu_dev *dev)
{
	struct vfio_irq_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_MSI_IRQ_INDEX,
	};

	return ioctl(dev->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) ? 0 : info.count;
}

/* A function with MSIs enough, bound and attached; or false */
static bool open_device(struct edu_func *func, struct edu_dev *dev, int iommufd,
			__u32 ioas_id)
{
	struct dirent *de;
	bool found = false;
	DIR *dir;

	dir = opendir("/sys/bus/pci/devices");
	if (!dir)
		return false;
	while (!found && (de = readdir(dir))) {
		char path[300];
		char class[16] = {};
		FILE *f;

		/* Only USB controllers are taken away from their drivers */
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/class",
			 de->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (!fgets(class, sizeof(class), f))
			class[0] = 0;
		fclose(f);
		if (strncmp(class, "0x0c03", 6) ||
		    strlen(de->d_name) >= sizeof(func->bdf))
			continue;
		memset(func, 0, sizeof(*func));
		snprintf(func->bdf, sizeof(func->bdf), "%.15s", de->d_name);
		if (edu_bind_driver(func) || edu_open_bind(dev, func, iommufd))
			continue;
		if (num_irqs(dev) >= MANY_IRQS && !edu_attach(dev, ioas_id))
			found = true;
		else
			edu_close(dev);
	}
	closedir(dir);
	return found;
}

/* What the function writes for its first MSI, as the kernel has set it, or -1 */
static int msi_data(const struct edu_func *func)
{
	unsigned char cfg[256] = {};
	unsigned int pos, num;
	char path[64];
	int fd;

	/* Not by way of VFIO, which shows what user space has written there */
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config",
		 func->bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	num = read(fd, cfg, sizeof(cfg)) == sizeof(cfg) ? 48 : 0;
	close(fd);
	for (pos = cfg[CFG_CAPABILITIES] & ~3; pos >= 0x40 && num;
	     pos = cfg[pos + 1] & ~3, num--) {
		if (cfg[pos] != CFG_CAP_ID_MSI || pos > 0xf0)
			continue;
		pos += cfg[pos + CFG_MSI_FLAGS] & CFG_MSI_FLAGS_64BIT ?
			       CFG_MSI_DATA_64 : CFG_MSI_DATA_32;
		return cfg[pos] | cfg[pos + 1] << 8;
	}
	return -1;
}

FIXTURE(msi_fault)
{
	struct edu_func func;
	struct edu_dev dev;
	struct edu_dev edu;
	int iommufd;
	int edu_iommufd;
	__u32 ioas_id;
};

FIXTURE_SETUP(msi_fault)
{
	int i;

	edu_init(&self->dev);
	edu_init(&self->edu);
	self->iommufd = -1;
	self->edu_iommufd = -1;
	for (i = 0; i != MANY_IRQS; i++) {
		event_fds[i] = eventfd(0, EFD_CLOEXEC);
		ASSERT_LE(0, event_fds[i]);
	}
	if (!edu_fault_open())
		SKIP(return, "no fault injection (CONFIG_FAILSLAB?), or no root");
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->iommufd);
	ASSERT_EQ(0, edu_ioas_alloc(self->iommufd, &self->ioas_id));
	if (!open_device(&self->func, &self->dev, self->iommufd, self->ioas_id))
		SKIP(return, "no USB controller with %u MSIs", MANY_IRQS);
}

FIXTURE_TEARDOWN(msi_fault)
{
	int i;

	edu_fault_close();
	edu_close(&self->edu);
	edu_close(&self->dev);
	for (i = 0; i != MANY_IRQS; i++)
		close(event_fds[i]);
	if (self->edu_iommufd >= 0)
		close(self->edu_iommufd);
	if (self->iommufd >= 0)
		close(self->iommufd);
}

/*
 * Sweep the set-up of @num interrupts, returns how many failed. @other keeps its
 * interrupt, if there is one.
 */
static unsigned int sweep(struct __test_metadata *_metadata,
			  struct edu_dev *dev, unsigned int num,
			  struct edu_dev *other)
{
	unsigned int failed = 0;
	unsigned int nth;
	bool hit = true;
	int rc;

	for (nth = 1; hit && nth != MAX_NTH; nth++) {
		edu_fault_begin(nth);
		rc = set_irqs(dev, num);
		hit = edu_fault_end();
		if (!hit)
			ASSERT_EQ(0, rc);
		if (rc)
			failed++;
		else
			ASSERT_EQ(0, set_irqs(dev, 0));

		rc = set_irqs(dev, MANY_IRQS);
		ASSERT_EQ(0, rc)
		{
			TH_LOG("%u MSIs after allocation %u of a set-up of %u failed",
			       MANY_IRQS, nth, num);
		}
		if (other)
			ASSERT_EQ(1, edu_raise(other, EDU_TIMEOUT_MS))
			{
				TH_LOG("the interrupt of the edu is lost, allocation %u failed",
				       nth);
			}
		ASSERT_EQ(0, set_irqs(dev, 0));
	}
	ASSERT_FALSE(hit);
	return failed;
}

/*
 * Fails without "irqchip/gic-v3-its: Do not keep an empty device when an
 * allocation fails" on a machine with an ITS: no room for eight afterwards.
 */
TEST_F_TIMEOUT(msi_fault, one_then_many, 300)
{
	unsigned int failed = sweep(_metadata, &self->dev, 1, NULL);

	ksft_print_msg("%u set-ups failed\n", failed);
	ASSERT_LT(0, failed);
}

/*
 * Three are no power of two. The irqchips round up, and neither may lose what
 * that adds, nor give back what is not theirs: the fourth place is that of an
 * edu. Fails without "irqchip/gic-v3-its: Do not lose LPIs when the vectors are
 * no power of two", and on a machine with a v2m frame without "irqchip/gic-v2m:
 * Free only the SPIs that were allocated".
 */
TEST_F_TIMEOUT(msi_fault, three, 300)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	unsigned int failed;
	__u32 ioas_id;

	if (!edu_claim(funcs, EDU_MAX_FUNCS))
		SKIP(return, "no edu device (1234:11e8)");
	/* In a MSI table of its own, or the doorbell is there already */
	self->edu_iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->edu_iommufd);
	ASSERT_EQ(0, edu_ioas_alloc(self->edu_iommufd, &ioas_id));
	ASSERT_EQ(0, edu_open_bind(&self->edu, &funcs[0], self->edu_iommufd));
	ASSERT_EQ(0, edu_attach(&self->edu, ioas_id));

	ASSERT_EQ(0, set_irqs(&self->dev, 3));
	ASSERT_EQ(0, edu_irq_on(&self->edu));
	ASSERT_EQ(0, set_irqs(&self->dev, 0));
	failed = sweep(_metadata, &self->dev, 3, &self->edu);
	ksft_print_msg("%u set-ups failed\n", failed);
	ASSERT_LT(0, failed);
}

/*
 * The device puts the number of a vector into the lowest bits of its message, of as
 * many bits as the next power of two needs. Interrupts of edus come before those of
 * the device, none, one, two and so on, so that these begin anywhere.
 */
TEST_F_TIMEOUT(msi_fault, aligned, 60)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	struct edu_dev edus[EDU_MAX_FUNCS];
	unsigned int num, i, vectors;

	num = edu_claim(funcs, EDU_MAX_FUNCS);
	if (num < 3)
		SKIP(return, "fewer than three edu devices (1234:11e8)");
	for (i = 0; i <= num; i++) {
		for (vectors = 1; vectors <= MANY_IRQS; vectors++) {
			int mask = 1, data;

			while (mask < (int)vectors)
				mask <<= 1;
			ASSERT_EQ(0, set_irqs(&self->dev, vectors));
			data = msi_data(&self->func);
			ASSERT_EQ(0, set_irqs(&self->dev, 0));
			ASSERT_LE(0, data);
			ASSERT_EQ(0, data & (mask - 1))
			{
				TH_LOG("%u vectors begin at %d, after %u edus",
				       vectors, data, i);
			}
		}
		if (i == num)
			break;
		edu_init(&edus[i]);
		ASSERT_EQ(0, edu_open_bind(&edus[i], &funcs[i], self->iommufd));
		ASSERT_EQ(0, edu_attach(&edus[i], self->ioas_id));
		ASSERT_EQ(0, edu_irq_on(&edus[i]));
	}
	for (i = 0; i != num; i++)
		edu_close(&edus[i]);
}

/*
 * Without "genirq/proc: Do not warn about entries that were not created" the
 * kernel warns
 */
TEST_F_TIMEOUT(msi_fault, many, 300)
{
	unsigned int failed = sweep(_metadata, &self->dev, MANY_IRQS, NULL);

	ksft_print_msg("%u set-ups failed\n", failed);
	ASSERT_LT(0, failed);
}

TEST_HARNESS_MAIN
