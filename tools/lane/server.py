"""A JupyterLab server of one's own: the user's settings and kernels are neither read nor changed."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from kdsharp.disk import files
from kdsharp.errors import KdsharpError

START_SECONDS = 120  # for the server, and for the page
SETTINGS = {
    # Every cell has to be in the page, seen or not; pictures of it should end where the notebook does.
    "notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@dataclass(frozen=True)
class Server:
    """A running JupyterLab server."""

    address: str
    token: str
    log: Path

    def ask(self, path: str, method: str = "GET") -> Any:
        """The answer of the server's REST interface."""
        request = urllib.request.Request(
            f"{self.address}/{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read() or b"null")

    def close_kernels(self) -> None:
        """Shut down every kernel: two of them side by side would share the memory."""
        for session in self.ask("api/sessions"):
            self.ask(f"api/sessions/{session['id']}", "DELETE")


@contextlib.contextmanager
def serve(scratch: Path, notebooks: list[Path]) -> Iterator[Server]:
    """A server whose files, settings and kernels are all in `scratch`, with the notebooks copied there."""
    _copy(notebooks, scratch / "notebooks")
    for name, values in SETTINGS.items():
        files.write_json(scratch / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings", values)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}", os.urandom(16).hex(), scratch / "server.log")
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": scratch / "notebooks",
        "ServerApp.allow_root": True,
        "IdentityProvider.token": server.token,
        "LabApp.expose_app_in_browser": True,
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with open(server.log, "wb") as log:
        process = subprocess.Popen(command, env=_environment(scratch), stdout=log, stderr=log, cwd=scratch)
    try:
        _await(server, process)
        yield server
        server.close_kernels()
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _copy(notebooks: list[Path], folder: Path) -> None:
    """The notebooks without outputs, so that nothing of an earlier run passes for this one's."""
    folder.mkdir(parents=True)
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata.pop("widgets", None)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, folder / path.name)


def _environment(scratch: Path) -> dict[str, str]:
    """Variables of the server and its kernels: settings, kernels and start-up files of the user stay out."""
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "share",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    return (
        os.environ
        | {name: str(scratch / folder) for name, folder in folders.items()}
        | {"KDSHARP_PROFILE": "quick", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    )


def _await(server: Server, process: subprocess.Popen) -> None:
    """Return when the server answers; raises KdsharpError with the end of its log if it never does."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            server.ask("api/status")
            return
        except OSError:
            time.sleep(0.3)
    tail = server.log.read_text(encoding="utf-8", errors="replace")[-1500:]
    raise KdsharpError(f"JupyterLab did not start; its log ends:\n{tail}")
