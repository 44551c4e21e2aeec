"""The web page as a visitor's browser talks to it: right pictures, honest refusals, bounded work."""

import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import kdsharp
from kdsharp import data, recipes
from kdsharp.apps import pictures
from kdsharp.deploy import sharpen

pytest.importorskip("flask")
pytest.importorskip("waitress")

from kdsharp.apps import uploads, web


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.read_image(data.embedded_photos("val")[0])[:120, :160]


@pytest.fixture(scope="module")
def client():
    return web.create_app(
        web.Limits(megabytes=2, megapixels=1.0, result_megapixels=4.0, per_minute=10_000)
    ).test_client()


def encoded(image: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def send(client, content: bytes | None, name: str = "a.png", **form: object):
    fields = {key: str(value) for key, value in form.items()}
    if content is not None:
        fields["picture"] = (BytesIO(content), name)
    return client.post("/sharpen", data=fields, content_type="multipart/form-data")


@pytest.mark.parametrize("student", ["call-s", "x2-s"])
def test_the_answer_is_what_the_command_line_gives(
    client, photo: np.ndarray, student: str, tmp_path: Path
) -> None:
    (tmp_path / "in.png").write_bytes(encoded(photo))
    answer = send(client, encoded(photo), student=student, strength=0.7)
    assert answer.status_code == 200 and answer.mimetype == "image/png"
    ready = sharpen.load_student(student, engine="onnx")
    pictures.sharpen_file(tmp_path / "in.png", tmp_path / "out.png", ready, 0.7)
    with Image.open(BytesIO(answer.data)) as opened:
        assert np.array_equal(np.array(opened), data.read_image(tmp_path / "out.png"))
    assert 0.8 < float(answer.headers["X-Agreement"]) <= 1 and float(answer.headers["X-Milliseconds"]) > 0
    assert answer.headers["X-Confidence"] == answer.headers["X-Agreement"]  # its earlier name


def test_alpha_and_sixteen_bits_come_back(client, photo: np.ndarray) -> None:
    alpha = np.full(photo.shape[:2], 90, np.uint8)
    with Image.open(BytesIO(send(client, encoded(np.dstack([photo, alpha]))).data)) as opened:
        assert opened.mode == "RGBA" and (np.array(opened)[..., 3] == 90).all()
    deep = cv2.imencode(".png", photo.astype(np.uint16) * 257)[1].tobytes()
    answer = cv2.imdecode(np.frombuffer(send(client, deep).data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert answer.dtype == np.uint16


def animated(photo: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(photo).save(buffer, "PNG", save_all=True, append_images=[Image.fromarray(255 - photo)])
    return buffer.getvalue()


def bomb() -> bytes:
    return encoded(np.zeros((8000, 8000), np.uint8), "PNG")  # 64 megapixels in 64 KB


def planar(values: np.ndarray) -> bytes:
    """A 16-bit TIFF whose samples lie in planes, as OpenCV does not read it."""
    tifffile.imwrite(
        buffer := BytesIO(), values.astype(np.uint16), photometric="rgb", planarconfig="separate"
    )
    return buffer.getvalue()


def test_nobody_gets_what_was_in_memory(client, photo: np.ndarray) -> None:
    """Visitors before have left their pictures there; the answer to a black one holds nothing."""
    for _ in range(4):
        assert send(client, planar(photo.transpose(2, 0, 1).astype(np.uint16) * 257)).status_code == 200
        answer = send(client, planar(np.zeros((3, 64, 96))))
        assert answer.status_code == 200
        assert not cv2.imdecode(np.frombuffer(answer.data, np.uint8), cv2.IMREAD_UNCHANGED).any()


ODD = {
    "float RGB": lambda photo: {"data": (photo / 255).astype(np.float32), "photometric": "rgb"},
    "grey and alpha": lambda photo: {
        "data": photo[..., :2].astype(np.uint16) * 257,
        "photometric": "minisblack",
        "extrasamples": ["unassalpha"],
        "planarconfig": "contig",
    },
    "signed": lambda photo: {"data": photo[..., 0].astype(np.int16) - 128},
    "inks": lambda photo: {"data": photo[..., [0, 1, 2, 0]].astype(np.uint16), "photometric": "separated"},
    "no number": lambda photo: {"data": np.full((9, 9), np.nan, np.float32)},
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_tiffs_get_a_picture_or_a_sentence(client, photo: np.ndarray, kind: str) -> None:
    tifffile.imwrite(buffer := BytesIO(), **ODD[kind](photo))
    answer = send(client, buffer.getvalue())
    if kind in ("float RGB", "grey and alpha"):
        assert answer.status_code == 200
    else:
        assert answer.status_code == 400 and "8 or 16 bits" in answer.json["error"]


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "TIFF", "planar"]),
    edits=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), max_size=4),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_no_upload_is_a_fault_of_the_server(
    client, photo: np.ndarray, kind: str, edits: list, kept: float
) -> None:
    small = photo[:20, :30]
    content = bytearray(planar(small.transpose(2, 0, 1)) if kind == "planar" else encoded(small, kind))
    content = content[: int(kept * len(content))]
    for place, value in edits if content else []:
        content[int(place**3 * len(content))] = value
    answer = send(client, bytes(content))
    assert answer.status_code in (200, 400, 413, 415)
    assert answer.status_code == 200 or len(answer.json["error"]) > 10


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BROKEN = {
    "truncated": (lambda photo: encoded(photo)[:-4000], 400),
    "nothing": (lambda photo: b"", 415),
    "text": (lambda photo: b"hello", 415),
    "svg with script": (lambda photo: SVG, 415),
    "gif": (lambda photo: encoded(photo, "GIF"), 415),
    "animated": (animated, 400),
    "bomb": (lambda photo: bomb(), 413),
    "head of a png": (lambda photo: b"\x89PNG\r\n\x1a\n" + b"\0" * 50, 415),
    "too many bytes": (lambda photo: encoded(photo) + b"\0" * 3_000_000, 413),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("kind", BROKEN)
def test_bad_uploads_get_a_sentence(client, photo: np.ndarray, kind: str) -> None:
    make, status = BROKEN[kind]
    answer = send(client, make(photo))
    assert answer.status_code == status, answer.data[:200]
    assert answer.json["error"].endswith((".", "again.")) and "Traceback" not in answer.json["error"]


def test_bad_requests_get_a_sentence(client, photo: np.ndarray) -> None:
    good = encoded(photo)
    for answer, status in (
        (send(client, None), 400),
        (send(client, good, student="../../etc/passwd"), 400),
        (send(client, good, strength="much"), 400),
        (send(client, good, strength="nan"), 400),
        (send(client, good, strength="7"), 400),
        (client.get("/sharpen"), 405),
        (client.get("/../../etc/passwd"), 404),
        (client.post("/sharpen", data=b"\0\1\2", content_type="multipart/form-data; boundary=x"), 400),
    ):
        assert answer.status_code == status and len(answer.json["error"]) > 10
    assert send(client, good, name="../../../tmp/evil.png").status_code == 200  # a name is never used


def test_an_enlarging_student_has_a_limit_of_its_own(client) -> None:
    large = encoded(np.zeros((900, 1000, 3), np.uint8), "JPEG")
    assert send(client, large).status_code == 200
    assert send(client, large, student="x4-s").status_code == 413


def test_a_visitor_who_asks_too_often_has_to_wait(photo: np.ndarray) -> None:
    client = web.create_app(web.Limits(per_minute=3)).test_client()
    found = [send(client, encoded(photo)).status_code for _ in range(5)]
    assert found == [200, 200, 200, 429, 429]


def test_only_so_many_are_in_work(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    app = web.create_app(web.Limits(at_once=1, wait_seconds=0.1))
    go, entered, real = threading.Event(), threading.Event(), pictures.sharpened

    def slow(*arguments: object) -> pictures.Picture:
        entered.set()
        go.wait(10)
        return real(*arguments)

    monkeypatch.setattr(pictures, "sharpened", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: send(app.test_client(), encoded(photo)).status_code)
        assert entered.wait(10)
        assert send(app.test_client(), encoded(photo)).status_code == 503
        go.set()
        assert first.result() == 200
    assert send(app.test_client(), encoded(photo)).status_code == 200


def test_the_page_and_its_example(client) -> None:
    page = client.get("/")
    assert page.status_code == 200 and "no original" in page.text and "call-s" in page.text
    assert "frame-ancestors" in page.headers["Content-Security-Policy"]
    example = client.get("/live/example.png")
    assert send(client, example.data).status_code == 200


def test_agreement_falls_where_the_picture_is_changed(photo: np.ndarray) -> None:
    student = sharpen.load_student("call-s", engine="onnx")
    assert uploads.agreement(photo, photo) == pytest.approx(1)
    _, poor = kdsharp.degrade(photo, recipes.fixed_call(2, 70))  # a good one is left alone
    honest = uploads.agreement(poor, student(poor))
    changed = photo.copy()
    changed[30:90, 40:120] = changed[30:90, 40:120][::-1]
    assert uploads.agreement(photo, changed) < honest < 1


@pytest.fixture
def server():
    """The page as `kdsharp web` serves it, in a process of its own, with room for a crowd."""
    port = random.Random().randint(20_000, 60_000)
    script = (
        "import sys; from kdsharp.apps import web\n"
        "web.serve(port=int(sys.argv[1]), limits=web.Limits(megapixels=4.0, per_minute=100_000))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(port)])
    address = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 120
    while True:
        assert process.poll() is None and time.monotonic() < end, "the server did not start"
        try:
            urllib.request.urlopen(address, timeout=5).read()
            break
        except OSError:
            time.sleep(0.1)
    yield address, process.pid
    process.terminate()
    process.wait(20)


def resident(pid: int) -> int:
    line = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return 1024 * int(line.split()[1])


def upload(address: str, content: bytes, name: str) -> tuple[int, float]:
    """The status of one upload, and how long its answer took in s."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="picture"; filename="' + name.encode() + b'"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--x--\r\n"
    )
    request = urllib.request.Request(
        f"{address}/sharpen", body, {"Content-Type": "multipart/form-data; boundary=x"}
    )
    began = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()
            return answer.status, time.perf_counter() - began
    except urllib.error.HTTPError as error:
        error.read()
        return error.code, time.perf_counter() - began


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_crowd_of_which_every_fifth_sends_something_broken(
    server: tuple[str, int], photo: np.ndarray, capsys: pytest.CaptureFixture
) -> None:
    """500 uploads by 16 clients: no 500, honest status codes, and memory comes back."""
    address, pid = server
    good = encoded(photo, "JPEG", quality=90)
    wrong = [(make(photo), status) for kind, (make, status) in BROKEN.items()
             if kind != "too many bytes"]  # fmt: skip
    names = ["a.png", "../../etc/passwd", "ü 写真.png", "x" * 200]
    jobs = [
        (*wrong[number // 5 % len(wrong)], names[number % 4])
        if number % 5 == 0
        else (good, 200, names[number % 4])
        for number in range(500)
    ]

    def run(some: list[tuple[bytes, int, str]]) -> list[tuple[int, int, float]]:
        with ThreadPoolExecutor(16) as clients:
            return list(clients.map(lambda job: (job[1], *upload(address, job[0], job[2])), some))

    run(jobs[:100])  # buffers, engines and threads are there from here on
    before = resident(pid)
    answers = run(jobs)
    time.sleep(1)
    after = resident(pid)
    assert Counter(found for _, found, _ in answers if found >= 500) == Counter()
    assert all(expected == found for expected, found, _ in answers)
    slowest = sorted(seconds for _, _, seconds in answers)[int(0.95 * len(answers))]
    with capsys.disabled():
        print(
            f"\n500 uploads, 16 clients: p95 {slowest * 1000:.0f} ms, {before / 1e6:.0f} -> {after / 1e6:.0f} MB"
        )
    assert after < 1.1 * before
