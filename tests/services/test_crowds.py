"""Many processes at once on PostgreSQL and a mail server: limits, decisions and withdrawals hold for all together.

Each crowd is stopped at one table until all of it is there, so that its processes do the same at the same time.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.prove.home import Home
from tests.prove.installation import Distributed, wait
from tests.prove.starter import Started

pytestmark = pytest.mark.services
WORK = "tests.services.crowds"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
# The commit of a row's transaction has a time of its own only where this is on; a row of crowd_log is never changed, so
# that its transaction is the one that wrote the state.
COMMITS_ARE_TIMED = "ALTER SYSTEM SET track_commit_timestamp = on;"
WATCH = """
CREATE TABLE crowd_left (customer_id bigint, acknowledged_at timestamptz);
CREATE TABLE crowd_log (delivery_id bigint, state text, filled_at timestamptz);
CREATE FUNCTION crowd_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO crowd_log SELECT NEW.id, NEW.state, (SELECT max(filled_at) FROM campaigns_throughput);
    RETURN NEW;
END $$;
CREATE TRIGGER crowd_note AFTER UPDATE OF state ON campaigns_delivery FOR EACH ROW EXECUTE FUNCTION crowd_note();
"""
WATCH_NO_MORE = """
DELETE FROM campaigns_throughput;
DROP TRIGGER crowd_note ON campaigns_delivery;
DROP FUNCTION crowd_note;
DROP TABLE crowd_log, crowd_left;
"""
BEGUN_AFTER_LEAVING = """
SELECT count(*) FROM crowd_log
JOIN campaigns_delivery delivery ON delivery.id = crowd_log.delivery_id
JOIN crowd_left USING (customer_id)
JOIN customers_consent consent USING (customer_id)
WHERE crowd_log.state = 'sending' AND consent.channel = 'email' AND NOT consent.is_granted
AND pg_xact_commit_timestamp(crowd_log.xmin) > least(acknowledged_at, pg_xact_commit_timestamp(consent.xmin))
"""


@pytest.fixture
def ours(home: Home) -> Iterator[Distributed]:
    """Give the installation on servers, empty; its deliveries are watched."""
    found = home.distributed
    if found.ask("SHOW track_commit_timestamp") != [("on",)]:
        found.close()
        found.postgres.set(COMMITS_ARE_TIMED)
    found.clear()
    found.sink.accepted.clear()
    found.ask(WATCH)
    yield found
    found.ask(WATCH_NO_MORE)


def crowd(ours: Distributed, size: int, function: str, *arguments: object) -> list[Started]:
    """Begin so many processes that do the same; what they are given with `{}` in it is their number."""
    words = [str(one) for one in arguments]
    return [ours.start(f"{WORK}:{function}", *(word.format(number) for word in words)) for number in range(size)]


def stop_all(ours: Distributed, *crowds: list[Started]) -> None:
    """Wait until each process has stopped at a lock, or has nothing left to do."""
    processes = [one for some in crowds for one in some]

    def has_stopped() -> bool:
        waiting = ours.number(WAITING)
        return waiting > 0 and waiting + sum(one.code() is not None for one in processes) >= len(processes)

    wait(has_stopped, f"{len(processes)} processes to stop")


def ends(processes: list[Started]) -> list[int]:
    """Let all of a crowd end well; give what each of them said."""
    for one in processes:
        assert one.wait() == 0, one.log.read_text()
    return [int(one.log.read_text() or 0) for one in processes]


def mailed(ours: Distributed) -> list[str]:
    """Give the addresses that got mail, each as often as it did; the mail server's log and the tables agree."""
    accepted = Counter(ours.sink.accepted)
    sent = ours.ask(
        "SELECT delivery.public_id, email FROM campaigns_delivery delivery JOIN customers_customer customer"
        " ON customer.id = customer_id WHERE state = 'sent'"
    )
    assert accepted == Counter(sent)
    return [mail.recipient for mail in accepted.elements()]


def test_six_campaigns_that_send_at_once_keep_to_a_cap_of_one_a_day(ours: Distributed) -> None:
    ours.call(f"{WORK}:plan_campaigns", "6", "15")
    with ours.locked("campaigns_deliveryattempt"):
        workers = crowd(ours, 6, "deliver_all", 15)  # those of one campaign each
        stop_all(ours, workers)
    assert sum(ends(workers)) == 15
    assert sorted(mailed(ours)) == sorted(f"c{number}@example.test" for number in range(15))
    came = ours.ask(
        "SELECT delivery.state, outcome, count(*) FROM campaigns_delivery delivery"
        " JOIN campaigns_decision decision ON decision.id = decision_id GROUP BY 1, 2 ORDER BY 1"
    )
    assert came == [("cancelled", "capped", 75), ("sent", "deliver", 15)]
    reasons = ours.ask("SELECT DISTINCT split_part(reason, ', with', 1) FROM campaigns_delivery WHERE state != 'sent'")
    assert reasons == [("1 message in 1 day, planned ones included; the cap is 1",)]
    assert (
        ours.number("SELECT count(*) FROM campaigns_decision WHERE reason LIKE '% Given up: 1 message in 1 day%'") == 75
    )


def test_nine_planners_decide_once_about_each_customer(ours: Distributed) -> None:
    ours.call(f"{WORK}:know", "50")
    with ours.locked("campaigns_triggerstate"):
        planners = crowd(ours, 5, "decide_all", 0) + crowd(ours, 4, "decide_all", "{}")
        stop_all(ours, planners)
    assert sum(ends(planners)) == 50
    decided = ours.ask("SELECT count(*), count(DISTINCT customer_id), min(round), max(round) FROM campaigns_decision")
    assert decided == [(50, 50, 1, 1)]
    planned = ours.ask(
        "SELECT count(*), count(DISTINCT customer_id), count(DISTINCT decision_id) FROM campaigns_delivery"
    )
    assert planned == [(50, 50, 50)]
    assert sum(ends(crowd(ours, 1, "deliver_all", 100))) == 50
    assert len(set(mailed(ours))) == 50


def test_nothing_begins_after_an_unsubscribe_was_acknowledged(ours: Distributed) -> None:
    """Six are leaving while a worker wants to write to them; two workers are beginning to write to others who leave."""
    ours.call(f"{WORK}:plan_mails", "120")
    with ours.locked("campaigns_deliveryattempt"):
        with ours.locked("customers_consent"):
            leavers = crowd(ours, 6, "leave", "{}", 6)
            stop_all(ours, leavers)
            workers = crowd(ours, 3, "deliver_all", 40)
            stop_all(ours, leavers, workers)
        wait(lambda: ours.number("SELECT count(*) FROM crowd_left") >= len(leavers), "six to have left")
        stop_all(ours, leavers, workers)
    ends(leavers)
    sent = sum(ends(workers))
    assert ours.number("SELECT count(*) FROM crowd_left") == 60
    assert ours.number(BEGUN_AFTER_LEAVING) == 0
    assert 60 + 10 <= sent <= 120 - 6  # who stays, and whose mail had begun before she could leave
    assert len(set(mailed(ours))) == sent
    refused = ours.ask("SELECT reason, count(*) FROM campaigns_delivery WHERE state = 'cancelled' GROUP BY 1")
    assert refused == [("There is no consent for email:newsletter.", 120 - sent)]
    stayed = "SELECT count(*) FROM crowd_left JOIN campaigns_delivery USING (customer_id) WHERE state = 'cancelled'"
    assert ours.number(stayed) == 120 - sent


def test_four_workers_together_take_no_more_than_a_channel_lets_through(ours: Distributed) -> None:
    """Of 120 a minute ten may go at once, and the others come evenly: so no minute has more."""
    ours.call(f"{WORK}:plan_pace", "15", "120")
    with ours.locked("campaigns_throughput"):
        workers = crowd(ours, 4, "deliver_at_its_pace")
        stop_all(ours, workers)
    ends(workers)
    rows = ours.ask("SELECT extract(epoch FROM filled_at) FROM crowd_log WHERE state = 'claimed' ORDER BY 1")
    taken = [float(second) for (second,) in rows]
    assert len(taken) == len(set(mailed(ours))) == 15
    for first, begin in enumerate(taken):
        for last, end in enumerate(taken[first:], first):
            assert last - first + 1 <= 10 + (end - begin) * 110 / 60 + 1e-3


def test_eight_agents_at_once_take_each_call_once_and_no_more_than_they_may(ours: Distributed) -> None:
    ours.call(f"{WORK}:plan_calls", "30", "8")
    with ours.locked("campaigns_agent"):
        windows = crowd(ours, 16, "make_calls", "{}", 8)
        stop_all(ours, windows)
    ends(windows)
    assert ours.ask("SELECT state, count(*) FROM campaigns_calltask GROUP BY 1 ORDER BY 1") == [
        ("done", 24),
        ("open", 6),
    ]
    made = ours.ask(
        "SELECT task.agent_id = call.agent_id, count(*), count(DISTINCT task.id), max(number) FROM campaigns_call call"
        " JOIN campaigns_calltask task ON task.id = task_id GROUP BY 1"
    )
    assert made == [(True, 24, 24, 1)]
    assert ours.ask("SELECT DISTINCT count(*) FROM campaigns_call GROUP BY agent_id") == [(3,)]
    told = "SELECT count(*), count(DISTINCT customer_id) FROM customers_event WHERE name = 'Call Made'"
    assert ours.ask(told) == [(24, 24)]
