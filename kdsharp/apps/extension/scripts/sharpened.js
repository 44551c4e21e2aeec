// One video at work: its frames go to the network as fast as it takes them, and come back into the overlay.

import { bar } from "./bar.js";
import { drawing } from "./drawing.js";
import { overlay } from "./overlay.js";
import { firstStep, fits, judging, steps } from "./pace.js";
import { nextFrame } from "./student.js";

const RATE = 30, WINDOW = 2000; // frames a second until the first window of so many milliseconds has counted them
const AHEAD = 2; // frames under way: one is computed while the other is taken and drawn
const PATIENCE = 300; // milliseconds until a still picture is looked at again
const PROTECTED = "This video is protected: its frames cannot be read, so it is left alone.";
const FOREIGN = "This video comes from another site, which does not let its frames be read: it is left alone.";
const DEEP = "This video has a high dynamic range, which the overlay would lose: it is left alone.";
const SLOW = "This computer does not keep up with this video: sharpening is off.";

let made = 0;

/** Gives a video its overlay; `network` is a promise of what `load` gives. It is off until `start`. */
export function sharpened(video, network) {
  const shown = overlay(video), panel = bar(video), draw = drawing(shown.canvas), stream = made++;
  let on = false, full = false, turns = 0, counted = 0; // frames drawn since it was started
  panel.find("button").onclick = () => (on ? stop() : start());
  label("");

  function label(sentence) {
    panel.find("button").textContent = on ? "Stop" : "Sharpen";
    panel.say(sentence, !on && sentence);
  }

  /** On every picture of the screen: the page may have moved the video. */
  function follow() {
    const divider = on && counted ? Number(panel.find("#divider").value) : null;
    panel.place(shown.place(divider, video.paused || panel.awake()));
    if (full !== video.matches(":fullscreen")) panel.raise(); // over the overlay
    full = video.matches(":fullscreen");
  }

  function stop(why = "") {
    turns++;
    [on, counted] = [false, 0];
    label(why);
  }

  async function start() {
    if (on) return;
    on = true;
    const turn = ++turns;
    label("Loading the network ...");
    try {
      if (video.mediaKeys) throw new Error(PROTECTED);
      grab()?.close(); // says now whether it may be read
      const ready = await network;
      if (turn === turns) label("");
      await work(turn, ready);
    } catch (error) {
      if (turn === turns) stop(error.message);
    }
  }

  /** The present frame, which has to be closed; null where there is none yet. */
  function grab() {
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || !video.videoWidth) return null;
    let frame;
    try { frame = new VideoFrame(video); }
    catch (error) {
      if (error.name === "SecurityError") throw new Error(FOREIGN);
      return null; // between two sources
    }
    if (!["pq", "hlg"].includes(frame.colorSpace.transfer)) return frame;
    frame.close();
    throw new Error(DEEP);
  }

  /** Frame after frame, until this `turn` is over. */
  async function work(turn, { ask, name, said, perMillion }) {
    const flying = [];
    let size = "", found, step, judge, span = null;
    let presented = (await nextFrame(video, PATIENCE))?.presentedFrames ?? 0;
    while (turn === turns) {
      if (flying.length === AHEAD) await flying.shift();
      const next = nextFrame(video, PATIENCE), frame = resting() ? null : grab();
      if (!frame) {
        span = null;
        await next;
        continue;
      }
      const { displayWidth: width, displayHeight: height } = frame;
      if (size !== `${width}x${height}`) {
        [size, found, judge, span] = [`${width}x${height}`, steps(width, height), judging(), null];
        step = firstStep(found, perMillion, RATE);
      }
      span ??= { from: performance.now(), first: presented, drawn: 0, busy: 0 };
      const one = through(ask, frame, found[step], turn).then(spent => { if (span) span.busy += spent; });
      one.catch(() => {}); // it is waited for above, or nobody cares any more
      flying.push(one);
      span.drawn++;
      presented = (await next)?.presentedFrames ?? presented;
      if (found[step].every === 2) presented = (await nextFrame(video, PATIENCE))?.presentedFrames ?? presented;
      const elapsed = performance.now() - span.from;
      if (elapsed < WINDOW || turn !== turns) continue;
      const told = { presented: presented - span.first, drawn: span.drawn }, rate = count => 1000 * count / elapsed;
      const { width: wide, height: high, every } = found[step], cost = 1e6 * span.busy / span.drawn / (wide * high);
      if (told.presented) {
        const [made, shown] = [told.drawn, told.presented].map(count => Math.round(rate(count)));
        label(`${made} of ${shown} frames a second, ${wide} x ${high}, ${name}, ${said}`);
      }
      const room = step > 0 && fits(found[step - 1], cost, rate(told.presented));
      step = Math.max(0, step + judge({ ...told, every, room }));
      if (step === found.length) { stop(SLOW); return; }
      span = null;
    }
  }

  const resting = () => document.pictureInPictureElement === video || document.hidden;

  /** One frame through the network and into the overlay; the milliseconds that the network took. */
  async function through(ask, frame, { width, height }, turn) {
    try {
      const same = width === frame.displayWidth && height === frame.displayHeight;
      const small = same ? {} : { resizeWidth: width, resizeHeight: height, resizeQuality: "medium" };
      const shrunk = await createImageBitmap(frame, small);
      const { change, milliseconds } = await ask("change", { frame: shrunk, stream }, [shrunk]);
      if (turn === turns) {
        draw(frame, change, Number(panel.find("#strength").value));
        counted++;
      }
      change.close();
      return milliseconds;
    } finally {
      frame.close();
    }
  }

  function remove() {
    stop();
    for (const part of [shown, panel]) part.remove();
    network.then(({ ask }) => ask("forget", { stream }), () => {});
  }

  return { start, remove, follow, isOn: () => on, counted: () => counted, canvas: shown.canvas, find: panel.find };
}
