// The content of a mail as a value: pure functions from content to content. Blocks are found by their ids, in columns too.

export function newId() {
    return `b${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
}

// Every block has an id of its own, by which translations and findings name it.
export function withIds(content) {
    const seen = new Set();
    const named = (block) => {
        const id = block.id && !seen.has(block.id) ? block.id : newId();
        seen.add(id);
        return block.kind === "columns" ? { ...block, id, columns: (block.columns || []).map((one) => one.map(named)) } : { ...block, id };
    };
    return { subject: "", preheader: "", language: "en", ...content, blocks: (content.blocks || []).map(named) };
}

export function places(blocks, list = "") {
    return blocks.flatMap((block, index) => [
        { block, list, index, length: blocks.length },
        ...(block.kind === "columns" ? block.columns.flatMap((one, n) => places(one, `${block.id}/${n}`)) : []),
    ]);
}

export function find(content, id) {
    return places(content.blocks).find(({ block }) => block.id === id) || null;
}

function inLists(blocks, changed, list = "") {
    return changed(blocks, list).map((block) => (block.kind === "columns"
        ? { ...block, columns: block.columns.map((one, n) => inLists(one, changed, `${block.id}/${n}`)) } : block));
}

function withLists(content, changed) {
    return { ...content, blocks: inLists(content.blocks, changed) };
}

export function change(content, id, fields) {
    return withLists(content, (blocks) => blocks.map((block) => (block.id === id ? { ...block, ...fields } : block)));
}

export function put(content, list, index, block) {
    return withLists(content, (blocks, at) => (at === list ? blocks.toSpliced(index, 0, block) : blocks));
}

export function remove(content, id) {
    const gone = new Set(places(content.blocks).filter(({ block }) => block.id === id)
        .flatMap(({ block }) => [block.id, ...places((block.columns || []).flat()).map((one) => one.block.id)]));
    const kept = withLists(content, (blocks) => blocks.filter((block) => block.id !== id));
    const languages = Object.entries(kept.languages || {}).map(([name, variant]) => [name, {
        ...variant, blocks: Object.fromEntries(Object.entries(variant.blocks || {}).filter(([one]) => !gone.has(one))),
    }]);
    return languages.length ? { ...kept, languages: Object.fromEntries(languages) } : kept;
}

function copyOf(block) {
    const copy = { ...structuredClone(block), id: newId() };
    return copy.columns ? { ...copy, columns: copy.columns.map((one) => one.map(copyOf)) } : copy;
}

export function duplicate(content, id) {
    const { block, list, index } = find(content, id);
    const copy = copyOf(block);
    return [put(content, list, index + 1, copy), copy.id];
}

// One step up or down within its list.
export function move(content, id, step) {
    const { block, list, index, length } = find(content, id);
    const to = index + step;
    if (to < 0 || to >= length) return content;
    return withLists(content, (blocks, at) => (at === list ? blocks.toSpliced(index, 1).toSpliced(to, 0, block) : blocks));
}

// Before or after another block; columns stand in no columns.
export function place(content, id, besideId, isAfter) {
    const [mine, beside] = [find(content, id), find(content, besideId)];
    if (!mine || !beside || id === besideId) return content;
    if (mine.block.kind === "columns" && beside.list) return content;
    const without = withLists(content, (blocks) => blocks.filter((block) => block.id !== id));
    const at = find(without, besideId);
    return put(without, at.list, at.index + (isAfter ? 1 : 0), mine.block);
}

// What a language says: a text of its own, or nothing where the mail's own is used.
export function said(content, language, id, name) {
    if (language === content.language) return (id ? find(content, id).block[name] : content[name]) ?? "";
    const variant = content.languages?.[language] || {};
    return (id ? variant.blocks?.[id]?.[name] : variant[name]) ?? "";
}

export function say(content, language, id, name, value) {
    if (language === content.language) return id ? change(content, id, { [name]: value }) : { ...content, [name]: value };
    const variant = content.languages[language];
    const texts = { ...variant.blocks?.[id], [name]: value };
    const told = id ? { ...variant, blocks: { ...variant.blocks, [id]: texts } } : { ...variant, [name]: value };
    return { ...content, languages: { ...content.languages, [language]: told } };
}

// What is stored: without what was left empty.
export function stored(content) {
    const isMeant = (block, name) => block.kind !== "products" || name !== (block.from ? "products" : "most");
    const bare = (block) => Object.fromEntries(Object.entries(block)
        .filter(([name, value]) => isMeant(block, name) && value !== "" && value !== null && value !== undefined && value !== false)
        .map(([name, value]) => [name, name === "columns" ? value.map((one) => one.map(bare)) : value]));
    const texts = (blocks) => Object.fromEntries(Object.entries(blocks || {})
        .map(([id, fields]) => [id, bare(fields)]).filter(([, fields]) => Object.keys(fields).length));
    const languages = Object.entries(content.languages || {})
        .map(([name, variant]) => [name, { ...bare({ ...variant, blocks: undefined }), blocks: texts(variant.blocks) }]);
    const { subject, preheader, language } = content;
    return { subject, preheader, language, blocks: content.blocks.map(bare), languages: Object.fromEntries(languages) };
}
