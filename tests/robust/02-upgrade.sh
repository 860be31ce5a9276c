#!/bin/bash
# SPDX-License-Identifier: MIT
# Another program in the router's place, and restarts by a service manager, under load. h1's router
# is nobody's, h2's is a service of manager.py's.
. "$(dirname "$0")/../e2e/lib.sh"

rounds=${E2E_UPGRADES:-1}
idle=${E2E_IDLE:-200}
crr=$build/tests/bench/crr
port=7950
export E2E_ROUTER=${LAB_ROUTER:-$build/slimrouter} LAB_ROUTER=$e2e/manager.py
export E2E_MANAGED=h2 E2E_STRANGERS=1 E2E_ACTIVATE=1

state() { echo "/run/slim-lab/$name/$1"; }
fact() { jq -r "$2" "$(state "$1")/manager.json"; }

# The keeper, whether or not a manager is its parent
router_pid()
{
	if [[ -e $(state "$1")/manager.json ]]; then
		fact "$1" .pid
	else
		cut -d ' ' -f 1 "$(state "$1")/router.pid"
	fi
}

manager_pid() { cut -d ' ' -f 1 "$(state h2)/router.pid"; }
child() { ctl "$1" -j status | jq .pid; }
answers() { ctl "$1" status; }
program() { readlink "/proc/$(child "$1")/exe"; }
says() { has "$(state "$1")/router.log" "$2"; }
is_ready() { (($(fact h2 .ready) >= $1)); }

# The sockets that listen on the slim ports
slim_ports()
{
	sockets "$1" -ltne '( sport >= 4790 and sport <= 4853 )' 2>/dev/null | grep -o 'sk:[0-9a-f]*' |
		sort | tr '\n' ' '
}

# restart SIGNAL: of the service on h2; returns when it serves
restart()
{
	local before

	before=$(fact h2 .ready)
	kill "-$1" "$(manager_pid)"
	poll 10 is_ready $((before + 1))
	poll 5 answers h2
}

stored() { [[ $(fact h2 '.store | tostring') == '{"slimport":64}' ]]; }

lab_start
server=$(address h2c1)
for host in h1 h2; do
	cp "$E2E_ROUTER" "$work/slimrouter-$host"
done

# --- what must not notice anything ---

# steady TAG PORT NUMBER
steady()
{
	background "$1" in_ h1c1 python3 "$e2e/steady.py" "$server" "$2" "$3"
	poll 10 has "$work/$1" up
}

# A router that does not answer in time is left alone for a while: not by this one
spliced()
{
	local i

	for ((i = 0; i < 5; i++)); do
		steady spliced $((port + 2)) 0
		(($(counter h2 splices) == 0)) || return 0
		stop spliced
		sleep 1
	done
	return 1
}

serve echo shim h2c1 $port python3 "$e2e/servers.py" threads $port
serve crr shim h2c1 $((port + 1)) "$crr" server -p $((port + 1))
serve uring shim h2c1 $((port + 2)) "$programs/uring_accept" listen $((port + 2))
serve back shim h1c1 $((port + 3)) "$crr" server -p $((port + 3))
check "$idle idle connections and a transfer are up" steady slim $port "$idle"
check "another transfer is spliced" spliced
check "most of the connections are slim" holds \
	"$(ctl h1 -j connections | jq '.connections | length') > $idle * 3 / 4"
for host in h1 h2; do
	check "the ledger is complete on $host at first" poll 5 complete $host
done
ports_h1=$(slim_ports h1)
ports_h2=$(slim_ports h2)
equal "h2's manager keeps the slim ports, and nothing else" '{"slimport":64}' "$(fact h2 '.store | tostring')"

# --- slimrouter -t: does the host have what the configuration names? ---

# tested TEXT COMMAND...: what it says about a copy of h1's configuration after COMMAND
tested()
{
	local text=$1

	shift
	cp "$(state h1)/slimrouter.conf" "$work/tested.conf"
	cp -p "$(state h1)/host.key" "$work/tested.key"
	sed -i "s|key \"[^\"]*host.key\"|key \"$work/tested.key\"|" "$work/tested.conf"
	"$@"
	plain h1 "$E2E_ROUTER" -t -c "$work/tested.conf" >"$work/tested" 2>&1 || echo failed >>"$work/tested"
	cat "$work/tested"
	if [[ $text ]]; then
		grep -E -- "$text" "$work/tested"
	else
		[[ ! -s $work/tested ]]
	fi
}

bad_policy()
{
	echo "tennant t1" >"$work/policy"
	sed -i "/^policy /d; /^state /d" "$work/tested.conf"
	printf '%s\n' "policy \"$work/policy\";" "state \"$work/no-state\";" >>"$work/tested.conf"
}
edit() { sed -i "$1" "$work/tested.conf"; }
check "-t: nothing to say" tested "" true
check "-t: a key that others can read" tested "^failed" chmod 644 "$work/tested.key"
check "... says what to do" has "$work/tested" "chmod 600"
check "-t: a key that is none" tested "^failed" cp /etc/passwd "$work/tested.key"
check "-t: no key" tested "slimctl keygen" rm "$work/tested.key"
check "-t: a control socket that is a file" tested "^failed" edit 's|^control .*|control "/etc/passwd";|'
check "-t: a control socket's directory that is not there" tested "^failed" \
	edit 's|^control .*|control "/nonexistent/a/b/sock";|'
check "-t: a state directory that is a file" tested "^failed" edit '$ a state "/etc/passwd";'
check "-t: a policy with errors" tested "^failed" bad_policy
check "... is shown, and where" has "$work/tested" "$work/policy:1:1: found \"tennant\""
check "-t: another host's address is said" tested "no device" edit 's/address 198.18.0.1;/address 198.18.0.77;/'
check_not "... but is no error" has "$work/tested" failed

# --- programs that cannot take over ---

slim_again()
{
	local before
	before=$(counter h1 connects_slim)

	in_ h1c1 "$programs/talk" client 4 "$server" "$port" 1000 &&
		(($(counter h1 connects_slim) > before))
}

# well_ended TAG [SIGNAL]: without an error
well_ended()
{
	local status=0

	finish "$@" || status=$?
	cat "$work/$1"
	return $status
}

# kept HOST TEXT PROGRAM: it is refused, slimctl says why, and the old one serves
kept()
{
	local before
	before=$(program "$1")

	if ctl "$1" upgrade "$3" >"$work/said-$1" 2>&1; then
		echo "it was not refused"
		return 1
	fi
	has "$work/said-$1" "$2" || {
		cat "$work/said-$1"
		return 1
	}
	same "$before" "$(program "$1")"
	poll 5 answers "$1"
}

printf 'garbage' >"$work/garbage"
printf '#!/bin/sh\nexec sleep 60\n' >"$work/sleeps"
chmod 755 "$work/garbage" "$work/sleeps"
pid_before=$(child h2)
check "not a program" kept h2 "Exec format error" "$work/garbage"
check "not there" kept h2 "No such file" "$work/nothing"
check "not executable" kept h2 "Permission denied" /etc/passwd
check "a program that ends at once" kept h2 "exit status 1" /bin/false
check "... or says that all is well" kept h2 "no slimrouter" /bin/true
check "one that reads another form of state" kept h2 "cannot read the state file" \
	"$programs/slimrouter-other-state"
conf_h2=/run/slim-lab/$name/h2/slimrouter.conf
cp "$conf_h2" "$work/conf-h2"
echo "state \"$work/elsewhere\";" >>"$conf_h2"
check "a configuration by which all containers would be forgotten" kept h2 "no router keeps its state" \
	"$build/slimrouter"
cp "$work/conf-h2" "$conf_h2"
sed -i 's/vni 100\b/vni 4242/' "$conf_h2"
check_not "a configuration without a container's tenant" cmp "$conf_h2" "$work/conf-h2"
check "... is refused, and says whose" kept h2 "would be detached: the configuration has no tenant of VNI 100" "$build/slimrouter"
cp "$work/conf-h2" "$conf_h2"
equal "all of that has cost nothing: the same process serves" "$pid_before" "$(child h2)"
for host in h1 h2; do
	check "$host: one that cannot start" kept $host "ended with status 1 before it was ready" \
		"$programs/slimrouter-fails"
	check "$host: one that crashes" kept $host "signal 6" "$programs/slimrouter-crashes"
done
background rehearses kept h1 "rehearsal was not over" "$work/sleeps"
background starts kept h2 "made no progress" "$programs/slimrouter-hangs"
check "one whose rehearsal does not end" well_ended rehearses
check "one whose start does not end" well_ended starts
check "the slim path is back after all that" poll 10 slim_again
equal "h1 listens by the same sockets" "$ports_h1" "$(slim_ports h1)"
equal "h2 listens by the same sockets" "$ports_h2" "$(slim_ports h2)"

# --- at full rate ---

# setups NODE ADDRESS PORT: by one process after the other, until there is a file "enough"
setups()
{
	# shellcheck disable=SC2016
	in_ "$1" bash -c 'while [[ ! -e $1 ]]; do "${@:2}" || exit; done' setups "$work/enough" \
		"$crr" client "$2" -p "$3" -d 1
}

load()
{
	background "to" setups h1c1 "$server" $((port + 1))
	background "fro" setups h2c1 "$(address h1c1)" $((port + 3))
}

# A router counts from its own start on: what those before it had counted
slim_before=0

count_slim()
{
	local now

	if ! now=$(counter "$1" connects_slim); then
		echo "$1's router does not say its counters"
		return 1
	fi
	slim_before=$((slim_before + now))
}

# flows HOST: the slim path is used, and there is more to come
flows()
{
	local before
	before=$(counter "$1" connects_slim)

	poll 10 more "$1" $((before + 200))
}

more() { (($(counter "$1" connects_slim) >= $2)); }

both_flow() { flows h1 && flows h2; }

# upgrades HOST: there and back
upgrades()
{
	local i

	for ((i = 0; i < rounds; i++)); do
		both_flow && count_slim "$1" &&
			ctl "$1" upgrade "$work/slimrouter-$1" &&
			[[ $(program "$1") == "$work/slimrouter-$1" ]] &&
			both_flow && count_slim "$1" &&
			ctl "$1" upgrade "$E2E_ROUTER" &&
			[[ $(program "$1") == "$E2E_ROUTER" ]] || return
	done
}

restarts()
{
	local i

	for ((i = 0; i < rounds; i++)); do
		both_flow && count_slim h2 && restart HUP || return
	done
}

both_at_once()
{
	both_flow && count_slim h1 && count_slim h2 || return
	ctl h1 upgrade &
	restart HUP && wait $! && both_flow
}

for host in h1 h2; do
	slim_before=$((slim_before - $(counter $host connects_slim)))
done
load
check "h1: upgrades there and back" upgrades h1
check "h2: upgrades there and back, under the manager" upgrades h2
check "h2: restarts by the manager" restarts
check "h1: an upgrade and h2: a restart at once" both_at_once
touch "$work/enough"
for tag in to fro; do
	check "set-ups at full rate ($tag): none fails" well_ended $tag
	echo "         $(jq -s '[.[].count] | add' "$work/$tag") in $(wc -l <"$work/$tag") s"
done
for host in h1 h2; do
	count_slim $host
done
check "... and many of them took the slim path" holds "$slim_before > \
	$(jq -s '[.[].count] | add' "$work/to" "$work/fro") / 4"
equal "h1 still listens by the same sockets" "$ports_h1" "$(slim_ports h1)"
equal "h2 still listens by the same sockets" "$ports_h2" "$(slim_ports h2)"
check "h2: what was being set up or carried went through the manager" \
	grep -E 'left [1-9][0-9]* connections .* to the service manager, in [1-9]' "$(state h2)/router.log"
check "... and it keeps none of it" poll 5 stored
check "... nor anything that it was asked to keep twice" holds "$(fact h2 .refused) == 0"
for host in h1 h2; do
	check "$host has its peer" poll 10 meshed $host
	check "the ledger is complete on $host" poll 5 complete $host
done

check "the slim path is back" poll 10 slim_again
check "h2's watchdog is fed" holds "$(fact h2 .watchdog) > $(fact h2 .starts)"

# --- all who should not have noticed ---

check "the spliced transfer is whole" well_ended spliced TERM

# What takes the keeper along leaves what the manager has.
check "h2's keeper is killed, and comes back" restart USR1
equal "... with the same listening sockets" "$ports_h2" "$(slim_ports h2)"
check "... its peers" poll 10 meshed h2
check "... and its ledger" poll 5 complete h2
check "the idle connections and the transfer are whole" well_ended slim TERM
cat "$work/slim" "$work/spliced"

for tag in uring echo crr back; do
	stop $tag
done
