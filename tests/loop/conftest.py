"""A database and a lake for a whole module: built once, judged by many tests, rolled back at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from tests.conftest import DATA, IS_CI


@pytest.fixture(scope="module")
def installation(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Give a folder beside an empty lake; what the module writes to the database ends with it."""
    folder = tmp_path_factory.mktemp("installation")
    with django_db_blocker.unblock(), override_settings(LAKE_URL=str(folder / "lake"), BUCKETS=2), transaction.atomic():
        yield folder
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def retail_csv() -> Path:
    """Give the file of the Online Retail shop; skip where it is absent, except in CI."""
    path = DATA / "online_retail" / "online_retail.csv.gz"
    if not path.is_file():
        (pytest.fail if IS_CI else pytest.skip)(f"the public data sets are not at {DATA}")
    return path
