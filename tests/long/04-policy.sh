#!/bin/bash
# SPDX-License-Identifier: MIT
# A policy of 100,000 rules and 10,000 live connections, of which another one denies 1,000, by `slimctl reload`
# and by SIGHUP; set-ups go on meanwhile. (tests/policy/07 has reloads without a pause.)
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/held.sh"

RULES=100000
STAY=9000
GO=1000		# at each of two reloads
STALL_MAX=5000	# us
policy=/run/slim-lab/$name/policy
rules=$work/rules
ends=$top/tests/long/ends.py

put()
{
	{
		echo "tenant t1"
		cat "$rules"
		printf '%s\n' "$@"
	} >"$policy.new"
	mv "$policy.new" "$policy"
}

now() { date +%s.%N; }
# ms FROM TO: of two times
ms() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%d", (to - from) * 1000 }'; }
of_port() { jq -r ".\"$1\".$2" "$work/held-ends"; }
is_open() { ended ends || grep -x "held $((STAY + 2 * GO))" "$work/ends-out"; }
have_cut() { (($(counter h1 connections_cut) >= $1)); }
have_left() { (($(ctl h2 -j status | jq .connections) <= $1)); }
# slowest SECONDS: of the set-ups of these, in us
slowest() { jq -s "[.[] | select(.second != null and ($1)) | .max_us] | max | floor" "$work/stall"; }

# Faster than a busy server accepts
LAB_CONFIG="limits { pending 20000; }" lab_start -C 1
"$build/tests/bench/classifier" -p ten4 -n $RULES | sed "s/ 10\\./ 11./g" >"$rules"	# none of them matches
server=$(address h2c1)
put "default allow"
for host in h1 h2; do
	check "$host reads $RULES rules" ctl $host reload
done
served stay h2c1 7900 "$many" server 7900 2
served go h2c1 7901 "$many" server 7901 2
served hang h2c1 7902 "$many" server 7902 2
served setups h2c1 7904 "$many" server 7904 2
mkfifo "$work/in-ends"
(
	launch=(exec)
	in_ h1c1 python3 "$ends" "$server" 7900 $STAY 7901 $GO 7902 $GO <"$work/in-ends"
) >"$work/ends-out" 2>&1 &
background_pids[ends]=$!
exec {ends_fd}>"$work/in-ends"
check "$((STAY + 2 * GO)) connections are open" poll 240 is_open
equal "all of them on the slim path" $((STAY + 2 * GO)) "$(ctl h1 -j status | jq .connections)"

# --- a reload, while a client sets up a connection each 5 ms ---

slim=$(counter h1 connects_slim)
background stall in_ h1c1 "$many" setups "$server" 7904 200 10 1
sleep 4
put "default allow" "deny tcp to $server port 7901"
others_begin
began=$(now)
took=$(ctl h1 -j reload | jq .took_ms)
settle
check "all that are denied are cut" poll 20 have_cut $GO
check "the accepting host reads it, too" ctl h2 reload
check "set-ups go on" finish stall
others_end
equal "on the slim path" "$(jq -s '.[-1].done' "$work/stall")" $(($(counter h1 connects_slim) - slim))
stall_disturbed=$disturbed
check "the other end's host has no more of them" poll 10 have_left $((STAY + GO))

# --- a signal ---

put "default allow" "deny tcp to $server port 7901-7902"
others_begin
signalled=$(now)
kill -HUP "$(router_pid h1)"
settle
check "a signal: all that are denied are cut" poll 20 have_cut $((2 * GO))
check "the other end's host has no more of them" poll 10 have_left $STAY
others_end

# --- what the programs have seen ---

exec {ends_fd}>&-
finish ends || true
tail -n 1 "$work/ends-out" | grep -o '{.*' >"$work/held-ends"
equal "those end, and no other" "$GO $GO 0" "$(of_port 7901 ended) $(of_port 7902 ended) $(of_port 7900 ended)"
equal "all of them by an error" $((2 * GO)) \
	"$(jq '[.[].how | .ECONNRESET // 0, .ECONNABORTED // 0] | add' "$work/held-ends")"
total=$(ms "$began" "$(of_port 7901 last)")
echo "         in force after $took ms; the last connection ended $total ms after the request"
median=$(jq -s '[.[].p50_us | select(. != null)] | sort | .[length / 2 | floor] | floor' "$work/stall")
before=$(slowest ".second < 3")
stall=$(($(slowest ".second >= 3") - median))
echo "         set-ups: median $median us, slowest $before us before, $((stall + median)) us meanwhile"
if [[ $stall_disturbed ]]; then
	skip "gone within 100 ms of the publication and 500 ms of the request: $stall_disturbed"
else
	check "gone within 500 ms of the request" holds "$total >= 0 && $total < 500"
	check "gone within 100 ms of the publication" holds "$total - ${took%.*} < 100"
fi
if [[ $stall_disturbed ]] || ((before - median >= STALL_MAX)); then
	skip "no stall: ${stall_disturbed:-set-ups were as slow before}"
else
	check "set-ups stall for less than $STALL_MAX us" holds "$stall < $STALL_MAX"
fi
total=$(ms "$signalled" "$(of_port 7902 last)")
echo "         the last connection ended $total ms after the signal"
if [[ $disturbed ]]; then
	skip "gone within 500 ms of the signal: $disturbed"
else
	check "gone within 500 ms of the signal" holds "$total >= 0 && $total < 500"
fi
for tag in stay go hang setups; do
	stop $tag
done
