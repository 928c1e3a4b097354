"""Short messages, by SMS and to a customer's devices, parsed: in their own language and in others."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from campaigns import render
from campaigns.models import Delivery, Way
from campaigns.render import Values
from campaigns.steps import reading
from campaigns.steps.reading import Known, StepError

SMS_LENGTH = 1_530  # ten parts of 153 letters
PUSH_LENGTH, URL_LENGTH = 1_000, 1_000
LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
URL = re.compile(r"(?!javascript|vbscript|data|file)[a-z][a-z0-9+.-]*://\S+")
Texts = Mapping[str, str]


@dataclass(frozen=True)
class _Message:
    """What is said, by language; the first language is the message's own. With `offer`, a code of her own is in it."""

    said: Mapping[str, Texts]
    offer: str = ""
    names: ClassVar[frozenset[str]] = render.CUSTOMER_NAMES | {"company"}

    def __hash__(self) -> int:
        return hash((type(self), self.offer, tuple(self.texts())))

    @property
    def language(self) -> str:
        """Give the message's own language."""
        return next(iter(self.said))

    def in_language(self, language: str) -> Texts:
        """Give it for who speaks a language: exactly that, else its root (de for de-AT), else its own."""
        own = self.said[self.language]
        wanted = language.strip().lower().replace("_", "-")
        while wanted:
            if wanted in self.said:
                return {**own, **self.said[wanted]}
            wanted = wanted.rpartition("-")[0]
        return own

    def texts(self) -> Iterator[tuple[str, str]]:
        """Give every text with its place in the step."""
        for language, said in self.said.items():
            place = "" if language == self.language else f"languages.{language}."
            yield from ((f"{place}{name}", text) for name, text in said.items())


@dataclass(frozen=True)
class SmsStep(_Message):
    """A text to her phone."""

    __hash__ = _Message.__hash__
    action: ClassVar[Delivery.Action] = Delivery.Action.SMS
    channel: ClassVar[Way] = Way.SMS
    parts: ClassVar[tuple[str, ...]] = ("text",)

    def text(self, values: Values, language: str) -> str:
        """Give what one customer reads; raise TemplateRefused."""
        return render.text(self.in_language(language)["text"], values)


@dataclass(frozen=True)
class Note:
    """A message to a device as one customer gets it."""

    title: str
    text: str
    url: str


@dataclass(frozen=True)
class PushStep(_Message):
    """A message to her devices, which may lead somewhere."""

    url: str = ""
    __hash__ = _Message.__hash__
    action: ClassVar[Delivery.Action] = Delivery.Action.PUSH
    channel: ClassVar[Way] = Way.PUSH
    parts: ClassVar[tuple[str, ...]] = ("title", "text")

    def note(self, values: Values, language: str) -> Note:
        """Give what one customer reads; raise TemplateRefused."""
        said = self.in_language(language)
        url = render.line(self.url, values)
        if url and not URL.fullmatch(url):
            raise render.TemplateRefused(f"the address is '{url[:60]}', which leads nowhere")
        return Note(render.line(said["title"], values), render.text(said["text"], values), url)


LIMITS = {"title": reading.LINE_LENGTH, "text": PUSH_LENGTH}


def sms(path: str, data: dict[str, object], known: Known | None) -> SmsStep:
    """Read an SMS."""
    reading.only(path, data, "text", "offer", "language", "languages")
    return SmsStep(*_said(path, data, known, SmsStep.parts, {"text": SMS_LENGTH}))


def push(path: str, data: dict[str, object], known: Known | None) -> PushStep:
    """Read a message to devices."""
    reading.only(path, data, "title", "text", "url", "offer", "language", "languages")
    said, offer = _said(path, data, known, PushStep.parts, LIMITS)
    url = data.get("url", "")
    if not isinstance(url, str):
        raise StepError(f"{path}.url", "expects a text")
    if url and not url.startswith("{{") and not URL.fullmatch(re.sub(r"{{.*?}}", "x", url)):
        raise StepError(f"{path}.url", "must begin with https://, or with what your app is opened by, such as shop://")
    reading.check_line(f"{path}.url", url, URL_LENGTH)
    reading.check_liquid(f"{path}.url", url, _names(offer), known)
    return PushStep(said, offer, url)


def _names(offer: str) -> frozenset[str]:
    return _Message.names | (render.OFFER_NAMES - render.MAIL_NAMES if offer else frozenset())


def _said(
    path: str, data: dict[str, object], known: Known | None, parts: tuple[str, ...], limits: Mapping[str, int]
) -> tuple[dict[str, Texts], str]:
    """Give what is said by language, the own language first, and the key of the offer."""
    offer = reading.text(path, data, "offer") if data.get("offer") else ""
    if offer:
        reading.existing(f"{path}.offer", "offer", offer, known.offers if known else None)
    language = _language(f"{path}.language", data.get("language", "en"))
    own = {name: reading.text(path, data, name) for name in parts}
    said: dict[str, Texts] = {language: own}
    others = data.get("languages", {})
    if not isinstance(others, dict):
        raise StepError(f"{path}.languages", f"expects an object, got {type(others).__name__}")
    for key, given in others.items():
        place = f"{path}.languages.{key}"
        if _language(place, key) == language:
            raise StepError(place, "is the language of the message itself")
        if not isinstance(given, dict):
            raise StepError(place, f"expects an object, got {type(given).__name__}")
        reading.only(place, given, *parts)
        said[key] = {name: reading.text(place, given, name) for name in given}
    for key, texts in said.items():
        place = path if key == language else f"{path}.languages.{key}"
        for name, text in texts.items():
            _check(f"{place}.{name}", name, text, limits[name])
            reading.check_liquid(f"{place}.{name}", text, _names(offer), known)
        _check_code(f"{place}.text", {**own, **texts}, offer)
    return said, offer


def _check(path: str, name: str, text: str, limit: int) -> None:
    if name == "title":
        reading.check_line(path, text, limit)
    reading.check_length(path, text, limit)


def _check_code(path: str, texts: Texts, offer: str) -> None:
    """A message with an offer shows the code."""
    if offer and not any("offer.code" in render.check(text, _names(offer)) for text in texts.values()):
        raise StepError(path, "must show {{ offer.code }}")


def _language(path: str, value: object) -> str:
    if not isinstance(value, str) or not LANGUAGE.fullmatch(value):
        raise StepError(path, f"expects a language in lower case, as de or de-at, got {value!r}")
    return value
