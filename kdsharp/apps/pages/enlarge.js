// What networks that enlarge add their correction to.

/** Keys' cubic interpolation with a = -0.75 and repeated borders, as OpenCV's INTER_CUBIC: rows first, then columns. */
export function enlarged(rgba, width, height, scale) {
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
