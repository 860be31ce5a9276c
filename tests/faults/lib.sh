# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# lib.sh - what the tests of faults share, beyond tests/e2e/lib.sh
#
# A test calls faults_start, makes a fault, heals it, calls healed, and so on. Two tenants have
# the same addresses. The second container of h2 is attached in the second tenant only, where
# it answers: that address must never be reached from the first one (another tenant's, and
# detached), whatever happens; a watcher tries all the while.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../e2e/lib.sh"

faults=$top/tests/faults
probe=$build/tests/faults/probe
port=7000
heal_seconds=5
long=${FAULTS_LONG:-}
servers=(h1c1 h2c1 h1t2c1 h2t2c1 h2t2c2)

# client NODE TARGET [MS]: prints the path and the server's name
client() { in_ "$1" "$probe" client "$(address "$2")" $port "${@:3}"; }

# reaches PATH NODE TARGET [MS]: by that path, and that very container
reaches() { [[ $(client "$2" "$3" "${@:4}") == "$1 $3" ]]; }

# matrix: in 5 s every pair that may talk does, by the slim path; prints after how many ms each did
matrix()
{
	local pair failed=0

	for pair in h1c1:h2c1 h2c1:h1c1 h1t2c1:h2t2c1 h2t2c1:h1t2c1 h1t2c1:h2t2c2; do
		background "await-$pair" in_ "${pair%:*}" "$probe" await "$(address "${pair#*:}")" \
			$port $((heal_seconds * 1000)) "${pair#*:}"
	done
	for pair in h1c1:h2c1 h2c1:h1c1 h1t2c1:h2t2c1 h2t2c1:h1t2c1 h1t2c1:h2t2c2; do
		finish "await-$pair" || failed=1
		echo "$pair: $(<"$work/await-$pair")"
	done
	return $failed
}

serve_node() { background "server-$1" in_ "$1" "$probe" server $port "$1"; }

# hold_one TAG NODE TARGET; a listener that the router forgot is known again after one accept
hold_one()
{
	stop "$1"
	rm -f "$work/$1"
	background "$1" in_ "$2" "$probe" hold "$(address -6 "$3")" $((port + 1))
	poll 2 grep -E 'slim|packet' "$work/$1" && grep slim "$work/$1"
}

# hold: connections both ways between the hosts that must live through what comes
hold()
{
	check "a connection is up, by the slim path" poll 10 hold_one hold-1 h1c1 h2c1
	check "another, the other way" poll 10 hold_one hold-2 h2t2c1 h1t2c1
}

# lets_go TEXT: they have lived, and nothing that they said was lost
lets_go()
{
	local tag

	for tag in hold-1 hold-2; do
		check "$1: a connection has lived through it" finish $tag TERM
		cat "$work/$tag"
	done
}

# right TAG: a flood in which every connection got its own answer, or an error
right() { grep ' wrong=0 ' "$work/$1"; }

# mostly_slim TAG: a router that a loaded machine keeps from running for 50 ms is late, but few are
mostly_slim()
{
	right "$1" && (($(sed 's/^slim=\([0-9]*\) .*/\1/' "$work/$1") >
		5 * $(sed 's/.* packet=\([0-9]*\) .*/\1/' "$work/$1")))
}

# only TAG ERROR...: with no other errors than those
only()
{
	local allowed=slim=

	cat "$work/$1"
	allowed=$(printf '|%s' "${@:2}")
	right "$1" && ! grep -oE '\bE[A-Z0-9]+=' "$work/$1" | grep -vE "^(none$allowed)="
}

serve_all()
{
	local node

	for node in "${servers[@]}"; do
		[[ ! ${background_pids[server-$node]:-} ]] || continue
		serve_node "$node"
		poll 10 listening "$node" $port
	done
	for node in h2c1 h1t2c1; do
		[[ ! ${background_pids[echo-$node]:-} ]] || continue
		background "echo-$node" in_ "$node" "$probe" echo $((port + 1))
		poll 10 listening "$node" $((port + 1))
	done
}

# --- what there is, to compare with what there was ---

# (Keys: there are up to eight generations for each peer after a while, and one for itself.)
records() { python3 "$faults/records.py" "/run/slim-lab/$name/$1/state" | grep -v '^keys [2-9]$'; }

host_sockets()
{
	sockets "$1" -tanO | awk '$1 !~ /LISTEN|TIME-WAIT/ { print $1 }' | sort | uniq -c
	sockets "$1" -xlO | awk '{ print $5 }' | sort
	sockets "$1" -tlnO | wc -l
}

# Devices of containers, and the tables that pin them, have other names when they come anew.
host_links()
{
	ip -n "$(space "$1")" -o link | awk '{ print $2 }' | sed 's/@.*//; s/slimv.*/slimv/' | sort
}

host_tables()
{
	ip netns exec "$(space "$1")" nft list tables | sed 's/slimv-[0-9a-f]*/slimv-/' | sort -u
	ip netns exec "$(space "$1")" nft list ruleset | grep -c 'device "slimv'
}

# Whose names stay the same when a router or its containers come anew
processes()
{
	local pid

	for pid in $(ip netns pids "$(space "$1")"); do
		cat "/proc/$pid/comm" 2>/dev/null || true
	done | sort
}

snapshot()
{
	local host

	for host in $(hosts); do
		echo "$host's records:" "$(records "$host")"
		echo "$host's sockets:" "$(host_sockets "$host")"
		echo "$host's links:" "$(host_links "$host")"
		echo "$host's tables:" "$(host_tables "$host")"
		echo "$host's processes:" "$(processes "$host")"
	done
}

as_before() { same "$(<"$work/baseline")" "$(snapshot)"; }

# --- the two checks that every fault ends with ---

# healed TEXT: from now on, in 5 s, all that is allowed takes the slim path again
healed()
{
	serve_all
	check "$1: all that is allowed is reached by the slim path again" matrix
	sed 's/^/         ... /' "$work/out"
	unreached "$1"
}

unreached()
{
	check_not "$1: nothing that is forbidden was reached" grep REACHED "$work/watch"
}

# clean TEXT [SECONDS]: nothing has leaked. SECONDS: that long packets were lost; TCP sends again ever
# more seldom, at the latest after as long again.
clean() { check "$1: nothing is left over" eventually_as_before $((15 + ${2:-0})); }

eventually_as_before()
{
	poll "$1" as_before || as_before
}

watch_forbidden() { background watch in_ h1c1 "$probe" watch "$(address h2t2c2)" $port; }

# faults_start [UP-OPTION...]
faults_start()
{
	lab_start -C 2 -T 2 "$@"
	ctl h2 detach h2c2 >/dev/null
	serve_all
	check "at first: all that is allowed is reached by the slim path" matrix
	watch_forbidden
	# The matrix asks the others' listeners only.
	poll 10 announced h1 h2c1 $((port + 1))
	poll 10 announced h1 h1t2c1 $((port + 1))
	poll 10 no_connections h1
	poll 10 no_connections h2
	snapshot >"$work/baseline"
}

faults_stop()
{
	local tag

	unreached "at the end"
	stop watch
	check "the forbidden address was tried all the while" \
		holds "$(sed -n 's/^tried \([0-9]*\) times$/\1/p' "$work/watch") > 10"
	for tag in "${!background_pids[@]}"; do
		stop "$tag"
	done
}
