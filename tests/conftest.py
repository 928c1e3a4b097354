"""What all tests share: a lake of their own, and no threads beyond the cores."""

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from pytest_django import Settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in the thread of the browser tests
IS_CI = os.environ.get("CI") == "true"
FIRST = {"loop", "services", "browser", "scoring"}  # folders
LONG = {"loop", "services", "browser"}
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is long, and begin with the long files: else one pytest worker ends on them while others are idle."""
    for item in items:
        if item.path.parent.name in LONG or item.get_closest_marker("once"):
            item.add_marker("long")
    items.sort(key=lambda item: item.path.parent.name not in FIRST)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Give every pytest worker the server that `tests.servers` started for it."""
    urls = os.environ.get("DATABASE_URLS_OF_WORKERS", "").split()
    if urls:
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        connection.settings_dict["HOST"] = parse_qs(urlsplit(urls[worker]).query)["host"][0]


@pytest.fixture(autouse=True)
def lake(settings: Settings, tmp_path: Path) -> Path:
    """Give every test an empty lake."""
    settings.LAKE_URL = str(tmp_path / "lake")
    settings.BUCKETS = 4
    return tmp_path / "lake"


@pytest.fixture(autouse=True)
def no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test ask the internet what a domain publishes."""
    monkeypatch.setattr("campaigns.dns_check.SECONDS", 0.0)


@pytest.fixture
def data() -> Path:
    """Give the folder of public data sets; skip where it is absent, except in CI."""
    if not DATA.is_dir():
        if IS_CI:
            pytest.fail(f"the public data sets are not at {DATA}")
        pytest.skip(f"the public data sets are not at {DATA}")
    return DATA
