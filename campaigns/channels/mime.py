"""A mail as bytes (RFC 5322, 2045, 2047): what Django's message says, without a tree of parts in between."""

import binascii
import re
import secrets
from email.header import Header
from email.utils import formatdate, parseaddr
from functools import lru_cache

from django.core.mail import BadHeaderError, EmailMultiAlternatives
from django.core.mail.message import sanitize_address

EOL = "\r\n"
PLAIN = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
LONG = 400  # characters, from which on a line is cut here; no two mails share such lines
EQUALS = ord("=")
LINE = 76  # characters, after which a header is folded where it can be


def raw(message: EmailMultiAlternatives) -> bytes:
    """Give the mail for the wire; raise ValueError where a header would hold more than one line."""
    (html, _), *_ = message.alternatives
    boundary = f"=_{secrets.token_hex(12)}"
    headers = {
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{boundary}"',
        "Subject": _text("Subject", str(message.subject)),
        "From": address(message.from_email),
        "To": ", ".join(address(one) for one in message.to),
        "Reply-To": ", ".join(address(one) for one in message.reply_to),
        "Date": formatdate(),
        **{name: _text(name, str(value)) for name, value in message.extra_headers.items()},
    }
    head = "".join(f"{name}: {_one_line(name, value)}{EOL}" for name, value in headers.items())
    parts = [_part("plain", str(message.body)), _part("html", str(html))]
    opened = f"--{boundary}{EOL}".encode()
    body = b"".join(opened + part + EOL.encode() for part in parts)
    return head.encode("ascii") + EOL.encode() + body + f"--{boundary}--{EOL}".encode()


@lru_cache(maxsize=1024)
def address(text: str) -> str:
    """Give an address as a header has it: names in other alphabets encoded, domains too."""
    if PLAIN.fullmatch(text):
        return text
    return str(sanitize_address(_one_line("address", text), "utf-8"))


@lru_cache(maxsize=1024)
def bare(text: str) -> str:
    """Give an address as SMTP has it, without the name."""
    if PLAIN.fullmatch(text):
        return text
    return parseaddr(address(text))[1]


def _text(name: str, text: str) -> str:
    if text.isascii() and len(name) + len(text) + 2 <= LINE:
        return text
    if text.isascii() and " " not in text:
        return text  # nowhere to fold
    return Header(_one_line(name, text), None if text.isascii() else "utf-8", LINE, name).encode(linesep=EOL)


def _one_line(name: str, text: str) -> str:
    if any(line and not line.startswith((" ", "\t")) for line in text.split("\n")[1:]) or text.endswith(("\n", "\r")):
        raise BadHeaderError(f"{name} would hold more than one line: {text!r}")
    return text


def _part(kind: str, text: str) -> bytes:
    head = f'Content-Type: text/{kind}; charset="utf-8"{EOL}Content-Transfer-Encoding: quoted-printable{EOL}{EOL}'
    return head.encode() + quoted_printable(text)


def quoted_printable(text: str) -> bytes:
    """Give a text as binascii.b2a_qp does, line by line: most lines of a mail are those of the mail before."""
    lines = text.replace(EOL, "\n").replace("\r", "\n") if "\r" in text else text
    return EOL.encode().join([_long(one) if len(one) > LONG else _short(one) for one in lines.split("\n")])


@lru_cache(maxsize=4096)
def _short(line: str) -> bytes:
    end = EOL.encode()  # what stands before an end of line is encoded otherwise than before none
    return binascii.b2a_qp(line.encode() + end, istext=True).removesuffix(end)


def _long(line: str) -> bytes:
    """Give a line in which nothing but "=" is encoded, cut before it grows too long, as b2a_qp cuts it."""
    if not (line.isascii() and line.isprintable()) or line.endswith(" "):
        return _short.__wrapped__(line)
    encoded = line.replace("=", "=3D").encode()
    cut, at = [], 0
    while len(encoded) - at >= LINE:
        end = at + LINE - 1
        if encoded[end - 1] == EQUALS:
            end -= 1
        elif encoded[end - 2] == EQUALS:
            end -= 2
        cut.append(encoded[at:end])
        at = end
    return b"=\r\n".join([*cut, encoded[at:]])
