#!/bin/bash
# SPDX-License-Identifier: MIT
# slimctl: attach, detach, tables, JSON, exit status; namespaces that vanish.
. "$(dirname "$0")/lib.sh"

lab_start -H 2 -C 1

# status EXPECTED COMMAND...: its exit status
status()
{
	local found=0

	"${@:2}" || found=$?
	echo "exit status $found"
	[[ $found == "$1" ]]
}

extra=$(space h1c9)
attach_extra() { ctl h1 attach extra --netns "/run/netns/$extra" --tenant t1 --ip "$1" --label a=b; }
attached() { ctl h1 -j containers | jq -e '[.containers[] | select(.name == "extra")] | length > 0'; }

for command in status containers listeners connections peers; do
	check "$command, for people" ctl h1 $command
	check "$command, for programs" jq -e '.version == 1 and .ok' <(ctl h1 -j $command)
done

together()
{
	local pids=() pid

	for _ in $(seq 20); do
		jq -e '.ok and (.connections | type == "array")' <(ctl h1 -j connections) &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
}
check "connections, many at once" together
check "open files and their limit" jq -e '.fd_limit >= 1024 and (.fds == null or
	(.fds > 10 and .fds < .fd_limit))' <(ctl h1 -j status)
check "the soft limit is the hard one" test "$(awk '/^Max open files/ { print $4 - $5 }' \
	"/proc/$(router_pid h1)/limits")" = 0

# powers PID: capabilities of all its threads
powers()
{
	sed -n 's/^Cap\(Prm\|Eff\|Bnd\):[[:space:]]*//p' "/proc/$1"/task/*/status | sort -u
}

# NET_ADMIN, SYS_ADMIN and SYS_RESOURCE, as far as they are to be had here
had=$(sed -n 's/^CapPrm:[[:space:]]*//p' "/proc/$(router_pid h1)/status")
equal "every thread of the router has the powers that it says, and no others" \
	"$(printf %016x $((0x1201000 & 0x$had)))" "$(powers "$(ctl h1 -j status | jq .pid)")"
equal "... and gets no others" 1 "$(sed -n 's/^NoNewPrivs:[[:space:]]*//p' \
	"/proc/$(ctl h1 -j status | jq .pid)"/task/*/status | sort -u)"

check "usage errors: 2" status 2 ctl h1 nonsense
check "no such container: 1" status 1 ctl h1 detach nobody

# says TEXT COMMAND...: it fails, and what it says has TEXT
says()
{
	local said

	said=$("${@:2}" 2>&1) && return 1
	echo "$said"
	[[ $said == *"$1"* ]]
}

# Of what was cut within a character, and of bytes that are no text, there is an answer all the same.
long=$(printf 'é%.0s' {1..300})
check "a long name that is not known: it says so" says "no container named a" ctl h1 detach "a$long"
check "a long tenant that is not known: it says so" says "there is no tenant" \
	ctl h1 attach extra --netns /proc/$$/ns/net --tenant "a$long" --ip 10.32.1.9
check "... whichever byte is the last" says "there is no tenant" \
	ctl h1 attach extra --netns /proc/$$/ns/net --tenant "$long" --ip 10.32.1.9
printf '#!/bin/sh\nprintf "no text: \\377\\n"\nexit 3\n' >"$work/no_text"
chmod +x "$work/no_text"
check "a program that says what is no text: it says so" says "exit status 3: no text: ?" \
	ctl h1 upgrade "$work/no_text"

ip netns add "$extra"
ip -n "$extra" link set lo up
check "attach" attach_extra 10.32.1.9,fd32:0:0:1::9
check "with its label" jq -e '.containers[] | select(.name == "extra").labels.a == "b"' \
	<(ctl h1 -j containers)
check "twice fails: 1" status 1 attach_extra 10.32.1.10
check "it is reached" plain h2c1 ping -c 1 -W 2 10.32.1.9
# --- slimrouter -t ---

# tested STATUS TEXT KEY PUBLIC-KEY: what it says of a configuration with that key, whose peer has the
# other one
tested()
{
	local said found=0

	cat >"$work/conf" <<-CONF
	host "here" { address 127.0.0.1; key "$3"; }
	tenant "t1" { vni 100; prefix 10.32.0.0/16; }
	peer "there" { address 192.0.2.1; public-key "$4"; }
	control "$work/control.sock";
	state "$work/state";
	CONF
	said=$("$build/slimrouter" -c "$work/conf" -t 2>&1) || found=$?
	echo "$found: $said"
	[[ $found == "$1" && $said == *"$2"* ]]
}

own=$("$build/slimctl" keygen "$work/own.key")
other=$("$build/slimctl" keygen "$work/other.key")
check "-t: a good configuration" tested 0 "" "$work/own.key" "$other"
check "-t: a peer with this host's own key" tested 1 "this host's own" "$work/own.key" "$own"
check "-t: no key" tested 1 "there is none" "$work/none.key" "$other"
chmod 644 "$work/other.key"
check "-t: a key that others can read" tested 1 "others than its owner" "$work/other.key" "$own"
echo nonsense >"$work/no.key"
chmod 600 "$work/no.key"
check "-t: a key that is none" tested 1 "found something else" "$work/no.key" "$other"

# A version that is another one in 32 bits is another one in more, too.
far_version()
{
	python3 - "/run/slim-lab/$name/h1" <<'END'
import glob, json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(glob.glob(sys.argv[1] + "/*.sock")[0])
s.send(json.dumps({"version": 2**32 + 1, "command": "peers"}).encode())
reply = json.loads(s.recv(65536))
assert not reply["ok"] and "version 1" in reply["error"], reply
END
}
check "a version far away is refused" far_version

powerless() { setpriv --bounding-set -net_admin "$build/slimrouter" -c "$work/conf" "$@" 2>&1; }
root_is_wanted()
{
	local said

	said=$(powerless "$@") && return 1
	echo "$said"
	[[ $said == *"must be started as root"* && $said != *$'\n'* ]]
}
check "without root's powers: it says so, and that alone" root_is_wanted
check "... to clean up, too" root_is_wanted --clean

# What a request carries and nobody asked for is closed: two descriptors where one is wanted, and
# one where none is.
stray_fds()
{
	python3 - "/run/slim-lab/$name/h1" "/run/netns/$extra" <<'END'
import array, glob, json, os, socket, sys
path = glob.glob(sys.argv[1] + "/*.sock")[0]
for number, request in ((2, {"command": "attach", "name": "two", "netns": sys.argv[2],
                             "tenant": "t1", "addresses": ["10.32.1.77"]}),
                        (1, {"command": "peers"})):
    fds = [os.open(sys.argv[2], os.O_RDONLY) for _ in range(number)]
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)
    request["version"] = 1
    s.sendmsg([json.dumps(request).encode()],
              [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
    reply = b""
    while part := s.recv(65536):
        reply += part
    assert json.loads(reply)["ok"] == (number == 1), reply
END
}
before=$(fds h1)
as_many_fds() { holds "$(fds h1) == $before"; }
check "descriptors that were not asked for" stray_fds
check "are closed" poll 5 as_many_fds
check "detach" ctl h1 detach extra
check_not "it is not reached any more" plain h2c1 ping -c 1 -W 1 10.32.1.9
check_not "its device is gone" ip -n "$extra" link show eth0

check "an address outside of the tenant: 1" status 1 attach_extra 192.0.2.1
check "another's address: 1" status 1 attach_extra "$(address h1c1)"
check "the gateway's address: it says so" says "is the gateway's" attach_extra 10.32.0.1
check "a prefix's broadcast address: it says so" says "is the broadcast address" attach_extra 10.32.255.255
ip -n "$extra" link add eth0 type veth peer name eth9
check "a device of that name: it says what to do" says "choose another name" attach_extra 10.32.1.9
ip -n "$extra" link delete eth0
check "a name that is none: it says why" says "1 to 15 bytes" \
	ctl h1 attach extra --netns "/run/netns/$extra" --tenant t1 --ip 10.32.1.9 --ifname a/b
check "... and one of which the kernel would make another" says "percent signs" \
	ctl h1 attach extra --netns "/run/netns/$extra" --tenant t1 --ip 10.32.1.9 --ifname eth%d
check "a request that is too long: it says so" says "64 KiB at most" \
	ctl h1 attach extra --netns "/run/netns/$extra" --tenant t1 --ip 10.32.1.9 \
	--label "a=$(printf 'x%.0s' {1..70000})"
check "attach again" attach_extra 10.32.1.9
before=$(fds h1)
fewer_fds() { holds "$(fds h1) < $before"; }
ip netns delete "$extra"
check "a container whose namespace vanishes is detached by itself" poll 10 fails attached
check "and leaves no fd" poll 5 fewer_fds
