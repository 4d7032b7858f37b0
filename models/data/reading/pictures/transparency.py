"""What lies under transparent pixels, and around a picture that is padded: the ground that its border shows."""

from PIL import Image

_HALF = 128


def opaque(image: Image.Image) -> tuple[Image.Image, bool]:
    """Lay a picture on its ground; gives it without transparency, and whether there was any.

    The ground is the median of the border where that is opaque; else black where the ink is light, and white where it
    is dark.
    """
    both = image if image.mode == "RGBA" else image.convert("RGBA")
    alpha, colours = both.getchannel("A"), both.convert("RGB")
    if alpha.getextrema()[0] == 255:
        return colours, False
    if ground_of(alpha)[0] >= _HALF:
        ground = ground_of(colours)
    else:
        light = colours.convert("L").point([255 * (level >= _HALF) for level in range(256)])
        of_light, of_all = (_mass(alpha.histogram(mask)) for mask in (light, None))
        ground = (0, 0, 0) if 2 * of_light > of_all else (255, 255, 255)
    laid = Image.new("RGB", image.size, ground)
    laid.paste(colours, mask=alpha)
    return laid, True


def ground_of(image: Image.Image) -> tuple[int, ...]:
    """Give the upper median of the border's levels, for each channel."""
    width, height = image.size
    edges = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    counts = [sum(levels) for levels in zip(*(image.crop(edge).histogram() for edge in edges), strict=True)]
    middle = width + height  # of twice as many pixels
    found = list[int]()
    for channel in range(0, len(counts), 256):
        seen = 0
        for level, count in enumerate(counts[channel : channel + 256]):
            seen += count
            if seen > middle:
                found.append(level)
                break
    return tuple(found)


def _mass(histogram: list[int]) -> int:
    return sum(level * count for level, count in enumerate(histogram))
