// A sketch pad and a mask painter: an enlarged canvas with as many pixels as the model's images.
//
// A sketch is opaque. A mask is a layer over an image, either opaque (painted) or transparent at each pixel. After each stroke the canvas goes to Python as a PNG ("png", a data URL); Python may set it as well.

const COLOURS = ["#000000", "#ffffff", "#d32f2f", "#f57c00", "#fbc02d", "#388e3c", "#1976d2", "#7b1fa2", "#795548"];
const MASK = "#e91e63";
const HELP = "Without a mouse: arrow keys move the pen, space puts it down and lifts it, Escape gives the stroke up.";
const UNDOS = 50;

function element(tag, properties = {}, ...children) {
  const { label, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  if (label) made.setAttribute("aria-label", label);
  made.append(...children);
  return made;
}

function render({ model, el }) {
  const size = model.get("size");
  const isMask = model.get("kind") === "mask";
  const tools = isMask ? ["brush", "rectangle", "eraser"] : ["pen", "eraser"];

  const canvas = element("canvas", { width: size, height: size, tabIndex: 0, className: "drawing-layer" });
  canvas.setAttribute("role", "img");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const under = element("img", { className: "drawing-under", alt: "the image that is masked", hidden: !isMask });
  const cursor = element("div", { className: "drawing-cursor", hidden: true });
  const status = element("div", { className: "drawing-status", textContent: HELP });
  status.setAttribute("role", "status");

  let tool = tools[0];
  let colour = COLOURS[0];
  let width = isMask ? 8 : 3;
  let stroke = null; // while one is drawn: where it began, where it has come, and the canvas before it
  let pen = { x: size / 2, y: size / 2 }; // where the arrow keys have brought it
  let sent = null; // the last PNG that went to Python
  const undos = [];

  // ---- the canvas

  const pixels = () => context.getImageData(0, 0, size, size);

  function atOnce(change) {
    // no stroke, but undone by one undo like them
    remember(pixels());
    change();
    send();
  }

  function remember(before) {
    undos.push(before);
    if (undos.length > UNDOS) undos.shift();
  }

  function send() {
    sent = canvas.toDataURL("image/png");
    model.set("png", sent);
    model.save_changes();
  }

  function receive() {
    const png = model.get("png");
    if (png === sent) return;
    sent = png;
    const image = new Image();
    image.onload = () => {
      if (model.get("png") !== png) return; // a newer one is on its way
      context.clearRect(0, 0, size, size);
      context.drawImage(image, 0, 0, size, size);
    };
    image.src = png;
  }

  function clear() {
    context.clearRect(0, 0, size, size);
    if (isMask) return;
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, size, size);
  }

  function invert() {
    const data = pixels();
    for (let i = 0; i < data.data.length; i += 4) {
      const painted = data.data[i + 3] > 127;
      data.data.set(painted ? [0, 0, 0, 0] : [233, 30, 99, 255], i); // MASK, in bytes
    }
    context.putImageData(data, 0, 0);
  }

  function harden() {
    // a mask knows no half-painted pixel, but lines have soft edges
    const data = pixels();
    for (let i = 3; i < data.data.length; i += 4) data.data[i] = data.data[i] > 127 ? 255 : 0;
    context.putImageData(data, 0, 0);
  }

  // ---- strokes

  function begin(place) {
    stroke = { from: place, last: place, before: pixels() };
    move(place);
  }

  function move(place) {
    if (!stroke) return;
    context.save();
    context.fillStyle = context.strokeStyle = isMask ? MASK : tool === "eraser" ? "#ffffff" : colour;
    if (isMask && tool === "eraser") context.globalCompositeOperation = "destination-out";
    if (tool === "rectangle") {
      context.putImageData(stroke.before, 0, 0);
      const [left, right] = [stroke.from.x, place.x].map(Math.floor).sort((a, b) => a - b);
      const [top, bottom] = [stroke.from.y, place.y].map(Math.floor).sort((a, b) => a - b);
      context.fillRect(left, top, right - left + 1, bottom - top + 1);
    } else {
      context.lineWidth = width;
      context.lineCap = context.lineJoin = "round";
      context.beginPath();
      context.moveTo(stroke.last.x, stroke.last.y);
      context.lineTo(place.x + 0.001, place.y); // a line of no length would leave no dot
      context.stroke();
    }
    context.restore();
    if (isMask) harden();
    stroke.last = place;
  }

  function end() {
    if (!stroke) return;
    remember(stroke.before);
    stroke = null;
    send();
  }

  function giveUp() {
    if (!stroke) return;
    context.putImageData(stroke.before, 0, 0);
    stroke = null;
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * size, y: ((event.clientY - box.top) / box.height) * size };
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    cursor.hidden = true;
    begin(place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    // the browser hands over several positions at once when the hand is fast
    for (const each of event.getCoalescedEvents?.() ?? [event]) move(place(each));
  });
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", giveUp);
  canvas.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 8 : 1;
    const arrows = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.key in arrows) {
      const [dx, dy] = arrows[event.key];
      const within = (value) => Math.min(Math.max(value, 0), size - 1);
      pen = { x: within(pen.x + dx), y: within(pen.y + dy) };
      move(pen);
    } else if (event.key === " ") {
      stroke ? end() : begin(pen);
    } else if (event.key === "Escape") {
      giveUp();
    } else return;
    event.preventDefault();
    cursor.hidden = false;
    cursor.style.left = `${(100 * pen.x) / size}%`;
    cursor.style.top = `${(100 * pen.y) / size}%`;
    cursor.classList.toggle("drawing-down", stroke !== null);
  });

  // ---- the tools

  const toolButtons = tools.map((name) => element("button", { textContent: name, onclick: () => choose(name) }));
  const chosenColour = element("input", { type: "color", value: colour, label: "any colour" });
  chosenColour.oninput = () => paintWith(chosenColour.value);
  const swatches = COLOURS.map((each) => {
    const swatch = element("button", { className: "drawing-swatch", label: `colour ${each}`, title: each });
    swatch.style.backgroundColor = each;
    swatch.onclick = () => paintWith(each);
    return swatch;
  });

  function choose(name) {
    tool = name;
    toolButtons.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === name)));
  }

  function paintWith(chosen) {
    colour = chosenColour.value = chosen;
    choose("pen");
  }

  const range = element("input", { type: "range", min: 1, max: isMask ? 32 : 16, value: width });
  range.oninput = () => (width = Number(range.value));

  async function upload(file) {
    if (!file) return;
    try {
      const image = await createImageBitmap(file);
      const side = Math.min(image.width, image.height); // the largest square in the middle
      const [left, top] = [(image.width - side) / 2, (image.height - side) / 2];
      atOnce(() => {
        clear();
        context.imageSmoothingQuality = "high";
        context.drawImage(image, left, top, side, side, 0, 0, size, size);
      });
      status.textContent = HELP;
    } catch {
      status.textContent = `${file.name} is not an image that this browser can read; wanted PNG, JPEG or the like.`;
    }
  }

  const file = element("input", { type: "file", accept: "image/*" });
  file.onchange = () => upload(file.files[0]).then(() => (file.value = ""));
  const undo = element("button", { textContent: "undo" });
  undo.onclick = () => {
    if (!undos.length) return;
    context.putImageData(undos.pop(), 0, 0);
    send();
  };
  const save = element("button", { textContent: "save" });
  const name = isMask ? "mask.png" : "sketch.png";
  save.onclick = () => element("a", { href: canvas.toDataURL("image/png"), download: name }).click();

  const bar = (label, ...children) => {
    const made = element("div", { className: "drawing-bar", label }, ...children);
    made.setAttribute("role", "toolbar");
    return made;
  };
  const labelled = (text, input) => element("label", {}, `${text} `, input);
  const bars = [bar("tools", ...toolButtons, labelled("size", range))];
  if (!isMask) bars.push(bar("colours", ...swatches, chosenColour));
  const clearing = element("button", { textContent: "clear", onclick: () => atOnce(clear) });
  const last = isMask
    ? [element("button", { textContent: "invert", onclick: () => atOnce(invert) }), save]
    : [save, labelled("upload", file)];
  bars.push(bar("changes", undo, clearing, ...last));

  // ---- put together

  const canvasLabel = isMask ? "mask: what is painted over is to be painted anew" : "sketch";
  canvas.setAttribute("aria-label", canvasLabel);
  el.classList.add("drawing");
  el.append(...bars, element("div", { className: "drawing-paper" }, under, canvas, cursor), status);
  // Notebook would take the keys for its own, before they get here, and asks what has the focus whether it may;
  for (const part of el.querySelectorAll("*")) part.dataset.lmSuppressShortcuts = "true";
  el.addEventListener("keydown", (event) => event.stopPropagation()); // and JupyterLab would, afterwards
  choose(tool);
  clear();
  receive();
  const showUnder = () => (under.src = model.get("under"));
  if (isMask) showUnder();
  model.on("change:png", receive);
  model.on("change:under", showUnder);
  return () => {
    model.off("change:png", receive);
    model.off("change:under", showUnder);
  };
}

export default { render };
