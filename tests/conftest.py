"""What all tests share: a lake of their own, tables migrated once, and no threads beyond the cores."""

import contextlib
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker, Settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests import migrated

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in the thread of the browser tests
IS_CI = os.environ.get("CI") == "true"
FIRST = ("services", "loop", "scoring")  # folders
LONG = {"loop", "services", "browser"}
SERVICES = "tests/services"
MEMORY = "file:memorydb_default?mode=memory&cache=shared"  # as Django names the test database
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
gc.set_threshold(50_000, 20, 50)  # what is imported is large and stays: seldom looked through, or it costs a tenth


class Spread(LoadFileScheduling):  # type: ignore[misc]
    """Whole files to each pytest worker, and all that share the servers of `tests/services` to one."""

    def _split_scope(self, nodeid: str) -> str:
        return SERVICES if nodeid.startswith(SERVICES) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Spread:
    return Spread(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark what is long, and begin with the long files: else one pytest worker ends on them while others are idle."""
    for item in items:
        if item.path.parent.name in LONG or item.get_closest_marker("once"):
            item.add_marker("long")
    yield
    gc.freeze()
    # After pytest-django's own order, which would end on the long ones that use no database.
    items.sort(key=lambda item: FIRST.index(item.path.parent.name) if item.path.parent.name in FIRST else len(FIRST))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> Iterator[None]:
    """Give every pytest worker a database that is migrated already, or the server that `tests.servers` began for it."""
    urls = os.environ.get("DATABASE_URLS_OF_WORKERS", "").split()
    if urls:
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        connection.settings_dict["HOST"] = parse_qs(urlsplit(urls[worker]).query)["host"][0]
    is_sqlite = connection.vendor == "sqlite"
    with migrated.in_memory(MEMORY) if is_sqlite else contextlib.nullcontext():
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Keep the migrated tables for the next run and for the processes of this one."""
    if connection.vendor == "sqlite" and not migrated.kept().exists():
        with django_db_blocker.unblock():
            connection.ensure_connection()
            migrated.keep(connection.connection)


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
