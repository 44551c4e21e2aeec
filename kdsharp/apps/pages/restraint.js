// Restraint: a picture that its network would hardly change is left alone.

/** Take back what the network did to a picture, in part or all of it: deploy/restraint.py says how that is judged. */
export function restrain(before, sharp, width, height, multiple, full) {
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
