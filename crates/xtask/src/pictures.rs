//! Real pictures that tests look at, some of them the page's samples: data files of scikit-image, fetched and not kept
//! in the repository.

use heatseek_hub::{KnownFile, KnownModel, Origin, Wheel, WheelContent};

/// Nine pictures of different sizes and proportions.
pub static TEST_PICTURES: KnownModel = KnownModel {
    name: "test-pictures",
    repo: "scikit-image/scikit-image",
    license: "BSD-3-Clause",
    files: &[
        KnownFile {
            path: "astronaut.png",
            size_bytes: 791555,
            sha256: "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        },
        KnownFile {
            path: "camera.png",
            size_bytes: 139512,
            sha256: "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        },
        KnownFile {
            path: "chelsea.png",
            size_bytes: 240512,
            sha256: "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        },
        KnownFile {
            path: "coffee.png",
            size_bytes: 466706,
            sha256: "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        },
        KnownFile {
            path: "coins.png",
            size_bytes: 75825,
            sha256: "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
        },
        KnownFile {
            path: "motorcycle_left.png",
            size_bytes: 644701,
            sha256: "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
        },
        KnownFile {
            path: "page.png",
            size_bytes: 47679,
            sha256: "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3",
        },
        KnownFile {
            path: "ihc.png",
            size_bytes: 477916,
            sha256: "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef",
        },
        KnownFile {
            path: "moon.png",
            size_bytes: 50177,
            sha256: "78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577",
        },
    ],
    origins: &[Origin::Wheel(Wheel {
        requirement: "scikit-image==0.26.0",
        content: WheelContent::Folder("skimage/data"),
    })],
};
