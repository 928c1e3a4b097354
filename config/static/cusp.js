// Forms of our own: ask before what cannot be undone; show only what fits in a row of conditions or a kind of trigger.
(function () {
    "use strict";

    document.addEventListener("submit", function (event) {
        const question = event.target.dataset && event.target.dataset.confirm;
        if (question && !window.confirm(question)) event.preventDefault();
    });

    // Fields that belong to one choice carry data-when="name=value|value"; other choices hide them.
    function showWhenChosen(form) {
        form.querySelectorAll("[data-when]").forEach(function (cell) {
            const [name, values] = cell.dataset.when.split("=");
            const control = form.elements[name];
            if (control) cell.hidden = !values.split("|").includes(control.value);
        });
    }

    function fitRow(row) {
        const picker = row.querySelector("[data-part=what]");
        const operator = row.querySelector("[data-part=op]");
        const type = (picker.selectedOptions[0] || {}).dataset?.type || "";
        let first = null;
        operator.querySelectorAll("option[data-types]").forEach(function (option) {
            const fits = option.dataset.types.split(" ").includes(type);
            option.hidden = option.disabled = Boolean(type) && !fits;
            if (fits && first === null) first = option;
        });
        const chosen = operator.selectedOptions[0];
        if (type && first && (!chosen || chosen.disabled || !chosen.value)) operator.value = first.value;
        const now = operator.selectedOptions[0];
        row.querySelector("[data-cell=value]").hidden = Boolean(now && now.dataset.bare);
        row.querySelector("[data-cell=days]").hidden = type !== "event";
        const value = row.querySelector("[data-part=value]");
        value.placeholder = (now && now.dataset.hint) || "";
        const list = picker.selectedOptions[0] && picker.selectedOptions[0].dataset.list;
        if (list) value.setAttribute("list", list); else value.removeAttribute("list");
    }

    function shown(rows) {
        return rows.filter((row) => !row.hidden);
    }

    function startRows(box) {
        const rows = Array.from(box.querySelectorAll(".cusp-row"));
        const add = box.querySelector("[data-add]");
        rows.forEach(function (row, index) {
            row.hidden = index > 0 && !row.querySelector("[data-part=what]").value && !row.querySelector(".cusp-error");
            row.addEventListener("change", () => fitRow(row));
            row.querySelector("[data-remove]").addEventListener("click", function () {
                row.querySelectorAll("select, input").forEach((control) => { control.value = ""; });
                row.hidden = shown(rows).length > 1;
                fitRow(row);
                add.hidden = false;
                (shown(rows)[0] || row).querySelector("select").focus();
            });
            fitRow(row);
        });
        add.hidden = shown(rows).length === rows.length;
        add.addEventListener("click", function () {
            const next = rows.find((row) => row.hidden);
            if (!next) return;
            next.hidden = false;
            next.querySelector("select").focus();
            add.hidden = shown(rows).length === rows.length;
        });
    }

    // Ask for the sentence and the count a moment after the last change; a newer question cancels the older one.
    function startPreview(box) {
        const form = box.closest("form");
        const said = box.querySelector("[data-said]");
        let timer = null;
        let asked = null;
        function ask() {
            if (asked) asked.abort();
            asked = new AbortController();
            fetch(box.dataset.preview, { method: "POST", body: new FormData(form), signal: asked.signal })
                .then((answer) => answer.json())
                .then((answer) => { said.textContent = answer.text; })
                .catch((error) => { if (error.name !== "AbortError") said.textContent = "The count is not available now."; });
        }
        function soon() {
            window.clearTimeout(timer);
            timer = window.setTimeout(ask, 300);
        }
        box.addEventListener("input", soon);
        box.addEventListener("change", soon);
        box.addEventListener("click", (event) => { if (event.target.closest("[data-remove]")) soon(); });
        if (box.querySelector("[data-part=what]").value || form.querySelector("[name=rule_json]").value) ask();
    }

    // Keys of the call queue: a digit chooses an outcome, n takes the next call, Ctrl+Enter writes it down.
    function startHotkeys(page) {
        const call = page.querySelector("[data-hotkeys]");
        const next = page.querySelector("[data-hotkey=n]");
        document.addEventListener("keydown", function (event) {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
                const form = event.target.closest(".cusp-call form") || (call && call.querySelector("form"));
                if (form) form.requestSubmit();
                return;
            }
            const isWriting = event.target.matches("textarea, select, input:not([type=radio])");
            if (isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
            if (event.key === "n" && next) next.click();
            const choice = call && call.querySelectorAll("[name=outcome]")[Number(event.key) - 1];
            if (choice) {
                choice.click();
                choice.focus();
            }
        });
    }

    // Figures that take longer than a page should: asked for once it stands.
    function startAsking(place) {
        fetch(place.dataset.ask)
            .then((answer) => answer.json())
            .then((answer) => { place.textContent = answer.text; })
            .catch(() => { place.textContent = "not available now"; });
    }

    // The progress of a cycle: asked for again while it runs; once it has ended, the whole page is.
    function startRefreshing(place) {
        function ask() {
            if (document.hidden) return again();
            fetch(place.dataset.refresh)
                .then(function (answer) {
                    if (answer.status === 204) window.location.reload();
                    else if (!answer.ok) again();
                    else if (!answer.redirected) return answer.text().then((text) => { place.innerHTML = text; again(); });
                })
                .catch(again);
        }
        function again() {
            window.setTimeout(ask, 1500);
        }
        again();
    }

    document.addEventListener("DOMContentLoaded", function () {
        document.querySelectorAll("[data-refresh]").forEach(startRefreshing);
        document.querySelectorAll("[data-ask]").forEach(startAsking);
        document.querySelectorAll(".cusp-calls").forEach(startHotkeys);
        document.querySelectorAll("[data-rows]").forEach(startRows);
        document.querySelectorAll("[data-preview]").forEach(startPreview);
        document.querySelectorAll("form").forEach(function (form) {
            if (!form.querySelector("[data-when]")) return;
            showWhenChosen(form);
            form.addEventListener("change", () => showWhenChosen(form));
        });
    });
})();
