// The student at work, in a thread of its own so that the page stays awake: on the graphics card, or on the processor.
// Frames come as bitmaps, and go as bitmaps.

import * as card from "./card.js";
import * as processor from "./processor.js";

const commands = { look: card.look, open, sharpen, change, forget, time };
let student;

let last = Promise.resolve();

serve(self);

/** Obey what comes through a port, and the ports that it hands over (a frame's page has the worker of another one). */
function serve(port) {
  port.onmessage = ({ data, ports: [other] }) => {
    if (other) serve(other);
    else last = last.then(() => obey(port, data)); // a session takes no second picture while it works on the first
  };
}

async function obey(port, { id, command, ...values }) {
  try {
    const { transferred = [], ...answer } = await commands[command](values);
    port.postMessage({ id, ...answer }, transferred);
  } catch (error) {
    port.postMessage({ id, error: `The network could not run: ${error?.message ?? error}` });
  }
}

/** Load a network, one of `site.networks_of`, and what computes it: `webgpu`, `wasm` or `wasm-int8`, with so many threads. */
async function open({ network, engine, runtime, threads }) {
  const opened = await (engine === "webgpu" ? card.open(network) : processor.open(network, engine, runtime, threads));
  await student?.close();
  student = opened;
  return { said: student.said };
}

/** A frame sharpened, `scale` times as wide and high, and the frame itself. */
async function sharpen({ frame, strength, stream }) {
  const began = performance.now();
  const after = await student.sharpen(frame, strength, stream);
  return { before: frame, after, milliseconds: performance.now() - began, transferred: [frame, after] };
}

/** What sharpening changes in a frame, a grey bitmap twice as high: above what is to be added, below what taken away. */
async function change({ frame, stream }) {
  const began = performance.now(), made = await student.change(frame, stream);
  frame.close();
  return { change: made, milliseconds: performance.now() - began, transferred: [made] };
}

/** A stream has ended. */
function forget({ stream }) {
  student.forget(stream);
  return {};
}

/** How long a frame of that size takes, all of it new: the shorter of two after a first. */
async function time({ width, height }) {
  const taken = [];
  for (let turn = 0; turn < 3; turn++) {
    const pixels = Uint8ClampedArray.from({ length: 4 * width * height }, (_, at) => (at % 4 < 3 ? 37 * at % (97 + turn) * 2 : 255));
    const frame = await createImageBitmap(new ImageData(pixels, width, height));
    forget({ stream: time });
    const { after, milliseconds } = await sharpen({ frame, strength: 1, stream: time });
    for (const bitmap of [frame, after]) bitmap.close();
    if (turn) taken.push(milliseconds);
  }
  forget({ stream: time });
  return { milliseconds: Math.min(...taken) };
}
