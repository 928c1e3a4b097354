"""What a contact wins is measured by campaigns with control groups, shown at the target, and taken over by people."""

import math
from datetime import timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client

from campaigns import save_rates
from campaigns.models import Campaign
from campaigns.stats import Proportion, pooled_ratio
from customers.models import AuditEntry, Customer
from scoring import save_rate
from scoring.models import MeasuredRate, Target
from scoring.save_rate import Measured
from tests.campaigns.people import T0, campaign, customers, score_trigger
from tests.campaigns.test_measure import decided, orders

DAY = timedelta(days=1)
LATER = T0 + 20 * DAY


def target(key: str = "lapse", kind: str = "no_event", used: float | None = 0.5) -> Target:
    return Target.objects.create(
        key=key, label=key, kind=kind, event="Order Completed", horizon_days=30, save_rate=used, created_at=T0
    )


def acted(of: Campaign, people: list[Customer], treated: float, control: float, share: float = 0.4) -> None:
    """Decide for all of these customers, of whom exactly these shares of both arms order."""
    arms = decided(of, people, holdout=0.0, control=share)
    for arm, rate in (("treated", treated), ("control", control)):
        own = [who for who, drawn in arms.items() if drawn == arm]
        orders(dict.fromkeys(own[: round(rate * len(own))], 40.0), T0 + 2 * DAY)


@pytest.mark.parametrize(
    ("is_loss", "expected"),
    [pytest.param(True, 0.2, id="of those who would be lost"), pytest.param(False, 0.2 / 0.6 - 0.2, id="on top")],
)
def test_the_share_that_is_won_follows_from_the_arms(is_loss: bool, expected: float) -> None:
    treated, control = (0.28, 0.10) if is_loss else (0.34, 0.30)
    found = save_rates.won([(_share(treated), _share(control))], is_loss=is_loss).interval
    assert found is not None
    assert found.value == pytest.approx(expected, abs=1e-9)
    assert found.low < expected < found.high


def _share(rate: float, n: int = 1000) -> Proportion:
    return Proportion(n, round(rate * n))


def test_campaigns_with_arms_of_other_sizes_do_not_pass_for_an_effect() -> None:
    """No effect in either; put into one heap, the treated would seem to convert twice as often."""
    pairs = [(Proportion(1800, 900), Proportion(200, 100)), (Proportion(200, 20), Proportion(1800, 180))]
    found = pooled_ratio(pairs).interval
    assert found is not None
    assert found.value == pytest.approx(1.0)
    assert found.low < 1.0 < found.high


def test_the_interval_of_one_campaign_is_that_of_the_textbook() -> None:
    """ln(RR) has the variance 1/a - 1/n1 + 1/c - 1/n0 (Katz and others 1978)."""
    found = pooled_ratio([(Proportion(400, 90), Proportion(300, 40))]).interval
    assert found is not None
    half = 1.959964 * math.sqrt(1 / 90 - 1 / 400 + 1 / 40 - 1 / 300)
    assert found.value == pytest.approx(90 / 400 / (40 / 300))
    assert found.high == pytest.approx(found.value * math.exp(half), rel=1e-6)


def test_the_pooled_interval_covers_a_planted_share_95_times_in_100() -> None:
    """300 times three campaigns that win 0.15 of the lost: 274 to 295 of the intervals hold it (99 % of such tests)."""
    rng, held = np.random.default_rng(5), 0
    for _ in range(300):
        pairs = []
        for lost, treated, control in ((0.9, 900, 100), (0.7, 400, 400), (0.5, 300, 150)):
            kept = treated - int(rng.binomial(treated, lost * 0.85)), control - int(rng.binomial(control, lost))
            pairs.append((Proportion(treated, kept[0]), Proportion(control, kept[1])))
        found = save_rates.won(pairs, is_loss=True).interval
        assert found is not None
        held += found.low <= 0.15 <= found.high
    assert 274 <= held <= 295


@pytest.mark.parametrize(
    ("kind", "question", "goal", "tells"),
    [
        ("no_event", "", "Order Completed", True),
        ("no_event", "", "Coupon Used", False),
        ("event", "", "Order Completed", True),
        ("event", "cancel", "Order Completed", False),
        ("event", "cancel", "Plan Renewed", True),
        ("attribute", "", "Plan Renewed", True),
        ("spend", "", "Order Completed", False),
    ],
)
def test_a_goal_tells_of_a_target_where_it_is_what_should_happen(
    kind: str, question: str, goal: str, tells: bool
) -> None:
    event = "" if kind == "attribute" else "Order Completed"
    assert save_rates.tells_of(Target(kind=kind, question=question, event=event), goal) is tells


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        ((0.12, 0.05, 0.19, "", 3, 900, 100), "Measured: 0.12 (0.05 to 0.19) over 3 campaigns; used: 0.50."),
        (
            (0.03, -0.04, 0.09, "", 1, 900, 100),
            "It is not shown that a contact wins anybody: the interval reaches below 0; "
            "measured: 0.03 (-0.04 to 0.09) over 1 campaign; used: 0.50.",
        ),
        (
            (-0.1, -0.2, -0.05, "", 1, 900, 100),
            "Contacts surely lose customers instead of winning them; "
            "measured: -0.10 (-0.20 to -0.05) over 1 campaign; used: 0.50.",
        ),
        (
            (None, None, None, "Too few customers to compare: 5 against 2; each side needs 20.", 1, 5, 2),
            "Not measured yet over 1 campaign: Too few customers to compare: 5 against 2; each side needs 20. "
            "Now used: 0.50.",
        ),
    ],
)
@pytest.mark.door
@pytest.mark.django_db
def test_words_claim_no_more_than_the_interval_shows(rate: tuple[object, ...], words: str) -> None:
    one = target()
    save_rate.record(one, Measured(*rate), T0)  # type: ignore[arg-type]
    assert save_rate.words(one) == words


@pytest.mark.door
@pytest.mark.django_db
class TestMeasured:
    def test_planted_effects_of_two_campaigns_are_found_and_taken_over(self, client: Client) -> None:
        lapse, people = target(), customers(1200)
        acted(campaign("mail", control_share=0.4), people[:600], 0.28, 0.10)
        acted(campaign("call", control_share=0.4), people[600:], 0.44, 0.30)
        campaign("other", control_share=0.4, trigger=score_trigger(score="leave"))
        save_rates.watch(LATER)
        measured = MeasuredRate.objects.get()
        assert measured.target == lapse
        assert measured.value == pytest.approx(0.2, abs=0.01)
        assert measured.low is not None
        assert measured.low > 0.0
        assert (measured.campaigns, measured.treated + measured.control) == (2, 1200)

        client.force_login(User.objects.create_superuser("boss"))
        address = f"/admin/scoring/target/{lapse.pk}/change/"
        page = client.get(address).content.decode()
        assert "over 2 campaigns; used: 0.50." in page
        assert "Use the measured share" in page
        said = client.post(f"/admin/scoring/target/{lapse.pk}/do/rate/", follow=True).content.decode()
        lapse.refresh_from_db()
        assert lapse.save_rate == pytest.approx(measured.value, abs=1e-6)
        assert "From the next training the line is drawn with" in said
        assert "Use the measured share" not in said
        assert AuditEntry.objects.get(what="measured share taken over").detail["before"] == 0.5

    def test_without_an_effect_nothing_is_offered_or_taken_over(self, client: Client) -> None:
        lapse = target()
        acted(campaign(control_share=0.4), customers(400), 0.2, 0.2)
        save_rates.watch(LATER)
        assert save_rate.words(lapse).startswith("It is not shown that a contact wins anybody")
        with pytest.raises(save_rate.RateError, match="There is nothing to take over"):
            save_rate.take(lapse, None, LATER)
        client.force_login(User.objects.create_superuser("boss"))
        assert "Use the measured share" not in client.get(f"/admin/scoring/target/{lapse.pk}/change/").content.decode()

    def test_whose_time_still_runs_is_not_counted(self) -> None:
        target()
        acted(campaign(control_share=0.4), customers(100), 0.5, 0.1)
        save_rates.watch(T0 + 3 * DAY)
        assert MeasuredRate.objects.get().value is None
        assert MeasuredRate.objects.get().treated == 0

    def test_it_is_measured_anew_once_a_day(self) -> None:
        target()
        acted(campaign(control_share=0.4), customers(100), 0.5, 0.1)
        for hours in (0, 6, 23, 24, 30):
            save_rates.watch(LATER + timedelta(hours=hours))
        assert MeasuredRate.objects.get().as_of == LATER + DAY

    def test_no_campaign_without_a_control_group_measures_anything(self) -> None:
        lapse = target()
        campaign(control_share=0.0)
        save_rates.watch(LATER)
        assert save_rate.words(lapse) == (
            "Not measured yet; used: 0.50. A campaign on this score with a control group measures it."
        )
