// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the VM, as edu <PCI address> <interrupts> [file]: drive an edu device that the host has
 * passed through, with nothing but VFIO without an IOMMU. As many MSIs as are asked for, one after
 * the other, each must arrive; and memory that the device reads and writes back elsewhere. With a
 * file it makes that one then, and keeps its MSI until somebody removes the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../../../clients/edu.h"

static volatile uint8_t *bar;

static void die(const char *what)
{
	printf("# edu: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* Give the device to vfio-pci, and open the group that has no IOMMU. */
static int open_device(const char *bdf)
{
	char path[128], link[256], group[64];
	int container, fd, i;
	ssize_t len = -1;

	put("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "1");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", bdf);
	put(path, "vfio-pci");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	/* A device that has just been plugged takes no driver until the bus is through with it */
	for (i = 0; i < 100; i++) {
		put("/sys/bus/pci/drivers_probe", bdf);
		len = readlink(path, link, sizeof(link) - 1);
		if (len >= 0)
			break;
		usleep(100000);
	}
	if (len < 0)
		die(path);
	link[len] = 0;
	snprintf(group, sizeof(group), "/dev/vfio/noiommu-%.16s", strrchr(link, '/') + 1);

	container = open("/dev/vfio/vfio", O_RDWR);
	for (i = 0; i < 100 && access(group, F_OK); i++)
		usleep(100000);
	fd = open(group, O_RDWR);
	if (container < 0 || fd < 0 || ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU))
		die(group);
	fd = ioctl(fd, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (fd < 0)
		die(bdf);
	return fd;
}

static void open_bar(int device)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = VFIO_PCI_BAR0_REGION_INDEX };
	uint16_t command;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("BAR 0");
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, info.offset);
	if (bar == MAP_FAILED)
		die("mmap of BAR 0");
	info.index = VFIO_PCI_CONFIG_REGION_INDEX;
	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) ||
	    pread(device, &command, 2, info.offset + PCI_COMMAND) != 2)
		die("config space");
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(device, &command, 2, info.offset + PCI_COMMAND) != 2)
		die("config space");
}

static void interrupts(int device, unsigned int want)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} irq = { .set = {
		.argsz = sizeof(irq),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSI_IRQ_INDEX,
		.count = 1,
	} };
	struct pollfd event = { .events = POLLIN };
	uint64_t count;
	unsigned int i;

	irq.fd = event.fd = eventfd(0, 0);
	if (ioctl(device, VFIO_DEVICE_SET_IRQS, &irq))
		die("MSI");
	for (i = 0; i < want; i++) {
		*(volatile uint32_t *)(bar + EDU_RAISE) = 1;
		if (poll(&event, 1, 5000) != 1) {
			printf("# edu: interrupt %u of %u is lost\n", i + 1, want);
			printf("# count: %u interrupts, 1 lost\n", i);
			exit(1);
		}
		if (read(event.fd, &count, sizeof(count)) != sizeof(count))
			die("eventfd");
		*(volatile uint32_t *)(bar + EDU_ACK) = 1;
	}
	printf("# count: %u interrupts, 0 lost\n", want);
}

static uint64_t physical(const void *page)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)page / 4096 * 8) != 8 || !(entry >> 63))
		die("/proc/self/pagemap");
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * 4096;
}

static void copy(uint64_t from, uint64_t to, uint64_t cmd)
{
	int i;

	*(volatile uint64_t *)(bar + EDU_SRC) = from;
	*(volatile uint64_t *)(bar + EDU_DST) = to;
	*(volatile uint64_t *)(bar + EDU_COUNT) = LENGTH;
	*(volatile uint64_t *)(bar + EDU_CMD) = cmd;
	for (i = 0; *(volatile uint64_t *)(bar + EDU_CMD) & EDU_RUN; i++) {
		if (i == 1000) {
			errno = ETIMEDOUT;
			die("DMA");
		}
		usleep(10000);
	}
}

static void dma(void)
{
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	uint64_t where;
	int i;

	if (page == MAP_FAILED)
		die("memory");
	for (i = 0; i < LENGTH; i++)
		page[i] = i * 7 + i / 256;
	where = physical(page);
	copy(where, EDU_BUFFER, EDU_RUN);
	copy(EDU_BUFFER, where + LENGTH, EDU_RUN | EDU_TO_RAM);
	if (memcmp(page, page + LENGTH, LENGTH)) {
		printf("# edu: what it wrote to %#llx is not what it read\n",
		       (unsigned long long)where + LENGTH);
		exit(1);
	}
	printf("# count: %d bytes\n", 2 * LENGTH); /* to the device and back */
}

int main(int argc, char **argv)
{
	int device;

	if (argc != 3 && argc != 4)
		return 2;
	setbuf(stdout, NULL);
	device = open_device(argv[1]);
	open_bar(device);
	interrupts(device, strtoul(argv[2], NULL, 0));
	dma();
	if (argc == 4) {
		close(open(argv[3], O_CREAT | O_WRONLY, 0600));
		while (!access(argv[3], F_OK))
			usleep(100000);
	}
	return 0;
}
