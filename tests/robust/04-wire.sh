#!/bin/bash
# SPDX-License-Identifier: MIT
# Strangers and losses on the wire: nothing reaches a container, all is counted, set-ups go on.
#
# runs: alone, since it measures what others notice
. "$(dirname "$0")/../e2e/lib.sh"

many=${E2E_STRANGERS:-1500}
seconds=${E2E_FLOOD:-3}
others=${E2E_OTHERS:-20000}
crr=$build/tests/bench/crr
port=7900

lab_start -H 3 -C 2
server=$(address h2c1)
serve crr shim h2c1 $port "$crr" server -p $port
serve echo shim h2c1 $((port + 1)) python3 "$e2e/servers.py" threads $((port + 1))

h2=$(address h2)
stranger() { in_ h3 python3 "$e2e/stranger.py" "$@"; }
set_ups() { in_ h1c1 "$crr" client "$server" -p $port "$@"; }
router_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$(ctl h2 -j status | jq .pid)/status"; }
nft_in() { ip netns exec "$(space "$1")" nft "${@:2}"; }

# more NAME COMMAND...: the counter of h2 grows meanwhile
more()
{
	local before
	before=$(counter h2 "$1")

	"${@:2}" && poll 10 grown h2 "$1" "$before"
}

grown() { (($(counter "$1" "$2") > $3)); }

# --- strangers ---

set_ups -n 200 >/dev/null
before_kb=$(router_kb)
before_fds=$(fds h2)
before_tickets=$(counter h2 tickets)
before_packet=$(counter h1 connects_packet)
background load set_ups -d 12

# strangers COUNTER WHAT ARGUMENT...: from a peer's host; they are ended, and counted
strangers()
{
	more "$1" stranger "${@:2}" >"$work/strangers" && cat "$work/strangers" &&
		(($(awk '/^ended/ { print $2 }' "$work/strangers") > 0))
}

check "garbage is counted as such" strangers preamble_bad garbage "$h2" "$many"
check "so are forged preambles of nobody's" strangers preamble_unknown forged "$h2" "$many"
check "... and of an unknown key" strangers preamble_unknown forged "$h2" 50 \
	"$(ctl h1 -j status | jq -r .host_id)"
check "what ends in the middle is ended in time" strangers preamble_late truncated "$h2" 200
check "slow bytes, too" strangers preamble_late slow "$h2" 200
check "TLS without a certificate" strangers peer_handshakes_failed tls "$h2" 80
stranger silent "$h2" "$many" >"$work/silent" &
silent=$!
check "silent ones are there" poll 10 has "$work/silent" ready
ip netns exec "$(space h2)" python3 "$e2e/stranger.py" replay "$h2" eth0 >"$work/replay" &
replay=$!
check "somebody listens on the wire" poll 10 has "$work/replay" ready
in_ h1c1 "$programs/talk" client 4 "$server" $((port + 1)) 10
check "what he sends again is counted" poll 10 grown h2 preamble_replayed 40
check "the set-ups that went on meanwhile succeeded" finish load
cat "$work/load"
# (A machine that is busy with something else lets a shim's deadline pass now and then.)
check "... over the slim path" holds \
	"($(counter h1 connects_packet) - $before_packet) * 100 < $(counter h1 connects_slim)"
check "memory is bounded" holds "$(router_kb) - $before_kb < 32768"
check "no set-up was displaced" holds "$(counter h2 limit_reached) == 0"
wait $replay || true
kill $silent 2>/dev/null || true
wait $silent 2>/dev/null || true
check "descriptors are given back" poll 10 eval "((\$(fds h2) <= $before_fds + 8))"
check "nothing else reached a container" holds \
	"$(counter h2 tickets) - $before_tickets - 1 == $(counter h1 connects_slim) - 200 - 1"

ip -n "$(space h3)" address add 198.18.0.77/24 dev eth0
from_nowhere() { ! stranger_from 198.18.0.77; }
stranger_from() { in_ h3 python3 "$e2e/udp_echo.py" tcp "$h2" 4791 "$1"; }
check "whoever is no host does not get that far, and is counted" more dropped_strangers_slim from_nowhere
vxlan() { in_ h3 python3 "$e2e/udp_echo.py" vxlan 198.18.0.77 "$h2" 100 02:00:00:00:00:01 \
	02:00:00:00:00:02 10.32.1.2 "$server"; }
check "so is VXLAN from there" more dropped_strangers_vxlan vxlan
container_tcp() { ! plain h2c1 python3 "$e2e/udp_echo.py" tcp "$(address "$1")" 4790; }
check "so is a container that looks for another host's slim ports" \
	more dropped_containers_slim container_tcp h1
check "... for its own host's" more dropped_containers_gateway container_tcp h2
container_vxlan() { plain h2c1 python3 "$e2e/udp_echo.py" vxlan "$server" "$(address h1)" 100 \
	02:00:00:00:00:01 02:00:00:00:00:02 10.32.1.2 10.32.1.2; }
check "... and for VXLAN" more dropped_containers_vxlan container_vxlan

# --- a container that is somebody else ---

# From h2c1 to its neighbour, by the neighbour's MAC
neighbour=$(ctl h2 -j containers | jq -r '.containers[] | select(.name == "h2c2").mac')
received() { ip -n "$(space h2c2)" -j -s link show eth0 | jq '.[0].stats64.rx.packets'; }
arrived() { (($(received) > $1)); }
spoof() { plain h2c1 python3 "$e2e/stranger.py" spoof "$1" eth0 "$neighbour" "$server" \
	"$(address -6 h2c1)" "$(address h2c2)" "$(address -6 h2c2)"; }

before=$(received)
spoof right
check "what is a container's own arrives (so the others could)" poll 2 arrived "$((before + 9))"
plain h2c1 ping -c 1 -W 2 "$(address h2c2)" >/dev/null
for kind in mac ip arp ip6 nd; do
	before=$(received)
	check "a spoofed $kind is counted" more "dropped_spoofed_$kind" spoof $kind
	check "... and does not arrive" holds "$(received) - $before < 10"
done

# --- floods of SYNs ---

# flooded SOURCE WHAT: set-ups meanwhile
flooded()
{
	local status=0

	background flood stranger flood "$h2" "$seconds" "$1" "$2"
	set_ups -d "$seconds" || status=$?
	finish flood && has "$work/flood" sent && return $status
}

before_kb=$(router_kb)
for source in 198.18.0.99 "$(address h1)"; do
	for what in bare data; do
		check "a flood of SYNs ($what) from $source: set-ups go on" flooded "$source" $what
	done
done
check "memory is bounded all the same" holds "$(router_kb) - $before_kb < 32768"
check "h2's peers have not noticed" holds "$(counter h2 peer_channels_lost) == 0"

# --- a SYN that is lost ---

connecting() { ctl h1 -j connections | jq -re '.connections[] | select(.state == "SYN-SENT") | .host_local'; }

# Where packets arrive: what its own host drops, the kernel sends otherwise at once.
lossy()
{
	nft_in h2 add table inet test
	nft_in h2 'add chain inet test in { type filter hook prerouting priority -400; }'
}

lose() { nft_in h2 add rule inet test in 'tcp flags & (syn | ack) == syn' tcp dport 4791-4853 "$@" drop; }

lossy
# The preamble's destination port; the source port as soon as it is known
lose @ih,208,16 $((port + 1))
background lost in_ h1c1 python3 "$e2e/connects.py" "$server" $((port + 1)) 10 0.005
check "a connection's SYN is lost" poll 5 connecting
source=$(connecting)
target=$(ctl h1 -j connections | jq -r '.connections[] | select(.state == "SYN-SENT") | .host_peer')
nft_in h2 add rule inet test in tcp sport "${source##*:}" tcp dport "${target##*:}" drop
before=$(counter h2 preamble_replayed)
before_accepts=$(counter h2 accepts)
check "others are set up meanwhile" set_ups -n "$others"
check "... as many as that" holds "$(counter h2 accepts) - $before_accepts >= $others"
nft_in h2 delete table inet test
check "then it is accepted" finish lost
cat "$work/lost"
check_not "... for it waited, and did not fail" has "$work/lost" failed
check "no preamble was taken for another one" holds "$(counter h2 preamble_replayed) == $before"

# --- a path that drops SYNs with data ---

thinks() { ctl h1 -j peers | jq -e --argjson is "$1" '.peers[] | select(.name == "h2").syn_data == $is'; }
slower() { awk -v limit="$1" '$2 !~ /^[0-9]+$/ || $2 > limit' "$work/$2" | wc -l; }

check "at first SYNs may carry data" thinks true
lossy
lose meta length '> 100'
in_ h1c1 python3 "$e2e/connects.py" "$server" $((port + 1)) 150 4 >"$work/noticing"
check "a path that drops SYNs with data is noticed" thinks false
check "... and that is said" has "/run/slim-lab/$name/h1/router.log" "SYNs with data do not arrive"
check_not "no connection fails" has "$work/noticing" failed
check "some waited for a second" holds "$(slower 900 noticing) > 0"
before_slim=$(counter h1 connects_slim)
before_packet=$(counter h1 connects_packet)
in_ h1c1 python3 "$e2e/connects.py" "$server" $((port + 1)) 50 3 >"$work/noticed"
check "then none waits any longer" holds "$(slower 500 noticed) == 0"
check "they take the slim path" holds "$(counter h1 connects_slim) - $before_slim == 60 &&
	$(counter h1 connects_packet) == $before_packet"
check "the other peer's path is thought well of" holds \
	"$(ctl h1 -j peers | jq '[.peers[] | select(.syn_data)] | length') == 2"
nft_in h2 delete table inet test
stop crr
stop echo
