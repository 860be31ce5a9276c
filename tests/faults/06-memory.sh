#!/bin/bash
# SPDX-License-Identifier: MIT
# Memory runs out: at each allocation of what a router does for others, one after the other; as it
# starts; and in programs, at each step of a connect or an accept.
. "$(dirname "$0")/lib.sh"

last=30
[[ ! $long ]] || last=400

export FAULT_DIRECTORY=$work LAB_ROUTER=$faults/memory_router
for host in h1 h2; do
	head -c 12 /dev/zero >"$work/memory-$host"
done
faults_start

# order HOST SUCCEED FAIL: little-endian, as this host is
order()
{
	python3 -c 'import struct, sys
with open(sys.argv[1], "r+b") as file:
    file.write(struct.pack("=II", int(sys.argv[2]), int(sys.argv[3])))' \
		"$work/memory-$1" "$2" "$3"
}

failed() { od -An -tu4 -j8 -N4 "$work/memory-$1" | tr -d ' '; }
# (Not by `slimctl status`, which runs nft, whose allocations count, too.)
child() { pgrep -P "$(router_pid "$1")"; }
declare -A pids
for host in h1 h2; do
	pids[$host]=$(child $host)
done
lives()
{
	[[ $(child "$1") == "${pids[$1]}" ]] || {
		grep -B 5 'another one takes over' "/run/slim-lab/$name/$1/router.log"
		return 1
	}
}

# Takes any path, or is told so: nobody gets another's answer, and nobody waits for long.
ends_well() { [[ $(client h1c1 h2c1 2000) =~ ^((slim|spliced|packet)\ h2c1|E[A-Z]+)$ ]]; }

# What slimctl asks for is done, or refused with words
answered() { ctl "$@" >"$work/answer" 2>&1 || [[ -s $work/answer ]]; }

move()
{
	answered h2 detach h2c1
	answered h2 attach h2c1 --netns "/run/netns/$(space h2c1)" --tenant t1 \
		--ip "$(address h2c1),$(address -6 h2c1)"
}

# With memory, it is done.
again()
{
	ctl h2 detach h2c1 >/dev/null 2>&1 || true
	attach h2c1 >"$work/answer" 2>&1 || {
		cat "$work/answer"
		lost=$((lost + 1))
	}
}

# --- set-ups ---

for host in h1 h2; do
	bad=0
	for ((i = 0; i < last; i += 1 + i / 10)); do
		order $host $i 1
		ends_well || bad=$((bad + 1))
	done
	order $host 0 0
	check "one allocation of $host's router fails, then another: no set-up ends wrong" \
		holds "$bad == 0"
	check "... and some did fail" holds "$(failed $host) > 3"
	check "... the router is the same" lives $host
done
healed "one at a time"

for host in h1 h2; do
	background load in_ h1c1 "$probe" flood "$(address h2c1)" $port 1500 4
	sleep 0.3
	order $host 0 300
	sleep 0.3
	order $host 0 0
	finish load
	check "all allocations of $host's router fail for a moment, under load: no wrong answers" \
		right load
	cat "$work/load"
	check "... the router is the same" lives $host
	healed "$host has memory again"
done
clean "set-ups"

# --- containers ---

bad=0
lost=0
for ((i = 0; i < 5 * last; i += 1 + i / 6)); do
	order h2 $i 1
	move || bad=$((bad + 1))
	order h2 0 0
	again
done
check "allocations fail as a container comes and goes: each time it is said" holds "$bad == 0"
check "... and with memory it can be attached" holds "$lost == 0"
check "... the router is the same" lives h2
healed "h2 has memory again"
# What comes to h2c1's other listener makes it known again.
hold
lets_go "containers"
clean "containers"

# --- policies ---

policy=/run/slim-lab/$name/policy
pids[h2]=$(child h2)
rules() { ip netns exec "$(space h2)" nft list table netdev slim_policy 2>/dev/null; }
knows() { rules | grep -w "$1"; }
put()
{
	printf '%s\n' "tenant t1" "deny udp to container h2c1 port $1" \
		"deny udp from container h2c1 port $1" >"$policy.new"
	mv "$policy.new" "$policy"
}

bad=0
refused_before=$(failed h2)
for ((i = 0; i < 60 * last; i += 1 + i / 3)); do
	udp=$((20000 + i))
	put $udp
	order h2 $i 3
	answered h2 reload || bad=$((bad + 1))
	poll 0 knows $udp >/dev/null || true
	order h2 0 0
	[[ $(<"$work/answer") == *" rules"* ]] || ctl h2 reload >/dev/null
	poll 12 knows $udp || bad=$((bad + 1))
done
check "allocations fail as a policy is read and loaded: each time it is said, or done" holds "$bad == 0"
check "... and some did fail" holds "$(failed h2) - $refused_before > 20"
check "... the router is the same" lives h2
check "... and the policy is the last one's" knows "$udp"
: >"$policy"
check "... an empty one is in force" ctl h2 reload
no_rules() { ! rules; }
check "... which needs no table" poll 12 no_rules
healed "policies"
clean "policies"

# --- a router that takes over from one that was killed ---

left() { od -An -tu4 -j0 -N4 "$work/memory-$1" | tr -d ' '; }
another() { [[ $(child h2) && $(child h2) != "$killed" ]] && ctl h2 peers; }

kill_child()
{
	killed=$(child h2)
	kill -KILL "$killed"
}

# count: how many allocations it takes
count()
{
	order h2 1000000 1
	kill_child
	poll 20 another || return 1
	used=$((1000000 - $(left h2)))
	order h2 0 0
}

refused() { (($(failed h2) > seen)); }

# restart SUCCEED FAIL: there is memory again soon after it was refused
restart()
{
	seen=$(failed h2)
	order h2 "$1" "$2"
	kill_child
	poll 3 refused || true
	order h2 0 0
	poll 20 another
}

carries()
{
	stop carried
	rm -f "$work/carried"
	background carried in_ h1c1 "$probe" hold "$(address h2c1)" $((port + 2))
	poll 2 grep -E 'slim|packet' "$work/carried" && grep slim "$work/carried"
}

serve uring shim h2c1 $((port + 2)) "$programs/uring_accept" listen $((port + 2))
hold
background load in_ h1c1 "$probe" flood "$(address h2c1)" $port 60000 4
background load-t2 in_ h1t2c1 "$probe" flood "$(address h2t2c1)" $port 60000 4
check "the router carries a connection" poll 10 carries
check "its router is killed: another one takes over" count
bad=0
refused_before=$(failed h2)
# What it takes over, it takes over at the end of its start.
for ((i = used; i > 0; i -= 4 + (used - i) / (last / 15))); do
	poll 10 carries || bad=$((bad + 1))
	restart "$i" 1 || bad=$((bad + 1))
done
for i in 300 200 100 50; do
	poll 10 carries || bad=$((bad + 1))
	restart $((used - i)) 50 || bad=$((bad + 1))
done
check "allocations fail as a router takes over: it does, or the next" holds "$bad == 0"
check "... and some did fail" holds "$(failed h2) - $refused_before > 5"
stop load
stop load-t2
stop carried
stop uring
lets_go "routers that took over"
healed "routers that took over"
clean "routers that took over"

# --- programs ---

# KiB beyond what they have; and no malloc(3) at all, which Slim does without
rooms=(0 4 8 12 16 24 32 64)
[[ ! $long ]] || mapfile -t rooms < <(seq 0 4 128)
to=$(address h2c1)

# with_memory NODE N COMMAND...
with_memory() { in_ "$1" env PROBE_MEMORY="$2" "${@:3}"; }

without_malloc()
{
	# shellcheck disable=SC2016
	in_ "$1" env FAULT_MEMORY="$work/memory-none" sh -c \
		'LD_PRELOAD="$LD_PRELOAD $0" exec "$@"' "$build/tests/faults/memory_preload.so" "${@:2}"
}

# A connect(2) of the kernel's own needs no memory of the program's.
one() { [[ $(with_memory h1c1 "$1" "$probe" client "$to" $port) =~ ^(slim|packet)\ h2c1$ ]]; }
takes() { [[ $(with_memory h1c1 "$1" "$probe" client "$to" $port) == "$2 h2c1" ]]; }

head -c 12 /dev/zero >"$work/memory-none"
order none 0 1000000000
check "a client without malloc() takes the slim path" \
	same "slim h2c1" "$(without_malloc h1c1 "$probe" client "$to" $port)"
check "... and was refused memory" holds "$(failed none) > 0"
for room in "${rooms[@]}"; do
	check "a client may have $room KiB: it gets there" one "$room"
	background load with_memory h1c1 "$room" "$probe" flood "$to" $port 150 4
	finish load
	check "... with four threads, again and again" only load
done
check "no memory, and it is the packet path" takes 0 packet
check "memory enough, and it is the slim path" takes 1024 slim

roomy()
{
	local pid

	for pid in $(ip netns pids "$(space h2t2c2)"); do
		prlimit --pid "$pid" --as=unlimited:
	done
}

for room in "${rooms[@]}"; do
	stop server-h2t2c2
	background server-h2t2c2 with_memory h2t2c2 "$room" "$probe" server $port h2t2c2
	check "a server may have $room KiB: it listens" poll 5 listening h2t2c2 $port
	background load in_ h1t2c1 "$probe" flood "$(address h2t2c2)" $port 200 4
	finish load
	check "... each gets its own answer" only load
	roomy
	healed "a server that had $room KiB"
	stop server-h2t2c2
	check "... and saw none that nobody made" grep -E '^served [0-9]* empty 0$' \
		"$work/server-h2t2c2"
done
serve_all
clean "programs"
faults_stop
