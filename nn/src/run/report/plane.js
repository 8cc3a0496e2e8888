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
  bounded_exp: x => Math.exp(15 * Math.tanh(x / 15)),
};

function softmax(x) {
  const most = x.reduce((a, b) => Math.max(a, b));
  const weights = x.map(x => Math.exp(x - most));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map(weight => weight / sum);
}

/** A function from a point, with conditions behind it, to a row: grey values from 0 to 1, or the numbers of cells in the model's units. */
function decoder(data) {
  if (data.decoder.by === "grid") {
    const { side, reach } = data.decoder;
    const images = bytes(data.decoder.images);
    const node = z => clamp(Math.round(((z + reach) / (2 * reach)) * (side - 1)), 0, side - 1);
    return z => Float64Array.from(row(images, images.length / side ** 2, node(z[1]) * side + node(z[0])), grey => grey / 255);
  }
  const weights = floats(data.decoder.weights);
  return point => {
    let at = 0;
    let h = point;
    for (const { inputs, outputs, takes_point } of data.decoder.layers) {
      const x = takes_point ? [...h, ...point] : h;
      const width = outputs.reduce((sum, { count }) => sum + count, 0);
      const bias = at + inputs * width;
      const y = Float64Array.from(weights.subarray(bias, bias + width));
      for (let i = 0; i < inputs; i++) {
        if (x[i] === 0) continue;
        for (let j = 0; j < width; j++) y[j] += x[i] * weights[at + i * width + j];
      }
      let first = 0;
      for (const { count, phi } of outputs) {
        const part = y.subarray(first, first + count);
        part.set(phi === "softmax" ? softmax(part) : part.map(ACTIVATIONS[phi]));
        first += count;
      }
      h = y;
      at = bias + width;
    }
    return h;
  };
}

// ---- what a point is decoded to, and the rows that have codes --------------------------------------------------------
//
// Both kinds have `at`, what the decoder makes of the point, and `about`, what is told of the chosen row.

function imagesOf(data, codes, decode) {
  const { size, classes, labels } = data;
  const [images, pixels, latent] = [bytes(data.images), size[0] * size[1], codes.length / labels.length];
  const picture = canvas(size, 224);
  const own = canvas(size, 96);
  const again = canvas(size, 96);
  const neighbours = [0, 1, 2, 3, 4].map(() => captioned(canvas(size, 64), ""));
  const title = make("p", { class: "rowname" });
  const about = make("div", {}, title,
    make("div", { class: "images" }, captioned(own, "image"), captioned(again, "reconstruction")),
    make("p", { class: "rowname" }, "its nearest neighbours among the codes"), make("div", { class: "images" }, ...neighbours));
  const choose = (i, z) => {
    title.textContent = `image ${i + 1}` + (classes.length ? `, of class ${classes[labels[i]]}` : "");
    own.show(row(images, pixels, i), 255);
    again.show(decode(z), 1);
    const code = row(codes, latent, i);
    const distance = j => Math.hypot(...row(codes, latent, j).map((x, k) => x - code[k]));
    const near = labels.map((_, j) => j).filter(j => j !== i).map(j => [distance(j), j]).sort((a, b) => a[0] - b[0]);
    neighbours.forEach((figure, k) => {
      figure.hidden = k >= near.length;
      if (figure.hidden) return;
      const [far, j] = near[k];
      figure.firstChild.show(row(images, pixels, j), 255);
      figure.lastChild.textContent = (classes.length ? `${classes[labels[j]]}, ` : "") + `at ${number(Number(far.toPrecision(2)))}`;
    });
  };
  return { name: "image", at: picture, about, show: z => picture.show(decode(z), 1), choose };
}

function cellsOf(data, decode) {
  const { columns, classes, labels, scores, shift, scale } = data;
  const [observed, filled] = [floats(data.observed), floats(data.filled)];
  const firsts = columns.map((_, j) => columns.slice(0, j).reduce((sum, { numbers }) => sum + numbers, 0));
  const inUnits = (x, i) => {
    const y = x * scale[i] + shift[i];
    return Math.abs(y) < 1e-6 * Math.abs(shift[i]) ? 0 : y; // what is left of single precision
  };
  /** The numbers of a cell, of classes the probabilities of all. */
  const cell = (x, j) => {
    const of = Array.from({ length: columns[j].numbers }, (_, i) => inUnits(x[firsts[j] + i], firsts[j] + i));
    return of.length === 1 && columns[j].classes.length === 2 ? [1 - of[0], of[0]] : of;
  };
  const likeliest = of => of.indexOf(Math.max(...of));
  const mean = (of, j) => {
    const [{ classes, is_answer }, best] = [columns[j], likeliest(of)];
    if (!classes.length) return number(of[0]);
    return is_answer ? `P(${classes[1]})\u00a0=\u00a0${of[1].toFixed(2)}` : `${classes[best]} (${of[best].toFixed(2)})`;
  };
  const known = (of, j) => (columns[j].classes.length ? columns[j].classes[likeliest(of)] : number(of[0]));
  const inRow = columns.map(() => make("td"));
  const atPoint = columns.map(() => make("td"));
  const title = make("p", {});
  const heading = make("th", { scope: "col" });
  const head = make("tr", {}, make("th", { scope: "col" }, "column"), heading, make("th", { scope: "col" }, "at the point"));
  const rows = columns.map(({ name }, j) => make("tr", {}, make("th", { scope: "row" }, name), inRow[j], atPoint[j]));
  const about = make("div", {}, title,
    make("div", { class: "cells" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))));
  const hint = "At the point stands E[x|z]: the mean of a quantity, the probability P of an answer, " +
    "of a category the most probable class with its probability.";
  about.append(make("p", { class: "hint" }, hint));
  const ranked = scores.filter(score => score !== null).sort((a, b) => b - a);
  const choose = i => {
    const score = scores[i] === null ? "no observed cell" :
      `−log p(x) is ${number(scores[i])} nats per observed cell, rank ${ranked.indexOf(scores[i]) + 1} of ${ranked.length} (1 is the strangest)`;
    title.textContent = `Row ${i + 1}` + (classes.length ? `, ${classes[labels[i]]}` : "") + `: ${score}.`;
    heading.textContent = `row ${i + 1}`;
    inRow.forEach((td, j) => {
      const x = cell(row(observed, scale.length, i), j);
      const isGap = Number.isNaN(x[0]);
      td.textContent = isGap ? `filled: ${mean(cell(row(filled, scale.length, i), j), j)}` : known(x, j);
      td.className = isGap ? "marked" : "";
    });
  };
  const show = z => {
    const x = decode(z);
    atPoint.forEach((td, j) => { td.textContent = mean(cell(x, j), j); });
  };
  return { name: "row", at: "", about, show, choose };
}

// ---- a latent space --------------------------------------------------------------------------------------------------

const PLANE = 480;

function plane(section, data) {
  const { classes, labels } = data;
  const conditions = data.conditions ?? [];
  const [codes, decode, count] = [floats(data.codes), decoder(data), labels.length];
  const latent = codes.length / count;
  const rows = data.kind === "plane" ? imagesOf(data, codes, decode) : cellsOf(data, decode);
  const isGrid = data.decoder.by === "grid";
  const farthest = codes.reduce((most, x) => Math.max(most, Math.abs(x)), 2);
  const reach = isGrid ? data.decoder.reach : Math.min(1.1 * farthest, 10);
  const z = new Array(latent).fill(0);
  const axes = data.axes ?? [0, 1];
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

  const readout = make("p", { class: "readout", "aria-live": "polite" });
  const told = x => (conditions.length ? [...x, ...conditions.map((_, i) => Number(i === condition))] : x);
  const sliders = z.map((_, i) => slider(`z${subscript(i + 1)}`, {
    min: -reach, max: reach, step: reach / 100, value: 0,
    change: x => { z[i] = x; show(); },
  }));
  const picker = slider(rows.name, { min: 1, max: count, step: 1, value: 1, text: x => `${x} of ${count}`, change: i => choose(i - 1) });
  // Classes with an order have colours from one to another.
  const colour = label => (data.ordered
    ? { style: `--c: color-mix(in oklab, var(--c1) ${(100 * label) / Math.max(classes.length - 1, 1)}%, var(--c0))` }
    : { class: `s${label % 10}` });
  const areLetters = classes.every(name => name.length === 1);
  const keys = areLetters ? [] : classes.map((name, i) =>
    make("span", { class: "key" }, make("span", { ...colour(i), class: `swatch ${colour(i).class ?? ""}` }), name));

  function show() {
    const [x, y] = [place(z[axes[0]]), place(-z[axes[1]])];
    handle.setAttribute("cx", x);
    handle.setAttribute("cy", y);
    rows.show(told(z));
    sliders.forEach(({ input }, i) => input.set(z[i]));
    readout.textContent = `z${subscript(axes[0] + 1)} = ${number(z[axes[0]])}, z${subscript(axes[1] + 1)} = ${number(z[axes[1]])}`;
  }

  function drawCodes() {
    names.forEach((text, i) => { text.textContent = `z${subscript(axes[i] + 1)}`; });
    points.replaceChildren(...labels.map((label, i) => {
      const code = row(codes, latent, i);
      const [x, y] = [place(code[axes[0]]), place(-code[axes[1]])];
      const attributes = { ...colour(label), class: `code ${colour(label).class ?? ""}`, "data-i": i };
      return classes.length && areLetters
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

  /** Shows a row, and moves the point to its code. */
  function choose(i) {
    chosen = i;
    row(codes, latent, i).forEach((x, k) => { z[k] = x; });
    if (conditions.length) { condition = labels[i]; byClass.select.value = condition; }
    show();
    mark();
    picker.input.set(i + 1);
    rows.choose(i, told(z));
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
  const side = make("div", { class: "side" }, rows.at, readout);
  if (conditions.length) side.append(byClass.label);
  if (latent > 2 && !isGrid) {
    const all = z.map((_, i) => `z${subscript(i + 1)}`);
    const axis = k => choice(k ? "upwards" : "to the right", all, axes[k], i => { axes[k] = i; drawCodes(); show(); }).label;
    side.append(axis(0), axis(1));
  }
  if (!isGrid) side.append(make("div", { class: "sliders" }, ...sliders.map(slider => slider.label)));
  const hint = `Drag the point, or use the arrow keys. Click on a code, or choose its ${rows.name} by the slider below the plane.`;
  section.append(make("p", { class: "hint" }, hint), make("div", { class: "parts" },
    make("div", { class: "stage" }, svg, picker.label, ...keys), side, make("div", { class: "side" }, rows.about)));
  drawCodes();
  choose(0);

  selfTests.push(() => {
    const [inputs, expected] = [floats(data.check_points), floats(data.check_decoded)];
    const width = latent + conditions.length;
    const points = inputs.length / width;
    let worst = 0;
    for (let i = 0; i < points; i++) {
      decode([...row(inputs, width, i)]).forEach((x, j, all) => {
        const right = expected[i * all.length + j];
        const difference = Math.abs(x - right) / Math.max(1, Math.abs(right));
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
    const isTold = rows.about.textContent.includes(`${rows.name} ${Math.min(2, count)}`);
    const isChosen = Math.abs(dot()[0] - place(row(codes, latent, Math.min(1, count - 1))[axes[0]])) < 0.01;
    ["ArrowLeft", "ArrowDown"].forEach(press);
    return [
      [`${points} points decoded, largest difference ${worst.toExponential(1)}`, worst <= tolerance],
      ["arrow keys move the point", moved],
      ["a code is chosen without a mouse", isChosen],
      [`the ${rows.name} is told`, isTold],
    ];
  });
}
