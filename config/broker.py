"""The Celery app: what its messages may be, and how its workers behave. Messages are hints; the work is rows."""

import os
from datetime import timedelta

from celery import Celery
from django.conf import settings

TICK = timedelta(seconds=2)
LONGEST_TASK_SECONDS = 1140

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("cusp")
app.set_default()  # also for the threads of the web server
app.conf.update(
    broker_url=settings.REDIS_URL or "memory://localhost/",
    broker_connection_retry_on_startup=True,
    # Unfinished messages are not kept in Redis: what is left to do is found in the database. Keeping them ends a worker
    # that loses Redis: kombu wants to give them back through the lost connection.
    broker_transport_options={
        "ack_emulation": False,
        "socket_timeout": 30,
        "health_check_interval": 25,
    }
    if settings.REDIS_URL
    else {"polling_interval": 0.02},
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_time_limit=LONGEST_TASK_SECONDS,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=500,
    worker_soft_shutdown_timeout=30,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    timezone=settings.TIME_ZONE,
    beat_scheduler="celery.beat:Scheduler",  # in memory: what is due stands in campaigns.Schedule
    beat_schedule={
        "tick": {
            "task": "campaigns.tasks.tick",
            "schedule": TICK,
            "options": {"expires": TICK.total_seconds()},
        },
    },
)
app.autodiscover_tasks()
