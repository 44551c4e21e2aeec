// Styles of what is put into a page.

/** Set styles that no rule of the page overrides. */
export function dress(element, styles) {
  for (const [name, value] of Object.entries(styles)) {
    if (element.style.getPropertyValue(name) !== value) element.style.setProperty(name, value, "important");
  }
}

/** Give an element the place of a box, in CSS pixels. */
export function put(element, box) {
  const sides = ["left", "top", "width", "height"].map(side => [side, `${Math.round(100 * box[side]) / 100}px`]);
  dress(element, Object.fromEntries(sides));
}
