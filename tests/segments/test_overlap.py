"""The overlap counts every combination exactly."""

import itertools
import random

import polars as pl
import pytest

from segments import overlap
from segments.models import Membership, Segment
from tests.segments.crowd import AS_OF, AUSTRIAN, GERMAN, HOUR, cycle, people, saved

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def of(*keys: str) -> overlap.Overlap:
    stored = {segment.key: segment for segment in Segment.objects.all()}
    return overlap.overlap([stored[key] for key in keys])


def test_two_segments_share_whom_both_hold() -> None:
    saved("german")
    saved("dach", {"any": [GERMAN, AUSTRIAN]})
    cycle(people("DE", "AT", "DE", "FR", "AT"))
    found = of("german", "dach")
    assert (found.sizes, found.either, found.all) == ({"german": 2, "dach": 4}, 4, 2)
    assert {part.segments: part.count for part in found.parts} == {
        ("german", "dach"): 2,
        ("german",): 0,
        ("dach",): 2,
    }
    (pair,) = found.pairs
    assert (pair.both, pair.share_of_one, pair.share_of_other, pair.share_of_either) == (2, 1.0, 0.5, 0.5)
    assert found.sentence == "2 customers are in both “German” and “Dach”: 100 % of “German” and 50 % of “Dach”."


@pytest.mark.parametrize("number", [2, 3, 6])
def test_every_combination_is_counted_as_the_rows_say(number: int) -> None:
    chance = random.Random(number)
    keys = [f"s{n}" for n in range(number)]
    for key in keys:
        chosen = chance.sample([f"c-{n}" for n in range(60)], chance.randrange(5, 50))
        saved(key, {"ids": chosen})
    cycle(people(*["DE"] * 60))
    held = {key: set(Membership.objects.filter(segment__key=key).values_list("customer", flat=True)) for key in keys}
    counts = {part.segments: part.count for part in of(*keys).parts}
    for size in range(1, number + 1):
        for chosen_keys in itertools.combinations(keys, size):
            inside = set.intersection(*(held[key] for key in chosen_keys))
            others = [held[key] for key in keys if key not in chosen_keys]
            assert counts.pop(chosen_keys) == len(inside.difference(*others))
    assert not counts


def test_those_who_came_after_a_bitmap_was_written_are_in_none() -> None:
    saved("german")
    saved("austrian", AUSTRIAN)
    frame = people("DE", "AT", "DE", "DE", "AT")
    cycle(frame.head(2))
    cycle(frame.with_columns(country=pl.when(pl.col("customer_id") == 1).then(pl.lit("DE")).otherwise("country")))
    found = of("german", "austrian")
    assert (found.sizes["german"], found.sizes["austrian"], found.all) == (3, 2, 0)
    assert found.sentence == "Nobody is in both “German” and “Austrian”."


def test_one_seven_or_twice_the_same_cannot_be_compared() -> None:
    for n in range(7):
        saved(f"s{n}", {"ids": [str(n)]})
    cycle(people("DE"))
    with pytest.raises(overlap.CannotCompare, match="2 to 6 segments can be compared, not 1"):
        of("s0")
    with pytest.raises(overlap.CannotCompare, match="not 7"):
        of(*(f"s{n}" for n in range(7)))
    with pytest.raises(overlap.CannotCompare, match="named twice"):
        of("s0", "s0")


def test_a_segment_that_no_cycle_counted_is_not_taken_for_an_empty_one() -> None:
    saved("german")
    frame = people("DE", "AT")
    cycle(frame)
    saved("austrian", AUSTRIAN)
    with pytest.raises(overlap.NotCounted, match="“Austrian” was not counted yet: the next full cycle counts"):
        of("german", "austrian")
    cycle(frame, AS_OF + HOUR)
    assert of("german", "austrian").sizes == {"german": 1, "austrian": 1}
