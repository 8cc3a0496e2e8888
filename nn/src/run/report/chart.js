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
  const [to, from] = spec().log ? [Math.log, Math.exp] : [x => x, x => x];
  const say = x => {
    const { x: [low, high], series } = spec();
    at = clamp(x, low, high);
    const lists = series.map(({ name, shape }) => [name, Object.values(shape)[0]]).filter(([, list]) => list.x.length && !list.draws);
    if (!lists.length) return;
    const nearest = list => list.x.reduce((best, x, i) => (Math.abs(x - at) < Math.abs(list.x[best] - at) ? i : best), 0);
    at = lists[0][1].x[nearest(lists[0][1])];
    const value = list => (i => list.y ? number(list.y[i]) : `${number(list.low[i])} to ${number(list.high[i])}`)(nearest(list));
    readout.textContent = `${number(at)}: ` + lists.map(([name, list]) => `${name} ${value(list)}`).join(", ");
    const place = LEFT + ((to(at) - to(low)) / (to(high) - to(low))) * (RIGHT - LEFT);
    cursor.setAttribute("x1", place);
    cursor.setAttribute("x2", place);
    cursor.setAttribute("visibility", place >= LEFT && place <= RIGHT ? "visible" : "hidden");
  };
  svg.addEventListener("pointermove", event => {
    const { x: [low, high] } = spec();
    const box = svg.getBoundingClientRect();
    const share = (((event.clientX - box.left) * WIDTH) / box.width - LEFT) / (RIGHT - LEFT);
    say(from(to(low) + share * (to(high) - to(low))));
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
  section.append(make("div", { class: "parts" }, make("div", { class: "stage wide-stage" }, figure),
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
  const stage = make("div", { class: "stage wide-stage" });
  const about = make("div");
  // All scenes have the same axes, or the eye would follow these.
  const all = data.positions.flatMap(({ scene }) => scene.curves?.series ?? []);
  const ranges = all.length && rangesOf(all);
  const most = Math.max(...data.positions.map(({ scene }) => scene.images?.rows.length ?? 0));
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
    const image = (r, i) => {
      const element = canvas(size, 104);
      if (r < rows.length) element.show(row(grey, pixels, r * each + i), 255);
      else element.style.visibility = "hidden"; // it keeps the room of what is not known here
      return element;
    };
    const column = i => make("div", { class: "column" }, ...Array.from({ length: most }, (_, r) => image(r, i)));
    stage.replaceChildren(make("p", { class: "rowname" }, rows.length > 1 ? `from above: ${rows.join(", ")}` : rows[0]),
      make("div", { class: "images" }, ...Array.from({ length: each }, (_, i) => column(i))));
  };
  const showCurves = curves => {
    const svg = chartElement(curves.title);
    drawChart(svg, curves, ranges, () => true, Infinity);
    const keys = curves.series.map(({ name }, i) => make("div", { class: "key" }, make("span", { class: `swatch s${i % 10}` }), name));
    stage.replaceChildren(make("figure", { class: "chart" }, svg));
    const { readout } = hover(svg, () => ({ x: ranges.x, series: curves.series }));
    about.replaceChildren(...keys, readout);
  };
  if (all.length) section.append(make("div", { class: "parts" }, stage, make("div", { class: "side" }, control.label, text, about)));
  else section.append(control.label, text, stage);
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
