"""The large proofs hold at a small share; `make prove` runs the same code at full size."""

from datetime import UTC, datetime

import pytest

from tests.prove.home import Home
from tests.prove.proofs import PROOFS

pytestmark = pytest.mark.services
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ON_PUBLIC_DATA = ("figures",)
BESIDE = ("schema", "client")  # with a program that `make prove` installs beside


@pytest.mark.parametrize("name", [name for name in PROOFS if name not in BESIDE])
def test_the_proof_holds_at_a_small_share(home: Home, name: str, request: pytest.FixtureRequest) -> None:
    if name in ON_PUBLIC_DATA:
        request.getfixturevalue("data")
    proof = PROOFS[name]
    page = proof.run(home, proof.small).page("make test", 0.0, NOW)
    assert page.startswith("# ")
    assert "| " in page
