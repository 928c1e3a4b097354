"""What pages below the admin are made of: panels with facts, tables and drawings, and how values are written there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

LAST = 20
MINUTE = "j M Y, H:i"
Cell = str | SafeString


@dataclass(frozen=True)
class Panel:
    """A block of a page: facts, a table, a drawing, or a sentence that says there is nothing and what to do.

    The table of a block that `is_folded` is opened by a press: the drawing above it says the same.
    """

    title: str
    note: Cell = ""
    facts: Sequence[tuple[str, Cell]] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    drawing: SafeString | None = None
    empty: str = ""
    is_half: bool = False
    is_folded: bool = False
    warning: str = ""


def number(value: float | None, digits: int = 0) -> str:
    """Give a number as people write it, or a dash."""
    return "–" if value is None else f"{value:,.{digits}f}"


def share(value: float | None, digits: int = 1) -> str:
    """Give a share of 1 in percent, or a dash."""
    return "–" if value is None else f"{value:.{digits}%}".replace("%", "\u00a0%")


def when(at: datetime | None) -> str:
    """Give a time with its zone for a sentence, or a dash."""
    return f"{date_format(timezone.localtime(at), MINUTE)} {zone(at)}" if at else "–"


def zone(at: datetime | None = None) -> str:
    """Give the name of the installation's zone, as of a time."""
    return timezone.localtime(at or timezone.now()).tzname() or ""


def moment(at: datetime | None) -> Cell:
    """Give a time in the installation's zone, which a pointer shows too, or a dash."""
    if at is None:
        return "–"
    local = timezone.localtime(at)
    text = '<time datetime="{}" title="{} {}">{}</time>'
    return format_html(
        text, local.isoformat(), date_format(local, "j F Y, H:i:s"), zone(at), date_format(local, MINUTE)
    )


def link(item: Model, text: Cell = "") -> SafeString:
    """Give a link to the admin page of a row."""
    url = reverse(f"admin:{item._meta.app_label}_{item._meta.model_name}_change", args=[item.pk])
    return format_html('<a class="cusp-link" href="{}">{}</a>', url, text or str(item))


def tag(text: str, kind: str = "") -> SafeString:
    """Give a word in a coloured box: kind is good, bad, wait or nothing."""
    return format_html('<span class="cusp-tag cusp-tag-{}">{}</span>', kind or "plain", text)


def plain(value: object) -> str:
    """Give any stored value as people write it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value, 3).rstrip("0").rstrip(".") if isinstance(value, float) else number(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{plain(n)} {_words(key)}" for key, n in _ordered(value) if n) or "none"
    return ", ".join(map(plain, value)) or "none" if isinstance(value, list | tuple) else str(value)


def _ordered(counts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Give counts with the largest first; what is not all counts stays in the order of its names."""
    if all(isinstance(n, int | float) for n in counts.values()):
        return sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return sorted(counts.items())


def facts_of(data: object) -> list[tuple[str, Cell]]:
    """Give a stored mapping as facts; what is empty is left out."""
    if not isinstance(data, Mapping):
        return []
    return [(_words(key).capitalize(), plain(value)) for key, value in data.items() if value not in (None, "", [], {})]


def _words(key: object) -> str:
    return str(key).replace("_", " ")


def lines(said: Sequence[Cell]) -> SafeString:
    """Give sentences as a list."""
    return format_html('<ul class="cusp-list">{}</ul>', format_html_join("", "<li>{}</li>", ((one,) for one in said)))


def column(name: str, label: str, write: Callable[[Any], Cell]) -> Callable[[Any], Cell]:
    """Give a sortable column of a list that writes a field of the row in its own way."""

    @admin.display(description=label, ordering=name)
    def shown(item: Any) -> Cell:
        return write(getattr(item, name))

    shown.__name__ = f"{name}_shown"
    return shown
