#!/bin/bash
# SPDX-License-Identifier: MIT
# Listeners that accept without the shim's help still get their slim connections, spliced.
#
# runs: alone, since it keeps all processors at work
. "$(dirname "$0")/lib.sh"

lab_start -H 2

server=$(address h2c1)
talk() { in_ h1c1 "$programs/talk" client "$@"; }

# spliced TEXT NUMBER COMMAND...: it succeeds; that many connections are spliced, none claimed
spliced()
{
	local splices claims
	splices=$(counter h2 splices)
	claims=$(counter h2 claims)

	check "$1" "${@:3}"
	equal "$1: spliced" $((splices + $2)) "$(counter h2 splices)"
	equal "$1: not claimed as well" "$claims" "$(counter h2 claims)"
}

shown()
{
	ctl h2 -j connections | jq -e --arg local "$server:$1" '[.connections[] | select(
		.path == "spliced" and .virtual_local == $local and .direction == "in")] | length > 0'
}

# A static program that inherits its listening socket from a shimmed one
if gcc -O2 -static -o "$work/static-heir" "$e2e/uring_accept.c" 2>/dev/null; then
	serve heir shim h2c1 7401 python3 "$e2e/inherit.py" 7401 "$work/static-heir" plain
	spliced "a static heir, 1 MB" 1 talk 4 "$server" 7401 1000000
	spliced "a static heir, IPv6" 1 talk 6 "$(address -6 h2c1)" 7401 100000
	spliced "a static heir, a byte" 1 talk 4 "$server" 7401 1
	background hold in_ h1c1 nc "$server" 7401
	check "slimctl shows it as spliced" poll 5 shown 7401
	stop hold
	check "a static heir, without the shim" \
		plain h1c1 "$programs/talk" client 4 "$server" 7401 100000
	stop heir
else
	skip "a static heir: there is no static C library"
fi

# Its stream ends before the client's, which is in buffers by far when the client has gone.
halfclosed=$e2e/halfclosed.py
serve slow shim h2c1 7403 python3 "$e2e/inherit.py" 7403 /usr/bin/env -u LD_PRELOAD python3 "$halfclosed" serve
no_time_wait() { ! time_wait_tickets h2c1; }
for bytes in 1 100000 3000000; do
	spliced "a server that ends first and is slow, $bytes bytes" 1 in_ h1c1 python3 "$halfclosed" \
		connect "$server" 7403 $bytes
	check "... gets all of them" poll 10 has "$work/slow" "got $bytes EOF"
done
check "... and nothing stays in TIME_WAIT" poll 2 no_time_wait
# The client's end is late.
in_space() { ip netns exec "$(space h2c1)" "$@"; }
half_closed() { sockets h2c1 -tan state fin-wait-2 | grep -F 127.83.76.77; }
in_space nft "table ip late { chain input { type filter hook input priority 0; ip saddr 127.83.76.77 tcp flags fin drop; }; }"
spliced "a server that ends first, and sees the client's end late" 1 in_ h1c1 python3 "$halfclosed" connect "$server" 7403 2
check "... waits for it" poll 5 half_closed
in_space nft delete table ip late
check "... gets all" poll 10 has "$work/slow" "got 2 EOF"
check "... and nothing stays in TIME_WAIT" poll 2 no_time_wait
stop slow

if "$programs/uring_accept" probe; then
	serve uring shim h2c1 7402 "$programs/uring_accept" listen 7402
	spliced "io_uring's accept, 1 MB" 1 talk 4 "$server" 7402 1000000
	spliced "io_uring's accept, IPv6" 1 talk 6 "$(address -6 h2c1)" 7402 100000
	check "io_uring's accept, without the shim" \
		plain h1c1 "$programs/talk" client 4 "$server" 7402 100000
	stop uring
else
	skip "io_uring: this kernel has none, or forbids it"
fi
