# SPDX-License-Identifier: MIT
#
# guard.sh - what tests of slim.ko share: the module, an address of the host's, and that nothing is left behind
# shellcheck shell=bash

# shellcheck source=../e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
programs=$build/tests/qemu

# guard_start: with the module, and 192.0.2.1 on a device that swallows whatever is for others of its network
guard_start()
{
	# A test before this one may have ended early.
	ip link del host0 2>/dev/null || true
	check "the module loads" modprobe slim
	ip link add host0 type dummy
	ip addr add 192.0.2.1/24 dev host0
	ip link set host0 up arp off
}

# again TIMES: removed and loaded
again()
{
	local i

	for ((i = 0; i < $1; i++)); do
		rmmod slim
		modprobe slim
	done
}

guard_end()
{
	check "nothing keeps the module" poll 10 rmmod slim
	ip link del host0
	equal "no warning of the kernel's" 0 "$(kernel_warnings)"
}
