"""A report in which every part is told, as a training writes it."""

from scoring.report import Driver, Figures, Money, Report, Tried

TIMES = [f"2026-{month:02}-01T00:00:00+00:00" for month in range(1, 6)]


def figures(value: float, half: float) -> Figures:
    return {"value": value, "low": round(value - half, 6), "high": round(value + half, 6)}


def tried(
    learner: str, auc: float, microseconds: float, *, is_baseline: bool = False, is_chosen: bool = False
) -> Tried:
    return {
        "learner": learner,
        "is_baseline": is_baseline,
        "auc": figures(auc, 0.015),
        "log_loss": round(0.9 - auc / 2, 4),
        "microseconds": microseconds,
        "settings": {} if is_baseline else {"C": 0.3},
        "is_chosen": is_chosen,
    }


def driver(field: str, label: str, importance: float, values: list[str]) -> Driver:
    return {
        "field": field,
        "label": label,
        "importance": figures(importance, importance / 4),
        "odds_ratio": figures(1.6, 0.2),
        "sentence": f"The more of “{label}”, the higher the chance.",
        "dependence": [{"value": value, "chance": 0.2 + 0.08 * n} for n, value in enumerate(values)],
    }


def money() -> Money:
    cuts = [n / 20 for n in range(1, 20)]
    return {
        "line": 0.25,
        "profit": figures(1840.0, 260.0),
        "cuts": [
            {
                "threshold": cut,
                "share": round((1 - cut) ** 1.5, 3),
                "profit": figures(round(1840 - 9000 * (cut - 0.25) ** 2 - (900 if cut < 0.1 else 0), 1), 260.0),
            }
            for cut in cuts
        ],
        "sentence": "Contact from a chance of 0.25 up: 65 % of the customers, about 1,840 per 1,000 customers.",
    }


def whole() -> Report:
    """Give a report with every part in it."""
    return {
        "customers": 1200,
        "positives": 480,
        "rows": 3600,
        "base_rate": 0.4,
        "times": TIMES,
        "seconds": 12.4,
        "preparation": {
            "rows": 3600,
            "customers": 1200,
            "duplicates": 4,
            "fields": [
                {
                    "field": "features.orders_90d",
                    "label": "Orders in 90 days",
                    "kind": "number",
                    "missing": 12,
                    "outliers": 3,
                    "rare": 0,
                    "done": "logarithm, no value is 0",
                }
            ],
            "left_out": {"attributes.note": "it has a value of its own for nearly every customer"},
        },
        "guard": {
            "blocked": [
                {
                    "field": "attributes.cancel_reason",
                    "kind": "missing",
                    "why": "cancel reason is filled in only for those who left.",
                    "figure": 0.99,
                }
            ],
            "warned": [
                {
                    "field": "features.days_since_month",
                    "kind": "time",
                    "why": "days since month is the same for everybody at a time.",
                    "figure": 0.0,
                }
            ],
        },
        "learners": [
            tried("average", 0.81, 6.2),
            tried("boosting", 0.812, 5.1, is_chosen=True),
            tried("forest", 0.801, 42.0),
            tried("logistic", 0.803, 0.9),
            tried("tree", 0.77, 0.4),
            tried("network", 0.796, 3.0),
            tried("recency", 0.74, 0.1, is_baseline=True),
        ],
        "gate": {
            "passed": True,
            "baseline": "recency",
            "checks": [
                {"name": "chance", "passed": True, "sentence": "It ranks better than chance."},
                {"name": "baseline", "passed": True, "sentence": "It beats recency alone by 0.07."},
                {"name": "level", "passed": False, "sentence": "Its level was off by 12 % last time."},
            ],
        },
        "season": {"known": False, "before": 0.41, "after": 0.41, "sentence": "Less than 15 months: season unknown."},
        "drivers": [
            driver("features.days_since_order", "Days since the last order", 0.062, ["3", "12", "30", "61", "120"]),
            driver("features.orders_90d", "Orders in 90 days", 0.031, ["0", "1", "2", "4"]),
            driver("attributes.plan", "Plan", 0.008, ["basic", "silver", "gold"]),
        ],
        "money": money(),
        "spreads": {},
        "changes": ["“Orders in 90 days” matters more: 0.02 → 0.031.", "1,200 customers in place of 1,050."],
        "notes": ["3 customers make 9 % of the orders."],
    }
