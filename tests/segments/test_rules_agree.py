"""The meaning of a rule equals a naive reading, customer by customer, on random trees, customers and events."""

import pytest

from segments.rules.history import HISTORIES
from segments.rules.measures import MEASURES
from segments.rules.operators import OPERATORS
from segments.rules.parser import KINDS as NODES
from tests.segments.agreement import ENOUGH, agree
from tests.segments.random_rules import KINDS


@pytest.mark.long
def test_mask_explanation_and_the_slow_reading_agree() -> None:
    tally = agree(ENOUGH)
    assert tally.trees >= ENOUGH
    assert tally.differences == []
    assert tally.silent() == []


def test_every_node_and_operator_is_drawn() -> None:
    asked = {f"history {kind}" for kind in HISTORIES}
    asked |= {f"{type} {name}" for type, name in OPERATORS} | {f"event {measure}" for measure in MEASURES}
    asked |= {f"{type} {name} another field" for (type, name), row in OPERATORS.items() if row.against}
    assert asked - set(KINDS) == set()
    assert NODES.keys() - {"field"} - {kind.split()[0] for kind in KINDS} == set()
