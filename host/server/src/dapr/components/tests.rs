//! Component files as users write them.

use std::path::Path;

use everlog_runtime::state_store::{EtagOnMissing, StateStoreKind};

use super::*;

const HEAD: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\n";

#[expect(clippy::disallowed_methods, reason = "the test writes the files that are read")]
fn load_files(files: &[(&str, &str)]) -> Result<Vec<StateStoreConfig>, String> {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).expect("a file");
    }
    let secrets = |name: &str| (name == "SECRET").then(|| "s3cret".to_owned());
    let shown = directory.path().display().to_string() + "/";
    load(Some(directory.path()), "shop", &secrets)
        .map_err(|error| error.to_string().replace(&shown, ""))
}

fn load_one(text: &str) -> Result<StateStoreConfig, String> {
    load_files(&[("store.yaml", text)]).map(|mut stores| stores.remove(0))
}

fn store(kind: &str, metadata: &str) -> String {
    format!(
        "{HEAD}metadata: {{name: orders, namespace: ns}}\nspec:\n  type: {kind}\n  version: v1\n  \
         metadata:\n{metadata}"
    )
}

#[test]
fn the_file_that_dapr_init_writes_is_taken() {
    let text = "\
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: statestore
spec:
  type: state.redis
  version: v1
  metadata:
  - name: redisHost
    value: localhost:6380
  - name: redisPassword
    value: \"\"
  - name: actorStateStore
    value: \"true\"
";
    let stores = load_files(&[("statestore.yaml", text)]).expect("valid");
    assert_eq!(stores.len(), 1, "it takes the place of the default store");
    let StateStoreKind::Redis(address) = &stores[0].kind else { panic!("a Redis") };
    assert_eq!((address.host.as_str(), address.port, address.database), ("localhost", 6380, 0));
    assert_eq!(address.password, None);
    assert_eq!(stores[0].key_prefix, "shop||");
    assert_eq!(stores[0].etag_on_missing, EtagOnMissing::Accept);
}

#[test]
fn settings_are_what_the_file_says() {
    let prefix = |word: &str| {
        let metadata = format!("  - {{name: keyPrefix, value: {word}}}\n");
        load_one(&store("state.everlog", &metadata)).expect("valid").key_prefix
    };
    assert_eq!(prefix("appid"), "shop||");
    assert_eq!(prefix("name"), "orders||");
    assert_eq!(prefix("namespace"), "ns.shop||");
    assert_eq!(prefix("none"), "");
    assert_eq!(prefix("mine"), "mine||");

    let metadata =
        "  - {name: ttlInSeconds, value: 60}\n  - {name: etagOnMissing, value: accept}\n";
    let config = load_one(&store("state.in-memory", metadata)).expect("valid");
    assert_eq!(config.kind, StateStoreKind::Memory);
    assert_eq!(config.default_ttl_seconds, Some(60));
    assert_eq!(config.etag_on_missing, EtagOnMissing::Accept);

    let secret = "  - {name: redisHost, value: h}\n  - name: redisPassword\n    secretKeyRef: \
                  {name: SECRET, key: SECRET}\n";
    let config = load_one(&store("state.redis", secret)).expect("valid");
    let StateStoreKind::Redis(address) = &config.kind else { panic!("a Redis") };
    assert_eq!((address.port, address.password.as_deref()), (6379, Some("s3cret")));
    assert!(!format!("{config:?}").contains("s3cret"), "a secret is not shown");
}

#[test]
fn scopes_hide_a_store_and_several_stores_share_a_file() {
    let scoped = |names: &str| format!("{}scopes: {names}\n", store("state.everlog", ""));
    let other = store("state.everlog", "").replace("orders", "other");
    let names = |text: &str| {
        let stores = load_files(&[("a.yml", text), ("ignored.txt", "}")]).expect("valid");
        stores.into_iter().map(|store| store.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&scoped("[shop]")), ["orders", "statestore"]);
    assert_eq!(names(&scoped("[till]")), ["statestore"]);
    assert_eq!(names(&format!("{other}---\n{}", scoped("[]"))), ["other", "orders", "statestore"]);
    assert!(load(None, "shop", &|_| None).expect("valid").len() == 1);
    let hidden = scoped("[till]").replace("orders", "statestore");
    assert!(load_files(&[("a.yaml", &hidden)]).expect("valid").is_empty());
}

#[test]
fn mistakes_name_file_line_and_field() {
    let refused = |text: &str| load_one(text).expect_err(text);
    let start = |text: &str, expected: &str| {
        let told = refused(text);
        assert!(told.starts_with(expected), "{told}");
    };
    start("kind: Component\n", "store.yaml:1: apiVersion: it is missing");
    start("apiVersion: v2\nkind: x\n", "store.yaml:1: apiVersion: it must be dapr.io/v1alpha1");
    start(&format!("{HEAD}spec: {{}}\n"), "store.yaml:1: metadata: it is missing");
    start(&format!("{HEAD}metdata: {{}}\n"), "store.yaml:3: metdata: there is no such field");
    start(&store("state.mongodb", ""), "store.yaml:5: spec.type: there is no state.mongodb here");
    let datum = |text: &str| store("state.everlog", &format!("  - {text}\n"));
    let redis = |text: &str| {
        store("state.redis", &format!("  - {{name: redisHost, value: h}}\n  - {text}\n"))
    };
    start(&datum("{name: x, value: y}"), "store.yaml:8: spec.metadata.x: this type of store takes");
    start(&datum("{name: ttlInSeconds, value: y}"), "store.yaml:8: spec.metadata.ttlInSeconds: ");
    start(&datum("{name: keyPrefix, value: 'a||b'}"), "store.yaml:8: spec.metadata.keyPrefix: ");
    start(&datum("{name: keyPrefix}"), "store.yaml:8: spec.metadata.keyPrefix: one of value");
    let missing = "{name: keyPrefix, envRef: NOT_THERE}";
    start(&datum(missing), "store.yaml:8: spec.metadata.keyPrefix: the environment variable");
    start(&store("state.redis", ""), "store.yaml:1: spec.metadata.redisHost: it is missing");
    start(&redis("{name: enableTLS, value: true}"), "store.yaml:9: spec.metadata.enableTLS: ");
    start(&redis("{name: redisDB, value: x}"), "store.yaml:9: spec.metadata.redisDB: a number");
    start("a: [1\n", "store.yaml:2: ");

    let twice = [("a.yaml", store("state.everlog", "")), ("b.yaml", store("state.redis", ""))];
    let twice = [(twice[0].0, twice[0].1.as_str()), (twice[1].0, twice[0].1.as_str())];
    let told = load_files(&twice).expect_err("twice");
    assert!(told.starts_with("b.yaml:3: metadata.name: orders is in"), "{told}");
    let nowhere = load(Some(Path::new("/does/not/exist")), "shop", &|_| None);
    assert!(nowhere.expect_err("no directory").to_string().contains("resources-path"));
}
