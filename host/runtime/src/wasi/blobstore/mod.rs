//! `wasi:blobstore` as guests of Golem 1.0 import it, over the containers that all workers share.
//!
//! Reads are recorded with what they found, large objects by their digest; writes are stored together with the entry
//! that says so. Points in time are milliseconds since 1970.

mod blobstore_calls;
mod container;
mod object_names;
mod types;

use wasmtime::component::Linker;

use super::{HasWorker, WorkerState};
use bindings::wasi::blobstore::{
    blobstore, container as container_interface, types as type_interface,
};

mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/io", "../../wit/deps/blobstore"],
        inline: "
            package everlog:blobstore;
            world imports {
                import wasi:blobstore/types;
                import wasi:blobstore/container;
                import wasi:blobstore/blobstore;
            }
        ",
        world: "everlog:blobstore/imports",
        imports: {
            // Those that look at or change what is stored.
            "wasi:blobstore/types.[method]incoming-value.incoming-value-consume-sync": async | trappable,
            "wasi:blobstore/types.[method]incoming-value.incoming-value-consume-async": async | trappable,
            "wasi:blobstore/container.[method]container.get-data": async | trappable,
            "wasi:blobstore/container.[method]container.write-data": async | trappable,
            "wasi:blobstore/container.[method]container.delete-object": async | trappable,
            "wasi:blobstore/container.[method]container.delete-objects": async | trappable,
            "wasi:blobstore/container.[method]container.has-object": async | trappable,
            "wasi:blobstore/container.[method]container.object-info": async | trappable,
            "wasi:blobstore/container.[method]container.clear": async | trappable,
            "wasi:blobstore/container.[method]stream-object-names.read-stream-object-names": async | trappable,
            "wasi:blobstore/container.[method]stream-object-names.skip-stream-object-names": async | trappable,
            "wasi:blobstore/blobstore.create-container": async | trappable,
            "wasi:blobstore/blobstore.get-container": async | trappable,
            "wasi:blobstore/blobstore.delete-container": async | trappable,
            "wasi:blobstore/blobstore.container-exists": async | trappable,
            "wasi:blobstore/blobstore.copy-object": async | trappable,
            "wasi:blobstore/blobstore.move-object": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:io": wasmtime_wasi_io::bindings::wasi::io,
            "wasi:blobstore/types.outgoing-value": crate::wasi::values::OutgoingValue,
            "wasi:blobstore/types.incoming-value": crate::wasi::values::IncomingValue,
            "wasi:blobstore/container.container": super::container::Container,
            "wasi:blobstore/container.stream-object-names": super::object_names::ObjectNames,
        },
    });
}

/// Links the interfaces of `wasi:blobstore`.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    type_interface::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    container_interface::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    blobstore::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}

/// What a function of these interfaces returns.
type Answered<T> = wasmtime::Result<Result<T, String>>;
