// Elements from plain values: text is always text, never markup.

export function el(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === undefined || value === null || value === false) continue;
        if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
        else if (name === "value") made.value = value;
        else if (name === "dataset") Object.assign(made.dataset, value);
        else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return made;
}

export function icon(name) {
    return el("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, name);
}

export function iconButton(name, label, key, onclick, others = {}) {
    const shown = { type: "button", class: "cb-icon", "aria-label": label, title: label, dataset: { key }, onclick };
    return el("button", { ...shown, ...others }, icon(name));
}

export function select(label, key, choices, chosen, onchange, others = {}) {
    const options = choices.map(([value, text]) =>
        el("option", { value, selected: String(value) === String(chosen) }, text));
    if (!choices.some(([value]) => String(value) === String(chosen))) {
        options.unshift(el("option", { value: chosen ?? "", selected: true }, chosen ? String(chosen) : "Choose"));
    }
    const attributes = { class: "cusp-input cb-select", "aria-label": label, dataset: { key }, ...others };
    return el("select", { ...attributes, onchange: (event) => onchange(event.target.value) }, options);
}

export function input(label, key, value, oninput, others = {}) {
    const attributes = { class: "cusp-input", "aria-label": label, autocomplete: "off", dataset: { key }, ...others };
    return el("input", { ...attributes, value: value ?? "", oninput: (event) => oninput(event.target.value) });
}

export function check(label, key, checked, onchange) {
    const box = el("input", { type: "checkbox", dataset: { key }, onchange: (event) => onchange(event.target.checked) });
    box.checked = checked;
    return el("label", { class: "cb-check" }, box, label);
}

export function whole(number) {
    return Number(number).toLocaleString("en");
}

export function percent(share) {
    const percentage = 100 * share;
    return `${percentage > 0 && percentage < 0.1 ? "under 0.1" : percentage.toFixed(percentage > 0 && percentage < 10 ? 1 : 0)}\u00a0%`;
}
