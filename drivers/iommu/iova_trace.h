/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iova

#if !defined(__IOVA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define __IOVA_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>

/* A cursor goes back to the first page of its zone */
TRACE_EVENT(iova_wrap,
	    TP_PROTO(const char *name, unsigned long first, u64 live_pages),
	    TP_ARGS(name, first, live_pages),
	    TP_STRUCT__entry(__string(name, name)
			     __field(unsigned long, first)
			     __field(u64, live_pages)),
	    TP_fast_assign(__assign_str(name);
			   __entry->first = first;
			   __entry->live_pages = live_pages;),
	    TP_printk("%s: first=%#lx live_pages=%llu", __get_str(name),
		      __entry->first, __entry->live_pages));

/* One flush in place of one for each of so many unmaps, 0 if another has them */
TRACE_EVENT(iova_flush,
	    TP_PROTO(const char *name, u64 unmaps, const char *because),
	    TP_ARGS(name, unmaps, because),
	    TP_STRUCT__entry(__string(name, name)
			     __field(u64, unmaps)
			     __string(because, because)),
	    TP_fast_assign(__assign_str(name);
			   __entry->unmaps = unmaps;
			   __assign_str(because);),
	    TP_printk("%s: unmaps=%llu because=%s", __get_str(name),
		      __entry->unmaps, __get_str(because)));

/* There is no room, or no memory to write it down */
TRACE_EVENT(iova_fail,
	    TP_PROTO(const char *name, unsigned long pages,
		     unsigned long limit_pfn),
	    TP_ARGS(name, pages, limit_pfn),
	    TP_STRUCT__entry(__string(name, name)
			     __field(unsigned long, pages)
			     __field(unsigned long, limit_pfn)),
	    TP_fast_assign(__assign_str(name);
			   __entry->pages = pages;
			   __entry->limit_pfn = limit_pfn;),
	    TP_printk("%s: pages=%lu limit_pfn=%#lx", __get_str(name),
		      __entry->pages, __entry->limit_pfn));

#endif /* __IOVA_TRACE_H */

/* This part must be outside protection */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE iova_trace
#include <trace/define_trace.h>
