// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The card "Odoo": whether the box is paired and with whom, the code to pair it, and how the connection stands; and the
// requests of the server that wait for the owner.
import {ask_odoo, fetch_status, restart_box, said} from "./api.js";
import {WishDialog} from "./dialogs.js";
import {arrange, element, set_text} from "./dom.js";
import {certificate_facts, duration, odoo_facts, odoo_state} from "./words.js";

const k_look_ms = 750;            // for a box that restarts
const k_restart_most_ms = 60000;

class Confirmation {
    constructor(id, changed) {
        this.text = element("bdi", {dir: "auto"});
        this.error = element("p", {class: "error", role: "alert"});
        const button = (label, allow) => {
            const node = element("button", {type: "button"}, label);
            node.dataset.allow = allow;
            node.addEventListener("click", () => this.answer(id, allow, changed));
            return node;
        };
        this.node = element("section", {class: "banner standing", "aria-label": "A request of the server"},
            element("p", {role: "alert"}, this.text),
            element("div", {class: "wishes"}, button("Allow", true), button("Deny", false)), this.error);
    }

    async answer(id, allow, changed) {
        set_text(this.error, "");
        try {
            changed(await ask_odoo(`confirmations/${encodeURIComponent(id)}`, {allow}));
        } catch (error) {
            set_text(this.error, said(error));
        }
    }
}

export class OdooView {
    /** `changed` gets the state after a wish. */
    constructor(by_id, changed) {
        this.by_id = by_id;
        this.changed = changed;
        this.confirmations = new Map();
        this.shown = {};
        const on = (id, work) => by_id(id).addEventListener("click", work);

        const token = by_id("connect-token");
        this.connect = new WishDialog(by_id("connect-dialog"), {perform: async () => {
            await ask_odoo("pair", {token: token.value});
            token.value = "";
            this.done("This box is connected to your database now.");
        }});
        on("odoo-connect", () => this.connect.open());
        by_id("connect-dialog").addEventListener("close", () => { token.value = ""; });  // a secret
        // Enter sends; a token has no lines.
        token.addEventListener("keydown", (event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            this.connect.go();
        });

        this.disconnect = new WishDialog(by_id("disconnect-dialog"), {perform: async () => {
            changed(await ask_odoo("unpair"));
            this.done("This box belongs to no database any more.");
        }});
        on("odoo-disconnect", () => this.disconnect.open());

        const uuid = by_id("certificate-uuid"), contract = by_id("certificate-contract");
        this.certificate = new WishDialog(by_id("certificate-dialog"), {stay: true, perform: async () => {
            changed(await ask_odoo("credentials", {db_uuid: uuid.value, enterprise_code: contract.value}));
            set_text(by_id("certificate-message"), uuid.value ? "Saved." : "Forgotten.");
            uuid.value = contract.value = "";
        }});
        on("odoo-certificate", () => {
            set_text(by_id("certificate-message"), "");
            this.certificate.open();
        });
        on("certificate-check", () => this.certificate.go(async () => {
            set_text(by_id("certificate-message"), "Being checked…");
            try {
                changed(await ask_odoo("certificate/check"));
                set_text(by_id("certificate-message"), "Checked.");
            } catch (error) {
                set_text(by_id("certificate-message"), "");
                throw error;
            }
        }));

        this.restart = new WishDialog(by_id("restart-dialog"), {stay: true, perform: () => this.restart_and_wait()});
        on("odoo-restart", () => this.restart.open());
        on("odoo-new-code", () => this.new_code());
        setInterval(() => this.show_time_left(), 1000);
    }

    done(text) {
        set_text(this.by_id("odoo-error"), "");
        set_text(this.by_id("odoo-message"), text);
    }

    async new_code() {
        this.done("");
        try {
            this.changed(await ask_odoo("code"));
        } catch (error) {
            set_text(this.by_id("odoo-error"), said(error));
        }
    }

    async restart_and_wait() {
        const before = (await fetch_status()).started_at;
        await restart_box();
        const {by_id} = this;
        set_text(by_id("restart-title"), "The box restarts…");
        set_text(by_id("restart-text"), "This page comes back by itself as soon as the box is there again.");
        by_id("restart-dialog").querySelector(".wishes").hidden = true;
        // Escape would close it: there is nothing to go back to before the box is there.
        let waiting = true;
        by_id("restart-dialog").addEventListener("close", () => { if (waiting) by_id("restart-dialog").showModal(); });
        const until = performance.now() + k_restart_most_ms;
        while (performance.now() < until) {
            await new Promise((resolve) => setTimeout(resolve, k_look_ms));
            try {
                if ((await fetch_status()).started_at !== before) return location.reload();
            } catch { /* not yet */ }
        }
        waiting = false;
        by_id("restart-dialog").querySelector(".wishes").hidden = false;
        throw new Error("The box has not come back within a minute. Check that it has power and is in your network.");
    }

    /** `clock_ahead`: of the box before this browser, in seconds. */
    show(odoo, live, clock_ahead) {
        const {by_id} = this;
        by_id("odoo").hidden = !odoo;
        if (!odoo) return;
        this.odoo = odoo;
        this.clock_ahead = clock_ahead;
        const state = odoo_state(odoo);
        set_text(by_id("odoo-headline"), state.headline);
        by_id("odoo-state").dataset.tone = live ? state.tone : "wait";
        set_text(by_id("odoo-state-text"), live ? state.text : "Unknown");
        set_text(by_id("odoo-reason"), state.reason ?? "");
        by_id("odoo-reason-line").hidden = !state.reason;
        const code = !state.paired && odoo.pairing.state === "code" ? odoo.pairing.code : "";
        by_id("odoo-code-box").hidden = !code;
        set_text(by_id("odoo-code"), code);
        this.show_time_left();
        this.list("odoo-facts", odoo_facts(odoo));
        by_id("odoo-new-code").hidden = state.paired || odoo.pairing.state === "off";
        by_id("odoo-disconnect").hidden = !state.paired;
        set_text(by_id("odoo-connect"), state.paired ? "Connect to another database…" : "Connect by token…");
        for (const id of ["connect", "new-code", "disconnect", "certificate", "restart"]) by_id(`odoo-${id}`).disabled = !live;
        set_text(by_id("disconnect-text"), `${odoo.server.url} can no longer use the devices of this box, and what waits for it is thrown away. To connect again you need a new code or token.`);

        this.list("certificate-facts", certificate_facts(odoo.certificate));
        by_id("certificate-trouble").hidden = !odoo.certificate.code;
        set_text(by_id("certificate-code"), odoo.certificate.code);
        set_text(by_id("certificate-text"), odoo.certificate.text);
        this.show_confirmations(odoo.confirmations ?? []);
    }

    show_time_left() {
        const {pairing} = this.odoo ?? {};
        const left = pairing?.code_until ? pairing.code_until - Date.now() / 1000 - this.clock_ahead : 0;
        set_text(this.by_id("odoo-code-left"), left > 0 ? `Good for another ${duration(left)}.` : "");
    }

    show_confirmations(confirmations) {
        const ids = new Set(confirmations.map(({id}) => id));
        for (const old of this.confirmations.keys()) if (!ids.has(old)) this.confirmations.delete(old);
        arrange(this.by_id("confirmations"), confirmations.map(({id, text}) => {
            if (!this.confirmations.has(id)) this.confirmations.set(id, new Confirmation(id, this.changed));
            const banner = this.confirmations.get(id);
            set_text(banner.text, String(text));
            return banner.node;
        }));
    }

    list(id, rows) {
        const filled = rows.filter(([, text]) => text);
        const key = JSON.stringify(filled);
        if (this.shown[id] === key) return;
        this.shown[id] = key;
        this.by_id(id).replaceChildren(...filled.flatMap(([name, text]) =>
            [element("dt", {}, name), element("dd", {}, element("bdi", {dir: "auto"}, String(text)))]));
    }
}
