// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The list of plug-ins. What the box has refused stays in it, with the reason: a driver that is missing without a word is
// what costs support an afternoon.
import {arrange, element, set_text} from "./dom.js";
import {Wishes} from "./wishes.js";
import {plugin_state, plural, update_state} from "./words.js";

class PluginCard {
    constructor() {
        this.title = element("bdi", {dir: "auto"});
        this.state_text = element("span");
        this.state = element("p", {class: "pill"}, element("span", {class: "mark", "aria-hidden": "true"}), this.state_text);
        this.line = element("p", {class: "quiet"});
        this.reason_text = element("bdi", {dir: "auto"});
        this.reason = element("p", {}, this.reason_text);
        this.facts = element("dl", {class: "facts"});
        this.shown_facts = "";
        this.wishes = new Wishes();
        this.node = element("li", {class: "card"},
            element("header", {}, element("h3", {}, this.title), this.state), this.line, this.reason, this.facts,
            this.wishes.node);
    }

    show(plugin, live) {
        const state = plugin_state(plugin.state);
        this.state.dataset.tone = state.tone;
        set_text(this.state_text, state.text);
        set_text(this.title, plugin.title || plugin.name || plugin.path || "Unknown file");
        const parts = [plugin.kind, plugin.name, plugin.vendor].filter(Boolean);
        if (plugin.instances) parts.push(plugin.kind === "driver" ? plural(plugin.instances, "device", "devices") : "active");
        if (plugin.crashes) parts.push(plural(plugin.crashes, "crash", "crashes"));
        set_text(this.line, parts.join(" · "));
        set_text(this.reason_text, plugin.reason ?? "");
        this.reason.hidden = !plugin.reason;
        const put_away = [plugin.quarantined, plugin.quarantined_reason].filter(Boolean).join(": ");
        this.list([
            ["Version", plugin.version], ["From", plugin.source], ["Signed by", plugin.signer],
            ["Update", update_state(plugin.update_state)],
            // Said once: a plug-in that must not run has its reason above.
            ["Why", plugin.update_reason === plugin.reason ? "" : plugin.update_reason],
            ["Last good", plugin.last_good], ["Put away", put_away],
        ]);
        this.wishes.show(plugin, live);
    }

    list(rows) {
        const filled = rows.filter(([, text]) => text);
        const key = JSON.stringify(filled);
        if (this.shown_facts === key) return;
        this.shown_facts = key;
        this.facts.replaceChildren(...filled.flatMap(([name, text]) =>
            [element("dt", {}, name), element("dd", {}, element("bdi", {dir: "auto"}, String(text)))]));
    }
}

export class PluginsView {
    constructor(root, summary) {
        Object.assign(this, {root, summary});
        this.cards = new Map();
    }

    show(plugins, live) {
        // A plug-in keeps its card over a swap, and the question that is being asked in it.
        const key = (plugin) => plugin.state === "refused" ? `refused ${plugin.path}` : `plug-in ${plugin.name || plugin.path}`;
        const keys = new Set(plugins.map(key));
        for (const old of this.cards.keys()) if (!keys.has(old)) this.cards.delete(old);
        // Trouble first; otherwise in the box's order.
        const sorted = [...plugins].sort((a, b) => trouble(b) - trouble(a));
        arrange(this.root, [...new Set(sorted.map((plugin) => {
            if (!this.cards.has(key(plugin))) this.cards.set(key(plugin), new PluginCard());
            const card = this.cards.get(key(plugin));
            card.show(plugin, live);
            return card.node;
        }))]);
        const bad = plugins.filter((plugin) => trouble(plugin)).length;
        set_text(this.summary, !live ? "As they were when the connection was lost." : plugins.length ? plural(plugins.length, "plug-in", "plug-ins") + (bad ? `, ${bad} with trouble` : "")
                                              : "No plug-in is installed: the box can find no devices.");
    }
}

const trouble = (plugin) => plugin_state(plugin.state).tone === "bad" || plugin.update_state === "disabled" ? 1 : 0;
