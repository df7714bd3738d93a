// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for tests of the DMA API: the edu device of QEMU
 *
 * It binds to nothing on its own, but to a device whose driver_override names it.
 * Then /sys/kernel/debug/iova_edu/<device>/ has
 *
 * copy   Write a number: so often a page goes to the device and back, each time
 *        with other data in other pages. EIO if anything comes back different.
 * late   Write a number: so often the device writes to a page that the driver has
 *        unmapped before. Another page has been mapped meanwhile. Read: how often
 *        that was done, how often the device got at neither of the pages, and the
 *        address of the first time.
 * hold   Write "<bytes> <mappings> <bits>": maps a buffer of so many bytes so often,
 *        or as often as there is room, for a DMA mask of so many bits. Read: how
 *        often the last write did. All of it stays mapped until a 0 is written, or
 *        the driver goes; "0 <n>" lets go what the oldest n writes mapped. This does
 *        as well with any other PCI device.
 * bench  Write "<bytes> <mappings> <times> <CPUs>": each of so many CPUs maps and
 *        unmaps so many bytes so often, with so many other pages mapped. Read:
 *        nanoseconds for each time, the CPUs running side by side.
 * flushes  Write as for bench: does the same, with hooks in the domain that count.
 *        Read: how often the whole IOTLB was flushed, how often a part of it.
 *
 * It needs nothing but the DMA API, so that a kernel without IOVA policies can be
 * measured with it too.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/iopoll.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_DMA_RUN	BIT(0)
#define EDU_DMA_TO_RAM	BIT(1)
/* Its memory, at an address of its own */
#define EDU_BUFFER	0x40000
/* Half of it: QEMU 7.2 takes the last byte to be outside, and gives up */
#define EDU_BYTES	SZ_2K
/* It has 28 address lines unless it is told otherwise */
#define EDU_DMA_MASK	DMA_BIT_MASK(28)
/* How long it takes for any DMA */
#define EDU_DMA_MS	100

#define EDU_MAX_HOLDS	8

struct edu_hold {
	void *buf;
	unsigned int bytes;
	unsigned int mappings;
	dma_addr_t *iovas;
};

struct iova_edu {
	struct pci_dev *pdev;
	void __iomem *bar;
	struct dentry *dir;
	/* One test at a time */
	struct mutex lock;
	struct page *pages[2];
	u32 pattern;
	unsigned int tried;
	unsigned int caught;
	dma_addr_t late_iova;
	unsigned int num_holds;
	struct edu_hold holds[EDU_MAX_HOLDS];
	u64 bench_ns;
	u64 num_flushes;
	u64 num_syncs;
};

static struct dentry *iova_edu_dir;

static int edu_dma(struct iova_edu *edu, dma_addr_t iova, u32 dir)
{
	u32 val;

	writeq(dir ? EDU_BUFFER : iova, edu->bar + EDU_DMA_SRC);
	writeq(dir ? iova : EDU_BUFFER, edu->bar + EDU_DMA_DST);
	writeq(EDU_BYTES, edu->bar + EDU_DMA_COUNT);
	writeq(EDU_DMA_RUN | dir, edu->bar + EDU_DMA_CMD);
	msleep(EDU_DMA_MS);
	return read_poll_timeout(readl, val, !(val & EDU_DMA_RUN), 2000,
				 5 * USEC_PER_SEC, false,
				 edu->bar + EDU_DMA_CMD);
}

static void edu_fill(struct iova_edu *edu, struct page *page, u32 pattern)
{
	u32 *p = page_address(page);
	unsigned int i;

	for (i = 0; i < EDU_BYTES / sizeof(*p); i++)
		p[i] = pattern + i;
}

static bool edu_has(struct iova_edu *edu, struct page *page, u32 pattern)
{
	u32 *p = page_address(page);
	unsigned int i;

	for (i = 0; i < EDU_BYTES / sizeof(*p); i++)
		if (p[i] != pattern + i)
			return false;
	return true;
}

static int edu_transfer(struct iova_edu *edu, struct page *page, u32 dir)
{
	enum dma_data_direction dma_dir = dir ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	struct device *dev = &edu->pdev->dev;
	dma_addr_t iova;
	int ret;

	iova = dma_map_page(dev, page, 0, EDU_BYTES, dma_dir);
	if (dma_mapping_error(dev, iova))
		return -ENOMEM;
	ret = edu_dma(edu, iova, dir);
	dma_unmap_page(dev, iova, EDU_BYTES, dma_dir);
	return ret;
}

/* To the device and back */
static int edu_copy(struct iova_edu *edu)
{
	int ret;

	edu->pattern += EDU_BYTES;
	edu_fill(edu, edu->pages[0], edu->pattern);
	edu_fill(edu, edu->pages[1], ~edu->pattern);
	ret = edu_transfer(edu, edu->pages[0], 0);
	if (!ret)
		ret = edu_transfer(edu, edu->pages[1], EDU_DMA_TO_RAM);
	if (!ret && !edu_has(edu, edu->pages[1], edu->pattern))
		ret = -EIO;
	return ret;
}

/* The bug that the wraparound policy shows: it is caught if no page has changed */
static int edu_late(struct iova_edu *edu)
{
	struct device *dev = &edu->pdev->dev;
	dma_addr_t iova, other;
	int ret;

	edu->pattern += EDU_BYTES;
	edu_fill(edu, edu->pages[0], edu->pattern);
	edu_fill(edu, edu->pages[1], ~edu->pattern);

	iova = dma_map_page(dev, edu->pages[0], 0, EDU_BYTES, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, iova))
		return -ENOMEM;
	/* What it will write then is something else, and the IOTLB is warm */
	ret = edu_dma(edu, iova, 0);
	dma_unmap_page(dev, iova, EDU_BYTES, DMA_BIDIRECTIONAL);
	if (ret)
		return ret;
	edu_fill(edu, edu->pages[0], ~edu->pattern);

	other = dma_map_page(dev, edu->pages[1], 0, EDU_BYTES,
			     DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, other))
		return -ENOMEM;
	ret = edu_dma(edu, iova, EDU_DMA_TO_RAM);
	dma_unmap_page(dev, other, EDU_BYTES, DMA_BIDIRECTIONAL);
	if (ret)
		return ret;
	if (!edu->tried++)
		edu->late_iova = iova;
	edu->caught += edu_has(edu, edu->pages[0], ~edu->pattern) &&
		       edu_has(edu, edu->pages[1], ~edu->pattern);
	return 0;
}

static int edu_repeat(struct file *file, const char __user *buf, size_t count,
		      int (*fn)(struct iova_edu *edu))
{
	struct iova_edu *edu = ((struct seq_file *)file->private_data)->private;
	unsigned int times;
	int ret;

	ret = kstrtouint_from_user(buf, count, 0, &times);
	if (ret)
		return ret;
	mutex_lock(&edu->lock);
	edu->tried = 0;
	edu->caught = 0;
	while (times-- && !ret) {
		ret = fn(edu);
		if (!ret && signal_pending(current))
			ret = -EINTR;
	}
	mutex_unlock(&edu->lock);
	return ret;
}

static int copy_show(struct seq_file *m, void *unused)
{
	return 0;
}

static ssize_t copy_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *pos)
{
	return edu_repeat(file, buf, count, edu_copy) ?: count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(copy);

static int late_show(struct seq_file *m, void *unused)
{
	struct iova_edu *edu = m->private;

	seq_printf(m, "%u %u %pad\n", edu->tried, edu->caught, &edu->late_iova);
	return 0;
}

static ssize_t late_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *pos)
{
	return edu_repeat(file, buf, count, edu_late) ?: count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(late);

static void edu_release(struct iova_edu *edu, struct edu_hold *hold)
{
	unsigned int i;

	for (i = 0; i < hold->mappings; i++) {
		dma_unmap_single(&edu->pdev->dev, hold->iovas[i], hold->bytes,
				 DMA_TO_DEVICE);
		cond_resched();
	}
	vfree(hold->iovas);
	if (hold->buf)
		free_pages_exact(hold->buf, hold->bytes);
}

static void edu_release_oldest(struct iova_edu *edu, unsigned int num)
{
	unsigned int i;

	num = min(num, edu->num_holds);
	for (i = 0; i < num; i++)
		edu_release(edu, &edu->holds[i]);
	edu->num_holds -= num;
	memmove(edu->holds, &edu->holds[num],
		edu->num_holds * sizeof(*edu->holds));
}

static int edu_hold(struct iova_edu *edu, unsigned int bytes,
		    unsigned int mappings)
{
	struct device *dev = &edu->pdev->dev;
	struct edu_hold hold = { .bytes = PAGE_ALIGN(bytes) };
	dma_addr_t iova;

	if (edu->num_holds == EDU_MAX_HOLDS)
		return -ENOSPC;
	hold.buf = alloc_pages_exact(hold.bytes, GFP_KERNEL);
	hold.iovas = vcalloc(mappings, sizeof(*hold.iovas));
	if (!hold.buf || !hold.iovas) {
		edu_release(edu, &hold);
		return -ENOMEM;
	}
	while (hold.mappings < mappings) {
		iova = dma_map_single(dev, hold.buf, hold.bytes, DMA_TO_DEVICE);
		if (dma_mapping_error(dev, iova))
			break;
		hold.iovas[hold.mappings++] = iova;
		cond_resched();
	}
	edu->holds[edu->num_holds++] = hold;
	return 0;
}

static int hold_show(struct seq_file *m, void *unused)
{
	struct iova_edu *edu = m->private;
	unsigned int mappings = 0;

	mutex_lock(&edu->lock);
	if (edu->num_holds)
		mappings = edu->holds[edu->num_holds - 1].mappings;
	mutex_unlock(&edu->lock);
	seq_printf(m, "%u\n", mappings);
	return 0;
}

static ssize_t hold_write(struct file *file, const char __user *ubuf,
			  size_t count, loff_t *pos)
{
	struct iova_edu *edu = ((struct seq_file *)file->private_data)->private;
	unsigned int bytes, mappings, bits;
	char buf[64] = {};
	int ret;

	if (count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, count))
		return -EFAULT;
	ret = sscanf(buf, "%u %u %u", &bytes, &mappings, &bits);
	if ((ret == 1 || ret == 2) && !bytes) {
		mutex_lock(&edu->lock);
		edu_release_oldest(edu, ret == 2 ? mappings : EDU_MAX_HOLDS);
		mutex_unlock(&edu->lock);
		return count;
	}
	if (ret != 3 || !bytes || bytes > SZ_4M || !mappings ||
	    mappings > 1000000 || !bits || bits > 64)
		return -EINVAL;
	mutex_lock(&edu->lock);
	/* The device does no DMA to any of these */
	ret = dma_set_mask(&edu->pdev->dev, DMA_BIT_MASK(bits));
	if (!ret)
		ret = edu_hold(edu, bytes, mappings);
	dma_set_mask(&edu->pdev->dev, EDU_DMA_MASK);
	mutex_unlock(&edu->lock);
	return ret ?: count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(hold);

struct edu_bench {
	struct device *dev;
	unsigned int bytes;
	unsigned int mappings;
	unsigned int times;
	unsigned int cpus;
	dma_addr_t *iovas;
	struct completion go;
	/* CPUs that are not done yet */
	atomic_t running;
	struct completion done;
	ktime_t end;
	int ret;
};

/* What one CPU does */
struct edu_bench_cpu {
	struct edu_bench *bench;
	struct task_struct *task;
	void *buf;
};

static int edu_bench_times(struct edu_bench *bench, void *buf,
			   unsigned int times)
{
	dma_addr_t iova;

	while (times--) {
		iova = dma_map_single(bench->dev, buf, bench->bytes,
				      DMA_TO_DEVICE);
		if (dma_mapping_error(bench->dev, iova))
			return -ENOMEM;
		dma_unmap_single(bench->dev, iova, bench->bytes, DMA_TO_DEVICE);
	}
	return 0;
}

static int edu_bench_thread(void *arg)
{
	struct edu_bench_cpu *cpu = arg;
	struct edu_bench *bench = cpu->bench;
	int ret;

	wait_for_completion(&bench->go);
	ret = edu_bench_times(bench, cpu->buf, bench->times);
	if (ret)
		WRITE_ONCE(bench->ret, ret);
	/* The last one stops the clock */
	if (atomic_dec_and_test(&bench->running)) {
		bench->end = ktime_get();
		complete(&bench->done);
	}
	return 0;
}

static int edu_bench_start(struct edu_bench *bench, struct edu_bench_cpu *cpus)
{
	size_t size = max_t(size_t, bench->bytes, PAGE_SIZE);
	unsigned int num = 0;
	int cpu;

	for_each_online_cpu(cpu) {
		if (num == bench->cpus)
			break;
		cpus[num].bench = bench;
		cpus[num].buf = alloc_pages_exact(size, GFP_KERNEL);
		if (!cpus[num].buf)
			return -ENOMEM;
		cpus[num].task = kthread_run_on_cpu(edu_bench_thread,
						    &cpus[num], cpu,
						    "iova_edu/%u");
		if (IS_ERR(cpus[num].task)) {
			int ret = PTR_ERR(cpus[num].task);

			cpus[num].task = NULL;
			return ret;
		}
		get_task_struct(cpus[num].task);
		atomic_inc(&bench->running);
		num++;
	}
	return num == bench->cpus ? 0 : -EINVAL;
}

/* All CPUs at once. Returns nanoseconds, or a negative errno. */
static s64 edu_bench_cpus(struct edu_bench *bench)
{
	size_t size = max_t(size_t, bench->bytes, PAGE_SIZE);
	struct edu_bench_cpu *cpus;
	ktime_t begin;
	unsigned int i;
	int ret;

	cpus = kcalloc(bench->cpus, sizeof(*cpus), GFP_KERNEL);
	if (!cpus)
		return -ENOMEM;
	init_completion(&bench->go);
	init_completion(&bench->done);
	ret = edu_bench_start(bench, cpus);
	if (ret)
		bench->times = 0;
	/* Once before, for what is allocated at the first time */
	else
		ret = edu_bench_times(bench, cpus[0].buf, 1);

	begin = ktime_get();
	complete_all(&bench->go);
	if (atomic_read(&bench->running))
		wait_for_completion(&bench->done);
	for (i = 0; i != bench->cpus; i++) {
		if (cpus[i].task) {
			kthread_stop(cpus[i].task);
			put_task_struct(cpus[i].task);
		}
		if (cpus[i].buf)
			free_pages_exact(cpus[i].buf, size);
	}
	kfree(cpus);
	ret = ret ?: bench->ret;
	return ret ?: ktime_to_ns(ktime_sub(bench->end, begin));
}

/* For the time of a count the domain has these in place of its own */
static struct {
	/* One count at a time */
	struct mutex lock;
	const struct iommu_domain_ops *ops;
	struct iommu_domain_ops counting;
	atomic64_t flushes;
	atomic64_t syncs;
} edu_hooks = {
	.lock = __MUTEX_INITIALIZER(edu_hooks.lock),
};

static void edu_count_flush(struct iommu_domain *domain)
{
	atomic64_inc(&edu_hooks.flushes);
	edu_hooks.ops->flush_iotlb_all(domain);
}

static void edu_count_sync(struct iommu_domain *domain,
			   struct iommu_iotlb_gather *gather)
{
	atomic64_inc(&edu_hooks.syncs);
	edu_hooks.ops->iotlb_sync(domain, gather);
}

static s64 edu_bench_count(struct iova_edu *edu, struct edu_bench *bench)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(bench->dev);
	s64 ret;

	if (!domain)
		return -ENODEV;
	mutex_lock(&edu_hooks.lock);
	edu_hooks.ops = domain->ops;
	edu_hooks.counting = *domain->ops;
	if (domain->ops->flush_iotlb_all)
		edu_hooks.counting.flush_iotlb_all = edu_count_flush;
	if (domain->ops->iotlb_sync)
		edu_hooks.counting.iotlb_sync = edu_count_sync;
	atomic64_set(&edu_hooks.flushes, 0);
	atomic64_set(&edu_hooks.syncs, 0);
	WRITE_ONCE(domain->ops, &edu_hooks.counting);
	ret = edu_bench_cpus(bench);
	WRITE_ONCE(domain->ops, edu_hooks.ops);
	edu->num_flushes = atomic64_read(&edu_hooks.flushes);
	edu->num_syncs = atomic64_read(&edu_hooks.syncs);
	mutex_unlock(&edu_hooks.lock);
	return ret;
}

static int edu_bench(struct iova_edu *edu, struct edu_bench *bench, bool count)
{
	unsigned int mapped = 0;
	s64 ret = 0;
	void *buf;

	buf = (void *)__get_free_page(GFP_KERNEL);
	bench->iovas = vcalloc(bench->mappings + 1, sizeof(*bench->iovas));
	if (!buf || !bench->iovas)
		ret = -ENOMEM;
	while (!ret && mapped < bench->mappings) {
		bench->iovas[mapped] = dma_map_single(bench->dev, buf, PAGE_SIZE,
						      DMA_TO_DEVICE);
		ret = dma_mapping_error(bench->dev, bench->iovas[mapped]);
		if (!ret)
			mapped++;
		cond_resched();
	}
	if (!ret)
		ret = count ? edu_bench_count(edu, bench) : edu_bench_cpus(bench);
	if (ret > 0)
		edu->bench_ns = div_u64(ret, bench->times);
	while (mapped--) {
		dma_unmap_single(bench->dev, bench->iovas[mapped], PAGE_SIZE,
				 DMA_TO_DEVICE);
		cond_resched();
	}
	vfree(bench->iovas);
	free_page((unsigned long)buf);
	return min_t(s64, ret, 0);
}

static int edu_bench_user(struct file *file, const char __user *ubuf,
			  size_t count, bool count_flushes)
{
	struct iova_edu *edu = ((struct seq_file *)file->private_data)->private;
	struct edu_bench bench = { .dev = &edu->pdev->dev };
	char buf[64] = {};
	int ret;

	if (count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, count))
		return -EFAULT;
	if (sscanf(buf, "%u %u %u %u", &bench.bytes, &bench.mappings,
		   &bench.times, &bench.cpus) != 4 ||
	    !bench.bytes || bench.bytes > SZ_4M || bench.mappings > 1000000 ||
	    !bench.times || !bench.cpus || bench.cpus > num_online_cpus())
		return -EINVAL;
	mutex_lock(&edu->lock);
	/* Room for all mappings; no DMA is done */
	ret = dma_set_mask(&edu->pdev->dev, DMA_BIT_MASK(32));
	if (!ret)
		ret = edu_bench(edu, &bench, count_flushes);
	dma_set_mask(&edu->pdev->dev, EDU_DMA_MASK);
	mutex_unlock(&edu->lock);
	return ret;
}

static int bench_show(struct seq_file *m, void *unused)
{
	struct iova_edu *edu = m->private;

	seq_printf(m, "%llu\n", edu->bench_ns);
	return 0;
}

static ssize_t bench_write(struct file *file, const char __user *buf,
			   size_t count, loff_t *pos)
{
	return edu_bench_user(file, buf, count, false) ?: count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(bench);

static int flushes_show(struct seq_file *m, void *unused)
{
	struct iova_edu *edu = m->private;

	seq_printf(m, "%llu %llu\n", edu->num_flushes, edu->num_syncs);
	return 0;
}

static ssize_t flushes_write(struct file *file, const char __user *buf,
			     size_t count, loff_t *pos)
{
	return edu_bench_user(file, buf, count, true) ?: count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(flushes);

static int iova_edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct iova_edu *edu;
	int ret;

	edu = devm_kzalloc(&pdev->dev, sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	edu->bar = pcim_iomap(pdev, 0, 0);
	if (!edu->bar)
		return -ENOMEM;
	ret = dma_set_mask_and_coherent(&pdev->dev, EDU_DMA_MASK);
	if (ret)
		return ret;
	edu->pages[0] = alloc_page(GFP_KERNEL);
	edu->pages[1] = alloc_page(GFP_KERNEL);
	if (!edu->pages[0] || !edu->pages[1]) {
		ret = -ENOMEM;
		goto err_pages;
	}
	mutex_init(&edu->lock);
	edu->pdev = pdev;
	pci_set_drvdata(pdev, edu);
	pci_set_master(pdev);
	edu->dir = debugfs_create_dir(pci_name(pdev), iova_edu_dir);
	debugfs_create_file("copy", 0600, edu->dir, edu, &copy_fops);
	debugfs_create_file("late", 0600, edu->dir, edu, &late_fops);
	debugfs_create_file("hold", 0600, edu->dir, edu, &hold_fops);
	debugfs_create_file("bench", 0600, edu->dir, edu, &bench_fops);
	debugfs_create_file("flushes", 0600, edu->dir, edu, &flushes_fops);
	return 0;

err_pages:
	if (edu->pages[0])
		__free_page(edu->pages[0]);
	if (edu->pages[1])
		__free_page(edu->pages[1]);
	return ret;
}

static void iova_edu_remove(struct pci_dev *pdev)
{
	struct iova_edu *edu = pci_get_drvdata(pdev);

	debugfs_remove(edu->dir);
	edu_release_oldest(edu, EDU_MAX_HOLDS);
	pci_clear_master(pdev);
	__free_page(edu->pages[0]);
	__free_page(edu->pages[1]);
}

/* No table of IDs: see driver_override */
static struct pci_driver iova_edu_driver = {
	.name = "iova_edu",
	.probe = iova_edu_probe,
	.remove = iova_edu_remove,
};

static int __init iova_edu_init(void)
{
	int ret;

	iova_edu_dir = debugfs_create_dir("iova_edu", NULL);
	ret = pci_register_driver(&iova_edu_driver);
	if (ret)
		debugfs_remove(iova_edu_dir);
	return ret;
}
module_init(iova_edu_init);

static void __exit iova_edu_exit(void)
{
	pci_unregister_driver(&iova_edu_driver);
	debugfs_remove(iova_edu_dir);
}
module_exit(iova_edu_exit);

MODULE_DESCRIPTION("Tests of the DMA API with the edu device of QEMU");
MODULE_LICENSE("GPL");
