// The programme: the sample mail follows what is written and coloured.

const WAIT_MS = 250;

document.querySelectorAll("[data-brand]").forEach((place) => {
    const form = place.closest("form");
    const frame = place.querySelector("iframe");
    let [asked, waiting] = [0, 0];
    async function ask() {
        asked += 1;
        const mine = asked;
        const told = new FormData(form);
        told.delete("logo_file");
        const answer = await fetch(place.dataset.brand, { method: "POST", body: told });
        if (!answer.ok || answer.redirected) return;
        const { html } = await answer.json();
        if (mine === asked) frame.srcdoc = html;
    }
    form.addEventListener("input", () => {
        window.clearTimeout(waiting);
        waiting = window.setTimeout(ask, WAIT_MS);
    });
});
