#!/bin/bash
# SPDX-License-Identifier: MIT
# Random policies follow one another while connections come and go, on both paths, and a container does, with other
# labels: whoever lives half a second after a reload is allowed by it, and whoever connects while it is in force
# is told what it says.
#
# runs: alone, since it keeps all processors at work
. "$(dirname "$0")/../e2e/lib.sh"

seed=${E2E_SEED:-$RANDOM}
questions=$top/tests/policy/questions.py
names=()
labels=(tier=a tier=b)

lab_start -H 2 -C 2
if [[ ${SLIM_DEBUG:-} ]]; then
	chmod 711 "$work"
	install -m 666 /dev/null "$SLIM_DEBUG"
fi
for container in $(containers); do
	label "$container" "${labels[${#names[@]} % 2]}"
	names+=("$container=$(address "$container"),$(address -6 "$container"),${labels[${#names[@]} % 2]}")
	# Nftables may follow later: whoever is of the slim path (NOBODY), and would take that of packets, as a
	# router was late, is to get an error.
	for prefix in 10.32.0.0/16 fd32::/48; do
		ip -n "$(space "$container")" "$([[ $prefix == *:* ]] && echo -6 || echo -4)" rule add \
			uidrange 65534-65534 to $prefix unreachable
	done
	# (The last one, which comes and goes, is served by storm.py.)
	[[ $container != h2c2 ]] || continue
	serve "server-$container" shim "$container" 6007 python3 "$questions" serve
	for host in $(hosts); do
		for port in {6000..6006}; do
			poll 10 announced "$host" "$container" "$port"
		done
	done
done
slim() { counter h1 connects_slim; }
before=$(slim)
check "seed $seed: nobody lives that is denied, and all are told what is in force" \
	python3 "$top/tests/policy/storm.py" run "$top/tests/lab -n $name" "/run/slim-lab/$name/policy" "$seed" \
	"${E2E_ROUNDS:-20}" 2 "${names[@]}"
tail -n 1 "$work/out" | sed 's/^/         /'
check_not "no server has ended" grep -s . "$work"/server-*
check "on the slim path" holds "$(slim) > $before"
for host in h1 h2; do
	check "connections were cut at $host" holds "$(counter $host connections_cut) > 0"
	check "... and on the packet path" holds "$(counter $host connections_cut_packet) > 0"
done
