"""A new version says in what it differs from the one before."""

from dataclasses import replace

from scoring.changes import Told, changes
from scoring.words import Name

CALLED = {"features.orders": Name("Orders ever", "orders")}
BEFORE = Told(
    number=3,
    learner="logistic",
    auc={"value": 0.75, "low": 0.73, "high": 0.77},
    fields=frozenset({"features.orders", "attributes.plan"}),
    blocked=frozenset(),
    customers=1000,
    base_rate=0.2,
)


def test_the_first_version_says_so() -> None:
    assert changes(BEFORE, None, CALLED) == ["It is the first version."]


def test_what_stayed_is_not_told() -> None:
    now = replace(BEFORE, number=4, customers=1020, base_rate=0.201)
    assert changes(now, BEFORE, CALLED) == [
        "AUC is 0.750 (0.730 to 0.770), not clearly different from the 0.750 (0.730 to 0.770) of version 3."
    ]


def test_everything_that_moved_is_told() -> None:
    now = Told(
        number=4,
        learner="average",
        auc={"value": 0.8, "low": 0.78, "high": 0.82},
        fields=frozenset({"attributes.town"}),
        blocked=frozenset({"attributes.plan"}),
        customers=2400,
        base_rate=0.3,
    )
    assert changes(now, BEFORE, CALLED) == [
        "The learner is now the average of logistic regression and gradient boosting; version 3 was the logistic "
        "regression.",
        "AUC is 0.800 (0.780 to 0.820), better than the 0.750 (0.730 to 0.770) of version 3.",
        "It now reads “Town”.",
        "It no longer reads “Orders ever”.",
        "The leakage guard now blocks “Plan”.",
        "It comes true for 30.0% of the customers it learnt from, before 20.0%.",
        "It learnt from 2,400 customers, before from 1,000.",
    ]
    worse = replace(now, auc={"value": 0.6, "low": 0.5, "high": 0.7})
    assert "worse than the 0.750" in changes(worse, BEFORE, CALLED)[1]


def test_many_fields_are_counted_not_listed() -> None:
    fields = frozenset(f"attributes.f{i}" for i in range(7))
    told = changes(replace(BEFORE, number=4, fields=BEFORE.fields | fields), BEFORE, CALLED)
    assert told[1] == "It now reads “F0”, “F1”, “F2”, “F3”, “F4” and 2 more."
