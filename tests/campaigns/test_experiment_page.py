"""The page of a campaign tells how its variants do, and its buttons use the best one and take that back."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import experiments
from campaigns.models import Campaign, VariantShares
from customers.models import Alert, AuditEntry
from segments import definition
from segments.models import Segment
from tests.campaigns.people import EMAIL_STEP, T0, campaign, customers
from tests.campaigns.trials import let_b_do_better

pytestmark = [pytest.mark.door, pytest.mark.django_db]
B = {"key": "b", "share": 0.5, "step": {**EMAIL_STEP, "subject": "Short"}}


def tried(**changes: Any) -> Campaign:
    """Make a campaign whose variant b does better, told a month ago."""
    definition.save(Segment(key="vips", name="VIPs", kind=Segment.Kind.LIST), None, T0)
    values: dict[str, Any] = {"trigger": {"kind": "hand"}, "audience": Segment.objects.get(), "planned_customers": 300}
    of = campaign(variants=[B], **(values | changes))
    let_b_do_better(of, customers(300), timezone.now() - timedelta(days=30))
    return of


def page(client: Client, of: Campaign) -> str:
    answer = client.get(reverse("admin:campaigns_campaign_change", args=[of.pk]))
    assert answer.status_code == 200
    return answer.content.decode().replace("\u00a0", " ")


def press(client: Client, of: Campaign, name: str) -> str:
    address = reverse("admin:campaigns_campaign_change", args=[of.pk]).removesuffix("change/")
    return client.post(f"{address}do/{name}/", follow=True).content.decode()


def test_the_winner_is_used_by_a_button_and_that_is_taken_back_by_another(admin_client: Client) -> None:
    of = tried()
    assert "Use b for everybody" not in page(admin_client, of)
    experiments.look(timezone.now())
    shown = page(admin_client, of)
    assert "“b” does best. Converted: main 20.00%, b 50.00%." in shown
    assert "Use b for everybody" in shown
    assert "Everybody gets “b” from now on." in press(admin_client, of, "use-b")
    of.refresh_from_db()
    assert (of.chosen_variant, of.version) == ("b", 2)
    shown = page(admin_client, of)
    assert "Everybody gets “b” since " in shown
    assert "“b” does best" in shown
    assert not Alert.objects.filter(state="open").exists()
    noted = AuditEntry.objects.get(what="campaign variant chosen")
    assert noted.by is not None
    assert "the shares hold. No winner is looked for." in press(admin_client, of, "take-choice-back")
    of.refresh_from_db()
    assert (of.chosen_variant, of.winner, of.version) == ("", "off", 3)


def test_who_may_not_launch_may_not_choose(client: Client) -> None:
    of = tried()
    experiments.look(timezone.now())
    user = User.objects.create_user("ann", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_campaign", "change_campaign"]))
    client.force_login(user)
    assert "Use b for everybody" not in page(client, of)
    press(client, of, "use-b")
    assert Campaign.objects.get().chosen_variant == ""


def test_shares_over_time_stand_in_words_a_table_and_a_chart(admin_client: Client) -> None:
    of = tried(split="adaptive", winner="off")
    assert "The shares are those of the plan until the first customers' 14 days are over." in page(
        admin_client, of
    ).replace("&#x27;", "'")
    experiments.look(timezone.now() - timedelta(days=1, hours=1))
    experiments.look(timezone.now() - timedelta(minutes=2))
    newest = VariantShares.objects.latest("at")
    shown = page(admin_client, of)
    assert VariantShares.objects.count() == 2
    assert f"“b” gets most now: {newest.shares['b']:.1%}".replace("%", " %") in shown
    assert "share of “b” in percent" in shown
    assert "Customers known by then" in shown


def test_a_campaign_without_variants_speaks_of_none(admin_client: Client) -> None:
    definition.save(Segment(key="vips", name="VIPs", kind=Segment.Kind.LIST), None, T0)
    of = campaign(trigger={"kind": "hand"}, audience=Segment.objects.get())
    assert "The variants" not in page(admin_client, of)
