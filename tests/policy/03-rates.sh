#!/bin/bash
# SPDX-License-Identifier: MIT
# Rates of a policy: of each connection, of containers and of tenants; on both paths, on the wire and on
# the host; when they change while connections live. (tests/long/05 measures longer.)
#
# runs: alone, since it measures throughput
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/rates.sh"

policy=/run/slim-lab/$name/policy
port=5201
outside=198.18.0.100

# puts TEXT...: a line each, and in force on h1
puts()
{
	printf '%s\n' "tenant t1" "$@" >"$policy.new"
	mv "$policy.new" "$policy"
	ctl h1 reload >/dev/null
}

classes() { tc_ class show dev eth0 | grep -o 'htb 536c:[^ ]*' | sort; }
tables() { ip netns exec "$(space h1)" nft list tables | grep slim_rates; }

lab_start -H 2 -C 2
ip -n "$(space h2)" address add $outside/24 dev eth0

serve remote shim h2c1 $port iperf3 -s -p $port
serve local shim h1c2 $port iperf3 -s -p $port
serve packets plain h2c2 $port iperf3 -s -p $port
background outside ip netns exec "$(space h2)" iperf3 -s -p $port
check "a server outside" poll 10 listening h2 $port

# --- each connection (BBR stays below what it may by itself) ---

puts "allow tcp port $port rate 100mbit"
within "a connection's rate" 100000 5 \
	slim h1c1 kbit shim h1c1 "$(address h2c1)" 2 -O 1 -C cubic
within "eight connections have it each" 800000 5 \
	slim h1c1 kbit shim h1c1 "$(address h2c1)" 2 -O 1 -P 8 -C cubic
puts "allow tcp rate 40gbit"
background wide in_ h1c1 nc "$(address h2c1)" $port
# paced BITS: is a connection of h1's?
paced() { sockets h1 -tni state established | grep -E "pacing_rate [^ ]*/$1bps"; }
check "more than 32 bits of it" poll 5 paced 40000000000
stop wide

puts "allow tcp rate 100mbit"
serve claimed shim h1c1 5301 python3 "$e2e/pump.py" serve 5301
serve spliced shim h1c1 5302 python3 "$e2e/inherit.py" 5302 /usr/bin/env -u LD_PRELOAD \
	python3 "$e2e/pump.py" accept
for how in claimed:5301 spliced:5302; do
	within "what a ${how%:*} connection's server sends" 100000 10 \
		slim h1c1 in_ h2c2 python3 "$e2e/pump.py" drain "$(address h1c1)" "${how#*:}" 2
done
check "the router carried one" holds "$(counter h1 splices) == 1"

# --- live connections: what their rules say of each ---

background carried in_ h2c2 python3 "$e2e/pump.py" drain "$(address h1c1)" 5302 2
carried() { ctl h1 -j connections | jq -e 'any(.connections[]; .path == "spliced")'; }
check "the router carries another" poll 5 carried
puts "allow tcp rate 60mbit"
check "which gets another rate" poll 3 paced 60000000
finish carried

# live TAG SECONDS: a connection that sends for so long
live()
{
	background "$1" in_ h1c1 iperf3 -c "$(address h2c1)" -p $port -t "$2" -J
	poll 5 flows
}

# flows: iperf3's two connections live on h1
flows() { ctl h1 -j connections | jq -e '[.connections[] | select(.bytes_sent > 100000)] | length > 0'; }
# at TAG FIRST LAST: kbit/s in these seconds of it
at() { jq ".intervals[$2:$3] | map(.sum.bits_per_second / 1000) | add / length | floor" "$work/$1"; }

puts
live slower 12
before=$(counter h1 connections_changed)
puts "allow tcp port $port rate 100mbit tos 0x28 priority 5"
toss() { sockets h1 -tn --tos state established | grep "$1"; }
check "TOS of a live connection" poll 3 toss "tos:0x28"
check "its priority" poll 3 toss "class_id:0x5"
finish slower
check "a live connection gets a rate" near 100000 15 "$(at slower 10 12)"
check "which was fast before" holds "$(at slower 0 1) > 200000"
check "it is counted" holds "$(counter h1 connections_changed) >= $before + 2"

live faster 12
before=$(counter h1 connections_changed)
puts "allow tcp port $port rate 100mbit tos 0x28 priority 5" "allow tcp port 4"
equal "what stays is not changed" "$before" "$(counter h1 connections_changed)"
puts "allow tcp rate 300mbit tos 0x8"
check "another TOS" poll 3 toss "tos:0x8"
finish faster
check "another rate" near 300000 15 "$(at faster 10 12)"

live again 4
lab router h1 kill
lab router h1 start
puts "allow tcp rate 50mbit"
check "after the router was killed" poll 3 paced 50000000
finish again
puts

# --- a container ---

check "without a limit there is no tree" have_trees ""
puts "limit each container h1c1 rate 1gbit"
check "there are trees on the wire and on loopback" poll 5 have_trees "eth0 lo "
within "a container's limit, one connection" 1000000 10 \
	slim h1c1 kbit shim h1c1 "$(address h2c1)" 2 -O 1
within "a container's limit, eight connections" 1000000 10 \
	slim h1c1 kbit shim h1c1 "$(address h2c1)" 2 -O 1 -P 8

puts "group few = 10.32.1.2" "limit each few rate 100mbit"
# has_class MBIT: is there one on loopback with that limit, and a little more for headers?
has_class() { tc_ class show dev lo | grep -E "ceil $1([0-9]{3}K|M)bit"; }
check "a limit by address" poll 5 has_class 100
above() { holds "$3 > $1 * $2"; }
check "another container is not limited" tries above 100000 2 \
	slim h1c2 kbit shim h1c2 "$(address h2c1)" 1
within "on the host itself" 100000 10 slim h1c1 kbit shim h1c1 "$(address h1c2)" 1 -O 1
within "whatever TOS a program sets" 100000 10 \
	slim h1c1 kbit shim h1c1 "$(address h2c1)" 1 -O 1 -S 0x10
within "of what a server sends, too" 100000 10 \
	slim h1c1 in_ h2c2 python3 "$e2e/pump.py" drain "$(address h1c1)" 5301 2
within "and if the router carries it" 100000 10 \
	slim h1c1 in_ h2c2 python3 "$e2e/pump.py" drain "$(address h1c1)" 5302 2
within "over the packet path" 100000 10 \
	packets h1c1 kbit shim h1c1 "$(address h2c2)" 2
within "over the packet path, IPv6" 100000 10 \
	packets h1c1 kbit shim h1c1 "$(address -6 h2c2)" 2
within "over the packet path, UDP" 100000 10 \
	packets h1c1 kbit plain h1c1 "$(address h2c2)" 2 -u -b 300m
within "to the outside" 100000 10 packets h1c1 kbit shim h1c1 $outside 2

# --- a limit that comes and goes ---

puts
check "trees and tables go with the last limit" poll 5 have_trees ""
check "... tables, too" poll 5 fails tables
check "a connection lives" live limited 8
puts "limit tenant rate 100mbit"
finish limited
check "a new limit is that of live connections" near 100000 15 "$(at limited 6 8)"
check "which was none" holds "$(at limited 0 1) > 200000"

# got PORT: what a server of h1 sends from a moment after a limit has come, on a connection that was there
got()
{
	local before

	puts
	before=$(device_bytes h1c1)
	background drained in_ h2c2 python3 "$e2e/pump.py" drain "$(address h1c1)" "$1" 3
	poll 5 flows
	puts "limit tenant rate 100mbit"
	finish drained
	(($(device_bytes h1c1) - before < 200000)) || echo "0 crossed the veth" >"$work/drained"
	cat "$work/drained"
}
within "a new limit is that of what a server sends, too" 100000 15 got 5301
within "and if the router carries it" 100000 15 got 5302

# --- a tenant ---

puts "limit each container h1c1 rate 100mbit" "limit tenant rate 400mbit"
check "a tenant's limit" poll 5 has_class 400
background second in_ h1c2 iperf3 -c "$(address h2c2)" -p $port -t 4 -J
first=$(slim h1c1 kbit shim h1c1 "$(address h2c1)" 3)
check "its containers share it: one has its own" near 100000 10 "$first"
finish second
check "... the other one has the rest" near 300000 10 \
	"$(jq '.end.sum_received.bits_per_second / 1000 | floor' "$work/second")"

# --- who else is there ---

puts "limit tenant rate 100mbit"
before=$(classes)
lab router h1 kill
lab router h1 start
check "they survive the router" same "$before" "$(classes)"
adopted() { lab router h1 log | grep -F "attached before are attached"; }
check "and are adopted" poll 5 adopted
within "a limit that was adopted" 100000 10 \
	slim h1c1 kbit shim h1c1 "$(address h2c1)" 2
check "their numbers stay" same "$before" "$(classes)"

puts
check "no tree" poll 5 have_trees ""
tc_ qdisc add dev eth0 root handle 7: tbf rate 100gbit burst 1mb limit 10mb
puts "limit tenant rate 100mbit"
check "an operator's queueing discipline stays" poll 5 have_trees "lo "
check "... as it is" has <(tc_ qdisc show dev eth0) "qdisc tbf 7: root"
check "which is said" has <(lab router h1 log) "device eth0 has a queueing discipline that is not Slim's"
tc_ qdisc del dev eth0 root
ctl h1 reload >/dev/null
check "when it is gone, ours comes" poll 5 have_trees "eth0 lo "

ip -n "$(space h1)" link add eth1 type veth peer name eth1 netns "$(space h2)"
ip -n "$(space h2)" link set eth1 up
ip -n "$(space h1)" link set eth1 up
ip -n "$(space h1)" route add 198.18.0.2/32 dev eth1
check "they follow the peers' routes" poll 15 have_trees "eth1 lo "
ip -n "$(space h1)" link delete eth1
ctl h1 reload >/dev/null
check "and back" poll 5 have_trees "eth0 lo "

lab router h1 stop
check "a router that stops leaves them to the next one" have_trees "eth0 lo "
ip netns exec "$(space h1)" "${LAB_ROUTER:-$build/slimrouter}" -C -c "/run/slim-lab/$name/h1/slimrouter.conf" \
	>/dev/null 2>&1
check "slimrouter -C removes them" have_trees ""
check_not "and the tables" tables
rm "$policy"
lab router h1 start
