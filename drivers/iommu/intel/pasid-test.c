// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the PASID table of VT-d
 *
 * The driver changes PASID entries that the IOMMU may read and cache at any time.
 * These tests run the real code against a model of an IOMMU, which takes the
 * descriptors in place of the invalidation queue. The model caches all it has ever
 * read: the PASID entry, what the IOTLB has from it, and what the device has got by
 * ATS. It drops each only when it must. Whenever descriptors come in, before and
 * after it executes each, it looks up each PASID four times: with all that is
 * cached, without the Device-TLB, without the IOTLB too, and from memory. Each time
 * the result must be the page table from before the change, or the one from after
 * it, or a fault.
 *
 * In the end it must be the one from after it, whatever the caches hold.
 *
 * Other tests attach domains by the operations of the driver, at PASIDs and without
 * one. What is unmapped there must be in none of the caches afterwards.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/prandom.h>

#include "iommu.h"
#include "pasid.h"

/* The first and last entry of a table, the first one of the next, another one */
static const u32 pasids[] = { 1, 63, 64, 1000 };

#define NUM_PASIDS	ARRAY_SIZE(pasids)
#define NUM_DOMAINS	3
#define FIRST_DID	10
#define BUS		0x12
#define DEVFN		0x34
#define ATS_CAP		0x100
#define PASID_CAP	0x120

/* What PASIDs lead to by a domain: one of them for each kind of entry */
enum pasid_kind {
	KIND_FIRST_LEVEL,
	KIND_SECOND_LEVEL,
	KIND_NESTED,
	KIND_PASS_THROUGH,
	NUM_KINDS,
};

/* Not the address of a page table */
#define TO_NOTHING	0ULL
#define TO_PHYSICAL	1ULL

struct pasid_test_param {
	const char *name;
	bool coherent;
	/* It caches entries that are not present */
	bool caching_mode;
	bool ats;
};

static const struct pasid_test_param pasid_test_params[] = {
	{ "plain", .coherent = true },
	{ "not coherent" },
	{ "caching mode", .coherent = true, .caching_mode = true },
	{ "ATS and page requests", .coherent = true, .ats = true },
};

KUNIT_ARRAY_PARAM_DESC(pasid_test, pasid_test_params, name);

/* How much of the caches a lookup uses */
enum model_use {
	USE_ALL,
	USE_IOTLB,
	USE_PASID_CACHE,
	USE_NONE,
	NUM_USES,
};

struct model_domain {
	struct dmar_domain domain;
	struct iommu_domain_info ids;
	void *pgd;
	/* How often what it maps has changed */
	unsigned int version;
};

/* What is cached for a PASID */
struct model_pasid {
	bool has_entry;
	struct pasid_entry entry;
	u64 iotlb;
	u16 iotlb_did;
	u64 dev_tlb;
};

struct model {
	struct kunit *test;
	struct intel_iommu iommu;
	struct pci_sysdata sysdata;
	struct pci_bus bus;
	struct pci_dev pdev;
	struct dev_iommu dev_iommu;
	struct iommu_fault_param fault_param;
	struct device_domain_info info;
	struct model_domain domains[NUM_DOMAINS];
	struct dmar_domain nested[NUM_DOMAINS];

	struct model_pasid cache[NUM_PASIDS];
	/* What a lookup may find: to[0] before the change, to[1] after it */
	u64 to[2][NUM_PASIDS];
	/* Faults of the PASID must not be reported */
	bool quiet[NUM_PASIDS];
	/* Descriptors, those for a Device-TLB too, and drains of page requests */
	unsigned int descriptors;
	unsigned int dev_tlb_descriptors;
	unsigned int drains;
	/* The PASID whose page requests were drained last */
	u32 drained;
	/* Its domain has to be told of what is unmapped, till the IOMMU forgets it */
	struct dmar_domain *detaching;
	/* The control registers of the device, and writes to them */
	u16 ats_ctrl;
	u16 pasid_ctrl;
	unsigned int config_writes;
};

static struct pasid_entry *model_entry(struct model *model, unsigned int i)
{
	struct pasid_dir_entry *dir = model->info.pasid_table->table;
	struct pasid_entry *table;

	table = get_pasid_table_from_pde(&dir[pasids[i] >> PASID_PDE_SHIFT]);
	return table ? &table[pasids[i] & PASID_PTE_MASK] : NULL;
}

/* What a page table maps now is told by the low bits */
static u64 model_translate(struct model *model, u64 table)
{
	unsigned int n;

	for (n = 0; n != NUM_DOMAINS; n++)
		if (table == virt_to_phys(model->domains[n].pgd))
			return table + model->domains[n].version;
	return table;
}

static u64 entry_to(struct pasid_entry *entry)
{
	switch (pasid_pte_get_pgtt(entry)) {
	case PASID_ENTRY_PGTT_FL_ONLY:
	case PASID_ENTRY_PGTT_NESTED:
		return entry->val[2] & VTD_PAGE_MASK;
	case PASID_ENTRY_PGTT_SL_ONLY:
		return entry->val[0] & VTD_PAGE_MASK;
	default:
		return TO_PHYSICAL;
	}
}

/* The entry that a request is translated by: from the cache, or from memory */
static struct pasid_entry model_read(struct model *model, unsigned int i,
				     enum model_use use)
{
	const struct pasid_test_param *param = model->test->param_value;
	struct model_pasid *cache = &model->cache[i];
	struct pasid_entry *mem = model_entry(model, i);
	struct pasid_entry entry = {};

	if (use <= USE_PASID_CACHE && cache->has_entry)
		return cache->entry;
	if (mem)
		entry = *mem;
	if (!cache->has_entry &&
	    (pasid_pte_is_present(&entry) || param->caching_mode)) {
		cache->has_entry = true;
		cache->entry = entry;
	}
	return entry;
}

/* Where a request with a PASID goes */
static u64 model_lookup(struct model *model, unsigned int i, enum model_use use)
{
	const struct pasid_test_param *param = model->test->param_value;
	struct model_pasid *cache = &model->cache[i];
	struct pasid_entry entry;
	u64 to;

	if (use <= USE_ALL && cache->dev_tlb)
		return cache->dev_tlb;
	to = use <= USE_IOTLB ? cache->iotlb : TO_NOTHING;
	if (!to) {
		entry = model_read(model, i, use);
		if (!pasid_pte_is_present(&entry)) {
			if (model->quiet[i] &&
			    !pasid_pte_is_fault_disabled(&entry))
				KUNIT_FAIL(model->test,
					   "a fault of PASID %u is reported",
					   pasids[i]);
			return TO_NOTHING;
		}
		to = model_translate(model, entry_to(&entry));
		if (!cache->iotlb) {
			cache->iotlb = to;
			cache->iotlb_did = pasid_get_domain_id(&entry);
		}
	}
	if (param->ats && !cache->dev_tlb)
		cache->dev_tlb = to;
	return to;
}

/*
 * The IOMMU may be in the middle of reading an entry until it has been told that
 * it is no longer there. Till then only P and FPD change.
 */
static void model_look_torn(struct model *model, unsigned int i)
{
	struct pasid_entry *mem = model_entry(model, i);
	struct model_pasid *cache = &model->cache[i];
	u64 same = ~(u64)(PASID_PTE_PRESENT | PASID_PTE_FPD);

	if (!cache->has_entry || !pasid_pte_is_present(&cache->entry))
		return;
	if (((mem->val[0] ^ cache->entry.val[0]) & same) ||
	    memcmp(&mem->val[1], &cache->entry.val[1],
		   sizeof(*mem) - sizeof(mem->val[0])))
		KUNIT_FAIL(model->test,
			   "the entry of PASID %u changes while it may be read",
			   pasids[i]);
}

/* Look up all there is, in all ways. @done: the change is complete */
static void model_look(struct model *model, bool done)
{
	unsigned int i, use;

	for (i = 0; i != NUM_PASIDS; i++) {
		model_look_torn(model, i);
		for (use = 0; use != NUM_USES; use++) {
			u64 to = model_lookup(model, i, use);

			if (to == model->to[1][i])
				continue;
			/* What does not change never faults */
			if (!done && (to == model->to[0][i] ||
				      (to == TO_NOTHING &&
				       model->to[0][i] != model->to[1][i])))
				continue;
			KUNIT_FAIL(model->test,
				   "PASID %u leads to 0x%llx, not to 0x%llx, %s, caches %u",
				   pasids[i], to, model->to[1][i],
				   done ? "after the change" :
					  "during the change",
				   use);
		}
	}
	if (done)
		memcpy(model->to[0], model->to[1], sizeof(model->to[0]));
}

/* A field of a descriptor */
static u64 bits(u64 qw, unsigned int high, unsigned int low)
{
	return (qw & GENMASK_ULL(high, low)) >> low;
}

static void model_drop_entry(struct model_pasid *cache, u16 did)
{
	/* One that is not present belongs to no domain */
	if (!pasid_pte_is_present(&cache->entry) ||
	    pasid_get_domain_id(&cache->entry) == did)
		cache->has_entry = false;
}

static void model_execute(struct model *model, const struct qi_desc *desc)
{
	unsigned int type = bits(desc->qw0, 3, 0);
	u16 did = bits(desc->qw0, 31, 16);
	u32 pasid = bits(desc->qw0, 51, 32);
	unsigned int i;

	/* Fields of the descriptors of Device-TLBs are elsewhere */
	if (type == QI_DEIOTLB_TYPE) {
		model->dev_tlb_descriptors++;
		KUNIT_EXPECT_EQ(model->test, PCI_DEVID(BUS, DEVFN), did);
		KUNIT_EXPECT_TRUE(model->test, desc->qw1 & QI_DEV_EIOTLB_SIZE);
	}
	for (i = 0; i != NUM_PASIDS; i++) {
		struct model_pasid *cache = &model->cache[i];

		switch (type) {
		case QI_PC_TYPE:
			KUNIT_EXPECT_EQ(model->test, QI_PC_PASID_SEL,
					bits(desc->qw0, 5, 4));
			if (pasids[i] == pasid)
				model_drop_entry(cache, did);
			break;
		case QI_EIOTLB_TYPE:
			KUNIT_EXPECT_EQ(model->test, QI_GRAN_NONG_PASID,
					bits(desc->qw0, 5, 4));
			if (pasids[i] == pasid && cache->iotlb_did == did)
				cache->iotlb = TO_NOTHING;
			break;
		case QI_IOTLB_TYPE:
			/* Of a domain; 1 is all of them */
			KUNIT_EXPECT_EQ(model->test, 2, bits(desc->qw0, 5, 4));
			if (cache->iotlb_did == did)
				cache->iotlb = TO_NOTHING;
			break;
		case QI_DEIOTLB_TYPE:
			if (pasids[i] == pasid)
				cache->dev_tlb = TO_NOTHING;
			break;
		case QI_DIOTLB_TYPE:
			/* Without a PASID it is for all of them */
			cache->dev_tlb = TO_NOTHING;
			break;
		case QI_IWD_TYPE:
			break;
		default:
			KUNIT_FAIL(model->test, "unexpected descriptor 0x%llx",
				   desc->qw0);
			return;
		}
	}
}

/* In place of the invalidation queue */
static int model_submit(struct intel_iommu *iommu, struct qi_desc *desc,
			unsigned int count, unsigned long options)
{
	struct model *model = container_of(iommu, struct model, iommu);
	struct kunit *test = kunit_get_current_test();
	unsigned int i;

	/* An interrupt may want to invalidate those of a real IOMMU */
	if (test->priv != model)
		return 0;
	if (model->detaching)
		KUNIT_EXPECT_FALSE(test,
				   list_empty(&model->detaching->cache_tags));
	for (i = 0; i != count; i++) {
		model_look(model, false);
		model_execute(model, &desc[i]);
		model->descriptors++;
		model_look(model, false);
	}
	if (options & QI_OPT_WAIT_DRAIN) {
		KUNIT_EXPECT_EQ(test, QI_IWD_TYPE, bits(desc[0].qw0, 3, 0));
		model->drained = bits(desc[1].qw0, 51, 32);
		model->drains++;
	}
	return 0;
}

static int model_config_read(struct pci_bus *bus, unsigned int devfn, int where,
			     int size, u32 *val)
{
	struct model *model = container_of(bus, struct model, bus);

	switch (where) {
	case ATS_CAP + PCI_ATS_CAP:
		*val = PCI_ATS_CAP_PAGE_ALIGNED;
		break;
	case ATS_CAP + PCI_ATS_CTRL:
		*val = model->ats_ctrl;
		break;
	default:
		/* It is there */
		*val = 0x11223344;
		break;
	}
	return PCIBIOS_SUCCESSFUL;
}

static int model_config_write(struct pci_bus *bus, unsigned int devfn,
			      int where, int size, u32 val)
{
	struct model *model = container_of(bus, struct model, bus);

	model->config_writes++;
	switch (where) {
	case ATS_CAP + PCI_ATS_CTRL:
		model->ats_ctrl = val;
		break;
	case PASID_CAP + PCI_PASID_CTRL:
		KUNIT_EXPECT_FALSE_MSG(model->test,
				       model->ats_ctrl & PCI_ATS_CTRL_ENABLE,
				       "PASIDs change while ATS is on");
		model->pasid_ctrl = val;
		break;
	default:
		KUNIT_FAIL(model->test, "a write to 0x%x", where);
		break;
	}
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops model_pci_ops = {
	.read = model_config_read,
	.write = model_config_write,
};

static void model_init_iommu(struct model *model)
{
	const struct pasid_test_param *param = model->test->param_value;
	struct intel_iommu *iommu = &model->iommu;

	/* First and second level, nested, passthrough, SMPWC */
	iommu->ecap = BIT_ULL(47) | BIT_ULL(46) | BIT_ULL(26) | BIT_ULL(6) |
		      BIT_ULL(48);
	/* Scalable mode, PASIDs of 20 bits, queued invalidation */
	iommu->ecap |= BIT_ULL(43) | BIT_ULL(40) | (19ULL << 35) | BIT_ULL(1);
	/* Addresses of 48 bits */
	iommu->cap = 47ULL << 16;
	if (param->coherent)
		iommu->ecap |= BIT_ULL(0);
	if (param->caching_mode)
		iommu->cap |= BIT_ULL(7);
	iommu->gcmd = DMA_GCMD_TE;
	iommu->agaw = 2;
	iommu->node = NUMA_NO_NODE;
	/* All zero: there is no page request in the queue */
	iommu->reg = (void __iomem *)kunit_kzalloc(model->test, PAGE_SIZE,
						   GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(model->test, (void __force *)iommu->reg);
	iommu->flush.flush_iotlb = qi_flush_iotlb;
	spin_lock_init(&iommu->lock);
	init_waitqueue_head(&iommu->prq_wait);
}

static void model_init_device(struct model *model)
{
	const struct pasid_test_param *param = model->test->param_value;
	struct device *dev = &model->pdev.dev;

	model->bus.ops = &model_pci_ops;
	model->bus.number = BUS;
	model->bus.sysdata = &model->sysdata;
	model->pdev.bus = &model->bus;
	model->pdev.devfn = DEVFN;
	model->pdev.error_state = pci_channel_io_normal;
	/* An endpoint on the root bus */
	model->pdev.pcie_cap = 0x40;
	model->pdev.ats_cap = ATS_CAP;
	model->pdev.pasid_cap = PASID_CAP;
	model->pdev.eetlp_prefix_path = 1;
	dev->bus = &pci_bus_type;
	dev->iommu = &model->dev_iommu;
	model->dev_iommu.priv = &model->info;

	model->info.dev = dev;
	model->info.iommu = &model->iommu;
	model->info.bus = BUS;
	model->info.devfn = DEVFN;
	model->info.ats_enabled = param->ats;
	model->info.pri_enabled = param->ats;
	model->fault_param.queue = iopf_queue_alloc("intel-pasid-test");
	KUNIT_ASSERT_NOT_NULL(model->test, model->fault_param.queue);
	rcu_assign_pointer(model->dev_iommu.fault_param, &model->fault_param);
}

static void model_init_domains(struct model *model)
{
	unsigned int i;

	for (i = 0; i != NUM_DOMAINS; i++) {
		struct model_domain *d = &model->domains[i];
		struct dmar_domain *nested = &model->nested[i];

		d->pgd = kunit_kzalloc(model->test, PAGE_SIZE, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(model->test, d->pgd);
		d->ids.did = FIRST_DID + i;
		/* It keeps the ID while it is attached to nothing */
		d->ids.refcnt = 1;
		INIT_LIST_HEAD(&d->domain.devices);
		INIT_LIST_HEAD(&d->domain.dev_pasids);
		INIT_LIST_HEAD(&d->domain.cache_tags);
		spin_lock_init(&d->domain.lock);
		spin_lock_init(&d->domain.cache_lock);
		d->domain.domain.type = IOMMU_DOMAIN_UNMANAGED;
		d->domain.domain.ops = intel_iommu_ops.default_domain_ops;
		d->domain.domain.pgsize_bitmap = SZ_4K;
		d->domain.pgd = d->pgd;
		d->domain.agaw = model->iommu.agaw;
		xa_store(&d->domain.iommu_array, model->iommu.seq_id, &d->ids,
			 GFP_KERNEL);

		nested->s2_domain = &d->domain;
		nested->s1_pgtbl = (unsigned long)(i + 1) << 32;
		nested->s1_cfg.addr_width = ADDR_WIDTH_4LEVEL;
		xa_store(&nested->iommu_array, model->iommu.seq_id, &d->ids,
			 GFP_KERNEL);
	}
}

/* What the kernel was booted with */
static int scalable_mode;

static int pasid_test_init(struct kunit *test)
{
	struct model *model;
	unsigned int i;

	model = kunit_kzalloc(test, sizeof(*model), GFP_KERNEL);
	if (!model)
		return -ENOMEM;
	model->test = test;
	for (i = 0; i != NUM_DOMAINS; i++) {
		xa_init(&model->domains[i].domain.iommu_array);
		xa_init(&model->nested[i].iommu_array);
	}
	test->priv = model;
	scalable_mode = intel_iommu_sm;
	intel_iommu_sm = 1;
	model_init_iommu(model);
	model_init_device(model);
	model_init_domains(model);
	kunit_activate_static_stub(test, qi_submit_sync, model_submit);
	return intel_pasid_alloc_table(&model->pdev.dev);
}

static void pasid_test_exit(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int i;

	if (!model)
		return;
	if (model->pdev.dev.iommu)
		intel_pasid_free_table(&model->pdev.dev);
	intel_iommu_sm = scalable_mode;
	for (i = 0; i != NUM_DOMAINS; i++) {
		kfree(model->domains[i].domain.qi_batch);
		xa_destroy(&model->domains[i].domain.iommu_array);
		xa_destroy(&model->nested[i].iommu_array);
	}
	iopf_queue_free(model->fault_param.queue);
}

static u64 kind_to(struct model *model, enum pasid_kind kind, unsigned int n)
{
	switch (kind) {
	case KIND_NESTED:
		return model->nested[n].s1_pgtbl;
	case KIND_PASS_THROUGH:
		return TO_PHYSICAL;
	default:
		return virt_to_phys(model->domains[n].pgd);
	}
}

static int model_try_set(struct model *model, unsigned int i,
			 enum pasid_kind kind, unsigned int n)
{
	struct model_domain *d = &model->domains[n];
	struct intel_iommu *iommu = &model->iommu;
	struct device *dev = &model->pdev.dev;

	switch (kind) {
	case KIND_FIRST_LEVEL:
		return intel_pasid_setup_first_level(iommu, dev, d->pgd,
						     pasids[i], d->ids.did, 0);
	case KIND_SECOND_LEVEL:
		return intel_pasid_setup_second_level(iommu, &d->domain, dev,
						      pasids[i]);
	case KIND_NESTED:
		return intel_pasid_setup_nested(iommu, dev, pasids[i],
						&model->nested[n]);
	default:
		return intel_pasid_setup_pass_through(iommu, dev, pasids[i]);
	}
}

/* Let a PASID that leads to nothing lead to domain @n */
static void model_set(struct model *model, unsigned int i, enum pasid_kind kind,
		      unsigned int n)
{
	/* Not by whom it was used before */
	model->quiet[i] = false;
	model->to[1][i] = kind_to(model, kind, n);
	KUNIT_EXPECT_EQ(model->test, 0, model_try_set(model, i, kind, n));
	model_look(model, true);
}

static void expect_entry(struct model *model, unsigned int i, u64 val0)
{
	struct pasid_entry want = { .val[0] = val0 };

	KUNIT_EXPECT_MEMEQ(model->test, &want, model_entry(model, i),
			   sizeof(want));
}

/* A driver detaches the domain of a PASID: nothing is left of it anywhere */
static void model_tear_down(struct model *model, unsigned int i)
{
	const struct pasid_test_param *param = model->test->param_value;
	unsigned int drains = model->drains;

	model->quiet[i] = false;
	model->to[1][i] = TO_NOTHING;
	intel_pasid_tear_down_entry(&model->iommu, &model->pdev.dev, pasids[i],
				    false);
	model_look(model, true);
	expect_entry(model, i, 0);
	KUNIT_EXPECT_EQ(model->test, drains + param->ats, model->drains);
	if (param->ats)
		KUNIT_EXPECT_EQ(model->test, pasids[i], model->drained);
}

/*
 * The process of a PASID ends: the device may go on, and must not be heard. Page
 * requests cannot be waited for there.
 */
static void model_mm_release(struct model *model, unsigned int i)
{
	unsigned int drains = model->drains;

	/* As long as it is translated there is nothing to report */
	model->quiet[i] = true;
	model->to[1][i] = TO_NOTHING;
	intel_pasid_tear_down_entry(&model->iommu, &model->pdev.dev, pasids[i],
				    true);
	model_look(model, true);
	expect_entry(model, i, PASID_PTE_FPD);
	KUNIT_EXPECT_EQ(model->test, drains, model->drains);
}

static void model_set_all(struct model *model, enum pasid_kind kind)
{
	unsigned int i;

	for (i = 0; i != NUM_PASIDS; i++)
		model_set(model, i, kind, i % NUM_DOMAINS);
}

/* Each PASID is detached, the others stay where they are */
static void pasid_test_detach(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int kind, i;

	for (kind = 0; kind != NUM_KINDS; kind++) {
		model_set_all(model, kind);
		for (i = 0; i != NUM_PASIDS; i++)
			model_tear_down(model, i);
	}
}

/* Used again by another domain, it leads there and nowhere else */
static void pasid_test_reuse(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int from, to, i;

	for (from = 0; from != NUM_KINDS; from++)
		for (to = 0; to != NUM_KINDS; to++) {
			model_set_all(model, from);
			for (i = 0; i != NUM_PASIDS; i++) {
				model_tear_down(model, i);
				model_set(model, i, to, (i + 1) % NUM_DOMAINS);
			}
			for (i = 0; i != NUM_PASIDS; i++)
				model_tear_down(model, i);
		}
}

/*
 * A process ends before its PASID is detached. Between the two its entry says that
 * page requests may be on their way, and detaching waits for them.
 */
static void pasid_test_mm_release(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int i;

	model_set_all(model, KIND_FIRST_LEVEL);
	for (i = 0; i != NUM_PASIDS; i++)
		model_mm_release(model, i);
	for (i = 0; i != NUM_PASIDS; i++)
		model_tear_down(model, i);
	model_set_all(model, KIND_FIRST_LEVEL);
}

/* What is there is not overwritten: it is an error, and nothing happens */
static void pasid_test_busy(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int descriptors;
	unsigned int from, to, i;

	for (from = 0; from != NUM_KINDS; from++) {
		model_set_all(model, from);
		descriptors = model->descriptors;
		for (to = 0; to != NUM_KINDS; to++)
			for (i = 0; i != NUM_PASIDS; i++)
				KUNIT_EXPECT_EQ(test, -EBUSY,
						model_try_set(model, i, to, 0));
		KUNIT_EXPECT_EQ(test, descriptors, model->descriptors);
		model_look(model, true);
		for (i = 0; i != NUM_PASIDS; i++)
			model_tear_down(model, i);
	}
}

/* What was never there, or is gone already, takes no invalidation */
static void pasid_test_detach_twice(struct kunit *test)
{
	struct model *model = test->priv;
	struct device *dev = &model->pdev.dev;
	unsigned int descriptors, i;

	for (i = 0; i != NUM_PASIDS; i++)
		intel_pasid_tear_down_entry(&model->iommu, dev, pasids[i],
					    false);
	KUNIT_EXPECT_EQ(test, 0, model->descriptors);
	model_set_all(model, KIND_SECOND_LEVEL);
	for (i = 0; i != NUM_PASIDS; i++)
		model_tear_down(model, i);
	descriptors = model->descriptors;
	for (i = 0; i != NUM_PASIDS; i++)
		intel_pasid_tear_down_entry(&model->iommu, dev, pasids[i],
					    false);
	KUNIT_EXPECT_EQ(test, descriptors, model->descriptors);
	model_look(model, true);
}

/* All of it, in any order */
static void pasid_test_random(struct kunit *test)
{
	enum { FREE, ATTACHED, RELEASED } state[NUM_PASIDS] = {};
	struct model *model = test->priv;
	struct rnd_state rnd;
	unsigned int step;

	prandom_seed_state(&rnd, 12);
	for (step = 0; step != 2000; step++) {
		unsigned int i = prandom_u32_state(&rnd) % NUM_PASIDS;
		unsigned int kind = prandom_u32_state(&rnd) % NUM_KINDS;
		unsigned int n = prandom_u32_state(&rnd) % NUM_DOMAINS;

		if (state[i] == FREE) {
			model_set(model, i, kind, n);
			state[i] = ATTACHED;
		} else if (state[i] == ATTACHED && n == 0) {
			model_mm_release(model, i);
			state[i] = RELEASED;
		} else {
			model_tear_down(model, i);
			state[i] = FREE;
		}
		if (test->status == KUNIT_FAILURE)
			return;
	}
}

/* What is done when the device is probed. Then a driver may enable page requests. */
static void model_probe(struct model *model)
{
	const struct pasid_test_param *param = model->test->param_value;
	struct device_domain_info *info = &model->info;

	info->ats_enabled = false;
	info->ats_supported = param->ats;
	info->pasid_supported = 1;
	intel_iommu_enable_sm_caps(info);
	KUNIT_EXPECT_EQ(model->test, PCI_PASID_CTRL_ENABLE, model->pasid_ctrl);
	KUNIT_EXPECT_EQ(model->test, param->ats,
			!!(model->ats_ctrl & PCI_ATS_CTRL_ENABLE));
	model->config_writes = 0;
}

static void model_release(struct model *model)
{
	unsigned int n;

	KUNIT_EXPECT_EQ(model->test, 0, model->config_writes);
	for (n = 0; n != NUM_DOMAINS; n++) {
		struct dmar_domain *domain = &model->domains[n].domain;

		KUNIT_EXPECT_TRUE(model->test, list_empty(&domain->cache_tags));
		KUNIT_EXPECT_TRUE(model->test, list_empty(&domain->dev_pasids));
		KUNIT_EXPECT_EQ(model->test, 1, model->domains[n].ids.refcnt);
	}
	intel_iommu_disable_sm_caps(&model->info);
	KUNIT_EXPECT_EQ(model->test, 0, model->pasid_ctrl);
	KUNIT_EXPECT_FALSE(model->test, model->ats_ctrl & PCI_ATS_CTRL_ENABLE);
}

static struct iommu_domain *model_domain(struct model *model, unsigned int n)
{
	return &model->domains[n].domain.domain;
}

/* Without a PASID. The PASIDs do not notice. */
static void model_attach_rid(struct model *model, unsigned int n)
{
	struct iommu_domain *domain = model_domain(model, n);

	KUNIT_EXPECT_EQ(model->test, 0,
			domain->ops->attach_dev(domain, &model->pdev.dev));
	model_look(model, true);
}

static void model_detach_rid(struct model *model)
{
	struct iommu_domain *blocked = intel_iommu_ops.blocked_domain;

	KUNIT_EXPECT_EQ(model->test, 0,
			blocked->ops->attach_dev(blocked, &model->pdev.dev));
	model_look(model, true);
}

/* In place of @old, which is NULL if there is nothing */
static void model_replace(struct model *model, unsigned int i, unsigned int n,
			  struct iommu_domain *old)
{
	struct iommu_domain *domain = model_domain(model, n);

	model->to[1][i] = model_translate(model,
					  virt_to_phys(model->domains[n].pgd));
	KUNIT_EXPECT_EQ(model->test, 0,
			domain->ops->set_dev_pasid(domain, &model->pdev.dev,
						   pasids[i], old));
	model_look(model, true);
}

static void model_attach(struct model *model, unsigned int i, unsigned int n)
{
	model_replace(model, i, n, NULL);
}

static void model_detach(struct model *model, unsigned int i, unsigned int n)
{
	model->to[1][i] = TO_NOTHING;
	model->detaching = &model->domains[n].domain;
	intel_iommu_ops.remove_dev_pasid(&model->pdev.dev, pasids[i],
					 model_domain(model, n));
	model->detaching = NULL;
	model_look(model, true);
}

static bool model_is_at(struct model *model, unsigned int i, unsigned int n)
{
	u64 table = virt_to_phys(model->domains[n].pgd);

	return (model->to[0][i] & VTD_PAGE_MASK) == table;
}

/* What the domain maps changes, for the PASIDs that are attached to it */
static void model_change(struct model *model, unsigned int n)
{
	unsigned int i;

	model->domains[n].version++;
	for (i = 0; i != NUM_PASIDS; i++)
		if (model_is_at(model, i, n))
			model->to[1][i]++;
}

/* From now on nobody finds what was there, whatever it has cached */
static void model_unmap(struct model *model, unsigned int n)
{
	model_change(model, n);
	cache_tag_flush_range(&model->domains[n].domain, 0, SZ_2M - 1, 0);
	model_look(model, true);
}

/* As an IOMMU in caching mode knows that there was nothing, it has to be told */
static void model_map(struct model *model, unsigned int n)
{
	const struct pasid_test_param *param = model->test->param_value;
	struct iommu_domain *domain = model_domain(model, n);
	unsigned int descriptors = model->descriptors;

	if (param->caching_mode)
		model_change(model, n);
	KUNIT_EXPECT_EQ(model->test, 0,
			domain->ops->iotlb_sync_map(domain, 0, SZ_4K));
	if (!param->caching_mode)
		KUNIT_EXPECT_EQ(model->test, descriptors, model->descriptors);
	model_look(model, true);
}

static void model_unmap_all(struct model *model)
{
	unsigned int n;

	for (n = 0; n != NUM_DOMAINS; n++)
		model_unmap(model, n);
}

/* Domains come and go without a PASID: to those at PASIDs it is all the same */
static void pasid_test_rid(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int i, round;

	model_probe(model);
	for (round = 0; round != 4; round++) {
		/* The PASIDs first, or after another domain, or that domain */
		if (round)
			model_attach_rid(model, 0);
		if (round == 2)
			model_detach_rid(model);
		for (i = 0; i != NUM_PASIDS; i++)
			model_attach(model, i, i % NUM_DOMAINS);
		model_unmap_all(model);
		model_attach_rid(model, 1);
		model_unmap_all(model);
		model_attach_rid(model, 2);
		model_unmap_all(model);
		model_detach_rid(model);
		model_unmap_all(model);
		if (round == 3)
			model_attach_rid(model, 1);
		for (i = 0; i != NUM_PASIDS; i++)
			model_detach(model, i, i % NUM_DOMAINS);
		model_detach_rid(model);
	}
	model_release(model);
}

/* Wherever they go, what is unmapped there, and where they were, is gone */
static void pasid_test_replace(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int i, n;

	model_probe(model);
	for (i = 0; i != NUM_PASIDS; i++)
		model_attach(model, i, 0);
	for (n = 1; n != 2 * NUM_DOMAINS; n++) {
		for (i = 0; i != NUM_PASIDS; i++) {
			model_replace(model, i, n % NUM_DOMAINS,
				      model_domain(model,
						   (n - 1) % NUM_DOMAINS));
			model_unmap_all(model);
		}
		model_attach_rid(model, n % NUM_DOMAINS);
	}
	model_detach_rid(model);
	for (i = 0; i != NUM_PASIDS; i++)
		model_detach(model, i, (n - 1) % NUM_DOMAINS);
	model_release(model);
}

/* An attach without a PASID that fails takes nothing from those at PASIDs */
static void pasid_test_rid_fails(struct kunit *test)
{
	struct model *model = test->priv;
	struct iommu_domain *domain = model_domain(model, 0);
	u64 ecap = model->iommu.ecap;
	unsigned int i;

	model_probe(model);
	for (i = 0; i != NUM_PASIDS; i++)
		model_attach(model, i, 0);
	/* Nothing is translated by a second level for a moment */
	model->iommu.ecap &= ~BIT_ULL(46);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			domain->ops->attach_dev(domain, &model->pdev.dev));
	model->iommu.ecap = ecap;
	for (i = 0; i != NUM_PASIDS; i++) {
		model_unmap(model, 0);
		model_detach(model, i, 0);
	}
	model_release(model);
}

/* Something is mapped after the domain was attached, at PASIDs and nowhere else */
static void pasid_test_map(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int i, n;

	model_probe(model);
	for (i = 0; i != NUM_PASIDS; i++)
		model_attach(model, i, i % NUM_DOMAINS);
	for (n = 0; n != NUM_DOMAINS; n++)
		model_map(model, n);
	for (i = 0; i != NUM_PASIDS; i++)
		model_detach(model, i, i % NUM_DOMAINS);
	model_release(model);
}

/* The least of all IOMMUs takes 16 bits: all that is larger is refused */
static void pasid_test_no_room(struct kunit *test)
{
	static const u32 too_large[] = { 1 << 16, (1 << 16) + 1, (1 << 20) - 1 };
	struct model *model = test->priv;
	struct iommu_domain *domain = model_domain(model, 0);
	struct iommu_domain *identity = intel_iommu_ops.identity_domain;
	struct device *dev = &model->pdev.dev;
	u32 max_id = intel_pasid_max_id;
	unsigned int i;

	/* Not enabled yet */
	KUNIT_EXPECT_EQ(test, 0, intel_iommu_ops.get_max_pasids(dev));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			domain->ops->set_dev_pasid(domain, dev, 1, NULL));

	intel_pasid_free_table(dev);
	intel_pasid_max_id = 1 << 16;
	model->info.pasid_supported = 1;
	KUNIT_EXPECT_EQ(test, 0, intel_pasid_alloc_table(dev));
	model_probe(model);
	KUNIT_EXPECT_EQ(test, 1 << 16, intel_iommu_ops.get_max_pasids(dev));
	for (i = 0; i != ARRAY_SIZE(too_large); i++) {
		KUNIT_EXPECT_EQ(test, -EINVAL,
				domain->ops->set_dev_pasid(domain, dev,
							   too_large[i], NULL));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				identity->ops->set_dev_pasid(identity, dev,
							     too_large[i],
							     NULL));
	}
	model_attach(model, 0, 0);
	model_detach(model, 0, 0);
	model_release(model);
	intel_pasid_max_id = max_id;
}

/* One IOTLB, however many PASIDs: it is invalidated once for all of them */
static void pasid_test_one_iotlb(struct kunit *test)
{
	const struct pasid_test_param *param = test->param_value;
	struct model *model = test->priv;
	unsigned int i, attached;

	model_probe(model);
	for (i = 0; i != NUM_PASIDS; i++)
		model_attach(model, i, 0);
	/* Whichever is detached, it stays as long as there is one */
	for (attached = NUM_PASIDS; attached; attached--) {
		model->descriptors = 0;
		model->dev_tlb_descriptors = 0;
		model_unmap(model, 0);
		KUNIT_EXPECT_EQ(test, param->ats ? attached : 0,
				model->dev_tlb_descriptors);
		KUNIT_EXPECT_EQ(test, 1, model->descriptors -
					 model->dev_tlb_descriptors);
		model_detach(model, NUM_PASIDS - attached, 0);
	}
	model_release(model);
}

static struct kunit_case pasid_test_cases[] = {
	KUNIT_CASE_PARAM(pasid_test_detach, pasid_test_gen_params),
	KUNIT_CASE_PARAM(pasid_test_reuse, pasid_test_gen_params),
	KUNIT_CASE_PARAM(pasid_test_mm_release, pasid_test_gen_params),
	KUNIT_CASE_PARAM(pasid_test_busy, pasid_test_gen_params),
	KUNIT_CASE_PARAM(pasid_test_detach_twice, pasid_test_gen_params),
	KUNIT_CASE_PARAM(pasid_test_random, pasid_test_gen_params),
	KUNIT_CASE_PARAM(pasid_test_rid, pasid_test_gen_params),
	KUNIT_CASE_PARAM(pasid_test_replace, pasid_test_gen_params),
	KUNIT_CASE_PARAM(pasid_test_rid_fails, pasid_test_gen_params),
	KUNIT_CASE_PARAM(pasid_test_map, pasid_test_gen_params),
	KUNIT_CASE_PARAM(pasid_test_no_room, pasid_test_gen_params),
	KUNIT_CASE_PARAM(pasid_test_one_iotlb, pasid_test_gen_params),
	{},
};

static struct kunit_suite pasid_test_suite = {
	.name = "intel-pasid",
	.init = pasid_test_init,
	.exit = pasid_test_exit,
	.test_cases = pasid_test_cases,
};

kunit_test_suite(pasid_test_suite);

MODULE_DESCRIPTION("KUnit tests of the PASID table of VT-d");
MODULE_LICENSE("GPL");
