/** Elements, made and found. Text is always set as text: keys of a file are shown, never parsed. */

type Attributes = Readonly<Record<string, string | number | boolean>>;

/** The element with this id, which the page has. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** An HTML element with attributes and children; strings become text. */
export function html(name: string, attributes: Attributes = {}, ...children: (Node | string)[]): HTMLElement {
  return filled(document.createElement(name), attributes, children);
}

export function svg(name: string, attributes: Attributes = {}, ...children: (Node | string)[]): SVGElement {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function filled<E extends Element>(element: E, attributes: Attributes, children: (Node | string)[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children);
  return element;
}

/** Pairs of a term and what it is, for a description list. */
export function definitions(pairs: readonly (readonly [string, string])[]): HTMLElement[] {
  return pairs.map(([term, text]) => html('div', {}, html('dt', {}, term), html('dd', {}, text)));
}
