"""What a field was: ever, never, changed and unchanged, of attributes and of the bands of scores."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from segments.rules import RuleError, needs, sentence
from tests.segments.slow.rows import Person, Told, World
from tests.segments.world import AS_OF, FIELDS, matching, person, rule_of

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
PLAN = "attributes.plan"
LAST_30 = {"last": 30, "unit": "days"}


def was(number: int, *values: tuple[int | datetime, Any], field: str = PLAN, **more: Any) -> Person:
    """Give a customer whose field took these values, each so many days ago or at a time."""
    told = [Told(field, value, AS_OF - when * DAY if isinstance(when, int) else when) for when, value in values]
    now = [one.value for one in sorted(told, key=lambda one: one.known_at) if one.known_at <= AS_OF]
    one = person(number, **{field.replace(".", "__"): now[-1] if now else None}, **more)
    one.told.extend(told)
    return one


def found(node: Any, *people: Person, zone: str = "UTC") -> list[int]:
    return matching(node, World(list(people), AS_OF, zone))


def asked(field: str = PLAN, **node: Any) -> dict[str, Any]:
    return {"field": field, **node}


def test_ever_and_never_look_at_all_values_and_leave_out_who_never_had_one() -> None:
    people = (
        was(1, (90, "gold"), (10, "basic")),
        was(2, (90, "basic")),
        was(3, (90, "Gold")),
        was(4),
        was(5, (90, "gold"), (10, None)),
        was(6, (90, None)),
        was(7, (-1, "gold")),
    )
    assert found(asked(ever="gold"), *people) == [1, 3, 5]
    assert found(asked(never="gold"), *people) == [2]
    assert found(asked(never="gold", missing="include"), *people) == [2, 4, 6, 7]
    assert found(asked(ever="gold", exact=True), *people) == [1, 5]
    assert found({"not": asked(ever="gold")}, *people) == [2, 4, 6, 7]


@pytest.mark.parametrize(
    ("field", "values", "value", "expected"),
    [
        (PLAN, ["Straße", "x"], "STRASSE", [0]),
        ("attributes.since", ["2026-05-01", "2026-05-02T23:30:00Z"], "2026-05-02", [1]),
        ("attributes.tags", [["a", "B"], ["c"]], "b", [0]),
        ("country", ["DE", "AT"], "de", [0]),
        ("scores.lapse.band", ["high", "low"], "high", [0]),
    ],
)
def test_every_type_of_field_has_its_history(field: str, values: list[Any], value: Any, expected: list[int]) -> None:
    people = []
    for number, told in enumerate(values):
        one = person(number)
        one.told.append(Told(field, told, AS_OF - DAY))
        people.append(one)
    assert found(asked(field, ever=value), *people) == expected
    assert found(asked(field, never=value), *people) == [i for i in range(len(values)) if i not in expected]


def test_a_day_is_the_same_day_in_the_history() -> None:
    one = was(1, (9, "1990-06-01"), field="birth_date")
    one.values["birth_date"] = date(1990, 6, 2)
    for zone in ("UTC", "Pacific/Auckland", "America/Los_Angeles"):
        assert found(asked("birth_date", ever="1990-06-01"), one, zone=zone) == [1]
        assert found(asked("birth_date", ever="1990-06-02"), one, zone=zone) == [1]
        assert found(asked("birth_date", ever="1990-06-03"), one, zone=zone) == []


def test_a_change_is_from_one_value_to_another() -> None:
    people = (
        was(1, (90, "basic"), (10, "gold")),
        was(2, (10, "gold")),
        was(3, (90, "basic"), (40, "gold")),
        was(4, (90, "basic"), (10, "Basic")),
        was(5, (90, "basic"), (20, None), (10, "basic")),
        was(6, (90, "basic"), (20, None), (10, "gold")),
        was(7, (90, "basic"), (10, None)),
        was(8),
        was(9, (90, "basic"), (-1, "gold")),
    )
    assert found(asked(changed=LAST_30), *people) == [1, 6]
    assert found(asked(changed=LAST_30, exact=True), *people) == [1, 4, 6]
    assert found(asked(changed=LAST_30, missing="include"), *people) == [1, 6, 8]
    assert found(asked(changed={"from": "2026-04-01", "to": "2026-05-01"}), *people) == [3]
    assert found({"not": asked(changed=LAST_30)}, *people) == [2, 3, 4, 5, 7, 8, 9]


def test_a_change_may_be_asked_from_and_to_a_value() -> None:
    people = (
        was(1, (90, "basic"), (10, "gold")),
        was(2, (90, "gold"), (10, "basic")),
        was(3, (90, "basic"), (20, "silver"), (10, "gold")),
        was(4, (90, "basic"), (40, "gold")),
    )
    assert found(asked(changed={"from": "Basic", "to": "gold", "within": LAST_30}), *people) == [1]
    assert found(asked(changed={"to": "gold", "within": LAST_30}), *people) == [1, 3]
    assert found(asked(changed={"from": "gold", "within": LAST_30}), *people) == [2]


def test_a_change_lies_in_its_window_with_the_end_in() -> None:
    start = AS_OF - 30 * DAY
    people = [was(i, (90, "a"), (time, "b")) for i, time in enumerate([start, start + TICK, AS_OF, AS_OF + TICK])]
    assert found(asked(changed=LAST_30), *people) == [1, 2]
    assert found(asked(unchanged_for={"n": 30, "unit": "days"}), *people) == [0, 3]


def test_unchanged_counts_from_when_the_value_came_and_needs_one() -> None:
    people = (
        was(1, (90, "basic")),
        was(2, (10, "basic")),
        was(3, (90, "basic"), (10, "gold")),
        was(4, (90, "basic"), (10, "BASIC")),
        was(5, (90, "basic"), (10, None)),
        was(6),
    )
    length = {"n": 30, "unit": "days"}
    assert found(asked(unchanged_for=length), *people) == [1, 4]
    assert found(asked(unchanged_for=length, exact=True), *people) == [1]
    assert found(asked(unchanged_for=length, missing="include"), *people) == [1, 4, 5, 6]


def test_a_band_that_never_changed_has_been_the_same_for_ever() -> None:
    band = "scores.lapse.band"
    people = (
        person(1, scores__lapse__band="high"),
        was(2, (11, "low"), (10, "high"), field=band),
        was(3, (41, "high"), (40, "low"), field=band),
        person(4),
    )
    assert found(asked(band, unchanged_for={"n": 30, "unit": "days"}), *people) == [1, 3]
    assert found(asked(band, ever="high"), *people) == [1, 2, 3]
    assert found(asked(band, never="low"), *people) == [1]
    assert found(asked(band, changed={"from": "low", "to": "high", "within": LAST_30}), *people) == [2]


def test_a_window_of_days_follows_the_zone_also_that_of_each_customer() -> None:
    changed_at = datetime(2026, 5, 19, 22, 30, tzinfo=UTC)  # 20 May in Berlin
    zones = ["Europe/Berlin", "America/New_York", None, "Mars/Base"]
    people = [was(i, (90, "a"), (changed_at, "b"), time_zone=zone) for i, zone in enumerate(zones)]
    today = asked(changed={"this": "day"})
    assert found(today, *people) == []
    assert found({**today, "zone": "Europe/Berlin"}, *people) == [0, 1, 2, 3]
    assert found({**today, "zone": "customer"}, *people) == [0]
    assert found({**today, "zone": "customer"}, *people, zone="Asia/Tokyo") == [0, 2, 3]


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (asked("age", ever=5), "rule: 'age' has no history; attributes and score bands have"),
        (asked("scores.lapse", ever=0.5), "rule: 'scores.lapse' has no history"),
        (asked(ever=5), "rule.ever: expects a text, got 5"),
        (asked(ever="a", never="b"), "rule: no key 'never' here"),
        (asked(ever="a", op="is"), "rule: no key 'op' here"),
        (asked("attributes.since", ever="soon"), "rule.ever: expects a date such as"),
        (asked(changed={"from": "a", "to": "b"}), "rule.changed.from: expects a date such as 2026-01-31"),
        (asked(changed={"within": LAST_30, "too": "b"}), "rule.changed: no key 'too' here; did you mean 'to'?"),
        (asked(changed={"within": LAST_30, "to": 5}), "rule.changed.to: expects a text, got 5"),
        (asked("attributes.tags", changed={"within": LAST_30, "to": "a"}), "rule.changed: a list changes as a whole"),
        (asked(unchanged_for={"n": 0, "unit": "days"}), "rule.unchanged_for.n: expects a whole number from 1"),
    ],
)
def test_a_question_about_the_past_that_cannot_be_read_names_its_place(node: Any, message: str) -> None:
    with pytest.raises(RuleError) as raised:
        rule_of(node)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (asked(ever="gold"), "plan was gold at some time"),
        (asked(never="gold"), "plan was never gold (and was known)"),
        (asked(never="gold", missing="include"), "plan was never gold or was never known"),
        (asked(changed=LAST_30), "plan changed in the last 30 days"),
        (
            asked(changed={"from": "a", "to": "b", "within": {"this": "month"}}, exact=True),
            "plan changed from a to b this month (exactly as written)",
        ),
        (
            asked("scores.lapse.band", unchanged_for={"n": 2, "unit": "weeks"}, zone="customer"),
            "lapse band has been the same for 2 weeks (in the customer's time zone)",
        ),
    ],
)
def test_the_past_is_said(node: Any, words: str) -> None:
    assert sentence(rule_of(node)) == words


def test_a_rule_needs_the_histories_it_asks_for() -> None:
    rule = rule_of({"all": [asked(ever="a"), asked("scores.lapse.band", changed=LAST_30), asked("country", never="x")]})
    assert needs(rule).told == {"plan", "scores.lapse.band", "country"}
    assert needs(rule).columns == {PLAN, "scores.lapse.band", "country"}
    assert {name for name, field in FIELDS.fields.items() if field.told_as} >= {"birth_date", "time_zone", PLAN}
