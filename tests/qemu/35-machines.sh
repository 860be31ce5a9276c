#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 35-machines.sh - two machines, a host in each: guarded on both; then guarded on the first, and open on the second
#
# guests: 2
# clock: instructions
# needs: python3
# limit: 900
set -euo pipefail
# shellcheck source=machines.sh
. "$(dirname "$0")/machines.sh"
talk=$build/tests/e2e/talk
bytes=1000000

# --- in either machine ---

sealed() { "$build/tests/qemu/sealed" /proc/self/ns/net; }
reload() { control reload; }
put_policy() { printf '%s\n' "$@" >"$state/policy.new" && mv "$state/policy.new" "$state/policy"; }
allow_all() { put_policy "tenant t1" "default allow" && reload; }
# deny FROM TO: port 7001 of that host's container to that of this one
deny() { put_policy "tenant t1" "deny tcp from container h$1c1 to container h$2c1 port 7001" "default allow" && reload; }
first_line() { head -n 1 "$work/$1"; }
last_line() { tail -n 1 "$work/$1"; }
alive() { ! ended "$1"; }

# slim_to ADDRESS: a connection to a slim port there is established
slim_to()
{
	ss -Htn state established dst "$1" | awk '{ print $4 }' | grep -E ':(479[1-9]|48[0-4][0-9]|485[0-3])$'
}

# --- both ends of what goes from FROM to TO ---

number_of() { on "$1" sealed | jq ".$2"; }
state_of() { ctl "h$1" -j guard | jq -r '.guard | "\(.configured) \(.state)"'; }
nobody_lives() { [[ $(number_of "$1" live) == 0 ]]; }

# names_are FROM TO: what both programs say of both ends: the same, and virtual
names_are()
{
	local client server

	read -r _ client _ server <"$work/talked"
	[[ $client == "$(address "h$1c1"):"* && $server == "$(address "h$2c1"):7000" ]] &&
		same "local $server peer $client accepted $client" "$(on "$2" last_line talk)"
}

# talks FROM TO GUARDED-FROM GUARDED-TO: a program of FROM's talks to one of TO's; a guarded end (1, not 0) is sealed
talks()
{
	local from=$1 to=$2 guarded=([$1]=$3 [$2]=$4) connects claims device number
	local -a sealed_before=() tx=() rx=()

	connects=$(counter "h$from" connects_slim)
	claims=$(counter "h$to" claims)
	device=$(on "$from" device_bytes "h${from}c1")
	for number in 1 2; do
		sealed_before[number]=$(number_of "$number" sealed)
		tx[number]=$(number_of "$number" tx_bytes)
		rx[number]=$(number_of "$number" rx_bytes)
	done
	on "$from" inside "$talk" client 4 "$(address "h${to}c1")" 7000 "$bytes" >"$work/talked" || true
	check "from h$from to h$to: both programs see virtual names" names_are "$from" "$to"
	check "... on the slim path" holds \
		"$(counter "h$from" connects_slim) == $connects + 1 && $(counter "h$to" claims) == $claims + 1 &&
			$(on "$from" device_bytes "h${from}c1") - $device < 20000"
	for number in "$from" "$to"; do
		poll 10 nobody_lives "$number"
		check "... its end on h$number is$( ((guarded[number])) || echo " not") sealed" holds \
			"$(number_of "$number" sealed) == ${sealed_before[number]} + ${guarded[number]}"
		check "... and slim.ko has counted what passed there" holds \
			"$(number_of "$number" tx_bytes) - ${tx[number]} == $bytes * ${guarded[number]} &&
				$(number_of "$number" rx_bytes) - ${rx[number]} == $bytes * ${guarded[number]}"
	done
}

is_up() { [[ $(on "$1" first_line "$2") == up ]]; }
has_ended() { on "$1" ended "$2"; }
ended_by() { [[ $(on "$1" last_line "$2") == "end $3 "* ]]; }

# refused FROM TO: by its own host, or, once it has reached the other one, with a reset
refused()
{
	on "$1" inside timeout 20 "$top/tests/e2e/cut.py" connect "$(address "h$2c1")" 7001 read >"$work/refused" || true
	grep -E '^(refused|end ECONN)' "$work/refused"
}

# live FROM TO: a connection that waits for its end
live()
{
	serving "$2" accepting 7001 "$top/tests/e2e/cut.py" serve 7001 read
	on "$1" background connecting inside "$top/tests/e2e/cut.py" connect "$(address "h$2c1")" 7001 read
	check "from h$1 to h$2: a connection lives" poll 20 is_up "$1" connecting
	check "... on the wire" on "$1" slim_to "$(wire "$2")"
}

# cuts FROM TO DENIER GUARDED: one lives until that host's policy denies it, which both ends hear. GUARDED: slim.ko
# cuts it (1), or the router (0)
cuts()
{
	local from=$1 to=$2 denier=$3 other=$((3 - $3)) tags=([$1]=connecting [$2]=accepting) cut

	live "$from" "$to"
	cut=$(number_of "$denier" cut)
	on "$denier" deny "$from" "$to" >/dev/null
	check "... until h$denier denies it" poll 20 has_ended "$from" connecting
	check "... its own end is told" poll 10 ended_by "$denier" "${tags[denier]}" ECONNABORTED
	check "... and the other one, by a reset" poll 10 ended_by "$other" "${tags[other]}" ECONNRESET
	check "... slim.ko has cut it$( (($4)) || echo " not")" holds "$(number_of "$denier" cut) == $cut + $4"
	check "... and no other lives" refused "$from" "$to"
	on "$denier" allow_all >/dev/null
	on "$to" stop accepting
}

check "there is a module (tests/qemu/run --build-module)" test "${KMOD:-}"
machines_start
routers_start require require
for number in 1 2; do
	equal "h$number requires slim.ko, and has it" "require ready" "$(state_of "$number")"
	serving "$number" talk 7000 "$talk" server 4 7000
done
check "packets pass between them" ip netns exec h1c1 ping -c 1 -W 5 "$(address h2c1)"
talks 1 2 1 1
talks 2 1 1 1
cuts 1 2 1 1
cuts 1 2 2 1

live 1 2
router_again 2 off
equal "h2 is open, and h1 is as it was" "off off, require ready" "$(state_of 2), $(state_of 1)"
check "the connection has noticed nothing" on 1 alive connecting
equal "... and is sealed still, on both" "1 1" "$(number_of 1 live) $(number_of 2 live)"
on 1 stop connecting
on 2 stop accepting
check "nor has the server there" on 2 alive talk
talks 1 2 1 0
talks 2 1 0 1
cuts 1 2 1 1
cuts 1 2 2 0
cuts 2 1 1 1
for number in 1 2; do
	on "$number" stop talk
done
machines_end
