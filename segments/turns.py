"""What turned a rule's answer about some customers between two snapshots: the values of the conditions that changed."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple

import polars as pl

from customers import snapshot
from customers.history import Scope
from scoring import ranking
from scoring.models import ModelVersion
from segments import cuts, moves, past, rulebook
from segments.explanation import WHO
from segments.leaves import Leaves
from segments.rules import Fields, Rule, needs
from segments.rules.comparisons import Comparison
from segments.rules.meaning import answers, in_levels, with_made
from segments.rules.nodes import Condition, EventCondition, Group, Node, placed
from segments.rules.sentence import in_words

MOST_TOLD = 3


class Turn(NamedTuple):
    """What a rule's answer about a customer became, and by what."""

    holds: bool
    told: str


@dataclass(frozen=True)
class _Then:
    """A rule's answers as of a snapshot: by customer, of the whole, of each leaf by its path, and what leaves saw."""

    whole: dict[int, bool]
    holds: dict[int, dict[str, bool]]
    seen: dict[int, dict[str, Any]]


def turned(
    rule: Rule, fields: Fields, customers: Collection[int], between: tuple[datetime, datetime]
) -> dict[int, Turn]:
    """Say by customer what turned the rule's answer between two snapshots; only of those whose answer did turn.

    Raises LakeError where a snapshot is gone.
    """
    before, after = (_at(rule, fields, customers, as_of) for as_of in between)
    leaves = {path: node for path, node in placed(rule.root) if not isinstance(node, Group)}
    found: dict[int, Turn] = {}
    for one in before.whole.keys() & after.whole.keys():
        if before.whole[one] == after.whole[one]:
            continue
        changed = [path for path in leaves if before.holds[one][path] != after.holds[one][path]]
        told = [
            _told(leaves[path], before.seen[one][path], after.seen[one][path], after.holds[one][path])
            for path in changed[:MOST_TOLD]
        ]
        found[one] = Turn(after.whole[one], "; ".join(told) + (" …" if len(changed) > MOST_TOLD else ""))
    return found


def _at(rule: Rule, fields: Fields, customers: Collection[int], as_of: datetime) -> _Then:
    book = rulebook.behind(rule, fields)
    rules = [one for level in in_levels({"": rule}, book.readable) for one in level.values()]
    everyone = _everyone({name for one in rules for name in needs(one).columns}, as_of)
    scope = Scope(ids=tuple(sorted(customers)))
    context = past.known(book.context(as_of), rules, scope)
    context = replace(context, cuts=cuts.take([everyone], {node for one in rules for node in needs(one).cuts}))
    leaves = {path: node for path, node in placed(rule.root) if not isinstance(node, Group)}
    own = with_made(everyone.filter(pl.col("customer_id").is_in(scope.ids or ())), leaves.values(), context)
    answered = answers(leaves.values(), own, context)
    holds = pl.DataFrame([answered.holds[node].alias(path) for path, node in leaves.items()])
    seen = pl.DataFrame([_seen(node, own, answered.found).alias(path) for path, node in leaves.items()])
    ids = own["customer_id"].to_list()
    return _Then(
        dict(zip(ids, Leaves(rule, holds, pl.DataFrame()).whole().to_list(), strict=True)),
        dict(zip(ids, holds.to_dicts(), strict=True)),
        dict(zip(ids, seen.to_dicts(), strict=True)),
    )


def _everyone(names: set[str], as_of: datetime) -> pl.DataFrame:
    """Give all customers of a snapshot with some columns, and with where their scores stood among all."""
    scores = {".".join(name.split(".")[:2]) for name in names if name.startswith("scores.")}
    frame = snapshot.load(as_of, columns={*names, *scores, *WHO})
    if not scores & {*frame.columns}:
        return frame
    live = ModelVersion.objects.filter(state=ModelVersion.State.LIVE).values_list("target__key", "bands")
    return ranking.place_among(frame, {f"scores.{key}": bands for key, bands in live})


def _seen(node: Node, own: pl.DataFrame, found: Any) -> pl.Series:
    if isinstance(node, Condition) and node.field.name in own.columns:
        return own[node.field.name]
    return found[node] if node in found else pl.Series([None] * own.height)


def _told(node: Node, before: Any, after: Any, is_so: bool) -> str:
    """Say `Orders in 90 days: 4 → 5`, or, of what has no value that changed, what is so now, or is so no longer."""
    if isinstance(node, Condition) and before != after:
        return f"{node.field.label}: {moves.told(before)} → {moves.told(after)}"
    if isinstance(node, EventCondition) and isinstance(node.compare, Comparison) and not isinstance(after, date):
        before, after = ((one or 0) if node.measure in moves.ZERO else one for one in (before, after))
        if before != after:
            return f"{moves.label(node)}: {moves.told(before)} → {moves.told(after)}"
    return in_words(node) if is_so else f"no longer: {in_words(node)}"
