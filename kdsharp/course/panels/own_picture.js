// A picture of the reader's own: from a file of any size or from the camera, brought to a size that a notebook's channel
// carries, and laid into the hidden text widget whose class begins with the root's id; the kernel empties it when done.

const MOST = 1024; // pixels of the longer side
const PATIENCE = 20_000; // milliseconds until a kernel that does not answer is called so
const MISHAPS = { // what a browser calls it, and what to do
  NotAllowedError: "The camera was not allowed: allow it in the browser's address bar, or choose a picture.",
  NotFoundError: "There is no camera here: choose a picture.",
  NotReadableError: "Another program uses the camera: close that one, or choose a picture.",
};

const start = root => {
  root.dataset.started = "yes";
  const [video, said] = ["video", "[role=status]"].map(name => root.querySelector(name));
  const [file, camera, take, stop] = ["file", "camera", "take", "stop"].map(name => root.querySelector(`[name=${name}]`));
  let stream = null, waiting = 0;

  const listener = () => document.querySelector(`.${root.id}-text textarea`);
  const say = text => { said.textContent = text; };
  const close = () => {
    stream?.getTracks().forEach(track => track.stop());
    stream = null;
    for (const element of [video, take, stop]) element.hidden = true;
    camera.hidden = false;
  };

  /** Draw a picture or a video's frame over white, shrunk, and hand it to the kernel as PNG. */
  const send = (source, width, height, name) => {
    const shrunk = Math.min(1, MOST / Math.max(width, height)), canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(width * shrunk));
    canvas.height = Math.max(1, Math.round(height * shrunk));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(source, 0, 0, canvas.width, canvas.height);
    const area = listener();
    if (!area) { say("The notebook does not listen any more: run this cell again."); return; }
    area.value = JSON.stringify({ name, png: canvas.toDataURL("image/png").split(",")[1] });
    for (const kind of ["input", "change"]) area.dispatchEvent(new Event(kind, { bubbles: true }));
    say("Sharpening ...");
    const began = Date.now();
    clearInterval(waiting);
    waiting = setInterval(() => {
      const late = Date.now() - began > PATIENCE;
      if (area.value && !late) return;
      clearInterval(waiting);
      say(late ? "The kernel does not answer: run this cell again." : "");
    }, 200);
  };

  const read = async chosen => {
    if (!chosen) return;
    close();
    let bitmap;
    try { bitmap = await createImageBitmap(chosen); } // turned upright as the file says
    catch { say(`${chosen.name} is not a picture that this browser can read: give PNG, JPEG or WebP.`); return; }
    send(bitmap, bitmap.width, bitmap.height, chosen.name);
    bitmap.close();
  };

  const open = async () => {
    close();
    if (!navigator.mediaDevices) {
      say("Browsers give a camera to pages of https and of this machine only: choose a picture.");
      return;
    }
    say("Waiting for the camera ...");
    try { stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 720 } } }); }
    catch (error) { say(MISHAPS[error.name] ?? `The camera cannot be used here (${error.name}): choose a picture.`); return; }
    video.srcObject = stream;
    await video.play();
    for (const element of [video, take, stop]) element.hidden = false;
    camera.hidden = true;
    say("Look into the camera.");
  };

  file.addEventListener("change", () => { read(file.files[0]); file.value = ""; });
  camera.addEventListener("click", open);
  take.addEventListener("click", () => { send(video, video.videoWidth, video.videoHeight, "the camera's picture"); close(); });
  stop.addEventListener("click", () => { close(); say(""); });
  for (const kind of ["dragover", "drop"]) {
    root.addEventListener(kind, event => {
      event.preventDefault();
      event.stopPropagation();
      if (kind === "drop") read(event.dataTransfer.files[0]);
    });
  }

  const looking = setInterval(() => { // widgets come after their cell's other outputs, and to a saved page never
    if (!listener()) return;
    clearInterval(looking);
    const unneeded = `.${root.id}-upload { display: none !important; }`;
    root.append(Object.assign(document.createElement("style"), { textContent: unneeded }));
    root.hidden = false;
  }, 100);
  setTimeout(() => clearInterval(looking), PATIENCE);
};
