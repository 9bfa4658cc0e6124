/** Drawings of the page. Sizes are in the units of the drawing's own box. */

const NAMESPACE = "http://www.w3.org/2000/svg";

type Attributes = Readonly<Record<string, string | number>>;

/** `svg("path.line", { d })`: an element with classes, attributes and children. */
export function svg<K extends keyof SVGElementTagNameMap>(
  selector: K | `${K}.${string}`,
  attributes: Attributes = {},
  children: readonly (Node | string)[] = [],
): SVGElementTagNameMap[K] {
  const [tag = "", ...classes] = selector.split(".");
  const element = document.createElementNS(NAMESPACE, tag as K);
  if (classes.length > 0) element.setAttribute("class", classes.join(" "));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, `${value}`);
  element.append(...children);
  return element;
}
