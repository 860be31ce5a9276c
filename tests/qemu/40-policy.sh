#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 40-policy.sh - what policy denies is refused on the packet path, whatever the kernel's nftables can do where
#
# clock: instructions
# limit: 240
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

policy=/run/slim-lab/$name/policy
put() { printf '%s\n' "$@" >"$policy.new" && mv "$policy.new" "$policy"; }

in_force()
{
	local host

	for host in h1 h2; do
		ctl "$host" reload >/dev/null
	done
	check "nftables follow on h1" poll 30 followed h1
	check "and on h2" poll 30 followed h2
}

# opens ADDRESS PORT: by packets, from h1c1; an answer of either kind comes at once
opens() { plain h1c1 timeout 5 bash -c ": <>/dev/tcp/$1/$2"; }

# tells ADDRESS: what a sender of datagrams hears of the first ones
tells()
{
	# shellcheck disable=SC2016
	plain h1c1 timeout 10 bash -c 'exec 3<>"/dev/udp/$0/7000"
		for _ in $(seq 50); do
			echo x >&3 || exit 1
			read -rt 0.1 <> <(:) || true
		done' "$1"
}

# refused_by TEXT COMMAND...
refused_by() { ! "${@:2}" 2>"$work/said" && grep -F "$1" "$work/said"; }

ports=([4]=7004 [6]=7006)
prohibited=([4]="No route to host" [6]="Permission denied")

lab_start -C 1
to=([4]=$(address h2c1) [6]=$(address -6 h2c1))
for family in 4 6; do
	serve "echo$family" plain h2c1 "${ports[family]}" "$build/tests/shim/connect" server "${to[family]}" \
		"${ports[family]}"
	check "without a policy, ${to[family]} answers" opens "${to[family]}" "${ports[family]}"
done

put "tenant t1" "allow tcp from container h1c1 to container h2c1 port 7001" "default deny"
in_force
for family in 4 6; do
	check "denied: TCP to ${to[family]} is refused" refused_by "Connection refused" \
		opens "${to[family]}" "${ports[family]}"
	check "denied: UDP's sender is told" refused_by "${prohibited[family]}" tells "${to[family]}"
	check_not "denied: no echo of ping comes" plain h1c1 ping -c 1 -W 2 "${to[family]}"
done

put "tenant t1" "allow any from container h1c1 to container h2c1" "default deny"
in_force
for family in 4 6; do
	check "allowed again: ${to[family]} answers" opens "${to[family]}" "${ports[family]}"
	check "and to ping" plain h1c1 ping -c 1 -W 5 "${to[family]}"
done
