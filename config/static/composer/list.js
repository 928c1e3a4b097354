// The list of blocks: each a row that opens to its inspector; moved by buttons, by keys and by dragging.

import { el, icon, iconButton } from "../builder/dom.js";
import * as contents from "./content.js";
import * as fields from "./fields.js";
import { KINDS, SHARED, TRANSLATED, summary } from "./kinds.js";

export function newList(box, store, context) {
    let dragged = "";

    function change(next, options) {
        store.change({ ...store.root, ...next }, options);
    }

    const content = () => store.root.content;
    const isOwn = () => store.root.language === content().language;

    function act(name, id) {
        if (name === "up" || name === "down") {
            return change({ content: contents.move(content(), id, name === "up" ? -1 : 1) }, { focus: `${id}/${name}` });
        }
        if (name === "copy") {
            const [next, copy] = contents.duplicate(content(), id);
            return change({ content: next, open: copy }, { focus: `${copy}/row` });
        }
        const places = contents.places(content().blocks);
        const at = places.findIndex(({ block }) => block.id === id);
        const beside = places[at + 1] || places[at - 1];
        return change({ content: contents.remove(content(), id), open: "" }, { focus: beside ? `${beside.block.id}/row` : "/add" });
    }

    function add(list, index, kind) {
        const block = { kind, id: contents.newId(), ...KINDS[kind].make() };
        change({ content: contents.put(content(), list, index, block), open: block.id }, { focus: `${block.id}/first` });
    }

    function adder(list, length, label) {
        const kinds = Object.entries(KINDS)
            .filter(([name, one]) => (!one.needsOffer || context.hasOffer) && !(list && name === "columns"));
        const details = el("details", { class: "cm-adder" },
            el("summary", { class: "cusp-button", dataset: { key: `${list}/add` } }, icon("add"), label),
            el("div", { class: "cm-kinds", role: "group", "aria-label": label }, kinds.map(([name, one]) => el("button", {
                type: "button", class: "cm-kind", onclick: () => add(list, length, name),
            }, icon(one.icon), one.label))));
        details.addEventListener("keydown", (event) => {
            if (event.key !== "Escape") return;
            details.open = false;
            details.querySelector("summary").focus();
        });
        return details;
    }

    function input(block, field) {
        const { language } = store.root;
        const key = `${block.id}/${field.name}`;
        const own = block[field.name];
        const value = isOwn() ? own : contents.said(content(), language, block.id, field.name);
        const set = (given, isTyped) => {
            const next = contents.say(content(), language, block.id, field.name, field.isNumber ? Number(given) : given);
            change({ content: next }, isTyped ? { typed: key } : { focus: key });
        };
        if (field.type === "picture") {
            return fields.picture(key, value, context.assets, context.choosePicture, (asset) => set(asset, false));
        }
        if (field.type === "choice") return fields.labelled(field.label, fields.choice(key, own, field.choices, set), field.help);
        if (field.type === "number") return fields.labelled(field.label, fields.number(key, own, set, field), field.help);
        if (field.type === "products") {
            return fields.labelled("Products, one key a line", fields.products(key, own, set), "As your shop calls them: the ids that orders name.");
        }
        const placeholder = isOwn() ? field.placeholder : String(own || "").slice(0, 200);
        const control = fields.text(key, value, set, { isLong: field.type === "prose", placeholder, isSpoken: field.type !== "word" });
        const names = field.hasNames && fields.namesButton(context.names, control);
        return fields.labelled(field.label, control, field.help, names);
    }

    function inspector(block, list) {
        const { kind } = block;
        const asked = [...KINDS[kind].fields, ...SHARED.filter((one) => !(one.isOuter && list))];
        const shown = isOwn() ? asked : asked.filter((one) => (TRANSLATED[kind] || []).includes(one.name));
        const inputs = shown.filter((one) => !one.when || one.when(block)).map((one) => input(block, one));
        if (kind === "columns" && isOwn()) inputs.unshift(columnCount(block));
        if (!inputs.length) inputs.push(el("p", { class: "cusp-quiet" }, "It says the same in every language."));
        return el("div", { class: "cm-inspector" }, inputs);
    }

    function columnCount(block) {
        const set = (given) => {
            const wanted = Number(given);
            const kept = block.columns.slice(0, wanted);
            kept[wanted - 1] = [...(kept[wanted - 1] || []), ...block.columns.slice(wanted).flat()];
            const columns = Array.from({ length: wanted }, (_, n) => kept[n] || []);
            change({ content: contents.change(content(), block.id, { columns }) }, { focus: `${block.id}/count` });
        };
        const choices = [2, 3, 4].map((n) => [n, `${n} columns`]);
        return fields.labelled("How many", fields.choice(`${block.id}/count`, block.columns.length, choices, set));
    }

    function onkeydown(event, id) {
        if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
        event.preventDefault();
        event.stopPropagation();
        act(event.key === "ArrowUp" ? "up" : "down", id);
        box.querySelector(`[data-key="${id}/row"]`)?.focus();
    }

    function draggable(row, id) {
        row.addEventListener("dragstart", (event) => {
            event.stopPropagation();
            dragged = id;
            event.dataTransfer.effectAllowed = "move";
            event.dataTransfer.setData("text/plain", id);
        });
        const isAfter = (event) => {
            const { top, height } = row.firstElementChild.getBoundingClientRect();
            return event.clientY > top + height / 2;
        };
        row.addEventListener("dragover", (event) => {
            if (!dragged || dragged === id) return;
            event.preventDefault();
            event.stopPropagation();
            row.classList.toggle("cm-drop-after", isAfter(event));
            row.classList.toggle("cm-drop-before", !isAfter(event));
        });
        row.addEventListener("dragleave", () => row.classList.remove("cm-drop-after", "cm-drop-before"));
        row.addEventListener("drop", (event) => {
            event.preventDefault();
            event.stopPropagation();
            row.classList.remove("cm-drop-after", "cm-drop-before");
            change({ content: contents.place(content(), dragged, id, isAfter(event)) }, { focus: `${dragged}/row` });
        });
        row.addEventListener("dragend", () => { dragged = ""; });
    }

    function rowOf({ block, list, index, length }) {
        const { id, kind } = block;
        const isOpen = store.root.open === id;
        const one = KINDS[kind] || { label: kind, icon: "help", fields: [] };
        const name = `${one.label} ${index + 1}`;
        const toggle = () => store.show({ ...store.root, open: isOpen ? "" : id }, `${id}/row`);
        const tools = isOwn() && el("span", { class: "cm-tools" },
            iconButton("arrow_upward", `Move ${name} up`, `${id}/up`, () => act("up", id), { disabled: index === 0 }),
            iconButton("arrow_downward", `Move ${name} down`, `${id}/down`, () => act("down", id), { disabled: index === length - 1 }),
            iconButton("content_copy", `Duplicate ${name}`, `${id}/copy`, () => act("copy", id)),
            iconButton("delete", `Delete ${name}`, `${id}/delete`, () => act("delete", id)));
        const opener = el("button", {
            type: "button", class: "cm-opener", "aria-expanded": String(isOpen), dataset: { key: `${id}/row` }, onclick: toggle,
        }, icon(one.icon), el("b", {}, one.label), el("span", { class: "cm-summary" }, summary(block)));
        const head = el("div", { class: "cm-head" }, opener, tools);
        const row = el("li", {
            class: isOpen ? "cm-block cm-open" : "cm-block", draggable: isOwn() && !isOpen ? "true" : undefined,
            "aria-label": name, dataset: { block: id }, onkeydown: (event) => onkeydown(event, id),
        }, head, el("div", { class: "cm-findings", dataset: { findings: id } }), isOpen && inspector(block, list));
        if (kind === "columns") {
            row.append(el("div", { class: "cm-columns" }, block.columns.map((inner, n) => el("div", { class: "cm-column" },
                el("p", { class: "cusp-small cusp-quiet" }, `Column ${n + 1}`), listOf(inner, `${id}/${n}`)))));
        }
        if (isOwn()) draggable(row, id);
        return row;
    }

    function listOf(blocks, list) {
        const rows = blocks.map((block, index) => rowOf({ block, list, index, length: blocks.length }));
        const nothing = !rows.length && !list
            && el("p", { class: "cusp-quiet" }, "Nothing yet. Start from a design, or add a block.");
        const [, column] = list.split("/");
        const label = list ? `Add to column ${Number(column) + 1}` : "Add a block";
        return el("div", { class: "cm-list" }, nothing, el("ol", { class: "cm-blocks" }, rows), isOwn() && adder(list, blocks.length, label));
    }

    function draw({ isTyped, focus } = {}) {
        if (isTyped) {
            const open = store.root.open && contents.find(content(), store.root.open);
            const told = open && box.querySelector(`[data-block="${open.block.id}"] .cm-summary`);
            if (told) told.textContent = summary(open.block);
            return;
        }
        box.replaceChildren(listOf(content().blocks, ""));
        const wanted = focus && (focus.endsWith("/first")
            ? box.querySelector(`[data-block="${focus.slice(0, -6)}"] .cm-inspector :is(input:not([type=hidden]), textarea, select, button)`)
            : box.querySelector(`[data-key="${focus}"]:not(:disabled)`));
        const row = focus && box.querySelector(`[data-key="${focus.split("/")[0]}/row"]`);
        if (wanted || row) (wanted || row).focus();
    }

    store.listen(draw);
    draw();
    return { draw };
}
