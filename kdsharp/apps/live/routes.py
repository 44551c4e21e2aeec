"""The same page from a server: the addresses under /live, for the application of `web`."""

from functools import cache
from pathlib import Path
from typing import Any

from kdsharp.apps.live import site
from kdsharp.apps.live.runtime import PAGES, RUNTIME

_KINDS = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
}
_BYTES = "application/octet-stream"
# Isolated pages get memory that threads share; the policy lets nothing in from elsewhere, and nothing out.
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-cache",
}


def blueprint(flask: Any, students: dict[str, str]) -> Any:
    """A Flask blueprint. Raises KdsharpError for an unknown student.

    Networks are opened here and kept as they are: what is unknown is said now, and no visitor waits for an export.
    """
    networks, content_of = site.networks_of(students), cache(site.network_file)
    routes = flask.Blueprint("live", __name__, url_prefix="/live")

    def send(folder: Path, name: str) -> Any:
        kind = _KINDS.get(Path(name).suffix, _BYTES)
        return flask.send_from_directory(folder, name, mimetype=kind)

    @routes.get("/")
    def page() -> str:
        return site.html("live.html")

    @routes.get("/site.json")
    def described() -> dict:
        return site.description(networks, upload=True)

    @routes.get("/example.png")
    def picture() -> Any:
        return flask.Response(site.example(), mimetype="image/png")

    @routes.get("/networks/<name>")
    def network(name: str) -> Any:
        for described in networks:
            for kind in site.kinds_of(described):
                if name == f"{described['name']}{site.KINDS[kind]}":
                    return flask.Response(content_of(students[described["name"]], kind), mimetype=_BYTES)
        flask.abort(404)

    @routes.get(f"/{RUNTIME}/<name>")
    def runtime(name: str) -> Any:
        return send(PAGES / RUNTIME, name)

    @routes.get("/<name>")
    def asset(name: str) -> Any:
        if name not in (*site.ASSETS, "upload.js"):
            flask.abort(404)
        return send(PAGES, name)

    @routes.after_request
    def isolated(response: Any) -> Any:
        response.headers.update(_HEADERS)
        return response

    return routes
