/**
 * Elements of the page. Text only ever becomes text nodes and attributes: what a span says is never
 * read as markup.
 */

/** Deeper spans are set in no further. */
const MAX_DEPTH = 8;
/** So many times as long as a task took it rests. */
const REST_FACTOR = 5;
/** A frame takes no longer where there are frames. */
const FRAME_LIMIT_MS = 100;

export type Child = Node | string | null;

export interface ElementOptions {
  /** True sets an attribute without a value, false leaves it out. */
  readonly attributes?: Readonly<Record<string, string | boolean>>;
  readonly on?: Readonly<Record<string, (event: Event) => void>>;
}

/** `h("span.time", ["3 ms"])`: an element with classes and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  selector: K | `${K}.${string}`,
  children: readonly Child[] = [],
  options: ElementOptions = {},
): HTMLElementTagNameMap[K] {
  const [tag = "", ...classes] = selector.split(".");
  const element = document.createElement(tag as K);
  if (classes.length > 0) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(options.attributes ?? {})) {
    if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  for (const [type, listener] of Object.entries(options.on ?? {})) {
    element.addEventListener(type, listener);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Puts an element at a share of its parent's width. */
export function place(element: HTMLElement, { left, width }: { left: number; width?: number }) {
  element.style.left = `${(left * 100).toFixed(3)}%`;
  if (width !== undefined) element.style.width = `${(width * 100).toFixed(3)}%`;
  return element;
}

/** Sets in what stands so deep in a tree; how much is up to the style sheet. */
export function indent(element: HTMLElement, depth: number): void {
  element.classList.add("indented");
  element.style.setProperty("--depth", String(Math.min(depth, MAX_DEPTH)));
}

/** Replaces what is in an element and leaves the reader where they are. */
export function redraw(element: HTMLElement, children: readonly Node[]): void {
  keepPlace(element, () => element.replaceChildren(...children));
}

/**
 * Changes what is in an element and leaves the reader where they are: the keyboard on what has the same
 * `data-key`, unfolded what is, tables as far to the side as they were scrolled.
 */
export function keepPlace(element: HTMLElement, change: () => void): void {
  const { activeElement } = document;
  const keyed = (selector: string) => [...element.querySelectorAll<HTMLElement>(selector)];
  const unfolded = new Set(keyed("details[open] > [data-key]").map(({ dataset }) => dataset.key));
  const key = activeElement instanceof HTMLElement && element.contains(activeElement)
    ? activeElement.dataset.key
    : undefined;
  const tables = () => [...element.querySelectorAll(".table_scroll")];
  const scrolledPx = tables().map(({ scrollLeft }) => scrollLeft);
  change();
  tables().forEach((table, index) => table.scrollLeft = scrolledPx[index] ?? 0);
  for (const { dataset, parentElement } of keyed("details > [data-key]")) {
    if (unfolded.has(dataset.key)) parentElement?.setAttribute("open", "");
  }
  if (key === undefined) return;
  element.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)
    ?.focus({ preventScroll: true });
}

/** Tells what is wrong in place of what is in an element; the same is not said again. */
export function showProblem(element: HTMLElement, error: unknown, heading?: HTMLElement): void {
  const children = [...(heading === undefined ? [] : [heading]), notice(error)];
  const isTold = element.childNodes.length === children.length &&
    children.every((child, index) => child.isEqualNode(element.childNodes[index] ?? null));
  if (!isTold) element.replaceChildren(...children);
}

/** Names the tab after the heading of a view. */
export function nameTab(view: HTMLElement): void {
  const heading = view.querySelector("h1")?.textContent ?? "";
  document.title = heading === "" ? "Baton" : `${heading} · Baton`;
}

/** A button that does one thing. */
export function button(label: string, onClick: () => void): HTMLButtonElement {
  return h("button", [label], {
    attributes: { type: "button", "data-key": label },
    on: { click: onClick },
  });
}

/** A caption with its input. */
export function field(caption: string, input: HTMLElement): HTMLLabelElement {
  return h("label.field", [h("span", [caption]), input]);
}

/** A sentence in place of what cannot be shown. */
export function notice(error: unknown): HTMLElement {
  const text = error instanceof Error ? error.message : String(error);
  return h("p.notice", [text], { attributes: { role: "alert" } });
}

/**
 * Runs `task` now and again `intervalMs` after each end, until `signal`; not while nobody looks, and
 * less often where it takes long.
 */
export async function repeat(
  task: () => Promise<void>,
  { intervalMs, signal }: { readonly intervalMs: number; readonly signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const startMs = performance.now();
    if (!document.hidden) await task();
    await pause(Math.max(intervalMs, (performance.now() - startMs) * REST_FACTOR), signal);
  }
}

/** Resolves after the time, or at once when `signal` aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

/** Resolves when what was changed is on the screen, or would be: with milliseconds since 1970. */
export function painted(): Promise<number> {
  return new Promise((resolve) => {
    // A page that nobody looks at has no frames.
    const timer = setTimeout(() => done(), FRAME_LIMIT_MS);
    const done = () => {
      clearTimeout(timer);
      resolve(performance.timeOrigin + performance.now());
    };
    if (document.hidden) return;
    // The task after a frame's callbacks runs when the frame was painted.
    requestAnimationFrame(() => setTimeout(done));
  });
}
