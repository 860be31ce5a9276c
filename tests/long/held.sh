# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# held.sh - what the long tests share: connections that stay (tests/e2e/many.c), and who else
# uses the machine; sourced after lib.sh

# shellcheck disable=SC2154
many=$programs/many
declare -A held_fds=()

child() { ctl "$1" -j status | jq .pid; }

# Ticks of processor time: of all programs, and of this test's (what it has started, and what runs in its hosts)
busy_all() { awk '/^cpu / { print $2 + $3 + $4 }' /proc/stat; }
busy_ours()
{
	local space

	{
		echo "$$"
		for space in $(hosts) $(containers); do
			ip netns pids "$(space "$space")"
		done
		cat /proc/[0-9]*/stat 2>/dev/null | sed 's/ (.*) / comm /'
	} | awk '
		NF == 1 { roots[$1] }
		NF > 1 { parent[$1] = $4; ticks[$1] = $14 + $15 + $16 + $17 }
		function is_ours(pid) {
			while (pid > 1 && !(pid in roots))
				pid = parent[pid]
			return pid > 1
		}
		END {
			for (pid in ticks)
				if (is_ours(pid))
					sum += ticks[pid]
			print sum
		}'
}

# others_begin ... others_end: sets $disturbed to why times say nothing, or to nothing
OTHERS_MAX=10		# per cent of the machine

others_begin()
{
	others_all=$(busy_all)
	others_ours=$(busy_ours)
	others_at=$(date +%s%N)
}

others_end()
{
	local ticks=$((($(date +%s%N) - others_at) / 1000000 * $(getconf CLK_TCK) / 1000 * $(nproc)))
	local all=$(($(busy_all) - others_all)) ours=$(($(busy_ours) - others_ours))
	local others=$((100 * (all - ours) / ticks))

	echo "         others used $others % of the machine"
	disturbed=
	# shellcheck disable=SC2034
	((others <= OTHERS_MAX)) || disturbed="others used $others % of the machine"
}

# While times are taken that programs note by themselves: to ask the router again and again would keep
# one of the processors busy (jq takes 50 ms to start).
settle() { sleep 1; }

# An announcement that a busy router has not answered is made again at the next connection.
heard()
{
	local host

	for host in $(hosts); do
		announced "$host" "$1" "$2" || {
			plain "$1" nc -z -w 1 "$(address "$1")" "$2"
			return 1
		}
	done
}

# served TAG NODE PORT COMMAND...: a server with the shim, on a machine that is busy
served()
{
	background "$1" in_ "$2" "${@:4}"
	poll 10 listening "$2" "$3"
	poll 30 heard "$2" "$3"
}

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
