// The bar above a video: a button, two sliders and what there is to say. It lies in the browser's top layer, for
// players put sheets over their videos that catch every click.

import { dress, put } from "./dress.js";

const SHOWN = 3000; // milliseconds that the bar stays after the pointer has moved over the video

const STYLE = new CSSStyleSheet(); // pages' policies may forbid any other
STYLE.replaceSync(`
  #bar {
    position: absolute; top: 6px; left: 6px; max-width: calc(100% - 12px); box-sizing: border-box; pointer-events: auto;
    display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; padding: 5px 8px; border-radius: 6px;
    background: #000c; color: #fff; font: 13px/1.3 system-ui, sans-serif; text-align: left; transition: opacity .2s;
  }
  #bar:not(.shown, :hover, :focus-within) { opacity: 0; }
  button { font: inherit; padding: 2px 8px; border: 0; border-radius: 4px; background: #0072b2; color: #fff; cursor: pointer; }
  label { display: flex; gap: 4px; align-items: center; }
  input { width: 80px; margin: 0; }
  :focus-visible { outline: 2px solid #e69f00; outline-offset: 1px; }
`);
const MARKUP = ["div", { id: "bar", role: "group", ariaLabel: "kdsharp" },
  ["button", { type: "button" }],
  ["label", {}, "Strength ", ["input", { id: "strength", type: "range", min: 0, max: 1, step: 0.1, value: 1 }]],
  ["label", {}, "Before ", ["input", { id: "divider", type: "range", min: 0, max: 100, value: 0 }]],
  ["span", { id: "said", role: "status" }]];
const KINDS = ["click", "dblclick", "pointerdown", "pointerup", "mousedown", "mouseup", "keydown", "keyup"];

function built([tag, values, ...inside]) {
  const made = Object.assign(document.createElement(tag), values);
  made.append(...inside.map(part => (typeof part === "string" ? part : built(part))));
  return made;
}

/** The bar of a video: `find` for its parts, and what puts it in place, says a sentence, and takes it away. */
export function bar(video) {
  const host = document.createElement("div"), root = host.attachShadow({ mode: "closed" });
  const find = name => root.querySelector(name);
  root.adoptedStyleSheets = [STYLE];
  root.append(built(MARKUP));
  dress(host, { all: "initial", position: "fixed", "pointer-events": "none", display: "none" });
  for (const kind of KINDS) host.addEventListener(kind, event => event.stopPropagation()); // players would pause, or seek
  host.popover = "manual";
  document.documentElement.append(host);
  let seen = performance.now();
  const look = ({ clientX: x, clientY: y }) => {
    const box = video.getBoundingClientRect();
    if (x >= box.left && x <= box.right && y >= box.top && y <= box.bottom) seen = performance.now();
  };
  addEventListener("pointermove", look, { capture: true, passive: true });
  document.addEventListener("fullscreenchange", raise);
  raise();

  /** Above all that has come into the top layer. */
  function raise() {
    if (host.matches(":popover-open")) host.hidePopover();
    host.showPopover();
  }

  const awake = () => performance.now() - seen < SHOWN;

  /** Over a box of the window; null is nowhere. */
  function place(box) {
    dress(host, { display: box ? "block" : "none" });
    if (!box) return;
    put(host, box);
    find("#bar").classList.toggle("shown", awake());
  }

  /** A sentence, for which the bar comes up if it is `urgent`. */
  function say(sentence, urgent) {
    find("#said").textContent = sentence;
    if (urgent) seen = performance.now() + SHOWN;
  }

  function remove() {
    removeEventListener("pointermove", look, { capture: true });
    document.removeEventListener("fullscreenchange", raise);
    host.remove();
  }

  return { find, awake, place, raise, say, remove };
}
