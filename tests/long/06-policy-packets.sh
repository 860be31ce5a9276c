#!/bin/bash
# SPDX-License-Identifier: MIT
# A policy of 100,000 rules on the packet path: nftables follow within 2 s, the router answers meanwhile,
# and containers that come and go cost little. And 10,000 live connections, of which 1,000 become denied.
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/held.sh"

RULES=100000
STAY=9000
GO=1000
policy=/run/slim-lab/$name/policy

lab_start -H 2 -C 2
server=$(address h2c1)

# put RULE...: another container's rules, each of other addresses, and behind them those that match
put()
{
	{
		echo "tenant t1"
		echo "default deny"
		awk -v num=$RULES -v to="$server" 'BEGIN {
			for (i = 0; i < num; i++)
				printf "allow tcp from 11.%d.%d.%d/28 to %s port %d\n", i / 4096,
					i / 16 % 256, i % 16 * 16, to, 1 + i % 1000
		}'
		printf '%s\n' "$@"
	} >"$policy.new"
	mv "$policy.new" "$policy"
}

nft_h2() { ip netns exec "$(space h2)" nft "$@"; }
# What each load makes anew; to list it takes nft no time (a single chain, it would read all sets)
chain() { nft_h2 -a list chains netdev | grep -o 'chain always { # handle.*'; }
another_chain() { local now; now=$(chain) && [[ $now && $now != "$had" ]]; }
ms() { echo $((($(date +%s%N) - began) / 1000000)); }
reaches() { plain h1c1 nc -z -w 2 "$server" "$1"; }

# asks: how long slimctl waits at most, in ms, until told to end
asks()
{
	local from slowest=0 took

	while [[ ! -e $work/enough ]]; do
		from=$(date +%s%N)
		ctl h2 status >/dev/null
		took=$((($(date +%s%N) - from) / 1000000))
		((took <= slowest)) || slowest=$took
		echo "$slowest" >"$work/slowest"
		sleep 0.02
	done
}

serve server plain h2c1 7900 python3 "$e2e/speaker.py" 7900 hello
ctl h1 reload >/dev/null
for port in 7900 7901; do
	put "allow tcp from container h1c1 to container h2c1 port $port"
	had=$(chain || true)
	background asks asks
	others_begin
	began=$(date +%s%N)
	ctl h2 reload >/dev/null
	check "$RULES rules: nftables follow" poll 20 another_chain
	took=$(ms)
	others_end
	touch "$work/enough"
	finish asks
	rm "$work/enough"
	echo "         $took ms after the request; slimctl waited for $(<"$work/slowest") ms at most"
	if [[ $disturbed ]]; then
		skip "within 2 s, and the router answers meanwhile: $disturbed"
	else
		check "within 2 s of the request" holds "$took < 2000"
		check "the router answers meanwhile, within 200 ms" holds "$(<"$work/slowest") < 200"
	fi
	[[ $port != 7900 ]] || check "what is allowed gets there" reaches 7900
done
check_not "what is not, does not" reaches 7900

sets() { nft_h2 -t -j list sets netdev | jq -c '[.nftables[].set? | select(.) | [.name, .handle]] | sort'; }
had=$(chain)
before=$(sets)
others_begin
began=$(date +%s%N)
ctl h2 detach h2c2 >/dev/null
check "a container goes: nftables follow" poll 20 another_chain
took=$(ms)
others_end
echo "         after $took ms"
equal "the sets are the same" "$before" "$(sets)"
if [[ $disturbed ]]; then
	skip "within 500 ms: $disturbed"
else
	check "within 500 ms" holds "$took < 500"
fi
attach h2c2 >/dev/null

peak=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$(child h2)/status")
check "the router has never had more than 160 MB" holds "$peak < 160"

# --- live connections ---

of_port() { jq -r ".\"$1\".$2" "$work/held-ends"; }
is_open() { ended ends || grep -x "held $((STAY + GO))" "$work/ends-out"; }
put "allow tcp to $server port 7910-7911"
reload_all
for port in 7910 7911; do
	serve live-$port plain h2c1 $port "$many" server $port 2
done
poll 10 reaches 7910
mkfifo "$work/in-ends"
(
	launch=(exec)
	plain h1c1 python3 "$top/tests/long/ends.py" "$server" 7910 $STAY 7911 $GO <"$work/in-ends"
) >"$work/ends-out" 2>&1 &
background_pids[ends]=$!
exec {ends_fd}>"$work/in-ends"
check "$((STAY + GO)) connections are open" poll 240 is_open
equal "none of them on the slim path" 0 "$(ctl h1 -j status | jq .connections)"
put "allow tcp to $server port 7910"
others_begin
began=$(date +%s.%N)
took=$(ctl h1 -j reload | jq .took_ms)
settle
all_cut() { (($(counter h1 connections_cut_packet) >= GO)); }
check "all that are denied are cut" poll 20 all_cut
others_end
sleep 1
exec {ends_fd}>&-
finish ends || true
tail -n 1 "$work/ends-out" | grep -o '{.*' >"$work/held-ends"
equal "those end, and no other" "$GO 0" "$(of_port 7911 ended) $(of_port 7910 ended)"
equal "all of them by an error" $GO \
	"$(jq '[.[].how | .ECONNRESET // 0, .ECONNABORTED // 0] | add' "$work/held-ends")"
total=$(awk -v from="$began" -v to="$(of_port 7911 last)" 'BEGIN { printf "%d", (to - from) * 1000 }')
echo "         in force after $took ms; the last connection ended $total ms after the request"
if [[ $disturbed ]]; then
	skip "gone within 500 ms of the request: $disturbed"
else
	check "gone within 500 ms of the request" holds "$total >= 0 && $total < 500"
	check "gone within 100 ms of the publication" holds "$total - ${took%.*} < 100"
fi
