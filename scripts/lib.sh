# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Sourced by every script here: paths, the variables of the command line, all checked
# before any work, and how to say things.
# Exit codes: 0 pass, 1 test failure, 2 harness error, 4 nothing ran, 124 timeout.

set -euo pipefail
unset MAKEFLAGS MFLAGS MAKELEVEL # ours are not for the kernel's make
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
patches=$top/patches
src=$build/src

: "${ARCH:=}" "${BASELINE:=}" "${DEBUG:=}" "${PAGES:=}" "${KSRC:=}" "${WORKTREE:=}" "${T:=}" "${V:=}"
: "${MACHINE:=}" "${MINUTES:=}" "${FORCE:=}"
# Set by our own scripts: a kernel for measuring, one that runs VMs, one for compiling only, the first
# N patches, all patches but these, all but for these edits, one on a line
: "${BENCH:=}" "${VMM:=}" "${COMPILE:=}" "${STEP:=}" "${WITHOUT:=}" "${UNDO:=}"
: "${JOBS:=$(nproc)}"

die() { printf 'error: %s\n' "$*" >&2; exit 2; }
say() { printf '%s\n' "$*"; }

for arg; do
	[[ ! $arg =~ ^[A-Z]+=[^=]*$ ]] || die "$arg as an argument is for make; a script has it before its name: $arg $0"
done

case $top in *[[:space:]:]*)
	die "kbuild cannot build below a path with a space or a colon; move this clone: $top" ;;
esac
for tool in git:git flock:util-linux; do
	command -v "${tool%%:*}" >/dev/null ||
		die "${tool%%:*} is missing. As root: apt-get update && apt-get install -y ${tool##*:}"
done
if ! why=$(git -C "$top" rev-parse --git-dir 2>&1) && [[ $why == *dubious* ]]; then
	die "git refuses this clone, which belongs to $(stat -c %U "$top"). Use a clone of your own," \
		"or trust this one: git config --global --add safe.directory $top"
fi

# build/ is ours if it holds the mark that was put there when it was made. Nothing is
# ever removed outside of it, and nothing in a build/ that somebody else made.
mark=$build/CACHEDIR.TAG
if [ ! -e "$mark" ]; then
	[ -z "$(find "$build" -mindepth 1 -maxdepth 1 2>/dev/null | head -n 1)" ] ||
		die "$build holds files and no CACHEDIR.TAG: these scripts did not make it." \
			"Move it away, or if it may be deleted at any time: touch $mark"
	[ -w "$top" ] || die "$top cannot be written to; use a clone of your own"
	mkdir -p "$build"
	printf '%s\n' 'Signature: 8a477f597d28d172789f06886806bc55' \
		'# Made by scripts/ of this repository, which may delete all that is in this folder.' \
		>"$mark"
fi
for dir in "$build" "$src" "$build/log"; do
	if [ -e "$dir" ] && [ ! -w "$dir" ]; then
		die "$dir belongs to $(stat -c %U "$dir") and cannot be written to by $(id -un)." \
			"As root: chown -R $(id -un) $build"
	fi
done
mkdir -p "$src" "$build/log"

# discard <path...>: the only way a script here removes a folder
discard()
{
	local p dir
	for p; do
		[ -e "$p" ] || [ -L "$p" ] || continue
		dir=$(cd "$(dirname "$p")" && pwd -P)/$(basename "$p")
		case $dir in
		*/.. | */.) die "refusing to remove $p: not the name of a file or folder" ;;
		"$(cd "$build" && pwd -P)"/?*) rm -rf -- "$p" ;;
		*) die "refusing to remove $p: it is not below $build" ;;
		esac
	done
}

machines() { sed -nE 's/^\[([a-z].*)\]$/\1/p' "$top/scripts/machines.ini"; }
# tests <group...>: the names in tests.list
tests()
{
	local name group g
	sed -E 's/[[:space:]]*#.*//; /^$/d' "$top/scripts/tests.list" | while read -r name group _; do
		for g in "$@"; do
			case ,$group, in *",$g,"*) say "$name" && break ;; esac
		done
	done
}
# one_of <variable> <word...>: its value is one of the words, or the answer says which there are
one_of()
{
	local var=$1 w
	shift
	for w; do [ "${!var}" != "$w" ] || return 0; done
	die "$var=${!var} is unknown; there is: $*"
}

[ -z "$MACHINE" ] || { mapfile -t words < <(machines); one_of MACHINE "${words[@]}"; }
if [ -n "$MACHINE" ] && [ -n "$ARCH" ] && [ "$ARCH" != "${MACHINE%%-*}" ]; then
	die "MACHINE=$MACHINE is not of ARCH=$ARCH; leave one of them out"
fi
[ -z "$MACHINE" ] || ARCH=${MACHINE%%-*}
: "${ARCH:=arm64}"
case $ARCH in
arm64) karch=arm64 image=Image cross=aarch64-linux-gnu- host=aarch64 ;;
x86_64) karch=x86 image=bzImage cross=x86_64-linux-gnu- host=x86_64 ;;
riscv) [ -n "$COMPILE" ] || die "ARCH=riscv is only compiled, by make check-style"
	karch=riscv image=Image cross=riscv64-linux-gnu- host=riscv64 ;;
*) one_of ARCH arm64 x86_64 ;;
esac
[ "$(uname -m)" != "$host" ] || cross=
[ -z "${ACCEL:-}" ] || one_of ACCEL tcg kvm
[ "${ACCEL:-}" != kvm ] || [ "$(uname -m)" = "$host" ] || die "ACCEL=kvm needs a $host host for ARCH=$ARCH"
[ -z "$DEBUG" ] || one_of DEBUG kasan gdb coverage
case $PAGES in
'' | 4k) PAGES= ;;
64k) [ "$ARCH" = arm64 ] || die "PAGES=64k needs ARCH=arm64" ;;
*) one_of PAGES 4k 64k ;;
esac
case $MINUTES in 0* | *[!0-9]*) die "MINUTES=$MINUTES is not a number of minutes, 1 or more" ;; esac
if [ -n "$T" ]; then
	mapfile -t words < <(tests series stock long bench dist self peers)
	for name in "${words[@]}"; do
		# shellcheck disable=SC2053 # T is a glob
		[[ $name != $T ]] || { found=1; break; }
	done
	[ -n "${found:-}" ] || die "T=$T matches no test; there is: $(tests series stock long bench | paste -sd' ')"
fi
for var in KSRC WORKTREE; do
	[ -z "${!var}" ] || [ -d "${!var}" ] || die "$var=${!var} is not a folder"
done

# One build folder for each thing that makes another kernel.
flavour=$ARCH${BASELINE:+-plain}${DEBUG:+-$DEBUG}${PAGES:+-$PAGES}${BENCH:+-bench}${VMM:+-vmm}${COMPILE:+-compile}${STEP:+-bisect}$([ -z "$WITHOUT$UNDO" ] || echo -proof)
flavour=$flavour${KSRC:+-ksrc}${WORKTREE:+-worktree}
out=$build/$flavour

# The user's own compiler cache if there is one: then a second clone builds in a minute.
: "${CCACHE_DIR:=$build/ccache}"
[ ! -d "${HOME:-/nowhere}/.cache/ccache" ] || [ "$CCACHE_DIR" != "$build/ccache" ] || CCACHE_DIR=$HOME/.cache/ccache
export CCACHE_DIR CCACHE_BASEDIR=${CCACHE_BASEDIR:-$top}
export CCACHE_NOHASHDIR=1 PATH=/usr/lib/ccache:$PATH
export PYTHONDONTWRITEBYTECODE=1 KBUILD_BUILD_USER=user KBUILD_BUILD_HOST=localhost LC_ALL=C

# Short runs: shorter races, fewer interrupts, fewer random steps; make run at the terminal more so.
# The kernel hands NAME=value on its command line to init, and init to the tests.
brief='EDU_RACE_SECS=3 EDU_ROUNDS=100 EDU_SWAPS=200 EDU_INFLIGHT_IRQS=500 IOMMUFD_MSI_STEPS=300 IOMMUFD_RESV_STEPS=600 NVME_SECS=4 IOVA_RACE_SECS=1 IOVA_REBINDS=12 IOVA_TRANSFERS=60'
quick="$brief EDU_RACE_SECS=2 EDU_INFLIGHT_IRQS=200 NVME_SECS=2"

# need_space <GB>
need_space()
{
	local free
	free=$(df --output=avail -BG "$build" | tail -n 1 | tr -dc 0-9)
	[ "$free" -ge "$1" ] || die "no disk space: $1 GB needed under $build, $free GB free"
}

base_get() { [ ! -f "$patches/BASE" ] || sed -n "s/^$1 //p" "$patches/BASE"; }

# The patches in their order, as patches/series names them; # starts a comment
list_series()
{
	[ ! -f "$patches/series" ] || sed -E 's/[[:space:]]*(#.*)?$//; /^$/d' "$patches/series"
}
# read_series: the same into the array series, each of them there
read_series()
{
	local p
	mapfile -t series < <(list_series)
	for p in "${series[@]}"; do
		[ -f "$patches/$p" ] || die "patches/series names $p, which is not there"
	done
}
# series_files: every path that the patches of the array series touch, sorted
series_files()
{
	[ ${#series[@]} = 0 ] ||
		sed -nE 's#^(\+\+\+ b|--- a)/([^\t]*).*#\2#p' "${series[@]/#/$patches/}" | sort -u
}

# log_of <stage>: the file that holds what it said
log_of() { say "$build/log/${1//[^A-Za-z0-9_.-]/_}.log"; }

# stage <name> <command...>: one line with seconds; the output goes to a log, and
# is shown (V=1: always) when the command fails. The command's status is returned.
stage()
{
	local name=$1 log rc=0 t0=$SECONDS
	shift
	log=$(log_of "$name")
	if [ -n "$V" ]; then
		"$@" 2>&1 | tee "$log" || rc=${PIPESTATUS[0]}
	else
		"$@" >"$log" 2>&1 || rc=$?
	fi
	if [ "$rc" = 0 ]; then
		printf '%-52s %5d s\n' "$name" $((SECONDS - t0))
		grep -h '^note: ' "$log" || true
	else
		printf '%-52s %5d s  FAILED\n' "$name" $((SECONDS - t0))
		[ -n "$V" ] || tail -n 40 "$log" >&2
		printf 'full log: %s\n' "${log#"$top/"}" >&2
	fi
	return "$rc"
}

# kernel_files <tree>: the .c and .h files of the kernel that the series creates or changes
kernel_files()
{
	local series
	read_series
	{
		series_files
		# A work tree may be ahead of the patches
		[ -z "$WORKTREE" ] || git -C "$1" diff --name-only "$(git -C "$1" tag -l 'v6.12.*-base' | tail -n 1)"
	} | grep -E '\.[ch]$' | grep -vE '^(tools|Documentation)/' | sort -u
}

# kmake <tree> <args...>: the kernel's make for this ARCH, objects in $kobj
kmake()
{
	local tree=$1 gcov=()
	shift
	# A kernel with counters has them in the files of the series only, kbuild asks for each object
	# shellcheck disable=SC2016 # for make
	[ "$DEBUG" != coverage ] || gcov=("GCOV_PROFILE=$(printf '$(if $(filter $(obj)/$(target-stem).o,%s),y,n)' \
		"$(kernel_files "$tree" | sed -n 's/\.c$/.o/p' | paste -sd' ')")")
	make -C "$tree" O="$kobj" ARCH="$karch" CROSS_COMPILE="$cross" -j"$JOBS" --no-print-directory "${gcov[@]}" "$@"
}

# libraries <folder> <file>...: those in a folder of scripts/packages root that the files are linked with,
# and those of these
libraries()
{
	local dir=$1 todo name lib
	declare -A seen
	shift
	todo=("$@")
	while [ ${#todo[@]} -gt 0 ]; do
		while read -r name; do
			[ -z "${seen[$name]:-}" ] || continue
			seen[$name]=1
			lib=$(find "$dir/usr/lib" -name "$name" -print -quit)
			[ -n "$lib" ] || die "$name, which ${todo[0]##*/} needs, is not in the packages"
			say "$lib"
			todo+=("$lib")
		done < <("${cross}readelf" -d "${todo[0]}" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p')
		todo=("${todo[@]:1}")
	done
}

# record <machine> <kernel> <results> [<what the kernel is made from>]: into the list $report.boots, for
# make report. A copy, as the next boot of a machine puts its results in the same place.
record()
{
	local keep
	[ -n "$report" ] || return 0
	keep=$report.results/$(($(wc -l <"$report.boots") + 1))
	mkdir -p "$keep"
	cp -p "$3/result.json" "$keep/"
	printf '%s\t%s\t%s%s\n' "$1" "$2" "$keep" "${4:+	$4}" >>"$report.boots"
}
