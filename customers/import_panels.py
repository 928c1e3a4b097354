"""An import as pages show it: how far it is, what became of its lines, and whom it lets us reach."""

import polars as pl
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from customers import uploads
from customers.feeds import keeping
from customers.ingest import Records
from customers.models import Import
from customers.panels import Panel, facts_of, link, number

FIRST = 100
ADDRESS = {"email": "email", "phone": "phone", "sms": "phone"}
SAYS = {"email": "by e-mail", "phone": "by phone", "sms": "by SMS"}


def panels(item: Import, request: HttpRequest) -> list[Panel]:
    """Give what became of the lines, the first refused ones, and how the columns were read."""
    if item.state == Import.State.UPLOADED:
        way = render_to_string("admin/import_way.html", {"item": item}, request)
        may = request.user.has_perm("customers.add_import")
        note = "Say what its columns are; nothing is stored before. After a day it is forgotten."
        return [Panel("It is not stored yet", note, drawing=way if may else None, empty="Nothing is stored yet.")]
    if (item.state in uploads.OPEN and item.lease_until) or item.state == Import.State.WAITING:
        return [Panel("How far it is", drawing=render_to_string("admin/import_bar.html", told(item)))]
    counts = [
        ("Lines read", number(item.read)),
        ("Stored", number(item.stored)),
        ("Repeated", number(item.repeated)),
        ("Refused", number(item.quarantined)),
    ]
    reasons = [(reason, number(many)) for reason, many in sorted(item.reasons.items(), key=lambda one: -one[1])]
    why = [Panel("Why lines were refused", head=("Reason", "Lines"), rows=reasons[:FIRST])] if reasons else []
    return [
        Panel("What became of it", facts=counts, warning=item.error),
        *why,
        _refused(item, request),
        _read(item, request),
    ]


def _read(item: Import, request: HttpRequest) -> Panel:
    may = keeping.is_model(item) and request.user.has_perm("customers.add_feed")
    again = render_to_string("admin/import_schedule.html", {"item": item}, request) if may else None
    facts = [*facts_of(item.mapping), ("SHA-256 of the file", item.sha256)]
    return Panel("How it was read", facts=facts, drawing=again)


def _refused(item: Import, request: HttpRequest) -> Panel:
    rows = [(number(q.line), q.column, q.reason, link(q, "Record")) for q in item.refused.order_by("line")[:FIRST]]
    note = f"The first {len(rows)} of {item.quarantined:,}. Mend them in the file and import it again." if rows else ""
    may = bool(rows) and request.user.has_perm("customers.view_quarantine")
    taken = render_to_string("admin/import_refused.html", {"item": item}, request) if may else None
    head = ("Line", "Column", "Reason", "As read")
    return Panel("Refused lines", note, head=head, rows=rows, drawing=taken, empty="Every line was accepted.")


def told(item: Import) -> dict[str, object]:
    """Give what the bar of an import is drawn from."""
    return {"item": item, "progress": progress(item)}


def progress(item: Import) -> SafeString:
    """Give how far an import is, in a bar and a sentence."""
    context = {"percent": round(100 * item.portion), "sentence": item.stage or "Begins", "name": item.file_name}
    return render_to_string("admin/import_progress.html", context)


def reachable(records: Records) -> list[str]:
    """Say how many customers of a file could be reached by what it says, one sentence a channel."""
    people, said = records.customers, records.consents
    if people is None or said is None or said.filter("is_granted").is_empty():
        return ["Nobody becomes reachable by this file: it brings no consent."]
    sentences = []
    for (channel,), some in said.filter("is_granted").partition_by("channel", as_dict=True).items():
        name = str(channel)
        column = ADDRESS.get(name)
        agreed = people.join(some.select("external_id").unique(), on="external_id", how="semi")
        if column is not None:
            has = pl.col(column).is_not_null() if column in agreed.columns else pl.lit(False)
            agreed = agreed.filter(has)
        many, all_ = agreed["external_id"].n_unique(), people["external_id"].n_unique()
        sentences.append(f"{many:,} of {all_:,} customers become reachable {SAYS.get(name, f'by {name}')}, at most.")
    return [*sentences, "Who withdrew before, or whose address is closed, is left alone."]
