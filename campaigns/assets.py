"""Pictures of mails: whatever is uploaded is decoded and drawn anew, so that nothing but its pixels is kept."""

import hashlib
from datetime import datetime
from io import BytesIO
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from PIL import Image, ImageOps, UnidentifiedImageError

from campaigns.models import Asset

MOST_BYTES = 5 * 1024 * 1024
MOST_PIXELS = 4096
READ = ("PNG", "JPEG", "GIF", "WEBP")
QUALITY = 88
KINDS = {"PNG": "image/png", "JPEG": "image/jpeg"}
NAME_LENGTH = 120


class AssetRefused(ValueError):
    """A file that cannot be used as a picture, with the reason as a sentence."""


class Drawn(NamedTuple):
    content: bytes
    kind: str
    width: int
    height: int


def put(name: str, content: bytes, by: AbstractBaseUser | None, at: datetime) -> Asset:
    """Store a picture, or give the one that looks the same. Raises AssetRefused."""
    drawn = draw(content)
    told = {
        "name": " ".join(name.split())[-NAME_LENGTH:] or "Picture",
        "kind": drawn.kind,
        "content": drawn.content,
        "width": drawn.width,
        "height": drawn.height,
        "created_at": at,
        "author": by,
    }
    return Asset.objects.get_or_create(sha256=hashlib.sha256(drawn.content).hexdigest(), defaults=told)[0]


def draw(content: bytes) -> Drawn:
    """Give a picture's pixels as PNG or JPEG, upright, without anything else. Raises AssetRefused."""
    if len(content) > MOST_BYTES:
        raise AssetRefused(f"The picture is larger than {MOST_BYTES // 1024 // 1024} MB.")
    try:
        with Image.open(BytesIO(content), formats=READ) as opened:
            if max(opened.size) > MOST_PIXELS:
                raise AssetRefused(
                    f"The picture has {opened.width:,} x {opened.height:,} pixels; at most {MOST_PIXELS:,} each way."
                )
            opened.load()
            return _drawn(ImageOps.exif_transpose(opened), opened.format == "JPEG")
    except AssetRefused:
        raise
    except UnidentifiedImageError as error:
        raise AssetRefused("The file is no picture that mails can show: PNG, JPEG, GIF or WebP.") from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise AssetRefused("The picture is damaged and cannot be read.") from error
    except Image.DecompressionBombWarning as error:
        raise AssetRefused(f"The picture has too many pixels; at most {MOST_PIXELS:,} each way.") from error


def _drawn(picture: Image.Image, was_jpeg: bool) -> Drawn:
    is_clear = picture.has_transparency_data
    plain = picture.convert("RGBA" if is_clear else "RGB")
    bare = Image.frombytes(plain.mode, plain.size, plain.tobytes())
    drawn = _written(bare, "JPEG" if was_jpeg and not is_clear else "PNG")
    if len(drawn.content) > MOST_BYTES and not is_clear:
        drawn = _written(bare, "JPEG")
    if len(drawn.content) > MOST_BYTES:
        raise AssetRefused("The picture is too large once it is drawn anew; make it smaller.")
    return drawn


def _written(picture: Image.Image, form: str) -> Drawn:
    out = BytesIO()
    picture.save(out, form, optimize=True, **({"quality": QUALITY} if form == "JPEG" else {}))
    return Drawn(out.getvalue(), KINDS[form], picture.width, picture.height)
