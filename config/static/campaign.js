// The launch page: checks the plan while it is filled in, leads to what is to mend, and shows rows as they are needed.
(function () {
    "use strict";

    const WAIT_MS = 350;

    // The answer has a part for each slot of the page.
    function startChecking(place, form) {
        const slots = [...place.querySelectorAll("[data-slot]")];
        const counting = place.querySelector("[data-counting]");
        form.addEventListener("cusp:asking", (event) => { counting.textContent = event.detail ? "Counting …" : ""; });
        window.cuspAsk(form, slots, {
            address: place.dataset.check,
            isReady: () => Boolean(form.elements.trigger_kind.value),
            failure: "This cannot be checked now. What is written here is not lost.",
            wait: WAIT_MS,
            show: (text) => {
                const told = new DOMParser().parseFromString(text, "text/html");
                slots.forEach(function (slot) {
                    const part = told.querySelector(`template[data-part="${slot.dataset.slot}"]`);
                    slot.replaceChildren(document.importNode(part.content, true));
                });
                showStart(place);
            },
        });
    }

    // Where nobody matches already, nobody is asked about; what needs a second person is asked for, not started.
    function showStart(place) {
        const choice = place.querySelector("[data-whom]");
        const told = place.querySelector("[data-matching]");
        if (choice) choice.hidden = !told || told.dataset.matching === "0";
        const need = place.querySelector("[data-need]");
        const [start, ask] = ["_start", "_ask"].map((name) => place.querySelector(`button[name=${name}]`));
        if (start) start.hidden = Boolean(need);
        if (ask) ask.hidden = !need || need.dataset.need !== "ask";
    }

    // A problem leads to its field: what hides it is opened, and the focus moves there.
    function startLeading(place, form) {
        place.addEventListener("click", function (event) {
            const link = event.target.closest("[data-to]");
            if (!link) return;
            event.preventDefault();
            goTo(form, link.dataset.to);
        });
    }

    function goTo(form, name) {
        const found = form.elements[name];
        const control = found instanceof RadioNodeList ? [...found].find((one) => one.checked) || found[0] : found;
        if (!control) return;
        for (let around = control.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
        control.focus();
        control.scrollIntoView({ block: "center" });
    }

    // A mail that nobody touched is that of its action.
    function startTexts(form) {
        const texts = [...form.querySelectorAll("[data-email][data-offer]")];
        form.addEventListener("change", function (event) {
            if (event.target.name !== "action") return;
            const [ours, others] = event.target.value === "offer" ? ["offer", "email"] : ["email", "offer"];
            texts.forEach((text) => { if (text.value === text.dataset[others]) text.value = text.dataset[ours]; });
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

    // How variants are compared is asked where there are two: the campaign's own mail, and one that has a name.
    function startComparing(form, asked) {
        function show() {
            const keys = [...form.querySelectorAll("[name^=variant_][name$=_key]")];
            asked.hidden = !keys.some((key) => key.value.trim()) && !asked.querySelector(".cusp-error");
        }
        form.addEventListener("input", show);
        show();
    }

    document.addEventListener("DOMContentLoaded", function () {
        document.querySelectorAll("[data-campaign]").forEach(function (place) {
            const form = place.closest("form");
            place.querySelectorAll("[data-add]").forEach((button) => startRows(place, button));
            place.querySelectorAll("[data-with-variants]").forEach((asked) => startComparing(form, asked));
            startTexts(form);
            startLeading(place, form);
            startChecking(place, form);
            const fault = place.querySelector(".cusp-error");
            const control = fault && fault.parentElement.querySelector("input, select, textarea");
            if (control && control.name) goTo(form, control.name);
        });
    });
})();
