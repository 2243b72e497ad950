"""The server's side. SADDLEPROOF_ROSTER names a JSON file, worker to public key."""

import json
import os
from pathlib import Path

from digits.task import WORKERS, told, train
from saddleproof.fleets.flower import server_app

roster = os.environ.get("SADDLEPROOF_ROSTER")


def main(fleet, context):
    """Run, and print where it ended."""
    print(told(train(fleet)), flush=True)


app = (
    server_app(main, workers=json.loads(Path(roster).read_text()))
    if roster
    else server_app(main, workers=WORKERS, insecure=True)  # a simulation
)
