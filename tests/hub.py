"""A real JupyterHub on this machine, with the course's own configuration, for as long as needed.

    with hub.running(folder) as running:
        server = running.start("ada")           # her Jupyter server, reached with a token of hers
        with server.kernel() as kernel:
            assert kernel.run("print(6 * 7)") == "42\\n"

All users share one account and one password: this is no hub for people. What it loads of
workshop/hub/jupyterhub_config.py, and what it adds, is in CONFIG. Its proxy is the one in pure
Python, which pip alone can install; it answers ten requests at once, each within 20 s.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests
import websocket

ROOT = Path(__file__).resolve().parent.parent
COURSE_CONFIG = ROOT / "workshop" / "hub" / "jupyterhub_config.py"
PASSWORD = "built twice, in one room"
MARK = "COURSE_HUB"  # a variable that all processes of one hub have, to find them by
SECONDS = 120  # for whatever should answer soon, on a machine that has other work
LESSON_SECONDS = 600  # for one cell of a lesson
CONFIG = """\
load_subconfig({course!r})
c.JupyterHub.bind_url = "http://127.0.0.1:{ports[0]}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{ports[1]}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{ports[2]}"
c.ConfigurableHTTPProxy.command = {proxy!r}
c.JupyterHub.log_level = "INFO"
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0}}  # as the chart has it
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = [*c.Spawner.args, *{args!r}]
c.Spawner.environment = {{**c.Spawner.environment, **{environment!r}}}
c.Spawner.start_timeout = c.Spawner.http_timeout = {seconds}
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = {password!r}
c.Authenticator.allow_all = True
c.JupyterHub.services = [{{"name": "instructor", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{
        "name": "instructor",
        "services": ["instructor"],
        "scopes": ["admin:users", "admin:servers", "access:servers", "admin:groups", "tokens"],
    }}
]
"""


class Failure(RuntimeError):
    """The hub, a server or a kernel did not do what it was asked; the message says what it said."""


def call(session: requests.Session, method: str, url: str, **options) -> requests.Response:
    """Make a request; raise Failure with what the other side says, unless it succeeds."""
    try:
        response = session.request(method, url, timeout=SECONDS, **options)
    except requests.RequestException as error:
        raise Failure(f"{method} {url}: {error}") from None
    if not response.ok:
        raise Failure(f"{method} {url}: {response.status_code} {response.text[:500]}")
    return response


@contextlib.contextmanager
def connected(what: str) -> Iterator[None]:
    """Raise Failure where a websocket cannot be opened or used, or the other side closes it."""
    try:
        yield
    except (websocket.WebSocketException, OSError, json.JSONDecodeError) as error:
        raise Failure(f"{what}: {type(error).__name__}: {error}") from None


def with_token(token: str) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"token {token}"
    return session


def publish(folder: Path) -> str:
    """Make a Git repository of the course as it is here; return the address to pull it from."""
    course = folder / "generative-models"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, found.decode().split("\0")):
        if (ROOT / name).exists():  # not deleted since the last commit
            (course / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, course / name, follow_symlinks=False)
    author = ["-c", "user.name=author", "-c", "user.email=author@example.org"]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}  # which may want it signed
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all", "--force"],
        [*author, "commit", "--quiet", "--no-verify", "--message=The course"],
    ):
        subprocess.run(["git", *command], cwd=course, check=True, env=environment)
    return course.as_uri()


@dataclass
class Kernel:
    """A running kernel, reached over its websocket."""

    server: Server
    id: str
    socket: websocket.WebSocket = field(repr=False)

    def execute(self, code: str, seconds: float = SECONDS) -> list[dict]:
        """Run a cell, return its outputs as messages' contents; raise Failure if it fails."""
        outputs = []
        for message in self.answers(self.begin(code), seconds):
            if message["msg_type"] == "error":
                raise Failure("\n".join(message["content"]["traceback"]))
            if message["content"].get("status") == "aborted":
                raise Failure(f"the kernel has not run this cell: {code}")
            if message["msg_type"] in ("stream", "display_data", "execute_result"):
                outputs.append(message["content"])
        return outputs

    def begin(self, code: str) -> str:
        """Send a cell, and do not wait; return what `answers` knows it by."""
        identity = uuid.uuid4().hex
        header = {"msg_id": identity, "msg_type": "execute_request", "version": "5.3"}
        # A kernel that stops on an error drops, for a moment, what comes next: here nothing waits.
        content = {"code": code, "silent": False, "store_history": True, "stop_on_error": False}
        request = {
            "channel": "shell",
            "header": {**header, "session": self.id, "username": ""},
            "parent_header": {},
            "metadata": {},
            "content": {**content, "user_expressions": {}, "allow_stdin": False},
        }
        with connected("sending a cell"):
            self.socket.send(json.dumps(request))
        return identity

    def answers(self, identity: str, seconds: float) -> Iterator[dict]:
        """Pass on what comes back of a cell, to the end: its reply, and that it is idle."""
        awaited, until = {"execute_reply", "idle"}, time.monotonic() + seconds
        while awaited:
            self.socket.settimeout(max(until - time.monotonic(), 0.001))
            with connected(f"waiting {seconds} s for an answer"):
                message = json.loads(self.socket.recv())
            state = message["content"].get("execution_state")
            if state in ("restarting", "dead"):
                raise Failure(f"the kernel died and is {state}")
            if message["parent_header"].get("msg_id") == identity:
                yield message
                awaited -= {message["msg_type"], state}

    def run(self, code: str, seconds: float = SECONDS) -> str:
        """Run a cell and return what it prints."""
        return "".join(output.get("text", "") for output in self.execute(code, seconds))

    def send(self, action: str) -> None:
        """Ask the server to "interrupt" or "restart" the kernel."""
        self.server.api("POST", f"kernels/{self.id}/{action}", json={})


@dataclass
class Server:
    """A learner's own Jupyter server, reached with a token that this learner asked the hub for."""

    name: str
    url: str  # up to and with /user/NAME/
    home: Path
    token: str
    session: requests.Session = field(repr=False)

    def api(self, method: str, path: str, **options):
        """Call the Jupyter server's REST API; return what it says, None for nothing."""
        response = call(self.session, method, f"{self.url}api/{path}", **options)
        return response.json() if response.content else None

    @contextlib.contextmanager
    def kernel(self, folder: str = "") -> Iterator[Kernel]:
        """A new kernel that works in a folder of the learner's home."""
        # A session, as JupyterLab makes it for a notebook, is what gives a kernel its folder.
        name = f"{folder}/{uuid.uuid4().hex}.ipynb".lstrip("/")
        request = {"path": name, "type": "notebook", "name": name, "kernel": {"name": "python3"}}
        identity = self.api("POST", "sessions", json=request)["kernel"]["id"]
        address = f"{self.url.replace('http', 'ws', 1)}api/kernels/{identity}/channels"
        with connected(address):
            connection = websocket.create_connection(
                address, timeout=SECONDS, header=[f"Authorization: token {self.token}"]
            )
        try:
            yield Kernel(self, identity, connection)
        finally:
            connection.close()

    def run_notebook(self, kernel: Kernel, path: str) -> list[dict]:
        """Run all code cells of a notebook in a kernel; return the last one's outputs."""
        notebook, outputs = self.api("GET", f"contents/{path}")["content"], []
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                outputs = kernel.execute(cell["source"], LESSON_SECONDS)
        return outputs

    def pull(self, repository: str, branch: str = "main") -> None:
        """Get the course as nbgitpuller's links do, and wait until it is there."""
        query = {"repo": repository, "branch": branch}
        said = call(self.session, "GET", f"{self.url}git-pull/api", params=query).text
        if '"phase": "finished"' not in said:
            raise Failure(f"nbgitpuller did not finish:\n{said}")


@dataclass
class Hub:
    """A hub that runs."""

    url: str  # http://127.0.0.1:PORT/
    folder: Path
    token: str  # of a service that may do all
    process: subprocess.Popen = field(repr=False)

    def home(self, name: str) -> Path:
        return self.folder / "homes" / name

    def api(self, method: str, path: str, **options):
        """Call the hub's REST API as the instructor; return what it says, None for nothing."""
        response = call(with_token(self.token), method, f"{self.url}hub/api/{path}", **options)
        return response.json() if response.content else None

    def login(self, name: str, password: str = PASSWORD) -> requests.Session:
        """Log a learner in as a browser does, by the form; the session has the cookies."""
        session = requests.Session()
        page = f"{self.url}hub/login?next=%2Fhub%2Fhome"
        call(session, "GET", page)
        xsrf = next(cookie.value for cookie in session.cookies if cookie.name == "_xsrf")
        form = {"username": name, "password": password, "_xsrf": xsrf}
        response = call(session, "POST", page, data=form)
        if not response.url.endswith("/hub/home"):
            raise Failure(f"{name} was not let in: {response.url}")
        return session

    def start(self, name: str) -> Server:
        """Log a learner in, start their server, and wait until it answers."""
        session = self.login(name)
        # A page of the hub has the value that its own requests carry.
        xsrf = {
            "X-XSRFToken": next(
                cookie.value
                for cookie in session.cookies
                if cookie.name == "_xsrf" and cookie.path == "/hub/"
            )
        }
        user = f"{self.url}hub/api/users/{name}"
        request = {"note": "the tests", "expires_in": 24 * 3600}
        answer = call(session, "POST", f"{user}/tokens", json=request, headers=xsrf)
        token = answer.json()["token"]
        own = with_token(token)
        # With a body: the proxy would take one without for a form, which the hub refuses.
        call(own, "POST", f"{user}/server", json={})
        until = time.monotonic() + SECONDS
        while not self.api("GET", f"users/{name}").get("servers", {}).get("", {}).get("ready"):
            if time.monotonic() > until:
                raise Failure(f"{name}'s server is not ready after {SECONDS} s:\n{self.log()}")
            time.sleep(0.2)
        url = f"{self.url}user/{name}/"
        return Server(name, url, self.home(name), token, own)

    def stop(self, name: str) -> None:
        """Stop a learner's server."""
        self.api("DELETE", f"users/{name}/server")

    def log(self, lines: int = 40) -> str:
        """The end of what the hub, its proxy and all servers have said."""
        said = (self.folder / "hub.log").read_text("utf-8", errors="replace")
        return "\n".join(said.splitlines()[-lines:])

    def processes(self, name: str | None = None) -> list[psutil.Process]:
        """All processes of the hub: its proxy, servers, kernels; or all of one learner."""
        marks = {MARK: str(self.folder)} | ({"JUPYTERHUB_USER": name} if name else {})
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if marks.items() <= process.environ().items():
                    found.append(process)
        return found


@contextlib.contextmanager
def running(
    folder: Path, *, config: str = "", environment: dict[str, str] | None = None
) -> Iterator[Hub]:
    """Start a hub that keeps all it writes in `folder`, learners' homes in folder/homes/NAME.

    `config` is Python put behind CONFIG, `environment` adds to the learners'. When it ends, so do
    all servers and kernels. Where COURSE_DATA is not set, learners share an empty folder, so that
    a lesson looks for data as on any machine.
    """
    folder = folder.resolve()
    with contextlib.ExitStack() as stack:
        free = [stack.enter_context(socket.socket()) for _ in range(3)]
        for one in free:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in free]
    (folder / "homes").mkdir(parents=True, exist_ok=True)
    (folder / "no-data").mkdir(exist_ok=True)
    token = secrets.token_hex(16)
    own = {
        MARK: str(folder),
        # What runs here is the course of this folder, whatever else is installed.
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PATH": os.environ["PATH"],
        "COURSE_RAISE_INTERRUPT": "1",
        **(environment or {}),
    }
    (folder / "jupyterhub_config.py").write_text(
        CONFIG.format(
            course=str(COURSE_CONFIG),
            ports=ports,
            proxy=[str(Path(sys.executable).with_name("configurable-http-proxy"))],
            homes=str(folder / "homes" / "{username}"),
            python=sys.executable,
            args=["--allow-root"],  # in a container root is the only user there is
            environment=own,
            seconds=SECONDS,
            password=PASSWORD,
            token=token,
        )
        + config,
        "utf-8",
    )
    data = {"COURSE_DATA": os.environ.get("COURSE_DATA") or str(folder / "no-data")}
    with open(folder / "hub.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", "jupyterhub_config.py"],
            cwd=folder,
            env={**os.environ, **data, MARK: str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    hub = Hub(f"http://127.0.0.1:{ports[0]}/", folder, token, process)
    try:
        until = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{hub.url}hub/health", timeout=SECONDS).ok:
                    break
            if process.poll() is not None or time.monotonic() > until:
                raise Failure(f"the hub did not start:\n{hub.log()}")
            time.sleep(0.2)
        yield hub
    finally:
        process.terminate()  # then it ends servers and proxy itself
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        left = hub.processes()
        for one in left:  # kernels in an endless loop, for instance
            with contextlib.suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(left, 10)
        process.wait(10)
