"""The large proofs hold at a small share; `make prove` runs the same code at full size."""

from datetime import UTC, datetime

import pytest

from tests.prove.home import Home
from tests.prove.proofs import PROOFS

pytestmark = pytest.mark.services
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", PROOFS)
def test_the_proof_holds_at_a_small_share(home: Home, name: str) -> None:
    proof = PROOFS[name]
    page = proof.run(home, proof.small).page("make test", 0.0, NOW)
    assert page.startswith("# ")
    assert "| " in page
