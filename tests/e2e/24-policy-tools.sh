#!/bin/bash
# SPDX-License-Identifier: MIT
# slimctl policy: check for anybody, show, diff before it is done, test on all hosts that judge, stats.
#
# runs: alone, since it measures time
. "$(dirname "$0")/lib.sh"

policy=/run/slim-lab/$name/policy
other=$work/other
cut=$e2e/cut.py
slimctl=$build/slimctl

put() { printf '%s\n' "$@" >"$policy.new" && mv "$policy.new" "$policy"; }
write() { printf '%s\n' "${@:2}" >"$1"; }
exits() { local status=0; "${@:2}" >/dev/null 2>&1 || status=$?; same "$1" "$status"; }
took() { local start=${EPOCHREALTIME/./}; "$@" >/dev/null 2>&1 || true; echo $(((${EPOCHREALTIME/./} - start) / 1000)); }

# --- check: no router, no network, no privileges, nothing in /run ---

chmod 755 "$work"
# shellcheck disable=SC2016
nobody()
{
	unshare --mount --net sh -c 'mount -t tmpfs none /run && exec "$@"' sh \
		setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"
}

mkdir "$work/more"
write "$work/good" "tenant blue" "include more" "allow tcp from web"
write "$work/more/one.policy" "group web = 10.0.0.0/8"
write "$work/bad" "tenant blue" "alow tcp" "deny udp port 70000"
write "$work/bleu" "tenant bleu"
mkfifo "$work/fifo"
check "nobody checks a good policy" nobody "$slimctl" policy check "$work/good"
check "... whose tenants are those of a configuration" has \
	<(nobody "$slimctl" policy check "$work/good" "$top/router/slimrouter.conf.example") "is good"
check "... or are not" has <(nobody "$slimctl" policy check "$work/bleu" \
	"$top/router/slimrouter.conf.example" 2>&1) 'found "bleu", expected a tenant of slimrouter.conf'
check "... which without one may be any" nobody "$slimctl" policy check "$work/bleu"
check "exit status 1 and all errors" exits 1 nobody "$slimctl" policy check "$work/bad"
equal "... each with its line" 2 "$(nobody "$slimctl" policy check "$work/bad" 2>&1 |
	grep -c "^$work/bad:[23]:")"
equal "... with -j, too" false "$(nobody "$slimctl" -j policy check "$work/bad" 2>/dev/null | jq .ok)"
equal "a good one with -j" true "$(nobody "$slimctl" -j policy check "$work/good" | jq .ok)"
check "no such file" exits 1 nobody "$slimctl" policy check "$work/none"
chmod 600 "$work/more/one.policy"
check "a file that nobody may read" has <(nobody "$slimctl" policy check "$work/good" 2>&1) \
	"Permission denied"
check "a fifo" exits 1 timeout 5 "$slimctl" policy check "$work/fifo"
check "too few words" exits 2 nobody "$slimctl" policy check
check "what there is not" exits 2 nobody "$slimctl" policy chek "$work/good"
check "diff says what is wrong before it looks for a router" has \
	<(nobody "$slimctl" policy diff "$work/bad" 2>&1) "$work/bad:3:"
check "and that there is none" exits 1 "$slimctl" -s "$work/none" policy diff "$work/good"

lab_start -H 3 -C 1
server=$(address h2c1)
put "tenant t1" "default deny" "include $work/base" "allow tcp from web to container h2c1 port 7000-7009" \
	"allow icmp" "allow tcp from container h3c1 to container h2c1 port 7001"
write "$work/base" "group web = container h1c1"
for host in $(hosts); do
	ctl "$host" reload >/dev/null
done
equal "show has what is included" "$policy $work/base" \
	"$(ctl h1 -j policy show | jq -r '[.files[].file] | join(" ")')"
check "... and its text" has <(ctl h1 policy show) "group web = container h1c1"
printf '# \xe9\n' >>"$work/base"
ctl h1 reload >/dev/null
check "... also where that is no UTF-8" has <(ctl h1 policy show) "# ?"

# --- diff ---

serve idle shim h2c1 7001 python3 "$cut" serve 7001 read
before=$(counter h1 connects_slim)
background one in_ h1c1 python3 "$cut" connect "$server" 7001 read
background three in_ h3c1 python3 "$cut" connect "$server" 7001 read
check "a connection is up" poll 5 has "$work/one" up
check "another one is up" poll 5 has "$work/three" up
equal "on the slim path" $((before + 1)) "$(counter h1 connects_slim)"

generation() { ctl "$1" -j policy show | jq .generation; }
archive() { sha256sum "/run/slim-lab/$name/$1/state/policy" 2>/dev/null || find "/run/slim-lab/$name/$1" -name policy; }
table() { ip netns exec "$(space "$1")" nft -a list table netdev slim_policy | grep handle; }
state_of() { generation "$1"; ctl "$1" policy show; archive "$1"; table "$1"; }
diffs() { ctl h1 -j policy diff "$other" | jq -c "$1"; }

state=$(state_of h1)
check "a diff with what is in force" has <(ctl h1 policy diff "$policy") \
	"0 changes; 0 live connections"
write "$other" "# another one" "tenant t1" "include base" "default   deny" "" \
	"allow  icmp # all" "allow tcp from web to container h2c1 port 7000 - 7009" \
	"allow tcp from container h3c1 \\" " to container h2c1 port 7001"
check "an error on the way is said" exits 1 ctl h1 policy diff "$other"
write "$other" "# another one" "tenant t1" "include base" "default   deny" "" \
	"allow tcp from container h3c1 \\" " to container h2c1 port 7001" \
	"allow tcp  from web to container h2c1 port 7000-7009 # web" "allow	icmp"
equal "comments, blanks, joints and files are no change; order is" \
	'[["moved","rule","allow tcp from container h3c1 to container h2c1 port 7001"]]' \
	"$(diffs '[.changes[] | [.change, .what, .after_text]]')"
equal "... and nothing is cut" '[]' "$(diffs .connections)"
write "$other" "tenant t1" "default deny" "group web = container nobody" \
	"deny tcp from container h3c1 to any log" \
	"allow tcp from web to container h2c1 port 7000-7009" "allow icmp" "limit tenant rate 1gbit"
check "a diff names what goes" has <(ctl h1 policy diff "$other") \
	"- $policy:6: tenant t1: allow tcp from container h3c1 to container h2c1 port 7001"
check "... what comes" has <(ctl h1 policy diff "$other") \
	"+ $other:4: tenant t1: deny tcp from container h3c1 to any log"
equal "all of it" "$(printf '%s\n' '["changed","group"]' '["added","rule"]' '["removed","rule"]' \
	'["added","limit"]')" "$(diffs '.changes[] | [.change, .what]')"
id=$(ctl h1 -j connections | jq -r '.connections[].id')
equal "... and the connection that would be cut, with both names" \
	"[[\"$id\",\"out\",\"h1c1\",\"h2c1\",null]]" \
	"$(diffs '[.connections[] | [.id, .direction, .source_container, .destination_container, .rule]]')"
check "... for people" has <(ctl h1 policy diff "$other") "1 live connection of this host would be cut"
check "... by which rule" has <(ctl h1 policy diff "$other") "by default"
equal "the accepting host names both, each by its rule" \
	"$(printf '%s\n' '["in","h1c1",null]' "[\"in\",\"h3c1\",\"$other:4\"]")" \
	"$(ctl h2 -j policy diff "$other" | jq -c '.connections | sort_by(.source_container)[] |
		[.direction, .source_container, .rule]')"
background packets plain h1c1 python3 "$cut" connect "$server" 7001 read
check "a connection over the packet path is up" poll 5 has "$work/packets" up
of_packets() { ctl "$1" -j policy diff "$other" | jq -c '[.connections[] | select(.path == "packet") |
	[.direction, .source_container, .destination_container, .rule]]'; }
equal "it is named, too" '[["out","h1c1","h2c1",null]]' "$(of_packets h1)"
equal "... by the accepting host" '[["in","h1c1","h2c1",null]]' "$(of_packets h2)"
stop packets
gone() { same '[] []' "$(of_packets h1) $(of_packets h2)"; }
check "... and no more when it has ended" poll 5 gone
equal "what lives elsewhere is not this host's" '[]' \
	"$(ctl h1 -j policy diff "$other" | jq -c '[.connections[] | select(.source_container == "h3c1")]')"
write "$other" "tenant t1" "allow"
check "errors are said, and nothing else happens" exits 1 ctl h1 policy diff "$other"
check "... nor for what has no tenant here" has <(write "$other" "tenant nowhere" "allow tcp"
	ctl h1 policy diff "$other" 2>&1) "nowhere"
equal "nothing of all that was put in force" "$state" "$(state_of h1)"
check_not "... or cut" grep end "$work/one" "$work/three"

# Whatever comes along instead of a policy is refused, and nobody waits for it
raw()
{
	timeout 5 python3 - "/run/slim-lab/$name/h1/control.sock" "$1" <<-'END'
		import fcntl, json, os, socket, sys
		path, how = sys.argv[1:]
		sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		sock.connect(path)
		fds = []
		if how == "fifo":
		    fds = [os.pipe()[0]]
		elif how != "none":
		    fds = [os.memfd_create("x", os.MFD_ALLOW_SEALING)]
		    os.write(fds[0], b"SlimPol1\1\0\0\0\1\0\0\0\x0a\0\0\0ptenant t1\n"[how == "cut":])
		    os.lseek(fds[0], 0, os.SEEK_SET)
		if how == "cut":
		    fcntl.fcntl(fds[0], 1033, 2 | 4 | 8)
		text = json.dumps({"version": 1, "command": "policy-diff"}).encode()
		socket.send_fds(sock, [text], fds)
		print(json.loads(sock.recv(65536))["error"])
	END
}
for how in none fifo unsealed cut; do
	check "policy-diff with $how" has <(raw $how) "policy-diff needs"
done

write "$other" "tenant t1" "default deny" "include base" \
	"allow tcp from container h3c1 to container h2c1 port 7001"
mapfile -t doomed < <(diffs '.connections[].source_container')
equal "who is to go" '"h1c1"' "${doomed[*]}"
cp "$other" "$policy.new"
sed -i "s|include base|include $work/base|" "$policy.new"
mv "$policy.new" "$policy"
ctl h1 reload >/dev/null
check "a reload cuts what the diff has named" poll 2 grep -E "end ECONN(RESET|ABORTED)" "$work/one"
check_not "... and nothing else" grep end "$work/three"

# --- test ---

put "tenant t1" "default deny" "allow tcp from container h1c1 to container h2c1 port 7000"
ctl h1 reload >/dev/null
ctl h3 reload >/dev/null
put "tenant t1" "default deny" "" "deny tcp from container h1c1 to container h2c1 port 7000"
ctl h2 reload >/dev/null
ask() { ctl "$1" -j policy test h1c1 h2c1 7000 | jq -c "$2"; }

for host in $(hosts); do
	equal "both hosts are asked, from $host" \
		"[[\"h1\",\"source\",true,\"$policy:3\"],[\"h2\",\"destination\",false,\"$policy:4\"]]" \
		"$(ask "$host" '[.hosts[] | [.host, .ends, .allowed, .rule]]')"
done
check "one that denies decides" has <(ctl h1 policy test h1c1 h2c1 7000) "denied: tenant t1"
equal "... with -j as well, and what is so here" '[false,true]' \
	"$(ctl h1 -j policy test h1c1 h2c1 7000 | jq -c '[.allowed, .allowed_here]')"
equal "... seen from the other one" '[false,false]' \
	"$(ctl h2 -j policy test h1c1 h2c1 7000 | jq -c '[.allowed, .allowed_here]')"
check "each names its rule" has <(ctl h1 policy test h1c1 h2c1 7000) \
	"on h2: denied: $policy:4: deny tcp from container h1c1 to container h2c1 port 7000"
check "... the one that allows, too" has <(ctl h1 policy test h1c1 h2c1 7000) \
	"on h1: allowed: $policy:3: allow tcp"
tries() { in_ "$1" python3 "$cut" connect "$(address "$2")" "$3" read; }
serve hello shim h2c1 7000 python3 "$e2e/speaker.py" 7000 hello
before=$(counter h1 connects_slim)
check "so it is: h1 connects, and h2 resets" has <(tries h1c1 h2c1 7000) ECONNRESET
equal "... on the slim path" $((before + 1)) "$(counter h1 connects_slim)"
equal "of one host, that" '[["h1","both",false]]' \
	"$(ctl h3 -j policy test h1c1 "$(address h1c1)" 80 | jq -c '[.hosts[] | [.host, .ends, .allowed]]')"
equal "addresses of nobody: what is here" '[false,[]]' \
	"$(ctl h3 -j policy test 10.99.0.1 10.99.0.2 80 --tenant t1 | jq -c '[.allowed, .hosts]')"
frozen=$(ctl h2 -j status | jq .pid)
# Each of its threads stops when it comes to its turn.
is_frozen() { ! grep -L '^State:.T' "/proc/$frozen/task"/*/status | grep .; }
kill -STOP "$frozen"
poll 5 is_frozen
check "a host that does not answer is said" has <(ctl h1 policy test h1c1 h2c1 7000) \
	"on h2: not known: it did not answer within 1 s"
told() { ctl h1 -j policy test h1c1 h2c1 7000 >"$work/told"; }
check "... after a second" holds "$(took told) < 2500"
equal "... and what is so by both is not known" '[null,true]' "$(jq -c '[.allowed, .allowed_here]' "$work/told")"
timeout 0.5 "$slimctl" -s "/run/slim-lab/$name/h1/control.sock" policy test h1c1 h2c1 7000 || true
check "... who asked and went is forgotten" ctl h1 status
kill -CONT "$frozen"
check "the hosts are one again" poll 10 meshed h1
check "another container's connection was cut by h2 alone" poll 5 grep -E "end ECONN(RESET|ABORTED)" "$work/three"

# --- stats ---

put "tenant t1" "allow tcp to $server port 7000" "allow tcp to $server port 7000" "allow icmp"
for host in $(hosts); do
	ctl "$host" reload >/dev/null
done
before=$(counter h1 connects_slim)
in_ h1c1 nc -N -w 3 "$server" 7000 </dev/null >/dev/null
equal "a set-up on the slim path" $((before + 1)) "$(counter h1 connects_slim)"
for host in h1 h2; do
	equal "stats: hits, at $host" "1 0 null" \
		"$(ctl $host -j policy stats | jq -r '[.rules[].hits | tostring] | join(" ")')"
done
rules() { ctl h1 policy stats "$@" | awk 'NR > 1 { sub(/.*:/, "", $1); print $1 }' | xargs; }
equal "all rules" "2 3 4" "$(rules)"
check "... with their texts" has <(ctl h1 policy stats) "allow tcp to $server port 7000"
equal "those that never decided, as far as is counted" "3" "$(rules unused)"
equal "those that never can" "3" "$(rules hidden)"
check "no other ones" exits 2 ctl h1 policy stats used
stop hello
stop idle
