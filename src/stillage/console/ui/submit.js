// What a form does when it is submitted: one thing at a time, with what went wrong.

import { useRef, useState } from "../vendor/htm-preact-standalone.module.js";

/**
 * @param {(form: FormData) => Promise<unknown>} act
 * @returns {{busy: boolean, error: unknown, submit: (event: any) => Promise<void>}}
 *   busy: for `aria-disabled` of the button; one that is disabled loses the focus.
 */
export function useSubmit(act) {
  const running = useRef(false);
  const [state, setState] = useState({ busy: false, error: /** @type {unknown} */ (null) });
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    if (running.current) return;
    running.current = true;
    setState({ busy: true, error: null });
    const error = await act(new FormData(event.target)).then(() => null, (problem) => problem);
    running.current = false;
    setState({ busy: false, error });
  };
  return { ...state, submit };
}
