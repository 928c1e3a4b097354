"""How long an SMS is: in the letters of GSM 7 bit where it holds no others, else in UCS-2 (3GPP TS 23.038). Pure."""

from typing import NamedTuple

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")  # two places each
ONE_GSM, EACH_GSM = 160, 153  # a part of several gives seven places to its number
ONE_UCS, EACH_UCS = 70, 67
MOST = 10  # parts of one message


class Length(NamedTuple):
    """So many places of so many in so many parts; `odd` are the letters that make it UCS-2."""

    places: int
    parts: int
    room: int
    odd: str

    def sentence(self) -> str:
        """Give it in words."""
        parts = "one SMS" if self.parts == 1 else f"{self.parts} SMS, each paid for"
        said = f"{self.places} of {self.room} characters: {parts}."
        if not self.odd:
            return said
        return f"{said} {' '.join(self.odd)} {'needs' if len(self.odd) == 1 else 'need'} more room: a part holds fewer."


def of(text: str) -> Length:
    """Give the length of a text."""
    odd = "".join(dict.fromkeys(one for one in text if one not in BASIC and one not in EXTENDED))
    places = len(text.encode("utf-16-be")) // 2 if odd else sum(2 if one in EXTENDED else 1 for one in text)
    one, each = (ONE_UCS, EACH_UCS) if odd else (ONE_GSM, EACH_GSM)
    if places <= one:
        return Length(places, 1, one, odd[:5])
    parts = -(-places // each)
    return Length(places, parts, parts * each, odd[:5])


def whole(text: str, opt_out: str) -> str:
    """Give the text with the line that says how to leave."""
    return f"{text}\n{opt_out}" if opt_out else text
