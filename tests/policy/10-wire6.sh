#!/bin/bash
# SPDX-License-Identifier: MIT
# Policy where the hosts reach each other by IPv6: what it ends, shapes, counts and limits there.
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/live.sh"
. "$(dirname "$0")/rates.sh"

policy=/run/slim-lab/$name/policy
cut=$e2e/cut.py
port=5201

put() { printf '%s\n' "tenant t1" "$@" >"$policy.new" && mv "$policy.new" "$policy"; }
puts() { put "$@" && ctl h1 reload >/dev/null; }

lab_start -6 -H 2 -C 1
server=$(address h2c1)
server6=$(address -6 h2c1)
wire=$(lab addr h2)
before=$(counter h1 connects_slim)

# wire_has NUMBER STATE: so many connections to h2's slim ports, but for the peer channel's
wire_has()
{
	local found
	found=$(sockets h1 -tn state "$2" "dst [$wire] and dport >= 4791 and dport <= 4853")

	same "$1" "$(grep -cF "[$wire]" <<<"$found")"
}

# --- live connections ---

# up TAG ADDRESS PORT HOW
up()
{
	serve "serve-$1" shim h2c1 "$3" python3 "$cut" serve "$3" "$4"
	background "client-$1" in_ h1c1 python3 "$cut" connect "$2" "$3" "$4"
	check "$1: is connected" poll 5 has "$work/client-$1" up
	check "$1: is accepted" poll 5 has "$work/serve-$1" up
}

up idle "$server" 7101 idle
up read "$server6" 7102 read
up far "$server" 7103 poll
up stays "$server6" 7104 read
ip netns exec "$(space h2)" nft add table inet lossy '{ chain input {
	type filter hook input priority -500; tcp dport 4791-4853 tcp flags syn drop; }; }'
background pending in_ h1c1 python3 "$cut" connect "$server" 7101 read
check "four are on the wire, by IPv6" wire_has 4 established
check "one is still being set up there" poll 5 wire_has 1 syn-sent
lives idle read far stays
put "deny tcp to any port 7101-7102"
began=$(now)
ctl h1 reload >/dev/null
cut_in_time idle read
check "what is being set up gets an error, too" poll 2 grep -E "refused ECONN(RESET|ABORTED)" "$work/pending"
put "deny tcp to any port 7101-7103"
began=$(now)
ctl h2 reload >/dev/null
cut_in_time far
equal "that was h2's" "3 1" "$(counter h1 connections_cut) $(counter h2 connections_cut)"
lives stays
ip netns exec "$(space h2)" nft delete table inet lossy
down idle read far stays
stop pending
equal "five began on the slim path" $((before + 5)) "$(counter h1 connects_slim)"

# --- rate, TOS and priority ---

serve hello shim h2c1 7000 python3 "$e2e/speaker.py" 7000 hello
serve slim shim h2c1 $port iperf3 -s -p $port
put "allow tcp port 7000 rate 8mbit dscp af21 priority 3"
reload_all
# shaped HOST TOS PRIORITY RATE: is there a connection like this?
shaped()
{
	sockets "$1" -tni --tos state established | tr '\n' ' ' |
		grep -E "tclass:$2 class_id:$3 .*pacing_rate [^ ]*/$4bps"
}
ip netns exec "$(space h2)" nft add table inet seen '{ chain input {
	type filter hook input priority -500; ip6 dscp af21 tcp dport 4791-4853 counter; }; }'
seen() { ip netns exec "$(space h2)" nft list table inet seen | grep -E "counter packets [1-9]"; }
for address in "$server" "$server6"; do
	background shaped in_ h1c1 nc "$address" 7000
	check "the connecting end has rate, TOS and priority, to $address" poll 5 shaped h1 0x48 0x3 8000000
	check "the accepting end has them" poll 5 shaped h2 0x48 0x3 8000000
	check "... on the wire" wire_has 1 established
	stop shaped
	check "... and it has ended" poll 10 no_connections h1
done
check "packets have it" seen
ip netns exec "$(space h2)" nft delete table inet seen

puts
background live in_ h1c1 iperf3 -c "$server" -p $port -t 4
check "two of iperf3's" poll 5 wire_has 2 established
puts "allow tcp port $port rate 60mbit tos 0x28 priority 5"
check "a live connection gets others" poll 3 shaped h1 0x28 0x5 60000000
finish live

# --- limits of connections ---

# place TAG: another connection to the server
place() { background "$1" in_ h1c1 python3 "$cut" connect "$server" 7000 idle; }
is_up() { has "$work/$1" up; }
refused() { [[ $(in_ h1c1 timeout 5 python3 "$cut" connect "$server" 7000 idle) == "refused EACCES" ]]; }

puts "allow tcp port 7000 connections 3"
for tag in one two three; do
	place $tag
	check "a connection of three" poll 5 is_up $tag
done
check "a fourth is denied" refused
check "... once more" refused
stop two
place two
check "one that is closed has left its place" poll 5 is_up two
check "... for one" refused
check "three are on the wire" wire_has 3 established
puts
put "allow tcp port 7000 connections 3"
ctl h2 reload >/dev/null
limited=$(counter h2 accepts_limited)
background four in_ h1c1 nc "$server" 7000
is_limited() { (($(counter h2 accepts_limited) == limited + 1)); }
check "h2 counts for itself" poll 5 is_limited
check "... and does not let a fourth in" test ! -s "$work/four"
stop one
check "... until there is a place" poll 5 has "$work/four" hello
for tag in two three four; do
	stop $tag
done
stop hello
put
reload_all

# --- a container's limit ---

serve packets plain h2c1 $((port + 1)) iperf3 -s -p $((port + 1))
puts "limit each container h1c1 rate 100mbit"
check "there is a tree where the route to the peer leads" poll 5 have_trees "eth0 lo "
within "a container's limit" 100000 10 slim h1c1 kbit shim h1c1 "$server" 2 -O 1
port=$((port + 1))
within "... over the packet path" 100000 10 packets h1c1 kbit plain h1c1 "$server6" 2
puts
check "it goes with the limit" poll 5 have_trees ""
