// What the rule gives now: asked for a moment after the last change. Only the answer to the newest question is ever shown.

import { el, percent, whole } from "./dom.js";
import * as trees from "./tree.js";

const PAUSE_MS = 150;
const CHANNELS = { email: "by e-mail", phone: "by phone" };

export async function post(address, token, fields, signal) {
    const answer = await fetch(address, {
        method: "POST", signal, headers: { "X-CSRFToken": token }, body: new URLSearchParams(fields),
    });
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    return answer.json();
}

function capital(text) {
    return text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "";
}

export function cell(value) {
    if (value === null || value === undefined || value === "") return "–";
    if (value === true || value === false) return value ? "yes" : "no";
    if (Array.isArray(value)) return value.join(", ");
    if (typeof value === "number") return value.toLocaleString("en", { maximumFractionDigits: 3 });
    return /^\d{4}-\d\d-\d\dT/.test(value) ? value.slice(0, 16).replace("T", " ") : String(value);
}

export function newPreview(box, store, catalogue, { address, token, key, rule }) {
    const slot = (name) => box.querySelector(`[data-slot="${name}"]`);
    let asked = 0;
    let timer = null;
    let asking = null;
    let found = null;

    function nameOf(column) {
        return catalogue.fields.get(column)?.label ?? (column === "external_id" ? "Customer" : column);
    }

    function showFindings() {
        box.querySelectorAll("[data-findings]").forEach((place) => place.replaceChildren());
        if (!found) return;
        if (found.error) at(found.error.path, el("p", { class: "cusp-error cb-fault" }, capital(found.error.message)), true);
        (found.lint || []).forEach((one) => at(one.path, el("p", { class: "cb-lint" }, one.text)));
        Object.entries(found.missing_would_add || {}).forEach(([path, count]) => at(path, gain(path, count)));
    }

    // Whom a condition leaves out for having no value, and a way to take them in.
    function gain(path, count) {
        const { id } = trees.nodeAt(store.root, path);
        const include = (node) => ({ ...node, leaf: { ...node.leaf, missing: "include" } });
        const button = el("button", {
            type: "button", class: "cb-add-small", onclick: () => store.change(trees.change(store.root, id, include)),
        }, "Include them");
        return el("p", { class: "cb-gain" }, `${whole(count)} more would match, but have no value. `, button);
    }

    function at(path, said, isFault = false) {
        const place = trees.nodeAt(store.root, path);
        if (!place) return;
        // Of what stands in a collapsed group, the group tells.
        const closed = trees.around(store.root, place.id).find((group) => group.isCollapsed);
        const findings = box.querySelector(`[data-findings="${closed ? closed.id : place.id}"]`);
        findings.append(said);
        if (!isFault) return;
        said.id = `fault-${place.id}`;
        const row = findings.closest("[data-node]");
        const control = row.querySelector("input, select");
        control?.setAttribute("aria-describedby", said.id);
    }

    function clear(words) {
        slot("count").textContent = "–";
        slot("share").textContent = words;
        slot("reach").replaceChildren();
        slot("lint").replaceChildren();
        slot("sample").replaceChildren();
        slot("seconds").textContent = "";
    }

    function show(answer) {
        found = answer;
        box.setAttribute("aria-busy", "false");
        showFindings();
        if (answer.error) {
            slot("sentence").textContent = "Not complete yet.";
            const place = trees.nodeAt(store.root, answer.error.path);
            const number = place && trees.places(store.root).find((one) => one.id === place.id).number;
            return clear(number ? `Complete condition ${number} to see the count.` : capital(answer.error.message));
        }
        slot("sentence").textContent = capital(answer.sentence);
        if (answer.problem) return clear(answer.problem);
        slot("count").textContent = whole(answer.count);
        slot("share").textContent = `${percent(answer.share)} of ${whole(answer.customers)} customers`;
        const reach = Object.entries(answer.reachable).map(([channel, n]) => [CHANNELS[channel] || channel, n]);
        if (answer.after_holdout !== undefined && answer.after_holdout !== null) reach.push(["after holdout", answer.after_holdout]);
        slot("reach").replaceChildren(...reach.flatMap(([name, n]) => [el("dt", {}, name), el("dd", {}, whole(n))]));
        slot("seconds").textContent = answer.seconds === undefined ? "" : `Counted in ${answer.seconds.toFixed(2)} s, as of ${cell(answer.as_of)} UTC`;
        slot("lint").replaceChildren(...(answer.lint || []).map(lintLine));
        return slot("sample").replaceChildren(...sample(answer));
    }

    function lintLine(one) {
        const place = trees.nodeAt(store.root, one.path);
        const number = place && trees.places(store.root).find((other) => other.id === place.id).number;
        return el("li", {}, number ? `${number}: ${one.text}` : one.text);
    }

    function sample(answer) {
        const columns = ["external_id", ...answer.columns.filter((one) => one !== "external_id")];
        if (!(answer.sample || []).length) return [el("p", { class: "cusp-empty" }, "Nobody matches now.")];
        const head = el("tr", {}, columns.map((one) => el("th", { scope: "col" }, nameOf(one))));
        const rows = answer.sample.map((row) => el("tr", {}, columns.map((one) => el("td", {}, cell(row[one])))));
        const table = el("table", {}, el("thead", {}, head), el("tbody", {}, rows));
        return [el("div", { class: "cusp-scroll", tabindex: "0", role: "region", "aria-label": "Some of them, table" }, table)];
    }

    // A condition that asks nothing yet is no error: it waits to be chosen.
    function waits() {
        const empty = trees.leaves(store.root).find((node) => !Object.keys(node.leaf).length);
        if (!empty) return false;
        box.setAttribute("aria-busy", "false");
        showFindings();
        const isFirst = trees.leaves(store.root).length === 1;
        const { number } = trees.places(store.root).find((one) => one.id === empty.id);
        slot("sentence").textContent = isFirst ? "Nobody yet." : "Not complete yet.";
        clear(isFirst ? "Choose what customers have in common." : `Choose what condition ${number} asks to see the count.`);
        return true;
    }

    async function ask() {
        asking?.abort();
        if (waits()) return;
        asking = new AbortController();
        asked += 1;
        const mine = asked;
        try {
            const answer = await post(address, token, { key, rule: rule() }, asking.signal);
            if (mine === asked) show(answer);
        } catch (error) {
            if (error.name === "AbortError" || mine !== asked) return;
            box.setAttribute("aria-busy", "false");
            found = null;
            clear("The count is not available now.");
        }
    }

    function soon() {
        asked += 1;
        found = null;
        box.setAttribute("aria-busy", "true");
        window.clearTimeout(timer);
        timer = window.setTimeout(ask, PAUSE_MS);
    }

    store.listen(({ isLook }) => (isLook ? showFindings() : soon()));
    ask();
    return { fault: () => found?.error, ask, place: at };
}
