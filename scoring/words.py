"""How a field and its values are called in sentences: its label, its unit, a value as people write it."""

from typing import NamedTuple

from customers import features
from customers.models import Attribute
from scoring.encoding import Column

NO_VALUE = "no value"


class Name(NamedTuple):
    """What a field is called, and its unit where it has one."""

    label: str
    unit: str = ""


Words = dict[str, Name]


# Of columns that are of one target alone.
OWN: Words = {
    "recency.event": Name("Days since it last happened", "days"),
    "value.chance": Name("Chance of an order, by the days of past orders"),
    "value.orders": Name("Orders to expect, by the days of past orders"),
    "value.spend": Name("Spend to expect, by the days of past orders"),
}


def known() -> Words:
    """Give the name of every field that has one."""
    found = {one.column: Name(one.label, one.unit) for one in features.names()}
    labels = Attribute.objects.exclude(label="").values_list("name", "label")
    return found | OWN | {f"attributes.{name}": Name(label) for name, label in labels}


def name_of(field: str, words: Words) -> Name:
    """Give a field's name; one that has none is called as its column is."""
    plain = field.split(".")[-1].replace("_", " ")
    return words.get(field, Name(plain[:1].upper() + plain[1:]))


def written(value: float | str | bool | None, column: Column) -> str:
    """Give one value of a field as people write it: a date is so many days ago."""
    if value is None:
        return NO_VALUE
    if column.kind == "text":
        return str(value)
    if column.kind == "yes_no":
        return "yes" if value else "no"
    number = f"{round(float(value), 2) + 0.0:,.2f}".rstrip("0").rstrip(".")
    return f"{number} days ago" if column.kind == "date" else number


def is_counted(name: Name) -> bool:
    """Tell whether a value goes before the label: "62 days since the last order"."""
    return name.label.lower().split(" ")[0] == name.unit
