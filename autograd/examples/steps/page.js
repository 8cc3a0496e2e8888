// Steps through a tape. The page can be read without: then both buffers are full.
//
// `#test` behind the address makes the page test itself: it goes through all steps by button, by keyboard and by slider, compares
// its sums with the adjoints of the tape, and says in the element `verdict` what it found, in `numbers` what stood on the page.
// `#step=7` shows a step.
"use strict";

const failures = [];
addEventListener("error", event => failures.push(event.message));
const at = id => document.getElementById(id);
const data = JSON.parse(at("trace").textContent);
const { nodes, steps, mark } = data;
const end = nodes.length + steps.length;

/** An element with attributes, and children or text. */
function make(tag, attributes = {}, ...children) {
  const isDrawn = ["g", "rect", "text", "path", "title"].includes(tag);
  const element = isDrawn ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Four digits of a number, as the program writes them. */
function short(x) {
  if (x === 0) return "0";
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "NaN" : x > 0 ? "∞" : "−∞";
  const [mantissa, exponent] = x.toExponential(3).split("e");
  const trimmed = text => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  const isPlain = exponent >= -4 && exponent < 6;
  const text = isPlain ? trimmed(x.toFixed(Math.max(3 - exponent, 0))) : `${trimmed(mantissa)}e${Number(exponent)}`;
  return text.replaceAll("-", "−");
}
const list = numbers => (numbers.length === 1 ? short(numbers[0]) : `[${[...numbers].map(short).join(", ")}]`);
// What is not finite comes as text.
const numbers = values => Float64Array.from(values, Number);
for (const node of nodes) {
  node.value = numbers(node.value);
  if (node.adjoint) node.adjoint = numbers(node.adjoint);
}
for (const step of steps) for (const sent of step.sent) sent.added = numbers(sent.added);

// ---- the graph -------------------------------------------------------------------------------------------------------

const [WIDTH, HEIGHT, GAP, ROW] = [88, 38, 14, 62];

/** Layers from the inputs to the loss, each a list of items { node, width, x, up, down }; an edge across layers has an item in each. */
function layers() {
  const depth = [];
  nodes.forEach(({ inputs }, i) => { depth[i] = inputs.length ? 1 + Math.max(...inputs.map(input => depth[input])) : 0; });
  // What is given, and views of it, stand close to what uses them.
  const users = nodes.map((_, i) => nodes.flatMap(({ inputs }, user) => (inputs.includes(i) ? [user] : [])));
  for (let i = nodes.length - 1; i >= 0; i--) {
    const isGiven = !nodes[i].inputs.length || nodes[i].start !== null;
    if (isGiven && users[i].length) depth[i] = Math.min(...users[i].map(user => depth[user])) - 1;
  }
  const layers = Array.from({ length: 1 + Math.max(...depth) }, () => []);
  const item = (layer, of) => { const made = { x: 0, up: [], down: [], ...of }; layers[layer].push(made); return made; };
  const items = nodes.map((_, node) => item(depth[node], { node, width: WIDTH }));
  const edges = nodes.flatMap(({ inputs }, node) => inputs.map((input, which) => {
    const path = [items[input]];
    for (let layer = depth[input] + 1; layer < depth[node]; layer++) path.push(item(layer, { width: 12 }));
    path.push(items[node]);
    path.slice(1).forEach((to, k) => { to.up.push(path[k]); path[k].down.push(to); });
    return { node, input, which, path };
  }));
  return { layers, edges, items };
}

/** Orders and places the items of all layers near those they are connected with. */
function place(layers) {
  const mean = list => list.reduce((sum, item) => sum + item.x, 0) / list.length;
  const spread = (layer, wish) => {
    layer.forEach(item => { item.wish = wish(item); });
    layer.sort((a, b) => a.wish - b.wish);
    let right = -Infinity;
    for (const item of layer) {
      item.x = Math.max(item.wish, right + GAP + item.width / 2);
      right = item.x + item.width / 2;
    }
    // The whole layer back to where it wants to be.
    const shift = layer.reduce((sum, item) => sum + item.wish - item.x, 0) / layer.length;
    for (const item of layer) item.x += shift;
  };
  layers.forEach(layer => spread(layer, item => layer.indexOf(item) * WIDTH));
  for (let round = 0; round < 8; round++) {
    for (const layer of layers.toReversed()) spread(layer, item => (item.down.length ? mean(item.down) : item.x));
    for (const layer of layers) spread(layer, item => (item.up.length || item.down.length ? mean([...item.up, ...item.down]) : item.x));
  }
  const all = layers.flat();
  const left = Math.min(...all.map(item => item.x - item.width / 2)) - 8;
  layers.forEach((layer, row) => layer.forEach(item => { item.x -= left; item.y = 8 + row * ROW; }));
  return Math.max(...all.map(item => item.x + item.width / 2)) + 8;
}

function drawGraph() {
  const { layers: rows, edges, items } = layers();
  const width = place(rows);
  const svg = at("graph");
  svg.setAttribute("viewBox", `0 0 ${width} ${rows.length * ROW - ROW + HEIGHT + 16}`);
  svg.style.maxWidth = `${width}px`;
  const lines = edges.map(({ node, input, which, path }) => {
    // Two edges between the same nodes lie side by side.
    const same = nodes[node].inputs.filter(other => other === input).length;
    const aside = same > 1 ? 24 * (nodes[node].inputs.slice(0, which).filter(other => other === input).length - (same - 1) / 2) : 0;
    let d = `M${path[0].x + aside},${path[0].y + HEIGHT}`;
    path.slice(1).forEach((to, k) => {
      const from = path[k];
      const [top, bottom] = [k ? from.y : from.y + HEIGHT, to.y];
      const middle = (top + bottom) / 2;
      d += `C${from.x + aside},${middle} ${to.x + aside},${middle} ${to.x + aside},${bottom}`;
      if (to.node === undefined) d += `V${to.y}`;
    });
    return { node, which, element: make("path", { class: "edge", d }) };
  });
  const boxes = items.map(({ x, y }, i) => make("g", {},
    make("rect", { class: "box", x: x - WIDTH / 2, y, width: WIDTH, height: HEIGHT, rx: 4 }),
    make("rect", { class: "bar", x: x - WIDTH / 2 + 2, y: y + HEIGHT - 5, width: WIDTH - 4, height: 4 }),
    make("text", { x, y: y + 16 }, nodes[i].name),
    make("text", { class: "op", x, y: y + 29 }, nodes[i].operation),
    make("text", { class: "cross", x: x + WIDTH / 2 - 8, y: y + 14 }, "✗"),
    make("title", {}, `${nodes[i].name}: ${nodes[i].formula}`)));
  svg.append(...lines.map(({ element }) => element), ...boxes);
  return { lines, boxes };
}

// ---- the buffers -----------------------------------------------------------------------------------------------------

/** The adjoints after so many steps of the backward pass. A view is a part of what it shows. */
function adjointsAfter(count) {
  const memory = node => new Float64Array(node.value.length);
  const [sums, written] = [[], []];
  nodes.forEach((node, i) => {
    if (!node.adjoint) return;
    const part = list => list[node.inputs[0]].subarray(node.start, node.start + node.value.length);
    sums[i] = node.start === null ? memory(node) : part(sums);
    written[i] = node.start === null ? memory(node) : part(written);
  });
  if (count > 0) { sums[nodes.length - 1].fill(1); written[nodes.length - 1].fill(1); }
  for (const step of steps.slice(0, count)) {
    for (const { to, added } of step.sent) {
      added.forEach((x, k) => { sums[to][k] += x; });
      written[to].fill(1);
    }
  }
  return { sums, isWritten: i => written[i]?.includes(1) };
}

const rows = [...at("buffers").tBodies[0].rows];
const cells = rows.map(row => ({ row, value: row.cells[1], adjoint: row.cells[2] }));
// As the program wrote them, with the full digits.
const printed = cells.map(({ value, adjoint }) => [value.textContent, adjoint.textContent]);

function fill(cell, isFilled, values, note) {
  cell.classList.toggle("filled", isFilled);
  cell.replaceChildren(isFilled ? list(values) : "", ...(note ? [make("small", {}, note)] : []));
  if (isFilled) cell.dataset.numbers = [...values].join(" ");
  else delete cell.dataset.numbers;
}

const note = node => {
  if (!node.adjoint) return "no adjoint";
  if (!node.reached) return "0: the loss does not depend on it";
  return node.start === null ? "" : `a part of ${nodes[node.inputs[0]].bar}`;
};

// ---- a step ----------------------------------------------------------------------------------------------------------

const paragraph = (className, ...children) => make("p", { class: className }, ...children);
const pieces = texts => texts.filter(text => text !== null).map(text => make("span", {}, text));

function describe(position) {
  if (position === 0) {
    return [paragraph("title", "Nothing is computed yet."),
      paragraph("", `Forward fills the values from the first node to the last, then backward the adjoints from the last to the first: ${nodes.length} and ${steps.length} steps.`)];
  }
  if (position <= nodes.length) {
    const node = nodes[position - 1];
    const texts = node.inputs.length ? [node.name, `= ${node.formula}`, node.numbers && `= ${node.numbers}`] : [node.name];
    return [paragraph("title", `Forward, step ${position} of ${nodes.length}: ${node.operation} ${node.shape}`),
      paragraph("formula", ...pieces([...texts, `= ${list(node.value)}`]))];
  }
  const step = steps[position - nodes.length - 1];
  const node = nodes[step.node];
  const said = [paragraph("title", `Backward, step ${position - nodes.length} of ${steps.length}: ${node.operation} ${node.shape}`),
    paragraph("formula", ...pieces([`${node.bar} = ${list(numbers(step.adjoint))}`, step.from])),
    paragraph("local", `∂loss/∂${node.name} by finite differences: ${list(numbers(node.difference))}`)];
  if (node.start !== null) said.push(paragraph("", "A view sends nothing: its adjoint is already there."));
  else if (!step.sent.length) said.push(paragraph("", "Nothing to send: this is a gradient."));
  for (const sent of step.sent) {
    said.push(paragraph("formula", ...pieces([`${nodes[sent.to].bar} += ${sent.rule}`, sent.numbers && `= ${sent.numbers}`, `= ${list(sent.added)}`])));
    if (sent.local) {
      said.push(paragraph("local", `local derivative ∂${node.name}/∂${nodes[sent.to].name} = ${list(numbers(sent.local))}, by finite differences ${list(numbers(sent.difference))}`));
    }
  }
  return said;
}

let position = 0;
const drawn = drawGraph();

function show(to) {
  position = Math.min(Math.max(to, 0), end);
  const count = Math.max(position - nodes.length, 0);
  const step = count ? steps[count - 1] : null;
  const now = step ? step.node : position - 1;
  const { sums, isWritten } = adjointsAfter(count);
  const before = adjointsAfter(Math.max(count - 1, 0)).isWritten;
  const turns = new Set(steps.slice(0, count).map(({ node }) => node));
  const targets = new Set(step ? step.sent.map(({ to }) => to) : []);
  nodes.forEach((node, i) => {
    const { row, value, adjoint } = cells[i];
    const hasValue = i < position;
    const hasAdjoint = Boolean(node.adjoint) && isWritten(i);
    const isBroken = mark !== null && mark.node === i && (mark.what === "value" ? hasValue : turns.has(i));
    fill(value, hasValue, node.value, "");
    fill(adjoint, hasAdjoint, sums[i], hasValue ? note(node) : "");
    if (isBroken) (mark.what === "value" ? value : adjoint).append(make("small", { class: "bad" }, "✗ not finite from here on"));
    adjoint.classList.toggle("done", turns.has(i));
    value.classList.toggle("changed", !step && i === now);
    adjoint.classList.toggle("changed", targets.has(i) || Boolean(step) && i === now && !before(i));
    row.classList.toggle("now", i === now);
    const states = [["has-value", hasValue], ["has-adjoint", hasAdjoint], ["now", i === now], ["broken", isBroken]];
    states.forEach(([name, is]) => drawn.boxes[i].classList.toggle(name, is));
  });
  for (const { node, which, element } of drawn.lines) {
    element.classList.toggle("forward", !step && node === now);
    const isSent = step && node === now && (nodes[node].start !== null || step.sent.some(({ input }) => input === which));
    element.classList.toggle("sends", Boolean(isSent));
  }
  at("step").replaceChildren(...describe(position));
  at("step").classList.toggle("backward", Boolean(step));
  at("slider").value = position;
  at("position").textContent = `${position} of ${end}`;
  at("slider").setAttribute("aria-valuetext", position ? `${step ? "backward" : "forward"}, ${nodes[now].name}` : "nothing yet");
  ["first", "back"].forEach(id => { at(id).disabled = position === 0; });
  ["next", "last"].forEach(id => { at(id).disabled = position === end; });
}

at("slider").max = end;
at("slider").addEventListener("input", event => show(Number(event.target.value)));
const moves = { first: () => 0, back: () => position - 1, next: () => position + 1, last: () => end };
for (const [id, to] of Object.entries(moves)) at(id).addEventListener("click", () => show(to()));
const keys = { ArrowLeft: moves.back, ArrowRight: moves.next, Home: moves.first, End: moves.last };
addEventListener("keydown", event => {
  // The slider has these keys itself.
  if (!keys[event.key] || event.target === at("slider") || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  show(keys[event.key]());
});
document.querySelectorAll(".player, .step, .graph").forEach(section => { section.hidden = false; });
show(Number(location.hash.match(/^#step=(\d+)$/)?.[1] ?? 0));

// ---- the page tests itself -------------------------------------------------------------------------------------------

function selfTest() {
  const press = key => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const parts = () => [...at("buffers").querySelectorAll("tr, td"), ...at("graph").children, at("step")];
  const state = () => parts().map(part => [...part.classList].sort().join(" ") + part.textContent).join("\n");
  const walked = [[], [], []];
  press("Home");
  for (let k = 0; k <= end; k++) { walked[0].push(state()); at("next").click(); }
  for (let k = end; k >= 0; k--) { walked[1].unshift(state()); press("ArrowLeft"); }
  for (let k = 0; k <= end; k++) {
    at("slider").value = k;
    at("slider").dispatchEvent(new Event("input"));
    walked[2].push(state());
  }
  const agrees = walked[0].every((html, k) => html === walked[1][k] && html === walked[2][k]);
  const differs = walked[0].every((html, k) => k === 0 || html !== walked[0][k - 1]);
  press("End");
  const { sums } = adjointsAfter(steps.length);
  const near = (a, b) => Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-12 * (1 + Math.abs(b));
  const sumsAgree = nodes.every(({ adjoint }, i) => !adjoint || adjoint.every((x, k) => near(sums[i][k], x)));
  const isPrinted = cells.every(({ value, adjoint }, i) => value.textContent === printed[i][0] && adjoint.textContent === printed[i][1]);
  const isLit = drawn.boxes.every((box, i) => box.classList.contains("has-adjoint") === Boolean(nodes[i].adjoint && nodes[i].reached));
  const isMarked = document.querySelectorAll("#buffers .bad").length === (mark ? 1 : 0);
  const fits = width => {
    document.body.style.width = width;
    const { scrollWidth, clientWidth } = document.body;
    document.body.style.width = "";
    return scrollWidth <= clientWidth;
  };
  const shown = cells.map(({ value, adjoint }, i) => [nodes[i].name, value.dataset.numbers ?? "", adjoint.dataset.numbers ?? ""].join(";"));
  document.body.append(make("output", { id: "numbers" }, shown.join("|")));
  return [[`${end} steps by button, keyboard and slider`, agrees && differs], ["sums are the tape's adjoints", sumsAgree],
    ["the last step is the page without scripts", isPrinted], ["the graph is lit", isLit], ["what is not finite is marked", isMarked],
    ["fits 400 pixels and more", fits("400px") && fits("")]];
}
if (location.hash === "#test") addEventListener("load", () => {
  let checks;
  try { checks = selfTest(); } catch (error) { checks = [[String(error), false]]; }
  const bad = [...checks.filter(([, isRight]) => !isRight).map(([name]) => name), ...failures];
  const verdict = bad.length ? `failed: ${bad.join("; ")}` : `ok: ${checks.map(([name]) => name).join("; ")}`;
  document.body.append(make("output", { id: "verdict" }, verdict));
});
