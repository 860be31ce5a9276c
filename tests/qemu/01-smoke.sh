#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 01-smoke.sh - a virtual machine has what tests want of it
set -uo pipefail

failures=0

# check TEXT COMMAND...
check()
{
	local text=$1 out

	shift
	if out=$("$@" 2>&1); then
		echo "ok       $text"
	else
		echo "FAILED   $text"
		echo "         $*: $out"
		failures=1
	fi
}

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

check "the kernel is the one that was asked for" grep -q "Linux version $(uname -r)" /proc/version
check "programs of ours find their libraries" build/slimctl --help
check "so does the router" build/slimrouter --help
check "the shim is preloaded" env LD_PRELOAD=/slim/build/libslim.so SLIM_DEBUG=/tmp/shim bash -c ': </dev/null'
check "nftables' bridge family rejects" rules
check "there are bridges and VXLAN" devices
check "namespaces are made and removed" bash -c 'ip netns add n && ip -n n link set lo up && ip netns delete n'
check "vsock goes round" modprobe vsock_loopback
if [[ ${KMOD:-} ]]; then
	check "slim.ko is loaded" modprobe slim
	check "slim.ko is unloaded" rmmod slim
fi
exit "$failures"
