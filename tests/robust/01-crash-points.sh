#!/bin/bash
# SPDX-License-Identifier: MIT
# A router that is killed between any two steps of what it does: the set-up ends well all the same.
#
# crash_points.c, preloaded into the routers, kills one before its Nth system call. Each round
# lets one connection meet that, and looks at all that could be left over. A sample of the
# points is tried; E2E_POINTS=all tries each, E2E_ONLY=TEXT those whose text has that.
. "$(dirname "$0")/../e2e/lib.sh"

stride=29
[[ ${E2E_POINTS:-} != all ]] || stride=1
port=7900

preload_routers crash_points 32

points() { python3 "$e2e/crash_points.py" "$work/crash_points-$1" "${@:2}"; }

lab_start
server=$(address h2c1)

serve claimed shim h2c1 $port python3 "$e2e/servers.py" threads $port
serve spliced shim h2c1 $((port + 1)) "$programs/uring_accept" listen $((port + 1))
serve deferred shim h2c1 $((port + 2)) "$programs/uring_accept" listen $((port + 2)) defer
# Somebody else's unread answer says nothing of a claim's.
background mute plain h2c1 python3 "$e2e/mute.py"

# --- what is true between two rounds ---

pipes() { find "/proc/$(router_pid "$1")/fd" -lname 'pipe:*' | wc -l; }
tickets() { sockets "$1" -tn state connected | grep -cE '127\.83\.76\.77|fd53:4c49:4d' || true; }

# Everything is as if nobody had connected
quiet()
{
	local host

	for host in h1 h2; do
		meshed $host && complete $host && [[ ! $(ledger $host) ]] || return 1
		holds "$(pipes $host) <= $(<"$work/pipes-$host")" || return 1
	done
	same 0 "$(tickets h2c1)" && announced h1 h2c1 $port && announced h1 h2c1 $((port + 1)) &&
		announced h1 h2c1 $((port + 2))
}

for host in h1 h2; do
	pipes $host >"$work/pipes-$host"
done

# --- rounds ---

# talk PORT: a connection with data both ways, and its end
talk() { in_ h1c1 timeout 20 "$programs/talk" client 4 "$server" "$1" 100000; }

# round HOST WHO N COMMAND...: the command succeeds though that host's router is killed. Returns
# 100 where it was not killed: there are fewer calls than that.
round()
{
	local status=0

	poll 10 quiet || return 1
	points "$1" arm "$2" "$3"
	"${@:4}" || status=$?
	points "$1" killed || {
		points "$1" disarm
		return $((status ? status : 100))
	}
	return $status
}

talk_from()
{
	echo hello | in_ h1c1 timeout 20 nc -N -p $((20000 + RANDOM % 10000)) "$server" "$1" |
		grep -x hello
}

# over_slim COMMAND...: and h1's router has made a slim connection for it. 99: it has not (one that
# is slow to answer is not waited for).
over_slim()
{
	local before
	before=$(counter h1 connects_slim)

	"$@" || return 1
	holds "$(counter h1 connects_slim) > $before" || return 99
}

# rounds TEXT HOST WHO COMMAND...: killed before each call, or a sample of them
rounds()
{
	local text=$1 number status bad=0 tried=0 again

	[[ $text == *${E2E_ONLY:-}* ]] || return 0
	shift
	for ((number = 1 + RANDOM % (stride < 7 ? stride : 7);; number += stride)); do
		for ((again = 0; again < 5; again++)); do
			status=0
			round "${@:1:2}" $number "${@:3}" >"$work/round" 2>&1 || status=$?
			((status == 99)) || break
		done
		((status != 100)) || break
		tried=$((tried + 1))
		if ((status)) || ! poll 10 quiet >>"$work/round" 2>&1; then
			check "$text, before call $number" eval "quiet; cat $work/round; false"
			bad=$((bad + 1))
			((bad < 5)) || return
		fi
	done
	check "$text, before each of some calls" holds "$tried > 0 && !$bad"
	echo "         $tried tried, of $((number - 1)) or fewer"
}

rounds "a connection is claimed" h2 workers over_slim talk $port
rounds "a connection is spliced" h2 workers over_slim talk $((port + 1))
rounds "one to a listener that defers is spliced" h2 workers over_slim talk $((port + 2))
rounds "a connection is made" h1 workers talk $port
rounds "a connection is made from a port of its own" h1 workers talk_from $port

# --- listeners ---

# new_listener: one that is announced then, or soon after somebody has come to it over the
# packet path
new_listener()
{
	local number=$((port + 10)) status=0

	background new with shim h2c1 "$programs/talk" server 6 $number
	poll 10 listening h2c1 $number && poll 5 found $number || status=$?
	((status)) || over_slim talk $number || status=$?
	stop new
	return $status
}

found() { talk "$1" && announced h1 h2c1 "$1"; }

rounds "a listener is announced" h2 others new_listener

stop mute
stop deferred
stop spliced
stop claimed
