#!/bin/bash
# SPDX-License-Identifier: MIT
# A connection that is over, and forgotten by the router: another descriptor of it goes on in the container.
. "$(dirname "$0")/lib.sh"

lab_start -H 2

dissolved() { grep -q dissolved "$work/$1"; }

# again CLIENT-KIND HOW [-6]
again()
{
	local text="$1 client, ${3:--4}: a duplicate is used anew: $2" tag=$1-$2${3:-} before
	before=$(counter h1 connects_slim)

	background "$tag" with "$1" h1c1 python3 "$e2e/ended.py" "$2" "$(address ${3:+"$3"} h2c1)" 7301 \
		"$(address ${3:+"$3"} h1c1)"
	check "$text: dissolved" poll 10 dissolved "$tag"
	check "$text: forgotten" poll 10 no_connections h1
	[[ $1 == plain ]] || equal "$text: slim path" $((before + 1)) "$(counter h1 connects_slim)"
	check "$text" finish "$tag" USR1
	sed -n 's/^[A-Za-z]*Error/         | &/p' "$work/$tag"
}

serve server shim h2c1 7301 python3 "$e2e/servers.py" threads 7301
for how in connect bind listen; do
	again plain "$how"
	again shim "$how"
	again shim "$how" -6
done
stop server
