"""Mail through Django's e-mail backends: what is written, and what the server's answer means."""

import contextlib
import re
import smtplib
from collections.abc import Callable, Generator, Iterator, Sequence
from email.utils import parseaddr
from functools import lru_cache
from typing import Any, Self

from django.conf import settings
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone, translation
from django.utils.formats import date_format

from campaigns import brand, preferences, products, rating, tracking, unsubscribe
from campaigns.channels import Receipt, Result, relays, smtp
from campaigns.gate import Passed
from campaigns.models import Delivery, OfferCode
from campaigns.steps import EmailStep

ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
DJANGO_SMTP = "django.core.mail.backends.smtp.EmailBackend"
OURS = "campaigns.channels.smtp.Backend"
MOST_STRIKES = 3  # connections in a row that broke, after which the server is left alone
CHANCES = 2  # of a mail: its connection may have been closed while nothing was sent
ACCEPTED = Receipt(Result.ACCEPTED, "Accepted by the mail server.")


class Mailer:
    """The mail server during one run: one connection, and once it is in trouble, no more of this run."""

    def __init__(self) -> None:
        is_smtp = settings.EMAIL_BACKEND == DJANGO_SMTP
        self._backend: Any = mail.get_connection(OURS if is_smtp else settings.EMAIL_BACKEND)
        self._trouble = ""
        self._strikes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._backend.close()

    def open(self) -> str:
        """Give why nothing can be handed over now, or nothing."""
        if not self._trouble:
            try:
                self._backend.open()
            except OSError as error:  # of which every SMTPException is one
                self._drop()
                where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
                self._trouble = f"The mail server {where} cannot be used: {_words(error)}."
        return self._trouble

    def trouble(self) -> str:
        """Give why this run hands nothing more over, or nothing."""
        return self._trouble

    def send(self, passed: Passed) -> Receipt | None:
        """Hand one mail over and give the answer; none when it was certainly not handed over. In no transaction."""
        return self._alone(passed, CHANCES)

    def send_all(self, messages: Sequence[Passed], is_over: Callable[[], bool]) -> Iterator[Receipt]:
        """Hand mails over in turn and give the answers; what has none in the end was certainly not handed over.

        To a server that takes groups of commands a mail's content goes together with the envelope of the next, and the
        one after that is written meanwhile. Content is sent of one mail at a time: no more are in doubt.
        """
        row = _Row(messages, is_over)
        while row.goes_on() and not self.open():
            client = getattr(self._backend, "connection", None)
            is_ours = isinstance(client, smtp.Impatient | smtp.ImpatientSSL)
            chances = (yield from self._in_groups(client, row)) if is_ours else CHANCES
            if not chances:
                continue
            now = row.messages[row.done]
            receipt = self.send(now) if chances == CHANCES else self._alone(now, chances)
            if receipt is None:
                return
            row.done += 1
            yield receipt

    def _in_groups(self, client: Any, row: "_Row") -> Generator[Receipt, None, int]:
        """Hand mails over until one is refused, lost, or cannot be written.

        Give how many chances the next one has by itself; none: it goes on with it as before.
        """
        try:
            if not client.takes_groups() or (now := row.wire(0)) is None:
                return CHANCES
            client.begin_mail()
            client.offer(now)
            following = row.wire(1)
            while now is not None:
                client.offered(now)
                if row.is_over():
                    self._drop()  # the server waits for a content
                    return 0
                client.put(now, following)
                coming = row.wire(2) if following else None
                receipt = self._accepted(client)
                row.done += 1
                yield receipt
                if self._backend.connection is not client:
                    return 0
                client.begin_mail()
                now, following = following, coming
        except OSError as error:  # of which every SMTPException is one
            answer = self._broken(error, client)
            if isinstance(answer, str):
                return CHANCES - 1
            row.done += 1
            yield answer
        return 0

    def _accepted(self, client: Any) -> Receipt:
        try:
            client.accepted()
        except smtplib.SMTPDataError as error:
            return self._answered(error.smtp_code, error.smtp_error, is_begun=True)
        self._strikes = 0
        return ACCEPTED

    def _alone(self, passed: Passed, chances: int) -> Receipt | None:
        try:
            message = compose(passed)
        except ValueError as error:
            return Receipt(Result.REFUSED, f"The mail cannot be written: {error}.")
        for _ in range(chances):
            if self.open():
                return None
            answer = self._hand_over(message)
            if isinstance(answer, Receipt):
                return answer
            if self._trouble:
                return None
        return Receipt(Result.LATER, f"The connection was lost before the mail was handed over: {answer}.")

    def _hand_over(self, message: EmailMultiAlternatives) -> Receipt | str:
        """Give the answer, or how the connection was lost before the content was begun."""
        client = getattr(self._backend, "connection", None)
        if isinstance(client, smtp.Impatient | smtp.ImpatientSSL):
            client.begin_mail()
        try:
            self._backend.send_messages([message])
        except OSError as error:
            return self._broken(error, client)
        except ValueError as error:
            return Receipt(Result.REFUSED, f"The mail cannot be written: {error}.")
        self._strikes = 0
        return ACCEPTED

    def _broken(self, error: OSError, client: Any) -> Receipt | str:
        """Give what an error means: an answer of the server, or a connection that broke."""
        is_begun = getattr(client, "is_content_begun", True)
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            return self._answered(*next(iter(error.recipients.values())), is_begun=is_begun)
        if isinstance(error, smtplib.SMTPResponseException):
            return self._answered(error.smtp_code, error.smtp_error, is_begun=is_begun)
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return Receipt(Result.REFUSED, f"The mail server cannot take this mail: {_words(error)}.")
        self._strike(is_hanging=isinstance(error, TimeoutError) or getattr(client, "is_hanging", False))
        if is_begun:
            said = f"The connection was lost after the mail was handed over: {_words(error)}."
            return Receipt(Result.UNCERTAIN, said)
        return _words(error)

    def _answered(self, code: int, answer: bytes | str, *, is_begun: bool) -> Receipt:
        receipt = _receipt(code, answer, is_begun=is_begun)
        if code == smtp.CLOSING:
            self._trouble = receipt.answer
        if code == smtp.CLOSING or code // 100 not in (2, 4, 5):
            self._strike(is_hanging=False)
        else:
            self._strikes = 0
        return receipt

    def _strike(self, *, is_hanging: bool) -> None:
        self._drop()
        self._strikes += 1
        where = f"The mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        if is_hanging:
            self._trouble = f"{where} does not answer within {settings.EMAIL_TIMEOUT:g} seconds."
        elif self._strikes >= MOST_STRIKES:
            self._trouble = f"{where} broke {self._strikes} connections in a row."

    def _drop(self) -> None:
        with contextlib.suppress(OSError):
            self._backend.drop() if isinstance(self._backend, smtp.Backend) else self._backend.close()


class _Row:
    """Mails that are handed over in turn: how many have their answer, and the next as they go over the wire."""

    def __init__(self, messages: Sequence[Passed], is_over: Callable[[], bool]) -> None:
        self.messages = messages
        self.done = 0
        self._is_over = is_over
        self._wires: dict[int, smtp.Wire | None] = {}

    def goes_on(self) -> bool:
        """Say whether there is another one, and it may begin."""
        return self.done < len(self.messages) and not self.is_over()

    def is_over(self) -> bool:
        """Say whether the rest goes back; the first never does."""
        return self.done > 0 and self._is_over()

    def wire(self, ahead: int) -> smtp.Wire | None:
        """Give one that is so far ahead; none where there is none, where it may not begin or cannot be written."""
        number = self.done + ahead
        if number >= len(self.messages) or (ahead and self.is_over()):
            return None
        if number not in self._wires:
            try:
                self._wires[number] = smtp.wire(compose(self.messages[number]))
            except ValueError:
                self._wires[number] = None
        return self._wires[number]


def compose(passed: Passed) -> EmailMultiAlternatives:
    """Give the mail of a delivery, with its way to unsubscribe; raise ValueError for what no mail may hold."""
    step, programme, customer = passed.step, passed.programme, passed.customer
    if not isinstance(step, EmailStep):
        raise ValueError(f"{step.action.label} is not a mail")
    link = unsubscribe.link(customer, passed.campaign.topic, passed.delivery)
    written = step.mail(values(passed, link), customer.language or "", brand.of(programme))
    content = tracking.dress(written, passed.delivery, _private(passed))
    message = EmailMultiAlternatives(
        subject=content.subject,
        body=content.text,
        from_email=programme.sender,
        to=[customer.email or ""],
        reply_to=[programme.reply_to or programme.sender],
        headers={
            "Message-ID": message_id(passed.delivery.public_id, programme.sender),
            "List-Unsubscribe": f"<{link}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Feedback-ID": feedback_id(passed.delivery),
            **relays.headers(settings.EMAIL_HOST or "", passed.delivery.public_id),
        },
    )
    message.attach_alternative(content.html, "text/html")
    return message


def feedback_id(delivery: Delivery) -> str:
    """Give what Gmail's postmaster tools count complaints by: three names of ours, and the sender's."""
    campaign = delivery.decision.campaign
    return f"{campaign.key}:{campaign.topic}:{delivery.action}:cuspmail"


def _private(passed: Passed) -> list[str]:
    """Give what names this customer, and her alone."""
    customer = passed.customer
    named = (customer.email, customer.phone, customer.external_id, customer.public_id)
    return [text for text in (*named, passed.code.code if passed.code else "") if text]


def message_id(public_id: str, sender: str) -> str:
    """Give the Message-ID of a delivery, by which feedback finds it again."""
    return f"<{public_id}@{_host(sender)}>"


@lru_cache(maxsize=16)
def _host(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


def values(passed: Passed, link: str) -> dict[str, object]:
    """Give the plain values that a mail's template may use."""
    programme = passed.programme
    shared = {
        "company": programme.company,
        "postal_address": programme.postal_address,
        "unsubscribe_url": link,
        "preferences_url": preferences.link(passed.customer, passed.delivery),
        "rating_url": rating.link(passed.delivery),
    }
    told: dict[str, object] = {"customer": passed.facts(), **shared}
    if isinstance(passed.step, EmailStep):
        content = passed.step.whole
        began_at = passed.delivery.began_at or passed.delivery.due_at
        told |= products.of(content, passed.customer.pk, began_at)
        if passed.code:
            told["offer"] = offer_values(passed.code, content.letter(passed.customer.language or "").language)
    return told


def offer_values(code: OfferCode, language: str) -> dict[str, object]:
    """Give what a text may say of a customer's code, in her language."""
    offer = code.offer
    with translation.override(language):
        until = date_format(timezone.localtime(code.valid_until), "DATE_FORMAT")
    return {
        "code": code.code,
        "name": offer.name,
        "value": f"{offer.value:g} %" if offer.is_percent else f"{offer.value:g}",
        "valid_until": until,
        "terms": offer.terms,
    }


def _receipt(code: int, answer: bytes | str, *, is_begun: bool) -> Receipt:
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
    return Receipt(Result.UNCERTAIN if is_begun else Result.LATER, f"The mail server's answer makes no sense: {said}")


def _is_address_dead(code: int, text: str) -> bool:
    """Tell whether the refusal is about the address: by its enhanced status (RFC 3463, 5.1.x), else by code 550."""
    status = ENHANCED.search(text)
    return status[2] == "1" if status else code == 550


def _words(error: OSError) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        answer = error.smtp_error
        return f"{error.smtp_code} {answer.decode(errors='replace') if isinstance(answer, bytes) else answer}"
    return (error.strerror or str(error) or type(error).__name__).strip().rstrip(".")
