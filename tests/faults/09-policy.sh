#!/bin/bash
# SPDX-License-Identifier: MIT
# A policy is reloaded, and something is wrong: with its files; no memory, no descriptors, no room for a
# thread. All of it is in force or nothing, and it is said which.
. "$(dirname "$0")/../e2e/lib.sh"

faults=$top/tests/faults
# Which allocations fail: each third of the first ones, which are the reload's own, and ever fewer of what follows;
# or all of them
next() { [[ ${FAULTS_LONG:-} ]] && echo 1 || echo $((3 + $1 / 50)); }
policy=/run/slim-lab/$name/policy
cut=$e2e/cut.py

export FAULT_DIRECTORY=$work LAB_ROUTER=$faults/memory_router
for host in h1 h2; do
	head -c 12 /dev/zero >"$work/memory-$host"
done

# order SUCCEED FAIL: of h1's allocations; little-endian, as this host is
order()
{
	python3 -c 'import struct, sys
with open(sys.argv[1], "r+b") as file:
    file.write(struct.pack("=II", int(sys.argv[2]), int(sys.argv[3])))' "$work/memory-h1" "$1" "$2"
}

failed() { od -An -tu4 -j8 -N4 "$work/memory-h1" | tr -d ' '; }
child() { ctl h1 -j status | jq .pid; }
put() { printf '%s\n' "$@" >"$policy.new" && mv -T "$policy.new" "$policy"; }
shown() { ctl h1 -j policy show | jq -r '[.files[].text] | join("")'; }
tries() { in_ "$1" python3 "$cut" connect "$(address "$2")" "$3" read; }
denied() { [[ $(tries "$@") == "refused EACCES" ]]; }

reaches()
{
	local before
	before=$(counter h1 connects_slim)

	[[ $(in_ "$1" nc -N -w 3 "$(address "$2")" "$3" </dev/null) == hello ]] &&
		(($(counter h1 connects_slim) > before))
}

# What every policy below says of these two: as connections are decided, and as they fare
decides() { [[ $(ctl h1 -j policy test "$1" h2c1 7000 | jq .allowed_here) == "$2" ]]; }
decided() { decides h1c1 true && decides h1c2 false; }
kept() { reaches h1c1 h2c1 7000 && denied h1c2 h2c1 7000; }

base=("tenant t1" "default deny" "group web = container h1c1" "allow tcp from web to container h2c1 port 7000-7001")
put_version() { put "${base[@]}" "allow udp from web to container h2c1 port $1"; }
says_version() { [[ $(shown) == *"port $1" ]]; }

lab_start -C 2
serve hello shim h2c1 7000 python3 "$e2e/speaker.py" 7000 hello
serve idle shim h2c1 7001 python3 "$cut" serve 7001 read
version=1
put_version 1
for host in h1 h2; do
	ctl $host reload >/dev/null
done
background client in_ h1c1 python3 "$cut" connect "$(address h2c1)" 7001 read
check "a connection is up" poll 5 has "$work/client" up
check "what is allowed, is; what is denied, is" kept
router=$(child)

# --- files ---

# refused TEXT COMMAND...: what the file is then is refused at once, in words, and changes nothing
refused()
{
	local status=0

	rm -rf "$policy"
	"${@:2}"
	timeout 20 "$top/tests/lab" -n "$name" ctl h1 reload >"$work/said" 2>&1 || status=$?
	check "$1: refused" same "1 yes" "$status $([[ -s $work/said ]] && echo yes)"
	check "... and the former policy is in force" says_version $version
	rm -rf "$policy"
}

deep()
{
	local i

	for ((i = 0; i < 20; i++)); do
		echo "include $work/deep$((i + 1))" >"$work/deep$i"
	done
	: >"$work/deep20"
	put "${base[@]}" "include $work/deep0"
}

refused "no file" true
refused "a directory" mkdir "$policy"
refused "a fifo" mkfifo "$policy"
refused "a device" ln -s /dev/zero "$policy"
refused "a socket" python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$policy"
refused "a link to itself" ln -s policy "$policy"
refused "300 MB" truncate -s 300M "$policy"
refused "zeroes" truncate -s 1M "$policy"
refused "a file that includes itself" put "${base[@]}" "include $policy"
refused "files that include one another too deep" deep
mkdir "$work/many"
touch "$work/many/"{1..4200}.policy
refused "too many files" put "${base[@]}" "include $work/many"
mkfifo "$work/fifo"
refused "one that includes a fifo" put "${base[@]}" "include $work/fifo"
# Nobody may read it, not even the router, unless it has that capability.
unreadable() { put "${base[@]}" "include $work/unreadable" && touch "$work/unreadable" && chmod 0 "$work/unreadable"; }
capabilities=$(awk '/^CapEff/ { print $2 }' "/proc/$router/status")
if ((!(16#$capabilities & 6))); then
	refused "one that includes what it may not read" unreadable
fi
put_version $((++version))
check "a good file is put in force" ctl h1 reload
check "... as it is" says_version $version
check "... what is allowed, is; what is denied, is" kept
equal "the router is the same" "$router" "$(child)"

# --- memory ---

# reload_under COMMAND...: a new version, while a fault made by COMMAND lasts: all or nothing; counts $refusals
reload_under()
{
	local status=0

	put_version $((version + 1))
	"$@"
	timeout 20 "$top/tests/lab" -n "$name" ctl h1 reload >"$work/said" 2>&1 || status=$?
	order 0 0
	((!status)) || refusals=$((refusals + 1))
	if ((!status)); then
		version=$((version + 1))
	elif grep -q "before it had answered" "$work/said"; then
		poll 10 ctl h1 status
		! says_version $((version + 1)) || version=$((version + 1))
	fi
	[[ -s $work/said ]] && ((status < 2)) && poll 5 says_version $version
}

left() { od -An -tu4 -j0 -N4 "$work/memory-h1" | tr -d ' '; }

# No allocation for a moment
is_settled()
{
	local had
	had=$(left)

	sleep 0.3
	[[ $(left) == "$had" ]]
}

# allocations COMMAND...: how many it takes, the answer and what follows (nftables) included
allocations()
{
	order 1000000 1
	"$@" >/dev/null
	poll 10 is_settled
	echo $((1000000 - $(left)))
	order 0 0
}

put_version $((++version))
used=$(allocations ctl h1 reload)
bad=0
refusals=0
memory=0
wrong=0
tried=0
for ((i = 0; i < used; i += $(next i))); do
	reload_under order $i 1 || bad=$((bad + 1))
	tried=$((tried + 1))
	! grep -q "emory" "$work/said" || memory=$((memory + 1))
	poll 10 decided || wrong=$((wrong + 1))
done
echo "         a reload takes $used allocations; of $tried reloads $refusals were refused"
equal "the router is the same" "$router" "$(child)"
check "what is allowed, is; what is denied, is" poll 10 kept
check "one allocation fails, then another: all of a policy is in force, or nothing" holds "$bad == 0"
check "... it is said that there is no memory" holds "$memory > 3"
check "... and each time it is decided as it was" holds "$wrong == 0"
check "... and some did fail" holds "$(failed) > 10"
reload_under order 0 300 || bad=$((bad + 1))
check "none of them succeeds: the same" holds "$bad == 0"
poll 10 ctl h1 status
check_not "nothing has crashed" grep 'killed by signal' "/run/slim-lab/$name/h1/router.log"
check_not "the connection lives" grep end "$work/client"

# --- a diff, which puts nothing in force ---

bad=0
before=$(failed)
put_version 9999
used=$(allocations ctl h1 policy diff "$policy")
for ((i = 0; i < used; i += 2 * $(next i))); do
	order $i 1
	timeout 20 "$top/tests/lab" -n "$name" ctl h1 policy diff "$policy" >"$work/said" 2>&1 || true
	order 0 0
	[[ -s $work/said ]] || bad=$((bad + 1))
	poll 10 says_version $version || bad=$((bad + 1))
done
check "allocations fail under a diff: it answers, or says so" holds "$bad == 0"
check "... and some did fail" holds "$(failed) > $before + 10"

# --- descriptors, and room ---

# leave N: the router may open N more files
leave()
{
	local limit pid
	pid=$(child)
	limit=$(find "/proc/$pid/fd" -mindepth 1 -printf '%f\n' | sort -n | awk -v left="$1" '
		{ while (next_fd < $1) { if (!left--) exit; next_fd++ } next_fd++ }
		END { print next_fd + (left > 0 ? left : 0) }')

	prlimit --pid "$pid" --nofile="$limit:"
	(sleep 0.5 && prlimit --pid "$pid" --nofile=20000:) &
}

bad=0
refusals=0
for i in 0 1 2 3 4 5 6 8; do
	reload_under leave $i || bad=$((bad + 1))
	wait $!
	poll 10 kept || bad=$((bad + 1))
done
check "few files can be opened: all of a policy is in force, or nothing" holds "$bad == 0"
check "... and some reloads were refused" holds "$refusals > 0"

# cramped KIB: so much more memory, which is not room for a policy of 8 MB. (Not of address space: arenas have theirs.)
cramped()
{
	local pid
	pid=$(child)
	prlimit --pid "$pid" --data=$((($(awk '/^VmData/ { print $2 }' "/proc/$pid/status") + $1) * 1024)):
	(sleep 0.5 && prlimit --pid "$pid" --data=unlimited:) &
}

base+=("$(awk 'BEGIN { for (i = 0; i < 80000; i++) printf "# %0100d\n", i }')")
bad=0
refusals=0
for i in 0 64 256 1024 65536; do
	reload_under cramped $i || bad=$((bad + 1))
	wait $!
	poll 10 kept || bad=$((bad + 1))
done
check "no room for its text, or a thread: the same" holds "$bad == 0"
check "... and some reloads were refused" holds "$refusals > 0"
check_not "the connection lives" grep end "$work/client"
put_version 8888
check "at last all is well" ctl h1 reload
check "... and in force" says_version 8888
check_not "nothing has crashed" grep 'killed by signal' "/run/slim-lab/$name/h1/router.log"
stop client
stop idle
stop hello
