// What is being edited, and every step of it: undo and redo go through whole trees, which share what did not change.

const MOST = 200;

export function newStore(root) {
    const past = [];
    const future = [];
    const listeners = [];
    let now = root;
    let typedAt = "";

    function tell(news) {
        listeners.forEach((listener) => listener(news));
    }

    return {
        get root() { return now; },
        get canUndo() { return past.length > 0; },
        get canRedo() { return future.length > 0; },
        listen(listener) { listeners.push(listener); },

        // `typed` names the control that is being typed in: its letters are one step, and it keeps its cursor.
        change(next, { typed = "", focus = "" } = {}) {
            if (next === now) return;
            if (!typed || typed !== typedAt) {
                past.push(now);
                if (past.length > MOST) past.shift();
            }
            typedAt = typed;
            future.length = 0;
            now = next;
            tell({ isTyped: Boolean(typed), typed, focus });
        },

        // Collapsing is no step of its own.
        show(next, focus = "") {
            now = next;
            tell({ isTyped: false, isLook: true, focus });
        },

        undo() {
            if (!past.length) return;
            future.push(now);
            now = past.pop();
            typedAt = "";
            tell({ isTyped: false, focus: "" });
        },

        redo() {
            if (!future.length) return;
            past.push(now);
            now = future.pop();
            typedAt = "";
            tell({ isTyped: false, focus: "" });
        },
    };
}
