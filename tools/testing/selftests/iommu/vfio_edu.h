/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A real (if virtual) PCI device for the MSI tests: QEMU's "edu".
 *
 * A function goes through these states, each call moves it by one:
 *
 *   sysfs function -> open -> bound to an iommufd -> attached to a page table
 *
 * Interrupts can be switched on from "bound" onwards. The device raises an MSI
 * by a memory write, which the IOMMU translates like any other DMA: if the
 * doorbell is not mapped in the current page table the interrupt is lost.
 *
 * All functions return 0 or a negative errno unless they say otherwise.
 */
#ifndef __SELFTEST_VFIO_EDU_H
#define __SELFTEST_VFIO_EDU_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#define EDU_MAX_FUNCS 16

/* How long to wait before an interrupt counts as lost; it takes < 1 ms */
#define EDU_TIMEOUT_MS 1000

/* One PCI function as sysfs shows it */
struct edu_func {
	char bdf[16];
	int group;
	/* The software MSI window of its IOMMU; false: there is none */
	bool has_window;
	__u64 window_start;
	__u64 window_last;
};

/* One function in use. fd < 0 when closed. */
struct edu_dev {
	const struct edu_func *func;
	int fd;
	int event_fd;
	int group_fd;
	__u32 dev_id;
	/* BAR 0; NULL: it shares a page of the CPU and cannot be mapped */
	__u8 *bar;
	size_t bar_size;
	__u64 bar_offset; /* in the device file */
};

/* Write a text to a file, a sysfs attribute for example; 0 or -errno */
int edu_write_file(const char *path, const char *text);

/* Returns the number of functions found, sorted by address. No group yet. */
int edu_scan(struct edu_func *funcs, int max);
/*
 * Hand all functions to vfio-pci (a group is only usable as a whole) and read
 * their groups. Returns the number of those that are ready for use.
 */
int edu_claim(struct edu_func *funcs, int max);
/* The same for another kind of device; what does not raise or copy fits all */
int edu_claim_id(struct edu_func *funcs, int max, unsigned int vendor,
		 unsigned int device);
/* Is function @i of a list the only one of its group? */
bool edu_is_alone(const struct edu_func *funcs, int num, int i);
/* Of a list that was claimed: one that is alone in its group, or NULL */
const struct edu_func *edu_pick_single(const struct edu_func *funcs, int num);
/* Two that share a group, or that do not; false: there are no such two */
bool edu_pick_pair(const struct edu_func *funcs, int num, bool same_group,
		   const struct edu_func *pair[2]);
/*
 * The same for all that edu_claim() finds. What they return is good until one
 * of them is called again.
 */
const struct edu_func *edu_find_single(void);
bool edu_find_pair(bool same_group, const struct edu_func *pair[2]);
/* The IOMMU group of a PCI function, or a negative errno */
int edu_read_group(const char *bdf);

/* Hand the function to vfio-pci, nothing to do if it is there already */
int edu_bind_driver(const struct edu_func *func);
int edu_unbind_driver(const struct edu_func *func);
/* Take the function away from its driver, if any, and hand it to @driver */
int edu_set_driver(const struct edu_func *func, const char *driver);

void edu_init(struct edu_dev *dev);
int edu_open(struct edu_dev *dev, const struct edu_func *func);
int edu_bind_iommufd(struct edu_dev *dev, int iommufd);
/* open and bind in one go; leaves the device closed on failure */
int edu_open_bind(struct edu_dev *dev, const struct edu_func *func,
		  int iommufd);
void edu_close(struct edu_dev *dev);

/* Attach to an IOAS or HWPT; if attached already this is a replace */
int edu_attach(struct edu_dev *dev, __u32 pt_id);
int edu_detach(struct edu_dev *dev);

/*
 * A register of BAR 0, whether it can be mapped or not. A device that does not
 * answer reads as all ones.
 */
void edu_write32(struct edu_dev *dev, size_t reg, __u32 val);
__u32 edu_read32(struct edu_dev *dev, size_t reg);

int edu_irq_on(struct edu_dev *dev);
int edu_irq_off(struct edu_dev *dev);
/* Raise an interrupt, return 1 if it arrived, 0 if it got lost */
int edu_raise(struct edu_dev *dev, int timeout_ms);
/* Wait for one that was raised before, same results */
int edu_wait(struct edu_dev *dev, int timeout_ms);
/* What edu_raise() and edu_wait() return, in words */
const char *edu_irq_result(int rc);
/* Copy @len bytes (at most 4096) from @src to @dst through the device */
int edu_dma_copy(struct edu_dev *dev, __u64 dst, __u64 src, size_t len);
int edu_dma_copy_all(struct edu_dev *devs, int num, __u64 dst, __u64 src,
		     size_t len);

/* The legacy way: VFIO group and container (a container or an iommufd) */
int edu_group_open(struct edu_dev *dev, const struct edu_func *func,
		   int container);
int edu_group_get_device(struct edu_dev *dev);

/* Thin wrappers of iommufd ioctls, without the mock of iommufd_utils.h */
int edu_ioas_alloc(int iommufd, __u32 *ioas_id);
int edu_hwpt_alloc(int iommufd, __u32 dev_id, __u32 pt_id, __u32 *hwpt_id);
int edu_destroy(int iommufd, __u32 id);
/* IOMMU_HW_CAP_* of the IOMMU that a bound device is behind */
int edu_hw_capabilities(int iommufd, __u32 dev_id, __u64 *capabilities);
int edu_map(int iommufd, __u32 ioas_id, void *va, size_t len, __u64 iova);
int edu_unmap(int iommufd, __u32 ioas_id, __u64 iova, size_t len);

/*
 * Watch the kernel log. Open before the test; count tells how many messages since
 * then have both words in them, and closes again. For the SMMU these are the
 * events by which it reports DMA that it refused. Count returns a negative errno
 * if the log is not readable.
 */
int edu_log_open(void);
int edu_log_count(int log_fd, const char *word, const char *other);
int edu_smmu_log_count(int log_fd);

/*
 * Fault injection, needs CONFIG_FAILSLAB. edu_fault_begin() makes allocation
 * number @nth of this thread, from 1, fail. edu_fault_end() tells if there was
 * one that did.
 */
bool edu_fault_open(void);
void edu_fault_close(void);
void edu_fault_begin(unsigned int nth);
bool edu_fault_end(void);

/*
 * The same for memory that stays out: each allocation of this thread after the
 * one that failed fails as well, of slab and of pages, until edu_nomem_end().
 * Needs CONFIG_FAIL_PAGE_ALLOC too. edu_nomem_open() returns the name of what is
 * not there, or NULL; after edu_nomem_close() nothing fails any more.
 */
const char *edu_nomem_open(void);
void edu_nomem_close(void);
void edu_nomem_begin(unsigned int nth);
bool edu_nomem_end(void);

__u64 edu_now_ms(void);

/* A number from the environment, for durations and counts */
unsigned long edu_env(const char *name, unsigned long fallback);

#endif
