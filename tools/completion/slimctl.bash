# bash completion for slimctl(8) and slim-run(1)                   -*- shell-script -*-
# SPDX-License-Identifier: MIT

# Words of $1 that begin with what is being typed
_slim_words()
{
	local word
	COMPREPLY=()
	for word in $1; do
		[[ $word == "$2"* ]] && COMPREPLY+=("$word")
	done
}

_slim_files()
{
	local IFS=$'\n'
	compopt -o filenames 2>/dev/null
	# shellcheck disable=SC2207	# one name a line
	COMPREPLY=($(compgen -f -- "$1"))
}

# Names in /run/netns, or a path
_slim_netns()
{
	local names=(/run/netns/*)
	if [[ $1 == */* || ! -e ${names[0]} ]]; then
		_slim_files "$1"
	else
		_slim_words "${names[*]##*/}" "$1"
	fi
}

# The first column of a table that the router of $1 (-s SOCKET, or nothing) prints; $2: which
# table, $3: the title of that column
_slimctl_column()
{
	# shellcheck disable=SC2086	# two words, or none
	slimctl $1 "$2" 2>/dev/null | awk -v title="$3" '
		found && NF == 0 { exit }
		found { print $1 }
		$1 == title { found = 1 }'
}

# $1: as for _slimctl_column, $2: what is being typed, then the words behind "policy"
_slimctl_policy()
{
	case ${3:-} in
	"") _slim_words "check diff show stats test" "$2" ;;
	check|diff) _slim_files "$2" ;;
	stats) (($# > 3)) || _slim_words "unused hidden" "$2" ;;
	test)
		case $# in
		3|4) _slim_words "$(_slimctl_column "$1" containers NAME)" "$2" ;;
		6) _slim_words "tcp udp icmp" "$2" ;;
		esac
		;;
	esac
}

_slimctl()
{
	local commands="attach detach status containers listeners connections peers guard reload policy upgrade keygen pubkey help"
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command="" socket="" i words=()

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s|--socket) socket="-s ${COMP_WORDS[++i]}" ;;
		--netns|--tenant|--ip|--label|--ifname|--path) ((++i)) ;;
		-*) ;;
		*) [[ ! $command ]] || words+=("${COMP_WORDS[i]}")
			command=${command:-${COMP_WORDS[i]}} ;;
		esac
	done
	case $prev in
	-s|--socket) _slim_files "$cur"; return ;;
	--netns) _slim_netns "$cur"; return ;;
	--tenant) _slim_words "$(_slimctl_column "$socket" status TENANT)" "$cur"; return ;;
	--ip|--label) COMPREPLY=(); return ;;
	--ifname) _slim_words "eth0" "$cur"; return ;;
	--path) _slim_words "auto slim packet" "$cur"; return ;;
	esac
	case $command:$cur in
	:-*) _slim_words "-s --socket -j --json -h --help -V --version" "$cur" ;;
	:*) _slim_words "$commands" "$cur" ;;
	attach:-*) _slim_words "--netns --tenant --ip --label --ifname --path --json" "$cur" ;;
	detach:*) _slim_words "$(_slimctl_column "$socket" containers NAME)" "$cur" ;;
	policy:-*)
		if [[ ${words[0]:-} == test ]]; then
			_slim_words "--tenant --json --socket" "$cur"
		else
			_slim_words "--json --socket" "$cur"
		fi
		;;
	policy:*) _slimctl_policy "$socket" "$cur" "${words[@]}" ;;
	keygen:*|pubkey:*|upgrade:*) _slim_files "$cur" ;;
	guard:*) ((${#words[@]})) || _slim_words "drain cut resume" "$cur" ;;
	containers:-*) _slim_words "--verbose --json --socket" "$cur" ;;
	*:-*) _slim_words "--json --socket" "$cur" ;;
	*) COMPREPLY=() ;;
	esac
}

_slim_run()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i=1

	while ((i < COMP_CWORD)); do
		case ${COMP_WORDS[i]} in
		-n|--netns) ((i += 2)) ;;
		--) ((++i)); break ;;
		-*) ((++i)) ;;
		*) break ;;
		esac
	done
	if [[ $prev == -n || $prev == --netns ]]; then
		_slim_netns "$cur"
	elif ((i < COMP_CWORD)); then
		_slim_files "$cur"
	elif [[ $cur == -* ]]; then
		_slim_words "-n --netns -h --help -V --version --" "$cur"
	else
		# shellcheck disable=SC2207	# names of commands
		COMPREPLY=($(compgen -c -- "$cur"))
	fi
}

complete -F _slimctl slimctl
complete -F _slim_run slim-run
