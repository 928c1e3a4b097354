"""Mails as bytes: what is written faster says the same as the library's way."""

import binascii
import random

import pytest

from campaigns.channels import mime

PIECES = ("=", ".", " ", "\t", "\n", "\r\n", "a", "b=", "é", "\x7f", "<td>", "x" * 70, "y = z. " * 80)


@pytest.mark.parametrize("seed", range(40))
def test_quoted_printable_is_what_binascii_gives(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20):
        text = "".join(rng.choices(PIECES, k=rng.randint(1, 60))) + "\n"
        plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
        assert mime.quoted_printable(text) == binascii.b2a_qp(plain.encode(), istext=True)


@pytest.mark.parametrize("length", range(440, 600))
def test_a_long_line_is_cut_as_binascii_cuts_it(length: int) -> None:
    for line in ("=" * length, "." * length, "a=" * (length // 2) + ".", "ab=" * (length // 3) + "."):
        assert mime.quoted_printable(f"{line}\n") == binascii.b2a_qp(f"{line}\r\n".encode(), istext=True)
