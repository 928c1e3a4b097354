// What a rule may ask, as the server lists it, and how the entries are found again by name or by typing.

const LABELS = { any_of: "is one of", none_of: "is none of" };

function distinct(operators) {
    return operators.map((one) => {
        const isAlone = operators.filter((other) => other.label === one.label).length === 1;
        return isAlone ? one : { ...one, label: LABELS[one.name] || one.label };
    });
}

export function newCatalogue(data) {
    const fields = new Map(data.results.map((field) => [field.name, field]));
    const events = new Map(data.events.map((event) => [event.name, event]));
    const segments = new Map(data.segments.map((segment) => [segment.key, segment]));
    return {
        hasCustomers: data.customers > 0,
        fields, events, segments,
        operatorsOfType: (type) => distinct(data.operators[type] || []),
        operatorsOf: (field) => distinct(data.operators[field.type] || []),
    };
}

function fold(text) {
    return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

// Entries whose label, name or group hold every typed word; those whose label begins with it first.
export function search(entries, text) {
    const words = fold(text).split(/\s+/).filter(Boolean);
    if (!words.length) return entries;
    const found = entries.filter((entry) => {
        const where = fold(`${entry.label} ${entry.name || ""} ${entry.group || ""}`);
        return words.every((word) => where.includes(word));
    });
    const begins = (entry) => (fold(entry.label).startsWith(words[0]) ? 0 : 1);
    return found.map((entry, index) => ({ entry, index }))
        .sort((a, b) => begins(a.entry) - begins(b.entry) || a.index - b.index)
        .map(({ entry }) => entry);
}
