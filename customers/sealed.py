"""Secrets that are kept to be used: sealed by a key made of SECRET_KEY, so that a copy of the database tells none."""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


class NotOpened(ValueError):
    """What was sealed with another SECRET_KEY or for another purpose, or was changed since."""


def seal(text: str, purpose: str) -> str:
    """Give a text sealed for one purpose."""
    return _key(purpose).encrypt(text.encode()).decode()


def opened(sealed: str, purpose: str) -> str:
    """Give the text that was sealed for this purpose. Raises NotOpened."""
    try:
        return _key(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise NotOpened("It was sealed with another SECRET_KEY.") from None


def _key(purpose: str) -> Fernet:
    made = hmac.digest(settings.SECRET_KEY.encode(), f"cusp sealed {purpose}".encode(), hashlib.sha256)
    return Fernet(base64.urlsafe_b64encode(made))
