// Values that several parts of the page show: set once, seen everywhere.

import { useEffect, useState } from "../vendor/htm-preact-standalone.module.js";

/**
 * @template T
 * @typedef {{get: () => T, set: (value: T) => void, subscribe: (listener: () => void) => () => void}} Store
 */

/**
 * @template T
 * @param {T} initial
 * @returns {Store<T>}
 */
export function store(initial) {
  let value = initial;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  return {
    get: () => value,
    set: (next) => {
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * Show a store in a component, which is drawn again when it changes.
 * @template T
 * @param {Store<T>} shown
 * @returns {T}
 */
export function useStore(shown) {
  const [, drawAgain] = useState(0);
  useEffect(() => shown.subscribe(() => drawAgain((/** @type {number} */ count) => count + 1)), [shown]);
  return shown.get();
}
