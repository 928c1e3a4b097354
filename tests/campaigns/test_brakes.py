"""What pauses a campaign by itself, what makes it go on, and that ordinary noise does not."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from campaigns import brakes, feedback, sending, spikes
from campaigns.channels import Result
from campaigns.models import Campaign, Cycle, Decision, Delivery, DeliveryAttempt
from campaigns.spikes import Seen
from customers.models import Alert, AuditEntry
from tests.campaigns import people
from tests.campaigns.people import T0

door = [pytest.mark.door, pytest.mark.django_db]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def decided(campaign: Campaign, many: int, at: datetime = T0, **changes: Any) -> None:
    """Store that a campaign decided to deliver to so many customers, without their deliveries."""
    values = {"outcome": "deliver", "reason": "x", "cause": "data", "round": 1, "arm": "treated"} | changes
    start = Decision.objects.count()
    Decision.objects.bulk_create(
        Decision(
            campaign=campaign,
            customer=one,
            bucket=one.bucket,
            as_of=at,
            due_at=at,
            campaign_version=1,
            draw=0.5,
            probability=1.0,
            **values,
        )
        for one in people.customers(many, first=start)
    )


class TestARunawayCampaign:
    pytestmark = door

    def test_three_times_the_forecast_goes_and_one_more_does_not(self) -> None:
        one = people.campaign(forecast=30.0)
        assert brakes.too_many(one, 90, T0) == ""
        assert brakes.too_many(one, 91, T0) == (
            "91 customers would get it, and about 30 were foreseen: more than 3 times as many."
        )

    def test_a_few_are_nothing_to_worry_about(self) -> None:
        one = people.campaign(forecast=0.0)
        assert brakes.too_many(one, 50, T0) == ""
        assert brakes.too_many(one, 51, T0)

    def test_where_nothing_was_foreseen_nothing_is_too_many(self) -> None:
        assert brakes.too_many(people.campaign(), 1_000_000, T0) == ""

    def test_what_went_in_the_day_before_counts_and_what_went_earlier_does_not(self) -> None:
        one = people.campaign(forecast=20.0)
        decided(one, 30, T0 - 23 * HOUR)
        decided(one, 30, T0 - 25 * HOUR)
        assert brakes.too_many(one, 30, T0) == ""
        assert brakes.too_many(one, 31, T0)

    def test_those_left_alone_and_those_asked_for_at_the_launch_do_not_count(self) -> None:
        one = people.campaign(forecast=20.0)
        decided(one, 40, outcome="control", arm="control")
        decided(one, 40, cause="start")
        decided(one, 40, cause="widened")
        assert brakes.too_many(one, 60, T0) == ""

    def test_after_three_days_without_a_cycle_three_days_come_at_once(self) -> None:
        one = people.campaign(forecast=30.0)
        before = T0 - 3 * DAY
        Cycle.objects.create(kind="full", state="done", as_of=before, started_at=before)
        assert brakes.too_many(one, 270, T0) == ""
        assert brakes.too_many(one, 271, T0)

    def test_a_pilot_is_measured_by_its_share(self) -> None:
        one = people.campaign(forecast=1_000.0, pilot_share=0.05)
        assert brakes.too_many(one, 150, T0) == ""
        assert "about 50 were foreseen" in brakes.too_many(one, 151, T0)

    def test_what_it_planned_waits_for_an_answer_and_goes_out_when_it_may_go_on(self) -> None:
        one = people.campaign(forecast=1.0)
        planned = [people.planned(each, one) for each in people.customers(3)]
        why = brakes.too_many(one, 60, T0)
        assert brakes.pause(one, why, T0)
        assert not brakes.pause(one, why, T0)
        one.refresh_from_db()
        assert (one.state, one.paused_why) == ("paused", why)
        held = set(Decision.objects.values_list("outcome", "reason", "due_at", "deliveries__due_at"))
        assert held == {("deferred", why, T0 + brakes.HOLD, T0 + brakes.HOLD)}
        assert brakes.go_on(one, None, T0 + HOUR) == len(planned)
        assert set(Delivery.objects.values_list("state", "due_at")) == {("planned", T0 + HOUR)}
        assert (one.state, one.paused_why) == ("live", "")

    def test_it_asks_with_the_counts_and_the_question_is_closed_by_the_answer(self) -> None:
        one = people.campaign(forecast=1.0)
        brakes.pause(one, brakes.too_many(one, 60, T0), T0)
        alert = Alert.objects.get()
        assert (alert.kind, alert.state) == ("campaign", "open")
        assert "60 customers would get it, and about 1 were foreseen" in alert.sentence
        brakes.go_on(one, None, T0 + HOUR)
        alert.refresh_from_db()
        assert alert.state == "done"
        assert list(AuditEntry.objects.order_by("pk").values_list("what", flat=True)) == [
            "campaign paused itself",
            "campaign goes on",
        ]

    def test_as_many_as_were_let_go_do_not_pause_it_again(self) -> None:
        one = people.campaign(forecast=10.0)
        why = brakes.too_many(one, 60, T0)
        brakes.pause(one, why, T0)
        decided(one, 60, outcome="deferred", reason=why)
        brakes.go_on(one, None, T0 + 2 * DAY)
        assert one.forecast == 60.0
        assert brakes.too_many(one, 100, T0 + 2 * DAY) == ""

    def test_only_what_paused_itself_goes_on(self) -> None:
        one = people.campaign(state=Campaign.State.PAUSED)
        with pytest.raises(brakes.BrakeError, match="did not pause itself"):
            brakes.go_on(one, None, T0)

    def test_what_another_bucket_decides_while_it_is_paused_is_held_back_with_the_same_reason(self) -> None:
        one = people.campaign(forecast=1.0)
        brakes.pause(one, "Too many.", T0)
        assert brakes.too_many(one, 1, T0) == "Too many."


def mailed(campaign: Campaign, many: int, at: datetime = T0) -> list[Delivery]:
    """Store mails that a campaign sent."""
    made = people.customers(many, first=Decision.objects.count())
    return [people.planned(one, campaign, due=at, state="sent", began_at=at, is_told=True) for one in made]


def report(deliveries: list[Delivery], kind: str, at: datetime = T0) -> None:
    for one in deliveries:
        told = {"event_type": kind, "message_id": f"<{one.public_id}@example.test>", "timestamp": at.isoformat()}
        feedback.receive("email", told)


class TestHarm:
    pytestmark = door

    @pytest.mark.parametrize(
        ("kind", "name"), [("complained", "complaints"), ("bounced", "bounces"), ("unsubscribed", "unsubscribes")]
    )
    def test_mails_that_do_harm_pause_their_campaign_and_no_other(self, kind: str, name: str) -> None:
        bad, good = people.campaign("bad"), people.campaign("good")
        report(mailed(bad, 60)[:15], kind)
        report(mailed(good, 60)[:2], kind)
        brakes.watch(T0 + HOUR)
        told = dict(Campaign.objects.values_list("key", "paused_why"))
        assert told["bad"].startswith(f"15 {name} among its last 60 mails (25.0%)")
        assert told["good"] == ""
        assert told["bad"] in Alert.objects.get(key="campaign.brake.bad").sentence

    def test_a_campaign_that_was_let_go_on_is_judged_by_what_it_sends_from_then(self) -> None:
        bad = people.campaign("bad")
        report(mailed(bad, 60)[:15], "bounced")
        brakes.watch(T0 + HOUR)
        brakes.go_on(bad, None, T0 + 2 * HOUR)
        brakes.watch(T0 + 3 * HOUR)
        assert Campaign.objects.get().state == "live"
        report(mailed(bad, 60, T0 + 3 * HOUR)[:15], "bounced", T0 + 4 * HOUR)
        brakes.watch(T0 + 4 * HOUR)
        assert Campaign.objects.get().state == "paused"

    def test_a_few_mails_say_nothing(self) -> None:
        report(mailed(people.campaign(), 49)[:9], "bounced")
        brakes.watch(T0 + HOUR)
        assert Campaign.objects.get().state == "live"

    def test_an_alert_about_a_campaign_that_was_stopped_is_closed(self) -> None:
        one = people.campaign(forecast=1.0)
        brakes.pause(one, "Too many.", T0)
        Campaign.objects.update(state="stopped")
        brakes.watch(T0 + HOUR)
        assert Alert.objects.get().state == "done"


def attempted(campaign: Campaign, many: int, result: Result, at: datetime = T0) -> None:
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(delivery=one, number=1, began_at=at, ended_at=at, result=result)
        for one in mailed(campaign, many, at - DAY)
    )


class TestAProviderThatFails:
    pytestmark = door

    def test_several_campaigns_that_fail_at_once_stop_all_sending(self) -> None:
        attempted(people.campaign("a", name="Ay"), 20, Result.REFUSED)
        attempted(people.campaign("b", name="Bee"), 20, Result.UNCERTAIN)
        brakes.watch(T0 + HOUR / 2)
        assert sending.status().why == "Most messages of several campaigns fail at the provider: “Ay”, “Bee”."
        sending.start(None, T0 + HOUR / 2)
        brakes.watch(T0 + HOUR / 2)
        assert not sending.is_stopped()

    @pytest.mark.parametrize("result", [Result.LATER, Result.ACCEPTED])
    def test_what_will_be_tried_again_stops_nothing(self, result: Result) -> None:
        for key in ("a", "b"):
            attempted(people.campaign(key), 20, result)
        brakes.watch(T0 + HOUR / 2)
        assert not sending.is_stopped()

    def test_one_campaign_that_fails_alone_stops_nothing(self) -> None:
        attempted(people.campaign("a"), 20, Result.REFUSED)
        attempted(people.campaign("b"), 20, Result.ACCEPTED)
        brakes.watch(T0 + HOUR / 2)
        assert not sending.is_stopped()


class TestTheTestOfHarm:
    def test_the_tail_of_the_binomial_distribution_is_exact(self) -> None:
        assert spikes.at_least(3, 10, 0.2) == pytest.approx(0.3222004736)
        assert spikes.at_least(10, 10, 0.2) == pytest.approx(0.2**10)
        assert spikes.at_least(0, 10, 0.2) == 1.0

    def test_ordinary_noise_is_no_alarm(self) -> None:
        """Looked at on each day of 60 years of campaigns at usual rates."""
        years = [any(spikes.found(*look) for look in ordinary_year(seed)) for seed in range(60)]
        assert sum(years) <= 1

    @pytest.mark.parametrize("seed", range(5))
    def test_a_planted_spike_is_found_on_its_first_day(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        usual = Seen(5_000, {"bounces": 40, "complaints": 1, "unsubscribes": 15})
        calm = {name: int(random.binomial(400, rate)) for name, rate in RATES.items()}
        assert spikes.found(Seen(400, calm), usual, usual) == ""
        for name, rate in (("bounces", 0.12), ("complaints", 0.04), ("unsubscribes", 0.06)):
            worse = calm | {name: int(random.binomial(400, rate))}
            assert name in spikes.found(Seen(400, worse), usual, usual)

    def test_twice_as_bad_as_ever_is_told_by_its_own_history(self) -> None:
        own = Seen(5_000, {"unsubscribes": 5})
        assert spikes.found(Seen(2_000, {"unsubscribes": 24}), own, own) == (
            "24 unsubscribes among its last 2,000 mails (1.2%); 0.10% were usual."
        )

    def test_a_campaign_that_always_was_so_is_judged_by_the_limits_alone(self) -> None:
        own, everybody = Seen(5_000, {"unsubscribes": 60}), Seen(50_000, {"unsubscribes": 50})
        assert spikes.found(Seen(2_000, {"unsubscribes": 24}), own, everybody) == ""


RATES = {"complaints": 0.0005, "bounces": 0.01, "unsubscribes": 0.003}
MAILS_A_DAY = (20, 100, 400, 1_600)


def ordinary_year(seed: int) -> Iterator[tuple[Seen, Seen, Seen]]:
    """Give each day's last three days, own history and history of all, of a campaign whose rates never change."""
    random, day = np.random.default_rng(seed), MAILS_A_DAY[seed % len(MAILS_A_DAY)]
    sums = {name: np.concatenate([[0], np.cumsum(random.binomial(day, rate, 455))]) for name, rate in RATES.items()}
    known = min(90, 5_000 // day)

    def seen(first: int, last: int) -> Seen:
        return Seen(day * (last - first), {name: int(total[last] - total[first]) for name, total in sums.items()})

    for today in range(90, 455):
        history = seen(today - 3 - known if today - 3 > known else 0, today - 3)
        yield seen(today - 3, today), history, history
