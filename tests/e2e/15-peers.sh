#!/bin/bash
# SPDX-License-Identifier: MIT
# A router that is killed, away or back again: connections last, new ones find a way.
. "$(dirname "$0")/lib.sh"

lab_start -H 3 -C 1

port=7800
server=$(address h2c1)
talk() { in_ h1c1 "$programs/talk" client 4 "$server" "$port" 1000; }
serve talk shim h2c1 $port python3 "$e2e/servers.py" threads $port

# slim NUMBER COMMAND...: it succeeds, and takes the slim path that many times
slim()
{
	local before
	before=$(counter h1 connects_slim)

	"${@:2}" && (($(counter h1 connects_slim) - before == $1))
}

peer_state() { ctl h1 -j peers | jq -e --arg s "$2" ".peers[] | select(.name == \"$1\").state == \$s"; }

# finer than milliseconds: a whole number of them is a rare accident
rtt_is_fine() { ctl h1 -j peers | jq -e '.peers[] | select(.name == "h2").rtt_ms | . > 0 and . != floor'; }
check "the round trip to a peer is known" poll 10 rtt_is_fine
check "at first: the slim path" slim 1 talk

# keep: a connection that stays, and echoes into the file "kept" what is written to fd 8
keep()
{
	rm -f "$work/in"
	mkfifo "$work/in"
	(
		launch=(exec)
		in_ h1c1 nc "$server" "$port" <"$work/in"
	) >"$work/kept" 2>&1 &
	background_pids[kept]=$!
	exec 8>"$work/in"
}

keep
echo before >&8
check "a connection is up" poll 5 has "$work/kept" before

lab router h2 kill
check "a killed router is noticed" poll 10 peer_state h2 down
echo after >&8
check "its connections live on" poll 5 has "$work/kept" after
check "new ones take the packet path" slim 0 talk
check "the other peer is not concerned" peer_state h3 up

lab router h2 start
check "it is a peer again" poll 10 peer_state h2 up
serve talk-again shim h2c1 $((port + 1)) python3 "$e2e/servers.py" threads $((port + 1))
port=$((port + 1))
check "and is reached over the slim path" slim 1 talk
echo later >&8
check "the old connection still lives" poll 5 has "$work/kept" later
exec 8>&-
stop kept

# A router that stops in good order leaves established connections alone, too.
keep
echo before >&8
check "another connection is up" poll 5 has "$work/kept" before
lab router h1 restart 8>&-
check "h1's own restart" poll 10 meshed h1
check "the peer's listener is known again" poll 10 announced h1 h2c1 $port
check "and the slim path is back" slim 1 talk
echo after >&8
check "the connection has outlived the restart" poll 5 has "$work/kept" after
exec 8>&-
stop kept

# A container that goes takes its connections along.
keep
echo before >&8
check "a third one is up" poll 5 has "$work/kept" before
ctl h1 detach h1c1 >/dev/null
check "detach ends it" poll 5 ended kept
check "in the ledger, too" poll 5 no_connections h1
exec 8>&-
finish kept || true

# A server that runs is announced to whoever comes later: at its first connection over the packet path.
ctl h2 detach h2c1 >/dev/null
attach h1c1 >/dev/null
attach h2c1 >/dev/null
check "attached again, a running server gets the slim path back" poll 15 slim 1 talk
stop talk
stop talk-again
