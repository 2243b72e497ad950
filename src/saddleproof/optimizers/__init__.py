"""Pure ask/tell state machines: robust descent, its perturbed relatives, and the default.

base.py has the protocol, table.py the names; each member is one file and is imported on its own.
"""
