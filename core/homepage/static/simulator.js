// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The controls of simulated devices. One request per device is under way at a time and later changes replace each other, so
// that a dragged slider never runs ahead of the box.
import {element, set_text} from "./dom.js";
import {simulate} from "./api.js";

const k_prefix = "simulator:";
const k_max_kg = 15;
const k_switches = [
    ["motion", "In motion"], ["net", "Net (tared)"], ["over_capacity", "Too heavy"], ["under_zero", "Below zero"],
    ["not_zeroed", "Cannot find zero"], ["garbage", "Sends garbage"], ["silent", "Switched off"], ["unplugged", "Cable pulled"],
];

class Panel {
    constructor(name) {
        this.name = name;
        this.wanted = null;
        this.busy = false;
        const id = `sim-${++Panel.count}`;
        this.slider = element("input", {type: "range", id, min: 0, max: k_max_kg, step: 0.005, value: 0});
        this.number = element("input", {type: "number", min: 0, max: k_max_kg, step: 0.001, value: "0.000", inputmode: "decimal",
                                        "aria-label": `Weight of ${name} in kilograms`});
        this.error = element("p", {class: "error", role: "alert"});
        this.switches = new Map(k_switches.map(([member, label]) => {
            const box = element("input", {type: "checkbox"});
            box.addEventListener("change", () => this.change({[member]: box.checked}));
            return [member, {box, node: element("label", {class: "check"}, box, element("span", {}, label))}];
        }));
        this.slider.addEventListener("input", () => this.set_weight(this.slider.valueAsNumber, this.number));
        this.number.addEventListener("input", () => this.set_weight(this.number.valueAsNumber, this.slider));
        this.number.addEventListener("change", () => {
            if (this.number.validity.valid && this.number.value !== "") this.number.value = this.number.valueAsNumber.toFixed(3);
        });
        this.node = element("div", {class: "card"},
            element("h3", {}, element("bdi", {dir: "auto"}, name)),
            element("div", {class: "control"}, element("label", {for: id}, "Weight in kg"), this.slider, this.number),
            element("fieldset", {}, element("legend", {}, "Behaviour"),
                element("div", {class: "checks"}, ...[...this.switches.values()].map((entry) => entry.node))),
            this.error);
        this.known = simulate(name, {}).then((state) => {  // changes nothing, answers how the device stands
            if (!this.busy) this.show(state);
            return true;
        }, () => false);
    }

    set_weight(kilograms, other) {
        if (!Number.isFinite(kilograms) || kilograms < 0 || kilograms > k_max_kg) {
            set_text(this.error, `A weight is a number from 0 to ${k_max_kg} kg.`);
            return;
        }
        other.value = other === this.number ? kilograms.toFixed(3) : kilograms;
        this.change({weight_kg: kilograms});
    }

    async change(change) {
        this.wanted = {...this.wanted, ...change};
        if (this.busy) return;
        this.busy = true;
        while (this.wanted) {
            const next = this.wanted;
            this.wanted = null;
            try {
                const state = await simulate(this.name, next);
                set_text(this.error, "");
                if (!this.wanted) this.show(state);
            } catch (error) {
                set_text(this.error, `${this.name} was not changed: ${error.message}`);
            }
        }
        this.busy = false;
    }

    show(state) {
        if (typeof state.weight_kg === "number") {
            for (const input of [this.slider, this.number])
                if (document.activeElement !== input)
                    input.value = input === this.number ? state.weight_kg.toFixed(3) : state.weight_kg;
        }
        for (const [member, {box, node}] of this.switches) {
            if (typeof state[member] === "boolean") box.checked = state[member];
            // A simulator of another kind has other members: only what it knows is offered.
            node.hidden = "weight_kg" in state && !(member in state);
        }
    }
}
Panel.count = 0;

export class SimulatorView {
    constructor(section, root) {
        Object.assign(this, {section, root});
        this.panels = new Map();
        this.present = new Set();  // names in the box's last list
        // A pulled cable removes the device; its panel must outlive it, else nobody could plug it in again.
        for (const name of remembered()) {
            const panel = this.add(name);
            panel.known.then((known) => { if (!known && !this.present.has(name)) this.remove(name); });
        }
    }

    show(devices) {
        this.present = new Set([...devices.values()].filter((device) => device.properties?.simulated === true)
            .map((device) => device.stable_id || device.identifier)
            .map((id) => id.startsWith(k_prefix) ? id.slice(k_prefix.length) : id));
        for (const name of this.present) this.add(name);
        this.section.hidden = this.panels.size === 0;
    }

    add(name) {
        if (this.panels.has(name)) return this.panels.get(name);
        const panel = new Panel(name);
        this.panels.set(name, panel);
        this.root.append(panel.node);
        remember([...this.panels.keys()]);
        return panel;
    }

    remove(name) {
        this.panels.get(name)?.node.remove();
        this.panels.delete(name);
        remember([...this.panels.keys()]);
    }
}

// Storage may be switched off; then a reload forgets a device whose cable is pulled, which is bearable.
function remembered() {
    try {
        const names = JSON.parse(sessionStorage.getItem("simulated") ?? "[]");
        return Array.isArray(names) ? names.filter((name) => typeof name === "string").slice(0, 32) : [];
    } catch { return []; }
}
function remember(names) {
    try { sessionStorage.setItem("simulated", JSON.stringify(names)); } catch { /* see above */ }
}
