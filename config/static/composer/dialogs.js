// What opens over the composer: designs to start from, pictures, and test mails.

import { el, icon } from "../builder/dom.js";
import { inScheme, post } from "./preview.js";

export async function get(address) {
    const answer = await fetch(address);
    if (!answer.ok || answer.redirected) throw new Error(`answered ${answer.status}`);
    return answer.json();
}

export function openDialog(title, ...children) {
    const dialog = el("dialog", { class: "cusp-panel cm-dialog", "aria-label": title },
        el("div", { class: "cm-dialog-head" }, el("h2", {}, title),
            el("button", { type: "button", class: "cb-icon", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
        ...children);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
}

function said(words, isFault = false) {
    return el("p", { class: isFault ? "cusp-error" : "cusp-quiet", role: "status" }, words);
}

function form(label, input, words, onsubmit) {
    return el("form", {
        class: "cm-form", onsubmit: (event) => {
            event.preventDefault();
            onsubmit();
        },
    }, el("label", {}, label, " ", input), el("button", { class: "cusp-button" }, words));
}

function card(one, { take, copy, remove }) {
    const frame = el("iframe", { sandbox: "", title: `Design ${one.name}`, tabindex: "-1", class: "cm-thumbnail", loading: "lazy" });
    frame.srcdoc = inScheme(one.html, false);
    const tool = (words, name, act) => el("button", { type: "button", class: "cusp-button cusp-button-small", "aria-label": `${words} ${name}`, onclick: act }, words);
    return el("li", { class: "cm-design" },
        el("button", { type: "button", class: "cm-design-open", "aria-label": `Start from ${one.name}`, onclick: take, disabled: one.needs_offer },
            el("span", { class: "cm-frame" }, frame)),
        el("b", {}, one.name), el("p", { class: "cusp-quiet cusp-small" }, one.description),
        one.needs_offer && el("p", { class: "cm-lint cusp-small" }, "Needs an offer: choose “Send an offer” on the form."),
        el("div", { class: "cusp-row" }, !one.needs_offer && tool("Use", one.name, take), copy && tool("Duplicate", one.name, copy), remove && tool("Delete", one.name, remove)));
}

export function chooseDesign({ address, token, use }) {
    const list = el("ul", { class: "cm-designs" }, el("li", {}, said("One moment …")));
    const dialog = openDialog("Start from a design", said("What is written in this mail now is replaced; Undo brings it back."), list);
    async function load() {
        try {
            const { designs, may_write: mayWrite } = await get(address);
            const act = (one, what) => async () => {
                await post(address, token, { [what]: one.key });
                await load();
            };
            list.replaceChildren(...designs.map((one) => card(one, {
                take: () => {
                    dialog.close();
                    use(one.content);
                },
                copy: mayWrite && act(one, "copy"), remove: mayWrite && !one.is_ready_made && act(one, "remove"),
            })));
            if (!designs.length) list.replaceChildren(el("li", {}, said("No design yet. “Save as a design” keeps this mail as the first.")));
        } catch {
            list.replaceChildren(el("li", {}, said("The designs cannot be shown now.", true)));
        }
    }
    load();
}

export function saveDesign({ address, token, content }) {
    const name = el("input", { class: "cusp-input", maxlength: 120, required: true });
    const place = el("div", { "aria-live": "polite" });
    openDialog("Save as a design", said("Other campaigns can start from it."), form("Name", name, "Save design", async () => {
        const answer = await post(address, token, { name: name.value, content: content() })
            .catch(() => ({ error: "It cannot be saved now." }));
        place.replaceChildren(said(answer.error || `“${name.value}” is among the designs.`, Boolean(answer.error)));
    }), place);
}

export function choosePicture({ address, token, assets, take }) {
    const list = el("ul", { class: "cm-pictures" });
    const place = el("div", { "aria-live": "polite" });
    const file = el("input", { type: "file", class: "cusp-input", accept: "image/png,image/jpeg,image/gif,image/webp", "aria-label": "A picture from this computer" });
    const dialog = openDialog("Choose a picture",
        el("label", { class: "cm-upload" }, "Upload one: PNG, JPEG, GIF or WebP, up to 5 MB ", file), place, list);
    const choose = (asset) => {
        dialog.close();
        take(asset);
    };
    file.addEventListener("change", async () => {
        const body = new FormData();
        body.append("file", file.files[0]);
        place.replaceChildren(said("Uploading …"));
        const answer = await fetch(address, { method: "POST", headers: { "X-CSRFToken": token }, body })
            .then((one) => one.json()).catch(() => ({ error: "It cannot be uploaded now." }));
        if (answer.error) place.replaceChildren(said(answer.error, true));
        else choose(answer.id);
        file.value = "";
    });
    get(address).then(({ pictures }) => list.replaceChildren(...pictures.map((one) => el("li", {}, el("button", {
        type: "button", class: "cm-picture-open", "aria-label": `Take ${one.name}`, onclick: () => choose(one.id),
    }, el("img", { src: `${assets}${one.id}`, alt: "", loading: "lazy" }), el("span", {}, one.name)))))).catch(() => {});
}

export function sendTest({ address, token, people, body }) {
    const boxes = people.map((one) => el("label", { class: "cb-check" },
        el("input", { type: "checkbox", value: one.id, checked: one.is_me || undefined }), one.name));
    const place = el("div", { "aria-live": "polite" });
    const button = el("button", { class: "cusp-button cusp-button-main" }, "Send test");
    const asked = el("form", { class: "cm-form cm-tests" }, el("fieldset", {}, el("legend", { class: "cusp-label" }, "To"), boxes), button);
    asked.addEventListener("submit", async (event) => {
        event.preventDefault();
        const to = [...asked.querySelectorAll("input:checked")].map((one) => Number(one.value));
        button.disabled = true;
        const answer = await post(address, token, { ...body(), to }).catch(() => ({ error: "It cannot be sent now." }));
        button.disabled = false;
        place.replaceChildren(said(answer.error || answer.said, Boolean(answer.error)));
    });
    const nobody = "Nobody who works here has an e-mail address yet: an administrator writes them on the page of a user.";
    openDialog("Send a test mail", said("It goes to people who work here only, is marked [Test], and counts nowhere."),
        people.length ? asked : said(nobody, true), place);
}
