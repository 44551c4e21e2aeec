// The student at work, in a thread of its own so that the page stays awake. It does what `Sharpener` does in Python:
// luma through the network, and the change of luma added to red, green and blue.

let ort, session, network;
let known = null; // the last frame's luma and answer: what did not change since is not computed again

const commands = { look, open, sharpen, time };

let last = Promise.resolve();

// One after the other: a session takes no second picture while it works on the first.
onmessage = ({ data }) => { last = last.then(() => obey(data)); };

async function obey({ id, command, ...values }) {
  try {
    const [answer, transferred = []] = await commands[command](values);
    postMessage({ id, ...answer }, transferred);
  } catch (error) {
    postMessage({ id, error: `The network could not run: ${error?.message ?? error}` });
  }
}

/** What there is to compute with: a graphics card, and whether it is a real one. */
async function look() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  const emulated = adapter?.info?.isFallbackAdapter ?? false; // by the processor, which WebAssembly uses better
  return [{ webgpu: Boolean(adapter), fast: Boolean(adapter) && !emulated }];
}

/** Load a network, { name, file, scale, multiple, restraint, reach }, and what computes it: `webgpu`, `wasm` or `wasm-int8`. */
async function open({ network: wanted, engine, runtime }) {
  const [provider, int8] = engine.split("-");
  // Each has its own build: the one with WebGPU takes twice as long on the processor.
  ort = await import(`./${runtime}/ort.${provider}.min.mjs`);
  ort.env.logLevel = "error";
  // Threads need memory that they share, which browsers give to isolated pages only.
  const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 8) : 1;
  ort.env.wasm.numThreads = threads;
  const answer = await fetch(int8 ? wanted.int8 : wanted.file);
  if (!answer.ok) throw new Error(`${wanted.name} is not there`);
  const content = new Uint8Array(await answer.arrayBuffer());
  await session?.release();
  session = await ort.InferenceSession.create(content, { executionProviders: [provider] });
  network = wanted;
  known = null;
  const said = `WebAssembly${int8 ? " in 8 bits" : ""}, ${threads} thread${threads > 1 ? "s" : ""}`;
  return [{ engine: provider === "webgpu" ? "WebGPU" : said }];
}

/** RGBA pixels (width x height x 4 bytes) to sharpened ones, `scale` times as wide and high. */
async function sharpen({ pixels, width, height, strength }) {
  const began = performance.now();
  const before = new Uint8ClampedArray(pixels);
  const { scale } = network;
  const sharp = await throughNetwork(before, width, height);
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

/** How long a frame of that size takes, all of it new: the shorter of two after a first. */
async function time({ width, height }) {
  const taken = [];
  for (let turn = 0; turn < 3; turn++) {
    const pixels = Uint8ClampedArray.from({ length: 4 * width * height }, (_, at) => 37 * at % (97 + turn) * 2);
    known = null;
    const [{ milliseconds }] = await sharpen({ pixels: pixels.buffer, width, height, strength: 1 });
    if (turn) taken.push(milliseconds);
  }
  known = null;
  return [{ milliseconds: Math.min(...taken) }];
}

/** BT.601 luma in whole numbers, exactly as OpenCV rounds it. */
function luma(rgba, at) {
  return (9798 * rgba[at] + 19235 * rgba[at + 1] + 3735 * rgba[at + 2] + 16384) >> 15;
}

/** Luma of a frame through the network, in bytes. */
async function throughNetwork(rgba, width, height) {
  const { scale, multiple, restraint } = network;
  const before = new Uint8Array(width * height), wide = Math.round(width * scale);
  for (let at = 0; at < before.length; at++) before[at] = luma(rgba, 4 * at);
  const same = known?.width === width && known.height === height;
  const free = same ? known.free : new Uint8ClampedArray(wide * Math.round(height * scale));
  const changed = same ? difference(known.before, before, width, height) : [0, 0, width, height];
  known = null; // until this one is done
  if (changed) {
    const window = around(changed, 2, width, height), part = around(changed, 1, width, height);
    const { values, columns } = await run(before, width, height, ...window);
    const [left, top, right, bottom] = part.map(side => Math.round(side * scale));
    for (let row = top; row < bottom; row++) {
      const from = (row - window[1] * scale) * columns * scale - window[0] * scale;
      for (let column = left; column < right; column++) free[row * wide + column] = 255 * values[from + column];
    }
  }
  known = { before, free, width, height };
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

/** A picture that the network would hardly change is left alone: deploy/restraint.py says how that is judged. */
function restrain(before, sharp, width, height, multiple, full) {
  const lines = 4 * multiple; // every fourth of the folded rows
  let change = 0, step = 0;
  for (let first = 0; first < multiple; first++) {
    let sum = 0, count = 0;
    for (let row = first; row < height; row += lines) {
      for (let at = row * width; at < (row + 1) * width; at++) sum += Math.abs(sharp[at] - before[at]);
      count += width;
    }
    change += count ? sum / count / multiple : 0;
  }
  const pairs = Math.floor(width / multiple), count = pairs * Math.ceil(height / lines);
  for (let row = 0; row < height; row += lines) {
    for (let pair = 0; pair < pairs; pair++) {
      const at = row * width + pair * multiple;
      step += Math.abs(before[at] - before[at + 1]) / count;
    }
  }
  const share = Math.min(Math.max(3 * change / (step + 0.0255) / full - 2, 0), 1);
  for (let at = 0; at < sharp.length; at++) sharp[at] = before[at] + share * (sharp[at] - before[at]);
}

/** Keys' cubic interpolation with a = -0.75 and repeated borders, as OpenCV's INTER_CUBIC: rows first, then columns. */
function enlarged(rgba, width, height, scale) {
  const columns = Math.round(width * scale), step = columns * 4;
  const wide = new Float32Array(step * height);
  interpolate(rgba, wide, height, width, width * 4, 4, step, 4, scale);
  const large = new Uint8ClampedArray(step * Math.round(height * scale));
  interpolate(wide, large, columns, height, 4, step, 4, step, scale);
  return large;
}

/** `lines` lines of `count` pixels each, `scale` times as long; strides of lines and pixels, in and out, in values. */
function interpolate(source, result, lines, count, lineIn, pixelIn, lineOut, pixelOut, scale) {
  for (let place = 0; place < Math.round(count * scale); place++) {
    const position = (place + 0.5) / scale - 0.5, first = Math.floor(position);
    const [a, b, c, d] = weights(position - first);
    const [p, q, r, s] = [-1, 0, 1, 2].map(near => Math.min(Math.max(first + near, 0), count - 1) * pixelIn);
    for (let line = 0; line < lines; line++) {
      const from = line * lineIn, to = line * lineOut + place * pixelOut;
      for (let channel = 0; channel < 4; channel++) {
        const at = from + channel;
        result[to + channel] = a * source[at + p] + b * source[at + q] + c * source[at + r] + d * source[at + s];
      }
    }
  }
}

function weights(t) {
  const A = -0.75;
  const near = x => ((A + 2) * x - (A + 3)) * x * x + 1, far = x => ((A * x - 5 * A) * x + 8 * A) * x - 4 * A;
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
}
