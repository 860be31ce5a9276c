#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 13-events.sh - what slim.ko tells; and that whoever keeps a socket's lock delays the end of that one alone
#
# clock: instructions
# limit: 120
set -euo pipefail
# shellcheck source=guard.sh
. "$(dirname "$0")/guard.sh"

guard_start
"$programs/events"
guard_end
