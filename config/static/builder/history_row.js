// What a field was: ever, never, changed from one value to another, unchanged for a time.

import { el } from "./dom.js";
import { duration, valueInput, words } from "./values.js";
import { windowInput } from "./windows.js";

export const HISTORIES = [
    ["ever", "has ever been"], ["never", "has never been"], ["changed", "has changed"], ["unchanged_for", "has been the same for"],
];
const FORMS = { text: "text", number: "number", date: "day", list: "text", yes_no: "truth" };

export function historyOf(leaf) {
    return HISTORIES.map(([name]) => name).find((name) => name in leaf);
}

export function freshHistory(name) {
    if (name === "changed") return { last: 30, unit: "days" };
    return name === "unchanged_for" ? { n: 30, unit: "days" } : undefined;
}

// Either a window alone, or {from, to, within}.
function changeInput(leaf, edit, key, field) {
    const value = leaf.changed;
    const hasValues = "within" in value;
    const within = hasValues ? value.within : value;
    let now = hasValues ? value : { within };
    const put = (part, isTyped) => {
        now = { ...now, ...part };
        const named = Object.fromEntries(Object.entries(now).filter(([, one]) => one !== undefined));
        edit((old) => ({ ...old, changed: "from" in named || "to" in named ? named : named.within }), { isTyped });
    };
    const end = (name, label) => valueInput(FORMS[field.type], now[name], (typed, isTyped) => put({ [name]: typed }, isTyped),
        { key: `${key}/${name}`, field, label });
    const ends = field.type === "list" ? [] : [words("from"), end("from", "From"), words("to"), end("to", "To")];
    return el("span", { class: "cb-joined" }, ends,
        windowInput(within, (next, isTyped) => put({ within: next ?? { last: 30, unit: "days" } }, isTyped), `${key}/within`));
}

export function historyInputs(leaf, { edit, key }, field) {
    const kind = historyOf(leaf);
    const set = (value, isTyped) => edit((now) => ({ ...now, [kind]: value ?? null }), { isTyped });
    if (kind === "changed") return changeInput(leaf, edit, key, field);
    if (kind === "unchanged_for") return duration(leaf.unchanged_for, set, { key: `${key}/value` });
    return valueInput(FORMS[field.type], leaf[kind] ?? undefined, set, { key: `${key}/value`, field });
}
