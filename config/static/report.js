// Charts of a report as pictures: drawn from the page itself, in its colours, without asking anybody.
(function () {
    "use strict";

    const SCALE = 2;
    const EDGE = 16;
    const LINE = 18;
    const DRAWN = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "opacity",
        "font-family", "font-size", "font-weight", "font-variant-numeric", "text-anchor"];

    // A copy of a drawing with every colour and font written into it: a picture has no style sheet.
    function resolved(drawing) {
        const copy = drawing.cloneNode(true);
        const from = [drawing, ...drawing.querySelectorAll("*")];
        [copy, ...copy.querySelectorAll("*")].forEach(function (part, index) {
            const style = getComputedStyle(from[index]);
            DRAWN.forEach((name) => part.style.setProperty(name, style.getPropertyValue(name)));
            part.removeAttribute("class");
        });
        return copy;
    }

    function sizeOf(drawing) {
        const box = drawing.viewBox.baseVal;
        const shown = drawing.getBoundingClientRect();
        return box && box.width ? { width: box.width, height: box.height } : { width: shown.width, height: shown.height };
    }

    // The words of a chart: what it is of, and what it shows.
    function wordsOf(drawing, report) {
        const panel = drawing.closest(".cusp-panel");
        const title = panel ? panel.getAttribute("aria-label") : "";
        const shows = (drawing.getAttribute("aria-label") || "").split(";")[0];
        return [report.dataset.report, title, shows].filter(Boolean);
    }

    function fileName(words) {
        const plain = words.join(" ").normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
        return `${plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 150)}.png`;
    }

    function wrapped(pen, text, width) {
        const lines = [""];
        text.split(/\s+/).forEach(function (word) {
            const longer = `${lines[lines.length - 1]} ${word}`.trim();
            if (pen.measureText(longer).width <= width) lines[lines.length - 1] = longer;
            else lines.push(word);
        });
        return lines;
    }

    function picture(drawing) {
        const { width, height } = sizeOf(drawing);
        const copy = resolved(drawing);
        copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
        copy.setAttribute("width", width * SCALE);
        copy.setAttribute("height", height * SCALE);
        if (!copy.hasAttribute("viewBox")) copy.setAttribute("viewBox", `0 0 ${width} ${height}`);
        const image = new Image();
        return new Promise(function (done, failed) {
            image.addEventListener("load", () => done(image));
            image.addEventListener("error", failed);
            image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
        });
    }

    // The picture bears its words above the drawing, and what the legend says below, on the page's own ground.
    function drawn(image, drawing, words) {
        const { width, height } = sizeOf(drawing);
        const panel = getComputedStyle(drawing.closest(".cusp-panel") || document.body);
        const canvas = document.createElement("canvas");
        const pen = canvas.getContext("2d");
        const font = `${13}px ${panel.fontFamily}`;
        const legend = [...drawing.parentElement.querySelectorAll("li")].map((one) => one.textContent.trim()).join("   ");
        pen.font = font;
        const above = wrapped(pen, words.join(": "), width);
        const below = legend ? wrapped(pen, legend, width) : [];
        canvas.width = (width + 2 * EDGE) * SCALE;
        canvas.height = (height + (above.length + below.length) * LINE + 3 * EDGE) * SCALE;
        pen.scale(SCALE, SCALE);
        pen.fillStyle = panel.backgroundColor;
        pen.fillRect(0, 0, canvas.width, canvas.height);
        pen.font = font;
        pen.fillStyle = panel.color;
        pen.textBaseline = "top";
        above.forEach((line, n) => pen.fillText(line, EDGE, EDGE + n * LINE));
        pen.drawImage(image, EDGE, EDGE + above.length * LINE + EDGE / 2, width, height);
        below.forEach((line, n) => pen.fillText(line, EDGE, 2 * EDGE + above.length * LINE + height + n * LINE));
        return new Promise((done) => canvas.toBlob(done, "image/png"));
    }

    function save(blob, name) {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = name;
        link.click();
        window.setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }

    function offer(drawing, report) {
        const words = wordsOf(drawing, report);
        const button = document.createElement("button");
        button.type = "button";
        button.className = "cusp-button cusp-png";
        button.textContent = "Save as picture";
        button.setAttribute("aria-label", `Save as picture: ${words.slice(1).join(", ")}`);
        button.addEventListener("click", function () {
            picture(drawing)
                .then((image) => drawn(image, drawing, words))
                .then((blob) => save(blob, fileName(words)))
                .catch(() => { button.textContent = "The picture cannot be drawn here"; });
        });
        drawing.parentElement.append(button);
    }

    document.addEventListener("DOMContentLoaded", function () {
        document.querySelectorAll("[data-report]").forEach(function (report) {
            report.querySelectorAll(".cusp-chart > svg, .cusp-stack > svg").forEach((one) => offer(one, report));
        });
    });
})();
