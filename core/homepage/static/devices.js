// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The cards of the devices, grouped by type. A card lives as long as its device and is changed in place: live values come
// many times a second, and neither the focus nor an opened detail may suffer from that.
import {arrange, element, set_text} from "./dom.js";
import {device_state, live_value, plural, type_order, type_title} from "./words.js";

class DeviceCard {
    constructor() {
        this.name = element("bdi", {dir: "auto"});
        this.state_text = element("span");
        this.state = element("p", {class: "pill"}, element("span", {class: "mark", "aria-hidden": "true"}), this.state_text);
        this.number = element("bdi");
        this.unit = element("span", {class: "unit"});
        this.value = element("p", {class: "value"}, this.number, " ", this.unit);
        this.note_text = element("bdi", {dir: "auto"});
        this.note = element("p", {}, this.note_text);
        this.reason_text = element("bdi", {dir: "auto"});
        this.reason = element("p", {class: "quiet"}, this.reason_text);
        this.facts = element("dl", {class: "facts"});
        this.more = element("dl", {class: "facts"});
        this.node = element("li", {class: "card"},
            element("header", {}, element("h4", {}, this.name), this.state),
            this.value, this.note, this.reason, this.facts,
            element("details", {}, element("summary", {}, "More about this device"), this.more));
        this.shown = {facts: "", more: ""};
    }

    show(device, live) {
        const state = device_state(device.state);
        const value = live ? live_value(device) : {value: "—", kind: "none", note: "Not live: the connection is lost."};
        set_text(this.name, device.name || device.identifier);
        this.state.dataset.tone = live ? state.tone : "wait";
        set_text(this.state_text, live ? state.text : "Unknown");
        this.value.className = "value" + (value.kind === "number" ? "" : ` words${value.kind === "none" ? " none" : ""}`);
        set_text(this.number, value.value);
        set_text(this.unit, value.unit ?? "");
        set_text(this.note_text, value.note ?? "");
        set_text(this.reason_text, device.reason ?? "");
        this.note.hidden = !value.note;
        this.reason.hidden = !device.reason || !live;
        const driver = [device.driver, device.driver_version].filter(Boolean).join(" ");
        this.list("facts", [["Driver", driver || "none"]]);
        this.list("more", [
            ["Maker", device.manufacturer], ["Model", device.model], ["Kind", device.subtype],
            ["Connection", device.connection], ["Address", device.address], ["Identifier", device.identifier],
            ["Found by", device.interface],
        ]);
    }

    list(which, rows) {
        const filled = rows.filter(([, text]) => text);
        const key = JSON.stringify(filled);
        if (this.shown[which] === key) return;
        this.shown[which] = key;
        this[which].replaceChildren(...filled.flatMap(([name, text]) =>
            [element("dt", {}, name), element("dd", {}, element("bdi", {dir: "auto"}, text))]));
    }
}

export class DevicesView {
    constructor(root, summary) {
        Object.assign(this, {root, summary});
        this.cards = new Map();
        this.groups = new Map();
    }

    show(devices, live) {
        for (const identifier of this.cards.keys()) if (!devices.has(identifier)) this.cards.delete(identifier);
        const by_type = new Map();
        for (const device of devices.values()) {
            if (!this.cards.has(device.identifier)) this.cards.set(device.identifier, new DeviceCard());
            const card = this.cards.get(device.identifier);
            card.show(device, live);
            const type = device.type || "unsupported";
            if (!by_type.has(type)) by_type.set(type, []);
            by_type.get(type).push(card.node);
        }
        const types = [...by_type.keys()].sort((a, b) => type_order(a) - type_order(b) || a.localeCompare(b));
        for (const type of this.groups.keys()) if (!by_type.has(type)) this.groups.delete(type);
        arrange(this.root, types.map((type) => {
            if (!this.groups.has(type)) {
                const title = element("h3"), list = element("ul", {class: "grid plain"});
                this.groups.set(type, {title, list, node: element("div", {}, title, list)});
            }
            const group = this.groups.get(type);
            set_text(group.title, `${type_title(type)} (${by_type.get(type).length})`);
            arrange(group.list, by_type.get(type));
            return group.node;
        }));
        const ready = [...devices.values()].filter((device) => device.state === "ready").length;
        set_text(this.summary, !live ? "Not live: the connection to the box is lost."
            : devices.size ? `${ready} of ${plural(devices.size, "device", "devices")} ready`
            : "No device yet. Plug one in: it appears here by itself.");
    }
}
