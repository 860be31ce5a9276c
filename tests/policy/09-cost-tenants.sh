#!/bin/bash
# SPDX-License-Identifier: MIT
# What a policy of many tenants costs to compile, within each of them and between them, beside one of as many rules
# for one tenant. In processor time; the best of some runs.
#
# runs: alone, since it measures time
. "$(dirname "$0")/../e2e/lib.sh"

RULES=100000
RUNS=5
TENANTS=4000		# which have those rules among them
CROSSING=300		# tenants, of which each has rules with each: 90,000 pairs

# compiled TENANTS REST: us that RULES rules of so many tenants take. REST: in awk, what is behind "allow tcp" of rule
# j of tenant i; other: another tenant
compiled()
{
	awk -v tenants="$1" 'BEGIN {
		print "host h1 { address 192.0.2.1; }"
		for (i = 0; i < tenants; i++)
			printf "tenant t%d { vni %d; prefix 10.%d.%d.0/24; }\n", i, i + 1, int(i / 256), i % 256
	}' >"$work/conf"
	awk -v tenants="$1" -v rules=$RULES 'BEGIN {
		for (i = 0; i < tenants; i++) {
			print "tenant t" i
			for (j = 0; j < int(rules / tenants); j++) {
				other = (i + 1 + j % (tenants - 1 + (tenants == 1))) % tenants
				print "allow tcp " '"$2"'
			}
		}
	}' >"$work/policy"
	"$build/tests/bench/policy" "$work/policy" $RUNS "$work/conf" |
		sed 's/.*compiled \([0-9]*\)\.\([0-9]\) ms.*/\1\200/' | sort -n | head -n 1
}

one=$(compiled 1 '"from 10." int(j / 65536) "." int(j / 256) % 256 "." j % 256 " port " j % 65536')
within=$(compiled $TENANTS '"from 10." int(i / 256) "." i % 256 "." j % 256 " port " j')
between=$(compiled $CROSSING '"to any of t" other " port " j')
echo "         one tenant: $((one / 1000)) ms; $TENANTS: $((within / 1000)) ms;" \
	"between $CROSSING: $((between / 1000)) ms"
check "it was measured" holds "$one > 0 && $within > 0 && $between > 0"
check "of $TENANTS tenants as fast as of one" holds "$within < $one * 3 / 2"
check "between $CROSSING tenants with a classifier for each pair" holds "$between < $one * 6"
