// The picker of what a condition asks about: fields by group, events, segments, and the conditions of other kinds.

import { search } from "./catalogue.js";
import { combobox } from "./combobox.js";
import { whole } from "./dom.js";

const TYPES = { text: "text", number: "number", yes_no: "yes or no", date: "date", list: "list" };
const OTHERS = [
    { kind: "sequence", label: "Events in this order", group: "Events" },
    { kind: "ids", label: "A list of customers", note: "by their external ids", group: "Others" },
    { kind: "sample", label: "A random share of customers", note: "always the same ones", group: "Others" },
];

export function entriesOf(catalogue) {
    const fields = [...catalogue.fields.values()].map((field) => ({
        kind: "field", name: field.name, label: field.label, group: field.group,
        share: catalogue.hasCustomers ? field.share : null,
        note: field.unit ? `${TYPES[field.type] || field.type}, ${field.unit}` : TYPES[field.type] || field.type,
    }));
    const events = [...catalogue.events.values()].map((event) => ({
        kind: "event", name: event.name, label: event.label || event.name, group: "Events",
        note: event.count === null || event.count === undefined ? "" : `${whole(event.count)} times`,
    }));
    const segments = [...catalogue.segments.values()].map((segment) => ({
        kind: "segment", name: segment.key, label: segment.name || segment.key, group: "Segments",
        note: segment.size === null || segment.size === undefined ? "not counted yet" : `${whole(segment.size)} members`,
    }));
    return [...fields, ...events, OTHERS[0], ...segments, ...OTHERS.slice(1)];
}

export function labelOf(catalogue, leaf) {
    if ("field" in leaf) return catalogue.fields.get(leaf.field)?.label ?? String(leaf.field);
    if ("event" in leaf) return catalogue.events.get(leaf.event)?.label || String(leaf.event);
    if ("segment" in leaf) return catalogue.segments.get(leaf.segment)?.name || String(leaf.segment);
    return OTHERS.find((one) => one.kind in leaf)?.label ?? "";
}

export function picker({ catalogue, entries, leaf, key, isOpen, chosen }) {
    return combobox({
        label: "What", key, isOpen,
        text: labelOf(catalogue, leaf),
        placeholder: "Search fields, events, segments",
        entries: (text) => search(entries, text),
        chosen,
    });
}
