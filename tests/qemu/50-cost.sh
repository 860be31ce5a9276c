#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 50-cost.sh - what the guard costs: round trips, throughput and set-ups with slim.ko, by those without it
#
# The machine's clock counts instructions: what is compared is how many of them everything takes, programs, shims, routers
# and kernel of both hosts, and not times. Rounds with the module change with rounds in which it is not loaded; programs
# and routers, which look after it (guard prefer), are the same ones throughout. Each run's connections were sealed
# at both ends, or at none, and all of them took the slim path and were handed over.
#
# clock: instructions
# limit: 900
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

rounds=${TEST_ROUNDS:-5}
bench=$build/tests/bench
# How much each does in a round, how many connections all of them are, and what of the open ones' is asked of the guarded
declare -A count=([rr]=1500 [bulk]=400 [crr]=150)
connections=152
declare -A least=([rr]=0.98 [bulk]=0.98 [crr]=0.95)
declare -A title=([rr]="round trips" [bulk]="buffers of 128 KiB" [crr]="set-ups")
declare -A port=([rr]=7001 [bulk]=7002 [crr]=7003)
declare -A size=([rr]=1 [bulk]=131072 [crr]=1)

# --- with the module, or without ---

# status HOST FILTER: without what `tests/lab` takes, which here are instructions that somebody waits for
status() { "$build/slimctl" -s "/run/slim-lab/$name/$1/control.sock" -j status | jq -r "$2"; }
mode_is() { [[ $(status "$1" .mode) == "$2" ]]; }
is_loaded() { [[ -e /sys/module/slim ]]; }
# Routers look after the module every two seconds; to wait costs nothing here.
let_look() { read -rt 2.5 <> <(:) || true; }

# mode_comes HOST MODE
mode_comes()
{
	local tries

	for ((tries = 0; tries < 10; tries++)); do
		! mode_is "$@" || return 0
		let_look
	done
	return 1
}

# become open|guarded
become()
{
	local host

	if [[ $1 == guarded ]] && ! is_loaded; then
		check "the module is loaded" insmod "$KMOD"
		let_look
	elif [[ $1 == open ]] && is_loaded; then
		check "the module is removed" poll 10 rmmod slim
		let_look
	fi
	for host in h1 h2; do
		check "$host's router knows" mode_comes "$host" "$1"
	done
}

# --- one run ---

# counted VARIANT: connections by the slim path, those that were handed over where they came in, and seals of both hosts: by
# the module where there is one, else by the routers
counted()
{
	local host

	echo "$(status h1 .counters.connects_slim) $(status h2 .counters.claims)"
	for host in h1 h2; do
		if [[ $1 == guarded ]]; then
			"$build/tests/qemu/module" sealed "/run/netns/$(space "$host")"
		else
			status "$host" .counters.guard_sealed
		fi
	done
}

# grown VARIANT BEFORE COUNT...: by so many each
grown()
{
	local now before i

	read -ra before -d '' <<<"$2" || true
	read -ra now -d '' < <(counted "$1") || true
	for i in "${!before[@]}"; do
		echo "${now[i]} - ${before[i]} == ${*:i+3:1}"
		((now[i] - before[i] == ${*:i+3:1})) || return 1
	done
}

# run ROUND VARIANT TEST
run()
{
	check "$3 runs, $2" in_ h1c1 "$bench/$3" client "$server" -p "${port[$3]}" -n "${count[$3]}" -s "${size[$3]}"
	jq -c --arg variant "$2" --argjson round "$1" '. + { $variant, $round }' "$work/out" >>"$work/figures"
}

# measure ROUND VARIANT
measure()
{
	local sealed=0 before test

	[[ $2 == open ]] || sealed=$connections
	become "$2"
	before=$(counted "$2")
	for test in rr bulk crr; do
		run "$1" "$2" "$test"
	done
	check "all $connections connections took the slim path, sealed at $sealed and $sealed ends" \
		poll 5 grown "$2" "$before" "$connections" "$connections" "$sealed" "$sealed"
}

# --- what it comes to ---

# figures TEST: median, least and most of the rounds' ratios; medians of how many instructions one takes, guarded and open
# shellcheck disable=SC2016
figures()
{
	jq -rs --arg test "$1" '
		def median: sort | .[length / 2 | floor];
		def of($variant): map(select(.variant == $variant) | .per_second);
		map(select(.test == $test)) |
		[group_by(.round)[] | of("guarded")[0] / of("open")[0]] as $ratios |
		[$ratios | median, min, max | . * 10000 | round / 10000] +
		[of("guarded", "open") | 1e9 / median | round] | join(" ")' "$work/figures"
}

judge()
{
	local ratio low high guarded open

	read -r ratio low high guarded open < <(figures "$1")
	check "${title[$1]}: guarded $ratio of open ($low to $high in $rounds rounds; $guarded and $open instructions), at \
least ${least[$1]}" jq -en "$ratio >= ${least[$1]}"
}

check "there is a module (tests/qemu/run --build-module)" test "${KMOD:-}"
export LAB_CONFIG="guard prefer;"
lab_start -C 1
for host in h1 h2; do
	check "$host keeps sockets" mode_comes "$host" guarded
done
server=$(address h2c1)
for test in rr bulk crr; do
	serve "$test" shim h2c1 "${port[$test]}" "$bench/$test" server -p "${port[$test]}" -s "${size[$test]}"
done
check "a program connects" in_ h1c1 "$bench/crr" client "$server" -p "${port[crr]}" -n 1
# All that they need is there: from now on the kernel loads nothing by itself, slim.ko least of all.
modprobe=$(</proc/sys/kernel/modprobe)
echo >/proc/sys/kernel/modprobe
for ((round = 1; round <= rounds; round++)); do
	if ((round % 2)); then
		measure "$round" open
		measure "$round" guarded
	else
		measure "$round" guarded
		measure "$round" open
	fi
done
for test in rr bulk crr; do
	judge "$test"
done
become guarded
echo "$modprobe" >/proc/sys/kernel/modprobe
