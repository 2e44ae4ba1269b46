//! `everlog config`: the effective configuration, as a file that `serve` would take.

use std::fmt::Write;

use serde_json::{Value, json};

use super::output::Output;
use crate::config::{ConfigFlags, Effective, KEYS, Key, Kind, load};

/// Prints every setting with its value, its source and what it does.
///
/// # Errors
/// If the configuration is not valid, or standard output takes no more.
pub(super) fn print(flags: &ConfigFlags, output: &Output) -> anyhow::Result<()> {
    let effective = load(flags)?;
    let settings: Vec<Value> = KEYS.iter().map(|key| setting_json(key, &effective)).collect();
    let answer = json!({ "settings": settings });
    output.list(&answer, "settings", |_| toml_text(&effective))?;
    Ok(())
}

fn source(key: &Key, effective: &Effective) -> String {
    effective.sources.get(key.name).map(ToString::to_string).unwrap_or_default()
}

fn setting_json(key: &Key, effective: &Effective) -> Value {
    json!({
        "key": key.name,
        "value": (key.get)(&effective.settings),
        "source": source(key, effective),
        "variable": key.variable(),
        "help": key.help,
    })
}

fn toml_text(effective: &Effective) -> String {
    let mut text = String::new();
    for key in KEYS {
        let value = (key.get)(&effective.settings);
        let source = source(key, effective);
        let _ = writeln!(
            text,
            "# {}\n# From: {source}. Flag --{}, environment {}.",
            key.help,
            key.name,
            key.variable()
        );
        let _ = match key.kind {
            Kind::Secrets => writeln!(text, "# {} = ({value})\n", key.name),
            Kind::Value | Kind::Switch => writeln!(text, "{} = {}\n", key.name, toml_value(&value)),
        };
    }
    text
}

fn toml_value(text: &str) -> String {
    let is_bare = text.parse::<i64>().is_ok() || text.parse::<bool>().is_ok();
    if is_bare { text.to_owned() } else { toml::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_a_configuration_file() {
        let effective = load(&ConfigFlags::default()).expect("the defaults are valid");
        let table: toml::Table = toml::from_str(&toml_text(&effective)).expect("TOML");
        assert_eq!(table["listen"].as_str(), Some("127.0.0.1:7070"));
        assert_eq!(table.len(), KEYS.len() - 1, "all but the tokens");
    }
}
