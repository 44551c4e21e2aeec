// How much of a video can be computed here: which part of its size, and whether every frame or every second one.

const LONGEST = [1920, 1280, 960, 640, 480, 320]; // pixels, the longer side of what is computed
const SPENT = 0.9, DRAWN = 0.8; // of the time between two frames may be spent, and of the frames must come
const FALLS = 2, RISES = 5; // after so many windows in a row that fell behind, or had room for the step above

/** All that can be done with a video of that size, from the dearest down: [{ width, height, every }]. */
export function steps(width, height) {
  const longer = Math.max(width, height);
  const sides = [Math.min(longer, LONGEST[0]), ...LONGEST.filter(side => side < Math.min(longer, LONGEST[0]))];
  const found = sides.flatMap(side => [1, 2].map(every => ({
    width: Math.max(1, Math.round(width * side / longer)), height: Math.max(1, Math.round(height * side / longer)), every,
  })));
  const pixels = ({ width, height, every }) => width * height / every; // a smaller size comes before half the rate
  return found.sort((one, other) => pixels(other) - pixels(one));
}

/** Whether frames take no more than their share of the time there is, at so many milliseconds a million pixels. */
export function fits({ width, height, every }, perMillion, rate) {
  return perMillion * width * height / 1e6 <= SPENT * every * 1000 / rate;
}

/** The first step that fits, else the last. */
export function firstStep(found, perMillion, rate) {
  const first = found.findIndex(step => fits(step, perMillion, rate));
  return first >= 0 ? first : found.length - 1;
}

/** Takes one window after the other, and says where to go: -1 a step up, 1 a step down, 0 neither. */
export function judging() {
  let behind = 0, easy = 0, wanted = RISES;
  return ({ presented, drawn, every, room }) => {
    if (presented < 2 * every) return 0; // it rests
    behind = drawn < DRAWN * presented / every ? behind + 1 : 0;
    easy = !behind && room ? easy + 1 : 0;
    if (behind === FALLS) { behind = easy = 0; return 1; }
    if (easy < wanted) return 0;
    easy = 0;
    wanted *= 2; // what did not last is not tried again soon
    return -1;
  };
}
