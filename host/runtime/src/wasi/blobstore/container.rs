//! `wasi:blobstore/container`: one container and its objects.

use std::sync::Arc;

use everlog_oplog::Timestamp;
use wasmtime::component::Resource;

use super::super::keyvalue::Written;
use super::super::shared::SharedBytes;
use super::super::values::{IncomingValue, OutgoingValue};
use super::super::{Recipe, WorkerState};
use super::Answered;
use super::container_interface::{ContainerMetadata, Host, HostContainer, ObjectMetadata};
use super::object_names::ObjectNames;
use crate::blobstore::{Place, milliseconds};
use crate::keyvalue::limits::MAX_INLINE_BYTES;
use crate::keyvalue::{DataError, Refusal, StoredValue};

/// A container that the guest holds. It may be deleted meanwhile; whatever is done with it then says so.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Container {
    pub(super) name: String,
    pub(super) created_at: Timestamp,
}

impl Host for WorkerState {}

impl HostContainer for WorkerState {
    fn name(&mut self, container: Resource<Container>) -> Answered<String> {
        Ok(Ok(self.table.get(&container)?.name.clone()))
    }

    /// What was known of it when the guest got it.
    fn info(&mut self, container: Resource<Container>) -> Answered<ContainerMetadata> {
        let Container { name, created_at } = self.table.get(&container)?;
        Ok(Ok(ContainerMetadata { name: name.clone(), created_at: milliseconds(*created_at) }))
    }

    async fn get_data(
        &mut self,
        container: Resource<Container>,
        name: String,
        start: u64,
        end: u64,
    ) -> Answered<Resource<IncomingValue>> {
        let place = self.place(&container, name)?;
        let containers = Arc::clone(&self.environment.containers);
        let function = "wasi:blobstore/container.container.get-data";
        let request = (place.container.as_str(), place.object.as_str(), start, end);
        let live = async { part(containers.object(&place).await?.value, start, end) };
        match self.read_shared(function, &request, live).await? {
            Ok((value, None)) => self.push_incoming_value(value),
            Ok((whole, Some((start, length)))) => {
                let value = IncomingValue::Blob { whole, start, length };
                Ok(Ok(self.push_incoming(value)?))
            }
            Err(refused) => Ok(Err(refused)),
        }
    }

    async fn write_data(
        &mut self,
        container: Resource<Container>,
        name: String,
        data: Resource<OutgoingValue>,
    ) -> Answered<()> {
        let place = self.place(&container, name)?;
        let bytes = self.table.get(&data)?.bytes();
        let containers = Arc::clone(&self.environment.containers);
        let function = "wasi:blobstore/container.container.write-data";
        let request = (place.container.as_str(), place.object.as_str(), Written::of(&bytes));
        let request = bincode::encode_to_vec(request, bincode::config::standard())?;
        let live = async { Ok(((), containers.write(&place, bytes).await?)) };
        self.write_shared(function, &request, live).await
    }

    /// Every read of the listing looks at the container anew, so this one touches nothing.
    fn list_objects(&mut self, container: Resource<Container>) -> Answered<Resource<ObjectNames>> {
        let container = self.table.get(&container)?.name.clone();
        let after = SharedBytes::default();
        let recipe = Recipe::ObjectNames { container: container.clone(), after: after.clone() };
        Ok(Ok(self.push(ObjectNames { container, after }, recipe)?))
    }

    async fn delete_object(
        &mut self,
        container: Resource<Container>,
        name: String,
    ) -> Answered<()> {
        let function = "wasi:blobstore/container.container.delete-object";
        self.delete_from(function, &container, vec![name]).await
    }

    async fn delete_objects(
        &mut self,
        container: Resource<Container>,
        names: Vec<String>,
    ) -> Answered<()> {
        let function = "wasi:blobstore/container.container.delete-objects";
        self.delete_from(function, &container, names).await
    }

    async fn has_object(&mut self, container: Resource<Container>, name: String) -> Answered<bool> {
        let place = self.place(&container, name)?;
        let containers = Arc::clone(&self.environment.containers);
        let function = "wasi:blobstore/container.container.has-object";
        let request = (place.container.as_str(), place.object.as_str());
        let live = async { Ok(containers.find_object(&place).await?.is_some()) };
        self.read_shared(function, &request, live).await
    }

    async fn object_info(
        &mut self,
        container: Resource<Container>,
        name: String,
    ) -> Answered<ObjectMetadata> {
        let place = self.place(&container, name)?;
        let containers = Arc::clone(&self.environment.containers);
        let function = "wasi:blobstore/container.container.object-info";
        let request = (place.container.as_str(), place.object.as_str());
        let live = async {
            let record = containers.object(&place).await?;
            Ok((milliseconds(record.written_at), record.value.size()))
        };
        let told = self.read_shared(function, &request, live).await?;
        let Place { container, object } = place;
        Ok(told.map(|(created_at, size)| ObjectMetadata {
            name: object,
            container,
            created_at,
            size,
        }))
    }

    async fn clear(&mut self, container: Resource<Container>) -> Answered<()> {
        let name = self.table.get(&container)?.name.clone();
        let containers = Arc::clone(&self.environment.containers);
        let live = async { Ok(((), containers.clear(&name).await?)) };
        self.write_shared("wasi:blobstore/container.container.clear", &name, live).await
    }

    fn drop(&mut self, container: Resource<Container>) -> wasmtime::Result<()> {
        self.delete(container)?;
        Ok(())
    }
}

impl WorkerState {
    fn place(&self, container: &Resource<Container>, object: String) -> wasmtime::Result<Place> {
        Ok(Place { container: self.table.get(container)?.name.clone(), object })
    }

    async fn delete_from(
        &mut self,
        function: &'static str,
        container: &Resource<Container>,
        objects: Vec<String>,
    ) -> Answered<()> {
        let name = self.table.get(container)?.name.clone();
        let containers = Arc::clone(&self.environment.containers);
        let live = async { Ok(((), containers.delete_objects(&name, &objects).await?)) };
        self.write_shared(function, &(name.as_str(), objects.as_slice()), live).await
    }
}

/// Bytes `start` to `end` of a value, both included; what is behind its end is left out. Of a blob it is the whole and
/// where the part is, unless the part is nothing.
fn part(
    value: StoredValue,
    start: u64,
    end: u64,
) -> Result<(StoredValue, Option<(u64, u64)>), DataError> {
    if end < start {
        return Err(Refusal::Backwards { start, end }.into());
    }
    let size = value.size();
    let start = start.min(size);
    let length = end.saturating_add(1).min(size) - start;
    Ok(match value {
        StoredValue::Inline(bytes) => {
            let from = usize::try_from(start).unwrap_or(MAX_INLINE_BYTES);
            let until = usize::try_from(start + length).unwrap_or(MAX_INLINE_BYTES);
            (StoredValue::Inline(bytes.get(from..until).unwrap_or_default().to_vec()), None)
        }
        whole @ StoredValue::Blob { .. } => (whole, Some((start, length))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_part_belong_to_it_and_nothing_is_behind_the_end() {
        let inline = |start, end| match part(StoredValue::Inline(b"hello".to_vec()), start, end) {
            Ok((StoredValue::Inline(bytes), None)) => String::from_utf8(bytes).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(inline(0, 4), "hello");
        assert_eq!(inline(1, 1), "e");
        assert_eq!(inline(3, u64::MAX), "lo");
        assert_eq!(inline(5, 9), "");
        let blob = StoredValue::Blob { digest: [0; 32], size: 10 };
        for ((start, end), found) in
            [((0, 9), (0, 10)), ((2, 3), (2, 2)), ((8, 99), (8, 2)), ((99, 99), (10, 0))]
        {
            assert_eq!(part(blob.clone(), start, end).unwrap(), (blob.clone(), Some(found)));
        }
        assert!(part(blob, 2, 1).unwrap_err().to_string().contains("starts at byte 2"));
    }
}
