"""Why one customer is in a segment or is not: her pin, every node of the rule, and what is stored of her."""

from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from customers import history, snapshot
from customers.models import Customer
from scoring import ranking
from scoring import why as scoring_why
from segments import cuts, everybody, past, rulebook, snapshot_reading
from segments.explanation import Explanation, explain
from segments.fields import catalogue
from segments.models import Segment, SegmentPin
from segments.rules import Fields, Rule, parse
from segments.rules.meaning import in_levels, missing_cuts
from segments.rules.nodes import Condition, placed


class NotYetKnown(Exception):
    """A customer of whom nothing is known by the time that is asked about."""

    def __init__(self, customer: Customer, now: datetime) -> None:
        super().__init__(f"Customer {customer.external_id} was not known as of {now:%Y-%m-%d %H:%M} UTC.")


@dataclass(frozen=True)
class Why:
    """`is_in` is the answer at that time: the pin's, else the rule's. `since` is null for who is not a member.

    `scores` has what raises and lowers each score that the rule asks, by its target's key.
    """

    segment: Segment
    customer: Customer
    as_of: datetime
    is_in: bool
    pin: SegmentPin | None
    explanation: Explanation
    since: datetime | None
    scores: dict[str, scoring_why.Why]


def why(segment: Segment, customer: Customer, now: datetime) -> Why:
    """Explain one customer by the same evaluation as membership, as of the latest snapshot.

    Who came after it is explained as of now. Raises RuleError, NeedsFullCycle, NotYetKnown, and NoSnapshot before the
    first full cycle.
    """
    fields = catalogue()
    rule = parse(segment.rule, fields, segment.key)
    explanation = snapshot_reading.again(lambda: _explained(rule, fields, customer, now))
    pin = SegmentPin.objects.filter(segment=segment, customer=customer).first()
    is_in = explanation.root.holds if pin is None else pin.kind == SegmentPin.Kind.INCLUDE
    member = segment.memberships.filter(customer=customer).first()
    since = member.since if member else None
    asked = _scores(rule)
    scores = scoring_why.of_customer(customer, asked) if asked else {}
    return Why(segment, customer, explanation.as_of, is_in, pin, explanation, since, scores)


def _scores(rule: Rule) -> list[str]:
    """Give the keys of the targets whose scores a rule asks."""
    names = [node.field.name.split(".") for _, node in placed(rule.root) if isinstance(node, Condition)]
    return sorted({parts[1] for parts in names if parts[0] == "scores"})


def _explained(rule: Rule, fields: Fields, customer: Customer, now: datetime) -> Explanation:
    people = everybody.latest()
    book = rulebook.behind(rule, fields)
    rules = [one for level in in_levels({"": rule}, book.readable) for one in level.values()]
    everyone = people.frame(rules)
    scope = history.Scope(ids=(customer.pk,), bucket=customer.bucket)
    own, as_of = everyone.filter(pl.col("customer_id") == customer.pk), people.pinned.as_of
    if own.is_empty():
        own, as_of = ranking.attach(snapshot.take(scope, now)), now
    if own.is_empty():
        raise NotYetKnown(customer, now)
    context = past.known(book.context(as_of, [customer.bucket]), rules, scope)
    absent = missing_cuts(rule, context)
    context = replace(context, cuts={**context.cuts, **cuts.take([everyone], absent)})
    return explain(rule, own, context)
