"""A real Jupyter in a real browser, with methods for what a user does there."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
SECONDS = 900  # longest wait for an event; generous, because the computer may be busy
SCREENSHOTS = ROOT / "build" / "explorers"
WAITED: list[tuple[str, int, float]] = []  # notebook, index of the explorer, seconds from a change to a new image
# waits for all explorers, then prints how many were computing
WAIT = """
import threading
computing = [thread for thread in threading.enumerate() if thread.name == "explorer"]
for thread in computing:
    thread.join()
print(len(computing))
"""
# by the name of their module: the address of a notebook, and the class for their options
FRONT_ENDS = {"jupyterlab": ("doc/tree", "LabApp"), "notebook": ("notebooks", "JupyterNotebookApp")}
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # otherwise, cells that are not visible would not exist
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


def find_browser() -> str:
    """The command of an installed Chromium. Raises a RuntimeError that says how to get one."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise RuntimeError(
        f"there is no Chromium (looked for {', '.join(BROWSERS)}); wanted for the browser tests: `apt-get install "
        "chromium` on Debian, or your system's package."
    )


@contextlib.contextmanager
def lab(folder: Path, front_end: str = "jupyterlab"):
    """JupyterLab or Notebook 7 over a folder; gives the address of its notebooks. Its kernels import this copy of
    helpers.
    """
    where, application = FRONT_ENDS[front_end]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, chosen in SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(chosen))
    away = {"JUPYTERLAB_SETTINGS_DIR": folder / "settings", "JUPYTER_CONFIG_DIR": folder, "JUPYTER_RUNTIME_DIR": folder}
    environment = {**os.environ, **{name: str(path) for name, path in away.items()}, "PYTHONPATH": str(ROOT)}
    environment.pop("COURSE_HEADLESS", None)  # there is a user
    options = {
        "ServerApp.port": port,
        "ServerApp.root_dir": folder,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": "",
        f"{application}.expose_app_in_browser": True,
    }
    command = [
        sys.executable,
        "-m",
        front_end,
        "--no-browser",
        *(f"--{key}={value}" for key, value in options.items()),
    ]
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address + "/api", server)
        yield f"{address}/{where}"
    finally:
        server.terminate()
        try:
            server.wait(timeout=60)  # it first ends its kernels
        except subprocess.TimeoutExpired:
            server.kill()  # its kernels then end on their own
            server.wait()


def wait_for(address: str, server: subprocess.Popen) -> None:
    """Wait until the server answers."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError("Jupyter did not start; see its server.log.") from None
            time.sleep(0.2)


class Notebook:
    """An open notebook, with a kernel."""

    def __init__(self, browser: Browser, address: str, name: str, **options):
        self.page: Page = browser.new_page(viewport={"width": 1100, "height": 900}, **options)
        self.page.set_default_timeout(1000 * SECONDS)
        self.page.goto(f"{address}/{name}")
        self.page.wait_for_function(
            "window.jupyterapp?.shell?.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'"
        )

    def run_all(self) -> None:
        """Run every cell. Raises an AssertionError with the first error."""
        assert self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        errors = self.page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
        assert errors.count() == 0, errors.first.inner_text()

    def run(self, cell: str, source: str | None = None) -> Locator:
        """Run the cell with this id, after replacing its source by `source`, if given. Returns the cell."""
        place = self.page.evaluate(
            """id => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                notebook.activeCellIndex = notebook.widgets.findIndex(cell => cell.model.id === id);
                return notebook.activeCellIndex;
            }""",
            cell,
        )
        found = self.page.locator(".jp-Notebook .jp-Cell").nth(place)
        if source is not None:
            found.locator(".cm-content").fill(source)
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell')")
        return found

    def ask(self, code: str) -> str:
        """The printed output of code that is run in the notebook's kernel."""
        return self.page.evaluate(
            """async code => {
                const kernel = window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
                const future = kernel.requestExecute({ code, store_history: false });
                let printed = "";
                future.onIOPub = ({ header, content }) => {
                    if (header.msg_type === "stream") printed += content.text;
                    if (header.msg_type === "error") printed += content.ename + ": " + content.evalue;
                };
                await future.done;
                return printed.trim();
            }""",
            code,
        )

    def wait_for(self, expression: str, wanted: str) -> None:
        """Wait until the kernel prints this for an expression."""
        until = time.monotonic() + SECONDS
        while (printed := self.ask(f"print({expression})")) != wanted:
            assert time.monotonic() < until, f"{expression} is {printed}; wanted {wanted}"
            self.page.wait_for_timeout(100)

    def darken(self, dark: bool) -> None:
        """Switch to JupyterLab's dark or light theme."""
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
        self.page.wait_for_function(f"document.body.dataset.jpThemeLight === '{'false' if dark else 'true'}'")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")  # it covers the page during the change

    def explorers(self) -> list["Explorer"]:
        return [Explorer(self, box) for box in self.page.locator(".explorer").all()]

    def close(self) -> None:
        """Close it and end its kernel, which would otherwise keep its memory."""
        self.page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
        self.page.close()


class Explorer:
    """An explorer in a notebook."""

    def __init__(self, notebook: Notebook, box: Locator):
        self.notebook, self.box, self.page = notebook, box, notebook.page
        self.image = box.locator("img.widget-image")
        self.message = box.locator(".explorer-message")

    def settle(self) -> str:
        """Wait until the computation is done. Returns the message above the image."""
        idle = 0
        while idle < 2:  # twice, because a change may still be on its way to the kernel
            idle = idle + 1 if self.notebook.ask(WAIT) == "0" else 0
            self.page.wait_for_timeout(100)
        self.box.locator(".explorer-bar:visible").wait_for(state="hidden")
        return self.message.inner_text().strip()

    def pixels(self) -> str:
        """The bytes of the displayed image, in base64."""
        return self.image.evaluate(
            """async image => {
                const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
                return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
            }"""
        )

    def seconds_to_an_image(self, move: Callable[[], object]) -> float | None:
        """Move a control and let it settle. Returns the seconds to the first new image, if there is one."""
        self.image.evaluate(
            """image => {
                const start = performance.now();
                window.another = null;
                new MutationObserver((changes, observer) => {
                    observer.disconnect();
                    window.another = (performance.now() - start) / 1000;
                }).observe(image, { attributes: true, attributeFilter: ["src"] });
            }"""
        )
        move()
        self.settle()
        return self.page.evaluate("window.another")

    def handle(self, name: str) -> Locator:
        """The handle of a slider, which accepts arrow keys."""
        return self.row(name).locator(".noUi-handle")

    def row(self, name: str) -> Locator:
        """The control with this label."""
        return self.box.locator(".widget-inline-hbox").filter(has=self.page.get_by_text(name, exact=True))

    @property
    def paper(self) -> Locator:
        """The canvas."""
        return self.box.locator(".drawing-layer")

    def stroke(self, *places: tuple[float, float]) -> None:
        """Draw a line with the mouse through these points (x, y), from 0 to 1."""
        self.paper.scroll_into_view_if_needed()
        box, mouse = self.paper.bounding_box(), self.page.mouse
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
        mouse.move(*points[0])
        mouse.down()
        for point in points[1:]:
            mouse.move(*point, steps=5)
        mouse.up()
