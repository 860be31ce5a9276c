#!/bin/bash
# SPDX-License-Identifier: MIT
# Goodput under a limit of 1 Gbit/s over ten seconds: within five in a hundred of it, for one
# connection and for eight together, whatever it is that limits them.
. "$(dirname "$0")/../e2e/lib.sh"

policy=/run/slim-lab/$name/policy
port=5201
seconds=${E2E_SECONDS:-10}

puts()
{
	printf '%s\n' "tenant t1" "$@" >"$policy"
	ctl h1 reload >/dev/null
}

# goodput TEXT TO [OPTION...]: that of iperf3 from h1c1, on the slim path
goodput()
{
	local text=$1 to=$2 before kbit
	before=$(device_bytes h1c1)

	shift 2
	kbit=$(in_ h1c1 iperf3 -c "$(address "$to")" -p $port -t "$seconds" -J "$@" |
		jq '.end.sum_received.bits_per_second / 1000 | floor')
	echo "         $text: $kbit kbit/s"
	check "$text" holds "$kbit >= 950000 && $kbit <= 1050000"
	check "$text: not over the veth" holds "$(device_bytes h1c1) - $before < 200000"
}

lab_start -H 2 -C 2
serve remote shim h2c1 $port iperf3 -s -p $port
serve local shim h1c2 $port iperf3 -s -p $port

# BBR stays some parts in a hundred below what it may.
puts "allow tcp port $port rate 1gbit"
goodput "a rule's rate, one connection" h2c1 -C cubic
goodput "a rule's rate, one connection of the host's own" h1c2 -C cubic
puts "allow tcp port $port rate 125mbit"
goodput "a rule's rate, an eighth for each of eight" h2c1 -P 8 -C cubic

for limit in "each container h1c1" tenant; do
	puts "limit $limit rate 1gbit"
	for to in h2c1 h1c2; do
		goodput "limit $limit, to $to, one connection" $to
		goodput "limit $limit, to $to, eight" $to -P 8
	done
done
