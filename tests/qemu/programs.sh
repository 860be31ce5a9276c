#!/bin/bash
# SPDX-License-Identifier: MIT
#
# programs.sh - unmodified programs between two hosts that both require slim.ko: iperf3, redis, nginx, curl
#
# Each is to take the slim path with all its connections and bytes, each end of a connection is to be sealed, and
# programs are to see virtual names: what they say of both ends is what slim.ko has for that very socket.
#
# By name alone (tests/qemu/run tests/qemu/programs.sh): it wants a machine that does little else, as a router that is late has
# connections carried, or sent over the packet path.
#
# needs: curl nginx redis-benchmark redis-cli redis-server wrk
# limit: 400
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
sealed=$build/tests/qemu/sealed
declare -A now=() past=() more=()

guard() { "$sealed" "/run/netns/$(space "$1")"; }
nobody_lives() { guard "$1" >"$work/guard-$1" && grep '"live":0,' "$work/guard-$1"; }

# numbers: what the routers have counted, and what slim.ko has of their hosts, in now[HOST.NAME]; what that was before is in
# past, and the differences are in more
numbers()
{
	local host key value

	for key in "${!now[@]}"; do
		past[$key]=${now[$key]}
	done
	for host in h1 h2; do
		poll 10 nobody_lives "$host"
		while read -r key value; do
			now[$host.$key]=$value
		done < <({ ctl "$host" -j status; cat "$work/guard-$host"; } |
			jq -rs '(.[0].counters + .[1]) | to_entries[] | select(.value | type == "number") | "\(.key) \(.value)"')
	done
	now[device]=$(device_bytes h1c1)
	for key in "${!now[@]}"; do
		more[$key]=$((now[$key] - ${past[$key]:-0}))
	done
}

# guarded TEXT MINIMUM BYTES COMMAND...: it succeeds, with so many connections at least since numbers were last asked for,
# none of which takes the packet path or is not sealed, and so many bytes, which pass both ends' sealed sockets
guarded()
{
	local text=$1 minimum=$2 bytes=$3 host

	shift 3
	check "$text" "$@"
	numbers
	check "$text: on the slim path" holds \
		"${more[h1.connects_slim]} >= $minimum && ${more[h1.connects_packet]} == 0 && ${more[device]} < 20000"
	check "$text: all were claimed, none was carried" holds \
		"${more[h2.claims]} == ${more[h1.connects_slim]} && ${more[h2.splices]} == 0"
	for host in h1 h2; do
		check "$text: each was sealed on $host" holds "${more[$host.sealed]} == ${more[h1.connects_slim]}"
		check "$text: its bytes passed sealed sockets there" holds \
			"${more[$host.tx_bytes]} + ${more[$host.rx_bytes]} >= $bytes"
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

# iperf ADDRESS ARGUMENT...: 20 MB. (It ends with resets, so that the last of what was acknowledged may not be heard of.)
iperf()
{
	in_ h1c1 iperf3 -c "$1" -n 20M -J "${@:2}" >"$work/client" || cat "$work/client"
	jq -e '.end.sum_sent.bytes >= 20000000 and .error == null' "$work/client"
}

# iperf_names FILE: of the last test, each connection's own name and the peer's, but for the one for control
iperf_names()
{
	jq -rs 'last.start.connected[] | "\(.local_host) \(.local_port) \(.remote_host) \(.remote_port)"' "$1" | sort
}

iperf_tests() { [[ $(jq -s length "$work/iperf") == "$1" ]]; }

# iperf_saw TESTS CONNECTIONS CLIENT SERVER: so many were from this virtual address to that one, as both ends say
iperf_saw()
{
	poll 10 iperf_tests "$1"
	[[ $(iperf_names "$work/client" | grep -c "^$3 [0-9]* $4 5201\$") == "$2" ]]
	same "$(iperf_names "$work/client")" "$(iperf_names "$work/iperf" | awk '{ print $3, $4, $1, $2 }' | sort)"
}

iperf_all()
{
	serve iperf shim h2c1 5201 iperf3 -s -J
	guarded "iperf3" 2 18000000 iperf "$server"
	check "iperf3 sees virtual names" iperf_saw 1 1 "$(address h1c1)" "$server"
	guarded "iperf3, backwards, two streams, sendfile" 3 18000000 iperf "$server" -R -P 2 -Z
	check "iperf3 sees virtual names, two streams" iperf_saw 2 2 "$(address h1c1)" "$server"
	guarded "iperf3 over IPv6" 2 18000000 iperf "$server6"
	check "iperf3 sees virtual names, IPv6" iperf_saw 3 1 "$(address -6 h1c1)" "$server6"
	stop iperf
}

# --- redis ---

redis() { in_ h1c1 redis-cli -h "$server" "$@"; }

# subscriber FIELD: what redis says of it
subscriber() { redis client list | sed -n "/cmd=subscribe/s/.* $1=\([^ ]*\).*/\1/p"; }
subscribed() { [[ $(subscriber addr) ]]; }

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
	guarded "redis-benchmark, 50 connections" 50 400000 \
		in_ h1c1 redis-benchmark -h "$server" -t ping,set,get,lrange_100 -n 500 -c 50 -q
	whole "redis-benchmark, 50 connections"
	guarded "redis-cli over IPv6, a large value" 2 4000000 redis_large
	whole "redis-cli over IPv6, a large value"
	background subscriber in_ h1c1 redis-cli -h "$server" subscribe news
	check "a client of redis stays" poll 20 subscribed
	addr=$(subscriber addr)
	laddr=$(subscriber laddr)
	equal "redis knows it, and itself, by virtual names" "$(address h1c1) $server:6379" "${addr%:*} $laddr"
	check "... which are those of the sealed socket" sealed_as h2 "$laddr" "$addr"
	check "... and of the client's" sealed_as h1 "$addr" "$laddr"
	stop subscriber
	stop redis
	numbers
}

# --- nginx ---

nginx_start()
{
	mkdir "$work/www"
	head -c 3000000 /dev/urandom >"$work/www/large"
	echo hello >"$work/www/index.html"
	cat >"$work/nginx.conf" <<-END
	worker_processes 2;
	pid $work/nginx.pid;
	error_log $work/nginx-error.log;
	events { worker_connections 256; }
	http {
		log_format names '\$remote_addr \$remote_port \$server_addr \$server_port';
		access_log $work/access.log names;
		client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work;
		uwsgi_temp_path $work; scgi_temp_path $work;
		sendfile on;
		server { listen 80; listen [::]:80; root $work/www; }
	}
	END
	chmod 755 "$work" "$work/www"
	serve nginx shim h2c1 80 nginx -e "$work/nginx-error.log" -c "$work/nginx.conf" -g 'daemon off; user root;'
}

# curl_large HOST: what curl says of the connection is in $work/names
curl_large()
{
	in_ h1c1 curl -sS -g -o "$work/got" -w '%{local_ip} %{local_port} %{remote_ip} %{remote_port}\n' \
		"http://$1/large" >"$work/names" && cmp "$work/got" "$work/www/large"
}

# nginx_logs CLIENT: the last request was curl's, with the names that curl saw, from that address
nginx_logs() { [[ $(tail -n 1 "$work/access.log") == "$(<"$work/names")" && $(<"$work/names") == "$1 "* ]]; }

only_virtual()
{
	! cut -d ' ' -f 1,3 "$work/access.log" | sort -u |
		grep -vFx -e "$(address h1c1) $server" -e "$(address -6 h1c1) $server6"
}

wrk_()
{
	in_ h1c1 wrk "$@" "http://$server/" >"$work/wrk" && cat "$work/wrk" &&
		grep 'requests in' "$work/wrk" && ! grep -E 'Socket errors|Non-2xx' "$work/wrk"
}

nginx_all()
{
	nginx_start
	guarded "nginx sends curl a large file" 1 3000000 curl_large "$server"
	whole "nginx sends curl a large file"
	check "nginx and curl see the same names" poll 5 nginx_logs "$(address h1c1)"
	guarded "nginx sends it over IPv6" 1 3000000 curl_large "[$server6]"
	whole "nginx sends it over IPv6"
	check "nginx and curl see the same names, IPv6" poll 5 nginx_logs "$(address -6 h1c1)"
	guarded "nginx with wrk, a connection each" 20 5000 wrk_ -t1 -c4 -d1s -H 'Connection: close'
	check "nginx logs no other names" only_virtual
	stop nginx
}

check "there is a module (tests/qemu/run --build-module)" test "${KMOD:-}"
modprobe slim
export LAB_CONFIG="guard require;"
lab_start -C 1
for host in h1 h2; do
	equal "$host hands over sealed sockets alone" "ready require" \
		"$(ctl "$host" -j guard | jq -r '.guard | "\(.state) \(.configured)"')"
done
server=$(address h2c1)
server6=$(address -6 h2c1)
numbers
iperf_all
redis_all
nginx_all
for host in h1 h2; do
	equal "$host's module has refused and cut nothing" "0 0 0" \
		"$(guard "$host" | jq -r '"\(.denied) \(.attacks) \(.cut)"')"
done
