// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drive QEMU's edu device through vfio-pci.
 * See vfio_edu.h for the states of a device.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest.h"
#include "vfio_edu.h"

#define SYSFS_PCI "/sys/bus/pci"
#define DEBUGFS "/sys/kernel/debug/"

enum {
	EDU_VENDOR = 0x1234,
	EDU_DEVICE = 0x11e8,
};

/* Registers in BAR 0 */
enum {
	EDU_REG_RAISE = 0x60,
	EDU_REG_ACK = 0x64,
	EDU_REG_DMA_SRC = 0x80,
	EDU_REG_DMA_DST = 0x88,
	EDU_REG_DMA_CNT = 0x90,
	EDU_REG_DMA_CMD = 0x98,
};

enum {
	EDU_DMA_RUN = 1 << 0,
	EDU_DMA_TO_HOST = 1 << 1,
};

/* The device's own buffer, in its DMA address space, and its size */
#define EDU_DMA_BUF 0x40000
#define EDU_DMA_BUF_SIZE 4096

int edu_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int read_hex(const char *bdf, const char *attr, unsigned int *val)
{
	char path[128];
	FILE *f;
	int n;

	snprintf(path, sizeof(path), SYSFS_PCI "/devices/%s/%s", bdf, attr);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	n = fscanf(f, "%x", val);
	fclose(f);
	return n == 1 ? 0 : -EINVAL;
}

/* The last component of a symlink in the function's sysfs directory */
static int read_link(const char *bdf, const char *name, char *out, size_t size)
{
	char path[128];
	char target[256];
	ssize_t len;
	char *base;

	snprintf(path, sizeof(path), SYSFS_PCI "/devices/%s/%s", bdf, name);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = 0;
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	len = strlen(base);
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(out, base, len + 1);
	return 0;
}

int edu_read_group(const char *bdf)
{
	char group[32];
	int rc;

	rc = read_link(bdf, "iommu_group", group, sizeof(group));
	return rc ? rc : atoi(group);
}

/*
 * "msi" names both a software window and a hardware MSI region. Drivers with
 * a software window place it at 128 MiB, and no hardware doorbell is there.
 */
static void read_window(struct edu_func *func)
{
	unsigned long long start, last;
	char path[128];
	char type[32];
	FILE *f;

	snprintf(path, sizeof(path),
		 "/sys/kernel/iommu_groups/%d/reserved_regions", func->group);
	f = fopen(path, "r");
	if (!f)
		return;
	while (fscanf(f, "%llx %llx %31s", &start, &last, type) == 3) {
		if (strcmp(type, "msi") || start != 0x8000000)
			continue;
		func->has_window = true;
		func->window_start = start;
		func->window_last = last;
	}
	fclose(f);
}

static int cmp_func(const void *a, const void *b)
{
	return strcmp(((const struct edu_func *)a)->bdf,
		      ((const struct edu_func *)b)->bdf);
}

/* The functions with this vendor and device ID, sorted by address */
static int scan(struct edu_func *funcs, int max, unsigned int want_vendor,
		unsigned int want_device)
{
	struct dirent *de;
	int num = 0;
	DIR *dir;

	dir = opendir(SYSFS_PCI "/devices");
	if (!dir)
		return 0;
	while (num < max && (de = readdir(dir))) {
		struct edu_func *func = &funcs[num];
		unsigned int vendor, device;

		if (de->d_name[0] == '.' ||
		    strlen(de->d_name) >= sizeof(func->bdf) ||
		    read_hex(de->d_name, "vendor", &vendor) ||
		    read_hex(de->d_name, "device", &device) ||
		    vendor != want_vendor || device != want_device)
			continue;
		memset(func, 0, sizeof(*func));
		snprintf(func->bdf, sizeof(func->bdf), "%.15s", de->d_name);
		func->group = -1;
		num++;
	}
	closedir(dir);
	qsort(funcs, num, sizeof(*funcs), cmp_func);
	return num;
}

int edu_scan(struct edu_func *funcs, int max)
{
	return scan(funcs, max, EDU_VENDOR, EDU_DEVICE);
}

static int probe_driver(const struct edu_func *func, const char *name)
{
	char driver[64];
	char path[128];
	int rc;

	snprintf(path, sizeof(path), SYSFS_PCI "/devices/%s/driver_override",
		 func->bdf);
	rc = edu_write_file(path, name);
	if (rc)
		return rc;
	rc = edu_write_file(SYSFS_PCI "/drivers_probe", func->bdf);
	if (rc)
		return rc;
	/* A probe that fails, or finds no driver, is not an error */
	rc = read_link(func->bdf, "driver", driver, sizeof(driver));
	if (rc)
		return rc;
	return strcmp(driver, name) ? -EBUSY : 0;
}

int edu_bind_driver(const struct edu_func *func)
{
	char driver[64];

	if (read_link(func->bdf, "driver", driver, sizeof(driver)))
		return probe_driver(func, "vfio-pci");
	return strcmp(driver, "vfio-pci") ? -EBUSY : 0;
}

int edu_set_driver(const struct edu_func *func, const char *name)
{
	char driver[64];
	char path[192];
	int rc;

	if (!read_link(func->bdf, "driver", driver, sizeof(driver))) {
		snprintf(path, sizeof(path), SYSFS_PCI "/drivers/%s/unbind",
			 driver);
		rc = edu_write_file(path, func->bdf);
		if (rc)
			return rc;
	}
	return probe_driver(func, name);
}

int edu_claim_id(struct edu_func *funcs, int max, unsigned int vendor,
		 unsigned int device)
{
	struct edu_func found[EDU_MAX_FUNCS];
	int num = 0;
	int n;
	int i;

	n = scan(found, EDU_MAX_FUNCS, vendor, device);
	for (i = 0; i != n && num != max; i++) {
		struct edu_func *func = &found[i];
		/*
		 * With a device tree a function has no group before its driver
		 * is probed. Without an IOMMU it has none at all.
		 */
		if (edu_bind_driver(func))
			continue;
		func->group = edu_read_group(func->bdf);
		if (func->group < 0)
			continue;
		read_window(func);
		funcs[num++] = *func;
	}
	return num;
}

int edu_claim(struct edu_func *funcs, int max)
{
	return edu_claim_id(funcs, max, EDU_VENDOR, EDU_DEVICE);
}

bool edu_is_alone(const struct edu_func *funcs, int num, int i)
{
	int j;

	for (j = 0; j != num; j++)
		if (i != j && funcs[i].group == funcs[j].group)
			return false;
	return true;
}

const struct edu_func *edu_pick_single(const struct edu_func *funcs, int num)
{
	int i;

	for (i = 0; i != num; i++)
		if (edu_is_alone(funcs, num, i))
			return &funcs[i];
	return NULL;
}

bool edu_pick_pair(const struct edu_func *funcs, int num, bool same_group,
		   const struct edu_func *pair[2])
{
	int i;
	int j;

	for (i = 0; i != num; i++) {
		for (j = i + 1; j < num; j++) {
			bool same = funcs[i].group == funcs[j].group;

			if (same != same_group)
				continue;
			pair[0] = &funcs[i];
			pair[1] = &funcs[j];
			return true;
		}
	}
	return false;
}

/* What edu_find_*() have claimed */
static struct edu_func claimed[EDU_MAX_FUNCS];

const struct edu_func *edu_find_single(void)
{
	return edu_pick_single(claimed, edu_claim(claimed, EDU_MAX_FUNCS));
}

bool edu_find_pair(bool same_group, const struct edu_func *pair[2])
{
	return edu_pick_pair(claimed, edu_claim(claimed, EDU_MAX_FUNCS),
			     same_group, pair);
}

int edu_unbind_driver(const struct edu_func *func)
{
	return edu_write_file(SYSFS_PCI "/drivers/vfio-pci/unbind", func->bdf);
}

void edu_init(struct edu_dev *dev)
{
	memset(dev, 0, sizeof(*dev));
	dev->fd = -1;
	dev->event_fd = -1;
	dev->group_fd = -1;
}

int edu_open(struct edu_dev *dev, const struct edu_func *func)
{
	char path[128];
	char node[300];
	struct dirent *de;
	DIR *dir;
	int rc;

	edu_init(dev);
	snprintf(path, sizeof(path), SYSFS_PCI "/devices/%s/vfio-dev",
		 func->bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	node[0] = 0;
	while ((de = readdir(dir)))
		if (!strncmp(de->d_name, "vfio", 4))
			snprintf(node, sizeof(node), "/dev/vfio/devices/%s",
				 de->d_name);
	closedir(dir);

	dev->func = func;
	dev->fd = open(node, O_RDWR | O_CLOEXEC);
	if (dev->fd < 0)
		return -errno;
	dev->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dev->event_fd < 0) {
		rc = -errno;
		edu_close(dev);
		return rc;
	}
	return 0;
}

/* What a function needs once the kernel lets us at it: BAR and bus master */
static int edu_enable(struct edu_dev *dev)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	__u16 command;

	info.index = VFIO_PCI_BAR0_REGION_INDEX;
	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	dev->bar_size = info.size;
	dev->bar_offset = info.offset;
	if (info.flags & VFIO_REGION_INFO_FLAG_MMAP) {
		dev->bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE,
				MAP_SHARED, dev->fd, info.offset);
		if (dev->bar == MAP_FAILED) {
			dev->bar = NULL;
			return -errno;
		}
	}

	info.argsz = sizeof(info);
	info.index = VFIO_PCI_CONFIG_REGION_INDEX;
	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	if (pread(dev->fd, &command, 2, info.offset + PCI_COMMAND) != 2)
		return -EIO;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(dev->fd, &command, 2, info.offset + PCI_COMMAND) != 2)
		return -EIO;
	return 0;
}

int edu_bind_iommufd(struct edu_dev *dev, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommufd,
	};

	if (ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return -errno;
	dev->dev_id = bind.out_devid;
	return edu_enable(dev);
}

int edu_open_bind(struct edu_dev *dev, const struct edu_func *func, int iommufd)
{
	int rc;

	rc = edu_open(dev, func);
	if (rc)
		return rc;
	rc = edu_bind_iommufd(dev, iommufd);
	if (rc)
		edu_close(dev);
	return rc;
}

void edu_close(struct edu_dev *dev)
{
	/* A mapping holds the file: without this the close does nothing */
	if (dev->bar)
		munmap(dev->bar, dev->bar_size);
	if (dev->fd >= 0)
		close(dev->fd);
	if (dev->event_fd >= 0)
		close(dev->event_fd);
	if (dev->group_fd >= 0)
		close(dev->group_fd);
	edu_init(dev);
}

int edu_attach(struct edu_dev *dev, __u32 pt_id)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = pt_id,
	};

	return ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno :
									0;
}

int edu_detach(struct edu_dev *dev)
{
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
	};

	return ioctl(dev->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach) ? -errno :
									0;
}

int edu_irq_on(struct edu_dev *dev)
{
	struct {
		struct vfio_irq_set hdr;
		__s32 fd;
	} set = {
		.hdr = {
			.argsz = sizeof(set),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_MSI_IRQ_INDEX,
			.count = 1,
		},
		.fd = dev->event_fd,
	};

	return ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &set) ? -errno : 0;
}

int edu_irq_off(struct edu_dev *dev)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSI_IRQ_INDEX,
	};

	return ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &set) ? -errno : 0;
}

/* Device registers: one access of just this width, never optimised away */
void edu_write32(struct edu_dev *dev, size_t reg, __u32 val)
{
	if (dev->bar)
		__atomic_store_n((__u32 *)(dev->bar + reg), val,
				 __ATOMIC_RELAXED);
	else if (pwrite(dev->fd, &val, sizeof(val), dev->bar_offset + reg) < 0)
		perror("write to BAR 0");
}

__u32 edu_read32(struct edu_dev *dev, size_t reg)
{
	__u32 val = ~0U;

	if (dev->bar)
		return __atomic_load_n((__u32 *)(dev->bar + reg),
				       __ATOMIC_RELAXED);
	if (pread(dev->fd, &val, sizeof(val), dev->bar_offset + reg) < 0)
		perror("read from BAR 0");
	return val;
}

/* The BAR of an edu is 1 MiB and can be mapped everywhere */
static void edu_write64(struct edu_dev *dev, unsigned int reg, __u64 val)
{
	__atomic_store_n((__u64 *)(dev->bar + reg), val, __ATOMIC_RELAXED);
}

static __u64 edu_read64(struct edu_dev *dev, unsigned int reg)
{
	return __atomic_load_n((__u64 *)(dev->bar + reg), __ATOMIC_RELAXED);
}

int edu_wait(struct edu_dev *dev, int timeout_ms)
{
	struct pollfd pfd = { .fd = dev->event_fd, .events = POLLIN };
	__u64 count;
	int rc;

	do {
		rc = poll(&pfd, 1, timeout_ms);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return -errno;
	if (rc && read(dev->event_fd, &count, sizeof(count)) < 0)
		return -errno;
	return rc;
}

int edu_raise(struct edu_dev *dev, int timeout_ms)
{
	__u64 count;
	int rc;

	/* Forget a late one: it must not stand in for the one raised now */
	if (read(dev->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	edu_write32(dev, EDU_REG_RAISE, 1);
	rc = edu_wait(dev, timeout_ms);
	edu_write32(dev, EDU_REG_ACK, 1);
	return rc;
}

static void edu_dma_start(struct edu_dev *dev, __u64 src, __u64 dst, size_t len,
			  __u64 cmd)
{
	edu_write64(dev, EDU_REG_DMA_SRC, src);
	edu_write64(dev, EDU_REG_DMA_DST, dst);
	edu_write64(dev, EDU_REG_DMA_CNT, len);
	edu_write64(dev, EDU_REG_DMA_CMD, cmd | EDU_DMA_RUN);
}

/* The model takes 100 ms for each run */
static int edu_dma_wait(struct edu_dev *dev)
{
	int i;

	for (i = 0; i != 1000; i++) {
		if (!(edu_read64(dev, EDU_REG_DMA_CMD) & EDU_DMA_RUN))
			return 0;
		usleep(10000);
	}
	return -ETIMEDOUT;
}

/* Several devices at the same time, device i with part i of @src and of @dst */
int edu_dma_copy_all(struct edu_dev *devs, int num, __u64 dst, __u64 src,
		     size_t len)
{
	int rc = 0;
	int i;

	if (len > EDU_DMA_BUF_SIZE)
		return -EINVAL;
	for (i = 0; i != num; i++)
		edu_dma_start(&devs[i], src + i * len, EDU_DMA_BUF, len, 0);
	for (i = 0; i != num && !rc; i++)
		rc = edu_dma_wait(&devs[i]);
	if (rc)
		return rc;
	for (i = 0; i != num; i++)
		edu_dma_start(&devs[i], EDU_DMA_BUF, dst + i * len, len,
			      EDU_DMA_TO_HOST);
	for (i = 0; i != num && !rc; i++)
		rc = edu_dma_wait(&devs[i]);
	return rc;
}

int edu_dma_copy(struct edu_dev *dev, __u64 dst, __u64 src, size_t len)
{
	return edu_dma_copy_all(dev, 1, dst, src, len);
}

int edu_group_open(struct edu_dev *dev, const struct edu_func *func,
		   int container)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];
	int rc;

	edu_init(dev);
	dev->func = func;
	snprintf(path, sizeof(path), "/dev/vfio/%d", func->group);
	dev->group_fd = open(path, O_RDWR | O_CLOEXEC);
	if (dev->group_fd < 0)
		return -errno;
	if (ioctl(dev->group_fd, VFIO_GROUP_GET_STATUS, &status)) {
		rc = -errno;
		goto err_close;
	}
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		rc = -EBUSY;
		goto err_close;
	}
	if (ioctl(dev->group_fd, VFIO_GROUP_SET_CONTAINER, &container)) {
		rc = -errno;
		goto err_close;
	}
	return 0;

err_close:
	edu_close(dev);
	return rc;
}

int edu_group_get_device(struct edu_dev *dev)
{
	dev->fd =
		ioctl(dev->group_fd, VFIO_GROUP_GET_DEVICE_FD, dev->func->bdf);
	if (dev->fd < 0)
		return -errno;
	dev->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dev->event_fd < 0)
		return -errno;
	return edu_enable(dev);
}

int edu_ioas_alloc(int iommufd, __u32 *ioas_id)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &cmd))
		return -errno;
	*ioas_id = cmd.out_ioas_id;
	return 0;
}

int edu_hwpt_alloc(int iommufd, __u32 dev_id, __u32 pt_id, __u32 *hwpt_id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.pt_id = pt_id,
	};

	if (ioctl(iommufd, IOMMU_HWPT_ALLOC, &cmd))
		return -errno;
	*hwpt_id = cmd.out_hwpt_id;
	return 0;
}

int edu_destroy(int iommufd, __u32 id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return ioctl(iommufd, IOMMU_DESTROY, &cmd) ? -errno : 0;
}

int edu_hw_capabilities(int iommufd, __u32 dev_id, __u64 *capabilities)
{
	struct iommu_hw_info cmd = { .size = sizeof(cmd), .dev_id = dev_id };

	if (ioctl(iommufd, IOMMU_GET_HW_INFO, &cmd))
		return -errno;
	*capabilities = cmd.out_capabilities;
	return 0;
}

int edu_map(int iommufd, __u32 ioas_id, void *va, size_t len, __u64 iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas_id,
		.user_va = (uintptr_t)va,
		.length = len,
		.iova = iova,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP, &cmd) ? -errno : 0;
}

int edu_unmap(int iommufd, __u32 ioas_id, __u64 iova, size_t len)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_id,
		.iova = iova,
		.length = len,
	};

	return ioctl(iommufd, IOMMU_IOAS_UNMAP, &cmd) ? -errno : 0;
}

int edu_log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

int edu_log_count(int log_fd, const char *word, const char *other)
{
	char line[2048];
	int count = 0;
	ssize_t len;

	if (log_fd < 0)
		return log_fd;
	for (;;) {
		len = read(log_fd, line, sizeof(line) - 1);
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			break;
		line[len] = 0;
		if (strstr(line, word) && strstr(line, other))
			count++;
	}
	close(log_fd);
	return count;
}

int edu_smmu_log_count(int log_fd)
{
	return edu_log_count(log_fd, "arm-smmu", "event 0x");
}

static int fault_fd = -1;

bool edu_fault_open(void)
{
	char path[64];
	DIR *dir;
	struct dirent *de;

	/* Any allocation, not just those that may not sleep */
	if (edu_write_file(DEBUGFS "failslab/ignore-gfp-wait", "N"))
		return false;
	edu_write_file(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	edu_write_file(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");

	/* Without a stack dump for each */
	dir = opendir(DEBUGFS);
	if (!dir)
		return false;
	while ((de = readdir(dir))) {
		char attr[300];

		if (strncmp(de->d_name, "fail", 4))
			continue;
		snprintf(attr, sizeof(attr), DEBUGFS "%s/verbose", de->d_name);
		edu_write_file(attr, "0");
	}
	closedir(dir);

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth",
		 syscall(SYS_gettid));
	fault_fd = open(path, O_RDWR | O_CLOEXEC);
	return fault_fd >= 0;
}

void edu_fault_close(void)
{
	if (fault_fd >= 0)
		close(fault_fd);
	fault_fd = -1;
}

void edu_fault_begin(unsigned int nth)
{
	char buf[16];
	int len;

	len = snprintf(buf, sizeof(buf), "%u", nth);
	if (pwrite(fault_fd, buf, len, 0) != len)
		abort();
}

bool edu_fault_end(void)
{
	char buf[16] = {};
	ssize_t len;

	/* These calls allocate too: if one fails, then no other did */
	len = pread(fault_fd, buf, sizeof(buf) - 1, 0);
	if (pwrite(fault_fd, "0", 1, 0) != 1) {
		if (pwrite(fault_fd, "0", 1, 0) != 1)
			abort();
		return false;
	}
	return len > 0 && !strtoul(buf, NULL, 10);
}

/* Files of this thread, open all the time: to open one takes memory */
static int nth_fd = -1;
static int task_fd = -1;

static const struct {
	const char *name;
	const char *value;
} nomem_knobs[] = {
	{ "failslab/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ "fail_page_alloc/min-order", "0" },
	{ "failslab/verbose", "0" },
	{ "fail_page_alloc/verbose", "0" },
	{ "failslab/interval", "1" },
	{ "fail_page_alloc/interval", "1" },
	{ "failslab/times", "-1" },
	{ "fail_page_alloc/times", "-1" },
	/* Before the probability: no other task may be hit */
	{ "failslab/task-filter", "Y" },
	{ "fail_page_alloc/task-filter", "Y" },
	{ "failslab/probability", "100" },
	{ "fail_page_alloc/probability", "100" },
};

const char *edu_nomem_open(void)
{
	long tid = syscall(SYS_gettid);
	char path[128];
	unsigned int i;

	/* Only there with CONFIG_IOMMUFD_TEST */
	edu_write_file(DEBUGFS "fail_iommufd/verbose", "0");

	for (i = 0; i != ARRAY_SIZE(nomem_knobs); i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s",
			 nomem_knobs[i].name);
		if (edu_write_file(path, nomem_knobs[i].value))
			return nomem_knobs[i].name;
	}
	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", tid);
	nth_fd = open(path, O_RDWR | O_CLOEXEC);
	if (nth_fd < 0)
		return "fail-nth";
	snprintf(path, sizeof(path), "/proc/self/task/%ld/make-it-fail", tid);
	task_fd = open(path, O_RDWR | O_CLOEXEC);
	return task_fd < 0 ? "make-it-fail" : NULL;
}

void edu_nomem_close(void)
{
	edu_write_file(DEBUGFS "failslab/probability", "0");
	edu_write_file(DEBUGFS "fail_page_alloc/probability", "0");
	if (nth_fd >= 0)
		close(nth_fd);
	if (task_fd >= 0)
		close(task_fd);
	nth_fd = -1;
	task_fd = -1;
}

/*
 * While fail-nth counts, nothing else fails. From the moment that it lets an
 * allocation fail, make-it-fail lets the others fail, as their probability is
 * 100 %.
 */
void edu_nomem_begin(unsigned int nth)
{
	char buf[16];
	int len;

	len = snprintf(buf, sizeof(buf), "%u", nth);
	if (pwrite(task_fd, "1", 1, 0) != 1 ||
	    pwrite(nth_fd, buf, len, 0) != len)
		abort();
}

bool edu_nomem_end(void)
{
	char buf[16] = {};

	if (pwrite(task_fd, "0", 1, 0) != 1 ||
	    pread(nth_fd, buf, sizeof(buf) - 1, 0) < 1 ||
	    pwrite(nth_fd, "0", 1, 0) != 1)
		abort();
	return !strtoul(buf, NULL, 10);
}

const char *edu_irq_result(int rc)
{
	if (rc == 1)
		return "delivered";
	if (rc == 0)
		return "LOST";
	return strerror(-rc);
}

__u64 edu_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

unsigned long edu_env(const char *name, unsigned long fallback)
{
	const char *val = getenv(name);

	return val && *val ? strtoul(val, NULL, 0) : fallback;
}
