"""What was told, and the bands that scores were in, reach memberships and previews from where they are kept."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from customers import attributes, history, snapshot
from customers.models import Attribute
from scoring.models import BandChange, Target
from segments import membership
from segments.preview import preview
from tests.segments.test_membership import AS_OF, members, people, segment

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)
LAST_30: dict[str, Any] = {"last": 30, "unit": "days"}


def told(frame: pl.DataFrame, name: str, *values: tuple[int, int, str]) -> None:
    """Tell values of customers, each by her number and some days ago."""
    rows = [(frame["customer_id"][who], name, f'"{value}"', AS_OF - ago * DAY) for who, ago, value in values]
    attributes.store(pl.DataFrame(rows, attributes.CHANGES, orient="row"))


def rescored(frame: pl.DataFrame, target: Target, *changes: tuple[int, int, str, str]) -> None:
    for who, ago, before, band in changes:
        BandChange.objects.create(
            customer_id=frame["customer_id"][who],
            target=target,
            band_before=before,
            band=band,
            as_of=AS_OF - ago * DAY,
        )


def a_target(key: str) -> Target:
    return Target.objects.create(key=key, label=key, kind="event", event="x", horizon_days=30, created_at=AS_OF)


def test_members_are_found_by_what_an_attribute_was() -> None:
    Attribute.objects.create(name="plan", type="text")
    segment("once-gold", {"field": "attributes.plan", "ever": "gold"})
    segment("never-gold", {"field": "attributes.plan", "never": "Gold"})
    segment("moved", {"field": "country", "changed": {"to": "AT", "within": LAST_30}})
    frame = people("DE", "AT", "AT", None)
    told(frame, "plan", (0, 90, "Gold"), (0, 10, "basic"), (1, 90, "basic"), (2, -1, "gold"))
    told(frame, "country", (1, 90, "DE"), (1, 10, "AT"), (2, 90, "AT"))
    history.sync()
    membership.refresh(frame, AS_OF)
    assert (members("once-gold"), members("never-gold"), members("moved")) == (["c-0"], ["c-1"], ["c-1"])


def test_members_are_found_by_the_bands_they_were_in() -> None:
    lapse, other = a_target("lapse"), a_target("other")
    band = "scores.lapse.band"
    segment("rose", {"field": band, "changed": {"from": "low", "to": "high", "within": LAST_30}})
    segment("was-low", {"field": band, "ever": "low"})
    segment("steady", {"field": band, "unchanged_for": {"n": 30, "unit": "days"}})
    frame = people("DE", "DE", "DE", "DE").with_columns(pl.Series(band, ["high", "high", "high", None]))
    rescored(frame, lapse, (0, 10, "low", "high"), (1, 40, "low", "high"))
    rescored(frame, other, (2, 10, "low", "high"))
    membership.refresh(frame, AS_OF)
    assert (members("rose"), members("was-low"), members("steady")) == (["c-0"], ["c-0", "c-1"], ["c-1", "c-2"])
    membership.refresh(frame.head(1), AS_OF + 31 * DAY)
    assert (members("rose"), members("steady")) == ([], ["c-0", "c-1", "c-2"])


def test_a_preview_knows_the_past_also_behind_other_segments() -> None:
    Attribute.objects.create(name="plan", type="text")
    segment("once-gold", {"field": "attributes.plan", "ever": "gold"})
    frame = people("DE", "AT", "AT", "AT")
    told(frame, "plan", (0, 90, "gold"), (1, 90, "basic"))
    history.sync()
    for bucket in range(4):
        snapshot.store(frame.with_columns(bucket=pl.int_range(4)).filter(pl.col("bucket") == bucket), AS_OF, bucket)
    found = preview({"version": 1, "rule": {"segment": "once-gold", "op": "not_in"}}, AS_OF)
    assert (found.count, found.customers) == (3, 4)
