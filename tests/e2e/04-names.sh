#!/bin/bash
# SPDX-License-Identifier: MIT
# Names are virtual, however and by whom they are asked.
. "$(dirname "$0")/lib.sh"

lab_start -H 2

is_ready() { grep ready "$work/$1"; }

# both SERVER-KIND CLIENT-KIND: all three families, names asked at both ends
both()
{
	local text="$1 server, $2 client" port=$3 v4 v6 own4 own6 before
	v4=$(address h2c1)
	v6=$(address -6 h2c1)
	own4=$(address h1c1)
	own6=$(address -6 h1c1)

	background there with "$1" h2c1 python3 "$e2e/names.py" holder "$work/there-$port.sock"
	background here with "$2" h1c1 python3 "$e2e/names.py" holder "$work/here-$port.sock"
	check "$text: holders" poll 10 is_ready there
	check "$text: holders" poll 10 is_ready here
	serve server "$1" h2c1 "$port" python3 "$e2e/names.py" server "$port" \
		"$work/there-$port.sock" "::ffff:$own4" "$own6" "::ffff:$own4"
	before=$(counter h1 connects_slim)
	check "$text: IPv4, the client's names" with "$2" h1c1 \
		python3 "$e2e/names.py" client "$v4" "$port" "$work/here-$port.sock" "$own4"
	check "$text: IPv6, the client's names" with "$2" h1c1 \
		python3 "$e2e/names.py" client "$v6" "$port" "$work/here-$port.sock" "$own6"
	check "$text: mapped, the client's names" with "$2" h1c1 \
		python3 "$e2e/names.py" client "::ffff:$v4" "$port" "$work/here-$port.sock" \
		"::ffff:$own4"
	check "$text: the server's names" finish server
	[[ ! -s $work/server ]] || sed -n 's/^Assert/         | &/p' "$work/server"
	if [[ $1$2 == shimshim ]]; then
		equal "$text: slim path" $((before + 3)) "$(counter h1 connects_slim)"
	fi
	stop there
	stop here
}

both plain plain 7101
both shim shim 7102
both shim plain 7103
both plain shim 7104
