#!/bin/bash
# SPDX-License-Identifier: MIT
# Very many connections between one pair of containers: those that stay, and those that come and go
# at a rate at which TIME_WAIT takes up all ports; what they cost the routers.
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/held.sh"

PROCESSES=4
EACH=5000
RATE=5000		# set-ups a second
TIME=60			# seconds
IDLE=15			# seconds to look at an idle router
port=7900
live=$((PROCESSES * EACH))

# resident HOST: kB, of the router and its keeper; the state files that are mapped are part of it
resident()
{
	awk '/^VmRSS:/ { sum += $2 } END { print sum }' "/proc/$(child "$1")/status" \
		"/proc/$(router_pid "$1")/status"
}

# wakes HOST: how often threads of the router and its keeper have gone to sleep so far
wakes()
{
	awk '/^voluntary_ctxt_switches:/ { sum += $2 } END { print sum }' \
		"/proc/$(router_pid "$1")"/task/*/status "/proc/$child_pid"/task/*/status
}

# (slimctl would wake it: its pid is asked before.)
rests()
{
	local host=$1 child_pid before number

	child_pid=$(child "$host")
	sleep 1
	before=$(wakes "$host")
	sleep $IDLE
	number=$(($(wakes "$host") - before))
	echo "         $host: $number wake-ups in $IDLE s" >&3
	holds "$number < 5 * $IDLE"
}
exec 3>&1

lab_start -C 1
server=$(address h2c1)
served server h2c1 $port "$many" server $port $PROCESSES
for host in h1 h2; do
	check "$host's router wakes fewer than 5 times a second while nothing happens" rests $host
done

# --- those that stay ---

declare -A first
for host in h1 h2; do
	first[$host]=$(resident $host)
done
# remembered NUMBER: what that many connections cost
costs()
{
	local host kb

	for host in h1 h2; do
		kb=$(resident $host)
		echo "         $host: $kb kB with $1 connections, ${first[$host]} kB with none:" \
			"$(((kb - ${first[$host]}) * 1024 / $1)) bytes each"
		check "$host: less than 2 KiB for each of $1 connections" \
			holds "($kb - ${first[$host]}) < 2 * $1"
		(($1 > 10000)) ||
			check "$host: less than 64 MiB with $1 of them" holds "$kb < 64 * 1024"
	done
}

for ((i = 0; i < PROCESSES; i++)); do
	check "$EACH connections are set up" hold $i h1c1 "$server" $port $EACH
	(((i + 1) * EACH != 10000)) || costs 10000
done
costs $live
equal "all took the slim path" "$live" "$(counter h1 connects_slim)"
for host in h1 h2; do
	equal "$host: all are in the ledger" "$live" "$(ctl $host -j status | jq .connections)"
done
for host in h1 h2; do
	check "$host's router wakes as rarely with all of them, idle" rests $host
done

# --- those that come and go: the client closes first ---

# load SECONDS TAG
load() { in_ h1c1 "$many" setups "$server" $port $RATE "$1" 2 >"$work/$2"; }
result() { tail -n 1 "$work/$1" | jq "$2"; }
median() { sort -n | awk '{ all[NR] = $1 } END { print int(all[int((NR + 1) / 2)]) }'; }
per_second() { grep '"second"' "$work/setups" | jq .p50_us; }

plain_bytes=$(device_bytes h1c1)
packet=$(counter h1 connects_packet)
slim=$(counter h1 connects_slim)
others_begin
check "$RATE set-ups a second for $TIME s: none fails" load $TIME setups
others_end
echo "         second  done   p50 us   p99 us   max us"
grep '"second"' "$work/setups" | jq -r '[.second, .done, .p50_us, .p99_us, .max_us] | @tsv' |
	awk '{ printf "         %6d %5d %8.1f %8.1f %8.1f\n", $1, $2, $3, $4, $5 }'
result setups .
done_=$(result setups .done)
sockets h1 -tan state time-wait | wc -l | sed 's/$/ in TIME_WAIT on h1/; s/^/         /'

if [[ $disturbed ]]; then
	skip "their rate, and their times at the end: $disturbed"
else
	begin=$(per_second | head -n 10 | median)
	end=$(per_second | tail -n 10 | median)
	check "that many, indeed" holds "$done_ >= $RATE * $TIME * 99 / 100"
	check "the median at the end is within 20 % of that at the beginning" \
		holds "$end * 100 <= $begin * 120"
fi
# Where it went slower, ports have come back meanwhile: nothing is shown with fewer.
for ((i = 0; done_ < RATE * TIME && i < 4; i++)); do
	check "as many as are missing: none fails" \
		load $(((RATE * TIME - done_) / RATE + 5)) more
	result more .
	done_=$((done_ + $(result more .done)))
done
check "$((RATE * TIME)) of them in all" holds "$done_ >= $RATE * $TIME"
equal "none has found no port" 0 "$(counter h1 connects_failed)"
equal "none was refused on the other side" 0 "$(counter h2 accepts_refused)"
slim=$(($(counter h1 connects_slim) - slim))
if [[ $disturbed ]]; then
	# A router that does not come to its turn within 50 ms is not waited for.
	skip "that every one took the slim path: $disturbed"
	check "most took the slim path ($((done_ - slim)) did not)" \
		holds "slim > done_ * 3 / 4"
else
	equal "every one took the slim path" "$done_" "$slim"
	equal "none the packet path" "$packet" "$(counter h1 connects_packet)"
	check "nor is anything to be seen of them on the container's device" \
		holds "$(device_bytes h1c1) - $plain_bytes < 100000"
fi

for ((i = 0; i < PROCESSES; i++)); do
	check "$EACH connections that stayed carry what they should" intact $i $EACH
done
let_go
stop server
