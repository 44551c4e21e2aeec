// A network in a worker, as pages see it: it is asked by messages, and chosen by how many frames a second it makes.

export const CALLS = ["call-m", "call-s", "call-xs"]; // from the best to the fastest
export const CORES = Math.min(navigator.hardwareConcurrency, 8); // more threads than that do not help
const RATE = 20, SHARE = 0.8; // frames a second that are wanted, and how much of their time may be spent

/** What sends one command to the worker at a port, which may be the worker itself, and gives what it answers. */
export function asking(port) {
  const waiting = new Map();
  let asked = 0;
  port.onmessage = ({ data }) => {
    const { resolve, reject } = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) reject(new Error(data.error)); else resolve(data);
  };
  return (command, values, transferred = []) => {
    const id = asked++;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      port.postMessage({ id, command, ...values }, transferred);
    });
  };
}

const NEXT = { webgpu: "wasm-int8", "wasm-int8": "wasm" }; // where a browser has one and it fails

/** Load a network, for an engine with so many threads; the engine that computes it then, and what is said of it. */
export async function open(ask, { network, engine, threads }, runtime) {
  try {
    return { engine, said: (await ask("open", { network, engine, threads, runtime })).said };
  } catch (error) {
    if (!NEXT[engine]) throw error;
    return open(ask, { network, engine: NEXT[engine], threads }, runtime);
  }
}

/** Of tries from the best down ({ network, engine, threads }), the first that makes enough such frames, else the last;
 *  so many frames are computed `atOnce`. */
export async function openFastEnough(ask, tries, runtime, width, height, atOnce = 1) {
  const times = [];
  let opened;
  for (const wanted of tries) {
    opened = { ...wanted, ...await open(ask, wanted, runtime) };
    opened.milliseconds = (await ask("time", { width, height })).milliseconds / atOnce;
    times.push(`${wanted.network.name}: ${opened.milliseconds.toFixed(0)} ms a frame of ${width} x ${height}`);
    if (opened.milliseconds <= SHARE * 1000 / RATE) break;
  }
  return { ...opened, times };
}

/** What is known of the video's next frame; nothing after `patience` milliseconds: a still screen sends none for a while. */
export function nextFrame(video, patience = 1000) {
  return new Promise(resolve => {
    if (!video.requestVideoFrameCallback) { requestAnimationFrame(() => resolve()); return; }
    const asked = video.requestVideoFrameCallback((_, facts) => { clearTimeout(late); resolve(facts); });
    const late = setTimeout(() => { video.cancelVideoFrameCallback(asked); resolve(); }, patience);
  });
}
