"""A target that cannot be is refused with a sentence."""

import pytest

from customers.models import Attribute, EventName
from scoring import targets
from scoring.models import Target
from scoring.targets import TargetError
from tests.scoring.worlds import AS_OF

pytestmark = [pytest.mark.door, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def names() -> None:
    EventName.objects.create(name="Order Completed")
    for name, type_ in (("churn", "text"), ("visits", "number"), ("is_vip", "yes_no"), ("born", "date")):
        Attribute.objects.create(name=name, type=type_)


def test_a_target_is_made_once_with_a_key_that_says_what_it_is() -> None:
    one = targets.of_event("Order Completed", 90, is_absent=True, at=AS_OF)
    assert (one.key, one.label) == ("no_order_completed_90d", "No Order Completed within 90 days")
    assert targets.of_event("Order Completed", 90, is_absent=True, at=AS_OF) == one
    assert targets.of_event("Order Completed", 90, is_absent=False, at=AS_OF).key == "order_completed_90d"
    assert targets.of_attribute("churn", "Yes", AS_OF).key == "churn_yes"
    assert targets.by_key("churn_yes").equals == "Yes"


@pytest.mark.parametrize(
    ("name", "equals", "says"),
    [
        ("chrun", "Yes", 'No attribute is named "chrun". There are: born, churn, is_vip, visits'),
        ("visits", "many", 'is a number, and "many" is not'),
        ("is_vip", "perhaps", "is neither"),
        ("born", "2000-01-01", "is a date"),
    ],
)
def test_an_attribute_that_cannot_have_the_value_is_refused(name: str, equals: str, says: str) -> None:
    with pytest.raises(TargetError) as refused:
        targets.of_attribute(name, equals, AS_OF)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("event", "days", "says"),
    [
        ("Order Complete", 90, "There are: Order Completed"),
        ("Order Completed", 0, "1 to 365"),
        ("Order Completed", 400, "1 to 365"),
    ],
)
def test_an_event_or_horizon_that_cannot_be_is_refused(event: str, days: int, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        targets.of_event(event, days, is_absent=False, at=AS_OF)


def test_a_key_that_means_something_else_is_not_taken_over() -> None:
    Target.objects.create(
        key="churn_yes", label="Mine", kind="attribute", attribute="churn", equals="no", created_at=AS_OF
    )
    with pytest.raises(TargetError, match="Mine"):
        targets.of_attribute("churn", "Yes", AS_OF)


def test_an_unknown_key_is_refused_with_the_keys_there_are() -> None:
    targets.of_attribute("churn", "Yes", AS_OF)
    with pytest.raises(TargetError, match="There are: churn_yes"):
        targets.by_key("churn")
