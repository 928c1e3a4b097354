"""Lists: pasted, uploaded or frozen; every id is accounted for, and members follow at once."""

import gzip
import io
from datetime import timedelta

import polars as pl
import pytest

from customers import erasure, merging
from customers.models import Customer
from segments import definition, lists, pins
from segments.fields import catalogue
from segments.models import ListChange, ListMember, ListRefused, Segment
from segments.pins import Pinned
from segments.rules import RuleError, parse, sentence
from tests.segments.crowd import AS_OF, GERMAN, HOUR, cycle, ids, members, people, saved

pytestmark = [pytest.mark.door, pytest.mark.django_db]


def made(key: str = "friends") -> Segment:
    return definition.save(Segment(key=key, name=key.title(), kind="list"), None, AS_OF)


def test_pasted_ids_are_members_at_once_and_ids_of_nobody_are_told() -> None:
    friends = made()
    people("DE", "AT", "DE")
    change = lists.add(friends, lists.pasted("c-0\nc-2, c-0;nobody\n\n c-1x "), "mia", AS_OF)
    assert members("friends") == ["c-0", "c-2"]
    assert (change.read, change.repeated, change.unknown, change.added) == (5, 1, 2, 2)
    assert change.unknown_ids == ["nobody", "c-1x"]
    friends.refresh_from_db()
    assert (friends.size, friends.as_of) == (2, AS_OF)


def test_a_cycle_leaves_the_list_as_it_is_and_other_segments_may_ask_it() -> None:
    friends = made()
    saved("german-friends", {"all": [GERMAN, {"segment": "friends", "op": "in"}]})
    frame = people("DE", "AT", "DE", "FR")
    lists.add(friends, lists.pasted("c-0 \n c-1"), "mia", AS_OF)
    cycle(frame, AS_OF + HOUR)
    assert members("friends") == ["c-0", "c-1"]
    assert members("german-friends") == ["c-0"]


def test_a_list_can_be_replaced_and_cut_down() -> None:
    friends = made()
    people("DE", "AT", "DE", "FR")
    lists.add(friends, lists.pasted("c-0\nc-1"), "mia", AS_OF)
    change = lists.replace(friends, lists.pasted("c-1\nc-2\nc-3"), "mia", AS_OF)
    assert (change.added, change.removed) == (2, 1)
    assert members("friends") == ["c-1", "c-2", "c-3"]
    change = lists.remove(friends, lists.pasted("c-3\nc-0"), "mia", AS_OF)
    assert (change.removed, change.unknown) == (1, 0)
    assert members("friends") == ["c-1", "c-2"]
    assert list(friends.list_changes.order_by("pk").values_list("how", flat=True)) == ["added", "replaced", "removed"]


def test_a_pin_goes_before_the_list() -> None:
    friends = made()
    people("DE", "AT")
    pins.put(friends, ids("c-0"), Pinned("exclude", "no", "mia", AS_OF))
    lists.add(friends, lists.pasted("c-0\nc-1"), "mia", AS_OF)
    assert members("friends") == ["c-1"]


@pytest.mark.parametrize(
    ("body", "column"),
    [
        (b"c-0\nc-2\n", ""),
        (b"external_id\nc-0\nc-2\n", ""),
        (b"\xef\xbb\xbfname;customer_id\nAda;c-0\nBo;c-2\n", ""),
        (b"name,who\nAda,c-0\nBo,c-2\n", "who"),
        (gzip.compress(b"c-0\r\nc-2", mtime=0), ""),
    ],
)
def test_a_file_with_one_id_a_line_or_a_column_of_ids_is_read(body: bytes, column: str) -> None:
    assert lists.uploaded("my friends.csv", body, column).ids.to_list() == ["c-0", "c-2"]


def test_a_spreadsheet_of_numbers_gives_whole_ids() -> None:
    frame, path = pl.DataFrame({"id": [17.0, 4.0]}), io.BytesIO()
    frame.write_parquet(path)
    assert lists.uploaded("ids.parquet", path.getvalue()).ids.to_list() == ["17", "4"]


@pytest.mark.parametrize(
    ("body", "column", "said"),
    [
        (b"", "", "There are no ids in friends.csv"),
        (b"name,town\nAda,Ulm\n", "", "friends.csv has 2 columns; say which of name, town holds the ids"),
        (b"name,town\nAda,Ulm\n", "id", "friends.csv has no column 'id'"),
        (b"external_id\n", "", "There are no ids in friends.csv"),
        (b"id;name\n", "", "friends.csv has a header and no lines"),
        (b"%PDF-1.4 ...", "", "friends.csv is a PDF"),
    ],
)
def test_a_file_without_ids_is_refused_with_the_reason(body: bytes, column: str, said: str) -> None:
    with pytest.raises(lists.ListError, match=said):
        lists.uploaded("friends.csv", body, column)


def test_every_line_that_is_nobodys_is_kept_with_its_reason_and_stops_no_other() -> None:
    friends = made()
    people("DE", "AT", "DE")
    Customer.objects.filter(external_id="c-1").update(email="bob@example.test")
    Customer.objects.filter(external_id="c-2").update(email="bob@example.test")
    body = f"customer_id\nc-0\n\nnobody\nBob@Example.test\nann@example.test\n{'x' * 300}\nnobody\nno@where\n"
    change = lists.add(friends, lists.uploaded("may.txt", body.encode()), "mia", AS_OF)
    assert members("friends") == ["c-0", "c-1", "c-2"], "all who share an address"
    assert (change.read, change.added, change.repeated, change.unknown) == (7, 3, 1, 4)
    refused = list(change.refused.order_by("pk").values_list("line", "given", "why"))
    assert refused == [
        (4, "nobody", "unknown"),
        (6, "ann@example.test", "unknown_email"),
        (7, "x" * 254, "too_long"),
        (9, "no@where", "unknown_email"),
    ]


def test_lines_of_a_table_are_those_of_its_file() -> None:
    friends = made()
    people("DE")
    change = lists.add(friends, lists.uploaded("may.csv", b"name,email\nAda,a@b.de\nBo,\nCy,c@d.de\n"), "mia", AS_OF)
    assert list(change.refused.order_by("pk").values_list("line", "given")) == [(2, "a@b.de"), (4, "c@d.de")]
    pasted = lists.remove(friends, lists.pasted("c-0;nobody\r\n\r\nnobody-2"), "mia", AS_OF)
    assert list(pasted.refused.order_by("pk").values_list("line", "given")) == [(1, "nobody"), (3, "nobody-2")]
    assert lists.uploaded("x.csv", b"email,customer_id\na@b.de,c-0\n").ids.to_list() == ["c-0"], "an id goes first"


def test_what_was_refused_goes_after_a_month_and_with_whom_it_names() -> None:
    friends = made()
    change = lists.add(friends, lists.pasted("C-0\nAda@b.de\nnobody"), "mia", AS_OF)
    assert (change.unknown, change.refused.count()) == (3, 3)
    people("DE")
    Customer.objects.update(email="ada@b.de")
    erasure.erase("c-0", AS_OF, "asked for it")
    change.refresh_from_db()
    assert change.unknown_ids == ["nobody"]
    assert [one.given for one in change.refused.all()] == ["nobody"]
    lists.add(friends, lists.pasted("nobody-2"), "mia", AS_OF + timedelta(days=31))
    assert [one.given for one in ListRefused.objects.all()] == ["nobody-2"]


def test_many_lines_are_found_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    friends = made()
    people("DE", "AT")
    Customer.objects.filter(external_id="c-1").update(email="bob@example.test")
    monkeypatch.setattr(lists, "FEW", 1)
    lists.add(friends, lists.pasted("c-0\nbob@example.test\nann@example.test"), "mia", AS_OF)
    assert members("friends") == ["c-0", "c-1"]


def test_more_ids_than_a_list_takes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST", 2)
    with pytest.raises(lists.ListError, match="There are 3 ids; a list takes at most 2 at a time"):
        lists.pasted("a\nb\nc")
    monkeypatch.setattr(lists, "MOST_BYTES", 4)
    with pytest.raises(lists.ListError, match="is larger than"):
        lists.uploaded("friends.txt", b"a\nb\nc")


def test_a_frozen_list_keeps_who_belonged_to_the_rule_then() -> None:
    german = saved("german")
    frame = people("DE", "AT", "DE")
    cycle(frame)
    german.refresh_from_db()
    frozen = lists.frozen(german, "german-in-may", "Germans in May", None, AS_OF)
    change = frozen.list_changes.get()
    assert (change.read, change.added, change.how) == (2, 2, "frozen")
    assert change.source == "german as of 2026-05-20 12:00 UTC"
    cycle(frame.with_columns(country=pl.lit("AT")), AS_OF + HOUR)
    assert members("german") == []
    assert members("german-in-may") == ["c-0", "c-2"]


def test_a_list_goes_with_its_segment_and_its_customers() -> None:
    friends, others = made(), made("others")
    people("DE", "AT", "DE", "FR")
    lists.add(friends, lists.pasted("c-0\nc-1"), "mia", AS_OF)
    lists.add(others, lists.pasted("c-0\nc-2"), "mia", AS_OF)
    merging.merge("c-3", "c-1", AS_OF)
    erasure.erase("c-0", AS_OF, "asked for it")
    assert sorted(ListMember.objects.values_list("segment__key", "customer__external_id", "bucket")) == [
        ("friends", "c-3", 3),
        ("others", "c-2", 2),
    ]
    definition.delete(friends)
    assert ListMember.objects.count() == ListChange.objects.count() == 1


def test_a_copy_of_a_list_is_a_list_of_its_own() -> None:
    friends = made()
    frame = people("DE", "AT")
    lists.add(friends, lists.pasted("c-0\nc-1"), "mia", AS_OF)
    definition.duplicate(friends, "friends-2", "Friends again", None, AS_OF)
    lists.remove(friends, lists.pasted("c-0"), "mia", AS_OF)
    cycle(frame, AS_OF + HOUR)
    assert (members("friends"), members("friends-2")) == (["c-1"], ["c-0", "c-1"])


def test_only_a_list_has_a_list() -> None:
    with pytest.raises(RuleError, match="only a segment of kind list has a list of its own"):
        saved("own", {"listed": True})
    with pytest.raises(RuleError, match="only a segment of kind list"):
        parse(definition.LISTED, catalogue())
    friends = made()
    assert sentence(parse(friends.rule, catalogue(), "friends")) == "on the list"
    friends.kind = "rule"
    with pytest.raises(RuleError, match="kind: a list stays a list"):
        definition.save(friends, None, AS_OF)
