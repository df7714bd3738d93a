/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The program around the library: reads sysfs, files and devices, prints.
 *
 * A command writes to a FILE in memory and main() prints it if the command
 * succeeded, so an error leaves no half of an answer on stdout.
 */
#ifndef __IOMMU_RESV_TOOL_H
#define __IOMMU_RESV_TOOL_H

#include "lib/rjson.h"
#include "lib/resv.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Exit codes. 1 is an answer, 2 is none. */
#define EXIT_YES 0
#define EXIT_NO 1
#define EXIT_BAD 2

/* Files may not be longer; memory follows what is in them, not their length. */
#define MAX_JSON (256ULL << 20)

enum source_choice {
	SOURCE_AUTO, /* iova_regions, or else reserved_regions */
	SOURCE_IOCTL, /* for what vfio-pci has, or else as above */
	SOURCE_IOVA_REGIONS,
	SOURCE_RESERVED_REGIONS,
};

struct names {
	char **names;
	size_t num;
};

struct options {
	const char *command;
	bool json;
	const char *root; /* NULL: this host */
	enum source_choice source;
	struct names hosts; /* JSON files in the place of sysfs */
	struct names devices;
	bool all;
	bool ignore_advisory;
	bool no_names;
	/* plan */
	bool ram_given;
	uint64_t ram;
	uint64_t base;
	uint64_t align;
	const char *qemu; /* "q35" or "virt" */
	/* others */
	const char *layout;
	const char *svg;
	long pid;
	/* What is not an option */
	struct names args;
};

/* Print to stderr as "iommu-resv: ..."; returns EXIT_BAD */
int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int names_add(struct names *names, const char *name);

/* sysfs.c */
int sysfs_read_host(const struct options *opts, struct resv_host *host,
		    struct resv_err *err);
/* A whole file: *text is zero terminated and to be freed. -errno */
int read_file(const char *path, char **text, size_t *len);

/* iommufd.c */
/*
 * Read regions, aperture, ranges and alignment of a device that is bound to an
 * open iommufd. -ENOTTY: this kernel cannot tell. The device must be empty.
 */
int iommufd_read_device(int iommufd, uint32_t dev_id, struct resv_device *dev,
			struct resv_err *err);
/*
 * As above for a device of this host that a VFIO driver has, by dev->vfio. Binds
 * it for the time being, which resets it. -EBUSY: it is in use.
 */
int iommufd_probe_device(struct resv_device *dev, struct resv_err *err);

/* pci.c */
void pci_label_host(struct resv_host *host);

/* load.c */
struct loaded {
	struct resv_host *hosts;
	size_t num;
	struct resv_pool pool;
};

/* Returns 0 or EXIT_BAD, with the error printed */
int load_hosts(const struct options *opts, const struct names *files,
	       struct loaded *loaded);
/*
 * Fill the pool: the named devices or all that can be assigned. Returns 0, or
 * EXIT_NO if one that is named cannot be assigned, or EXIT_BAD.
 */
int load_pool(const struct options *opts, struct loaded *loaded);
int load_layout(const char *path, struct resv_layout *layout);
void loaded_free(struct loaded *loaded);

/* out.c */
/* For memory: not NULL, or the program ends */
void *must(void *p);
#define COUNT_LEN 64
const char *count(char buf[COUNT_LEN], size_t num, const char *what);
const char *pick_name(char *buf, size_t len, const struct resv_pool *pool,
		      uint32_t pick);
/* "msi-sw of 0000:00:05.0, 0000:00:07.0 and 2 more; reserved of ..." */
void print_causes(FILE *out, const struct resv_holes *holes,
		  const struct resv_hole *hole);
void json_causes(struct rjson_out *o, const struct resv_holes *holes,
		 const struct resv_hole *hole);
/* What the sources could not tell, a line for each */
void print_unknown(FILE *out, const struct resv_pool *pool);
void json_unknown(struct rjson_out *o, const struct resv_pool *pool);

/* Commands: print to @out, return an exit code */
int cmd_list(const struct options *opts, FILE *out);
int cmd_ranges(const struct options *opts, FILE *out);
int cmd_plan(const struct options *opts, FILE *out);
int cmd_check(const struct options *opts, FILE *out);
int cmd_intersect(const struct options *opts, FILE *out);
int cmd_diff(const struct options *opts, FILE *out);
int cmd_map(const struct options *opts, FILE *out);
int cmd_msi(const struct options *opts, FILE *out);

/* qemu.c */
int print_qemu(FILE *out, const struct options *opts,
	       const struct resv_holes *holes);

#endif
