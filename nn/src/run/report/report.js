// The parts of a run's report that move. The page can be read without them.
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

// ---- the decoder of a latent space -----------------------------------------------------------------------------------

const ACTIVATIONS = {
  identity: x => x,
  relu: x => Math.max(x, 0),
  leaky_relu: x => Math.max(x, 0.01 * x),
  elu: x => (x > 0 ? x : Math.expm1(x)),
  tanh: Math.tanh,
  sigmoid: x => 1 / (1 + Math.exp(-x)),
  softplus: x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  exp: Math.exp,
};

/** A function from a point, with conditions behind it, to an image with grey values from 0 to 1. */
function decoder(plane) {
  const pixels = plane.size[0] * plane.size[1];
  if (plane.decoder.by === "grid") {
    const { side, reach } = plane.decoder;
    const images = bytes(plane.decoder.images);
    const node = z => clamp(Math.round(((z + reach) / (2 * reach)) * (side - 1)), 0, side - 1);
    return z => Float64Array.from(row(images, pixels, node(z[1]) * side + node(z[0])), grey => grey / 255);
  }
  const weights = floats(plane.decoder.weights);
  return point => {
    let at = 0;
    let h = point;
    for (const { inputs, outputs, phi, takes_point } of plane.decoder.layers) {
      const x = takes_point ? [...h, ...point] : h;
      const bias = at + inputs * outputs;
      const y = Float64Array.from(weights.subarray(bias, bias + outputs));
      for (let i = 0; i < inputs; i++) {
        if (x[i] === 0) continue;
        for (let j = 0; j < outputs; j++) y[j] += x[i] * weights[at + i * outputs + j];
      }
      h = y.map(ACTIVATIONS[phi]);
      at = bias + outputs;
    }
    return h;
  };
}

// ---- a latent space --------------------------------------------------------------------------------------------------

const PLANE = 480;

function plane(section, data) {
  const { size, classes, conditions, labels } = data;
  const [codes, images, decode] = [floats(data.codes), bytes(data.images), decoder(data)];
  const [pixels, count] = [size[0] * size[1], labels.length];
  const latent = codes.length / count;
  const isGrid = data.decoder.by === "grid";
  const farthest = codes.reduce((most, x) => Math.max(most, Math.abs(x)), 2);
  const reach = isGrid ? data.decoder.reach : Math.min(1.1 * farthest, 10);
  const z = new Array(latent).fill(0);
  const axes = [0, 1];
  let [condition, chosen] = [0, 0];

  const [place, value] = [x => PLANE / 2 + (x / reach) * (PLANE / 2 - 16), x => ((x - PLANE / 2) / (PLANE / 2 - 16)) * reach];
  const svg = make("svg", {
    viewBox: `0 0 ${PLANE} ${PLANE}`, class: "plane", tabindex: 0, role: "application",
    "aria-label": `${data.title}. The arrow keys move the point, with the shift key in larger steps.`,
  });
  const points = make("g");
  const names = [make("text", { x: PLANE - 22, y: PLANE / 2 - 6 }), make("text", { x: PLANE / 2 + 6, y: 14 })];
  const ring = make("circle", { class: "chosen", r: 10 });
  const handle = make("circle", { class: "handle", r: 8 });
  const middle = { x1: PLANE / 2, x2: PLANE / 2, y1: 0, y2: PLANE };
  svg.append(make("line", { class: "grid", ...middle }),
    make("line", { class: "grid", x1: 0, x2: PLANE, y1: PLANE / 2, y2: PLANE / 2 }), ...names, points, ring, handle);

  const picture = canvas(size, 224);
  const readout = make("p", { class: "readout", "aria-live": "polite" });
  const told = x => (conditions.length ? [...x, ...conditions.map((_, i) => Number(i === condition))] : x);
  const sliders = z.map((_, i) => slider(`z${subscript(i + 1)}`, {
    min: -reach, max: reach, step: reach / 100, value: 0,
    change: x => { z[i] = x; show(); },
  }));

  const own = canvas(size, 96);
  const again = canvas(size, 96);
  const neighbours = [0, 1, 2, 3, 4].map(() => captioned(canvas(size, 64), ""));
  const about = make("div", {},
    make("p", { class: "rowname" }), make("div", { class: "images" }, captioned(own, "image"), captioned(again, "reconstruction")),
    make("p", { class: "rowname" }, "its nearest neighbours among the codes"), make("div", { class: "images" }, ...neighbours));
  const picker = slider("image", { min: 1, max: count, step: 1, value: 1, text: x => `${x} of ${count}`, change: i => choose(i - 1) });

  function show() {
    const [x, y] = [place(z[axes[0]]), place(-z[axes[1]])];
    handle.setAttribute("cx", x);
    handle.setAttribute("cy", y);
    picture.show(decode(told(z)), 1);
    sliders.forEach(({ input }, i) => input.set(z[i]));
    readout.textContent = `z${subscript(axes[0] + 1)} = ${number(z[axes[0]])}, z${subscript(axes[1] + 1)} = ${number(z[axes[1]])}`;
  }

  function drawCodes() {
    names.forEach((text, i) => { text.textContent = `z${subscript(axes[i] + 1)}`; });
    points.replaceChildren(...labels.map((label, i) => {
      const code = row(codes, latent, i);
      const [x, y] = [place(code[axes[0]]), place(-code[axes[1]])];
      const attributes = { class: `code s${label % 10}`, "data-i": i };
      return classes.length && classes[label].length === 1
        ? make("text", { ...attributes, x, y }, classes[label])
        : make("circle", { ...attributes, cx: x, cy: y, r: 3.5 });
    }));
    mark();
  }

  function mark() {
    const code = row(codes, latent, chosen);
    ring.setAttribute("cx", place(code[axes[0]]));
    ring.setAttribute("cy", place(-code[axes[1]]));
  }

  /** Shows an image, its reconstruction and its neighbours, and moves the point to its code. */
  function choose(i) {
    chosen = i;
    const code = row(codes, latent, i);
    code.forEach((x, k) => { z[k] = x; });
    if (conditions.length) { condition = labels[i]; byClass.select.value = condition; }
    show();
    mark();
    picker.input.set(i + 1);
    about.firstChild.textContent = `image ${i + 1}` + (classes.length ? `, of class ${classes[labels[i]]}` : "");
    own.show(row(images, pixels, i), 255);
    again.show(decode(told(z)), 1);
    const distance = j => Math.hypot(...row(codes, latent, j).map((x, k) => x - code[k]));
    const near = labels.map((_, j) => j).filter(j => j !== i).map(j => [distance(j), j]).sort((a, b) => a[0] - b[0]);
    neighbours.forEach((figure, k) => {
      figure.hidden = k >= near.length;
      if (figure.hidden) return;
      const [far, j] = near[k];
      figure.firstChild.show(row(images, pixels, j), 255);
      figure.lastChild.textContent = (classes.length ? `${classes[labels[j]]}, ` : "") + `at ${number(far)}`;
    });
  }

  function move(event) {
    const box = svg.getBoundingClientRect();
    const scale = PLANE / box.width;
    z[axes[0]] = clamp(value((event.clientX - box.left) * scale), -reach, reach);
    z[axes[1]] = clamp(-value((event.clientY - box.top) * scale), -reach, reach);
    show();
  }
  svg.addEventListener("pointerdown", event => {
    if (event.target.dataset.i !== undefined) return choose(Number(event.target.dataset.i));
    svg.setPointerCapture(event.pointerId);
    move(event);
  });
  svg.addEventListener("pointermove", event => { if (svg.hasPointerCapture(event.pointerId)) move(event); });
  svg.addEventListener("keydown", event => {
    const [right, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
    if (!right && !up) return;
    event.preventDefault();
    const step = (event.shiftKey ? 0.1 : 0.02) * reach;
    z[axes[0]] = clamp(z[axes[0]] + right * step, -reach, reach);
    z[axes[1]] = clamp(z[axes[1]] + up * step, -reach, reach);
    show();
  });

  const byClass = choice("class", conditions, 0, i => { condition = i; show(); });
  const side = make("div", { class: "side" }, picture, readout);
  if (conditions.length) side.append(byClass.label);
  if (latent > 2 && !isGrid) {
    const all = z.map((_, i) => `z${subscript(i + 1)}`);
    const axis = k => choice(k ? "upwards" : "to the right", all, axes[k], i => { axes[k] = i; drawCodes(); show(); }).label;
    side.append(axis(0), axis(1));
  }
  if (!isGrid) side.append(make("div", { class: "sliders" }, ...sliders.map(slider => slider.label)));
  const hint = "Drag the point, or use the arrow keys. Click on a code, or choose its image by the slider below the plane.";
  section.append(make("p", { class: "hint" }, hint),
    make("div", { class: "parts" }, make("div", { class: "stage" }, svg, picker.label), side, make("div", { class: "side" }, about)));
  drawCodes();
  choose(0);

  selfTests.push(() => {
    const [inputs, expected] = [floats(data.check_points), floats(data.check_images)];
    const width = latent + conditions.length;
    let worst = 0;
    for (let i = 0; i < inputs.length / width; i++) {
      decode([...row(inputs, width, i)]).forEach((x, j) => {
        const difference = Math.abs(x - expected[i * pixels + j]);
        worst = difference <= worst ? worst : difference; // also of what is not a number
      });
    }
    // The images of a grid are kept as bytes.
    const tolerance = isGrid ? 0.5 / 255 + 1e-4 : 1e-4;
    const dot = () => [handle.getAttribute("cx"), handle.getAttribute("cy")].map(Number);
    const before = dot();
    const press = key => svg.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    ["ArrowRight", "ArrowUp"].forEach(press);
    const after = dot();
    const moved = after[0] > before[0] && after[1] < before[1];
    picker.input.value = Math.min(2, count);
    picker.input.dispatchEvent(new Event("input"));
    const isChosen = Math.abs(dot()[0] - place(row(codes, latent, Math.min(1, count - 1))[axes[0]])) < 0.01;
    ["ArrowLeft", "ArrowDown"].forEach(press);
    return [
      [`${inputs.length / width} points decoded, largest difference ${worst.toExponential(1)}`, worst <= tolerance],
      ["arrow keys move the point", moved],
      ["a code is chosen without a mouse", isChosen],
    ];
  });
}

// ---- charts ----------------------------------------------------------------------------------------------------------

const [WIDTH, HEIGHT] = [480, 270]; // as in chart.rs
const [LEFT, RIGHT, TOP, BOTTOM] = [62, 468, 12, 232];

/** The value of each series near a place, below the chart: by pointer, and by the arrow keys. */
function hover(svg, spec) {
  const readout = make("p", { class: "readout", "aria-live": "polite" });
  svg.after(readout);
  svg.setAttribute("tabindex", 0);
  const cursor = make("line", { class: "cursor", y1: TOP, y2: BOTTOM, visibility: "hidden" });
  svg.append(cursor);
  let at = spec().x[0];
  const say = x => {
    const { x: [low, high], series } = spec();
    at = clamp(x, low, high);
    const lists = series.map(({ name, shape }) => [name, Object.values(shape)[0]]).filter(([, list]) => list.x.length && !list.draws);
    if (!lists.length) return;
    const nearest = list => list.x.reduce((best, x, i) => (Math.abs(x - at) < Math.abs(list.x[best] - at) ? i : best), 0);
    at = lists[0][1].x[nearest(lists[0][1])];
    const value = list => (i => list.y ? number(list.y[i]) : `${number(list.low[i])} to ${number(list.high[i])}`)(nearest(list));
    readout.textContent = `${number(at)}: ` + lists.map(([name, list]) => `${name} ${value(list)}`).join(", ");
    const place = LEFT + ((at - low) / (high - low)) * (RIGHT - LEFT);
    cursor.setAttribute("x1", place);
    cursor.setAttribute("x2", place);
    cursor.setAttribute("visibility", place >= LEFT && place <= RIGHT ? "visible" : "hidden");
  };
  svg.addEventListener("pointermove", event => {
    const { x: [low, high] } = spec();
    const box = svg.getBoundingClientRect();
    say(low + ((((event.clientX - box.left) * WIDTH) / box.width - LEFT) / (RIGHT - LEFT)) * (high - low));
  });
  svg.addEventListener("keydown", event => {
    const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!steps) return;
    event.preventDefault();
    const { x: [low, high], series } = spec();
    if (!series.length) return;
    const xs = Object.values(series[0].shape)[0].x.filter(x => x >= low && x <= high);
    const i = xs.findIndex(x => x >= at);
    say(xs[clamp((i < 0 ? xs.length - 1 : i) + steps, 0, xs.length - 1)]);
  });
  return { say, cursor, readout };
}

function ticks([low, high], about) {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(m => m * power).find(step => step >= rough * (1 - 1e-9));
  const first = Math.ceil(low / step);
  const digits = clamp(Math.ceil(Math.log10(Math.max(Math.abs(low), Math.abs(high)) / step)) + 1, 1, 15);
  const text = x => (Object.is(x, -0) ? 0 : x).toLocaleString("en", { maximumSignificantDigits: digits }).replace("-", "−");
  const all = Array.from({ length: 2 * about + 1 }, (_, i) => (first + i) * step).filter(x => x <= high);
  return all.map(x => [x, text(x)]);
}

function numbers(shape) {
  const list = Object.values(shape)[0];
  return list.draws ? list.draws.flat() : [list.y, list.low, list.high].flat();
}

/** The range of numbers, a little wider than they are. */
function range(values, share) {
  const wider = ([low, high], x) => [Math.min(low, x), Math.max(high, x)];
  const [low, high] = values.filter(Number.isFinite).reduce(wider, [Infinity, -Infinity]);
  const margin = (high - low || Math.abs(high) || 1) * share;
  return [low - margin, high + margin];
}

const rangesOf = list => ({
  x: range(list.flatMap(({ shape }) => Object.values(shape)[0].x), 0),
  y: range(list.flatMap(({ shape }) => numbers(shape)), 0.04),
});

/** Draws what is switched on, over a range of x and y. */
function drawChart(svg, { labels, series }, ranges, isShown, drawsShown) {
  const scale = ([low, high], [from, to]) => v => from + ((v - low) / (high - low)) * (to - from);
  const [x, y] = [scale(ranges.x, [LEFT, RIGHT]), scale(ranges.y, [BOTTOM, TOP])];
  const isInside = v => v >= ranges.x[0] && v <= ranges.x[1];
  svg.replaceChildren();
  for (const [tick, text] of ticks(ranges.x, 6)) {
    svg.append(make("line", { class: "grid", x1: x(tick), x2: x(tick), y1: TOP, y2: BOTTOM }),
      make("text", { x: x(tick), y: BOTTOM + 18, "text-anchor": "middle" }, text));
  }
  for (const [tick, text] of ticks(ranges.y, 5)) {
    svg.append(make("line", { class: "grid", x1: LEFT, x2: RIGHT, y1: y(tick), y2: y(tick) }),
      make("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, text));
  }
  svg.append(make("text", { x: (LEFT + RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, labels[0]));
  svg.append(make("text", { x: LEFT + 4, y: TOP + 12 }, labels[1]));
  const place = ([v, w]) => `${x(v).toFixed(1)},${y(w).toFixed(1)}`;
  const path = (xs, ys) => xs.map((v, i) => [v, ys[i]]).filter(([v]) => isInside(v)).map(place);
  series.forEach(({ shape }, i) => {
    if (!isShown(i)) return;
    const [[kind, list]] = Object.entries(shape);
    const line = ys => svg.append(make("polyline", { class: `line s${i % 10}`, points: path(list.x, ys).join(" ") }));
    if (kind === "line") line(list.y);
    if (kind === "draws") list.draws.slice(0, drawsShown).forEach(line);
    if (kind === "band") {
      const points = [...path(list.x, list.high), ...path(list.x, list.low).reverse()];
      svg.append(make("polygon", { class: `band s${i % 10}`, points: points.join(" ") }));
    }
    if (kind === "points") {
      const dot = (v, k) => make("circle", { class: `dot s${i % 10}`, cx: x(v), cy: y(list.y[k]), r: 2.5 });
      list.x.forEach((v, k) => isInside(v) && svg.append(dot(v, k)));
    }
  });
}

const chartElement = title => make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });

/** A chart whose series are switched on and off, and which zooms. */
function curves(section, data) {
  const svg = chartElement(data.title);
  const full = rangesOf(data.series);
  const view = { x: [...full.x] };
  const isShown = data.series.map(() => true);
  const draws = Math.max(0, ...data.series.map(({ shape }) => shape.draws?.draws.length ?? 0));
  let drawsShown = Math.min(draws, 1);
  const figure = make("figure", { class: "chart" }, svg);
  const values = hover(svg, () => ({ x: view.x, series: data.series.filter((_, i) => isShown[i]) }));
  const show = () => {
    drawChart(svg, data, { x: view.x, y: full.y }, i => isShown[i], drawsShown);
    svg.append(values.cursor);
  };
  const keys = data.series.map(({ name }, i) => make("label", { class: "check" },
    make("input", { type: "checkbox", ".checked": true, onchange: event => { isShown[i] = event.target.checked; show(); } }),
    make("span", { class: `swatch s${i % 10}` }), name));
  const width = full.x[1] - full.x[0];
  const end = (name, k) => slider(name, {
    min: full.x[0], max: full.x[1], step: width / 200, value: full.x[k],
    change: x => {
      view.x[k] = k ? Math.max(x, view.x[0] + width / 50) : Math.min(x, view.x[1] - width / 50);
      show();
    },
  });
  const ends = [end("from", 0), end("to", 1)];
  const count = slider("draws", { min: 0, max: draws, step: 1, value: drawsShown, change: n => { drawsShown = n; show(); } });
  section.append(make("div", { class: "parts" }, make("div", { class: "stage", style: "max-width:42rem" }, figure),
    make("div", { class: "side" }, ...keys, ...(draws ? [count.label] : []), ...ends.map(end => end.label))));
  show();
  selfTests.push(() => {
    const lines = () => svg.querySelectorAll(".line,.dot,.band").length;
    const before = lines();
    const box = keys[0].querySelector("input");
    box.click();
    const less = lines() < before;
    box.click();
    svg.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
    return [["a series is switched off", less && lines() === before], ["values are told", values.readout.textContent !== ""]];
  });
}

/** Scenes, of which a slider chooses one. */
function frames(section, data) {
  const text = make("p", { "aria-live": "polite" });
  const stage = make("div", { class: "stage", style: "max-width:42rem" });
  // All scenes have the same axes, or the eye would follow these.
  const all = data.positions.flatMap(({ scene }) => scene.curves?.series ?? []);
  const ranges = all.length && rangesOf(all);
  let at = data.start;
  const control = slider(data.slider, {
    min: 0, max: data.positions.length - 1, step: 1, value: at, text: i => data.positions[i].name, change: i => { at = i; show(); },
  });
  const show = () => {
    const { scene, marked, text: said } = data.positions[at];
    text.textContent = said;
    text.className = marked ? "marked" : "";
    if (scene.curves) return showCurves(scene.curves);
    const { size, rows, images } = scene.images;
    const [grey, pixels] = [bytes(images), size[0] * size[1]];
    const each = grey.length / pixels / rows.length;
    stage.replaceChildren(...rows.flatMap((name, r) => [
      make("p", { class: "rowname" }, name),
      make("div", { class: "images" }, ...Array.from({ length: each }, (_, i) => {
        const image = canvas(size, 64);
        image.show(row(grey, pixels, r * each + i), 255);
        return image;
      })),
    ]));
  };
  const showCurves = curves => {
    const svg = chartElement(curves.title);
    drawChart(svg, curves, ranges, () => true, Infinity);
    const keys = curves.series.map(({ name }, i) => make("span", { class: "key" }, make("span", { class: `swatch s${i % 10}` }), name));
    stage.replaceChildren(make("figure", { class: "chart" }, svg), ...keys);
    hover(svg, () => ({ x: ranges.x, series: curves.series }));
  };
  section.append(control.label, text, stage);
  show();
  selfTests.push(() => {
    const before = stage.innerHTML + text.textContent;
    control.input.value = at ? 0 : data.positions.length - 1;
    control.input.dispatchEvent(new Event("input"));
    const changed = stage.innerHTML + text.textContent !== before;
    control.input.set(at = data.start);
    show();
    return [["the slider changes the scene", changed || data.positions.length < 2]];
  });
}

// ---- the page --------------------------------------------------------------------------------------------------------

document.querySelectorAll("svg[data-chart]").forEach(svg => {
  const spec = JSON.parse(svg.dataset.chart);
  hover(svg, () => spec);
});
document.querySelectorAll(".explorer").forEach(section => {
  const data = JSON.parse(section.querySelector("script").textContent);
  ({ plane, frames, curves })[data.kind](section, data);
});
if (location.hash === "#test") addEventListener("load", () => {
  const checks = selfTests.flatMap(test => { try { return test(); } catch (error) { return [[String(error), false]]; } });
  const bad = [...checks.filter(([, isRight]) => !isRight).map(([name]) => name), ...failures];
  const verdict = bad.length ? `failed: ${bad.join("; ")}` : `ok: ${checks.map(([name]) => name).join("; ")}`;
  document.body.append(make("output", { id: "verdict" }, verdict));
});
