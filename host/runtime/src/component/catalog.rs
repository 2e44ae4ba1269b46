//! Which components there are: the store's records, and what of them is compiled.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use everlog_store::{Batch, Change, Digest, Expectation, KeyRange, Order, Store, StoreError};
use uuid::Uuid;
use wasmtime::Engine;
use wasmtime::component::Linker;

use super::code_cache::CodeCache;
use super::record::{ComponentRecord, VersionRecord};
use super::{ComponentSettings, ComponentVersion, deploy};
use crate::calls::clients;
use crate::error::ComponentError;
use crate::wasi::WorkerState;
use crate::{clock, entropy, spaces};

/// Names of components are at most this long, in bytes.
const MAX_NAME_BYTES: usize = 128;
/// Components that a server holds at most; all of them are linked at start-up.
const MAX_COMPONENTS: usize = 10_000;

/// The outcome of an upload.
pub struct Deployed {
    /// The version that now is the newest.
    pub version: Arc<ComponentVersion>,
    /// False where the newest version had the same bytes.
    pub created: bool,
}

/// All components of a server.
pub(crate) struct Catalog {
    engine: Engine,
    linker: Linker<WorkerState>,
    store: Arc<dyn Store>,
    cache: CodeCache,
    max_bytes: usize,
    known: RwLock<Known>,
    /// Uploads and removals, one at a time; readers never wait for them.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    by_name: HashMap<String, Entry>,
    names: HashMap<Uuid, String>,
    /// Versions other than the newest that something asked for.
    older: HashMap<(Uuid, u64), Arc<ComponentVersion>>,
}

struct Entry {
    record: ComponentRecord,
    /// The newest version, or why it can't be used.
    newest: Result<Arc<ComponentVersion>, ComponentError>,
}

impl Catalog {
    /// Reads what is deployed and loads the newest version of each.
    pub(crate) async fn open(
        engine: Engine,
        linker: Linker<WorkerState>,
        store: Arc<dyn Store>,
        cache_root: &Path,
        max_bytes: usize,
    ) -> Result<Self, ComponentError> {
        let cache = CodeCache::new(cache_root, &engine);
        let catalog = Self {
            engine,
            linker,
            store,
            cache,
            max_bytes,
            known: RwLock::default(),
            writing: tokio::sync::Mutex::new(()),
        };
        catalog.refresh_all().await?;
        Ok(catalog)
    }

    /// Learns what is deployed, and loads the newest version of what it did not know. On a store that is shared, other
    /// nodes deploy too.
    pub(crate) async fn refresh_all(&self) -> Result<(), ComponentError> {
        let store = &self.store;
        let records =
            store.scan(spaces::COMPONENTS, KeyRange::all(), Order::Forward, MAX_COMPONENTS).await?;
        let mut stored = HashSet::new();
        for (name, bytes) in records {
            let name = String::from_utf8_lossy(&name).into_owned();
            self.learn(&name, ComponentRecord::decode(&name, &bytes)?).await;
            stored.insert(name);
        }
        let _writing = self.writing.lock().await;
        let known: Vec<_> = self.read().by_name.keys().cloned().collect();
        for name in known.into_iter().filter(|name| !stored.contains(name)) {
            // It may have been deployed since the scan.
            if self.stored(&name).await?.is_none() {
                self.write().remove(&name);
            }
        }
        Ok(())
    }

    /// As [`Catalog::refresh_all`], for one name.
    pub(crate) async fn refresh(&self, name: &str) -> Result<(), ComponentError> {
        let record = self.stored(name).await?;
        match record {
            Some(record) => self.learn(name, record).await,
            None => self.write().remove(name),
        }
        Ok(())
    }

    /// Takes in a record as it is stored, if it is news.
    async fn learn(&self, name: &str, record: ComponentRecord) {
        let is_known = |known: &Entry| {
            let (known, found) = (&known.record, &record);
            known.id == found.id && known.versions.len() >= found.versions.len()
        };
        if self.read().by_name.get(name).is_some_and(is_known) {
            return;
        }
        let newest = self.load(name, &record, record.newest()).await;
        if let Err(error) = &newest {
            tracing::error!(component = name, %error, "a component can't be used");
        }
        let mut known = self.write();
        // Somebody else may have learned it meanwhile.
        if !known.by_name.get(name).is_some_and(is_known) {
            known.replace(name.to_owned(), record, newest);
        }
    }

    async fn stored(&self, name: &str) -> Result<Option<ComponentRecord>, ComponentError> {
        let bytes = self.store.get(spaces::COMPONENTS, name.as_bytes()).await?;
        Ok(bytes.map(|bytes| ComponentRecord::decode(name, &bytes)).transpose()?)
    }

    /// The newest version of a component, by name or UUID.
    pub(crate) fn newest(&self, name_or_id: &str) -> Result<Arc<ComponentVersion>, ComponentError> {
        let known = self.read();
        known.entry(name_or_id)?.1.newest.clone()
    }

    /// The newest version of the component with this UUID.
    pub(crate) fn newest_by_id(&self, id: Uuid) -> Result<Arc<ComponentVersion>, ComponentError> {
        let known = self.read();
        let not_found = || ComponentError::NotFound { name: id.to_string() };
        let name = known.names.get(&id).ok_or_else(not_found)?;
        known.by_name.get(name).ok_or_else(not_found)?.newest.clone()
    }

    /// A particular version, compiled now if nobody asked for it since the start.
    pub(crate) async fn version(
        &self,
        name_or_id: &str,
        version: u64,
    ) -> Result<Arc<ComponentVersion>, ComponentError> {
        let known = self.known_version(name_or_id, version).await;
        let is_unknown = |error: &ComponentError| {
            use ComponentError::{NotFound, VersionNotFound};
            matches!(error, NotFound { .. } | VersionNotFound { .. })
        };
        if self.store.cluster().is_none() || !known.as_ref().is_err_and(is_unknown) {
            return known;
        }
        // Another node may have deployed it just now.
        self.refresh_all().await?;
        self.known_version(name_or_id, version).await
    }

    async fn known_version(
        &self,
        name_or_id: &str,
        version: u64,
    ) -> Result<Arc<ComponentVersion>, ComponentError> {
        let (name, record) = {
            let known = self.read();
            let (name, entry) = known.entry(name_or_id)?;
            if version == entry.record.newest() {
                return entry.newest.clone();
            }
            if let Some(older) = known.older.get(&(entry.record.uuid(), version)) {
                return Ok(Arc::clone(older));
            }
            (name.to_owned(), entry.record.clone())
        };
        let loaded = self.load(&name, &record, version).await?;
        self.write().older.insert((record.uuid(), version), Arc::clone(&loaded));
        Ok(loaded)
    }

    /// The usable components, in order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<ComponentVersion>> {
        let known = self.read();
        let mut all: Vec<_> =
            known.by_name.values().filter_map(|entry| entry.newest.clone().ok()).collect();
        all.sort_by(|left, right| left.name.cmp(&right.name));
        all
    }

    /// The UUID of a component, also of one that can't be used.
    pub(crate) fn identify(&self, name_or_id: &str) -> Result<(String, Uuid), ComponentError> {
        let known = self.read();
        let (name, entry) = known.entry(name_or_id)?;
        Ok((name.to_owned(), entry.record.uuid()))
    }

    /// The name of a component, and the digest of each of its versions.
    pub(crate) fn digests(
        &self,
        name_or_id: &str,
    ) -> Result<(String, Vec<[u8; 32]>), ComponentError> {
        let known = self.read();
        let (name, entry) = known.entry(name_or_id)?;
        let digests = entry.record.versions.iter().map(|version| version.digest).collect();
        Ok((name.to_owned(), digests))
    }

    /// The uploaded bytes of a version.
    pub(crate) async fn wasm(&self, version: &ComponentVersion) -> Result<Vec<u8>, ComponentError> {
        let digest = version.digest.parse().map_err(|_| ComponentError::Unusable {
            name: version.name.clone(),
            detail: format!("{} is no digest", version.digest),
        })?;
        self.fetch(&version.name, &digest).await
    }

    /// Creates version 0 or the next one; the same bytes as the newest version, with the same settings, change nothing.
    pub(crate) async fn deploy(
        &self,
        name: &str,
        wasm: Vec<u8>,
        settings: &ComponentSettings,
    ) -> Result<Deployed, ComponentError> {
        check_name(name)?;
        if wasm.len() > self.max_bytes {
            return Err(ComponentError::TooLarge { size: wasm.len(), limit: self.max_bytes });
        }
        deploy::check_preamble(&wasm)?;
        let digest = Digest::of(&wasm);
        let _writing = self.writing.lock().await;
        if self.store.cluster().is_some() {
            self.refresh(name).await?;
        }
        let before = self.read().by_name.get(name).map(|entry| entry.record.clone());
        if let Some(record) = &before
            && record.versions.last().is_some_and(|newest| newest.digest == *digest.as_bytes())
            && let Ok(version) = self.newest(name)
            && settings.resolved(version.exports())? == version.settings
        {
            return Ok(Deployed { version, created: false });
        }
        let mut record = before.clone().unwrap_or_else(|| ComponentRecord {
            id: entropy::uuid().into_bytes(),
            versions: Vec::new(),
        });
        record.versions.push(VersionRecord {
            digest: *digest.as_bytes(),
            size: wasm.len() as u64,
            created_at: clock::now(),
        });
        let mut version = self.compile(name, &record, record.newest(), &wasm)?;
        version.settings = settings.resolved(version.exports())?;
        self.check_clients(&version)?;
        self.store.put_blob(wasm).await?;
        self.save(name, before.as_ref(), &record, &version.settings).await?;
        let version = Arc::new(version);
        self.write().insert(name.to_owned(), record, Ok(Arc::clone(&version)));
        Ok(Deployed { version, created: true })
    }

    /// Refuses a component whose clients do not fit what is deployed.
    fn check_clients(&self, version: &ComponentVersion) -> Result<(), ComponentError> {
        clients::check(&self.engine, version, |name| self.newest(name).ok())
    }

    /// Forgets a component. Its workers are the caller's business.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), ComponentError> {
        let _writing = self.writing.lock().await;
        let known = self.read().by_name.get(name).map(|entry| entry.record.clone());
        let component = Change::Delete { space: spaces::COMPONENTS, key: name.as_bytes().to_vec() };
        let settings = known.iter().flat_map(|record| {
            let key = |version| ComponentSettings::key(record.uuid(), version);
            (0..=record.newest()).map(move |version| Change::Delete {
                space: spaces::DEPLOYMENTS,
                key: key(version),
            })
        });
        let changes = std::iter::once(component).chain(settings).collect();
        everlog_store::commit(&*self.store, Batch { changes, ..Batch::default() }).await?;
        self.write().remove(name);
        Ok(())
    }

    /// Fails where another node has changed the record since `before`.
    async fn save(
        &self,
        name: &str,
        before: Option<&ComponentRecord>,
        record: &ComponentRecord,
        settings: &ComponentSettings,
    ) -> Result<(), ComponentError> {
        let expectation = Expectation {
            space: spaces::COMPONENTS,
            key: name.as_bytes().to_vec(),
            value: before.map(ComponentRecord::encode),
        };
        let change = Change::Put {
            space: spaces::COMPONENTS,
            key: name.as_bytes().to_vec(),
            value: record.encode(),
        };
        // A store of its own has no other writer.
        let expectations = self.store.cluster().map(|_| expectation).into_iter().collect();
        let said = settings.put(record.uuid(), record.newest());
        let changes = std::iter::once(change).chain(said).collect();
        let batch = Batch { expectations, changes, ..Batch::default() };
        match everlog_store::commit(&*self.store, batch).await {
            Err(StoreError::Unexpected { .. }) => {
                Err(ComponentError::DeployedElsewhere { name: name.to_owned() })
            }
            stored => Ok(stored?),
        }
    }

    async fn load(
        &self,
        name: &str,
        record: &ComponentRecord,
        version: u64,
    ) -> Result<Arc<ComponentVersion>, ComponentError> {
        let stored = usize::try_from(version).ok().and_then(|at| record.versions.get(at));
        let stored = stored.ok_or_else(|| ComponentError::VersionNotFound {
            name: name.to_owned(),
            version,
            newest: record.newest(),
        })?;
        let wasm = self.fetch(name, &Digest::from_bytes(stored.digest)).await?;
        let mut loaded = self.compile(name, record, version, &wasm)?;
        let key = ComponentSettings::key(record.uuid(), version);
        if let Some(said) = self.store.get(spaces::DEPLOYMENTS, &key).await? {
            loaded.settings = ComponentSettings::decode(name, &said)?;
        }
        Ok(Arc::new(loaded))
    }

    async fn fetch(&self, name: &str, digest: &Digest) -> Result<Vec<u8>, ComponentError> {
        let unusable = |detail: String| ComponentError::Unusable { name: name.to_owned(), detail };
        match self.store.get_blob(digest).await {
            Ok(Some(wasm)) => Ok(wasm),
            Ok(None) => Err(unusable(format!("blob {digest} is missing"))),
            Err(error) => Err(unusable(error.to_string())),
        }
    }

    /// Compilation takes the processor for as long as it lasts; uploads are rare, and other tasks have their threads.
    fn compile(
        &self,
        name: &str,
        record: &ComponentRecord,
        version: u64,
        wasm: &[u8],
    ) -> Result<ComponentVersion, ComponentError> {
        let stored = &record.versions[usize::try_from(version).unwrap_or(usize::MAX)];
        let digest = Digest::from_bytes(stored.digest).to_string();
        let compiled =
            tokio::task::block_in_place(|| self.cache.component(&self.engine, &digest, wasm))
                .map_err(|error| ComponentError::NotAComponent { detail: format!("{error:#}") })?;
        let linked = deploy::link(&self.engine, &self.linker, &compiled)?;
        Ok(ComponentVersion {
            name: name.to_owned(),
            id: record.uuid(),
            version,
            digest,
            size: stored.size,
            created_at: stored.created_at,
            imports: linked.imports,
            exports: linked.exports,
            pre: linked.pre,
            settings: ComponentSettings::default(),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn entry(&self, name_or_id: &str) -> Result<(&str, &Entry), ComponentError> {
        let by_id = || self.names.get(&Uuid::try_parse(name_or_id).ok()?);
        self.by_name
            .get_key_value(name_or_id)
            .or_else(|| self.by_name.get_key_value(by_id()?))
            .map(|(name, entry)| (name.as_str(), entry))
            .ok_or_else(|| ComponentError::NotFound { name: name_or_id.to_owned() })
    }

    fn insert(
        &mut self,
        name: String,
        record: ComponentRecord,
        newest: Result<Arc<ComponentVersion>, ComponentError>,
    ) {
        self.names.insert(record.uuid(), name.clone());
        if let Some(Entry { record: before, newest: Ok(version) }) =
            self.by_name.insert(name, Entry { record, newest })
        {
            self.older.insert((before.uuid(), version.version), version);
        }
    }

    /// As [`Known::insert`]; a component that was deleted and deployed anew is another one.
    fn replace(
        &mut self,
        name: String,
        record: ComponentRecord,
        newest: Result<Arc<ComponentVersion>, ComponentError>,
    ) {
        if self.by_name.get(&name).is_some_and(|known| known.record.id != record.id) {
            self.remove(&name);
        }
        self.insert(name, record, newest);
    }

    fn remove(&mut self, name: &str) {
        if let Some(entry) = self.by_name.remove(name) {
            let id = entry.record.uuid();
            self.names.remove(&id);
            self.older.retain(|(component, _), _| *component != id);
        }
    }
}

fn check_name(name: &str) -> Result<(), ComponentError> {
    let first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let rest = |byte: &u8| first(byte) || matches!(byte, b'.' | b'_' | b'-');
    let bytes = name.as_bytes();
    if bytes.len() <= MAX_NAME_BYTES
        && bytes.first().is_some_and(first)
        && bytes.iter().all(rest)
        && Uuid::try_parse(name).is_err()
    {
        return Ok(());
    }
    Err(ComponentError::InvalidName { name: name.chars().take(MAX_NAME_BYTES).collect() })
}
