// Saving asks first: who would enter, who would leave, and whether somebody else saved meanwhile.

import { el, whole } from "./dom.js";
import { cell, post } from "./preview.js";

function examples(title, count, people) {
    if (!count) return null;
    const shown = people.map((one) => cell(one)).join(", ");
    const more = count > people.length ? ` and ${whole(count - people.length)} more` : "";
    return el("div", { class: "cb-effect" }, el("p", {}, el("strong", {}, whole(count)), ` ${title}`), el("p", { class: "cusp-quiet" }, `${shown}${more}`));
}

function told(answer) {
    if (answer.problem) return [el("p", {}, answer.problem)];
    if (!answer.is_changed) return [el("p", {}, "The rule is the same as before: nobody enters or leaves.")];
    if (!answer.entering && !answer.leaving) return [el("p", {}, "Nobody would enter or leave.")];
    return [
        examples(answer.entering === 1 ? "customer would enter" : "customers would enter", answer.entering, answer.entering_examples),
        examples(answer.leaving === 1 ? "customer would leave" : "customers would leave", answer.leaving, answer.leaving_examples),
        el("p", { class: "cusp-quiet" }, "The next full cycle moves them. No campaign fires for an edited rule, unless you ask it to."),
    ].filter(Boolean);
}

export function askBeforeSaving(form, { address, token, rule, refused, opened, isReady }) {
    const dialog = form.ownerDocument.querySelector("[data-save-dialog]");
    let isAgreed = false;

    function ask(answer, submitter) {
        const name = form.elements.name.value.trim();
        const warning = answer.saved_by && el("p", { class: "cusp-warning", role: "status" },
            `${answer.saved_by} saved this segment after you opened it. Go on to compare both; nothing is lost.`);
        dialog.replaceChildren(
            el("h2", {}, name ? `Save “${name}”?` : "Save this segment?"), ...(warning ? [warning] : []), ...told(answer),
            el("div", { class: "cusp-buttons" },
                el("button", { type: "button", class: "cusp-button cusp-button-main", onclick: () => {
                    isAgreed = true;
                    dialog.close();
                    form.requestSubmit(submitter);
                } }, answer.saved_by ? "Compare" : "Save segment"),
                el("button", { type: "button", class: "cusp-button", onclick: () => dialog.close() }, "Keep editing")));
        dialog.showModal();
    }

    form.addEventListener("submit", async (event) => {
        if (isAgreed || !isReady()) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        const { submitter } = event;
        try {
            const answer = await post(address, token, { rule: rule(), opened: opened() });
            if (answer.error) refused(answer.error);
            else ask(answer, submitter);
        } catch {
            ask({ problem: "Who would enter and leave cannot be told now." }, submitter);
        }
    }, true);
}
