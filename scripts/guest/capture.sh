#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest, for make capture: what iommu-resv reads here, as a text for its tests.
# With a devicetree a device has a group only once a driver has it: the edu devices go
# to vfio-pci then.
set -e
for dev in /sys/bus/pci/devices/*; do
	[ ! -e "$dev/iommu_group" ] || continue
	[ "$(cat "$dev/vendor" "$dev/device" | tr '\n' :)" = 0x1234:0x11e8: ] || continue
	echo vfio-pci >"$dev/driver_override"
	echo "${dev##*/}" >/sys/bus/pci/drivers_probe
done
mkdir -p /etc
echo "${CAPTURE_NAME:?}" >/etc/hostname
echo 1..1
sh ./capture-host.sh | sed 's/^/# capture: /'
echo "ok 1 capture"
