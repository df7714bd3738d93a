/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What iommu-resv prints, and what the kernel says, in one form to be compared.
 */
#ifndef __SELFTEST_IOMMU_RESV_TOOL_H
#define __SELFTEST_IOMMU_RESV_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

#define MAX_LINES 128
#define MAX_DEVICES 64
#define MAX_TEXT (1 << 20)

/* What a run of the program printed */
struct output {
	char out[MAX_TEXT];
	char err[4096];
};

struct line {
	uint64_t start;
	uint64_t last;
	char type[24];
};

struct lines {
	struct line line[MAX_LINES];
	unsigned int num;
};

/* A device, as the program calls things */
struct device {
	char name[64];
	int group;
	char driver[32];
	char vfio[16];
	char source[24];
	bool assignable;
	bool aperture_known;
	uint64_t start;
	uint64_t last;
	uint64_t alignment;
	struct lines regions;
	struct lines ranges;
};

struct host {
	struct device dev[MAX_DEVICES];
	unsigned int num;
};

/* Of the last run */
extern struct output output;

/* Run it, arguments up to NULL. Does it exit like this? Its text is in output. */
bool run(int want, const char *arg, ...);
#define RUN(_code, ...) run(_code, __VA_ARGS__, NULL)
/* Is this in what it printed? */
bool printed(const char *text);
void print_output(void);

bool add_line(struct lines *lines, uint64_t start, uint64_t last,
	      const char *type);
bool is_enforced(const struct line *line);

/* The output of list --json */
bool parse_list(const char *text, struct host *host);
struct device *find_device(struct host *host, const char *name);
/* False: they are shown */
bool same_device(struct device *want, struct device *have);

bool has_iova_regions(void);
/* All groups, from iova_regions (@new) or from reserved_regions */
bool read_sysfs(struct host *host, bool new);
/* By the ioctls, for a device that is bound; 0 or -errno */
int ask_iommufd(int iommufd, __u32 dev_id, struct device *dev);
/* The last part of where a link points to */
void link_name(const char *path, char *name, size_t size);

#endif
