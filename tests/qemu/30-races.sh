#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 30-races.sh - everything that can be done with slim.ko, at once; and loading and removing it meanwhile
#
# limit: 180
set -euo pipefail
# shellcheck source=guard.sh
. "$(dirname "$0")/guard.sh"

# Removed whenever that is possible, and loaded again
come_and_go()
{
	while [[ ! -e $work/over ]]; do
		! rmmod slim 2>/dev/null || modprobe slim
	done
}

guard_start
"$programs/races" 10
come_and_go &
going=$!
for ((i = 0; i < 10; i++)); do
	"$programs/module" hold </dev/null >/dev/null 2>&1 || true
done
: >"$work/over"
wait "$going"
check "after all that it can be loaded" modprobe slim
"$programs/races" 2
guard_end
