// The kinds of blocks: what they are called, how a new one begins, and what is asked about it.

const ALIGN = { name: "align", label: "Stands", type: "choice", choices: [["left", "left"], ["center", "in the middle"]] };

export const TRANSLATED = {
    heading: ["text"], text: ["text"], image: ["alt", "url", "asset"], button: ["label", "url"], products: ["label", "url"],
    code: ["label", "note"], rating: ["question", "low", "high"],
};

export const SHARED = [
    { name: "background", label: "Background", type: "choice", choices: [["plain", "plain"], ["tint", "light tint"], ["brand", "brand colour"]], isOuter: true },
    { name: "tag", label: "Content tag", type: "word", help: "Reports count clicks by it. Letters, digits, - and _." },
];

export const KINDS = {
    heading: {
        label: "Heading", icon: "title", make: () => ({ text: "A heading", level: 1 }),
        fields: [
            { name: "text", label: "Text", type: "line", hasNames: true },
            { name: "level", label: "Size", type: "choice", isNumber: true, choices: [[1, "large"], [2, "medium"], [3, "small"]] },
            ALIGN,
        ],
    },
    text: {
        label: "Text", icon: "notes", make: () => ({ text: "Hello {{ customer.first_name | default: 'there' }}," }),
        fields: [
            { name: "text", label: "Text", type: "prose", hasNames: true, help: "An empty line begins a paragraph. **bold**, *italic*, [words](https://…) and lists with - are drawn." },
            ALIGN,
        ],
    },
    image: {
        label: "Picture", icon: "image", make: () => ({ asset: "", alt: "" }),
        fields: [
            { name: "asset", label: "Picture", type: "picture" },
            { name: "alt", label: "What it shows", type: "line", hasNames: true, help: "Read aloud, and shown where pictures are off." },
            { name: "url", label: "Leads to", type: "line", hasNames: true, placeholder: "https://" },
            { name: "width", label: "Width in pixels", type: "number", placeholder: "as wide as the mail", least: 16, most: 600 },
        ],
    },
    button: {
        label: "Button", icon: "smart_button", make: () => ({ label: "See more", url: "" }),
        fields: [
            { name: "label", label: "Words", type: "line", hasNames: true },
            { name: "url", label: "Leads to", type: "line", hasNames: true, placeholder: "https://" },
            ALIGN,
        ],
    },
    divider: { label: "Line", icon: "horizontal_rule", make: () => ({}), fields: [] },
    spacer: {
        label: "Space", icon: "height", make: () => ({ height: 24 }),
        fields: [{ name: "height", label: "Height in pixels", type: "number", least: 4, most: 120 }],
    },
    columns: { label: "Columns", icon: "view_column", make: () => ({ columns: [[], []] }), fields: [] },
    products: {
        label: "Products", icon: "shopping_bag", make: () => ({ from: "viewed", most: 3 }),
        fields: [
            { name: "from", label: "Which", type: "choice", choices: [["viewed", "what she looked at last"], ["bought", "what she bought last"], ["", "these:"]] },
            { name: "products", label: "Products", type: "products", when: (block) => !block.from },
            { name: "most", label: "At most", type: "number", least: 1, most: 12, when: (block) => block.from },
            { name: "label", label: "Words of the button", type: "line", hasNames: true },
            { name: "url", label: "Leads to", type: "line", placeholder: "https://shop.example/p/{{ product.id }}" },
        ],
    },
    code: {
        label: "Code of the offer", icon: "redeem", needsOffer: true, make: () => ({ label: "Your code" }),
        fields: [
            { name: "label", label: "Above the code", type: "line", hasNames: true },
            { name: "note", label: "Below the code", type: "line", hasNames: true, placeholder: "Good until {{ offer.valid_until }}" },
        ],
    },
    rating: {
        label: "Rating", icon: "star", make: () => ({ question: "How was it?", low: "Bad", high: "Great" }),
        fields: [
            { name: "question", label: "Question", type: "line", hasNames: true },
            { name: "low", label: "At the low end", type: "line" },
            { name: "high", label: "At the high end", type: "line" },
            { name: "event", label: "Event it becomes", type: "line", placeholder: "Mail Rated" },
        ],
    },
};

export function summary(block) {
    const words = block.text || block.label || block.question || block.alt || "";
    if (block.kind === "columns") return `${block.columns.length} side by side`;
    if (block.kind === "spacer") return `${block.height || 24} pixels`;
    if (block.kind === "products" && block.from) return block.from === "viewed" ? "what she looked at" : "what she bought";
    return words.replace(/\s+/g, " ").slice(0, 70);
}
