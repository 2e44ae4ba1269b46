//! `wasi:blobstore/blobstore`: containers by their names.

use std::sync::Arc;

use everlog_oplog::Timestamp;
use wasmtime::component::Resource;

use super::super::{Recipe, WorkerState};
use super::Answered;
use super::blobstore::Host;
use super::container::Container;
use super::type_interface::ObjectId;
use crate::blobstore::Place;

impl Host for WorkerState {
    async fn create_container(&mut self, name: String) -> Answered<Resource<Container>> {
        let containers = Arc::clone(&self.environment.containers);
        let live = async {
            let (record, write) = containers.create(&name).await?;
            Ok((record.created_at, write))
        };
        let function = "wasi:blobstore/blobstore.create-container";
        match self.write_shared(function, &name, live).await? {
            Ok(created_at) => self.push_container(name, created_at),
            Err(refused) => Ok(Err(refused)),
        }
    }

    async fn get_container(&mut self, name: String) -> Answered<Resource<Container>> {
        let containers = Arc::clone(&self.environment.containers);
        let live = async { Ok(containers.get(&name).await?.created_at) };
        match self.read_shared("wasi:blobstore/blobstore.get-container", &name, live).await? {
            Ok(created_at) => self.push_container(name, created_at),
            Err(refused) => Ok(Err(refused)),
        }
    }

    async fn delete_container(&mut self, name: String) -> Answered<()> {
        let containers = Arc::clone(&self.environment.containers);
        let live = async { Ok(((), containers.delete(&name).await?)) };
        self.write_shared("wasi:blobstore/blobstore.delete-container", &name, live).await
    }

    async fn container_exists(&mut self, name: String) -> Answered<bool> {
        let containers = Arc::clone(&self.environment.containers);
        let live = async { Ok(containers.find(&name).await?.is_some()) };
        self.read_shared("wasi:blobstore/blobstore.container-exists", &name, live).await
    }

    async fn copy_object(&mut self, from: ObjectId, to: ObjectId) -> Answered<()> {
        let containers = Arc::clone(&self.environment.containers);
        let (from, to) = (Place::from(from), Place::from(to));
        let live = async { Ok(((), containers.copy(&from, &to).await?)) };
        let function = "wasi:blobstore/blobstore.copy-object";
        self.write_shared(function, &both(&from, &to), live).await
    }

    async fn move_object(&mut self, from: ObjectId, to: ObjectId) -> Answered<()> {
        let containers = Arc::clone(&self.environment.containers);
        let (from, to) = (Place::from(from), Place::from(to));
        let live = async { Ok(((), containers.rename(&from, &to).await?)) };
        let function = "wasi:blobstore/blobstore.move-object";
        self.write_shared(function, &both(&from, &to), live).await
    }
}

impl WorkerState {
    fn push_container(
        &mut self,
        name: String,
        created_at: Timestamp,
    ) -> Answered<Resource<Container>> {
        let recipe = Recipe::Container { name: name.clone(), created_at };
        Ok(Ok(self.push(Container { name, created_at }, recipe)?))
    }
}

impl From<ObjectId> for Place {
    fn from(id: ObjectId) -> Self {
        Self { container: id.container, object: id.object }
    }
}

fn both<'a>(from: &'a Place, to: &'a Place) -> [&'a str; 4] {
    [&from.container, &from.object, &to.container, &to.object]
}
