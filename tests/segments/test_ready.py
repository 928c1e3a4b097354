"""Ready rules can be read as they are, or say what they lack."""

from datetime import UTC, datetime

import pytest

from customers.models import EventName
from scoring.models import ModelVersion, Target
from segments import ready
from segments.fields import catalogue
from segments.ready import Ready
from segments.rules import parse, sentence

AT = datetime(2026, 5, 20, tzinfo=UTC)
ASKED = {"valuable-leaving", "abandoned-cart", "browsed-and-left", "lapsed", "new-and-promising", "discount-hunters"}
pytestmark = [pytest.mark.door, pytest.mark.django_db]


def given() -> dict[str, Ready]:
    return {one.key: one for one in ready.rules(catalogue())}


def live_model(key: str, kind: str) -> None:
    target = Target.objects.create(
        key=key, label=key, kind=kind, event="Order Completed", horizon_days=30, created_at=AT
    )
    ModelVersion.objects.create(
        target=target,
        number=1,
        state="live",
        learner="x",
        validated="over_time",
        as_of=AT,
        created_at=AT,
        seed=1,
        customers=1,
        positives=1,
    )


def test_a_shop_with_its_events_and_models_can_use_all() -> None:
    for name in ("Order Completed", "Product Added", "Product Viewed"):
        EventName.objects.create(name=name)
    live_model("lapse", "no_event")
    live_model("again", "event")
    found = given()
    assert set(found) >= ASKED
    for one in found.values():
        assert one.lacks == ()
        assert sentence(parse(one.rule, catalogue()))
        assert one.why.endswith(".")
        assert len(one.why) < 120
    assert "lapse: percentile is 80 or more" in sentence(parse(found["valuable-leaving"].rule, catalogue()))


def test_what_there_is_not_yet_is_said() -> None:
    found = given()
    assert found["valuable-leaving"].lacks == ("a live model of a target such as “no order for some time”",)
    assert found["new-and-promising"].lacks == (
        "a live model of a target such as “an order soon”",
        "events named Order Completed",
    )
    assert found["abandoned-cart"].lacks == ("events named Order Completed", "events named Product Added")
    assert found["discount-hunters"].lacks == ()
    assert found["abandoned-cart"].as_json()["lacks"] == found["abandoned-cart"].lacks
