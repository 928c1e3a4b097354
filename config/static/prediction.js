// The form of a prediction: counts what there is to learn from while it is filled in, and offers the values there are.
(function () {
    "use strict";

    const WAIT_MS = 350;

    function startCounting(place, form) {
        const slot = place.querySelector("[data-slot]");
        slot.addEventListener("click", function (event) {
            const days = event.target.dataset.days;
            const control = days && form.elements[`${form.elements.question.value}-horizon_days`];
            if (!control) return;
            control.value = days;
            control.dispatchEvent(new Event("input", { bubbles: true }));
            control.focus();
        });
        window.cuspAsk(form, [slot], {
            address: place.dataset.count,
            isReady: () => Boolean(form.elements.question.value),
            failure: "This cannot be counted now.",
            wait: WAIT_MS,
            show: (text) => { slot.innerHTML = text; },
        });
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
