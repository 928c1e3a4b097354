// Events that follow each other: steps in order, each of which may be said not to have happened.

import { search } from "./catalogue.js";
import { combobox } from "./combobox.js";
import { check, el, iconButton } from "./dom.js";
import { whereRows } from "./event_row.js";
import { duration, words } from "./values.js";
import { windowInput } from "./windows.js";

export function newSequence(catalogue) {
    const [first = ""] = catalogue.events.keys();
    return { sequence: [{ event: first }, { event: first }], within: { last: 30, unit: "days" } };
}

function without(leaf, name) {
    const { [name]: _, ...others } = leaf;
    return others;
}

function stepRow(step, index, leaf, context) {
    const { catalogue, edit, key } = context;
    const at = `${key}/step${index}`;
    const editStep = (changed, options) =>
        edit((now) => ({ ...now, sequence: now.sequence.with(index, changed(now.sequence[index])) }), options);
    const swap = (other) => edit((now) => {
        const sequence = [...now.sequence];
        [sequence[index], sequence[other]] = [sequence[other], sequence[index]];
        return { ...now, sequence };
    }, { focus: `${key}/step${other}/event` });
    const events = [...catalogue.events.values()].map((event) => ({ name: event.name, label: event.label || event.name }));
    const picked = combobox({
        label: `Event ${index + 1}`, key: `${at}/event`, text: step.event, placeholder: "Search events",
        entries: (typed) => search(events, typed),
        chosen: (entry) => editStep((now) => without({ ...now, event: entry.name }, "where"), { focus: `${at}/event` }),
    });
    const isLast = index === leaf.sequence.length - 1;
    return el("li", { class: "cb-step", "aria-label": `Step ${index + 1}` },
        el("div", { class: "cb-inputs" },
            words(index ? "then" : "first"),
            check("not", `${at}/not`, step.not === true, (isOn) => editStep((now) => (isOn ? { ...now, not: true } : without(now, "not")))),
            picked.element,
            el("span", { class: "cb-actions" },
                iconButton("arrow_upward", `Move step ${index + 1} up`, `${at}/up`, () => swap(index - 1), { disabled: index === 0 }),
                iconButton("arrow_downward", `Move step ${index + 1} down`, `${at}/down`, () => swap(index + 1), { disabled: isLast }),
                iconButton("close", `Remove step ${index + 1}`, `${at}/remove`, () =>
                    edit((now) => ({ ...now, sequence: now.sequence.toSpliced(index, 1) })), { disabled: leaf.sequence.length <= 2 }))),
        whereRows(step, { catalogue, edit: editStep, key: at }));
}

export function sequenceRow(leaf, context) {
    const { edit, key } = context;
    const add = el("button", {
        type: "button", class: "cb-add-small", dataset: { key: `${key}/add-step` },
        onclick: () => edit((now) => ({ ...now, sequence: [...now.sequence, { event: now.sequence.at(-1).event }] }),
            { focus: `${key}/step${leaf.sequence.length}/event` }),
    }, "Then …");
    const within = (value, isTyped) =>
        edit((now) => (value === undefined ? without(now, "within") : { ...now, within: value }), { isTyped, focus: `${key}/within` });
    const gap = leaf.gap
        ? [words("each within"), duration(leaf.gap, (value, isTyped) => edit((now) => ({ ...now, gap: value }), { isTyped }),
            { label: "Longest gap", key: `${key}/gap`, count: "at_most" }), words("of the one before"),
            iconButton("close", "Remove the longest gap", `${key}/gap-remove`, () => edit((now) => without(now, "gap")))]
        : [el("button", {
            type: "button", class: "cb-add-small", dataset: { key: `${key}/gap-add` },
            onclick: () => edit((now) => ({ ...now, gap: { at_most: 2, unit: "days" } }), { focus: `${key}/gap` }),
        }, "Set a longest gap")];
    return {
        inputs: [windowInput(leaf.within, within, `${key}/within`)],
        always: [
            el("ol", { class: "cb-steps" }, leaf.sequence.map((step, index) => stepRow(step, index, leaf, context))),
            el("div", { class: "cb-inputs" }, add, gap),
        ],
        options: [],
    };
}
