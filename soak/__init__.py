"""Soak: whole nights of renkei simulated from one seed, its pure core alone, and bugs planted to prove that both would tell.

Not shipped. It imports renkei and its sandbox, never the tests. Start with `soak/nights.py`; docs/how-to/soak.md says how to
run it and how to replay what it finds.
"""
