use everlog::golem_operation;

#[golem_operation(compensation = release)]
fn reserve(item: String) -> u64 {
    item.len() as u64
}

#[golem_operation(compensation = release)]
fn order(_item: String) {}

fn release() -> Result<(), String> {
    Ok(())
}

fn main() {}
