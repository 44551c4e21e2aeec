// What both pages do alike: messages, the divider between before and after, and pictures that are dropped.

export const $ = id => document.getElementById(id);

export function say(text, wrong = false) {
  $("message").textContent = text;
  $("message").className = wrong ? "error" : "";
}

/** Show the result, and on a small screen bring it into sight when it first comes. */
export function reveal() {
  if (!$("result").hidden) return;
  $("result").hidden = false;
  $("view").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

/** The slider #divider, or a finger or pressed mouse on the picture, says how much of it is "before". */
export function divide() {
  $("divider").addEventListener("input", event => $("view").style.setProperty("--at", `${event.target.value}%`));
  $("view").addEventListener("pointermove", event => {
    if (!event.buttons && event.pointerType === "mouse") return;
    const box = $("view").getBoundingClientRect();
    $("divider").value = 100 * (event.clientX - box.left) / box.width;
    $("divider").dispatchEvent(new Event("input"));
  });
}

/** Call `take(file)` with every picture that is chosen in #picture or dropped anywhere. */
export function takePictures(take) {
  $("picture").addEventListener("change", event => { if (event.target.files[0]) take(event.target.files[0]); });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, event => {
      event.preventDefault();
      $("form").classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
  }
}

/** The strength's number beside its slider; `changed` is called when it is let go. */
export function followStrength(changed) {
  const show = () => { $("said").textContent = Number($("strength").value).toFixed(1); };
  $("strength").addEventListener("input", show);
  $("strength").addEventListener("change", changed);
  show(); // a browser may remember where the slider was
}

/** `photo.of.me.jpg` to `photo.of.me-sharpened.png`. */
export const resultName = name => `${name.replace(/\.[^.]*$/, "")}-sharpened.png`;
