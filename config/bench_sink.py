"""A mail server for the bench, in a process of its own: it takes every mail, and notes for whom and when.

`python -m config.bench_sink FILE` prints its port once it listens.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import IO, cast

OK = b"250 OK\r\n"
ANSWERS = {  # RFC 5321; whatever else is said is fine
    b"EHLO": b"250-bench\r\n250 PIPELINING\r\n",
    b"DATA": b"354 Go on\r\n",
    b"QUIT": b"221 Bye\r\n",
}
END = b"\r\n.\r\n"


class Conversation(asyncio.Protocol):
    """One client's: what came is read line by line, but for mails, and answered at once (RFC 2920)."""

    def __init__(self, notes: IO[str]) -> None:
        self._notes = notes
        self._rest = b""
        self._recipient = ""
        self._is_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 bench\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer all that is there."""
        self._rest += data
        answers = []
        end = END if self._is_mail else END[:2]
        while end in self._rest:
            line, _, self._rest = self._rest.partition(end)
            answers.append(self._answer(line))
            end = END if self._is_mail else END[:2]
        self._transport.write(b"".join(answers))
        if answers and answers[-1] == ANSWERS[b"QUIT"]:
            self._transport.close()

    def _answer(self, line: bytes) -> bytes:
        if self._is_mail:
            self._is_mail = False
            self._notes.write(f"{self._recipient} {time.time():.6f}\n")
            return OK
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipient = line.decode().partition("<")[2].partition(">")[0]
        self._is_mail = verb == b"DATA"
        return ANSWERS.get(verb, OK)


async def serve(accepted: Path) -> None:
    """Take mails until the process is ended; a line of the file is a recipient and the second of the acceptance."""
    with accepted.open("w", buffering=1) as notes:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Conversation(notes), "127.0.0.1", 0)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
