#!/bin/bash
# SPDX-License-Identifier: MIT
# A program has no descriptor left: at each step of a connect or an accept, one after the other.
. "$(dirname "$0")/lib.sh"

limits=(3 4 5 6 7 8 9 10 12)
[[ ! $long ]] || mapfile -t limits < <(seq 3 30)

faults_start
to=$(address h2c1)

# with_files NODE N COMMAND...: may have N files open, those three included that all have
with_files() { in_ "$1" env PROBE_FILES="$2" "${@:3}"; }

# One connection: what the program has asked for is what it gets, or EMFILE
one() { [[ $(with_files h1c1 "$1" "$probe" client "$to" $port) =~ ^((slim|packet)\ h2c1|EMFILE)$ ]]; }

for limit in "${limits[@]}"; do
	check "a client may have $limit files: it gets there, or is told" one "$limit"
	background load with_files h1c1 "$limit" "$probe" flood "$to" $port 200 1
	finish load
	check "... again and again" only load EMFILE
done
stop server-h2c1
check "the server saw no connection that nobody made" grep -E '^served [0-9]* empty 0$' \
	"$work/server-h2c1"
serve_all
for limit in "${limits[@]}"; do
	background load with_files h1c1 "$limit" "$probe" flood "$to" $port 200 4
	finish load
	check "a client may have $limit files, and has four threads" only load EMFILE
done

gets_there() { [[ $(with_files h1c1 "$1" "$probe" client "$to" $port) == "$2 h2c1" ]]; }
check "one file, and it is the packet path" gets_there 4 packet
check "files enough, and it is the slim path" gets_there 20 slim

# A server takes what it can; who comes too many waits in its queue, as ever.
tight() { background server-h2t2c2 with_files h2t2c2 "$1" "$probe" server $port h2t2c2; }

roomy()
{
	local pid

	for pid in $(ip netns pids "$(space h2t2c2)"); do
		prlimit --pid "$pid" --nofile=1024:
	done
}

for limit in "${limits[@]:1}"; do
	((limit > 4)) || continue
	stop server-h2t2c2
	tight "$limit"
	check "a server may have $limit files: it listens" poll 5 listening h2t2c2 $port
	background load in_ h1t2c1 "$probe" flood "$(address h2t2c2)" $port 400 4
	finish load
	check "... each gets its own answer" only load
	background load in_ h1t2c1 "$probe" flood "$(address h2t2c2)" $port 400 12
	sleep 0.2
	roomy
	finish load
	check "... more of them as well, once it may have more" only load
	healed "a server that had $limit files"
	stop server-h2t2c2
	check "... and saw none twice" grep -E '^served [0-9]* empty 0$' "$work/server-h2t2c2"
done
serve_all
clean "at the end"
faults_stop
