"""The memory: SQLite or PostgreSQL behind core/ports.py Ledger."""

from renkei.ledger.ledger import SqlLedger, open_ledger

__all__ = ["SqlLedger", "open_ledger"]
