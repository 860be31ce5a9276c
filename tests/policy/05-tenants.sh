#!/bin/bash
# SPDX-License-Identifier: MIT
# Connections from tenant to tenant: where both say so, over the slim path and no other.
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/live.sh"

policy=/run/slim-lab/$name/policy
cut=$e2e/cut.py

put() { printf '%s\n' "$@" >"$policy.new" && mv "$policy.new" "$policy"; }

reload_all()
{
	local host

	for host in $(hosts); do
		ctl "$host" reload >/dev/null || return
	done
}

child() { ctl "$1" -j status | jq .pid; }
answers() { ctl "$1" status; }

# says KIND FROM ADDRESS PORT [SECONDS]: what connect() gets, or the server's greeting
says() { with "$1" "$2" timeout 8 python3 "$e2e/between.py" once "${@:3}"; }
# (Who is let in is in far less than half a second.)
reaches() { same "up hello" "$(says shim "$@" 0.5)"; }
# reaches_packet NODE: t2's server on the packet path
reaches_packet() { same "up hello" "$(says plain "$1" "$far" 7002 0.5)"; }

reaches_slim()
{
	local host=${1%%[tc]*} before
	before=$(counter "$host" connects_slim)

	reaches "$@" && (($(counter "$host" connects_slim) == before + 1))
}

lab_start -H 2 -C 1 -T 2 -A
near=$(address h1t2c1)
far=$(address h2t2c1)
far6=$(address -6 h2t2c1)
check_not "tenants that are apart" same "$(address h2c1)" "$far"

serve hello shim h2t2c1 7000 python3 "$e2e/speaker.py" 7000 hello
serve near shim h1t2c1 7000 python3 "$e2e/speaker.py" 7000 hello
serve back shim h2c1 7000 python3 "$e2e/speaker.py" 7000 hello
serve within shim h1c1 7005 python3 "$e2e/speaker.py" 7005 hello
serve idle shim h2t2c1 7001 python3 "$cut" serve 7001 idle
serve packet plain h2t2c1 7002 python3 "$e2e/speaker.py" 7002 hello

# --- nobody says so ---

check "the server of the packet path is there" reaches_packet h1t2c1
check "that of the slim path, too" reaches h1t2c1 "$far" 7000
check_not "without rules nothing gets there" reaches h1c1 "$far" 7000
check_not "... over the packet path neither" reaches_packet h1c1
# It has heard of its own tenant's prefixes by now.
background runs in_ h1c1 python3 "$e2e/between.py" until "$far" 7000 0.5
check "a program that runs all the time cannot, too" poll 5 test -s "$work/runs"

# --- one of them says so ---

put "tenant t1" "allow tcp from container h1c1 to container h2t2c1 of t2 port 7000-7009"
check "only the source's tenant allows it" reload_all
equal "... which is not enough" "EACCES" "$(says shim h1c1 "$far" 7000)"
check "nftables know that there are rules" poll 10 followed h1
for address in "$far" "$far6" "$near"; do
	equal "packets to $address are refused" ECONNREFUSED "$(says plain h1c1 "$address" 7002)"
done
check "... echo requests, too" has <(plain h1c1 ping -c 1 -W 1 "$far") "Packet filtered"
said() { grep -F "to h2t2c1 ($far:0), as there is no packet path" <(lab router h1 log); }
check "... of which the log says why" poll 2 said
put "tenant t2" "allow tcp from container h1c1 of t1 to any port 7000-7009"
check "only the destination's tenant allows it" reload_all
equal "... which is not enough" "EACCES" "$(says shim h1c1 "$far" 7000)"
check "it is logged with both tenants" has <(lab router h1 log) \
	"denied from tenant t1 to t2: h1c1 ($(address h1c1):0) to h2t2c1 ($far:7000)"
check_not "the program that runs has not come through" has "$work/runs" up

# --- both say so ---

allowed()
{
	put "tenant t1" "default deny" "$@" "allow tcp from container h1c1 to any of t2 port 7000-7009" \
		"tenant t2" "default deny" "allow tcp from container h1c1 of t1 to any port 7000-7008"
}
allowed
check "both allow it" reload_all
check "the program that runs has heard of it" poll 5 has "$work/runs" "up hello"
check "it comes through, over the slim path" reaches_slim h1c1 "$far" 7000
check "over IPv6, too" reaches_slim h1c1 "$far6" 7000
check "on one host, too" reaches_slim h1c1 "$near" 7000
equal "both names are what they are" "$(address h1c1) $far 7000" \
	"$(in_ h1c1 python3 "$e2e/between.py" names "$far" 7000)"
equal "another port is denied by the first" "EACCES" "$(says shim h1c1 "$far" 7010)"
equal "another port is denied by the second" "EACCES" "$(says shim h1c1 "$far" 7009)"
check "by its rule" has <(lab router h1 log) "h2t2c1 ($far:7009), by default"
equal "where nobody listens it is refused" "ECONNREFUSED" "$(says shim h1c1 "$far" 7008)"
equal "... also where somebody listens without the shim" "ECONNREFUSED" "$(says shim h1c1 "$far" 7002)"
equal "where nobody is, it is unreachable" "EHOSTUNREACH" "$(says shim h1c1 "${far%.*}.200" 7000)"
tested() { ctl h1 policy test "$@" | sed -n '1s/,.*//p'; }
equal "policy test says the same of names" "allowed: tenant t1 to t2" "$(tested h1c1 h2t2c1 7000)"
equal "... of addresses" "allowed: tenant t1 to t2" "$(tested "$(address h1c1)" "$far" 7000 --tenant t1)"
equal "... of what the second denies" "denied: tenant t1 to t2" "$(tested h1c1 "$far" 7009)"
equal "... of what is within one" "denied: tenant t1" "$(tested h1c1 h2c1 7000)"
check_not "the way back is another matter" reaches h2t2c1 "$(address h2c1)" 7000
check_not "the packet path stays closed" reaches_packet h1c1
check_not "... to echo requests, too" plain h1c1 ping -c 1 -W 1 "$far"

# --- live ones ---

background client in_ h1c1 python3 "$cut" connect "$far" 7001 read
background client6 in_ h1c1 python3 "$cut" connect "$far6" 7001 read
for tag in client client6; do
	check "$tag is up" poll 5 has "$work/$tag" up
done
crossing() { ctl "$1" -j connections | jq -e '[.connections[] | select(.peer_tenant != .tenant)] | length == 2'; }
check "h1 shows both tenants" crossing h1
check "h2 too" crossing h2
for host in h1 h2; do
	kill -KILL "$(child $host)"
	check "$host's router is killed" poll 5 answers $host
	check "... the hosts are one again" poll 10 meshed $host
	check "... it comes through again" poll 10 reaches_slim h1c1 "$far" 7000
	check "... $host still knows of which tenants they are" crossing $host
done
check_not "they live" grep end "$work/client" "$work/client6" "$work/idle"
allowed "deny tcp to any of t2 port 7001"
check "h1 denies them" ctl h1 reload
for tag in client client6; do
	check "... $tag ends" has_error "$work/$tag"
done
check "... at the server, too" has_error "$work/idle"
equal "... and no new one begins" "EACCES" "$(says shim h1c1 "$far" 7001)"

# --- limits, of either tenant's rule ---

put "tenant t1" "allow tcp to any of t2" "tenant t2" "allow tcp from any of t1 connections 1"
check "the destination's tenant limits it" reload_all
background one in_ h1c1 python3 "$cut" connect "$far" 7001 read
check "... to one" poll 5 has "$work/one" up
placed() { ctl h2 -j connections | jq -e '.connections | length == 1'; }
check "... which has its place at h2, where others have ended" poll 5 placed
equal "... and no more" "EACCES" "$(says shim h1c1 "$far" 7000)"
check "... by its rule" has <(lab router h1 log) \
	"too many connections from tenant t1 to t2: h1c1 ($(address h1c1):0) to h2t2c1 ($far:7000), by $policy:4"
put "tenant t1" "allow tcp to any of t2 connections 2" "tenant t2" "allow tcp from any of t1 connections 1"
check "h1's tenant limits it, too" ctl h1 reload
before=$(counter h2 accepts_limited)
equal "... so that h2's limit is found there" "ETIMEDOUT" "$(says shim h1c1 "$far" 7000)"
check "... by h2" holds "$(counter h2 accepts_limited) == $before + 1"
stop one

# --- the accepting host has its own copy ---

put "tenant t1" "allow tcp to any of t2" "tenant t2" "deny tcp from any of t1"
check "h2 denies it" ctl h2 reload
allowed
check "h1 allows it" ctl h1 reload
equal "h2 resets what h1 has allowed" "ECONNRESET" "$(says shim h1c1 "$far" 7000)"
check "... and says so" has <(lab router h2 log) "denied from tenant t1 to t2: h1c1"
for tag in runs client client6 idle; do
	stop $tag
done
put "tenant t1"
reload_all
check_not "in the end there are no rules again" reaches h1c1 "$far" 7000
