#!/bin/bash
# SPDX-License-Identifier: MIT
# Tenants with equal addresses do not see each other, on either path.
. "$(dirname "$0")/lib.sh"

lab_start -H 2 -C 2 -T 2

equal "equal addresses" "$(address h1c1)" "$(address h1t2c1)"

# answer KIND FROM ADDRESS PORT: what the server there says it is
answer() { with "$1" "$2" nc -N -w 3 "$3" "$4" </dev/null; }

serve one shim h2c1 7500 python3 "$e2e/speaker.py" 7500 one
serve two shim h2t2c1 7500 python3 "$e2e/speaker.py" 7500 two
serve only shim h2c2 7501 python3 "$e2e/speaker.py" 7501 one-only

before=$(($(counter h1 connects_slim) + $(counter h2 connects_slim)))
for kind in shim plain; do
	equal "$kind: the first tenant's client gets the first one's server" one \
		"$(answer $kind h1c1 "$(address h2c1)" 7500)"
	equal "$kind: the second tenant's client gets the second one's" two \
		"$(answer $kind h1t2c1 "$(address h2c1)" 7500)"
	equal "$kind: over IPv6 too" "one two" "$(answer $kind h1c1 "$(address -6 h2c1)" 7500) $(
		answer $kind h1t2c1 "$(address -6 h2c1)" 7500)"
	equal "$kind: on one host too" "one two" "$(answer $kind h2c2 "$(address h2c1)" 7500) $(
		answer $kind h2t2c2 "$(address h2c1)" 7500)"
	equal "$kind: what only the first tenant has" one-only \
		"$(answer $kind h1c1 "$(address h2c2)" 7501)"
	check_not "$kind: is not there for the second" answer $kind h1t2c1 "$(address h2c2)" 7501
done
check "the shimmed ones took the slim path" holds \
	"$(counter h1 connects_slim) + $(counter h2 connects_slim) == $before + 7"
equal "their tenants are shown" "t1 t2" "$(ctl h1 -j listeners |
	jq -r '.listeners[] | select(.port == 7500) | .tenant' | sort -u | xargs)"

# The same source port in both tenants: the virtual 4-tuples are equal, the connections not
background first in_ h1c1 nc -p 7777 "$(address h2c1)" 7500
background second in_ h1t2c1 nc -p 7777 "$(address h2c1)" 7500
check "equal 4-tuples, the first tenant's" poll 5 has "$work/first" one
check "equal 4-tuples, the second tenant's" poll 5 has "$work/second" two
stop first
stop second

bytes=$(device_bytes h2t2c1)
check "ping within a tenant" plain h1c1 \
	ping -c 5 -i 0.1 -W 2 -s 1400 "$(address h2c1)"
check "the other tenant's container has not heard it" holds "$(device_bytes h2t2c1) - $bytes < 2000"
check "detach in one tenant" ctl h2 detach h2c1
check "the other one's works on" same two "$(answer shim h1t2c1 "$(address h2c1)" 7500)"
attach h2c1 >/dev/null
