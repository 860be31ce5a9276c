#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 11-guarded.sh - a sealed socket does for a well-behaved program what it does otherwise
#
# clock: instructions
# limit: 120
set -euo pipefail
# shellcheck source=guard.sh
. "$(dirname "$0")/guard.sh"

guard_start
"$programs/guarded"
guard_end
