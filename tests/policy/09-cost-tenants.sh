#!/bin/bash
# SPDX-License-Identifier: MIT
# What a policy of many tenants costs to read and compile, within each of them and between them: as much as one of
# as many rules for one tenant, about. In processor time; the best of some runs.
. "$(dirname "$0")/../e2e/lib.sh"

RULES=100000
RUNS=5
TENANTS=4000		# which have those rules among them
WITHIN_MAX=200		# ms
CROSSING=300		# tenants, of which each has rules with each: 90,000 pairs
BETWEEN_MAX=500		# ms

# took TENANTS REST: ms that RULES rules of so many tenants take. REST: in awk, what is behind "allow tcp" of rule j
# of tenant i; other: another tenant
took()
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
				other = (i + 1 + j % (tenants - 1)) % tenants
				print "allow tcp " '"$2"'
			}
		}
	}' >"$work/policy"
	"$build/tests/bench/policy" "$work/policy" $RUNS "$work/conf" |
		sed 's/.*together \([0-9.]*\) ms.*/\1/' | sort -n | head -n 1
}

ms=$(took $TENANTS '"from 10." int(i / 256) "." i % 256 "." j % 256 " port " j')
echo "         of $TENANTS tenants: $ms ms"
check "of $TENANTS tenants within $WITHIN_MAX ms" holds "${ms%.*} < $WITHIN_MAX"
ms=$(took $CROSSING '"to any of t" other " port " j')
echo "         between $CROSSING tenants: $ms ms"
check "between $CROSSING tenants within $BETWEEN_MAX ms" holds "${ms%.*} < $BETWEEN_MAX"
