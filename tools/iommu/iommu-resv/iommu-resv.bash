# SPDX-License-Identifier: GPL-2.0-only
# bash completion for iommu-resv

_iommu_resv()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local command=${COMP_WORDS[1]-} host plan words

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"list ranges plan check intersect diff map msi --help" -- "$cur")
		return
	fi
	case $prev in
	--device)
		words=$(for dev in /sys/kernel/iommu_groups/*/devices/*; do
			echo "${dev##*/}"
		done)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
		;;
	--source)
		mapfile -t COMPREPLY < <(compgen -W \
			"auto iova_regions reserved_regions ioctl" -- "$cur")
		return
		;;
	--host | --layout | --svg)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--root)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--ram | --base | --align | --pid)
		return
		;;
	esac
	host="--device --all --host --root --source --no-names"
	plan="--ram --base --align --qemu --qemu=q35 --qemu=virt"
	case $command in
	list | ranges) words=$host ;;
	plan) words="$host $plan --ignore-advisory" ;;
	check) words="$host --ignore-advisory" ;;
	intersect) words="--device --all --layout --ignore-advisory" ;;
	diff) words="--ignore-advisory" ;;
	map) words="$host --svg --ignore-advisory" ;;
	msi) words="--root --pid" ;;
	esac
	case $command:$cur in
	check:[!-]* | check: | intersect:[!-]* | intersect: | diff:[!-]* | diff:)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	*) mapfile -t COMPREPLY < <(compgen -W "$words --json --help" -- "$cur") ;;
	esac
}

complete -o filenames -F _iommu_resv iommu-resv
