#!/bin/bash
# SPDX-License-Identifier: MIT
# Servers of all kinds: as on a plain socket, with both ends on the slim path.
. "$(dirname "$0")/lib.sh"

lab_start -H 2

port=7300
server=$(address h2c1)
servers() { with "$1" h2c1 python3 "$e2e/servers.py" "${@:2}"; }
client() { with "$1" h1c1 python3 "$e2e/servers.py" "${@:2}"; }

# start KIND-OF-SHIM SERVER [ARGUMENT...]: on a port of its own
start()
{
	port=$((port + 1))
	serve "$2" "$1" h2c1 $port python3 "$e2e/servers.py" "$2" $port "${@:3}"
}

# slimly TEXT NUMBER COMMAND...: it succeeds, on that many slim connections or more
slimly()
{
	local before
	before=$(counter h2 claims)

	check "$1" "${@:3}"
	check "$1: on the slim path" holds "$(counter h2 claims) - $before >= $2"
}

answers() { [[ $(client shim client "$server" "$port" "$2") -ge $1 ]]; }

start shim prefork
slimly "a pre-forked server" 60 answers 1 60
stop prefork
start shim reuseport
slimly "SO_REUSEPORT: several processes get connections" 60 answers 2 60
stop reuseport
start shim accept_threads
slimly "threads that share a listener" 60 answers 1 60
stop accept_threads
start shim threads
slimly "a threaded server, 100 connections at once" 100 client shim client_many "$server" $port 100
stop threads

# alike TEXT SERVER CLIENT NUMBER: what the client prints is the same as without the shim
alike()
{
	local expected before

	start plain "$2"
	expected=$(client plain "$3" "$server" $port "$4")
	stop "$2"
	start shim "$2"
	before=$(counter h2 claims)
	equal "$1" "$expected" "$(client shim "$3" "$server" $port "$4" 2>&1)"
	check "$1: on the slim path" holds "$(counter h2 claims) - $before >= $4"
	stop "$2"
	start shim "$2"
	equal "$1: a client without the shim" "$expected" \
		"$(client plain "$3" "$server" $port "$4" 2>&1)"
	stop "$2"
}

alike "TCP_DEFER_ACCEPT" defer client_defer 1
alike "accept4's flags" flags client_lines 4
alike "options of the listener" options client_lines 1
alike "options set before connect" options client_options 1

start shim backlog "$work/go"
background many client shim client_patient "$server" $port 20
waiting() { [[ $(sockets h2c1 -tn state established "( sport = :$port )" | wc -l) -ge 2 ]]; }
check "a full backlog: connections wait" poll 10 waiting
touch "$work/go"
check "a full backlog: all of them are served in the end" finish many
stop backlog

start shim emfile
check "EMFILE: 60 connections to a server with 40 fds" client shim client_many "$server" $port 60
check "EMFILE: accept() said so" has "$work/emfile" EMFILE
stop emfile

refused() { grep ConnectionRefused < <(client shim client "$server" $port 1 2>&1); }

start shim shutdown "$work/shut"
check "shutdown: one connection" client shim client_many "$server" $port 1
check "shutdown: it was echoed" poll 5 has "$work/shutdown" "echoed one"
touch "$work/shut"
check "shutdown: accept() returns EINVAL" poll 5 has "$work/shutdown" "['errno 22']"
check "shutdown: then connections are refused" poll 5 refused
stop shutdown

start shim rebind
slimly "a server that stops and binds its port again at once" 15 \
	client shim client_rebind "$server" $port 30
stop rebind

start shim threads
kill -KILL "${background_pids[threads]}"
finish threads 2>/dev/null || true
check "a killed server's port refuses" poll 5 refused
serve threads shim h2c1 $port python3 "$e2e/servers.py" threads $port
slimly "another server takes the port" 20 client shim client_many "$server" $port 20
stop threads
