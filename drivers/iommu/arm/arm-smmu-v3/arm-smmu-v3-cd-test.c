// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for the CD tables of arm-smmu-v3
 *
 * The driver changes CD tables that the SMMU may read and cache at any time.
 * These tests run the real code against a model of the SMMU, which takes the
 * commands in place of the queue. The model caches all it has ever read and drops
 * it only when it must, by Arm IHI 0070 4.3: as hostile as the architecture
 * allows. Whenever commands come in, before and after it executes them, it looks
 * up each stream and SSID four times: with all that it has in its caches, without
 * the CDs, without the L1CDs too, and from memory. Each time the result must be
 * the CD from before the change or the one from after it.
 *
 * In the end it must be the one from after it, whatever the caches hold.
 *
 * With domains of the driver at PASIDs, the model has a TLB too, by ASID, and the
 * device has an ATC. Then the lookups end with the page table that DMA reaches.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/io-pgtable.h>
#include <linux/lockdep.h>
#include <linux/mmu_notifier.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>

#include "arm-smmu-v3.h"

#define NUM_STREAMS 2
/* SSID 0 and PASIDs: in its L2 table, the first and last; in another one */
#define NUM_SSIDS 4
#define MAX_ALLOCS 8
#define NUM_ASIDS 64

/* Allocations get bus addresses from here on, far apart */
#define DMA_BASE 0x100000000ULL
#define DMA_STEP 0x1000000ULL

struct model_mem {
	void *mem;
	size_t size;
	dma_addr_t dma;
};

/* What the SMMU has cached for a SSID of a stream, and for the stream */
struct model_ssid {
	bool has_l1;
	bool has_cd;
	u64 l1;
	struct arm_smmu_cd cd;
	/* The page table behind what the device got by ATS, 0 if there is none */
	u64 atc;
};

/* What the TLB has of an ASID: a page table, 0 if there is none */
struct model_tlb {
	u16 asid;
	u64 ttb;
};

struct model_stream {
	bool has_ste;
	struct arm_smmu_ste ste;
	struct model_ssid ssids[NUM_SSIDS];
};

/* How much of the caches a lookup uses */
enum model_use {
	USE_ALL,
	USE_L1,
	USE_STE,
	USE_NONE,
	NUM_USES,
};

struct model {
	struct kunit *test;
	struct pci_dev pdev;
	struct dev_iommu dev_iommu;
	struct iommu_fwspec fwspec;
	struct arm_smmu_device smmu;
	struct arm_smmu_master master;
	struct arm_smmu_stream streams[NUM_STREAMS];
	struct arm_smmu_ste stes[NUM_STREAMS];
	struct model_stream cache[NUM_STREAMS];

	u32 ssids[NUM_SSIDS];
	unsigned int num_ssids;
	/* What a lookup may find: cds[0] before the change, cds[1] after it */
	struct arm_smmu_cd cds[2][NUM_SSIDS];
	/* No lookup may end in a fault */
	bool hitless;

	/* Domains of the driver are at PASIDs */
	bool domains;
	/* What DMA may reach, as with cds: 0 is a fault */
	u64 to[2][NUM_SSIDS];
	struct model_tlb tlb[NUM_ASIDS];

	struct model_mem allocs[MAX_ALLOCS];
	unsigned int num_allocs;
	/* This many more succeed */
	unsigned int allocs_left;
	/* CMD_SYNCs since it was last set to zero */
	unsigned int syncs;
};

enum cd_format {
	/* No PASIDs */
	FORMAT_SINGLE,
	FORMAT_LINEAR,
	FORMAT_L2,
};

struct cd_test_param {
	const char *name;
	enum cd_format format;
	/* PASIDs are in use while the CD of SSID 0 changes */
	bool pasids;
};

static const struct cd_test_param cd_test_params[] = {
	{ "one CD", FORMAT_SINGLE, false },
	{ "linear", FORMAT_LINEAR, false },
	{ "linear, PASIDs in use", FORMAT_LINEAR, true },
	{ "two levels", FORMAT_L2, false },
	{ "two levels, PASIDs in use", FORMAT_L2, true },
};

KUNIT_ARRAY_PARAM_DESC(cd_test, cd_test_params, name);

static const struct cd_test_param pasid_test_params[] = {
	{ "linear", FORMAT_LINEAR, true },
	{ "two levels", FORMAT_L2, true },
};

KUNIT_ARRAY_PARAM_DESC(pasid_test, pasid_test_params, name);

/* The SMMU reads memory by bus address, within what has been allocated */
static void *model_read(struct model *model, dma_addr_t dma, size_t size)
{
	unsigned int i;

	for (i = 0; i != model->num_allocs; i++) {
		struct model_mem *mem = &model->allocs[i];

		if (dma >= mem->dma && dma - mem->dma + size <= mem->size)
			return mem->mem + (dma - mem->dma);
	}
	KUNIT_FAIL(model->test, "the SMMU reads %pad, which is not a table",
		   &dma);
	return NULL;
}

static bool model_lookup_ste(struct model *model, unsigned int stream,
			     enum model_use use, struct arm_smmu_ste *ste)
{
	struct model_stream *cache = &model->cache[stream];

	*ste = use != USE_NONE && cache->has_ste ? cache->ste :
						   model->stes[stream];
	if (!cache->has_ste) {
		cache->ste = *ste;
		cache->has_ste = true;
	}
	return FIELD_GET(STRTAB_STE_0_CFG, le64_to_cpu(ste->data[0])) ==
	       STRTAB_STE_0_CFG_S1_TRANS;
}

/* From the STE to the table that the CD is in. False: it is a fault */
static bool model_lookup_l1(struct model *model, const struct arm_smmu_ste *ste,
			    u32 ssid, struct model_ssid *cache,
			    enum model_use use, dma_addr_t *table, u32 *idx)
{
	u64 ste0 = le64_to_cpu(ste->data[0]);
	dma_addr_t ctxptr = ste0 & STRTAB_STE_0_S1CTXPTR_MASK;
	__le64 *l1tab;
	u64 l1;

	if (ssid >= 1U << FIELD_GET(STRTAB_STE_0_S1CDMAX, ste0))
		return false;
	if (FIELD_GET(STRTAB_STE_0_S1FMT, ste0) == STRTAB_STE_0_S1FMT_LINEAR) {
		/* The SMMU ignores the bits below the size of the table */
		KUNIT_EXPECT_TRUE(model->test,
				  IS_ALIGNED(ctxptr, sizeof(struct arm_smmu_cd)
					     << FIELD_GET(STRTAB_STE_0_S1CDMAX,
							  ste0)));
		*table = ctxptr;
		*idx = ssid;
		return true;
	}

	l1tab = model_read(model,
			   ctxptr + arm_smmu_cdtab_l1_idx(ssid) * sizeof(l1),
			   sizeof(l1));
	if (!l1tab)
		return false;
	l1 = use <= USE_L1 && cache->has_l1 ? cache->l1 : le64_to_cpu(*l1tab);
	if (!cache->has_l1) {
		cache->l1 = l1;
		cache->has_l1 = true;
	}
	*table = l1 & CTXDESC_L1_DESC_L2PTR_MASK;
	*idx = arm_smmu_cdtab_l2_idx(ssid);
	return l1 & CTXDESC_L1_DESC_V;
}

/* The CD that a transaction is translated by, all zero if it is a fault */
static struct arm_smmu_cd model_lookup(struct model *model, unsigned int stream,
				       unsigned int i, enum model_use use)
{
	struct model_ssid *cache = &model->cache[stream].ssids[i];
	struct arm_smmu_cd fault = {};
	struct arm_smmu_ste ste;
	struct arm_smmu_cd *cd = &cache->cd;
	dma_addr_t table;
	u32 idx;

	if (!model_lookup_ste(model, stream, use, &ste))
		return fault;
	if (use == USE_ALL && cache->has_cd)
		goto found;
	if (!model_lookup_l1(model, &ste, model->ssids[i], cache, use, &table,
			     &idx))
		return fault;
	cd = model_read(model, table + idx * sizeof(*cd), sizeof(*cd));
	if (!cd)
		return fault;
	if (!cache->has_cd) {
		cache->cd = *cd;
		cache->has_cd = true;
	}
found:
	return cd->data[0] & cpu_to_le64(CTXDESC_CD_0_V) ? *cd : fault;
}

static bool model_is(const struct arm_smmu_cd *a, const struct arm_smmu_cd *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static u64 *model_tlb(struct model *model, u16 asid)
{
	unsigned int i;

	for (i = 0; i != NUM_ASIDS; i++)
		if (!model->tlb[i].ttb || model->tlb[i].asid == asid)
			break;
	KUNIT_ASSERT_LT(model->test, i, NUM_ASIDS);
	model->tlb[i].asid = asid;
	return &model->tlb[i].ttb;
}

/* The page table that DMA reaches by a CD */
static u64 model_translate(struct model *model, const struct arm_smmu_cd *cd)
{
	u64 cd0 = le64_to_cpu(cd->data[0]);
	u64 *ttb;

	if (!(cd0 & CTXDESC_CD_0_V))
		return 0;
	/* EPD0 disables walks of the table, not what has been walked */
	ttb = model_tlb(model, FIELD_GET(CTXDESC_CD_0_ASID, cd0));
	if (!*ttb && !(cd0 & CTXDESC_CD_0_TCR_EPD0))
		*ttb = le64_to_cpu(cd->data[1]) & CTXDESC_CD_1_TTB0_MASK;
	return *ttb;
}

static void model_expect_to(struct model *model, unsigned int stream,
			    unsigned int i, u64 to, bool done, const char *from)
{
	u64 old = model->to[0][i];
	u64 new = model->to[1][i];

	if (to == new)
		return;
	/* What does not change never faults */
	if (!done && (to == old || (!to && old != new)))
		return;
	KUNIT_FAIL(model->test,
		   "DMA of stream %u, SSID %u reaches 0x%llx by %s, not 0x%llx",
		   stream, model->ssids[i], to, from, new);
}

/* The same with the TLB and the ATCs behind the CDs */
static void model_look_dma(struct model *model, bool done)
{
	unsigned int stream, i, use;
	u64 to;

	for (stream = 0; stream != NUM_STREAMS; stream++)
		for (i = 0; i != model->num_ssids; i++) {
			u64 *atc = &model->cache[stream].ssids[i].atc;

			/* That of SSID 0 is no matter of the CD tables */
			if (*atc && model->ssids[i])
				model_expect_to(model, stream, i, *atc, done,
						"its ATC");
			for (use = 0; use != NUM_USES; use++) {
				struct arm_smmu_cd cd =
					model_lookup(model, stream, i, use);

				to = model_translate(model, &cd);
				model_expect_to(model, stream, i, to, done,
						"a CD");
				*atc = *atc ?: to;
			}
		}
}

/* Look up all there is, in all ways. @done: the change is complete */
static void model_look(struct model *model, bool done)
{
	static const struct arm_smmu_cd fault;
	unsigned int stream, i, use;

	if (model->domains) {
		model_look_dma(model, done);
		return;
	}
	for (stream = 0; stream != NUM_STREAMS; stream++)
		for (i = 0; i != model->num_ssids; i++)
			for (use = 0; use != NUM_USES; use++) {
				struct arm_smmu_cd cd =
					model_lookup(model, stream, i, use);

				if (model_is(&cd, &model->cds[1][i]))
					continue;
				if (!done && model_is(&cd, &model->cds[0][i]))
					continue;
				if (!done && !model->hitless &&
				    model_is(&cd, &fault))
					continue;
				KUNIT_FAIL(model->test,
					   "stream %u SSID %u is translated by a %s, %s, caches %u",
					   stream, model->ssids[i],
					   model_is(&cd, &fault) ?
						   "fault" :
						   "wrong CD",
					   done ? "after the change" :
						  "during the change",
					   use);
			}
}

static void model_drop_stream(struct model_stream *cache)
{
	unsigned int i;

	for (i = 0; i != NUM_SSIDS; i++) {
		cache->ssids[i].has_l1 = false;
		cache->ssids[i].has_cd = false;
	}
}

static void model_drop_ssid(struct model *model, struct model_stream *cache,
			    u32 ssid, bool leaf)
{
	unsigned int i;

	for (i = 0; i != model->num_ssids; i++) {
		if (model->ssids[i] == ssid)
			cache->ssids[i].has_cd = false;
		if (!leaf && arm_smmu_cdtab_l1_idx(model->ssids[i]) ==
				     arm_smmu_cdtab_l1_idx(ssid))
			cache->ssids[i].has_l1 = false;
	}
}

static void model_drop_asid(struct model *model, u16 asid)
{
	/* Or another domain gets it while the TLB has pages of this one */
	KUNIT_EXPECT_NOT_NULL(model->test, xa_load(&arm_smmu_asid_xa, asid));
	*model_tlb(model, asid) = 0;
}

static void model_drop_atc(struct model *model, struct model_stream *cache,
			   const u64 *cmd)
{
	unsigned int i;

	KUNIT_EXPECT_EQ(model->test, ATC_INV_SIZE_ALL,
			FIELD_GET(CMDQ_ATC_1_SIZE, cmd[1]));
	for (i = 0; i != model->num_ssids; i++)
		if (!(cmd[0] & CMDQ_0_SSV) ||
		    FIELD_GET(CMDQ_ATC_0_SSID, cmd[0]) == model->ssids[i])
			cache->ssids[i].atc = 0;
}

static void model_execute(struct model *model, const u64 *cmd)
{
	/* In the same place in all that have one */
	u32 sid = FIELD_GET(CMDQ_CFGI_0_SID, cmd[0]);
	struct model_stream *cache;

	BUILD_BUG_ON(CMDQ_CFGI_0_SID != CMDQ_ATC_0_SID);
	if (FIELD_GET(CMDQ_0_OP, cmd[0]) == CMDQ_OP_TLBI_NH_ASID) {
		model_drop_asid(model, FIELD_GET(CMDQ_TLBI_0_ASID, cmd[0]));
		return;
	}
	KUNIT_ASSERT_LT(model->test, sid, NUM_STREAMS);
	cache = &model->cache[sid];
	switch (FIELD_GET(CMDQ_0_OP, cmd[0])) {
	case CMDQ_OP_PREFETCH_CFG:
		break;
	case CMDQ_OP_CFGI_STE:
		cache->has_ste = false;
		model_drop_stream(cache);
		break;
	case CMDQ_OP_CFGI_CD:
		model_drop_ssid(model, cache,
				FIELD_GET(CMDQ_CFGI_0_SSID, cmd[0]),
				cmd[1] & CMDQ_CFGI_1_LEAF);
		break;
	case CMDQ_OP_CFGI_CD_ALL:
		model_drop_stream(cache);
		break;
	case CMDQ_OP_ATC_INV:
		model_drop_atc(model, cache, cmd);
		break;
	default:
		KUNIT_FAIL(model->test, "unexpected command 0x%llx", cmd[0]);
	}
}

/* In place of the command queue */
static int model_issue_cmdlist(struct arm_smmu_device *smmu,
			       struct arm_smmu_cmdq *cmdq, u64 *cmds, int n,
			       bool sync)
{
	struct model *model = container_of(smmu, struct model, smmu);
	int i;

	model_look(model, false);
	for (i = 0; i != n; i++) {
		u64 *cmd = cmds + i * CMDQ_ENT_DWORDS;

		/* Only a CMD_SYNC tells that an invalidation is complete */
		if (sync)
			model_execute(model, cmd);
		else
			KUNIT_EXPECT_EQ(model->test, CMDQ_OP_PREFETCH_CFG,
					FIELD_GET(CMDQ_0_OP, cmd[0]));
	}
	model->syncs += sync;
	model_look(model, false);
	return 0;
}

static void *model_alloc_mem(struct arm_smmu_device *smmu, size_t size,
			     dma_addr_t *dma)
{
	struct model *model = container_of(smmu, struct model, smmu);
	struct model_mem *mem = &model->allocs[model->num_allocs];

	if (!model->allocs_left)
		return NULL;
	model->allocs_left--;
	KUNIT_ASSERT_LT(model->test, model->num_allocs, MAX_ALLOCS);
	mem->mem = kunit_kzalloc(model->test, size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(model->test, mem->mem);
	mem->size = size;
	mem->dma = DMA_BASE + model->num_allocs * DMA_STEP;
	*dma = mem->dma;
	model->num_allocs++;
	return mem->mem;
}

static void model_free_mem(struct arm_smmu_device *smmu, size_t size, void *mem,
			   dma_addr_t dma)
{
	struct model *model = container_of(smmu, struct model, smmu);
	unsigned int i;

	for (i = 0; i != model->num_allocs; i++) {
		struct model_mem *alloc = &model->allocs[i];

		if (alloc->mem == mem && alloc->size == size &&
		    alloc->dma == dma) {
			*alloc = model->allocs[--model->num_allocs];
			return;
		}
	}
	KUNIT_FAIL(model->test, "what is freed was never allocated like this");
}

static int cd_test_init(struct kunit *test)
{
	static const u32 ssids[3][NUM_SSIDS] = {
		[FORMAT_SINGLE] = { 0 },
		[FORMAT_LINEAR] = { 0, 1, 2, 63 },
		[FORMAT_L2] = { 0, 1, 1023, 1024 },
	};
	const struct cd_test_param *param = test->param_value;
	struct model *model;
	unsigned int i;

	model = kunit_kzalloc(test, sizeof(*model), GFP_KERNEL);
	if (!model)
		return -ENOMEM;
	model->test = test;
	model->allocs_left = MAX_ALLOCS;
	model->num_ssids = param->format == FORMAT_SINGLE ? 1 : NUM_SSIDS;
	memcpy(model->ssids, ssids[param->format], sizeof(model->ssids));

	model->smmu.features = ARM_SMMU_FEAT_TRANS_S1;
	model->master.ssid_bits = param->format == FORMAT_SINGLE ? 0 : 6;
	if (param->format == FORMAT_L2) {
		model->smmu.features |= ARM_SMMU_FEAT_2_LVL_CDTAB;
		model->master.ssid_bits = 11;
	}
	model->smmu.strtab_cfg.linear.table = model->stes;
	model->smmu.strtab_cfg.linear.num_ents = NUM_STREAMS;
	model->master.smmu = &model->smmu;
	model->master.dev = &model->pdev.dev;
	model->master.streams = model->streams;
	model->master.num_streams = NUM_STREAMS;
	for (i = 0; i != NUM_STREAMS; i++) {
		model->streams[i].id = i;
		arm_smmu_make_abort_ste(&model->stes[i]);
	}
	kunit_activate_static_stub(test, arm_smmu_cmdq_issue_cmdlist,
				   model_issue_cmdlist);
	kunit_activate_static_stub(test, arm_smmu_alloc_cd_mem,
				   model_alloc_mem);
	kunit_activate_static_stub(test, arm_smmu_free_cd_mem, model_free_mem);
	test->priv = model;
	return 0;
}

static void cd_test_exit(struct kunit *test)
{
	struct model *model = test->priv;

	if (model && arm_smmu_cdtab_allocated(&model->master.cd_table))
		arm_smmu_free_cd_tables(&model->master);
}

/* There is no group whose mutex could be held */
static int model_alloc_s1_cd(struct model *model)
{
	int rc;

	lockdep_off();
	rc = arm_smmu_alloc_s1_cd(&model->master);
	lockdep_on();
	return rc;
}

static void make_cd(struct arm_smmu_cd *cd, unsigned int n)
{
	*cd = (struct arm_smmu_cd) {
		.data[0] = cpu_to_le64(CTXDESC_CD_0_V |
				       FIELD_PREP(CTXDESC_CD_0_ASID, n)),
		.data[1] = cpu_to_le64((u64)n << 12),
		.data[3] = cpu_to_le64(n),
	};
}

/* The change is complete */
static void model_done(struct model *model)
{
	struct arm_smmu_cd *spare = model->master.cd_table.spare;
	size_t num = model->master.cd_table.linear.num_ents;

	model_look(model, true);
	memcpy(model->cds[0], model->cds[1], sizeof(model->cds[0]));
	memcpy(model->to[0], model->to[1], sizeof(model->to[0]));
	if (model->master.cd_table.s1fmt != STRTAB_STE_0_S1FMT_LINEAR)
		num = CTXDESC_L2_ENTRIES;
	if (spare)
		KUNIT_EXPECT_NULL(model->test,
				  memchr_inv(spare, 0, num * sizeof(*spare)));
}

/*
 * Attach a stage 1 domain, @n tells its CD from those of others. This is never
 * allowed to end in a fault, but where it was one before.
 */
static void model_install(struct model *model, unsigned int n)
{
	make_cd(&model->cds[1][0], n);
	model->to[1][0] = le64_to_cpu(model->cds[1][0].data[1]);
	model->hitless = true;
	model->syncs = 0;
	mutex_lock(&arm_smmu_asid_lock);
	arm_smmu_install_s1_cd(&model->master, &model->cds[1][0],
			       model->master.ats_enabled);
	mutex_unlock(&arm_smmu_asid_lock);
	model_done(model);
}

static struct arm_smmu_cd *model_alloc_cd_ptr(struct model *model, u32 ssid)
{
	struct arm_smmu_cd *cdptr;

	lockdep_off();
	cdptr = arm_smmu_alloc_cd_ptr(&model->master, ssid);
	lockdep_on();
	KUNIT_ASSERT_NOT_NULL(model->test, cdptr);
	return cdptr;
}

/* A STE for PASIDs, nothing is attached to SSID 0 */
static void model_pasid_ste(struct model *model)
{
	unsigned int i;

	model_alloc_cd_ptr(model, model->ssids[NUM_SSIDS - 1]);
	for (i = 0; i != NUM_STREAMS; i++)
		arm_smmu_make_cdtable_ste(&model->stes[i], &model->master,
					  false, STRTAB_STE_1_S1DSS_TERMINATE);
	memset(model->cache, 0, sizeof(model->cache));
	model->master.cd_table.in_ste = true;
}

/*
 * Attach a domain to each PASID, detach it if @n is 0. This changes the CD in
 * place, and none but that.
 */
static void model_set_pasids(struct model *model, unsigned int n)
{
	unsigned int i;

	for (i = 1; i != model->num_ssids; i++) {
		struct arm_smmu_cd *cd = &model->cds[1][i];
		struct arm_smmu_cd *cdptr;

		*cd = (struct arm_smmu_cd) {};
		if (n)
			make_cd(cd, n + i);
		cdptr = model_alloc_cd_ptr(model, model->ssids[i]);
		model->hitless = false;
		arm_smmu_write_cd_entry(&model->master, model->ssids[i], cdptr,
					cd);
		model_done(model);
	}
	KUNIT_EXPECT_EQ(model->test, n ? model->num_ssids - 1 : 0,
			model->master.cd_table.used_ssids);
}

/* From abort, or a STE for PASIDs */
static void model_first(struct model *model)
{
	const struct cd_test_param *param = model->test->param_value;

	KUNIT_ASSERT_EQ(model->test, 0, model_alloc_s1_cd(model));
	model_install(model, 1);
	if (param->pasids)
		model_set_pasids(model, 100);
}

/* One domain replaces another: no fault, nothing old, the PASIDs as before */
static void cd_test_replace(struct kunit *test)
{
	const struct cd_test_param *param = test->param_value;
	struct model *model = test->priv;
	unsigned int n;

	model_first(model);
	for (n = 2; n != 6; n++) {
		KUNIT_ASSERT_EQ(test, 0, model_alloc_s1_cd(model));
		model_install(model, n);
		/* One for each STE, or one for all the L1CDs */
		KUNIT_EXPECT_EQ(test, model->syncs,
				param->format == FORMAT_L2 ? 1 : NUM_STREAMS);
	}
}

/* What is attached already changes nothing, and nothing has to be invalidated */
static void cd_test_same(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int i;

	model_first(model);
	for (i = 0; i != 2; i++) {
		model_install(model, 1);
		KUNIT_EXPECT_EQ(test, 0, model->syncs);
	}
}

/* PASIDs come and go in the table that is in use, whichever that is */
static void cd_test_pasids(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int n;

	model_first(model);
	for (n = 2; n != 6; n++) {
		model_set_pasids(model, 100 * n);
		model_install(model, n);
		model_set_pasids(model, 100 * n + 50);
		model_install(model, n + 10);
		model_set_pasids(model, 0);
		model_install(model, n + 20);
	}
}

/* PASIDs first, the STE has no stage 1 domain for SSID 0 yet */
static void cd_test_pasids_first(struct kunit *test)
{
	struct model *model = test->priv;

	if (model->num_ssids > 1) {
		model_pasid_ste(model);
		model_set_pasids(model, 100);
	}
	model_first(model);
	model_install(model, 2);
}

/* The first attach allocates all that later ones need */
static void cd_test_needs_no_memory(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int n;

	model_first(model);
	model->allocs_left = 0;
	for (n = 2; n != 6; n++) {
		KUNIT_ASSERT_EQ(test, 0, model_alloc_s1_cd(model));
		model_install(model, n);
	}
}

/* An allocation fails, and those after it. Nothing happens but -ENOMEM */
static void cd_test_no_memory(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int failed = 0;
	unsigned int left;

	for (left = 0; left != MAX_ALLOCS; left++) {
		model->allocs_left = left;
		if (!model_alloc_s1_cd(model))
			break;
		failed++;
		KUNIT_EXPECT_FALSE(test, model->master.cd_table.in_ste);
		model_done(model);
	}
	KUNIT_EXPECT_GT(test, failed, 0);
	KUNIT_ASSERT_LT(test, left, MAX_ALLOCS);
	model->allocs_left = MAX_ALLOCS;
	model_first(model);
	model_install(model, 2);
}

/* All is freed, and once, wherever the CDs have moved, or if some are missing */
static void cd_test_free(struct kunit *test)
{
	struct model *model = test->priv;
	unsigned int left, n;

	for (n = 0; n != 4; n++) {
		unsigned int i;

		model_first(model);
		for (i = 0; i != n; i++)
			model_install(model, 2 + i);
		if (((const struct cd_test_param *)test->param_value)->pasids)
			model_set_pasids(model, 0);

		/* As if the device went and came again */
		for (i = 0; i != NUM_STREAMS; i++)
			arm_smmu_make_abort_ste(&model->stes[i]);
		memset(model->cache, 0, sizeof(model->cache));
		memset(model->cds, 0, sizeof(model->cds));
		arm_smmu_free_cd_tables(&model->master);
		KUNIT_EXPECT_EQ(test, 0, model->num_allocs);
		memset(&model->master.cd_table, 0,
		       sizeof(model->master.cd_table));
		model->allocs_left = MAX_ALLOCS;
	}

	for (left = 1; left != MAX_ALLOCS; left++) {
		model->allocs_left = left;
		if (!model_alloc_s1_cd(model))
			break;
		arm_smmu_free_cd_tables(&model->master);
		KUNIT_EXPECT_EQ(test, 0, model->num_allocs);
		memset(&model->master.cd_table, 0,
		       sizeof(model->master.cd_table));
	}
}

/* Domains of the driver, at a device with PASIDs and ATS */
static void model_use_domains(struct model *model)
{
	struct arm_smmu_device *smmu = &model->smmu;
	struct device *dev = &model->pdev.dev;

	smmu->dev = dev;
	smmu->features |= ARM_SMMU_FEAT_COHERENCY | ARM_SMMU_FEAT_ATS;
	smmu->pgsize_bitmap = SZ_4K | SZ_16K | SZ_64K | SZ_2M | SZ_32M |
			      SZ_512M | SZ_1G;
	smmu->ias = 48;
	smmu->oas = 48;
	smmu->asid_bits = 16;

	dev->bus = &pci_bus_type;
	dev->iommu = &model->dev_iommu;
	model->dev_iommu.priv = &model->master;
	model->dev_iommu.fwspec = &model->fwspec;
#ifdef CONFIG_PCI_ATS
	model->fwspec.flags = IOMMU_FWSPEC_PCI_RC_ATS;
	model->pdev.ats_cap = 1;
	model->master.ats_enabled = true;
	model->master.ste_ats_enabled = true;
#endif

	/* ASIDs above those that the driver gives to other domains */
	KUNIT_ASSERT_EQ(model->test, 0, model_alloc_s1_cd(model));
	model_install(model, 60000);
	model->domains = true;
	/* One more PASID that stays, or else the STE changes with the last */
	model->master.cd_table.used_ssids++;
}

static struct iommu_domain *model_alloc_domain(struct model *model)
{
	struct iommu_domain *domain =
		arm_smmu_ops.domain_alloc_paging(&model->pdev.dev);

	KUNIT_ASSERT_FALSE(model->test, IS_ERR(domain));
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	domain->ops = arm_smmu_ops.default_domain_ops;
	return domain;
}

static u64 domain_to(struct iommu_domain *domain)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);
	struct io_pgtable *pgtable;

	if (domain->type == IOMMU_DOMAIN_SVA)
		return virt_to_phys(domain->mm->pgd);
	pgtable = io_pgtable_ops_to_pgtable(smmu_domain->pgtbl_ops);
	return pgtable->cfg.arm_lpae_s1_cfg.ttbr & CTXDESC_CD_1_TTB0_MASK;
}

static void model_attach(struct model *model, unsigned int i,
			 struct iommu_domain *domain, struct iommu_domain *old)
{
	int rc;

	model->to[1][i] = domain_to(domain);
	lockdep_off();
	rc = domain->ops->set_dev_pasid(domain, &model->pdev.dev,
					model->ssids[i], old);
	lockdep_on();
	KUNIT_EXPECT_EQ(model->test, 0, rc);
	model_done(model);
}

/* Nothing is left of it, in the table and in all caches */
static void model_detach(struct model *model, unsigned int i,
			 struct iommu_domain *domain)
{
	struct arm_smmu_cd *cd;

	model->to[1][i] = 0;
	arm_smmu_ops.remove_dev_pasid(&model->pdev.dev, model->ssids[i],
				      domain);
	model_done(model);
	cd = arm_smmu_get_cd_ptr(&model->master, model->ssids[i]);
	KUNIT_EXPECT_NULL(model->test, memchr_inv(cd, 0, sizeof(*cd)));
}

/* Whoever gets its ASID next finds nothing of it in the TLB */
static void model_free_domain(struct model *model, struct iommu_domain *domain)
{
	u16 asid = to_smmu_domain(domain)->cd.asid;

	KUNIT_EXPECT_NE(model->test, 0, *model_tlb(model, asid));
	domain->ops->free(domain);
	KUNIT_EXPECT_EQ(model->test, 0, *model_tlb(model, asid));
}

/* SSID 0 changes its domain, which moves all the CDs: nothing comes back */
static void model_swap(struct model *model, unsigned int n)
{
	model_install(model, 60000 + n);
}

/* A PASID is detached, used again by another domain, and replaced */
static void cd_test_domains(struct kunit *test)
{
	struct model *model = test->priv;
	struct iommu_domain *a, *b;
	unsigned int i;

	model_use_domains(model);
	a = model_alloc_domain(model);
	b = model_alloc_domain(model);

	for (i = 1; i != NUM_SSIDS; i++)
		model_attach(model, i, i % 2 ? a : b, NULL);
	model_swap(model, 1);
	for (i = 1; i != NUM_SSIDS; i++) {
		model_detach(model, i, i % 2 ? a : b);
		model_swap(model, 2 * i);
		model_attach(model, i, i % 2 ? b : a, NULL);
		model_swap(model, 2 * i + 1);
		model_attach(model, i, i % 2 ? a : b, i % 2 ? b : a);
	}
	for (i = 1; i != NUM_SSIDS; i++)
		model_detach(model, i, i % 2 ? a : b);
	model_free_domain(model, a);

	/* This one has the ASID of the other, and may have its memory */
	a = model_alloc_domain(model);
	for (i = 1; i != NUM_SSIDS; i++)
		model_attach(model, i, a, NULL);
	for (i = 1; i != NUM_SSIDS; i++)
		model_detach(model, i, a);
	model_free_domain(model, a);
	model_free_domain(model, b);
}

/* What the table has no room for is refused, and what is there stays as it is */
static void cd_test_no_room(struct kunit *test)
{
	struct model *model = test->priv;
	u32 limit = 1U << model->master.ssid_bits;
	const u32 pasids[] = { limit, limit + 1, 2 * limit, (1U << 20) - 1 };
	unsigned int i, num_allocs;
	struct iommu_domain *a;

	model_use_domains(model);
	a = model_alloc_domain(model);
	if (model->num_ssids > 1)
		model_attach(model, 1, a, NULL);
	KUNIT_EXPECT_EQ(test, model->num_ssids > 1 ? limit : 0,
			arm_smmu_ops.get_max_pasids(&model->pdev.dev));
	num_allocs = model->num_allocs;
	for (i = 0; i != ARRAY_SIZE(pasids); i++) {
		int rc;

		KUNIT_EXPECT_NULL(test, arm_smmu_get_cd_ptr(&model->master,
							    pasids[i]));
		lockdep_off();
		KUNIT_EXPECT_NULL(test, arm_smmu_alloc_cd_ptr(&model->master,
							      pasids[i]));
		rc = a->ops->set_dev_pasid(a, &model->pdev.dev, pasids[i],
					   NULL);
		lockdep_on();
		KUNIT_EXPECT_EQ(test, -EINVAL, rc);
		KUNIT_EXPECT_EQ(test, num_allocs, model->num_allocs);
		model_done(model);
	}
	if (model->num_ssids > 1)
		model_detach(model, 1, a);
	a->ops->free(a);
}

/*
 * A process ends before its PASIDs are detached: the CDs stay, for DMA not to be
 * reported, but lead to nothing.
 */
static void cd_test_mm_release(struct kunit *test)
{
	struct model *model = test->priv;
	struct iommu_domain *sva, *a;
	struct arm_smmu_cd *cd;
	struct mm_struct *mm;
	unsigned int i;

	model_use_domains(model);
	a = model_alloc_domain(model);
	mm = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, mm);
	sva = arm_smmu_ops.domain_alloc_sva(&model->pdev.dev, mm);
	KUNIT_ASSERT_FALSE(test, IS_ERR(sva));
	sva->mm = mm;

	model_attach(model, 1, sva, NULL);
	model_attach(model, 2, a, NULL);
	model_attach(model, 3, sva, NULL);
	model_swap(model, 1);

	/* The last user: this calls the MMU notifier */
	model->to[1][1] = 0;
	model->to[1][3] = 0;
	mmput(mm);
	model_done(model);
	for (i = 1; i != NUM_SSIDS; i++) {
		cd = arm_smmu_get_cd_ptr(&model->master, model->ssids[i]);
		KUNIT_EXPECT_TRUE(test, cd->data[0] &
					cpu_to_le64(CTXDESC_CD_0_V));
	}
	model_swap(model, 2);

	model_detach(model, 1, sva);
	model_attach(model, 1, a, NULL);
	model_detach(model, 3, sva);
	sva->ops->free(sva);
	mmu_notifier_synchronize();
	model_swap(model, 3);
	model_detach(model, 1, a);
	model_detach(model, 2, a);
	model_free_domain(model, a);
}

/* The device is in the queue of faults as long as they are enabled, SVA or not */
static void cd_test_iopf(struct kunit *test)
{
	struct model *model = test->priv;
	struct dev_iommu *param = &model->dev_iommu;
	struct device *dev = &model->pdev.dev;

	model_use_domains(model);
	mutex_init(&param->lock);
	model->smmu.features |= ARM_SMMU_FEAT_SVA | ARM_SMMU_FEAT_STALLS;
	model->smmu.iommu.ops = &arm_smmu_ops;
	param->iommu_dev = &model->smmu.iommu;
	model->master.stall_enabled = true;
	model->master.num_streams = 1;
	model->smmu.evtq.iopf = iopf_queue_alloc("arm-smmu-v3-cd-test");
	KUNIT_ASSERT_NOT_NULL(test, model->smmu.evtq.iopf);

	KUNIT_EXPECT_EQ(test, -EINVAL,
			arm_smmu_ops.dev_enable_feat(dev, IOMMU_DEV_FEAT_SVA));
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(param->fault_param));
	KUNIT_EXPECT_EQ(test, 0,
			arm_smmu_ops.dev_enable_feat(dev, IOMMU_DEV_FEAT_IOPF));
	KUNIT_EXPECT_NOT_NULL(test, rcu_access_pointer(param->fault_param));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			arm_smmu_ops.dev_enable_feat(dev, IOMMU_DEV_FEAT_IOPF));

	KUNIT_EXPECT_EQ(test, 0,
			arm_smmu_ops.dev_enable_feat(dev, IOMMU_DEV_FEAT_SVA));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			arm_smmu_ops.dev_disable_feat(dev,
						      IOMMU_DEV_FEAT_IOPF));
	KUNIT_EXPECT_EQ(test, 0,
			arm_smmu_ops.dev_disable_feat(dev, IOMMU_DEV_FEAT_SVA));
	KUNIT_EXPECT_NOT_NULL(test, rcu_access_pointer(param->fault_param));

	KUNIT_EXPECT_EQ(test, 0,
			arm_smmu_ops.dev_disable_feat(dev,
						      IOMMU_DEV_FEAT_IOPF));
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(param->fault_param));
	iopf_queue_free(model->smmu.evtq.iopf);
}

static struct kunit_case cd_test_cases[] = {
	KUNIT_CASE_PARAM(cd_test_replace, cd_test_gen_params),
	KUNIT_CASE_PARAM(cd_test_same, cd_test_gen_params),
	KUNIT_CASE_PARAM(cd_test_pasids, cd_test_gen_params),
	KUNIT_CASE_PARAM(cd_test_pasids_first, cd_test_gen_params),
	KUNIT_CASE_PARAM(cd_test_needs_no_memory, cd_test_gen_params),
	KUNIT_CASE_PARAM(cd_test_no_memory, cd_test_gen_params),
	KUNIT_CASE_PARAM(cd_test_free, cd_test_gen_params),
	KUNIT_CASE_PARAM(cd_test_domains, pasid_test_gen_params),
	KUNIT_CASE_PARAM(cd_test_no_room, cd_test_gen_params),
	KUNIT_CASE_PARAM(cd_test_mm_release, pasid_test_gen_params),
	KUNIT_CASE_PARAM(cd_test_iopf, pasid_test_gen_params),
	{},
};

static struct kunit_suite cd_test_suite = {
	.name = "arm-smmu-v3-cd",
	.init = cd_test_init,
	.exit = cd_test_exit,
	.test_cases = cd_test_cases,
};

kunit_test_suite(cd_test_suite);

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_DESCRIPTION("KUnit tests for the CD tables of arm-smmu-v3");
MODULE_LICENSE("GPL");
