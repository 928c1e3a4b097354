"""How our mails look: colours with enough contrast (WCAG 2.2, 1.4.3), the logo, and where pictures are found."""

from typing import NamedTuple

from django.conf import settings

from campaigns.models import Programme

WHITE, INK, BLACK = "#ffffff", "#14202b", "#000000"  # where white is too faint, black never is
ENOUGH = 4.5  # of contrast, for text of any size
LOGO_HEIGHT, LOGO_WIDTH = 44, 220


class Brand(NamedTuple):
    """What a mail's page is drawn with. `assets` is where pictures are found, by their public id."""

    colour: str = "#14557b"
    background: str = "#f4f6f8"
    assets: str = ""
    logo: str = ""
    logo_width: int = 0

    @property
    def on_colour(self) -> str:
        """The colour of text on our colour."""
        return text_on(self.colour)

    @property
    def link(self) -> str:
        """Our colour, dark enough to be read on white and on its own tint."""
        return readable(self.colour, self.tint, INK)

    @property
    def link_in_the_dark(self) -> str:
        """Our colour, light enough to be read on a dark card."""
        return readable(self.colour, "#22303c", WHITE)

    @property
    def tint(self) -> str:
        """A breath of our colour, behind text."""
        return mixed(self.colour, WHITE, 0.1)

    @property
    def around(self) -> str:
        """The colour of text on the background around the mail."""
        return readable("#5b6875", self.background, text_on(self.background))


def of(programme: Programme) -> Brand:
    """Give the brand of our programme."""
    assets, logo = f"{settings.PUBLIC_URL}/a/", programme.logo
    if logo is None:
        return Brand(programme.colour, programme.background, assets)
    width = round(min(LOGO_WIDTH, LOGO_HEIGHT * logo.width / max(logo.height, 1)))
    return Brand(programme.colour, programme.background, assets, logo.public_id, max(width, 1))


def contrast(one: str, other: str) -> float:
    """Give the contrast of two colours, 1 to 21 (WCAG 2.2)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def text_on(colour: str) -> str:
    """Give the colour of text that is read on another."""
    return next(one for one in (WHITE, INK, BLACK) if contrast(one, colour) >= ENOUGH)


def readable(colour: str, behind: str, towards: str) -> str:
    """Give the colour, moved only as far towards another as it must be to be read."""
    for step in range(21):
        moved = mixed(towards, colour, step / 20)
        if contrast(moved, behind) >= ENOUGH:
            return moved
    return towards


def mixed(one: str, other: str, share: float) -> str:
    """Give a colour that is so much the one, and otherwise the other."""
    parts = zip(_parts(one), _parts(other), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in parts)


def _luminance(colour: str) -> float:
    red, green, blue = (
        part / 3294.6 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in _parts(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
