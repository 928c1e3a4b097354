// The form of a prediction: counts what there is to learn from while it is filled in, and offers the values there are.
(function () {
    "use strict";

    const WAIT_MS = 350;

    // The newest answer is shown; what is late is dropped.
    function startCounting(place, form) {
        const slot = place.querySelector("[data-slot]");
        let asked = 0;
        let waiting = 0;
        function ask() {
            if (!form.elements.question.value) return;
            asked += 1;
            const mine = asked;
            slot.setAttribute("aria-busy", "true");
            fetch(place.dataset.count, { method: "POST", body: new FormData(form) })
                .then((answer) => (answer.ok && !answer.redirected ? answer.text() : Promise.reject()))
                .then((text) => { if (mine === asked) slot.innerHTML = text; })
                .catch(() => { if (mine === asked) slot.textContent = "This cannot be counted now."; })
                .finally(() => { if (mine === asked) slot.removeAttribute("aria-busy"); });
        }
        function soon() {
            window.clearTimeout(waiting);
            waiting = window.setTimeout(ask, WAIT_MS);
        }
        form.addEventListener("input", soon);
        form.addEventListener("change", soon);
        slot.addEventListener("click", function (event) {
            const days = event.target.dataset.days;
            const control = days && form.elements[`${form.elements.question.value}-horizon_days`];
            if (!control) return;
            control.value = days;
            control.dispatchEvent(new Event("input", { bubbles: true }));
            control.focus();
        });
        ask();
    }

    // Below a value stand those that customers have, with how many have each: a press fills it in.
    function startOffering(place, form, value) {
        const attribute = form.elements[value.name.replace(/equals$/, "attribute")];
        const list = document.createElement("div");
        list.className = "cp-values";
        list.setAttribute("role", "group");
        list.setAttribute("aria-label", "Known values");
        value.after(list);
        function mark() {
            list.querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", one.dataset.value === value.value));
        }
        function offer(values) {
            list.replaceChildren(...values.map(function (one) {
                const button = document.createElement("button");
                button.type = "button";
                button.className = "cp-value";
                button.dataset.value = one.value;
                button.append(one.value, " ");
                const count = document.createElement("span");
                count.textContent = one.customers.toLocaleString("en");
                button.append(count);
                button.addEventListener("click", function () {
                    value.value = one.value;
                    value.dispatchEvent(new Event("input", { bubbles: true }));
                });
                return button;
            }));
            mark();
        }
        function ask() {
            const name = attribute.value;
            if (!name) return offer([]);
            fetch(`${place.dataset.values}?${new URLSearchParams({ attribute: name })}`)
                .then((answer) => (answer.ok && !answer.redirected ? answer.json() : Promise.reject()))
                .then((found) => { if (attribute.value === name) offer(found.values); })
                .catch(() => offer([]));
        }
        attribute.addEventListener("change", function () {
            value.value = "";
            ask();
        });
        value.addEventListener("input", mark);
        ask();
    }

    document.addEventListener("DOMContentLoaded", function () {
        document.querySelectorAll("[data-prediction]").forEach(function (place) {
            const form = place.closest("form");
            form.querySelectorAll("[name$=equals]").forEach((value) => startOffering(place, form, value));
            startCounting(place, form);
        });
    });
})();
