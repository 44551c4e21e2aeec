// The student on the processor, by onnxruntime-web. It does what `Sharpener` does in Python: luma through the network, and
// the change of luma added to red, green and blue.

import { enlarged } from "./enlarge.js";
import { streams } from "./streams.js";

const SHARES = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);
const canvas = () => new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const reading = canvas(), drawing = canvas();

/** A network, in 32 bits (`wasm`) or in 8 (`wasm-int8`): { said, sharpen, change, forget, close }. */
export async function open(network, engine, runtime, threads) {
  const int8 = engine === "wasm-int8", ort = await import(`./${runtime}/ort.wasm.min.mjs`);
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = sharesMemory() ? threads : 1;
  const answer = await fetch(int8 ? network.int8 : network.file);
  if (!answer.ok) throw new Error(`${network.name} is not there`);
  const content = new Uint8Array(await answer.arrayBuffer());
  const session = await ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
  const { through, forget } = streams(network, window => run(ort, session, network, window));

  async function sharpen(frame, strength, stream) {
    const { width, height } = frame, { scale } = network, before = pixelsOf(frame), plane = lumaOf(before);
    const sharp = await through(plane, width, height, stream);
    const base = scale > 1 ? enlarged(before, width, height, scale) : before;
    add(base, sharp, scale > 1 ? lumaOf(base) : plane, strength);
    return drawn(base, Math.round(width * scale)); // 1.5 times an odd side is rounded up
  }

  async function change(frame, stream) {
    const { width, height } = frame, plane = lumaOf(pixelsOf(frame));
    return drawn(halves(plane, await through(plane, width, height, stream)), width);
  }

  const said = `WebAssembly${int8 ? " in 8 bits" : ""}, ${ort.env.wasm.numThreads} thread${ort.env.wasm.numThreads > 1 ? "s" : ""}`;
  return { said, sharpen, change, forget, close: () => session.release() };
}

/** Threads need memory that they share, which browsers give to isolated pages and to extensions. */
function sharesMemory() {
  try { new MessageChannel().port1.postMessage(new SharedArrayBuffer(1)); } catch { return false; }
  return true;
}

/** RGBA of a bitmap, width x height x 4 bytes. */
function pixelsOf(frame) {
  const { width, height } = frame;
  Object.assign(reading.canvas, { width, height });
  reading.drawImage(frame, 0, 0);
  return reading.getImageData(0, 0, width, height).data;
}

/** The bitmap of RGBA. */
function drawn(rgba, width) {
  const height = rgba.length / 4 / width;
  Object.assign(drawing.canvas, { width, height });
  drawing.putImageData(new ImageData(rgba, width, height), 0, 0);
  return drawing.canvas.transferToImageBitmap();
}

/** BT.601 luma in whole numbers, exactly as OpenCV rounds it. */
function lumaOf(rgba) {
  const plane = new Uint8Array(rgba.length / 4);
  for (let pixel = 0, at = 0; pixel < plane.length; pixel++, at += 4) {
    plane[pixel] = (9798 * rgba[at] + 19235 * rgba[at + 1] + 3735 * rgba[at + 2] + 16384) >> 15;
  }
  return plane;
}

/** Add the change of luma to red, green and blue, with some strength. */
function add(rgba, sharp, plane, strength) {
  for (let pixel = 0, at = 0; pixel < sharp.length; pixel++, at += 4) {
    const change = sharp[pixel] - plane[pixel];
    if (!change) continue;
    for (let channel = at; channel < at + 3; channel++) {
      const full = Math.min(Math.max(rgba[channel] + change, 0), 255);
      rgba[channel] += strength * (full - rgba[channel]); // such an array rounds
    }
  }
}

/** The change of luma in grey: what is to be added, and below it what is to be taken away. */
function halves(plane, sharp) {
  const rgba = new Uint8ClampedArray(8 * plane.length), values = new Uint32Array(rgba.buffer);
  for (let at = 0, below = plane.length; at < plane.length; at++, below++) {
    const more = sharp[at] - plane[at];
    values[at] = 0xff000000 | (more > 0 ? 0x010101 * more : 0);
    values[below] = 0xff000000 | (more < 0 ? -0x010101 * more : 0);
  }
  return rgba;
}

/** A window of a frame through the network; the frame's last row and column are repeated up to what it folds by. */
async function run(ort, session, { multiple, restraint }, { before, width, height, left, top, right, bottom }) {
  const columns = Math.ceil((right - left) / multiple) * multiple, rows = Math.ceil((bottom - top) / multiple) * multiple;
  const plane = new Float32Array(rows * columns), inside = Math.min(columns, width - left);
  for (let row = 0; row < rows; row++) {
    const from = Math.min(top + row, height - 1) * width + left, to = row * columns;
    for (let column = 0; column < inside; column++) plane[to + column] = SHARES[before[from + column]];
    plane.fill(plane[to + inside - 1], to + inside, to + columns);
  }
  const input = new ort.Tensor("float32", plane, [1, 1, rows, columns]), name = restraint ? "unrestrained" : "output";
  return { values: (await session.run({ input }, [name]))[name].data, columns };
}
