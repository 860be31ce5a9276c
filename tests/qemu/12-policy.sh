#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 12-policy.sh - a policy in slim.ko: told, put in force, asked, and kept
#
# clock: instructions
# limit: 180
set -euo pipefail
# shellcheck source=guard.sh
. "$(dirname "$0")/guard.sh"

guard_start
"$programs/policy"
guard_end
