"""What no builder sends: each is answered within a second, with the place or with nobody, and never with everybody."""

import time
from typing import Any

import polars as pl
import pytest
from django.test import Client

from segments.models import Segment
from tests.customers.test_api import is_problem
from tests.segments.crowd import GERMAN, cycle, people
from tests.segments.test_api import send

pytestmark = [pytest.mark.door, pytest.mark.django_db]
SECOND = 1.0


def nested(levels: int) -> Any:
    return GERMAN if levels == 1 else {"not": nested(levels - 1)}


def preview(client: Client, node: Any) -> Any:
    """Ask for a preview, and hold that the answer comes within a second."""
    began = time.process_time()
    answer = send(client, "POST", "segments/preview/", {"rule": {"version": 1, "rule": node}})
    assert time.process_time() - began < SECOND
    return answer


REFUSED: list[tuple[Any, str, str]] = [
    ({"all": [GERMAN] * 10_000}, "rule.all[199]", "more than 200 nodes"),
    (nested(20), "rule" + ".not" * 8, "more than 8 levels"),
    ({"ids": ["c"] * 200_000}, "rule.ids", "200000 external ids"),
    ({**GERMAN, "op": "matches", "value": "(" * 200}, "rule.value", "pattern"),
    ({**GERMAN, "op": "matches", "value": r"((\w{60}){60}){60}"}, "rule.value", "too large"),
    ({**GERMAN, "op": "matches", "value": r"(a)\1"}, "rule.value", "linear time"),
    ({**GERMAN, "value": "\u202egp"}, "rule.value", "direction"),
    ({**GERMAN, "value": "\u200b\u2060"}, "rule.value", "not blank"),
    ({**GERMAN, "field": "cоuntry"}, "rule", "no field named"),
    ({**GERMAN, "value": ["DE"] * 100_000}, "rule.value", "expects a text"),
    ({**GERMAN, "op": "any_of", "value": [f"x{n}" for n in range(100_000)]}, "rule.value", "more than 1000"),
    ({"sample": 1e-400, "salt": "x"}, "rule.sample", "percentage above 0"),
]


@pytest.mark.parametrize(("node", "path", "words"), REFUSED, ids=[words for _, _, words in REFUSED])
def test_it_is_refused_with_its_place(client: Client, node: Any, path: str, words: str) -> None:
    cycle(people("DE", "AT"))
    problem = is_problem(preview(client, node), 400)
    (error,) = problem["errors"]
    assert (error["path"], words in str(problem)) == (path, True), problem
    assert len(str(problem)) < 2_000
    body = {"key": "bad", "name": "Bad", "rule": {"version": 1, "rule": node}}
    is_problem(send(client, "POST", "segments/", body), 400)
    assert not Segment.objects.exists()


def test_a_million_ids_are_too_much_for_one_request(client: Client) -> None:
    problem = is_problem(preview(client, {"ids": [f"c-{n}" for n in range(1_000_000)]}), 413)
    assert problem["detail"] == "The body is larger than 2,097,152 bytes."


def test_two_hundred_levels_are_refused(client: Client) -> None:
    assert "deep" in is_problem(preview(client, nested(200)), 400)["detail"]


def test_a_pattern_that_explodes_elsewhere_is_answered(client: Client) -> None:
    cycle(people("a" * 40, "a" * 39 + "b", None))
    assert preview(client, {**GERMAN, "op": "matches", "value": "^(a+)+$"}).json()["count"] == 1


@pytest.mark.parametrize(
    ("op", "value"),
    [("top_percent", 10), ("bottom_n", 5), ("percentile_between", [0, 100]), ("above_mean_sd", 1)],
)
def test_a_percentile_of_a_column_without_values_is_nobody(client: Client, op: str, value: Any) -> None:
    frame = people("DE", "AT").with_columns(pl.lit(None, pl.Float64).alias("features.spend_90d"))
    cycle(frame)
    node = {"field": "features.spend_90d", "op": op, "value": value}
    assert preview(client, node).json()["count"] == 0
    assert preview(client, {"not": node}).json()["count"] == 2


@pytest.mark.parametrize("text", ["ﬁn", "FIN", "Ⅳ", "e\u0301", "𝒟", "🇩🇪", "a\u200db", "%", "_", "'", "\\", "{}"])
def test_a_text_of_any_letters_finds_itself_only(client: Client, text: str) -> None:
    cycle(people(text, "DE", None))
    for op in ("is", "contains", "starts", "ends"):
        assert preview(client, {**GERMAN, "op": op, "value": text}).json()["count"] == 1, op
