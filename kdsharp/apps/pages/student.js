// A network in a worker, as pages see it: it is asked by messages, and chosen by how many frames a second it makes.

export const CALLS = ["call-m", "call-s", "call-xs"]; // from the best to the fastest
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

/** Load a network, leaving so many cores alone; what computes it then: a graphics card may say that it can, and cannot. */
export async function open(ask, { network, engine, spare = 0 }, runtime) {
  try {
    return { engine, said: (await ask("open", { network, engine, spare, runtime })).engine };
  } catch (error) {
    if (engine !== "webgpu") throw error;
    return open(ask, { network, engine: "wasm", spare }, runtime);
  }
}

/** Of tries from the best down ({ network, engine, spare }), the first that makes enough such frames, else the last. */
export async function openFastEnough(ask, tries, runtime, width, height) {
  const times = [];
  let opened;
  for (const wanted of tries) {
    opened = { ...wanted, ...await open(ask, wanted, runtime) };
    opened.milliseconds = (await ask("time", { width, height })).milliseconds;
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
