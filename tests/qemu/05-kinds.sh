#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 05-kinds.sh - sockets of other kinds than TCP's, and TCP's in uncommon use, between containers of two hosts
#
# limit: 240
set -uo pipefail

cd "$(dirname "$0")/../.."
kinds=build/tests/shim/kinds
failures=0

passed() { echo "ok       $*"; }

failed()
{
	echo "FAILED   $*"
	failures=1
}

# natively CASE WORDS: what it says without Slim, on one machine, has these; both ends saying nothing but errors would
# be the same with the shim and without
natively()
{
	local case=$1 server served=()

	[[ $("$kinds" list 127.0.0.1 1) != *"$case pair"* ]] || served=("$case")
	timeout 20 "$kinds" server 127.0.0.1 7777 "${served[@]}" >/tmp/server 2>&1 &
	server=$!
	until [[ $(ss -Hltn 'sport = :7777') ]] || ! kill -0 "$server" 2>/dev/null; do :; done
	timeout 20 "$kinds" client 127.0.0.1 7777 "$case" >/tmp/client 2>&1
	kill "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	if grep -qFx "$2" /tmp/client; then
		passed "$case: $2"
	else
		failed "$case: $2"
		sed 's/^/         | /' /tmp/client /tmp/server
	fi
}

# differential CASE...: the same with and without the shim; what the runner says is shown where it is not
differential()
{
	local number

	tests/shim/run --part v4-wire-glibc "$@" >/tmp/out 2>&1
	number=$(sed -n 's/^\([0-9]*\) passed, 0 failed, 0 skipped$/\1/p' /tmp/out)
	# Each case has a path on plain sockets, and a path and a text with the shim on both, and on either end
	if [[ $number == $((7 * $#)) ]]; then
		passed "the same with the shim, over the path that is to be taken: $number comparisons"
	else
		failed "the same with the shim, over the path that is to be taken"
		sed 's/^/         | /' /tmp/out
	fi
}

modprobe vsock_loopback
cases=()
while read -r case line; do
	cases+=("$case")
	natively "$case" "$line"
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
differential "${cases[@]/#/kinds:}"
exit "$failures"
