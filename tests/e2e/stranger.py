# SPDX-License-Identifier: MIT
"""stranger.py WHAT ADDRESS ... - whoever finds a slim port, and does not belong there

silent | garbage | truncated | forged | tls | slow ADDRESS COUNT: so many connections at a time
replay ADDRESS DEVICE: waits for a preamble that is sent to it by way of the device, and sends it again
spoof KIND DEVICE TO OWN OWN6 OTHER OTHER6: from within a container, what is not its own: mac, ip, arp, ip6, nd
flood ADDRESS SECONDS SOURCE data|bare: SYNs from random ports of the source
"""
import os
import random
import socket
import ssl
import struct
import sys
import time

FIRST, LAST = 4790, 4853


def preamble():
    """One that is right in all but its MAC."""
    tlvs = b"".join(struct.pack("!BH", kind, len(value)) + value for kind, value in (
        (0xe0, b"\1"), (0xe1, struct.pack("!I", 100)), (0xe2, os.urandom(8)),
        (0xe3, os.urandom(4)), (0xe4, struct.pack("!Q", random.randrange(1 << 36))),
        (0xe5, os.urandom(8))))
    names = socket.inet_aton("10.32.1.2") + socket.inet_aton("10.32.2.2") + struct.pack(
        "!HH", 0, 7900)
    return (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(names) + len(tlvs)) + names +
            tlvs)


def known(data, host_id):
    """The same from a host that is known, with a key that is not."""
    return data[:42] + bytes.fromhex(host_id) + data[50:]


def connect(address, port=None):
    sock = socket.create_connection((address, port or random.randint(FIRST + 1, LAST)), 5)
    sock.settimeout(20)
    return sock


def each(address, count, act, port=None):
    """All of them are open at one time; how many were ended by the other side within 20 s"""
    socks = []
    for _ in range(int(count)):
        try:
            sock = connect(address, port)
            socks.append(sock)
            act(sock)
        except OSError:
            pass
    print("ready", flush=True)
    ended = 0
    for sock in socks:
        try:
            while sock.recv(4096):
                pass
            ended += 1
        except ConnectionError:
            ended += 1
        except OSError:
            pass
    print("ended", ended, flush=True)


def silent(address, count):
    each(address, count, lambda sock: None)


def garbage(address, count):
    each(address, count, lambda sock: sock.sendall(b"GET / HTTP/1.1\r\n" * 10))


def truncated(address, count):
    each(address, count, lambda sock: sock.sendall(preamble()[:random.randrange(1, 79)]))


def forged(address, count, host_id=None):
    each(address, count, lambda sock: sock.sendall(
        known(preamble(), host_id) if host_id else preamble()))


def slow(address, count):
    data = preamble()
    socks = [connect(address) for _ in range(int(count))]
    print("ready", flush=True)
    for byte in data:
        for sock in list(socks):
            try:
                sock.send(bytes([byte]))
            except OSError:
                socks.remove(sock)
        if not socks:
            break
        time.sleep(0.2)
    print("ended", int(count) - len(socks), flush=True)


def tls(address, count):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["slim/1"])

    ended = 0
    for _ in range(int(count)):
        try:
            with context.wrap_socket(connect(address, FIRST)) as sock:
                ended += not sock.recv(1)
        except (ssl.SSLError, ConnectionError):
            ended += 1
    print("ended", ended, flush=True)


def replay(address, device):
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as sniffer:
        sniffer.bind((device, 0))
        print("ready", flush=True)
        while True:
            packet = sniffer.recv(2000)
            at = packet.find(b"\r\n\r\n\0\r\nQUIT\n")
            if at > 0 and packet[16:20] == socket.inet_aton(address):
                break
    data = packet[at:at + 79]
    time.sleep(0.3)
    each(address, 50, lambda sock: sock.sendall(data + b"x"))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def flood(address, seconds, source, what):
    """Raw SYNs; the checksum is made up for by hand, the rest is the kernel's."""
    data = preamble() if what == "data" else b""
    ends = socket.inet_aton(source) + socket.inet_aton(address)
    end = time.monotonic() + float(seconds)
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        while time.monotonic() < end:
            head = struct.pack("!HHIIBBHHH", random.randrange(1024, 65536),
                               random.randint(FIRST, LAST), random.getrandbits(32), 0, 0x50, 2,
                               64240, 0, 0)
            pseudo = ends + struct.pack("!BBH", 0, 6, len(head) + len(data))
            head = head[:16] + struct.pack("!H", checksum(pseudo + head + data)) + head[18:]
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(head) + len(data), 0, 0, 64, 6, 0)
            sock.sendto(ip + ends + head + data, (address, 0))
            sent += 1
    print("sent", sent, flush=True)


def icmp6(source, to, body):
    pseudo = source + to + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source + to + body


def echo(source, to):
    body = struct.pack("!BBHHH", 8, 0, 0, 77, 1) + b"slim"
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, 1, 0)
    head = head[:10] + struct.pack("!H", checksum(head + source + to)) + head[12:]
    return head + source + to + body


def spoof(kind, device, to_mac, own, own6, other, other6):
    """To the MAC, which is a neighbour's, ten times"""
    other_mac = bytes.fromhex("020000007777")
    to_mac = bytes.fromhex(to_mac.replace(":", ""))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, 0))
        mac = sock.getsockname()[4]
        own, other = socket.inet_aton(own), socket.inet_aton(other)
        own6, other6 = (socket.inet_pton(socket.AF_INET6, each) for each in (own6, other6))
        frames = {
            "right": mac + b"\x08\x00" + echo(own, other),
            "mac": other_mac + b"\x08\x00" + echo(own, other),
            "ip": mac + b"\x08\x00" + echo(other, own),
            "arp": mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, 2) + mac + other +
                   to_mac + own,
            "ip6": mac + b"\x86\xdd" + icmp6(other6, own6, struct.pack("!BBHHH", 128, 0, 0, 7, 1)),
            "nd": mac + b"\x86\xdd" + icmp6(own6, other6, struct.pack("!BBHI", 136, 0, 0, 0x20000000) +
                                            other6 + b"\2\1" + mac),
        }
        for _ in range(10):
            sock.send(to_mac + frames[kind])


globals()[sys.argv[1]](*sys.argv[2:])
