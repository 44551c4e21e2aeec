// The network of a page: in the worker of a hidden frame, loaded at the first click and gone with the last video.

import site from "./site.js";
import { asking, CORES, openFastEnough } from "./student.js";

const LIVE = { width: 640, height: 360 }; // of the frames that networks are measured with
const THREADS = Math.max(1, CORES - 1); // a core is left to the page, which has videos to decode
const PATIENCE = 10_000; // milliseconds until a frame that does not come is given up
const NO_FRAME = "This page lets no frame of the extension in: its video is left alone.";

/** What asks the network (`ask`), what it is, how long it takes for a million pixels, and what ends it. */
export async function load() {
  const place = document.createElement("div"), frame = document.createElement("iframe");
  place.style.setProperty("display", "none", "important");
  frame.src = chrome.runtime.getURL("frame.html");
  place.attachShadow({ mode: "closed" }).append(frame);
  const { port1, port2 } = new MessageChannel(), ask = asking(port1);
  const close = () => { port1.close(); place.remove(); };
  try {
    await new Promise((resolve, reject) => {
      setTimeout(reject, PATIENCE, new Error(NO_FRAME));
      frame.onload = resolve;
      document.documentElement.append(place);
    });
    frame.contentWindow.postMessage(null, `chrome-extension://${chrome.runtime.id}`, [port2]);
    const unheard = new Promise((_, reject) => { setTimeout(reject, PATIENCE, new Error(NO_FRAME)); });
    const { fast } = await Promise.race([ask("look"), unheard]);
    return { ask, close, ...await chosen(ask, fast) };
  } catch (error) {
    close();
    throw error;
  }
}

async function chosen(ask, fast) {
  const tries = site.networks.map(network => ({ network, engine: fast ? "webgpu" : "wasm-int8", threads: THREADS }));
  const { network, said, milliseconds } = await openFastEnough(ask, tries, site.runtime, LIVE.width, LIVE.height);
  return { name: network.name, said, perMillion: 1e6 * milliseconds / (LIVE.width * LIVE.height) };
}
