"""Mail through Django's e-mail backends: what is written, and what the server's answer means."""

import contextlib
import re
import smtplib
from collections.abc import Callable
from email.utils import parseaddr
from typing import Any, Self

from django.conf import settings
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from django.utils.formats import date_format

from campaigns import render, tracking, unsubscribe
from campaigns.channels import Receipt, Result
from campaigns.gate import Passed
from campaigns.models import OfferCode
from campaigns.steps import CallStep

ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")


class Mailer:
    """The mail server during one run: one connection, asked for a sign of life before each mail."""

    def __init__(self) -> None:
        self._connection: Any = mail.get_connection()
        self._trouble = ""  # once the server cannot be reached, the rest of the run waits too
        self._is_data_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def send(self, passed: Passed) -> Receipt:
        """Hand one mail to the server and give its answer. Called outside any transaction."""
        try:
            message = compose(passed)
        except ValueError as error:
            return Receipt(Result.REFUSED, f"The mail cannot be written: {error}.")
        if not self._trouble:
            self._open()
        if self._trouble:
            return Receipt(Result.LATER, self._trouble)
        return self._send(message)

    def _open(self) -> None:
        smtp = getattr(self._connection, "connection", None)
        if isinstance(smtp, smtplib.SMTP) and not _is_alive(smtp):
            self._close()
        try:
            is_new = self._connection.open()
        except OSError as error:  # of which every SMTPException is one
            self._close()
            where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
            self._trouble = f"The mail server {where} cannot be used: {_words(error)}."
            return
        smtp = getattr(self._connection, "connection", None)
        if is_new and isinstance(smtp, smtplib.SMTP):
            smtp.data = self._watched(smtp.data)  # type: ignore[assignment, method-assign]

    def _watched(self, data: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Note that DATA began: a connection lost before it certainly sent nothing."""

        def watched(message: Any) -> Any:
            self._is_data_begun = True
            return data(message)

        return watched

    def _send(self, message: EmailMultiAlternatives) -> Receipt:
        is_smtp = isinstance(getattr(self._connection, "connection", None), smtplib.SMTP)
        self._is_data_begun = not is_smtp
        try:
            self._connection.send_messages([message])
        except OSError as error:
            return self._refused(error)
        except ValueError as error:
            return Receipt(Result.REFUSED, f"The mail cannot be written: {error}.")
        return Receipt(Result.ACCEPTED, "Accepted by the mail server.")

    def _refused(self, error: OSError) -> Receipt:
        """Give what an error means: an answer of the server, or a connection that broke before or after DATA."""
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            return _answered(*next(iter(error.recipients.values())))
        if isinstance(error, smtplib.SMTPResponseException):
            return _answered(error.smtp_code, error.smtp_error)
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return Receipt(Result.REFUSED, f"The mail server cannot take this mail: {_words(error)}.")
        self._close()
        if self._is_data_begun:
            return Receipt(
                Result.UNCERTAIN, f"The connection was lost after the mail was handed over: {_words(error)}."
            )
        return Receipt(Result.LATER, f"The connection was lost before the mail was handed over: {_words(error)}.")

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.close()


def compose(passed: Passed) -> EmailMultiAlternatives:
    """Give the mail of a delivery, with its way to unsubscribe; raise ValueError for what no mail may hold."""
    step, programme, customer = passed.step, passed.programme, passed.customer
    if isinstance(step, CallStep):
        raise ValueError("a call is not a mail")
    link = unsubscribe.link(customer, passed.campaign.topic, passed.delivery)
    content = tracking.dress(
        render.mail(step.subject, step.body, values(passed, link)), passed.delivery, _private(passed)
    )
    message = EmailMultiAlternatives(
        subject=content.subject,
        body=content.text,
        from_email=programme.sender,
        to=[customer.email or ""],
        reply_to=[programme.sender],
        headers={
            "Message-ID": message_id(passed.delivery.public_id, programme.sender),
            "List-Unsubscribe": f"<{link}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Feedback-ID": f"{passed.campaign.key}:{passed.campaign.topic}:cusp",
        },
    )
    message.attach_alternative(content.html, "text/html")
    return message


def _private(passed: Passed) -> list[str]:
    """Give what names this customer, and her alone."""
    customer = passed.customer
    named = (customer.email, customer.phone, customer.external_id, customer.public_id)
    return [text for text in (*named, passed.code.code if passed.code else "") if text]


def message_id(public_id: str, sender: str) -> str:
    """Give the Message-ID of a delivery, by which feedback finds it again."""
    host = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    return f"<{public_id}@{host}>"


def values(passed: Passed, link: str) -> dict[str, object]:
    """Give the plain values that a mail's template may use."""
    programme = passed.programme
    shared = {"company": programme.company, "postal_address": programme.postal_address, "unsubscribe_url": link}
    return {"customer": passed.facts(), **shared, **({"offer": _offer(passed.code)} if passed.code else {})}


def _offer(code: OfferCode) -> dict[str, object]:
    offer = code.offer
    until = timezone.localtime(code.valid_until)
    return {
        "code": code.code,
        "name": offer.name,
        "value": f"{offer.value:g} %" if offer.is_percent else f"{offer.value:g}",
        "valid_until": date_format(until, "j F Y"),
        "terms": offer.terms,
    }


def _answered(code: int, answer: bytes | str) -> Receipt:
    """Give the meaning of an SMTP answer: 2xx taken, 4xx later, 5xx never, anything else unknown."""
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    said = f"{code} {' '.join(text.split())}".strip()
    match code // 100:
        case 2:
            return Receipt(Result.ACCEPTED, f"The mail server said: {said}")
        case 4:
            return Receipt(Result.LATER, f"The mail server cannot take it now: {said}")
        case 5:
            return Receipt(Result.REFUSED, f"The mail server refused it: {said}", _is_address_dead(code, text))
    return Receipt(Result.UNCERTAIN, f"The mail server's answer makes no sense: {said}")


def _is_address_dead(code: int, text: str) -> bool:
    """Tell whether the refusal is about the address: by its enhanced status (RFC 3463, 5.1.x), else by code 550."""
    status = ENHANCED.search(text)
    return status[2] == "1" if status else code == 550


def _is_alive(smtp: smtplib.SMTP) -> bool:
    try:
        return smtp.noop()[0] == 250
    except OSError:
        return False


def _words(error: OSError) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        answer = error.smtp_error
        return f"{error.smtp_code} {answer.decode(errors='replace') if isinstance(answer, bytes) else answer}"
    return (error.strerror or str(error) or type(error).__name__).strip().rstrip(".")
