# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# help.sh - scripts that say what they are

# help_if_asked ARGUMENT...: -h or --help among them prints the comment on top of the script, and ends it
help_if_asked()
{
	local argument

	for argument; do
		[[ $argument == -h || $argument == --help ]] || continue
		sed -n '4,/^[^#]/s/^# \{0,1\}//p' "$0"
		exit 0
	done
}
