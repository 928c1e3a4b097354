// Undo and redo by their buttons and keys, of whatever a store keeps.

// The keys are heard below `keys`, unless `isElsewhere` says that the pressed place has an undo of its own.
export function startUndo(box, store, keys, isElsewhere) {
    const [undo, redo] = ["undo", "redo"].map((name) => box.querySelector(`[data-do=${name}]`));
    const update = () => {
        undo.disabled = !store.canUndo;
        redo.disabled = !store.canRedo;
    };
    undo.addEventListener("click", () => store.undo());
    redo.addEventListener("click", () => store.redo());
    keys.addEventListener("keydown", (event) => {
        if (!(event.ctrlKey || event.metaKey) || event.altKey || isElsewhere(event.target)) return;
        const key = event.key.toLowerCase();
        if (key !== "z" && key !== "y") return;
        event.preventDefault();
        if (key === "y" || event.shiftKey) store.redo();
        else store.undo();
    });
    store.listen(update);
    update();
}
