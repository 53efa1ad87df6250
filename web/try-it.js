// The page "Try it". Its HTML is ci/site/templates/try-it.html, its worker computes, and the pads are the notebooks' own.

import drawing from "./drawing.js";

const SIZE = 64;
const FAR = 0.13; // of a hybrid's size, at the largest distance
const BROWSERS = "Chrome 91, Firefox 114, Safari 16.4, or a newer one"; // WebAssembly with SIMD, and module workers
const WORDS = { draw: "Draw", sketch: "Edit the sketch", repaint: "Repaint", anagram: "Draw", hybrid: "Draw" };
const LABELS = { anagram: ["Upright", "Turned"], hybrid: ["From afar", "Close up"] };
// a view, a share of the way from the image
const TURNS = {
  flip: (share) => `rotateX(${180 * share}deg)`,
  rotate_180: (share) => `rotate(${180 * share}deg)`,
  rotate_90: (share) => `rotate(${-90 * share}deg)`,
};

const page = document.getElementById("try-it-live");
const form = document.getElementById("try-panel");
const controls = form.elements;
const find = (selector) => page.querySelector(selector);
const stage = find(".try-stage canvas");
const status = find(".try-status");
const bar = find("progress");
const columns = find(".try-columns");
const button = find(".try-run");

const facts = await (await fetch(new URL("facts.json", import.meta.url))).json();
const modes = Object.keys(facts.runs);
const known = new Set(facts.prompts);
const runs = structuredClone(facts.runs); // what the controls say, in each mode
const films = {}; // the steps of each mode's last run: { t, x_t, x0Hat }, the images as ImageData
const drawn = {}; // what each mode's last run was given
let mode;
let worker; // it starts to load as soon as it exists
let ready = false;
let hasEncoder = false;
let running = null; // the id of the run under way
let lastId = 0;

// ---- images -----------------------------------------------------------------------------------------------------------

/** An image (3, H, W) in [-1, 1] as pixels. */
function toPixels(image) {
  const pixels = new ImageData(SIZE, SIZE);
  const n = SIZE * SIZE;
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) {
      pixels.data[4 * i + c] = Math.round((Math.min(Math.max(image[c * n + i], -1), 1) + 1) * 127.5);
    }
    pixels.data[4 * i + 3] = 255;
  }
  return pixels;
}

/** Pixels as an image (3, H, W) in [-1, 1]. */
function fromPixels({ data }) {
  const n = SIZE * SIZE;
  return Float32Array.from({ length: 3 * n }, (_, i) => data[4 * (i % n) + Math.floor(i / n)] / 127.5 - 1);
}

/** A canvas context with the pixels of an image file. */
async function pixelsOf(source, width = SIZE, height = SIZE) {
  const image = new Image();
  image.src = source;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context;
}

function put(canvas, pixels) {
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function asPng(pixels) {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE });
  put(canvas, pixels);
  return canvas.toDataURL("image/png");
}

/** The frames of a mode's stored run, which the site shows on pages without a server. */
async function storedFilm(name) {
  const strip = document.querySelector(`[data-stored="${name}"]`);
  const labels = JSON.parse(strip.querySelector("input").dataset.labels);
  const context = await pixelsOf(strip.querySelector("img").src, 2 * SIZE + facts.gap, SIZE * labels.length);
  const frame = (x, i) => context.getImageData(x, i * SIZE, SIZE, SIZE);
  return labels.map((label, i) => ({ t: label.replace("t = ", ""), x_t: frame(0, i), x0Hat: frame(SIZE + facts.gap, i) }));
}

// ---- the film strip and the stage -------------------------------------------------------------------------------------

function showFilm() {
  const film = films[mode];
  columns.replaceChildren();
  film.forEach(addColumn);
  controls.step.max = Math.max(film.length - 1, 1);
  controls.step.value = film.length - 1;
  showStep();
}

function addColumn({ t, x_t, x0Hat }, i) {
  const column = document.createElement("div");
  column.className = "try-column";
  for (const pixels of [x_t, x0Hat]) {
    const canvas = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE });
    put(canvas, pixels);
    column.append(canvas);
  }
  column.append(Object.assign(document.createElement("span"), { textContent: t }));
  column.onclick = () => {
    controls.step.value = i;
    showStep();
  };
  columns.append(column);
}

/** The step of the slider, on the stage. */
function showStep() {
  const film = films[mode];
  const i = Math.min(Number(controls.step.value), film.length - 1);
  if (i < 0) return;
  put(stage, film[i].x0Hat);
  const last = i === film.length - 1;
  const text = `${i + 1} of ${film.length}, t = ${film[i].t}`;
  say(controls.step, text);
  stage.setAttribute("aria-label", `${describe(drawn[mode])}${last ? "" : `, estimate at step ${text}`}`);
  for (const [j, column] of [...columns.children].entries()) column.classList.toggle("try-here", i === j);
  const here = columns.children[i];
  columns.parentElement.scrollLeft = here.offsetLeft + here.offsetWidth / 2 - columns.parentElement.clientWidth / 2;
  turn();
}

function describe({ mode, prompts: [first, second] }) {
  if (mode === "anagram") return `an anagram: ${first}, and turned: ${second}`;
  if (mode === "hybrid") return `a hybrid: ${first} from afar, and ${second} close up`;
  return `${first}, drawn by the model`;
}

/** A slider's value in words, beside it and for a screen reader. */
function say(slider, text) {
  slider.parentElement.querySelector("output").textContent = text;
  slider.setAttribute("aria-valuetext", text);
}

/** Turn the anagram, or move away from the hybrid. */
function turn() {
  const share = controls.turn.value / 100;
  const away = controls.distance.value / 100;
  const { view, prompts } = drawn[mode];
  const moved = { anagram: TURNS[view](share), hybrid: `scale(${1 - (1 - FAR) * away})` };
  stage.style.transform = moved[mode] ?? "";
  stage.classList.toggle("try-smooth", mode === "hybrid" && away > 0);
  say(controls.turn, share < 0.5 ? prompts[0] : prompts[1]);
  say(controls.distance, away > 0.5 ? `from afar: ${prompts[0]}` : `close up: ${prompts[1]}`);
}

// ---- the pads ---------------------------------------------------------------------------------------------------------

/** A pad of the notebooks: drawing.js talks to a model with values, as anywidget's is. */
function pad(place, values, changed) {
  const listeners = {};
  const model = {
    get: (name) => values[name],
    set: (name, value) => (values[name] = value),
    save_changes: changed,
    on: (event, listener) => (listeners[event] = listener),
    off: () => {},
  };
  drawing.render({ model, el: place });
  const canvas = place.querySelector("canvas");
  return {
    pixels: () => canvas.getContext("2d").getImageData(0, 0, SIZE, SIZE),
    put(name, value) {
      values[name] = value;
      listeners[`change:${name}`]();
    },
  };
}

const png = (name) => new URL(`${name}.png`, import.meta.url).href;
const sketched = asPng((await pixelsOf(png(runs.sketch.image))).getImageData(0, 0, SIZE, SIZE));
const sketch = pad(document.getElementById("try-sketch"), { kind: "sketch", size: SIZE, png: sketched }, () => change());
const painter = pad(
  document.getElementById("try-mask"),
  { kind: "mask", size: SIZE, png: rectangle(runs.repaint.mask), under: png(runs.repaint.image) },
  () => change(),
);

/** A mask as the painter has it: opaque where the image is repainted. */
function rectangle([top, left, bottom, right]) {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE });
  const context = canvas.getContext("2d");
  context.fillStyle = "#e91e63";
  context.fillRect(left, top, right - left, bottom - top);
  return canvas.toDataURL("image/png");
}

/** The image to repaint: one of the course's, or the last one drawn. */
let underMask = png(runs.repaint.image);
function chooseImage() {
  underMask = runs.repaint.image ? png(runs.repaint.image) : asPng(films.draw.at(-1).x0Hat);
  painter.put("under", underMask);
}

// ---- controls ---------------------------------------------------------------------------------------------------------

/** The controls of a mode, with its values. */
function choose(name) {
  mode = name;
  form.dataset.mode = mode;
  const run = runs[mode];
  for (const tab of page.querySelectorAll("[role=tab]")) {
    const chosen = tab.dataset.mode === mode;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen) form.setAttribute("aria-labelledby", tab.id);
  }
  for (const part of page.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(mode);
  [controls.first.value, controls.second.value] = [run.prompts[0], run.prompts[1] ?? ""];
  const [first, second] = LABELS[mode] ?? ["Prompt"];
  document.getElementById("try-first").textContent = first;
  document.getElementById("try-second").textContent = second ?? "";
  for (const control of ["seed", "steps", "gamma", "view", "i_start", "image"]) controls[control].value = run[control];
  controls.turn.value = controls.distance.value = 0;
  showExamples();
  showValues();
  showFilm();
  if (running === null) button.textContent = WORDS[mode];
}

function showExamples() {
  const chips = facts.examples[mode].map((prompts) => {
    const chip = Object.assign(document.createElement("button"), { type: "button" });
    chip.textContent = prompts.map((prompt) => prompt.replace(/^an? (photo of )?/, "")).join(" / ");
    chip.onclick = () => {
      [controls.first.value, controls.second.value] = [prompts[0], prompts[1] ?? ""];
      change({ asked: true });
    };
    return chip;
  });
  find(".try-examples").replaceChildren(...chips);
}

/** The values of the sliders, beside them. */
function showValues() {
  const { i_start, steps, gamma } = controls;
  i_start.max = steps.value - 1;
  say(steps, steps.value);
  say(gamma, Number(gamma.value).toFixed(1));
  say(i_start, `${i_start.value} of ${steps.value - 1}`);
  find(".try-note").hidden = hasEncoder || prompts().every((prompt) => known.has(prompt));
}

function prompts() {
  const fields = LABELS[mode] ? [controls.first, controls.second] : [controls.first];
  return fields.map((field) => field.value.trim());
}

/** What the controls say; throws an Error for what cannot be run. */
function read() {
  const { seed, steps, gamma, view, i_start, image } = controls;
  const number = Number(seed.value);
  if (prompts().some((prompt) => !prompt)) {
    throw new Error("A prompt is empty; wanted some words, such as “a photo of a panda”.");
  }
  if (!seed.value || !Number.isInteger(number) || number < 0 || number > 4294967295) {
    throw new Error(`The seed is ${seed.value || "empty"}; wanted a whole number from 0 to 4294967295.`);
  }
  const numbers = { seed: number, steps: Number(steps.value), gamma: Number(gamma.value), i_start: Number(i_start.value) };
  return { mode, prompts: prompts(), ...numbers, view: view.value, image: image.value };
}

/** Something has changed: run again. Unless asked for, only what needs no download. */
function change({ asked = false } = {}) {
  showValues();
  try {
    runs[mode] = { ...runs[mode], ...read() };
  } catch (error) {
    return tell(error.message, true);
  }
  const stored = hasEncoder || runs[mode].prompts.every((prompt) => known.has(prompt));
  if (asked || (ready && stored)) start();
}

// ---- running ----------------------------------------------------------------------------------------------------------

async function start() {
  const run = runs[mode];
  const given = { ...run, iStart: run.i_start };
  if (mode === "sketch") given.xOrig = fromPixels(sketch.pixels());
  if (mode === "repaint") {
    const painted = painter.pixels().data;
    given.mask = Uint8Array.from({ length: 3 * SIZE * SIZE }, (_, i) => painted[4 * (i % (SIZE * SIZE)) + 3] > 127);
    if (!given.mask.some(Boolean)) return tell("Nothing is painted. Brush over the region to repaint.", true);
    given.xOrig = fromPixels((await pixelsOf(underMask)).getImageData(0, 0, SIZE, SIZE));
  }
  given.id = running = ++lastId;
  drawn[mode] = run;
  button.textContent = "Stop";
  if (ready) tell("Drawing …");
  load();
  worker.postMessage({ run: given });
}

function stop() {
  worker.postMessage({ stop: true });
  ended("Stopped.");
}

function ended(sentence, isError = false) {
  running = null;
  bar.value = 0;
  button.textContent = WORDS[mode];
  tell(sentence, isError);
}

function tell(sentence, isError = false) {
  status.textContent = sentence;
  status.classList.toggle("try-error", isError);
}

const megabytes = (bytes) => Math.round(bytes / 1e6);

function load() {
  if (worker) return;
  worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => receive(data);
  worker.onerror = () => {
    worker = undefined;
    ended(`The model could not be started in this browser; wanted ${BROWSERS}.`, true);
  };
}

function receive(message) {
  const { id, step, seconds, error, of } = message;
  if ("loading" in message || "encoding" in message) {
    const what = "loading" in message ? "the model" : "the text encoder";
    const bytes = message.loading ?? message.encoding;
    bar.value = bytes / of;
    tell(`Loading ${what}: ${megabytes(bytes)} of ${megabytes(of)} MB …`);
    if (message.encoding === of) {
      hasEncoder = true;
      showValues();
    }
  } else if (message.ready) {
    ready = true;
    bar.value = 0;
    if (running === null) change(); // the first image, live
    else tell("Drawing …");
  } else if (error) {
    if (id === undefined || id === running) ended(error, true);
  } else if (id !== running) {
    return;
  } else if (step) {
    receiveStep(step, message.i, of);
  } else if (seconds) {
    ended(`${of} steps in ${seconds.toFixed(1)} s.`);
    page.dataset.drawn = id;
  }
}

/** One more step of the run, which is of the chosen mode: another mode stops it. */
function receiveStep({ t, x_t, x0Hat }, i, of) {
  if (i === 0) {
    films[mode] = [];
    columns.replaceChildren();
    controls.step.max = Math.max(of - 1, 1);
  }
  films[mode].push({ t, x_t: toPixels(x_t), x0Hat: toPixels(x0Hat) });
  addColumn(films[mode].at(-1), i);
  bar.value = (i + 1) / of;
  controls.step.value = i;
  showStep();
  if (mode === "draw" && i === of - 1) keepForRepainting();
}

/** The last image that was drawn is one of those to repaint. */
function keepForRepainting() {
  const choice = find("input[name=image][value='']");
  choice.disabled = false;
  put(choice.parentElement.querySelector("canvas"), films.draw.at(-1).x0Hat);
}

// ---- events -----------------------------------------------------------------------------------------------------------

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (running === null) change({ asked: true });
  else stop();
});
form.addEventListener("input", ({ target }) => {
  if (target === controls.step) showStep();
  else if (target === controls.turn || target === controls.distance) turn();
  else if (target.name === "image") {
    runs.repaint.image = target.value;
    chooseImage();
    change();
  } else if (target.type === "range") change();
  else showValues();
});
form.addEventListener("change", ({ target }) => {
  if (["first", "second", "view", "seed"].includes(target.name)) change();
});
find(".try-another").addEventListener("click", () => {
  controls.seed.value = Math.floor(Math.random() * 10000);
  change({ asked: true });
});
find(".try-save").addEventListener("click", ({ target }) => {
  target.href = asPng(films[mode][Math.min(controls.step.value, films[mode].length - 1)].x0Hat);
});
const tabs = find("[role=tablist]");
tabs.addEventListener("click", ({ target }) => target.dataset.mode && show(target.dataset.mode));
tabs.addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  show(modes[(modes.indexOf(mode) + by + modes.length) % modes.length]);
  find("[aria-selected=true]").focus();
});

/** Another mode, at the user's wish; a run of the old one ends. */
function show(name) {
  if (name === mode) return;
  if (running !== null) stop();
  choose(name);
  if (ready) tell("");
}

// ---- begin ------------------------------------------------------------------------------------------------------------

for (const name of modes) {
  films[name] = await storedFilm(name);
  drawn[name] = runs[name];
}
const wanted = location.hash.slice(1);
choose(modes.includes(wanted) ? wanted : modes[0]);
if (modes.includes(wanted)) page.scrollIntoView();
addEventListener("hashchange", () => modes.includes(location.hash.slice(1)) && show(location.hash.slice(1)));
if (navigator.connection?.saveData) tell("The browser saves data: press the button to load the model.");
else load();
