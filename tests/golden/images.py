"""Makes the image goldens: images/, its pictures, its configs and images.safetensors.

Pillow decodes, the PIL-based image processors of transformers resize, crop and normalise.

    python tests/golden/images.py --out tests/golden/images
"""

import argparse
import io
import json
import platform
from pathlib import Path

import numpy as np
import PIL
import transformers
from PIL import Image, ImageOps, features
from transformers.image_transforms import convert_to_rgb
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

import golden_pictures as pictures
from golden_format import FORMAT, save

REGENERATE = "python tests/golden/images.py --out tests/golden/images"
SQUARE_32 = {"height": 32, "width": 32}
CLASSES = {
    "ViTImageProcessor": ViTImageProcessorPil,
    "DeiTImageProcessor": DeiTImageProcessorPil,
    "BitImageProcessor": BitImageProcessorPil,
    "CLIPImageProcessor": CLIPImageProcessorPil,
    "SiglipImageProcessor": SiglipImageProcessorPil,
}
# Each is a preprocessor_config.json; what it leaves out is the default of its class.
CONFIGS = {
    "vit": {"image_processor_type": "ViTImageProcessor", "size": 32},
    "deit": {"image_processor_type": "DeiTImageProcessor", "size": 37, "crop_size": 32},
    "dinov2": {
        "image_processor_type": "BitImageProcessor", "crop_size": SQUARE_32, "do_center_crop": True,
        "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3,
        "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 37},
    },
    "clip": {"image_processor_type": "CLIPImageProcessor", "size": 32, "crop_size": 32},
    "siglip": {"image_processor_type": "SiglipImageProcessor", "size": SQUARE_32, "do_center_crop": None},
    "lanczos": {"image_processor_type": "ViTImageProcessor", "size": {"height": 21, "width": 35}, "resample": 1},
    "nearest": {"image_processor_type": "ViTImageProcessor", "size": [35, 21], "resample": 0, "do_normalize": False},
    "padded": {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 18}, "resample": 2,
        "crop_size": {"height": 33, "width": 24}, "do_rescale": False, "image_mean": 127.5, "image_std": 63.75,
    },
    "crop_only": {"image_processor_type": "CLIPImageProcessor", "do_resize": False, "crop_size": 30},
}
# These change the size of a config for one call, as `Preprocessor::with_size` and `with_crop` do.
OVERRIDES = {
    "with_size": dict(size={"height": 28, "width": 42}, do_center_crop=False),
    "with_crop": dict(size={"shortest_edge": 40}, crop_size={"height": 28, "width": 42}),
}
NORMALISED = "noise_31x20.png"
ROWS = 8  # of the normalised numbers; all rows of a channel are scaled alike


def opened(data):
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data)))


def raw(processor, image, **options):
    """What `processor` makes of `image` before the numbers are scaled, [height, width, 3]."""
    out = processor(image, do_rescale=False, do_normalize=False, return_tensors="np", **options)["pixel_values"][0]
    assert out.dtype == np.uint8
    return np.ascontiguousarray(np.moveaxis(out, 0, -1))


def defaults():
    """What each class takes where its config says nothing."""
    keys = """do_resize size resample do_center_crop crop_size do_rescale rescale_factor do_normalize image_mean
        image_std default_to_square""".split()
    out = {}
    for name, kind in CLASSES.items():
        processor = kind()
        found = {key: getattr(processor, key, None) for key in keys}
        for key in ("size", "crop_size"):
            found[key] = found[key] and {k: v for k, v in dict(found[key]).items() if v is not None}
        out[name] = found
    return out


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--out", required=True, type=Path)
    out = args.parse_args().out
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    formats, shapes, tensors = pictures.formats(), pictures.shapes(), {}

    for name, data in {**formats, **shapes}.items():
        (out / "pictures" / name).write_bytes(data)
    for name, data in formats.items():
        image = opened(data)
        if image.mode == "I;16":
            # `convert` clips 16-bit grey at 255, all but the darkest pixels to white. Heatseek keeps the upper 8 bits,
            # as Pillow itself does for 16-bit colour.
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image_rgb = image.convert("RGB")
        if name == "part.gif":
            # Around a first frame that does not fill the screen Pillow puts colour 0 of the palette, Heatseek black.
            frame = image_rgb.crop(pictures.PART)
            image_rgb = Image.new("RGB", image.size)
            image_rgb.paste(frame, pictures.PART)
        tensors[f"decoded/{name}"] = np.asarray(image_rgb)
        if "A" in image.getbands() or "transparency" in image.info:
            tensors[f"on_white/{name}"] = convert_to_rgb(image, return_numpy=True)

    for config, fields in CONFIGS.items():
        fields = dict(fields)
        processor = CLASSES[fields.pop("image_processor_type")](**fields)
        for name, data in shapes.items():
            if name == "bars_640x427.png" and config not in ("vit", "dinov2"):
                continue
            image = opened(data).convert("RGB")
            tensors[f"resized/{config}/{name}"] = raw(processor, image)
            if name == NORMALISED:
                values = processor(image, return_tensors="np")["pixel_values"][0]
                tensors[f"pixels/{config}/{name}"] = np.ascontiguousarray(values[:, :ROWS], np.float32)
    processor = BitImageProcessorPil(size={"shortest_edge": 37}, crop_size=32)
    for override, options in OVERRIDES.items():
        for name in ("bars_150x101.png", "noise_33x77.png"):
            tensors[f"{override}/{name}"] = raw(processor, opened(shapes[name]).convert("RGB"), **options)
    # Real sizes: a whole default CLIP input.
    tensors["full/bars_640x427.png"] = raw(CLIPImageProcessorPil(), opened(shapes["bars_640x427.png"]).convert("RGB"))

    (out / "configs.json").write_text(json.dumps(CONFIGS, indent=1) + "\n", encoding="ascii")
    (out / "defaults.json").write_text(json.dumps(defaults(), indent=1) + "\n", encoding="ascii")
    save(out / "images.safetensors", tensors, {
        "format": FORMAT, "regenerate": REGENERATE, "seed": str(pictures.SEED),
        "python": platform.python_version(), "pillow": PIL.__version__, "transformers": transformers.__version__,
        "numpy": np.__version__, "libjpeg_turbo": str(features.version("libjpeg_turbo")),
        "webp": str(features.version("webp")),
    })
    total = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(f"{out}: {len(tensors)} tensors, {total:,} bytes")


if __name__ == "__main__":
    main()
