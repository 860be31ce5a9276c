# SPDX-License-Identifier: MIT
"""udp_echo.py - datagrams and single connections, for the packet path's tests

server PORT, client ADDRESS PORT: UDP, small and large, all back unchanged
tcp ADDRESS PORT [SOURCE]: does anybody accept there?
source PORT, ask ADDRESS PORT: over TCP, from which address one is seen
vxlan SOURCE HOST VNI MAC-TO MAC-FROM FROM TO: an ICMP echo request in a VXLAN packet
"""
import socket
import struct
import sys


def server(port):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::", int(port)))
        print("ready", flush=True)
        while True:
            data, peer = sock.recvfrom(65536)
            sock.sendto(data, peer)


def client(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, int(port)))
        for size in (0, 1, 1400, 9000, 40000):
            data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            sock.send(data)
            assert sock.recv(65536) == data, size


def tcp(address, port, source=""):
    socket.create_connection((address, int(port)), 1, (source, 0)).close()


def source(port):
    with socket.create_server(("0.0.0.0", int(port))) as listener:
        print("ready", flush=True)
        while True:
            sock, name = listener.accept()
            with sock:
                sock.sendall(name[0].encode())


def ask(address, port):
    with socket.create_connection((address, int(port)), 5) as sock:
        print(sock.recv(100).decode())


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def vxlan(source_, host, vni, mac_to, mac_from, from_, to):
    icmp = struct.pack("!BBHHH", 8, 0, 0, 77, 1) + b"slim"
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), 0, 0, 64, 1, 0,
                       socket.inet_aton(from_), socket.inet_aton(to))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    frame = bytes.fromhex((mac_to + mac_from).replace(":", "")) + b"\x08\x00" + head + icmp
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source_, 0))
        sock.sendto(struct.pack("!II", 0x08000000, int(vni) << 8) + frame, (host, 4789))


globals()[sys.argv[1]](*sys.argv[2:])
