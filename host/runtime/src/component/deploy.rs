//! From uploaded bytes to something that can be instantiated, or the reason why not.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::calls::clients;
use crate::error::ComponentError;
use crate::exports::Exports;
use crate::wasi::WorkerState;

/// A WebAssembly binary begins with this.
const MAGIC: &[u8; 4] = b"\0asm";
/// The next four bytes of a core module, and of a component.
const CORE_VERSION: [u8; 4] = [1, 0, 0, 0];
const COMPONENT_VERSION: [u8; 4] = [0x0d, 0, 1, 0];
const PREAMBLE_BYTES: usize = 8;

/// What running a component needs, independent of its name.
pub(crate) struct Linked {
    pub(crate) exports: Exports,
    pub(crate) imports: Vec<String>,
    pub(crate) pre: InstancePre<WorkerState>,
}

/// Says what is wrong with `wasm` before the compiler looks at it.
pub(crate) fn check_preamble(wasm: &[u8]) -> Result<(), ComponentError> {
    let not_a_component = |detail: String| Err(ComponentError::NotAComponent { detail });
    let Some((magic, rest)) = wasm.split_first_chunk::<4>() else {
        return not_a_component(format!(
            "{} bytes are too few for a preamble of {PREAMBLE_BYTES}",
            wasm.len()
        ));
    };
    if magic != MAGIC {
        return not_a_component(
            "at byte offset 0: the magic number \"\\0asm\" is missing".to_owned(),
        );
    }
    match rest.first_chunk::<4>() {
        Some(&COMPONENT_VERSION) => Ok(()),
        Some(&CORE_VERSION) => Err(ComponentError::CoreModule),
        Some(other) => not_a_component(format!(
            "at byte offset 4: binary version {other:02x?} is that of a pre-release component format; \
             rebuild with current tools"
        )),
        None => not_a_component("the file ends within its preamble".to_owned()),
    }
}

/// Links `component` against the host's functions.
pub(crate) fn link(
    engine: &Engine,
    linker: &Linker<WorkerState>,
    component: &Component,
) -> Result<Linked, ComponentError> {
    let mut linker = linker.clone();
    let mut imports = Vec::new();
    for (name, item) in component.component_type().imports(engine) {
        imports.push(name.to_owned());
        if let ComponentItem::ComponentInstance(instance) = item.ty
            && instance
                .exports(engine)
                .all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
        {
            // Imports of mere types need no host; where the host has the interface this fails, and nothing is lost.
            let _ = linker.instance(name);
        }
    }
    clients::link(engine, &mut linker, component).map_err(|error| unsatisfied(&imports, &error))?;
    let pre = linker.instantiate_pre(component).map_err(|error| unsatisfied(&imports, &error))?;
    let exports = Exports::of(component)
        .map_err(|error| ComponentError::NotAComponent { detail: error.to_string() })?;
    Ok(Linked { exports, imports, pre })
}

/// wasmtime's message quotes the import; the structured error names it apart, for people who read only that.
fn unsatisfied(imports: &[String], error: &wasmtime::Error) -> ComponentError {
    let detail = format!("{error:#}");
    let import = imports
        .iter()
        .filter(|import| detail.contains(import.as_str()))
        .max_by_key(|import| import.len())
        .cloned()
        .unwrap_or_else(|| "of the component".to_owned());
    ComponentError::UnsatisfiedImport { import, detail }
}
