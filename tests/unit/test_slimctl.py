#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""slimctl and slim-run as an operator calls them, against a made-up router.

Run from the top of the tree; $SLIMCTL and $SLIM_RUN name other programs than those in build/.
"""
import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import unittest
import unittest.mock

SLIMCTL = os.environ.get("SLIMCTL", "build/slimctl")
SLIM_RUN = os.environ.get("SLIM_RUN", "build/slim-run")

CONTAINER = {
    "name": "h1c1", "tenant": "blue", "vni": 100, "addresses": ["10.32.1.2", "fd32::2"],
    "mac": "02:00:00:00:00:01", "netns": "/run/netns/c1", "ifname": "eth0",
    "host_ifname": "slim1", "labels": {"app": "web", "evil": "\x1b[2J"}, "age_s": 192.3,
    "channels": 3, "listeners": 1, "connections": 12, "pending": 0, "refused": 7,
    "limits": [{"limit": "channels", "used": 3, "most": 1024, "refused": 7},
               {"limit": "requests", "used": None, "most": 100000, "refused": 0}],
    "path_attached": "auto", "path": "packet", "path_reason": "netfilter rules of its own"}
CONNECTION = {
    "id": "77", "tenant": "blue", "container": "h1c1", "direction": "out", "path": "slim",
    "virtual_local": "[fd32::2]:40000", "virtual_peer": "[fd32::3]:80",
    "host_local": "192.0.2.1:40000", "host_peer": "192.0.2.2:4790", "state": "ESTAB",
    "age_s": 45.0, "bytes_sent": 1234567, "bytes_received": 12, "rtt_us": 85}
REPLIES = {
    "attach": {"container": CONTAINER},
    "detach": {},
    "containers": {"containers": [CONTAINER]},
    "connections": {"connections": [CONNECTION]},
    "listeners": {"listeners": [
        {"container": "h1c1", "host": "h1", "tenant": "blue", "address": "fd32::2", "port": 80,
         "where": "local", "busy": False, "sockets": 2},
        {"container": None, "host": "h2", "tenant": "blue", "address": "10.32.2.2",
         "port": 8080, "where": "remote", "busy": True, "sockets": 1}]},
    "peers": {"peers": [
        {"name": "h2", "host_id": "00000000000000ff", "address": "192.0.2.2", "state": "down",
         "since_s": 7500, "containers": 0, "listeners": 0, "rtt_ms": 0.25,
         "syn_data": True, "refused": 3, "slowed": 0, "warning": None,
         "error": "connection refused"}]},
    "guard": {"cut": 2, "guard": {"configured": "prefer", "state": "draining", "reason": "it is\x1b[2J",
                                  "seals": False, "version": 1, "generation": 2, "live": 3}},
    "reload": {"generation": 3, "file": "/p", "path": "/p", "rules": 1, "took_ms": 1.5},
    "policy-show": {"generation": 3, "file": "/p", "path": "/p", "closed": False,
                    "files": [{"file": "/p", "text": "tenant\tblue # \x1b[2J\n"}]},
    "policy-stats": {"generation": 3, "file": "/p", "path": "/p", "closed": False, "rules": [
        {"rule": "/p:2", "tenant": "blue", "hits": 7, "hidden_by": None, "text": "allow tcp"},
        {"rule": "/p:3", "tenant": "blue", "hits": 0, "hidden_by": "/p:2", "text": "deny\ttcp"},
        {"rule": "/p:4", "tenant": "blue", "hits": None, "hidden_by": None, "text": "deny udp"}]},
    "policy-test": {
        "allowed": None, "allowed_here": True, "rule": "/p:2", "text": "allow tcp", "tenant": "blue",
        "source": "10.32.1.2", "source_host": "h1", "destination": "10.32.2.2",
        "destination_host": "h2", "hosts": [
            {"host": "h1", "ends": "source", "allowed": True, "rule": "/p:2", "text": "allow tcp"},
            {"host": "h2", "ends": "destination", "allowed": None, "rule": None, "text": None,
             "error": "it did not answer within 1 s"}]},
    "policy-diff": {
        "generation": 3, "rules_before": 1, "rules_after": 1, "changes": [
            {"change": "changed", "what": "group", "tenant": "blue", "before": "/p:1",
             "before_text": "group a = any", "after": "/q:1", "after_text": "group a = \x1b[2J"},
            {"change": "moved", "what": "rule", "tenant": "blue", "before": "/p:3",
             "before_text": "deny udp", "after": "/q:2", "after_text": "deny udp"},
            {"change": "removed", "what": "rule", "tenant": "blue", "before": "/p:4",
             "before_text": "deny icmp", "after": None, "after_text": None}],
        "connections": [
            {"id": "7", "path": "slim", "tenant": "blue", "direction": "out", "source": "10.32.1.2:4711",
             "source_container": "h1c1", "destination": "10.32.9.9:80",
             "destination_container": None, "rule": None}],
        "unseen": [{"container": "h1c2", "error": "No such\nfile"}]},
    "status": {
        "host": "h1", "version_text": "0.1.0", "pid": 7, "uptime_s": 3.25, "mode": "open",
        "host_id": "00000000000000fe", "public_key": "KEY", "addresses": ["192.0.2.1"],
        "slim_ports": "4790-4853", "workers": 2, "fds": 60, "fd_limit": 131072,
        "tenants": [{"name": "blue", "vni": 100, "prefixes": ["10.32.0.0/16", "fd32::/48"],
                     "containers": 1}],
        "containers": 1, "containers_packet": 1, "listeners": 2, "connections": 3,
        "peers_up": 0, "peers": 1,
        "policy": {"file": "/etc/slim/policy", "rules": 12, "generation": 3, "closed": False,
                   "packet_path_current": False},
        "counters": {"connects_slim": 5, "new_one": 12345}},
}


class Router(threading.Thread):
    """Answers in packets of seven bytes, so that putting together is tested."""

    def __init__(self, path, error=None):
        super().__init__(daemon=True)
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listening.bind(path)
        self.listening.listen(4)
        self.error = error
        self.requests = []
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            data, fds, _, _ = socket.recv_fds(client, 65536, 4)
            request = json.loads(data)
            self.requests.append((request, [os.fstat(fd).st_ino for fd in fds]))
            for fd in fds:
                os.close(fd)
            reply = {"version": 1, "ok": not self.error}
            reply.update({"error": self.error} if self.error else REPLIES[request["command"]])
            text = json.dumps(reply).encode()
            for i in range(0, len(text), 7):
                client.send(text[i:i + 7])
            client.close()

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listening.close()


class Slimctl(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.path = self.dir + "/control.sock"
        self.router = Router(self.path)

    def tearDown(self):
        self.router.close()
        shutil.rmtree(self.dir)

    def run_ctl(self, *args, status=0):
        done = subprocess.run([SLIMCTL, "-s", self.path, *args], capture_output=True, text=True,
                              timeout=30, check=False)
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        self.assertEqual(status != 0, done.stderr != "", done.stderr)
        return done.stderr if status else done.stdout

    def test_attach(self):
        netns = f"/proc/{os.getpid()}/ns/net"
        out = self.run_ctl("attach", "h1c1", "--netns", netns, "--tenant", "blue", "--ip",
                           "10.32.1.2,fd32::2", "--label", "app=web", "--label", "x=")
        self.assertEqual(out, "h1c1: attached to blue (VNI 100) as 10.32.1.2,fd32::2, eth0 "
                         "(02:00:00:00:00:01), host side slim1\n")
        self.assertEqual(self.router.requests, [({
            "version": 1, "command": "attach", "name": "h1c1", "netns": netns, "tenant": "blue",
            "addresses": ["10.32.1.2", "fd32::2"], "labels": {"app": "web", "x": ""},
            "ifname": "eth0", "path": "auto"}, [os.stat(netns).st_ino])])

    def test_path(self):
        good = ("attach", "c", "--netns", f"/proc/{os.getpid()}/ns/net", "--tenant", "t", "--ip",
                "10.0.0.1")
        for path in "auto", "slim", "packet":
            self.run_ctl(*good, "--path", path)
        self.assertEqual([request["path"] for request, _ in self.router.requests],
                         ["auto", "slim", "packet"])

    def test_detach(self):
        self.assertEqual(self.run_ctl("detach", "h1c1"), "h1c1: detached\n")
        self.assertEqual(self.router.requests,
                         [({"version": 1, "command": "detach", "name": "h1c1"}, [])])

    def test_tables(self):
        tables = {
            "containers": [
                "NAME  TENANT  ADDRESSES          PATH                                 "
                "CONNECTIONS  LISTENERS  PENDING  CHANNELS  REFUSED    AGE  HOST-IF  LABELS",
                "h1c1  blue    10.32.1.2,fd32::2  packet (netfilter rules of its own)  "
                "         12          1        0         3        7  3m12s  slim1    "
                "app=web,evil=?[2J"],
            "listeners": [
                "TENANT  LISTENER        WHERE   HOST  CONTAINER  SOCKETS  BUSY",
                "blue    [fd32::2]:80    local   h1    h1c1             2  no",
                "blue    10.32.2.2:8080  remote  h2    -                1  yes"],
            "connections": [
                "TENANT  CONTAINER  DIR  PATH  VIRTUAL-LOCAL    VIRTUAL-PEER  HOST-LOCAL       "
                "HOST-PEER       STATE  AGE    SENT  RECEIVED    RTT",
                "blue    h1c1       out  slim  [fd32::2]:40000  [fd32::3]:80  192.0.2.1:40000  "
                "192.0.2.2:4790  ESTAB  45s  1.2 MB      12 B  85 us"],
            "peers": [
                "NAME  STATE  SINCE  ADDRESS    CONTAINERS  LISTENERS     RTT  HOST-ID           "
                "SYN-DATA  REFUSED  ERROR               WARNING",
                "h2    down   2h05m  192.0.2.2           0          0  250 us  00000000000000ff  "
                "yes             3  connection refused  -"],
        }
        for command, lines in tables.items():
            with self.subTest(command):
                self.assertEqual(self.run_ctl(command), "\n".join(lines) + "\n")

    def test_policy(self):
        self.assertEqual(self.run_ctl("policy", "stats").splitlines(), [
            "RULE  TENANT  HITS  HIDDEN-BY  TEXT", "/p:2  blue       7  -          allow tcp",
            "/p:3  blue       0  /p:2       deny?tcp", "/p:4  blue       -  -          deny udp"])
        for which in "unused", "hidden":
            self.assertEqual(self.run_ctl("policy", "stats", which).splitlines()[1:],
                             ["/p:3  blue       0  /p:2       deny?tcp"])
        self.assertEqual(self.run_ctl("policy", "test", "h1c1", "h2c1", "80").splitlines(), [
            "not known: tenant blue, 10.32.1.2 on h1 to 10.32.2.2 on h2",
            "on h1: allowed: /p:2: allow tcp",
            "on h2: not known: it did not answer within 1 s"])
        for allowed, word in (True, "allowed"), (False, "denied"):
            with unittest.mock.patch.dict(REPLIES["policy-test"], {"allowed": allowed}):
                self.assertTrue(self.run_ctl("policy", "test", "a", "b", "0", "icmp", "--tenant", "blue")
                                .startswith(f"{word}: tenant blue"))
        self.assertEqual(self.router.requests[-1][0]["tenant"], "blue")
        self.assertEqual(self.run_ctl("policy", "show"), "# /p\ntenant blue # ?[2J\n")
        self.assertEqual(self.run_ctl("reload"), "/p is in force: 1 rule, generation 3, after 1.5 ms\n")
        with unittest.mock.patch.dict(REPLIES["reload"], {"rules": 21, "packet_path_current": False}):
            text = self.run_ctl("reload")
            self.assertIn(" 21 rules, ", text)
            self.assertTrue(text.endswith("; the packet path follows\n"))

    def test_guard(self):
        self.assertEqual(self.run_ctl("guard", "drain"),
                         "guard draining (configured: prefer), 3 sealed sockets\nit is?[2J\n"
                         "2 connections were ended\n")

    def test_no_policy(self):
        """Where it would be is said."""
        for command, nothing in (("reload",), {}), (("policy", "show"), {"files": []}), \
                (("policy", "stats"), {"rules": []}):
            reply = REPLIES["-".join(command)]
            with self.subTest(command):
                with unittest.mock.patch.dict(reply, {"file": None, **nothing}):
                    self.assertEqual(self.run_ctl(*command),
                                     "there is no policy /p: all is allowed within tenants\n")
                with unittest.mock.patch.dict(reply, {"closed": True, **nothing}):
                    self.assertEqual(self.run_ctl(*command),
                                     "/p has errors, or is gone: nothing is allowed\n")

    def test_policy_too_much(self):
        """What groups stand for is counted where tenants are known."""
        path, config = self.dir + "/policy", self.dir + "/conf"
        with open(config, "w", encoding="utf-8") as out:
            out.write("host h1 { address 192.0.2.1; }\ntenant blue { vni 1; prefix 10.1.0.0/16; }\n")
        with open(path, "w", encoding="utf-8") as out:
            out.write("tenant blue\ngroup a = " + ", ".join(f"10.1.{i >> 7}.{i * 2 & 255}" for i in range(2100)))
            for i in range(2000):
                out.write(f"\ngroup g{i} = a, 10.2.{i >> 8}.{i & 255}")
        self.assertTrue(self.run_ctl("policy", "check", path, config, status=1).startswith(
            f"{path}:1998:7: with this there are more than 4194304 ranges of addresses"))
        with open(path, "w", encoding="utf-8") as out:
            out.write("tenant blue\nallow tcp from 10.1.0.0/16\n")
        self.assertEqual(self.run_ctl("policy", "check", path, config), f"{path} is good: 1 rule\n")

    def test_policy_diff(self):
        path = os.path.join(self.dir, "q")
        with open(path, "w", encoding="utf-8") as file:
            file.write("tenant blue\n")
        self.assertEqual(self.run_ctl("policy", "diff", path).splitlines(), [
            "- /p:1: tenant blue: group a = any", "+ /q:1: tenant blue: group a = ?[2J",
            "~ /q:2: tenant blue: deny udp", "- /p:4: tenant blue: deny icmp",
            "3 changes; 1 live connection of this host would be cut",
            "not known: h1c2's connections over the packet path: No such?file", "",
            "CUT  PATH  TENANT  SOURCE                 DESTINATION   RULE",
            "7    slim  blue    h1c1 (10.32.1.2:4711)  10.32.9.9:80  by default"])
        (request, fds), = self.router.requests
        self.assertEqual((request["command"], len(fds)), ("policy-diff", 1))

    def test_limits(self):
        for args in (("-v", "containers"), ("containers", "--verbose")):
            out = self.run_ctl(*args).split("\n\n")
            self.assertEqual(len(out), 2)
            self.assertEqual(out[1], "CONTAINER  LIMIT     USED    MOST  REFUSED\n"
                                     "h1c1       channels     3    1024        7\n"
                                     "h1c1       requests     -  100000        0\n")
        self.run_ctl("-v", "peers", status=2)

    def test_status(self):
        out = self.run_ctl("status")
        for line in ("host            h1", "uptime          3.2s", "peers           0 of 1 up", "on packet path  1",
                     "blue    100           1  10.32.0.0/16,fd32::/48", "new_one        12345",
                     "policy          /etc/slim/policy, 12 rules; the packet path follows"):
            self.assertIn(line + "\n", out)

    def test_status_policy(self):
        policy = REPLIES["status"]["policy"]
        for now, line in (({**policy, "file": None}, "none: all is allowed within tenants"),
                          ({**policy, "closed": True}, "/etc/slim/policy has errors, or is gone: nothing is allowed"),
                          ({**policy, "packet_path_error": "why"},
                           "/etc/slim/policy, 12 rules; the packet path does not follow\n                why"),
                          ({**policy, "packet_path_current": True}, "/etc/slim/policy, 12 rules")):
            with self.subTest(now), unittest.mock.patch.dict(REPLIES["status"], {"policy": now}):
                self.assertIn(f"\npolicy          {line}\n", self.run_ctl("status"))

    def test_json(self):
        for command in ("status", "containers", "listeners", "connections", "peers"):
            for args in (("-j", command), (command, "-j")):
                with self.subTest(args):
                    self.assertEqual(json.loads(self.run_ctl(*args)),
                                     {"version": 1, "ok": True, **REPLIES[command]})

    def test_refused(self):
        self.router.error = "no container named x\x1b is attached"
        self.assertEqual(self.run_ctl("detach", "x", status=1),
                         "slimctl: no container named x? is attached\n")

    def test_refused_json(self):
        self.router.error = "no"
        done = subprocess.run([SLIMCTL, "-s", self.path, "-j", "detach", "x"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout), {"version": 1, "ok": False, "error": "no"})

    def test_no_router(self):
        done = subprocess.run([SLIMCTL, "-s", self.dir + "/none", "-j", "status"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no router at", json.loads(done.stdout)["error"])
        self.assertIn("systemctl start slimrouter", done.stderr)

    def test_usage(self):
        netns = ("--netns", f"/proc/{os.getpid()}/ns/net")
        good = ("attach", "c", *netns, "--tenant", "t", "--ip", "10.0.0.1")
        for args in ((), ("nonsense",), ("status", "x"), ("detach",), ("detach", "a", "b"),
                     ("status", "--ip", "10.0.0.1"), ("--nonsense", "status"),
                     ("attach", "c", "--tenant", "t", "--ip", "10.0.0.1"),
                     ("attach", "c", *netns, "--ip", "10.0.0.1"),
                     ("attach", "c", *netns, "--tenant", "t"),
                     ("attach", "c" * 64, *good[2:]), ("attach", "", *good[2:]),
                     (*good, "--ip", "10.0.0"), (*good, "--ip", ""), (*good, "--ip", "10.0.0.2,"),
                     (*good, *["--ip=10.0.0.1"] * 16),
                     (*good, "--label", "x"), (*good, "--label", "=x"),
                     (*good, "--label", "x=1", "--label", "x=2"),
                     (*good, "--ifname", ""), (*good, "--ifname", "x" * 16),
                     (*good, "--path", ""), (*good, "--path", "fast"),
                     ("status", "--path", "slim"),
                     (*good, "--netns", "/proc/self/ns/net")):
            with self.subTest(args):
                self.run_ctl(*args, status=2)
        self.assertEqual(self.router.requests, [])

    def test_policy_usage(self):
        for args, said in (
                ((), "policy needs one of check, diff, show, stats and test"),
                (("check",), "policy check needs FILE, and may have CONFIGURATION"),
                (("diff", "a", "b", "c"), "policy diff needs FILE, and may have CONFIGURATION"),
                (("show", "x"), "policy show takes no argument"),
                (("stats", "unused", "x"), "policy stats takes no argument but unused or hidden"),
                (("stats", "used"), 'policy stats shows all rules, unused or hidden ones, not "used"'),
                (("test", "a", "b"), "policy test needs SOURCE, DESTINATION and PORT, and may have PROTOCOL"),
                (("test", "a", "b", "http"), 'policy test: "http" is no port'),
                (("check", "f", "--netns", "x"), "policy does not take the options of attach"),
                (("test", "a", "b", "1", "--ip", "10.0.0.1"), "policy does not take the options of attach"),
                (("test", "a", "b", "1", "--label", "a=b"), "policy does not take the options of attach"),
                (("test", "a", "b", "1", "--path", "slim"), "policy does not take the options of attach"),
                (("test", "a", "b", "1", "--ifname", "x"), "policy does not take the options of attach"),
                (("show", "--tenant", "blue"), "policy show does not take --tenant"),
                (("show", "-v"), "policy does not take -v"),
                (("explain",), 'there is no "policy explain"')):
            with self.subTest(args):
                self.assertEqual(self.run_ctl("policy", *args, status=2),
                                 f"slimctl: {said} (see `slimctl help`)\n")
        self.assertEqual(self.router.requests, [])

    def test_usage_json(self):
        """With -j, whoever reads standard output gets an object, wherever -j stands."""
        for args in (["-j"], ["-j", "nonsense"], ["--nonsense", "-j"], ["-x", "--json"],
                     ["attach", "--ip", "bad", "-j"], ["-j", "attach", "a", "--tenant"],
                     ["detach", "-j"], ["peers", "x", "-j"], ["-j", "attach", "a"]):
            done = subprocess.run([SLIMCTL, *args], capture_output=True, text=True, timeout=30,
                                  check=False)
            self.assertEqual(done.returncode, 2, args)
            reply = json.loads(done.stdout)
            self.assertEqual((reply["version"], reply["ok"]), (1, False))
            self.assertIn(reply["error"], done.stderr)
            self.assertTrue(done.stderr.startswith("slimctl: "), done.stderr)
        for args, named in ((["-x"], "-x"), (["--none"], "--none"), (["peers", "-s"], "-s")):
            done = subprocess.run([SLIMCTL, *args], capture_output=True, text=True, timeout=30,
                                  check=False)
            self.assertIn(named, done.stderr)

    def test_netns(self):
        for netns, said in (("/dev/null", "is not a network namespace"),
                            ("slim-none", "cannot open the network namespace slim-none")):
            self.assertIn(said, self.run_ctl("attach", "c", "--netns", netns, "--tenant", "t",
                                             "--ip", "10.0.0.1", status=1))

    def test_keys(self):
        key = self.dir + "/host.key"
        public = self.run_ctl("keygen", key)
        self.assertEqual(len(public), 45)
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        self.assertEqual(self.run_ctl("pubkey", key), public)
        self.assertEqual(json.loads(self.run_ctl("-j", "pubkey", key)),
                         {"version": 1, "ok": True, "file": key, "public_key": public.strip()})
        self.assertIn("exists, and is not overwritten", self.run_ctl("keygen", key, status=1))
        self.assertEqual(self.run_ctl("pubkey", key), public)
        self.assertIn("there is no key", self.run_ctl("pubkey", key + "x", status=1))

    def test_help(self):
        self.assertIn("usage: slimctl", self.run_ctl("help"))
        self.assertIn("PORT [PROTOCOL] [--tenant T]", self.run_ctl("help"))
        self.assertIn("usage: slimctl", self.run_ctl("--help"))
        self.assertRegex(self.run_ctl("--version"), r"^slimctl [0-9.]+\n$")

    def test_full_disk(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([SLIMCTL, "help"], stdout=full, stderr=subprocess.PIPE,
                                  check=False)
        self.assertEqual(done.returncode, 1)


class SlimRun(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.program = shutil.copy(SLIM_RUN, self.dir + "/slim-run")
        self.library = self.dir + "/libslim.so"
        subprocess.run(["cc", "-shared", "-nostdlib", "-x", "c", "/dev/null", "-o", self.library],
                       check=True)

    def tearDown(self):
        shutil.rmtree(self.dir)

    def run_slim(self, *args, status=0, **env):
        environ = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "SLIM_LIBRARY")}
        done = subprocess.run([self.program, *args], capture_output=True, text=True, check=False,
                              env={**environ, **env})
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr if status else done.stdout.strip()

    PRINT = ("sh", "-c", "echo $LD_PRELOAD")

    def test_library(self):
        self.assertEqual(self.run_slim(*self.PRINT), self.library)
        self.assertEqual(self.run_slim("--", *self.PRINT), self.library)
        other = shutil.copy(self.library, self.dir + "/other.so")
        self.assertEqual(self.run_slim(*self.PRINT, SLIM_LIBRARY=other), other)
        self.assertEqual(self.run_slim(*self.PRINT, LD_PRELOAD=other), self.library + ":" + other)
        self.assertEqual(self.run_slim(*self.PRINT, LD_PRELOAD=self.library), self.library)
        self.run_slim(*self.PRINT, status=125, SLIM_LIBRARY=self.dir + "/none.so")
        os.makedirs(self.dir + "/a b")
        spaced = shutil.copy(self.library, self.dir + "/a b/x.so")
        self.run_slim(*self.PRINT, status=125, SLIM_LIBRARY=spaced)

    def test_library_in_lib(self):
        os.makedirs(self.dir + "/bin")
        os.makedirs(self.dir + "/lib/slim")
        self.program = shutil.move(self.program, self.dir + "/bin/slim-run")
        shutil.move(self.library, self.dir + "/lib/slim/libslim.so")
        self.assertEqual(os.path.realpath(self.run_slim(*self.PRINT)),
                         self.dir + "/lib/slim/libslim.so")

    def test_status(self):
        self.run_slim("sh", "-c", "exit 7", status=7)
        self.run_slim(self.dir + "/none", status=127)
        self.run_slim("/etc/passwd", status=126)
        self.run_slim(status=125)
        self.run_slim("--nonsense", "true", status=125)
        self.run_slim("--netns", "/dev/null", "true", status=125)

    def test_arguments(self):
        self.assertEqual(self.run_slim("--", "echo", "-n", "--netns", "--"), "--netns --")

    @unittest.skipUnless(os.geteuid() == 0, "needs root to enter a network namespace")
    def test_netns(self):
        with subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; read x"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            holder.stdout.readline()
            path = f"/proc/{holder.pid}/ns/net"
            self.assertEqual(self.run_slim("--netns", path, "readlink", "/proc/self/ns/net"),
                             os.readlink(path))
            holder.communicate(b"\n")



class Completion(unittest.TestCase):
    """bash looks for a file of the command's name."""

    def words(self, *typed):
        """What is offered for the last word"""
        line = " ".join(f"'{word}'" for word in ("slimctl", *typed))
        script = (f". tools/completion/slimctl.bash; COMP_WORDS=({line}); COMP_CWORD={len(typed)}; "
                  '_slimctl; echo "${COMPREPLY[*]}"')
        return subprocess.run(["bash", "-c", script], check=True, timeout=30, capture_output=True,
                              text=True).stdout.split()

    def test_policy(self):
        self.assertEqual(self.words("policy", "s"), ["show", "stats"])
        self.assertEqual(self.words("policy", "stats", ""), ["unused", "hidden"])
        self.assertEqual(self.words("policy", "show", "-"), ["--json", "--socket"])
        self.assertEqual(self.words("policy", "test", "--t"), ["--tenant"])
        self.assertEqual(self.words("policy", "test", "a", "b", "80", ""), ["tcp", "udp", "icmp"])

    def test_installed(self):
        with tempfile.TemporaryDirectory() as root:
            subprocess.run(["make", "-s", "install", "DESTDIR=" + root, "PREFIX=/usr"],
                           check=True, timeout=120, capture_output=True)
            files = root + "/usr/share/bash-completion/completions/"
            for command in "slimctl", "slim-run":
                said = subprocess.run(["bash", "-c", f". {files}{command}; complete -p {command}"],
                                      check=True, timeout=30, capture_output=True, text=True)
                self.assertIn(command, said.stdout)
            subprocess.run(["make", "-s", "uninstall", "DESTDIR=" + root, "PREFIX=/usr"],
                           check=True, timeout=120, capture_output=True)
            self.assertEqual(os.listdir(files), [])


if __name__ == "__main__":
    unittest.main()
