"""python -m tests.prove [NAME...] [--small|--size N]: run the large proofs; what they find goes to docs/evidence."""

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
    parser.add_argument("--size", type=int, metavar="N", help="another size than the full one, told by the page")
    options = parser.parse_args()
    unknown = set(options.names) - set(PROOFS)
    if unknown:
        parser.error(f"there is no proof {', '.join(sorted(unknown))}; there are {', '.join(PROOFS)}")
    with Home() as home:
        for name in options.names or PROOFS:
            _run(home, name, options.size, options.small)


def _run(home: Home, name: str, size: int | None, is_small: bool) -> None:
    proof = PROOFS[name]
    began = time.monotonic()
    found = proof.run(home, proof.small if is_small else size or proof.full)
    seconds = time.monotonic() - began
    if is_small:
        said = "\n\n".join(map(str, found.tables))
    else:
        command = f"python -m tests.prove {name}{f' --size {size}' if size else ''}"
        said = str(evidence.write(name, found, command, seconds))
    sys.stdout.write(f"{name}: {'does not hold' if found.missed else 'holds'}, {seconds:.0f} s\n{said}\n")
    sys.stdout.flush()
    if found.missed:
        sys.exit("\n".join(found.missed))


if __name__ == "__main__":
    main()
