"""A pin goes before the rule: in members, previews, counts and in the segments that refer to it."""

from datetime import datetime

import polars as pl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers import erasure, merging
from segments import definition, membership, pins, preview, rulebook
from segments.models import MembershipChange, Segment, SegmentPin
from segments.pins import Pinned
from segments.rules import masks
from tests.segments.crowd import AS_OF, HOUR, cycle, ids, members, people, saved

pytestmark = [pytest.mark.door, pytest.mark.django_db]
IN, OUT = SegmentPin.Kind.INCLUDE, SegmentPin.Kind.EXCLUDE


def pin(segment: Segment, kind: str, *names: str, at: datetime = AS_OF + HOUR) -> None:
    pins.put(segment, ids(*names), Pinned(kind, "she asked", "mia", at))


def test_a_pin_makes_a_member_or_none_at_once_and_stays_so() -> None:
    german = saved("german")
    frame = people("DE", "AT", "DE", "FR")
    cycle(frame)
    pin(german, IN, "c-1")
    pin(german, OUT, "c-0")
    assert members("german") == ["c-1", "c-2"]
    german.refresh_from_db()
    assert german.size == 2
    cycle(frame, AS_OF + 2 * HOUR)
    assert members("german") == ["c-1", "c-2"]
    changes = MembershipChange.objects.filter(segment=german).values_list("customer__external_id", "kind")
    assert sorted(changes) == [("c-0", "entered"), ("c-0", "left"), ("c-1", "entered"), ("c-2", "entered")]


def test_a_pin_taken_away_leaves_the_word_to_the_rule() -> None:
    german = saved("german")
    frame = people("DE", "AT")
    cycle(frame)
    pin(german, OUT, "c-0")
    pin(german, IN, "c-1")
    assert pins.remove(german, ids("c-0", "c-1")) == 2
    cycle(frame, AS_OF + 2 * HOUR)
    assert members("german") == ["c-0"]


def test_a_pin_overrules_what_a_small_cycle_found_for_a_later_time() -> None:
    german = saved("german")
    frame = people("AT", "DE")
    cycle(frame)
    membership.refresh(frame.head(1).with_columns(country=pl.lit("DE")), AS_OF + 3 * HOUR)
    pin(german, OUT, "c-0")
    assert members("german") == ["c-1"]


def test_segments_that_refer_to_it_and_previews_follow_the_pin() -> None:
    german = saved("german")
    saved("others", {"segment": "german", "op": "not_in"})
    frame = people("DE", "AT", "DE", "FR")
    cycle(frame)
    pin(german, IN, "c-1")
    pin(german, OUT, "c-0")
    cycle(frame, AS_OF + 2 * HOUR)
    assert members("others") == ["c-0", "c-3"]
    for rule, key in (({"version": 1, "rule": {"segment": "german", "op": "in"}}, ""), (german.rule, "german")):
        found = preview.preview(rule, AS_OF + 3 * HOUR, key)
        assert sorted(one["external_id"] for one in found.sample) == members("german") == ["c-1", "c-2"]
        assert found.count == 2


def test_the_other_pin_takes_the_place_of_the_first() -> None:
    german = saved("german")
    cycle(people("DE", "AT"))
    pin(german, OUT, "c-0", "c-1")
    pin(german, IN, "c-0")
    assert members("german") == ["c-0"]
    assert sorted(german.pins.values_list("customer__external_id", "kind")) == [("c-0", "include"), ("c-1", "exclude")]


def test_more_pins_than_exceptions_belong_on_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    german = saved("german")
    people("DE", "AT", "DE")
    monkeypatch.setattr(pins, "MOST", 2)
    pin(german, IN, "c-0", "c-1")
    with pytest.raises(pins.TooManyPins, match="at most 2 pins"):
        pin(german, IN, "c-2")
    assert german.pins.count() == 2


def test_pins_go_with_the_customer_and_are_kept_when_two_become_one() -> None:
    german = saved("german")
    people("AT", "AT", "AT", "AT")
    pin(german, IN, "c-0", "c-1")
    pin(german, OUT, "c-2")
    merging.merge("c-3", "c-1", AS_OF)
    merging.merge("c-0", "c-2", AS_OF)
    assert sorted(german.pins.values_list("customer__external_id", "kind")) == [("c-0", "include"), ("c-3", "include")]
    erasure.erase("c-0", AS_OF, "asked for it")
    assert german.pins.count() == 1


def test_without_pins_and_lists_the_frame_costs_no_more_than_one_question() -> None:
    saved("german")
    frame = people("DE", "AT")
    book = rulebook.read()
    with CaptureQueriesContext(connection) as asked:
        context = book.context(AS_OF, [0])
        masks(book.rules, frame, context)
    assert len(asked) == 1


def test_a_duplicate_has_the_same_rule_and_pins() -> None:
    german = saved("german", folder="Countries", tags=["dach"])
    frame = people("DE", "AT", "FR")
    pin(german, IN, "c-1")
    other = definition.duplicate(german, "german-2", "Germans again", None, AS_OF)
    assert (other.rule, other.folder, other.tags, other.versions.count()) == (german.rule, "Countries", ["dach"], 1)
    cycle(frame, AS_OF + HOUR)
    assert members("german-2") == members("german") == ["c-0", "c-1"]
