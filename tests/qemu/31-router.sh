#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 31-router.sh - routers and slim.ko: what is handed over is sealed, and the module keeps the policy
#
# needs: python3
# clock: instructions
# limit: 300
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

policy=/run/slim-lab/$name/policy
put() { printf '%s\n' "$@" >"$policy.new" && mv "$policy.new" "$policy"; }
guard() { ctl "$1" -j guard | jq -r "$2"; }
guard_is() { [[ $(guard "$1" .guard.state) == "$2" ]]; }
guard_lives() { (($(guard "$1" .guard.live) == $2)); }
# What the module itself has counted of a host's containers
attacks() { "$build/tests/qemu/sealed" "/run/netns/$(space "$1")" | jq .attacks; }
connect() { in_ h1c1 "$build/tests/shim/connect" client "$(address h2c1)" 7000 blocking; }
said() { grep -F -- "$2" <(lab router "$1" log); }
up() { grep -q '^up' "$work/$1"; }

# What a program sees without the shim's help: the kernel's own words
names='
import os, socket, subprocess, sys
s = socket.create_connection((sys.argv[1], 7000))
show = "import socket; s = socket.socket(fileno=%d); print(s.getsockname()[0], *s.getpeername())" % s.fileno()
env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
subprocess.run([sys.executable, "-c", show], env=env, pass_fds=[s.fileno()], check=True)
'

check "there is a module (tests/qemu/run --build-module)" test "${KMOD:-}"
lab_start -C 1
check "h1 keeps sockets" poll 10 guard_is h1 ready
check "h2 keeps sockets" poll 10 guard_is h2 ready
equal "status says so" guarded "$(ctl h1 -j status | jq -r .mode)"
serve echo shim h2c1 7000 "$build/tests/shim/connect" server "$(address h2c1)" 7000
before=$(counter h1 connects_slim)
check "a program connects" connect
equal "by the slim path" $((before + 1)) "$(counter h1 connects_slim)"
check "its end was sealed" holds "$(counter h1 guard_sealed) == 1"
equal "without the shim, names are virtual, too" "$(address h1c1) $(address h2c1) 7000" \
	"$(in_ h1c1 python3 -c "$names" "$(address h2c1)")"

# --- policy ---

background live in_ h1c1 "$top/tests/e2e/cut.py" connect "$(address h2c1)" 7000 read
check "a connection lives" poll 20 up live
put "tenant t1" "allow tcp from container h1c1 to container h2c1 port 7000" "default deny"
reload_all
check "a policy allows it" kill -0 "${background_pids[live]}"
check "the module has that policy" holds "$(guard h1 .guard.generation) > 0"
put "tenant t1" "deny tcp from container h1c1 to container h2c1 port 7000" "default allow"
reload_all
check "another one does not" poll 10 ended live
check "its holder is told" grep -E '^end ECONN(ABORTED|RESET)' "$work/live"
check "it is the module that has cut it" said h1 "slim.ko has cut 1 connections"
check "nothing connects" has <(connect) "connect: EACCES"
rm "$policy"
put "tenant t1" "default allow"
reload_all
check "a third one allows it again" connect

# --- another router ---

background live in_ h1c1 "$top/tests/e2e/cut.py" connect "$(address h2c1)" 7000 read
check "a connection lives on" poll 20 up live
check "the guard knows it" poll 10 guard_lives h1 1
ctl h1 upgrade >/dev/null
check "the next router keeps sockets" poll 20 guard_is h1 ready
check "and knows those that there were" guard_lives h1 1
check "the connection has noticed nothing" kill -0 "${background_pids[live]}"
check "a program connects" connect

# --- attacks ---

sealed=$(counter h1 guard_sealed)
check "a program connects with options that are refused, some of which the shim carries over" in_ h1c1 python3 -c '
import socket, sys
options = [(socket.SO_REUSEADDR, 0), (socket.SO_PASSCRED, 1), (11, 1), (socket.SO_DEBUG, 1)]
s = socket.socket()
for option, value in options:
    s.setsockopt(socket.SOL_SOCKET, option, value)
s.connect((sys.argv[1], 7000))
for option, value in options:
    try:
        s.setsockopt(socket.SOL_SOCKET, option, value)
        sys.exit("option %d was set" % option)
    except OSError:
        pass' "$(address h2c1)"
equal "by the slim path, with a seal" $((sealed + 1)) "$(counter h1 guard_sealed)"
equal "that is no attack" 0 "$(attacks h1)"
check_not "a holder cannot bind a host's device" in_ h1c1 python3 -c '
import socket, sys
s = socket.create_connection((sys.argv[1], 7000))
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")' "$(address h2c1)"
check "the router tells of it" poll 10 said h1 "container h1c1: process"
check "and counts it" holds "$(counter h1 guard_attacks) > 0"

# --- draining ---

ctl h1 guard drain >/dev/null
before=$(counter h1 guard_sealed)
check "drained: a program connects" connect
equal "without a seal" "$before" "$(counter h1 guard_sealed)"
equal "the guard says so" draining "$(guard h1 .guard.state)"
check_not "the module cannot go while a socket lives" rmmod slim
ctl h1 guard cut >/dev/null
check "cut: nothing lives" poll 10 ended live
ctl h1 guard resume >/dev/null
check "resumed: a program connects" connect
check "with a seal" holds "$(counter h1 guard_sealed) > $before"
