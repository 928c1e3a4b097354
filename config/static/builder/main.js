// The rule builder: starts it where a page holds one, and ties its parts to one tree.

import { newCatalogue } from "./catalogue.js";
import { newJsonView, read, written } from "./json_view.js";
import { newPreview } from "./preview.js";
import { askBeforeSaving } from "./save.js";
import { newStore } from "./store.js";
import { newTreeView } from "./tree_view.js";
import * as trees from "./tree.js";
import { startUndo } from "./undo.js";

function startReady(box, form, store) {
    const cards = box.querySelector("[data-ready]");
    if (!cards) return;
    cards.addEventListener("click", (event) => {
        const card = event.target.closest("[data-rule]");
        if (!card) return;
        if (!form.elements.name.value) {
            form.elements.name.value = card.dataset.name;
            form.elements.name.dispatchEvent(new Event("change", { bubbles: true }));
        }
        store.change(read(card.dataset.rule));
    });
    store.listen(() => { cards.hidden = trees.leaves(store.root).some((node) => Object.keys(node.leaf).length); });
}

// A rule that somebody else saved meanwhile may be taken over: one step that can be undone.
function startTheirs(form, store) {
    form.querySelectorAll("[data-take-theirs]").forEach((button) => button.addEventListener("click", () => {
        store.change(read(button.dataset.takeTheirs));
    }));
}

function firstTree(text) {
    try {
        return text.trim() ? read(text) : trees.newGroup();
    } catch {
        return null;
    }
}

async function start(box) {
    const form = box.closest("form");
    const text = form.elements.rule_json;
    const token = form.elements.csrfmiddlewaretoken.value;
    const root = firstTree(text.value);
    if (!root) return;  // what was posted is no JSON: it is put right as text
    const answer = await fetch(box.dataset.catalogue);
    if (!answer.ok || answer.redirected) throw new Error(`the fields were answered with ${answer.status}`);
    const listed = await answer.json();
    const catalogue = newCatalogue(listed);
    const store = newStore(root);
    const rule = () => written(store.root);
    box.classList.add("cb-started");
    const view = newTreeView(box.querySelector("[data-tree]"), store, catalogue, { measures: listed.measures, ways: listed.ways });
    const json = newJsonView(box, store);
    startUndo(box, store, box, (target) => target.name === "rule_json");
    startReady(box, form, store);
    startTheirs(form, store);
    const preview = newPreview(box, store, catalogue, { address: box.dataset.preview, token, key: box.dataset.key, rule });
    askBeforeSaving(form, {
        isReady: () => Boolean(form.elements.name.value.trim()) && !json.isBroken(),
        address: box.dataset.effect, token, rule,
        opened: () => (form.elements.over?.checked ? form.elements.over : form.elements.opened).value,
        refused(error) {
            json.show(false);
            const place = trees.nodeAt(store.root, error.path);
            const id = place ? place.id : store.root.id;
            store.show(trees.shown(store.root, id));
            preview.ask();
            view.focus(`${id}/value ${id}/op ${id}/what ${id}/match`);
        },
    });
    form.addEventListener("submit", () => { if (!json.isBroken()) text.value = rule(); });
}

document.querySelectorAll("[data-builder]").forEach((box) => start(box).catch((error) => {
    box.querySelector("[data-json-said]").textContent = "The builder cannot be shown now. The rule can be written as JSON.";
    throw error;
}));
