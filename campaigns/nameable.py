"""What exists and may be named in the steps of campaigns."""

from campaigns import products
from campaigns.models import Asset, Campaign, Offer, Webhook
from campaigns.steps import Known
from customers.models import Attribute
from segments.models import Segment


def known() -> Known:
    """Give what steps may name; pictures and products are looked at when a campaign is launched."""
    types = dict(Attribute.objects.values_list("name", "type"))
    return Known(
        offers=frozenset(Offer.objects.values_list("key", flat=True)),
        attributes=frozenset(types),
        webhooks=frozenset(Webhook.objects.values_list("key", flat=True)),
        lists=frozenset(Segment.objects.filter(kind=Segment.Kind.LIST).values_list("key", flat=True)),
        types=types,
    )


def pictures() -> frozenset[str]:
    """Give the pictures that mails may show."""
    return frozenset(Asset.objects.values_list("public_id", flat=True))


def shown(campaign: Campaign) -> frozenset[str]:
    """Give those of the products that a campaign's mails name which there are."""
    return products.existing([campaign.steps, campaign.variants])
