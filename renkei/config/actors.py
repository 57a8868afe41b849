"""Who types: a user of this machine as the system knows him, or the bearer of a token. The environment is passed in."""

from __future__ import annotations

import hashlib
import hmac
import os
import pwd
from collections.abc import Iterable, Mapping


def machine_user() -> str:
    """The name of the user whom this process belongs to, whatever USER or LOGNAME say; `uidN` for one without a name."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid{number}"


def typist(environ: Mapping[str, str], tokens: Iterable[tuple[str, str]]) -> str:
    """`os:NAME`, or with RENKEI_TOKEN `token:NAME` of the token (name, sha256) that it is; `token:?` where it is none of them.

    A connection without tokens does not look at RENKEI_TOKEN.
    """
    known, given = list(tokens), environ.get("RENKEI_TOKEN", "").strip()
    if not given or not known:
        return f"os:{machine_user()}"
    digest = hashlib.sha256(given.encode()).hexdigest()
    return next((f"token:{name}" for name, one in known if hmac.compare_digest(one, digest)), "token:?")
