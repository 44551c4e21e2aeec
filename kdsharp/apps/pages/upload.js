// The page that sends a picture to the server and shows what comes back.

import { $, divide, followStrength, resultName, reveal, say, takePictures } from "./common.js";

let chosen = null, urls = [];

function shown(blob) {
  const url = URL.createObjectURL(blob);
  urls.push(url);
  return url;
}

async function sharpen() {
  if (!chosen) { say("Choose a picture first, or try the example.", true); return; }
  say("Working ...");
  const body = new FormData();
  body.append("picture", chosen, chosen.name || "picture.png");
  body.append("student", $("student").value);
  body.append("strength", $("strength").value);
  let answer;
  try { answer = await fetch("sharpen", { method: "POST", body }); }
  catch { say("The server does not answer: is it still running?", true); return; }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({ error: "Something went wrong." }));
    say(told.error, true);
    return;
  }
  const picture = await answer.blob();
  urls.forEach(URL.revokeObjectURL);
  urls = [];
  $("before").src = shown(chosen);
  $("after").src = $("download").href = shown(picture);
  $("download").download = resultName(chosen.name || "picture");
  $("agreement").textContent = answer.headers.get("X-Agreement");
  $("after").decode().then(reveal, reveal);
  say(`Done in ${answer.headers.get("X-Milliseconds")} ms.`);
}

function take(file) {
  chosen = file;
  sharpen();
}

divide();
takePictures(take);
followStrength(() => {});
$("form").addEventListener("submit", event => { event.preventDefault(); sharpen(); });
$("example").addEventListener("click", async () => {
  take(new File([await (await fetch("live/example.png")).blob()], "example.png", { type: "image/png" }));
});
