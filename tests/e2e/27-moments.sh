#!/bin/bash
# SPDX-License-Identifier: MIT
# What a program can tell of Slim (tests/shim/differences.txt) in moments that are microseconds long: routers are
# stopped in them (halt_points.c), and programs held (held.c), until all has been seen.
. "$(dirname "$0")/lib.sh"

# A router that is stopped on purpose excuses nothing.
unwatched=(env -u SLIM_DEBUG)
# shellcheck disable=SC2034 # lib.sh reads it
late_on_purpose=1

preload_routers halt_points 1
lab_start -H 2 -C 1
server=$(address h2c1)

# The router itself, below its keeper
router() { ps -o pid= --ppid "$(router_pid "$1")" | tr -d ' '; }
stopped() { [[ $(sed 's/^.*) //' "/proc/$(router "$1")/stat") == T* ]]; }

# arm HOST POINT: where its router stops next
arm() { printf '%s' "$2" 1<>"$work/halt_points-$1"; }

halt()
{
	kill -STOP "$(router "$1")"
	poll 5 stopped "$1"
}

resume()
{
	kill -CONT "$(router "$1")"
	poll 5 ctl "$1" status
}

is_there() { grep -q "$2" "$work/$1"; }
lines() { [[ $(wc -l <"$work/$1") == "$2" ]]; }

# --- a server that says of each connection what came, once that has ended ---

cat >"$work/log.py" <<'END'
import socket
import sys
import threading


def serve(connection):
    received = b""
    try:
        while chunk := connection.recv(64):
            received += chunk
        print(received.decode() or "nothing", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
    connection.close()


with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
END

# A client: connects, writes one byte and is gone
cat >"$work/byte.py" <<'END'
import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(b"x")
END

serve log shim h2c1 7700 python3 "$work/log.py" 7700
before=$(counter h1 connects_slim)
in_ h1c1 python3 "$work/byte.py" "$server" 7700
check "a server has seen a connection" poll 5 lines log 1
equal "... one alone, with its byte" x "$(<"$work/log")"
equal "... on the slim path" $((before + 1)) "$(counter h1 connects_slim)"

# difference: seen-twice
arm h1 s
background client in_ h1c1 "${unwatched[@]}" python3 "$work/byte.py" "$server" 7700
check "a client's router stops between connecting and handing over" poll 5 stopped h1
check "the client goes on over the packet path" finish client
check "its server has seen that connection" poll 5 lines log 2
resume h1
check "... and another one, that ends" poll 5 lines log 3
equal "... with nothing" "x
x
nothing" "$(<"$work/log")"

# difference: late-end
arm h1 c
background client in_ h1c1 "${unwatched[@]}" python3 "$work/byte.py" "$server" 7700
check "a client's router stops before it closes its copy" poll 5 stopped h1
check "the client ends" finish client
equal "its connection has not" 1 "$(kernel h1 | wc -l)"
resume h1
check "the server sees it end once the router has closed its copy" poll 5 lines log 4
equal "... and nothing else" x "$(tail -n 1 "$work/log")"
stop log

# --- a server that is held between its claim's answer and the next instruction ---

cat >"$work/accept.py" <<'END'
import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    connection = listener.accept()[0]
    try:
        print(connection.recv(64).decode() or "nothing", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
END

# The router is another one, and has spliced as many connections.
has_spliced() { [[ $(router "$1") != "$2" && $(counter "$1" splices) == "$3" ]]; }

# accepted PORT held|free: what a server says whose router is killed when it has handed a connection over, and that
# has got it, or not
accepted()
{
	local old held=()

	[[ $2 == free ]] || held=("$programs/held" dup3 1 "$work/go-$1")
	serve "server-$1" shim h2c1 "$1" "${unwatched[@]}" "${held[@]}" python3 "$work/accept.py" "$1"
	arm h2 a
	background "client-$1" in_ h1c1 python3 "$work/stay.py" "$server" "$1"
	poll 5 stopped h2
	[[ $2 == free ]] || poll 5 is_there "server-$1" held
	old=$(router h2)
	kill -KILL "$old"
	[[ $2 == free ]] || poll 10 has_spliced h2 "$old" 1
	touch "$work/go-$1"
	finish "server-$1" || true
	stop "client-$1"
	poll 10 ctl h2 status
	sed '/^held$/d' "$work/server-$1"
}

# A client: writes one byte, and stays until the end
cat >"$work/stay.py" <<'END'
import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(b"x")
    connection.recv(64)
END

# difference: read-twice
equal "a server whose router is killed after it has got a connection" x "$(accepted 7701 free)"
said=$(accepted 7702 held)
check "one that is held then, until the next router has taken the connection for lost, goes on" test "$said"
check_not "... and does not see what that router has read" same x "$said"

# --- a client whose last descriptors are taken in the moment in which its connection comes ---

cat >"$work/full.py" <<'END'
import os
import resource
import socket
import sys
import threading
import time

LIMIT = 32


def take_all(go):
    """As soon as the file is there"""
    while not os.path.exists(go):
        time.sleep(0.001)
    try:
        while True:
            os.dup(0)
    except OSError:
        print("taken", flush=True)


resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
threading.Thread(target=take_all, args=[sys.argv[3]], daemon=True).start()
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(b"x")
END

# fills LATER: a client that is held before it receives the router's answer. Another thread takes all descriptors
# while it is, or later
fills()
{
	background "full-$1" in_ h1c1 "$programs/held" recvmsg 2 "$work/full-$1-go" \
		python3 "$work/full.py" "$server" 7703 "$work/full-$1-take"
	poll 5 is_there "full-$1" held
	[[ $1 == later ]] || touch "$work/full-$1-take"
	[[ $1 == later ]] || poll 5 is_there "full-$1" taken
	touch "$work/full-$1-go"
	finish "full-$1"
}

# difference: last-descriptors
serve greedy shim h2c1 7703 python3 "$work/log.py" 7703
before=$(counter h1 connects_slim)
check "a client that is held before its connection comes" fills later
check "... is seen by its server" poll 5 lines greedy 1
equal "... once" x "$(<"$work/greedy")"
check "one whose last descriptors another thread takes meanwhile" fills meanwhile
check "... is seen twice" poll 5 lines greedy 3
equal "... of which one connection ends at once" "nothing
x" "$(tail -n 2 "$work/greedy" | sort)"
equal "both were on the slim path first" $((before + 2)) "$(counter h1 connects_slim)"
stop greedy

# --- a crowd before a listener that accepts nobody ---

cat >"$work/crowd.py" <<'END'
import resource
import select
import socket
import sys

NUMBER = 1100

resource.setrlimit(resource.RLIMIT_NOFILE, (2 * NUMBER, 2 * NUMBER))
poll = select.poll()
crowd = {}
for _ in range(NUMBER):
    connection = socket.socket()
    connection.setblocking(False)
    connection.connect_ex((sys.argv[1], int(sys.argv[2])))
    crowd[connection.fileno()] = connection
    poll.register(connection, 0)
print("connected", flush=True)
while crowd:
    for fd, event in poll.poll():
        poll.unregister(fd)
        crowd.pop(fd).close()
        print("ended", flush=True)
END

cat >"$work/mute.py" <<'END'
import signal
import socket
import sys

with socket.create_server(("", int(sys.argv[1])), backlog=1) as listener:
    signal.pause()
END

# crowd PORT: comes to a listener whose router is stopped, so that no peer hears that it is busy. False: the machine is
# so slow that the peer has given that router up before all were there, which takes 3 s.
crowd()
{
	local before refused lost

	before=$(counter h1 connects_slim)
	refused=$(counter h2 tickets_refused)
	lost=$(counter h1 peer_channels_lost)
	serve "mute-$1" shim h2c1 "$1" python3 "$work/mute.py" "$1"
	halt h2
	background "crowd-$1" in_ h1c1 python3 "$work/crowd.py" "$server" "$1"
	poll 30 is_there "crowd-$1" connected
	crowd_slim=$(($(counter h1 connects_slim) - before))
	resume h2
	(($(counter h1 peer_channels_lost) == lost)) || return
	check "a crowd comes before anybody knows that their server is busy" holds "$crowd_slim > 1060"
	check "... those that are too many are reset" poll 20 ended_as_refused "$1" "$refused"
	check "... and 1024 are not" holds "$crowd_slim - $(reset_in "$1") >= 1024"
}

reset_in() { grep -c ended "$work/crowd-$1" || true; }

# ended_as_refused PORT REFUSED: have as many ended as got no ticket since there were so many of them?
ended_as_refused()
{
	local new=$(($(counter h2 tickets_refused) - $2))

	((new >= 20 && $(reset_in "$1") == new))
}

# difference: crowd
for port in 7704 7705 7706 7707 7708; do
	came=
	crowd "$port" && came=1
	stop "crowd-$port"
	stop "mute-$port"
	[[ ! $came ]] || break
done
check "a crowd has come in time" test "$came"
