// Conditions of other kinds: another segment, a list of customers, a random share, and whatever has no form of its own.

import { el, input, select, whole } from "./dom.js";
import { duration, number, words } from "./values.js";
import { windowInput } from "./windows.js";

const WAYS = [
    ["in", "is in it"], ["not_in", "is not in it"], ["entered", "entered it"], ["left", "left it"], ["in_for", "has been in it for"],
];

export function newSegment(key) {
    return { segment: key, op: "in" };
}

export function segmentRow(leaf, { catalogue, edit, key, ways }) {
    const way = "op" in leaf ? leaf.op : WAYS.map(([name]) => name).find((name) => name in leaf);
    const choose = (name) => edit(() => {
        const fresh = { entered: { last: 30, unit: "days" }, left: { last: 30, unit: "days" }, in_for: { n: 30, unit: "days" } };
        return name in fresh ? { segment: leaf.segment, [name]: fresh[name] } : { segment: leaf.segment, op: name };
    }, { focus: `${key}/way` });
    const put = (value, isTyped) => edit((now) => ({ ...now, [way]: value ?? { from: "1900-01-01" } }), { isTyped });
    const size = catalogue.segments.get(leaf.segment)?.size;
    return {
        inputs: [
            select("Membership", `${key}/way`, WAYS.filter(([name]) => ways.includes(name)), way, choose),
            (way === "entered" || way === "left") && windowInput(leaf[way], put, `${key}/within`),
            way === "in_for" && duration(leaf.in_for, put, { key: `${key}/for` }),
            size !== null && size !== undefined && words(`${whole(size)} members`),
        ],
        options: [],
    };
}

export function sampleRow(leaf, { edit, key }) {
    return {
        inputs: [
            number(leaf.sample, (sample) => edit((now) => ({ ...now, sample: sample ?? null }), { isTyped: true }),
                { label: "Share", key: `${key}/sample`, unit: "% of all customers" }),
            el("label", { class: "cb-labelled" }, "drawn by the word",
                input("Word of the draw", `${key}/salt`, leaf.salt, (salt) => edit((now) => ({ ...now, salt }), { isTyped: true }))),
        ],
        options: [],
    };
}

export function idsRow(leaf, { edit, key }) {
    const said = words(told(leaf.ids));
    const box = el("textarea", {
        class: "cusp-input cb-ids", rows: 4, "aria-label": "External ids, one a line", spellcheck: "false", dataset: { key: `${key}/ids` },
        oninput: (event) => {
            const ids = event.target.value.split(/[\n,;\t]+/).map((one) => one.trim()).filter(Boolean);
            said.textContent = told(ids);
            edit((now) => ({ ...now, ids }), { isTyped: true });
        },
    });
    box.value = leaf.ids.join("\n");
    return { inputs: [said], always: [box], options: [] };
}

function told(ids) {
    return ids.length === 1 ? "1 customer" : `${whole(ids.length)} customers`;
}

export function rawRow(leaf, { edit, key }) {
    const box = el("textarea", { class: "cusp-input cb-raw", rows: 3, "aria-label": "This condition as JSON", spellcheck: "false", dataset: { key: `${key}/raw` } });
    box.value = JSON.stringify(leaf, null, 2);
    box.addEventListener("input", () => {
        try {
            const read = JSON.parse(box.value);
            box.removeAttribute("aria-invalid");
            edit(() => read, { isTyped: true });
        } catch {
            box.setAttribute("aria-invalid", "true");
        }
    });
    return { inputs: [], always: [box], options: [] };
}
