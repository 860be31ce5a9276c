# SPDX-License-Identifier: MIT
#
# machines.sh - what tests in two virtual machines share: each is a host, with a router and a container
#
# Both run the test. The first one goes through it; the second one stays in machines_start, where it does what it is told
# over the wire, a line at a time and all in one shell: so whatever functions the test, this file and lib.sh have
# can be called in either (on 2 COMMAND...), as far as they are defined before machines_start.
#
# Hosts are h1 and h2, their containers h1c1 and h2c1. Routers work in the machines' initial network namespaces.
# shellcheck shell=bash

# shellcheck source=../e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
state=/run/slim-host
orders_port=4700
container=h${QEMU_GUEST}c1

wire() { echo "198.18.0.$1"; }

# --- telling the second machine ---

# on NUMBER COMMAND...: in that machine
on()
{
	if (($1 == QEMU_GUEST)); then
		"${@:2}"
	else
		tell "${@:2}"
	fi
}

# tell COMMAND...: what it says is said here, and its status is returned
tell()
{
	local line

	printf '%q ' "$@" >&"$second"
	echo >&"$second"
	while IFS= read -r line <&"$second"; do
		[[ $line != "== "* ]] || return "${line#== }"
		printf '%s\n' "$line"
	done
	echo "the second machine has ended"
	return 125
}

reach_second() { { exec {second}<>"/dev/tcp/$(wire 2)/$orders_port"; } 2>/dev/null; }

# answer: what is told, until that is over; returns with what status. Without an end: 1
answer()
{
	local line said status

	while IFS= read -r line; do
		[[ $line != "over "* ]] || return "${line#over }"
		status=0
		eval "$line" >"$work/answer" 2>&1 </dev/null || status=$?
		said=$(<"$work/answer")
		[[ ! $said ]] || printf '%s\n' "$said"
		echo "== $status"
	done
	return 1
}

listen_and_answer()
{
	coproc first { exec busybox nc -l -p "$orders_port"; }
	answer <&"${first[0]}" >&"${first[1]}"
}

# machines_start: joins them; returns in the first one
machines_start()
{
	local status=0

	modprobe -a virtio_pci virtio_net
	poll 10 test -e /sys/class/net/eth0
	ip address replace "$(wire "$QEMU_GUEST")/24" dev eth0
	ip link set eth0 up
	remember
	modprobe slim
	if ((QEMU_GUEST == 2)); then
		listen_and_answer || status=$?
		if ((status == too_late)); then
			failures=1
			lates() { echo 1; }
		else
			check "the first machine has told what to do until the end" same 0 "$status"
		fi
		exit 0
	fi
	poll "$LAB_TIMEOUT" reach_second
}

# --- a host: in its machine ---

# What lib.sh's functions ask about a host is asked there.
hosts() { printf '%s\n' h1 h2; }
containers() { printf '%s\n' h1c1 h2c1; }
control() { "$build/slimctl" -s "$state/control.sock" "$@"; }
ctl() { on "${1#h}" control "${@:2}"; }
space() { echo "$1"; }

# address [-6] CONTAINER
address()
{
	local node=${*: -1}

	if [[ $1 == -6 ]]; then
		echo "fd32::${node:1:1}:2"
	else
		echo "10.32.${node:1:1}.2"
	fi
}

# inside COMMAND...: in its container, with the shim
# shellcheck disable=SC2031
inside() { "${launch[@]}" "$build/slim-run" --netns "$container" -- "$@"; }

# Its private key is made; its public one is printed
host_key() { mkdir -p "$state" && "$build/slimctl" keygen "$state/host.key"; }

# host_configure GUARD PEER-KEY
host_configure()
{
	local peer=$((3 - QEMU_GUEST))

	cat >"$state/slimrouter.conf" <<-END
		host "h$QEMU_GUEST" { address $(wire "$QEMU_GUEST"); key "$state/host.key"; }
		tenant "t1" { vni 100; prefix 10.32.0.0/16; prefix fd32::/48; }
		peer "h$peer" { address $(wire $peer); public-key "$2"; }
		control "$state/control.sock";
		policy "$state/policy";
		guard $1;
	END
}

# shellcheck disable=SC2031
router() { "${launch[@]}" "$build/slimrouter" -c "$state/slimrouter.conf"; }

host_attach()
{
	ip netns add "$container"
	ip -n "$container" link set lo up
	control attach "$container" --netns "$container" --tenant t1 \
		--ip "$(address "$container"),$(address -6 "$container")"
}

host_start() { background router router && poll "$LAB_TIMEOUT" control status; }

# Nothing of it stays. (A router leaves its rules to the next one.)
host_end()
{
	control detach "$container" && stop router && nft delete table inet slim && ip netns delete "$container" &&
		rm -r "$state" && poll 10 rmmod slim
}

# --- both of them ---

# routers_start GUARD GUARD: of both machines; their containers are attached
routers_start()
{
	keys=('' "$(on 1 host_key)" "$(on 2 host_key)")
	for number in 1 2; do
		on "$number" host_configure "${!number}" "${keys[3 - number]}"
		on "$number" host_start
		on "$number" host_attach >/dev/null
	done
	poll "$LAB_TIMEOUT" meshed h1
	poll "$LAB_TIMEOUT" meshed h2
}

# router_again NUMBER GUARD: another one, while all else there goes on
router_again()
{
	on "$1" stop router
	on "$1" host_configure "$2" "${keys[3 - $1]}"
	on "$1" host_start
	poll "$LAB_TIMEOUT" meshed h1
	poll "$LAB_TIMEOUT" meshed h2
}

# serving NUMBER TAG PORT COMMAND...: a server in that machine's container; returns when clients of both may come
serving()
{
	on "$1" background "$2" inside "${@:4}"
	poll "$LAB_TIMEOUT" on "$1" listening "h$1c1" "$3"
	poll "$LAB_TIMEOUT" announced h1 "h$1c1" "$3"
	poll "$LAB_TIMEOUT" announced h2 "h$1c1" "$3"
}

machines_end()
{
	local number

	for number in 1 2; do
		check "audit: h$number has no connections left" poll 10 no_connections "h$number"
		check "audit: its counters are consistent" consistent "h$number"
		keep_counters "h$number"
		check "audit: its router and slim.ko can go" on "$number" host_end
	done
	# Where either router was late, both machines run the test once more, as one alone does.
	late_in_all=$(($(on 1 lates) + $(on 2 lates)))
	lates() { echo "$late_in_all"; }
	echo "over $((failures && late_in_all ? too_late : 0))" >&"$second"
}
