#!/bin/bash
# SPDX-License-Identifier: MIT
# A router with the capabilities that its unit leaves it, and no others: it serves, and takes up what an
# earlier one left, whatever the processes of its containers may.
. "$(dirname "$0")/lib.sh"

unit=$e2e/../../router/slimrouter.service
address=10.32.1.99
port=8900

# The unit's set, in setpriv's words
bounding=$(sed -n 's/^CapabilityBoundingSet=//p' "$unit" | tr ' ' '\n' |
	awk 'BEGIN { printf "-all" } { sub("CAP_", ""); printf ",+%s", tolower($0) }')
printf '#!/bin/sh\nexec setpriv --bounding-set %s %s "$@"\n' "$bounding" \
	"${LAB_ROUTER:-$build/slimrouter}" >"$work/confined"
chmod +x "$work/confined"
export LAB_ROUTER=$work/confined
lab_start -C 1

powers() { sed -n "s/^Cap$2:[[:space:]]*//p" "/proc/$1/status"; }
check "the router is confined" test "$(powers "$(router_pid h1)" Bnd)" != "$(powers $$ Bnd)"

# A container's process as runtimes make them: some powers, of which the router has none
unshare -n setpriv --bounding-set=-all,+chown,+dac_override,+net_bind_service,+net_raw,+setuid \
	sleep 300 &
sleeper=$!
is_there() { [[ $(powers $sleeper Bnd) != "$(powers $$ Bnd)" && $(<"/proc/$sleeper/comm") == sleep ]]; }
check "a container's process" poll 5 is_there
attached() { ctl h1 -j containers | jq -e '.containers[] | select(.name == "extra")'; }
check "is attached by its pid" ctl h1 attach extra --netns "/proc/$sleeper/ns/net" --tenant t1 --ip $address
check "it answers" poll 5 plain h2c1 ping -c 1 -W 1 $address
slim_connect() { in_ h1c1 "$build/tests/e2e/talk" client 4 "$(address h2c1)" $port 100; }
serve talk shim h2c1 $port python3 "$e2e/servers.py" threads $port
before=$(counter h1 connects_slim)
check "containers talk" slim_connect
check "by the slim path" holds "$(counter h1 connects_slim) == $before + 1"

# Not a keeper's child that takes over, but another router, as systemctl restart starts it
check "another router takes over" lab router h1 restart
check "the container is attached still" attached
check "it answers still" poll 5 plain h2c1 ping -c 1 -W 1 $address
check "it is killed: the next takes over" kill -KILL "$(ctl h1 -j status | jq .pid)"
check "the container is attached still" poll 5 attached
other()
{
	ctl h1 attach other --netns "/proc/$sleeper/root/run/netns/$(space h1c1)" --tenant t1 \
		--ip 10.32.1.98
}
check_not "a path through a process' root cannot be watched" other
check "... which is said" grep "cannot be watched" <(other 2>&1)
kill $sleeper
is_away() { ! attached; }
check "when its process ends, it is detached" poll 5 is_away
stop talk

# --- the containers' state file cannot be written to ---

file=/run/slim-lab/$name/h1/state/containers
port_is_there() { ip -n "$(space h1)" -o link show type veth | grep -q slimv; }
lab router h1 stop
check "a router that stops leaves its containers attached" port_is_there
mount --bind "$file" "$file"
mount -o remount,bind,ro "$file"
(LAB_TIMEOUT=5 lab router h1 start) >/dev/null 2>&1 || true
check_not "the next one does not start" ctl h1 status
check "... and says why" has "/run/slim-lab/$name/h1/router.log" "state file is there and cannot be used"
check "what it does not know stays as it is" port_is_there
umount "$file"
check "when it can be written to, the next one starts" lab router h1 start
check "the container is attached still" jq -e '.containers[] | select(.name == "h1c1")' \
	<(ctl h1 -j containers)
