#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# check.sh KDIR BUILD: static checks of the module's sources, as copied to BUILD. Any finding is exit code 1.
#
# Rules of this file
#     - What is not installed is said and left out: sparse and clang are packages, checkpatch.pl comes with a kernel's
#       sources only (CHECKPATCH=its place; Debian: scripts/ in the package linux-source-6.1).
#     - Headers are not ours: only what is said of our files counts.
set -u
kdir=$1
build=$2
bad=0
cd "$(dirname "$0")" || exit 1

# say NAME OUTPUT: a check has ended; no output is good
say() {
	if [ -n "$2" ]; then
		echo "check: $1: findings"
		printf '%s\n' "$2"
		bad=1
	else
		echo "check: $1: clean"
	fi
}

lacks() {
	echo "check: $1: left out: $2 is not here"
}

# again FLAGS...: everything is compiled once more; what is said of our files
again() {
	rm -f "$build"/*.o
	make -C "$kdir" M="$build" W=1 CONFIG_DEBUG_INFO_BTF_MODULES= "$@" modules 2>&1 |
		grep -E "(warning|error): |^make.*Error " || true
}

# The flags that the kernel's build gave to gcc, as clang knows them; from the folder of the headers.
analyse() {
	for command in "$build"/.*.o.cmd; do
		source=$build/$(basename "$command" .o.cmd | cut -c 2-).c
		[ -e "$source" ] || continue
		flags=$(sed -n '1s/^[^=]*:= *//p' "$command" | sed 's/ ; .*//' | tr ' ' '\n' |
			grep -E '^-(D|I|include|std|m64|mcmodel|nostdinc|f(short-wchar|no-strict-aliasing))|^(\./|/).*(/include|/generated|\.h$)' |
			tr '\n' ' ')
		(cd "$kdir" && eval "clang --analyze -Xanalyzer -analyzer-output=text -Wall -Wextra -Wshadow \
			-Wno-unused-parameter -Wno-sign-compare -Wno-gnu -Wno-pointer-sign \
			-Wno-unknown-warning-option $flags -o /dev/null $source" 2>&1) |
			grep -E "^$build/.*(warning|error): |fatal error: "
	done
}

checkpatch=${CHECKPATCH:-$kdir/scripts/checkpatch.pl}
if [ -e "$checkpatch" ]; then
	# The shared header has the project's width, the module's own files the kernel's.
	say checkpatch "$(perl "$checkpatch" --no-tree --strict --terse -f ./*.c winnower.h entry.h Kbuild |
		grep -v '^total: 0 errors, 0 warnings, 0 checks'
		perl "$checkpatch" --no-tree --strict --terse --max-line-length=125 -f winnower_tag.h |
			grep -v '^total: 0 errors, 0 warnings, 0 checks')"
else
	lacks checkpatch "$checkpatch"
fi
if command -v sparse > /dev/null; then
	say sparse "$(again C=2)"
else
	lacks sparse sparse
fi
say "gcc -fanalyzer" "$(again KCFLAGS=-fanalyzer)"
if command -v clang > /dev/null; then
	say "clang --analyze" "$(analyse)"
else
	lacks "clang --analyze" clang
fi
say "a plain build" "$(again)"
exit $bad
