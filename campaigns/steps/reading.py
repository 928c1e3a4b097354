"""How a step is read: its fields one by one, and what is wrong with the place. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from campaigns import render

LINE_LENGTH = 200
TEXT_LENGTH = 100_000


class StepError(ValueError):
    """A step that cannot be used: `path` says where, `message` why."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True)
class Known:
    """What exists and may be named in a step; None: anything does. `types` are those of attributes, by name."""

    offers: frozenset[str]
    attributes: frozenset[str]
    assets: frozenset[str] | None = None
    products: frozenset[str] | None = None
    webhooks: frozenset[str] | None = None
    lists: frozenset[str] | None = None
    types: Mapping[str, str] | None = None


def only(path: str, data: Mapping[str, object], *names: str) -> None:
    """Raise StepError for a field that is none of these."""
    for name in data:
        if name not in ("action", *names):
            raise StepError(f"{path}.{name}", f"is not known here; expects {', '.join(names) or 'nothing more'}")


def text(path: str, data: Mapping[str, object], name: str) -> str:
    """Give a field that must be a text that says something."""
    value = data.get(name)
    if not isinstance(value, str) or not value.strip():
        raise StepError(f"{path}.{name}", "is missing" if value in (None, "") else "expects a text")
    return value


def choice(path: str, data: Mapping[str, object], name: str, choices: tuple[str, ...]) -> str:
    """Give a field that is one of some words."""
    value = data.get(name)
    if not isinstance(value, str) or value not in choices:
        said = "is missing" if value in (None, "") else f"expects one of {', '.join(choices)}, got {value!r}"
        raise StepError(f"{path}.{name}", said)
    return value


def existing(path: str, what: str, key: str, there_are: Collection[str] | None) -> str:
    """Give the key back if there is such a thing."""
    if there_are is not None and key not in there_are:
        raise StepError(path, f"there is no {what} '{key}'")
    return key


def check_line(path: str, value: str, limit: int = LINE_LENGTH) -> None:
    """Raise StepError for more than one line, or a longer one."""
    if "\r" in value or "\n" in value:
        raise StepError(path, "must be one line")
    check_length(path, value, limit)


def check_length(path: str, value: str, limit: int) -> None:
    """Raise StepError for a text that is longer."""
    if len(value) > limit:
        raise StepError(path, f"is longer than {limit:,} characters")


def check_liquid(path: str, value: str, names: Collection[str], known: Known | None) -> frozenset[str]:
    """Give the names that a text uses; raise StepError for one that there is not, or what cannot be read."""
    try:
        return render.check(value, names, known.attributes if known else None)
    except render.TemplateRefused as error:
        raise StepError(path, str(error)) from error
