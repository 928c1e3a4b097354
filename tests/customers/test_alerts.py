"""The inbox has one row a cause: it waits while snoozed, closes when the cause is gone, opens when it is back."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from customers import alerts
from customers.alerts import AlertError, Cause
from customers.models import Alert

pytestmark = [pytest.mark.door, pytest.mark.django_db]
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def cause(sentence: str = "The model of churn sorts worse than it did.", owner: int | None = None) -> Cause:
    return Cause("churn.performance", Alert.Kind.PERFORMANCE, sentence, "/admin/scoring/target/1/change/", owner)


def test_a_cause_that_is_found_again_stays_one_row_with_its_newest_sentence() -> None:
    alerts.raise_(cause("first"), NOW)
    found = alerts.raise_(cause("second"), NOW + DAY)
    assert Alert.objects.count() == 1
    assert (found.sentence, found.first_at, found.last_at) == ("second", NOW, NOW + DAY)


def test_a_snoozed_alert_is_silent_until_its_time_and_opens_after() -> None:
    alert = alerts.raise_(cause(), NOW)
    alerts.snooze(alert, NOW + 7 * DAY, NOW)
    assert alerts.raise_(cause(), NOW + 6 * DAY).state == Alert.State.SNOOZED
    assert alerts.wake(NOW + 6 * DAY) == 0
    assert alerts.raise_(cause(), NOW + 7 * DAY).state == Alert.State.OPEN


def test_what_was_snoozed_until_now_opens_without_being_raised() -> None:
    alerts.snooze(alerts.raise_(cause(), NOW), NOW + DAY, NOW)
    assert alerts.wake(NOW + DAY) == 1
    assert Alert.objects.get().state == Alert.State.OPEN


def test_an_alert_whose_cause_is_gone_is_done_and_opens_again_when_it_is_back() -> None:
    alerts.raise_(cause(), NOW)
    assert alerts.settle("churn.performance", NOW + DAY)
    assert not alerts.settle("churn.performance", NOW + DAY)
    assert Alert.objects.get().state == Alert.State.DONE
    again = alerts.raise_(cause(), NOW + 2 * DAY)
    assert (again.state, again.first_at) == (Alert.State.OPEN, NOW + 2 * DAY)


def test_causes_that_were_not_found_again_are_settled_and_no_others() -> None:
    for key in ("a.1", "a.2", "b.1"):
        alerts.raise_(cause()._replace(key=key), NOW)
    assert alerts.settle_others("a.", ["a.2"], NOW) == 1
    assert set(Alert.objects.exclude(state="done").values_list("key", flat=True)) == {"a.2", "b.1"}


def test_whoever_was_given_an_alert_keeps_it() -> None:
    first, second = User.objects.create(username="ann"), User.objects.create(username="bob")
    alert = alerts.raise_(cause(owner=first.pk), NOW)
    assert alert.owner_id == first.pk
    alerts.assign(alert, second)
    assert alerts.raise_(cause(owner=first.pk), NOW + DAY).owner_id == second.pk


def test_snoozing_until_the_past_and_snoozing_what_is_done_are_refused() -> None:
    alert = alerts.raise_(cause(), NOW)
    with pytest.raises(AlertError, match="lies ahead"):
        alerts.snooze(alert, NOW, NOW)
    alerts.finish(alert, NOW)
    with pytest.raises(AlertError, match="It is done"):
        alerts.snooze(alert, NOW + DAY, NOW)


def test_the_inbox_leads_to_the_mending_and_lets_a_person_take_snooze_and_end_an_alert(client: Client) -> None:
    user = User.objects.create_superuser("ann", password="x")
    client.force_login(user)
    alert = alerts.raise_(cause(), NOW)
    listed = client.get(reverse("admin:customers_alert_changelist")).content.decode()
    assert "sorts worse" in listed
    assert alert.link in listed
    for name, state in (("mine", "open"), ("week", "snoozed"), ("done", "done")):
        answer = client.post(reverse("admin:customers_alert_do", args=[alert.pk, name]), follow=True)
        assert answer.status_code == 200
        alert.refresh_from_db()
        assert (alert.state, alert.owner_id) == (state, user.pk)


def test_the_inbox_shows_what_is_open_first_and_what_is_silent_and_done_below(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ann"))
    for n, sentence in enumerate(("was done", "is silent", "is open")):
        alerts.raise_(Cause(f"key.{n}", Alert.Kind.DRIFT, f"This {sentence}."), NOW - n * DAY)
    alerts.settle("key.0", NOW)
    alerts.snooze(Alert.objects.get(key="key.1"), NOW + 7 * DAY, NOW)
    page = client.get(reverse("admin:customers_alert_changelist")).content.decode()
    places = [page.index(f"This {sentence}.</p>") for sentence in ("is open", "is silent", "was done")]
    assert places == sorted(places)
    assert "Silent for a while" in page
    assert page.count("nobody looks after it yet") == 3


def test_the_inbox_can_be_narrowed_to_ones_own_and_to_words(client: Client) -> None:
    user = User.objects.create_superuser("ann")
    client.force_login(user)
    mine, other = (alerts.raise_(Cause(key, Alert.Kind.DRIFT, f"About {key}."), NOW) for key in ("churn", "spend"))
    alerts.assign(mine, user)
    address = reverse("admin:customers_alert_changelist")
    own = client.get(address, {"own": "1"}).content.decode()
    assert mine.sentence in own
    assert other.sentence not in own
    found = client.get(address, {"q": "SPEND"}).content.decode()
    assert other.sentence in found
    assert mine.sentence not in found


def test_the_home_page_and_the_side_bar_tell_how_many_are_open(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ann"))
    assert "open in the inbox" not in client.get(reverse("admin:index")).content.decode()
    alerts.raise_(cause(), NOW)
    page = client.get(reverse("admin:index")).content.decode()
    assert "1 open in the inbox" in page
    assert cause().sentence in page


def test_an_empty_inbox_says_what_would_stand_there(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ann"))
    page = client.get(reverse("admin:customers_alert_changelist")).content.decode()
    assert "No alerts yet" in page
    assert "trainings that were refused" in page


def test_who_may_not_see_alerts_sees_none(client: Client) -> None:
    client.force_login(User.objects.create_user("new", is_staff=True))
    alerts.raise_(cause(), NOW)
    assert client.get(reverse("admin:customers_alert_changelist")).status_code == 403
    assert cause().sentence not in client.get(reverse("admin:index")).content.decode()
