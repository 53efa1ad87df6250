"""A small double of the Hugging Face hub's file API, on loopback, for huggingface_hub's own client to download from.

It can refuse as the hub does, and break off. Source of the answers and headers: huggingface_hub's `utils/_http.py`
and `file_download.py`, which read them.

    python -m tests.hub_double command …      with the two stages of "deepfloyd" in small, for as long as it runs
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

TOKEN = "hf_a_token_that_has_accepted"
OTHER_TOKEN = "hf_a_token_that_has_not_accepted"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """A server for the models {name: folder}; to be used with `with`. `gated` names want TOKEN.

    breaks: a suffix; every answer with such a file ends after half of it.
    downloads: the files that were asked for, as name/path.
    """

    def __init__(self, models: dict[str, Path], gated: bool = False):
        self.models, self.gated = models, gated
        self.breaks = None
        self.downloads = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                hub.answer(self)

            def do_GET(self):
                hub.answer(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Hub":
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *args) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = [unquote(part) for part in urlsplit(request.path).path.strip("/").split("/")]
        token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in ("", TOKEN, OTHER_TOKEN):
            return self.refuse(request, 401, message="Invalid credentials in Authorization header")
        if parts[:2] == ["api", "models"]:
            name, (what, *_) = "/".join(parts[2:4]), parts[4:] or ["revision"]
            if name not in self.models:
                return self.refuse(request, 404 if token else 401, "RepoNotFound")  # it may be private
            return self.send_json(request, self.tree(name) if what == "tree" else self.info(name))
        name, file = "/".join(parts[:2]), "/".join(parts[4:])
        if self.gated and token != TOKEN:
            return self.refuse(request, 403 if token == OTHER_TOKEN else 401, "GatedRepo")
        return self.send_file(request, name, file)

    def files(self, name: str) -> list[Path]:
        return sorted(file for file in self.models[name].rglob("*") if file.is_file())

    def info(self, name: str) -> dict:
        siblings = [{"rfilename": file.relative_to(self.models[name]).as_posix()} for file in self.files(name)]
        return {"id": name, "modelId": name, "sha": COMMIT, "private": False, "siblings": siblings, "tags": []}

    def tree(self, name: str) -> list[dict]:
        return [
            {
                "type": "file",
                "path": file.relative_to(self.models[name]).as_posix(),
                "size": file.stat().st_size,
                "oid": etag(file),
            }
            for file in self.files(name)
        ]

    def refuse(self, request: BaseHTTPRequestHandler, status: int, code: str = "", message: str = "") -> None:
        request.send_response(status)
        for header, text in (("X-Error-Code", code), ("X-Error-Message", message)):
            if text:
                request.send_header(header, text)
        self.finish(request, b"{}")

    def send_json(self, request: BaseHTTPRequestHandler, what) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        self.finish(request, json.dumps(what).encode())

    def send_file(self, request: BaseHTTPRequestHandler, name: str, file: str) -> None:
        data = (self.models[name] / file).read_bytes()
        request.send_response(200)
        request.send_header("ETag", f'"{etag(self.models[name] / file)}"')
        request.send_header("X-Repo-Commit", COMMIT)
        if request.command == "GET":
            self.downloads.append(f"{name}/{file}")
        self.finish(request, data, self.breaks is not None and file.endswith(self.breaks))

    def finish(self, request: BaseHTTPRequestHandler, body: bytes, breaks_off: bool = False) -> None:
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "HEAD":
            return
        request.wfile.write(body[: len(body) // 2] if breaks_off else body)
        if breaks_off:
            request.close_connection = True


def etag(file: Path) -> str:
    """The hub's, for a small file: git's hash of it."""
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def main() -> int:
    """Run a command for which this is the hub, with nothing in its cache."""
    from ci.tiny_if import save_tiny_if

    names = ("DeepFloyd/IF-I-XL-v1.0", "DeepFloyd/IF-II-L-v1.0")
    with tempfile.TemporaryDirectory() as folder:
        stages = Path(folder) / "I", Path(folder) / "II"
        save_tiny_if(*stages)
        with Hub(dict(zip(names, stages)), gated=True) as hub:
            own = {"HF_ENDPOINT": hub.url, "HF_HOME": f"{folder}/home", "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0"}
            status = subprocess.run(sys.argv[1:], env=os.environ | own).returncode
            print(f"{len(hub.downloads)} files were downloaded")
            return status or not hub.downloads


if __name__ == "__main__":
    sys.exit(main())
