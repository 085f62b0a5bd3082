// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Everything this page says in words, in one place: the states of the box as a person at the counter would put them.

const k_device_states = {
    ready: ["good", "Ready"],
    discovered: ["wait", "Just found"],
    probing: ["wait", "Being recognised"],
    opening: ["wait", "Being opened"],
    quiescing: ["wait", "Being stopped"],
    unreachable: ["bad", "Does not answer"],
    unsupported: ["warn", "No driver for it"],
    gone: ["bad", "Unplugged"],
};

const k_plugin_states = {
    running: ["good", "Running"],
    restarting: ["wait", "Starting"],
    idle: ["wait", "Waits for a device"],
    disabled: ["wait", "Switched off"],
    put_aside: ["bad", "Put aside"],
    refused: ["bad", "Refused"],
};

// What an update has made of a plug-in; nothing to say of one that is simply good.
const k_update_states = {
    good: "",
    trial: "On trial",
    staged: "About to be tried",
    pinned: "Pinned: updates leave it alone",
    disabled: "Must not run",
    quarantined: "Its newest version is put away",
};

const k_step_states = {
    waiting: ["wait", "Waits"],
    checking: ["wait", "Being checked"],
    swapping: ["wait", "Being swapped"],
    done: ["good", "Done"],
    failed: ["bad", "Failed"],
    left_out: ["warn", "Left out"],
};

const k_update_phases = {
    downloading: "Downloading…",
    verifying: "Checking the signatures…",
    storing: "Storing…",
    swapping: "Swapping…",
};

const k_update_results = {
    updated: ["good", "Updated", "All drivers are up to date now."],
    unchanged: ["good", "Up to date", "There is nothing new."],
    nothing: ["wait", "Nothing to do", "The server does not deliver drivers."],
    partly: ["warn", "Partly updated", "Some drivers were updated, others were not."],
    rejected: ["bad", "Refused", "The bundle was refused: nothing was changed."],
    failed: ["bad", "Failed", "The update failed: nothing was changed."],
};

const k_conditions = {
    in_motion: "In motion",
    over_capacity: "Too heavy",
    under_zero: "Below zero",
    not_zeroed: "Not at zero",
    unreachable: "Does not answer",
    fault: "Answer not understood",
};

// In the order in which they are shown; other types follow, unsupported devices come last.
const k_types = {
    scale: "Scales",
    printer: "Printers",
    scanner: "Scanners",
    keyboard: "Keyboards and footswitches",
    payment: "Payment terminals",
    display: "Displays",
    camera: "Cameras",
    caliper: "Calipers",
    device: "Measuring tools",
    fiscal_data_module: "Fiscal data modules",
};

function words_for(table, state) {
    const [tone, text] = Object.hasOwn(table, state) ? table[state] : ["wait", readable(state)];
    return {tone, text};
}

export const device_state = (state) => words_for(k_device_states, state);
export const plugin_state = (state) => words_for(k_plugin_states, state);

export const step_state = (state) => words_for(k_step_states, state);
export const update_state = (state) =>
    !state ? "" : Object.hasOwn(k_update_states, state) ? k_update_states[state] : readable(state);

/** How an update stands, in words: {running, tone, text, more}; null when none has run. */
export function update_words(report) {
    if (report.phase && report.phase !== "idle") {
        const at_work = (report.steps ?? []).find((step) => ["checking", "swapping"].includes(step.state));
        const text = report.phase === "swapping" && at_work ? `Swapping ${step_title(at_work)}…`
            : Object.hasOwn(k_update_phases, report.phase) ? k_update_phases[report.phase] : `${readable(report.phase)}…`;
        return {running: true, tone: "wait", text: "Update runs", more: text};
    }
    if (!report.result) return null;
    const [tone, text, sentence] = Object.hasOwn(k_update_results, report.result) ? k_update_results[report.result]
        : ["wait", readable(report.result), ""];
    return {running: false, tone, text, more: report.text || sentence};
}

/** "acme_scale from 1.0.0 to 1.1.0" */
export const step_title = ({plugin, from, to}) =>
    !from ? `${plugin} ${to ? `${to}, new` : ""}`.trim() : !to || to === from ? `${plugin} ${from}` : `${plugin} from ${from} to ${to}`;

/** "3.1 of 4.0 MB"; "" when nothing has come yet. */
export function received_bytes({received, expected}) {
    const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
    if (expected > 0) return `${megabytes(Math.min(received ?? 0, expected))} of ${megabytes(expected)} MB`;
    return received > 0 ? `${megabytes(received)} MB` : "";
}

/** Development mode is said on top of the page for as long as it lasts. */
export const development_warning = (report) => (report?.warnings ?? []).map(String).find((text) => /\bdevelopment\b/i.test(text)) ?? "";

const k_pairing_states = {
    paired: ["good", "Paired"],
    code: ["wait", "Waits to be connected"],
    asking: ["wait", "Asks for a code"],
    expired: ["warn", "The code has expired"],
    no_network: ["bad", "No network"],
    no_service: ["warn", "No code can be had"],
    off: ["wait", "Not connected"],
};

const k_bus_states = {
    connected: ["good", "Connected"],
    polling: ["good", "Connected by polling"],
    connecting: ["wait", "Connecting…"],
    waiting: ["bad", "Server does not answer"],
    off: ["wait", "Being registered"],
};

const k_bus_lines = {
    connected: "Connected", polling: "By polling: WebSockets do not pass", connecting: "Connecting…",
    waiting: "Waits for the next try", off: "Not yet",
};

const k_registration_lines = {
    registered: "Yes", sending: "Being sent", waiting: "Not yet", failing: "Refused so far", not_paired: "No",
};

const k_certificate_sources = {
    configuration: "Of the configuration", authority: "By your own authority", odoo: "By Odoo", self_signed: "Made by this box: browsers warn of it",
};

/** How the box stands with its database: {paired, headline, tone, text, reason}. */
export function odoo_state({pairing, server, bus, registration}) {
    const paired = Boolean(server.url);
    if (!paired) {
        const state = words_for(k_pairing_states, pairing.state);
        return {paired, headline: "Not paired with a database", ...state, reason: pairing.reason};
    }
    const name = server.url.replace(/^https?:\/\//, "");
    const headline = `Paired with ${name}${server.database ? ` (${server.database})` : ""}`;
    if (bus.state === "off" && registration.state === "failing")
        return {paired, headline, tone: "bad", text: "Not registered", reason: registration.reason};
    const reason = bus.reason || (registration.state === "failing" ? registration.reason : "");
    return {paired, headline, ...words_for(k_bus_states, bus.state), reason};
}

/** Lines for the card of a box that is paired. */
export function odoo_facts({server, bus, registration, uplink}) {
    if (!server.url) return [];
    let line = k_bus_lines[bus.state] ?? readable(bus.state);
    if (bus.state === "waiting" && bus.next_try_ms > 0) line += ` in ${Math.ceil(bus.next_try_ms / 1000)} s`;
    const lost = Object.values(uplink.dropped ?? {}).reduce((sum, count) => sum + count, 0);
    return [
        ["Devices known there", k_registration_lines[registration.state] ?? readable(registration.state)],
        ["Messages", line],
        ["Results waiting", uplink.waiting ? `${uplink.waiting} (${Math.ceil(uplink.waiting_bytes / 1024)} KiB)` : "none"],
        ["Results dropped", uplink.dropped_durable ? String(uplink.dropped_durable) : ""],
        ["Passing values dropped", lost ? String(lost) : ""],
    ];
}

export function certificate_facts(certificate) {
    const {source, subject, names, not_after, days_left} = certificate;
    return [
        ["Issued", !source ? "There is none yet" : k_certificate_sources[source] ?? readable(source)],
        ["For", [...new Set([subject, ...(names ?? [])])].filter(Boolean).join(", ")],
        ["Good until", not_after ? `${not_after} UTC (${days_left < 0 ? "over" : plural(days_left, "day", "days")})` : ""],
        ["Checked", certificate.checked ? new Date(certificate.checked * 1000).toLocaleString() : ""],
    ];
}

export function box_state(status) {
    if (!status) return {tone: "wait", text: "Connecting…"};
    if (status.state === "ok") return {tone: "good", text: "Everything works"};
    return {tone: "warn", text: "Needs attention"};
}

/** "fiscal_data_module" → "Fiscal data module": for words of newer boxes that this page does not know. */
export function readable(name) {
    const text = String(name ?? "").replaceAll("_", " ").trim();
    return text ? text[0].toUpperCase() + text.slice(1) : "Unknown";
}

export const type_title = (type) =>
    type === "unsupported" ? "Without a driver" : Object.hasOwn(k_types, type) ? k_types[type] : readable(type);

export function type_order(type) {
    if (type === "unsupported") return 1000;
    const place = Object.keys(k_types).indexOf(type);
    return place < 0 ? 500 : place;
}

/** What the card of a device shows in large: {value, unit, kind: "number" | "words" | "none", note}. */
export function live_value(device) {
    if (device.state !== "ready") return {value: "—", kind: "none", note: ""};
    const data = device.last_event ?? {};
    if (device.type === "scale") {
        if (typeof data.weight === "number" && data.condition === "ok")
            return {value: weight(data.weight), unit: String(data.unit ?? "kg"), kind: "number",
                    note: data.net ? "Net: a tare is taken off." : ""};
        if (data.condition && data.condition !== "ok")
            return {value: k_conditions[data.condition] ?? readable(data.condition), kind: "words",
                    note: String(data.message ?? "")};
        return {value: "No reading yet", kind: "none", note: ""};
    }
    const text = event_text(data);
    if (!device.last_event_name && !text) return {value: "Nothing yet", kind: "none", note: ""};
    return {value: text || readable(device.last_event_name), kind: "words",
            note: device.last_event_time ? `${readable(device.last_event_name)}, ${clock(device.last_event_time)}` : ""};
}

// Three decimals at least, as on the scale's own display; never fewer than the box has sent.
const k_weight = new Intl.NumberFormat(undefined, {minimumFractionDigits: 3, maximumFractionDigits: 6});
export const weight = (kilograms) => k_weight.format(kilograms);

/** The content of an event in one short line. */
function event_text(data) {
    for (const name of ["value", "result", "text", "message"])
        if (["string", "number", "boolean"].includes(typeof data[name]) && data[name] !== "") return cut(String(data[name]));
    return cut(Object.entries(data)
        .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value) && value !== "")
        .map(([name, value]) => `${name.replaceAll("_", " ")}: ${value}`).join(", "));
}

const cut = (text) => text.length > 120 ? text.slice(0, 119) + "…" : text;

/** Time of day of a unix time in seconds. */
export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();

export function duration(seconds) {
    const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
    if (days) return `${days} d ${hours % 24} h`;
    if (hours) return `${hours} h ${minutes % 60} min`;
    return minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

export const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;
