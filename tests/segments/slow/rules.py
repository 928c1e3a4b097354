"""Whether a rule holds for a customer, node by node."""

import hashlib

from tests.segments.slow.events import event_holds, membership_holds, sequence_holds
from tests.segments.slow.fields import field_holds
from tests.segments.slow.history import history_holds
from tests.segments.slow.rows import Json, Person, World

MASK = 2**64 - 1


def holds(node: Json, person: Person, world: World) -> bool:
    """Say whether a node holds for a customer."""
    for kind in ("all", "any", "none", "of"):
        if kind in node:
            found = [holds(child, person, world) for child in node[kind]]
            wanted = {"all": len(found), "any": 1, "none": 0, "of": node.get("at_least", 0)}[kind]
            return not any(found) if kind == "none" else bool(sum(found) >= wanted)
    if "not" in node:
        return not holds(node["not"], person, world)
    if "event" in node:
        return event_holds(node, person, world)
    if "sequence" in node:
        return sequence_holds(node, person, world)
    if "field" in node and "op" not in node:
        return history_holds(node, person, world)
    return field_holds(node, person, world) if "field" in node else other_holds(node, person, world)


def other_holds(node: Json, person: Person, world: World) -> bool:
    if "segment" in node and "op" not in node:
        return membership_holds(node, person, world)
    if "segment" in node:
        return is_member(node["segment"], person, world) is (node["op"] == "in")
    if "sample" in node:
        return bool(draw(person.seed, node["salt"]) < node["sample"] / 100)
    return person.external_id in node["ids"]


def is_member(key: str, person: Person, world: World) -> bool:
    """Say whether a customer is in a segment: who was set by hand first, then its list, or its rule."""
    if person.number in world.excluded.get(key, ()):
        return False
    if person.number in world.included.get(key, ()):
        return True
    rule = world.segments[key]
    return person.number in world.lists[key] if "listed" in rule else holds(rule, person, world)


def draw(seed: int, salt: str) -> float:
    """SplitMix64 in Python's own whole numbers."""
    state = (seed & MASK) ^ int.from_bytes(hashlib.blake2b(salt.encode(), digest_size=8).digest(), "big")
    state = (state + 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return ((state ^ (state >> 31)) >> 11) / 2**53
