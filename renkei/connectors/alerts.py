"""Alerts on their way out: webhook, e-mail, chat, by Apprise, which knows each service by the beginning of its address."""

from __future__ import annotations

import logging

from renkei.core.errors import AskedWrongly


async def send(addresses: str, title: str, text: str) -> bool:
    """Tell every address; False where one of them did not take it.

    addresses   one or several with spaces between: `jsons://HOST/PATH`, `mailtos://USER:PASSWORD@HOST?to=…`, `slack://…`
    raises      AskedWrongly for an address of no service that there is; the address itself, a secret, is not told
    """
    from apprise import Apprise  # takes half a second; most runs have nothing to tell

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its words hold addresses
    told = Apprise()
    for number, address in enumerate(addresses.split(), start=1):
        if not told.add(address):
            raise AskedWrongly(
                f"The address number {number} in RENKEI_ALERT_URL is none that alerts can go to.",
                fix="Write it as docs/how-to/alerts.md says.",
            )
    return bool(await told.async_notify(title=title, body=text))
