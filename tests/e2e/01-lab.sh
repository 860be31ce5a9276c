#!/bin/bash
# SPDX-License-Identifier: MIT
# The lab itself: what tests/lab promises.
. "$(dirname "$0")/lib.sh"

# Another lab beside this one, and what must not be left of it
other=$name-b
other_lab() { "$top/tests/lab" "$@" -n "$other"; }
no_other() { ! ip netns list | grep "^slim-$other-" && [[ ! -e /run/slim-lab/$other ]]; }

lab_start -H 3 -C 1 -T 2

equal "there are hosts h1 to h3" "h1 h2 h3" "$(hosts | xargs)"
equal "and a container of each tenant on each" "h1c1 h1t2c1 h2c1 h2t2c1 h3c1 h3t2c1" \
	"$(containers | xargs)"
equal "addr of a container" 10.32.2.2 "$(address h2c1)"
equal "addr -6 of a container" fd32:0:0:2::2 "$(address -6 h2c1)"
equal "addr of the second tenant's is the same" "$(address h2c1)" "$(address h2t2c1)"
equal "addr of a host" 198.18.0.3 "$(address h3)"
equal "options may come behind" 10.32.2.2 "$("$top/tests/lab" addr h2c1 -n "$name")"

# shellcheck disable=SC2016
passes() { [[ $(with "$1" "$2" sh -c 'read x; echo out $x; echo err >&2; exit 3' <<<hello \
	2>"$work/err" || echo "status $?") == $'out hello\nstatus 3' && $(<"$work/err") == err ]]; }

check "exec passes streams and exit status, with the shim" passes shim h1c1
check "exec passes streams and exit status, --plain" passes plain h1c1
check "exec passes streams and exit status, in a host" passes shim h1
# shellcheck disable=SC2016
equal "the shim is loaded in a container" 1 \
	"$(in_ h1c1 sh -c 'grep -c libslim /proc/$$/maps | sed s/[1-9].*/1/')"
# shellcheck disable=SC2016
equal "and is not with --plain" 0 "$(plain h1c1 sh -c 'grep -c libslim /proc/$$/maps' || true)"
# shellcheck disable=SC2016
equal "and is not in a host" 0 "$(in_ h1 sh -c 'grep -c libslim /proc/$$/maps' || true)"
equal "/sys is the container's" "eth0 lo" "$(in_ h1c1 ls /sys/class/net | xargs)"
equal "ctl is slimctl" h2 "$(ctl h2 -j status | jq -r .host)"
check "a host reaches another" in_ h1 ping -c 1 -W 2 "$(address h3)"
check "lab list tells of it" grep "^$name:" <("$top/tests/lab" list)

for call in "exec h9c9 -- true" "exec h1c1" "addr" "ctl h7 status" "nonsense" "up extra" \
	"-n ../x up" "--nonsense"; do
	# shellcheck disable=SC2086
	check_not "lab $call fails" lab $call
done
check_not "a lab that is up is not made again" lab up

check "a second lab comes up beside it" other_lab up -H 2 -C 1
check "and works" "$top/tests/lab" -n "$other" exec h1c1 -- ping -c 1 -W 2 10.32.2.2
background sleeper exec "$top/tests/lab" -n "$other" exec h1c1 -- sleep 1000
kill -KILL "$(cut -d ' ' -f 1 "/run/slim-lab/$other/h1/router.pid")"
check "down, after a router was killed and with a program in it" other_lab down
check "the program has ended" poll 5 ended sleeper
check "nothing is left of it" no_other
check "down again does no harm" other_lab down

other_lab up -H 2 -C 1
pids=$(cut -d ' ' -f 1 "/run/slim-lab/$other"/h*/router.pid)
rm -r "/run/slim-lab/$other"
check "down without its state" other_lab down
check "nothing is left of that" no_other
# shellcheck disable=SC2086
check_not "nor its routers" runs $pids

check "a router restarts" lab router h2 restart
check "the first lab still works" in_ h1c1 ping -c 1 -W 2 "$(address h2c1)"
