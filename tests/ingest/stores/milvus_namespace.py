"""
Run by the Python that has the package "milvus", in a network namespace of its own: Milvus listens on a dozen ports,
most of them on every address.

The one way in is a Unix socket, which is no part of the namespace. It says "ready", and ends when its input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys

PORT = 19530


def bring_up_loopback() -> None:
    """As `ip link set lo up`."""
    siocgifflags, siocsifflags, iff_up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, siocgifflags, request))[1]
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sH14x", b"lo", flags | iff_up))


async def relay(path: str) -> None:
    """Every connection to the socket goes on to the server, until the input ends."""
    connections: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", PORT)
        for task in (carry(reader, their_writer), carry(their_reader, writer)):
            connections.add(asyncio.create_task(task))

    async with await asyncio.start_unix_server(accept, path):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main(folder: str, path: str) -> None:
    from milvus import MilvusServer, MilvusServerConfig  # type: ignore[import-not-found]  # in that Python only

    bring_up_loopback()
    server = MilvusServer(MilvusServerConfig(data_dir=folder, proxy_port=PORT))
    try:
        server.start()
        asyncio.run(relay(path))
    finally:
        server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
