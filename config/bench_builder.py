"""A key pressed in the rule builder, in a browser, until the new count is on the screen."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from config import bench_intake, bench_world
from segments.models import Segment

TYPIST = ("-m", "tests.browser.keystrokes")
CHROMIUM = Path("/usr/bin/chromium")


def page(at: datetime) -> tuple[str, str]:
    """Store a rule of five conditions, and give the address at which it is edited and the session of who may."""
    rule = {"version": 1, "rule": {"all": bench_world.PREVIEWED}}
    segment = Segment.objects.create(key="typed", name="Typed", kind=Segment.Kind.RULE, rule=rule, created_at=at)
    client = Client()
    client.force_login(User.objects.create_superuser("bench-typist"))
    return reverse("admin:segments_segment_edit", args=[segment.pk]), client.cookies[settings.SESSION_COOKIE_NAME].value


def measure(at: datetime, port: int) -> list[float]:
    """Give the seconds of each of some keystrokes, in order. Raises SystemExit where the browser fails."""
    address, session = page(at)
    with bench_intake.web([port]):
        url = f"http://127.0.0.1:{port}{address}"
        done = subprocess.run([sys.executable, *TYPIST, url, session], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The browser failed:\n{done.stderr[-2000:]}")
    return sorted(took / 1000 for took in json.loads(done.stdout))
