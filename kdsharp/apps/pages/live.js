// The page whose network runs in the visitor's browser: a picture, a camera or a shared screen goes frame by frame to
// the worker, and comes back sharpened.

import { $, divide, followStrength, resultName, reveal, say, takePictures } from "./common.js";
import { asking, CALLS, CORES, nextFrame, open as openIn, openFastEnough } from "./student.js";

const MEGAPIXELS = 25, RESULT_MEGAPIXELS = 50; // of a picture
const LIVE_RESULT = 3840; // pixels, the longer side of an enlarged live frame
const ANY = "call";
const MISHAPS = { // what a browser calls it, and what to do
  NotAllowedError: "was not allowed: allow it in the browser's address bar, and try again.",
  NotFoundError: "was not found: connect one, and try again.",
  NotReadableError: "is in use by another program: close that one, and try again.",
};

// Two frames at once keep two cores busier than two threads on one frame.
const workers = Array.from({ length: CORES > 1 ? 2 : 1 }, () => new Worker("worker.js", { type: "module" }));
const threads = Math.ceil(CORES / workers.length);
const asks = workers.map(asking);
/** The same of all workers; the answer of the first. */
const ask = async (...question) => (await Promise.all(asks.map(one => one(...question))))[0];
let site = null, opened = null, stream = null, still = null, engine = "";

for (const worker of workers) worker.onerror = () => say("This browser cannot run networks: take a newer one.", true);

async function start() {
  await cacheForOffline();
  site = await (await fetch("site.json")).json();
  $("upload").hidden = !site.upload;
  $("student").replaceChildren(...site.networks.map(network => new Option(network.name)));
  if (calls().length > 1) $("student").add(new Option(`${ANY} (the best that keeps up)`, ANY));
  const ready = await ask("look");
  if (!site.runtime && !ready.webgpu) {
    say("The runtime of networks in browsers is not here yet. Fetch it once with: kdsharp web --runtime (it needs npm, "
      + "which comes with Node.js), and load this page again. The page for uploads works without it.", true);
    return;
  }
  if (!site.networks.length) throw new Error("None of this server's networks works on luma, which this page needs.");
  $("engine").value = ready.fast || !site.runtime ? "webgpu" : "wasm-int8"; // a graphics card needs no runtime
  for (const option of $("engine").options) option.disabled = option.value === "webgpu" ? !ready.webgpu : !site.runtime;
  $("size").value = ready.fast ? "1280x720" : "640x360";
  await open();
  for (const id of ["camera", "screen", "example", "picture", "student", "engine"]) $(id).disabled = false;
  $("screen").hidden = !navigator.mediaDevices?.getDisplayMedia; // phones have none
  say("Ready.");
}

/** Once a visit has loaded it, the page comes up without its server; private windows and frames may refuse that. */
async function cacheForOffline() {
  try {
    await navigator.serviceWorker.register("offline.js");
    const claimed = new Promise(resolve => navigator.serviceWorker.addEventListener("controllerchange", resolve));
    const patience = new Promise(resolve => setTimeout(resolve, 3000));
    if (!navigator.serviceWorker.controller) await Promise.race([claimed, patience]);
  } catch { /* it works as long as the server does */ }
}

const calls = () => CALLS.map(name => site.networks.find(network => network.name === name)).filter(Boolean);

async function open() {
  const { value } = $("student");
  const wanted = { network: site.networks.find(network => network.name === value), engine: $("engine").value, threads };
  const done = value === ANY ? await openWhatKeepsUp() : await openIn(ask, wanted, site.runtime);
  opened = done.network ?? wanted.network;
  $("engine").value = done.engine;
  engine = [done.said, ...(workers.length > 1 ? ["2 frames at once"] : []), ...done.times ?? []].join(", ");
}

/** The network for calls that is good and fast enough: measured once for an engine and a size. */
async function openWhatKeepsUp() {
  const [width, height] = $("size").value.split("x").map(Number), kept = `${ANY} ${$("engine").value} ${width}x${height}`;
  let known = null;
  try { known = localStorage.getItem(kept); } catch { /* a private window keeps nothing */ }
  const found = calls().filter(network => !known || network.name === known);
  const tries = (found.length ? found : calls()).map(network => ({ network, engine: $("engine").value, threads }));
  const done = await openFastEnough(ask, tries, site.runtime, width, height, asks.length);
  try { localStorage.setItem(kept, done.network.name); } catch { /* measured again next time */ }
  return done;
}

async function reopen() {
  say("Loading the network ...");
  await open();
  say(stream ? "Live." : "Ready.");
  await sharpenStill();
}

/** Show a frame and what the worker made of it. */
function show({ before, after, milliseconds }, told) {
  for (const [name, bitmap] of Object.entries({ before, after })) {
    const canvas = $(name), { width, height } = bitmap;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
  }
  $("rate").textContent = [...told, `network ${milliseconds.toFixed(0)} ms`, engine].join(", ");
  reveal();
}

/** A frame to the worker behind `ask`, with the strength that is chosen. */
const sharpen = (ask, frame) => ask("sharpen", { frame, strength: Number($("strength").value) }, [frame]);

/** A picture, or a video's present frame, shrunk by `factor`. */
function grab(source, width, height, factor = 1) {
  if (factor === 1) return createImageBitmap(source);
  const [resizeWidth, resizeHeight] = [width, height].map(side => Math.max(1, Math.round(side * factor)));
  return createImageBitmap(source, { resizeWidth, resizeHeight, resizeQuality: "medium" });
}

async function showPicture(file) {
  stop();
  let bitmap;
  try { bitmap = await createImageBitmap(file); }
  catch { say("This file is not a picture that this browser can read: give PNG, JPEG or WebP.", true); return; }
  still = { bitmap, name: file.name || "picture" };
  await sharpenStill();
}

async function sharpenStill() {
  if (!still) return;
  const { width, height } = still.bitmap, millions = width * height / 1e6;
  if (millions > MEGAPIXELS || millions * opened.scale ** 2 > RESULT_MEGAPIXELS) {
    throw new Error(`The picture has ${width}x${height} pixels: ${MEGAPIXELS} megapixels are taken, `
      + `and ${RESULT_MEGAPIXELS} come out at most.`);
  }
  say("Working ...");
  const done = await sharpen(asks[0], await grab(still.bitmap, width, height));
  show(done, [`${done.after.width} x ${done.after.height}`]);
  say("Done.");
}

async function live(what, request) {
  stop();
  say(`Waiting for the ${what} ...`);
  let taken;
  try { taken = await request(); }
  catch (error) {
    say(`The ${what} ${MISHAPS[error.name] ?? `cannot be used here: ${error.message}.`}`, true);
    return;
  }
  stop(); // another one may have come first
  stream = taken;
  still = null;
  taken.getVideoTracks()[0].addEventListener("ended", () => {
    if (stream === taken) { stop(); say(`The ${what} has ended.`); }
  });
  const video = Object.assign(document.createElement("video"), { srcObject: taken, muted: true, playsInline: true });
  await video.play();
  $("stop").hidden = false;
  say("Live.");
  await play(video, taken);
}

/** Frame after frame, each to the worker whose turn it is, until another stream comes or none. */
async function play(video, taken) {
  const busy = asks.map(() => null), times = [];
  let newest = 0;
  for (let number = 1; stream === taken; number++) {
    const turn = number % asks.length;
    await busy[turn];
    if (stream !== taken) break;
    const { videoWidth: width, videoHeight: height } = video;
    const grabbed = grab(video, width, height, shrunk(width, height)), next = nextFrame(video);
    busy[turn] = sharpen(asks[turn], await grabbed).then(done => {
      if (stream !== taken || number < newest) return; // the other worker may have been faster
      newest = number;
      show(done, [`${counted(times).toFixed(1)} frames a second`, `${done.after.width} x ${done.after.height}`]);
    });
    await next;
  }
}

/** How many frames a second came in the last two seconds, this one among them. */
function counted(times) {
  const now = performance.now();
  times.push(now);
  while (times[0] < now - 2000) times.shift();
  return times.length > 1 ? 1000 * (times.length - 1) / (now - times[0]) : 0;
}

/** The factor that brings a live frame, upright or not, to the size that is chosen. */
function shrunk(width, height) {
  const [long, short] = $("size").value.split("x").map(Number);
  const longest = Math.min(long, LIVE_RESULT / opened.scale);
  return Math.min(1, longest / Math.max(width, height), short / Math.min(width, height));
}

/** The last frame stays where it is, to be looked at and saved. */
function stop() {
  stream?.getTracks().forEach(track => track.stop());
  stream = null;
  $("stop").hidden = true;
}

/** Whatever goes wrong in `work` is said, and the page goes on. */
const saying = work => async (...values) => {
  try { await work(...values); } catch (error) { stop(); say(error.message, true); }
};

function devices() {
  if (navigator.mediaDevices) return navigator.mediaDevices;
  throw new Error("Cameras are for pages of this computer (http://127.0.0.1) and for https only: open one of these.");
}

divide();
takePictures(saying(file => {
  if ($("picture").disabled) throw new Error("The network is not loaded yet.");
  return showPicture(file);
}));
followStrength(saying(sharpenStill));
$("form").addEventListener("submit", event => event.preventDefault());
$("student").addEventListener("change", saying(reopen));
$("engine").addEventListener("change", saying(reopen));
$("size").addEventListener("change", saying(async () => { if ($("student").value === ANY) await reopen(); }));
$("stop").addEventListener("click", () => { stop(); say("Stopped."); });
$("example").addEventListener("click", saying(async () => {
  await showPicture(new File([await (await fetch("example.png")).blob()], "example.png", { type: "image/png" }));
}));
$("camera").addEventListener("click", saying(() => live("camera", () => {
  const [width, height] = $("size").value.split("x").map(Number);
  return devices().getUserMedia({ video: { width: { ideal: width }, height: { ideal: height } }, audio: false });
})));
$("screen").addEventListener("click", saying(() => live("screen", () => (
  devices().getDisplayMedia({ video: { frameRate: { ideal: 30 } }, audio: false })
))));
$("download").addEventListener("click", () => $("after").toBlob(blob => {
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(blob), download: resultName(still?.name ?? "frame"),
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}, "image/png"));
saying(start)();
