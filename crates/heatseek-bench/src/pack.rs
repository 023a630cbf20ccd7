//! `heatseek models pack`: a model's folder as a web server is to have it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use heatseek::{Error, ModelFiles};
use heatseek_hub::{Fetcher, find};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::args::PackArgs;
use crate::convert::{Folder, convert};
use crate::failure::Failure;
use crate::models::fetched;

/// The sums of all files, by path: what `load()` takes as its option `sha256`.
const SUMS: &str = "sha256.json";
/// What a server is to do, for whoever sets it up.
const HOSTING: &str = "HOSTING.md";
/// The terms on which a model may be passed on.
const TERMS: [&str; 3] = ["LICENSE", "LICENSE.txt", "LICENSE.md"];

/// Runs `heatseek models pack`. Prints one JSON object.
pub fn run(args: &PackArgs) -> Result<(), Failure> {
    let mut folder = Folder::claim(&args.out)?;
    let model = source(args)?;
    let mut report = convert(&model, &args.conversion, &mut folder)?;
    folder.copy(&model, &TERMS)?;
    let files = ModelFiles::from_dir(folder.path()).map_err(Error::from)?;
    let sums: BTreeMap<&str, Vec<u8>> =
        files.paths().filter_map(|path| Some((path, Sha256::digest(&**files.get(path)?).to_vec()))).collect();
    let hex = |sum: &[u8]| sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let by_path: BTreeMap<&str, String> = sums.iter().map(|(path, sum)| (*path, hex(sum))).collect();
    folder.write(SUMS, format!("{:#}\n", json!(by_path)).as_bytes())?;
    folder.write(HOSTING, hosting(&sums).as_bytes())?;
    report["bytes"] = folder.bytes().into();
    report["sha256"] = json!(by_path);
    folder.keep();
    println!("{report:#}");
    Ok(())
}

/// The folder of the model that is packed, which is fetched if it was named and is not there.
fn source(args: &PackArgs) -> Result<PathBuf, Failure> {
    match (&args.model, &args.name) {
        (Some(folder), _) => Ok(folder.clone()),
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            let (model, fetcher) = (find(name)?, Fetcher::new(&args.dir));
            // Stdout is for the report.
            let said = fetched(model, &fetcher)?;
            let _ = writeln!(io::stderr(), "{said}");
            Ok(fetcher.model_dir(model))
        }
    }
}

/// How to serve the files with these sums.
fn hosting(sums: &BTreeMap<&str, Vec<u8>>) -> String {
    let mut digests = String::new();
    for (path, sum) in sums.iter().filter(|(path, _)| path.ends_with(".safetensors")) {
        digests += &format!("/MODEL/{path}\n  Repr-Digest: sha-256=:{}:\n", STANDARD.encode(sum));
    }
    format!(
        "# Hosting this model

Any server of static files will do. Put this folder anywhere, and give its address:

```js
import sha256 from './{SUMS}' with {{ type: 'json' }}; // with your app, not from where the model is
const model = await load('https://example.com/MODEL/', {{ sha256 }});
```

With `sha256`, a file that is not the one that was packed is an error and is not kept. Without it, the loader believes the
`Repr-Digest` that the server sends, if it sends one.

Headers worth setting, as Netlify and Cloudflare Pages read them from `_headers` at the root of the site:

```text
/MODEL/*
  Cache-Control: public, max-age=31536000, immutable
  Access-Control-Allow-Origin: *
  Access-Control-Expose-Headers: ETag, Repr-Digest, Content-Range, Accept-Ranges
{digests}```

- `immutable` if the address changes with the model; else leave it out, and browsers ask each time whether it has changed.
- `Access-Control-*` if pages of other origins load it.
- Ranged requests, which nearly all servers know, let a download that broke off go on where it was.
- Compressing weights saves next to nothing; `tokenizer.json` becomes a third with gzip or brotli.
"
    )
}
