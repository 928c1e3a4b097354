// A list that is searched by typing: the ARIA pattern of an editable combobox, with groups.
//
// `entries(text)` gives [{value, label, note, group, share}] in order; `chosen(entry)` is told what was picked. There are
// three modes: "pick" takes entries only; "free" tells `typed` every letter; "many" tells it each word, and begins anew.

import { el, percent } from "./dom.js";

const MOST = 300;
const NOTHING = { pick: "Nothing has this name.", free: "Not seen yet; it can be used.", many: "Press Enter to use it." };
let count = 0;

function optionOf(entry, id) {
    const share = entry.share === undefined || entry.share === null ? null : el("span", { class: "cb-share" }, percent(entry.share));
    const note = entry.note ? el("span", { class: "cb-note" }, entry.note) : null;
    return el("li", { role: "option", id, "aria-selected": "false", class: "cb-option" },
        el("span", { class: "cb-option-label" }, entry.label), note, share);
}

export function combobox({ mode = "pick", label, key, text, placeholder, entries, chosen, typed, isOpen }) {
    count += 1;
    const name = `combo-${count}`;
    const list = el("ul", { role: "listbox", id: name, class: "cb-list", "aria-label": label, hidden: true });
    const box = el("input", {
        class: "cusp-input cb-combo-input", role: "combobox", "aria-label": label, "aria-expanded": "false",
        "aria-controls": name, "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false", placeholder,
        value: text || "", dataset: { key },
    });
    let shown = [];
    let active = -1;
    let isSearching = false;

    function render() {
        const found = entries(isSearching ? box.value.trim() : "").slice(0, MOST);
        shown = [];
        active = -1;
        const groups = new Map();
        for (const entry of found) {
            const option = optionOf(entry, `${name}-${shown.length}`);
            const place = shown.length;
            option.addEventListener("mousedown", (event) => event.preventDefault());
            option.addEventListener("click", () => choose(place));
            shown.push({ entry, option });
            if (!groups.has(entry.group || "")) groups.set(entry.group || "", []);
            groups.get(entry.group || "").push(option);
        }
        const parts = [...groups].map(([title, options], index) => {
            if (!title) return options;
            const heading = el("li", { role: "presentation", class: "cb-group-name", id: `${name}-g${index}` }, title);
            return el("li", { role: "presentation" },
                el("ul", { role: "group", "aria-labelledby": heading.id }, heading, options));
        });
        const nothing = el("li", { role: "presentation", class: "cb-note cb-nothing" }, NOTHING[mode]);
        list.replaceChildren(...parts.flat());
        if (!found.length) list.append(nothing);
        list.classList.toggle("cb-list-none", !found.length && !isSearching);
        mark(mode === "pick" && isSearching && found.length ? 0 : -1);
    }

    function mark(index) {
        if (shown[active]) shown[active].option.setAttribute("aria-selected", "false");
        active = index;
        if (!shown[active]) return box.removeAttribute("aria-activedescendant");
        shown[active].option.setAttribute("aria-selected", "true");
        shown[active].option.scrollIntoView({ block: "nearest" });
        return box.setAttribute("aria-activedescendant", shown[active].option.id);
    }

    function open() {
        if (!list.hidden) return;
        list.hidden = false;
        box.setAttribute("aria-expanded", "true");
        render();
    }

    function close() {
        isSearching = false;
        if (isOpen) return render();
        list.hidden = true;
        box.setAttribute("aria-expanded", "false");
        return box.removeAttribute("aria-activedescendant");
    }

    function choose(index) {
        const { entry } = shown[index];
        isSearching = false;
        box.value = mode === "many" ? "" : entry.label;
        chosen(entry);
        if (mode === "many") render();
        else close();
    }

    function take() {
        const words = box.value.trim();
        if (mode !== "many" || !words) return;
        box.value = "";
        typed(words);
        close();
    }

    function onkeydown(event) {
        if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            if (event.altKey) return;
            event.preventDefault();
            open();
            const step = event.key === "ArrowDown" ? 1 : -1;
            mark((active + step + shown.length) % shown.length);
        } else if (event.key === "Enter") {
            event.preventDefault();
            if (list.hidden) open();
            else if (shown[active]) choose(active);
            else if (mode === "many") take();
            else close();
        } else if (event.key === "Escape" && !list.hidden && !isOpen) {
            event.stopPropagation();
            if (mode === "pick") box.value = text || "";
            close();
        } else if (event.key === "Home" && !list.hidden && !isSearching) mark(0);
        else if (event.key === "End" && !list.hidden && !isSearching) mark(shown.length - 1);
        else if (mode === "many" && event.key === ",") {
            event.preventDefault();
            take();
        }
    }

    box.addEventListener("keydown", onkeydown);
    box.addEventListener("click", open);
    box.addEventListener("input", () => {
        isSearching = true;
        if (mode === "free") typed(box.value);
        open();
        render();
    });
    box.addEventListener("focus", () => { if (mode === "pick") box.select(); });
    box.addEventListener("blur", () => {
        if (mode === "pick") box.value = text || "";
        take();
        close();
    });
    const whole = el("div", { class: isOpen ? "cb-combo cb-combo-open" : "cb-combo" }, box, list);
    if (isOpen) open();
    return { element: whole, input: box, open, refresh: render };
}
