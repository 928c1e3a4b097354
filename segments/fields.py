"""What a rule may ask about: core columns, attributes, features, scores, consents, reach, events and segments."""

from collections.abc import Iterable, Iterator

from customers import features, snapshot
from customers.events import NEVER_COUNTED
from customers.models import Attribute, CampaignName, Channel, EventName
from customers.property_types import PropertyTypes
from scoring import targets
from scoring.models import Target
from segments.models import Segment
from segments.rules.needs import named
from segments.rules.nodes import Field, Fields, Type

__all__ = ["Field", "Fields", "Type", "catalogue"]

CUSTOMER, ATTRIBUTES, FEATURES, SCORES, CONSENT = "Customer", "Attributes", "Features", "Scores", "Consent"
CAMPAIGNS = "Campaigns"
CORE = (
    Field("country", "country", Type.TEXT, CUSTOMER),
    Field("city", "city", Type.TEXT, CUSTOMER),
    Field("language", "language", Type.TEXT, CUSTOMER),
    Field("time_zone", "time zone", Type.TEXT, CUSTOMER),
    Field("birth_date", "birth date", Type.DATE, CUSTOMER),
    Field("external_id", "external id", Type.TEXT, CUSTOMER),
)
REACH = (
    Field("reachable.email", "reachable by e-mail", Type.YES_NO, CONSENT),
    Field("reachable.phone", "reachable by phone", Type.YES_NO, CONSENT),
)
# Events that a rule may name before the first of them is stored.
STANDARD_EVENTS = frozenset(
    {*NEVER_COUNTED, "Page Viewed", "Product Viewed", "Email Sent", "Email Link Clicked", "Email Bounced"}
    | {"Unsubscribed", "Call Made", "Offer Given", "Offer Redeemed"}
)


def catalogue(consents: Iterable[str] | None = None) -> Fields:
    """Give everything a rule may name.

    `consents` are the names of the consent fields; left out, they are looked up in all consents on record.
    """
    segments = {key: named(rule, "segment") for key, rule in Segment.objects.values_list("key", "rule")}
    events = frozenset(EventName.objects.values_list("name", flat=True))
    return Fields(fields(consents), events | STANDARD_EVENTS, segments, PropertyTypes())


def fields(consents: Iterable[str] | None = None) -> dict[str, Field]:
    """Give all fields by name; `consents` as for `catalogue`."""
    found = [*CORE, *_attributes(), *_features(), *_scores(), *_campaigns(), *REACH, *_consents(consents)]
    return {field.name: field for field in found}


def _attributes() -> Iterator[Field]:
    core = {field.name for field in CORE}
    for name, label, type_ in Attribute.objects.order_by("name").values_list("name", "label", "type"):
        if name not in core:
            yield Field(f"attributes.{name}", label or name, Type(type_), ATTRIBUTES)


def _features() -> Iterator[Field]:
    for feature in features.names():
        yield Field(feature.column, feature.label, Type(feature.type), FEATURES, feature.unit)


def _scores() -> Iterator[Field]:
    for key, label, kind in Target.objects.order_by("key").values_list("key", "label", "kind"):
        unit = targets.unit(kind)
        yield Field(f"scores.{key}", f"{label}: score", Type.NUMBER, SCORES, unit)
        yield Field(f"scores.{key}.percentile", f"{label}: percentile", Type.NUMBER, SCORES, "%")
        yield Field(f"scores.{key}.rank", f"{label}: rank", Type.NUMBER, SCORES)
        yield Field(f"scores.{key}.change_7d", f"{label}: change in 7 days", Type.NUMBER, SCORES, unit)
        yield Field(f"scores.{key}.band", f"{label}: band", Type.TEXT, SCORES)


def _campaigns() -> Iterator[Field]:
    for key in CampaignName.objects.order_by("key").values_list("key", flat=True):
        yield Field(f"campaigns.{key}.state", f"what {key} last did", Type.TEXT, CAMPAIGNS)
        yield Field(f"campaigns.{key}.variant", f"variant of {key}", Type.TEXT, CAMPAIGNS)
        yield Field(f"campaigns.{key}.last_sent", f"when {key} last wrote or called", Type.DATE, CAMPAIGNS)


def _consents(names: Iterable[str] | None) -> Iterator[Field]:
    if names is None:
        names = [f"consent.{kind.channel}.{kind.topic}" for kind in snapshot.consent_kinds()]
    channels = {channel.value: channel.label for channel in Channel}
    for name in names:
        prefix, channel, topic = [*name.split(".", 2), "", ""][:3]
        if prefix == "consent" and channel in channels and topic:
            yield Field(name, f"consent to {channels[channel]}, {topic}", Type.YES_NO, CONSENT)
