"""Kill -9 at every state of sending: nothing is missing, nothing is sent twice, and what is in doubt is listed."""

import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

import psycopg
import redis

from tests.prove.evidence import Evidence, Table
from tests.prove.home import Home
from tests.prove.installation import Distributed, Embedded, Installation, kill_children, wait
from tests.prove.sink import Point
from tests.servers import free_port

MAILS = 45  # made due for each kill
PASSING = 10  # mails, at most, that go out before a kill
PAST, FAR = "2000-01-01 00:00:00", "2900-01-01 00:00:00"
ENDED = {"sent", "failed", "uncertain", "cancelled"}
OPEN = f"""
    SELECT count(*) FROM campaigns_delivery
    WHERE state IN ('claimed', 'sending') OR state = 'planned' AND due_at < '{FAR}'
"""
RELEASE = f"""
    UPDATE campaigns_delivery SET due_at = '{PAST}' WHERE id IN
    (SELECT id FROM campaigns_delivery WHERE state = 'planned' AND due_at > '{FAR}' ORDER BY id LIMIT {MAILS})
"""
DECIDED = """
    SELECT decision.id, delivery.public_id, delivery.state, delivery.reason, customer.email
    FROM campaigns_decision decision
    JOIN customers_customer customer ON customer.id = decision.customer_id
    LEFT JOIN campaigns_delivery delivery ON delivery.decision_id = decision.id
    WHERE decision.outcome = 'deliver'
"""
IsReached = Callable[[], bool]
Push = Callable[[], None]
PointOf = Callable[[Distributed, random.Random], AbstractContextManager[IsReached]]
EmbeddedPointOf = Callable[[Embedded, random.Random], AbstractContextManager[IsReached]]


class Row(NamedTuple):
    """What came of one case: kills, mails decided on, accepted by the mail server, lost, accepted twice, in doubt."""

    case: str
    kills: int
    mails: int
    sent: int
    lost: int
    twice: int
    uncertain: int


def judge(ours: Installation, case: str, kills: int) -> Row:
    """Hold the tables against what the mail server accepted; raise AssertionError where they disagree."""
    accepted = Counter(mail.delivery for mail in ours.sink.accepted)
    decided = ours.ask(DECIDED)
    states = {public_id: state for _, public_id, state, _, _ in decided}
    lost = sum(
        state not in ENDED or (state == "sent" and not accepted[public_id]) for _, public_id, state, _, _ in decided
    )
    twice = sum(accepted.values()) - len(accepted)
    uncertain = [reason for _, _, state, reason, _ in decided if state == "uncertain"]
    row = Row(case, kills, len(decided), len(accepted), lost, twice, len(uncertain))
    assert (row.lost, row.twice) == (0, 0), f"{row}: {Counter(states.values())}"
    assert {states[public_id] for public_id in accepted} <= {"sent", "uncertain"}, row
    assert all(uncertain), f"{row}: one is uncertain without a reason"
    assert {(public_id, to) for _, public_id, _, _, to in decided} >= set(ours.sink.accepted), f"{row}: wrong address"
    return row


def after_the_claim(ours: Distributed, rng: random.Random) -> AbstractContextManager[IsReached]:
    """Hold up the gate before it reads the customer."""
    return ours.locked("customers_customer")


def before_sending_is_committed(ours: Distributed, rng: random.Random) -> AbstractContextManager[IsReached]:
    """Hold up the gate's transaction after it wrote `sending`."""
    return ours.locked("campaigns_deliveryattempt")


def before_the_mail(ours: Installation, rng: random.Random) -> AbstractContextManager[IsReached]:
    """Hold up the first word with the mail server: `sending` is committed, and nothing of the mail was said."""
    return ours.sink.stopped_at(Point.GREETING, rng.randrange(PASSING))


def during_data(ours: Installation, rng: random.Random) -> AbstractContextManager[IsReached]:
    """Hold up the mail server when it has the whole mail, before it accepts it."""
    return ours.sink.stopped_at(Point.DATA, rng.randrange(PASSING))


def before_the_answer(ours: Installation, rng: random.Random) -> AbstractContextManager[IsReached]:
    """Hold up the answer of a mail server that has accepted the mail."""
    return ours.sink.stopped_at(Point.ACCEPTED, rng.randrange(PASSING))


@contextlib.contextmanager
def before_sent_is_recorded(ours: Distributed, rng: random.Random) -> Iterator[IsReached]:
    """Hold the delivery's row as soon as its mail was accepted: the answer arrives and cannot be written down."""
    with psycopg.connect(ours.env["DATABASE_URL"]) as holder:

        def hold(delivery: str) -> None:
            holder.execute("SELECT 1 FROM campaigns_delivery WHERE public_id = %s FOR UPDATE", [delivery])

        with ours.sink.stopped_at(Point.ANSWERED, rng.randrange(PASSING), hold) as is_answered:
            yield lambda: is_answered() and ours.is_blocked()
        holder.rollback()


@contextlib.contextmanager
def before_sent_is_recorded_in_sqlite(ours: Embedded, rng: random.Random) -> Iterator[IsReached]:
    """Hold the database for writing as soon as a mail was accepted."""
    with ours.connected() as holder:

        def hold(delivery: str) -> None:
            if not holder.in_transaction:
                holder.execute("BEGIN IMMEDIATE")

        with ours.sink.stopped_at(Point.ANSWERED, rng.randrange(PASSING), hold) as is_answered:
            yield is_answered
        holder.rollback()


@contextlib.contextmanager
def at_any_moment(ours: Installation, rng: random.Random) -> Iterator[IsReached]:
    """Wait for some mails to be accepted, and a moment more; the mail server refuses some for now."""
    until = len(ours.sink.accepted) + rng.randrange(1, PASSING)
    ours.sink.refuses = lambda: rng.random() < 0.1

    def is_reached() -> bool:
        if len(ours.sink.accepted) < until:
            return False
        time.sleep(rng.uniform(0.0, 0.05))
        return True

    yield is_reached
    ours.sink.refuses = lambda: False


def kill_worker(ours: Distributed, case: str, kills: int, point_of: PointOf) -> Row:
    """Kill a worker at a point, every fourth time only the two processes that do its work."""
    rng = _begin(ours, case, kills)
    push = _messages(ours)
    with contextlib.ExitStack() as stack:
        worker = stack.enter_context(ours.worker())
        for number in range(kills):
            with point_of(ours, rng) as is_reached:
                _release(ours, push)
                wait(is_reached, f"{case}: the point")
                kill_children(worker) if number % 4 == 3 else worker.kill()
            if worker.code() is not None:
                worker = stack.enter_context(ours.worker())
            _settle(ours, push, case)
    return judge(ours, case, kills)


def kill_cycle(ours: Distributed, case: str, kills: int, held: str) -> Row:
    """Kill a worker once in each cycle, while work of a stage waits for a table; each cycle decides on new mails."""
    ours.clear()
    ours.sink.accepted.clear()
    ours.call("tests.prove.mails:buyers", str(kills * MAILS))
    ours.sink.accepted.clear()
    for number in range(kills):
        ours.call("tests.prove.mails:buy", str(number), str(MAILS))
        with ours.worker() as worker, _claimed_work_waits(ours, held) as is_reached:
            ours.wake("resume")
            wait(is_reached, f"{case}: the point")
            worker.kill()
        with ours.worker():
            _end_cycle(ours, case)
    assert ours.number("SELECT count(*) FROM campaigns_cycle WHERE state = 'done'") == kills + 1
    row = judge(ours, case, kills)
    assert row.mails == kills * MAILS, f"{row}: a decision is missing, or made twice"
    return row


@contextlib.contextmanager
def _claimed_work_waits(ours: Distributed, table: str) -> Iterator[IsReached]:
    """Hold a table, and let nobody read it."""
    with ours.locked(table, "ACCESS EXCLUSIVE") as is_blocked:
        yield (
            lambda: is_blocked() and ours.number("SELECT count(*) FROM campaigns_cycletask WHERE state = 'claimed'") > 0
        )


def _end_cycle(ours: Distributed, case: str) -> None:
    """Let the leases of the dead run out, and wait until the cycle has ended."""
    ours.ask(f"UPDATE campaigns_cycletask SET lease_until = '{PAST}' WHERE state = 'claimed'")

    def is_over() -> bool:
        if not ours.waiting():
            ours.wake("resume")
        return ours.number("SELECT count(*) FROM campaigns_cycle WHERE state = 'running'") == 0

    wait(is_over, f"{case}: the end of the cycle")


def kill_database(ours: Distributed, case: str, kills: int) -> Row:
    """End PostgreSQL at once, in turn at any moment and when a mail was just accepted; start it again."""
    rng = _begin(ours, case, kills)
    push = _messages(ours)
    points: list[PointOf] = [before_the_answer, at_any_moment]
    with ours.worker():
        for number in range(kills):
            with points[number % 2](ours, rng) as is_reached:
                _release(ours, push)
                wait(is_reached, f"{case}: the point")
                ours.close()
                ours.postgres.crash()
            ours.postgres.restart()
            _settle(ours, push, case)
    return judge(ours, case, kills)


def lose_broker(ours: Distributed, case: str, kills: int, lose: Callable[[Distributed], None]) -> Row:
    """Take all that Redis holds while mails go out; the scheduler alone finds what is left."""
    rng = _begin(ours, case, kills)
    push = _schedule(ours)
    with ours.worker(), ours.running("celery", "-A", "config", "beat"):
        for _ in range(kills):
            with at_any_moment(ours, rng) as is_reached:
                _release(ours, push)
                wait(is_reached, f"{case}: the point")
                lose(ours)
            _settle(ours, push, case)
    return judge(ours, case, kills)


def crash_broker(ours: Distributed) -> None:
    """End Redis at once, and start it empty."""
    ours.redis.crash()
    ours.redis.start()


def flush_broker(ours: Distributed) -> None:
    """Empty Redis."""
    with redis.Redis.from_url(ours.env["REDIS_URL"]) as client:
        client.flushall()


def kill_run(ours: Embedded, case: str, kills: int, point_of: EmbeddedPointOf) -> Row:
    """Kill `manage.py run` at a point, again and again."""
    rng = _begin(ours, case, kills)
    push = _schedule(ours)
    command = ("manage.py", "run", "--port", str(free_port()))
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(ours.running(*command))
        for _ in range(kills):
            with point_of(ours, rng) as is_reached:
                _release(ours, push)
                wait(is_reached, f"{case}: the point")
                process.kill()
            process = stack.enter_context(ours.running(*command))
            _settle(ours, push, case)
    return judge(ours, case, kills)


def _begin(ours: Installation, case: str, kills: int) -> random.Random:
    """Empty the tables, plan the mails of one case, and give its random numbers."""
    ours.clear()
    ours.sink.accepted.clear()
    ours.call("tests.prove.mails:plan", str(kills * MAILS))
    return random.Random(case)


def _release(ours: Installation, push: Push) -> None:
    """Make the next mails due."""
    ours.ask(RELEASE)
    push()


def _settle(ours: Installation, push: Push, case: str) -> None:
    """Let the leases of the dead run out, and wait until all that is due has ended. What was refused is due at once."""
    polls = itertools.count()

    def is_over() -> bool:
        poll = next(polls)
        if poll % 100 == 0:
            ours.ask(f"UPDATE campaigns_delivery SET lease_until = '{PAST}' WHERE state IN ('claimed', 'sending')")
        if poll % 10 == 0:
            ours.ask(f"UPDATE campaigns_delivery SET due_at = '{PAST}' WHERE state = 'planned' AND due_at < '{FAR}'")
            push()
        return ours.number(OPEN) == 0

    wait(is_over, f"{case}: the end of all that is due")


def _messages(ours: Distributed) -> Push:
    """Give what wakes the workers by messages, as the scheduler does."""

    def push() -> None:
        if not ours.waiting():
            for task in ("sweep", "deliver_due", "deliver_due"):
                ours.wake(task)

    return push


def _schedule(ours: Installation) -> Push:
    """Give what makes the scheduler's next tick deliver and sweep."""

    def push() -> None:
        ours.ask(f"UPDATE campaigns_schedule SET next_at = '{PAST}' WHERE key IN ('deliver', 'sweep')")

    return push


class Case(NamedTuple):
    """One way to kill, in words; `is_small` says that the small share has it too."""

    words: str
    run: Callable[[Home, str, int], Row]
    is_small: bool = False


def _of_cycle(held: str) -> Callable[[Home, str, int], Row]:
    return lambda home, case, kills: kill_cycle(home.distributed, case, kills, held)


def _of_worker(point_of: PointOf) -> Callable[[Home, str, int], Row]:
    return lambda home, case, kills: kill_worker(home.distributed, case, kills, point_of)


def _of_broker(lose: Callable[[Distributed], None]) -> Callable[[Home, str, int], Row]:
    return lambda home, case, kills: lose_broker(home.distributed, case, kills, lose)


def _of_run(point_of: EmbeddedPointOf) -> Callable[[Home, str, int], Row]:
    def run(home: Home, case: str, kills: int) -> Row:
        with home.embedded() as ours:
            return kill_run(ours, case, kills, point_of)

    return run


CASES = (
    Case("worker, in a cycle, while it computes features and scores", _of_cycle("customers_customer")),
    Case("worker, in a cycle, while it writes memberships and decisions", _of_cycle("campaigns_decision")),
    Case("worker, after the claim", _of_worker(after_the_claim)),
    Case("worker, `sending` written and not committed", _of_worker(before_sending_is_committed)),
    Case("worker, `sending` committed, nothing said to the mail server", _of_worker(before_the_mail)),
    Case("worker, during DATA, before the mail was accepted", _of_worker(during_data)),
    Case("worker, mail accepted, answer not yet there", _of_worker(before_the_answer)),
    Case("worker, answer there, `sent` not yet recorded", _of_worker(before_sent_is_recorded), is_small=True),
    Case("worker, at any moment", _of_worker(at_any_moment)),
    Case("broker, at any moment", _of_broker(crash_broker), is_small=True),
    Case("broker flushed, at any moment", _of_broker(flush_broker)),
    Case("database", lambda home, *rest: kill_database(home.distributed, *rest)),
    Case("`manage.py run`, during DATA, before the mail was accepted", _of_run(during_data)),
    Case("`manage.py run`, mail accepted, answer not yet there", _of_run(before_the_answer)),
    Case("`manage.py run`, answer there, `sent` not yet recorded", _of_run(before_sent_is_recorded_in_sqlite)),
    Case("`manage.py run`, at any moment", _of_run(at_any_moment)),
)


def prove(home: Home, size: int) -> Evidence:
    """Kill `size` times in each case, with 45 mails due for each kill. With a size of one, in a few cases."""
    cases = [case for case in CASES if case.is_small or size > 1]
    rows = [case.run(home, case.words, size) for case in cases]
    return Evidence(
        "Kills",
        "Processes are ended by kill -9 while mails go out to a mail server that remembers what it accepted. Of every "
        "decision to deliver, the tables are held against that: *lost* has no row that says what became of it, *twice* "
        "was accepted more than once, *uncertain* is listed as such, with its reason, for somebody to look at. "
        "`manage.py run` is one process on SQLite; the rest is a worker of two processes on PostgreSQL and Redis.",
        [Table(Row._fields, rows)],
        home.servers(),
    )
