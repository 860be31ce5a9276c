#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 22-nomemory.sh - requests to slim.ko that lack memory fail for that, and change nothing
#
# kernels: debug
# limit: 120
set -euo pipefail
# shellcheck source=guard.sh
. "$(dirname "$0")/guard.sh"

guard_start
# Allocations that may sleep fail as well; nothing is said of it.
echo N >/sys/kernel/debug/failslab/ignore-gfp-wait
echo 0 >/sys/kernel/debug/failslab/verbose
"$programs/nomemory"
guard_end
