// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PASIDs of the system: the allocator of iommu-pasid.c as drivers see it
 *
 * All devices draw on one space of numbers, for an address space has the same
 * PASID on each of them, and the ENQCMD instruction takes it from a register of
 * the task.
 */
#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/seq_file.h>

#include "iommu-pasid.h"
#include "iommu-priv.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "iommu."

struct iommu_pasid_space iommu_pasid_space;

static bool initialized;
static unsigned int grace_ms = IOMMU_PASID_GRACE_MS;

static int set_grace_ms(const char *val, const struct kernel_param *kp)
{
	int ret;

	ret = param_set_uint_minmax(val, kp, 0, IOMMU_PASID_MAX_GRACE_MS);
	if (!ret && initialized)
		iommu_pasid_space_set_grace(&iommu_pasid_space,
					    (u64)grace_ms * NSEC_PER_MSEC);
	return ret;
}

static const struct kernel_param_ops grace_ops = {
	.set = set_grace_ms,
	.get = param_get_uint,
};

module_param_cb(pasid_grace_ms, &grace_ops, &grace_ms, 0644);
MODULE_PARM_DESC(pasid_grace_ms,
		 "Milliseconds before a released PASID is used again if a device may still have it");

static unsigned int file_share = IOMMU_PASID_FILE_SHARE;

static int set_file_share(const char *val, const struct kernel_param *kp)
{
	int ret;

	ret = param_set_uint_minmax(val, kp, 0, 100);
	if (!ret && initialized)
		WRITE_ONCE(iommu_pasid_space.file_share, file_share);
	return ret;
}

static const struct kernel_param_ops file_share_ops = {
	.set = set_file_share,
	.get = param_get_uint,
};

module_param_cb(pasid_file_share, &file_share_ops, &file_share, 0644);
MODULE_PARM_DESC(pasid_file_share,
		 "Percent of the PASIDs that all devices can take that /dev/iommu may have");

#ifdef CONFIG_IOMMU_DEBUGFS
static void *pasids_start(struct seq_file *s, loff_t *pos)
{
	unsigned long index = *pos;

	/* PASID 0 is not of the allocator: its line is the counts */
	if (!*pos)
		return SEQ_START_TOKEN;
	if (!xa_find(&iommu_pasid_space.pasids, &index, ULONG_MAX, XA_PRESENT))
		return NULL;
	*pos = index;
	return pos;
}

static void *pasids_next(struct seq_file *s, void *v, loff_t *pos)
{
	++*pos;
	return pasids_start(s, pos);
}

static void pasids_stop(struct seq_file *s, void *v)
{
}

static int pasids_show(struct seq_file *s, void *v)
{
	if (v == SEQ_START_TOKEN)
		iommu_pasid_show_counts(&iommu_pasid_space, s);
	else
		iommu_pasid_show(&iommu_pasid_space, s, *(loff_t *)v);
	return 0;
}

static const struct seq_operations pasids_sops = {
	.start = pasids_start,
	.next = pasids_next,
	.stop = pasids_stop,
	.show = pasids_show,
};
DEFINE_SEQ_ATTRIBUTE(pasids);

static void __init create_debugfs(void)
{
	debugfs_create_file("pasids", 0400, iommu_debugfs_dir, NULL,
			    &pasids_fops);
}
#else
static void __init create_debugfs(void)
{
}
#endif

void __init iommu_pasid_sys_init(void)
{
	iommu_pasid_space_init(&iommu_pasid_space, ktime_get_ns);
	iommu_pasid_space.grace = (u64)grace_ms * NSEC_PER_MSEC;
	iommu_pasid_space.file_share = file_share;
	initialized = true;
	create_debugfs();
}

/**
 * iommu_alloc_global_pasid() - Allocate a PASID for a driver
 * @dev: the device that has to be able to take it
 *
 * Any device can use it once a domain is attached there. It is given back with
 * iommu_free_global_pasid().
 *
 * Context: may sleep.
 * Return: the PASID, or IOMMU_PASID_INVALID if the device can take none or none
 * is left.
 */
ioasid_t iommu_alloc_global_pasid(struct device *dev)
{
	ioasid_t pasid;

	if (iommu_pasid_alloc(&iommu_pasid_space, &dev->iommu->pasid,
			      IOMMU_PASID_DRIVER, 0, U32_MAX, &pasid))
		return IOMMU_PASID_INVALID;
	return pasid;
}
EXPORT_SYMBOL_GPL(iommu_alloc_global_pasid);

/**
 * iommu_free_global_pasid() - Give a PASID back
 * @pasid: of iommu_alloc_global_pasid(), detached from every device
 *
 * It is not used again while a device that had it attached may still hold it in
 * a queue, see iommu_pasid_drained().
 *
 * Context: any.
 */
void iommu_free_global_pasid(ioasid_t pasid)
{
	if (WARN_ON(pasid == IOMMU_PASID_INVALID))
		return;

	WARN_ON_ONCE(!iommu_pasid_release(&iommu_pasid_space, pasid));
}
EXPORT_SYMBOL_GPL(iommu_free_global_pasid);

/**
 * iommu_alloc_file_pasid() - Allocate a PASID for an fd
 * @limit: the first PASID that is too large for the devices that shall take it
 * @min: the smallest PASID that will do
 * @max: the largest one, inclusive
 * @uid: the user who is charged
 * @quota: how many he can have, those that rest included
 * @pasid: set to the PASID
 *
 * Context: may sleep. Must not be called with a lock that a drain callback takes.
 * Return: as iommu_pasid_alloc_below().
 */
int iommu_alloc_file_pasid(u32 limit, u32 min, u32 max, kuid_t uid,
			   unsigned int quota, ioasid_t *pasid)
{
	const struct iommu_pasid_quota charged = { .uid = uid, .max = quota };

	return iommu_pasid_alloc_below(&iommu_pasid_space, limit,
				       IOMMU_PASID_FILE, min, max, &charged,
				       pasid);
}
EXPORT_SYMBOL_NS_GPL(iommu_alloc_file_pasid, IOMMUFD_INTERNAL);

/**
 * iommu_free_file_pasid() - Give a PASID back
 * @pasid: of iommu_alloc_file_pasid(), detached from every device
 *
 * Waits for no device, and for no driver.
 *
 * Context: any.
 */
void iommu_free_file_pasid(ioasid_t pasid)
{
	WARN_ON_ONCE(!iommu_pasid_release(&iommu_pasid_space, pasid));
}
EXPORT_SYMBOL_NS_GPL(iommu_free_file_pasid, IOMMUFD_INTERNAL);

/**
 * iommu_file_pasid_in_use() - Tell why an fd does not have a PASID
 * @pasid: the PASID
 *
 * Context: any.
 * Return: as iommu_pasid_in_use().
 */
int iommu_file_pasid_in_use(ioasid_t pasid)
{
	return iommu_pasid_in_use(&iommu_pasid_space, pasid);
}
EXPORT_SYMBOL_NS_GPL(iommu_file_pasid_in_use, IOMMUFD_INTERNAL);

/**
 * iommu_pasid_drained() - Tell that a device has nothing more of a PASID
 * @dev: the device
 * @pasid: the PASID, detached from @dev
 *
 * To be called once no queue of the device holds @pasid and none of its requests
 * is under way, so that the PASID does not have to rest for a grace period. Best
 * before its owner releases it: if it had rested for the grace period meanwhile,
 * @pasid could be somebody else's.
 *
 * Context: any.
 * Return: false if @pasid is still attached to @dev, because somebody else has
 * it in use there. Nothing is remembered then; it is for the last one to tell.
 */
bool iommu_pasid_drained(struct device *dev, ioasid_t pasid)
{
	if (!dev->iommu)
		return true;
	return iommu_pasid_device_drained(&iommu_pasid_space,
					  &dev->iommu->pasid, pasid);
}
EXPORT_SYMBOL_GPL(iommu_pasid_drained);

/**
 * iommu_pasid_set_drain() - Let the driver of a device be asked to drain PASIDs
 * @dev: the device
 * @drain: the callback; NULL before the driver goes
 *
 * It is called if a PASID is wanted and none is free, for one that rests. When
 * iommu_pasid_set_drain() returns, the previous callback is not running, and is
 * not called any more.
 *
 * Context: may sleep. Must not be called with a lock that the callback takes.
 */
void iommu_pasid_set_drain(struct device *dev, iommu_pasid_drain_t drain)
{
	if (dev->iommu)
		iommu_pasid_device_set_drain(&iommu_pasid_space,
					     &dev->iommu->pasid, drain);
}
EXPORT_SYMBOL_GPL(iommu_pasid_set_drain);
