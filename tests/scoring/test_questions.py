"""A few answers make a target; what is wrong with one is said with its name."""

from typing import Any

import pytest

from customers import history
from customers.models import Attribute, EventName, Product
from scoring import conditions, questions, targets
from scoring.conditions import TargetError
from scoring.models import Target
from tests.scoring.worlds import AS_OF

pytestmark = [pytest.mark.door, pytest.mark.django_db]
BOUGHT = [{"did": "Order Completed", "days": 365}]
MAILED = [{"did": "Email Sent", "days": 90}]


@pytest.fixture(autouse=True)
def known() -> None:
    for event in ("Order Completed", "Signed Up"):
        EventName.objects.create(name=event)
    Attribute.objects.create(name="plan", type="text")
    Attribute.objects.create(name="gone", type="yes_no", is_timeless=True)
    Product.objects.create(external_id="p1", category="Shoes")


@pytest.mark.parametrize(
    ("name", "answers", "kind", "who", "key"),
    [
        ("lapse", {}, "no_event", BOUGHT, "no_order_completed_within_90_days"),
        ("leave", {"attribute": "gone", "equals": "yes"}, "attribute", [], "gone_is_yes"),
        (
            "leave",
            {"attribute": "plan", "equals": "none", "horizon_days": "30"},
            "becomes",
            [],
            "plan_becomes_none_within_30_days",
        ),
        (
            "cancel",
            {"event": "Signed Up"},
            "event",
            [{"not_yet_days": 365}, {"did": "*", "days": 365}],
            "signed_up_within_90_days",
        ),
        ("repurchase", {"horizon_days": 45}, "event", BOUGHT, "order_completed_within_45_days"),
        (
            "conversion",
            {"event": "Signed Up"},
            "event",
            [{"did": "*", "days": 365}],
            "signed_up_within_30_days_of_all_active",
        ),
        ("upsell", {"category": "Shoes"}, "event", [*BOUGHT, {"not_yet_days": 365}], "buys_shoes_within_90_days"),
        ("upgrade", {"attribute": "plan", "equals": "gold"}, "becomes", [], "plan_becomes_gold_within_90_days"),
        ("spend", {}, "spend", BOUGHT, "spent_on_order_completed_within_90_days"),
        ("best", {}, "high_value", [{"below_spend_percentile": 80}], "becomes_one_of_the_best_within_90_days"),
        ("engage", {}, "event", MAILED, "email_opened_within_30_days_of_those_mailed"),
        ("next", {}, "next", BOUGHT, "days_until_the_next_order_completed_up_to_180"),
        ("unsubscribe", {}, "event", MAILED, "unsubscribes_within_30_days"),
    ],
)
def test_every_question_makes_a_target_of_few_answers(
    name: str, answers: dict[str, Any], kind: str, who: list[Any], key: str
) -> None:
    target = questions.make(name, answers, AS_OF)
    assert (target.kind, target.who, target.key, target.question) == (kind, who, key, name)
    assert targets.store(target).pk
    again = questions.make(name, answers, AS_OF)
    assert targets.store(again).pk == target.pk


def test_answers_narrow_the_population_and_tell_the_money() -> None:
    told = {"who_attribute": "plan", "who_equals": "gold", "value": "80", "save_rate": 0.3, "key": "mine"}
    target = questions.make("cancel", {"event": "Signed Up", **told}, AS_OF)
    assert target.who == [{"not_yet_days": 365}, {"attribute": "plan", "equals": "gold"}]
    assert (target.value, target.save_rate, target.contact_cost, target.key) == (80.0, 0.3, None, "mine")
    assert conditions.asked(target) == [conditions.Events("Signed Up")]


@pytest.mark.parametrize(
    ("name", "answers", "answer", "says"),
    [
        ("guess", {}, "question", "There are: lapse, leave"),
        ("lapse", {"event": "Order Complete"}, "event", "There are: Order Completed, Signed Up"),
        ("lapse", {"horizon_days": 0}, "horizon_days", "1 to 365"),
        ("lapse", {"horizon_days": 9999}, "horizon_days", "1 to 365"),
        ("lapse", {"horizon_days": "soon"}, "horizon_days", "a whole number is wanted"),
        ("lapse", {"horizon": 9}, "horizon", "asks for no"),
        ("conversion", {}, "event", "must be answered"),
        ("upsell", {}, "category", "Give a category or a product"),
        ("upsell", {"category": "Hats"}, "category", "There are: Shoes"),
        ("upsell", {"product": "p2"}, "product", "There are: p1"),
        ("leave", {"attribute": "gone", "equals": "often"}, "equals", "is neither"),
        ("leave", {"attribute": "gone", "equals": "yes", "horizon_days": 30}, "horizon_days", "known always"),
        ("engage", {"event": "Order Completed"}, "event", "one of Email Opened"),
        ("lapse", {"who_attribute": "plam", "who_equals": "x"}, "who_attribute", "There are: gone, plan"),
        ("lapse", {"who_attribute": "plan"}, "who_equals", "must be said"),
        ("lapse", {"who_event": "Left"}, "who_event", "There are"),
        ("lapse", {"value": "nan"}, "value", "a number is wanted"),
        ("lapse", {"value": -1}, "value", "greater than or equal to 0"),
        ("lapse", {"save_rate": 2}, "save_rate", "less than or equal to 1"),
        ("lapse", {"key": "a b"}, "key", "slug"),
        ("best", {"percentile": 100}, "who", "1 to 99"),
    ],
)
def test_a_wrong_answer_is_refused_by_its_name(name: str, answers: dict[str, Any], answer: str, says: str) -> None:
    history.sync()
    with pytest.raises(TargetError) as refused:
        questions.make(name, answers, AS_OF)
    assert refused.value.answer == answer
    assert says in str(refused.value)


def test_a_key_that_is_taken_by_another_meaning_gets_a_number() -> None:
    Target.objects.create(
        key="plan_is_gold", label="Mine", kind="attribute", attribute="plan", equals="x", created_at=AS_OF
    )
    assert questions.make("leave", {"attribute": "plan", "equals": "gold"}, AS_OF).key == "plan_is_gold_2"
    with pytest.raises(TargetError, match="belongs to") as refused:
        targets.store(questions.make("leave", {"attribute": "plan", "equals": "gold", "key": "plan_is_gold"}, AS_OF))
    assert refused.value.answer == "key"
