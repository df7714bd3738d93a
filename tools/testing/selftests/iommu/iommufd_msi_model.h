/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of what an iommufd does with MSI.
 *
 * The model holds what user space has done: which mock devices there are, in
 * which groups, attached to what, with which interrupts. Everything else follows
 * from that: which doorbell has which IOVA, which HWPT maps it, what is reserved
 * in which IOAS. Each model_*() call does one thing to the kernel, does the same
 * to the model if the kernel says that it has succeeded, and nothing if it has
 * failed, and then compares all that the kernel shows (fdinfo, page tables, IOVA
 * ranges, message addresses) with what follows from the model. They return 0 or
 * a negative errno.
 *
 * So a test only needs to say what it does and which calls shall fail. That a
 * failed call changes nothing is checked on the way.
 */
#ifndef __SELFTEST_IOMMUFD_MSI_MODEL
#define __SELFTEST_IOMMUFD_MSI_MODEL

#include <stdbool.h>

#include "iommufd_msi_utils.h"

#define MODEL_WINDOWS 8
#define MODEL_SLOTS 512
#define MODEL_GROUPS 300
#define MODEL_DEVS 300
#define MODEL_HWPTS 600
#define MODEL_IOASES 4
#define MODEL_IRQS 1024
#define MODEL_MAPS 16
#define MODEL_RESVS 4
#define MODEL_PTES (4 * MODEL_SLOTS)

/* A slot without a doorbell */
#define MODEL_FREE (~0ULL)

/* What to attach to if it is an IOAS and not a HWPT */
#define PT_IOAS(ioas) (~(ioas))

#define MSI_PROT (MOCK_PTE_WRITE | MOCK_PTE_NOEXEC | MOCK_PTE_MMIO)

struct model_window {
	__u64 start;
	__u64 length;
	/* IOVA of slot 0: only whole pages are slots */
	__u64 base;
	unsigned int nslots;
	/* Doorbell page or MODEL_FREE */
	__u64 slots[MODEL_SLOTS];
};

struct model_group {
	unsigned int ndevs;
	/* Index into windows, -1 if doorbells are not translated */
	int window;
	/* Index into hwpts, -1 if not attached */
	int hwpt;
	/* Whether a domain with dirty tracking cannot be attached */
	bool no_dirty;
};

struct model_dev {
	bool present;
	bool attached;
	__u32 stdev_id;
	__u32 idev_id;
	int group;
	struct iommu_test_resv resv[MODEL_RESVS];
	unsigned int nresv;
};

struct model_hwpt {
	bool present;
	bool automatic;
	bool dirty;
	__u32 id;
	int ioas;
	/* Index of the parent of a nested HWPT, -1 for a paging one */
	int parent;
	/* Attached devices */
	unsigned int users;
};

struct model_map {
	__u64 iova;
	__u64 length;
};

struct model_ioas {
	__u32 id;
	/* A domain in it has a smaller aperture than usual */
	bool narrow;
	unsigned int nmaps;
	struct model_map maps[MODEL_MAPS];
};

struct model_irq {
	bool present;
	int dev;
	__u32 id;
	__u64 doorbell;
	__u64 addr;
};

struct msi_model {
	int fd;
	/* Do not compare for a while */
	bool quiet;
	/* Where in the test, for messages */
	unsigned int line;
	unsigned int nops;
	char op[128];

	unsigned int nwindows;
	struct model_window windows[MODEL_WINDOWS];
	struct model_group groups[MODEL_GROUPS];
	struct model_dev devs[MODEL_DEVS];
	struct model_hwpt hwpts[MODEL_HWPTS];
	unsigned int nioases;
	struct model_ioas ioases[MODEL_IOASES];
	struct model_irq irqs[MODEL_IRQS];

	/* Steps that have succeeded, for tests that cannot know which will */
	unsigned int nattached;
	unsigned int nswapped;
	unsigned int nprepared;
	unsigned int nmapped;

	/* For comparing */
	struct msi_table table;
	struct iommu_test_pte ptes[MODEL_PTES];
};

/* Say which step it was if what is seen is not what is expected */
#define MODEL_EQ(_expected, _seen)                                        \
	do {                                                              \
		__auto_type __want = (_expected);                         \
		__auto_type __got = (_seen);                              \
									  \
		if (__want != __got)                                      \
			TH_LOG("line %u, operation %u: %s", md->line,     \
			       md->nops, md->op);                         \
		ASSERT_EQ(__want, __got);                                 \
	} while (0)
#define MODEL_TRUE(_seen) MODEL_EQ(true, !!(_seen))

struct msi_model *model_new(int fd);
/* Open an iommufd, return NULL or what is missing to run the tests */
const char *model_open(int *fd);

/* What follows from the state */
__u64 model_page_of(__u64 doorbell);
bool model_overlap(__u64 start_a, __u64 length_a, __u64 start_b,
		   __u64 length_b);
int model_paging(struct msi_model *md, int group);
int model_ioas_of(struct msi_model *md, int group);
int model_slot(struct msi_model *md, int window, __u64 doorbell);
unsigned int model_needers(struct msi_model *md, int window, __u64 page,
			   unsigned int *users);
bool model_holds(struct msi_model *md, int hwpt, int window, __u64 page);
bool model_reserved(struct msi_model *md, int ioas, __u64 start, __u64 length);

/* Compare all that the kernel shows with what follows */
void model_check(struct __test_metadata *_metadata, struct msi_model *md);

/* Do one thing to both; 0 or a negative errno */
int model_ioas_alloc(struct __test_metadata *_metadata, struct msi_model *md);
int model_bind(struct __test_metadata *_metadata, struct msi_model *md,
	       int sibling, const struct mock_device_args *_args, int *out_dev);
int bind_region(struct __test_metadata *_metadata, struct msi_model *md,
		int sibling, __u32 flags, struct iommu_test_resv resv,
		int *dev);
int model_hwpt_add(struct __test_metadata *_metadata, struct msi_model *md,
		   __u32 id, int ioas, int parent);
int model_hwpt_alloc(struct __test_metadata *_metadata, struct msi_model *md,
		     int dev, int ioas, __u32 flags, int *out_hwpt);
int model_nested_alloc(struct __test_metadata *_metadata, struct msi_model *md,
		       int dev, int parent, int *out_hwpt);
int model_hwpt_destroy(struct __test_metadata *_metadata, struct msi_model *md,
		       int hwpt);
int model_attach(struct __test_metadata *_metadata, struct msi_model *md,
		 int dev, int pt);
int model_swap(struct __test_metadata *_metadata, struct msi_model *md, int dev,
	       int pt);
int model_detach(struct __test_metadata *_metadata, struct msi_model *md,
		 int dev);
int model_free_slot(struct msi_model *md, int window);
int model_prepare(struct __test_metadata *_metadata, struct msi_model *md,
		  int dev, __u64 doorbell, int *out_irq);
int model_unprepare(struct __test_metadata *_metadata, struct msi_model *md,
		    int irq);
int model_destroy(struct __test_metadata *_metadata, struct msi_model *md,
		  int dev);
int model_map(struct __test_metadata *_metadata, struct msi_model *md,
	      int _ioas, __u64 iova, __u64 length);
int model_unmap(struct __test_metadata *_metadata, struct msi_model *md,
		int _ioas, unsigned int map);

/* For use in tests, where self->md is the model */
struct msi_model *model_here(struct msi_model *md, unsigned int line);

#define MODEL_HERE(md) model_here(md, __LINE__)
#define m_ioas() model_ioas_alloc(_metadata, MODEL_HERE(self->md))
#define m_bind(...) model_bind(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_hwpt(...) \
	model_hwpt_alloc(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_nested(...) \
	model_nested_alloc(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_hwpt_destroy(hwpt) \
	model_hwpt_destroy(_metadata, MODEL_HERE(self->md), hwpt)
#define m_attach(...) model_attach(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_swap(...) model_swap(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_detach(dev) model_detach(_metadata, MODEL_HERE(self->md), dev)
#define m_prepare(...) \
	model_prepare(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_unprepare(irq) model_unprepare(_metadata, MODEL_HERE(self->md), irq)
#define m_destroy(dev) model_destroy(_metadata, MODEL_HERE(self->md), dev)
#define m_map(...) model_map(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_unmap(...) model_unmap(_metadata, MODEL_HERE(self->md), __VA_ARGS__)
#define m_check() model_check(_metadata, MODEL_HERE(self->md))

#endif
