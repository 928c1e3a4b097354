"""How fast the loop is, beside what the same rows cost at least: `manage.py bench`.

Everything runs in a database and a lake of its own. A figure's floor is taken in the same run, on the same machine: the
same rows copied raw, out of the database and into it, and the models' predictions alone, shared out over as many cores
as there are workers. Seconds are on the wall; CPU seconds are those of this program and of PostgreSQL together.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, cast

import polars as pl
from django.conf import settings
from django.db import connection, transaction

from campaigns import assigned, cycle, dry_run, kept_sums, measure, programme
from campaigns.models import Cycle, Programme
from config import (
    bench_backtest,
    bench_builder,
    bench_decisions,
    bench_events,
    bench_imports,
    bench_intake,
    bench_models,
    bench_reports,
    bench_rest,
    bench_sending,
    bench_world,
)
from config.bench_clock import Clock, best_of, timed
from config.bench_world import END, Size
from customers import bulk, columns, features, history, ingest, snapshot
from customers.history import Scope
from customers.models import Consent, Customer, Source
from scoring import artifacts, ranking, training
from scoring.models import ModelVersion, Score, Target
from segments import membership, preview, rulebook
from segments.explanation import explain
from segments.fields import catalogue
from segments.rules import parse

WORKERS = 2
ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
GAP = timedelta(hours=36)
DIRTY = 1_000
TRAINED_MOST, TRAINED_ON = 100_000, "Order Completed"
COLUMNS = ("name", "customers", "events", "seconds", "cpu_seconds", "floor_seconds", "ratio", "peak_mb")
SCORES: bulk.Schema = {
    "run_id": pl.Int64,
    "customer_id": pl.Int64,
    "target_id": pl.Int64,
    "version_id": pl.Int64,
    "bucket": pl.Int64,
    "as_of": pl.Datetime,
    "value": pl.Float64,
}


@dataclass
class Bench:
    """One size of shop, and its figures so far."""

    size: Size
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, clock: Clock, floor: float | None = None, **more: Any) -> None:
        """Note a figure; `floor` is in seconds."""
        self.rows.append(
            {
                "name": name,
                "customers": self.size.customers,
                "events": self.size.events,
                "seconds": round(clock.seconds, 3),
                "cpu_seconds": round(clock.cpu, 3),
                "floor_seconds": None if floor is None else round(floor, 3),
                "ratio": None if not floor else round(clock.seconds / floor, 2),
                "peak_mb": round(clock.peak_mb),
                **more,
            }
        )


def run(size: Size, seed: int = 1) -> list[dict[str, Any]]:
    """Make the shop in this process's empty database and lake, and give every figure."""
    bench = Bench(size)
    with timed() as clock:
        bench_world.fill(size, seed)
    bench.add("fill", clock)
    _settle()
    _first_sync(bench)
    _features(bench)
    bench_world.models_of(seed)
    bench_world.segments_of()
    bench_world.campaigns_of()
    programme.current()
    Programme.objects.update(is_sending_stopped=True)  # the loop up to its decisions; mail has costs of its own
    _cycles(bench, {"first cycle": END - GAP})
    _settle()
    _, second = _cycles(bench, {"an hour later": END - GAP + timedelta(hours=1), "full cycle": END})
    _floor(bench, second)
    _stages(bench, second)
    _refreshed(bench)
    _previews(bench)
    _typed(bench)
    _explanation(bench)
    _scored(bench, seed)
    _small_cycle(bench)
    if size.customers <= TRAINED_MOST:
        _trained(bench, seed)
        _acted_out(bench)
    _taken_in(bench)
    _read_out(bench)
    _answered(bench)
    _dry_runs(bench)
    _decisions(bench)
    _sending(bench)
    _reported(bench)
    _imported(bench)
    bench.add("on disk", Clock(), lake_bytes=_lake_bytes(), database_bytes=_database_bytes())
    return bench.rows


def _settle() -> None:
    """Let PostgreSQL do now what it does after millions of new rows, so that it is not in the way of what is timed."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")


def _first_sync(bench: Bench) -> None:
    """Time the first sync, against a raw copy of the rows that it reads, table by table and without its joins."""
    with timed() as raw:
        for source in history.SOURCES:
            own = [column for column in source.columns.values() if "__" not in column]
            _copied_out(source.model._default_manager.values_list(*own))
    with timed() as clock:
        history.sync()
    bench.add("first sync", clock, raw.seconds)


def _features(bench: Bench) -> None:
    """Time the features of everybody, with columns read from the lake."""
    lake, zone, wanted = history.pin(), settings.TIME_ZONE, features.names()
    clock = Clock()
    for bucket in range(settings.BUCKETS):
        scope = Scope(bucket=bucket)
        known = Customer.objects.filter(bucket=bucket).order_by("id").values_list("id", "known_since")
        people = bulk.read(known, {"customer_id": pl.Int64, "known_since": pl.Datetime})
        with timed() as part:
            past = features.Past(lake.events(scope), lake.lines(scope), lake.properties(scope))
            features.build(people, past, END, wanted, zone)
        clock.seconds, clock.cpu, clock.peak_mb = clock.seconds + part.seconds, clock.cpu + part.cpu, part.peak_mb
    bench.add("features", clock)


def turn(times: list[datetime], figures: Path) -> None:
    """Take part in full cycles as of these times, one after the other, and note what each cost this process."""
    noted = []
    for as_of in times:
        with timed() as clock:
            cycle.run(as_of)
        noted.append([clock.cpu - clock.database, clock.database, clock.peak_mb])
    figures.write_text(json.dumps(noted))


def _cycles(bench: Bench, names: dict[str, datetime]) -> list[Cycle]:
    """Turn full cycles with WORKERS processes of one thread each; seconds are from a cycle's begin to its end.

    The processes stay, as workers do: what they loaded for the first cycle is there for the next.
    """
    env = {**os.environ, **ONE_THREAD}
    files = [Path(settings.LAKE_URL) / f"worker-{n}.json" for n in range(WORKERS)]
    moments = [as_of.isoformat() for as_of in names.values()]
    workers = [
        subprocess.Popen([sys.executable, "manage.py", "bench", "--turn", *moments, "--json", str(file)], env=env)
        for file in files
    ]
    if any(worker.wait() for worker in workers):
        raise SystemExit("A cycle failed.")
    costs = [json.loads(file.read_text()) for file in files]
    turned = []
    for n, (name, as_of) in enumerate(names.items()):
        done = Cycle.objects.get(kind=Cycle.Kind.FULL, as_of=as_of)
        if done.finished_at is None or done.state != Cycle.State.DONE:
            raise SystemExit(f"The {name} failed. {done.error}")
        clock = Clock((done.finished_at - done.started_at).total_seconds())
        clock.cpu = sum(cost[n][0] for cost in costs) + max(cost[n][1] for cost in costs)
        clock.peak_mb = max(cost[n][2] for cost in costs)
        bench.add(name, clock, **{key: done.summary[key] for key in ("scored", "entered", "left", "decisions")})
        turned.append(done)
    return turned


def _floor(bench: Bench, turned: Cycle) -> None:
    """Take the floor of the full cycle: what it read and wrote, copied raw, and the predictions alone."""
    parts = {}
    with timed() as clock:
        _copied_out(Customer.objects.values_list("id", "bucket", "seed", "external_id", "known_since"))
        _copied_out(Consent.objects.values_list("customer_id", "channel", "topic", "is_granted"))
    parts["copy out"] = clock.seconds
    scores = bulk.read(Score.objects.filter(run=turned.run).values_list(*SCORES), SCORES)
    moved = turned.summary["entered"] + turned.summary["left"]
    changed = scores.select("customer_id", "target_id", "bucket", "as_of").head(moved)
    parts["copy in"] = _copied_in(scores) + 2 * _copied_in(changed)  # members' rows, and their changes
    parts["predict"] = _predictions(turned)
    figure = next(row for row in bench.rows if row["name"] == "full cycle")
    floor = sum(parts.values()) / WORKERS
    figure |= {"floor_seconds": round(floor, 3), "ratio": round(figure["seconds"] / floor, 2)}
    figure["floor_parts"] = {name: round(seconds, 3) for name, seconds in parts.items()}


def _stages(bench: Bench, turned: Cycle) -> None:
    """Note the seconds of work of each stage, over all workers."""
    for stage, seconds in turned.summary["seconds"].items():
        bench.add(f"full cycle: {stage}", Clock(seconds))


def _refreshed(bench: Bench) -> None:
    """Time all segments for everybody in one process, with the differences to what the cycle left: there are none."""
    clock, moved = Clock(), 0
    for bucket in range(settings.BUCKETS):
        frame = ranking.place(snapshot.load(END, bucket), ranking.published())
        with timed() as part:
            moved += membership.refresh(frame, END).height
        clock.seconds, clock.cpu, clock.peak_mb = clock.seconds + part.seconds, clock.cpu + part.cpu, part.peak_mb
    bench.add("segments refreshed", clock, moved=moved)


def _previews(bench: Bench) -> None:
    """Time previews: the first time, and again with what the first one kept in memory."""
    for name, nodes in {"5 conditions": bench_world.PREVIEWED, "an event": bench_world.PREVIEWED_EVENT}.items():
        rule = {"version": 1, "rule": {"all": nodes}}
        columns.forget()
        with timed() as cold:
            count = preview.preview(rule, END).count
        bench.add(f"preview, {name}: first", cold, matching=count)
        bench.add(f"preview, {name}: again", best_of(lambda rule=rule: preview.preview(rule, END)))  # type: ignore[misc]


def _typed(bench: Bench) -> None:
    """Time a key pressed in the builder until its count is on the screen, where there is a browser."""
    if not bench_builder.CHROMIUM.exists():
        return
    with timed() as clock:
        took = bench_builder.measure(END, *_free_ports(1))
    clock.seconds = took[len(took) // 2]
    bench.add("keystroke to new count", clock, slowest_ms=round(1000 * took[-1]), keys=len(took))


def _explanation(bench: Bench) -> None:
    """Time reading a rule and explaining it for one customer whose facts are there."""
    fields, customer = catalogue(), Customer.objects.order_by("pk")[0]
    rule_json = {"version": 1, "rule": {"all": bench_world.PREVIEWED}}
    frame = ranking.attach(snapshot.take(Scope(ids=(customer.pk,)), END))
    context = rulebook.behind(parse(rule_json, fields), fields).context(END, [customer.bucket])
    bench.add("parse and explain", best_of(lambda: explain(parse(rule_json, fields), frame, context)))


def _scored(bench: Bench, seed: int) -> None:
    """Time as many customers with forty columns, scored by the averaged model in as many threads as workers."""
    by, parts = bench_models.model(seed), bench_models.people(bench.size.customers, seed)
    with timed() as clock:
        bench_models.score(by, parts, WORKERS)
    bench.add("40 columns scored by the average", clock)


def _trained(bench: Bench, seed: int) -> None:
    """Time a whole training: snapshots of the past, every learner tried, tested on later times, and explained."""
    target = Target(key="quiet", label="Quiet", kind=Target.Kind.NO_EVENT, event=TRAINED_ON, horizon_days=30)
    target.created_at = END
    target.save()
    with timed() as clock:
        version = training.train(target, END, seed)
    times = len(version.report["times"])
    bench.add(f"training, {times} times", clock, fields=len(version.features), live=version.state)


def _small_cycle(bench: Bench) -> None:
    """Time what 1,000 customers do at once, from its storing to their decisions."""
    at = END + timedelta(minutes=5)
    ingest.put(bench_world.orders_of(DIRTY, at), Source.objects.get(key="bench"), at)
    with timed() as clock:
        turned = cycle.run_small(at + timedelta(seconds=1))
    assert turned is not None
    bench.add(
        "1,000 changed customers", clock, decisions=turned.summary["decisions"], dirty=turned.summary["customers"]
    )


def _decisions(bench: Bench) -> None:
    """Time what half a million candidates get, against a raw copy of what is asked of them and of what is written."""
    work = bench_decisions.prepare(END + timedelta(hours=1))
    clock, outcomes = _shared_out()
    bench_decisions.end(work)
    with timed() as asked:
        for _ in work.campaigns:
            _copied_out(Customer.objects.values_list("id", "email", "time_zone", "country")[: bench_decisions.MOST])
            _copied_out(Consent.objects.values_list("customer_id")[: bench_decisions.MOST])
    floor = (asked.seconds + sum(_copied_in(frame) for frame in bench_decisions.written(work))) / WORKERS
    own, database = round(clock.cpu - clock.database, 2), round(clock.database, 2)
    told = {"a_second": round(outcomes.total() / clock.seconds), "worker_cpu": own, "postgres_cpu": database}
    bench.add(f"{outcomes.total():,} decisions", clock, floor, **told, outcomes=dict(outcomes))


def _shared_out() -> tuple[Clock, Counter[str]]:
    """Let WORKERS processes of one thread each decide, as they share a cycle; the clock runs when they are ready."""
    files = [Path(settings.LAKE_URL) / f"decided-{n}.json" for n in range(WORKERS)]
    commands = [[sys.executable, "manage.py", "bench", "--decide", "--json", str(file)] for file in files]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, env={**os.environ, **ONE_THREAD}, **pipes) for command in commands]
    _heard(workers)
    with timed() as clock:
        for worker in workers:
            print("go", file=worker.stdin, flush=True)
        _heard(workers)
    if any(worker.wait() for worker in workers):
        raise SystemExit("The decisions failed.")
    told = [json.loads(file.read_text()) for file in files]
    clock.cpu = clock.database + sum(one["cpu"] for one in told)
    clock.peak_mb = max(one["peak_mb"] for one in told)
    return clock, sum((Counter(one["outcomes"]) for one in told), Counter[str]())


def _heard(workers: list[subprocess.Popen[str]]) -> None:
    """Wait until each has said a line."""
    if not all(cast("IO[str]", worker.stdout).readline() for worker in workers):
        raise SystemExit("The decisions failed.")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def decide(figures: Path) -> None:
    """Be one of the workers that decide: say that all is ready, wait for the word, and note what it took."""
    work, people = bench_decisions.work(), bench_decisions.everybody()
    _say("ready")
    sys.stdin.readline()
    with timed() as clock:
        outcomes = sum(bench_decisions.take_part(work, people), Counter[str]())
    _say("done")
    told = {"cpu": clock.cpu - clock.database, "peak_mb": clock.peak_mb, "outcomes": outcomes}
    figures.write_text(json.dumps(told))


def _taken_in(bench: Bench) -> None:
    """Time batches of events over HTTP; the senders work on the same cores."""
    with timed() as clock:
        told = bench_intake.measure(END + timedelta(minutes=30), _free_ports(bench_intake.WEB))
    clock.seconds, clock.cpu = told.pop("seconds"), told.pop("cpu")
    bench.add("events over REST, 100 a batch", clock, **told)


def _imported(bench: Bench) -> None:
    """Time a file of as many new customers as the shop has, against a raw copy of its rows; then the same again."""
    people = bench_imports.people(bench.size.customers)
    floor = _copied_in(people)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "people.parquet")
        people.write_parquet(path)
        for name in ("customers from Parquet", "the same file again"):
            with timed() as clock:
                bench_imports.bring_in(path)
            own, database = round(clock.cpu - clock.database, 2), round(clock.database, 2)
            a_second = round(len(people) / clock.seconds)
            bench.add(name, clock, floor, a_second=a_second, worker_cpu=own, postgres_cpu=database)


def _free_ports(count: int) -> list[int]:
    """Give TCP ports of 127.0.0.1 that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _dry_runs(bench: Bench) -> None:
    """Time dry runs, against a raw copy of what is asked of everybody: addresses, consents and scores."""
    with timed() as floor:
        _copied_out(Customer.objects.values_list("id", "email"))
        _copied_out(Consent.objects.values_list("customer_id"))
        _copied_out(
            Score.objects.filter(run=ranking.published(), target__key="lapse").values_list("customer_id", "value")
        )
    for name, draft in bench_decisions.drafts(END).items():
        with timed() as clock:
            tried = dry_run.run(draft, END)
        bench.add(f"dry run for {name}", clock, floor.seconds, considered=tried.considered, getting=tried.getting)


def _acted_out(bench: Bench) -> None:
    """Time a back-test of 90 days."""
    with timed() as clock:
        told = bench_backtest.measure(END)
    bench.add("back-test", clock, **told)


def _read_out(bench: Bench) -> None:
    """Time pages of members at any depth, and all members as files, against a raw copy of who they are."""
    asked = bench_rest.prepare(END)
    for name, more in {"": "", " with five fields": bench_rest.FIVE}.items():
        bench_rest.pages(asked, more)  # once before, as a server that runs has been asked before
        with timed() as clock:
            took = bench_rest.pages(asked, more)
        third = len(took) // 3
        depths = [sorted(took[n * third : (n + 1) * third])[third // 2] for n in range(3)]
        told = {
            f"{depth}_p50_ms": round(1000 * one, 2)
            for depth, one in zip(("start", "middle", "end"), depths, strict=True)
        }
        told["p99_ms"] = round(1000 * sorted(took)[int(0.99 * len(took))], 2)
        told["cpu_ms_a_page"] = round(1000 * clock.cpu / len(took), 2)
        bench.add(f"pages of 1,000 members{name}", clock, pages=len(took), **told)
    count = bench_rest.size(asked)
    with timed() as floor:
        _copied_out(Customer.objects.values_list("id", "external_id"))
    for form in bench_rest.FORMS:
        with timed() as clock:
            out = sum(map(len, bench_rest.file(asked, form, END)))
        a_second, a_cpu_second = (round(count / max(used, 0.001)) for used in (clock.seconds, clock.cpu))
        told = {"members": count, "bytes": out, "rows_a_second": a_second, "rows_a_cpu_second": a_cpu_second}
        bench.add(f"members as {form}", clock, floor.seconds, **told)


def _answered(bench: Bench) -> None:
    """Time the way from an event to the mail that answers it, fifty times a second."""
    with timed() as clock:
        measured = bench_events.measure()
    bench.add("event to accepted mail", clock, **measured.row())


def _sending(bench: Bench) -> None:
    """Time some 3,000 due mails of one worker, against handing them over as they were written: SMTP alone."""
    at = END + timedelta(hours=12)
    count = bench_sending.prepare(at) - bench_sending.WARM
    _settle()
    figures = Path(settings.LAKE_URL) / "sent.json"
    with bench_sending.sink() as url:
        ours = ["--send", str(count), at.isoformat(), "--json", str(figures)]
        command = [sys.executable, "manage.py", "bench", *ours]
        if subprocess.run(command, env={**os.environ, "EMAIL_URL": url, "EMAIL_BACKEND": ""}, check=False).returncode:
            raise SystemExit("The sending failed.")
    told = json.loads(figures.read_text())
    clock = Clock(told["seconds"], told["worker_cpu"] + told["postgres_cpu"], told["postgres_cpu"], told["peak_mb"])
    more = {name: told[name] for name in ("sent", "a_second", "worker_cpu", "postgres_cpu", "load")}
    bench.add("sending", clock, told["floor"], **more)


def _reported(bench: Bench) -> None:
    """Time a report: its sums counted first, kept up an hour and a day later, and what a page then waits for."""
    campaign = bench_reports.prepare()
    _settle()
    decisions, plan = campaign.decisions.count(), assigned.plan_of(campaign)
    with timed() as raw:
        _copied_out(campaign.decisions.values_list("customer_id", "as_of", "arm", "probability", "variant"))
    for name, later in {"counted first": 0, "an hour later": 1, "a day later": 25}.items():
        with timed() as clock:
            kept_sums.refresh(plan, END + timedelta(hours=later))
        bench.add(f"report, {name}", clock, raw.seconds, decisions=decisions)
    clock = best_of(lambda: measure.measure(campaign, END + timedelta(hours=26)))
    bench.add("report, read", clock, decisions=decisions)


def send(count: int, at: datetime, figures: Path) -> None:
    """Be the one worker that sends so many mails, and note what it took, and what SMTP alone takes."""
    bench_sending.warm(at)
    with timed() as clock:
        sent = bench_sending.send(at, count)
    mails = bench_sending.written()[-sent:]
    with timed() as floor:
        bench_sending.hand_over(mails)
    told = {
        "seconds": clock.seconds,
        "worker_cpu": round(clock.cpu - clock.database, 2),
        "postgres_cpu": round(clock.database, 2),
        "peak_mb": clock.peak_mb,
        "sent": sent,
        "a_second": round(sent / clock.seconds),
        "load": round(os.getloadavg()[0], 1),
        "floor": floor.seconds,
    }
    figures.write_text(json.dumps(told))


def _predictions(turned: Cycle) -> float:
    """Give the seconds that the models' predictions take on one core, without making their inputs ready."""
    assert turned.run is not None
    versions = [artifacts.read(one) for one in ModelVersion.objects.filter(pk__in=turned.run.versions.values())]
    moment = pl.lit(turned.as_of).cast(bulk.UTC_MICROSECONDS).alias("as_of")
    seconds = 0.0
    for bucket in range(settings.BUCKETS):
        frame = snapshot.load(turned.as_of, bucket).with_columns(moment)
        for model in versions:
            matrix = model.reading.matrix(frame)
            began = time.perf_counter()
            model.predict(matrix)
            seconds += time.perf_counter() - began
    return seconds


def _copied_out(rows: Any) -> None:
    """Read rows as fast as the database gives them, and throw them away."""
    sql, params = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cast("Any", cursor).copy(f"COPY ({bulk.written(rows)}) TO STDOUT (FORMAT csv)") as copy:
                for _ in copy:
                    pass
        else:
            cursor.execute(sql, params)
            while cursor.fetchmany(10_000):
                pass


def _copied_in(frame: pl.DataFrame) -> float:
    """Give the seconds that storing a frame in a bare table takes."""
    body = frame.write_csv(include_header=False)
    columns = ", ".join(
        f"c{n} {'text' if dtype.is_temporal() or dtype == pl.String else 'double precision'}"
        for n, dtype in enumerate(frame.dtypes)
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bench_floor ({columns})")
        began = time.perf_counter()
        if connection.vendor == "postgresql":
            with cast("Any", cursor).copy("COPY bench_floor FROM STDIN (FORMAT csv)") as copy:
                copy.write(body)
        else:
            marks = ", ".join("?" for _ in frame.columns)
            cast("Any", cursor).cursor.executemany(
                f"INSERT INTO bench_floor VALUES ({marks})",  # noqa: S608  question marks only
                frame.cast(pl.String).rows(),
            )
        seconds = time.perf_counter() - began
        cursor.execute("DROP TABLE bench_floor")
    return seconds


def _lake_bytes() -> dict[str, int]:
    return {size.table: size.bytes for size in history.pin().sizes()}


def _database_bytes() -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
    return Path(settings.DATABASE["NAME"]).stat().st_size
