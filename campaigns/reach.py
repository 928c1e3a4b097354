"""How many customers a campaign may act on: those who agreed, have an address, and belong to its audience."""

from typing import NamedTuple

from django.db.models import Exists, OuterRef

from campaigns.models import Campaign, Way
from customers import consent
from customers.models import Consent, Customer, Identity
from segments.models import Membership


class Reach(NamedTuple):
    """How many a campaign may act on: those who agreed and have an address, and how many of them the segment has.

    Where nobody is contacted: all customers, and the segment's.
    """

    agreed: int
    eligible: int


def reach(campaign: Campaign, way: Way) -> Reach:
    """Count who agreed to a campaign's topic and has an address for its channel; everybody, where none is needed."""
    granted = Consent.objects.filter(customer=OuterRef("pk"), channel=way, topic=campaign.topic, is_granted=True)
    device = Identity.objects.filter(customer=OuterRef("pk"), kind=Identity.Kind.DEVICE)
    agreed = Customer.objects.filter(Exists(granted)) if way.is_contact else Customer.objects.all()
    if way == Way.PUSH:
        agreed = agreed.filter(Exists(device))
    elif way.is_contact:
        agreed = agreed.filter(**{f"{consent.ADDRESSES[way]}__isnull": False})
    members = Membership.objects.filter(customer=OuterRef("pk"), segment=campaign.audience_id)
    eligible = agreed.filter(Exists(members)) if campaign.audience_id else agreed
    return Reach(agreed.count(), eligible.count())
