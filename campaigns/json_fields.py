"""The fields of a JSON object, read one by one; what is wrong is said with its place. Pure."""

import difflib
import re
from collections.abc import Collection

LINE, ADDRESS = 300, 2_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
SAFE_URL = re.compile(r"(https?://[^\s/]|mailto:[^\s]|tel:[+0-9{])", re.IGNORECASE)


class ContentError(ValueError):
    """A content that cannot be used: `path` says where, `message` why."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class Fields:
    """The fields of one object of the content, read one by one; what is wrong is said with its place."""

    def __init__(self, path: str, data: object, names: Collection[str]) -> None:
        if not isinstance(data, dict):
            raise ContentError(path, f"expects an object, got {type(data).__name__}")
        for name in data:
            if name not in names:
                raise ContentError(f"{path}.{name}", f"is not known here{nearest(str(name), names)}")
        self.path = path
        self.data = data

    def text(self, name: str, limit: int = LINE, *, is_needed: bool = False) -> str:
        value = self.data.get(name, "")
        if not isinstance(value, str):
            raise ContentError(f"{self.path}.{name}", "expects a text")
        if is_needed and not value.strip():
            raise ContentError(f"{self.path}.{name}", "is missing")
        if len(value) > limit:
            raise ContentError(f"{self.path}.{name}", f"is longer than {limit:,} characters")
        return value.replace("\r\n", "\n")

    def line(self, name: str, limit: int = LINE, *, is_needed: bool = False) -> str:
        value = self.text(name, limit, is_needed=is_needed)
        if "\n" in value or "\r" in value:
            raise ContentError(f"{self.path}.{name}", "must be one line")
        return value

    def name(self, name: str) -> str:
        value = self.line(name)
        if value and not NAME.fullmatch(value):
            raise ContentError(f"{self.path}.{name}", "takes letters, digits, - and _, 60 at most")
        return value

    def url(self, name: str, *, is_needed: bool = False) -> str:
        value = self.line(name, ADDRESS, is_needed=is_needed).strip()
        if value and not value.startswith("{{") and not SAFE_URL.match(value):
            raise ContentError(f"{self.path}.{name}", "must begin with https://, http://, mailto: or tel:")
        return value

    def number(self, name: str, low: int, high: int, default: int) -> int:
        value = self.data.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ContentError(f"{self.path}.{name}", f"expects a whole number from {low} to {high}")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.data.get(name, choices[0])
        if value not in choices:
            raise ContentError(f"{self.path}.{name}", f"expects one of {', '.join(choices)}, got {value!r}")
        return str(value)

    def rows(self, name: str, most: int, *, least: int = 0) -> list[object]:
        value = self.data.get(name, [])
        if not isinstance(value, list):
            raise ContentError(f"{self.path}.{name}", f"expects a list, got {type(value).__name__}")
        if not least <= len(value) <= most:
            raise ContentError(f"{self.path}.{name}", f"takes {least} to {most}, got {len(value)}")
        return value


def nearest(name: str, names: Collection[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; expects {', '.join(names)}"
