// The videos of a page: the largest that plays is sharpened by a click, the others by their own buttons.

import { dress } from "./dress.js";
import { load } from "./network.js";
import { sharpened } from "./sharpened.js";

const SMALLEST = 64; // pixels, the shorter side of what gets a bar
const AGAIN = 1000, TOLD = 8000; // milliseconds: until new videos are looked for, and that a sentence stays
const NO_FRAMES = "This browser hands out no frames of videos: take Chrome or Edge 116 or newer.";

const shown = new Map(); // from videos to what sharpens them
let network = null, looking = 0;

/** Begin, or end: "on", "off", or "nothing" where there is no video. */
export function toggle() {
  if (network) { end(); return "off"; }
  if (!globalThis.VideoFrame) { say(NO_FRAMES); return "off"; }
  if (!largest()) return "nothing";
  network = load();
  network.catch(() => {}); // who waits for it says so
  scan();
  looking = setInterval(scan, AGAIN);
  requestAnimationFrame(follow);
  return "on";
}

function end() {
  clearInterval(looking);
  for (const one of shown.values()) one.remove();
  shown.clear();
  network.then(async ({ ask, close }) => {
    await ask("forget", {}); // after the frames that are under way
    close();
  }, () => {});
  network = null;
}

function follow() {
  if (!network) return;
  for (const one of shown.values()) one.follow();
  requestAnimationFrame(follow);
}

/** Give new videos their bars, forget those that are gone; if that was the sharpened one, go on with the largest. */
function scan() {
  const begins = !shown.size;
  let lost = false;
  for (const [video, one] of shown) {
    if (video.isConnected) continue;
    lost ||= one.isOn();
    one.remove();
    shown.delete(video);
  }
  for (const video of seen()) if (!shown.has(video)) shown.set(video, sharpened(video, network));
  const none = [...shown.values()].every(one => !one.isOn());
  if (none && (begins || lost)) shown.get(largest())?.start();
}

/** Videos that can be seen, also those within the parts of others. */
function seen(root = document) {
  const found = [];
  for (const element of root.querySelectorAll("*")) {
    const large = () => Math.min(element.offsetWidth, element.offsetHeight) >= SMALLEST;
    if (element instanceof HTMLVideoElement && large()) found.push(element);
    const inner = element.shadowRoot ?? (element.localName.includes("-") && chrome.dom.openOrClosedShadowRoot(element));
    if (inner) found.push(...seen(inner));
  }
  return found;
}

/** Of those that play the largest, else of all. */
function largest() {
  const area = video => (video.paused || video.ended ? 0 : 1e9) + video.offsetWidth * video.offsetHeight;
  return seen().sort((one, other) => area(other) - area(one))[0];
}

/** A sentence in the page's corner, for a while. */
export function say(sentence) {
  const note = Object.assign(document.createElement("div"), { role: "status", textContent: sentence });
  dress(note, {
    all: "initial", position: "fixed", top: "12px", right: "12px", "z-index": "2147483647", "max-width": "340px",
    padding: "10px 14px", "border-radius": "6px", background: "#222", color: "#fff", font: "14px/1.4 system-ui, sans-serif",
  });
  document.documentElement.append(note);
  setTimeout(() => note.remove(), TOLD);
}

/** For those who want to look at it: what sharpens which video. */
export const atWork = () => [...shown.values()];
