"""Pictures and texts to learn from: the same wherever they come from."""

from __future__ import annotations

import gzip
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course_utils import downloads

NAMES = ("mnist", "fashion_mnist", "digits", "folder", "names", "reviews")


@dataclass(frozen=True, repr=False, eq=False)
class Images:
    """A set of grey pictures, split into training and test.

    The arrays are yours: nothing else holds them, and they can be written to.

    Attributes
    ----------
    name : str
        Where the pictures really come from; "digits" where MNIST was asked for and not to be had.
    images, test_images : numpy.ndarray
        float32, shape (n, size, size, 1), from 0 (black) to 1 (white).
    labels, test_labels : numpy.ndarray or None
        int64, shape (n,), positions in `class_names`; None for a folder without sub-folders.
    class_names : tuple of str
        One name per class; empty where there are no labels.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    test_images: np.ndarray
    test_labels: np.ndarray | None
    class_names: tuple[str, ...]

    def __repr__(self) -> str:
        size = self.images.shape[1]
        classes = f"{len(self.class_names)} classes" if self.class_names else "no labels"
        return (
            f"Images({self.name!r}: {len(self.images):,} training and {len(self.test_images):,} "
            f"test images of {size} × {size}, {classes})"
        )


@dataclass(frozen=True, repr=False, eq=False)
class Texts:
    """A set of short texts with labels, split into training and test.

    The split is fixed and depends on the texts only. Each class has the same share of test texts,
    and no text is on both sides. The texts come in no order.

    Attributes
    ----------
    name : str
        What was asked for.
    texts, test_texts : tuple of str
        Unicode in its composed form, NFC: one character for "é". No text is twice in one class.
    labels, test_labels : numpy.ndarray
        int64, shape (n,), positions in `class_names`.
    class_names : tuple of str
        One name per class.
    """

    name: str
    texts: tuple[str, ...]
    labels: np.ndarray
    test_texts: tuple[str, ...]
    test_labels: np.ndarray
    class_names: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"Texts({self.name!r}: {len(self.texts):,} training and {len(self.test_texts):,} "
            f"test texts, {len(self.class_names)} classes)"
        )


def load(name: str, path: str | os.PathLike | None = None, size: int = 28) -> Images | Texts:
    """Load a set of pictures or of short texts by name.

    ============= ========================================================= ==================
    name          what                                                      training / test
    ============= ========================================================= ==================
    mnist         handwritten digits [1]_ (CC BY-SA 3.0)                    60,000 / 10,000
    fashion_mnist clothes [2]_ (MIT licence)                                60,000 / 10,000
    digits        varied copies of 1,797 handwritten digits [3]_ (CC BY     20,000 / 4,000
                  4.0) that scikit-learn carries; needs no network
    folder        your own pictures, made grey, square and small            90 % / 10 %
    names         family names of 14 languages, from the tables of the      85 % / 15 %
                  package Faker (MIT licence); needs no network
    reviews       sentences from reviews of products, films and             80 % / 20 %
                  restaurants [4]_ (CC BY 4.0)
    ============= ========================================================= ==================

    ``mnist``, ``fashion_mnist`` and ``reviews`` come from the folder that the environment variable
    COURSE_DATA names (``mnist/train-images-idx3-ubyte.gz``,
    ``sentiment_sentences/imdb_labelled.txt`` and so on), else from the course's cache, else from
    the network, once. Every file is checked against its official MD5 sum. Where MNIST cannot be
    had, one line says so and ``digits`` takes its place.

    ``digits``: 1,500 of the originals are varied into the training images and the other 297 into
    the test images. scikit-learn does not tell who wrote which digit, so the same hand can be on
    both sides.

    ``folder``: the folders inside `path`, if they hold pictures, are the classes. The split depends
    on the pictures only, not on their names or their order, and equal pictures land on the same
    side. Hidden files are left out; one line counts the files that are no usable pictures.

    ``names``: 400 to 2,400 a language, in Latin script. A name of several languages is in each of
    them, and on the same side of the split in all. Slovak names are in the form that a man bears:
    a woman's, Nováková beside Novák, would be a near copy, and could be on the other side.
    Icelanders are called after their fathers: each father's name is there once, by turns with
    -son and -dóttir, in a genitive that is Faker's and not always right. Full names of nobles are
    left out of the Dutch ones.

    ``reviews``: 500 sentences for each of three domains and two sentiments, less those that occur
    twice. A label is 2 × domain + sentiment: even is negative, odd is positive. A sentence of two
    classes is in both, on one side of the split.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    path : path-like, optional
        The folder with your pictures; for ``folder`` only.
    size : int
        Height and width that your pictures get, in pixels; for ``folder`` only.

    Returns
    -------
    Images or Texts
        Pictures: float32 in [0, 1], shape (n, size, size, 1). Texts: tuples of str. Labels: int64,
        shape (n,).

    Raises
    ------
    ValueError
        An unknown name, a damaged file, or a folder with fewer than 20 different usable pictures.
    FileNotFoundError
        `path`, or the folder that COURSE_DATA names, does not exist.
    ConnectionError
        ``fashion_mnist`` or ``reviews`` is not on this machine and cannot be downloaded.

    References
    ----------
    .. [1] LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document
       recognition. Proceedings of the IEEE 86 (1998).
    .. [2] Xiao, Rasul, Vollgraf: Fashion-MNIST. arXiv:1708.07747 (2017).
    .. [3] Alpaydin, Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning
       Repository (1998).
    .. [4] Kotzias, Denil, de Freitas, Smyth: From Group to Individual Labels using Deep Features.
       KDD (2015). UCI Machine Learning Repository, number 331.

    Examples
    --------
    >>> digits = load("digits")
    >>> digits
    Images('digits': 20,000 training and 4,000 test images of 28 × 28, 10 classes)
    >>> digits.images.shape, digits.images.dtype
    ((20000, 28, 28, 1), dtype('float32'))
    >>> digits.labels[:3].dtype, digits.class_names[:3]
    (dtype('int64'), ('0', '1', '2'))
    >>> names = load("names")
    >>> names.class_names[names.test_labels[names.test_texts.index("Crnković")]]
    'Croatian'
    >>> load("mnits")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: No data set is called 'mnits'. Did you mean 'mnist'? There are: mnist, ...
    """
    if name not in NAMES:
        import difflib

        close = difflib.get_close_matches(str(name).lower(), NAMES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"No data set is called {name!r}.{hint} There are: {', '.join(NAMES)}.")
    if name == "folder":
        return _folder(path, size)
    if path is not None or size != 28:
        raise ValueError(
            f"path and size are for load('folder') only, and {name!r} came with path={path!r} and "
            f"size={size!r}. Leave both out; the course's own pictures are 28 × 28."
        )
    if name == "names":
        return _family_names()
    if name == "reviews":
        return _reviews()
    if name == "digits":
        return _digits()
    try:
        return _idx_images(name)
    except ConnectionError:
        if name != "mnist":
            raise
        if name not in _given_up:
            _given_up.add(name)
            print(
                "MNIST is not on this machine and cannot be downloaded: "
                "using scikit-learn's real handwritten digits instead."
            )
        return _digits()


# The official files: from COURSE_DATA, the cache or the network --------------------------------


@dataclass(frozen=True)
class _Source:
    title: str
    folder: str  # in COURSE_DATA and in the cache
    megabytes: float
    mirrors: tuple[str, ...]  # what a file's name is put behind; "#" goes into a zip archive
    md5: dict[str, str]  # file name: official sum, in the order in which they are read
    class_names: tuple[str, ...]


_DIGIT_NAMES = tuple("0123456789")
_SOURCES = {
    "mnist": _Source(
        title="MNIST",
        folder="mnist",
        megabytes=12,
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        md5={
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        class_names=_DIGIT_NAMES,
    ),
    "fashion_mnist": _Source(
        title="Fashion-MNIST",
        folder="fashion_mnist",
        megabytes=31,
        mirrors=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        md5={
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        class_names=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
    ),
    "reviews": _Source(
        title="Sentiment Labelled Sentences",
        folder="sentiment_sentences",
        megabytes=0.3,
        mirrors=(
            "https://archive.ics.uci.edu/static/public/331/sentiment+labelled+sentences.zip"
            "#sentiment labelled sentences/",
            "https://huggingface.co/datasets/IsaacDev/sentiment-labelled-sentences/resolve/main/",
        ),
        md5={
            "amazon_cells_labelled.txt": "f737b1e64487b2d2518fcefdb0257e63",
            "imdb_labelled.txt": "ccea809cf06938e64b783737778f5ca0",
            "yelp_labelled.txt": "3a7fe2c38dc373d2ca8e687d6226a82e",
        },
        class_names=(
            *("products, negative", "products, positive"),
            *("films, negative", "films, positive"),
            *("restaurants, negative", "restaurants, positive"),
        ),
    ),
}
_given_up: set[str] = set()  # what this process has tried to download in vain


def _local_files(name: str) -> list[Path]:
    """The files of a data set on this machine, verified; downloads those that are missing."""
    source = _SOURCES[name]
    cache = downloads.cache() / source.folder
    found = {file: _given(name, file) for file in source.md5}
    missing = [
        file
        for file, path in found.items()
        if path is None and _md5(cache / file) != source.md5[file]
    ]
    if missing:
        _download(name, missing, cache)
    return [path or cache / file for file, path in found.items()]


def _md5(path: Path) -> str | None:
    """The MD5 sum of a file, if there is one; a text may have Windows' line ends too."""
    import hashlib

    if not path.is_file():
        return None
    content = path.read_bytes()
    if path.suffix == ".txt":
        content = content.replace(b"\r\n", b"\n")
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _given(name: str, file: str) -> Path | None:
    """The file where COURSE_DATA has it; it is used in place."""
    if not (setting := os.environ.get("COURSE_DATA")):
        return None
    folder = Path(setting).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"COURSE_DATA is {setting!r}, and no such folder exists. "
            "Correct it, or unset it to let the course download what it needs."
        )
    source = _SOURCES[name]
    path = folder / source.folder / file
    got, expected = _md5(path), source.md5[file]
    if got is not None and got != expected:
        raise ValueError(
            f"{source.folder}/{file} in COURSE_DATA is damaged or another file: its MD5 sum is "
            f"{got}, the official one is {expected}. Delete it and the course downloads it again, "
            "or put the official file in its place."
        )
    return path if got else None


def _download(name: str, files: list[str], folder: Path) -> None:
    """Fetch and verify files, each from the first mirror that has it whole."""
    source = _SOURCES[name]
    mirrors = [] if name in _given_up else downloads.answering(source.mirrors, files[0])
    if mirrors:
        print(f"Downloading {source.title} ({source.megabytes} MB), once.")
    for file in files:
        try:
            downloads.fetch(folder / file, f"md5:{source.md5[file]}", mirrors, file)
        except ConnectionError as reason:
            raise ConnectionError(
                f"{source.title} is not on this machine, and {file} cannot be downloaded from any "
                f"of its {len(source.mirrors)} mirrors ({reason}). Connect this machine to the "
                f"internet once and try again, or set COURSE_DATA to a folder that has "
                f"{source.folder}/{file} and the other official files, which "
                f"{source.mirrors[0].partition('#')[0]} offers."
            ) from None


# MNIST and Fashion-MNIST: four files each -------------------------------------------------------


def _idx_images(name: str) -> Images:
    images, labels, test_images, test_labels = map(_read_idx, _local_files(name))
    return Images(
        name=name,
        images=_unit_range(images),
        labels=labels.astype(np.int64),
        test_images=_unit_range(test_images),
        test_labels=test_labels.astype(np.int64),
        class_names=_SOURCES[name].class_names,
    )


def _unit_range(images: np.ndarray) -> np.ndarray:
    """(n, h, w) bytes to (n, h, w, 1) float32 in [0, 1], in one pass and without float64."""
    return np.divide(images, 255, dtype=np.float32)[..., np.newaxis]


def _read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file of unsigned bytes, the format of MNIST's files.

    Two zero bytes, 8 for "unsigned byte", the number of dimensions, each dimension as a big-endian
    32-bit integer, then the bytes: labels have shape (n,), images (n, 28, 28).
    """
    import zlib

    try:
        content = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path.name} is not a whole gzip file ({error}).") from error
    dimensions = 3 if "idx3" in path.name else 1
    start = 4 + 4 * dimensions
    magic = bytes((0, 0, 8, dimensions))
    if content[:4] != magic or len(content) < start:
        raise ValueError(
            f"{path.name} should start with {magic.hex(' ')} and {dimensions} sizes, "
            f"and starts with {content[:4].hex(' ')} and is {len(content)} bytes long."
        )
    shape = tuple(np.frombuffer(content, ">u4", dimensions, offset=4).tolist())
    if dimensions == 3 and shape[1:] != (28, 28):
        raise ValueError(f"{path.name} should hold images of 28 × 28 and says {shape}.")
    expected = start + int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        raise ValueError(
            f"{path.name} says {shape} and should be {expected} bytes long, not {len(content)}."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


# digits: scikit-learn's 1,797 originals of 8 × 8, varied --------------------------------------


def _digits() -> Images:
    train, train_labels, test, test_labels = _split_originals()
    rng = np.random.default_rng(0)
    images, labels = _vary(train, train_labels, 20_000, rng)
    test_images, test_labels = _vary(test, test_labels, 4_000, rng)
    return Images("digits", images, labels, test_images, test_labels, _DIGIT_NAMES)


def _split_originals() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The originals, float64 (n, 8, 8) from 0 to 16, split before anything is varied."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    originals = load_digits()
    train, test, train_labels, test_labels = train_test_split(
        originals.images,
        originals.target,
        test_size=297,
        stratify=originals.target,
        random_state=0,
    )
    return train, train_labels, test, test_labels


def _vary(
    originals: np.ndarray, labels: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `count` copies at 28 × 28, each original equally often, that look like MNIST's digits.

    One affine map through a cubic spline enlarges an original from 8 × 8 to about 20 × 20, puts
    its centre of mass near the middle and varies rotation, slant, width and height. The numbers
    were chosen to bring the averages of ink, width and height near MNIST's.
    """
    from scipy import ndimage

    # The blank margin keeps strokes that touch the border whole.
    ink = np.pad(originals, ((0, 0), (2, 2), (2, 2)))
    mass = ink.sum((1, 2))
    # Thin strokes are faint at 8 × 8. So 1 becomes what a pixel of this digit's strokes holds.
    ink *= (mass / (ink**2).sum((1, 2)))[:, None, None]
    splines = ndimage.spline_filter1d(ndimage.spline_filter1d(ink, axis=1), axis=2)
    rows = np.arange(ink.shape[1])
    centres = np.stack([ink.sum(2) @ rows, ink.sum(1) @ rows], 1) / ink.sum((1, 2))[:, None]

    chosen = rng.permutation(np.resize(np.arange(len(originals)), count))
    angle = rng.normal(0, 0.08, count)  # radians
    slant = rng.normal(0.1, 0.15, count)
    height, width = 8 / 20 / rng.normal((1, 1.15), (0.05, 0.12), (count, 2)).T
    shift = rng.normal(0, 0.3, (count, 2))  # pixels
    threshold = rng.uniform(0.45, 0.7, count)  # a high one makes thin strokes

    # From a pixel of the picture to its place in the original: rotate, shear, scale.
    cos, sin = np.cos(angle), np.sin(angle)
    maps = np.stack(
        [cos * height, -sin * height, (sin + slant * cos) * width, (cos - slant * sin) * width], 1
    ).reshape(count, 2, 2)
    offsets = centres[chosen] - np.einsum("nij,nj->ni", maps, 14 + shift)
    images = np.empty((count, 28, 28), np.float32)
    for image, original, matrix, offset in zip(images, chosen, maps, offsets, strict=True):
        ndimage.affine_transform(
            splines[original], matrix, offset, output_shape=(28, 28), output=image, prefilter=False
        )
    images -= threshold.astype(np.float32)[:, None, None]
    images /= 0.5
    np.clip(images, 0, 1, out=images)
    return images[..., np.newaxis], labels[chosen].astype(np.int64)


# folder: a learner's own pictures -------------------------------------------------------------

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # those that Pillow decodes by itself
_MAX_BYTES = 64 * 2**20
_MAX_PIXELS = 50_000_000  # decoded in colour: 150 MB
_MIN_PICTURES = 20


def _folder(path: str | os.PathLike | None, size: int) -> Images:
    import hashlib
    import warnings

    from PIL import Image

    if path is None:
        raise ValueError("load('folder') needs path=..., the folder that holds your pictures.")
    root = Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(
            f"path={os.fspath(path)!r} is no folder. Give the folder that holds your pictures."
        )
    if not isinstance(size, int) or not 8 <= size <= 256:
        raise ValueError(f"size={size!r} should be a whole number of pixels from 8 to 256.")

    pictures, skipped = [], []
    with warnings.catch_warnings():
        # Pillow warns of odd metadata and of sizes above its limit, and ours is lower.
        warnings.simplefilter("ignore")
        for file in _files(root):
            name = file.relative_to(root)
            try:
                picture = _picture(file, size)
            except Image.UnidentifiedImageError:
                skipped.append(f"{name.as_posix()} (no picture)")
            except Exception as error:  # a decoder raises anything on a damaged file
                reason = getattr(error, "strerror", None) or error  # strerror names no folder
                skipped.append(f"{name.as_posix()} ({reason})")
            else:
                digest = hashlib.sha256(picture.tobytes()).digest()
                pictures.append((digest, name.parts[0] if len(name.parts) > 1 else "", picture))

    summary = ""
    if skipped:
        summary = f"Skipped {len(skipped)} of {len(skipped) + len(pictures)} files: "
        summary += ", ".join(skipped[:3]) + (", ..." if len(skipped) > 3 else "") + "."
    different = sorted({digest for digest, _, _ in pictures})
    if len(different) < _MIN_PICTURES:
        raise ValueError(
            f"path={os.fspath(path)!r} holds {len(different)} different usable pictures, and at "
            f"least {_MIN_PICTURES} are needed. Add more ({', '.join(_FORMATS)}). {summary}"
        )
    class_names = tuple(sorted({top for _, top, _ in pictures}))
    if class_names == ("",):
        class_names = ()
    elif "" in class_names:
        raise ValueError(
            f"path={os.fspath(path)!r} holds both pictures and folders of pictures. For classes, "
            "move every picture into a folder; for none, move them all out."
        )
    if summary:
        print(summary)

    # Sorted by content, whatever the files are called; equal pictures stay on one side.
    pictures.sort(key=lambda picture: picture[:2])
    last = different[len(different) // 10 - 1]
    tests = sum(digest <= last for digest, _, _ in pictures)
    images = _unit_range(np.stack([picture for _, _, picture in pictures]))
    labels = None
    if class_names:
        labels = np.array([class_names.index(top) for _, top, _ in pictures], np.int64)
    return Images(
        name="folder",
        images=images[tests:],
        labels=None if labels is None else labels[tests:],
        test_images=images[:tests],
        test_labels=None if labels is None else labels[:tests],
        class_names=class_names,
    )


def _files(root: Path) -> Iterator[Path]:
    """The files below a folder, but no hidden ones, and nothing behind a link to a folder."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(folder, name)
            if not name.startswith(".") and file.is_file():  # not a pipe or a device
                yield file


def _picture(file: Path, size: int) -> np.ndarray:
    """Decode one file to (size, size) grey bytes: upright, its middle square, antialiased."""
    from PIL import Image, ImageOps

    if file.stat().st_size > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES // 2**20} MB")
    with Image.open(file, formats=_FORMATS) as image:  # reads the header only
        if image.width * image.height > _MAX_PIXELS:
            raise ValueError(f"more than {_MAX_PIXELS // 10**6} megapixels")
        image.draft("L", (4 * size, 4 * size))  # a JPEG can be decoded at a fraction of its size
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I"):  # 16 bits a pixel, which convert would clip at 255
            image = image.point(lambda value: value / 256)
        grey = image.convert("RGBA" if image.has_transparency_data else "L")
    grey = ImageOps.fit(grey, (size, size), Image.Resampling.LANCZOS)
    if grey.mode == "L":
        return np.asarray(grey)
    # What is drawn dark needs a light ground to be seen, and the reverse.
    luminance, alpha = np.asarray(grey.convert("LA"), np.float32).transpose(2, 0, 1)
    ground = 255 if (luminance * alpha).sum() < 127.5 * alpha.sum() else 0
    return np.rint(ground + (luminance - ground) * alpha / 255).astype(np.uint8)


# names and reviews: short texts by class ------------------------------------------------------

_LOCALES = {  # where Faker keeps each language's names
    "Croatian": "hr_HR",
    "Dutch": "nl_NL",
    "English": "en_GB",
    "Estonian": "et_EE",
    "Finnish": "fi_FI",
    "French": "fr_FR",
    "German": "de_AT",
    "Icelandic": "is_IS",
    "Irish": "ga_IE",
    "Italian": "it_IT",
    "Slovak": "sk_SK",
    "Spanish": "es_ES",
    "Swedish": "sv_SE",
    "Zulu": "zu_ZA",
}
_FAMILY_NAME = re.compile(r"'?[^\W\d_]+(?:(?:-|'? '?|')[^\W\d_]+)*")
# Entries of the tables that are whole names of medieval nobles, or parts and notes of such.
_NO_FAMILY_NAME = re.compile(r"\w v[ao]n |^The |^[IVX]+$| recte ")


def _family_names() -> Texts:
    classes = {
        language: [
            name
            for name in map(_tidy, _table(locale))
            if _FAMILY_NAME.fullmatch(name) and not _NO_FAMILY_NAME.search(name)
        ]
        for language, locale in _LOCALES.items()
    }
    return _split_texts("names", classes, test_share=0.15)


def _table(locale: str) -> list[str]:
    """Faker's family names of one language, as they stand there."""
    import importlib

    table = importlib.import_module(f"faker.providers.person.{locale}").Provider
    if locale == "sk_SK":
        # A woman's form repeats a man's: Novák, Nováková. Both would put near copies on both sides.
        return list(table.last_names_male)
    if locale == "is_IS":
        # A father's name in the genitive, then son or daughter: here by turns. Faker gives the
        # genitive, but leaves out that Helgi becomes Helga-.
        stems = [
            father[:-1] + "a" if father.endswith("i") else stem
            for father, stem in zip(
                table.first_names_male, table.last_names_without_suffix, strict=True
            )
        ]
        turns = enumerate(sorted(set(stems)))
        return [stem + ("dóttir" if turn % 2 else "son") for turn, stem in turns]
    return list(table.last_names)


# Characters of Windows' own code that went into the files as control characters.
_MENDED = str.maketrans({"\x85": "…", "\x96": "–", "\x97": "—"})


def _reviews() -> Texts:
    class_names = _SOURCES["reviews"].class_names
    classes: dict[str, list[str]] = {class_name: [] for class_name in class_names}
    for domain, file in enumerate(_local_files("reviews")):
        # A sentence, a tab, 0 or 1. Not splitlines(), which takes "\x85" for a line's end.
        for line in file.read_text("utf-8").strip("\n").split("\n"):
            sentence, _, sentiment = line.rpartition("\t")
            classes[class_names[2 * domain + int(sentiment)]].append(
                _tidy(sentence.translate(_MENDED))
            )
    return _split_texts("reviews", classes, test_share=0.2)


def _tidy(text: str) -> str:
    """Composed characters, and one space where there is any white space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _split_texts(name: str, classes: dict[str, list[str]], test_share: float) -> Texts:
    """Drop what is twice in a class, and take `test_share` of each class as test texts.

    All texts are put in the order of their digests, so the split depends on nothing else. A text
    of several classes goes to the test only if each of them still has room there.
    """
    import hashlib

    labels: dict[str, list[int]] = {}  # text: the classes that it is in
    for label, texts in enumerate(classes.values()):
        for text in dict.fromkeys(texts):
            labels.setdefault(text, []).append(label)
    room = [round(test_share * len(set(texts))) for texts in classes.values()]
    train, test = [], []
    for text in sorted(labels, key=lambda text: hashlib.sha256(text.encode()).digest()):
        side = test if all(room[label] for label in labels[text]) else train
        for label in labels[text]:
            side.append((text, label))
            room[label] -= side is test
    (texts, numbers), (test_texts, test_numbers) = zip(*train, strict=True), zip(*test, strict=True)
    return Texts(
        name=name,
        texts=texts,
        labels=np.array(numbers, np.int64),
        test_texts=test_texts,
        test_labels=np.array(test_numbers, np.int64),
        class_names=tuple(classes),
    )
