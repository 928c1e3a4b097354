"""A mail server for the bench, in a process of its own: it takes every mail, and notes for whom and when.

`python -m config.bench_sink FILE` prints its port once it listens.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import IO

OK = b"250 OK\r\n"
ANSWERS = {b"DATA": b"354 Go on\r\n", b"QUIT": b"221 Bye\r\n"}  # RFC 5321; whatever else is said is fine


async def serve(accepted: Path) -> None:
    """Take mails until the process is ended; a line of the file is a recipient and the second of the acceptance."""
    with accepted.open("w", buffering=1) as notes:
        server = await asyncio.start_server(lambda reader, writer: _talk(reader, writer, notes), "127.0.0.1", 0)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        async with server:
            await server.serve_forever()


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, notes: IO[str]) -> None:
    writer.write(b"220 bench\r\n")
    recipient = ""
    while line := await reader.readline():
        verb = line[:4].upper().strip()
        if verb == b"RCPT":
            recipient = line.decode().partition("<")[2].partition(">")[0]
        writer.write(ANSWERS.get(verb, OK))
        await writer.drain()
        if verb == b"DATA":
            await reader.readuntil(b"\r\n.\r\n")
            notes.write(f"{recipient} {time.time():.6f}\n")
            writer.write(OK)
        if verb == b"QUIT":
            break
    writer.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
