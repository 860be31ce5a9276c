#!/bin/bash
# SPDX-License-Identifier: MIT
# Policy on the slim path: denied connections, live ones that are cut, reloads, names and labels.
#
# runs: alone, since it measures time
. "$(dirname "$0")/lib.sh"

# difference: policy
policy=/run/slim-lab/$name/policy
cut=$e2e/cut.py

# put TEXT: what every host is to read next
put() { printf '%s\n' "$@" >"$policy.new" && mv "$policy.new" "$policy"; }

reload_all()
{
	local host

	for host in $(hosts); do
		ctl "$host" reload || return
	done
}

# tries FROM TO PORT [HOW]: what connect() says
tries() { in_ "$1" timeout 15 python3 "$cut" connect "$(address "$2")" "$3" "${4:-read}"; }
# reaches FROM TO PORT: over the slim path
reaches()
{
	local before
	before=$(counter "${1%%[tc]*}" connects_slim)

	[[ $(in_ "$1" nc -N -w 3 "$(address "$2")" "$3" </dev/null) == hello ]] &&
		(($(counter "${1%%[tc]*}" connects_slim) == before + 1))
}

denied() { [[ $(tries "$@") == "refused EACCES" ]]; }
exits() { local status=0; "${@:2}" >/dev/null 2>&1 || status=$?; same "$1" "$status"; }

lab_start -H 2 -C 2

serve hello shim h2c1 7000 python3 "$e2e/speaker.py" 7000 hello
serve other shim h2c2 7000 python3 "$e2e/speaker.py" 7000 hello
serve here shim h1c2 7000 python3 "$e2e/speaker.py" 7000 hello

check "without a policy" reaches h1c1 h2c1 7000
check "a reload without a file says so" has <(ctl h1 reload) "there is no policy"

# --- denials ---

put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7000"
reload_all >"$work/reloads"
equal "reload says what is in force" 2 "$(grep -c ': 1 rule,' "$work/reloads")"
check "what is allowed" reaches h1c1 h2c1 7000
check "another port is denied" denied h1c1 h2c1 7001
check "... to who waits for it, too" denied h1c1 h2c1 7001 block
check "another destination is denied" denied h1c1 h2c2 7000
check "another source is denied" denied h1c2 h2c1 7000
check "on one host, too" denied h1c1 h1c2 7000
check "the other way round, too" denied h2c1 h1c2 7000
check "denials are counted" holds "$(counter h1 connects_denied) == 5"
check "they are logged with both names" has <(lab router h1 log) \
	"denied in tenant t1: h1c2 ($(address h1c2):0) to h2c1 ($(address h2c1):7000), by default"

# --- what operators ask ---

check "policy test names the rule" has <(ctl h1 policy test h1c1 h2c1 7000) \
	"$policy:3: allow tcp from container h1c1"
check "and where both are" has <(ctl h1 policy test h1c1 h2c1 7000) \
	"allowed: tenant t1, $(address h1c1) on h1 to $(address h2c1) on h2"
check "or that there is none" has <(ctl h1 policy test h1c2 h2c1 7000) "by default"
check "another protocol" has <(ctl h1 policy test h1c1 h2c1 7000 udp) "denied"
check "policy show" has <(ctl h1 policy show) "allow tcp from container h1c1"
equal "policy stats counts what rules have decided" 1 "$(ctl h1 -j policy stats | jq '.rules[0].hits')"
put "tenant t1" "allow tcp from 10.0.0.0/8 port 1-100" "deny tcp from 10.9.0.0/16 port 80" \
	"deny tcp from 11.0.0.0/8 port 80"
ctl h1 reload >/dev/null
equal "and says which can never decide" "$policy:2 null" \
	"$(ctl h1 -j policy stats | jq -r '.rules[1:] | map(.hidden_by) | "\(.[0]) \(.[1])"')"
put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7000"
check "policy check, of a good file" ctl h1 policy check "$policy"
ctl h1 reload >/dev/null

# --- each host has its own copy ---

put "tenant t1" "deny tcp from container h1c1 to container h2c1"
ctl h2 reload >/dev/null
before=$(counter h2 accepts_denied)
check "the accepting router resets what the connecting one has allowed" \
	has <(tries h1c1 h2c1 7000) "ECONNRESET"
check "and counts it" holds "$(counter h2 accepts_denied) == $before + 1"
check "who waits for it hears that, or what the packet path says then" \
	grep -xE "refused (ECONNRESET|ECONNREFUSED)|end ECONNRESET .*" <(tries h1c1 h2c1 7000 block)
check "and logs the rule, with both ends" grep -F "to h2c1 ($(address h2c1):7000), by $policy:2" \
	<(lab router h2 log | grep -F "denied in tenant t1: h1c1 (")

# --- what is allowed is logged where a rule says so ---

put "tenant t1" "allow tcp from container h1c1 to container h2c1 port 7000 log"
reload_all >/dev/null
allowed_lines() { lab router h1 log | grep -F "allowed in tenant t1: h1c1 ($(address h1c1):"; }
check_not "so far none has" allowed_lines
check "a connection" reaches h1c1 h2c1 7000
check "is logged, with both names and the rule" grep -F "to h2c1 ($(address h2c1):7000), by $policy:2" <(allowed_lines)
logged=$(allowed_lines | wc -l || true)
check "another rule's" reaches h1c1 h2c2 7000
equal "is not" "$logged" "$(allowed_lines | wc -l || true)"

# --- errors ---

put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7000"
reload_all >/dev/null
put "tenant t1" "allow tpc from any"
check "a bad file" exits 1 ctl h1 reload
check "says where and what" has <(ctl h1 reload 2>&1) "$policy:2:7: found \"tpc\""
check "with a suggestion" has <(ctl h1 reload 2>&1) 'did you mean "tcp"?'
check "the former policy stays" reaches h1c1 h2c1 7000
check "in every part" denied h1c1 h2c2 7000
check "it is counted" holds "$(counter h1 reloads_failed) == 3"
check "and logged" has <(lab router h1 log) "the former one stays in force"
rm "$policy"
check "a file that is gone is an error, too" exits 1 ctl h1 reload
check "and opens nothing" denied h1c1 h2c2 7000

# --- SIGHUP ---

put "tenant t1"
kill -HUP "$(router_pid h1)"
kill -HUP "$(router_pid h2)"
check "SIGHUP reads it again" poll 2 reaches h1c1 h2c2 7000
check "on the other host, too" poll 2 reaches h2c1 h1c2 7000
put "tenant t1" "deny tcp" "allow tpc"
before=$(counter h1 reloads_failed)
kill -HUP "$(router_pid h1)"
refused() { (($(counter h1 reloads_failed) == before + 1)); }
check "a bad file is refused, and counted" poll 2 refused
check "... and said" has <(lab router h1 log) "$policy:3:7: found \"tpc\""
check "... the former policy stays" reaches h1c1 h2c2 7000

# --- labels ---

put "tenant t1" "default deny" "group web = label tier=web" "allow tcp from web to label tier=db"
reload_all >/dev/null
check "nobody has the label yet" denied h1c1 h2c1 7000
stop hello
label h1c1 tier=web
label h2c1 tier=db
serve hello shim h2c1 7000 python3 "$e2e/speaker.py" 7000 hello
check "labels given at attach count at once" reaches h1c1 h2c1 7000
check "for those that have them alone" denied h1c2 h2c1 7000

# --- rates, TOS and priority ---

put "tenant t1" "allow tcp port 7000 rate 8mbit dscp af21 priority 3"
reload_all >/dev/null
# shaped HOST: a connection at 8 Mbit/s, as ss writes it; with that TOS and priority
shaped()
{
	sockets "$1" -tni --tos state established | tr '\n' ' ' | grep -E \
		"tos:0x48 .*class_id:0x3 .*pacing_rate [^ ]*/8000000bps"
}
for six in "" -6; do
	before=$(counter h1 connects_slim)
	# shellcheck disable=SC2086
	background shaped in_ h1c1 nc "$(address $six h2c1)" 7000
	check "the connecting end has rate, TOS and priority $six" poll 5 shaped h1
	check "the accepting end has them $six" poll 5 shaped h2
	equal "on the slim path $six" $((before + 1)) "$(counter h1 connects_slim)"
	stop shaped
	check "... and it has ended" poll 5 no_connections h1
done

# --- live connections ---

put "tenant t1"
reload_all >/dev/null
slim=$(counter h1 connects_slim)
port=7100
for how in read write poll idle heir; do
	port=$((port + 1))
	# (Where the client fills it, nobody reads.)
	serve "serve-$how" shim h2c1 $port python3 "$cut" serve $port "$([[ $how == write ]] && echo idle || echo $how)"
	background "client-$how" in_ h1c1 python3 "$cut" connect "$(address h2c1)" $port $how
	check "$how: is connected" poll 5 has "$work/client-$how" up
	check "$how: is accepted" poll 5 has "$work/serve-$how" up
done
serve serve-local shim h1c2 7110 python3 "$cut" serve 7110 idle
background client-local in_ h1c1 python3 "$cut" connect "$(address h1c2)" 7110 read
check "on one host: is connected" poll 5 has "$work/client-local" up
serve serve-spliced shim h2c1 7111 python3 "$e2e/inherit.py" 7111 /usr/bin/env -u LD_PRELOAD \
	python3 "$cut" accept read
background client-spliced in_ h1c1 python3 "$cut" connect "$(address h2c1)" 7111 read
check "spliced: is accepted" poll 5 has "$work/serve-spliced" up
spliced() { ctl h2 -j connections | jq -e 'any(.connections[]; .path == "spliced")'; }
check "spliced: the router carries it" poll 5 spliced
serve serve-stays shim h2c2 7112 python3 "$cut" serve 7112 idle
background client-stays in_ h1c1 python3 "$cut" connect "$(address h2c2)" 7112 read
check "one that stays" poll 5 has "$work/client-stays" up
equal "all of them are on the slim path" $((slim + 8)) "$(counter h1 connects_slim)"
# What is lost on the way stays in SYN_SENT.
ip netns exec "$(space h2)" nft add table inet lossy '{ chain input {
	type filter hook input priority -500; tcp dport 4791-4853 tcp flags syn drop; }; }'
background client-pending in_ h1c1 python3 "$cut" connect "$(address h2c1)" 7101 read
pending() { sockets h1 -tn state syn-sent | grep 198.18; }
check "one is still being set up" poll 5 pending
ways=(read write poll idle heir local spliced)
for how in "${ways[@]}" stays; do
	check_not "$how: has noticed nothing" grep end "$work/client-$how" "$work/serve-$how"
done
before=$(counter h1 connections_cut)
put "tenant t1" "deny tcp from container h1c1 to container h2c1" \
	"deny tcp from container h1c1 to container h1c2"
began=$(date +%s.%N)
ctl h1 reload >/dev/null
for how in "${ways[@]}"; do
	for end in client serve; do
		check "$how: the $end gets an error" poll 2 grep -E "end ECONN(RESET|ABORTED)" \
			"$work/$end-$how"
		took=$(awk -v began="$began" '/^end/ { printf "%d", ($3 - began) * 1000 }' "$work/$end-$how")
		check "$how: within $cut_ms ms" holds "${took:-99999} >= 0 && ${took:-99999} < $cut_ms"
	done
done
check "what is being set up gets one, too" poll 2 grep -E "refused ECONN(RESET|ABORTED)" \
	"$work/client-pending"
check "they are counted" holds "$(counter h1 connections_cut) >= $before + 8"
check "and logged" has <(lab router h1 log) "cut in tenant t1: h1c1"
check_not "the other one has noticed nothing" grep end "$work/client-stays" "$work/serve-stays"
ip netns exec "$(space h2)" nft delete table inet lossy
for tag in "${ways[@]}" pending stays; do
	stop "client-$tag"
	stop "serve-$tag"
done
put "tenant t1"
reload_all >/dev/null

# --- what policy allows, whoever carries it ---

put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7113"
reload_all >/dev/null
serve serve-carried shim h2c1 7113 python3 "$e2e/inherit.py" 7113 /usr/bin/env -u LD_PRELOAD \
	python3 "$cut" accept read
background client-carried in_ h1c1 python3 "$cut" connect "$(address h2c1)" 7113 read
check "default deny: a connection is accepted" poll 5 has "$work/serve-carried" up
check "... the router carries it" poll 5 spliced
background serve-inside plain h2c1 python3 "$cut" serve 7114 read
check "... within a container somebody listens" poll 5 listening h2c1 7114
background client-inside plain h2c1 python3 "$cut" connect 127.0.0.1 7114 read
background client-itself plain h2c1 python3 "$cut" connect "$(address h2c1)" 7114 read
for tag in inside itself; do
	check "... and is connected to ($tag)" poll 5 has "$work/client-$tag" up
done
before=$(counter h2 connections_cut_packet)
put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7113" "allow udp"
reload_all >/dev/null
# (What is cut is cut within half a second.)
sleep 1
check_not "a reload cuts none of them" grep end "$work/client-carried" "$work/serve-carried" \
	"$work/client-inside" "$work/client-itself" "$work/serve-inside"
equal "... as its packets are nobody else's" "$before" "$(counter h2 connections_cut_packet)"
for tag in carried inside itself; do
	stop client-$tag
	stop serve-$tag
done
put "tenant t1"
reload_all >/dev/null

# --- connections that wait to be accepted, and a reload of either host alone ---

# listen_only PORT [defer]: accepts when told to
cat >"$work/later.py" <<-'END'
	import errno, socket, sys
	listener = socket.create_server(("", int(sys.argv[1])))
	if len(sys.argv) > 2:
	    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
	input()
	try:
	    print("got", listener.accept()[0].recv(10))
	except OSError as error:
	    print("end", errno.errorcode[error.errno])
END
waits() { ctl h2 -j connections | jq -e "any(.connections[]; .virtual_local == \"$(address h2c1):$1\")"; }
# cut_waiting HOST PORT [defer]: a connection that nobody has accepted, when HOST alone reloads
cut_waiting()
{
	local tag=$1${3:-} fd

	mkfifo "$work/in-$tag"
	(
		launch=(exec)
		in_ h2c1 python3 "$work/later.py" "${@:2}" <"$work/in-$tag"
	) >"$work/later-$tag" 2>&1 &
	background_pids[later-$tag]=$!
	exec {fd}>"$work/in-$tag"
	check "${3:+$3, }waiting: listens" poll 10 announced h1 h2c1 "$2"
	background "client-$tag" in_ h1c1 python3 "$cut" connect "$(address h2c1)" "$2" read
	check "${3:+$3, }waiting: the router has it" poll 5 waits "$2"
	put "tenant t1" "deny tcp from container h1c1 to container h2c1"
	ctl "$1" reload >/dev/null
	check "${3:+$3, }waiting: $1 reloads, and the client gets an error" poll 2 \
		grep -E "end ECONN(RESET|ABORTED)" "$work/client-$tag"
	echo >&"$fd"
	if [[ ! ${3:-} ]]; then
		check "waiting: who accepts it gets an error" poll 2 \
			grep -E "end ECONN(RESET|ABORTED)" "$work/later-$tag"
	fi
	exec {fd}>&-
	stop "client-$tag"
	stop "later-$tag"
	put "tenant t1"
	ctl "$1" reload >/dev/null
}
cut_waiting h1 7120
cut_waiting h2 7121
cut_waiting h1 7122 defer
cut_waiting h2 7123 defer
