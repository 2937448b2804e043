// Elements are made here and nowhere from markup: what a client called itself is text.

export function el(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function byId(id) {
  return document.getElementById(id);
}

// part returns the part of a panel that is filled, emptied.
export function part(id, selector) {
  const node = byId(id).querySelector(selector || ".body");
  node.replaceChildren();
  return node;
}

export function swatch(color, shape) {
  const node = el("span", { class: "swatch" + (shape ? " " + shape : ""), "aria-hidden": "true" });
  node.style.setProperty("--c", color);
  return node;
}

export function facts(list) {
  const nodes = [];
  for (const [name, value] of list) {
    if (value === "" || value === null || value === undefined) continue;
    nodes.push(el("dt", { text: name }), el("dd", { text: value }));
  }
  return nodes;
}
