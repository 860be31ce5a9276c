#!/bin/bash
# SPDX-License-Identifier: MIT
# A router has no descriptor left: at each step of what it does for others, one after the other.
. "$(dirname "$0")/lib.sh"

steps=(0 1 2 3 4 6 9 12)
[[ ! $long ]] || mapfile -t steps < <(seq 0 40)

faults_start

keeper() { cut -d ' ' -f 1 "/run/slim-lab/$name/$1/router.pid"; }
child() { pgrep -P "$(keeper "$1")"; }
declare -A pids
for host in h1 h2; do
	pids[$host]=$(child $host)
done

# leave HOST N: its router may open N more files
leave()
{
	local limit
	limit=$(find "/proc/${pids[$1]}/fd" -mindepth 1 -printf '%f\n' | sort -n | awk -v left="$2" '
		{ while (next_fd < $1) { if (!left--) exit; next_fd++ } next_fd++ }
		END { print next_fd + (left > 0 ? left : 0) }')

	prlimit --pid "${pids[$1]}" --nofile="$limit:"
}

# What its keeper may open, the next router may.
leave_keeper()
{
	prlimit --pid "$(keeper "$1")" \
		--nofile="$(prlimit --pid "${pids[$1]}" --nofile --output SOFT --noheadings | tr -d ' '):"
}

enough() { prlimit --pid "${pids[$1]}" --nofile=20000:; }

lives() { [[ $(child "$1") == "${pids[$1]}" ]]; }

gets_there() { [[ $(client "$@") =~ ^(slim|spliced|packet)\ $2$ ]]; }

# Each client is a new process: a channel, what comes with it, and the host's socket.
connects()
{
	local step

	for step in "${steps[@]}"; do
		leave h1 "$step"
		check "h1 can open $step more: a client connects" gets_there h1c1 h2c1
		check "... and in the other tenant" gets_there h1t2c1 h2t2c2
		enough h1
	done
}

# What comes meanwhile waits in the queue, and is served when there is room.
accepts()
{
	local step

	for step in "${steps[@]}"; do
		leave h2 "$step"
		background late client h1c1 h2c1
		background load in_ h1t2c1 "$probe" flood "$(address h2t2c1)" $port 300 4
		sleep 0.4
		enough h2
		check "h2 could open $step more: a client gets there in the end" finish late
		check "... to the right one" grep -E '^(slim|spliced|packet) h2c1$' "$work/late"
		check "... nobody was sent away" finish load
		check "... none" only load
	done
}

# New listeners, while there is nothing to look them up with
listens()
{
	local step

	for step in 0 1 2 3 4; do
		stop server-h2t2c2
		leave h2 "$step"
		serve_node h2t2c2
		poll 5 listening h2t2c2 $port
		reaches slim h1t2c1 h2t2c2 500 || true
		enough h2
		healed "a listener that came when h2 could open $step more"
	done
}

# A program that accepts through io_uring: the router needs pipes to carry its connections.
splices()
{
	local step

	serve uring shim h2c1 $((port + 2)) "$programs/uring_accept" listen $((port + 2))
	for step in "${steps[@]}"; do
		splices=$(counter h2 splices)
		leave h2 "$step"
		background carried in_ h1c1 "$probe" hold "$(address h2c1)" $((port + 2))
		sleep 0.4
		enough h2
		check "h2 could open $step more: its router carries a connection in the end" \
			poll 5 holds_fast
		check "... with all that was said" finish carried TERM
	done
	stop uring
}

holds_fast() { grep slim "$work/carried" && (($(counter h2 splices) > splices)); }

# A container whose namespace vanishes is cut off its connections, files or no files.
vanishes()
{
	hold
	leave h2 0
	ip netns delete "$(space h2c1)"
	check "detached while h2 could open no file" poll 5 has "/run/slim-lab/$name/h2/router.log" \
		"h2c1 detached: its process ended"
	enough h2
	check "... its connections end" poll 5 ended hold-1
	check "... with an error" grep LOST "$work/hold-1"
	check "... others' live" finish hold-2 TERM
	stop hold-1
	stop server-h2c1
	stop echo-h2c1
	ip netns add "$(space h2c1)"
	ip -n "$(space h2c1)" link set lo up
	attach h2c1 >/dev/null
	healed "attached again"
}

# serves_anew HOST: by another router than the one that was killed
serves_anew()
{
	local pid

	pid=$(child "$1") && [[ $pid != "${pids[$1]}" ]] && (($(started "$1") > starts)) &&
		pids[$1]=$pid
}

started() { grep -c 'info: slimrouter .* runs on host' "/run/slim-lab/$name/$1/router.log"; }

# Killed while nothing can be opened, and nothing given back: what it had is enough for the next one.
dies()
{
	hold
	starts=$(started h2)
	leave h2 0
	leave_keeper h2
	kill -9 "${pids[h2]}"
	check "killed while h2 could open no file: another one serves" poll 5 serves_anew h2
	check_not "... after no failed start" has "/run/slim-lab/$name/h2/router.log" \
		'the router ended with status'
	prlimit --pid "$(keeper h2)" --nofile=20000:
	enough h2
	lets_go "a router died without files"
	healed "a router died without files"
}

connects
healed "h1 can open files again"
clean "h1 can open files again"
accepts
healed "h2 can open files again"
clean "h2 can open files again"
listens
splices
vanishes
dies
check "h1's router is the same" lives h1
check "h2's router is the same" lives h2
clean "at the end"
faults_stop
