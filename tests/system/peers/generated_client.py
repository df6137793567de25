"""Operates an update server with the client that openapi-python-client made of its document.

Usage: generated_client.py FOLDER URL TOKEN IMAGE. FOLDER holds the package `generated`; IMAGE is a signed image that the
server has a policy for. Every answer is asked for by its documented type; anything else ends this with an error.
"""

import io
import pathlib
import sys

folder, url, token, image = sys.argv[1:]
sys.path.insert(0, folder)

from generated import AuthenticatedClient  # noqa: E402
from generated.api.devices import devices_decision, devices_expect, devices_list  # noqa: E402
from generated.api.operations import operations_audit, operations_health  # noqa: E402
from generated.api.releases import releases_get, releases_upload  # noqa: E402
from generated.api.rollouts import (  # noqa: E402
    rollouts_abort,
    rollouts_create,
    rollouts_list,
    rollouts_members,
    rollouts_pause,
    rollouts_resume,
    rollouts_widen,
)
from generated.api.tokens import tokens_create  # noqa: E402
from generated.models import (  # noqa: E402
    Expected,
    NewRollout,
    NewToken,
    Problem,
    Release,
    Role,
    Rollout,
    RolloutReach,
    RolloutTo,
    State,
)
from generated.types import File  # noqa: E402

DEVICE = "00112233445566778899aabbccddeeff"


def client(token):
    return AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)


admin = client(token)
assert operations_health.sync(client=admin) is not None

payload = io.BytesIO(pathlib.Path(image).read_bytes())
release = releases_upload.sync(client=admin, body=File(payload=payload), notes="A new hinge.")
assert isinstance(release, Release), release
assert releases_get.sync(release.digest, client=admin).notes == "A new hinge."

devices_expect.sync(client=admin, body=Expected(devices=[DEVICE]))
assert [device.id for device in devices_list.sync(client=admin)] == [DEVICE]

rollout = rollouts_create.sync(
    client=admin,
    body=NewRollout(release=release.digest, to=RolloutTo.LIST, devices=[DEVICE], stages=[10.0, 100.0], start=False),
)
assert isinstance(rollout, Rollout) and rollout.state == State.PAUSED, rollout
assert rollouts_resume.sync(rollout.id, client=admin).state == State.RUNNING
assert rollouts_widen.sync(rollout.id, client=admin, body=RolloutReach(percent=100.0)).percent == 100.0
# Nobody knows the hardware of a lock that is only expected.
assert rollouts_members.sync(rollout.id, client=admin) == []
assert rollouts_pause.sync(rollout.id, client=admin).state == State.PAUSED

viewer = client(tokens_create.sync(client=admin, body=NewToken(name="wall screen", role=Role.VIEWER)).secret)
assert [seen.id for seen in rollouts_list.sync(client=viewer)] == [rollout.id]
refused = rollouts_abort.sync(rollout.id, client=viewer)
assert isinstance(refused, Problem) and refused.status == 403, refused
assert rollouts_abort.sync(rollout.id, client=admin).state == State.ABORTED

unknown = devices_decision.sync("ff" * 16, client=admin)
assert isinstance(unknown, Problem) and unknown.status == 404, unknown
assert len(operations_audit.sync(client=admin, limit=5)) == 5
print("operated")
