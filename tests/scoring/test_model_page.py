"""The page of a model: a grade that marketers know, charts with numbers, and what a person may say about fields."""

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from scoring import grades, model_curves, seals
from scoring.model_page import campaign_address
from scoring.models import Backtest, Drift, Evaluation, ModelVersion, Target
from tests.config import world
from tests.scoring import told


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def page_of(client: Client, version: ModelVersion) -> str:
    return client.get(reverse("admin:scoring_modelversion_change", args=[version.pk])).content.decode()


def part(page: str, title: str) -> str:
    """Give the panel of that title."""
    return page.split(f'aria-label="{title}">')[1].split("</section>")[0]


@pytest.mark.parametrize(
    ("auc", "quality", "word"),
    [(0.845, 69, "excellent"), (0.8, 60, "excellent"), (0.72, 44, "good"), (0.61, 22, "fair"), (0.55, 10, "poor")],
)
def test_a_model_is_graded_on_the_scale_marketers_know(auc: float, quality: int, word: str) -> None:
    found = grades.grade({"value": auc, "low": auc - 0.01, "high": auc + 0.01})
    assert found is not None
    assert (round(found.value), found.word) == (quality, word)
    assert found.high - found.low == pytest.approx(4)


def test_a_model_worse_than_chance_has_the_grade_nought() -> None:
    assert grades.quality(0.4) == 0


def test_the_curves_are_those_of_a_ranking_counted_by_hand() -> None:
    # Ten customers in order of their score: yes yes no yes no no no no no no.
    gains = [(0.0, 0.0), (0.2, 2 / 3), (0.4, 1.0), (1.0, 1.0)]
    own = Evaluation(
        positives=3,
        curves={
            "reliability": [{"predicted": 0.3, "observed": 0.3, "customers": 10}],
            "gains": [{"share": s, "captured": c} for s, c in gains],
        },
    )
    assert model_curves.base_rate(own) == pytest.approx(0.3)
    for found, expected in zip(model_curves.roc(own), [(0, 0), (0, 2 / 3), (1 / 7, 1), (1, 1)], strict=True):
        assert found == pytest.approx(expected)
    right = model_curves.precision(own)
    assert right is not None
    assert [row[1] for row in right.rows] == ["100.0\u00a0%", "75.0\u00a0%", "30.0\u00a0%"]
    lift = model_curves.lift(own, None, "")
    assert lift is not None
    assert [row[1] for row in lift.rows] == ["3.33", "2.50", "1.00"]


@pytest.mark.door
@pytest.mark.django_db
def test_the_page_tells_the_grade_against_the_simple_rule_and_every_part(boss: Client) -> None:
    version = world.model()
    version.report = dict(told.whole())
    version.save(update_fields=["report"])
    page = page_of(boss, version)
    grade = part(page, "Version 1: average of two")
    assert "<strong>62</strong>" in grade
    assert "excellent" in grade
    assert "The simple rule, recency alone, gets 48." in grade
    assert "season unknown" in grade
    assert "not validated over time" not in grade
    for title, said in (
        ("Why it may go live", "Its level was off by 12 % last time."),
        ("What changed since the last version", "0.02 → 0.031"),
        ("What it earns", "0.25 pays most"),
        ("Who is found (ROC)", "of those who did not"),
        ("What it goes by", "Days since the last order"),
        ("Learners beside each other", "Random forest"),
        ("Tested on later times", "60 of 100"),
        ("How the data was prepared", "logarithm, no value is 0"),
        ("What it learned from, and what it cannot know", "3 customers make 9 % of the orders."),
    ):
        assert said in part(page, title), title
    for title in ("What it earns", "Lift", "What it goes by", "Learners beside each other"):
        assert "<svg" in part(page, title)
        assert "<table" in part(page, title)


@pytest.mark.door
@pytest.mark.django_db
@pytest.mark.parametrize("left_out", sorted(told.whole()))
def test_a_part_that_is_missing_is_left_out(boss: Client, left_out: str) -> None:
    version = world.model()
    version.report = {name: value for name, value in told.whole().items() if name != left_out}
    version.save(update_fields=["report"])
    assert "<strong>62</strong>" in page_of(boss, version)


@pytest.mark.door
@pytest.mark.django_db
def test_a_version_that_tells_nothing_has_a_page(boss: Client) -> None:
    version = world.model()
    version.evaluations.all().delete()
    assert "This version was not evaluated." in page_of(boss, version)


@pytest.mark.door
@pytest.mark.django_db
def test_a_model_without_dates_says_that_time_did_not_judge_it(boss: Client) -> None:
    version = world.model()
    ModelVersion.objects.update(validated="in_folds")
    version.refresh_from_db()
    assert "not validated over time" in page_of(boss, version)


@pytest.mark.door
@pytest.mark.django_db
def test_a_person_vouches_for_a_field_and_takes_it_back(boss: Client) -> None:
    version = world.model()
    version.report = dict(told.whole())
    version.save(update_fields=["report"])
    address = reverse("admin:scoring_target_field", args=[version.target_id])
    assert boss.get(address).status_code == 405
    page = boss.post(f"{address}?do=vouch", {"field": "attributes.cancel_reason"}, follow=True).content.decode()
    assert "“cancel reason” is known in time, as you say, and is read from the next training." in page
    assert Target.objects.get().vouched == ["attributes.cancel_reason"]
    assert "vouched for" in part(page_of(boss, version), "Fields that may tell the answer")
    boss.post(f"{address}?do=unvouch", {"field": "attributes.cancel_reason"})
    boss.post(f"{address}?do=exclude", {"field": "features.orders_90d"})
    target = Target.objects.get()
    assert (target.vouched, target.excluded) == ([], ["features.orders_90d"])
    assert "Choose a field" in boss.post(f"{address}?do=burn", {"field": "x"}, follow=True).content.decode()


@pytest.mark.door
@pytest.mark.django_db
def test_who_may_only_look_says_nothing_about_fields(client: Client) -> None:
    version = world.model()
    client.force_login(User.objects.create_user("new", is_staff=True))
    address = reverse("admin:scoring_target_field", args=[version.target_id])
    assert client.post(f"{address}?do=vouch", {"field": "attributes.plan"}).status_code == 403
    assert Target.objects.get().vouched == []


@pytest.mark.door
@pytest.mark.django_db
def test_a_campaign_begins_with_the_line_that_pays(boss: Client) -> None:
    world.fill()
    version = ModelVersion.objects.get()
    version.report = dict(told.whole())
    page = boss.get(campaign_address(version.target, version)).content.decode()
    inputs = re.findall(r"<input[^>]*>", page)
    filled = {one.split('name="')[1].split('"')[0]: one for one in inputs if 'name="' in one}
    assert 'value="0.25"' in filled["enter"]
    assert 'value="0.225"' in filled["leave"]
    assert 'value="60"' in filled["goal_days"]
    assert re.search(r'<option value="lapse" selected', page)
    assert "Act on No order within 60 days" in page


def press(client: Client, version: ModelVersion, name: str, **told: str) -> str:
    address = reverse("admin:scoring_modelversion_do", args=[version.pk, name])
    page = client.post(address, told, follow=True).content.decode()
    version.refresh_from_db()
    return page


def another(version: ModelVersion, *, passed: bool) -> ModelVersion:
    """Store a candidate of the same target, whose file is there."""
    content, path = b"a model", Path(settings.LAKE_URL) / "models" / "another"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    report = {"gate": {"passed": passed, "baseline": "recency", "checks": []}}
    fields = {
        name: getattr(version, name) for name in ("target", "learner", "validated", "as_of", "created_at", "seed")
    }
    return ModelVersion.objects.create(
        **fields,
        number=version.number + 1,
        customers=1,
        positives=1,
        report=report,
        artefact="models/another",
        artefact_mac=seals.mac_of(content),
    )


@pytest.mark.door
@pytest.mark.django_db
def test_a_person_lets_a_version_go_live_and_rolls_back(boss: Client) -> None:
    first = world.model()
    path = Path(settings.LAKE_URL) / "models" / "first"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"the first")
    ModelVersion.objects.update(artefact="models/first", artefact_mac=seals.mac_of(b"the first"))
    second = another(first, passed=True)
    assert "lapse v2 is live" in press(boss, second, "promote")
    assert second.state == "live"
    target = reverse("admin:scoring_target_change", args=[first.target_id])
    assert "Roll back to version 1" in boss.get(target).content.decode()
    boss.post(reverse("admin:scoring_target_do", args=[first.target_id, "back"]))
    first.refresh_from_db()
    assert first.state == "live"


@pytest.mark.door
@pytest.mark.django_db
def test_a_version_that_did_not_pass_asks_for_a_reason(boss: Client) -> None:
    version = another(world.model(), passed=False)
    assert "It did not pass. Why?" in page_of(boss, version)
    assert "Say why it should go live all the same." in press(boss, version, "promote")
    assert version.state == "candidate"
    press(boss, version, "promote", said="We know these customers.")
    assert version.state == "live"
    assert "We know these customers." in version.reason


@pytest.mark.door
@pytest.mark.django_db
def test_who_may_only_look_changes_no_version(client: Client) -> None:
    version = world.model()
    user = User.objects.create_user("new", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_modelversion"))
    client.force_login(user)
    assert "Retire it" not in page_of(client, version)
    press(client, version, "retire")
    assert version.state == "live"


@pytest.mark.door
@pytest.mark.django_db
def test_the_page_of_a_target_leads_to_a_campaign(boss: Client) -> None:
    version = world.model()
    page = boss.get(reverse("admin:scoring_target_change", args=[version.target_id])).content.decode()
    assert "/admin/campaigns/campaign/add/?trigger_kind=score&amp;score=lapse" in page


@pytest.mark.door
@pytest.mark.django_db
def test_the_page_tells_what_came_of_the_scores_and_whether_customers_changed(boss: Client) -> None:
    version = world.model()
    for days, who, auc in ((60, "everybody", 0.9), (60, "left_alone", 0.8), (30, "left_alone", 0.7)):
        Backtest.objects.create(
            version=version,
            who=who,
            as_of=world.T - timedelta(days=days),
            judged_at=world.T,
            customers=300,
            positives=90,
            figures={"auc": told.figures(auc, 0.02), "foreseen": 0.35, "happened": 0.3},
        )
    drifted = {"drifted": ["features.orders_90d"], "customers": 900}
    Drift.objects.create(version=version, day=world.T.date(), as_of=world.T, figures=drifted)
    page = page_of(boss, version)
    panel = part(page, "What came of its scores")
    assert "60 of 100" in panel
    assert "40 of 100" in panel
    assert "80 of 100" not in panel
    assert "Last time 35.0\u00a0% were foreseen, and 30.0\u00a0% did." in panel
    assert "These lie otherwise than in training: Orders" in part(page, "Have customers changed?")


@pytest.mark.door
@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["spend", "next"])
def test_a_model_of_numbers_tells_how_far_the_total_is_off_and_how_well_it_sorts(boss: Client, kind: str) -> None:
    version = world.model()
    Target.objects.update(kind=kind)
    version.evaluations.all().delete()
    curves = {
        "reliability": [{"predicted": 10.0 * n, "observed": 11.0 * n, "customers": 60} for n in range(10)],
        "gains": [{"share": n / 20, "captured": (n / 20) ** 0.4} for n in range(21)],
    }
    for name, gini in (("average", 0.71), ("mean", 0.2)):
        figures = {"total_error": told.figures(-0.04, 0.03), "gini": told.figures(gini, 0.02)}
        version.evaluations.create(learner=name, customers=600, positives=200, figures=figures, curves=curves)
    version.report = {"gate": {"passed": True, "baseline": "mean", "checks": []}}
    version.bands = [{"name": "low", "from_percentile": 0.0}, {"name": "high", "from_percentile": 90.0}]
    version.save()
    page = page_of(boss, version)
    grade = part(page, "Version 1: average of two")
    assert "-4.0%" in grade
    assert "0.71" in grade
    assert "the mean of all gets 0.20" in grade
    assert "of 100" not in grade
    assert "<td>99.00</td>" in part(page, "Does as much come as is foreseen?")
    assert "<svg" in part(page, "Who brings it")
    assert "Who is found (ROC)" not in page
    assert boss.get(reverse("admin:scoring_target_change", args=[version.target_id])).status_code == 200


@pytest.mark.parametrize(("kind", "line"), [("spend", ("above", "90", "85")), ("next", ("below", "10", "15"))])
def test_a_campaign_on_a_number_goes_by_the_tenth_that_matters(kind: str, line: tuple[str, str, str]) -> None:
    target = Target(key="worth", label="Worth", kind=kind, event="Order Completed", horizon_days=90)
    asked = parse_qs(urlsplit(campaign_address(target, ModelVersion())).query)
    assert (asked["direction"], asked["enter"], asked["leave"]) == tuple([one] for one in line)
    assert asked["is_percentile"] == ["on"]
