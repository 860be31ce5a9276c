#!/bin/bash
# SPDX-License-Identifier: MIT
# Random policies follow one another while connections come and go: whoever lives half a second after a reload
# is allowed by it, and whoever connects while it is in force is told what it says.
. "$(dirname "$0")/../e2e/lib.sh"

seed=${E2E_SEED:-$RANDOM}
questions=$top/tests/policy/questions.py
names=()

lab_start -H 2 -C 2
for container in $(containers); do
	names+=("$container=$(address "$container"),$(address -6 "$container")")
	serve "server-$container" shim "$container" 6007 python3 "$questions" serve
	for host in $(hosts); do
		for port in {6000..6006}; do
			poll 10 announced "$host" "$container" "$port"
		done
	done
	# Nftables may follow later: whoever would take the packet path, as a router was late, is to get an error.
	for prefix in 10.32.0.0/17 fd32::/49; do
		ip -n "$(space "$container")" route add unreachable $prefix
	done
done
slim() { counter h1 connects_slim; }
before=$(slim)
check "seed $seed: nobody lives that is denied, and all are told what is in force" \
	python3 "$top/tests/policy/storm.py" run "$top/tests/lab -n $name" "/run/slim-lab/$name/policy" "$seed" \
	"${E2E_ROUNDS:-25}" 2 "${names[@]}"
tail -n 1 "$work/out" | sed 's/^/         /'
check_not "no server has ended" grep -s . "$work"/server-*
check "on the slim path" holds "$(slim) > $before"
check "connections were cut" holds "$(counter h1 connections_cut) > 0"
equal "of the packet path there are none" "0 0" \
	"$(counter h1 connections_cut_packet) $(counter h2 connections_cut_packet)"
