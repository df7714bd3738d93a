// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mock devices that send DMA with a PASID, and their IOMMU, for selftests
 *
 * There are no devices until a test asks for some in
 * /sys/kernel/debug/iommu_pasid_mock/:
 *
 * create      Write "<name> <bits>": a device with so many bits of PASID.
 * remove      Write "<name>": the device goes, as if it was unplugged.
 * violations  Read: how often a promise of the allocator was broken, see below.
 * stall       Map it: memory whose pages do not come while "1" has been written, as
 *             those of a file whose server does not answer. "0" lets them come, and
 *             so does a minute.
 *
 * Each device has a directory with its name there, as long as it has its driver:
 *
 * queue       Each open file is a queue of the device. Write
 *               "bind"     give it a PASID of the address space of the writer
 *               "alloc"    or one of the driver, with a page of its own behind it
 *               "unbind"   take that away again, with work left in the queue
 *               "drain"    the same, but the queue is drained
 *               "fill <n>" allocate n PASIDs for nothing
 *             Closing it is "unbind". Read: the PASID, and the first number in
 *             the page of the driver.
 * dma         Write "<pasid> <address> <number>": the device writes the number, 8
 *             bytes, as it does when there is work left in a queue. EFAULT if the
 *             IOMMU has no such address for the PASID. Read: how often that was.
 * request     Write "<pasid> <address> <n>": the device sends n page requests. Read:
 *             how many it has sent in all, how many were answered, and how many
 *             of the answers were success.
 * drained     Write "<pasid>": the driver says that it was drained.
 * drain       Write what happens when the driver is asked to drain a PASID: "none",
 *             it has no callback, "ok", "fail", or "hang" until something else is
 *             written. Read: how often it was asked, and the last PASID.
 *
 * The IOMMU keeps a record of each PASID of its own, and compares: a PASID must not
 * lead to two address spaces at once, nor to another one while a device may still
 * have it from the last one, that is, before the grace period is over or the
 * device has drained it. And the allocator must not take a PASID to be detached
 * while the IOMMU still has an entry for it.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "iommu-pasid.h"
#include "iommu-priv.h"

#define MOCK_MAX_DEVICES	16
#define MOCK_NAME_LEN		24

enum mock_drain {
	MOCK_DRAIN_NONE,
	MOCK_DRAIN_OK,
	MOCK_DRAIN_FAIL,
	MOCK_DRAIN_HANG,
};

static const char *const mock_drain_names[] = {
	[MOCK_DRAIN_NONE] = "none",
	[MOCK_DRAIN_OK] = "ok",
	[MOCK_DRAIN_FAIL] = "fail",
	[MOCK_DRAIN_HANG] = "hang",
};

struct mock_device {
	struct device dev;
	struct dentry *dir;
	/* In mock_devices */
	unsigned int index;
	/* What the IOMMU has: the domain of each PASID. Under mock_iommu_lock. */
	struct xarray entries;
	/* The driver: protects @queues and @bound */
	struct mutex lock;
	struct list_head queues;
	bool bound;
	/* Of type enum mock_drain */
	int drain;
	struct wait_queue_head drain_wait;
	atomic_t drain_calls;
	u32 drain_pasid;
	atomic_t faults;
	atomic_t requests;
	atomic_t answers;
	atomic_t successes;
};

struct mock_domain {
	struct iommu_domain domain;
	/* Tells address spaces apart, also those that are not there any more */
	u64 owner;
	/* Of a domain that is not an address space of a process: its only page */
	u64 *page;
};

/* What the IOMMU remembers of a PASID */
struct mock_record {
	u64 owner;
	/* Devices, by index: it is attached there, they may still have it */
	unsigned long attached;
	unsigned long had;
	u64 detached[MOCK_MAX_DEVICES];
	/* Grace period at that time */
	u64 grace[MOCK_MAX_DEVICES];
};

/* An open file "queue" */
struct mock_queue {
	/* NULL once the driver has left the device */
	struct mock_device *mock;
	/* In the list of the device */
	struct list_head node;
	/* Protects all that follows */
	struct mutex lock;
	struct iommu_sva *sva;
	struct mm_struct *mm;
	struct iommu_domain *domain;
	ioasid_t pasid;
	ioasid_t *fill;
	unsigned int filled;
};

/* Protects what the IOMMU has, and its records */
static DEFINE_MUTEX(mock_iommu_lock);
static DEFINE_XARRAY(mock_records);
static atomic_t mock_violations;
static struct iopf_queue *mock_iopf_queue;
static struct platform_device *mock_iommu_pdev;
static struct iommu_device mock_iommu = {
	.max_pasids = 1U << 20,
};

/* Protects the list of the devices, and keeps them from going */
static DEFINE_MUTEX(mock_devices_lock);
static struct mock_device *mock_devices[MOCK_MAX_DEVICES];
static struct dentry *mock_dir;

static struct mock_device *to_mock(struct device *dev)
{
	return container_of(dev, struct mock_device, dev);
}

static struct mock_domain *to_mock_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct mock_domain, domain);
}

static void mock_violation(const char *what, ioasid_t pasid)
{
	atomic_inc(&mock_violations);
	pr_err("iommu_pasid_mock: PASID %u %s\n", pasid, what);
}

/* The IOMMU */

static struct mock_record *mock_record_get(ioasid_t pasid)
{
	struct mock_record *record;

	lockdep_assert_held(&mock_iommu_lock);

	record = xa_load(&mock_records, pasid);
	if (record)
		return record;
	record = kzalloc(sizeof(*record), GFP_KERNEL);
	if (record && xa_err(xa_store(&mock_records, pasid, record,
				      GFP_KERNEL))) {
		kfree(record);
		return NULL;
	}
	return record;
}

/* A domain of @owner is about to be attached to the PASID */
static void mock_record_check(struct mock_record *record, ioasid_t pasid,
			      u64 owner)
{
	u64 grace = READ_ONCE(iommu_pasid_space.grace);
	u64 now = ktime_get_ns();
	unsigned int i;

	if (record->owner == owner)
		return;
	if (record->attached)
		mock_violation("leads to two address spaces", pasid);
	for_each_set_bit(i, &record->had, MOCK_MAX_DEVICES)
		if (now - record->detached[i] < min(grace, record->grace[i]))
			mock_violation("has not rested", pasid);
	record->owner = owner;
	record->had = 0;
}

static void mock_record_drained(struct mock_device *mock, ioasid_t pasid)
{
	struct mock_record *record;

	mutex_lock(&mock_iommu_lock);
	record = xa_load(&mock_records, pasid);
	if (record && !test_bit(mock->index, &record->attached))
		__clear_bit(mock->index, &record->had);
	mutex_unlock(&mock_iommu_lock);
}

static void mock_record_device_gone(struct mock_device *mock)
{
	struct mock_record *record;
	unsigned long pasid;

	mutex_lock(&mock_iommu_lock);
	xa_for_each(&mock_records, pasid, record) {
		__clear_bit(mock->index, &record->attached);
		__clear_bit(mock->index, &record->had);
	}
	mutex_unlock(&mock_iommu_lock);
}

static int mock_set_dev_pasid(struct iommu_domain *domain, struct device *dev,
			      ioasid_t pasid, struct iommu_domain *old)
{
	struct mock_device *mock = to_mock(dev);
	struct mock_record *record;
	int ret;

	mutex_lock(&mock_iommu_lock);
	record = mock_record_get(pasid);
	ret = record ? xa_err(xa_store(&mock->entries, pasid, domain,
				       GFP_KERNEL)) : -ENOMEM;
	if (!ret) {
		mock_record_check(record, pasid, to_mock_domain(domain)->owner);
		__set_bit(mock->index, &record->attached);
		__set_bit(mock->index, &record->had);
	}
	mutex_unlock(&mock_iommu_lock);
	return ret;
}

static void mock_remove_dev_pasid(struct device *dev, ioasid_t pasid,
				  struct iommu_domain *domain)
{
	struct mock_device *mock = to_mock(dev);
	struct mock_record *record;

	mutex_lock(&mock_iommu_lock);
	xa_erase(&mock->entries, pasid);
	record = xa_load(&mock_records, pasid);
	if (record) {
		__clear_bit(mock->index, &record->attached);
		record->detached[mock->index] = ktime_get_ns();
		record->grace[mock->index] = READ_ONCE(iommu_pasid_space.grace);
	}
	mutex_unlock(&mock_iommu_lock);

	if (iommu_pasid_drained(dev, pasid))
		mock_violation("is detached too early", pasid);
}

static void mock_domain_free(struct iommu_domain *domain)
{
	struct mock_domain *mdom = to_mock_domain(domain);

	free_page((unsigned long)mdom->page);
	kfree(mdom);
}

static const struct iommu_domain_ops mock_sva_ops = {
	.set_dev_pasid = mock_set_dev_pasid,
	.free = mock_domain_free,
};

/* The processes are told apart, not the memory that their mm is in */
static u64 mock_owner_of_mm(void)
{
	struct task_struct *leader = current->group_leader;

	return hash_64(leader->start_boottime, 64) ^
	       ((u64)task_tgid_nr(current) << 32) ^ current->self_exec_id;
}

static struct iommu_domain *mock_domain_alloc_sva(struct device *dev,
						  struct mm_struct *mm)
{
	struct mock_domain *mdom = kzalloc(sizeof(*mdom), GFP_KERNEL);

	if (!mdom)
		return ERR_PTR(-ENOMEM);
	mdom->domain.ops = &mock_sva_ops;
	mdom->owner = mock_owner_of_mm();
	return &mdom->domain;
}

static struct iommu_domain *mock_domain_alloc_paging(struct device *dev)
{
	static atomic64_t owners;
	struct mock_domain *mdom;

	mdom = kzalloc(sizeof(*mdom), GFP_KERNEL);
	if (!mdom)
		return NULL;
	mdom->page = (u64 *)get_zeroed_page(GFP_KERNEL);
	if (!mdom->page) {
		kfree(mdom);
		return NULL;
	}
	mdom->owner = atomic64_inc_return(&owners);
	return &mdom->domain;
}

static int mock_attach_dev(struct iommu_domain *domain, struct device *dev)
{
	return 0;
}

static struct iommu_domain mock_identity_domain = {
	.type = IOMMU_DOMAIN_IDENTITY,
	.ops = &(const struct iommu_domain_ops){
		.attach_dev = mock_attach_dev,
	},
};

static int mock_def_domain_type(struct device *dev)
{
	return IOMMU_DOMAIN_IDENTITY;
}

static struct iommu_device *mock_probe_device(struct device *dev)
{
	return &mock_iommu;
}

static int mock_enable_feat(struct device *dev, enum iommu_dev_features feat)
{
	if (feat == IOMMU_DEV_FEAT_IOPF)
		return iopf_queue_add_device(mock_iopf_queue, dev);
	return feat == IOMMU_DEV_FEAT_SVA ? 0 : -ENODEV;
}

static int mock_disable_feat(struct device *dev, enum iommu_dev_features feat)
{
	if (feat == IOMMU_DEV_FEAT_IOPF)
		iopf_queue_remove_device(mock_iopf_queue, dev);
	return 0;
}

static void mock_page_response(struct device *dev, struct iopf_fault *evt,
			       struct iommu_page_response *resp)
{
	struct mock_device *mock = to_mock(dev);

	if (resp->code == IOMMU_PAGE_RESP_SUCCESS)
		atomic_inc(&mock->successes);
	atomic_inc(&mock->answers);
}

/* It does no DMA any more, and the allocator is told after this */
static void mock_release_device(struct device *dev)
{
	mock_record_device_gone(to_mock(dev));
}

static const struct iommu_ops mock_iommu_ops = {
	.owner = THIS_MODULE,
	.identity_domain = &mock_identity_domain,
	.def_domain_type = mock_def_domain_type,
	.pgsize_bitmap = PAGE_SIZE,
	.probe_device = mock_probe_device,
	.release_device = mock_release_device,
	.device_group = generic_device_group,
	.domain_alloc_sva = mock_domain_alloc_sva,
	.domain_alloc_paging = mock_domain_alloc_paging,
	.remove_dev_pasid = mock_remove_dev_pasid,
	.dev_enable_feat = mock_enable_feat,
	.dev_disable_feat = mock_disable_feat,
	.page_response = mock_page_response,
	.default_domain_ops = &(const struct iommu_domain_ops){
		.attach_dev = mock_attach_dev,
		.set_dev_pasid = mock_set_dev_pasid,
		.free = mock_domain_free,
	},
};

/* The devices */

/* The lock is taken with the mutex of a group held, so never the mmap_lock under it */
static int mock_dma(struct mock_device *mock, ioasid_t pasid, u64 addr,
		    u64 number)
{
	struct iommu_domain *domain;
	struct mm_struct *mm;
	int ret = -EFAULT;

	mutex_lock(&mock_iommu_lock);
	domain = xa_load(&mock->entries, pasid);
	mm = domain && domain->type == IOMMU_DOMAIN_SVA ? domain->mm : NULL;
	if (domain && !mm) {
		to_mock_domain(domain)->page[addr % PAGE_SIZE / sizeof(number)] =
			number;
		ret = 0;
	}
	if (mm && !mmget_not_zero(mm))
		mm = NULL;
	mutex_unlock(&mock_iommu_lock);

	if (mm) {
		if (access_remote_vm(mm, addr, &number, sizeof(number),
				     FOLL_WRITE) == sizeof(number))
			ret = 0;
		mmput(mm);
	}
	if (ret)
		atomic_inc(&mock->faults);
	return ret;
}

static void mock_request(struct mock_device *mock, ioasid_t pasid, u64 addr)
{
	struct iopf_fault evt = {
		.fault = {
			.type = IOMMU_FAULT_PAGE_REQ,
			.prm = {
				.flags = IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE |
					 IOMMU_FAULT_PAGE_REQUEST_PASID_VALID,
				.pasid = pasid,
				.perm = IOMMU_FAULT_PERM_READ |
					IOMMU_FAULT_PERM_WRITE,
				.addr = addr,
			},
		},
	};

	evt.fault.prm.grpid = atomic_inc_return(&mock->requests) & 511;
	iommu_report_device_fault(&mock->dev, &evt);
}

/* The driver */

static int mock_drain(struct device *dev, ioasid_t pasid,
		      unsigned long deadline)
{
	struct mock_device *mock = to_mock(dev);
	int ret;

	WRITE_ONCE(mock->drain_pasid, pasid);
	atomic_inc(&mock->drain_calls);
	wait_event_idle(mock->drain_wait,
			READ_ONCE(mock->drain) != MOCK_DRAIN_HANG);
	ret = READ_ONCE(mock->drain) == MOCK_DRAIN_OK ? 0 : -ETIMEDOUT;
	if (!ret)
		mock_record_drained(mock, pasid);
	return ret;
}

static void mock_set_drain(struct mock_device *mock, int drain)
{
	WRITE_ONCE(mock->drain, drain);
	wake_up(&mock->drain_wait);
	iommu_pasid_set_drain(&mock->dev,
			      drain == MOCK_DRAIN_NONE ? NULL : mock_drain);
}

static void mock_queue_stop(struct mock_queue *queue, bool drained)
{
	struct mock_device *mock = queue->mock;
	struct mm_struct *mm = queue->mm;

	lockdep_assert_held(&queue->lock);

	while (queue->filled)
		iommu_free_global_pasid(queue->fill[--queue->filled]);
	kvfree(queue->fill);
	queue->fill = NULL;

	if (queue->sva)
		iommu_sva_unbind_device(queue->sva);
	else if (queue->domain)
		iommu_detach_device_pasid(queue->domain, &mock->dev,
					  queue->pasid);
	else
		return;
	if (drained) {
		mock_record_drained(mock, queue->pasid);
		iommu_pasid_drained(&mock->dev, queue->pasid);
	}
	if (queue->domain) {
		iommu_free_global_pasid(queue->pasid);
		iommu_domain_free(queue->domain);
	}
	/* The last reference takes the PASID with it */
	if (mm)
		mmdrop(mm);
	queue->sva = NULL;
	queue->mm = NULL;
	queue->domain = NULL;
}

static int mock_queue_bind(struct mock_queue *queue)
{
	struct iommu_sva *sva;

	sva = iommu_sva_bind_device(&queue->mock->dev, current->mm);
	if (IS_ERR(sva))
		return PTR_ERR(sva);
	mmgrab(current->mm);
	queue->mm = current->mm;
	queue->sva = sva;
	queue->pasid = iommu_sva_get_pasid(sva);
	return 0;
}

static int mock_queue_alloc(struct mock_queue *queue)
{
	struct device *dev = &queue->mock->dev;
	struct iommu_domain *domain;
	int ret;

	queue->pasid = iommu_alloc_global_pasid(dev);
	if (queue->pasid == IOMMU_PASID_INVALID)
		return -ENOSPC;
	domain = iommu_paging_domain_alloc(dev);
	if (IS_ERR(domain)) {
		ret = PTR_ERR(domain);
		goto err_free_pasid;
	}
	ret = iommu_attach_device_pasid(domain, dev, queue->pasid, NULL);
	if (ret)
		goto err_free_domain;
	queue->domain = domain;
	return 0;

err_free_domain:
	iommu_domain_free(domain);
err_free_pasid:
	iommu_free_global_pasid(queue->pasid);
	return ret;
}

static int mock_queue_fill(struct mock_queue *queue, unsigned int num)
{
	ioasid_t pasid;

	if (queue->fill || num > 1U << 20)
		return -EINVAL;
	queue->fill = kvcalloc(num, sizeof(*queue->fill), GFP_KERNEL);
	if (!queue->fill)
		return -ENOMEM;
	while (queue->filled != num) {
		pasid = iommu_alloc_global_pasid(&queue->mock->dev);
		if (pasid == IOMMU_PASID_INVALID)
			return -ENOSPC;
		queue->fill[queue->filled++] = pasid;
		cond_resched();
		if (signal_pending(current))
			return -EINTR;
	}
	return 0;
}

static int mock_queue_do(struct mock_queue *queue, const char *cmd)
{
	bool busy = queue->sva || queue->domain;
	unsigned int num;

	lockdep_assert_held(&queue->lock);

	if (!queue->mock)
		return -ENODEV;
	if (!strcmp(cmd, "bind"))
		return busy ? -EBUSY : mock_queue_bind(queue);
	if (!strcmp(cmd, "alloc"))
		return busy ? -EBUSY : mock_queue_alloc(queue);
	if (sscanf(cmd, "fill %u", &num) == 1)
		return mock_queue_fill(queue, num);
	if (strcmp(cmd, "unbind") && strcmp(cmd, "drain"))
		return -EINVAL;
	if (!busy)
		return -ENOENT;
	mock_queue_stop(queue, !strcmp(cmd, "drain"));
	return 0;
}

/* Copies a command of user space, without the newline */
static int mock_get_cmd(char *cmd, size_t size, const char __user *buf,
			size_t count)
{
	if (count >= size)
		return -EINVAL;
	if (copy_from_user(cmd, buf, count))
		return -EFAULT;
	cmd[count] = 0;
	if (count && cmd[count - 1] == '\n')
		cmd[count - 1] = 0;
	return 0;
}

static int queue_open(struct inode *inode, struct file *file)
{
	struct mock_device *mock = inode->i_private;
	struct mock_queue *queue;
	int ret = 0;

	queue = kzalloc(sizeof(*queue), GFP_KERNEL);
	if (!queue)
		return -ENOMEM;
	mutex_init(&queue->lock);
	INIT_LIST_HEAD(&queue->node);
	mutex_lock(&mock->lock);
	if (mock->bound) {
		queue->mock = mock;
		get_device(&mock->dev);
		list_add(&queue->node, &mock->queues);
		file->private_data = queue;
	} else {
		kfree(queue);
		ret = -ENODEV;
	}
	mutex_unlock(&mock->lock);
	return ret;
}

static ssize_t queue_write(struct file *file, const char __user *buf,
			   size_t count, loff_t *pos)
{
	struct mock_queue *queue = file->private_data;
	char cmd[32];
	int ret;

	ret = mock_get_cmd(cmd, sizeof(cmd), buf, count);
	if (ret)
		return ret;
	mutex_lock(&queue->lock);
	ret = mock_queue_do(queue, cmd);
	mutex_unlock(&queue->lock);
	return ret ?: count;
}

static ssize_t queue_read(struct file *file, char __user *buf, size_t count,
			  loff_t *pos)
{
	struct mock_queue *queue = file->private_data;
	char text[48];
	int len = 0;

	mutex_lock(&queue->lock);
	if (queue->sva || queue->domain)
		len = scnprintf(text, sizeof(text), "%u %llu\n", queue->pasid,
				queue->domain ?
				to_mock_domain(queue->domain)->page[0] : 0);
	mutex_unlock(&queue->lock);
	return simple_read_from_buffer(buf, count, pos, text, len);
}

static int queue_release(struct inode *inode, struct file *file)
{
	struct mock_queue *queue = file->private_data;
	struct mock_device *mock = inode->i_private;

	/* Else mock_remove() would not wait for it, and the device could go first */
	mutex_lock(&mock->lock);
	list_del_init(&queue->node);
	mutex_lock(&queue->lock);
	if (queue->mock)
		mock_queue_stop(queue, false);
	mutex_unlock(&queue->lock);
	mutex_unlock(&mock->lock);
	put_device(&mock->dev);
	kfree(queue);
	return 0;
}

static const struct file_operations queue_fops = {
	.owner = THIS_MODULE,
	.open = queue_open,
	.read = queue_read,
	.write = queue_write,
	.release = queue_release,
};

static int dma_show(struct seq_file *m, void *unused)
{
	struct mock_device *mock = m->private;

	seq_printf(m, "%d\n", atomic_read(&mock->faults));
	return 0;
}

static ssize_t dma_write(struct file *file, const char __user *buf,
			 size_t count, loff_t *pos)
{
	struct mock_device *mock =
		((struct seq_file *)file->private_data)->private;
	u64 addr, number;
	char cmd[80];
	u32 pasid;
	int ret;

	ret = mock_get_cmd(cmd, sizeof(cmd), buf, count);
	if (ret)
		return ret;
	if (sscanf(cmd, "%u %llu %llu", &pasid, &addr, &number) != 3)
		return -EINVAL;
	return mock_dma(mock, pasid, addr, number) ?: count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(dma);

static int request_show(struct seq_file *m, void *unused)
{
	struct mock_device *mock = m->private;

	seq_printf(m, "%d %d %d\n", atomic_read(&mock->requests),
		   atomic_read(&mock->answers), atomic_read(&mock->successes));
	return 0;
}

static ssize_t request_write(struct file *file, const char __user *buf,
			     size_t count, loff_t *pos)
{
	struct mock_device *mock =
		((struct seq_file *)file->private_data)->private;
	char cmd[80];
	u32 pasid, num;
	u64 addr;
	int ret;

	ret = mock_get_cmd(cmd, sizeof(cmd), buf, count);
	if (ret)
		return ret;
	if (sscanf(cmd, "%u %llu %u", &pasid, &addr, &num) != 3)
		return -EINVAL;
	while (num--)
		mock_request(mock, pasid, addr);
	return count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(request);

static ssize_t drained_write(struct file *file, const char __user *buf,
			     size_t count, loff_t *pos)
{
	struct mock_device *mock = file->private_data;
	u32 pasid;
	int ret;

	ret = kstrtou32_from_user(buf, count, 0, &pasid);
	if (ret)
		return ret;
	mock_record_drained(mock, pasid);
	return iommu_pasid_drained(&mock->dev, pasid) ? count : -EBUSY;
}

static const struct file_operations drained_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = drained_write,
};

static int drain_show(struct seq_file *m, void *unused)
{
	struct mock_device *mock = m->private;

	seq_printf(m, "%d %u\n", atomic_read(&mock->drain_calls),
		   READ_ONCE(mock->drain_pasid));
	return 0;
}

static ssize_t drain_write(struct file *file, const char __user *buf,
			   size_t count, loff_t *pos)
{
	struct mock_device *mock =
		((struct seq_file *)file->private_data)->private;
	char cmd[16];
	int ret;

	ret = mock_get_cmd(cmd, sizeof(cmd), buf, count);
	if (ret)
		return ret;
	ret = match_string(mock_drain_names, ARRAY_SIZE(mock_drain_names), cmd);
	if (ret < 0)
		return ret;
	mock_set_drain(mock, ret);
	return count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(drain);

static int mock_probe(struct device *dev)
{
	struct mock_device *mock = to_mock(dev);
	int ret;

	ret = iommu_dev_enable_feature(dev, IOMMU_DEV_FEAT_IOPF);
	if (ret)
		return ret;
	ret = iommu_dev_enable_feature(dev, IOMMU_DEV_FEAT_SVA);
	if (ret) {
		iommu_dev_disable_feature(dev, IOMMU_DEV_FEAT_IOPF);
		return ret;
	}
	mutex_lock(&mock->lock);
	mock->bound = true;
	mutex_unlock(&mock->lock);
	mock->dir = debugfs_create_dir(dev_name(dev), mock_dir);
	debugfs_create_file("queue", 0600, mock->dir, mock, &queue_fops);
	debugfs_create_file("dma", 0600, mock->dir, mock, &dma_fops);
	debugfs_create_file("request", 0600, mock->dir, mock, &request_fops);
	debugfs_create_file("drained", 0200, mock->dir, mock, &drained_fops);
	debugfs_create_file("drain", 0600, mock->dir, mock, &drain_fops);
	return 0;
}

static void mock_remove(struct device *dev)
{
	struct mock_device *mock = to_mock(dev);
	struct mock_queue *queue, *next;

	/* Who is waiting in a callback, or for one, goes on */
	mock_set_drain(mock, MOCK_DRAIN_NONE);
	debugfs_remove(mock->dir);

	mutex_lock(&mock->lock);
	mock->bound = false;
	list_for_each_entry_safe(queue, next, &mock->queues, node) {
		list_del_init(&queue->node);
		mutex_lock(&queue->lock);
		mock_queue_stop(queue, false);
		queue->mock = NULL;
		mutex_unlock(&queue->lock);
	}
	mutex_unlock(&mock->lock);

	iommu_dev_disable_feature(dev, IOMMU_DEV_FEAT_SVA);
	iommu_dev_disable_feature(dev, IOMMU_DEV_FEAT_IOPF);
}

/* Memory that may stall */

static bool mock_stalled;
static DECLARE_WAIT_QUEUE_HEAD(mock_stall_wait);

static vm_fault_t stall_fault(struct vm_fault *vmf)
{
	wait_event_timeout(mock_stall_wait, !READ_ONCE(mock_stalled), 60 * HZ);
	vmf->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	return vmf->page ? 0 : VM_FAULT_OOM;
}

static const struct vm_operations_struct stall_vm_ops = {
	.fault = stall_fault,
};

static int stall_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &stall_vm_ops;
	return 0;
}

static ssize_t stall_write(struct file *file, const char __user *buf,
			   size_t count, loff_t *pos)
{
	bool stalled;
	int ret;

	ret = kstrtobool_from_user(buf, count, &stalled);
	if (ret)
		return ret;
	WRITE_ONCE(mock_stalled, stalled);
	wake_up_all(&mock_stall_wait);
	return count;
}

static const struct file_operations stall_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = stall_write,
	.mmap = stall_mmap,
};

/* The bus */

static const struct bus_type mock_bus = {
	.name = "iommu_pasid_mock",
	.probe = mock_probe,
	.remove = mock_remove,
};

static struct device_driver mock_driver = {
	.name = "iommu_pasid_mock",
	.bus = &mock_bus,
	.owner = THIS_MODULE,
};

static struct notifier_block mock_bus_nb;

static void mock_device_release(struct device *dev)
{
	struct mock_device *mock = to_mock(dev);

	xa_destroy(&mock->entries);
	mutex_destroy(&mock->lock);
	kfree(mock);
}

static int mock_device_create(const char *name, unsigned int bits,
			      unsigned int index)
{
	const struct property_entry props[] = {
		PROPERTY_ENTRY_U32("pasid-num-bits", bits),
		{}
	};
	struct mock_device *mock;
	int ret;

	mock = kzalloc(sizeof(*mock), GFP_KERNEL);
	if (!mock)
		return -ENOMEM;
	mock->index = index;
	xa_init(&mock->entries);
	mutex_init(&mock->lock);
	INIT_LIST_HEAD(&mock->queues);
	init_waitqueue_head(&mock->drain_wait);
	device_initialize(&mock->dev);
	mock->dev.bus = &mock_bus;
	mock->dev.release = mock_device_release;
	ret = dev_set_name(&mock->dev, "%s", name);
	if (ret)
		goto err_put;
	ret = device_create_managed_software_node(&mock->dev, props, NULL);
	if (ret)
		goto err_put;
	/* The IOMMUs without a fwnode are others */
	ret = iommu_device_set_fwnode(&mock->dev, mock_iommu.fwnode);
	if (ret)
		goto err_swnode;
	ret = device_add(&mock->dev);
	if (ret)
		goto err_fwspec;
	mock_devices[index] = mock;
	return 0;

err_fwspec:
	if (mock->dev.iommu)
		dev_iommu_free(&mock->dev);
err_swnode:
	device_remove_software_node(&mock->dev);
err_put:
	put_device(&mock->dev);
	return ret;
}

static void mock_device_remove(unsigned int index)
{
	struct mock_device *mock = mock_devices[index];

	mock_devices[index] = NULL;
	device_unregister(&mock->dev);
}

/* Where the device with that name is, or where there is none */
static int mock_device_find(const char *name)
{
	struct mock_device *mock;
	unsigned int i;

	lockdep_assert_held(&mock_devices_lock);

	for (i = 0; i != MOCK_MAX_DEVICES; i++) {
		mock = mock_devices[i];
		if (!name && !mock)
			return i;
		if (name && mock && !strcmp(dev_name(&mock->dev), name))
			return i;
	}
	return name ? -ENODEV : -ENOSPC;
}

static ssize_t create_write(struct file *file, const char __user *buf,
			    size_t count, loff_t *pos)
{
	char cmd[MOCK_NAME_LEN + 8], name[MOCK_NAME_LEN];
	unsigned int bits;
	int ret;

	ret = mock_get_cmd(cmd, sizeof(cmd), buf, count);
	if (ret)
		return ret;
	if (sscanf(cmd, "%23s %u", name, &bits) != 2 || strchr(name, '/') ||
	    bits > 20)
		return -EINVAL;
	mutex_lock(&mock_devices_lock);
	if (mock_device_find(name) >= 0)
		ret = -EEXIST;
	else
		ret = mock_device_find(NULL);
	if (ret >= 0)
		ret = mock_device_create(name, bits, ret);
	mutex_unlock(&mock_devices_lock);
	return ret ?: count;
}

static const struct file_operations create_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = create_write,
};

static ssize_t remove_write(struct file *file, const char __user *buf,
			    size_t count, loff_t *pos)
{
	char name[MOCK_NAME_LEN];
	int ret;

	ret = mock_get_cmd(name, sizeof(name), buf, count);
	if (ret)
		return ret;
	mutex_lock(&mock_devices_lock);
	ret = mock_device_find(name);
	if (ret >= 0)
		mock_device_remove(ret);
	mutex_unlock(&mock_devices_lock);
	return ret < 0 ? ret : count;
}

static const struct file_operations remove_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = remove_write,
};

static int __init mock_init(void)
{
	struct fwnode_handle *fwnode;
	int ret;

	mock_iopf_queue = iopf_queue_alloc("iommu-pasid-mock");
	if (!mock_iopf_queue)
		return -ENOMEM;
	mock_iommu_pdev = platform_device_register_simple("iommu_pasid_mock",
							  PLATFORM_DEVID_NONE,
							  NULL, 0);
	if (IS_ERR(mock_iommu_pdev)) {
		ret = PTR_ERR(mock_iommu_pdev);
		goto err_queue;
	}
	ret = bus_register(&mock_bus);
	if (ret)
		goto err_pdev;
	fwnode = fwnode_create_software_node(NULL, NULL);
	if (IS_ERR(fwnode)) {
		ret = PTR_ERR(fwnode);
		goto err_bus;
	}
	mock_iommu.fwnode = fwnode;
	ret = iommu_device_sysfs_add(&mock_iommu, &mock_iommu_pdev->dev, NULL,
				     "iommu_pasid_mock");
	if (ret)
		goto err_fwnode;
	ret = iommu_device_register_bus(&mock_iommu, &mock_iommu_ops, &mock_bus,
					&mock_bus_nb);
	if (ret)
		goto err_sysfs;
	ret = driver_register(&mock_driver);
	if (ret)
		goto err_unregister;
	mock_dir = debugfs_create_dir("iommu_pasid_mock", NULL);
	debugfs_create_file("create", 0200, mock_dir, NULL, &create_fops);
	debugfs_create_file("remove", 0200, mock_dir, NULL, &remove_fops);
	debugfs_create_atomic_t("violations", 0400, mock_dir, &mock_violations);
	/* The file is never removed, and debugfs passes no mmap() on otherwise */
	debugfs_create_file_unsafe("stall", 0600, mock_dir, NULL, &stall_fops);
	return 0;

err_unregister:
	iommu_device_unregister_bus(&mock_iommu, &mock_bus, &mock_bus_nb);
err_sysfs:
	iommu_device_sysfs_remove(&mock_iommu);
err_fwnode:
	fwnode_remove_software_node(fwnode);
err_bus:
	bus_unregister(&mock_bus);
err_pdev:
	platform_device_unregister(mock_iommu_pdev);
err_queue:
	iopf_queue_free(mock_iopf_queue);
	return ret;
}

/* After the IOMMU core */
device_initcall(mock_init);
