// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of IOVA policies seen from the DMA API: how many flushes they take
 *
 * A fake IOMMU on a bus of its own, as slow as the IPMMU: it can flush nothing but
 * all of its IOTLB. It has a page table and an IOTLB, both an xarray. A device
 * that reads an IOVA leaves its translation in the IOTLB, where the test finds it
 * if it is stale. The aperture is small, so that a round is short.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/msi.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "dma-iommu.h"
#include "iommu-priv.h"

#define FAKE_PAGES	2048
/* Without page 0, which the DMA API does not use */
#define FAKE_ROUND	(FAKE_PAGES - 1)
#define FAKE_ROUNDS	8
/* Of the flush queue: how many unmaps on a CPU, and how long in ms */
#define FAKE_QUEUE	255
#define FAKE_PERIOD	10

struct fake_domain {
	struct iommu_domain domain;
	/* IOVA in pages -> page frame number, as value entries */
	struct xarray ptes;
	struct xarray tlb;
	atomic_t num_flushes;
};

static struct platform_device *fake_pdev;
static struct iommu_device fake_iommu;
static struct notifier_block fake_nb;

static struct fake_domain *to_fake(struct iommu_domain *domain)
{
	return container_of(domain, struct fake_domain, domain);
}

/* As an IOMMU whose driver does not care for lazy domains */
static bool fake_not_deferred;

static bool fake_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_DEFERRED_FLUSH && !fake_not_deferred;
}

static int fake_attach_identity(struct iommu_domain *domain, struct device *dev)
{
	return 0;
}

/* Of the domain that was attached last */
static bool fake_mapped_at_attach;

static int fake_attach_dev(struct iommu_domain *domain, struct device *dev)
{
	fake_mapped_at_attach = !xa_empty(&to_fake(domain)->ptes);
	return 0;
}

static const struct iommu_domain_ops fake_identity_ops = {
	.attach_dev = fake_attach_identity,
};

static struct iommu_domain fake_identity_domain = {
	.type = IOMMU_DOMAIN_IDENTITY,
	.ops = &fake_identity_ops,
};

static struct iommu_domain *fake_domain_alloc_paging(struct device *dev)
{
	struct fake_domain *fake = kzalloc(sizeof(*fake), GFP_KERNEL);

	if (!fake)
		return NULL;
	xa_init_flags(&fake->ptes, XA_FLAGS_LOCK_IRQ);
	xa_init_flags(&fake->tlb, XA_FLAGS_LOCK_IRQ);
	fake->domain.geometry.aperture_end = FAKE_PAGES * PAGE_SIZE - 1;
	fake->domain.geometry.force_aperture = true;
	return &fake->domain;
}

static void fake_domain_free(struct iommu_domain *domain)
{
	struct fake_domain *fake = to_fake(domain);

	xa_destroy(&fake->ptes);
	xa_destroy(&fake->tlb);
	kfree(fake);
}

static int fake_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct fake_domain *fake = to_fake(domain);
	size_t i;
	int rc;

	for (i = 0; i < pgcount; i++) {
		rc = xa_err(xa_store_irq(&fake->ptes, iova / PAGE_SIZE + i,
					 xa_mk_value(paddr / PAGE_SIZE + i),
					 gfp));
		if (rc)
			return rc;
		*mapped += pgsize;
	}
	return 0;
}

static size_t fake_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	struct fake_domain *fake = to_fake(domain);
	size_t i;

	for (i = 0; i < pgcount; i++)
		xa_erase_irq(&fake->ptes, iova / PAGE_SIZE + i);
	return pgsize * pgcount;
}

static void fake_flush_iotlb_all(struct iommu_domain *domain)
{
	struct fake_domain *fake = to_fake(domain);
	unsigned long index, flags;
	void *entry;

	atomic_inc(&fake->num_flushes);
	xa_lock_irqsave(&fake->tlb, flags);
	xa_for_each(&fake->tlb, index, entry)
		__xa_erase(&fake->tlb, index);
	xa_unlock_irqrestore(&fake->tlb, flags);
}

static void fake_iotlb_sync(struct iommu_domain *domain,
			    struct iommu_iotlb_gather *gather)
{
	fake_flush_iotlb_all(domain);
}

static phys_addr_t fake_iova_to_phys(struct iommu_domain *domain,
				     dma_addr_t iova)
{
	void *entry = xa_load(&to_fake(domain)->ptes, iova / PAGE_SIZE);

	return entry ? xa_to_value(entry) * PAGE_SIZE + offset_in_page(iova) : 0;
}

/* As an IOMMU that has no other type, or 0 */
static int fake_type;

static int fake_def_domain_type(struct device *dev)
{
	return fake_type;
}

static struct iommu_device *fake_probe_device(struct device *dev)
{
	return &fake_iommu;
}

static struct iommu_ops fake_ops = {
	.capable = fake_capable,
	.identity_domain = &fake_identity_domain,
	.domain_alloc_paging = fake_domain_alloc_paging,
	.probe_device = fake_probe_device,
	.def_domain_type = fake_def_domain_type,
	.device_group = generic_device_group,
	.pgsize_bitmap = PAGE_SIZE,
	.default_domain_ops = &(const struct iommu_domain_ops) {
		.attach_dev = fake_attach_dev,
		.map_pages = fake_map_pages,
		.unmap_pages = fake_unmap_pages,
		.flush_iotlb_all = fake_flush_iotlb_all,
		.iotlb_sync = fake_iotlb_sync,
		.iova_to_phys = fake_iova_to_phys,
		.free = fake_domain_free,
	},
};

/* Devices are told apart from those of a real IOMMU by their fwspec */
static int fake_bus_notify(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	if (action == BUS_NOTIFY_ADD_DEVICE)
		return notifier_from_errno(iommu_device_set_fwnode(
			data, fake_iommu.fwnode));
	return NOTIFY_DONE;
}

static struct notifier_block fake_bus_nb = {
	.notifier_call = fake_bus_notify,
};

static const struct bus_type fake_bus = {
	.name = "iova_policy_test",
};

struct policy_test {
	struct device *dev;
	u64 dma_mask;
	/* Mapped in turn, so that an IOVA does not lead to the same one again */
	struct page *pages[2];
};

static void fake_dev_release(struct device *dev)
{
	kfree(dev);
}

static int policy_suite_init(struct kunit_suite *suite)
{
	int rc;

	fake_pdev = platform_device_register_simple("iova_policy_test",
						    PLATFORM_DEVID_NONE, NULL,
						    0);
	if (IS_ERR(fake_pdev))
		return PTR_ERR(fake_pdev);
	rc = bus_register(&fake_bus);
	if (rc)
		goto err_pdev;
	fake_iommu.fwnode = fwnode_create_software_node(NULL, NULL);
	if (IS_ERR(fake_iommu.fwnode)) {
		rc = PTR_ERR(fake_iommu.fwnode);
		goto err_bus;
	}
	rc = bus_register_notifier(&fake_bus, &fake_bus_nb);
	if (rc)
		goto err_fwnode;
	rc = iommu_device_sysfs_add(&fake_iommu, &fake_pdev->dev, NULL, "%s",
				    "iova-policy-test");
	if (rc)
		goto err_notifier;
	rc = iommu_device_register_bus(&fake_iommu, &fake_ops, &fake_bus,
				       &fake_nb);
	if (rc)
		goto err_sysfs;
	return 0;

err_sysfs:
	iommu_device_sysfs_remove(&fake_iommu);
err_notifier:
	bus_unregister_notifier(&fake_bus, &fake_bus_nb);
err_fwnode:
	fwnode_remove_software_node(fake_iommu.fwnode);
err_bus:
	bus_unregister(&fake_bus);
err_pdev:
	platform_device_unregister(fake_pdev);
	return rc;
}

static void policy_suite_exit(struct kunit_suite *suite)
{
	iommu_device_sysfs_remove(&fake_iommu);
	iommu_device_unregister_bus(&fake_iommu, &fake_bus, &fake_nb);
	bus_unregister_notifier(&fake_bus, &fake_bus_nb);
	fwnode_remove_software_node(fake_iommu.fwnode);
	bus_unregister(&fake_bus);
	platform_device_unregister(fake_pdev);
}

/* A device without a driver, whose IOMMU asks for @wish and has only @type */
static struct iommu_domain *policy_probe_device(struct kunit *test,
						enum iommu_iova_policy wish,
						int type)
{
	struct policy_test *priv = test->priv;
	struct device *dev;

	fake_ops.iova_policy = wish;
	fake_type = type;
	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	device_initialize(dev);
	dev->release = fake_dev_release;
	dev->bus = &fake_bus;
	dev->dma_mask = &priv->dma_mask;
	priv->dma_mask = DMA_BIT_MASK(32);
	priv->dev = dev;
	KUNIT_ASSERT_EQ(test, 0, dev_set_name(dev, "iova-policy-dev"));
	KUNIT_ASSERT_EQ(test, 0, device_add(dev));

	if (!dev->iommu_group || !dev->dma_iommu)
		kunit_skip(test, "the default domain is not one of the DMA API");
	if (strstr(saved_command_line, "iommu.iova_alloc="))
		kunit_skip(test, "the command line asks for a policy");
	return iommu_get_dma_domain(dev);
}

/* As a write of DMA-FQ to the type of the group */
static void policy_make_lazy(struct kunit *test, struct iommu_domain *domain)
{
	if (domain->type == IOMMU_DOMAIN_DMA_FQ)
		return;
	KUNIT_ASSERT_EQ(test, 0, iommu_dma_init_fq(domain));
	domain->type = IOMMU_DOMAIN_DMA_FQ;
}

/* A device with @policy, strict or lazy */
static void policy_add_device(struct kunit *test, enum iommu_iova_policy policy,
			      bool lazy)
{
	struct policy_test *priv = test->priv;
	struct iommu_domain *domain;

	domain = policy_probe_device(test, IOMMU_IOVA_POLICY_AUTO, 0);
	if (!lazy && domain->type == IOMMU_DOMAIN_DMA_FQ)
		kunit_skip(test, "domains are lazy by default");
	KUNIT_ASSERT_EQ(test, 0,
			iommu_group_set_iova_policy(priv->dev->iommu_group,
						    policy));
	domain = iommu_get_dma_domain(priv->dev);
	KUNIT_ASSERT_EQ(test, policy, iommu_dma_iova_policy(domain));
	if (lazy)
		policy_make_lazy(test, domain);
}

static void policy_del_device(struct kunit *test)
{
	struct policy_test *priv = test->priv;

	device_del(priv->dev);
	put_device(priv->dev);
	priv->dev = NULL;
}

static int policy_test_init(struct kunit *test)
{
	struct policy_test *priv;

	priv = kunit_kzalloc(test, sizeof(*priv), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, priv);
	test->priv = priv;
	fake_not_deferred = false;
	priv->pages[0] = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, priv->pages[0]);
	priv->pages[1] = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, priv->pages[1]);
	return 0;
}

static void policy_test_exit(struct kunit *test)
{
	struct policy_test *priv = test->priv;

	if (!priv)
		return;
	if (priv->dev) {
		if (device_is_registered(priv->dev))
			device_del(priv->dev);
		put_device(priv->dev);
	}
	if (priv->pages[0])
		__free_page(priv->pages[0]);
	if (priv->pages[1])
		__free_page(priv->pages[1]);
}

static struct fake_domain *test_domain(struct kunit *test)
{
	struct policy_test *priv = test->priv;

	return to_fake(iommu_get_dma_domain(priv->dev));
}

/* The device reads: through the IOTLB, which keeps the translation */
static bool device_reads(struct kunit *test, dma_addr_t iova)
{
	struct fake_domain *fake = test_domain(test);
	void *entry = xa_load(&fake->tlb, iova / PAGE_SIZE);
	void *pte = xa_load(&fake->ptes, iova / PAGE_SIZE);

	if (entry) {
		if (pte && pte != entry)
			KUNIT_FAIL(test, "%pad has a stale translation", &iova);
		return true;
	}
	if (!pte)
		return false;
	KUNIT_EXPECT_EQ(test, 0, xa_err(xa_store_irq(&fake->tlb,
						     iova / PAGE_SIZE, pte,
						     GFP_KERNEL)));
	return true;
}

/* Maps, uses and unmaps a page so many times; returns the flushes that it takes */
static unsigned int count_flushes(struct kunit *test, unsigned int times)
{
	struct policy_test *priv = test->priv;
	struct fake_domain *fake = test_domain(test);
	unsigned int before = atomic_read(&fake->num_flushes);
	unsigned int i;
	dma_addr_t iova;

	for (i = 0; i < times; i++) {
		iova = dma_map_page(priv->dev, priv->pages[i % 2], 0, PAGE_SIZE,
				    DMA_TO_DEVICE);
		KUNIT_ASSERT_FALSE(test, dma_mapping_error(priv->dev, iova));
		KUNIT_ASSERT_TRUE(test, device_reads(test, iova));
		dma_unmap_page(priv->dev, iova, PAGE_SIZE, DMA_TO_DEVICE);
	}
	return atomic_read(&fake->num_flushes) - before;
}

static void policy_test_default_strict(struct kunit *test)
{
	policy_add_device(test, IOMMU_IOVA_POLICY_DEFAULT, false);
	KUNIT_EXPECT_EQ(test, 2 * FAKE_ROUND,
			count_flushes(test, 2 * FAKE_ROUND));
}

static void policy_test_wraparound_strict(struct kunit *test)
{
	policy_add_device(test, IOMMU_IOVA_POLICY_WRAPAROUND, false);
	KUNIT_EXPECT_EQ(test, 2 * FAKE_ROUND,
			count_flushes(test, 2 * FAKE_ROUND));
}

/* Until the timer comes, one for a filled queue, or one for a round */
static unsigned int count_lazy(struct kunit *test, enum iommu_iova_policy policy,
			       unsigned int *timers)
{
	unsigned long begin;
	unsigned int flushes;

	policy_add_device(test, policy, true);
	begin = jiffies;
	flushes = count_flushes(test, FAKE_ROUNDS * FAKE_ROUND);
	*timers = (jiffies - begin) / msecs_to_jiffies(FAKE_PERIOD) + 1;
	return flushes;
}

static void policy_test_default_lazy(struct kunit *test)
{
	unsigned int timers, flushes, queues;

	flushes = count_lazy(test, IOMMU_IOVA_POLICY_DEFAULT, &timers);
	/* Each CPU may keep one that is not full */
	queues = FAKE_ROUNDS * FAKE_ROUND / FAKE_QUEUE / num_online_cpus();
	KUNIT_EXPECT_GE(test, flushes + 1, queues);
	KUNIT_EXPECT_LE(test, flushes,
			FAKE_ROUNDS * FAKE_ROUND / FAKE_QUEUE + timers);
}

static void policy_test_wraparound_lazy(struct kunit *test)
{
	struct fake_domain *fake;
	unsigned int timers, flushes, i;
	unsigned long index;

	flushes = count_lazy(test, IOMMU_IOVA_POLICY_WRAPAROUND, &timers);
	KUNIT_EXPECT_GE(test, flushes, 1);
	KUNIT_EXPECT_LE(test, flushes, FAKE_ROUNDS - 1 + timers);
	kunit_info(test, "%u flushes for %u unmaps, %u by the timer at most\n",
		   flushes, FAKE_ROUNDS * FAKE_ROUND, timers);

	/* What is left over is flushed when the period ends */
	fake = test_domain(test);
	for (i = 0; i < 100 && xa_find(&fake->tlb, &(unsigned long){ 0 },
				       ULONG_MAX, XA_PRESENT); i++)
		msleep(FAKE_PERIOD);
	index = 0;
	KUNIT_EXPECT_NULL(test, xa_find(&fake->tlb, &index, ULONG_MAX,
					XA_PRESENT));
}

/* DMA to a page that has been unmapped: does it fault? */
static unsigned int count_caught(struct kunit *test, unsigned int times)
{
	struct policy_test *priv = test->priv;
	unsigned int i, caught = 0;
	dma_addr_t iova, next;

	for (i = 0; i < times; i++) {
		iova = dma_map_page(priv->dev, priv->pages[0], 0, PAGE_SIZE,
				    DMA_TO_DEVICE);
		KUNIT_ASSERT_FALSE(test, dma_mapping_error(priv->dev, iova));
		dma_unmap_page(priv->dev, iova, PAGE_SIZE, DMA_TO_DEVICE);
		next = dma_map_page(priv->dev, priv->pages[1], 0, PAGE_SIZE,
				    DMA_TO_DEVICE);
		KUNIT_ASSERT_FALSE(test, dma_mapping_error(priv->dev, next));
		caught += !device_reads(test, iova);
		dma_unmap_page(priv->dev, next, PAGE_SIZE, DMA_TO_DEVICE);
	}
	return caught;
}

static void policy_test_detector(struct kunit *test)
{
	policy_add_device(test, IOMMU_IOVA_POLICY_WRAPAROUND, false);
	KUNIT_EXPECT_EQ(test, 1000, count_caught(test, 1000));
}

static void policy_test_no_detector(struct kunit *test)
{
	unsigned int caught;

	policy_add_device(test, IOMMU_IOVA_POLICY_DEFAULT, false);
	/* Each CPU has a cache; on one of them the address is given out at once */
	migrate_disable();
	caught = count_caught(test, 1000);
	migrate_enable();
	KUNIT_EXPECT_EQ(test, 0, caught);
}

/* No queue, and no policy that frees lazily, without a way to flush for all */
static void policy_test_no_flush(struct kunit *test)
{
	static const enum iommu_iova_policy policies[] = {
		IOMMU_IOVA_POLICY_DEFAULT, IOMMU_IOVA_POLICY_WRAPAROUND };
	struct policy_test *priv = test->priv;
	const struct iommu_domain_ops *ops;
	struct iommu_domain_ops no_flush;
	struct iommu_domain *domain;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		policy_add_device(test, policies[i], false);
		domain = iommu_get_dma_domain(priv->dev);
		ops = domain->ops;
		no_flush = *ops;
		no_flush.flush_iotlb_all = NULL;
		domain->ops = &no_flush;
		KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, iommu_dma_init_fq(domain));
		domain->ops = ops;
		/* Each unmap flushes as before */
		KUNIT_EXPECT_EQ(test, 20, count_flushes(test, 20));
		policy_del_device(test);
	}
}

#define set_policy(group, policy) \
	iommu_group_set_iova_policy(group, IOMMU_IOVA_POLICY_##policy)

/* The driver of an IOMMU asks for few flushes, which is for lazy domains only */
static void policy_test_driver(struct kunit *test)
{
	struct policy_test *priv = test->priv;
	struct iommu_domain *domain;
	struct iommu_group *group;

	domain = policy_probe_device(test, IOMMU_IOVA_POLICY_WRAPAROUND,
				     IOMMU_DOMAIN_DMA_FQ);
	KUNIT_ASSERT_EQ(test, IOMMU_DOMAIN_DMA_FQ, domain->type);
	KUNIT_EXPECT_EQ(test, IOMMU_IOVA_POLICY_WRAPAROUND,
			iommu_dma_iova_policy(domain));
	policy_del_device(test);

	domain = policy_probe_device(test, IOMMU_IOVA_POLICY_WRAPAROUND,
				     IOMMU_DOMAIN_DMA);
	group = priv->dev->iommu_group;
	KUNIT_EXPECT_EQ(test, IOMMU_IOVA_POLICY_DEFAULT,
			iommu_dma_iova_policy(domain));
	/* sysfs may ask for it there, and for what the driver says again */
	KUNIT_EXPECT_EQ(test, 0, set_policy(group, WRAPAROUND));
	KUNIT_EXPECT_EQ(test, IOMMU_IOVA_POLICY_WRAPAROUND,
			iommu_dma_iova_policy(iommu_get_dma_domain(priv->dev)));
	KUNIT_EXPECT_EQ(test, 0, set_policy(group, AUTO));
	KUNIT_EXPECT_EQ(test, IOMMU_IOVA_POLICY_DEFAULT,
			iommu_dma_iova_policy(iommu_get_dma_domain(priv->dev)));
}

/* A change of the policy leaves a type that was changed in place */
static void keep_type(struct kunit *test, int only_type)
{
	struct policy_test *priv = test->priv;
	struct iommu_domain *domain;

	domain = policy_probe_device(test, IOMMU_IOVA_POLICY_AUTO, only_type);
	policy_make_lazy(test, domain);
	KUNIT_ASSERT_EQ(test, 0,
			iommu_group_set_iova_policy(priv->dev->iommu_group,
						    IOMMU_IOVA_POLICY_WRAPAROUND));
	domain = iommu_get_dma_domain(priv->dev);
	KUNIT_EXPECT_EQ(test, IOMMU_DOMAIN_DMA_FQ, domain->type);
	KUNIT_EXPECT_EQ(test, IOMMU_IOVA_POLICY_WRAPAROUND,
			iommu_dma_iova_policy(domain));
	/* One for a round at most, or for a period of it */
	KUNIT_EXPECT_LT(test, count_flushes(test, FAKE_ROUND), FAKE_ROUND / 2);
}

/* Also where the IOMMU has no other type */
static void policy_test_keeps_type(struct kunit *test)
{
	keep_type(test, IOMMU_DOMAIN_DMA);
}

/* And where it has, but a domain is lazy only if user space says so */
static void policy_test_keeps_type_in_place(struct kunit *test)
{
	fake_not_deferred = true;
	keep_type(test, 0);
}

#if IS_ENABLED(CONFIG_IRQ_MSI_IOMMU)
#define DOORBELL	0x12345040ULL

static dma_addr_t test_set_up_msi(struct kunit *test)
{
	struct policy_test *priv = test->priv;
	struct msi_desc desc = {};
	struct msi_msg msg = {
		.address_lo = DOORBELL,
	};

	KUNIT_EXPECT_EQ(test, 0,
			iommu_dma_map_msi(iommu_get_dma_domain(priv->dev),
					  priv->dev, &desc, DOORBELL));
	iommu_dma_compose_msi_msg(&desc, &msg);
	return msg.address_lo;
}

/*
 * An interrupt of a driver that does no DMA: it is not set up anew when the policy
 * changes, and writes to where it did. No buffer gets there, in a round and more.
 */
static void policy_test_keeps_msi(struct kunit *test)
{
	struct policy_test *priv = test->priv;
	dma_addr_t msi, iova;
	unsigned int i;

	policy_add_device(test, IOMMU_IOVA_POLICY_DEFAULT, false);
	msi = test_set_up_msi(test);
	KUNIT_ASSERT_NE(test, msi, DOORBELL);

	KUNIT_ASSERT_EQ(test, 0, set_policy(priv->dev->iommu_group, WRAPAROUND));
	KUNIT_EXPECT_TRUE(test, fake_mapped_at_attach);
	KUNIT_EXPECT_EQ(test, DOORBELL,
			iommu_iova_to_phys(iommu_get_dma_domain(priv->dev), msi));
	for (i = 0; i < FAKE_ROUND + 1; i++) {
		iova = dma_map_page(priv->dev, priv->pages[0], 0, PAGE_SIZE,
				    DMA_TO_DEVICE);
		KUNIT_ASSERT_FALSE(test, dma_mapping_error(priv->dev, iova));
		KUNIT_ASSERT_NE(test, iova, msi & PAGE_MASK);
		dma_unmap_page(priv->dev, iova, PAGE_SIZE, DMA_TO_DEVICE);
	}

	/* The next one shares the page, and pages do not get more */
	KUNIT_EXPECT_EQ(test, msi, test_set_up_msi(test));
	KUNIT_ASSERT_EQ(test, 0, set_policy(priv->dev->iommu_group, DEFAULT));
	KUNIT_EXPECT_EQ(test, DOORBELL,
			iommu_iova_to_phys(iommu_get_dma_domain(priv->dev), msi));
	KUNIT_EXPECT_EQ(test, msi, test_set_up_msi(test));
}
#endif

static struct kunit_case policy_test_cases[] = {
	KUNIT_CASE(policy_test_default_strict),
	KUNIT_CASE(policy_test_wraparound_strict),
	KUNIT_CASE(policy_test_default_lazy),
	KUNIT_CASE(policy_test_wraparound_lazy),
	KUNIT_CASE(policy_test_detector),
	KUNIT_CASE(policy_test_no_detector),
	KUNIT_CASE(policy_test_no_flush),
	KUNIT_CASE(policy_test_driver),
	KUNIT_CASE(policy_test_keeps_type),
	KUNIT_CASE(policy_test_keeps_type_in_place),
#if IS_ENABLED(CONFIG_IRQ_MSI_IOMMU)
	KUNIT_CASE(policy_test_keeps_msi),
#endif
	{}
};

static struct kunit_suite policy_test_suite = {
	.name = "iommu-dma-iova-policy",
	.suite_init = policy_suite_init,
	.suite_exit = policy_suite_exit,
	.init = policy_test_init,
	.exit = policy_test_exit,
	.test_cases = policy_test_cases,
};

kunit_test_suites(&policy_test_suite);
