#!/bin/bash
# SPDX-License-Identifier: MIT
# Connecting, with and without blocking: as on a plain socket, on the slim path as well.
. "$(dirname "$0")/lib.sh"

lab_start -H 2

port=7200
serve echo shim h2c1 $port python3 "$e2e/servers.py" threads $port

# moods ALIVE ADDRESS: one line for each case, which must be the same both ways
moods()
{
	plain h1c1 python3 "$e2e/nonblocking.py" "$1" "$2" $port 7999 >"$work/plain" 2>&1 || true
	in_ h1c1 python3 "$e2e/nonblocking.py" "$1" "$2" $port 7999 >"$work/shim" 2>&1 || true
}

compare()
{
	local line case

	while read -r line; do
		case=${line%%:*}
		equal "$1: $case" "$line" "$(grep "^$case:" "$work/shim")"
	done < <(grep -E '^[a-z_]+:' "$work/plain")
	check_not "$1: without an exception" grep -h Traceback "$work/plain" "$work/shim"
}

for family in 4 6; do
	before=$(counter h1 connects_slim)
	option=
	[[ $family == 4 ]] || option=-6
	# shellcheck disable=SC2086
	moods alive "$(address $option h2c1)"
	compare "IPv$family"
	check "IPv$family: on the slim path" holds "$(counter h1 connects_slim) - $before >= 10"
done

# From here on h2 neither hears nor sends anything: within three seconds nobody knows.
deafen() { ip netns exec "$(space h2)" nft -f -; }

deafen <<-'END'
table netdev e2e {
	chain deaf { type filter hook ingress device "eth0" priority -500; policy drop; }
}
END
before=$(counter h1 connects_slim)
in_ h1c1 python3 "$e2e/nonblocking.py" dead "$(address h2c1)" $port >"$work/shim" 2>&1 || true
check "a dead host: on the slim path" holds "$(counter h1 connects_slim) - $before >= 3"
plain h1c1 python3 "$e2e/nonblocking.py" dead "$(address h2c1)" $port >"$work/plain" 2>&1 || true
compare "a dead host"
deafen <<<'delete table netdev e2e'
peers_up() { [[ $(ctl h1 -j status | jq .peers_up) == 1 ]] && announced h1 h2c1 $port; }
check "a host that lives again is a peer again" poll 15 peers_up
check "and is reached again" in_ h1c1 "$programs/talk" client 4 "$(address h2c1)" $port 1000
stop echo
