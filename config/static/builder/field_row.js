// A condition on a field: its operator, the value in the operator's form, and what happens without a value.

import { check, el, select } from "./dom.js";
import { combobox } from "./combobox.js";
import { search } from "./catalogue.js";
import { freshHistory, HISTORIES, historyInputs, historyOf } from "./history_row.js";
import { number, valueInput, words } from "./values.js";

const FIRST = { text: "any_of", number: ">=", yes_no: "is_true", date: "in_last", list: "any_of" };
const FRESH = {
    duration: { n: 30, unit: "days" }, ago: { from: 7, to: 14, unit: "days" }, period: "month", anniversary: "today",
    comparison: { ">=": 1 },
};

export function newCondition(catalogue, name) {
    const field = catalogue.fields.get(name);
    const operators = catalogue.operatorsOf(field);
    const op = operators.find((one) => one.name === FIRST[field.type]) || operators[0];
    return withValue({ field: name, op: op.name }, FRESH[op.form]);
}

function withValue(leaf, value) {
    const { value: _, ...others } = leaf;
    return value === undefined ? others : { ...others, value };
}

// What a value becomes for another form: one text among texts, the first of several, otherwise nothing.
function converted(value, from, to) {
    if (from === to || value === undefined) return value ?? FRESH[to];
    if (`${from}s` === to) return [value];
    if (from === `${to}s` && Array.isArray(value)) return value[0];
    const isDay = (form) => form === "day" || form === "point";
    return isDay(from) && isDay(to) ? value : FRESH[to];
}

function zones(text) {
    const known = ["customer", ...Intl.supportedValuesOf("timeZone")];
    return search(known.map((zone) => ({
        value: zone, label: zone, note: zone === "customer" ? "each customer's own" : "",
    })), text);
}

function zoneInput(leaf, edit, key) {
    const put = (zone) => edit((now) => {
        const { zone: _, ...others } = now;
        return zone ? { ...others, zone } : others;
    }, { isTyped: true });
    return el("label", { class: "cb-labelled" }, "Time zone", combobox({
        mode: "free", label: "Time zone", key: `${key}/zone`, text: leaf.zone || "", placeholder: "that of the installation",
        entries: zones, chosen: (entry) => put(entry.value), typed: put,
    }).element);
}

function flag(leaf, edit, key, name, value, label) {
    return check(label, `${key}/${name}`, leaf[name] === value, (isOn) => edit((now) => {
        const { [name]: _, ...others } = now;
        return isOn ? { ...others, [name]: value } : others;
    }));
}

// Another field in place of the value; of dates, some days before or after it.
function otherInput(leaf, operator, edit, key, catalogue) {
    const fields = [...catalogue.fields.values()].filter((one) => one.type === operator.other && one.name !== leaf.field);
    const put = (part, isTyped) => edit((now) => withValue(now, { ...now.value, ...part }), { isTyped, focus: `${key}/other` });
    return el("span", { class: "cb-joined" },
        combobox({
            label: "Other field", key: `${key}/other`, text: catalogue.fields.get(leaf.value.field)?.label ?? "", placeholder: "Search fields",
            entries: (typed) => search(fields.map((one) => ({ name: one.name, label: one.label, group: one.group })), typed),
            chosen: (entry) => put({ field: entry.name }),
        }).element,
        operator.other === "date" && words("and"),
        operator.other === "date" && number(leaf.value.offset_days ?? 0, (days) => put({ offset_days: days }, true),
            { label: "Days after it", key: `${key}/offset`, unit: "days after" }));
}

function otherSwitch(leaf, operator, edit, key) {
    const isOther = isAnother(leaf);
    return check("compare with another field", `${key}/compare`, isOther, (isOn) =>
        edit((now) => withValue(now, isOn ? { field: "" } : FRESH[operator.form]), { focus: isOn ? `${key}/other` : `${key}/value` }));
}

function isAnother(leaf) {
    return leaf.value !== null && typeof leaf.value === "object" && "field" in leaf.value;
}

function leapSwitch(leaf, edit, key) {
    return flag(leaf, edit, key, "leap", "mar1", "born on 29 February: 1 March in other years");
}

// The leaf for another comparison: what fits of the value stays.
function compared(leaf, name, operators) {
    const before = operators.find((one) => one.name === leaf.op);
    const next = operators.find((one) => one.name === name);
    const kept = Object.fromEntries(["missing", "exact", "zone"].filter((key) => key in leaf).map((key) => [key, leaf[key]]));
    if (!next) return { field: leaf.field, [name]: freshHistory(name) ?? null, ...kept };
    if (next.asks_for_value) delete kept.missing;
    const isKept = isAnother(leaf) && next.other === before?.other;
    const value = isKept ? leaf.value : converted(isAnother(leaf) ? undefined : leaf.value, before?.form, next.form);
    return withValue({ field: leaf.field, op: name, ...kept }, value);
}

function rareOf(leaf, field, operator, { edit, key }) {
    const isText = field.type === "text" || field.type === "list";
    const canMiss = !operator?.asks_for_value;
    return [
        operator?.other && otherSwitch(leaf, operator, edit, key),
        isText && canMiss && flag(leaf, edit, key, "exact", true, "exactly as written, capitals and accents too"),
        operator?.form === "anniversary" && leapSwitch(leaf, edit, key),
        (field.type === "date" || historyOf(leaf)) && zoneInput(leaf, edit, key),
    ].filter(Boolean);
}

export function fieldRow(leaf, context) {
    const { catalogue, edit, key } = context;
    const field = catalogue.fields.get(leaf.field);
    if (!field) return { inputs: [words(`The field ${leaf.field} is not there any more.`)], options: [] };
    const operators = catalogue.operatorsOf(field);
    const operator = operators.find((one) => one.name === leaf.op);
    const history = historyOf(leaf);
    const choices = [...operators.map((one) => [one.name, one.label]), ...(field.has_history ? HISTORIES : [])];
    const choose = (name) => edit((now) => compared(now, name, operators), { focus: `${key}/value ${key}/op` });
    const set = (value, isTyped) => edit((now) => withValue(now, value), { isTyped });
    const valued = () => (isAnother(leaf) ? otherInput(leaf, operator, edit, key, catalogue)
        : valueInput(operator.form, leaf.value, set, { key: `${key}/value`, field }));
    const inputs = [
        select("Comparison", `${key}/op`, choices, history || leaf.op, choose),
        history ? historyInputs(leaf, context, field) : operator && valued(),
    ];
    const canMiss = !operator?.asks_for_value;
    const isPlain = canMiss && (operator?.is_negative || history === "never" || leaf.missing);
    const missing = canMiss && flag(leaf, edit, key, "missing", "include", `also those without a value for ${field.label}`);
    const rare = [...(canMiss && !isPlain ? [missing] : []), ...rareOf(leaf, field, operator, context)];
    const isSet = Boolean(leaf.exact || leaf.zone || leaf.leap || isAnother(leaf));
    return { inputs, always: isPlain ? [missing] : [], options: rare, isSet };
}
