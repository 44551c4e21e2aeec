// A canvas exactly over a video. The video itself is only looked at: the canvas lies beside it in the page, so that it
// scrolls, is clipped and is covered by the player's buttons as the video is.

import { dress, put } from "./dress.js";

const COPIED = ["objectFit", "objectPosition", "borderRadius", "opacity", "visibility", "filter", "padding", "borderWidth"];
const CONTROLS = 90; // pixels, the height of a browser's own buttons
const NEAR = 0.1; // pixels

const STYLE = new CSSStyleSheet(); // pages' policies may forbid any other
STYLE.replaceSync(`
  #stage, canvas, #line { position: absolute; inset: 0; width: 100%; height: 100%; }
  canvas { box-sizing: border-box; border: 0 solid transparent; }
  #line { width: 2px; margin-left: -1px; background: #fff; box-shadow: 0 0 3px #000; }
  [hidden] { display: none; }
`);

/** The overlay of a video: its canvas, and what puts it in place and takes it away. */
export function overlay(video) {
  const host = document.createElement("div"), root = host.attachShadow({ mode: "closed" });
  const [stage, line, canvas] = ["div", "div", "canvas"].map(tag => document.createElement(tag));
  [stage.id, line.id] = ["stage", "line"];
  stage.append(canvas);
  root.adoptedStyleSheets = [STYLE];
  root.append(stage, line);
  dress(host, { all: "initial", position: "absolute", "pointer-events": "none", display: "none" });
  let at = { left: 0, top: 0, width: 0, height: 0 };

  /** Follow the video, with so many percent of it to be seen as it is; null hides all. Returns the video's box, or null. */
  function place(divider, buttons) {
    const box = video.getBoundingClientRect(), full = video.matches(":fullscreen");
    const away = document.pictureInPictureElement === video || box.width < 1 || box.height < 1 || !video.isConnected;
    dress(host, { display: away || divider === null ? "none" : "block" });
    if (away) return null;
    if (divider === null) return box;
    if (host.parentNode !== video.parentNode) video.after(host);
    if (full !== (host.popover === "manual")) raise(full);
    at = full ? box : beside(box);
    const style = getComputedStyle(video), turned = new DOMMatrix(style.transform);
    put(host, at);
    dress(host, { "z-index": full ? "auto" : style.zIndex });
    for (const name of COPIED) if (canvas.style[name] !== style[name]) canvas.style[name] = style[name];
    canvas.style.transform = `scale(${Math.sign(turned.m11) || 1}, ${Math.sign(turned.m22) || 1})`; // one's own camera's is -1
    line.hidden = !divider;
    line.style.left = `${divider}%`;
    stage.style.clipPath = `inset(0 0 ${buttons && video.controls ? CONTROLS : 0}px ${divider}%)`;
    return box;
  }

  /** Above everything while the video alone fills the screen, and back. */
  function raise(full) {
    host.popover = full ? "manual" : null;
    dress(host, { position: full ? "fixed" : "absolute" });
    if (full) host.showPopover();
  }

  /** Where the host has to lie so that it covers what the video covers, however its parents are moved and scaled. */
  function beside(box) {
    const here = host.getBoundingClientRect(), scale = here.width / at.width || 1;
    const near = side => Math.abs(here[side] - box[side]) < NEAR;
    return {
      left: near("left") ? at.left : at.left + (box.left - here.left) / scale,
      top: near("top") ? at.top : at.top + (box.top - here.top) / scale,
      width: near("width") ? at.width : box.width / scale,
      height: near("height") ? at.height : box.height / scale,
    };
  }

  return { canvas, place, remove: () => host.remove() };
}
