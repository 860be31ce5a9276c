#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 01-smoke.sh - a lab in a virtual machine, and a connection on either path
#
# limit: 180
set -euo pipefail
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

lab_start -C 1
connect=$build/tests/shim/connect
serve echo shim h2c1 7000 "$connect" server "$(address h2c1)" 7000
before=$(counter h1 connects_slim)
check "a program connects without the shim" plain h1c1 "$connect" client "$(address h2c1)" 7000 blocking
equal "that did not take the slim path" "$before" "$(counter h1 connects_slim)"
check "a program connects with the shim" in_ h1c1 "$connect" client "$(address h2c1)" 7000 blocking
equal "that took the slim path" $((before + 1)) "$(counter h1 connects_slim)"
