#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 34-calls.sh - the differential suite of the shim (tests/shim/run), where slim.ko keeps all sockets
#
# A share of all cases; by hand another one (TEST_SHARE=7/60), of one part (TEST_PART=v4-wire-glibc) or some programs
# (TEST_CASES=options,flows:stamps*), with the shim on both ends alone (TEST_SHORT=1), or all of them, a share to a machine:
#
#	for i in $(seq 60); do TEST_SHARE=$i/60 tests/qemu/run 34-calls; done
#
# limit: 900
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

IFS=, read -ra cases <<<"${TEST_CASES:-}"
check "the module loads" modprobe slim
"$top/tests/shim/run" ${TEST_SHORT:+--short} ${TEST_PART:+--part "$TEST_PART"} --guarded --in-turn \
	--share "${TEST_SHARE:-1/60}" "${cases[@]}" | tee "$work/said" || true
check "programs say the same as on plain sockets, and each slim path is sealed" \
	grep -E '^[1-9][0-9]* passed, 0 failed' "$work/said"
check "nothing keeps the module" poll 30 rmmod slim
equal "no warning of the kernel's" 0 "$(kernel_warnings)"
