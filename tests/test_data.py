"""course_utils.data against real files, a real server on this machine, and odd pictures."""

import ast
import dataclasses
import gzip
import hashlib
import io
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unicodedata
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course_utils import data, downloads

LINE = (
    "MNIST is not on this machine and cannot be downloaded: "
    "using scikit-learn's real handwritten digits instead.\n"
)


@pytest.fixture(autouse=True)
def this_machine_only(monkeypatch, tmp_path):
    """No host but this one, an empty cache, no COURSE_DATA, nothing given up."""
    ask = socket.getaddrinfo

    def local(host, *args, **kwargs):
        assert host in ("127.0.0.1", "localhost"), f"a test asked for {host}"
        return ask(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", local)
    monkeypatch.setattr(downloads, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(data, "_given_up", set())
    monkeypatch.delenv("COURSE_DATA", raising=False)


# The network ---------------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    """The IDX file of an array of bytes, gzipped the same way every time."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Four small files in MNIST's format: 300 training and 50 test images of noise."""
    rng = np.random.default_rng(1)
    return {
        f"{part}-{kind}-ubyte.gz": idx(rng.integers(0, top, shape, dtype=np.uint8))
        for part, n in (("train", 300), ("t10k", 50))
        for kind, top, shape in (("images-idx3", 256, (n, 28, 28)), ("labels-idx1", 10, (n,)))
    }


@pytest.fixture(scope="module")
def review_files() -> dict[str, bytes]:
    """Three small files in the format of the reviews, and an archive of them."""
    bodies = {
        f"{site}_labelled.txt": "".join(
            f"{line}\t{sentiment}\n"
            for n in range(10)
            for sentiment, line in enumerate((f"{site}:  clich\xe9\x85 {n} ", f"{site} crêpe\t{n}"))
        ).encode()
        for site in ("amazon_cells", "imdb", "yelp")
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, body in bodies.items():
            writer.writestr("sentiment labelled sentences/" + name, body)
    return {**bodies, "reviews.zip": archive.getvalue()}


@pytest.fixture(scope="module")
def server(files, review_files):
    """Serves /good/, /corrupt/, /portal/, /cut/ (half a file) and /slow/ (half, then nothing)."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(head=True)

        def do_GET(self):
            self.answer(head=False)

        def answer(self, head: bool):
            _, kind, file = self.path.split("/")
            body = {**files, **review_files}[file]
            if kind == "missing":
                self.send_error(404)
                return
            if kind == "corrupt":
                body = body[:-1] + bytes([body[-1] ^ 1])
            if kind == "portal":
                body = b"<html>Please log in to the hotel's network</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if head:
                return
            asked.append(f"{kind}/{file}")
            whole = kind not in ("cut", "slow")
            self.wfile.write(body if whole else body[: len(body) // 2])
            self.wfile.flush()
            if kind == "slow":
                done.wait(30)

        def log_message(self, *args):
            pass

    asked, done = [], threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = asked
    server.url = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    done.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def mirrors(monkeypatch, files, review_files, server):
    """Call it with kinds of mirrors: the data then comes from those, with the small files' sums."""
    server.asked.clear()

    def use(*kinds: str, name: str = "mnist"):
        official = data._SOURCES[name]
        bodies = {**files, **review_files}
        wanted = files if "mnist" in name else official.md5
        source = dataclasses.replace(
            official,
            mirrors=tuple(server.url + kind + "/" for kind in kinds),
            md5={file: hashlib.md5(bodies[file]).hexdigest() for file in wanted},
        )
        monkeypatch.setitem(data._SOURCES, name, source)
        return source

    return use


@pytest.fixture
def no_varying(monkeypatch):
    """Stand in for the stand-in, where a test only asks whether it was taken."""
    monkeypatch.setattr(data, "_digits", lambda: "digits")


def cached(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "cache").rglob("*") if file.is_file())


def test_download_then_cache(mirrors, server, files, tmp_path, capsys):
    mirrors("good")
    images = data.load("mnist")
    assert capsys.readouterr() == ("Downloading MNIST (12 MB), once.\n", "")
    assert cached(tmp_path) == sorted(files)
    assert images.name == "mnist" and images.class_names == tuple("0123456789")
    assert images.images.shape == (300, 28, 28, 1) and images.test_images.shape == (50, 28, 28, 1)
    assert images.images.dtype == images.test_images.dtype == np.float32
    assert images.labels.dtype == images.test_labels.dtype == np.int64
    expected = np.random.default_rng(1).integers(0, 256, (300, 28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(images.images[..., 0], (expected / 255).astype(np.float32))
    images.images[0] = 0  # the caller's own

    server.asked.clear()
    again = data.load("mnist")
    assert server.asked == [] and capsys.readouterr().out == ""
    np.testing.assert_array_equal(again.labels, images.labels)


@pytest.mark.parametrize("first", ["missing", "corrupt", "portal", "cut"])
def test_second_mirror(first, mirrors, server, files, tmp_path):
    mirrors(first, "good")
    assert len(data.load("mnist").images) == 300
    assert cached(tmp_path) == sorted(files)
    assert [entry for entry in server.asked if entry.startswith("good")]


def test_dead_mirror_is_not_asked_for_files(mirrors, monkeypatch, server):
    source = mirrors("good")
    dead = dataclasses.replace(source, mirrors=(closed_port(), *source.mirrors))
    monkeypatch.setitem(data._SOURCES, "mnist", dead)
    assert downloads.answering(dead.mirrors, "train-labels-idx1-ubyte.gz") == [server.url + "good/"]
    assert len(data.load("mnist").images) == 300


@pytest.mark.parametrize("kind", ["corrupt", "portal", "cut", "missing"])
def test_bad_files_are_not_kept(kind, mirrors, server, no_varying, tmp_path, capsys):
    mirrors(kind)
    assert data.load("mnist") == "digits"
    assert capsys.readouterr().out.endswith(LINE)
    assert cached(tmp_path) == []
    # This process gives up and is quiet; nothing is in the way of the next one.
    server.asked.clear()
    assert data.load("mnist") == "digits"
    assert capsys.readouterr().out == "" and server.asked == []
    data._given_up.clear()
    mirrors("good")
    assert len(data.load("mnist").images) == 300


def test_only_what_is_missing_is_downloaded(mirrors, server, tmp_path):
    mirrors("good")
    data.load("mnist")
    (tmp_path / "cache/mnist/t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged later")
    server.asked.clear()
    assert len(data.load("mnist").test_labels) == 50
    assert server.asked == ["good/t10k-labels-idx1-ubyte.gz"]


PROCESS = """
import dataclasses, sys, time
from pathlib import Path
from course_utils import data, downloads
mirror, cache, sums = sys.argv[1:]
downloads.cache = lambda: Path(cache)
source = data._SOURCES["mnist"]
md5 = dict(zip(source.md5, sums.split(","))) if sums else source.md5
data._SOURCES["mnist"] = dataclasses.replace(source, mirrors=(mirror,), md5=md5)
vary = data._vary
data._vary = lambda originals, labels, count, rng: vary(originals, labels, 40, rng)
start = time.monotonic()
try:
    data._local_files("mnist")
except ConnectionError:
    pass
print(time.monotonic() - start, file=sys.stderr)
print(data.load("mnist").name, data.load("mnist").name)
"""


def process(mirror: str, cache: Path, sums: str = "") -> subprocess.Popen:
    environment = {key: value for key, value in os.environ.items() if key != "COURSE_DATA"}
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, mirror, str(cache), sums],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        cwd=Path(__file__).parents[1],
    )


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def test_offline_line_once_in_a_fresh_process(tmp_path):
    out, err = process(closed_port(), tmp_path / "cache").communicate(timeout=120)
    assert out == LINE + "digits digits\n"
    assert float(err) < 20  # nothing but the time: no traceback, no log; and seconds, not minutes


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupt", "kill"])
def test_stopped_download_leaves_no_half_file(how, mirrors, server, files, tmp_path):
    source = mirrors("good")
    child = process(server.url + "slow/", tmp_path / "cache", ",".join(source.md5.values()))
    deadline = time.monotonic() + 60
    while not server.asked and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)  # now half a file is on its way
    child.send_signal(how)
    child.communicate(timeout=60)
    assert server.asked == ["slow/train-images-idx3-ubyte.gz"] and child.returncode != 0
    assert not set(cached(tmp_path)) & set(files)
    if how == signal.SIGINT:
        assert cached(tmp_path) == []
    assert len(data.load("mnist").images) == 300


def test_slow_name_look_up_does_not_hold_up(monkeypatch):
    import requests

    monkeypatch.setattr(requests, "head", lambda *args, **kwargs: time.sleep(5))
    monkeypatch.setattr(downloads, "SECONDS", 0.2)
    start = time.monotonic()
    assert downloads.answering(("http://a/", "http://b/"), "file") == []
    assert time.monotonic() - start < 2


def test_fashion_has_no_stand_in(mirrors, tmp_path):
    mirrors("missing", name="fashion_mnist")
    with pytest.raises(ConnectionError, match="Connect this machine .* or set COURSE_DATA"):
        data.load("fashion_mnist")
    mirrors("good", name="fashion_mnist")
    fashion = data.load("fashion_mnist")
    assert fashion.class_names[0] == "T-shirt/top" and fashion.class_names[9] == "Ankle boot"
    assert len(fashion.class_names) == 10


ARCHIVE = "/reviews.zip#sentiment labelled sentences"


def test_reviews_come_out_of_their_archive(mirrors, server, tmp_path, capsys):
    mirrors("good" + ARCHIVE, name="reviews")
    reviews = data.load("reviews")
    assert capsys.readouterr().out == "Downloading Sentiment Labelled Sentences (0.3 MB), once.\n"
    sums = data._SOURCES["reviews"].md5
    assert cached(tmp_path) == sorted(sums)
    for name, expected in sums.items():
        content = (tmp_path / "cache/sentiment_sentences" / name).read_bytes()
        assert hashlib.md5(content).hexdigest() == expected
    assert repr(reviews) == "Texts('reviews': 48 training and 12 test texts, 6 classes)"
    texts = dict(zip(reviews.texts + reviews.test_texts, all_labels(reviews), strict=True))
    assert texts["amazon_cells: cliché… 3"] == 0 and texts["yelp: cliché… 9"] == 4
    assert texts["imdb crêpe 0"] == 3 and texts["yelp crêpe 0"] == 5 and len(texts) == 60

    server.asked.clear()
    data.load("reviews")
    assert server.asked == []


@pytest.mark.parametrize("first", ["missing", "portal", "cut", "corrupt"])
def test_reviews_second_mirror(first, mirrors, review_files, monkeypatch, server):
    if first == "corrupt":  # inside the first of the packed files
        body = bytearray(review_files["reviews.zip"])
        body[90] ^= 255
        monkeypatch.setitem(review_files, "reviews.zip", bytes(body))
        mirrors("good" + ARCHIVE, "good", name="reviews")
    else:
        mirrors(first + ARCHIVE, "good", name="reviews")
    assert len(data.load("reviews").texts) == 48
    assert "good/amazon_cells_labelled.txt" in server.asked


@pytest.mark.parametrize("kind", ["good/reviews.zip#elsewhere", "missing"])
def test_reviews_have_no_stand_in(kind, mirrors, tmp_path):
    mirrors(kind, name="reviews")
    with pytest.raises(ConnectionError) as error:
        data.load("reviews")
    assert cached(tmp_path) == []
    for part in ("Sentiment Labelled Sentences", "set COURSE_DATA", "sentiment_sentences/amazon_"):
        assert part in str(error.value)
    offer = data._SOURCES["reviews"].mirrors[0].split("#")[0]
    assert str(error.value).endswith(f"which {offer} offers.")


def test_unwritable_cache_is_no_crash(mirrors, no_varying, tmp_path):
    mirrors("good")
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert data.load("mnist") == "digits"


# COURSE_DATA ---------------------------------------------------------------------------------


@pytest.fixture
def course_data(monkeypatch, tmp_path, files, mirrors):
    mirrors("missing")
    folder = tmp_path / "given"
    (folder / "mnist").mkdir(parents=True)
    for name, body in files.items():
        (folder / "mnist" / name).write_bytes(body)
    monkeypatch.setenv("COURSE_DATA", str(folder))
    return folder


def test_given_files_are_used_in_place(course_data, server, tmp_path):
    assert len(data.load("mnist").images) == 300
    assert server.asked == [] and not (tmp_path / "cache").exists()


def test_given_file_with_a_wrong_sum(course_data, files):
    name = "t10k-images-idx3-ubyte.gz"
    (course_data / "mnist" / name).write_bytes(b"something else")
    got, expected = (hashlib.md5(body).hexdigest() for body in (b"something else", files[name]))
    with pytest.raises(ValueError, match=f"mnist/{name} .*{got}.*{expected}.* Delete it"):
        data.load("mnist")


def test_given_reviews_may_have_windows_line_ends(course_data, mirrors, review_files, server):
    mirrors("missing", name="reviews")
    folder = course_data / "sentiment_sentences"
    folder.mkdir()
    for name in data._SOURCES["reviews"].md5:
        (folder / name).write_bytes(review_files[name].replace(b"\n", b"\r\n"))
    reviews = data.load("reviews")
    assert len(reviews.texts) == 48 and server.asked == []
    assert not re.search(r"[\r\n\t]|  ", "".join(reviews.texts))
    (folder / "yelp_labelled.txt").write_bytes(review_files["yelp_labelled.txt"] + b"more\t1\n")
    with pytest.raises(ValueError, match="sentiment_sentences/yelp_labelled.txt .* Delete it"):
        data.load("reviews")


def test_missing_folder(course_data, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(course_data / "nowhere"))
    with pytest.raises(FileNotFoundError, match="COURSE_DATA is .*nowhere.* unset it"):
        data.load("mnist")


def test_files_that_are_not_given_are_downloaded(course_data, mirrors, server):
    (course_data / "mnist/train-labels-idx1-ubyte.gz").unlink()
    mirrors("good")
    assert len(data.load("mnist").images) == 300
    assert server.asked == ["good/train-labels-idx1-ubyte.gz"]


given = Path(os.environ.get("COURSE_DATA") or "no COURSE_DATA") / "mnist"
needs_mnist = pytest.mark.skipif(
    not (given / "train-images-idx3-ubyte.gz").exists(),
    reason="COURSE_DATA names no folder with MNIST's files",
)


@pytest.fixture
def mnist(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(given.parent))
    return data.load("mnist")


@needs_mnist
def test_real_mnist(mnist):
    assert mnist.images.shape == (60000, 28, 28, 1)
    assert mnist.test_images.shape == (10000, 28, 28, 1)
    assert mnist.labels[:6].tolist() == [5, 0, 4, 1, 9, 2]  # the most printed digits of all
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(mnist.test_labels).tolist() == counts
    assert mnist.images.mean() == pytest.approx(0.1307, abs=1e-4)
    assert mnist.images.std() == pytest.approx(0.3081, abs=1e-4)
    assert mnist.images.min() == 0 and mnist.images.max() == 1


# IDX files -----------------------------------------------------------------------------------

IMAGES = np.zeros((2, 28, 28), np.uint8)
PLAIN = gzip.decompress(idx(IMAGES))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip", "not a whole gzip file"),
        (idx(IMAGES)[:-9], "not a whole gzip file"),
        (idx(IMAGES)[:20] + b"\xff\xff" + idx(IMAGES)[22:], "not a whole gzip file"),
        (gzip.compress(b""), "starts with  and is 0 bytes"),
        (gzip.compress(PLAIN[:10]), "starts with 00 00 08 03 and is 10 bytes"),
        (gzip.compress(b"\x00\x00\x09\x03" + PLAIN[4:]), "start with 00 00 08 03"),
        (idx(np.zeros(5, np.uint8)), "starts with 00 00 08 01"),
        (idx(np.zeros((2, 28, 27), np.uint8)), r"says \(2, 28, 27\)"),
        (gzip.compress(PLAIN[:-1]), "should be 1584 bytes long, not 1583"),
        (gzip.compress(PLAIN + b"\0"), "should be 1584 bytes long, not 1585"),
        (gzip.compress(PLAIN[:4] + b"\xff" * 4 + PLAIN[8:]), "should be 3367254359296 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_idx(content, message, tmp_path):
    file = tmp_path / "x-images-idx3-ubyte.gz"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        data._read_idx(file)
    assert "x-images-idx3-ubyte.gz" in str(error.value) and str(tmp_path) not in str(error.value)


# digits --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def test_digits_arrays(digits):
    assert digits.name == "digits" and digits.class_names == tuple("0123456789")
    assert digits.images.shape == (20_000, 28, 28, 1) and digits.images.dtype == np.float32
    assert digits.test_images.shape == (4_000, 28, 28, 1)
    assert digits.labels.shape == (20_000,) and digits.labels.dtype == np.int64
    assert digits.images.min() == 0 and digits.images.max() == 1
    for labels in (digits.labels, digits.test_labels):
        share = np.bincount(labels, minlength=10) / len(labels)
        assert share.min() > 0.09 and share.max() < 0.11


def test_digits_are_the_same_every_time(digits):
    again = data.load("digits")
    np.testing.assert_array_equal(again.images, digits.images)
    np.testing.assert_array_equal(again.test_labels, digits.test_labels)


def test_originals_are_split_before_they_are_varied(monkeypatch):
    from sklearn.datasets import load_digits

    used = []

    def vary(originals, labels, count, rng):
        used.append({original.tobytes() for original in originals})
        return originals, labels

    monkeypatch.setattr(data, "_vary", vary)
    data._digits()
    train, test = used
    assert not train & test
    assert len(train) == 1500 and len(test) == 297
    assert train | test == {original.tobytes() for original in load_digits().images}


def test_digits_look_like_mnist(digits):
    """Ink, centre and size against MNIST's own: 0.131, 14 and 15 × 20 pixels."""
    pictures = digits.images[:, :, :, 0].astype(np.float64)
    ink = pictures.sum((1, 2))
    assert pictures.mean() == pytest.approx(0.131, abs=0.02)
    assert pictures.std() == pytest.approx(0.308, abs=0.02)
    assert (ink > 20).all()  # no picture is empty
    for axis in (1, 2):
        centre = pictures.sum(axis) @ np.arange(28) / ink
        assert np.abs(centre - 14).max() < 3 and centre.mean() == pytest.approx(14, abs=0.1)
    strokes = pictures > 0.3
    assert strokes.any(1).sum(1).mean() == pytest.approx(15, abs=1)
    assert strokes.any(2).sum(1).mean() == pytest.approx(20, abs=1)
    assert strokes[:, [0, -1]].mean() < 0.002 and strokes[:, :, [0, -1]].mean() < 0.002


def nearest(train, train_labels, test, test_labels) -> float:
    """The accuracy of the nearest training picture's label."""
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(1).fit(train.reshape(len(train), -1), train_labels)
    return model.score(test.reshape(len(test), -1), test_labels)


def test_digits_keep_their_labels(digits):
    score = nearest(
        digits.images[:5000], digits.labels[:5000], digits.test_images, digits.test_labels
    )
    assert score > 0.9, score


@needs_mnist
def test_digits_stand_in_for_mnist(digits, mnist):
    score = nearest(
        digits.images[:5000],
        digits.labels[:5000],
        mnist.test_images[:1000],
        mnist.test_labels[:1000],
    )
    assert score > 0.7, score


# folder --------------------------------------------------------------------------------------


def gradient(seed: int, height: int = 40, width: int = 40) -> np.ndarray:
    """A smooth grey picture that differs from seed to seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    a, b, c = rng.uniform(0.5, 3, 3)
    return np.uint8(127 + 127 * np.sin(a * x / 9 + b * y / 9 + c))


def fill(folder: Path, count: int = 30, start: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(start, start + count):
        Image.fromarray(gradient(seed)).save(folder / f"{seed}.png")
    return folder


def test_folder_without_classes(tmp_path, capsys):
    images = data.load("folder", path=fill(tmp_path / "own"), size=20)
    assert capsys.readouterr().out == ""
    assert images.name == "folder" and images.class_names == ()
    assert images.labels is None and images.test_labels is None
    assert images.images.shape == (27, 20, 20, 1) and images.test_images.shape == (3, 20, 20, 1)
    assert images.images.dtype == np.float32 and 0 <= images.images.min() < images.images.max() <= 1
    assert repr(images) == ("Images('folder': 27 training and 3 test images of 20 × 20, no labels)")


def test_sub_folders_are_classes(tmp_path):
    own = tmp_path / "own"
    fill(own / "cats", 15)
    fill(own / "dogs" / "old" / "older", 25, start=15)
    (own / "empty").mkdir()
    images = data.load("folder", path=str(own))
    assert images.class_names == ("cats", "dogs")
    labels = np.concatenate([images.labels, images.test_labels])
    assert labels.dtype == np.int64 and np.bincount(labels).tolist() == [15, 25]
    # Each label still belongs to its picture.
    for picture, label in zip(images.images, images.labels, strict=True):
        same = [
            name
            for name in own.rglob("*.png")
            if (data._picture(name, 28) == np.rint(picture[..., 0] * 255)).all()
        ]
        assert [file.relative_to(own).parts[0] for file in same] == [images.class_names[label]]


def test_split_depends_on_content_only(tmp_path):
    first = data.load("folder", path=fill(tmp_path / "a"))
    other = fill(tmp_path / "b")
    for file in list(other.iterdir()):
        file.rename(other / f"renamed{(int(file.stem) * 7) % 30}.png")
    Image.fromarray(gradient(3)).save(other / "copy.png")
    second = data.load("folder", path=other)
    np.testing.assert_array_equal(second.test_images, first.test_images)
    assert len(second.images) == len(first.images) + 1


def test_equal_pictures_stay_on_one_side(tmp_path):
    own = fill(tmp_path / "own")
    for seed in range(30):
        Image.fromarray(gradient(seed)).save(own / f"twin{seed}.bmp")
    images = data.load("folder", path=own)
    assert len(images.test_images) == 6
    train, test = ({p.tobytes() for p in part} for part in (images.images, images.test_images))
    assert not train & test


def bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes that says it is `side` × `side` pixels."""
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100_000)))
        + chunk(b"IEND", b"")
    )


def test_odd_files_are_skipped_in_one_line(tmp_path, capsys, recwarn):
    own = fill(tmp_path / "own", 20)
    Image.fromarray(gradient(99, 300, 300)).save(own / "a.jpg")
    (own / "a.jpg").write_bytes((own / "a.jpg").read_bytes()[:2000])
    (own / "b.png").write_text("words, not a picture")
    (own / "c.png").write_bytes(bomb(60_000))
    (own / "d.png").touch()
    (own / "e.png").write_bytes((own / "1.png").read_bytes()[:60])
    (own / "f.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (own / "g.png").write_bytes(bomb(7_100))
    (own / ".hidden.png").write_text("not counted")
    fill(own / ".thumbnails", 3, start=50)
    images = data.load("folder", path=own)
    assert len(images.images) + len(images.test_images) == 20
    out = capsys.readouterr().out
    assert out.startswith("Skipped 7 of 27 files: a.jpg (") and out.count("\n") == 1
    assert "b.png (no picture), c.png (" in out and out.endswith("), ....\n")
    assert str(tmp_path) not in out
    assert not recwarn.list


@pytest.mark.parametrize(
    ("side", "message"),
    [(60_000, "decompression bomb"), (10_000, "50 megapixels"), (7_100, "50 megapixels")],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_huge_pictures_are_not_decoded(side, message, tmp_path):
    file = tmp_path / "big.png"
    file.write_bytes(bomb(side))
    with pytest.raises(Exception, match=message):
        data._picture(file, 28)


def test_only_the_usual_formats_are_decoded(tmp_path):
    """Pillow hands some formats to other programs, EPS to Ghostscript; none of that here."""
    file = tmp_path / "a.pcx"
    Image.fromarray(gradient(1)).save(file)
    with pytest.raises(Image.UnidentifiedImageError):
        data._picture(file, 28)


def test_file_size_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "_MAX_BYTES", 100)
    with pytest.raises(ValueError, match="larger than"):
        data._picture(fill(tmp_path, 1) / "0.png", 28)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.timeout(30)  # opening a pipe waits for ever
def test_links_and_pipes_are_safe(tmp_path):
    own = fill(tmp_path / "own", 20)
    (own / "loop").symlink_to(own, target_is_directory=True)
    (own / "dangling.png").symlink_to(own / "nowhere.png")
    os.mkfifo(own / "pipe.png")
    images = data.load("folder", path=own)
    assert len(images.images) + len(images.test_images) == 20


def test_too_few_pictures(tmp_path):
    own = fill(tmp_path / "own", 19)
    (own / "notes.txt").write_text("a note")
    for copy in range(5):
        (own / f"copy{copy}.png").write_bytes((own / "0.png").read_bytes())
    with pytest.raises(ValueError, match="19 different usable .* 20 .* notes.txt"):
        data.load("folder", path=own)


def test_pictures_beside_classes(tmp_path):
    fill(tmp_path / "own" / "cats")
    fill(tmp_path / "own", 1, start=77)
    with pytest.raises(ValueError, match="both pictures and folders"):
        data.load("folder", path=tmp_path / "own")


@pytest.mark.parametrize("suffix", ["jpg", "tiff", "png", "webp"])
def test_exif_orientation(suffix, tmp_path):
    upright = np.zeros((400, 400), np.uint8)
    upright[:200] = 255  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn a quarter clockwise to show"
    Image.fromarray(np.rot90(upright)).convert("RGB").save(tmp_path / f"a.{suffix}", exif=exif)
    picture = data._picture(tmp_path / f"a.{suffix}", 28)
    assert picture[:12].min() > 240 and picture[16:].max() < 15


@pytest.mark.parametrize(("drawn", "ground"), [(20, 255), (235, 0)])
@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_transparency_gets_a_ground_that_shows_the_drawing(drawn, ground, mode, tmp_path):
    file = tmp_path / "a.png"
    alpha = np.zeros((56, 56), np.uint8)
    alpha[20:36, 20:36] = 255
    if mode == "P":
        image = Image.fromarray(np.uint8(alpha > 0)).convert("P")
        image.putpalette([128, 128, 128, drawn, drawn, drawn])
        image.save(file, transparency=0)
    else:
        image = Image.merge("LA", [Image.new("L", (56, 56), drawn), Image.fromarray(alpha)])
        image.convert(mode).save(file)
    picture = data._picture(file, 28).astype(int)
    assert abs(picture[14, 14] - drawn) <= 1 and abs(picture[2, 2] - ground) <= 1


def test_crop_depth_and_colour(tmp_path):
    file = tmp_path / "a.png"
    wide = np.zeros((60, 180), np.uint8)
    wide[:, 60:120] = 200
    Image.fromarray(wide).save(file)
    picture = data._picture(file, 28)  # the middle square, whole
    assert (picture[:, 4:-4] == 200).all() and picture.min() > 150
    Image.fromarray(np.full((40, 40), 200 * 257, np.uint16)).save(file)
    assert abs(int(data._picture(file, 28)[5, 5]) - 200) <= 1  # 16 bits, not clipped
    Image.new("CMYK", (40, 40), (0, 0, 0, 255)).save(tmp_path / "a.jpg")
    assert data._picture(tmp_path / "a.jpg", 28).max() < 5
    stripes = np.tile(np.uint8([0, 255]), (280, 140))
    Image.fromarray(stripes).save(file)
    assert np.ptp(data._picture(file, 28).astype(int)) < 30  # averaged, not picked
    moving = [Image.new("L", (40, 40), grey) for grey in (50, 250)]
    moving[0].save(tmp_path / "a.gif", save_all=True, append_images=moving[1:])
    assert abs(int(data._picture(tmp_path / "a.gif", 28).max()) - 50) <= 1  # the first frame


# names and reviews ---------------------------------------------------------------------------


def all_labels(texts: data.Texts) -> list[int]:
    return [*texts.labels.tolist(), *texts.test_labels.tolist()]


def by_class(texts: data.Texts) -> dict[str, list[str]]:
    classes = {name: [] for name in texts.class_names}
    for text, label in zip(texts.texts + texts.test_texts, all_labels(texts), strict=True):
        classes[texts.class_names[label]].append(text)
    return classes


def check_texts(texts: data.Texts, test_share: float):
    """What holds for every set of texts."""
    assert texts.labels.dtype == texts.test_labels.dtype == np.int64
    assert texts.labels.shape == (len(texts.texts),)
    assert texts.test_labels.shape == (len(texts.test_texts),)
    assert isinstance(texts.texts, tuple) and isinstance(texts.test_texts, tuple)
    assert not set(texts.texts) & set(texts.test_texts)
    classes = by_class(texts)
    tests = np.bincount(texts.test_labels, minlength=len(classes))
    for own, count in zip(classes.values(), tests, strict=True):
        assert len(own) == len(set(own)) and count == round(test_share * len(own))
    for text in texts.texts + texts.test_texts:
        assert text == unicodedata.normalize("NFC", text) == " ".join(text.split()) != ""
    # In no order: neighbours are as often of one class as any two.
    neighbours = np.mean(texts.labels[1:] == texts.labels[:-1])
    any_two = np.sum((np.bincount(texts.labels) / len(texts.labels)) ** 2)
    assert neighbours == pytest.approx(any_two, abs=0.03)


@pytest.fixture(scope="module")
def names():
    return data.load("names")


def faker_table(locale: str, start: str) -> set[str]:
    """Every string of the tables whose names start so, from the source of Faker."""
    from faker.providers import person

    source = (Path(person.__file__).parent / locale / "__init__.py").read_text("utf-8")
    body = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)).body
    return {
        leaf.value
        for node in body
        if isinstance(node, ast.Assign) and node.targets[0].id.startswith(start)
        for leaf in ast.walk(node.value)
        if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
    }


def test_names_in_general(names):
    assert names.name == "names" and len(names.class_names) == 14
    assert repr(names).startswith("Texts('names': 1") and repr(names).endswith("14 classes)")
    check_texts(names, 0.15)


@pytest.mark.parametrize("language", [language for language in data._LOCALES])
def test_names_against_fakers_source(language, names):
    got = set(by_class(names)[language])
    assert 400 <= len(got) <= 2400
    if language == "Icelandic":
        sons = {name for name in got if name.endswith("son")}
        daughters = {name for name in got if name.endswith("dóttir")}
        assert sons | daughters == got and abs(len(sons) - len(daughters)) <= 1
        fathers = faker_table("is_IS", "first_names_male")
        for name in got:
            stem = name.removesuffix("son").removesuffix("dóttir")
            forms = {start + end for start in (stem, stem[:-1]) for end in ("", "ur", "i")}
            assert forms & fathers, name
        return
    start = "last_names_male" if language == "Slovak" else "last_names"
    table = {
        unicodedata.normalize("NFC", name) for name in faker_table(data._LOCALES[language], start)
    }
    assert got <= table
    left_out = table - got
    assert len(left_out) <= {"Dutch": 25, "Irish": 1}.get(language, 0), left_out


@pytest.mark.parametrize(
    ("language", "some"),
    [
        ("Croatian", ["Horvat", "Kovačević"]),
        ("Dutch", ["de Vries", "van den Berg", "van 't Riet", "'s Gravensande"]),
        ("English", ["Smith", "O'Connor"]),
        ("Estonian", ["Tamm", "Jõgi"]),
        ("Finnish", ["Korhonen", "Mäkinen"]),
        ("French", ["Lefèvre", "Étienne"]),
        ("German", ["Huber", "Müller"]),
        ("Irish", ["Ó Broin", "Mac an tSaoir"]),
        ("Italian", ["Rossi", "Esposito"]),
        ("Slovak", ["Novák", "Kováč"]),
        ("Spanish", ["García", "Muñoz"]),
        ("Swedish", ["Andersson", "Sjöström"]),
        ("Zulu", ["Dlamini", "Khumalo"]),
    ],
)
def test_known_names(language, some, names):
    assert set(some) <= set(by_class(names)[language])


def test_icelandic_genitives(names):
    icelandic = set(by_class(names)["Icelandic"])
    for stem in ("Helga", "Jóns", "Sigurðs", "Elis"):
        assert len({stem + "son", stem + "dóttir"} & icelandic) == 1, stem
    assert not {"Helgisson", "Helgisdóttir"} & icelandic


def test_names_are_written_in_latin_letters_and_are_no_full_names(names):
    for name in names.texts + names.test_texts:
        letters = [character for character in name if character not in " '-"]
        assert all(unicodedata.name(letter).startswith("LATIN") for letter in letters), name
        assert not re.search(r"\w v[ao]n |^The |^VI$|,|ová$", name), name


def test_a_name_of_several_languages_is_on_one_side(names):
    classes = by_class(names)
    shared = {
        name
        for own in classes.values()
        for name in own
        if sum(name in c for c in classes.values()) > 1
    }
    assert "Gilbert" in shared and "Gilbert" in {*classes["English"]} & {*classes["French"]}
    assert shared & set(names.texts) and shared & set(names.test_texts)
    assert not shared & set(names.texts) & set(names.test_texts)


def test_split_of_texts_depends_on_the_texts_only():
    one = [f"text {n}" for n in range(40)]
    two = [f"text {n}" for n in range(30, 60)]
    first = data._split_texts("names", {"one": one, "two": two}, 0.25)
    check = data._split_texts("names", {"one": one[::-1] + one[:5], "two": two[::-1]}, 0.25)
    assert first.texts == check.texts and first.test_texts == check.test_texts
    assert np.bincount(first.test_labels).tolist() == [10, 8]
    for n in range(30, 40):  # both labels, on one side
        sides = [first.texts.count(f"text {n}"), first.test_texts.count(f"text {n}")]
        assert sorted(sides) == [0, 2]


sentences = Path(os.environ.get("COURSE_DATA") or "no COURSE_DATA") / "sentiment_sentences"


@pytest.mark.skipif(
    not (sentences / "imdb_labelled.txt").exists(),
    reason="COURSE_DATA names no folder with the review sentences",
)
def test_real_reviews(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(sentences.parent))
    reviews = data.load("reviews")
    check_texts(reviews, 0.2)
    assert reviews.class_names[:3] == (
        "products, negative",
        "products, positive",
        "films, negative",
    )
    raw = {}
    for domain, file in (("products", "amazon_cells"), ("films", "imdb"), ("restaurants", "yelp")):
        lines = (sentences / f"{file}_labelled.txt").read_bytes().split(b"\n")
        assert len(lines) == 1001 and lines.pop() == b""
        for kind, end in (("negative", b"\t0"), ("positive", b"\t1")):
            own = [line.rstrip(b"\r") for line in lines if line.rstrip(b"\r").endswith(end)]
            assert len(own) == 500
            raw[f"{domain}, {kind}"] = {re.sub(rb"\s+|\xc2.", b"", line[:-2]) for line in own}
    for name, own in by_class(reviews).items():
        plain = {re.sub(rb"\s+|\xe2\x80.", b"", text.encode()) for text in own}
        assert plain == raw[name], name
    assert len(all_labels(reviews)) == 2983  # 17 sentences are in one file twice
    text = "".join(reviews.texts + reviews.test_texts)
    assert not [character for character in text if unicodedata.category(character) == "Cc"]
    assert "The script is…was there a script?" in reviews.texts + reviews.test_texts


# What is asked for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "MNIST"}, "Did you mean 'mnist'"),
        ({"name": "fashion"}, "Did you mean 'fashion_mnist'"),
        ({"name": "cifar"}, "There are: mnist, fashion_mnist, digits, folder, names, reviews"),
        ({"name": "review"}, "Did you mean 'reviews'"),
        ({"name": 3}, "No data set is called 3"),
        ({"name": "mnist", "size": 32}, "Leave both out; .* 28 × 28"),
        ({"name": "names", "size": 32}, "size=32. Leave both out"),
        ({"name": "digits", "path": "x"}, "path='x'"),
        ({"name": "folder"}, "needs path="),
        ({"name": "folder", "path": ".", "size": 0}, "size=0 should be"),
        ({"name": "folder", "path": ".", "size": 28.0}, "size=28.0 should be"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.load(**arguments)


def test_missing_picture_folder():
    with pytest.raises(FileNotFoundError, match="path='no-such' is no folder"):
        data.load("folder", path="no-such")


def test_every_name_has_its_place():
    assert set(data.NAMES) == {*data._SOURCES, "digits", "folder", "names"}
    for name, source in data._SOURCES.items():
        assert len(source.mirrors) >= 2 and all(mirror.endswith("/") for mirror in source.mirrors)
        assert all(len(md5) == 32 for md5 in source.md5.values())
        if name != "reviews":
            assert len(source.class_names) == 10
            assert list(source.md5) == list(data._SOURCES["mnist"].md5)
