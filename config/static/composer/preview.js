// The mail as a customer gets it: asked for a moment after the last change. Only the newest answer is ever shown.

import { el } from "../builder/dom.js";
import * as contents from "./content.js";

const PAUSE_MS = 250;
const DARK = "(prefers-color-scheme: dark)";

export async function post(address, token, body) {
    const answer = await fetch(address, {
        method: "POST", headers: { "X-CSRFToken": token, "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    if (answer.redirected) throw new Error("the session has ended");
    const told = await answer.json().catch(() => null);
    if (!told) throw new Error(`answered ${answer.status}`);
    return told;
}

// What a page says in the dark is said at all times, or at no time: the frame shows the mail, not our own setting.
export function inScheme(html, isDark) {
    return html.replaceAll(DARK, isDark ? "(min-width: 0)" : "(max-width: 0)");
}

export function newPreview(box, store, { address, token, told }) {
    const slot = (name) => box.querySelector(`[data-slot="${name}"]`);
    const frame = box.querySelector("iframe");
    let [asked, timer, mail, isDark] = [0, null, null, false];

    function choose(name, value) {
        box.querySelectorAll(`[data-${name}]`).forEach((button) =>
            button.setAttribute("aria-pressed", String(button.dataset[name] === value)));
    }

    function draw() {
        if (!mail) return;
        frame.srcdoc = inScheme(mail.html, isDark);
        slot("subject").textContent = mail.subject || "No subject yet";
        slot("preheader").textContent = mail.preheader;
        slot("text").textContent = mail.text;
        slot("as").textContent = mail.as;
    }

    function find(problems) {
        document.querySelectorAll("[data-findings]").forEach((place) => place.replaceChildren());
        problems.forEach((one) => {
            const place = document.querySelector(`[data-findings="${one.block || one.field || ""}"]`);
            place?.append(el("p", { class: one.is_fault ? "cusp-error cm-fault" : "cm-lint" }, one.text));
        });
        const list = slot("problems");
        list.replaceChildren(...problems.map((one) => el("li", { class: one.is_fault ? "cm-is-fault" : "" },
            one.block && el("button", { type: "button", class: "cusp-link", onclick: () => open(one.block) }, one.where),
            one.block ? `: ${one.text}` : one.text)));
        slot("fine").hidden = problems.length > 0;
    }

    function open(id) {
        store.show({ ...store.root, open: id }, `${id}/first`);
        document.querySelector(`[data-block="${id}"]`)?.scrollIntoView({ block: "center" });
    }

    function show(answer) {
        mail = answer;
        find(answer.problems);
        draw();
        told(answer);
    }

    async function ask() {
        asked += 1;
        const mine = asked;
        box.setAttribute("aria-busy", "true");
        const { content, language, customer } = store.root;
        try {
            const answer = await post(address, token, { content: contents.stored(content), language, customer });
            if (mine === asked) show(answer);
        } catch {
            if (mine === asked) slot("as").textContent = "The mail cannot be shown now. What you wrote is still here.";
        } finally {
            if (mine === asked) box.removeAttribute("aria-busy");
        }
    }

    function soon() {
        asked += 1;
        window.clearTimeout(timer);
        timer = window.setTimeout(ask, PAUSE_MS);
    }

    box.addEventListener("click", (event) => {
        const { width, scheme, part } = event.target.closest("button")?.dataset || {};
        if (width) {
            frame.style.width = `${width}px`;
            choose("width", width);
        } else if (scheme) {
            isDark = scheme === "dark";
            box.classList.toggle("cm-in-dark", isDark);
            choose("scheme", scheme);
            draw();
        } else if (part) {
            slot("mail").hidden = part !== "html";
            slot("text").hidden = part !== "text";
            choose("part", part);
        }
    });
    store.listen(({ isLook }) => {
        if (isLook) find(mail?.problems || []);
        else soon();
    });
    ask();
    return { ask };
}
