"""Cells of files for spreadsheets, of which none is taken for a formula (OWASP ASVS 1.2.10)."""

import re

# A cell that a spreadsheet would take for a formula, also behind blanks.
FORMULA = r"^[\s]*[=+\-@\t\r]"


def guarded(cell: str) -> str:
    """Give a text that no spreadsheet computes."""
    return f"'{cell}" if re.match(FORMULA, cell) else cell
