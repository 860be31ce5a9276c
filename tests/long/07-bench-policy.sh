#!/bin/bash
# SPDX-License-Identifier: MIT
# bench-policy, which nothing else runs, measures: a moment of each of its tests and variants.
. "$(dirname "$0")/../e2e/lib.sh"

figures=$work/figures
check "bench-policy runs" timeout 600 "$top/tests/bench/run-policy" --quiet --sizes 0,100 --rounds 1 --seconds 0.2 \
	--json "$figures"
equal "all of it was measured" "crr slim packet chain iperf3 slim packet chain" \
	"$(jq -r '.tests | to_entries[] | .key, (.value | to_entries[] |
		select(all(.value[]; .figure.median > 0)) | .key)' "$figures" | xargs)"
equal "its goals are said" 3 "$(jq '.goals | length' "$figures")"
