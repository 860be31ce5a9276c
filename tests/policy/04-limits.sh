#!/bin/bash
# SPDX-License-Identifier: MIT
# A rule's limits: connections at once and set-ups a second of each source container, counted exactly whoever
# asks at once, whatever is reloaded or killed meanwhile.
. "$(dirname "$0")/../e2e/lib.sh"

policy=/run/slim-lab/$name/policy
crowd=$e2e/crowd.py

put() { printf '%s\n' "$@" >"$policy.new" && mv "$policy.new" "$policy"; }

reload_all()
{
	local host

	for host in $(hosts); do
		ctl "$host" reload
	done
}

child() { ctl "$1" -j status | jq .pid; }
answers() { ctl "$1" status; }

kill_child()
{
	kill -KILL "$(child "$1")"
	poll 5 answers "$1"
	poll 10 meshed "$1"
}

# inbound HOST: how many connections its containers have accepted
inbound() { ctl "$1" -j connections | jq '[.connections[] | select(.direction == "in")] | length'; }
has_inbound() { same "$2" "$(inbound "$1")"; }

# joins TAG THREADS TRIES [ADDRESS]: a crowd that stays; returns when all of it has tried, by IPv4 and IPv6
joins()
{
	background "$1" in_ h1c1 python3 "$crowd" connect "${4:-$server,$server6}" 7000 "$2" "$3" 100
	poll 60 test -s "$work/$1"
}

# lines FILE
lines() { wc -l <"$work/$1"; }
told() { (($(lines "$1") > $2)); }

# asks TAG SIGNAL: what the crowd says next
asks()
{
	local before
	before=$(lines "$1")

	kill "-$2" "${background_pids[$1]}"
	poll 60 told "$1" "$before" && tail -n 1 "$work/$1"
}

# both_ask TAG TAG: what two crowds say together, when they have tried at once
both_ask()
{
	local first second
	first=$(lines "$1")
	second=$(lines "$2")

	kill -USR2 "${background_pids[$1]}" "${background_pids[$2]}"
	poll 60 told "$1" "$first" || return
	poll 60 told "$2" "$second" || return
	tail -qn 1 "$work/$1" "$work/$2" | tr -d , | xargs -n 2 |
		awk '{ sum[$2] += $1 } END { for (told in sum) print sum[told], told }' | sort | xargs
}

# one [NODE]: what a further connect is told
one()
{
	in_ "${1:-h1c1}" timeout 20 python3 "$crowd" hammer "$server" 7000 1 0 |
		sed 's/, [0-9]* in a second//'
}
full() { one | grep -x "[0-9]* EACCES"; }

lab_start -H 2 -C 2
server=$(address h2c1)
server6=$(address -6 h2c1)
# Nothing is limited on the packet path: whoever would take it, as a router was late, is to get an error.
for container in h1c1 h1c2; do
	ip -n "$(space $container)" route add unreachable "$server"
	ip -n "$(space $container)" route add unreachable "$server6"
done
serve server shim h2c1 7000 python3 "$crowd" serve 7000
serve quick shim h2c1 7001 python3 "$crowd" serve 7001
serve near shim h1c2 7000 python3 "$crowd" serve 7000

limited()
{
	put "tenant t1" "default deny" "$@" \
		"allow tcp from any to container h2c1 port 7000 connections $limit" \
		"allow tcp to container h2c1 port 7001 setups 20/s" \
		"allow tcp to container h1c2 port 7000 connections 3"
}

# --- at once ---

limit=100
limited
check "h1 and h2 read the policy" reload_all
slim=$(counter h1 connects_slim)
began=$SECONDS
check "eight threads try a thousand times each" joins many 8 1000
equal "exactly a hundred succeed" "100 up, 7900 EACCES" "$(<"$work/many")"
equal "all of them on the slim path" $((slim + 100)) "$(counter h1 connects_slim)"
equal "the others are counted" 7900 "$(counter h1 connects_limited)"
equal "h2 has them all, and has held none back" "100 0" \
	"$(inbound h2) $(counter h2 accepts_limited)"
check "the log names the rule and both ends" has <(lab router h1 log) \
	"too many connections in tenant t1: h1c1 ($(address h1c1):0) to h2c1 ($server:7000), by $policy:3"
said() { lab router h1 log | grep -c "too many connections"; }
check "the log has ten lines a second at the most" holds "$(said) > 0 && $(said) <= 10 * ($SECONDS - $began + 2)"
equal "another container has its own hundred" "1 up" "$(one h1c2)"
equal "a place that is free is taken by one" "closed one" "$(asks many USR1)"
equal "... exactly" "1 up, 799 EACCES" "$(asks many USR2)"
check "two containers of one host" joins near 8 1 "$(address h1c2)"
equal "... are limited, too" "3 up, 5 EACCES" "$(<"$work/near")"
stop near

# --- reloads ---

limited "deny tcp port 1" "allow tcp port 2"
check "the rule comes to stand elsewhere" reload_all
check "... and has counted on" full
limit=50
limited
check "a lower limit" reload_all
equal "... ends nothing" 100 "$(inbound h2)"
check "... and lets nobody in" full
check "another process has no place" joins more 8 1
equal "... either" "8 EACCES" "$(<"$work/more")"
limit=103
limited
check "a higher one" reload_all
equal "... lets in as many more, of two processes" "1597 EACCES 3 up" "$(both_ask many more)"
put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 6999-7000 connections 103"
check "another rule" reload_all
check "... counts those that it finds" poll 2 full
equal "... exactly" "closed one" "$(asks many USR1)"
equal "... all of them" "1 up, 799 EACCES" "$(asks many USR2)"
limited
check "back again" reload_all
check "... the former rule counts them" poll 2 full
equal "nobody has noticed anything" 103 "$(inbound h2)"

# --- restarts ---

for host in h1 h2; do
	check "$host's router is killed" kill_child $host
	check "... no more may connect" full
	equal "... and a place that is free is taken by one" "closed one" "$(asks many USR1)"
	equal "... exactly" "1 up, 799 EACCES" "$(asks many USR2)"
	check "... whom h2 lets in" poll 5 has_inbound h2 103
done

check "h1's router is replaced" ctl h1 upgrade
check "... the hosts are one again" poll 10 meshed h1
check "... no more may connect" full

# --- places are given back ---

stop many
stop more
check "all are over: a hundred and three again" joins again 8 100
equal "... exactly" "103 up, 697 EACCES" "$(<"$work/again")"
# (A container's slim connections end with its attachment.)
ctl h1 detach h1c1 >/dev/null
attach h1c1 >/dev/null
check "all are known again" poll 10 meshed h2
stop again
check "the container is attached anew: as many again" joins anew 8 100
equal "... exactly" "103 up, 697 EACCES" "$(<"$work/anew")"
stop server
serve server shim h2c1 7000 python3 "$crowd" serve 7000
stop anew
check "the server is another one: as many again" joins last 8 100
equal "... exactly" "103 up, 697 EACCES" "$(<"$work/last")"
stop last
check "nothing is left at h1" poll 10 no_connections h1

# --- set-ups ---

slim=$(counter h1 connects_slim)
in_ h1c1 python3 "$crowd" hammer "$server" 7001 8 4 >"$work/hammer"
check "set-ups beyond the limit get EACCES" has "$work/hammer" EACCES
check "never more than 20 in a second" \
	holds "$(sed 's/.* \([0-9]*\) in a second/\1/' "$work/hammer") <= 20"
ups=$(cut -d ' ' -f 1 "$work/hammer")
check "but nearly as many, each second" holds "$ups >= 60 && $ups <= 100"
equal "over the slim path" $((slim + ups)) "$(counter h1 connects_slim)"
check "and the log says it" has <(lab router h1 log) "too many set-ups in tenant t1: h1c1"

# --- the accepting end counts for itself ---

put "tenant t1"
ctl h1 reload >/dev/null
put "tenant t1" "allow tcp from any to any port 7000 connections 5"
ctl h2 reload >/dev/null
check "five come in, though h1 has no limits" joins five 5 1
equal "... all of them" "5 up" "$(<"$work/five")"
before=$(counter h2 accepts_limited)
background sixth in_ h1c1 python3 "$crowd" connect "$server" 7000 1 1
waits() { (($(counter h2 accepts_limited) == before + 1)); }
check "the sixth waits" poll 5 waits
check "... and is not greeted" test ! -s "$work/sixth"
asks five USR1 >/dev/null
check "... until there is a place" poll 5 has "$work/sixth" "1 up"
equal "a seventh waits in vain" "1 ECONNRESET" "$(one)"
check "... for some seconds" has <(lab router h2 log) "too many connections in tenant t1: h1c1"
stop five
stop sixth
stop server
serve holder shim h2c1 7000 python3 "$crowd" hold 7000
check "five come again" joins halves 5 1
equal "... one says that it sends no more" "closed half" "$(asks halves HUP)"
equal "... which frees no place" "1 ECONNRESET" "$(one)"
stop halves
put "tenant t1"
reload_all >/dev/null
