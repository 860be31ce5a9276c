#!/bin/bash
# SPDX-License-Identifier: MIT
# redis, memcached, nginx and asyncio, unmodified, on the slim path.
#
# runs: alone, since it keeps all processors at work
. "$(dirname "$0")/lib.sh"

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
	mkdir "$work/www"
	head -c 3000000 /dev/urandom >"$work/www/large"
	echo hello >"$work/www/index.html"
	cat >"$work/nginx.conf" <<-END
	worker_processes 3;
	pid $work/nginx.pid;
	error_log $work/nginx-error.log;
	events { worker_connections 1024; }
	http {
		access_log $work/access.log;
		client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work;
		uwsgi_temp_path $work; scgi_temp_path $work;
		sendfile on;
		server { listen 80; listen [::]:80; root $work/www; }
		server { listen 81 reuseport deferred; root $work/www; }
	}
	END
	chmod 755 "$work" "$work/www"
	serve nginx shim h2c1 80 nginx -e "$work/nginx-error.log" -c "$work/nginx.conf" \
		-g 'daemon off; user root;'
	poll 5 announced h1 h2c1 81
	slimly "nginx with wrk, 40 connections" 40 wrk_ -t2 -c40 -d1s
	slimly "nginx with wrk, a connection each" 200 wrk_ -t1 -c8 -d1s -H 'Connection: close'
	slimly "nginx, reuseport and deferred" 20 wrk_port 81 -t1 -c20 -d1s
	slimly "nginx sends a large file" 2 large_file
	check "nginx logs virtual addresses" has "$work/access.log" "$(address h1c1)"
	check "nginx logs no others" only_virtual "$work/access.log"
	check "nginx reloads" reload
	slimly "nginx after its reload" 20 wrk_ -t1 -c20 -d1s
	stop nginx
}

wrk_() { wrk_port 80 "$@"; }

wrk_port()
{
	local port=$1

	shift
	in_ h1c1 wrk "$@" "http://$server:$port/" >"$work/wrk" && cat "$work/wrk" &&
		grep 'requests in' "$work/wrk" && ! grep -E 'Socket errors|Non-2xx' "$work/wrk"
}

large_file()
{
	in_ h1c1 curl -sS -o "$work/got" "http://$server/large" && cmp "$work/got" "$work/www/large" &&
		in_ h1c1 curl -sS -g -o "$work/got" "http://[$(address -6 h2c1)]/large" &&
		cmp "$work/got" "$work/www/large"
}

only_virtual()
{
	! cut -d ' ' -f 1 "$1" | sort -u | grep -vFx -e "$(address h1c1)" -e "$(address -6 h1c1)"
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
