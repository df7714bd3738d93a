// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a virtual machine monitor can plan a memory map around reserved IOVA
 * regions. To be read from main() downwards; it runs as a selftest too, with
 * two of QEMU's edu devices in the place of those that a VM would get.
 *
 * A VM sees guest physical addresses, and without a virtual IOMMU the device
 * uses them as IOVAs. So guest RAM must not be where the device cannot do DMA,
 * neither this one nor one that is plugged into the running VM tomorrow. The
 * order of things:
 *
 *   1. Say where the window for MSIs is to be, if there must be one.
 *   2. Bind the device. Nothing is attached yet, nothing is mapped.
 *   3. Ask for its regions.
 *   4. Make a memory map that has holes there, and let the kernel look over it.
 *   5. Tell the kernel about both: the holes must stay free, the RAM must stay
 *      usable. From now on it refuses what would break the map.
 *   6. Map guest RAM and attach.
 *   7. A device is plugged: bind it, ask if it fits, attach it.
 *
 * A kernel that lacks a part of this says ENOTTY or EOPNOTSUPP. The example
 * then says what it does instead.
 *
 * Environment:
 *   VMM_RAM_MIB   guest RAM in MiB, 1024 by default. All of it gets pinned.
 */
#define __SANE_USERSPACE_TYPES__ /* __u64 is unsigned long long */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/iommufd.h>

#include "../kselftest.h"
#include "vfio_edu.h"

#define MiB 0x100000ULL

/* Guest RAM comes in pieces of this, so that large pages can be used */
#define RAM_ALIGN (2 * MiB)

/* Where the VM has nothing else, so doorbells of interrupts can be there */
#define WINDOW_START 0xfd000000ULL
#define WINDOW_LENGTH MiB

#define MAX_REGIONS 128

/* A range of guest physical addresses = IOVAs, both ends inclusive */
struct range {
	__u64 start;
	__u64 last;
};

struct vmm {
	int iommufd;
	__u32 ioas;
	bool old_kernel;

	/* What the IOMMU can translate, and what to keep away from in it */
	struct range aperture;
	struct range avoid[MAX_REGIONS];
	int num_avoid;

	/* Where guest RAM is, and the memory behind it */
	struct range ram[MAX_REGIONS];
	int num_ram;
	__u64 ram_size;
	__u8 *ram_va;
};

/* One step of the story. If it does not work there is no point to go on. */
static __printf(2, 3) void step(int rc, const char *fmt, ...)
{
	char what[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (rc) {
		ksft_test_result_fail("%s: %s\n", what, strerror(-rc));
		ksft_exit_fail();
	}
	ksft_test_result_pass("%s\n", what);
}

static void say(const char *what, struct range range)
{
	ksft_print_msg("  0x%012llx-0x%012llx  %s\n", range.start, range.last,
		       what);
}

/*
 * 1. Where the IOMMU translates MSIs (Arm), the kernel maps doorbells in a
 * window of IOVAs. This is the default for all devices that are bound to this
 * fd later; dev_id could be the ID of a device as well. Devices that have no
 * window do not care.
 */
static int choose_window(struct vmm *vmm)
{
	struct iommu_msi_window cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_MSI_WINDOW_OP_SET,
		.dev_id = 0,
		.start = WINDOW_START,
		.length = WINDOW_LENGTH,
	};

	if (!ioctl(vmm->iommufd, IOMMU_MSI_WINDOW, &cmd))
		return 0;
	if (errno == ENODEV) {
		ksft_print_msg("  No device has one on this machine.\n");
		return 0;
	}
	if (errno != ENOTTY)
		return -errno;
	ksft_print_msg("  This kernel cannot move it: it is where it is.\n");
	return 0;
}

static const char *region_name(__u32 type)
{
	static const char *const name[] = {
		[IOMMU_RESV_REGION_DIRECT] = "memory that the firmware uses",
		[IOMMU_RESV_REGION_DIRECT_RELAXABLE] =
			"memory that the firmware no longer uses",
		[IOMMU_RESV_REGION_RESERVED] = "reserved",
		[IOMMU_RESV_REGION_HW_MSI] = "MSIs, by hardware",
		[IOMMU_RESV_REGION_SW_MSI] = "window for MSIs",
		[IOMMU_RESV_REGION_BRIDGE_WINDOW] = "other PCI devices",
		[IOMMU_RESV_REGION_NO_DMA] = "no DMA, says the firmware",
	};

	return type < ARRAY_SIZE(name) ? name[type] : "something new";
}

static int add_avoid(struct vmm *vmm, __u64 start, __u64 last)
{
	if (vmm->num_avoid == MAX_REGIONS)
		return -E2BIG;
	vmm->avoid[vmm->num_avoid++] = (struct range){ start, last };
	return 0;
}

/*
 * An old kernel: sysfs has part of the list. It cannot tell the aperture, nor
 * whether "msi" is hardware or a window, and there are no advisory regions. The
 * aperture shows once the device is attached, in IOMMU_IOAS_IOVA_RANGES.
 */
static int read_regions_old(struct vmm *vmm, const struct edu_dev *dev)
{
	struct range range;
	char type[32];
	char path[64];
	int rc = 0;
	FILE *f;

	ksft_print_msg("  This kernel does not tell, so from sysfs:\n");
	vmm->old_kernel = true;
	vmm->aperture = (struct range){ 0, (1ULL << 39) - 1 };
	snprintf(path, sizeof(path),
		 "/sys/kernel/iommu_groups/%d/reserved_regions",
		 dev->func->group);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	while (!rc && fscanf(f, "%llx %llx %31s", &range.start, &range.last,
			     type) == 3) {
		say(type, range);
		if (strcmp(type, "direct-relaxable"))
			rc = add_avoid(vmm, range.start, range.last);
	}
	fclose(f);
	return rc;
}

/* 3. The regions of a bound device, sorted by their start. */
static int read_regions(struct vmm *vmm, const struct edu_dev *dev)
{
	struct iommu_device_resv_regions cmd = {
		.size = sizeof(cmd),
		.dev_id = dev->dev_id,
		.entry_size = sizeof(struct iommu_resv_region_info),
	};
	struct iommu_resv_region_info *info = NULL;
	__u32 i;
	int rc;

	/* The first call has no room and learns how many there are */
	while (ioctl(vmm->iommufd, IOMMU_DEVICE_RESV_REGIONS, &cmd)) {
		if (errno == ENOTTY)
			return read_regions_old(vmm, dev);
		if (errno != EMSGSIZE) {
			rc = -errno;
			goto out;
		}
		free(info);
		info = calloc(cmd.num_regions, sizeof(*info));
		if (!info)
			return -ENOMEM;
		cmd.regions = (uintptr_t)info;
	}

	vmm->aperture =
		(struct range){ cmd.out_aperture_start, cmd.out_aperture_last };
	say("what the IOMMU translates", vmm->aperture);
	rc = 0;
	for (i = 0; !rc && i != cmd.num_regions; i++) {
		say(region_name(info[i].type),
		    (struct range){ info[i].start, info[i].last });
		/*
		 * Enforced ones must be kept out of. Advisory ones need not, but
		 * then a guest can find that DMA to its RAM ends somewhere else.
		 * The one type that does no harm is named here.
		 */
		if (info[i].type != IOMMU_RESV_REGION_DIRECT_RELAXABLE)
			rc = add_avoid(vmm, info[i].start, info[i].last);
	}
out:
	free(info);
	return rc;
}

/* A stretch of addresses with nothing in the way: RAM, as far as needed */
static void add_ram(struct vmm *vmm, __u64 start, __u64 last)
{
	__u64 want = vmm->ram_size;
	__u64 size;
	int i;

	for (i = 0; i != vmm->num_ram; i++)
		want -= vmm->ram[i].last - vmm->ram[i].start + 1;
	start = (start + RAM_ALIGN - 1) & -RAM_ALIGN;
	if (!want || start > last || vmm->num_ram == MAX_REGIONS)
		return;
	size = (last - start + 1) & -RAM_ALIGN;
	if (!size)
		return;
	if (size > want)
		size = want;
	vmm->ram[vmm->num_ram] = (struct range){ start, start + size - 1 };
	say("guest RAM", vmm->ram[vmm->num_ram++]);
}

/* 4. Go through the sorted list and fill what is between. */
static int plan_ram(struct vmm *vmm)
{
	__u64 next = vmm->aperture.start;
	__u64 size = 0;
	int i;

	for (i = 0; i != vmm->num_avoid; i++) {
		if (vmm->avoid[i].start > vmm->aperture.last)
			break;
		if (vmm->avoid[i].start > next)
			add_ram(vmm, next, vmm->avoid[i].start - 1);
		/* Regions may overlap, and one may end at the very top */
		if (vmm->avoid[i].last >= vmm->aperture.last)
			break;
		if (vmm->avoid[i].last >= next)
			next = vmm->avoid[i].last + 1;
	}
	if (i == vmm->num_avoid || vmm->avoid[i].start > vmm->aperture.last)
		add_ram(vmm, next, vmm->aperture.last);

	for (i = 0; i != vmm->num_ram; i++)
		size += vmm->ram[i].last - vmm->ram[i].start + 1;
	return size == vmm->ram_size ? 0 : -ENOSPC;
}

/*
 * Would the device fit to what is in the address space, and to the guest RAM that
 * is to be mapped there? The same question is good before a hot-plug is offered to
 * the guest, and after an attach failed, to learn why.
 */
static int check_fit(struct vmm *vmm, __u32 ioas, const struct edu_dev *dev,
		     bool planned)
{
	struct iommu_iova_range ranges[MAX_REGIONS];
	struct iommu_iova_conflict conflicts[16];
	struct iommu_ioas_check cmd = {
		.size = sizeof(cmd),
		.pt_id = ioas,
		.dev_id = dev->dev_id,
		.num_ranges = planned ? vmm->num_ram : 0,
		.ranges = (uintptr_t)ranges,
		.num_conflicts = ARRAY_SIZE(conflicts),
		.conflicts = (uintptr_t)conflicts,
		.entry_size = sizeof(conflicts[0]),
	};
	__u32 i;

	for (i = 0; i != cmd.num_ranges; i++)
		ranges[i] = (struct iommu_iova_range){
			.start = vmm->ram[i].start,
			.last = vmm->ram[i].last,
		};
	/* EMSGSIZE: there are even more, these are enough to know */
	if (ioctl(vmm->iommufd, IOMMU_IOAS_CHECK, &cmd) && errno != EMSGSIZE) {
		if (errno != ENOTTY)
			return -errno;
		ksft_print_msg("  This kernel cannot tell: attach and see.\n");
		return 0;
	}
	for (i = 0; i != cmd.num_conflicts && i != ARRAY_SIZE(conflicts); i++) {
		ksft_print_msg("  Conflict %u with device %u of group %d:\n",
			       conflicts[i].kind, conflicts[i].dev_id,
			       (int)conflicts[i].group_id);
		say(region_name(conflicts[i].region_type),
		    (struct range){ conflicts[i].start, conflicts[i].last });
	}
	return cmd.num_conflicts ? -EADDRINUSE : 0;
}

/*
 * 5. What is to be avoided becomes holes of the IOAS. Nothing of the VMM can be
 * mapped there by mistake, and a device that has its region in a hole fits. The
 * list can have more in it: the holes that another host needs, to which the VM
 * may have to move.
 */
static int declare_holes(struct vmm *vmm)
{
	struct iommu_iova_range holes[MAX_REGIONS];
	struct iommu_ioas_set_holes cmd = {
		.size = sizeof(cmd),
		.ioas_id = vmm->ioas,
		.num_iovas = vmm->num_avoid,
		.holes = (uintptr_t)holes,
	};
	int i;

	/* The kernel does not mind that they overlap */
	for (i = 0; i != vmm->num_avoid; i++)
		holes[i] = (struct iommu_iova_range){
			.start = vmm->avoid[i].start,
			.last = vmm->avoid[i].last,
		};
	return ioctl(vmm->iommufd, IOMMU_IOAS_SET_HOLES, &cmd) ? -errno : 0;
}

/*
 * The other half: what the guest believes to be RAM. A device that would take
 * a part of it away cannot be attached.
 */
static int promise_ram(struct vmm *vmm)
{
	struct iommu_iova_range ranges[MAX_REGIONS];
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = vmm->ioas,
		.num_iovas = vmm->num_ram,
		.allowed_iovas = (uintptr_t)ranges,
	};
	int i;

	for (i = 0; i != vmm->num_ram; i++)
		ranges[i] = (struct iommu_iova_range){
			.start = vmm->ram[i].start,
			.last = vmm->ram[i].last,
		};
	return ioctl(vmm->iommufd, IOMMU_IOAS_ALLOW_IOVAS, &cmd) ? -errno : 0;
}

/*
 * 6. One piece of memory, mapped piece by piece to where the guest sees it. The
 * kernel pins it: a device does not wait for pages. It needs that much memory
 * and RLIMIT_MEMLOCK.
 */
static int map_ram(struct vmm *vmm, __u32 ioas)
{
	__u64 done = 0;
	int rc = 0;
	int i;

	for (i = 0; !rc && i != vmm->num_ram; i++) {
		__u64 size = vmm->ram[i].last - vmm->ram[i].start + 1;

		rc = edu_map(vmm->iommufd, ioas, vmm->ram_va + done, size,
			     vmm->ram[i].start);
		done += size;
	}
	return rc;
}

static int alloc_ram(struct vmm *vmm)
{
	vmm->ram_va = mmap(NULL, vmm->ram_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vmm->ram_va == MAP_FAILED)
		return -errno;
	/* Large pages make the mapping small and fast; it works without */
	madvise(vmm->ram_va, vmm->ram_size, MADV_HUGEPAGE);
	return 0;
}

/* 0: an interrupt of the device arrived */
static int take_interrupt(struct edu_dev *dev)
{
	int rc = edu_raise(dev, EDU_TIMEOUT_MS);

	if (rc < 0)
		return rc;
	return rc ? 0 : -ETIMEDOUT;
}

/*
 * 7. Hot-plug, as the host does it. That the device goes to vfio-pci and gets a
 * group is part of it.
 */
static int unplug(const struct edu_func *func)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove",
		 func->bdf);
	return edu_write_file(path, "1");
}

static int plug(struct edu_func *func)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	int rc, num, i;

	rc = edu_write_file("/sys/bus/pci/rescan", "1");
	if (rc)
		return rc;
	num = edu_claim(funcs, EDU_MAX_FUNCS);
	for (i = 0; i != num; i++) {
		if (!strcmp(funcs[i].bdf, func->bdf)) {
			*func = funcs[i];
			return 0;
		}
	}
	return -ENODEV;
}

/* Two devices that are alone in their groups */
static bool find_devices(struct edu_func *first, struct edu_func *second)
{
	struct edu_func funcs[EDU_MAX_FUNCS];
	int num = edu_claim(funcs, EDU_MAX_FUNCS);
	int found = 0;
	int i;

	for (i = 0; i != num && found != 2; i++)
		if (edu_is_alone(funcs, num, i))
			*(found++ ? second : first) = funcs[i];
	return found == 2;
}

/* The map of guest RAM, before anything is mapped or attached */
static void plan_vm(struct vmm *vmm, struct edu_dev *first,
		    const struct edu_func *func)
{
	step(choose_window(vmm), "a window for MSIs at %#llx", WINDOW_START);
	step(edu_open_bind(first, func, vmm->iommufd),
	     "bind the first device, %s", func->bdf);
	step(read_regions(vmm, first), "read its regions");
	step(plan_ram(vmm), "a map with %llu MiB of guest RAM",
	     vmm->ram_size / MiB);
}

static void start_vm(struct vmm *vmm, struct edu_dev *first)
{
	step(edu_ioas_alloc(vmm->iommufd, &vmm->ioas), "an address space");
	step(check_fit(vmm, vmm->ioas, first, true),
	     "the device and the map fit, before anything is there");
	if (vmm->old_kernel)
		ksft_test_result_skip("declare holes: none on this kernel\n");
	else
		step(declare_holes(vmm), "declare holes");
	step(promise_ram(vmm), "promise that RAM stays usable");
	step(alloc_ram(vmm) ?: map_ram(vmm, vmm->ioas), "map guest RAM");
	step(check_fit(vmm, vmm->ioas, first, false), "the first device fits");
	step(edu_attach(first, vmm->ioas), "attach it, which pins guest RAM");
	step(edu_irq_on(first) ?: take_interrupt(first),
	     "an interrupt arrives");
}

static void plug_second(struct vmm *vmm, struct edu_dev *second,
			struct edu_func *func)
{
	step(plug(func), "a second device is plugged, %s", func->bdf);
	step(edu_open_bind(second, func, vmm->iommufd) ?:
		     check_fit(vmm, vmm->ioas, second, false),
	     "bind it, it fits");
	step(edu_attach(second, vmm->ioas), "attach it too");
	step(edu_irq_on(second) ?: take_interrupt(second),
	     "its interrupt arrives");
}

/*
 * A guest with a virtual IOMMU moves devices between address spaces.
 * Interrupts need not be set up again.
 */
static void move_first(struct vmm *vmm, struct edu_dev *first,
		       struct edu_dev *second)
{
	__u32 other_ioas;
	int rc;

	rc = edu_ioas_alloc(vmm->iommufd, &other_ioas) ?:
	     map_ram(vmm, other_ioas) ?:
	     check_fit(vmm, other_ioas, first, false);
	step(rc, "guest RAM in another address space, the first device fits");
	step(edu_attach(first, other_ioas), "replace its address space");
	rc = take_interrupt(first) ?: take_interrupt(second);
	if (rc && vmm->old_kernel)
		ksft_test_result_skip("interrupts: lost by a replace here\n");
	else
		step(rc, "interrupts of both arrive");
}

int main(void)
{
	struct vmm vmm = {
		.ram_size = edu_env("VMM_RAM_MIB", 1024) * MiB & -RAM_ALIGN,
	};
	struct edu_func first_func, second_func;
	struct edu_dev first, second;
	int rc;

	ksft_print_header();
	if (!find_devices(&first_func, &second_func))
		ksft_exit_skip("needs two edu devices, each in its own group\n");
	/* The second one is not there yet */
	rc = unplug(&second_func);
	if (rc)
		ksft_exit_skip("cannot unplug %s: %s\n", second_func.bdf,
			       strerror(-rc));
	ksft_set_plan(19);

	vmm.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (vmm.iommufd < 0)
		ksft_exit_fail_msg("/dev/iommu: %s\n", strerror(errno));

	plan_vm(&vmm, &first, &first_func);
	start_vm(&vmm, &first);
	plug_second(&vmm, &second, &second_func);
	move_first(&vmm, &first, &second);

	edu_close(&second);
	edu_close(&first);
	close(vmm.iommufd);
	ksft_finished();
}
