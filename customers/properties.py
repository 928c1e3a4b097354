"""What events tell in their properties: JSON objects as text, read one property at a time."""

import json
import re
from collections.abc import Mapping

import polars as pl

from customers.models import Attribute
from customers.typed import typed

PLAIN = re.compile(r"[A-Za-z0-9_ $-]+")
STRING = r'"(?:[^"\\]|\\.)*"'
SCALAR = rf"{STRING}|-?\d[\d.eE+-]*|true|false|null"
LIST = rf"\[\s*(?:(?:{SCALAR})\s*,\s*)*(?:{SCALAR})?\s*\]"
FORMS = {
    Attribute.Type.TEXT: STRING,
    Attribute.Type.DATE: STRING,
    Attribute.Type.NUMBER: r"-?\d[\d.eE+-]*",
    Attribute.Type.YES_NO: "true|false",
    Attribute.Type.LIST: LIST,
}


def told(texts: pl.Series, types: Mapping[str, Attribute.Type]) -> pl.DataFrame:
    """Give one column a property, typed; what does not fit its type is no value. Dots lead into nested objects."""
    is_flat = ~texts.str.strip_prefix("{").str.contains("{", literal=True)
    return pl.DataFrame([_typed(texts, is_flat, name, type).alias(name) for name, type in types.items()])


def _typed(texts: pl.Series, is_flat: pl.Series, name: str, type_: Attribute.Type) -> pl.Series:
    if not PLAIN.fullmatch(name):
        return typed(_nested(texts, name), type_)
    found = texts.str.extract(rf'"{re.escape(name)}"\s*:\s*({FORMS[type_]})')
    if not is_flat.all():
        # The name may stand in an object within, so that what is not flat is read step by step.
        found = found.scatter((~is_flat).arg_true(), _nested(texts.filter(~is_flat), name))
    return typed(found, type_)


def _nested(texts: pl.Series, name: str) -> pl.Series:
    """Give a value of objects that hold others. The path gives texts without their quotes: these are put back."""
    path = "$" + "".join(f"['{step}']" for step in name.replace("'", "").split("."))
    found = texts.str.json_path_match(path)
    last = name.rsplit(".", 1)[-1]
    key = f"(?:{re.escape(last)}|{re.escape(json.dumps(last)[1:-1])})"
    is_text = texts.str.contains(rf'"{key}"\s*:\s*"') & ~texts.str.contains(rf'"{key}"\s*:\s*[-\d\[tfn]')
    quoted = pl.struct(v=pl.col("found")).struct.json_encode().str.slice(5).str.strip_suffix("}")
    frame = pl.DataFrame({"found": found, "is_text": is_text})
    value = pl.when("is_text").then(quoted).otherwise("found")
    return frame.select(pl.when(value.str.contains(rf"^(?:{SCALAR}|{LIST})$")).then(value).alias(name)).to_series()
