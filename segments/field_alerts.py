"""What somebody should mend: fields that live models or segments use, and whose values have changed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import urlencode

from django.db.models import Max
from django.urls import reverse

from customers import alerts, quality_days, quality_words
from customers.alerts import Cause
from customers.models import Alert, FieldQuality
from segments import field_uses

PREFIX = "quality."
LATELY = timedelta(days=7)  # so long a file is told of, unless a later one has the field
NAMED = 3
PAGE = "admin:customers_fieldquality_changelist"


def watch(at: datetime) -> None:
    """Count what is due, and bring the inbox up to date. Safe to do twice."""
    quality_days.count(at)
    causes = list(found(at))
    for cause in causes:
        alerts.raise_(cause, at)
    alerts.settle_others(PREFIX, [cause.key for cause in causes], at)


def found(at: datetime) -> Iterator[Cause]:
    """Give the fields in use whose values have changed, as counted last or as the last file brought them."""
    rows = [*quality_days.newest(), *_of_files(at)]
    alarming = {row.field: row for row in rows if quality_words.is_alarming(row.figures, row.drift or None)}
    uses = field_uses.by_field() if alarming else {}
    for name, row in alarming.items():
        users = field_uses.of(name, uses).names
        if users:
            key = f"{PREFIX}{sha256(name.encode()).hexdigest()[:32]}"
            yield Cause(key, Alert.Kind.QUALITY, _said(row, users), page(name))


def page(name: str) -> str:
    """Give the address of the page of a field."""
    return f"{reverse(PAGE)}?{urlencode({'field': name})}"


def _of_files(at: datetime) -> list[FieldQuality]:
    brought = FieldQuality.objects.filter(as_of__gt=at - LATELY, as_of__lte=at).exclude(of_import=None)
    last = brought.order_by().values("field").annotate(one=Max("pk")).values_list("one", flat=True)
    return list(FieldQuality.objects.filter(pk__in=list(last)).select_related("of_import"))


def _said(row: FieldQuality, users: list[str]) -> str:
    told = quality_words.troubles(row.kind, row.figures, row.drift)
    what = " ".join(one.sentence for one in told if one.level == quality_words.BAD)
    where = f" in {row.of_import.file_name[:80]}" if row.of_import else ""
    more = f" and {len(users) - NAMED} more" if len(users) > NAMED else ""
    return f"“{row.label}”{where}: {what} Used by {', '.join(users[:NAMED])}{more}."
