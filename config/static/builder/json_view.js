// The rule as JSON beside the tree: the same rule, written by either.

import { whole } from "./dom.js";
import * as trees from "./tree.js";

export function written(root) {
    return JSON.stringify({ version: 1, rule: trees.toJson(root) }, null, 2);
}

// What has more nodes than a rule may have is not drawn: a browser would be busy with it for minutes.
const MOST = 200;

export function read(text) {
    const json = JSON.parse(text);
    const root = trees.fromJson(json !== null && typeof json === "object" && "rule" in json ? json.rule : json);
    const count = trees.places(root).length - 1;
    if (count > MOST) throw new RangeError(`It has ${whole(count)} conditions and groups; a rule has at most ${MOST}.`);
    return root;
}

export function newJsonView(box, store) {
    const [treeTab, jsonTab] = box.querySelectorAll("[role=tab]");
    const [treePart, jsonPart] = box.querySelectorAll("[role=tabpanel]");
    const text = box.querySelector("[name=rule_json]");
    const said = box.querySelector("[data-json-said]");

    function show(isJson) {
        [[treeTab, treePart, !isJson], [jsonTab, jsonPart, isJson]].forEach(([tab, part, isOn]) => {
            tab.setAttribute("aria-selected", String(isOn));
            tab.tabIndex = isOn ? 0 : -1;
            part.hidden = !isOn;
        });
        if (isJson || !said.textContent) text.value = written(store.root);
        said.textContent = "";
    }

    treeTab.addEventListener("click", () => show(false));
    jsonTab.addEventListener("click", () => show(true));
    box.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        const other = event.target === treeTab ? jsonTab : treeTab;
        other.click();
        other.focus();
    });
    text.addEventListener("input", () => {
        try {
            const next = read(text.value);
            said.textContent = "";
            store.change(next, { typed: "json" });
        } catch (error) {
            said.textContent = error instanceof RangeError ? error.message : `This is not readable as JSON yet: ${error.message}`;
        }
    });
    store.listen(() => { if (document.activeElement !== text) text.value = written(store.root); });
    show(false);
    return { show, isBroken: () => Boolean(said.textContent) };
}
