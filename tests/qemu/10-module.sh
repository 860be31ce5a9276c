#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 10-module.sh - slim.ko comes and goes; its netlink family, for right and wrong messages from all sorts of askers
#
# limit: 120
set -euo pipefail
# shellcheck source=guard.sh
. "$(dirname "$0")/guard.sh"

ftrace() { echo "$1" >/proc/sys/kernel/ftrace_enabled; }

guard_start
check_not "ftrace, which it needs, cannot be switched off" ftrace 0
check "it can be removed" rmmod slim
check "then it can" ftrace 0
check "the module loads without it" modprobe slim
"$programs/module" incomplete
rmmod slim
check "ftrace is there again" ftrace 1
check "the module is loaded again" modprobe slim
# What has data of a socket that it is then to leave alone
modprobe kcm
"$programs/module"
ip netns add other
ip link add other0 type veth peer name other1 netns other
"$programs/requests"
"$programs/requests" /run/netns/other
ip netns del other
check "a host's namespace ends, whatever was asked about it" poll 10 fails ip link show other0
mkfifo "$work/hold"
"$programs/module" hold <"$work/hold" >"$work/said" &
holder=$!
exec {input}>"$work/hold"
check "a socket is sealed" poll 10 grep ready "$work/said"
check_not "while it lives, the module stays" rmmod slim
exec {input}>&-
wait "$holder"
check "when it has gone, the module can, too" poll 10 rmmod slim
modprobe slim
"$programs/module" random 1 20000 &
first=$!
"$programs/module" random 2 5000
wait "$first"
check "ten times more" again 10
guard_end
