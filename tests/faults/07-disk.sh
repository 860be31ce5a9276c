#!/bin/bash
# SPDX-License-Identifier: MIT
# The file system under /run is full: as the router runs, and as it starts.
. "$(dirname "$0")/lib.sh"

state=/run/slim-lab/$name/h2/state
log=/run/slim-lab/$name/h2/router.log
faults_start

full() { dd if=/dev/zero of="$state/full" bs=4096 status=none 2>/dev/null || true; }
roomy() { rm -f "$state/full"; }

# small KILOBYTES: h2's state is on a file system of that size, and there is nothing left of it
small()
{
	lab router h2 stop
	umount -l "$state" 2>/dev/null || true
	mount -t tmpfs -o "size=${1}k" slim-faults "$state"
	full
}

large() { mount -o remount,size=8m "$state"; }

# (Before the lab's files are removed.)
unmount_and_exit()
{
	local status=$?

	umount -l "$state" 2>/dev/null || true
	# (With set -e a status that is not 0 would end this trap, too.)
	set +e
	(exit $status)
	on_exit
}

trap unmount_and_exit EXIT

child() { ctl h2 -j status | jq .pid; }
said() { has "$log" "$1"; }
start() { lab router h2 start && ctl h2 detach h2c2 >/dev/null; }

# --- full when it starts ---

sizes=(4 512)
[[ ! $long ]] || sizes=(4 64 260 512 800 1100)
for size in "${sizes[@]}"; do
	small "$size"
	: >"$log"
	check "a router starts though only $size KiB are there, all full" start
	check "... and says so" said "No space left on device"
	pid=$(child)
	healed "it goes on without state ($size KiB)"
	check "... as the one that it was" same "$pid" "$(child)"
	# What it could not write down, the next one does not know, which is told all anew.
	lab router h2 stop
	roomy
	large
	start
	healed "space again ($size KiB)"
done

# --- full while it runs ---

small 3000
roomy
start
healed "a small file system"
full
pid=$(child)
: >"$log"
hold
background load in_ h1c1 "$probe" flood "$(address h2c1)" $port 2500 24
finish load
check "full as it runs: every connection is right" only load
check "... most by the slim path" mostly_slim load
ctl h2 detach h2c1 >/dev/null
attach h2c1 >"$work/attached" 2>&1 ||
	check "... an attach that cannot be recorded is refused with words" \
		grep "No space left on device" "$work/attached"
check "... its router is the same" same "$pid" "$(child)"
roomy
ctl h2 detach h2c1 >/dev/null 2>&1 || true
attach h2c1 >/dev/null
stop hold-1
check "... another container's connection has lived through it" finish hold-2 TERM
healed "space again, as it runs"

# Killed while there is no space: nothing of what it had written is lost.
full
kill -KILL "$(child)"
check "killed while it is full: another one takes over" poll 5 child
healed "killed while it is full"
roomy
healed "space again at last"
hold
lets_go "space again at last"
clean "space again at last"
faults_stop
