// @ts-check
// Marks: what a person says is to be done with an example, kept in the browser, downloaded as corrections.csv.

/** @typedef {{action: "relabel" | "ambiguous" | "drop", label: string, note: string}} Mark */

const page = JSON.parse(/** @type {HTMLElement} */ (document.getElementById("wb-data")).textContent ?? "");
const rows = page.rows; // columns, each with one value a row
const KEY = `textrail:marks:${page.digest}`; // other labels or examples: other marks

/** By the example's id. @type {Map<string, Mark>} */
const marks = new Map(stored());

/** @returns {[string, Mark][]} */
function stored() {
  try {
    const found = Object.entries(JSON.parse(localStorage.getItem(KEY) ?? "{}"));
    return found.filter(([, mark]) =>
      ["action", "label", "note"].every((name) => typeof mark?.[name] === "string"),
    );
  } catch {
    return []; // a browser that keeps nothing, or kept something else
  }
}

let areKept = true; // they survive a reload, so other tabs of this page see them

function keepMarks() {
  try {
    localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(marks)));
    areKept = true;
  } catch {
    areKept = false;
  }
}

/** Changes one mark, or takes it away. What another tab has marked meanwhile stays. @param {Mark | null} mark */
function setMark(id, mark) {
  rereadMarks();
  if (mark === null) marks.delete(id);
  else marks.set(id, mark);
  keepMarks();
}

function rereadMarks() {
  if (!areKept) return;
  marks.clear();
  for (const [id, mark] of stored()) marks.set(id, mark);
}

/** A label as corrections.csv writes it: a class's name, a number, or a JSON list of names. */
function written(label) {
  if (label === null || label === undefined) return "";
  if (page.kind === "classification") return page.labels[label];
  if (page.kind === "regression") return String(label);
  return JSON.stringify(label.map((place) => page.labels[place]));
}

/** What the right label may be: the suggestion, or else what the model says where that differs. */
function presetLabel(i) {
  const suggested = rows.suggested[i];
  const preset = suggested === null ? rows.predicted[i] : suggested;
  return same(preset, rows.label[i]) ? "" : written(preset);
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** A mark that says wrong, but not yet what is right: it is not downloaded. */
function isIncomplete(mark) {
  return mark.action === "relabel" && mark.label === "";
}

/** RFC 4180, and no cell that a spreadsheet would run: such a one has one ' more than it had. */
function corrections() {
  const lines = [["id", "label", "action", "note"]];
  for (const [id, mark] of marks) {
    if (!isIncomplete(mark))
      lines.push([id, mark.action === "relabel" ? mark.label : "", mark.action, mark.note]);
  }
  return lines.map((cells) => cells.map(cell).join(",") + "\r\n").join("");
}

function cell(value) {
  const harmless = /^'*[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([corrections()], { type: "text/csv;charset=utf-8" }));
  link.download = "corrections.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers read it later
}
