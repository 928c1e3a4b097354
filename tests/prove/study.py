"""What the studies of public data share: the product's own commands, and figures beside what is wanted of them."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.prove.evidence import ROOT
from tests.prove.installation import Embedded

DATA = ROOT.parent / "shared" / "data"
LIMIT_SECONDS = 3_600.0
HEAD = ("data", "what", "wanted", "found", "95 % interval", "reached")


class Row(NamedTuple):
    """A line of the table of figures."""

    data: str
    what: str
    wanted: str
    found: str
    interval: str
    is_reached: bool

    def cells(self) -> tuple[str, ...]:
        return (*self[:-1], "yes" if self.is_reached else "NO")


def run(ours: Embedded, *words: str | Path) -> dict[str, Any]:
    """Run a command of manage.py with --json and give what it wrote."""
    file = ours.folder / f"{words[0]}.json"
    process = ours.start("manage.py", *map(str, words), "--json", str(file))
    assert process.wait(LIMIT_SECONDS) == 0, process.log.read_text()[-4000:]
    return dict(json.loads(file.read_text()))


def at_least(data: str, what: str, least: float, figure: Mapping[str, float]) -> Row:
    """Give the line of a figure that has to reach something."""
    return Row(data, what, f">= {least:g}", f"{figure['value']:.4f}", _interval(figure), figure["value"] >= least)


def at_most(data: str, what: str, most: float, figure: Mapping[str, float]) -> Row:
    """Give the line of a figure that must not pass something."""
    return Row(data, what, f"<= {most:g}", f"{figure['value']:.4f}", _interval(figure), figure["value"] <= most)


def stated(data: str, what: str, figure: Mapping[str, float]) -> Row:
    """Give the line of a figure that is only told."""
    return Row(data, what, "stated", f"{figure['value']:.4f}", _interval(figure), is_reached=True)


def named(data: str, what: str, wanted: Collection[str], found: Collection[str]) -> Row:
    """Give the line of names that all have to be among those found; where none is wanted, none may be found."""
    is_reached = set(wanted) <= set(found) if wanted else not found
    return Row(data, what, _names(wanted), _names(found), "", is_reached)


def _names(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['low']:.4f} to {figure['high']:.4f}" if "low" in figure else ""
