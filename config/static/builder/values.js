// The inputs of a value, one for each form of argument. Each is given the value and `set(value, isTyped)`.

import { search } from "./catalogue.js";
import { combobox } from "./combobox.js";
import { el, input, select, whole } from "./dom.js";

export const UNITS = [
    ["minutes", "minutes"], ["hours", "hours"], ["days", "days"], ["calendar_days", "calendar days"], ["weeks", "weeks"],
    ["months", "months"], ["years", "years"],
];
export const PERIODS = ["day", "week", "month", "quarter", "year"].map((one) => [one, one]);
const DAY = /^\d{4}-\d\d-\d\d$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d$/;

export function words(text) {
    return el("span", { class: "cb-word" }, text);
}

// A number where it is one; otherwise what was typed, which the server refuses in words.
export function numberOf(text) {
    const plain = text.trim().replace(/\s/g, "");
    if (plain === "") return undefined;
    return Number.isFinite(Number(plain)) ? Number(plain) : text.trim();
}

export function number(value, set, { label = "Value", key, unit = "", isWide = false }) {
    const box = input(label, key, value, (text) => set(numberOf(text), true), {
        inputmode: "decimal", class: isWide ? "cusp-input" : "cusp-input cb-number",
    });
    return unit ? el("span", { class: "cb-joined" }, box, words(unit)) : box;
}

function known(field) {
    return (field?.values || []).map(({ value, count }) => ({
        value, label: String(value), name: String(value), note: whole(count),
    }));
}

function text(value, set, { label = "Value", key, field }) {
    return combobox({
        mode: "free", label, key, text: value ?? "",
        entries: (typed) => search(known(field), typed),
        chosen: (entry) => set(entry.value, true),
        typed: (typed) => set(typed === "" ? undefined : typed, true),
    }).element;
}

function many(value, set, { label = "Values", key, field }, read = (word) => word) {
    let chosen = Array.isArray(value) ? value : [];
    const chips = el("span", { class: "cb-chips" });
    const box = combobox({
        mode: "many", label, key, placeholder: "Type or choose",
        entries: (typed) => search(known(field).filter((one) => !chosen.includes(one.value)), typed),
        chosen: (entry) => put([...chosen, entry.value]),
        typed: (word) => put([...chosen, read(word)]),
    });
    function put(next) {
        chosen = [...new Set(next)];
        set(chosen.length ? chosen : undefined, true);
        show();
    }
    function show() {
        chips.replaceChildren(...chosen.map((one) => el("span", { class: "cb-chip" }, String(one), el("button", {
            type: "button", "aria-label": `Remove ${one}`, onclick: () => {
                put(chosen.filter((other) => other !== one));
                box.input.focus();
            },
        }, "×"))));
    }
    box.input.addEventListener("keydown", (event) => {
        if (event.key === "Backspace" && !box.input.value && chosen.length) put(chosen.slice(0, -1));
    });
    box.input.addEventListener("paste", (event) => {
        const pasted = event.clipboardData.getData("text").split(/[\n,;\t]+/).map((word) => word.trim()).filter(Boolean);
        if (pasted.length < 2) return;
        event.preventDefault();
        put([...chosen, ...pasted.map(read)]);
    });
    show();
    return el("div", { class: "cb-many" }, chips, box.element);
}

export function point(value, set, { label = "Date", key }) {
    const kind = !value || DAY.test(value) ? "date" : TIME.test(value) ? "datetime-local" : "text";
    return input(label, key, value, (typed) => set(typed || undefined, true), { type: kind, class: "cusp-input cb-date" });
}

export function duration(value, set, { label = "How long", key, count = "n" }) {
    let now = { unit: "days", ...(value && typeof value === "object" ? value : {}) };
    const put = (part, isTyped) => {
        now = { ...now, ...part };
        set(now, isTyped);
    };
    return el("span", { class: "cb-joined" },
        number(now[count], (typed) => put({ [count]: typed }, true), { label, key }),
        select("Unit", `${key}/unit`, UNITS, now.unit, (unit) => put({ unit }, true)));
}

function ends(value, set, options, one, labels, between) {
    const now = [...(Array.isArray(value) ? value : []), null, null].slice(0, 2);
    const put = (index) => (typed, isTyped) => {
        now[index] = typed ?? null;
        set(now.every((end) => end === null) ? undefined : [...now], isTyped);
    };
    return el("span", { class: "cb-joined" },
        one(now[0] ?? "", put(0), { ...options, label: labels[0], unit: "" }), words(between),
        one(now[1] ?? "", put(1), { ...options, label: labels[1], key: `${options.key}/to`, unit: options.unit }));
}

export const COMPARISONS = [
    [">=", "is at least"], [">", "is more than"], ["=", "is"], ["!=", "is not"], ["<=", "is at most"], ["<", "is less than"],
    ["between", "is from"],
];

// {">=": 2} or {"between": [2, 5]}.
export function comparison(value, set, key, choices = COMPARISONS, unit = "") {
    let [[op, given]] = Object.entries(value || { ">=": 1 });
    const put = (next, isTyped) => {
        given = next;
        set({ [op]: next }, isTyped);
    };
    const one = (label, shown, typed, at) => number(shown, typed, { label, key: at });
    const inputs = op === "between"
        ? [one("From", given?.[0], (low) => put([low ?? null, given?.[1] ?? null], true), `${key}/value`), words("to"),
            one("To", given?.[1], (high) => put([given?.[0] ?? null, high ?? null], true), `${key}/to`)]
        : [one("Number", given, (typed) => put(typed ?? null, true), `${key}/value`)];
    const choose = (chosen) => {
        const first = Array.isArray(given) ? given[0] : given;
        op = chosen;
        put(chosen === "between" ? [first, first] : first);
    };
    return el("span", { class: "cb-joined" }, select("How many", `${key}/op`, choices, op, choose), inputs, unit && words(unit));
}

function ago(value, set, { key }) {
    let now = { unit: "days", ...value };
    const put = (part) => {
        now = { ...now, ...part };
        set(now, true);
    };
    return el("span", { class: "cb-joined" },
        number(now.from, (from) => put({ from }), { label: "From", key }), words("to"),
        number(now.to, (to) => put({ to }), { label: "To", key: `${key}/to` }),
        select("Unit", `${key}/unit`, UNITS, now.unit, (unit) => put({ unit })));
}

const DAYS_OF_YEAR = [["today", "today"], ["in_next", "in the next"], ["in_last", "in the last"]];

function anniversary(value, set, { key }) {
    const kind = typeof value === "object" ? Object.keys(value)[0] : value;
    return el("span", { class: "cb-joined" },
        select("When", key, DAYS_OF_YEAR, kind, (chosen) => set(chosen === "today" ? chosen : { [chosen]: value?.[kind] ?? 7 })),
        kind !== "today" && number(value?.[kind], (days) => set({ [kind]: days ?? null }, true),
            { label: "Days", key: `${key}/days`, unit: "days" }));
}

function toggles(names) {
    return (value, set, { key }) => {
        let chosen = Array.isArray(value) ? value : value ? [value] : [];
        const flip = (index, button) => {
            chosen = chosen.includes(index) ? chosen.filter((one) => one !== index) : [...chosen, index].sort((a, b) => a - b);
            button.setAttribute("aria-pressed", String(chosen.includes(index)));
            set(chosen.length ? chosen : undefined, true);
        };
        return el("span", { class: "cb-toggles", role: "group", "aria-label": "Which" }, names.map((name, index) => el("button", {
            type: "button", class: "cb-toggle", "aria-pressed": String(chosen.includes(index + 1)), dataset: { key: index ? `${key}/${index}` : key },
            onclick: (event) => flip(index + 1, event.currentTarget),
        }, name)));
    };
}

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function fallback(value, set, { label = "Value", key }) {
    return input(label, key, value === undefined ? "" : JSON.stringify(value), (typed) => {
        try {
            set(JSON.parse(typed), true);
        } catch {
            set(typed || undefined, true);
        }
    }, { class: "cusp-input cb-code" });
}

function plain(label, placeholder) {
    return (value, set, key) => input(label, key, value, (typed) => set(typed || undefined, true), { placeholder });
}

const EDITORS = {
    nothing: () => null,
    text,
    texts: many,
    number: (value, set, options) => number(value, set, { ...options, unit: options.field?.unit }),
    numbers: (value, set, options) => many(value, set, options, numberOf),
    number_range: (value, set, options) =>
        ends(value, set, { ...options, unit: options.field?.unit }, number, ["From", "To"], "and"),
    percent: (value, set, options) => number(value, set, { ...options, unit: "%" }),
    percent_range: (value, set, options) => ends(value, set, { ...options, unit: "%" }, number, ["From", "To"], "and"),
    count: (value, set, options) => number(value, set, { ...options, unit: "customers" }),
    day: point,
    point,
    time_range: (value, set, options) => ends(value, set, options, point, ["From", "Until"], "until"),
    duration,
    ago,
    anniversary,
    period: (value, set, { key }) => select("Period", key, PERIODS, value, set),
    hours: (value, set, options) => ends(value, set, { ...options, unit: "o'clock" }, number, ["From hour", "To hour"], "to"),
    weekdays: toggles(WEEKDAYS),
    months: toggles(MONTHS),
    pattern: (value, set, { key }) => plain("Pattern", "^(gold|platinum)$")(value, set, key),
    domain: (value, set, { key }) => plain("Domain", "example.com")(value, set, key),
    truth: (value, set, { key }) => select("Value", key, [["true", "yes"], ["false", "no"]], value === undefined ? "" : String(value),
        (chosen) => set(chosen === "true")),
    comparison: (value, set, { key }) => comparison(value, set, key),
};

export function valueInput(form, value, set, options) {
    return (EDITORS[form] || fallback)(value, set, options);
}
