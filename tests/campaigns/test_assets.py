"""A picture that was uploaded is shown as its pixels, and as nothing else."""

from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from campaigns import assets
from campaigns.models import Asset
from tests.config.world import T

SECRET = b"taken at home"


def picture(form: str = "PNG", size: tuple[int, int] = (4, 2), mode: str = "RGB", **more: Any) -> bytes:
    out = BytesIO()
    Image.new(mode, size, 200 if mode == "P" else None).save(out, form, **more)
    return out.getvalue()


def with_secrets(form: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    told = PngInfo()
    told.add_text("Comment", SECRET.decode())
    more: dict[str, Any] = {"pnginfo": told} if form == "PNG" else {}
    return picture(form, exif=exif, **more)


@pytest.mark.parametrize(
    ("form", "kind"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/png"), ("GIF", "image/png")]
)
def test_a_picture_is_drawn_anew_in_a_form_that_every_mail_program_shows(form: str, kind: str) -> None:
    drawn = assets.draw(picture(form))
    assert (drawn.kind, drawn.width, drawn.height) == (kind, 4, 2)
    assert Image.open(BytesIO(drawn.content)).size == (4, 2)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_what_a_camera_wrote_into_a_picture_is_left_out(form: str) -> None:
    assert SECRET in with_secrets(form)
    drawn = assets.draw(with_secrets(form))
    assert SECRET not in drawn.content
    assert not Image.open(BytesIO(drawn.content)).getexif()


def test_a_picture_that_lies_on_its_side_is_set_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert assets.draw(picture("JPEG", (8, 2), exif=exif))[2:] == (2, 8)


def test_a_page_hidden_behind_a_picture_is_gone() -> None:
    assert b"<script>" not in assets.draw(picture() + b"<script>alert(1)</script>").content


def test_what_is_clear_stays_clear() -> None:
    assert Image.open(BytesIO(assets.draw(picture(mode="RGBA")).content)).mode == "RGBA"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "no picture"),
        (b"<html></html>", "no picture"),
        (b"", "no picture"),
        (picture("TIFF"), "no picture"),
        (picture("PNG", (40, 40))[:60], "damaged"),
        (picture("PNG", (4097, 1)), "4,097 x 1 pixels"),
        (picture("PNG", (9600, 9600), "1"), "pixels"),
        (b"0" * (assets.MOST_BYTES + 1), "larger than 5 MB"),
    ],
    ids=("svg", "page", "nothing", "tiff", "cut", "wide", "bomb", "heavy"),
)
def test_what_is_no_fit_picture_is_refused_with_a_sentence(content: bytes, said: str) -> None:
    with pytest.raises(assets.AssetRefused, match=said):
        assets.draw(content)


@pytest.mark.door
@pytest.mark.django_db
def test_the_same_picture_is_stored_once_and_shown_to_anybody_who_has_its_address(client: Client) -> None:
    first = assets.put("logo.png", picture(), None, T)
    assert assets.put("again.png", picture(), None, T) == first
    shown = client.get(f"/a/{first.public_id}")
    assert shown.content == bytes(Asset.objects.get().content)
    assert shown["Content-Type"] == "image/png"
    assert shown["X-Content-Type-Options"] == "nosniff"
    assert shown["Cache-Control"] == "public, max-age=31536000, immutable"
    assert shown["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "Cookie" not in shown.get("Vary", "")
    assert client.get(f"/a/{first.public_id}", headers={"if-none-match": shown["ETag"]}).status_code == 304
    assert client.get("/a/nobody-knows").status_code == 404
    assert client.post(f"/a/{first.public_id}").status_code == 405
