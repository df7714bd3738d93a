// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a manager of VMs does with a /dev/iommu before and beside an unmodified QEMU, which gets the
 * same file by -object iommufd,fd=N. It uses the provisional ioctls of the series.
 *
 *   manager <fd> window <start> <length>   put the MSI window of the groups to come there
 *   manager <fd> check <PCI address> [<first>-<last>...]
 *                                          would this device, which vfio-pci has, fit to what is
 *                                          in the first address space of the fd, if there is one,
 *                                          and to this guest memory? Each conflict is named.
 * Exit code: 0 yes, 1 no, 2 something else failed, 4 the kernel does not have the ioctl.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#define MAX 64

static int iommufd;

static void fail(const char *what)
{
	int rc = errno == ENOTTY ? 4 : 2;

	printf("# manager: %s: %s\n", what, strerror(errno));
	exit(rc);
}

static int window(char **arg)
{
	struct iommu_msi_window cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_MSI_WINDOW_OP_SET,
		.start = strtoull(arg[0], NULL, 0),
		.length = strtoull(arg[1], NULL, 0),
	};

	if (ioctl(iommufd, IOMMU_MSI_WINDOW, &cmd))
		fail("IOMMU_MSI_WINDOW");
	return 0;
}

/* For as long as this program runs, then QEMU may have the device. */
static uint32_t bind_device(const char *bdf)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };
	char path[300];
	struct dirent *de;
	DIR *dir;
	int fd = -1;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	while (dir && (de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", de->d_name);
		fd = open(path, O_RDWR);
	}
	if (fd < 0)
		fail(path);
	if (ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		fail("VFIO_DEVICE_BIND_IOMMUFD");
	return bind.out_devid;
}

/* QEMU's, whose number it does not tell, or an empty one for a VM that is not there yet */
static uint32_t address_space(void)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	uint32_t id;

	for (id = 1; id < MAX; id++) {
		struct iommu_ioas_iova_ranges ranges = { .size = sizeof(ranges), .ioas_id = id };

		if (!ioctl(iommufd, IOMMU_IOAS_IOVA_RANGES, &ranges) || errno == EMSGSIZE)
			return id;
	}
	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		fail("IOMMU_IOAS_ALLOC");
	return alloc.out_ioas_id;
}

static int check(const char *bdf, char **arg, unsigned int num)
{
	struct iommu_iova_range ranges[MAX];
	struct iommu_iova_conflict conflicts[MAX];
	struct iommu_ioas_check cmd = {
		.size = sizeof(cmd),
		.num_ranges = num,
		.ranges = (uintptr_t)ranges,
		.num_conflicts = MAX,
		.conflicts = (uintptr_t)conflicts,
		.entry_size = sizeof(conflicts[0]),
	};
	unsigned int i;
	char *end;

	for (i = 0; i < num; i++) {
		ranges[i].start = strtoull(arg[i], &end, 0);
		ranges[i].last = strtoull(end + 1, NULL, 0);
	}
	cmd.pt_id = address_space();
	cmd.dev_id = bind_device(bdf);
	if (ioctl(iommufd, IOMMU_IOAS_CHECK, &cmd))
		fail("IOMMU_IOAS_CHECK");
	for (i = 0; i < cmd.num_conflicts; i++)
		printf("# manager: %s does not fit: 0x%llx-0x%llx is %s and %s\n", bdf,
		       (unsigned long long)conflicts[i].start, (unsigned long long)conflicts[i].last,
		       conflicts[i].kind == IOMMU_IOVA_CONFLICT_MAPPED ? "guest memory" : "planned",
		       conflicts[i].region_type == IOMMU_RESV_REGION_SW_MSI ? "the MSI window" : "reserved");
	return cmd.num_conflicts != 0;
}

int main(int argc, char **argv)
{
	setbuf(stdout, NULL);
	iommufd = argc > 1 ? atoi(argv[1]) : -1;
	if (argc == 5 && !strcmp(argv[2], "window"))
		return window(argv + 3);
	if (argc > 3 && argc < 4 + MAX && !strcmp(argv[2], "check"))
		return check(argv[3], argv + 4, argc - 4);
	return 2;
}
