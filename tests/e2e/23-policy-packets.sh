#!/bin/bash
# SPDX-License-Identifier: MIT
# Policy on the packet path: the same questions to both paths, with real connections and packets, get
# the answers that the policy gives.
. "$(dirname "$0")/lib.sh"

policy=/run/slim-lab/$name/policy
nodes=(h1c1 h1c2 h2c1 h2c2)
pairs=("h1c1 h1c2" "h1c1 h2c1" "h1c2 h2c1" "h2c1 h1c1" "h2c2 h2c1" "h2c1 h1c2")

put() { printf '%s\n' "$@" >"$policy.new" && mv "$policy.new" "$policy"; }

# table_handle HOST: it is another one whenever the table was made again
table_handle()
{
	ip netns exec "$(space "$1")" nft -j list table netdev slim_policy 2>/dev/null |
		jq '.nftables[1].table.handle'
}

# follows HOST: does nftables since the last reload?
follows()
{
	[[ $(table_handle "$1") != "${handle[$1]:-}" ]]
}

declare -A handle=()
reload_all()
{
	local host

	for host in $(hosts); do
		handle[$host]=$(table_handle "$host" || true)
		ctl "$host" reload >/dev/null
	done
	for host in $(hosts); do
		poll 10 follows "$host"
	done
}

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

compare_all()
{
	local text=$1 from to port protocol six kind want

	for from in "${pairs[@]}"; do
		read -r from to <<<"$from"
		for port in "80 tcp" "91 tcp" "53 udp" "0 icmp" "80 tcp -6"; do
			read -r port protocol six <<<"$port"
			want=$(expected "$from" "$to" "$port" "$protocol" "$six")
			for kind in plain shim; do
				[[ $kind == plain || $protocol == tcp ]] || continue
				equal "$text: $kind $from to $to, $protocol $port $six" "$want" \
					"$(found $kind "$from" "$to" "$port" "$protocol" "$six")"
			done
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

put "tenant t1" "default deny" \
	"group clients = container h1c1, $(address h2c2), $(address -6 h2c2)" \
	"allow tcp from clients to container h2c1 port 80-90" \
	"deny tcp from container h1c1 to $(address h1c2) port 80" \
	"allow tcp to container h1c2" \
	"allow udp from container h1c1 to $(address h2c1) port 53" \
	"allow icmp from container h2c1"
reload_all
compare_all "default deny"

put "tenant t1" "default allow" "deny tcp from container h1c1 port 80" \
	"deny tcp from any to label lab=none" "deny icmp from container h2c1 to any" \
	"deny udp from container h1c2 to any port 53"
reload_all
compare_all "default allow"

check "a refusal is a reset, not a time-out" timeout 2 bash -c \
	"! ip netns exec '$(space h1c1)' nc -z -w 5 '$(address h2c1)' 80"
check "a container that comes later is judged, too" ctl h1 detach h1c1
attach h1c1 >/dev/null
judged() { ip netns exec "$(space h1)" nft list table netdev slim_policy | grep -F "$(address h1c1)"; }
check "nftables follow" poll 5 judged
equal "and refuse" false "$(found plain h1c1 h2c1 80 tcp)"

# --- a container that has the packet path alone ---

handle[h1]=$(table_handle h1)
ctl h1 detach h1c1 >/dev/null
ctl h1 attach h1c1 --netns "/run/netns/$(space h1c1)" --tenant t1 --path packet \
	--ip "$(address h1c1),$(address -6 h1c1)" >/dev/null
check "nftables follow" poll 5 judged
for port in 80 91; do
	want=$(expected h1c1 h2c1 $port tcp)
	before=$(counter h1 connects)
	equal "--path packet: shim h1c1 to h2c1, tcp $port" "$want" \
		"$(found shim h1c1 h2c1 $port tcp)"
	equal "... its router was asked nothing" "$before" "$(counter h1 connects)"
done
put "tenant t1"
reload_all
check "allowed again" poll 5 plain h1c1 nc -z -w 2 "$(address h2c1)" 80
