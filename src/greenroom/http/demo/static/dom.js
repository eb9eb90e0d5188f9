// Small helpers to make and find elements; text is always text, never markup.

export const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const { dataset = {}, ...others } = properties;
  const element = Object.assign(document.createElement(tag), others);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}

// Shows rows. What looks as before stays, with the focus: a click on what is replaced meanwhile is lost.
export function fill(list, rows) {
  const focused = document.activeElement?.dataset?.key;
  rows.forEach((row, n) => settle(list, list.children[n], row));
  while (list.children.length > rows.length) list.lastElementChild.remove();
  if (focused && document.activeElement?.dataset?.key !== focused) {
    list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }
}

function settle(list, old, row) {
  if (!old) list.append(row);
  else if (old.isEqualNode(row)) return;
  else if (old.children.length && row.children.length && old.className === row.className) fill(old, [...row.children]);
  else old.replaceWith(row);
}
