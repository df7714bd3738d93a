// SPDX-License-Identifier: GPL-2.0-only
/*
 * The steps that a test can take, see iommufd_msi_model.h.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>

#include "iommufd_msi_model.h"
#include "iommufd_sizes.h"

static void model_op(struct msi_model *md, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(md->op, sizeof(md->op), fmt, args);
	va_end(args);
	md->nops++;
	if (getenv("IOMMUFD_MSI_TRACE"))
		printf("# line %u, operation %u: %s\n", md->line, md->nops,
		       md->op);
}

struct msi_model *model_new(int fd)
{
	struct msi_model *md = calloc(1, sizeof(*md));

	assert(md);
	md->fd = fd;
	return md;
}

const char *model_open(int *fd)
{
	*fd = open("/dev/iommu", O_RDWR);
	if (*fd == -1)
		return "/dev/iommu cannot be opened";
	return msi_missing(*fd);
}

static int model_window_get(struct __test_metadata *_metadata,
			    struct msi_model *md, __u64 start, __u64 length)
{
	struct model_window *w;
	unsigned int i;

	for (i = 0; i != md->nwindows; i++)
		if (md->windows[i].start == start &&
		    md->windows[i].length == length)
			return i;
	MODEL_TRUE(md->nwindows != MODEL_WINDOWS);
	w = &md->windows[md->nwindows];
	w->start = start;
	w->length = length;
	w->base = model_page_of(start + PAGE_SIZE - 1);
	if (w->base - start < length)
		w->nslots = (length - (w->base - start)) / PAGE_SIZE;
	MODEL_TRUE(w->nslots <= MODEL_SLOTS);
	for (i = 0; i != w->nslots; i++)
		w->slots[i] = MODEL_FREE;
	return md->nwindows++;
}

/* The window of a group is that of its first device */
static int model_choose_window(struct __test_metadata *_metadata,
			       struct msi_model *md,
			       const struct mock_device_args *args)
{
	int window = -1;
	__u32 i;

	for (i = 0; i != args->resv_num; i++)
		if (args->resv[i].type == MOCK_RESV_MSI)
			return -1;
	for (i = 0; i != args->resv_num; i++)
		if (args->resv[i].type == MOCK_RESV_SW_MSI)
			window = model_window_get(_metadata, md,
						  args->resv[i].start,
						  args->resv[i].length);
	return window;
}

static int model_new_group(struct __test_metadata *_metadata,
			   struct msi_model *md,
			   const struct mock_device_args *args)
{
	int i;

	for (i = 0; i != MODEL_GROUPS; i++)
		if (!md->groups[i].ndevs)
			break;
	MODEL_TRUE(i != MODEL_GROUPS);
	md->groups[i].window = model_choose_window(_metadata, md, args);
	md->groups[i].hwpt = -1;
	md->groups[i].no_dirty = args->flags & MOCK_FLAGS_DEVICE_NO_DIRTY;
	return i;
}

static __u32 model_pt_id(struct msi_model *md, int pt)
{
	return pt < 0 ? md->ioases[~pt].id : md->hwpts[pt].id;
}

static int model_errno(int ret)
{
	return ret ? -errno : 0;
}

int model_ioas_alloc(struct __test_metadata *_metadata, struct msi_model *md)
{
	MODEL_TRUE(md->nioases != MODEL_IOASES);
	MODEL_EQ(0, _test_ioctl_ioas_alloc(md->fd,
					   &md->ioases[md->nioases].id));
	return md->nioases++;
}

/* @sibling is a device to share the group with, or -1 */
int model_bind(struct __test_metadata *_metadata, struct msi_model *md,
	       int sibling, const struct mock_device_args *_args, int *out_dev)
{
	struct mock_device_args args = *_args;
	struct model_dev *dev;
	int i, rc;

	for (i = 0; i != MODEL_DEVS; i++)
		if (!md->devs[i].present)
			break;
	MODEL_TRUE(i != MODEL_DEVS);
	MODEL_TRUE(args.resv_num <= MODEL_RESVS);
	dev = &md->devs[i];
	model_op(md, "bind dev %d sibling %d", i, sibling);

	if (sibling >= 0)
		args.group_stdev_id = md->devs[sibling].stdev_id;
	rc = model_errno(_test_cmd_mock_device(md->fd, 0, &args, &dev->stdev_id,
					       NULL, &dev->idev_id));
	if (!rc) {
		dev->group = sibling >= 0 ?
				     md->devs[sibling].group :
				     model_new_group(_metadata, md, &args);
		md->groups[dev->group].ndevs++;
		dev->present = true;
		dev->attached = false;
		dev->nresv = args.resv_num;
		memcpy(dev->resv, args.resv,
		       args.resv_num * sizeof(args.resv[0]));
		*out_dev = i;
	}
	model_check(_metadata, md);
	return rc;
}

/* Bind a device that has one region */
int bind_region(struct __test_metadata *_metadata, struct msi_model *md,
		int sibling, __u32 flags, struct iommu_test_resv resv, int *dev)
{
	struct mock_device_args args = {
		.flags = flags,
		.resv = &resv,
		.resv_num = 1,
	};

	return model_bind(_metadata, md, sibling, &args, dev);
}

int model_hwpt_add(struct __test_metadata *_metadata, struct msi_model *md,
		   __u32 id, int ioas, int parent)
{
	int i;

	for (i = 0; i != MODEL_HWPTS; i++)
		if (!md->hwpts[i].present)
			break;
	MODEL_TRUE(i != MODEL_HWPTS);
	md->hwpts[i] = (struct model_hwpt){
		.present = true,
		.id = id,
		.ioas = ioas,
		.parent = parent,
	};
	return i;
}

int model_hwpt_alloc(struct __test_metadata *_metadata, struct msi_model *md,
		     int dev, int ioas, __u32 flags, int *out_hwpt)
{
	__u32 id = 0;
	int rc;

	model_op(md, "alloc hwpt for dev %d ioas %d flags %x", dev, ioas,
		 flags);
	rc = model_errno(_test_cmd_hwpt_alloc(md->fd, md->devs[dev].idev_id,
					      md->ioases[ioas].id, 0, flags,
					      &id, IOMMU_HWPT_DATA_NONE, NULL,
					      0));
	if (!rc) {
		*out_hwpt = model_hwpt_add(_metadata, md, id, ioas, -1);
		md->hwpts[*out_hwpt].dirty =
			flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	}
	model_check(_metadata, md);
	return rc;
}

int model_nested_alloc(struct __test_metadata *_metadata, struct msi_model *md,
		       int dev, int parent, int *out_hwpt)
{
	struct iommu_hwpt_selftest data = {
		.iotlb = IOMMU_TEST_IOTLB_DEFAULT,
	};
	__u32 id = 0;
	int rc;

	model_op(md, "alloc nested hwpt for dev %d parent %d", dev, parent);
	rc = _test_cmd_hwpt_alloc(md->fd, md->devs[dev].idev_id,
				  md->hwpts[parent].id, 0, 0, &id,
				  IOMMU_HWPT_DATA_SELFTEST, &data,
				  sizeof(data));
	rc = model_errno(rc);
	if (!rc)
		*out_hwpt = model_hwpt_add(_metadata, md, id,
					   md->hwpts[parent].ioas, parent);
	model_check(_metadata, md);
	return rc;
}

int model_hwpt_destroy(struct __test_metadata *_metadata, struct msi_model *md,
		       int hwpt)
{
	int rc;

	model_op(md, "destroy hwpt %d", hwpt);
	rc = model_errno(_test_ioctl_destroy(md->fd, md->hwpts[hwpt].id));
	if (!rc)
		md->hwpts[hwpt].present = false;
	model_check(_metadata, md);
	return rc;
}

/* What an attach or replace to @pt led to */
static int model_hwpt_of_id(struct __test_metadata *_metadata,
			    struct msi_model *md, int pt, __u32 id)
{
	int i;

	if (pt >= 0) {
		MODEL_EQ(md->hwpts[pt].id, id);
		return pt;
	}
	for (i = 0; i != MODEL_HWPTS; i++)
		if (md->hwpts[i].present && md->hwpts[i].id == id)
			break;
	if (i == MODEL_HWPTS) {
		i = model_hwpt_add(_metadata, md, id, ~pt, -1);
		md->hwpts[i].automatic = true;
	}
	MODEL_TRUE(md->hwpts[i].automatic);
	MODEL_EQ(~pt, md->hwpts[i].ioas);
	return i;
}

static unsigned int model_attached(struct msi_model *md, int group)
{
	unsigned int i, n = 0;

	for (i = 0; i != MODEL_DEVS; i++)
		n += md->devs[i].present && md->devs[i].attached &&
		     md->devs[i].group == group;
	return n;
}

/* An automatic HWPT goes with its last device */
static void model_hwpt_put(struct msi_model *md, int hwpt, unsigned int users)
{
	md->hwpts[hwpt].users -= users;
	if (!md->hwpts[hwpt].users && md->hwpts[hwpt].automatic)
		md->hwpts[hwpt].present = false;
}

int model_attach(struct __test_metadata *_metadata, struct msi_model *md,
		 int dev, int pt)
{
	struct model_group *group = &md->groups[md->devs[dev].group];
	__u32 id = 0;
	int rc;

	model_op(md, "attach dev %d pt %d", dev, pt);
	rc = _test_cmd_mock_device_attach(md->fd, md->devs[dev].stdev_id,
					  model_pt_id(md, pt), &id);
	rc = model_errno(rc);
	if (!rc) {
		int hwpt = model_hwpt_of_id(_metadata, md, pt, id);

		MODEL_TRUE(group->hwpt == -1 || group->hwpt == hwpt);
		group->hwpt = hwpt;
		md->hwpts[hwpt].users++;
		md->devs[dev].attached = true;
		md->nattached++;
	}
	model_check(_metadata, md);
	return rc;
}

int model_swap(struct __test_metadata *_metadata, struct msi_model *md, int dev,
	       int pt)
{
	struct model_group *group = &md->groups[md->devs[dev].group];
	__u32 id = 0;
	int rc;

	model_op(md, "swap dev %d pt %d", dev, pt);
	rc = _test_cmd_mock_domain_replace(md->fd, md->devs[dev].stdev_id,
					   model_pt_id(md, pt), &id);
	rc = model_errno(rc);
	if (!rc) {
		unsigned int users = model_attached(md, md->devs[dev].group);
		int hwpt = model_hwpt_of_id(_metadata, md, pt, id);
		int old = group->hwpt;

		group->hwpt = hwpt;
		md->hwpts[hwpt].users += users;
		model_hwpt_put(md, old, users);
		md->nswapped++;
	}
	model_check(_metadata, md);
	return rc;
}

static void model_dev_detached(struct msi_model *md, int dev)
{
	struct model_group *group = &md->groups[md->devs[dev].group];
	int hwpt = group->hwpt;

	if (!md->devs[dev].attached)
		return;
	md->devs[dev].attached = false;
	if (!model_attached(md, md->devs[dev].group))
		group->hwpt = -1;
	model_hwpt_put(md, hwpt, 1);
}

int model_detach(struct __test_metadata *_metadata, struct msi_model *md,
		 int dev)
{
	int rc;

	model_op(md, "detach dev %d", dev);
	rc = model_errno(_test_cmd_mock_device_detach(md->fd,
						      md->devs[dev].stdev_id));
	if (!rc)
		model_dev_detached(md, dev);
	model_check(_metadata, md);
	return rc;
}

int model_free_slot(struct msi_model *md, int window)
{
	return model_slot(md, window, MODEL_FREE);
}

/* What the device has to be told, and a slot if the page has none yet */
static __u64 model_place(struct __test_metadata *_metadata,
			 struct msi_model *md, int window, __u64 doorbell)
{
	__u64 page = model_page_of(doorbell);
	int slot;

	if (window < 0)
		return doorbell;
	slot = model_slot(md, window, page);
	if (slot < 0) {
		slot = model_free_slot(md, window);
		MODEL_TRUE(slot >= 0);
		md->windows[window].slots[slot] = page;
	}
	return md->windows[window].base + (__u64)slot * PAGE_SIZE +
	       (doorbell - page);
}

int model_prepare(struct __test_metadata *_metadata, struct msi_model *md,
		  int dev, __u64 doorbell, int *out_irq)
{
	struct model_irq *irq;
	int i, rc;

	for (i = 0; i != MODEL_IRQS; i++)
		if (!md->irqs[i].present)
			break;
	MODEL_TRUE(i != MODEL_IRQS);
	irq = &md->irqs[i];

	model_op(md, "prepare irq %d of dev %d doorbell %llx", i, dev,
		 (unsigned long long)doorbell);
	rc = model_errno(_test_cmd_msi_prepare(md->fd, md->devs[dev].stdev_id,
					       doorbell, &irq->addr, &irq->id));
	if (!rc) {
		int window = md->groups[md->devs[dev].group].window;

		MODEL_EQ(model_place(_metadata, md, window, doorbell),
			 irq->addr);
		irq->present = true;
		irq->dev = dev;
		irq->doorbell = doorbell;
		md->nprepared++;
		if (out_irq)
			*out_irq = i;
	}
	model_check(_metadata, md);
	return rc;
}

/* A page that nobody needs has no slot */
static void model_irq_gone(struct msi_model *md, int irq)
{
	int window = md->groups[md->devs[md->irqs[irq].dev].group].window;
	__u64 page = model_page_of(md->irqs[irq].doorbell);
	unsigned int users;

	md->irqs[irq].present = false;
	if (window >= 0 && !model_needers(md, window, page, &users))
		md->windows[window].slots[model_slot(md, window, page)] =
			MODEL_FREE;
}

int model_unprepare(struct __test_metadata *_metadata, struct msi_model *md,
		    int irq)
{
	__u32 stdev_id = md->devs[md->irqs[irq].dev].stdev_id;
	int rc;

	model_op(md, "unprepare irq %d", irq);
	rc = model_errno(_test_cmd_msi_unprepare(md->fd, stdev_id,
						 md->irqs[irq].id));
	if (!rc)
		model_irq_gone(md, irq);
	model_check(_metadata, md);
	return rc;
}

/* Ends everything of the device */
int model_destroy(struct __test_metadata *_metadata, struct msi_model *md,
		  int dev)
{
	int i, rc;

	model_op(md, "destroy dev %d", dev);
	rc = model_errno(_test_ioctl_destroy(md->fd, md->devs[dev].stdev_id));
	if (!rc) {
		for (i = 0; i != MODEL_IRQS; i++)
			if (md->irqs[i].present && md->irqs[i].dev == dev)
				model_irq_gone(md, i);
		model_dev_detached(md, dev);
		md->groups[md->devs[dev].group].ndevs--;
		md->devs[dev].present = false;
	}
	model_check(_metadata, md);
	return rc;
}

int model_map(struct __test_metadata *_metadata, struct msi_model *md,
	      int _ioas, __u64 iova, __u64 length)
{
	struct model_ioas *ioas = &md->ioases[_ioas];
	__u64 out_iova = iova;
	int rc;

	MODEL_TRUE(ioas->nmaps != MODEL_MAPS);
	model_op(md, "map ioas %d iova %llx length %llx", _ioas,
		 (unsigned long long)iova, (unsigned long long)length);
	rc = _test_ioctl_ioas_map(md->fd, ioas->id, buffer, length, &out_iova,
				  IOMMU_IOAS_MAP_FIXED_IOVA |
					  IOMMU_IOAS_MAP_WRITEABLE |
					  IOMMU_IOAS_MAP_READABLE);
	rc = model_errno(rc);
	if (!rc) {
		ioas->maps[ioas->nmaps++] = (struct model_map){
			.iova = iova,
			.length = length,
		};
		md->nmapped++;
	}
	model_check(_metadata, md);
	return rc;
}

int model_unmap(struct __test_metadata *_metadata, struct msi_model *md,
		int _ioas, unsigned int map)
{
	struct model_ioas *ioas = &md->ioases[_ioas];
	int rc;

	model_op(md, "unmap ioas %d iova %llx", _ioas,
		 (unsigned long long)ioas->maps[map].iova);
	rc = model_errno(_test_ioctl_ioas_unmap(md->fd, ioas->id,
						ioas->maps[map].iova,
						ioas->maps[map].length, NULL));
	if (!rc)
		ioas->maps[map] = ioas->maps[--ioas->nmaps];
	model_check(_metadata, md);
	return rc;
}

struct msi_model *model_here(struct msi_model *md, unsigned int line)
{
	md->line = line;
	return md;
}
