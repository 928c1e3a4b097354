"""Names of fields, and values, that may tell who somebody is: they are never offered to pick from."""

import re

PERSONAL_NAMES = re.compile(
    r"(^|[._\s])(e?-?mail|phone|mobile|tel|telephone|fax|name|(first|last|full|user|sur)[_ ]?name|surname|address"
    r"|street|iban|ssn|passport|password|token|(external|customer|user)[_ ]?id)($|[._\s\d])",
    re.IGNORECASE,
)
PERSONAL_VALUES = r"@|\d{7,}|^\+?[\d ()/.-]{7,}$"  # an address, a number to call, a number of an account
