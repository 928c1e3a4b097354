"""A sender that is killed loses no message: what it had claimed is sent again, under the same ids."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

from campaigns.webhooks import sender
from tests import migrated
from tests.campaigns.webhooks.receivers import receiving, saying

pytestmark = [pytest.mark.door, pytest.mark.long]
ROOT = Path(__file__).parents[3]
BEGIN = "import django, sys, json; django.setup()\nfrom django.utils.timezone import now\n"
BEGIN += "from campaigns.models import WebhookMessage\nfrom campaigns.webhooks import outbox, sender\n"
PLAN = f"""{BEGIN}
from tests.campaigns.webhooks.receivers import webhook
hook = webhook(url=sys.argv[1], per_minute=6_000)
print(json.dumps([outbox.plan(hook, "campaign.state", {{"n": n}}, now()).public_id for n in range(8)]))
"""
SEND = f"{BEGIN}sender.send(now)"
GO_ON = f"""{BEGIN}
from django.db.models.functions import Now
lost = WebhookMessage.objects.filter(state="claimed")
lost.update(lease_until=Now())
sender.send(now)
print(json.dumps(sorted(set(WebhookMessage.objects.values_list("state", flat=True)))))
"""


@pytest.mark.django_db(transaction=True)
def test_a_sender_that_is_killed_in_the_middle_loses_no_message(tmp_path: Path) -> None:
    told = {"DATABASE_URL": database(tmp_path), "WEBHOOK_ALLOW": "127.0.0.1", "LAKE_URL": str(tmp_path / "lake")}
    environment = {**os.environ, **told, "DJANGO_SETTINGS_MODULE": "config.settings"}
    reached, quick = threading.Event(), saying(200)

    def stuck(link: socket.socket, number: int) -> None:
        if number <= 3:
            quick(link, number)
            return
        reached.set()
        link.recv(1)

    def run(script: str, *words: str) -> list[str]:
        said = subprocess.run(
            [sys.executable, "-c", script, *words], env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE
        )
        return list(json.loads(said.stdout))

    with receiving(stuck) as server:
        ids = run(PLAN, server.url)
        worker = subprocess.Popen([sys.executable, "-c", SEND], env=environment, cwd=ROOT)
        assert reached.wait(120)
        worker.send_signal(signal.SIGKILL)
        assert worker.wait(30) == -signal.SIGKILL
        server.behave = quick
        assert run(GO_ON) == ["taken"]
        got = [headers["webhook-id"] for headers, _ in server.got]
    assert set(got) == set(ids)
    assert len(ids) < len(got) <= len(ids) + sender.AT_ONCE, "what was under way comes twice, and nothing else"


def database(folder: Path) -> str:
    """Give the URL of a database that other processes see: a copy in a file on SQLite."""
    if connection.vendor == "sqlite":
        return f"sqlite:///{shutil.copy(migrated.kept(), folder / 'cusp.sqlite3')}"
    place = connection.settings_dict
    ours = urlsplit(os.environ["DATABASE_URL"])
    return ours._replace(path=f"/{place['NAME']}", query=f"host={place['HOST']}").geturl()
