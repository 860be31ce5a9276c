#!/bin/bash
# SPDX-License-Identifier: MIT
# What a policy of 100,000 rules costs: to read and compile it, to look something up, and memory. In
# processor time; the best of some runs, since others use the caches, too.
. "$(dirname "$0")/../e2e/lib.sh"

RULES=100000
RUNS=15
LOOKUPS=5
COMPILE_MAX=200		# ms to read and compile it
TENANTS=1000		# which have those rules among them
CROSSING=300		# tenants, of which each has rules with each
CROSSING_MAX=500	# ms: 90,000 pairs of tenants
LOOKUP_MAX=1000		# ns
MEMORY_MAX=200		# bytes a rule
bench=$build/tests/bench

{
	echo "tenant t1"
	"$bench/classifier" -p ten4 -n $RULES
} >"$work/policy"
"$bench/policy" "$work/policy" $RUNS >"$work/compiled"
check "there are $RULES rules" has "$work/compiled" "$RULES rules"
took=$(sed 's/.*together \([0-9.]*\) ms.*/\1/' "$work/compiled" | sort -n | head -n 1)
memory=$(sed 's/.* \([0-9.]*\) bytes a rule/\1/' "$work/compiled" | sort -n | tail -n 1)
echo "         read and compiled within $took ms; $memory bytes a rule"
check "read and compiled within $COMPILE_MAX ms" holds "${took%.*} < $COMPILE_MAX"
check "less than $MEMORY_MAX bytes a rule" holds "${memory%.*} < $MEMORY_MAX"

# many TENANTS REST: ms that $RULES rules of so many tenants take. REST: in awk, of rule j of tenant i what is
# behind its "allow tcp"; other: another tenant
many() {
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
	}' >"$work/many"
	"$bench/policy" "$work/many" 5 "$work/conf" | sed 's/.*together \([0-9.]*\) ms.*/\1/' | sort -n | head -n 1
}

took=$(many $TENANTS '"from 10." int(i / 256) "." i % 256 "." j % 256 " port " j')
echo "         of $TENANTS tenants: within $took ms"
check "of $TENANTS tenants within $COMPILE_MAX ms" holds "${took%.*} < $COMPILE_MAX"
took=$(many $CROSSING '"to any of t" other " port " j')
echo "         between $CROSSING tenants: within $took ms"
check "between $CROSSING tenants within $CROSSING_MAX ms" holds "${took%.*} < $CROSSING_MAX"

# Columns: kind, rules, cells, crowded ones; look-ups that find a rule (median and shortest), and that find
# none, in ns; bytes a rule
for ((i = 0; i < LOOKUPS; i++)); do
	"$bench/classifier" -p ten4
done | tr -d '()' >"$work/lookups"
for column in 5 7; do
	took=$(awk -v rules=$RULES -v column=$column '$2 == rules { print $column }' "$work/lookups" |
		sort -n | head -n 1)
	echo "         a look-up that finds $( ((column == 5)) && echo a || echo no) rule: $took ns"
	check "a look-up within $LOOKUP_MAX ns" holds "$took < $LOOKUP_MAX"
done
