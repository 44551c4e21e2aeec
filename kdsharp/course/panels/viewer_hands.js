// How hands move the comparison viewer of viewer.js: a mouse, one or two fingers, the wheel, keys.

const STEP = 1.25; // of a press on zoom
const REACH = { mouse: 12, pen: 16, touch: 26 }; // how far from the divider a press still takes it
const KEEPS = [" ", "Enter", "Home", "End", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]; // what buttons use themselves

/** The mouse, a finger or two, and the wheel, on the stage. `zoom(factor, x, y)` and others are those of `start`. */
const followPointer = ({ stage, divider, view, scale, changed, zoom, whole }) => {
  const pointers = new Map();
  let drag = null, gap = 0, seen = null, moved = false;

  const place = event => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left - box.width / 2, y: event.clientY - box.top - box.height / 2, wide: box.width };
  };
  const between = () => {
    const [one, two] = [...pointers.values()];
    return { x: (one.x + two.x) / 2, y: (one.y + two.y) / 2, gap: Math.hypot(one.x - two.x, one.y - two.y) };
  };
  const divide = ({ x, wide }) => changed({ at: within(x / wide + 0.5, 0, 1) });
  const pan = (from, to) => changed({ x: view.x - (to.x - from.x) / scale(), y: view.y - (to.y - from.y) / scale() });

  stage.addEventListener("pointerdown", event => {
    if (event.button) return;
    const here = place(event), reach = REACH[event.pointerType] ?? REACH.mouse;
    event.preventDefault(); // no selection of text, no dragging of pictures
    divider.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, here);
    if (pointers.size === 2) {
      drag = "pinch";
      ({ gap } = between());
      return;
    }
    const near = Math.abs(here.x - (view.at - 0.5) * here.wide) <= reach;
    drag = near || view.zoom === 1 ? "divide" : "pan";
    if (drag === "divide") divide(here);
  });
  stage.addEventListener("pointermove", event => {
    // A page that scrolls under a resting pointer goes on scrolling; a pointer that moves here means the picture.
    moved ||= seen !== null && (seen[0] !== event.screenX || seen[1] !== event.screenY);
    seen = [event.screenX, event.screenY];
    const last = pointers.get(event.pointerId), here = place(event);
    if (!last) return;
    const before = pointers.size === 2 ? between() : null;
    pointers.set(event.pointerId, here);
    if (drag === "divide") divide(here);
    else if (drag === "pan") pan(last, here);
    else if (before) {
      const now = between();
      zoom(now.gap / Math.max(1, gap), before.x, before.y); // first, for the whole picture has no room to move
      pan(before, now);
      ({ gap } = now);
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    stage.addEventListener(kind, event => { pointers.delete(event.pointerId); });
  }
  stage.addEventListener("pointerleave", () => { seen = null; moved = false; });
  stage.addEventListener("dblclick", whole);
  stage.addEventListener("wheel", event => {
    const out = event.deltaY > 0;
    if (!event.ctrlKey && (!moved || (out && view.zoom === 1))) return; // the page scrolls
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1, { x, y } = place(event);
    zoom(Math.exp(-within(event.deltaY * lines, -120, 120) * (event.ctrlKey ? 0.01 : 0.002)), x, y);
  }, { passive: false });
};

/** Keys, wherever in the viewer the focus is; `hold` is the button that flickers while it is pressed. */
const followKeys = ({ root, view, scale, changed, zoom, whole, flicker, toggle, hold }) => {
  const line = by => changed({ at: within(view.at + by, 0, 1) });
  const pan = (across, down) => changed({ x: view.x + 40 * across / scale(), y: view.y + 40 * down / scale() });
  const keys = {
    "ArrowLeft": () => line(-0.02), "ArrowRight": () => line(0.02), "Home": () => line(-1), "End": () => line(1),
    "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP), "0": whole,
    " ": () => flicker(true), "f": () => flicker(true), "d": toggle,
  };
  const shifted = {
    ArrowLeft: () => pan(-1, 0), ArrowRight: () => pan(1, 0), ArrowUp: () => pan(0, -1), ArrowDown: () => pan(0, 1),
  };
  root.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length > 1 ? event.key : event.key.toLowerCase();
    const control = event.target.closest("input, button");
    if (control && KEEPS.includes(key)) {
      if (control === hold && (key === " " || key === "Enter")) flicker(true);
      return;
    }
    const act = (event.shiftKey && shifted[key]) || keys[key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat || key !== "d") act();
  });
  root.addEventListener("keyup", event => { if ([" ", "f", "F", "Enter"].includes(event.key)) flicker(false); });
  root.addEventListener("focusout", event => { if (!root.contains(event.relatedTarget)) flicker(false); });

  hold.addEventListener("pointerdown", () => flicker(true));
  for (const kind of ["pointerup", "pointerleave", "pointercancel"]) hold.addEventListener(kind, () => flicker(false));
  for (const kind of ["mousedown", "contextmenu"]) { // the focus stays, and a long touch is a hold
    hold.addEventListener(kind, event => event.preventDefault());
  }
};
