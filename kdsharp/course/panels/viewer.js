// The comparison viewer: `start` turns a row of pictures into two under one divider, zoomed and moved together.
// Nothing here is global: page.py wraps this file and viewer_hands.js into a function of its own for every viewer.

const GAIN = 4; // of the difference view: its last colour stands for an error of 64 of 255
const MOST = 16; // screen pixels for one of the picture

const HELP = "Drag the line (in the whole picture, anywhere). Wheel or pinch zooms, dragging moves, a double click shows the "
  + "whole. Keys: <kbd>\u2190</kbd> <kbd>\u2192</kbd> line, <kbd>Shift</kbd> and arrows move, <kbd>+</kbd> <kbd>\u2212</kbd> "
  + "<kbd>0</kbd> zoom, <kbd>Space</kbd> or <kbd>F</kbd> held swaps the sides, <kbd>D</kbd> difference.";

const made = (kind, about = {}, ...inside) => {
  const { aria = {}, ...rest } = about;
  const element = Object.assign(document.createElement(kind), rest);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
};

const within = (value, low, high) => Math.min(high, Math.max(low, value));

/** BT.601, studio range, without its constant: a difference does not need it. */
const luma = (pixels, at) => (65.481 * pixels[at] + 128.553 * pixels[at + 1] + 24.966 * pixels[at + 2]) / 255;

const pixelsOf = image => {
  const canvas = made("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
};

/** The absolute luma error of an image as colours, in a canvas of its size. */
const difference = (image, original, colours) => {
  const mine = pixelsOf(image), right = pixelsOf(original).data, { data } = mine;
  for (let at = 0; at < data.length; at += 4) {
    const error = Math.abs(luma(data, at) - luma(right, at));
    data.set(colours[within(Math.floor(256 * GAIN * error / 255), 0, 255)], at);
  }
  const canvas = made("canvas", { width: mine.width, height: mine.height });
  canvas.getContext("2d").putImageData(mine, 0, 0);
  return canvas;
};

/** The stage: a canvas, two labels, the colours' legend and the divider. */
const makeStage = (width, height, colours) => {
  const canvas = made("canvas", { aria: { role: "img" } }), labels = [made("span"), made("span")];
  const sides = labels.map(label => made("div", { className: "side" }, label)), scale = made("i");
  const marks = ["0", "16", "32", "48", "64 and more"].map(text => made("span", {}, text));
  const legend = made("div", { className: "legend", hidden: true }, "luma error, of 255 (black: none)", scale, made("b", {}, ...marks));
  scale.style.background = `linear-gradient(to right, ${colours.map(colour => `rgb(${colour})`).join()})`;
  const divider = made("div", { className: "divider", tabIndex: 0, aria: {
    "role": "slider", "aria-label": "Divider between the left and the right picture", "aria-valuemin": 0, "aria-valuemax": 100,
  } });
  const stage = made("div", { className: "stage" }, canvas, ...sides, legend, divider);
  stage.style.setProperty("--aspect", `${width / height}`);
  return { stage, canvas, labels, sides, legend, divider };
};

/** One row for each picture: whether it is left or right (`pick` is told), its name and its scores. */
const makeTable = (root, images, view, pick) => {
  const rows = images.map((image, place) => {
    const picks = ["left", "right"].map(side => {
      const input = made("input", { type: "radio", name: `${root.id}-${side}`, checked: view[side] === place,
        aria: { "aria-label": `${image.alt} on the ${side}` } });
      input.addEventListener("change", () => pick({ [side]: place }));
      return made("td", {}, input);
    });
    const scores = [image.dataset.psnr, image.dataset.ssim].map(text => made("td", {}, text || "\u2013"));
    return made("tr", {}, ...picks, made("th", { scope: "row" }, image.alt), ...scores);
  });
  const heads = ["left", "right", "picture", "PSNR-Y", "SSIM"].map(text => made("th", { scope: "col" }, text));
  return made("table", {}, made("thead", {}, made("tr", {}, ...heads)), made("tbody", {}, ...rows));
};

const start = async root => {
  root.dataset.started = "yes";
  const images = [...root.querySelectorAll(":scope > figure img")];
  await Promise.all(images.map(image => image.decode()));
  const { naturalWidth: width, naturalHeight: height } = images[0];
  const original = images.find(image => image.alt === root.dataset.original);
  const colours = root.dataset.colours.match(/.{6}/g).map(hex => [0, 2, 4].map(at => parseInt(hex.slice(at, at + 2), 16)));
  const view = JSON.parse(root.dataset.view); // left, right: places of pictures; at: a share; x, y: pixels; zoom: 1 is the whole
  const { stage, canvas, labels, sides, legend, divider } = makeStage(width, height, colours);
  const context = canvas.getContext("2d"), differences = new Map();
  let wrong = false, swapped = false;

  const fit = () => Math.min(stage.clientWidth / width, stage.clientHeight / height);
  const scale = () => fit() * view.zoom; // screen pixels for one of the picture
  const possible = zoom => within(zoom, 1, Math.max(1, MOST / fit()));
  const shown = place => {
    if (!wrong) return images[place];
    if (!differences.has(place)) differences.set(place, difference(images[place], original, colours));
    return differences.get(place);
  };

  const drawHalf = (place, from, to, ratio) => {
    const size = scale() * ratio;
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, canvas.height);
    context.clip();
    context.translate(canvas.width / 2 - view.x * size, canvas.height / 2 - view.y * size);
    context.scale(size, size);
    context.imageSmoothingEnabled = size < 2; // above, pixels are shown as they are
    context.imageSmoothingQuality = "high";
    context.drawImage(shown(place), 0, 0);
    context.restore();
  };
  const draw = () => {
    if (!stage.clientWidth || !stage.clientHeight) return; // out of sight
    view.zoom = possible(view.zoom);
    for (const [axis, edge, room] of [["x", width, stage.clientWidth], ["y", height, stage.clientHeight]]) {
      const half = Math.min(edge, room / scale()) / 2;
      view[axis] = within(view[axis], half, edge - half);
    }
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(stage.clientWidth * ratio); // which also empties it
    canvas.height = Math.round(stage.clientHeight * ratio);
    const cut = Math.round(view.at * canvas.width), order = swapped ? [view.right, view.left] : [view.left, view.right];
    drawHalf(order[0], 0, cut, ratio);
    drawHalf(order[1], cut, canvas.width, ratio);
    tell(order);
  };
  const tell = order => {
    const names = order.map(place => images[place].alt), percent = 100 * view.at;
    order.forEach((place, side) => {
      labels[side].textContent = [images[place].alt, images[place].dataset.psnr].filter(Boolean).join(", ");
      sides[side].style.width = `${side ? 100 - percent : percent}%`;
    });
    canvas.setAttribute("aria-label", `${wrong ? "Luma error of " : ""}${names[0]} on the left, ${names[1]} on the right`);
    divider.style.left = `${percent}%`;
    divider.setAttribute("aria-valuenow", Math.round(percent));
    divider.setAttribute("aria-valuetext", `${Math.round(percent)} % ${names[0]}`);
    stage.classList.toggle("whole", view.zoom === 1);
    stage.style.touchAction = view.zoom > 1 ? "none" : "pan-y";
    said.textContent = `zoom ${view.zoom.toFixed(1)}`;
  };

  const changed = change => { Object.assign(view, change); draw(); };
  /** Zoom by `factor`; the picture's point under (`x`, `y`), from the stage's middle, stays where it is. */
  const zoom = (factor, x = 0, y = 0) => {
    const before = scale(), zoomed = possible(view.zoom * factor), after = fit() * zoomed;
    changed({ zoom: zoomed, x: view.x + x / before - x / after, y: view.y + y / before - y / after });
  };
  const whole = () => changed({ zoom: 1 });
  const flicker = on => { if (swapped !== on) { swapped = on; hold.setAttribute("aria-pressed", on); draw(); } };
  const toggle = () => { wrong = !wrong; legend.hidden = !wrong; errors.setAttribute("aria-pressed", wrong); draw(); };

  const button = (text, act, aria) => made("button", { type: "button", onclick: act, aria }, text);
  const hold = button("Flicker (hold)", null, { "aria-pressed": false });
  const errors = button("Difference", toggle, { "aria-pressed": false }), said = made("span", { aria: { role: "status" } });
  const buttons = made("div", { className: "buttons" }, hold, errors, button("Whole", whole, { "aria-label": "Show the whole picture" }),
    button("\u2212", () => zoom(1 / STEP), { "aria-label": "Zoom out" }), button("+", () => zoom(STEP), { "aria-label": "Zoom in" }), said);
  const about = made("div", { className: "about" }, makeTable(root, images, view, changed),
    made("p", {}, root.dataset.said), buttons, made("p", { innerHTML: HELP }));

  root.append(made("div", { className: "parts" }, stage, about));
  root.classList.add("live");
  const hands = { root, stage, divider, hold, view, scale, changed, zoom, whole, flicker, toggle };
  followPointer(hands);
  followKeys(hands);
  new ResizeObserver(draw).observe(stage);
  draw();
};
