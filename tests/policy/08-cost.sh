#!/bin/bash
# SPDX-License-Identifier: MIT
# What a policy of 100,000 rules costs: to read and compile it, to look something up, and memory; of hostile
# ones what is stated of them. In processor time, which others on the machine hardly change; the best of some
# runs, since they use the caches, too.
#
# runs: alone, since it measures time
. "$(dirname "$0")/../e2e/lib.sh"

RULES=100000
PROCESSES=5		# that measure: one takes half as long again as another, by where its memory lies
RUNS=5			# of each, to read and compile it
COMPILE_MAX=200		# ms to read and compile it
LOOKUP_MAX=1000		# ns
HOSTILE_MAX=30000	# ns, of a look-up in the worst of what a policy can be
MEMORY_MAX=200		# bytes a rule
DEPTH=48		# sets around an address, of those that are not crowded out
BLOCKS=192		# of an axis
bench=$build/tests/bench

{
	echo "tenant t1"
	"$bench/classifier" -p ten4 -n $RULES
} >"$work/policy"
for ((i = 0; i < PROCESSES; i++)); do
	"$bench/policy" "$work/policy" $RUNS
done >"$work/compiled"
check "there are $RULES rules" has "$work/compiled" "$RULES rules"
took=$(sed 's/.*together \([0-9.]*\) ms.*/\1/' "$work/compiled" | sort -n | head -n 1)
memory=$(sed 's/.* \([0-9.]*\) bytes a rule/\1/' "$work/compiled" | sort -n | tail -n 1)
echo "         read and compiled within $took ms; $memory bytes a rule"
check "read and compiled within $COMPILE_MAX ms" holds "${took%.*} < $COMPILE_MAX"
check "less than $MEMORY_MAX bytes a rule" holds "${memory%.*} < $MEMORY_MAX"

# column NUMBER: the least of it in all rows of $work/lookups. Columns: kind, rules, cells, crowded ones; look-ups
# that find a rule (median and shortest), and that find none, in ns; bytes a rule; time to build; the most
# pairs, probes and crowded rules that one looks at
column() { awk -v rules=$RULES -v column="$1" '$2 == rules { print $column }' "$work/lookups" | sort -n | head -n 1; }
# lookups KIND TIMES [OPTION...]: measures
lookups()
{
	local i

	for ((i = 0; i < $2; i++)); do
		"$bench/classifier" -p "$1" -m $RULES "${@:3}"
	done | tr -d '()' >"$work/lookups"
}

lookups ten4 $PROCESSES
for column in 5 7; do
	took=$(column $column)
	echo "         a look-up that finds $( ((column == 5)) && echo a || echo no) rule: $took ns"
	check "a look-up within $LOOKUP_MAX ns" holds "$took < $LOOKUP_MAX"
done

for kind in lengths4 lengths6 nested4 nested6 ranges4 ranges6 ports4; do
	lookups $kind $PROCESSES -r 16
	crowded=$(column 4)
	# A few sets end in each block of each of the three axes; and one that is right.
	most=$((3 * 2 * crowded / (BLOCKS - 1) + 1))
	echo "         $kind: found within $(column 5) ns, not within $(column 7) ns; $(column 12) pairs, $(column 14) rules in vain"
	check "$kind: no more than $DEPTH times $DEPTH pairs" holds "$(column 12) <= $DEPTH * $DEPTH"
	check "$kind: no more than $most of $crowded crowded rules" holds "$(column 14) <= $most"
	check "$kind: a look-up within $HOSTILE_MAX ns" holds "$(column 5) < $HOSTILE_MAX && $(column 7) < $HOSTILE_MAX"
done
