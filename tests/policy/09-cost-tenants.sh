#!/bin/bash
# SPDX-License-Identifier: MIT
# What a policy of many tenants costs to compile, within each of them and between them, beside one of as many rules
# for one tenant, or between fewer. In processor time; the best of some runs.
#
# runs: alone, since it measures time
. "$(dirname "$0")/../e2e/lib.sh"

RULES=100000
RUNS=3
ROUNDS=6		# of all of them in turns: a process that is lucky with its memory takes a third less
TENANTS=4000		# which have those rules among them
CROSSING=300		# tenants, of which each has rules with each: 90,000 pairs, with a classifier each

# write NAME TENANTS REST: RULES rules of so many tenants. REST: in awk, what is behind "allow tcp" of rule j of
# tenant i; other: another tenant
write()
{
	awk -v tenants="$2" 'BEGIN {
		print "host h1 { address 192.0.2.1; }"
		for (i = 0; i < tenants; i++)
			printf "tenant t%d { vni %d; prefix 10.%d.%d.0/24; }\n", i, i + 1, int(i / 256), i % 256
	}' >"$work/$1.conf"
	awk -v tenants="$2" -v rules=$RULES 'BEGIN {
		for (i = 0; i < tenants; i++) {
			print "tenant t" i
			for (j = 0; j < int(rules / tenants); j++) {
				other = (i + 1 + j % (tenants - 1 + (tenants == 1))) % tenants
				print "allow tcp " '"$3"'
			}
		}
	}' >"$work/$1"
}

# us that it takes to compile
compiled()
{
	"$build/tests/bench/policy" "$work/$1" $RUNS "$work/$1.conf" |
		sed 's/.*compiled \([0-9]*\)\.\([0-9]\) ms.*/\1\200/'
}

best() { sort -n "$work/$1-took" | head -n 1; }

to_each='"to any of t" other " port " j'
write one 1 '"from 10." int(j / 65536) "." int(j / 256) % 256 "." j % 256 " port " j % 65536'
write within $TENANTS '"from 10." int(i / 256) "." i % 256 "." j % 256 " port " j'
write between $CROSSING "$to_each"
write fewer $((CROSSING / 2)) "$to_each"
for ((i = 0; i < ROUNDS; i++)); do
	for name in one within between fewer; do
		compiled $name >>"$work/$name-took"
	done
done
one=$(best one)
within=$(best within)
between=$(best between)
fewer=$(best fewer)
echo "         one tenant: $((one / 1000)) ms; $TENANTS: $((within / 1000)) ms;" \
	"between $CROSSING: $((between / 1000)) ms, between $((CROSSING / 2)): $((fewer / 1000)) ms"
check "it was measured" holds "$one > 0 && $within > 0 && $between > 0 && $fewer > 0"
check "of $TENANTS tenants as fast as of one" holds "$within < $one * 3 / 2"
# (Four times as many pairs; what does not find one by a hash takes sixteen times.)
check "between tenants as their pairs" holds "$between < $fewer * 6"
