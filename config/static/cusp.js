// Forms of our own: ask before what cannot be undone; show only what fits a kind of trigger.
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

    // Keys of the call queue: a digit chooses an outcome, n takes the next call, Ctrl+Enter writes it down.
    function startHotkeys(page) {
        const call = page.querySelector("[data-hotkeys]");
        const next = page.querySelector("[data-hotkey=n]");
        document.addEventListener("keydown", function (event) {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
                const form = event.target.closest(".cusp-call form") || (call && call.querySelector("form"));
                if (form) form.requestSubmit(form.querySelector("button[name=then]"));
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

    // A call is the agent's while its page is open: the claim is kept up each minute, and its loss is told.
    function startKeeping(call) {
        const token = call.querySelector("[name=csrfmiddlewaretoken]");
        const said = call.querySelector("[data-keep-said]");
        window.setInterval(function () {
            fetch(call.dataset.keep, { method: "POST", headers: { "X-CSRFToken": token ? token.value : "" } })
                .then(function (answer) {
                    if (said) said.textContent = answer.status === 409 ? "This call is no longer yours: it lay for too long, or was given to somebody else." : "";
                })
                .catch(() => { if (said) said.textContent = "The server does not answer; the call may go back to the queue."; });
        }, 60000);
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

    // Unfold writes the name of a chosen file into a field of its own widget, which a plain file input does not have.
    document.addEventListener("change", function (event) {
        if (event.target.matches("input[type=file][data-plain]")) event.stopImmediatePropagation();
    }, true);

    // An address is copied; where the browser forbids that, it is shown to be copied by hand.
    function startCopying(button) {
        const words = button.textContent;
        button.addEventListener("click", function () {
            const address = button.dataset.copy;
            const copied = navigator.clipboard ? navigator.clipboard.writeText(address) : Promise.reject();
            copied.then(() => { button.textContent = "Copied"; }, () => { window.prompt("Copy this address", address); });
            window.setTimeout(() => { button.textContent = words; }, 2000);
        });
    }

    // A question that is answered in its own place: the newest answer is shown.
    function startFragment(form) {
        const place = form.parentElement.querySelector("[data-fragment-place]");
        let asked = 0;
        form.addEventListener("submit", function (event) {
            event.preventDefault();
            asked += 1;
            const mine = asked;
            fetch(`${form.action}?${new URLSearchParams(new FormData(form))}`)
                .then((answer) => (answer.ok && !answer.redirected ? answer.text() : Promise.reject()))
                .then((text) => { if (mine === asked) place.innerHTML = text; })
                .catch(() => { if (mine === asked) place.textContent = "This cannot be answered now."; });
        });
    }

    document.addEventListener("DOMContentLoaded", function () {
        document.querySelectorAll(".cusp-till [autofocus]").forEach((field) => field.focus());
        document.querySelectorAll("[data-copy]").forEach(startCopying);
        document.querySelectorAll("[data-fragment]").forEach(startFragment);
        document.querySelectorAll("[data-refresh]").forEach(startRefreshing);
        document.querySelectorAll("[data-ask]").forEach(startAsking);
        document.querySelectorAll("[data-keep]").forEach(startKeeping);
        document.querySelectorAll(".cusp-calls").forEach(startHotkeys);
        document.querySelectorAll("form").forEach(function (form) {
            if (!form.querySelector("[data-when]")) return;
            showWhenChosen(form);
            form.addEventListener("change", () => showWhenChosen(form));
        });
    });
})();
