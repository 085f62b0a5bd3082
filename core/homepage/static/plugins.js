// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The list of plug-ins. What the box has refused stays in it, with the reason: a driver that is missing without a word is
// what costs support an afternoon.
import {arrange, element, set_text} from "./dom.js";
import {plugin_state, plural} from "./words.js";

class PluginCard {
    constructor() {
        this.title = element("bdi", {dir: "auto"});
        this.state_text = element("span");
        this.state = element("p", {class: "pill"}, element("span", {class: "mark", "aria-hidden": "true"}), this.state_text);
        this.line = element("p", {class: "quiet"});
        this.reason_text = element("bdi", {dir: "auto"});
        this.reason = element("p", {}, this.reason_text);
        this.node = element("li", {class: "card"},
            element("header", {}, element("h3", {}, this.title), this.state), this.line, this.reason);
    }

    show(plugin) {
        const state = plugin_state(plugin.state);
        this.state.dataset.tone = state.tone;
        set_text(this.state_text, state.text);
        set_text(this.title, plugin.title || plugin.name || plugin.path || "Unknown file");
        const parts = [plugin.kind, plugin.name, plugin.version, plugin.vendor].filter(Boolean);
        if (plugin.instances) parts.push(plugin.kind === "driver" ? plural(plugin.instances, "device", "devices") : "active");
        if (plugin.crashes) parts.push(plural(plugin.crashes, "crash", "crashes"));
        set_text(this.line, parts.join(" · "));
        set_text(this.reason_text, plugin.reason ?? "");
        this.reason.hidden = !plugin.reason;
    }
}

export class PluginsView {
    constructor(root, summary) {
        Object.assign(this, {root, summary});
        this.cards = new Map();
    }

    show(plugins, live) {
        const key = (plugin) => `${plugin.id || plugin.path}\n${plugin.version}`;
        const keys = new Set(plugins.map(key));
        for (const old of this.cards.keys()) if (!keys.has(old)) this.cards.delete(old);
        // Trouble first; otherwise in the box's order.
        const sorted = [...plugins].sort((a, b) => trouble(b) - trouble(a));
        arrange(this.root, [...new Set(sorted.map((plugin) => {
            if (!this.cards.has(key(plugin))) this.cards.set(key(plugin), new PluginCard());
            const card = this.cards.get(key(plugin));
            card.show(plugin);
            return card.node;
        }))]);
        const bad = plugins.filter((plugin) => trouble(plugin)).length;
        set_text(this.summary, !live ? "As they were when the connection was lost." : plugins.length ? plural(plugins.length, "plug-in", "plug-ins") + (bad ? `, ${bad} with trouble` : "")
                                              : "No plug-in is installed: the box can find no devices.");
    }
}

const trouble = (plugin) => plugin_state(plugin.state).tone === "bad" ? 1 : 0;
