#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 14-gone.sh - how slim.ko tells which sealed sockets are gone: several at a time
#
# clock: instructions
set -euo pipefail
# shellcheck source=guard.sh
. "$(dirname "$0")/guard.sh"

guard_start
"$programs/gone"
guard_end
