// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the table that gives the MSI doorbells of an iommufd their IOVAs.
 *
 * They need no hardware: mock devices have MSI windows of any place and size,
 * and interrupts at any doorbell. What is expected is not written down here but
 * in iommufd_msi_model.h, which compares all there is to see after each step. The
 * tests are in iommufd_msi_*.c, by subject.
 *
 * After every step of every test it has to be true that
 *
 * - a doorbell has one IOVA in all HWPTs of an iommufd
 * - a HWPT holds what its groups need and nothing else
 * - the window is reserved while a page of it is mapped
 * - doorbells are mapped write-only, not executable, as device memory
 * - the table can be seen in fdinfo
 * - what has failed has left everything as it was
 *
 * IOMMUFD_MSI_TRACE=1 prints each step, IOMMUFD_MSI_STEPS= and IOMMUFD_MSI_SEED=
 * change the length and the seed of the random test.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/capability.h>

#include "iommufd_msi_fixture.h"

/* The capability is per device */
TEST_F(iommufd_msi, hitless_replace)
{
	uint32_t caps;
	int dev, lossy;

	ASSERT_EQ(0, bind_plain(_metadata, self->md, 0, &dev));
	ASSERT_EQ(0, bind_plain(_metadata, self->md,
				MOCK_FLAGS_DEVICE_LOSSY_REPLACE, &lossy));
	test_cmd_get_hw_capabilities(self->md->devs[dev].idev_id, caps);
	ASSERT_EQ(IOMMU_HW_CAP_HITLESS_REPLACE,
		  caps & IOMMU_HW_CAP_HITLESS_REPLACE);
	test_cmd_get_hw_capabilities(self->md->devs[lossy].idev_id, caps);
	ASSERT_EQ(0, caps & IOMMU_HW_CAP_HITLESS_REPLACE);
}

/* One doorbell in as many HWPTs as there are groups */
TEST_F(iommufd_msi, many_hwpts)
{
	enum { NUM = 128 };
	int devs[NUM], hwpts[NUM];
	unsigned int i;

	self->md->quiet = true;
	for (i = 0; i != NUM; i++) {
		ASSERT_EQ(0, m_bind_default(-1, &devs[i]));
		ASSERT_EQ(0, m_hwpt(devs[i], self->ioas[i % 2], 0, &hwpts[i]));
		ASSERT_EQ(0, m_prepare(devs[i], doorbell(i % 8), NULL));
		ASSERT_EQ(0, m_attach(devs[i], hwpts[i]));
		ASSERT_EQ(0, m_prepare(devs[i], doorbell(100), NULL));
	}
	self->md->quiet = false;
	m_check();

	self->md->quiet = true;
	for (i = 0; i != NUM; i++)
		ASSERT_EQ(0, m_swap(devs[i], hwpts[i / 2]));
	for (i = NUM / 2; i != NUM; i++)
		ASSERT_EQ(0, m_hwpt_destroy(hwpts[i]));
	self->md->quiet = false;
	m_check();

	self->md->quiet = true;
	for (i = 0; i != NUM; i++)
		ASSERT_EQ(0, m_destroy(devs[i]));
	self->md->quiet = false;
	m_check();
}

/* Two files know nothing of each other, whichever is closed first */
static void run_two_files(struct __test_metadata *_metadata,
			  struct msi_model *md[2], int first)
{
	struct iommu_test_resv resv =
		region(MOCK_RESV_SW_MSI, WINDOW_START, WINDOW_LENGTH);
	int i, dev[2];

	for (i = 0; i != 2; i++) {
		model_ioas_alloc(_metadata, md[i]);
		ASSERT_EQ(0, bind_region(_metadata, md[i], -1, 0, resv,
					 &dev[i]));
		/* Different slots for the same doorbell */
		if (i) {
			ASSERT_EQ(0, model_prepare(_metadata, md[i], dev[i],
						   doorbell(1), NULL));
		}
		ASSERT_EQ(0, model_prepare(_metadata, md[i], dev[i],
					   doorbell(0), NULL));
		ASSERT_EQ(0, model_attach(_metadata, md[i], dev[i],
					  PT_IOAS(0)));
	}
	ASSERT_NE(md[0]->irqs[0].addr, md[1]->irqs[1].addr);
	model_check(_metadata, md[0]);
	ASSERT_EQ(0, close(md[first]->fd));
	model_check(_metadata, md[!first]);
	ASSERT_EQ(0, model_prepare(_metadata, md[!first], dev[!first],
				   doorbell(2), NULL));
	ASSERT_EQ(0, close(md[!first]->fd));
}

TEST_F(iommufd_msi, two_files)
{
	struct msi_model *md[2];
	int first, i;

	for (first = 0; first != 2; first++) {
		for (i = 0; i != 2; i++) {
			md[i] = model_new(open("/dev/iommu", O_RDWR));
			ASSERT_NE(-1, md[i]->fd);
		}
		run_two_files(_metadata, md, first);
		for (i = 0; i != 2; i++)
			free(md[i]);
	}
}

static int drop_sys_admin(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -1;
	data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &=
		~CAP_TO_MASK(CAP_SYS_ADMIN);
	return syscall(SYS_capset, &header, data);
}

/* Physical addresses are not for everybody */
TEST_F(iommufd_msi, fdinfo_unprivileged)
{
	struct msi_table *table = &self->md->table;
	int dev, status;
	pid_t pid;

	ASSERT_EQ(0, m_bind_default(-1, &dev));
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), NULL));
	ASSERT_EQ(0, m_prepare(dev, doorbell(1), NULL));

	pid = fork();
	ASSERT_NE(-1, pid);
	if (!pid) {
		if (drop_sys_admin() || msi_table_read(self->fd, table))
			_exit(1);
		if (table->nwindows != 1 || table->npages != 2)
			_exit(2);
		if (table->pages[0].doorbell || table->pages[1].doorbell)
			_exit(3);
		_exit(table->pages[0].iova == WINDOW_START ? 0 : 4);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(0, WEXITSTATUS(status));
}

/* Every type of region but the relaxable one is enforced at attach */
TEST_F(iommufd_msi, region_types)
{
	static const struct {
		__u32 type;
		bool enforced;
	} types[] = {
		{ MOCK_RESV_DIRECT, true },
		{ MOCK_RESV_DIRECT_RELAXABLE, false },
		{ MOCK_RESV_RESERVED, true },
		{ MOCK_RESV_MSI, true },
		{ MOCK_RESV_SW_MSI, true },
	};
	unsigned int i;
	int dev;

	for (i = 0; i != ARRAY_SIZE(types); i++) {
		struct iommu_test_resv resv =
			region(types[i].type, 0x20000000, 0x10000);

		ASSERT_EQ(0, bind_region(_metadata, self->md, -1, 0, resv,
					 &dev));
		ASSERT_EQ(0, m_attach(dev, PT_IOAS(self->ioas[0])));
		ASSERT_EQ(types[i].enforced ? -EINVAL : 0,
			  m_map(self->ioas[0], 0x20000000, PAGE_SIZE));
		ASSERT_EQ(0, m_destroy(dev));
		if (types[i].enforced)
			continue;
		ASSERT_EQ(0, m_unmap(self->ioas[0], 0));
	}
}

/* The mock driver itself: what it does not take */
TEST_F(iommufd_msi, mock_device_errors)
{
	struct iommu_test_resv resv[MOCK_RESV_NUM_MAX + 1] = {};
	struct mock_device_args args = { .resv = resv, .resv_num = 1 };

	resv[0] = region(MOCK_RESV_SW_MSI + 1, WINDOW_START, PAGE_SIZE);
	test_err_mock_device(EOPNOTSUPP, 0, &args);
	resv[0] = region(MOCK_RESV_SW_MSI, WINDOW_START, PAGE_SIZE);
	resv[0].prot = ~0U;
	test_err_mock_device(EOPNOTSUPP, 0, &args);
	resv[0] = region(MOCK_RESV_SW_MSI, ~0ULL, 2);
	test_err_mock_device(EOVERFLOW, 0, &args);
	args.resv_num = MOCK_RESV_NUM_MAX + 1;
	test_err_mock_device(E2BIG, 0, &args);
	args.resv_num = 1;
	args.resv = NULL;
	test_err_mock_device(EFAULT, 0, &args);
	args.resv_num = 0;
	args.flags = 1U << 31;
	test_err_mock_device(EINVAL, 0, &args);
	args.flags = 0;
	args.group_stdev_id = ~0U;
	test_err_mock_device(ENOENT, 0, &args);
	args.group_stdev_id = 0;
	test_err_mock_device(ENOENT, ~0U, &args);
	m_check();
}

TEST_F(iommufd_msi, mock_msi_errors)
{
	struct iommu_test_pte pte;
	__u32 stdev_id, num = 1;
	int dev, hwpt, irq;

	ASSERT_EQ(0, m_bind_default(-1, &dev));
	ASSERT_EQ(0, m_hwpt(dev, self->ioas[0], 0, &hwpt));
	stdev_id = self->md->devs[dev].stdev_id;

	test_err_mock_device_detach(EINVAL, stdev_id);
	test_err_mock_device_attach(ENOENT, stdev_id, ~0U);
	test_err_mock_device_attach(ENOENT, ~0U,
				    self->md->hwpts[hwpt].id);
	ASSERT_EQ(0, m_attach(dev, hwpt));
	ASSERT_EQ(-EBUSY, m_attach(dev, hwpt));

	test_err_msi_prepare(ENOENT, ~0U, doorbell(0));
	test_err_msi_unprepare(ENOENT, stdev_id, 1);
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), &irq));
	test_err_msi_unprepare(ENOENT, stdev_id, ~0U);
	test_err_msi_unprepare(ENOENT, ~0U, self->md->irqs[irq].id);
	ASSERT_EQ(0, m_unprepare(irq));
	ASSERT_EQ(-ENOENT, m_unprepare(irq));

	test_err_md_ptes(ENOENT, ~0U, 0, PAGE_SIZE, &pte, &num);
	test_err_md_ptes(EINVAL, self->md->hwpts[hwpt].id, 0, 0, &pte, &num);
	test_err_md_ptes(EINVAL, self->md->hwpts[hwpt].id, 1, PAGE_SIZE, &pte,
			 &num);
	test_err_md_ptes(EOVERFLOW, self->md->hwpts[hwpt].id,
			 ~(__u64)(PAGE_SIZE - 1), 2 * PAGE_SIZE, &pte, &num);
	ASSERT_EQ(0, m_prepare(dev, doorbell(0), &irq));
	test_err_md_ptes(EFAULT, self->md->hwpts[hwpt].id, WINDOW_START,
			 PAGE_SIZE, NULL, &num);
	/* It tells how much room it takes */
	test_cmd_md_ptes(self->md->hwpts[hwpt].id, WINDOW_START, PAGE_SIZE,
			 &pte, &num);
	ASSERT_EQ(2, num);
}

TEST_HARNESS_MAIN
