//! From template to the text that is shipped.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use minijinja::{Environment, UndefinedBehavior, Value};

use crate::variants::Variant;

/// All templates under `root`, named by their path relative to it.
pub fn environment(root: &Path) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for folder in [root.to_owned(), root.join("shared")] {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let path = entry.expect("the folder can be listed").path();
            if path.extension().is_some_and(|e| e == "wgsl") {
                let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                let name = path.strip_prefix(root).expect("it lies under the root").to_string_lossy();
                environment
                    .add_template_owned(name.replace('\\', "/"), text)
                    .unwrap_or_else(|e| panic!("{}: {e:#}", path.display()));
            }
        }
    }
    environment
}

/// One variant, without comments and indentation: they are for readers of `shaders/`, and would be a
/// third of what the browser downloads.
pub fn render(environment: &Environment<'_>, variant: &Variant) -> String {
    let context: BTreeMap<&str, u32> = variant.parameters.iter().copied().collect();
    let rendered = environment.get_template(variant.template).and_then(|t| t.render(Value::from(context)));
    let text = rendered.unwrap_or_else(|e| panic!("{} from {}: {e:#}", variant.name, variant.template));
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    code.filter(|line| !line.is_empty()).flat_map(|line| [line, "\n"]).collect()
}
