#!/bin/bash
# SPDX-License-Identifier: MIT
# A policy that speaks of names, and routers that are killed: what is allowed goes on, also while nobody
# can say yet who is called how; what is denied stays so.
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/live.sh"

policy=/run/slim-lab/$name/policy
cut=$e2e/cut.py

put() { printf '%s\n' "$@" >"$policy.new" && mv "$policy.new" "$policy"; }
child() { ctl "$1" -j status | jq .pid; }
answers() { ctl "$1" status; }
tries() { in_ "$1" python3 "$cut" connect "$(address "$2")" "$3" read; }
denied() { [[ $(tries "$@") == "refused EACCES" ]]; }
greets() { [[ $(in_ "$1" nc -N -w 3 "$(address "$2")" "$3" </dev/null) == hello ]]; }

kill_child()
{
	kill -KILL "$(child "$1")"
	poll 5 answers "$1"
}

reaches_slim()
{
	local before
	before=$(counter h1 connects_slim)

	greets "$@" && (($(counter h1 connects_slim) > before))
}

reaches_packet()
{
	local before
	before=$(counter h1 connects_slim)

	greets "$@" && (($(counter h1 connects_slim) == before))
}

lab_start -C 2
server=$(address h2c1)

put "tenant t1" "default deny" "group web = container h1c1, label tier=web" \
	"allow tcp from web to container h2c1 port 7000-7009" \
	"allow icmp from web to container h2c1"
for host in h1 h2; do
	check "$host reads the policy" ctl $host reload
done
loaded() { ip netns exec "$(space "$1")" nft list table netdev slim_policy | grep -F "$(address h2c1)"; }
check "nftables follow on h1" poll 5 loaded h1
check "nftables follow on h2" poll 5 loaded h2

serve hello shim h2c1 7000 python3 "$e2e/speaker.py" 7000 hello
serve idle shim h2c1 7001 python3 "$cut" serve 7001 idle
before=$(counter h1 connects_slim)
background client in_ h1c1 python3 "$cut" connect "$server" 7001 read
check "a connection is up" poll 5 has "$work/client" up
equal "on the slim path" $((before + 1)) "$(counter h1 connects_slim)"
check "another container is denied" denied h1c2 h2c1 7000

# --- nobody can tell: the peer's router hangs ---

frozen=$(child h2)
kill -STOP "$frozen"
check "h1's router is killed, and another one answers" kill_child h1
check "it knows none of h2's containers" \
	holds "$(ctl h1 -j peers | jq '[.peers[] | select(.name == "h2") | .containers] | add') == 0"
check "what is allowed takes the packet path" reaches_packet h1c1 h2c1 7000
check "so do echo requests" plain h1c1 ping -c 1 -W 2 "$server"
check_not "but not another container's" plain h1c2 ping -c 1 -W 2 "$server"
equal "nor its connections" "refused ECONNREFUSED" "$(tries h1c2 h2c1 7000)"
# (What is cut is cut within half a second.)
sleep 1
check_not "the connection lives" grep end "$work/client"
kill -CONT "$frozen"
check "the hosts are one again" poll 10 meshed h1
check "the slim path is back" poll 10 reaches_slim h1c1 h2c1 7000
check "another container is denied, as ever" poll 5 denied h1c2 h2c1 7000

# --- killed one after the other ---

for host in h1 h2; do
	check "$host's router is killed" kill_child $host
	check "... the hosts are one again" poll 10 meshed $host
	check "... the slim path is back" poll 10 reaches_slim h1c1 h2c1 7000
	check "... another container is denied" poll 5 denied h1c2 h2c1 7000
	check_not "... the connection lives" grep end "$work/client"
done

# --- a file that was edited, and not reloaded ---

shown() { ctl h1 policy show; }
before=$(shown)
put "tenant t1" "alow tcp"
check "h1's router is killed; the file has errors" kill_child h1
equal "what was in force is in force" "$(tail -n +2 <<<"$before")" "$(shown | tail -n +2)"
check "... and nothing else" poll 10 reaches_slim h1c1 h2c1 7000
check "... another container is denied" poll 5 denied h1c2 h2c1 7000
check "h1's router is replaced; the file has errors" ctl h1 upgrade
equal "... what was in force is in force" "$(tail -n +2 <<<"$before")" "$(shown | tail -n +2)"
check "... another container is denied" poll 10 denied h1c2 h2c1 7000
check "h1's router is stopped" lab router h1 stop
check "... and one starts; the file has errors" lab router h1 start
equal "... what was in force is in force" "$(tail -n +2 <<<"$before")" "$(shown | tail -n +2)"
check "... which is said" has <(lab router h1 log) "what an earlier router had in force stays"
check "... another container is denied" poll 10 denied h1c2 h2c1 7000
put "tenant t1"
check "h1's router is killed; the file allows all" kill_child h1
check "... another container is denied" poll 10 denied h1c2 h2c1 7000
check_not "... the connection lives" grep end "$work/client"
check "a reload puts the file in force" ctl h1 reload
is_reset() { tries "$@" | grep ECONNRESET; }
check "... so that the other container's connection is made here" poll 5 is_reset h1c2 h2c1 7000
rm "$policy"
check "h1's router is killed; there is no file" kill_child h1
check "... what was reloaded is in force" has <(shown) "tenant t1"

# --- neither what was in force can be had, nor the file ---

followed_all() { for host in h1 h2; do poll 10 followed $host || return; done; }
pings() { plain "$1" ping -c 1 -W 2 "$(address "$2")"; }
closed() { ctl h1 -j status | jq -e .policy.closed; }

put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7000-7009" \
	"allow icmp from container h1c1 to container h2c1"
reload_all
archive=/run/slim-lab/$name/h1/state/policy
for file in wrong gone; do
	if [[ $file == wrong ]]; then
		put "tenant t1" "alow tcp"
		rm "$archive"
	else
		rm "$policy"
		: >"$archive"
	fi
	check "h1's router is killed; it was not kept what was in force, and the file is $file" kill_child h1
	check "... nothing is allowed" closed
	check "... on the slim path" denied h1c1 h2c1 7000
	check "... packets are judged as the former router did: an echo request is allowed" pings h1c1 h2c1
	check_not "... another container's is not" pings h1c2 h2c1
	check_not "... within the host, either" pings h1c2 h1c1
	check_not "... which is said" followed h1
	ctl h1 detach h1c2 >/dev/null
	attach h1c2 >/dev/null
	check_not "... nor are those of a container that comes" pings h1c2 h1c1
	check_not "... the connection lives" grep end "$work/client"
	check_not "... a reload does not help" ctl h1 reload
	check_not "... another container's echo requests are denied" pings h1c2 h2c1
	put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7000-7009" \
		"allow icmp from container h1c2 to container h2c1"
	check "... but a good file does" ctl h1 reload
	ctl h2 reload >/dev/null
	check "... nftables follow" followed_all
	check "... and allow what it does" pings h1c2 h2c1
	check_not "... and nothing else" pings h1c1 h2c1
	check "... the slim path is back" poll 10 reaches_slim h1c1 h2c1 7000
	put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7000-7009" \
		"allow icmp from container h1c1 to container h2c1"
	reload_all
done

# --- denied meanwhile ---

put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7000"
check "another policy" ctl h1 reload
check "cuts it, as the next router knows what the first one has set up" \
	has_error "$work/client"
stop client
stop idle
stop hello
put "tenant t1"
for host in h1 h2; do
	ctl $host reload >/dev/null
done
