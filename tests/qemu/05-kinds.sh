#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 05-kinds.sh - sockets of other kinds than TCP's, and TCP's in uncommon use, between containers of two hosts
#
# limit: 240
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

kinds=$build/tests/shim/kinds

ready_or_gone() { [[ $(ss -Hltn 'sport = :7777') ]] || ended server; }

# natively CASE WORDS: what it says without Slim, on one machine, has these; both ends saying nothing but errors would
# be the same with the shim and without
natively()
{
	local served=()

	[[ $("$kinds" list 127.0.0.1 1) != *"$1 pair"* ]] || served=("$1")
	background server timeout 20 "$kinds" server 127.0.0.1 7777 "${served[@]}"
	poll 20 ready_or_gone
	timeout 20 "$kinds" client 127.0.0.1 7777 "$1" 2>&1 | tee "$work/client"
	stop server
	cat "$work/server"
	grep -qFx "$2" "$work/client"
}

# differential COMPARISONS CASE...
differential()
{
	"$top/tests/shim/run" --part v4-wire-glibc "${@:2}" | tee "$work/said"
	grep -qFx "$1 passed, 0 failed, 0 skipped" "$work/said"
}

modprobe vsock_loopback
cases=()
while read -r case line; do
	cases+=("kinds:$case")
	check "$case, natively: $line" natively "$case" "$line"
done <<-'END'
	tcp echoed: x
	mptcp it has fallen back to TCP: 0
	mptcp_to_tcp echoed: x
	tcp_to_mptcp echoed: x
	sctp echoed: x
	sctp_many echoed: m
	datagram/udp echoed: x
	datagram/udplite echoed: x
	raw reply: 0
	packet echoed: p
	vsock echoed: x
	unix getpeername: 0
	tls TCP_ULP: tls
	uring_connects echoed: x
	uring_connects_again connect again: EISCONN
	uring_refused connect: ECONNREFUSED
	uring_accepts echoed: x
END
# Each has a path on plain sockets; a path and a text with the shim on both ends, and on either.
check "the same with the shim, over the path that is to be taken" differential $((7 * ${#cases[@]})) "${cases[@]}"
