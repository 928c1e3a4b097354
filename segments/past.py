"""What rules ask of the past beyond events, from where it is kept. Nothing is read that no rule asks for."""

from collections.abc import Iterable
from dataclasses import replace

from customers import history
from customers.history import Scope
from scoring import bands
from segments.rules import Context, Rule, needs
from segments.rules.meaning import in_levels


def known(context: Context, rules: Iterable[Rule], scope: Scope) -> Context:
    """Give the context with the histories that these rules, and those they refer to, ask of the scope's customers."""
    named = {str(number): rule for number, rule in enumerate(rules)}
    asked = [needs(rule) for level in in_levels(named, context.segments) for rule in level.values()]
    told = {name for one in asked for name in one.told}
    of_scores = {name for name in told if name.startswith("scores.")}
    if of_scores:
        context = replace(context, bands=bands.told(scope, of_scores).lazy())
    if told - of_scores:
        lake = history.pin()
        context = replace(context, attributes=lake.attributes(scope), pinned=lake)
    return context
