#!/bin/bash
# SPDX-License-Identifier: MIT
# Memory runs out, at each allocation of what a router does for others, one after the other.
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
child() { ctl "$1" -j status | jq .pid; }
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
# (libnftables ends its process where it has no memory; the keeper starts another router.)
check_not "... nothing has crashed" grep 'killed by signal' "/run/slim-lab/$name/h2/router.log"
healed "h2 has memory again"
# What comes to h2c1's other listener makes it known again.
hold
lets_go "containers"
clean "containers"
faults_stop
