"""The whole program in one process: the web server, a Celery worker on threads, and the scheduler.

The broker is in memory; what was queued there when the process ended is found again in the database.
"""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import waitress
from celery import beat
from celery.worker import WorkController, state

from campaigns import cycle_tasks
from config.broker import app
from config.wsgi import application
from scoring import training_queue

WEB_THREADS = 4
WORKER_THREADS = 4
STOP_SECONDS = 30
log = logging.getLogger(__name__)


def serve(host: str, port: int) -> None:
    """Answer web requests until the process is told to stop (SIGTERM, SIGINT)."""
    server = waitress.create_server(application, host=host, port=port, threads=WEB_THREADS, ident="Cusp")
    signal.signal(signal.SIGTERM, _stop)
    try:
        server.run()  # ends on KeyboardInterrupt and SystemExit
    finally:
        server.close()


@contextmanager
def working() -> Iterator[None]:
    """Do the program's work on threads of this process while the block runs; what is begun then is finished.

    What an earlier process had claimed when it was killed is free again.
    """
    cycle_tasks.release()
    training_queue.release()
    logging.getLogger("celery").setLevel(logging.WARNING)  # it tells of every tick
    worker = WorkController(
        app=app,
        pool_cls="threads",
        concurrency=WORKER_THREADS,
        hostname="embedded@localhost",
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
    )
    scheduler = beat.Service(app, scheduler_cls=beat.Scheduler, max_interval=1)
    threads = [
        threading.Thread(target=worker.start, name="worker", daemon=True),
        threading.Thread(target=scheduler.start, name="scheduler", daemon=True),
    ]
    state.should_stop = None
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        log.info("Stopping; work that has begun is finished first.")
        scheduler.stop()
        state.should_stop = 0
        for thread in threads:
            thread.join(STOP_SECONDS)


def _stop(number: int, frame: FrameType | None) -> Any:
    raise SystemExit(0)
