// SPDX-License-Identifier: GPL-2.0-only
/*
 * See iommufd_resv_edu.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include <linux/pci_regs.h>

#include "iommufd_resv_edu.h"

int get_regions(int iommufd, __u32 dev_id, struct regions *regions)
{
	struct iommu_device_resv_regions cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.num_regions = MAX_REGIONS,
		.entry_size = sizeof(regions->info[0]),
		.regions = (uintptr_t)regions->info,
	};

	if (ioctl(iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd))
		return -errno;
	regions->num = cmd.num_regions;
	regions->group_id = cmd.out_group_id;
	regions->aperture_known = cmd.out_flags & IOMMU_DEVICE_APERTURE_KNOWN;
	regions->start = cmd.out_aperture_start;
	regions->last = cmd.out_aperture_last;
	return 0;
}

int get_device_ranges(int iommufd, __u32 dev_id, struct ranges *ranges)
{
	struct iommu_device_iova_ranges cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.num_iovas = MAX_REGIONS,
		.allowed_iovas = (uintptr_t)ranges->iova,
	};

	if (ioctl(iommufd, IOMMU_DEVICE_IOVA_RANGES, &cmd))
		return -errno;
	ranges->num = cmd.num_iovas;
	ranges->alignment = cmd.out_iova_alignment;
	return 0;
}

int get_ioas_ranges(int iommufd, __u32 ioas_id, struct ranges *ranges)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_id,
		.num_iovas = MAX_REGIONS,
		.allowed_iovas = (uintptr_t)ranges->iova,
	};

	if (ioctl(iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd))
		return -errno;
	ranges->num = cmd.num_iovas;
	ranges->alignment = cmd.out_iova_alignment;
	return 0;
}

int allow_iovas(int iommufd, __u32 ioas_id, __u64 start, __u64 last)
{
	struct iommu_iova_range range = { .start = start, .last = last };
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_id,
		.num_iovas = 1,
		.allowed_iovas = (uintptr_t)&range,
	};

	return ioctl(iommufd, IOMMU_IOAS_ALLOW_IOVAS, &cmd) ? -errno : 0;
}

int set_holes(int iommufd, __u32 ioas_id, const struct iommu_iova_range *holes,
	      __u32 num)
{
	struct iommu_ioas_set_holes cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_id,
		.num_iovas = num,
		.holes = (uintptr_t)holes,
	};

	return ioctl(iommufd, IOMMU_IOAS_SET_HOLES, &cmd) ? -errno : 0;
}

int check_plan(int iommufd, __u32 pt_id, __u32 dev_id,
	       const struct iommu_iova_range *ranges, __u32 num,
	       struct check *check)
{
	memset(check, 0, sizeof(*check));
	check->cmd = (struct iommu_ioas_check){
		.size = sizeof(check->cmd),
		.pt_id = pt_id,
		.dev_id = dev_id,
		.num_ranges = num,
		.ranges = (uintptr_t)ranges,
		.num_conflicts = ARRAY_SIZE(check->list),
		.conflicts = (uintptr_t)check->list,
		.entry_size = sizeof(check->list[0]),
	};
	if (ioctl(iommufd, IOMMU_IOAS_CHECK, &check->cmd))
		return -errno;
	check->num = check->cmd.num_conflicts;
	return 0;
}

int check_device(int iommufd, __u32 pt_id, __u32 dev_id, struct check *check)
{
	return check_plan(iommufd, pt_id, dev_id, NULL, 0, check);
}

int check_map(int iommufd, __u32 pt_id, __u64 iova, __u64 length,
	      struct check *check)
{
	struct iommu_iova_range range = { iova, iova + (length - 1) };

	return check_plan(iommufd, pt_id, 0, &range, 1, check);
}

__u32 check_kind(const struct check *check)
{
	return check->num ? check->list[0].kind : NO_CONFLICT;
}

int msi_window(int iommufd, struct iommu_msi_window *cmd)
{
	cmd->size = sizeof(*cmd);
	return ioctl(iommufd, IOMMU_MSI_WINDOW, cmd) ? -errno : 0;
}

int set_window(int iommufd, __u32 dev_id, __u64 start, __u64 length)
{
	struct iommu_msi_window cmd = {
		.op = IOMMU_MSI_WINDOW_OP_SET,
		.dev_id = dev_id,
		.start = start,
		.length = length,
	};

	return msi_window(iommufd, &cmd);
}

int reset_window(int iommufd, __u32 dev_id)
{
	struct iommu_msi_window cmd = {
		.op = IOMMU_MSI_WINDOW_OP_RESET,
		.dev_id = dev_id,
	};

	return msi_window(iommufd, &cmd);
}

bool window_is(int iommufd, __u32 dev_id, __u32 state, __u64 start, __u64 mib)
{
	struct iommu_msi_window cmd = { .dev_id = dev_id };

	if (msi_window(iommufd, &cmd))
		return false;
	if (cmd.start == start && cmd.length == mib * MiB &&
	    cmd.out_state == state)
		return true;
	ksft_print_msg("the window is at %#llx, %llu bytes, state %u\n",
		       (unsigned long long)cmd.start,
		       (unsigned long long)cmd.length, cmd.out_state);
	return false;
}

bool type_is_enforced(__u32 type)
{
	return type == IOMMU_RESV_REGION_DIRECT ||
	       type == IOMMU_RESV_REGION_RESERVED ||
	       type == IOMMU_RESV_REGION_HW_MSI ||
	       type == IOMMU_RESV_REGION_SW_MSI;
}

bool is_enforced(const struct iommu_resv_region_info *info)
{
	return info->flags & IOMMU_RESV_REGION_ENFORCED;
}

const struct iommu_resv_region_info *find_type(const struct regions *r,
					       __u32 type)
{
	__u32 i;

	for (i = 0; i != r->num; i++)
		if (r->info[i].type == type)
			return &r->info[i];
	return NULL;
}

const struct iommu_resv_region_info *
find_region(const struct regions *r, __u64 start, __u64 last, __u32 type)
{
	__u32 i;

	for (i = 0; i != r->num; i++)
		if (r->info[i].start == start && r->info[i].last == last &&
		    r->info[i].type == type)
			return &r->info[i];
	return NULL;
}

unsigned int count_type(const struct regions *r, __u32 type)
{
	unsigned int num = 0;
	__u32 i;

	for (i = 0; i != r->num; i++)
		num += r->info[i].type == type;
	return num;
}

bool is_usable(const struct regions *r, __u64 start, __u64 last)
{
	__u32 i;

	if (start < r->start || last > r->last)
		return false;
	for (i = 0; i != r->num; i++)
		if (is_enforced(&r->info[i]) && start <= r->info[i].last &&
		    last >= r->info[i].start)
			return false;
	return true;
}

const struct iommu_resv_region_info *find_enforced(const struct regions *r)
{
	__u32 i;

	for (i = 0; i != r->num; i++)
		if (is_enforced(&r->info[i]) && r->info[i].start >= r->start &&
		    r->info[i].last <= r->last)
			return &r->info[i];
	return NULL;
}

bool conflict_is(const struct check *check, __u32 kind, __u64 start, __u64 last,
		 __u32 type, __u32 dev_id)
{
	const struct iommu_iova_conflict *first = &check->list[0];

	if (!check->num)
		return kind == NO_CONFLICT;
	if (first->kind == kind && first->start == start &&
	    first->last == last && first->region_type == type &&
	    first->dev_id == dev_id)
		return true;
	ksft_print_msg("conflict %u, %#llx-%#llx, type %u, device %u of %u\n",
		       first->kind, (unsigned long long)first->start,
		       (unsigned long long)first->last, first->region_type,
		       first->dev_id, first->group_id);
	return false;
}

bool device_fits(int iommufd, __u32 ioas_id, __u32 dev_id)
{
	struct check check;

	return !check_device(iommufd, ioas_id, dev_id, &check) &&
	       conflict_is(&check, NO_CONFLICT, 0, 0,
			   IOMMU_RESV_REGION_NONE, 0);
}

void print_regions(const struct regions *r)
{
	__u32 i;

	for (i = 0; i != r->num; i++) {
		const struct iommu_resv_region_info *info = &r->info[i];

		ksft_print_msg("0x%016llx-0x%016llx %s%s%s\n",
			       (unsigned long long)info->start,
			       (unsigned long long)info->last,
			       info->type < ARRAY_SIZE(type_names) ?
				       type_names[info->type] :
				       "(unknown)",
			       is_enforced(info) ? ", enforced" : "",
			       info->flags & IOMMU_RESV_REGION_CHOSEN ?
				       ", chosen" :
				       "");
	}
	ksft_print_msg("0x%016llx-0x%016llx aperture%s\n",
		       (unsigned long long)r->start,
		       (unsigned long long)r->last,
		       r->aperture_known ? "" : ", not known");
}

/*
 * The address that the device writes its MSI to. From sysfs: what VFIO shows of
 * this register is what user space has written there.
 */
static int read_msi_address(const struct edu_func *func, __u64 *addr)
{
	__u8 cfg[256];
	char path[128];
	__u32 lo, hi = 0;
	int pos, n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config",
		 func->bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, cfg, sizeof(cfg));
	close(fd);
	if (n != sizeof(cfg))
		return -EIO;
	pos = cfg[PCI_CAPABILITY_LIST] & ~3;
	for (n = 0; pos && n != 48; n++) {
		if (cfg[pos] == PCI_CAP_ID_MSI)
			break;
		pos = cfg[pos + 1] & ~3;
	}
	if (!pos || cfg[pos] != PCI_CAP_ID_MSI ||
	    pos + PCI_MSI_ADDRESS_HI + 4 > sizeof(cfg))
		return -ENOENT;
	memcpy(&lo, cfg + pos + PCI_MSI_ADDRESS_LO, sizeof(lo));
	if (cfg[pos + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_64BIT)
		memcpy(&hi, cfg + pos + PCI_MSI_ADDRESS_HI, sizeof(hi));
	*addr = (__u64)hi << 32 | lo;
	return 0;
}

bool msi_is_in(const struct edu_dev *dev, __u64 start, __u64 last)
{
	__u64 addr = 0;
	int rc = read_msi_address(dev->func, &addr);

	if (!rc && addr >= start && addr <= last)
		return true;
	ksft_print_msg("the MSI address is %#llx, %s\n",
		       (unsigned long long)addr, strerror(-rc));
	return false;
}

int sysfs_has(int group, __u64 start, __u64 last, const char *word)
{
	unsigned long long s, l;
	char type[32];
	char path[64];
	int rc = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/iova_regions",
		 group);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	while (fscanf(f, "%llx %llx %31s%*[^\n]", &s, &l, type) == 3)
		if (s == start && l == last && !strcmp(type, word))
			rc = 1;
	fclose(f);
	return rc;
}

const struct edu_func *find_device(void)
{
	static struct edu_func other;
	const char *bdf = getenv("RESV_BDF");

	if (!bdf)
		return edu_find_single();
	snprintf(other.bdf, sizeof(other.bdf), "%s", bdf);
	if (edu_bind_driver(&other))
		return NULL;
	other.group = edu_read_group(bdf);
	return other.group < 0 ? NULL : &other;
}

bool has_irq(struct edu_dev *dev)
{
	return !edu_irq_on(dev);
}
