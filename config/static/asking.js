// Asks the server again and again while a form is filled in. The newest answer is shown; what is late is dropped.
(function () {
    "use strict";

    // `address` is asked once `isReady()` holds, `wait` milliseconds after the last key; `failure` is said in its place.
    window.cuspAsk = function (form, slot, { address, isReady, failure, wait }) {
        let asked = 0;
        let waiting = 0;
        function ask() {
            if (!isReady()) return;
            asked += 1;
            const mine = asked;
            slot.setAttribute("aria-busy", "true");
            fetch(address, { method: "POST", body: new FormData(form) })
                .then((answer) => (answer.ok && !answer.redirected ? answer.text() : Promise.reject()))
                .then((text) => { if (mine === asked) slot.innerHTML = text; })
                .catch(() => { if (mine === asked) slot.textContent = failure; })
                .finally(() => { if (mine === asked) slot.removeAttribute("aria-busy"); });
        }
        function soon() {
            window.clearTimeout(waiting);
            waiting = window.setTimeout(ask, wait);
        }
        form.addEventListener("input", soon);
        form.addEventListener("change", soon);
        ask();
    };
})();
