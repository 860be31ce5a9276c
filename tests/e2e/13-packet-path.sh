#!/bin/bash
# SPDX-License-Identifier: MIT
# The packet path: UDP, ICMP, static programs, MTU, no flooding, no strangers, the way out.
. "$(dirname "$0")/lib.sh"

lab_start -H 3 -C 2

# over_device TEXT BYTES COMMAND...: it succeeds, and h1c1's device carries that much
over_device()
{
	local before
	before=$(device_bytes h1c1)

	check "$1" "${@:3}"
	check "$1: over the device" holds "$(device_bytes h1c1) - $before >= $2"
}

for option in '' -6; do
	for to in h2c1 h3c2 h1c2; do
		# shellcheck disable=SC2086
		over_device "ping h1c1 to $to ${option:-IPv4}" 300 \
			in_ h1c1 ping -c 2 -i 0.1 -W 2 "$(address $option $to)"
	done
done

udp()
{
	background udp in_ h2c1 python3 "$e2e/udp_echo.py" server 7600 &&
		poll 5 has "$work/udp" ready &&
		in_ h1c1 python3 "$e2e/udp_echo.py" client "$(address h2c1)" 7600 &&
		in_ h1c1 python3 "$e2e/udp_echo.py" client "$(address -6 h2c1)" 7600
}

over_device "UDP, 40 kB datagrams too" 80000 udp
stop udp

equal "the container's MTU is 1450" 1450 "$(plain h1c1 cat /sys/class/net/eth0/mtu)"
check "1450 bytes pass unfragmented" \
	plain h1c1 ping -c 1 -W 2 -M 'do' -s 1422 "$(address h2c1)"
check_not "1451 do not" plain h1c1 ping -c 1 -W 1 -M 'do' -s 1423 "$(address h2c1)"

if gcc -O2 -static -o "$work/talk-static" "$e2e/talk.c" 2>/dev/null; then
	serve talk shim h2c1 7601 "$programs/talk" server 6 7601
	over_device "a static client" 200000 \
		in_ h1c1 "$work/talk-static" client 4 "$(address h2c1)" 7601 100000
	stop talk
	background static in_ h2c1 "$work/talk-static" server 6 7602
	check "a static server listens" poll 5 listening h2c1 7602
	over_device "a static server" 200000 \
		in_ h1c1 "$programs/talk" client 6 "$(address -6 h2c1)" 7602 100000
	stop static
else
	skip "static programs: there is no static C library"
fi

# --- nothing is learnt by flooding, nobody else is listened to ---

bytes=$(device_bytes h3c1)
plain h1c1 ping -c 20 -i 0.01 "$(address h2c1)" >/dev/null
check "what goes to h2c1 is not seen by h3c1" holds "$(device_bytes h3c1) - $bytes < 500"
bytes=$(device_bytes h2c1)
plain h1c1 ping -c 3 -i 0.01 -W 1 10.32.99.99 >/dev/null || true
check "nor what goes to nobody by h2c1" holds "$(device_bytes h2c1) - $bytes < 500"

reaches() { "$1" "$2" python3 "$e2e/udp_echo.py" tcp "$3" "$4"; }

check "a peer reaches h1's slim port" reaches in_ h2 "$(address h1)" 4790
check_not "a container does not reach its host's" reaches plain h1c1 "$(address h1)" 4790
check_not "nor another host's" reaches plain h1c1 "$(address h2)" 4790
check_not "nor its gateway's" reaches plain h1c1 10.32.0.1 4790
ip -n "$(space h3)" address add 198.18.0.77/24 dev eth0
# shellcheck disable=SC2317
stranger() { in_ h3 python3 "$e2e/udp_echo.py" tcp "$(address h1)" 4790 198.18.0.77; }
check_not "a stranger on the wire does not" stranger

# forge SOURCE: an ICMP echo request to h1c1 in VXLAN, as if from h2c1
forge()
{
	in_ h3 python3 "$e2e/udp_echo.py" vxlan "$1" "$(address h1)" 100 "$(mac h1 h1c1)" \
		"$(mac h2 h2c1)" "$(address h2c1)" "$(address h1c1)"
}

mac() { ctl "$1" -j containers | jq -r ".containers[] | select(.name == \"$2\") | .mac"; }
received() { ip -n "$(space h1c1)" -j -s link show eth0 | jq '.[0].stats64.rx.packets'; }
more_received() { (($(received) > packets)); }

dropped=$(counter h1 dropped_strangers_vxlan)
more_dropped() { (($(counter h1 dropped_strangers_vxlan) > dropped)); }
forge 198.18.0.77
check "a stranger's VXLAN is dropped" poll 2 more_dropped
packets=$(received)
forge "$(address h3)"
check "a peer's is not (so the test is one)" poll 2 more_received

# A container that takes another's address
plain h1c1 ip address add 10.32.1.99/16 dev eth0
check_not "a container cannot use an address that is not its own" \
	plain h1c1 ping -c 1 -W 1 -I 10.32.1.99 "$(address h2c1)"
plain h1c1 ip address del 10.32.1.99/16 dev eth0

# --- the way out ---

check "a container reaches a host on the wire" plain h1c1 ping -c 1 -W 2 "$(address h3)"
background seen in_ h3 python3 "$e2e/udp_echo.py" source 7700
check "outside there is a server" poll 5 has "$work/seen" ready
equal "seen outside: its host's address" "$(address h1)" \
	"$(plain h1c1 python3 "$e2e/udp_echo.py" ask "$(address h3)" 7700)"
stop seen
