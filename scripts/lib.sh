# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by every script here: paths, the variables of the command line, and how
# to say things. Exit codes: 0 pass, 1 test failure, 2 harness error, 4 skip, 124 timeout.

set -euo pipefail
unset MAKEFLAGS MFLAGS MAKELEVEL # ours are not for the kernel's make
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
patches=$top/patches
src=$build/src

: "${ARCH:=arm64}" "${BASELINE:=}" "${DEBUG:=}" "${PAGES:=}" "${KSRC:=}" "${WORKTREE:=}" "${T:=}" "${V:=}"
# Set by our own scripts: a kernel for measuring, one for compiling only, the first N patches
: "${BENCH:=}" "${COMPILE:=}" "${STEP:=}" "${JOBS:=$(nproc)}"

die() { printf 'error: %s\n' "$*" >&2; exit 2; }
say() { printf '%s\n' "$*"; }

# build/ is ours if it holds the mark that was put there when it was made. Nothing is
# ever removed outside of it, and nothing in a build/ that somebody else made.
mark=$build/CACHEDIR.TAG
if [ ! -e "$mark" ]; then
	[ -z "$(find "$build" -mindepth 1 -maxdepth 1 2>/dev/null | head -n 1)" ] ||
		die "$build holds files and no CACHEDIR.TAG: these scripts did not make it." \
			"Move it away, or if it may be deleted at any time: touch $mark"
	mkdir -p "$build"
	printf '%s\n' 'Signature: 8a477f597d28d172789f06886806bc55' \
		'# Made by scripts/ of this repository, which may delete all that is in this folder.' \
		>"$mark"
fi
mkdir -p "$src"

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

case $ARCH in
arm64) karch=arm64 image=Image cross=aarch64-linux-gnu- host=aarch64 ;;
x86_64) karch=x86 image=bzImage cross=x86_64-linux-gnu- host=x86_64 ;;
riscv) [ -n "$COMPILE" ] || die "ARCH=riscv is only compiled, by make check-style"
	karch=riscv image=Image cross=riscv64-linux-gnu- host=riscv64 ;;
*) die "unknown ARCH=$ARCH; it is arm64 or x86_64" ;;
esac
[ "$(uname -m)" != "$host" ] || cross=
case $DEBUG in '' | kasan | gdb) ;; *) die "unknown DEBUG=$DEBUG; it is kasan or nothing" ;; esac
case $PAGES in
'' | 4k) PAGES= ;;
64k) [ "$ARCH" = arm64 ] || die "PAGES=64k needs ARCH=arm64" ;;
*) die "unknown PAGES=$PAGES; it is 4k or 64k" ;;
esac

# One build folder for each thing that makes another kernel.
flavour=$ARCH${BASELINE:+-plain}${DEBUG:+-$DEBUG}${PAGES:+-$PAGES}${BENCH:+-bench}${COMPILE:+-compile}${STEP:+-bisect}
flavour=$flavour${KSRC:+-ksrc}${WORKTREE:+-worktree}
out=$build/$flavour

export CCACHE_DIR=${CCACHE_DIR:-$build/ccache} CCACHE_BASEDIR=${CCACHE_BASEDIR:-$top}
export CCACHE_NOHASHDIR=1 PATH=/usr/lib/ccache:$PATH
export KBUILD_BUILD_USER=user KBUILD_BUILD_HOST=localhost LC_ALL=C

# need_space <GB>
need_space()
{
	local free
	free=$(df --output=avail -BG "$build" | tail -n 1 | tr -dc 0-9)
	[ "$free" -ge "$1" ] || die "no disk space: $1 GB needed under $build, $free GB free"
}

base_get() { [ -f "$patches/BASE" ] && sed -n "s/^$1 //p" "$patches/BASE"; }

# stage <name> <command...>: one line with seconds; the output goes to a log, and
# is shown (V=1: always) when the command fails. The command's status is returned.
stage()
{
	local name=$1 log rc=0 t0=$SECONDS
	shift
	mkdir -p "$build/log"
	log=$build/log/${name//[^A-Za-z0-9_.-]/_}.log
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

# kmake <tree> <args...>: the kernel's make for this ARCH, objects in $kobj
kmake()
{
	local tree=$1
	shift
	make -C "$tree" O="$kobj" ARCH=$karch CROSS_COMPILE=$cross -j"$JOBS" --no-print-directory "$@"
}
