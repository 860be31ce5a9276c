#!/bin/bash
# SPDX-License-Identifier: MIT
# A container moves between hosts: it is attached at once where it is next, and nowhere else meanwhile.
#
# runs: alone, since it measures time
. "$(dirname "$0")/lib.sh"

# Routers are late on purpose here: that excuses nothing.
unset SLIM_DEBUG

port=7400
moves=${E2E_MOVES:-40}
addresses=10.32.1.9,fd32:0:0:1::9

lab_start -H 2 -C 1
for host in h1 h2; do
	ip netns add "$(space ${host}c9)"
	ip -n "$(space ${host}c9)" link set lo up
done

control() { echo "/run/slim-lab/$name/$1/control.sock"; }

# attaching HOST [NAME]: the command that attaches it there, into `command`
attaching()
{
	command=("$build/slimctl" -s "$(control "$1")" attach "${2:-moving}"
		--netns "/run/netns/$(space "$1c9")" --tenant t1 --ip "$addresses")
}

put() { attaching "$@"; "${command[@]}"; }
take() { ctl "$1" detach moving; }
has_it() { ctl "$1" -j containers | jq -e '[.containers[] | select(.name == "moving")] | length == 1'; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }

# --- back and forth ---

move_around()
{
	python3 "$e2e/moves.py" moving t1 "$addresses" "$moves" \
		"$(control h1)" "/run/netns/$(space h1c9)" "$(control h2)" "/run/netns/$(space h2c9)"
}

check "attached on h1" put h1
check "it moves $moves times to h2 and back: none is refused" move_around
longest=$(sed 's/ ms//' "$work/out")
check "... nor waits longer than for the word that it may" holds "$longest < 800"
check "it is h1's" has_it h1
check_not "and not h2's" has_it h2

# What reaches it there takes the slim path at once.
take h1 && put h2
background moved in_ h2c9 python3 "$e2e/servers.py" threads $port
is_heard() { ctl h1 -j listeners | jq -e ".listeners[] | select(.address == \"10.32.1.9\" and .port == $port)"; }
check "h1 hears of a listener there" poll 10 is_heard
device=$(device_bytes h2c9)
slim=$(counter h1 connects_slim)
check "it is talked to on h2" in_ h1c1 "$programs/talk" client 4 10.32.1.9 $port 1000000
check "... over the slim path" holds "$(counter h1 connects_slim) > $slim"
check "... and past its device" holds "$(device_bytes h2c9) - $device < 20000"
stop moved
take h2 && put h1

# --- another's address stays so ---

refused_in_time()
{
	local began said took

	began=$(now_ms)
	said=$(put h2 2>&1) && return 1
	took=$(($(now_ms) - began))
	echo "$took ms: $said"
	[[ $said == *"belongs to a container of host h1"* ]] && ((took >= 900 && took <= 1300))
}
check "one that stays h1's is refused on h2 after a second" refused_in_time
before=$(fds h2)
as_many_fds() { holds "$(fds h2) <= $before"; }

# What is wrong anyway is said at once.
wrong_at_once()
{
	local began

	began=$(now_ms)
	fails put h2 h2c1 && holds "$(now_ms) - $began < 500"
}
check "a name that is taken is refused at once" wrong_at_once

# --- meanwhile ---

waits() { attaching h2 "${2:-moving}"; background "$1" exec "${command[@]}"; }

answered_meanwhile()
{
	waits first
	sleep 0.1
	ctl h2 status && ctl h2 containers && ! ended first
}
check "others are answered while one waits" answered_meanwhile
fails finish first
check "it was refused" has "$work/first" "belongs to a container of host h1"

# Of two who wait, one gets it.
two()
{
	local got=0

	waits first moving
	waits second other
	sleep 0.2
	take h1
	finish first && got=$((got + 1))
	finish second && got=$((got + 1))
	cat "$work/first" "$work/second"
	((got == 1)) && grep -h "belongs to container" "$work/first" "$work/second"
}
check "of two who wait, one gets it, and the other is told" two
for it in moving other; do
	ctl h2 detach $it >/dev/null 2>&1 || true
done
check "back on h1" put h1

gone()
{
	waits first
	sleep 0.2
	finish first KILL || true
	take h1
	sleep 0.2
	! has_it h2
}
check "who goes away meanwhile attaches nothing" gone
check "... and leaves no descriptor" poll 5 as_many_fds
check "back on h1 again" put h1

# finishes_with TEXT COMMAND...: the one who waits is told TEXT because of it
finishes_with()
{
	waits first
	sleep 0.2
	"${@:2}" && ! finish first && has "$work/first" "$1"
}
check "who waits when the router is replaced is told so" finishes_with "is being replaced" \
	ctl h2 upgrade
check "the next one, which has just started, refuses it too" refused_in_time
restarts() { kill -KILL "$(ctl h2 -j status | jq .pid)" && poll 5 ctl h2 status; }
check "h2's router is killed" restarts
check "... and the one after it refuses, too" refused_in_time

# h1 cannot tell it at once.
told_late()
{
	local pid
	pid=$(ctl h1 -j status | jq .pid)

	kill -STOP "$pid"
	restarts
	waits first
	sleep 0.2
	kill -CONT "$pid"
	! finish first && has "$work/first" "belongs to a container of host h1"
}
check "one that has just started waits until its peers have told what they have" told_late
check "who waits when the router stops is told so" finishes_with "the router stops" \
	lab router h2 stop
take h1
for host in h1 h2; do
	ip netns delete "$(space ${host}c9)"
done
lab router h2 start
