"""One home for all proofs and workers of a test run: servers and a starter of processes, begun when first needed."""

from collections.abc import Iterator

import pytest

from tests.conftest import IS_CI
from tests.prove.home import Home


@pytest.fixture(scope="session")
def home() -> Iterator[Home]:
    """Give the home; skip where no server can be started, except in CI."""
    with Home() as ours:
        try:
            ours.servers()
        except (ImportError, OSError, IndexError, TimeoutError) as error:
            if IS_CI:
                raise
            pytest.skip(f"no server can be started: {error}")
        yield ours
