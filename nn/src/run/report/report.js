// The parts of a run's report that move. The page can be read without them. Here are elements and the page; latent spaces are in
// `plane.js`, charts in `chart.js`.
//
// `#test` behind the address makes the page test itself: it decodes points and compares the images with those that the model
// made, uses the keyboard, and says in the element `verdict` what it found.
"use strict";

const failures = [];
addEventListener("error", event => failures.push(event.message));
addEventListener("unhandledrejection", event => failures.push(String(event.reason)));
const selfTests = [];

// ---- elements, numbers -----------------------------------------------------------------------------------------------

const SVG = new Set(["svg", "g", "line", "text", "circle", "polyline", "polygon"]);

/** An element with attributes, properties whose names begin with a dot, listeners whose names begin with "on", children. */
function make(tag, attributes = {}, ...children) {
  const element = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith(".")) element[name.slice(1)] = value;
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const floats = text => new Float32Array(bytes(text).buffer); // of the lowest byte first, as almost all machines are
const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const number = x => (Object.is(x, -0) ? 0 : x).toLocaleString("en", { maximumSignificantDigits: 4 }).replace("-", "−");
const subscript = i => String(i).replace(/\d/g, digit => "₀₁₂₃₄₅₆₇₈₉"[digit]);
const row = (matrix, width, i) => matrix.subarray(i * width, (i + 1) * width);

/** A slider with its value beside it. */
function slider(name, { min, max, step, value, text = number, change }) {
  const output = make("output", {}, text(value));
  const input = make("input", {
    type: "range", min, max, step, ".value": value, "aria-label": name,
    oninput: () => { input.show(); change(Number(input.value)); },
  });
  input.show = () => { output.textContent = text(Number(input.value)); };
  input.set = x => { input.value = x; output.textContent = text(x); }; // the input itself rounds to its steps
  return { input, label: make("label", {}, make("span", {}, name), input, output) };
}

function choice(name, options, value, change) {
  const list = options.map((text, i) => make("option", { value: i, ".selected": i === value }, text));
  const select = make("select", { "aria-label": name, onchange: () => change(Number(select.value)) }, ...list);
  return { select, label: make("label", {}, make("span", {}, name), select) };
}

/** A canvas with an image of grey values, whole numbers up to `white`. */
function canvas([height, width], zoom) {
  const element = make("canvas", { height, width, style: `width:${zoom}px;height:${(zoom * height) / width}px` });
  element.show = (values, white) => {
    const image = new ImageData(width, height);
    values.forEach((value, i) => {
      const grey = Math.round(clamp(value / white, 0, 1) * 255);
      image.data.set([grey, grey, grey, 255], 4 * i);
    });
    element.getContext("2d").putImageData(image, 0, 0);
  };
  return element;
}

const captioned = (element, text) => make("figure", {}, element, make("figcaption", {}, text));

// ---- the page --------------------------------------------------------------------------------------------------------

addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("svg[data-chart]").forEach(svg => {
    const spec = JSON.parse(svg.dataset.chart);
    hover(svg, () => spec);
  });
  document.querySelectorAll(".explorer").forEach(section => {
    const data = JSON.parse(section.querySelector("script").textContent);
    ({ plane, table: plane, frames, curves })[data.kind](section, data);
  });
});
if (location.hash === "#test") addEventListener("load", () => {
  const checks = selfTests.flatMap(test => { try { return test(); } catch (error) { return [[String(error), false]]; } });
  const bad = [...checks.filter(([, isRight]) => !isRight).map(([name]) => name), ...failures];
  const verdict = bad.length ? `failed: ${bad.join("; ")}` : `ok: ${checks.map(([name]) => name).join("; ")}`;
  document.body.append(make("output", { id: "verdict" }, verdict));
});
