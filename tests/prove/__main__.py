"""python -m tests.prove [NAME...] [--small]: run the large proofs and write what they found into docs/evidence."""

import argparse
import sys
import time

from tests.prove import evidence
from tests.prove.home import Home
from tests.prove.proofs import PROOFS


def main() -> None:
    """Run the proofs that are named, or all; a page is written for each at full size, also with what it misses."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PROOFS))
    parser.add_argument("--small", action="store_true", help="the share that the tests run; writes nothing")
    options = parser.parse_args()
    unknown = set(options.names) - set(PROOFS)
    if unknown:
        parser.error(f"there is no proof {', '.join(sorted(unknown))}; there are {', '.join(PROOFS)}")
    with Home() as home:
        for name in options.names or PROOFS:
            _run(home, name, options.small)


def _run(home: Home, name: str, is_small: bool) -> None:
    proof = PROOFS[name]
    began = time.monotonic()
    found = proof.run(home, proof.small if is_small else proof.full)
    seconds = time.monotonic() - began
    if is_small:
        said = "\n\n".join(map(str, found.tables))
    else:
        said = str(evidence.write(name, found, f"python -m tests.prove {name}", seconds))
    sys.stdout.write(f"{name}: {'does not hold' if found.missed else 'holds'}, {seconds:.0f} s\n{said}\n")
    sys.stdout.flush()
    if found.missed:
        sys.exit("\n".join(found.missed))


if __name__ == "__main__":
    main()
