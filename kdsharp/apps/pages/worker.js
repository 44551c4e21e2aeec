// The student at work, in a thread of its own so that the page stays awake. It does what `Sharpener` does in Python:
// luma through the network, and the change of luma added to red, green and blue.

import { enlarged } from "./enlarge.js";
import { restrain } from "./restraint.js";

let ort, session, network;
const known = new Map(); // of each stream the last frame's luma and answer: what did not change is not computed again
const reading = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const drawing = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

const commands = { look, open, sharpen, change, forget, time };

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
    const [answer, transferred = []] = await commands[command](values);
    port.postMessage({ id, ...answer }, transferred);
  } catch (error) {
    port.postMessage({ id, error: `The network could not run: ${error?.message ?? error}` });
  }
}

/** What there is to compute with: a graphics card, and whether it is a real one. */
async function look() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  const emulated = adapter?.info?.isFallbackAdapter ?? false; // by the processor, which WebAssembly uses better
  return [{ webgpu: Boolean(adapter), fast: Boolean(adapter) && !emulated }];
}

/** Load a network, { name, file, scale, multiple, restraint, reach }, and what computes it: `webgpu`, `wasm` or
 *  `wasm-int8`, which leaves `spare` cores to others. */
async function open({ network: wanted, engine, runtime, spare }) {
  const [provider, int8] = engine.split("-");
  // Each has its own build: the one with WebGPU takes twice as long on the processor.
  ort = await import(`./${runtime}/ort.${provider}.min.mjs`);
  ort.env.logLevel = "error";
  const threads = sharesMemory() ? Math.max(1, Math.min(navigator.hardwareConcurrency, 8) - spare) : 1;
  ort.env.wasm.numThreads = threads;
  const answer = await fetch(int8 ? wanted.int8 : wanted.file);
  if (!answer.ok) throw new Error(`${wanted.name} is not there`);
  const content = new Uint8Array(await answer.arrayBuffer());
  await session?.release();
  session = await ort.InferenceSession.create(content, { executionProviders: [provider] });
  network = wanted;
  known.clear();
  const said = `WebAssembly${int8 ? " in 8 bits" : ""}, ${threads} thread${threads > 1 ? "s" : ""}`;
  return [{ engine: provider === "webgpu" ? "WebGPU" : said }];
}

/** Threads need memory that they share, which browsers give to isolated pages and to extensions. */
function sharesMemory() {
  try { new MessageChannel().port1.postMessage(new SharedArrayBuffer(1)); } catch { return false; }
  return true;
}

/** RGBA pixels (width x height x 4 bytes) to sharpened ones, `scale` times as wide and high. */
async function sharpen({ pixels, width, height, strength, stream }) {
  const began = performance.now();
  const before = new Uint8ClampedArray(pixels);
  const { scale } = network;
  const sharp = await throughNetwork(lumaOf(before), width, height, stream);
  const base = scale > 1 ? enlarged(before, width, height, scale) : before;
  const after = new Uint8ClampedArray(base.length); // such an array rounds and saturates
  for (let pixel = 0, at = 0; pixel < sharp.length; pixel++, at += 4) {
    const change = sharp[pixel] - luma(base, at);
    for (let channel = at; channel < at + 3; channel++) {
      const full = Math.min(Math.max(base[channel] + change, 0), 255);
      after[channel] = base[channel] + strength * (full - base[channel]);
    }
    after[at + 3] = base[at + 3];
  }
  const milliseconds = performance.now() - began;
  const [wide, high] = [Math.round(width * scale), Math.round(height * scale)]; // 1.5 times an odd side: rounded up
  return [{ before: pixels, after: after.buffer, width: wide, height: high, milliseconds }, [pixels, after.buffer]];
}

/** What sharpening changes in a frame, a grey bitmap twice as high: above what is to be added, below what taken away. */
async function change({ bitmap, stream }) {
  const began = performance.now();
  const { width, height } = bitmap;
  Object.assign(reading.canvas, { width, height });
  reading.drawImage(bitmap, 0, 0);
  bitmap.close();
  const before = lumaOf(reading.getImageData(0, 0, width, height).data);
  const sharp = await throughNetwork(before, width, height, stream);
  const grey = drawing.createImageData(width, 2 * height), values = new Uint32Array(grey.data.buffer);
  for (let at = 0, below = sharp.length; at < sharp.length; at++, below++) {
    const more = sharp[at] - before[at];
    values[at] = 0xff000000 | (more > 0 ? 0x010101 * more : 0);
    values[below] = 0xff000000 | (more < 0 ? -0x010101 * more : 0);
  }
  Object.assign(drawing.canvas, { width, height: 2 * height });
  drawing.putImageData(grey, 0, 0);
  const made = drawing.canvas.transferToImageBitmap();
  return [{ change: made, width, height, milliseconds: performance.now() - began }, [made]];
}

/** A stream has ended. */
function forget({ stream }) {
  known.delete(stream);
  return [{}];
}

/** How long a frame of that size takes, all of it new: the shorter of two after a first. */
async function time({ width, height }) {
  const taken = [];
  for (let turn = 0; turn < 3; turn++) {
    const pixels = Uint8ClampedArray.from({ length: 4 * width * height }, (_, at) => 37 * at % (97 + turn) * 2);
    forget({ stream: time });
    const [{ milliseconds }] = await sharpen({ pixels: pixels.buffer, width, height, strength: 1, stream: time });
    if (turn) taken.push(milliseconds);
  }
  forget({ stream: time });
  return [{ milliseconds: Math.min(...taken) }];
}

/** BT.601 luma in whole numbers, exactly as OpenCV rounds it. */
function luma(rgba, at) {
  return (9798 * rgba[at] + 19235 * rgba[at + 1] + 3735 * rgba[at + 2] + 16384) >> 15;
}

function lumaOf(rgba) {
  const plane = new Uint8Array(rgba.length / 4);
  for (let at = 0; at < plane.length; at++) plane[at] = luma(rgba, 4 * at);
  return plane;
}

/** Luma of a stream's next frame through the network, in bytes. */
async function throughNetwork(before, width, height, stream) {
  const { scale, multiple, restraint } = network;
  const past = known.get(stream), same = past?.width === width && past.height === height, wide = Math.round(width * scale);
  const free = same ? past.free : new Uint8ClampedArray(wide * Math.round(height * scale));
  const changed = same ? difference(past.before, before, width, height) : [0, 0, width, height];
  known.delete(stream); // until this one is done
  if (changed) {
    const window = around(changed, 2, width, height), part = around(changed, 1, width, height);
    const { values, columns } = await run(before, width, height, ...window);
    const [left, top, right, bottom] = part.map(side => Math.round(side * scale));
    for (let row = top; row < bottom; row++) {
      const from = (row - window[1] * scale) * columns * scale - window[0] * scale;
      for (let column = left; column < right; column++) free[row * wide + column] = 255 * values[from + column];
    }
  }
  known.set(stream, { before, free, width, height });
  const sharp = free.slice();
  if (restraint) restrain(before, sharp, width, height, multiple, restraint);
  return sharp;
}

/** The rectangle that holds all pixels that differ: [left, top, right, bottom], or null where none does. */
function difference(one, other, width, height) {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at++) {
      if (one[at] === other[at]) continue;
      if (column < left) left = column;
      if (column >= right) right = column + 1;
      if (row < top) top = row;
      bottom = row + 1;
    }
  }
  return bottom ? [left, top, right, bottom] : null;
}

/** A rectangle and what lies within so many reaches of the network: the whole where it may look at the whole. */
function around([left, top, right, bottom], reaches, width, height) {
  const { reach, multiple } = network;
  if (reach === null) return [0, 0, width, height];
  const first = side => Math.max(0, Math.floor((side - reaches * reach) / multiple) * multiple);
  const last = (side, end) => Math.min(end, Math.ceil((side + reaches * reach) / multiple) * multiple);
  return [first(left), first(top), last(right, width), last(bottom, height)];
}

/** A window of a frame through the network; the frame's last row and column are repeated up to what it folds by. */
async function run(before, width, height, left, top, right, bottom) {
  const { multiple, restraint } = network;
  const columns = Math.ceil((right - left) / multiple) * multiple, rows = Math.ceil((bottom - top) / multiple) * multiple;
  const plane = new Float32Array(rows * columns);
  for (let row = 0, at = 0; row < rows; row++) {
    const from = Math.min(top + row, height - 1) * width;
    for (let column = 0; column < columns; column++) {
      plane[at++] = before[from + Math.min(left + column, width - 1)] / 255;
    }
  }
  const input = new ort.Tensor("float32", plane, [1, 1, rows, columns]), name = restraint ? "unrestrained" : "output";
  const { [name]: output } = await session.run({ input }, [name]);
  const values = output.data.slice(); // on a graphics card, what is disposed of is gone
  output.dispose();
  return { values, columns };
}
