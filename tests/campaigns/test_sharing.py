"""Whom the draw gives which variant: by the plan, by what was learned, or one that was chosen for all."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from campaigns import variants
from campaigns.assignment import Shares, assign
from campaigns.decide import decide
from campaigns.models import Campaign, Decision, Programme, VariantShares
from campaigns.sharing import shares_of
from campaigns.steps import StepError
from scoring.models import Target
from tests.campaigns.people import EMAIL_STEP, T0, campaign, customers, frame, no_changes

pytestmark = [pytest.mark.door, pytest.mark.django_db]
HOUR = timedelta(hours=1)
B = {"key": "b", "share": 0.5, "step": {**EMAIL_STEP, "subject": "Short"}}


@pytest.fixture(autouse=True)
def target() -> None:
    Programme.objects.create(holdout_share=0.0)
    told = {"kind": "no_event", "event": "Order Completed", "horizon_days": 90, "created_at": T0}
    Target.objects.create(key="lapse", label="Lapse", **told)


def tried(**changes: Any) -> Campaign:
    return campaign(variants=[B], **({"split": "adaptive"} | changes))


def learned(of: Campaign, hours: float, **shares: float) -> None:
    VariantShares.objects.create(campaign=of, at=T0 + hours * HOUR, shares=shares)


def shares(of: Campaign, hours: float) -> dict[str, float]:
    return shares_of(of, variants.parse(of), T0 + hours * HOUR)


def test_the_newest_shares_that_are_not_later_hold() -> None:
    of = tried()
    assert shares(of, 0) == {"main": 0.5, "b": 0.5}
    learned(of, 1, main=0.3, b=0.7)
    learned(of, 3, main=0.1, b=0.9)
    assert [shares(of, hours)["b"] for hours in (0, 1, 2, 3, 9)] == [0.5, 0.7, 0.7, 0.9, 0.9]
    of.split = Campaign.Split.FIXED
    assert shares(of, 9)["b"] == 0.5


def test_what_was_learned_of_other_variants_is_forgotten() -> None:
    of = tried()
    learned(of, 1, main=0.3, b=0.7)
    of.compared_since = T0 + 2 * HOUR
    assert shares(of, 3)["b"] == 0.5
    learned(of, 4, main=0.2, c=0.8)
    assert shares(of, 5)["b"] == 0.5


def test_a_decision_keeps_the_chance_of_its_variant_as_it_was() -> None:
    of = tried(control_share=0.2)
    learned(of, 1, main=0.1, b=0.9)
    people = customers(60)
    decide(frame(people, 0.1, "start"), no_changes(), T0)
    decide(frame(people, 0.9), no_changes(), T0 + 2 * HOUR)
    treated = Decision.objects.filter(arm="treated")
    found = {row[0]: round(row[1], 6) for row in treated.values_list("variant", "probability")}
    assert found["b"] == 0.72
    assert set(found.values()) <= {0.72, 0.08}
    drawn = assign(pl.Series([one.seed for one in people]), of.key, Shares(0.0, 0.2, 1.0, {"main": 0.1, "b": 0.9}))
    assert treated.filter(variant="b").count() == drawn.filter(pl.col("variant") == "b").height


def test_the_chosen_variant_goes_to_all_the_treated() -> None:
    of = tried(chosen_variant="b", control_share=0.2)
    learned(of, 1, main=0.9, b=0.1)
    people = customers(40)
    decide(frame(people, 0.1, "start"), no_changes(), T0)
    decide(frame(people, 0.9), no_changes(), T0 + 2 * HOUR)
    treated = Decision.objects.filter(arm="treated")
    assert set(treated.values_list("variant", "probability")) == {("b", 0.8)}
    assert Decision.objects.filter(arm="control").exists()


def test_a_choice_of_no_variant_is_refused() -> None:
    of = tried(chosen_variant="c")
    with pytest.raises(StepError, match=r'chosen_variant: "c" is not a variant of this campaign'):
        variants.parse(of)
