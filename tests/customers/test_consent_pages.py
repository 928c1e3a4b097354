"""Consents and closed addresses by hand: with a source or a reason, by those who may, and noted."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from customers import consent
from customers.models import AuditEntry, Customer, Suppression
from tests.campaigns.people import T0, customers

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def clerk(client: Client, *codenames: str) -> Client:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def tell(client: Client, customer: Customer, **changes: str) -> Any:
    told = {"channel": "email", "topic": "sale", "said": "granted", "source": "on the phone", **changes}
    return client.post(reverse("admin:customers_customer_consent", args=[customer.pk]), told, follow=True)


def test_a_consent_is_stored_by_hand_with_its_source_and_noted(client: Client) -> None:
    (ada,) = customers(1)
    allowed = clerk(client, "view_customer", "change_consent")
    page = tell(allowed, ada).content.decode()
    assert "It is stored, and holds from now on." in page
    assert "on the phone" in page
    assert consent.is_allowed(ada.pk, "email", "sale")
    assert "It stood so already." in tell(allowed, ada).content.decode()
    tell(allowed, ada, said="withdrawn")
    assert not consent.is_allowed(ada.pk, "email", "sale")
    assert [(one.what, one.detail["source"]) for one in AuditEntry.objects.order_by("pk")] == [
        ("consent granted", "on the phone"),
        ("consent withdrawn", "on the phone"),
    ]
    assert "Said where: This field is required." in tell(allowed, ada, source="").content.decode()


def test_who_may_only_look_stores_no_consent_and_sees_no_form(client: Client) -> None:
    (ada,) = customers(1)
    looking = clerk(client, "view_customer")
    assert tell(looking, ada).status_code == 403
    assert not consent.is_allowed(ada.pk, "email", "sale")
    page = looking.get(reverse("admin:customers_customer_change", args=[ada.pk])).content.decode()
    assert "Store a consent by hand" not in page


def test_an_address_is_closed_by_hand_found_by_itself_and_opened_for_a_reason(client: Client) -> None:
    boss = clerk(client, "view_suppression", "add_suppression", "delete_suppression")
    add = reverse("admin:customers_suppression_add")
    assert "This is not an e-mail address." in boss.post(
        add, {"channel": "email", "address": "ada", "why": "x"}
    ).content.decode().replace("&#x27;", "'")
    boss.post(add, {"channel": "email", "address": "Ada@example.TEST", "why": "She wrote to us."})
    row = Suppression.objects.get()
    assert consent.is_suppressed("email", "ada@example.test")
    listing = reverse("admin:customers_suppression_changelist")
    assert [one.pk for one in boss.get(listing, {"q": "ada@example.test"}).context["cl"].result_list] == [row.pk]
    assert not boss.get(listing, {"q": "bob@example.test"}).context["cl"].result_list
    do = reverse("admin:customers_suppression_do", args=[row.pk, "open"])
    boss.post(do, {"said": " "})
    assert Suppression.objects.exists()
    assert boss.post(do, {"said": "She asked us to."}).url == listing  # type: ignore[attr-defined]
    assert not Suppression.objects.exists()
    assert [(one.what, one.detail["reason"]) for one in AuditEntry.objects.order_by("pk")] == [
        ("suppression added", "She wrote to us."),
        ("suppression removed", "She asked us to."),
    ]


def test_an_address_is_not_opened_without_the_right_nor_where_somebody_was_erased(client: Client) -> None:
    consent.suppress("email", "ada@example.test", "bounced", T0)
    row = Suppression.objects.get()
    do = reverse("admin:customers_suppression_do", args=[row.pk, "open"])
    clerk(client, "view_suppression", "add_suppression").post(do, {"said": "Because."})
    assert Suppression.objects.exists()
    Suppression.objects.update(reason="erased")
    client.force_login(User.objects.create_superuser("boss"))
    client.post(do, {"said": "Because."})
    assert Suppression.objects.exists()
