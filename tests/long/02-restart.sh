#!/bin/bash
# SPDX-License-Identifier: MIT
# Routers are killed each second for a minute, under load: no connection is hurt, no set-up fails, no
# listener is lost, nothing leaks, and each router that comes knows all connections.
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/held.sh"

KILLS=${E2E_KILLS:-60}
IDLE=10000		# connections that stay
STREAMS=4
STREAM_RATE=4096	# KiB a second, each way
LISTENERS=10
port=7900
stream=$programs/stream
audit=$(dirname "$(readlink -f "$0")")/audit.py

answers() { ctl "$1" status; }
control() { echo "/run/slim-lab/$name/$1/control.sock"; }
state() { echo "/run/slim-lab/$name/$1/state"; }
# (The load takes all of the machine: who kills and looks must come to his turn.)
complete()
{
	nice -n -10 ip netns exec "$(space "$1")" "$audit" ledger "$(control "$1")" "$work/known-$1"
}
known() { ip netns exec "$(space "$1")" "$audit" known; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

lab_start -C 1
server=$(address h2c1)
served server h2c1 $port "$many" server $port 2
served streams h2c1 $((port + 1)) "$stream" server $((port + 1))
for ((i = 0; i < LISTENERS; i++)); do
	served listener$i h2c1 $((port + 10 + i)) "$many" server $((port + 10 + i)) 1
done
listeners() { ctl "$1" -j listeners | jq -r '.listeners[] | "\(.address) \(.port)"' | sort; }
for host in h1 h2; do
	listeners $host >"$work/listeners-$host"
done

check "$((IDLE / 2)) connections stay" hold a h1c1 "$server" $port $((IDLE / 2))
check "as many again" hold b h1c1 "$server" $port $((IDLE / 2))
for ((i = 0; i < STREAMS; i++)); do
	background stream$i in_ h1c1 "$stream" client "$server" $((port + 1)) $STREAM_RATE
done
streaming() { (($(counter h1 connects_slim) == IDLE + STREAMS)); }
check "they and $STREAMS long transfers are on the slim path" poll 10 streaming
equal "and nothing is on the packet path" 0 "$(counter h1 connects_packet)"
for host in h1 h2; do
	known $host >"$work/known-$host"
	equal "$host: the kernel has them all" $((IDLE + STREAMS)) "$(wc -l <"$work/known-$host")"
	check "$host: and so has the ledger" complete $host
	fds $host >"$work/fds-before-$host"
done

# --- the minute ---

native_opens() { nsenter "--net=/run/netns/$(space h1c1)" nstat -az TcpActiveOpens | awk '/^Tcp/ { print int($2) }'; }

opens=$(native_opens)
others_begin
background load in_ h1c1 "$many" setups "$server" $port 0 $((KILLS + 3)) 2
began=$(milliseconds)
declare -A looks=()

# look KILL HOST: does the router that comes answer, and know all?
look()
{
	local began
	began=$(milliseconds)

	if ! poll 5 answers "$2" >/dev/null; then
		echo "silent: $2 does not answer"
	elif echo "$(($(milliseconds) - began)) ms until $2 answered (kill $1)" && complete "$2"; then
		echo complete
	fi
}

# Each host has two seconds to be looked at, while the other one is killed.
for ((i = 1; i <= KILLS; i++)); do
	host=h$((i % 2 + 1))
	[[ ! ${looks[$host]:-} ]] || wait "${looks[$host]}"
	pid=$(child $host)
	now=$(milliseconds)
	((now >= began + i * 1000)) || sleep "$(printf '0.%03d' $((began + i * 1000 - now)))"
	kill -KILL "$pid"
	look $i $host >"$work/look-$i" 2>&1 &
	looks[$host]=$!
done
took=$(($(milliseconds) - began))
wait "${looks[@]}"
echo "         $KILLS kills in $took ms; the next router answered after most" \
	"$(sort -n "$work"/look-* | grep ' ms ' | tail -n 1)"
equal "after each kill, another router answers" "$KILLS" "$(cat "$work"/look-* | grep -c ' ms ')"
equal "and its ledger is complete" "$KILLS" "$(cat "$work"/look-* | grep -cx complete)"
grep -hvE '^complete$|^[0-9]+ ms' "$work"/look-* | sed 's/^/         /' || true
check "set-ups at full rate: none has failed" finish load
echo "         set-ups: $(tail -n 1 "$work/load")"
grep '"second"' "$work/load" | jq -s -r '"         p50 \(map(.p50_us) | sort | .[length / 2 | floor]) us; slowest \(map(.max_us) | max) us; in the slowest second \(map(.done) | min)"'
others_end
setups=$(tail -n 1 "$work/load" | jq .done)
opens=$(($(native_opens) - opens))
echo "         $opens of $setups took the packet path"
check "thousands of them" holds "$setups > 20 * $KILLS"
check "a good part of them on the slim path" holds "$opens < $setups * 3 / 4"
if [[ $disturbed ]]; then
	skip "how fast the kills came, and that most were on the slim path: $disturbed"
else
	check "the kills came one each second" holds "$took < (KILLS + 3) * 1000"
	check "most of them on the slim path" holds "$opens * 2 < $setups"
fi

# --- what is left ---

for host in h1 h2; do
	check "$host has its peer" poll 10 meshed $host
	check "$host knows all listeners" poll 5 same "$(<"$work/listeners-$host")" \
		"$(listeners $host)"
	check "$host's ledger is complete" complete $host
	only_known() { (($(ctl "$1" -j status | jq .connections) == IDLE + STREAMS)); }
	check "$host's ledger has nothing else" poll 20 only_known $host
done
check "the connections that stayed carry what they should" intact a $((IDLE / 2))
check "all of them" intact b $((IDLE / 2))

# The sums that both ends have of all streams
sums() { awk '/^intact/ { num++; a += $2; b += $3 } END { print num, a, b }' "$@"; }
for ((i = 0; i < STREAMS; i++)); do
	check "a long transfer is whole" finish stream$i TERM
	sed 's/^/         /' "$work/stream$i"
done
all_said() { (($(grep -c . "$work/streams") == STREAMS)); }
check "the other ends have seen their ends" poll 10 all_said
read -r num sent received < <(sums "$work"/stream[0-9]*)
equal "and have received and sent the same" "$num $received $sent" "$(sums "$work/streams")"
check "that was a long transfer each" holds "$sent > STREAMS * KILLS * STREAM_RATE * 256"

slim_accepts()
{
	local before
	before=$(counter h2 claims)

	in_ h1c1 "$programs/talk" client 4 "$server" "$1" 1000 && (($(counter h2 claims) > before))
}
for ((i = 0; i < LISTENERS; i++)); do
	check "a listener of before accepts by the slim path" poll 10 slim_accepts $((port + 10 + i))
	stop listener$i
done
let_go
stop server
stop streams

few_as_before() { (($(fds "$1") <= $(<"$work/fds-before-$1") + 8)); }
no_slim_socket() { [[ ! $(known "$1") ]]; }
no_record() { "$audit" records "$(state "$1")" | awk '/^(connections|inflight) / && $2 { bad = 1 } { print } END { exit bad }'; }
for host in h1 h2; do
	check "$host has no slim socket left" poll 10 no_slim_socket $host
	check "$host has no connection left" poll 20 no_connections $host
	poll 5 no_record $host >/dev/null || true
	check "$host has no record of one left" no_record $host
	check "$host's router has no more files open than before" few_as_before $host
done
