#!/bin/bash
# SPDX-License-Identifier: MIT
# A router that is killed at any moment, under load: nobody notices.
. "$(dirname "$0")/lib.sh"

# Routers are late on purpose here: that excuses nothing.
unset SLIM_DEBUG

rounds=${E2E_KILLS:-8}
crr=$build/tests/bench/crr
port=7900

lab_start
server=$(address h2c1)

child() { ctl "$1" -j status | jq .pid; }
answers() { ctl "$1" status; }
took_up() { grep -c "took up" "/run/slim-lab/$name/$1/router.log"; }

# kill_child HOST: what the keeper keeps; the router that comes after it answers
kill_child()
{
	kill -KILL "$(child "$1")"
	poll 5 answers "$1"
}

# keep TAG: a connection that stays, and echoes into a file what is written to its fifo
declare -A kept

keep()
{
	local fd

	mkfifo "$work/in-$1"
	(
		launch=(exec)
		with "$2" h1c1 nc "$server" "$3" <"$work/in-$1"
	) >"$work/kept-$1" 2>&1 &
	background_pids[kept-$1]=$!
	exec {fd}>"$work/in-$1"
	kept[$1]=$fd
	echo hello >&"$fd"
	poll 5 has "$work/kept-$1" hello
}

lives() { echo "$2" >&"${kept[$1]}" && poll 5 has "$work/kept-$1" "$2"; }

# --- the servers: with the shim, and one that accepts without its help ---

serve echo shim h2c1 $port python3 "$e2e/servers.py" threads $port
serve crr shim h2c1 $((port + 1)) "$crr" server -p $((port + 1))
serve uring shim h2c1 $((port + 2)) "$programs/uring_accept" listen $((port + 2))
check "a connection is up" keep slim shim $port
check "another one is spliced" keep spliced shim $((port + 2))
splices=$(counter h2 splices)
check "it is, indeed" holds "$splices >= 1"
check "the ledger is complete at first" poll 5 complete h1

# --- killed while idle ---

for host in h1 h2; do
	before=$(child $host)
	check "$host's router is killed, and another one answers" kill_child $host
	check "... with another pid" holds "$(child $host) != $before"
	equal "... its container is attached" "$host"c1 \
		"$(ctl $host -j containers | jq -r '.containers[0].name')"
	check "... the peers are one again" poll 10 meshed $host
	check "the connection has not felt it" lives slim "after-$host"
	check "nor has the spliced one" lives spliced "after-$host"
	check "the ledger is complete on $host" poll 5 complete $host
done
check "listeners are announced again" poll 10 announced h1 h2c1 $port

# --- killed at full rate ---

setups()
{
	local i host

	(
		launch=(exec)
		in_ h1c1 "$crr" client "$server" -p $((port + 1)) -d $((rounds + 2))
	) >"$work/crr" 2>&1 &
	background_pids[load]=$!
	for ((i = 0; i < rounds; i++)); do
		host=h$((i % 2 + 1))
		poll 5 answers $host
		kill -KILL "$(child $host)"
		sleep 0.$((RANDOM % 5 + 5))
	done
	finish load
}

check "set-ups at full rate: none fails while routers are killed" setups
cat "$work/crr"
for host in h1 h2; do
	check "$host answers" poll 5 answers $host
	check "$host has its peer" poll 10 meshed $host
	check "$host: each router has taken up what the last one left" \
		holds "$(took_up $host) >= $rounds / 2"
	check "the ledger is complete on $host" poll 5 complete $host
done
check "the first connection lives" lives slim end
check "the spliced one lives" lives spliced end

slim_again()
{
	local before
	before=$(counter h1 connects_slim)

	in_ h1c1 "$programs/talk" client 4 "$server" "$port" 1000 &&
		(($(counter h1 connects_slim) > before))
}

check "the slim path is back" poll 10 slim_again

# --- a router that is silent while a server begins to listen ---

# listen_later PORT PORT: the second one when told to
listen_later()
{
	cat >"$work/later.py" <<-'END'
	import socket, sys
	first = socket.create_server(("", int(sys.argv[1])))
	input()
	second = socket.create_server(("", int(sys.argv[2])))
	while True:
	    with second.accept()[0] as sock:
	        while data := sock.recv(65536):
	            sock.sendall(data)
	END
	mkfifo "$work/later-in"
	(
		launch=(exec)
		in_ h2c1 python3 "$work/later.py" "$1" "$2" <"$work/later-in"
	) >"$work/later" 2>&1 &
	background_pids[later]=$!
	exec 9>"$work/later-in"
	poll 10 announced h1 h2c1 "$1"
}

# A server that begins meanwhile, and asks nothing any more once it waits in accept()
begin_in_silence()
{
	(
		launch=(exec)
		in_ h2c1 python3 -c 'import socket, sys
other = socket.create_server(("", int(sys.argv[2])))
socket.create_server(("", int(sys.argv[1]))).accept()' "$1" "$2"
	) >"$work/silent" 2>&1 &
	background_pids[silent]=$!
}

check "a server listens" listen_later $((port + 5)) $((port + 6))
silent=$(child h2)
kill -STOP "$silent"
echo >&9
check "it listens at another port while the router is silent" \
	poll 5 listening h2c1 $((port + 6))
begin_in_silence $((port + 7)) $((port + 8))
check "another server begins to" poll 5 listening h2c1 $((port + 7))
kill -CONT "$silent"
check "the router hears of both when it is back" poll 5 announced h1 h2c1 $((port + 6))
check "... though nobody connects to them" poll 5 announced h1 h2c1 $((port + 7))
check "... and of each port" poll 5 announced h1 h2c1 $((port + 8))
stop silent
exec 9>&-
stop later

# --- state that is damaged is set aside ---

state=/run/slim-lab/$name/h1/state
printf 'garbage' | dd of="$state/connections" conv=notrunc status=none
check "h1's router is killed with a damaged state file" kill_child h1
check "it says so" has "/run/slim-lab/$name/h1/router.log" "connections is damaged"
check "... and has put it aside" test -e "$state/connections.damaged"
check "the connection lives all the same" lives slim damaged

# The same source port again, whose connection lives, though h1 does not know of it any more: h2
# holds the new one back until the old one is over.
cat >"$work/again.py" <<'END'
import socket, sys

def connect():
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", int(sys.argv[3])))
    sock.settimeout(10)
    sock.connect((sys.argv[1], int(sys.argv[2])))
    sock.sendall(b"x")
    return sock

first = connect()
assert first.recv(1) == b"x"
print("first", flush=True)
input()
second = connect()
second.settimeout(0.5)
try:
    second.recv(1)
    sys.exit("it was not held back")
except TimeoutError:
    pass
first.close()
second.settimeout(10)
assert second.recv(1) == b"x"
END
mkfifo "$work/again-in"

again()
{
	(
		launch=(exec)
		in_ h1c1 python3 "$work/again.py" "$server" "$port" "$1" <"$work/again-in"
	) >"$work/again" 2>&1 &
	background_pids[again]=$!
	exec 9>"$work/again-in"
	poll 5 has "$work/again" first
	printf 'garbage' | dd of="$state/connections" conv=notrunc status=none
	kill_child h1
	poll 10 announced h1 h2c1 $port
	echo >&9
	exec 9>&-
	finish again || {
		cat "$work/again"
		return 1
	}
}

met=$(counter h2 tuple_in_use)
# (Where a router does not come to its turn in time, the packet path is taken.)
for ((i = 0; i < 5; i++)); do
	! again $((20000 + i)) >"$work/held-back" 2>&1 || break
done
check "a connection whose virtual 4-tuple the other side still has is held back, then served" \
	holds "$i < 5"
check "it was in the other side's ledger, indeed" holds "$(counter h2 tuple_in_use) > $met"

for tag in "${!kept[@]}"; do
	fd=${kept[$tag]}
	exec {fd}>&-
	stop "kept-$tag"
done
stop uring
stop echo
stop crr
