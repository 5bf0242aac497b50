// @ts-check
// What an opened row shows. Texts are only ever text nodes.

/** An element; strings among the children are text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A name or value of the data, kept from turning its surroundings around. */
const isolated = (text) => make("bdi", {}, String(text));
const percent = (share) => `${(100 * share).toFixed(1)}%`;
const number = (value, digits = 3) =>
  value === null ? "–" : String(Number(value.toPrecision(digits))).replace("-", "−");
const signed = (value) => (value > 0 ? "+" : "") + number(value);

/** A label of any kind, to read: a name, a number, or chips. */
function shownLabel(label) {
  if (label === null || label === undefined) return make("span", { class: "quiet" }, "–");
  if (page.kind === "regression") return make("span", {}, number(label, 4));
  if (page.kind === "classification") return isolated(page.labels[label]);
  return chips(label.map((place) => [place, ""]));
}

/** What a model says beside the label: right or wrong, told by a sign as well as by the colour. */
function shownAnswer(i, said, probability = null) {
  const label = rows.label[i];
  if (page.kind === "regression")
    return make("span", {}, number(said, 4), " ", make("span", { class: "quiet" }, signed(label - said)));
  if (page.kind === "multi-label") return chips(verdictsOf(label, said, (place) => probability?.[place]));
  const hit = said === label;
  return make(
    "span",
    {},
    make(
      "span",
      { class: hit ? "hit" : "miss" },
      make("span", { "aria-hidden": "true" }, hit ? "✓\u00a0" : "✗\u00a0"),
      isolated(page.labels[said]),
      make("span", { class: "unseen" }, hit ? ", right" : ", wrong"),
    ),
    probability === null ? null : make("span", { class: "quiet share" }, ` ${percent(probability)}`),
  );
}

/** Of each label that is there or said: its place, right, missed or extra, and how probable. */
function verdictsOf(label, said, probabilityOf) {
  return page.labels
    .map((_, place) => place)
    .filter((place) => label.includes(place) || said.includes(place))
    .map((place) => [
      place,
      !said.includes(place) ? "missed" : label.includes(place) ? "right" : "extra",
      probabilityOf(place),
    ]);
}

const SIGNS = { right: "✓", missed: "−", extra: "+" };

function chips(list) {
  if (list.length === 0) return make("span", { class: "quiet" }, "none");
  return make(
    "ul",
    { class: "chips" },
    ...list.map(([place, verdict, thousandths]) =>
      make(
        "li",
        { class: `chip ${verdict}` },
        verdict ? make("span", { "aria-hidden": "true" }, SIGNS[verdict]) : null,
        isolated(page.labels[place]),
        verdict ? make("span", { class: "unseen" }, `, ${verdict}`) : null,
        thousandths === undefined ? null : make("span", { class: "share" }, percent(thousandths / 1000)),
      ),
    ),
  );
}

const answerOf = (i) =>
  shownAnswer(
    i,
    rows.predicted[i],
    page.kind === "classification"
      ? rows.probability[i]
      : page.kind === "multi-label"
        ? rows.probabilities[i]
        : null,
  );

/** A text as it was written, or as much of it as the page holds. */
function shownText(column, i) {
  const text = rows.texts[column][i],
    length = rows.lengths[column][i];
  const cut =
    Array.from(text).length < length
      ? make("span", { class: "quiet" }, ` … (${length.toLocaleString("en")} characters)`)
      : null;
  return make("p", { dir: "auto", class: "whole" }, text, cut);
}

/** The whole row. */
function detail(i) {
  const texts = make("div", {}, ...rows.texts.map((_, column) => shownText(column, i)));
  return make(
    "div",
    { class: "detail" },
    make("div", { class: "told" }, texts, ...whyOf(i), ...contradictionsOf(i)),
    markForm(i),
    factsOf(i),
  );
}

function fact(name, ...values) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, ...values));
}

function factsOf(i) {
  const facts = [
    fact("id", isolated(rows.id[i])),
    fact("role", isolated(page.roles[rows.role[i]])),
    fact("label", shownLabel(rows.label[i])),
    fact("fine-tuned says", answerOf(i)),
  ];
  for (const name of page.baselines) facts.push(fact(`${name} says`, shownAnswer(i, rows.said[name][i])));
  facts.push(fact(page.kind === "regression" ? "off by" : "loss", number(rows.loss[i])));
  if (rows.rank[i] !== null) facts.push(fact("label issue", ...issueOf(i)));
  if (rows.cluster[i] !== null) facts.push(fact("cluster", isolated(clusterName(rows.cluster[i]))));
  for (const [name, values] of Object.entries(rows.kept))
    if (values[i] !== null && values[i] !== "") facts.push(fact(isolated(name), isolated(values[i])));
  if (placed.length && !pointOf.has(i)) facts.push(fact("map", "no place on it"));
  const slices = page.slices.filter((slice) => membersOf.get(String(slice.slice))?.has(i));
  if (slices.length)
    facts.push(
      fact(
        "in slices",
        make(
          "ul",
          {},
          ...slices.map((slice) =>
            make(
              "li",
              {},
              make(
                "a",
                { href: "#examples", "data-filter": JSON.stringify({ slice: slice.slice }) },
                isolated(slice.name),
              ),
            ),
          ),
        ),
      ),
    );
  return make("dl", { class: "facts" }, ...facts);
}

function issueOf(i) {
  const judge = rows.judged_by[i] ? [", judged by ", isolated(rows.judged_by[i])] : [];
  const verdict = rows.issue[i] ? "suspicious" : "not suspicious";
  const suggested = rows.suggested[i] === null ? [] : ["; suggested: ", shownLabel(rows.suggested[i])];
  return [
    `${verdict}: rank ${rows.rank[i].toLocaleString("en")} of ${page.roles[rows.role[i]]}, quality ${number(rows.quality[i])}`,
    ...judge,
    ...suggested,
  ];
}

function clusterName(cluster) {
  return page.clusters.find((found) => found.cluster === cluster)?.name ?? `cluster ${cluster}`;
}

/** The words that carried the prediction: a tint by weight, and a line under those that speak against it. */
function whyOf(i) {
  return (page.why[i] ?? []).map(({ said, words }) => {
    const what = String(said);
    const legend = make(
      "p",
      { class: "quiet" },
      "Why: blue words speak for ",
      isolated(what),
      ", underlined orange ones against it",
      page.method ? ` (${page.method})` : "",
      ".",
    );
    const columns = [...new Set(words.map(([column]) => column))];
    const texts = columns.map((column) =>
      make(
        "p",
        { dir: "auto", class: "why" },
        ...words.filter(([of]) => of === column).flatMap(([, word, weight]) => [tinted(word, weight), " "]),
      ),
    );
    return make("section", { class: "reasons", "aria-label": "Why" }, legend, ...texts);
  });
}

function tinted(word, thousandths) {
  if (Math.abs(thousandths) < 50) return word;
  const element = make(
    "span",
    { class: thousandths > 0 ? "for" : "against", title: signed(thousandths / 1000) },
    word,
  );
  element.style.setProperty("--weight", String(Math.abs(thousandths) / 1000));
  return element;
}

function contradictionsOf(i) {
  const copies = page.contradictions[i] ?? [];
  if (copies.length === 0) return [];
  return [
    make(
      "section",
      { "aria-label": "Copies with another label" },
      make("p", { class: "quiet" }, "Copies with another label"),
      make(
        "ul",
        { class: "copies" },
        ...copies.map((copy) =>
          make(
            "li",
            {},
            make("strong", {}, isolated([copy.label].flat().join(", ") || "none")),
            " ",
            isolated(copy.id),
            ` (${copy.role}, ${copy.exact ? "the same text" : "nearly the same text"})`,
            ...[copy.text, copy.pair].filter((text) => text).map((text) => make("p", { dir: "auto" }, text)),
          ),
        ),
      ),
    ),
  ];
}

// --- the form of a mark ---------------------------------------------------------------------------------

const ACTIONS = [
  ["relabel", "Mislabelled", "m"],
  ["ambiguous", "Ambiguous", "a"],
  ["drop", "Drop", "d"],
];

function markForm(i) {
  const mark = marks.get(rows.id[i]);
  const buttons = ACTIONS.map(([action, name, key]) =>
    make(
      "button",
      {
        type: "button",
        "data-action": action,
        "aria-pressed": String(mark?.action === action),
        "aria-keyshortcuts": key,
      },
      name,
    ),
  );
  const note = make(
    "label",
    {},
    "Note ",
    make("input", { name: "note", value: mark?.note ?? "", disabled: !mark, autocomplete: "off" }),
  );
  const form = make(
    "form",
    { class: "mark", "data-row": i, "aria-label": `Mark ${rows.id[i]}` },
    make("div", { class: "buttons" }, ...buttons),
    mark?.action === "relabel" ? rightLabel(mark, i) : null,
    note,
  );
  form.append(
    make(
      "p",
      { class: "miss", hidden: !mark || !isIncomplete(mark) },
      "Choose the right label, or this mark is left out of the download.",
    ),
  );
  return form;
}

/** Asks for the right label: a select, a number, or a box for each label, at first as the row has them. */
function rightLabel(mark, i) {
  if (page.kind === "regression")
    return make(
      "label",
      {},
      "Right score ",
      make("input", { name: "label", type: "number", step: "any", value: mark.label }),
    );
  if (page.kind === "classification") {
    const options = ["", ...page.labels].map((name) =>
      make("option", { value: name, selected: name === mark.label }, name || "choose"),
    );
    return make("label", {}, "Right label ", make("select", { name: "label" }, ...options));
  }
  const chosen = JSON.parse(mark.label || written(rows.label[i]));
  return make(
    "fieldset",
    {},
    make("legend", {}, "Right labels"),
    ...page.labels.map((name) =>
      make(
        "label",
        { class: "check" },
        make("input", { type: "checkbox", name: "label", value: name, checked: chosen.includes(name) }),
        " ",
        isolated(name),
      ),
    ),
  );
}

/** The label that the form holds, as corrections.csv writes it. */
function labelIn(form) {
  if (page.kind !== "multi-label") return form.elements.namedItem("label")?.value ?? "";
  return JSON.stringify([...form.querySelectorAll("[name=label]:checked")].map((box) => box.value));
}
