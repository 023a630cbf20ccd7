"""The pictures of images.py: what each is, as bytes of a picture file. All drawn here, seeded, small."""

import io

import numpy as np
from PIL import Image, ImageDraw

SEED = 20250101
ORIENTATION = 0x0112  # the EXIF tag


def smooth(width, height):
    """Slow waves in three colours: what a lossy format keeps well."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [np.sin(x / 9 + y / 13), np.cos(x / 7 - y / 11), np.sin((x + 2 * y) / 17)]
    return Image.fromarray((127.5 + 120 * np.stack(waves, -1)).round().astype(np.uint8))


def gradient(width, height):
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = x / max(width - 1, 1), y / max(height - 1, 1)
    return Image.fromarray((255 * np.stack([x, y, 1 - x * y], -1)).round().astype(np.uint8))


def noise(width, height):
    """The worst case for a resize filter: every pixel unlike its neighbours."""
    rng = np.random.default_rng(SEED)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


def bars(width, height):
    """Hard edges like those of print: overshoot and clipping of the filters show here."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    rng = np.random.default_rng(SEED + 1)
    colours = ["black", "black", "red", "blue", "#00ff00"]
    for row in range(4, height, 13):
        x = 3
        while x < width - 3:
            wide = int(rng.integers(1, 6))
            draw.rectangle([x, row, x + wide, row + int(rng.integers(2, 9))], fill=colours[int(rng.integers(5))])
            x += wide + int(rng.integers(2, 7))
    draw.line([0, 0, width, height], fill="black", width=3)
    return image


def arrow(width=40, height=28):
    """Unlike itself in all eight orientations."""
    image = smooth(width, height)
    draw = ImageDraw.Draw(image)
    draw.polygon([(2, 2), (width // 2, 4), (4, height // 2)], fill="red")
    draw.rectangle([width - 8, height - 5, width - 2, height - 2], fill="blue")
    return image


def with_alpha(image):
    """Clear at the left, opaque at the right, colour everywhere: dropping alpha shows the colour."""
    ramp = np.tile(np.linspace(0, 255, image.width).round().astype(np.uint8), (image.height, 1))
    out = image.convert("RGBA") if image.mode == "RGB" else image.convert("LA")
    out.putalpha(Image.fromarray(ramp))
    return out


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def turned(kind, orientation, **options):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(arrow(), kind, exif=exif, **options)


def rgb16():
    """A 16-bit colour PNG; Pillow cannot write one, so its chunks are put together here."""
    import struct
    import zlib
    values = (np.asarray(arrow()).astype(np.uint16) * 257 + np.arange(40)[None, :, None].astype(np.uint16) * 3) & 0xFFFF
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    head = struct.pack(">IIBBBBB", 40, 28, 16, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def grey16():
    y, x = np.mgrid[0:28, 0:40]
    return Image.fromarray((x * 1600 + y * 37).astype(np.uint16))


def animated(kind, **options):
    frames = [arrow(), gradient(40, 28)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, loop=0, **options)


def gif_with_clear_pixels():
    image = arrow().quantize(16)
    return encoded(image, "GIF", transparency=int(np.asarray(image)[14, 20]))


PART = (4, 3, 44, 31)  # left, top, right, bottom of the frame below


def gif_of_a_part():
    """A first frame that covers only a part of the screen, which is 10 columns and 6 rows larger."""
    data = bytearray(encoded(arrow().quantize(8), "GIF"))
    data[6:10] = bytes([50, 0, 34, 0])
    at = data.index(b"\x2c", 13 + 3 * 8)
    data[at + 1:at + 5] = bytes([4, 0, 3, 0])
    return bytes(data)


def formats():
    """{file name: bytes} of one motif in every kind of file, 40 by 28."""
    rgb, grey = arrow(), arrow().convert("L")
    clear = rgb.quantize(16)
    files = {
        "rgb.png": encoded(rgb, "PNG"),
        "rgba.png": encoded(with_alpha(rgb), "PNG"),
        "grey.png": encoded(grey, "PNG"),
        "grey_alpha.png": encoded(with_alpha(grey), "PNG"),
        "grey_clear.png": encoded(grey, "PNG", transparency=128),
        "one_bit.png": encoded(grey.convert("1"), "PNG"),
        "palette.png": encoded(rgb.quantize(16), "PNG"),
        "palette_clear.png": encoded(clear, "PNG", transparency=int(np.asarray(clear)[14, 20])),
        "grey16.png": encoded(grey16(), "PNG"),
        "rgb16.png": rgb16(),
        "turned6.png": turned("PNG", 6),
        "444.jpg": encoded(rgb, "JPEG", quality=90, subsampling=0),
        "422.jpg": encoded(rgb, "JPEG", quality=85, subsampling=1),
        "420.jpg": encoded(rgb.crop((0, 0, 39, 27)), "JPEG", quality=85, subsampling=2),
        "420_smooth.jpg": encoded(smooth(39, 27), "JPEG", quality=85, subsampling=2),
        "progressive.jpg": encoded(rgb, "JPEG", quality=85, progressive=True, subsampling=0),
        "grey.jpg": encoded(grey, "JPEG", quality=85),
        "cmyk.jpg": encoded(rgb.convert("CMYK"), "JPEG", quality=90, subsampling=0),
        "lossless.webp": encoded(rgb, "WEBP", lossless=True),
        "lossy.webp": encoded(rgb, "WEBP", quality=85),
        "rgba.webp": encoded(with_alpha(rgb), "WEBP", lossless=True, exact=True),
        "animated.webp": animated("WEBP", lossless=True),
        "turned8.webp": turned("WEBP", 8, lossless=True),
        "still.gif": encoded(rgb.quantize(32), "GIF"),
        "animated.gif": animated("GIF"),
        "clear.gif": gif_with_clear_pixels(),
        "part.gif": gif_of_a_part(),
        "grey.gif": encoded(grey, "GIF"),
        "pixel.png": encoded(Image.new("RGB", (1, 1), (200, 100, 50)), "PNG"),
    }
    for orientation in range(1, 9):
        files[f"turned{orientation}.jpg"] = turned("JPEG", orientation, quality=85, subsampling=0)
    return files


def shapes():
    """{file name: bytes} of the sizes and contents that test resizing; all lossless."""
    return {
        "noise_33x77.png": encoded(noise(33, 77), "PNG"),
        "gradient_7x300.png": encoded(gradient(7, 300), "PNG"),
        "bars_150x101.png": encoded(bars(150, 101), "PNG"),
        "bars_640x427.png": encoded(bars(640, 427).quantize(8), "PNG"),
        "noise_32x32.png": encoded(noise(32, 32), "PNG"),
        "noise_31x20.png": encoded(noise(31, 20), "PNG"),
        "pixel.png": encoded(Image.new("RGB", (1, 1), (200, 100, 50)), "PNG"),
    }
