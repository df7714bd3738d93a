// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small NVMe driver in user space, see vfio_nvme.h. Register and field names
 * are those of the NVM Express Base Specification.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/vfio.h>

#include "vfio_nvme.h"

enum {
	NVME_REG_CAP = 0x00,
	NVME_REG_CC = 0x14,
	NVME_REG_CSTS = 0x1c,
	NVME_REG_AQA = 0x24,
	NVME_REG_ASQ = 0x28,
	NVME_REG_ACQ = 0x30,
	NVME_REG_DOORBELLS = 0x1000,
};

enum {
	NVME_CC_EN = 1 << 0,
	/* 64 byte commands, 16 byte completions */
	NVME_CC_IOSQES = 6 << 16,
	NVME_CC_IOCQES = 4 << 20,
	NVME_CSTS_RDY = 1 << 0,
	NVME_CSTS_CFS = 1 << 1,
};

enum {
	NVME_ADMIN_CREATE_SQ = 0x01,
	NVME_ADMIN_CREATE_CQ = 0x05,
	NVME_ADMIN_IDENTIFY = 0x06,
	NVME_ADMIN_SET_FEATURES = 0x09,
	NVME_FEATURE_NUM_QUEUES = 0x07,
	NVME_CMD_WRITE = 0x01,
	NVME_CMD_READ = 0x02,
	NVME_CQ_IEN = 1 << 1,
	NVME_QUEUE_PC = 1 << 0,
};

/* As on the wire: little endian, which the machines of these tests are */
struct nvme_cmd {
	__u8 opcode;
	__u8 flags;
	__u16 cid;
	__u32 nsid;
	__u64 reserved;
	__u64 mptr;
	__u64 prp[2];
	__u32 cdw[6]; /* from dword 10 on */
};

struct nvme_cqe {
	__u32 result;
	__u32 reserved;
	__u16 sq_head;
	__u16 sq_id;
	__u16 cid;
	__u16 status; /* bit 0 is the phase */
};

/* Both queues of a pair; a full one holds one entry less */
#define ENTRIES 16

/* Offsets in the memory of a controller, a queue pair takes PER_QUEUE */
#define PER_SLOT ((1 + NVME_MAX_BLOCKS) * NVME_PAGE)
#define PER_QUEUE (2 * NVME_PAGE + NVME_SLOTS * PER_SLOT)
#define IDENTIFY ((1 + NVME_QUEUES) * PER_QUEUE)

static_assert(IDENTIFY + NVME_PAGE <= NVME_MEM_SIZE, "memory of a controller");
static_assert(NVME_SLOTS < ENTRIES, "slots of a queue");

/* The BAR is 16 KiB: where the page of the CPU is larger it may not be mapped */
static void write32(struct nvme_ctrl *ctrl, size_t reg, __u32 val)
{
	edu_write32(&ctrl->dev, reg, val);
}

static __u32 read32(struct nvme_ctrl *ctrl, size_t reg)
{
	return edu_read32(&ctrl->dev, reg);
}

static void write64(struct nvme_ctrl *ctrl, size_t reg, __u64 val)
{
	write32(ctrl, reg, val);
	write32(ctrl, reg + 4, val >> 32);
}

/* What was written to memory is visible to the device before a doorbell is */
static void dma_wmb(void)
{
#ifdef __aarch64__
	asm volatile("dsb st" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static void ring(struct nvme_queue *queue, bool cq, __u32 val)
{
	struct nvme_ctrl *ctrl = queue->ctrl;

	dma_wmb();
	write32(ctrl,
		NVME_REG_DOORBELLS + (2 * queue->id + cq) * ctrl->doorbell_stride,
		val);
}

static __u64 to_iova(struct nvme_ctrl *ctrl, const void *va)
{
	return ctrl->iova + ((const char *)va - (const char *)ctrl->mem);
}

static void *slot_mem(struct nvme_queue *queue, unsigned int slot)
{
	return queue->ctrl->mem + queue->id * PER_QUEUE + 2 * NVME_PAGE +
	       slot * PER_SLOT;
}

void *nvme_buffer(struct nvme_queue *queue, unsigned int slot)
{
	/* The first page of a slot is for the list of the others */
	return slot_mem(queue, slot) + NVME_PAGE;
}

static void queue_init(struct nvme_ctrl *ctrl, struct nvme_queue *queue,
		       unsigned int id)
{
	queue->ctrl = ctrl;
	queue->id = id;
	queue->entries = ENTRIES;
	queue->sq = ctrl->mem + id * PER_QUEUE;
	queue->cq = ctrl->mem + id * PER_QUEUE + NVME_PAGE;
	queue->sq_tail = 0;
	queue->cq_head = 0;
	queue->phase = 1;
	memset(queue->sq, 0, 2 * NVME_PAGE);
}

static void post(struct nvme_queue *queue, const struct nvme_cmd *cmd)
{
	queue->sq[queue->sq_tail] = *cmd;
	queue->sq_tail = (queue->sq_tail + 1) % queue->entries;
	ring(queue, false, queue->sq_tail);
}

bool nvme_pending(struct nvme_queue *queue)
{
	__u16 status = __atomic_load_n(&queue->cq[queue->cq_head].status,
				       __ATOMIC_ACQUIRE);

	return (status & 1) == queue->phase;
}

bool nvme_reap(struct nvme_queue *queue, unsigned int *slot,
	       unsigned int *status)
{
	struct nvme_cqe *cqe = &queue->cq[queue->cq_head];

	if (!nvme_pending(queue))
		return false;
	*slot = cqe->cid;
	*status = cqe->status >> 1;
	queue->cq_head = (queue->cq_head + 1) % queue->entries;
	if (!queue->cq_head)
		queue->phase ^= 1;
	ring(queue, true, queue->cq_head);
	return true;
}

bool nvme_is_dead(struct nvme_ctrl *ctrl)
{
	return read32(ctrl, NVME_REG_CSTS) & NVME_CSTS_CFS;
}

void nvme_submit(struct nvme_queue *queue, unsigned int slot, bool write,
		 __u64 block, unsigned int num)
{
	struct nvme_ctrl *ctrl = queue->ctrl;
	__u64 iova = to_iova(ctrl, nvme_buffer(queue, slot));
	__u64 *list = slot_mem(queue, slot);
	__u64 lba = block * ctrl->lbas;
	struct nvme_cmd cmd = {
		.opcode = write ? NVME_CMD_WRITE : NVME_CMD_READ,
		.cid = slot,
		.nsid = 1,
		.prp[0] = iova,
		.cdw[0] = lba,
		.cdw[1] = lba >> 32,
		.cdw[2] = num * ctrl->lbas - 1,
	};
	unsigned int i;

	if (num == 2) {
		cmd.prp[1] = iova + NVME_PAGE;
	} else if (num > 2) {
		for (i = 1; i != num; i++)
			list[i - 1] = iova + i * NVME_PAGE;
		cmd.prp[1] = to_iova(ctrl, list);
	}
	post(queue, &cmd);
}

/* 10 s for what takes milliseconds; a busy host may be slow */
static int wait_ready(struct nvme_ctrl *ctrl, bool ready)
{
	int i;

	for (i = 0; i != 10000; i++) {
		__u32 csts = read32(ctrl, NVME_REG_CSTS);

		if (csts & NVME_CSTS_CFS)
			return -EIO;
		if (!!(csts & NVME_CSTS_RDY) == ready)
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

static int admin(struct nvme_ctrl *ctrl, const struct nvme_cmd *cmd)
{
	unsigned int slot, status;
	int i;

	post(&ctrl->admin, cmd);
	for (i = 0; i != 10000; i++) {
		if (nvme_reap(&ctrl->admin, &slot, &status))
			return status ? -EIO : 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

static int identify(struct nvme_ctrl *ctrl)
{
	__u8 *data = ctrl->mem + IDENTIFY;
	struct nvme_cmd cmd = {
		.opcode = NVME_ADMIN_IDENTIFY,
		.nsid = 1,
		.prp[0] = to_iova(ctrl, data),
	};
	unsigned int shift;
	__u64 nsze;
	int rc;

	rc = admin(ctrl, &cmd);
	if (rc)
		return rc;
	memcpy(&nsze, data, sizeof(nsze));
	/* LBADS of the format in use */
	shift = data[128 + 4 * (data[26] & 0xf) + 2];
	if (shift < 9 || 1UL << shift > NVME_BLOCK)
		return -EOPNOTSUPP;
	ctrl->lbas = NVME_BLOCK >> shift;
	ctrl->num_blocks = nsze / ctrl->lbas;
	return 0;
}

static int create_queue(struct nvme_ctrl *ctrl, struct nvme_queue *queue)
{
	struct nvme_cmd cq = {
		.opcode = NVME_ADMIN_CREATE_CQ,
		.prp[0] = to_iova(ctrl, queue->cq),
		.cdw[0] = (queue->entries - 1) << 16 | queue->id,
		.cdw[1] = queue->id << 16 | NVME_CQ_IEN | NVME_QUEUE_PC,
	};
	struct nvme_cmd sq = {
		.opcode = NVME_ADMIN_CREATE_SQ,
		.prp[0] = to_iova(ctrl, queue->sq),
		.cdw[0] = (queue->entries - 1) << 16 | queue->id,
		.cdw[1] = queue->id << 16 | NVME_QUEUE_PC,
	};
	int rc;

	rc = admin(ctrl, &cq);
	return rc ? rc : admin(ctrl, &sq);
}

static int irqs_on(struct nvme_ctrl *ctrl)
{
	struct {
		struct vfio_irq_set hdr;
		__s32 fd[1 + NVME_QUEUES];
	} set = {
		.hdr = {
			.argsz = sizeof(set),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_MSIX_IRQ_INDEX,
			.count = 1 + NVME_QUEUES,
		},
	};
	int i;

	set.fd[0] = ctrl->dev.event_fd;
	for (i = 0; i != NVME_QUEUES; i++)
		set.fd[1 + i] = ctrl->io[i].event_fd;
	return ioctl(ctrl->dev.fd, VFIO_DEVICE_SET_IRQS, &set) ? -errno : 0;
}

int nvme_start(struct nvme_ctrl *ctrl)
{
	struct nvme_cmd num_queues = {
		.opcode = NVME_ADMIN_SET_FEATURES,
		.cdw[0] = NVME_FEATURE_NUM_QUEUES,
		.cdw[1] = (NVME_QUEUES - 1) << 16 | (NVME_QUEUES - 1),
	};
	int rc;
	int i;

	rc = irqs_on(ctrl);
	if (rc)
		return rc;
	write32(ctrl, NVME_REG_CC, 0);
	rc = wait_ready(ctrl, false);
	if (rc)
		return rc;

	/* DSTRD is bits 35:32 of CAP */
	ctrl->doorbell_stride = 4UL << (read32(ctrl, NVME_REG_CAP + 4) & 0xf);
	if (NVME_REG_DOORBELLS + 2 * (1 + NVME_QUEUES) * ctrl->doorbell_stride >
	    ctrl->dev.bar_size)
		return -EOPNOTSUPP;
	queue_init(ctrl, &ctrl->admin, 0);
	write32(ctrl, NVME_REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	write64(ctrl, NVME_REG_ASQ, to_iova(ctrl, ctrl->admin.sq));
	write64(ctrl, NVME_REG_ACQ, to_iova(ctrl, ctrl->admin.cq));
	write32(ctrl, NVME_REG_CC,
		NVME_CC_EN | NVME_CC_IOSQES | NVME_CC_IOCQES);
	rc = wait_ready(ctrl, true);
	if (rc)
		return rc;

	rc = identify(ctrl);
	if (rc)
		return rc;
	rc = admin(ctrl, &num_queues);
	for (i = 0; !rc && i != NVME_QUEUES; i++) {
		queue_init(ctrl, &ctrl->io[i], 1 + i);
		rc = create_queue(ctrl, &ctrl->io[i]);
	}
	return rc;
}

int nvme_open(struct nvme_ctrl *ctrl, const struct edu_func *func, int iommufd,
	      __u64 iova)
{
	int rc;
	int i;

	memset(ctrl, 0, sizeof(*ctrl));
	ctrl->iova = iova;
	for (i = 0; i != NVME_QUEUES; i++)
		ctrl->io[i].event_fd = -1;
	rc = edu_open_bind(&ctrl->dev, func, iommufd);
	if (rc)
		return rc;
	ctrl->mem = mmap(NULL, NVME_MEM_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ctrl->mem == MAP_FAILED) {
		ctrl->mem = NULL;
		rc = -errno;
		goto err_close;
	}
	for (i = 0; i != NVME_QUEUES; i++) {
		ctrl->io[i].event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (ctrl->io[i].event_fd < 0) {
			rc = -errno;
			goto err_close;
		}
	}
	return 0;

err_close:
	nvme_close(ctrl);
	return rc;
}

void nvme_close(struct nvme_ctrl *ctrl)
{
	int i;

	if (ctrl->dev.fd < 0)
		return;
	/* VFIO resets the device before the file is gone */
	edu_close(&ctrl->dev);
	for (i = 0; i != NVME_QUEUES; i++)
		if (ctrl->io[i].event_fd >= 0)
			close(ctrl->io[i].event_fd);
	if (ctrl->mem)
		munmap(ctrl->mem, NVME_MEM_SIZE);
}
