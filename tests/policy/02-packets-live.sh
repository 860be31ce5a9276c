#!/bin/bash
# SPDX-License-Identifier: MIT
# Policy on the packet path, of what lives: connections that become denied end with an error on both
# sides, whatever their owners do; all others feel nothing.
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/live.sh"

policy=/run/slim-lab/$name/policy
cut=$e2e/cut.py

put() { printf '%s\n' "$@" >"$policy.new" && mv "$policy.new" "$policy"; }

# up TAG FROM TO PORT HOW SERVE [SOURCE-PORT]: a connection over the packet path; -6 before FROM: by IPv6
up()
{
	local tag=$1 six=
	shift
	[[ $1 != -6 ]] || { six=-6; shift; }
	local from=$1 to=$2 port=$3 how=$4 serve=$5 source=${6:-}

	serve "serve-$tag" plain "$to" "$port" python3 "$cut" "$serve" "$port" \
		"$([[ $how == write ]] && echo idle || echo "$how")"
	# shellcheck disable=SC2086
	background "client-$tag" plain "$from" python3 "$cut" connect \
		"$(address $six "$to")" "$port" "$how" $source
	check "$tag: is connected" poll 5 has "$work/client-$tag" up
	check "$tag: is accepted" poll 5 has "$work/serve-$tag" up
	check "$tag: its socket is the container's own" \
		own "$from" "$(address $six "$from")" "$(address $six "$to")" "$port"
}

own() { sockets "$1" -tn state established "dport = :$4" | grep -F "$2" | grep -F "$3"; }

slim_connects() { echo "$(counter h1 connects_slim) $(counter h2 accepts)"; }

LAB_CONFIG="egress none;" lab_start -H 2 -C 2

# --- no policy opens what has no way out, or in ---

serve outside plain h2 8000 python3 "$e2e/speaker.py" 8000 outside
serve inside plain h1c1 8000 python3 "$e2e/speaker.py" 8000 inside
put "tenant t1" "default deny" "allow any from any to outside" "allow any from outside to any"
reload_all
reaches() { plain "$1" nc -z -w 1 "$2" 8000; }
check "the server outside is there" reaches h1 "$(address h2)"
check_not "egress none: no container gets outside" reaches h1c1 "$(address h2)"
check_not "nobody outside gets to a container" reaches h2 "$(address h1c1)"
check_not "nor does its own host" reaches h1 "$(address h1c1)"
put "tenant t1"
reload_all
check "a neighbour does, by the policy" reaches h1c2 "$(address h1c1)"
stop outside
stop inside

# --- whatever their owners do ---

slim=$(slim_connects)
ways=(read write poll idle heir)
port=7100
for how in "${ways[@]}"; do
	port=$((port + 1))
	up "$how" h1c1 h2c1 $port "$how" serve
done
up six -6 h1c1 h2c1 7106 read serve
up local h1c1 h1c2 7107 read serve
up alone h1c1 h2c1 7108 read once
up back h2c1 h1c1 7109 read serve
up stays h1c1 h2c2 7110 read serve
lives "${ways[@]}" six local alone back stays
equal "none of them took the slim path" "$slim" "$(slim_connects)"
put "tenant t1" "deny tcp from container h1c1 to container h2c1 port 7100-7199" \
	"deny tcp from container h1c1 to container h1c2"
began=$(now)
ctl h1 reload >/dev/null
cut_in_time "${ways[@]}" six local alone
lives back stays
sleep 0.5
lives back stays
check "they are counted" holds "$(counter h1 connections_cut_packet) >= 8"
check "and logged with rule, tenant and both names" grep -F "cut in tenant t1: h1c1 ($(address h1c1):" \
	<(lab router h1 log | grep -F "to h2c1 ($(address h2c1):7108), by $policy:2")
down "${ways[@]}" six local alone back stays

# --- each host cuts its own ends ---

put "tenant t1"
reload_all
up far h1c1 h2c1 7201 read serve
put "tenant t1" "deny tcp to container h2c1 port 7201"
began=$(now)
ctl h2 reload >/dev/null
cut_in_time far
equal "it was the accepting one's host" "0 1" \
	"$(ctl h1 -j policy stats | jq '.rules | length') $(counter h2 connections_cut_packet)"
down far

# --- what is still being set up ---

put "tenant t1"
reload_all
serve early plain h2c1 7250 python3 "$e2e/speaker.py" 7250 early
serve late plain h2c1 7251 python3 "$e2e/speaker.py" 7251 late
# What opens a connection is lost on its way to the one, and the answer on its way from the other.
ip netns exec "$(space h2c1)" nft add table inet lossy '{ chain input {
	type filter hook input priority 0; tcp dport 7250 tcp flags syn drop; }; }'
ip netns exec "$(space h1c1)" nft add table inet lossy '{ chain input {
	type filter hook input priority 0; tcp sport 7251 tcp flags & (syn | ack) == (syn | ack) drop; }; }'
# half_open NODE STATE PORT
half_open() { sockets "$1" -tn state "$2" "dport = :$3 or sport = :$3" | grep -F "$(address "$1")"; }
not_half_open() { ! half_open "$@"; }
background early-client plain h1c1 python3 "$cut" connect "$(address h2c1)" 7250 read
background late-client plain h1c1 python3 "$cut" connect "$(address h2c1)" 7251 read
check "the client's end alone" poll 5 half_open h1c1 syn-sent 7250
check "the server's end, too" poll 5 half_open h2c1 syn-recv 7251
put "tenant t1" "deny tcp to container h2c1 port 7250-7251"
ctl h1 reload >/dev/null
for tag in early late; do
	check "$tag: the client's end gets an error" poll 2 has "$work/$tag-client" "refused ECONNABORTED"
done
check "the server's is half open yet" half_open h2c1 syn-recv 7251
ctl h2 reload >/dev/null
check "... until its host denies it" poll 2 not_half_open h2c1 syn-recv 7251
for container in h1c1 h2c1; do
	ip netns exec "$(space $container)" nft delete table inet lossy
done
stop early
stop late

# --- who opened it decides ---

put "tenant t1"
reload_all
up forth h1c1 h2c1 7301 read once 45001
up bulk h1c1 h2c1 7302 write once 45002
put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7300-7399" \
	"deny tcp to container h1c1 port 45001-45002"
reload_all
sleep 0.5
lives forth bulk
put "tenant t1" "deny tcp from container h1c1 to container h2c1 port 7300-7399"
began=$(now)
ctl h1 reload >/dev/null
cut_in_time forth bulk
down forth bulk

# --- who is called so ---

put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7400-7409" \
	"allow tcp from container h1c1 to container h2c2 port 7400-7409"
reload_all
up named h1c1 h2c1 7401 read serve
up other h1c1 h2c2 7402 read serve
began=$(now)
check "h2c1 is detached, and its address nobody's" ctl h2 detach h2c1
check "named: the client's end gets an error" poll 2 grep "end ECONNABORTED" "$work/client-named"
took=$(awk -v began="$began" '/^end/ { printf "%d", ($3 - began) * 1000 }' "$work/client-named")
check "named: within $cut_ms ms" holds "${took:-99999} >= 0 && ${took:-99999} < $cut_ms"
lives other
attach h2c1 >/dev/null
down named other

# --- a container that keeps its socket locked: nobody's other connections live on by that, not even its own ---

put "tenant t1"
reload_all
threads() { find "/proc/$(ctl "$1" -j status | jq .pid)/task" -mindepth 1 -maxdepth 1 | wc -l; }
one_more_thread() { (($(threads h1) == threads_before + 1)); }
as_many_threads() { (($(threads h1) == threads_before)); }
if [[ -w /dev/fuse ]]; then
	serve serve-locked plain h2c2 7501 python3 "$cut" serve 7501 idle
	background locked plain h1c1 "$programs/hostile" lock -s 60 -a "$(address h2c2)" -p 7501
	check "h1c1 keeps a socket locked" poll 10 has "$work/locked" holding
	up honest h1c2 h2c1 7502 read serve
	for number in 1 2 3; do
		up "shielded$number" h1c1 h2c1 751$number read serve
	done
	threads_before=$(threads h1)
	put "tenant t1" "deny tcp from any to any port 7501-7502" "deny tcp from any to any port 7511-7512"
	began=$(now)
	ctl h1 reload >/dev/null
	cut_in_time honest shielded1 shielded2
	lives shielded3
	check "the router answers" timeout 2 "$top/tests/lab" -n "$name" ctl h1 status
	up later h1c2 h2c1 7503 read serve
	put "tenant t1" "deny tcp from any to any port 7501-7503" "deny tcp from any to any port 7511-7513"
	began=$(now)
	ctl h1 reload >/dev/null
	cut_in_time later shielded3
	check "h1c1's socket is still locked" own h1c1 "$(address h1c1)" "$(address h2c2)" 7501
	check "a thread waits for it, and no more than one" poll 5 one_more_thread
	stop locked
	check "that ends with it" poll 5 as_many_threads
	down locked honest later shielded1 shielded2 shielded3
else
	skip "a socket that is locked: /dev/fuse cannot be opened"
fi
put "tenant t1"
reload_all
