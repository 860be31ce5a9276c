#!/bin/bash
# SPDX-License-Identifier: MIT
# The wire loses packets: some of all, all of some, one way only.
. "$(dirname "$0")/lib.sh"

load_ms=2000
[[ ! $long ]] || load_ms=15000

faults_start

# lose IN OUT: rules of nft(8) for what h2 gets and sends ("": nothing)
lose()
{
	ip netns exec "$(space h2)" nft -f - <<-END
	table inet faults {
		chain in { type filter hook input priority -500;
			iifname eth0 $1
		}
		chain out { type filter hook output priority -500;
			oifname eth0 $2
		}
	}
	END
}

mend() { ip netns exec "$(space h2)" nft delete table inet faults; }

# lossy TEXT IN OUT [ERROR...]: nobody gets a wrong answer, and few get none
lossy()
{
	local what=$1

	hold
	lose "$2" "$3"
	background load in_ h1c1 "$probe" flood "$(address h2c1)" $port $load_ms 8
	background load-t2 in_ h2t2c1 "$probe" flood "$(address h1t2c1)" $port $load_ms 8
	finish load
	finish load-t2
	check "$what: every connection got its own answer" only load "${@:4}"
	check "$what: in the other tenant, too" only load-t2 "${@:4}"
	mend
	healed "$what"
	lets_go "$what"
}

percent() { echo "numgen random mod 100 < $1 drop"; }

late=(EAGAIN EINPROGRESS)
lossy "1 % of all" "$(percent 1)" "$(percent 1)" "${late[@]}"
lossy "10 % of all" "$(percent 10)" "$(percent 10)" "${late[@]}"
lossy "30 % one way" "$(percent 30)" accept "${late[@]}"
lossy "half of the SYNs" "tcp flags & (syn | ack) == syn $(percent 50)" \
	"tcp flags & (syn | ack) == syn $(percent 50)" "${late[@]}"
lossy "half of the SYN-ACKs" "tcp flags & (syn | ack) == (syn | ack) $(percent 50)" \
	"tcp flags & (syn | ack) == (syn | ack) $(percent 50)" "${late[@]}"
lossy "half of the FINs, all resets" "tcp flags & rst == rst drop" \
	"tcp flags & (fin | rst) != 0 $(percent 50)" "${late[@]}"
# (A SYN-ACK whose answer was lost, and the reset behind it, is sent again for 63 s.)
clean "some of all" $((load_ms / 1000 + 63))

# --- all of some ---

# vanishes RULE: both ways
vanishes() { lose "$1 drop" "$1 drop"; }

# Kept out of a whole second: whoever connects now gets there as its SYN is sent again.
vanishes "tcp flags & (syn | ack) == syn"
background load in_ h1c1 "$probe" flood "$(address h2c1)" $port 100 8
sleep 0.7
mend
finish load
check "all SYNs, for a moment: nobody failed" only load
healed "all SYNs, for a moment"

vanishes "udp dport 4789"
check "VXLAN alone: the slim path does without" matrix
mend
healed "VXLAN alone"

# Without peers nothing is announced: the packet path it is.
packets() { reaches packet h1c1 h2c1 800 && reaches packet h2t2c1 h1t2c1 800; }
vanishes "tcp sport 4790 drop; tcp dport 4790"
check "the peer channel alone: the packet path serves" poll 5 packets
background load in_ h1c1 "$probe" flood "$(address h2c1)" $port 500 4
finish load
check "... and nobody fails" only load
mend
healed "the peer channel alone"

lose drop accept
check "one way: the hosts miss each other" poll 6 fails meshed h1
mend
healed "one way"
clean "all of some"
faults_stop
