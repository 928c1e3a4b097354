"""What is wrong with a mail that is being composed, each at its block; what is sound of it can be shown. Pure."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from campaigns import blocks, render
from campaigns.json_fields import ContentError
from campaigns.steps import EXAMPLE

BLOCK = re.compile(r"blocks\[(\d+)\](?:\.columns\[(\d+)\]\[(\d+)\])?")
OF_LANGUAGE = re.compile(r"content\.languages\.(?P<language>[a-z-]+)(?:\.blocks\.(?P<id>[^.]+))?")
OF_FIELD = re.compile(r"(is|must|takes|expects|may)\b")
WORDS = {
    "asset": "the picture",
    "url": "where it leads",
    "alt": "what it shows",
    "label": "its label",
    "kind": "it",
    "tag": "its tag",
}
TURNS = 100  # of looking for faults: each takes one out


class Problem(NamedTuple):
    """Something to look at: at a block, at a line of the head, or anywhere."""

    text: str
    where: str
    is_fault: bool
    block: str = ""
    field: str = ""


def sound(content: dict[str, Any], allowed: blocks.Terms) -> tuple[blocks.Content, list[Problem]]:
    """Give the content without what is faulty, and the faults."""
    left = json.loads(json.dumps(content))
    faults: list[Problem] = []
    for _ in range(TURNS):
        try:
            return blocks.parse(left, allowed), faults
        except ContentError as error:
            faults.append(fault(left, error))
            if not _without(left, error.path):
                break
    return blocks.parse({"subject": "…", "blocks": [{"kind": "spacer"}]}), faults


def fault(content: dict[str, Any], error: ContentError) -> Problem:
    """Give a fault at its place."""
    if error.path == "content.blocks":
        return Problem("There is nothing in the mail yet.", "The mail", is_fault=True)
    return _problem(content, error.path, error.message, is_fault=True)


def _problem(content: dict[str, Any], path: str, message: str, *, is_fault: bool) -> Problem:
    """Give a finding at its place: a block by its id, the subject, or the preheader."""
    last = path.rsplit(".", 1)[-1]
    said = capital(f"{WORDS.get(last, last)} {message}" if OF_FIELD.match(message) else message)
    if found := BLOCK.search(path):
        block = _at(content, found)
        kind = str(block.get("kind", "block"))
        return Problem(said, f"{kind.capitalize()} {int(found[1]) + 1}", is_fault, block=str(block.get("id", "")))
    if (found := OF_LANGUAGE.match(path)) and found["id"]:
        return Problem(said, f"In {found['language']}", is_fault, block=found["id"])
    if last in ("subject", "preheader"):
        where = f"In {found['language']}" if found else last.capitalize()
        return Problem(said, where, is_fault, field=f"/{last}")
    return Problem(said, "The mail", is_fault)


def _at(content: dict[str, Any], found: re.Match[str]) -> dict[str, Any]:
    block = content["blocks"][int(found[1])]
    if found[2]:
        block = block["columns"][int(found[2])][int(found[3])]
    return block if isinstance(block, dict) else {}


def _without(content: dict[str, Any], path: str) -> bool:
    """Take what is faulty out of a content; say whether that could be done."""
    if path == "content.blocks" or (path == "content.blocks[0]" and not content.get("blocks")):
        content["blocks"] = [{"kind": "spacer"}]
    elif path in ("content.subject", "content.preheader"):
        content[path.rpartition(".")[2]] = "…"
    elif found := OF_LANGUAGE.match(path):
        content["languages"].pop(found["language"])
    elif found := BLOCK.search(path):
        inner = content["blocks"][int(found[1])]["columns"][int(found[2])] if found[2] else content["blocks"]
        # A block that draws nothing keeps the places of those after it.
        inner[int(found[3] if found[2] else found[1])] = {"kind": "spacer", "height": 4}
    else:
        return False
    return True


def remarks(content: dict[str, Any], read: blocks.Content) -> Iterator[Problem]:
    """Give what a marketer should look at: names without a fallback, texts that are not translated, a long subject."""
    for place, text in blocks.texts(read):
        for name in render.unguarded(text):
            said = f"Not every customer has {name}: choose what stands there then, as {{{{ {name} | default: '…' }}}}."
            yield _problem(content, place, said, is_fault=True)
        if EXAMPLE in text:
            said = f"Leads to {EXAMPLE}, an example: write your own address before it is launched."
            yield _problem(content, place, said, is_fault=False)
    for line in blocks.lint(read):
        place, _, said = line.partition(": ")
        yield _problem(content, place, said, is_fault=False)


def capital(text: str) -> str:
    """Give a text as a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"
