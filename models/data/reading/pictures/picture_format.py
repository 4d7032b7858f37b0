"""What a picture's file is by its first bytes, whatever it is called; and of those that are not read, what to do."""

import re

BY_START = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
PLUGINS = {name: f"PIL.{name[:1]}{name[1:].lower()}ImagePlugin" for name in ("PNG", "JPEG", "GIF", "BMP", "TIFF")} | {
    "WEBP": "PIL.WebPImagePlugin",
    "AVIF": "PIL.AvifImagePlugin",
}
"""The modules of Pillow that read them; no other is ever loaded."""

_PNG = "save it as PNG"
_OTHERS = (
    (rb"8BPS", "a Photoshop document", f"{_PNG}, with its layers as one"),
    (rb"%PDF", "a PDF document", "draw its pages as PNG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document", "draw it as PNG"),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 picture", _PNG),
    (rb"\x00\x00\x00\x0cJXL |\xff\x0a", "a JPEG XL picture", _PNG),
    (rb"FUJIFILM|IIRO|IIU\x00", "a camera's raw picture", "develop it to PNG or JPEG"),
    (rb"\x00\x00[\x01\x02]\x00", "an icon", _PNG),
    (rb"P[1-7]\s", "a Netpbm picture", _PNG),
    (rb"qoif", "a QOI picture", _PNG),
    (rb"DDS ", "a texture (DDS)", _PNG),
    (rb"\x76\x2f\x31\x01", "an OpenEXR picture", _PNG),
    (rb"#\?RADIANCE", "a Radiance picture", _PNG),
    (rb"SIMPLE  =", "a FITS file", _PNG),
    (rb".{128}DICM", "a DICOM file", "write its pixels as PNG"),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the picture", "fetch the pictures with git lfs pull"),
    (rb"(?i)(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!doctype svg[^>]*>\s*)?<svg", "an SVG drawing",
     "draw it as PNG, all of one size"),
    (rb"(?i)\s*<(!doctype html|html)", "a web page", "the download gave a page, not the picture: fetch it anew"),
)  # fmt: skip
_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def name_of(data: bytes) -> str | None:
    """Give what Pillow calls the form of a picture; None where it is none of those that are read."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        # A file names the brand that it is of, and those that it goes with: a still AVIF may call itself `mif1`.
        brands = data[8 : min(int.from_bytes(data[:4]), 256)]
        return "AVIF" if b"avif" in brands or b"avis" in brands else None
    return next((name for start, name in BY_START if data.startswith(start)), None)


def other(data: bytes) -> tuple[str, str]:
    """Tell what a file is that is not read as a picture, and what to do."""
    if not data.strip(b"\x00"):
        return ("it is empty" if not data else "it holds nothing but zeros"), "send the picture anew"
    if data[4:8] == b"ftyp":
        if data[8:12] == b"crx ":
            return "it is a camera's raw picture", "develop it to PNG or JPEG"
        brand = data[8:12]
        return ("it is a HEIC picture" if brand in _HEIC else "it is a film"), "save it as JPEG or PNG"
    for pattern, what, remedy in _OTHERS:
        if re.match(pattern, data[:4096], re.DOTALL):
            return f"it is {what}", remedy
    return "it is none of PNG, JPEG, WebP, AVIF, GIF, BMP and TIFF", "send pictures of one of these forms"
