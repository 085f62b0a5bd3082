// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The log: what was logged, how much of it, and whether Odoo gets it. Nothing of it is fetched before somebody opens it, and
// nothing any more once it is closed.
import {ask_odoo, fetch_levels, fetch_log, has_route, said, set_level} from "./api.js";
import {arrange, element, set_text} from "./dom.js";
import {plural} from "./words.js";

const k_most_lines = 2000;   // older ones are in the file
const k_wait_s = 20;
const k_pause_ms = 3000;     // after a failure

class LevelLine {
    constructor(component, available, change) {
        const name = component || "Everything else";
        this.select = element("select", {"aria-label": `Level of ${name}`}, element("option", {value: ""}),
            ...available.map((level) => element("option", {value: level}, level)));
        this.select.dataset.component = component;
        this.select.addEventListener("change", () => change(component, this.select.value || null));
        this.until = element("span", {class: "quiet"});
        this.node = element("li", {class: "step"}, element("bdi", {dir: "auto"}, name), " ", this.select, " ", this.until);
    }

    show({level, configured, until}) {
        set_text(this.select.options[0], `as configured${configured ? `: ${configured}` : ""}`);
        this.select.value = until ? level : "";
        set_text(this.until, until ? `until ${new Date(until * 1000).toLocaleString()}` : "");
    }
}

export class LogsView {
    constructor(by_id, changed) {
        this.by_id = by_id;
        this.lines = new Map();
        this.records = [];
        by_id("log-view").addEventListener("toggle", () => { if (by_id("log-view").open) this.follow(); });
        by_id("log-levels").addEventListener("toggle", () => { if (by_id("log-levels").open) this.fetch_levels(); });
        by_id("log-level").addEventListener("change", () => this.follow());
        by_id("log-words").addEventListener("input", () => this.draw());
        by_id("log-send").addEventListener("change", () => this.send(changed));
        this.fetch_levels();
        has_route("/api/v1/support-bundle").then((there) => { by_id("log-bundle").hidden = !there; });
    }

    show(odoo, live) {
        const {by_id} = this;
        by_id("log-sending").hidden = !odoo?.logs;
        if (odoo?.logs && !this.sending) by_id("log-send").checked = odoo.logs.on;
        by_id("log-send").disabled = !live;
        for (const {select} of this.lines.values()) select.disabled = !live;
    }

    async send(changed) {
        this.sending = true;
        try {
            changed(await ask_odoo("logs", {on: this.by_id("log-send").checked}));
            set_text(this.by_id("log-level-error"), "");
        } catch (error) {
            set_text(this.by_id("log-level-error"), said(error));
        }
        this.sending = false;
    }

    async fetch_levels() {
        try { this.show_levels(await fetch_levels()); } catch { /* the page says that the box is away */ }
    }

    async change(component, level) {
        set_text(this.by_id("log-level-error"), "");
        try {
            this.show_levels(await set_level(component, level));
        } catch (error) {
            set_text(this.by_id("log-level-error"), said(error));
            this.fetch_levels();
        }
    }

    show_levels(answer) {
        this.by_id("log-levels").hidden = !answer;
        if (!answer) return;
        const levels = answer.levels ?? [];
        const names = new Set(levels.map(({component}) => component));
        for (const old of this.lines.keys()) if (!names.has(old)) this.lines.delete(old);
        arrange(this.by_id("log-level-list"), levels.map((each) => {
            if (!this.lines.has(each.component))
                this.lines.set(each.component, new LevelLine(each.component, answer.available ?? [], (...wish) => this.change(...wish)));
            const line = this.lines.get(each.component);
            line.show(each);
            return line.node;
        }));
    }

    /** Begins anew with the level that is chosen, and goes on until the view is closed or another one has begun. */
    async follow() {
        const {by_id} = this, turn = this.turn = (this.turn ?? 0) + 1;
        const wanted = () => turn === this.turn && by_id("log-view").open;
        this.records = [];
        let after = 0, wait = 0;
        while (wanted()) {
            try {
                const {records = [], last_seq = after} = await fetch_log(after, by_id("log-level").value, wait);
                if (!wanted()) return;
                // A smaller number means that the box has started anew.
                if (last_seq < after) this.records = [];
                after = last_seq;
                wait = k_wait_s;
                this.records = this.records.concat(records).slice(-k_most_lines);
                if (records.length || !this.drawn) this.draw();
            } catch (error) {
                if (!wanted()) return;
                set_text(by_id("log-summary"), said(error));
                after = wait = 0;
                await new Promise((resolve) => setTimeout(resolve, k_pause_ms));
            }
        }
    }

    draw() {
        this.drawn = true;
        const words = this.by_id("log-words").value.toLowerCase().split(/\s+/).filter(Boolean);
        const fitting = this.records.filter((record) => {
            const text = `${record.component} ${record.text}`.toLowerCase();
            return words.every((word) => text.includes(word));
        });
        this.by_id("log-lines").replaceChildren(...fitting.reverse().map(({time, level, component, text}) =>
            element("li", {class: `log-${level}`},
                element("time", {}, new Date(time * 1000).toLocaleString()), ` ${level} `, element("strong", {}, component), " ",
                element("bdi", {dir: "auto"}, text))));
        set_text(this.by_id("log-summary"), `${plural(fitting.length, "line", "lines")}${words.length ? ` of ${this.records.length}` : ""}`);
    }
}
