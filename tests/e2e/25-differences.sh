#!/bin/bash
# SPDX-License-Identifier: MIT
# What a program can tell of Slim (tests/shim/differences.txt), where it takes more than a program to see
# it: a router that does not answer, another container, a sanitiser.
. "$(dirname "$0")/lib.sh"

# A router that is stopped on purpose excuses nothing.
unwatched=(env -u SLIM_DEBUG)
# shellcheck disable=SC2034 # lib.sh reads it
late_on_purpose=1

moments=$programs/moments

lab_start -H 2

is_there() { grep -q "$2" "$work/$1"; }
stopped() { [[ $(sed 's/^.*) //' "/proc/$1/stat") == T* ]]; }
queued() { [[ $(sockets "$1" -ltn "sport = :$2" | awk '{ print $2 }') == 1 ]]; }

# The router itself, below its keeper
router() { ps -o pid= --ppid "$(router_pid "$1")" | tr -d ' '; }

halt()
{
	kill -STOP "$(router "$1")"
	poll 5 stopped "$(router "$1")"
}

resume()
{
	kill -CONT "$(router "$1")"
	poll 5 ctl "$1" status
}

# accepts HOW PORT [leap]: what a server says that accepts a connection which waits, while its router is
# stopped or not
accepts()
{
	local as=()

	[[ $1 == answers ]] || as=("${unwatched[@]}")
	serve "server-$2" shim h2c1 "$2" "${as[@]}" "$moments" accept "$2" "$work/go-$2" "${@:3}"
	background "client-$2" in_ h1c1 nc "$(address h2c1)" "$2"
	poll 5 queued h2c1 "$2"
	[[ $1 == answers ]] || halt h2
	touch "$work/go-$2"
	finish "server-$2" || true
	[[ $1 == answers ]] || resume h2
	stop "client-$2"
	sed 1d "$work/server-$2"
}

# difference: no-answer
equal "accept says who it is" "peer $(address h1c1)" "$(accepts answers 7601)"
equal "accept says nothing of who it is, where the router does not answer" "peer 0.0.0.0" "$(accepts halted 7602)"

# difference: leapt
equal "a signal that comes later than accept" "peer $(address h1c1)" "$(accepts answers 7603 leap)"
equal "one that comes while accept asks the router" leapt "$(accepts halted 7604 leap)"

# connects HOW PORT HOST: what a client says, while that host's router is stopped or not; its server has
# ended where that is its own host's
connects()
{
	local as=()

	[[ $1 == answers ]] || as=("${unwatched[@]}")
	serve "server-$2" shim h2c1 "$2" "${as[@]}" "$moments" accept "$2" "$work/go-$2"
	background "client-$2" in_ h1c1 "${as[@]}" "$moments" connect "$(address h2c1)" "$2" "$work/go-$2"
	poll 5 is_there "client-$2" waiting
	[[ $1 == answers ]] || halt "$3"
	[[ $3 == h1 ]] || finish "server-$2" KILL 2>/dev/null || true
	touch "$work/go-$2"
	poll 5 is_there "client-$2" connect
	[[ $1 == answers ]] || resume "$3"
	finish "client-$2" || true
	stop "server-$2"
	sed 1d "$work/client-$2"
}

# difference: asking
equal "a connect" "connect: done, before a signal, soon
read: the end" "$(connects answers 7605 h1)"
equal "a connect that asks a router in vain is not interrupted" "connect: done, behind a signal, late
read: the end" "$(connects halted 7606 h1)"

# difference: vanished
before=$(counter h1 connects_slim)
equal "a listener that is gone, of which the peer has not heard" "connect: done, before a signal, soon
read: Connection reset by peer" "$(connects halted 7607 h2)"
check "it was on the slim path" holds "$(counter h1 connects_slim) > $before"

# difference: tenants
cat >"$work/pass.py" <<'END'
import socket
import sys

side, path = sys.argv[1:3]
with socket.socket(socket.AF_UNIX) as unix:
    if side == "give":
        with socket.create_connection((sys.argv[3], int(sys.argv[4]))) as passed:
            unix.connect(path)
            socket.send_fds(unix, [b"f"], [passed.fileno()])
            unix.recv(1)
    else:
        unix.bind(path)
        unix.listen()
        with unix.accept()[0] as giver:
            fds = socket.recv_fds(giver, 1, 1)[1]
            print(socket.socket(fileno=fds[0]).getpeername()[0])
END
# passed shim|plain NODE: the peer of a connection of h1c1's, as a program in NODE sees it
passed()
{
	local taker=take-$1-$2

	background "$taker" with "$1" "$2" python3 "$work/pass.py" take "$work/$taker.sock"
	poll 5 test -e "$work/$taker.sock"
	in_ h1c1 python3 "$work/pass.py" give "$work/$taker.sock" "$(address h2c1)" 7608 || true
	finish "$taker" || true
	sed 's/^::ffff://' "$work/$taker"
}

serve echo shim h2c1 7608 python3 "$e2e/servers.py" threads 7608
before=$(counter h1 connects_slim)
equal "a connection that is passed within a container" "$(address h2c1)" "$(passed shim h1c1)"
equal "one that is passed to another container" "$(address h2)" "$(passed shim h1c2)"
# difference: without-shim
equal "one that is passed to a program without the shim" "$(address h2)" "$(passed plain h1c1)"
equal "they were on the slim path" $((before + 3)) "$(counter h1 connects_slim)"

# difference: unseen
# seen NODE: the ports of its connections' peers, as ss says there
seen() { sockets "$1" -tn state established "dport = :${2:-7608}" | awk '{ print $4 }' | sed 's/.*://'; }
shown() { [[ $(seen "$@") ]]; }
slim_port()
{
	ctl h1 -j connections | jq -er '.connections[]
		| select(.state == "ESTAB" and (.virtual_peer | endswith(":7608"))).host_peer | sub(".*:"; "")'
}

background plain plain h1c1 nc "$(address h2c1)" 7608
poll 5 shown h1c1
equal "ss shows a plain connection in its container" 7608 "$(seen h1c1)"
stop plain
background slim in_ h1c1 nc "$(address h2c1)" 7608
poll 5 slim_port
equal "it shows one of Slim's in its host" "$(slim_port)" "$(seen h1 "$(slim_port)")"
equal "and not in its container" "" "$(seen h1c1)"
stop slim
stop echo

# difference: route
cat >"$work/mtu.py" <<'END'
import socket
import sys

IP_MTU = 14


def mtu(connection):
    try:
        return "known" if connection.getsockopt(socket.IPPROTO_IP, IP_MTU) else "none"
    except OSError as error:
        return error.strerror


with socket.create_server(("", int(sys.argv[1]))) as listener:
    with listener.accept()[0] as accepted:
        before = mtu(accepted)
        accepted.sendall(b"x")
        print(f"IP_MTU: {before}, then {mtu(accepted)}")
END
# routed PORT: what a server says of the next packet's size before it has sent, and after
routed()
{
	local before

	serve "mtu-$1" shim h2c1 "$1" python3 "$work/mtu.py" "$1"
	before=$(counter h1 connects_slim)
	in_ h1c1 nc "$(address h2c1)" "$1" </dev/null >/dev/null
	finish "mtu-$1" || true
	cat "$work/mtu-$1"
	same $((before + 1)) "$(counter h1 connects_slim)"
}
policy()
{
	printf '%s\n' "$@" >"/run/slim-lab/$name/policy.new"
	mv "/run/slim-lab/$name/policy.new" "/run/slim-lab/$name/policy"
	reload_all
}

equal "how large the next packet may be" "IP_MTU: known, then known" "$(routed 7609)"
policy "tenant t1" "allow tcp dscp af21"
equal "... where a rule gives packets a TOS" "IP_MTU: Transport endpoint is not connected, then known" "$(routed 7610)"
policy "tenant t1"

# difference: sanitiser
echo 'int main(void) { return 0; }' | gcc -fsanitize=address -x c -o "$work/sanitised" -
check "a sanitised program, without the shim" plain h1c1 "$work/sanitised"
check_not "with it" in_ h1c1 "$work/sanitised"
check "... whose place is behind the sanitiser's" in_ h1c1 env \
	LD_PRELOAD="$(gcc -print-file-name=libasan.so) $build/libslim.so" "$work/sanitised"
