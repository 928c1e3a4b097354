"""How long an SMS is, in the letters that phones take."""

import pytest

from campaigns import sms_parts


@pytest.mark.parametrize(
    ("text", "places", "parts"),
    [
        ("", 0, 1),
        ("a" * 160, 160, 1),
        ("a" * 161, 161, 2),
        ("a" * 307, 307, 3),
        ("€" * 80, 160, 1),
        ("€" * 81, 162, 2),
        ("Grüße à la carte, Øre", 21, 1),
        ("ł" * 70, 70, 1),
        ("ł" * 71, 71, 2),
        ("🙂" * 36, 72, 2),
    ],
)
def test_a_text_takes_so_many_parts(text: str, places: int, parts: int) -> None:
    assert sms_parts.of(text)[:2] == (places, parts)


def test_the_letters_that_make_it_longer_are_named() -> None:
    assert (
        sms_parts.of("Zażółć").sentence() == "6 of 70 characters: one SMS. ż ó ł ć need more room: a part holds fewer."
    )
    assert "3 SMS, each paid for" in sms_parts.of("a" * 307).sentence()
