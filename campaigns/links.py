"""Signed links: what we gave out comes back unchanged, and a link of one purpose is worth nothing for another."""

import base64
import binascii
import hmac
from enum import StrEnum
from functools import lru_cache

from django.conf import settings
from django.core import signing
from django.utils.crypto import salted_hmac

BETWEEN, SEPARATOR = "\n", "."


class Purpose(StrEnum):
    """What a link is good for: each is signed with a key of its own. Their first letter is their path."""

    CLICK = "campaigns.click"
    OPEN = "campaigns.open"
    PREFERENCES = "campaigns.preferences"
    RATING = "campaigns.rating"


class LinkRefused(ValueError):
    """A link that was not made by us, or whose customer is gone."""


def token(purpose: Purpose, *parts: str) -> str:
    """Give the parts, signed for one purpose. It never expires."""
    plain = base64.urlsafe_b64encode(BETWEEN.join(parts).encode()).decode().rstrip("=")
    return signed(purpose, plain)


def signed(salt: str, plain: str) -> str:
    """Give a text with its signature, as Django's Signer gives it; what is derived from the key is kept."""
    mac = _mac(salt, settings.SECRET_KEY).copy()
    mac.update(plain.encode())
    return f"{plain}{SEPARATOR}{base64.urlsafe_b64encode(mac.digest()).decode().rstrip('=')}"


def read(purpose: Purpose, told: str, count: int) -> list[str]:
    """Give the `count` parts of a token; raise LinkRefused when it is forged, cut, or of another purpose."""
    try:
        plain = _signer(purpose, settings.SECRET_KEY).unsign(told)
        parts = base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4)).decode().split(BETWEEN)
    except (signing.BadSignature, binascii.Error, UnicodeError) as error:
        raise LinkRefused("The link is not one of ours.") from error
    if len(parts) != count:
        raise LinkRefused("The link is of another time.")
    return parts


@lru_cache(maxsize=16)
def _mac(salt: str, key: str) -> hmac.HMAC:
    """Give the HMAC that django.core.signing.Signer begins with for this salt."""
    return salted_hmac(f"{salt}signer", b"", key, algorithm="sha256")


@lru_cache(maxsize=16)
def _signer(purpose: Purpose, key: str) -> signing.Signer:
    return signing.Signer(key=key, salt=purpose, sep=SEPARATOR)
