// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the IOVA spaces with the wraparound policy have seen: a line for each in
 * /sys/kernel/debug/iommu/iova_spaces
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/seq_file.h>

#include "iova-wrap.h"

static void iova_spaces_print(struct iova_space *space, void *arg)
{
	struct iova_wrap_stats stats;
	struct seq_file *m = arg;

	iova_wrap_get_stats(space, &stats);
	seq_printf(m, "%s %llu %llu %llu %llu %llu %llu %llu %llu %#lx %#lx\n",
		   space->wrap->name, stats.allocs, stats.failures, stats.wraps,
		   stats.lazy_frees, stats.flushes,
		   stats.lazy_frees - min(stats.flushes, stats.lazy_frees),
		   stats.live_pages, stats.max_pages,
		   READ_ONCE(space->wrap->zones[WRAP_LOW].cursor),
		   READ_ONCE(space->wrap->zones[WRAP_HIGH].cursor));
}

static int iova_spaces_show(struct seq_file *m, void *unused)
{
	seq_puts(m, "device allocs failures wraps lazy_unmaps flushes flushes_saved live_pages max_pages cursor_low cursor_high\n");
	iova_wrap_for_each(iova_spaces_print, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(iova_spaces);

static int __init iova_debugfs_init(void)
{
	debugfs_create_file("iova_spaces", 0400, iommu_debugfs_dir, NULL,
			    &iova_spaces_fops);
	return 0;
}
late_initcall(iova_debugfs_init);
