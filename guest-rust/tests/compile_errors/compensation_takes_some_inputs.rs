use everlog::golem_operation;

#[golem_operation(compensation = release)]
fn reserve(item: String, count: u32) -> Result<u64, String> {
    Ok(item.len() as u64 * u64::from(count))
}

fn release(_result: u64, _item: String) -> Result<(), String> {
    Ok(())
}

fn main() {}
