use everlog::golem_operation;

#[golem_operation(compensation = release)]
fn reserve(item: String) -> Result<u64, String> {
    Ok(item.len() as u64)
}

fn release(_item: String) -> Result<(), String> {
    Ok(())
}

fn main() {}
