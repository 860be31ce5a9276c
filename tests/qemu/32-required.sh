#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 32-required.sh - "guard require": without slim.ko no host socket is handed over, and programs go on
#
# clock: instructions
# limit: 240
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

guard() { ctl "$1" -j guard | jq -r "$2"; }
guard_is() { [[ $(guard "$1" .guard.state) == "$2" ]]; }
connect() { in_ h1c1 "$build/tests/shim/connect" client "$(address h2c1)" "$port" blocking; }
serve_at()
{
	port=$1
	serve "echo$port" shim h2c1 "$port" "$build/tests/shim/connect" server "$(address h2c1)" "$port"
}

check "there is a module (tests/qemu/run --build-module)" test "${KMOD:-}"
# (The kernel loads it by itself where it can.)
modprobe -r slim
mv "$KMOD" "$KMOD.away"
export LAB_CONFIG="guard require;"
lab_start -C 1
equal "routers know that the module is missing" "missing refusing" \
	"$(guard h1 .guard.state) $(ctl h1 -j status | jq -r .mode)"
check "and say what to do" has <(ctl h1 status) "modprobe slim"
serve_at 7000
before=$(counter h1 connects_packet)
check "a program connects" connect
equal "by the packet path" $((before + 1)) "$(counter h1 connects_packet)"
equal "no host socket was handed over" 0 "$(counter h1 connects_slim)"

mv "$KMOD.away" "$KMOD"
echo 0 >/proc/sys/kernel/ftrace_enabled
modprobe slim
check "one comes that can do less: h1 does not take it for enough" poll 20 guard_is h1 incomplete
check "h2 does not, either" poll 20 guard_is h2 incomplete
equal "no host socket is handed over" refusing "$(ctl h1 -j status | jq -r .mode)"
check "it says what is open" has <(ctl h1 status) "ioctls are not refused"
before=$(counter h1 connects_packet)
check "a program connects" connect
equal "by the packet path" $((before + 1)) "$(counter h1 connects_packet)"
equal "no host socket was handed over" 0 "$(counter h1 connects_slim)"
rmmod slim
echo 1 >/proc/sys/kernel/ftrace_enabled
modprobe slim
check "a whole one comes: h1 keeps sockets" poll 20 guard_is h1 ready
check "h2 does, too" poll 20 guard_is h2 ready
# Each has its sockets to the module open from now on.
stop "echo$port"
remember_routers
serve_at 7001
check "a program connects" connect
equal "by the slim path" 1 "$(counter h1 connects_slim)"
equal "with a seal" 1 "$(counter h1 guard_sealed)"

# Only the accepting host is without it: what comes in is carried by its router.
ctl h2 guard drain >/dev/null
before=$(counter h2 splices)
check "the other end drained: a program connects" connect
equal "by the slim path" 2 "$(counter h1 connects_slim)"
check "which the other router carries" holds "$(counter h2 splices) == $before + 1"
