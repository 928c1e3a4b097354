// A condition on events: how often or how much, within when, and which of them count.

import { el, iconButton, select } from "./dom.js";
import { comparison, COMPARISONS, duration, number, PERIODS, valueInput, words } from "./values.js";
import { windowInput } from "./windows.js";

const MEASURES = [
    ["count", "happened"], ["none", "did not happen"], ["sum", "total of"], ["avg", "average of"], ["min", "lowest"],
    ["max", "highest"], ["distinct", "number of different"], ["first", "first"], ["last", "latest"],
    ["first_ever", "happened for the first time"], ["stopped", "stopped"], ["resumed", "began again"],
    ["regularly", "happens regularly"], ["trend", "became more or fewer"], ["overdue", "is overdue"],
];
const COUNTS = [
    [">=", "at least"], ["=", "exactly"], ["<=", "at most"], [">", "more than"], ["<", "fewer than"],
    ["between", "from"], ["!=", "any number but"],
];
const OF_PROPERTY = new Set(["sum", "avg", "min", "max", "distinct", "first", "last"]);
const WITHOUT_WINDOW = new Set(["stopped", "trend", "overdue", "regularly"]);

export function newEvent(name) {
    return { event: name, count: { ">=": 1 }, within: { last: 30, unit: "days" } };
}

function measureOf(leaf) {
    const [name] = MEASURES.find(([one]) => one in leaf) || ["count"];
    const isNone = name === "count" && leaf.count && Object.keys(leaf.count)[0] === "=" && leaf.count["="] === 0;
    return isNone ? "none" : name;
}

function without(leaf, ...names) {
    return Object.fromEntries(Object.entries(leaf).filter(([name]) => !names.includes(name)));
}

function freshCompare(measure, field) {
    if (measure === "distinct" || !field || field.type === "number") return { ">=": 1 };
    return { "=": field.type === "yes_no" ? true : "" };
}

function freshMeasure(name, property) {
    const fresh = {
        count: { count: { ">=": 1 } },
        none: { count: { "=": 0 } },
        first_ever: { first_ever: true },
        stopped: { stopped: { for: { last: 60, unit: "days" } } },
        resumed: { resumed: { after: { last: 60, unit: "days" } } },
        regularly: { regularly: { at_least: 3, of: 4, period: "week" } },
        trend: { trend: { window: { last: 30, unit: "days" }, ratio: { "<=": 0.5 } } },
        overdue: { overdue: { times_usual_gap: 2 } },
    };
    return fresh[name] || { [name]: property, compare: { ">=": 1 } };
}

function known(catalogue, leaf) {
    return catalogue.events.get(leaf.event)?.properties || [];
}

function properties(catalogue, leaf, isNumber) {
    return known(catalogue, leaf).filter((one) => !isNumber || one.type === "number").map((one) => [one.name, one.label]);
}

// A property may be named with its prefix or without.
function propertyOf(catalogue, leaf, name) {
    return known(catalogue, leaf).find((one) => one.name === name || one.name === `properties.${name}`);
}

// What a first or last value is compared with: a number with numbers, a text with a text.
function compareInput(leaf, measure, put, key, field) {
    const isNumber = measure === "distinct" || !field || field.type === "number";
    if (isNumber) return comparison(leaf.compare, put, key);
    let [[op, value]] = Object.entries(leaf.compare || {});
    const set = (isTyped) => put({ [op]: value }, isTyped);
    const choices = { text: [["=", "is"], ["!=", "is not"]], yes_no: [["=", "is"]] }[field.type] || COMPARISONS;
    return el("span", { class: "cb-joined" },
        select("How", `${key}/op`, choices, op, (chosen) => { op = chosen; set(false); }),
        valueInput({ text: "text", yes_no: "truth", date: "day" }[field.type] || "text", value, (typed, isTyped) => {
            value = typed ?? null;
            set(isTyped);
        }, { key: `${key}/value`, field }));
}

function measureInputs(leaf, measure, { catalogue, edit, key }) {
    const put = (name) => (value, isTyped) => edit((now) => ({ ...now, [name]: value }), { isTyped });
    const inside = (name, part) => (value, isTyped) =>
        edit((now) => ({ ...now, [name]: { ...now[name], [part]: value } }), { isTyped });
    if (measure === "count") return [comparison(leaf.count, put("count"), `${key}/count`, COUNTS, "times")];
    if (OF_PROPERTY.has(measure)) {
        const choices = properties(catalogue, leaf, !["distinct", "first", "last"].includes(measure));
        const field = propertyOf(catalogue, leaf, leaf[measure]);
        const choose = (name) => edit((now) => ({ ...now, [measure]: name, compare: freshCompare(measure, propertyOf(catalogue, leaf, name)) }));
        return [select("Property", `${key}/property`, choices, field?.name ?? leaf[measure], choose),
            compareInput(leaf, measure, put("compare"), `${key}/compare`, field)];
    }
    if (measure === "stopped") {
        return [words("for"), duration(leaf.stopped.for, inside("stopped", "for"), { key: `${key}/for`, count: "last" })];
    }
    if (measure === "resumed") {
        const after = inside("resumed", "after");
        return [words("after a silence of"), duration(leaf.resumed.after, after, { key: `${key}/after`, count: "last" })];
    }
    if (measure === "regularly") {
        const part = (name, label) => number(leaf.regularly[name], (value) => inside("regularly", name)(value, true),
            { label, key: `${key}/${name}` });
        return [words("in at least"), part("at_least", "At least"), words("of the last"), part("of", "Of the last"),
            select("Period", `${key}/period`, PERIODS.map(([one]) => [one, `${one}s`]), leaf.regularly.period, inside("regularly", "period"))];
    }
    if (measure === "trend") {
        return [words("in the last"), duration(leaf.trend.window, inside("trend", "window"), { key: `${key}/window`, count: "last" }),
            words("over those before"), comparison(leaf.trend.ratio, inside("trend", "ratio"), `${key}/ratio`, COMPARISONS, "times as many")];
    }
    if (measure === "overdue") {
        return [words("by"), number(leaf.overdue.times_usual_gap, (value) => inside("overdue", "times_usual_gap")(value, true),
            { label: "Times the usual gap", key: `${key}/gap` }), words("times the usual gap")];
    }
    return [];
}

const LINES = [
    ["any", "by any product bought"], ["all", "by every product bought"], ["none", "by no product bought"],
    ["count", "counting the products that meet it:"], ["sum", "adding up, over the products that meet it,"],
];
const SUMS = [["quantity", "quantity"], ["amount", "quantity times price"], ["price", "price"], ["discount", "discount"]];

// How the lines of an order meet what is asked of products: any of them unless it is said otherwise.
function linesInput(leaf, edit, key) {
    const now = leaf.lines ?? "any";
    const kind = typeof now === "string" ? now : "count" in now ? "count" : "sum";
    const fresh = { count: { count: { ">=": 2 } }, sum: { sum: "quantity", compare: { ">=": 2 } } };
    const choose = (chosen) => edit((old) => (chosen === "any" ? without(old, "lines") : { ...old, lines: fresh[chosen] || chosen }), { focus: `${key}/lines` });
    const put = (part) => (value, isTyped) => edit((old) => ({ ...old, lines: { ...old.lines, [part]: value } }), { isTyped });
    return el("div", { class: "cb-inputs cb-lines" }, words("met"), select("Products", `${key}/lines`, LINES, kind, choose),
        kind === "count" && comparison(now.count, put("count"), `${key}/lines-count`, COUNTS, "products"),
        kind === "sum" && [select("Sum", `${key}/lines-sum`, SUMS, now.sum, put("sum")), comparison(now.compare, put("compare"), `${key}/lines-compare`)]);
}

export function whereRows(leaf, { catalogue, edit, key }) {
    const choices = properties(catalogue, leaf, false);
    const typeOf = (name) => propertyOf(catalogue, leaf, name)?.type || "text";
    const operatorsOf = (name) => catalogue.operatorsOfType(typeOf(name)).filter((one) => !one.compares_all);
    const put = (index, row, options) => edit((now) => ({ ...now, where: now.where.with(index, row) }), options);
    const rows = (leaf.where || []).map((row, index) => {
        const at = `${key}/where${index}`;
        const operators = operatorsOf(row.field);
        const operator = operators.find((one) => one.name === row.op);
        let now = row;
        const set = (part, options) => {
            now = { ...now, ...part };
            put(index, now, options);
        };
        return el("li", { class: "cb-where", "aria-label": `Where ${index + 1}` }, words(index ? "and" : "where"),
            select("Property", `${at}/property`, choices, row.field, (field) => put(index, { field, op: operatorsOf(field)[0]?.name })),
            select("Comparison", `${at}/op`, operators.map((one) => [one.name, one.label]), row.op,
                (op) => set({ op, value: operators.find((one) => one.name === op).form === operator?.form ? now.value : undefined })),
            operator && valueInput(operator.form, row.value, (value, isTyped) => set({ value }, { isTyped }), { key: `${at}/value`, field: propertyOf(catalogue, leaf, row.field) }),
            iconButton("close", `Remove where ${index + 1}`, `${at}/remove`, () => edit((old) => {
                const where = old.where.toSpliced(index, 1);
                return where.length ? { ...old, where } : without(old, "where");
            })));
    });
    const add = choices.length ? el("button", {
        type: "button", class: "cb-add-small", dataset: { key: `${key}/add-where` },
        onclick: () => edit((now) => ({
            ...now, where: [...(now.where || []), { field: choices[0][0], op: operatorsOf(choices[0][0])[0]?.name }],
        }), { focus: `${key}/where${(leaf.where || []).length}/property` }),
    }, "Only those where …") : null;
    const isOfLines = (leaf.where || []).some((row) => propertyOf(catalogue, leaf, row.field)?.group === "Order line");
    return [rows.length ? el("ol", { class: "cb-wheres" }, rows) : null, isOfLines || leaf.lines ? linesInput(leaf, edit, key) : null, add];
}

export function eventRow(leaf, context) {
    const { catalogue, edit, key, measures } = context;
    const measure = measureOf(leaf);
    const offered = MEASURES.filter(([name]) => name === "none" || measures.includes(name));
    const choose = (name) => edit((now) => {
        const kept = without(now, ...MEASURES.map(([one]) => one), "compare", ...(WITHOUT_WINDOW.has(name) ? ["within"] : []));
        const [property] = properties(catalogue, leaf, true)[0] || ["value"];
        return { ...kept, ...freshMeasure(name, property) };
    }, { focus: `${key}/measure` });
    const within = (value, isTyped) =>
        edit((now) => (value === undefined ? without(now, "within") : { ...now, within: value }), { isTyped, focus: `${key}/within` });
    return {
        inputs: [
            select("Measure", `${key}/measure`, offered, measure, choose),
            ...measureInputs(leaf, measure, context),
            !WITHOUT_WINDOW.has(measure) && windowInput(leaf.within, within, `${key}/within`),
        ],
        always: whereRows(leaf, context),
        options: [],
    };
}

