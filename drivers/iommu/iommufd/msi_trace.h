/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iommufd

#if !defined(__IOMMUFD_MSI_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define __IOMMUFD_MSI_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>

DECLARE_EVENT_CLASS(iommufd_msi_page,
		    TP_PROTO(u32 hwpt_id, unsigned long iova,
			     phys_addr_t doorbell),
		    TP_ARGS(hwpt_id, iova, doorbell),
		    TP_STRUCT__entry(__field(u32, hwpt_id)
				     __field(unsigned long, iova)
				     __field(u64, doorbell)),
		    TP_fast_assign(__entry->hwpt_id = hwpt_id;
				   __entry->iova = iova;
				   __entry->doorbell = doorbell;),
		    TP_printk("hwpt=%u iova=%#lx doorbell=%#llx",
			      __entry->hwpt_id, __entry->iova,
			      __entry->doorbell));

/* A HWPT has come to hold a page */
DEFINE_EVENT(iommufd_msi_page, iommufd_msi_map,
	     TP_PROTO(u32 hwpt_id, unsigned long iova, phys_addr_t doorbell),
	     TP_ARGS(hwpt_id, iova, doorbell));

/* A HWPT has let go of a page */
DEFINE_EVENT(iommufd_msi_page, iommufd_msi_unmap,
	     TP_PROTO(u32 hwpt_id, unsigned long iova, phys_addr_t doorbell),
	     TP_ARGS(hwpt_id, iova, doorbell));

/* An interrupt set-up was refused */
TRACE_EVENT(iommufd_msi_fail,
	    TP_PROTO(int group_id, phys_addr_t doorbell, int error),
	    TP_ARGS(group_id, doorbell, error),
	    TP_STRUCT__entry(__field(int, group_id)
			     __field(u64, doorbell)
			     __field(int, error)),
	    TP_fast_assign(__entry->group_id = group_id;
			   __entry->doorbell = doorbell;
			   __entry->error = error;),
	    TP_printk("group=%d doorbell=%#llx error=%d", __entry->group_id,
		      __entry->doorbell, __entry->error));

/* An attach or a replace was refused because of the window or its pages */
TRACE_EVENT(iommufd_msi_refuse,
	    TP_PROTO(int group_id, u32 hwpt_id, unsigned long start,
		     unsigned long last, int error),
	    TP_ARGS(group_id, hwpt_id, start, last, error),
	    TP_STRUCT__entry(__field(int, group_id)
			     __field(u32, hwpt_id)
			     __field(unsigned long, start)
			     __field(unsigned long, last)
			     __field(int, error)),
	    TP_fast_assign(__entry->group_id = group_id;
			   __entry->hwpt_id = hwpt_id;
			   __entry->start = start;
			   __entry->last = last;
			   __entry->error = error;),
	    TP_printk("group=%d hwpt=%u window=%#lx-%#lx error=%d",
		      __entry->group_id, __entry->hwpt_id, __entry->start,
		      __entry->last, __entry->error));

#endif /* __IOMMUFD_MSI_TRACE_H */

/* This part must be outside protection */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE msi_trace
#include <trace/define_trace.h>
