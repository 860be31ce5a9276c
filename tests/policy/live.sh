# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# live.sh - what tests share of connections that a policy is to end, or not; sourced after lib.sh. What
# tests/e2e/cut.py says of TAG's ends is in $work/client-TAG and $work/serve-TAG.

# has_error FILE: what cut.py has said of its end; else all that it has said is shown
has_error()
{
	poll 2 grep -E "end ECONN(RESET|ABORTED)" "$1" || {
		cat "$1"
		return 1
	}
}

# cut_in_time TAG...: both ends have an error so soon after $began
cut_in_time()
{
	local tag end took

	for tag in "$@"; do
		for end in client serve; do
			check "$tag: the $end's end gets an error" has_error "$work/$end-$tag"
			took=$(awk -v began="$began" '/^end/ { printf "%d", ($3 - began) * 1000 }' \
				"$work/$end-$tag")
			check "$tag: within $cut_ms ms" holds "${took:-99999} >= 0 && ${took:-99999} < $cut_ms"
		done
	done
}

lives()
{
	local tag

	for tag in "$@"; do
		check_not "$tag: has noticed nothing" grep end "$work/client-$tag" "$work/serve-$tag"
	done
}

down()
{
	local tag

	for tag in "$@"; do
		stop "client-$tag"
		stop "serve-$tag"
	done
}

now() { date +%s.%N; }
