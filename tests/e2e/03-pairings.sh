#!/bin/bash
# SPDX-License-Identifier: MIT
# Shimmed or not, on two hosts, one host or in one container, IPv4, IPv6 or mapped: all
# pairs can talk, both see virtual names, and the slim path is taken where it should be.
. "$(dirname "$0")/lib.sh"

lab_start -H 2

port=7000
declare -A ports=()

# Two servers for each container and kind: AF_INET, and AF_INET6 for all.
for node in h1c1 h1c2 h2c1; do
	for kind in shim plain; do
		for family in 4 6; do
			port=$((port + 1))
			ports[$node-$kind-$family]=$port
			serve "$node-$kind-$family" "$kind" "$node" "$port" \
				"$programs/talk" server "$family" "$port"
		done
	done
done

# plainly NAME: without the ::ffff: of a mapped address
plainly() { sed 's/\[::ffff:\([0-9.]*\)\]/\1/g'; }

# What the client and the server printed of the same connection
same_names()
{
	local local_ peer
	read -r _ local_ _ peer < <(plainly <<<"$1")

	tail -n 1 "$2" | plainly | grep -Fx "local $peer peer $local_ accepted $local_"
}

# slim_connections HOST: so far
slim_connections() { counter "$1" connects_slim; }

# talk_between TEXT CLIENT-KIND CLIENT SERVER-KIND SERVER FAMILY ADDRESS PATH
talk_between()
{
	local text="$1, $2 to $4, family $6" listen=$6 before out tag target

	[[ $listen != m ]] || listen=6
	tag=$5-$4-$listen
	before=$(slim_connections "${3%%c*}")
	out=$work/client
	check "$text: bytes come back" talk_client "$2" "$3" "$6" "$7" "${ports[$tag]}"
	target=$before
	[[ $8 != slim ]] || target=$((before + 1))
	equal "$text: $8 path" "$target" "$(slim_connections "${3%%c*}")"
	check "$text: names are virtual, and the same at both ends" \
		same_names "$(<"$out")" "$work/$tag"
	if [[ $7 != 127.* && $7 != ::1 ]]; then
		check "$text: the client's name is its own address" grep -F \
			"local $(own_name "$3" "$6")" "$out"
	fi
}

talk_client() { with "$1" "$2" "$programs/talk" client "$3" "$4" "$5" 200000 >"$work/client"; }

own_name()
{
	case $2 in
	4) address "$1" ;;
	6) echo "[$(address -6 "$1")]" ;;
	m) echo "[::ffff:$(address "$1")]" ;;
	esac
}

# all_of TEXT CLIENT SERVER ADDRESS4 ADDRESS6 PATH-OF-TWO-SHIMS
all_of()
{
	local client_kind server_kind family to path

	for client_kind in shim plain; do
		for server_kind in shim plain; do
			path=packet
			[[ $client_kind$server_kind != shimshim ]] || path=$6
			for family in 4 6 m; do
				to=$4
				[[ $family != 6 ]] || to=$5
				talk_between "$1" "$client_kind" "$2" "$server_kind" "$3" \
					"$family" "$to" "$path"
			done
		done
	done
}

all_of "two hosts" h1c1 h2c1 "$(address h2c1)" "$(address -6 h2c1)" slim
all_of "two hosts, back" h2c1 h1c1 "$(address h1c1)" "$(address -6 h1c1)" slim
all_of "one host" h1c1 h1c2 "$(address h1c2)" "$(address -6 h1c2)" slim
all_of "one container, own address" h1c1 h1c1 "$(address h1c1)" "$(address -6 h1c1)" packet
all_of "one container, loopback" h1c1 h1c1 127.0.0.1 ::1 packet
