// Data that a page needs: asked for once, then again when something changes; what is wrong is shown.

import { html, useCallback, useEffect, useState } from "../vendor/htm-preact-standalone.module.js";
import { t } from "../core/i18n.js";

/**
 * @template T
 * @typedef {{data: T | null, error: unknown, again: () => void, asking: boolean}} Loaded
 */

/**
 * Ask for data when the component appears and whenever *inputs* change. What was there stays until the answer comes.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {readonly unknown[]} inputs
 * @returns {Loaded<T>}
 */
export function useLoaded(load, inputs) {
  const [state, setState] = useState({ data: /** @type {T | null} */ (null), error: /** @type {unknown} */ (null), asking: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const aborting = new AbortController();
    setState((current) => ({ ...current, asking: true }));
    load(aborting.signal).then(
      (data) => !aborting.signal.aborted && setState({ data, error: null, asking: false }),
      (error) => !aborting.signal.aborted && setState((current) => ({ ...current, error, asking: false })),
    );
    return () => aborting.abort();
  }, [...inputs, round]);
  const again = useCallback(() => setRound((current) => current + 1), []);
  return { ...state, again };
}

/** Lines where text will be. @param {{lines?: number}} props */
export function Skeleton({ lines = 3 }) {
  const rows = Array.from({ length: lines }, (_, index) => html`<span key=${index} class="skeleton"></span>`);
  return html`<div class="skeletons" aria-busy="true" aria-label=${t("loading")} role="status">${rows}</div>`;
}
