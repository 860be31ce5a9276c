# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# beside.sh - a suite that runs beside others, with what those leave of the processors
#
# For virtual machines, most of which have a clock that counts instructions (tests/qemu/run), and are never late; the others
# get more time. Labs, which wait for much, leave half of the processors.

beside_out=$(mktemp)
beside_pid=
beside_status=0

# beside COMMAND...: one at a time. (Where each session is a group of its own to the scheduler, what a process is within its
# group says nothing to others.)
beside()
{
	TEST_SLOWNESS=4 setsid chrt -i 0 bash -c 'echo 19 2>/dev/null >/proc/self/autogroup; exec "$@"' beside "$@" \
		>"$beside_out" 2>&1 </dev/null &
	beside_pid=$!
}

# Waits for its end: in the shell that began it
beside_wait()
{
	beside_status=0
	wait "$beside_pid" || beside_status=$?
	beside_pid=
}

# What it said; its status
beside_result()
{
	cat "$beside_out"
	return "$beside_status"
}

# At the end of the script, however that comes
beside_cleanup()
{
	[[ ! $beside_pid ]] || kill -- "-$beside_pid" 2>/dev/null || true
	rm -f "$beside_out"
}
