# SPDX-License-Identifier: MIT
"""names.py - who do both ends of a connection think that they are?

server PORT PATH ADDRESS..., client ADDRESS PORT PATH OWN...: one connection; its names are asked
in every way there is, before and after dup, fork, exec and passing the fd to the process that
listens on PATH (holder PATH). Each must be what a plain socket would say.
"""
import os
import socket
import struct
import subprocess
import sys

SO_PEERNAME = 28
SIZES = {socket.AF_INET: 16, socket.AF_INET6: 28}     # of a sockaddr


def parse(raw):
    family, port = struct.unpack("=H", raw[:2])[0], struct.unpack("!H", raw[2:4])[0]
    if family == socket.AF_INET:
        return socket.inet_ntop(family, raw[4:8]), port
    return socket.inet_ntop(family, raw[8:24]), port


def look(number):
    """What one fd says, as text."""
    with socket.socket(fileno=os.dup(number)) as sock:
        return repr((sock.getsockname()[:2], sock.getpeername()[:2],
                     parse(sock.getsockopt(socket.SOL_SOCKET, SO_PEERNAME, SIZES[sock.family])),
                     sock.family.name, sock.type.name))


def in_child(number):
    reader, writer = os.pipe()
    if not os.fork():
        os.write(writer, look(number).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        return file.read()


def after_exec(number):
    return subprocess.run([sys.executable, __file__, "look", str(number)], pass_fds=[number],
                          stdout=subprocess.PIPE, check=True).stdout.decode().strip()


def elsewhere(number, path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        socket.send_fds(sock, [b"x"], [number])
        return sock.recv(4096).decode()


def holder(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(8)
        print("ready", flush=True)
        while True:
            sock = listener.accept()[0]
            number = socket.recv_fds(sock, 16, 1)[1][0]
            sock.send(look(number).encode())
            os.close(number)
            sock.close()


def compare(sock, path, expected):
    number = sock.fileno()
    high = os.dup2(number, 77)
    for way, found in (("at once", look(number)), ("after dup", look(os.dup(number))),
                       ("after dup2", look(high)), ("in a child", in_child(number)),
                       ("after exec", after_exec(number)),
                       ("in another process", elsewhere(number, path)),
                       ("at last", look(number))):
        if found != repr(expected):
            sys.exit(f"{way}: {found}, where {expected!r} was expected")
        print(f"{way}: {found}")
    os.close(high)


def serve(port, path, addresses):
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print("ready", flush=True)
        for client in addresses:
            sock, name = server.accept()
            peer = name[:2]
            assert peer[0] == client, (peer, client)
            local = sock.recv(200).decode()
            compare(sock, path, ((local, port), peer, peer, "AF_INET6", "SOCK_STREAM"))
            sock.send(f"{peer[0]} {peer[1]}".encode())
            sock.recv(1)
            sock.close()


def call(address, port, path, own):
    """address may be mapped; the server's family is always AF_INET6."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock:
        sock.connect((address, port))
        local = sock.getsockname()[:2]
        mapped = address if family == socket.AF_INET6 else f"::ffff:{address}"
        assert local[0] == own, (local, own)
        sock.send(mapped.encode())
        compare(sock, path, (local, (address, port), (address, port), family.name, "SOCK_STREAM"))
        seen = sock.recv(200).decode().split()
        assert seen[0].removeprefix("::ffff:") == own.removeprefix("::ffff:"), (seen, own)
        assert int(seen[1]) == local[1], (seen, local)


what, arguments = sys.argv[1], sys.argv[2:]
if what == "look":
    print(look(int(arguments[0])))
elif what == "holder":
    holder(arguments[0])
elif what == "server":
    serve(int(arguments[0]), arguments[1], arguments[2:])
else:
    call(arguments[0], int(arguments[1]), arguments[2], arguments[3])
