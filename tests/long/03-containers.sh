#!/bin/bash
# SPDX-License-Identifier: MIT
# A thousand containers on one host: attached in less than a minute, the last as fast as the first; and
# the router that has them all is idle when they are.
. "$(dirname "$0")/../e2e/lib.sh"

MANY=1000
SECONDS_MAX=60
RATIO_MAX=200		# per cent: the median of the last 50 by that of the first 50
ATTEMPTS=3		# a machine that does other things slows some of them down

lab_start -H 2 -C 1

# Each figure is of one attempt: who is fast once is not slow by itself.
figures=
attempt()
{
	"$top/tests/bench/attach" -n "$name" -c $MANY -e 50 --rest 15 --json >"$work/figures"
	figures=$(<"$work/figures")
	jq -c '{attach, idle, each}' <<<"$figures" | sed 's/^/         /'
}
figure() { jq "$1 | floor" <<<"$figures"; }
even() { (($(figure '.attach.ratio * 100') < RATIO_MAX)); }

# The kernel takes namespaces apart long after they have gone, and makes devices wait meanwhile.
namespaces() { awk '$1 == "net_namespace" { print $2 }' /proc/slabinfo; }
few_namespaces() { (($(namespaces) < namespaces_before + MANY / 10)); }
namespaces_before=$(namespaces)
for ((i = 0; i < ATTEMPTS; i++)); do
	poll 60 few_namespaces >/dev/null || true
	attempt
	! even || break
done
check "$MANY containers are attached in less than $SECONDS_MAX s" \
	holds "$(figure '.attach.total_s * 1000') < $SECONDS_MAX * 1000"
check "the last 50 in less than twice the time of the first 50" \
	holds "$(figure '.attach.ratio * 100') < $RATIO_MAX"
check "the last 50 are detached in less than twice the time of the first 50" \
	holds "$(figure '.detach.ratio * 100') < $RATIO_MAX"
check "with all of them attached and idle, the router wakes fewer than 5 times a second" \
	holds "$(figure '.idle.wakes * 10') < 50"
check "few fds for each" holds "$(figure '.each.fds * 100') <= 350"
equal "none is left" 1 "$(ctl h1 -j containers | jq '.containers | length')"
