// SPDX-License-Identifier: GPL-2.0-only
/*
 * What PASIDs cost: a device behind an IOMMU that does nothing
 *
 * For tools/testing/selftests/iommu/iommu_pasid_bench.c. It calls nothing that
 * Linux 6.12 has not, so that the two can be compared. There is one file,
 * /sys/kernel/debug/iommu_pasid_bench. Write
 *
 *   "<live> <times>"  while <live> PASIDs are allocated, allocate and free one more
 *                     so many times, then attach a domain to it and detach it again
 *
 * Read: nanoseconds for an allocation and a free, for an attach and a detach, and
 * the bytes that the kernel had less of for each of the live ones.
 */
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

#include "iommu-priv.h"

#define BENCH_PASID_BITS	20

static const struct bus_type bench_bus = { .name = "iommu_pasid_bench" };
static struct notifier_block bench_bus_nb;
static struct platform_device *bench_iommu_pdev;
static struct iommu_device bench_iommu = {
	.max_pasids = 1U << BENCH_PASID_BITS,
};

static struct device bench_dev;

/* Protects the results, and keeps two from being measured at once */
static DEFINE_MUTEX(bench_lock);
static u64 bench_alloc_ns;
static u64 bench_attach_ns;
static u64 bench_bytes;

static int bench_attach(struct iommu_domain *domain, struct device *dev)
{
	return 0;
}

static int bench_set_dev_pasid(struct iommu_domain *domain, struct device *dev,
			       ioasid_t pasid, struct iommu_domain *old)
{
	return 0;
}

static void bench_remove_dev_pasid(struct device *dev, ioasid_t pasid,
				   struct iommu_domain *domain)
{
}

static void bench_domain_free(struct iommu_domain *domain)
{
	kfree(domain);
}

static struct iommu_domain *bench_domain_alloc(struct device *dev)
{
	return kzalloc(sizeof(struct iommu_domain), GFP_KERNEL);
}

static struct iommu_device *bench_probe_device(struct device *dev)
{
	return &bench_iommu;
}

static int bench_def_domain_type(struct device *dev)
{
	return IOMMU_DOMAIN_IDENTITY;
}

static struct iommu_domain bench_identity_domain = {
	.type = IOMMU_DOMAIN_IDENTITY,
	.ops = &(const struct iommu_domain_ops){
		.attach_dev = bench_attach,
	},
};

static const struct iommu_ops bench_ops = {
	.owner = THIS_MODULE,
	.identity_domain = &bench_identity_domain,
	.def_domain_type = bench_def_domain_type,
	.pgsize_bitmap = PAGE_SIZE,
	.probe_device = bench_probe_device,
	.device_group = generic_device_group,
	.domain_alloc_paging = bench_domain_alloc,
	.remove_dev_pasid = bench_remove_dev_pasid,
	.default_domain_ops = &(const struct iommu_domain_ops){
		.attach_dev = bench_attach,
		.set_dev_pasid = bench_set_dev_pasid,
		.free = bench_domain_free,
	},
};

static int bench_alloc_free(unsigned int times)
{
	u64 start = ktime_get_ns();
	unsigned int i;
	ioasid_t pasid;

	for (i = 0; i != times; i++) {
		pasid = iommu_alloc_global_pasid(&bench_dev);
		if (pasid == IOMMU_PASID_INVALID)
			return -ENOSPC;
		iommu_free_global_pasid(pasid);
	}
	bench_alloc_ns = div_u64(ktime_get_ns() - start, times);
	return 0;
}

static int bench_attach_detach(struct iommu_domain *domain, ioasid_t pasid,
			       unsigned int times)
{
	struct iommu_attach_handle handle = {};
	u64 start = ktime_get_ns();
	unsigned int i;
	int ret;

	for (i = 0; i != times; i++) {
		ret = iommu_attach_device_pasid(domain, &bench_dev, pasid,
						&handle);
		if (ret)
			return ret;
		iommu_detach_device_pasid(domain, &bench_dev, pasid);
	}
	bench_attach_ns = div_u64(ktime_get_ns() - start, times);
	return 0;
}

static int bench_domain(unsigned int times)
{
	struct iommu_domain *domain = iommu_paging_domain_alloc(&bench_dev);
	ioasid_t pasid;
	int ret = -ENOSPC;

	if (IS_ERR(domain))
		return PTR_ERR(domain);
	pasid = iommu_alloc_global_pasid(&bench_dev);
	if (pasid != IOMMU_PASID_INVALID) {
		ret = bench_attach_detach(domain, pasid, times);
		iommu_free_global_pasid(pasid);
	}
	iommu_domain_free(domain);
	return ret;
}

static int bench_measure(ioasid_t *pasids, unsigned int live,
			 unsigned int times)
{
	unsigned long before = global_zone_page_state(NR_FREE_PAGES);
	unsigned int i;
	int ret = 0;

	for (i = 0; i != live; i++) {
		pasids[i] = iommu_alloc_global_pasid(&bench_dev);
		if (pasids[i] == IOMMU_PASID_INVALID) {
			ret = -ENOSPC;
			break;
		}
		cond_resched();
	}
	if (!ret) {
		unsigned long after = global_zone_page_state(NR_FREE_PAGES);

		bench_bytes = live && before > after ?
			div_u64((u64)(before - after) * PAGE_SIZE, live) : 0;
		ret = bench_alloc_free(times);
	}
	if (!ret)
		ret = bench_domain(times);
	while (i--) {
		iommu_free_global_pasid(pasids[i]);
		cond_resched();
	}
	return ret;
}

static int bench_show(struct seq_file *s, void *unused)
{
	mutex_lock(&bench_lock);
	seq_printf(s, "%llu %llu %llu\n", bench_alloc_ns, bench_attach_ns,
		   bench_bytes);
	mutex_unlock(&bench_lock);
	return 0;
}

static ssize_t bench_write(struct file *file, const char __user *buf,
			   size_t count, loff_t *pos)
{
	unsigned int live, times;
	ioasid_t *pasids;
	char cmd[32];
	int ret;

	if (count >= sizeof(cmd))
		return -EINVAL;
	if (copy_from_user(cmd, buf, count))
		return -EFAULT;
	cmd[count] = 0;
	if (sscanf(cmd, "%u %u", &live, &times) != 2 || !times ||
	    live >= 1U << BENCH_PASID_BITS)
		return -EINVAL;

	pasids = kvcalloc(max(live, 1U), sizeof(*pasids), GFP_KERNEL);
	if (!pasids)
		return -ENOMEM;
	mutex_lock(&bench_lock);
	ret = bench_measure(pasids, live, times);
	mutex_unlock(&bench_lock);
	kvfree(pasids);
	return ret ?: count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(bench);

static void bench_dev_release(struct device *dev)
{
}

static int __init bench_add_device(void)
{
	static const struct property_entry props[] = {
		PROPERTY_ENTRY_U32("pasid-num-bits", BENCH_PASID_BITS),
		{}
	};
	int ret;

	device_initialize(&bench_dev);
	bench_dev.bus = &bench_bus;
	bench_dev.release = bench_dev_release;
	ret = dev_set_name(&bench_dev, "pasid0");
	if (ret)
		return ret;
	ret = device_create_managed_software_node(&bench_dev, props, NULL);
	if (ret)
		return ret;
	/* The IOMMUs without a fwnode are others */
	mutex_lock(&iommu_probe_device_lock);
	ret = iommu_fwspec_init(&bench_dev, bench_iommu.fwnode);
	mutex_unlock(&iommu_probe_device_lock);
	return ret ?: device_add(&bench_dev);
}

/* What is there stays if this fails: it is not of use, and harms nobody */
static int __init bench_init(void)
{
	struct fwnode_handle *fwnode;
	int ret;

	bench_iommu_pdev =
		platform_device_register_simple("iommu_pasid_bench",
						PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(bench_iommu_pdev))
		return PTR_ERR(bench_iommu_pdev);
	ret = bus_register(&bench_bus);
	if (ret)
		return ret;
	fwnode = fwnode_create_software_node(NULL, NULL);
	if (IS_ERR(fwnode))
		return PTR_ERR(fwnode);
	bench_iommu.fwnode = fwnode;
	ret = iommu_device_sysfs_add(&bench_iommu, &bench_iommu_pdev->dev, NULL,
				     "iommu_pasid_bench");
	if (ret)
		return ret;
	ret = iommu_device_register_bus(&bench_iommu, &bench_ops, &bench_bus,
					&bench_bus_nb);
	if (ret)
		return ret;
	ret = bench_add_device();
	if (ret)
		return ret;
	debugfs_create_file("iommu_pasid_bench", 0600, NULL, NULL, &bench_fops);
	return 0;
}

/* After the IOMMU core */
device_initcall(bench_init);
