"""The same optimizer in a Flower deployment: a ServerApp with our own loop, and a ClientApp.

    app = client_app(loss, load_data)                             # client_app.py
    app = server_app(train, workers={"north": "9f2c...", ...})    # server_app.py

`train(fleet, context)` is yours and calls `saddleproof.minimize(fleet, ...)`. No Flower Strategy is
involved: those count rounds and average.
"""

from saddleproof.fleets.flower.apps import client_app, server_app
from saddleproof.fleets.flower.fleet import FlowerFleet
from saddleproof.fleets.flower.keys import new_key

__all__ = ["FlowerFleet", "client_app", "new_key", "server_app"]
