#!/bin/bash
# SPDX-License-Identifier: MIT
# Random policies: the slim path, the packet path and `policy test` are asked the same questions, with real
# connections and real packets, and answer as slim-policy(5) says.
. "$(dirname "$0")/../e2e/lib.sh"

seed=${E2E_SEED:-$RANDOM}
questions=$top/tests/policy/questions.py
names=()
labels=(tier=a tier=b)

lab_start -H 2 -C 2
for container in $(containers); do
	label "$container" "${labels[${#names[@]} % 2]}"
	names+=("$container=$(address "$container"),$(address -6 "$container"),${labels[${#names[@]} % 2]}")
	serve "server-$container" shim "$container" 6007 python3 "$questions" serve
	for host in $(hosts); do
		for port in {6000..6006}; do
			poll 10 announced "$host" "$container" "$port"
		done
	done
done
check "seed $seed: both paths say what each policy says" python3 "$questions" compare \
	"$top/tests/lab -n $name" "/run/slim-lab/$name/policy" "$seed" "${E2E_POLICIES:-25}" 40 "${names[@]}"
tail -n 1 "$work/out" | sed 's/^/         /'
