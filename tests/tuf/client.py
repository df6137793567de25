"""A client of a TUF repository: python-tuf's own, as it comes from PyPI.

    client.py read ROOT STATE PLACE NAME    updates what STATE holds, downloads NAME
    client.py mirror URL FOLDER             copies every file of a repository, verifying nothing

ROOT is the first root, as the client carries it; STATE a folder that the client keeps. PLACE is the repository's URL,
or the folder of a mirror. Prints a line for each fact; ends with 1 and `refused ERROR` when python-tuf refuses.
"""

import functools
import hashlib
import http.server
import json
import pathlib
import sys
import threading
import urllib.error
import urllib.request

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def served(folder):
    """Serves a folder on this machine; gives its URL."""
    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def read(root, state, place, name):
    url = place if place.startswith("http") else served(place)
    state = pathlib.Path(state)
    state.mkdir(exist_ok=True)
    updater = Updater(
        metadata_dir=str(state),
        metadata_base_url=f"{url}/metadata/",
        target_dir=str(state),
        target_base_url=f"{url}/targets/",
        bootstrap=pathlib.Path(root).read_bytes(),
    )
    updater.refresh()
    for role in ["root", "timestamp", "snapshot", "targets"]:
        version = json.loads((state / f"{role}.json").read_text())["signed"]["version"]
        print(role, version)
    target = updater.get_targetinfo(name)
    assert target, f"{name} is not listed"
    print("custom", json.dumps(target.custom, sort_keys=True))
    path = updater.download_target(target, str(state / "image"))
    print("sha256", hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest())


def mirror(url, folder):
    folder = pathlib.Path(folder)

    def copy(path):
        with urllib.request.urlopen(f"{url}/{path}") as answer:
            body = answer.read()
        to = folder / path
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(body)
        return body

    number = 1
    while True:
        try:
            copy(f"metadata/{number}.root.json")
        except urllib.error.HTTPError as error:
            assert error.code == 404, error
            break
        number += 1
    timestamp = json.loads(copy("metadata/timestamp.json"))["signed"]
    version = timestamp["meta"]["snapshot.json"]["version"]
    snapshot = json.loads(copy(f"metadata/{version}.snapshot.json"))["signed"]
    version = snapshot["meta"]["targets.json"]["version"]
    targets = json.loads(copy(f"metadata/{version}.targets.json"))["signed"]
    for name, target in targets["targets"].items():
        copy(f"targets/{target['hashes']['sha256']}.{name}")


def main():
    command, *arguments = sys.argv[1:]
    try:
        {"read": read, "mirror": mirror}[command](*arguments)
    except (RepositoryError, DownloadError) as error:
        print(f"refused {type(error).__name__}: {error}")
        sys.exit(1)


main()
