"""Variants are tried against each other until one is better, and what then happens is done once and can be undone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from campaigns import experiments
from campaigns.contest import contest
from campaigns.decide import decide
from campaigns.models import Campaign, Decision, Programme, VariantShares
from campaigns.sharing import shares_of
from campaigns.variants import parse
from customers.draws import draw
from customers.models import Alert, AuditEntry, Customer, Event, Source
from scoring.models import ModelVersion, Target
from tests.campaigns.people import EMAIL_STEP, T0, campaign, customers, frame, no_changes

pytestmark = [pytest.mark.door, pytest.mark.django_db]
DAY = timedelta(days=1)
RIPE = T0 + 15 * DAY
B = {"key": "b", "share": 0.5, "step": {**EMAIL_STEP, "subject": "Short"}}
BETTER = {"main": 0.1, "b": 0.4}


@pytest.fixture(autouse=True)
def target() -> None:
    Programme.objects.create(holdout_share=0.0)
    told = {"kind": "no_event", "event": "Order Completed", "horizon_days": 90, "created_at": T0}
    lapse = Target.objects.create(key="lapse", label="Lapse", **told)
    version = {"number": 1, "state": "live", "learner": "x", "validated": "in_folds", "as_of": T0, "created_at": T0}
    ModelVersion.objects.create(target=lapse, seed=0, customers=2, positives=1, **version)


def tried(**changes: Any) -> Campaign:
    values: dict[str, Any] = {"variants": [B], "planned_customers": 400, "goal_days": 14}
    return campaign(**(values | changes))


def decided(
    of: Campaign, people: list[Customer], at: datetime = T0, chance: float = 0.5, **more: Any
) -> dict[int, str]:
    """Decide for everybody, each variant with its chance; give the variant of each customer."""
    drawn = draw(pl.Series([one.seed for one in people]), f"test {at}") < chance
    variants = ["b" if is_b else "main" for is_b in drawn]
    chances = [chance if variant == "b" else 1 - chance for variant in variants]
    rows = ({"variant": variant, "probability": p} for variant, p in zip(variants, chances, strict=True))
    Decision.objects.bulk_create(
        Decision(
            campaign=of,
            customer=one,
            round=1,
            bucket=one.bucket,
            outcome="deliver",
            reason="x",
            cause="data",
            as_of=at,
            due_at=at,
            campaign_version=of.version,
            arm="treated",
            draw=0.5,
            **{**row, **more},
        )
        for one, row in zip(people, rows, strict=True)
    )
    return dict(zip((one.pk for one in people), variants, strict=True))


def did(
    drawn: Mapping[int, str], rates: Mapping[str, float], at: datetime, name: str = "Order Completed", **told: Any
) -> None:
    """Let some of each variant do what was hoped for: the first ones, as many as the rate says."""
    source, _ = Source.objects.get_or_create(key="shop", defaults={"name": "Shop", "kind": "api"})
    doing = []
    for variant, rate in rates.items():
        own = [customer for customer, got in drawn.items() if got == variant]
        doing += own[: round(rate * len(own))]
    Event.objects.bulk_create(
        Event(
            customer_id=one,
            source=source,
            message_id=f"{name}-{one}-{at}",
            name=name,
            occurred_at=at,
            known_at=at,
            **({"value": 10.0 + one % 7} | told),
        )
        for one in doing
    )


def planted(rates: Mapping[str, float] = BETTER, count: int = 400, **changes: Any) -> Campaign:
    of = tried(**changes)
    did(decided(of, customers(count)), rates, T0 + DAY)
    return of


def told(what: str = "") -> list[str]:
    return list(Alert.objects.filter(state="open", key__contains=what).values_list("sentence", flat=True))


def test_a_planted_better_variant_wins_when_its_time_has_run_out_and_not_before() -> None:
    of = planted()
    early = contest(of, T0 + 13 * DAY)
    assert (early.verdict, early.waiting) == (None, 400)
    assert early.words[0].startswith("Nothing to compare yet")
    found = contest(of, RIPE)
    assert found.verdict is not None
    assert found.verdict.winner == "b"
    assert found.words[0].startswith("“b” does best. Converted: main 9.")


def test_a_winner_is_told_with_a_way_to_use_it_and_nothing_changes_by_itself() -> None:
    of = planted()
    experiments.look(RIPE)
    experiments.look(RIPE + DAY)
    (said,) = told("best.b")
    assert said.startswith("“Winback”: “b” does best.")
    assert said.endswith("Use it for everybody?")
    of.refresh_from_db()
    assert (of.chosen_variant, of.version, experiments.winner_told(of)) == ("", 1, "b")


def test_an_automatic_winner_is_what_everybody_gets_from_then_on_and_it_can_be_taken_back() -> None:
    of = planted(winner="automatic")
    new = customers(30, first=1000)
    decide(frame(new, 0.1, "start"), no_changes(), T0)
    experiments.look(RIPE)
    of.refresh_from_db()
    assert (of.chosen_variant, of.version) == ("b", 2)
    (said,) = told("chosen")
    assert "gives everybody “b” from now on" in said
    decide(frame(new, 0.9), no_changes(), RIPE + DAY)  # whoever becomes due right after it is passed over by nobody
    after = Decision.objects.filter(as_of=RIPE + DAY)
    assert set(after.values_list("variant", "outcome", "campaign_version")) == {("b", "deliver", 2)}
    assert after.count() == 30
    assert contest(of, RIPE + 30 * DAY).words == contest(of, RIPE).words
    noted = AuditEntry.objects.get(what="campaign variant chosen")
    assert (noted.by, noted.detail["variant"]) == (None, "b")

    experiments.take_back(of, None, RIPE + 2 * DAY)
    assert (of.chosen_variant, of.winner, of.version) == ("", "off", 3)
    assert shares_of(of, parse(of), RIPE + 3 * DAY) == {"main": 0.5, "b": 0.5}
    experiments.look(RIPE + 3 * DAY)
    of.refresh_from_db()
    assert (of.chosen_variant, told()) == ("", [])
    with pytest.raises(experiments.ChoiceError, match="No variant is chosen"):
        experiments.take_back(of, None, RIPE + 4 * DAY)


def test_two_workers_who_find_a_winner_at_once_choose_it_once() -> None:
    of = planted(winner="automatic")
    stale = Campaign.objects.get(pk=of.pk)
    assert experiments.choose(of, "b", None, RIPE)
    assert not experiments.choose(stale, "b", None, RIPE)
    assert Campaign.objects.get(pk=of.pk).version == 2
    assert AuditEntry.objects.filter(what="campaign variant chosen").count() == 1


def test_a_broken_split_has_no_winner_and_is_told() -> None:
    of = tried(winner="automatic")
    people = customers(400)
    drawn = decided(of, people)
    gone = [customer for customer, variant in drawn.items() if variant == "main"][::2]
    Decision.objects.filter(customer__in=gone).delete()
    did(drawn, BETTER, T0 + DAY)
    experiments.look(RIPE)
    of.refresh_from_db()
    assert of.chosen_variant == ""
    (said,) = told()
    assert "not as large as their shares make them" in said


def test_variants_that_do_alike_end_it_without_a_winner() -> None:
    of = planted({"main": 0.9, "b": 0.9}, winner="automatic")
    experiments.look(RIPE)
    (said,) = told("alike")
    assert "No winner: “" in said
    assert "do alike" in said
    of.refresh_from_db()
    assert of.chosen_variant == ""


def test_nothing_is_told_where_nobody_asked() -> None:
    planted(winner="off")
    experiments.look(RIPE)
    assert told() == []


def test_value_and_clicks_are_judged_by_what_they_are() -> None:
    of = tried(winner_metric="value")
    drawn = decided(of, customers(400))
    did(drawn, {"main": 0.3, "b": 0.3}, T0 + DAY)
    did(drawn, {"b": 0.3}, T0 + 2 * DAY, value=30.0)
    did(drawn, {"main": 0.9}, T0 + DAY, name="Something Else", value=500.0)
    by_value = contest(of, RIPE).verdict
    assert by_value is not None
    assert by_value.winner == "b"
    of.winner_metric = "click"
    clicked: dict[str, Any] = {"name": "Email Link Clicked", "value": None}
    did(drawn, {"main": 0.4, "b": 0.1}, T0 + 2 * DAY, properties={"campaign": of.key}, **clicked)
    did(drawn, {"b": 0.9}, T0 + 3 * DAY, properties={"campaign": "another"}, **clicked)
    did(drawn, {"b": 0.9}, T0 + 4 * DAY, properties={"campaign": of.key}, **clicked)
    by_click = contest(of, T0 + 3 * DAY)
    assert by_click.verdict is not None
    assert (by_click.days, by_click.verdict.winner) == (3, "main")


def test_what_was_edited_is_compared_from_then_on() -> None:
    of = planted()
    Campaign.objects.update(compared_since=T0 + DAY)
    of.refresh_from_db()
    assert contest(of, RIPE).verdict is None


def test_shares_follow_what_does_better_once_a_day_from_ripe_customers_alone() -> None:
    of = planted(split="adaptive", winner="off")
    experiments.look(T0 + 5 * DAY)
    assert not VariantShares.objects.exists()
    experiments.look(RIPE)
    experiments.look(RIPE + timedelta(hours=5))
    row = VariantShares.objects.get()
    assert row.at == RIPE + experiments.LEAD
    assert row.shares["b"] > 0.9
    assert row.shares["main"] >= 0.02
    assert row.drawn_from["b"]["customers"] + row.drawn_from["main"]["customers"] == 400
    assert shares_of(of, parse(of), RIPE) == {"main": 0.5, "b": 0.5}
    assert shares_of(of, parse(of), RIPE + DAY) == row.shares
    experiments.look(RIPE + DAY)
    assert VariantShares.objects.count() == 2


def test_an_adaptive_read_out_is_weighted_where_plain_means_are_wrong() -> None:
    """In hard times b gets nearly all, in good times nearly none: plain means say that it is worse."""
    of = tried(split="adaptive", planned_customers=1200)
    VariantShares.objects.create(campaign=of, at=T0 + DAY, shares={"main": 0.8, "b": 0.2})
    Campaign.objects.update(compared_since=T0 - DAY)
    of.refresh_from_db()
    VariantShares.objects.create(campaign=of, at=T0 - DAY, shares={"main": 0.2, "b": 0.8})
    hard = decided(of, customers(600), T0, 0.8)
    good = decided(of, customers(600, first=1000), T0 + 2 * DAY, 0.2)
    did(hard, {"main": 0.10, "b": 0.20}, T0 + DAY)
    did(good, {"main": 0.50, "b": 0.60}, T0 + 3 * DAY)
    found = contest(of, T0 + 20 * DAY)
    assert found.is_sound
    assert found.is_weighted
    assert found.plain["b"].value < found.plain["main"].value  # type: ignore[operator]
    assert found.arms["b"].value == pytest.approx(0.40, abs=0.03)
    assert found.arms["main"].value == pytest.approx(0.30, abs=0.03)
    assert found.words[-1] == "The shares changed, so each customer counts by the chance that she had."


def test_a_variant_that_is_no_better_hardly_ever_wins() -> None:
    """24 small worlds without a difference, looked at on 3 days: more than 4 wins are as rare as 0.6 % at 5 % each."""
    of, rng = tried(planned_customers=200, goal_days=1), np.random.default_rng(5)
    people = customers(200)
    for day in range(4):
        decided(of, people[50 * day : 50 * day + 50], T0 + day * DAY)
    starts = dict(Decision.objects.values_list("customer_id", "as_of"))
    source = Source.objects.create(key="shop", name="Shop", kind="api")
    won = 0
    for world in range(24):
        of.goal_event = f"Goal {world}"
        Event.objects.bulk_create(
            Event(
                customer_id=one,
                source=source,
                message_id=f"{world}-{one}",
                name=of.goal_event,
                occurred_at=at + DAY / 2,
                known_at=at + DAY / 2,
            )
            for one, at in starts.items()
            if rng.random() < 0.3
        )
        looks = [contest(of, T0 + day * DAY).verdict for day in (2, 3, 4)]
        won += any(look is not None and look.winner for look in looks)
    assert won <= 4
