# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lib.sh - what the end-to-end tests share: a lab of their own, checks, the audit
#
# A test sources this file, calls lab_start, makes checks, and ends; the rest happens
# on exit. Each check prints one line that begins with "ok", "FAILED" or "skipped", which
# tests/e2e/run counts. Nothing sleeps in the hope that something has happened by then:
# poll waits for conditions.
set -euo pipefail
shopt -s inherit_errexit

e2e=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
top=$(dirname "$(dirname "$e2e")")
build=${SLIM_LAB_BIN:-$top/build}
# shellcheck disable=SC2034
programs=$build/tests/e2e
name=e2e-$(basename "$0" .sh)-$$
work=$(mktemp -d "/tmp/slim-e2e-XXXXXX")
lab_is_up=
failures=0
# shellcheck disable=SC2034
cut_ms=${E2E_CUT_MS:-500}	# within which what a reload denies has ended
too_late=75		# exit status: there were failures, and a router had not its 50 ms to answer
# What the shims do is written down where that is of use.
[[ -z ${E2E_SHIMS:-} ]] || export SLIM_DEBUG=$work/shims

# --- checks ---

# check TEXT COMMAND...: that it succeeds; what it prints is shown where it does not
check()
{
	local text=$1

	shift
	if "$@" >"$work/out" 2>&1; then
		echo "ok       $text"
	else
		echo "FAILED   $text"
		failures=$((failures + 1))
		echo "         $*"
		tail -n 20 "$work/out" | sed 's/^/         | /'
	fi
}

check_not()
{
	local text=$1

	shift
	check "$text" fails "$@"
}

fails() { ! "$@"; }

# equal TEXT EXPECTED FOUND
equal() { check "$1" same "$2" "$3"; }

same()
{
	[[ $1 == "$2" ]] || {
		diff <(echo "$1") <(echo "$2")
		return 1
	}
}

# holds EXPRESSION: of arithmetic; shown with its values
holds()
{
	echo "$1"
	(($1))
}

skip() { echo "skipped  $*"; }

# has FILE TEXT...
has() { grep -F -- "$2" "$1"; }

# poll SECONDS COMMAND...: until it succeeds; if it does not, what it says the last time. (TEST_SLOWNESS: the
# kernel is so many times slower, tests/qemu/run)
poll()
{
	local end=$((SECONDS + $1 * ${TEST_SLOWNESS:-1}))

	shift
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS > end)); then
			echo "not within the time: $*"
			"$@"
			return 1
		fi
		sleep 0.02
	done
}

# --- the lab ---

lab() { "$top/tests/lab" -n "$name" "$@"; }
ctl() { lab ctl "$@"; }

# in_ NODE COMMAND..., with the shim; plain NODE COMMAND..., without. In the background
# the shell makes room for the command, so that signals reach it.
launch=()

in_()
{
	local node=$1

	shift
	"${launch[@]}" "$top/tests/lab" -n "$name" exec "$node" -- "$@"
}

plain()
{
	local node=$1

	shift
	"${launch[@]}" "$top/tests/lab" -n "$name" exec "$node" --plain -- "$@"
}

# with shim|plain NODE COMMAND...
with()
{
	if [[ $1 == shim ]]; then
		in_ "${@:2}"
	else
		plain "${@:2}"
	fi
}

address() { lab addr "$@"; }
space() { echo "slim-$name-$1"; }
sockets() { ip netns exec "$(space "$1")" ss -H "${@:2}"; }
router_pid() { cut -d ' ' -f 1 "/run/slim-lab/$name/$1/router.pid"; }
# (`ip netns list` complains of those of other labs that are being removed.)
spaces() { find /run/netns -name "slim-$name-*" -printf '%f\n' | sort; }
hosts() { spaces | sed -n "s/^slim-$name-\(h[0-9]*\)$/\1/p"; }
containers() { spaces | sed -n "s/^slim-$name-\(h[0-9]*\(t[0-9]*\)\?c[0-9]*\)$/\1/p"; }

# counter HOST NAME: one of `slimctl status`
counter() { ctl "$1" -j status | jq ".counters.$2"; }

# followed HOST: do its nftables say what the policy in force says?
followed() { ctl "$1" -j status | jq -e .policy.packet_path_current; }

# reload_all: the policy of all hosts; it is in force on both paths then
reload_all()
{
	local host

	for host in $(hosts); do
		ctl "$host" reload >/dev/null
	done
	for host in $(hosts); do
		poll 10 followed "$host"
	done
}

# device_bytes CONTAINER: what went over its veth so far, both ways
device_bytes()
{
	ip -n "$(space "$1")" -j -s link show eth0 |
		jq '.[0].stats64 | .rx.bytes + .tx.bytes'
}

# --- processes in the background ---

declare -A background_pids=()

# background TAG COMMAND...: its output goes to $work/TAG
background()
{
	local tag=$1

	shift
	(
		launch=(exec)
		"$@"
	) >"$work/$tag" 2>&1 </dev/null &
	background_pids[$tag]=$!
}

# finish TAG [SIGNAL]: ends it; returns its exit status where it had ended by itself, and shows what it said
# where that is a failure
finish()
{
	local pid=${background_pids[$1]:-} status=0

	[[ $pid ]] || return 0
	unset "background_pids[$1]"
	[[ ! ${2:-} ]] || kill "-$2" "$pid" 2>/dev/null || true
	wait "$pid" || status=$?
	((!status)) || [[ ${2:-} ]] || tail -n 20 "$work/$1"
	return "$status"
}

stop() { finish "$1" TERM 2>/dev/null || true; }

# ended TAG: does it run no more?
ended() { ! kill -0 "${background_pids[$1]}" 2>/dev/null; }

# listening NODE PORT: is there a TCP listener?
listening() { [[ $(sockets "$1" -ltn "sport = :$2") ]]; }

# announced HOST NODE PORT: has the host's router heard that the container listens there?
announced()
{
	ctl "$1" -j listeners | jq -e --argjson port "$3" --arg a4 "$(address "$2")" \
		--arg a6 "$(address -6 "$2")" '[.listeners[] | select(.port == $port and
			(.address == $a4 or .address == $a6))] | length > 0'
}

# serve TAG shim|plain NODE PORT COMMAND...: a server; returns when clients may come
serve()
{
	local tag=$1 kind=$2 node=$3 port=$4 host

	shift 4
	background "$tag" with "$kind" "$node" "$@"
	if ! poll 10 listening "$node" "$port"; then
		sed 's/^/         | /' "$work/$tag"
		return 1
	fi
	[[ $kind == shim ]] || return 0
	for host in $(hosts); do
		poll 10 announced "$host" "$node" "$port"
	done
}

# runs PID...: one of them does, and is not just waiting to be reaped
runs()
{
	local pid

	for pid in "$@"; do
		[[ $(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null) != [!Z]* ]] || return 0
	done
	return 1
}

# --- audit ---

fds() { find "/proc/$(router_pid "$1")/fd" -mindepth 1 2>/dev/null | wc -l; }
default_links() { ip -o link | sed 's/^[0-9]*: \([^:]*\):.*/\1/' | sort; }
kernel_warnings() { dmesg 2>/dev/null | grep -cE 'WARNING:|BUG:|Oops|refcount' || true; }

# attach CONTAINER [ARGUMENT]...: with its tenant and addresses, and with these of slimctl
attach()
{
	local container=$1 host=${1%%[tc]*} tenant=1

	if [[ $container == *t* ]]; then
		tenant=${container##*t}
		tenant=${tenant%%c*}
	fi
	ctl "$host" attach "$container" --netns "/run/netns/$(space "$container")" \
		--tenant "t$tenant" --ip "$(address "$container"),$(address -6 "$container")" "${@:2}"
}

# label CONTAINER LABEL: it has that one, and no other
label()
{
	ctl "${1%%[tc]*}" detach "$1" >/dev/null
	attach "$1" --label "$2" >/dev/null
}

detach_all()
{
	local host container

	for host in $(hosts); do
		for container in $(ctl "$host" -j containers | jq -r '.containers[].name'); do
			ctl "$host" detach "$container"
		done
	done
}

attach_all()
{
	local container

	for container in $(containers); do
		attach "$container"
	done
}

no_connections()
{
	[[ $(ctl "$1" -j status | jq '.connections') == 0 ]]
}

# Those that are left are shown, and what the kernel has.
connections_end()
{
	poll 10 no_connections "$1" && return
	ctl "$1" connections
	sockets "$1" -tnaeo
	return 1
}

meshed()
{
	ctl "$1" -j peers | jq -e --argjson num "$(containers | grep -cv "^$1[tc]")" \
		'([.peers[] | select(.state == "up") | .containers] | add) == $num'
}

# What slimctl shows, and what the kernel has, of slim connections: the ports of both ends. (The
# peer channel is at the first slim port.)
ledger()
{
	ctl "$1" -j connections | jq -r '.connections[] | select(.state == "ESTAB") |
		"\(.host_local | split(":")[-1]) \(.host_peer | split(":")[-1])"' | sort
}

kernel()
{
	sockets "$1" -tn state established | awk '
		function port(name, parts) { return parts[split(name, parts, ":")] }
		function slim(number) { return number > 4790 && number <= 4853 }
		{
			here = port($3); there = port($4)
			if (slim(here) || slim(there))
				print here, there
		}' | sort
}

complete() { same "$(kernel "$1")" "$(ledger "$1")"; }

# What the default namespace and the routers are like before the test
remember()
{
	default_links >"$work/links"
	nft list ruleset >"$work/ruleset"
	kernel_warnings >"$work/warnings"
}

remember_routers()
{
	local host

	detach_all >/dev/null
	for host in $(hosts); do
		fds "$host" >"$work/fds-$host"
	done
	attach_all >/dev/null
	for host in $(hosts); do
		poll 10 meshed "$host"
	done
}

# preload_routers PROGRAM BYTES: the lab's, from now on. Each host's find a file of so many bytes, all zero, which tells
# them what to do: $work/PROGRAM-HOST
preload_routers()
{
	local host

	# (Their namespace's name tells the host.)
	cat >"$work/router" <<-END
		#!/bin/bash
		export ${1^^}=$work/$1-\$(ip netns identify | sed 's/.*-//')
		export ASAN_OPTIONS=\${ASAN_OPTIONS:-}:verify_asan_link_order=0
		export LD_PRELOAD=$programs/$1
		exec ${LAB_ROUTER:-$build/slimrouter} "\$@"
	END
	chmod +x "$work/router"
	export LAB_ROUTER=$work/router
	for host in h1 h2; do
		head -c "$2" /dev/zero >"$work/$1-$host"
	done
}

lab_start()
{
	remember
	lab up "$@"
	lab_is_up=1
	remember_routers
}

few_fds() { (($(fds "$1") <= $(<"$work/fds-$1"))); }
time_wait_tickets() { sockets "$1" -tan state time-wait | grep -E '127\.83\.76\.77|fd53:4c49:4d'; }
nothing_left() { ! ip -n "$(space "$1")" -o link | grep -E 'slim[a-z]*[0-9a-f]{6}'; }
no_channel() { ! sockets "$1" -xl | grep slim/router; }

no_device()
{
	! ip -n "$(space "$1")" -o link show dev eth0 2>/dev/null &&
		! ip -n "$(space "$1")" -6 address show dev lo | grep fd53
}

sane()
{
	local log=/run/slim-lab/$name/$1/router.log

	# (Without memory libnftables' own process asserts that there is some, which the router logs.)
	! grep -v "nftables says: .*Assertion .s != NULL' failed" "$log" |
		grep -E -A 30 'Sanitizer|runtime error|[Aa]ssertion'
}

consistent()
{
	ctl "$1" -j status | jq -e '.counters | .frames_bad == 0 and
		.claims + .splices <= .accepts - .accepts_refused and .preamble_forged == 0'
}

# Detaches everything: for what happened meanwhile there must be nothing left.
audit()
{
	local host container

	for host in $(hosts); do
		[[ ! ${audit_skip_router:-} ]] || continue
		check "audit: $host's router still runs" kill -0 "$(router_pid "$host")"
		check "audit: $host has no connections left" connections_end "$host"
		check "audit: $host's counters are consistent" consistent "$host"
	done
	for container in $(containers); do
		check_not "audit: no ticket is in TIME_WAIT in $container" time_wait_tickets "$container"
	done
	detach_all >/dev/null
	for container in $(containers); do
		check "audit: detach left nothing in $container" poll 5 no_device "$container"
		check "audit: $container has no channel" no_channel "$container"
	done
	for host in $(hosts); do
		check "audit: detach left nothing in $host" poll 5 nothing_left "$host"
		check "audit: no fd is left in $host's router" poll 5 few_fds "$host"
		keep_counters "$host"
		lab router "$host" stop
		check "audit: $host's router has nothing to complain of" sane "$host"
	done
}

# keep_counters HOST: what its router has counted, for later
keep_counters()
{
	ctl "$1" -j status 2>/dev/null | jq '.counters | with_entries(select(.value != 0))' \
		>"$work/$1-counters" 2>/dev/null || true
}

# How often a router's answer came too late for a shim, or was another one since it would have. A test that makes
# routers late on purpose unsets SLIM_DEBUG, or says late_on_purpose=1 where that shows in their counters alone.
lates()
{
	[[ ${SLIM_DEBUG:-} ]] || return 0
	{
		grep -cs "no answer from the router in time" "$SLIM_DEBUG"
		[[ ${late_on_purpose:-} ]] || jq '.connects_late // 0' "$work"/*-counters 2>/dev/null
	} | jq -s 'add // 0' || true
}

on_exit()
{
	local status=$? tag late=0 before=$failures

	trap - EXIT
	set +e
	for tag in "${!background_pids[@]}"; do
		stop "$tag"
	done
	if [[ $lab_is_up ]]; then
		((status)) || audit
		if ((status || failures)) && [[ ${E2E_KEEP:-} ]]; then
			echo "         lab $name is kept"
		else
			((!status && !failures)) || show_logs
			lab down
		fi
	fi
	if [[ -e $work/links ]]; then
		check "audit: the default namespace's links are as before" \
			same "$(<"$work/links")" "$(default_links)"
		check "audit: the default namespace's rules are as before" \
			same "$(<"$work/ruleset")" "$(nft list ruleset)"
		check "audit: the kernel has not warned" \
			same "$(<"$work/warnings")" "$(kernel_warnings)"
	fi
	if ((status)); then
		echo "FAILED   $(basename "$0") ended early with status $status"
	fi
	late=$(lates)
	rm -rf "$work"
	# What ends a test, or what it leaves behind, is no matter of time.
	if ((late && failures && !status && failures == before)); then
		echo "         a router was late $late times"
		exit "$too_late"
	fi
	exit $((status || failures))
}

show_logs()
{
	local log host

	for log in "/run/slim-lab/$name"/h*/router.log; do
		[[ -e $log ]] || continue
		host=$(basename "$(dirname "$log")")
		echo "         --- $host's router"
		tail -n 15 "$log" | sed 's/^/         | /'
		[[ ! -e $work/$host-counters ]] || sed 's/^/         | /' "$work/$host-counters"
	done
	[[ -s ${SLIM_DEBUG:-} ]] || return 0
	echo "         --- what the shims said, and how often"
	sed 's/^slim.[0-9]*. //; s/descriptor [0-9]*/a descriptor/' "$SLIM_DEBUG" | sort | uniq -c | sed 's/^/         | /'
}

trap on_exit EXIT
