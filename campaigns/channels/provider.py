"""Mail through a provider's API (django-anymail): what its answer means, and what it calls the message."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import requests
from anymail.exceptions import AnymailError, AnymailRecipientsRefused
from django.conf import settings
from django.core import mail

from campaigns.channels import Receipt, Result, in_turn
from campaigns.channels.email import compose
from campaigns.gate import Passed

BEFORE = (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.InvalidURL)
NO_KEY = (401, 402, 403)  # the account is at fault, not the message
WAIT = (408, 425, 429, 503)


class Provider:
    """A provider during one run; once it is in trouble, no more of this run."""

    def __init__(self) -> None:
        self._backend: Any = mail.get_connection(settings.EMAIL_BACKEND)
        self._trouble = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._backend.close()

    def open(self) -> str:
        """Give why nothing can be handed over now, or nothing."""
        if not self._trouble:
            self._backend.open()
        return self._trouble

    def trouble(self) -> str:
        """Give why this run hands nothing more over, or nothing."""
        return self._trouble

    def send_all(self, messages: Sequence[Passed], is_over: Callable[[], bool]) -> Iterator[Receipt]:
        """Hand messages over in turn and give the answers; what has none in the end was certainly not handed over."""
        return in_turn(self.send, messages, is_over)

    def send(self, passed: Passed) -> Receipt | None:
        """Hand one mail over and give the answer; none when it was certainly not taken and the provider is out."""
        try:
            message: Any = compose(passed)
        except ValueError as error:
            return Receipt(Result.REFUSED, f"The mail cannot be written: {error}.")
        message.metadata = {"delivery": passed.delivery.public_id}
        if self.open():
            return None
        try:
            self._backend.send_messages([message])
        except AnymailRecipientsRefused as error:
            return Receipt(Result.REFUSED, f"The provider refused the address: {_first(error)}", is_address_dead=True)
        except AnymailError as error:
            return self._failed(error)
        return _taken(message.anymail_status)

    def _failed(self, error: AnymailError) -> Receipt | None:
        cause, code = error.__cause__, error.status_code
        if code is None and isinstance(cause, requests.RequestException):
            self._trouble = f"The provider cannot be reached: {type(cause).__name__}."
            if isinstance(cause, BEFORE) or _is_unconnected(cause):
                return None
            return Receipt(Result.UNCERTAIN, f"The provider did not answer: {type(cause).__name__}.")
        if code in NO_KEY or code in WAIT:
            self._trouble = f"The provider takes nothing now: {_first(error)}"
            return None
        if code is None or 400 <= code < 500:
            return Receipt(Result.REFUSED, f"The provider refused it: {_first(error)}")
        self._trouble = f"The provider is in trouble: {_first(error)}"
        return Receipt(Result.UNCERTAIN, f"The provider's answer does not say what became of it: {_first(error)}")


def _taken(status: Any) -> Receipt:
    """Give the meaning of a provider's status for the one recipient."""
    said, message_id = set(status.status or ()), str(status.message_id or "")
    if said <= {"sent", "queued"} and said:
        return Receipt(Result.ACCEPTED, f"The provider said: {', '.join(sorted(said))}.", provider_id=message_id)
    if said <= {"invalid", "rejected"} and said:
        return Receipt(Result.REFUSED, "The provider rejected it.", "invalid" in said, message_id)
    if said == {"failed"}:
        return Receipt(Result.REFUSED, "The provider could not send it.", provider_id=message_id)
    return Receipt(Result.UNCERTAIN, "The provider did not say what became of it.", provider_id=message_id)


def _is_unconnected(cause: requests.RequestException) -> bool:
    """Tell whether no connection was made, so that certainly nothing was sent."""
    return isinstance(cause, requests.ConnectionError) and "NewConnectionError" in repr(cause.args)


def _first(error: AnymailError) -> str:
    """Give the first lines of what was said, on one line; keys are never in it."""
    return " ".join(str(error).split())[:200]
