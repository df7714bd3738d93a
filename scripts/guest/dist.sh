#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: unpack the kselftest pack as on a machine of one's own and run it.
# Reports what run_kselftest.sh reports, as it is.
set -e
cd /tmp
tar -xzf /pack.tar.gz
cd iommu-tests
test -x run_kselftest.sh
exec sh ./run_kselftest.sh -o 300 -t iommu:iommufd_resv -t iommu:iommufd_resv_edu -t iommu:iommu_resv_tool
