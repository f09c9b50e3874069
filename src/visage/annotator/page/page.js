// One photo or one doubted label at a time. What a person does is shown at once, waits in localStorage until the server
// has it on disk, and never overwrites what another tab has changed since it was seen here.
"use strict";

const $ = (id) => document.getElementById(id);
const EDGES = ["x0", "y0", "x1", "y1"];
const ZOOMS = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8];
const NEARBY = 100; // entries of the list before and after the present one
const token = location.hash.slice(1) || sessionStorage.getItem("token") || "";
sessionStorage.setItem("token", token);
history.replaceState(null, "", location.pathname);

let session, queue, annotator, zoom, fitted = true, busy = false, dragging = false, conflict = null;
let generation = 0; // counts what has changed `known`
const position = {}; // in each queue
const known = { boxes: new Map(), labels: new Map() }; // key as JSON -> { row, version }, as shown here
const unsent = { boxes: new Map(), labels: new Map() }; // the same, and not yet on the server's disk
const undoStack = []; // of [{ name, key, row }], the rows as they were before

async function call(path, request) {
  const headers = { "X-Visage-Token": token };
  const response = await fetch(path, request ? { method: "POST", headers, body: JSON.stringify(request) } : { headers });
  const isPicture = response.headers.get("Content-Type") === "image/jpeg";
  return { status: response.status, body: isPicture ? await response.blob() : await response.json() };
}

// ---- saving -------------------------------------------------------------------------------------------------------

const storageKey = (name, key) => `visage/${session.name}/${name}/${key}`;

function change(name, rows, undoable = true) {
  if (undoable) undoStack.push(rows.map(({ key }) => ({ name, key, row: known[name].get(key)?.row ?? null })));
  for (const { key, row } of rows) {
    const version = unsent[name].get(key)?.version ?? known[name].get(key)?.version ?? "";
    unsent[name].set(key, { row, version });
    localStorage.setItem(storageKey(name, key), JSON.stringify({ row, version }));
    row ? known[name].set(key, { row, version }) : known[name].delete(key);
  }
  conflict = null;
  generation += 1;
  show();
  flush();
}

async function flush() {
  if (busy) return;
  busy = true;
  for (const name of ["boxes", "labels"]) while (unsent[name].size) if (!(await send(name))) { busy = false; return; }
  busy = false;
  showStatus("saved", "saved");
}

async function send(name) {
  const sent = [...unsent[name]].slice(0, 50);
  showStatus("saving", "saving …");
  const changes = sent.map(([key, { row, version }]) => ({ key: JSON.parse(key), row: row && withNumbers(row), version }));
  let response;
  try { response = await call(`api/${name}`, { changes }); } catch { return retryLater("NOT saved: the server is gone. Start it again; this page keeps trying."); }
  if (response.status === 403) return retryLater("NOT saved: the server was started anew. Open the address it printed; the change is sent from there.");
  if (response.status >= 500) return retryLater(`NOT saved: ${response.body.error}`);
  const refused = response.status === 400 ? response.body.error : "";
  const corrections = refused ? (await call("api/corrections")).body : response.body;
  const versions = new Map(corrections[name].map(({ key, version }) => [JSON.stringify(key), version]));
  for (const [key, { row, version }] of sent) {
    const stale = response.status === 409 && (versions.get(key) ?? "") !== version;
    if (response.status === 409 && !stale) continue; // it was refused only for its neighbour's sake
    if (unsent[name].get(key)?.row === row || stale || refused) {
      unsent[name].delete(key);
      localStorage.removeItem(storageKey(name, key));
      if (stale) conflict = { name, key, row };
    } else unsent[name].get(key).version = versions.get(key) ?? ""; // changed again while it was under way
  }
  receive(corrections);
  if (refused) showStatus("failed", `NOT saved: ${refused}`);
  return !refused;
}

function retryLater(sentence) {
  showStatus("failed", sentence);
  setTimeout(flush, 2000);
  return false;
}

function receive(corrections) {
  generation += 1;
  for (const name of ["boxes", "labels"]) {
    known[name] = new Map(corrections[name].map(({ key, row, version }) => [JSON.stringify(key), { row, version }]));
    for (const [key, change] of unsent[name]) change.row ? known[name].set(key, change) : known[name].delete(key);
  }
  show();
}

async function refresh() { // what other tabs have done; a response that something here has overtaken is of no use
  const before = generation;
  const { status, body } = await call("api/corrections").catch(() => ({}));
  if (status === 200 && before === generation) receive(body);
}

const withNumbers = (row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, EDGES.includes(k) ? Number(v) : v]));

function showStatus(state, sentence) {
  $("saved").dataset.state = state;
  $("saved").textContent = sentence;
}

function undo() {
  const rows = undoStack.pop();
  if (rows) change(rows[0].name, rows, false);
}

// ---- what to look at ----------------------------------------------------------------------------------------------

function hasBox(photo) { return known.boxes.has(JSON.stringify([photo])); }

const queues = {
  missed: { title: "Missed faces", items: () => session.missed, isDone: hasBox },
  doubted: { title: "Doubted labels", items: () => session.label_issues, isDone: (issue) => issue.rows.every((row) => known.labels.has(labelKey(row))) },
  drawn: { title: "Drawn", items: () => [...known.boxes.keys()].map((key) => JSON.parse(key)[0]).filter((photo) => session.photoRows.has(photo)), isDone: () => true },
  all: { title: "All photos", items: () => session.photos.map(({ photo }) => photo), isDone: hasBox },
};
const labelKey = (row) => JSON.stringify([row.person, row.photo, row.field]);
const items = () => queues[queue].items();
const current = () => items()[position[queue]];
const isIssue = () => queue === "doubted";

function open(name, where) {
  queue = name;
  const firstOpen = items().findIndex((item) => !queues[name].isDone(item));
  position[name] = Math.max(0, where ?? position[name] ?? firstOpen);
  showItem();
}

function go(step) {
  position[queue] = Math.min(Math.max(position[queue] + step, 0), Math.max(items().length - 1, 0));
  showItem();
}

// ---- the stage ----------------------------------------------------------------------------------------------------

async function loadPhoto(photo) {
  const img = new Image();
  const { status, body } = await call(`api/photo?photo=${encodeURIComponent(photo)}`);
  img.alt = status === 200 ? photo : `${photo}: ${body.error}`;
  if (status === 200) {
    img.src = URL.createObjectURL(body);
    await img.decode();
    URL.revokeObjectURL(img.src);
  }
  return img;
}

async function showItem() {
  const item = current();
  annotator?.destroy();
  annotator = null;
  conflict = null;
  $("stage").replaceChildren();
  $("stage").dataset.ready = "";
  show();
  if (!item) return;
  try {
    const photos = isIssue() ? item.photos : [item];
    const images = await Promise.all(photos.map(loadPhoto));
    if (item !== current()) return; // the person went on meanwhile
    isIssue() ? showPhotos(images, photos) : showPhoto(images[0]);
    refresh();
    $("stage").dataset.ready = isIssue() ? item.source : item;
  } catch { retryLater("The server is gone. Start it again."); }
}

function showPhotos(images, photos) {
  $("stage").append(...images.map((img, i) => {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    const row = current().rows.find(({ photo }) => photo === photos[i]);
    caption.textContent = photos[i].split("/").pop() + (row ? `: ${presentValue(row)} → ${row.value}?` : "");
    figure.append(img, caption);
    return figure;
  }));
}

function showPhoto(img) {
  $("stage").append(img);
  if (!img.naturalWidth) return;
  if (fitted) fit(img); else scale(zoom, img);
  annotator = Annotorious.createImageAnnotator(img, { theme: "dark", drawingEnabled: true });
  show();
}

function scale(factor, img = $("stage").querySelector("img")) {
  zoom = factor;
  $("zoom").textContent = `${Math.round(zoom * 100)} %`;
  if (img && !isIssue()) img.style.width = `${Math.round(img.naturalWidth * zoom)}px`;
  if (img && !isIssue()) img.style.height = `${Math.round(img.naturalHeight * zoom)}px`;
}

function fit(img = $("stage").querySelector("img")) {
  fitted = true;
  const room = $("stage").getBoundingClientRect();
  if (img) scale(Math.min((room.width - 34) / img.naturalWidth, (room.height - 34) / img.naturalHeight), img);
}

function brighten() { // faces are missed in the dark
  $("bright").setAttribute("aria-pressed", $("stage").classList.toggle("bright"));
}

function stepZoom(up) {
  fitted = false;
  scale(up ? ZOOMS.find((step) => step > zoom + 0.01) ?? 8 : ZOOMS.findLast((step) => step < zoom - 0.01) ?? 0.1);
}

// ---- boxes --------------------------------------------------------------------------------------------------------

const boxKey = () => JSON.stringify([current()]);
const boxRow = () => known.boxes.get(boxKey())?.row;
const edges = () => { const row = boxRow(); return row && EDGES.map((edge) => Number(row[edge])); };

function setBox(values, undoable = true) {
  const { width, height } = session.photoRows.get(current());
  const tenth = (value, most) => Math.round(Math.min(Math.max(value, 0), most) * 10) / 10;
  const [left, right] = [values[0], values[2]].sort((a, b) => a - b), [top, bottom] = [values[1], values[3]].sort((a, b) => a - b);
  const box = [tenth(left, width), tenth(top, height), tenth(right, width), tenth(bottom, height)];
  if (!values.every(Number.isFinite) || box[2] - box[0] <= 1 || box[3] - box[1] <= 1) return show();
  const note = $("box").note.value;
  const row = { photo: current(), ...Object.fromEntries(EDGES.map((edge, i) => [edge, String(box[i])])), note };
  if (JSON.stringify(row) === JSON.stringify(boxRow())) return show();
  change("boxes", [{ key: boxKey(), row }], undoable);
}

function deleteBox() {
  if (boxRow()) change("boxes", [{ key: boxKey(), row: null }]);
}

function readDrawing() { // after each stroke of the mouse or finger
  dragging = false;
  const shapes = annotator?.getAnnotations() ?? [];
  const shape = shapes.find(({ id }) => id !== "face") ?? shapes[0];
  if (!shape) return show();
  const { x, y, w, h } = shape.target.selector.geometry;
  setBox([x, y, x + w, y + h]);
}

function moveBox(dx, dy, resize) {
  const box = edges();
  const { width, height } = session.photoRows.get(current());
  if (!box) return;
  if (resize) return setBox([box[0], box[1], box[2] + dx, box[3] + dy]);
  dx = Math.min(Math.max(dx, -box[0]), width - box[2]);
  dy = Math.min(Math.max(dy, -box[1]), height - box[3]);
  setBox([box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy]);
}

function showBox() {
  const box = edges(), row = boxRow();
  const written = JSON.stringify([current(), row]);
  if (written !== $("box").dataset.written) { // else somebody may be typing in them
    $("box").dataset.written = written;
    for (const name of [...EDGES, "note"]) $("box")[name].value = row?.[name] ?? "";
  }
  $("detector").disabled = !session.detected[current()];
  $("delete").disabled = !row;
  const { width, height, person } = session.photoRows.get(current());
  $("title").textContent = current();
  $("about").textContent = `${width} × ${height} pixels${person ? `, of ${person}` : ""}. ${row ? "Has a hand-drawn box." : "No hand-drawn box yet."}`;
  if (!annotator || dragging) return; // never under a drag
  const [x, y, w, h] = box ? [box[0], box[1], box[2] - box[0], box[3] - box[1]] : [];
  const geometry = { x, y, w, h, rot: 0, bounds: { minX: x, minY: y, maxX: x + w, maxY: y + h } };
  const target = { annotation: "face", selector: { type: "RECTANGLE", geometry } };
  annotator.cancelSelected();
  annotator.setAnnotations(box ? [{ id: "face", bodies: [], target }] : [], true);
  if (box) annotator.setSelected("face", true);
}

// ---- doubted labels -------------------------------------------------------------------------------------------------

const taskOf = (row) => session.tasks.find(({ source }) => source === row.field);
const presentValue = (row) => {
  const task = taskOf(row), photo = session.photos.find(({ photo, person }) => (row.photo ? photo === row.photo : person === row.person));
  return photo[task.bins.length ? `${task.name}_value` : task.name];
};

function answer(issue, values, outcome) {
  const note = $("answer").note.value || `${outcome} ${issue.source}`;
  change("labels", issue.rows.map((row, i) => ({ key: labelKey(row), row: { ...row, value: values[i], confidence: "1", source: "annotate", note } })));
}

function showIssue() {
  const issue = current(), rows = issue.rows, task = taskOf(rows[0]);
  const proposed = rows.map(({ value }) => value), present = rows.map(presentValue);
  const answered = rows.map((row) => known.labels.get(labelKey(row))?.row.value);
  const fields = [...new Set(rows.map(({ field }) => field))].join(", ");
  $("title").textContent = `${fields} of ${rows.map((row) => row.person || row.photo.split("/").slice(-2).join("/")).join(" and ")}`;
  $("about").textContent = `${rows[0].note}. ${answered[0] === undefined ? "Not answered yet." : `Answered: ${answered.join(", ")}.`}`;
  const choices = [[`Change to ${proposed.join(", ")}`, proposed, "accepted"], [`Keep ${present.join(", ")}`, present, "kept"]];
  if (rows.length === 1 && !task.bins.length) {
    const others = task.classes.filter((value) => value !== present[0] && value !== proposed[0]);
    choices.push(...others.map((value) => [`It is ${value}`, [value], "answered"]));
  }
  $("choices").replaceChildren(...choices.map(([label, values, outcome], i) =>
    button(`${i + 1}  ${label}`, () => answer(issue, values, outcome), answered.join() === values.join())));
  if (task.bins.length) {
    const field = Object.assign(document.createElement("input"), { type: "number", min: 0, ariaLabel: task.source, value: answered[0] ?? "" });
    field.onchange = () => field.value && answer(issue, rows.map(() => field.value), "answered");
    $("choices").append(field);
  }
}

function button(label, action, pressed) {
  const element = Object.assign(document.createElement("button"), { type: "button", textContent: label, onclick: action });
  element.setAttribute("aria-pressed", pressed);
  return element;
}

// ---- the page -----------------------------------------------------------------------------------------------------

function show() {
  const all = items(), isDone = queues[queue].isDone, first = Math.max(0, position[queue] - NEARBY);
  const left = (name) => queues[name].items().filter((item) => !queues[name].isDone(item)).length;
  $("queues").replaceChildren(...Object.keys(queues).map((name) =>
    button(`${queues[name].title} ${name === "drawn" ? queues[name].items().length : left(name)}`, () => open(name), name === queue)));
  $("left").textContent = all.length ? `${position[queue] + 1} of ${all.length}; ${left(queue)} left` : "Nothing here.";
  $("list").replaceChildren(...all.slice(first, position[queue] + NEARBY).map((item, i) => {
    const line = document.createElement("li"), name = isIssue() ? item.source : item;
    const entry = button(`${isDone(item) ? "✓" : "○"} ${name}`, () => go(first + i - position[queue]), false);
    entry.removeAttribute("aria-pressed");
    if (first + i === position[queue]) entry.setAttribute("aria-current", "true");
    line.append(entry);
    return line;
  }));
  $("undo").disabled = !undoStack.length;
  $("conflict").hidden = !conflict;
  $("box").hidden = isIssue() || !all.length;
  $("answer").hidden = !isIssue() || !all.length;
  if (!current()) { $("title").textContent = ""; $("about").textContent = ""; return; }
  isIssue() ? showIssue() : showBox();
}

function keys(event) {
  const writing = event.target.matches?.("input"), arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const actions = {
    PageDown: () => go(1), PageUp: () => go(-1),
    ...(!writing && {
      "+": () => stepZoom(true), "=": () => stepZoom(true), "-": () => stepZoom(false), 0: () => fit(),
      l: brighten,
      ...(isIssue() ? {} : { Delete: deleteBox, Backspace: deleteBox, b: beginBox }),
      ...(isIssue() && /^[1-9]$/.test(event.key) && { [event.key]: () => $("choices").children[event.key - 1]?.click() }),
    }),
  };
  let action = actions[event.key];
  if (!writing && (event.ctrlKey || event.metaKey)) action = event.key === "z" ? undo : undefined;
  if (!writing && arrow && !isIssue() && current()) action = () => moveBox(...arrow.map((step) => step * (event.shiftKey ? 10 : 1)), event.altKey);
  if (!action) return;
  event.preventDefault();
  event.stopImmediatePropagation(); // Annotorious has an undo of its own, for one photo only
  action();
}

function beginBox() {
  if (!current()) return;
  const { width, height } = session.photoRows.get(current());
  if (!boxRow()) setBox([width / 4, height / 4, width * 0.75, height * 0.75]);
  $("box").x0.focus();
  $("box").x0.select();
}

function startDrag(event) { // a drag beside the selected box draws a new one at once, without a click to let go of the old
  dragging = Boolean(annotator && event.target.closest(".a9s-annotationlayer"));
  if (dragging && !event.target.closest(".a9s-annotation.selected")) annotator.cancelSelected();
}

function addListeners() {
  $("previous").onclick = () => go(-1);
  $("next").onclick = () => go(1);
  $("undo").onclick = undo;
  $("delete").onclick = deleteBox;
  $("detector").onclick = () => setBox(session.detected[current()]);
  $("smaller").onclick = () => stepZoom(false);
  $("larger").onclick = () => stepZoom(true);
  $("fit").onclick = () => fit();
  $("bright").onclick = brighten;
  $("mine").onclick = () => change(conflict.name, [{ key: conflict.key, row: conflict.row }]);
  const typedBox = () => EDGES.every((edge) => $("box")[edge].value !== "") && setBox(EDGES.map((edge) => Number($("box")[edge].value)));
  $("box").onchange = typedBox;
  $("box").onsubmit = (event) => { event.preventDefault(); typedBox(); };
  $("answer").onsubmit = (event) => event.preventDefault();
  $("stage").addEventListener("pointerdown", startDrag, true);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => dragging && setTimeout(readDrawing), true);
  addEventListener("keydown", keys, true);
  addEventListener("resize", () => fitted && fit());
  addEventListener("focus", refresh);
  addEventListener("beforeunload", (event) => { if (unsent.boxes.size + unsent.labels.size) event.preventDefault(); });
}

async function start() {
  const { status, body } = await call("api/session");
  if (status !== 200) { showStatus("failed", body.error); return; }
  session = { ...body, photoRows: new Map(body.photos.map((photo) => [photo.photo, { ...photo, width: Number(photo.width), height: Number(photo.height) }])) };
  $("name").textContent = session.name;
  queue = session.missed.length || !session.label_issues.length ? (session.missed.length ? "missed" : "all") : "doubted";
  for (const name of ["boxes", "labels"]) {
    const prefix = storageKey(name, "");
    for (const key of Object.keys(localStorage).filter((key) => key.startsWith(prefix))) unsent[name].set(key.slice(prefix.length), JSON.parse(localStorage[key]));
  }
  addListeners();
  position[queue] = 0;
  receive(body);
  open(queue, items().findIndex((item) => !queues[queue].isDone(item)));
  flush();
}

start();
