// A frame and what sharpening changes in it, together on a canvas. Canvases add and invert in whole numbers and
// saturate, so that the result is the one of Python; and they do so on the graphics card where there is one.

const INVERT = "difference"; // with white

/** Draws (frame, change, strength): `change` as the worker makes it, of the frame's size or smaller. */
export function drawing(canvas) {
  const shown = canvas.getContext("2d"); // were it opaque, the video below would count all its frames as dropped
  const full = new OffscreenCanvas(1, 1).getContext("2d", { alpha: false });
  return (frame, change, strength) => {
    const { displayWidth: width, displayHeight: height } = frame;
    for (const made of strength < 1 ? [shown, full] : [shown]) {
      if (made.canvas.width !== width || made.canvas.height !== height) Object.assign(made.canvas, { width, height });
      draw(made, frame, width, height);
    }
    const made = strength < 1 ? full : shown;
    const half = (row, how) => draw(made, change, width, height, how, row);
    half(0, "lighter");
    fill(made, width, height);
    half(change.height / 2, "lighter"); // what is taken away is added to the inverse
    fill(made, width, height);
    if (strength < 1) {
      shown.globalAlpha = strength;
      draw(shown, full.canvas, width, height);
      shown.globalAlpha = 1;
    }
  };
}

function draw(context, picture, width, height, how = "source-over", row = null) {
  context.globalCompositeOperation = how;
  if (row === null) context.drawImage(picture, 0, 0, width, height);
  else context.drawImage(picture, 0, row, picture.width, picture.height / 2, 0, 0, width, height);
}

function fill(context, width, height) {
  context.globalCompositeOperation = INVERT;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
}
