// Exhibits: images that change when you point at them, focus or tap them, and film strips with a slider.
// ci/site/looks.py writes their HTML, exhibits.css draws their states.

const PAUSE = 1600; // milliseconds between two stages of a dissolving image

for (const figure of document.querySelectorAll(".exhibit.strip")) {
  const slider = figure.querySelector("input");
  const labels = JSON.parse(slider.dataset.labels);
  const show = () => {
    figure.querySelector(".film").style.setProperty("--frame", slider.value);
    figure.querySelector("output").textContent = labels[slider.value];
    slider.setAttribute("aria-valuetext", labels[slider.value]);
  };
  slider.addEventListener("input", show);
  show(); // a browser may have kept the slider's place from an earlier visit
}

for (const figure of document.querySelectorAll(".exhibit:not(.strip)")) {
  const button = figure.querySelector("button");
  const states = [...figure.querySelectorAll("li")];
  const last = states.length - 1;
  let state = 0;
  let timer;

  const go = (next) => {
    state = next;
    figure.dataset.state = state;
    states.forEach((said, i) => (i === state ? said.setAttribute("aria-current", "true") : said.removeAttribute("aria-current")));
  };
  const pressed = () => button.getAttribute("aria-pressed") === "true";
  // on to the last state, one after the other
  const run = () => {
    clearTimeout(timer);
    if (state < last) {
      go(state + 1);
      timer = setTimeout(run, PAUSE);
    }
  };
  const rest = () => {
    clearTimeout(timer);
    if (!pressed()) go(0);
  };

  // a finger taps, and does not hover
  button.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && !pressed() && run());
  button.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && rest());
  button.addEventListener("focus", () => button.matches(":focus-visible") && run());
  button.addEventListener("blur", rest);
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(!pressed()));
    if (pressed()) run();
    else rest();
  });
  go(0);
}
