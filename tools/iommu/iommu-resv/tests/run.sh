#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The tests that need no IOMMU: make check. One line for each, "ok" or "not ok",
# and a plan. OUT is the output folder of the build. UPDATE=1 writes the golden
# files anew rather than comparing with them: look at the diff then.
set -u
cd "$(dirname "$0")" || exit 2
export LC_ALL=C
san=$OUT/san
tool=$san/iommu-resv
fast=$OUT/iommu-resv
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
num=0 bad=0

result()
{
	num=$((num + 1))
	if [ "$1" = 0 ]; then
		echo "ok $num $2"
	else
		echo "not ok $num $2"
		bad=$((bad + 1))
	fi
}

skip()
{
	num=$((num + 1))
	echo "ok $num $1 # SKIP $2"
}

# ---- The library ----

"$san/unit" >"$tmp/unit" 2>&1
rc=$?
grep -v '^ok\|^1\.\.' "$tmp/unit" | sed 's/^/# /'
result $rc "unit ($(grep -c '^ok' "$tmp/unit") tests of the library)"

nm -u "$OUT"/libiommu-resv.a | sed -n 's/^ *U //p' | sort -u |
	grep -E '^(f?open(64)?|read|write|printf|puts|std(in|out|err)|_?exit|abort)$' \
		>"$tmp/symbols"
rc=1
[ -s "$tmp/symbols" ] || rc=0
sed 's/^/# /' "$tmp/symbols"
result $rc "the library opens nothing, prints nothing, never exits"

"$san/corpus" corpus/* >"$tmp/corpus" 2>&1
rc=$?
sed 's/^/# /' "$tmp/corpus"
result $rc "corpus of the fuzzer"

# ---- Golden output of captured trees ----

show()
{
	echo "\$ iommu-resv $*"
	"$tool" "$@" --root "$tree" >"$tmp/stdout" 2>"$tmp/stderr"
	rc=$?
	cat "$tmp/stdout"
	sed "s#$tmp/##" "$tmp/stderr"
	[ $rc = 0 ] || echo "exit code $rc"
	echo
}

golden()
{
	show list
	show list --source reserved_regions
	show list --json
	show ranges
	show ranges --json
	show plan --ram 6G
	show plan --ram 6G --json
	show plan --ram 2T --base 1M --align 1G
	show plan --ram 2T --ignore-advisory --source reserved_regions
	show plan --ram 16G --qemu=q35
	show plan --ram 16G --qemu=virt
	show plan --ram 2T --qemu=q35
	show map
	show map --json
}

compare()
{
	if [ -n "${UPDATE:-}" ]; then
		cp "$tmp/$1" "golden/$1"
	fi
	diff -u "golden/$1" "$tmp/$1" >"$tmp/diff" 2>&1
	rc=$?
	sed 's/^/# /' "$tmp/diff"
	result $rc "$2"
}

for capture in captures/*.tree; do
	name=${capture#captures/}
	name=${name%.tree}
	tree=$tmp/$name
	./unpack.sh "$capture" "$tree" || exit 2
	case $name in
	msi)
		{ show msi; show msi --json; show msi --pid 1305; } >"$tmp/$name.txt"
		;;
	*)
		golden >"$tmp/$name.txt"
		# What list writes stands for the tree
		"$tool" list --root "$tree" --json >"$tmp/$name.json"
		"$tool" list --host "$tmp/$name.json" --json >"$tmp/again"
		cmp -s "$tmp/$name.json" "$tmp/again"
		result $? "round trip $name"
		;;
	esac
	compare "$name.txt" "golden $name"
done

# ---- Exit codes and messages ----

# exits WANT NAME PATTERN COMMAND...: the code, a pattern in stderr or stdout, and
# nothing on stdout with code 2
exits()
{
	want=$1 name=$2 pattern=$3
	shift 3
	timeout 300 "$@" >"$tmp/stdout" 2>"$tmp/stderr" </dev/null
	rc=$?
	good=0
	[ $rc = "$want" ] || good=1
	[ -z "$pattern" ] || cat "$tmp/stdout" "$tmp/stderr" | grep -qE -e "$pattern" || good=1
	[ "$want" != 2 ] || [ ! -s "$tmp/stdout" ] || good=1
	[ $good = 0 ] || { echo "# exit code $rc, wanted $want and \"$pattern\":"
		head -5 "$tmp/stdout" "$tmp/stderr" | sed 's/^/# /'; }
	result $good "$name"
}

smmu=$tmp/smmuv3.json
vtd=$tmp/vtd-rmrr.json
layout() { printf '{"schema":1,"ram":[%s]}' "$1" >"$tmp/layout.json"; echo "$tmp/layout.json"; }

exits 0 "check: fits" '^Fits$' \
	"$tool" check "$(layout '{"start":0,"size":"128M"}')" --host "$smmu"
exits 1 "check: one byte too much" '0x8000000-0x8000000 is msi-sw of 0000:00:' \
	"$tool" check "$(layout '{"start":0,"size":134217729}')" --host "$smmu"
exits 1 "check: json names the line" '"line": 1}' \
	"$tool" check "$(layout '{"start":0,"size":"1G"}')" --host "$smmu" --json
exits 1 "check: outside of the aperture" 'outside of the aperture' \
	"$tool" check "$(layout '{"start":"0xfffffffffffff000","size":4096}')" --host "$smmu"
"$tool" plan --ram 600G --base 100M --host "$smmu" --json >"$tmp/plan.json"
exits 0 "check: takes a plan" '^Fits$' "$tool" check "$tmp/plan.json" --host "$smmu"
exits 0 "intersect: fits on one" "^Fits$" \
	"$tool" intersect --layout "$tmp/plan.json" "$smmu"
exits 1 "intersect: names the host that breaks it" '^Broken by .*vtd' \
	"$tool" intersect --layout "$tmp/plan.json" "$smmu" "$vtd"
"$tool" plan --ram 400G --base 100M --host "$smmu" --host "$vtd" --ignore-advisory \
	--json >"$tmp/pool.json"
exits 0 "intersect: a plan for the pool fits on all" '^Fits on all 2 hosts$' \
	"$tool" intersect --layout "$tmp/pool.json" "$smmu" "$vtd" --ignore-advisory
exits 0 "intersect: names host and device" 'msi-sw of .*smmu.*/0000:' \
	"$tool" intersect "$smmu" "$vtd"
exits 0 "diff: same" '^No difference$' "$tool" diff "$smmu" "$smmu"
exits 1 "diff: differs" '^- msi-sw of 0000:00:05.0: 0x8000000-0x80fffff' \
	"$tool" diff "$smmu" "$vtd"
exits 1 "diff: json" '"same": false' "$tool" diff "$smmu" "$vtd" --json
exits 1 "plan: does not fit" 'does not fit' "$tool" plan --ram 8E --host "$smmu"
exits 1 "plan: cannot be assigned" 'cannot be assigned: its group has a direct region' \
	"$tool" plan --ram 1G --host "$vtd" --device 00:09.0

exits 2 "no such device" 'no such device' "$tool" list --host "$smmu" --device 01:00.0
exits 2 "no such file" 'No such file' "$tool" check "$tmp/none" --host "$smmu"
exits 2 "no such tree" 'iommu_groups: No such file' "$tool" list --root "$tmp/none"
exits 2 "no such command" 'no such command' "$tool" frobnicate
exits 2 "no such option" 'unrecognized option' "$tool" list --frobnicate
exits 2 "option of another command" 'list does not take --ram' "$tool" list --ram 1G
exits 2 "no --ram" 'plan needs --ram' "$tool" plan --host "$smmu"
exits 2 "bad size" 'not a size' "$tool" plan --ram 1.5G --host "$smmu"
exits 2 "size of more than 64 bits" 'not a size' "$tool" plan --ram 16E --host "$smmu"
exits 2 "bad alignment" 'power of two' "$tool" plan --ram 1G --align 3M --host "$smmu"
sed 's/"alignment": null/"alignment": "64K"/' "$smmu" >"$tmp/64k.json"
exits 2 "less alignment than the IOMMU needs" '0000:00:05.0 needs --align 64K or more' \
	"$tool" plan --ram 1G --align 4K --host "$tmp/64k.json"
exits 2 "odd RAM" 'multiple' "$tool" plan --ram 1025K --host "$smmu"
exits 2 "a directory is no JSON" 'Is a directory' "$tool" list --host "$tmp"

exits 0 "a device by another spelling" '^0000:00:1f.2 ' "$tool" list --host "$vtd" --device 0:1F.2
exits 2 "--source of a file" 'do not go together' \
	"$tool" list --host "$smmu" --source reserved_regions
exits 2 "msi: no such process" 'there is no process 9$' "$tool" msi --root "$tmp/msi" --pid 9

# Names are printed: what a terminal acts upon must not be in them
sed 's/"0000:00:05.0"/"\\u001b[2J"/' "$smmu" >"$tmp/escape.json"
exits 2 "an escape sequence in a name" 'escape.json:6: a control character, U\+001B' \
	"$tool" list --host "$tmp/escape.json"

cp -r "$tmp/msi" "$tmp/msi-escape"
for f in "$tmp"/msi-escape/proc/*/fdinfo/*; do
	sed 's/ hwpts .*/ hwpts 7\x1b[2J/' "$f" >"$tmp/fdinfo" && cp "$tmp/fdinfo" "$f"
done
exits 0 "msi: an escape sequence in fdinfo" ' hwpts 7$' "$tool" msi --root "$tmp/msi-escape"

# Two hosts of one name, and one that has no say
mkdir "$tmp/pool"
cp "$smmu" "$tmp/pool/a.json"
sed 's/"host": "vtd-rmrr"/"host": "smmuv3"/' "$vtd" >"$tmp/pool/b.json"
exits 1 "intersect: hosts of one name go by their files" '^Broken by .*/pool/b.json$' \
	"$tool" intersect --layout "$tmp/plan.json" "$tmp/pool/a.json" "$tmp/pool/b.json"
exits 0 "intersect: a host without the device" 'warning: smmuv3 has no say: it has none of these' \
	"$tool" intersect --device 00:02.0 "$smmu" "$vtd"
# A plan up to the very top of the address space must not start again at 0
printf '{"schema":1,"devices":[{"bdf":"a","source":"reserved_regions","regions":[],"ranges":%s}]}' \
	'[{"start":"0","last":"0xffffffffffffffff"}]' >"$tmp/all.json"
exits 1 "plan --qemu: no room above" 'no room for all of it in DIMMs' \
	"$tool" plan --qemu=q35 --ram 0xffffffffffe00000 --host "$tmp/all.json"

exits 2 "layout: overlap" 'layout.json:1: the piece overlaps' \
	"$tool" check --host "$smmu" \
	"$(layout '{"start":0,"size":"2G"},{"start":"1G","size":"2G"}')"
exits 2 "layout: reversed" 'layout.json:1: the piece ends before' \
	"$tool" check "$(layout '{"start":"2G","last":"1G"}')" --host "$smmu"
exits 2 "layout: past 64 bits" 'layout.json:1: the piece goes past 64 bits' \
	"$tool" check "$(layout '{"start":"15E","size":"2E"}')" --host "$smmu"
exits 2 "layout: empty file" 'the text ends' "$tool" check /dev/null --host "$smmu"
exits 2 "layout: a host" 'no "ram" in it' "$tool" check "$smmu" --host "$smmu"

# Cut at every 97th byte: always an error that names a line, never a crash
size=$(wc -c <"$smmu")
at=0 good=0
while [ $at -lt $((size - 2)) ]; do
	head -c $at "$smmu" >"$tmp/cut.json"
	"$tool" list --host "$tmp/cut.json" >"$tmp/stdout" 2>"$tmp/stderr"
	if [ $? != 2 ] || [ -s "$tmp/stdout" ] || ! grep -q 'cut.json:[0-9]*: ' "$tmp/stderr"; then
		echo "# cut at $at"
		good=1
	fi
	at=$((at + 97))
done
result $good "truncated at $((size / 97)) places"

# ---- sysfs that misbehaves ----

bad_tree()
{
	rm -rf "$tmp/bad"
	mkdir -p "$tmp/bad/kernel/iommu_groups/3/devices/0000:00:01.0"
}

bad_tree
exits 2 "sysfs: no list" 'reserved_regions: No such file' "$tool" list --root "$tmp/bad"
echo "0x0 0xfff" >"$tmp/bad/kernel/iommu_groups/3/iova_regions"
exits 2 "sysfs: malformed" 'iova_regions:1: not' "$tool" list --root "$tmp/bad"
bad_tree
mkdir "$tmp/bad/kernel/iommu_groups/3/iova_regions"
exits 2 "sysfs: unreadable" 'iova_regions: Is a directory' "$tool" list --root "$tmp/bad"
bad_tree
yes '0x0000000008000000 0x00000000080fffff msi' | head -c 4095 \
	>"$tmp/bad/kernel/iommu_groups/3/reserved_regions"
exits 2 "sysfs: cut at a page" 'cut by the kernel' "$tool" list --root "$tmp/bad"

# The list is a pipe: the device goes while the program waits for its end
bad_tree
mkfifo "$tmp/bad/kernel/iommu_groups/3/iova_regions"
{
	exec 3>"$tmp/bad/kernel/iommu_groups/3/iova_regions"
	echo "0x0000000000000000 0x00000000000fffff usable" >&3
	rmdir "$tmp/bad/kernel/iommu_groups/3/devices/0000:00:01.0"
} &
exits 2 "sysfs: a device vanishes" '0000:00:01.0: vanished' "$tool" list --root "$tmp/bad"
wait
# And now its whole group, again and again
bad_tree
echo "0x0000000000000000 0x00000000000fffff usable" \
	>"$tmp/bad/kernel/iommu_groups/3/iova_regions"
{
	while [ ! -e "$tmp/gone" ]; do
		mv "$tmp/bad/kernel/iommu_groups/3" "$tmp/bad/3" 2>/dev/null
		mv "$tmp/bad/3" "$tmp/bad/kernel/iommu_groups/3" 2>/dev/null
	done
} &
pid=$!
i=0 good=0
while [ $i -lt 200 ]; do
	"$fast" list --root "$tmp/bad" >"$tmp/stdout" 2>"$tmp/stderr"
	case $? in
	0) ;;
	2) [ ! -s "$tmp/stdout" ] && grep -q 'vanished\|No such file' "$tmp/stderr" || good=1 ;;
	*) good=1 ;;
	esac
	i=$((i + 1))
done
: >"$tmp/gone"
wait $pid
result $good "sysfs: a group comes and goes, 200 times"

exits 2 "a full disk" 'cannot write: No space left' sh -c "'$tool' list --host '$smmu' >/dev/full"

if command -v setpriv >/dev/null && [ "$(id -u)" = 0 ]; then
	cp "$fast" "$tmp/as-user"
	chmod 755 "$tmp" "$tmp/as-user"
	exits 0 "no root needed" '0000:00:05.0' setpriv --reuid=65534 --regid=65534 \
		--clear-groups "$tmp/as-user" list --root "$tmp/smmuv3"
	bad_tree
	: >"$tmp/bad/kernel/iommu_groups/3/iova_regions"
	chmod 000 "$tmp/bad/kernel/iommu_groups/3/iova_regions"
	exits 2 "sysfs: no permission" 'iova_regions: Permission denied' \
		setpriv --reuid=65534 --regid=65534 --clear-groups "$tmp/as-user" \
		list --root "$tmp/bad"
else
	skip "no root needed" "setpriv and root to give up"
	skip "sysfs: no permission" "setpriv and root to give up"
fi

# ---- map --svg ----

"$tool" map --host "$smmu" --svg "$tmp/map.svg"
rc=$?
if command -v python3 >/dev/null; then
	python3 -c 'import sys, xml.dom.minidom as m; d = m.parse(sys.argv[1])
assert len(d.getElementsByTagName("rect")) > 5
assert "msi-sw of 0000:00:" in d.toxml()' "$tmp/map.svg" || rc=1
fi
result $rc "map --svg is XML with a box for each segment"
exits 2 "map --svg: cannot write" 'No such file' "$tool" map --host "$smmu" --svg "$tmp/no/map.svg"

# ---- Does QEMU make of --qemu what the plan says? ----

# A hole from 5G to 6G, in the middle of what QEMU would use
cat >"$tmp/hole.json" <<-'END'
	{"schema":1,"host":"hole","devices":[{"bdf":"0000:00:05.0","source":"iova_regions",
	"aperture":{"start":"0x0","last":"0xffffffffff"},
	"regions":[{"start":"5G","last":"0x17fffffff","type":"reserved"}],
	"ranges":[{"start":"0x0","last":"0x13fffffff"},
	{"start":"0x180000000","last":"0xffffffffff"}]}]}
END

# qemu PROGRAM MACHINE OPTION...: the RAM of a VM that has not started is a layout
qemu()
{
	program=$1 machine=$2
	shift 2
	if ! command -v "$program" >/dev/null; then
		skip "$program has its RAM around the hole" "$program is not here"
		return
	fi
	"$tool" plan --ram 6G "--qemu=$machine" --host "$tmp/hole.json" |
		sed '/^#/d; s/\\$//' >"$tmp/options"
	# shellcheck disable=SC2046 # options are words
	printf 'info mtree -f\nquit\n' | timeout 60 "$program" $(cat "$tmp/options") "$@" \
		-S -display none -monitor stdio >"$tmp/mtree" 2>&1
	grep -E '\(prio 0, ram\): (pc.ram|mach-virt.ram|ram[0-9])' "$tmp/mtree" |
		sort -u | awk -F '[ -]+' '
		BEGIN { print "{\"schema\":1,\"ram\":["; comma = "" }
		{ print comma "{\"start\":\"0x" $2 "\",\"last\":\"0x" $3 "\"}"; comma = "," }
		END { print "]}" }' >"$tmp/layout.json"
	[ "$(grep -c start "$tmp/layout.json")" -ge 2 ] ||
		sed 's/^/# /' "$tmp/options" "$tmp/mtree" | head -20
	exits 0 "$program has its RAM around the hole" '^Fits$' \
		"$tool" check "$tmp/layout.json" --host "$tmp/hole.json"
	# All of it is there, and a DIMM right behind the hole
	exits 0 "and a DIMM behind it" '"0x0*180000000"' cat "$tmp/layout.json"
}
head -c 65536 /dev/zero >"$tmp/bios"
qemu qemu-system-x86_64 q35
qemu qemu-system-aarch64 virt -cpu cortex-a57 -bios "$tmp/bios"

# With an AMD CPU, RAM goes to 1T if it, and the 32G for PCI behind it, would reach HyperTransport
cat >"$tmp/amd.json" <<-'END'
	{"schema":1,"host":"amd","devices":[{"bdf":"0000:00:05.0","source":"iova_regions",
	"aperture":{"start":"0x0","last":"0xffffffffffff"},
	"regions":[{"start":"0xfd00000000","last":"0xffffffffff","type":"reserved"}],
	"ranges":[{"start":"0x0","last":"0xfcffffffff"},
	{"start":"0x10000000000","last":"0xffffffffffff"}]}]}
END

# amd RAM START MTREE: where the tool and QEMU have it. Without KVM a CPU has 40 address bits, which
# QEMU says if it wants more.
amd()
{
	exits 0 "$1 of RAM and an AMD CPU: at $2" "@$2\$" \
		"$tool" plan --ram "$1" --qemu=q35 --host "$tmp/amd.json"
	if ! command -v qemu-system-x86_64 >/dev/null; then
		skip "QEMU has it there" "qemu-system-x86_64 is not here"
		return
	fi
	printf 'info mtree -f\nquit\n' | timeout 60 qemu-system-x86_64 -m "$1" -cpu EPYC \
		-machine q35,max-ram-below-4g=2G,memory-backend=m \
		-object "memory-backend-ram,id=m,size=$1,reserve=off" \
		-S -display none -monitor stdio >"$tmp/mtree" 2>&1
	exits 0 "QEMU has it there" "$3" cat "$tmp/mtree"
}
amd 978G 0x100000000 '^ *0*100000000-0*f4ffffffff .*ram\): m'
amd 979G 0x10000000000 '< 0x1[0-9a-f]{10} phys-bits too low \(40\)'

# ---- Large input: without the sanitizers, which cost ten times as much ----

gen=$san/gen
"$gen" tree "$tmp/big" 10000 100 && "$gen" hosts "$tmp/hosts" 1000 100
exits 0 "plan --all of 10000 devices with 100 regions: 2 s, 200 MiB" '@0x' \
	"$gen" limit 2 200 "$fast" plan --all --ram 512G --root "$tmp/big"
exits 0 "the same, as JSON of every hole" '"schema": 1' \
	"$gen" limit 2 200 "$fast" plan --all --ram 512G --json --root "$tmp/big"
exits 0 "intersect of 1000 hosts: 2 s, 200 MiB" 'Common to 1000 hosts' \
	"$gen" limit 2 200 "$fast" intersect "$tmp"/hosts/*
rm -rf "$tmp/big"
"$gen" host 9000 100 >"$tmp/host.json"
exits 0 "plan of 9000 devices out of 100 MB of JSON: 2 s, 200 MiB" '@0x' \
	"$gen" limit 2 200 "$fast" plan --ram 512G --host "$tmp/host.json"
head -c 100000000 "$tmp/host.json" >"$tmp/half.json"
exits 2 "100 MB, truncated" 'half.json:[0-9]+: the text ends' \
	"$gen" limit 2 200 "$fast" plan --ram 512G --host "$tmp/half.json"
rm "$tmp/host.json" "$tmp/half.json"
"$gen" layout 2500000 0 >"$tmp/layout.json"
exits 1 "layout of 2.5 million pieces, 100 MB: 2 s, 200 MiB" 'Does not fit' \
	"$gen" limit 2 200 "$fast" check "$tmp/layout.json" --host "$smmu"
# 20,000 pieces that 2,000 devices cannot reach: conflicts are counted, not kept
"$gen" host 2000 1 >"$tmp/host.json"
"$gen" layout 20000 0x1000000000000 >"$tmp/layout.json"
exits 1 "40 million conflicts: 2 s, 200 MiB" '^And 39999000 conflicts more$' \
	"$gen" limit 2 200 "$fast" check "$tmp/layout.json" --host "$tmp/host.json"
rm "$tmp/host.json"
head -c 100000000 /dev/zero >"$tmp/zero.json"
exits 2 "100 MB of zeros" 'zero.json:1: byte 0x00' "$tool" list --host "$tmp/zero.json"
head -c 300000000 /dev/zero | tr '\0' ' ' >"$tmp/zero.json"
exits 2 "300 MB of spaces" 'longer than 256 MiB' "$fast" list --host "$tmp/zero.json"
rm "$tmp/zero.json"

# ---- Installation ----

make -s -C .. O="${OUT%/}" DESTDIR="$tmp/dest" prefix=/usr install >"$tmp/install" 2>&1
rc=$?
for f in bin/iommu-resv share/man/man8/iommu-resv.8 share/bash-completion/completions/iommu-resv; do
	[ -s "$tmp/dest/usr/$f" ] || rc=1
done
[ $rc = 0 ] || sed 's/^/# /' "$tmp/install"
result $rc "make install"

# Without their headers, libpci and json-c are left out
make -C .. -pn O="${OUT%/}" CC="${CC:-cc} -nostdinc" 2>/dev/null | grep HAVE_ >"$tmp/have"
rc=1
[ -s "$tmp/have" ] || rc=0
sed 's/^/# /' "$tmp/have"
result $rc "no libpci and json-c without their headers"

# Every command and option is in the manual and in the completion
good=0
for word in $("$fast" --help | sed -n 's/^  \([a-z]*\) .*/\1/p') \
	$(for c in list plan check intersect diff map msi; do "$fast" $c --help; done |
		sed -n 's/^  \(--[a-z-]*\).*/\1/p' | sort -u); do
	sed 's/\\-/-/g' ../iommu-resv.8 | grep -qe "$word" || { echo "# man: $word"; good=1; }
	grep -qe "$word" ../iommu-resv.bash || { echo "# completion: $word"; good=1; }
done
result $good "manual and completion know every command and option"

if command -v man >/dev/null && command -v groff >/dev/null; then
	man --warnings -E UTF-8 -l -Tutf8 -Z ../iommu-resv.8 >/dev/null 2>"$tmp/man"
	rc=0
	[ ! -s "$tmp/man" ] || { sed 's/^/# /' "$tmp/man"; rc=1; }
	result $rc "the manual has no warnings"
else
	skip "the manual has no warnings" "no man and groff here"
fi

if command -v bash >/dev/null; then
	bash -c '. ../iommu-resv.bash
		COMP_WORDS=(iommu-resv pl) COMP_CWORD=1; _iommu_resv
		[ "${COMPREPLY[*]}" = plan ] || exit 1
		COMP_WORDS=(iommu-resv plan --r) COMP_CWORD=2; _iommu_resv
		[[ " ${COMPREPLY[*]} " = *" --ram "* ]] || exit 1
		COMP_WORDS=(iommu-resv plan --source io) COMP_CWORD=3; _iommu_resv
		[ "${COMPREPLY[*]}" = "iova_regions ioctl" ] || exit 1'
	result $? "completion"
else
	skip "completion" "no bash here"
fi

echo "1..$num"
[ $bad = 0 ]
