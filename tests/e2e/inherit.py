# SPDX-License-Identifier: MIT
"""inherit.py PORT PROGRAM ARGUMENT... - listens, then becomes PROGRAM, which finds the
listening socket as fd 3"""
import os
import socket
import sys

listener = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6,
                                dualstack_ipv6=True)
number = os.dup(listener.fileno())
listener.close()
os.dup2(number, 3)
os.execv(sys.argv[2], sys.argv[2:])
