//! The one engine of all workers: deterministic, asynchronous, interruptible, pooled.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::config::RuntimeConfig;

/// A compute loop comes up for air this often, in units of fuel (about one a wasm instruction): 2 to 5 ms of work,
/// so that an interrupt acts within 10 ms and no worker keeps a thread for longer.
pub(crate) const FUEL_BETWEEN_YIELDS: u64 = 2_000_000;

/// Stack of a guest, in bytes. Running out of it is observable, so it must not depend on the machine. Less than the 1 MiB
/// that compilers give the stack in linear memory, so that endless recursion is told from a wild pointer.
const MAX_WASM_STACK_BYTES: usize = 512 << 10;
/// A fiber's stack: the guest's and what host functions need above it.
const ASYNC_STACK_BYTES: usize = 2 << 20;
/// Bytes of a freed memory slot that stay mapped: zeroing them is cheaper than faulting them in again.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;
/// Reserved address space for a memory: all that 32 bits can reach, so no bounds checks are compiled in.
const MAX_MEMORY_BYTES: usize = 1 << 32;
/// Core instances in one component: the guest, its adapter, shims; composed components have more.
const CORE_INSTANCES_PER_COMPONENT: u32 = 32;
/// Memories and tables in one component.
const MEMORIES_PER_COMPONENT: u32 = 8;
const TABLES_PER_COMPONENT: u32 = 32;
/// Elements of one table.
const TABLE_ELEMENTS: usize = 100_000;
/// Frames in the backtrace of a trap.
const BACKTRACE_FRAMES: usize = 32;
/// Instances beyond the limit of loaded workers: those that are just leaving while others come.
const SPARE_INSTANCES: usize = 100;

/// Builds the engine.
///
/// # Errors
/// When the address space for the pool can't be reserved: fewer loaded workers help.
pub(crate) fn engine(settings: &RuntimeConfig) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    config.consume_fuel(true);
    config.max_wasm_stack(MAX_WASM_STACK_BYTES);
    config.async_stack_size(ASYNC_STACK_BYTES);
    config.memory_reservation(MAX_MEMORY_BYTES as u64);
    config.concurrency_support(false);
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES));
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    Engine::new(&config)
}

fn pool(settings: &RuntimeConfig) -> PoolingAllocationConfig {
    let instances = settings.max_loaded_workers.saturating_add(SPARE_INSTANCES);
    let instances = u32::try_from(instances).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(4))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(2))
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memories_per_module(1)
        .max_tables_per_module(8)
        .table_elements(TABLE_ELEMENTS)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        .max_memory_size(MAX_MEMORY_BYTES)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}
