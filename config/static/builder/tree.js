// A rule as a tree that can be edited: pure functions from tree to tree, and from and to the JSON of a rule.
//
// A group is {id, not, group, number, children, isCollapsed}; anything else is {id, not, leaf} with its JSON untouched.
// `not` counts the negations around a node. A root that is no group stands in one that is written only once it needs to be.

export const GROUPS = ["all", "any", "none", "at_least"];
let last = 0;

function newId() {
    last += 1;
    return `n${last}`;
}

function hasKeys(json, ...keys) {
    return Object.keys(json).length === keys.length && keys.every((key) => key in json);
}

function isObject(json) {
    return json !== null && typeof json === "object" && !Array.isArray(json);
}

export function newLeaf(leaf = {}) {
    return { id: newId(), not: 0, leaf };
}

export function newGroup(group = "all", children = [newLeaf()]) {
    return { id: newId(), not: 0, group, number: 1, children, isCollapsed: false };
}

function nodeOf(json) {
    let negations = 0;
    while (isObject(json) && hasKeys(json, "not")) {
        json = json.not;
        negations += 1;
    }
    return { ...plainNodeOf(json), not: negations };
}

function plainNodeOf(json) {
    if (!isObject(json)) return newLeaf(json);
    for (const group of ["all", "any", "none"]) {
        if (hasKeys(json, group) && Array.isArray(json[group])) return newGroup(group, json[group].map(nodeOf));
    }
    if (hasKeys(json, "at_least", "of") && Array.isArray(json.of)) {
        return { ...newGroup("at_least", json.of.map(nodeOf)), number: json.at_least };
    }
    return newLeaf(json);
}

export function fromJson(json) {
    const node = nodeOf(json);
    return node.group ? node : { ...newGroup("all", [node]), isImplied: true };
}

export function toJson(node) {
    let json = plainJsonOf(node);
    for (let i = 0; i < node.not; i += 1) json = { not: json };
    return json;
}

function isUnwritten(node) {
    return Boolean(node.isImplied) && node.children.length === 1 && node.group !== "none" && !node.not;
}

function plainJsonOf(node) {
    if (!node.group) return node.leaf;
    if (isUnwritten(node)) return toJson(node.children[0]);
    const children = node.children.map(toJson);
    return node.group === "at_least" ? { at_least: node.number, of: children } : { [node.group]: children };
}

// Every node with its path as the server writes it, and its number as people read it: 2.1 is the first of the second.
export function places(root) {
    const found = [];
    function visit(node, path, number) {
        const at = path + ".not".repeat(node.not);
        found.push({ id: node.id, path, inner: at, number });
        if (!node.group) return;
        const name = node.group === "at_least" ? "of" : node.group;
        node.children.forEach((child, index) => {
            const below = isUnwritten(node) ? at : `${at}.${name}[${index}]`;
            visit(child, below, number ? `${number}.${index + 1}` : `${index + 1}`);
        });
    }
    visit(root, "rule", "");
    return found;
}

// The node that a path of the server is about: the deepest one that the path begins with.
export function nodeAt(root, path) {
    let best = null;
    for (const place of places(root)) {
        const isWithin = path === place.path || path.startsWith(`${place.path}.`) || path.startsWith(`${place.path}[`);
        if (isWithin && (!best || place.path.length >= best.path.length)) best = place;
    }
    return best;
}

export function find(root, id, parent = null) {
    if (root.id === id) return { node: root, parent, index: parent ? parent.children.indexOf(root) : 0 };
    for (const child of root.children || []) {
        const found = find(child, id, root);
        if (found) return found;
    }
    return null;
}

// The groups around a node, the outermost first.
export function around(root, id) {
    const { parent } = find(root, id);
    return parent ? [...around(root, parent.id), parent] : [];
}

// The tree with every group around a node open, so that it can be seen.
export function shown(root, id) {
    return around(root, id).reduce((tree, { id: group }) => change(tree, group, (node) => (
        node.isCollapsed ? { ...node, isCollapsed: false } : node)), root);
}

export function leaves(root) {
    return root.group ? root.children.flatMap(leaves) : [root];
}

export function change(root, id, changed) {
    if (root.id === id) return changed(root);
    if (!root.group) return root;
    const children = root.children.map((child) => change(child, id, changed));
    return children.every((child, index) => child === root.children[index]) ? root : { ...root, children };
}

export function put(root, parentId, index, node) {
    return change(root, parentId, (group) => ({ ...group, children: group.children.toSpliced(index, 0, node) }));
}

export function remove(root, id) {
    const { parent, index } = find(root, id);
    return change(root, parent.id, (group) => ({ ...group, children: group.children.toSpliced(index, 1) }));
}

export function copyOf(node) {
    const copy = { ...node, id: newId() };
    return node.group ? { ...copy, children: node.children.map(copyOf) } : { ...copy, leaf: structuredClone(node.leaf) };
}

// One step up, down, into the group beside it (or a new one of its own), or out of its group. The root stays.
export function move(root, id, way) {
    const { node, parent, index } = find(root, id);
    if (!parent) return root;
    if (way === "up" || way === "down") {
        const to = index + (way === "up" ? -1 : 1);
        return to < 0 || to >= parent.children.length ? root : put(remove(root, id), parent.id, to, node);
    }
    if (way === "out") {
        const above = find(root, parent.id);
        return above.parent ? put(remove(root, id), above.parent.id, above.index + 1, node) : root;
    }
    const [before, after] = [parent.children[index - 1], parent.children[index + 1]];
    if (before && before.group) return put(remove(root, id), before.id, before.children.length, node);
    if (after && after.group) return put(remove(root, id), after.id, 0, node);
    return change(root, parent.id, (group) => ({
        ...group, children: group.children.toSpliced(index, 1, newGroup("any", [node])),
    }));
}
