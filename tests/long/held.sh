# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# held.sh - connections that stay (tests/e2e/many.c), for the long tests; sourced after lib.sh

# shellcheck disable=SC2154
many=$programs/many
declare -A held_fds=()

# hold TAG NODE ADDRESS PORT NUMBER: returns when all are open, or fails
hold()
{
	local fd

	mkfifo "$work/in-$1"
	(
		launch=(exec)
		in_ "$2" "$many" hold "$3" "$4" "$5" <"$work/in-$1"
	) >"$work/held-$1" 2>&1 &
	background_pids[held-$1]=$!
	exec {fd}>"$work/in-$1"
	held_fds[$1]=$fd
	poll 60 grep -E '^(held|failed)' "$work/held-$1"
	grep -x "held $5" "$work/held-$1"
}

# Each held connection carries other bytes than ever before, there and back, unchanged.
intact()
{
	local rounds
	rounds=$(grep -c intact "$work/held-$1" || true)

	echo >&"${held_fds[$1]}"
	poll 60 more_rounds "$1" "$rounds"
	tail -n 1 "$work/held-$1"
	[[ $(tail -n 1 "$work/held-$1") == "intact $2" ]]
}

more_rounds() { (($(grep -c intact "$work/held-$1") > $2)); }

let_go()
{
	local tag fd

	for tag in "${!held_fds[@]}"; do
		fd=${held_fds[$tag]}
		exec {fd}>&-
		finish "held-$tag"
	done
	held_fds=()
}
