// Of a stream's frame only the rectangle that differs from the last one is computed, and what the network does around it.

import { restrain } from "./restraint.js";

/**
 * What keeps each stream's last frame: { through, forget }. `run` takes a window, { before, width, height, left, top, right,
 * bottom }, and gives its { values, columns }: rows of luma in [0, 1].
 */
export function streams({ scale, multiple, restraint, reach }, run) {
  const known = new Map(); // of each stream the last frame's luma and answer
  return { through, forget: stream => known.delete(stream) };

  /** Luma of a stream's next frame through the network, in bytes. */
  async function through(before, width, height, stream) {
    const past = known.get(stream), same = past?.width === width && past.height === height, wide = Math.round(width * scale);
    const free = same ? past.free : new Uint8ClampedArray(wide * Math.round(height * scale));
    const changed = same ? difference(past.before, before, width, height) : [0, 0, width, height];
    known.delete(stream); // until this one is done
    if (changed) {
      const part = around(changed, 1, width, height), [left, top, right, bottom] = around(changed, 2, width, height);
      const { values, columns } = await run({ before, width, height, left, top, right, bottom });
      const [first, above, end, below] = part.map(side => Math.round(side * scale));
      for (let row = above; row < below; row++) {
        const from = (row - top * scale) * columns * scale - left * scale;
        for (let column = first; column < end; column++) free[row * wide + column] = 255 * values[from + column];
      }
    }
    known.set(stream, { before, free, width, height });
    const sharp = free.slice();
    if (restraint) restrain(before, sharp, width, height, multiple, restraint);
    return sharp;
  }

  /** A rectangle and what lies within so many reaches of the network: the whole where it may look at the whole. */
  function around([left, top, right, bottom], reaches, width, height) {
    if (reach === null) return [0, 0, width, height];
    const first = side => Math.max(0, Math.floor((side - reaches * reach) / multiple) * multiple);
    const last = (side, end) => Math.min(end, Math.ceil((side + reaches * reach) / multiple) * multiple);
    return [first(left), first(top), last(right, width), last(bottom, height)];
  }
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
