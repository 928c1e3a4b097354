"""The form asks how variants are compared, refuses what cannot be, at its field, and tells the plan in words."""

from typing import Any

import pytest
from django.utils import timezone

from campaigns import launch, story
from campaigns.forms import CampaignForm
from campaigns.models import Campaign
from campaigns.trigger_words import names
from customers.models import Customer, Event, EventName, Source
from segments import definition
from segments.models import Segment
from tests.campaigns import people
from tests.campaigns.people import EMAIL_STEP, T0

pytestmark = [pytest.mark.door, pytest.mark.once, pytest.mark.django_db]
PLAN = {
    "name": "Gold",
    "key": "gold",
    "trigger_kind": "hand",
    "control_share": "10",
    "goal_event": "Order Completed",
    "goal_days": "14",
    "topic": "newsletter",
    "action": "email",
    "written": "text",
    "subject": "Hello",
    "body": "[Shop](https://shop.example.test/)",
}
TWO = {"variant_0_key": "short", "variant_0_share": "50"}


@pytest.fixture(autouse=True)
def there() -> None:
    EventName.objects.create(name="Order Completed", is_counted=True)
    EventName.objects.create(name="Visited", is_counted=True)
    definition.save(Segment(key="vips", name="VIPs", kind=Segment.Kind.LIST), None, T0)


def filled(**answers: Any) -> CampaignForm:
    audience = Segment.objects.get(key="vips").pk
    return CampaignForm({**PLAN, "audience": audience, **answers}, instance=Campaign(created_at=T0))


def test_what_is_asked_of_variants_is_stored_shown_again_and_told() -> None:
    form = filled(**TWO, split="adaptive", winner="automatic", winner_metric="click")
    assert form.is_valid(), form.errors
    stored = form.save()
    assert (stored.split, stored.winner, stored.winner_metric) == ("adaptive", "automatic", "click")
    again = CampaignForm(instance=stored)
    assert {name: again[name].value() for name in ("split", "winner", "winner_metric")} == {
        "split": "adaptive",
        "winner": "automatic",
        "winner_metric": "click",
    }
    said = " ".join(story.tell(stored, names())).replace("\u00a0", " ")
    assert "Once a day more go to what does better by clicks by people; each variant keeps 2 % at least." in said
    assert "Where one does best by clicks by people, everybody gets it from then on" in said


def test_what_was_not_asked_stays_as_it_is() -> None:
    form = filled()
    assert form.is_valid(), form.errors
    stored = form.save()
    assert (stored.split, stored.winner, stored.winner_metric) == ("fixed", "suggest", "conversion")
    assert "does best" not in " ".join(story.tell(stored, names()))


@pytest.mark.parametrize(
    ("answers", "field", "said"),
    [
        ({"split": "adaptive"}, "split", "need two variants or more, and there is one"),
        ({"split": "adaptive", "written": "blocks"}, "split", "need two variants or more"),
        ({"variant_0_key": "b", "variant_0_share": "100", "split": "adaptive"}, "split", "and there is one"),
        ({"winner": "automatic"}, "winner", "a winner needs two variants or more"),
        ({**TWO, "winner_metric": "click", "body": "Hello."}, "winner_metric", "no link that could be clicked"),
        (
            {**TWO, "winner_metric": "click", "action": "sms", "sms_text": "Hi"},
            "winner_metric",
            "only clicks in e-mails are told of",
        ),
        ({**TWO, "winner_metric": "value", "goal_event": "Visited"}, "winner_metric", "Visited came without a value"),
        ({**TWO, "variant_0_share": "0"}, "variant_0_share", "is 0, so nobody would get it"),
        ({**TWO, "variant_0_share": "0", "written": "blocks"}, "variant_0_share", "is 0, so nobody would get it"),
        ({**TWO, "split": "some"}, "split", "Select a valid choice"),
    ],
)
def test_what_cannot_be_compared_is_refused_at_its_field(answers: dict[str, str], field: str, said: str) -> None:
    who = Customer.objects.create(external_id="c", seed=1, bucket=1, known_since=T0)
    source = Source.objects.create(key="shop", name="Shop", kind="api")
    Event.objects.bulk_create(
        Event(customer=who, source=source, message_id=f"{n}", name="Visited", occurred_at=T0, known_at=T0)
        for n in range(20)
    )
    form = filled(**answers)
    assert not form.is_valid()
    assert said in " ".join(map(str, form.errors[field]))


def test_a_plan_that_cannot_be_compared_is_not_launched_either() -> None:
    of = people.campaign(state="draft", split="adaptive", trigger={"kind": "hand"}, audience=Segment.objects.get())
    with pytest.raises(launch.LaunchError, match=r"^split: shares that follow the results need two variants or more"):
        launch.check(of)
    of.variants = [{"key": "b", "share": 0.5, "step": EMAIL_STEP}]
    launch.check(of)
    of.winner_metric = "click"
    with pytest.raises(launch.LaunchError, match=r"^winner_metric: a variant has no link"):
        launch.check(of)


def test_a_choice_that_the_variants_do_not_have_is_refused() -> None:
    of = people.campaign(chosen_variant="b", variants=[{"key": "b", "share": 0.5, "step": EMAIL_STEP}])
    assert "“b” was chosen: everybody gets it for now." in story.tell(of, names())
    changes: dict[str, Any] = {"variants": [], "trigger": {"kind": "hand"}, "audience": Segment.objects.get()}
    with pytest.raises(launch.LaunchError, match=r'^chosen_variant: "b" is not a variant'):
        launch.edit(of, None, timezone.now(), **changes)
