# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# rates.sh - what tests of rates share: what gets through from a container of h1, and over which path; sourced
# after lib.sh. The server, iperf3, is at $port.

# kbit KIND FROM ADDRESS SECONDS [OPTION...]: what iperf3 gets through
kbit()
{
	local kind=$1 from=$2 address=$3 seconds=$4

	shift 4
	with "$kind" "$from" iperf3 -c "$address" -p "$port" -t "$seconds" -J "$@" |
		jq '(.end.sum_received // .end.sum).bits_per_second / 1000 | floor'
}

# near WANTED PERCENT KBIT
near() { holds "$3 >= $1 * (100 - $2) / 100 && $3 <= $1 * (100 + $2) / 100"; }

# within TEXT WANTED PERCENT COMMAND...: near what that says, at one time of three, as the machine may be busy
within()
{
	check "$1" tries near "$2" "$3" "${@:4}"
	((tried == 1)) || echo "         at time $tried"
}

# tries JUDGE ARGUMENT ARGUMENT COMMAND...: sets $tried to the time at which the judge took what the command said
tries()
{
	for tried in 1 2 3; do
		! "$1" "$2" "$3" "$("${@:4}")" || return 0
	done
	return 1
}

# slim FROM COMMAND...: what it prints, if the data did not cross the container's veth
slim()
{
	local from=$1 before out
	before=$(device_bytes "$from")

	out=$("${@:2}")
	(($(device_bytes "$from") - before < 200000)) || out="0 crossed the veth"
	echo "$out"
}

# packets FROM COMMAND...: the same if it did
packets()
{
	local from=$1 before out
	before=$(device_bytes "$from")

	out=$("${@:2}")
	(($(device_bytes "$from") - before > 2000000)) || out="0 not on the veth"
	echo "$out"
}

tc_() { ip netns exec "$(space h1)" tc "$@"; }
# trees: the devices of h1 that have one of ours
trees() { tc_ qdisc show | sed -n 's/^qdisc htb 536c: dev \([^ ]*\) root.*/\1/p' | sort; }
have_trees() { same "$1" "$(trees | tr '\n' ' ')"; }
