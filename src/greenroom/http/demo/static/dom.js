// Small helpers to make and find elements; text is always text, never markup.

export const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const { dataset = {}, ...others } = properties;
  const element = Object.assign(document.createElement(tag), others);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}

// Shows rows, and keeps the focus on a button that is still there.
export function fill(list, rows) {
  const focused = document.activeElement?.dataset?.key;
  list.replaceChildren(...rows);
  if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}
