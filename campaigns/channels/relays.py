"""What mail providers need in a mail that they relay, so that their reports name the delivery again."""

import json

# By the end of the provider's host: a header, and its text around the delivery's id.
RELAYS = {
    "postmarkapp.com": ("X-PM-Metadata-delivery", "{}"),
    "sendgrid.net": ("X-SMTPAPI", '{{"unique_args": {{"delivery": {}}}}}'),
    "mailgun.org": ("X-Mailgun-Variables", '{{"delivery": {}}}'),
    "brevo.com": ("X-Mailin-custom", '{{"delivery": {}}}'),
    "sendinblue.com": ("X-Mailin-custom", '{{"delivery": {}}}'),
    "mailjet.com": ("X-MJ-EventPayload", '{{"delivery": {}}}'),
    "sparkpostmail.com": ("X-MSYS-API", '{{"metadata": {{"delivery": {}}}}}'),
    "amazonaws.com": ("X-Metadata", '{{"delivery": {}}}'),
}


def headers(host: str, public_id: str) -> dict[str, str]:
    """Give the header by which the provider behind a mail server remembers the delivery; none for other servers."""
    for end, (name, text) in RELAYS.items():
        if host == end or host.endswith(f".{end}"):
            return {name: text.format(public_id if text == "{}" else json.dumps(public_id))}
    return {}
