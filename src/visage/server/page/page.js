// Send a photo or the camera's pictures to this server, and show the faces as boxes and as tables.
"use strict";

const COLOURS = ["#00e5d4", "#ffb84d", "#ff7ac6", "#9be15d", "#b9a6ff", "#ffe45c"]; // light, on them dark text
const CROWD = 3; // with more faces, a box has its number only: the answers would cover the others
const PAUSE = 250; // ms between two pictures of the camera
const part = (name) => document.getElementById(name);
let token = decodeURIComponent(location.hash.slice(1));
let stream = null; // of the camera, while it is open
let newest = 0; // number of the latest photo; an answer to an earlier one is not shown

function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function showError(sentence) {
  part("error").textContent = sentence;
  part("error").hidden = !sentence;
}

function clearFaces(count) {
  part("boxes").replaceChildren();
  part("faces").replaceChildren();
  part("count").textContent = count;
}

async function judge(blob) {
  const type = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  const headers = { "Content-Type": type, ...(token && { Authorization: `Bearer ${token}` }) };
  let response;
  try {
    response = await fetch("v1/faces", { method: "POST", headers, body: blob });
  } catch {
    throw new Error("The server does not answer; is it still running?");
  }
  const answer = await response.json();
  part("token-form").hidden = response.status !== 401;
  if (!response.ok) {
    const name = blob.name || "The picture";
    const error = new Error(`${name}: ${answer.error.replace(/^the photo: /, "")}`);
    error.retryAfter = Number(response.headers.get("Retry-After"));
    throw error;
  }
  return answer.photos[0];
}

function summarize(face) {
  const years = face.years === null ? [] : [`about ${Math.round(face.years)} years`];
  return [...Object.values(face.answers), ...years].join(", ");
}

function drawBox(face, index, photo) {
  const [x0, y0, x1, y1] = face.box;
  const box = make("div", "", { class: "box" });
  const share = (value, whole) => `${(100 * value) / whole}%`;
  box.style.left = share(x0, photo.width);
  box.style.top = share(y0, photo.height);
  box.style.width = share(x1 - x0, photo.width);
  box.style.height = share(y1 - y0, photo.height);
  box.style.borderColor = COLOURS[index % COLOURS.length];
  box.classList.toggle("low", y0 < photo.height * 0.08);
  box.classList.toggle("left", x0 > photo.width * 0.6);
  const answers = photo.faces.length > CROWD ? "" : `: ${Object.values(face.answers).join(", ")}`;
  const label = make("span", `${index + 1}${answers}`);
  label.style.background = COLOURS[index % COLOURS.length];
  box.append(label);
  return box;
}

function listFace(face, index) {
  const item = make("li");
  item.style.borderLeftColor = COLOURS[index % COLOURS.length];
  item.append(make("h3", `${index + 1}: ${summarize(face)}`));
  for (const [task, probabilities] of Object.entries(face.probabilities)) {
    const table = make("table");
    table.append(make("caption", task));
    for (const [name, probability] of Object.entries(probabilities)) {
      const row = make("tr", "", name === face.answers[task] ? { class: "answer" } : {});
      const bar = make("td", "", { class: "bar" });
      bar.append(make("meter", "", { value: probability, "aria-hidden": "true" }));
      row.append(make("th", name, { scope: "row" }), bar, make("td", `${(100 * probability).toFixed(1)}%`));
      table.append(row);
    }
    item.append(table);
  }
  if (face.score !== null) item.append(make("p", `detector's score ${face.score.toFixed(2)}`, { class: "note" }));
  return item;
}

function showFaces(photo) {
  const count = photo.faces.length;
  part("count").textContent = count === 0 ? "No face found" : count === 1 ? "1 face" : `${count} faces`;
  part("boxes").replaceChildren(...photo.faces.map((face, index) => drawBox(face, index, photo)));
  part("faces").replaceChildren(...photo.faces.map(listFace));
}

async function showPhoto(file) {
  closeCamera();
  const number = ++newest;
  const picture = part("picture");
  showError("");
  clearFaces("Judging ...");
  part("status").textContent = `Judging ${file.name || "the photo"} ...`;
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(file);
  picture.alt = `The photo ${file.name || ""}`;
  picture.hidden = part("photo").hidden = false;
  part("video").hidden = true;
  try {
    const photo = await judge(file);
    if (number !== newest) return;
    showFaces(photo);
    part("status").textContent = `${file.name || "The photo"}: ${part("count").textContent}.`;
    await picture.decode().catch(() => showError("Your browser cannot show this photo; the faces are listed."));
  } catch (error) {
    if (number !== newest) return;
    part("photo").hidden = true;
    clearFaces("No photo yet");
    part("status").textContent = "";
    showError(error.message);
  }
}

function closeCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  part("camera").setAttribute("aria-pressed", "false");
  part("camera").textContent = "Open the camera";
}

async function openCamera() {
  showError("");
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
  } catch (error) {
    showError(`The camera cannot be opened (${error.name}); allow it in the browser, or choose a photo.`);
    return;
  }
  const number = ++newest;
  part("camera").setAttribute("aria-pressed", "true");
  part("camera").textContent = "Close the camera";
  const video = part("video");
  video.srcObject = stream;
  video.hidden = part("photo").hidden = false;
  part("picture").hidden = true;
  clearFaces("Judging ...");
  part("status").textContent = "The camera is open; each picture is sent to the server and forgotten.";
  await video.play().catch(() => {});
  watchCamera(number);
}

async function watchCamera(number) {
  const video = part("video");
  const canvas = document.createElement("canvas");
  while (stream && number === newest) {
    let pause = PAUSE;
    try {
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
      canvas.getContext("2d").drawImage(video, 0, 0);
      const photo = await judge(await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9)));
      if (!stream || number !== newest) return;
      showFaces(photo);
      showError("");
    } catch (error) {
      if (!stream || number !== newest) return;
      showError(error.message);
      pause = 1000 * (error.retryAfter || 2);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

function hidePhoto() {
  newest++;
  closeCamera();
  part("photo").hidden = true;
  part("status").textContent = "";
  clearFaces("No photo yet");
}

part("file").addEventListener("change", (event) => {
  if (event.target.files.length) showPhoto(event.target.files[0]);
  event.target.value = ""; // so that the same file can be chosen again
});
part("camera").addEventListener("click", () => (stream ? hidePhoto() : openCamera()));
part("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = part("token").value.trim();
  part("token-form").hidden = true;
  showError("");
  part("status").textContent = "Now choose the photo again.";
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  part("stage").classList.add("over");
});
addEventListener("dragleave", () => part("stage").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  part("stage").classList.remove("over");
  if (event.dataTransfer.files.length) showPhoto(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) showPhoto(event.clipboardData.files[0]);
});
if (!navigator.mediaDevices) {
  part("camera").disabled = true;
  part("camera").title = "Browsers give the camera to pages of this machine (localhost) and of https only.";
}
