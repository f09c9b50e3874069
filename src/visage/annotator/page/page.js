// One photo or one doubt at a time. What a person does is shown at once, waits in localStorage until the server has it
// on disk, and never overwrites what another tab has changed since it was seen here.
"use strict";

const $ = (id) => document.getElementById(id);
const EDGES = ["x0", "y0", "x1", "y1"];
const ZOOMS = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8];
const NEARBY = 100; // entries of the list before and after the present one
const token = location.hash.slice(1) || sessionStorage.getItem("token") || "";
sessionStorage.setItem("token", token);
history.replaceState(null, "", location.pathname);

let desk, queue, annotator, zoom, fitted = true, busy = false, held = false, lost = null, changes = 0;
const place = {};
const known = { boxes: new Map(), fixes: new Map() }; // key as JSON -> { row, seen }, as shown here
const waiting = { boxes: new Map(), fixes: new Map() }; // the same, and not yet on the server's disk
const done = []; // for undo: [{ name, key, row }], the rows as they were before

async function call(path, body) {
  const headers = { "X-Visage-Token": token };
  const answer = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers });
  return { status: answer.status, told: answer.headers.get("Content-Type") === "image/jpeg" ? await answer.blob() : await answer.json() };
}

// ---- keeping ------------------------------------------------------------------------------------------------------

const shelf = (name, key) => `visage/${desk.name}/${name}/${key}`;

function put(name, rows, undoable = true) {
  if (undoable) done.push(rows.map(({ key }) => ({ name, key, row: known[name].get(key)?.row ?? null })));
  for (const { key, row } of rows) {
    const seen = waiting[name].get(key)?.seen ?? known[name].get(key)?.seen ?? "";
    waiting[name].set(key, { row, seen });
    localStorage.setItem(shelf(name, key), JSON.stringify({ row, seen }));
    row ? known[name].set(key, { row, seen }) : known[name].delete(key);
  }
  lost = null;
  changes += 1;
  show();
  flush();
}

async function flush() {
  if (busy) return;
  busy = true;
  for (const name of ["boxes", "fixes"]) while (waiting[name].size) if (!(await send(name))) { busy = false; return; }
  busy = false;
  say("saved", "saved");
}

async function send(name) {
  const sent = [...waiting[name]].slice(0, 50);
  say("saving", "saving …");
  const asked = sent.map(([key, { row, seen }]) => ({ key: JSON.parse(key), row: row && typed(row), seen }));
  let answer;
  try { answer = await call(`api/${name}`, { changes: asked }); } catch { return later("NOT saved: the server is gone. Start it again; this page keeps trying."); }
  if (answer.status === 403) return later("NOT saved: the server was started anew. Open the address it printed; the change is sent from there.");
  if (answer.status >= 500) return later(`NOT saved: ${answer.told.error}`);
  const refused = answer.status === 400 ? answer.told.error : "";
  const told = refused ? (await call("api/corrections")).told : answer.told;
  const versions = new Map(told[name].map(({ key, seen }) => [JSON.stringify(key), seen]));
  for (const [key, { row, seen }] of sent) {
    const stale = answer.status === 409 && (versions.get(key) ?? "") !== seen;
    if (answer.status === 409 && !stale) continue; // it was refused only for its neighbour's sake
    if (waiting[name].get(key)?.row === row || stale || refused) {
      waiting[name].delete(key);
      localStorage.removeItem(shelf(name, key));
      if (stale) lost = { name, key, row };
    } else waiting[name].get(key).seen = versions.get(key) ?? ""; // changed again while it was under way
  }
  learn(told);
  if (refused) say("failed", `NOT saved: ${refused}`);
  return !refused;
}

function later(sentence) {
  say("failed", sentence);
  setTimeout(flush, 2000);
  return false;
}

function learn(told) {
  changes += 1;
  for (const name of ["boxes", "fixes"]) {
    const unsent = [...waiting[name]];
    known[name] = new Map(told[name].map(({ key, row, seen }) => [JSON.stringify(key), { row, seen }]));
    for (const [key, one] of unsent) one.row ? known[name].set(key, one) : known[name].delete(key);
  }
  show();
}

async function refresh() { // what other tabs have done; an answer that something here has overtaken tells nothing
  const before = changes;
  const { status, told } = await call("api/corrections").catch(() => ({}));
  if (status === 200 && before === changes) learn(told);
}

const typed = (row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, EDGES.includes(k) ? Number(v) : v]));

function say(state, sentence) {
  $("saved").dataset.state = state;
  $("saved").textContent = sentence;
}

function undo() {
  const rows = done.pop();
  if (rows) put(rows[0].name, rows, false);
}

// ---- what to look at ----------------------------------------------------------------------------------------------

const queues = {
  missed: ["Missed faces", () => desk.missed, (photo) => known.boxes.has(JSON.stringify([photo]))],
  doubted: ["Doubted labels", () => desk.doubts, (doubt) => doubt.rows.every((row) => known.fixes.has(fixKey(row)))],
  drawn: ["Drawn", () => [...known.boxes.keys()].map((key) => JSON.parse(key)[0]).filter((photo) => desk.known.has(photo)), () => true],
  all: ["All photos", () => desk.photos.map(({ photo }) => photo), (photo) => known.boxes.has(JSON.stringify([photo]))],
};
const fixKey = (row) => JSON.stringify([row.person, row.photo, row.field]);
const items = () => queues[queue][1]();
const current = () => items()[place[queue]];
const isDoubt = () => queue === "doubted";

function open(name, where) {
  queue = name;
  const unseen = items().findIndex((item) => !queues[name][2](item));
  place[name] = Math.max(0, where ?? place[name] ?? unseen);
  look();
}

function go(step) {
  place[queue] = Math.min(Math.max(place[queue] + step, 0), Math.max(items().length - 1, 0));
  look();
}

// ---- the stage ----------------------------------------------------------------------------------------------------

async function picture(photo) {
  const img = new Image();
  const { status, told } = await call(`api/photo?photo=${encodeURIComponent(photo)}`);
  img.alt = status === 200 ? photo : `${photo}: ${told.error}`;
  if (status === 200) {
    img.src = URL.createObjectURL(told);
    await img.decode();
    URL.revokeObjectURL(img.src);
  }
  return img;
}

async function look() {
  const item = current();
  annotator?.destroy();
  annotator = null;
  lost = null;
  $("stage").replaceChildren();
  $("stage").dataset.ready = "";
  show();
  if (!item) return;
  try {
    const photos = isDoubt() ? item.photos : [item];
    const images = await Promise.all(photos.map(picture));
    if (item !== current()) return; // the person went on meanwhile
    isDoubt() ? hang(images, photos) : mount(images[0]);
    refresh();
    $("stage").dataset.ready = isDoubt() ? item.source : item;
  } catch { later("The server is gone. Start it again."); }
}

function hang(images, photos) {
  $("stage").append(...images.map((img, i) => {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    const row = current().rows.find((one) => one.photo === photos[i]);
    caption.textContent = photos[i].split("/").pop() + (row ? `: ${presentValue(row)} → ${row.value}?` : "");
    figure.append(img, caption);
    return figure;
  }));
}

function mount(img) {
  $("stage").append(img);
  if (!img.naturalWidth) return;
  if (fitted) fit(img); else scale(zoom, img);
  annotator = Annotorious.createImageAnnotator(img, { theme: "dark", drawingEnabled: true });
  show();
}

function scale(factor, img = $("stage").querySelector("img")) {
  zoom = factor;
  $("zoom").textContent = `${Math.round(zoom * 100)} %`;
  if (img && !isDoubt()) img.style.width = `${Math.round(img.naturalWidth * zoom)}px`;
  if (img && !isDoubt()) img.style.height = `${Math.round(img.naturalHeight * zoom)}px`;
}

function fit(img = $("stage").querySelector("img")) {
  fitted = true;
  const room = $("stage").getBoundingClientRect();
  if (img) scale(Math.min((room.width - 34) / img.naturalWidth, (room.height - 34) / img.naturalHeight), img);
}

function brighten() { // faces are missed in the dark
  $("bright").setAttribute("aria-pressed", $("stage").classList.toggle("bright"));
}

function nudgeZoom(up) {
  fitted = false;
  scale(up ? ZOOMS.find((one) => one > zoom + 0.01) ?? 8 : ZOOMS.findLast((one) => one < zoom - 0.01) ?? 0.1);
}

// ---- boxes --------------------------------------------------------------------------------------------------------

const boxKey = () => JSON.stringify([current()]);
const boxRow = () => known.boxes.get(boxKey())?.row;
const edges = () => { const row = boxRow(); return row && EDGES.map((edge) => Number(row[edge])); };

function setBox(values, undoable = true) {
  const { width, height } = desk.known.get(current());
  const tenth = (value, most) => Math.round(Math.min(Math.max(value, 0), most) * 10) / 10;
  const [left, right] = [values[0], values[2]].sort((a, b) => a - b), [top, bottom] = [values[1], values[3]].sort((a, b) => a - b);
  const box = [tenth(left, width), tenth(top, height), tenth(right, width), tenth(bottom, height)];
  if (!values.every(Number.isFinite) || box[2] - box[0] <= 1 || box[3] - box[1] <= 1) return show();
  const note = $("box").note.value;
  const row = { photo: current(), ...Object.fromEntries(EDGES.map((edge, i) => [edge, String(box[i])])), note };
  if (JSON.stringify(row) === JSON.stringify(boxRow())) return show();
  put("boxes", [{ key: boxKey(), row }], undoable);
}

function deleteBox() {
  if (boxRow()) put("boxes", [{ key: boxKey(), row: null }]);
}

function readDrawing() { // after each stroke of the mouse or finger
  held = false;
  const shapes = annotator?.getAnnotations() ?? [];
  const shape = shapes.find(({ id }) => id !== "face") ?? shapes[0];
  if (!shape) return show();
  const { x, y, w, h } = shape.target.selector.geometry;
  setBox([x, y, x + w, y + h]);
}

function moveBox(dx, dy, resize) {
  const box = edges();
  const { width, height } = desk.known.get(current());
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
  $("detector").disabled = !desk.detected[current()];
  $("delete").disabled = !row;
  const { width, height, person } = desk.known.get(current());
  $("title").textContent = current();
  $("about").textContent = `${width} × ${height} pixels${person ? `, of ${person}` : ""}. ${row ? "Has a hand-drawn box." : "No hand-drawn box yet."}`;
  if (!annotator || held) return; // never under a drag
  const [x, y, w, h] = box ? [box[0], box[1], box[2] - box[0], box[3] - box[1]] : [];
  const geometry = { x, y, w, h, rot: 0, bounds: { minX: x, minY: y, maxX: x + w, maxY: y + h } };
  const target = { annotation: "face", selector: { type: "RECTANGLE", geometry } };
  annotator.cancelSelected();
  annotator.setAnnotations(box ? [{ id: "face", bodies: [], target }] : [], true);
  if (box) annotator.setSelected("face", true);
}

// ---- doubts -------------------------------------------------------------------------------------------------------

const taskOf = (row) => desk.tasks.find(({ source }) => source === row.field);
const presentValue = (row) => {
  const task = taskOf(row), photo = desk.photos.find((one) => (row.photo ? one.photo === row.photo : one.person === row.person));
  return photo[task.bins.length ? `${task.name}_value` : task.name];
};

function answer(doubt, values, verdict) {
  const note = $("verdict").note.value || `${verdict} ${doubt.source}`;
  put("fixes", doubt.rows.map((row, i) => ({ key: fixKey(row), row: { ...row, value: values[i], confidence: "1", source: "annotate", note } })));
}

function showDoubt() {
  const doubt = current(), fields = [...new Set(doubt.rows.map(({ field }) => field))].join(", ");
  const now = doubt.rows.map(presentValue), told = doubt.rows.map((row) => known.fixes.get(fixKey(row))?.row.value);
  $("title").textContent = `${fields} of ${doubt.rows.map((row) => row.person || row.photo.split("/").slice(-2).join("/")).join(" and ")}`;
  $("about").textContent = `${doubt.rows[0].note}. ${told[0] === undefined ? "Not answered yet." : `Answered: ${told.join(", ")}.`}`;
  const choices = [[`Change to ${doubt.rows.map(({ value }) => value).join(", ")}`, doubt.rows.map(({ value }) => value), "accepted"], [`Keep ${now.join(", ")}`, now, "kept"]];
  const task = taskOf(doubt.rows[0]);
  if (doubt.rows.length === 1 && !task.bins.length)
    for (const one of task.classes) if (one !== now[0] && one !== doubt.rows[0].value) choices.push([`It is ${one}`, [one], "answered"]);
  $("answers").replaceChildren(...choices.map(([label, values, verdict], i) => button(`${i + 1}  ${label}`, () => answer(doubt, values, verdict), told.join() === values.join())));
  if (task.bins.length) {
    const field = Object.assign(document.createElement("input"), { type: "number", min: 0, ariaLabel: task.source, value: told[0] ?? "" });
    field.onchange = () => field.value && answer(doubt, doubt.rows.map(() => field.value), "answered");
    $("answers").append(field);
  }
}

function button(label, action, pressed) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: label, onclick: action });
  made.setAttribute("aria-pressed", pressed);
  return made;
}

// ---- the page -----------------------------------------------------------------------------------------------------

function show() {
  const all = items(), settled = queues[queue][2], [first] = [Math.max(0, place[queue] - NEARBY)];
  const left = (name) => queues[name][1]().filter((item) => !queues[name][2](item)).length;
  $("queues").replaceChildren(...Object.keys(queues).map((name) =>
    button(`${queues[name][0]} ${name === "drawn" ? queues[name][1]().length : left(name)}`, () => open(name), name === queue)));
  $("left").textContent = all.length ? `${place[queue] + 1} of ${all.length}; ${left(queue)} left` : "Nothing here.";
  $("list").replaceChildren(...all.slice(first, place[queue] + NEARBY).map((item, i) => {
    const line = document.createElement("li"), name = isDoubt() ? item.source : item;
    const entry = button(`${settled(item) ? "✓" : "○"} ${name}`, () => go(first + i - place[queue]), false);
    entry.removeAttribute("aria-pressed");
    if (first + i === place[queue]) entry.setAttribute("aria-current", "true");
    line.append(entry);
    return line;
  }));
  $("undo").disabled = !done.length;
  $("conflict").hidden = !lost;
  $("box").hidden = isDoubt() || !all.length;
  $("verdict").hidden = !isDoubt() || !all.length;
  if (!current()) { $("title").textContent = ""; $("about").textContent = ""; return; }
  isDoubt() ? showDoubt() : showBox();
}

function keys(event) {
  const writing = event.target.matches?.("input"), arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const own = {
    PageDown: () => go(1), PageUp: () => go(-1),
    ...(!writing && {
      "+": () => nudgeZoom(true), "=": () => nudgeZoom(true), "-": () => nudgeZoom(false), 0: () => fit(),
      l: brighten,
      ...(isDoubt() ? {} : { Delete: deleteBox, Backspace: deleteBox, b: begin }),
      ...(isDoubt() && /^[1-9]$/.test(event.key) && { [event.key]: () => $("answers").children[event.key - 1]?.click() }),
    }),
  };
  let action = own[event.key];
  if (!writing && (event.ctrlKey || event.metaKey)) action = event.key === "z" ? undo : undefined;
  if (!writing && arrow && !isDoubt() && current()) action = () => moveBox(...arrow.map((one) => one * (event.shiftKey ? 10 : 1)), event.altKey);
  if (!action) return;
  event.preventDefault();
  event.stopImmediatePropagation(); // Annotorious has an undo of its own, for one photo only
  action();
}

function begin() {
  if (!current()) return;
  const { width, height } = desk.known.get(current());
  if (!boxRow()) setBox([width / 4, height / 4, width * 0.75, height * 0.75]);
  $("box").x0.focus();
  $("box").x0.select();
}

function takeHold(event) { // a drag beside the selected box draws a new one at once, without a click to let go of the old
  held = Boolean(annotator && event.target.closest(".a9s-annotationlayer"));
  if (held && !event.target.closest(".a9s-annotation.selected")) annotator.cancelSelected();
}

function wire() {
  $("previous").onclick = () => go(-1);
  $("next").onclick = () => go(1);
  $("undo").onclick = undo;
  $("delete").onclick = deleteBox;
  $("detector").onclick = () => setBox(desk.detected[current()]);
  $("smaller").onclick = () => nudgeZoom(false);
  $("larger").onclick = () => nudgeZoom(true);
  $("fit").onclick = () => fit();
  $("bright").onclick = brighten;
  $("mine").onclick = () => put(lost.name, [{ key: lost.key, row: lost.row }]);
  const typedBox = () => EDGES.every((edge) => $("box")[edge].value !== "") && setBox(EDGES.map((edge) => Number($("box")[edge].value)));
  $("box").onchange = typedBox;
  $("box").onsubmit = (event) => { event.preventDefault(); typedBox(); };
  $("verdict").onsubmit = (event) => event.preventDefault();
  $("stage").addEventListener("pointerdown", takeHold, true);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => held && setTimeout(readDrawing), true);
  addEventListener("keydown", keys, true);
  addEventListener("resize", () => fitted && fit());
  addEventListener("focus", refresh);
  addEventListener("beforeunload", (event) => { if (waiting.boxes.size + waiting.fixes.size) event.preventDefault(); });
}

async function start() {
  const { status, told } = await call("api/desk");
  if (status !== 200) { say("failed", told.error); return; }
  desk = { ...told, known: new Map(told.photos.map((photo) => [photo.photo, { ...photo, width: Number(photo.width), height: Number(photo.height) }])) };
  $("name").textContent = desk.name;
  queue = desk.missed.length || !desk.doubts.length ? (desk.missed.length ? "missed" : "all") : "doubted";
  for (const name of ["boxes", "fixes"]) {
    const start = shelf(name, "");
    for (const key of Object.keys(localStorage).filter((one) => one.startsWith(start))) waiting[name].set(key.slice(start.length), JSON.parse(localStorage[key]));
  }
  wire();
  place[queue] = 0;
  learn(told);
  open(queue, items().findIndex((item) => !queues[queue][2](item)));
  flush();
}

start();
