/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iommu_pasid

#if !defined(__IOMMU_PASID_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define __IOMMU_PASID_TRACE_H

#include <linux/device.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

#include "iommu-pasid.h"

TRACE_DEFINE_ENUM(IOMMU_PASID_MM);
TRACE_DEFINE_ENUM(IOMMU_PASID_DRIVER);
TRACE_DEFINE_ENUM(IOMMU_PASID_FILE);
TRACE_DEFINE_ENUM(IOMMU_PASID_UNUSED);
TRACE_DEFINE_ENUM(IOMMU_PASID_DRAINED);
TRACE_DEFINE_ENUM(IOMMU_PASID_EXPIRED);
TRACE_DEFINE_ENUM(IOMMU_PASID_RECLAIMED);

DECLARE_EVENT_CLASS(iommu_pasid_owned,
		    TP_PROTO(u32 pasid, unsigned int owner),
		    TP_ARGS(pasid, owner),
		    TP_STRUCT__entry(__field(u32, pasid)
				     __field(unsigned int, owner)),
		    TP_fast_assign(__entry->pasid = pasid;
				   __entry->owner = owner;),
		    TP_printk("pasid=%u owner=%s", __entry->pasid,
			      __print_symbolic(__entry->owner,
					       { IOMMU_PASID_MM, "mm" },
					       { IOMMU_PASID_DRIVER, "driver" },
					       { IOMMU_PASID_FILE, "file" })));

DEFINE_EVENT(iommu_pasid_owned, iommu_pasid_alloc,
	     TP_PROTO(u32 pasid, unsigned int owner),
	     TP_ARGS(pasid, owner));

DEFINE_EVENT(iommu_pasid_owned, iommu_pasid_release,
	     TP_PROTO(u32 pasid, unsigned int owner),
	     TP_ARGS(pasid, owner));

/* A device has nothing more of a PASID */
TRACE_EVENT(iommu_pasid_drained,
	    TP_PROTO(u32 pasid, struct device *dev),
	    TP_ARGS(pasid, dev),
	    TP_STRUCT__entry(__field(u32, pasid)
			     __string(device, dev_name(dev))),
	    TP_fast_assign(__entry->pasid = pasid;
			   __assign_str(device);),
	    TP_printk("pasid=%u device=%s", __entry->pasid,
		      __get_str(device)));

/* A PASID may be used again from now on */
TRACE_EVENT(iommu_pasid_free,
	    TP_PROTO(u32 pasid, unsigned int end),
	    TP_ARGS(pasid, end),
	    TP_STRUCT__entry(__field(u32, pasid)
			     __field(unsigned int, end)),
	    TP_fast_assign(__entry->pasid = pasid;
			   __entry->end = end;),
	    TP_printk("pasid=%u reason=%s", __entry->pasid,
		      __print_symbolic(__entry->end,
				       { IOMMU_PASID_UNUSED, "unused" },
				       { IOMMU_PASID_DRAINED, "drained" },
				       { IOMMU_PASID_EXPIRED, "expired" },
				       { IOMMU_PASID_RECLAIMED, "reclaimed" })));

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE iommu_pasid_trace
#include <trace/define_trace.h>
