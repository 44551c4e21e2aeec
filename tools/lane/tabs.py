"""Tabs of a Chromium that has the extension in a fresh profile: the click on its button, and what its scripts know."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any

import browser_lane

SAID = "work.map(one => one.find('#said').textContent)"

# What the page of a call does: the camera's picture goes to a peer at so many kilobits a second, and comes back.
CALL = Template("""<video autoplay muted style="width: 640px; height: 360px"></video><script>
async function call() {
  const photo = await createImageBitmap(await (await fetch("photo.png")).blob());
  const camera = Object.assign(document.createElement("canvas"), { width: $width, height: $height });
  const context = camera.getContext("2d");
  let tick = 0;
  const film = () => context.drawImage(photo, 40 + 3 * (tick++ % 20), 30, $width, $height, 0, 0, $width, $height);
  setInterval(film, 1000 / $rate);
  const [here, there] = [new RTCPeerConnection(), new RTCPeerConnection()];
  here.onicecandidate = event => there.addIceCandidate(event.candidate);
  there.onicecandidate = event => here.addIceCandidate(event.candidate);
  there.ontrack = event => { document.querySelector("video").srcObject = new MediaStream([event.track]); };
  const sender = here.addTrack(camera.captureStream($rate).getVideoTracks()[0]);
  await here.setLocalDescription(await here.createOffer());
  await there.setRemoteDescription(here.localDescription);
  await there.setLocalDescription(await there.createAnswer());
  await here.setRemoteDescription(there.localDescription);
  const wanted = sender.getParameters();
  wanted.encodings[0].maxBitrate = 1000 * $kbps;
  await sender.setParameters(wanted);
}
call();
</script>""")


def call(width: int, height: int, rate: int, kbps: int) -> str:
    """A page's body that shows a call between two peers on this machine; its camera films the site's photo.png."""
    return CALL.substitute(width=width, height=height, rate=rate, kbps=kbps)


class Tab:
    """A page, the button in the toolbar, and the world of the extension's scripts in it."""

    def __init__(self, context: Any, extension_id: str, address: str) -> None:
        self.page, self.id, self.worlds = context.new_page(), extension_id, []
        self.browser = context.browser.new_browser_cdp_session()
        self.session = context.new_cdp_session(self.page)
        self.session.on("Runtime.executionContextCreated", lambda event: self.worlds.append(event["context"]))
        self.session.send("Runtime.enable")
        self.page.goto(address)
        self.waits("[...document.querySelectorAll('video')].every(video => video.currentTime > 0)")
        self.page.wait_for_timeout(500)  # a click in that moment is lost now and then; no hand is so fast

    def waits(self, code: str, seconds: float = 20) -> None:
        """Until that is true in the page, whose policy forbids Playwright's own way of waiting."""
        for _ in range(int(10 * seconds)):
            if self.page.evaluate(code):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(code)

    def click(self) -> None:
        """What a click on the button does: the browser grants `activeTab`, and calls the extension."""
        found = self.browser.send("Target.getTargets", {"filter": [{}]})["targetInfos"]
        (tab,) = [one for one in found if one["type"] == "tab" and one["url"] == self.page.url]
        self.browser.send("Extensions.triggerAction", {"id": self.id, "targetId": tab["targetId"]})

    def is_there(self) -> bool:
        """Whether the extension has been let into the page."""
        return any(self.id in one["origin"] for one in self.worlds)

    def run(self, code: str) -> Any:
        """What JavaScript gives beside the extension's scripts; `work` holds what sharpens each video."""
        world = next(one for one in self.worlds if self.id in one["origin"])
        start = 'const work = (await import(chrome.runtime.getURL("videos.js"))).atWork();'
        answer = self.session.send(
            "Runtime.evaluate",
            {"expression": f"(async () => {{ {start} {code} }})()", "contextId": world["id"]}
            | {"awaitPromise": True, "returnByValue": True},
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, code: str, seconds: float = 40) -> Any:
        """The first true answer."""
        for _ in range(int(5 * seconds)):
            if self.is_there() and (answer := self.run(code)):
                return answer
            self.page.wait_for_timeout(200)
        raise AssertionError(f"{code}: {self.run(f'return {SAID}')}")

    def said(self, seconds: float = 40) -> str:
        """The bar's sentence with the rate, the size, the network and what computes it."""
        return self.until(f"return {SAID}.find(said => / of /.test(said))", seconds)


@contextmanager
def browser(
    chromium: Any, unpacked: Path, profile: Path, *switches: str, kind: type[Tab] = Tab
) -> Iterator[Callable[[str], Tab]]:
    """What opens an address in a tab, alone; `chromium` is Playwright's, `unpacked` the extension's folder."""
    context = chromium.launch_persistent_context(
        profile,
        executable_path=browser_lane.chromium(),
        viewport={"width": 1000, "height": 700},
        args=["--enable-unsafe-extension-debugging", *switches],
        ignore_default_args=["--disable-extensions"],
    )
    loaded = context.browser.new_browser_cdp_session().send(
        "Extensions.loadUnpacked", {"path": str(unpacked)}
    )
    shown: list[Tab] = []

    def opened(address: str) -> Tab:
        for tab in shown:
            tab.page.close()
        shown[:] = [kind(context, loaded["id"], address)]
        return shown[0]

    yield opened
    context.close()
