"""The guide for integrators: every line of it that calls the program runs as it is written."""

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from customers import keys
from customers.keys import Scope
from customers.models import Customer, Import
from segments.models import Segment
from tests.config import world

pytestmark = [pytest.mark.django_db(transaction=True)]
GUIDE = Path(settings.BASE_DIR) / "docs" / "integrators.md"
# The shop of the demo is not that of the tests.
NAMES = {"1029": "c-0000", "call-regulars": "call-them"}
WATCHED = """set -euo pipefail
curl() { command curl -sS --max-time 60 -w '%{stderr}@%{http_code} %{method} %{url}\\n' "$@"; }
"""
NOTED = re.compile(r"@(\d{3}) (.*)")
CALL = re.compile(r"(?<!`)\bcurl (?:-|\")")


def lines() -> str:
    """Give all lines for a shell, in the order of the page."""
    return "".join(re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL))


def expected(text: str) -> list[set[str]]:
    """Give for each call the first digits of the answers that the page promises."""
    ends = [*(one.start() for one in CALL.finditer(text)), len(text)]
    found = []
    for start, end in pairwise(ends):
        told = re.search(r"  # (or )?(\d{3})\b", text[start:end])
        found.append({told[2], *({"2"} if told[1] else ())} if told else {"2"})
    return found


def test_every_call_of_the_guide_is_answered_as_it_says(live_server: LiveServer, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    world.fill(8)
    world.allow_calls(Customer.objects.get(external_id="c-0000"))
    User.objects.create_superuser("marketer")
    Import.objects.filter(state="done").update(kind="events")
    _, secret = keys.create("guide", list(Scope), timezone.now())
    text = lines()
    for name, ours in NAMES.items():
        text = text.replace(name, ours)
    text = re.sub(r"^export KEY=.*$", f"export KEY={secret} CUSP={live_server.url}", text, flags=re.MULTILINE)
    assert "8000" not in text
    said = subprocess.run(
        ["bash", "-c", WATCHED + text], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    answers = NOTED.findall(said.stderr)
    wanted = expected(text)
    assert len(answers) == len(wanted) > 20, said.stderr[-3000:]
    wrong = [
        (status, where, sorted(right))
        for (status, where), right in zip(answers, wanted, strict=True)
        if not any(status.startswith(one) for one in right)
    ]
    assert wrong == [], said.stdout[-6000:]
    assert said.returncode == 0, said.stderr[-3000:]
    assert (tmp_path / "german.csv").read_text().startswith("external_id,")
    assert Segment.objects.filter(key="german").exists()
