// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page faults come from a device, not from the one of its group that was
 * attached first, which may be gone.
 */
#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "iommufd_msi_test.h"

FIXTURE(iommufd_iopf_siblings)
{
	int fd;
	struct msi_model *md;
	__u32 fault_id;
	__u32 fault_fd;
	int dev[2];
	int parent;
	int hwpt;
};

static int make_iopf_hwpt(struct __test_metadata *_metadata,
			  struct msi_model *md, int dev, int parent,
			  __u32 fault_id)
{
	struct iommu_hwpt_selftest data = {
		.iotlb = IOMMU_TEST_IOTLB_DEFAULT,
	};
	__u32 id;

	ASSERT_EQ(0, _test_cmd_hwpt_alloc(md->fd, md->devs[dev].idev_id,
					  md->hwpts[parent].id, fault_id,
					  IOMMU_HWPT_FAULT_ID_VALID, &id,
					  IOMMU_HWPT_DATA_SELFTEST, &data,
					  sizeof(data)));
	return model_hwpt_add(_metadata, md, id, md->hwpts[parent].ioas,
			      parent);
}

FIXTURE_SETUP(iommufd_iopf_siblings)
{
	const char *reason;
	int ioas;

	self->md = NULL;
	reason = model_open(&self->fd);
	if (reason)
		SKIP(return, "%s", reason);
	self->md = model_new(self->fd);

	ioas = m_ioas();
	ASSERT_EQ(0, m_bind_default(-1, &self->dev[0]));
	ASSERT_EQ(0, m_bind_default(self->dev[0], &self->dev[1]));
	ASSERT_EQ(0, m_hwpt(self->dev[0], ioas, IOMMU_HWPT_ALLOC_NEST_PARENT,
			    &self->parent));
	test_ioctl_fault_alloc(&self->fault_id, &self->fault_fd);
	self->hwpt = make_iopf_hwpt(_metadata, self->md, self->dev[0],
				    self->parent, self->fault_id);
}

FIXTURE_TEARDOWN(iommufd_iopf_siblings)
{
	if (self->md)
		close(self->fault_fd);
	free(self->md);
	teardown_iommufd(self->fd, _metadata);
}

static int raise_fault_at(struct msi_model *md, int dev, __u32 pasid)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = {
			.dev_id = md->devs[dev].idev_id,
			.pasid = pasid,
			.grpid = 0x2,
			.perm = IOMMU_PGFAULT_PERM_READ,
			.addr = 0xdeadb000,
		},
	};

	return ioctl(md->fd, IOMMU_TEST_CMD, &cmd);
}

/* At a PASID of the guest's table, the HWPT without a PASID is to have it */
static int raise_fault(struct msi_model *md, int dev)
{
	return raise_fault_at(md, dev, 0x1);
}

/* Read a fault and answer it. Returns whose it is, 0 if there is none. */
static __u32 answer_fault(__u32 fault_fd)
{
	struct iommu_hwpt_page_response response = {
		.code = IOMMUFD_PAGE_RESP_SUCCESS,
	};
	struct iommu_hwpt_pgfault fault = {};

	if (read(fault_fd, &fault, sizeof(fault)) <= 0)
		return 0;
	response.cookie = fault.cookie;
	if (write(fault_fd, &response, sizeof(response)) <= 0)
		return 0;
	return fault.dev_id;
}

static void check_fault(struct __test_metadata *_metadata, struct msi_model *md,
			__u32 fault_fd, int dev)
{
	ASSERT_EQ(0, raise_fault(md, dev));
	ASSERT_EQ(md->devs[dev].idev_id, answer_fault(fault_fd));
}

#define test_fault_of(dev) check_fault(_metadata, self->md, self->fault_fd, dev)

TEST_F(iommufd_iopf_siblings, both)
{
	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	test_fault_of(self->dev[0]);
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	test_fault_of(self->dev[0]);
	test_fault_of(self->dev[1]);
	ASSERT_EQ(0, answer_fault(self->fault_fd));
}

TEST_F(iommufd_iopf_siblings, first_detached)
{
	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	ASSERT_EQ(0, m_detach(self->dev[0]));
	test_fault_of(self->dev[1]);
	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	test_fault_of(self->dev[0]);
	test_fault_of(self->dev[1]);
}

/* Without the fix the read uses the memory of the device that has gone */
TEST_F(iommufd_iopf_siblings, first_destroyed)
{
	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_EQ(0, m_destroy(self->dev[0]));
	ASSERT_EQ(self->md->devs[self->dev[1]].idev_id,
		  answer_fault(self->fault_fd));
	test_fault_of(self->dev[1]);
}

static void check_answered(struct __test_metadata *_metadata,
			   struct msi_model *md, int dev, __u64 num)
{
	__u64 raised, answered;

	ASSERT_EQ(0, _test_cmd_mock_device_faults(md->fd,
						  md->devs[dev].stdev_id, false,
						  &raised, &answered));
	ASSERT_EQ(num, raised);
	ASSERT_EQ(num, answered);
}

/* The device got an answer to each of the @num faults that it has raised */
#define test_answered(dev, num) check_answered(_metadata, self->md, dev, num)

/* The faults of a device that leaves are answered for it, no others are */
TEST_F(iommufd_iopf_siblings, pending)
{
	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[0]));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_EQ(0, m_detach(self->dev[0]));
	test_answered(self->dev[0], 1);
	ASSERT_EQ(self->md->devs[self->dev[1]].idev_id,
		  answer_fault(self->fault_fd));
	ASSERT_EQ(0, answer_fault(self->fault_fd));

	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_EQ(0, m_swap(self->dev[1], self->parent));
	ASSERT_EQ(0, answer_fault(self->fault_fd));
	ASSERT_EQ(0, m_swap(self->dev[1], self->hwpt));
	test_fault_of(self->dev[1]);
}

/* Whether there is a fault to read */
static bool fault_pending(__u32 fault_fd)
{
	struct pollfd pfd = { .fd = fault_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/*
 * The domain is that of the group: a sibling that is bound and not attached can
 * fault in it as well, before it is attached, afterwards, and if it was bound
 * only when the group was attached. Its faults are refused. Without the fix the
 * kernel warns in iommu_report_device_fault().
 */
TEST_F(iommufd_iopf_siblings, not_attached)
{
	int late;

	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_answered(self->dev[1], 1);

	ASSERT_EQ(0, m_bind_default(self->dev[0], &late));
	ASSERT_EQ(0, raise_fault(self->md, late));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_answered(late, 1);

	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	test_fault_of(self->dev[1]);
	ASSERT_EQ(0, m_detach(self->dev[1]));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_answered(self->dev[1], 3);
	test_fault_of(self->dev[0]);

	/* Nobody can fault in a HWPT that has no fault object */
	ASSERT_EQ(0, m_swap(self->dev[0], self->parent));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_EQ(0, m_swap(self->dev[0], self->hwpt));
	ASSERT_EQ(0, raise_fault(self->md, self->dev[1]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_answered(self->dev[1], 5);
	ASSERT_EQ(0, m_destroy(late));
	test_fault_of(self->dev[0]);
}

/*
 * A device that raises one more fault when IOPF is about to be switched off, and
 * then goes. Without the fix it stays in the queue, and the answer to it uses
 * the memory of the device. And one that was on its way, after IOPF was off: it is
 * refused, as nobody is wrong there is no warning.
 */
TEST_F(iommufd_iopf_siblings, at_disable)
{
	__u64 raised, answered;

	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	test_cmd_mock_device_faults(self->md->devs[self->dev[1]].stdev_id, true,
				    &raised, &answered);
	ASSERT_EQ(0, m_detach(self->dev[1]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_cmd_mock_device_faults(self->md->devs[self->dev[1]].stdev_id, true,
				    &raised, &answered);
	ASSERT_EQ(raised, answered);
	ASSERT_EQ(0, m_destroy(self->dev[1]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_fault_of(self->dev[0]);

	/* The last device, and a replace to a HWPT without a fault object */
	test_cmd_mock_device_faults(self->md->devs[self->dev[0]].stdev_id, true,
				    &raised, &answered);
	ASSERT_EQ(0, m_swap(self->dev[0], self->parent));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_cmd_mock_device_faults(self->md->devs[self->dev[0]].stdev_id, true,
				    &raised, &answered);
	ASSERT_EQ(3, raised);
	ASSERT_EQ(3, answered);
	ASSERT_EQ(0, m_swap(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_detach(self->dev[0]));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_answered(self->dev[0], 5);
}

/*
 * A device faults in the new domain as soon as the IOMMU has it. The HWPT that comes
 * gets the fault, not the one that goes, which may have no fault object.
 */
TEST_F(iommufd_iopf_siblings, at_replace)
{
	int dev = self->dev[0];
	int other = make_iopf_hwpt(_metadata, self->md, dev, self->parent,
				   self->fault_id);
	const int hwpts[3] = { self->hwpt, other, self->hwpt };
	__u32 stdev_id = self->md->devs[dev].stdev_id;
	int i;

	ASSERT_EQ(0, m_attach(dev, self->parent));
	for (i = 0; i != 3; i++) {
		/* Until the count is read */
		test_cmd_mock_device_raise_at_attach(stdev_id, true);
		ASSERT_EQ(0, m_swap(dev, hwpts[i]));
		ASSERT_EQ(self->md->devs[dev].idev_id,
			  answer_fault(self->fault_fd));
		test_answered(dev, i + 1);
	}

	/* And back: nobody is to have it, and nothing is left */
	test_cmd_mock_device_raise_at_attach(stdev_id, true);
	ASSERT_EQ(0, m_swap(dev, self->parent));
	ASSERT_FALSE(fault_pending(self->fault_fd));
	test_answered(dev, 4);
}

/*
 * One thread raises faults of one device, one replaces the HWPT of the group by
 * way of the other device, and this one reads and answers. Each fault is answered,
 * by whomever.
 */
struct fault_race {
	struct msi_model *md;
	int dev;
	__u32 pasid;
	__u32 pt_id[2];
	bool stop;
	unsigned long ndone;
	int error;
};

static void *race_faults(void *arg)
{
	struct fault_race *race = arg;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		if (raise_fault_at(race->md, race->dev, race->pasid))
			race->error = errno;
		race->ndone++;
	}
	return NULL;
}

static void *race_fault_swaps(void *arg)
{
	struct fault_race *race = arg;
	__u32 stdev_id = race->md->devs[race->dev].stdev_id;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		if (_test_cmd_mock_domain_replace(race->md->fd, stdev_id,
						  race->pt_id[race->ndone & 1],
						  NULL))
			race->error = errno;
		race->ndone++;
	}
	return NULL;
}

static void run_fault_race(struct __test_metadata *_metadata,
			   struct msi_model *md, __u32 fault_fd, const int *dev,
			   const __u32 *pt_id, __u32 pasid)
{
	struct fault_race races[2] = {};
	unsigned long read = 0;
	pthread_t threads[2];
	__u64 end;
	int i;

	for (i = 0; i != 2; i++) {
		races[i].md = md;
		races[i].dev = dev[i];
		races[i].pasid = pasid;
		memcpy(races[i].pt_id, pt_id, sizeof(races[i].pt_id));
	}
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, race_faults, &races[0]));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, race_fault_swaps,
				    &races[1]));
	for (end = time(NULL) + 3; time(NULL) < end;)
		read += !!answer_fault(fault_fd);
	for (i = 0; i != 2; i++)
		__atomic_store_n(&races[i].stop, true, __ATOMIC_RELAXED);
	for (i = 0; i != 2; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	while (answer_fault(fault_fd))
		read++;
	ksft_print_msg("%lu faults, %lu read, %lu replaces\n", races[0].ndone,
		       read, races[1].ndone);
	for (i = 0; i != 2; i++) {
		ASSERT_EQ(0, races[i].error);
		ASSERT_LE(100, races[i].ndone);
	}
	ASSERT_LE(pasid ? 10 : 0, read);
	ASSERT_TRUE(pasid || !read);
	check_answered(_metadata, md, dev[0], races[0].ndone);
}

/* Between a HWPT with a fault object and one without */
TEST_F(iommufd_iopf_siblings, race)
{
	const __u32 pt_id[2] = { self->md->hwpts[self->parent].id,
				 self->md->hwpts[self->hwpt].id };

	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	run_fault_race(_metadata, self->md, self->fault_fd, self->dev, pt_id,
		       1);
}

/* Between two HWPTs with the same fault object, IOPF stays on */
TEST_F(iommufd_iopf_siblings, race_same_fault)
{
	int other = make_iopf_hwpt(_metadata, self->md, self->dev[0],
				   self->parent, self->fault_id);
	const __u32 pt_id[2] = { self->md->hwpts[other].id,
				 self->md->hwpts[self->hwpt].id };

	ASSERT_EQ(0, m_attach(self->dev[0], self->hwpt));
	ASSERT_EQ(0, m_attach(self->dev[1], self->hwpt));
	run_fault_race(_metadata, self->md, self->fault_fd, self->dev, pt_id,
		       1);
}

/*
 * Between two HWPTs without a fault object, and without a PASID. The faults are
 * refused, but that nobody is to have them is read from the handle.
 */
TEST_F(iommufd_iopf_siblings, race_no_fault)
{
	__u32 pt_id[2] = { self->md->hwpts[self->parent].id };
	int other;

	ASSERT_EQ(0, m_hwpt(self->dev[0], self->md->hwpts[self->parent].ioas, 0,
			    &other));
	pt_id[1] = self->md->hwpts[other].id;

	ASSERT_EQ(0, m_attach(self->dev[0], self->parent));
	ASSERT_EQ(0, m_attach(self->dev[1], self->parent));
	run_fault_race(_metadata, self->md, self->fault_fd, self->dev, pt_id,
		       0);
}
