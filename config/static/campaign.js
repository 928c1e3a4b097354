// The form of a campaign: tells the plan in words while it is filled in, and shows rows as they are needed.
(function () {
    "use strict";

    const WAIT_MS = 300;

    function startTelling(place, form) {
        window.cuspAsk(form, place.querySelector("[data-slot]"), {
            address: place.dataset.sentence,
            isReady: () => Boolean(form.elements.trigger_kind.value),
            failure: "The plan cannot be told now.",
            wait: WAIT_MS,
        });
    }

    const MOST_ROWS = 20;

    // A row like another one, empty, with the next number in its names and labels.
    function rowAfter(row, number) {
        const made = row.cloneNode(true);
        made.querySelectorAll(".cusp-error").forEach((fault) => fault.remove());
        made.querySelectorAll("input, select, label, p").forEach(function (part) {
            for (const name of ["name", "id", "for", "aria-describedby"]) {
                const told = part.getAttribute(name);
                if (told) part.setAttribute(name, told.replace(/_\d+_/, `_${number}_`));
            }
            if (part.matches("label")) part.textContent = part.textContent.replace(/\d+$/, number + 1);
            if (part.matches("input")) part.value = "";
            if (part.matches("select")) part.selectedIndex = 0;
        });
        row.after(made);
        return made;
    }

    // Rows that may be left empty: the filled ones are shown, and one more by its button, which the server answers too.
    function startRows(place, button) {
        const rows = [...place.querySelectorAll(`[data-row="${button.dataset.add}"]`)];
        const isEmpty = (row) => !row.querySelector("input, select").value && !row.querySelector(".cusp-error");
        button.type = "button";
        rows.forEach((row) => { row.hidden = isEmpty(row); });
        function show() {
            button.hidden = rows.length >= MOST_ROWS && rows.every((row) => !row.hidden);
        }
        button.addEventListener("click", function () {
            let next = rows.find((row) => row.hidden);
            if (!next) {
                next = rowAfter(rows[rows.length - 1], rows.length);
                rows.push(next);
            }
            next.hidden = false;
            next.querySelector("input, select").focus();
            show();
        });
        show();
    }

    // The key of a new campaign follows its name, until somebody writes one.
    function startKey(form) {
        const { name, key } = form.elements;
        if (!key || !key.matches("input") || key.value) return;
        let isOwn = false;
        key.addEventListener("input", () => { isOwn = Boolean(key.value); });
        name.addEventListener("input", function () {
            if (isOwn) return;
            const plain = name.value.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
            key.value = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
        });
    }

    document.addEventListener("DOMContentLoaded", function () {
        document.querySelectorAll("[data-campaign]").forEach(function (place) {
            const form = place.closest("form");
            place.querySelectorAll("[data-add]").forEach((button) => startRows(place, button));
            startKey(form);
            startTelling(place, form);
            const fault = place.querySelector(".cusp-error");
            const control = fault && fault.parentElement.querySelector("input, select, textarea");
            if (control) control.focus();
        });
    });
})();
