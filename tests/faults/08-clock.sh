#!/bin/bash
# SPDX-License-Identifier: MIT
# Clocks jump, and differ between hosts. (Only what the routers read is changed; that of the
# machine is others' too.)
. "$(dirname "$0")/lib.sh"

hour=3600
year=$((365 * 24 * hour))

export FAULT_DIRECTORY=$work LAB_ROUTER=$faults/clock_router

# set_clock HOST SECONDS: fast by so many
set_clock()
{
	python3 -c 'import struct, sys
with open(sys.argv[1], "r+b") as file:
    file.write(struct.pack("=q", int(sys.argv[2])))' "$work/clock-$1" "$2"
}

for host in h1 h2; do
	head -c 8 /dev/zero >"$work/clock-$host"
done
# From the beginning they are ten minutes and a bit apart.
set_clock h1 -610
faults_start

# A container that comes is a line in the log, with the router's own time.
another_year()
{
	ctl "$1" detach "$1c2" >/dev/null 2>&1 || true
	attach "$1c2" >/dev/null
	[[ $1 != h2 ]] || ctl h2 detach h2c2 >/dev/null
	[[ $(tail -n 1 "/run/slim-lab/$name/$1/router.log" | cut -d - -f 1) != "$(date -u +%Y)" ]]
}

# jump TEXT HOST SECONDS: under load, and every connection takes the slim path all the while
jump()
{
	hold
	background load in_ h1c1 "$probe" flood "$(address h2c1)" $port 1200 4
	background load-back in_ h2c1 "$probe" flood "$(address h1c1)" $port 1200 4
	sleep 0.5
	set_clock "$2" "$3"
	finish load
	finish load-back
	check "$1: every connection is right" only load
	check "... both ways" only load-back
	check "... and takes the slim path after the jump" slim_alone h1c1 h2c1
	check "... both ways" slim_alone h2c1 h1c1
	lets_go "$1"
	healed "$1"
}

slim_alone()
{
	in_ "$1" "$probe" flood "$(address "$2")" $port 300 2 >"$work/after"
	cat "$work/after"
	mostly_slim after
}

for host in h1 h2; do
	jump "$host's clock jumps ahead by an hour" $host $hour
	jump "$host's clock jumps back by two" $host -$hour
	jump "$host's clock jumps ahead by a year" $host $year
	check "... it is another year indeed" another_year $host
	jump "$host's clock jumps back by two" $host -$year
done

up() { ctl "$1" -j peers | jq -e 'all(.peers[]; .state == "up" or .state == "self")'; }

# A channel that is opened now, with a certificate of now, by hosts that are two years apart
set_clock h1 $year
attach h2c2 >/dev/null
lab router h1 restart
ctl h2 detach h2c2 >/dev/null
check "two years apart, h1's router new" poll 5 up h1
serve_all
healed "two years apart, h1's router new"
lab router h2 restart
ctl h2 detach h2c2 >/dev/null
healed "two years apart, h2's router new"
clean "two years apart"
set_clock h1 0
set_clock h2 0
healed "clocks that are right again"
faults_stop
