#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 33-programs.sh - unmodified programs between two hosts that both require slim.ko: iperf3, redis, nginx, curl
#
# Each is to take the slim path with all its connections and bytes, each end of a connection is to be sealed, and
# programs are to see virtual names: what they say of both ends is what slim.ko has for that very socket. TEST_SHORT=1:
# one run of each program.
#
# needs: curl nginx redis-benchmark redis-cli redis-server wrk
# limit: 240
# clock: instructions
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=../e2e/nginx.sh
. "$(dirname "$0")/../e2e/nginx.sh"
sealed=$build/tests/qemu/sealed
declare -A now=() past=() more=()

guard() { "$sealed" "/run/netns/$(space "$1")"; }
nobody_lives() { guard "$1" >"$work/guard-$1" && grep '"live":0,' "$work/guard-$1"; }

# numbers: what the routers have counted, what slim.ko has of their hosts, and what went over the client's device, in now[]:
# HOST.NAME and device. What that was before is in past, and the differences are in more
numbers()
{
	local host key value

	for key in "${!now[@]}"; do
		past[$key]=${now[$key]}
	done
	for host in h1 h2; do
		poll 10 nobody_lives "$host"
		ctl "$host" -j status >"$work/status-$host"
	done
	while read -r key value; do
		now[$key]=$value
	done < <(ip -n "$(space h1c1)" -j -s link show eth0 |
		jq -r --slurpfile status1 "$work/status-h1" --slurpfile guard1 "$work/guard-h1" \
			--slurpfile status2 "$work/status-h2" --slurpfile guard2 "$work/guard-h2" '
			def numbers_of(host): to_entries[] | select(.value | type == "number") | "\(host).\(.key) \(.value)";
			($status1[0].counters + $guard1[0] | numbers_of("h1")),
			($status2[0].counters + $guard2[0] | numbers_of("h2")),
			"device \(.[0].stats64 | .rx.bytes + .tx.bytes)"')
	for key in "${!now[@]}"; do
		more[$key]=$((now[$key] - ${past[$key]:-0}))
	done
}

# guarded TEXT CONNECTIONS BYTES COMMAND...: it succeeds, with so many connections at least since numbers were last asked
# for, none of which takes the packet path or is not sealed, and so many bytes, which pass both ends' sealed sockets.
# (Both are expressions of what is known when it has ended.)
guarded()
{
	local text=$1 connections bytes host

	check "$text" "${@:4}"
	numbers
	connections=$(($2))
	bytes=$(($3))
	check "$text: on the slim path" holds "$connections > 0 && ${more[h1.connects_slim]} >= $connections &&
		${more[h1.connects_packet]} == 0 && ${more[device]} < 20000"
	check "$text: all were claimed, none was carried" holds \
		"${more[h2.claims]} == ${more[h1.connects_slim]} && ${more[h2.splices]} == 0"
	for host in h1 h2; do
		check "$text: each was sealed on $host" holds "${more[$host.sealed]} == ${more[h1.connects_slim]}"
		check "$text: its bytes passed sealed sockets there" holds \
			"$bytes > 0 && ${more[$host.tx_bytes]} + ${more[$host.rx_bytes]} >= $bytes"
	done
}

# Of the last one: what one end has sent the other has received. (Who ends with a reset does not hear of all.)
whole()
{
	check "$1: to the byte" holds \
		"${more[h1.tx_bytes]} == ${more[h2.rx_bytes]} && ${more[h1.rx_bytes]} == ${more[h2.tx_bytes]}"
}

# sealed_as HOST LOCAL PEER: a live socket there has these names
sealed_as()
{
	guard "$1" | jq -e --arg local "$2" --arg peer "$3" 'any(.sockets[]; .local == $local and .peer == $peer)'
}

# --- iperf3 ---

size=20971520
buffer=200000
# It ends with resets, as iperf3 does not read what is under way then. So what the sending end has not heard of is at most
# what a stream's send buffer holds: twice what was asked for, and a segment that began below that.
unheard=$((2 * buffer + 65536))

# iperf ADDRESS ARGUMENT...: sends that size
iperf()
{
	in_ h1c1 iperf3 -c "$1" -n "$size" -w "$buffer" -J "${@:2}" >"$work/client" || {
		cat "$work/client"
		return 1
	}
}

# iperf_saw TESTS CONNECTIONS CLIENT SERVER: the last one of so many sent all, and had so many connections from this virtual
# address to that one (besides the one for control), as both ends say
iperf_saw()
{
	jq -en --argjson size "$size" --argjson tests "$1" --argjson connections "$2" --arg client "$3" --arg server "$4" \
		--slurpfile here "$work/client" --slurpfile there "$work/iperf" '
		($here[0].start.connected | map([.local_host, .local_port, .remote_host, .remote_port]) | sort) as $ends |
		$here[0].end.sum_sent.bytes >= $size and ($there | length) == $tests and ($ends | length) == $connections and
		all($ends[]; .[0] == $client and .[2] == $server and .[3] == 5201) and
		($there[-1].start.connected | map([.remote_host, .remote_port, .local_host, .local_port]) | sort) == $ends' || {
		cat "$work/client" "$work/iperf"
		return 1
	}
}

iperf_all()
{
	serve iperf shim h2c1 5201 iperf3 -s -J
	guarded "iperf3" 2 $((size - unheard)) iperf "$server"
	check "iperf3 sees virtual names" poll 10 iperf_saw 1 1 "$client" "$server"
	[[ ! ${TEST_SHORT:-} ]] || return 0
	guarded "iperf3 over IPv6, backwards, two streams, sendfile" 3 $((size - 2 * unheard)) iperf "$server6" -R -P 2 -Z
	check "iperf3 sees virtual names, IPv6" poll 10 iperf_saw 2 2 "$client6" "$server6"
}

# --- redis ---

redis() { in_ h1c1 redis-cli -h "$server" "$@"; }

subscribed() { redis client list | grep cmd=subscribe >"$work/subscriber"; }
# subscriber FIELD: what redis says of it
subscriber() { sed "s/.* $1=\([^ ]*\).*/\1/" "$work/subscriber"; }

redis_large()
{
	head -c 2000000 /dev/zero | tr '\0' x >"$work/large" &&
		in_ h1c1 redis-cli -h "$server6" -x set large <"$work/large" | grep OK &&
		in_ h1c1 redis-cli -h "$server6" get large | tr -d '\n' | cmp - "$work/large"
}

redis_all()
{
	local addr laddr

	serve redis shim h2c1 6379 redis-server --port 6379 --bind '0.0.0.0 ::' --protected-mode no --save '' \
		--appendonly no --dir "$work"
	# Each of LRANGE's answers has a hundred values of 3 bytes, and 6 around each.
	guarded "redis-benchmark, 50 connections" 50 "500 * 100 * 9" \
		in_ h1c1 redis-benchmark -h "$server" -t ping,set,get,lrange_100 -n 500 -c 50 -q
	whole "redis-benchmark, 50 connections"
	[[ ! ${TEST_SHORT:-} ]] || return 0
	guarded "redis-cli over IPv6, a large value" 2 4000000 redis_large
	whole "redis-cli over IPv6, a large value"
	background subscriber in_ h1c1 redis-cli -h "$server" subscribe news
	check "a client of redis stays" poll 20 subscribed
	addr=$(subscriber addr)
	laddr=$(subscriber laddr)
	equal "redis knows it, and itself, by virtual names" "$client $server:6379" "${addr%:*} $laddr"
	check "... which are those of the sealed socket" sealed_as h2 "$laddr" "$addr"
	check "... and of the client's" sealed_as h1 "$addr" "$laddr"
	stop subscriber
	numbers
}

# --- nginx ---

# curl_large HOST: what curl says of the connection is in $work/names
curl_large()
{
	in_ h1c1 curl -sS -g -o "$work/got" -w '%{local_ip} %{local_port} %{remote_ip} %{remote_port}\n' \
		"http://$1/large" >"$work/names" && cmp "$work/got" "$work/www/large"
}

# nginx_logs CLIENT: the last request was curl's, with the names that curl saw, from that address
nginx_logs() { [[ $(tail -n 1 "$work/access.log") == "$(<"$work/names")" && $(<"$work/names") == "$1 "* ]]; }

# wrk_each: a connection for each request
# shellcheck disable=SC2034
wrk_each()
{
	wrk_ 80 -t1 -c4 -d1s -H 'Connection: close' && requests=$(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' "$work/wrk")
}

nginx_all()
{
	nginx_start
	guarded "nginx sends curl a large file, over IPv6" 1 3000000 curl_large "[$server6]"
	whole "nginx sends curl a large file, over IPv6"
	check "nginx and curl see the same names" poll 5 nginx_logs "$client6"
	check "nginx logs no other names" nginx_knows_only_virtual
	[[ ! ${TEST_SHORT:-} ]] || return 0
	guarded "nginx with wrk, a connection each" requests "requests * $(wc -c <"$work/www/index.html")" wrk_each
	check "nginx logs no other names" nginx_knows_only_virtual
}

check "there is a module (tests/qemu/run --build-module)" test "${KMOD:-}"
modprobe slim
export LAB_CONFIG="guard require;"
lab_start -C 1
for host in h1 h2; do
	equal "$host hands over sealed sockets alone" "ready require" \
		"$(ctl "$host" -j guard | jq -r '.guard | "\(.state) \(.configured)"')"
done
client=$(address h1c1)
client6=$(address -6 h1c1)
server=$(address h2c1)
server6=$(address -6 h2c1)
numbers
iperf_all
stop iperf
redis_all
stop redis
nginx_all
stop nginx
for host in h1 h2; do
	equal "$host's module has refused and cut nothing" "0 0 0" \
		"$(guard "$host" | jq -r '"\(.denied) \(.attacks) \(.cut)"')"
done
