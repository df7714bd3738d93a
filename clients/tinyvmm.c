// SPDX-License-Identifier: GPL-2.0-only
/*
 * A monitor for arm64 in the way that QEMU could be one: KVM, one vCPU, devices passed through by VFIO
 * and iommufd. It shows what a monitor does with the ioctls for reserved regions, and that a VM does
 * not notice when its devices change over to another address space.
 *
 *   tinyvmm hole <program> <PCI address> <PCI address>     the window stays, RAM goes around it
 *   tinyvmm window <program> <PCI address> <PCI address>   the window moves, RAM is in one piece
 *
 * The devices are two of QEMU's edu, each in a group of its own, which vfio-pci has. <program> is
 * tinyvmm-guest.c. To be read from with_hole() on; KTAP goes to the standard output.
 *
 * On a kernel without the ioctls it does what a monitor has to do there: attach, read what is left,
 * map, and hope. What needs the ioctls is skipped. There the devices move, too, but what is lost on the
 * way is only counted: plain 6.12 loses interrupts.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "edu.h"
#include "tinyvmm.h"

#define MIB 0x100000ULL
#define ALIGN (2 * MIB) /* of a piece of RAM, so that large pages fit */
#define MAX_PIECES 8
#define MAX_CONFLICTS 16

/* Where this VM wants its RAM. The window of an Arm SMMU, at 128 MiB, is in the middle of it. */
#define RAM_START (64 * MIB)
#define RAM_SIZE (128 * MIB)

struct device {
	const char *bdf;
	unsigned int nr;
	int fd;
	uint32_t id;
	void *bar;
};

struct vm {
	int iommufd;
	uint32_t ioas[2]; /* the same guest memory in both */
	struct iommu_iova_range ram[MAX_PIECES];
	unsigned int num_ram;
	uint8_t *mem;
	struct device dev[2];
	unsigned int slots;
	int vm, vcpu;
	struct kvm_run *run;
};

static unsigned int nr, bad;
static bool old_kernel;

/* For the last line: what was done, and of it lost */
static struct {
	uint64_t irqs, lost, bytes, swaps;
} count;

static void say(const char *fmt, ...)
{
	va_list ap;

	printf("# tinyvmm: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static bool check(bool good, const char *what)
{
	printf("%s %u %s\n", good ? "ok" : "not ok", ++nr, what);
	bad |= !good;
	return good;
}

/* What only the series has */
static void check_new(bool good, const char *what)
{
	if (old_kernel)
		printf("ok %u %s # SKIP plain 6.12 has no such ioctl\n", ++nr, what);
	else
		check(good, what);
}

/* What plain 6.12 does not do, at least not each time */
static void check_moves(bool good, const char *what)
{
	if (old_kernel && !good)
		printf("ok %u %s # SKIP plain 6.12 loses some\n", ++nr, what);
	else
		check(good, what);
}

static void need(bool good, const char *what)
{
	if (good)
		return;
	say("%s: %s", what, strerror(errno));
	printf("Bail out! %s\n", what);
	exit(1);
}

static unsigned long long ull(uint64_t v)
{
	return v;
}

/*
 * 1. Devices: bind each to the iommufd. Nothing is attached yet.
 */
static void bind_device(struct vm *vm, unsigned int i, const char *bdf)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = vm->iommufd };
	struct device *dev = &vm->dev[i];
	char path[300];
	struct dirent *de;
	DIR *dir;

	dev->bdf = bdf;
	dev->nr = i;
	dev->fd = -1;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	while (dir && (de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", de->d_name);
		dev->fd = open(path, O_RDWR | O_CLOEXEC);
	}
	need(dev->fd >= 0, path);
	closedir(dir);
	need(!ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind), "VFIO_DEVICE_BIND_IOMMUFD");
	dev->id = bind.out_devid;
}

/* The window for MSIs: start and length in one call, for the group of a device or (id 0) for the fd. */
static int choose_window(struct vm *vm, uint32_t dev_id, uint64_t start, uint64_t length)
{
	struct iommu_msi_window cmd = {
		.size = sizeof(cmd),
		.op = length ? IOMMU_MSI_WINDOW_OP_SET : IOMMU_MSI_WINDOW_OP_RESET,
		.dev_id = dev_id,
		.start = start,
		.length = length,
	};

	return ioctl(vm->iommufd, IOMMU_MSI_WINDOW, &cmd) ? -errno : 0;
}

/*
 * 2. Where can guest RAM be? Known after bind, and before anything is attached. Returns the number
 * of ranges, or a negative errno.
 */
static int usable_ranges(struct vm *vm, const struct device *dev, struct iommu_iova_range *ranges,
			 unsigned int room)
{
	struct iommu_device_iova_ranges cmd = {
		.size = sizeof(cmd),
		.dev_id = dev->id,
		.num_iovas = room,
		.allowed_iovas = (uintptr_t)ranges,
	};

	if (ioctl(vm->iommufd, IOMMU_DEVICE_IOVA_RANGES, &cmd))
		return -errno;
	return cmd.num_iovas;
}

static int usable_ranges_old(struct vm *vm, struct iommu_iova_range *ranges, unsigned int room)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = vm->ioas[0],
		.num_iovas = room,
		.allowed_iovas = (uintptr_t)ranges,
	};

	if (ioctl(vm->iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd))
		return -errno;
	return cmd.num_iovas;
}

/* RAM goes around what the device cannot use, in as many pieces as that takes. */
static bool plan_ram(struct vm *vm, const struct iommu_iova_range *ranges, unsigned int num)
{
	uint64_t left = RAM_SIZE, start, end;
	unsigned int i;

	vm->num_ram = 0;
	for (i = 0; i < num && left && vm->num_ram < MAX_PIECES; i++) {
		start = ranges[i].start > RAM_START ? ranges[i].start : RAM_START;
		start = (start + ALIGN - 1) & -ALIGN;
		end = ranges[i].last < GUEST_DIST ? (ranges[i].last + 1) & -ALIGN : GUEST_DIST;
		if (start >= end)
			continue;
		if (end - start > left)
			end = start + left;
		say("RAM 0x%llx-0x%llx", ull(start), ull(end - 1));
		vm->ram[vm->num_ram].start = start;
		vm->ram[vm->num_ram++].last = end - 1;
		left -= end - start;
	}
	return !left;
}

static const char *region(uint32_t type)
{
	switch (type) {
	case IOMMU_RESV_REGION_SW_MSI:
		return "the MSI window";
	case IOMMU_RESV_REGION_HW_MSI:
		return "the MSI region";
	case IOMMU_RESV_REGION_NONE:
		return "the aperture";
	default:
		return "a reserved region";
	}
}

/*
 * 3. What would be refused, and why? The same question before an attach and after a failure, so that
 * the message has the device, the region and the range instead of "Invalid argument". Returns the
 * number of conflicts, or a negative errno; the text of the first one is in @why.
 */
static int explain(struct vm *vm, uint32_t dev_id, const struct iommu_iova_range *ranges,
		   unsigned int num, char *why, size_t room)
{
	struct iommu_iova_conflict conflicts[MAX_CONFLICTS];
	struct iommu_ioas_check cmd = {
		.size = sizeof(cmd),
		.pt_id = vm->ioas[0],
		.dev_id = dev_id,
		.num_ranges = num,
		.ranges = (uintptr_t)ranges,
		.num_conflicts = MAX_CONFLICTS,
		.conflicts = (uintptr_t)conflicts,
		.entry_size = sizeof(conflicts[0]),
	};
	const char *bdf = "a device";
	unsigned int i;

	snprintf(why, room, "no reason known");
	if (ioctl(vm->iommufd, IOMMU_IOAS_CHECK, &cmd) && errno != EMSGSIZE)
		return -errno;
	if (!cmd.num_conflicts)
		return 0;
	for (i = 0; i < 2; i++)
		if (vm->dev[i].id && vm->dev[i].id == conflicts[0].dev_id)
			bdf = vm->dev[i].bdf;
	snprintf(why, room, "%s of %s, group %u, and guest memory are both at 0x%llx-0x%llx",
		 region(conflicts[0].region_type), bdf, conflicts[0].group_id,
		 ull(conflicts[0].start), ull(conflicts[0].last));
	say("%s", why);
	return cmd.num_conflicts;
}

/*
 * 4. What must stay free for a device of tomorrow. Nothing can be mapped there by mistake.
 */
static int keep_free(struct vm *vm, uint64_t start, uint64_t last)
{
	struct iommu_iova_range hole = { .start = start, .last = last };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct iommu_ioas_set_holes cmd = {
			.size = sizeof(cmd),
			.ioas_id = vm->ioas[i],
			.num_iovas = 1,
			.holes = (uintptr_t)&hole,
		};

		if (ioctl(vm->iommufd, IOMMU_IOAS_SET_HOLES, &cmd))
			return -errno;
	}
	return 0;
}

static int map(struct vm *vm, uint32_t ioas, void *va, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = length,
		.iova = iova,
	};

	return ioctl(vm->iommufd, IOMMU_IOAS_MAP, &cmd) ? -errno : 0;
}

static void address_spaces(struct vm *vm)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		need(!ioctl(vm->iommufd, IOMMU_IOAS_ALLOC, &cmd), "IOMMU_IOAS_ALLOC");
		vm->ioas[i] = cmd.out_ioas_id;
	}
}

static void add_slot(struct vm *vm, uint64_t gpa, void *va, uint64_t length)
{
	struct kvm_userspace_memory_region slot = {
		.slot = vm->slots++,
		.guest_phys_addr = gpa,
		.memory_size = length,
		.userspace_addr = (uintptr_t)va,
	};

	need(!ioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
}

/* Guest RAM, for the vCPU and in both address spaces for the devices */
static bool map_ram(struct vm *vm)
{
	uint8_t *va = vm->mem;
	uint64_t length;
	unsigned int i;
	bool good = true;

	for (i = 0; i < vm->num_ram; i++) {
		length = vm->ram[i].last - vm->ram[i].start + 1;
		add_slot(vm, vm->ram[i].start, va, length);
		good &= !map(vm, vm->ioas[0], va, vm->ram[i].start, length);
		good &= !map(vm, vm->ioas[1], va, vm->ram[i].start, length);
		va += length;
	}
	return good;
}

static int attach(const struct device *dev, uint32_t ioas)
{
	struct vfio_device_attach_iommufd_pt cmd = { .argsz = sizeof(cmd), .pt_id = ioas };

	return ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd) ? -errno : 0;
}

/* BAR 0 into the guest, bus master on, its MSI to an interrupt of the guest */
static void start_device(struct vm *vm, struct device *dev)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = VFIO_PCI_BAR0_REGION_INDEX };
	struct kvm_irqfd irqfd = { .fd = eventfd(0, EFD_CLOEXEC), .gsi = dev->nr };
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} irq = { .set = {
		.argsz = sizeof(irq),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSI_IRQ_INDEX,
		.count = 1,
	} };
	uint16_t command;

	need(!ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info), "BAR 0");
	dev->bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd, info.offset);
	need(dev->bar != MAP_FAILED, "mmap of BAR 0");
	add_slot(vm, GUEST_BAR + dev->nr * GUEST_BAR_SIZE, dev->bar, info.size);

	info.index = VFIO_PCI_CONFIG_REGION_INDEX;
	need(!ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info) &&
	     pread(dev->fd, &command, 2, info.offset + PCI_COMMAND) == 2, "config space");
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	need(pwrite(dev->fd, &command, 2, info.offset + PCI_COMMAND) == 2, "config space");

	irq.fd = irqfd.fd;
	need(!ioctl(vm->vm, KVM_IRQFD, &irqfd), "KVM_IRQFD");
	need(!ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &irq), "MSI");
}

static void gic_attr(int gic, uint32_t group, uint64_t attr, const void *addr)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)addr };

	need(!ioctl(gic, KVM_SET_DEVICE_ATTR, &a), "the GIC");
}

static void set_reg(struct vm *vm, uint64_t offset, uint64_t value)
{
	struct kvm_one_reg reg = {
		.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | offset / 4,
		.addr = (uintptr_t)&value,
	};

	need(!ioctl(vm->vcpu, KVM_SET_ONE_REG, &reg), "KVM_SET_ONE_REG");
}

/* One vCPU, a GICv3, the program at the start of RAM */
static void create_vm(struct vm *vm)
{
	struct kvm_create_device gic = { .type = KVM_DEV_TYPE_ARM_VGIC_V3 };
	const uint64_t dist = GUEST_DIST, redist = GUEST_REDIST;
	const uint32_t irqs = 64;
	struct kvm_vcpu_init init;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	need(kvm >= 0, "/dev/kvm");
	vm->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	need(vm->vm >= 0, "KVM_CREATE_VM");
	vm->vcpu = ioctl(vm->vm, KVM_CREATE_VCPU, 0);
	need(vm->vcpu >= 0 && !ioctl(vm->vm, KVM_ARM_PREFERRED_TARGET, &init) &&
	     !ioctl(vm->vcpu, KVM_ARM_VCPU_INIT, &init), "a vCPU");
	vm->run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->vcpu, 0);
	need(vm->run != MAP_FAILED, "the vCPU's page");
	need(!ioctl(vm->vm, KVM_CREATE_DEVICE, &gic), "KVM_CREATE_DEVICE");
	gic_attr(gic.fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &irqs);
	gic_attr(gic.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &dist);
	gic_attr(gic.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, &redist);
	gic_attr(gic.fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	close(kvm);
}

static void load(struct vm *vm, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	vm->mem = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(vm->mem != MAP_FAILED, "memory");
	madvise(vm->mem, RAM_SIZE, MADV_HUGEPAGE);
	need(fd >= 0 && read(fd, vm->mem, RAM_SIZE) > 0, path);
	close(fd);
}

/* Have the guest do something and wait for the result. */
static uint64_t call(struct vm *vm, uint64_t op, uint64_t a0, uint64_t a1, uint64_t a2)
{
	const uint64_t args[5] = { op, a0, a1, a2, 0 };
	uint64_t at, value;

	for (;;) {
		if (ioctl(vm->vcpu, KVM_RUN, 0) && errno == EINTR)
			continue;
		at = vm->run->mmio.phys_addr - GUEST_CALLS;
		if (vm->run->exit_reason != KVM_EXIT_MMIO || at > CALL_RESULT) {
			say("the guest stopped with exit %u at 0x%llx", vm->run->exit_reason,
			    ull(vm->run->mmio.phys_addr));
			return ~0ULL;
		}
		memcpy(&value, vm->run->mmio.data, 8);
		if (vm->run->mmio.is_write && at == CALL_RESULT)
			return value;
		memcpy(vm->run->mmio.data, &args[at / 8], 8);
	}
}

/* How many of that many interrupts arrive; the first one that does not is the last one. */
static uint64_t raise_irqs(struct vm *vm, unsigned int dev, uint64_t num)
{
	uint64_t arrived = call(vm, OP_IRQS, dev, num, 0);

	if (arrived <= num)
		count.irqs += arrived;
	count.lost += arrived != num;
	return arrived;
}

/* How many bytes are wrong after the device has copied them */
static uint64_t copy_page(struct vm *vm, unsigned int dev, uint64_t from, uint64_t to)
{
	uint64_t wrong = call(vm, OP_DMA, dev, from, to);

	if (!wrong)
		count.bytes += 2 * LENGTH; /* read and written */
	return wrong;
}

/* The thread that moves the devices back and forth between two address spaces, under the guest */
struct mover {
	struct vm *vm;
	unsigned int num_dev;
	unsigned long moves;
	int rc;
	bool stop;
};

static void *move(void *arg)
{
	struct mover *m = arg;
	unsigned int i;

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
		m->moves++;
		for (i = 0; i < m->num_dev; i++)
			m->rc |= attach(&m->vm->dev[i], m->vm->ioas[m->moves % 2]);
	}
	for (i = 0; i < m->num_dev; i++)
		m->rc |= attach(&m->vm->dev[i], m->vm->ioas[0]);
	return NULL;
}

static void under_moves(struct vm *vm, unsigned int num_dev, unsigned long irqs, unsigned int dmas)
{
	struct mover m = { .vm = vm, .num_dev = num_dev };
	uint64_t arrived = 0, wrong = 0;
	pthread_t thread;
	unsigned int i;

	need(!pthread_create(&thread, NULL, move, &m), "a thread");
	for (i = 0; i < num_dev; i++)
		arrived += raise_irqs(vm, i, irqs);
	for (i = 0; i < dmas; i++)
		wrong += copy_page(vm, i % num_dev, vm->ram[0].start + (2 + i) * MIB,
				   vm->ram[vm->num_ram - 1].last + 1 - MIB);
	__atomic_store_n(&m.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	say("%lu moves, %llu of %lu interrupts, %u DMAs with %llu wrong bytes", m.moves, ull(arrived),
	    num_dev * irqs, dmas, ull(wrong));
	check(!m.rc && m.moves, "the devices move between two address spaces while the guest runs");
	check_moves(arrived == num_dev * irqs, "no interrupt is lost meanwhile");
	check_moves(!wrong, "no DMA is lost meanwhile");
	count.swaps += m.moves * num_dev;
}

/* A VM with its program and a device that is bound, and nothing mapped yet */
static void new_vm(struct vm *vm, const char *program, const char *bdf)
{
	need(vm->iommufd >= 0, "/dev/iommu");
	address_spaces(vm);
	create_vm(vm);
	load(vm, program);
	bind_device(vm, 0, bdf);
}

/* With RAM where it is planned, and the device */
static void start_vm(struct vm *vm)
{
	need(map_ram(vm), "map guest RAM");
	need(!attach(&vm->dev[0], vm->ioas[0]), "attach");
	start_device(vm, &vm->dev[0]);
	set_reg(vm, offsetof(struct kvm_regs, regs.pc), vm->ram[0].start);
	check(raise_irqs(vm, 0, 100) == 100, "100 interrupts to the guest");
}

/* A VM that leaves the window where the driver has it, and so has a hole in its RAM */
static void with_hole(const char *program, char **bdf)
{
	struct vm vm = { .iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC) };
	struct iommu_iova_range ranges[MAX_PIECES], over = { 0x8000000, 0x80fffff };
	char why[200];
	int num;

	new_vm(&vm, program, bdf[0]);
	num = usable_ranges(&vm, &vm.dev[0], ranges, MAX_PIECES);
	old_kernel = num == -ENOTTY;
	check_new(num > 0, "usable ranges after bind, before attach");
	if (old_kernel) {
		need(!attach(&vm.dev[0], vm.ioas[0]), "attach");
		num = usable_ranges_old(&vm, ranges, MAX_PIECES);
	}
	check(num > 0 && plan_ram(&vm, ranges, num), "RAM fits around what is reserved");
	check(vm.num_ram == 2, "in two pieces, the MSI window is in between");
	check_new(!explain(&vm, vm.dev[0].id, vm.ram, vm.num_ram, why, sizeof(why)),
		  "IOMMU_IOAS_CHECK has nothing against it");
	check_new(!keep_free(&vm, 0x40000000, 0x400fffff), "a hole for a device of tomorrow");
	start_vm(&vm);
	check(!copy_page(&vm, 0, vm.ram[0].start + 2 * MIB, vm.ram[1].last + 1 - MIB),
	      "DMA from the first piece to the last one");

	check(map(&vm, vm.ioas[0], vm.mem, over.start, MIB) < 0, "memory over the window is refused");
	check_new(explain(&vm, 0, &over, 1, why, sizeof(why)) > 0 && strstr(why, bdf[0]) &&
		  strstr(why, "MSI window") && strstr(why, "0x8000000-0x80fffff"),
		  "and the message has device, region and range");

	/* A second device, whose window somebody has put over the RAM of this VM */
	bind_device(&vm, 1, bdf[1]);
	check_new(!choose_window(&vm, vm.dev[1].id, vm.ram[0].start, MIB),
		  "a second device with its window elsewhere");
	check_new(explain(&vm, vm.dev[1].id, NULL, 0, why, sizeof(why)) > 0 && strstr(why, bdf[1]) &&
		  strstr(why, "MSI window"), "before the attach the message has device, region and range");
	check_new(attach(&vm.dev[1], vm.ioas[0]) < 0, "the attach is refused, the VM goes on");
	check(raise_irqs(&vm, 0, 10) == 10, "10 interrupts to the guest");
	check_new(!choose_window(&vm, vm.dev[1].id, 0, 0) &&
		  !explain(&vm, vm.dev[1].id, NULL, 0, why, sizeof(why)), "with the driver's window it fits");
	check(!attach(&vm.dev[1], vm.ioas[0]), "it is plugged");
	start_device(&vm, &vm.dev[1]);
	check(raise_irqs(&vm, 1, 100) == 100, "100 interrupts of the second device");

	under_moves(&vm, 2, 300, 20);
}

/* A VM that puts the window out of the way, and has its RAM in one piece */
static void with_window(const char *program, char **bdf)
{
	struct vm vm = { .iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC) };
	struct iommu_iova_range ranges[MAX_PIECES];
	char why[200];
	int num;

	new_vm(&vm, program, bdf[0]);
	num = choose_window(&vm, vm.dev[0].id, GUEST_DIST, MIB);
	old_kernel = num == -ENOTTY;
	check_new(!num, "another window, in one call");
	if (old_kernel)
		return;
	num = usable_ranges(&vm, &vm.dev[0], ranges, MAX_PIECES);
	check(num > 0 && plan_ram(&vm, ranges, num) && vm.num_ram == 1, "RAM is in one piece");
	check(!explain(&vm, vm.dev[0].id, vm.ram, vm.num_ram, why, sizeof(why)),
	      "IOMMU_IOAS_CHECK has nothing against it");
	start_vm(&vm);
	check(!copy_page(&vm, 0, 0x7fff000, 0x8000000), "DMA to where the driver's window was");
	under_moves(&vm, 1, 300, 4);
}

int main(int argc, char **argv)
{
	setbuf(stdout, NULL);
	if (argc == 5 && !strcmp(argv[1], "hole")) {
		with_hole(argv[2], argv + 3);
	} else if (argc == 5 && !strcmp(argv[1], "window")) {
		with_window(argv[2], argv + 3);
	} else {
		fprintf(stderr, "usage: tinyvmm hole|window program device device\n");
		return 2;
	}
	printf("# count: %llu interrupts, %llu lost, %llu bytes, %llu swaps\n", ull(count.irqs),
	       ull(count.lost), ull(count.bytes), ull(count.swaps));
	printf("1..%u\n", nr);
	return bad;
}
