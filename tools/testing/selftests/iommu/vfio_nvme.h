/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small NVMe driver in user space, over vfio-pci and an iommufd.
 *
 * It takes a controller as far as a load test needs: an admin queue that is
 * polled, I/O queues with an MSI-X vector each, and reads and writes that are
 * under way at the same time. All memory of a controller is one mapping, which
 * has to be mapped at ctrl->iova in each page table the device is attached to.
 *
 *   claim -> nvme_open -> edu_attach -> nvme_start -> nvme_submit, nvme_reap
 *
 * One thread may use a queue at a time; queues are independent of each other.
 * Functions return 0 or a negative errno unless they say otherwise.
 */
#ifndef __SELFTEST_VFIO_NVME_H
#define __SELFTEST_VFIO_NVME_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#include "vfio_edu.h"

/* QEMU's "nvme" */
#define NVME_VENDOR 0x1b36
#define NVME_DEVICE 0x0010

#define NVME_QUEUES 3
/* Commands that can be under way in a queue */
#define NVME_SLOTS 8
/* The controller's page, whatever the size of the CPU's is */
#define NVME_PAGE 4096UL
/* The unit in which data is addressed here, some logical blocks of the disk */
#define NVME_BLOCK NVME_PAGE
/* Blocks in a command: from three on, the pages are in a list of their own */
#define NVME_MAX_BLOCKS 4

#define NVME_MEM_SIZE (1024UL * 1024)

struct nvme_cmd;
struct nvme_cqe;

struct nvme_queue {
	struct nvme_ctrl *ctrl;
	/* 0 is the admin queue; also the number of its MSI-X vector */
	unsigned int id;
	unsigned int entries;
	struct nvme_cmd *sq;
	struct nvme_cqe *cq;
	unsigned int sq_tail;
	unsigned int cq_head;
	unsigned int phase;
	int event_fd;
};

struct nvme_ctrl {
	/* The VFIO half: device file, BAR 0, attach and detach */
	struct edu_dev dev;
	void *mem;
	__u64 iova;
	/* Logical blocks in an NVME_BLOCK, NVME_BLOCKs on the disk */
	unsigned int lbas;
	__u64 num_blocks;
	size_t doorbell_stride;
	struct nvme_queue admin;
	struct nvme_queue io[NVME_QUEUES];
};

/* Open and bind; leaves the controller closed on failure */
int nvme_open(struct nvme_ctrl *ctrl, const struct edu_func *func, int iommufd,
	      __u64 iova);
/* The controller stops, a command under way may still write to memory */
void nvme_close(struct nvme_ctrl *ctrl);

/* Reset the attached controller, make its queues, switch on their interrupts */
int nvme_start(struct nvme_ctrl *ctrl);
/* The controller has given up: CSTS.CFS, or it is gone */
bool nvme_is_dead(struct nvme_ctrl *ctrl);

/* The NVME_MAX_BLOCKS blocks that the command in this slot moves */
void *nvme_buffer(struct nvme_queue *queue, unsigned int slot);
/* Start a command in a slot that is free */
void nvme_submit(struct nvme_queue *queue, unsigned int slot, bool write,
		 __u64 block, unsigned int num);
/*
 * Take one completion: false if there is none. The slot is free again. *status
 * is 0 for success, or the status field of the completion.
 */
bool nvme_reap(struct nvme_queue *queue, unsigned int *slot,
	       unsigned int *status);
/* There is a completion that was not taken */
bool nvme_pending(struct nvme_queue *queue);

#endif
