"""Every file of tests/segments/rules: a rule, its sentence, some customers, and which of them match."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from segments.explanation import explain
from segments.rules import Type, sentence
from tests.segments.random_rules import KINDS, below, kinds_of
from tests.segments.slow.rows import Happened, Line, Moved, Person, Told, World
from tests.segments.slow.rules import holds
from tests.segments.world import AS_OF, FIELDS, PROPERTIES_OF_ORDERS, context_of, frame_of, matching, rule_of, seed_of

FILES = sorted((Path(__file__).parent / "rules").glob("*.json"))
LISTS = ("events", "told", "moves")


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def value_of(field: str, value: Any) -> Any:
    """Give a value as its field has it: dates are written as text."""
    if FIELDS.fields[field].type != Type.DATE or value is None:
        return value
    return date.fromisoformat(value) if len(value) == len("2026-01-31") else instant(value)


def number_of(name: str) -> int:
    return int(name.removeprefix("c-"))


def customer(name: str, data: Any) -> Person:
    values = {field: value_of(field, value) for field, value in data.items() if field not in LISTS}
    return Person(
        number_of(name),
        seed_of(number_of(name)),
        values,
        [happened(one) for one in data.get("events", [])],
        [Told(t["field"], value_of(t["field"], t["value"]), instant(t["known_at"])) for t in data.get("told", [])],
        [Moved(one["segment"], one["kind"], instant(one["as_of"])) for one in data.get("moves", [])],
    )


def happened(data: Any) -> Happened:
    lines = [Line(**line) for line in data.get("lines", [])]
    known_at = instant(data.get("known_at", data["at"]))
    return Happened(data["event"], instant(data["at"]), known_at, data.get("value"), data.get("properties", {}), lines)


def world(example: Any) -> World:
    people = [customer(name, data) for name, data in example["customers"].items()]
    by_hand = [
        {key: [number_of(name) for name in names] for key, names in example.get(part, {}).items()}
        for part in ("lists", "included", "excluded")
    ]
    as_of = instant(example["as_of"]) if "as_of" in example else AS_OF
    return World(people, as_of, example.get("zone", "UTC"), example.get("segments", {}), PROPERTIES_OF_ORDERS, *by_hand)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_an_example_matches_as_it_says(path: Path) -> None:
    example = read(path)
    found = world(example)
    assert sentence(rule_of(example["rule"])) == example["sentence"]
    assert [f"c-{number}" for number in matching(example["rule"], found)] == example["matching"]
    assert [one.external_id for one in found.people if holds(example["rule"], one, found)] == example["matching"]


@pytest.mark.parametrize("path", FILES[::8], ids=[path.stem for path in FILES[::8]])
def test_an_example_is_explained_as_it_matches(path: Path) -> None:
    example = read(path)
    found = world(example)
    frame, context = frame_of(found.people), context_of(found, example["rule"])
    explained = [explain(rule_of(example["rule"]), frame[i], context).root.holds for i in range(frame.height)]
    assert [name for name, is_in in zip(example["customers"], explained, strict=True) if is_in] == example["matching"]


def test_there_is_an_example_of_every_node_measure_and_group_of_operators() -> None:
    nodes = [node for path in FILES for node in below(read(path)["rule"])]
    shown = {kind for node in nodes for kind in kinds_of(node)}
    parts = ("event ", "history ", "lines ", "segment ", "sequence")
    wanted = {kind for kind in KINDS if kind.startswith(parts) or " " not in kind}
    assert wanted - shown - {"listed"} == set()
    groups = {kind.split()[0] for kind in shown} | {kind.split(" ", 2)[-1] for kind in shown}
    assert {"text", "number", "yes_no", "date", "list", "another field", "where", "within", "zone"} <= groups
    assert len(FILES) >= 40
