# SPDX-License-Identifier: MIT
"""asyncio_echo.py - asyncio at both ends

server PORT: echoes lines, with what it takes its peer's name to be
client ADDRESS PORT NUMBER: that many connections at once, each of which says some lines
"""
import asyncio
import sys


async def echo(reader, writer):
    name = writer.get_extra_info("peername")[:2]
    while line := await reader.readline():
        writer.write(f"{name[0]} {name[1]} ".encode() + line)
        await writer.drain()
    writer.close()


async def serve(port):
    server = await asyncio.start_server(echo, None, port, backlog=1024)
    async with server:
        await server.serve_forever()


async def talk(address, port, number):
    reader, writer = await asyncio.open_connection(address, port)
    name = writer.get_extra_info("sockname")[:2]
    assert writer.get_extra_info("peername")[:2] == (address, port)
    for line in range(20):
        text = f"{number} says {line} " + "x" * (number * 37 % 5000)
        writer.write(text.encode() + b"\n")
        got = (await reader.readline()).decode()
        assert got == f"{name[0]} {name[1]} {text}\n", got
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def call(address, port, number):
    await asyncio.wait_for(asyncio.gather(*(talk(address, port, one) for one in range(number))), 60)


if sys.argv[1] == "server":
    asyncio.run(serve(int(sys.argv[2])))
else:
    asyncio.run(call(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
