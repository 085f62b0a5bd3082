// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the owner may want of a plug-in: roll back, pin, release. Each is asked back in its place before it is done, so that
// neither a slip of the hand nor of the keyboard changes what the shop works with.
import {ask_plugin} from "./api.js";
import {element, set_text} from "./dom.js";

const k_wishes = {
    rollback: {
        label: "Roll back", doing: "Rolling back…", done: (plugin) => `Version ${plugin.version} runs again.`,
        question: (plugin) => `Return to version ${plugin.last_good || "that came with the box"}? Version ${plugin.version} is put away and not tried again.`,
    },
    pin: {
        label: "Pin", doing: "Pinning…", done: () => "Pinned.",
        question: (plugin) => `Keep version ${plugin.version}, whatever updates bring?`,
    },
    unpin: {
        label: "Unpin", doing: "Unpinning…", done: () => "Updates may change it again.",
        question: () => "Let updates change this plug-in again?",
    },
    release: {
        label: "Release", doing: "Releasing…", done: () => "Released.",
        question: (plugin) => plugin.quarantined ? `Forget its crashes and try version ${plugin.quarantined} again?`
            : "Forget its crashes and let it run again?",
    },
};

function offered(wish, plugin) {
    if (wish === "rollback") return Boolean(plugin.can_roll_back);
    if (wish === "release") return Boolean(plugin.can_release);
    return Boolean(plugin.update_state) && Boolean(plugin.pinned) === (wish === "unpin");
}

let questions = 0;

export class Wishes {
    constructor() {
        this.plugin = {};
        this.asking = "";
        this.busy = false;
        this.buttons = Object.entries(k_wishes).map(([wish, {label}]) => {
            const button = element("button", {type: "button"}, label);
            button.dataset.wish = wish;
            button.addEventListener("click", () => this.ask(wish));
            return button;
        });
        this.row = element("div", {class: "wishes"}, ...this.buttons);
        this.question = element("p", {id: `question-${++questions}`});
        this.yes = element("button", {type: "button", class: "strong"});
        this.no = element("button", {type: "button"}, "Cancel");
        this.confirm = element("div", {class: "confirm", role: "group", "aria-labelledby": this.question.id},
            this.question, element("div", {class: "wishes"}, this.yes, this.no));
        this.message = element("p", {role: "status"});
        this.error = element("p", {class: "error", role: "alert"});
        this.node = element("div", {tabindex: "-1"}, this.row, this.confirm, this.message, this.error);
        this.yes.addEventListener("click", () => this.perform());
        this.no.addEventListener("click", () => this.cancel());
        this.confirm.addEventListener("keydown", (event) => { if (event.key === "Escape") this.cancel(); });
        this.draw();
    }

    show(plugin, live) {
        this.plugin = plugin;
        this.live = live;
        // What is no longer possible is no longer asked.
        if (this.asking && !this.busy && (!live || !offered(this.asking, plugin))) this.cancel();
        this.draw();
    }

    draw() {
        for (const button of this.buttons) {
            button.hidden = !offered(button.dataset.wish, this.plugin);
            button.disabled = !this.live;
            button.setAttribute("aria-label", `${button.textContent} ${this.plugin.name ?? ""}`.trim());
        }
        const any = this.buttons.some((button) => !button.hidden);
        this.row.hidden = Boolean(this.asking) || this.busy || !any;
        this.confirm.hidden = !this.asking || this.busy;
        this.message.hidden = !this.message.textContent;
        this.node.hidden = this.row.hidden && this.confirm.hidden && this.message.hidden && !this.error.textContent;
    }

    ask(wish) {
        this.asking = wish;
        set_text(this.message, "");
        set_text(this.error, "");
        set_text(this.question, k_wishes[wish].question(this.plugin));
        set_text(this.yes, k_wishes[wish].label);
        this.draw();
        this.no.focus();  // the harmless one: a key that was pressed twice changes nothing
    }

    cancel() {
        const wish = this.asking, inside = this.confirm.contains(document.activeElement);
        this.asking = "";
        this.draw();
        if (inside) this.focus_on(wish);
    }

    focus_on(wish) {
        const button = this.buttons.find((each) => each.dataset.wish === wish && !each.hidden);
        (button ?? this.buttons.find((each) => !each.hidden) ?? this.node).focus();
    }

    async perform() {
        const wish = this.asking;
        this.busy = true;
        set_text(this.message, k_wishes[wish].doing);
        this.draw();
        this.node.focus();
        try {
            const now = await ask_plugin(this.plugin.name, wish);
            set_text(this.message, k_wishes[wish].done({...this.plugin, ...now}));
        } catch (error) {
            set_text(this.message, "");
            set_text(this.error, error.name === "TimeoutError" ? "The box has not answered in time." : error.message);
        }
        this.busy = false;
        this.asking = "";
        this.draw();
        if (this.node === document.activeElement) this.focus_on(wish);
    }
}
