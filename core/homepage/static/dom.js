// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The two ways in which this page touches the document. What comes from the box goes in as text, never as markup: names of
// devices are written by devices and by people, and must not be able to run anything here.

/** An element with attributes and children; strings become text nodes. */
export function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === true) node.setAttribute(name, "");
        else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
    }
    node.append(...children);
    return node;
}

/** Sets a text only when it has changed: an unchanged live region stays silent, a selection stays where it is. */
export function set_text(node, text) {
    if (node.textContent !== text) node.textContent = text;
}

/** Brings `parent`'s children into the order of `wanted` and moves only what stands elsewhere, so that the focus stays. */
export function arrange(parent, wanted) {
    const keep = new Set(wanted);
    for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
    wanted.forEach((child, place) => {
        if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
    });
}
