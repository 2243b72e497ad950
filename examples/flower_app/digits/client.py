"""The worker's side: its loss and its data, neither of which the server sends."""

from digits.task import PrincipalComponent, load_data
from saddleproof.fleets.flower import client_app

app = client_app(
    PrincipalComponent(), lambda context: load_data(int(context.node_config["partition-id"]))
)
