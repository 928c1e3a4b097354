"""A marketer makes a prediction with a form: a question, of whom, within how long, and what it is worth."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from customers import history
from customers.models import Customer, Event, EventName, Source
from scoring import horizons
from scoring.models import Target, TrainingRun
from scoring.questions import QUESTIONS
from tests.config import world

pytestmark = [pytest.mark.door, pytest.mark.once, pytest.mark.django_db]
ADD = "/admin/scoring/target/add/"
LAPSE = {"question": "lapse", "lapse-event": "Order Completed", "lapse-horizon_days": "45"}
DEFAULTS = {"retrain_days": "30", "rescore_hours": "0"}


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def said_at(page: str, field: str) -> str:
    """Give the error that stands at a field."""
    return page.split(f'id="id_{field}_error">')[1].split("<")[0]


def test_every_ready_question_is_on_the_form_with_labels_for_all_it_asks(boss: Client) -> None:
    page = boss.get(ADD).content.decode()
    for question in QUESTIONS:
        assert question.label in page
        for answer in question.answers:
            assert f'<label for="id_{question.name}-{answer.name}">' in page


def test_four_choices_make_a_prediction(boss: Client) -> None:
    world.fill()
    told = {**LAPSE, **DEFAULTS, "who_kind": "has", "who_attribute": "plan", "who_equals": "gold", "value": "40"}
    page = boss.post(ADD, told, follow=True).content.decode()
    target = Target.objects.get(horizon_days=45)
    assert (target.kind, target.question, target.event, target.value) == ("no_event", "lapse", "Order Completed", 40)
    assert target.who == [
        {"did": "Order Completed", "days": 365},
        {"attribute": "plan", "equals": "gold"},
    ]
    assert target.retrain_days == 30
    assert target.label in page


def test_the_defaults_alone_make_a_prediction(boss: Client) -> None:
    world.fill()
    boss.post(ADD, {"question": "repurchase", "repurchase-event": "Order Completed", **DEFAULTS})
    assert Target.objects.get(question="repurchase").horizon_days == 90


def test_what_belongs_to_another_choice_does_not_count(boss: Client) -> None:
    world.fill()
    left = {"who_kind": "all", "who_event": "Order Completed", "leave-attribute": "plan", "who_equals": "gold"}
    boss.post(ADD, {**LAPSE, **DEFAULTS, **left})
    assert Target.objects.get(horizon_days=45).who == [{"did": "Order Completed", "days": 365}]


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"lapse-horizon_days": "900"}, "lapse-horizon_days", "The horizon must be 1 to 365 days"),
        ({"lapse-horizon_days": "soon"}, "lapse-horizon_days", "a whole number is wanted"),
        ({"value": "lots"}, "value", "a number is wanted"),
        ({"who_kind": "has", "who_attribute": "plan"}, "who_equals", "must be said"),
        ({"question": "leave", "leave-attribute": "plan"}, "leave-equals", "this must be answered"),
        ({"key": "lapse"}, "key", "belongs to the prediction “No order within 60 days”"),
    ],
)
def test_an_error_stands_at_its_field_and_nothing_is_stored(
    boss: Client, wrong: dict[str, str], field: str, said: str
) -> None:
    world.fill()
    page = boss.post(ADD, {**LAPSE, **DEFAULTS, **wrong}).content.decode()
    assert said in said_at(page, field)
    assert Target.objects.count() == 1


def test_what_is_foreseen_already_is_not_made_twice(boss: Client) -> None:
    world.fill()
    boss.post(ADD, {**LAPSE, **DEFAULTS})
    page = boss.post(ADD, {**LAPSE, **DEFAULTS}).content.decode()
    assert "“No Order Completed within 45 days” foresees the same already." in page
    assert Target.objects.count() == 2


def test_a_form_without_a_question_asks_for_one(boss: Client) -> None:
    page = boss.post(ADD, DEFAULTS).content.decode()
    assert "This field is required." in page
    assert not Target.objects.exists()


def test_the_settings_of_a_prediction_leave_its_meaning_alone(boss: Client) -> None:
    world.fill()
    target = Target.objects.get()
    edit = reverse("admin:scoring_target_edit", args=[target.pk])
    assert "What one is worth" in boss.get(edit).content.decode()
    told = {
        "label": "Lost",
        "is_active": "on",
        "retrain_days": "0",
        "rescore_hours": "6",
        "value": "12.5",
        "event": "x",
        "excluded": "attributes.plan",
        "vouched": "features.orders_90d",
    }
    assert boss.post(edit, told).status_code == 302
    target.refresh_from_db()
    assert (target.excluded, target.vouched) == (["attributes.plan"], ["features.orders_90d"])
    assert (target.label, target.retrain_days, target.value, target.event) == ("Lost", 0, 12.5, "Order Completed")


def test_the_values_that_customers_have_are_offered(boss: Client) -> None:
    world.fill()
    Customer.objects.get(external_id="c-0000").attribute_changes.create(name="plan", value="basic", known_at=world.T)
    history.sync()
    address = reverse("admin:scoring_target_values")
    assert boss.get(address, {"attribute": "plan"}).json() == {
        "values": [{"value": "gold", "customers": 6}, {"value": "basic", "customers": 1}]
    }
    assert boss.get(address, {"attribute": "phone"}).json() == {"values": []}


def test_who_may_only_look_makes_nothing(client: Client) -> None:
    world.fill()
    client.force_login(User.objects.create_user("new", is_staff=True))
    assert client.post(ADD, {**LAPSE, **DEFAULTS}).status_code == 403
    assert client.post(reverse("admin:scoring_target_count"), LAPSE).status_code == 403
    assert client.get(reverse("admin:scoring_target_values")).status_code == 403


def orders(days: list[int]) -> None:
    """Store events of a customer so many days apart."""
    shop, at = Source.objects.create(key="till", name="Till", kind=Source.Kind.IMPORT), world.T
    for n, customer in enumerate(Customer.objects.all()):
        for k in range(12):
            when = at - timedelta(days=days[n % len(days)] * k)
            Event.objects.create(
                customer=customer,
                source=shop,
                message_id=f"t{n}-{k}",
                name="Visit",
                occurred_at=when,
                known_at=when,
            )
    EventName.objects.create(name="Visit")
    history.sync()


def test_the_count_says_what_there_is_and_how_much_is_missing(boss: Client) -> None:
    world.fill(20)
    history.sync()
    told = {**LAPSE, **DEFAULTS, "lapse-horizon_days": "14"}
    page = boss.post(reverse("admin:scoring_target_count"), told).content.decode()
    assert "No Order Completed within 14 days</strong>, of those who did Order Completed in the 365 days" in page
    assert "<dt>Customers</dt><dd>20</dd>" in page
    assert "there are 20, 480 too few" in page
    assert "enough to learn from" not in page


def test_the_count_asks_for_what_is_still_to_be_said(boss: Client) -> None:
    world.fill()
    page = boss.post(reverse("admin:scoring_target_count"), {"question": "leave", **DEFAULTS}).content.decode()
    assert "Which attribute tells it: this must be answered." in page


def test_the_days_that_nine_in_ten_gaps_stay_below_are_suggested(boss: Client) -> None:
    world.fill(10)
    orders([20, 20, 20, 20, 20, 20, 20, 20, 50, 50])
    assert horizons.suggested("Visit", world.T) == (60, 50.0)
    told = {"question": "lapse", "lapse-event": "Visit", "lapse-horizon_days": "90", **DEFAULTS}
    page = boss.post(reverse("admin:scoring_target_count"), told).content.decode()
    assert 'data-days="60"' in page
    again = {**told, "lapse-horizon_days": "60"}
    assert "data-days" not in boss.post(reverse("admin:scoring_target_count"), again).content.decode()


def test_no_days_are_suggested_for_what_is_hardly_ever_done_twice() -> None:
    world.fill()
    history.sync()
    assert horizons.suggested("Order Completed", world.T) is None


def test_old_data_is_looked_at_as_of_its_end() -> None:
    world.fill()
    history.sync()
    assert horizons.newest(world.T + timedelta(days=700)) == world.T
    assert horizons.newest(world.T - timedelta(days=5)) < world.T - timedelta(days=4)


def trained(client: Client) -> TrainingRun:
    """Make a prediction that is to be trained, and give its training."""
    world.fill()
    history.sync()
    page = client.post(ADD, {**LAPSE, **DEFAULTS, "_train": "1"}, follow=True).content.decode()
    assert "is being trained" in page
    assert 'role="progressbar"' in page
    return TrainingRun.objects.get()


def test_make_and_train_asks_for_a_training_that_is_watched_until_it_ends(boss: Client) -> None:
    run = trained(boss)
    assert (run.target.horizon_days, run.state, run.requested_by) == (45, "waiting", User.objects.get())
    bar = reverse("admin:scoring_target_training", args=[run.pk])
    assert "Waits for a worker: 0 %" in boss.get(bar).content.decode()
    TrainingRun.objects.update(state="running", stage="Tries 6 learners", portion=0.4)
    shown = boss.get(bar).content.decode()
    assert 'aria-valuenow="40"' in shown
    assert "Tries 6 learners: 40 %" in shown
    TrainingRun.objects.update(state="done")
    assert boss.get(bar).status_code == 204


def test_a_refused_training_says_why_on_the_page_and_can_be_asked_for_again(boss: Client) -> None:
    run = trained(boss)
    page = reverse("admin:scoring_target_change", args=[run.target_id])
    assert "Train now" not in boss.get(page).content.decode()
    TrainingRun.objects.update(state="refused", sentence="There are 41, 159 too few.", finished_at=world.T)
    shown = boss.get(page).content.decode()
    assert "was refused. There are 41, 159 too few." in shown
    assert "Train now" in shown
    boss.post(reverse("admin:scoring_target_do", args=[run.target_id, "train"]))
    assert TrainingRun.objects.filter(state="waiting").count() == 1


def test_only_making_it_asks_for_no_training(boss: Client) -> None:
    world.fill()
    boss.post(ADD, {**LAPSE, **DEFAULTS, "_save": "1"})
    assert Target.objects.count() == 2
    assert not TrainingRun.objects.exists()
