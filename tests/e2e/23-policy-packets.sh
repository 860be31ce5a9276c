#!/bin/bash
# SPDX-License-Identifier: MIT
# Policy on the packet path: the same questions to both paths, with real connections and packets, get
# the answers that the policy gives. (tests/policy/06 asks more.)
. "$(dirname "$0")/lib.sh"

policy=/run/slim-lab/$name/policy
nodes=(h1c1 h1c2 h2c1 h2c2)
pairs=("h1c1 h1c2" "h1c1 h2c1" "h1c2 h2c1" "h2c1 h1c1" "h2c2 h2c1" "h2c1 h1c2")

put() { printf '%s\n' "$@" >"$policy.new" && mv "$policy.new" "$policy"; }

# expected FROM TO PORT PROTOCOL [-6]
expected()
{
	ctl "${1%%[tc]*}" -j policy test "$(address ${5:+"$5"} "$1")" "$(address ${5:+"$5"} "$2")" \
		"$3" "$4" | jq .allowed
}

answers() { "$@" >/dev/null 2>&1 && echo true || echo false; }

# found KIND FROM TO PORT PROTOCOL [-6]
found()
{
	local to
	to=$(address ${6:+"$6"} "$3")

	case $5 in
	tcp) answers with "$1" "$2" nc -z -w 2 "$to" "$4" ;;
	udp) answers plain "$2" python3 "$e2e/udp_echo.py" client "$to" "$4" ;;
	icmp) answers plain "$2" ping -c 1 -W 1 "$to" ;;
	esac
}

# found_slim FROM TO PORT [-6]: what the slim path's answer is, if it was asked
found_slim()
{
	local host=${1%%[tc]*} counters said before
	counters="\(.counters.connects_slim) \(.counters.connects_denied)"
	before=$(ctl "$host" -j status | jq -r "\"$counters\"")

	said=$(found shim "$1" "$2" "$3" tcp "${4:-}")
	case "$before $said" in
	*true) before="$((${before% *} + 1)) ${before#* }" ;;
	*false) before="${before% *} $((${before#* } + 1))" ;;
	esac
	same "$before" "$(ctl "$host" -j status | jq -r "\"$counters\"")" >/dev/null || said+=", elsewhere"
	echo "$said"
}

compare_all()
{
	local text=$1 from to port protocol six want

	for from in "${pairs[@]}"; do
		read -r from to <<<"$from"
		for port in "80 tcp" "91 tcp" "53 udp" "0 icmp" "80 tcp -6" "53 udp -6" "0 icmp -6"; do
			read -r port protocol six <<<"$port"
			want=$(expected "$from" "$to" "$port" "$protocol" "$six")
			equal "$text: packet path, $from to $to, $protocol $port $six" "$want" \
				"$(found plain "$from" "$to" "$port" "$protocol" "$six")"
			[[ $protocol == tcp ]] || continue
			equal "$text: slim path, $from to $to, tcp $port $six" "$want" \
				"$(found_slim "$from" "$to" "$port" "$six")"
		done
	done
}

lab_start -H 2 -C 2

for node in "${nodes[@]}"; do
	serve "s80-$node" shim "$node" 80 python3 "$e2e/speaker.py" 80 hello
	serve "s91-$node" shim "$node" 91 python3 "$e2e/speaker.py" 91 hello
	background "udp-$node" plain "$node" python3 "$e2e/udp_echo.py" server 53
done
before=$(device_bytes h1c1)
check "without a policy, a packet gets there" plain h1c1 ping -c 1 -W 2 "$(address h2c1)"
check "over the packet path" holds "$(device_bytes h1c1) > $before + 100"
check_not "there is no table" ip netns exec "$(space h1)" nft list table netdev slim_policy

# link_local NODE: and by which device of the other one's
link_local() { echo "$(ip -n "$(space "$1")" -j -6 addr show dev eth0 scope link | jq -r '[.[].addr_info[].local | values][0]')%eth0"; }
# Nobody answers for those of other hosts' containers; but one can know them.
neighbour()
{
	ip -n "$(space "$1")" -6 neigh replace "$(link_local "$2" | cut -d % -f 1)" dev eth0 lladdr \
		"$(ip -n "$(space "$2")" -j link show eth0 | jq -r '.[0].address')"
}
neighbour h1c1 h2c1
neighbour h2c1 h1c1
# local_ways TO: addresses, ports, and source addresses
local_ways()
{
	echo "$(link_local "$1") 80"
	echo "$(link_local "$1") 91"
	echo "$(link_local "$1") 91 -s $(address -6 h1c1)"
	echo "$(address -6 "$1") 91 -s $(link_local h1c1)"
}
for to in h1c2 h2c1; do
	while read -r address port from; do
		# shellcheck disable=SC2086
		check "without a policy, to $to: $address $port $from" \
			plain h1c1 nc -z -w 2 $from "$address" "$port"
	done < <(local_ways $to)
	background "link-local-$to" plain h1c1 python3 "$e2e/cut.py" connect "$(link_local $to)" 91 read
	check "a connection to $to by those is up" poll 5 has "$work/link-local-$to" up
done

put "tenant t1" "default deny" \
	"group clients = container h1c1, $(address h2c2), $(address -6 h2c2)" \
	"allow tcp from clients to container h2c1 port 80-90" \
	"deny tcp from container h1c1 to $(address h1c2) port 80" \
	"allow tcp to container h1c2" \
	"allow udp from container h1c1 to $(address h2c1) port 53" \
	"allow udp from container h1c2 to $(address -6 h2c1) port 50-60" \
	"allow icmp from container h2c1"
reload_all
for to in h1c2 h2c1; do
	check "what was made by link-local addresses ends ($to)" \
		poll 2 grep -E "end ECONN(RESET|ABORTED)" "$work/link-local-$to"
done
compare_all "default deny"

put "tenant t1" "default allow" "deny tcp from container h1c1 port 80" \
	"deny tcp from any to label lab=none" "deny icmp from container h2c1 to any" \
	"deny udp from container h1c2 to any port 53"
reload_all
for to in h1c2 h2c1; do
	while read -r address port from; do
		check "refused at once, whatever the rules, to $to: $address $port $from" timeout 2 bash -c \
			"! ip netns exec '$(space h1c1)' nc -z -w 5 $from '$address' '$port'"
	done < <(local_ways $to)
	check_not "nor echo requests" plain h1c1 ping -c 1 -W 1 "$(link_local $to)"
done

# tells [-6] FROM TO PORT: what connect() over the packet path is told
tells()
{
	local six=
	[[ $1 != -6 ]] || { six=-6; shift; }
	# shellcheck disable=SC2086
	plain "$1" python3 "$e2e/cut.py" connect "$(address $six "$2")" "$3" read
}
refuses() { same "refused ECONNREFUSED" "$(tells "$@")"; }
check "default allow: a refusal is a reset, not a time-out" refuses h1c1 h2c1 80
check "... over IPv6" refuses -6 h1c1 h2c1 80
check "... on one host" refuses h1c1 h1c2 80
for six in "" -6; do
	equal "what no rule denies is allowed $six" "true true true" \
		"$(found plain h1c1 h2c1 91 tcp $six) $(found plain h1c1 h2c1 53 udp $six) $(found plain h1c1 h2c1 0 icmp $six)"
done
check "a container goes" ctl h1 detach h1c1
check "... and nftables follow" poll 5 followed h1
judged() { ip netns exec "$(space h1)" nft list table netdev slim_policy | grep -F "$(address h1c1)"; }
check_not "... and know it no more" judged
attach h1c1 >/dev/null
check "it comes back, and nftables follow" poll 5 followed h1
check "... and know it" judged
check "it is refused" refuses h1c1 h2c1 80
equal "... and allowed" true "$(found plain h1c1 h2c1 91 tcp)"
put "tenant t1" "deny tcp from container h1c1 to container h2c1 port 80"
ctl h2 reload >/dev/null
put "tenant t1"
ctl h1 reload >/dev/null
for host in h1 h2; do
	check "$host: nftables follow" poll 5 followed $host
done
check "what the accepting host alone denies, it resets" refuses h1c1 h2c1 80
check "... over IPv6" refuses -6 h1c1 h2c1 80
put "tenant t1" "deny tcp from container h1c1 port 80"
reload_all

# --- a container that has the packet path alone ---

ctl h1 detach h1c1 >/dev/null
ctl h1 attach h1c1 --netns "/run/netns/$(space h1c1)" --tenant t1 --path packet \
	--ip "$(address h1c1),$(address -6 h1c1)" >/dev/null
check "nftables follow" poll 5 followed h1
for port in 80 91; do
	want=$(expected h1c1 h2c1 $port tcp)
	before=$(counter h1 connects)
	equal "--path packet: shim h1c1 to h2c1, tcp $port" "$want" \
		"$(found shim h1c1 h2c1 $port tcp)"
	equal "... its router was asked nothing" "$before" "$(counter h1 connects)"
done
# --- datagrams that come back ---

put "tenant t1" "default deny" "allow udp from container h1c1 to container h2c1 port 5000-5010"
reload_all
background udp-range plain h2c1 python3 "$e2e/udp_echo.py" server 5007
poll 5 has "$work/udp-range" ready
check "replies of a port in the range come back, in fragments, too" \
	plain h1c1 python3 "$e2e/udp_echo.py" client "$(address h2c1)" 5007
# hears PORT: does h1c1 get what h2c1 sends from that port?
hears()
{
	local sent
	background hears plain h1c1 timeout 3 python3 -c "import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(('', 6000))
    print('ready', flush=True)
    print(sock.recv(10).decode(), flush=True)"
	poll 5 has "$work/hears" ready
	sent=$(counter h2 packets_denied)
	plain h2c1 python3 -c "import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(('', $1))
    sock.sendto(b'heard', ('$(address h1c1)', 6000))"
	poll 3 heard_or_denied "$sent"
	has "$work/hears" heard
}
heard_or_denied() { has "$work/hears" heard || (($(counter h2 packets_denied) > $1)); }
check "what comes from its first port passes as a reply" hears 5000
stop hears
check_not "from the one before it, nothing" hears 4999
stop hears
stop udp-range

# --- outside ---

wire=$(address h2)
for port in 8000 8001; do
	serve outside-$port plain h2 $port python3 "$e2e/speaker.py" $port outside
done
background udp-outside plain h2 python3 "$e2e/udp_echo.py" server 8053
poll 5 has "$work/udp-outside" ready
put "tenant t1" "default deny" "allow tcp from container h1c1 to outside port 8000" \
	"allow udp from container h1c1 to outside port 8053" "allow icmp from container h1c1 to outside"
reload_all
# outside FROM PORT PROTOCOL
outside()
{
	case $3 in
	tcp) answers plain "$1" nc -z -w 2 "$wire" "$2" ;;
	udp) answers plain "$1" python3 "$e2e/udp_echo.py" client "$wire" "$2" ;;
	icmp) answers plain "$1" ping -c 1 -W 1 "$wire" ;;
	esac
}
for from in h1c1 h1c2; do
	for port in "8000 tcp" "8001 tcp" "8053 udp" "0 icmp"; do
		read -r port protocol <<<"$port"
		equal "outside: $from, $protocol $port" \
			"$(ctl h1 -j policy test "$(address $from)" "$wire" "$port" "$protocol" | jq .allowed)" \
			"$(outside $from "$port" "$protocol")"
	done
done
background live-outside plain h1c1 python3 "$e2e/cut.py" connect "$wire" 8000 read
check "a connection to the outside is up" poll 5 has "$work/live-outside" up
put "tenant t1" "default deny"
ctl h1 reload >/dev/null
check "it ends when it is denied" poll 2 grep -E "end ECONN(RESET|ABORTED)" "$work/live-outside"
stop live-outside
stop outside-8000
stop outside-8001
stop udp-outside

# --- what is denied is said, and counted ---

put "tenant t1" "default allow" "deny tcp from container h1c2 to container h2c1 port 80" \
	"deny udp from container h1c2 to container h2c1 port 53" "deny icmp from container h1c2 to any"
reload_all
log() { lab router h1 log; }
# said PROTOCOL FROM TO LINE [-6]: in one line of the log
said()
{
	log | grep -F "denied a packet ($1) in tenant t1: $2 (" | grep -F "to $3 (" | grep -F "by $policy:$4"
}
# send FROM TO NUMBER: UDP packets to port 53, at once
send()
{
	plain "$1" python3 -c "import socket
for _ in range($3):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('$(address "$2")', 53))"
}
packets_denied() { counter h1 packets_denied; }
before=$(packets_denied)
equal "tcp is refused" false "$(found plain h1c2 h2c1 80 tcp)"
equal "tcp over IPv6, too" false "$(found plain h1c2 h2c1 80 tcp -6)"
equal "an echo request" false "$(found plain h1c2 h2c1 0 icmp)"
check "a datagram goes nowhere" send h1c2 h2c1 1
equal "that is four packets" $((before + 4)) "$(packets_denied)"
check "tcp is said, with rule, tenant and both names" poll 2 said tcp h1c2 h2c1 3
check "with the addresses, of IPv6 too" grep -F "h2c1 ([$(address -6 h2c1)]:80)" <(log)
check "udp" poll 2 said udp h1c2 h2c1 4
check "icmp" poll 2 said icmp h1c2 h2c1 5
lines() { log | grep -c "denied a packet"; }
before=$(packets_denied)
said_before=$(lines)
check "500 datagrams at once" send h1c2 h2c1 500
equal "all of them are counted" $((before + 500)) "$(packets_denied)"
more_lines() { (($(lines) > said_before)); }
check "some of them are said" poll 2 more_lines
check "... not all" holds "$(lines) < $said_before + 40"
kept()
{
	ip netns exec "$(space h1)" nft -j list sets netdev 2>/dev/null | jq -c \
		'[.nftables[].set? | select(. and .table == "slim_policy") | [.name, .handle]] | sort'
}
# Chains are made anew by each load.
chain()
{
	ip netns exec "$(space h1)" nft -j list chain netdev slim_policy always |
		jq '.nftables[].chain? | select(.) | .handle'
}
before="$(kept) $(packets_denied)" chain=$(chain)
check "there are some" grep -q '\["s4_' <<<"$before"
ctl h1 detach h1c1 >/dev/null
check "a container goes, and nftables follow" poll 5 followed h1
check_not "they have been told" same "$chain" "$(chain)"
equal "what of the rules is the same, is not made anew" "$before" "$(kept) $(packets_denied)"
chain=$(chain)
attach h1c1 >/dev/null
check "it comes back, and nftables follow" poll 5 followed h1
check_not "they have been told" same "$chain" "$(chain)"
equal "the same" "$before" "$(kept) $(packets_denied)"
ip netns exec "$(space h1)" nft delete table netdev slim_policy
ctl h1 reload >/dev/null
check "where somebody has deleted it, the table is made anew" poll 5 followed h1
check "it is there" chain
equal "and refuses" false "$(found plain h1c2 h2c1 80 tcp)"

# --- a policy that nftables cannot hold ---

put "tenant t1" "default deny" "$(seq 1500 | awk '{
	a = 10 "." 9 "." int($1 / 256) "." $1 % 256
	b = 11 "." 9 "." int($1 / 256) "." $1 % 256
	print "allow tcp from " a "-" b " to any port " $1 }')" "allow icmp"
says_why() { ctl h1 -j status | jq -r .policy.packet_path_error | grep "1048576"; }
check "a policy of too many overlapping rules is in force" ctl h1 reload
check "... nftables do not follow, and why is said" poll 10 says_why
check_not "... which is so" followed h1
check "... in the log, too" grep "does not follow the policy.*1048576" <(log)
equal "... they judge by the former one" "false true" \
	"$(found plain h1c2 h2c1 0 icmp) $(found plain h1c1 h2c1 0 icmp)"
ctl h1 detach h1c1 >/dev/null
attach h1c1 >/dev/null
equal "... the port of a container that comes lets nothing through that they would judge" "false false" \
	"$(found plain h1c1 h2c1 0 icmp) $(found plain h1c1 h2c1 91 tcp)"
check "... but answers" plain h2c1 nc -z -w 2 "$(address h1c1)" 91
put "tenant t1" "default allow" "deny tcp from container h1c2 to container h2c1 port 80" \
	"deny udp from container h1c2 to container h2c1 port 53" "deny icmp from container h1c2 to any"
reload_all
equal "one that they can hold, they do" "false true null" \
	"$(found plain h1c2 h2c1 80 tcp) $(found plain h1c1 h2c1 0 icmp) $(ctl h1 -j status | jq .policy.packet_path_error)"

kill -KILL "$(ctl h1 -j status | jq .pid)"
poll 5 ctl h1 status
said_again()
{
	local before
	before=$(said udp h1c2 h2c1 4 | wc -l) || true
	send h1c2 h2c1 1 && poll 1 more_said "$before"
}
more_said() { (($(said udp h1c2 h2c1 4 | wc -l) > $1)); }
check "a router that takes its place says it, too" poll 10 said_again

put "tenant t1"
reload_all
check "allowed again" poll 5 plain h1c1 nc -z -w 2 "$(address h2c1)" 80
