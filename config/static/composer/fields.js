// The inputs of the inspector: each has its label, and names of customers where they may stand.

import { el, iconButton } from "../builder/dom.js";

let count = 0;

export function labelled(label, control, help, ...others) {
    count += 1;
    const input = control.matches("input, textarea, select") ? control : control.querySelector("input, textarea, select");
    input.id = `cm-${count}`;
    if (help) input.setAttribute("aria-describedby", `cm-${count}-help`);
    return el("div", { class: "cm-field" },
        el("span", { class: "cm-label" }, el("label", { for: input.id }, label), ...others), control,
        help && el("p", { class: "cusp-quiet cusp-small", id: `cm-${count}-help` }, help));
}

// `set(value, typed)`: typed is true while letters are written, which are one step of undo.
export function text(key, value, set, { isLong = false, placeholder, isSpoken = true } = {}) {
    const attributes = {
        class: "cusp-input", dataset: { key }, placeholder, autocomplete: "off", spellcheck: isSpoken ? "true" : "false",
        oninput: (event) => set(event.target.value, true), value: value ?? "",
    };
    return el(isLong ? "textarea" : "input", isLong ? { ...attributes, rows: 6 } : attributes);
}

export function choice(key, value, choices, set) {
    const options = choices.map(([one, words]) => el("option", { value: one, selected: String(one) === String(value ?? choices[0][0]) }, words));
    return el("select", { class: "cusp-input", dataset: { key }, onchange: (event) => set(event.target.value, false) }, options);
}

export function number(key, value, set, { least, most, placeholder }) {
    return el("input", {
        class: "cusp-input", type: "number", min: least, max: most, placeholder, dataset: { key }, value: value ?? "",
        oninput: (event) => set(event.target.value === "" ? undefined : Number(event.target.value), true),
    });
}

// A button that opens the list of what is known about customers, with what stands there for who has no value.
export function namesButton(names, control) {
    const details = el("details", { class: "cm-names" });
    const close = () => {
        details.open = false;
        control.focus();
    };
    function insert(name, fallback) {
        const value = fallback ? `{{ ${name} | default: '${fallback.replaceAll("'", "’")}' }}` : `{{ ${name} }}`;
        control.setRangeText(value, control.selectionStart ?? control.value.length, control.selectionEnd ?? control.value.length, "end");
        control.dispatchEvent(new Event("input", { bubbles: true }));
        close();
    }
    function fill() {
        const found = el("select", { class: "cusp-input", size: 8, "aria-label": "What is known about a customer" },
            names.map((one) => el("option", { value: one.name }, one.label)));
        const fallback = el("input", { class: "cusp-input", "aria-label": "For who has no value", placeholder: "there", maxlength: 60 });
        const take = () => {
            const one = names.find(({ name }) => name === found.value);
            if (one) insert(one.name, one.is_always ? "" : fallback.value.trim() || one.fallback);
        };
        const button = el("button", { type: "button", class: "cusp-button cusp-button-small", onclick: take }, "Put it in");
        const hint = el("p", { class: "cusp-quiet cusp-small" });
        found.addEventListener("change", () => {
            const one = names.find(({ name }) => name === found.value);
            hint.textContent = one.is_always ? "Every customer has it." : `Who has none reads: ${fallback.value || one.fallback}`;
            fallback.disabled = one.is_always;
        });
        found.addEventListener("dblclick", take);
        found.addEventListener("keydown", (event) => {
            if (event.key === "Enter") {
                event.preventDefault();
                take();
            }
        });
        const label = el("label", { class: "cusp-small" }, "For who has no value ", fallback);
        details.append(el("div", { class: "cm-popover" }, found, label, hint, button));
    }
    details.append(el("summary", { class: "cm-names-open", title: "Put in what is known about the customer" }, "{ } name"));
    details.addEventListener("toggle", () => {
        if (!details.open) return;
        if (details.childElementCount === 1) fill();
        details.querySelector("select").focus();
    });
    details.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        close();
    });
    return details;
}

export function picture(key, value, address, choose, take) {
    const input = el("input", { type: "hidden", value: value || "" });
    const shown = value
        ? el("img", { class: "cm-thumb", src: `${address}${value}`, alt: "The chosen picture" })
        : el("span", { class: "cusp-quiet cusp-small" }, "None chosen yet.");
    const button = el("button", { type: "button", class: "cusp-button cusp-button-small", dataset: { key }, onclick: () => choose(take) },
        value ? "Choose another" : "Choose or upload");
    return el("div", { class: "cm-field" }, el("span", { class: "cm-label" }, "Picture"), el("div", { class: "cm-picture" }, input, shown, button));
}

// One key a line: as the shop calls its products.
export function products(key, value, set) {
    const keyOf = (one) => (typeof one === "string" ? one : one.product);
    const known = new Map((value || []).map((one) => [keyOf(one), one]));
    return el("textarea", {
        class: "cusp-input", rows: 4, dataset: { key }, spellcheck: "false", value: (value || []).map(keyOf).join("\n"),
        oninput: (event) => set(event.target.value.split(/\s*\n\s*/).filter(Boolean).map((one) => known.get(one) ?? one), true),
    });
}

export { iconButton };
