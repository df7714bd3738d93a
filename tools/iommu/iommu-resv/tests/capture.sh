#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# capture.sh [ROOT]: print what iommu-resv reads of this host (or of ROOT) as a
# text for unpack.sh. As root it has the MSI pages too.
set -eu
root=${1:-}
cd "$root/"

file()
{
	[ -r "$1" ] || return 0
	echo "f $1"
	sed 's/^/|/' "$1"
}

if [ -r etc/hostname ]; then
	file etc/hostname
else
	printf 'f etc/hostname\n|%s\n' "$(uname -n)"
fi
for group in sys/kernel/iommu_groups/*; do
	[ -d "$group" ] || continue
	file "$group/name"
	file "$group/reserved_regions"
	file "$group/iova_regions"
	for dev in "$group"/devices/*; do
		[ -e "$dev" ] || continue
		echo "d $dev"
		file "$dev/class"
		[ ! -L "$dev/driver" ] ||
			echo "l $dev/driver $(readlink "$dev/driver")"
		for vfio in "$dev"/vfio-dev/*; do
			[ ! -e "$vfio" ] || echo "d $vfio"
		done
	done
done
for fd in proc/[0-9]*/fd/*; do
	[ "$(readlink "$fd" 2>/dev/null)" = /dev/iommu ] || continue
	pid=${fd#proc/}
	pid=${pid%%/*}
	file "proc/$pid/comm"
	echo "l $fd /dev/iommu"
	file "proc/$pid/fdinfo/${fd##*/}"
done
