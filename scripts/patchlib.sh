# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Sourced by scripts/series and scripts/branches: the series as git sees it, without
# touching a work tree. $git_dir and $GIT_INDEX_FILE are what git works on.

folders=(drivers include tools Documentation)
# Changed by the series rather than created, and copied all the same: a VMM builds on them.
uapi=(include/uapi/linux/iommufd.h include/uapi/linux/vfio.h)
wt=${WORKTREE:-$build/linux}
wt_show=${wt#"$top/"}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/empty"
fails=0

# Settings of the user must not change a byte of what git writes here. His trust in
# folders of other owners is no such setting.
mapfile -t trusted < <(git config --global --get-all safe.directory || true)
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_COUNT=${#trusted[@]}
for n in "${!trusted[@]}"; do
	export "GIT_CONFIG_KEY_$n=safe.directory" "GIT_CONFIG_VALUE_$n=${trusted[n]}"
done
base_env=(GIT_AUTHOR_NAME=base GIT_AUTHOR_EMAIL=base@localhost GIT_COMMITTER_NAME=base
	GIT_COMMITTER_EMAIL=base@localhost GIT_AUTHOR_DATE=2026-01-01T00:00:00Z
	GIT_COMMITTER_DATE=2026-01-01T00:00:00Z)

list_disk() { (cd "$patches" && find . -name '*.patch' -printf '%P\n' | sort -V); }
list_topics() { list_series | cut -d/ -f1 | uniq; }
base_version() { sed -nE '1,6s/^(VERSION|PATCHLEVEL|SUBLEVEL) = *//p' "$plain/Makefile" | paste -sd.; }
base_subject() { printf 'Linux %s as packaged by Debian' "$(base_version)"; }
name_of() { if [ -n "$KSRC" ]; then printf %s "$KSRC"; else basename "${1%/linux}"; fi; }
bad() { printf 'FAIL: %s\n      %s\n' "$1" "$2" >&2; fails=$((fails + 1)); }

# touched <patch...>: every path of the base that the patches read
touched() { sed -nE 's#^(--- a/|rename from |copy from )([^\t]*).*#\2#p' "$@" | sort -u; }

bare() { GIT_DIR=$git_dir GIT_WORK_TREE=$tmp/empty git -C "$tmp/empty" "$@"; }

# plain_blobs: store the files of the plain tree named on stdin, print their ids
plain_blobs()
{
	(cd "$plain" && GIT_DIR=$git_dir GIT_WORK_TREE=$plain git hash-object -w --no-filters --stdin-paths)
}

# apply_one <patch>: into the index; git apply knows no fuzz
apply_one()
{
	local msg files
	msg=$(bare apply --cached --whitespace=nowarn "$patches/$1" 2>&1) && return
	printf '%s\n' "$msg" >&2
	files=$(printf '%s\n' "$msg" |
		sed -nE 's/^error: (.*): (patch does not apply|does not exist in index|already exists in index)$/\1/p' |
		sort -u | paste -sd' ')
	[ "$(base_version)" = "$(base_get version)" ] ||
		die "patches/$1 does not apply to Linux $(base_version): $files." \
			"The series was made on $(base_get version); the oldest that works is $(base_get oldest)"
	die "patches/$1 does not apply to $(name_of "$plain"): $files"
}

# format <from> <to> <folder>: the one way patches are written
format()
{
	bare -c core.quotePath=true -c core.attributesFile=/dev/null \
		-c diff.suppressBlankEmpty=false format-patch -q -O/dev/null --no-numbered --zero-commit \
		--no-signature --no-attach --no-thread --no-cover-letter --no-base --no-notes \
		--no-from --no-to --no-cc --no-add-header --subject-prefix=PATCH --suffix=.patch \
		--encode-email-headers --full-index --no-color --no-ext-diff --no-textconv \
		--diff-algorithm=histogram -M -U3 --inter-hunk-context=0 --no-indent-heuristic \
		--src-prefix=a/ --dst-prefix=b/ --stat=72 --summary -o "$3" "$1..$2" --
}

# objects_of <objects folder> <.gitattributes>: a fresh git folder on top of those objects.
# The kernel's attributes choose the function names in hunk headers; a release tarball may
# come without them.
objects_of()
{
	git_dir=$tmp/git
	[ -d "$git_dir" ] || git init -q --bare "$git_dir"
	printf '%s\n' "$1" >"$git_dir/objects/info/alternates"
	mkdir -p "$git_dir/info"
	cat "$2" 2>/dev/null >"$git_dir/info/attributes" || :
}

# commit_one <patch> <parent>: what git am would commit of the index; prints its id
commit_one()
{
	git mailinfo "$tmp/msg" "$tmp/diff" <"$patches/$1" >"$tmp/info" ||
		die "patches/$1 is not a mail that git am can read"
	{
		sed -n 's/^Subject: //p' "$tmp/info"
		echo
		cat "$tmp/msg"
	} | git stripspace >"$tmp/full"
	GIT_AUTHOR_NAME=$(sed -n 's/^Author: //p' "$tmp/info") \
		GIT_AUTHOR_EMAIL=$(sed -n 's/^Email: //p' "$tmp/info") \
		GIT_AUTHOR_DATE=$(sed -n 's/^Date: //p' "$tmp/info") \
		GIT_COMMITTER_NAME=base GIT_COMMITTER_EMAIL=base@localhost \
		GIT_COMMITTER_DATE=2026-01-01T00:00:00Z \
		bare commit-tree "$(bare write-tree --missing-ok)" -p "$2" -F "$tmp/full"
}

# commit_series: the series of $patches as commits on the plain tree, in $git_dir; sets
# base_commit, last and tip[topic]. Needs the index of scripts/source.
declare -A tip
commit_series()
{
	local p indexed=${plain%/linux}/git
	read_series
	objects_of "$indexed/objects" "$plain/.gitattributes"
	export GIT_INDEX_FILE=$tmp/index
	cp "$indexed/index" "$GIT_INDEX_FILE"
	[ ${#series[@]} = 0 ] || touched "${series[@]/#/$patches/}" | while IFS= read -r f; do
		[ ! -f "$plain/$f" ] || printf '%s\n' "$f"
	done | plain_blobs >/dev/null
	base_commit=$(env "${base_env[@]}" GIT_DIR="$git_dir" git commit-tree \
		"$(cat "$indexed/base-tree")" -m "$(base_subject)")
	last=$base_commit
	tip=()
	for p in "${series[@]}"; do
		apply_one "$p"
		last=$(commit_one "$p" "$last")
		tip[${p%%/*}]=$last
	done
}

# copies <from> <to>: "mode blob path" of the files that have a copy in this repository
copies()
{
	{
		bare diff-tree -r --no-renames --diff-filter=A "$1" "$2" -- "${folders[@]}"
		bare diff-tree -r --no-renames --diff-filter=M "$1" "$2" -- "${uapi[@]}"
	} | sed -E 's/^:[0-7]+ ([0-7]+) [0-9a-f]+ ([0-9a-f]+) [AM]\t/\1 \2 /' | sort -k3
}

# copy_of <path>: "mode blob" of what lies there
copy_of()
{
	[ -f "$top/$1" ] || return 0
	if [ -x "$top/$1" ]; then printf '100755 '; else printf '100644 '; fi
	git hash-object --no-filters "$top/$1"
}

list_copies()
{
	local f
	for f in "${folders[@]}"; do
		[ ! -d "$top/$f" ] || (cd "$top" && find "$f" -type f -o -type l)
	done | sort
}
