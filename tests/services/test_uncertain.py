"""Whoever looks after a crash finds what is in doubt in the list of deliveries, with its reason."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from django.urls import reverse

from campaigns import deliver
from campaigns.models import Delivery
from tests.campaigns.mailbox import planned_mails
from tests.campaigns.people import T0

pytestmark = [pytest.mark.services, pytest.mark.door, pytest.mark.django_db]


def test_a_delivery_left_in_sending_is_listed_as_uncertain_with_its_reason(client: Client) -> None:
    lost, waiting = planned_mails(2)
    long_ago = F("due_at") - timedelta(days=1)
    Delivery.objects.filter(pk=lost.pk).update(state="sending", began_at=T0, token="t", lease_until=long_ago)
    assert deliver.sweep(T0) == (0, 1)
    client.force_login(User.objects.create_superuser("operator"))
    page = client.get(reverse("admin:campaigns_delivery_changelist"), {"state__exact": "uncertain"})
    shown = page.content.decode()
    assert "The worker stopped while it was sending; it may have arrived." in shown
    assert [one.pk for one in page.context["cl"].result_list] == [lost.pk]
    assert waiting.customer.external_id not in shown
