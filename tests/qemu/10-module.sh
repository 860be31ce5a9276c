#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 10-module.sh - slim.ko comes and goes; its netlink family, for right and wrong messages from all sorts of askers
#
# limit: 120
set -euo pipefail
# shellcheck source=guard.sh
. "$(dirname "$0")/guard.sh"

guard_start
check "it can be removed" rmmod slim
check "and loaded again" modprobe slim
"$programs/module"
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
"$programs/module" random 1 20000
check "ten times more" again 10
guard_end
