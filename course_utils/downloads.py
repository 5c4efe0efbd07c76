"""Files from the network: once, whole and verified, or not at all."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

__all__ = ["answering", "cache", "fetch"]

SECONDS = 4  # a server that has not answered by then counts as out of reach


def cache() -> Path:
    """Return the folder of the system's cache in which downloads are kept; it may not exist yet."""
    import pooch

    return Path(pooch.os_cache("generative-models-built-twice"))


def answering(mirrors: Sequence[str], file: str = "") -> list[str]:
    """Return the mirrors that answer within `SECONDS` when asked for a file, in their order.

    Looking up a host's name has no time limit of its own, and takes half a minute on some
    machines that are offline. So all are asked at once, in threads that nobody waits for.
    """
    from threading import Thread
    from time import monotonic

    import requests

    answered = set()

    def ask(mirror: str) -> None:
        try:
            requests.head(mirror + file, timeout=SECONDS)
            answered.add(mirror)
        except OSError:
            pass

    threads = [Thread(target=ask, args=[mirror], daemon=True) for mirror in mirrors]
    end = monotonic() + SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, end - monotonic()))
    return [mirror for mirror in mirrors if mirror in answered]


def fetch(path: Path, checksum: str, mirrors: Sequence[str], file: str = "") -> None:
    """Download a file from the first mirror that has it whole; what was at its path is replaced.

    An interrupted or damaged download leaves nothing: the bytes go to a temporary file, which is
    moved to the path only when its checksum is right.

    Parameters
    ----------
    path
        Where it goes. Folders are made.
    checksum
        Of the file, with the algorithm's name: "md5:..." or "sha256:...".
    mirrors
        Addresses that `file` is put behind. What follows a "#" is a member of the zip archive
        before it.
    file
        Its name there; empty where a mirror is the whole address.

    Raises
    ------
    ConnectionError
        If no mirror has it whole, or it cannot be written, with the reason.
    """
    import pooch

    pooch.get_logger().setLevel("ERROR")  # its messages name folders of this machine
    over_http = pooch.HTTPDownloader(timeout=(SECONDS, 20))

    def downloader(url: str, target: str, asker: pooch.Pooch) -> None:
        over_http(url, target, asker)
        if member := url.partition("#")[2]:
            with zipfile.ZipFile(target) as archive:
                content = archive.read(member)
            Path(target).write_bytes(content)

    reason: Exception | str = "no answer"
    for mirror in mirrors:
        try:
            pooch.retrieve(mirror + file, checksum, path.name, path.parent, downloader=downloader)
            return
        except PermissionError as error:  # of this machine: no mirror can help
            raise ConnectionError(f"{path.parent} cannot be written: {error.strerror}") from None
        # Connection, HTTP status, full disk; a wrong sum; a damaged archive or another one.
        except (OSError, ValueError, zipfile.BadZipFile, zlib.error, KeyError) as error:
            reason = error
    raise ConnectionError(str(reason))
