#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Check the model of the MSI table of iommufd, and that the check notices when a
# step of the protocol is left out. Needs spin and a C compiler, 600 MB of memory
# and some ten seconds. The report is TAP.
#
#   run.sh         all of it
#   run.sh -v      with the last output of the checker for each line

set -eu

model=$(cd "$(dirname "$0")" && pwd)/msi_table.pml
verbose=
[ "${1:-}" != -v ] || verbose=1
for tool in spin cc; do
	command -v $tool >/dev/null || {
		echo "1..0 # SKIP $tool is missing"
		exit 4
	}
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

number=0
failed=0

# report <ok|not ok> <name>
report()
{
	number=$((number + 1))
	[ "$1" = ok ] || failed=1
	echo "$1 $number $2"
	[ -z "$verbose" ] || sed 's/^/# /' log
}

# search <-O option> <-D options>: go through all states. log says what was found.
search()
{
	optimise=$1
	shift
	rm -f pan ./*.trail
	spin -a "$@" "$model" >log 2>&1 &&
		cc -w "$optimise" -DSAFETY -DCOLLAPSE pan.c -o pan >>log 2>&1 &&
		./pan -m3000000 >>log 2>&1
}

# What the model never does, but for the end of its processes
never_reached() { grep 'msi_table.pml:[0-9]*, state' log | grep -v '"-end-"'; }

# holds <name> <-D options>: no state violates anything, none was left out, and
# every line of the model was of use
holds()
{
	name=$1
	shift
	if search -O2 "$@" && grep -q 'errors: 0$' log && ! never_reached &&
	   ! grep -q 'search depth too small\|out of memory' log; then
		states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' log)
		report ok "$name: $states states"
	else
		report "not ok" "$name"
	fi
}

# noticed <name> <-D options>: a check fails
noticed()
{
	name=$1
	shift
	if search -O0 "$@" && grep -q 'assertion violated' log &&
	   grep -q 'errors: 1$' log; then
		report ok "noticed: $name"
	else
		report "not ok" "noticed: $name"
	fi
}

mutants=$(sed -n 's/^#ifn*def MUTANT_\([A-Z_]*\)$/\1/p' "$model" | sort -u)
# shellcheck disable=SC2086 # a list of words
set -- $mutants
echo "TAP version 13"
echo "1..$((4 + $#))"

holds "two windows that overlap"
holds "one window for both groups" -DSAME_WINDOW
holds "one window that can be full" -DSAME_WINDOW -DNSLOTS=1
noticed "NO_HOLD_IN_NEXT, by a lost interrupt" -DMUTANT_NO_HOLD_IN_NEXT \
	-DINTERRUPTS_ONLY
for mutant; do
	noticed "$mutant" "-DMUTANT_$mutant"
done
exit $failed
