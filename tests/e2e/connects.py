# SPDX-License-Identifier: MIT
"""connects.py ADDRESS PORT EACH-MS SECONDS - a connection each so often, whatever becomes of the others

Each one sends a byte and wants it back, within 40 s. Prints a line for each, "BEGAN TOOK" in ms since the
start, or "BEGAN failed WHY".
"""
import socket
import sys
import threading
import time

address, port = sys.argv[1], int(sys.argv[2])
each, seconds = float(sys.argv[3]) / 1000, float(sys.argv[4])
start = time.monotonic()
lock = threading.Lock()


def once(began):
    try:
        with socket.create_connection((address, port), 40) as sock:
            sock.sendall(b"x")
            if sock.recv(1) != b"x":
                raise OSError("no echo")
        said = f"{(time.monotonic() - start - began) * 1000:.0f}"
    except OSError as error:
        said = f"failed {error}"
    with lock:
        print(f"{began * 1000:.0f} {said}", flush=True)


threads = []
number = 0
while number * each < seconds:
    time.sleep(max(0, start + number * each - time.monotonic()))
    thread = threading.Thread(target=once, args=(time.monotonic() - start,))
    thread.start()
    threads.append(thread)
    number += 1
for thread in threads:
    thread.join()
