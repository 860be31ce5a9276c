# SPDX-License-Identifier: MIT
"""rogue.py KEY DIRECTORY OWN PEER CLAIMED... - speaks the peer protocol with a host's key, and lies

It dials PEER, and waits for PEER to dial, whichever comes; says HELLO and that it has the CLAIMED addresses,
with a listener on port 7900 of each, and addresses that are in no tenant; answers keep-alives for 4 s; then
it says and reads nothing more.
"""
import hashlib
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import time

key, directory, own, peer = sys.argv[1:5]
claimed = sys.argv[5:]


def mapped(address):
    return b"\0" * 10 + b"\xff\xff" + socket.inet_aton(address)


def message(kind, body):
    return struct.pack("!HHI", kind, 0, 8 + len(body)) + body


def certificate():
    name = os.path.join(directory, "rogue.pem")
    subprocess.run(["openssl", "req", "-new", "-x509", "-key", key, "-subj", "/CN=rogue", "-out", name],
                   check=True, capture_output=True)
    return name


def host_id():
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True,
                         capture_output=True).stdout
    return hashlib.sha256(der[-32:]).digest()[:8]


def context(server):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.set_alpn_protocols(["slim/1"])
    made.load_cert_chain(CERTIFICATE, key)
    return made


def account():
    hello = struct.pack("!HHHH", 1, 4790, 4853, 4789) + host_id() + os.urandom(8) + b"rogue".ljust(
        64, b"\0") + struct.pack("!HHHH", 1, 0, 0, 0) + mapped(own)
    said = message(1, hello)
    for number, address in enumerate(claimed + ["192.0.2.1"]):
        said += message(2, struct.pack("!II", 100, number + 1) + bytes((2, 0, 0, 9, 9, number)) +
                        struct.pack("!H", 1) + mapped(address))
        said += message(4, struct.pack("!IHH", 100, 7900, 0) + mapped(address))
    return said + message(6, b"")


def speak(channel):
    """For 4 s; then silence"""
    data = b""
    channel.sendall(account())
    print("up", flush=True)
    channel.settimeout(0.2)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        try:
            more = channel.recv(65536)
        except TimeoutError:
            continue
        if not more:
            raise OSError("it was not let in")
        data += more
        while len(data) >= 8 and len(data) >= struct.unpack("!I", data[4:8])[0]:
            length = struct.unpack("!I", data[4:8])[0]
            if data[:2] == b"\0\7":
                channel.sendall(message(8, data[8:16]))
            data = data[length:]
    print("silent", flush=True)
    time.sleep(30)


CERTIFICATE = certificate()


def accepted(listener):
    if not select.select([listener], [], [], 0.5)[0]:
        return
    raw, name = listener.accept()
    if name[0] == peer:
        speak(context(True).wrap_socket(raw, server_side=True))
    raw.close()


def dialled(_):
    speak(context(False).wrap_socket(socket.create_connection((peer, 4790), 2)))


# Either may be in vain: a host that waits to be dialled knocks all the same.
with socket.create_server((own, 4790)) as server:
    while True:
        for way in (accepted, dialled):
            try:
                way(server)
            except OSError as error:
                print(error, flush=True)
