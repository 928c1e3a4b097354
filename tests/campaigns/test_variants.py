"""Variants are read with the place of what is wrong, and each has the step that its decisions name."""

from typing import Any

import pytest

from campaigns import variants
from campaigns.models import Campaign
from campaigns.steps import EmailStep, Known, StepError
from tests.campaigns.people import CALL_STEP, EMAIL_STEP, OFFER_STEP

SHORT = {**EMAIL_STEP, "subject": "Hi"}


def plan(*parts: Any, step: dict[str, Any] | None = None) -> Campaign:
    return Campaign(key="winback", steps=[step or EMAIL_STEP], variants=list(parts))


def variant(key: str = "b", share: Any = 0.5, step: Any = None) -> dict[str, Any]:
    return {"key": key, "share": share, "step": step or SHORT}


def test_without_variants_everybody_gets_the_step() -> None:
    (only,) = variants.parse(plan())
    assert (only.key, only.share) == ("", 1.0)
    assert isinstance(only.step, EmailStep)


def test_what_the_shares_leave_gets_the_campaigns_own_step() -> None:
    found = variants.parse(plan(variant("b", 0.2), variant("c", 0.3, OFFER_STEP)))
    assert [(one.key, round(one.share, 9)) for one in found] == [("main", 0.5), ("b", 0.2), ("c", 0.3)]
    assert [one.step.action for one in found] == ["email", "email", "offer"]


def test_shares_that_are_one_together_leave_nothing_to_the_own_step() -> None:
    found = variants.parse(plan(*(variant(key, 1 / 3) for key in "abc")))
    assert [one.key for one in found] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("b", "variants: expects a list, got str"),
        ([variant(), "b"], "variants[1]: expects an object, got str"),
        ([{**variant(), "weight": 1}], "variants[0].weight: is not known here; expects key, share, step"),
        ([variant("B!")], "variants[0].key: expects up to 20 small letters, digits, - and _"),
        ([variant("main")], 'variants[0].key: "main" is the campaign\'s own step'),
        ([variant("b", 0.1), variant("b", 0.1)], 'variants[1].key: "b" is the key of two variants'),
        ([variant("b", 0.0)], "variants[0].share: is 0, so nobody would get it"),
        ([variant("b", -0.1)], "variants[0].share: expects a number above 0 and up to 1"),
        ([variant("b", True)], "variants[0].share: expects a number above 0 and up to 1"),
        ([variant("b", float("nan"))], "variants[0].share: expects a number above 0 and up to 1"),
        ([variant("b", 0.6), variant("c", 0.5)], "variants[1].share: the shares are more than 1 together: 1.1"),
        ([variant("b", 0.5, CALL_STEP)], "variants[0].step.action: must use the campaign's own channel, e-mail"),
        ([variant("b", 0.5, {"action": "fax"})], "variants[0].step.action: "),
    ],
)
def test_a_variant_that_cannot_be_used_is_refused_with_its_place(parts: Any, message: str) -> None:
    campaign = plan()
    campaign.variants = parts
    with pytest.raises(StepError) as refused:
        variants.parse(campaign)
    assert str(refused.value).startswith(message)


def test_a_decision_names_the_step_of_its_variant() -> None:
    campaign = plan(variant("b", 0.5, OFFER_STEP))
    assert variants.step_of(campaign, "b").action == "offer"
    assert variants.step_of(campaign, "main").action == variants.step_of(campaign, "").action == "email"
    with pytest.raises(StepError, match='there is no variant "c" any more'):
        variants.step_of(campaign, "c")


def test_a_variant_that_prints_nothing_for_some_customers_is_not_ready() -> None:
    campaign = plan(variant("b", 0.5, {**SHORT, "subject": "Dear {{ customer.first_name }}"}))
    known = Known(frozenset(), frozenset())
    with pytest.raises(StepError, match=r"^variants\[0\]\.step\.subject: not every customer has customer"):
        variants.check_ready(campaign, known)
    variants.check_ready(plan(variant()), known)
