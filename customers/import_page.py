"""Imports by hand, in three steps: upload a file, say what its columns are and see what would come of it, store it."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import polars as pl
from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers import audit, import_form, import_panels, import_queue, import_work, imports, ingest, uploads
from customers.import_form import PERMISSIONS, ROLES
from customers.import_queue import Columns
from customers.mapping import WrongMapping
from customers.models import Attribute, Channel, Import
from customers.plain_cells import guarded
from customers.prepared import Prepared
from customers.reading import Table, Unreadable

MAY, MAY_SEE_REFUSED = "customers.add_import", "customers.view_quarantine"
ACCEPTED = ".csv,.tsv,.txt,.gz,.xlsx,.parquet,.ndjson,.jsonl"
FIRST_REFUSED = 20
HEAD = ("line", "column", "reason", "record")


class UploadForm(forms.Form):
    """A file, and what is in it."""

    file = forms.FileField(
        label="File",
        widget=forms.FileInput(attrs={"class": "cusp-input", "accept": ACCEPTED, "data-plain": True}),
        max_length=255,
    )
    kind = forms.ChoiceField(
        label="What is in it",
        choices=Import.Kind.choices,
        widget=forms.Select(attrs={"class": "cusp-input"}),
        initial=Import.Kind.CUSTOMERS,
    )


class ImportsByHand:
    """The part of the pages of imports that takes files."""

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses, with those of mapping, progress and refused lines."""
        own: Any = self
        at = own.admin_site.admin_view
        mapped = at(require_http_methods(["GET", "HEAD", "POST"])(self.map_view))
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        return [
            path("<int:import_id>/map/", mapped, name="customers_import_map"),
            path("<int:import_id>/progress/", at(require_safe(_progress)), name="customers_import_progress"),
            path("<int:import_id>/refused.csv", at(require_POST(_refused)), name="customers_import_export"),
            *urls,
        ]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let those upload files who may."""
        return request.user.has_perm(MAY)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Take a file, and lead to what its columns are."""
        _may(request, MAY)
        is_posted = request.method == "POST"
        form = UploadForm(request.POST if is_posted else None, request.FILES if is_posted else None, label_suffix="")
        if is_posted and form.is_valid():
            try:
                uploaded = _taken(request, form.cleaned_data)
            except Unreadable as refused:
                form.add_error("file", str(refused))
            else:
                return HttpResponseRedirect(reverse("admin:customers_import_map", args=[uploaded.pk]))
        shown = {"title": "Import a file", "form": form, "most": settings.UPLOAD_MOST_MB}
        return self._answer(request, "import_upload", shown)

    def map_view(self, request: HttpRequest, import_id: int) -> HttpResponse:
        """Ask what the columns are; check the file by it, or let it be stored."""
        _may(request, MAY)
        uploaded = get_object_or_404(Import, pk=import_id)
        there = HttpResponseRedirect(reverse("admin:customers_import_change", args=[import_id]))
        if uploaded.state != Import.State.UPLOADED:
            return there
        told = request.POST if request.method == "POST" else {}
        context: dict[str, Any] = {"title": f"Import {uploaded.file_name}", "uploaded": uploaded}
        try:
            table = uploads.table(uploaded.sha256, uploaded.file_name)
        except Unreadable as refused:
            return self._answer(request, "import_map", {**context, "refused": str(refused)})
        context |= _form(table, uploaded, told)
        if told:
            try:
                columns, found, seal = _read(table, uploaded, told)
            except WrongMapping as refused:
                return self._answer(request, "import_map", {**context, "refused": str(refused)})
            if "_store" in told and told.get("checked") == seal:
                _ask(request, uploaded, columns, found)
                return there
            context |= _checked(found, uploaded) | {"seal": seal, "changed": "_store" in told}
        return self._answer(request, "import_map", context)

    def _answer(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        own: Any = self
        base = {**own.admin_site.each_context(request), "opts": own.opts}
        return TemplateResponse(request, f"admin/{name}.html", base | context)


def _may(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _taken(request: HttpRequest, told: Mapping[str, Any]) -> Import:
    """Keep an uploaded file that can be read, and say so where it was imported before. Raises Unreadable."""
    kind, now = told["kind"], timezone.now()
    name = "".join(one for one in told["file"].name if one.isprintable())[:255] or "file"
    digest = uploads.keep(told["file"])
    try:
        uploads.table(digest, name)
    except Unreadable:
        uploads.remove(digest)
        raise
    before = Import.objects.filter(sha256=digest, kind=kind).exclude(state=Import.State.UPLOADED)
    if (last := before.order_by("-started_at").first()) is not None:
        text = f"This very file was imported before, on {last.started_at:%d %B %Y}: what it stored counts as repeated."
        messages.warning(request, text)
    source = imports.source_of(f"import-{kind}")
    started = {"state": Import.State.UPLOADED, "file_name": name, "started_at": now, "source": source}
    waits = Import.objects.filter(sha256=digest, kind=kind, state=Import.State.UPLOADED).first()
    return waits or Import.objects.create(**started, sha256=digest, kind=kind)


def _read(table: Table, uploaded: Import, told: Mapping[str, str]) -> tuple[Columns, Prepared, str]:
    """Give the columns that were chosen, the records by them, and what tells this choice from others."""
    is_events = uploaded.kind == Import.Kind.EVENTS
    columns: Columns = (import_form.events if is_events else import_form.customers)(told, table.columns)
    seal = sha256(json.dumps(asdict(columns), sort_keys=True).encode()).hexdigest()
    return columns, import_work.prepare(table, columns, timezone.now()), seal


def _checked(found: Prepared, uploaded: Import) -> dict[str, Any]:
    """Give what would come of a file; nothing is written."""
    result = ingest.preview(found.records, imports.key_of(found.source_key), timezone.now())
    first = result.refused.sort("line").head(FIRST_REFUSED)
    reason = pl.concat_str(pl.col("value").fill_null(""), pl.lit(" "), "kind").str.strip_chars()
    return {
        "result": result,
        "reasons": list(result.reasons.items())[:FIRST_REFUSED],
        "first": list(first.select("line", "column", reason.alias("reason")).iter_rows()),
        "inferred": found.inferred,
        "reachable": import_panels.reachable(found.records) if uploaded.kind == Import.Kind.CUSTOMERS else [],
        "can_store": result.stored + result.repeated > 0,
    }


def _form(table: Table, uploaded: Import, told: Mapping[str, str]) -> dict[str, Any]:
    """Give the fields of the page as they were chosen, or as they are guessed."""
    rows = [
        {
            "column": one,
            "role": told.get(f"role-{one.at}", one.role),
            "type": told.get(f"type-{one.at}", ""),
            "is_core": import_form.is_core(one.name),
        }
        for one in import_form.shown(table, uploaded.kind)
    ]
    kept = ("who", "channel", "topic")
    consents = [
        {"at": at, **{name: told.get(f"consent_{name}-{at}", "") for name in kept}} for at in range(PERMISSIONS)
    ]
    return {
        "is_events": uploaded.kind == Import.Kind.EVENTS,
        "told_of": import_form.told_of(table),
        "rows": rows,
        "roles": list(ROLES[uploaded.kind].items()),
        "types": Attribute.Type.choices,
        "channels": Channel.choices,
        "consents": consents,
        "consent_source": told.get("consent_source", ""),
        "event_name": told.get("event_name", ""),
        "known": told.get("known", ""),
        "line_numbers": range(1, min(import_form.FIRST, len(table.rows)) + 1),
    }


def _ask(request: HttpRequest, uploaded: Import, columns: Columns, found: Prepared) -> None:
    now, by = timezone.now(), request.user
    if import_queue.ask(uploaded, columns, found.source_key, now):
        about = {"kind": uploaded.kind, "sha256": uploaded.sha256, "lines": found.read}
        audit.note(now, by if by.is_authenticated else None, "import begun", uploaded.file_name, **about)
        messages.success(request, "It is stored in the background. You may leave this page.")


def _progress(request: HttpRequest, import_id: int) -> HttpResponse:
    """Give how far an import is, for the page that follows it; nothing once it has ended."""
    _may(request, "customers.view_import")
    asked = get_object_or_404(Import, pk=import_id)
    is_open = asked.state in uploads.OPEN
    return HttpResponse(import_panels.progress(asked)) if is_open else HttpResponse(status=204)


def _refused(request: HttpRequest, import_id: int) -> HttpResponse:
    """Give the refused lines of an import as a file; who took it out is noted."""
    _may(request, MAY_SEE_REFUSED)
    of = get_object_or_404(Import, pk=import_id)
    out = io.StringIO()
    table, many = csv.writer(out), 0
    table.writerow(HEAD)
    for one in of.refused.order_by("line", "pk").iterator(chunk_size=5_000):
        record = json.dumps(one.record, ensure_ascii=False)
        cells = (str(one.line or ""), one.column, one.reason, record)
        table.writerow([guarded(cell) for cell in cells])
        many += 1
    by = request.user if request.user.is_authenticated else None
    audit.note(timezone.now(), by, "refused lines exported", of.file_name, rows=many)
    headers = {"Content-Disposition": f'attachment; filename="refused-{of.pk}.csv"', "Cache-Control": "no-store"}
    return HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
