"""From an event to its mail: customers ask for help, and a campaign answers, by the clock on the wall.

Two processes do what the schedule says of small cycles and deliveries; mails go to config/bench_sink.py.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from django.db.models import Exists, OuterRef
from django.utils import timezone

from campaigns import cancel, programme, schedule, sending, tasks
from campaigns.models import Campaign, Cycle, Programme, Schedule
from config.broker import TICK
from customers import bulk, ingest
from customers.ingest import Records
from customers.models import Consent, Customer, Source

ASKED = "Asked For Help"
KEY = "help"
A_SECOND = 50
SECONDS = 20
BATCH = 10  # events of a call, as client libraries collect them
LOST_AFTER = 60.0  # seconds after the last event
TENDED = {schedule.SMALL_CYCLE, schedule.DELIVER}
STEP = {"action": "email", "subject": "Your question", "body": "Hello {{ customer.first_name | default: 'there' }}"}
WHY = "The bench has its mails."
LOOK_EVERY = 0.05  # seconds
WORKERS = 2
DURATION = pl.Duration("us")


class Measured(NamedTuple):
    """When each event was stored and a mail for it accepted, the small cycles meanwhile, and what the worker cost."""

    stored: dict[str, float]
    accepted: list[tuple[str, float]]
    cycles: list[Cycle]
    worker_cpu: float

    def row(self) -> dict[str, Any]:
        """Give the seconds from an event to its mail, and how many mails there were, lost, and sent twice."""
        first = {to: min(at for one, at in self.accepted if one == to) for to in self.stored.keys() & self._to().keys()}
        waits = pl.Series([first[to] - self.stored[to] for to in first], dtype=pl.Float64)
        took = pl.Series([(one.finished_at or one.started_at) - one.started_at for one in self.cycles], dtype=DURATION)
        times = sorted(self.stored.values())
        return {
            "p50": _rounded(waits.quantile(0.5)),
            "p99": _rounded(waits.quantile(0.99)),
            "most": _rounded(waits.max()),
            "a_second": round((len(times) - BATCH) / (times[-1] - times[0]), 1),
            "mails": len(self.accepted),
            "lost": len(self.stored.keys() - first.keys()),
            "twice": sum(count - 1 for count in self._to().values()),
            "unasked": len(self._to().keys() - self.stored.keys()),
            "cycles": len(self.cycles),
            "cycle_p50": _rounded(took.dt.total_milliseconds().quantile(0.5), 1e-3),
            "worker_cpu": round(self.worker_cpu, 1),
            "load": round(os.getloadavg()[0], 1),
        }

    def _to(self) -> Counter[str]:
        return Counter(to for to, _ in self.accepted)


def measure() -> Measured:
    """Store events of customers of their own, and wait until the mail for each is accepted."""
    now = timezone.now()
    held_out = programme.current().holdout_share
    _alone(now)
    people = _askers(A_SECOND * SECONDS)
    cpu = _children_cpu()
    last = Cycle.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    sending.start(None, now)
    try:
        with tempfile.TemporaryDirectory(prefix="cusp-bench-") as folder, _tended(Path(folder)) as notes:
            stored = _feed(people)
            _wait(notes, len(stored))
            accepted = _accepted(notes)
    finally:
        sending.stop(None, WHY, timezone.now())
        Programme.objects.update(holdout_share=held_out)
    cycles = list(Cycle.objects.filter(pk__gt=last, finished_at__isnull=False))
    return Measured(stored, accepted, cycles, _children_cpu() - cpu)


def tend(until: Path) -> None:
    """Do what is due of small cycles and deliveries, as a worker does, until a file is there.

    A worker is woken by messages for deliveries, and for a slot that came meanwhile; here whoever turned a small cycle
    makes these due, and others look.
    """
    now = timezone.now()
    schedule.switch_off((key for key in schedule.periods() if key not in TENDED), now)
    Schedule.objects.filter(key__in=TENDED).update(next_at=now)
    while not until.exists():
        for key in schedule.tick(timezone.now(), 1):  # the other worker does what else is due
            began = timezone.now()
            tasks.WOKEN[key]()
            if key == schedule.SMALL_CYCLE:
                woken = TENDED if schedule.came_again(key, began) else {schedule.DELIVER}
                Schedule.objects.filter(key__in=woken).update(next_at=timezone.now())
        time.sleep(LOOK_EVERY)


def _alone(at: datetime) -> None:
    """Let one campaign be live, that answers everybody; what others planned is not sent."""
    for campaign in Campaign.objects.all():
        cancel.planned(campaign, WHY, at)
    Campaign.objects.update(state=Campaign.State.PAUSED)
    Programme.objects.update(holdout_share=0.0)
    Campaign.objects.create(
        key=KEY,
        name="Help",
        state=Campaign.State.LIVE,
        trigger={"kind": "event", "event": ASKED},
        steps=[STEP],
        control_share=0.0,
        created_at=at,
        launched_at=at,
    )


def _askers(count: int) -> list[tuple[str, str]]:
    """Give the external ids and addresses of customers who consent to mail, from everywhere among all."""
    granted = Consent.objects.filter(customer=OuterRef("pk"), channel="email", topic="newsletter", is_granted=True)
    people = Customer.objects.filter(Exists(granted)).order_by("seed").values_list("external_id", "email")
    return [(name, str(email)) for name, email in people[:count]]


def _feed(people: list[tuple[str, str]]) -> dict[str, float]:
    """Store events as a client's batches bring them in; give the second at which each address's was stored."""
    source = Source.objects.create(key="help-desk", name="Help desk", kind=Source.Kind.API)
    stored: dict[str, float] = {}
    began = time.monotonic()
    for start in range(0, len(people), BATCH):
        batch = people[start : start + BATCH]
        time.sleep(max(0.0, began + start / A_SECOND - time.monotonic()))
        received = timezone.now()
        ingest.put(_asked([name for name, _ in batch], received), source, received)
        stored |= dict.fromkeys((email for _, email in batch), time.time())
    return stored


def _asked(names: list[str], at: datetime) -> Records:
    now = pl.lit(at).cast(bulk.UTC_MICROSECONDS)
    events = pl.DataFrame({"external_id": names}).with_row_index("line", 1)
    events = events.with_columns(
        pl.col("line").cast(pl.Int64),
        message_id=pl.format("asked {}", "external_id"),
        name=pl.lit(ASKED),
        occurred_at=now,
        known_at=now,
    )
    return Records(read=len(names), events=events)


@contextmanager
def _tended(folder: Path) -> Iterator[Path]:
    """Run the mail server, and the worker that sends to it, while the block runs; give the mail server's notes."""
    notes, ended = folder / "accepted", folder / "ended"
    sink = subprocess.Popen([sys.executable, "-m", "config.bench_sink", str(notes)], stdout=subprocess.PIPE, text=True)
    try:
        assert sink.stdout is not None
        env = {**os.environ, "EMAIL_URL": f"smtp://127.0.0.1:{sink.stdout.readline().strip()}", "EMAIL_BACKEND": ""}
        env |= {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "manage.py", "bench", "--tend", str(ended)]
        workers = [subprocess.Popen(command, env=env) for _ in range(WORKERS)]
        try:
            _wait_for_worker(workers[0])
            yield notes
        finally:
            ended.touch()
            if sum(abs(worker.wait()) for worker in workers):
                raise SystemExit("A worker failed.")
    finally:
        sink.terminate()
        sink.wait()


def _wait_for_worker(worker: "subprocess.Popen[bytes]") -> None:
    """Wait until the worker has ticked, so that what it loads at its start is not in what is timed."""
    began = timezone.now()
    while not Schedule.objects.filter(key=schedule.DELIVER, last_at__gt=began - timedelta(seconds=1)).exists():
        if worker.poll() is not None:
            raise SystemExit("The worker failed.")
        time.sleep(0.1)


def _wait(notes: Path, count: int) -> None:
    """Wait until there are so many mails, and as long as the next cycle takes, in which one could be sent twice."""
    end = time.monotonic() + LOST_AFTER
    while len(_accepted(notes)) < count and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(schedule.periods()[schedule.DELIVER] + TICK.total_seconds())


def _accepted(notes: Path) -> list[tuple[str, float]]:
    lines = (line.split(" ") for line in notes.read_text().splitlines())
    return [(to, float(at)) for to, at in lines]


def _children_cpu() -> float:
    """Give the CPU seconds of the processes that were begun here and have ended: the worker, and the mail server."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _rounded(value: Any, unit: float = 1.0) -> float | None:
    return None if value is None else round(float(value) * unit, 2)
