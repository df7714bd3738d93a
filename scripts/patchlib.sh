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

# touched <patch...>: every path that the patches read or write
touched()
{
	sed -nE 's#^diff --git a/(.*) b/\1$#\1#p; s#^(rename|copy) (from|to) ##p' "$@" | sort -u
}

bare() { GIT_DIR=$git_dir GIT_WORK_TREE=$tmp/empty git -C "$tmp/empty" "$@"; }

# plain_blobs: store the files of the plain tree named on stdin, print their ids
plain_blobs()
{
	(cd "$plain" && GIT_DIR=$git_dir GIT_WORK_TREE=$plain git hash-object -w --no-filters --stdin-paths)
}

# small_index: a fresh $git_dir and an index of the files of the plain tree that the patches
# of the array series touch; git is some hundred times faster than with all of the kernel
small_index()
{
	local f id mode
	objects_of "" "$plain/.gitattributes"
	export GIT_INDEX_FILE=$tmp/index
	rm -f "$GIT_INDEX_FILE"
	[ ${#series[@]} -gt 0 ] || return 0
	touched "${series[@]/#/$patches/}" >"$tmp/touched"
	while IFS= read -r f; do
		[ ! -f "$plain/$f" ] || printf '%s\n' "$f"
	done <"$tmp/touched" >"$tmp/have"
	paste "$tmp/have" <(plain_blobs <"$tmp/have") | while IFS=$'\t' read -r f id; do
		[ -x "$plain/$f" ] && mode=100755 || mode=100644
		printf '%s %s\t%s\n' "$mode" "$id" "$f"
	done | bare update-index --add --index-info
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

# apply_all: the array series into the index in one go; one by one if that fails, to say where
apply_all()
{
	local p
	[ ${#series[@]} -gt 0 ] || return 0
	bare apply --cached --whitespace=nowarn "${series[@]/#/$patches/}" 2>/dev/null && return
	for p in "${series[@]}"; do apply_one "$p"; done
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

# objects_of <objects folder or nothing> <.gitattributes>: a git folder on top of those objects.
# The kernel's attributes choose the function names in hunk headers; a release tarball may
# come without them.
objects_of()
{
	git_dir=$tmp/git
	if [ ! -d "$git_dir" ]; then
		git init -q --bare "$git_dir"
		# It lives no longer than this script; waiting for the disk would take most of the time
		git -C "$git_dir" config core.fsync none
	fi
	[ -z "$1" ] || printf '%s\n' "$1" >"$git_dir/objects/info/alternates"
	mkdir -p "$git_dir/info"
	cat "$2" 2>/dev/null >"$git_dir/info/attributes" || :
}

# am_failed <what git am said>: name the patch that it stopped at, and why
am_failed()
{
	local n p
	n=$(cat "$git_dir/rebase-apply/next" 2>/dev/null) || die "git am cannot read the patches: $1"
	p=${series[n - 1]}
	bare read-tree HEAD
	apply_one "$p"
	die "patches/$p is not a mail that git am can read: $1"
}

# commit_series: the series of $patches as commits in $git_dir, on a commit that holds only
# the files of the plain tree that it touches: the patches written of it are the same. Sets
# base_commit, last and tip[topic].
declare -A tip
commit_series()
{
	local n msg commits
	read_series
	small_index
	base_commit=$(GIT_DIR=$git_dir env "${base_env[@]}" git commit-tree "$(bare write-tree)" -m "$(base_subject)")
	last=$base_commit
	tip=()
	[ ${#series[@]} -gt 0 ] || return 0
	rm -rf "$tmp/work"
	mkdir "$tmp/work"
	bare update-ref --no-deref HEAD "$base_commit"
	in_work checkout-index -q -a -u
	msg=$(in_work -c gc.auto=0 -c advice.amWorkDir=false am -q --keep-cr \
		--no-scissors --whitespace=nowarn "${series[@]/#/$patches/}" 2>&1 </dev/null) || am_failed "$msg"
	mapfile -t commits < <(bare rev-list --reverse "$base_commit..HEAD")
	[ ${#commits[@]} = ${#series[@]} ] || die "${#series[@]} patches gave ${#commits[@]} commits: a file holds two mails"
	for n in "${!series[@]}"; do tip[${series[n]%%/*}]=${commits[n]}; done
	last=${commits[-1]}
}
in_work() { env "${base_env[@]}" GIT_DIR="$git_dir" GIT_WORK_TREE="$tmp/work" git -C "$tmp/work" "$@"; }

# full_trees: sets full[topic], the tree of all of the kernel with the series up to there.
# Needs the index of scripts/source.
declare -A full
full_trees()
{
	local t from=$base_commit indexed=${plain%/linux}/git
	local -x GIT_INDEX_FILE=$tmp/full
	printf '%s\n' "$indexed/objects" >"$git_dir/objects/info/alternates"
	cp "$indexed/index" "$GIT_INDEX_FILE"
	for t in $(list_topics); do
		bare diff-tree -r --no-renames "$from" "${tip[$t]}" |
			sed -E 's/^:[0-7]+ ([0-7]+) [0-9a-f]+ ([0-9a-f]+) [A-Z]\t/\1 \2\t/' |
			bare update-index --add --index-info
		full[$t]=$(bare write-tree --missing-ok)
		from=${tip[$t]}
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

# blobs_of <folder>: "mode blob path" of the files of that folder named on stdin, those that are there
blobs_of()
{
	local f id
	while IFS= read -r f; do
		[ ! -f "$1/$f" ] || printf '%s\n' "$f"
	done >"$tmp/blobs"
	(cd "$1" && GIT_DIR=$git_dir GIT_WORK_TREE=$1 git hash-object --no-filters --stdin-paths <"$tmp/blobs") | paste -d' ' - "$tmp/blobs" |
		while read -r id f; do
			if [ -x "$1/$f" ]; then printf '100755 '; else printf '100644 '; fi
			printf '%s %s\n' "$id" "$f"
		done
}

list_copies()
{
	local f
	for f in "${folders[@]}"; do
		[ ! -d "$top/$f" ] || (cd "$top" && find "$f" -type f -o -type l)
	done | sort
}
