#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 15-memory.sh - what 10,000 sealed connections take of the kernel's memory
#
# clock: instructions
# limit: 120
set -euo pipefail
# shellcheck source=guard.sh
. "$(dirname "$0")/guard.sh"

guard_start
"$programs/memory" 10000 512
guard_end
