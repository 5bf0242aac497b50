// @ts-check
// The workbench: filters, the table (DataTables), and what ties them to the map and to the marks.

const PAGE_ROWS = 10;

const $ = (id) => /** @type {any} */ (document.getElementById(`wb-${id}`));
const radios = (name) => /** @type {NodeListOf<HTMLInputElement>} */ (document.getElementsByName(name));
const form = $("filters");
const section = /** @type {HTMLElement} */ (document.getElementById("examples"));
const state = { shown: rows.id.map(() => true), brushed: null, only: null, current: null, opened: null };
const haystack = []; // texts and id in lower case, made at the first search
const membersOf = new Map(page.slices.map((slice) => [String(slice.slice), new Set(slice.rows)]));

// --- filters --------------------------------------------------------------------------------------------

/** For each filter that is set, whether it lets a row through. @returns {((row: number) => boolean)[]} */
function filters() {
  const set = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
  const has = (label, place) => (Array.isArray(label) ? label.includes(place) : label === place);
  const tests = [];
  if (set.role) tests.push((i) => rows.role[i] === Number(set.role));
  if (set.label) tests.push((i) => has(rows.label[i], Number(set.label)));
  if (set.predicted) tests.push((i) => has(rows.predicted[i], Number(set.predicted)));
  if (set.verdict)
    tests.push(
      verdictFilter(
        set.verdict,
        set.label ? Number(set.label) : null,
        set.predicted ? Number(set.predicted) : null,
      ),
    );
  if (set.least) tests.push((i) => rows.loss[i] >= Number(set.least));
  if (set.most) tests.push((i) => rows.loss[i] <= Number(set.most));
  if (set.slice) tests.push((i) => membersOf.get(set.slice)?.has(i) ?? false);
  if (set.issue) tests.push((i) => rows.issue[i] === 1);
  if (set.marked) tests.push((i) => marks.has(rows.id[i]));
  if (set.search.trim()) tests.push(searchFilter(set.search.trim().toLowerCase()));
  if (state.brushed) tests.push((i) => state.brushed.has(i));
  if (state.only) tests.push((i) => i === state.only.row);
  return tests;
}

/** Of several labels also those that miss one, or have one too many: the chosen one, where one is chosen. */
function verdictFilter(verdict, label, said) {
  const lacks = (all, others, chosen) =>
    all.some((place) => !others.includes(place) && (chosen === null || place === chosen));
  if (verdict === "missed") return (i) => lacks(rows.label[i], rows.predicted[i], label);
  if (verdict === "extra") return (i) => lacks(rows.predicted[i], rows.label[i], said);
  const wanted = { right: [0], partly: [1], wrong: [2], "not-right": [1, 2] }[verdict];
  return (i) => wanted.includes(rows.verdict[i]);
}

function searchFilter(words) {
  if (haystack.length === 0)
    rows.id.forEach((id, i) =>
      haystack.push([id, ...rows.texts.map((column) => column[i])].join("\n").toLowerCase()),
    );
  return (i) => haystack[i].includes(words);
}

function applyFilters() {
  const tests = filters();
  state.shown = rows.id.map((_, i) => tests.every((test) => test(i)));
  table.draw();
  map?.show((i) => state.shown[i]);
  tell();
}

/** Sets the filters from elsewhere on the page, and only these. @param {Record<string, any>} wanted */
function setFilters(wanted) {
  form.reset();
  clearBrush();
  const placeIn = (names, name) => (name === undefined ? "" : String(names.indexOf(name)));
  const values = {
    role: placeIn(page.roles, wanted.role),
    label: placeIn(page.labels, wanted.label),
    predicted: placeIn(page.labels, wanted.predicted),
    slice: wanted.slice ?? "",
  };
  for (const [name, value] of Object.entries(values))
    if (form.elements[name]) form.elements[name].value = value;
  if (wanted.correct !== undefined && form.elements.verdict)
    form.elements.verdict.value = wanted.correct
      ? "right"
      : page.kind === "multi-label"
        ? "not-right"
        : "wrong";
  form.elements.issue.checked = wanted.issue === true;
  state.only = wanted.id === undefined ? null : { id: wanted.id, row: rows.id.indexOf(wanted.id) };
  applyFilters();
  $("title").scrollIntoView();
  section.focus({ preventScroll: true }); // or the next Tab would lead back to where the link stands
  if (state.only && state.only.row >= 0) open(state.only.row);
}

function clearBrush() {
  state.brushed = state.only = null;
  if (map && map.source.selected.indices.length) map.source.selected.indices = [];
}

/** Says how much is shown, and which filters have no control of their own. */
function tell() {
  const n = state.shown.filter(Boolean).length;
  const unplaced = state.shown.filter((shown, i) => shown && rows.x[i] === null).length;
  $("count").textContent =
    `${n.toLocaleString("en")} of ${rows.id.length.toLocaleString("en")} shown` +
    (map && unplaced ? `; ${unplaced.toLocaleString("en")} of them without a place on the map` : "");
  $("brushed").hidden = !state.brushed;
  $("brushed").textContent = state.brushed ? `Brushed: ${state.brushed.size.toLocaleString("en")} ×` : "";
  $("only").hidden = !state.only;
  const lacking = state.only?.row === -1 ? ", which is not among the examples on this page" : "";
  $("only").replaceChildren("Only ", isolated(state.only?.id ?? ""), `${lacking} ×`);
}

// --- the table ------------------------------------------------------------------------------------------

/** What a column sorts by, and what it shows; null is a dash. */
function columnOf(name) {
  const text = (values) => [
    (i) => values(i)?.toLowerCase() ?? null,
    (i) => (values(i) === null ? "–" : isolated(values(i))),
  ];
  const numeric = (values, shown = (i) => number(values(i))) => [values, shown];
  const label = (values) => [
    (i) => (page.kind === "regression" ? values(i) : inWords(values(i)).toLowerCase()),
  ];
  const [kind, which] = [name.split(":", 1)[0], name.slice(name.indexOf(":") + 1)];
  return {
    open: () => [(i) => i, openButton],
    text: () => [(i) => rows.texts[0][i].toLowerCase(), textCell],
    label: () => [...label((i) => rows.label[i]), (i) => shownLabel(rows.label[i])],
    predicted: () => [...label((i) => rows.predicted[i]), answerOf],
    said: () => [...label((i) => rows.said[which][i]), (i) => shownAnswer(i, rows.said[which][i])],
    probability: () =>
      numeric(
        (i) => rows.probability[i],
        (i) => percent(rows.probability[i]),
      ),
    residual: () =>
      numeric(
        (i) => rows.residual[i],
        (i) => signed(rows.residual[i]),
      ),
    loss: () => numeric((i) => rows.loss[i]),
    rank: () =>
      numeric(
        (i) => rows.rank[i],
        (i) =>
          rows.rank[i] === null
            ? "–"
            : make(
                "span",
                { class: rows.issue[i] ? "miss" : "quiet" },
                `${rows.rank[i].toLocaleString("en")}${rows.issue[i] ? " !" : ""}`,
              ),
      ),
    quality: () => numeric((i) => rows.quality[i]),
    length: () =>
      numeric(
        (i) => rows.lengths.reduce((sum, column) => sum + column[i], 0),
        (i) => rows.lengths.reduce((sum, column) => sum + column[i], 0).toLocaleString("en"),
      ),
    id: () => text((i) => rows.id[i]),
    role: () => [(i) => rows.role[i], (i) => isolated(page.roles[rows.role[i]])],
    cluster: () => [
      (i) => rows.cluster[i],
      (i) => (rows.cluster[i] === null ? "–" : isolated(clusterName(rows.cluster[i]))),
    ],
    kept: () =>
      rows.kept[which].some((value) => typeof value === "number")
        ? numeric(
            (i) => rows.kept[which][i],
            (i) => String(rows.kept[which][i] ?? "–"),
          )
        : text((i) => rows.kept[which][i]),
  }[kind]();
}

function openButton(i) {
  const mark = marks.get(rows.id[i]);
  const action = ACTIONS.find(([name]) => name === mark?.action)?.[1];
  const sign = make(
    "span",
    { "aria-hidden": "true", class: action ? "" : "arrow" },
    action ? action[0] : "›",
  );
  const name = action ? `${rows.id[i]}, marked: ${action}` : rows.id[i];
  const looks = { class: action ? "open marked" : "open", title: action };
  return make(
    "button",
    { type: "button", "aria-expanded": String(state.opened === i), "aria-label": name, ...looks },
    sign,
  );
}

function textCell(i) {
  const shorten = (text) => (text.length > 400 ? `${text.slice(0, 400)}…` : text);
  return make(
    "div",
    {},
    ...rows.texts.map((column) => make("p", { dir: "auto", class: "clamped" }, shorten(column[i]))),
    make("p", { class: "id" }, isolated(rows.id[i]), " · ", isolated(page.roles[rows.role[i]])),
  );
}

const heads = [...$("table").querySelectorAll("th")];
const names = heads.map((head) => head.dataset.column);
const place = Object.fromEntries(names.map((name, column) => [name, column]));
/** What a row lacks stands last, whichever way the others go. */
for (const [way, sign] of Object.entries({ asc: 1, desc: -1 }))
  jQuery.fn.dataTable.ext.type.order[`absent-last-${way}`] = (a, b) =>
    Number(a === null) - Number(b === null) || sign * (Number(a > b) - Number(a < b));
const table = jQuery($("table")).DataTable({
  data: rows.id.map((_, i) => [i]),
  columns: heads.map((head) => {
    const [sorted, shown] = columnOf(head.dataset.column);
    return {
      data: 0,
      name: head.dataset.column,
      ariaTitle: head.dataset.heading, // no data-title there: DataTables would put it in as HTML
      visible: !head.hasAttribute("data-hidden"),
      searchable: false,
      orderable: head.dataset.column !== "open",
      orderSequence: ["asc", "desc"], // by default a third click would leave them in no order
      type: "absent-last",
      className: `of-${head.dataset.column.split(":", 1)[0]}`,
      createdCell: (cell) => {
        cell.setAttribute("role", "cell"); // laid out as cards, on narrow screens, it would lose it
        cell.dataset.name = head.dataset.heading ?? "";
      },
      render: (i, type) => (type === "display" ? shown(i) : sorted(i)), // an element: DataTables puts strings in as HTML
    };
  }),
  order: [[place.loss, "desc"]],
  orderMulti: false,
  autoWidth: false,
  pageLength: PAGE_ROWS,
  layout: {
    topStart: null,
    topEnd: null,
    bottomStart: "info",
    bottomEnd: { paging: { buttons: 5, firstLast: false } },
  },
  language: {
    info: "_START_ to _END_ of _TOTAL_",
    infoEmpty: "",
    infoFiltered: "",
    zeroRecords: "No example passes all of these filters.",
    emptyTable: "No examples.",
    paginate: { previous: "‹", next: "›" },
  },
  createdRow: (row, [i]) => {
    row.setAttribute("role", "row");
    row.dataset.row = i;
  },
});
table.search.fixed("workbench", (_, __, i) => state.shown[i]);

/** In the order of the table, those that the filters leave. @returns {number[]} */
function inOrder() {
  return table.rows({ order: "applied", search: "applied" }).indexes().toArray();
}

/** Turns to the row's page. */
function turnTo(i) {
  const at = inOrder().indexOf(i);
  if (at < 0) return false;
  if (Math.floor(at / PAGE_ROWS) !== table.page()) table.page(Math.floor(at / PAGE_ROWS)).draw("page");
  return true;
}

/** Makes a row the current one: its point is ringed, keys act on it. */
function choose(i, focus = true) {
  if (!turnTo(i)) return;
  if (state.current !== null) table.row(state.current).node()?.removeAttribute("aria-current");
  state.current = i;
  const node = table.row(i).node();
  node.setAttribute("aria-current", "true");
  if (focus) node.querySelector("button.open").focus({ preventScroll: true });
  node.scrollIntoView({ block: "nearest" });
  map?.mark(i);
}

function open(i) {
  if (state.opened !== null) close();
  state.opened = i;
  const child = table.row(i).child(detail(i), "opened");
  child.show();
  const [opened] = table.row(i).child();
  opened.setAttribute("role", "row");
  opened.cells[0].setAttribute("role", "cell");
  for (const text of opened.querySelectorAll(".whole"))
    if (text.scrollHeight > text.clientHeight) text.tabIndex = 0; // for the keys that scroll
  refresh(i);
  opened.scrollIntoView({ block: "nearest" });
  choose(i);
}

function close() {
  const i = state.opened;
  state.opened = null;
  table.row(i).child.remove();
  refresh(i);
}

/** Draws a row's button anew. */
function refresh(i) {
  const old = table.row(i).node()?.querySelector("button.open");
  if (!old) return;
  const focused = document.activeElement === old,
    fresh = openButton(i);
  old.replaceWith(fresh);
  if (focused) fresh.focus({ preventScroll: true });
}

function move(by) {
  const order = inOrder();
  if (order.length === 0) return;
  const at = state.current === null ? -1 : order.indexOf(state.current);
  const next = order[at < 0 ? 0 : Math.min(order.length - 1, Math.max(0, at + by))];
  if (state.opened !== null && next !== state.opened) open(next);
  else choose(next);
}

// --- marks ----------------------------------------------------------------------------------------------

/** Marks a row, or takes the mark away. @param {Mark["action"] | null} action */
function markRow(i, action) {
  const id = rows.id[i],
    old = marks.get(id);
  const label = action === "relabel" ? old?.label || presetLabel(i) : "";
  setMark(id, action === null ? null : { action, label, note: old?.note ?? "" });
  if (action === "relabel" && state.opened !== i) open(i); // to choose the right label
  marked(i);
}

function marked(i) {
  refresh(i);
  if (state.opened === i)
    table.row(i).child()?.[0].querySelector("form.mark")?.replaceWith(markForm(i));
  tellMarks();
}

/** Runs a change of the marks that is not of one row alone, and shows what came of it. */
function remark(change) {
  const touched = new Set(marks.keys());
  change();
  for (const id of marks.keys()) touched.add(id);
  rows.id.forEach((id, i) => touched.has(id) && marked(i));
  tellMarks();
}

function tellMarks() {
  const all = [...marks.values()];
  const incomplete = all.filter(isIncomplete).length;
  $("marks").textContent =
    `${all.length.toLocaleString("en")} marked` +
    (incomplete ? `, ${incomplete.toLocaleString("en")} without the right label yet` : "") +
    (areKept ? "" : "; this browser does not keep them, so download before you leave");
  $("download").disabled = all.length === incomplete;
  $("clear").disabled = all.length === 0;
}

// --- what people do -------------------------------------------------------------------------------------

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", applyFilters);
// not the form's reset, which setFilters calls too: a table drawn once more would lose the focus
form.querySelector("[type=reset]").addEventListener("click", () => {
  clearBrush();
  setTimeout(applyFilters); // once the form is empty
});
$("brushed").addEventListener("click", () => {
  clearBrush();
  applyFilters();
});
$("only").addEventListener("click", () => {
  clearBrush();
  applyFilters();
});

document.addEventListener("click", (event) => {
  const link = /** @type {Element} */ (event.target).closest("[data-filter]");
  if (!link) return;
  event.preventDefault();
  setFilters(JSON.parse(link.getAttribute("data-filter") ?? "{}"));
});

$("table").addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-row]");
  if (!row || getSelection()?.type === "Range") return; // marking text to copy it opens nothing
  const i = Number(row.dataset.row);
  if (state.opened === i) {
    close();
    choose(i);
  } else open(i);
});
$("table").addEventListener("focusin", (event) => {
  const row = event.target.closest("tr[data-row]");
  if (row && event.target.matches(".open") && Number(row.dataset.row) !== state.current)
    choose(Number(row.dataset.row), false);
});

$("table").addEventListener("click", (event) => {
  const button = event.target.closest("form.mark button[data-action]");
  if (!button) return;
  const i = Number(button.closest("form").dataset.row),
    { action } = button.dataset;
  markRow(i, marks.get(rows.id[i])?.action === action ? null : action);
  $("table").querySelector(`form.mark [data-action=${action}]`)?.focus();
});
$("table").addEventListener("submit", (event) => event.preventDefault());
// not change, which comes once the field is left: a reload before that would lose what was written
$("table").addEventListener("input", (event) => {
  const of = event.target.closest("form.mark");
  const id = of && rows.id[Number(of.dataset.row)];
  if (!marks.has(id)) return;
  const mark = { .../** @type {Mark} */ (marks.get(id)) };
  if (event.target.name === "note") mark.note = event.target.value;
  if (event.target.name === "label") mark.label = labelIn(of);
  setMark(id, mark);
  of.querySelector(".miss").hidden = !isIncomplete(mark);
  tellMarks();
});
addEventListener("storage", (event) => event.key === KEY && remark(rereadMarks)); // another tab has marked

$("download").addEventListener("click", download);
$("clear").addEventListener("click", () => {
  if (!confirm("Take away all marks of this data?")) return;
  remark(() => {
    marks.clear();
    keepMarks();
  });
  applyFilters();
});

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  m: () => markCurrent("relabel"),
  a: () => markCurrent("ambiguous"),
  d: () => markCurrent("drop"),
  u: () => markCurrent(null),
  "/": () => form.elements.search.focus(),
  Escape: () => state.opened !== null && close(),
};

/** Brings the row into sight first: nobody marks what they do not see. */
function markCurrent(action) {
  if (state.current === null || !state.shown[state.current]) return;
  choose(state.current);
  markRow(state.current, action);
}

// only in here: elsewhere a stray letter would mark a row out of sight (WCAG 2.1.4)
section.addEventListener("keydown", (event) => {
  const target = /** @type {Element} */ (event.target);
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    target.closest("input, select, textarea, [contenteditable]")
  )
    return;
  const arrows = target.closest("#wb-table") && !target.matches(".whole") ? { ArrowDown: KEYS.j, ArrowUp: KEYS.k } : {};
  const does = { ...KEYS, ...arrows }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
});

// --- sorting by any column ------------------------------------------------------------------------------

/** A column that is hidden shows while it sorts. */
function sortBy(name, direction) {
  for (const [column, head] of heads.entries())
    if (head.hasAttribute("data-hidden")) table.column(column).visible(names[column] === name, false);
  table.order([[place[name], direction]]).draw();
}
$("sort").addEventListener("change", () => sortBy($("sort").value, $("direction").value));
$("direction").addEventListener("change", () => sortBy($("sort").value, $("direction").value));
table.on("order", () => {
  const [[column, direction] = [place.loss, "desc"]] = table.order();
  $("sort").value = names[column];
  $("direction").value = direction || "asc";
});

// --- the map --------------------------------------------------------------------------------------------

const map = placed.length
  ? drawMap(
      (chosen) => {
        state.brushed = chosen.length ? new Set(chosen) : null;
        applyFilters();
      },
      (i) => open(i),
    )
  : null;

function recolour() {
  if (!map) return;
  const legend = map.colour($("colour").value);
  const entries = legend.entries?.map(({ text, color, path }) => {
    const item = make("li", {}, isolated(text)),
      svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"),
      shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "-5 -5 10 10");
    svg.setAttribute("aria-hidden", "true");
    shape.setAttribute("d", path);
    shape.setAttribute("fill", color);
    svg.append(shape);
    item.prepend(svg, " ");
    return item;
  });
  if (entries) $("legend").replaceChildren(make("ul", { class: "legend", tabindex: 0, "aria-label": "Legend" }, ...entries));
  else {
    const gradient = make("span", { class: "gradient", "aria-hidden": "true" });
    gradient.style.background = `linear-gradient(to right, ${legend.scale.join(", ")})`;
    $("legend").replaceChildren(
      make("p", { class: "scale" }, number(legend.ends[0]), gradient, number(legend.ends[1])),
    );
  }
}

if (map) {
  Bokeh.Plotting.show(map.plot, $("canvas")).then(() => {
    for (const inner of focusable($("canvas"))) inner.tabIndex = -1; // the table holds all of it, and has the keys
    document.documentElement.dataset.ready = "true";
  });
  map.layOut("finetuned");
  recolour();
  $("colour").addEventListener("change", recolour);
  for (const radio of radios("wb-drag")) radio.addEventListener("change", () => map.drag(radio.value));
  for (const radio of radios("wb-layout"))
    radio.addEventListener("change", () => {
      map.layOut(radio.value);
      if (state.current !== null) map.mark(state.current);
    });
  $("in").addEventListener("click", () => map.zoom(1.5));
  $("out").addEventListener("click", () => map.zoom(1 / 1.5));
  $("fit").addEventListener("click", map.fit);
  dark.addEventListener("change", () => {
    map.theme();
    recolour();
  });
} else document.documentElement.dataset.ready = "true";

function focusable(element) {
  const inner = [...element.querySelectorAll("*"), ...(element.shadowRoot?.querySelectorAll("*") ?? [])];
  return inner.flatMap((each) => [
    ...(each.hasAttribute("tabindex") ? [each] : []),
    ...(each.shadowRoot ? focusable(each) : []),
  ]);
}

tellMarks();
applyFilters();
