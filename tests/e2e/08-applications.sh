#!/bin/bash
# SPDX-License-Identifier: MIT
# redis, memcached, nginx and asyncio, unmodified, on the slim path.
#
# runs: alone, since it keeps all processors at work
. "$(dirname "$0")/lib.sh"
# shellcheck source=nginx.sh
. "$(dirname "$0")/nginx.sh"

lab_start -H 2

need()
{
	command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]] || {
		skip "$2: there is no $1"
		return 1
	}
}

# slimly TEXT MINIMUM COMMAND...: it succeeds on that many slim connections at least, which
# are all claimed at the other end, and nothing to speak of goes over the devices
slimly()
{
	local text=$1 minimum=$2 connects claims bytes

	shift 2
	connects=$(counter h1 connects_slim)
	claims=$(counter h2 claims)
	bytes=$(device_bytes h1c1)
	check "$text" "$@"
	check "$text: $minimum slim connections or more" \
		holds "$(counter h1 connects_slim) - $connects >= $minimum"
	check "$text: as many were claimed" holds \
		"$(counter h2 claims) - $claims == $(counter h1 connects_slim) - $connects"
	check "$text: not over the devices" holds "$(device_bytes h1c1) - $bytes < 20000"
}

server=$(address h2c1)

redis()
{
	serve redis shim h2c1 6379 redis-server --port 6379 --bind '0.0.0.0 ::' \
		--protected-mode no --save '' --appendonly no --dir "$work"
	slimly "redis-benchmark, 50 connections" 50 redis_benchmark
	slimly "redis-benchmark, pipelined, threads" 50 \
		in_ h1c1 redis-benchmark -h "$server" -t set,get -n 20000 -P 16 --threads 2 -q
	slimly "redis-cli over IPv6" 1 redis_cli
	check "redis knows its client by its virtual address" grep -F "addr=$(address h1c1):" \
		<(in_ h1c1 redis-cli -h "$server" client list)
	stop redis
}

redis_benchmark()
{
	in_ h1c1 redis-benchmark -h "$server" -t ping,set,get,lrange_100 -n 5000 -c 50 -q &&
		in_ h1c1 redis-benchmark -h "$server" -t set -n 500 -c 10 -k 0 -q
}

redis_cli()
{
	in_ h1c1 redis-cli -h "$(address -6 h2c1)" set greeting hello | grep OK &&
		in_ h1c1 redis-cli -h "$(address -6 h2c1)" get greeting | grep hello
}

memcached_()
{
	serve memcached shim h2c1 11211 memcached -u root -l 0.0.0.0 -p 11211 -t 4
	slimly "memcached, set and get" 2 memcached_talk
	if need memccapable "memcached's conformance"; then
		slimly "memcached, memccapable" 2 \
			in_ h1c1 memccapable -h "$server" -p 11211 -a
	fi
	if need memcslap "memcslap"; then
		slimly "memcached, memcslap with 8 threads" 8 in_ h1c1 memcslap \
			--servers="$server:11211" --concurrency=8 --execute-number=500 --test=get
	fi
	stop memcached
}

memcached_talk()
{
	python3 - <<-'END' >"$work/set" &&
	print("set a 0 0 100000\r\n" + "x" * 100000 + "\r\nquit\r\n", end="")
	END
		in_ h1c1 nc -N "$server" 11211 <"$work/set" | grep STORED &&
		printf 'get a\r\nquit\r\n' | in_ h1c1 nc -N "$server" 11211 | tr -d '\r\n' | wc -c |
		grep -x 100019
}

nginx_()
{
	nginx_start
	slimly "nginx with wrk, 40 connections" 40 wrk_ 80 -t2 -c40 -d1s
	slimly "nginx with wrk, a connection each" 200 wrk_ 80 -t1 -c8 -d1s -H 'Connection: close'
	slimly "nginx, reuseport and deferred" 20 wrk_ 81 -t1 -c20 -d1s
	slimly "nginx sends a large file" 2 large_file
	check "nginx logs virtual addresses" has "$work/access.log" "$(address h1c1)"
	check "nginx logs no others" nginx_knows_only_virtual
	check "nginx reloads" reload
	slimly "nginx after its reload" 20 wrk_ 80 -t1 -c20 -d1s
	stop nginx
}

large_file()
{
	in_ h1c1 curl -sS -o "$work/got" "http://$server/large" && cmp "$work/got" "$work/www/large" &&
		in_ h1c1 curl -sS -g -o "$work/got" "http://[$(address -6 h2c1)]/large" &&
		cmp "$work/got" "$work/www/large"
}

nginx_workers() { pgrep -P "$(<"$work/nginx.pid")" | sort | xargs; }

reload()
{
	local old
	old=$(nginx_workers)

	kill -HUP "$(<"$work/nginx.pid")" && poll 10 replaced "$old"
}

replaced()
{
	local pid now
	now=$(nginx_workers)

	[[ $now ]] || return 1
	for pid in $1; do
		[[ " $now " != *" $pid "* ]] || return 1
	done
}

asyncio()
{
	serve asyncio shim h2c1 8000 python3 "$e2e/asyncio_echo.py" server 8000
	slimly "asyncio, 200 connections at once" 200 \
		in_ h1c1 python3 "$e2e/asyncio_echo.py" client "$server" 8000 200
	slimly "asyncio over IPv6" 20 \
		in_ h1c1 python3 "$e2e/asyncio_echo.py" client "$(address -6 h2c1)" 8000 20
	check "asyncio, client without the shim" \
		plain h1c1 python3 "$e2e/asyncio_echo.py" client "$server" 8000 20
	stop asyncio
}

! need redis-server redis || redis
! need memcached memcached || memcached_
! need nginx nginx || nginx_
asyncio
