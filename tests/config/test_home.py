"""The home page tells how the loop stands, and what to do next where something is missing."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.models import Campaign
from customers.models import Customer
from tests.config import world

pytestmark = [pytest.mark.door, pytest.mark.django_db]


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def home(client: Client) -> str:
    return client.get(reverse("admin:index")).content.decode()


def test_an_empty_house_is_told_to_import_customers(boss: Client) -> None:
    page = home(boss)
    assert "Next: Import customers" in page
    assert "manage.py import_customers" in page


def test_the_next_missing_step_is_named(boss: Client) -> None:
    world.customers(2)
    assert "Next: Import what they did" in home(boss)


def test_a_running_loop_shows_its_state_and_no_next_step(boss: Client) -> None:
    world.fill(12)
    page = home(boss)
    assert "Next:" not in page
    said = (
        "Sending is on",
        "Win them back",
        "No order within 60 days",
        "62 of 100",
        "58 to 66",
        "Regulars in DE and AT",
        "7.4 s",
    )
    for text in said:
        assert text in page, text


def test_only_customers_with_consent_count_as_reachable(boss: Client) -> None:
    world.fill(12)
    assert "9 reachable by e-mail, 0 by phone" in home(boss)
    Customer.objects.filter(external_id="c-0000").update(email=None)
    assert "8 reachable by e-mail, 0 by phone" in home(boss)


def test_the_home_page_asks_a_bounded_number_of_questions(boss: Client) -> None:
    world.fill(30)
    with CaptureQueriesContext(connection) as asked:
        home(boss)
    assert len(asked) <= 36


def test_the_root_leads_to_the_admin(client: Client) -> None:
    assert client.get("/")["Location"] == "/admin/"


def test_a_prediction_is_told_by_its_grade(boss: Client) -> None:
    world.fill(12)
    page = home(boss)
    assert "How well it sorts" in page
    assert "of 100" in page
    assert "AUC" not in page


def test_campaigns_that_paused_themselves_are_told_with_the_reason(boss: Client) -> None:
    world.fill(6)
    assert "Campaigns that paused themselves" not in home(boss)
    Campaign.objects.filter(key="win-back").update(state="paused", paused_why="91 customers would get it.")
    page = home(boss)
    assert "Campaigns that paused themselves" in page
    assert "91 customers would get it." in page
