"""Every operator of a field: its type, its argument, its meaning and its words, in one row.

A meaning is null where the column has no value; the leaf of a mask turns that into false (or into true, where the
rule includes those without a value), so that an operator and its opposite both leave them out.
"""

from segments.rules import dates, lists, numbers, texts
from segments.rules.nodes import Condition, Type
from segments.rules.subjects import Cut as Cut
from segments.rules.subjects import CutKey as CutKey
from segments.rules.subjects import Operator as Operator

ROWS = [*texts.ROWS, *numbers.ROWS, *dates.ROWS, *lists.ROWS]
OPERATORS: dict[tuple[Type, str], Operator] = {(row.type, row.name): row for row in ROWS}


def operator(condition: Condition) -> Operator:
    """Give the row of a condition."""
    return OPERATORS[condition.field.type, condition.op]


def names(type: Type) -> list[str]:
    """Give the operators of a type, in the order of the table."""
    return [row.name for row in OPERATORS.values() if row.type == type]


def cut_key(condition: Condition) -> CutKey:
    """Give the key of a condition's cut."""
    return CutKey(condition.field.name, condition.op, condition.value)
