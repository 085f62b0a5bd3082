// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The box's own API, as far as this page needs it. Every request has a deadline, so that a box that was unplugged is noticed
// within seconds instead of when TCP gives up.

const k_request_ms = 5000;
const k_wish_ms = 40000;         // a roll-back ends when the plug-in runs again, or the box says after 30 s that it goes on
const k_odoo_ms = 15000;         // what must be written down on a slow disk first
const k_check_ms = 10000;        // how often the box is asked for a sign of life; the event stream may be silent for hours
const k_stream_grace_ms = 5000;  // so long the stream may be away before values no longer count as live
const k_retry_ms = [500, 1000, 2000, 4000, 8000];
const k_kinds = ["device_event", "action_result", "device_state", "box"];

/** The box was reached, but what it answered is of no use; the message is for people. */
export class BoxError extends Error {}

async function request(path, options = {}, most_ms = k_request_ms) {
    const response = await fetch(path, {cache: "no-store", signal: AbortSignal.timeout(most_ms), ...options});
    const text = await response.text();
    let body = null;
    try { body = text ? JSON.parse(text) : null; } catch { /* told below by the status */ }
    if (!response.ok)
        throw new BoxError(body?.message || `The box answered ${response.status}.`);
    if (body === null || typeof body !== "object") throw new BoxError(`The box's answer to ${path} cannot be read.`);
    return body;
}

export const fetch_status = () => request("/api/v1/status");
export const fetch_devices = async () => (await request("/api/v1/devices")).devices ?? [];
export const fetch_plugins = async () => (await request("/api/v1/plugins")).plugins ?? [];

const as_json = (body) => ({method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});

/** What a box may lack: null then. */
async function request_if_there(path) {
    try {
        return await request(path);
    } catch (error) {
        if (error instanceof BoxError) return null;
        throw error;
    }
}

/** How the updates of plug-ins stand; null when this box takes none. */
export const fetch_update = () => request_if_there("/api/v1/update");

/** How the box stands with its Odoo database; null when it has no Odoo side. */
export const fetch_odoo = () => request_if_there("/api/v1/odoo");

/** `wish` is "pair", "code", "unpair", "credentials", "certificate/check", "logs" or "confirmations/ID". */
export const ask_odoo = (wish, body = {}) => request(`/api/v1/odoo/${wish}`, as_json(body), k_odoo_ms);

export const restart_box = () => request("/api/v1/restart", as_json({}));

/** {levels: [{component, level, configured, until, plugin}], available: […]}; null when they cannot be changed. */
export const fetch_levels = () => request_if_there("/api/v1/logs/levels");
/** `level` null: back to that of the configuration. */
export const set_level = (component, level) => request("/api/v1/logs/levels", as_json({component, level}));

/** Records after a number; waits up to `wait` seconds for the first. */
export const fetch_log = (after, level, wait) =>
    request(`/api/v1/logs?after=${after}&level=${level}&limit=1000&wait=${wait}`, {}, k_request_ms + wait * 1000);

/** Whether the box has it. Asked so that nothing is made for the answer: whoever has the route refuses the method. */
export async function has_route(path) {
    try {
        return (await fetch(path, {method: "OPTIONS", cache: "no-store", signal: AbortSignal.timeout(k_request_ms)})).status !== 404;
    } catch {
        return false;
    }
}

export const said = (error) => error.name === "TimeoutError" ? "The box has not answered in time." : error.message;

/** Fetches all drivers again; the answer is the report of the update that has begun. */
export const force_update = () => request("/api/v1/update", as_json({force: true}));

/** `wish` is "rollback", "pin", "unpin" or "release"; answers when it is done. */
export const ask_plugin = (name, wish) =>
    request(`/api/v1/plugins/${encodeURIComponent(name)}/${wish}`, as_json({}), k_wish_ms);

/** Changes a simulated device (an empty change changes nothing) and answers its whole state. */
export const simulate = (name, change) =>
    request(`/api/v1/simulator/${encodeURIComponent(name)}`, as_json(change));

/**
 * Follows the box: `refresh` fetches what is shown and is called at the start, after each reconnection and from time to time;
 * `event` gets each live event; `lost` and `found` tell about the connection. The browser reconnects a broken stream with
 * Last-Event-ID by itself; only a stream that the box refused is opened anew here.
 */
export class Connection {
    constructor({refresh, event, lost, found}) {
        Object.assign(this, {refresh, event, lost, found});
        this.last_seq = 0;
        this.stream_away_since = performance.now();
        this.failures = 0;
        this.attempt = 0;     // counts up with each refresh: a slow, older answer must not overwrite a newer one
        addEventListener("online", () => this.check());
        document.addEventListener("visibilitychange", () => { if (!document.hidden) this.check(); });
    }

    start() {
        this.open();
        this.check();
    }

    open() {
        this.source?.close();
        this.source = new EventSource("/api/v1/events");
        this.source.onopen = () => {
            this.stream_away_since = null;
            this.check();
        };
        this.source.onerror = () => {
            this.stream_away_since ??= performance.now();
            if (this.source.readyState === EventSource.CLOSED) this.reopen = true;
            this.check();
        };
        // The box no longer has all that we have missed.
        this.source.addEventListener("gap", () => this.check());
        for (const kind of k_kinds) this.source.addEventListener(kind, (message) => this.received(message));
    }

    received(message) {
        let event;
        try { event = JSON.parse(message.data); } catch { return; }
        if (typeof event !== "object" || event === null) return;
        // A smaller number means that the box has started anew: what is shown may be of its earlier life.
        if (typeof event.seq === "number") {
            if (event.seq < this.last_seq) this.check();
            this.last_seq = event.seq;
        }
        this.event(event);
    }

    /** Fetches everything now, and plans the next time: soon after a failure, otherwise as a sign of life. */
    async check() {
        clearTimeout(this.timer);
        const attempt = ++this.attempt;
        let wait = k_check_ms;
        try {
            await this.refresh(() => attempt === this.attempt);
            if (attempt !== this.attempt) return;
            this.failures = 0;
            if (this.stream_away_since !== null) {
                if (performance.now() - this.stream_away_since > k_stream_grace_ms)
                    throw new BoxError("The box answers, but sends no live values.");
                wait = 1000;
            }
            this.found();
        } catch (error) {
            if (attempt !== this.attempt) return;
            wait = k_retry_ms[Math.min(this.failures++, k_retry_ms.length - 1)] * (0.75 + Math.random() / 2);
            this.lost(error);
        }
        if (this.reopen) {
            this.reopen = false;
            this.open();
        }
        this.timer = setTimeout(() => this.check(), wait);
    }
}
