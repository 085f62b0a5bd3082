// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Wires the page: what the box says goes into one model, and the model is drawn at most once per frame.
import {BoxError, Connection, fetch_devices, fetch_odoo, fetch_plugins, fetch_status, fetch_update} from "./api.js";
import {DevicesView} from "./devices.js";
import {element, set_text} from "./dom.js";
import {LogsView} from "./logs.js";
import {OdooView} from "./odoo.js";
import {PluginsView} from "./plugins.js";
import {SimulatorView} from "./simulator.js";
import {UpdatesView} from "./updates.js";
import {box_state, development_warning, device_state, duration} from "./words.js";

const by_id = (id) => document.getElementById(id);
const model = {status: null, devices: new Map(), plugins: [], update: null, odoo: null, clock_ahead: 0, live: false, started: false, lost_since: 0};
const devices_view = new DevicesView(by_id("devices"), by_id("devices-summary"));
const plugins_view = new PluginsView(by_id("plugins"), by_id("plugins-summary"));
const updates_view = new UpdatesView(by_id, (report) => {
    // An event of this update that has come meanwhile is newer than the answer to the request.
    if (!model.update || report.started > model.update.started) model.update = report;
    draw_soon();
});
const odoo_changed = (odoo) => {
    model.odoo = odoo;
    draw_soon();
};
const odoo_view = new OdooView(by_id, odoo_changed);
const logs_view = new LogsView(by_id, odoo_changed);
const simulator_view = new SimulatorView(by_id("simulator"), by_id("simulator-panels"));

set_text(by_id("box-address"), location.host);

let planned = false;
function draw_soon() {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => {
        planned = false;
        draw();
    });
}

function draw() {
    const {status, live} = model;
    const state = live || !model.started ? box_state(status) : {tone: "bad", text: "Not connected"};
    by_id("box-state").dataset.tone = state.tone;
    set_text(by_id("box-state-text"), state.text);
    if (status) {
        set_text(by_id("box-name"), status.hostname || status.identifier || "Backplane");
        document.title = `Backplane ${status.hostname || status.identifier || ""}`.trim();
        set_text(by_id("box-version"), `Backplane ${status.version ?? ""} · box ${status.identifier ?? ""}`);
        set_text(by_id("box-uptime"), typeof status.uptime_s === "number" ? `· running for ${duration(status.uptime_s)}` : "");
        show_problems(status.problems ?? []);
    }
    if (!model.started) return;
    devices_view.show(model.devices, live);
    set_text(by_id("development"), development_warning(model.update));
    updates_view.show(model.update, live);
    plugins_view.show(model.plugins, live);
    simulator_view.show(model.devices);
    odoo_view.show(model.odoo, live, model.clock_ahead);
    logs_view.show(model.odoo, live);
}

let shown_problems = "";
function show_problems(problems) {
    const key = JSON.stringify(problems);
    if (key === shown_problems) return;
    shown_problems = key;
    by_id("problem-list").replaceChildren(...problems.map((text) => element("li", {}, element("bdi", {dir: "auto"}, String(text)))));
    by_id("problems").hidden = problems.length === 0;
}

// Said aloud by screen readers: only changes of a device's state, the newest within two seconds. Live values are not:
// ten weights a second would drown everything else.
let to_say = "", saying = 0;
function announce(text) {
    to_say = text;
    saying ||= setTimeout(() => {
        saying = 0;
        set_text(by_id("announcer"), to_say);
    }, 2000);
}

// What events say while a refresh is under way is newer than its answer, and is applied once more on top of it.
let events_meanwhile = null;

function apply(event) {
    if (event.kind === "box" && event.name === "update" && event.data) model.update = event.data;
    if (event.kind === "box" && event.name === "odoo" && event.data && model.odoo) model.odoo = event.data;
    const device = model.devices.get(event.device);
    if (!device) return;
    if (event.kind === "device_event") {
        device.last_event = event.data ?? {};
        device.last_event_name = event.name;
        device.last_event_time = event.time;
    } else if (event.kind === "device_state" && typeof event.data?.state === "string") {
        device.state = event.data.state;
        device.reason = event.data.reason ?? "";
    }
}

let refetch = 0;
function on_event(event) {
    if (events_meanwhile && events_meanwhile.length < 10000) events_meanwhile.push(event);
    apply(event);
    const goes_on = event.kind === "box" && event.name === "update" && event.data?.phase !== "idle" ||
        event.kind === "box" && event.name === "odoo";  // it says everything itself
    if (event.kind === "device_state" || (event.kind === "box" && !goes_on)) {
        // Driver, type and plug-ins may have changed with it: fetch them once things have settled.
        refetch ||= setTimeout(() => {
            refetch = 0;
            connection.check();
        }, 250);
    }
    if (event.kind === "device_state") {
        const name = model.devices.get(event.device)?.name || event.device;
        announce(`${name}: ${device_state(event.data?.state).text}`);
    }
    draw_soon();
}

const connection = new Connection({
    async refresh(still_wanted) {
        events_meanwhile = [];
        const [status, devices, plugins, update, odoo] =
            await Promise.all([fetch_status(), fetch_devices(), fetch_plugins(), fetch_update(), fetch_odoo()]);
        if (!still_wanted()) return;
        Object.assign(model, {status, plugins, update, odoo, devices: new Map(devices.map((device) => [device.identifier, device]))});
        for (const event of events_meanwhile ?? []) apply(event);
        events_meanwhile = null;
        if (typeof status.uptime_s === "number") model.clock_ahead = status.started_at + status.uptime_s - Date.now() / 1000;
        model.started = true;
    },
    event: on_event,
    found() {
        model.live = true;
        model.lost_since = 0;
        set_text(by_id("connection"), "");
        draw_soon();
    },
    lost(error) {
        events_meanwhile = null;
        model.live = false;
        model.lost_since ||= Date.now();
        const since = new Date(model.lost_since).toLocaleTimeString();
        set_text(by_id("connection"), (error instanceof BoxError
            ? `The box cannot show its state since ${since}: ${error.message}`
            : `No connection to the box since ${since}. Check that it has power and that you are in the same network.`) +
            " This page goes on trying by itself.");
        draw_soon();
    },
});
connection.start();
