#!/bin/bash
# SPDX-License-Identifier: MIT
# Routers that are stopped, dead, wrongly configured or lying: set-ups find a way, people are told.
#
# runs: alone, since it measures time
. "$(dirname "$0")/../e2e/lib.sh"

crr=$build/tests/bench/crr
port=7900
seconds=${E2E_ROTATION:-5}

export LAB_CONFIG='key-lifetime 1;'
lab_start -H 3 -C 1
server=$(address h2c1)
serve echo shim h2c1 $port python3 "$e2e/servers.py" threads $port
serve crr shim h2c1 $((port + 1)) "$crr" server -p $((port + 1))

# Channels that are being renewed come and go.
for host in h1 h2 h3; do
	echo $(($(<"$work/fds-$host") + 6)) >"$work/fds-$host"
done

child() { ctl "$1" -j status | jq .pid; }
log() { echo "/run/slim-lab/$name/$1/router.log"; }
conf() { echo "/run/slim-lab/$name/$1/slimrouter.conf"; }
connects() { in_ h1c1 python3 "$e2e/connects.py" "$server" $port "$@"; }
more_than() { (($(wc -l <"$work/$1") > $2)); }
refused() { ctl "$1" -j peers | jq -e --arg n "$2" '.peers[] | select(.name == $n).refused > 0'; }
unwarned() { ctl "$1" -j peers | jq -e '[.peers[].warning] | all(. == null)'; }

# told HOST PEER MEMBER TEXT: what slimctl peers says of the peer
told()
{
	ctl "$1" -j peers | jq -e --arg n "$2" --arg m "$3" --arg t "$4" \
		'.peers[] | select(.name == $n)[$m] | contains($t)'
}

peer_state() { ctl "$1" -j peers | jq -e --arg n "$2" --arg s "$3" '.peers[] | select(.name == $n).state == $s'; }

slim_again()
{
	local before
	before=$(counter h1 connects_slim)

	in_ h1c1 "$programs/talk" client 4 "$server" "$port" 100 && (($(counter h1 connects_slim) > before))
}

# --- keys are renewed, at full rate ---

before_packet=$(counter h1 connects_packet)
before_renewed=$(counter h1 peer_channels_renewed)
check "set-ups at full rate while keys are renewed" in_ h1c1 "$crr" client "$server" \
	-p $((port + 1)) -d "$seconds"
cat "$work/out"
check "keys were renewed" holds "$(counter h1 peer_channels_renewed) - $before_renewed >= $seconds - 2"
check "no channel was lost" holds "$(counter h1 peer_channels_lost) == 0"
# (A machine that is busy with something else lets a shim's deadline pass now and then.)
check "there was no pause, in which they take the packet path" holds \
	"$(counter h1 connects_packet) - $before_packet <= 10"
check "no preamble was refused" holds "$(counter h2 preamble_unknown) + $(counter h2 preamble_replayed) == 0"

# --- the local router is stopped ---

median() { awk '{ print $2 }' "$work/$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
longest() { awk '$2 > most { most = $2 } END { print most + 0 }' "$work/$1"; }

# Three processes: what else the machine does is not this router's fault.
connects 20 1 >"$work/warm"
pid=$(child h1)
kill -STOP "$pid"
best=100000
for round in 1 2 3; do
	check "the local router is stopped: connects succeed ($round)" connects 20 1
	cp "$work/out" "$work/stopped"
	check_not "none failed" has "$work/stopped" failed
	echo "         median $(median stopped) ms, longest $(longest stopped) ms"
	best=$(($(longest stopped) < best ? $(longest stopped) : best))
done
kill -CONT "$pid"
check "one waits for no longer than its deadline" holds "$best <= 50 + 45"
check "... and the others not at all" holds "$(median stopped) <= $(median warm) + 10"
check "it goes on: the slim path is back" poll 10 slim_again
check "... and the peers have a channel" poll 10 peer_state h1 h2 up

# --- the far router is stopped ---

pid=$(child h2)
background far connects 100 10
poll 5 more_than far 5
began=$(awk 'END { print $1 }' "$work/far")
kill -STOP "$pid"
check "the far router is stopped: it counts as dead" poll 10 peer_state h1 h2 down
sleep 2
kill -CONT "$pid"
check "it goes on" finish far
check_not "no connect is lost" has "$work/far" failed
sort -n "$work/far" | awk '{ printf "%s:%s ", $1, $2 } END { print "" }'
waited=$(awk -v b="$began" '$1 > b && $2 > 1000' "$work/far" | sort -n)
check "some of the first three seconds waited" test "$waited"
check "... and none later" holds "$(awk -v b="$began" '$1 > b + 3500 && $2 > 1000' "$work/far" | wc -l) == 0"
check "the slim path is back" poll 10 slim_again

# --- the far host is cut off ---

background cut connects 200 6
poll 5 more_than cut 2
ip -n "$(space h2)" link set eth0 down
# As after a while, so that the kernel asks for its neighbour again, and says that it is not there
ip -n "$(space h1)" neigh flush dev eth0
check "the far host is cut off" poll 10 peer_state h1 h2 down
sleep 2
ip -n "$(space h2)" link set eth0 up
check "it is back" finish cut
check_not "no connect is lost" has "$work/cut" failed
check "the slim path is back" poll 15 slim_again

# --- an address that another host has ---

check "all are peers again" poll 15 peer_state h2 h3 up
stolen=$(address h3c1)
ip netns add "$(space h2c9)"
thief() { ctl h2 attach thief --netns "/run/netns/$(space h2c9)" --tenant t1 --ip "$stolen"; }
check_not "h2 cannot attach what h3 has" thief
check "... and is told whose it is" grep "belongs to a container of host h3" <(thief 2>&1)
ping_h3() { plain h2c1 ping -c 1 -W 1 "$stolen"; }
check "packets find h3's container" ping_h3
lab router h3 stop
check "h3 is away" poll 10 peer_state h2 h3 down
check "now h2 may have it" thief
check "... which its log says" has "$(log h2)" "was a container's of host h3"
(LAB_TIMEOUT=2 lab router h3 start) >/dev/null 2>&1 || true
check "h3 comes back" poll 10 peer_state h2 h3 up
check "that both claim it is said" poll 10 has "$(log h1)" "claimed by both"
check "h2 lets go of it" ctl h2 detach thief
check "packets find h3's container again" poll 5 ping_h3
check "from h1 too" poll 5 plain h1c1 ping -c 1 -W 1 "$stolen"
ip netns delete "$(space h2c9)"

# --- a router that lies ---

lab router h3 stop
background rogue in_ h3 python3 "$e2e/rogue.py" "/run/slim-lab/$name/h3/host.key" "$work" \
	"$(address h3)" "$(address h1)" "$server" "$(address h1c1)"
check "a router with h3's key lies" poll 10 peer_state h1 h3 up
check "its lies are counted" poll 5 refused h1 h3
check "... and said, with its name" has "$(log h1)" "peer h3 announces a container"
check "... as is what it claims of others" has "$(log h1)" "claimed by both h2 and h3: h2 has it"
check "what it claims stays whose it was" slim_again
check "it stalls: its channel is closed" poll 10 peer_state h1 h3 down
stop rogue

# --- what is wrongly configured ---

good=$(sed -n 's/^peer "h3" .*public-key "\(.*\)".*/\1/p' "$(conf h2)")
bad=$("$build/slimctl" keygen "$work/other.key")
sed -i "s|$good|$bad|; s|tenant \"t1\" { vni 100|tenant \"t1\" { vni 101|" "$(conf h3)"
sed -i "s|$good|$bad|" "$(conf h2)"
sed -i 's/tenant "t1" { vni 100/tenant "t1" { vni 101/' "$(conf h3)"
(lab router h2 stop; LAB_TIMEOUT=2 lab router h2 start) >/dev/null 2>&1 || true
(LAB_TIMEOUT=2 lab router h3 start) >/dev/null 2>&1 || true
check "a wrong key is said" poll 20 grep -E "peer h3: no channel with it: .*public key" "$(log h2)"
check "... to people who ask" told h2 h3 error "public key"
check "... where the key is right, too" poll 20 grep -E "peer h2: no channel with it: " "$(log h3)"
check "a tenant of another VNI is said" poll 10 has "$(log h1)" "its tenant t1 has the VNI 101, this host's has 100"
check "... to people who ask" told h1 h3 warning "VNI 101"
sed -i "s|$bad|$good|" "$(conf h2)"
sed -i 's/vni 101/vni 100/' "$(conf h3)"
lab router h2 stop
lab router h3 stop
(LAB_TIMEOUT=2 lab router h2 start) >/dev/null 2>&1 || true
check "when it is right again" lab router h3 start
check "... nothing is said any more" poll 10 unwarned h1
stop echo
stop crr
