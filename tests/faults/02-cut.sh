#!/bin/bash
# SPDX-License-Identifier: MIT
# The wire between two hosts is cut and mended: while idle, and under load.
. "$(dirname "$0")/lib.sh"

cuts=(1 4)
[[ ! $long ]] || cuts=(1 2.9 3.5 10 30)

faults_start

# What the wire does to packets, in the namespace of one host; see nft(8)
cut_nft()
{
	ip netns exec "$(space h2)" nft -f - <<-END
	table inet faults {
		chain in { type filter hook input priority -500; iifname eth0 drop; }
		chain out { type filter hook output priority -500; oifname eth0 drop; }
	}
	END
}

mend_nft() { ip netns exec "$(space h2)" nft delete table inet faults; }
cut_link() { ip -n "$(space h2)" link set eth0 down; }
mend_link() { ip -n "$(space h2)" link set eth0 up; }

# cut_for KIND SECONDS
cut_for()
{
	"cut_$1"
	sleep "$2"
	"mend_$1"
}

# Whoever connects meanwhile may have to wait for longer than it likes, or find no route.
under_load()
{
	local what=$1

	shift
	hold
	background load in_ h1c1 "$probe" flood "$(address h2c1)" $port $((${2%.*} * 1000 + 3000)) 8
	background load-t2 in_ h2t2c1 "$probe" flood "$(address h1t2c1)" $port \
		$((${2%.*} * 1000 + 3000)) 8
	cut_for "$@"
	healed "$what"
	finish load
	finish load-t2
	check "$what: every connection got its own answer" only load EAGAIN EINPROGRESS \
		ENETUNREACH EHOSTUNREACH
	check "$what: in the other tenant, too" only load-t2 EAGAIN EINPROGRESS ENETUNREACH \
		EHOSTUNREACH
	lets_go "$what"
	clean "$what" "${2%.*}"
}

for seconds in "${cuts[@]}"; do
	under_load "packets vanish for $seconds s, under load" nft "$seconds"
done
under_load "no carrier for ${cuts[0]} s, under load" link "${cuts[0]}"
cut_for nft "${cuts[-1]}"
healed "packets vanish for ${cuts[-1]} s, idle"
cut_for link "${cuts[-1]}"
healed "no carrier for ${cuts[-1]} s, idle"
clean "idle" "${cuts[-1]%.*}"
faults_stop
