"""Which properties events have, of which types and values: read from some events of each file, once a process."""

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from customers import history
from customers.history import Lake
from customers.models import Attribute
from customers.personal import PERSONAL_NAMES

SAMPLE = 1_000  # events of a name, of each file: small files are read whole
MAX_NAME = 100
MOST_VALUES = 50  # of a property, those of the most events, of each file
FEW_DIFFERENT = 20  # up to here each event may have a value of its own
MOST_LETTERS = 100
DAY = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
Type = Attribute.Type


@dataclass
class Seen:
    """What some events of one file tell in a property: the types, the most frequent values, and how many differ."""

    types: Counter[Type] = field(default_factory=Counter)
    values: Counter[str | bool] = field(default_factory=Counter)
    filled: int = 0
    is_varied: bool = False

    def see(self, value: Any, type_: Type) -> None:
        """Count one value; numbers and dates are no list to pick from."""
        self.types[type_] += 1
        if type_ in (Type.TEXT, Type.YES_NO, Type.LIST):
            self.filled += 1
            told = value if isinstance(value, list) else [value]
            self.values.update(one for one in told if isinstance(one, bool) or _is_short(one))

    def settle(self) -> None:
        """Keep the most frequent values; where nearly each event has its own there is none to pick."""
        self.is_varied = len(self.values) > max(FEW_DIFFERENT, self.filled // 2)
        self.values = Counter(dict(self.values.most_common(MOST_VALUES)))


class PropertyTypes(Mapping[str, Mapping[str, Type]]):
    """The properties of events by the event's name, read from the lake when they are asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, Type]] = {}

    @functools.cached_property
    def _lake(self) -> Lake:
        return history.pin()

    def __getitem__(self, event: str) -> Mapping[str, Type]:
        if event not in self._known:
            self._known[event] = types(self._lake, event)
        if not self._known[event]:
            raise KeyError(event)
        return self._known[event]

    def __iter__(self) -> Iterator[str]:
        names = self._lake.properties(history.Scope()).select(pl.col("name").unique().sort()).collect()
        return iter(names["name"].to_list())

    def __len__(self) -> int:
        return len(list(iter(self)))


def types(lake: Lake, event: str) -> dict[str, Type]:
    """Give the properties of an event by name, each with the type that most of its values have."""
    found: dict[str, Counter[Type]] = {}
    for path in lake.files("properties"):
        for name, seen in _of_file(path, event).items():
            found.setdefault(name, Counter()).update(seen.types)
    return {name: _settled(found[name]) for name in sorted(found)}


def values(lake: Lake, event: str) -> dict[str, Counter[str | bool]]:
    """Give the most frequent values of an event's properties in some events of each file; none that name a person."""
    found: dict[str, Counter[str | bool]] = {}
    filled: Counter[str] = Counter()
    varied: Counter[str] = Counter()
    for path in lake.files("properties"):
        for name, seen in _of_file(path, event).items():
            found.setdefault(name, Counter()).update(seen.values)
            filled[name] += seen.filled
            varied[name] += seen.filled if seen.is_varied else 0
    few = {name for name, counts in found.items() if len(counts) <= max(FEW_DIFFERENT, filled[name] // 2)}
    return {
        name: counts
        for name, counts in found.items()
        if name in few and 2 * varied[name] <= filled[name] and not PERSONAL_NAMES.search(name)
    }


@functools.lru_cache(maxsize=10_000)
def _of_file(path: Path, event: str) -> Mapping[str, Seen]:
    """Give what some events of a name tell in one file, which never changes, by property."""
    rows = pl.scan_parquet(path, glob=False, hive_partitioning=False).filter(pl.col("name") == event)
    found: dict[str, Seen] = {}
    for text in rows.select("properties").head(SAMPLE).collect()["properties"]:
        for name, value in _leaves(json.loads(text)):
            if (type_ := _type_of(value)) is not None:
                found.setdefault(name, Seen()).see(value, type_)
    for seen in found.values():
        seen.settle()
    return found


def _is_short(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_LETTERS


def _leaves(told: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give all values with their names; dots lead into objects within."""
    for name, value in told.items():
        if "." in name or len(prefix + name) > MAX_NAME:
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _type_of(value: Any) -> Type | None:
    if isinstance(value, bool):
        return Type.YES_NO
    if isinstance(value, int | float):
        return Type.NUMBER
    if isinstance(value, list):
        return None if any(isinstance(one, list | dict) for one in value) else Type.LIST
    if isinstance(value, str):
        return Type.DATE if DAY.fullmatch(value) else Type.TEXT
    return None


def _settled(counts: Counter[Type]) -> Type:
    """Give the most frequent type; where some texts are no dates, none is one."""
    if counts[Type.TEXT]:
        counts = counts + Counter({Type.TEXT: counts[Type.DATE]}) - Counter({Type.DATE: counts[Type.DATE]})
    return max(counts, key=lambda type_: (counts[type_], type_ == Type.TEXT))
