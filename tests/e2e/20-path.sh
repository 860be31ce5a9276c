#!/bin/bash
# SPDX-License-Identifier: MIT
# attach --path: which path a container's connections take, both ways, and after a restart.
. "$(dirname "$0")/lib.sh"

port=7500
bytes=1000000

lab_start -H 2 -C 2

# put CONTAINER PATH: attaches it again
put()
{
	local host=${1%%c*}

	ctl "$host" detach "$1" >/dev/null
	ctl "$host" attach "$1" --netns "/run/netns/$(space "$1")" --tenant t1 \
		--ip "$(address "$1"),$(address -6 "$1")" --path "$2"
}

# shows CONTAINER EXPRESSION: of its object in `slimctl containers`
shows() { ctl "${1%%c*}" -j containers | jq -e ".containers[] | select(.name == \"$1\") | $2"; }

# slim HOST...: set-ups on the slim path, of all together
slim()
{
	local host sum=0

	for host in "$@"; do
		sum=$((sum + $(counter "$host" connects_slim)))
	done
	echo $sum
}

# takes slim|packet TEXT FROM TO PORT: talks to a server, and both devices say which path that took
takes()
{
	local to from before

	for option in 4 6; do
		from=$(device_bytes "$3")
		to=$(device_bytes "$4")
		before=$(slim h1 h2)
		# shellcheck disable=SC2046
		check "$2, IPv$option" in_ "$3" "$programs/talk" client $option \
			"$(address $([[ $option == 4 ]] || echo -6) "$4")" "$5" $bytes
		from=$(($(device_bytes "$3") - from))
		to=$(($(device_bytes "$4") - to))
		if [[ $1 == slim ]]; then
			check "... over the slim path" holds \
				"$(slim h1 h2) == $before + 1 && $from < 20000 && $to < 20000"
		else
			check "... over the packet path" holds \
				"$(slim h1 h2) == $before && $from >= 2 * $bytes && $to >= 2 * $bytes"
		fi
	done
}

# raw CONTAINER ADDRESS PORT: what a router answers to who does not keep to what HELLO has said
raw()
{
	plain "$1" python3 - "$2" "$3" <<'PYTHON'
import array, ipaddress, socket, struct, sys, time

channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
channel.settimeout(5)
channel.connect("\0slim/router/1")

def ask(kind, body):
    channel.send(struct.pack("=IHHII", 0x4D494C53, 1, kind, 16 + len(body), 1) + body)
    reply, fds, _, _ = socket.recv_fds(channel, 4096, 4)
    return reply, fds

def endpoint(address, port):
    return ipaddress.IPv6Address("::ffff:" + address).packed + struct.pack("=HH", port, 0)

reply, fds = ask(1, b"")
passing = [socket.socket(fileno=fd) for fd in fds]
print("HELLO", "prefixes", struct.unpack_from("=H", reply, 20)[0] > 0, "fds", len(fds))
now = time.clock_gettime_ns(time.CLOCK_REALTIME) // 1000000
connect = struct.pack("=Q", now) + endpoint(sys.argv[1], int(sys.argv[2])) + bytes(20) + \
    struct.pack("=HHII", socket.AF_INET, 0, 0, 0) + bytes(28 + 16)
reply, fds = ask(3, connect)
for by in passing:
    by.settimeout(0)
    copy, passed, _, _ = socket.recv_fds(by, 4096, 4)
    print("the same by the passing socket:", copy == reply, "fds", len(passed))
print("CONNECT", "verdict", struct.unpack_from("=H", reply, 20)[0], "fds", len(fds))
listening = socket.create_server(("0.0.0.0", 7599))
cookie = listening.getsockopt(socket.SOL_SOCKET, 57, 8)     # SO_COOKIE
reply, fds = ask(5, cookie + bytes(16))
print("LISTEN", "error", struct.unpack_from("=I", reply, 20)[0], "fds", len(fds))
PYTHON
}

serve there shim h2c1 $port "$programs/talk" server 6 $port

# --- auto: what there is without a word ---

equal "attached without a path: auto" auto "$(shows h1c1 .path_attached | jq -r .)"
takes slim "auto, to another host" h1c1 h2c1 $port
equal "a raw CONNECT gets a socket there, and a raw LISTEN is taken" \
	"$(printf '%s\n' "HELLO prefixes True fds 1" "the same by the passing socket: True fds 1" \
		"CONNECT verdict 1 fds 0" "LISTEN error 0 fds 0")" \
	"$(raw h1c1 "$(address h2c1)" $port)"

# --- packet ---

check "attached to the packet path" put h1c1 packet
check "it is shown" shows h1c1 \
	'.path_attached == "packet" and .path == "packet" and .path_reason == "as attached"'
check "... in the table" has <(ctl h1 containers) "packet (as attached)"
check "... and counted" jq -e '.containers_packet == 1' <(ctl h1 -j status)
asked=$(counter h1 connects)
takes packet "packet, to another host" h1c1 h2c1 $port
equal "its shim has not asked for any" "$asked" "$(counter h1 connects)"
background here in_ h1c1 "$programs/talk" server 6 $((port + 1))
poll 10 listening h1c1 $((port + 1))
takes packet "packet, from another host" h2c1 h1c1 $((port + 1))
takes packet "packet, from a neighbour" h1c2 h1c1 $((port + 1))
check_not "no host knows of its listener" announced h2 h1c1 $((port + 1))
check_not "not its own either" announced h1 h1c1 $((port + 1))
equal "a raw CONNECT gets no socket, and a raw LISTEN is refused" \
	"$(printf '%s\n' "HELLO prefixes False fds 0" "CONNECT verdict 0 fds 0" "LISTEN error 95 fds 0")" \
	"$(raw h1c1 "$(address h2c1)" $port)"
takes slim "its neighbour is not concerned" h1c2 h2c1 $port

# --- after a restart ---

killed() { kill -KILL "$(ctl h1 -j status | jq .pid)" && poll 5 ctl h1 status && poll 10 meshed h1; }
restarted() { lab router h1 restart; }
for how in killed restarted; do
	check "h1's router is $how" $how
	check "it is shown as before" shows h1c1 '.path_attached == "packet" and .path == "packet"'
	takes packet "packet, to another host" h1c1 h2c1 $port
	takes packet "packet, from another host" h2c1 h1c1 $((port + 1))
done
stop here

# --- back ---

check "attached as it was" put h1c1 auto
serve here shim h1c1 $((port + 1)) "$programs/talk" server 6 $((port + 1))
takes slim "auto, to another host" h1c1 h2c1 $port
takes slim "auto, from another host" h2c1 h1c1 $((port + 1))

# --- slim: netfilter rules of its own do not count ---

plain h1c1 nft 'table inet own { chain out { type filter hook output priority 0; accept; }; }'
filtered() { shows h1c1 '.path == "packet" and .path_reason == "netfilter rules of its own"'; }
check "auto: its rules are seen" poll 15 filtered
takes packet "auto, with rules of its own" h1c1 h2c1 $port
check_not "its listener is announced no more" announced h2 h1c1 $((port + 1))
takes packet "auto, with rules of its own, from another host" h2c1 h1c1 $((port + 1))
takes packet "auto, with rules of its own, from a neighbour" h1c2 h1c1 $((port + 1))
killed
takes packet "auto, with rules of its own, after a restart" h1c1 h2c1 $port
takes packet "... and from another host" h2c1 h1c1 $((port + 1))
plain h1c1 nft 'add chain inet own in { type filter hook input priority 0; policy drop; }'
check_not "what its rules drop, does not come in" in_ h2c1 timeout 1 "$programs/talk" \
	client 6 "$(address -6 h1c1)" $((port + 1)) 1
plain h1c1 nft delete table inet own
check "its rules are gone: its listener is announced again" poll 15 announced h2 h1c1 $((port + 1))
takes slim "auto, without rules, from another host" h2c1 h1c1 $((port + 1))
takes slim "auto, without rules, to another host" h1c1 h2c1 $port
plain h1c1 nft 'table inet own { chain out { type filter hook output priority 0; accept; }; }'
check "rules again" poll 15 filtered
check "attached to the slim path" put h1c1 slim
check "it is shown" shows h1c1 '.path_attached == "slim" and .path == "slim" and .path_reason == null'
takes slim "slim, with rules of its own" h1c1 h2c1 $port
background slow plain h2c1 "$programs/talk" server 6 $((port + 2))
poll 10 listening h2c1 $((port + 2))
takes packet "slim, to a server without the shim" h1c1 h2c1 $((port + 2))
killed
takes slim "slim, with rules of its own, after a restart" h1c1 h2c1 $port
plain h1c1 nft delete table inet own

# --- a server that was there before its container was attached, as a runtime starts it ---

ctl h1 detach h1c2 >/dev/null
background early in_ h1c2 "$programs/talk" server 6 $((port + 3))
poll 10 listening h1c2 $((port + 3))
attach h1c2
# (A shim that has found no router does not look for one again at once.)
known_by_talking()
{
	in_ h2c1 "$programs/talk" client 4 "$(address h1c2)" $((port + 3)) 1000 &&
		announced h2 h1c2 $((port + 3))
}
check "its first connections make its listener known" poll 5 known_by_talking
takes slim "later ones" h2c1 h1c2 $((port + 3))

check_not "a path that there is not" put h1c1 fast
check "attached again" put h1c1 auto
