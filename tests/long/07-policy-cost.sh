#!/bin/bash
# SPDX-License-Identifier: MIT
# What a policy of 100,000 rules costs: to read and compile it, to look something up, and memory. In
# processor time; the best of some runs, since others use the caches, too.
. "$(dirname "$0")/../e2e/lib.sh"

RULES=100000
RUNS=15
LOOKUPS=5
COMPILE_MAX=200		# ms to read and compile it
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
