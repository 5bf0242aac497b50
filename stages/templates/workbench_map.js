// @ts-check
// The map: Bokeh draws the examples' points, in a canvas, and tells which were brushed or tapped.

const FADED = 0.07; // opacity of what the filters leave out
const dark = matchMedia("(prefers-color-scheme: dark)");
const placed = rows.id.map((_, i) => i).filter((i) => rows.x[i] !== null); // rows that have a point
const pointOf = new Map(placed.map((i, point) => [i, point]));

/** What colours the points: name -> {names, of: place of a row's name}, or {values} on a continuous scale. */
function colouring(name) {
  if (name === "role") return { names: page.roles, of: (i) => rows.role[i] };
  if (name === "cluster")
    return {
      names: page.clusters.map((found) => found.name),
      of: (i) => page.clusters.findIndex((found) => found.cluster === rows.cluster[i]),
    };
  if (page.kind === "regression") return { values: name === "correctness" ? rows.loss : rows[name] };
  if (name === "correctness")
    return { names: ["right", "partly right", "wrong"], of: (i) => rows.verdict[i], palette: [0, 5, 1] };
  return {
    names: page.labels,
    of: (i) => (page.kind === "multi-label" ? rows.rarest[name][i] : rows[name][i]),
  };
}

/** @param {(rows: number[]) => void} onBrush @param {(row: number) => void} onTap */
function drawMap(onBrush, onTap) {
  const { ColumnDataSource, Plotting } = Bokeh;
  const tool = (name, options = {}) => new (Bokeh.Models.get(name))(options);
  const none = () => placed.map(() => 0);
  const source = new ColumnDataSource({
    data: {
      x: none(),
      y: none(),
      color: placed.map(() => "gray"),
      marker: placed.map(() => "circle"),
      alpha: none(),
      text: placed.map(hoverText),
      label: placed.map((i) => inWords(rows.label[i])),
      said: placed.map((i) => inWords(rows.predicted[i])),
    },
  });
  const ring = new ColumnDataSource({ data: { x: [], y: [] } });
  const drag = { pan: tool("PanTool"), box: tool("BoxSelectTool"), lasso: tool("LassoSelectTool") };
  const tap = tool("TapTool", {
    behavior: "inspect",
    callback: (_, { source: hit }) => {
      if (hit === source) onTap(placed[source.inspected.indices[0]]);
    },
  });
  const plot = new Plotting.figure({
    sizing_mode: "stretch_both",
    output_backend: "webgl",
    toolbar_location: null,
    tools: [...Object.values(drag), tap, tool("WheelZoomTool", { modifiers: { ctrl: true } })],
    outline_line_color: null,
    min_border: 0,
    x_range: tool("Range1d"),
    y_range: tool("Range1d"),
  });
  plot.xaxis.visible = plot.yaxis.visible = false; // the axes of a layout mean nothing
  plot.xgrid.visible = plot.ygrid.visible = false;
  const points = plot.scatter({
    x: { field: "x" },
    y: { field: "y" },
    marker: { field: "marker" },
    fill_color: { field: "color" },
    fill_alpha: { field: "alpha" },
    line_color: null,
    size: placed.length > 5000 ? 5 : 7,
    source,
  });
  points.selection_glyph = points.nonselection_glyph = null; // the filters show what is chosen
  const marked = plot.scatter({
    x: { field: "x" },
    y: { field: "y" },
    marker: "circle",
    fill_color: null,
    line_width: 3,
    size: 18,
    source: ring,
  });
  plot.add_tools(
    tool("HoverTool", {
      renderers: [points],
      point_policy: "follow_mouse",
      limit: 3,
      tooltips: [
        ["label", "@label"],
        ["says", "@said"],
        ["text", "@text"],
      ],
    }),
  );
  tap.renderers = [points];

  const map = { source, plot, layout: "", layOut, colour, show, mark, drag: dragging, fit, zoom, theme };

  function layOut(name) {
    const [x, y] = name === "frozen" ? [rows.frozen_x, rows.frozen_y] : [rows.x, rows.y];
    source.data = { ...source.data, x: placed.map((i) => x[i] ?? NaN), y: placed.map((i) => y[i] ?? NaN) };
    fit();
  }

  function fit() {
    for (const [range, values] of [
      [plot.x_range, source.data.x],
      [plot.y_range, source.data.y],
    ]) {
      const known = [...values].filter(Number.isFinite);
      const [low, high] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
      const margin = 0.04 * (high - low) || 0.5;
      range.setv({ start: low - margin, end: high + margin });
    }
  }

  function zoom(factor) {
    for (const range of [plot.x_range, plot.y_range]) {
      const middle = (range.start + range.end) / 2,
        half = (range.end - range.start) / 2 / factor;
      range.setv({ start: middle - half, end: middle + half });
    }
  }

  function colour(name) {
    const by = colouring(name),
      { palette, markers, ramp } = page.looks;
    const steps = ramp[dark.matches ? "dark" : "light"];
    const looks = by.values
      ? continuous(by.values, steps)
      : placed.map((i) => lookOf(by.of(i), by, palette, markers));
    source.data = {
      ...source.data,
      color: looks.map((look) => look.color),
      marker: looks.map((look) => look.marker),
    };
    if (by.values) return { scale: steps, ends: ends(by.values) };
    const there = new Set(placed.map((i) => by.of(i) ?? -1));
    const named = [...by.names.entries(), [-1, "none"]].filter(([place]) => there.has(place));
    return { entries: named.map(([place, text]) => ({ text, ...lookOf(place, by, palette, markers) })) };
  }

  /** Fades what the filters leave out. @param {(row: number) => boolean} isShown */
  function show(isShown) {
    source.data = { ...source.data, alpha: placed.map((i) => (isShown(i) ? 0.75 : FADED)) };
  }

  /** Rings a row's point, and brings it into the picture. */
  function mark(i) {
    const point = pointOf.get(i);
    const at = point === undefined ? null : [source.data.x[point], source.data.y[point]];
    ring.data = at === null || !at.every(Number.isFinite) ? { x: [], y: [] } : { x: [at[0]], y: [at[1]] };
    for (const [place, range] of [
      [0, plot.x_range],
      [1, plot.y_range],
    ]) {
      if (ring.data.x.length === 0 || (at[place] > range.start && at[place] < range.end)) continue;
      const half = (range.end - range.start) / 2;
      range.setv({ start: at[place] - half, end: at[place] + half });
    }
  }

  function dragging(name) {
    for (const [of, tool] of Object.entries(drag)) tool.active = of === name;
  }

  function theme() {
    const style = getComputedStyle(document.documentElement);
    plot.background_fill_color = plot.border_fill_color = style.getPropertyValue("--paper").trim();
    marked.glyph.line_color = { value: style.getPropertyValue("--ink").trim() };
  }

  source.selected.properties.indices.change.connect(() =>
    onBrush(source.selected.indices.map((point) => placed[point])),
  );
  theme();
  return map;
}

/** Places beyond the names, or without one, are grey. */
function lookOf(place, by, palette, markers) {
  if (place === null || place < 0)
    return { color: palette[palette.length - 1], marker: markers[0].name, path: markers[0].path };
  const shape =
    markers[by.palette ? place % markers.length : Math.floor(place / palette.length) % markers.length];
  return {
    color: palette[by.palette ? by.palette[place] : place % palette.length],
    marker: shape.name,
    path: shape.path,
  };
}

function continuous(values, steps) {
  const [low, high] = ends(values);
  const stepOf = (value) => Math.round(((value - low) / (high - low || 1)) * (steps.length - 1));
  return placed.map((i) => ({ color: steps[stepOf(values[i])], marker: "circle" }));
}

function ends(values) {
  return [
    values.reduce((a, b) => Math.min(a, b), Infinity),
    values.reduce((a, b) => Math.max(a, b), -Infinity),
  ];
}

function hoverText(i) {
  const texts = rows.texts.map((column) => column[i]).join(" / ");
  return texts.length > 160 ? `${texts.slice(0, 160)}…` : texts;
}

function inWords(label) {
  if (page.kind === "regression") return number(label, 4);
  return (
    [label]
      .flat()
      .map((place) => page.labels[place])
      .join(", ") || "none"
  );
}
