// The types of what the console uses of htm and Preact, stated here because the vendored file has none.

export type Setter<T> = (next: T | ((current: T) => T)) => void;
export const html: (strings: TemplateStringsArray, ...values: unknown[]) => any;
export function h(type: unknown, props: object | null, ...children: unknown[]): any;
export function render(tree: unknown, parent: Element): void;
export function useState<T>(initial: T | (() => T)): [T, Setter<T>];
export function useEffect(effect: () => void | (() => unknown), inputs?: readonly unknown[]): void;
export function useLayoutEffect(effect: () => void | (() => unknown), inputs?: readonly unknown[]): void;
export function useRef<T>(initial: T): { current: T };
export function useMemo<T>(make: () => T, inputs: readonly unknown[]): T;
export function useCallback<T extends Function>(callback: T, inputs: readonly unknown[]): T;
export function useErrorBoundary(callback?: (error: unknown) => void): [unknown, () => void];
