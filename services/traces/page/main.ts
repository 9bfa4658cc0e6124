/** The page's frame: which view the address names, and the theme. */

import { ChatView } from "./chat.ts";
import { compareView } from "./compare.ts";
import { h, nameTab, notice } from "./dom.ts";
import { requestsView } from "./requests.ts";
import { systemView } from "./system.ts";
import { themeButton } from "./theme.ts";
import { traceView } from "./trace.ts";

const LINKS: readonly [string, string][] = [
  ["#/", "Chat"],
  ["#/requests", "Requests"],
  ["#/compare", "Compare"],
  ["#/system", "System"],
];

const main = h("main", [], { attributes: { tabindex: "-1" } });
const links = LINKS.map(([href, label]) => h("a", [label], { attributes: { href } }));
/** Kept while other views are shown: a conversation goes on. */
const chat = new ChatView();
let leave = new AbortController();

/** Shows what the address names. */
function show(): void {
  chat.keepPlace();
  leave.abort();
  leave = new AbortController();
  const [name = "", ...parts] = addressParts();
  const view = viewOf(name, parts, leave.signal);
  main.replaceChildren(view);
  for (const link of links) {
    // A trace is one of the requests.
    const isCurrent = link.getAttribute("href") === `#/${name === "trace" ? "requests" : name}`;
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  nameTab(view);
  if (view === chat.element) chat.restorePlace();
  else scrollTo(0, 0);
}

function addressParts(): string[] {
  try {
    return location.hash.slice(2).split("/").map(decodeURIComponent);
  } catch {
    return [];
  }
}

function viewOf(name: string, parts: readonly string[], signal: AbortSignal): HTMLElement {
  switch (name) {
    case "":
      void chat.refresh(signal);
      return chat.element;
    case "requests":
      return requestsView(parts[0] ?? "", signal);
    case "trace":
      return traceView(parts[0] ?? "", signal);
    case "compare":
      return compareView(parts, signal);
    case "system":
      return systemView(signal);
    default:
      return h("section", [h("h1", ["Not found"]), notice("There is no such view")]);
  }
}

document.body.prepend(
  h("header", [
    h("strong", ["Baton"]),
    h("nav", links, { attributes: { "aria-label": "Views" } }),
    themeButton(),
  ]),
  main,
);
// Views that are drawn anew begin at their top; the chat knows its place.
history.scrollRestoration = "manual";
addEventListener("hashchange", () => {
  show();
  // The keyboard goes on from the new view, not from a link that is gone.
  main.focus({ preventScroll: true });
});
show();
