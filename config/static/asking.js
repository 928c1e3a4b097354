// Asks the server again and again while a form is filled in. The newest answer is shown; what is late is dropped.
(function () {
    "use strict";

    // `address` is asked once `isReady()` holds, `wait` milliseconds after the last key; `show` gets its answer, or
    // `failure`. From a change on until its answer is there, the slots are busy: what they show is of before.
    window.cuspAsk = function (form, slots, { address, isReady, failure, wait, show }) {
        let asked = 0;
        let waiting = 0;
        let going = null;
        let last = null; // what the newest question is about
        const answers = () => new URLSearchParams(new FormData(form)).toString();
        function busy(isBusy) {
            slots.forEach((slot) => (isBusy ? slot.setAttribute("aria-busy", "true") : slot.removeAttribute("aria-busy")));
            form.dispatchEvent(new CustomEvent("cusp:asking", { detail: isBusy }));
        }
        function ask() {
            if (!isReady()) {
                busy(false);
                return;
            }
            asked += 1;
            const mine = asked;
            last = answers();
            if (going) going.abort();
            going = new AbortController();
            busy(true);
            fetch(address, { method: "POST", body: new FormData(form), signal: going.signal })
                .then((answer) => (answer.ok && !answer.redirected ? answer.text() : Promise.reject()))
                .then((text) => { if (mine === asked) show(text); })
                .catch(() => {
                    if (mine !== asked) return;
                    slots.forEach((slot) => { slot.textContent = failure; });
                    last = null;
                })
                .finally(() => { if (mine === asked) busy(false); });
        }
        function soon() {
            if (answers() === last) return;
            last = answers();
            if (going) going.abort();
            asked += 1;
            if (isReady()) busy(true);
            window.clearTimeout(waiting);
            waiting = window.setTimeout(ask, wait);
        }
        form.addEventListener("input", soon);
        form.addEventListener("change", soon);
        ask();
    };
})();
