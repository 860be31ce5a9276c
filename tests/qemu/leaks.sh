#!/bin/bash
# SPDX-License-Identifier: MIT
#
# leaks.sh - what the tests before it have left, on a kernel that looks after itself: memory; and were locks looked at?
#
# limit: 120
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

leaks=/sys/kernel/debug/kmemleak

scan() { echo scan >"$leaks"; }
none_is_lost() { cat "$leaks" >"$work/leaks" && [[ ! -s $work/leaks ]]; }

check "nothing keeps slim.ko" poll 30 modprobe -r slim
check "memory is looked at" scan
# What is younger than five seconds, or has changed since, is not told.
sleep 6
check "and again" scan
check "there is none that nothing points to" none_is_lost
sed 's/^/         | /' "$work/leaks"
check "locks were looked at until now" grep -E '^ *debug_locks: *1$' /proc/lockdep_stats
