// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A dialog with one wish: what it is about, a button that does it, and the reason when it could not be done. The browser
// keeps the focus inside and gives it back; Escape closes.
import {said} from "./api.js";
import {set_text} from "./dom.js";

export class WishDialog {
    /** `perform` does it and may throw; `stay` keeps the dialog open afterwards. */
    constructor(node, {perform, stay = false}) {
        Object.assign(this, {node, perform, stay});
        this.error = node.querySelector("[role=alert]");
        this.submit = node.querySelector("[type=submit]");
        node.querySelector("[data-close]").addEventListener("click", () => node.close());
        node.querySelector("form").addEventListener("submit", (event) => {
            event.preventDefault();
            this.go();
        });
    }

    open() {
        set_text(this.error, "");
        this.submit.disabled = false;
        this.node.showModal();
    }

    async go(work = this.perform) {
        if (this.busy) return;
        this.busy = true;
        set_text(this.error, "");
        try {
            await work();
            if (!this.stay) this.node.close();
        } catch (error) {
            set_text(this.error, said(error));
        }
        this.busy = false;
    }
}
