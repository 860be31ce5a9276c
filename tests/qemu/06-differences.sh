#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 06-differences.sh - what can be told of Slim (tests/shim/differences.txt) in control groups
#
# clock: instructions
# kernels: 6.1
# needs: python3
# limit: 180
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

groups=/sys/fs/cgroup

# A client: "fill" writes until nobody takes any more, and stays; "byte" has one byte sent back, and ends first
cat >"$work/client.py" <<'END'
import signal
import socket
import sys

how, address, port = sys.argv[1:]
with socket.create_connection((address, int(port))) as connection:
    if how == "byte":
        connection.sendall(b"x")
        connection.recv(1)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
    else:
        connection.settimeout(1)
        try:
            while True:
                connection.send(bytes(65536))
        except TimeoutError:
            print("full", flush=True)
        signal.pause()
END

# A server that reads nothing
cat >"$work/mute.py" <<'END'
import socket
import sys

kept = []
with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        kept.append(listener.accept())
END

# in_group GROUP COMMAND...
in_group()
{
	# shellcheck disable=SC2016,SC2031
	"${launch[@]}" bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$groups/$1" "${@:2}"
}

is_full() { grep -q full "$work/$1"; }
memory() { sed -n 's/^sock //p' "$groups/$1/memory.stat"; }
is_charged() { (($(memory "$1") > 100000)); }

# client GROUP shim|plain: a connection whose buffers are full, of a program in that control group
client()
{
	mkdir "$groups/$1"
	background "$1" in_group "$1" "$top/tests/lab" -n "$name" exec h1c1 ${2:+"$2"} -- \
		python3 "$work/client.py" fill "$(address h2c1)" 7000
	check "$1: a connection whose buffers are full" poll 30 is_full "$1"
}

lab_start -C 1
echo +memory >"$groups/cgroup.subtree_control"

# difference: memory
serve mute shim h2c1 7000 python3 "$work/mute.py" 7000
before=$(counter h1 connects_slim)
client slim ''
equal "... on the slim path" $((before + 1)) "$(counter h1 connects_slim)"
client plain --plain
# The kernel sums up all groups at once.
check "a plain socket's memory is its program's" poll 30 is_charged plain
equal "a slim socket's is not" 0 "$(memory slim)"
stop slim
stop plain
stop mute

# On this kernel too, as the audit says, no ticket stays in TIME_WAIT
serve spliced shim h2c1 7001 "$programs/uring_accept" listen 7001
before=$(counter h2 splices)
in_ h1c1 python3 "$work/client.py" byte "$(address h2c1)" 7001
equal "a spliced connection" $((before + 1)) "$(counter h2 splices)"
stop spliced
