/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* Copyright (c) 2021-2022, NVIDIA CORPORATION & AFFILIATES.
 */
#ifndef _UAPI_IOMMUFD_H
#define _UAPI_IOMMUFD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IOMMUFD_TYPE (';')

/**
 * DOC: General ioctl format
 *
 * The ioctl interface follows a general format to allow for extensibility. Each
 * ioctl is passed in a structure pointer as the argument providing the size of
 * the structure in the first u32. The kernel checks that any structure space
 * beyond what it understands is 0. This allows userspace to use the backward
 * compatible portion while consistently using the newer, larger, structures.
 *
 * ioctls use a standard meaning for common errnos:
 *
 *  - ENOTTY: The IOCTL number itself is not supported at all
 *  - E2BIG: The IOCTL number is supported, but the provided structure has
 *    non-zero in a part the kernel does not understand.
 *  - EOPNOTSUPP: The IOCTL number is supported, and the structure is
 *    understood, however a known field has a value the kernel does not
 *    understand or support.
 *  - EINVAL: Everything about the IOCTL was understood, but a field is not
 *    correct.
 *  - ENOENT: An ID or IOVA provided does not exist.
 *  - ENOMEM: Out of memory.
 *  - EOVERFLOW: Mathematics overflowed.
 *
 * As well as additional errnos, within specific ioctls.
 */
enum {
	IOMMUFD_CMD_BASE = 0x80,
	IOMMUFD_CMD_DESTROY = IOMMUFD_CMD_BASE,
	IOMMUFD_CMD_IOAS_ALLOC = 0x81,
	IOMMUFD_CMD_IOAS_ALLOW_IOVAS = 0x82,
	IOMMUFD_CMD_IOAS_COPY = 0x83,
	IOMMUFD_CMD_IOAS_IOVA_RANGES = 0x84,
	IOMMUFD_CMD_IOAS_MAP = 0x85,
	IOMMUFD_CMD_IOAS_UNMAP = 0x86,
	IOMMUFD_CMD_OPTION = 0x87,
	IOMMUFD_CMD_VFIO_IOAS = 0x88,
	IOMMUFD_CMD_HWPT_ALLOC = 0x89,
	IOMMUFD_CMD_GET_HW_INFO = 0x8a,
	IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING = 0x8b,
	IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP = 0x8c,
	IOMMUFD_CMD_HWPT_INVALIDATE = 0x8d,
	IOMMUFD_CMD_FAULT_QUEUE_ALLOC = 0x8e,

	/*
	 * Provisional: 0xc0 and up are of no released kernel. The numbers below
	 * stay free for it, these may change when they are merged.
	 */
	IOMMUFD_CMD_DEVICE_RESV_REGIONS = 0xc0,
	IOMMUFD_CMD_DEVICE_IOVA_RANGES = 0xc1,
	IOMMUFD_CMD_IOAS_CHECK = 0xc2,
	IOMMUFD_CMD_IOAS_SET_HOLES = 0xc3,
	IOMMUFD_CMD_IOAS_GET_HOLES = 0xc4,
	IOMMUFD_CMD_MSI_WINDOW = 0xc5,
	IOMMUFD_CMD_PASID_ALLOC = 0xc6,
};

/**
 * struct iommu_destroy - ioctl(IOMMU_DESTROY)
 * @size: sizeof(struct iommu_destroy)
 * @id: iommufd object ID to destroy. Can be any destroyable object type.
 *
 * Destroy any object held within iommufd.
 */
struct iommu_destroy {
	__u32 size;
	__u32 id;
};
#define IOMMU_DESTROY _IO(IOMMUFD_TYPE, IOMMUFD_CMD_DESTROY)

/**
 * struct iommu_ioas_alloc - ioctl(IOMMU_IOAS_ALLOC)
 * @size: sizeof(struct iommu_ioas_alloc)
 * @flags: Must be 0
 * @out_ioas_id: Output IOAS ID for the allocated object
 *
 * Allocate an IO Address Space (IOAS) which holds an IO Virtual Address (IOVA)
 * to memory mapping.
 */
struct iommu_ioas_alloc {
	__u32 size;
	__u32 flags;
	__u32 out_ioas_id;
};
#define IOMMU_IOAS_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOC)

/**
 * struct iommu_iova_range - ioctl(IOMMU_IOVA_RANGE)
 * @start: First IOVA
 * @last: Inclusive last IOVA
 *
 * An interval in IOVA space.
 */
struct iommu_iova_range {
	__aligned_u64 start;
	__aligned_u64 last;
};

/**
 * struct iommu_ioas_iova_ranges - ioctl(IOMMU_IOAS_IOVA_RANGES)
 * @size: sizeof(struct iommu_ioas_iova_ranges)
 * @ioas_id: IOAS ID to read ranges from
 * @num_iovas: Input/Output total number of ranges in the IOAS
 * @__reserved: Must be 0
 * @allowed_iovas: Pointer to the output array of struct iommu_iova_range
 * @out_iova_alignment: Minimum alignment required for mapping IOVA
 *
 * Query an IOAS for ranges of allowed IOVAs. Mapping IOVA outside these ranges
 * is not allowed. num_iovas will be set to the total number of iovas and
 * the allowed_iovas[] will be filled in as space permits.
 *
 * The allowed ranges are dependent on the HW path the DMA operation takes, and
 * can change during the lifetime of the IOAS. A fresh empty IOAS will have a
 * full range, and each attached device will narrow the ranges based on that
 * device's HW restrictions. Detaching a device can widen the ranges. Userspace
 * should query ranges after every attach/detach to know what IOVAs are valid
 * for mapping.
 *
 * On input num_iovas is the length of the allowed_iovas array. On output it is
 * the total number of iovas filled in. The ioctl will return -EMSGSIZE and set
 * num_iovas to the required value if num_iovas is too small. In this case the
 * caller should allocate a larger output array and re-issue the ioctl.
 *
 * out_iova_alignment returns the minimum IOVA alignment that can be given
 * to IOMMU_IOAS_MAP/COPY. IOVA's must satisfy::
 *
 *   starting_iova % out_iova_alignment == 0
 *   (starting_iova + length) % out_iova_alignment == 0
 *
 * out_iova_alignment can be 1 indicating any IOVA is allowed. It cannot
 * be higher than the system PAGE_SIZE.
 */
struct iommu_ioas_iova_ranges {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 allowed_iovas;
	__aligned_u64 out_iova_alignment;
};
#define IOMMU_IOAS_IOVA_RANGES _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_IOVA_RANGES)

/**
 * struct iommu_ioas_allow_iovas - ioctl(IOMMU_IOAS_ALLOW_IOVAS)
 * @size: sizeof(struct iommu_ioas_allow_iovas)
 * @ioas_id: IOAS ID to allow IOVAs from
 * @num_iovas: Input/Output total number of ranges in the IOAS
 * @__reserved: Must be 0
 * @allowed_iovas: Pointer to array of struct iommu_iova_range
 *
 * Ensure a range of IOVAs are always available for allocation. If this call
 * succeeds then IOMMU_IOAS_IOVA_RANGES will never return a list of IOVA ranges
 * that are narrower than the ranges provided here. This call will fail if
 * IOMMU_IOAS_IOVA_RANGES is currently narrower than the given ranges.
 *
 * When an IOAS is first created the IOVA_RANGES will be maximally sized, and as
 * devices are attached the IOVA will narrow based on the device restrictions.
 * When an allowed range is specified any narrowing will be refused, ie device
 * attachment can fail if the device requires limiting within the allowed range.
 *
 * Automatic IOVA allocation is also impacted by this call. MAP will only
 * allocate within the allowed IOVAs if they are present.
 *
 * This call replaces the entire allowed list with the given list.
 */
struct iommu_ioas_allow_iovas {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 allowed_iovas;
};
#define IOMMU_IOAS_ALLOW_IOVAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOW_IOVAS)

/**
 * enum iommufd_ioas_map_flags - Flags for map and copy
 * @IOMMU_IOAS_MAP_FIXED_IOVA: If clear the kernel will compute an appropriate
 *                             IOVA to place the mapping at
 * @IOMMU_IOAS_MAP_WRITEABLE: DMA is allowed to write to this mapping
 * @IOMMU_IOAS_MAP_READABLE: DMA is allowed to read from this mapping
 */
enum iommufd_ioas_map_flags {
	IOMMU_IOAS_MAP_FIXED_IOVA = 1 << 0,
	IOMMU_IOAS_MAP_WRITEABLE = 1 << 1,
	IOMMU_IOAS_MAP_READABLE = 1 << 2,
};

/**
 * struct iommu_ioas_map - ioctl(IOMMU_IOAS_MAP)
 * @size: sizeof(struct iommu_ioas_map)
 * @flags: Combination of enum iommufd_ioas_map_flags
 * @ioas_id: IOAS ID to change the mapping of
 * @__reserved: Must be 0
 * @user_va: Userspace pointer to start mapping from
 * @length: Number of bytes to map
 * @iova: IOVA the mapping was placed at. If IOMMU_IOAS_MAP_FIXED_IOVA is set
 *        then this must be provided as input.
 *
 * Set an IOVA mapping from a user pointer. If FIXED_IOVA is specified then the
 * mapping will be established at iova, otherwise a suitable location based on
 * the reserved and allowed lists will be automatically selected and returned in
 * iova.
 *
 * If IOMMU_IOAS_MAP_FIXED_IOVA is specified then the iova range must currently
 * be unused, existing IOVA cannot be replaced.
 */
struct iommu_ioas_map {
	__u32 size;
	__u32 flags;
	__u32 ioas_id;
	__u32 __reserved;
	__aligned_u64 user_va;
	__aligned_u64 length;
	__aligned_u64 iova;
};
#define IOMMU_IOAS_MAP _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP)

/**
 * struct iommu_ioas_copy - ioctl(IOMMU_IOAS_COPY)
 * @size: sizeof(struct iommu_ioas_copy)
 * @flags: Combination of enum iommufd_ioas_map_flags
 * @dst_ioas_id: IOAS ID to change the mapping of
 * @src_ioas_id: IOAS ID to copy from
 * @length: Number of bytes to copy and map
 * @dst_iova: IOVA the mapping was placed at. If IOMMU_IOAS_MAP_FIXED_IOVA is
 *            set then this must be provided as input.
 * @src_iova: IOVA to start the copy
 *
 * Copy an already existing mapping from src_ioas_id and establish it in
 * dst_ioas_id. The src iova/length must exactly match a range used with
 * IOMMU_IOAS_MAP.
 *
 * This may be used to efficiently clone a subset of an IOAS to another, or as a
 * kind of 'cache' to speed up mapping. Copy has an efficiency advantage over
 * establishing equivalent new mappings, as internal resources are shared, and
 * the kernel will pin the user memory only once.
 */
struct iommu_ioas_copy {
	__u32 size;
	__u32 flags;
	__u32 dst_ioas_id;
	__u32 src_ioas_id;
	__aligned_u64 length;
	__aligned_u64 dst_iova;
	__aligned_u64 src_iova;
};
#define IOMMU_IOAS_COPY _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_COPY)

/**
 * struct iommu_ioas_unmap - ioctl(IOMMU_IOAS_UNMAP)
 * @size: sizeof(struct iommu_ioas_unmap)
 * @ioas_id: IOAS ID to change the mapping of
 * @iova: IOVA to start the unmapping at
 * @length: Number of bytes to unmap, and return back the bytes unmapped
 *
 * Unmap an IOVA range. The iova/length must be a superset of a previously
 * mapped range used with IOMMU_IOAS_MAP or IOMMU_IOAS_COPY. Splitting or
 * truncating ranges is not allowed. The values 0 to U64_MAX will unmap
 * everything.
 */
struct iommu_ioas_unmap {
	__u32 size;
	__u32 ioas_id;
	__aligned_u64 iova;
	__aligned_u64 length;
};
#define IOMMU_IOAS_UNMAP _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_UNMAP)

/**
 * enum iommufd_option - ioctl(IOMMU_OPTION_RLIMIT_MODE) and
 *                       ioctl(IOMMU_OPTION_HUGE_PAGES)
 * @IOMMU_OPTION_RLIMIT_MODE:
 *    Change how RLIMIT_MEMLOCK accounting works. The caller must have privilege
 *    to invoke this. Value 0 (default) is user based accouting, 1 uses process
 *    based accounting. Global option, object_id must be 0
 * @IOMMU_OPTION_HUGE_PAGES:
 *    Value 1 (default) allows contiguous pages to be combined when generating
 *    iommu mappings. Value 0 disables combining, everything is mapped to
 *    PAGE_SIZE. This can be useful for benchmarking.  This is a per-IOAS
 *    option, the object_id must be the IOAS ID.
 */
enum iommufd_option {
	IOMMU_OPTION_RLIMIT_MODE = 0,
	IOMMU_OPTION_HUGE_PAGES = 1,
};

/**
 * enum iommufd_option_ops - ioctl(IOMMU_OPTION_OP_SET) and
 *                           ioctl(IOMMU_OPTION_OP_GET)
 * @IOMMU_OPTION_OP_SET: Set the option's value
 * @IOMMU_OPTION_OP_GET: Get the option's value
 */
enum iommufd_option_ops {
	IOMMU_OPTION_OP_SET = 0,
	IOMMU_OPTION_OP_GET = 1,
};

/**
 * struct iommu_option - iommu option multiplexer
 * @size: sizeof(struct iommu_option)
 * @option_id: One of enum iommufd_option
 * @op: One of enum iommufd_option_ops
 * @__reserved: Must be 0
 * @object_id: ID of the object if required
 * @val64: Option value to set or value returned on get
 *
 * Change a simple option value. This multiplexor allows controlling options
 * on objects. IOMMU_OPTION_OP_SET will load an option and IOMMU_OPTION_OP_GET
 * will return the current value.
 */
struct iommu_option {
	__u32 size;
	__u32 option_id;
	__u16 op;
	__u16 __reserved;
	__u32 object_id;
	__aligned_u64 val64;
};
#define IOMMU_OPTION _IO(IOMMUFD_TYPE, IOMMUFD_CMD_OPTION)

/**
 * enum iommufd_vfio_ioas_op - IOMMU_VFIO_IOAS_* ioctls
 * @IOMMU_VFIO_IOAS_GET: Get the current compatibility IOAS
 * @IOMMU_VFIO_IOAS_SET: Change the current compatibility IOAS
 * @IOMMU_VFIO_IOAS_CLEAR: Disable VFIO compatibility
 */
enum iommufd_vfio_ioas_op {
	IOMMU_VFIO_IOAS_GET = 0,
	IOMMU_VFIO_IOAS_SET = 1,
	IOMMU_VFIO_IOAS_CLEAR = 2,
};

/**
 * struct iommu_vfio_ioas - ioctl(IOMMU_VFIO_IOAS)
 * @size: sizeof(struct iommu_vfio_ioas)
 * @ioas_id: For IOMMU_VFIO_IOAS_SET the input IOAS ID to set
 *           For IOMMU_VFIO_IOAS_GET will output the IOAS ID
 * @op: One of enum iommufd_vfio_ioas_op
 * @__reserved: Must be 0
 *
 * The VFIO compatibility support uses a single ioas because VFIO APIs do not
 * support the ID field. Set or Get the IOAS that VFIO compatibility will use.
 * When VFIO_GROUP_SET_CONTAINER is used on an iommufd it will get the
 * compatibility ioas, either by taking what is already set, or auto creating
 * one. From then on VFIO will continue to use that ioas and is not effected by
 * this ioctl. SET or CLEAR does not destroy any auto-created IOAS.
 */
struct iommu_vfio_ioas {
	__u32 size;
	__u32 ioas_id;
	__u16 op;
	__u16 __reserved;
};
#define IOMMU_VFIO_IOAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_VFIO_IOAS)

/**
 * enum iommufd_hwpt_alloc_flags - Flags for HWPT allocation
 * @IOMMU_HWPT_ALLOC_NEST_PARENT: If set, allocate a HWPT that can serve as
 *                                the parent HWPT in a nesting configuration.
 * @IOMMU_HWPT_ALLOC_DIRTY_TRACKING: Dirty tracking support for device IOMMU is
 *                                   enforced on device attachment
 * @IOMMU_HWPT_FAULT_ID_VALID: The fault_id field of hwpt allocation data is
 *                             valid. A kernel-managed HWPT can have it together
 *                             with IOMMU_HWPT_ALLOC_PASID.
 * @IOMMU_HWPT_ALLOC_PASID: The HWPT can be attached to PASIDs of a device, and
 *                          also without a PASID. Only a kernel-managed HWPT can
 *                          have it, and not together with
 *                          IOMMU_HWPT_ALLOC_DIRTY_TRACKING. If the IOMMU driver
 *                          cannot attach such a HWPT to a PASID, or the device
 *                          can take none, the ioctl fails with EOPNOTSUPP. Other
 *                          kernels may ask for the flag on each HWPT that is
 *                          attached to a device which has PASIDs attached.
 */
enum iommufd_hwpt_alloc_flags {
	IOMMU_HWPT_ALLOC_NEST_PARENT = 1 << 0,
	IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 1 << 1,
	IOMMU_HWPT_FAULT_ID_VALID = 1 << 2,
	IOMMU_HWPT_ALLOC_PASID = 1 << 3,
};

/**
 * enum iommu_hwpt_vtd_s1_flags - Intel VT-d stage-1 page table
 *                                entry attributes
 * @IOMMU_VTD_S1_SRE: Supervisor request
 * @IOMMU_VTD_S1_EAFE: Extended access enable
 * @IOMMU_VTD_S1_WPE: Write protect enable
 */
enum iommu_hwpt_vtd_s1_flags {
	IOMMU_VTD_S1_SRE = 1 << 0,
	IOMMU_VTD_S1_EAFE = 1 << 1,
	IOMMU_VTD_S1_WPE = 1 << 2,
};

/**
 * struct iommu_hwpt_vtd_s1 - Intel VT-d stage-1 page table
 *                            info (IOMMU_HWPT_DATA_VTD_S1)
 * @flags: Combination of enum iommu_hwpt_vtd_s1_flags
 * @pgtbl_addr: The base address of the stage-1 page table.
 * @addr_width: The address width of the stage-1 page table
 * @__reserved: Must be 0
 */
struct iommu_hwpt_vtd_s1 {
	__aligned_u64 flags;
	__aligned_u64 pgtbl_addr;
	__u32 addr_width;
	__u32 __reserved;
};

/**
 * enum iommu_hwpt_data_type - IOMMU HWPT Data Type
 * @IOMMU_HWPT_DATA_NONE: no data
 * @IOMMU_HWPT_DATA_VTD_S1: Intel VT-d stage-1 page table
 */
enum iommu_hwpt_data_type {
	IOMMU_HWPT_DATA_NONE = 0,
	IOMMU_HWPT_DATA_VTD_S1 = 1,
};

/**
 * struct iommu_hwpt_alloc - ioctl(IOMMU_HWPT_ALLOC)
 * @size: sizeof(struct iommu_hwpt_alloc)
 * @flags: Combination of enum iommufd_hwpt_alloc_flags
 * @dev_id: The device to allocate this HWPT for
 * @pt_id: The IOAS or HWPT to connect this HWPT to
 * @out_hwpt_id: The ID of the new HWPT
 * @__reserved: Must be 0
 * @data_type: One of enum iommu_hwpt_data_type
 * @data_len: Length of the type specific data
 * @data_uptr: User pointer to the type specific data
 * @fault_id: The ID of IOMMUFD_FAULT object. Valid only if flags field of
 *            IOMMU_HWPT_FAULT_ID_VALID is set.
 * @__reserved2: Padding to 64-bit alignment. Must be 0.
 *
 * Explicitly allocate a hardware page table object. This is the same object
 * type that is returned by iommufd_device_attach() and represents the
 * underlying iommu driver's iommu_domain kernel object.
 *
 * A kernel-managed HWPT will be created with the mappings from the given
 * IOAS via the @pt_id. The @data_type for this allocation must be set to
 * IOMMU_HWPT_DATA_NONE. The HWPT can be allocated as a parent HWPT for a
 * nesting configuration by passing IOMMU_HWPT_ALLOC_NEST_PARENT via @flags.
 *
 * A user-managed nested HWPT will be created from a given parent HWPT via
 * @pt_id, in which the parent HWPT must be allocated previously via the
 * same ioctl from a given IOAS (@pt_id). In this case, the @data_type
 * must be set to a pre-defined type corresponding to an I/O page table
 * type supported by the underlying IOMMU hardware.
 *
 * If the @data_type is set to IOMMU_HWPT_DATA_NONE, @data_len and
 * @data_uptr should be zero. Otherwise, both @data_len and @data_uptr
 * must be given.
 */
struct iommu_hwpt_alloc {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 pt_id;
	__u32 out_hwpt_id;
	__u32 __reserved;
	__u32 data_type;
	__u32 data_len;
	__aligned_u64 data_uptr;
	__u32 fault_id;
	__u32 __reserved2;
};
#define IOMMU_HWPT_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_ALLOC)

/**
 * enum iommu_hw_info_vtd_flags - Flags for VT-d hw_info
 * @IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17: If set, disallow read-only mappings
 *                                         on a nested_parent domain.
 *                                         https://www.intel.com/content/www/us/en/content-details/772415/content-details.html
 */
enum iommu_hw_info_vtd_flags {
	IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17 = 1 << 0,
};

/**
 * struct iommu_hw_info_vtd - Intel VT-d hardware information
 *
 * @flags: Combination of enum iommu_hw_info_vtd_flags
 * @__reserved: Must be 0
 *
 * @cap_reg: Value of Intel VT-d capability register defined in VT-d spec
 *           section 11.4.2 Capability Register.
 * @ecap_reg: Value of Intel VT-d capability register defined in VT-d spec
 *            section 11.4.3 Extended Capability Register.
 *
 * User needs to understand the Intel VT-d specification to decode the
 * register value.
 */
struct iommu_hw_info_vtd {
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 cap_reg;
	__aligned_u64 ecap_reg;
};

/**
 * enum iommu_hw_info_type - IOMMU Hardware Info Types
 * @IOMMU_HW_INFO_TYPE_NONE: Used by the drivers that do not report hardware
 *                           info
 * @IOMMU_HW_INFO_TYPE_INTEL_VTD: Intel VT-d iommu info type
 */
enum iommu_hw_info_type {
	IOMMU_HW_INFO_TYPE_NONE = 0,
	IOMMU_HW_INFO_TYPE_INTEL_VTD = 1,
};

/**
 * enum iommufd_hw_capabilities
 * @IOMMU_HW_CAP_DIRTY_TRACKING: IOMMU hardware support for dirty tracking
 *                               If available, it means the following APIs
 *                               are supported:
 *
 *                                   IOMMU_HWPT_GET_DIRTY_BITMAP
 *                                   IOMMU_HWPT_SET_DIRTY_TRACKING
 *
 * @IOMMU_HW_CAP_PCI_PASID_EXEC: Execute Permission Supported, user ignores it
 *                               when the struct
 *                               iommu_hw_info::out_max_pasid_log2 is zero.
 * @IOMMU_HW_CAP_PCI_PASID_PRIV: Privileged Mode Supported, user ignores it
 *                               when the struct
 *                               iommu_hw_info::out_max_pasid_log2 is zero.
 * @IOMMU_HW_CAP_HITLESS_REPLACE: While an attach replaces the paging HWPT or IOAS
 *                                of the device by another one, no DMA of the
 *                                device is lost. Each access is translated by
 *                                the old one or by the new one. If the bit is
 *                                not set then accesses that the device makes
 *                                meanwhile may fail, or read and write nothing
 *                                without an error, and the device has to be
 *                                quiesced first. An access that waits for the
 *                                answer to a page fault is refused in any case,
 *                                when the HWPT with the fault object is
 *                                replaced. The number of the bit is provisional.
 */
enum iommufd_hw_capabilities {
	IOMMU_HW_CAP_DIRTY_TRACKING = 1 << 0,
	IOMMU_HW_CAP_PCI_PASID_EXEC = 1 << 1,
	IOMMU_HW_CAP_PCI_PASID_PRIV = 1 << 2,
	IOMMU_HW_CAP_HITLESS_REPLACE = 1 << 30,
};

/**
 * struct iommu_hw_info - ioctl(IOMMU_GET_HW_INFO)
 * @size: sizeof(struct iommu_hw_info)
 * @flags: Must be 0
 * @dev_id: The device bound to the iommufd
 * @data_len: Input the length of a user buffer in bytes. Output the length of
 *            data that kernel supports
 * @data_uptr: User pointer to a user-space buffer used by the kernel to fill
 *             the iommu type specific hardware information data
 * @out_data_type: Output the iommu hardware info type as defined in the enum
 *                 iommu_hw_info_type.
 * @out_capabilities: Output the generic iommu capability info type as defined
 *                    in the enum iommu_hw_capabilities.
 * @out_max_pasid_log2: Output the width of PASIDs. 0 means no PASID support.
 *                      PCI devices turn to out_capabilities to check if the
 *                      specific capabilities is supported or not.
 * @__reserved: Must be 0
 *
 * Query an iommu type specific hardware information data from an iommu behind
 * a given device that has been bound to iommufd. This hardware info data will
 * be used to sync capabilities between the virtual iommu and the physical
 * iommu, e.g. a nested translation setup needs to check the hardware info, so
 * a guest stage-1 page table can be compatible with the physical iommu.
 *
 * To capture an iommu type specific hardware information data, @data_uptr and
 * its length @data_len must be provided. Trailing bytes will be zeroed if the
 * user buffer is larger than the data that kernel has. Otherwise, kernel only
 * fills the buffer using the given length in @data_len. If the ioctl succeeds,
 * @data_len will be updated to the length that kernel actually supports,
 * @out_data_type will be filled to decode the data filled in the buffer
 * pointed by @data_uptr. Input @data_len == zero is allowed.
 */
struct iommu_hw_info {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 data_len;
	__aligned_u64 data_uptr;
	__u32 out_data_type;
	__u8 out_max_pasid_log2;
	__u8 __reserved[3];
	__aligned_u64 out_capabilities;
};
#define IOMMU_GET_HW_INFO _IO(IOMMUFD_TYPE, IOMMUFD_CMD_GET_HW_INFO)

/*
 * enum iommufd_hwpt_set_dirty_tracking_flags - Flags for steering dirty
 *                                              tracking
 * @IOMMU_HWPT_DIRTY_TRACKING_ENABLE: Enable dirty tracking
 */
enum iommufd_hwpt_set_dirty_tracking_flags {
	IOMMU_HWPT_DIRTY_TRACKING_ENABLE = 1,
};

/**
 * struct iommu_hwpt_set_dirty_tracking - ioctl(IOMMU_HWPT_SET_DIRTY_TRACKING)
 * @size: sizeof(struct iommu_hwpt_set_dirty_tracking)
 * @flags: Combination of enum iommufd_hwpt_set_dirty_tracking_flags
 * @hwpt_id: HW pagetable ID that represents the IOMMU domain
 * @__reserved: Must be 0
 *
 * Toggle dirty tracking on an HW pagetable.
 */
struct iommu_hwpt_set_dirty_tracking {
	__u32 size;
	__u32 flags;
	__u32 hwpt_id;
	__u32 __reserved;
};
#define IOMMU_HWPT_SET_DIRTY_TRACKING _IO(IOMMUFD_TYPE, \
					  IOMMUFD_CMD_HWPT_SET_DIRTY_TRACKING)

/**
 * enum iommufd_hwpt_get_dirty_bitmap_flags - Flags for getting dirty bits
 * @IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR: Just read the PTEs without clearing
 *                                        any dirty bits metadata. This flag
 *                                        can be passed in the expectation
 *                                        where the next operation is an unmap
 *                                        of the same IOVA range.
 *
 */
enum iommufd_hwpt_get_dirty_bitmap_flags {
	IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR = 1,
};

/**
 * struct iommu_hwpt_get_dirty_bitmap - ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP)
 * @size: sizeof(struct iommu_hwpt_get_dirty_bitmap)
 * @hwpt_id: HW pagetable ID that represents the IOMMU domain
 * @flags: Combination of enum iommufd_hwpt_get_dirty_bitmap_flags
 * @__reserved: Must be 0
 * @iova: base IOVA of the bitmap first bit
 * @length: IOVA range size
 * @page_size: page size granularity of each bit in the bitmap
 * @data: bitmap where to set the dirty bits. The bitmap bits each
 *        represent a page_size which you deviate from an arbitrary iova.
 *
 * Checking a given IOVA is dirty:
 *
 *  data[(iova / page_size) / 64] & (1ULL << ((iova / page_size) % 64))
 *
 * Walk the IOMMU pagetables for a given IOVA range to return a bitmap
 * with the dirty IOVAs. In doing so it will also by default clear any
 * dirty bit metadata set in the IOPTE.
 */
struct iommu_hwpt_get_dirty_bitmap {
	__u32 size;
	__u32 hwpt_id;
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 page_size;
	__aligned_u64 data;
};
#define IOMMU_HWPT_GET_DIRTY_BITMAP _IO(IOMMUFD_TYPE, \
					IOMMUFD_CMD_HWPT_GET_DIRTY_BITMAP)

/**
 * enum iommu_hwpt_invalidate_data_type - IOMMU HWPT Cache Invalidation
 *                                        Data Type
 * @IOMMU_HWPT_INVALIDATE_DATA_VTD_S1: Invalidation data for VTD_S1
 */
enum iommu_hwpt_invalidate_data_type {
	IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 = 0,
};

/**
 * enum iommu_hwpt_vtd_s1_invalidate_flags - Flags for Intel VT-d
 *                                           stage-1 cache invalidation
 * @IOMMU_VTD_INV_FLAGS_LEAF: Indicates whether the invalidation applies
 *                            to all-levels page structure cache or just
 *                            the leaf PTE cache.
 */
enum iommu_hwpt_vtd_s1_invalidate_flags {
	IOMMU_VTD_INV_FLAGS_LEAF = 1 << 0,
};

/**
 * struct iommu_hwpt_vtd_s1_invalidate - Intel VT-d cache invalidation
 *                                       (IOMMU_HWPT_INVALIDATE_DATA_VTD_S1)
 * @addr: The start address of the range to be invalidated. It needs to
 *        be 4KB aligned.
 * @npages: Number of contiguous 4K pages to be invalidated.
 * @flags: Combination of enum iommu_hwpt_vtd_s1_invalidate_flags
 * @__reserved: Must be 0
 *
 * The Intel VT-d specific invalidation data for user-managed stage-1 cache
 * invalidation in nested translation. Userspace uses this structure to
 * tell the impacted cache scope after modifying the stage-1 page table.
 *
 * Invalidating all the caches related to the page table by setting @addr
 * to be 0 and @npages to be U64_MAX.
 *
 * The device TLB will be invalidated automatically if ATS is enabled.
 */
struct iommu_hwpt_vtd_s1_invalidate {
	__aligned_u64 addr;
	__aligned_u64 npages;
	__u32 flags;
	__u32 __reserved;
};

/**
 * struct iommu_hwpt_invalidate - ioctl(IOMMU_HWPT_INVALIDATE)
 * @size: sizeof(struct iommu_hwpt_invalidate)
 * @hwpt_id: ID of a nested HWPT for cache invalidation
 * @data_uptr: User pointer to an array of driver-specific cache invalidation
 *             data.
 * @data_type: One of enum iommu_hwpt_invalidate_data_type, defining the data
 *             type of all the entries in the invalidation request array. It
 *             should be a type supported by the hwpt pointed by @hwpt_id.
 * @entry_len: Length (in bytes) of a request entry in the request array
 * @entry_num: Input the number of cache invalidation requests in the array.
 *             Output the number of requests successfully handled by kernel.
 * @__reserved: Must be 0.
 *
 * Invalidate the iommu cache for user-managed page table. Modifications on a
 * user-managed page table should be followed by this operation to sync cache.
 * Each ioctl can support one or more cache invalidation requests in the array
 * that has a total size of @entry_len * @entry_num.
 *
 * An empty invalidation request array by setting @entry_num==0 is allowed, and
 * @entry_len and @data_uptr would be ignored in this case. This can be used to
 * check if the given @data_type is supported or not by kernel.
 */
struct iommu_hwpt_invalidate {
	__u32 size;
	__u32 hwpt_id;
	__aligned_u64 data_uptr;
	__u32 data_type;
	__u32 entry_len;
	__u32 entry_num;
	__u32 __reserved;
};
#define IOMMU_HWPT_INVALIDATE _IO(IOMMUFD_TYPE, IOMMUFD_CMD_HWPT_INVALIDATE)

/**
 * enum iommu_hwpt_pgfault_flags - flags for struct iommu_hwpt_pgfault
 * @IOMMU_PGFAULT_FLAGS_PASID_VALID: The pasid field of the fault data is
 *                                   valid.
 * @IOMMU_PGFAULT_FLAGS_LAST_PAGE: It's the last fault of a fault group.
 */
enum iommu_hwpt_pgfault_flags {
	IOMMU_PGFAULT_FLAGS_PASID_VALID		= (1 << 0),
	IOMMU_PGFAULT_FLAGS_LAST_PAGE		= (1 << 1),
};

/**
 * enum iommu_hwpt_pgfault_perm - perm bits for struct iommu_hwpt_pgfault
 * @IOMMU_PGFAULT_PERM_READ: request for read permission
 * @IOMMU_PGFAULT_PERM_WRITE: request for write permission
 * @IOMMU_PGFAULT_PERM_EXEC: (PCIE 10.4.1) request with a PASID that has the
 *                           Execute Requested bit set in PASID TLP Prefix.
 * @IOMMU_PGFAULT_PERM_PRIV: (PCIE 10.4.1) request with a PASID that has the
 *                           Privileged Mode Requested bit set in PASID TLP
 *                           Prefix.
 */
enum iommu_hwpt_pgfault_perm {
	IOMMU_PGFAULT_PERM_READ			= (1 << 0),
	IOMMU_PGFAULT_PERM_WRITE		= (1 << 1),
	IOMMU_PGFAULT_PERM_EXEC			= (1 << 2),
	IOMMU_PGFAULT_PERM_PRIV			= (1 << 3),
};

/**
 * struct iommu_hwpt_pgfault - iommu page fault data
 * @flags: Combination of enum iommu_hwpt_pgfault_flags
 * @dev_id: id of the originated device
 * @pasid: Process Address Space ID
 * @grpid: Page Request Group Index
 * @perm: Combination of enum iommu_hwpt_pgfault_perm
 * @__reserved: Must be 0.
 * @addr: Fault address
 * @length: a hint of how much data the requestor is expecting to fetch. For
 *          example, if the PRI initiator knows it is going to do a 10MB
 *          transfer, it could fill in 10MB and the OS could pre-fault in
 *          10MB of IOVA. It's default to 0 if there's no such hint.
 * @cookie: kernel-managed cookie identifying a group of fault messages. The
 *          cookie number encoded in the last page fault of the group should
 *          be echoed back in the response message.
 */
struct iommu_hwpt_pgfault {
	__u32 flags;
	__u32 dev_id;
	__u32 pasid;
	__u32 grpid;
	__u32 perm;
	__u32 __reserved;
	__aligned_u64 addr;
	__u32 length;
	__u32 cookie;
};

/**
 * enum iommufd_page_response_code - Return status of fault handlers
 * @IOMMUFD_PAGE_RESP_SUCCESS: Fault has been handled and the page tables
 *                             populated, retry the access. This is the
 *                             "Success" defined in PCI 10.4.2.1.
 * @IOMMUFD_PAGE_RESP_INVALID: Could not handle this fault, don't retry the
 *                             access. This is the "Invalid Request" in PCI
 *                             10.4.2.1.
 */
enum iommufd_page_response_code {
	IOMMUFD_PAGE_RESP_SUCCESS = 0,
	IOMMUFD_PAGE_RESP_INVALID = 1,
};

/**
 * struct iommu_hwpt_page_response - IOMMU page fault response
 * @cookie: The kernel-managed cookie reported in the fault message.
 * @code: One of response code in enum iommufd_page_response_code.
 */
struct iommu_hwpt_page_response {
	__u32 cookie;
	__u32 code;
};

/**
 * struct iommu_fault_alloc - ioctl(IOMMU_FAULT_QUEUE_ALLOC)
 * @size: sizeof(struct iommu_fault_alloc)
 * @flags: Must be 0
 * @out_fault_id: The ID of the new FAULT
 * @out_fault_fd: The fd of the new FAULT
 *
 * Explicitly allocate a fault handling object.
 */
struct iommu_fault_alloc {
	__u32 size;
	__u32 flags;
	__u32 out_fault_id;
	__u32 out_fault_fd;
};
#define IOMMU_FAULT_QUEUE_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_FAULT_QUEUE_ALLOC)

/**
 * DOC: Reserved regions
 *
 * Some IOVAs of a device cannot be had for DMA: the IOMMU cannot translate
 * them, or something else is there. These ioctls tell which, before anything is
 * attached, so that the memory map of a VM can be made to fit.
 *
 * All of them are provisional. A kernel without them returns ENOTTY.
 */

/**
 * enum iommu_resv_region_type - What a reserved region is
 * @IOMMU_RESV_REGION_DIRECT: Memory that firmware or the platform has the device
 *                            use, its IOVAs must lead there at all times
 * @IOMMU_RESV_REGION_DIRECT_RELAXABLE: As before, but not needed once a driver
 *                                      has taken over. Not enforced.
 * @IOMMU_RESV_REGION_RESERVED: DMA to it does not reach the IOMMU, or must not be
 *                              done
 * @IOMMU_RESV_REGION_HW_MSI: A write to it is an MSI by itself
 * @IOMMU_RESV_REGION_SW_MSI: The window that the kernel maps doorbells in
 * @IOMMU_RESV_REGION_BRIDGE_WINDOW: Behind the same PCI host bridge devices
 *                                   answer to these addresses, DMA may reach
 *                                   them rather than the IOMMU. Advisory.
 * @IOMMU_RESV_REGION_NO_DMA: Firmware says that the PCI host bridge does not pass
 *                            DMA to these addresses on. Advisory.
 *
 * Advisory regions are never enforced: firmware is known to get them wrong. It
 * is wise to keep out of them. Expect new types and treat them as reserved if
 * IOMMU_RESV_REGION_ENFORCED is set.
 */
enum iommu_resv_region_type {
	IOMMU_RESV_REGION_DIRECT = 0,
	IOMMU_RESV_REGION_DIRECT_RELAXABLE = 1,
	IOMMU_RESV_REGION_RESERVED = 2,
	IOMMU_RESV_REGION_HW_MSI = 3,
	IOMMU_RESV_REGION_SW_MSI = 4,
	IOMMU_RESV_REGION_BRIDGE_WINDOW = 5,
	IOMMU_RESV_REGION_NO_DMA = 6,
};

/* Stands for no region, never in a list */
#define IOMMU_RESV_REGION_NONE (~0U)

/**
 * enum iommu_resv_region_flags - More about a reserved region
 * @IOMMU_RESV_REGION_ENFORCED: While the device is attached nothing can be mapped
 *                              there
 * @IOMMU_RESV_REGION_CHOSEN: The window was set with IOMMU_MSI_WINDOW
 */
enum iommu_resv_region_flags {
	IOMMU_RESV_REGION_ENFORCED = 1 << 0,
	IOMMU_RESV_REGION_CHOSEN = 1 << 1,
};

/**
 * enum iommu_resv_region_prot - How the kernel maps a region if it does
 * @IOMMU_RESV_REGION_READ: The device can read
 * @IOMMU_RESV_REGION_WRITE: The device can write
 * @IOMMU_RESV_REGION_CACHE: DMA is coherent with the caches
 * @IOMMU_RESV_REGION_NOEXEC: The device cannot fetch instructions
 * @IOMMU_RESV_REGION_MMIO: Device memory, as a doorbell is
 * @IOMMU_RESV_REGION_PRIV: Only privileged transactions
 */
enum iommu_resv_region_prot {
	IOMMU_RESV_REGION_READ = 1 << 0,
	IOMMU_RESV_REGION_WRITE = 1 << 1,
	IOMMU_RESV_REGION_CACHE = 1 << 2,
	IOMMU_RESV_REGION_NOEXEC = 1 << 3,
	IOMMU_RESV_REGION_MMIO = 1 << 4,
	IOMMU_RESV_REGION_PRIV = 1 << 5,
};

/**
 * struct iommu_resv_region_info - One reserved region of a device
 * @start: First IOVA
 * @last: Last IOVA, inclusive
 * @type: One of enum iommu_resv_region_type
 * @flags: Combination of enum iommu_resv_region_flags. Ignore unknown ones.
 * @prot: Combination of enum iommu_resv_region_prot. Ignore unknown ones.
 * @__reserved: 0
 *
 * Later kernels can have more fields at the end.
 */
struct iommu_resv_region_info {
	__aligned_u64 start;
	__aligned_u64 last;
	__u32 type;
	__u32 flags;
	__u32 prot;
	__u32 __reserved;
};

/**
 * enum iommu_device_out_flags - What is known of a device
 * @IOMMU_DEVICE_APERTURE_KNOWN: The IOMMU driver has told the aperture. Without
 *                               it everything counts as translated, and what is
 *                               outside of the aperture is found at attach or
 *                               at map.
 *
 * Ignore unknown ones.
 */
enum iommu_device_out_flags {
	IOMMU_DEVICE_APERTURE_KNOWN = 1 << 0,
};

/**
 * struct iommu_device_resv_regions - ioctl(IOMMU_DEVICE_RESV_REGIONS)
 * @size: sizeof(struct iommu_device_resv_regions)
 * @flags: Must be 0
 * @dev_id: ID of a bound device, attached or not
 * @num_regions: In: number of entries that there is room for at @regions. Out:
 *               number of regions that there are.
 * @entry_size: Size in bytes of each entry at @regions, that is
 *              sizeof(struct iommu_resv_region_info) as the caller knows it. A
 *              multiple of 8, at least 32 and at most 4096.
 * @out_flags: Combination of enum iommu_device_out_flags
 * @regions: Pointer to the output array of struct iommu_resv_region_info. Not
 *           looked at if there is no room.
 * @out_aperture_start: First IOVA that the IOMMU can translate for the device
 * @out_aperture_last: Last one, inclusive. The aperture is 0 to U64_MAX if it is
 *                     not known.
 * @out_group_id: Number of the IOMMU group of the device, as in
 *                /sys/kernel/iommu_groups. Devices of one group are attached
 *                together and share the MSI window.
 * @__reserved: Must be 0
 *
 * Provisional. Read what the IOMMU driver has reserved for a device, sorted by
 * start and then by type. Regions can overlap. The software MSI window is the
 * one in use by the group of the device, that is the chosen one if there is one.
 * Advisory regions are in the list too, everything that is enforced when the
 * device is attached has IOMMU_RESV_REGION_ENFORCED.
 *
 * The kernel fills in as much of each entry as both sides know, and zeroes the
 * rest of it.
 *
 * The list can change when a window is chosen, or a device joins the group.
 *
 * Errors:
 *
 *  - ENOTTY: The kernel does not know this ioctl.
 *  - EOPNOTSUPP: @flags or @__reserved is not 0.
 *  - ENOENT: There is no device of this ID.
 *  - EINVAL: @entry_size is not one of those above.
 *  - E2BIG: The structure has a nonzero part that the kernel does not know.
 *  - EMSGSIZE: There are more than @num_regions. As many as there is room for and
 *    all other results are there, @num_regions tells how many are needed.
 *  - EFAULT: User memory cannot be accessed.
 *  - ENOMEM: Out of memory.
 *
 * or what the IOMMU driver fails with. No error leaves out a region silently.
 */
struct iommu_device_resv_regions {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 num_regions;
	__u32 entry_size;
	__u32 out_flags;
	__aligned_u64 regions;
	__aligned_u64 out_aperture_start;
	__aligned_u64 out_aperture_last;
	__u32 out_group_id;
	__u32 __reserved;
};

#define IOMMU_DEVICE_RESV_REGIONS \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DEVICE_RESV_REGIONS)

/**
 * struct iommu_device_iova_ranges - ioctl(IOMMU_DEVICE_IOVA_RANGES)
 * @size: sizeof(struct iommu_device_iova_ranges)
 * @flags: Must be 0
 * @dev_id: ID of a bound device, attached or not
 * @num_iovas: In: number of ranges that there is room for at @allowed_iovas. Out:
 *             number of ranges that there are.
 * @allowed_iovas: Pointer to the output array of struct iommu_iova_range. Not
 *                 looked at if there is no room.
 * @out_iova_alignment: Alignment that is enough for every mapping the device will
 *                      ever be attached to. IOMMU_IOAS_IOVA_RANGES can tell a
 *                      lower one once the device is attached.
 * @out_flags: Combination of enum iommu_device_out_flags
 * @out_group_id: As in struct iommu_device_resv_regions
 *
 * Provisional. Read which IOVAs are left for the DMA of a device: its aperture
 * minus the enforced regions. The ranges are sorted and do not touch. They are
 * what IOMMU_IOAS_IOVA_RANGES tells after the device alone has been attached to
 * an empty IOAS, if @out_flags has IOMMU_DEVICE_APERTURE_KNOWN.
 *
 * Errors:
 *
 *  - ENOTTY: The kernel does not know this ioctl.
 *  - EOPNOTSUPP: @flags is not 0.
 *  - ENOENT: There is no device of this ID.
 *  - E2BIG: The structure has a nonzero part that the kernel does not know.
 *  - EMSGSIZE: There are more than @num_iovas. As many as there is room for and
 *    all other results are there, @num_iovas tells how many are needed.
 *  - EFAULT: User memory cannot be accessed.
 *  - ENOMEM: Out of memory.
 *
 * or what the IOMMU driver fails with.
 */
struct iommu_device_iova_ranges {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 num_iovas;
	__aligned_u64 allowed_iovas;
	__aligned_u64 out_iova_alignment;
	__u32 out_flags;
	__u32 out_group_id;
};

#define IOMMU_DEVICE_IOVA_RANGES \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DEVICE_IOVA_RANGES)

/**
 * enum iommu_iova_conflict_kind - Why a range cannot be had
 * @IOMMU_IOVA_CONFLICT_MAPPED: There is a mapping in the IOAS already, where an
 *                              enforced region of the device is, or a planned
 *                              range
 * @IOMMU_IOVA_CONFLICT_ALLOWED: An enforced region of the device, or with
 *                               IOMMU_RESV_REGION_NONE the end of its aperture,
 *                               would take away from a range that
 *                               IOMMU_IOAS_ALLOW_IOVAS has promised
 * @IOMMU_IOVA_CONFLICT_RESERVED: A planned range or a chosen window lies over an
 *                                enforced region of a device
 * @IOMMU_IOVA_CONFLICT_HOLE: A planned range lies over one that
 *                            IOMMU_IOAS_SET_HOLES keeps free
 * @IOMMU_IOVA_CONFLICT_APERTURE: A mapping, a planned range, or with
 *                                IOMMU_RESV_REGION_SW_MSI the window, is outside
 *                                of what the IOMMU can translate for the device,
 *                                or for a HWPT if there is no device
 * @IOMMU_IOVA_CONFLICT_WINDOW: The window overlaps another window in use in the
 *                              IOAS
 * @IOMMU_IOVA_CONFLICT_ALIGNMENT: The start or the length of a planned range, or
 *                                 of a mapping that is there already, is no
 *                                 multiple of the page size of the IOMMU. If
 *                                 that is more than the system PAGE_SIZE the
 *                                 device cannot be attached at all, then this
 *                                 is everything.
 * @IOMMU_IOVA_CONFLICT_PLANNED: A planned range overlaps one that comes before
 *                               it in the array
 * @IOMMU_IOVA_CONFLICT_BUSY: The window is in use, by an attached device or, with
 *                            a device ID of 0, by an interrupt of the group
 *
 * Later kernels can have more.
 */
enum iommu_iova_conflict_kind {
	IOMMU_IOVA_CONFLICT_MAPPED = 1,
	IOMMU_IOVA_CONFLICT_ALLOWED = 2,
	IOMMU_IOVA_CONFLICT_RESERVED = 3,
	IOMMU_IOVA_CONFLICT_HOLE = 4,
	IOMMU_IOVA_CONFLICT_APERTURE = 5,
	IOMMU_IOVA_CONFLICT_WINDOW = 6,
	IOMMU_IOVA_CONFLICT_ALIGNMENT = 7,
	IOMMU_IOVA_CONFLICT_PLANNED = 8,
	IOMMU_IOVA_CONFLICT_BUSY = 9,
};

/* Stand for no group and no planned range in a conflict */
#define IOMMU_IOVA_CONFLICT_NO_GROUP (~0U)
#define IOMMU_IOVA_CONFLICT_NO_RANGE (~0U)

/**
 * struct iommu_iova_conflict - Two things that cannot both be had
 * @start: First IOVA in conflict, that is where the two things overlap. For
 *         IOMMU_IOVA_CONFLICT_ALIGNMENT it is all of the range or mapping.
 * @last: Last one, inclusive
 * @kind: One of enum iommu_iova_conflict_kind
 * @region_type: Type of the region in conflict, one of
 *               enum iommu_resv_region_type, or IOMMU_RESV_REGION_NONE if it is
 *               not about a region
 * @dev_id: ID of the device that the region, the aperture or the page size
 *          belongs to. That can be another device of the group than the one that
 *          was asked about. 0 if it is not about a device, or about one of
 *          @group_id that is not bound to this fd.
 * @group_id: Number of the IOMMU group of that device, as in
 *            /sys/kernel/iommu_groups, or IOMMU_IOVA_CONFLICT_NO_GROUP
 * @range_index: Index of the planned range in the array that was given, or
 *               IOMMU_IOVA_CONFLICT_NO_RANGE
 * @__reserved: 0
 *
 * Later kernels can have more fields at the end.
 */
struct iommu_iova_conflict {
	__aligned_u64 start;
	__aligned_u64 last;
	__u32 kind;
	__u32 region_type;
	__u32 dev_id;
	__u32 group_id;
	__u32 range_index;
	__u32 __reserved;
};

/* Most ranges that IOMMU_IOAS_CHECK and IOMMU_IOAS_SET_HOLES take */
#define IOMMU_IOAS_MAX_RANGES 65536

/* Most conflicts that are named, there may be more */
#define IOMMU_MAX_CONFLICTS 65536

/**
 * enum iommu_ioas_check_flags - Flags for IOMMU_IOAS_CHECK
 * @IOMMU_IOAS_CHECK_PASID: The device is to be attached at a PASID
 */
enum iommu_ioas_check_flags {
	IOMMU_IOAS_CHECK_PASID = 1 << 0,
};

/**
 * struct iommu_ioas_check - ioctl(IOMMU_IOAS_CHECK)
 * @size: sizeof(struct iommu_ioas_check)
 * @flags: Combination of enum iommu_ioas_check_flags
 * @pt_id: IOAS or HWPT to check against. A nested HWPT stands for its parent.
 * @dev_id: ID of a bound device that is to be attached to @pt_id, or to be
 *          changed over to it. 0 for none.
 * @num_ranges: Number of ranges at @ranges, at most IOMMU_IOAS_MAX_RANGES
 * @num_conflicts: In: number of entries that there is room for at @conflicts.
 *                 Out: number of conflicts that there are.
 * @ranges: Pointer to an array of struct iommu_iova_range, each of which is to be
 *          mapped with one IOMMU_IOAS_MAP or IOMMU_IOAS_COPY with
 *          IOMMU_IOAS_MAP_FIXED_IOVA
 * @conflicts: Pointer to the output array of struct iommu_iova_conflict. Not
 *             looked at if there is no room.
 * @entry_size: Size in bytes of each entry at @conflicts, that is
 *              sizeof(struct iommu_iova_conflict) as the caller knows it. A
 *              multiple of 8, at least 40 and at most 4096, or 0 if there is no
 *              room.
 * @out_flags: Combination of enum iommu_device_out_flags, of all devices whose
 *             aperture counts
 *
 * Provisional. Would this device fit to what is mapped and to what is planned,
 * and could all of the planned ranges be mapped? Nothing is changed. The ioctl
 * names each conflict between
 *
 *  - the device, and the mappings, the promised ranges and the windows of the
 *    IOAS,
 *  - the device and the planned ranges,
 *  - the planned ranges, and the mappings, the regions of attached devices, the
 *    holes and the HWPTs of the IOAS,
 *  - each planned range and the first one before it that it overlaps.
 *
 * The conflicts are sorted by start, then kind, then last. If there are more
 * than there is room for, or more than IOMMU_MAX_CONFLICTS, then the first ones
 * are given. The kernel fills in as much of each entry as both sides know, and
 * zeroes the rest of it.
 *
 * If there are none and nothing changes meanwhile then the attach, and each map,
 * is not refused because of one of these kinds. If there are some then
 * at least one of them is refused. That is so with IOMMU_DEVICE_APERTURE_KNOWN
 * in @out_flags; without it the aperture is left out. There can be other reasons
 * to refuse, such as memory, accounting, the alignment of user memory or the type
 * of the HWPT.
 *
 * A device that is attached elsewhere changes over with all attached devices of
 * its group. The regions of all of them are checked then, and dev_id of a
 * conflict says which of them it is about.
 *
 * With a HWPT in @pt_id the aperture and the page size are those of the HWPT,
 * which its flags can make other than those of an IOAS.
 *
 * With IOMMU_IOAS_CHECK_PASID the attach is that of the device at a PASID. An
 * interrupt never comes with a PASID, so the MSI window is not part of it, and
 * nor are other devices of the group. Which PASID it is does not matter. @pt_id is
 * an IOAS, or a HWPT of IOMMU_HWPT_ALLOC_PASID.
 *
 * Errors:
 *
 *  - ENOTTY: The kernel does not know this ioctl.
 *  - EOPNOTSUPP: @flags has a bit that is not known.
 *  - ENOENT: There is no IOAS, HWPT or device of this ID.
 *  - EINVAL: @entry_size is not one of those above, the last IOVA of a range is
 *    below its start, or there is neither a device nor a range. Or with
 *    IOMMU_IOAS_CHECK_PASID there is no device, or a HWPT that is not for PASIDs.
 *  - ENODEV: With IOMMU_IOAS_CHECK_PASID: the device can take no PASIDs.
 *  - EOVERFLOW: A range that no IOMMU_IOAS_MAP takes: its start or its length is
 *    not less than ULONG_MAX, or it does not end within the IOVAs of the kernel.
 *  - ENOSPC: There are more than IOMMU_IOAS_MAX_RANGES ranges, or the IOMMU of the
 *    device has no room for one more domain and none that it could share.
 *  - E2BIG: The structure has a nonzero part that the kernel does not know.
 *  - EMSGSIZE: There are more than @num_conflicts, or more than
 *    IOMMU_MAX_CONFLICTS. The first of them and all other results are there,
 *    @num_conflicts tells how many there are.
 *  - EFAULT: User memory cannot be accessed.
 *  - EINTR: The process is being killed.
 *  - ENOMEM: Out of memory.
 *
 * or what the IOMMU driver fails with.
 */
struct iommu_ioas_check {
	__u32 size;
	__u32 flags;
	__u32 pt_id;
	__u32 dev_id;
	__u32 num_ranges;
	__u32 num_conflicts;
	__aligned_u64 ranges;
	__aligned_u64 conflicts;
	__u32 entry_size;
	__u32 out_flags;
};

#define IOMMU_IOAS_CHECK _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_CHECK)

/**
 * struct iommu_ioas_set_holes - ioctl(IOMMU_IOAS_SET_HOLES)
 * @size: sizeof(struct iommu_ioas_set_holes)
 * @ioas_id: IOAS to set the holes of
 * @num_iovas: Number of ranges at @holes, at most IOMMU_IOAS_MAX_RANGES. 0 for
 *             none.
 * @__reserved: Must be 0
 * @holes: Pointer to an array of struct iommu_iova_range, in any order
 *
 * Provisional. Keep ranges of an IOAS free, for regions of a device that is to be
 * plugged later or of a host to be migrated to. IOMMU_IOAS_IOVA_RANGES leaves
 * them out, nothing can be mapped there. The attach of a device that has a region
 * there succeeds. Ranges that overlap or touch become one hole, so the lists of
 * many hosts can be given as they are. A new set replaces the old one, all of it
 * or, if the ioctl fails, nothing.
 *
 * Errors:
 *
 *  - ENOTTY: The kernel does not know this ioctl.
 *  - EOPNOTSUPP: @__reserved is not 0.
 *  - ENOENT: There is no IOAS of this ID.
 *  - EINVAL: The last IOVA of a range is below its start.
 *  - EADDRINUSE: There is a mapping in a hole, or a range that
 *    IOMMU_IOAS_ALLOW_IOVAS has promised.
 *  - EOVERFLOW: A range does not end within the IOVAs of the kernel.
 *  - ENOSPC: There are more than IOMMU_IOAS_MAX_RANGES ranges.
 *  - E2BIG: The structure has a nonzero part that the kernel does not know.
 *  - EFAULT: User memory cannot be accessed.
 *  - EINTR: The process is being killed.
 *  - ENOMEM: Out of memory.
 */
struct iommu_ioas_set_holes {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 holes;
};

#define IOMMU_IOAS_SET_HOLES _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_SET_HOLES)

/**
 * struct iommu_ioas_get_holes - ioctl(IOMMU_IOAS_GET_HOLES)
 * @size: sizeof(struct iommu_ioas_get_holes)
 * @ioas_id: IOAS to read the holes of
 * @num_iovas: In: number of ranges that there is room for at @holes. Out: number
 *             of holes that there are.
 * @__reserved: Must be 0
 * @holes: Pointer to the output array of struct iommu_iova_range. Not looked at
 *         if there is no room.
 *
 * Provisional. Read the holes that IOMMU_IOAS_SET_HOLES keeps free, sorted. They
 * neither overlap nor touch.
 *
 * Errors:
 *
 *  - ENOTTY: The kernel does not know this ioctl.
 *  - EOPNOTSUPP: @__reserved is not 0.
 *  - ENOENT: There is no IOAS of this ID.
 *  - E2BIG: The structure has a nonzero part that the kernel does not know.
 *  - EMSGSIZE: There are more than @num_iovas. As many as there is room for are
 *    there, @num_iovas tells how many are needed.
 *  - EFAULT: User memory cannot be accessed.
 *  - EINTR: The process is being killed.
 *  - ENOMEM: Out of memory.
 */
struct iommu_ioas_get_holes {
	__u32 size;
	__u32 ioas_id;
	__u32 num_iovas;
	__u32 __reserved;
	__aligned_u64 holes;
};

#define IOMMU_IOAS_GET_HOLES _IO(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_GET_HOLES)

/**
 * enum iommu_msi_window_op - What IOMMU_MSI_WINDOW does
 * @IOMMU_MSI_WINDOW_OP_GET: Read the window
 * @IOMMU_MSI_WINDOW_OP_SET: Choose a window
 * @IOMMU_MSI_WINDOW_OP_RESET: Go back to the window of the IOMMU driver
 */
enum iommu_msi_window_op {
	IOMMU_MSI_WINDOW_OP_GET = 0,
	IOMMU_MSI_WINDOW_OP_SET = 1,
	IOMMU_MSI_WINDOW_OP_RESET = 2,
};

/**
 * enum iommu_msi_window_state - Where a window comes from
 * @IOMMU_MSI_WINDOW_NONE: The group has no software window: the hardware does not
 *                         translate its MSIs, or translates them by itself
 * @IOMMU_MSI_WINDOW_DRIVER: Nothing is chosen, the IOMMU driver says where it is
 * @IOMMU_MSI_WINDOW_CHOSEN: It was chosen with IOMMU_MSI_WINDOW_OP_SET, for the
 *                           group or as the default
 */
enum iommu_msi_window_state {
	IOMMU_MSI_WINDOW_NONE = 0,
	IOMMU_MSI_WINDOW_DRIVER = 1,
	IOMMU_MSI_WINDOW_CHOSEN = 2,
};

/**
 * struct iommu_msi_window - ioctl(IOMMU_MSI_WINDOW)
 * @size: sizeof(struct iommu_msi_window)
 * @flags: Must be 0
 * @op: One of enum iommu_msi_window_op
 * @dev_id: ID of a bound device, then it is about the window of its group. Or 0,
 *          then it is about the default of this fd, which groups take over when
 *          their first device is bound.
 * @start: SET: first IOVA in bytes, a multiple of the system PAGE_SIZE. GET: not
 *         looked at. RESET: must be 0. Out: the start of the window from now on,
 *         0 if there is none or it is up to the driver of each group.
 * @length: Number of bytes, otherwise as @start, and not 0 for SET
 * @out_state: One of enum iommu_msi_window_state
 * @out_group_id: Number of the IOMMU group of the device, as in
 *                /sys/kernel/iommu_groups, or IOMMU_IOVA_CONFLICT_NO_GROUP for
 *                the default
 * @num_conflicts: In: number of entries that there is room for at @conflicts.
 *                 Out: number of conflicts that there are.
 * @entry_size: As in struct iommu_ioas_check
 * @conflicts: As in struct iommu_ioas_check
 *
 * Provisional. Read or choose the software MSI window: the range that the
 * doorbells of interrupts are mapped in where the IOMMU translates MSIs.
 *
 * A window can be chosen from bind on, as long as no device of the group is
 * attached or has an interrupt set up. It must fit all devices of the group.
 * It stays chosen as long as a device of the group is bound. In a group with a
 * chosen window the one of the driver means nothing, and can be mapped.
 *
 * The window of the driver comes back with RESET, also for a group that has taken
 * over the default.
 *
 * A default is not checked against any group before one is bound. If it does
 * not fit then the bind fails with EADDRNOTAVAIL or EADDRINUSE. Groups without
 * a software window ignore it.
 *
 * Mappings are not looked at. An attach to an IOAS that has one in the window
 * fails, see IOMMU_IOAS_CHECK.
 *
 * SET and RESET fail, and change nothing, if the window cannot be had. With
 * EADDRNOTAVAIL, EADDRINUSE and EBUSY @num_conflicts and @out_group_id are filled
 * in, and @conflicts names the devices and regions, in the order of
 * IOMMU_IOAS_CHECK and as many as there is room for.
 *
 * Errors:
 *
 *  - ENOTTY: The kernel does not know this ioctl.
 *  - EOPNOTSUPP: @op is not known, @flags is not 0, or for RESET @start or
 *    @length.
 *  - ENOENT: There is no device of this ID.
 *  - ENODEV: SET, RESET: The group has no software window. For the default: this
 *    kernel has none for any group.
 *  - EINVAL: @start or @length is not one of those above, or @entry_size.
 *  - EOVERFLOW: The window does not end within the IOVAs of the kernel.
 *  - EADDRNOTAVAIL: It is not in the aperture of each device of the group.
 *  - EADDRINUSE: It overlaps an enforced region of a device of the group.
 *  - EBUSY: A device of the group is attached or has an interrupt set up.
 *  - E2BIG: The structure has a nonzero part that the kernel does not know.
 *  - EFAULT: User memory cannot be accessed. If that of this structure can be
 *    read and not written, the window may have been changed: GET tells.
 *  - EINTR: The process is being killed.
 *  - ENOMEM: Out of memory.
 *
 * or what the IOMMU driver fails with.
 */
struct iommu_msi_window {
	__u32 size;
	__u32 flags;
	__u32 op;
	__u32 dev_id;
	__aligned_u64 start;
	__aligned_u64 length;
	__u32 out_state;
	__u32 out_group_id;
	__u32 num_conflicts;
	__u32 entry_size;
	__aligned_u64 conflicts;
};

#define IOMMU_MSI_WINDOW _IO(IOMMUFD_TYPE, IOMMUFD_CMD_MSI_WINDOW)

/**
 * enum iommu_pasid_alloc_flags - Flags for IOMMU_PASID_ALLOC
 * @IOMMU_PASID_ALLOC_DEVICE: The PASID can be attached to the device of @dev_id
 *                            only. Otherwise every device that is bound to this
 *                            fd can have it attached.
 */
enum iommu_pasid_alloc_flags {
	IOMMU_PASID_ALLOC_DEVICE = 1 << 0,
};

/**
 * struct iommu_pasid_alloc - ioctl(IOMMU_PASID_ALLOC)
 * @size: sizeof(struct iommu_pasid_alloc)
 * @flags: Combination of enum iommu_pasid_alloc_flags
 * @dev_id: ID of a bound device that has to be able to take the PASID. 0 if all
 *          bound devices have to that can take any.
 * @min_pasid: Smallest PASID that will do. 0 is never allocated.
 * @max_pasid: Largest PASID that will do, inclusive. The limit of the device may
 *             be below. ~0U for any.
 * @out_pasid: The PASID
 * @out_pasid_id: ID of the new object, for IOMMU_DESTROY
 * @__reserved: Must be 0
 *
 * Provisional. Allocate a PASID that belongs to this fd. No other fd, driver or
 * process gets it before it is given back and has rested, see
 * Documentation/driver-api/iommu-pasid.rst. VFIO_DEVICE_ATTACH_IOMMUFD_PT attaches
 * a HWPT to it.
 *
 * IOMMU_DESTROY gives it back, and so does the last close of the fd. IOMMU_DESTROY
 * fails with EBUSY while a device is attached there.
 *
 * If @min_pasid and @max_pasid are the same then it is this number or none. That
 * is for a VMM whose guest has chosen it. The error says why it cannot be had,
 * and it is not taken away from anyone.
 *
 * How many PASIDs there can be is limited by the module parameters
 * iommufd.pasids_per_fd, and iommufd.pasids_per_user for all fds that a user has
 * opened. iommu.pasid_file_share is how many percent of the numbers that all devices
 * can take may belong to fds, of all users together.
 *
 * Errors:
 *
 *  - ENOTTY: The kernel does not know this ioctl.
 *  - EOPNOTSUPP: @flags has a bit that is not known, or @__reserved is not 0.
 *  - EINVAL: @max_pasid is below @min_pasid, or IOMMU_PASID_ALLOC_DEVICE without
 *    a device.
 *  - ENOENT: There is no device of this ID.
 *  - ENODEV: The device can take no PASIDs. Without a device: no bound device can
 *    take one.
 *  - ERANGE: The device can take no PASID from @min_pasid to @max_pasid.
 *  - EDQUOT: This fd has as many as allowed, or the user who opened it, for whom
 *    those that rest count, too. Or there are others only among those that all
 *    devices can take, and fds have their share of these.
 *  - ENOSPC: All from @min_pasid to @max_pasid, which are not the same, are in
 *    use, rest, or are kept for devices with fewer PASID bits. One that is kept
 *    is given to who asks for this number only.
 *  - EEXIST: The only number that will do is one of this fd already.
 *  - EACCES: The only number that will do belongs to somebody else.
 *  - EAGAIN: The only number that will do rests.
 *  - E2BIG: The structure has a nonzero part that the kernel does not know.
 *  - EFAULT: User memory cannot be accessed.
 *  - ENOMEM: Out of memory.
 */
struct iommu_pasid_alloc {
	__u32 size;
	__u32 flags;
	__u32 dev_id;
	__u32 min_pasid;
	__u32 max_pasid;
	__u32 out_pasid;
	__u32 out_pasid_id;
	__u32 __reserved;
};

#define IOMMU_PASID_ALLOC _IO(IOMMUFD_TYPE, IOMMUFD_CMD_PASID_ALLOC)
#endif
