// What is asked, what was answered: every answer is sent, and the next image shows once the reply says that it is on disk.

import { Classes } from "./classes.js";
import { Stage } from "./stage.js";

const TOOLS = { classes: Classes }; // by the kind of answer that the images want
const RETRY = 2000; // milliseconds until an unsent answer is sent again
const token = location.pathname.split("/")[1];
const at = (id) => document.getElementById(id);
const stage = new Stage(at("stage"), at("image"), at("instead"), { contrast: at("contrast"), brightness: at("brightness") });
const own = sessionStorage.getItem("window") ?? Math.random().toString(36).slice(2);
sessionStorage.setItem("window", own); // stays when the page is loaded again: so does what can be taken back

let view = null; // what the server last told
let tool = null;
let busy = false; // something is being sent, or the image is not there yet: keys answer nothing that was not seen
let told = ""; // what interrupts
let turn = 0; // of what is asked: a reply that comes late counts no more
let aside = false; // skipped and unsure images are gone through again

// Sends what is asked or answered until the server replies; `kept` says what would be lost.
async function ask(what, given, kept = "") {
  for (;;) {
    let reply;
    try {
      reply = await fetch(what, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Labelfree-Token": token },
        body: JSON.stringify({ window: own, aside, ...given }),
      });
    } catch {
      trouble(`The server does not answer${kept && `; not saved yet: ${kept}`}. Trying again; if it was stopped, start it again and open the new address.`);
      await new Promise((wake) => setTimeout(wake, RETRY));
      continue;
    }
    if (reply.ok) return reply.json();
    const sentence = await reply.text();
    throw new Error(kept ? `Not saved: ${kept}. ${sentence}` : sentence);
  }
}

// Asks, and shows what comes back. Nothing else is sent meanwhile.
async function go(what, given, kept) {
  if (busy) return;
  busy = true;
  turn++;
  document.body.ariaBusy = "true";
  try {
    view = await ask(what, given, kept);
    draw();
    await picture();
  } catch (error) {
    trouble(error.message);
  }
  busy = false;
  document.body.ariaBusy = "false";
}

// Tells what was changed elsewhere while this window was left, in the table above all. Keys are taken meanwhile.
async function refresh() {
  if (busy || !view?.image) return;
  const mine = turn;
  const reply = await ask("view", { at: view.image.at }).catch(() => null);
  if (!reply || mine !== turn) return;
  const after = { ...reply, told: view.told };
  if (JSON.stringify(after) === JSON.stringify(view)) return;
  view = after;
  draw();
}

function give(answer) {
  const image = view?.image;
  if (image && answer.label && stage.failed) trouble(`${image.name} cannot be seen, so it has no class: skip it.`);
  else if (image) go("answer", { at: image.at, answer, shown: image.answer }, `${image.name} is ${answer.label || answer.state}`);
}

// All that is to be seen but the image itself.
function draw() {
  const { image, total, progress } = view;
  tool ??= new TOOLS[view.kind](at("tool"), give);
  tool.show(view);
  at("told").textContent = view.told;
  at("bar").max = total;
  at("bar").value = progress.done;
  at("progress").textContent = progress.words;
  at("counts").textContent = progress.counts;
  for (const id of ["skip", "unsure"]) at(id).disabled = !image;
  trouble(view.notice, view.lost ? [button("Put back", () => go("put-back", { at: view.image?.at }))] : []);
  if (!image) return finish();
  const number = `${image.at + 1} of ${total}`;
  at("image").alt = `Image ${number}: ${image.name}`;
  at("name").textContent = image.name;
  document.title = `${number}: ${image.name}`;
  const said = image.answer.label || image.answer.state;
  at("standing").textContent = [`image ${number}`, image.chosen && `picked as ${image.chosen}`, said && `answered: ${said}`].filter(Boolean).join(", ");
  at("skip").ariaPressed = String(image.answer.state === "skipped");
  at("unsure").ariaPressed = String(image.answer.state === "unsure");
  neighbours(image);
}

// The image, and those that come next, which are fetched ahead.
async function picture() {
  if (!view.image) return;
  await stage.show(`image/${view.image.at}`);
  for (const next of view.ahead) stage.fetched(`image/${next}`).catch(() => {});
}

function neighbours(image) {
  const note = document.createElement("p");
  note.textContent = image.neighbours_note;
  const figures = image.neighbours.map((other) => {
    const [figure, picture, caption, why] = ["figure", "img", "figcaption", "span"].map((name) => document.createElement(name));
    stage.fetched(`image/${other.at}?small`).then((url) => Object.assign(picture, { src: url, alt: other.name }), () => {});
    why.textContent = other.why;
    caption.append(other.said, why);
    figure.append(picture, caption);
    return figure;
  });
  at("neighbours").replaceChildren(...figures, ...(image.neighbours_note ? [note] : []));
}

function finish() {
  const [done, next] = [document.createElement("strong"), document.createElement("code")];
  const through = aside ? "No image is skipped or unsure any more. Next:" : `All ${view.total} images have an answer. Next:`;
  [done.textContent, next.textContent] = [through, view.closing];
  at("name").textContent = document.title = "Done";
  at("standing").textContent = "";
  at("neighbours").replaceChildren();
  const again = view.progress.aside ? [button(`Go through ${view.progress.aside} skipped or unsure again`, () => { aside = true; go("view", {}); })] : [];
  aside = false;
  stage.tell(done, next, ...again);
  again[0]?.focus();
}

function button(text, act) {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", textContent: text });
  made.addEventListener("click", act);
  return made;
}

// A sentence that interrupts; the same one again does not.
function trouble(sentence, ways = []) {
  if (told === sentence + ways.length) return;
  told = sentence + ways.length;
  at("notice").replaceChildren(...(sentence ? [sentence, ...ways] : []));
}

function walk(step) {
  const here = view?.image ? view.image.at : view?.total;
  if (view && here + step >= 0 && here + step < view.total) go("view", { at: here + step });
}

const skip = () => give({ label: "", state: "skipped" });
const unsure = () => give({ label: "", state: "unsure" });
const undo = () => go("undo", {});
const commands = {
  s: skip, "?": unsure, u: undo,
  ArrowLeft: () => walk(-1), ArrowRight: () => walk(1), Home: () => go("view", {}),
  "+": () => stage.zoom(1), "=": () => stage.zoom(1), "-": () => stage.zoom(-1), 0: () => stage.reset(),
  ",": () => stage.adjust("contrast", -1), ".": () => stage.adjust("contrast", 1),
  ";": () => stage.adjust("brightness", -1), ":": () => stage.adjust("brightness", 1),
  "<": () => stage.adjust("brightness", -1), ">": () => stage.adjust("brightness", 1),
};
const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
const answers = new Set(["s", "?", "u"]);

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || target.type === "search") return;
  if (target.type === "range" && (key.startsWith("Arrow") || key === "Home" || key === "End")) return; // the slider's own
  if (key.length === 1 && !at("keys").checked) return;
  if (event.shiftKey && moves[key]) {
    stage.move(...moves[key]);
  } else if (commands[key] ?? commands[key.toLowerCase()]) {
    if (event.repeat && answers.has(key.toLowerCase())) return; // a key held down answers one image
    (commands[key] ?? commands[key.toLowerCase()])();
  } else if (event.repeat || !tool?.key(key)) {
    return;
  }
  event.preventDefault();
});

at("skip").addEventListener("click", skip);
at("unsure").addEventListener("click", unsure);
at("undo").addEventListener("click", undo);
at("back").addEventListener("click", () => walk(-1));
at("forth").addEventListener("click", () => walk(1));
at("larger").addEventListener("click", () => stage.zoom(1));
at("smaller").addEventListener("click", () => stage.zoom(-1));
at("fit").addEventListener("click", () => stage.reset());
window.addEventListener("focus", refresh);
go("view", {});
