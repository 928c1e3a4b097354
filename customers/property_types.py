"""Which properties events have, and of which types: read from some events of each file of the lake, once a process."""

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from customers import history
from customers.history import Lake
from customers.models import Attribute

SAMPLE = 1_000  # events of a name, of each file: small files are read whole
MAX_NAME = 100
DAY = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
Type = Attribute.Type


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
        for name, counts in _of_file(path, event).items():
            found.setdefault(name, Counter()).update(counts)
    return {name: _settled(found[name]) for name in sorted(found)}


@functools.lru_cache(maxsize=10_000)
def _of_file(path: Path, event: str) -> Mapping[str, Counter[Type]]:
    """Give the types of some of an event's properties in one file, which never changes."""
    rows = pl.scan_parquet(path, glob=False, hive_partitioning=False).filter(pl.col("name") == event)
    found: dict[str, Counter[Type]] = {}
    for text in rows.select("properties").head(SAMPLE).collect()["properties"]:
        for name, value in _leaves(json.loads(text)):
            if (type_ := _type_of(value)) is not None:
                found.setdefault(name, Counter())[type_] += 1
    return found


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
