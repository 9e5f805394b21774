// What happens while one looks: server-sent events, from one stream for all tabs of a browser.
//
// The tab that holds a lock has the stream and passes on what it hears: a browser has six connections to a server, and
// uploads need four of them.

import { useEffect, useRef } from "../vendor/htm-preact-standalone.module.js";
import { addressOf } from "./api.js";

/** @typedef {{kind: "image" | "upload" | "job" | "reset", data: any}} LiveEvent */

const KINDS = /** @type {const} */ (["image", "upload", "job", "reset"]);
const NAME = "stillage.events";
const BEGIN_AFTER_MS = 2000; // what the page shows first comes first
const AGAIN_AFTER_MS = 30000;
const GATHERED_MS = 1000;

/** @type {Set<(event: LiveEvent) => void>} */
const listeners = new Set();
/** @type {BroadcastChannel | null} */
let channel = null;

/** @param {LiveEvent} event */
function tell(event) {
  for (const listener of [...listeners]) listener(event);
}

/** Tell all tabs. @param {LiveEvent} event */
function pass(event) {
  channel?.postMessage(event);
  tell(event);
}

/** Begin to listen, or to lead. */
function begin() {
  if (channel) return;
  channel = new BroadcastChannel(NAME);
  channel.onmessage = ({ data }) => tell(data);
  setTimeout(() => navigator.locks?.request(NAME, () => new Promise(() => open())), BEGIN_AFTER_MS);
}

/** Open the stream. A browser connects again by itself, unless the server refuses: then the session may be over. */
function open() {
  const stream = new EventSource(addressOf("/v2/events"));
  for (const kind of KINDS) {
    stream.addEventListener(kind, (message) => {
      pass({ kind, data: message.data ? JSON.parse(message.data) : null });
    });
  }
  // What happened between reading a page and the opening of its stream was told to nobody.
  stream.onopen = () => pass({ kind: "reset", data: null });
  stream.onerror = () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_AFTER_MS);
  };
}

/** @param {(event: LiveEvent) => void} listener @returns {() => void} Stops listening. */
export function onEvents(listener) {
  listeners.add(listener);
  begin();
  return () => listeners.delete(listener);
}

/**
 * Read again what a component shows, at most once a second, when something happens that concerns it.
 * @param {(event: LiveEvent) => boolean} concerns
 * @param {() => void} again
 */
export function useLive(concerns, again) {
  const latest = useRef({ concerns, again });
  latest.current = { concerns, again };
  useEffect(() => {
    let timer = 0;
    const stop = onEvents((event) => {
      if (timer || !(event.kind === "reset" || latest.current.concerns(event))) return;
      timer = setTimeout(() => {
        timer = 0;
        latest.current.again();
      }, GATHERED_MS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, []);
}
