#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# unpack.sh CAPTURE DIR: make a tree out of a text. Each line is one of
#	# comment
#	d path			a folder
#	l path target		a symbolic link
#	f path			a file, its lines follow
#	|line
# Folders that are needed are made. capture.sh writes such a text.
set -eu
capture=$1
dir=$2
file=
while IFS= read -r line; do
	case $line in
	'' | '#'*) ;;
	'd '*) mkdir -p "$dir/${line#d }" ;;
	'f '*)
		file=$dir/${line#f }
		mkdir -p "${file%/*}"
		: >"$file"
		;;
	'l '*)
		line=${line#l }
		link=$dir/${line%% *}
		mkdir -p "${link%/*}"
		ln -s "${line#* }" "$link"
		;;
	'|'*) printf '%s\n' "${line#|}" >>"$file" ;;
	*)
		echo "$capture: not a line of a capture: $line" >&2
		exit 2
		;;
	esac
done <"$capture"
