#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 20-attacks.sh - what a container could do with a host's socket, and cannot do with a sealed one
#
# clock: instructions
# limit: 300
set -euo pipefail
# shellcheck source=guard.sh
. "$(dirname "$0")/guard.sh"

guard_start
# What some attacks are after
modprobe tls
modprobe kcm
echo 1 >/proc/sys/net/core/tstamp_allow_data
echo 3 >/proc/sys/net/ipv4/tcp_fastopen
[[ ! -e /proc/sys/kernel/yama/ptrace_scope ]] || echo 0 >/proc/sys/kernel/yama/ptrace_scope
"$programs/attacks"
guard_end
