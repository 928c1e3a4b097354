"""What customers may agree to hear about: topics with the words they read, and those that consents brought along."""

from collections.abc import Iterable

from customers.models import Channel, Consent, Topic


def name_of(key: str) -> str:
    """Give a key in words: product-news is Product news."""
    words = " ".join(key.replace("-", " ").replace("_", " ").split())
    return words[:1].upper() + words[1:] or key


def offered(customer_id: int) -> list[Topic]:
    """Give the topics that a customer may choose among: all that are offered, and what else she was asked about."""
    stored = {topic.key: topic for topic in Topic.objects.all()}
    asked = Consent.objects.filter(customer_id=customer_id, channel=Channel.EMAIL).values_list("topic", flat=True)
    more = [Topic(key=key, name=name_of(key)) for key in asked if key not in stored]
    return sorted((t for t in [*stored.values(), *more] if t.is_offered), key=lambda t: (t.position, t.name.lower()))


def named(keys: Iterable[str]) -> dict[str, str]:
    """Give the names of topics."""
    names = dict(Topic.objects.filter(key__in=list(keys)).values_list("key", "name"))
    return {key: names.get(key) or name_of(key) for key in keys}


def note_seen() -> int:
    """Make rows for the topics that consents name and nobody has described yet. Give how many."""
    known = set(Topic.objects.values_list("key", flat=True))
    seen = Consent.objects.order_by().values_list("topic", flat=True).distinct()
    new = [Topic(key=key, name=name_of(key)) for key in seen if key not in known]
    Topic.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)
