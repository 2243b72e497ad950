from .base import Announcement, AnsweringFleet, Fleet, Messages, collect
from .grpc.fleet import GrpcFleet
from .local import LocalFleet
from .ray import RayFleet

__all__ = [
    "Announcement",
    "AnsweringFleet",
    "Fleet",
    "GrpcFleet",
    "LocalFleet",
    "Messages",
    "RayFleet",
    "collect",
]
