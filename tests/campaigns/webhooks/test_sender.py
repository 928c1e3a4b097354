"""Messages are sent until they are taken: in time, signed, once where all goes well, and nobody waits for another."""

import itertools
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook as Receiving
from standardwebhooks.webhooks import WebhookVerificationError

from campaigns.models import Webhook, WebhookAttempt, WebhookMessage
from campaigns.webhooks import hooks, outbox, retries, sender
from customers import calling
from customers.calling import Answer, Caller
from customers.models import Alert
from tests.campaigns.webhooks.receivers import SECRET, T0, flooding, hanging, receiving, saying, webhook

pytestmark = [pytest.mark.door, pytest.mark.django_db]
SECOND = timedelta(seconds=1)
FOREVER = 10.0  # seconds that nobody waits for where all is well
State = WebhookMessage.State


class Clock:
    """A clock that moves when somebody pauses, or sets it."""

    def __init__(self, now: datetime = T0) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def message(of: Webhook, at: datetime = T0, name: str = "a") -> WebhookMessage:
    return outbox.plan(of, "campaign.state", {"campaign": name}, at)


def answering(*answers: int | Answer) -> tuple[Caller, list[tuple[str, dict[str, str]]]]:
    """Give a call that answers so, the last one again and again, and the list of what it was asked."""
    asked: list[tuple[str, dict[str, str]]] = []
    lock = threading.Lock()

    def caller(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        with lock:
            asked.append((body.decode(), dict(headers)))
            told = answers[min(len(asked), len(answers)) - 1]
        return told if isinstance(told, Answer) else Answer(told, b"said")

    return caller, asked


def send(clock: Clock, caller: Caller) -> Counter[str]:
    return sender.send(clock, caller=caller, pause=clock.pause)


def until_the_end(sent: WebhookMessage, caller: Caller, clock: Clock) -> list[datetime]:
    """Send a message as often as its schedule says; give when it was tried."""
    while sent.state == State.PLANNED and sent.webhook.state == Webhook.State.LIVE:
        clock.now = max(clock.now, sent.due_at)
        send(clock, caller)
        sent.refresh_from_db()
        sent.webhook.refresh_from_db()
    return list(sent.tries.order_by("number").values_list("at", flat=True))


def test_one_that_answers_500_500_302_200_is_asked_four_times_under_one_id() -> None:
    caller, asked = answering(500, 500, 302, 200)
    sent = message(webhook())
    tried = until_the_end(sent, caller, Clock())
    assert sent.state == State.TAKEN
    assert tried[0] == T0
    delays = [late - early for early, late in itertools.pairwise(tried)]
    for delay, meant in zip(delays, retries.SCHEDULE[1:], strict=False):
        assert meant <= delay <= meant * (1 + retries.JITTER)
    assert {headers["webhook-id"] for _, headers in asked} == {sent.public_id}
    assert [headers["webhook-timestamp"] for _, headers in asked] == [str(int(at.timestamp())) for at in tried]
    assert len({body for body, _ in asked}) == 1
    assert list(sent.tries.order_by("number").values_list("number", "status", "answer")) == [
        (1, 500, "said"),
        (2, 500, "said"),
        (3, 302, "said"),
        (4, 200, "said"),
    ]
    sent.webhook.refresh_from_db()
    assert sent.webhook.failing_since is None


def test_after_the_last_try_of_the_schedule_a_message_is_given_up_and_the_webhook_disabled_with_an_alert() -> None:
    caller, asked = answering(500)
    sent = message(webhook())
    tried = until_the_end(sent, caller, Clock())
    assert len(asked) == len(retries.SCHEDULE)
    assert sum(retries.SCHEDULE, timedelta()) <= tried[-1] - tried[0] <= sum(retries.SCHEDULE, timedelta()) * 1.1
    assert (sent.state, sent.webhook.state) == (State.FAILED, Webhook.State.DISABLED)
    alert = Alert.objects.get()
    assert (alert.kind, alert.state) == (Alert.Kind.WEBHOOK, Alert.State.OPEN)
    assert "“CRM” is disabled. It has taken nothing since 2026-03-01 12:00 UTC." in alert.sentence


def test_five_days_of_nothing_but_failures_disable_it_and_one_success_begins_anew() -> None:
    failing = webhook(failing_since=T0 - timedelta(days=5))
    message(failing)
    send(Clock(), answering(500)[0])
    failing.refresh_from_db()
    assert failing.state == Webhook.State.DISABLED
    again = webhook("again", failing_since=T0 - timedelta(days=5))
    message(again)
    message(again, T0 + SECOND)
    send(Clock(), answering(200)[0])
    send(Clock(T0 + SECOND), answering(500)[0])
    again.refresh_from_db()
    assert (again.state, again.failing_since) == (Webhook.State.LIVE, T0 + SECOND)


def test_410_disables_at_once_and_what_waits_goes_on_when_it_is_enabled() -> None:
    gone = webhook()
    first, second = message(gone), message(gone, T0 + SECOND)
    send(Clock(), answering(410)[0])
    gone.refresh_from_db()
    assert (gone.state, gone.disabled_why) == (Webhook.State.DISABLED, "It answered 410, Gone.")
    later = Clock(T0 + timedelta(days=1))
    caller, asked = answering(200)
    assert send(later, caller) == {}
    assert hooks.enable(gone, None, later.now) == 2
    assert Alert.objects.get().state == Alert.State.DONE
    assert send(later, caller) == {"taken": 2}
    assert {headers["webhook-id"] for _, headers in asked} == {first.public_id, second.public_id}


@pytest.mark.parametrize(
    ("status", "retry_after", "rest"),
    [
        (429, "120", timedelta(seconds=120)),
        (503, "Sun, 01 Mar 2026 12:10:00 GMT", timedelta(minutes=10)),
        (429, "", retries.REST),
        (502, "", retries.REST),
        (504, "rubbish", retries.REST),
        (429, "99999999999", timedelta(days=1)),
        (429, "-5", retries.REST),
    ],
)
def test_one_that_has_too_much_to_do_is_left_alone_altogether(status: int, retry_after: str, rest: timedelta) -> None:
    busy, other = webhook("busy", per_minute=1), webhook("other")
    for _ in range(3):
        message(busy)
        message(other)
    caller, asked = answering(Answer(status, retry_after=retry_after))
    clock = Clock()

    def by_address(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        return caller(url, body, headers) if "busy" in url else Answer(200)

    assert send(clock, by_address) == {"failed": 1, "taken": 3}
    busy.refresh_from_db()
    assert busy.retry_at == max(T0 + rest, T0 + timedelta(minutes=1))
    clock.now = busy.retry_at - 2 * SECOND
    assert send(clock, by_address) == {}
    clock.now = busy.retry_at
    assert send(clock, by_address) == {"failed": 1}
    assert len(asked) == 2


def test_both_secrets_sign_while_a_rotation_lasts_and_then_the_new_one_alone(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW = ["127.0.0.1"]
    with receiving(saying(200)) as server:
        hook = webhook(url=server.url)
        now = timezone.now()
        new = hooks.rotate(hook, None, now)
        for _ in range(2):
            message(hook, now)
            sender.send(timezone.now)
            Webhook.objects.update(old_until=now)
    (during, body), (after, later) = server.got
    for secret in (SECRET, new):
        assert Receiving(secret).verify(body, during)["type"] == "campaign.state"
    assert len(during["webhook-signature"].split(" ")) == 2
    assert Receiving(new).verify(later, after)["data"] == {"campaign": "a"}
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Receiving(SECRET).verify(later, after)


def test_one_that_hangs_and_one_that_floods_delay_no_other(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW = ["127.0.0.1"]
    now = timezone.now()
    with receiving(hanging) as hung, receiving(flooding) as flood, receiving(saying(200)) as well:
        for name, server in (("hung", hung), ("flood", flood), ("well", well)):
            for _ in range(3):
                message(webhook(name, url=server.url) if not Webhook.objects.filter(key=name) else _named(name), now)
        done = sender.send(timezone.now, caller=partial(calling.call, seconds=1.5), seconds=1.0)
        assert done == {"taken": 3, "failed": len(hung.got) + len(flood.got)}
    arrived = WebhookAttempt.objects.filter(message__webhook__key="well").values_list("at", flat=True)
    assert max(arrived) - now < timedelta(seconds=1.4), "before the one that hangs was left"
    assert len(hung.got) == 2


def _named(key: str) -> Webhook:
    return Webhook.objects.get(key=key)


def test_however_many_hang_there_is_room_for_one_that_works() -> None:
    """Those that hang end only after the one that works was called: were it to wait for one of them, all would wait."""
    for n in range(sender.THREADS + 8):
        message(webhook(f"hung-{n}", failing_since=T0 - SECOND))
    message(webhook("well"), T0)
    called, late = threading.Event(), []

    def caller(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if "well" in url:
            called.set()
            return Answer(200)
        if not called.wait(FOREVER):
            late.append(url)
        return Answer(None, error="It did not answer in time.")

    assert send(Clock(), caller) == {"taken": 1, "failed": sender.THREADS + 8}
    assert late == []


def test_a_webhook_gets_two_at_a_time_and_one_that_fails_one() -> None:
    for key, since in (("well", None), ("ill", timezone.now())):
        hook = webhook(key, failing_since=since, per_minute=6_000)
        for _ in range(4):
            message(hook)
    lock, at_once, most = threading.Lock(), Counter[str](), Counter[str]()
    both = threading.Barrier(2)

    def caller(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        key = "well" if "well" in url else "ill"
        with lock:
            at_once[key] += 1
            most[key] = max(most[key], at_once[key])
        if key == "well":
            both.wait(FOREVER)
        with lock:
            at_once[key] -= 1
        return Answer(200 if key == "well" else 500)

    sender.send(timezone.now, caller=caller)
    assert most == {"well": 2, "ill": 1}


def test_messages_go_in_the_order_in_which_they_are_due() -> None:
    hook = webhook(failing_since=T0 - SECOND)  # one at a time
    for name, late in (("c", 3), ("a", 1), ("d", 4), ("b", 2)):
        message(hook, T0 + late * SECOND, name)
    caller, asked = answering(Answer(404))
    send(Clock(T0 + 9 * SECOND), caller)
    assert [body[-4] for body, _ in asked] == ["a", "b", "c", "d"]
    message(hook, T0 + timedelta(days=9))
    assert send(Clock(T0 + 10 * SECOND), caller) == {}, "nothing before it is due"


def test_no_more_than_its_limit_goes_out_in_a_minute() -> None:
    hook = webhook(per_minute=60)
    for _ in range(63):
        message(hook)
    clock = Clock()
    assert send(clock, answering(200)[0]) == {"taken": 63}
    at = list(WebhookAttempt.objects.order_by("at").values_list("at", flat=True))
    assert max(sum(begin <= one < begin + timedelta(minutes=1) for one in at) for begin in at) <= 60


def test_what_a_killed_worker_had_claimed_is_sent_by_another_and_its_late_answer_is_dropped() -> None:
    hook = webhook()
    sent = message(hook)
    lost = sender._claim(hook.pk, T0)
    assert lost is not None
    caller, asked = answering(200)
    assert send(Clock(T0 + SECOND), caller) == {}, "its lease holds"
    WebhookMessage.objects.update(lease_until=Now() - SECOND)
    assert send(Clock(T0 + SECOND), caller) == {"taken": 1}
    assert sender._write(lost, Answer(500), T0 + 2 * SECOND) == "lost"
    sent.refresh_from_db()
    assert (sent.state, sent.tries.count(), len(asked)) == (State.TAKEN, 1, 1)


def test_a_fault_of_a_call_is_one_that_failed() -> None:
    def broken(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if "well" in url:
            return Answer(200)
        raise RuntimeError("no")

    sent = message(webhook("ill"))
    message(webhook("well"))
    assert send(Clock(), broken) == {"failed": 1, "taken": 1}
    assert sent.tries.get().answer == "The call failed here: RuntimeError."


def test_a_webhook_that_leads_inside_since_it_was_saved_is_not_called() -> None:
    hook = webhook(url="https://127.0.0.1/hook")
    sent = message(hook)
    assert sender.send(Clock()) == {"failed": 1}
    assert "no address of the open internet" in sent.tries.get().answer


def test_a_message_is_sent_again_by_hand_under_its_id_and_its_tries_are_counted_on() -> None:
    caller, asked = answering(500)
    sent = message(webhook())
    clock = Clock()
    until_the_end(sent, caller, clock)
    assert hooks.enable(sent.webhook, None, clock.now) == 0
    since = clock.now
    assert outbox.replay_failed(sent.webhook, since + SECOND, None, since) == 0
    assert outbox.replay_failed(sent.webhook, since, None, since) == 1
    assert send(clock, answering(200)[0]) == {"taken": 1}
    sent.refresh_from_db()
    assert (sent.state, sent.tries.count()) == (State.TAKEN, len(retries.SCHEDULE) + 1)
    outbox.replay(sent, None, clock.now)
    sent.refresh_from_db()
    with pytest.raises(outbox.ReplayRefused, match="under way already"):
        outbox.replay(sent, None, clock.now)
    caller, asked = answering(200)
    clock.now += SECOND
    send(clock, caller)
    assert [headers["webhook-id"] for _, headers in asked] == [sent.public_id]


def test_bodies_and_answers_are_emptied_a_month_after_a_message_ended() -> None:
    hook = webhook()
    old, young, waiting = message(hook), message(hook, T0 + SECOND), message(hook, T0 + timedelta(days=99))
    send(Clock(), answering(200)[0])
    send(Clock(T0 + timedelta(days=1)), answering(200)[0])
    assert outbox.tidy(T0 + outbox.KEPT) == 1
    assert outbox.tidy(T0 + outbox.KEPT) == 0
    for one in (old, young, waiting):
        one.refresh_from_db()
    assert [bool(one.body) for one in (old, young, waiting)] == [False, True, True]
    assert old.tries.get().answer == ""
    with pytest.raises(outbox.ReplayRefused, match="was removed 30 days after"):
        outbox.replay(old, None, T0)


def test_jitter_is_the_seeds_and_within_a_tenth() -> None:
    times = {seed: retries.next_try(1, T0, seed) for seed in map(str, range(200))}
    assert len(set(times.values())) > 150
    assert times["7"] == retries.next_try(1, T0, "7")
    assert all(at and T0 + 5 * SECOND <= at <= T0 + 5.5 * SECOND for at in times.values())
    assert retries.next_try(10, T0, "7") is None


def test_timestamps_are_of_the_attempt_whatever_the_zone_of_the_clock() -> None:
    at = datetime(2026, 3, 1, 14, tzinfo=timezone.get_fixed_timezone(120))
    caller, asked = answering(200)
    message(webhook())
    send(Clock(at), caller)
    [(body, headers)] = asked
    assert headers["webhook-timestamp"] == str(int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()))
    signed = Receiving(SECRET).sign(headers["webhook-id"], datetime(2026, 3, 1, 12, tzinfo=UTC), body)
    assert headers["webhook-signature"] == signed
