#!/bin/bash
# SPDX-License-Identifier: MIT
# A host loses its power, and comes back: with its state or without, and with other addresses.
. "$(dirname "$0")/lib.sh"

faults_start

state=/run/slim-lab/$name/h2/state
h2_nodes=(h2c1 h2t2c1 h2t2c2)
was=$(address h2c1)

# crash: under load; nothing that h2 had says goodbye, nor does this shell that its jobs were killed
crash()
{
	local node

	background load in_ h1c1 "$probe" flood "$was" $port 1000 4
	background load-back in_ h2c1 "$probe" flood "$(address h1c1)" $port 1000 4
	poll 5 busy h2
	lab crash h2
	for node in "${h2_nodes[@]}"; do
		stop "server-$node"
	done
	stop load-back
	stop echo-h2c1
} 2>/dev/null

busy() { (($(ctl "$1" -j status | jq .connections) > 4)); }

boot()
{
	lab boot h2
	ctl h2 detach h2c2 >/dev/null
}

peer_is_down() { ctl h1 -j peers | jq -e '.peers[] | select(.name == "h2") | .state != "up"'; }

# fails_soon ADDRESS
fails_soon() { [[ $(in_ h1c1 "$probe" client "$1" $port 1000) == E* ]]; }

crash
check "h1 learns that h2 is gone" poll 5 peer_is_down
check "nobody answers in its place" fails_soon "$was"
finish load
rm -rf "$state"
# This one has been up for long: the clock of the next is far behind what it leaves in its state.
LAB_ROUTER=$faults/later_clock boot
healed "reboot with an empty /run"
clean "reboot with an empty /run"

crash
finish load
check "it left connections in its state" grep -E 'connections [1-9]' <(records h2)
boot
healed "reboot with its state"
clean "reboot with its state"

# At once: before the others have noticed.
crash
rm -rf "$state"
boot
healed "reboot within the peers' patience"
finish load
clean "reboot within the peers' patience"

# Other addresses: what h2c1 had is nobody's any more.
crash
rm -rf "$state"
boot
finish load
ctl h2 detach h2c1 >/dev/null
check "an address that did not come back is not reached" fails_soon "$was"
moved=10.32.2.77
ctl h2 attach h2c1 --netns "/run/netns/$(space h2c1)" --tenant t1 --ip "$moved" >/dev/null
serve_all
reaches_moved() { [[ $(in_ h1c1 "$probe" client $moved $port 800) == "slim h2c1" ]]; }
check "its new address is, by the slim path" poll 5 reaches_moved
check "the old one is not" fails_soon "$was"
stop server-h2c1
stop echo-h2c1
ctl h2 detach h2c1 >/dev/null
attach h2c1 >/dev/null
healed "back on its old address"
clean "back on its old address"
faults_stop
