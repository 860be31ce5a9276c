#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 01-smoke.sh - a virtual machine has what tests want of it
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

rules()
{
	nft -f - <<-'END' && nft delete table inet t && nft delete table bridge t
	table inet t { chain c { type filter hook input priority 0; ct state established accept; }; }
	table bridge t { chain c { type filter hook prerouting priority 0; reject; }; }
	END
}

devices()
{
	ip link add br0 type bridge && ip link add vx0 type vxlan id 1 dstport 4789 dev lo &&
		ip link set vx0 master br0 && ip link delete vx0 && ip link delete br0
}

namespaces() { ip netns add n && ip -n n link set lo up && ip netns delete n; }
# shellcheck disable=SC2016
preloads() { env LD_PRELOAD="$build/libslim.so" bash -c '[[ $(</proc/$$/maps) == *libslim.so* ]]'; }

check "programs of ours find their libraries" "$build/slimctl" --help
check "so does the router" "$build/slimrouter" --help
check "the shim is preloaded" preloads
check "nftables' bridge family rejects" rules
check "there are bridges and VXLAN" devices
check "namespaces are made and removed" namespaces
if [[ ${KMOD:-} ]]; then
	check "slim.ko is loaded" modprobe slim
	check "slim.ko is unloaded" rmmod slim
fi
