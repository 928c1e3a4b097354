"""The work on back-tests that were asked for: one is claimed, acted out day by day, and ended. Done by workers."""

from collections.abc import Callable
from datetime import datetime

from campaigns.backtest import asking, results
from campaigns.backtest.asking import BacktestError, BacktestLost
from campaigns.backtest.memory import Memory, unpacked
from campaigns.backtest.replay import Period, Replay, times
from campaigns.models import Backtest
from customers import leases
from customers.generations import LakeError
from customers.leases import Queue

KEPT_EVERY = 10  # days after which what is remembered is stored: a worker who takes over goes on from there


def work(now: Callable[[], datetime]) -> Backtest | None:
    """Do the back-test that has waited longest; give it as it ended. None where there is none to do."""
    refusals = (BacktestError, LakeError)
    return leases.work(Queue(asking.claim, _acted, asking.finish, asking.fail, refusals, BacktestLost), now)


def _acted(asked: Backtest) -> dict[str, object]:
    """Act out the days that are not done, and give what came of all."""
    campaign = asking.plan_of(asked)
    trigger = asking.refuse(campaign, asked.since, asked.until)
    memory = unpacked(bytes(asked.working)) if asked.working else Memory()
    period = Period(asked.since, asked.until)
    replay = Replay(campaign, trigger, period, memory)
    for at in times(period)[len(memory.days) :]:
        replay.day(memory.last, at)
        many = len(memory.days)
        asking.tell(asked, many, memory.packed() if many % KEPT_EVERY == 0 else None)
    return results.of(replay, asked.asked_at)
