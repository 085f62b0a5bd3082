// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The update of the drivers while it goes on, and how the last one ended. Only the phase is said aloud by screen readers;
// bytes are in the progress bar, which they read when they are asked to.
import {force_update} from "./api.js";
import {arrange, element, set_text} from "./dom.js";
import {received_bytes, step_state, step_title, update_words} from "./words.js";

class StepLine {
    constructor() {
        this.title = element("bdi", {dir: "auto"});
        this.state_text = element("span");
        this.state = element("span", {class: "pill"}, element("span", {class: "mark", "aria-hidden": "true"}), this.state_text);
        this.text = element("bdi", {dir: "auto"});
        this.node = element("li", {class: "step"}, element("strong", {}, this.title), " ", this.state, " ",
            element("span", {class: "quiet"}, this.text));
    }

    show(step) {
        const state = step_state(step.state);
        set_text(this.title, step_title(step));
        this.state.dataset.tone = state.tone;
        set_text(this.state_text, state.text);
        set_text(this.text, step.text ?? "");
    }
}

export class UpdatesView {
    /** `changed` gets the report of an update that was begun here. */
    constructor(by_id, changed) {
        for (const part of ["", "-contact", "-force", "-now", "-state", "-state-text", "-text", "-download", "-bar", "-bytes", "-steps", "-error"])
            this[`node${part.replaceAll("-", "_")}`] = by_id(`updates${part}`);
        this.lines = new Map();
        this.node_force.addEventListener("click", () => this.force(changed));
    }

    async force(changed) {
        if (this.node_force.getAttribute("aria-disabled") === "true") return;
        this.asked = true;
        set_text(this.node_error, "");
        try {
            changed(await force_update());
        } catch (error) {
            set_text(this.node_error, error.name === "TimeoutError" ? "The box has not answered in time." : error.message);
        }
        this.asked = false;
    }

    show(report, live) {
        this.node.hidden = !report;
        if (!report) return;
        const words = update_words(report);
        set_text(this.node_contact, !live ? "As it was when the connection was lost."
            : report.last_contact ? `The server was last reached ${new Date(report.last_contact * 1000).toLocaleString()}.`
            : "The server has not been reached yet.");
        // Not "disabled": that would take the focus away from who has just pressed it.
        this.node_force.setAttribute("aria-disabled", String(!live || Boolean(words?.running)));
        this.node_now.hidden = !words;
        if (words) {
            this.node_state.dataset.tone = words.tone;
            set_text(this.node_state_text, words.text);
            set_text(this.node_text, words.more);
        }
        const downloading = report.phase === "downloading";
        this.node_download.hidden = !downloading;
        if (downloading) {
            const bytes = received_bytes(report);
            if (report.expected > 0) {
                this.node_bar.max = report.expected;
                this.node_bar.value = Math.min(report.received ?? 0, report.expected);
            } else {
                this.node_bar.removeAttribute("value");
            }
            set_text(this.node_bytes, bytes);
            this.node_bar.setAttribute("aria-valuetext", bytes || "Nothing yet");
        }
        this.steps(report.steps ?? []);
    }

    steps(steps) {
        const names = new Set(steps.map((step) => step.plugin));
        for (const old of this.lines.keys()) if (!names.has(old)) this.lines.delete(old);
        arrange(this.node_steps, [...names].map((name) => {
            if (!this.lines.has(name)) this.lines.set(name, new StepLine());
            const line = this.lines.get(name);
            line.show(steps.findLast((step) => step.plugin === name));
            return line.node;
        }));
        this.node_steps.hidden = steps.length === 0;
    }
}
