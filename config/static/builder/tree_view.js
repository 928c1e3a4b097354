// The tree on the screen: groups and conditions with everything that can be done with them, by pointer and by keyboard.

import { el, icon, iconButton, input, select, whole } from "./dom.js";
import { eventRow, newEvent } from "./event_row.js";
import { fieldRow, newCondition } from "./field_row.js";
import { idsRow, newSegment, rawRow, sampleRow, segmentRow } from "./other_rows.js";
import { entriesOf, picker } from "./picker.js";
import { newSequence, sequenceRow } from "./sequence_row.js";
import * as trees from "./tree.js";
import { numberOf, words } from "./values.js";

const MATCHES = [["all", "all of these"], ["any", "any of these"], ["none", "none of these"], ["at_least", "at least"]];
const JOINED = { all: "and", any: "or", none: "nor", at_least: "or" };
const FRESH = {
    field: (entry, catalogue) => newCondition(catalogue, entry.name),
    event: (entry) => newEvent(entry.name),
    segment: (entry) => newSegment(entry.name),
    sequence: (entry, catalogue) => newSequence(catalogue),
    ids: () => ({ ids: [] }),
    sample: () => ({ sample: 10, salt: Math.random().toString(36).slice(2, 8) }),
};
const ROWS = [["field", fieldRow], ["event", eventRow], ["segment", segmentRow], ["sequence", sequenceRow], ["sample", sampleRow], ["ids", idsRow]];
const WAYS = { ArrowUp: "up", ArrowDown: "down", ArrowRight: "in", ArrowLeft: "out" };

export function newTreeView(place, store, catalogue, language) {
    const entries = entriesOf(catalogue);
    const commit = (tree, focus = "") => store.change(tree, { focus });

    function editOf(id) {
        return (changed, { isTyped = false, focus = "" } = {}) => {
            const next = trees.change(store.root, id, (node) => ({ ...node, leaf: changed(node.leaf) }));
            store.change(next, { typed: isTyped ? document.activeElement?.dataset.key || id : "", focus });
        };
    }

    function add(group, node) {
        commit(trees.put(store.root, group.id, group.children.length, node), `${node.group ? node.children[0].id : node.id}/what`);
    }

    function remove(id) {
        const { parent, index } = trees.find(store.root, id);
        const beside = parent.children[index + 1] || parent.children[index - 1];
        commit(trees.remove(store.root, id), beside ? `${beside.id}/remove` : `${parent.id}/add`);
    }

    function twice(id) {
        const { node, parent, index } = trees.find(store.root, id);
        const copy = trees.copyOf(node);
        commit(trees.put(store.root, parent.id, index + 1, copy), `${copy.id}/twice`);
    }

    function negate(id) {
        commit(trees.change(store.root, id, (node) => ({ ...node, not: node.not ? node.not - 1 : 1 })), `${id}/not`);
    }

    function actions(node, what) {
        const { parent, index } = trees.find(store.root, node.id);
        const go = (way) => () => commit(trees.move(store.root, node.id, way), `${node.id}/${way}`);
        const isDeep = Boolean(trees.find(store.root, parent.id).parent);
        return el("span", { class: "cb-actions", role: "group", "aria-label": `Actions of ${what.toLowerCase()}` },
            iconButton("arrow_upward", `Move ${what} up`, `${node.id}/up`, go("up"), { disabled: index === 0 }),
            iconButton("arrow_downward", `Move ${what} down`, `${node.id}/down`, go("down"), { disabled: index === parent.children.length - 1 }),
            iconButton("format_indent_increase", `Move ${what} into a group`, `${node.id}/in`, go("in")),
            iconButton("format_indent_decrease", `Move ${what} out of its group`, `${node.id}/out`, go("out"), { disabled: !isDeep }),
            iconButton("content_copy", `Duplicate ${what}`, `${node.id}/twice`, () => twice(node.id)),
            iconButton("delete", `Remove ${what}`, `${node.id}/remove`, () => remove(node.id)));
    }

    function notButton(node, what) {
        return el("button", {
            type: "button", class: "cb-not", "aria-pressed": node.not % 2 === 1 ? "true" : "false", "aria-label": `Negate ${what}`,
            title: "Turn into its opposite", dataset: { key: `${node.id}/not` }, onclick: () => negate(node.id),
        }, node.not > 1 ? "NOT NOT" : "NOT");
    }

    function findings(node) {
        return el("div", { class: "cb-findings", dataset: { findings: node.id } });
    }

    function condition(node, number, isAlone) {
        const what = `Condition ${number}`;
        const kind = Object.keys(node.leaf).length ? ROWS.find(([name]) => node.leaf !== null && typeof node.leaf === "object" && name in node.leaf) : null;
        const isFresh = !Object.keys(node.leaf).length;
        const picked = picker({
            catalogue, entries, leaf: node.leaf, key: `${node.id}/what`, isOpen: isFresh && isAlone,
            chosen: (entry) => {
                const leaf = FRESH[entry.kind](entry, catalogue);
                commit(trees.change(store.root, node.id, (old) => ({ ...old, leaf })), `${node.id}/value ${node.id}/op ${node.id}/count/value`);
            },
        });
        const context = { catalogue, edit: editOf(node.id), key: node.id, ...language };
        const row = kind ? kind[1](node.leaf, context) : isFresh ? { inputs: [], options: [] } : rawRow(node.leaf, context);
        const rare = row.options.length ? el("details", { class: "cb-options", open: row.isSet },
            el("summary", {}, "Options"), row.options) : null;
        return el("li", { class: isFresh ? "cb-node cb-condition cb-fresh" : "cb-node cb-condition", "aria-label": what, dataset: { node: node.id } },
            el("div", { class: "cb-line" },
                el("div", { class: "cb-inputs" }, !isFresh && notButton(node, what), kind || isFresh ? picked.element : words("As JSON"), row.inputs),
                actions(node, what)),
            row.always, rare, findings(node));
    }

    function header(node, what, isRoot) {
        const put = (changed, options = {}) => store.change(trees.change(store.root, node.id, (old) => ({ ...old, ...changed })), options);
        const parts = [
            !isRoot && iconButton(node.isCollapsed ? "chevron_right" : "expand_more", `${node.isCollapsed ? "Open" : "Collapse"} ${what}`, `${node.id}/collapse`,
                () => store.show(trees.change(store.root, node.id, (old) => ({ ...old, isCollapsed: !old.isCollapsed })), `${node.id}/collapse`),
                { "aria-expanded": node.isCollapsed ? "false" : "true" }),
            (!isRoot || node.not > 0) && notButton(node, what),
            words(isRoot ? "A customer belongs if" : ""),
            select(`${what} asks for`, `${node.id}/match`, MATCHES, node.group, (group) => put({ group, isImplied: false }, { focus: `${node.id}/match` })),
            node.group === "at_least" && input(`${what} asks for at least`, `${node.id}/number`, node.number,
                (typed) => put({ number: numberOf(typed) ?? null }, { typed: `${node.id}/number` }), { inputmode: "numeric", class: "cusp-input cb-number" }),
            node.group === "at_least" && words(`of these ${whole(node.children.length)}`),
            words(isRoot ? "hold:" : node.isCollapsed ? `(${trees.leaves(node).length} conditions)` : ""),
        ];
        return el("div", { class: "cb-line cb-header" }, el("div", { class: "cb-inputs" }, parts), !isRoot && actions(node, what));
    }

    function group(node, number, isRoot) {
        const what = number ? `Group ${number}` : "The rule";
        const isAlone = isRoot && node.children.length === 1;
        const rows = node.children.flatMap((child, index) => {
            const below = number ? `${number}.${index + 1}` : `${index + 1}`;
            const word = el("li", { class: "cb-join", role: "presentation", "aria-hidden": "true" }, el("span", {}, JOINED[node.group]));
            return [index > 0 && word, child.group ? group(child, below, false) : condition(child, below, isAlone)];
        });
        const buttons = el("div", { class: "cb-adds" },
            el("button", { type: "button", class: "cusp-button cb-add", dataset: { key: `${node.id}/add` }, onclick: () => add(node, trees.newLeaf()),
                "aria-label": number ? `Add a condition to group ${number}` : "Add a condition" }, icon("add"), "Condition"),
            el("button", { type: "button", class: "cusp-button cb-add", dataset: { key: `${node.id}/add-group` },
                onclick: () => add(node, trees.newGroup(node.group === "any" ? "all" : "any")),
                "aria-label": number ? `Add a group to group ${number}` : "Add a group" }, icon("add"), "Group"));
        return el(isRoot ? "div" : "li", {
            class: `cb-node cb-group cb-${node.group}${node.not % 2 ? " cb-negated" : ""}`, role: isRoot ? "group" : undefined,
            "aria-label": what, dataset: { node: node.id },
        }, header(node, what, isRoot), findings(node), !node.isCollapsed && el("ol", { class: "cb-children" }, rows), !node.isCollapsed && buttons);
    }

    function focus(keys) {
        for (const key of keys.split(" ").filter(Boolean)) {
            const found = place.querySelector(`[data-key="${CSS.escape(key)}"]`);
            if (found && !found.disabled) {
                found.focus();
                if (found.getAttribute("role") === "combobox" && /\/(value|what)$/.test(key)) found.click();
                return;
            }
            const node = found && found.closest("[data-node]");
            if (node) return void node.querySelector("button:not(:disabled), input, select")?.focus();
        }
    }

    function render(wanted) {
        const held = document.activeElement && place.contains(document.activeElement) ? document.activeElement.dataset.key : "";
        place.replaceChildren(group(store.root, "", true));
        if (wanted) focus(wanted);
        else if (held) {
            const again = place.querySelector(`[data-key="${CSS.escape(held)}"]`);
            if (again) again.focus();
        }
    }

    place.addEventListener("keydown", (event) => {
        const way = event.altKey && !event.ctrlKey && WAYS[event.key];
        const row = way && event.target.closest("[data-node]");
        if (!row || row.dataset.node === store.root.id) return;
        event.preventDefault();
        commit(trees.move(store.root, row.dataset.node, way), event.target.dataset.key);
    });
    store.listen(({ isTyped, typed, focus: wanted }) => { if (!isTyped || typed === "json") render(wanted); });
    render("");
    return { focus };
}

