// The composer of a mail: ties subject, languages, blocks, preview and saving to one content.

import { el } from "../builder/dom.js";
import { newStore } from "../builder/store.js";
import { startUndo } from "../builder/undo.js";
import * as contents from "./content.js";
import { chooseDesign, choosePicture, get, openDialog, saveDesign, sendTest } from "./dialogs.js";
import * as fields from "./fields.js";
import { newList } from "./list.js";
import { newPreview, post } from "./preview.js";

function startHead(place, store, names) {
    function field(name, label, help, placeholder) {
        const { content, language } = store.root;
        const set = (value) => store.change(
            { ...store.root, content: contents.say(store.root.content, language, "", name, value) }, { typed: `/${name}` });
        const isOwn = language === content.language;
        const control = fields.text(`/${name}`, contents.said(content, language, "", name), set,
            { placeholder: isOwn ? placeholder : content[name] });
        const shown = fields.labelled(label, control, help, fields.namesButton(names, control));
        shown.append(el("div", { dataset: { findings: `/${name}` } }));
        return shown;
    }
    function draw({ isTyped, isLook } = {}) {
        if (isTyped || isLook) return;
        place.replaceChildren(
            field("subject", "Subject", "", "What she reads first"),
            field("preheader", "Preheader", "The words that mail programs show beside the subject.", "One more reason to open it"));
    }
    store.listen(draw);
    draw();
}

function startLanguages(place, store, languages) {
    const nameOf = (key) => languages.find(([one]) => one === key)?.[1] || key;
    const look = (language) => store.show({ ...store.root, language });

    function add(key) {
        const { content } = store.root;
        const next = { ...content, languages: { ...content.languages, [key]: { blocks: {} } } };
        store.change({ ...store.root, content: next, language: key }, { focus: `language/${key}` });
    }

    function remove(key) {
        const { content } = store.root;
        const { [key]: _, ...others } = content.languages;
        store.change({ ...store.root, content: { ...content, languages: others }, language: content.language });
    }

    function draw() {
        const { content, language } = store.root;
        const all = [content.language, ...Object.keys(content.languages || {})];
        const tabs = all.map((key) => el("button", {
            type: "button", role: "tab", "aria-selected": String(key === language), class: "cm-tab", dataset: { key: `language/${key}` },
            onclick: () => look(key),
        }, nameOf(key)));
        const others = languages.filter(([key]) => !all.includes(key));
        const more = el("select", {
            class: "cusp-input cm-more", "aria-label": "Add a language", onchange: (event) => add(event.target.value),
        }, el("option", { value: "" }, "+ Language"), others.map(([key, name]) => el("option", { value: key }, name)));
        const own = language === content.language ? el("select", {
            class: "cusp-input cm-more", "aria-label": "The mail itself is written in",
            onchange: (event) => store.change({ ...store.root, content: { ...content, language: event.target.value }, language: event.target.value }),
        }, [[content.language, nameOf(content.language)], ...others].map(([key, name]) => el("option", { value: key }, `written in ${name}`)))
            : el("button", { type: "button", class: "cusp-button cusp-button-small", onclick: () => remove(language) }, `Delete ${nameOf(language)}`);
        place.replaceChildren(el("div", { role: "tablist", "aria-label": "Languages", class: "cm-tabs" }, tabs), more, own);
    }
    store.listen(({ isTyped }) => { if (!isTyped) draw(); });
    draw();
}

function startCustomer(page, store, address, preview) {
    const asked = page.querySelector("[data-customer]");
    if (!asked) return;
    const place = page.querySelector("[data-slot=customer]");
    async function choose(words) {
        place.textContent = "";
        try {
            const { customer } = words ? await get(`${address}?${new URLSearchParams({ q: words })}`) : { customer: "" };
            if (customer === null) place.textContent = "Nobody has this e-mail address or external id.";
            else {
                store.show({ ...store.root, customer });
                preview.ask();
            }
        } catch {
            place.textContent = "This cannot be looked up now.";
        }
    }
    asked.addEventListener("submit", (event) => {
        event.preventDefault();
        choose(asked.elements.q.value.trim());
    });
    asked.addEventListener("reset", () => choose(""));
}

function startSaving(page, store, { address, token, edition, back }) {
    const state = page.querySelector("[data-slot=saved]");
    let [known, last] = [edition, store.root.content];
    const isDirty = () => store.root.content !== last;
    const tell = (words, isFault = false) => {
        state.textContent = words;
        state.classList.toggle("cusp-error", isFault);
    };

    async function save(isOver = false, isSending = false) {
        const { content } = store.root;
        tell("Saving …");
        try {
            const answer = await post(address, token, { content: contents.stored(content), edition: isOver ? "" : known, while_sending: isSending });
            if (answer.conflict) return ask(answer.conflict);
            if (answer.in_flight) return askSending(answer.in_flight, isOver);
            if (answer.error) return tell(answer.error, true);
            [known, last] = [answer.edition, content];
            tell(isDirty() ? "Not saved yet." : answer.said);
            return true;
        } catch {
            return tell("It cannot be saved now. What you wrote is still here.", true);
        }
    }

    function ask(words) {
        tell("Not saved yet.", true);
        const dialog = openDialog("Somebody else saved this mail", el("p", {}, words), el("div", { class: "cusp-buttons" },
            el("button", { type: "button", class: "cusp-button cusp-button-bad", onclick: () => {
                dialog.close();
                save(true);
            } }, "Save mine in place of it"),
            el("button", { type: "button", class: "cusp-button", onclick: () => window.location.reload() }, "Read theirs, and lose mine")));
    }

    function askSending(words, isOver) {
        tell("Not saved yet.", true);
        const dialog = openDialog("Messages are being handed over", el("p", {}, words), el("div", { class: "cusp-buttons" },
            el("button", { type: "button", class: "cusp-button cusp-button-main", onclick: () => dialog.close() }, "Wait"),
            el("button", { type: "button", class: "cusp-button cusp-button-bad", onclick: () => {
                dialog.close();
                save(isOver, true);
            } }, "Save it all the same")));
    }

    store.listen(() => { if (isDirty()) tell("Not saved yet."); });
    page.querySelector("[data-do=save]").addEventListener("click", () => save());
    page.querySelector("[data-do=done]").addEventListener("click", async () => {
        if (!isDirty() || await save()) window.location.assign(back);
    });
    document.addEventListener("keydown", (event) => {
        if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s") return;
        event.preventDefault();
        save();
    });
    window.addEventListener("beforeunload", (event) => { if (isDirty()) event.preventDefault(); });
}

function start(page) {
    const told = JSON.parse(document.getElementById("composer-told").textContent);
    const token = page.querySelector("[name=csrfmiddlewaretoken]").value;
    const content = contents.withIds(told.content);
    const store = newStore({ content, language: content.language, open: "", customer: "" });
    const { urls } = told;
    const body = () => ({ content: contents.stored(store.root.content), language: store.root.language, customer: store.root.customer });
    page.classList.add("cm-started");
    startUndo(page, store, document, (target) => Boolean(target.closest?.("dialog")));
    startHead(page.querySelector("[data-head]"), store, told.names);
    startLanguages(page.querySelector("[data-languages]"), store, told.languages);
    newList(page.querySelector("[data-list]"), store, {
        hasOffer: told.has_offer, names: told.names, assets: told.assets,
        choosePicture: (take) => choosePicture({ address: urls.pictures, token, assets: told.assets, take }),
    });
    const preview = newPreview(page.querySelector("[data-preview]"), store, { address: urls.preview, token, told: () => {} });
    startCustomer(page, store, urls.customer, preview);
    startSaving(page, store, { address: urls.save, token, edition: told.edition, back: urls.back });
    const on = (name, act) => page.querySelector(`[data-do=${name}]`)?.addEventListener("click", act);
    const use = (design) => {
        const next = contents.withIds(structuredClone(design));
        store.change({ ...store.root, content: next, language: next.language, open: "" });
    };
    on("designs", () => chooseDesign({ address: urls.designs, token, use }));
    on("keep", () => saveDesign({ address: urls.designs, token, content: () => contents.stored(store.root.content) }));
    on("test", () => sendTest({ address: urls.test, token, people: told.people, body }));
    if (!content.blocks.length) chooseDesign({ address: urls.designs, token, use });
}

document.querySelectorAll("[data-composer]").forEach(start);
