#!/bin/bash
# SPDX-License-Identifier: MIT
# Data crosses once: iperf3's bytes are on a host socket, and not on the containers' veth.
#
# runs: alone, since it keeps all processors at work
. "$(dirname "$0")/lib.sh"

lab_start -H 2

port=5201
serve iperf-remote shim h2c1 $port iperf3 -s -p $port
serve iperf-local shim h1c2 $port iperf3 -s -p $port

# (The routers' own channel uses the first slim port.)
slim_sockets() { sockets "$1" -tn state established "( dport > :4790 and dport <= :4853 )"; }

# Idle traffic is ARP, ND and the like.
quiet() { holds "$(device_bytes "$1") - $2 < 20000"; }

# through FROM TO [OPTION...]: iperf3 on the slim path
through()
{
	local from=$1 to=$2 host=${1%%c*} remote=${2%%c*} own there text

	shift 2
	text="iperf3 ${*:-} from $from to $to"
	own=$(device_bytes "$from")
	there=$(device_bytes "$to")
	background client in_ "$from" iperf3 -c "$(address "$to")" -p $port -t 2 -J "$@"
	check "$text: in $host there is a socket to a slim port of $remote" \
		poll 5 peer_seen "$host" "$remote"
	check "$text: slimctl shows it with both kinds of addresses" \
		poll 5 connection_seen "$host" "$from" "$to"
	check "$text: it succeeds" finish client
	check "$text: more than 100 MB were carried" holds \
		"$(jq '.end.sum_received.bytes' "$work/client") > 100000000"
	check "$text: nothing went over $from's device" quiet "$from" "$own"
	check "$text: nothing went over $to's device" quiet "$to" "$there"
}

# ss writes mapped addresses as [::ffff:A.B.C.D].
peer_seen()
{
	slim_sockets "$1" | awk '{ print $4 }' | grep -E "(^|:)$(address "$2")\]?:"
}

connection_seen()
{
	ctl "$1" -j connections | jq -e --arg to "$(address "$3"):$port" \
		--arg from "$(address "$2"):" --arg container "$2" '[.connections[] |
		select(.path == "slim" and .virtual_peer == $to and .container == $container and
			(.virtual_local | startswith($from)) and .state == "ESTAB" and
			(.host_peer | test(":4[78][0-9][0-9]$")) and .rtt_us > 0 and
			.bytes_sent + .bytes_received > 1000000)] | length > 0'
}

through h1c1 h2c1
through h1c1 h2c1 -R
through h1c1 h1c2
through h1c1 h2c1 -P 4

before=$(device_bytes h1c1)
check "without the shim it works as well" \
	plain h1c1 iperf3 -c "$(address h2c1)" -p $port -n 50M
check "and all of it goes over the device" holds "$(device_bytes h1c1) - $before > 40000000"
check "with --bind, -6 and --connect-timeout" in_ h1c1 iperf3 -6 -c "$(address -6 h2c1)" \
	-B "$(address -6 h1c1)" -p $port -n 1M --connect-timeout 2000
