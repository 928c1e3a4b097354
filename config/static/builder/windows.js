// When: the input of `within`. Left out, it is ever.

import { el, select } from "./dom.js";
import { duration, PERIODS, point, words } from "./values.js";

const KINDS = [
    ["ever", "ever"], ["last", "in the last"], ["between", "between"], ["since", "since"], ["before", "before"],
    ["this", "this"], ["previous", "in the previous"],
];

function kindOf(within) {
    if (!within || typeof within !== "object") return "ever";
    if ("last" in within) return "last";
    if ("this" in within) return "this";
    if ("previous" in within) return "previous";
    if ("from" in within && "to" in within) return "between";
    return "from" in within ? "since" : "before";
}

function today() {
    return new Date().toISOString().slice(0, 10);
}

function fresh(kind) {
    const made = {
        ever: undefined, last: { last: 30, unit: "days" }, this: { this: "month" }, previous: { previous: "month" },
        since: { from: today() }, before: { to: today() }, between: { from: `${today().slice(0, 4)}-01-01`, to: today() },
    };
    return made[kind];
}

export function windowInput(within, set, key) {
    const kind = kindOf(within);
    const parts = {
        ever: () => [],
        last: () => [duration(within, set, { label: "How long", key: `${key}/last`, count: "last" })],
        this: () => [select("Period", `${key}/this`, PERIODS, within.this, (period) => set({ this: period }))],
        previous: () => [select("Period", `${key}/previous`, PERIODS, within.previous, (period) => set({ previous: period }))],
        since: () => [point(within.from, (from, isTyped) => set({ from }, isTyped), { label: "From", key: `${key}/from` })],
        before: () => [point(within.to, (to, isTyped) => set({ to }, isTyped), { label: "Until", key: `${key}/to` })],
        between: () => {
            let now = within;
            const put = (name) => (value, isTyped) => {
                now = { ...now, [name]: value };
                set(now, isTyped);
            };
            return [point(within.from, put("from"), { label: "From", key: `${key}/from` }), words("until"),
                point(within.to, put("to"), { label: "Until", key: `${key}/to` })];
        },
    };
    return el("span", { class: "cb-joined" },
        select("When", key, KINDS, kind, (chosen) => set(fresh(chosen))), ...parts[kind]());
}
